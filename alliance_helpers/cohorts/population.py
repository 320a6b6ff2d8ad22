"""A scenario made ready to draw from, and the truth that it states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from ..errors import ScenarioError
from ..study.codebook import Codebook, Scale
from ..study.read_codebook import read_codebook
from .latent import (
    BETWEEN,
    DAYS,
    MANAGER,
    SCALES,
    ItemScale,
    Steps,
    Variable,
    correlation,
    hospital_steps,
    implied_correlation,
    item_scale,
    latent_roots,
    rounded_normal,
    shift_below,
)
from .scenarios import Scenario, load_scenario

SITE_TYPES = ("neuropsychiatric", "general")


@dataclass(frozen=True, eq=False)
class Population:
    """All that a study is drawn from.

    `between` and `within` are the Cholesky roots of the latent correlations of the variables named
    in BETWEEN and WITHIN, between case managers and between clients of one case manager.
    """

    scenario: Scenario
    codebook: Codebook
    type_shares: np.ndarray
    scales: dict[str, ItemScale]
    steps: dict[str, Steps]
    days: dict[str, tuple[Steps, Steps]]
    variables: dict[str, Variable]
    between: np.ndarray
    within: np.ndarray

    def correlation(self, a: str, b: str, latent: float) -> float:
        """Correlation of two observed scores whose latent variables correlate by `latent`."""
        x, y = self.variables[a], self.variables[b]
        return correlation(x, y, self.type_shares, latent)


@cache
def population(name: str = "published") -> Population:
    """The population of a shipped scenario (worked out once)."""
    return calibrate(load_scenario(name))


def calibrate(scenario: Scenario, codebook: Codebook | None = None) -> Population:
    """Work out the population that a scenario's targets imply.

    Observed-score targets become latent ones by each score's own attenuation; nothing is tuned.

    Raises
    ------
    ScenarioError
        Naming the targets that no population reaches, alone or together.

    Examples
    --------
    >>> made = calibrate(load_scenario("published"))
    >>> round(made.scales["client_alliance"].alpha, 4)
    0.93
    """
    book = codebook or read_codebook()
    sites = scenario.value("study", "n_sites")
    share = scenario.value("study", "n_neuropsychiatric") / sites
    weights = np.array([share, 1 - share])
    design = [scenario.value("study", key) for key in ("n_clients", "n_case_managers")]
    if caseload_concentration(scenario, *design) <= 0:
        raise ScenarioError(f"Scenario {scenario.name!r}: study > caseload_spread is too large.")
    scales = _scales(scenario, book)
    steps = {
        m: rounded_normal(scenario.value("measures", m)) for m in scenario.settings["measures"]
    }
    days = {
        d: tuple(
            hospital_steps(*(scenario.value("hospital", d, t, k) for k in ("mean", "zero", "cap")))
            for t in SITE_TYPES
        )
        for d in DAYS
    }
    variables = {name: _plain(s.mean, s.sd, s.coefs) for name, s in scales.items()}
    variables |= {name: _plain(s.mean, s.variance**0.5, s.coefs) for name, s in steps.items()}
    variables |= {name: _mixture(pair, weights) for name, pair in days.items()}
    variables = {name: _with_share(name, v, scenario) for name, v in variables.items()}
    between, within = latent_roots(scenario, variables, scales, weights)
    return Population(scenario, book, weights, scales, steps, days, variables, between, within)


def case_managers(made: Population, n_clients: int) -> int:
    """Number of case managers of a study of this size, at the scenario's mean caseload."""
    value = made.scenario.value
    mean = value("study", "n_clients") / value("study", "n_case_managers")
    return min(n_clients, max(1, round(n_clients / mean)))


def caseload_concentration(scenario: Scenario, n_clients: int, n_managers: int) -> float:
    """How alike case managers' chances of a client are, for the scenario's sum of squares.

    Beyond one client each, caseloads are Dirichlet-multinomial; infinity means equal chances, and
    a value of 0 or less a spread that no chances give.
    """
    rest, equal = n_clients - n_managers, 1 / n_managers * (1 - 1 / n_managers)
    mean = n_clients / n_managers
    variance = scenario.value("study", "caseload_spread") * mean - mean**2
    extra = variance - rest * equal
    if extra <= 0 or n_managers == 1 or rest < 2:
        return np.inf
    return (rest * (rest - 1) * equal / extra - 1) / n_managers


