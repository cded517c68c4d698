"""The use case: cluster files without a server, as the nightly job or as the service would.

What is common to all that cluster at once is in `service.deciding_at_once`: articles are prepared
as they are read, and their texts spooled, so that they do not pile up in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from clustering.articles import Article, ArticleFeatures
from clustering.columns import FeatureColumns, numbered
from clustering.errors import ConfigurationError
from clustering.learning import LineLearner
from clustering.online import OnlineClusterer
from clustering.refine.linkage import first_appearance
from clustering.spreading import Workers
from service.chunk_crew import ChunkCrew
from service.clusterer import Clusterer
from service.collected_window import CollectedWindow
from service.deciding_at_once import ProgressReport, decide_at_once, prepare_again
from service.heap import give_large_arrays_back
from service.line_chunks import LineChunk, ReadLines
from service.spool import Spool

Int64Array = NDArray[np.int64]


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


def cluster_articles(
    articles: Iterable[Article | LineChunk],
    *,
    online: bool = False,
    workers: Workers | None = None,
    on_progress: ProgressReport | None = None,
    on_read: Callable[[ReadLines], None] | None = None,
) -> OfflineClustering:
    """Cluster articles in memory.

    The same articles in the same order always get the same ids: clusters are numbered ``c1``,
    ``c2`` … and near-duplicate groups ``d1`` … in order of first appearance.

    Parameters
    ----------
    articles
        Read once. One without an id gets the one that the service would derive. Of several with
        one id the last counts, as an update would in the service, and all share its result. Lines
        of JSON may stand for the articles that are in them: then others read these.
    online
        Decide one by one in order of publication, as the service does; otherwise all at once, as
        the nightly job does.
    workers
        A Dask cluster to prepare the articles, and find and compare candidates, on; not with
        ``online``. The result does not depend on it.
    on_progress
        Told how far the work is.
    on_read
        Told what was noticed when lines were read, chunk by chunk, in their order.
    """
    if online and workers is not None:
        raise ConfigurationError("deciding one by one cannot be spread over workers")
    report = on_progress or _silent
    give_large_arrays_back()
    with Spool() as spool, ChunkCrew(workers) as preparing:
        window = CollectedWindow(spool)
        for prepared in preparing.all_of(articles):
            window.put(prepared)
            if prepared.read is not None and on_read is not None:
                on_read(prepared.read)
            report(f"preparing ({window.prepared_count:,} articles)", None)
        if online:
            decided = _decided_one_by_one(Clusterer(), window, report)
        else:
            prepare_again(window, preparing, report)
            # The processes have done what they were started for, and their memory is wanted.
            preparing.end()
            features, clustered = decide_at_once(Clusterer(), window, report, workers)
            labels = clustered.clustering
            decided = _Decided(features, labels.labels, labels.duplicate_labels)
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


def _names(prefix: str, labels: Int64Array) -> list[str]:
    """Name each label by its number, from 1, in order of first appearance."""
    numbers = first_appearance(labels).tolist()
    names = [f"{prefix}{number}" for number in range(1, max(numbers, default=-1) + 2)]
    return [names[number] for number in numbers]


def _decided_one_by_one(
    clusterer: Clusterer, window: CollectedWindow, report: ProgressReport
) -> _Decided:
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
