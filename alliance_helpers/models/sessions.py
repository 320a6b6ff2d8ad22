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
from .design import aligned, as_floats, complete, complete_rows, require_whole, tidy
from .nesting import fit_intercepts, scored
from .robust import cluster_robust

TRENDS = ("none", "common", "own", "differences")
"""What is done about change over time: left in; one line for all; each person's own line taken
out; differences from one occasion to the next."""
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
        raise ParameterError(
            f"{twice.sum()} rows repeat a person's occasion (the first at time "
            f"{rows.time[twice.argmax()]:g}): keep one row for each person and occasion."
        )
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
        found = cluster_robust(left.y, left.x, left.person, ["within"])
        return found[1:].reset_index(drop=True)
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
        common trend has `time`. Earlier deviations from a mean that holds the later value are
        biased in short series (Nickell 1981, Econometrica 49:1417-1426): for few occasions and
        many people use :func:`cross_lagged`.

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
    if trend not in ("own", "differences"):
        return _mixed(now, X)
    columns = np.column_stack([*X.values()])
    found = cluster_robust(now.y, columns, now.person, [*X])
    return found[1:].reset_index(drop=True)


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
        raise NotEstimableError(
            f"only {len(later)} occasions of {people} people have another {lag} before them: the "
            "series are too short"
        )
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
    takes = {"own": _own_lines, "differences": _differences}
    left = takes.get(trend, Occasions.away)(rows)
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


@dataclass(frozen=True)
class CrossLagged:
    """A fitted random-intercept cross-lagged model.

    Attributes
    ----------
    paths : DataFrame
        `term estimate std_error statistic df p_value conf_low conf_high n`: `y_on_y`, `y_on_x`
        (does x come before y), `x_on_y`, `x_on_x`.
    variances : DataFrame
        `level var_y var_x cov`: between people, within them at first, and what is new later.
    llf : float
        Log-likelihood.
    n, n_occasions : int
        People, and occasions.
    covariance : ndarray (4, 4)
        Of the paths.
    """

    paths: pd.DataFrame
    variances: pd.DataFrame
    llf: float
    n: int
    n_occasions: int
    covariance: np.ndarray


def cross_lagged(y, x, person, time) -> CrossLagged:
    """Random-intercept cross-lagged panel model by full-information maximum likelihood.

    Parameters
    ----------
    y, x, person, time : array-like (n,)
        One row per person and occasion; either measure may be missing. Occasions are the whole
        numbers from the first to the last.

    Returns
    -------
    CrossLagged

    Raises
    ------
    NotEstimableError
        Fewer than three occasions, fewer people than paths can be told from, no convergence.

    Notes
    -----
    y_it = mean_t + u_i + p_it, and the same for x; the within parts p follow a vector
    autoregression whose paths, and whose residuals' covariance, are the same at all occasions
    (Hamaker, Kuiper & Grasman 2015, Psychol Methods 20:102-116). Means of occasions are free, so a
    common trend of any form is taken out. Missing values are ignorable if missing at random. The
    estimates and errors (observed information) are those of ``lavaan`` with these constraints.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> person, time = np.repeat(np.arange(60), 4), np.tile(np.arange(4), 60)
    >>> y, x = rng.normal(size=60)[person] + rng.normal(size=(2, 240))
    >>> cross_lagged(y, x, person, time).paths["term"].tolist()
    ['y_on_y', 'y_on_x', 'x_on_y', 'x_on_x']
    """
    wide = _wide(y, x, person, time)
    likelihood = _Panel(wide)
    fits = (scored(likelihood.deviance, likelihood.information, at) for at in likelihood.starts())
    deviance, found = min(fits, key=lambda found: found[0])
    hessian = likelihood.curvature(found)
    values = np.linalg.eigvalsh(hessian)
    if not np.isfinite(deviance) or values[0] <= 1e-8 * values[-1]:
        raise NotEstimableError(
            "the cross-lagged model has no well-defined maximum on these data: too few people or "
            "occasions, or nothing stable between people"
        )
    units = (likelihood.scale[:, None] / likelihood.scale).ravel()
    covariance = 2 * np.linalg.inv(hessian)[:4, :4] * np.outer(units, units)
    error = np.sqrt(np.diag(covariance))
    paths, between, first, new = likelihood.parts(found)
    terms = ["y_on_y", "y_on_x", "x_on_y", "x_on_x"]
    table = tidy(terms, paths.ravel(), error, np.inf, likelihood.n)
    levels = [("between", between), ("first", first), ("new", new)]
    variances = pd.DataFrame(
        [(name, m[0, 0], m[1, 1], m[0, 1]) for name, m in levels],
        columns=["level", "var_y", "var_x", "cov"],
    )
    return CrossLagged(table, variances, -deviance / 2, likelihood.n, likelihood.T, covariance)


def _wide(y, x, person, time) -> np.ndarray:
    """People by (occasion, measure), y and x in turn, missing as NaN."""
    aligned(y=y, x=x, person=person, time=time)
    when = as_floats(time, "time")
    codes, _ = pd.factorize(np.asarray(person))
    keep = ~np.isnan(when) & (codes >= 0)
    if (when[keep] % 1 != 0).any():
        raise ParameterError("time must count occasions in whole numbers here.")
    at = (when[keep] - when[keep].min()).astype(int)
    T, codes = int(at.max()) + 1, codes[keep]
    if T < 3:
        raise NotEstimableError(f"{T} occasions: a cross-lagged model needs at least three")
    if pd.DataFrame({"person": codes, "at": at}).duplicated().any():
        raise ParameterError("A person has two rows at one time: keep one of them.")
    wide = np.full((codes.max() + 1, T, 2), np.nan)
    wide[codes, at, 0] = as_floats(y, "y")[keep]
    wide[codes, at, 1] = as_floats(x, "x")[keep]
    wide = wide.reshape(len(wide), -1)
    return wide[~np.isnan(wide).all(axis=1)]


