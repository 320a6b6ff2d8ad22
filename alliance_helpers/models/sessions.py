"""Ratings of several occasions: between people and within them, and which comes before which.

A person who is high on average (between) and an occasion on which a person is higher than usual
(within) are different things, and a trend that all share makes an association of any two measures
that both change with time. So each association is asked for with the trend left in and taken out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ..errors import NotEstimableError, ParameterError
from .design import Sample, aligned, as_floats, complete, complete_rows, require_whole, tidy
from .nesting import fit_intercepts, whitened
from .robust import cluster_robust, fit_robust

# What is done about change over time: left in; one line for all; each person's own line taken
# out; differences from one occasion to the next.
TRENDS = ("none", "common", "own", "differences")
TINY = 1e-9  # of a measure's size: what is left is rounding


@dataclass(frozen=True)
class Occasions:
    """Two measures of people at occasions, sorted by person and time: arrays (n,).

    `person` is a number from 0; a part of the rows may lack some of them.
    """

    person: np.ndarray
    time: np.ndarray
    y: np.ndarray
    x: np.ndarray

    def part(self, rows: np.ndarray) -> Occasions:
        """Some of the rows."""
        return Occasions(*(values[rows] for values in vars(self).values()))

    def away(self) -> Occasions:
        """Deviations of both measures from the person's own mean."""
        y, x = (v - own_means(v, self.person) for v in (self.y, self.x))
        return replace(self, y=y, x=x)


