"""Clusters: moved, merged, split, listed, reassigned."""

from __future__ import annotations

import numpy as np
import pytest

from service.store import Reassignment, ReassignmentResult, StoredCluster
from service.store.redis_store import RedisClusterStore
from tests.service.store.helpers import NOW, commit_of, put

pytestmark = pytest.mark.anyio


async def cluster_of(store: RedisClusterStore, cluster_id: str) -> StoredCluster:
    cluster = await store.cluster(cluster_id)
    assert cluster is not None
    return cluster


async def handles_of(store: RedisClusterStore, cluster_id: str) -> list[int]:
    return await store.cluster_handles(cluster_id, after=0, limit=1000)


async def fill(store: RedisClusterStore, **sizes: int) -> None:
    """Put articles 1, 2, … into clusters of these sizes."""
    number = 0
    for cluster_id, size in sizes.items():
        for _ in range(size):
            number += 1
            await put(store, f"a{number}", [number], cluster_id=cluster_id)


async def test_moves_and_groups(store: RedisClusterStore) -> None:
    await fill(store, c_a=3, c_b=2)
    await store.commit(
        commit_of(
            "n",
            [99],
            cluster_id="c_new",
            horizon=5,
            expected={"c_a": 3, "c_b": 2},
            moves={1: "c_b", 2: "c_new"},
            group_moves={1: "d_x", 4: "d_x", 3: "d_y"},
            now=NOW + 5,
        )
    )
    assert await handles_of(store, "c_a") == [3]
    assert await handles_of(store, "c_b") == [1, 4, 5]
    assert await handles_of(store, "c_new") == [2, 6]
    groups = [article.duplicate_group_id for article in await store.articles([1, 2, 3, 4, 5, 6])]
    assert groups == ["d_x", "d_1", "d_y", "d_x", "d_1", "d_1"]
    for cluster_id, revision in (("c_a", 4), ("c_b", 3), ("c_new", 1)):
        cluster = await cluster_of(store, cluster_id)
        assert (cluster.revision, cluster.updated_at_seconds) == (revision, NOW + 5)
    assert await store.check() == []


async def test_a_merged_cluster_goes_whole_and_redirects(store: RedisClusterStore) -> None:
    await fill(store, c_a=3, c_b=2, c_c=1)
    # Only article 1 is known to the decision; 2 and 3 go with it.
    await store.commit(
        commit_of(
            "n",
            [99],
            cluster_id="c_b",
            horizon=6,
            expected={"c_a": 3, "c_b": 2},
            moves={1: "c_b"},
            merged_into={"c_a": "c_b"},
        )
    )
    assert await handles_of(store, "c_b") == [1, 2, 3, 4, 5, 7]
    gone = await cluster_of(store, "c_a")
    assert (gone.state, gone.merged_into, gone.size) == ("merged", "c_b", 0)
    assert await store.members(["c_a"], known=[], limit=5) == {}
    # The successor merges in turn: both ids lead to what is there now.
    await store.commit(
        commit_of(
            "m",
            [98],
            cluster_id="c_c",
            horizon=7,
            expected={"c_b": 3, "c_c": 1},
            merged_into={"c_b": "c_c"},
        )
    )
    assert (await cluster_of(store, "c_a")).merged_into == "c_c"
    assert (await cluster_of(store, "c_b")).merged_into == "c_c"
    assert (await cluster_of(store, "c_c")).size == 8
    assert await store.check() == []


async def test_a_split_is_told_on_both_sides(store: RedisClusterStore) -> None:
    await fill(store, c_a=4)
    await store.commit(
        commit_of(
            "n",
            [99],
            cluster_id="c_x",
            horizon=4,
            expected={"c_a": 4},
            moves={1: "c_x", 2: "c_y"},
            split_into={"c_a": ["c_x", "c_y"]},
        )
    )
    old = await cluster_of(store, "c_a")
    assert (old.state, old.size, old.split_into) == ("open", 2, ("c_x", "c_y"))
    assert (await cluster_of(store, "c_x")).split_from == "c_a"
    assert (await cluster_of(store, "c_y")).split_from == "c_a"
    assert await store.check() == []


async def test_paging_meets_every_cluster_once(store: RedisClusterStore) -> None:
    rng = np.random.default_rng(3)
    expected = []
    for number in range(60):
        updated = NOW + int(rng.integers(0, 4)) * 0.1  # many at one moment
        cluster_id = f"c_{int(rng.integers(0, 10**9))}"
        await put(store, str(number), [number], cluster_id=cluster_id, now=updated)
        expected.append((updated, cluster_id))
    expected.sort(reverse=True)
    for limit in (1, 7, 100):
        seen: list[tuple[float, str]] = []
        before = None
        while page := await store.clusters(before=before, limit=limit):
            seen += [(cluster.updated_at_seconds, cluster.cluster_id) for cluster in page]
            before = seen[-1]
        assert seen == expected
    # A cursor stays good when the cluster it names is gone.
    cursor = expected[30]
    assert await store.delete_article(
        next(a.article_id for a in await store.articles(range(1, 61)) if a.cluster_id == cursor[1]),
        now_seconds=NOW + 9,
    )
    page = await store.clusters(before=cursor, limit=100)
    assert [cluster.cluster_id for cluster in page] == [name for _, name in expected[31:]]
    assert await store.clusters(before=None, limit=0) == []


def reassignment(
    moves: dict[int, tuple[str, str]],
    *,
    group_moves: dict[int, str] | None = None,
    merged_into: dict[str, str] | None = None,
    split_into: dict[str, list[str]] | None = None,
) -> Reassignment:
    return Reassignment(moves, group_moves or {}, merged_into or {}, split_into or {}, NOW + 100)


