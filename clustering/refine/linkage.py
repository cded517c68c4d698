"""Average linkage that asks, before each merge, whether groups of these sizes may join.

Groups are merged in order of the mean similarity between their members, highest first (UPGMA,
Sokal and Michener 1958), so that a group never grows along a chain of single links. Where the
textbook stops at one fixed similarity, `MergeRule` asks for more the larger both groups are, the
denser they are, and the more else they resemble: two singletons may join on thin evidence, two
clusters of ten only when they are as close to each other as reports of one event are. A pair of
groups is weighed when it is the most similar one left; one that is refused is refused for these
two groups as they are, and weighed again once one of them has grown.

Mean similarities follow from sums: with S(A, B) the sum of similarities over all pairs between A
and B, S(A ∪ B, C) = S(A, C) + S(B, C). So a merge costs one addition a neighbour and no pair is
ever looked at twice.

`link_dense` takes all similarities of a neighbourhood (up to some hundreds of articles);
``linkage_sparse`` does the same for many articles of which most pairs are known to be far apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from clustering.compiled import compiled
from clustering.errors import ConfigurationError

Float64Array = NDArray[np.float64]
Int64Array = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


TYPICAL_WITHIN: Final = 0.6
"""Mean similarity inside a group of which little is known: the middle of the labelled sets."""
WITHIN_PRIOR_PAIRS: Final = 2.0
"""How many pairs that middle weighs as; from three members on a group speaks for itself."""
OUTSIDE_SIMILARITY: Final = 0.3
"""Groups less alike than this do not count as alternatives: most unrelated articles are below."""
WEIGHED: Final = 9
"""Numbers that a rule weighs beside its intercept."""


@dataclass(frozen=True, slots=True)
class MergeRule:
    """When two groups may join, by their mean similarity s̄, their sizes and their surroundings.

    They join if ``s̄ > least_similarity`` and the log odds that the merge is right, less the odds
    asked for, are positive::

        intercept + similarity · s̄
          + (log_smaller + similarity_log_smaller · s̄) · ln|smaller|
          + (log_larger + similarity_log_larger · s̄) · ln|larger|
          + within_smaller · w(smaller) + within_larger · w(larger)
          + outside_smaller · o(smaller) + outside_larger · o(larger)

    w(A) is how much more alike the members of A are to each other than is typical: with W the sum
    of similarities over the n = |A|(|A| - 1)/2 pairs inside A,
    ``w = (W + 2 · .6) / (n + 2) - .6``. Where reports of one event are dense, two groups that are
    less alike than either is inside are two events; where they are loose, that is normal.

    o(A) is how much else A resembles: ``o = ln(1 + Σ |C| · max(0, s̄(A, C) - .3))`` over all groups
    C but the two. The same similarity says more where nothing else comes near.

    Of groups of equal size, each counts half as the smaller and half as the larger one. The
    coefficients are learned from the merges of average linkage on labelled articles
    (``clustering.training.merges``).

    Attributes
    ----------
    intercept, similarity, log_smaller, log_larger
        Coefficients, as above.
    least_similarity
        In [0, 1]: no merge at or below it, whatever the sizes. The logistic part alone would let
        clusters of .03 to .08 mean similarity grow, which every night deals out anew: with .16
        instead of .03 92 % instead of 80 % of the pairs of a night stay together the next.
    within_smaller, within_larger, similarity_log_smaller, similarity_log_larger
        Coefficients, as above.
    outside_smaller, outside_larger
        Coefficients, as above; not above 0.
    """

    intercept: float
    similarity: float
    log_smaller: float
    log_larger: float
    least_similarity: float = 0.16
    within_smaller: float = 0.0
    within_larger: float = 0.0
    similarity_log_smaller: float = 0.0
    similarity_log_larger: float = 0.0
    outside_smaller: float = 0.0
    outside_larger: float = 0.0

    def __post_init__(self) -> None:
        if not np.isfinite(self.coefficients).all():
            raise ConfigurationError("a merge rule needs finite coefficients")
        if self.similarity <= 0 or min(self.similarity_log_smaller, self.similarity_log_larger) < 0:
            raise ConfigurationError(
                "a merge rule needs a positive coefficient of similarity, for groups of any size: "
                "otherwise it would join what is unlike and part what is alike"
            )
        if max(self.outside_smaller, self.outside_larger) > 0:
            raise ConfigurationError(
                "a merge rule may not ask for less the more other groups are alike: the "
                "coefficients outside_smaller and outside_larger must be 0 or below"
            )

    @classmethod
    def cut(cls, similarity_threshold: float) -> Self:
        """Return the textbook rule: join if ``s̄ > similarity_threshold``, whatever the sizes."""
        return cls(-similarity_threshold, 1.0, 0.0, 0.0, least_similarity=similarity_threshold)

    def accepts(self, mean_similarity: float, size: int, other_size: int) -> bool:
        """Return whether groups of these sizes may join, typically dense, with nothing near."""
        sizes = float(size), float(other_size)
        rule, weighed = self.coefficients, np.empty(WEIGHED)
        return weigh(mean_similarity, *sizes, 0.0, 0.0, 0.0, 0.0, rule, weighed)

    @property
    def coefficients(self) -> Float64Array:
        """The numbers as the compiled loops take them; float64, shape (11,), in order of fields."""
        return np.array(_numbers_of(self), dtype=np.float64)

    def required_similarity(self, size: int, other_size: int) -> float:
        """Return the mean similarity above which groups of these sizes join; may exceed 1.

        For groups of typical density that resemble nothing else.
        """
        smaller, larger = (math.log(number) for number in sorted((size, other_size)))
        needed = -(self.intercept + self.log_smaller * smaller + self.log_larger * larger)
        slope = (
            self.similarity
            + self.similarity_log_smaller * smaller
            + self.similarity_log_larger * larger
        )
        return max(self.least_similarity, needed / slope)


_numbers_of: Final[Callable[[MergeRule], tuple[float, ...]]] = attrgetter(
    *(field.name for field in fields(MergeRule))
)


@compiled
def weigh(
    mean: float,
    size: float,
    other_size: float,
    within: float,
    other_within: float,
    outside: float,
    other_outside: float,
    rule: Float64Array,
    weighed: Float64Array,
) -> bool:
    """Return whether a rule accepts a merge, and write down what it weighed.

    Parameters
    ----------
    mean
        s̄ of the two groups.
    size, other_size, within, other_within, outside, other_outside
        |A|, w(A) and o(A) of both.
    rule
        ``MergeRule.coefficients``.
    weighed
        Shape (`WEIGHED`,), written: s̄, ln|smaller|, ln|larger|, w of both, s̄ times either
        logarithm, o of both; the order of the rule's coefficients.
    """
    if size > other_size:
        size, other_size = other_size, size
        within, other_within = other_within, within
        outside, other_outside = other_outside, outside
    elif size == other_size:
        within = other_within = 0.5 * (within + other_within)
        outside = other_outside = 0.5 * (outside + other_outside)
    weighed[0] = mean
    weighed[1] = np.log(size)
    weighed[2] = np.log(other_size)
    weighed[3] = within
    weighed[4] = other_within
    weighed[5] = mean * weighed[1]
    weighed[6] = mean * weighed[2]
    weighed[7] = outside
    weighed[8] = other_outside
    logit = rule[0]
    for k in range(3):
        logit += rule[1 + k] * weighed[k]
    for k in range(3, WEIGHED):
        logit += rule[2 + k] * weighed[k]
    return bool(mean > rule[4] and logit > 0.0)


@compiled
def density(within_sum: float, size: float) -> float:
    """Return w of a group (see `MergeRule`) by the sum of similarities over the pairs in it."""
    pairs = 0.5 * size * (size - 1.0)
    prior = WITHIN_PRIOR_PAIRS * TYPICAL_WITHIN
    return (within_sum + prior) / (pairs + WITHIN_PRIOR_PAIRS) - TYPICAL_WITHIN


@compiled
def _outside(
    group: int, partner: int, means: Float64Array, sizes: Float64Array, alive: BoolArray
) -> float:
    """Return o of a group beside a partner."""
    total = 0.0
    for other in range(sizes.size):
        if alive[other] and other != group and other != partner:
            total += sizes[other] * max(0.0, means[group, other] - OUTSIDE_SIMILARITY)
    return float(np.log(1.0 + total))


@compiled
def _best_partner(
    row: int, means: Float64Array, alive: BoolArray, refused: BoolArray, least: float
) -> int:
    """Return the most similar group not refused, the first among equals; -1 for none."""
    best = -1
    best_mean = least
    for other in range(alive.size):
        if (
            other != row
            and alive[other]
            and means[row, other] > best_mean
            and not refused[row, other]
        ):
            best, best_mean = other, means[row, other]
    return best


@compiled
def trace_merges(
    mean_similarities: Float64Array,
    group_sizes: Float64Array,
    within_sums: Float64Array,
    forbidden: BoolArray,
    rule: Float64Array,
) -> tuple[Int64Array, Int64Array, Float64Array]:
    """Merge groups under a rule and write every merge down.

    Parameters
    ----------
    mean_similarities
        Shape (n, n), symmetric; not changed, nor are the others.
    group_sizes, within_sums
        Shape (n,): articles in each group, and sums of similarities over the pairs inside it.
    forbidden
        Shape (n, n), symmetric: groups that never join.
    rule
        ``MergeRule.coefficients``.

    Returns
    -------
    int64 (n,), the group of each position, named by its first; int64 (merges, 2), the groups that
    each merge joined, the first of which goes on; float64 (merges, `WEIGHED`), what the rule
    weighed, as `weigh` writes it.

    Notes
    -----
    ``partner[g]`` keeps the best partner of each group that was not refused, so that a merge costs
    one scan over the groups and rescans only those whose partner is gone: n² in all for most
    inputs, n³ at worst.
    """
    count = group_sizes.size
    group = np.arange(count)
    means = mean_similarities.copy()
    sizes = group_sizes.copy()
    within = within_sums.copy()
    never = forbidden.copy()
    refused = forbidden.copy()
    alive = np.ones(count, dtype=np.bool_)
    partner = np.empty(count, dtype=np.int64)
    sums = np.empty((count, count))
    joined = np.empty((count, 2), dtype=np.int64)
    weighed = np.empty((count, WEIGHED))
    merges = 0
    for row in range(count):
        for other in range(count):
            sums[row, other] = means[row, other] * (sizes[row] * sizes[other])
    for row in range(count):
        partner[row] = _best_partner(row, means, alive, refused, rule[4])
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
        mean = means[a, b]
        w_a, w_b = density(within[a], sizes[a]), density(within[b], sizes[b])
        o_a, o_b = _outside(a, b, means, sizes, alive), _outside(b, a, means, sizes, alive)
        if not weigh(mean, sizes[a], sizes[b], w_a, w_b, o_a, o_b, rule, weighed[merges]):
            refused[a, b] = refused[b, a] = True
            partner[a] = _best_partner(a, means, alive, refused, rule[4])
            partner[b] = _best_partner(b, means, alive, refused, rule[4])
            continue
        joined[merges, 0], joined[merges, 1] = a, b
        merges += 1
        within[a] += within[b] + sums[a, b]
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
                never[a, other] = never[other, a] = never[a, other] or never[b, other]
                refused[a, other] = refused[other, a] = never[a, other]
        sizes[a] = total
        alive[b] = False
        for row in range(count):
            if group[row] == b:
                group[row] = a
        partner[a] = _best_partner(a, means, alive, refused, rule[4])
        for row in range(count):
            if not alive[row] or row == a:
                continue
            if partner[row] == a or partner[row] == b:
                partner[row] = _best_partner(row, means, alive, refused, rule[4])
            elif not refused[row, a] and means[row, a] > rule[4]:
                current = partner[row]
                if (
                    current < 0
                    or means[row, a] > means[row, current]
                    or (means[row, a] == means[row, current] and a < current)
                ):
                    partner[row] = a
    return group, joined[:merges], weighed[:merges]


def link_dense(
    mean_similarities: NDArray[np.floating],
    rule: MergeRule,
    *,
    sizes: Sequence[int] | NDArray[np.integer] | None = None,
    within_means: NDArray[np.floating] | None = None,
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
    within_means
        Shape (n,): mean similarity over the pairs inside each group; not read where a group is one
        article. Not given: typical of an event.
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
    means = np.ascontiguousarray(mean_similarities, dtype=np.float64)
    if means.ndim != 2 or means.shape[0] != means.shape[1]:
        raise ConfigurationError(f"similarities must be a square matrix, not {means.shape}")
    count = means.shape[0]
    group_sizes = (
        np.ones(count, dtype=np.float64) if sizes is None else np.array(sizes, dtype=np.float64)
    )
    if group_sizes.shape != (count,) or (count and group_sizes.min() < 1):
        raise ConfigurationError(f"sizes must be {count} numbers of at least 1")
    inside = (
        np.full(count, TYPICAL_WITHIN)
        if within_means is None
        else np.ascontiguousarray(within_means, dtype=np.float64)
    )
    if inside.shape != (count,):
        raise ConfigurationError(f"within_means must be {count} finite numbers")
    within_sums = np.empty(count, dtype=np.float64)
    match _within_sums(means, group_sizes, inside, within_sums):
        case 1:
            raise ConfigurationError("similarities must be finite")
        case 2:
            raise ConfigurationError(f"within_means must be {count} finite numbers")
    forbidden = _forbidden(count, cannot_link)
    groups, _, _ = trace_merges(means, group_sizes, within_sums, forbidden, rule.coefficients)
    return _numbered(groups)


def link_blocks(
    similarities: NDArray[np.float32],
    block_of: Int64Array,
    sizes: Int64Array,
    rule: MergeRule,
    *,
    cannot_link: Sequence[tuple[int, int]] = (),
) -> Int64Array:
    """Link blocks of articles by the mean over their pairs: `link_dense` of `mean_between`.

    Parameters
    ----------
    similarities
        float32, shape (n, n), symmetric, finite; the diagonal is not read.
    block_of
        int64, shape (n,): the block of each article, 0 to b - 1, each with at least one.
    sizes
        int64, shape (b,): articles that each block stands for, at least as many as it has.
    rule, cannot_link
        As in `link_dense`; pairs are of blocks.

    Returns
    -------
    int64, shape (b,): labels as `link_dense` returns them.

    Raises
    ------
    ConfigurationError
        If a size is below the number of articles, a similarity is not finite, or a pair is out of
        range.
    """
    labels = np.empty(sizes.size, dtype=np.int64)
    forbidden = _forbidden(sizes.size, cannot_link)
    match _link_blocks(similarities, block_of, sizes, forbidden, rule.coefficients, labels):
        case 1:
            raise ConfigurationError("block_sizes must name each block's size, its sample or more")
        case 2:
            raise ConfigurationError("similarities must be finite")
    return labels


def _forbidden(count: int, cannot_link: Sequence[tuple[int, int]]) -> BoolArray:
    """Return which groups never join; bool, shape (count, count)."""
    forbidden = np.zeros((count, count), dtype=np.bool_)
    for a, b in cannot_link:
        if not (0 <= a < count and 0 <= b < count) or a == b:
            raise ConfigurationError(
                f"cannot_link names groups {a} and {b}; it takes two different ones of {count}"
            )
        forbidden[a, b] = forbidden[b, a] = True
    return forbidden


@compiled
def _within_sums(
    means: Float64Array, sizes: Float64Array, within_means: Float64Array, within_sums: Float64Array
) -> int:
    """Write the sums over the pairs inside each group; 1 or 2 for means that are not finite."""
    for row in range(sizes.size):
        for other in range(sizes.size):
            if row != other and not np.isfinite(means[row, other]):
                return 1
        within_sums[row] = 0.0
        if sizes[row] > 1:
            if not np.isfinite(within_means[row]):
                return 2
            within_sums[row] = within_means[row] * (0.5 * sizes[row] * (sizes[row] - 1.0))
    return 0


@compiled
def _numbered(groups: Int64Array) -> Int64Array:
    """Return labels of groups that are named by their first position, in order of that."""
    labels = np.empty_like(groups)
    count = 0
    for position in range(groups.size):
        if groups[position] == position:
            labels[position] = count
            count += 1
        else:
            labels[position] = labels[groups[position]]
    return labels


@compiled
def mean_between(
    similarities: NDArray[np.float32], block_of: Int64Array, counts: Int64Array
) -> tuple[Float64Array, Float64Array]:
    """Return the mean similarities between blocks of articles, and inside each.

    Parameters
    ----------
    similarities
        Shape (n, n), symmetric; the diagonal is not read.
    block_of, counts
        Block of each article, shape (n,); articles of each block, shape (b,).

    Returns
    -------
    float64 (b, b), symmetric; float64 (b,), 0 for a block of one article.
    """
    blocks = counts.size
    means = np.zeros((blocks, blocks), dtype=np.float64)
    within = np.zeros(blocks, dtype=np.float64)
    for i in range(block_of.size):
        for j in range(block_of.size):
            if i != j:
                means[block_of[i], block_of[j]] += similarities[i, j]
    for a in range(blocks):
        if counts[a] > 1:
            within[a] = means[a, a] / (counts[a] * (counts[a] - 1))
        for b in range(blocks):
            means[a, b] /= counts[a] * counts[b]
    return means, within


@compiled
def _link_blocks(
    similarities: NDArray[np.float32],
    block_of: Int64Array,
    sizes: Int64Array,
    forbidden: BoolArray,
    rule: Float64Array,
    labels: Int64Array,
) -> int:
    """Write what `link_blocks` returns; 1 for sizes that do not fit, 2 for what is not finite."""
    counts = np.zeros(sizes.size, dtype=np.int64)
    for block in block_of:
        counts[block] += 1
    group_sizes = np.empty(sizes.size, dtype=np.float64)
    for block in range(sizes.size):
        if sizes[block] < counts[block]:
            return 1
        group_sizes[block] = sizes[block]
    means, within_means = mean_between(similarities, block_of, counts)
    within_sums = np.empty(sizes.size, dtype=np.float64)
    if _within_sums(means, group_sizes, within_means, within_sums) != 0:
        return 2
    groups, _, _ = trace_merges(means, group_sizes, within_sums, forbidden, rule)
    labels[:] = _numbered(groups)
    return 0


def first_appearance(groups: NDArray[np.integer]) -> Int64Array:
    """Renumber groups 0, 1, … in order of their first appearance; int64, same shape."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    rank = np.empty(first.size, dtype=np.int64)
    rank[np.argsort(first)] = np.arange(first.size)
    return rank[inverse]
