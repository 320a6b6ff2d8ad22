"""The arrays behind a count model, and a plain reason when no model can be fitted to them.

Column names stay labels: a design is built from arrays, never from a formula.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from ..errors import NotEstimableError
from .design import COLLINEAR, complete_columns

LP_MARGIN = 1e-7  # what the linear program may leave by rounding; columns have SD 1 in it
FEWEST = 8
"""Rows with a count above 0 that errors by group need: with so few a rate ratio of even 2 per SD is
found in 5 to 19 % of samples (`benchmarks/count_size.csv`)."""
FEWEST_GROUPS = 5  # with counts above 0, for errors that respect groups


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
    """

    y: np.ndarray
    Z: np.ndarray
    offset: np.ndarray
    back: np.ndarray
    terms: tuple[str, ...]
    groups: np.ndarray | None


def make_design(data, outcome: str, predictors, exposure=None, cluster=None) -> Design:
    """Take the complete rows of the named columns and check that a count model has a chance.

    Raises
    ------
    ParameterError
        A column is missing, named twice or not numeric.
    NotEstimableError
        Every reason why no count model can be fitted, at once.
    """
    predictors = [predictors] if isinstance(predictors, str) else list(predictors)
    numeric = [outcome, *predictors, *([exposure] if exposure else [])]
    values, groups = complete_columns(data, numeric, cluster)
    y, X, offset, reasons = values[:, 0], values[:, 1 : 1 + len(predictors)], None, []
    if exposure:
        time = values[:, -1]
        if (time > 0).all() and np.isfinite(time).all():
            offset = np.log(time)
        else:
            reasons.append(f"exposure '{exposure}' must be above 0 and finite in every row")
    if groups is not None and len(y) and groups.max() == 0:
        reasons.append(f"all rows belong to one '{cluster}': errors between clusters are unknown")
    elif groups is not None and (rare := too_rare(y, outcome)):
        reasons.append(rare)
    return from_arrays(y, X, outcome, predictors, offset, groups, reasons)


def too_rare(y: np.ndarray, outcome: str) -> str:
    """Why counts are above 0 in too few rows for errors that can be trusted; empty if they are not.

    Examples
    --------
    >>> too_rare(np.array([5, 0, 0, 0]), "days")
    "'days' is above 0 in 1 of 4 rows, and at least 8 are needed"
    """
    some = int((y > 0).sum())
    told = f"'{outcome}' is above 0 in {some} of {len(y)} rows, and at least {FEWEST} are needed"
    return told if some < FEWEST else ""


def unlike(y: np.ndarray, groups: np.ndarray) -> float:
    """One over the degrees of freedom that groups leave for unlike totals, less that of equal ones.

    Totals leave as many as Kish's effective number of groups less one.

    Raises
    ------
    NotEstimableError
        Fewer than five groups with counts above 0, or an effective number below 2.

    Examples
    --------
    >>> unlike(np.array([4, 4, 1, 3, 4, 4, 0]), np.array([1, 2, 3, 3, 4, 5, 6])) == 1 / 4 - 1 / 5
    True
    """
    totals = np.bincount(np.unique(groups, return_inverse=True)[1], y)
    number = float(totals.sum() ** 2 / (totals @ totals))
    if (some := (totals > 0).sum()) < FEWEST_GROUPS:
        raise NotEstimableError(
            f"Not estimable: counts above 0 are of {some} groups only, and at least "
            f"{FEWEST_GROUPS} are needed."
        )
    if number < 2:
        raise NotEstimableError(
            f"Not estimable: {totals.max() / totals.sum():.0%} of all counts are of one group, so "
            "that errors between groups are unknown."
        )
    return 1 / (number - 1) - 1 / (len(totals) - 1)


def from_arrays(y, X, outcome, predictors, offset=None, groups=None, reasons=()) -> Design:
    """The same from arrays without holes: counts (n,) and predictors (n, k).

    `reasons` are those already found why no count model can be fitted.
    """
    if not len(y):
        raise NotEstimableError("Not estimable: no row is complete in all the columns named.")
    reasons = list(reasons)
    wrong = y[(y < 0) | (y != np.floor(y)) | np.isinf(y)]
    if len(wrong):
        what = f"{len(wrong)} value(s) do not, {wrong[0]:g} the first"
        reasons.insert(0, f"'{outcome}' must hold counts 0, 1, 2, ...: {what}")
    elif (y == y[0]).all():
        reasons.insert(0, f"'{outcome}' is {y[0]:g} in every row")
    if len(y) <= len(predictors) + 1:
        reasons.append(
            f"{len(y)} complete rows cannot carry {len(predictors)} predictors and an intercept"
        )
    else:
        reasons += unusable(X, predictors)
    if reasons:
        raise NotEstimableError(f"Not estimable: {'; '.join(reasons)}.")
    mean, sd = X.mean(axis=0), X.std(axis=0)
    back = np.diag([1, *(1 / sd)])
    back[0, 1:] = -mean / sd
    Z = np.column_stack([np.ones(len(y)), (X - mean) / sd])
    offset = np.zeros(len(y)) if offset is None else offset
    return Design(y, Z, offset, back, ("intercept", *predictors), groups)


def unusable(X: np.ndarray, names: Sequence[str]) -> list[str]:
    """Why columns cannot stand in one model: each that is infinite, constant or collinear."""
    infinite = np.flatnonzero(~np.isfinite(X).all(axis=0))
    if len(infinite):
        return [f"'{names[j]}' holds an infinite value" for j in infinite]
    mean, sd = X.mean(axis=0), X.std(axis=0)
    flat = np.flatnonzero(sd <= 1e-12 * np.abs(mean))
    if len(flat):
        return [f"'{names[j]}' is constant" for j in flat]
    if X.shape[1] < 2:
        return []
    Z = (X - mean) / sd
    left = np.abs(np.diag(np.linalg.qr(Z, mode="r"))) / np.sqrt(len(Z))
    reasons = []
    for j in np.flatnonzero(left**2 < COLLINEAR):
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
    held = Z[:0] if both else Z[~low]
    found = linprog(move, rows, np.zeros(len(rows)), held, np.zeros(len(held)), (-1, 1))
    return found.status == 0 and -found.fun > LP_MARGIN * len(Z)


def refuse_separation(design, low, both: bool, what: str, rows=slice(None)) -> None:
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
