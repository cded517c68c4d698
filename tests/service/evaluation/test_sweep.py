from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustering.batch import recluster
from clustering.metrics import bcubed
from clustering.propose import SignatureScheme
from clustering.refine import Refinement, Verifier
from clustering.refine.verifier import LOGIT_SPAN
from service.evaluation.sweep import SweepPoint, largest_move, refinement_of, sweep
from tests.service.evaluation.made import samples


@given(shift=st.floats(-0.3, 0.3))
def test_a_shifted_verifier_finds_every_pair_that_much_less_alike(shift: float) -> None:
    verifier = Verifier.shipped()
    moved = verifier.shifted(shift)
    assert LOGIT_SPAN * shift == pytest.approx(verifier.intercept - moved.intercept)
    assert moved.rule == verifier.rule
    assert moved.shifted(-shift).intercept == pytest.approx(verifier.intercept)


def test_the_similarities_of_a_shifted_verifier_are_shifted() -> None:
    features = samples().features
    base = refinement_of(features)
    first, second = np.triu_indices(len(features), k=1)
    plain = base.compare(features).similarities(first, second)
    moved = Refinement(base.frequencies, base.verifier.shifted(0.1))
    stricter = moved.compare(features).similarities(first, second)
    inside = (plain > 0.15) & (plain < 0.85)
    assert np.count_nonzero(inside) > 10
    np.testing.assert_allclose(stricter[inside], plain[inside] - 0.1, atol=1e-4)


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
