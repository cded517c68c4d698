"""Plans, the step that applies one, and the step that takes it back."""

from __future__ import annotations

import struct

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.store import Reassignment, ReassignmentResult
from service.store.parts import parts_of
from service.store.plans import RefusedError, RollbackResult, StoredPlan, Switch
from service.store.redis_store import RedisClusterStore
from tests.service.store.helpers import NOW, put
from tests.service.store.test_clusters import cluster_of, fill, handles_of

pytestmark = pytest.mark.anyio

JOB = "r_1"


def tables(horizon: int, body: bytes = b"plan") -> StoredPlan:
    return StoredPlan(body, struct.pack("<Q", horizon) + b"seen", b"lines", b"counts")


async def begin(store: RedisClusterStore, job: str = JOB) -> Switch:
    """Register a job that holds the lease."""
    assert await store.acquire_lease("recluster", job, ttl_seconds=60)
    await store.put_job(job, b"running")
    return Switch(job, b"done", await store.standing())


async def places(store: RedisClusterStore) -> dict[str, tuple[str, str]]:
    return {
        item.article_id: (item.cluster_id, item.duplicate_group_id)
        async for item in store.snapshot()
    }


def changes(
    moves: dict[int, tuple[str, str]],
    *,
    groups: dict[int, str] | None = None,
    merged: dict[str, str] | None = None,
    split: dict[str, list[str]] | None = None,
    horizon: int | None = None,
) -> Reassignment:
    return Reassignment(moves, groups or {}, merged or {}, split or {}, NOW + 50, horizon)


async def test_all_of_it_changes_in_one_step(store: RedisClusterStore) -> None:
    await fill(store, c_a=2, c_b=1)
    switch = await begin(store)
    await store.put_plan(JOB, tables(3), ttl_seconds=60)
    assert await store.plan(JOB) == tables(3)
    result = await store.apply(changes({3: ("c_b", "c_a")}, merged={"c_b": "c_a"}), switch)
    assert result == ReassignmentResult(moved=1, left=0, followed=0)
    assert await store.job(JOB) == b"done"
    assert await store.plan(JOB) is None
    standing = await store.standing()
    assert (standing.generation, standing.applied_job) == (1, JOB)
    learned = await store.learned()
    assert (learned.epoch, learned.frequencies, learned.repeated_lines) == (
        1,
        tables(3).frequencies,
        b"lines",
    )
    assert await store.line_counts() == (1, b"counts")
    assert await store.check() == []


async def test_tables_of_a_newer_count_stay(store: RedisClusterStore) -> None:
    await fill(store, c_a=2)
    newer = struct.pack("<Q", 9) + b"newer"
    await store.set_learned(frequencies=newer, repeated_lines=b"n", line_counts=b"n")
    switch = await begin(store)
    await store.put_plan(JOB, tables(2), ttl_seconds=60)
    await store.apply(changes({}), switch)
    assert (await store.learned()).frequencies == newer
    assert (await store.learned()).epoch == 1


async def test_a_rollback_brings_everything_back(store: RedisClusterStore) -> None:
    await fill(store, c_a=4, c_b=2, c_c=1)
    before = await places(store)
    switch = await begin(store)
    await store.apply(
        changes(
            {
                1: ("c_a", "c_n"),
                2: ("c_a", "c_n"),
                3: ("c_a", "c_a"),
                5: ("c_b", "c_a"),
                6: ("c_b", "c_a"),
                7: ("c_c", "c_n"),
            },
            groups={3: "d_other", 5: "d_new"},
            merged={"c_b": "c_a", "c_c": "c_n"},
            split={"c_a": ["c_n"]},
        ),
        switch,
    )
    assert await handles_of(store, "c_n") == [1, 2, 7]
    assert (await places(store))["a3"] == ("c_a", "d_other")
    assert (await cluster_of(store, "c_b")).merged_into == "c_a"
    back = Switch(JOB, b"taken back", await store.standing())
    assert await store.rollback(back, now_seconds=NOW + 60) == RollbackResult(5, 0, 0)
    assert await places(store) == before
    for cluster_id, size in (("c_a", 4), ("c_b", 2), ("c_c", 1)):
        cluster = await cluster_of(store, cluster_id)
        assert (cluster.state, cluster.size, cluster.merged_into) == ("open", size, "")
        assert cluster.split_into == ()
    # The minted one was given out: its id leads to where its articles are.
    assert (await cluster_of(store, "c_n")).merged_into == "c_a"
    assert await store.job(JOB) == b"taken back"
    assert (await store.standing()).applied_job == ""
    with pytest.raises(RefusedError, match="applied or rolled back"):
        await store.rollback(Switch(JOB, b"", await store.standing()), now_seconds=NOW)
    assert await store.check() == []


