"""What a standard deviation more of a rating does to the mean of a count, zeros included."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from ..errors import NotEstimableError
from .count_design import from_arrays
from .count_families import FAMILIES, Fit


def log_mean_ratio(y, X, family: str, near: Fit | None = None) -> tuple[float, Fit]:
    """Log ratio of mean counts half a unit above and half a unit below each row's first predictor.

    Parameters
    ----------
    y : ndarray (n,) of counts
    X : ndarray (n, k)
        The first column is the predictor of interest, in the units wanted (standard deviations).
    family : {"poisson", "negbin", "hurdle"}
    near : Fit, optional
        Of almost the same rows, to start from.

    Returns
    -------
    float
        Of a log-linear family its coefficient. Of a hurdle both parts together: they may point
        in opposite directions, and a number of days is the product of the two.
    Fit
        What it was read from.

    Raises
    ------
    NotEstimableError
        As `counts.count_regression`, or a family that is not identified, with the reason.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> X = rng.normal(size=(500, 1))
    >>> y = rng.poisson(np.exp(1 + 0.2 * X[:, 0]))
    >>> round(log_mean_ratio(y, X, "poisson")[0], 1)
    0.2
    """
    design = from_arrays(y, X, "days", [f"x{i}" for i in range(X.shape[1])])
    with np.errstate(over="ignore"):
        fit = FAMILIES[family](design, near)
    if not fit.identified:
        raise NotEstimableError(fit.reason)
    parts = (design.back @ fit.b.reshape(len(fit.parts), -1).T).T
    if family != "hurdle":
        return float(parts[0, 1]), fit
    count, some = parts
    whole = np.column_stack([np.ones(len(y)), X])
    totals = []
    for shift in (0.5, -0.5):
        moved = whole.copy()
        moved[:, 1] += shift
        mu, theta = np.exp(moved @ count), fit.theta
        none = -mu if np.isinf(theta) else -theta * np.log1p(mu / theta)
        totals.append(np.sum(expit(moved @ some) * mu / -np.expm1(none)))
    return float(np.log(totals[0] / totals[1])), fit
