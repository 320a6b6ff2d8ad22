"""The study's stepwise regressions, repeated: on resamples, on pure noise, without selection.

They are those of `as_1995`: what comes before the alliance predicts it, and each outcome is
predicted by what came before and then by one informant's alliance. Whole case managers are
resampled and permuted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pandas as pd

from ..errors import NotEstimableError
from ..models.regression import hierarchical_regression
from ..models.selection import (
    bootstrap_selection,
    optimism_corrected_r2,
    permutation_test,
    selected_models,
)
from ..study.codebook import Codebook
from ..study.read_codebook import book_of
from .views import Blocks, Tables, one_below_the_other, regression_blocks, usable

INCLUSION = "block term inclusion same_sign noise_inclusion beta beta_all_in p_all_in n"
MODELS = "model n_terms frequency as_full_sample"
NOISE = ["p_value", "r_squared_noise", "any_selected_noise"]
PROCEDURE = (
    "n n_terms r_squared r_squared_corrected p_value r_squared_noise any_selected_noise "
    "r_squared_all_in r_squared_all_in_corrected"
)


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
        `informant outcome n n_terms r_squared r_squared_corrected p_value r_squared_noise
        any_selected_noise r_squared_all_in r_squared_all_in_corrected reason`. Could each procedure
        have found as much in noise, and what is left of it in new clients? The final model's
        R-squared and what optimism leaves of it, its permutation test, and the same with every
        candidate in.
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
    top: int = 3,
) -> Reselection:
    """The study's stepwise regressions on resamples, on pure noise, and without selection.

    Parameters
    ----------
    dyads : DataFrame
        One row per client.
    codebook : Codebook, optional
        By default the cohort's own.
    seed : int
    n_boot, n_perm : int
        Resamples and permutations.
    top : int
        Models shown of each regression.
    """
    book = book_of(dyads, codebook)
    how = {"cluster": book.case_manager, "seed": seed}

    def models(outcome: str, rating: str, blocks: Blocks) -> pd.DataFrame:
        table = selected_models(dyads, outcome, blocks, n_boot, top=top, **how)
        words = table["model"].map(lambda m: " + ".join(map(book.label, m.split(" + "))))
        return table.assign(model=words)

    def procedure(outcome: str, rating: str, blocks: Blocks) -> pd.DataFrame:
        test = permutation_test(dyads, outcome, blocks, n_perm=n_perm, **how).iloc[0]
        table = optimism_corrected_r2(dyads, outcome, blocks, n_boot, **how)
        table = table.set_index("procedure")
        row = table.loc["stepwise"].to_dict() | test[NOISE].to_dict()
        row["r_squared_all_in"] = table.loc["enter", "r_squared"]
        row["r_squared_all_in_corrected"] = table.loc["enter", "r_squared_corrected"]
        return pd.DataFrame([row])

    return Reselection(
        inclusion(dyads, book, seed, n_boot),
        _each(dyads, book, models, MODELS, of_ratings=True),
        _each(dyads, book, procedure, PROCEDURE),
    )


def inclusion(
    dyads: pd.DataFrame, codebook: Codebook | None = None, seed: int = 1995, n_boot: int = 500
) -> pd.DataFrame:
    """How often each variable is selected again, beside pure noise and a model without selection.

    Returns
    -------
    DataFrame
        `informant outcome block term inclusion same_sign noise_inclusion beta beta_all_in p_all_in
        n reason`. A pretreatment or treatment variable has its row in the regression of the
        alliance; an outcome the alliance's row in its own regression. `beta` is that of the study's
        own final model (NaN if it is not in it); `beta_all_in p_all_in` with every candidate
        entered, errors by case manager.
    """
    book = book_of(dyads, codebook)

    def find(outcome: str, rating: str, blocks: Blocks) -> pd.DataFrame:
        how = {"cluster": book.case_manager}
        table = bootstrap_selection(dyads, outcome, blocks, n_boot, seed, **how)
        chosen = hierarchical_regression(dyads, outcome, blocks)
        all_in = hierarchical_regression(dyads, outcome, blocks, "enter", **how)
        entered = all_in.final.set_index("term")
        table["beta"] = table["term"].map(chosen.final.set_index("term")["beta"])
        table["beta_all_in"] = table["term"].map(entered["beta"])
        table["p_all_in"] = table["term"].map(entered["p_value"])
        table["n"] = chosen.n
        if outcome == rating:
            return table
        return table[table["term"] == rating].assign(term=outcome, block="outcome")

    return _each(dyads, book, find, INCLUSION)


def _each(
    dyads: pd.DataFrame,
    book: Codebook,
    find: Callable[[str, str, Blocks], pd.DataFrame],
    columns: str,
    of_ratings: bool = False,
) -> pd.DataFrame:
    """What `find` tells of each of the regressions, or only of those of the ratings."""

    def checked(outcome: str, rating: str, blocks: Blocks) -> pd.DataFrame:
        if not usable(dyads, [rating]):
            raise NotEstimableError(f"{rating} does not vary")
        return find(outcome, rating, blocks)

    calls = []
    for informant in book.informants:
        rating, before = book.alliance_of(informant), regression_blocks(dyads, book)
        outcomes = [rating] if before else []
        outcomes += () if of_ratings else usable(dyads, book.blocks.get("outcome", ()))
        for outcome in outcomes:
            after = regression_blocks(dyads, book, outcome, informant)
            call = partial(checked, outcome, rating, before if outcome == rating else after)
            calls.append(({"informant": informant, "outcome": outcome}, call))
    return one_below_the_other(calls, f"informant outcome {columns} reason")
