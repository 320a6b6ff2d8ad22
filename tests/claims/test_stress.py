from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from alliance_helpers.claims import verdicts
from alliance_helpers.claims.as_1995 import READINGS, inclusion
from alliance_helpers.claims.assess import COLUMNS, assess
from alliance_helpers.claims.multiverse import multiverse
from alliance_helpers.claims.rules import read_rules, read_stress
from alliance_helpers.claims.stress import STRESS, _selected, all_rows
from alliance_helpers.claims.trends import TRENDS
from alliance_helpers.claims.verdicts import QUICK as ASSESSED
from alliance_helpers.claims.verdicts import bounds_of
from alliance_helpers.claims.views import bayes_factors
from alliance_helpers.cohorts.cohort import open_cohort
from alliance_helpers.cohorts.simulate import simulate_dyads
from alliance_helpers.errors import NotEstimableError, ParameterError
from alliance_helpers.models.inference import adjust
from alliance_helpers.pages.tables import then_and_now
from alliance_helpers.study.read_codebook import read_codebook

KEY = ["finding", "claim", "informant"]
QUICK = [name for name in STRESS if name != "multiverse"]
SMALL = read_stress()
SMALL = SMALL | {
    "imputed": SMALL["imputed"] | {"m": 3},
    "selection": SMALL["selection"] | {"n_boot": 60},
    "multiverse": SMALL["multiverse"] | {"n_perm": 19},
}


def stress(*args, **named):
    rows = all_rows(*args, **named)
    return rows[rows["analysis"].isin(STRESS)].reset_index(drop=True)


@pytest.fixture(scope="module")
def dyads():
    return simulate_dyads("published", 201, 12)


@pytest.fixture(scope="module")
def rows(dyads):
    return stress(dyads, analyses=QUICK, settings=SMALL)


def _by_claim(table, analysis):
    return table[table["analysis"] == analysis].set_index(KEY)


def test_rows_have_the_columns_of_findings_and_a_verdict_each(rows):
    assert list(rows.columns) == COLUMNS
    assert set(rows["analysis"]) == set(QUICK) - {"attrition"}  # these dyads lack nothing
    assert rows["verdict"].isin(["supported", "not_supported", "inconclusive"]).all()
    assert (rows["criterion"].str.len() > 10).all()
    assert not rows.duplicated([*KEY, "analysis"]).any()


def test_every_claim_is_under_several_stress_tests(rows):
    spoken = rows.groupby(KEY)["analysis"].nunique()
    for claim in read_rules().claims:
        assert spoken[claim.finding, claim.claim, claim.informant] >= 3, claim.text


def test_nothing_missing_makes_imputation_change_nothing(dyads, rows):
    """Simulated dyads are complete: pooling must give back the one answer."""
    nested = _by_claim(assess(dyads, analyses=("adjusted",)), "adjusted")
    imputed = _by_claim(rows, "imputed")
    for name in ("estimate", "p_value"):
        a, b = nested[name].dropna(), imputed[name].dropna()
        # Barnard-Rubin degrees of freedom fall short of complete ones even where nothing is
        # missing: (df + 1) / (df + 3) of them.
        np.testing.assert_allclose(a, b.loc[a.index], rtol=0.12, atol=0.004)
    np.testing.assert_allclose(nested["estimate"].dropna(), imputed["estimate"].dropna(), rtol=1e-9)


def test_imputation_leaves_out_dyads_whose_case_manager_is_unknown(dyads):
    unknown = dyads.assign(case_manager_id=dyads["case_manager_id"].where(dyads.index > 9))
    rows = stress(unknown, analyses=["imputed"], finding="3", settings=SMALL)
    assert rows["n"].dropna().tolist() == [191] * 3


def test_holm_adjusts_the_p_values_of_the_primary_analysis(dyads, rows):
    nested = _by_claim(assess(dyads, analyses=("adjusted",), finding="2"), "adjusted")
    nested = nested[nested["p_value"].notna()]
    mine = _by_claim(rows, "holm").loc[nested.index]
    np.testing.assert_allclose(mine["p_value"], adjust(nested["p_value"].to_numpy()))
    lost = (nested["verdict"] == "supported") & (mine["p_value"] >= 0.05)
    assert (mine["verdict"] == nested["verdict"].mask(lost, "inconclusive")).all()


def test_absence_claims_are_not_adjusted_for_being_several(rows):
    mine = rows[rows["analysis"] == "holm"]
    assert not mine["claim"].isin(["unrelated_pretreatment", "alone", "hospital_days"]).any()


