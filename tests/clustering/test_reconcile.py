"""Ids that outlive a reclustering, against brute force over all assignments."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count, permutations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering.reconcile import Reconciliation, reconcile


def minter() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"new{next(numbers)}"


def run(old: dict[int, str], groups: list[list[int]]) -> Reconciliation:
    return reconcile(old, groups, minter())


@st.composite
def reclusterings(draw: st.DrawFn) -> tuple[dict[int, str], list[list[int]]]:
    size = draw(st.integers(0, 16))
    names = st.sampled_from(["a", "b", "c", "d", "e", None])
    before = draw(st.lists(names, min_size=size, max_size=size))
    after = draw(st.lists(st.integers(0, 4), min_size=size, max_size=size))
    old = {handle: name for handle, name in enumerate(before) if name is not None}
    old |= dict.fromkeys(range(100, 100 + draw(st.integers(0, 2))), "deleted")
    groups = [[handle for handle in range(size) if after[handle] == group] for group in range(5)]
    return old, [group for group in groups if group]


def most_kept(old: dict[int, str], groups: list[list[int]]) -> int:
    """Largest number of articles that can keep their id, over all assignments."""
    ids = sorted({old[handle] for group in groups for handle in group if handle in old})
    slots: list[int | None] = [*range(len(groups)), *[None] * len(ids)]
    best = 0
    for chosen in set(permutations(slots, len(ids))):
        kept = sum(
            old.get(handle) == old_id
            for old_id, group in zip(ids, chosen, strict=True)
            if group is not None
            for handle in groups[group]
        )
        best = max(best, kept)
    return best


@settings(deadline=None)
@given(reclusterings())
def test_as_many_articles_as_possible_keep_their_id(
    case: tuple[dict[int, str], list[list[int]]],
) -> None:
    old, groups = case
    after = run(old, groups)
    kept = sum(old.get(handle) == new for handle, new in after.assignment.items())
    # At most 5 ids and 5 groups: brute force over at most 10!/5! assignments, fewer distinct.
    if len(groups) <= 3:
        assert kept == most_kept(old, groups)
    assert kept >= sum(old.get(handle) == new for handle, new in greedy(old, groups).items())


def greedy(old: dict[int, str], groups: list[list[int]]) -> dict[int, str]:
    """Largest overlap first: a lower bound that the optimum must not fall below."""
    overlaps = sorted(
        (
            (-sum(old.get(handle) == old_id for handle in group), old_id, number)
            for number, group in enumerate(groups)
            for old_id in set(old.values())
        ),
    )
    taken: dict[int, str] = {}
    for overlap, old_id, number in overlaps:
        if overlap and number not in taken and old_id not in taken.values():
            taken[number] = old_id
    return {handle: taken[number] for number in taken for handle in groups[number]}


@settings(deadline=None)
@given(reclusterings(), st.randoms(use_true_random=False))
def test_what_always_holds(case: tuple[dict[int, str], list[list[int]]], random: Random) -> None:
    old, groups = case
    after = run(old, groups)
    # Every handle has one id, and a group has one id that no other group has.
    assert sorted(after.assignment) == sorted(handle for group in groups for handle in group)
    ids = [{after.assignment[handle] for handle in group} for group in groups]
    assert all(len(part) == 1 for part in ids)
    live = set.union(set(), *ids)
    assert len(live) == len(groups)
    # Ids are kept, merged or gone with their articles; fresh ones were never used.
    carried = {old[handle] for handle in after.assignment if handle in old}
    assert set(after.kept) | set(after.merged_into) == carried
    assert not set(after.merged_into) & live
    assert set(after.merged_into.values()) <= live
    assert set(after.kept) | set(after.minted) == live
    assert not set(after.minted) & set(old.values())
    # Lineage names exactly the other groups that hold an id's articles, most first.
    for old_id in carried:
        parts = [
            after.assignment[handle] for handle in after.assignment if old.get(handle) == old_id
        ]
        home = after.merged_into.get(old_id, old_id)
        others = after.split_into.get(old_id, ())
        assert home in parts
        assert {home, *others} == set(parts)
        assert home not in others
        sizes = [parts.count(other) for other in others]
        assert sizes == sorted(sizes, reverse=True)
        if old_id in after.merged_into:
            assert parts.count(home) == max(map(parts.count, parts))
    # Order is irrelevant.
    shuffled = [random.sample(group, len(group)) for group in groups]
    random.shuffle(shuffled)
    handles = list(old)
    random.shuffle(handles)
    assert run({handle: old[handle] for handle in handles}, shuffled) == after
    # What was decided stays decided.
    again = run(after.assignment, groups)
    assert again.assignment == after.assignment
    assert not again.merged_into
    assert not again.split_into
    assert not again.minted


def test_greedy_would_keep_fewer() -> None:
    # Overlaps A-x 3, A-y 2, B-x 2.
    old = dict.fromkeys(range(5), "A") | dict.fromkeys(range(5, 7), "B")
    after = run(old, [[0, 1, 2, 5, 6], [3, 4]])
    assert after.assignment[3] == "A"
    assert after.assignment[0] == "B"
    assert after.split_into == {"A": ("B",)}
    assert not after.merged_into


def test_merge_keeps_the_larger_and_on_a_tie_the_older() -> None:
    after = run({1: "young", 2: "old", 3: "young"}, [[1, 2, 3]])
    assert after.kept == ("young",)
    assert after.merged_into == {"old": "young"}
    after = run({5: "young", 2: "old"}, [[2, 5]])
    assert after.kept == ("old",)
    assert after.merged_into == {"young": "old"}


def test_split_keeps_the_id_with_the_larger_part_and_on_a_tie_the_older() -> None:
    after = run(dict.fromkeys(range(5), "a"), [[0, 1], [2, 3, 4]])
    assert after.assignment == {0: "new1", 1: "new1", 2: "a", 3: "a", 4: "a"}
    assert after.split_into == {"a": ("new1",)}
    after = run(dict.fromkeys(range(4), "a"), [[2, 3], [0, 1]])
    assert after.assignment[0] == "a"


def test_ties_between_several_ids_prefer_the_older() -> None:
    # Three ids with one article in each of two groups: one must go, and it is the youngest.
    old = {0: "a", 1: "a", 2: "b", 3: "b", 4: "c", 5: "c"}
    after = run(old, [[0, 2, 4], [1, 3, 5]])
    assert after.kept == ("a", "b")
    assert after.assignment[0] == "a"
    assert after.merged_into == {"c": "a"}
    assert after.split_into == {"a": ("b",), "b": ("a",), "c": ("b",)}


def test_a_large_tangle_is_solved() -> None:
    random = Random(3)
    old = {handle: f"old{random.randrange(400)}" for handle in range(6000)}
    parts: dict[int, list[int]] = {}
    for handle in range(6000):
        parts.setdefault(random.randrange(400), []).append(handle)
    after = run(old, list(parts.values()))
    kept = sum(old[handle] == new for handle, new in after.assignment.items())
    assert kept >= sum(
        old[handle] == new for handle, new in greedy_once(old, list(parts.values())).items()
    )
    assert len(after.kept) + len(after.minted) == 400


def greedy_once(old: dict[int, str], groups: list[list[int]]) -> dict[int, str]:
    taken: set[str] = set()
    result: dict[int, str] = {}
    for group in groups:
        ids = [old[handle] for handle in group if old[handle] not in taken]
        if ids:
            best = max(sorted(set(ids)), key=ids.count)
            taken.add(best)
            result |= dict.fromkeys(group, best)
    return result


def test_negative_handles_stand_for_new_articles() -> None:
    after = run({3: "a"}, [[-1, 3], [4]])
    assert after.assignment == {-1: "a", 3: "a", 4: "new1"}


def test_nothing_at_all() -> None:
    assert run({}, []) == Reconciliation({}, (), {}, {}, ())
    assert run({1: "a"}, []).merged_into == {}


@pytest.mark.parametrize("groups", [[[1], [1]], [[1, 1]], [[1], []]])
def test_groups_that_are_no_partition_are_refused(groups: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="disjoint"):
        run({}, groups)


def test_a_reused_id_is_refused() -> None:
    with pytest.raises(ValueError, match="never reused"):
        reconcile({1: "a", 9: "gone"}, [[1], [2]], lambda: "gone")
    with pytest.raises(ValueError, match="never reused"):
        reconcile({}, [[1], [2]], lambda: "same")


@settings(deadline=None)
@given(reclusterings(), st.randoms())
def test_pinned_articles_keep_their_id(
    case: tuple[dict[int, str], list[list[int]]], random: Random
) -> None:
    old, groups = case
    pinned: set[int] = set()
    asked: set[str] = set()
    for group in groups:
        free = [handle for handle in group if old.get(handle, "deleted") not in asked | {"deleted"}]
        if free and random.random() < 0.5:
            chosen = random.choice(free)
            asked.add(old[chosen])
            pinned.add(chosen)
    outcome = reconcile(old, groups, minter(), pinned=pinned)
    assert all(outcome.assignment[handle] == old[handle] for handle in pinned)
    ids = [{outcome.assignment[handle] for handle in group} for group in groups]
    assert all(len(found) == 1 for found in ids)
    assert len(set.union(set(), *ids)) == len(groups)
    # The others keep as many articles as they can with the groups and ids that are left.
    open_groups = [group for group in groups if pinned.isdisjoint(group)]
    left = {handle: name for handle, name in old.items() if name not in asked}
    kept = sum(
        outcome.assignment[handle] == old.get(handle) for group in open_groups for handle in group
    )
    assert kept == most_kept(left, open_groups)


def test_pinned_articles_that_contradict_one_another() -> None:
    with pytest.raises(ValueError, match="contradict"):
        reconcile({1: "a", 2: "b"}, [[1, 2]], minter(), pinned=[1, 2])
    with pytest.raises(ValueError, match="contradict"):
        reconcile({1: "a", 2: "a"}, [[1], [2]], minter(), pinned=[1, 2])


def test_a_pinned_minority_keeps_the_id_of_the_majority() -> None:
    outcome = reconcile({1: "a", 2: "a", 3: "a"}, [[1], [2, 3]], minter(), pinned=[1])
    assert outcome.assignment == {1: "a", 2: "new1", 3: "new1"}
    assert outcome.split_into == {"a": ("new1",)}
