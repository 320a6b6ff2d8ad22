"""Errors that respect groups: CR2 with Satterthwaite degrees of freedom, and the jackknife.

For CR2 each group's residuals are inflated so that the sandwich is unbiased when the working model
is true (Bell & McCaffrey 2002, Surv Methodol 28:169-181; Pustejovsky & Tipton 2018, J Bus Econ Stat
36:672-683); Satterthwaite degrees of freedom say how little it knows when few groups carry a term.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from ..errors import NotEstimableError
from .design import Sample, complete_rows, orthonormal, runs, tidy

# Relative size below which an eigenvalue counts as zero, as in R's clubSandwich.
SINGULAR = 1e-12


# Rows from which a group's adjustment is found by quadrature.
LARGE = 256
# Groups, or blocks of more groups than these, that a jackknife leaves out in turn.
MAX_BLOCKS = 200
# CR2 is unbiased under the working model unless a group determines a term; then it refuses.
BIASED = 1e-6

# One of them is fitted without error whatever its outcome.
_TOO_FEW = "{} rests on too few groups: an error that respects groups would come out too small."


@dataclass(frozen=True)
class ClusterCovariance:
    """Covariance of k estimates that allows rows of a group to be dependent.

    Attributes
    ----------
    vcov : ndarray (k, k)
    df : ndarray (k,)
        Satterthwaite degrees of freedom of each estimate.
    bread : ndarray (k, k)
        Covariance under the working model, up to its factor.
    own, shared : ndarray (J, k, k)
        Under the working model the covariance of what groups i and j add to two contrasts a, b
        is ``[i == j] a'own_i b - a'shared_i'shared_j b``; all degrees of freedom follow from it.
    """

    vcov: np.ndarray
    df: np.ndarray
    bread: np.ndarray
    own: np.ndarray
    shared: np.ndarray

    def wald(self, estimate: np.ndarray, keep: Sequence[int]) -> tuple[float, int, float, float]:
        """Approximate Hotelling test (HTZ) that the estimates at the positions `keep` are all 0.

        Returns
        -------
        f, df1, df2, p_value

        Raises
        ------
        NotEstimableError
            The groups carry too little about the block for any degrees of freedom.
        """
        keep, q = list(keep), len(keep)
        own = self.own[:, keep][:, :, keep]
        shared = self.shared[:, :, keep]
        expected = own.sum(axis=0) - np.einsum("jks,jkt->st", shared, shared)
        values, vectors = np.linalg.eigh(expected)
        half = np.linalg.inv(np.linalg.cholesky(self.bread[np.ix_(keep, keep)]))
        if np.linalg.eigvalsh(half @ expected @ half.T)[0] < 1 - BIASED:
            raise NotEstimableError(_TOO_FEW.format("The block"))
        root = vectors / np.sqrt(values) @ vectors.T
        own = root @ own @ root
        shared = shared @ root
        nu = q * (q + 1) / _total_variance(own, shared)
        df2 = nu - q + 1
        if not df2 > 0:
            needs = f"more than {q - 1} effective degrees of freedom, not {nu:.1f}"
            raise NotEstimableError(f"A joint test of {q} terms needs {needs}.")
        block, vcov = np.asarray(estimate, float)[keep], self.vcov[np.ix_(keep, keep)]
        errors = np.sqrt(np.diag(vcov))
        if not (errors > 0).all() or np.linalg.cond(vcov / np.outer(errors, errors)) > 1 / SINGULAR:
            these = f"more than these {len(self.own)} groups"
            raise NotEstimableError(f"A joint test of {q} terms needs {these}.")
        f = df2 / nu * float(block @ np.linalg.solve(vcov, block)) / q
        return f, q, df2, float(special.fdtrc(q, df2, f))


def cr2_covariance(gradient, residuals, groups, variance, terms) -> ClusterCovariance:
    """CR2 covariance of the estimates of a least-squares or generalised linear model.

    Parameters
    ----------
    gradient : ndarray (n, k)
        Derivative of each fitted mean by each coefficient: the design matrix with its intercept
        for least squares, ``mean[:, None] * design`` for a log link; no column follows from others.
    residuals : ndarray (n,)
        Outcome minus fitted mean, on the scale of the outcome.
    groups : array-like (n,)
        No missing labels.
    variance : ndarray (n,)
        Working variance of each row, up to a factor: the fitted mean for Poisson.
    terms : sequence of k names, for messages

    Returns
    -------
    ClusterCovariance

    Raises
    ------
    NotEstimableError
        One group, or a term that varies in too few groups.

    Notes
    -----
    Agrees with ``clubSandwich::vcovCR(glm(...), type = "CR2")``. With a working variance that
    differs between rows the adjustment of a group needs the inverse root of a matrix of the size
    of the group: from its eigenvalues up to 256 rows, by quadrature beyond, so that cost stays
    linear in the rows.

    Examples
    --------
    >>> import numpy as np
    >>> design = np.column_stack([np.ones(6), [0, 1, 2, 3, 4, 5]])
    >>> mean = np.exp(design @ [0.1, 0.2])
    >>> residuals = np.array([1, -1, 0, 1, 0, -1])
    >>> fit = cr2_covariance(mean[:, None] * design, residuals, list("aabbcc"), mean, "ab")
    >>> fit.vcov.shape
    (2, 2)
    """
    codes, labels = pd.factorize(np.asarray(groups))
    if len(labels) < 2 or (codes < 0).any():
        raise NotEstimableError("Errors that respect groups need at least two, and none missing.")
    order, starts, sizes = runs(codes)
    variance = np.asarray(variance, float)[order]
    variance = variance / variance.mean()
    scale = 1 / np.sqrt(variance)
    white = np.asarray(gradient, float)[order] * scale[:, None]
    Q, R = np.linalg.qr(white)
    error = np.asarray(residuals, float)[order] * scale
    return assemble(*_weighted(Q, error, starts, sizes, variance), np.linalg.inv(R), terms)


def inside_groups(Q: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every group's share G of Q'Q = I, and (I - G)^(-1/2), which inflates its scores."""
    gram = np.stack([np.add.reduceat(Q * column[:, None], starts) for column in Q.T], axis=1)
    values, vectors = np.linalg.eigh(gram)
    inflate = _inverse_roots(1 - values, 1.0)
    return gram, (vectors * inflate[:, None, :]) @ np.swapaxes(vectors, 1, 2)


