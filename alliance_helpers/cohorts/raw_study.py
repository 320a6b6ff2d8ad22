"""The five raw tables of a drawn cohort, with the gaps and the dirt that real ones have.

Gaps and dirt have their own random streams, one a table; what lies under them stays as drawn.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from .draws import Draws, draw_stays, stream
from .population import SITE_TYPES

MISSING_CODE = -9
BPRS_SLIPS = (0, 8, 9)
SPELLINGS = ("site {}", "SITE-{:02d}", "Site {} ")


def labels(prefix: str, width: int, n: int) -> pd.api.extensions.ExtensionArray:
    """Ids with a prefix, counted from 1."""
    width = max(width, len(str(n)))
    return pd.array([f"{prefix}{i:0{width}d}" for i in range(1, n + 1)], dtype="str")


def raw_tables(drawn: Draws) -> dict[str, pd.DataFrame]:
    """The tables as the study's data entry left them; needs draws that kept their items."""
    ids = labels("C", 3, len(drawn.manager))
    managers = labels("M", 2, len(drawn.site))
    return {
        "client_interviews": _client_interviews(drawn, ids, managers),
        "case_manager_forms": _case_manager_forms(drawn, ids, managers),
        "case_managers": _case_managers(drawn, managers),
        "clinical_ratings": _clinical_ratings(drawn, ids),
        "hospital_episodes": _hospital_episodes(drawn, ids),
    }


class _Spoiler:
    """Makes the gaps and the dirt of one table, at the scenario's rates."""

    def __init__(self, drawn: Draws, table: str) -> None:
        self.value = drawn.population.scenario.value
        self.gaps = stream(drawn.seed, "missing", table)
        self.dirt = stream(drawn.seed, "dirt", table)

    def items(self, answers: np.ndarray) -> np.ndarray:
        """Answers as numbers, some of them blank (NaN) or the missing code."""
        cells = answers.astype(np.float32)
        gone = self.gaps.random(cells.shape, dtype=np.float32) < self.value("missing", "item")
        coded = self.gaps.random(int(gone.sum())) < self.value("missing", "missing_code")
        cells[gone] = np.where(coded, MISSING_CODE, np.nan)
        return cells

    def absent(self, kind: str, n: int) -> np.ndarray:
        """Which of n whole forms are missing."""
        return self.gaps.random(n) < self.value("missing", kind)

    def cells(self, kind: str, size: int) -> np.ndarray:
        """Places among `size` to spoil: the scenario's share, and at least one."""
        wanted = min(size, max(1, round(self.value("dirt", kind) * size)))
        return np.sort(self.dirt.choice(size, wanted, replace=False))

    def sites(self, site: np.ndarray, n_sites: int) -> pd.api.extensions.ExtensionArray:
        """Site names, some of them spelled in another way."""
        known = [f"Site {i + 1:02d}" for i in range(n_sites)]
        known += [s.format(i + 1) for s in SPELLINGS for i in range(n_sites)]
        spelled = site.copy()
        rows = self.cells("site_spelling", len(site))
        spelled[rows] += n_sites * self.dirt.integers(1, len(SPELLINGS) + 1, size=len(rows))
        return pd.array(known, dtype="str").take(spelled)


def _numbered(pattern: str, cells: np.ndarray) -> dict[str, np.ndarray]:
    return {pattern.format(i + 1): np.ascontiguousarray(cells[:, i]) for i in range(cells.shape[1])}


def _dates(days: np.ndarray) -> np.ndarray:
    return days.astype("datetime64[us]")


def _around(base: np.ndarray, days: int, rng: np.random.Generator) -> np.ndarray:
    """Dates up to so many days before or after others."""
    return base + rng.integers(-days, days + 1, size=len(base))


def _client_interviews(drawn: Draws, ids, managers) -> pd.DataFrame:
    n, spoil = len(drawn.manager), _Spoiler(drawn, "client_interviews")
    dates = stream(drawn.seed, "dates", "client_interviews")
    n_sites = drawn.population.scenario.value("study", "n_sites")
    diagnoses = list(drawn.population.scenario.value("other", "diagnoses"))
    interview = _dates(_around(drawn.intake + drawn.window, 30, dates))
    items = {
        "wai_c_{:02d}": spoil.items(drawn.items["client_alliance"]),
        "outcome_c_{}": spoil.items(drawn.items["client_outcome"]),
        "living_{}": spoil.items(drawn.items["living_skills"]),
    }
    refused = spoil.absent("client_interview", n)
    interview[refused] = np.datetime64("NaT")
    columns = {
        "client_id": ids,
        "case_manager_id": managers.take(drawn.manager),
        "site": spoil.sites(drawn.site[drawn.manager], n_sites),
        "site_type": pd.array(SITE_TYPES, dtype="str").take(
            np.where(drawn.neuropsychiatric[drawn.manager], 0, 1)
        ),
        "intake_date": _dates(drawn.intake),
        "interview_date": interview,
        "client_age": drawn.scores["client_age"].astype(np.int64),
        "sex": pd.array(["male", "female"], dtype="str").take(
            drawn.scores["client_female"].astype(int)
        ),
        "diagnosis": pd.array(diagnoses, dtype="str").take(drawn.diagnosis),
    }
    for pattern, cells in items.items():
        cells[refused] = np.nan
        columns |= _numbered(pattern, cells)
    return pd.DataFrame(columns, copy=False)


