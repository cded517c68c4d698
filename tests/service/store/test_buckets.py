"""Where buckets are: several processes that know it at different times read the same."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest
from redis import Redis

from clustering.articles import UInt64Array
from clustering.propose import BucketLimits, CandidateIndex, bucket_weights
from clustering.propose.lsh import TEXT_BIT
from service.store import (
    BucketQuery,
    Commit,
    ConflictError,
    Rewrite,
    StoredArticle,
    Surroundings,
    keys,
)
from service.store.bucket_loops import BucketSet, counted_entries
from service.store.buckets import KnownBuckets
from service.store.encoding import pack_ids
from service.store.expiry import ExpiringClusterStore
from tests.service.store.helpers import (
    FINGERPRINT,
    NOW,
    bucket_array,
    buckets_of_record,
    commit_of,
    put,
    record_of,
)

DAY = 86_400.0
LIMITS = BucketLimits(min_bucket_articles=20, max_bucket_share=0.1, max_text_bucket_articles=9)


@pytest.fixture
async def stores(url: str) -> AsyncIterator[list[ExpiringClusterStore]]:
    """Three processes' stores, on one collection."""
    stores = [
        ExpiringClusterStore(url, bucket_ids_of=buckets_of_record, bucket_limits=LIMITS)
        for _ in range(3)
    ]
    for store in stores:
        await store.open(FINGERPRINT)
    yield stores
    for store in stores:
        await store.close()


async def candidates(
    store: ExpiringClusterStore, wanted: UInt64Array, limit: int
) -> list[tuple[int, int]]:
    weights = bucket_weights(wanted)
    probe = await store.probe("new", wanted, weights, limit=limit)
    (finding,) = await store.find([BucketQuery("new", wanted, weights, limit)])
    found = [(item.handle, item.shared_weight) for item in finding.candidates]
    assert found == [(item.handle, item.shared_weight) for item in probe.candidates]
    assert [item.record for item in finding.candidates] == [c.record for c in probe.candidates]
    wanted_around = Surroundings(naming=[h for h, _ in found], most_clusters=99, members=5)
    (around,) = await store.neighbours([(finding, wanted_around)])
    assert around.cluster_ids == {item.handle: item.cluster_id for item in probe.candidates}
    names = list(dict.fromkeys(around.cluster_ids.values()))
    members = await store.members(names, known=[], limit=5)
    assert dict(around.clusters) == members
    return found


@pytest.mark.anyio
@pytest.mark.parametrize("seed", range(3))
async def test_all_processes_read_what_the_index_in_memory_has(
    stores: list[ExpiringClusterStore], seed: int
) -> None:
    """Each of them posts, updates, deletes, rewrites and expires; any of them asks."""
    rng = random.Random(seed)
    pool = np.array(
        [rng.randrange(1 << 44) & ~TEXT_BIT | (TEXT_BIT if k < 8 else 0) for k in range(50)],
        dtype=np.uint64,
    )
    chances = [1 / (1 + k) for k in range(50)]
    rng.shuffle(chances)
    twin = CandidateIndex(LIMITS)
    there: dict[str, tuple[int, UInt64Array, float]] = {}
    longest = 0
    for step in range(300):
        store, now = rng.choice(stores), NOW + step * DAY / 2
        ids = bucket_array(rng.choices(pool.tolist(), chances, k=rng.choice([0, 6, 18])))
        name = f"a{rng.randrange(150)}"
        match rng.choices(["put", "delete", "rewrite", "expire"], [14, 2, 3, 2])[0]:
            case "put":
                stored = await put(store, name, ids.tolist(), cluster_id=f"c_{step}", now=now)
                if name in there:
                    twin.remove(there[name][0])
                twin.add(stored.handle, ids)
                there[name] = stored.handle, ids, now
            case "delete" if name in there:
                assert await store.delete_article(name, now_seconds=now)
                twin.remove(there.pop(name)[0])
            case "rewrite" if name in there:
                handle, old, came = there[name]
                assert await store.rewrite(
                    Rewrite(handle, record_of(old), old, record_of(ids), b"anew", ids, now)
                )
                twin.remove(handle)
                twin.add(handle, ids)
                there[name] = handle, ids, came
            case "expire":
                # Now and then only some steps of it: the next one goes on, in another process.
                for _ in range(rng.choice([1, 2, 3, 9, 99])):
                    found = await rng.choice(stores).expire_step(
                        received_before_seconds=now - 40 * DAY, now_seconds=now
                    )
                    if not found.under_way:
                        break
                floor = (await store.expiry_status()).expired_handle
                for gone in [n for n, (handle, _, _) in there.items() if handle <= floor]:
                    twin.remove(there.pop(gone)[0])
        if step % 5 == 0:
            status = await store.expiry_status()
            wanted = np.array(rng.sample(pool.tolist(), 30), dtype=np.uint64)
            limit = rng.randrange(1, 40)
            # Articles that are expiring are counted as indexed until they are gone.
            if not status.next_handle:
                assert await candidates(store, wanted, limit) == twin.candidates(wanted, limit)
                assert await store.check() == []
            longest = max(longest, store._buckets.long_count)
    assert longest > 5
    assert (await stores[0].expiry_status()).expired_articles > 20


