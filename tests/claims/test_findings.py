"""Claims assessed on cohorts whose truth is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pingouin
import pytest
import yaml

from alliance_helpers.claims.as_1995 import READINGS
from alliance_helpers.claims.assess import COLUMNS, assess, unavailable
from alliance_helpers.claims.rules import read_rules
from alliance_helpers.claims.verdicts import (
    ClaimData,
    assessed,
    claim_data,
    complete_of,
    verdict_of,
)
from alliance_helpers.cohorts.cohort import open_cohort
from alliance_helpers.cohorts.population import read_scenarios
from alliance_helpers.cohorts.simulate import simulate_dyads
from alliance_helpers.errors import CodebookError, ParameterError
from alliance_helpers.models.agreement import agreement
from alliance_helpers.models.inference import power_correlation
from alliance_helpers.paths import FINDINGS
from alliance_helpers.study.read_codebook import book_of, read_codebook

KEY = ["finding", "claim", "informant"]


@pytest.fixture(scope="module")
def large():
    """So many dyads that every true claim must show."""
    return assess(simulate_dyads("published", 8_000, 7))


def test_columns_and_coverage(large):
    assert list(large.columns) == COLUMNS
    rules = read_rules()
    claims = {(c.finding, c.claim, c.informant) for c in rules.claims}
    assert set(large[KEY].itertuples(index=False, name=None)) == claims
    assert set(large["verdict"]) <= {"supported", "not_supported", "inconclusive"}


def test_every_claim_is_recovered_when_the_sample_is_large(large):
    today = large[large["analysis"].isin(["as_published", "nested"])]
    lost = today.loc[today["verdict"] != "supported", ["analysis", *KEY]]
    assert lost.empty, lost


def test_estimates_are_near_their_targets(large):
    rows = large[large["analysis"] == "as_published"].set_index(["finding", "claim"])
    targets = {
        ("1", "modest"): 0.28,
        ("2", "age"): -0.20,
        ("2", "experience"): -0.20,
        ("2", "caseload_difficulty"): -0.25,
        ("2", "symptoms"): -0.25,
        ("2", "health_sickness"): 0.25,
        ("2", "living_skills"): 0.20,
        ("2", "own_outcome"): 0.50,
        ("3", "own_outcome"): 0.45,
    }
    for key, target in targets.items():
        # 1,791 case managers: SD of a case-manager-level correlation about .10 / sqrt(39.8)
        assert rows.loc[key, "estimate"] == pytest.approx(target, abs=0.035)


@pytest.mark.parametrize("scenario", [*read_scenarios()["scenarios"]][1:])
def test_large_cohorts_tell_true_claims_from_untrue_ones(scenario):
    """By what `data/scenarios.yml` states; an association of .20 lies on its bound, and waits."""
    rows = assess(simulate_dyads(scenario, 2_500, 8), analyses=["adjusted"])
    untrue = read_scenarios()["scenarios"][scenario]["untrue"]
    kinds = {c.key: c.kind for c in read_rules().claims}
    for _, row in rows.iterrows():
        if row["claim"] in untrue.get(row["finding"], ()):
            assert row["verdict"] != "supported", row
        elif kinds[tuple(row[KEY])] != "association" and row["claim"] != "all_seven":
            assert row["verdict"] == "supported", row
    days = rows[rows["claim"] == "hospital_days"]
    ratio = 0.75 if scenario == "hospital_effect" else 1
    assert days["estimate"].to_numpy() == pytest.approx([ratio, ratio], abs=0.06)


def modest(y, x, Z, groups):
    claim = next(c for c in read_rules().claims if c.kind == "modest")
    return ClaimData(claim, y, x[:, None], Z, groups, np.arange(len(y)), ())


def test_two_ratings_have_one_correlation_whichever_is_the_outcome():
    dyads, rules = simulate_dyads("published", 201, 3), read_rules()
    x, y, age = dyads[["client_alliance", "case_manager_alliance", "client_age"]].to_numpy().T
    groups = pd.factorize(dyads["case_manager_id"])[0]
    none, Z = np.empty((201, 0)), age[:, None]
    one = assessed(modest(y, x, none, groups), rules, "nested")
    told = agreement(x, y, groups).loc["pearson_r"]
    for name in ("estimate", "conf_low", "conf_high", "p_value"):
        assert getattr(one, name) == pytest.approx(told[name], rel=1e-9)
    for held in (none, Z):
        a, b = (assessed(modest(*xy, held, groups), rules, "adjusted") for xy in ((y, x), (x, y)))
        assert vars(a) == pytest.approx(vars(b), rel=1e-9)
    partial = assessed(modest(y, x, Z, None), rules, "adjusted_independent")
    table = pd.DataFrame({"x": x, "y": y, "age": age})
    outside = pingouin.partial_corr(table, "x", "y", "age").iloc[0]
    assert partial.estimate == pytest.approx(outside["r"], abs=1e-12)


def test_a_large_correlation_is_rarely_called_modest():
    """r = .50 in cohorts of 201 with 45 case managers, alike by .08 and .30: nominal 2.5 %."""
    rng, rules, called, n_cohorts = np.random.default_rng(50), read_rules(), 0, 400
    root = np.linalg.cholesky([[1, 0.5], [0.5, 1]])
    share = np.array([0.08, 0.30])
    # Equal links at both levels: this much of them is left in the total.
    root[1] = (r := 0.5 / np.sqrt([share, 1 - share]).prod(axis=1).sum()), np.sqrt(1 - r * r)
    for _ in range(n_cohorts):
        groups = np.r_[np.arange(45), rng.integers(45, size=156)]
        between, within = (rng.normal(size=(n, 2)) @ root.T for n in (45, 201))
        both = between[groups] * np.sqrt(share) + within * np.sqrt(1 - share)
        data = modest(*both.T, np.empty((201, 0)), groups)
        effect = assessed(data, rules, "nested")
        called += verdict_of(effect, data.claim, rules)[0] == "supported"
    assert called / n_cohorts < 0.025 + 2 * np.sqrt(0.025 * 0.975 / n_cohorts)


def test_nearly_one_client_each_is_taken_as_independent_and_said():
    dyads = simulate_dyads("published", 120, 3)
    alone = dyads.assign(case_manager_id=[f"T{max(i, 1)}" for i in range(120)])
    rows = assess(alone)
    assert set(rows["analysis"]) == {*READINGS, "adjusted_independent", "as_published"}
    today = rows[~rows["analysis"].isin(READINGS) & rows["estimate"].notna()]
    assert today["criterion"].str.contains("nearly one client per case manager").all()
    book = replace(read_codebook(), case_manager=None)
    named = ["estimate", "p_value", "verdict"]
    pd.testing.assert_frame_equal(rows[named], assess(alone, book)[named])
    assert "nested" in set(assess(dyads)["analysis"])


def test_probabilities_to_enter_and_remove_bear_on_what_1995_reads():
    dyads = simulate_dyads("published", 201, 3)
    strict, lenient = (
        assess(dyads, analyses=["as_1995"], p_enter=p, p_remove=2 * p)["verdict"].tolist()
        for p in (1e-6, 0.15)
    )
    assert strict != lenient and strict.count("not_supported") > lenient.count("not_supported")


def test_bounds_say_what_they_are_worth():
    """Numbers in the reasons of bounds are those of the shipped cohort and of formulas."""
    bounds = yaml.safe_load(FINDINGS.read_text("utf-8"))["bounds"]
    rows = assess(open_cohort().dyads, analyses=["adjusted"], finding="2").set_index("claim")
    worth = rows.loc["age", "n_effective"]
    assert f"worth about {worth:.0f}, which find .32" in bounds["correlation"]["why"]
    assert power_correlation(0.32, worth) == pytest.approx(0.8, abs=0.01)
    assert power_correlation(0.20, 201) == pytest.approx(0.8, abs=0.02)
    gap = 0.20**2 / (2 * (1 - 0.28))
    assert bounds["r_squared_difference"]["value"] == pytest.approx(gap, abs=5e-4)


def test_the_codebook_comes_with_the_dyads():
    study = open_cohort()
    book = replace(study.codebook, case_manager=None)
    dyads = study.dyads.assign(x=1.0).iloc[5:]
    assert book_of(dyads) is study.codebook
    assert book_of(pd.concat([dyads, dyads]), book) is book
    assert "nested" not in set(assess(dyads, book, finding="3")["analysis"])
    dyads.attrs["codebook"] = book
    assert "nested" not in set(assess(dyads, finding="3")["analysis"])


def test_one_finding_alone_gives_the_same_rows():
    dyads = simulate_dyads("published", 201, 3)
    every = assess(dyads)
    part = every[every["finding"] == "2"].reset_index(drop=True)
    pd.testing.assert_frame_equal(part, assess(dyads, finding="2"), check_dtype=False)


def test_missing_parts_switch_off_claims():
    dyads = simulate_dyads("published", 201, 3).drop(columns=["hospital_days", "symptoms"])
    gone = unavailable(dyads)
    alone = gone[~gone["claim"].isin(["all_seven", "neither", "alone"])]
    assert set(alone["lacking"]) == {"hospital_days", "symptoms"}
    rows = assess(dyads, analyses=["as_published"])
    assert not {"4"} & set(rows["finding"])
    assert "symptoms" not in set(rows["claim"])


SEVEN = {
    "age": "case_manager_age",
    "experience": "case_manager_experience_log",
    "caseload_difficulty": "caseload_difficulty",
    "symptoms": "symptoms",
    "health_sickness": "health_sickness",
    "living_skills": "living_skills",
    "own_outcome": "case_manager_outcome",
}


@pytest.mark.parametrize("how", ["no column", "empty"])
@pytest.mark.parametrize("gone", [[part] for part in SEVEN] + [[*SEVEN][:-1], []])
def test_a_claim_of_parts_waits_for_each_of_them(gone, how):
    dyads = simulate_dyads("published", 201, 3)
    columns = [SEVEN[part] for part in gone]
    dyads = dyads.drop(columns=columns) if how == "no column" else dyads.assign(
        **dict.fromkeys(columns, np.nan)
    )  # fmt: skip
    rows = assess(dyads, finding="2")
    assert ("all_seven" in set(rows["claim"])) is (not gone)
    lacking = unavailable(dyads).set_index("claim")["lacking"]
    told = ", ".join(f"{SEVEN[part]} (for {part})" for part in gone)
    assert lacking.get("all_seven", "") == told


def rules_of(tmp_path, claims):
    path = tmp_path / "findings.yml"
    path.write_text(yaml.safe_dump({"claims": claims}))
    return read_rules(path)


OWN = {"finding": "x", "informant": "case_manager"}
CALM = OWN | {"claim": "calm", "kind": "association", "term": "symptoms", "sign": "negative"}
HOME = OWN | {"claim": "home", "kind": "rate_absence", "term": "hospital_days"}
BOTH = OWN | {"claim": "both", "kind": "all_of", "of": ["calm", "home"]}


@pytest.mark.parametrize("claims", [[CALM, BOTH], [CALM, BOTH, HOME], [BOTH, CALM, HOME]])
def test_parts_must_be_claims_that_stand_above(tmp_path, claims):
    with pytest.raises(CodebookError, match=r"claim 'both': there is no claim '\w+' above it"):
        rules_of(tmp_path, claims)


def test_an_analysis_that_is_silent_on_a_part_is_silent_on_the_whole(tmp_path):
    dyads = simulate_dyads("published", 201, 3)
    rows = assess(dyads, rules=rules_of(tmp_path, [CALM, HOME, BOTH]))
    spoken = rows.groupby("analysis")["claim"].agg(set)
    assert any("home" not in claims for claims in spoken)
    for claims in spoken:
        assert ("both" in claims) is ("home" in claims)


def test_a_claim_that_cannot_be_estimated_says_why():
    dyads = simulate_dyads("published", 201, 3).assign(caseload_difficulty=50.0)
    rows = assess(dyads)
    row = rows[(rows["claim"] == "caseload_difficulty") & (rows["analysis"] == "nested")].iloc[0]
    assert row["verdict"] == "inconclusive"
    assert "not estimable" in row["criterion"]


def test_one_case_manager_is_said_and_not_crashed_on():
    dyads = simulate_dyads("published", 201, 3).assign(case_manager_id="M001")
    rows = assess(dyads, analyses=["nested"])
    assert set(rows["verdict"]) == {"inconclusive"}
    assert rows.loc[rows["claim"] == "age", "criterion"].str.contains("not estimable").all()


def test_a_dyad_whose_case_manager_is_unknown_is_left_out():
    """They are not one case manager: in findings, and in the claims' data for stress tests."""
    dyads = simulate_dyads("published", 201, 3)
    unknown = dyads.assign(case_manager_id=dyads["case_manager_id"].where(dyads.index > 9))
    analyses = ("as_published", "nested", "nested_cr2")
    with_gaps, without = assess(unknown, analyses=analyses), assess(dyads[10:], analyses=analyses)
    pd.testing.assert_frame_equal(with_gaps, without)
    claim = next(c for c in read_rules().claims if c.claim == "symptoms")
    assert len(claim_data(claim, complete_of(claim, unknown, read_codebook(), ())).y) == 191


