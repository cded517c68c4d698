"""The use case: recluster what is stored, review what that would change, apply it, take it back.

A run reads a snapshot, clusters it as ``samestory cluster`` would, matches the new clusters with
the old ids, and stores the difference as a plan. The plan is applied in one step: at once, or when
somebody has looked at it. Articles posted meanwhile keep the cluster they were given; where those
that they were put with move, they follow. A run that dies before that step has changed no cluster;
one that dies while it writes the articles that it prepared anew (`service.repreparing`) has written
some of them, each whole. Until the next one is applied, a reclustering can be taken back.

The work is heavy, so the service runs it in a process of its own (``python -m service.cli
recluster --reclustering-id ID``); its progress travels through the store, where every worker can
read it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, replace

from clustering.pair_finding import PairFinder, find_pairs_here
from clustering.prepare import LineCounts, RepeatedLines
from service.clusterer import Clusterer, pack_frequencies
from service.constraints_in_force import FollowedConstraints
from service.identifiers import mint_reclustering_id
from service.reclustering.child import Children
from service.reclustering.jobs import Job, JobBook
from service.reclustering.plan import Plan
from service.reclustering.planning import Planned, make_plan
from service.reclustering.plans import PLAN_SECONDS, PlanBook
from service.reclustering.progress import Progress, ProgressReport
from service.reclustering.review import describe_changes
from service.reclustering.snapshot import read_snapshot
from service.reclustering.withholding import apply_within_constraints
from service.repreparing import Recount, Reprepared, recount_lines
from service.spool import Spool
from service.store import Reassignment, StoreError
from service.store.plans import ReclusteringStore, RefusedError, StoredPlan, Switch
from service.views import (
    DEFAULT_WINDOW_DAYS,
    Reclustering,
    ReclusteringInProgressError,
    ReclusteringState,
)

_PLANNING_ATTEMPTS = 3

OnProgress = Callable[[ProgressReport], None]


class Nightly:
    """Runs reclusterings, applies and takes back their plans, and tells about them.

    Parameters
    ----------
    store
        An opened store.
    clusterer
        The configuration in force.
    child_environment
        Environment variables that lead a child process to the same store (``REDIS_URL``,
        collection …), for `start`.
    max_churn
        Largest share of articles whose cluster id a run may change by itself, 0..1; above it the
        plan is kept and the run refuses to apply it.
    now
        Clock giving Unix seconds.
    """

    def __init__(
        self,
        store: ReclusteringStore,
        clusterer: Clusterer,
        *,
        child_environment: Mapping[str, str] | None = None,
        max_churn: float = 1.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._clusterer = clusterer
        self._max_churn = max_churn
        self._now = now
        self._jobs = JobBook(store, now)
        self._plans = PlanBook(store, self._jobs)
        self._children = Children(self._jobs, child_environment or {})

    async def get(self, reclustering_id: str) -> Reclustering | None:
        """Return a reclustering and its largest changes; ``None`` when there is none of that id."""
        job = await self._jobs.load(reclustering_id)
        if job is None:
            return None
        frequencies = self._clusterer.preparer.frequencies
        return replace(
            job.view, changes=await describe_changes(self._store, job.flows, frequencies)
        )

    async def list(self, limit: int) -> list[Reclustering]:
        """Return the newest reclusterings, newest first, without their changes."""
        return [job.view for job in await self._jobs.list(limit)]

    async def start(
        self, *, apply: bool = True, window_days: float = DEFAULT_WINDOW_DAYS
    ) -> Reclustering:
        """Start a reclustering in a process of its own and return at once.

        Raises
        ------
        ReclusteringInProgressError
            One is running already.
        """
        job = await self._jobs.claim(mint_reclustering_id(), window_days=window_days)
        options = ["--reclustering-id", job.view.reclustering_id, "--window-days", str(window_days)]
        await self._children.spawn(job, options if apply else [*options, "--dry-run"])
        return job.view

    async def start_applying(self, reclustering_id: str) -> Reclustering | None:
        """Start applying a plan in a process of its own; ``None`` when there is no such job.

        Raises
        ------
        ReclusteringStateError
            It has no plan that can be applied.
        ReclusteringInProgressError
            One is running.
        """
        return await self._start(reclustering_id, "apply")

    async def start_rolling_back(self, reclustering_id: str) -> Reclustering | None:
        """Start taking a reclustering back; ``None`` when there is no such job.

        Raises
        ------
        ReclusteringStateError
            It is not the one that was applied last.
        ReclusteringInProgressError
            One is running.
        """
        return await self._start(reclustering_id, "rollback")

    async def _start(self, reclustering_id: str, verb: str) -> Reclustering | None:
        job = await self._jobs.load(reclustering_id)
        if job is None:
            return None
        if verb == "apply":
            await self._plans.applicable(job)
        else:
            await self._plans.check_applied(job)
        waiting = await self._jobs.reclaim(job)
        await self._children.spawn(waiting, [verb, reclustering_id])
        return waiting.view

    async def run(
        self,
        *,
        apply: bool = True,
        window_days: float = DEFAULT_WINDOW_DAYS,
        reclustering_id: str = "",
        find_pairs: PairFinder = find_pairs_here,
        on_progress: OnProgress | None = None,
    ) -> Reclustering:
        """Recluster in this process and return when it is done.

        Parameters
        ----------
        apply
            ``False`` keeps the outcome as a plan.
        window_days
            Articles published or received in so many days are up for decision; positive.
        reclustering_id
            Of a job that `start` registered; a new one is registered when empty.
        find_pairs
            Where candidates are found and compared; the outcome does not depend on it.
        on_progress
            Called with every report of progress.

        Raises
        ------
        ReclusteringInProgressError
            Another one is running.
        """
        job = await self._jobs.claim(
            reclustering_id or mint_reclustering_id(), window_days=window_days
        )
        async with self._reporting_failure(job):
            await self._plans.sweep(job.view.reclustering_id)
            for attempt in range(1, _PLANNING_ATTEMPTS + 1):
                await self._plans.take_back_unfinished(job.view.reclustering_id, self._now())
                try:
                    return await self._recluster(
                        job, Progress(on_progress), find_pairs, apply=apply
                    )
                except RefusedError as error:
                    # An editor spoke meanwhile: that holds, so the plan has to be made anew.
                    if error.reason != "constrained" or attempt == _PLANNING_ATTEMPTS:
                        raise
        raise AssertionError("unreachable")

    async def apply(
        self, reclustering_id: str, *, on_progress: OnProgress | None = None
    ) -> Reclustering | None:
        """Apply a plan in this process; ``None`` when there is no such job.

        Raises
        ------
        ReclusteringStateError
            It has no plan that can be applied.
        ReclusteringInProgressError
            One is running.
        """
        job = await self._jobs.load(reclustering_id)
        if job is None:
            return None
        stored, plan = await self._plans.applicable(job)
        job = await self._jobs.reclaim(job)
        progress = Progress(on_progress)
        async with self._reporting_failure(job):
            with Spool() as spool:
                reprepared = Reprepared(spool)
                async with self._jobs.beating(job, progress):
                    await self._plans.take_back_unfinished(reclustering_id, self._now())
                    preparer = self._clusterer.preparer.with_repeated(
                        RepeatedLines.from_bytes(stored.repeated_lines)
                    )
                    recount = Recount(LineCounts(), preparer, plan.stale_handles)
                    await self._prepare(reprepared, recount, progress)
                    await self._rewrite(job, reprepared, recount, progress)
            return await self._switch(job, plan, progress)

    async def rollback(
        self, reclustering_id: str, *, on_progress: OnProgress | None = None
    ) -> Reclustering | None:
        """Take back the reclustering that was applied last; ``None`` when there is no such job.

        Every article that it moved returns to the cluster it was in, and ids that were merged live
        again. Articles posted since follow those that they were put with; the document frequencies
        and repeated lines that came with it stay.

        Raises
        ------
        ReclusteringStateError
            It is not the one that was applied last.
        ReclusteringInProgressError
            One is running.
        """
        job = await self._jobs.load(reclustering_id)
        if job is None:
            return None
        await self._plans.check_applied(job)
        job = await self._jobs.reclaim(job)
        progress = Progress(on_progress)
        async with self._reporting_failure(job):
            progress.report("switching")
            finished = replace(
                job, view=self._finished(job.view, "rolled_back"), resting_state=None
            )
            switch = Switch(
                reclustering_id, self._jobs.encode(finished), await self._store.standing()
            )
            result = await self._store.rollback(switch, now_seconds=self._now())
            progress.report("cleaning up")
            view = replace(finished.view, moved=result.moved, followed=result.followed)
            return await self._close(replace(finished, view=view))

    async def _recluster(
        self, job: Job, progress: Progress, find_pairs: PairFinder, *, apply: bool
    ) -> Reclustering:
        with Spool() as spool:
            reprepared = Reprepared(spool)
            async with self._jobs.beating(job, progress):
                planned, recount = await self._plan(job, reprepared, progress, find_pairs)
                job = replace(
                    job,
                    view=replace(job.view, **asdict(planned.counts)),
                    flows=planned.flows,
                )
                too_much = planned.counts.id_churn > self._max_churn
                if apply and not too_much:
                    await self._rewrite(job, reprepared, recount, progress)
        if not apply:
            return await self._close(replace(job, view=self._finished(job.view, "planned")))
        if too_much:
            refused = self._finished(job.view, "refused")
            return await self._close(
                replace(job, view=replace(refused, error=self._refusal(refused)))
            )
        return await self._switch(job, planned.plan, progress)

    async def _plan(
        self, job: Job, reprepared: Reprepared, progress: Progress, find_pairs: PairFinder
    ) -> tuple[Planned, Recount]:
        """Read, cluster and name what is stored, and keep the outcome."""
        window_days = job.view.window_days or DEFAULT_WINDOW_DAYS
        progress.report("reading")
        snapshot = await read_snapshot(
            self._store, window_days=window_days, now_seconds=self._now(), progress=progress
        )
        total = len(snapshot.all_handles)
        progress.report("counting lines", 0, total)
        recount = await recount_lines(
            self._store,
            snapshot.all_handles,
            self._clusterer.preparer,
            on_progress=lambda share: progress.report("counting lines", int(share * total), total),
        )
        # Older articles stay as they are in every respect.
        younger = set(snapshot.handles) - snapshot.older
        stale = tuple(handle for handle in recount.stale_handles if handle in younger)
        recount = replace(recount, stale_handles=stale)
        await self._prepare(reprepared, recount, progress)
        snapshot.features = [
            reprepared.features.get(handle, features)
            for handle, features in zip(snapshot.handles, snapshot.features, strict=True)
        ]
        said = await FollowedConstraints().refresh(self._store)
        planned = await asyncio.to_thread(
            make_plan,
            snapshot,
            self._clusterer,
            progress,
            must_link=said.by_handle.must_groups(),
            cannot_link=said.cannot_link_pairs(snapshot.cluster_of),
            stale_handles=reprepared.features,
            find_pairs=find_pairs,
        )
        progress.report("storing the plan")
        await self._store.put_plan(
            job.view.reclustering_id,
            StoredPlan(
                body=planned.plan.to_bytes(),
                frequencies=pack_frequencies(snapshot.horizon, planned.observed),
                repeated_lines=recount.preparer.repeated.to_bytes(),
                line_counts=recount.counts.to_bytes(),
            ),
            ttl_seconds=PLAN_SECONDS,
        )
        progress.report("checking the plan")
        return planned, recount

    async def _prepare(self, reprepared: Reprepared, recount: Recount, progress: Progress) -> None:
        count = len(recount.stale_handles)
        progress.report("preparing", 0, count)
        await reprepared.prepare(
            self._store,
            recount,
            on_progress=lambda share: progress.report("preparing", int(share * count), count),
        )

    async def _rewrite(
        self, job: Job, reprepared: Reprepared, recount: Recount, progress: Progress
    ) -> None:
        """Write the articles that were prepared anew, which moves none of them."""
        progress.report("rewriting articles")
        # A process that was halted for longer than the lease may have been overtaken.
        if not await self._jobs.hold_lease(job.view.reclustering_id):
            raise ReclusteringInProgressError(await self._jobs.running_id(job.view.reclustering_id))
        await reprepared.write(self._store, recount.preparer, now_seconds=self._now())

    async def _switch(self, job: Job, plan: Plan, progress: Progress) -> Reclustering:
        """Apply a plan: the one step in which everything changes."""
        name = job.view.reclustering_id
        progress.report("switching")
        # Renewed, so that it lasts for the step; whether it is still ours the step checks itself.
        await self._jobs.hold_lease(name)
        view = replace(self._finished(job.view, "applied"), applied_at=self._jobs.clock())
        finished = replace(job, view=view, resting_state=None)
        result = await apply_within_constraints(
            self._store,
            Reassignment(
                moves=plan.moves,
                group_moves=plan.group_moves,
                merged_into=plan.merged_into,
                split_into=plan.split_into,
                now_seconds=self._now(),
                horizon=plan.horizon,
            ),
            Switch(name, self._jobs.encode(finished), plan.standing),
        )
        progress.report("cleaning up")
        view = replace(view, moved=result.moved, followed=result.followed)
        closed = await self._close(replace(finished, view=view))
        # Every other plan speaks of a clustering that is no more.
        await self._plans.sweep(name, plans_kept=0)
        progress.report("done")
        return closed

    def _finished(self, view: Reclustering, state: ReclusteringState) -> Reclustering:
        return replace(
            view,
            state=state,
            stage="done",
            progress=1.0,
            finished_at=self._jobs.clock(),
            rate_per_second=None,
            eta_seconds=None,
            error=None,
        )

    async def _close(self, job: Job) -> Reclustering:
        await self._jobs.save(job)
        await self._jobs.release(job.view.reclustering_id)
        return job.view

    def _refusal(self, view: Reclustering) -> str:
        return (
            f"not applied: it would change the cluster of {view.id_churn or 0:.1%} of the "
            f"articles, and SAMESTORY_RECLUSTER_MAX_CHURN allows {self._max_churn:.1%}; look at "
            "the plan, then apply it or leave it"
        )

    @contextlib.asynccontextmanager
    async def _reporting_failure(self, job: Job) -> AsyncIterator[None]:
        try:
            yield
        except BaseException as error:
            # Whatever ended it; and a store that is away must not hide why.
            with contextlib.suppress(StoreError):
                message = (
                    str(error)
                    if isinstance(error, RefusedError)
                    else (f"{type(error).__name__}: {error}")
                )
                await self._jobs.fail(job, message)
            raise
