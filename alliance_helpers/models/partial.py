"""One predictor, or a block, beside covariates: observed, and under permutations.

Observed values are the full fits. Of ratings (`Partial`) the estimators are `ols` (dyads
independent), `cr2` (the same slopes, errors by case manager) and `mixed` (random intercept), or of
two ratings their correlation: `pearson` (dyads independent) and `jackknife` (errors by leaving out
one case manager at a time). Under permutation the residuals of the outcome on the covariates change
places (Freedman & Lane 1983, J Bus Econ Stat 1:292-298) and every statistic is closed form: for
`mixed` generalised least squares with the variance ratio held at what the residuals show, a score
test; for `jackknife` the covariates are not fitted anew. Of counts (`PartialCounts`)
what the covariates leave of the rating changes places (Potter 2005, Stat Med 24:693-708), and the
score test of the null model stands in, with its one-step estimate, for the fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from scipy.special import fdtrc, stdtr

from ..errors import NotEstimableError
from .count_fits import Design, Fit, fit_cr2, from_arrays, poisson
from .counts import negbin
from .design import COLLINEAR, Sample, check_shape, orthonormal, runs, standardise
from .nesting import Intercepts, anova, fit_intercepts, whitened
from .robust import MAX_BLOCKS, fit_robust, leave_one_out

ESTIMATORS = ("ols", "cr2", "mixed")
CORRELATIONS = ("pearson", "jackknife")
COUNT_ESTIMATORS = ("poisson", "poisson_cr2", "negbin")
# Of CR2 errors (Tipton 2015, Psychol Methods 20:375-393): with fewer, absences that are none came
# out in 12 to 17 % of cohorts of ten case managers.
FEWEST_DF = 4
# Share of case managers beyond which a few dyads tell nothing of what is left within them.
MOST_ALIKE = 0.99


@dataclass(frozen=True)
class Estimate:
    """Of one predictor the standardised slope; of a block the share of variance it adds.

    `f df1 df2 p_value` test it; `std_error` is NaN for a block. Of a block, `worth`: how many
    independent dyads these are worth to its predictors, and `drawn`: how many independent draws
    its predictors are, both less the covariates.
    """

    estimate: float
    std_error: float
    f: float
    df1: int
    df2: float
    p_value: float
    n: int
    worth: float = np.nan
    drawn: float = np.nan


class Correlation(Estimate):
    """An estimate on Fisher's z."""


