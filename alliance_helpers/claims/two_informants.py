"""What goes with one informant's rating and not with the other's: each variable of a study.

A variable that goes with one rating and "not" with the other is no difference yet; the difference
itself is tested here, in three ways.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import NotEstimableError
from ..models.agreement import response_surface, truth_and_bias
from ..models.design import standardise
from ..models.informants import correlation_difference, stacked
from ..study.codebook import Codebook
from ..study.read_codebook import book_of
from .views import Tables, ratings

SLOPES = "block informant term estimate std_error df p_value conf_low conf_high n reason"
CORRELATIONS = (
    "block term r_client r_case_manager estimate conf_low conf_high p_value n n_effective reason"
)
PULLS = "block term directional_bias truth_force estimate conf_low conf_high p_value n reason"
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
    return TwoInformants(
        _slopes(dyads, book), _differences(dyads, book), _pulls(dyads, book), _surfaces(dyads, book)
    )


def _slopes(dyads: pd.DataFrame, book: Codebook) -> pd.DataFrame:
    client, case_manager, groups = ratings(dyads, book)
    pair = pd.DataFrame({"client": client, "case_manager": case_manager}).astype(float)

    def find(x: pd.Series) -> pd.DataFrame:
        return stacked(pair, x.to_frame(), groups).slopes

    return _each(dyads, book, find, SLOPES.split())


def _differences(dyads: pd.DataFrame, book: Codebook) -> pd.DataFrame:
    client, case_manager, groups = ratings(dyads, book)

    def find(x: pd.Series) -> pd.DataFrame:
        row = correlation_difference(x, case_manager, client, groups)
        named = {"r_first": "r_case_manager", "r_second": "r_client"}
        return row.rename(columns=named).assign(term=x.name)

    return _each(dyads, book, find, CORRELATIONS.split())


def _pulls(dyads: pd.DataFrame, book: Codebook) -> pd.DataFrame:
    client, case_manager, groups = ratings(dyads, book)
    sides = {"client": (client, case_manager), "case_manager": (case_manager, client)}
    tables = []
    for judge, (judgment, reference) in sides.items():

        def find(x: pd.Series, judgment=judgment, reference=reference) -> pd.DataFrame:
            x = x.astype(float)
            table = truth_and_bias(judgment, reference, (x - x.mean()) / x.std(), groups)
            by_term = table.set_index("term")["estimate"]
            return table[2:].assign(
                term=x.name,
                directional_bias=by_term["directional_bias"],
                truth_force=by_term["truth_force"],
            )

        table = _each(dyads, book, find, PULLS.split())
        table.insert(0, "informant", judge)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _surfaces(dyads: pd.DataFrame, book: Codebook) -> pd.DataFrame:
    client, case_manager, groups = ratings(dyads, book)

    def find(x: pd.Series) -> pd.DataFrame:
        part = pd.DataFrame({"x": x, "c": client, "m": case_manager}).astype(float).dropna()
        first, second = about_their_middle(part["c"].to_numpy(), part["m"].to_numpy())
        keys = None if groups is None else groups.loc[part.index].to_numpy()
        outcome = standardise(part["x"].to_numpy())
        return response_surface(outcome, second, first, 0.0, keys)[6:].assign(outcome=x.name)

    return _each(dyads, book, find, SURFACES.split(), ["outcome"], "outcome")


def about_their_middle(
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


def _each(
    dyads: pd.DataFrame,
    book: Codebook,
    find: Callable[[pd.Series], pd.DataFrame],
    columns: list[str],
    blocks: list[str] | None = None,
    key: str = "term",
) -> pd.DataFrame:
    """The tables of every variable below one another; a reason where there is none."""
    tables = []
    for block, term in _variables(dyads, book, blocks):
        try:
            table = find(dyads[term]).assign(reason="")
        except NotEstimableError as error:
            table = pd.DataFrame({key: [term], "reason": [f"not estimable: {error}"]})
        tables.append(table.assign(block=block))
    joined = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return joined.reindex(columns=columns)


def _variables(dyads, book: Codebook, blocks: list[str] | None) -> Iterator[tuple[str, str]]:
    """Variables of the treatment and outcome blocks that vary; days are left to count models."""
    for block in blocks or ("treatment", "outcome"):
        for term in book.blocks.get(block, ()):
            if term in dyads and term not in book.days and dyads[term].nunique() > 1:
                yield block, term
