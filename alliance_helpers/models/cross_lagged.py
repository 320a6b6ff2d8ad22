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
SCORED = 3
"""Steps of Fisher's scoring, after which the curvature is learned from the slopes (BFGS)."""
PEOPLE = 10
"""Of fewer no model is told."""
CELLS_AT_ONCE = 1 << 13
"""Cells of covariance matrices of the studies that are fitted side by side."""


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
        cells = sum(found[k].first.sum() for k in alike) * width**2
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
    `there`, 0 and False where missing, and who is the `first` of a chain of people of whom each
    has the beginning of what that one has.
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
        order = np.lexsort(~there.T[::-1])
        self.groups, self.there = groups[order], there[order]
        self.z = np.where(there, away / scales, 0.0)[order]
        begun = np.logical_or.accumulate(self.there[:, ::-1], axis=1)[:, ::-1]
        own = (self.there != np.roll(self.there, 1, axis=0) & begun).any(axis=1)
        self.first = own | (np.arange(self.n) == 0)


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
    now, found, start, people = panels.at(theta), [], 0, (panels.block, panels.slot)
    moved, shells = panels.frames(now)
    pull = (now.white[:, None] @ moved * now.white[:, None]).sum(axis=-1).swapaxes(1, 2)
    pull = (panels.there @ np.diagonal(moved, 0, 2, 3).swapaxes(1, 2) - pull)[people]
    own = (panels.there @ shells.reshape(*shells.shape[:2], -1))[people]
    for study, deviance, at in zip(panels.studies, value, theta, strict=True):
        order = np.argsort(study.groups)
        first = np.flatnonzero(np.diff(study.groups[order], prepend=-1))
        pulls, owns = (np.add.reduceat(part[start + order], first) for part in (pull, own))
        start, owns = start + study.n, owns.reshape(-1, *shells.shape[2:])
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

    Fisher's scoring from the better of two starts, then quasi-Newton steps; one that goes too far
    is halved, and a study that is done leaves the stack.
    """
    left = np.arange(len(panels.studies))
    starts = np.repeat(np.array(STARTS, float)[:, None], len(left), axis=1)
    at = starts[np.argmin([panels.at(start).value for start in starts], axis=0), left]
    now = panels.at(at)
    value, slope, bend = now.value, now.slope, panels.information(now)
    step, best, least = _downhill(slope, bend), at.copy(), value.copy()
    for turn in range(100):
        ahead = panels.at(at + step)
        better = ahead.value <= value + 1e-12 * abs(value)
        done = abs((slope * step).sum(axis=1)) < 1e-12
        told = (panels.information(ahead) if turn < SCORED
                else _learned(bend, step, ahead.slope - slope))  # fmt: skip
        at[better] += step[better]
        value[better], slope[better] = ahead.value[better], ahead.slope[better]
        bend[better] = told[better]
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
    """Studies of as many occasions side by side, their people in blocks of a chain each.

    `z` and `there` (blocks, people, 2T), and the `study` of each block; people's own `block` and
    `slot` in it. What the first of a block has is `whole`: the covariance of all others is the
    beginning of that, and so is its root.
    """

    def __init__(self, studies: Sequence[_Study]) -> None:
        self.studies, self.means = studies, studies[0].means
        z, there, first = (
            np.concatenate([getattr(s, name) for s in studies]) for name in ("z", "there", "first")
        )
        most = -(-len(z) // first.sum())
        slot = np.arange(len(z)) - np.flatnonzero(first)[np.cumsum(first) - 1]
        begins, self.slot = slot % most == 0, slot % most
        self.block = np.cumsum(begins) - 1
        self.z = np.zeros((self.block[-1] + 1, most, z.shape[1]))
        self.there = self.z > 0
        self.z[self.block, self.slot], self.there[self.block, self.slot] = z, there
        self.study = np.repeat(np.arange(len(studies)), [s.n for s in studies])[begins]
        self.first = np.flatnonzero(np.diff(self.study, prepend=-1))
        self.counts, self.whole = self.there.sum(axis=1) * 1.0, self.there[:, 0]
        never = ~np.logical_or.reduceat(self.whole, self.first)
        self.never = never[:, None] * np.eye(never.shape[1])  # no one has this: no mean to find

    def summed(self, blocks: np.ndarray) -> np.ndarray:
        """Of each study."""
        return np.add.reduceat(blocks, self.first)

    def at(self, theta: np.ndarray) -> SimpleNamespace:
        """Minus twice the log-likelihoods, the means of the occasions at their best, as `value`;
        its `slope`; people's values in a frame in which the covariance is 1 (`white`), and what
        turns them to it.
        """
        of, both = self.study, self.whole[:, :, None] & self.whole[:, None]
        parts, sigma = _covariance(theta, self.z.shape[2] // 2)
        own = np.where(both, sigma[of], unit := np.eye(both.shape[1]))
        tiny = 1e-12 * own.max(axis=(1, 2), keepdims=True)  # one that is singular has a root too
        root = np.linalg.cholesky(own + tiny * unit)
        turn = np.linalg.inv(root) * self.whole[:, :, None]
        back = turn.swapaxes(1, 2)
        white = self.there * (self.z @ back)
        weight = self.summed(back @ (self.counts[:, :, None] * turn))
        pull = self.summed((white.sum(axis=1)[:, None] @ turn)[:, 0])
        turned = self.means.T @ (weight + self.never) @ self.means
        mean = self.means @ np.linalg.solve(turned, self.means.T @ pull[..., None])
        white -= self.there * (turn @ mean[of]).swapaxes(1, 2)
        log = 2 * np.log(np.diagonal(root, 0, 1, 2))
        value = self.summed((self.counts * log).sum(axis=1) + (white**2).sum(axis=(1, 2)))
        far = white @ turn
        slope = _gradient(*parts, weight - self.summed(far.swapaxes(1, 2) @ far))
        return SimpleNamespace(value=value, slope=slope, white=white, turn=turn, parts=parts)

    def frames(self, now: SimpleNamespace) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives of the covariance (blocks, 13, 2T, 2T) in the blocks' frames; and what each
        column (blocks, 2T, 13, 13) adds to the information of those who have it.
        """
        moved = _moved(*(part[self.study] for part in now.parts), now.turn)
        width = moved.shape[-1]
        before = np.sqrt(2) * np.tri(width, k=-1) + np.eye(width)
        rows = moved.swapaxes(1, 2) * before[:, None]
        return moved, rows @ rows.swapaxes(2, 3)

    def information(self, now: SimpleNamespace) -> np.ndarray:
        """What the curvature is expected to be."""
        return self.summed((self.counts[:, :, None, None] * self.frames(now)[1]).sum(axis=1))

    def curvature(self, at: np.ndarray, step: float = 1e-6) -> np.ndarray:
        """Second derivatives, by differences of the gradient."""
        here = self.at(at).slope
        found = np.stack([self.at(at + s).slope - here for s in step * np.eye(at.shape[1])], 1)
        return (found + found.swapaxes(1, 2)) / (2 * step)


