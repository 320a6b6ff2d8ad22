import numpy as np
import pandas as pd
import pingouin
import pytest
from measurement_data import JUDGES, numbers, pair

from alliance_helpers.errors import NotEstimableError
from alliance_helpers.models.agreement import agreement
from alliance_helpers.models.concordance import STATISTICS, intraclass, jackknife, statistics

REFERENCE = numbers("agreement").set_index(["dataset", "statistic", "term"])["value"].sort_index()


def test_six_intraclass_correlations_of_shrout_and_fleiss():
    for form, value in intraclass(JUDGES).items():
        assert value == pytest.approx(REFERENCE["ShroutFleiss", form, "estimate"], rel=1e-12)


def test_intraclass_agrees_with_pingouin_on_real_ratings():
    x, y, _ = pair("textbooks")
    long = pd.DataFrame({"book": [*range(len(x))] * 2, "shop": ["a"] * len(x) + ["b"] * len(x)})
    table = pingouin.intraclass_corr(
        long.assign(price=[*x, *y]), targets="book", raters="shop", ratings="price"
    )
    expected = table.set_index("Type")["ICC"]
    ours = intraclass(np.column_stack([x, y]))
    for form, name in {"icc_11": "ICC(1,1)", "icc_a1": "ICC(A,1)", "icc_c1": "ICC(C,1)"}.items():
        assert ours[form] == pytest.approx(
            expected[name], abs=5e-5
        )  # pingouin rounds what it prints


def test_the_ccc_of_acitellis_couples_from_their_moments():
    # The CCC and its interval depend on the data through n, means, SDs and r alone.
    known = REFERENCE["Acitelli", "moments"]
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
    there = dict(zip(STATISTICS, statistics(x, y), strict=True))
    np.testing.assert_allclose(statistics(x[order], y[order]), list(there.values()), rtol=1e-12)
    back = dict(zip(STATISTICS, statistics(y, x), strict=True))
    assert back["bias"] == pytest.approx(-there["bias"], rel=1e-12)
    assert back["loa_low"] == pytest.approx(-there["loa_high"], rel=1e-12)
    assert back["ccc"] == pytest.approx(there["ccc"], rel=1e-12)


def test_many_clusters_are_left_out_in_blocks():
    rng = np.random.default_rng(5)
    x = rng.normal(size=3000)
    y = 0.5 * x + rng.normal(size=3000)
    groups = np.arange(3000) // 3
    estimate = statistics(x, y)
    low, high, _ = jackknife(x, y, groups, estimate, 0.95)
    half = (np.arctanh(high[0]) - np.arctanh(low[0])) / 2
    # Independent normal pairs: 1.96 / sqrt(n - 3); 200 blocks leave 5 % uncertainty in it.
    assert half == pytest.approx(1.96 / np.sqrt(2997), rel=0.2)


def test_a_cluster_that_holds_all_the_variation_is_named():
    x = np.array([1.0, 1, 1, 1, 2, 3, 4, 5])
    y = np.array([1.0, 2, 1, 2, 2, 4, 3, 5])
    with pytest.raises(NotEstimableError, match="One cluster holds 4 of the 8 pairs"):
        jackknife(x, y, np.repeat([0, 1], 4), statistics(x, y), 0.95)


def test_a_perfect_correlation_has_no_jackknife():
    x = np.arange(12.0)
    with pytest.raises(NotEstimableError, match="pearson_r, spearman_rho: exactly 1"):
        jackknife(x, 2 * x, np.arange(12) // 2, statistics(x, 2 * x), 0.95)
