"""Plans: the rates of verdicts against whole cohorts, textbook power, and what `Judge` finds."""

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_helpers.claims.assess import assess
from alliance_helpers.claims.planning import (
    VERDICTS,
    Plan,
    contrary,
    find_claim,
    plan,
    power_table,
    readings,
)
from alliance_helpers.claims.rules import read_rules
from alliance_helpers.cohorts.courses import TREND_ONLY, courses, draw_sessions, scenario_codebook
from alliance_helpers.errors import ParameterError
from alliance_helpers.models.inference import two_one_sided
from alliance_helpers.paths import COURSES, ROOT
from alliance_helpers.study.clean import all_sessions

RULES = read_rules()
OTHER = ROOT / "examples" / "gad_sessions" / "codebook.yml"
CHECK = pd.read_csv(ROOT / "benchmarks" / "plan_check.csv").set_index("claim")


@pytest.mark.parametrize(
    ("claim", "how"),
    [
        ("symptoms", {"pretreatment": 0.2, "level": "within"}),
        ("age", {}),
        ("modest", {"level": "within"}),
        ("4/hospital_days/client", {}),
        ("alliance_first", {"sessions": "10"}),
    ],
)
def test_rates_are_those_of_assess_on_whole_cohorts(claim, how):
    """`benchmarks/plan_check.csv`: cohorts drawn answer by answer, found in by `assess`."""
    told = CHECK.loc[claim]
    size = str(told["case_managers"]), str(told["clients"])
    row = plan(claim, told["effect"], *size, cohorts=400, jobs=1, **how).rates.iloc[0]
    for verdict in VERDICTS:
        share = told[f"{verdict}_assess"]
        noise = np.sqrt(share * (1 - share) * (1 / 400 + 1 / told["cohorts"]))
        assert row[verdict] == pytest.approx(share, abs=0.02 + 3 * noise), verdict


@pytest.mark.parametrize(("effect", "power"), [(0.15, 0.57), (0.20, 0.81), (0.25, 0.95)])
def test_clients_with_a_case_manager_each_have_textbook_power(effect, power):
    """Power of r with 201 independent pairs (FACTS, section 4); six covariates take a little."""
    row = plan("age", effect, "201", "1", cohorts=500, jobs=1).rates.iloc[0]
    assert row["supported"] == pytest.approx(power - 0.01, abs=3 * row["monte_carlo_error"])


@pytest.mark.parametrize(
    ("claim", "effect", "right", "wrong", "other"),
    [
        ("symptoms", 0.25, "supported", "not_supported", 0.0),
        ("symptoms", 0.1, "supported", None, 0.0),
        ("symptoms", 0.0, "not_supported", "supported", 0.2),
        ("modest", 0.6, "not_supported", "supported", 0.0),
        ("3/treatment", 0.0, "supported", "not_supported", 0.0625),
        ("3/treatment", 0.1, "not_supported", "supported", 0.0),
        ("4/hospital_days/client", 1.0, "supported", "not_supported", 0.8),
        ("4/hospital_days/client", 0.75, "not_supported", "supported", 1.0),
        ("alliance_first", 0.07, "supported", "not_supported", 0.0),
    ],
)
def test_which_verdict_misleads(claim, effect, right, wrong, other):
    asked = find_claim(claim, RULES)
    assert readings(asked, RULES, effect) == (right, wrong)
    assert contrary(asked, RULES, effect) == other


def test_unreliable_ratings_and_missing_clients_cost_what_they_must():
    """A reliability of .64 makes .25 a correlation of .20; half the clients, half the study."""
    how = {"case_managers": "60", "clients": "3", "cohorts": 400, "jobs": 1}
    less = plan("symptoms", 0.25, reliability=0.64, **how).rates.iloc[0]
    same = plan("symptoms", 0.20, **how).rates.iloc[0]
    noise = 3 * np.sqrt(2) * same["monte_carlo_error"]
    assert less["supported"] == pytest.approx(same["supported"], abs=noise)
    few = plan("age", 0.3, "60", "2", cohorts=400, jobs=1).rates.iloc[0]
    half = plan("age", 0.3, "60", "4", missing=0.5, cohorts=400, jobs=1).rates.iloc[0]
    assert half["n"] == 240
    assert half["supported"] == pytest.approx(few["supported"], abs=0.05 + noise)


