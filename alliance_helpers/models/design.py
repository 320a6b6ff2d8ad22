"""From columns with holes to arrays a model can use, and from estimates back to a tidy table.

Checks of arguments; every message names the argument, or the term.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import pandas as pd
from scipy import special

from ..errors import NotEstimableError, ParameterError, no_numbers

# A term whose squared multiple correlation with the terms before it exceeds 1 minus this.
COLLINEAR = 1e-10


# Columns whose largest value lies outside cannot be squared and multiplied with full precision.
SIZES = (1e-100, 1e100)

NUMBER = (int, float, np.integer, np.floating)
RULES = {
    "finite": (np.isfinite, "a finite number"),
    "positive": (lambda value: value > 0, "a number above 0"),
    "share": (lambda value: 0 < value < 1, "a number between 0 and 1"),
}


def require(rule: str, **values: float) -> None:
    """Each value must be a number that obeys the rule; ParameterError names the argument.

    Examples
    --------
    >>> require("share", alpha=0.05)
    """
    holds, words = RULES[rule]
    for name, value in values.items():
        if not isinstance(value, NUMBER) or not holds(value):
            raise ParameterError(f"{name} is {value}; give {words}.")


def require_whole(least: int, most: float = math.inf, /, **values: int) -> None:
    """Each value must be a whole number of at least `least`, and at most `most`."""
    of = f"of at least {least}" if math.isinf(most) else f"from {least} to {most:,}"
    for name, value in values.items():
        if not isinstance(value, Integral) or not least <= value <= most:
            raise ParameterError(f"{name} is {value!r}; give a whole number {of}.")


def require_pairs(r: float, n: float, above: int) -> None:
    """A correlation with the number of pairs behind it."""
    require("finite", r=r, n=n)
    if abs(r) > 1:
        raise ParameterError(f"The correlation is {r}; it must lie between -1 and 1.")
    if n <= above:
        raise ParameterError(f"n is {n}; more than {above} pairs are needed.")


def require_table(data, *columns) -> None:
    """The data must be a table that has none of the columns twice."""
    if not isinstance(data, pd.DataFrame):
        raise ParameterError(f"data must be a DataFrame; a {type(data).__name__} was given.")
    names = () if data.columns.is_unique else {*data.columns[data.columns.duplicated()]}
    if twice := [f"'{name}'" for name in dict.fromkeys(columns) if name in names]:
        many = f"more than one column {', '.join(twice)}"
        raise ParameterError(f"The data have {many}: rename all but one.")


def complete_columns(data, numeric, cluster) -> tuple[np.ndarray, np.ndarray | None]:
    """Numeric columns, each named once, on their complete rows, and the groups of these.

    ParameterError with every problem found.
    """
    used = dict.fromkeys([*numeric] if cluster is None else [*numeric, cluster])
    require_table(data, *used)
    data = pd.DataFrame(data)  # without `attrs`, which pandas copies with every column
    problems, there = [], {c: data[c] for c in used if c in data.columns}
    for column in used:
        if column not in there:
            problems.append(f"there is no column '{column}'")
        elif numeric.count(column) > 1:
            problems.append(f"'{column}' is named more than once")
        elif column in numeric and (odd := no_numbers(there[column])):
            problems.append(f"'{column}' holds {odd}, not numbers{TO_NUMBERS}")
    if problems:
        raise ParameterError(f"The columns cannot be used: {'; '.join(problems)}.")
    values = np.column_stack([there[c].to_numpy(float, na_value=np.nan) for c in numeric])
    check_sizes(values, "column '{}'", numeric)
    rows, codes = complete(values, None if cluster is None else there[cluster])
    return values[rows], codes


def aligned(**given) -> None:
    """Tables, columns and arrays that stand for the same rows: as many, and in one order.

    None stands for what was not given. Arrays and lists are taken by position.

    Raises
    ------
    ParameterError
        Numbers of rows that differ, or pandas indexes that do.

    Examples
    --------
    >>> aligned(client=pd.Series([5.0, 6.0]), case_manager=[4.0, 6.0], cluster=None)
    """
    given = {name: rows for name, rows in given.items() if rows is not None}
    shapes = {k: getattr(v, "shape", (len(v),)) for k, v in given.items() if np.iterable(v)}
    if len({shape[:1] for shape in shapes.values()} | {() for k in given if k not in shapes}) > 1:
        counted = ", ".join(f"{name} {shapes.get(name, 'a single value')}" for name in given)
        raise ParameterError(f"Give columns of equal length; their shapes are: {counted}.")
    indexes = {k: v.index for k, v in given.items() if isinstance(v, pd.Series | pd.DataFrame)}
    first, *others = [*indexes.values()] or [None]
    if not all(first.equals(index) for index in others):
        remedy = "align them first, or give arrays (.to_numpy()) if their order is the same"
        raise ParameterError(f"The indexes of {', '.join(indexes)} differ: {remedy}.")


def complete(values: np.ndarray, groups=None) -> tuple[np.ndarray, np.ndarray | None]:
    """The rows without a hole, and the groups they belong to.

    Parameters
    ----------
    values : ndarray (n, c), missing as NaN
    groups : array-like (n,) of any labels, optional
        A row without a label is left out too.

    Returns
    -------
    rows : ndarray of int (m,), positions
    codes : ndarray of int (m,), groups numbered as they first appear; None without groups

    Examples
    --------
    >>> complete(np.array([[1.0], [np.nan], [3.0], [4.0]]), ["b", "a", "a", "b"])[1].tolist()
    [0, 1, 0]
    """
    keep = ~np.isnan(values).any(axis=1)
    if groups is None:
        return np.flatnonzero(keep), None
    labels = np.asarray(groups)
    rows = np.flatnonzero(keep & ~pd.isna(labels))
    return rows, pd.factorize(labels[rows])[0]


def runs(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Order that puts the rows of each group (numbered from 0) side by side; starts and sizes."""
    sizes = np.bincount(codes)
    return np.argsort(codes, kind="stable"), np.cumsum(sizes) - sizes, sizes


