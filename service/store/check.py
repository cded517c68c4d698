"""Reads a whole collection and says where it contradicts itself.

For tests, and for ``samestory doctor``. Reads key by key, so that what is written meanwhile may
look like a contradiction: check a store that nobody writes to.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from clustering.articles import UInt64Array
from service.store import keys
from service.store.bucket_check import read_entries
from service.store.buckets import LIST_ITEM_BYTES
from service.store.connection import Connection
from service.store.constraint_check import check_constraints
from service.store.encoding import (
    stored_cluster,
    unpack_assignment,
    unpack_buckets,
    unpack_header,
)
from service.store.keys import FIRST_SHARDS, NEWEST_ARTICLES

_PER_CALL = 500
_UNCHECKED = {
    keys.FREQUENCIES,
    keys.REPEATED_LINES,
    keys.LINE_COUNTS,
    keys.JOBS,
    keys.JOB_ORDER,
    keys.SCHEDULE,
    keys.UNDO,
    keys.SWITCH,
    keys.SWITCH_PARTS,
    keys.SWITCH_CLUSTERS,
    keys.SWITCH_JOINS,
    keys.SWITCH_LISTED,
    keys.LONG_LIST_NEXT,
}
_OF_CONSTRAINTS = {
    keys.CONSTRAINTS,
    keys.CONSTRAINT_TERMS,
    keys.CONSTRAINTS_OF,
    keys.CONSTRAINT_ORDER,
}


@dataclass
class _Contents:
    """Everything stored, by what it is."""

    meta: dict[bytes, bytes] = field(default_factory=dict)
    handle_of: dict[bytes, int] = field(default_factory=dict)
    assignments: dict[int, tuple[str, str]] = field(default_factory=dict)
    records: dict[int, bytes] = field(default_factory=dict)
    documents: dict[int, bytes] = field(default_factory=dict)
    forward: dict[int, bytes] = field(default_factory=dict)
    clusters: set[str] = field(default_factory=set)
    members: dict[str, set[int]] = field(default_factory=dict)
    open_clusters: dict[str, float] = field(default_factory=dict)
    partitions: dict[int, int] = field(default_factory=dict)
    expiring: dict[bytes, bytes] = field(default_factory=dict)
    shards: dict[int, bytes] = field(default_factory=dict)
    long_groups: dict[str, bytes] = field(default_factory=dict)
    long_list: bytes = b""
    newest: dict[int, bytes] = field(default_factory=dict)
    constraints: dict[str, Any] = field(default_factory=dict)


async def find_contradictions(
    connection: Connection,
    names: keys.Keys,
    bucket_ids_of: Callable[[bytes], UInt64Array] | None,
) -> list[str]:
    """Return one sentence a contradiction; empty when all is well."""
    contents, problems = await _read(connection, names)
    if b"founding" in contents.meta:
        return ["an archive is being imported into this collection: check it when that has ended"]
    problems += _check_articles(contents)
    problems += await _check_clusters(connection, contents)
    problems += _check_buckets(contents, bucket_ids_of)
    problems += check_constraints(
        contents.constraints,
        {
            digest: contents.assignments[handle][0]
            for digest, handle in contents.handle_of.items()
            if handle in contents.assignments
        },
    )
    return problems


async def scan_keys(connection: Connection, names: keys.Keys) -> AsyncIterator[bytes]:
    """Every key of the collection, once."""
    cursor, seen = 0, set[bytes]()
    while True:
        cursor, found = await connection.execute(
            "SCAN", cursor, "MATCH", f"{names.prefix}*", "COUNT", 1000
        )
        for key in found:
            if key not in seen:
                seen.add(key)
                yield key
        if not int(cursor):
            return


async def _read(connection: Connection, names: keys.Keys) -> tuple[_Contents, list[str]]:
    contents, problems = _Contents(), list[str]()
    batch: list[bytes] = []

    async def flush() -> None:
        types = await connection.batch([("TYPE", key) for key in batch])
        values = await connection.batch(
            [_READ_COMMANDS[bytes(kind)](key) for key, kind in zip(batch, types, strict=True)]
        )
        for key, kind, value in zip(batch, types, values, strict=True):
            if bytes(kind) == b"none" or value is None:
                continue  # it went away between listing and reading
            name = key.decode("utf-8").removeprefix(names.prefix)
            if not _file(contents, name, value):
                problems.append(f"key {name} is none of this layout")
        batch.clear()

    async for key in scan_keys(connection, names):
        batch.append(key)
        if len(batch) == _PER_CALL:
            await flush()
    if batch:
        await flush()
    return contents, problems


_READ_COMMANDS: dict[bytes, Callable[[bytes], tuple[str | bytes | int, ...]]] = {
    b"hash": lambda key: ("HGETALL", key),
    b"string": lambda key: ("GET", key),
    b"set": lambda key: ("SMEMBERS", key),
    b"zset": lambda key: ("ZRANGE", key, 0, -1, "WITHSCORES"),
    b"list": lambda key: ("TYPE", key),
    b"stream": lambda key: ("TYPE", key),
    b"none": lambda key: ("TYPE", key),
}


def _file(contents: _Contents, name: str, value: Any) -> bool:
    """Put one key's value where it belongs; ``False`` for a key of no known kind."""
    if name == keys.META:
        contents.meta = value
    elif name == keys.OPEN_CLUSTERS:
        contents.open_clusters = {
            member.decode("ascii"): float(score) for member, score in _scored(value)
        }
    elif name == keys.PARTITIONS:
        contents.partitions = {int(number): int(first) for number, first in value.items()}
    elif name == keys.EXPIRING:
        contents.expiring = value
    elif name == keys.LONG_LIST:
        contents.long_list = value
    elif name == keys.NEWEST:
        contents.newest = {int(slot): noted for slot, noted in value.items()}
    elif name in _OF_CONSTRAINTS:
        ordered = name == keys.CONSTRAINT_ORDER
        contents.constraints[name] = dict(_scored(value)) if ordered else value
    elif name in _UNCHECKED or name.startswith((keys.LEASE, keys.PLAN)):
        pass
    else:
        kind, part = name[:2], name[2:]
        match kind:
            case keys.ARTICLE_IDS:
                contents.handle_of |= {digest: int(handle) for digest, handle in value.items()}
            case keys.ASSIGNMENTS:
                first = int(part) * keys.HANDLES_PER_SHARD
                for slot, packed in value.items():
                    contents.assignments[first + int(slot)] = unpack_assignment(packed)
            case keys.RECORD:
                contents.records[int(part)] = value
            case keys.DOCUMENT:
                contents.documents[int(part)] = value
            case keys.FORWARD:
                contents.forward[int(part)] = value
            case keys.CLUSTERS:
                contents.clusters |= {cluster_id.decode("ascii") for cluster_id in value}
            case keys.MEMBERS:
                contents.members[part] = {int(handle) for handle in value}
            case keys.LINEAGE:
                pass
            case keys.BUCKETS:
                contents.shards[int(part)] = value
            case keys.LONG_BUCKETS:
                contents.long_groups[part] = value
            case _:
                return False
    return True


