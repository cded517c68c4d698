"""What the service does by the clock: the scheduled night, and letting go of what is old.

Every worker of every machine runs this loop; a lease in the store makes one of them do the work.
When that one dies, another takes over within `_LEASE_SECONDS`. What has run is noted in the store,
so that a restart does not run it twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

import orjson

from service.retention import Expired, Retention
from service.schedule import Schedule, must_run, retry_due_seconds
from service.store import StoreError
from service.store.expiry import ExpiryStatus
from service.views import Reclustering, ReclusteringInProgressError

logger = logging.getLogger("service.housekeeping")

LEASE: Final = "housekeeping"
NIGHT_NOTE: Final = "night"
_TOMBSTONE_NOTE: Final = "tombstones"
_LEASE_SECONDS: Final = 120.0
_FIRST_ROUND_SECONDS: Final = 2.0
_ROUND_SECONDS: Final = 30.0
_RETENTION_SECONDS: Final = 600.0
_TOMBSTONE_SECONDS: Final = 86_400.0
# Of each round, so that the scheduled night is never far behind.
_BUDGET_SECONDS: Final = 20.0
# Posts come first: they find the server free of expiry for three quarters of the time.
_SHARE_OF_TIME: Final = 0.25


class HousekeepingStore(Protocol):
    """What housekeeping needs of the store besides `service.retention.RetentionStore`."""

    async def settle(self) -> bool:
        """Carry out what a reclustering that is in force left to be carried out."""
        ...

    async def clear_abandoned_founding(self) -> bool:
        """Clear away an import at once that was cut off."""
        ...

    async def acquire_lease(self, name: str, holder: str, *, ttl_seconds: float) -> bool:
        """Take or renew a lease; ``False`` while another holder has it."""
        ...

    async def release_lease(self, name: str, holder: str) -> None:
        """Give a lease back."""
        ...

    async def schedule_note(self, name: str) -> bytes | None:
        """Return what was noted of something that runs by the clock."""
        ...

    async def put_schedule_note(self, name: str, payload: bytes) -> None:
        """Note when something that runs by the clock last ran."""
        ...


class NightlyJob(Protocol):
    """What housekeeping needs of `service.nightly.Nightly`."""

    async def start(self) -> Reclustering:
        """Start one. Raises `ReclusteringInProgressError` while another runs."""
        ...

    async def get(self, reclustering_id: str) -> Reclustering | None:
        """Return how one went, or goes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NightNote:
    """The last scheduled night.

    Attributes
    ----------
    due_seconds, started_seconds
        When it was due, and when it was last started; Unix time.
    reclustering_id
        As what; empty where the service only began to look at the clock then, or could not start
        it.
    attempts
        How often it was started; more than once where it failed.
    failure
        Why the last attempt could not even be started; empty where it was.
    settled
        Whether it is known to have come to its end.
    """

    due_seconds: float
    started_seconds: float
    reclustering_id: str = ""
    attempts: int = 1
    failure: str = ""
    settled: bool = False


