"""Lets go of what is old: articles by time partition, tombstones of clusters, in bounded steps.

Handles rise with the time of arrival, and a time partition is a range of them. So expiry begins
with one small script that raises the *floor*, the highest handle that has expired: no probe takes
what is not above it for a candidate any more. Then the articles up to it go, `ARTICLES_PER_STEP` at
a time, and last their entries in buckets, which stand in front of all others there
(``scripts/sweep_buckets.lua``). What is under way is written in the store: whoever comes next goes
on where another stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from service.store import SnapshotArticle, keys
from service.store.encoding import (
    HEADER_BYTES,
    unpack_assignment,
    unpack_header,
)
from service.store.redis_store import RedisClusterStore

ARTICLES_PER_STEP: Final = keys.HANDLES_PER_SHARD
"""Articles that one script removes: one assignment hash, measured 2.2 ms of the server's time."""

SHARDS_PER_STEP: Final = 512
LONG_GROUPS_PER_STEP: Final = 256
"""Bucket shards, or long groups of buckets, that one script sweeps."""

TOMBSTONE_SHARDS: Final = 4096
TOMBSTONE_SHARDS_PER_STEP: Final = 64

_MOST_SHARDS_READ: Final = 1024
_EDGES_PER_CALL: Final = 64


@dataclass(frozen=True, slots=True)
class ExpiryStep:
    """What one step removed; ``under_way`` until a step finds that nothing is due."""

    articles: int = 0
    clusters: int = 0
    partitions: int = 0
    under_way: bool = False


@dataclass(frozen=True, slots=True)
class ExpiryStatus:
    """How far expiry is, and what it has removed since the collection began.

    Attributes
    ----------
    expired_handle
        Articles up to it have expired; 0 when none has.
    next_handle
        Lowest one that is still to be looked at; 0 when none is.
    swept_partitions
        Partitions whose entries in buckets are being swept; 0 when none are.
    expired_articles, expired_clusters, expired_partitions, expired_tombstones
        Removed in all.
    sweeping
        Whether buckets are still to be swept.
    """

    expired_handle: int = 0
    next_handle: int = 0
    swept_partitions: int = 0
    expired_articles: int = 0
    expired_clusters: int = 0
    expired_partitions: int = 0
    expired_tombstones: int = 0
    sweeping: bool = False

    @property
    def under_way(self) -> bool:
        """Whether an expiry has begun and not ended."""
        return self.next_handle > 0 or self.sweeping


