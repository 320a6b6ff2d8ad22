"""What an estimate allows one to say: equivalence, evidence for nothing, many tests, power.

A p-value above .05 never shows that there is no association. Ask instead whether the estimate is
certainly smaller than what would matter (equivalence), how much better "no association" predicts
the data (Bayes factor), and what a design of this size could have found at all (power).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import special
from scipy.optimize import brentq

from ..errors import ParameterError
from .design import as_floats, require, require_pairs


def equivalence(estimate, std_error, low, high, df=np.inf) -> pd.DataFrame:
    """Two one-sided tests that an effect lies between two bounds.

    Parameters
    ----------
    estimate, std_error : float
        On a scale where the estimate is close to normal (a coefficient, a log rate ratio).
    low, high : float
        Bounds of what would be too small to matter, on the same scale; choose them before
        looking.
    df : float
        Degrees of freedom of t; infinite for the normal distribution.

    Returns
    -------
    DataFrame, one row
        ``p_value`` (the larger of the two), ``conf_low conf_high`` (90 %) and ``equivalent``,
        true when the interval lies inside the bounds.

    Raises
    ------
    ParameterError
        Bounds in the wrong order, a standard error that is not above zero, a value that is no
        finite number.

    Notes
    -----
    Schuirmann (1987).

    Examples
    --------
    >>> bool(equivalence(0.02, 0.05, low=-0.2, high=0.2)["equivalent"].iloc[0])
    True
    """
    require("finite", estimate=estimate, std_error=std_error, low=low, high=high)
    require("positive", std_error=std_error, df=df)
    if low >= high:
        raise ParameterError(f"The lower bound {low} must lie below the upper bound {high}.")
    p = two_one_sided(estimate, std_error, low, high, df)
    reach = special.stdtrit(df, 0.95) * std_error
    row = {"p_value": p, "conf_low": estimate - reach, "conf_high": estimate + reach}
    return pd.DataFrame([row | {"equivalent": bool(p < 0.05)}])


def two_one_sided(estimate, std_error, low, high, df=np.inf) -> float:
    """The p-value of :func:`equivalence` alone, without a table and without its checks.

    Examples
    --------
    >>> round(two_one_sided(0.0, 0.1, low=-0.2, high=0.2), 4)
    0.0228
    """
    below = special.stdtr(df, (low - estimate) / std_error)
    return float(max(below, special.stdtr(df, (estimate - high) / std_error)))


def equivalence_correlation(r: float, n: float, bound: float) -> pd.DataFrame:
    """Two one-sided tests that a correlation lies within plus and minus a bound.

    Parameters
    ----------
    r : float
        Observed correlation.
    n : float
        Number of independent pairs; an effective n where they are not independent.
    bound : float
        Smallest correlation that would matter, above 0 and below 1.

    Returns
    -------
    DataFrame, one row
        As :func:`equivalence`, the interval on the scale of r.

    Raises
    ------
    ParameterError
        r outside -1 to 1, n not above 3, a bound outside 0 to 1.

    Notes
    -----
    On Fisher's z with standard error 1 / sqrt(n - 3). With n = 201 correlations below .086 are
    equivalent to zero within .20; none is within .10.

    Examples
    --------
    >>> equivalence_correlation(0.085, 201, bound=0.20)["equivalent"].tolist()
    [True]
    """
    require_pairs(r, n, above=3)
    require("share", bound=bound)
    z, limit = np.arctanh([np.clip(r, -1 + 1e-15, 1 - 1e-15), bound])
    row = equivalence(z, 1 / np.sqrt(n - 3), -limit, limit)
    row[["conf_low", "conf_high"]] = np.tanh(row[["conf_low", "conf_high"]])
    return row


def bayes_factor_correlation(r: float, n: float, kappa: float = 1.0, log: bool = False) -> float:
    """Evidence for a correlation against none (BF10).

    Parameters
    ----------
    r : float
        Observed Pearson correlation (of rank-normal scores where the data are far from normal).
    n : float
        Number of independent pairs, or the effective n.
    kappa : float
        Width of the stretched beta prior: 1 is uniform on -1 to 1 (JASP), 1/3 is the "medium"
        of R's BayesFactor. Always state it: at r = 0 and n = 201 the evidence for no correlation
        is 11 to 1 with the first and 6 to 1 with the second.
    log : bool
        Return the natural logarithm, which never overflows.

    Returns
    -------
    float
        BF10; infinite where it exceeds the largest float.

    Raises
    ------
    ParameterError
        r outside -1 to 1, n not above 2, kappa not above zero.

    Notes
    -----
    Exact, after Ly, Verhagen & Wagenmakers (2016), with Euler's transformation of the
    hypergeometric function, so that large n cannot overflow.

    Examples
    --------
    >>> round(1 / bayes_factor_correlation(0.0, 201), 1)
    11.3
    """
    require_pairs(r, n, above=2)
    require("finite", kappa=kappa)
    require("positive", kappa=kappa)
    if abs(r) == 1:
        return np.inf
    a, c = (1 + 2 / kappa) / 2, (n + 2 / kappa) / 2
    value = (1 - 2 / kappa) * np.log(2) + np.log(np.pi) / 2 - special.betaln(1 / kappa, 1 / kappa)
    value += special.gammaln(c - 0.5) - special.gammaln(c)
    value += (1 + 1 / kappa - n / 2) * np.log1p(-(r**2)) + _log_hyp2f1(a, c, r**2)
    with np.errstate(over="ignore"):
        return float(value if log else np.exp(value))


def _log_hyp2f1(a: float, c: float, z: float) -> float:
    """Logarithm of 2F1(a, a; c; z); by its series where scipy finds none (large c, z near 1)."""
    with np.errstate(all="ignore"):
        value = special.hyp2f1(a, a, c, z)
    if np.isfinite(value):
        return np.log(value)
    j = np.arange(100_000)
    ratios = 2 * np.log(a + j) - np.log(c + j) - np.log1p(j) + np.log(z)
    return np.logaddexp(0, special.logsumexp(np.cumsum(ratios)))


def adjust(p_values: Sequence[float]) -> np.ndarray:
    """p-values that keep the risk of even one false claim among several (Holm 1979).

    Parameters
    ----------
    p_values : sequence of float
        One family of tests; NaN stays NaN and does not count.

    Returns
    -------
    ndarray

    Raises
    ------
    ParameterError
        A value outside 0 to 1.

    Examples
    --------
    >>> adjust([0.01, 0.02, 0.04]).round(2).tolist()
    [0.03, 0.04, 0.04]
    """
    values = as_floats(p_values, "p_values", any_size=True).reshape(-1)
    if ((values < 0) | (values > 1)).any():
        raise ParameterError("p_values holds a number outside 0 to 1.")
    adjusted, known = values.copy(), np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    # The same as statsmodels' multipletests, which empties the garbage of the whole process.
    running = np.maximum.accumulate(values[order] * np.arange(len(order), 0, -1))
    adjusted[order] = np.minimum(running, 1)
    return adjusted


# The "medium" prior width of R's BayesFactor for regressions.
MEDIUM = np.sqrt(2) / 4


def bayes_factor_block(r_squared: float, n: float, k: int, r_scale: float = MEDIUM) -> float:
    """Evidence for a block of predictors against none of them (BF10).

    Parameters
    ----------
    r_squared : float
        Share of variance that the block explains.
    n : float
        Number of independent rows, or the effective n.
    k : int
        Predictors of the block.
    r_scale : float
        Width of the prior on standardised coefficients; always state it.

    Returns
    -------
    float

    Raises
    ------
    ParameterError
        R-squared outside 0 to 1, n not above k + 1, a width not above 0.

    Notes
    -----
    Coefficients have Zellner and Siow's prior, g an inverse gamma (1/2, n r_scale**2 / 2): Rouder &
    Morey (2012), Multivariate Behav Res 47:877-903, equation 11; equal to
    ``BayesFactor::linearReg.R2stat``. The integral is taken over log g by the trapezoid rule.

    Examples
    --------
    >>> round(1 / bayes_factor_block(0.05, 201, 6), 1)
    29.3
    """
    require("finite", r_squared=r_squared, n=n)
    require("positive", k=k, r_scale=r_scale)
    if not 0 <= r_squared < 1:
        raise ParameterError(f"r_squared is {r_squared}; give a share from 0 to below 1.")
    if n <= k + 1:
        raise ParameterError(f"n is {n}; more than {k + 1} rows are needed for {k} predictors.")
    b = n * r_scale**2 / 2
    constant = 0.5 * np.log(b) - special.gammaln(0.5)

    def log_integrand(t):
        # With g = exp(t); the last term is the inverse gamma density times dg / dt.
        g = np.exp(t)
        gain = (n - 1 - k) / 2 * np.log1p(g) - (n - 1) / 2 * np.log1p((1 - r_squared) * g)
        return gain + constant - t / 2 - b * np.exp(-t)

    grid, step = np.linspace(-30, 60, 90_001, retstep=True)
    with np.errstate(over="ignore"):
        return float(np.exp(special.logsumexp(log_integrand(grid)) + np.log(step)))


def critical_correlation(n: float, alpha: float = 0.05) -> float:
    """Smallest absolute correlation that a two-sided t test calls different from zero.

    Examples
    --------
    >>> round(critical_correlation(201), 3)
    0.138
    """
    require_pairs(0.0, n, above=3)
    require("share", alpha=alpha)
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
    require_pairs(rho, n, above=3)
    if abs(rho) == 1:
        return 1.0
    z = np.arctanh(abs(rho)) + abs(rho) / (2 * (n - 1))
    limit = np.arctanh(critical_correlation(n, alpha))
    root = np.sqrt(n - 3)
    return float(special.ndtr((z - limit) * root) + special.ndtr((-z - limit) * root))


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
    require("share", power=power, alpha=alpha)
    if power <= alpha:
        raise ParameterError(f"power {power} must be larger than alpha {alpha}.")
    return float(brentq(lambda rho: power_correlation(rho, n, alpha) - power, 0, 1, xtol=1e-12))
