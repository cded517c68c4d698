"""The use case: an article in, its cluster id out.

An article costs a few round trips to the store: *probe* (which articles share buckets with it, and
what those are), *members* (the clusters it touches, if any) and *commit*, which refuses when
anything that bears on the decision was written since the probe. Then the decision is made again,
on what is there now. So articles posted at the same instant through different workers end
where they would have ended one after the other.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from clustering.articles import Article, PreparedArticle, UInt8Array, UInt64Array
from clustering.errors import InvalidArticleError
from clustering.neighbourhood import NEW, Neighbour, TouchedCluster
from clustering.online import Decision, Outcome, RefusedLookAlike
from clustering.packing import pack_features
from clustering.preparer import ExtractedArticle, Preparation, extract_article
from clustering.propose import SignatureScheme, bucket_ids, bucket_weights
from clustering.series import difference
from clustering.unpacking import PackedFeatures
from service.clusterer import Clusterer
from service.constraints_in_force import ConstraintsInForce, FollowedConstraints
from service.documents import new_document
from service.identifiers import (
    derive_article_id,
    mint_cluster_id,
    mint_duplicate_group_id,
    posting_digest,
)
from service.store import (
    Commit,
    ConflictError,
    ExistingArticle,
    Probe,
    StoredArticle,
    StoreUnavailableError,
)
from service.store.constraints import ConstrainedStore
from service.views import ContentionError, IngestOutcome

# Above this many characters, or for HTML, preparing takes long enough (tens of milliseconds) to
# leave the event loop to others meanwhile.
_PREPARE_ASIDE_CHARACTERS = 20_000

# A conflict means that another article won; with n articles racing for one cluster the last of
# them loses n - 1 times. Beyond this many the client is told to come back.
_DECISION_ATTEMPTS = 64
_BACKOFF_SECONDS = 0.002
_BACKOFF_MAX_SECONDS = 0.05

# Articles of one process between probe and commit. The more there are, the more of them find that
# another one got in before them and must be decided again: of articles posted by 8 connections at
# once 18 in 100, where 3 are let in 7. Fewer, and the process waits for a server that is far away.
_PLACED_AT_ONCE = 3

# Articles of a batch that are prepared together, in some five milliseconds.
_PREPARED_AT_ONCE = 32

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
    constraints
        What editors said; shared by the use cases of a process.
    """

    def __init__(
        self,
        store: ConstrainedStore,
        clusterer: Clusterer,
        *,
        now: Callable[[], float] = time.time,
        constraints: FollowedConstraints | None = None,
    ) -> None:
        self._store = store
        self._clusterer = clusterer
        self._now = now
        self._constraints = FollowedConstraints() if constraints is None else constraints
        self._features = _FeatureCache()
        self._places = asyncio.Semaphore(_PLACED_AT_ONCE)

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
        return await self._place_prepared(await self._prepare(article))

    async def post_many(self, articles: Sequence[Article]) -> list[IngestOutcome | Exception]:
        """Place articles in order; what goes wrong with one is returned in its place.

        Each is decided when the one before it is stored. They are prepared some at a time, while
        the server is busy with one of those before them. Once the store does not answer, the rest
        is not tried: each would wait as long again.
        """
        outcomes: list[IngestOutcome | Exception] = []
        chunks = [
            articles[begin : begin + _PREPARED_AT_ONCE]
            for begin in range(0, len(articles), _PREPARED_AT_ONCE)
        ]
        following = await self._prepare_many(chunks[0]) if chunks else []
        for number in range(len(chunks)):
            ready = following
            for place, prepared in enumerate(ready):
                async with asyncio.TaskGroup() as group:
                    placing = group.create_task(_caught(self._place_prepared(prepared)))
                    if place == 0 and number + 1 < len(chunks):
                        # Once round the loop, and the server has the first question.
                        await asyncio.sleep(0)
                        following = await self._prepare_many(chunks[number + 1])
                outcome = placing.result()
                outcomes.append(outcome)
                if isinstance(outcome, StoreUnavailableError):
                    return outcomes + [outcome] * (len(articles) - len(outcomes))
        return outcomes

    async def delete(self, article_id: str) -> bool:
        """Remove every trace of an article; ``False`` when there is none."""
        return await self._store.delete_article(article_id, now_seconds=self._now())

    async def _prepare(self, article: Article) -> _Prepared:
        """Do all that needs no look at the store."""
        aside = _belongs_aside(article)
        extracted = await _run(extract_article, article, aside=aside)
        sketch = await self._sketch(extracted, aside=aside)
        return _Prepared(article, extracted, aside=aside, sketch=sketch)

    async def _prepare_many(self, articles: Sequence[Article]) -> list[_Prepared | Exception]:
        """Do as `_prepare` does, for articles together, which takes half the time."""
        done: dict[int, _Prepared | Exception] = {}
        together: dict[int, ExtractedArticle] = {}
        for place, article in enumerate(articles):
            try:
                if _belongs_aside(article):
                    done[place] = await _caught(self._prepare(article))
                else:
                    together[place] = extract_article(article)
            except InvalidArticleError as error:
                done[place] = error
        epoch, preparer = self._clusterer.epoch, self._clusterer.preparer
        given = list(together.values())
        aside = sum(len(item.text) for item in given) > _PREPARE_ASIDE_CHARACTERS * 4
        many = await _caught(_run(preparer.prepare_many, given, aside=aside))
        for number, (place, extracted) in enumerate(together.items()):
            if isinstance(many, Exception):
                # Which of them it was, only each by itself tells.
                done[place] = await _caught(self._prepare(articles[place]))
            else:
                sketch = _sketch_of(many.preparation(number), epoch, preparer.scheme)
                done[place] = _Prepared(articles[place], extracted, aside=False, sketch=sketch)
        return [done[place] for place in range(len(articles))]

    async def _place_prepared(self, prepared: _Prepared | Exception) -> IngestOutcome:
        """Place an article, or raise what went wrong when it was prepared."""
        if isinstance(prepared, Exception):
            raise prepared
        async with self._places:
            return await self._place(prepared)

    async def _place(self, given: _Prepared) -> IngestOutcome:
        article, extracted, aside, sketch = (
            given.article,
            given.extracted,
            given.aside,
            given.sketch,
        )
        article_id = article.article_id or derive_article_id(article)
        digest = posting_digest(article)
        limit = self._clusterer.decider.limits.candidates
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
            said = await self._constraints.follow(self._store, probe.constraint_epoch)
            if said.epoch != probe.constraint_epoch:
                continue
            new = self._features.features(sketch.record)
            touched, revisions, refused = await self._touched(new, probe, said)
            decision = self._clusterer.decider.decide(
                new,
                touched,
                mint_cluster_id=mint_cluster_id,
                mint_duplicate_group_id=mint_duplicate_group_id,
                previous_cluster_id="" if existing is None else existing.cluster_id,
                constraints=said.by_handle,
                constrained_as=NEW if existing is None else existing.handle,
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
                constraint_epoch=probe.constraint_epoch,
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
        return _sketch_of(preparation, epoch, preparer.scheme)

    async def _touched(
        self, new: PackedFeatures, probe: Probe, said: ConstraintsInForce
    ) -> tuple[list[TouchedCluster], dict[str, int], RefusedLookAlike | None]:
        """Return the clusters to link again, the revisions the decision rests on, a look-alike."""
        existing = probe.existing
        replaced = -1 if existing is None else existing.handle
        candidates = [
            Neighbour(
                handle=item.handle,
                cluster_id=item.cluster_id,
                duplicate_group_id=item.duplicate_group_id,
                features=self._features.features(item.record),
            )
            for item in probe.candidates
            if item.handle != replaced
        ]
        weighed = self._clusterer.decider.weigh(new, candidates)
        wanted = list(weighed.touched)
        if existing is not None and existing.cluster_id not in wanted:
            wanted.append(existing.cluster_id)
        if not wanted:
            return [], {}, weighed.refused
        known = {item.handle: item.features for item in candidates}
        limits = self._clusterer.decider.limits
        clusters = await self._store.members(
            wanted, known=list(known), limit=limits.relinked_cluster_articles, named=said.named
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
                    features=known.get(item.handle) or self._features.features(item.record),
                )
                for item in cluster.members
                if item.handle != replaced
            )
            size = cluster.size - (existing is not None and existing.cluster_id == cluster_id)
            hidden = tuple(handle for handle in cluster.named if handle != replaced)
            touched.append(TouchedCluster(cluster_id, size, members, hidden))
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


