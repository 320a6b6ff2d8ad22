"""Latent scores behind the items, and the correlations between them that a scenario asks for.

Every score of a synthetic study is a step function of normal variables: an item is its response
category, a count its number. Expanded in Hermite polynomials, the covariance of two such scores is
a power series in the correlation of the normals (Mehler's formula; Kendall & Stuart, vol. 2), so
the attenuation of any pair, and the alpha of any scale, follow from thresholds and loadings alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaincinv, logsumexp, ndtr, ndtri

from alliance_helpers.cohorts.population import (
    DAYS,
    MANAGER,
    SCALES,
    ItemScale,
    Steps,
    hospital_steps,
)
from alliance_helpers.errors import ScenarioError

from .scenarios import Link, Scenario

TERMS = 30
WINDOW = 730


def hermite(t: np.ndarray, terms: int = TERMS) -> np.ndarray:
    """Hermite polynomials 0 to `terms` - 1 at t, orthonormal under N(0, 1); shape (terms, ...)."""
    t = np.asarray(t, dtype=float)
    h = np.zeros((terms, *t.shape))
    h[0] = 1
    h[1] = t
    for k in range(1, terms - 1):
        h[k + 1] = (t * h[k] - np.sqrt(k) * h[k - 1]) / np.sqrt(k + 1)
    return h


def exceedance(cuts: np.ndarray) -> np.ndarray:
    """Hermite coefficients 1 to TERMS of the indicator z > cut; shape (TERMS, ...)."""
    order = np.arange(1, TERMS + 1).reshape(-1, *[1] * np.ndim(cuts))
    density = np.exp(-0.5 * np.square(cuts)) / np.sqrt(2 * np.pi)
    return hermite(cuts) * density / np.sqrt(order)


def step_moments(steps: Steps) -> tuple[float, float, np.ndarray]:
    """Mean, variance, and Hermite coefficients 1 to TERMS of a number in steps."""
    shares = np.diff(ndtr(steps.cuts), prepend=0, append=1)
    mean = float(shares @ steps.values)
    variance = float(shares @ np.square(steps.values - mean))
    return mean, variance, exceedance(steps.cuts) @ np.diff(steps.values)


def solve_hospital(mean: float, zero: float, cap: float) -> dict[str, float]:
    """The `zero shape scale` of days out of 730 with a mean, a share of none, of all."""

    def gamma(shape: float) -> dict[str, float]:
        scale = (WINDOW - 1) / gammaincinv(shape, 1 - cap / (1 - zero))
        return {"zero": zero, "shape": shape, "scale": float(scale)}

    def excess(shape: float) -> float:
        made = hospital_steps(**gamma(shape))
        shares = np.diff(ndtr(made.cuts), prepend=0, append=1)
        return float(shares @ np.minimum(made.values, WINDOW)) - mean

    low, high = 0.05, 20.0
    if not 0 < zero < 1 - cap < 1 or excess(low) > 0 or excess(high) < 0:
        raise ScenarioError(
            f"Hospital days cannot have mean {mean:g} with {zero:.1%} at zero and {cap:.1%} at "
            "the window's end; move the mean or the shares."
        )
    return gamma(brentq(excess, low, high))


@dataclass(frozen=True, eq=False)
class SumScale(ItemScale):
    """A scale's items, and the moments of their sum."""

    @property
    def coefs(self) -> np.ndarray:
        """Hermite coefficients 1 to TERMS of the summed score's mean given G."""
        loading = np.sqrt(self.general) ** np.arange(1, TERMS + 1)
        return exceedance(self.cuts).sum(axis=(1, 2)) * loading

    @property
    def mean(self) -> float:
        """Mean of the sum."""
        return float(ndtr(-self.cuts).sum() + self.low * len(self.cuts))

    @property
    def moments(self) -> tuple[float, float]:
        """Sum of the items' variances, and variance of the sum."""
        items = exceedance(self.cuts).sum(axis=2)
        power = np.arange(1, TERMS + 1)
        members = self.groups[:, None] == np.unique(self.groups)
        total, each = items.sum(axis=1) ** 2, np.square(items).sum(axis=1)
        inside = np.square(items @ members).sum(axis=1)
        shared = self.general**power @ (total - inside)
        shared += (self.general + self.specific) ** power @ (inside - each)
        above = ndtr(-self.cuts)
        squares = above @ (2 * np.arange(self.cuts.shape[1]) + 1)
        own = float((squares - above.sum(axis=1) ** 2).sum())
        return own, own + float(shared)

    @property
    def alpha(self) -> float:
        """Cronbach's alpha of the sum in the population."""
        own, total = self.moments
        k = len(self.cuts)
        return k / (k - 1) * (1 - own / total)

    @property
    def sd(self) -> float:
        """SD of the sum."""
        return float(np.sqrt(self.moments[1]))