def _scored(value: Any) -> list[tuple[bytes, float]]:
    """Return members with scores, whichever way the client hands them over."""
    if value and isinstance(value[0], bytes):
        return list(zip(value[::2], value[1::2], strict=True))
    return [(member, score) for member, score in value]


def _check_articles(contents: _Contents) -> list[str]:
    problems = []
    handles = Counter(contents.handle_of.values())
    problems += [f"handle {h} has several article ids" for h, n in handles.items() if n > 1]
    for what, found in (
        ("an assignment", contents.assignments.keys()),
        ("a record", contents.records.keys()),
        ("a document", contents.documents.keys()),
    ):
        problems += [f"handle {h} has an id but not {what}" for h in handles.keys() - found]
        problems += [f"handle {h} has {what} but no id" for h in found - handles.keys()]
    problems += [f"handle {h} has buckets but no id" for h in contents.forward.keys() - handles]
    for digest, handle in contents.handle_of.items():
        document = contents.documents.get(handle)
        if document is None:
            continue
        article_id = unpack_header(document)[3]
        if keys.digest_article_id(article_id) != digest:
            problems.append(f"handle {handle} stands under another id than {article_id!r}")
    counted = int(contents.meta.get(b"articles", 0))
    if counted != len(contents.handle_of):
        problems.append(f"{counted} articles are counted, {len(contents.handle_of)} are there")
    last = int(contents.meta.get(b"handle", 0))
    problems += [f"handle {h} was never given out" for h in handles if not 0 < h <= last]
    # Articles up to the floor have expired: only while that goes on are any of them there.
    floor = int(contents.meta.get(b"floor", 0))
    lowest = int(contents.expiring.get(b"next", 0)) or floor + 1
    problems += [f"handle {h} has expired and is there" for h in handles if h < lowest]
    return problems


