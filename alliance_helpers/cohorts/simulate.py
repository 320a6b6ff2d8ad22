"""Synthetic studies with a stated truth: the dyad table at once, or raw tables with their dirt.

The population is calibrated in `data/calibration.json` (`population`), drawn once (`draws`), and
written down either without error or gap, or as the five raw tables that a study's data entry
leaves. Gaps and dirt have their own random streams, one a table; what lies under them stays as it
was drawn.
"""

from __future__ import annotations

import os
import shutil
from functools import partial
from numbers import Integral
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from ..errors import ParameterError
from ..paths import TRUTH, empty_for_a_run, held, told, write_whole
from ..study.load import Study
from .courses import BROUGHT, courses, simulate_sessions
from .draws import TABLES, Draws, draw, draw_stays, labels, stream
from .population import population, truth_table

MISSING_CODE = -9
BPRS_SLIPS = (0, 8, 9)
SPELLINGS = ("Site {:02d}", "site {}", "SITE-{:02d}", "Site {} ")  # the first is right
MOST_CLIENTS = 10_000_000
README = (
    "# Synthetic study\n\nSYNTHETIC DATA: no person stands behind any row. Made by alliance-kit, "
)
README += "{source}.\n`truth.csv` holds what it was drawn from.\n"


def simulate_dyads(scenario="published", n_clients=201, seed=1995) -> pd.DataFrame:
    """One row per client as a study without error or gap would have it.

    The same clients as :func:`simulate_study` draws with the same arguments, scored.

    Parameters
    ----------
    scenario : str
        A name in `data/scenarios.yml`: published, no_association, halo, hospital_effect,
        pretreatment_effect, client_treatment.
    n_clients : int
        Clients; the case managers scale with them (45 for 201).
    seed : int

    Returns
    -------
    DataFrame
        Ids (text) and scores (float): the columns of the cleaned study's dyad table.

    Raises
    ------
    ScenarioError
        Unknown scenario, or targets that cannot be reached.
    ParameterError
        `n_clients` or `seed` that cannot be used.

    Examples
    --------
    >>> simulate_dyads("published", 201, seed=1995).shape
    (201, 29)
    """
    check_size(n_clients, seed)
    return dyad_table(draw(population(scenario), int(n_clients), int(seed)))


def dyad_table(drawn: Draws) -> pd.DataFrame:
    """The dyad table of what was drawn."""
    managers = {name: x[drawn.manager] for name, x in drawn.managers.items()}
    return pd.DataFrame(drawn.people() | drawn.scores | managers, copy=False)


def simulate_study(scenario: str = "published", n_clients: int = 201, seed: int = 1995) -> Study:
    """A synthetic study's five raw tables, with missing answers, dirt and a stated truth.

    Parameters
    ----------
    scenario : str
        A name in `data/scenarios.yml`, or one over time (one table of sessions) in
        `data/over_time/scenarios.yml`.
    n_clients, seed : int

    Returns
    -------
    Study
        `truth` has the columns `quantity informant term target tag`.

    Raises
    ------
    ScenarioError, ParameterError

    Examples
    --------
    >>> study = simulate_study(n_clients=20)
    >>> len(study.tables["client_interviews"])
    20
    """
    check_size(n_clients, seed)
    if scenario in courses():
        return simulate_sessions(scenario, int(n_clients), int(seed))
    made = population(scenario)
    drawn = draw(made, int(n_clients), int(seed))
    source = f"synthetic, scenario {scenario}, {n_clients:,} clients, seed {seed}"
    return Study(raw_tables(drawn), made.codebook, source, truth_table(made, int(n_clients)))


def write_study(study: Study, out: str | Path) -> Path:
    """Write a synthetic study's tables, its truth and a README as a folder, whole or not at all.

    Parameters
    ----------
    study : Study
        From :func:`simulate_study`.
    out : path
        A folder that does not exist yet, is empty, or holds an earlier synthetic study as it was
        written, which is then replaced.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OutputError
        The folder holds something else, or cannot be written.
    ParameterError
        The study is not synthetic.
    """
    if study.truth is None:
        raise ParameterError("Only a synthetic study is written; this one has no truth.")
    out = Path(os.path.realpath(out))
    files = {TRUTH: study.truth}
    files |= {study.codebook.tables[name].file: table for name, table in study.tables.items()}
    with (
        told(out),
        held(out, "simulate"),
        TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as new,
    ):
        for file, table in files.items():
            table.to_csv(Path(new, file), index=False, float_format="%.10g")
        notes = {"README.md": README.format(source=study.source)}
        if study.codebook.text == BROUGHT["codebook"].read_text("utf-8"):
            notes |= {file.name: file.read_text("utf-8") for file in BROUGHT.values()}
        for name, text in notes.items():
            Path(new, name).write_text(text, encoding="utf-8")
        empty_for_a_run(out)
        for file in (*files, *notes):
            write_whole(out / file, partial(shutil.move, Path(new, file)))
    return out