def own_sums(values: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Each row's sum over the rows of its person."""
    return np.bincount(person, values)[person]


def own_means(values: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Each row's mean over the rows of its person."""
    return own_sums(values, person) / np.bincount(person)[person]


def occasions(y, x, person, time) -> Occasions:
    """Complete rows of two measures, sorted by person and time.

    Raises
    ------
    ParameterError
        Columns of different rows, or a person with two rows at one time.
    NotEstimableError
        Fewer than three people with two occasions or more.
    """
    aligned(y=y, x=x, person=person, time=time)
    given = {"time": time, "y": y, "x": x}
    values = np.column_stack([as_floats(column, name) for name, column in given.items()])
    kept, codes = complete(values, person)
    order = np.lexsort((values[kept, 0], codes))
    rows = Occasions(codes[order], *values[kept[order]].T)
    twice = (np.diff(rows.person) == 0) & (np.diff(rows.time) == 0)
    if twice.any():
        first = f"rows repeat a person's occasion (the first at time {rows.time[twice.argmax()]:g})"
        raise ParameterError(f"{twice.sum()} {first}: keep one row for each person and occasion.")
    if (np.bincount(rows.person) > 1).sum() < 3:
        raise NotEstimableError("fewer than three people have two occasions with both measures")
    return rows


def within_between(y, x, person, time, trend: str = "none") -> pd.DataFrame:
    """Association of two measures between people and within them.

    Parameters
    ----------
    y, x, person, time : array-like (n,)
        One row per person and occasion; rows with a missing value are dropped.
    trend : {"none", "common", "own", "differences"}
        See :data:`TRENDS`. With `own` and `differences` only the association within is left.

    Returns
    -------
    DataFrame : term estimate std_error statistic df p_value conf_low conf_high n
        `within` and `between` are slopes of y on the person's deviations from the own mean, and on
        that mean, from a random-intercept model by REML with Satterthwaite's degrees of freedom
        (Raudenbush & Bryk 2002; Wang & Maxwell 2015, Psychol Methods 20:63-83). `own`: pooled
        slope of what each person's line leaves over, with a degree less for each line's two
        parameters. `differences`: errors robust to what one person's have in common (CR2).

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
    rows = occasions(y, x, person, time)
    left = _left(rows, trend)
    if trend == "own":
        return _pooled(left)
    if trend == "differences":
        return cluster_robust(left.y, left.x, left.person, ["within"])[1:].reset_index(drop=True)
    mean = own_means(rows.x, rows.person)
    X = {"within": rows.x - mean}
    if np.ptp(mean) > TINY * np.abs(rows.x).max():
        X["between"] = mean
    return _mixed(rows, X | _common(rows, trend))


def lagged(y, x, person, time, lag: int = 1, trend: str = "none") -> pd.DataFrame:
    """Does x come before y: y on its own earlier value and on the earlier value of x.

    Parameters
    ----------
    y, x, person, time : array-like (n,)
        As for :func:`within_between`; `time` counts occasions.
    lag : int
        Occasions between the earlier values and y; rows without the earlier occasion are dropped.
    trend : {"none", "common", "own", "differences"}

    Returns
    -------
    DataFrame : term estimate std_error statistic df p_value conf_low conf_high n
        `itself` and `before` (the earlier x), both as deviations from the person's mean; the
        common trend has `time`. With the trend left in the errors are the model's, as most papers
        print them; else they respect people (CR2), since what is left of a person's occasions goes
        together. Earlier deviations from a mean that holds the later value are biased in short
        series (Nickell 1981, Econometrica 49:1417-1426): for few occasions and many people use
        :func:`.cross_lagged.cross_lagged`.

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
    now, X = lagged_rows(y, x, person, time, lag, trend)
    if trend == "none":
        return _mixed(now, X)
    sample = complete_rows(now.y, np.column_stack([*X.values()]), now.person, [*X])
    ratio = fit_intercepts(sample).ratio if trend == "common" else 0.0
    found, covariance = fit_robust(*_weighted(sample, ratio))
    return tidy(X, found[1:], np.sqrt(np.diag(covariance.vcov))[1:], covariance.df[1:], sample.n)


def lagged_rows(y, x, person, time, lag: int = 1, trend: str = "none"):
    """What :func:`lagged` relates: later occasions, and their predictors by name."""
    require_whole(1, lag=lag)
    rows = occasions(y, x, person, time)
    left = _left(rows, trend)
    n = len(left.time)
    times, at = np.unique([left.time, left.time + lag], return_inverse=True)
    key = left.person * len(times) + at.reshape(2, n)
    _, later, before = np.intersect1d(*key, assume_unique=True, return_indices=True)
    now = (left if trend in ("own", "differences") else rows).part(later)
    people = len(np.unique(now.person))
    if len(later) < 10 or people == len(later):
        few = f"only {len(later)} occasions of {people} people have another {lag} before them"
        raise NotEstimableError(f"{few}: the series are too short")
    return now, {"itself": left.y[before], "before": left.x[before]} | _common(now, trend)


def _left(rows: Occasions, trend: str) -> Occasions:
    """What is left of both measures without the person's level and, but for `common`, the trend.

    Raises
    ------
    NotEstimableError
        Without the trend nothing is left of one of them, or one is the other.
    """
    if trend not in TRENDS:
        raise ParameterError(f"trend is {trend!r}; choose one of {', '.join(TRENDS)}.")
    left = {"own": _own_lines, "differences": _differences}.get(trend, Occasions.away)(rows)
    free = np.column_stack([left.y, left.x])
    free -= free.mean(axis=0)
    if trend == "common":
        free = without_trend(free, rows.time - own_means(rows.time, rows.person))
    size, whole = (np.sqrt((v**2).sum(axis=0)) for v in (free, np.column_stack([rows.y, rows.x])))
    taken = "" if trend == "none" else " once the trend is taken out"
    if (size <= TINY * whole).any():
        raise NotEstimableError(f"a measure does not vary within people{taken}")
    if abs(free[:, 0] @ free[:, 1]) >= (1 - TINY) * size.prod():
        raise NotEstimableError(f"both measures take the same course in everybody{taken}")
    return left


def without_trend(free, time):
    """Deviations from people's own means, the linear trend that all share taken out."""
    return free - np.outer(time, time @ free / (time @ time))


def _common(rows: Occasions, trend: str) -> dict[str, np.ndarray]:
    """The trend as one more predictor, if all share it."""
    return {"time": rows.time} if trend == "common" else {}


def _weighted(sample: Sample, ratio: float) -> tuple[Sample, tuple[np.ndarray, np.ndarray]]:
    """A random-intercept model as least squares, and the basis of its design, for `fit_robust`."""
    whole = np.column_stack([sample.y, np.ones(sample.n), sample.X])
    free = whitened(whole, sample.starts, sample.sizes, ratio)
    Q, R = np.linalg.qr(free[:, 1:])
    return replace(sample, y=free[:, 0]), (Q, np.linalg.inv(R))


def _mixed(rows: Occasions, X: dict[str, np.ndarray]) -> pd.DataFrame:
    """Slopes beside random intercepts of people."""
    sample = complete_rows(rows.y, np.column_stack([*X.values()]), rows.person, [*X])
    fit = fit_intercepts(sample)
    return tidy(X, fit.estimate[1:], fit.std_error[1:], fit.df[1:], sample.n)


def _own_lines(rows: Occasions) -> Occasions:
    """What each person's own straight line over time leaves over."""
    kept = rows.part(np.bincount(rows.person)[rows.person] > 2)
    if len(kept.time) - 2 * len(np.unique(kept.person)) < 6:
        raise NotEstimableError("too few people have three occasions or more")
    time = kept.time - own_means(kept.time, kept.person)
    steep = time / own_sums(time**2, kept.person)
    away = kept.away()
    y, x = (v - steep * own_sums(v * time, kept.person) for v in (away.y, away.x))
    return replace(away, y=y, x=x)


def _differences(rows: Occasions) -> Occasions:
    """Change from one occasion to the next, where both are there."""
    next_one = np.flatnonzero((np.diff(rows.person) == 0) & (np.diff(rows.time) == 1))
    if len(next_one) < 10:
        raise NotEstimableError(f"only {len(next_one)} occasions have another just before them")
    y, x = np.diff(rows.y)[next_one], np.diff(rows.x)[next_one]
    return replace(rows.part(next_one + 1), y=y, x=x)


def _pooled(left: Occasions) -> pd.DataFrame:
    """One slope through the origin; two degrees of freedom are gone for each person's line."""
    y, x, n = left.y, left.x, len(left.y)
    df = n - 2 * len(np.unique(left.person)) - 1
    slope = y @ x / (x @ x)
    error = np.sqrt(((y - slope * x) ** 2).sum() / df / (x @ x))
    return tidy(["within"], np.array([slope]), np.array([error]), float(df), n)
