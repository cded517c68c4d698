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

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from clustering.pair_finding import PairFinder, find_pairs_here
from service.clusterer import Clusterer
from service.identifiers import mint_reclustering_id
from service.reclustering.child import Children
from service.reclustering.jobs import JobBook
from service.reclustering.plans import PlanBook
from service.reclustering.progress import Progress, ProgressReport
from service.reclustering.review import describe_changes
from service.reclustering.stages import Stages
from service.store.plans import ReclusteringStore
from service.views import DEFAULT_WINDOW_DAYS, Reclustering

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
        self._jobs = JobBook(store, now)
        self._plans = PlanBook(store, self._jobs)
        self._stages = Stages(
            store, clusterer, self._jobs, self._plans, max_churn=max_churn, now=now
        )
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

    async def stop(self) -> None:
        """Stop the processes that `start` and its like began; their jobs are put down as failed."""
        await self._children.stop()

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
        async with self._jobs.reporting_failure(job):
            return await self._stages.recluster(job, Progress(on_progress), find_pairs, apply=apply)

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
        async with self._jobs.reporting_failure(job):
            return await self._stages.apply(job, stored, plan, Progress(on_progress))

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
        async with self._jobs.reporting_failure(job):
            return await self._stages.roll_back(job, Progress(on_progress))
