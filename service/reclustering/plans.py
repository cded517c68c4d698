"""Which plan may be applied, what may be taken back, and which plans are leftovers."""

from __future__ import annotations

from service.reclustering.jobs import LISTED_JOBS, Job, JobBook
from service.reclustering.plan import Plan
from service.store.plans import ReclusteringStore, RefusedError, StoredPlan
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


def _resting(job: Job) -> str:
    return (job.resting_state or "running") if job.under_way else job.view.state
