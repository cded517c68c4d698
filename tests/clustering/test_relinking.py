"""Clusters linked again under constraints: brute-force invariants, and cases worked out by hand."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering.constraints import CannotLink, Constraint, Constraints, MustLink, NotInCluster
from clustering.errors import ConfigurationError
from clustering.neighbourhood import Neighbourhood, TouchedCluster
from clustering.online import Decider, Outcome
from clustering.relinking import Relinking, relink
from tests.clustering.tables import TableRefinement, article, cluster, minter


def relinked(
    refinement: TableRefinement, items: list[Constraint[int]], *touched: TouchedCluster
) -> Relinking:
    return relink(
        refinement,
        touched,
        Constraints(items),
        hidden_groups={handle: f"d{handle}" for item in touched for handle in item.hidden},
        mint_cluster_id=minter("new"),
        mint_duplicate_group_id=minter("group"),
    )


ALIKE = {"a b": 0.9, "a c": 0.9, "b c": 0.9}


def test_a_cannot_link_parts_a_cluster() -> None:
    made = relinked(
        TableRefinement({**ALIKE, "a c": 0.7}),
        [CannotLink("k", 1, 2)],
        cluster("A", {1: "a", 2: "b", 3: "c"}),
    )
    # c is more like b: the two outnumber a, and keep the id.
    assert made.moves == {1: "new1"}
    assert made.split_into == {"A": ["new1"]}
    assert made.merged_into == {}
    assert made.group_moves == {}


def test_a_must_link_joins_clusters_and_the_larger_keeps_its_id() -> None:
    made = relinked(
        TableRefinement({"b c": 0.9}),
        [MustLink("k", (1, 2))],
        cluster("A", {1: "a"}),
        cluster("B", {2: "b", 3: "c"}, groups={2: "g", 3: "g"}),
    )
    assert made.moves == {1: "B"}
    assert made.merged_into == {"A": "B"}


def test_nothing_to_link_changes_nothing() -> None:
    assert relinked(TableRefinement({}), []) == Relinking()
    made = relinked(TableRefinement(ALIKE), [], cluster("A", {1: "a", 2: "b", 3: "c"}))
    assert made == Relinking({}, {}, {}, {})


def test_an_article_kept_out_never_keeps_the_id() -> None:
    """Of two parts as large the oldest would keep it, and that is the one to go."""
    made = relinked(
        TableRefinement(ALIKE),
        [NotInCluster("k", 1, "A", (2,))],
        cluster("A", {1: "a", 2: "b"}),
    )
    assert made.moves == {1: "new1"}
    assert made.split_into == {"A": ["new1"]}


def test_copies_are_parted_and_the_rest_stays_together() -> None:
    groups = dict.fromkeys(range(1, 6), "g")
    names = {handle: "abcde"[handle - 1] for handle in groups}
    values = {f"{x} {y}": 1.0 for x, y in combinations("abcde", 2)}
    made = relinked(
        TableRefinement(values), [CannotLink("k", 1, 5)], cluster("A", names, groups=groups)
    )
    moved = set(made.moves)
    assert len({1, 5} & moved) == 1
    assert {2, 3, 4} & moved == set()
    assert made.group_moves == dict.fromkeys(moved, "group1")


def test_hidden_members_stay_with_the_known_ones() -> None:
    large = TouchedCluster("A", 6, cluster("A", {4: "a", 5: "b", 6: "c"}).members, hidden=(1, 2, 3))
    made = relinked(TableRefinement(ALIKE), [NotInCluster("k", 6, "A", (1, 2, 3, 4, 5))], large)
    assert made.moves == {6: "new1"}
    # Of two that are at odds, one hidden, the known one goes.
    made = relinked(TableRefinement(ALIKE), [CannotLink("k", 1, 6)], large)
    assert made.moves == {6: "new1"}
    with pytest.raises(ConfigurationError, match="told apart"):
        relinked(TableRefinement(ALIKE), [CannotLink("k", 1, 2)], large)


PAIRS = [f"{x} {y}" for x, y in combinations("abcdefgh", 2)]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from("ABC"), min_size=8, max_size=8),
    st.lists(st.integers(1, 3), min_size=8, max_size=8),
    st.lists(st.floats(0, 1), min_size=len(PAIRS), max_size=len(PAIRS)),
    st.lists(
        st.tuples(
            st.sampled_from("mcn"),
            st.lists(st.integers(1, 8), min_size=2, max_size=2, unique=True),
            st.sampled_from("ABC"),
        ),
        max_size=5,
    ),
)
def test_constraints_hold_whatever_the_evidence(
    homes: list[str],
    groups: list[int],
    values: list[float],
    said: list[tuple[str, list[int], str]],
) -> None:
    items: list[Constraint[int]] = []
    for number, (kind, (first, second), cluster_id) in enumerate(said):
        item: Constraint[int]
        if kind == "m":
            item = MustLink(f"{number}", (first, second))
        elif kind == "c":
            item = CannotLink(f"{number}", first, second)
        else:
            members = tuple(h for h in range(1, 9) if homes[h - 1] == cluster_id and h != first)
            item = NotInCluster(f"{number}", first, cluster_id, members)
        if not Constraints([*items, item]).contradiction():
            items.append(item)
    touched = []
    for name in sorted(set(homes)):
        held = {h: "abcdefgh"[h - 1] for h in range(1, 9) if homes[h - 1] == name}
        copies = {h: f"{name}{groups[h - 1]}" for h in held}
        touched.append(cluster(name, held, groups=copies))
    made = relinked(TableRefinement(dict(zip(PAIRS, values, strict=True))), items, *touched)
    after = {h: made.moves.get(h, homes[h - 1]) for h in range(1, 9)}
    for item in items:
        match item:
            case MustLink():
                assert len({after[h] for h in item.articles}) == 1
            case CannotLink():
                assert after[item.first] != after[item.second]
            case NotInCluster():
                assert after[item.article] != item.cluster_id
                assert all(after[item.article] != after[h] for h in item.members)
    # Lineage follows the articles, and a near-duplicate group lies within one cluster.
    for old in set(homes):
        went = {after[h] for h in range(1, 9) if homes[h - 1] == old}
        told = {old, made.merged_into.get(old, old), *made.split_into.get(old, ())}
        assert went <= told
        assert (old in made.merged_into) <= (old not in after.values())
    placed = defaultdict(set)
    for handle, home in after.items():
        group = f"{homes[handle - 1]}{groups[handle - 1]}"
        placed[made.group_moves.get(handle, group)].add(home)
    assert all(len(where) == 1 for where in placed.values())


def test_a_decision_keeps_what_is_said_of_hidden_members_of_blocks() -> None:
    """The new article is like both clusters; members that no one sees here keep them apart."""
    values = {"n a": 0.9, "n b": 0.9, "a b": 0.9}
    touched = (
        TouchedCluster("A", 9, cluster("A", {5: "a"}).members, hidden=(1,)),
        TouchedCluster("B", 9, cluster("B", {6: "b"}).members, hidden=(2,)),
    )
    refinement = TableRefinement(values)
    together = Neighbourhood(refinement, article("n"), touched)
    assert len(together.link()) == 1
    apart = Neighbourhood(
        refinement, article("n"), touched, constraints=Constraints([CannotLink("k", 1, 2)])
    )
    assert len(apart.link()) == 2


def test_a_copy_of_what_it_must_not_be_with_is_no_copy() -> None:
    decision = Decider(TableRefinement({"n a": 0.9}, ["n a"])).decide(
        article("n"),
        [cluster("A", {1: "a"})],
        mint_cluster_id=minter("new"),
        mint_duplicate_group_id=minter("group"),
        constraints=Constraints([CannotLink("k", 1, 7)]),
        constrained_as=7,
    )
    assert (decision.cluster_id, decision.duplicate_group_id) == ("new1", "group1")
    assert decision.outcome is Outcome.CREATED


def test_an_article_kept_out_of_a_cluster_is_kept_out_of_all_its_members() -> None:
    refinement = TableRefinement({"n a": 0.9, "n b": 0.9, "a b": 0.9})
    said = Constraints([NotInCluster("k", 7, "A", ())])
    decision = Decider(refinement).decide(
        article("n"),
        [cluster("A", {1: "a"}), cluster("B", {2: "b"})],
        mint_cluster_id=minter("new"),
        mint_duplicate_group_id=minter("group"),
        constraints=said,
        constrained_as=7,
    )
    assert decision.cluster_id != "A"
