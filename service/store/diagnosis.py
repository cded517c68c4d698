"""What a server and a collection are like: for ``samestory doctor``. Reads, and writes nothing.

Works without opening the store, so that one can be looked at that another configuration wrote.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from clustering.articles import UInt64Array
from service.store import keys
from service.store.check import find_contradictions, scan_keys
from service.store.connection import Connection
from service.store.encoding import HEADER_BYTES, unpack_header

_TIMEOUT_SECONDS: Final = 30.0
_SAMPLED_KEYS: Final = 1000
_PER_CALL: Final = 250
_MOST_SHARDS_READ: Final = 256
_CHECKS: Final = 3

# Which part of an article's cost a kind of key belongs to; the last two do not grow with articles.
PARTS: Final = ("record", "document", "buckets", "membership", "clusters")
FIXED_PARTS: Final = ("learned tables", "bookkeeping")
_PART_OF: Final = {
    keys.RECORD: "record",
    keys.DOCUMENT: "document",
    keys.BUCKETS: "buckets",
    keys.FORWARD: "buckets",
    keys.LONG_BUCKETS: "buckets",
    keys.LONG_LIST: "buckets",
    keys.LONG_LIST_NEXT: "buckets",
    keys.NEWEST: "bookkeeping",
    keys.PARTITIONS: "bookkeeping",
    keys.ARTICLE_IDS: "membership",
    keys.ASSIGNMENTS: "membership",
    keys.MEMBERS: "membership",
    keys.CLUSTERS: "clusters",
    keys.LINEAGE: "clusters",
    keys.OPEN_CLUSTERS: "clusters",
    keys.FREQUENCIES: "learned tables",
    keys.REPEATED_LINES: "learned tables",
    keys.LINE_COUNTS: "learned tables",
}


@dataclass(frozen=True, slots=True)
class ServerState:
    """What the server says of itself.

    Attributes
    ----------
    engine, version
        Such as ``valkey`` and ``9.0.1``.
    used_bytes, startup_bytes, max_bytes
        Memory it uses, used when it had started empty, and may use (0: no limit).
    eviction_policy
        What it does when that is reached; anything but ``noeviction`` loses data.
    evicted_keys
        Keys that it has thrown away for want of memory.
    append_only
        Whether it writes every change to a file.
    write_error
        What went wrong when it last wrote its data; empty when nothing did.
    replica
        Whether it is one, and so refuses writes.
    """

    engine: str
    version: str
    used_bytes: int
    startup_bytes: int
    max_bytes: int
    eviction_policy: str
    evicted_keys: int
    append_only: bool
    write_error: str
    replica: bool


@dataclass(frozen=True, slots=True)
class Identity:
    """What wrote the collection; all empty when it is not there."""

    layout: int | None = None
    fingerprint: str = ""
    engine: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease that is held, by whom, and for how long if it is not renewed."""

    name: str
    holder: str
    seconds_left: float


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Bytes of a collection's keys.

    Attributes
    ----------
    bytes_by_part
        Bytes of each of `PARTS` and `FIXED_PARTS`, estimated where there are many keys of a kind.
    key_count
        Keys of the collection.
    alone
        Whether the server holds nothing else; then the rest of its memory is this one's overhead.
    """

    bytes_by_part: Mapping[str, int] = field(default_factory=dict)
    key_count: int = 0
    alone: bool = False


class StoreDiagnosis:
    """Looks at one collection on one server.

    Parameters
    ----------
    url, collection
        As `service.store.redis_store.RedisClusterStore` takes them.
    """

    def __init__(self, url: str, *, collection: str = "default") -> None:
        self._keys = keys.Keys(collection)
        self._connection = Connection(url, self._keys.prefix, timeout_seconds=_TIMEOUT_SECONDS)

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.close()

    async def server(self) -> ServerState:
        """Return what the server says of itself."""
        info: dict[str, Any] = await self._connection.execute("INFO")
        engine = "valkey" if "valkey_version" in info else "redis"
        errors = [
            f"{name} is {info[name]}"
            for name in ("rdb_last_bgsave_status", "aof_last_bgrewrite_status",
                         "aof_last_write_status")
            if info.get(name, "ok") != "ok"
        ]  # fmt: skip
        return ServerState(
            engine=engine,
            version=str(info.get(f"{engine}_version", "")),
            used_bytes=int(info.get("used_memory", 0)),
            startup_bytes=int(info.get("used_memory_startup", 0)),
            max_bytes=int(info.get("maxmemory", 0)),
            eviction_policy=str(info.get("maxmemory_policy", "noeviction")),
            evicted_keys=int(info.get("evicted_keys", 0)),
            append_only=bool(int(info.get("aof_enabled", 0))),
            write_error="; ".join(errors),
            replica=info.get("role") in ("slave", "replica"),
        )

    async def identity(self) -> Identity:
        """Return what wrote the collection."""
        layout, fingerprint, engine = await self._connection.execute(
            "HMGET", self._keys.key(keys.META), "layout", "fingerprint", "engine"
        )
        if layout is None and fingerprint is None:
            return Identity()
        return Identity(
            layout=None if layout is None else int(layout),
            fingerprint=(fingerprint or b"").decode("utf-8", "replace"),
            engine=(engine or b"").decode("utf-8", "replace"),
        )

    async def leases(self) -> list[Lease]:
        """Return the leases that are held now, by name."""
        names = [
            key
            async for key in scan_keys(self._connection, self._keys)
            if self._name(key).startswith(keys.LEASE)
        ]
        found = []
        for key in sorted(names):
            holder, milliseconds = await self._connection.batch([("GET", key), ("PTTL", key)])
            if holder is not None:
                found.append(
                    Lease(
                        self._name(key).removeprefix(keys.LEASE),
                        holder.decode("utf-8", "replace"),
                        max(0, milliseconds) / 1000,
                    )
                )
        return found

    async def contradictions(
        self, bucket_ids_of: Callable[[bytes], UInt64Array] | None
    ) -> list[str]:
        """Return one sentence for each contradiction in what is stored.

        What is written meanwhile looks like one: those that are not found again and again are left
        out.
        """
        found = await find_contradictions(self._connection, self._keys, bucket_ids_of)
        for _ in range(_CHECKS - 1):
            if not found:
                break
            again = set(await find_contradictions(self._connection, self._keys, bucket_ids_of))
            found = [problem for problem in found if problem in again]
        return found

    async def oldest_received_seconds(self, *, after_handle: int) -> float | None:
        """When the oldest article beyond a handle was received; ``None`` when there is none."""
        last = int(await self._connection.execute("HGET", self._keys.key(keys.META), "handle") or 0)
        per_shard = keys.HANDLES_PER_SHARD
        shard, count = (after_handle + 1) // per_shard, 1
        while shard * per_shard <= last:
            slots = await self._connection.batch(
                [
                    ("HKEYS", self._keys.key(keys.ASSIGNMENTS, number))
                    for number in range(shard, shard + count)
                ]
            )
            handles = sorted(
                handle
                for number, found in enumerate(slots, start=shard)
                for slot in found
                if (handle := number * per_shard + int(slot)) > after_handle
            )
            for handle in handles[:_PER_CALL]:
                header = await self._connection.execute(
                    "GETRANGE", self._keys.key(keys.DOCUMENT, handle), 0, HEADER_BYTES - 1
                )
                if len(header) == HEADER_BYTES:
                    return unpack_header(bytes(header))[2]
            shard, count = shard + count, min(2 * count, _MOST_SHARDS_READ)
        return None

    async def memory(self, *, seed: int = 0) -> MemoryUse:
        """Return the bytes of the collection's keys, by ``MEMORY USAGE``.

        All keys are listed; of a kind with many, a random sample is measured.
        """
        rng = random.Random(seed)
        counts: defaultdict[str, int] = defaultdict(int)
        samples: defaultdict[str, list[bytes]] = defaultdict(list)
        async for key in scan_keys(self._connection, self._keys):
            kind = _kind(self._name(key))
            counts[kind] += 1
            sample = samples[kind]
            # Reservoir sampling (Vitter 1985, algorithm R): every key is as likely to be kept.
            if len(sample) < _SAMPLED_KEYS:
                sample.append(key)
            elif (at := rng.randrange(counts[kind])) < _SAMPLED_KEYS:
                sample[at] = key
        by_part = dict.fromkeys((*PARTS, *FIXED_PARTS), 0)
        for kind, sample in samples.items():
            sizes: list[int] = []
            for start in range(0, len(sample), _PER_CALL):
                sizes += [
                    size
                    for size in await self._connection.batch(
                        [
                            ("MEMORY", "USAGE", key, "SAMPLES", 0)
                            for key in sample[start : start + _PER_CALL]
                        ]
                    )
                    if size is not None
                ]
            if sizes:
                part = _PART_OF.get(kind, "bookkeeping")
                by_part[part] += round(counts[kind] * sum(sizes) / len(sizes))
        key_count = sum(counts.values())
        total = int(await self._connection.execute("DBSIZE"))
        return MemoryUse(by_part, key_count, alone=total == key_count)

    def _name(self, key: bytes) -> str:
        return key.decode("utf-8", "replace").removeprefix(self._keys.prefix)


def _kind(name: str) -> str:
    """Return the kind of a key: the constant of `service.store.keys` that it begins with."""
    if name in _PART_OF:
        return name
    head, colon, _ = name.partition(":")
    if colon and f"{head}:" in _PART_OF:
        return f"{head}:"
    return head
