"""What goes with one informant's rating and not with the other's: each variable of a study.

A variable that goes with one rating and "not" with the other is no difference yet; the difference
itself is tested here, in three ways.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from ..errors import NotEstimableError
from ..models.agreement import response_surface, truth_and_bias
from ..models.design import standardise
from ..models.informants import correlation_difference, stacked
from ..study.codebook import Codebook
from ..study.read_codebook import book_of
from .views import Tables, one_below_the_other, ratings, usable

BLOCKS = ("treatment", "outcome")
SLOPES = "block informant term estimate std_error df p_value conf_low conf_high n reason"
CORRELATIONS = (
    "block term r_client r_case_manager estimate conf_low conf_high p_value n n_effective reason"
)
PULLS = (
    "informant block term directional_bias truth_force estimate conf_low conf_high p_value n reason"
)
SURFACES = "outcome term estimate conf_low conf_high p_value df n reason"


@dataclass(frozen=True, repr=False)
class TwoInformants(Tables):
    """What goes with one rating and not with the other, variable by variable.

    Attributes
    ----------
    slopes : DataFrame
        `block informant term`, then the tidy columns of `informants.stacked`, one variable at a
        time; `informant` is `client`, `case_manager` or `difference` (case manager less client).
    differences : DataFrame
        `block term r_client r_case_manager estimate conf_low conf_high p_value n n_effective`;
        `estimate` is the case manager's correlation less the client's, tested at the effective n.
    pulls : DataFrame
        `informant block term directional_bias truth_force estimate conf_low conf_high p_value n`:
        truth and bias with each informant as the judge and the other as the reference. How far the
        judge's ratings lie above the reference (in its units), their change per unit of the
        reference, and, as `estimate`, per standard deviation of the variable.
    surfaces : DataFrame
        `outcome` and the tidy columns: how each outcome depends on both ratings and on their
        agreement, in the middle of the ratings given, in standard deviations of the outcome per
        standard deviation of a rating. Along agreement slope `a1` and curvature `a2`, along
        disagreement (case manager higher) `a3` and `a4`.

    Where nothing can be estimated a row has the `reason`, the last column of each.
    """

    slopes: pd.DataFrame
    differences: pd.DataFrame
    pulls: pd.DataFrame
    surfaces: pd.DataFrame


def two_informants(dyads: pd.DataFrame, codebook: Codebook | None = None) -> TwoInformants:
    """Does a variable go with one informant's rating otherwise than with the other's?

    Variables of the treatment and outcome blocks, one at a time; days are left to count models.

    Raises
    ------
    NotEstimableError
        The study has one informant.

    Examples
    --------
    >>> found = two_informants(open_cohort().dyads)
    >>> found.slopes["informant"].unique().tolist()
    ['client', 'case_manager', 'difference']
    """
    book = book_of(dyads, codebook)
    client, case_manager, groups = ratings(dyads, book)
    pair = pd.DataFrame({"client": client, "case_manager": case_manager}).astype(float)

    def slopes(term: str) -> pd.DataFrame:
        return stacked(pair, dyads[[term]], groups)

    def difference(term: str) -> pd.DataFrame:
        row = correlation_difference(dyads[term], case_manager, client, groups)
        return row.rename(columns={"r_first": "r_case_manager", "r_second": "r_client"})

    def pull(term: str, judge: str, reference: str) -> pd.DataFrame:
        x = dyads[term].astype(float)
        table = truth_and_bias(pair[judge], pair[reference], (x - x.mean()) / x.std(), groups)
        found = table.set_index("term")["estimate"]
        return table[2:].assign(**found[["directional_bias", "truth_force"]])

    def surface(term: str) -> pd.DataFrame:
        part = pair.assign(x=dyads[term].astype(float)).dropna()
        first, second = _about_their_middle(*part[["client", "case_manager"]].to_numpy().T)
        keys = None if groups is None else groups.loc[part.index].to_numpy()
        return response_surface(standardise(part["x"].to_numpy()), second, first, 0.0, keys)[6:]

    variables = {block: usable(dyads, book.blocks.get(block, ())) for block in BLOCKS}
    heads = [{"block": b, "term": t} for b in BLOCKS for t in variables[b] if t not in book.days]
    outcomes = [h["term"] for h in heads if h["block"] == "outcome"]
    sides = ("client", "case_manager"), ("case_manager", "client")
    return TwoInformants(
        one_below_the_other([(h, partial(slopes, h["term"])) for h in heads], SLOPES),
        one_below_the_other([(h, partial(difference, h["term"])) for h in heads], CORRELATIONS),
        one_below_the_other(
            [(h | {"informant": s[0]}, partial(pull, h["term"], *s)) for s in sides for h in heads],
            PULLS,
        ),
        one_below_the_other([({"outcome": t}, partial(surface, t)) for t in outcomes], SURFACES),
    )


def _about_their_middle(
    client: np.ndarray, case_manager: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Both ratings about the mean of both, in units of their standard deviation."""
    if len(client) < 4:
        raise NotEstimableError("fewer than four dyads are complete")
    unit = np.sqrt((client.var(ddof=1) + case_manager.var(ddof=1)) / 2)
    if unit <= 1e-12 * abs(client.mean()):
        raise NotEstimableError("neither rating varies")
    middle = (client.mean() + case_manager.mean()) / 2
    return (client - middle) / unit, (case_manager - middle) / unit