def test_evidence_is_asked_for_absences_alone(rows):
    mine = rows[rows["analysis"] == "bayes"]
    assert set(mine["claim"]) == {
        "unrelated_pretreatment", "other_outcomes", "treatment", "alone", "hospital_days",
        "neither",
    }  # fmt: skip
    assert mine.loc[mine["estimate"].notna(), "criterion"].str.contains("effective n of").all()


def test_all_of_follows_its_parts(rows):
    for analysis in ("rank", "holm"):
        table = _by_claim(rows[rows["finding"] == "2"], analysis)
        parts = table[table["estimate"].notna()]["verdict"].tolist()
        assert table.loc["2", "all_seven", "case_manager"]["verdict"] == verdicts.all_of(parts)[0]


def test_ranks_do_not_see_how_a_rating_is_stretched(dyads, rows):
    bent = dyads.assign(
        case_manager_alliance=np.exp(dyads["case_manager_alliance"] / 30),
        client_alliance=dyads["client_alliance"] ** 3,
    )
    again = stress(bent, analyses=["rank"], finding="2")
    first = _by_claim(rows, "rank").loc["2"]["estimate"].dropna()
    np.testing.assert_allclose(first, again.set_index(KEY).loc["2"]["estimate"].dropna())


@pytest.mark.parametrize("analysis", ["rank", "jackknife", "negbin", "capped", "hurdle"])
def test_large_cohorts_tell_scenarios_apart(analysis):
    """With many clients a true claim is supported and an effect on days is not an absence."""
    n, asked = (1000, None) if analysis == "rank" else (700, "4")
    published = stress(simulate_dyads("published", n, 5), analyses=[analysis], finding=asked)
    days = stress(simulate_dyads("hospital_effect", n, 5), analyses=[analysis], finding="4")
    found = published[published["claim"] != "all_seven"]
    if analysis == "rank":
        wanted = found[found["claim"].isin(["symptoms", "health_sickness", "own_outcome"])]
        assert (wanted["verdict"] == "supported").all() and len(wanted) == 4
    mine = published[published["claim"] == "hospital_days"]
    assert (mine["verdict"] == "supported").all() and len(mine) == 2
    assert not (days["verdict"] == "supported").any() and len(days) == 3


def test_selection_finds_strong_terms_and_not_noise():
    rows = stress(simulate_dyads("published", 600, 5), analyses=["selection"], finding="2")
    assert rows.set_index("claim").loc["own_outcome", "verdict"] == "supported"
    none = stress(simulate_dyads("no_association", 201, 5), analyses=["selection"])
    none = none[none["estimate"].notna()]
    assert (none["verdict"] != "supported").mean() > 0.8


def test_resamples_are_doubled_until_the_verdict_is_clear(dyads):
    """Whether half of all resamples select a term: few cannot tell, and say so."""
    s = read_stress()["selection"]
    row = {"inclusion": 0.56, "noise_inclusion": 0.15, "same_sign": 1.0}
    clear = _selected(pd.Series(row | {"n_boot": 2000}), True, s)
    assert clear == {"supported"}
    assert _selected(pd.Series(row | {"n_boot": 100}), True, s) == {"supported", "inconclusive"}
    assert _selected(pd.Series(row | {"n_boot": 2000}), False, s) == {"not_supported"}
    rows = stress(dyads, analyses=["selection"], finding="2", settings=SMALL)
    counts = rows["criterion"].str.extract(r"of ([\d,]+) resamples")[0].dropna()
    counts = counts.str.replace(",", "").astype(int)
    assert counts.min() == 60 < counts.max() <= 60 * 2 ** s["doublings"]
    last = SMALL | {"selection": SMALL["selection"] | {"doublings": 0}}
    short = stress(dyads, analyses=["selection"], finding="2", settings=last)
    assert short["criterion"].str.contains("60 resamples.*as far as so many can tell").any()


def test_bayes_factors_tell_an_effect_on_days_from_none():
    effect = stress(simulate_dyads("hospital_effect", 1500, 5), analyses=["bayes"], finding="4")
    none = stress(simulate_dyads("published", 1500, 5), analyses=["bayes"], finding="4")
    assert (effect["verdict"] == "not_supported").all()
    assert (none["verdict"] == "supported").all()