async def test_reassignment_moves_what_has_not_changed(store: RedisClusterStore) -> None:
    await fill(store, c_a=3, c_b=2)
    await put(store, "a2", [2], cluster_id="c_b")  # article 2 is handle 6 now
    result = await store.reassign(
        reassignment(
            {
                1: ("c_a", "c_n"),
                2: ("c_a", "c_n"),
                3: ("c_b", "c_n"),
                4: ("c_b", "c_b"),
                77: ("c_a", "c_n"),
            },
            group_moves={1: "d_n", 5: "d_m", 88: "d_m"},
            split_into={"c_a": ["c_n", "c_never"]},
        )
    )
    assert result == ReassignmentResult(moved=1, left=3)
    assert await handles_of(store, "c_n") == [1]
    assert await handles_of(store, "c_a") == [3]
    assert (await cluster_of(store, "c_a")).split_into == ("c_n",)
    assert (await cluster_of(store, "c_n")).split_from == "c_a"
    assert await store.cluster("c_never") is None
    assert [a.duplicate_group_id for a in await store.articles([1, 5])] == ["d_n", "d_m"]
    assert (await cluster_of(store, "c_n")).updated_at_seconds == NOW + 100
    assert await store.check() == []


async def test_reassignment_merges_and_later_arrivals_follow(store: RedisClusterStore) -> None:
    await fill(store, c_a=2, c_b=1, c_c=1)
    await put(store, "late", [50], cluster_id="c_a")  # after the snapshot
    await store.reassign(
        reassignment(
            {1: ("c_a", "c_b"), 2: ("c_a", "c_b"), 4: ("c_c", "c_b")}, merged_into={"c_a": "c_b"}
        )
    )
    assert await handles_of(store, "c_b") == [1, 2, 3, 4, 5]
    assert (await cluster_of(store, "c_a")).merged_into == "c_b"
    # Emptied without a word: it leads to where its articles went.
    assert (await cluster_of(store, "c_c")).merged_into == "c_b"
    assert await store.check() == []


async def test_reassignment_into_a_cluster_merged_meanwhile(store: RedisClusterStore) -> None:
    await fill(store, c_a=1, c_b=1, c_c=1)
    await store.reassign(reassignment({1: ("c_a", "c_b")}, merged_into={"c_a": "c_b"}))
    await store.reassign(reassignment({3: ("c_c", "c_a")}))
    assert await handles_of(store, "c_b") == [1, 2, 3]
    assert await store.check() == []


async def test_reassigning_nothing_changes_nothing(store: RedisClusterStore) -> None:
    await fill(store, c_a=2)
    before = await cluster_of(store, "c_a")
    assert await store.reassign(reassignment({})) == ReassignmentResult(0, 0)
    same = reassignment({1: ("c_a", "c_a")}, group_moves={1: "d_1"})
    assert await store.reassign(same) == ReassignmentResult(0, 0)
    assert await cluster_of(store, "c_a") == before


async def test_random_histories_stay_consistent(store: RedisClusterStore) -> None:
    """Random commits with moves, merges, deletions and reassignments against a plain model."""
    rng = np.random.default_rng(11)
    model: dict[str, str] = {}  # article id -> cluster id
    minted = 0
    for step in range(150):
        kind = rng.random()
        clusters = await store.clusters(before=None, limit=1000)
        ids = [cluster.cluster_id for cluster in clusters]
        revisions = {cluster.cluster_id: cluster.revision for cluster in clusters}
        if kind < 0.6 or len(ids) < 3:
            name = f"a{int(rng.integers(0, 80))}"
            read = list(rng.choice(ids, size=min(len(ids), 3), replace=False)) if ids else []
            minted += 1
            home = str(read[0]) if read and rng.random() < 0.6 else f"c_{minted}"
            probe = await store.probe(name, np.array([step], dtype=np.uint64), limit=3)
            merged = {}
            if len(read) > 1 and rng.random() < 0.3:
                merged = {str(read[1]): home}
            moves: dict[int, str] = {}
            if len(read) > 2:
                handles = await handles_of(store, str(read[2]))
                replaced = probe.existing.handle if probe.existing else 0
                moves = {h: home for h in handles if h != replaced and rng.random() < 0.4}
            moved = {a.article_id for a in await store.articles(list(moves))}
            await store.commit(
                commit_of(
                    name,
                    [step % 30, step % 7],
                    cluster_id=home,
                    horizon=probe.horizon,
                    expected={str(c): revisions[str(c)] for c in read},
                    moves=moves,
                    merged_into=merged,
                    replaces=probe.existing,
                    now=NOW + step,
                )
            )
            for known, cluster in model.items():
                if cluster in merged or known in moved:
                    model[known] = home
            model[name] = home
        elif kind < 0.8:
            name = f"a{int(rng.integers(0, 80))}"
            assert await store.delete_article(name, now_seconds=NOW + step) == (name in model)
            model.pop(name, None)
        else:
            plan, names = {}, {}
            async for article in store.snapshot():
                if rng.random() < 0.2:
                    target = str(rng.choice([*ids, f"c_night{step}"]))
                    plan[article.handle] = (article.cluster_id, target)
                    names[article.article_id] = target
            await store.reassign(reassignment(plan))
            model |= names
        stored = {item.article_id: item.cluster_id async for item in store.snapshot()}
        assert stored == model
    assert await store.check() == []
