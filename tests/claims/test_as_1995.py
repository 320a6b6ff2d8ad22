"""1995's reading: the direction of each regression, and what its claims say."""

import numpy as np
import pandas as pd
import pytest

from alliance_helpers.claims.as_1995 import AFTER, BEFORE, LINKS, Stepwise, stepwise_links
from alliance_helpers.claims.assess import assess
from alliance_helpers.claims.rules import Claim, read_rules
from alliance_helpers.cohorts.simulate import simulate_dyads
from alliance_helpers.errors import NotEstimableError
from alliance_helpers.models.regression import hierarchical_regression
from alliance_helpers.study.read_codebook import read_codebook

BOOK = read_codebook()


@pytest.fixture(scope="module")
def dyads():
    return simulate_dyads("published", 400, 11)


def test_one_row_per_informant_and_variable(dyads):
    links = stepwise_links(dyads)
    assert list(links.columns) == LINKS.split()
    assert not links.duplicated(["informant", "term"]).any()
    before = links["block"].isin(["pretreatment", "treatment"])
    assert set(links.loc[before, "direction"]) == {BEFORE}
    assert set(links.loc[~before, "direction"]) == {AFTER}
    entered = links["entered"].astype(bool)
    assert links.loc[entered, "estimate"].notna().all()
    assert links.loc[~entered, "estimate"].isna().all()


def test_what_comes_before_predicts_the_alliance_and_what_comes_after_is_predicted(dyads):
    links = stepwise_links(dyads, informants=("case_manager",)).set_index("term")
    blocks = {b: [t for t in BOOK.blocks[b] if t in dyads] for b in ("pretreatment", "treatment")}
    first = hierarchical_regression(dyads, "case_manager_alliance", blocks).coefficients
    last = first[first["block"] == "treatment"].set_index("term")["beta"].drop("intercept")
    alone = links[(links["direction"] == BEFORE) & links["entered"]]["estimate"]
    pd.testing.assert_series_equal(alone.sort_index(), last.sort_index(), check_names=False)

    blocks["alliance"] = ["case_manager_alliance"]
    then = hierarchical_regression(dyads, "symptoms", blocks).coefficients
    row = then[(then["block"] == "alliance") & (then["term"] == "case_manager_alliance")].iloc[0]
    assert links.loc["symptoms", "estimate"] == pytest.approx(row["beta"])
    assert links.loc["symptoms", "p_value"] == pytest.approx(row["p_value"])
    width = row["beta"] / row["estimate"] * (row["conf_high"] - row["conf_low"])
    assert np.ptp(links.loc["symptoms", ["conf_low", "conf_high"]]) == pytest.approx(width)


def test_claims_follow_from_what_is_entered(dyads):
    links = stepwise_links(dyads)
    entered = links[links["entered"]].groupby("informant")["term"].agg(set)
    rows = assess(dyads, analyses=["as_1995"]).set_index(["finding", "claim", "informant"])
    said = rows["verdict"] == "supported"
    sign = np.sign(links.set_index(["informant", "term"])["estimate"])
    for claim in read_rules().claims:
        key = (claim.finding, claim.claim, claim.informant)
        about = set(claim.variables(BOOK))
        if claim.kind == "association" and claim.term:
            wanted = 1 if claim.sign == "positive" else -1
            assert said[key] == (sign.get((claim.informant, claim.term)) == wanted), key
        elif claim.kind in ("block_absence", "rate_absence"):
            assert said[key] == (not about & entered[claim.informant]), key
        elif claim.kind == "block_difference":
            assert said[key] == (about & entered["client"] != about & entered["case_manager"]), key


def test_a_variable_outside_all_blocks_is_predicted_by_the_alliance(dyads):
    rng = np.random.default_rng(3)
    rating = dyads["client_alliance"]
    more = dyads.assign(attendance=rating / rating.std() + rng.normal(0, 1, len(dyads)))
    claim = Claim("5", "attendance", "association", "client", term="attendance")
    reader = Stepwise(more, BOOK)
    assert reader.link("client", "attendance")["direction"] == AFTER
    assert reader.read(claim)[1][0] == "supported"
    against = Claim("5", "attendance", "association", "client", term="attendance", sign="negative")
    assert reader.read(against)[1][0] == "not_supported"


def test_one_informant_without_ratings_is_a_reason(dyads):
    with pytest.raises(NotEstimableError, match="no ratings by the nurse"):
        Stepwise(dyads, BOOK).link("nurse", "symptoms")
