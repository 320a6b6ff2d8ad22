"""Associations of observed scores turned into latent ones, between and within case managers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from ..errors import ScenarioError
from .latent import ItemScale, tilted_mean
from .scenarios import Link, Scenario

MANAGER = ("case_manager_age", "case_manager_experience_log", "caseload_difficulty")
SCALES = (
    "client_alliance",
    "case_manager_alliance",
    "client_outcome",
    "case_manager_outcome",
    "symptoms",
    "living_skills",
    "symptoms_intake",
)
DAYS = ("hospital_days", "hospital_days_before")
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
    scales: dict[str, ItemScale],
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
    scales: dict[str, ItemScale],
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
    link: Link, variables: dict[str, Variable], scales: dict[str, ItemScale], scenario: Scenario
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
