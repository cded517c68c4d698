"""What is old leaves whole: in bounded steps, while others write, with nothing left behind."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from redis import Redis

from service.store import ConflictError, Rewrite
from service.store.expiry import (
    ARTICLES_PER_STEP,
    TOMBSTONE_SHARDS,
    TOMBSTONE_SHARDS_PER_STEP,
    ExpiringClusterStore,
    ExpiryStep,
)
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

DAY = 86_400.0
P = "ss:{default}:"


@pytest.fixture
async def store(url: str) -> AsyncIterator[ExpiringClusterStore]:
    """An open, empty store with partitions of eight days."""
    store = ExpiringClusterStore(url, bucket_ids_of=buckets_of_record, retention_days=30)
    await store.open(FINGERPRINT)
    yield store
    await store.close()


async def expire(store: ExpiringClusterStore, before: float, *, now: float = NOW) -> ExpiryStep:
    """Expire all that is due; returns the sums. The store is sound after every step."""
    articles = clusters = partitions = 0
    for _ in range(10_000):
        step = await store.expire_step(received_before_seconds=before, now_seconds=now)
        assert step.articles <= ARTICLES_PER_STEP
        articles += step.articles
        clusters += step.clusters
        partitions += step.partitions
        if not step.under_way:
            return ExpiryStep(articles, clusters, partitions)
        if random.random() < 0.1:
            assert await store.check() == []
    raise AssertionError("expiry does not end")


async def forget_clusters(store: ExpiringClusterStore, before: float) -> int:
    return sum(
        [
            await store.drop_tombstones(first_shard=shard, ended_before_seconds=before)
            for shard in range(0, TOMBSTONE_SHARDS, TOMBSTONE_SHARDS_PER_STEP)
        ]
    )


def kinds(url: str) -> Counter[str]:
    """How many keys of each kind there are."""
    with Redis.from_url(url) as client:
        names = [key.decode().removeprefix(P) for key in client.scan_iter(f"{P}*")]
    return Counter(name.split(":")[0] for name in names)


async def fill(store: ExpiringClusterStore, days: int, per_day: int, *, at: float = NOW) -> None:
    """Post articles on ``days`` days; each shares buckets with many, and a cluster with two."""
    for day in range(days):
        for number in range(per_day):
            k = day * per_day + number
            await put(
                store,
                f"a{k}",
                [k % 3, 100 + k % 50, 1000 + k] if k % 7 else [],
                cluster_id=f"c_{k // 3}",
                now=at + day * DAY + number,
            )


async def test_only_what_is_old_leaves(store: ExpiringClusterStore, url: str) -> None:
    await fill(store, 40, 10)
    now = NOW + 40 * DAY
    assert await expire(store, now - 60 * DAY, now=now) == ExpiryStep()
    found = await expire(store, now - 20 * DAY, now=now)
    # Partitions of eight days: what is older than 20 days leaves within 8 more.
    assert 120 <= found.articles <= 200
    assert found.partitions in (2, 3)
    assert await store.check() == []
    left = [item async for item in store.snapshot()]
    assert len(left) == 400 - found.articles
    assert {item.article_id for item in left} == {f"a{k}" for k in range(found.articles, 400)}
    by_kind = kinds(url)
    assert by_kind["r"] == by_kind["d"] == len(left)
    assert by_kind["m"] == len({item.cluster_id for item in left})
    assert by_kind["x"] == 0
    handles = {item.handle for item in left}
    for bucket in range(3):
        probe = await store.probe("new", bucket_array([bucket]), limit=1000)
        assert {item.handle for item in probe.candidates} <= handles
    assert (await store.counts())["articles"] == len(left)
    # Once more changes nothing.
    assert await expire(store, now - 20 * DAY, now=now) == ExpiryStep()
    status = await store.expiry_status()
    assert not status.under_way
    assert status.expired_articles == found.articles
    assert status.expired_partitions == found.partitions


@pytest.mark.parametrize("recomputed", [True, False])
async def test_nothing_is_left_of_anything(url: str, recomputed: bool) -> None:
    store = ExpiringClusterStore(url, bucket_ids_of=buckets_of_record if recomputed else None)
    await store.open(FINGERPRINT)
    await fill(store, 20, 20)
    now = NOW + 100 * DAY
    found = await expire(store, now - 30 * DAY, now=now)
    assert found.articles == 400
    assert found.clusters == 134
    assert await store.check() == []
    assert (await store.counts())["buckets"] == 0
    assert await store.clusters(before=None, limit=10) == []
    closed = await store.cluster("c_0")
    assert closed is not None
    assert (closed.state, closed.size, closed.updated_at_seconds) == ("empty", 0, now)
    assert set(kinds(url)) - {"l"} == {"meta", "c"}
    assert await forget_clusters(store, now - DAY) == 0
    assert await forget_clusters(store, now + DAY) == 134
    assert await store.cluster("c_0") is None
    assert set(kinds(url)) == {"meta"}
    # And it works on, with handles that go on rising.
    article = await put(store, "new", [1], cluster_id="c_new", now=now)
    assert article.handle == 401
    assert await store.check() == []
    await store.close()


async def test_articles_without_buckets_expire_as_well(store: ExpiringClusterStore) -> None:
    for number in range(300):
        await put(store, f"{number}", [], cluster_id=f"c_{number}", now=NOW + number)
    now = NOW + 31 * DAY
    found = await expire(store, NOW + 130.0, now=now)
    assert found.articles == 127  # a whole assignment hash
    found = await expire(store, now - DAY, now=now)
    assert found.articles == 173
    assert await store.check() == []


async def test_an_old_article_that_leaves_is_no_news(store: ExpiringClusterStore) -> None:
    await put(store, "old", [1], cluster_id="c_a")
    await put(store, "new", [1], cluster_id="c_a", now=NOW + 20 * DAY)
    await put(store, "last", [2], cluster_id="c_b", now=NOW + 21 * DAY)
    before = await store.cluster("c_a")
    found = await expire(store, NOW + 10 * DAY, now=NOW + 22 * DAY)
    assert found == ExpiryStep(articles=1, clusters=0, partitions=1)
    after = await store.cluster("c_a")
    assert before is not None
    assert after is not None
    assert after.size == 1
    assert after.revision == before.revision + 1
    assert after.updated_at_seconds == before.updated_at_seconds
    assert [item.cluster_id for item in await store.clusters(before=None, limit=9)] == [
        "c_b",
        "c_a",
    ]
    assert await store.check() == []


async def test_an_updated_article_is_as_young_as_its_update(store: ExpiringClusterStore) -> None:
    await put(store, "a", [1], cluster_id="c_a")
    await put(store, "b", [1], cluster_id="c_b")
    await put(store, "a", [1, 2], cluster_id="c_a", now=NOW + 20 * DAY)
    found = await expire(store, NOW + 10 * DAY, now=NOW + 22 * DAY)
    assert found.articles == 1
    assert await store.article("a") is not None
    assert await store.article("b") is None


async def test_a_partition_that_may_still_grow_stays(store: ExpiringClusterStore) -> None:
    """With a retention shorter than a partition, its number might come again."""
    await put(store, "a", [1], cluster_id="c_a")
    assert await expire(store, NOW + 1, now=NOW + 2) == ExpiryStep()
    assert await store.check() == []


async def test_a_changed_retention_keeps_partitions_in_order(url: str) -> None:
    day = 0
    for retention_days in (30.0, 90.0, 4.0):
        store = ExpiringClusterStore(
            url, bucket_ids_of=buckets_of_record, retention_days=retention_days
        )
        await store.open(FINGERPRINT)
        for _ in range(12):
            await put(store, f"{day}", [1], cluster_id=f"c_{day}", now=NOW + day * DAY)
            day += 5
        assert await store.check() == []
        await store.close()
    store = ExpiringClusterStore(url, bucket_ids_of=buckets_of_record, retention_days=4.0)
    await store.open(FINGERPRINT)
    found = await expire(store, NOW + (day - 14) * DAY, now=NOW + day * DAY)
    # The newest stay: those of the last 14 days, five days apart, in partitions of one day.
    assert found.articles == 36 - 2
    assert await store.check() == []
    await store.close()


async def test_a_decision_on_what_expires_meanwhile_is_a_conflict(
    store: ExpiringClusterStore,
) -> None:
    await put(store, "old", [1], cluster_id="c_a")
    await put(store, "later", [9], cluster_id="c_b", now=NOW + 20 * DAY)
    now = NOW + 40 * DAY
    cluster = await store.cluster("c_a")
    probe = await store.probe("old", bucket_array([1, 2]), limit=9)
    assert cluster is not None
    assert [item.cluster_id for item in probe.candidates] == ["c_a"]
    assert probe.existing is not None
    await expire(store, NOW + 10 * DAY, now=now)
    joins = commit_of(
        "new", [1], cluster_id="c_a", horizon=probe.horizon, expected={"c_a": cluster.revision}
    )
    updates = commit_of(
        "old", [1], cluster_id="c_c", horizon=probe.horizon, replaces=probe.existing
    )
    for commit in (joins, updates):
        with pytest.raises(ConflictError):
            await store.commit(commit)
    assert not (await store.probe("old", bucket_array([1, 2]), limit=9)).candidates
    assert await store.check() == []


@pytest.mark.parametrize("seed", range(2))
async def test_others_write_between_the_steps(store: ExpiringClusterStore, seed: int) -> None:
    """Posts, updates, deletions, rewrites and probes between any two steps."""
    rng = random.Random(seed)
    await fill(store, 30, 12, at=NOW)
    now = NOW + 45 * DAY
    expected = {f"a{k}" for k in range(360)}
    added = 0
    while True:
        step = await store.expire_step(received_before_seconds=now - 20 * DAY, now_seconds=now)
        for _ in range(3):
            name = rng.choice(sorted(expected))
            match rng.choice(["post", "update", "delete", "rewrite", "probe"]):
                case "post":
                    added += 1
                    await put(store, f"n{added}", [rng.randrange(3)], cluster_id="c_n", now=now)
                    expected.add(f"n{added}")
                case "update":
                    await put(store, name, [rng.randrange(3)], cluster_id=f"c_u{name}", now=now)
                case "delete":
                    await store.delete_article(name, now_seconds=now)
                    expected.discard(name)
                case "rewrite":
                    stored = await store.article(name)
                    if stored is not None:
                        (record,) = await store.records([stored.handle])
                        assert record is not None
                        await store.rewrite(
                            Rewrite(
                                handle=stored.handle,
                                replaced_record=record,
                                replaced_bucket_ids=buckets_of_record(record),
                                record=record_of(bucket_array([1, 77])),
                                document=b"cleaner",
                                bucket_ids=bucket_array([1, 77]),
                                now_seconds=now,
                            )
                        )
                case "probe":
                    probe = await store.probe(name, bucket_array([0, 1, 2]), limit=99)
                    found = await store.articles([item.handle for item in probe.candidates])
                    assert len(found) == len(probe.candidates)
        if rng.random() < 0.1 or step.articles:
            assert await store.check() == []
        if not step.under_way:
            break
    assert await store.check() == []
    there = {item.article_id async for item in store.snapshot()}
    young = {name for name in expected if name.startswith("n")}
    young |= {f"a{k}" for k in range(300, 360)} & expected
    assert young <= there
    # Whatever was not updated meanwhile, and is older, is gone.
    assert not {
        item.article_id
        async for item in store.snapshot()
        if item.received_at_seconds < now - 28 * DAY
    }
    assert (await store.expiry_status()).expired_articles > 100


async def test_a_redirect_lives_as_long_as_what_it_leads_to(store: ExpiringClusterStore) -> None:
    await put(store, "a", [1], cluster_id="c_a")
    await put(store, "b", [1], cluster_id="c_b")
    probe = await store.probe("c", bucket_array([1]), limit=9)
    clusters = {name: await store.cluster(name) for name in ("c_a", "c_b")}
    revisions = {name: found.revision for name, found in clusters.items() if found is not None}
    await store.commit(
        commit_of(
            "c",
            [1],
            cluster_id="c_b",
            horizon=probe.horizon,
            expected=revisions,
            moves={1: "c_b"},
            merged_into={"c_a": "c_b"},
        )
    )
    late = NOW + 500 * DAY
    assert await forget_clusters(store, late) == 0
    merged = await store.cluster("c_a")
    assert merged is not None
    assert (merged.state, merged.merged_into) == ("merged", "c_b")
    found = await expire(store, late, now=late)
    assert (found.articles, found.clusters) == (3, 1)
    # Merged 500 days ago, closed today: both ids are answered for as long as any tombstone.
    assert await forget_clusters(store, late) == 0
    assert await forget_clusters(store, late + 1) == 2
    assert await store.cluster("c_a") is None
    assert await store.check() == []


async def test_the_schedule_is_noted(store: ExpiringClusterStore) -> None:
    assert await store.schedule_note("night") is None
    await store.put_schedule_note("night", b"{}")
    assert await store.schedule_note("night") == b"{}"
    assert await store.check() == []
