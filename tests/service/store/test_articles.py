"""Articles: written, found, replaced and deleted without a trace."""

from __future__ import annotations

import numpy as np
import pytest
from redis import Redis

from clustering.propose import BucketLimits, CandidateIndex, bucket_weights
from clustering.propose.lsh import SLOT_BITS, TEXT_BIT
from service.store import SnapshotArticle, StoredMember
from service.store.redis_store import RedisClusterStore
from tests.service.store.helpers import (
    FINGERPRINT,
    NOW,
    bucket_array,
    buckets_of_record,
    commit_of,
    put,
    record_of,
)

pytestmark = pytest.mark.anyio


def contents(url: str) -> dict[bytes, object]:
    """Everything on the server but the counters that only ever rise."""
    found: dict[bytes, object] = {}
    with Redis.from_url(url) as client:
        for key in client.scan_iter():
            match client.type(key):
                case b"hash":
                    found[key] = client.hgetall(key)
                case b"string":
                    found[key] = client.get(key)
                case b"set":
                    found[key] = client.smembers(key)
                case b"zset":
                    found[key] = client.zrange(key, 0, -1, withscores=True)
    meta = found.get(b"ss:{default}:meta")
    if isinstance(meta, dict):
        meta.pop(b"handle", None)
    return found


async def test_an_article_is_found_by_id_and_handle(store: RedisClusterStore) -> None:
    article_id = "ünïcode/" + "x" * 500
    stored = await put(store, article_id, [1, 2, 3], cluster_id="c_a", group_id="d_a")
    assert (stored.handle, stored.revision) == (1, 1)
    assert stored.received_at_seconds == NOW
    assert await store.article(article_id) == stored
    assert await store.articles([7, 1, 3]) == [stored]
    assert await store.article("other") is None
    records = await store.records([2, 1])
    assert records == [None, record_of(bucket_array([1, 2, 3]))]
    assert await store.records([]) == []
    assert await store.check() == []


async def test_probe_tells_what_stands_under_an_id(store: RedisClusterStore) -> None:
    stored = await put(store, "a", [1], cluster_id="c_a", group_id="d_a")
    probe = await store.probe("a", bucket_array([]), limit=5)
    assert probe.existing is not None
    assert probe.existing.handle == stored.handle
    assert probe.existing.content_digest == b"a".ljust(16, b".")
    assert (probe.existing.cluster_id, probe.existing.duplicate_group_id) == ("c_a", "d_a")
    assert probe.existing.revision == 1
    assert probe.candidates == ()
    assert probe.horizon == 1


async def test_no_buckets_no_candidates(store: RedisClusterStore) -> None:
    await put(store, "a", cluster_id="c_a")
    await put(store, "b", cluster_id="c_b")
    assert (await store.probe("c", bucket_array([]), limit=5)).candidates == ()
    assert (await store.counts())["indexed_articles"] == 0


@pytest.mark.parametrize("days", [0.0, 9.0])
async def test_candidates_equal_the_index_in_memory(url: str, days: float) -> None:
    """Random articles, replaced and deleted too, give what `CandidateIndex` gives."""
    rng = np.random.default_rng(5)
    limits = BucketLimits(min_bucket_articles=8, max_bucket_share=0.1, max_text_bucket_articles=5)
    store = RedisClusterStore(url, bucket_ids_of=buckets_of_record, bucket_limits=limits)
    await store.open(FINGERPRINT)
    twin = CandidateIndex(limits)
    pool = rng.integers(0, 1 << 44, 60, dtype=np.uint64) & ~np.uint64(TEXT_BIT)
    # Text buckets, and groups of several.
    pool[:15] &= ~np.uint64((1 << SLOT_BITS) - 1)
    pool[:15] |= np.uint64(TEXT_BIT)
    pool[20:50] = pool[20:50] & np.uint64((1 << SLOT_BITS) - 1) | np.repeat(
        pool[20:26], 5
    ) & ~np.uint64(0xFF)
    # Most articles are in the first buckets, few in the last: some get over-full.
    popularity = 1 / np.arange(1, pool.size + 1)
    popularity = rng.permutation(popularity / popularity.sum())
    handles: dict[str, int] = {}
    for step in range(220):
        ids = rng.choice(pool, size=int(rng.integers(0, 25)), replace=False, p=popularity)
        name = f"article {int(rng.integers(0, 160))}"
        # Time goes on, so that articles lie in several partitions.
        now = NOW + step * days * 86_400 / 50
        if rng.random() < 0.1 and name in handles:
            assert await store.delete_article(name, now_seconds=now)
            twin.remove(handles.pop(name))
        else:
            stored = await put(store, name, ids.tolist(), cluster_id=f"c_{step}", now=now)
            if name in handles:
                twin.remove(handles[name])
            twin.add(stored.handle, bucket_array(ids.tolist()))
            handles[name] = stored.handle
        wanted = rng.permutation(pool)[:30]
        limit = int(rng.integers(1, 40))
        probe = await store.probe("new", wanted, bucket_weights(wanted), limit=limit)
        found = [(candidate.handle, candidate.shared_weight) for candidate in probe.candidates]
        assert found == twin.candidates(wanted, limit)
    assert found
    assert await store.check() == []
    await store.close()