@dataclass(frozen=True)
class Sample:
    """Complete rows, sorted so that every group is one run of rows.

    Attributes
    ----------
    y : ndarray (n,)
    X : ndarray (n, k), without the intercept
    terms : tuple of k names
    starts, sizes : ndarray (J,), first row and number of rows of each group
    """

    y: np.ndarray
    X: np.ndarray
    terms: tuple[str, ...]
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
    groups : array-like (n,) or None
        Any labels: the case manager of each row; None where each row stands alone.
    terms : sequence of str, optional
        Names of the k predictors; by default the columns of a DataFrame, else x1, x2, ...

    Raises
    ------
    ParameterError
        Lengths or indexes disagree, a value is infinite or not a number.
    NotEstimableError
        One group only, every group a single row, or no more rows than terms.

    Examples
    --------
    >>> complete_rows([1, 2, None, 4], [1, 0, 1, 1], list("aabb"), ["x"]).n
    3
    """
    aligned(outcome=y, predictors=X, groups=groups)
    y_all = as_floats(y, "the outcome").reshape(-1)
    X_all, names = _predictors(X, terms, len(y_all))
    labels = np.arange(len(y_all)) if groups is None else np.asarray(groups)
    rows, codes = complete(np.column_stack([y_all, X_all]), labels)
    by_group, starts, sizes = runs(codes)
    rows = rows[by_group]
    sample = Sample(y_all[rows], X_all[rows], names, starts, sizes)
    check_shape(sample, dropped=len(y_all) - len(rows))
    return sample


def as_floats(values, what: str, any_size: bool = False) -> np.ndarray:
    """Float64 array of numbers, missing as NaN; ParameterError where something else is found."""
    try:
        given = values if hasattr(values, "to_numpy") else np.asarray(values)
        columns = given.items() if isinstance(given, pd.DataFrame) else [(what, given)]
        if odd := [f"{name} holds {kind}" for name, v in columns if (kind := no_numbers(v))]:
            raise TypeError(f"{'; '.join(odd)}{TO_NUMBERS}")
        if hasattr(given, "to_numpy"):
            given = given.to_numpy(dtype=float, na_value=np.nan)
        out = np.asarray(given, dtype=float)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"In {what} a value is not a number: {error}.") from None
    if not any_size:
        named = isinstance(values, pd.DataFrame)
        check_sizes(out, "'{}'" if named else what, [*values] if named else ())
    return out


TO_NUMBERS = " (pandas.to_numeric makes numbers of text, .cat.codes of categories)"


def check_sizes(values: np.ndarray, what: str, names: Sequence[str] = ()) -> None:
    """ParameterError where the largest value of a column is infinite, or lies outside SIZES."""
    largest = np.atleast_1d(np.fmax.reduce(np.abs(values), axis=0, initial=0.0))
    bad = (largest > 0) & ((largest < SIZES[0]) | (largest > SIZES[1]))
    if bad.any():
        j = int(np.argmax(bad.ravel()))
        why = f"the largest value is {largest.flat[j]:.0e}: too far from 1. Give it in another unit"
        if np.isinf(largest.flat[j]):
            why = "a value is infinite: replace it or mark it as missing"
        raise ParameterError(f"In {what.format(*names[j : j + 1])} {why}.")


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
        Names the terms that are constant, or determined by those before them.
    """
    n = sample.n
    means = sample.X.mean(axis=0)
    centred = sample.X - means
    norms = np.sqrt(np.einsum("ij,ij->j", centred, centred))
    flat = norms <= 1e-12 * np.sqrt(n) * np.maximum(np.abs(means), 1e-300)
    if not flat.any():
        Q, R = np.linalg.qr(np.column_stack([np.ones(n), centred / norms]))
    if flat.any() or (np.diag(R)[1:] ** 2 < COLLINEAR).any():
        raise NotEstimableError(f"{'; '.join(unusable(sample.X, sample.terms))}: leave it out.")
    to_raw = np.diag([1, *(1 / norms)])
    to_raw[0, 1:] = -means / norms
    return Q, to_raw @ np.linalg.inv(R)


