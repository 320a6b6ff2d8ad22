"""One predictor, or a block, beside covariates: observed, and under permutations of the outcome."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.special import fdtrc, ndtri, stdtr

from ..errors import NotEstimableError, ParameterError
from .design import COLLINEAR, Sample, check_shape, orthonormal
from .mixed import Intercepts, fit_intercepts
from .nesting import icc_of
from .resamples import permuted_rows
from .robust import adjustments, fit_robust, inside_groups

ESTIMATORS = ("ols", "cr2", "mixed")


@dataclass(frozen=True)
class Estimate:
    """Of one predictor the standardised slope; of a block the share of variance it adds.

    `f df1 df2 p_value` test it; `std_error` is NaN for a block.
    """

    estimate: float
    std_error: float
    f: float
    df1: int
    df2: float
    p_value: float
    n: int


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
        self.order = np.argsort(codes, kind="stable")
        self.codes = codes[self.order]
        self.starts = np.flatnonzero(np.diff(self.codes, prepend=-1))
        self.sizes = np.diff(self.starts, append=len(y))
        self.nested, self.one_as_block = groups is not None, block and X.shape[1] == 1
        Z = _independent(_standard(Z[self.order]))
        (self.n, self.k), self.q = X.shape, Z.shape[1]
        if self.n < self.k + self.q + 4:
            raise NotEstimableError(
                f"{self.n} complete dyads are too few for {self.k + self.q} variables"
            )
        self.y, self.X, self.Z = _unit(y[self.order]), _unit(X[self.order]), Z
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
        if self.one_as_block:
            return replace(found, estimate=self._share, std_error=np.nan)
        return found

    def permuted(self, estimator: str, shuffled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Estimates and p-values for each permutation.

        Parameters
        ----------
        estimator : str
        shuffled : ndarray (b, n)
            As :meth:`shuffle` returns.

        Returns
        -------
        estimate, p_value : ndarray (b,)
        """
        estimates, p_values = getattr(self, f"_{estimator}_permuted")(shuffled)
        if self.one_as_block:
            estimates = (shuffled @ self.Q)[:, 0] ** 2 / self._total(shuffled)
        return estimates, p_values

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
        f = explained / self.k / (left / self.df)
        p = float(fdtrc(self.k, self.df, f))
        if self.k > 1:
            return Estimate(self._share, np.nan, f, self.k, self.df, p, self.n)
        error = np.sqrt(left / self.df) / abs(self.R[0, 0])
        return Estimate(self._slope(along[0]), error, f, 1, self.df, p, self.n)

    def _slope(self, along):
        return along / self.R[0, 0]

    @property
    def _share(self) -> float:
        along = self.Q.T @ self.residual
        return float(along @ along / (self.residual @ self.residual))

    def _ols_permuted(self, shuffled):
        along = shuffled @ self.Q
        explained = np.einsum("bk,bk->b", along, along)
        total = self._total(shuffled)
        f = self._f(explained, total - explained)
        p = fdtrc(self.k, self.df, f)
        return (explained / total if self.k > 1 else self._slope(along[:, 0])), p

    def _f(self, explained, left) -> np.ndarray:
        with np.errstate(divide="ignore"):  # a perfect fit by chance, as in very small studies
            return explained / self.k / (np.maximum(left, 0) / self.df)

    def _total(self, shuffled) -> np.ndarray:
        """Sum of squares that the covariates leave of the permuted residuals."""
        taken = shuffled @ self.base
        return self.residual @ self.residual - np.einsum("bq,bq->b", taken, taken)

    @cached_property
    def _sample(self) -> Sample:
        columns = np.ascontiguousarray(np.column_stack([self.X, self.Z]))
        names = tuple(f"x{j + 1}" for j in range(columns.shape[1]))
        sample = Sample(self.y, columns, names, np.arange(self.n), self.starts, self.sizes)
        check_shape(sample)
        return sample

    @cached_property
    def _basis(self):
        return orthonormal(self._sample)

    @cached_property
    def _shares(self):
        return inside_groups(self._basis[0], self.starts)

    @cached_property
    def _cr2(self) -> Estimate:
        estimate, covariance = fit_robust(self._sample, self._basis, self._shares)
        if self.k > 1:
            f, df1, df2, p = covariance.wald(estimate, range(1, self.k + 1))
            return Estimate(self._share, np.nan, f, df1, df2, p, self.n)
        error, df = float(np.sqrt(covariance.vcov[1, 1])), float(covariance.df[1])
        t = estimate[1] / error
        p = 2 * float(stdtr(df, -abs(t)))
        return Estimate(float(estimate[1]), error, t * t, 1, df, p, self.n)

    @cached_property
    def _scorer(self) -> tuple[np.ndarray, csr_array, np.ndarray]:
        """Basis of the whole design, and what turns residuals into group scores."""
        Q, back = self._basis
        adjust = adjustments(self._shares)
        weights = (adjust[self.codes] @ Q[:, :, None])[:, :, 0] @ back[1 : self.k + 1].T
        spread = self._by_group(weights)
        return Q, spread, (spread.T @ Q).T

    def _by_group(self, weights: np.ndarray) -> csr_array:
        """Weights (n, k) so placed, (n, J k), that a product with them sums inside groups."""
        k = weights.shape[1]
        columns = (self.codes[:, None] * k + np.arange(k)).ravel()
        ends = np.arange(0, len(columns) + 1, k)
        return csr_array((weights.ravel(), columns, ends), (self.n, len(self.starts) * k))

    def _cr2_permuted(self, shuffled):
        observed = self._cr2
        along = shuffled @ self.Q
        slopes = along @ np.linalg.inv(self.R).T
        Q, spread, taken = self._scorer
        scores = shuffled @ spread - (shuffled @ Q) @ taken
        scores = scores.reshape(len(shuffled), -1, self.k)
        if self.k == 1:
            f = slopes[:, 0] ** 2 / np.einsum("bjk,bjk->b", scores, scores)
            return slopes[:, 0], 2 * stdtr(observed.df2, -np.sqrt(f))
        covariance = np.swapaxes(scores, 1, 2) @ scores
        solved = np.linalg.solve(covariance, slopes[:, :, None])[:, :, 0]
        wald = np.einsum("bk,bk->b", slopes, solved)
        f = wald * observed.df2 / ((observed.df2 + self.k - 1) * self.k)
        share = np.einsum("bk,bk->b", along, along) / self._total(shuffled)
        return share, fdtrc(self.k, observed.df2, f)

    @cached_property
    def intercepts(self) -> Intercepts:
        """The random-intercept model; the intercept first, then the predictors."""
        return fit_intercepts(self._sample, self._basis)

    @cached_property
    def _mixed(self) -> Estimate:
        fit = self.intercepts
        if self.k > 1:
            f, df1, df2, p = fit.wald(range(1, self.k + 1))
            return Estimate(self._share, np.nan, f, df1, df2, p, self.n)
        estimate, error, df = (float(v[1]) for v in (fit.estimate, fit.std_error, fit.df))
        t = estimate / error
        p = 2 * float(stdtr(df, -abs(t)))
        return Estimate(estimate, error, t**2, 1, df, p, self.n)

    @cached_property
    def _whitened(self):
        """Shrinkage by group, and the bases of covariates and predictors after whitening."""
        share = float(np.clip(icc_of(replace(self._sample, y=self.residual)), 0, 0.99))
        ratio = share / (1 - share)
        shrink = 1 - 1 / np.sqrt(1 + ratio * self.sizes)
        base = np.linalg.qr(self._whiten(np.column_stack([np.ones(self.n), self.Z]), shrink))[0]
        Q, R = _free_of(self._whiten(self.X, shrink), base)
        return shrink, self._whiten(base, shrink), self._whiten(Q, shrink), R

    def _whiten(self, columns, shrink):
        means = np.add.reduceat(columns, self.starts) / self.sizes[:, None]
        return columns - np.repeat(shrink[:, None] * means, self.sizes, axis=0)

    def _mixed_permuted(self, shuffled):
        df2 = self._mixed.df2
        shrink, base, Q, R = self._whitened
        along, taken = shuffled @ Q, shuffled @ base
        sums = shuffled @ self._by_group(np.ones((self.n, 1)))
        lost = (sums**2 / self.sizes) @ (1 - (1 - shrink) ** 2)
        explained = np.einsum("bk,bk->b", along, along)
        left = self.residual @ self.residual - lost - np.einsum("bq,bq->b", taken, taken)
        f = self._f(explained, left - explained)
        p = fdtrc(self.k, df2, f)
        if self.k == 1:
            return along[:, 0] / R[0, 0], p
        plain = shuffled @ self.Q
        return np.einsum("bk,bk->b", plain, plain) / self._total(shuffled), p


