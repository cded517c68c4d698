"""A collection that is founded at once: whole for everybody, or as if nothing had been."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest
from redis import Redis

from clustering.propose import bucket_weights
from service.store import BucketQuery, Finding, StoreUnavailableError, keys
from service.store.expiry import ExpiringClusterStore
from service.store.founding import (
    FoundedChunk,
    Founder,
    Founding,
    FoundingInProgressError,
    StoreNotEmptyError,
)
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

NAMES = keys.Keys("default")
DAY = 86_400.0
ARTICLES = 700
TABLES = {"frequencies": b"f", "repeated_lines": b"r", "line_counts": b"c"}


def made(count: int = ARTICLES) -> list[tuple[str, set[int], str, str]]:
    """Id, buckets, cluster and group of articles: light, long and spread groups, and none."""
    random_ = random.Random(8)
    articles = []
    for number in range(count):
        ids = {random_.getrandbits(43) for _ in range(20)}
        ids |= {3 << 8 | random_.randrange(256) for _ in range(9)}
        ids |= {random_.randrange(40) << 8 | random_.randrange(3) for _ in range(6)}
        ids.add(1 << 43 | random_.randrange(30) << 8)
        articles.append(
            (
                f"a{number}",
                set() if number % 50 == 7 else ids,
                f"c_{number // 3 if number % 4 else 0}",
                f"d_{number // 2}",
            )
        )
    return articles


def chunks_of(articles: list[tuple[str, set[int], str, str]], size: int) -> Iterator[FoundedChunk]:
    for begin in range(0, len(articles), size):
        some = articles[begin : begin + size]
        commits = [commit_of(name, ids, cluster_id=c, horizon=0) for name, ids, c, _ in some]
        yield FoundedChunk(
            article_ids=[commit.article_id for commit in commits],
            content_digests=[commit.content_digest for commit in commits],
            records=[commit.record for commit in commits],
            documents=[commit.document for commit in commits],
            bucket_ends=np.cumsum([c.bucket_ids.size for c in commits], dtype=np.int64),
            bucket_ids=np.concatenate([commit.bucket_ids for commit in commits]),
            cluster_ids=[cluster for *_, cluster, _ in some],
            duplicate_group_ids=[group for *_, group in some],
        )


async def found(store: RedisClusterStore, count: int = ARTICLES, *, chunk: int = 100) -> None:
    async with Founder(store).founding(now_seconds=NOW) as founding:
        for each in chunks_of(made(count), chunk):
            await founding.put(each)
        await founding.finish(**TABLES)


def kept(url: str) -> set[bytes]:
    """Names of all keys but that of the claim and of leases."""
    with Redis.from_url(url) as client:
        names = {name.removeprefix(NAMES.prefix.encode()) for name in client.keys("*")}
    return {name for name in names if name != b"meta" and not name.startswith(b"lease:")}


@pytest.fixture
async def others(url: str, store: RedisClusterStore) -> AsyncIterator[ExpiringClusterStore]:
    """Another process's store, on the same collection."""
    del store
    other = ExpiringClusterStore(url, bucket_ids_of=buckets_of_record)
    await other.open(FINGERPRINT)
    yield other
    await other.close()


async def findings(store: RedisClusterStore, wanted: list[set[int]]) -> list[Finding]:
    return await store.find(
        [BucketQuery("new", ids := bucket_array(each), bucket_weights(ids), 60) for each in wanted]
    )


async def test_as_if_all_had_been_committed(
    url: str, store: RedisClusterStore, others: ExpiringClusterStore
) -> None:
    await found(store)
    assert await store.check() == []
    assert await store.counts() == await others.counts()
    assert (await store.counts())["articles"] == ARTICLES
    by_commits = RedisClusterStore(url, collection="other", bucket_ids_of=buckets_of_record)
    await by_commits.open(FINGERPRINT)
    for name, ids, cluster, group in made():
        await put(by_commits, name, ids, cluster_id=cluster, group_id=group)
    wanted = [ids for _, ids, _, _ in made()[::9]]
    for one, other in zip(
        await findings(others, wanted), await findings(by_commits, wanted), strict=True
    ):
        assert one.candidates == other.candidates
        assert one.buckets.sizes.tolist() == other.buckets.sizes.tolist()
        assert one.horizon == other.horizon == ARTICLES
    for name, _, cluster, group in made()[::7]:
        article = await others.article(name)
        assert article == await by_commits.article(name)
        assert article is not None
        assert (article.cluster_id, article.duplicate_group_id) == (cluster, group)
        assert await others.cluster_handles(cluster, after=0, limit=999) == (
            await by_commits.cluster_handles(cluster, after=0, limit=999)
        )
    listed = [c.cluster_id for c in await others.clusters(before=None, limit=999)]
    assert sorted(listed) == sorted({cluster for *_, cluster, _ in made()})
    tables = await others.learned()
    assert (tables.epoch, tables.frequencies, tables.repeated_lines) == (1, b"f", b"r")
    assert await others.line_counts() == (1, b"c")
    await by_commits.close()


async def test_goes_on_like_any_collection(
    store: RedisClusterStore, others: ExpiringClusterStore
) -> None:
    await found(store)
    articles = made()
    for number in range(60):
        name, ids, cluster, _ = articles[7 * number]
        if number % 3 == 0:
            await others.delete_article(name, now_seconds=NOW)
        elif number % 3 == 1:
            await put(others, name, {*list(ids)[3:], 99 << 8}, cluster_id=cluster)
        else:
            await put(others, f"new{number}", ids, cluster_id=cluster)
    assert await others.check() == []
    # What was founded expires as what was committed.
    for _ in range(999):
        step = await others.expire_step(
            received_before_seconds=NOW + 40 * DAY, now_seconds=NOW + 90 * DAY
        )
        if not step.under_way:
            break
    assert (await others.counts())["articles"] == 0
    assert await others.check() == []