def constant(X: np.ndarray, names: Sequence[str]) -> list[str]:
    """Which columns do not vary, each as a reason."""
    flat = np.flatnonzero(X.std(axis=0) <= 1e-12 * np.abs(X.mean(axis=0)))
    return [f"'{names[j]}' has the same value in all {len(X)} rows" for j in flat]


def unusable(X: np.ndarray, names: Sequence[str]) -> list[str]:
    """Why columns cannot stand in one model: each that is constant, or else collinear."""
    if (reasons := constant(X, names)) or X.shape[1] < 2:
        return reasons
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    left = np.abs(np.diag(np.linalg.qr(Z, mode="r"))) / np.sqrt(len(Z))
    for j in np.flatnonzero(left**2 < COLLINEAR):
        weight = np.linalg.lstsq(Z[:, :j], Z[:, j], rcond=None)[0]
        others = ", ".join(f"'{names[i]}'" for i in np.flatnonzero(np.abs(weight) > 1e-6))
        reasons.append(f"'{names[j]}' is a linear combination of {others}")
    return reasons


def standardise(x: np.ndarray, names: Sequence[str] | None = None) -> np.ndarray:
    """Columns with mean 0 and standard deviation 1; a constant one cannot be estimated.

    Parameters
    ----------
    x : ndarray (n,) or (n, k)
        Missing values stay missing; mean and standard deviation are those of the others.
    names : sequence of k str, optional
        Used in the message.

    Raises
    ------
    NotEstimableError
        A column with fewer than four values, or one that does not vary.

    Examples
    --------
    >>> standardise(np.array([1.0, 2, 3, 4, 5])).round(2).tolist()
    [-1.26, -0.63, 0.0, 0.63, 1.26]
    """
    known = np.isfinite(x)
    if np.min(known.sum(axis=0)) < 4:
        raise NotEstimableError("fewer than four dyads are complete")
    mean, std = (np.mean, np.std) if known.all() else (np.nanmean, np.nanstd)
    centre, spread = mean(x, axis=0), std(x, axis=0, ddof=1)
    flat = np.atleast_1d(spread <= 1e-12 * np.abs(centre))
    if flat.any():
        which = "a variable" if names is None else names[int(np.argmax(flat))]
        raise NotEstimableError(f"{which} does not vary")
    return (x - centre) / spread


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
    columns = {"term": list(terms), **t_tests(estimate, std_error, df, conf_level), "n": n}
    return pd.DataFrame(columns)


def t_tests(estimate, std_error, df, conf_level: float = 0.95) -> dict[str, np.ndarray]:
    """The columns estimate to conf_high of `tidy`, as arrays of the shape of `estimate`."""
    require("share", conf_level=conf_level)
    estimate, std_error = np.asarray(estimate, float), np.asarray(std_error, float)
    df = np.broadcast_to(np.asarray(df, float), estimate.shape)
    statistic = estimate / std_error
    reach = special.stdtrit(df, 0.5 + conf_level / 2) * std_error
    names = "estimate", "std_error", "statistic", "df", "p_value", "conf_low", "conf_high"
    test = statistic, df, 2 * special.stdtr(df, -np.abs(statistic))
    values = estimate, std_error, *test, estimate - reach, estimate + reach
    return dict(zip(names, values, strict=True))


def _predictors(X, terms, n: int) -> tuple[np.ndarray, tuple[str, ...]]:
    if X is None:
        return np.empty((n, 0)), ()
    values = as_floats(X, "the predictors")
    values = values[:, None] if values.ndim == 1 else values
    if terms is None:
        named = isinstance(X, pd.DataFrame)
        terms = X.columns if named else (f"x{j + 1}" for j in range(values.shape[1]))
    return values, tuple(map(str, terms))


def check_shape(sample: Sample, dropped: int = 0) -> None:
    """NotEstimableError where there are too few rows or groups."""
    lost = f" ({dropped} rows with missing values were dropped)" if dropped else ""
    if sample.n <= len(sample.terms) + 1:
        rows = f"{sample.n} complete rows{lost} for the intercept and {len(sample.terms)} terms"
        raise NotEstimableError(f"Fewer rows than terms: {rows}.")
    if sample.n_groups < 2:
        rows = f"All {sample.n} complete rows{lost} belong to one group"
        raise NotEstimableError(f"{rows}; errors that respect groups need at least two.")
