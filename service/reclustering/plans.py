"""Which plan may be applied, what may be taken back, and which plans are leftovers."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from service.reclustering.jobs import LISTED_JOBS, Job, JobBook
from service.reclustering.plan import Plan
from service.store.plans import ReclusteringStore, RefusedError, Standing, StoredPlan, Switch
from service.views import ReclusteringState, ReclusteringStateError

PLAN_SECONDS = 7 * 86_400
_PLANS_KEPT = 5
_APPLICABLE: frozenset[ReclusteringState] = frozenset({"planned", "refused", "failed"})


class PlanBook:
    """Looks after the stored plans.

    Parameters
    ----------
    store
        An opened store.
    jobs
        Their records.
    """

    def __init__(self, store: ReclusteringStore, jobs: JobBook) -> None:
        self._store = store
        self._jobs = jobs

    async def applicable(self, job: Job) -> tuple[StoredPlan, Plan]:
        """Return a job's plan.

        Raises
        ------
        ReclusteringStateError
            It cannot be applied; says why.
        """
        name, state = job.view.reclustering_id, _resting(job)
        if state not in _APPLICABLE:
            raise ReclusteringStateError(f"reclustering {name} is {state}: only a plan is applied")
        stored = await self._store.plan(name)
        if stored is None:
            raise ReclusteringStateError(
                f"the plan of reclustering {name} is not kept any more: recluster again"
            )
        plan = Plan.from_bytes(stored.body)
        standing = await self._store.standing()
        if plan.standing.generation != standing.generation:
            raise ReclusteringStateError(str(RefusedError("superseded")))
        return stored, plan

    async def check_applied(self, job: Job) -> None:
        """Return where a job is the one that can be taken back.

        Raises
        ------
        ReclusteringStateError
            It is not.
        """
        name, state = job.view.reclustering_id, _resting(job)
        if state != "applied":
            raise ReclusteringStateError(
                f"reclustering {name} is {state}: only what was applied can be rolled back"
            )
        standing = await self._store.standing()
        if standing.applied_job != name:
            raise ReclusteringStateError(
                f"reclustering {name} cannot be rolled back: another one was applied since"
            )

    async def take_back_unfinished(self, name: str, now_seconds: float) -> None:
        """Take back what a job has applied that was cut off between two steps of it.

        Parameters
        ----------
        name
            The job that holds the lease now.
        now_seconds
            Unix time.
        """
        standing = await self._store.standing()
        unfinished = standing.unfinished_job
        if not unfinished:
            return
        payload = b""
        job = await self._jobs.load(unfinished)
        if job is not None:
            payload = self._jobs.encode(_taken_back(job, self._jobs.clock(), standing))
        try:
            await self._store.rollback(
                Switch(name, payload, standing), now_seconds=now_seconds, undone_job=unfinished
            )
        except RefusedError as error:
            if error.reason != "constrained":
                raise
            # An editor has spoken on what was applied: that stays, and is reclustered like all.
            await self._store.forget_unfinished()

    async def sweep(self, name: str, *, plans_kept: int = _PLANS_KEPT) -> None:
        """Remove the plans of other jobs that nobody will apply: leftovers, and all but a few."""
        kept, gone = 0, []
        for job in await self._jobs.list(LISTED_JOBS):
            if job.view.reclustering_id == name:
                continue
            if job.view.state in {"planned", "refused"} and kept < plans_kept:
                kept += 1
            else:
                gone.append(job.view.reclustering_id)
        await self._store.drop_plans(gone)


def _taken_back(job: Job, at: datetime, standing: Standing) -> Job:
    """Return the record of a job that was cut off, once all of it is taken back."""
    if standing.applied_job == job.view.reclustering_id:
        view = replace(job.view, state="rolled_back", stage="done", error=None)
    else:
        view = replace(
            job.view,
            state="failed",
            stage="failed",
            applied_at=None,
            error="the job's process ended while it applied its plan; what it had applied is "
            "taken back",
        )
    return replace(job, view=replace(view, finished_at=at), resting_state=None)


def _resting(job: Job) -> str:
    return (job.resting_state or "running") if job.under_way else job.view.state