class Housekeeping:
    """Runs beside the service from `begin` to `stop`.

    Parameters
    ----------
    store
        An opened store.
    retention
        Lets go of what is old.
    nightly
        Is started when the night is due.
    schedule
        When that is; ``None`` for never.
    now
        Clock giving Unix seconds.
    on_status
        Called now and then with what expiry has removed in all, and the last night; for metrics.
    """

    def __init__(
        self,
        store: HousekeepingStore,
        retention: Retention,
        nightly: NightlyJob,
        schedule: Schedule | None,
        *,
        now: Callable[[], float] = time.time,
        on_status: Callable[[ExpiryStatus, NightNote | None], None] | None = None,
    ) -> None:
        self._store = store
        self._retention = retention
        self._nightly = nightly
        self._schedule = schedule
        self._now = now
        self._on_status = on_status
        self._holder = secrets.token_hex(8)
        self._up_since = now()
        self._next_retention = 0.0
        self._failure = ""
        self._wait_seconds = _FIRST_ROUND_SECONDS
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Keep house from now on, beside whatever else the event loop does."""
        self._up_since = self._now()
        self._task = asyncio.create_task(self._keep_house(), name="housekeeping")

    async def stop(self) -> None:
        """Stop, so that another worker can go on at once; not begun, it does nothing."""
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        with contextlib.suppress(StoreError):
            await self._store.release_lease(LEASE, self._holder)

    async def _keep_house(self) -> None:
        while True:
            # Spread, so that the workers of a machine do not all ask at the same moment.
            await asyncio.sleep(self._wait_seconds * random.uniform(0.8, 1.2))
            self._wait_seconds = _ROUND_SECONDS
            try:
                await self.round()
            # Whatever goes wrong once must not end the loop: the night is due again tomorrow.
            except Exception as error:
                message = f"{type(error).__name__}: {error}"
                if message != self._failure:
                    expected = isinstance(error, StoreError)
                    logger.warning(
                        "housekeeping failed, trying again",
                        extra={"reason": message},
                        exc_info=not expected,
                    )
                self._failure = message
            else:
                self._failure = ""

    async def round(self) -> bool:
        """Do what is due, if nobody else does; ``False`` while another worker has the lease."""
        ours = await self._hold_lease()
        if ours:
            # Of a job that died after its switch. One that lives does the same beside this.
            await self._store.settle()
            await self._store.clear_abandoned_founding()
            await self._run_schedule()
            await self._expire()
        if self._on_status is not None:
            self._on_status(await self._retention.status(), await last_night(self._store))
        return ours

    async def _hold_lease(self) -> bool:
        return await self._store.acquire_lease(LEASE, self._holder, ttl_seconds=_LEASE_SECONDS)

    async def _renew_lease(self) -> None:
        await self._hold_lease()

    async def _run_schedule(self) -> None:
        if self._schedule is None:
            return
        now = self._now()
        due = self._schedule.last_due_seconds(now)
        last = await last_night(self._store)
        if last is None:
            # The first time: nothing was missed before anybody looked at the clock.
            due_before = self._schedule.last_due_seconds(self._up_since)
            last = NightNote(due_seconds=due_before, started_seconds=now)
            await self._note_night(last)
        if must_run(
            self._schedule,
            now_seconds=now,
            last_due_seconds=last.due_seconds,
            up_since_seconds=self._up_since,
        ):
            await self._start_night(due, now, attempts=1)
        else:
            await self._look_after(last, now)

    async def _look_after(self, night: NightNote, now: float) -> None:
        """Try a night again that failed, after a pause; note one that came to its end."""
        if night.settled or not (night.reclustering_id or night.failure):
            return
        failed_seconds, reason = night.started_seconds, night.failure
        if night.reclustering_id:
            job = await self._nightly.get(night.reclustering_id)
            if job is not None and job.state in ("queued", "running"):
                return
            if job is None or job.state != "failed":
                await self._note_night(replace(night, settled=True))
                return
            reason = job.error or "it did not say why"
            if job.finished_at is not None:
                failed_seconds = job.finished_at.timestamp()
        again = retry_due_seconds(failed_seconds, night.attempts)
        if again is None:
            logger.error(
                "the scheduled night failed, and waits for the next",
                extra={"reason": reason, "attempts": night.attempts},
            )
            await self._note_night(replace(night, settled=True))
        elif now >= again:
            logger.warning(
                "the scheduled night failed, trying again",
                extra={"reason": reason, "attempts": night.attempts},
            )
            await self._start_night(night.due_seconds, now, attempts=night.attempts + 1)

    async def _start_night(self, due: float, now: float, *, attempts: int) -> None:
        night = NightNote(due_seconds=due, started_seconds=now, attempts=attempts)
        try:
            job = await self._nightly.start()
        except ReclusteringInProgressError:
            return  # one that somebody else started: this one's turn comes when that has ended
        except OSError as error:
            await self._note_night(replace(night, failure=f"it could not be started: {error}"))
            return
        await self._note_night(replace(night, reclustering_id=job.reclustering_id))
        logger.info("the scheduled night begins", extra={"reclustering_id": job.reclustering_id})

    async def _note_night(self, night: NightNote) -> None:
        await self._store.put_schedule_note(NIGHT_NOTE, orjson.dumps(night))

    async def _expire(self) -> None:
        now = self._now()
        if now < self._next_retention:
            return
        swept = float(await self._store.schedule_note(_TOMBSTONE_NOTE) or 0)
        tombstones = now - swept >= _TOMBSTONE_SECONDS
        expired = await self._retention.run(
            tombstones=tombstones,
            share_of_time=_SHARE_OF_TIME,
            budget_seconds=_BUDGET_SECONDS,
            after_step=self._renew_lease,
        )
        if expired.finished:
            self._next_retention = now + _RETENTION_SECONDS
            if tombstones:
                await self._store.put_schedule_note(_TOMBSTONE_NOTE, repr(now).encode())
        _log(expired)


async def last_night(store: HousekeepingStore) -> NightNote | None:
    """Return what is noted of the last scheduled night; ``None`` before the first."""
    note = await store.schedule_note(NIGHT_NOTE)
    return None if note is None else NightNote(**orjson.loads(note))


def _log(expired: Expired) -> None:
    if expired.articles or expired.partitions or expired.tombstones:
        logger.info(
            "old articles left",
            extra={
                "articles": expired.articles,
                "clusters_closed": expired.clusters,
                "partitions": expired.partitions,
                "tombstones_dropped": expired.tombstones,
            },
        )