def _inverse_roots(values: np.ndarray, largest) -> np.ndarray:
    """One over the root of each eigenvalue; 0 where it counts as zero beside the largest."""
    singular = values <= SINGULAR * largest
    return np.where(singular, 0.0, 1 / np.sqrt(np.where(singular, 1.0, values)))


def _weighted(Q, error, starts, sizes, variance):
    """Scores and working covariances by group; groups of like size together."""
    J, k = len(starts), Q.shape[1]
    scores, own, shared = np.empty((J, k)), np.empty((J, k, k)), np.empty((J, k, k))
    bucket = np.ceil(np.log2(sizes)).astype(int)
    bucket[sizes > LARGE] = -1
    for group in np.flatnonzero(bucket < 0):
        rows = slice(starts[group], starts[group] + sizes[group])
        q, v = Q[rows], variance[rows]
        scaled = v[:, None] * _inverse_root(q, v)
        scores[group] = scaled.T @ error[rows]
        own[group], shared[group] = scaled.T @ scaled, q.T @ scaled
    for size_class in np.unique(bucket[bucket >= 0]):
        which = np.flatnonzero(bucket == size_class)
        width = sizes[which].max()
        inside = np.arange(width) < sizes[which, None]
        rows = np.where(inside, starts[which, None] + np.arange(width), 0)
        q = Q[rows] * inside[..., None]
        v = np.where(inside, variance[rows], 1.0)
        e = error[rows] * inside
        middle = -q @ np.swapaxes(q, 1, 2)
        middle[:, range(width), range(width)] += 1.0
        values, vectors = np.linalg.eigh(v[:, :, None] * middle * v[:, None, :])
        power = _inverse_roots(values, values[:, -1:])
        # On whitened rows the adjustment is G^(-1/2) V, with G = V (I - QQ') V.
        adjusted = (vectors * power[:, None, :]) @ (np.swapaxes(vectors, 1, 2) @ q)
        scaled = v[..., None] * adjusted
        scores[which] = np.einsum("jra,jr->ja", scaled, e)
        own[which] = np.swapaxes(scaled, 1, 2) @ scaled
        shared[which] = np.swapaxes(q, 1, 2) @ scaled
    return scores, own, shared


