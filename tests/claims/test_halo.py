"""Associations by who rated the outcome: a group too small gives a reason, not an end."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from alliance_helpers.claims.associations import halo, two_informants
from alliance_helpers.cohorts.cohort import open_cohort
from alliance_helpers.cohorts.simulate import simulate_dyads

REFERENCE = Path(__file__).parents[1] / "reference" / "halo.csv"


def test_what_cannot_be_estimated_has_a_reason_and_the_rest_its_estimate():
    dyads = simulate_dyads("published", 60, 5)
    first = dyads.drop_duplicates("case_manager_id").index  # one client of each case manager
    dyads["symptoms"] = dyads["symptoms"].where(dyads.index.isin(first))
    dyads["living_skills"] = dyads["living_skills"].where(dyads.index < 3)
    both = halo(dyads)
    for table in (both.contrast, both.partialled):
        found = table.set_index("term")
        gone = found.loc[["symptoms", "living_skills"]]
        assert gone["estimate"].isna().all()
        assert "holds a single row" in gone.loc["symptoms", "reason"]
        assert "only 3 dyads" in gone.loc["living_skills", "reason"]
        there = found.drop(index=gone.index)
        assert np.isfinite(there["estimate"]).all()
        assert (there["reason"] == "").all()


@pytest.mark.parametrize("analysis", ["nested", "as_published"])
def test_the_own_view_is_held_constant_in_one_model(analysis):
    """Standardised slopes as those beside them; statsmodels' mixed model and least squares."""
    dyads = open_cohort().dyads
    own, rating, manager = "case_manager_outcome", "case_manager_alliance", "case_manager_id"
    for row in halo(dyads, analysis=analysis).partialled.to_dict("records"):
        z = dyads[[row["term"], rating, own]].astype(float).dropna()
        z, ids = (z - z.mean()) / z.std(), dyads.loc[z.index, manager].astype(str)
        data = sm.add_constant(z[[rating, own]])
        model = sm.OLS(z[row["term"]], data)
        if analysis == "nested":
            model = sm.MixedLM(z[row["term"]], data, groups=ids)
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # its variance near the edge, which it does not quite find
            fit = model.fit()
        assert row["estimate"] == pytest.approx(fit.params[rating], abs=0.01), row["term"]
        assert row["n"] == len(z)


def test_two_traits_by_two_raters_agree_with_psych():
    """`psych::alpha`, `cor` and `psych::correct.cor` on the shipped cohort."""
    known = pd.read_csv(REFERENCE).set_index(["statistic", "term"])["value"]
    table = halo(open_cohort()).matrix
    assert table["pair"].value_counts().to_dict() == {
        "same trait, different rater": 2,
        "different trait, same rater": 2,
        "different trait, different rater": 2,
    }
    for row in table.to_dict("records"):
        both = f"{row['first_rating']}:{row['second_rating']}"
        for statistic in ("estimate", "corrected"):
            assert row[statistic] == pytest.approx(known[statistic, both], rel=1e-9)
        for side in ("first", "second"):
            assert row[f"alpha_{side}"] == pytest.approx(
                known["alpha", row[f"{side}_rating"]], rel=1e-9
            )


def test_a_halo_shows_in_the_matrix_and_goes_with_it():
    """A favour added to one rater's two ratings lifts their correlation, and no other."""
    dyads = simulate_dyads("no_association", 400, 5)
    favour = np.random.default_rng(1).normal(size=400)
    own = ["case_manager_alliance", "case_manager_outcome"]
    liked = dyads.assign(**{c: dyads[c] + 2 * dyads[c].std() * favour for c in own})
    before, after = (
        halo(d).matrix.set_index(["first_rating", "second_rating"]) for d in (dyads, liked)
    )
    assert after.loc[tuple(own), "pair"] == "different trait, same rater"
    assert abs(before.loc[tuple(own), "estimate"]) < 0.15 < 0.7 < after.loc[tuple(own), "estimate"]
    others = after.drop(index=tuple(own))["estimate"]
    assert (others.abs() < 0.15).all()
    assert after[["alpha_first", "corrected"]].isna().all().all(), "a dyad table has no items"


def test_without_one_own_view_three_pairs_are_left():
    dyads = simulate_dyads("published", 60, 5).drop(columns=["client_outcome", "living_skills"])
    found = halo(dyads).matrix
    assert found["pair"].tolist() == [
        "same trait, different rater", "different trait, same rater",
        "different trait, different rater",
    ]  # fmt: skip
    assert "client_outcome" not in set(found["first_rating"]) | set(found["second_rating"])


def test_slopes_were_the_ratings_free_of_error():
    """Each slope over the square root of its rating's alpha, by hand; the difference is theirs."""
    study = open_cohort()
    known = pd.read_csv(REFERENCE).set_index(["statistic", "term"])["value"]["alpha"]
    table = two_informants(study).slopes
    columns = "estimate", "rating_corrected"
    wide, free = (table.pivot_table(c, "term", "informant") for c in columns)
    for informant in ("client", "case_manager"):
        wanted = wide[informant] / np.sqrt(known[f"{informant}_alliance"])
        np.testing.assert_allclose(free[informant], wanted, rtol=1e-9)
    np.testing.assert_allclose(free["difference"], free["case_manager"] - free["client"])
    assert two_informants(study.dyads).slopes["rating_corrected"].isna().all()
