"""The claims as 1995 may have read them: what stepwise regression enters, and p < .05.

The abstract does not give the direction of its regressions, so there are two readings. `as_1995`,
the natural one, explains each alliance rating by three blocks: pretreatment, treatment, outcome.
`as_1995_outcomes` explains it by what comes before it, and each outcome by pretreatment, treatment,
and then one informant's alliance. `reselection` repeats the regressions of the second, whose last
block asks of one outcome what the claims of today ask: on resamples, on pure noise, without
selection. Whole case managers are resampled and permuted.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain

import numpy as np
import pandas as pd

from ..errors import NotEstimableError
from ..models import selection
from ..models.regression import hierarchical_regression
from ..models.stepwise import Rule
from ..paths import ASSUMPTIONS
from ..study.codebook import Codebook
from ..study.read_codebook import book_of
from ..study.yaml_text import read_yaml
from . import verdicts, views
from .rules import Claim, Rules
from .verdicts import Effect, relate
from .views import EVERY, Blocks, Tables, one_below_the_other, regression_blocks, usable

READINGS = ALLIANCE, OUTCOMES = "as_1995", "as_1995_outcomes"
BEFORE, AFTER = "predicts the alliance", "predicted by the alliance"
LINKS = (
    "reading informant block term direction entered estimate conf_low conf_high p_value "
    "semipartial_r2 alone moved_by without_it df n"
)
INCLUSION = "block term inclusion same_sign noise_inclusion beta beta_all_in p_all_in n n_boot"
MODELS = "model n_terms frequency as_full_sample"
PROCEDURE = (
    "n n_terms r_squared r_squared_corrected tested r_squared_tested p_value p_low p_high "
    "r_squared_noise any_selected_noise"
)


class Stepwise:
    """Hierarchical stepwise regressions of one cohort in one of `READINGS`, each fitted once."""

    def __init__(
        self, dyads: pd.DataFrame, book: Codebook, reading: str = ALLIANCE, **rule: float
    ) -> None:
        self.dyads, self.book, self.reading, self.rule = dyads, book, reading, rule
        blocks = EVERY if reading == ALLIANCE else EVERY[:2]
        self.predictors = regression_blocks(dyads, book, blocks=blocks)
        self._model = cache(self._model)

    def link(self, informant: str, term: str) -> dict[str, object]:
        """How stepwise regression links a variable with an informant's alliance: one row."""
        alliance = self.book.alliance_of(informant)
        listed = term in chain(*self.predictors.values())
        before, after = (alliance, term, BEFORE), (term, alliance, AFTER)
        outcome, wanted, direction = before if listed or self.reading == ALLIANCE else after
        model = self._model(informant, outcome, () if listed else (term,))
        row = {"term": term, "direction": direction, "n": model.n}
        if wanted not in model.terms:
            return row | {"entered": False}
        place = 1 + model.terms.index(wanted)
        found = {name: values[place] for name, values in model.columns.items()}
        scale = found["beta"] / found["estimate"]
        low, high = sorted((found["conf_low"] * scale, found["conf_high"] * scale))
        limits = {"estimate": found["beta"], "conf_low": low, "conf_high": high}
        kept = {name: found[name] for name in ("p_value", "semipartial_r2", "df")}
        return row | {"entered": True} | limits | kept | model.moved(wanted)

    def _model(self, informant: str, outcome: str, more: tuple) -> object:
        """The final model of an outcome.

        `more` are terms of no block; as predictors they stand with the outcomes.
        """
        blocks, alliance = dict(self.predictors), self.book.alliance_of(informant)
        if outcome != alliance:
            blocks = views.explaining(self.dyads, blocks, outcome, alliance)
        elif more:
            blocks["outcome"] = [*blocks.get("outcome", ()), *more]
        return hierarchical_regression(self.dyads, outcome, blocks, **self.rule).models[-1]

    def read(self, claim: Claim) -> tuple[Effect, tuple[str, str], float]:
        """A claim as 1995 would read it: effect, verdict and criterion, no effective n."""
        terms = claim.variables(self.book)
        links = [[self.link(i, term) for term in terms] for i in claim.informants]
        entered = [[row for row in rows if row["entered"]] for rows in links]
        shown = entered[0]
        if claim.kind == "modest":
            pair = self.dyads[[self.book.alliance_of(i) for i in claim.informants]].dropna()
            effect = relate(*pair.to_numpy(float).T, None)
            holds = effect.p_value < 0.05 and 0 < effect.estimate < 0.5
            rule = "p < .05 and r below .5"
        elif claim.kind == "association":
            signs = dict.fromkeys(terms, claim.direction)
            signs |= {term: claim.direction * w for term, w in claim.composite.items()}
            shown = [row for row in shown if row["estimate"] * signs[row["term"]] > 0]
            which = "it" if len(terms) == 1 else "at least one of them"
            holds, rule = bool(shown), f"stepwise regression enters {which} with this sign"
        elif claim.kind == "block_difference":
            first, second = ({row["term"] for row in rows} for rows in entered)
            holds, rule = first != second, "stepwise regression enters different ones"
        else:
            rule = "enters none of them" if claim.kind == "block_absence" else "does not enter it"
            holds, rule = not shown, f"stepwise regression {rule}"
        if claim.kind != "modest":
            limits = Rule(**self.rule)
            rule += f" (p {limits.p_enter:g} to enter, {limits.p_remove:g} to leave)"
            rows = [row for found in links for row in found]
            n = min((row["n"] for row in rows), default=0)
            # Without one number that says it all there is no estimate.
            effect = Effect(np.nan, np.nan, n, np.nan)
            if shown and len(rows) == 1:
                names = ("estimate", "p_value", "n", "df", "conf_low", "conf_high")
                effect = Effect(**{name: shown[0][name] for name in names})
        return effect, (verdicts.verdict(holds, not holds), rule), np.nan