def check_size(n_clients: int, seed: int) -> None:
    """Refuse a number of clients, or a seed, that nothing can be drawn with (ParameterError)."""
    whole = isinstance(n_clients, Integral) and not isinstance(n_clients, bool)
    if not whole or not 2 <= n_clients <= MOST_CLIENTS:
        wanted = f"a whole number from 2 to {MOST_CLIENTS:,}"
        raise ParameterError(f"n_clients is {n_clients!r}; give {wanted}.")
    if not isinstance(seed, Integral) or isinstance(seed, bool) or not 0 <= seed < 2**64:
        raise ParameterError(f"seed is {seed!r}; give a whole number from 0 to 2**64 - 1.")


def raw_tables(drawn: Draws) -> dict[str, pd.DataFrame]:
    """The tables as the study's data entry left them; needs draws that kept their items."""
    makers = _client_interviews, _case_manager_forms, _case_managers, _clinical_ratings
    made = zip(TABLES, (*makers, _hospital_episodes), strict=True)
    return {name: make(drawn, _Spoiler(drawn, name)) for name, make in made}


class _Spoiler:
    """Makes the dates, the gaps and the dirt of one table, at the scenario's rates."""

    def __init__(self, drawn: Draws, table: str) -> None:
        self.missing, self.rates = (drawn.population.settings[p] for p in ("missing", "dirt"))
        self.n_sites = drawn.population.settings["study"]["n_sites"]
        self.gaps = stream(drawn.seed, "missing", table)
        self.dirt = stream(drawn.seed, "dirt", table)
        self.dates = stream(drawn.seed, "dates", table)

    def items(self, answers: np.ndarray) -> np.ndarray:
        """Answers as numbers, some of them blank (NaN) or the missing code."""
        cells = answers.astype(np.float32)
        gone = self.gaps.random(cells.shape, dtype=np.float32) < self.missing["item"]
        coded = self.gaps.random(int(gone.sum())) < self.missing["missing_code"]
        cells[gone] = np.where(coded, MISSING_CODE, np.nan)
        return cells

    def absent(self, kind: str, n: int) -> np.ndarray:
        """Which of n whole forms are missing."""
        return self.gaps.random(n) < self.missing[kind]

    def cells(self, kind: str, size: int) -> np.ndarray:
        """Places among `size` to spoil: the scenario's share, and at least one."""
        wanted = min(size, max(1, round(self.rates[kind] * size)))
        return np.sort(self.dirt.choice(size, wanted, replace=False))

    def sites(self, site: np.ndarray) -> pd.api.extensions.ExtensionArray:
        """Site names, some of them spelled in another way."""
        known = [s.format(i + 1) for s in SPELLINGS for i in range(self.n_sites)]
        spelled = site.copy()
        rows = self.cells("site_spelling", len(site))
        spelled[rows] += self.n_sites * self.dirt.integers(1, len(SPELLINGS), size=len(rows))
        return pd.array(known, dtype="str").take(spelled)

    def around(self, base: np.ndarray, days: int) -> np.ndarray:
        """Dates up to so many days before or after others."""
        return _dates(base + self.dates.integers(-days, days + 1, size=len(base)))


def _dates(days: np.ndarray) -> np.ndarray:
    return days.astype("datetime64[us]")


def _numbered(pattern: str, cells: np.ndarray) -> dict[str, np.ndarray]:
    return {pattern.format(i + 1): np.ascontiguousarray(cells[:, i]) for i in range(cells.shape[1])}


def _client_interviews(drawn: Draws, spoil: _Spoiler) -> pd.DataFrame:
    interview = spoil.around(drawn.intake + drawn.window, 30)
    scales = {"wai_c_{:02d}": "client_alliance", "outcome_c_{}": "client_outcome"}
    scales["living_{}"] = "living_skills"
    items = {pattern: spoil.items(drawn.items[scale]) for pattern, scale in scales.items()}
    refused = spoil.absent("client_interview", len(interview))
    interview[refused] = np.datetime64("NaT")
    female, age = (drawn.scores[name].astype(int) for name in ("client_female", "client_age"))
    diagnoses = list(drawn.population.settings["other"]["diagnoses"])
    columns = drawn.people() | {"site": spoil.sites(drawn.site[drawn.manager])}
    columns |= {"intake_date": _dates(drawn.intake), "interview_date": interview, "client_age": age}
    columns["sex"] = pd.array(["male", "female"], dtype="str").take(female)
    columns["diagnosis"] = pd.array(diagnoses, dtype="str").take(drawn.diagnosis)
    for pattern, cells in items.items():
        cells[refused] = np.nan
        columns |= _numbered(pattern, cells)
    return pd.DataFrame(columns, copy=False)