class Partial:
    """An outcome, predictors and covariates on complete rows.

    Parameters
    ----------
    y : ndarray (n,)
    X : ndarray (n, k), the predictors of interest
    Z : ndarray (n, q), covariates; collinear ones are left out, the intercept is added
    groups : ndarray (n,) of labels, or None where dyads are independent
    block : bool
        Report a single predictor as a block too: by the share of variance it adds.

    Raises
    ------
    NotEstimableError
        A constant variable, too few rows, or predictors that the covariates determine.

    Examples
    --------
    >>> rng = np.random.default_rng(1995)
    >>> x, y = rng.normal(size=(2, 200))
    >>> model = Partial(x + y, x[:, None], np.empty((200, 0)), np.arange(200) // 5)
    >>> round(float(model.observed("ols").estimate), 2)
    0.72
    """

    def __init__(self, y, X, Z, groups, block: bool = False) -> None:
        codes = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1]
        self.order, self.starts, self.sizes = runs(codes)
        self.codes = codes[self.order]
        self.by_share = block or X.shape[1] > 1
        Z = _independent(Z[self.order])
        (self.n, self.k), self.q = X.shape, Z.shape[1]
        if self.n < self.k + self.q + 4:
            many = self.k + self.q
            raise NotEstimableError(f"{self.n} complete dyads are too few for {many} variables")
        self.y, self.X, self.Z = standardise(y[self.order]), standardise(X[self.order]), Z
        self.df = self.n - self.q - 1 - self.k
        self.base = np.linalg.qr(np.column_stack([np.ones(self.n), Z]))[0]
        self.residual = self.y - self.base @ (self.base.T @ self.y)
        if self.residual @ self.residual < COLLINEAR * self.n:
            raise NotEstimableError("the covariates determine the outcome")
        self.Q, self.R = _free_of(self.X, self.base)
        if 1 - self._share < COLLINEAR:
            raise NotEstimableError("a predictor is a copy of the outcome")

    def observed(self, estimator: str) -> Estimate:
        """The full fit."""
        found = getattr(self, f"_{estimator}")
        if not self.by_share:
            return found
        worth, drawn = self._worth(estimator)
        about = {"worth": worth, "drawn": drawn}
        return replace(found, estimate=self._share, std_error=np.nan, **about)

    def _tested(self, estimate, vcov, df, wald: Callable) -> Estimate:
        """A predictor's slope, or the `wald` test of a block; the intercept stands before them."""
        if self.k > 1:
            return Estimate(np.nan, np.nan, *wald(range(1, self.k + 1)), self.n)
        return _slope(estimate[1], np.sqrt(vcov[1, 1]), df[1], self.n)

    def _worth(self, estimator: str) -> tuple[float, float]:
        """`worth` and `drawn` of an :class:`Estimate`.

        Slopes taken from dyads as they are know as much as the design effect leaves (Kish 1965);
        those of the mixed model what its information expects of predictors as alike as these. What
        is alike in the outcome is what that model leaves between case managers: the outcome's own
        analysis of variance finds nothing in one of twelve cohorts of ten case managers, and a
        block at its bound was absent in 19 % of these.
        """
        n, more = self.n - self.q, self.sizes @ self.sizes / self.n - 1
        if estimator == "ols" or not more:
            return n, n
        alike, ratio = self._alike, min(self.intercepts.ratio, MOST_ALIKE / (1 - MOST_ALIKE))
        if estimator == "mixed":
            between = (self.sizes / (1 + ratio * self.sizes)).sum()
            within = self.n - ratio * between
            worth = (1 + ratio) * (within + alike * (between - within)) * n / self.n
        else:
            worth = n / (1 + more * alike * ratio / (1 + ratio))
        return float(np.mean(worth)), float(np.mean(n / (1 + more * alike**2)))

    @cached_property
    def _alike(self) -> np.ndarray:
        """Shares of the predictors' variance between case managers (k,)."""
        columns = (replace(self._sample, y=x) for x in self.X.T)
        return np.array([max(anova(column, "a predictor")[0], 0.0) for column in columns])

    def estimates(self, estimator: str, shuffled: np.ndarray) -> np.ndarray:
        """Estimates (b,) for each permutation, `shuffled` (b, n) as :meth:`shuffle` returns."""
        if estimator in CORRELATIONS:
            along = (shuffled @ self.Q)[:, 0] * np.sign(self.R[0, 0])
            return along / np.sqrt(self._total(shuffled))
        if self.by_share:
            return _squares(shuffled @ self.Q) / self._total(shuffled)
        Q, R = self._whitened if estimator == "mixed" else (self.Q, self.R)
        return shuffled @ Q[:, 0] / R[0, 0]

    def shuffle(self, order: np.ndarray) -> np.ndarray:
        """Residuals in permuted places: `order` (b, n) holds positions among the rows given."""
        back = np.empty(self.n)
        back[self.order] = self.residual
        return back[order][:, self.order]

    @cached_property
    def _ols(self) -> Estimate:
        along = self.Q.T @ self.residual
        explained = along @ along
        left = self.residual @ self.residual - explained
        if self.k == 1:
            error = np.sqrt(left / self.df) / abs(self.R[0, 0])
            return _slope(along[0] / self.R[0, 0], error, self.df, self.n)
        f, df = explained / self.k / (left / self.df), (self.k, self.df)
        return Estimate(np.nan, np.nan, f, *df, float(fdtrc(*df, f)), self.n)

    @property
    def _share(self) -> float:
        along = self.Q.T @ self.residual
        return float(along @ along / (self.residual @ self.residual))

    def _total(self, shuffled) -> np.ndarray:
        """Sum of squares that the covariates leave of the permuted residuals."""
        return self.residual @ self.residual - _squares(shuffled @ self.base)

    @cached_property
    def _sample(self) -> Sample:
        columns = np.ascontiguousarray(np.column_stack([self.X, self.Z]))
        names = tuple(f"x{j + 1}" for j in range(columns.shape[1]))
        sample = Sample(self.y, columns, names, self.starts, self.sizes)
        check_shape(sample)
        return sample

    @cached_property
    def _basis(self):
        return orthonormal(self._sample)

    @cached_property
    def _cr2(self) -> Estimate:
        estimate, covariance = fit_robust(self._sample, self._basis)
        wald = partial(covariance.wald, estimate)
        found = self._tested(estimate, covariance.vcov, covariance.df, wald)
        if found.df2 < FEWEST_DF:
            rest = f"errors by case manager rest on {found.df2:.1f} degrees of freedom"
            raise NotEstimableError(f"{rest}, and below {FEWEST_DF} are not to be trusted")
        return found

    @cached_property
    def intercepts(self) -> Intercepts:
        """The random-intercept model; the intercept first, then the predictors."""
        return fit_intercepts(self._sample, self._basis)

    @cached_property
    def _mixed(self) -> Estimate:
        fit = self.intercepts
        return self._tested(fit.estimate, fit.vcov, fit.df, fit.wald)

    @cached_property
    def _whitened(self) -> tuple[np.ndarray, np.ndarray]:
        """The predictors' basis after whitening, and its triangle."""
        icc = anova(replace(self._sample, y=self.residual), "the outcome")[0]
        share = float(np.clip(icc, 0, MOST_ALIKE))
        how = self.starts, self.sizes, share / (1 - share)
        base = np.linalg.qr(whitened(np.column_stack([np.ones(self.n), self.Z]), *how))[0]
        Q, R = _free_of(whitened(self.X, *how), base)
        return whitened(Q, *how), R

    def _fisher(self, rows: np.ndarray) -> np.ndarray:
        """Fisher's z of the outcome and its predictor, the covariates fitted to these rows."""
        both = np.column_stack([self.y, self.X[:, 0]])[rows]
        base = np.column_stack([np.ones(self.n), self.Z])[rows]
        left = both - base @ np.linalg.lstsq(base, both)[0]
        squares = left.T @ left
        if min(squares.diagonal()) < COLLINEAR * self.n:
            raise NotEstimableError("the others do not vary")
        return np.arctanh(squares[:1, 1] / np.sqrt(squares[0, 0] * squares[1, 1]))

    @cached_property
    def _pearson(self) -> Correlation:
        (z,) = self._fisher(np.full(self.n, True))
        return Correlation(**vars(_slope(z, (self.n - self.q - 3) ** -0.5, np.inf, self.n)))

    @cached_property
    def _jackknife(self) -> Correlation:
        """Which is the outcome does not matter, as it does to a slope of the mixed model."""
        (z,), ((variance,),), df = leave_one_out(self._fisher, self.codes, MAX_BLOCKS)
        return Correlation(**vars(_slope(z, np.sqrt(variance), df, self.n)))


