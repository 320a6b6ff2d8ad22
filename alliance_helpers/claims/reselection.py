"""The study's stepwise regressions, repeated: on resamples, on pure noise, without selection.

They are those of `as_1995`: what comes before the alliance predicts it, and each outcome is
predicted by what came before and then by one informant's alliance. Whole case managers are
resampled and permuted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pandas as pd

from ..errors import NotEstimableError
from ..models.regression import hierarchical_regression
from ..models.resamples import permutation_test
from ..models.selection import bootstrap_selection, optimism_corrected_r2, selected_models
from ..study.codebook import Codebook
from ..study.read_codebook import book_of
from .views import Tables, regression_blocks

Blocks = dict[str, list[str]]


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
    return Reselection(
        inclusion(dyads, book, seed, n_boot),
        _models(dyads, book, seed, n_boot, top),
        _procedure(dyads, book, seed, n_boot, n_perm),
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

    columns = "block term inclusion same_sign noise_inclusion beta beta_all_in p_all_in n"
    return _each(dyads, book, find, columns)


def _models(dyads, book: Codebook, seed: int, n_boot: int, top: int) -> pd.DataFrame:
    def find(outcome: str, rating: str, blocks: Blocks) -> pd.DataFrame | None:
        if outcome != rating:
            return None
        table = selected_models(
            dyads, outcome, blocks, n_boot, seed, cluster=book.case_manager, top=top
        )
        words = table["model"].map(lambda m: " + ".join(map(book.label, m.split(" + "))))
        return table.assign(model=words)

    return _each(dyads, book, find, "model n_terms frequency as_full_sample")


def _procedure(dyads, book: Codebook, seed: int, n_boot: int, n_perm: int) -> pd.DataFrame:
    columns = "n n_terms r_squared r_squared_corrected p_value r_squared_noise any_selected_noise"
    columns += " r_squared_all_in r_squared_all_in_corrected"
    noise = ["p_value", "r_squared_noise", "any_selected_noise"]

    def find(outcome: str, rating: str, blocks: Blocks) -> pd.DataFrame:
        how = {"cluster": book.case_manager, "seed": seed}
        test = permutation_test(dyads, outcome, blocks, n_perm=n_perm, **how).iloc[0]
        table = optimism_corrected_r2(dyads, outcome, blocks, n_boot, **how)
        table = table.set_index("procedure")[["n", "n_terms", "r_squared", "r_squared_corrected"]]
        row = table.loc["stepwise"].to_dict() | test[noise].to_dict()
        row["r_squared_all_in"] = table.loc["enter", "r_squared"]
        row["r_squared_all_in_corrected"] = table.loc["enter", "r_squared_corrected"]
        return pd.DataFrame([row])

    return _each(dyads, book, find, columns)


def _each(
    dyads: pd.DataFrame,
    book: Codebook,
    find: Callable[[str, str, Blocks], pd.DataFrame | None],
    columns: str,
) -> pd.DataFrame:
    """The tables of all regressions below one another; a reason where there is none."""
    tables = []
    for informant in book.informants:
        rating = book.alliance_of(informant)
        for outcome, blocks in _regressions(dyads, book, informant):
            try:
                if rating not in dyads or dyads[rating].nunique() < 2:
                    raise NotEstimableError(f"{rating} does not vary")
                table = find(outcome, rating, blocks)
            except NotEstimableError as error:
                table = pd.DataFrame({"reason": [f"not estimable: {error}"]})
            if table is not None:
                table.insert(0, "informant", informant)
                table.insert(1, "outcome", outcome)
                tables.append(table)
    joined = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    joined = joined.reindex(columns=["informant", "outcome", *columns.split(), "reason"])
    return joined.assign(reason=joined["reason"].astype(object).fillna(""))


def _regressions(dyads, book: Codebook, informant: str) -> Iterator[tuple[str, Blocks]]:
    """Outcome and blocks of each of an informant's regressions."""
    before = regression_blocks(dyads, book)
    if before:
        yield book.alliance_of(informant), before
    for outcome in regression_blocks(dyads, book, blocks=("outcome",)).get("outcome", ()):
        yield outcome, regression_blocks(dyads, book, outcome, informant)
