"""Evidence for or against a whole block of predictors: a Bayes factor from R-squared."""

from __future__ import annotations

import numpy as np
from scipy import integrate
from scipy.special import gammaln

from ..errors import ParameterError
from . import arguments

MEDIUM = np.sqrt(2) / 4
"""The "medium" prior width of R's BayesFactor for regressions."""


def bayes_factor_block(
    r_squared: float, n: float, k: int, r_scale: float = MEDIUM, log: bool = False
) -> float:
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
    log : bool
        Return the natural logarithm.

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
    ``BayesFactor::linearReg.R2stat``. The integral is taken over log g around its peak.

    Examples
    --------
    >>> round(1 / bayes_factor_block(0.05, 201, 6), 1)
    29.3
    """
    arguments.finite(r_squared=r_squared, n=n)
    arguments.positive(k=k, r_scale=r_scale)
    if not 0 <= r_squared < 1:
        raise ParameterError(f"r_squared is {r_squared}; give a share from 0 to below 1.")
    if n <= k + 1:
        raise ParameterError(f"n is {n}; more than {k + 1} rows are needed for {k} predictors.")
    b = n * r_scale**2 / 2
    constant = 0.5 * np.log(b) - gammaln(0.5)

    def log_integrand(t):
        # With g = exp(t); the last term is the inverse gamma density times dg / dt.
        g = np.exp(t)
        gain = (n - 1 - k) / 2 * np.log1p(g) - (n - 1) / 2 * np.log1p((1 - r_squared) * g)
        return gain + constant - t / 2 - b * np.exp(-t)

    grid = np.linspace(-30, 60, 1801)
    values = log_integrand(grid)
    peak = float(values.max())
    near = grid[values > peak - 45]
    low, high = near[0] - 0.1, near[-1] + 0.1
    area = integrate.quad(
        lambda t: np.exp(log_integrand(t) - peak), low, high, epsabs=0, epsrel=1e-10, limit=500
    )[0]
    value = peak + np.log(area)
    return float(value) if log else float(np.exp(value))
