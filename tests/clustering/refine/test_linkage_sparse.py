"""The compiled sparse linkage against the same linkage in plain Python, merge for merge."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clustering.errors import ConfigurationError
from clustering.refine import linkage_loops, linkage_sparse
from clustering.refine.linkage import MergeRule
from clustering.refine.linkage_sparse import link_sparse
from tests.clustering.refine import linkage_reference

Int64Array = NDArray[np.int64]
RULES = (
    MergeRule(-1.8, 6.65, -1.83, 0.52),
    MergeRule(-1.8, 6.65, -0.3, 0.1),
    MergeRule.cut(0.35),
    MergeRule.cut(0.5),
    MergeRule(
        -1.8,
        6.65,
        -0.6,
        0.3,
        within_smaller=-2.0,
        within_larger=-1.0,
        similarity_log_larger=0.2,
        outside_smaller=-0.5,
        outside_larger=-0.3,
    ),
)


def sparse_graph(
    count: int, share: float, levels: int, generator: np.random.Generator
) -> tuple[NDArray[np.float32], Int64Array, Int64Array]:
    """Return similarities of articles in the plane, and the pairs that were proposed.

    Rounded to ``levels`` steps, so that ties are many and holes may be more alike than what is
    known, which the linkage does not expect but must treat the same way every time.
    """
    points = generator.normal(size=(count, 2))
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    matrix = (np.round(np.exp(-distances) * levels) / levels).astype(np.float32)
    i, j = np.triu_indices(count, k=1)
    proposed = generator.random(i.size) < share * np.sqrt(matrix[i, j])
    order = generator.permutation(np.flatnonzero(proposed))
    swap = generator.random(order.size) < 0.5
    first, second = np.where(swap, j[order], i[order]), np.where(swap, i[order], j[order])
    return matrix, first.astype(np.int64), second.astype(np.int64)


def constraints(
    count: int, generator: np.random.Generator
) -> tuple[list[list[int]], list[tuple[int, int]]]:
    """Return must-link blocks of one to five articles, and cannot-links that respect them."""
    order = generator.permutation(count).tolist()
    blocks = []
    for _ in range(int(generator.integers(0, 4))):
        size = int(generator.integers(1, 6))
        if len(order) > size:
            blocks.append([order.pop() for _ in range(size)])
    block_of = {article: k for k, block in enumerate(blocks) for article in block}
    forbidden = []
    for _ in range(int(generator.integers(0, 6))):
        a, b = generator.integers(0, count, 2).tolist()
        if a != b and block_of.get(a, -1) != block_of.get(b, -2):
            forbidden.append((a, b))
    return blocks, forbidden


@given(
    st.integers(2, 60),
    st.integers(0, 100_000),
    st.sampled_from([0.2, 0.6, 1.0]),
    st.sampled_from([4, 16, 10_000]),
    st.sampled_from(RULES),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_it_is_the_linkage_in_plain_python(
    count: int, seed: int, share: float, levels: int, rule: MergeRule, constrained: bool
) -> None:
    generator = np.random.default_rng(seed)
    matrix, first, second = sparse_graph(count, share, levels, generator)
    blocks, forbidden = constraints(count, generator) if constrained else ([], [])
    labels = [
        link(
            count,
            first,
            second,
            matrix[first, second],
            rule,
            lambda a, b: matrix[a, b],
            blocks=blocks,
            cannot_link=forbidden,
        ).tolist()
        for link in (link_sparse, linkage_reference.link_sparse)
    ]
    assert labels[0] == labels[1]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rule", [RULES[1], RULES[4]])
def test_so_it_is_for_many_articles_with_little_room(
    rule: MergeRule, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of pairs, so that heap and holes grow and void entries are discarded."""
    monkeypatch.setattr(linkage_sparse, "_LEAST_CAPACITY", 1)
    generator = np.random.default_rng(seed)
    count = 400
    matrix, first, second = sparse_graph(count, 0.3, 1_000, generator)
    blocks, forbidden = constraints(count, generator)
    grown = 0

    def counted(state: linkage_loops.LinkageState) -> linkage_loops.LinkageState:
        nonlocal grown
        grown += 1
        return original(state)

    original = linkage_sparse._grown
    monkeypatch.setattr(linkage_sparse, "_grown", counted)
    labels = [
        link(
            count,
            first,
            second,
            matrix[first, second],
            rule,
            lambda a, b: matrix[a, b],
            blocks=blocks,
            cannot_link=forbidden,
        )
        for link in (link_sparse, linkage_reference.link_sparse)
    ]
    assert labels[0].tolist() == labels[1].tolist()
    assert 10 < labels[0].max() < count - 10
    assert grown > 0


def test_what_is_outside_of_a_group_can_forbid_its_merge() -> None:
    """Two articles alike at .62; a third, as near to one of them, is another event's."""
    near = MergeRule(-3.0, 5.0, 0.0, 0.0, outside_smaller=-2.0, outside_larger=-2.0)
    first, second = np.array([0, 1]), np.array([1, 2])

    def linked(similarities: list[float]) -> list[int]:
        known = np.array(similarities)
        labels = link_sparse(3, first, second, known, near, lambda a, b: np.zeros(a.size))
        return [int(label) for label in labels]

    assert linked([0.62, 0.2]) == [0, 0, 1]
    assert linked([0.62, 0.61]) == [0, 1, 2]


