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
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from clustering.articles import Article, ArticleFeatures, PreparedArticle, UInt8Array, UInt64Array
from clustering.errors import InvalidArticleError
from clustering.neighbourhood import Neighbour, TouchedCluster
from clustering.online import Decision, Outcome, RefusedLookAlike
from clustering.packing import pack_features, unpack_features
from clustering.preparer import ExtractedArticle, Preparation, extract_article
from clustering.propose import bucket_ids, bucket_weights
from clustering.series import difference
from service.clusterer import Clusterer
from service.documents import new_document
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

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


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
        aside = bool(article.html) or len(article.text) > _PREPARE_ASIDE_CHARACTERS
        extracted = await _run(extract_article, article, aside=aside)
        return await self._place(article, extracted, aside=aside)

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

    async def _place(
        self, article: Article, extracted: ExtractedArticle, *, aside: bool
    ) -> IngestOutcome:
        article_id = article.article_id or derive_article_id(article)
        digest = posting_digest(article)
        limit = self._clusterer.decider.limits.candidates
        sketch = await self._sketch(extracted, aside=aside)
        for attempt in range(_DECISION_ATTEMPTS):
            if attempt:
                await asyncio.sleep(_backoff_seconds(attempt))
            probe = await self._store.probe(
                article_id, sketch.bucket_ids, sketch.bucket_weights, limit=limit
            )
            existing = probe.existing
            if existing is not None and existing.content_digest == digest:
                return _already_stored(article_id, existing, sketch.prepared)
            await self._clusterer.follow(self._store, probe.frequency_epoch)
            await self._clusterer.learn(self._store, probe.horizon)
            if self._clusterer.epoch != sketch.epoch:
                # Now that more is known of its publisher, other lines of it may be the page's.
                before, sketch = sketch, await self._sketch(extracted, aside=aside)
                if sketch.record != before.record:
                    probe = await self._store.probe(
                        article_id, sketch.bucket_ids, sketch.bucket_weights, limit=limit
                    )
                    existing = probe.existing
            prepared = sketch.prepared
            touched, revisions, refused = await self._touched(prepared.features, probe)
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
                record=sketch.record,
                document=new_document(
                    article, extracted, sketch.preparation, decision, now_seconds
                ),
                bucket_ids=sketch.bucket_ids,
                bucket_weights=sketch.bucket_weights,
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
            return _outcome(stored, decision, prepared, refused, updated=existing is not None)
        raise ContentionError(
            f"gave up after {_DECISION_ATTEMPTS} attempts: too many articles of one event are "
            "being posted at the same instant; post this one again"
        )

    async def _sketch(self, extracted: ExtractedArticle, *, aside: bool) -> _Sketch:
        """Prepare an article as far as storing it needs, under the tables in force."""
        epoch, preparer = self._clusterer.epoch, self._clusterer.preparer
        preparation = await _run(preparer.prepare_extracted, extracted, aside=aside)
        features = preparation.article.features
        buckets = bucket_ids(features, preparer.scheme)
        return _Sketch(
            epoch=epoch,
            preparation=preparation,
            record=pack_features(features),
            bucket_ids=buckets,
            bucket_weights=bucket_weights(buckets),
        )

    async def _touched(
        self, features: ArticleFeatures, probe: Probe
    ) -> tuple[list[TouchedCluster], dict[str, int], RefusedLookAlike | None]:
        """Return the clusters to link again, the revisions the decision rests on, a look-alike."""
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
        weighed = self._clusterer.decider.weigh(features, candidates)
        wanted = list(weighed.touched)
        if existing is not None and existing.cluster_id not in wanted:
            wanted.append(existing.cluster_id)
        if not wanted:
            return [], {}, weighed.refused
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
        revisions = {item.cluster_id: item.revision for item in clusters.values()}
        return touched, revisions, weighed.refused


@dataclass(frozen=True, slots=True)
class _Sketch:
    """An article prepared under the tables of an epoch, with its record and buckets."""

    epoch: int
    preparation: Preparation
    record: bytes
    bucket_ids: UInt64Array
    bucket_weights: UInt8Array

    @property
    def prepared(self) -> PreparedArticle:
        """The prepared article itself."""
        return self.preparation.article


async def _run(work: Callable[[_Given], _Made], given: _Given, *, aside: bool) -> _Made:
    """Do it in a thread of its own, or here."""
    return await asyncio.to_thread(work, given) if aside else work(given)


@lru_cache(maxsize=_FEATURE_CACHE_ARTICLES)
def _features(record: bytes) -> ArticleFeatures:
    # Keyed by the bytes themselves, so that a store that was emptied and filled anew can never be
    # answered from what its predecessor held under the same handle.
    return unpack_features(record)


def _backoff_seconds(attempt: int) -> float:
    """Return a random wait, doubling its range with each attempt, so that rivals spread out."""
    return random.uniform(0.0, min(_BACKOFF_MAX_SECONDS, _BACKOFF_SECONDS * 2**attempt))


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


def _reason(decision: Decision, prepared: PreparedArticle, refused: RefusedLookAlike | None) -> str:
    """Return one sentence for people; it names the look-alike that an article was kept from."""
    if refused is None or decision.outcome is not Outcome.CREATED:
        return _REASONS[decision.outcome]
    return (
        f"It looks like an article of {refused.cluster_id}, but "
        f"{difference(refused.look_alike, prepared)}; it founds its own cluster."
    )


def _outcome(
    stored: StoredArticle,
    decision: Decision,
    prepared: PreparedArticle,
    refused: RefusedLookAlike | None,
    *,
    updated: bool,
) -> IngestOutcome:
    return IngestOutcome(
        article_id=stored.article_id,
        cluster_id=stored.cluster_id,
        duplicate_group_id=stored.duplicate_group_id,
        decision=decision.outcome.value,
        similarity=decision.similarity,
        runner_up=decision.runner_up,
        revision=stored.revision,
        reason=_reason(decision, prepared, refused),
        updated=updated,
        kind=prepared.features.kind.value,
    )
