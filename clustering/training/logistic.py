"""scikit-learn's logistic regression, typed: the one place that trains with it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from clustering.errors import ConfigurationError


def fit_logistic(
    design: NDArray[np.floating],
    targets: NDArray[np.floating],
    weights: NDArray[np.float64],
    *,
    ridge: float,
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
    model = LogisticRegression(C=1.0 / ridge, solver="newton-cholesky", max_iter=50)
    model.fit(standardised, targets.astype(np.int64), sample_weight=weights)
    coefficients = model.coef_[0].astype(np.float64) / deviation
    return float(model.intercept_[0] - coefficients @ mean), coefficients
