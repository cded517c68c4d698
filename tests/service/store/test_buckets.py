"""Where buckets are: several processes that know it at different times read the same."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import numpy as np
import pytest
from redis import Redis

from clustering.articles import UInt64Array
from clustering.propose import BucketLimits, CandidateIndex, bucket_weights
from clustering.propose.lsh import SLOT_BITS, TEXT_BIT
from service.store import (
    BucketQuery,
    Commit,
    ConflictError,
    Rewrite,
    StoredArticle,
    Surroundings,
    bucket_reading,
    keys,
    scripts,
)
from service.store.bucket_loops import LIGHT, LONG, SPREAD, BucketSet, counted_entries
from service.store.buckets import KnownBuckets
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
def spread_from_bytes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let groups be spread that are small enough for a test."""
    monkeypatch.setitem(scripts._NUMBERS, "SPREAD_FROM_BYTES", 140)
    scripts.load_script.cache_clear()
    yield
    monkeypatch.undo()
    scripts.load_script.cache_clear()


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
@pytest.mark.usefixtures("spread_from_bytes")
@pytest.mark.parametrize("seed", range(3))
async def test_all_processes_read_what_the_index_in_memory_has(
    stores: list[ExpiringClusterStore], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them posts, updates, deletes, rewrites and expires; any of them asks."""
    monkeypatch.setattr(bucket_reading, "SLACK_ENTRIES", 0)
    rng = random.Random(seed)
    unread = 0
    names = [rng.randrange(1 << 35) for _ in range(7)]
    pool = np.array(
        [
            # Some groups of several buckets, and text buckets.
            TEXT_BIT | rng.randrange(1 << 35) << SLOT_BITS
            if k < 8
            else (names[k % 7] if k < 32 else rng.randrange(1 << 35)) << SLOT_BITS
            | rng.randrange(1 << SLOT_BITS)
            for k in range(50)
        ],
        dtype=np.uint64,
    )
    chances = [1 / (1 + k) for k in range(50)]
    rng.shuffle(chances)
    twin = CandidateIndex(LIMITS)
    there: dict[str, tuple[int, UInt64Array, float]] = {}
    longest = spread = 0
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
            spread = max(spread, len(store._buckets._spreads))
            noted = store._overfull.among(np.unique(wanted), bucket_weights(np.unique(wanted)))
            unread += noted is not None
    assert longest > 5
    assert spread > 2
    assert unread > 2
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
        await put(old, f"{number}", [1, 2, 1 << SLOT_BITS], cluster_id="c_a")
    for number in range(keys.LONG_FROM + 3):
        await put(old, f"{number}", [5 << 8, 6 << 8], cluster_id="c_b", now=NOW + 40 * DAY)
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
    buckets = [1, 5 << SLOT_BITS, 9]
    stored = await old.commit(commit_of("new", buckets, cluster_id="c_n", horizon=999))
    assert stored.handle
    assert await old.check() == []
    found = await candidates(sweeper, bucket_array(buckets[1:]), 99)
    assert found[0] == (stored.handle, 2)
    assert len(found) == keys.LONG_FROM + 3


@pytest.mark.anyio
async def test_a_bucket_that_nobody_asked_to_be_long_becomes_so(
    stores: list[ExpiringClusterStore],
) -> None:
    store = stores[0]
    for number in range(1000):  # without a probe, which would have told
        await store.commit(commit_of(f"{number}", [7], cluster_id=f"c_{number}", horizon=number))
    assert await store.check() == []
    await candidates(store, bucket_array([7]), 5)
    # It is in the list twice: when it became long there was enough in it to be spread, too.
    assert store._buckets.long_count == 2


@pytest.mark.anyio
@pytest.mark.usefixtures("spread_from_bytes")
@pytest.mark.parametrize(("articles", "kind"), [(9, LIGHT), (20, LONG), (40, SPREAD)])
async def test_a_newer_article_is_no_conflict_where_the_bucket_is_over_full(
    url: str, articles: int, kind: int
) -> None:
    """Wherever it is; another bucket of its group counts for itself, and what expired does not."""
    limits = BucketLimits(min_bucket_articles=8, max_bucket_share=0)
    store = ExpiringClusterStore(url, bucket_ids_of=buckets_of_record, bucket_limits=limits)
    await store.open(FINGERPRINT)
    full, sparse = 1, 2
    beside = 7 << keys.FIRST_SHARDS.bit_length() - 1 + SLOT_BITS | 1  # in the same shard
    old = articles - 4 if articles > 9 else 0
    for number in range(articles):
        now = NOW if number < old else NOW + 60 * DAY
        await put(store, f"{number}", [full, beside], cluster_id=f"c_{number}", now=now)
    await candidates(store, bucket_array([full]), 1)
    place = store._buckets.place(bucket_array([full]), np.ones(1, "u1"))
    assert place.kinds.tolist() == [kind]

    async def conflicts(ids: list[int]) -> bool:
        """Whether somebody who comes first with the same buckets is a conflict."""
        horizon = (await store.probe("x", bucket_array(ids), limit=0)).horizon
        now = NOW + 60 * DAY
        newer = await put(store, f"newer {horizon}", ids, cluster_id=f"n_{horizon}", now=now)
        commit = commit_of("x", ids, cluster_id=f"x_{horizon}", horizon=horizon, now=now)
        try:
            await store.commit(commit)
        except ConflictError:
            return True
        assert newer.handle > horizon
        await store.delete_article("x", now_seconds=NOW)
        return False

    assert not await conflicts([full])
    assert await conflicts([sparse])
    assert await conflicts([full, sparse])
    if old:
        step = await store.expire_step(
            received_before_seconds=NOW + DAY, now_seconds=NOW + 70 * DAY
        )
        assert step.under_way
        assert await conflicts([full])
        while step.under_way:
            step = await store.expire_step(
                received_before_seconds=NOW + DAY, now_seconds=NOW + 70 * DAY
            )
    assert await store.check() == []
    await store.close()


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
    assert [type(item) for item in outcomes[:2]] == [StoredArticle, StoredArticle]
    assert isinstance(outcomes[2], ConflictError)
    # Nothing came since, and the one before it is not there.
    alone = commit_of("f", [8], cluster_id="c_f", horizon=2)
    (outcome,) = await store.commit_many([replace(alone, wave=b"wave-two", wave_articles=1)])
    assert isinstance(outcome, ConflictError)
    await put(rival, "r", [2], cluster_id="c_r")
    outcomes = await store.commit_many([commit("d", None), commit("e", None)])
    assert all(isinstance(item, ConflictError) for item in outcomes)
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
    def entry(handle: int, slots: str = "", rest: int | None = None) -> bytes:
        packed = bytes(map(int, slots))
        return (
            handle.to_bytes(4, "little")
            + (b"" if rest is None else rest.to_bytes(3, "little"))
            + (bytes([len(packed)]) + packed if slots else b"")
        )

    text = TEXT_BIT | 5 << SLOT_BITS
    # Entries of the groups 0 and 4,096 x 6, which another shard number would tell apart, of a text
    # bucket, and of others: of those the first has the bytes of a wanted entry among its slots.
    shard = (
        entry(1, "12", 0)
        + entry(2, "3", 6)
        + entry(2, "124", 0)
        + entry(3, "", text >> 20)
        + entry(5, "2", 0)
        + entry(6, "0007000000011", 9)
        + entry(6, "", text >> 20)
        + entry(8, "12", 0)
        + entry(8, "", text >> 20)
        + entry(9, "1", 0)
    )
    long = entry(2, "6") + entry(4, "567") + entry(7, "5") + entry(9, "5")
    spread = entry(1) + entry(3) + entry(8)
    values = [shard, long, spread, shard]
    ids = np.array([1, 2, 7 << 8 | 5, 7 << 8 | 6, 9 << 8 | 1, text], dtype=np.uint64)

    def counted(weights: list[int], overfull: int, newest: int) -> list[tuple[int, int]]:
        handles, entry_weights, sizes, articles = counted_entries(
            np.frombuffer(b"".join(values), dtype=np.uint8),
            np.cumsum([len(value) for value in values]),
            ids,
            np.array(weights, dtype=np.uint8),
            np.array([0, 2, 4, 5, 6]),
            np.array([LIGHT, LONG, SPREAD, LIGHT], dtype=np.uint8),
            1,
            8,
            overfull,
            newest,
        )
        assert sizes.tolist() == [2, 3, 2, 2, 2, 3]  # above the floor of 1, up to the horizon of 8
        assert articles.tolist() == [3, 3, 2, 3]
        return list(zip(handles.tolist(), entry_weights.tolist(), strict=True))

    of_light, of_long = [(2, 2), (5, 1), (8, 2)], [(2, 1), (4, 2), (7, 1)]
    of_spread = [(3, 1), (8, 1)]
    of_text = [(3, 8), (6, 8), (8, 8)]
    usual = [1, 1, 1, 1, 1, 8]
    assert counted(usual, 3, 3) == of_light + of_long + of_spread + of_text
    # The second bucket holds three articles.
    assert counted(usual, 2, 2) == [(2, 1), (8, 1), *of_long, *of_spread, *of_text[1:]]
    assert counted(usual, 1, 1) == [(8, 8)]
    # Of heavier ones the newest count, whatever they are.
    assert counted([2, 3, 1, 3, 4, 8], 2, 1) == [(8, 5), (4, 4), (7, 1), (8, 4), (8, 8)]


def test_what_is_known_is_taken_over_in_order() -> None:
    known = KnownBuckets(keys.Keys("default"))
    some = np.array([1, 2, 3 << 11 | 7], dtype=np.uint64) << np.uint64(SLOT_BITS) | np.uint64(9)
    # Rest and head of each, and that it is long; and then that the second is spread.
    items = [b"\x01\0\0\0\0\x01", b"\x02\0\0\0\0\x01", b"\x07\x08\x01\0\0\x01"]
    assert known.learn((b"", 0), b"", [None, None, b"x", None])
    first = known.known

    def kinds() -> list[int]:
        found: list[int] = known.place(some, np.ones(3, "u1")).kinds.tolist()
        return found

    assert not known.learn(first, items[0], [b"5000", b"3", b"x", None])
    assert known.known == (first[0], 1)
    assert kinds() == [LONG, LIGHT, LIGHT]
    assert known.learn((first[0], 0), b"".join(items), [b"5000", b"3", b"x", None])
    assert kinds() == [LONG] * 3
    assert known.learn((first[0], 3), b"\x02\0\0\0\0\x02", [b"5000", b"4", b"x", None])
    assert kinds() == [LONG, SPREAD, LONG]
    # Of another generation nothing holds, and what was read of the one before is not taken.
    assert not known.learn(first, b"".join(items), [b"5000", b"3", b"x", b"1"])
    assert known.known[1] == 0
    assert kinds() == [LIGHT] * 3


def test_an_article_has_so_many_buckets_of_a_group() -> None:
    known = KnownBuckets(keys.Keys("default"))
    with pytest.raises(ValueError, match="255 buckets of one group"):
        known.place(np.arange(256, dtype=np.uint64), np.ones(256, "u1"))
    assert known.place(np.arange(1, 256, dtype=np.uint64), np.ones(255, "u1")).kinds.size == 1
