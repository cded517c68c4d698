"""A commit goes in whole and rests on what was read, or nothing of it is written."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from redis import Redis

from clustering.propose.lsh import SLOT_BITS, TEXT_BIT
from service.store import Commit, ConflictError
from service.store.redis_store import RedisClusterStore
from tests.service.store.helpers import (
    FINGERPRINT,
    NOW,
    bucket_array,
    buckets_of_record,
    commit_of,
    put,
)
from tests.service.store.test_articles import contents

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).resolve().parents[3]


async def assert_conflict(store: RedisClusterStore, url: str, commit: Commit, why: str) -> None:
    before = contents(url)
    with pytest.raises(ConflictError, match=why):
        await store.commit(commit)
    assert contents(url) == before


async def test_a_newer_article_in_a_bucket(store: RedisClusterStore, url: str) -> None:
    await put(store, "a", [1, 2], cluster_id="c_a")
    probe = await store.probe("b", bucket_array([2, 3]), limit=5)
    await put(store, "c", [3, 4], cluster_id="c_c")
    await assert_conflict(
        store, url, commit_of("b", [2, 3], cluster_id="c_b", horizon=probe.horizon), "bucket"
    )
    # What arrived in other buckets does not matter.
    await store.commit(commit_of("d", [2, 5], cluster_id="c_d", horizon=probe.horizon))
    assert await store.check() == []


async def test_a_newer_article_in_a_long_bucket_of_another_partition(
    store: RedisClusterStore, url: str
) -> None:
    for number in range(20):
        await put(store, str(number), [1, 2], cluster_id="c_a")
    horizon = (await store.probe("b", bucket_array([2]), limit=1)).horizon
    await put(store, "c", [2], cluster_id="c_c")
    # The newest partition holds nothing of the bucket; the one before holds the newer article.
    await put(store, "d", [9], cluster_id="c_d", now=NOW + 30 * 86_400)
    late = commit_of("b", [2], cluster_id="c_b", horizon=horizon, now=NOW + 30 * 86_400)
    await assert_conflict(store, url, late, "bucket")


async def test_an_overfull_bucket_is_no_conflict(store: RedisClusterStore) -> None:
    for number in range(70):
        await put(store, str(number), [1], cluster_id="c_a")
    horizon = (await store.probe("b", bucket_array([1]), limit=1)).horizon
    await put(store, "c", [1], cluster_id="c_c")
    await store.commit(commit_of("b", [1], cluster_id="c_b", horizon=horizon))


async def test_only_what_would_have_been_a_candidate_is_a_conflict(
    store: RedisClusterStore, url: str
) -> None:
    await put(store, "a", [1, 2, 3], cluster_id="c_a")
    horizon = (await store.probe("b", bucket_array([1, 2, 3]), limit=1)).horizon
    await put(store, "two", [1, 2], cluster_id="c_2")
    await put(store, "one", [3], cluster_id="c_1", now=NOW + 30 * 86_400)  # its own partition

    def commit(article_id: str, least: int) -> Commit:
        return commit_of(
            article_id,
            [1, 2, 3],
            cluster_id=f"c_{article_id}",
            horizon=horizon,
            least_candidate_weight=least,
        )

    await assert_conflict(store, url, commit("b", 1), "bucket")
    await assert_conflict(store, url, commit("b", 2), "bucket")
    await store.commit(commit("b", 3))
    # And the text band of a copy weighs enough by itself.
    ids = [TEXT_BIT | 5 << SLOT_BITS]
    horizon = (await store.probe("copy", bucket_array(ids), limit=1)).horizon
    await put(store, "original", ids, cluster_id="c_o")
    late = commit_of("copy", ids, cluster_id="c_c", horizon=horizon, least_candidate_weight=8)
    await assert_conflict(store, url, late, "bucket")


async def test_the_article_itself(store: RedisClusterStore, url: str) -> None:
    first = await store.probe("a", bucket_array([1]), limit=5)
    await put(store, "a", [1], cluster_id="c_a")
    again = commit_of("a", [7], cluster_id="c_b", horizon=first.horizon)
    await assert_conflict(store, url, again, "itself")
    probe = await store.probe("a", bucket_array([1]), limit=5)
    update = commit_of("a", [8], cluster_id="c_b", horizon=probe.horizon, replaces=probe.existing)
    await store.delete_article("a", now_seconds=NOW)
    await assert_conflict(store, url, update, "changed meanwhile")


async def test_clusters_that_changed(store: RedisClusterStore, url: str) -> None:
    await put(store, "a", [1], cluster_id="c_a")
    await put(store, "b", [2], cluster_id="c_b")
    await put(store, "c", [3], cluster_id="c_c")
    await store.delete_article("c", now_seconds=NOW)

    def commit(expected: Mapping[str, int], **more: object) -> Commit:
        more.setdefault("cluster_id", "c_new")
        return commit_of("n", [9], horizon=9, expected=expected, **more)  # type: ignore[arg-type]

    for refused, why in (
        (commit({"c_a": 2}), "c_a changed"),
        (commit({"c_gone": 1}), "c_gone changed"),
        (commit({"c_c": 2}), "c_c changed"),  # empty since
        (commit({}, cluster_id="c_a"), "c_a exists"),
        (commit({"c_a": 1}, moves={1: "c_b"}), "c_b exists"),
        (commit({"c_a": 1}, moves={2: "c_a"}), "2 is not where"),
        (commit({"c_a": 1}, moves={3: "c_a"}), "3 is not where"),
        (commit({"c_a": 1}, group_moves={2: "d_9"}), "2 is not where"),
        (commit({"c_a": 1}, merged_into={"c_b": "c_a"}), "c_b was not read"),
    ):
        await assert_conflict(store, url, refused, why)


async def test_copies_posted_at_once_end_in_one_cluster(url: str) -> None:
    """Several connections, each deciding on what it read: only one may found the cluster."""
    stores = [RedisClusterStore(url, bucket_ids_of=buckets_of_record) for _ in range(4)]
    for store in stores:
        await store.open(FINGERPRINT)
    conflicts = 0

    async def post(number: int) -> None:
        nonlocal conflicts
        store = stores[number % 4]
        while True:
            probe = await store.probe(f"copy {number}", bucket_array([5, 6]), limit=3)
            expected, cluster_id = {}, f"c_{number}"
            if probe.candidates:
                cluster_id = probe.candidates[0].cluster_id
                found = await store.members([cluster_id], known=[], limit=1)
                expected = {cluster_id: found[cluster_id].revision}
            try:
                await store.commit(
                    commit_of(
                        f"copy {number}",
                        [5, 6],
                        cluster_id=cluster_id,
                        horizon=probe.horizon,
                        expected=expected,
                    )
                )
            except ConflictError:
                conflicts += 1
                await asyncio.sleep(0)
            else:
                return

    await asyncio.gather(*(post(number) for number in range(40)))
    clusters = await stores[0].clusters(before=None, limit=10)
    assert [cluster.size for cluster in clusters] == [40]
    assert conflicts
    assert await stores[0].check() == []
    for store in stores:
        await store.close()


async def test_one_article_posted_at_once_is_written_once(store: RedisClusterStore) -> None:
    probe = await store.probe("a", bucket_array([1]), limit=5)
    outcomes = await asyncio.gather(
        *(
            store.commit(commit_of("a", [1], cluster_id=f"c_{n}", horizon=probe.horizon))
            for n in range(50)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, ConflictError) for outcome in outcomes) == 49
    assert (await store.counts())["articles"] == 1
    assert await store.check() == []


async def test_updates_and_deletions_at_once(store: RedisClusterStore) -> None:
    async def update(number: int) -> None:
        for attempt in range(6):
            try:
                await put(store, f"a{number % 5}", [number, 7], cluster_id=f"c_{number}_{attempt}")
            except ConflictError:
                continue

    await asyncio.gather(
        *(update(number) for number in range(30)),
        *(store.delete_article(f"a{number % 5}", now_seconds=NOW) for number in range(30)),
    )
    assert await store.check() == []


_POSTER = """
import asyncio, sys
from service.store import ConflictError
from service.store.redis_store import RedisClusterStore
from tests.service.store.helpers import FINGERPRINT, bucket_array, buckets_of_record, commit_of