@pytest.mark.parametrize("constant", ["hospital_days", "client_alliance"])
def test_bayes_factors_of_what_does_not_vary_say_so(constant, dyads):
    book = replace(read_codebook(), case_manager=None)
    with pytest.raises(NotEstimableError, match="is the same for everybody"):
        bayes_factors(dyads.assign(**{constant: 1.0}), book)


def test_a_study_without_case_managers_is_taken_as_independent():
    book = replace(read_codebook(), case_manager=None)
    dyads = simulate_dyads("published", 201, 12).drop(columns="case_manager_id")
    rows = stress(dyads, book, analyses=["rank"], finding="3")
    assert rows.loc[rows["claim"] != "alone", "estimate"].notna().all()


def test_all_rows_go_into_then_and_now():
    study = open_cohort()
    every = multiverse(study, finding="3", n_perm=19)
    rows = all_rows(study, finding="3", specifications=every)
    assert list(rows.columns) == COLUMNS
    card = then_and_now(rows)
    elsewhere = {"jackknife", "negbin", "capped", "hurdle"}
    assert set(STRESS) - elsewhere <= set(card.frame.columns)
    assert "Every specification" in card._repr_html_()


def test_unknown_names_are_refused(dyads):
    with pytest.raises(ParameterError, match="Unknown stress tests: ranks"):
        stress(dyads, analyses=["ranks"])
    with pytest.raises(ParameterError, match="finding is '7'"):
        stress(dyads, finding="7")
    with pytest.raises(ParameterError, match="finding is '7'; choose one of 1, 2, 3, 4, halo"):
        multiverse(dyads, finding="7", n_perm=0)
    assert read_rules().finding(3) == "3" and read_rules().finding("") is None


def test_settings_say_why_and_where_from():
    told = read_stress()
    assert set(told) == {*READINGS, *ASSESSED, *STRESS, *TRENDS}
    assert all(told[name]["why"] and told[name]["source"] for name in STRESS)


def test_seed_decides_what_draws(dyads):
    again = [stress(dyads, analyses=["imputed"], finding="3", seed=s, settings=SMALL)
             for s in (1, 1)]  # fmt: skip
    pd.testing.assert_frame_equal(*again)


def test_within_sites_a_difference_between_sites_is_gone(dyads):
    """A site's level of the rating and of the symptoms must not make an association."""
    site = dyads["site"].astype("category").cat.codes
    rng = np.random.default_rng(4)
    bent = dyads.assign(
        case_manager_alliance=rng.normal(size=201) - 3 * site,
        symptoms=rng.normal(size=201) + 3 * site,
    )
    rows = stress(bent, analyses=["sites"], finding="2").set_index("claim")["estimate"]
    nested = assess(bent, analyses=["nested"], finding="2").set_index("claim")["estimate"]
    assert nested["symptoms"] < -0.5 and abs(rows["symptoms"]) < 0.1
    numbered = stress(bent.assign(site=site), analyses=["sites"], finding="2")
    assert numbered["estimate"].dropna().tolist() == pytest.approx(rows.dropna().tolist())
    assert stress(bent.assign(site="A"), analyses=["sites"]).empty


def test_what_is_not_selected_is_not_refuted(dyads):
    """Nothing related: that refutes no claim, but for the luck of one sample in twenty that a
    term has in all of its resamples (10 of 180 over 20 cohorts). A sign turned around does.
    """
    cohorts = [simulate_dyads("no_association", 201, seed) for seed in range(8)]
    none = pd.concat(stress(d, analyses=["selection"], settings=SMALL) for d in cohorts)
    none = none[none["estimate"].notna()]
    assert (none["verdict"] == "not_supported").mean() < 0.125
    turned = dyads.assign(case_manager_outcome=-dyads["case_manager_outcome"])
    rows = stress(turned, analyses=["selection"], finding="2", settings=SMALL)
    assert rows.set_index("claim").loc["own_outcome", "verdict"] == "not_supported"


