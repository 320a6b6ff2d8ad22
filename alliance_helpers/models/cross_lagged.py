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
SLOW = 15
"""Steps after which Fisher's scoring gives way to Newton's."""
CELLS_AT_ONCE = 1 << 17
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
    return _fitted(studies, _Study.model)


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
    return _fitted(studies, _Study.levels, trend)


def _fitted(studies: Sequence[tuple], told: Callable, trend: str = "common") -> list:
    """What is told of each study's best parameters, or why nothing."""
    found: list = []
    for study in studies:
        try:
            found.append(_Study(*_wide(*study), trend))
        except NotEstimableError as error:
            found.append(error)
    there = [k for k, one in enumerate(found) if isinstance(one, _Study)]
    for width in {found[k].width for k in there}:
        alike = [k for k in there if found[k].width == width]
        cells = sum(found[k].patterns.there.size * width for k in alike)
        for few in np.array_split(alike, min(len(alike), 1 + cells // CELLS_AT_ONCE)):
            for k, *best in zip(few, *_best([found[k] for k in few]), strict=True):
                found[k] = found[k].lost(*best[1:]) or told(found[k], *best)
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


def _patterns(z: np.ndarray, there: np.ndarray) -> SimpleNamespace:
    """A row for each pattern of what is missing: `there` (p, 2T) is not; `people` (p,) of them;
    `sums` (p, 2T) and `products` (p, 2T, 2T) of their values, 0 where missing."""
    text = np.ascontiguousarray(there).view(f"S{there.shape[1]}").ravel()  # a row of bytes as one
    _, first, of, people = np.unique(text, True, True, True)
    rows = [z[of == k] for k in range(len(first))]
    sums, products = (
        np.array(made) for made in zip(*((r.sum(axis=0), r.T @ r) for r in rows), strict=True)
    )
    return SimpleNamespace(there=there[first], people=people * 1.0, sums=sums, products=products)


class _Study:
    """What the likelihood needs of people's values: their `patterns`, in standard deviations."""

    def __init__(self, wide: np.ndarray, groups: np.ndarray, trend: str) -> None:
        (self.n, self.width), self.there, self.groups = wide.shape, ~np.isnan(wide), groups
        if self.n < 10:
            raise NotEstimableError(f"{self.n} people: a cross-lagged model needs at least ten")
        if ((counts := self.there.sum(axis=0)) < 3)[counts > 0].any():
            raise NotEstimableError("an occasion has fewer than three people: leave it out")
        away = wide - np.nansum(wide, axis=0) / np.maximum(counts, 1)
        self.scale = np.array([np.nanstd(away[:, k::2]) for k in (0, 1)])
        whole = (there := self.there.reshape(self.n, -1, 2)).all(axis=2, keepdims=True)
        own = np.where(whole, away.reshape(there.shape), 0.0)
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
        self.constant = (self.there @ np.log(2 * np.pi * scales**2)).sum()
        self.z = np.where(self.there, away / scales, 0.0)
        self.patterns = _patterns(self.z, self.there)

    def lost(self, deviance: float, hessian: np.ndarray) -> NotEstimableError | None:
        """Why there is no model."""
        values = np.linalg.eigvalsh(hessian)
        if np.isfinite(deviance) and values[0] > 1e-8 * values[-1]:
            return None
        return NotEstimableError(
            "the cross-lagged model has no well-defined maximum on these data: too few people "
            "or occasions, or nothing stable between people"
        )

    def model(self, theta: np.ndarray, deviance: float, hessian: np.ndarray) -> CrossLagged:
        """The model with these parameters in standard deviations."""
        units = self.scale[:, None] / self.scale
        paths = theta[:4].reshape(2, 2) * units
        covariance = 2 * np.linalg.inv(hessian)[:4, :4] * np.outer(units, units)
        llf = -(deviance + self.constant) / 2
        return CrossLagged(paths.ravel(), covariance, llf, self.n)

    def levels(self, theta: np.ndarray, *_) -> tuple[float, float, int]:
        """Correlation of the levels, its error and degrees of freedom.

        Of the slope, a b / (b^2 + c^2) with the root a, b, c of the levels' covariance.
        """
        (a, b, c), x = theta[4:7], np.hypot(*theta[5:7])
        slope = np.array([b, a - 2 * a * (b / x) ** 2, -2 * a * b * c / x**2]) / (x * abs(a))
        mean = _Panels([self]).likelihood(theta[None])[3][0]
        z, groups = np.where(self.there, self.z - mean, 0.0), np.unique(self.groups)
        parts = _Panels([SimpleNamespace(patterns=_patterns(z[rows], self.there[rows]),
                                         means=self.means[:, :0])
                         for rows in (self.groups == g for g in groups)])  # fmt: skip
        at = np.tile(theta, (len(groups), 1))
        _, pull, inverse, _ = parts.likelihood(at)
        own = parts.information(at, inverse)
        steps = np.linalg.solve(own.sum(axis=0) - own, pull[..., None])[:, 4:7, 0] @ slope
        many = len(groups)  # without a group means are many / (many - 1) as far from it
        error = np.sqrt(many / (many - 1) * (steps @ steps))
        return np.sign(a) * b / x, error, many - 1


def _parts(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Paths (..., 2, 2) and roots of covariances (..., 3, 2, 2), for every row of theta."""
    rows = theta.shape[:-1]
    roots = np.zeros((*rows, 3, 2, 2), theta.dtype)
    roots[..., [0, 1, 1], [0, 0, 1]] = theta[..., 4:].reshape(*rows, 3, 3)
    return theta[..., :4].reshape(*rows, 2, 2), roots


def _covariance(theta: np.ndarray, T: int) -> np.ndarray:
    """Of all occasions; one for every row of theta."""
    paths, roots = _parts(theta)
    levels = roots @ roots.swapaxes(-1, -2)
    blocks = np.empty((T, T, *paths.shape), theta.dtype)
    now = levels[..., 1, :, :]
    for t in range(T):
        later = blocks[t, t] = now
        for s in range(t + 1, T):
            later = blocks[s, t] = np.einsum("...ij,...jk->...ik", paths, later)
            blocks[t, s] = later.swapaxes(-1, -2)
        now = paths @ now @ paths.swapaxes(-1, -2) + levels[..., 2, :, :]
    made = np.moveaxis(blocks + levels[..., 0, :, :], (0, 1), (-4, -2))
    return made.reshape(*theta.shape[:-1], 2 * T, 2 * T)


def _gradient(theta: np.ndarray, sigma: np.ndarray, pull: np.ndarray) -> np.ndarray:
    """Of the sum of `pull` times the covariance, from the last occasion back to the first."""
    (paths, roots), T = _parts(theta), sigma.shape[-1] // 2
    back, between = paths.swapaxes(1, 2), roots[:, 0] @ roots[:, 0].swapaxes(1, 2)
    pull, inside = (m.reshape(-1, T, 2, T, 2).transpose(1, 3, 0, 2, 4) for m in (pull, sigma))
    inside = inside - between
    rest, level, new, about = np.zeros_like(pull[0]), 0.0, 0.0, 0.0
    for s in reversed(range(T)):
        rest = 2 * pull[s, : s + 1] + back @ rest[: s + 1]
        own = rest[s] - pull[s, s]
        level = (own + own.swapaxes(1, 2)) / 2 + back @ level @ paths if s < T - 1 else own
        if s:
            about = about + (rest[:s] @ inside[s - 1, :s].swapaxes(2, 3)).sum(axis=0)
            about, new = about + 2 * level @ paths @ inside[s - 1, s - 1], new + level
    made = 2 * np.stack([pull.sum(axis=(0, 1)), level, new], axis=1) @ roots
    return np.concatenate([about.reshape(-1, 4), made[..., [0, 1, 1], [0, 0, 1]].reshape(-1, 9)], 1)


def _downhill(slope: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """Newton's step, 1 at most; downhill too where the bend is not that of a valley."""
    values, turned = np.linalg.eigh(bend)
    values = np.maximum(abs(values), 1e-10 * abs(values).max(axis=-1, keepdims=True))
    step = -(turned @ (slope[:, None] @ turned / values[:, None]).swapaxes(1, 2))[..., 0]
    return step / np.maximum(abs(step).max(axis=1, keepdims=True), 1)


def _best(studies: Sequence[_Study]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parameters (s, 13) of the largest likelihoods, minus twice their logarithms, and curvatures.

    Fisher's scoring from the better of two starts, where that is slow Newton's steps; a step that
    goes too far is halved, and a study that is done leaves the stack.
    """
    panels, left = _Panels(studies), np.arange(len(studies))
    starts = np.repeat(np.array(STARTS, float)[:, None], len(left), axis=1)
    at = starts[np.argmin([panels.likelihood(start)[0] for start in starts], axis=0), left]
    value, slope, inverse, _ = panels.likelihood(at)
    bend = panels.information(at, inverse)
    step, best, least = _downhill(slope, bend), at.copy(), value.copy()
    for turn in range(100):
        ahead, steeper, inverse, _ = panels.likelihood(at + step)
        better = ahead <= value + 1e-12 * abs(value)
        done = abs((slope * step).sum(axis=1)) < 1e-12
        at[better] += step[better]
        value[better], slope[better] = ahead[better], steeper[better]
        best[left], least[left] = at, value
        if done.all():
            break
        if better.any():
            bent = panels.information(at, inverse) if turn < SLOW else panels.curvature(at)
            bend[better] = bent[better]
        step = np.where(better[:, None], _downhill(slope, bend), step / 2)
        at, value, slope, bend, step, left = (
            a[~done] for a in (at, value, slope, bend, step, left)
        )
        panels = _Panels([studies[k] for k in left])
    return best, least, _Panels(studies).curvature(best)


class _Panels:
    """Studies of as many occasions side by side: their patterns, and the study of each."""

    def __init__(self, studies: Sequence[_Study]) -> None:
        self.study = np.repeat(np.arange(len(studies)), [len(s.patterns.people) for s in studies])
        self.first = np.flatnonzero(np.diff(self.study, prepend=-1))
        self.there, self.people, self.sums, self.products = (
            np.concatenate([getattr(s.patterns, name) for s in studies])
            for name in ("there", "people", "sums", "products")
        )
        never = ~np.logical_or.reduceat(self.there, self.first)
        self.never = never[:, None] * np.eye(never.shape[1])  # no one has this: no mean to find
        self.means = studies[0].means

    def likelihood(self, theta: np.ndarray) -> tuple[np.ndarray, ...]:
        """Minus twice the log-likelihoods, the means of the occasions at their best; gradients;
        the inverse covariances of the patterns, 0 where missing; and those means.
        """
        of, n, k = self.study, self.people, self.there.shape[1]
        sigma, both = _covariance(theta, k // 2), self.there[:, :, None] & self.there[:, None]
        own = np.where(both, sigma[of], np.eye(k))
        sign, log = np.linalg.slogdet(own)
        own[~(sign > 0)], log[~(sign > 0)] = np.eye(k), np.inf
        inverse = np.where(both, np.linalg.inv(own), 0.0)
        b = np.add.reduceat((inverse @ self.sums[..., None])[..., 0], self.first)
        weight = np.add.reduceat(n[:, None, None] * inverse, self.first)
        turned = self.means.T @ (weight + self.never) @ self.means
        mean = (self.means @ np.linalg.solve(turned, self.means.T @ b[..., None]))[..., 0]
        value = np.add.reduceat(n * log + (inverse * self.products).sum(axis=(1, 2)), self.first)
        away = mean[of, :, None] * (self.sums - n[:, None] * mean[of] / 2)[:, None]
        left = inverse @ (self.products - away - away.swapaxes(1, 2)) @ inverse
        slope = _gradient(theta, sigma, weight - np.add.reduceat(left, self.first))
        return value - (b * mean).sum(axis=1), slope, inverse, mean

    def information(self, theta: np.ndarray, inverse: np.ndarray) -> np.ndarray:
        """What the curvature is expected to be, with the inverses that `likelihood` found.

        The covariance is a polynomial of theta, so that its derivatives are the imaginary parts of
        tiny imaginary steps (Squire & Trapp 1998, SIAM Rev 40:110-112).
        """
        steps = 1e-20j * np.eye(theta.shape[1])
        moved = _covariance(theta[:, None] + steps, self.there.shape[1] // 2).imag / 1e-20
        turned = inverse[:, None] @ moved[self.study]
        one, other = (m.reshape(*m.shape[:2], -1) for m in (turned, turned.swapaxes(2, 3)))
        made = self.people[:, None, None] * (one @ other.swapaxes(1, 2))
        return np.add.reduceat(made, self.first)

    def curvature(self, at: np.ndarray, step: float = 1e-4) -> np.ndarray:
        """Second derivatives, by central differences of the gradient."""
        ahead, behind = (
            np.stack([self.likelihood(at + s)[1] for s in way * step * np.eye(at.shape[1])], 1)
            for way in (1, -1)
        )
        found = (ahead - behind) / (2 * step)
        return (found + found.swapaxes(1, 2)) / 2
