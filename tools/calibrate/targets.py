"""What a scenario's targets imply: the entry of `data/calibration.json`, its truth table included.

Observed-score targets become latent ones by each score's own attenuation; nothing is tuned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import numpy as np
from scipy.optimize import brentq

from alliance_helpers.cohorts.population import (
    DAYS,
    MANAGER,
    SCALES,
    SITE_TYPES,
    Steps,
    caseload_concentration,
    digest,
    groups,
    hospital_steps,
    rounded_normal,
)
from alliance_helpers.errors import ScenarioError
from alliance_helpers.study.codebook import Codebook, Scale
from alliance_helpers.study.read_codebook import read_codebook

from .latent import (
    BETWEEN,
    WITHIN,
    SumScale,
    Variable,
    correlation,
    implied_correlation,
    item_scale,
    latent_roots,
    shift_below,
    solve_hospital,
    step_moments,
)
from .scenarios import Scenario, resolve

ALLIANCES = {"client": "client_alliance", "case_manager": "case_manager_alliance"}
RELATED = (
    *MANAGER, "client_outcome", "case_manager_outcome", "symptoms", "health_sickness",
    "living_skills", "hospital_days", "client_age", "symptoms_intake", "health_sickness_intake",
    "hospital_days_before",
)  # fmt: skip
SETTINGS = ("study", "other", "missing", "dirt")  # what is drawn as it is written


def calibrate(raw: Mapping[str, Any], name: str = "published") -> dict[str, Any]:
    """Work out what a scenario's targets imply.

    Parameters
    ----------
    raw : mapping
        From :func:`alliance_helpers.cohorts.population.read_scenarios`.
    name : str

    Returns
    -------
    dict
        What `data/calibration.json` holds for the scenario.

    Raises
    ------
    ScenarioError
        Naming the targets that no population reaches, alone or together.

    Examples
    --------
    >>> from alliance_helpers.cohorts.population import read_scenarios
    >>> round(calibrate(read_scenarios())["scales"]["client_alliance"]["general"], 4)
    0.2895
    """
    book, scenario = read_codebook(), resolve(raw, name)
    solved = _Solved(scenario, book)
    share = {v: x.share for v, x in solved.variables.items() if v in WITHIN and x.share}
    roots = {
        level: {v: root[i, : i + 1].tolist() for i, v in enumerate(names)}
        for level, names, root in zip(
            ("between", "within"), (BETWEEN, WITHIN), solved.roots, strict=True
        )
    }
    return {
        "digest": digest(raw, name, book),
        "settings": {
            part: {key: scenario.value(part, key) for key in scenario.settings[part]}
            for part in SETTINGS
        },
        "measures": {m: scenario.value("measures", m) for m in scenario.settings["measures"]},
        "scales": {
            scale: {
                "general": s.general,
                "specific": s.specific,
                "thresholds": s.thresholds.tolist(),
                "difficulty": s.difficulty.tolist(),
            }
            for scale, s in solved.scales.items()
        },
        "hospital": solved.hospital,
        "case_manager_shares": share,
        "roots": roots,
        "truth": _truth(solved),
    }


class _Solved:
    """A scenario's scores, with all that was solved for them."""

    def __init__(self, scenario: Scenario, book: Codebook) -> None:
        self.scenario, self.codebook = scenario, book
        study = {key: scenario.value("study", key) for key in scenario.settings["study"]}
        share = study["n_neuropsychiatric"] / study["n_sites"]
        self.weights = np.array([share, 1 - share])
        design = study["n_clients"], study["n_case_managers"]
        if caseload_concentration(study, *design) <= 0:
            raise ScenarioError(
                f"Scenario {scenario.name!r}: study > caseload_spread is too large."
            )
        self.scales = _scales(scenario, book)
        self.hospital = {
            days: {
                t: solve_hospital(
                    *(scenario.value("hospital", days, t, k) for k in ("mean", "zero", "cap"))
                )
                for t in SITE_TYPES
            }
            for days in DAYS
        }
        variables = {name: _plain(s.mean, s.sd, s.coefs) for name, s in self.scales.items()}
        for name in scenario.settings["measures"]:
            steps = rounded_normal(**scenario.value("measures", name))
            mean, variance, coefs = step_moments(steps)
            variables[name] = _plain(mean, variance**0.5, coefs)
        for name, types in self.hospital.items():
            variables[name] = _mixture([hospital_steps(**t) for t in types.values()], self.weights)
        self.variables = {name: _with_share(name, v, scenario) for name, v in variables.items()}
        self.roots = latent_roots(scenario, self.variables, self.scales, self.weights)


