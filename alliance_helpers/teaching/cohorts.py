"""The dyads that a seminar unit works on, quickly: a page must open while a class is waiting."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from ..codebook import Codebook, read_codebook
from ..simulate import simulate_dyads
from ..study import open_cohort


class Dyads(NamedTuple):
    """One row per client, and the codebook that says what the columns are."""

    dyads: pd.DataFrame
    codebook: Codebook


def open_dyads(
    data: str = "",
    codebook: str = "",
    scenario: str = "published",
    n_clients: int = 201,
    seed: int = 1995,
) -> Dyads:
    """Your own study's dyads, cleaned and scored, or synthetic ones without gaps or slips.

    Parameters
    ----------
    data, codebook : str
        Folder of your own study, and its codebook; with `data` empty dyads are simulated.
    scenario, n_clients, seed
        Of the simulation. As they stand these are the 201 clients of the shipped cohort, before
        answers went missing and slips were made.

    Raises
    ------
    ScenarioError, ParameterError, DataError, CodebookError

    Examples
    --------
    >>> len(open_dyads().dyads)
    201
    """
    if data:
        opened = open_cohort(data, codebook)
        return Dyads(opened.dyads, opened.codebook)
    return Dyads(simulate_dyads(scenario, n_clients, seed), read_codebook())
