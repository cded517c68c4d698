"""How good a clustering is, counted in cells of the contingency table and never over all pairs.

Every measure compares two partitions of the same items, given as two equal-length sequences of
labels. The items that have label a in one and b in the other form a *cell*; its size n_ab, the
sizes n_a and n_b of the groups and their number of items n are all that is needed, so the cost is
O(n + cells).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class PrecisionRecall:
    """Precision and recall, each in [0, 1], and their harmonic mean."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 when both are 0."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


@dataclass(frozen=True, slots=True)
class CandidateRecall:
    """What share of the right pairs was proposed; each number in [0, 1].

    Attributes
    ----------
    pair_recall
        Of all pairs of one label, the share proposed. Large clusters dominate.
    article_recall
        The share of an article's companions that were proposed as a pair with it, averaged over
        the articles that have companions.
    articles_with_candidate
        Of the articles that have companions, the share with at least one of them proposed.
    pair_precision
        Of the proposed pairs, the share with one label.
    """

    pair_recall: float
    article_recall: float
    articles_with_candidate: float
    pair_precision: float


@dataclass(frozen=True, slots=True)
class _Contingency:
    """Sizes of the cells and of the groups they lie in; int64, one entry a cell or group."""

    cells: NDArray[np.int64]
    true_of_cell: NDArray[np.int64]
    predicted_of_cell: NDArray[np.int64]
    true_sizes: NDArray[np.int64]
    predicted_sizes: NDArray[np.int64]
    items: int


def _numbered(labels: Sequence[Hashable]) -> NDArray[np.int64]:
    numbers: dict[Hashable, int] = {}
    return np.fromiter(
        (numbers.setdefault(label, len(numbers)) for label in labels),
        dtype=np.int64,
        count=len(labels),
    )


def _contingency(true: Sequence[Hashable], predicted: Sequence[Hashable]) -> _Contingency:
    if len(true) != len(predicted):
        raise ValueError(
            f"two labellings of the same articles must have one length, "
            f"not {len(true)} and {len(predicted)}"
        )
    first, second = _numbered(true), _numbered(predicted)
    true_sizes, predicted_sizes = np.bincount(first), np.bincount(second)
    keys, cells = np.unique(first * max(1, predicted_sizes.size) + second, return_counts=True)
    return _Contingency(
        cells=cells.astype(np.int64),
        true_of_cell=keys // max(1, predicted_sizes.size),
        predicted_of_cell=keys % max(1, predicted_sizes.size),
        true_sizes=true_sizes.astype(np.int64),
        predicted_sizes=predicted_sizes.astype(np.int64),
        items=len(true),
    )


def bcubed(true: Sequence[Hashable], predicted: Sequence[Hashable]) -> PrecisionRecall:
    """Score each item's own cluster and average over the items.

    An item's precision is the share of its predicted cluster that has its true label, its recall
    the share of its true class that is in its predicted cluster, itself included in both
    (Bagga and Baldwin 1998, "Entity-based cross-document coreferencing using the vector space
    model", section 4). The n_ab items of a cell all have precision n_ab / n_b and recall
    n_ab / n_a, so the means are sum(n_ab^2 / n_b) / n and sum(n_ab^2 / n_a) / n.

    Parameters
    ----------
    true, predicted
        Labels, item by item.

    Returns
    -------
    bcubed
        Precision and recall in (0, 1]. F1 is the harmonic mean of the two means. No items at all
        give 1 and 1.

    Raises
    ------
    ValueError
        If the lengths differ.
    """
    table = _contingency(true, predicted)
    if not table.items:
        return PrecisionRecall(1.0, 1.0)
    squares = table.cells.astype(np.float64) ** 2
    return PrecisionRecall(
        precision=float(
            (squares / table.predicted_sizes[table.predicted_of_cell]).sum() / table.items
        ),
        recall=float((squares / table.true_sizes[table.true_of_cell]).sum() / table.items),
    )


