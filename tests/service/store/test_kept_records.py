"""Records that are not sent again: bounded, and forgotten when they may have changed."""

from __future__ import annotations

import random

import numpy as np
import pytest
from redis import Redis

from service.store import Rewrite
from service.store.kept_records import KeptRecords
from service.store.redis_store import RedisClusterStore
from tests.service.store.helpers import (
    FINGERPRINT,
    NOW,
    bucket_array,
    buckets_of_record,
    put,
    record_of,
)


def test_the_newest_are_kept() -> None:
    kept = KeptRecords(most_articles=8)
    for handle in (1, 2, 9, 3):
        kept.put(handle, b"%d" % handle, b"m")
    assert [kept.get(handle, b"m") for handle in (1, 2, 3, 9)] == [None, b"2", b"3", b"9"]
    kept.put(1, b"late", b"m")
    assert kept.get(1, b"m") is None
    kept.put(12, b"12", b"m")  # those up to 4 are too old by now
    assert kept.get_many([2, 3, 4, 9, 10, 12], b"m") == [None, None, None, b"9", None, b"12"]
    kept.put(100, b"100", b"m")
    assert kept.get_many([9, 12, 100], b"m") == [None, None, b"100"]
    assert kept.get_many([100], b"n") == [None]


def test_the_bitmap_says_what_is_kept() -> None:
    rng = random.Random(3)
    kept = KeptRecords(most_articles=64)
    newest = 0
    for _ in range(400):
        newest = max(newest, handle := max(1, newest + rng.randint(-40, 6)))
        kept.put(handle, b"x", b"m")
        highest, bitmap = kept.held(b"m")
        assert highest == newest
        bits = 8 * len(bitmap)
        held = {
            number
            for number in range(max(1, newest - bits + 1), newest + 1)
            if bitmap[number % bits // 8] >> (number % bits % 8) & 1
        }
        assert held == {h for h in range(1, newest + 1) if kept.get(h, b"m") is not None}
    assert len(held) > 10
    assert kept.held(b"n") == (0, b"")


def test_another_mark_forgets_all() -> None:
    kept = KeptRecords()
    kept.put(1, b"one", b"m")
    assert kept.get(1, b"n") is None
    kept.put(2, b"two", b"n")
    assert kept.get(1, b"m") is None
    assert kept.get(2, b"n") == b"two"


async def _record(store: RedisClusterStore, bucket: int) -> bytes:
    (found,) = (await store.probe("new", bucket_array([bucket]), limit=5)).candidates
    return found.record


@pytest.mark.anyio
async def test_a_rewritten_record_is_read_anew(store: RedisClusterStore) -> None:
    await put(store, "a", [1, 2], cluster_id="c_a")
    before = await _record(store, 1)
    assert await _record(store, 1) is before  # the same object: it was not read again
    ids = bucket_array([1, 3])
    assert await store.rewrite(
        Rewrite(
            handle=1,
            replaced_record=before,
            replaced_bucket_ids=bucket_array([1, 2]),
            record=record_of(ids),
            document=b"anew",
            bucket_ids=ids,
            now_seconds=NOW,
        )
    )
    assert await _record(store, 1) == record_of(ids) != before


@pytest.mark.anyio
async def test_a_server_that_was_emptied_gives_its_own_records(url: str) -> None:
    """Another process fills it anew, and the handles begin again."""
    old = RedisClusterStore(url, bucket_ids_of=buckets_of_record)
    await old.open(FINGERPRINT)
    await put(old, "a", [1, 2], cluster_id="c_a")
    before = await _record(old, 1)
    with Redis.from_url(url) as client:
        client.flushall()
    new = RedisClusterStore(url, bucket_ids_of=buckets_of_record)
    await new.open(FINGERPRINT)
    await put(new, "b", [1, 7], cluster_id="c_b")
    assert await _record(old, 1) == record_of(np.array([1, 7], dtype=np.uint64)) != before
    await old.close()
    await new.close()