def groups(scale: Scale) -> np.ndarray:
    """The subscale of each item, as a number from 0."""
    of = np.zeros(len(scale.items), dtype=int)
    for i, numbers in enumerate(scale.keys.values()):
        of[np.abs(numbers) - 1] = i
    return of


def _scales(scenario: Scenario, book: Codebook) -> dict[str, ItemScale]:
    made: dict[str, ItemScale] = {}
    for name in SCALES:
        make = _maker(scenario, name, book.scales[name])
        below = scenario.get("scales", name, "below", default=None)
        shift = shift_below(made[below["scale"]], below["d"], make) if below else 0.0
        made[name] = make(shift)
    return made


def _maker(scenario: Scenario, name: str, scale: Scale) -> Callable[[float], ItemScale]:
    shares = scenario.value("scales", name, "shares")
    n_answers = round(scale.limits[1] - scale.limits[0]) + 1
    if len(shares) != n_answers:
        raise ScenarioError(
            f"Scenario {scenario.name!r}: {name} needs {n_answers} shares, {len(shares)} are given."
        )
    return lambda shift: item_scale(
        shares,
        groups(scale),
        alpha=scenario.value("scales", name, "alpha"),
        spread=scenario.value("scales", name, "item_spread"),
        specific=scenario.get("scales", name, "subscale_share", default=0.0),
        shift=shift,
        low=scale.limits[0],
    )


def _plain(mean: float, sd: float, coefs: np.ndarray) -> Variable:
    return Variable(mean, sd, np.tile(coefs / sd, (2, 1)), np.zeros(2))


def _mixture(types: tuple[Steps, Steps], weights: np.ndarray) -> Variable:
    means = np.array([s.mean for s in types])
    mean = float(weights @ means)
    sd = float(np.sqrt(weights @ ([s.variance for s in types] + np.square(means - mean))))
    return Variable(mean, sd, np.array([s.coefs for s in types]) / sd, (means - mean) / sd)


def _with_share(name: str, v: Variable, scenario: Scenario) -> Variable:
    if name in MANAGER:
        return Variable(v.mean, v.sd, v.coefs, v.offsets, 1.0)
    kind = "scales" if name in SCALES else "measures"
    icc = scenario.get(kind, name, "case_manager_share", default=0.0)
    if not icc:
        return v
    if name not in BETWEEN:
        raise ScenarioError(
            f"Scenario {scenario.name!r}: {name} has no case managers' share; leave it at 0."
        )
    power = np.arange(1, v.coefs.shape[1] + 1)

    def excess(share: float) -> float:
        return float(np.square(v.coefs[0]) @ share**power) - icc

    if not 0 < icc < excess(0.99) + icc:
        raise ScenarioError(
            f"Scenario {scenario.name!r}: the share of case managers in {name} cannot be {icc:g}; "
            f"its reliability allows up to {excess(0.99) + icc:.2f}."
        )
    return Variable(v.mean, v.sd, v.coefs, v.offsets, brentq(excess, 0, 0.99))


ALLIANCES = {"client": "client_alliance", "case_manager": "case_manager_alliance"}
RELATED = (
    *MANAGER, "client_outcome", "case_manager_outcome", "symptoms", "health_sickness",
    "living_skills", "hospital_days", "client_age", "symptoms_intake", "health_sickness_intake",
    "hospital_days_before",
)  # fmt: skip
COLUMNS = ["quantity", "informant", "term", "target", "tag"]