def item_scale(
    shares: list[float],
    groups: np.ndarray,
    alpha: float,
    spread: float = 0.0,
    specific: float = 0.0,
    shift: float = 0.0,
    low: float = 1.0,
) -> SumScale:
    """The scale of `len(groups)` items that has a given alpha.

    Parameters
    ----------
    shares : list of float
        Shares of the response categories on the average item.
    groups : ndarray of int
        The subscale of each item.
    alpha : float
    spread : float
        SD of the items' difficulties on the latent scale.
    specific : float
        Variance of the subscale factors relative to the general factor.
    shift : float
        Added to the latent mean of all items.

    Raises
    ------
    ScenarioError
        If no loading gives that alpha.
    """
    k = len(groups)
    place = np.argsort(np.argsort((np.arange(k) * 0.6180339887) % 1)) - (k - 1) / 2
    difficulty = spread * place / np.sqrt(np.mean(place**2)) if k > 1 else np.zeros(k)
    base = ndtri(np.cumsum(shares)[:-1] / np.sum(shares))
    thresholds = base - shift

    def scale(general: float) -> SumScale:
        return SumScale(thresholds, difficulty, groups, general, general * specific, low)

    lowest, highest = 1e-4, 0.98 / (1 + specific)
    if not scale(lowest).alpha < alpha < scale(highest).alpha:
        raise ScenarioError(
            f"{k} items with these response shares reach alphas of {scale(lowest).alpha:.2f} to "
            f"{scale(highest).alpha:.2f}, not {alpha:g}."
        )
    return scale(brentq(lambda g: scale(g).alpha - alpha, lowest, highest))


def shift_below(reference: SumScale, d: float, make) -> float:
    """The latent shift that puts `make(shift)` d pooled SDs below a reference scale."""

    def gap(shift: float) -> float:
        other = make(shift)
        pooled = np.sqrt((reference.sd**2 + other.sd**2) / 2)
        return (reference.mean - other.mean) / pooled - d

    return brentq(gap, -2, 2)


def tilted_mean(scale: SumScale, b: float) -> float:
    """Mean of the z-scored sum z under weights exp(b z): what z has in common with exp(b z).

    If a count has mean exp(a + b z), its covariance with z is its mean times this number, which is
    b itself only where z is normal. Quadrature over the general and the subscale factors.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    logs = np.log(weights / weights.sum())
    g = np.sqrt(scale.general) * nodes[:, None] + np.sqrt(scale.specific) * nodes
    noise = np.sqrt(1 - scale.general - scale.specific)
    answers = np.arange(scale.cuts.shape[1] + 1)
    mean, sd = scale.mean - scale.low * len(scale.cuts), scale.sd

    def log_mgf(t: float) -> float:
        parts = np.zeros(len(nodes))
        for group in np.unique(scale.groups):
            cuts = scale.cuts[scale.groups == group]
            above = ndtr((g[:, :, None, None] - cuts) / noise)
            chance = -np.diff(above, prepend=1, append=0, axis=3)
            items = np.log(chance @ np.exp(t * answers / sd)).sum(axis=2)
            parts += logsumexp(items + logs, axis=1)
        return float(logsumexp(parts + logs)) - t * mean / sd

    step = 1e-4
    return (log_mgf(b + step) - log_mgf(b - step)) / (2 * step)


BETWEEN = (*MANAGER, *SCALES[:6], "health_sickness")
WITHIN = (*SCALES, "health_sickness", "health_sickness_intake", *DAYS, "client_age")


@dataclass(frozen=True, eq=False)
class Variable:
    """A score's mean and SD, and its z score as a Hermite series, per site type.

    `coefs` has shape (2, TERMS), `offsets` (2,) is the site types' mean in SDs, and `share` the
    case managers' share of the latent variance (1: a property of the case manager).
    """

    mean: float
    sd: float
    coefs: np.ndarray
    offsets: np.ndarray
    share: float = 0.0


def correlation(x: Variable, y: Variable, weights: np.ndarray, latent: float) -> float:
    """Correlation of two observed scores over the site types, by Mehler's formula."""
    power = np.arange(1, x.coefs.shape[1] + 1)
    inside = (x.coefs * y.coefs) @ latent**power
    return float(weights @ (inside + x.offsets * y.offsets))


