"""Every variable with each informant's alliance rating, and who reported it.

A halo (Thorndike 1920) makes one person's ratings agree with one another. Associations with what
somebody else rated or recorded cannot come from one rater's favour alone: is a rating more than
that, and what does a case manager draw on, and what a client? And what goes with one informant's
rating and not with the other's? A variable that goes with one and "not" with the other is no
difference yet; the difference itself is tested here, in three ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain, combinations

import numpy as np
import pandas as pd

from ..errors import NotEstimableError
from ..models.agreement import response_surface, truth_and_bias
from ..models.design import standardise
from ..models.informants import stacked
from ..models.regression import relative_importance
from ..models.reliability import reliability
from ..study.clean import CleanStudy
from ..study.codebook import Codebook
from ..study.read_codebook import book_of
from . import views
from .verdicts import Effect, relate
from .views import Tables, complete, one_below_the_other, regression_blocks, usable

RECORDS = "records"
COLUMNS = "informant block term estimate conf_low conf_high low_90 high_90 p_value df n"
HALO = "informant term rater estimate conf_low conf_high p_value df n reason"
SOURCES = (
    "informant block source terms estimate conf_low conf_high share first last noise p_value p_low "
    "p_high r_squared n reason"
)
SLOPES = (
    "block informant term estimate std_error df p_value conf_low conf_high rating_corrected n "
    "reason"
)
MATRIX = (
    "pair first_rating second_rating estimate conf_low conf_high p_value n alpha_first "
    "alpha_second corrected reason"
)
PULLS = (
    "informant block term directional_bias truth_force estimate conf_low conf_high p_value n reason"
)
SURFACES = "outcome term estimate conf_low conf_high p_value df n reason"


def association_of(
    dyads: pd.DataFrame,
    book: Codebook,
    informant: str,
    term: str,
    analysis: str = "as_published",
    held: tuple[str, ...] = (),
) -> Effect:
    """A variable's standardised association with an informant's alliance, others held constant.

    The alliance predicts outcomes, and is predicted by all other variables.

    Raises
    ------
    NotEstimableError
        Too few dyads have them all, or one does not vary; as :func:`verdicts.relate`.
    """
    values, groups, _ = complete(dyads, book, [book.alliance_of(informant), term, *held])
    if len(values) < 6 + len(held):
        raise NotEstimableError(f"only {len(values)} dyads are complete")
    rating, other = values[:, :2].T
    y, x = (other, rating) if term in book.blocks.get("outcome", ()) else (rating, other)
    return relate(y, x, groups, analysis, Z=values[:, 2:])


def associations(
    dyads: pd.DataFrame,
    codebook: Codebook | None = None,
    analysis: str = "as_published",
    informants: tuple[str, ...] | None = None,
) -> pd.DataFrame:
    """Standardised association of each block variable with each informant's alliance.

    Parameters
    ----------
    dyads : DataFrame
        One row per client.
    codebook : Codebook, optional
        Says who rates and which variables the blocks hold; by default the cohort's own.
    analysis : str
        `as_published` (correlations, dyads independent), `nested` or `nested_cr2`.
    informants : tuple of str, optional
        Whose ratings; everybody's by default.

    Returns
    -------
    DataFrame
        `informant block term estimate conf_low conf_high low_90 high_90 p_value df n`, one row per
        informant and variable that varies; the 90 % limits are those of the equivalence test.

    Examples
    --------
    >>> dyads = open_cohort().dyads
    >>> associations(dyads, analysis="nested").query("term == 'symptoms'")["informant"].tolist()
    ['client', 'case_manager']
    """
    book = book_of(dyads, codebook)

    def find(informant: str, term: str) -> dict:
        return vars(association_of(dyads, book, informant, term, analysis))

    rated = {i: book.alliance_of(i) for i in informants or book.informants}
    rows = views.each_variable(rated, _other_blocks(dyads, book), find)
    return pd.DataFrame(rows, columns=COLUMNS.split())


def _other_blocks(dyads: pd.DataFrame, book: Codebook) -> dict[str, list[str]]:
    """The variables of all blocks but the alliance's."""
    names = tuple(block for block in book.blocks if block != "alliance")
    return regression_blocks(dyads, book, blocks=names)


