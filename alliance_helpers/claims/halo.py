"""Is an alliance rating more than the rater's general favour?

A halo (Thorndike 1920) makes one person's ratings agree with one another. Associations with what
somebody else rated or recorded cannot come from one rater's favour alone.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..errors import NotEstimableError
from ..models.design import standardise
from ..study.codebook import Codebook
from .analyses import ANALYSES
from .information import reporter_of
from .views import alliance_of, usual_analysis

COLUMNS = ["informant", "term", "rater", "estimate", "conf_low", "conf_high", "p_value", "df", "n",
           "reason"]  # fmt: skip


def halo_contrast(
    dyads: pd.DataFrame,
    book: Codebook,
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
    rows = [
        _row(dyads, book, informant, term, None, analysis)
        for term in book.blocks.get("outcome", ())
        if term in dyads and dyads[term].nunique() > 1
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    order = np.argsort(table["rater"] != informant, kind="stable")
    return table.iloc[order].reset_index(drop=True)


def partialled(
    dyads: pd.DataFrame,
    book: Codebook,
    informant: str = "case_manager",
    analysis: str | None = None,
) -> pd.DataFrame:
    """The other-rater associations with the rater's own view of outcome held constant.

    The own view stands for general favour. Holding it constant also removes what favour and a
    good outcome share, and favour and outcome both lead to it: an association can shrink, vanish or
    even turn its sign without being wrong. Read it as a question, not as a proof.

    Returns
    -------
    DataFrame
        As :func:`halo_contrast`, without the same-rater rows.
    """
    outcomes = [t for t in book.blocks.get("outcome", ()) if t in dyads and dyads[t].nunique() > 1]
    own = [t for t in outcomes if reporter_of(t, book) == informant]
    rows = [_row(dyads, book, informant, t, own, analysis) for t in outcomes if t not in own]
    return pd.DataFrame(rows if own else [], columns=COLUMNS)


def _row(
    dyads, book: Codebook, informant: str, term: str, held: list[str] | None, analysis: str | None
):
    row = {"informant": informant, "term": term, "rater": reporter_of(term, book), "reason": ""}
    columns = [alliance_of(book, informant), term, *(held or [])]
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
        effect = ANALYSES[analysis or usual_analysis(book)].pair(y, x, pd.factorize(keys)[0], 0.20)
    except NotEstimableError as error:
        return row | {"reason": f"not estimable: {error}"}
    return row | {c: getattr(effect, c) for c in COLUMNS[3:-1]}
