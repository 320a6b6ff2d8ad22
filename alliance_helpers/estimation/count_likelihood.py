"""Log-likelihoods of logit, negative binomial and its zero-truncated and zero-inflated kin.

Each returns one value per row and its exact derivatives by the row's linear predictors, so that
one optimiser serves all of them: gradient and Hessian follow from the design blocks. A Hessian
needs no values: without `value` there are none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaln, digamma, expit, gammaln

Rows = Callable[..., tuple[np.ndarray, tuple[np.ndarray, ...]]]
STEP = 1e-5  # of a central difference of exact derivatives: error about 1e-9
STEPS = 12  # of Newton, before a trust region is called for
NO_SPREAD = 23.0  # log theta from which a negative binomial is a Poisson to ten digits


def logit_rows(event: np.ndarray, eta: np.ndarray, *, value: bool = True):
    """Bernoulli log-likelihood of `event` (0/1) with log-odds `eta`, and its derivative."""
    ll = event * eta - np.logaddexp(0, eta) if value else None
    return ll, (event - expit(eta),)


def negbin_rows(y: np.ndarray, eta: np.ndarray, log_theta: np.ndarray, *, value: bool = True):
    """Negative binomial, mean exp(eta), variance mean + mean**2 / theta; by eta and log theta.

    Written so that nothing cancels as theta grows and the Poisson is approached.
    """
    mu, theta = _mu_theta(eta, log_theta)
    spread = np.log1p(mu / theta)
    by_eta = (y - mu) * theta / (theta + mu)
    by_theta = digamma(y + theta) - digamma(theta) - spread + (mu - y) / (theta + mu)
    ll = None
    if value:
        some = np.maximum(y, 1)
        rising = np.where(y > 0, gammaln(some) - betaln(theta, some) - y * np.log(theta), 0)
        ll = rising + y * np.log(mu) - (y + theta) * spread - gammaln(y + 1)
    return ll, (by_eta, theta * by_theta)


def truncated_rows(y: np.ndarray, eta: np.ndarray, log_theta: np.ndarray, *, value: bool = True):
    """Negative binomial given that the count is not 0; `y` above 0."""
    ll, (by_eta, by_theta) = negbin_rows(y, eta, log_theta, value=value)
    log_p0, (eta0, theta0) = _log_zero(eta, log_theta)
    odds = 1 / np.expm1(-log_p0)
    ll = ll - np.log(-np.expm1(log_p0)) if value else None
    return ll, (by_eta + odds * eta0, by_theta + odds * theta0)


def inflated_rows(
    y: np.ndarray, eta: np.ndarray, log_theta: np.ndarray, zeta: np.ndarray, *, value: bool = True
):
    """Negative binomial mixed with excess zeros, whose log-odds are `zeta`."""
    ll, (by_eta, by_theta) = negbin_rows(y, eta, log_theta, value=value)
    log_p0, (eta0, theta0) = _log_zero(eta, log_theta)
    log_share, log_rest = -np.logaddexp(0, -zeta), -np.logaddexp(0, zeta)
    log_any_zero = np.logaddexp(log_share, log_rest + log_p0)
    excess = np.exp(log_share - log_any_zero)
    zero = y == 0
    return (
        np.where(zero, log_any_zero, log_rest + ll) if value else None,
        (
            np.where(zero, (1 - excess) * eta0, by_eta),
            np.where(zero, (1 - excess) * theta0, by_theta),
            np.where(zero, excess, 0) - expit(zeta),
        ),
    )


def _mu_theta(eta, log_theta):
    return np.exp(np.clip(eta, -50, 50)), np.exp(np.clip(log_theta, -20, NO_SPREAD))


def _log_zero(eta, log_theta):
    mu, theta = _mu_theta(eta, log_theta)
    spread = np.log1p(mu / theta)
    share = mu / (theta + mu)
    return -theta * spread, (-theta * share, -theta * (spread - share))


@dataclass(frozen=True)
class Optimum:
    """Where the likelihood is highest: parameters, log-likelihood, observed information.

    `vcov` is NaN when the information is not positive definite or the gradient is not 0.
    """

    x: np.ndarray
    llf: float
    vcov: np.ndarray

    @property
    def settled(self) -> bool:
        return bool(np.isfinite(self.vcov).all())


def maximise(rows: Rows, blocks: Sequence[np.ndarray], start: np.ndarray) -> Optimum:
    """Maximise the sum of `rows` over the coefficients of all design blocks.

    Parameters
    ----------
    rows : callable
        Takes one linear predictor per block, and by name whether a `value` is wanted; returns
        log-likelihoods and their derivatives.
    blocks : sequence of ndarray, shape (n, k_j)
    start : ndarray, shape (sum of k_j,)
    """
    ends = np.cumsum([0, *(b.shape[1] for b in blocks)])

    def predictors(x):
        return [b @ x[i:j] for b, i, j in zip(blocks, ends, ends[1:], strict=False)]

    def loss(x):
        ll, by = rows(*predictors(x))
        return -ll.sum(), -np.concatenate([b.T @ d for b, d in zip(blocks, by, strict=True)])

    def hessian(x):
        at, out = predictors(x), np.empty((ends[-1], ends[-1]))
        for c, block in enumerate(blocks):
            up, down = list(at), list(at)
            up[c], down[c] = at[c] + STEP, at[c] - STEP
            by_up, by_down = (rows(*moved, value=False)[1] for moved in (up, down))
            for r, (u, d) in enumerate(zip(by_up, by_down, strict=True)):
                bend = (d - u) / (2 * STEP)
                out[ends[r] : ends[r + 1], ends[c] : ends[c + 1]] = (blocks[r].T * bend) @ block
        return (out + out.T) / 2

    near = _newton(loss, hessian, start)
    if near.settled:
        return near
    options = {"gtol": 1e-5, "maxiter": 300}
    found = minimize(loss, start, jac=True, hess=hessian, method="trust-exact", options=options)
    return _newton(loss, hessian, found.x)


def _newton(loss, hessian, x: np.ndarray) -> Optimum:
    """Newton steps to the last digit while they climb; without a maximum there, no covariance."""
    unknown = np.full((len(x), len(x)), np.nan)
    before = np.inf
    for _ in range(STEPS):
        value, gradient = loss(x)
        if value > before + 1e-9 * abs(value):
            break
        before = value
        information = hessian(x)
        if not np.isfinite(information).all() or np.linalg.eigvalsh(information)[0] <= 1e-9:
            break
        vcov = np.linalg.inv(information)
        step = vcov @ gradient
        if gradient @ step < 1e-16 * max(1.0, abs(value)):
            return Optimum(x - step, -float(value), vcov)
        x = x - step
    return Optimum(x, -float(value), unknown)
