"""The use case: cluster files without a server, as the nightly job or as the service would.

Articles are read twice: first to learn which lines repeat across a publisher's articles, then to
be prepared without them. Meanwhile their texts are spooled, so they do not pile up in memory; of a
prepared article only what deciding needs is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar

from clustering import distributed
from clustering.articles import Article, ArticleFeatures, UInt32Array
from clustering.distributed import Workers
from clustering.errors import ConfigurationError
from clustering.learning import LineLearner
from clustering.online import OnlineClusterer
from clustering.pair_finding import find_pairs_here
from clustering.prepare import LineCounts, RepeatedLines
from clustering.preparer import ExtractedArticle, extract_article
from clustering.window import cluster_window
from service.clusterer import Clusterer
from service.identifiers import derive_article_id
from service.postings import PostingReader
from service.preparing import worked_in_order
from service.spool import Spool

Item = TypeVar("Item")
Done = TypeVar("Done")

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
    features: dict[str, ArticleFeatures]
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
    ids: list[str] = []
    numbers: dict[str, int] = {}
    with Spool() as spool:
        window = _Window(spool)
        extracted = _spread(workers, _noting_ids(articles, ids), _extracting)
        for count, item in enumerate(extracted, start=1):
            article_id = ids[count - 1]
            # Taken out first, so that an update takes its own place in the order, not the first
            # one's.
            numbers.pop(article_id, None)
            numbers[article_id] = window.put(item)
            if count % 20 == 0:
                report(f"reading ({count:,} articles)", None)
        chosen = list(numbers.values())
        decided = (
            _decided_one_by_one(Clusterer(), window, chosen, report)
            if online
            else _decided_at_once(Clusterer(), window, chosen, report, workers)
        )
    place_of = dict(zip(numbers, decided, strict=True))
    cluster_names = _Numbering("c")
    group_names = _Numbering("d")
    results = [
        OfflineResult(
            article_id=article_id,
            cluster_id=cluster_names.name_of(place_of[article_id].label),
            duplicate_group_id=group_names.name_of(place_of[article_id].duplicate_label),
        )
        for article_id in ids
    ]
    return OfflineClustering(
        results,
        {article_id: place.features for article_id, place in place_of.items()},
        repeated_count=len(ids) - len(place_of),
    )


@dataclass(frozen=True, slots=True)
class _Decided:
    """Features of an article, and the labels of its cluster and near-duplicate group."""

    features: ArticleFeatures
    label: str
    duplicate_label: str


@dataclass(frozen=True, slots=True)
class _Noted:
    """What is kept in memory of an article whose text is spooled."""

    publisher: str
    published_at_seconds: int | None
    lines: UInt32Array


class _Window:
    """The articles of the input: their texts aside, what is asked of all of them at hand."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self.noted: list[_Noted] = []

    def put(self, item: _Packed) -> int:
        """Keep an article; return its number, counted from 0."""
        self.noted.append(item.noted)
        return self._spool.put(item.content)

    def packed(self, number: int) -> bytes:
        """Return the article of a number, for `_unpacked`."""
        return self._spool.get(number)

    def get(self, number: int) -> ExtractedArticle:
        """Return the article of a number."""
        return _unpacked(self.packed(number))


def _noting_ids(articles: Iterable[Article], ids: list[str]) -> Iterator[Article]:
    """Yield the articles, and add the id of each to ``ids``."""
    for article in articles:
        ids.append(article.article_id or derive_article_id(article))
        yield article


def _spread(
    workers: Workers | None, items: Iterable[Item], make_work: Callable[[], Callable[[Item], Done]]
) -> Iterator[Done]:
    if workers is None:
        return worked_in_order(items, make_work)
    return distributed.worked_in_order(workers, items, make_work)


# Work for other processes (`service.preparing`, `clustering.distributed`): what is handed over and
# back is packed.


@dataclass(frozen=True, slots=True)
class _Packed:
    """An extracted article, its text packed."""

    content: bytes
    noted: _Noted


def _extracting() -> Callable[[Article], _Packed]:
    return _packed_extract


def _packed_extract(article: Article) -> _Packed:
    extracted = extract_article(article)
    fields = asdict(extracted)
    published_at = extracted.published_at
    seconds = None if published_at is None else int(published_at.timestamp())
    fields["published_at"] = None if published_at is None else published_at.isoformat()
    # A lone surrogate in a text, which UTF-8 cannot hold, survives as an escape.
    content = json.dumps(fields).encode("ascii")
    return _Packed(content, _Noted(extracted.publisher, seconds, extracted.line_hashes()))


def _unpacked(content: bytes) -> ExtractedArticle:
    fields = json.loads(content)
    if fields["published_at"] is not None:
        fields["published_at"] = datetime.fromisoformat(fields["published_at"])
    return ExtractedArticle(**fields)


def _preparing(repeated: RepeatedLines) -> Callable[[bytes], ArticleFeatures]:
    preparer = Clusterer().preparer.with_repeated(repeated)
    return lambda content: preparer.prepare_extracted(_unpacked(content)).article.features


def _decided_at_once(
    clusterer: Clusterer,
    window: _Window,
    numbers: Sequence[int],
    report: ProgressReport,
    workers: Workers | None,
) -> list[_Decided]:
    counts = LineCounts.of_window(
        (window.noted[number].publisher, window.noted[number].lines) for number in numbers
    )
    repeated = counts.repeated(max_lines_per_publisher=max(1, len(counts)))
    features: list[ArticleFeatures] = []
    for item in _spread(workers, map(window.packed, numbers), partial(_preparing, repeated)):
        features.append(item)
        if len(features) % 20 == 0:
            report("preparing", len(features) / len(numbers))
    clustering = cluster_window(
        features,
        clusterer.shipped,
        clusterer.scheme,
        find_pairs=distributed.pair_finder(workers) if workers else find_pairs_here,
        on_progress=lambda stage, done, total: report(stage, done / max(1, total)),
    ).clustering
    return [
        _Decided(item, str(label), str(duplicate_label))
        for item, label, duplicate_label in zip(
            features,
            clustering.labels.tolist(),
            clustering.duplicate_labels.tolist(),
            strict=True,
        )
    ]


def _decided_one_by_one(
    clusterer: Clusterer, window: _Window, numbers: Sequence[int], report: ProgressReport
) -> list[_Decided]:
    online = OnlineClusterer(clusterer.shipped, clusterer.scheme)
    learner = LineLearner()
    preparer = clusterer.preparer
    order = publication_order([window.noted[number] for number in numbers])
    features: dict[int, ArticleFeatures] = {}
    for count, position in enumerate(order, start=1):
        if learner.learn():
            preparer = preparer.with_repeated(learner.repeated)
        number = numbers[position]
        features[position] = preparer.prepare_extracted(window.get(number)).article.features
        online.add(features[position])
        learner.add(window.noted[number].publisher, window.noted[number].lines)
        if count % 20 == 0:
            report("deciding", count / len(order))
    # Answers come in the order of decision and go back to the order of the input.
    decided = {
        position: _Decided(features[position], label, duplicate_label)
        for position, label, duplicate_label in zip(
            order, online.cluster_ids(), online.duplicate_group_ids(), strict=True
        )
    }
    return [decided[position] for position in range(len(numbers))]


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


class _Numbering:
    """Names labels by number, from 1, in order of first appearance."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._numbers: dict[str, int] = {}

    def name_of(self, label: str) -> str:
        """Return the name of a label, a new one the first time."""
        return f"{self._prefix}{self._numbers.setdefault(label, len(self._numbers) + 1)}"


def _silent(stage: str, share: float | None) -> None:
    """Report to nobody."""
