"""The use case: cluster files without a server, as the nightly job or as the service would.

Articles are prepared as they are read. Only then is it known which lines repeat across a
publisher's articles, and those that hold one are prepared again without it. Meanwhile their texts
are spooled, so they do not pile up in memory; of an article only what deciding needs is kept.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice
from types import TracebackType
from typing import Final, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clustering import distributed, spreading
from clustering.articles import Article, ArticleFeatures, UInt32Array
from clustering.batch import Digests, canonical_order
from clustering.collected_columns import CollectedColumns
from clustering.columns import FeatureColumns, numbered
from clustering.errors import ConfigurationError
from clustering.learning import LineLearner
from clustering.online import OnlineClusterer
from clustering.pair_finding import find_pairs_here
from clustering.prepare import RepeatedLines
from clustering.preparer import ExtractedArticle
from clustering.refine.linkage import first_appearance
from clustering.spreading import Workers
from clustering.window import cluster_window
from service.article_chunks import (
    ArticleChunk,
    PreparedChunk,
    RepeatedChunk,
    chunk_preparing,
    chunks_of,
    extracted_in,
)
from service.clusterer import Clusterer
from service.heap import give_large_arrays_back
from service.identifiers import derive_article_id
from service.postings import PostingReader
from service.preparing import Crew, core_count
from service.spool import Spool
from service.window_lines import WindowLines

Int64Array = NDArray[np.int64]

_MANY_CHUNKS: Final = 20
"""With so many chunks in the input, processes are started at once: here they would take longer."""

_Again: TypeAlias = Iterator[tuple[int, RepeatedChunk]]

# Called with the stage and the share of it that is done, 0..1, or None where that is unknown.
ProgressReport = Callable[[str, float | None], None]


@dataclass(frozen=True, slots=True)
class OfflineResult:
    """Where one article of the input ended."""

    article_id: str
    cluster_id: str
    duplicate_group_id: str


@dataclass(frozen=True, slots=True)
class OfflineClustering:
    """The outcome of `cluster_articles`.

    Attributes
    ----------
    results
        One an article of the input, in its order.
    features
        Article id → features, one an article.
    repeated_count
        Articles of the input that were superseded by a later one of the same id.
    """

    results: list[OfflineResult]
    features: Mapping[str, ArticleFeatures]
    repeated_count: int


def article_of(fields: Mapping[str, str], reader: PostingReader) -> Article:
    """Check an imported article as the service would check its posting.

    Unlike the service it takes an empty text: in a file such an article is worth a line of
    output, alone in its cluster.

    Raises
    ------
    service.problems.ProblemError
        Naming every field that is wrong.
    """
    if fields.get("text", "").strip() or fields.get("html", "").strip():
        return reader.article(dict(fields))
    return replace(reader.article({**fields, "text": "-"}), text="")


def cluster_articles(
    articles: Iterable[Article],
    *,
    online: bool = False,
    workers: Workers | None = None,
    on_progress: ProgressReport | None = None,
) -> OfflineClustering:
    """Cluster articles in memory.

    The same articles in the same order always get the same ids: clusters are numbered ``c1``,
    ``c2`` … and near-duplicate groups ``d1`` … in order of first appearance.

    Parameters
    ----------
    articles
        Read once. One without an id gets the one that the service would derive. Of several with
        one id the last counts, as an update would in the service, and all share its result.
    online
        Decide one by one in order of publication, as the service does; otherwise all at once, as
        the nightly job does.
    workers
        A Dask cluster to prepare the articles, and find and compare candidates, on; not with
        ``online``. The result does not depend on it.
    on_progress
        Told how far the work is.
    """
    if online and workers is not None:
        raise ConfigurationError("deciding one by one cannot be spread over workers")
    report = on_progress or _silent
    give_large_arrays_back()
    with Spool() as spool, _Preparing(workers) as preparing:
        window = _Window(spool)
        for prepared in preparing.all_of(window.noting_ids(articles)):
            window.put(prepared)
            report(f"preparing ({window.prepared_count:,} articles)", None)
        decided = (
            _decided_one_by_one(Clusterer(), window, report)
            if online
            else _decided_at_once(Clusterer(), window, preparing, report, workers)
        )
    places = window.places
    results = list(
        map(
            OfflineResult,
            window.ids,
            _names("c", decided.labels[places]),
            _names("d", decided.duplicate_labels[places]),
        )
    )
    return OfflineClustering(
        results,
        FeaturesById(window.numbers, decided.features),
        repeated_count=len(window.ids) - len(window.numbers),
    )


class FeaturesById(Mapping[str, ArticleFeatures]):
    """Article id → features, which are made when they are asked for."""

    def __init__(self, numbers: Mapping[str, int], features: FeatureColumns) -> None:
        self._numbers = numbers
        self._features = features

    @cached_property
    def _places(self) -> Mapping[str, int]:
        """Article id → where its features are, in the order of the input as the numbers tell it."""
        places = {article_id: place for place, article_id in enumerate(self._numbers)}
        return {key: places[key] for key in sorted(places, key=self._numbers.__getitem__)}

    def __getitem__(self, article_id: str) -> ArticleFeatures:
        return self._features[self._places[article_id]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


@dataclass(frozen=True, slots=True)
class _Decided:
    """Features of the articles that count, and labels of their clusters and groups."""

    features: FeatureColumns
    labels: Int64Array
    duplicate_labels: Int64Array


class _Window:
    """The articles of the input, numbered from 0: texts aside, what deciding needs at hand.

    Attributes
    ----------
    ids
        Of every article of the input.
    numbers
        Id → number of the last article that has it, in the order of those: the ones that count.
    """

    def __init__(self, spool: Spool) -> None:
        self.ids: list[str] = []
        self.numbers: dict[str, int] = {}
        self.prepared_count = 0
        self._spool = spool
        self._features = CollectedColumns()
        # Where among the features an article is that was prepared again.
        self._replaced: dict[int, int] = {}
        self._digests: list[Digests] = []
        self._line_hashes: list[UInt32Array] = []
        self._line_counts: list[Int64Array] = []
        self._begins = [0]

    def noting_ids(self, articles: Iterable[Article]) -> Iterator[Article]:
        """Yield the articles, and note the id of each."""
        for article in articles:
            article_id = article.article_id or derive_article_id(article)
            # Taken out first, so that an update takes its own place in the order, not the first
            # one's.
            self.numbers.pop(article_id, None)
            self.numbers[article_id] = len(self.ids)
            self.ids.append(article_id)
            yield article

    def put(self, prepared: PreparedChunk) -> None:
        """Keep the articles that come next."""
        self._features.add(prepared.features)
        self._digests.append(prepared.digests)
        self._line_hashes.append(prepared.line_hashes)
        self._line_counts.append(np.diff(prepared.line_ends, prepend=0))
        self._spool.put(prepared.content)
        self.prepared_count += len(prepared.features)
        self._begins.append(self.prepared_count)

    @property
    def chosen(self) -> Int64Array:
        """Numbers of the articles that count, in their order; int64."""
        return np.fromiter(self.numbers.values(), dtype=np.int64, count=len(self.numbers))

    @property
    def places(self) -> Int64Array:
        """For every article of the input, which of those that count stands for it; int64."""
        place_of = {article_id: place for place, article_id in enumerate(self.numbers)}
        each = map(place_of.__getitem__, self.ids)
        return np.fromiter(each, dtype=np.int64, count=len(self.ids))

    def taken_features(self) -> FeatureColumns:
        """Return the features of the articles that count, and forget all features."""
        rows = np.arange(self.prepared_count)
        rows[list(self._replaced)] = list(self._replaced.values())
        return self._features.taken(rows[self.chosen], threads=core_count())

    def put_in_canonical_order(self) -> Digests:
        """Let the articles that count stand as they will be clustered; return their digests."""
        nothing = np.zeros((0, 2), dtype=np.uint64)
        digests = np.concatenate([nothing, *self._digests])[self.chosen]
        dates = self._features.published_at_seconds[self.chosen]
        order = canonical_order(dates, digests)
        ids = list(self.numbers)
        self.numbers = {ids[k]: self.numbers[ids[k]] for k in order.tolist()}
        return digests[order]

    def lines(self) -> WindowLines:
        """Return the lines of the articles that count, by publisher."""
        publishers, names = self._features.publishers
        nothing = np.zeros(0, dtype=np.int64)
        return WindowLines(
            chosen=self.chosen,
            publishers=publishers.astype(np.int64),
            publisher_names=names,
            counts=np.concatenate([nothing, *self._line_counts]),
            hashes=np.concatenate([np.zeros(0, dtype=np.uint32), *self._line_hashes]),
        )

    def forget_lines(self) -> None:
        """Let go of what `lines` needs: of a million articles some hundred megabytes."""
        self._line_hashes, self._line_counts = [], []

    def extracted(self, number: int) -> ExtractedArticle:
        """Return an article of a known publisher as it was before it was cleaned."""
        chunk = bisect_right(self._begins, number) - 1
        return extracted_in(self._spool.get(chunk), [number - self._begins[chunk]])[0]

    def again(self, numbers: Int64Array, lines: WindowLines, repeated: RepeatedLines) -> _Again:
        """Ask for these articles, in increasing order, to be prepared without repeated lines."""
        chunk_of = np.searchsorted(self._begins, numbers, side="right") - 1
        for chunk in np.unique(chunk_of).tolist():
            own = numbers[chunk_of == chunk]
            positions = (own - self._begins[chunk]).tolist()
            known = lines.known_of(own, repeated)
            yield chunk, RepeatedChunk(self._spool.get(chunk), positions, known)

    def replace(self, chunk: int, positions: Sequence[int], prepared: PreparedChunk) -> None:
        """Put articles that were prepared again in the place of some of a chunk."""
        for row, position in enumerate(positions, start=len(self._features)):
            self._replaced[self._begins[chunk] + position] = row
        self._features.add(prepared.features)
        self._digests[chunk][list(positions)] = prepared.digests


class _Preparing:
    """Prepares chunks in order, on this machine's processes or on a Dask cluster."""

    def __init__(self, workers: Workers | None) -> None:
        self._workers = workers
        self._crew: Crew[ArticleChunk | RepeatedChunk, PreparedChunk] = Crew(chunk_preparing)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> None:
        """End the processes, if any were started."""
        self._crew.end()

    def all_of(self, articles: Iterable[Article]) -> Iterator[PreparedChunk]:
        """Prepare all articles as they are read."""
        chunks = chunks_of(articles)
        if self._workers is None:
            first = list(islice(chunks, _MANY_CHUNKS))
            if len(first) == _MANY_CHUNKS:
                self._crew.start()
            chunks = chain(first, chunks)
        return self.worked(chunks)

    def worked(self, chunks: Iterable[ArticleChunk | RepeatedChunk]) -> Iterator[PreparedChunk]:
        """Do the work on chunks, in order."""
        if self._workers is None:
            return self._crew.worked(chunks)
        return spreading.worked_in_order(self._workers, chunks, chunk_preparing)