def _inverse_root(q, v):
    """G^(-1/2) q for G = V (I - qq') V without forming G.

    G^(-1/2) = 2/pi times the integral of (G + t^2)^(-1) over t > 0; with t = exp(s) the trapezoid
    rule converges exponentially (Hale, Higham & Trefethen 2008, SIAM J Numer Anal 46:2505-2523),
    and each inverse is a diagonal matrix plus one of rank k.
    """
    inside = np.linalg.eigvalsh(q.T @ q)[-1]
    if inside > 1 - BIASED:
        raise NotEstimableError(_TOO_FEW.format("A term"))
    tail, step = 26.0, 0.35
    low, high = v.min() ** 2 * (1 - inside), v.max() ** 2
    scaled, identity, total = v[:, None] * q, np.eye(q.shape[1]), np.zeros_like(q)
    for t in np.exp(np.arange(0.5 * np.log(low) - tail, 0.5 * np.log(high) + tail, step)):
        diagonal = (1 / (v**2 + t**2))[:, None]
        right = diagonal * scaled
        inner = np.linalg.solve(identity - scaled.T @ right, right.T @ q)
        total += t * (diagonal * q + right @ inner)
    return 2 / np.pi * step * total


def assemble(scores, own, shared, back, terms) -> ClusterCovariance:
    half = scores @ back.T
    vcov = half.T @ half
    own = back @ own @ back.T
    shared = shared @ back.T
    a = np.einsum("jcc->jc", own)
    b = np.einsum("jac,jac->jc", shared, shared)
    by_term = shared.transpose(2, 1, 0)
    cross = by_term @ by_term.transpose(0, 2, 1)
    trace = (a - b).sum(axis=0)
    squares = (a * (a - 2 * b)).sum(axis=0) + np.einsum("cab,cab->c", cross, cross)
    bread = back @ back.T
    lost = ~(trace > (1 - BIASED) * np.diag(bread)) | ~(squares > 0)
    if lost.any():
        raise NotEstimableError(_TOO_FEW.format(f"The term '{terms[int(np.argmax(lost))]}'"))
    return ClusterCovariance(vcov, trace**2 / squares, bread, own, shared)


def _total_variance(own: np.ndarray, shared: np.ndarray) -> float:
    """Sum over all pairs of terms of the variance of their covariance's estimate (HTZ)."""
    J, k, q = shared.shape
    trace = np.einsum("jss->j", own)
    mixed = np.einsum("jka,jkb->jab", shared, shared)
    flat = shared.reshape(J, k * q)
    cross = flat.T @ flat
    four = cross.reshape(k, q, k, q)
    of_traces = (trace**2).sum() - 2 * (trace * np.einsum("jss->j", mixed)).sum() + (cross**2).sum()
    of_products = np.einsum("jab,jba->", own, own - 2 * mixed)
    return float(of_traces + of_products + np.einsum("asbt,atbs->", four, four))


def cluster_robust(y, X, groups, terms=None, conf_level: float = 0.95) -> pd.DataFrame:
    """Least squares with CR2 errors and Satterthwaite degrees of freedom.

    Parameters
    ----------
    y : array-like (n,)
        Outcome in its own units.
    X : array-like (n, k) or (n,), DataFrame or None
        Predictors; the intercept is added.
    groups : array-like (n,) or None
        The case manager of each row. Groups of one row are allowed. None takes rows as
        independent, with the usual errors and degrees of freedom.
    terms : sequence of k names, optional
    conf_level : float

    Returns
    -------
    DataFrame : term estimate std_error statistic df p_value conf_low conf_high n
        One row per term, the intercept first. Rows with a missing value are dropped.

    Raises
    ------
    NotEstimableError
        One group, a constant or collinear term, fewer rows than terms, a term that varies in
        too few groups, an outcome that the terms fit perfectly.

    Notes
    -----
    Agrees with ``clubSandwich::coef_test(lm(...), vcov = "CR2", test = "Satterthwaite")``.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1995)
    >>> groups = np.repeat(np.arange(20), 5)
    >>> x = rng.normal(size=100)
    >>> y = 0.5 * x + rng.normal(size=20)[groups] + rng.normal(size=100)
    >>> cluster_robust(y, x, groups, ["x"])["term"].tolist()
    ['intercept', 'x']
    """
    sample = complete_rows(y, X, groups, terms)
    Q, back = basis = orthonormal(sample)
    if groups is None:
        estimate, df = back @ (Q.T @ sample.y), sample.n - Q.shape[1]
        left = sample.y - Q @ (Q.T @ sample.y)
        errors = np.sqrt((back**2).sum(axis=1) * (left @ left) / df)
    else:
        estimate, covariance = fit_robust(sample, basis)
        errors, df = np.sqrt(np.diag(covariance.vcov)), covariance.df
    return tidy(("intercept", *sample.terms), estimate, errors, df, sample.n, conf_level)


