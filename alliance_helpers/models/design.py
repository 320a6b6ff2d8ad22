"""From columns with holes to arrays a model can use, and from estimates back to a tidy table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from ..errors import NotEstimableError, ParameterError

COLLINEAR = 1e-10
"""A term whose squared multiple correlation with the terms before it exceeds 1 minus this."""


@dataclass(frozen=True)
class Sample:
    """Complete rows, sorted so that every group is one run of rows.

    Attributes
    ----------
    y : ndarray (n,)
    X : ndarray (n, k), without the intercept
    terms : tuple of k names
    order : ndarray (n,), position of each row in the input
    starts, sizes : ndarray (J,), first row and number of rows of each group
    """

    y: np.ndarray
    X: np.ndarray
    terms: tuple[str, ...]
    order: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray

    @property
    def n(self) -> int:
        return len(self.y)

    @property
    def n_groups(self) -> int:
        return len(self.starts)


def complete_rows(y, X, groups, terms: Sequence[str] | None = None) -> Sample:
    """Drop rows with a missing outcome, predictor or group, and sort the rest by group.

    Parameters
    ----------
    y : array-like (n,)
        Outcome.
    X : array-like (n,) or (n, k), DataFrame, or None
        Predictors without the intercept; None for a model of the mean alone.
    groups : array-like (n,)
        Any labels: the case manager of each row.
    terms : sequence of str, optional
        Names of the k predictors; by default the columns of a DataFrame, else x1, x2, ...

    Raises
    ------
    ParameterError
        Lengths disagree, a value is infinite or not a number.
    NotEstimableError
        One group only, every group a single row, or no more rows than terms.

    Examples
    --------
    >>> complete_rows([1, 2, None, 4], [1, 0, 1, 1], list("aabb"), ["x"]).n
    3
    """
    y_all = as_floats(y, "the outcome").reshape(-1)
    X_all, names = _predictors(X, terms, len(y_all))
    codes, _ = pd.factorize(np.asarray(groups))
    if not len(codes) == len(X_all) == len(y_all):
        raise ParameterError(
            f"Outcome, predictors and groups must have the same number of rows: "
            f"{len(y_all)}, {len(X_all)} and {len(codes)} were given."
        )
    keep = ~(np.isnan(y_all) | np.isnan(X_all).any(axis=1)) & (codes >= 0)
    order = np.flatnonzero(keep)
    order = order[np.argsort(codes[order], kind="stable")]
    sorted_codes = codes[order]
    starts = np.flatnonzero(np.diff(sorted_codes, prepend=-1))
    sizes = np.diff(starts, append=len(order))
    sample = Sample(y_all[order], X_all[order], names, order, starts, sizes)
    check_shape(sample, dropped=len(y_all) - len(order))
    return sample


def as_floats(values, what: str) -> np.ndarray:
    """Float64 array of numbers, missing as NaN; ParameterError where something else is found."""
    try:
        out = np.asarray(
            values.to_numpy(dtype=float, na_value=np.nan)
            if hasattr(values, "to_numpy")
            else values,
            dtype=float,
        )
    except (TypeError, ValueError) as error:
        raise ParameterError(f"In {what} a value is not a number: {error}.") from None
    if np.isinf(out).any():
        raise ParameterError(f"In {what} a value is infinite: replace it or mark it as missing.")
    return out


def orthonormal(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal basis of intercept and predictors, and the way back to their coefficients.

    Returns
    -------
    Q : ndarray (n, k + 1)
        Orthonormal columns spanning [1, X].
    back : ndarray (k + 1, k + 1)
        ``beta = back @ gamma`` where ``gamma`` are coefficients on Q.

    Raises
    ------
    NotEstimableError
        Names the first term that is constant, or determined by the terms before it.
    """
    n, k = sample.X.shape
    means = sample.X.mean(axis=0)
    centred = sample.X - means
    norms = np.sqrt(np.einsum("ij,ij->j", centred, centred))
    flat = norms <= 1e-12 * np.sqrt(n) * np.maximum(np.abs(means), 1e-300)
    if flat.any():
        name = sample.terms[int(np.argmax(flat))]
        raise NotEstimableError(
            f"The term '{name}' has the same value in all {n} complete rows: leave it out."
        )
    basis = np.empty((n, k + 1))
    basis[:, 0] = 1.0
    np.divide(centred, norms, out=basis[:, 1:])
    Q, R = np.linalg.qr(basis)
    free = np.diag(R)[1:] ** 2
    if (free < COLLINEAR).any():
        name = sample.terms[int(np.argmax(free < COLLINEAR))]
        raise NotEstimableError(
            f"The term '{name}' is a linear combination of the terms before it "
            f"({', '.join(sample.terms[: sample.terms.index(name)])}): leave one of them out."
        )
    to_raw = np.eye(k + 1)
    to_raw[0, 1:] = -means / norms
    to_raw[range(1, k + 1), range(1, k + 1)] = 1 / norms
    return Q, to_raw @ np.linalg.inv(R)