async def main(url: str, name: str) -> None:
    store = RedisClusterStore(url, bucket_ids_of=buckets_of_record)
    await store.open(FINGERPRINT)
    for number in range(40):
        while True:
            probe = await store.probe(f"{name}{number}", bucket_array([number]), limit=1)
            cluster_id, expected = f"c_{name}_{number}", {}
            if probe.candidates:
                cluster_id = probe.candidates[0].cluster_id
                found = await store.members([cluster_id], known=[], limit=1)
                expected = {cluster_id: found[cluster_id].revision}
            commit = commit_of(f"{name}{number}", [number], cluster_id=cluster_id,
                               horizon=probe.horizon, expected=expected)
            try:
                await store.commit(commit)
                break
            except ConflictError:
                pass
    await store.close()

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


async def test_two_processes_agree(store: RedisClusterStore, url: str) -> None:
    posters = [
        subprocess.Popen(  # noqa: ASYNC220 - starting takes a moment, and nothing else runs
            [sys.executable, "-c", _POSTER, url, name], cwd=ROOT, env=os.environ
        )
        for name in ("left", "right")
    ]
    try:
        for poster in posters:
            assert await asyncio.to_thread(poster.wait, 60) == 0
    finally:
        for poster in posters:
            poster.kill()
            poster.wait()
    clusters = await store.clusters(before=None, limit=100)
    assert [cluster.size for cluster in clusters] == [2] * 40
    assert await store.check() == []


async def test_a_script_the_server_forgot_is_sent_again(store: RedisClusterStore, url: str) -> None:
    await put(store, "a", [1], cluster_id="c_a")
    with Redis.from_url(url) as client:
        client.script_flush()
    await put(store, "b", [1], cluster_id="c_b")
    assert (await store.counts())["articles"] == 2