class ExpiringClusterStore(RedisClusterStore):
    """The store of the service: one that can also let go of what is old."""

    async def expiry_status(self) -> ExpiryStatus:
        """Return how far expiry is."""
        meta, expiring = await self._connection.transaction(
            [
                (
                    "HMGET",
                    self._keys.key(keys.META),
                    "floor",
                    "expired_articles",
                    "expired_clusters",
                    "expired_partitions",
                    "expired_tombstones",
                ),
                ("HMGET", self._keys.key(keys.EXPIRING), "next", "partitions", "shard", "long"),
            ]
        )
        floor, *totals = (int(value or 0) for value in meta)
        next_handle, partitions = (int(value or 0) for value in expiring[:2])
        sweeping = any(value is not None for value in expiring[2:])
        articles, clusters, ended, tombstones = totals
        return ExpiryStatus(
            floor, next_handle, partitions, articles, clusters, ended, tombstones, sweeping
        )

    async def expire_step(
        self, *, received_before_seconds: float, now_seconds: float
    ) -> ExpiryStep:
        """Do the next bounded piece of expiry, beginning one when a partition is old enough.

        Parameters
        ----------
        received_before_seconds
            A partition expires when its newest article was received before it, Unix time.
        now_seconds
            Unix time, from the caller's clock.
        """
        status = await self.expiry_status()
        if not status.under_way:
            handle = await self._begin(received_before_seconds, now_seconds)
            return ExpiryStep(under_way=handle > 0)
        if status.next_handle:
            return await self._expire_articles(status, now_seconds)
        answer = self._checked(
            await self._connection.run(
                "sweep_buckets", self._opened(), SHARDS_PER_STEP, LONG_GROUPS_PER_STEP
            )
        )
        ended = 0 if answer[1] else status.swept_partitions
        return ExpiryStep(partitions=ended, under_way=True)

    async def drop_tombstones(self, *, first_shard: int, ended_before_seconds: float) -> int:
        """Forget clusters that ended long ago, of `TOMBSTONE_SHARDS_PER_STEP` shards.

        A merged one counts as ended when the cluster that it leads to did. Returns how many.
        """
        answer = self._checked(
            await self._connection.run(
                "drop_tombstones",
                self._opened(),
                repr(float(ended_before_seconds)),
                first_shard,
                min(TOMBSTONE_SHARDS_PER_STEP, TOMBSTONE_SHARDS - first_shard),
            )
        )
        return int(answer[1])

    async def schedule_note(self, name: str) -> bytes | None:
        """Return what was noted of something that runs by the clock."""
        note: bytes | None = await self._connection.execute(
            "HGET", self._keys.key(keys.SCHEDULE), name
        )
        return note

    async def put_schedule_note(self, name: str, payload: bytes) -> None:
        """Note when something that runs by the clock last ran."""
        await self._connection.execute("HSET", self._keys.key(keys.SCHEDULE), name, payload)

    async def _begin(self, received_before_seconds: float, now_seconds: float) -> int:
        """Take what is old out of the index; returns the highest handle of it, 0 for nothing."""
        current_number = self._partition_number(now_seconds)
        meta, raw = await self._connection.transaction(
            [
                ("HMGET", self._keys.key(keys.META), "floor", "handle"),
                ("HGETALL", self._keys.key(keys.PARTITIONS)),
            ]
        )
        floor, last = (int(value or 0) for value in meta)
        firsts = sorted(
            ((int(number), int(first)) for number, first in raw.items()), key=lambda pair: pair[1]
        )
        edge, below = 0, floor
        for candidate in islice(_edges(firsts, floor, last, current_number), _EDGES_PER_CALL):
            received = await self._newest_received_seconds(below, candidate)
            if received is not None and received >= received_before_seconds:
                break
            edge = below = candidate
        if edge <= floor:
            return 0
        answer = self._checked(
            await self._connection.run("expire_begin", self._opened(), edge, current_number)
        )
        return int(answer[1])

    async def _newest_received_seconds(self, above: int, edge: int) -> float | None:
        """When the newest article with a handle in (above, edge] came; ``None`` without any."""
        per_shard = keys.HANDLES_PER_SHARD
        shard, lowest, count = edge // per_shard, (above + 1) // per_shard, 1
        while shard >= lowest:
            shards = range(shard, max(lowest, shard - count + 1) - 1, -1)
            slots = await self._connection.batch(
                [("HKEYS", self._keys.key(keys.ASSIGNMENTS, number)) for number in shards]
            )
            handles = [
                number * per_shard + int(slot)
                for number, found in zip(shards, slots, strict=True)
                for slot in found
            ]
            for handle in sorted((h for h in handles if above < h <= edge), reverse=True):
                header = await self._connection.execute(
                    "GETRANGE", self._keys.key(keys.DOCUMENT, handle), 0, HEADER_BYTES - 1
                )
                if len(header) == HEADER_BYTES:  # else it was deleted between the two
                    return unpack_header(bytes(header))[2]
            shard -= len(shards)
            count = min(2 * count, _EDGES_PER_CALL)
        return None

    async def _expire_articles(self, status: ExpiryStatus, now_seconds: float) -> ExpiryStep:
        """Remove the next articles; shards that are empty are passed over."""
        per_shard, last = keys.HANDLES_PER_SHARD, status.expired_handle
        first, count, found = status.next_handle // per_shard, 1, list[SnapshotArticle]()
        while not found and first * per_shard <= last:
            flat = await self._connection.run("snapshot", first, count, last)
            for start in range(0, len(flat), 4):
                handle, assignment, header, record = flat[start : start + 4]
                cluster_id, group_id = unpack_assignment(assignment)
                _, _, received, article_id, _ = unpack_header(header)
                found.append(
                    SnapshotArticle(handle, article_id, cluster_id, group_id, received, record)
                )
            first, count = first + count, min(2 * count, _MOST_SHARDS_READ)
        found.sort(key=lambda article: article.handle)
        following = first * per_shard
        if len(found) > ARTICLES_PER_STEP:
            found = found[:ARTICLES_PER_STEP]
            following = found[-1].handle + 1
        # Unpacking a record takes some 50 µs, which the event loop need not wait for.
        arguments = await asyncio.to_thread(self._removal_arguments, found)
        answer = self._checked(
            await self._connection.run(
                "expire_articles",
                self._opened(),
                repr(float(now_seconds)),
                following,
                len(found),
                *arguments,
            )
        )
        return ExpiryStep(articles=answer[1], clusters=answer[2], under_way=True)

    def _removal_arguments(self, articles: list[SnapshotArticle]) -> list[int | str | bytes]:
        arguments: list[int | str | bytes] = []
        for article in articles:
            digest = keys.digest_article_id(article.article_id)
            # Without a way to recompute them they are stored, which the script sees.
            recompute = self._bucket_ids_of
            indexed = recompute is not None and recompute(article.record).size > 0
            arguments += [article.handle, keys.article_id_shard(digest), digest, int(indexed)]
        return arguments


def _edges(
    firsts: list[tuple[int, int]], floor: int, last: int, current_number: int
) -> Iterator[int]:
    """Yield the handles that expiry may reach up to, ascending: the last ones of partitions.

    Parameters
    ----------
    firsts
        Number and first handle of each partition, oldest first.
    floor, last
        Highest handles that have expired, and that were given out.
    current_number
        That a partition begun now would have: such a one may still get articles.
    """
    if not firsts:
        # Nothing has buckets: any handle will do, and a whole assignment hash is the least work.
        per_shard = keys.HANDLES_PER_SHARD
        yield from range(floor + per_shard - floor % per_shard - 1, last, per_shard)
        if last > floor:
            yield last
        return
    for _, first in firsts[1:]:
        if first - 1 > floor:
            yield first - 1
    if firsts[-1][0] < current_number and last > floor:
        yield last