def standardise(x: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and standard deviation 1; a constant one cannot be estimated.

    Parameters
    ----------
    x : ndarray (n,) or (n, k), complete

    Raises
    ------
    NotEstimableError
        Fewer than four rows, or a column that does not vary.
    """
    if len(x) < 4:
        raise NotEstimableError("fewer than four dyads are complete")
    sd = x.std(axis=0, ddof=1)
    if np.any(sd <= 1e-12 * np.abs(x.mean(axis=0))):
        raise NotEstimableError("a variable does not vary")
    return (x - x.mean(axis=0)) / sd


def positions(block: Sequence[str], terms: Sequence[str]) -> list[int]:
    """Where the terms of a block stand among the model's terms; ParameterError if one does not."""
    unknown = [term for term in block if term not in terms]
    if unknown or not block:
        raise ParameterError(
            f"Terms {unknown} are not in the model; it has {list(terms)}."
            if unknown
            else "A block test needs at least one term."
        )
    return [list(terms).index(term) for term in block]


def tidy(terms, estimate, std_error, df, n: int, conf_level: float = 0.95) -> pd.DataFrame:
    """Table of estimates with t tests and intervals.

    Parameters
    ----------
    terms : sequence of k names
    estimate, std_error : ndarray (k,)
    df : float or ndarray (k,)
        Degrees of freedom of t; ``np.inf`` for the normal distribution.
    n : int
        Rows used.
    conf_level : float
        Level of the intervals, in (0, 1).

    Returns
    -------
    DataFrame : term estimate std_error statistic df p_value conf_low conf_high n

    Examples
    --------
    >>> tidy(["x"], np.array([2.0]), np.array([1.0]), np.inf, 50)["p_value"].round(4).tolist()
    [0.0455]
    """
    return pd.DataFrame(
        {
            "term": list(terms),
            **t_tests(estimate, std_error, df, conf_level),
            "n": n,
        }
    )


def t_tests(estimate, std_error, df, conf_level: float = 0.95) -> dict[str, np.ndarray]:
    """The columns estimate to conf_high of `tidy`, as arrays of the shape of `estimate`."""
    if not 0 < conf_level < 1:
        raise ParameterError(f"conf_level must lie between 0 and 1; {conf_level} was given.")
    estimate, std_error = np.asarray(estimate, float), np.asarray(std_error, float)
    df = np.broadcast_to(np.asarray(df, float), estimate.shape)
    statistic = estimate / std_error
    reach = special.stdtrit(df, 0.5 + conf_level / 2) * std_error
    return {
        "estimate": estimate,
        "std_error": std_error,
        "statistic": statistic,
        "df": df,
        "p_value": 2 * special.stdtr(df, -np.abs(statistic)),
        "conf_low": estimate - reach,
        "conf_high": estimate + reach,
    }


def _predictors(X, terms, n: int) -> tuple[np.ndarray, tuple[str, ...]]:
    if X is None:
        return np.empty((n, 0)), ()
    if terms is None and isinstance(X, pd.DataFrame):
        terms = [str(column) for column in X.columns]
    values = as_floats(X, "the predictors")
    values = values[:, None] if values.ndim == 1 else values
    names = (
        tuple(terms) if terms is not None else tuple(f"x{j + 1}" for j in range(values.shape[1]))
    )
    if len(names) != values.shape[1] or len(set(names)) != len(names):
        raise ParameterError(
            f"{values.shape[1]} predictors need as many different names; given: {list(names)}."
        )
    return values, names


def check_shape(sample: Sample, dropped: int = 0) -> None:
    """NotEstimableError where there are too few rows or groups."""
    lost = f" ({dropped} rows with missing values were dropped)" if dropped else ""
    if sample.n <= len(sample.terms) + 1:
        raise NotEstimableError(
            f"Fewer rows than terms: {sample.n} complete rows{lost} for the intercept and "
            f"{len(sample.terms)} terms."
        )
    if sample.n_groups < 2:
        raise NotEstimableError(
            f"All {sample.n} complete rows{lost} belong to one group; "
            f"errors that respect groups need at least two."
        )
