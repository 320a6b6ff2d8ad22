"""Ratings of several occasions: between people and within them, and which comes before which.

A person who is high on average (between) and an occasion on which a person is higher than usual
(within) are different things, and a trend that all share makes an association of any two measures
that both change with time. So each association is asked for with the trend left in and taken out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from ..errors import NotEstimableError, ParameterError
from .design import aligned, as_floats, complete, complete_rows, require_whole, runs, tidy
from .nesting import fit_intercepts, whitened
from .robust import fit_robust

TRENDS = ("none", "line", "common", "own", "differences")
"""What is done about change over time: left in; one straight line for all held constant; each
occasion's own mean taken out, whatever the form of the trend that all share; each person's own line
taken out as well; differences from one occasion to the next, without each occasion's mean."""
TINY = 1e-9  # of a measure's size: what is left is rounding
ALONE = ("own", "differences")
"""Where only the association within people is left."""
LINES = 10
"""Occasions of a person, on average, from which on own lines leave enough of what comes next."""
FEW = 10
"""Rows of neighbouring occasions that share a mean, where an occasion has fewer."""
MOST = 100
"""Occasions with means of their own; of more, neighbours share them."""


@dataclass(frozen=True)
class Occasions:
    """Two measures of people at occasions, sorted by person and time: arrays (n,).

    `person` is a number from 0, as is the `group` that a person is of; a part of the rows may lack
    some of them.
    """

    person: np.ndarray
    group: np.ndarray
    time: np.ndarray
    y: np.ndarray
    x: np.ndarray

    def part(self, rows: np.ndarray) -> Occasions:
        """Some of the rows."""
        return Occasions(*(values[rows] for values in vars(self).values()))

    def of(self, columns: np.ndarray) -> Occasions:
        """The same rows with other measures, the columns (n, 2)."""
        return replace(self, y=columns[:, 0], x=columns[:, 1])

    @property
    def both(self) -> np.ndarray:
        return np.column_stack([self.y, self.x])


