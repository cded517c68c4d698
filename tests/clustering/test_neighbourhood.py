"""Units, blocks and the near-duplicate group of the neighbourhood around a new article."""

from __future__ import annotations

import pytest

from clustering.neighbourhood import NEW, Neighbourhood, RunnerUp, TouchedCluster
from tests.clustering.tables import TableRefinement, article, cluster


def neighbourhood(refinement: TableRefinement, *touched: TouchedCluster) -> Neighbourhood:
    return Neighbourhood(refinement, article("n"), touched)


def partition(groups: list[list[int]]) -> set[frozenset[int]]:
    return {frozenset(group) for group in groups}


def test_without_neighbours_the_article_is_alone() -> None:
    for touched in ((), (cluster("A", {}),)):
        alone = neighbourhood(TableRefinement({}), *touched)
        assert alone.link() == [[NEW]]
        assert alone.old_clusters() == {}
        assert alone.copied_group_id == ""
        assert alone.similarity_to([NEW]) is None
        assert alone.runner_up([NEW]) is None


def test_a_block_is_known_by_its_size() -> None:
    assert not cluster("A", {1: "a"}).is_block
    assert cluster("A", {1: "a"}, size=2).is_block


def test_stand_ins_count_for_members_that_are_not_known() -> None:
    made = neighbourhood(
        TableRefinement({"n a": 0.9}),
        cluster("B", {7: "b", 8: "x"}, size=4),
        cluster("A", {5: "a"}, size=3),
    )
    old = made.old_clusters()
    assert {handle: old[handle] for handle in (5, 7, 8)} == {5: "A", 7: "B", 8: "B"}
    stand_ins = sorted(handle for handle in old if handle < NEW)
    assert [old[handle] for handle in stand_ins] == ["A", "A", "B", "B"]  # the older the lower
    groups = partition(made.link())
    assert groups == {
        frozenset({NEW, 5, stand_ins[0], stand_ins[1]}),
        frozenset({7, 8, stand_ins[2], stand_ins[3]}),
    }


def test_the_size_of_a_block_weighs_in_its_mean() -> None:
    """Mean over the sample stands for all; as large as it is, it draws the line."""
    values = {"n a": 0.6, "n b": 0.6, "a b": 0.0, "n c": 0.55, "a c": 0.4, "b c": 0.4}
    # With n first joining the block of 10 (mean .6), c sees 10 x .4 + .55 over 11: no.
    whole = neighbourhood(
        TableRefinement(values), cluster("A", {1: "a", 2: "b"}, size=10), cluster("C", {3: "c"})
    )
    assert any({NEW, 1, 2} <= group and 3 not in group for group in partition(whole.link()))
    # A sample of one of a cluster of one: .4 and .55 over two, no; with .5 it would.
    values |= {"a c": 0.5, "b c": 0.5}
    closer = neighbourhood(TableRefinement(values), cluster("A", {1: "a"}), cluster("C", {3: "c"}))
    assert partition(closer.link()) == {frozenset({NEW, 1, 3})}


@pytest.mark.parametrize(
    ("copies", "expected"),
    [
        ([], ""),
        (["n a"], "g"),  # one of two
        (["n c"], ""),  # one of three
        (["n c", "n d"], "h"),
        (["n a", "n c", "n d"], "h"),  # more copies of it
        (["n f", "n a"], "g"),  # as many: the older
    ],
)
def test_the_group_of_which_it_copies_half(copies: list[str], expected: str) -> None:
    groups = {1: "g", 2: "g", 3: "h", 4: "h", 5: "h", 6: "z"}
    made = neighbourhood(
        TableRefinement({}, copies),
        cluster("B", {3: "c", 4: "d", 5: "e", 6: "f"}, groups=groups),
        cluster("A", {1: "a", 2: "b"}, groups=groups),
    )
    assert made.copied_group_id == expected


def test_a_copied_block_comes_whole() -> None:
    made = neighbourhood(
        TableRefinement({}, ["n a"]), cluster("A", {1: "a", 2: "b"}, size=5), cluster("C", {3: "c"})
    )
    assert made.copied_group_id == "d1"
    assert sorted(len(group) for group in made.link()) == [1, 6]


def test_similarity_is_the_mean_over_those_known() -> None:
    made = neighbourhood(
        TableRefinement({"n a": 0.3, "n b": 0.6, "n c": 0.1}, ["n c"]),
        cluster("A", {1: "a", 2: "b", 3: "c"}),
    )
    assert made.similarity_to([1, 2]) == 0.45
    assert made.similarity_to([1, 2, 99, NEW, -7]) == 0.45
    assert made.similarity_to([3]) == 1.0
    assert made.similarity_to([99]) is None


def test_the_runner_up_holds_none_of_its_own() -> None:
    made = neighbourhood(
        TableRefinement({"n a": 0.3, "n b": 0.6, "n c": 0.6}),
        cluster("A", {1: "a"}),
        cluster("B", {2: "b"}),
        cluster("C", {3: "c"}),
    )
    assert made.runner_up([2]) == RunnerUp("C", 0.6)
    assert made.runner_up([]) == RunnerUp("B", 0.6)  # of equals the oldest
    assert made.runner_up([2, 3]) == RunnerUp("A", 0.3)
    assert made.runner_up([1, 2, 3]) is None
