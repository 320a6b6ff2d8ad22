import re
import warnings

import numpy as np
import pandas as pd
import pytest

from alliance_helpers.claims.assess import assess
from alliance_helpers.claims.multiverse import (
    CHOICES,
    FORMS,
    covariate_sets,
    multiverse,
    scored_tables,
    set_apart_by,
)
from alliance_helpers.claims.rules import read_rules, read_stress
from alliance_helpers.cohorts.cohort import open_cohort
from alliance_helpers.cohorts.simulate import simulate_dyads
from alliance_helpers.pages import plots
from alliance_helpers.study.read_codebook import read_codebook
from alliance_helpers.study.score import score_wai

RULES = read_rules()
CLAIMS = {(c.finding, c.claim, c.informant): c for c in RULES.claims}
WAI_S = [2, 4, 8, 12, 21, 22, 23, 24, 26, 27, 32, 35]
WAI_SR = [25, 4, 8, 30, 19, 22, 23, 24, 36, 16, 32, 35]


@pytest.fixture(scope="module")
def study():
    return open_cohort()


@pytest.fixture(scope="module")
def every(study):
    return multiverse(study, finding="3", n_perm=99)


@pytest.mark.parametrize(("form", "numbers"), [("WAI-S", WAI_S), ("WAI-SR", WAI_SR)])
def test_short_forms_are_the_published_items_of_the_36(study, form, numbers):
    """The short form's own key on its own twelve items, found through item numbers."""
    items = study.items("client_alliance").iloc[:, [n - 1 for n in numbers]]
    if form == "WAI-SR":  # its own responses end at 5; shifting them is no change of order
        whole = scored_tables(study, study.codebook)[form, "prorated"]["client_alliance"]
        complete = items.notna().all(axis=1).to_numpy()
        assert (items.sum(axis=1).to_numpy()[complete] == whole.to_numpy()[complete]).all()
        return
    expected = score_wai(items, form)["total"].to_numpy()
    found = scored_tables(study, study.codebook)[form, "prorated"]["client_alliance"].to_numpy()
    np.testing.assert_allclose(found, expected)


def test_item_rules_differ_where_an_answer_is_missing_and_only_there(study):
    tables = scored_tables(study, study.codebook)
    name = "client_alliance"
    all_answered = tables["WAI-36", "all answered"][name].to_numpy()
    prorated = tables["WAI-36", "prorated"][name].to_numpy()
    gaps = study.items(name).isna().any(axis=1).to_numpy()
    assert np.isnan(all_answered[gaps]).all() and gaps.any()
    assert (all_answered[~gaps] == prorated[~gaps]).all()
    np.testing.assert_array_equal(prorated, study.dyads[name].to_numpy())


def test_specifications_are_distinct(every):
    table = every.specifications
    assert not table.duplicated(["finding", "claim", "informant", *CHOICES]).any()
    results = table[["claim", "estimate", "p_value", "n"]].round(12)
    alike = table[results.duplicated(keep=False)]
    # Where no variance is found between case managers the mixed model is least squares.
    assert set(alike["estimator"]) <= {"ols", "mixed"} and len(alike) < 0.02 * len(table)
    assert len(table) > 500


def test_the_plain_specification_is_the_nested_row_of_findings(study, every):
    plain = every.specifications.query(
        "scoring == 'WAI-36' and items == 'prorated' and covariates == 'none' "
        "and outliers == 'kept' and estimator == 'mixed'"
    ).set_index("claim")
    rows = assess(study.dyads, analyses=("nested",), finding="3").set_index("claim")
    for claim in ("own_outcome", "other_outcomes", "treatment"):
        assert plain.loc[claim, "estimate"] == pytest.approx(rows.loc[claim, "estimate"])
        assert plain.loc[claim, "p_value"] == pytest.approx(rows.loc[claim, "p_value"])
        assert plain.loc[claim, "verdict"] == rows.loc[claim, "verdict"]


def test_units_do_not_make_a_new_specification():
    dyads = simulate_dyads("published", 201, 5)
    first = multiverse(dyads, finding="halo", n_perm=0)
    scaled = dyads.assign(case_manager_alliance=dyads["case_manager_alliance"] / 36)
    again = multiverse(scaled, finding="halo", n_perm=0)
    np.testing.assert_allclose(
        first.specifications["estimate"], again.specifications["estimate"], rtol=1e-9
    )