def test_dyads_taken_as_independent_need_no_second_case_manager():
    dyads = simulate_dyads("published", 201, seed=3)
    columns = ["estimate", "p_value", "verdict"]
    alone, many = (
        assess(d, analyses=["as_published"]) for d in (dyads.assign(case_manager_id="M1"), dyads)
    )
    pd.testing.assert_frame_equal(alone[columns], many[columns])
    assert alone["n_effective"].isna().all()


def test_collinear_terms_of_a_block_are_named():
    dyads = simulate_dyads("published", 201, seed=3)
    dyads["symptoms_intake"] = 2 * dyads["client_age"]
    rows = assess(dyads, finding="1").set_index(["claim", "analysis"]).sort_index()
    found = rows.loc["unrelated_pretreatment"]
    assert (found.drop(list(READINGS))["verdict"] == "inconclusive").all()
    today = found.drop(list(READINGS))["criterion"]
    assert today.str.contains("'symptoms_intake' is a linear").all()


def test_an_unknown_analysis_is_named():
    with pytest.raises(
        ParameterError, match="Unknown analysis 'stepwise'; use as_1995, as_1995_outcomes, adjusted"
    ):
        assess(simulate_dyads("published", 30, seed=3), analyses=["stepwise"])


def test_names_from_a_file_are_not_code(tmp_path):
    book = read_codebook()
    dyads = simulate_dyads("published", 201, 3)
    evil = "__import__('os').system('touch owned')"
    dyads[evil] = dyads["symptoms"]
    path = tmp_path / "findings.yml"
    text = {
        "claims": [
            {"finding": "x", "claim": "own", "kind": "association", "informant": "case_manager",
             "term": evil, "sign": "negative", "outcome": True}
        ]
    }  # fmt: skip
    path.write_text(yaml.safe_dump(text))
    assert read_rules(path).bounds == read_rules().bounds  # none stated
    row = assess(dyads, book, read_rules(path), ["as_published"]).iloc[0]
    symptoms = assess(dyads, book, analyses=["as_published"], finding="2").set_index("claim")
    assert row["estimate"] == symptoms.loc["symptoms", "estimate"]