def test_how_many_are_measured_together_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, first, second = sparse_graph(200, 0.3, 1_000, np.random.default_rng(5))
    calls: list[int] = []

    def measure(a: Int64Array, b: Int64Array) -> NDArray[np.float32]:
        calls.append(a.size)
        return matrix[a, b]

    results = []
    for scanned in (1, 7, 512):
        monkeypatch.setattr(linkage_sparse, "_SCANNED", scanned)
        calls.clear()
        labels = link_sparse(200, first, second, matrix[first, second], RULES[0], measure)
        results.append((labels.tolist(), len(calls)))
    assert results[0][0] == results[1][0] == results[2][0]
    assert results[0][1] > 2 * results[2][1] > 0


def test_what_is_given_is_not_changed() -> None:
    matrix, first, second = sparse_graph(60, 0.5, 1_000, np.random.default_rng(2))
    similarities = matrix[first, second].astype(np.float64)
    given = first.copy(), second.copy(), similarities.copy()
    link_sparse(60, first, second, similarities, RULES[1], lambda a, b: matrix[a, b])
    for array, before in zip((first, second, similarities), given, strict=True):
        assert array.tolist() == before.tolist()


def test_large_blocks_are_measured_in_bounded_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linkage_sparse, "_CHUNK_POSITIONS", 100)
    matrix, first, second = sparse_graph(90, 0.5, 1_000, np.random.default_rng(6))
    sizes: list[int] = []

    def measure(a: Int64Array, b: Int64Array) -> NDArray[np.float32]:
        sizes.append(a.size)
        return matrix[a, b]

    blocks = [list(range(30)), list(range(30, 60)), [60, 61]]
    arguments = (90, first, second, matrix[first, second], RULES[2])
    labels = link_sparse(*arguments, measure, blocks=blocks)
    assert 900 in sizes, "two blocks of thirty are one piece"
    assert all(size <= 100 or size == 900 for size in sizes[: sizes.index(900) + 1])
    expected = linkage_reference.link_sparse(*arguments, measure, blocks=blocks)
    assert labels.tolist() == expected.tolist()


def test_members_that_stand_for_large_groups_are_few_and_stand_for_all() -> None:
    """Two blocks of fifty at .6, and one at .1 to both: ten of each tell as much as all."""
    side = np.repeat([0, 1, 2], 50)
    noise = np.random.default_rng(8).normal(0, 0.02, (150, 150))
    near = (side[:, None] < 2) & (side[None] < 2)
    matrix = np.where(near, 0.6, 0.1) + (noise + noise.T) / 2
    blocks = [list(range(begin, begin + 50)) for begin in (0, 50, 100)]
    known = np.array([0, 0, 50], dtype=np.int64), np.array([50, 100, 149], dtype=np.int64)
    measured: list[int] = []

    def measure(a: Int64Array, b: Int64Array) -> NDArray[np.float64]:
        measured.append(a.size)
        return matrix[a, b]

    found = {}
    for most in (None, 10, 1):
        measured.clear()
        labels = link_sparse(
            150, *known, matrix[known], RULES[2], measure, blocks=blocks, most_members_measured=most
        )
        found[most] = (len(set(labels.tolist())), sum(measured))
    # All of two blocks by one, and once more the merged one by the third (known by then).
    assert found[None] == (2, 3 * 2_500)
    assert found[10] == (2, 3 * 100)
    assert found[1] == (2, 3)


def test_nobody_stands_for_a_group() -> None:
    none = np.zeros(0, dtype=np.int64)
    with pytest.raises(ConfigurationError, match="most_members_measured must be at least 1"):
        link_sparse(
            2, none, none, np.zeros(0), RULES[0], lambda a, b: np.zeros(0), most_members_measured=0
        )


def growing_graph(count: int) -> tuple[Int64Array, Int64Array, NDArray[np.float64]]:
    """Return events of eight articles, and to each article twenty strangers a little like it."""
    generator = np.random.default_rng(7)
    event = np.arange(count) // 8
    i = np.repeat(np.arange(count), 27)
    strangers = generator.integers(0, count, (count, 20))
    mates = event[:, None] * 8 + np.arange(8)
    mates = mates[mates != np.arange(count)[:, None]].reshape(count, 7)
    j = np.concatenate([mates, strangers], axis=1).ravel()
    keep = (i < j) & (j < count)
    keys = np.unique(i[keep] * count + j[keep])
    i, j = keys // count, keys % count
    same = event[i] == event[j]
    return i, j, np.where(same, generator.normal(0.7, 0.1, i.size), 0.1).clip(0, 1)


def seconds(work: Callable[[], object]) -> float:
    # Of the processor: on a loaded machine the clock measures the others.
    begun = time.process_time()
    work()
    return time.process_time() - begun


def test_work_grows_with_the_articles_and_not_with_their_square() -> None:
    def link(count: int) -> int:
        first, second, similarities = growing_graph(count)
        labels = link_sparse(
            count, first, second, similarities, RULES[0], lambda a, b: np.full(a.size, 0.05)
        )
        return int(labels.max()) + 1

    assert link(800) == 100
    # Ten times the articles: ten times the work and some; a hundred times if it were quadratic.
    small = min(seconds(lambda: link(4_000)) for _ in range(3))
    assert seconds(lambda: link(40_000)) < 40 * small
