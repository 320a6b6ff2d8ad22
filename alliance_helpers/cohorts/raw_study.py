"""The five raw tables of a drawn cohort, with the gaps and the dirt that real ones have.

Gaps and dirt have their own random streams, one a table; what lies under them stays as drawn.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from .draws import TABLES, Draws, draw_stays, labels, stream

MISSING_CODE = -9
BPRS_SLIPS = (0, 8, 9)
SPELLINGS = ("Site {:02d}", "site {}", "SITE-{:02d}", "Site {} ")  # the first is right


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