def latent_roots(
    scenario: Scenario,
    variables: dict[str, Variable],
    scales: dict[str, SumScale],
    weights: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Cholesky roots of the latent correlations that a scenario's links ask for.

    Returns
    -------
    tuple of ndarray
        Between case managers (order BETWEEN) and between clients of one (order WITHIN).

    Raises
    ------
    ScenarioError
        Naming the link that cannot be reached, or those that cannot hold together.
    """
    levels = {"between": (BETWEEN, np.eye(len(BETWEEN))), "within": (WITHIN, np.eye(len(WITHIN)))}
    for link in scenario.links:
        a, b = sorted(link.of)
        if unknown := link.of - set(variables):
            raise ScenarioError(
                f"Scenario {scenario.name!r} links {sorted(unknown)[0]!r}, which is not simulated; "
                f"use two of {', '.join(variables)}."
            )
        total = _latent(link, variables, scales, weights, scenario)
        x, y = variables[a].share, variables[b].share
        apart, inside = np.sqrt(x * y), np.sqrt((1 - x) * (1 - y))
        if link.within:
            placed = {"within": inside}
        else:
            placed = {"between": apart, "within": inside}
        room = sum(placed.values())
        for level, part in placed.items():
            names, matrix = levels[level]
            if part > 0:
                i, j = names.index(a), names.index(b)
                matrix[i, j] = matrix[j, i] = total / room
        if room == 0 or abs(total / room) >= 1:
            raise ScenarioError(
                f"Scenario {scenario.name!r}: {link} cannot be reached at the "
                f"level it is placed at ({'within' if link.within else 'both'})."
            )
    return tuple(_root(matrix, names, level, scenario) for level, (names, matrix) in levels.items())


def _latent(
    link: Link,
    variables: dict[str, Variable],
    scales: dict[str, SumScale],
    weights: np.ndarray,
    scenario: Scenario,
) -> float:
    """The latent correlation that a link asks for."""
    if link.kind == "latent_r":
        return link.value
    a, b = sorted(link.of)
    target = link.value
    if link.kind == "rate_ratio":
        target = implied_correlation(link, variables, scales, scenario)

    def excess(latent: float) -> float:
        return correlation(variables[a], variables[b], weights, latent) - target

    least, most = excess(-0.99), excess(0.99)
    if not least < 0 < most:
        raise ScenarioError(
            f"Scenario {scenario.name!r}: {link} cannot be reached; these scores allow "
            f"correlations of {least + target:.2f} to {most + target:.2f}."
        )
    return brentq(excess, -0.99, 0.99, xtol=1e-12)


def implied_correlation(
    link: Link, variables: dict[str, Variable], scales: dict[str, SumScale], scenario: Scenario
) -> float:
    """The correlation of days with a scale at which a log-linear mean has the link's rate ratio.

    The Poisson estimating equations set cov(days, z) = mean(days) * E[z exp(bz)] / E[exp(bz)].
    """
    days, scale = (sorted(link.of & set(names)) for names in (DAYS, SCALES))
    if not (days and scale):
        raise ScenarioError(
            f"Scenario {scenario.name!r}: {link}: a rate ratio links one of {', '.join(DAYS)} with "
            f"one of {', '.join(SCALES)}."
        )
    count = variables[days[0]]
    return tilted_mean(scales[scale[0]], np.log(link.value)) * count.mean / count.sd


def _root(matrix: np.ndarray, names: tuple[str, ...], level: str, scenario: Scenario) -> np.ndarray:
    roots, vectors = np.linalg.eigh(matrix)
    if roots[0] > 1e-6:
        return np.linalg.cholesky(matrix)
    weight = np.abs(np.outer(vectors[:, 0], vectors[:, 0]) * np.tril(matrix, -1))
    worst = np.argwhere(weight > 0.1 * weight.max())
    order = sorted(worst.tolist(), key=lambda ij: -weight[ij[0], ij[1]])
    links = [f"{names[i]} with {names[j]} (latent {matrix[i, j]:+.2f})" for i, j in order]
    where = "between case managers" if level == "between" else "within case managers"
    raise ScenarioError(
        f"Scenario {scenario.name!r}: these links cannot hold together {where}: "
        f"{'; '.join(links)}. Weaken one of them, or place it at another level."
    )