def fit_robust(sample: Sample, basis) -> tuple[np.ndarray, ClusterCovariance]:
    """Coefficients and their CR2 covariance, all from k x k matrices: cost linear in the rows.

    `basis` is what `orthonormal` makes of the sample, or that with the last rows of the way back
    alone.
    """
    Q, back = basis
    gamma = Q.T @ sample.y
    residuals = sample.y - Q @ gamma
    spread = np.linalg.norm(sample.y - sample.y.mean())
    if np.linalg.norm(residuals) <= 1e-12 * max(spread, np.linalg.norm(sample.y) * 1e-3):
        perfect = "The outcome does not vary, or the terms fit it perfectly"
        raise NotEstimableError(f"{perfect}: no error can be estimated.")
    gram, adjust = inside_groups(Q, sample.starts)
    scores = np.add.reduceat(Q * residuals[:, None], sample.starts)
    scores, shared = (adjust @ scores[:, :, None])[:, :, 0], adjust @ gram
    names = ("intercept", *sample.terms)[-len(back) :]
    return back @ gamma, assemble(scores, shared @ adjust, shared, back, names)


def leave_one_out(statistic, groups, most=None) -> tuple[np.ndarray, np.ndarray, int]:
    """An estimate, its jackknife covariance over groups, and the degrees of freedom.

    Parameters
    ----------
    statistic : callable
        From the rows to use, an array of bool (n,), to k estimates; on a scale close to normal
        (Fisher's z of a correlation, the log of a ratio).
    groups : ndarray (n,) of labels
        The case manager of each row.
    most : int, optional
        Of more groups than this, as many blocks of groups are left out in turn.

    Returns
    -------
    estimate : ndarray (k,), with every row
    covariance : ndarray (k, k)
    df : int, groups minus 1

    Raises
    ------
    NotEstimableError
        Fewer than three groups; what `statistic` raises, with the group that was left out.

    Notes
    -----
    (J - 1) / J times the cross-products of the estimates without one group about their mean
    (Efron & Stein 1981, Ann Stat 9:586-596).

    Examples
    --------
    >>> x = np.array([1.0, 2.0, 3.0, 6.0])
    >>> estimate, covariance, df = leave_one_out(lambda rows: x[rows].mean(keepdims=True),
    ...                                          np.arange(4))
    >>> bool(np.isclose(covariance[0, 0], x.var(ddof=1) / 4)), df
    (True, 3)
    """
    labels, codes = np.unique(np.asarray(groups), return_inverse=True)
    if most is not None and len(labels) > most:
        codes, labels = codes % most, np.array([f"{first}, and others" for first in labels[:most]])
    J = len(labels)
    if J < 3:
        many = f"{J} case manager{'s' * (J != 1)}"
        raise NotEstimableError(f"{many}: leaving one out at a time needs at least three")
    estimate = np.atleast_1d(statistic(np.ones(len(codes), bool)))
    without = np.empty((J, len(estimate)))
    for j in range(J):
        try:
            without[j] = statistic(codes != j)
        except NotEstimableError as error:
            raise NotEstimableError(f"without case manager {labels[j]}: {error}") from None
    away = without - without.mean(axis=0)
    return estimate, (J - 1) / J * away.T @ away, J - 1
