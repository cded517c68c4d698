"""What a reclustering does, stage by stage, for a job that is on record and holds the lease.

Read and prepare anew, cluster, keep the plan; write the articles that were prepared anew; switch.
`service.nightly` decides what is done; here is how.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict, replace

from clustering.pair_finding import PairFinder
from clustering.prepare import LineCounts, RepeatedLines
from service.clusterer import Clusterer, pack_frequencies
from service.constraints_in_force import FollowedConstraints
from service.reclustering.jobs import Job, JobBook
from service.reclustering.plan import Plan
from service.reclustering.planning import Planned, make_plan
from service.reclustering.plans import PLAN_SECONDS, PlanBook
from service.reclustering.progress import Progress
from service.reclustering.snapshot import read_snapshot
from service.repreparing import Recount, Reprepared, recount_lines
from service.spool import Spool
from service.store import Reassignment
from service.store.plans import ReclusteringStore, StoredPlan, Switch
from service.views import (
    DEFAULT_WINDOW_DAYS,
    Reclustering,
    ReclusteringInProgressError,
    ReclusteringState,
)


class Stages:
    """The work of reclusterings.

    Parameters
    ----------
    store
        An opened store.
    clusterer
        The configuration in force.
    jobs, plans
        Their records.
    max_churn
        As in `service.nightly.Nightly`.
    now
        Clock giving Unix seconds.
    """

    def __init__(
        self,
        store: ReclusteringStore,
        clusterer: Clusterer,
        jobs: JobBook,
        plans: PlanBook,
        *,
        max_churn: float,
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._clusterer = clusterer
        self._jobs = jobs
        self._plans = plans
        self._max_churn = max_churn
        self._now = now

    async def recluster(
        self, job: Job, progress: Progress, find_pairs: PairFinder, *, apply: bool
    ) -> Reclustering:
        """Cluster what is stored anew, and apply the outcome or keep it as a plan."""
        await self._plans.sweep(job.view.reclustering_id)
        await self._store.settle()
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

    async def apply(
        self, job: Job, stored: StoredPlan, plan: Plan, progress: Progress
    ) -> Reclustering:
        """Apply a plan that was kept."""
        with Spool() as spool:
            reprepared = Reprepared(spool)
            async with self._jobs.beating(job, progress):
                preparer = self._clusterer.preparer.with_repeated(
                    RepeatedLines.from_bytes(stored.repeated_lines)
                )
                recount = Recount(LineCounts(), preparer, plan.stale_handles)
                await self._prepare(reprepared, recount, progress)
                await self._rewrite(job, reprepared, recount, progress)
        return await self._switch(job, plan, progress)

    async def roll_back(self, job: Job, progress: Progress) -> Reclustering:
        """Take back what the job has applied."""
        finished = replace(job, view=self._finished(job.view, "rolled_back"), resting_state=None)
        switch = Switch(
            job.view.reclustering_id, self._jobs.encode(finished), await self._store.standing()
        )
        result = await self._store.rollback(
            switch, now_seconds=self._now(), on_stage=progress.report
        )
        progress.report("cleaning up")
        view = replace(finished.view, moved=result.moved, followed=result.followed)
        return await self._close(replace(finished, view=view))

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
        # Renewed, so that it lasts for the step; whether it is still ours the step checks itself.
        await self._jobs.hold_lease(name)
        view = replace(self._finished(job.view, "applied"), applied_at=self._jobs.clock())
        finished = replace(job, view=view, resting_state=None)
        result = await self._store.apply(
            Reassignment(
                moves=plan.moves,
                group_moves=plan.group_moves,
                merged_into=plan.merged_into,
                split_into=plan.split_into,
                now_seconds=self._now(),
                horizon=plan.horizon,
            ),
            Switch(name, self._jobs.encode(finished), plan.standing),
            on_stage=progress.report,
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