async def _check_clusters(connection: Connection, contents: _Contents) -> list[str]:
    problems = []
    assigned: defaultdict[str, set[int]] = defaultdict(set)
    for handle, (cluster_id, _) in contents.assignments.items():
        assigned[cluster_id].add(handle)
    problems += [
        f"cluster {c} has articles but no record" for c in assigned.keys() - contents.clusters
    ]
    problems += [
        f"cluster {c} has a member list but no record"
        for c in contents.members.keys() - contents.clusters
    ]
    ids = sorted(contents.clusters)
    for start in range(0, len(ids), _PER_CALL):
        some = ids[start : start + _PER_CALL]
        flat = await connection.run("clusters", "ids", len(some), *some)
        for at in range(0, len(flat), 5):
            cluster = stored_cluster(flat[at : at + 5])
            name, listed = cluster.cluster_id, contents.members.get(cluster.cluster_id, set())
            if listed != assigned[name]:
                problems.append(f"cluster {name}: member list and assignments differ")
            if cluster.size != len(assigned[name]):
                problems.append(f"cluster {name}: size {cluster.size}, {len(assigned[name])} there")
            if (cluster.state == "open") != bool(assigned[name]):
                problems.append(f"cluster {name} is {cluster.state} with {len(assigned[name])}")
            if (cluster.state == "open") != (name in contents.open_clusters):
                problems.append(f"cluster {name} is {cluster.state}, the listing says otherwise")
            if cluster.state == "open" and (
                contents.open_clusters.get(name) != cluster.updated_at_seconds
            ):
                problems.append(f"cluster {name}: the listing has another time of update")
            if (cluster.state == "merged") != bool(cluster.merged_into):
                problems.append(f"cluster {name} is {cluster.state}, into {cluster.merged_into!r}")
    problems += [
        f"cluster {c} is listed but has no record"
        for c in contents.open_clusters.keys() - contents.clusters
    ]
    return problems


def _check_buckets(
    contents: _Contents, bucket_ids_of: Callable[[bytes], UInt64Array] | None
) -> list[str]:
    found = read_entries(
        contents.shards,
        contents.long_groups,
        contents.long_list,
        int(contents.meta.get(b"shards", FIRST_SHARDS)),
    )
    problems = found.problems + _check_newest(contents)
    for what, name, there in (
        ("bytes of light groups of buckets", b"light", found.light_bytes),
        ("entries of buckets", b"entries", found.count),
    ):
        counted = int(contents.meta.get(name, 0))
        if counted != there:
            problems.append(f"{counted} {what} are counted, {there} are there")
    if int(contents.meta.get(b"longs", 0)) * LIST_ITEM_BYTES != len(contents.long_list):
        problems.append("the list of long groups of buckets is not as long as is counted")
    # What expired may still be there while it is being swept.
    entries, floor = found.buckets_of, int(contents.meta.get(b"floor", 0))
    for handle in [handle for handle in entries if handle <= floor]:
        if not contents.expiring:
            problems.append(f"handle {handle} has expired and is in buckets")
        del entries[handle]
    firsts = [contents.partitions[number] for number in sorted(contents.partitions)]
    if firsts != sorted(set(firsts)):
        problems.append("handles do not rise from one time partition to the next")
    problems += [
        f"handle {h} is in {len(entries[h])} buckets and not stored"
        for h in entries.keys() - contents.assignments.keys()
    ]
    # Articles that are expiring are in no bucket that is read any more.
    indexed = int(contents.meta.get(b"indexed", 0))
    indexed_there = len(entries)
    for handle, record in contents.records.items():
        if handle in contents.forward:
            wanted = set(unpack_buckets(contents.forward[handle]).tolist())
        elif bucket_ids_of is not None:
            wanted = set(bucket_ids_of(record).tolist())
        else:
            wanted = set()
        if handle <= floor:
            indexed_there += bool(wanted)
            wanted = set()
        if wanted != set(entries.get(handle, ())):
            problems.append(f"handle {handle} is not in the buckets that its record names")
    if indexed != indexed_there:
        problems.append(f"{indexed} articles are counted as indexed, {indexed_there} are")
    return problems


def _check_newest(contents: _Contents) -> list[str]:
    last = int(contents.meta.get(b"handle", 0))
    problems = []
    for slot, noted in contents.newest.items():
        handle = int.from_bytes(noted[:4], "little")
        if handle % NEWEST_ARTICLES != slot or not last - NEWEST_ARTICLES < handle <= last:
            problems.append(f"handle {handle} is noted among the newest")
        elif handle not in contents.assignments:
            problems.append(f"handle {handle} is noted among the newest and not stored")
    return problems