def _case_manager_forms(drawn: Draws, spoil: _Spoiler) -> pd.DataFrame:
    contacts = drawn.scores["contacts"].astype(np.float32)
    alliance = spoil.items(drawn.items["case_manager_alliance"])
    outcome = spoil.items(drawn.items["case_manager_outcome"])
    absent = spoil.absent("case_manager_form", len(contacts))
    slips = spoil.cells("contacts_negative", len(contacts))
    negative = -np.maximum(contacts[slips], 1)
    contacts[slips] = np.where(negative == MISSING_CODE, MISSING_CODE - 1, negative)
    people = drawn.people()
    columns = {name: people[name] for name in ("client_id", "case_manager_id")}
    columns |= {"form_date": spoil.around(drawn.intake + drawn.window, 30), "contacts": contacts}
    columns |= _numbered("wai_cm_{:02d}", alliance) | _numbered("outcome_cm_{}", outcome)
    return _fill_in_twice(pd.DataFrame(columns, copy=False)[~absent].reset_index(drop=True), spoil)


def _fill_in_twice(forms: pd.DataFrame, spoil: _Spoiler) -> pd.DataFrame:
    """Some forms were filled in before, with four answers one off; the later ones stand last."""
    if forms.empty:
        return forms
    rows = spoil.cells("duplicate_form", len(forms))
    later = forms.iloc[rows]
    forms = forms.copy()
    date = forms.columns.get_loc("form_date")
    earlier = pd.to_timedelta(spoil.dirt.integers(14, 60, size=len(rows)), unit="D")
    forms.iloc[rows, date] = (later["form_date"] - earlier).to_numpy()
    for item in spoil.dirt.choice(36, size=4, replace=False):
        place = forms.columns.get_loc(f"wai_cm_{item + 1:02d}")
        was = later.iloc[:, place].to_numpy()
        forms.iloc[rows, place] = np.where(was >= 1, np.where(was < 7, was + 1, was - 1), was)
    return pd.concat([forms, later], ignore_index=True)


def _case_managers(drawn: Draws, spoil: _Spoiler) -> pd.DataFrame:
    columns = {"case_manager_id": labels("M", 2, len(drawn.site)).copy()}
    columns["site"] = spoil.sites(drawn.site)
    for n in ("case_manager_age", "case_manager_experience", "caseload_difficulty"):
        columns[n] = drawn.managers[n].astype(float if n == "case_manager_experience" else np.int64)
    return pd.DataFrame(columns)


def _clinical_ratings(drawn: Draws, spoil: _Spoiler) -> pd.DataFrame:
    """Two rows a client, intake and two years; the second may be missing."""

    def rows(intake: np.ndarray, two_years: np.ndarray) -> np.ndarray:
        return np.stack([intake, two_years], axis=1).reshape(-1, *intake.shape[1:])

    n = len(drawn.manager)
    bprs = spoil.items(rows(drawn.items["symptoms_intake"], drawn.items["symptoms"]))
    health = rows(drawn.scores["health_sickness_intake"], drawn.scores["health_sickness"])
    health = health.astype(np.float32)
    slips = spoil.cells("bprs_out_of_range", bprs.size)
    bprs.reshape(-1)[slips] = spoil.dirt.choice(BPRS_SLIPS, size=len(slips))
    typed = spoil.cells("health_sickness_out_of_range", 2 * n)
    health[typed] = np.where(health[typed] > 10, health[typed] * 10, 999)
    dates = spoil.around(drawn.intake, 7), spoil.around(drawn.intake + drawn.window, 30)
    columns = {"client_id": drawn.people()["client_id"].take(np.repeat(np.arange(n), 2))}
    columns["occasion"] = pd.array(["intake", "two_years"], dtype="str").take(np.tile([0, 1], n))
    columns |= {"rating_date": rows(*dates)} | _numbered("bprs_{:02d}", bprs)
    columns["health_sickness"] = health
    present = rows(np.ones(n, bool), ~spoil.absent("two_year_rating", n))
    return pd.DataFrame(columns, copy=False)[present].reset_index(drop=True)


def _hospital_episodes(drawn: Draws, _: _Spoiler) -> pd.DataFrame:
    client, admission, discharge = draw_stays(drawn)
    days = {"admission": admission, "discharge": discharge}
    dates = {name: _dates(drawn.intake[client] + day) for name, day in days.items()}
    return pd.DataFrame({"client_id": drawn.people()["client_id"].take(client)} | dates)