@dataclass(frozen=True, repr=False)
class Halo(Tables):
    """One informant's alliance with each outcome, by who rated the outcome.

    Attributes
    ----------
    contrast : DataFrame
        `informant term rater estimate conf_low conf_high p_value df n reason`: standardised slopes,
        those whose rater is the informant first; or the reason why one cannot be estimated.
    partialled : DataFrame
        The other-rater associations with the rater's own view of outcome held constant. The own
        view stands for general favour. Holding it constant also removes what favour and a good
        outcome share, and favour and outcome both lead to it: an association can shrink, vanish or
        even turn its sign without being wrong. Read it as a question, not as a proof.
    matrix : DataFrame
        Multitrait-multimethod (Campbell & Fiske 1959): two traits, the alliance and outcome in the
        rater's own view, by two raters. `pair first_rating second_rating estimate conf_low
        conf_high p_value n alpha_first alpha_second corrected reason`: correlations, and what
        they would be were both free of error, r / sqrt(alpha alpha) (Spearman 1904); NaN without
        items. A halo makes those of one rater larger than those of one trait.
    """

    contrast: pd.DataFrame
    partialled: pd.DataFrame
    matrix: pd.DataFrame


def halo(
    clean: CleanStudy | pd.DataFrame,
    codebook: Codebook | None = None,
    informant: str = "case_manager",
    analysis: str | None = None,
) -> Halo:
    """Associations of one informant's alliance with outcome: rated by the same person, by others.

    Parameters
    ----------
    clean : CleanStudy or DataFrame
        A cleaned study; or a dyad table, which has no items that reliabilities come from.
    codebook : Codebook, optional
        Says who rated what; by default the cohort's own.
    informant : str
        Whose favour is in question.
    analysis : str, optional
        `as_published` (dyads independent), `nested` or `nested_cr2`; by default case managers are
        respected where they are known.

    Examples
    --------
    >>> dyads = open_cohort().dyads
    >>> halo(dyads).matrix.shape
    (6, 12)
    """
    dyads = clean if isinstance(clean, pd.DataFrame) else clean.dyads
    book = book_of(dyads, codebook)
    raters = _raters(dyads, book)
    own = [term for term, rater in raters.items() if rater == informant]
    others = [term for term in raters if own and term not in own]
    left = contrast(dyads, book, informant, analysis, others, tuple(own))
    matrix = _matrix(clean, dyads, book, raters)
    return Halo(contrast(dyads, book, informant, analysis), left, matrix)


def _raters(dyads: pd.DataFrame, book: Codebook) -> dict[str, str]:
    """Who rated each outcome."""
    outcomes = usable(dyads, book.blocks.get("outcome", ()))
    return {term: reporter_of(term, book) for term in outcomes}


def contrast(
    dyads: pd.DataFrame,
    book: Codebook,
    informant: str,
    analysis: str | None = None,
    terms: Sequence[str] | None = None,
    held: tuple[str, ...] = (),
) -> pd.DataFrame:
    """The first two tables of :class:`Halo`: all outcomes, an informant's own first, or `terms`."""
    raters, how = _raters(dyads, book), analysis or book.usual_analysis
    if terms is None:
        terms = sorted(raters, key=lambda term: raters[term] != informant)

    def find(term: str) -> pd.DataFrame:
        return pd.DataFrame([vars(association_of(dyads, book, informant, term, how, held=held))])

    heads = [{"informant": informant, "term": term, "rater": raters[term]} for term in terms]
    return one_below_the_other([(h, partial(find, h["term"])) for h in heads], HALO)