async def test_any_number_of_candidates(store: RedisClusterStore) -> None:
    """More than a script may pass to one call, and more than fit into one bucket."""
    ids = [TEXT_BIT | (number << 32) for number in range(40)]
    handles = [
        (await put(store, str(number), [ids[number % 40]], cluster_id="c_a")).handle
        for number in range(1100)
    ]
    probe = await store.probe("new", bucket_array(ids), limit=5000)
    assert [candidate.handle for candidate in probe.candidates] == handles[::-1]


async def test_shards_grow_and_lose_nothing(store: RedisClusterStore) -> None:
    """More buckets than the first shards hold: linear hashing splits them."""
    rng = np.random.default_rng(6)
    twin = CandidateIndex()
    everything = rng.integers(0, 1 << 44, 300_000, dtype=np.uint64) & ~np.uint64(TEXT_BIT)
    for number, ids in enumerate(everything.reshape(-1, 1000)):
        # The last shared bucket makes each a candidate of all the rest.
        ids[-1] = np.uint64(number % 50)
        stored = await put(store, str(number), ids.tolist(), cluster_id=f"c_{number}")
        twin.add(stored.handle, ids)
    assert (await store.counts())["buckets"] > 4096 * 64
    for ids in everything.reshape(-1, 1000)[::37]:
        probe = await store.probe("new", ids, limit=10)
        found = [(candidate.handle, candidate.shared_weight) for candidate in probe.candidates]
        assert found == twin.candidates(ids, 10)
    assert await store.check() == []


async def test_a_replaced_article_keeps_its_id_and_counts_once(store: RedisClusterStore) -> None:
    await put(store, "a", [1, 2], cluster_id="c_a")
    second = await put(store, "a", [2, 3], cluster_id="c_b", now=NOW + 1)
    assert (second.handle, second.revision) == (2, 2)
    assert await store.article("a") == second
    assert (await store.counts())["articles"] == 1
    assert (await store.probe("x", bucket_array([1]), limit=9)).candidates == ()
    found = (await store.probe("x", bucket_array([2, 3]), limit=9)).candidates
    assert [(item.handle, item.shared_weight) for item in found] == [(2, 2)]
    old = await store.cluster("c_a")
    assert old is not None
    assert (old.state, old.merged_into, old.size) == ("merged", "c_b", 0)
    assert await store.check() == []


async def test_a_replaced_article_may_stay_alone_in_its_cluster(store: RedisClusterStore) -> None:
    await put(store, "a", [1], cluster_id="c_a")
    await put(store, "a", [2], cluster_id="c_a")
    cluster = await store.cluster("c_a")
    assert cluster is not None
    assert (cluster.state, cluster.size, cluster.revision) == ("open", 1, 2)
    assert await store.check() == []


