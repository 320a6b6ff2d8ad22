"""Hospital days that few clients have, that end with their window, and dyads that lack a value."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import t

from alliance_helpers import assess, open_cohort
from alliance_helpers.claims.as_1995 import READINGS
from alliance_helpers.claims.rules import KEY, read_rules
from alliance_helpers.claims.stress import all_rows
from alliance_helpers.claims.verdicts import Effect, verdict_of
from alliance_helpers.cohorts.simulate import simulate_dyads

SCALES = {"modest": (np.arctanh, np.tanh), "rate_absence": (np.log, np.exp)}
ONE_CLIENT = Path(__file__).parents[3] / "shared" / "cases" / "p7_days_one_client"


def days_of(rows):
    """The rows about hospital days that today's rules judge."""
    return rows[(rows["claim"] == "hospital_days") & (~rows["analysis"].isin(READINGS))]


@pytest.mark.skipif(not ONE_CLIENT.is_dir(), reason="the case is not on this machine")
def test_one_client_with_days_makes_no_finding():
    rows = days_of(all_rows(open_cohort(str(ONE_CLIENT)), finding="4"))
    assert len(rows) and (rows["verdict"] == "inconclusive").all()
    assert rows["estimate"].isna().all()
    assert rows["criterion"].str.contains("above 0 in 1 of 1.. rows, and at least 8").all()


@pytest.mark.parametrize(("clients", "estimable"), [(7, False), (40, True)])
def test_days_need_clients_and_case_managers_who_have_them(clients, estimable):
    dyads = simulate_dyads("published", 201, 3)
    some = np.random.default_rng(3).permutation(201) < clients
    dyads["hospital_days"] = dyads["hospital_days"].where(some, 0)
    assert days_of(assess(dyads, finding="4"))["estimate"].notna().all() == estimable
    few = dyads["case_manager_id"].isin(dyads["case_manager_id"].unique()[:4])
    dyads["hospital_days"] = dyads["hospital_days"].where(few, 0)
    rows = days_of(assess(dyads, finding="4", analyses=["nested"]))
    assert rows["estimate"].isna().all() and set(rows["verdict"]) == {"inconclusive"}


def test_nobody_at_the_end_of_the_window_leaves_nothing_to_say():
    dyads = simulate_dyads("published", 201, 3)
    rows = all_rows(dyads, finding="4", analyses=["capped"])
    assert (rows["analysis"] == "capped").sum() == 3
    dyads["hospital_days"] = dyads["hospital_days"].clip(upper=700)
    assert not (all_rows(dyads, finding="4", analyses=["capped"])["analysis"] == "capped").any()


def test_a_verdict_is_kept_only_if_it_stands_whoever_is_missing():
    """The bound, by hand: the mean of the association found and of the worst one can be."""
    dyads = simulate_dyads("published", 201, 3)

    def bound(lost):
        gone = dyads.assign(client_outcome=dyads["client_outcome"].where(np.arange(201) >= lost))
        rows = all_rows(gone, finding="3", analyses=["attrition"]).query("claim == 'own_outcome'")
        return rows.set_index("analysis")

    few, many = bound(4), bound(90)
    row, usual = few.loc["attrition"], few.loc["adjusted"]
    assert row["verdict"] == usual["verdict"] == "supported"
    assert row["conf_low"] == pytest.approx(
        usual["conf_low"] - (usual["estimate"] + 1) * 4 / 201, abs=1e-9
    )
    assert row["estimate"] == pytest.approx((197 * usual["estimate"] - 4) / 201, abs=1e-9)
    assert row["p_value"] > usual["p_value"]
    assert many.loc["adjusted", "verdict"] == "supported"
    assert many.loc["attrition", "verdict"] == "inconclusive"
    assert "90 dyads lack a value" in many.loc["attrition", "criterion"]
    theirs = float(many.loc["attrition", "criterion"].rsplit(" ", 1)[1])
    turned = (111 * many.loc["nested", "estimate"] + 90 * theirs) / 201
    half = many.loc["nested", "estimate"] - many.loc["nested", "conf_low"]
    assert turned < half + 0.03  # the grid's step, weighted by how many are missing


def test_the_numbers_of_a_row_are_those_that_its_verdict_rests_on():
    """By the rule of its kind the row's own numbers give the row's own verdict."""
    rules = read_rules()
    for scenario, seed, lost in (("published", 3, 4), ("halo", 5, 1), ("hospital_effect", 4, 30)):
        dyads = simulate_dyads(scenario, 201, seed)
        some = np.arange(201) >= lost
        ratings = {c: dyads[c].where(some) for c in ("client_alliance", "case_manager_alliance")}
        rows = all_rows(dyads.assign(**ratings), analyses=["attrition"])
        rows = rows.query("analysis == 'attrition'").dropna(subset="estimate")
        assert rows["criterion"].str.contains("1 dyad lacks" if lost == 1 else "dyads lack").all()
        for row in rows.to_dict("records"):
            (claim,) = (c for c in rules.claims if c.key == tuple(row[k] for k in KEY))
            to, back = SCALES.get(claim.kind, (float, float))
            middle, low, high = (to(row[k]) for k in ("estimate", "conf_low", "conf_high"))
            half = (high - low) / 2 * t.ppf(0.95, row["df"]) / t.ppf(0.975, row["df"])
            names = ["estimate", "p_value", "n", "df", "conf_low", "conf_high", "p_equivalence"]
            ends = {"low_90": back(middle - half), "high_90": back(middle + half)}
            effect = Effect(**{k: row[k] for k in names}, **ends)
            assert verdict_of(effect, claim, rules)[0] == row["verdict"], row
