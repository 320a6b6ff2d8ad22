"""Which comes before which, of many people at few occasions: random-intercept cross-lagged models.

Many studies are fitted side by side (a plan has thousands), each as if it were alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd

from ..errors import NotEstimableError, ParameterError
from .design import aligned, as_floats

STARTS = [[path, 0, 0, path, *3 * [share, 0, share]] for path, share in ((0.2, 0.6), (0.9, 0.4))]
"""Where the maximum is looked for: people alike and series that remember, and the other way round:
paths, and roots of the covariances between people, at first, and of what is new."""
PEOPLE = 10
"""Of fewer no model is told."""
CELLS_AT_ONCE = 1 << 17
"""Values of people at occasions of the studies that are fitted side by side."""


@dataclass(frozen=True)
class CrossLagged:
    """A fitted random-intercept cross-lagged model.

    Attributes
    ----------
    estimate, covariance : ndarray (4,), (4, 4)
        Paths: of y on y, of y on x (does x come before y), of x on y, of x on x.
    llf : float
        Log-likelihood.
    n : int
        People.
    """

    estimate: np.ndarray
    covariance: np.ndarray
    llf: float
    n: int

    @property
    def df(self) -> int:
        """People less what each measure's regression on the last occasion takes: two slopes and a
        mean. In small samples errors are of so many; the covariance is that of a large one."""
        return self.n - 3


def cross_lagged(studies: Sequence[tuple]) -> list[CrossLagged | NotEstimableError]:
    """Random-intercept cross-lagged panel models by full-information maximum likelihood.

    Parameters
    ----------
    studies : sequence of (y, x, person, time), and more, each array-like (n,)
        One row per person and occasion; either measure may be missing. Occasions are the whole
        numbers from the first to the last; one that nobody has is a gap.

    Returns
    -------
    list
        The model of each study, or why there is none: fewer than three occasions, fewer people
        than paths can be told from, no maximum.

    Raises
    ------
    ParameterError
        Columns of different rows, a time that is no whole number, a person's occasion twice.

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
    >>> (found,) = cross_lagged([(y, x, person, time)])
    >>> found.estimate.shape, found.n
    ((4,), 60)
    """
    return _fitted(studies, _models)


def level_correlations(studies: Sequence[tuple], trend: str = "common") -> list:
    """Correlations of people's levels, by the model of :func:`cross_lagged`.

    The observed mean of few occasions mixes the association within people in (Luedtke et al. 2008,
    Psychol Methods 13:203-229); so does a model that takes occasions as independent, of series that
    remember.

    Parameters
    ----------
    studies : sequence of (y, x, person, time, group), each array-like (n,)
        As there; errors are of the groups that people are of, of people if there is but one.
    trend : {"common", "line", "none"}
        The occasions' means are free, on a line, or equal.

    Returns
    -------
    list of (estimate, std_error, df) or NotEstimableError
        The error is that of the slope of y's levels on x's, in their standard deviations, by the
        jackknife over groups, each one left out by a step of Fisher's scoring; df is one less.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> person, time = np.repeat(np.arange(200), 4), np.tile(np.arange(4), 200)
    >>> y = x = 2 * rng.normal(size=200)[person]
    >>> y, x = y + rng.normal(size=800), x + rng.normal(size=800)
    >>> ((found, error, df),) = level_correlations([(y, x, person, time, person)])
    >>> bool(found > 0.9), df
    (True, 199)
    """
    return _fitted(studies, _levels, trend)


def _fitted(studies: Sequence[tuple], told: Callable, trend: str = "common") -> list:
    """What is told of each study's best parameters, or why nothing."""
    found, there = [], {}
    for k, study in enumerate(studies):
        try:
            found.append(_Study(*_wide(*study), trend))
            there.setdefault(found[k].width, []).append(k)
        except NotEstimableError as error:
            found.append(error)
    for width, alike in there.items():
        cells = sum(found[k].n for k in alike) * width
        for few in np.array_split(alike, min(len(alike), 1 + cells // CELLS_AT_ONCE)):
            panels = _Panels([found[k] for k in few])
            for k, model in zip(few, told(panels, *_best(panels)), strict=True):
                found[k] = model
    return found


def _wide(y, x, person, time, group=None) -> tuple[np.ndarray, np.ndarray]:
    """People by (occasion, measure), y and x in turn, missing as NaN; and each one's group."""
    aligned(y=y, x=x, person=person, time=time)
    when, codes = as_floats(time, "time"), pd.factorize(np.asarray(person))[0]
    if (when % 1 != 0).any():
        raise ParameterError("time must count occasions in whole numbers here.")
    at = (when - when.min()).astype(int)
    T = int(at.max()) + 1
    if T < 3:
        raise NotEstimableError(f"{T} occasions: a cross-lagged model needs at least three")
    if len(np.unique(codes * T + at)) < len(at):
        raise ParameterError("A person has two rows at one time: keep one of them.")
    wide = np.full((codes.max() + 1, T, 2), np.nan)
    wide[codes, at] = np.column_stack([as_floats(y, "y"), as_floats(x, "x")])
    wide, first = wide.reshape(len(wide), -1), np.unique(codes, return_index=True)[1]
    groups = pd.factorize(np.asarray(person if group is None else group)[first])[0]
    groups = groups if groups.any() else np.arange(len(first))  # one tells nothing of errors
    known = ~np.isnan(wide).all(axis=1)
    return wide[known], groups[known]


class _Study:
    """What the likelihood needs of people's values, in standard deviations: `z` and what is
    `there`, 0 and False where missing.
    """

    def __init__(self, wide: np.ndarray, groups: np.ndarray, trend: str) -> None:
        (self.n, self.width), there = wide.shape, ~np.isnan(wide)
        if self.n < PEOPLE:
            raise NotEstimableError(f"{self.n} people: a cross-lagged model needs {PEOPLE} or more")
        if ((counts := there.sum(axis=0)) < 3)[counts > 0].any():
            raise NotEstimableError("an occasion has fewer than three people: leave it out")
        away = wide - np.nansum(wide, axis=0) / np.maximum(counts, 1)
        self.scale = np.array([np.nanstd(away[:, k::2]) for k in (0, 1)])
        whole = (both := there.reshape(self.n, -1, 2)).all(axis=2, keepdims=True)
        own = np.where(whole, away.reshape(both.shape), 0.0)
        own -= whole * own.sum(axis=1, keepdims=True) / np.maximum(whole.sum(axis=1), 1)[:, None]
        if (
            not (self.scale > 0).all()
            or np.linalg.svd(own.reshape(-1, 2) / self.scale, False)[1][1] < 1e-6
        ):
            raise NotEstimableError("a measure takes the same course in everybody, or both do")
        T, scales = self.width // 2, np.tile(self.scale, self.width // 2)
        self.means = np.eye(self.width)
        if trend != "common":
            line = np.vander(np.linspace(-1, 1, T), 1 + (trend == "line"))
            self.means = np.kron(line, np.eye(2))
            away = wide - np.tile(np.nanmean(wide.reshape(-1, 2), axis=0), T)
        self.constant = (there @ np.log(2 * np.pi * scales**2)).sum()
        self.groups, self.there = groups, there
        self.z = np.where(there, away / scales, 0.0)


def _models(panels: _Panels, theta: np.ndarray, value: np.ndarray) -> list:
    """The model of each study with these parameters in standard deviations, or why none."""
    found, bends = [], panels.curvature(theta)
    for study, at, deviance, bend in zip(panels.studies, theta, value, bends, strict=True):
        if lost := _lost(deviance, bend):
            found.append(lost)
            continue
        units = study.scale[:, None] / study.scale
        paths = at[:4].reshape(2, 2) * units
        covariance = 2 * np.linalg.inv(bend)[:4, :4] * np.outer(units, units)
        llf = -(deviance + study.constant) / 2
        found.append(CrossLagged(paths.ravel(), covariance, llf, study.n))
    return found


def _levels(panels: _Panels, theta: np.ndarray, value: np.ndarray) -> list:
    """Correlation of the levels, its error and degrees of freedom, of each study; or why none.

    Of the slope, a b / (b^2 + c^2) with the root a, b, c of the levels' covariance.
    """
    now, found = panels.at(theta), []
    each = zip(panels.studies, value, theta, now.sigma, _moved(*now.parts), now.far, strict=True)
    for study, deviance, at, sigma, moved, far in each:
        kinds, kind = np.unique(study.there, axis=0, return_inverse=True)
        both, far = kinds[:, :, None] & kinds[:, None], far[: study.n]
        turned = (both * np.linalg.inv(np.where(both, sigma, np.eye(study.width))))[:, None] @ moved
        pull = turned.trace(axis1=2, axis2=3)[kind] - ((far @ moved) * far).sum(axis=2).T
        own, back = (
            part.reshape(*turned.shape[:2], -1) for part in (turned, turned.swapaxes(2, 3))
        )
        own = (own @ back.swapaxes(1, 2))[kind]
        order = np.argsort(study.groups)
        first = np.flatnonzero(np.diff(study.groups[order], prepend=-1))
        pulls, owns = (np.add.reduceat(part[order], first) for part in (pull, own))
        whole = owns.sum(axis=0)
        (a, b, c), x = at[4:7], np.hypot(*at[5:7])
        least = min(abs(a), x, *abs(at[[10, 12]]))  # of levels, and of what is new
        size = np.sqrt(np.maximum(np.diag(whole), 1e-300))
        if lost := _lost(deviance if least > 1e-3 else np.inf, whole / np.outer(size, size)):
            found.append(lost)
            continue
        slope = np.array([b, a - 2 * a * (b / x) ** 2, -2 * a * b * c / x**2]) / (x * abs(a))
        steps = np.linalg.solve(whole - owns, pulls[..., None])[:, 4:7, 0] @ slope
        many = len(first)  # without a group means are many / (many - 1) as far from it
        error = np.sqrt(many / (many - 1) * (steps @ steps))
        found.append((np.sign(a) * b / x, error, many - 1))
    return found


def _lost(deviance: float, bend: np.ndarray) -> NotEstimableError | None:
    """Why there is no model."""
    values = np.linalg.eigvalsh(bend)
    if np.isfinite(deviance) and values[0] > 1e-8 * values[-1]:
        return None
    return NotEstimableError(
        "the cross-lagged model has no well-defined maximum on these data: too few people "
        "or occasions, or nothing stable between people"
    )


def _downhill(slope: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """Newton's step, 1 at most; downhill too where the bend is not that of a valley."""
    values, turned = np.linalg.eigh(bend)
    values = np.maximum(abs(values), 1e-10 * abs(values).max(axis=-1, keepdims=True))
    step = -(turned @ (slope[:, None] @ turned / values[:, None]).swapaxes(1, 2))[..., 0]
    return step / np.maximum(abs(step).max(axis=1, keepdims=True), 1)


def _learned(bend: np.ndarray, step: np.ndarray, change: np.ndarray) -> np.ndarray:
    """The bend that a step has shown, where it is that of a valley (BFGS)."""
    told, seen = (bend @ step[..., None])[..., 0], (change * step).sum(axis=1)
    seen, valley = np.where(seen > 0, seen, 1)[:, None, None], (seen > 0)[:, None, None]
    made = change[:, :, None] * change[:, None] / seen
    made -= told[:, :, None] * told[:, None] / (told * step).sum(axis=1)[:, None, None]
    return bend + valley * made


def _best(panels: _Panels) -> tuple[np.ndarray, np.ndarray]:
    """Parameters (s, 13) of the largest likelihoods, and minus twice their logarithms.

    From the better of two starts quasi-Newton steps (BFGS), the first by the curvature that is
    expected; one that goes too far is halved, and a study that is done leaves the stack.
    """
    left = np.arange(len(panels.studies))
    starts = np.repeat(np.array(STARTS, float)[:, None], len(left), axis=1)
    at = starts[np.argmin([panels.at(start).value for start in starts], axis=0), left]
    now = panels.at(at)
    value, slope, bend = now.value, now.slope, panels.information(now)
    step, best, least = _downhill(slope, bend), at.copy(), value.copy()
    for _ in range(100):
        ahead = panels.at(at + step)
        better = ahead.value <= value + 1e-12 * abs(value)
        done = abs((slope * step).sum(axis=1)) < 1e-12
        bend = np.where(better[:, None, None], _learned(bend, step, ahead.slope - slope), bend)
        at[better] += step[better]
        value[better], slope[better] = ahead.value[better], ahead.slope[better]
        best[left], least[left] = at, value
        if done.all():
            break
        step = np.where(better[:, None], _downhill(slope, bend), step / 2)
        if done.any():
            panels = _Panels([s for s, out in zip(panels.studies, done, strict=True) if not out])
            at, value, slope, bend, step, left = (
                a[~done] for a in (at, value, slope, bend, step, left)
            )
    return best, least


class _Panels:
    """Studies of as many occasions side by side, the people of each padded to as many.

    `z` and `there` (2, rows) of people's occasions, each that has one measure or both, in order.
    `free` has a column for what is missing beside the other measure.
    """

    def __init__(self, studies: Sequence[_Study]) -> None:
        self.studies, self.means, T = studies, studies[0].means, studies[0].width // 2
        n, both, sizes = len(studies), np.array([[0], [1]]), [s.n for s in studies]
        self.shape = n, max(sizes), 2 * T
        slot = np.concatenate([k * max(sizes) + np.arange(many) for k, many in enumerate(sizes)])
        z, there = (np.concatenate([getattr(s, name) for s in studies]) for name in ("z", "there"))
        self.counts = np.add.reduceat(1.0 * there, np.cumsum([0, *sizes[:-1]]))
        self.never = (self.counts == 0)[:, :, None] * np.eye(2 * T)  # no mean to find
        z, there = (part.reshape(-1, T, 2) for part in (z, there))
        who, time = np.nonzero(there.any(axis=2))
        self.z, self.there, study = z[who, time].T, there[who, time].T, slot[who] // max(sizes)
        self.cells, self.spot = ((at * T + time) * 2 + both for at in (slot[who], study))
        new = np.diff(who, prepend=-1) > 0
        ago = np.where(new, 0, time - np.roll(time, 1))
        self.heads, self.person, self.study = np.flatnonzero(new), np.cumsum(new) - 1, study
        self.of, self.begin = study[self.heads], time[self.heads] * n + study[self.heads]
        self.kind, self.step = ago * n + study, np.zeros((T, T, n))
        np.add.at(self.step, (time - ago, time, study), ~new)
        row, side = np.nonzero(~self.there.T)
        rank = np.arange(len(row)) - np.searchsorted(self.person[row], self.person[row])
        self.free = np.zeros((rank.max(initial=-1) + 1, 2, len(time)))
        self.free[rank, side, row] = 1
        self.none = 1 - self.own(self.free.sum(axis=1))

    def own(self, rows: np.ndarray) -> np.ndarray:
        """Of each person the sum of rows."""
        return np.add.reduceat(rows, self.heads, axis=-1)

    def dense(self, rows: np.ndarray) -> np.ndarray:
        """Columns of rows (c, 2, rows) as people's occasions (c, studies, people, 2T)."""
        made = np.zeros((len(rows), np.prod(self.shape)))
        made[:, self.cells] = rows
        return made.reshape(-1, *self.shape)

    def at(self, theta: np.ndarray) -> SimpleNamespace:
        """Minus twice the log-likelihoods, the means of the occasions at their best, as `value`;
        its `slope`.

        What a person's last occasion says of the next needs no other. Levels take two columns more
        (Woodbury), then the first occasion two, since it may vary by levels alone; then each that
        is missing beside another measure one.
        """
        n, _, width = self.shape
        parts, sigma, turn, back = _covariance(theta, width // 2)
        here, then = (table.reshape(2, 2, -1).take(self.kind, axis=2) for table in (turn, back))
        then, one = then[..., 1:], self.person

        def pressed(columns: np.ndarray) -> np.ndarray:
            white = np.einsum("ijr,cjr->cir", here, columns)
            white[..., 1:] -= np.einsum("ijr,cjr->cir", then, columns[..., :-1])
            made = np.einsum("jir,cjr->cir", here, white)
            made[..., :-1] -= np.einsum("jir,cjr->cir", then, white[..., 1:])
            return made

        def inverse(values: np.ndarray) -> np.ndarray:
            shares = self.own(np.einsum("cir,ir->cr", found, values)) * sign[:, None]
            return pressed(values[None]) - np.einsum("cr,cir->ir", shares.take(one, axis=1), found)

        levels = parts[0][:, 0].T
        columns = levels.take(self.study, axis=2)
        found = pressed(columns)
        gram = self.own(np.einsum("cir,dir->cdr", columns, found)) + np.eye(2)[..., None]
        known = _turning(gram)
        found = np.einsum("cdr,dir->cir", known.take(one, axis=2), found)
        spread = np.einsum("cdp,dip->cip", known, levels.take(self.of, axis=2))
        first = np.moveaxis(parts[2].reshape(n, -1, 2, width // 2, 2).diagonal(0, 1, 3), 0, -1)
        first = first.reshape(2, 2, -1).take(self.begin, axis=2)
        begun = _turning(first + np.einsum("cip,cjp->ijp", spread, spread))
        away = -np.einsum("cir,cjr->ijr", spread.take(one, axis=2), found)
        away[[0, 1], [0, 1], self.heads[:, None]] += 1
        away = np.einsum("cir,ijr->cjr", begun.take(one, axis=2), away)
        found, sign = np.concatenate([found, away]), np.array([1, 1, -1, -1])
        log = -2 * np.log(np.diagonal(known) * np.diagonal(begun)).sum(axis=1)
        for column, none in zip(self.free, self.none, strict=True):
            made = inverse(column)
            pivot = none + self.own((column * made[0]).sum(axis=0))
            log += np.log(pivot)
            found = np.concatenate([found, made / np.sqrt(pivot).take(one)])
            sign = np.append(sign, 1)
        wide = self.dense(found)
        weight = self.steps(turn, back) - np.tensordot(sign, wide.swapaxes(2, 3) @ wide, 1)
        pull = self.dense(inverse(self.z))[0].sum(axis=1)
        turned = self.means.T @ (weight + self.never) @ self.means
        mean = (self.means @ np.linalg.solve(turned, self.means.T @ pull[..., None]))[..., 0]
        z = self.there * (self.z - mean.take(self.spot))
        far = inverse(z)
        told = np.zeros(turn.shape[2:])
        told[1:] = -2 * np.log(turn[0, 0, 1:] * turn[1, 1, 1:])
        value = np.bincount(self.study, told.take(self.kind) + (z * far[0]).sum(axis=0), n)
        value += np.bincount(self.of, log, n)
        (far,) = self.dense(far)
        slope = _gradient(*parts, weight - far.swapaxes(1, 2) @ far)
        return SimpleNamespace(value=value, slope=slope, far=far, sigma=sigma, parts=parts)

    def steps(self, turn: np.ndarray, back: np.ndarray) -> np.ndarray:
        """Sums over people of what inverts the covariance within them, given the first occasion."""
        T, n = self.step.shape[1:]
        ago = np.arange(T) - np.arange(T)[:, None]  # of the first before the second
        own, both, last = (
            self.step * np.einsum("kitn,kjtn->ijtn", one, other)[:, :, ago]
            for one, other in ((turn, turn), (back, turn), (back, back))
        )
        made = np.zeros((n, T, 2, T, 2))
        made -= both.transpose(4, 2, 0, 3, 1)
        made += made.transpose(0, 3, 4, 1, 2)
        made[:, range(T), :, range(T)] += (own.sum(axis=2) + last.sum(axis=3)).transpose(2, 3, 0, 1)
        return made.reshape(n, 2 * T, 2 * T)

    def information(self, now: SimpleNamespace) -> np.ndarray:
        """What the curvature is expected to be, as if whoever lacks an occasion came no more."""
        turn = np.linalg.inv(np.linalg.cholesky(now.sigma))[:, None]
        width = turn.shape[-1]
        moved = turn @ _moved(*now.parts) @ turn.swapaxes(2, 3)
        before = np.sqrt(2) * np.tri(width, k=-1) + np.eye(width)
        rows = moved.swapaxes(1, 2) * before[:, None]
        return (self.counts[:, :, None, None] * (rows @ rows.swapaxes(2, 3))).sum(axis=1)

    def curvature(self, at: np.ndarray, step: float = 1e-6) -> np.ndarray:
        """Second derivatives, by differences of the gradient."""
        here = self.at(at).slope
        found = np.stack([self.at(at + s).slope - here for s in step * np.eye(at.shape[1])], 1)
        return (found + found.swapaxes(1, 2)) / (2 * step)


def _turning(covariance: np.ndarray) -> np.ndarray:
    """Inverses of the lower roots of covariances (2, 2, ...)."""
    one = 1 / np.sqrt(covariance[0, 0])
    off = covariance[1, 0] * one
    two = 1 / np.sqrt(covariance[1, 1] - off**2)
    return np.array([[one, 0 * one], [-off * one * two, two]])


def _covariance(theta: np.ndarray, T: int) -> tuple:
    """Of all occasions (n, 2T, 2T), `sigma`; and before it its parts: roots (n, 3, 2, 2) of the
    covariances of levels, at first and of what is new; how far what is new reaches (n, 2T, 2T); the
    covariance within people.

    After it what makes an occasion free of what went before and of variance 1 (2, 2, T, n), if it
    comes 1, 2, ... after the last: it turned, less the last one turned; of none 0.
    """
    n = len(theta)
    roots, power = np.zeros((n, 3, 2, 2)), np.zeros((2 * T, n, 2, 2))
    roots[..., [0, 1, 1], [0, 0, 1]] = theta[:, 4:].reshape(-1, 3, 3)
    power[0] = np.eye(2)
    for k in range(1, T):  # the last T are 0
        power[k] = power[k - 1] @ theta[:, :4].reshape(-1, 2, 2)
    ago = np.subtract.outer(np.arange(T), np.arange(T))
    new = power @ roots[:, 2]
    own = np.cumsum(new @ new.swapaxes(2, 3), axis=0)[: T - 1]
    new = new[ago]
    new[:, 0] = power[:T] @ roots[:, 1]
    reach, new = (p.transpose(2, 0, 3, 1, 4).reshape(n, 2 * T, -1) for p in (power[ago], new))
    within = new @ new.swapaxes(1, 2)
    sigma = within + np.tile(roots[:, 0] @ roots[:, 0].swapaxes(1, 2), (T, T))
    own += 1e-12 * sigma.max(axis=(1, 2))[:, None, None] * np.eye(2)  # one that is 0 has a root too
    turn = np.zeros((2, 2, T, n))
    turn[:, :, 1:] = _turning(own.transpose(2, 3, 0, 1))
    back = np.einsum("ijtn,tnjk->iktn", turn, power[:T])
    return (roots, reach, within), sigma, turn, back


def _gradient(roots, reach, within, pull: np.ndarray) -> np.ndarray:
    """Of the sum of `pull` times the covariance."""
    shape = (len(pull), (T := pull.shape[1] // 2), 2, T, 2)
    new = reach.swapaxes(1, 2) @ pull
    paths = np.einsum("nsisj->nij", (new @ within).reshape(shape)[:, 1:, :, :-1])
    new = np.einsum("nsisj->nsij", (new @ reach).reshape(shape))
    made = [pull.reshape(shape).sum(axis=(1, 3)), new[:, 0], new[:, 1:].sum(axis=1)]
    made = (np.stack(made, axis=1) @ roots)[..., [0, 1, 1], [0, 0, 1]]
    return 2 * np.concatenate([paths.reshape(-1, 4), made.reshape(-1, 9)], axis=1)


def _moved(roots, reach, within) -> np.ndarray:
    """Derivatives of the covariance (n, 13, 2T, 2T)."""
    level, reach, within = (
        made.reshape(*made.shape[:2], -1, 2).transpose(0, 3, 1, 2)
        for made in (np.eye(reach.shape[1])[None], reach, within)
    )
    made = [reach[:, [0, 0, 1, 1], :, 1:] @ within[:, [0, 1, 0, 1], :, :-1].swapaxes(2, 3)]
    level = level.sum(axis=3, keepdims=True)
    for k, left in enumerate((level, reach[..., :1], reach[..., 1:])):
        right = np.einsum("npis,npq->nqsi", left, roots[:, k])
        made.append(left[:, [0, 1, 1]] @ right[:, [0, 0, 1]])
    made = np.concatenate(made, axis=1)
    return made + made.swapaxes(2, 3)
