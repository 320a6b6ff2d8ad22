"""Missing values: several completed data sets, and one answer from all of them.

Complete the data with :func:`impute`, run the analysis on every completed table, and pool: single
coefficients with :func:`pool`, the test of a block with :func:`pool_blocks` (Rubin 1987; Barnard &
Rubin 1999). Both take it that values are missing at random given the columns that were imputed
together.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special

from ..errors import NotEstimableError, ParameterError
from .design import aligned, as_floats, require, require_table, require_whole, tidy
from .imputation import Chains

# Least share of the variance due to missing values, as in R's mice: df stay finite without.
SMALLEST_SHARE = 1e-4


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
    z = c1 / ((1 + a) ** 2 * c2) + 8 * c1 / ((1 + a) * c2**2) + 4 / ((1 + a) * c2)
    z += 4 / (c2 * c1) + 16 * c1 / c2**3 + 8 / c2**2
    return 4 + 1 / (1 / c2 + c0 * a**2 * z)


CELLS_AT_ONCE = 20_000_000


def pool(estimates, std_errors, n: float, k: int, df_complete=None) -> pd.DataFrame:
    """Rubin's rules with Barnard-Rubin degrees of freedom.

    Parameters
    ----------
    estimates, std_errors : array-like, shape (m,) or (m, p)
        One row per completed data set, one column per term (two DataFrames are matched by
        name; others have terms ``x1``, ``x2``...); on a scale close to normal (Fisher's z for a
        correlation, the log for a rate ratio).
    n : float
        Rows of a completed data set.
    k : int
        Estimated coefficients of the model, the intercept included.
    df_complete : float or sequence of p floats, optional
        Degrees of freedom that complete data would have, where they are not n - k (a mixed model,
        CR2).

    Returns
    -------
    DataFrame, tidy
        With ``riv`` the relative increase in variance due to missing values, ``fmi`` the fraction
        of missing information, and ``m``.

    Raises
    ------
    ParameterError
        Shapes that differ, fewer than two completed data sets, a standard error not above zero, a
        missing estimate, no degrees of freedom.

    Notes
    -----
    Rubin (1987); Barnard & Rubin (1999); equal to R's ``mice::pool``.

    Examples
    --------
    >>> pooled = pool([0.30, 0.26, 0.34], [0.07, 0.07, 0.08], n=201, k=3)
    >>> pooled[["estimate", "std_error"]].round(4).values.tolist()
    [[0.3, 0.0868]]
    """
    if isinstance(estimates, pd.DataFrame) and isinstance(std_errors, pd.DataFrame):
        if set(estimates.columns) != set(std_errors.columns):
            raise ParameterError("estimates and std_errors do not have the same columns.")
        std_errors = std_errors[estimates.columns]
    q, terms = _by_term(estimates, "estimates")
    errors, _ = _by_term(std_errors, "std_errors")
    if q.shape != errors.shape:
        raise ParameterError(f"{q.shape} estimates, but {errors.shape} standard errors.")
    if not (errors > 0).all():
        raise ParameterError("std_errors holds a value that is not above 0.")
    complete = _complete_df(n, k, df_complete, len(terms))
    m, within = len(q), (errors**2).mean(axis=0)
    riv = (1 + 1 / m) * q.var(axis=0, ddof=1) / within
    share = np.maximum(riv / (1 + riv), SMALLEST_SHARE)
    df, known = (m - 1) / share**2, np.isfinite(complete)
    left = complete[known]
    observed = (left + 1) / (left + 3) * left * (1 - share[known])
    df[known] *= observed / (df[known] + observed)
    table = tidy(terms, q.mean(axis=0), np.sqrt(within * (1 + riv)), df, n)
    return table.assign(riv=riv, fmi=(riv + 2 / (df + 3)) / (riv + 1), m=m)


def pool_blocks(estimates, covariances, n: float, k: int, df_complete=None) -> pd.DataFrame:
    """Pooled Wald test that every term of a block is zero (D1).

    Approximate: it takes the fraction of missing information as equal for all terms.

    Parameters
    ----------
    estimates : array-like, shape (m, p)
        Estimates of the p terms in each completed data set.
    covariances : array-like, shape (m, p, p)
        Their covariance matrices.
    n, k, df_complete
        As in :func:`pool`.

    Returns
    -------
    DataFrame, one row
        ``f df1 df2 p_value riv m``.

    Raises
    ------
    ParameterError
        As :func:`pool`.
    NotEstimableError
        Terms of the block that are collinear.

    Notes
    -----
    Li, Raghunathan & Rubin (1991), with the degrees of freedom of Reiter (2007) for a finite
    number of rows; equal to R's ``mice::D1``.

    Examples
    --------
    >>> estimates = [[0.3, 0.1], [0.2, 0.2], [0.25, 0.15], [0.25, 0.2]]
    >>> pool_blocks(estimates, [np.eye(2) / 100] * 4, n=201, k=3)["f"].round(3).tolist()
    [3.564]
    """
    q, _ = _by_term(estimates, "estimates")
    u = as_floats(covariances, "covariances")
    m, p = q.shape
    if u.shape != (m, p, p) or np.isnan(u).any():
        expected = f"{m} complete matrices of {p} x {p} are expected"
        raise ParameterError(f"covariances has the shape {u.shape}; {expected}.")
    within = u.mean(axis=0)
    scale = np.sqrt(np.diag(within))
    if not (scale > 0).all() or np.linalg.cond(within / np.outer(scale, scale)) > 1e12:
        raise NotEstimableError("The terms of the block are collinear: leave one out.")
    complete = float(_complete_df(n, k, df_complete, 1)[0])
    between, mean = np.atleast_2d(np.cov(q, rowvar=False)), q.mean(axis=0)
    riv = float((1 + 1 / m) * np.trace(np.linalg.solve(within, between)) / p)
    f, df2 = mean @ np.linalg.solve(within, mean) / (p * (1 + riv)), block_df(riv, p, m, complete)
    row = {"f": f, "df1": p, "df2": df2, "p_value": special.fdtrc(p, df2, f), "riv": riv, "m": m}
    return pd.DataFrame([row])


def impute(data: pd.DataFrame, m=20, seed=1995, cluster=None, n_iter=10) -> list[pd.DataFrame]:
    """Complete a table several times by chained equations.

    Parameters
    ----------
    data : DataFrame, shape (n, p)
        Numbers. Every column is imputed and predicts the others: give all columns of the analysis,
        its outcome and interactions included, and few others.
    m : int
        Number of completed tables; 20 or more.
    seed : int
        Imputation i depends on the seed and i alone, whatever m.
    cluster : array-like of shape (n,), optional
        Labels of what makes rows alike, such as the case manager. Each model then has a random
        intercept of clusters and the cluster means of the other columns, and a column that is
        constant within clusters is imputed once per cluster.
    n_iter : int
        Rounds through all columns before a completed table is taken.

    Returns
    -------
    list of m DataFrame
        Index, columns and order of ``data``.

    Raises
    ------
    ParameterError
        No column, values that are infinite or no numbers, a row without cluster.
    NotEstimableError
        A column with no value at all, or with fewer values than its model has terms.

    Notes
    -----
    Bayesian linear regression draws and predictive mean matching (five donors, type 1: it takes
    observed values only, and suits skewed or bounded columns) as in R's ``mice`` (van Buuren 2018,
    algorithms 3.1 and 3.3), all imputations as one stack of matrices. With clusters the variance
    components are drawn from their analysis of variance, the coefficients by generalised least
    squares given them, and the intercepts given both.

    Examples
    --------
    >>> table = pd.DataFrame({"x": np.arange(20.0), "y": np.arange(20.0) % 7})
    >>> table.loc[3, "y"] = np.nan
    >>> completed = impute(table, m=3, seed=1)
    >>> len(completed), int(completed[0].isna().sum().sum())
    (3, 0)
    """
    require_table(data, *getattr(data, "columns", ()))
    require_whole(1, m=m, n_iter=n_iter)
    require_whole(0, seed=seed)
    aligned(data=data, cluster=cluster)
    labels, names = None if cluster is None else _labels(cluster), list(data)
    if not names:
        raise ParameterError("No column to impute.")
    values = as_floats(data, "data")
    if (empty := np.isnan(values).all(axis=0)).any():
        listed = ", ".join(map(str, data.columns[empty]))
        raise NotEstimableError(f"No value at all in {listed}: leave the column out.")
    chains = Chains(values, names, labels)
    at_once = int(np.clip(CELLS_AT_ONCE // values.size, 1, m))
    seeds = np.random.SeedSequence(seed).spawn(m)
    completed = []
    for start in range(0, m, at_once):
        for filled in chains.run(seeds[start : start + at_once], n_iter):
            table = data.copy()
            for j in chains.incomplete:
                table[names[j]] = filled[:, j]
            completed.append(table)
    return completed


def _by_term(values, what: str) -> tuple[np.ndarray, list[str]]:
    array = as_floats(values, what)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or len(array) < 2 or np.isnan(array).any():
        needs = "a row for each of at least two completed data sets, without holes"
        raise ParameterError(f"{what} needs {needs}.")
    named = isinstance(values, pd.DataFrame)
    return array, [str(c) if named else f"x{c + 1}" for c in pd.DataFrame(values)]


def _complete_df(n, k, df_complete, p: int) -> np.ndarray:
    require("positive", n=n)
    df = np.asarray(n - k if df_complete is None else df_complete, float)
    if df.shape not in ((), (p,)) or not (df > 0).all():
        left = f"Complete data would leave {df} degrees of freedom (n = {n}, k = {k})"
        raise ParameterError(f"{left}; more than 0, and one number or {p}, are needed.")
    return np.broadcast_to(df, (p,))


def _labels(cluster) -> np.ndarray:
    codes = pd.factorize(np.asarray(cluster))[0]
    if (codes < 0).any():
        raise ParameterError(f"cluster needs a label for each of the {len(codes)} rows.")
    if codes.max(initial=0) < 1:
        raise NotEstimableError("All rows belong to one cluster: leave cluster out.")
    return codes