def _matrix(clean: CleanStudy | pd.DataFrame, dyads: pd.DataFrame, book: Codebook, raters: dict):
    """Correlations of alliance and outcome in the rater's own view, as :class:`Halo` says."""
    # Of several outcomes by one rater the first of the block is the own view.
    views = {rater: term for term, rater in reversed(raters.items()) if rater in book.informants}
    rated = {(i, "alliance"): book.alliance_of(i) for i in book.informants}
    rated |= {(i, "outcome"): views[i] for i in book.informants if i in views}
    alphas = {term: _alpha(clean, book, term) for term in rated.values()}

    def find(first: str, second: str) -> pd.DataFrame:
        values, groups, _ = complete(dyads, book, [first, second])
        how = "as_published" if groups is None else "jackknife"
        table = pd.DataFrame([vars(relate(*values.T, groups, how))])
        a, b = alphas[first], alphas[second]
        corrected = table["estimate"] / np.sqrt(a * b)
        return table.assign(alpha_first=a, alpha_second=b, corrected=corrected)

    calls = []
    for (one, first), (other, second) in combinations(rated.items(), 2):
        same = ["same" if x == y else "different" for x, y in zip(one, other, strict=True)]
        head = {"pair": f"{same[1]} trait, {same[0]} rater"}
        head |= {"first_rating": first, "second_rating": second}
        calls.append((head, partial(find, first, second)))
    table = one_below_the_other(calls, MATRIX)
    return table.sort_values("pair", ascending=False, kind="stable", ignore_index=True)


def _alpha(clean: CleanStudy | pd.DataFrame, book: Codebook, term: str) -> float:
    """Cronbach's alpha of a whole scale; NaN for what has no items here."""
    if isinstance(clean, pd.DataFrame) or term not in book.scales:
        return np.nan
    scale, alpha = book.scales[term], np.nan
    keys = scale.keys.get("total") or sorted(chain(*scale.keys.values()), key=abs)
    with suppress(KeyError, NotEstimableError):
        alpha = float(reliability(clean.items(term), keys)["alpha"].iloc[0])
    return alpha


def information_sources(
    dyads: pd.DataFrame,
    codebook: Codebook | None = None,
    n_boot: int = 1000,
    n_noise: int = 200,
    seed: int = 1995,
) -> pd.DataFrame:
    """Relative importance of each source of information for each informant's alliance rating.

    Parameters
    ----------
    dyads : DataFrame
        One row per client.
    codebook : Codebook, optional
        Says who rates, what the blocks are and who reported what; the shipped one by default.
    n_boot, n_noise, seed
        Resamples behind the intervals, and their seed; whole case managers are resampled.

    Returns
    -------
    DataFrame
        `informant block source terms`, then the columns of `relative_importance`. `source`: the
        informant or rater who reported the variables of the block listed in `terms`, or
        `records`. Where nothing can be estimated the row has the `reason`.

    Notes
    -----
    A source that shares its reporter with the rating (the client's view of outcome and the
    client's alliance) also holds the reporter's general favour: importance is not insight.

    Examples
    --------
    >>> from alliance_helpers.cohorts.simulate import simulate_dyads
    >>> table = information_sources(simulate_dyads("published", 201, 7), n_boot=50, n_noise=20)
    >>> table.groupby("informant")["share"].sum().round(6).tolist()
    [1.0, 1.0]
    """
    book = book_of(dyads, codebook)
    how = {"cluster": book.case_manager, "n_boot": n_boot, "n_noise": n_noise, "seed": seed}
    calls = [({"informant": i}, partial(draws_on, dyads, book, book.alliance_of(i), **how))
             for i in book.informants]  # fmt: skip
    return one_below_the_other(calls, SOURCES)


def draws_on(data: pd.DataFrame, book: Codebook, rating: str, **how) -> pd.DataFrame:
    """Relative importance for one rating of each source of information: `block source terms` ..."""
    groups: dict[tuple[str, str], list[str]] = {}
    for block, terms in _other_blocks(data, book).items():
        for term in terms:
            groups.setdefault((block, reporter_of(term, book)), []).append(term)
    if not groups or rating not in data:
        raise NotEstimableError(f"The study has no {rating if groups else 'other variables'}.")
    named = {f"{block}, {source}": terms for (block, source), terms in groups.items()}
    found = relative_importance(data, rating, named, **how).drop(columns="term")
    listed = [(block, source, ", ".join(terms)) for (block, source), terms in groups.items()]
    return pd.DataFrame(listed, columns=["block", "source", "terms"]).join(found)


