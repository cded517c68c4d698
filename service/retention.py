"""The use case: let go of what is old, a little at a time.

Articles leave by time partitions (`service.store.expiry`): one goes when its newest article was
received ``retention_days`` ago, so that an article stays for that long and at most a quarter
longer. A cluster that lost its last article is closed; its id is answered with 410 for
``tombstone_days`` more, a merged one's with its redirect for as long as the cluster that it leads
to is open, and ``tombstone_days`` after.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from service.store.expiry import (
    TOMBSTONE_SHARDS,
    TOMBSTONE_SHARDS_PER_STEP,
    ExpiryStatus,
    ExpiryStep,
)

_SECONDS_PER_DAY: Final = 86_400.0
_LONGEST_PAUSE_SECONDS: Final = 1.0


class RetentionStore(Protocol):
    """What retention needs of `service.store.expiry.ExpiringClusterStore`."""

    async def expiry_status(self) -> ExpiryStatus:
        """Return how far expiry is."""
        ...

    async def expire_step(
        self, *, received_before_seconds: float, now_seconds: float
    ) -> ExpiryStep:
        """Do the next bounded piece."""
        ...

    async def drop_tombstones(self, *, first_shard: int, ended_before_seconds: float) -> int:
        """Forget clusters that ended long ago, of some shards."""
        ...


@dataclass(frozen=True, slots=True)
class Expired:
    """What a run removed; ``finished``: all that was due."""

    articles: int = 0
    clusters: int = 0
    partitions: int = 0
    tombstones: int = 0
    finished: bool = False


class Retention:
    """Removes articles and tombstones that are old enough.

    Runs beside posts, reclusterings and other runs of itself: every step is one script that checks
    what it removes, and what is under way is noted in the store.

    Parameters
    ----------
    store
        An opened store.
    retention_days, tombstone_days
        How long articles stay, and the ids of clusters that ended.
    now
        Clock giving Unix seconds.
    """

    def __init__(
        self,
        store: RetentionStore,
        *,
        retention_days: float,
        tombstone_days: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._retention_seconds = retention_days * _SECONDS_PER_DAY
        self._tombstone_seconds = tombstone_days * _SECONDS_PER_DAY
        self._now = now

    async def run(
        self,
        *,
        tombstones: bool = True,
        share_of_time: float = 0.5,
        budget_seconds: float = float("inf"),
        after_step: Callable[[], Awaitable[None]] | None = None,
    ) -> Expired:
        """Remove what is due.

        Parameters
        ----------
        tombstones
            Also forget clusters that ended long ago; it reads every cluster's 25 bytes.
        share_of_time
            How much of the time may be spent in steps, 0..1; the server has the rest to itself.
        budget_seconds
            When to stop, finished or not; the next run goes on.
        after_step
            Awaited after each step, for what must be renewed meanwhile.

        Raises
        ------
        service.store.StoreError
            The store does not answer; what was removed stays so.
        """
        begun = time.monotonic()
        pause = _Pause(share_of_time, after_step)
        expired = Expired()
        while True:
            with pause:
                step = await self._store.expire_step(
                    received_before_seconds=self._now() - self._retention_seconds,
                    now_seconds=self._now(),
                )
            expired = replace(
                expired,
                articles=expired.articles + step.articles,
                clusters=expired.clusters + step.clusters,
                partitions=expired.partitions + step.partitions,
            )
            if not step.under_way:
                break
            if time.monotonic() - begun > budget_seconds:
                return expired
            await pause.rest()
        if tombstones:
            for shard in range(0, TOMBSTONE_SHARDS, TOMBSTONE_SHARDS_PER_STEP):
                with pause:
                    dropped = await self._store.drop_tombstones(
                        first_shard=shard,
                        ended_before_seconds=self._now() - self._tombstone_seconds,
                    )
                expired = replace(expired, tombstones=expired.tombstones + dropped)
                await pause.rest()
        return replace(expired, finished=True)

    async def status(self) -> ExpiryStatus:
        """Return how far expiry is, and what it has removed in all."""
        return await self._store.expiry_status()


class _Pause:
    """Measures steps, and rests in proportion."""

    def __init__(
        self, share_of_time: float, after_step: Callable[[], Awaitable[None]] | None
    ) -> None:
        self._rest_per_second = 1.0 / share_of_time - 1.0
        self._after_step = after_step
        self._begun = 0.0
        self._seconds = 0.0

    def __enter__(self) -> None:
        self._begun = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._seconds = time.monotonic() - self._begun

    async def rest(self) -> None:
        """Leave the server to others for as long as the share asks for."""
        if self._after_step is not None:
            await self._after_step()
        await asyncio.sleep(min(_LONGEST_PAUSE_SECONDS, self._seconds * self._rest_per_second))