def own_sums(values: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Each row's sum over the rows of its person; of one column, or of several."""
    if values.ndim > 1:
        return np.column_stack([own_sums(column, person) for column in values.T])
    return np.bincount(person, values)[person]


def own_means(values: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Each row's mean over the rows of its person."""
    return (own_sums(values, person).T / np.bincount(person)[person]).T


def away(values: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Deviations from the person's own mean."""
    return values - own_means(values, person)


def alike(time: np.ndarray) -> np.ndarray:
    """The occasion of each row, from 0; neighbours that few rows have are one."""
    _, at, rows = np.unique(time, return_inverse=True, return_counts=True)
    few = max(FEW, len(time) / MOST)
    return np.unique((np.cumsum(rows) - 1) // few, return_inverse=True)[1][at]


@dataclass(frozen=True)
class Own:
    """What is people's own: their levels and, with `time`, their lines, as orthonormal columns."""

    person: np.ndarray
    time: np.ndarray | None = None

    @cached_property
    def columns(self) -> list[np.ndarray]:
        found = [1 / np.sqrt(np.bincount(self.person)[self.person])]
        if self.time is not None:
            time = away(self.time, self.person)
            found.append(time / np.sqrt(own_sums(time**2, self.person)))
        return found

    def out_of(self, values: np.ndarray) -> np.ndarray:
        """What it leaves of columns (n, k)."""
        for own in self.columns:
            values = values - own[:, None] * own_sums(own[:, None] * values, self.person)
        return values


def without_occasions(values: np.ndarray, time: np.ndarray, own: Own | None = None) -> np.ndarray:
    """Columns (n, k) without each occasion's own mean; of what is people's `own` the means are
    free, but it is left in (the two-way within transformation, if taken out after).
    """
    at = alike(time)
    free, left = own.out_of(values) if own else values, np.diag(np.bincount(at).astype(float))
    for column in own.columns if own else ():
        cells = np.bincount(own.person * len(left) + at, column, (own.person.max() + 1) * len(left))
        shares = cells.reshape(-1, len(left))
        left -= shares.T @ shares
    sums = np.column_stack([np.bincount(at, column) for column in free.T])
    return values - np.linalg.lstsq(left, sums, 1e-10)[0][at]


def occasions(y, x, person, time, group=None) -> Occasions:
    """Complete rows of two measures, sorted by person and time.

    Raises
    ------
    ParameterError
        Columns of different rows, or a person with two rows at one time.
    NotEstimableError
        Fewer than three people with two occasions or more.
    """
    aligned(y=y, x=x, person=person, time=time, group=group)
    given = {"time": time, "y": y, "x": x}
    values = np.column_stack([as_floats(column, name) for name, column in given.items()])
    kept, codes = complete(values, person)
    order = np.lexsort((values[kept, 0], codes))
    people = codes[order]
    groups = pd.factorize(np.asarray(person if group is None else group)[kept[order]])[0]
    first = groups[np.diff(people, prepend=-1) > 0]
    rows = Occasions(people, first[people], *values[kept[order]].T)
    twice = (np.diff(rows.person) == 0) & (np.diff(rows.time) == 0)
    if twice.any():
        raise ParameterError(
            f"{twice.sum()} rows repeat a person's occasion (the first at time "
            f"{rows.time[twice.argmax()]:g}): keep one row for each person and occasion."
        )
    if (np.bincount(rows.person) > 1).sum() < 3:
        raise NotEstimableError("fewer than three people have two occasions with both measures")
    return rows


def within_between(y, x, person, time, trend: str = "none", group=None) -> pd.DataFrame:
    """Association of two measures between people and within them.

    Parameters
    ----------
    y, x, person, time : array-like (n,)
        One row per person and occasion; rows with a missing value are dropped.
    trend : {"none", "line", "common", "own", "differences"}
        See :data:`TRENDS`. With `own` and `differences` only the association within is left.
    group : array-like (n,), optional
        Whom people belong to: a therapist; of a person who changes, the first.

    Returns
    -------
    DataFrame : term estimate std_error statistic df p_value conf_low conf_high n
        `within` and `between` are slopes of y on the person's deviations from the own mean, and on
        that mean, from a random-intercept model by REML (Raudenbush & Bryk 2002; Wang & Maxwell
        2015, Psychol Methods 20:63-83). With the trend left in, errors are the model's, with
        Satterthwaite's degrees of freedom; else they respect what one person's occasions have in
        common, those of `between` what one group's people have (CR2), with the part of the rows
        that the occasions' means take.

    Raises
    ------
    NotEstimableError, ParameterError

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> person, time = np.repeat(np.arange(30), 5), np.tile(np.arange(5), 30)
    >>> x = rng.normal(size=150)
    >>> y = rng.normal(size=30)[person] + 0.5 * x + 0.1 * rng.normal(size=150)
    >>> within_between(y, x, person, time)["estimate"].round(1).tolist()[0]
    0.5
    """
    rows = _left(occasions(y, x, person, time, group), trend)
    if trend in ALONE:
        return _fitted(rows, {"within": rows.x}, trend)
    mean = own_means(rows.x, rows.person)
    X = {"within": rows.x - mean}
    if np.ptp(mean) > TINY * np.abs(rows.x).max():
        X["between"] = mean
    return _fitted(rows, X | _line(rows, trend), trend)


def lagged(y, x, person, time, lag: int = 1, trend: str = "none") -> pd.DataFrame:
    """Does x come before y: y on its own earlier value and on the earlier value of x.

    Parameters
    ----------
    y, x, person, time : array-like (n,)
        As for :func:`within_between`; `time` counts occasions.
    lag : int
        Occasions between the earlier values and y; rows without the earlier occasion are dropped.
    trend : {"none", "line", "common", "own", "differences"}

    Returns
    -------
    DataFrame : term estimate std_error statistic df p_value conf_low conf_high n
        `itself` and `before` (the earlier x), both as deviations from the person's mean; a line
        has `time`. Earlier differences hold what the later one does: they are instrumented by the
        values before them (Anderson & Hsiao 1981, J Am Stat Assoc 76:598-606). With the trend left
        in the errors are the model's, as most papers print them; else they respect people (CR2),
        since what is left of a person's occasions goes together. Earlier deviations from a mean
        that holds the later value are biased in short series (Nickell 1981, Econometrica
        49:1417-1426): for few occasions and many people use :func:`.cross_lagged.cross_lagged`.

    Raises
    ------
    NotEstimableError, ParameterError

    Examples
    --------
    >>> person, time = np.repeat(np.arange(40), 8), np.tile(np.arange(8), 40)
    >>> x = np.random.default_rng(1).normal(size=320)
    >>> y = np.roll(x, 1) + 0.1 * np.random.default_rng(2).normal(size=320)
    >>> lagged(y, x, person, time)["estimate"].round(1).tolist()[1]
    1.0
    """
    return _fitted(*lagged_rows(y, x, person, time, lag, trend), trend)


def lagged_rows(y, x, person, time, lag: int = 1, trend: str = "none"):
    """What :func:`lagged` relates: later occasions, and their predictors by name."""
    require_whole(1, lag=lag)
    told = occasions(y, x, person, time)
    rows = _left(told, trend)
    each = len(rows.time) / len(np.unique(rows.person))
    if trend == "own" and each < LINES:
        raise NotEstimableError(
            f"{each:.1f} occasions of a person on average: of fewer than {LINES} the person's own "
            "line determines much of what comes next"
        )
    before = _ago(rows, rows, lag)
    later = np.flatnonzero(before >= 0)
    before, now, people = before[later], rows.part(later), len(np.unique(rows.person[later]))
    if len(later) < 10 or people == len(later):
        raise NotEstimableError(
            f"only {len(later)} occasions of {people} people have another {lag} before them: the "
            "series are too short"
        )
    earlier = rows.both if trend in ALONE else away(rows.both, rows.person)
    columns = np.column_stack([now.y, earlier[before]])
    if trend not in ("none", "line"):
        own = None if trend in ALONE else Own(now.person)
        columns = without_occasions(columns, now.time, own)
    y, before = columns[:, 0], columns[:, 1:]
    if trend == "differences":
        level = told.both[_ago(told, now, lag + 1)]  # there: a difference is of it
        y, before = _instrumented(y, before, without_occasions(level, now.time))
    X = {"itself": before[:, 0], "before": before[:, 1]}
    return replace(now, y=y), X | _line(now, trend)


def _ago(told: Occasions, now: Occasions, lag: int) -> np.ndarray:
    """Which row of `told` is the same person's so many occasions before each of `now`; or -1."""
    span = np.ptp(told.time) + lag + 1
    keys, wanted = told.person * span + told.time, now.person * span + now.time - lag
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, at, -1)


def _instrumented(y: np.ndarray, X: np.ndarray, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outcome and predictors whose least squares are two-stage ones, with their residuals."""
    told = Z @ np.linalg.lstsq(Z, X)[0]
    return y - (X - told) @ np.linalg.lstsq(told, y)[0], told


def _left(rows: Occasions, trend: str) -> Occasions:
    """The rows, and what is left of both measures without the trend; level and all, if it can be.

    Raises
    ------
    NotEstimableError
        Without the trend nothing is left of one of them within people, or one is the other.
    """
    if trend not in TRENDS:
        raise ParameterError(f"trend is {trend!r}; choose one of {', '.join(TRENDS)}.")
    whole = rows.both
    if trend == "differences":
        rows = _differences(rows)
        left = rows.both
    else:
        if trend == "own":
            rows = rows.part(np.bincount(rows.person)[rows.person] > 2)
            if len(rows.time) - 2 * len(np.unique(rows.person)) < 6:
                raise NotEstimableError("too few people have three occasions or more")
        own = Own(rows.person, rows.time if trend == "own" else None)
        if trend in ("common", "own"):
            rows = rows.of(without_occasions(rows.both, rows.time, own))
        left = own.out_of(rows.both)
        rows = rows.of(left) if trend == "own" else rows
    if trend == "line":
        time = away(rows.time, rows.person)
        left = left - np.outer(time, time @ left / (time @ time))
    size, whole = (np.sqrt((v**2).sum(axis=0)) for v in (left, whole))
    taken = "" if trend == "none" else " once the trend is taken out"
    if (size <= TINY * whole).any():
        raise NotEstimableError(f"a measure does not vary within people{taken}")
    if abs(left[:, 0] @ left[:, 1]) >= (1 - TINY) * size.prod():
        raise NotEstimableError(f"both measures take the same course in everybody{taken}")
    return rows


def _line(rows: Occasions, trend: str) -> dict[str, np.ndarray]:
    """One straight line for all as one more predictor."""
    return {"time": rows.time} if trend == "line" else {}


def _fitted(rows: Occasions, X: dict[str, np.ndarray], trend: str) -> pd.DataFrame:
    """Slopes, beside random intercepts of people where levels are left in."""
    sample = complete_rows(rows.y, np.column_stack([*X.values()]), rows.person, [*X])
    ratio = 0.0
    if trend not in ALONE:
        fit = fit_intercepts(sample)
        ratio = fit.ratio
    if trend == "none":
        return tidy(X, fit.estimate[1:], fit.std_error[1:], fit.df[1:], sample.n)
    whole = np.column_stack([sample.y, np.ones(sample.n), sample.X])
    free = whitened(whole, sample.starts, sample.sizes, ratio)
    Q, R = np.linalg.qr(free[:, 1:])
    if (np.abs(np.diag(R)) <= TINY * np.linalg.norm(free[:, 1:], axis=0)).any():
        raise NotEstimableError("what came before does not vary, or one tells the other")
    back, taken = np.linalg.inv(R), 0 if trend == "line" else alike(rows.time).max()
    found, errors = fit_robust(replace(sample, y=free[:, 0]), (Q, back))
    variance, df = np.diag(errors.vcov).copy(), errors.df.copy()
    if "between" in X and 0 < rows.group.max() < sample.n_groups - 1:
        order, starts, sizes = runs(np.unique(rows.group, return_inverse=True)[1])
        at = [*X].index("between") + 1
        own = replace(sample, y=free[order, 0], terms=("between",), starts=starts, sizes=sizes)
        errors = fit_robust(own, (Q[order], back[[at]]))[1]
        variance[at], df[at] = errors.vcov[0, 0], errors.df[0]
    spread = np.sqrt(variance * sample.n / (sample.n - taken))
    return tidy(X, found[1:], spread[1:], df[1:], sample.n)


def _differences(rows: Occasions) -> Occasions:
    """Change from one occasion to the next, where both are there, without each occasion's mean."""
    next_one = np.flatnonzero((np.diff(rows.person) == 0) & (np.diff(rows.time) == 1))
    if len(next_one) < 10:
        raise NotEstimableError(f"only {len(next_one)} occasions have another just before them")
    change = without_occasions(np.diff(rows.both, axis=0)[next_one], rows.time[next_one + 1])
    return rows.part(next_one + 1).of(change)
