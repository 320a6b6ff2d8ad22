"""Counts of days on one rating beside covariates: observed, and under permutations of the rating.

Three estimators of the rate ratio: `poisson` (errors by dyad), `poisson_cr2` (errors by case
manager) and `negbin`. Under permutation what the covariates leave of the rating changes places
(Potter 2005, Stat Med 24:693-708) and every statistic is the score test of the null model, whose
one-step estimate stands in for the fit.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.special import ndtr, stdtr

from ..errors import NotEstimableError
from .count_design import Design, from_arrays
from .count_fits import Fit, negbin, poisson
from .partial import Estimate, Partial
from .robust import cr2_covariance

COUNT_ESTIMATORS = ("poisson", "poisson_cr2", "negbin")


class PartialCounts:
    """Counts, one predictor and covariates on complete rows.

    Parameters
    ----------
    y : ndarray (n,) of counts
    x : ndarray (n,)
        Standardised here: log rate ratios are per standard deviation.
    Z : ndarray (n, q), covariates
    groups : ndarray (n,) of labels, or None where dyads are independent

    Raises
    ------
    NotEstimableError
        As `counts.count_regression`; a rating that does not vary or that covariates determine.

    Examples
    --------
    >>> rng = np.random.default_rng(1995)
    >>> x = rng.normal(size=300)
    >>> model = PartialCounts(rng.poisson(np.exp(1 + 0.3 * x)), x, np.empty((300, 0)), None)
    >>> round(float(np.exp(model.observed("poisson").estimate)), 2)
    1.29
    """

    def __init__(self, y, x, Z, groups) -> None:
        self.y, self.groups = np.asarray(y, float), groups
        linear = Partial(self.y, np.asarray(x, float)[:, None], Z, groups)
        back = np.empty(len(self.y), int)
        back[linear.order] = np.arange(len(self.y))
        self.x, self.Z = linear.X[back, 0], linear.Z[back]
        self.n = len(self.y)
        base = linear.base[back]
        self.residual = self.x - base @ (base.T @ self.x)

    def observed(self, estimator: str) -> Estimate:
        """The full fit; the estimate is the log rate ratio."""
        if estimator == "negbin":
            fit, design = self._negbin, self._design
            if not fit.identified:
                raise NotEstimableError(fit.reason)
            back = design.back
            b, v = (back @ fit.b)[1], (back @ fit.vcov @ back.T)[1, 1]
            return self._estimate(b, v, np.inf)
        b, covariance = self._by(estimator)
        return self._estimate(b[1], covariance.vcov[1, 1], float(covariance.df[1]))

    def _estimate(self, b, variance, df) -> Estimate:
        t = float(b / np.sqrt(variance))
        p = 2 * float(stdtr(df, -abs(t)) if np.isfinite(df) else ndtr(-abs(t)))
        return Estimate(float(b), float(np.sqrt(variance)), t * t, 1, df, p, self.n)

    def permuted(self, estimator: str, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One-step log rate ratios and p-values for each permutation, `order` (b, n) of rows."""
        mean, theta = self._null(estimator)
        weight = mean / (1 + mean / theta)
        score = (self.y - mean) / (1 + mean / theta)
        root = np.sqrt(weight)
        basis = np.linalg.qr(np.column_stack([np.ones(self.n), self.Z]) * root[:, None])[0]
        moved = self.residual[order]
        taken = (moved * root) @ basis
        left = moved - (taken @ basis.T) / root
        information = (left * left) @ weight
        reached = left @ score
        if estimator == "negbin":
            variance = information
        elif estimator == "poisson" or self.groups is None:
            variance = (left * left) @ (score * score)
        else:
            codes = np.unique(self.groups, return_inverse=True)[1]
            by_group = np.argsort(codes, kind="stable")
            starts = np.flatnonzero(np.diff(codes[by_group], prepend=-1))
            sums = np.add.reduceat((left * score)[:, by_group], starts, axis=1)
            variance = np.einsum("bj,bj->b", sums, sums)
        return reached / information, 2 * ndtr(-np.abs(reached) / np.sqrt(variance))

    @cached_property
    def _design(self) -> Design:
        return self._make(np.column_stack([self.x, self.Z]))

    def _make(self, X: np.ndarray) -> Design:
        return from_arrays(self.y, X, "days", [f"x{i}" for i in range(X.shape[1])])

    @cached_property
    def _poisson(self) -> Fit:
        return poisson(self._design)

    @cached_property
    def _negbin(self) -> Fit:
        return negbin(self._design)

    def _by(self, estimator: str):
        design, fit = self._design, self._poisson
        by_dyad = estimator == "poisson" or self.groups is None
        groups = np.arange(self.n) if by_dyad else self.groups
        gradient = fit.mu[:, None] * design.Z @ np.linalg.inv(design.back)
        covariance = cr2_covariance(gradient, self.y - fit.mu, groups, fit.mu, design.terms)
        return design.back @ fit.b, covariance

    def _null(self, estimator: str) -> tuple[np.ndarray, float]:
        """Means and theta without the rating."""
        if not self.Z.shape[1]:
            flat = np.full(self.n, self.y.mean())
            return flat, self._theta(flat) if estimator == "negbin" else np.inf
        mean = self._null_mean
        return mean, self._theta(mean) if estimator == "negbin" else np.inf

    @cached_property
    def _null_mean(self) -> np.ndarray:
        return poisson(self._make(self.Z)).mu

    def _theta(self, mean: np.ndarray) -> float:
        """Moment estimate; infinite where there is no over-dispersion."""
        spread = np.sum((self.y - mean) ** 2 - mean)
        return float(np.sum(mean**2) / spread) if spread > 0 else np.inf
