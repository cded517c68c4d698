"""Measures against brute force over all pairs, and against scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from clustering.metrics import (
    adjusted_rand_index,
    bcubed,
    candidate_recall,
    id_churn,
    pairwise,
)

PARTITIONS = st.integers(0, 30).flatmap(
    lambda size: st.tuples(
        *[st.lists(st.integers(0, 6), min_size=size, max_size=size) for _ in range(2)]
    )
)


@settings(deadline=None)
@given(PARTITIONS)
def test_bcubed_is_the_mean_over_items(labels: tuple[list[int], list[int]]) -> None:
    true, predicted = labels
    items = range(len(true))
    precisions, recalls = [], []
    for item in items:
        cluster = [other for other in items if predicted[other] == predicted[item]]
        category = [other for other in items if true[other] == true[item]]
        both = len(set(cluster) & set(category))
        precisions.append(both / len(cluster))
        recalls.append(both / len(category))
    result = bcubed(true, predicted)
    assert result.precision == pytest.approx(np.mean(precisions) if precisions else 1)
    assert result.recall == pytest.approx(np.mean(recalls) if recalls else 1)


@settings(deadline=None)
@given(PARTITIONS)
def test_pairwise_counts_pairs(labels: tuple[list[int], list[int]]) -> None:
    true, predicted = labels
    pairs = list(combinations(range(len(true)), 2))
    right = {pair for pair in pairs if true[pair[0]] == true[pair[1]]}
    given_pairs = {pair for pair in pairs if predicted[pair[0]] == predicted[pair[1]]}
    result = pairwise(true, predicted)
    both = len(right & given_pairs)
    assert result.precision == pytest.approx(both / len(given_pairs) if given_pairs else 1)
    assert result.recall == pytest.approx(both / len(right) if right else 1)


@settings(deadline=None)
@given(PARTITIONS)
def test_adjusted_rand_index_is_scikit_learns(labels: tuple[list[int], list[int]]) -> None:
    true, predicted = labels
    assert adjusted_rand_index(true, predicted) == pytest.approx(
        adjusted_rand_score(true, predicted)
    )


def test_worked_example() -> None:
    # Two clusters of three, one article misplaced.
    true = ["a", "a", "a", "b", "b", "b"]
    predicted = [1, 1, 2, 2, 2, 2]
    result = bcubed(true, predicted)
    assert result.precision == pytest.approx((1 + 1 + 1 / 4 + 3 * 3 / 4) / 6)
    assert result.recall == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 3) / 6)
    assert result.f1 == pytest.approx(
        2 * result.precision * result.recall / (result.precision + result.recall)
    )
    assert pairwise(true, predicted).precision == pytest.approx(4 / 7)
    assert pairwise(true, predicted).recall == pytest.approx(4 / 6)


@pytest.mark.parametrize("labels", [[], ["a"], ["a", "b", "c"], ["a", "a", "a"], [("a", 1), None]])
def test_equal_partitions_are_perfect(labels: list[object]) -> None:
    renamed = [repr(label) for label in labels]
    assert bcubed(labels, renamed).f1 == 1
    assert pairwise(labels, renamed).f1 == 1
    assert adjusted_rand_index(labels, renamed) == 1
    assert id_churn(labels, labels) == 0


def test_nothing_right_has_f1_zero() -> None:
    assert pairwise(["a", "a", "b", "b"], [1, 2, 1, 2]).f1 == 0


@pytest.mark.parametrize("measure", [bcubed, pairwise, adjusted_rand_index, id_churn])
def test_unequal_lengths_are_refused(measure: object) -> None:
    assert callable(measure)
    with pytest.raises(ValueError, match="length"):
        measure([1, 2], [1])


PAIRS = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=60)


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=15, max_size=15), PAIRS)
def test_candidate_recall_by_brute_force(labels: list[int], pairs: list[tuple[int, int]]) -> None:
    proposed = {(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]}
    right = {pair for pair in combinations(range(15), 2) if labels[pair[0]] == labels[pair[1]]}
    shares, any_found = [], []
    for article in range(15):
        companions = {pair for pair in right if article in pair}
        if companions:
            shares.append(len(companions & proposed) / len(companions))
            any_found.append(bool(companions & proposed))
    result = candidate_recall(labels, *zip(*pairs, strict=True) if pairs else ([], []))
    assert result.pair_recall == pytest.approx(len(right & proposed) / len(right) if right else 1)
    assert result.article_recall == pytest.approx(np.mean(shares) if shares else 1)
    assert result.articles_with_candidate == pytest.approx(np.mean(any_found) if shares else 1)
    assert result.pair_precision == pytest.approx(
        len(right & proposed) / len(proposed) if proposed else 1
    )


@pytest.mark.parametrize(("first", "second"), [([0], [2]), ([-1], [0]), ([0], []), ([[0]], [[1]])])
def test_bad_pairs_are_refused(first: Sequence[object], second: Sequence[object]) -> None:
    with pytest.raises(ValueError, match=r"must"):
        candidate_recall(["a", "a"], np.array(first), np.array(second))


def test_candidates_of_nobody() -> None:
    assert candidate_recall([], [], []).pair_recall == 1


def test_id_churn_counts_articles_whose_id_changed() -> None:
    assert id_churn(["a", "a", "b", "c"], ["a", "b", "b", "d"]) == 0.5


def test_cost_is_not_quadratic() -> None:
    # Two clusters of 300,000: 90 billion pairs.
    labels = np.arange(600_000) % 2
    begin = perf_counter()
    assert pairwise(labels.tolist(), labels.tolist()).f1 == 1
    assert adjusted_rand_index(labels.tolist(), labels.tolist()) == 1
    assert perf_counter() - begin < 8