def _covariance(theta: np.ndarray, T: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Of all occasions; and its parts: roots (..., 3, 2, 2) of the covariances of levels, at first
    and of what is new; how far what is new reaches (2T, 2T); the covariance within people.
    """
    roots, width = np.zeros((len(theta), 3, 2, 2)), 2 * T
    roots[..., [0, 1, 1], [0, 0, 1]] = theta[:, 4:].reshape(-1, 3, 3)
    blocks = np.stack([theta[:, :4].reshape(-1, 2, 2), roots[:, 1], roots[:, 2]])
    at = np.array([np.eye(T, k=-1), np.diag(np.arange(T) == 0), np.diag(np.arange(T) > 0)])
    back, first, new = np.einsum("kts,knij->kntisj", at, blocks).reshape(3, -1, width, width)
    reach = np.linalg.inv(np.eye(width) - back)
    new = reach @ (first + new)
    within = new @ new.swapaxes(1, 2)
    levels = np.tile(roots[:, 0] @ roots[:, 0].swapaxes(1, 2), (T, T))
    return (roots, reach, within), within + levels


def _gradient(roots, reach, within, pull: np.ndarray) -> np.ndarray:
    """Of the sum of `pull` times the covariance."""
    shape = (len(pull), (T := pull.shape[1] // 2), 2, T, 2)
    new = reach.swapaxes(1, 2) @ pull
    paths = np.einsum("nsisj->nij", (new @ within).reshape(shape)[:, 1:, :, :-1])
    new = np.einsum("nsisj->nsij", (new @ reach).reshape(shape))
    made = [pull.reshape(shape).sum(axis=(1, 3)), new[:, 0], new[:, 1:].sum(axis=1)]
    made = (np.stack(made, axis=1) @ roots)[..., [0, 1, 1], [0, 0, 1]]
    return 2 * np.concatenate([paths.reshape(-1, 4), made.reshape(-1, 9)], axis=1)


def _moved(roots, reach, within, turn: np.ndarray) -> np.ndarray:
    """Derivatives of the covariance (n, 13, 2T, 2T) in the frame that `turn` turns it to."""
    level, reach, within = (
        made.reshape(*made.shape[:2], -1, 2).transpose(0, 3, 1, 2)
        for made in (turn, turn @ reach, turn @ within)
    )
    made = [reach[:, [0, 0, 1, 1], :, 1:] @ within[:, [0, 1, 0, 1], :, :-1].swapaxes(2, 3)]
    level = level.sum(axis=3, keepdims=True)
    for k, left in enumerate((level, reach[..., :1], reach[..., 1:])):
        right = np.einsum("npis,npq->nqsi", left, roots[:, k])
        made.append(left[:, [0, 1, 1]] @ right[:, [0, 0, 1]])
    made = np.concatenate(made, axis=1)
    return made + made.swapaxes(2, 3)
