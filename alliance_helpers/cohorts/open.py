"""The cohort that a notebook works on: the shipped one, your own, or a simulated one."""

from __future__ import annotations

import warnings

from ..errors import ParameterError
from ..study.clean import CleanStudy, clean
from ..study.load import Study, load_study
from .cohort import OPENED, Cohort, changed

_kept: dict[str, CleanStudy] = {}


def open_study(
    data: str = "", codebook: str = "", scenario: str = "", n_clients: int = 201, seed: int = 1995
) -> Study:
    """The raw tables behind :func:`open_cohort`, with its parameters and its errors."""
    check_asked(data, codebook, scenario, n_clients, seed)
    if scenario:
        from .simulate import simulate_study

        return simulate_study(scenario, n_clients, seed)
    return load_study(data or None, codebook or None)


def check_asked(
    data: str = "", codebook: str = "", scenario: str = "", n_clients: int = 201, seed: int = 1995
) -> None:
    """Refuse parameters of :func:`open_cohort` that do not go together, before anything is read.

    Raises
    ------
    ParameterError, ScenarioError
    """
    if data and scenario:
        raise ParameterError(
            f"Both data ({data}) and scenario ({scenario}) are given; leave one of them empty."
        )
    if scenario:
        from .courses import scenario_codebook
        from .simulate import check_size

        check_size(n_clients, seed)
        scenario_codebook(scenario)
        return
    idle = [f"{n} = {v!r}" for n, v, usual in (("n_clients", n_clients, 201), ("seed", seed, 1995))
            if v != usual]  # fmt: skip
    if idle:
        raise ParameterError(
            f"{' and '.join(idle)} would change nothing: only a simulated study has them. "
            "Name a scenario too, or leave them out."
        )


def open_cohort(
    data: str = "",
    codebook: str = "",
    scenario: str = "",
    n_clients: int = 201,
    seed: int = 1995,
    out: str = "",
    without: str = "",
    subscale: str = "",
    blocks: str = "",
) -> Cohort:
    """The cohort that a notebook's parameters ask for: one row per dyad, every change logged.

    Parameters
    ----------
    data : str
        Folder or file of your own study; empty for the shipped synthetic cohort.
    codebook : str
        Its data dictionary; empty for the one beside the data.
    scenario : str
        With `data` empty: simulate a study from this scenario of `data/scenarios.yml` instead.
    n_clients, seed : int
        Of the simulated study.
    out : str
        The folder in which `save_table`, `save_figure` and `save_record` write from now on; empty
        to show only. They use the words of this cohort's codebook.
    without, subscale, blocks : str
        Changes of the cohort; see :func:`.cohort.changed`.

    Raises
    ------
    ParameterError
        If both `data` and `scenario` are given, or `n_clients` or `seed` without a scenario.
    DataError, CodebookError, ScenarioError

    Examples
    --------
    >>> from alliance_helpers import open_cohort
    >>> cohort = open_cohort(scenario="halo", n_clients=60, seed=3)
    >>> len(cohort.dyads), cohort.raw["hospital_episodes"]
    (60, (316, 3))
    """
    asked = (data, codebook, scenario, n_clients, seed)
    cohort = Cohort(**vars(_kept.pop(repr(asked), None) or clean(open_study(*asked))))
    OPENED.out, OPENED.codebook, OPENED.changes = out, cohort.codebook, ()
    OPENED.n = len(cohort.dyads)
    return changed(cohort, without, subscale, blocks)


def keep_cohort(
    data: str = "", codebook: str = "", scenario: str = "", n_clients: int = 201, seed: int = 1995
) -> None:
    """Open a cohort now; the next call of `open_cohort` for it, and only that one, is given it.

    For a process that forks kernels, each of which then finds the cohort open. One that warns is
    not kept: the warning belongs on the page of the notebook.
    """
    asked = (data, codebook, scenario, n_clients, seed)
    with warnings.catch_warnings(record=True) as warned:
        cohort = clean(open_study(*asked))
    if not warned:
        _kept[repr(asked)] = cohort