@pytest.mark.parametrize("recomputed", [True, False])
async def test_deleting_leaves_no_trace(url: str, recomputed: bool) -> None:
    store = RedisClusterStore(url, bucket_ids_of=buckets_of_record if recomputed else None)
    await store.open(FINGERPRINT)
    common = [7, TEXT_BIT | 9 << SLOT_BITS]
    for number in range(40):  # so many that the common buckets have keys of their own
        await put(store, f"old {number}", [*common, 100 + number], cluster_id="c_old")
    await put(store, "warm", [*common, 500], cluster_id="c_new")
    await store.delete_article("warm", now_seconds=NOW)
    before = contents(url)
    await put(store, "gone", [*common, 500, 1 << 43], cluster_id="c_again")
    assert await store.delete_article("gone", now_seconds=NOW)
    after = contents(url)
    with Redis.from_url(url) as client:
        shard = b"ss:{default}:c:"
        # What is left of its cluster is the cluster's id, and nothing of the article.
        left = {key for key in after if after[key] != before.get(key)}
        assert len(left) == 1
        assert next(iter(left)).startswith(shard)
        for key in client.scan_iter():
            assert b"gone" not in key
    assert "gone" not in repr(after)
    assert before.keys() - after.keys() == set()
    assert not await store.delete_article("gone", now_seconds=NOW)
    assert await store.check() == []
    await store.close()


async def test_deleting_everything_leaves_nothing_in_the_index(store: RedisClusterStore) -> None:
    for number in range(50):
        await put(store, str(number), range(number % 7, 40), cluster_id="c_all")
    for number in range(50):
        assert await store.delete_article(str(number), now_seconds=NOW + number)
    assert await store.check() == []
    counts = await store.counts()
    assert (counts["articles"], counts["clusters"], counts["buckets"]) == (0, 0, 0)
    cluster = await store.cluster("c_all")
    assert cluster is not None
    assert (cluster.state, cluster.size) == ("empty", 0)
    assert await store.clusters(before=None, limit=10) == []


async def test_members_come_newest_first(store: RedisClusterStore) -> None:
    for number in range(5):
        await put(store, str(number), [number], cluster_id="c_a", group_id=f"d_{number}")
    await put(store, "z", [9], cluster_id="c_z")
    found = await store.members(["c_z", "c_none", "c_a"], known=[4], limit=3)
    assert list(found) == ["c_z", "c_a"]
    cluster = found["c_a"]
    assert (cluster.size, cluster.revision) == (5, 5)
    assert cluster.members == (
        StoredMember(5, "d_4", record_of(bucket_array([4]))),
        StoredMember(4, "d_3", b""),
        StoredMember(3, "d_2", record_of(bucket_array([2]))),
    )
    assert await store.members([], known=[], limit=3) == {}
    assert await store.cluster_handles("c_a", after=2, limit=2) == [3, 4]
    assert await store.cluster_handles("c_none", after=0, limit=2) == []


async def test_snapshot_reads_all_in_order(store: RedisClusterStore) -> None:
    for number in range(300):
        await put(store, f"a{number}", [number], cluster_id=f"c_{number % 3}")
    await store.delete_article("a17", now_seconds=NOW)
    seen: list[SnapshotArticle] = []
    async for article in store.snapshot():
        if not seen:  # what comes later is not in it
            await put(store, "later", [1], cluster_id="c_later")
        seen.append(article)
    assert [article.article_id for article in seen] == [f"a{n}" for n in range(300) if n != 17]
    assert [article.handle for article in seen] == sorted(article.handle for article in seen)
    assert seen[20].record == record_of(bucket_array([21]))
    assert (seen[20].cluster_id, seen[20].received_at_seconds) == ("c_0", NOW)


async def test_malformed_commits_are_refused_before_the_server(store: RedisClusterStore) -> None:
    good = {"cluster_id": "c_a", "horizon": 0}
    for change in (
        {"cluster_id": "c a"},
        {"cluster_id": ""},
        {"group_id": "d\n"},
        {"digest": b"short"},
        {"moves": {1: "c,b"}},
    ):
        with pytest.raises(ValueError, match=r"use 1 to 64 letters|16 bytes"):
            await store.commit(commit_of("a", [1], **{**good, **change}))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="44 bits"):
        await store.commit(commit_of("a", [1 << 44], cluster_id="c_a", horizon=0))
    assert (await store.counts())["articles"] == 0
