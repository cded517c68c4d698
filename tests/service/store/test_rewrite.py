"""Articles written anew under their handle: as if they had been posted so."""

from __future__ import annotations

import random

import pytest

from clustering.propose import SLOT_BITS
from service.store import ConflictError, Rewrite
from service.store.redis_store import RedisClusterStore, Traces
from tests.service.store.helpers import (
    FINGERPRINT,
    NOW,
    bucket_array,
    buckets_of_record,
    commit_of,
    put,
    record_of,
)
from tests.service.store.test_articles import contents

pytestmark = pytest.mark.anyio

DAY = 86_400.0


def rewrite_of(handle: int, old: list[int], new: list[int], *, now: float = NOW) -> Rewrite:
    before, after = bucket_array(old), bucket_array(new)
    return Rewrite(
        handle=handle,
        replaced_record=record_of(before),
        replaced_bucket_ids=before,
        record=record_of(after),
        document=b"cleaner",
        bucket_ids=after,
        now_seconds=now,
    )


async def test_it_is_found_as_what_it_is_now(store: RedisClusterStore) -> None:
    await put(store, "a", [1, 2, 3], cluster_id="c_a", group_id="d_a")
    before = await store.cluster("c_a")
    assert await store.rewrite(rewrite_of(1, [1, 2, 3], [3, 4]))
    stored = await store.article("a")
    assert stored is not None
    assert (stored.handle, stored.cluster_id, stored.document) == (1, "c_a", b"cleaner")
    assert (stored.revision, stored.received_at_seconds) == (1, NOW)
    assert await store.records([1]) == [record_of(bucket_array([3, 4]))]
    assert not (await store.probe("b", bucket_array([1, 2]), limit=9)).candidates
    (found,) = (await store.probe("b", bucket_array([4]), limit=9)).candidates
    assert found.handle == 1
    after = await store.cluster("c_a")
    assert before is not None
    assert after is not None
    assert (after.revision, after.size) == (before.revision + 1, 1)
    assert await store.check() == []


async def test_one_that_is_gone_or_another_is_left(store: RedisClusterStore) -> None:
    await put(store, "a", [1, 2], cluster_id="c_a")
    assert not await store.rewrite(rewrite_of(1, [1], [3]))
    assert not await store.rewrite(rewrite_of(2, [1, 2], [3]))
    await put(store, "a", [1, 2], cluster_id="c_a")  # its handle is 2 now
    assert not await store.rewrite(rewrite_of(1, [1, 2], [3]))
    assert await store.check() == []


async def test_an_update_does_not_rest_on_what_it_was(store: RedisClusterStore) -> None:
    """Between reading an article's buckets and removing them, the night writes other ones."""
    await put(store, "a", [1, 2], cluster_id="c_a")
    probe = await store.probe("a", bucket_array([7]), limit=1)
    traces = store._traces

    async def rewritten_after(digest: bytes) -> Traces:
        found = await traces(digest)
        store._traces = traces  # type: ignore[method-assign]
        assert await store.rewrite(rewrite_of(1, [1, 2], [3]))
        return found

    store._traces = rewritten_after  # type: ignore[method-assign]
    cluster = await store.cluster("c_a")
    assert cluster is not None
    with pytest.raises(ConflictError):
        await store.commit(
            commit_of("a", [7], cluster_id="c_b", horizon=1, replaces=probe.existing)
        )
    assert await store.rewrite(rewrite_of(1, [3], [1, 2]))
    store._traces = rewritten_after  # type: ignore[method-assign]
    assert await store.delete_article("a", now_seconds=NOW)
    assert await store.check() == []
    assert not (await store.probe("b", bucket_array([1, 2, 3]), limit=9)).candidates


@pytest.mark.parametrize("recomputed", [True, False])
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_store_is_what_it_would_have_been(url: str, seed: int, recomputed: bool) -> None:
    """Posted cleanly from the beginning, everything but revisions and documents is the same."""
    rng = random.Random(seed)

    # In groups of three.
    buckets = [k // 3 << SLOT_BITS | k % 3 for k in range(12)]

    def some_buckets() -> list[int]:
        # Few enough for buckets of more than 15 handles, which are kept apart.
        return rng.sample(buckets, rng.choice([0, 3, 6]))

    first = [some_buckets() for _ in range(60)]
    last = [some_buckets() if rng.random() < 0.6 else ids for ids in first]
    times = sorted(NOW + 30 * DAY * rng.random() for _ in first)
    found: list[dict[bytes, object]] = []
    # Where buckets are depends on how they came to be; that they are there, `check` says.
    unlike = (b"p", b"b:", b"h:", b"lo")
    for posted in (first, last):
        store = RedisClusterStore(
            url,
            bucket_ids_of=buckets_of_record if recomputed else None,
            collection=f"s{len(found)}",
        )
        await store.open(FINGERPRINT)
        for number, (ids, now) in enumerate(zip(posted, times, strict=True)):
            await put(store, f"{number}", ids, cluster_id=f"c_{number}", now=now)
        order = list(range(60))
        rng.shuffle(order)
        for number in order:
            now = times[-1]
            assert await store.rewrite(
                rewrite_of(number + 1, posted[number], last[number], now=now)
            )
        assert await store.check() == []
        prefix = f"ss:{{s{len(found)}}}:".encode()
        found.append(
            {
                key.removeprefix(prefix): value
                for key, value in contents(url).items()
                if key.startswith(prefix) and key.removeprefix(prefix)[:2] not in unlike
            }
        )
        # What tells one collection from another, and how often it was written anew.
        meta = found[-1].pop(b"meta")
        assert isinstance(meta, dict)
        found[-1][b"meta"] = {
            name: value
            for name, value in meta.items()
            if name not in (b"born", b"rewritten", b"light", b"longs")
        }
        found[-1][b"candidates"] = [
            [
                (item.handle, item.shared_weight)
                for item in (
                    await store.probe("x", bucket_array([bucket, buckets[11]]), limit=99)
                ).candidates
            ]
            for bucket in buckets[:11]
        ]
        await store.close()
    assert found[0] == found[1]