class _Panel:
    """Minus twice the log-likelihood, the means of the occasions at their best."""

    def __init__(self, wide: np.ndarray) -> None:
        self.n, self.T = len(wide), wide.shape[1] // 2
        if self.n < 10:
            raise NotEstimableError(f"{self.n} people: a cross-lagged model needs at least ten")
        if (np.isnan(wide).sum(axis=0) > self.n - 3).any():
            raise NotEstimableError("an occasion has fewer than three people: leave it out")
        self.centre = np.nanmean(wide, axis=0)
        self.scale = np.array([np.nanstd(wide[:, k::2] - self.centre[k::2]) for k in (0, 1)])
        if not (self.scale > 0).all():
            raise NotEstimableError("a measure does not vary")
        z = (wide - self.centre) / np.tile(self.scale, self.T)
        there = ~np.isnan(z)
        patterns, of = np.unique(there, axis=0, return_inverse=True)
        self.groups = []
        for k, pattern in enumerate(patterns):
            rows, at = z[of.ravel() == k][:, pattern], np.flatnonzero(pattern)
            self.groups.append((at, np.ix_(at, at), len(rows), rows.sum(axis=0), rows.T @ rows))
        scales = np.log(np.tile(self.scale, self.T))
        self.constant = there.sum() * np.log(2 * np.pi) + 2 * (there @ scales).sum()

    def starts(self) -> list[np.ndarray]:
        """People alike and series that remember, and the other way round."""
        return [
            np.array([path, 0.0, 0.0, path, *3 * [share, 0.0, share]])
            for path, share in ((0.2, 0.6), (0.9, 0.4))
        ]

    def parts(self, theta: np.ndarray):
        """Paths and covariances, in the units given."""
        paths, *covariances = self._parts(theta)
        units = np.diag(self.scale)
        return (units @ paths @ np.linalg.inv(units), *(units @ c @ units for c in covariances))

    def _parts(self, theta: np.ndarray) -> tuple[np.ndarray, ...]:
        """Paths and covariances, in standard deviations; one of each for every row of theta."""
        paths, roots = theta[..., :4].reshape(*theta.shape[:-1], 2, 2), []
        for k in (4, 7, 10):
            root = np.zeros_like(paths)
            root[..., [0, 1, 1], [0, 0, 1]] = theta[..., k : k + 3]
            roots.append(root @ root.swapaxes(-1, -2))
        return paths, *roots

    def covariance(self, theta: np.ndarray) -> np.ndarray:
        """Of all occasions; one for every row of theta."""
        paths, between, now, new = self._parts(theta)
        T, turned = self.T, paths.swapaxes(-1, -2)
        powers, inside = [np.broadcast_to(np.eye(2), paths.shape)], [now]
        for _ in range(T - 1):
            powers.append(paths @ powers[-1])
            inside.append(paths @ inside[-1] @ turned + new)
        s, t = np.tril_indices(T)
        later = np.einsum("n...ij,n...jk->n...ik", np.array(powers)[s - t], np.array(inside)[t])
        blocks = np.empty((T, T, *paths.shape), theta.dtype)
        blocks[s, t], blocks[t, s] = later, later.swapaxes(-1, -2)
        made = np.moveaxis(blocks + between, (0, 1), (-4, -2))
        return made.reshape(*theta.shape[:-1], 2 * T, 2 * T)

    def deviance(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Minus twice the log-likelihood, and its gradient.

        The covariance is a polynomial of theta, so that its derivatives are the imaginary parts of
        tiny imaginary steps (Squire & Trapp 1998, SIAM Rev 40:110-112).
        """
        (sigma, moved), k = self._moved(theta), 2 * self.T
        A, b, total, inverses = np.zeros((k, k)), np.zeros(k), self.constant, []
        for at, square, n, sums, products in self.groups:
            sign, log = np.linalg.slogdet(block := sigma[square])
            if sign <= 0:
                return np.inf, np.zeros_like(theta)
            inverses.append(inverse := np.linalg.inv(block))
            total += n * log + (inverse * products).sum()
            A[square] += n * inverse
            b[at] += inverse @ sums
        mean, slope = np.linalg.solve(A, b), np.zeros((k, k))
        for (at, square, n, sums, products), inverse in zip(self.groups, inverses, strict=True):
            away = np.outer(mean[at], sums - n * mean[at] / 2)
            slope[square] += n * inverse - inverse @ (products - away - away.T) @ inverse
        return float(total - b @ mean), np.tensordot(moved, slope)

    def _moved(self, theta: np.ndarray, step: float = 1e-20) -> tuple[np.ndarray, np.ndarray]:
        made = self.covariance(theta + 1j * step * np.eye(len(theta)))
        return made[0].real, made.imag / step

    def information(self, theta: np.ndarray) -> np.ndarray:
        """What the curvature is expected to be."""
        (sigma, moved), found = self._moved(theta), 0.0
        for _, square, n, *_ in self.groups:
            part = np.linalg.solve(sigma[square], moved[:, *square])
            found = found + n * np.einsum("aij,bji->ab", part, part, optimize=True)
        return found

    def curvature(self, at: np.ndarray, step: float = 1e-4) -> np.ndarray:
        """Second derivatives, by central differences of the gradient."""
        steps = step * np.eye(len(at))
        found = [(self.deviance(at + s)[1] - self.deviance(at - s)[1]) / (2 * step) for s in steps]
        return (np.array(found) + np.transpose(found)) / 2
