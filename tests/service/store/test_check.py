"""The checker sees what is wrong: every kind of damage, one at a time."""

from __future__ import annotations

import pytest
from redis import Redis

from clustering.propose import SLOT_BITS
from service.store.redis_store import RedisClusterStore
from tests.service.store.helpers import put

pytestmark = pytest.mark.anyio

P = "ss:{default}:"
DAMAGE: dict[str, tuple[list[tuple[str | bytes | int, ...]], str]] = {
    "lost record": ([("DEL", f"{P}r:1")], "1 has an id but not a record"),
    "lost document": ([("DEL", f"{P}d:1")], "1 has an id but not a document"),
    "lost assignment": ([("HDEL", f"{P}a:0", 1)], "1 has an id but not an assignment"),
    "left record": ([("SET", f"{P}r:77", b"x")], "77 has a record but no id"),
    "miscounted": ([("HINCRBY", f"{P}meta", "articles", 1)], "articles are counted"),
    "miscounted index": ([("HINCRBY", f"{P}meta", "indexed", 1)], "counted as indexed"),
    "handle of the future": ([("HSET", f"{P}meta", "handle", 2)], "3 was never given out"),
    "lost member": ([("SREM", f"{P}m:c_a", 1)], "member list and assignments differ"),
    "left member": ([("SADD", f"{P}m:c_a", 2)], "member list and assignments differ"),
    "not listed": ([("ZREM", f"{P}open", "c_a")], "the listing says otherwise"),
    "listed otherwise": ([("ZADD", f"{P}open", 5, "c_a")], "another time of update"),
    "listed in vain": ([("ZADD", f"{P}open", 5, "c_none")], "listed but has no record"),
    "foreign key": ([("SET", f"{P}strange", b"x")], "none of this layout"),
    "foreign list": ([("RPUSH", f"{P}strange", b"x")], "none of this layout"),
    "lost long group": ([("DEL", f"{P}h:0.0")], "not in the buckets"),
    "left long group": ([("SET", f"{P}h:0.9", b"x" * 64)], "not in their list"),
    "left bucket of a spread group": ([("SET", f"{P}h:0.0.5", b"\1\0\0\0")], "not in their list"),
    "listed as spread": ([("SETRANGE", f"{P}longs", 5, b"\2")], "not in their list as what it is"),
    "lost list": ([("DEL", f"{P}longs")], "not as long as is counted"),
    "lost bucket": ([("DEL", f"{P}b:1")], "not in the buckets"),
    "miscounted entries": ([("HINCRBY", f"{P}meta", "light", 1)], "bytes of light groups"),
    "miscounted light": ([("HINCRBY", f"{P}meta", "entries", 1)], "entries of buckets are counted"),
    "ghost in a bucket": (
        [("APPEND", f"{P}b:1", b"\x63\0\0\0\0\0\0\x01\0")],
        "99 is in 1 buckets and not stored",
    ),
    "unordered bucket": (
        [("SET", f"{P}b:1", b"\x02\0\0\0\0\0\0\x01\0\x01\0\0\0\0\0\0\x01\0")],
        "shard 1 is empty or out of order",
    ),
    "unordered long group": ([("SETRANGE", f"{P}h:0.0", 0, b"\x63\0")], "out of order"),
    "unordered slots": ([("SET", f"{P}b:1", b"\x01\0\0\0\0\0\0\x02\x07\x07")], "slots of handle 1"),
    "long and light": (
        [("APPEND", f"{P}b:0", b"\x14\0\0\0\0\0\0\x01\x05")],
        "long and in shard",
    ),
    "wrong shard": ([("RENAME", f"{P}b:1", f"{P}b:3")], "not in the buckets"),
    "beyond the shards": ([("RENAME", f"{P}b:1", f"{P}b:4097")], "in the wrong shard"),
    "wrong partitions": ([("HSET", f"{P}p", 19_673, 1)], "from one time partition to the next"),
    "old among the newest": ([("HSET", f"{P}n", 9, b"\x09\0\0\x01")], "among the newest"),
    "gone among the newest": (
        [("HINCRBY", f"{P}meta", "handle", 1), ("HSET", f"{P}n", 21, b"\x15\0\0\0")],
        "among the newest and not stored",
    ),
    "expired in a bucket": ([("HSET", f"{P}meta", "floor", 1)], "has expired and is in buckets"),
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_damage_is_told(store: RedisClusterStore, url: str, damage: str) -> None:
    await put(store, "a", [1 << SLOT_BITS, 5], cluster_id="c_a")
    await put(store, "b", [5], cluster_id="c_b")
    for number in range(18):
        await put(store, f"more {number}", [5], cluster_id="c_a")
    assert await store.check() == []
    commands, told = DAMAGE[damage]
    with Redis.from_url(url) as client:
        for command in commands:
            client.execute_command(*command)
    problems = await store.check()
    assert any(told in problem for problem in problems), problems