@dataclass(frozen=True, slots=True)
class _Prepared:
    """An article ready to be placed; ``aside`` says that preparing it belongs in a thread."""

    article: Article
    extracted: ExtractedArticle
    aside: bool
    sketch: _Sketch


def _belongs_aside(article: Article) -> bool:
    """Whether preparing an article belongs in a thread.

    Raises
    ------
    InvalidArticleError
        It has no text and no page.
    """
    if not article.text.strip() and not article.html.strip():
        raise InvalidArticleError(
            "an article needs `text` or `html`, and both are empty", field="text"
        )
    return bool(article.html) or len(article.text) > _PREPARE_ASIDE_CHARACTERS


def _sketch_of(preparation: Preparation, epoch: int, scheme: SignatureScheme) -> _Sketch:
    features = preparation.article.features
    buckets = bucket_ids(features, scheme)
    return _Sketch(
        epoch=epoch,
        preparation=preparation,
        record=pack_features(features),
        bucket_ids=buckets,
        bucket_weights=bucket_weights(buckets),
    )


async def _caught(doing: Awaitable[_Made]) -> _Made | Exception:
    """Return what went wrong instead of raising it.

    A defect that one article of many brings to light must not lose the answers of the others; the
    route logs it.
    """
    try:
        return await doing
    except Exception as error:  # noqa: BLE001
        return error


async def _run(work: Callable[[_Given], _Made], given: _Given, *, aside: bool) -> _Made:
    """Do it in a thread of its own, or here."""
    return await asyncio.to_thread(work, given) if aside else work(given)


class _FeatureCache:
    """Features of the articles met last, by their records.

    By the bytes themselves, so that a store that was emptied and filled anew can never be answered
    from what its predecessor held under the same handle. The same record always gives the same
    object: what is worked out of it can be kept, too (`clustering.refine`).
    """

    def __init__(self, most_articles: int = _FEATURE_CACHE_ARTICLES) -> None:
        self._most_articles = most_articles
        self._known: OrderedDict[bytes, PackedFeatures] = OrderedDict()

    def features(self, record: bytes) -> PackedFeatures:
        """Return what a record holds."""
        found = self._known.get(record)
        if found is None:
            found = self._known[record] = PackedFeatures(record)
            if len(self._known) > self._most_articles:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(record)
        return found


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
