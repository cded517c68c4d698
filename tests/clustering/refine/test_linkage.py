"""Linkage against scipy's average linkage, a brute-force reading of the rule, and itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from clustering.errors import ConfigurationError
from clustering.refine.linkage import (
    MergeRule,
    first_appearance,
    link_blocks,
    link_dense,
    mean_between,
)
from clustering.refine.linkage_sparse import link_sparse

RULE = MergeRule(-1.8, 6.65, -1.83, 0.52)
NEAR = MergeRule(-0.8, 5.3, -4.5, -1.0, 0.03, -16.0, -9.8, 7.6, 4.5, -2.4, -1.6)
"""Weighs what is inside and around the groups too; stronger than what ships, so that it shows."""


def random_similarities(
    count: int, seed: int, *, decimals: int | None = None
) -> NDArray[np.float64]:
    generator = np.random.default_rng(seed)
    points = generator.normal(size=(count, 2))
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    matrix = np.asarray(np.exp(-distances), dtype=np.float64)
    matrix = matrix if decimals is None else matrix.round(decimals)
    return (matrix + matrix.T) / 2


def brute_force(
    matrix: NDArray[np.float64],
    rule: MergeRule,
    blocks: list[list[int]],
    cannot_link: list[tuple[int, int]],
) -> set[frozenset[int]]:
    """Read the definition aloud: everything anew from all pairs, every time."""
    groups = [sorted(block) for block in blocks]
    refused: set[tuple[tuple[int, ...], tuple[int, ...]]] = set()

    def mean(a: list[int], b: list[int]) -> float:
        return float(np.mean([matrix[x, y] for x in a for y in b]))

    def density(a: list[int]) -> float:
        inside = [matrix[x, y] for x in a for y in a if x < y]
        return float((sum(inside) + 2 * 0.6) / (len(inside) + 2) - 0.6)

    def outside(a: list[int], b: list[int]) -> float:
        others = [c for c in groups if c not in (a, b)]
        return math.log(1 + sum(len(c) * max(0.0, mean(a, c) - 0.3) for c in others))

    def logit(a: list[int], b: list[int]) -> float:
        if len(a) == len(b):
            w_small = w_large = (density(a) + density(b)) / 2
            o_small = o_large = (outside(a, b) + outside(b, a)) / 2
        else:
            small, large = sorted((a, b), key=len)
            w_small, w_large = density(small), density(large)
            o_small, o_large = outside(small, large), outside(large, small)
        s = mean(a, b)
        log_small, log_large = (math.log(size) for size in sorted((len(a), len(b))))
        return (
            rule.intercept
            + rule.similarity * s
            + (rule.log_smaller + rule.similarity_log_smaller * s) * log_small
            + (rule.log_larger + rule.similarity_log_larger * s) * log_large
            + rule.within_smaller * w_small
            + rule.within_larger * w_large
            + rule.outside_smaller * o_small
            + rule.outside_larger * o_large
        )

    while True:
        best: tuple[float, int, int] | None = None
        for a in groups:
            for b in groups:
                if a[0] >= b[0] or (tuple(a), tuple(b)) in refused:
                    continue
                if any((x in a and y in b) or (x in b and y in a) for x, y in cannot_link):
                    continue
                if mean(a, b) > rule.least_similarity and (
                    best is None or mean(a, b) > best[0] + 1e-12
                ):
                    best = (mean(a, b), a[0], b[0])
        if best is None:
            return {frozenset(group) for group in groups}
        a = next(group for group in groups if group[0] == best[1])
        b = next(group for group in groups if group[0] == best[2])
        if logit(a, b) <= 0:
            refused.add((tuple(a), tuple(b)))
            continue
        groups = sorted([g for g in groups if g not in (a, b)] + [sorted(a + b)])


def partition(labels: NDArray[np.integer]) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == k).tolist()) for k in np.unique(labels)}


def all_pairs(matrix: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    i, j = np.triu_indices(matrix.shape[0], k=1)
    return i.astype(np.int64), j.astype(np.int64)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("similarity_threshold", [0.2, 0.5, 0.7])
def test_a_plain_cut_is_scipys_average_linkage(seed: int, similarity_threshold: float) -> None:
    matrix = random_similarities(60, seed)
    condensed = squareform(1 - matrix, checks=False)
    expected = fcluster(linkage(condensed, "average"), 1 - similarity_threshold, "distance")
    found = link_dense(matrix, MergeRule.cut(similarity_threshold))
    assert partition(found) == partition(expected)
    assert len(partition(found)) not in (1, 60), "the input should have something to decide"


@given(st.integers(2, 14), st.integers(0, 10_000), st.booleans(), st.sampled_from([RULE, NEAR]))
@settings(max_examples=150, deadline=None)
def test_dense_and_sparse_read_the_rule_as_brute_force_does(
    count: int, seed: int, constrained: bool, rule: MergeRule
) -> None:
    matrix = random_similarities(count, seed)
    blocks = [[k] for k in range(count)]
    forbidden: list[tuple[int, int]] = []
    if constrained and count > 3:
        blocks = [[0, count - 1], *([k] for k in range(1, count - 1))]
        forbidden = [(0, 1), (2, count - 1)] if count > 3 else [(0, 1)]
    expected = brute_force(matrix, rule, blocks, forbidden)
    i, j = all_pairs(matrix)
    sparse = link_sparse(
        count,
        i,
        j,
        matrix[i, j],
        rule,
        lambda a, b: matrix[a, b],
        blocks=blocks,
        cannot_link=forbidden,
    )
    assert partition(sparse) == expected
    if not constrained:
        assert partition(link_dense(matrix, rule)) == expected


@pytest.mark.parametrize("seed", range(10))
def test_sparse_with_far_pairs_left_open_equals_dense(seed: int) -> None:
    """Pairs that were not proposed are measured when they matter, and only then."""
    matrix = random_similarities(70, seed)
    i, j = all_pairs(matrix)
    likely = matrix[i, j] > 0.3
    measured: list[int] = []

    def measure(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
        measured.append(a.size)
        return matrix[a, b]

    rule = MergeRule.cut(0.35)
    sparse = link_sparse(70, i[likely], j[likely], matrix[i, j][likely], rule, measure)
    assert partition(sparse) == partition(link_dense(matrix, rule))
    assert 0 < sum(measured) < np.count_nonzero(~likely), "open pairs measured: some, not all"


@pytest.mark.parametrize("seed", range(10))
def test_order_of_input_does_not_matter(seed: int) -> None:
    matrix = random_similarities(50, seed)
    order = np.random.default_rng(seed).permutation(50)
    straight = link_dense(matrix, RULE)
    shuffled = link_dense(matrix[np.ix_(order, order)], RULE)
    assert partition(straight) == {
        frozenset(int(order[k]) for k in group) for group in partition(shuffled)
    }


def test_equal_similarities_merge_in_order_of_position() -> None:
    """0-1 and 1-2 are equally alike: the first pair in order of position merges."""
    matrix = np.array([[1.0, 0.6, 0.0], [0.6, 1.0, 0.6], [0.0, 0.6, 1.0]])
    i, j = all_pairs(matrix)
    rule = MergeRule.cut(0.5)
    assert link_dense(matrix, rule).tolist() == [0, 0, 1]
    sparse = link_sparse(3, i, j, matrix[i, j], rule, lambda a, b: matrix[a, b])
    assert sparse.tolist() == [0, 0, 1]


@given(st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_ties_fall_alike_in_dense_and_sparse(seed: int) -> None:
    # Eighths are exact in binary, and so are the sums: nothing but the tie-break can differ.
    matrix = np.round(random_similarities(12, seed) * 8) / 8
    i, j = all_pairs(matrix)
    rule = MergeRule.cut(0.3)
    sparse = link_sparse(12, i, j, matrix[i, j], rule, lambda a, b: matrix[a, b])
    assert set(np.unique(sparse)) == set(range(sparse.max() + 1))
    assert sparse.tolist() == link_dense(matrix, rule).tolist()
    again = link_sparse(12, i[::-1], j[::-1], matrix[i, j][::-1], rule, lambda a, b: matrix[a, b])
    assert sparse.tolist() == again.tolist()


def test_a_chain_does_not_join_its_ends() -> None:
    """Each article resembles the next only: single linkage would make one cluster of ten."""
    matrix = np.eye(10)
    for k in range(9):
        matrix[k, k + 1] = matrix[k + 1, k] = 0.9
    labels = link_dense(matrix, MergeRule.cut(0.5))
    assert max(np.bincount(labels)) == 2


def test_sizes_stand_for_articles_not_shown() -> None:
    """Two groups at .5: joined as singletons, kept apart as clusters of ten."""
    matrix = np.array([[1.0, 0.5], [0.5, 1.0]])
    assert RULE.required_similarity(1, 1) < 0.5 < RULE.required_similarity(10, 10)
    assert link_dense(matrix, RULE).tolist() == [0, 0]
    assert link_dense(matrix, RULE, sizes=[10, 10]).tolist() == [0, 1]


def test_cannot_link_holds_through_merges() -> None:
    matrix = np.full((4, 4), 0.9)
    labels = link_dense(matrix, MergeRule.cut(0.5), cannot_link=[(0, 3)])
    assert labels[0] != labels[3]
    i, j = all_pairs(matrix)
    sparse = link_sparse(
        4,
        i,
        j,
        matrix[i, j],
        MergeRule.cut(0.5),
        lambda a, b: matrix[a, b],
        cannot_link=[(0, 3)],
    )
    assert sparse[0] != sparse[3]
    assert len(set(sparse.tolist())) == 2


def test_blocks_hold_against_the_evidence() -> None:
    matrix = np.eye(4)
    labels = link_sparse(
        4,
        np.zeros(0, dtype=np.int64),
        np.zeros(0, dtype=np.int64),
        np.zeros(0),
        RULE,
        lambda a, b: matrix[a, b],
        blocks=[[1, 3]],
    )
    assert labels.tolist() == [0, 1, 2, 1]


def test_nothing_and_one() -> None:
    none = np.zeros(0, dtype=np.int64)
    assert link_dense(np.zeros((0, 0)), RULE).tolist() == []
    assert link_dense(np.ones((1, 1)), RULE).tolist() == [0]
    assert link_sparse(0, none, none, np.zeros(0), RULE, lambda a, b: np.zeros(0)).tolist() == []


def test_first_appearance() -> None:
    assert first_appearance(np.array([7, 3, 7, 9, 3])).tolist() == [0, 1, 0, 2, 1]


def test_required_similarity_is_where_acceptance_begins() -> None:
    for sizes in [(1, 1), (1, 10), (10, 1), (3, 5)]:
        needed = RULE.required_similarity(*sizes)
        assert RULE.accepts(needed + 1e-9, *sizes)
        assert not RULE.accepts(needed - 1e-9, *sizes)


def test_bad_input_says_what_to_do() -> None:
    none = np.zeros(0, dtype=np.int64)
    with pytest.raises(ConfigurationError, match="square"):
        link_dense(np.zeros((2, 3)), RULE)
    with pytest.raises(ConfigurationError, match="finite"):
        link_dense(np.full((2, 2), np.nan), RULE)
    with pytest.raises(ConfigurationError, match="at least 1"):
        link_dense(np.zeros((2, 2)), RULE, sizes=[0, 1])
    with pytest.raises(ConfigurationError, match="two different ones of 2"):
        link_dense(np.zeros((2, 2)), RULE, cannot_link=[(0, 2)])
    with pytest.raises(ConfigurationError, match="out of range"):
        link_sparse(
            2, none, none, np.zeros(0), RULE, lambda a, b: a.astype(np.float64), blocks=[[0, 2]]
        )
    with pytest.raises(ConfigurationError, match="two blocks"):
        link_sparse(
            3,
            none,
            none,
            np.zeros(0),
            RULE,
            lambda a, b: a.astype(np.float64),
            blocks=[[0, 1], [1, 2]],
        )
    with pytest.raises(ConfigurationError, match="stand in one block"):
        link_sparse(
            2,
            none,
            none,
            np.zeros(0),
            RULE,
            lambda a, b: a.astype(np.float64),
            blocks=[[0, 1]],
            cannot_link=[(0, 1)],
        )
    with pytest.raises(ConfigurationError, match="positive coefficient"):
        MergeRule(0.0, -1.0, 0.0, 0.0)
    with pytest.raises(ConfigurationError, match="finite"):
        MergeRule(math.nan, 1.0, 0.0, 0.0)


def test_blocks_are_linked_as_their_means_are() -> None:
    generator = np.random.default_rng(12)
    joined = 0
    for articles in (1, 2, 9, 30, 30, 30):
        matrix = generator.random((articles, articles)).astype(np.float32)
        matrix = np.maximum(matrix, matrix.T)
        _, block_of = np.unique(generator.integers(0, articles, articles), return_inverse=True)
        block_of = block_of.astype(np.int64)
        counts = np.bincount(block_of)
        sizes = counts + generator.integers(0, 3, counts.size) * 10
        apart = [(0, counts.size - 1)] if counts.size > 1 else []
        means, within = mean_between(matrix, block_of, counts)
        expected = link_dense(means, RULE, sizes=sizes, within_means=within, cannot_link=apart)
        found = link_blocks(matrix, block_of, sizes, RULE, cannot_link=apart)
        assert found.tolist() == expected.tolist()
        joined += counts.size - np.unique(found).size
    assert joined > 3


def test_blocks_that_do_not_fit_are_refused() -> None:
    matrix, block_of = np.ones((3, 3), dtype=np.float32), np.array([0, 0, 1])
    with pytest.raises(ConfigurationError, match="its sample or more"):
        link_blocks(matrix, block_of, np.array([1, 1]), RULE)
    with pytest.raises(ConfigurationError, match="two different ones of 2"):
        link_blocks(matrix, block_of, np.array([2, 1]), RULE, cannot_link=[(0, 2)])
    matrix[0, 2] = np.nan
    with pytest.raises(ConfigurationError, match="finite"):
        link_blocks(matrix, block_of, np.array([2, 1]), RULE)
