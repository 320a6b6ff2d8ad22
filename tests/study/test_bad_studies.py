"""Every helper on every bad study: an answer, or a named error. Never a NaN without a word."""

import warnings
from dataclasses import fields, is_dataclass
from functools import cache

import numpy as np
import pandas as pd
import pytest

from alliance_helpers.claims.as_1995 import reselection
from alliance_helpers.claims.assess import assess
from alliance_helpers.claims.associations import (
    associations,
    halo,
    information_sources,
    two_informants,
)
from alliance_helpers.claims.multiverse import multiverse
from alliance_helpers.claims.rules import read_stress
from alliance_helpers.claims.stress import STRESS, all_rows
from alliance_helpers.claims.views import (
    bayes_factors,
    regression_blocks,
    whose_rating,
)
from alliance_helpers.cohorts.simulate import simulate_dyads, simulate_study
from alliance_helpers.errors import AllianceError
from alliance_helpers.models.agreement import agreement, response_surface, truth_and_bias
from alliance_helpers.models.counts import FAMILIES, count_ladder, count_regression
from alliance_helpers.models.informants import one_with_many, stacked
from alliance_helpers.models.missing import impute
from alliance_helpers.models.nesting import effective_n, icc
from alliance_helpers.models.regression import hierarchical_regression
from alliance_helpers.models.reliability import reliability
from alliance_helpers.models.robust import cluster_robust
from alliance_helpers.models.selection import (
    bootstrap_selection,
    optimism_corrected_r2,
    permutation_test,
    selected_models,
)
from alliance_helpers.study.clean import clean
from alliance_helpers.study.read_codebook import read_codebook
from alliance_helpers.study.score import score_wai

BOOK = read_codebook()
CLIENT, CM, KEYS, DAYS = (
    "client_alliance",
    "case_manager_alliance",
    "case_manager_id",
    "hospital_days",
)
TERMS = ["symptoms", "health_sickness", "living_skills"]
ADVICE = (r"Item .* negative correlation with the rest", "Everybody gave the same answer to")
"""What the kit itself says to a person who scores questionnaires."""
BAD = {
    "collinear": lambda d: d.assign(health_sickness=d["symptoms"] * -2 + 3),
    "constant": lambda d: d.assign(symptoms=4.0),
    "constant tenth": lambda d: d.assign(symptoms=0.1, case_manager_age=0.1),
    "constant rating": lambda d: d.assign(case_manager_alliance=100.0),
    "copied rating": lambda d: d.assign(case_manager_alliance=d[CLIENT]),
    "one case manager": lambda d: d.assign(case_manager_id="M1"),
    "one client each": lambda d: d.assign(case_manager_id=d["client_id"]),
    "a case manager with one client": lambda d: d.assign(
        case_manager_id=np.where(np.arange(len(d)) < 1, "M0", d[KEYS])
    ),
    "two case managers": lambda d: d.assign(
        case_manager_id=np.where(np.arange(len(d)) < 1, "M0", "M1")
    ),
    "no days": lambda d: d.assign(hospital_days=0.0),
    "equal days": lambda d: d.assign(hospital_days=9.0),
    "separated": lambda d: d.assign(hospital_days=50.0 * (d[CLIENT] > d[CLIENT].median())),
    "more predictors than rows": lambda d: d.iloc[:8],
    "three dyads": lambda d: d.iloc[:3],
    "no dyads": lambda d: d.iloc[:0],
    "a variable all missing": lambda d: d.assign(symptoms=np.nan),
    "a rating all missing": lambda d: d.assign(client_alliance=np.nan),
    "days all missing": lambda d: d.assign(hospital_days=np.nan),
    "a treatment variable all missing": lambda d: d.assign(case_manager_age=np.nan),
    "case managers all missing": lambda d: d.assign(case_manager_id=np.nan),
}


def _ratings(d):
    return d[[CLIENT, CM]]


def _selection(helper, **more):
    def call(d):
        return helper(d, CM, regression_blocks(d), cluster=KEYS, **more)

    return call


def _regression(method, cluster):
    return lambda d: hierarchical_regression(
        d, CM, regression_blocks(d), method=method, cluster=cluster
    )


def _items(d):
    """Twelve answers of each client, as alike as the variables of the study are."""
    base = np.column_stack([d[c].to_numpy(float) for c in (CLIENT, CM, "symptoms")] * 4)
    return pd.DataFrame(np.where(np.isnan(base), np.nan, np.round(base % 6 + 1)))