def truth_table(made: Population, n_clients: int | None = None) -> pd.DataFrame:
    """Targets of a population, in a tidy table.

    Parameters
    ----------
    made : Population
    n_clients : int, optional
        Size of the study; the scenario's own by default.

    Returns
    -------
    DataFrame
        `quantity informant term target tag`. Quantities: `n_clients n_case_managers n_sites
        caseload_spread alpha case_manager_share d mean sd r rate_ratio zero_share cap_share
        effective_n`; `r` of an informant is that of the alliance with the term, the other `r` are
        of the pair in the term. The tag says whether a target is published, taken from the
        literature, or assumed; what merely follows from assumed numbers is assumed.
    """
    rows = [
        *_design(made, n_clients),
        *_scores(made),
        *_links(made),
        *_hospital(made),
        *_effective(made, n_clients),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _design(made: Population, n_clients: int | None) -> list[tuple]:
    value, tag = made.scenario.value, made.scenario.tag
    own = value("study", "n_clients")
    names = ("n_clients", "n_case_managers", "n_sites", "caseload_spread")
    targets = {name: (float(value("study", name)), tag("study", name)) for name in names}
    if n_clients not in (None, own):
        managers = case_managers(made, n_clients)
        targets["n_clients"] = (float(n_clients), "assumed")
        targets["n_case_managers"] = (float(managers), "assumed")
        targets["n_sites"] = (min(targets["n_sites"][0], float(managers)), targets["n_sites"][1])
    return [(name, "", "", *target) for name, target in targets.items()]


def _informant(name: str) -> str:
    if name in MANAGER:
        return ""
    return next(
        (i for i in ("case_manager", "client") if name in (f"{i}_alliance", f"{i}_outcome")), ""
    )


def _scores(made: Population) -> list[tuple]:
    value, tag, rows = made.scenario.value, made.scenario.tag, []
    for name in SCALES:
        who = _informant(name)
        for quantity, key in (("alpha", "alpha"), ("case_manager_share", "case_manager_share")):
            target = float(value("scales", name, key))
            rows.append((quantity, who, name, target, tag("scales", name, key)))
        size = len(made.scales[name].cuts) if made.codebook.scales[name].score == "mean" else 1
        v = made.variables[name]
        rows += [("mean", who, name, v.mean / size, "assumed")]
        rows += [("sd", who, name, v.sd / size, "assumed")]
    health = "health_sickness"
    share = float(value("measures", health, "case_manager_share"))
    rows.append(("case_manager_share", "", health, share, "assumed"))
    for name in (*made.steps, *DAYS):
        v = made.variables[name]
        rows += [("mean", "", name, v.mean, "assumed"), ("sd", "", name, v.sd, "assumed")]
    below = made.scenario.get("scales", "case_manager_alliance", "below", default=None)
    if below:
        source = tag("scales", "case_manager_alliance", "below")
        rows.append(("d", "", "client_alliance:case_manager_alliance", below["d"], source))
    return rows


def _links(made: Population) -> list[tuple]:
    links = {link.of: link for link in made.scenario.links}
    pair = frozenset(ALLIANCES.values())
    rows = [("r", "", ":".join(ALLIANCES.values()), *_target(made, links, pair))]
    for who, alliance in ALLIANCES.items():
        for other in RELATED:
            of = frozenset((alliance, other))
            rows.append(("r", who, other, *_target(made, links, of)))
    for a, b in combinations(RELATED, 2):
        of = frozenset((a, b))
        if of in links:
            rows.append(("r", "", f"{a}:{b}", *_target(made, links, of)))
    return rows


def _target(made: Population, links: dict, of: frozenset[str]) -> tuple[float, str]:
    """The observed correlation that a link, or its absence, stands for."""
    if of not in links:
        return 0.0, "assumed"
    link = links[of]
    if link.kind == "rate_ratio":
        return implied_correlation(link, made.variables, made.scales, made.scenario), link.tag
    if link.kind == "latent_r":
        return made.correlation(*sorted(of), link.value), link.tag
    return link.value, link.tag


def _hospital(made: Population) -> list[tuple]:
    links = {link.of: link for link in made.scenario.links if link.kind == "rate_ratio"}
    rows = []
    for who, alliance in ALLIANCES.items():
        link = links.get(frozenset((alliance, "hospital_days")))
        ratio, tag = (link.value, link.tag) if link else (1.0, "assumed")
        rows.append(("rate_ratio", who, "hospital_days", ratio, tag))
    for days in DAYS:
        entries = made.scenario.settings["hospital"][days]
        for quantity, key in (("zero_share", "zero"), ("cap_share", "cap")):
            values = [entries[t][key]["value"] for t in SITE_TYPES]
            rows.append((quantity, "", days, float(made.type_shares @ values), "assumed"))
        for site_type in SITE_TYPES:
            mean = entries[site_type]["mean"]
            rows.append(("mean", "", f"{days}:{site_type}", float(mean["value"]), mean["tag"]))
    return rows


def _effective(made: Population, n_clients: int | None) -> list[tuple]:
    """Number of independent dyads that a correlation with each alliance is worth."""
    value = made.scenario.value
    n, spread = n_clients or value("study", "n_clients"), value("study", "caseload_spread")
    share = {
        name: value("scales", name, "case_manager_share")
        for name in (*ALLIANCES.values(), "symptoms")
    }
    pairs = [(who, "caseload_difficulty", share[a]) for who, a in ALLIANCES.items()]
    product = share["case_manager_alliance"] * share["symptoms"]
    pairs.append(("case_manager", "symptoms", product))
    return [
        ("effective_n", who, term, n / (1 + (spread - 1) * p), "assumed") for who, term, p in pairs
    ]
