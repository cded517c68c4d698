"""What a merge does to BCubed, against BCubed itself; and that a rule can be learned from it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from clustering.errors import ConfigurationError
from clustering.metrics import bcubed
from clustering.refine.linkage import MergeRule, link_dense
from clustering.training.logistic import fit_logistic
from clustering.training.merges import learn_rule, traced

EVERYTHING = MergeRule(10.0, 1.0, 0.0, 0.0, least_similarity=0.0)


def made_events(
    seed: int, events: int, *, spread: float = 0.35
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Points round event centres; similarity falls with distance."""
    generator = np.random.default_rng(seed)
    sizes = generator.integers(1, 9, size=events)
    labels = np.repeat(np.arange(events), sizes)
    points = generator.normal(size=(events, 3))[labels] * 1.5
    points += generator.normal(size=points.shape) * spread
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    return np.exp(-distances).astype(np.float32), labels.astype(np.int64)


@pytest.mark.parametrize("seed", range(6))
def test_changes_add_up_to_bcubed(seed: int) -> None:
    """From all singletons to one cluster: the changes sum to the difference in BCubed."""
    matrix, labels = made_events(seed, 6)
    weighed, changes = traced(matrix, labels, EVERYTHING)
    count = labels.size
    assert changes.size == count - 1
    apart = bcubed(labels.tolist(), list(range(count)))
    together = bcubed(labels.tolist(), [0] * count)
    expected = together.precision + together.recall - apart.precision - apart.recall
    assert changes.sum() / count == pytest.approx(expected, abs=1e-5)
    assert (weighed[:, 2] >= weighed[:, 1]).all(), "the larger group is the larger one"


@pytest.mark.parametrize("seed", range(6))
def test_a_strict_rule_traces_the_merges_of_the_linkage(seed: int) -> None:
    matrix, labels = made_events(seed, 8)
    rule = MergeRule(-1.8, 6.65, -1.83, 0.52)
    _, changes = traced(matrix, labels, rule)
    groups = link_dense(matrix, rule)
    assert changes.size == labels.size - (groups.max() + 1)
    count = labels.size
    apart = bcubed(labels.tolist(), list(range(count)))
    linked = bcubed(labels.tolist(), groups.tolist())
    expected = linked.precision + linked.recall - apart.precision - apart.recall
    assert changes.sum() / count == pytest.approx(expected, abs=1e-5)


def test_a_learned_rule_beats_both_extremes_on_events_it_has_not_seen() -> None:
    seen = [made_events(seed, 14) for seed in range(8)]
    rule = learn_rule([matrix for matrix, _ in seen], [labels for _, labels in seen])
    for seed in range(20, 24):
        matrix, labels = made_events(seed, 14)
        truth = labels.tolist()
        learned = bcubed(truth, link_dense(matrix, rule).tolist()).f1
        for similarity_threshold in (0.05, 0.9):
            fixed = link_dense(matrix, MergeRule.cut(similarity_threshold)).tolist()
            assert learned > bcubed(truth, fixed).f1


def test_the_fit_is_scikit_learns_whatever_the_scale_of_the_columns() -> None:
    generator = np.random.default_rng(0)
    design = generator.normal(size=(500, 3)) * np.array([1.0, 100.0, 0.01]) + 5.0
    logits = (design - 5.0) @ np.array([1.0, 0.02, -90.0])
    targets = (generator.random(500) < 1 / (1 + np.exp(-logits))).astype(np.float64)
    weights = generator.random(500) + 0.1
    intercept, coefficients = fit_logistic(design, targets, weights, ridge=2.0)
    scaled = weights * 500 / weights.sum()
    scaler = StandardScaler().fit(design, sample_weight=weights)
    model = LogisticRegression(C=0.5, solver="lbfgs", max_iter=5_000, tol=1e-8)
    model.fit(scaler.transform(design), targets, sample_weight=scaled)
    expected = model.decision_function(scaler.transform(design))
    np.testing.assert_allclose(design @ coefficients + intercept, expected, atol=1e-2)
    with pytest.raises(ConfigurationError, match="one answer"):
        fit_logistic(design, np.ones(500), weights, ridge=1.0)


def test_a_coefficient_keeps_the_sign_it_is_given() -> None:
    """Two columns that tell the answer, one of them the wrong way round for its sign."""
    generator = np.random.default_rng(1)
    design = generator.normal(size=(800, 3))
    logits = 2.0 * design[:, 0] - 1.5 * design[:, 1]
    targets = (generator.random(800) < 1 / (1 + np.exp(-logits))).astype(np.float64)
    weights = np.ones(800)
    _, free = fit_logistic(design, targets, weights, ridge=1.0)
    assert free[1] < -0.5
    intercept, signed = fit_logistic(design, targets, weights, ridge=1.0, signs=[1, 1, 0])
    assert signed[1] == 0.0
    without, expected = fit_logistic(design[:, [0, 2]], targets, weights, ridge=1.0)
    np.testing.assert_allclose(signed[[0, 2]], expected, atol=1e-3)
    assert intercept == pytest.approx(without, abs=1e-3)
    _, unbound = fit_logistic(design, targets, weights, ridge=1.0, signs=[1, -1, 0])
    np.testing.assert_allclose(unbound, free, atol=1e-3)