def test_nothing_a_claim_is_about_is_held_constant():
    dyads, book = simulate_dyads("published", 201, 5), read_codebook()
    for claim in RULES.claims:
        if claim.kind == "all_of":
            continue
        sets = covariate_sets(claim, dyads, book, RULES)
        held = {c for columns in sets.values() for c in columns}
        ratings = {"client_alliance", "case_manager_alliance"}
        assert not held & ({*claim.variables(book)} | ratings)
        assert len({frozenset(c) for c in sets.values()}) == len(sets)


def test_case_managers_own_variables_are_never_tested_as_if_dyads_were_independent():
    dyads = simulate_dyads("published", 201, 5)
    found = multiverse(dyads, finding="2", n_perm=0).specifications
    used = found.groupby("claim")["estimator"].agg(set)
    assert used["age"] == {"cr2", "mixed"}
    assert used["symptoms"] == {"ols", "cr2", "mixed"}


def test_joint_test_finds_what_is_there_and_not_what_is_not():
    found = multiverse(simulate_dyads("published", 600, 5), finding="2", n_perm=39)
    joint = found.joint.set_index("claim")
    strong = joint.loc[["symptoms", "health_sickness", "own_outcome"]]
    assert (strong["p_value"] == 1 / (1 + strong["n_perm"])).all() and (
        strong["p_high"] < 0.05
    ).all()
    medians = found.specifications.groupby("claim")["estimate"].median()
    assert medians["symptoms"] == pytest.approx(-0.25, abs=0.07)
    assert medians["own_outcome"] == pytest.approx(0.50, abs=0.07)
    none = multiverse(simulate_dyads("no_association", 600, 5), finding="2", n_perm=39)
    assert (none.joint["p_value"] > 0.05).mean() > 0.8


def test_the_joint_test_tells_the_median_of_the_specifications(every):
    """Permutations take shortcuts; what is told of the data are the fits, as in findings.csv."""
    told = every.joint.set_index("claim")
    ends = every.specifications.groupby("claim")["estimate"].agg(["median", "min", "max"])
    ends = ends.set_axis(["estimate", "lowest", "highest"], axis=1)
    pd.testing.assert_frame_equal(told[ends.columns].astype(float).sort_index(), ends)


@pytest.mark.parametrize("seed", [2, 3])
def test_no_seed_decides_a_verdict(study, seed):
    """Functioning, whose p is about .04: by 200 permutations one seed said .065."""
    claim, settings = CLAIMS["2", "health_sickness", "case_manager"], read_stress()["multiverse"]
    found = multiverse(study, finding="2", claim="health_sickness", seed=seed)
    row = found.joint.iloc[0]
    assert row["p_high"] < settings["alpha"]
    verdict, criterion = found.verdict_of(claim, RULES, settings)[1]
    assert verdict == "supported"
    assert row["p_low"] <= row["p_value"] <= row["p_high"] and "too few" not in criterion


def test_permutations_too_few_to_tell_are_said_to_be(study):
    few = read_stress()["multiverse"] | {"doublings": 0, "n_perm": 99}
    found = multiverse(study, finding="2", claim="health_sickness", settings=few)
    claim = CLAIMS["2", "health_sickness", "case_manager"]
    verdict, criterion = found.verdict_of(claim, RULES, few)[1]
    assert verdict == "inconclusive" and "(too few permutations to tell)" in criterion


def test_seed_decides_permutations_and_nothing_else():
    dyads = simulate_dyads("published", 201, 5)
    a, b, c = (multiverse(dyads, finding="halo", n_perm=50, seed=s) for s in (1, 1, 2))
    assert a.joint.equals(b.joint) and not a.joint.equals(c.joint)
    assert a.specifications.equals(c.specifications)


def _with(**columns):
    return lambda d: d.assign(**columns)