SMALL = read_stress()
SMALL = SMALL | {
    "imputed": SMALL["imputed"] | {"m": 2},
    "selection": SMALL["selection"] | {"n_boot": 10, "doublings": 1},
    "multiverse": SMALL["multiverse"] | {"n_perm": 9, "doublings": 1},
}
SHORT = dict.fromkeys(("jackknife", "negbin", "capped", "hurdle"), "4") | {"multiverse": "3"}
HELPERS = {
    "agreement": lambda d: agreement(d[CLIENT], d[CM]),
    "agreement, clustered": lambda d: agreement(d[CLIENT], d[CM], d[KEYS]),
    "truth_and_bias": lambda d: truth_and_bias(d[CM], d[CLIENT], d["symptoms"], d[KEYS]),
    "response_surface": lambda d: response_surface(d["symptoms"], d[CM], d[CLIENT], 144, d[KEYS]),
    "stacked": lambda d: stacked(_ratings(d), d[TERMS], d[KEYS]),
    "icc": lambda d: pd.DataFrame({"estimate": [icc(d[CM], d[KEYS])]}),
    "effective_n": lambda d: effective_n(d["symptoms"], d[CM], d[KEYS]),
    "one_with_many": lambda d: one_with_many(d[CLIENT], d[CM], d[KEYS]),
    "cluster_robust": lambda d: cluster_robust(d[CM], d[TERMS], d[KEYS]),
    "stepwise": _regression("stepwise", None),
    "enter": _regression("enter", None),
    "enter, clustered": _regression("enter", KEYS),
    "bootstrap_selection": _selection(bootstrap_selection, n_boot=10),
    "selected_models": _selection(selected_models, n_boot=10),
    "optimism_corrected_r2": _selection(optimism_corrected_r2, n_boot=10),
    "permutation_test": _selection(permutation_test, n_perm=9),
    "reselection": lambda d: reselection(d, n_boot=10, n_perm=9),
    **{
        f"count_regression, {family}": lambda d, family=family: count_regression(
            d, DAYS, [CLIENT, CM], family, cluster=None if family == "zinb" else KEYS
        )
        for family in FAMILIES
    },
    "count_ladder": lambda d: count_ladder(d, DAYS, [CLIENT, CM]),
    "impute": lambda d: impute(d[[CLIENT, CM, *TERMS]], m=2, n_iter=2)[0],
    "impute, clustered": lambda d: impute(
        d[[CLIENT, CM, *TERMS, "case_manager_age"]], m=2, n_iter=2, cluster=d[KEYS]
    )[0],
    "reliability": lambda d: reliability(_items(d)),
    "score_wai": lambda d: score_wai(_items(d), "WAI-S"),
    "associations": lambda d: associations(d, BOOK, "nested"),
    "halo": halo,
    "information_sources": lambda d: information_sources(d, BOOK, n_boot=10, n_noise=9),
    "bayes_factors": lambda d: bayes_factors(d, BOOK),
    "whose_rating": lambda d: whose_rating(d, BOOK),
    "two_informants": two_informants,
    "assess": lambda d: assess(d, BOOK),
    **{
        f"stress, {name}": lambda d, name=name: all_rows(
            d, BOOK, analyses=[name], finding=SHORT.get(name), settings=SMALL
        )
        for name in STRESS
    },
    "multiverse": lambda d: multiverse(d, BOOK, finding="4", n_perm=9),
}
"""Each takes the dyads of a study."""


@cache
def good() -> pd.DataFrame:
    return simulate_dyads("published", 60, 5)


def tables(result) -> list[pd.DataFrame]:
    """The tables of a result."""
    if isinstance(result, pd.DataFrame):
        return [result]
    assert is_dataclass(result), type(result)
    parts = [getattr(result, f.name) for f in fields(result)]
    return [p for p in parts if isinstance(p, pd.DataFrame)]


def check(table: pd.DataFrame) -> None:
    """An estimate that is missing has its reason in the same row; a verdict never is."""
    if "verdict" in table:
        assert table["verdict"].isin(["supported", "not_supported", "inconclusive"]).all()
    if "estimate" not in table:
        return
    said = next((c for c in ("reason", "criterion") if c in table), None)
    gone = table[~np.isfinite(table["estimate"].astype(float))]
    if said is None and "family" in table:
        return  # the table of the fits says why
    assert said or gone.empty, gone
    assert gone.empty or gone[said].str.len().gt(5).all(), gone


@pytest.mark.parametrize("study", BAD)
@pytest.mark.parametrize("helper", HELPERS)
def test_an_answer_or_a_named_error(helper, study):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for advice in ADVICE:
            warnings.filterwarnings("ignore", advice, UserWarning)
        try:
            result = HELPERS[helper](BAD[study](good()))
        except AllianceError as error:
            assert len(str(error)) > 10
            return
    for table in tables(result):
        check(table)


@pytest.mark.parametrize("n", [5, 8, 20])
def test_a_very_small_study_gives_verdicts_or_reasons(n):
    study = clean(simulate_study("published", n, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = all_rows(study, study.codebook)
    assert rows["verdict"].notna().all()
    assert (rows["estimate"].notna() | (rows["criterion"].str.len() > 5)).all()
