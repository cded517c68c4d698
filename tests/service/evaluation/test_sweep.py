from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from clustering.batch import recluster
from clustering.metrics import bcubed
from clustering.propose import SignatureScheme
from clustering.refine import MergeRule, Verifier
from service.evaluation.sweep import SweepPoint, largest_move, refinement_of, sweep
from tests.service.evaluation.made import samples

SIZES = st.integers(1, 200)


@given(similarity=st.floats(0, 1), shift=st.floats(-0.3, 0.3), size=SIZES, other=SIZES)
def test_a_shifted_rule_asks_that_much_more(
    similarity: float, shift: float, size: int, other: int
) -> None:
    rule = Verifier.shipped().rule
    needed = rule.required_similarity(size, other)
    # At the threshold itself rounding decides, and below zero the least similarity stays.
    assume(abs(similarity - shift - needed) > 1e-9)
    assume(rule.least_similarity + shift > 0)
    moved = rule.shifted(shift)
    assert moved.accepts(similarity, size, other) == rule.accepts(similarity - shift, size, other)
    assert moved.required_similarity(size, other) == pytest.approx(needed + shift)


def test_the_least_similarity_stays_at_zero_or_above() -> None:
    assert MergeRule(-0.1, 1.0, 0.0, 0.0).shifted(-0.2).least_similarity == 0.0


def test_the_default_point_is_what_the_batch_gives() -> None:
    outcome = samples()
    points = sweep(outcome, shifts=(-0.4, 0.0, 0.9))
    labels = recluster(outcome.features, refinement_of(outcome.features), SignatureScheme()).labels
    expected = bcubed(outcome.labels, labels.tolist())
    assert points[1].f1 == pytest.approx(expected.f1)
    assert points[1].clusters == len(set(labels.tolist()))
    assert points[0].clusters < points[1].clusters < points[2].clusters
    assert points[0].recall > points[2].recall
    assert points[0].precision < points[2].precision


def test_languages_are_averaged_when_asked() -> None:
    outcome = samples()
    seen: list[float | None] = []
    (point,) = sweep(
        outcome, by_lang=True, shifts=(0.0,), on_progress=lambda _, share: seen.append(share)
    )
    labels = recluster(
        outcome.features, refinement_of(outcome.features), SignatureScheme()
    ).labels.tolist()
    each = [
        bcubed([outcome.labels[k] for k in group], [labels[k] for k in group]).recall
        for group in outcome.languages().values()
    ]
    assert len(each) >= 3
    assert point.recall == pytest.approx(sum(each) / len(each))
    assert seen == [0.0]


def test_the_largest_move_is_looked_for_near_the_default_only() -> None:
    def point(shift: float, f1: float) -> SweepPoint:
        return SweepPoint(shift, 0.3, 1.0, 1.0, f1, 1)

    points = [point(-0.2, 0.1), point(-0.1, 0.8), point(0.0, 0.9), point(0.1, 0.93)]
    assert largest_move(points) == pytest.approx(0.1)