@pytest.mark.anyio
async def test_shards_that_another_process_splits(
    stores: list[ExpiringClusterStore], url: str
) -> None:
    rng = np.random.default_rng(6)
    twin = CandidateIndex(LIMITS)
    everything = rng.integers(0, 1 << 44, 300_000, dtype=np.uint64) & ~np.uint64(TEXT_BIT)
    writer, other, reader = stores
    for number, ids in enumerate(everything.reshape(-1, 1000)):
        ids[-1] = np.uint64(number % 20)
        stored = await put(writer, str(number), ids.tolist(), cluster_id=f"c_{number}")
        twin.add(stored.handle, ids)
        if number % 60 == 59:
            # Each knows what it last saw: it reads, writes and removes all the same.
            wanted = everything[number * 1000 - 500 : number * 1000 + 500]
            assert await candidates(reader, wanted, 10) == twin.candidates(wanted, 10)
            twin.remove(stored.handle)
            assert await other.delete_article(str(number), now_seconds=NOW)
    with Redis.from_url(url) as client:
        shards = client.hget(keys.Keys("default").key(keys.META), "shards")
    assert int(str(shards, "ascii")) > 4096 + 500
    assert await reader.check() == []


@pytest.mark.anyio
async def test_a_list_that_was_written_anew(stores: list[ExpiringClusterStore]) -> None:
    """Who knows the long buckets of an older generation writes and removes all the same."""
    old, sweeper, _ = stores
    for number in range(keys.LONG_FROM + 3):
        await put(old, f"{number}", [1, 2], cluster_id="c_a")
    for number in range(keys.LONG_FROM + 3):
        await put(old, f"{number}", [5, 6], cluster_id="c_b", now=NOW + 40 * DAY)
    known = old._buckets.known
    assert known[1] == 4
    step = await sweeper.expire_step(received_before_seconds=NOW + DAY, now_seconds=NOW + 41 * DAY)
    while step.under_way:
        step = await sweeper.expire_step(
            received_before_seconds=NOW + DAY, now_seconds=NOW + 41 * DAY
        )
    assert await old.delete_article("3", now_seconds=NOW + 41 * DAY)
    assert old._buckets.known[0] != known[0]
    assert old._buckets.known[1] == 2  # the empty ones are in the list no longer
    old._buckets = KnownBuckets(old._keys)
    stored = await old.commit(commit_of("new", [1, 5, 9], cluster_id="c_n", horizon=999))
    assert stored.handle
    assert await old.check() == []
    found = await candidates(sweeper, bucket_array([5, 9]), 99)
    assert found[0] == (stored.handle, 2)
    assert len(found) == keys.LONG_FROM + 3


@pytest.mark.anyio
async def test_a_bucket_that_nobody_asked_to_be_long_becomes_so(
    stores: list[ExpiringClusterStore],
) -> None:
    store = stores[0]
    for number in range(600):  # without a probe, which would have told
        await store.commit(commit_of(f"{number}", [7], cluster_id=f"c_{number}", horizon=number))
    assert await store.check() == []
    await candidates(store, bucket_array([7]), 5)
    assert store._buckets.long_count == 1


