"""Every variable with each informant's alliance rating, one at a time."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..errors import NotEstimableError
from ..study.codebook import Codebook
from ..study.read_codebook import book_of
from .analyses import ANALYSES

COLUMNS = [
    "informant", "block", "term", "estimate", "conf_low", "conf_high", "low_90", "high_90",
    "p_value", "df", "n",
]  # fmt: skip


def associations(
    dyads: pd.DataFrame,
    codebook: Codebook | None = None,
    analysis: str = "as_published",
    bound: float = 0.20,
    informants: tuple[str, ...] | None = None,
) -> pd.DataFrame:
    """Standardised association of each block variable with each informant's alliance.

    Parameters
    ----------
    dyads : DataFrame
        One row per client.
    codebook : Codebook, optional
        Says who rates and which variables the blocks hold; the shipped one by default.
    analysis : str
        `as_published` (correlations, dyads independent), `nested` or `nested_cr2`.
    bound : float
        Bound of equivalence that the p-values of the analysis look at.
    informants : tuple of str, optional
        Whose ratings; everybody's by default.

    Returns
    -------
    DataFrame
        `informant block term estimate conf_low conf_high low_90 high_90 p_value df n`, one row per
        informant and variable that varies; the 90 % limits are those of the equivalence test.
    """
    book = book_of(dyads, codebook)
    rows = []
    for informant, entry in book.informants.items():
        if informants is not None and informant not in informants:
            continue
        for block, terms in book.blocks.items():
            for term in terms:
                if block == "alliance" or not {term, entry["alliance"]} <= set(dyads):
                    continue
                pair = dyads[[entry["alliance"], term]].astype(float).dropna()
                groups = _groups(dyads, pair.index, book)
                rating, other = pair.to_numpy().T
                y, x = (other, rating) if block == "outcome" else (rating, other)
                try:
                    effect = ANALYSES[analysis].pair(y, x, groups, bound)
                except NotEstimableError:
                    continue
                row = {c: getattr(effect, c) for c in COLUMNS[3:]}
                rows.append({"informant": informant, "block": block, "term": term} | row)
    return pd.DataFrame(rows, columns=COLUMNS)


def _groups(dyads: pd.DataFrame, index: pd.Index, book: Codebook) -> np.ndarray:
    if book.case_manager is None:
        return np.arange(len(index))
    return pd.factorize(dyads.loc[index, book.case_manager])[0]
