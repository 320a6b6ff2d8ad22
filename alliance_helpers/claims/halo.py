"""Is an alliance rating more than the rater's general favour?

A halo (Thorndike 1920) makes one person's ratings agree with one another. Associations with what
somebody else rated or recorded cannot come from one rater's favour alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import NotEstimableError
from ..models.design import standardise
from ..study.codebook import Codebook
from ..study.read_codebook import book_of
from .analyses import ANALYSES
from .information import reporter_of
from .views import Tables

COLUMNS = ["informant", "term", "rater", "estimate", "conf_low", "conf_high", "p_value", "df", "n",
           "reason"]  # fmt: skip


@dataclass(frozen=True, repr=False)
class Halo(Tables):
    """One informant's alliance with each outcome, by who rated the outcome.

    Attributes
    ----------
    contrast : DataFrame
        As :func:`halo_contrast` returns it.
    partialled : DataFrame
        The other-rater associations with the rater's own view of outcome held constant. The own
        view stands for general favour. Holding it constant also removes what favour and a good
        outcome share, and favour and outcome both lead to it: an association can shrink, vanish or
        even turn its sign without being wrong. Read it as a question, not as a proof.
    """

    contrast: pd.DataFrame
    partialled: pd.DataFrame


def halo(
    dyads: pd.DataFrame,
    codebook: Codebook | None = None,
    informant: str = "case_manager",
    analysis: str | None = None,
) -> Halo:
    """Associations of one informant's alliance with outcome: rated by the same person, by others.

    Parameters
    ----------
    dyads : DataFrame
        One row per client.
    codebook : Codebook, optional
        Says who rated what; by default the cohort's own.
    informant : str
        Whose favour is in question.
    analysis : str, optional
        `as_published` (dyads independent), `nested` or `nested_cr2`; by default case managers are
        respected where they are known.
    """
    book = book_of(dyads, codebook)
    outcomes = [t for t in book.blocks.get("outcome", ()) if t in dyads and dyads[t].nunique() > 1]
    own = [t for t in outcomes if reporter_of(t, book) == informant]
    rows = [_row(dyads, book, informant, t, own, analysis) for t in outcomes if t not in own]
    partialled = pd.DataFrame(rows if own else [], columns=COLUMNS)
    return Halo(halo_contrast(dyads, book, informant, analysis), partialled)


def halo_contrast(
    dyads: pd.DataFrame,
    codebook: Codebook | None = None,
    informant: str = "case_manager",
    analysis: str | None = None,
) -> pd.DataFrame:
    """Associations of one informant's alliance with each outcome, by who rated the outcome.

    Returns
    -------
    DataFrame
        `informant term rater estimate conf_low conf_high p_value df n reason`: standardised slopes,
        those whose rater is the informant first; or the reason why one cannot be estimated.
    """
    book = book_of(dyads, codebook)
    rows = [
        _row(dyads, book, informant, term, None, analysis)
        for term in book.blocks.get("outcome", ())
        if term in dyads and dyads[term].nunique() > 1
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    order = np.argsort(table["rater"] != informant, kind="stable")
    return table.iloc[order].reset_index(drop=True)


def _row(
    dyads, book: Codebook, informant: str, term: str, held: list[str] | None, analysis: str | None
):
    row = {"informant": informant, "term": term, "rater": reporter_of(term, book), "reason": ""}
    columns = [book.alliance_of(informant), term, *(held or [])]
    part = dyads[columns].astype(float).dropna()
    try:
        if len(part) < 4 + len(columns):
            raise NotEstimableError(f"only {len(part)} dyads have all of {', '.join(columns)}")
        values = standardise(part.to_numpy())
        x, y = values[:, 0], values[:, 1]
        if held:
            design = np.column_stack([np.ones(len(values)), values[:, 2:]])
            x, y = (v - design @ np.linalg.lstsq(design, v, rcond=None)[0] for v in (x, y))
        keys = dyads.loc[part.index, book.case_manager] if book.case_manager else part.index
        effect = ANALYSES[analysis or book.usual_analysis].pair(y, x, pd.factorize(keys)[0], 0.20)
    except NotEstimableError as error:
        return row | {"reason": f"not estimable: {error}"}
    return row | {c: getattr(effect, c) for c in COLUMNS[3:-1]}