def _scales(scenario: Scenario, book: Codebook) -> dict[str, SumScale]:
    made: dict[str, SumScale] = {}
    for name in SCALES:
        make = _maker(scenario, name, book.scales[name])
        below = scenario.get("scales", name, "below", default=None)
        shift = shift_below(made[below["scale"]], below["d"], make) if below else 0.0
        made[name] = make(shift)
    return made


def _maker(scenario: Scenario, name: str, scale: Scale) -> Callable[[float], SumScale]:
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


def _mixture(types: list[Steps], weights: np.ndarray) -> Variable:
    means, variances, coefs = (np.array(x) for x in zip(*map(step_moments, types), strict=True))
    mean = float(weights @ means)
    sd = float(np.sqrt(weights @ (variances + np.square(means - mean))))
    return Variable(mean, sd, coefs / sd, (means - mean) / sd)


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


def _truth(made: _Solved) -> list[tuple]:
    """Rows of the truth table; a design effect is what divides n_clients for `effective_n`."""
    return [*_design(made), *_scores(made), *_links(made), *_hospital(made), *_effective(made)]


def _design(made: _Solved) -> list[tuple]:
    value, tag = made.scenario.value, made.scenario.tag
    names = ("n_clients", "n_case_managers", "n_sites", "caseload_spread")
    return [(name, "", "", float(value("study", name)), tag("study", name)) for name in names]


def _informant(name: str) -> str:
    if name in MANAGER:
        return ""
    return next(
        (i for i in ("case_manager", "client") if name in (f"{i}_alliance", f"{i}_outcome")), ""
    )


def _scores(made: _Solved) -> list[tuple]:
    value, tag, rows = made.scenario.value, made.scenario.tag, []
    for name in SCALES:
        who = _informant(name)
        for quantity in ("alpha", "case_manager_share"):
            at = ("scales", name, quantity)
            rows.append((quantity, who, name, float(value(*at)), tag(*at)))
        size = len(made.scales[name].cuts) if made.codebook.scales[name].score == "mean" else 1
        v = made.variables[name]
        rows += [("mean", who, name, v.mean / size, "assumed")]
        rows += [("sd", who, name, v.sd / size, "assumed")]
    health = "health_sickness"
    share = float(value("measures", health, "case_manager_share"))
    rows.append(("case_manager_share", "", health, share, "assumed"))
    for name in (*made.scenario.settings["measures"], *DAYS):
        v = made.variables[name]
        rows += [("mean", "", name, v.mean, "assumed"), ("sd", "", name, v.sd, "assumed")]
    below = made.scenario.get("scales", "case_manager_alliance", "below", default=None)
    if below:
        source = tag("scales", "case_manager_alliance", "below")
        rows.append(("d", "", "client_alliance:case_manager_alliance", below["d"], source))
    return rows


def _links(made: _Solved) -> list[tuple]:
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


def _target(made: _Solved, links: dict, of: frozenset[str]) -> tuple[float, str]:
    """The observed correlation that a link, or its absence, stands for."""
    if of not in links:
        return 0.0, "assumed"
    link = links[of]
    if link.kind == "rate_ratio":
        return implied_correlation(link, made.variables, made.scales, made.scenario), link.tag
    if link.kind == "latent_r":
        x, y = (made.variables[name] for name in sorted(of))
        return correlation(x, y, made.weights, link.value), link.tag
    return link.value, link.tag


def _hospital(made: _Solved) -> list[tuple]:
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
            rows.append((quantity, "", days, float(made.weights @ values), "assumed"))
        for site_type in SITE_TYPES:
            mean = entries[site_type]["mean"]
            rows.append(("mean", "", f"{days}:{site_type}", float(mean["value"]), mean["tag"]))
    return rows


def _effective(made: _Solved) -> list[tuple]:
    """How many times fewer independent dyads than clients a correlation with each alliance has."""
    value = made.scenario.value
    spread = value("study", "caseload_spread")
    share = {
        name: value("scales", name, "case_manager_share")
        for name in (*ALLIANCES.values(), "symptoms")
    }
    pairs = [(who, "caseload_difficulty", share[a]) for who, a in ALLIANCES.items()]
    product = share["case_manager_alliance"] * share["symptoms"]
    pairs.append(("case_manager", "symptoms", product))
    return [("design_effect", who, term, 1 + (spread - 1) * p, "assumed") for who, term, p in pairs]