def test_the_numbers_of_a_criterion_are_those_of_its_data():
    """Each is worked out by another way, and other data have other numbers."""
    said, rules = [], read_rules()
    for seed in (12, 13):
        dyads = simulate_dyads("published", 150, seed)
        dyads.loc[dyads.index[:seed], "symptoms"] = np.nan
        tests = ["attrition", "bayes", "holm", "selection", "imputed"]
        rows = all_rows(dyads, rules=rules, analyses=tests, settings=SMALL)
        rows = rows[rows["estimate"].notna()]
        lacking = _by_claim(rows, "attrition").loc[("2", "symptoms", "case_manager")]
        assert f"; dyads that lack a value: {seed};" in lacking["criterion"]
        assert lacking["n"] == 150 - seed
        for row in rows[rows["analysis"] == "bayes"].itertuples():
            assert f" at an effective n of {row.n_effective:.0f} " in row.criterion
        counts = rows[rows["analysis"] == "holm"].groupby("finding").size()
        for row in rows[rows["analysis"] == "holm"].itertuples():
            assert f"over {counts[row.finding]} associations" in row.criterion
        found = inclusion(dyads, seed=1995, n_boot=60).set_index(["informant", "term"])
        chosen = rows[(rows["analysis"] == "selection") & (rows["claim"] != "independent_raters")]
        chosen = chosen[chosen["criterion"].str.contains(" 60 resamples")]
        keys = pd.MultiIndex.from_frame(chosen[["informant", "term"]])
        chosen = chosen[keys.isin(found.index)]
        assert len(chosen) > 1
        for row in chosen.itertuples():
            noise = found.loc[(row.informant, row.term), "noise_inclusion"]
            assert f"noise ({noise:.0%})" in row.criterion
        assert rows.loc[rows["analysis"] == "imputed", "criterion"].str.contains("3 imput").all()
        said.append(rows.set_index([*KEY, "analysis"])["criterion"])
    both = pd.concat(said, axis=1, join="inner")
    bayes = both.xs("bayes", level="analysis")
    assert len(bayes) > 3 and (bayes.iloc[:, 0] != bayes.iloc[:, 1]).all()


def test_a_criterion_names_the_bound_that_it_is_judged_by():
    rules = read_rules()
    changed = {name: value * 1.1 for name, value in rules.bounds.items() if value < 1}
    moved = replace(rules, bounds=rules.bounds | changed)
    dyads = simulate_dyads("published", 120, 12)
    rows = assess(dyads, rules=moved, analyses=["adjusted"]).set_index(KEY)
    for claim in moved.claims:
        if claim.kind != "all_of" and not claim.over_time and claim.key in rows.index:
            low, high = bounds_of(claim, moved)
            named = [f"{bound:g}" for bound in ((low, high) if low > 0 else (high,))]
            assert all(bound in rows.loc[claim.key, "criterion"] for bound in named), claim.key


def test_the_criteria_of_changed_analyses_are_those_of_the_primary_and_what_was_changed(dyads):
    """Another bound is named by each, and what was done to the data goes where it was not done."""
    rules, tests = read_rules(), ["sites", "rank", "capped", "negbin", "hurdle"]
    changed = {name: value * 1.1 for name, value in rules.bounds.items() if value < 1}
    moved = replace(rules, bounds=rules.bounds | changed)
    words = {"sites": " (within sites)", "rank": " (rank-normal scores)"}
    words |= dict.fromkeys(tests[2:], "; errors by jackknife over case managers")
    for used in (rules, moved):
        rows = all_rows(dyads, rules=used, analyses=tests)
        usual = _by_claim(rows, "adjusted")["criterion"]
        rows = rows[rows["analysis"].isin(tests) & rows["estimate"].notna()]
        assert set(rows["analysis"]) == set(tests)
        for row in rows.itertuples():
            said = usual[row.finding, row.claim, row.informant]
            said = said.split(" (not adjusted")[0] + words[row.analysis]
            if (row.analysis, row.claim) == ("rank", "hospital_days"):
                between = f"smaller than ±{used.bounds['correlation']:g} between rank-normal scores"
                assert row.criterion.startswith(between)
            else:
                assert row.criterion == said
    book = replace(read_codebook(), case_manager=None)
    alone = stress(dyads, book, analyses=["negbin", "capped"], finding="4")
    alone = alone[alone["estimate"].notna()]
    ends = alone["criterion"].str.endswith("; errors by jackknife over dyads")
    assert len(alone) == 4 and ends.all()


def test_what_sites_leave_nothing_of_is_said_and_not_told_in_numbers():
    """Ten case managers at nearly as many sites: df was -4e-7, and p empty without a reason."""
    rows = all_rows(open_cohort(scenario="published", n_clients=60, seed=7), finding="1",
                    analyses=["sites"])  # fmt: skip
    row = rows.query("analysis == 'sites' and claim == 'differs_treatment'").iloc[0]
    assert "nothing is left that tells groups from rows" in row["criterion"]
    told = rows.dropna(subset="df")
    assert (told["df"] > 0).all() and told.dropna(subset="estimate")["p_value"].notna().all()