def _names(prefix: str, labels: Int64Array) -> list[str]:
    """Name each label by its number, from 1, in order of first appearance."""
    numbers = first_appearance(labels).tolist()
    names = [f"{prefix}{number}" for number in range(1, max(numbers, default=-1) + 2)]
    return [names[number] for number in numbers]


def _prepare_again(window: _Window, preparing: _Preparing, report: ProgressReport) -> None:
    """Prepare those articles anew that hold lines which repeat across the window."""
    report("repeated lines", None)
    lines = window.lines()
    repeated = lines.repeated()
    numbers = lines.holding_repeated(repeated)
    asked: deque[tuple[int, Sequence[int]]] = deque()

    def chunks() -> Iterator[RepeatedChunk]:
        for number, chunk in window.again(numbers, lines, repeated):
            asked.append((number, chunk.positions))
            yield chunk

    done = 0
    for prepared in preparing.worked(chunks()):
        number, positions = asked.popleft()
        window.replace(number, positions, prepared)
        done += len(positions)
        report("preparing again", done / numbers.size)


def _decided_at_once(
    clusterer: Clusterer,
    window: _Window,
    preparing: _Preparing,
    report: ProgressReport,
    workers: Workers | None,
) -> _Decided:
    _prepare_again(window, preparing, report)
    # The processes have done what they were started for, and their memory is wanted.
    preparing.end()
    window.forget_lines()
    digests = window.put_in_canonical_order()
    features = window.taken_features()
    clustering = cluster_window(
        features,
        clusterer.shipped,
        clusterer.scheme,
        find_pairs=distributed.pair_finder(workers) if workers else find_pairs_here,
        on_progress=lambda stage, done, total: report(stage, done / max(1, total)),
        digests=digests,
    ).clustering
    return _Decided(features, clustering.labels, clustering.duplicate_labels)