async def test_a_decision_made_before_is_refused(
    store: RedisClusterStore, others: ExpiringClusterStore
) -> None:
    _, ids, _, _ = made()[0]
    before = commit_of("late", ids, cluster_id="c_late", horizon=0)
    await found(store, 200)
    with pytest.raises(Exception, match="buckets arrived meanwhile"):
        await others.commit(before)
    assert await others.check() == []


async def test_nobody_sees_it_or_writes_meanwhile(
    store: RedisClusterStore, others: ExpiringClusterStore
) -> None:
    articles = made(200)
    name, ids, cluster, _ = articles[0]
    async with Founder(store).founding(now_seconds=NOW) as founding:
        for each in chunks_of(articles, 64):
            await founding.put(each)
        await founding.stop_writing()
        assert await others.article(name) is None
        (finding,) = await findings(others, [ids])
        assert finding.candidates == ()
        assert finding.horizon == 0
        probe = await others.probe(name, bucket_array(ids), limit=9)
        assert probe.existing is None
        assert await others.clusters(before=None, limit=9) == []
        assert await others.cluster_handles(cluster, after=0, limit=9) == []
        with pytest.raises(StoreUnavailableError, match="archive is being imported"):
            await others.commit(commit_of("new", ids, cluster_id="c_new", horizon=0))
        with pytest.raises(FoundingInProgressError):
            async with Founder(others).founding(now_seconds=NOW):
                pass
        assert not await others.clear_abandoned_founding()
        assert (await others.check())[0].startswith("an archive is being imported")
        await founding.finish(**TABLES)
    assert (await others.counts())["articles"] == 200
    assert await others.check() == []


async def test_one_that_fails_leaves_nothing(
    url: str, store: RedisClusterStore, others: ExpiringClusterStore
) -> None:
    with pytest.raises(RuntimeError, match="gone wrong"):  # noqa: PT012
        async with Founder(store).founding(now_seconds=NOW) as founding:
            for each in chunks_of(made(300), 64):
                await founding.put(each)
            await founding.stop_writing()
            (before,) = await findings(others, [{1 << 8}])
            raise RuntimeError("gone wrong")
    assert kept(url) == set()
    assert await store.check() == []
    _, ids, _, _ = made(9)[3]
    await put(others, "first", ids, cluster_id="c_1")
    (finding,) = await findings(others, [ids])
    assert [item.record for item in finding.candidates] == [record_of(bucket_array(ids))]
    assert finding.mark != before.mark  # a handle means another article by now
    with pytest.raises(StoreNotEmptyError, match="1 articles were stored"):
        await found(store)
    assert await others.check() == []


async def begun_and_left(store: RedisClusterStore) -> Founding:
    """Return a founding as of a process that is halted before it is finished."""
    ground = store.ground()
    assert await store.acquire_lease(keys.FOUNDING_LEASE, "dead", ttl_seconds=0.05)
    assert (await ground.connection.run("founding_begin", FINGERPRINT, "dead"))[0] == b"ok"
    founding = Founding(ground, "dead", NOW)
    for each in chunks_of(made(300), 64):
        await founding.put(each)
    await founding.stop_writing()
    await asyncio.sleep(0.06)
    return founding


async def test_what_a_dead_one_left_is_cleared_away(
    url: str, store: RedisClusterStore, others: ExpiringClusterStore
) -> None:
    halted = await begun_and_left(store)
    assert await others.clear_abandoned_founding()
    assert not await others.clear_abandoned_founding()
    assert kept(url) == set()
    # Halted, not dead: it must not write under handles that are others' by now.
    await put(others, "first", {1 << 8}, cluster_id="c_1")
    (late,) = chunks_of(made(5), 5)
    await halted.put(late)
    with pytest.raises(FoundingInProgressError):
        await halted.stop_writing()
    with pytest.raises(FoundingInProgressError):
        await halted.finish(**TABLES)
    assert (await others.counts())["articles"] == 1
    assert await others.check() == []


async def test_the_next_one_clears_away_what_a_dead_one_left(
    store: RedisClusterStore, others: ExpiringClusterStore
) -> None:
    await begun_and_left(store)
    await found(others, 150)
    assert await others.check() == []
    assert (await others.counts())["articles"] == 150


async def test_finishing_twice_is_finishing_once(store: RedisClusterStore) -> None:
    async with Founder(store).founding(now_seconds=NOW) as founding:
        for each in chunks_of(made(30), 7):
            await founding.put(each)
        await founding.finish(**TABLES)
        # As when the answer was lost on its way and the script is sent again.
        answer = await store.ground().connection.run(
            "founding_finish", founding._token, 30, 0, b"", b"", b"", 0
        )
        assert answer[0] == b"taken"
    assert (await store.counts())["articles"] == 30
    assert await store.check() == []


@pytest.mark.parametrize("count", [0, 1])
async def test_hardly_anything(store: RedisClusterStore, count: int) -> None:
    await found(store, count)
    assert (await store.counts())["articles"] == count
    assert await store.check() == []


async def test_one_that_stores_buckets(url: str) -> None:
    store = RedisClusterStore(url)
    await store.open(FINGERPRINT)
    await found(store, 90)
    assert await store.check() == []
    await store.delete_article("a3", now_seconds=NOW)
    assert await store.check() == []
    await store.close()


async def test_of_another_configuration(url: str, store: RedisClusterStore) -> None:
    with Redis.from_url(url) as client:
        client.hset(NAMES.key(keys.META), "fingerprint", "other")
    with pytest.raises(Exception, match="was written under configuration other"):
        await found(store)
