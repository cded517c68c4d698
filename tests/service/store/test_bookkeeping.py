"""Jobs, leases, document frequencies, counts."""

from __future__ import annotations

import asyncio

import pytest

from service.store import LearnedTables
from service.store.redis_store import RedisClusterStore
from tests.service.store.helpers import bucket_array, put

pytestmark = pytest.mark.anyio


async def test_what_was_learned_has_epochs(store: RedisClusterStore) -> None:
    assert await store.learned() == LearnedTables(0, b"", b"")
    assert await store.line_counts() == (0, b"")
    for epoch, name in enumerate((b"one\x00", b"two\xff"), start=1):
        stored = await store.set_learned(
            frequencies=name, repeated_lines=name + b"r", line_counts=name + b"c"
        )
        assert stored == epoch
    assert await store.learned() == LearnedTables(2, b"two\xff", b"two\xffr")
    assert await store.line_counts() == (2, b"two\xffc")
    late = await store.set_learned(
        frequencies=b"f", repeated_lines=b"r", line_counts=b"c", expected_epoch=1
    )
    assert late == 2
    assert await store.learned() == LearnedTables(2, b"two\xff", b"two\xffr")
    assert (await store.probe("a", bucket_array([]), limit=1)).frequency_epoch == 2


async def test_the_newest_200_jobs_are_kept(store: RedisClusterStore) -> None:
    assert await store.jobs(limit=5) == []
    for number in range(203):
        await store.put_job(f"r_{number}", b"queued")
    await store.put_job("r_3", b"running")  # an update keeps its place
    assert await store.job("r_2") is None
    assert await store.job("r_3") == b"running"
    jobs = await store.jobs(limit=1000)
    assert [job_id for job_id, _ in jobs] == [f"r_{n}" for n in range(202, 2, -1)]
    assert await store.jobs(limit=1) == [("r_202", b"queued")]
    assert await store.jobs(limit=0) == []


async def test_a_lease_has_one_holder(store: RedisClusterStore) -> None:
    taken = await asyncio.gather(
        *(store.acquire_lease("night", f"holder {n}", ttl_seconds=30) for n in range(10))
    )
    assert sum(taken) == 1
    holder = f"holder {taken.index(True)}"
    assert await store.acquire_lease("night", holder, ttl_seconds=30)
    await store.release_lease("night", "someone else")
    assert not await store.acquire_lease("night", "someone else", ttl_seconds=30)
    assert await store.acquire_lease("other", "someone else", ttl_seconds=30)
    await store.release_lease("night", holder)
    assert await store.acquire_lease("night", "someone else", ttl_seconds=30)


async def test_a_lease_ends_by_itself(store: RedisClusterStore) -> None:
    assert await store.acquire_lease("night", "a", ttl_seconds=0.05)
    await asyncio.sleep(0.1)
    assert await store.acquire_lease("night", "b", ttl_seconds=30)
    with pytest.raises(ValueError, match=r"0\.001"):
        await store.acquire_lease("night", "b", ttl_seconds=0)


async def test_counts(store: RedisClusterStore) -> None:
    assert await store.counts() == {
        "articles": 0,
        "indexed_articles": 0,
        "clusters": 0,
        "buckets": 0,
        "last_handle": 0,
    }
    await put(store, "a", [1, 2], cluster_id="c_a")
    await put(store, "b", [2, 3], cluster_id="c_a")
    await put(store, "c", cluster_id="c_c")
    assert await store.counts() == {
        "articles": 3,
        "indexed_articles": 2,
        "clusters": 2,
        "buckets": 4,
        "last_handle": 3,
    }