def _squares(rows: np.ndarray) -> np.ndarray:
    return np.einsum("bk,bk->b", rows, rows)


def _slope(estimate, std_error, df, n: int) -> Estimate:
    t = float(estimate / std_error)
    p_value = 2 * float(stdtr(df, -abs(t)))
    return Estimate(float(estimate), float(std_error), t * t, 1, float(df), p_value, n)


def _independent(Z: np.ndarray) -> np.ndarray:
    """The columns that neither the intercept nor those before them determine, about their means."""
    means = Z.mean(axis=0)
    away = Z - means
    kept, basis = [], np.empty((len(Z), 0))
    for j, column in enumerate(away.T):
        left = column - basis @ (basis.T @ column)
        norm = left @ left
        if norm > COLLINEAR * (column @ column) and norm > len(Z) * (1e-12 * means[j]) ** 2:
            kept.append(j)
            basis = np.column_stack([basis, left / np.sqrt(norm)])
    return away[:, kept]


def _free_of(X: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal basis of what the covariates leave of the predictors, and its triangle."""
    left = X - base @ (base.T @ X)
    Q, R = np.linalg.qr(left - base @ (base.T @ left))
    if (np.diag(R) ** 2 < COLLINEAR * np.einsum("nk,nk->k", X, X)).any():
        raise NotEstimableError("the covariates and the predictors before it determine a predictor")
    return Q, R


class PartialCounts:
    """Counts, one predictor and covariates on complete rows.

    Three estimators of the rate ratio: `poisson` (errors by dyad), `poisson_cr2` (errors by case
    manager) and `negbin`.

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
        self.n, self.x, self.Z = len(self.y), linear.X[back, 0], linear.Z[back]
        base = linear.base[back]
        self.residual = self.x - base @ (base.T @ self.x)

    def observed(self, estimator: str) -> Estimate:
        """The full fit; the estimate is the log rate ratio."""
        design, fit = self._poisson
        if estimator == "negbin":
            fit = negbin(design)
            variance, df = (design.back @ fit.vcov @ design.back.T)[1, 1], np.inf
        else:
            by_dyad = estimator == "poisson" or self.groups is None
            covariance = fit_cr2(design, fit, np.arange(self.n) if by_dyad else self.groups)
            variance, df = covariance.vcov[1, 1], covariance.df[1]
        return _slope((design.back @ fit.b)[1], np.sqrt(variance), df, self.n)

    def shuffle(self, order: np.ndarray) -> np.ndarray:
        """What the covariates leave of the rating in permuted places, `order` (b, n) of rows."""
        return self.residual[order]

    def estimates(self, estimator: str, shuffled: np.ndarray) -> np.ndarray:
        """One-step log rate ratios (b,), `shuffled` (b, n) as :meth:`shuffle` returns."""
        mean = self._null_mean
        spread = np.sum((self.y - mean) ** 2 - mean) if estimator == "negbin" else 0.0
        theta = np.sum(mean**2) / spread if spread > 0 else np.inf  # no over-dispersion
        weight = mean / (1 + mean / theta)
        root = np.sqrt(weight)
        basis = np.linalg.qr(np.column_stack([np.ones(self.n), self.Z]) * root[:, None])[0]
        left = shuffled - ((shuffled * root) @ basis @ basis.T) / root
        return left @ ((self.y - mean) / (1 + mean / theta)) / ((left * left) @ weight)

    def _design(self, *before: np.ndarray) -> Design:
        X = np.column_stack([*before, self.Z])
        return from_arrays(self.y, X, "days", [f"x{i}" for i in range(X.shape[1])])

    @cached_property
    def _poisson(self) -> tuple[Design, Fit]:
        design = self._design(self.x)
        return design, poisson(design)

    @cached_property
    def _null_mean(self) -> np.ndarray:
        """Means without the rating."""
        return poisson(self._design()).mu