@pytest.mark.anyio
async def test_articles_of_one_wave(stores: list[ExpiringClusterStore]) -> None:
    """They are no conflict to one another, and another article between them is one."""
    store, rival, _ = stores
    (finding,) = await store.find([BucketQuery("a", bucket_array([1]), np.ones(1, "u1"), 5)])
    wave = b"wave-one"

    def commit(name: str, expected: int | None) -> Commit:
        plain = commit_of(name, [1, 2], cluster_id=f"c_{name}", horizon=finding.horizon)
        return replace(plain, wave=wave, wave_articles=expected)

    outcomes = await store.commit_many([commit("a", None), commit("b", 1), commit("c", 1)])
    assert [type(item) for item in outcomes] == [StoredArticle, StoredArticle, ConflictError]
    # Nothing came since, and the one before it is not there.
    alone = commit_of("f", [8], cluster_id="c_f", horizon=2)
    (outcome,) = await store.commit_many([replace(alone, wave=b"wave-two", wave_articles=1)])
    assert isinstance(outcome, ConflictError)
    await put(rival, "r", [2], cluster_id="c_r")
    outcomes = await store.commit_many([commit("d", None), commit("e", None)])
    assert [type(item) for item in outcomes] == [ConflictError, ConflictError]
    assert (await store.counts())["articles"] == 3
    assert await store.check() == []


def test_a_set_of_buckets_is_one() -> None:
    rng = np.random.default_rng(1)
    buckets, oracle = BucketSet(), set[int]()
    for _ in range(60):
        ids = rng.integers(0, 4000, 150, dtype=np.uint64) << np.uint64(30)
        wanted = [int(bucket_id) in oracle for bucket_id in ids]
        assert buckets.contains(ids).tolist() == wanted
        buckets.add(ids)
        oracle |= set(ids.tolist())
        assert len(buckets) == len(oracle)


def test_entries_count_as_the_rule_says() -> None:
    shard = [(7, 1), (9, 1), (7, 2), (7, 5), (9, 6), (7, 8)]
    ids = np.array([7, (1 << 32) | 9, 12], dtype=np.uint64)
    words = np.array([*sum(shard, ()), *sum(shard, ()), 1, 2, 3, 4, 9], dtype=np.uint32)
    ends = np.array([12, 24, 29])

    def counted(weights: list[int], overfull: int, newest: int) -> list[tuple[int, int]]:
        handles, entry_weights, sizes = counted_entries(
            words,
            ends,
            ids,
            np.array([False, False, True]),
            np.array(weights, dtype=np.uint8),
            1,
            8,
            overfull,
            newest,
        )
        assert sizes.tolist() == [3, 1, 3]  # above the floor of 1, up to the horizon of 8
        return list(zip(handles.tolist(), entry_weights.tolist(), strict=True))

    everything = [(2, 1), (5, 1), (8, 1), (6, 8), (2, 1), (3, 1), (4, 1)]
    assert counted([1, 8, 1], 3, 3) == everything
    assert counted([1, 8, 1], 2, 3) == [(6, 8)]
    assert counted([8, 8, 8], 1, 2) == [(5, 8), (8, 8), (6, 8), (3, 8), (4, 8)]


def test_what_is_known_is_taken_over_in_order() -> None:
    known = KnownBuckets(keys.Keys("default"))
    some = np.array([1, 2, 3], dtype=np.uint64)
    assert known.learn((b"", 0), b"", [None, None, b"x", None])
    first = known.known
    assert not known.learn(first, pack_ids(some[:1]), [b"5000", b"3", b"x", None])
    assert known.known == (first[0], 1)
    assert known.learn((first[0], 0), pack_ids(some), [b"5000", b"3", b"x", None])
    assert known.place(some, np.ones(3, "u1")).is_long.tolist() == [True] * 3
    # Of another generation nothing holds, and what was read of the one before is not taken.
    assert not known.learn(first, pack_ids(some), [b"5000", b"3", b"x", b"1"])
    assert known.known[1] == 0
    assert not known.place(some, np.ones(3, "u1")).is_long.any()
