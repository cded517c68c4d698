"""Placing articles: finding what is near them, deciding, and committing the decision.

An article costs three round trips to the store: *find* (which articles share buckets with it),
*neighbours* (the clusters of those that turn out to be like it, if any) and *commit*, which refuses
when anything that bears on the decision was written since the first. Where that was only articles
that share buckets with it, they are compared with it, and as long as none is like it the decision
stands and is committed again. Else it is made again, on what is there now. So articles posted at
the same instant through different workers end where they would have ended one after the other.

Articles of a batch share these round trips, as far as they do not depend on one another
(`service.waves`).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from clustering.neighbourhood import NEW, TouchedCluster
from clustering.online import Decision, RefusedLookAlike
from service.clusterer import Clusterer
from service.considering import (
    Considered,
    FeatureCache,
    consider,
    holding,
    more_tie,
    touched_clusters,
)
from service.constraints_in_force import ConstraintsInForce, FollowedConstraints
from service.documents import new_document
from service.findings import Findings
from service.identifiers import mint_cluster_id, mint_duplicate_group_id
from service.outcomes import already_stored, outcome_of
from service.sketches import Prepared, Sketch, Sketcher, caught
from service.store import (
    BucketQuery,
    Commit,
    ConflictError,
    Neighbours,
    OvertakenError,
    StoredArticle,
    StoreError,
)
from service.store.constraints import ConstrainedStore
from service.views import ContentionError, IngestOutcome
from service.waves import Wave

# A conflict means that another article won; with n articles racing for one cluster the last of
# them loses n - 1 times. Beyond this many the client is told to come back.
_DECISION_ATTEMPTS = 64
_COMMIT_ATTEMPTS = 4  # of one decision, before it is made anew
_BACKOFF_SECONDS = 0.002
_BACKOFF_MAX_SECONDS = 0.05

_EXPECTED_AT_ONCE = 100  # articles weighed in one go, in one or two milliseconds

_NOTHING = Neighbours({}, {})


@dataclass(frozen=True, slots=True)
class _Decided:
    """A decision, and what to commit of it."""

    considered: Considered
    decision: Decision
    refused: RefusedLookAlike | None
    commit: Commit

    @property
    def cluster_ids(self) -> set[str]:
        """Every cluster that it read or writes to."""
        commit = self.commit
        return {*commit.expected_revisions, commit.cluster_id, *commit.moves.values()}

    def outcome(self, stored: StoredArticle) -> IngestOutcome:
        """Return what to answer, once it is stored."""
        return outcome_of(
            stored,
            self.decision,
            self.considered.sketch.prepared,
            self.refused,
            updated=self.commit.replaces is not None,
        )


class Placer:
    """Places prepared articles, one by one or in waves.

    Parameters
    ----------
    store, clusterer, constraints
        As `service.ingest.Ingest`.
    sketcher
        Prepares an article anew when tables have changed.
    now
        Clock giving Unix seconds.
    """

    def __init__(
        self,
        store: ConstrainedStore,
        clusterer: Clusterer,
        sketcher: Sketcher,
        *,
        now: Callable[[], float],
        constraints: FollowedConstraints,
    ) -> None:
        self._store = store
        self._clusterer = clusterer
        self._sketcher = sketcher
        self._now = now
        self._constraints = constraints
        self._features = FeatureCache()

    async def place(self, given: Prepared) -> IngestOutcome:
        """Place one article; decided again as long as others get in before it.

        Raises
        ------
        ContentionError
            Too many articles race for the same cluster.
        StoreUnavailableError, StoreFullError
            The store cannot take it. Nothing was written.
        """
        sketch = given.sketch
        for attempt in range(_DECISION_ATTEMPTS):
            if attempt:
                await asyncio.sleep(_backoff_seconds(attempt))
            # Once round the loop, while the server is busy with the question.
            asyncio.get_running_loop().call_soon(self._expect, [sketch.record])
            (found,) = await self._store.find([self._query(given, sketch)])
            existing = found.existing
            if existing is not None and existing.content_digest == given.digest:
                return already_stored(given.article_id, existing, sketch.prepared)
            await self._clusterer.follow(self._store, found.frequency_epoch)
            await self._clusterer.learn(self._store, found.horizon)
            if self._clusterer.lines_epoch != sketch.epoch:
                # Now that more is known of its publisher, other lines of it may be the page's.
                before = sketch
                sketch = await self._sketcher.sketch(given.extracted, aside=given.aside)
                if sketch.record != before.record:
                    (found,) = await self._store.find([self._query(given, sketch)])
            said = await self._constraints.follow(self._store, found.constraint_epoch)
            if said.epoch != found.constraint_epoch:
                continue
            considered = consider(
                self._clusterer.decider, self._features, given, sketch, found, said, Wave()
            )
            if considered is None:  # there is nobody in its wave
                continue
            around = _NOTHING
            if considered.asks:
                (around,) = await self._store.neighbours([(found, considered.wanted)])
            decided = await self._decide(considered, around)
            answer = (await self._commit({0: decided}))[0]
            if isinstance(answer, ConflictError):
                continue
            if isinstance(answer, StoreError):
                raise answer
            return decided.outcome(answer)
        raise ContentionError(
            f"gave up after {_DECISION_ATTEMPTS} attempts: too many articles of one event are "
            "being posted at the same instant; post this one again"
        )

    def new_findings(self) -> Findings:
        """Return what keeps, for a batch, what was found for articles not placed yet."""
        return Findings(self._store, lambda item: self._query(item, item.sketch))

    async def place_wave(
        self, ready: Sequence[Prepared | Exception], findings: Findings
    ) -> list[IngestOutcome | Exception]:
        """Place as many articles as can be decided together, from the first on; at least one.

        What goes wrong with one is returned in its place.

        Raises
        ------
        StoreUnavailableError, StoreError
            The store could not be read. Nothing was written.
        """
        outcomes, wave = await self._consider_wave(ready, findings) if len(ready) > 1 else ({}, {})
        if not outcomes and not wave:
            first = ready[0]
            return [first if isinstance(first, Exception) else await caught(self.place(first))]
        decided = await self._decide_wave(wave)
        for place, answer in (await self._commit(decided)).items():
            item = decided[place]
            if isinstance(answer, ConflictError):
                outcomes[place] = await caught(self.place(item.considered.given))
            elif isinstance(answer, StoreError):
                outcomes[place] = answer
            else:
                outcomes[place] = item.outcome(answer)
        # Those behind one that was left out are asked for again.
        settled = next((k for k in range(len(ready)) if k not in outcomes), len(ready))
        return [outcomes[k] for k in range(settled)]

    async def _consider_wave(
        self, ready: Sequence[Prepared | Exception], findings: Findings
    ) -> tuple[dict[int, IngestOutcome | Exception], dict[int, Considered]]:
        """Return what is settled already, and the articles of a wave, by their place."""
        outcomes: dict[int, IngestOutcome | Exception] = {}
        members: dict[int, Considered] = {}
        sound = {k: item for k, item in enumerate(ready) if not isinstance(item, Exception)}
        read = await findings.of(list(sound.values()))
        found_of = dict(zip(sound, read, strict=True))
        wave = Wave()
        near = set[int]()  # who is like one of them: the next one like it touches the same cluster
        said: ConstraintsInForce | None = None
        for place, item in enumerate(ready):
            if isinstance(item, Exception):
                outcomes[place] = item
                continue
            found, existing = found_of[place], found_of[place].existing
            if item.article_id in wave.article_ids:
                break
            if existing is not None and existing.content_digest == item.digest:
                outcomes[place] = already_stored(item.article_id, existing, item.sketch.prepared)
                continue
            if said is None:
                await self._clusterer.follow(self._store, found.frequency_epoch)
                horizon = found.horizon
                await self._clusterer.learn(self._store, horizon)
                # Due all the same? Then another process is at it, and nobody waits for it.
                is_learned = not self._clusterer.learning_is_due(horizon)
                said = await self._constraints.follow(self._store, found.constraint_epoch)
                self._expect([each.sketch.record for each in sound.values()])
            if (
                existing is not None
                or found.horizon != horizon
                or found.constraint_epoch != said.epoch
                or item.sketch.epoch != self._clusterer.lines_epoch
                or (is_learned and self._clusterer.learning_is_due(horizon + len(wave)))
            ):
                break
            await asyncio.sleep(0)  # a wave takes long enough for others to want the loop
            considered = consider(
                self._clusterer.decider, self._features, item, item.sketch, found, said, wave
            )
            if considered is None or not near.isdisjoint(considered.wanted.naming):
                break
            near |= set(considered.wanted.naming)
            members[place] = considered
            wave.add(item.article_id, item.sketch.record, found.buckets.ids)
        return outcomes, members

    async def _decide_wave(self, members: Mapping[int, Considered]) -> dict[int, _Decided]:
        """Decide the articles of a wave, up to one that touches what another one changes."""
        asking = [item for item in members.values() if item.asks]
        answers = await self._store.neighbours([(item.found, item.wanted) for item in asking])
        around = {id(item): answer for item, answer in zip(asking, answers, strict=True)}
        records = [
            member.record
            for answer in answers
            for cluster in answer.clusters.values()
            for member in cluster.members
        ]
        for begin in range(0, len(records), _EXPECTED_AT_ONCE):
            await asyncio.sleep(0)
            self._expect(records[begin : begin + _EXPECTED_AT_ONCE])
        decided: dict[int, _Decided] = {}
        changed: set[str] = set()
        for place, item in members.items():
            await asyncio.sleep(0)
            one = await self._decide(item, around.get(id(item), _NOTHING))
            if changed & one.cluster_ids:
                break
            changed |= one.cluster_ids
            decided[place] = one
        return decided

    async def _commit(
        self, decided: Mapping[int, _Decided]
    ) -> dict[int, StoredArticle | StoreError]:
        """Commit decisions in order; again those that were overtaken and hold all the same."""
        answers: dict[int, StoredArticle | StoreError] = {}
        left = dict(decided)
        for _ in range(_COMMIT_ATTEMPTS):
            stored = await self._store.commit_many([item.commit for item in left.values()])
            answers |= zip(left, stored, strict=True)
            overtaken = {
                place: item
                for place, item in left.items()
                if isinstance(answers[place], OvertakenError)
            }
            left = await self._holding(overtaken) if overtaken else {}
            if not left:
                break
        return answers

    async def _holding(self, overtaken: Mapping[int, _Decided]) -> dict[int, _Decided]:
        """Of decisions that rest on one reading, return those that still hold, on what is new."""
        found = next(iter(overtaken.values())).considered.found
        since = await self._store.newcomers(found)
        if since is None or since.constraint_epoch != found.constraint_epoch:
            return {}
        await self._clusterer.follow(self._store, since.frequency_epoch)
        await self._clusterer.learn(self._store, since.horizon)
        wave = Wave()
        for newcomer in since.articles:
            wave.add_stored(newcomer)
        held: dict[int, _Decided] = {}
        for place, item in overtaken.items():
            await asyncio.sleep(0)
            if item.considered.decider is not self._clusterer.decider:
                continue  # it was made by other tables
            considered = holding(self._features, item.considered, wave)
            if considered is None:
                continue
            commit = replace(
                item.commit,
                horizon=since.horizon,
                least_candidate_weight=considered.least_candidate_weight,
                wave=considered.wave,
                wave_articles=considered.wave_articles,
            )
            held[place] = replace(item, commit=commit)
            wave.add(commit.article_id, commit.record, considered.found.buckets.ids)
        return held

    def _expect(self, records: Iterable[bytes]) -> None:
        """Do ahead what comparing these articles will take."""
        self._clusterer.decider.refinement.expect(self._features.many(records))

    def _query(self, given: Prepared, sketch: Sketch) -> BucketQuery:
        return BucketQuery(
            given.article_id,
            sketch.bucket_ids,
            sketch.bucket_weights,
            self._clusterer.decider.limits.candidates,
        )

    async def _decide(self, considered: Considered, around: Neighbours) -> _Decided:
        """Decide on what is known around an article."""
        found, sketch, given = considered.found, considered.sketch, considered.given
        existing = found.existing
        touched, revisions, refused = await self._touched(considered, around)
        decision = considered.decider.decide(
            considered.new,
            touched,
            mint_cluster_id=mint_cluster_id,
            mint_duplicate_group_id=mint_duplicate_group_id,
            previous_cluster_id="" if existing is None else existing.cluster_id,
            constraints=considered.said.by_handle,
            constrained_as=NEW if existing is None else existing.handle,
        )
        now_seconds = self._now()
        commit = Commit(
            article_id=given.article_id,
            content_digest=given.digest,
            record=sketch.record,
            document=new_document(
                given.article, given.extracted, sketch.preparation, decision, now_seconds
            ),
            # As they were found: sorted by now.
            bucket_ids=found.buckets.ids,
            bucket_weights=found.buckets.weights,
            cluster_id=decision.cluster_id,
            duplicate_group_id=decision.duplicate_group_id,
            horizon=found.horizon,
            least_candidate_weight=considered.least_candidate_weight,
            now_seconds=now_seconds,
            expected_revisions=revisions,
            moves=decision.moves,
            merged_into=decision.merged_into,
            split_into=decision.split_into,
            replaces=existing,
            constraint_epoch=found.constraint_epoch,
            wave=considered.wave,
            wave_articles=considered.wave_articles,
        )
        return _Decided(considered, decision, refused, commit)

    async def _touched(
        self, considered: Considered, around: Neighbours
    ) -> tuple[list[TouchedCluster], dict[str, int], RefusedLookAlike | None]:
        """Return the clusters to link again, the revisions the decision rests on, a look-alike."""
        if not considered.asks:
            return [], {}, None
        found, wanted = considered.found, considered.wanted
        handles, compared = considered.handles, considered.compared
        existing, decider = found.existing, considered.decider
        cluster_ids, clusters = dict(around.cluster_ids), dict(around.clusters)
        if more_tie(handles, compared, cluster_ids, wanted):
            # Which of clusters as alike comes first, all candidates tell.
            others = [handle for handle in handles if handle != NEW]
            (more,) = await self._store.neighbours(
                [(found, replace(wanted, naming=(), others=others))]
            )
            cluster_ids |= more.cluster_ids
        weighed = decider.gather(
            compared, handles, [cluster_ids.get(handle, "") for handle in handles]
        )
        names = list(weighed.touched)
        if existing is not None and existing.cluster_id not in names:
            names.append(existing.cluster_id)
        untold = set(names) - clusters.keys()
        asked = [handle for handle in handles if untold and cluster_ids.get(handle) in untold]
        if asked:
            (rest,) = await self._store.neighbours(
                [(found, replace(wanted, naming=asked, others=(), most_clusters=len(names)))]
            )
            clusters = {**rest.clusters, **clusters}
        touched, revisions = touched_clusters(names, clusters, existing, self._features)
        return touched, revisions, weighed.refused


def _backoff_seconds(attempt: int) -> float:
    """Return a random wait, doubling its range with each attempt, so that rivals spread out."""
    return random.uniform(0.0, min(_BACKOFF_MAX_SECONDS, _BACKOFF_SECONDS * 2**attempt))
