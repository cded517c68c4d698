"""scikit-learn's logistic regression, typed, and the same with signs that coefficients keep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from clustering.errors import ConfigurationError


def fit_logistic(
    design: NDArray[np.floating],
    targets: NDArray[np.floating],
    weights: NDArray[np.float64],
    *,
    ridge: float,
    signs: Sequence[int] | NDArray[np.integer] | None = None,
) -> tuple[float, NDArray[np.float64]]:
    """Fit log odds that are linear in the columns of ``design``.

    Columns are brought to mean 0 and deviation 1 first, so that the ridge penalty treats them
    alike, and the coefficients are given back for the columns as they came.

    Parameters
    ----------
    design
        Shape (n, k).
    targets
        Shape (n,): 0 or 1, both present.
    weights
        Shape (n,): how much each row counts; scaled here to n in sum.
    ridge
        Penalty on the squared standardised coefficients, in units of rows.
    signs
        Shape (k,): 1 where a coefficient may not be negative, -1 where not positive, 0 where free;
        all free when not given.

    Returns
    -------
    intercept
        Log odds where all columns are 0.
    coefficients
        float64, shape (k,).

    Raises
    ------
    ConfigurationError
        If all targets are alike.
    """
    if np.unique(targets).size < 2:
        raise ConfigurationError(
            "there is nothing to learn from examples that all have one answer: "
            "add labelled articles of look-alike events"
        )
    weights = weights * (weights.size / weights.sum())
    mean = np.average(design, axis=0, weights=weights)
    deviation = np.sqrt(np.average((design - mean) ** 2, axis=0, weights=weights)) + 1e-9
    standardised = (design - mean) / deviation
    if signs is None:
        model = LogisticRegression(C=1.0 / ridge, solver="newton-cholesky", max_iter=50)
        model.fit(standardised, targets.astype(np.int64), sample_weight=weights)
        intercept, slopes = float(model.intercept_[0]), model.coef_[0].astype(np.float64)
    else:
        intercept, slopes = _bounded(standardised, targets, weights, ridge, signs)
    coefficients = slopes / deviation
    return intercept - float(coefficients @ mean), coefficients


def _bounded(
    standardised: NDArray[np.floating],
    targets: NDArray[np.floating],
    weights: NDArray[np.float64],
    ridge: float,
    signs: Sequence[int] | NDArray[np.integer],
) -> tuple[float, NDArray[np.float64]]:
    """Minimise what scikit-learn minimises, within the bounds that signs set, which it cannot."""

    def loss(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = standardised @ point[1:] + point[0]
        value = weights @ (np.logaddexp(0.0, logits) - targets * logits)
        slope = weights * (0.5 + 0.5 * np.tanh(0.5 * logits) - targets)
        gradient = np.append(slope.sum(), standardised.T @ slope + ridge * point[1:])
        whole = float(value + 0.5 * ridge * (point[1:] @ point[1:]))
        return whole / weights.size, gradient / weights.size

    bounds = {1: (0.0, None), -1: (None, 0.0), 0: (None, None)}
    found = minimize(
        loss,
        np.zeros(standardised.shape[1] + 1),
        jac=True,
        method="L-BFGS-B",
        bounds=[(None, None), *(bounds[int(sign)] for sign in signs)],
        options={"maxiter": 1_000, "maxfun": 2_000, "ftol": 1e-11, "gtol": 1e-7},
    )
    return float(found.x[0]), np.asarray(found.x[1:], dtype=np.float64)
