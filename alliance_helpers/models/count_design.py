"""The arrays behind a count model, and a plain reason when no model can be fitted to them.

Column names stay labels: a design is built from arrays, never from a formula.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import linprog

from ..errors import NotEstimableError, ParameterError
from . import arguments

TOLERANCE = 1e-10  # 1 - R squared of a column on those before it; below this it is collinear
LP_MARGIN = 1e-7  # what the linear program may leave by rounding; columns have SD 1 in it


@dataclass(frozen=True)
class Design:
    """Counts, standardised predictors and what leads back to the predictors' own units.

    Attributes
    ----------
    y, offset : ndarray, shape (n,)
    Z : ndarray, shape (n, k + 1)
        A column of ones, then each predictor centred and divided by its SD.
    back : ndarray, shape (k + 1, k + 1)
        Coefficients in the predictors' own units are `back @ coefficients of Z`.
    terms : tuple of str
        `intercept`, then the predictors.
    groups : ndarray of int or None
        Cluster codes 0 .. n_groups - 1.
    index : Index or None
        The rows of the data that are complete, and so were used; None for arrays.
    """

    y: np.ndarray
    Z: np.ndarray
    offset: np.ndarray
    back: np.ndarray
    terms: tuple[str, ...]
    groups: np.ndarray | None
    index: pd.Index | None

    @property
    def positive(self) -> np.ndarray:
        return self.y > 0


def make_design(
    data: pd.DataFrame,
    outcome: str,
    predictors: Sequence[str],
    exposure: str | None = None,
    cluster: str | None = None,
) -> Design:
    """Take the complete rows of the named columns and check that a count model has a chance.

    Raises
    ------
    ParameterError
        A column is missing, named twice or not numeric.
    NotEstimableError
        Every reason why no count model can be fitted, at once.
    """
    predictors = [predictors] if isinstance(predictors, str) else list(predictors)
    _check_names(data, outcome, predictors, exposure, cluster)
    numeric = [outcome, *predictors, *([exposure] if exposure else [])]
    columns = [_numbers(data, name) for name in numeric]
    complete = ~np.any([np.isnan(c) for c in columns], axis=0)
    groups = None
    if cluster is not None:
        groups = pd.factorize(data[cluster])[0]
        complete &= groups >= 0
        groups = np.unique(groups[complete], return_inverse=True)[1]
    y, *columns = (c[complete] for c in columns)
    reasons = []
    offset = np.zeros(len(y))
    if exposure is not None:
        time = columns.pop()
        if (time > 0).all() and np.isfinite(time).all():
            offset = np.log(time)
        else:
            reasons.append(f"exposure '{exposure}' must be above 0 and finite in every row")
    if groups is not None and len(y) and groups.max() == 0:
        reasons.append(f"all rows belong to one '{cluster}': errors between clusters are unknown")
    X = np.column_stack(columns) if columns else np.empty((len(y), 0))
    return from_arrays(y, X, outcome, predictors, offset, groups, data.index[complete], reasons)


def from_arrays(
    y: np.ndarray,
    X: np.ndarray,
    outcome: str,
    predictors: Sequence[str],
    offset: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    index: pd.Index | None = None,
    reasons: Sequence[str] = (),
) -> Design:
    """The same from arrays without holes: counts (n,) and predictors (n, k).

    `reasons` are those already found why no count model can be fitted.
    """
    reasons = [*_about_counts(y, outcome), *reasons]
    if len(y) <= len(predictors) + 1:
        reasons.append(
            f"{len(y)} complete rows cannot carry {len(predictors)} predictors and an intercept"
        )
        raise NotEstimableError(_sentence(reasons))
    Z, back, found = standardise(X, predictors)
    reasons += found
    if reasons:
        raise NotEstimableError(_sentence(reasons))
    offset = np.zeros(len(y)) if offset is None else offset
    return Design(y, Z, offset, back, ("intercept", *predictors), groups, index)


def standardise(X: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Centre and scale; name the columns that are infinite, constant or collinear."""
    n, k = X.shape
    back = np.eye(k + 1)
    infinite = ~np.isfinite(X).all(axis=0)
    reasons = [f"'{names[j]}' holds an infinite value" for j in np.flatnonzero(infinite)]
    if reasons:
        return X, back, reasons
    mean, sd = X.mean(axis=0), X.std(axis=0)
    flat = sd <= 1e-12 * np.abs(mean)
    reasons = [f"'{names[j]}' is constant" for j in np.flatnonzero(flat)]
    if reasons:
        return X, back, reasons
    Z = (X - mean) / sd
    back[1:, 1:] = np.diag(1 / sd)
    back[0, 1:] = -mean / sd
    return np.column_stack([np.ones(n), Z]), back, collinear(Z, names)


