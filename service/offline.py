"""The use case: cluster files without a server, as the nightly job or as the service would.

Only what deciding needs is kept of each article, so texts pass through without piling up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from clustering.articles import Article, ArticleFeatures
from clustering.online import OnlineClusterer
from clustering.window import cluster_window
from service.clusterer import Clusterer
from service.identifiers import derive_article_id
from service.postings import PostingReader

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
    on_progress
        Told how far the work is.
    """
    report = on_progress or _silent
    clusterer = Clusterer()
    features: dict[str, ArticleFeatures] = {}
    ids: list[str] = []
    for article in articles:
        article_id = article.article_id or derive_article_id(article)
        ids.append(article_id)
        # Taken out first, so that an update takes its own place in the order, not the first one's.
        features.pop(article_id, None)
        features[article_id] = clusterer.preparer.prepare(article).features
        if len(ids) % 20 == 0:
            report(f"preparing ({len(ids):,} articles)", None)
    decide = _decided_one_by_one if online else _decided_at_once
    labels, duplicate_labels = decide(clusterer, list(features.values()), report)
    label_of = dict(zip(features, zip(labels, duplicate_labels, strict=True), strict=True))
    cluster_names = _Numbering("c")
    group_names = _Numbering("d")
    results = [
        OfflineResult(
            article_id=article_id,
            cluster_id=cluster_names.name_of(label_of[article_id][0]),
            duplicate_group_id=group_names.name_of(label_of[article_id][1]),
        )
        for article_id in ids
    ]
    return OfflineClustering(results, features, repeated_count=len(ids) - len(features))


def _decided_at_once(
    clusterer: Clusterer, features: list[ArticleFeatures], report: ProgressReport
) -> tuple[list[str], list[str]]:
    clustering = cluster_window(
        features,
        clusterer.shipped,
        clusterer.scheme,
        on_progress=lambda stage, done, total: report(stage, done / max(1, total)),
    ).clustering
    return (
        [str(label) for label in clustering.labels.tolist()],
        [str(label) for label in clustering.duplicate_labels.tolist()],
    )


def _decided_one_by_one(
    clusterer: Clusterer, features: list[ArticleFeatures], report: ProgressReport
) -> tuple[list[str], list[str]]:
    online = OnlineClusterer(clusterer.shipped, clusterer.scheme)
    order = publication_order(features)
    for count, position in enumerate(order, start=1):
        online.add(features[position])
        if count % 20 == 0:
            report("deciding", count / len(order))
    # Answers come in the order of decision and go back to the order of the input.
    cluster_of = dict(zip(order, online.cluster_ids(), strict=True))
    group_of = dict(zip(order, online.duplicate_group_ids(), strict=True))
    positions = range(len(features))
    return [cluster_of[place] for place in positions], [group_of[place] for place in positions]


def publication_order(features: list[ArticleFeatures]) -> list[int]:
    """Return positions by time of publication; undated articles stay behind their predecessor.

    Ties, and so inputs without any date, keep the order of the input.
    """
    times: list[float] = []
    latest = float("-inf")
    for item in features:
        if item.published_at_seconds is not None:
            latest = float(item.published_at_seconds)
        times.append(latest)
    return sorted(range(len(features)), key=times.__getitem__)


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
