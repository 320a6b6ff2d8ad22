"""Cohorts over time: the sessions of clients whose courses are drawn from a stated truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from ..paths import COURSES
from ..study.codebook import Codebook
from ..study.load import Study
from ..study.read_codebook import read_codebook
from ..study.yaml_text import read_yaml
from .population import population

# The codebook and the claims that go with a scenario over time, by the parameters' names.
BROUGHT = {"codebook": COURSES / "codebook.yml", "claims": COURSES / "findings.yml"}
# The scenario of a trend and nothing else.
TREND_ONLY = "sessions_published_view"


def courses() -> dict[str, dict[str, Any]]:
    """The scenarios of `data/over_time/scenarios.yml`."""
    raw = read_yaml(COURSES / "scenarios.yml")[0]
    return {name: raw["all"] | own for name, own in raw["scenarios"].items()}


def scenario_codebook(scenario: str) -> Codebook:
    """The codebook of a scenario, over time or not.

    Raises
    ------
    ScenarioError
    """
    if scenario in courses():
        return read_codebook(BROUGHT["codebook"])
    return population(scenario).codebook


def simulate_sessions(scenario: str, n_clients: int, seed: int) -> Study:
    """The sessions of a scenario over time, as a study with its truth."""
    truth = courses()[scenario]
    source = f"synthetic, scenario {scenario}, {n_clients:,} clients, seed {seed}"
    rows = [("scenario", "", scenario, np.nan, truth["title"])]
    for name, value in truth.items():
        parts = value if isinstance(value, Mapping) else {name: value}
        if name != "title":
            rows += [(name, "client", part, number, "assumed") for part, number in parts.items()]
    told = pd.DataFrame(rows, columns=["quantity", "informant", "term", "target", "tag"])
    tables = {"sessions": draw_sessions(truth, n_clients, seed)}
    return Study(tables, scenario_codebook(scenario), source, told)


def draw_sessions(truth: Mapping[str, Any], n: int, seed: int, T: int | None = None):
    """One row per client and session.

    Parameters
    ----------
    truth : mapping
        A scenario of `data/over_time/scenarios.yml`.
    n, T : int
        Clients, and the sessions that each could have.
    seed : int

    Returns
    -------
    DataFrame : client_id case_manager_id session client_alliance symptoms

    Notes
    -----
    Deviations from the own mean follow a stationary vector autoregression of variance 1; whoever
    stops does so by what the last session told, so that what is missing is missing at random.

    Examples
    --------
    >>> draw_sessions(courses()["sessions_none"], 3, seed=1, T=2)["session"].max()
    np.int64(2)
    """
    T = T or truth["sessions"]
    values, there = draw_courses(truth, n, np.random.default_rng(seed), T)
    session, client = np.nonzero(there)
    order = np.lexsort((session, client))
    session, client = session[order], client[order]
    made = {"client_id": client, "case_manager_id": client // truth["clients_of_a_case_manager"]}
    made["session"] = session + 1
    for k, (column, name) in enumerate((("client_alliance", "alliance"), ("symptoms",) * 2)):
        about = truth[name]
        made[column] = (about["mean"] + about["sd"] * values[session, client, k]).round(3)
    frame = pd.DataFrame(made)
    for name, letter in (("client_id", "C"), ("case_manager_id", "M")):
        frame[name] = frame[name].map(lambda i, letter=letter: f"{letter}{i + 1:03d}")
    return frame


def draw_courses(truth: Mapping, n: int, rng, T: int) -> tuple[np.ndarray, np.ndarray]:
    """Alliance and symptoms (T, n, 2) as each client would have them, and who is there (T, n).

    In standard deviations within clients; with a `reliability` of each they are rated with error.
    """
    paths = np.eye(2) * truth["within"]["itself"]
    paths[0, 1] = truth["paths"]["symptoms_before_alliance"]
    paths[1, 0] = truth["paths"]["alliance_before_symptoms"]
    r, b = truth["within"]["correlation"], truth["between"]
    stable = np.array([[1.0, r], [r, 1.0]])
    new = np.linalg.cholesky(stable - paths @ stable @ paths.T)
    within = np.empty((T, n, 2))
    within[0] = rng.normal(size=(n, 2)) @ np.linalg.cholesky(stable).T
    for t in range(1, T):
        within[t] = within[t - 1] @ paths.T + rng.normal(size=(n, 2)) @ new.T
    managers = np.arange(n) // truth["clients_of_a_case_manager"]
    level = b["sd"] * np.linalg.cholesky([[1, b["correlation"]], [b["correlation"], 1]])
    share = b["share_of_case_managers"]
    people = np.sqrt(1 - share) * rng.normal(size=(n, 2))
    people += np.sqrt(share) * rng.normal(size=(managers[-1] + 1, 2))[managers]
    trend = truth["trend"] * np.arange(T)[:, None, None] * np.array([1.0, -1.0])
    values = within + people @ level.T + trend
    odds = logit(truth["stop"]) + truth["stop_with_symptoms"] * within[..., 1]
    stops = rng.random((T, n)) < expit(odds)
    there = np.cumsum(stops, axis=0) - stops == 0
    error = np.sqrt(1 / np.array(truth.get("reliability", (1, 1))) - 1)
    return values + error * rng.normal(size=(T, n, 2)), there
