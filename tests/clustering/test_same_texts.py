"""Near-duplicate groups are those that average linkage finds, pair by pair."""

from __future__ import annotations

from typing import cast

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clustering.refine import Comparison, MergeRule
from clustering.refine.linkage_sparse import link_sparse
from clustering.same_texts import duplicate_groups, near_duplicates

Int64Array = NDArray[np.int64]


class Answers:
    """Articles of which is known, pair by pair, whether they carry the same text."""

    def __init__(self, same: NDArray[np.bool_]) -> None:
        self.same = same
        self.asked = 0

    def near_duplicates(self, first: Int64Array, second: Int64Array) -> NDArray[np.bool_]:
        self.asked += 1
        answers: NDArray[np.bool_] = self.same[first, second]
        return answers


def made_answers(count: int, texts: int, wrong_share: float, seed: int) -> Answers:
    """Return answers that follow some texts, but for a share of the pairs."""
    generator = np.random.default_rng(seed)
    text = generator.integers(0, texts, count)
    same = text[:, None] == text
    other = np.triu(generator.random((count, count)) < wrong_share, k=1)
    return Answers(same ^ (other | other.T))


def asked_when_it_matters(
    answers: Answers,
    labels: Int64Array,
    first: Int64Array,
    second: Int64Array,
    identical: list[list[int]],
) -> Int64Array:
    """Group as before anything was asked ahead of time: the linkage asks for all that it lacks."""
    known = answers.same[first, second] & (labels[first] == labels[second])
    first, second = first[known], second[known]
    return link_sparse(
        labels.size,
        first,
        second,
        np.ones(first.size),
        MergeRule.cut(0.5),
        lambda i, j: (answers.same[i, j] & (labels[i] == labels[j])).astype(np.float64),
        blocks=identical,
        most_members_measured=128,
    )


@settings(max_examples=150, deadline=None)
@given(
    count=st.integers(1, 40),
    texts=st.integers(1, 12),
    wrong_share=st.sampled_from([0.0, 0.05, 0.3]),
    proposed_share=st.sampled_from([0.2, 0.6, 1.0]),
    clusters=st.sampled_from([1, 3]),
    block_size=st.integers(0, 4),
    threads=st.sampled_from([1, 3]),
    seed=st.integers(0, 10_000),
)
def test_what_is_asked_ahead_of_time_changes_nothing(
    count: int,
    texts: int,
    wrong_share: float,
    proposed_share: float,
    clusters: int,
    block_size: int,
    threads: int,
    seed: int,
) -> None:
    generator = np.random.default_rng(seed)
    answers = made_answers(count, texts, wrong_share, seed)
    labels = generator.integers(0, clusters, count)
    first, second = np.triu_indices(count, k=1)
    proposed = generator.random(first.size) < proposed_share
    first, second = first[proposed], second[proposed]
    of_one = np.flatnonzero(labels == labels[0])[:block_size]
    identical = [of_one.tolist()] if of_one.size > 1 else []
    comparison = cast("Comparison", answers)
    same = near_duplicates(comparison, first, second, threads=threads)
    groups = duplicate_groups(
        comparison, labels, first[same], second[same], identical, 128, threads
    )
    assert groups.tolist() == (
        asked_when_it_matters(answers, labels, first, second, identical).tolist()
    )


def test_the_linkage_has_nothing_left_to_ask() -> None:
    # Fifty texts, each with four articles of which a chain of three pairs was proposed.
    answers = made_answers(200, 200, 0.0, 0)
    first = np.concatenate([np.arange(k, 200, 4) for k in range(3)])
    answers.same[first, first + 1] = answers.same[first + 1, first] = True
    labels = np.zeros(200, dtype=np.int64)
    comparison = cast("Comparison", answers)
    assert near_duplicates(comparison, first, first + 1, threads=1).all()
    groups = duplicate_groups(comparison, labels, first, first + 1, [], 128, 1)
    # Two and two: the middle pair alone is less than half of what lies between them.
    assert np.bincount(groups).tolist() == [2] * 100
    # Once for the pairs that were proposed, and once for all others.
    assert answers.asked == 2