async def test_later_articles_follow_their_fellows(store: RedisClusterStore) -> None:
    """Near-duplicates first, then most of the cluster; where most stay, one stays."""
    for number, group in enumerate(("d_w", "d_w", "d_x", "d_y", "d_z"), 1):
        await put(store, f"a{number}", [number], cluster_id="c_a", group_id=group)
    for number in (6, 7, 8):
        await put(store, f"a{number}", [number], cluster_id="c_b")
    await put(store, "copy of a5", [20], cluster_id="c_a", group_id="d_z")
    await put(store, "copy of a1", [21], cluster_id="c_a", group_id="d_w")
    await put(store, "on its own", [22], cluster_id="c_a", group_id="d_own")
    await put(store, "in b", [23], cluster_id="c_b", group_id="d_own2")
    await put(store, "elsewhere", [24], cluster_id="c_late", group_id="d_own3")
    switch = await begin(store)
    result = await store.apply(
        changes(
            {
                1: ("c_a", "c_n"),
                2: ("c_a", "c_n"),
                3: ("c_a", "c_n"),
                4: ("c_a", "c_m"),
                6: ("c_b", "c_m"),
            },
            groups={1: "d_v", 2: "d_v"},
            split={"c_a": ["c_n", "c_m"]},
            horizon=8,
        ),
        switch,
    )
    assert result == ReassignmentResult(moved=5, left=0, followed=2)
    stored = await places(store)
    assert stored["copy of a5"] == ("c_a", "d_z")
    assert stored["copy of a1"] == ("c_n", "d_v")
    assert stored["on its own"] == ("c_n", "d_own")
    assert stored["in b"] == ("c_b", "d_own2")
    assert stored["elsewhere"] == ("c_late", "d_own3")
    # And back: what came since goes along in the same way.
    await put(store, "copy of a2", [25], cluster_id="c_n", group_id="d_v")
    back = Switch(JOB, b"", await store.standing())
    assert await store.rollback(back, now_seconds=NOW + 60) == RollbackResult(7, 0, 1)
    stored = await places(store)
    assert stored["copy of a2"] == ("c_a", "d_w")
    assert stored["copy of a1"] == ("c_a", "d_w")
    assert await store.check() == []


async def test_what_a_job_rests_on_is_checked(store: RedisClusterStore) -> None:
    await fill(store, c_a=2)
    switch = await begin(store)
    await store.release_lease("recluster", JOB)
    with pytest.raises(RefusedError) as caught:
        await store.apply(changes({1: ("c_a", "c_b")}), switch)
    assert caught.value.reason == "overtaken"
    other = await begin(store, "r_2")
    await store.apply(changes({}), other)
    await store.release_lease("recluster", "r_2")
    await begin(store)
    with pytest.raises(RefusedError) as caught:
        await store.apply(changes({1: ("c_a", "c_b")}), switch)
    assert caught.value.reason == "superseded"
    assert await handles_of(store, "c_a") == [1, 2]
    assert await store.job(JOB) == b"running"


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=40))
def test_parts_are_whole_components(pairs: list[tuple[int, int]]) -> None:
    moves = {h: (f"c_{a}", f"c_{b}") for h, (a, b) in enumerate(pairs, 1)}
    split = {old: [new] for old, new in moves.values() if old < new}
    groups = dict.fromkeys(range(0, 50, 3), "d_x")
    whole = changes(moves, groups=groups, merged=dict(moves.values()), split=split)
    parts = parts_of(whole)
    graph = nx.Graph(moves.values())
    assert {frozenset(part.clusters) for part in parts} == {
        frozenset(found) for found in nx.connected_components(graph)
    }
    told = {handle: names for part in parts for handle, *names in part.moves}
    assert told == {
        h: [old, new, groups.get(h, "")]
        for h, (old, new) in moves.items()
        if old != new or h in groups
    }
    for part in parts:
        named = {name for _, old, new, _ in part.moves for name in (old, new)}
        assert named | {name for pair in (*part.merged, *part.split) for name in pair} <= (
            part.clusters
        )
    assert dict(pair for part in parts for pair in part.merged) == whole.merged_into
    assert sorted(pair for part in parts for pair in part.split) == sorted(
        (old, new) for old, news in split.items() for new in news
    )


async def test_plans_are_dropped(store: RedisClusterStore) -> None:
    for name in ("r_1", "r_2", "r_3"):
        await store.put_plan(name, tables(1), ttl_seconds=60)
    assert await store.drop_plans(["r_1", "r_3", "r_9"]) == 2
    assert await store.drop_plans([]) == 0
    assert await store.plan("r_1") is None
    assert await store.plan("r_2") == tables(1)
    assert await store.check() == []


async def test_random_nights_are_taken_back(store: RedisClusterStore) -> None:
    """Whatever is posted or deleted after it, a rollback undoes the night and nothing else."""
    rng = np.random.default_rng(5)
    serial = 0
    for night in range(12):
        for _ in range(15):
            serial += 1
            home = f"c_{int(rng.integers(0, 12))}_{night}"
            await put(store, f"a{serial}", [serial], cluster_id=home, group_id=f"d_{serial}")
        before = await places(store)
        handle_of = {item.article_id: item.handle async for item in store.snapshot()}
        targets = [*{cluster for cluster, _ in before.values()}, "c_x" + str(night)]
        moves = {
            handle_of[name]: (cluster, str(rng.choice(targets)))
            for name, (cluster, _) in before.items()
            if rng.random() < 0.4
        }
        job = f"r_{night}"
        switch = await begin(store, job)
        await store.apply(changes(moves, horizon=max(handle_of.values())), switch)
        assert await store.check() == []
        after = await places(store)
        planned = {
            name: moves.get(handle_of[name], (cluster, cluster))[1]
            for name, (cluster, _) in before.items()
        }
        assert {name: cluster for name, (cluster, _) in after.items()} == planned
        deleted = {name for name in before if rng.random() < 0.1}
        for name in deleted:
            await store.delete_article(name, now_seconds=NOW)
        late = set()
        alive = [cluster.cluster_id for cluster in await store.clusters(before=None, limit=99)]
        for number in range(5):
            late.add(f"late{night}_{number}")
            home = str(rng.choice(alive))
            await put(store, f"late{night}_{number}", [900 + number], cluster_id=home)
        back = Switch(job, b"", await store.standing())
        await store.rollback(back, now_seconds=NOW + night)
        assert await store.check() == []
        restored = await places(store)
        assert restored.keys() == (before.keys() - deleted) | late
        assert {name: restored[name] for name in before.keys() - deleted} == {
            name: before[name] for name in before.keys() - deleted
        }
        await store.release_lease("recluster", job)
