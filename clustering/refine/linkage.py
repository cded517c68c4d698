"""Average linkage that asks, before each merge, whether groups of these sizes may join.

Groups are merged in order of the mean similarity between their members, highest first (UPGMA,
Sokal and Michener 1958), so that a group never grows along a chain of single links. Where the
textbook stops at one fixed similarity, `MergeRule` asks for more the larger both groups are: two
singletons may join on thin evidence, two clusters of ten only when they are as close to each other
as reports of one event are. A merge that is refused is refused for these two groups as they
are; it is weighed again once one of them has grown.

Mean similarities follow from sums: with S(A, B) the sum of similarities over all pairs between A
and B, S(A ∪ B, C) = S(A, C) + S(B, C). So a merge costs one addition a neighbour and no pair is
ever looked at twice.

`link_dense` takes all similarities of a neighbourhood (up to some hundreds of articles);
``linkage_sparse`` does the same for many articles of which most pairs are known to be far apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from clustering.compiled import compiled
from clustering.errors import ConfigurationError

Float64Array = NDArray[np.float64]
Int64Array = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class MergeRule:
    """When two groups may join, by their mean similarity s̄ and their sizes.

    They join if ``s̄ > least_similarity`` and::

        intercept + similarity · s̄ + log_smaller · ln|smaller| + log_larger · ln|larger| > 0

    The left side is the log odds that the merge is right, less the odds asked for; its
    coefficients are learned from the merges of average linkage on labelled articles
    (``clustering.training.verifier``).

    Attributes
    ----------
    intercept, similarity, log_smaller, log_larger
        Coefficients.
    least_similarity
        In [0, 1]: no merge at or below it, whatever the sizes.
    """

    intercept: float
    similarity: float
    log_smaller: float
    log_larger: float
    least_similarity: float = 0.03

    def __post_init__(self) -> None:
        values = (
            self.intercept,
            self.similarity,
            self.log_smaller,
            self.log_larger,
            self.least_similarity,
        )
        if not all(math.isfinite(value) for value in values):
            raise ConfigurationError("a merge rule needs finite coefficients")
        if self.similarity <= 0:
            raise ConfigurationError(
                "a merge rule needs a positive coefficient of similarity: with "
                f"{self.similarity} it would join what is unlike and part what is alike"
            )

    @classmethod
    def cut(cls, similarity_threshold: float) -> Self:
        """Return the textbook rule: join if ``s̄ > similarity_threshold``, whatever the sizes."""
        return cls(-similarity_threshold, 1.0, 0.0, 0.0, least_similarity=similarity_threshold)

    def accepts(self, mean_similarity: float, size: int, other_size: int) -> bool:
        """Return whether groups of these sizes may join."""
        # The same sum as the compiled `_accepts`; calling that from here would cost ten times as
        # much, and the sparse linkage asks millions of times.
        smaller, larger = (size, other_size) if size <= other_size else (other_size, size)
        logit = (
            self.intercept
            + self.similarity * mean_similarity
            + self.log_smaller * math.log(smaller)
            + self.log_larger * math.log(larger)
        )
        return mean_similarity > self.least_similarity and logit > 0.0

    @property
    def coefficients(self) -> Float64Array:
        """The numbers as the compiled loops take them; float64, shape (5,)."""
        return np.array(
            [
                self.intercept,
                self.similarity,
                self.log_smaller,
                self.log_larger,
                self.least_similarity,
            ],
            dtype=np.float64,
        )

    def required_similarity(self, size: int, other_size: int) -> float:
        """Return the mean similarity above which groups of these sizes join; may exceed 1."""
        smaller, larger = sorted((size, other_size))
        needed = -(
            self.intercept
            + self.log_smaller * math.log(smaller)
            + self.log_larger * math.log(larger)
        )
        return max(self.least_similarity, needed / self.similarity)


@compiled
def _accepts(mean: float, size: float, other_size: float, rule: Float64Array) -> bool:
    if mean <= rule[4]:
        return False
    smaller, larger = min(size, other_size), max(size, other_size)
    logit = rule[0] + rule[1] * mean + rule[2] * np.log(smaller) + rule[3] * np.log(larger)
    return bool(logit > 0.0)


@compiled
def _best_partner(
    row: int,
    means: Float64Array,
    sizes: Float64Array,
    alive: BoolArray,
    forbidden: BoolArray,
    rule: Float64Array,
) -> int:
    """Return the most similar group that ``row`` may join, the first among equals; -1 for none."""
    best = -1
    best_mean = -1.0
    for other in range(sizes.size):
        if (
            other != row
            and alive[other]
            and means[row, other] > best_mean
            and not forbidden[row, other]
            and _accepts(means[row, other], sizes[row], sizes[other], rule)
        ):
            best, best_mean = other, means[row, other]
    return best


@compiled
def _link(
    means: Float64Array, sizes: Float64Array, forbidden: BoolArray, rule: Float64Array
) -> Int64Array:
    """Merge in place (``means``, ``sizes`` and ``forbidden`` are used up); return group numbers.

    ``partner[g]`` keeps the best acceptable partner of each group, so that a merge costs one
    scan over the groups and rescans only those whose partner is gone: n² in all for most
    inputs, n³ at worst.
    """
    count = sizes.size
    group = np.arange(count)
    alive = np.ones(count, dtype=np.bool_)
    partner = np.empty(count, dtype=np.int64)
    sums = np.empty((count, count))
    for row in range(count):
        for other in range(count):
            sums[row, other] = means[row, other] * (sizes[row] * sizes[other])
    for row in range(count):
        partner[row] = _best_partner(row, means, sizes, alive, forbidden, rule)
    while True:
        a = -1
        best_mean = -1.0
        for row in range(count):
            if alive[row] and partner[row] >= 0 and means[row, partner[row]] > best_mean:
                a, best_mean = row, means[row, partner[row]]
        if a < 0:
            break
        b = partner[a]
        if b < a:
            a, b = b, a
        # S(A ∪ B, C) = S(A, C) + S(B, C). Sums and not means are carried on, so that equal means
        # come out equal to the bit here and in linkage_sparse, and ties fall alike.
        total = sizes[a] + sizes[b]
        for other in range(count):
            if alive[other] and other != a and other != b:
                sums[a, other] += sums[b, other]
                sums[other, a] = sums[a, other]
                mean = sums[a, other] / (total * sizes[other])
                means[a, other] = mean
                means[other, a] = mean
                if forbidden[b, other]:
                    forbidden[a, other] = True
                    forbidden[other, a] = True
        sizes[a] = total
        alive[b] = False
        for row in range(count):
            if group[row] == b:
                group[row] = a
        partner[a] = _best_partner(a, means, sizes, alive, forbidden, rule)
        for row in range(count):
            if not alive[row] or row == a:
                continue
            if partner[row] == a or partner[row] == b:
                partner[row] = _best_partner(row, means, sizes, alive, forbidden, rule)
            elif not forbidden[row, a] and _accepts(means[row, a], sizes[row], sizes[a], rule):
                current = partner[row]
                if (
                    current < 0
                    or means[row, a] > means[row, current]
                    or (means[row, a] == means[row, current] and a < current)
                ):
                    partner[row] = a
    return group


def link_dense(
    mean_similarities: NDArray[np.floating],
    rule: MergeRule,
    *,
    sizes: Sequence[int] | NDArray[np.integer] | None = None,
    cannot_link: Sequence[tuple[int, int]] = (),
) -> Int64Array:
    """Link groups whose mean similarities are all known.

    Parameters
    ----------
    mean_similarities
        Shape (n, n), symmetric, in [0, 1]: the mean over all pairs between two groups. The
        diagonal is not read.
    rule
        When two groups may join.
    sizes
        Articles in each group to begin with, at least 1; one each when not given. A group given
        here stays together (a must-link, or a large cluster standing as one block).
    cannot_link
        Pairs of group positions that never end under one label.

    Returns
    -------
    int64, shape (n,): labels 0, 1, … in order of first appearance. Equal mean similarities are
    merged in order of position, so equal input gives equal output. Zero groups give an
    empty array.

    Raises
    ------
    ConfigurationError
        If shapes do not fit, a size is below 1 or a position is out of range.
    """
    means = np.array(mean_similarities, dtype=np.float64, order="C")
    if means.ndim != 2 or means.shape[0] != means.shape[1]:
        raise ConfigurationError(f"similarities must be a square matrix, not {means.shape}")
    count = means.shape[0]
    group_sizes = (
        np.ones(count, dtype=np.float64) if sizes is None else np.array(sizes, dtype=np.float64)
    )
    if group_sizes.shape != (count,) or (group_sizes < 1).any():
        raise ConfigurationError(f"sizes must be {count} numbers of at least 1")
    if not np.isfinite(means[~np.eye(count, dtype=np.bool_)]).all():
        raise ConfigurationError("similarities must be finite")
    forbidden = np.zeros((count, count), dtype=np.bool_)
    for a, b in cannot_link:
        if not (0 <= a < count and 0 <= b < count) or a == b:
            raise ConfigurationError(
                f"cannot_link names groups {a} and {b}; it takes two different ones of {count}"
            )
        forbidden[a, b] = forbidden[b, a] = True
    return first_appearance(_link(means, group_sizes, forbidden, rule.coefficients))


def first_appearance(groups: NDArray[np.integer]) -> Int64Array:
    """Renumber groups 0, 1, … in order of their first appearance; int64, same shape."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    rank = np.empty(first.size, dtype=np.int64)
    rank[np.argsort(first)] = np.arange(first.size)
    return rank[inverse]
