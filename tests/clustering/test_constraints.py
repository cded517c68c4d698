"""Constraints against networkx and brute force: groups, chains, projections, withheld moves."""

from __future__ import annotations

from itertools import combinations, pairwise

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustering.constraints import (
    CannotLink,
    Constraint,
    Constraints,
    MustLink,
    NotInCluster,
)
from clustering.errors import ConfigurationError

ARTICLES = st.integers(0, 9)
CLUSTERS = st.sampled_from("ABC")
MUST = st.builds(
    MustLink[int],
    st.uuids().map(str),
    st.lists(ARTICLES, min_size=2, max_size=4, unique=True).map(tuple),
)
CANNOT = st.lists(ARTICLES, min_size=2, max_size=2, unique=True).flatmap(
    lambda pair: st.builds(CannotLink[int], st.uuids().map(str), st.just(pair[0]), st.just(pair[1]))
)
NOT_IN = st.lists(ARTICLES, min_size=1, max_size=4, unique=True).flatmap(
    lambda some: st.builds(
        NotInCluster[int],
        st.uuids().map(str),
        st.just(some[0]),
        CLUSTERS,
        st.just(tuple(some[1:])),
    )
)
SETS = st.lists(st.one_of(MUST, CANNOT, NOT_IN), max_size=8)
HOMES = st.dictionaries(ARTICLES, CLUSTERS)


def must_graph(items: list[Constraint[int]]) -> nx.Graph:
    graph = nx.Graph()
    graph.add_nodes_from(range(10))
    for item in items:
        if isinstance(item, MustLink):
            graph.add_edges_from(combinations(item.articles, 2))
    return graph


def said_apart(items: list[Constraint[int]]) -> set[tuple[int, int, str]]:
    pairs = set()
    for item in items:
        if isinstance(item, CannotLink):
            pairs.add((item.first, item.second, item.constraint_id))
        elif isinstance(item, NotInCluster):
            pairs |= {(item.article, member, item.constraint_id) for member in item.members}
    return pairs


@given(SETS)
def test_groups_are_the_connected_components(items: list[Constraint[int]]) -> None:
    made = Constraints(items)
    components = {frozenset(group) for group in nx.connected_components(must_graph(items))}
    assert {frozenset(group) for group in made.must_groups()} == {
        group for group in components if len(group) > 1
    }
    for article in range(10):
        assert frozenset(made.together(article)) in components


@given(SETS)
def test_a_chain_is_a_shortest_proof(items: list[Constraint[int]]) -> None:
    graph = must_graph(items)
    at_odds = [
        (first, second)
        for first, second, _ in said_apart(items)
        if nx.has_path(graph, first, second)
    ]
    chain = Constraints(items).contradiction()
    assert bool(chain) == bool(at_odds)
    if not chain:
        return
    shortest = min(nx.shortest_path_length(graph, first, second) for first, second in at_odds)
    assert len(chain) == shortest + 1
    assert all(before.second == after.first for before, after in pairwise(chain))
    assert chain[-1].second == chain[0].first
    by_id = {item.constraint_id: item for item in items}
    for link in chain[:-1]:
        item = by_id[link.constraint_id]
        assert link.together
        assert isinstance(item, MustLink)
        assert {link.first, link.second} <= set(item.articles)
    last = chain[-1]
    assert not last.together
    assert (last.second, last.first, last.constraint_id) in said_apart(items)


@given(SETS, HOMES)
def test_pairs_against_brute_force(items: list[Constraint[int]], homes: dict[int, str]) -> None:
    made = Constraints(items)
    graph = must_graph(items)
    expected = {
        frozenset((first, second))
        for first, second, _ in said_apart(items)
        if first in homes and second in homes
    }
    for item in items:
        if isinstance(item, NotInCluster) and item.article in homes:
            expected |= {
                frozenset((item.article, other))
                for other, home in homes.items()
                if home == item.cluster_id and not nx.has_path(graph, item.article, other)
            }
    assert made.cannot_link_pairs(homes) == expected
    said = {frozenset(pair[:2]) for pair in said_apart(items)}
    for article in range(10):
        kept_out = {
            item.cluster_id
            for item in items
            if isinstance(item, NotInCluster) and item.article == article
        }
        assert made.apart(article, homes) == {
            other
            for other in range(10)
            if frozenset((article, other)) in said
            or (homes.get(other) in kept_out and not nx.has_path(graph, article, other))
        }


@given(SETS, HOMES, st.lists(st.integers(0, 4), min_size=10, max_size=10))
def test_projection_against_brute_force(
    items: list[Constraint[int]], homes: dict[int, str], unit_of: list[int]
) -> None:
    units = [[article for article in range(10) if unit_of[article] == k] for k in range(5)]
    made = Constraints(items).project(units, homes)
    graph = must_graph(items)
    for unit in units:
        graph.add_edges_from(pairwise(unit))
    components = list(nx.connected_components(graph))
    blocks = [{article for k in block for article in units[k]} for block in made.blocks]
    # Units without articles are blocks of their own.
    assert {frozenset(block) for block in blocks if block} == set(map(frozenset, components))
    assert sorted(k for block in made.blocks for k in block) == list(range(5))
    block_of = {article: k for k, block in enumerate(blocks) for article in block}
    pairs = {tuple(pair) for pair in Constraints(items).cannot_link_pairs({**homes})}
    pairs |= {(first, second) for first, second, _ in said_apart(items)}
    expected = {tuple(sorted((block_of[a], block_of[b]))) for a, b in pairs}
    for item in items:
        if isinstance(item, NotInCluster):
            expected |= {
                tuple(sorted((block_of[item.article], block_of[other])))
                for other, home in homes.items()
                if home == item.cluster_id
                and other not in Constraints(items).together(item.article)
            }
    assert set(made.cannot_link) == {(a, b) for a, b in expected if a != b}
    assert made.broken == any(a == b for a, b in expected)


def test_forbidden_clusters_hold_for_the_whole_group() -> None:
    items: list[Constraint[int]] = [MustLink("m", (1, 2)), NotInCluster("n", 1, "A", (5,))]
    made = Constraints(items)
    assert made.forbidden_clusters(2) == {"A"}
    assert made.forbidden_clusters(5) == set()
    assert made.named == {1, 2, 5}
    assert len(made) == 2


def test_nothing_said_is_nothing_asked() -> None:
    made = Constraints[int]()
    assert made.contradiction() == ()
    assert made.must_groups() == []
    assert made.project([[1], [2]], {}).blocks == ((0,), (1,))
    assert made.named == frozenset()


@pytest.mark.parametrize(
    "item", [MustLink("m", (1,)), MustLink("m", (1, 1)), CannotLink("c", 1, 1)]
)
def test_constraints_that_say_nothing_are_refused(item: Constraint[int]) -> None:
    with pytest.raises(ConfigurationError, match="different"):
        Constraints([item])
