"""The switch: what is laid out, put in force by one step, and carried out part by part."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import numpy as np
import pytest
from redis import Redis

from service.store import Reassignment, StoreUnavailableError
from service.store.plans import RefusedError, Standing, Switch
from service.store.redis_store import RedisClusterStore
from tests.service.store.helpers import (
    FINGERPRINT,
    NOW,
    bucket_array,
    buckets_of_record,
    commit_of,
    put,
)
from tests.service.store.many import fill_with_many
from tests.service.store.test_clusters import cluster_of, fill, handles_of
from tests.service.store.test_plans import JOB, begin, changes, places

pytestmark = pytest.mark.anyio

ARTICLES = 72
CLUSTERS = 36
Operation = Callable[[RedisClusterStore], Awaitable[None]]
Seen = Literal["old", "new"]
SWITCHED_AT = NOW + 50


async def opened(url: str, collection: str = "default") -> RedisClusterStore:
    store = RedisClusterStore(url, collection=collection, bucket_ids_of=buckets_of_record)
    await store.open(FINGERPRINT)
    return store


def leave_in_force(store: RedisClusterStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the job dies right after the switch."""

    async def dying(job: str) -> bool:
        return False

    monkeypatch.setattr(store, "_fold_all", dying)


def state_of_switch(url: str) -> bytes | None:
    with Redis.from_url(url) as client:
        found: bytes | None = client.hget("ss:{default}:meta", "switch")
        return found


async def everything(store: RedisClusterStore) -> dict[str, Any]:
    """All that readers can tell: where articles are, and the cluster ids ever given out."""
    found: dict[str, Any] = dict(await places(store))
    names = {cluster for cluster, _ in found.values()} | {f"c_{n}" for n in range(2 * CLUSTERS)}
    for name in sorted(names):
        lineage = await store.lineage(name)
        if lineage is not None:
            cluster = lineage.cluster
            found[name] = (
                cluster.state,
                cluster.size,
                cluster.merged_into,
                cluster.split_into,
                cluster.split_from,
                sorted(await store.cluster_handles(name, after=0, limit=10_000)),
                [(entry.kind, entry.cluster_id) for entry in lineage.entries],
            )
    return found


# What is asked of a store while parts are pending -----------------------------------------------


@pytest.mark.parametrize(
    "pairs", [200, pytest.param(10_000, marks=pytest.mark.slow)], ids=["600 moves", "30,000 moves"]
)
async def test_readers_never_meet_a_mix(store: RedisClusterStore, url: str, pairs: int) -> None:
    """Whoever has seen anything of the new clustering sees nothing of the old one any more."""
    home = {h: f"c_{(h - 1) // 3}" for h in range(1, 6 * pairs + 1)}
    fill_with_many(url, home)
    merged = {f"c_{2 * k + 1}": f"c_{2 * k}" for k in range(pairs)}
    moves = {h: (name, merged[name]) for h, name in home.items() if name in merged}
    assert len(moves) == 3 * pairs
    over = asyncio.Event()
    clock = 0
    seen: list[tuple[int, int, Seen]] = []
    rng = np.random.default_rng(11)

    def some_odd() -> int:
        return 2 * int(rng.integers(pairs)) + 1

    async def one_article(reader: RedisClusterStore) -> list[Seen]:
        handle = 3 * some_odd() + 1 + int(rng.integers(3))
        article = await reader.article(f"a{handle}")
        assert article is not None
        assert article.cluster_id in moves[handle]
        return ["old" if article.cluster_id == moves[handle][0] else "new"]

    async def posted_again(reader: RedisClusterStore) -> list[Seen]:
        handle = 3 * some_odd() + 1
        probe = await reader.probe(f"a{handle}", bucket_array([]), limit=5)
        assert probe.existing is not None
        return ["old" if probe.existing.cluster_id == moves[handle][0] else "new"]

    async def several_articles(reader: RedisClusterStore) -> list[Seen]:
        handles = [3 * some_odd() + 1 for _ in range(50)]
        return [
            "old" if item.cluster_id == moves[item.handle][0] else "new"
            for item in await reader.articles(handles)
        ]

    async def merged_cluster(reader: RedisClusterStore) -> list[Seen]:
        cluster = await cluster_of(reader, f"c_{some_odd()}")
        return ["old" if cluster.state == "open" else "new"]

    async def growing_cluster(reader: RedisClusterStore) -> list[Seen]:
        name = f"c_{some_odd() - 1}"
        handles = await reader.cluster_handles(name, after=0, limit=99)
        members = (await reader.members([name], known=(), limit=99))[name]
        return [
            "old" if len(handles) == 3 else "new",
            "old" if members.size == 3 else "new",
        ]

    async def listing(reader: RedisClusterStore) -> list[Seen]:
        before = None
        found: list[Seen] = []
        for _ in range(3):
            page = await reader.clusters(before=before, limit=40)
            if not page and found[-1] == "old":
                break  # below where it read on there is nothing any more: all were updated
            assert len(page) == 40
            assert len({cluster.cluster_id for cluster in page}) == 40
            kinds: set[Seen] = {
                "new" if cluster.updated_at_seconds == SWITCHED_AT else "old" for cluster in page
            }
            assert len(kinds) == 1
            assert all(cluster.size == (6 if "new" in kinds else 3) for cluster in page)
            found += kinds
            before = (page[-1].updated_at_seconds, page[-1].cluster_id)
        return found

    async def read(what: Callable[[RedisClusterStore], Awaitable[list[Seen]]]) -> None:
        nonlocal clock
        reader = await opened(url)
        while not over.is_set():
            clock += 1
            begun = clock
            told = await what(reader)
            clock += 1
            # The order within one request is not known, but what it tells is told in order.
            assert sorted(told, key=("old", "new").index) == told
            seen.append((begun, clock, told[0]))
            seen.append((begun, clock, told[-1]))
            await asyncio.sleep(0)
        await reader.close()

    kinds = (
        one_article,
        posted_again,
        several_articles,
        merged_cluster,
        growing_cluster,
        listing,
    )
    readers = [asyncio.create_task(read(what)) for what in kinds]
    switch = await begin(store)
    result = await store.apply(
        Reassignment(moves, {}, merged, {}, SWITCHED_AT, horizon=len(home)), switch
    )
    await asyncio.sleep(0.05)
    over.set()
    await asyncio.gather(*readers)
    assert result.moved == 3 * pairs
    assert {kind for _, _, kind in seen} == {"old", "new"}
    first_new = min(end for _, end, kind in seen if kind == "new")
    assert not [begun for begun, _, kind in seen if kind == "old" and begun > first_new]
    assert await store.check() == []