def _decided_one_by_one(clusterer: Clusterer, window: _Window, report: ProgressReport) -> _Decided:
    online = OnlineClusterer(clusterer.shipped, clusterer.scheme)
    learner = LineLearner()
    preparer = clusterer.preparer
    lines = window.lines()
    features: list[ArticleFeatures] = list(window.taken_features())
    order = publication_order(features)
    numbers = window.chosen.tolist()
    for count, position in enumerate(order, start=1):
        if learner.learn():
            preparer = preparer.with_repeated(learner.repeated)
        number = numbers[position]
        publisher, hashes = lines.of_article(number)
        if learner.repeated.among(publisher, hashes).any():
            extracted = window.extracted(number)
            features[position] = preparer.prepare_extracted(extracted).article.features
        online.add(features[position])
        learner.add(publisher, hashes)
        if count % 20 == 0:
            report("deciding", count / len(order))
    # Answers come in the order of decision and go back to the order of the input.
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return _Decided(
        FeatureColumns.of(features),
        numbered(online.cluster_ids())[0][place].astype(np.int64),
        numbered(online.duplicate_group_ids())[0][place].astype(np.int64),
    )


class Dated(Protocol):
    """What may have a time of publication, such as `ArticleFeatures`."""

    @property
    def published_at_seconds(self) -> int | None:
        """Unix time; ``None`` when unknown."""
        ...


def publication_order(articles: Sequence[Dated]) -> list[int]:
    """Return positions by time of publication; undated articles stay behind their predecessor.

    Ties, and so inputs without any date, keep the order of the input.
    """
    times: list[float] = []
    latest = float("-inf")
    for article in articles:
        if article.published_at_seconds is not None:
            latest = float(article.published_at_seconds)
        times.append(latest)
    return sorted(range(len(times)), key=times.__getitem__)


def _silent(stage: str, share: float | None) -> None:
    """Report to nobody."""