def test_rules_that_cannot_be_read_name_every_claim(tmp_path):
    path = tmp_path / "findings.yml"
    path.write_text(
        "bounds: {correlation: {value: wide}}\n"
        "claims:\n"
        "- {finding: '1', claim: a, kind: magic, informant: client}\n"
        "- {nonsense: 1}\n"
    )
    with pytest.raises(CodebookError) as error:
        read_rules(path)
    said = str(error.value)
    for part in ("findings.yml", "'magic'", "nonsense", "'wide'"):
        assert part in said


def test_a_claim_needs_a_bound_that_exists(tmp_path):
    path = tmp_path / "findings.yml"
    text = FINDINGS.read_text("utf-8")
    path.write_text(text.replace("bound: r_squared_difference", "bound: r_squared_blok", 1))
    with pytest.raises(CodebookError, match=r"differs_treatment.*r_squared_blok"):
        read_rules(path)


def test_same_data_same_bytes():
    dyads = simulate_dyads("published", 201, 4)
    first, second = assess(dyads).to_csv(), assess(dyads.copy()).to_csv()
    assert first == second
    shuffled = dyads.sample(frac=1, random_state=np.random.default_rng(1))
    a, b = assess(dyads, analyses=["nested"]), assess(shuffled, analyses=["nested"])
    assert a["estimate"].to_numpy() == pytest.approx(
        b["estimate"].to_numpy(), rel=1e-6, nan_ok=True
    )
