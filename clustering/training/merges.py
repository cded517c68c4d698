"""The merge rule, learned from what merges do to BCubed on labelled articles.

Average linkage is run with a rule that is too generous, and every merge it makes is written down:
what the rule weighs (``linkage.weigh``), and by how much the merge changes the sum over
articles of BCubed precision and recall. With a_l, b_l the articles of event l in groups A and B
and g_l those in all::

    Δ recall    = Σ_l 2 a_l b_l / g_l
    Δ precision = Σ_l (a_l + b_l)² / (|A| + |B|) - Σ_l a_l² / |A| - Σ_l b_l² / |B|

from precision = Σ over groups of Σ_l n_l² / |group| and recall = Σ over groups of Σ_l n_l² / g_l
(Bagga and Baldwin 1998). A logistic regression then learns to accept the merges with positive
change, each weighted by how large its change is. As accepted merges decide which merges come up
next, the rule is fitted twice, the second time on the merges that the first one leads to.

How alike two reports of one event are differs from corpus to corpus by more than a decision can
bear: with one fixed similarity, the best for one labelled set costs another .1 of F1. So every
condition is learned from several times, with all its similarities moved by each of `SHIFTS`. What
then tells right merges from wrong ones is less how alike two groups are than how they stand to
what is inside and around them, and that transfers (BCubed F1 of sets left out .867 → .895).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.compiled import compiled
from clustering.refine.linkage import Float64Array, Int64Array, MergeRule, trace_merges
from clustering.training.logistic import fit_logistic

_GENEROSITY: Final = 1.5
"""Log odds by which the rule is loosened while merges are written down."""

FIRST_RULE: Final = MergeRule(-1.8, 6.65, -1.83, 0.52)
"""Only the rule that the first merges are traced with; the second round forgets it."""

SHIFTS: Final = (0.0, -0.3, -0.15, 0.1)

_SIGNS: Final = (1, 0, 0, 0, 0, 1, 1, -1, -1)
"""Of what a rule weighs: likeness may not speak against a merge, nor other likenesses for it."""

_LEAST_SLOPE: Final = 0.1


@compiled
def merge_changes(
    joined: Int64Array, labels: Int64Array, event_sizes: Float64Array
) -> Float64Array:
    """Return by how much each merge changes the sum of BCubed precision and recall.

    Parameters
    ----------
    joined
        int64, shape (merges, 2): as ``linkage.trace_merges`` writes them.
    labels
        int64, shape (n,), in [0, events).
    event_sizes
        float64, shape (events,): articles of each event.

    Returns
    -------
    float64, shape (merges,): sums over articles, not means.
    """
    count = labels.size
    composition = np.zeros((count, event_sizes.size), dtype=np.float32)
    sizes = np.ones(count)
    for row in range(count):
        composition[row, labels[row]] = 1.0
    changes = np.zeros(joined.shape[0])
    for merge in range(joined.shape[0]):
        a, b = joined[merge, 0], joined[merge, 1]
        total = sizes[a] + sizes[b]
        change = 0.0
        for event in range(event_sizes.size):
            x, y = composition[a, event], composition[b, event]
            if x + y > 0.0:
                change += 2.0 * x * y / event_sizes[event]
                change += (x + y) ** 2 / total - x * x / sizes[a] - y * y / sizes[b]
        changes[merge] = change
        composition[a] += composition[b]
        sizes[a] = total
    return changes


def traced(
    similarities: NDArray[np.floating], labels: NDArray[np.integer], rule: MergeRule
) -> tuple[Float64Array, Float64Array]:
    """Link labelled articles and return what each merge weighed, and what it changed.

    Parameters
    ----------
    similarities
        Shape (n, n), symmetric.
    labels
        Shape (n,): the events of the articles, any integers.
    rule
        To link by.

    Returns
    -------
    float64 (merges, ``linkage.WEIGHED``) and float64 (merges,).
    """
    _, events = np.unique(labels, return_inverse=True)
    count = events.size
    _, joined, weighed = trace_merges(
        similarities.astype(np.float64),
        np.ones(count),
        np.zeros(count),
        np.zeros((count, count), dtype=np.bool_),
        rule.coefficients,
    )
    event_sizes = np.bincount(events).astype(np.float64)
    return weighed, merge_changes(joined, events.astype(np.int64), event_sizes)


def learn_rule(
    matrices: Sequence[NDArray[np.float32]],
    labels: Sequence[Int64Array],
    *,
    shifts: Sequence[float] = SHIFTS,
) -> MergeRule:
    """Learn the merge rule.

    Parameters
    ----------
    matrices, labels
        For each condition, the similarities of all pairs, shape (n, n), and the events of the
        articles, shape (n,), any integers.
    shifts
        What is added to all similarities above 0, each in its turn.
    """
    rule = FIRST_RULE
    for _ in range(2):
        generous = replace(rule, intercept=rule.intercept + _GENEROSITY)
        rows, changes, weights = [], [], []
        for matrix, events in zip(matrices, labels, strict=True):
            for shift in shifts:
                weighed, changed = traced(_moved(matrix, shift), events, generous)
                rows.append(weighed)
                changes.append(changed)
                # Each condition counts the same, however many articles it has.
                weights.append(np.abs(changed) / events.size)
        intercept, coefficients = fit_logistic(
            np.concatenate(rows),
            (np.concatenate(changes) > 0).astype(np.float64),
            np.concatenate(weights) + 1e-12,
            ridge=1e-3,
            signs=_SIGNS,
        )
        rule = _rule(intercept, coefficients.tolist())
    return rule


def _moved(matrix: NDArray[np.float32], shift: float) -> NDArray[np.float32]:
    moved = np.where(matrix > 0, np.clip(matrix + np.float32(shift), 0, 1), 0)
    return moved.astype(np.float32)


def _rule(intercept: float, coefficients: Sequence[float]) -> MergeRule:
    """Return the rule with coefficients in the order of ``linkage.weigh``."""
    similarity, log_smaller, log_larger, *others = coefficients
    names = (
        "within_smaller",
        "within_larger",
        "similarity_log_smaller",
        "similarity_log_larger",
        "outside_smaller",
        "outside_larger",
    )
    # Of two single articles nothing but their similarity is known: it must count for something.
    similarity = max(_LEAST_SLOPE, similarity)
    return MergeRule(
        intercept, similarity, log_smaller, log_larger, **dict(zip(names, others, strict=True))
    )