def stepwise_links(
    dyads: pd.DataFrame,
    codebook: Codebook | None = None,
    informants: tuple[str, ...] | None = None,
    terms: tuple[str, ...] | None = None,
    p_enter: float = 0.05,
    p_remove: float = 0.10,
    assumptions: Rules | None = None,
) -> pd.DataFrame:
    """What hierarchical stepwise regression, as in 1995, links with each informant's alliance.

    By both readings of an abstract that does not give the direction of its regressions.

    Parameters
    ----------
    dyads : DataFrame
        One row per client.
    codebook : Codebook, optional
        Says who rates and which variables the blocks hold; the shipped one by default.
    informants : tuple of str, optional
        Whose ratings; everybody's by default.
    terms : tuple of str, optional
        Which variables; those of all blocks by default.
    p_enter, p_remove : float
        Probability of F to enter and to remove; SAS takes .15 for both.
    assumptions : Rules, optional
        Given the claims, what `as_1995` assumes of the study, and not the links:
        `choice taken why otherwise changes`, from `data/assumptions_1995.yml`. `changes` names the
        claims of these data that another choice would give another verdict.

    Returns
    -------
    DataFrame
        `reading informant block term direction entered estimate conf_low conf_high p_value
        semipartial_r2 alone moved_by without_it df n`, one row per reading, informant and variable,
        estimates standardised. `alone`: the correlation on the same dyads, with nothing held
        constant; `moved_by`: the variable of the model without which the estimate changes most, to
        `without_it`.
        A pretreatment or treatment variable *predicts the alliance* (its row in the regression of
        the alliance). So does an outcome by the reading `as_1995`, from the third block of that
        regression; by `as_1995_outcomes` it is *predicted by the alliance* (the alliance's row in
        that outcome's regression). What is not entered has no estimate.

    Examples
    --------
    >>> dyads = open_cohort().dyads
    >>> stepwise_links(dyads)["entered"].dtype
    dtype('bool')
    """
    book = book_of(dyads, codebook)
    if assumptions is not None:
        return _assumptions(dyads, book, assumptions, p_enter=p_enter, p_remove=p_remove)
    blocks = regression_blocks(dyads, book, blocks=EVERY)
    if terms is not None:
        blocks = {b: [t for t in found if t in terms] for b, found in blocks.items()}
    rows = []
    for reading in READINGS:
        reader = Stepwise(dyads, book, reading, p_enter=p_enter, p_remove=p_remove)
        found = views.each_variable(informants or book.informants, blocks, reader.link)
        rows += [{"reading": reading} | row for row in found]
    return pd.DataFrame(rows, columns=LINKS.split())