def test_over_time_the_rating_is_unreliable_whichever_comes_first():
    """Against `assess` on sessions whose ratings are given an error here; with it in the symptoms,
    72 % would be supported."""
    rules, book = read_rules(COURSES / "findings.yml"), scenario_codebook(TREND_ONLY)
    planned = plan("symptoms_first", 0.5, "30", "5", "3", 0.3, cohorts=300, rules=rules,
                   codebook=book, jobs=1).rates["supported"][0]  # fmt: skip
    only = replace(rules, claims=(find_claim("symptoms_first", rules),))
    truth, said = courses()[TREND_ONLY], []
    paths = {"alliance_before_symptoms": 0, "symptoms_before_alliance": -0.5}
    error = truth["alliance"]["sd"] * np.sqrt(1 / 0.3 - 1)
    for seed in range(150):
        frame = draw_sessions(truth | {"paths": paths}, 150, seed, 3)
        frame["client_alliance"] += error * np.random.default_rng([9, seed]).normal(size=len(frame))
        dyads = frame.drop_duplicates("client_id", keep="last")
        tables = {"sessions": (frame, frame["session"].to_numpy(float))}
        dyads.attrs["sessions"] = all_sessions(tables, book)
        said += [*assess(dyads, book, only, ["detrended"])["verdict"]]
    share = np.mean([verdict == "supported" for verdict in said])
    noise = np.sqrt(share * (1 - share) * (1 / 150 + 1 / 300))
    assert planned == pytest.approx(share, abs=3 * noise)


def test_the_smallest_design_and_the_paragraph():
    before = set(Path("/dev/shm").glob("joblib*"))
    found = plan("symptoms", 0.3, "10, 40", "2, 5", cohorts=100, jobs=2)
    assert set(Path("/dev/shm").glob(f"joblib*_{os.getpid()}_*")) <= before
    alone = plan("symptoms", 0.3, "40", "5", cohorts=100, jobs=1)
    last = found.rates.iloc[-2:].reset_index(drop=True)
    pd.testing.assert_frame_equal(last, alone.rates)  # whatever else is looked at, and how
    best = found.smallest
    enough = found.rates.query("truth == 'assumed' and supported >= .8")
    assert best["n"] == enough["n"].min()
    assert (
        f"{best['case_managers']} case managers with {best['clients']} clients" in found.paragraph
    )
    assert "it is the smallest" in found.paragraph
    assert f"{100 * best['supported']:.3g} % of such studies" in found.paragraph
    out_of_reach = Plan(**vars(found) | {"wanted": 1.01})
    assert out_of_reach.smallest is None
    assert "it is the largest; in none" in out_of_reach.paragraph
    assert "{" not in found.paragraph + plan("within", cohorts=10, jobs=1).paragraph


@pytest.mark.parametrize(
    ("claim", "how"),
    [
        ("symptoms", {"wanted": 0.05}),
        ("symptoms", {"effect": 0.1, "missing": 0.25}),  # too small to matter: none misleads
        ("symptoms", {"pretreatment": 0.5, "level": "within"}),
        ("modest", {"reliability": 0.8}),
        ("3/treatment/client", {}),
        ("4/hospital_days/client", {"effect": 1.0}),
        ("alliance_first", {"sessions": "4", "wanted": 0.05}),
    ],
)
def test_every_number_of_the_paragraph_is_the_plans(claim, how):
    made = plan(claim, case_managers="5, 8", clients="4", cohorts=20, jobs=1, seed=3, **how)
    best, over_time = made.smallest, made.claim.over_time
    size = made.rates.iloc[-1] if best is None else best
    (_, row), (_, other) = made.rates[made.rates["n"] == size["n"]].iterrows()
    names = ["case_managers", "clients", "n", *["sessions"] * over_time]
    told = [row[name] for name in names] + [100 * made.design.missing, 2, 100 * made.wanted]
    for truth in (row, other):
        kinds = ("supported", "not_supported", "inconclusive")
        told += [truth["effect"], *(100 * truth[kind] for kind in kinds)]
    misled = [100 * truth["misleading"] for truth in (row, other)]
    told += misled if not np.isnan(misled).any() else []
    told += [20, 100 * made.rates["monte_carlo_error"].max(), made.design.reliability]
    told += [] if over_time else [*made.design.shares, made.design.other_share]
    told += [50] if made.design.pretreatment else []
    said = re.sub(re.escape(made.claim.text), "", made.paragraph)
    said = re.sub(r"which is 0|each session moved.*?clients stopped", "", said)
    shown = [float(n) for n in re.findall(r"(?<![\w.])\d+(?:\.\d+)?", said)]
    assert shown == pytest.approx([*told, 3], rel=0.006)
    assert ("it is the smallest" in said) is (best is not None)
    assert ("would mislead" in said) is (not np.isnan(misled).any())
    assert f"right, {made.right.replace('_', ' ')}," in said
    assert ("sessions are expected" in said) is over_time
    assert ("the effect is one between clients of the same" in said) is ("level" in how)
    assert ("pretreatment variables explain 50 % of the variance of the outcome" in said) is (
        "pretreatment" in how
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"claim": "symptms"}, "did you mean 'symptoms'"),
        ({"claim": "own_outcome"}, "write one of 2/own_outcome/case_manager, 3/own_outcome/client"),
        ({"claim": "all_seven"}, "plan each of age, experience"),
        ({"clients": "0"}, "clients is 0"),
        ({"clients": "many"}, "give whole numbers with commas"),
        ({"case_managers": "1"}, "needs 3 or more"),
        ({"case_managers": "9000", "clients": "9000"}, "20,000 at most"),
        ({"reliability": 1.5}, "reliability is 1.5; give a number from 0.1 to 1"),
        ({"wanted": 1.2, "effect": 2, "level": "up"}, "effect is 2.*\nwanted is 1.2.*\nlevel is"),
        ({"sessions": "5"}, "of one occasion"),
        ({"claim": "alliance_first", "sessions": "2"}, "sessions is 2"),
        ({"claim": "alliance_first", "effect": 0.95}, "0.95 cannot be, beside what a"),
        ({"claim": "alliance_first", "pretreatment": 0.2}, "first' holds no pretreatment"),
        ({"claim": "alliance_first", "reliability": 0.8, "codebook": OTHER}, "relates no r"),
        ({"claim": "alliance_first", "level": "within"}, "is of sessions of clients: level within"),
        ({"claim": "4/hospital_days/client", "level": "within"}, "is of days, drawn with one"),
        ({"claim": "age", "level": "within"}, "is of case managers' own traits: level"),
        ({"claim": "age", "effect": 0.9}, "an effect of 0.9 cannot be"),
        ({"claim": "1/unrelated_pretreatment/client", "pretreatment": 0.2}, "holds no pretr"),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_is_told(given, told):
    with pytest.raises(ParameterError, match=f"(?s){told}"):
        plan(**({"claim": "symptoms"} | given))


