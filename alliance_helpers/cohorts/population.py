"""What a scenario's cohorts are drawn from, and the truth that it states.

`data/scenarios.yml` says what a researcher would observe. `python -m tools.calibrate` works out,
once, what the latent variables need for that, and writes it to `data/calibration.json`; it is read
here. Only what depends on a study's size is left to work out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import gammainc, ndtri

from ..errors import CodebookError, ScenarioError
from ..paths import CALIBRATION, ROOT, SCENARIOS
from ..study.codebook import Codebook, Scale
from ..study.read_codebook import read_codebook
from ..study.yaml_text import read_yaml

MANAGER = ("case_manager_age", "case_manager_experience_log", "caseload_difficulty")
SCALES = ("client_alliance", "case_manager_alliance", "client_outcome", "case_manager_outcome")
SCALES += ("symptoms", "living_skills", "symptoms_intake")
DAYS = ("hospital_days", "hospital_days_before")
SITE_TYPES = ("neuropsychiatric", "general")
LONGEST = 731  # days in the longest two years
COLUMNS = ["quantity", "informant", "term", "target", "tag"]


@dataclass(frozen=True, eq=False)
class Steps:
    """A number that a normal variable z falls into: `values[i]` if i of the `cuts` are below z."""

    cuts: np.ndarray
    values: np.ndarray

    def draw(self, z: np.ndarray) -> np.ndarray:
        """The values that normal draws fall into."""
        return self.values[np.searchsorted(self.cuts, z)]


def rounded_normal(low: float, high: float, step: float, sd: float, **centre: float) -> Steps:
    """A normal number about its `mean` in equal steps, or a log-normal one about its `median`, in
    logs.
    """
    values = np.round(low + step * np.arange(round((high - low) / step) + 1.0), 6)
    middles = (values[1:] + values[:-1]) / 2
    if "median" in centre:
        return Steps(np.log(middles / centre["median"]) / sd, np.log(values))
    return Steps((middles - centre["mean"]) / sd, values)


def hospital_steps(zero: float, shape: float, scale: float) -> Steps:
    """Days out of two years: a share of none, the rest gamma, cut at the window's end."""
    days = np.arange(LONGEST + 1)
    below = zero + (1 - zero) * gammainc(shape, days[:-1] / scale)
    return Steps(ndtri(below), days.astype(float))


@dataclass(frozen=True, eq=False)
class ItemScale:
    """A scale of ordinal items under one general factor and, maybe, one factor per subscale.

    Item i answers low + the number of its `cuts` below
    sqrt(general) G + sqrt(specific) S_group(i) + sqrt(1 - general - specific) e_i.
    """

    thresholds: np.ndarray  # of the average item
    difficulty: np.ndarray  # of each item
    groups: np.ndarray
    general: float
    specific: float
    low: float

    @property
    def cuts(self) -> np.ndarray:
        return self.thresholds + self.difficulty[:, None]


@dataclass(frozen=True, eq=False)
class Population:
    """All that a study is drawn from.

    Attributes
    ----------
    settings : dict
        The scenario's own numbers: `study other missing dirt`.
    shares : dict of float
        Case managers' share of a variable's latent variance, where they have one.
    levels : dict of tuple
        The variables that differ `between` case managers, or `within` them between clients, and
        the Cholesky root of their latent correlations.
    truth : list of list
        Rows of the truth table for the scenario's own number of clients.
    """

    settings: Mapping[str, Mapping[str, Any]]
    codebook: Codebook
    scales: Mapping[str, ItemScale]
    steps: Mapping[str, Steps]
    days: Mapping[str, tuple[Steps, ...]]
    shares: Mapping[str, float]
    levels: Mapping[str, tuple[tuple[str, ...], np.ndarray]]
    truth: list[list]


@cache
def population(name: str = "published") -> Population:
    """The population of a calibrated scenario (read once).

    Raises
    ------
    ScenarioError
        A scenario that is unknown, new or changed since the last calibration.
    """
    offered, book = read_scenarios(), read_codebook()
    wanted = digest(offered, name, book)
    try:
        calibrated = json.loads(CALIBRATION.read_text(encoding="utf-8")).get(name, {})
    except (OSError, ValueError):
        calibrated = {}
    if calibrated.get("digest") != wanted:
        new = f"Scenario {name!r} of {SCENARIOS.name} is new or changed since the last calibration"
        raise ScenarioError(f"{new}; run `python -m tools.calibrate` in {ROOT}.")
    return made_of(calibrated, book)


def read_scenarios() -> dict:
    """What `data/scenarios.yml` holds: numbers that all scenarios share, and `scenarios`."""
    try:
        raw, _ = read_yaml(SCENARIOS)
    except CodebookError as error:
        raise ScenarioError("; ".join(map(str, error.problems))) from None
    if not isinstance(raw.get("scenarios"), dict):
        raise ScenarioError(f"{SCENARIOS.name} has no entry 'scenarios'.")
    if bad := [key for key, entry in raw["scenarios"].items() if not isinstance(entry, dict)]:
        raise ScenarioError(f"Scenario {bad[0]!r} is not a mapping of title, extends, links ...")
    return raw


