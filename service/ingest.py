"""The use case: an article in, its cluster id out.

An article costs two round trips to the store, three where it touches clusters: *probe* (which
articles share buckets with it), *members* (the clusters it touches) and *commit*, which refuses
when anything that bears on the decision was written since the probe. Then the decision is made
again, on what is there now. So articles posted at the same instant through different workers end
where they would have ended one after the other.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from clustering.articles import Article, ArticleFeatures, PreparedArticle
from clustering.errors import InvalidArticleError
from clustering.neighbourhood import Neighbour, TouchedCluster
from clustering.online import Decision, Outcome
from clustering.packing import pack_document, pack_features, unpack_features
from clustering.propose import bucket_ids, bucket_weights
from service.clusterer import Clusterer
from service.identifiers import (
    derive_article_id,
    mint_cluster_id,
    mint_duplicate_group_id,
    posting_digest,
)
from service.store import (
    ClusterStore,
    Commit,
    ConflictError,
    ExistingArticle,
    Probe,
    StoredArticle,
    StoreUnavailableError,
)
from service.views import ContentionError, IngestOutcome

# Above this many characters, or for HTML, preparing takes long enough (tens of milliseconds) to
# leave the event loop to others meanwhile.
_PREPARE_ASIDE_CHARACTERS = 20_000

# A conflict means that another article won; with n articles racing for one cluster the last of
# them loses n - 1 times. Beyond this many the client is told to come back.
_DECISION_ATTEMPTS = 64
_BACKOFF_SECONDS = 0.002
_BACKOFF_MAX_SECONDS = 0.05

_FEATURE_CACHE_ARTICLES = 20_000


class Ingest:
    """Places articles one at a time.

    Parameters
    ----------
    store
        An opened store.
    clusterer
        Preparation and decision under the configuration in force.
    now
        Clock giving Unix seconds.
    """

    def __init__(
        self, store: ClusterStore, clusterer: Clusterer, *, now: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._clusterer = clusterer
        self._now = now

    async def post(self, article: Article) -> IngestOutcome:
        """Store and place one article.

        Raises
        ------
        InvalidArticleError
            Neither text nor HTML was given.
        ContentionError
            Too many articles race for the same cluster.
        StoreUnavailableError, StoreFullError
            The store cannot take it. Nothing was written.
        """
        if not article.text.strip() and not article.html.strip():
            raise InvalidArticleError(
                "an article needs `text` or `html`, and both are empty", field="text"
            )
        prepared = await self._prepare(article)
        return await self._place(article, prepared)

    async def post_many(self, articles: Sequence[Article]) -> list[IngestOutcome | Exception]:
        """Place articles in order; what goes wrong with one is returned in its place.

        Once the store does not answer, the rest is not tried: each would wait as long again.
        """
        outcomes: list[IngestOutcome | Exception] = []
        away: StoreUnavailableError | None = None
        for article in articles:
            if away is not None:
                outcomes.append(away)
                continue
            try:
                outcomes.append(await self.post(article))
            except StoreUnavailableError as error:
                away = error
                outcomes.append(error)
            # A defect that one article brings to light must not lose the answers of the others;
            # the route logs it.
            except Exception as error:  # noqa: BLE001
                outcomes.append(error)
        return outcomes

    async def delete(self, article_id: str) -> bool:
        """Remove every trace of an article; ``False`` when there is none."""
        return await self._store.delete_article(article_id, now_seconds=self._now())

    async def _prepare(self, article: Article) -> PreparedArticle:
        prepare = self._clusterer.preparer.prepare
        if article.html or len(article.text) > _PREPARE_ASIDE_CHARACTERS:
            return await asyncio.to_thread(prepare, article)
        return prepare(article)

    async def _place(self, article: Article, prepared: PreparedArticle) -> IngestOutcome:
        article_id = article.article_id or derive_article_id(article)
        digest = posting_digest(article)
        scheme = self._clusterer.preparer.scheme
        buckets = bucket_ids(prepared.features, scheme)
        weights = bucket_weights(buckets)
        record = pack_features(prepared.features)
        limit = self._clusterer.decider.limits.candidates
        for attempt in range(_DECISION_ATTEMPTS):
            if attempt:
                await asyncio.sleep(_backoff_seconds(attempt))
            probe = await self._store.probe(article_id, buckets, weights, limit=limit)
            await self._clusterer.follow(self._store, probe.frequency_epoch)
            await self._clusterer.learn(self._store, probe.horizon)
            existing = probe.existing
            if existing is not None and existing.content_digest == digest:
                return _already_stored(article_id, existing, prepared)
            touched, revisions = await self._touched(prepared.features, probe)
            decision = self._clusterer.decider.decide(
                prepared.features,
                touched,
                mint_cluster_id=mint_cluster_id,
                mint_duplicate_group_id=mint_duplicate_group_id,
                previous_cluster_id="" if existing is None else existing.cluster_id,
            )
            now_seconds = self._now()
            commit = Commit(
                article_id=article_id,
                content_digest=digest,
                record=record,
                document=_document(article, prepared, decision, now_seconds),
                bucket_ids=buckets,
                bucket_weights=weights,
                cluster_id=decision.cluster_id,
                duplicate_group_id=decision.duplicate_group_id,
                horizon=probe.horizon,
                # With a full list of candidates, a newcomer that shares less than the last of
                # them would not have been one.
                least_candidate_weight=(
                    probe.candidates[-1].shared_weight if len(probe.candidates) == limit else 1
                ),
                now_seconds=now_seconds,
                expected_revisions=revisions,
                moves=decision.moves,
                merged_into=decision.merged_into,
                split_into=decision.split_into,
                replaces=existing,
            )
            try:
                stored = await self._store.commit(commit)
            except ConflictError:
                continue
            return _outcome(stored, decision, prepared, updated=existing is not None)
        raise ContentionError(
            f"gave up after {_DECISION_ATTEMPTS} attempts: too many articles of one event are "
            "being posted at the same instant; post this one again"
        )

    async def _touched(
        self, features: ArticleFeatures, probe: Probe
    ) -> tuple[list[TouchedCluster], dict[str, int]]:
        """Return the clusters to link again, and the revisions the decision rests on."""
        existing = probe.existing
        replaced = -1 if existing is None else existing.handle
        candidates = [
            Neighbour(
                handle=item.handle,
                cluster_id=item.cluster_id,
                duplicate_group_id=item.duplicate_group_id,
                features=_features(item.record),
            )
            for item in probe.candidates
            if item.handle != replaced
        ]
        wanted = list(self._clusterer.decider.touched_clusters(features, candidates))
        if existing is not None and existing.cluster_id not in wanted:
            wanted.append(existing.cluster_id)
        if not wanted:
            return [], {}
        known = {item.handle: item.features for item in candidates}
        limits = self._clusterer.decider.limits
        clusters = await self._store.members(
            wanted, known=list(known), limit=limits.relinked_cluster_articles
        )
        touched = []
        for cluster_id in wanted:
            cluster = clusters.get(cluster_id)
            if cluster is None:
                continue
            members = tuple(
                Neighbour(
                    handle=item.handle,
                    cluster_id=cluster_id,
                    duplicate_group_id=item.duplicate_group_id,
                    features=known.get(item.handle) or _features(item.record),
                )
                for item in cluster.members
                if item.handle != replaced
            )
            size = cluster.size - (existing is not None and existing.cluster_id == cluster_id)
            touched.append(TouchedCluster(cluster_id=cluster_id, size=size, members=members))
        return touched, {item.cluster_id: item.revision for item in clusters.values()}


@lru_cache(maxsize=_FEATURE_CACHE_ARTICLES)
def _features(record: bytes) -> ArticleFeatures:
    # Keyed by the bytes themselves, so that a store that was emptied and filled anew can never be
    # answered from what its predecessor held under the same handle.
    return unpack_features(record)


def _backoff_seconds(attempt: int) -> float:
    """Return a random wait, doubling its range with each attempt, so that rivals spread out."""
    return random.uniform(0.0, min(_BACKOFF_MAX_SECONDS, _BACKOFF_SECONDS * 2**attempt))


def _document(
    article: Article, prepared: PreparedArticle, decision: Decision, now_seconds: float
) -> bytes:
    """Return everything people read of an article, and what was posted, packed."""
    features = prepared.features
    document: dict[str, object] = {
        "title": prepared.title,
        "body": prepared.body,
        "posted_title": article.title if article.title != prepared.title else None,
        "posted_text": article.text if article.text != prepared.body else None,
        "posted_html": article.html or None,
        "posted_lang": article.lang or None,
        "posted_at": None if article.published_at is None else article.published_at.isoformat(),
        "source": article.source,
        "url": article.url,
        "publisher": features.publisher,
        "published_at_seconds": features.published_at_seconds,
        "lang": features.lang,
        "kind": features.kind.value,
        "decision": decision.outcome.value,
        "similarity": decision.similarity,
        "received_at": datetime.fromtimestamp(now_seconds, UTC).isoformat(),
    }
    return pack_document({key: value for key, value in document.items() if value is not None})


def _already_stored(
    article_id: str, existing: ExistingArticle, prepared: PreparedArticle
) -> IngestOutcome:
    return IngestOutcome(
        article_id=article_id,
        cluster_id=existing.cluster_id,
        duplicate_group_id=existing.duplicate_group_id,
        decision="already_stored",
        similarity=None,
        runner_up=None,
        revision=existing.revision,
        reason="The same article was posted before; nothing changed.",
        updated=False,
        kind=prepared.features.kind.value,
    )


_REASONS = {
    Outcome.CREATED: "No cluster is similar enough; it founds its own.",
    Outcome.JOINED: "It reports the same event as the articles of this cluster.",
    Outcome.MERGED: "It reports the same event as several clusters, which are one now.",
    Outcome.RELINKED: "With this article, the clusters around it were divided anew.",
    Outcome.SET_APART: "Too little text to tell its event; kept alone until it is updated.",
}


def _outcome(
    stored: StoredArticle, decision: Decision, prepared: PreparedArticle, *, updated: bool
) -> IngestOutcome:
    return IngestOutcome(
        article_id=stored.article_id,
        cluster_id=stored.cluster_id,
        duplicate_group_id=stored.duplicate_group_id,
        decision=decision.outcome.value,
        similarity=decision.similarity,
        runner_up=decision.runner_up,
        revision=stored.revision,
        reason=_REASONS[decision.outcome],
        updated=updated,
        kind=prepared.features.kind.value,
    )
