"""The use case: tell what is stored. Articles, clusters and listings, as people read them."""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from clustering.articles import ArticleFeatures
from clustering.describe import DescribedArticle, describe
from clustering.packing import unpack_document, unpack_features
from clustering.propose import bucket_ids, bucket_weights
from clustering.series import series_of
from service.clusterer import Clusterer
from service.constraints_in_force import ConstraintsInForce, FollowedConstraints
from service.store import StoredArticle, StoredCluster
from service.store.constraints import ConstrainedStore
from service.views import (
    ArticlePage,
    ArticleView,
    ClosedView,
    ClusterSummary,
    ClusterView,
    InvalidCursorError,
    MergedView,
    SeriesView,
)

_EXCERPT_CHARACTERS = 280
_FIRST_ARTICLES = 50
# The members that a cluster's headline and key terms are made from. The first of a large cluster
# say what it is about; reading thousands for one line of a listing would not change that.
_DESCRIBED_ARTICLES = 100
_CACHED_SUMMARIES = 4096
_NAMED_ISSUES = 20


class Reading:
    """Answers what is stored.

    Parameters
    ----------
    store
        An opened store.
    clusterer
        Weighs terms when a cluster is described.
    constraints
        With the headlines that editors pinned; shared by the use cases of a process.
    """

    def __init__(
        self,
        store: ConstrainedStore,
        clusterer: Clusterer,
        *,
        constraints: FollowedConstraints | None = None,
    ) -> None:
        self._constraints = FollowedConstraints() if constraints is None else constraints
        self._store = store
        self._clusterer = clusterer
        self._summaries: OrderedDict[tuple[str, int, float], _Described] = OrderedDict()

    async def article(self, article_id: str) -> ArticleView | None:
        """Return a stored article with its text; ``None`` when there is none of that id."""
        stored = await self._store.article(article_id)
        return None if stored is None else _article_view(stored, with_text=True)

    async def cluster(self, cluster_id: str) -> ClusterView | MergedView | ClosedView | None:
        """Return a cluster with its first articles, where it went, or ``None``."""
        cluster = await self._store.cluster(cluster_id)
        if cluster is None:
            return None
        if cluster.state == "empty":
            return _closed_view(cluster)
        if cluster.state == "merged":
            return _merged_view(cluster)
        articles = await self._members(cluster_id, after=0, limit=_DESCRIBED_ARTICLES)
        described = await self._description(cluster, articles)
        if described is None:
            return None
        summary = await self._with_headline(described.summary)
        return ClusterView(
            **{name: getattr(summary, name) for name in ClusterSummary.__slots__},
            series=await self._series(described),
            articles=tuple(_article_view(item) for item in articles[:_FIRST_ARTICLES]),
            more=cluster.size > _FIRST_ARTICLES,
        )

    async def clusters(
        self, *, cursor: str | None, limit: int
    ) -> tuple[list[ClusterSummary], str | None]:
        """Return clusters by last change, newest first, and the cursor of the next page.

        Raises
        ------
        InvalidCursorError
            The cursor is not one that this listing gave out.
        """
        before = None if cursor is None else _decode_cursor(cursor, (float, str))
        found = await self._store.clusters(
            before=None if before is None else (float(before[0]), before[1]), limit=limit + 1
        )
        page = found[:limit]
        summaries = [await self._summary(cluster) for cluster in page]
        more = len(found) > limit
        following = (
            _encode_cursor(page[-1].updated_at_seconds, page[-1].cluster_id) if more else None
        )
        said = await self._constraints.refresh(self._store)
        return [_with_headline(item, said) for item in summaries if item is not None], following

    async def cluster_articles(
        self, cluster_id: str, *, cursor: str | None, limit: int
    ) -> ArticlePage | MergedView | ClosedView | None:
        """Return articles of a cluster in order of arrival, without text.

        Raises
        ------
        InvalidCursorError
            The cursor is not one that this listing gave out.
        """
        after = 0 if cursor is None else int(_decode_cursor(cursor, (int,))[0])
        cluster = await self._store.cluster(cluster_id)
        if cluster is None:
            return None
        if cluster.state == "empty":
            return _closed_view(cluster)
        if cluster.state == "merged":
            return _merged_view(cluster)
        # Whether there is more follows from the handles: an article may go before it is read.
        handles = await self._store.cluster_handles(cluster_id, after=after, limit=limit + 1)
        page = handles[:limit]
        articles = await self._store.articles(page)
        return ArticlePage(
            articles=tuple(_article_view(item) for item in articles),
            next_cursor=_encode_cursor(page[-1]) if len(handles) > limit else None,
        )

    async def _members(self, cluster_id: str, *, after: int, limit: int) -> list[StoredArticle]:
        handles = await self._store.cluster_handles(cluster_id, after=after, limit=limit)
        return await self._store.articles(handles)

    async def _with_headline(self, summary: ClusterSummary) -> ClusterSummary:
        return _with_headline(summary, await self._constraints.refresh(self._store))

    async def _series(self, described: _Described) -> SeriesView | None:
        """Look for other issues among what shares buckets with the lead article."""
        clusterer, lead = self._clusterer, described.lead
        buckets = bucket_ids(lead, clusterer.preparer.scheme)
        if not buckets.size:
            return None
        decider = clusterer.decider
        probe = await self._store.probe(
            "", buckets, bucket_weights(buckets), limit=decider.limits.candidates
        )
        own = described.summary.cluster_id
        # Newest first: the next issue to read is more likely among them.
        others = sorted(
            (item for item in probe.candidates if item.cluster_id != own),
            key=lambda item: -item.handle,
        )
        series = series_of(
            described.lead_title,
            lead,
            [unpack_features(item.record) for item in others],
            decider.refinement,
        )
        if series is None:
            return None
        cluster_ids = dict.fromkeys(others[k].cluster_id for k in series.members)
        return SeriesView(
            key=series.key,
            title_template=series.title_template,
            explanation=series.explanation,
            cluster_ids=tuple(cluster_ids)[:_NAMED_ISSUES],
        )

    async def _summary(self, cluster: StoredCluster) -> ClusterSummary | None:
        described = await self._description(cluster)
        return None if described is None else described.summary

    async def _description(
        self, cluster: StoredCluster, articles: Sequence[StoredArticle] | None = None
    ) -> _Described | None:
        """Describe a cluster, or take the description of the same revision from memory."""
        key = (cluster.cluster_id, cluster.revision, cluster.created_at_seconds)
        if key in self._summaries:
            self._summaries.move_to_end(key)
            return self._summaries[key]
        if articles is None:
            articles = await self._members(cluster.cluster_id, after=0, limit=_DESCRIBED_ARTICLES)
        if not articles:
            return None
        records = await self._store.records([item.handle for item in articles])
        description = self._described(cluster, articles, records)
        if description is None:
            return None
        self._summaries[key] = description
        if len(self._summaries) > _CACHED_SUMMARIES:
            self._summaries.popitem(last=False)
        return description

    def _described(
        self,
        cluster: StoredCluster,
        articles: Sequence[StoredArticle],
        records: Sequence[bytes | None],
    ) -> _Described | None:
        """Describe a cluster; ``None`` when all its articles went away meanwhile."""
        members = []
        described = []
        for stored, record in zip(articles, records, strict=True):
            if record is None:
                continue
            document = unpack_document(stored.document)
            features = unpack_features(record)
            members.append(stored)
            described.append(
                DescribedArticle(
                    title=document["title"],
                    body=document["body"],
                    publisher=features.publisher,
                    published_at=_moment(features.published_at_seconds),
                    features=features,
                )
            )
        if not members:
            return None
        about = describe(described, self._clusterer.preparer.frequencies)
        summary = ClusterSummary(
            cluster_id=cluster.cluster_id,
            revision=cluster.revision,
            size=cluster.size,
            duplicate_group_count=len({stored.duplicate_group_id for stored in members}),
            publisher_count=len(about.publishers),
            headline=about.headline,
            lead_article_id=members[about.lead].article_id,
            key_terms=about.key_terms,
            languages=about.languages,
            created_at=datetime.fromtimestamp(cluster.created_at_seconds, UTC),
            updated_at=datetime.fromtimestamp(cluster.updated_at_seconds, UTC),
            first_published_at=about.first_published_at,
            last_published_at=about.last_published_at,
        )
        lead = described[about.lead]
        return _Described(summary, lead.title, lead.features)


