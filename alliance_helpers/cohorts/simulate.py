"""Synthetic studies with a stated truth: the dyad table at once, or raw tables with their dirt.

The population is calibrated in `data/calibration.json` (`population`), drawn once (`draws`), and
written down either without error or gap, or as the five raw tables that a study's data entry
leaves (`raw_study`).
"""

from __future__ import annotations

import os
import shutil
from functools import partial
from numbers import Integral
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from ..errors import ParameterError
from ..paths import TRUTH, empty_for_a_run, held, told, write_whole
from ..study.load import Study
from .courses import BROUGHT, courses, simulate_sessions
from .draws import Draws, draw
from .population import population, truth_table
from .raw_study import raw_tables

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