@pytest.mark.parametrize("kind", ["precedes, lag: 3", "precedes_more, than: other_alliance"])
def test_a_path_that_is_not_simulated_is_not_planned_as_another(kind, tmp_path):
    claim = f"finding: '2', claim: late, informant: client, from: client_alliance, kind: {kind}"
    text = f"claims: [{{{claim}, to: symptoms, sign: negative, text: It comes before}}]"
    (tmp_path / "findings.yml").write_text(text)
    with pytest.raises(ParameterError, match=r"'late' is not what is simulated.*lag: 1.*reverse"):
        plan("late", 0.2, rules=read_rules(tmp_path / "findings.yml"))


def test_rates_of_which_all_studies_agree_have_an_error():
    """Wilson's interval of 0 of 100: up to 3.7 %, as R's `prop.test(0, 100, correct = FALSE)`."""
    made = plan("age", 0.5, "200", "1", cohorts=100, jobs=1)
    assert made.rates["supported"].tolist()[0] == 1
    assert made.rates["monte_carlo_error"].iloc[0] * 2 * 1.96 == pytest.approx(0.0370, abs=1e-4)


def test_more_than_its_reverse_is_what_the_paragraph_says():
    said = plan("alliance_rather", 0.2, "8", "5", cohorts=10, jobs=1).paragraph
    assert "is 0.2 standard deviations within clients in the claimed direction" in said
    assert "in the claimed direction and larger in size than its reverse" in said


@pytest.mark.parametrize(("error", "df"), [(0.08, 43.0), (0.1, np.inf)])
def test_power_is_the_share_of_estimates_that_pass(error, df):
    from scipy.stats import t

    half = t.ppf(0.975, df) * error
    row = {"finding": "4", "claim": "hospital_days", "informant": "client", "analysis": "adjusted"}
    row |= {"estimate": 1.0, "conf_low": np.exp(-half), "conf_high": np.exp(half), "df": df, "n": 9}
    table = power_table(pd.DataFrame([row]), read_rules())
    low, high = np.log([0.8, 1.25])
    draws = np.random.default_rng(4).normal(size=4000)
    for effect, power in table[["effect", "power"]].iloc[[20, 25, 30, 36]].to_numpy():
        estimates = np.log(effect) + error * draws
        passed = np.mean([two_one_sided(x, error, low, high, df) < 0.05 for x in estimates])
        noise = np.sqrt(max(power * (1 - power), 1e-4) / len(draws))
        assert passed == pytest.approx(power, abs=4 * noise)