def _unit(values: np.ndarray) -> np.ndarray:
    """Mean 0 and standard deviation 1."""
    spread = values.std(axis=0, ddof=1)
    if np.any(spread <= 1e-12 * np.maximum(np.abs(values.mean(axis=0)), 1e-300)):
        raise NotEstimableError("a variable does not vary among the complete dyads")
    return (values - values.mean(axis=0)) / spread


def _standard(Z: np.ndarray) -> np.ndarray:
    spread = Z.std(axis=0)
    varies = spread > 1e-12 * np.maximum(np.abs(Z.mean(axis=0)), 1e-300)
    return (Z[:, varies] - Z[:, varies].mean(axis=0)) / spread[varies]


def _independent(Z: np.ndarray) -> np.ndarray:
    """The columns that those before them do not determine."""
    kept, basis = [], np.empty((len(Z), 0))
    for j, column in enumerate(Z.T):
        left = column - basis @ (basis.T @ column)
        norm = np.linalg.norm(left)
        if norm**2 > COLLINEAR * (column @ column):
            kept.append(j)
            basis = np.column_stack([basis, left / norm])
    return Z[:, kept]


def _free_of(X: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal basis of what the covariates leave of the predictors, and its triangle."""
    left = X - base @ (base.T @ X)
    Q, R = np.linalg.qr(left - base @ (base.T @ left))
    if (np.diag(R) ** 2 < COLLINEAR * np.einsum("nk,nk->k", X, X)).any():
        raise NotEstimableError("the covariates and the predictors before it determine a predictor")
    return Q, R


SIGNIFICANT = 0.05


class Permutations:
    """Permutations of a cohort's dyads, and what they become for a part of its rows.

    Parameters
    ----------
    groups : array-like (n,) of case managers, or None
        Given, rows change places inside a case manager and whole case managers of like size change
        places (`resamples.permuted_rows`): valid for predictors of case managers as of dyads.
    n : int
        Dyads.
    n_perm : int
    seed : int

    Examples
    --------
    >>> permutations = Permutations(None, 5, n_perm=2, seed=1)
    >>> permutations.among(np.array([0, 2, 3])).shape
    (3, 3)
    """

    def __init__(self, groups, n: int, n_perm: int = 500, seed: int = 1995) -> None:
        if n_perm < 1:
            raise ParameterError(f"n_perm is {n_perm}; give at least 1 permutation.")
        rng = np.random.default_rng(seed)
        order = permuted_rows(groups, n, n_perm, rng)
        self.order = np.vstack([np.arange(n), order])
        self._known: dict[bytes, np.ndarray] = {}

    def among(self, rows: np.ndarray) -> np.ndarray:
        """The identity, then each permutation, among these rows alone: positions (1 + b, m).

        A row that would get the value of a row left out gets that of the next in the same cycle
        that is not; so specifications with nearly the same rows are permuted nearly alike, and a
        uniform permutation stays uniform.
        """
        key = rows.tobytes()
        if key not in self._known:
            place = np.full(self.order.shape[1], -1)
            place[rows] = np.arange(len(rows))
            giver = self.order[:, rows]
            out = place[giver]
            where = np.nonzero(out < 0)
            while len(where[0]):
                giver[where] = self.order[where[0], giver[where]]
                out[where] = place[giver[where]]
                still = out[where] < 0
                where = tuple(axis[still] for axis in where)
            self._known[key] = out
        return self._known[key]


def joint_test(estimates: np.ndarray, p_values: np.ndarray, directed: bool = True) -> pd.DataFrame:
    """Three tests of all specifications of a claim at once.

    Parameters
    ----------
    estimates, p_values : ndarray (s, 1 + b)
        One row per specification; the observed first, then the permutations.
    directed : bool
        Estimates have a sign; False for shares of variance.

    Returns
    -------
    DataFrame : statistic estimate expected p_value n_specifications n_perm
        ``median``: median estimate. ``share_significant``: share of specifications with p < .05,
        of the more frequent sign. ``stouffer``: mean z. ``expected``: mean under permutation, of
        the size where estimates have a sign. ``p_value``: (1 + permutations at least as large) /
        (1 + b), two-sided where estimates have a sign.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> z = rng.normal(size=(1, 200)) + rng.normal(size=(20, 200)) / 4
    >>> from scipy.special import ndtr
    >>> joint_test(z, 2 * ndtr(-abs(z)))["statistic"].tolist()
    ['median', 'share_significant', 'stouffer']
    """
    few = p_values < SIGNIFICANT
    safe = np.clip(p_values, 1e-300, 1 - 1e-16)
    median = np.median(estimates, axis=0)
    if directed:
        up = estimates > 0
        share = np.maximum((few & up).mean(axis=0), (few & ~up).mean(axis=0))
        z = (np.sign(estimates) * -ndtri(safe / 2)).mean(axis=0)
    else:
        share = few.mean(axis=0)
        z = -ndtri(safe).mean(axis=0)
    rows = []
    for name, values in (("median", median), ("share_significant", share), ("stouffer", z)):
        size = np.abs(values) if directed else values
        reached = int((size[1:] >= size[0] - 1e-12).sum())
        b = len(size) - 1
        rows.append((name, values[0], size[1:].mean(), (1 + reached) / (1 + b), len(estimates), b))
    columns = "statistic estimate expected p_value n_specifications n_perm"
    return pd.DataFrame(rows, columns=columns.split())