def ancestors(raw: Mapping[str, Any], name: str) -> list[str]:
    """A scenario and those that it extends, itself first."""
    offered = raw["scenarios"]
    if name not in offered:
        raise ScenarioError(f"Unknown scenario {name!r}; use one of {', '.join(offered)}.")
    chain = [name]
    while parent := offered[chain[-1]].get("extends"):
        if parent not in offered or parent in chain:
            raise ScenarioError(f"Scenario {chain[-1]!r} extends {parent!r}, which cannot be.")
        chain.append(parent)
    return chain


def digest(raw: Mapping[str, Any], name: str, book: Codebook) -> str:
    """SHA-256 of all that a calibration rests on: the scenario's entries, and the scales' items."""
    shared = {key: value for key, value in raw.items() if key != "scenarios"}
    entries = [raw["scenarios"][step] for step in ancestors(raw, name)]
    scales = [(s.limits, list(s.keys.items()), s.score) for s in map(book.scales.get, SCALES)]
    return sha256(repr([shared, entries, scales]).encode()).hexdigest()


def made_of(calibrated: Mapping[str, Any], book: Codebook) -> Population:
    """The population that an entry of `data/calibration.json` describes."""
    scales = {}
    for name, entry in calibrated["scales"].items():
        arrays = {part: np.array(entry[part]) for part in ("thresholds", "difficulty")}
        form = {"groups": groups(book.scales[name]), "low": book.scales[name].limits[0]}
        scales[name] = ItemScale(**entry | arrays | form)
    steps = {name: rounded_normal(**entry) for name, entry in calibrated["measures"].items()}
    stays, roots = calibrated["hospital"].items(), calibrated["roots"].items()
    days = {name: tuple(hospital_steps(**by[t]) for t in SITE_TYPES) for name, by in stays}
    levels = {level: (tuple(rows), _triangle([*rows.values()])) for level, rows in roots}
    settings, shares = calibrated["settings"], calibrated["case_manager_shares"]
    return Population(settings, book, scales, steps, days, shares, levels, calibrated["truth"])


def groups(scale: Scale) -> np.ndarray:
    """The subscale of each item, as a number from 0."""
    of = np.zeros(len(scale.items), dtype=int)
    for i, numbers in enumerate(scale.keys.values()):
        of[np.abs(numbers) - 1] = i
    return of


def _triangle(rows: list[list[float]]) -> np.ndarray:
    """A lower triangle, of which each row is written down to its diagonal."""
    root = np.zeros((len(rows), len(rows)))
    root[np.tril_indices(len(rows))] = np.concatenate(rows)
    return root


def case_managers(study: Mapping[str, Any], n_clients: int) -> int:
    """Number of case managers of a study of this size, at the scenario's mean caseload."""
    mean = study["n_clients"] / study["n_case_managers"]
    return min(n_clients, max(1, round(n_clients / mean)))


def caseload_concentration(study: Mapping[str, Any], n_clients: int, n_managers: int) -> float:
    """How alike case managers' chances of a client are, for the scenario's sum of squares.

    Beyond one client each, caseloads are Dirichlet-multinomial; infinity means equal chances, and
    a value of 0 or less a spread that no chances give.
    """
    rest, equal = n_clients - n_managers, 1 / n_managers * (1 - 1 / n_managers)
    mean = n_clients / n_managers
    extra = study["caseload_spread"] * mean - mean**2 - rest * equal
    if extra <= 0 or n_managers == 1 or rest < 2:
        return np.inf
    return (rest * (rest - 1) * equal / extra - 1) / n_managers


def truth_table(made: Population, n_clients: int) -> pd.DataFrame:
    """Targets of a study of so many clients, in a tidy table.

    Returns
    -------
    DataFrame
        `quantity informant term target tag`. Quantities: `n_clients n_case_managers n_sites
        caseload_spread alpha case_manager_share d mean sd r rate_ratio zero_share cap_share
        effective_n` (number of independent dyads that a correlation with an alliance is worth);
        `r` of an informant is that of the alliance with the term, the other `r` are of the pair in
        the term. The tag says whether a target is published, taken from the literature, or
        assumed; what merely follows from assumed numbers is assumed.
    """
    table = pd.DataFrame(made.truth, columns=COLUMNS)
    study = made.settings["study"]
    effective = table["quantity"] == "design_effect"
    table.loc[effective, "quantity"] = "effective_n"
    table.loc[effective, "target"] = n_clients / table["target"]
    if n_clients != study["n_clients"]:
        managers = case_managers(study, n_clients)
        sizes = {"n_clients": n_clients, "n_case_managers": managers}
        table.loc[table["quantity"].isin(sizes), "tag"] = "assumed"
        sizes["n_sites"] = min(study["n_sites"], managers)
        table["target"] = table["quantity"].map(sizes).fillna(table["target"])
    return table
