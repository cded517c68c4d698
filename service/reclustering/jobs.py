"""The records of reclusterings, and the lease that lets one of them run at a time.

A record lies in the store, where every worker reads it. While a run is under way its record gets a
heartbeat; a record that has none for as long as the lease lives is told as failed, since whoever
ran it is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime

import orjson

from service.reclustering.planning import Flow
from service.reclustering.progress import Progress
from service.store import StoreError
from service.store.keys import RECLUSTER_LEASE
from service.store.plans import ReclusteringStore, RefusedError
from service.views import (
    Reclustering,
    ReclusteringInProgressError,
    ReclusteringState,
)

LEASE_SECONDS = 60.0
PROGRESS_SECONDS = 0.5
LISTED_JOBS = 200

_TIMES = ("created_at", "finished_at", "applied_at")
_UNDER_WAY = frozenset({"queued", "running"})


@dataclass(frozen=True, slots=True)
class Job:
    """A reclustering's record: what the API tells of it, and what only the job needs.

    Attributes
    ----------
    resting_state
        What the state returns to when applying a plan, or rolling it back, fails; empty while
        there is no plan.
    """

    view: Reclustering
    flows: tuple[Flow, ...] = ()
    resting_state: ReclusteringState | None = None

    @property
    def under_way(self) -> bool:
        """Whether somebody works on it."""
        return self.view.state in _UNDER_WAY


class JobBook:
    """Reads and writes records, and holds the lease.

    Parameters
    ----------
    store
        An opened store.
    now
        Clock giving Unix seconds.
    """

    def __init__(self, store: ReclusteringStore, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now

    def clock(self) -> datetime:
        """Return the time, in UTC."""
        return datetime.fromtimestamp(self._now(), UTC)

    async def claim(self, reclustering_id: str, *, window_days: float | None = None) -> Job:
        """Take the lease and put the job on record as waiting.

        Raises
        ------
        ReclusteringInProgressError
            Another one has the lease.
        """
        if not await self.hold_lease(reclustering_id):
            raise ReclusteringInProgressError(await self.running_id(reclustering_id))
        known = await self.load(reclustering_id)
        # Of a job registered before only the beginning counts: it may have been given up meanwhile.
        view = Reclustering(
            reclustering_id=reclustering_id,
            state="queued",
            stage="waiting",
            progress=0.0,
            created_at=self.clock() if known is None else known.view.created_at,
            window_days=window_days,
        )
        job = Job(view)
        await self.save(job)
        return job

    async def reclaim(self, job: Job) -> Job:
        """Take the lease for a job that has a plan, and put it on record as waiting again.

        Raises
        ------
        ReclusteringInProgressError
            Another one has the lease.
        """
        if not await self.hold_lease(job.view.reclustering_id):
            raise ReclusteringInProgressError(await self.running_id(job.view.reclustering_id))
        view = replace(
            job.view, state="queued", stage="waiting", progress=0.0, finished_at=None, error=None
        )
        resting = job.resting_state if job.under_way else job.view.state
        waiting = replace(job, view=view, resting_state=resting)
        await self.save(waiting)
        return waiting

    async def hold_lease(self, reclustering_id: str) -> bool:
        """Take or renew the lease; ``False`` while another run has it."""
        return await self._store.acquire_lease(
            RECLUSTER_LEASE, reclustering_id, ttl_seconds=LEASE_SECONDS
        )

    async def release(self, reclustering_id: str) -> None:
        """Give the lease back."""
        await self._store.release_lease(RECLUSTER_LEASE, reclustering_id)

    async def running_id(self, asking: str) -> str:
        """Return the id of the newest other run that has not finished; empty without one."""
        jobs = await self.list(10)
        return next(
            (
                job.view.reclustering_id
                for job in jobs
                if job.under_way and job.view.reclustering_id != asking
            ),
            "",
        )

    @contextlib.asynccontextmanager
    async def beating(self, job: Job, progress: Progress) -> AsyncIterator[None]:
        """Beat meanwhile. Afterwards no beat is under way that could overwrite the outcome."""
        over = asyncio.Event()
        heartbeat = asyncio.create_task(self._beat(job, progress, over))
        try:
            yield
        finally:
            over.set()
            await heartbeat

    async def _beat(self, job: Job, progress: Progress, over: asyncio.Event) -> None:
        """Renew the lease and publish the progress until it is over."""
        while not over.is_set():
            # A beat that is missed comes again; the lease is looked at before anything is applied.
            with contextlib.suppress(StoreError):
                if await self.hold_lease(job.view.reclustering_id):
                    report = progress.latest
                    view = replace(
                        job.view,
                        state="running",
                        stage=report.stage,
                        progress=report.share,
                        rate_per_second=report.rate_per_second,
                        eta_seconds=report.eta_seconds,
                    )
                    await self.save(replace(job, view=view))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), PROGRESS_SECONDS)

    async def fail(self, job: Job, message: str) -> None:
        """Put on record that a run failed, unless its outcome is on record already.

        The step that applies or rolls back writes the record itself: a run that lost the store's
        answer to it has not failed. A plan that could not be applied goes back to waiting.
        """
        stored = await self.load(job.view.reclustering_id)
        if stored is None or stored.under_way or stored.view.finished_at is None:
            await self.save(self._failed(job, message, self.clock()))
        await self.release(job.view.reclustering_id)

    @contextlib.asynccontextmanager
    async def reporting_failure(self, job: Job) -> AsyncIterator[None]:
        """Put on record whatever ends the work inside, and let it through."""
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
                await self.fail(job, message)
            raise

    def _failed(self, job: Job, message: str, at: datetime) -> Job:
        view = replace(
            job.view,
            state=job.resting_state or "failed",
            stage="failed",
            error=message,
            finished_at=at,
            rate_per_second=None,
            eta_seconds=None,
        )
        return replace(job, view=view, resting_state=None)

    def encode(self, job: Job) -> bytes:
        """Return what the store keeps of a job."""
        return orjson.dumps(
            {
                **asdict(job.view),
                "flows": [asdict(flow) for flow in job.flows],
                "resting_state": job.resting_state,
                "heartbeat_seconds": self._now(),
            }
        )

    async def save(self, job: Job) -> None:
        """Store a job's record, with a heartbeat."""
        await self._store.put_job(job.view.reclustering_id, self.encode(job))

    async def load(self, reclustering_id: str) -> Job | None:
        """Return a job as it stands; ``None`` when there is none of that id."""
        payload = await self._store.job(reclustering_id)
        return None if payload is None else self._decode(payload)

    async def list(self, limit: int) -> list[Job]:
        """Return the newest jobs, newest first."""
        jobs = await self._store.jobs(limit=min(limit, LISTED_JOBS))
        return [self._decode(payload) for _, payload in jobs]

    def _decode(self, payload: bytes) -> Job:
        values = orjson.loads(payload)
        for name in _TIMES:
            if values.get(name) is not None:
                values[name] = datetime.fromisoformat(values[name])
        known = {field.name for field in fields(Reclustering)} - {"changes"}
        job = Job(
            view=Reclustering(**{name: values[name] for name in known if name in values}),
            flows=tuple(Flow.of(flow) for flow in values.get("flows", ())),
            resting_state=values.get("resting_state"),
        )
        heartbeat_seconds = values["heartbeat_seconds"]
        if job.under_way and self._now() - heartbeat_seconds > LEASE_SECONDS:
            return self._failed(
                job,
                "the job's process ended before it had finished; the clusters are as they were, "
                "run it again",
                datetime.fromtimestamp(heartbeat_seconds, UTC),
            )
        return job
