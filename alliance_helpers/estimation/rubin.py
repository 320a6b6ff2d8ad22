"""Rubin's rules on arrays: what several completed data sets say together."""

from __future__ import annotations

import numpy as np

SMALLEST_SHARE = 1e-4
"""Least share of the variance due to missing values, as in R's mice: df stay finite without."""


def scalars(
    estimates: np.ndarray, variances: np.ndarray, complete: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pooled standard errors, relative increases in variance and degrees of freedom.

    Parameters
    ----------
    estimates, variances : ndarray (m, p)
    complete : ndarray (p,)
        Degrees of freedom without missing values; may be infinite.

    Notes
    -----
    Rubin (1987); Barnard & Rubin (1999).

    Examples
    --------
    >>> error, riv, df = scalars(np.array([[1.0], [3.0]]), np.ones((2, 1)), np.array([np.inf]))
    >>> float(error[0]), float(riv[0])
    (2.0, 3.0)
    """
    m = len(estimates)
    within = variances.mean(axis=0)
    riv = (1 + 1 / m) * estimates.var(axis=0, ddof=1) / within
    share = np.maximum(riv / (1 + riv), SMALLEST_SHARE)
    df = (m - 1) / share**2
    finite = np.isfinite(complete)
    left = complete[finite]
    observed = (left + 1) / (left + 3) * left * (1 - share[finite])
    df[finite] = df[finite] * observed / (df[finite] + observed)
    return np.sqrt(within * (1 + riv)), riv, df


def block(estimates: np.ndarray, within: np.ndarray, complete: float) -> tuple[float, float, float]:
    """F of D1, its denominator degrees of freedom, and the relative increase in variance.

    Parameters
    ----------
    estimates : ndarray (m, p)
    within : ndarray (p, p), mean of the covariance matrices
    complete : float
        Degrees of freedom without missing values; may be infinite.

    Notes
    -----
    Li, Raghunathan & Rubin (1991).

    Examples
    --------
    >>> f, df2, riv = block(np.array([[1.0, 0], [3.0, 0]]), np.eye(2), np.inf)
    >>> f, riv
    (0.8, 1.5)
    """
    m, p = estimates.shape
    between = np.atleast_2d(np.cov(estimates, rowvar=False))
    riv = float((1 + 1 / m) * np.trace(np.linalg.solve(within, between)) / p)
    mean = estimates.mean(axis=0)
    f = float(mean @ np.linalg.solve(within, mean)) / (p * (1 + riv))
    return f, block_df(riv, p, m, complete), riv


def block_df(riv: float, p: int, m: int, complete: float) -> float:
    """Denominator degrees of freedom of D1: Reiter (2007), or Li et al. (1991).

    Reiter's formula has poles where complete data leave five or fewer; there the rule for a single
    coefficient serves, with the block's mean share (Barnard & Rubin 1999).

    Examples
    --------
    >>> round(block_df(riv=0.1, p=3, m=20, complete=3), 2)
    1.82
    """
    t = p * (m - 1)
    if riv == 0:
        return complete
    if t <= 4:
        return t * (1 + 1 / p) * (1 + 1 / riv) ** 2 / 2
    if np.isinf(complete):
        return 4 + (t - 4) * (1 + (1 - 2 / t) / riv) ** 2
    a = riv * t / (t - 2)
    star = (complete + 1) / (complete + 3) * complete
    c0, c1, c2 = 1 / (t - 4), star - 2 * (1 + a), star - 4 * (1 + a)
    if c2 <= 0:
        observed, many = star / (1 + riv), block_df(riv, p, m, np.inf)
        return many * observed / (many + observed)
    z = (
        1 / c2
        + c0 * a**2 * c1 / ((1 + a) ** 2 * c2)
        + c0 * (8 * a**2 * c1 / ((1 + a) * c2**2) + 4 * a**2 / ((1 + a) * c2))
        + c0 * (4 * a**2 / (c2 * c1) + 16 * a**2 * c1 / c2**3)
        + c0 * 8 * a**2 / c2**2
    )
    return 4 + 1 / z
