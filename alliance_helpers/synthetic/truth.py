"""What a synthetic study was drawn from, as a table: every target with its tag."""

from __future__ import annotations

from itertools import combinations

import pandas as pd

from .latent_links import DAYS, MANAGER, SCALES, implied_correlation
from .population import SITE_TYPES, Population, case_managers

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