@pytest.mark.parametrize(
    "change",
    [
        _with(symptoms=4.0), _with(symptoms=np.nan), _with(case_manager_alliance=100.0),
        _with(case_manager_id="M1"), lambda d: d.assign(case_manager_id=d["client_id"]),
        lambda d: d.iloc[:5], _with(hospital_days=0.0), _with(hospital_days=9.0),
        lambda d: d.assign(symptoms=d["case_manager_alliance"] * 2),
    ],
    ids=["constant", "all missing", "constant rating", "one case manager", "one client each",
         "five dyads", "no days", "equal days", "copy"],
)  # fmt: skip
def test_bad_input_is_a_reason_and_never_a_warning(change):
    dyads = change(simulate_dyads("published", 120, 5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = multiverse(dyads, n_perm=19)
    table = found.specifications
    directed = table[table["claim"].isin(["symptoms", "hospital_days", "modest"])]
    assert directed[["estimate", "conf_low", "conf_high", "p_value"]].notna().all().all()
    assert table[["estimate", "p_value", "verdict"]].notna().all().all()
    assert (found.skipped["reason"].str.len() > 5).all()
    assert len(found.joint) == 0 or found.joint[["estimate", "p_value"]].notna().all().all()


def test_the_curve_says_what_it_shows(every):
    ax = plots.specification_curve(every.specifications, every.joint)
    label = ax.figure.get_label()
    n = (every.specifications["claim"] == "own_outcome").sum()
    assert f"{n} specifications" in label and "Joint permutation test" in label
    empty = plots.specification_curve(every.specifications.iloc[:0])
    assert "No specification" in empty.figure.get_label()


def test_a_verdict_is_that_of_the_median_and_no_count(every):
    """What sets verdicts apart is the choice whose options do, with each one's own median p."""
    settings = read_stress()["multiverse"]
    for joint in every.joint.to_dict("records"):
        claim = CLAIMS[tuple(joint[k] for k in ("finding", "claim", "informant"))]
        mine = every.specifications.query("claim == @claim.claim")
        effect, (verdict, said) = every.verdict_of(claim, RULES, settings)
        assert joint["lowest"] == mine["estimate"].min()
        assert joint["highest"] == mine["estimate"].max()
        assert "more than" not in said and "%" not in said
        if claim.kind == "block_absence":
            median = mine["p_equivalence"].median()
            assert (verdict == "supported") is bool(median < 0.05)
            assert effect.p_equivalence == median and "median p of equivalence below 0.05;" in said
        if not joint["set_apart_by"]:
            medians = [mine["p_equivalence"].groupby(mine[c]).median() < 0.05 for c in CHOICES]
            assert mine["verdict"].nunique() == 1 or not any(m.nunique() > 1 for m in medians)
            continue
        choice, told = joint["set_apart_by"].split(": median p of equivalence ")
        for p, option in re.findall(r"(\.\d{3}) with ([^,]+)", told):
            own = mine.loc[mine[choice] == option, "p_equivalence"]
            assert float(p) == pytest.approx(own.median(), abs=0.0005)


def test_what_sets_verdicts_apart_is_found():
    rng = np.random.default_rng(1)
    specs = pd.DataFrame({c: rng.choice(["a", "b"], 400) for c in CHOICES})
    specs["verdict"] = np.where(specs["outliers"] == "b", "inconclusive", "supported")
    specs["p_value"] = np.where(specs["outliers"] == "b", 0.3, 0.01)
    symptoms = CLAIMS["2", "symptoms", "case_manager"]
    assert set_apart_by(symptoms, specs) == "outliers: median p .010 with a, .300 with b"
    assert set_apart_by(symptoms, specs.assign(verdict="supported")) == ""
    assert set_apart_by(symptoms, specs.assign(p_value=specs["p_value"] + 0.1)) == ""
    absent = CLAIMS["1", "unrelated_pretreatment", "client"]
    against = specs.replace({"verdict": {"supported": "not_supported"}}).assign(p_equivalence=0.5)
    assert set_apart_by(absent, against) == "outliers: median p .010 with a, .300 with b"
    assert set_apart_by(absent, specs.assign(p_equivalence=0.5)) == ""


def test_every_form_has_twelve_different_items():
    for form, key in FORMS.items():
        if key:
            numbers = [abs(i) for part in key.values() for i in part]
            assert len(set(numbers)) == 12, form
    assert {abs(i) for part in FORMS["WAI-SR"].values() for i in part} == set(WAI_SR)