def _assumptions(dyads: pd.DataFrame, book: Codebook, rules: Rules, **rule: float) -> pd.DataFrame:
    """What `as_1995` takes as given, and the verdicts of these data that hang on it."""
    there = [c for c in dyads if dyads[c].notna().any()]
    ratings = [book.alliance_of(i) for i in book.informants]
    listed = [c for c in {*chain(*book.blocks.values()), *ratings} if c in there]
    days = {c: np.log1p(dyads[c]) for c in book.days if c in there}
    before = {c: days.pop(c) for c in book.blocks.get("pretreatment", ()) if c in days}
    years = {n: dyads[v.source] for n, v in book.derived.items() if v.log and v.source in there}
    others = {"log_days": days, "log_days_before": before, "unlogged": years}
    tables = {name: dyads.assign(**new) for name, new in others.items() if new}
    tables["complete"] = dyads.dropna(subset=listed)
    single = [c for c in rules.claims if c.kind != "all_of" and not c.over_time]
    asked = [c for c in single if not rules.lacking(c, book, there)]

    def verdicts_of(dyads: pd.DataFrame = dyads, **how) -> dict[tuple, str]:
        reader, found = Stepwise(dyads, book, **(rule | how)), {}
        for claim in asked:
            with suppress(NotEstimableError):
                found[claim.key] = reader.read(claim)[1][0].replace("_", " ")
        return found

    def changes(**instead) -> str:
        then = verdicts_of(**instead)
        other = {k: then.get(k, "not estimable") for k in taken if then.get(k) != taken[k]}
        return "; ".join(f"{rules.texts[k]}: {v}" for k, v in other.items()) or "no verdict"

    taken, rows = verdicts_of(), []
    asks = {"informants": len(book.informants) > 1, "nesting": bool(book.case_manager)}
    for name, row in read_yaml(ASSUMPTIONS)[0].items():
        if not (asked and asks.get(name, True)):  # the study leaves no such choice
            continue
        instead, row["taken"] = row.pop("instead", None), row["taken"].format(**rule)
        if instead and "dyads" in instead:
            if instead["dyads"] not in tables:  # the study has no such variable
                continue
            instead["dyads"] = tables[instead["dyads"]]
        told = row.get("changes", "these data cannot tell")
        rows.append(row | {"changes": changes(**instead) if instead else told})
    return pd.DataFrame(rows)


@dataclass(frozen=True, repr=False)
class Reselection(Tables):
    """The stepwise regressions of a study, repeated.

    Attributes
    ----------
    inclusion : DataFrame
        As :func:`inclusion` returns it.
    models : DataFrame
        `informant outcome`, the columns of `selection.selected_models` with variables in words,
        `reason`: the models that resamples of each regression of an alliance rating end with most
        often.
    procedure : DataFrame
        `informant outcome n n_terms r_squared r_squared_corrected tested r_squared_tested p_value
        p_low p_high r_squared_noise any_selected_noise reason`. Could each procedure have found as
        much in noise, and what is left of it in new clients? The final model's R-squared and what
        optimism leaves of it; a permutation test (of a rating's model as a whole, of an outcome's
        what the alliance adds).
    """

    inclusion: pd.DataFrame
    models: pd.DataFrame
    procedure: pd.DataFrame


