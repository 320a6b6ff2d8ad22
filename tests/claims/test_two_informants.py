from dataclasses import replace

import numpy as np
import pytest

from alliance_helpers.claims.assess import assess
from alliance_helpers.claims.rules import read_rules
from alliance_helpers.claims.stress import stress
from alliance_helpers.claims.two_informants import two_informants
from alliance_helpers.cohorts.simulate import simulate_dyads
from alliance_helpers.models.agreement import truth_and_bias
from alliance_helpers.models.inference import adjust
from alliance_helpers.study.read_codebook import read_codebook

BOOK = read_codebook()
NAMES = ["dependent_correlations", "stacked", "truth_and_bias", "response_surface"]
INDEPENDENT = ["symptoms", "health_sickness", "living_skills"]


@pytest.fixture(scope="module")
def dyads():
    return simulate_dyads("published", 201, 12)


@pytest.fixture(scope="module")
def rows(dyads):
    table = stress(dyads, analyses=NAMES)
    return table.set_index(["analysis", "finding", "claim", "informant"])


def test_each_analysis_speaks_to_its_claims(rows):
    spoken = rows.reset_index().groupby("analysis")["claim"].agg(set)
    differences = {"differs_treatment", "differs_outcome"}
    assert spoken["dependent_correlations"] == spoken["stacked"] == differences
    assert spoken["response_surface"] == {"differs_outcome"}
    associations = {c.claim for c in read_rules().claims if c.kind == "association"}
    assert spoken["truth_and_bias"] == associations | {"modest", "all_seven"}
    assert rows.loc[rows["estimate"].notna(), "n_effective"].notna().all()


def test_with_both_ratings_everywhere_stacking_is_the_nested_difference(dyads, rows):
    """Simulated dyads are complete, so the stacked test is CR2's on the difference."""
    nested = assess(dyads, analyses=["nested_cr2"]).set_index(["finding", "claim", "informant"])
    for claim in ("differs_treatment", "differs_outcome"):
        mine, other = rows.loc["stacked", "1", claim, "both"], nested.loc["1", claim, "both"]
        for column in ("estimate", "p_value", "p_equivalence", "df", "n"):
            assert mine[column] == pytest.approx(other[column], rel=1e-9), column
        assert mine["verdict"] == other["verdict"]


def test_joint_rows_are_holms_over_the_variables(dyads, rows):
    both = two_informants(dyads)
    found = both.differences.set_index("term").loc[INDEPENDENT]
    row = rows.loc["dependent_correlations", "1", "differs_outcome", "both"]
    assert row["p_value"] == pytest.approx(adjust(found["p_value"]).min())
    largest = found["estimate"].abs().idxmax()
    assert row[["estimate", "conf_low"]].tolist() == pytest.approx(
        found.loc[largest, ["estimate", "conf_low"]].tolist()
    )
    a3 = both.surfaces.query("term == 'a3'").set_index("outcome").loc[INDEPENDENT]
    row = rows.loc["response_surface", "1", "differs_outcome", "both"]
    assert row["p_value"] == pytest.approx(adjust(a3["p_value"]).min())
    assert row["estimate"] == pytest.approx(a3["estimate"][a3["estimate"].abs().idxmax()])


def test_pulls_are_truth_and_bias_on_standard_scores(dyads, rows):
    z = dyads[["case_manager_alliance", "client_alliance", "symptoms"]]
    z = (z - z.mean()) / z.std()
    table = truth_and_bias(*(z[c] for c in z), dyads["case_manager_id"]).set_index("term")
    row = rows.loc["truth_and_bias", "2", "symptoms", "case_manager"]
    for column in ("estimate", "p_value", "conf_low", "conf_high", "df"):
        assert row[column] == pytest.approx(table.loc["bias_force", column], rel=1e-9), column


def test_large_cohorts_tell_scenarios_apart():
    published = stress(simulate_dyads("published", 2000, 5), analyses=NAMES)
    found = published.set_index(["analysis", "claim"])["verdict"]
    for analysis in ("dependent_correlations", "stacked", "response_surface"):
        assert found[analysis, "differs_outcome"] == "supported"
    assert found["stacked", "differs_treatment"] == "supported"
    for claim in (*INDEPENDENT, "modest", "refuted"):
        assert found["truth_and_bias", claim] == "supported", claim
    halo = stress(simulate_dyads("halo", 2000, 5), analyses=NAMES)
    found = halo.set_index(["analysis", "claim"])["verdict"]
    for analysis in ("dependent_correlations", "stacked", "response_surface"):
        assert found[analysis, "differs_outcome"] == "not_supported"
    assert found["truth_and_bias", "refuted"] == "not_supported"


def test_tables_hold_every_variable_and_the_same_difference(dyads):
    found = two_informants(dyads)
    wide = found.slopes.pivot_table("estimate", "term", "informant")
    np.testing.assert_allclose(wide["difference"], wide["case_manager"] - wide["client"])
    differences = found.differences.set_index("term")
    # One variable at a time a standardised slope is a correlation.
    np.testing.assert_allclose(wide["client"], differences.loc[wide.index, "r_client"])
    pulls = found.pulls
    assert set(pulls["term"]) == set(wide.index) and len(pulls) == 2 * len(wide)
    shift = pulls.groupby("informant")["directional_bias"].first()
    assert shift["client"] == pytest.approx(-shift["case_manager"])


def test_what_cannot_be_told_has_a_reason(dyads):
    copied = dyads.assign(case_manager_alliance=dyads["client_alliance"])
    found = two_informants(copied)
    for table in (found.differences, found.pulls, found.surfaces):
        assert table["reason"].str.startswith("not estimable: ").all() and len(table)


def test_a_study_without_case_managers_or_outcomes(dyads):
    alone = replace(BOOK, case_manager=None)
    rows = stress(dyads.drop(columns="case_manager_id"), alone, analyses=NAMES, finding="1")
    assert rows["estimate"].notna().all()
    assert two_informants(dyads, replace(BOOK, blocks={})).slopes.empty


def test_ratings_by_unlike_forms_are_compared_as_percentages(dyads):
    """A form with half the range, answered alike, changes nothing."""
    scales = dict(BOOK.scales)
    scales["client_alliance"] = replace(scales["client_alliance"], limits=(1.0, 4.0))
    other = replace(BOOK, scales=scales)
    shrunk = dyads.assign(client_alliance=(dyads["client_alliance"] - 36) / 2 + 36)
    wanted, found = two_informants(dyads), two_informants(shrunk, other)
    np.testing.assert_allclose(found.surfaces["estimate"], wanted.surfaces["estimate"])
    row = stress(shrunk, other, analyses=["response_surface"]).iloc[0]
    assert row["estimate"] == pytest.approx(
        stress(dyads, BOOK, analyses=["response_surface"])["estimate"].iloc[0]
    )