async def test_the_listing_is_that_of_the_new_clustering(
    store: RedisClusterStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every part pending, page by page, it is the listing that there is afterwards."""
    rng = np.random.default_rng(3)
    home = {h: f"c_{int(rng.integers(60))}" for h in range(1, 201)}
    fill_with_many(url, home)
    moves = {
        h: (name, f"c_{int(rng.integers(30, 90))}")
        for h, name in home.items()
        if int(name[2:]) >= 30 and rng.random() < 0.3
    }
    for number in (3, 33):  # some clusters are updated before, at and after the switch
        await put(store, f"late{number}", [number], cluster_id=f"c_{number}", now=NOW + 100)
    leave_in_force(store, monkeypatch)
    await store.apply(changes(moves, horizon=200), await begin(store))
    await put(store, "later", [7], cluster_id="c_5", now=NOW + 200)
    reader = await opened(url)
    for size in (1, 7, 100):
        found, before = [], None
        while page := await reader.clusters(before=before, limit=size):
            found += page
            before = (page[-1].updated_at_seconds, page[-1].cluster_id)
        assert await reader.settle() is False if size > 1 else True
        settled = await reader.clusters(before=None, limit=1000)
        assert [c.cluster_id for c in found] == [c.cluster_id for c in settled]
        assert found == settled
    await reader.close()
    assert await store.check() == []


# The switch is one moment: what is done before, at any time before, what is done after, after ----


def random_operations(rng: np.random.Generator, count: int) -> list[Operation]:
    """Postings, updates, merges, moves and deletions; each decides by what it reads."""
    found: list[Operation] = []
    for number in range(count):
        seed = int(rng.integers(2**31))

        async def operate(
            store: RedisClusterStore, seed: int = seed, number: int = number % 90
        ) -> None:
            rng = np.random.default_rng(seed)
            # Two articles by their names: reading anything else would carry out what is pending.
            pair = [await store.article(f"a{int(rng.integers(ARTICLES))}") for _ in range(2)]
            kind = rng.choice(["post", "update", "delete", "merge", "move", "move"])
            if pair[0] is None or pair[1] is None:
                return
            name = pair[0].article_id
            one = await cluster_of(store, pair[0].cluster_id)
            other = await cluster_of(store, pair[1].cluster_id)
            members = await store.cluster_handles(one.cluster_id, after=0, limit=1000)
            if kind == "delete":
                await store.delete_article(name, now_seconds=NOW)
            elif kind == "update":
                await put(store, name, [900 + number], cluster_id=other.cluster_id)
            elif kind == "post" or one.cluster_id == other.cluster_id:
                await put(store, f"new{seed}", [800 + number], cluster_id=one.cluster_id)
            else:
                new = f"new{seed}"
                probe = await store.probe(new, bucket_array([700 + number]), limit=0)
                some = dict.fromkeys(members[: 1 + len(members) // 2], other.cluster_id)
                await store.commit(
                    commit_of(
                        new,
                        [700 + number],
                        cluster_id=other.cluster_id,
                        horizon=probe.horizon,
                        expected={one.cluster_id: one.revision, other.cluster_id: other.revision},
                        moves=some if kind == "move" else {},
                        merged_into={one.cluster_id: other.cluster_id} if kind == "merge" else {},
                    )
                )

        found.append(operate)
    return found


def _neighbour(number: int, way: int) -> int:
    """One of the three clusters that exchange articles, or a new one of their own."""
    return number // 3 * 3 + way if way < 3 else CLUSTERS + number // 3


def random_plan(
    rng: np.random.Generator, stored: dict[str, tuple[str, str]], handle_of: dict[str, int]
) -> Reassignment:
    # Clusters exchange articles by threes, so that there are many parts.
    moves = {
        handle_of[name]: (cluster, f"c_{_neighbour(int(cluster[2:]), int(rng.integers(4)))}")
        for name, (cluster, _) in sorted(stored.items())
        if rng.random() < 0.3
    }
    groups = {h: f"d_new{h % 3}" for h in moves if rng.random() < 0.3}
    left = {c for n, (c, _) in stored.items() if handle_of[n] not in moves}
    emptied = {old: new for old, new in moves.values() if old not in left and old != new}
    split: dict[str, list[str]] = {}
    for old, new in sorted(set(moves.values())):
        if int(new[2:]) >= CLUSTERS:
            split.setdefault(old, []).append(new)
    return changes(moves, groups=groups, merged=emptied, split=split, horizon=max(moves, default=0))


@pytest.mark.parametrize("seed", range(12))
async def test_the_switch_is_one_moment(
    store: RedisClusterStore, url: str, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Beside the reference, which lays out, switches and carries out while nothing else happens."""
    rng = np.random.default_rng(seed)
    reference = await opened(url, "reference")
    for number in range(ARTICLES):
        name = f"c_{int(rng.integers(CLUSTERS))}"
        for each in (store, reference):
            await put(each, f"a{number}", [number], cluster_id=name, group_id=f"d_{number % 40}")
    handle_of = {item.article_id: item.handle async for item in store.snapshot()}
    plan = random_plan(rng, await places(store), handle_of)
    earlier, during, meanwhile, after = (random_operations(rng, 6) for _ in range(4))

    async def run(operations: list[Operation], on: RedisClusterStore) -> None:
        for operation in operations:
            await operation(on)

    for operations in (earlier, during, meanwhile):
        await run(operations, reference)
    expected = await reference.apply(plan, await begin(reference))
    await run(after, reference)

    await run(earlier, store)
    other = await opened(url)
    call, staged = store._connection.run, 0

    async def interrupting(name: str, *arguments: Any) -> Any:
        nonlocal staged
        if name == "switch_stage":
            staged += 1
            if staged == 1:
                await run(during, other)
        if name == "constraints_in_force":
            assert state_of_switch(url) == b"staging"
            if staged:
                await run(meanwhile, other)
        return await call(name, *arguments)

    monkeypatch.setattr(store._connection, "run", interrupting)
    monkeypatch.setattr("service.store.parts._MOVES_PER_FOLD", 3)
    leave_in_force(store, monkeypatch)
    await store.apply(plan, await begin(store))
    monkeypatch.undo()
    assert state_of_switch(url) == b"folding"
    await run(after, other)
    await store.settle()
    assert await everything(store) == await everything(reference)
    assert await store.check() == []
    with Redis.from_url(url) as client:
        assert set(client.keys("ss:{default}:w*")) <= {b"ss:{default}:w"}
        counts = [int(n or 0) for n in client.hmget("ss:{default}:w", "moved", "left", "followed")]
    assert counts == [expected.moved, expected.left, expected.followed]

    # And back, with postings at the same points.
    later, at_last = random_operations(rng, 6), random_operations(rng, 6)
    back = Switch(JOB, b"back", await reference.standing())
    await run(later, reference)
    await reference.rollback(back, now_seconds=NOW + 60)
    await run(at_last, reference)
    staged = 0
    during, meanwhile = later[:3], later[3:]
    call = store._connection.run
    monkeypatch.setattr(store._connection, "run", interrupting)
    leave_in_force(store, monkeypatch)
    await store.rollback(back, now_seconds=NOW + 60)
    monkeypatch.undo()
    if not staged:
        await run(later, other)
    await run(at_last, other)
    await store.settle()
    assert await everything(store) == await everything(reference)
    assert await store.check() == []
    for each in (reference, other):
        await each.close()


# Who dies, and where --------------------------------------------------------------------------


async def test_what_was_only_laid_out_is_not_in_force(
    store: RedisClusterStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that dies before the switch has changed nothing, and the next one is not in its way."""
    await fill(store, c_a=2, c_b=2, c_c=2)
    before = await everything(store)
    plan = changes({1: ("c_a", "c_b"), 2: ("c_a", "c_b")}, merged={"c_a": "c_b"})
    run = store._connection.run

    async def dying(name: str, *arguments: Any) -> Any:
        if name in ("switch_on", "switch_off"):
            raise StoreUnavailableError("gone")
        return await run(name, *arguments)

    monkeypatch.setattr(store._connection, "run", dying)
    with pytest.raises(StoreUnavailableError):
        await store.apply(plan, await begin(store))
    monkeypatch.undo()
    assert state_of_switch(url) == b"staging"
    assert await everything(store) == before
    assert await store.job(JOB) == b"running"
    assert await store.check() == []
    await store.release_lease("recluster", JOB)
    assert (await store.apply(plan, await begin(store, "r_2"))).moved == 2
    assert await handles_of(store, "c_b") == [1, 2, 3, 4]
    assert state_of_switch(url) is None


async def test_one_that_lost_its_lease_while_laying_out_gives_way(
    store: RedisClusterStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(store, c_a=2, c_b=2)
    switch = await begin(store)
    run = store._connection.run

    async def overtaken(name: str, *arguments: Any) -> Any:
        if name == "switch_on" and arguments[1] == JOB:
            await store.release_lease("recluster", JOB)
            other = await begin(store, "r_2")
            await store.apply(changes({3: ("c_b", "c_n")}), other)
        return await run(name, *arguments)

    monkeypatch.setattr(store._connection, "run", overtaken)
    with pytest.raises(RefusedError) as caught:
        await store.apply(changes({1: ("c_a", "c_b")}), switch)
    assert caught.value.reason == "overtaken"
    assert await handles_of(store, "c_n") == [3]
    assert await handles_of(store, "c_a") == [1, 2]
    assert await store.standing() == Standing(1, "r_2", 4)
    assert await store.check() == []


async def test_a_switch_asked_for_twice_happens_once(
    store: RedisClusterStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client repeats a script whose answer was lost with the connection."""
    await fill(store, c_a=2, c_b=2)
    run = store._connection.run

    async def twice(name: str, *arguments: Any) -> Any:
        if name == "switch_on":
            await run(name, *arguments)
        return await run(name, *arguments)

    monkeypatch.setattr(store._connection, "run", twice)
    assert (await store.apply(changes({1: ("c_a", "c_b")}), await begin(store))).moved == 1
    assert await store.standing() == Standing(1, JOB, 4)


async def test_a_rollback_waits_for_what_is_pending(
    store: RedisClusterStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(store, c_a=2, c_b=2, c_c=1)
    before = await places(store)
    leave_in_force(store, monkeypatch)
    await store.apply(
        changes({1: ("c_a", "c_b"), 5: ("c_c", "c_n")}, merged={"c_c": "c_n"}), await begin(store)
    )
    monkeypatch.undo()
    result = await store.rollback(Switch(JOB, b"", await store.standing()), now_seconds=NOW + 60)
    assert result.moved == 2
    assert await places(store) == before
    assert await store.check() == []


async def test_expiry_and_rewriting_carry_out_what_they_meet(
    store: RedisClusterStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All who write do, not only those who post."""
    await fill(store, c_a=3, c_b=3)
    leave_in_force(store, monkeypatch)
    moves = dict.fromkeys((1, 2, 3), ("c_a", "c_b"))
    await store.apply(changes(moves, merged={"c_a": "c_b"}), await begin(store))
    monkeypatch.undo()
    assert state_of_switch(url) == b"folding"
    assert await store.delete_article("a2", now_seconds=NOW + 60)
    assert state_of_switch(url) is None
    assert await handles_of(store, "c_b") == [1, 3, 4, 5, 6]
    assert await store.check() == []