def _pairs(sizes: NDArray[np.int64]) -> int:
    return int((sizes * (sizes - 1) // 2).sum())


def pairwise(true: Sequence[Hashable], predicted: Sequence[Hashable]) -> PrecisionRecall:
    """Score the pairs of items that share a cluster.

    Parameters
    ----------
    true, predicted
        Labels, item by item.

    Returns
    -------
    pairwise
        Precision: of the pairs in one predicted cluster, the share with one true label; recall:
        the other way round. Where there is no pair to judge (all singletons), 1.

    Raises
    ------
    ValueError
        If the lengths differ.
    """
    table = _contingency(true, predicted)
    both = _pairs(table.cells)
    predicted_pairs, true_pairs = _pairs(table.predicted_sizes), _pairs(table.true_sizes)
    return PrecisionRecall(
        precision=both / predicted_pairs if predicted_pairs else 1.0,
        recall=both / true_pairs if true_pairs else 1.0,
    )


def adjusted_rand_index(true: Sequence[Hashable], predicted: Sequence[Hashable]) -> float:
    """Agreement on pairs, corrected for chance.

    Hubert and Arabie 1985, "Comparing partitions", equation 5. Of all pairs, let ``both`` be
    together in both partitions, t and p together in the true and in the predicted one. Drawn at
    random with the same group sizes, ``both`` has mean t p / all; the index is
    (both - mean) / ((t + p) / 2 - mean).

    Parameters
    ----------
    true, predicted
        Labels, item by item.

    Returns
    -------
    index
        In [-0.5, 1]: 1 for equal partitions, 0 on average for random ones. Where the formula is
        0 / 0 (both all singletons, both one cluster, fewer than two items), 1.

    Raises
    ------
    ValueError
        If the lengths differ.
    """
    table = _contingency(true, predicted)
    both, true_pairs = _pairs(table.cells), _pairs(table.true_sizes)
    predicted_pairs = _pairs(table.predicted_sizes)
    all_pairs = table.items * (table.items - 1) // 2
    # Multiplied through by 2 * all_pairs: whole numbers, so that 0 is exactly 0.
    numerator = 2 * (both * all_pairs - true_pairs * predicted_pairs)
    denominator = (true_pairs + predicted_pairs) * all_pairs - 2 * true_pairs * predicted_pairs
    return numerator / denominator if denominator else 1.0


def candidate_recall(
    labels: Sequence[Hashable], first: ArrayLike, second: ArrayLike
) -> CandidateRecall:
    """Judge candidate pairs against labels.

    Parameters
    ----------
    labels
        True label of each article. Give unlabelled background articles labels of their own: they
        then count as wrong candidates and nowhere else.
    first, second
        Integers, shape (n,): positions of the proposed pairs, in any order; repetitions and
        pairs of an article with itself are ignored.

    Returns
    -------
    recall
        1 wherever there is nothing to find or to judge.

    Raises
    ------
    ValueError
        If ``first`` and ``second`` differ in length or a position is out of range.
    """
    numbers = _numbered(labels)
    count = numbers.size
    left, right = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
    if left.shape != right.shape or left.ndim != 1:
        raise ValueError("first and second must be one-dimensional and of one length")
    if left.size and (min(left.min(), right.min()) < 0 or max(left.max(), right.max()) >= count):
        raise ValueError(f"positions must lie in [0, {count})")
    keys = np.unique(np.minimum(left, right) * max(1, count) + np.maximum(left, right))
    left, right = keys // max(1, count), keys % max(1, count)
    proposed = left != right
    right_pairs = proposed & (numbers[left] == numbers[right])
    sizes = np.bincount(numbers)
    companions = sizes[numbers] - 1 if count else np.zeros(0, dtype=np.int64)
    found = np.bincount(
        np.concatenate((left[right_pairs], right[right_pairs])), minlength=count
    ).astype(np.int64)
    has_companions = companions > 0
    pairs, proposals = _pairs(sizes.astype(np.int64)), int(proposed.sum())
    anybody = bool(has_companions.any())
    return CandidateRecall(
        pair_recall=int(right_pairs.sum()) / pairs if pairs else 1.0,
        article_recall=(
            float((found[has_companions] / companions[has_companions]).mean()) if anybody else 1.0
        ),
        articles_with_candidate=(float((found[has_companions] > 0).mean()) if anybody else 1.0),
        pair_precision=int(right_pairs.sum()) / proposals if proposals else 1.0,
    )


def id_churn(old: Sequence[Hashable], new: Sequence[Hashable]) -> float:
    """Give the share of articles whose cluster id changed, whatever happened to the partition.

    Parameters
    ----------
    old, new
        Cluster id of each article before and after.

    Returns
    -------
    churn
        In [0, 1]; 0 for no articles.

    Raises
    ------
    ValueError
        If the lengths differ.
    """
    if len(old) != len(new):
        raise ValueError(f"ids before and after must have one length: {len(old)}, {len(new)}")
    changed = sum(before != after for before, after in zip(old, new, strict=True))
    return changed / len(old) if old else 0.0
