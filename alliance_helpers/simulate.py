"""Synthetic studies with a stated truth: the dyad table at once, or the raw tables with dirt."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd

from .draws import Draws, draw
from .errors import ParameterError
from .population import SITE_TYPES, population

COLUMNS = (
    "client_age", "client_female", "schizophrenia", "symptoms_intake", "health_sickness_intake",
    "hospital_days_before", "case_manager_age", "case_manager_experience",
    "case_manager_experience_log", "caseload_difficulty", "contacts",
    "client_alliance", "client_alliance_task", "client_alliance_bond", "client_alliance_goal",
    "case_manager_alliance", "case_manager_alliance_task", "case_manager_alliance_bond",
    "case_manager_alliance_goal", "client_outcome", "case_manager_outcome", "symptoms",
    "health_sickness", "living_skills", "hospital_days",
)  # fmt: skip


def simulate_dyads(
    scenario: str = "published", n_clients: int = 201, seed: int = 1995
) -> pd.DataFrame:
    made = population(scenario)
    return dyad_table(draw(made, n_clients, seed))


def dyad_table(cohort: Draws) -> pd.DataFrame:
    manager = cohort.manager
    columns = {
        "client_id": labels("C", 3, len(manager)),
        "case_manager_id": labels("M", 2, len(cohort.site)).take(manager),
        "site": site_labels(cohort).take(cohort.site[manager]),
        "site_type": pd.array(SITE_TYPES, dtype="str").take(
            np.where(cohort.neuropsychiatric[manager], 0, 1)
        ),
    }
    for name in COLUMNS:
        if name in cohort.managers:
            columns[name] = cohort.managers[name][manager]
        else:
            columns[name] = cohort.scores[name]
    return pd.DataFrame(columns, copy=False)


def site_labels(cohort):
    return labels("Site ", 2, cohort.population.scenario.value("study", "n_sites"))


@lru_cache(maxsize=8)
def labels(prefix: str, width: int, n: int):
    width = max(width, len(str(n)))
    return pd.array([f"{prefix}{i:0{width}d}" for i in range(1, n + 1)], dtype="str")