@dataclass(frozen=True, slots=True)
class _Described:
    """A cluster's description, with what its series follows from."""

    summary: ClusterSummary
    lead_title: str
    lead: ArticleFeatures


def _with_headline(summary: ClusterSummary, said: ConstraintsInForce) -> ClusterSummary:
    """Return the summary under the headline that an editor pinned, where there is one."""
    pinned = said.headlines.get(summary.cluster_id)
    return summary if pinned is None else replace(summary, headline=pinned)


def _merged_view(cluster: StoredCluster) -> MergedView:
    return MergedView(cluster.cluster_id, cluster.merged_into, split_into=cluster.split_into)


def _article_view(stored: StoredArticle, *, with_text: bool = False) -> ArticleView:
    document = unpack_document(stored.document)
    body: str = document["body"]
    return ArticleView(
        article_id=stored.article_id,
        cluster_id=stored.cluster_id,
        duplicate_group_id=stored.duplicate_group_id,
        title=document["title"],
        url=document["url"],
        source=document["source"],
        publisher=document["publisher"],
        published_at=_moment(document.get("published_at_seconds")),
        received_at=datetime.fromtimestamp(stored.received_at_seconds, UTC),
        lang=document["lang"],
        kind=document["kind"],
        decision=document["decision"],
        similarity=document.get("similarity"),
        revision=stored.revision,
        excerpt=_excerpt(body),
        text=body if with_text else None,
    )


def _closed_view(cluster: StoredCluster) -> ClosedView:
    return ClosedView(cluster.cluster_id, datetime.fromtimestamp(cluster.updated_at_seconds, UTC))


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _excerpt(body: str) -> str:
    """Return the beginning of a text, cut at a space where there is one."""
    text = " ".join(body[: 2 * _EXCERPT_CHARACTERS].split())
    if len(text) <= _EXCERPT_CHARACTERS:
        return text
    cut = text[:_EXCERPT_CHARACTERS]
    return cut[: cut.rfind(" ")] + " …" if " " in cut else cut + "…"


def _encode_cursor(*values: float | str) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(values)).decode("ascii").rstrip("=")


def _decode_cursor(cursor: str, kinds: tuple[type, ...]) -> list[Any]:
    """Return the values of a cursor, checked; `InvalidCursorError` for any other text."""
    try:
        values = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        values = None
    fits = (
        isinstance(values, list)
        and len(values) == len(kinds)
        and all(isinstance(value, kind) for value, kind in zip(values, kinds, strict=True))
    )
    if not fits:
        raise InvalidCursorError(
            "the cursor is not one that this listing gave out: start again without it"
        )
    return list(values)
