"""What a design of this size could have found at all."""

from __future__ import annotations

import numpy as np
from scipy import special
from scipy.optimize import brentq

from ..errors import ParameterError
from . import arguments


def critical_correlation(n: float, alpha: float = 0.05) -> float:
    """Smallest absolute correlation that a two-sided t test calls different from zero.

    Examples
    --------
    >>> round(critical_correlation(201), 3)
    0.138
    """
    arguments.correlation(0.0, n, above=3)
    arguments.share(alpha=alpha)
    t = special.stdtrit(n - 2, 1 - alpha / 2)
    return float(t / np.sqrt(t**2 + n - 2))


def power_correlation(rho: float, n: float, alpha: float = 0.05) -> float:
    """Power of the two-sided test of a correlation.

    Parameters
    ----------
    rho : float
        Correlation in the population.
    n : float
        Number of independent pairs, or the effective n.
    alpha : float
        Level of the test.

    Returns
    -------
    float

    Raises
    ------
    ParameterError
        rho outside -1 to 1, n not above 3.

    Notes
    -----
    Fisher's z with its bias correction against the critical r of the t test (Cohen 1988), as in
    R's ``pwr::pwr.r.test``.

    Examples
    --------
    >>> round(power_correlation(0.20, 201), 2)
    0.82
    """
    arguments.correlation(rho, n, above=3)
    if abs(rho) == 1:
        return 1.0
    z = np.arctanh(abs(rho)) + abs(rho) / (2 * (n - 1))
    limit = np.arctanh(critical_correlation(n, alpha))
    return float(
        special.ndtr((z - limit) * np.sqrt(n - 3)) + special.ndtr((-z - limit) * np.sqrt(n - 3))
    )


def detectable_correlation(n: float, power: float = 0.80, alpha: float = 0.05) -> float:
    """Smallest correlation that n pairs find with the given power (see power_correlation).

    Raises
    ------
    ParameterError
        n not above 3, a power not between alpha and 1.

    Examples
    --------
    >>> round(detectable_correlation(201), 2)
    0.2
    """
    arguments.correlation(0.0, n, above=3)
    arguments.share(power=power, alpha=alpha)
    _above_alpha(power, alpha)
    return float(brentq(lambda rho: power_correlation(rho, n, alpha) - power, 0, 1, xtol=1e-12))


def detectable_effect(
    std_error: float, df: float = np.inf, power: float = 0.80, alpha: float = 0.05
) -> float:
    """Smallest effect that an estimate with this standard error finds with the given power.

    Parameters
    ----------
    std_error : float
        Standard error of the estimate, taken as known.
    df : float
        Degrees of freedom of its t test (noncentral t); infinite for the normal distribution.
    power, alpha : float

    Returns
    -------
    float
        In the units of the estimate, above zero.

    Raises
    ------
    ParameterError
        A standard error or degrees of freedom not above zero, a power not between alpha and 1.

    Examples
    --------
    >>> round(detectable_effect(0.1), 3)
    0.28
    """
    arguments.finite(std_error=std_error)
    arguments.positive(std_error=std_error, df=df)
    arguments.share(power=power, alpha=alpha)
    _above_alpha(power, alpha)
    limit = special.stdtrit(df, 1 - alpha / 2)

    def missed(shift: float) -> float:
        if np.isinf(df):
            return special.ndtr(limit - shift) - special.ndtr(-limit - shift) - (1 - power)
        inside = special.nctdtr(df, shift, limit) - special.nctdtr(df, shift, -limit)
        return inside - (1 - power)

    top = limit
    while missed(top) > 0:
        top *= 2
    return float(brentq(missed, 0, top, xtol=1e-12)) * std_error


def detectable_rate_ratio(
    std_error: float, df: float = np.inf, power: float = 0.80, alpha: float = 0.05
) -> float:
    """Smallest rate ratio above one that a log rate ratio with this standard error finds.

    Parameters
    ----------
    std_error : float
        Standard error of the *log* rate ratio.
    df, power, alpha
        As in :func:`detectable_effect`, which says more.

    Returns
    -------
    float
        Above one; its reciprocal is the largest detectable ratio below one.

    Examples
    --------
    >>> round(detectable_rate_ratio(0.08), 2)
    1.25
    """
    return float(np.exp(detectable_effect(std_error, df, power, alpha)))


def _above_alpha(power: float, alpha: float) -> None:
    if power <= alpha:
        raise ParameterError(f"power {power} must be larger than alpha {alpha}.")