def _case_manager_forms(drawn: Draws, ids, managers) -> pd.DataFrame:
    n, spoil = len(drawn.manager), _Spoiler(drawn, "case_manager_forms")
    dates = stream(drawn.seed, "dates", "case_manager_forms")
    contacts = drawn.scores["contacts"].astype(np.float32)
    alliance = spoil.items(drawn.items["case_manager_alliance"])
    outcome = spoil.items(drawn.items["case_manager_outcome"])
    absent = spoil.absent("case_manager_form", n)
    slips = spoil.cells("contacts_negative", n)
    negative = -np.maximum(contacts[slips], 1)
    contacts[slips] = np.where(negative == MISSING_CODE, MISSING_CODE - 1, negative)
    columns = {
        "client_id": ids,
        "case_manager_id": managers.take(drawn.manager),
        "form_date": _dates(_around(drawn.intake + drawn.window, 30, dates)),
        "contacts": contacts,
        **_numbered("wai_cm_{:02d}", alliance),
        **_numbered("outcome_cm_{}", outcome),
    }
    forms = pd.DataFrame(columns, copy=False)
    forms = forms[~absent].reset_index(drop=True)
    return _fill_in_twice(forms, spoil)


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
        slip = np.where(was < 7, was + 1, was - 1)
        forms.iloc[rows, place] = np.where(was >= 1, slip, was)
    return pd.concat([forms, later], ignore_index=True)


def _case_managers(drawn: Draws, managers) -> pd.DataFrame:
    spoil = _Spoiler(drawn, "case_managers")
    n_sites = drawn.population.scenario.value("study", "n_sites")
    return pd.DataFrame(
        {
            "case_manager_id": managers,
            "site": spoil.sites(drawn.site, n_sites),
            "case_manager_age": drawn.managers["case_manager_age"].astype(np.int64),
            "case_manager_experience": drawn.managers["case_manager_experience"],
            "caseload_difficulty": drawn.managers["caseload_difficulty"].astype(np.int64),
        }
    )


def _clinical_ratings(drawn: Draws, ids) -> pd.DataFrame:
    """Two rows a client, intake and two years; the second may be missing."""
    n, spoil = len(drawn.manager), _Spoiler(drawn, "clinical_ratings")
    dates = stream(drawn.seed, "dates", "clinical_ratings")
    occasions = ("symptoms_intake", "symptoms")
    bprs = np.stack([drawn.items[scale] for scale in occasions], axis=1).reshape(2 * n, -1)
    bprs = spoil.items(bprs)
    health = np.stack(
        [drawn.scores["health_sickness_intake"], drawn.scores["health_sickness"]], axis=1
    ).reshape(2 * n)
    health = health.astype(np.float32)
    rated = np.stack(
        [_around(drawn.intake, 7, dates), _around(drawn.intake + drawn.window, 30, dates)], axis=1
    ).reshape(2 * n)
    slips = spoil.cells("bprs_out_of_range", bprs.size)
    bprs.reshape(-1)[slips] = spoil.dirt.choice(BPRS_SLIPS, size=len(slips))
    typed = spoil.cells("health_sickness_out_of_range", 2 * n)
    health[typed] = np.where(health[typed] > 10, health[typed] * 10, 999)
    columns = {
        "client_id": ids.take(np.repeat(np.arange(n), 2)),
        "occasion": pd.array(["intake", "two_years"], dtype="str").take(np.tile([0, 1], n)),
        "rating_date": _dates(rated),
        **_numbered("bprs_{:02d}", bprs),
        "health_sickness": health,
    }
    present = np.ones((n, 2), bool)
    present[:, 1] = ~spoil.absent("two_year_rating", n)
    return pd.DataFrame(columns, copy=False)[present.reshape(-1)].reset_index(drop=True)


def _hospital_episodes(drawn: Draws, ids) -> pd.DataFrame:
    client, admission, discharge = draw_stays(drawn)
    return pd.DataFrame(
        {
            "client_id": ids.take(client),
            "admission": _dates(drawn.intake[client] + admission),
            "discharge": _dates(drawn.intake[client] + discharge),
        }
    )