def reselection(
    dyads: pd.DataFrame,
    codebook: Codebook | None = None,
    seed: int = 1995,
    n_boot: int = 500,
    n_perm: int = 499,
    p_enter: float = 0.05,
    p_remove: float = 0.10,
) -> Reselection:
    """Stepwise regressions of each outcome on resamples, on pure noise, and without selection.

    Parameters
    ----------
    dyads : DataFrame
        One row per client.
    codebook : Codebook, optional
        By default the cohort's own.
    seed : int
    n_boot, n_perm : int
        Resamples and permutations.
    p_enter, p_remove : float
        Probability of F to enter and to remove.

    Examples
    --------
    >>> dyads = open_cohort().dyads
    >>> found = reselection(dyads, n_boot=20, n_perm=19)
    >>> type(found).__name__
    'Reselection'
    """
    book, rule = book_of(dyads, codebook), {"p_enter": p_enter, "p_remove": p_remove}
    how = {"cluster": book.case_manager, "seed": seed} | rule

    def models(outcome: str, rating: str, blocks: Blocks) -> pd.DataFrame:
        table = selection.selected_models(dyads, outcome, blocks, n_boot, top=3, **how)
        words = table["model"].map(lambda m: " + ".join(map(book.label, m.split(" + "))))
        return table.assign(model=words)

    def procedure(outcome: str, rating: str, blocks: Blocks) -> pd.DataFrame:
        tested = "alliance" if outcome != rating else None
        asked, more = (dyads, outcome, blocks), {"n_perm": n_perm, "tested": tested}
        test = selection.permutation_test(*asked, **more, **how).iloc[0]
        table = selection.optimism_corrected_r2(*asked, n_boot, **how).set_index("procedure")
        noise = test[["p_value", "p_low", "p_high", "r_squared_noise", "any_selected_noise"]]
        row = table.loc["stepwise"].to_dict() | noise.to_dict()
        row |= {"tested": tested or "every_block", "r_squared_tested": test["r_squared"]}
        return pd.DataFrame([row])

    return Reselection(
        inclusion(dyads, book, seed, n_boot, **rule),
        _each(dyads, book, models, MODELS, lambda i, outcome: outcome == book.alliance_of(i)),
        _each(dyads, book, procedure, PROCEDURE),
    )


def inclusion(
    dyads: pd.DataFrame,
    codebook: Codebook | None = None,
    seed: int = 1995,
    n_boot: int = 500,
    only: tuple[str, str] | None = None,
    **rule: float,
) -> pd.DataFrame:
    """How often each variable is selected again, beside pure noise and a model without selection.

    `only` is the informant and the outcome of one regression, where not all are wanted.

    Returns
    -------
    DataFrame
        `informant outcome block term inclusion same_sign noise_inclusion beta beta_all_in p_all_in
        n n_boot reason`. A pretreatment or treatment variable has its row in the regression of the
        alliance; an outcome the alliance's row in its own regression. `beta` is that of the study's
        own final model (NaN if it is not in it); `beta_all_in p_all_in` with every candidate
        entered, errors by case manager.
    """
    book = book_of(dyads, codebook)

    def find(outcome: str, rating: str, blocks: Blocks) -> pd.DataFrame:
        how = {"cluster": book.case_manager}
        table = selection.bootstrap_selection(dyads, outcome, blocks, n_boot, seed, **how, **rule)
        chosen = hierarchical_regression(dyads, outcome, blocks, **rule)
        all_in = hierarchical_regression(dyads, outcome, blocks, "enter", **how)
        entered = all_in.final.set_index("term")
        table["beta"] = table["term"].map(chosen.final.set_index("term")["beta"])
        table["beta_all_in"] = table["term"].map(entered["beta"])
        table["p_all_in"] = table["term"].map(entered["p_value"])
        table["n"], table["n_boot"] = chosen.n, n_boot
        if outcome == rating:
            return table
        return table[table["term"] == rating].assign(term=outcome, block="outcome")

    return _each(dyads, book, find, INCLUSION, only and (lambda *regression: regression == only))


def _each(
    dyads: pd.DataFrame,
    book: Codebook,
    find: Callable[[str, str, Blocks], pd.DataFrame],
    columns: str,
    wanted: Callable[[str, str], bool] | None = None,
) -> pd.DataFrame:
    """What `find` tells of the regressions: of those whose informant and outcome are `wanted`."""

    def checked(outcome: str, rating: str, blocks: Blocks) -> pd.DataFrame:
        if not usable(dyads, [rating]):
            raise NotEstimableError(f"{rating} does not vary")
        return find(outcome, rating, blocks)

    calls = []
    outcomes = usable(dyads, book.blocks.get("outcome", ()))
    for informant in book.informants:
        rating = book.alliance_of(informant)
        for outcome in [rating, *outcomes]:
            explained = () if outcome == rating else (outcome, informant)
            blocks = regression_blocks(dyads, book, *explained)
            if blocks and (wanted is None or wanted(informant, outcome)):
                call = partial(checked, outcome, rating, blocks)
                calls.append(({"informant": informant, "outcome": outcome}, call))
    return one_below_the_other(calls, f"informant outcome {columns} reason")