def collinear(Z: np.ndarray, names: Sequence[str]) -> list[str]:
    """Name each column that the columns before it determine (columns centred, SD 1)."""
    if Z.shape[1] < 2:
        return []
    left = np.abs(np.diag(np.linalg.qr(Z, mode="r"))) / np.sqrt(len(Z))
    reasons = []
    for j in np.flatnonzero(left**2 < TOLERANCE):
        weight = np.linalg.lstsq(Z[:, :j], Z[:, j], rcond=None)[0]
        others = ", ".join(f"'{names[i]}'" for i in np.flatnonzero(np.abs(weight) > 1e-6))
        reasons.append(f"'{names[j]}' is a linear combination of {others}")
    return reasons


def separated(Z: np.ndarray, low: np.ndarray, both: bool) -> bool:
    """Whether the likelihood rises for ever along some direction of the coefficients.

    Parameters
    ----------
    Z : ndarray, shape (n, k + 1)
    low : ndarray of bool, shape (n,)
        Rows at the outcome's floor (no days; or the smallest count a truncated model allows).
    both : bool
        True for a logit: the other rows may move up. False for a count model with a log link: the
        other rows must stay where they are.

    Notes
    -----
    The linear program of Konis (2007); for count models Correia, Guimaraes & Zylkin (2020).
    """
    move = Z[low].sum(axis=0) - (Z[~low].sum(axis=0) if both else 0.0)
    rows = np.vstack([Z[low], -Z[~low]]) if both else Z[low]
    found = linprog(
        move,
        A_ub=rows,
        b_ub=np.zeros(len(rows)),
        A_eq=None if both else Z[~low],
        b_eq=None if both else np.zeros((~low).sum()),
        bounds=(-1, 1),
        method="highs",
    )
    return found.status == 0 and -found.fun > LP_MARGIN * len(Z)


def refuse_separation(
    design: Design, rows: np.ndarray, low: np.ndarray, both: bool, what: str
) -> None:
    """Raise when predictors mark off rows at the floor, naming those it cannot do without."""
    Z, low = design.Z[rows], low[rows]
    if not separated(Z, low, both):
        return
    needed = list(range(Z.shape[1]))
    for column in range(Z.shape[1] - 1, 0, -1):
        fewer = [c for c in needed if c != column]
        if separated(Z[:, fewer], low, both):
            needed = fewer
    names = ", ".join(f"'{design.terms[c]}'" for c in needed[1:])
    verb = "separates" if len(needed) == 2 else "separate"
    raise NotEstimableError(f"Not estimable: {names} {verb} {what}: a coefficient is infinite.")


def _check_names(data, outcome, predictors, exposure, cluster) -> None:
    used = [outcome, *predictors, *(c for c in (exposure, cluster) if c is not None)]
    arguments.table(data, *used)
    absent = [f"'{c}'" for c in used if c not in data.columns]
    if absent:
        raise ParameterError(f"The data have no column {', '.join(absent)}.")
    given = [outcome, *predictors]
    twice = sorted({f"'{c}'" for c in given if given.count(c) > 1})
    if twice:
        raise ParameterError(f"Named more than once: {', '.join(twice)}.")


def _numbers(data: pd.DataFrame, name: str) -> np.ndarray:
    try:
        return data[name].to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"Column '{name}' is not numeric: {error}.") from None


def _about_counts(y: np.ndarray, outcome: str) -> list[str]:
    if not len(y):
        raise NotEstimableError("Not estimable: no row is complete in all the columns named.")
    wrong = (y < 0) | (y != np.floor(y)) | np.isinf(y)
    if wrong.any():
        return [
            f"'{outcome}' must hold counts 0, 1, 2, ...: {wrong.sum()} value(s) do not, "
            f"{y[wrong][0]:g} the first"
        ]
    if (y == y[0]).all():
        return [f"'{outcome}' is {y[0]:g} in every row"]
    return []


def _sentence(reasons: list[str]) -> str:
    return f"Not estimable: {'; '.join(reasons)}."