def reporter_of(term: str, book: Codebook) -> str:
    """Who reported a variable: an informant or rater of the codebook, else `records`.

    A scale says so itself. Any other variable is taken to come from whoever filled in the scales
    of the same table, if that is one person.

    Examples
    --------
    >>> from alliance_helpers.study.read_codebook import read_codebook
    >>> book = read_codebook()
    >>> [reporter_of(t, book) for t in ("living_skills", "health_sickness", "hospital_days")]
    ['client', 'rater', 'records']
    """
    if term in book.scales:
        return book.scales[term].informant or RECORDS
    name = book.derived[term].source if term in book.derived else term
    for table in book.tables.values():
        names = {v + suffix for v in table.variables for suffix in ("", *table.suffix.values())}
        if name in names:
            raters = {s.informant for s in book.scales.values() if s.items[0] in names}
            return raters.pop() or RECORDS if len(raters) == 1 else RECORDS
    return RECORDS


@dataclass(frozen=True, repr=False)
class TwoInformants(Tables):
    """What goes with one rating and not with the other, variable by variable.

    Attributes
    ----------
    slopes : DataFrame
        `block informant term`, then the tidy columns of `informants.stacked`, one variable at a
        time; `informant` is `client`, `case_manager` or `difference` (case manager less client).
        `rating_corrected`: the same were the ratings free of error (over sqrt(alpha), Spearman
        1904), since a less reliable rating goes less with everything; NaN without items.
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
    pulls: pd.DataFrame
    surfaces: pd.DataFrame


def two_informants(
    clean: CleanStudy | pd.DataFrame, codebook: Codebook | None = None
) -> TwoInformants:
    """Does a variable go with one informant's rating otherwise than with the other's?

    Variables of the treatment and outcome blocks, one at a time; days are left to count models. A
    cleaned study has the items that reliabilities come from, a dyad table has not.

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
    dyads = clean if isinstance(clean, pd.DataFrame) else clean.dyads
    book = book_of(dyads, codebook)
    client, case_manager, groups = views.ratings(dyads, book)
    roots = {i: np.sqrt(_alpha(clean, book, book.alliance_of(i))) for i in book.informants}
    pair = pd.DataFrame({"client": client, "case_manager": case_manager}).astype(float)

    def slopes(term: str) -> pd.DataFrame:
        table = stacked(pair, dyads[[term]], groups)
        free = table["estimate"] / table["informant"].map(roots)
        return table.assign(rating_corrected=free.fillna(free[1] - free[0]))

    def pull(term: str, judge: str, reference: str) -> pd.DataFrame:
        x = dyads[term].astype(float)
        table = truth_and_bias(pair[judge], pair[reference], (x - x.mean()) / x.std(), groups)
        shift, force, _ = table["estimate"]
        return table[2:].assign(directional_bias=shift, truth_force=force)

    def surface(term: str) -> pd.DataFrame:
        part = pair.assign(x=dyads[term].astype(float)).dropna()
        outcome = standardise(part.to_numpy(), part.columns)[:, 2]
        both = part[["case_manager", "client"]]
        both = (both - both.to_numpy().mean()) / np.sqrt(both.var().mean())
        keys = None if groups is None else groups.loc[part.index].to_numpy()
        return response_surface(outcome, *both.to_numpy().T, 0.0, keys)[6:]

    blocks = regression_blocks(dyads, book, blocks=("treatment", "outcome"))
    variables = [(b, t) for b, terms in blocks.items() for t in terms if t not in book.days]
    heads = [{"block": block, "term": term} for block, term in variables]
    outcomes = [h["term"] for h in heads if h["block"] == "outcome"]
    sides = ("client", "case_manager"), ("case_manager", "client")
    return TwoInformants(
        one_below_the_other([(h, partial(slopes, h["term"])) for h in heads], SLOPES),
        one_below_the_other(
            [(h | {"informant": s[0]}, partial(pull, h["term"], *s)) for s in sides for h in heads],
            PULLS,
        ),
        one_below_the_other([({"outcome": t}, partial(surface, t)) for t in outcomes], SURFACES),
    )
