from dataclasses import replace

import numpy as np
import pytest

from alliance_helpers.claims.associations import two_informants
from alliance_helpers.claims.views import whose_rating
from alliance_helpers.cohorts.simulate import simulate_dyads
from alliance_helpers.study.read_codebook import read_codebook

BOOK = read_codebook()
MANAGER = "case_manager_id"


@pytest.fixture(scope="module")
def dyads():
    return simulate_dyads("published", 201, 12)


def test_tables_hold_every_variable_and_the_same_difference(dyads):
    found = two_informants(dyads)
    wide = found.slopes.pivot_table("estimate", "term", "informant")
    np.testing.assert_allclose(wide["difference"], wide["case_manager"] - wide["client"])
    # One variable at a time a standardised slope is a correlation.
    np.testing.assert_allclose(wide["client"], dyads[wide.index].corrwith(dyads["client_alliance"]))
    pulls = found.pulls
    assert set(pulls["term"]) == set(wide.index) and len(pulls) == 2 * len(wide)
    shift = pulls.groupby("informant")["directional_bias"].first()
    assert shift["client"] == pytest.approx(-shift["case_manager"])


def test_what_cannot_be_told_has_a_reason(dyads):
    copied = dyads.assign(case_manager_alliance=dyads["client_alliance"])
    found = two_informants(copied)
    for table in (found.pulls, found.surfaces):
        assert table["reason"].str.startswith("not estimable: ").all() and len(table)


def test_a_study_without_case_managers_or_outcomes(dyads):
    found = two_informants(dyads.drop(columns="case_manager_id"), replace(BOOK, case_manager=None))
    for table in (found.slopes, found.pulls, found.surfaces):
        assert table["estimate"].notna().all() and len(table)
    assert two_informants(dyads, replace(BOOK, blocks={})).slopes.empty


def test_ratings_by_unlike_forms_are_compared_as_percentages(dyads):
    """A form with half the range, answered alike, changes nothing."""
    scales = dict(BOOK.scales)
    scales["client_alliance"] = replace(scales["client_alliance"], limits=(1.0, 4.0))
    other = replace(BOOK, scales=scales)
    shrunk = dyads.assign(client_alliance=(dyads["client_alliance"] - 36) / 2 + 36)
    wanted, found = two_informants(dyads), two_informants(shrunk, other)
    np.testing.assert_allclose(found.surfaces["estimate"], wanted.surfaces["estimate"])


@pytest.mark.parametrize("flat", [(), ("client",), ("case_manager",), ("client", "case_manager")])
def test_whose_rating_names_who_lacks_a_share(dyads, flat):
    """A rating freed of its case managers is named; the smaller share first where both are."""
    part = dyads.dropna(subset=["client_alliance", "case_manager_alliance", MANAGER])
    freed = [f"{i}_alliance" for i in flat]
    means = part.groupby(MANAGER)[freed].transform("mean") if freed else 0
    part = part.assign(**(part[freed] - means)) if freed else part
    found = whose_rating(part).set_index(["term", "informant"])
    for informant in ("client", "case_manager"):
        said = found.loc[("share_case_manager", informant)]
        none = said["reason"] == "no difference between case managers found"
        assert none == (said["estimate"] == 0) == (informant in flat)
    reason = found.loc[("correlation_case_manager", "both"), "reason"]
    ends = ": no difference between case managers to correlate"
    assert reason.removesuffix(ends) in (flat or [""]), reason


def test_whose_rating_says_why_it_cannot_tell(dyads):
    alone = whose_rating(dyads, replace(BOOK, case_manager=None))
    assert alone["reason"].tolist() == ["The study does not say who the case managers are."]
    one = whose_rating(dyads.assign(**{MANAGER: "CM01"}))
    assert one["reason"].str.contains("Not estimable: All .* belong to one group").all()
