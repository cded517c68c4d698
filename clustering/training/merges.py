"""The merge rule, learned from what merges do to BCubed on labelled articles.

Average linkage is run with a rule that is too generous, and every merge it makes is written down:
the mean similarity and the sizes of both groups, and by how much the merge changes the sum over
articles of BCubed precision and recall. With a_l, b_l the articles of event l in groups A and B
and g_l those in all::

    Δ recall    = Σ_l 2 a_l b_l / g_l
    Δ precision = Σ_l (a_l + b_l)² / (|A| + |B|) - Σ_l a_l² / |A| - Σ_l b_l² / |B|

from precision = Σ over groups of Σ_l n_l² / |group| and recall = Σ over groups of Σ_l n_l² / g_l
(Bagga and Baldwin 1998). A logistic regression then learns to accept the merges with positive
change, each weighted by how large its change is. As accepted merges decide which merges come up
next, the rule is fitted twice, the second time on the merges that the first one leads to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.compiled import compiled
from clustering.refine.linkage import BoolArray, Float64Array, Int64Array, MergeRule
from clustering.training.logistic import fit_logistic

_GENEROSITY: Final = 1.5
"""Log odds by which the rule is loosened while merges are written down."""

FIRST_RULE: Final = MergeRule(-1.8, 6.65, -1.83, 0.52)
_COLUMNS: Final = 4


@compiled
def _best_of(
    row: int, means: Float64Array, alive: BoolArray, refused: BoolArray
) -> tuple[int, float]:
    best, best_mean = -1, -1.0
    for other in range(alive.size):
        if (
            other != row
            and alive[other]
            and not refused[row, other]
            and means[row, other] > best_mean
        ):
            best, best_mean = other, means[row, other]
    return best, best_mean


@compiled
def trace_merges(
    similarities: Float64Array,
    labels: Int64Array,
    event_sizes: Float64Array,
    rule: Float64Array,
    generosity: float,
) -> Float64Array:
    """Run average linkage under a loosened rule and write its merges down.

    Parameters
    ----------
    similarities
        Shape (n, n), symmetric.
    labels
        int64, shape (n,), in [0, events).
    event_sizes
        float64, shape (events,): articles of each event.
    rule
        ``MergeRule.coefficients``.
    generosity
        Added to the rule's log odds.

    Returns
    -------
    float64, shape (merges, 4): mean similarity, ln of the smaller size, ln of the larger, change
    of the sum of BCubed precision and recall.
    """
    count = similarities.shape[0]
    means = similarities.copy()
    sizes = np.ones(count)
    composition = np.zeros((count, event_sizes.size), dtype=np.float32)
    alive = np.ones(count, dtype=np.bool_)
    refused = np.zeros((count, count), dtype=np.bool_)
    partner = np.empty(count, dtype=np.int64)
    partner_mean = np.empty(count)
    merges = np.empty((count, _COLUMNS))
    merge_count = 0
    for row in range(count):
        composition[row, labels[row]] = 1.0
        partner[row], partner_mean[row] = _best_of(row, means, alive, refused)
    while True:
        a, mean = -1, rule[4]
        for row in range(count):
            if alive[row] and partner_mean[row] > mean:
                a, mean = row, partner_mean[row]
        if a < 0:
            return merges[:merge_count]
        b = partner[a]
        log_smaller = np.log(min(sizes[a], sizes[b]))
        log_larger = np.log(max(sizes[a], sizes[b]))
        odds = rule[0] + rule[1] * mean + rule[2] * log_smaller + rule[3] * log_larger
        if odds + generosity <= 0.0:
            refused[a, b] = refused[b, a] = True
            partner[a], partner_mean[a] = _best_of(a, means, alive, refused)
            partner[b], partner_mean[b] = _best_of(b, means, alive, refused)
            continue
        total = sizes[a] + sizes[b]
        change = 0.0
        for event in range(event_sizes.size):
            x, y = composition[a, event], composition[b, event]
            if x + y > 0.0:
                change += 2.0 * x * y / event_sizes[event]
                change += (x + y) ** 2 / total - x * x / sizes[a] - y * y / sizes[b]
        merges[merge_count, 0] = mean
        merges[merge_count, 1] = log_smaller
        merges[merge_count, 2] = log_larger
        merges[merge_count, 3] = change
        merge_count += 1
        for other in range(count):
            if alive[other] and other != a and other != b:
                joint = (sizes[a] * means[a, other] + sizes[b] * means[b, other]) / total
                means[a, other] = means[other, a] = joint
                refused[a, other] = refused[other, a] = False
        composition[a] += composition[b]
        sizes[a] = total
        alive[b] = False
        for row in range(count):
            if not alive[row]:
                continue
            if row == a or partner[row] == a or partner[row] == b:
                partner[row], partner_mean[row] = _best_of(row, means, alive, refused)
            elif means[row, a] > partner_mean[row]:
                partner[row], partner_mean[row] = a, means[row, a]


def learn_rule(
    matrices: Sequence[NDArray[np.float32]],
    labels: Sequence[Int64Array],
    *,
    importances: Sequence[float] | None = None,
) -> MergeRule:
    """Learn the merge rule.

    Parameters
    ----------
    matrices, labels
        For each condition, the similarities of all pairs, shape (n, n), and the events of the
        articles, shape (n,), any integers.
    importances
        How much each condition counts; all alike when not given.
    """
    weights = [1.0] * len(matrices) if importances is None else importances
    rule = FIRST_RULE
    for _ in range(2):
        rows, row_weights = [], []
        for matrix, events, weight in zip(matrices, labels, weights, strict=True):
            _, numbers = np.unique(events, return_inverse=True)
            event_sizes = np.bincount(numbers).astype(np.float64)
            merges = trace_merges(
                matrix.astype(np.float64),
                numbers.astype(np.int64),
                event_sizes,
                rule.coefficients,
                _GENEROSITY,
            )
            rows.append(merges)
            # Each condition counts the same, however many articles it has.
            row_weights.append(np.abs(merges[:, 3]) * (weight / numbers.size))
        merges = np.concatenate(rows)
        intercept, coefficients = fit_logistic(
            merges[:, :3],
            (merges[:, 3] > 0).astype(np.float64),
            np.concatenate(row_weights) + 1e-12,
            ridge=1e-3,
        )
        rule = MergeRule(intercept, *(float(c) for c in coefficients))
    return rule
