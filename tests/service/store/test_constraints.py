"""Constraints and lineage in the store: what is refused, what is forgotten, what stays bounded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.store import ConflictError, Reassignment
from service.store.constraints import ConstraintWrite, StoredConstraint
from service.store.redis_store import RedisClusterStore
from tests.service.store.helpers import NOW, bucket_array, commit_of, put

pytestmark = pytest.mark.anyio


def constraint(name: str, *article_ids: str, kind: str = "must-link") -> StoredConstraint:
    return StoredConstraint(
        constraint_id=name,
        kind=kind,  # type: ignore[arg-type]
        in_force=True,
        cluster_id="",
        article_ids=article_ids,
        payload=b"{}",
    )


async def write(store: RedisClusterStore, item: StoredConstraint, **more: object) -> None:
    epoch = await store.constraint_epoch()
    given = ConstraintWrite(constraint=item, constraint_epoch=epoch, now_seconds=NOW)
    await store.constrain(replace(given, **more))  # type: ignore[arg-type]


async def test_a_constraint_and_its_moves_are_one_step(store: RedisClusterStore) -> None:
    a = await put(store, "ä/1", [1], cluster_id="c_a")
    b = await put(store, "b", [2], cluster_id="c_b")
    cluster = await store.cluster("c_a")
    other = await store.cluster("c_b")
    assert cluster is not None
    assert other is not None
    item = constraint("k_1", "ä/1", "b")
    changes = {
        "expected_revisions": {"c_a": cluster.revision, "c_b": other.revision},
        "moves": {b.handle: "c_a"},
        "merged_into": {"c_b": "c_a"},
    }
    with pytest.raises(ConflictError, match="constraints changed"):
        await write(store, item, **changes, constraint_epoch=7)
    with pytest.raises(ConflictError, match="c_b changed"):
        await write(store, item, **{**changes, "expected_revisions": {"c_b": 99}})
    with pytest.raises(ConflictError, match="not where it was"):
        await write(store, item, **{**changes, "expected_revisions": {"c_a": cluster.revision}})
    assert await store.constraint("k_1") is None
    await write(store, item, **changes)
    assert await store.constraint_epoch() == 1 + 0
    assert (await store.probe("", bucket_array([]), limit=0)).constraint_epoch == 1
    merged = await store.cluster("c_b")
    assert merged is not None
    assert (merged.state, merged.merged_into) == ("merged", "c_a")
    epoch, (in_force,) = await store.constraints_in_force()
    assert epoch == 1
    assert in_force.constraint == item
    assert in_force.handles == (a.handle, b.handle)
    assert await store.check() == []


async def test_a_commit_under_older_constraints_is_refused(store: RedisClusterStore) -> None:
    await put(store, "a", [1], cluster_id="c_a")
    await put(store, "b", [2], cluster_id="c_a")
    probe = await store.probe("n", bucket_array([3]), limit=5)
    await write(store, constraint("k_1", "a", "b"))
    commit = commit_of("n", [3], cluster_id="c_n", horizon=probe.horizon)
    with pytest.raises(ConflictError, match="constraints changed"):
        await store.commit(replace(commit, constraint_epoch=probe.constraint_epoch))
    await store.commit(replace(commit, constraint_epoch=probe.constraint_epoch + 1))


async def test_an_update_of_a_named_article_tells_every_worker(store: RedisClusterStore) -> None:
    first = await put(store, "a", [1], cluster_id="c_a")
    await put(store, "b", [2], cluster_id="c_a")
    await write(store, constraint("k_1", "a", "b"))
    epoch, _ = await store.constraints_in_force()
    second = await put(store, "a", [5], cluster_id="c_a")
    assert second.handle != first.handle
    later, (in_force,) = await store.constraints_in_force()
    assert later > epoch
    assert in_force.handles[0] == second.handle
    # What nobody names changes nothing for anybody.
    await put(store, "n", [6], cluster_id="c_n")
    await put(store, "n", [7], cluster_id="c_n")
    assert await store.constraint_epoch() == later


async def test_listing_and_its_index(store: RedisClusterStore) -> None:
    for name in "abcd":
        await put(store, name, [ord(name)], cluster_id="c_a")
    for number in range(5):
        await write(store, constraint(f"k_{number}", "a", "bcd"[number % 3]))
    newest = await store.constraints(before=None, limit=2)
    assert [item.constraint_id for item in newest] == ["k_4", "k_3"]
    older = await store.constraints(before=newest[-1].number, limit=9)
    assert [item.constraint_id for item in older] == ["k_2", "k_1", "k_0"]
    of_b = await store.constraints(article_id="b", before=None, limit=9)
    assert [item.constraint_id for item in of_b] == ["k_3", "k_0"]
    assert await store.constraints(article_id="b", before=of_b[-1].number, limit=9) == []
    assert await store.check() == []


async def test_lineage_is_bounded_and_says_so(store: RedisClusterStore) -> None:
    await put(store, "a", [1], cluster_id="c_a")
    # c_a goes to and fro between two ids, by reassignments, which are the cheapest changes.
    stays = await put(store, "s", [2], cluster_id="c_s")
    for number in range(70):
        await put(store, f"n{number}", [10 + number], cluster_id=f"c_n{number}")
        handle = stays.handle + 1 + number
        await store.reassign(
            Reassignment(
                moves={handle: (f"c_n{number}", "c_s")},
                group_moves={},
                merged_into={f"c_n{number}": "c_s"},
                split_into={},
                now_seconds=NOW + number,
            )
        )
    lineage = await store.lineage("c_s")
    assert lineage is not None
    assert lineage.cut_off
    assert [entry.cluster_id for entry in lineage.entries] == [f"c_n{n}" for n in range(6, 70)]
    assert {entry.kind for entry in lineage.entries} == {"merged_in"}
    assert lineage.entries[-1].at_seconds == NOW + 69
    old = await store.lineage("c_n3")
    assert old is not None
    assert [(entry.kind, entry.cluster_id) for entry in old.entries] == [("merged_into", "c_s")]
    assert not old.cut_off
    assert await store.lineage("c_none") is None
    assert (await store.lineage("c_a")) is not None


async def test_check_finds_a_constraint_that_does_not_hold(store: RedisClusterStore) -> None:
    await put(store, "a", [1], cluster_id="c_a")
    await put(store, "b", [2], cluster_id="c_b")
    await write(store, constraint("k_1", "a", "b"))
    assert await store.check() == ["constraint k_1 does not hold"]
    await store.delete_article("a", now_seconds=NOW)
    assert await store.check() == []
    assert await store.constraint("k_1") is None
