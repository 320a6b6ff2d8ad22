from math import lgamma

import numpy as np
import pandas as pd
import pingouin
import pytest
from measurement_data import numbers

from alliance_helpers.errors import ParameterError
from alliance_helpers.models.inference import (
    adjust,
    bayes_factor_correlation,
    equivalence,
    equivalence_block,
    equivalence_correlation,
)

REFERENCE = numbers("inference")
ROW = ["p_value", "conf_low", "conf_high", "equivalent"]


def _known(statistic):
    table = REFERENCE[REFERENCE["statistic"] == statistic]
    return [(name, t.set_index("term")["value"]) for name, t in table.groupby("dataset")]


@pytest.mark.parametrize(("name", "known"), _known("equivalence"))
def test_equivalence_agrees_with_two_t_tests(name, known):
    bound = known["bound"]
    table = equivalence(known["estimate"], known["std_error"], -bound, bound, known["df"])
    assert table.columns.tolist() == ROW
    row = table.iloc[0]
    for column in ROW[:3]:
        assert row[column] == pytest.approx(known[column], rel=1e-9), column
    assert row["equivalent"] == (-bound < known["conf_low"] and known["conf_high"] < bound)


@pytest.mark.parametrize(("name", "known"), _known("equivalence_r"))
def test_equivalence_of_correlations_agrees_with_r(name, known):
    row = equivalence_correlation(known["r"], known["n"], known["bound"]).iloc[0]
    for column in ROW[:3]:
        assert row[column] == pytest.approx(known[column], rel=1e-8), column


@pytest.mark.parametrize(("name", "known"), _known("block"))
def test_equivalence_of_blocks_agrees_with_r(name, known):
    table = equivalence_block(*known[["f", "df1", "df2", "n", "bound"]])
    assert table.columns.tolist() == ["p_value", "critical", "equivalent"]
    row = table.iloc[0]
    for column in ("p_value", "critical"):
        # R's qf stops at a relative error of about 1e-11, its pf sums the series to 1e-12.
        assert row[column] == pytest.approx(known[column], rel=1e-7), column
    assert row["equivalent"] == (known["f"] < known["critical"])


@pytest.mark.parametrize(("name", "known"), _known("bayes_factor"))
def test_bayes_factors_agree_with_bayesfactor_and_pingouin(name, known):
    observed = dict(_known("equivalence_r"))[name]
    assert len(known) == 3
    for kappa, value in known.items():
        ours = bayes_factor_correlation(observed["r"], observed["n"], float(kappa))
        # r and kappa pass through a file with 15 digits, and n multiplies that error.
        assert ours == pytest.approx(value, rel=1e-8)
        theirs = pingouin.bayesfactor_pearson(observed["r"], int(observed["n"]), kappa=float(kappa))
        assert ours == pytest.approx(theirs, rel=1e-8)


def test_evidence_for_no_correlation_at_201_dyads():
    assert 1 / bayes_factor_correlation(0.0, 201) == pytest.approx(11.3, abs=0.05)
    assert 1 / bayes_factor_correlation(0.0, 201, kappa=1 / 3) == pytest.approx(6.1, abs=0.05)


def test_bayes_factors_of_a_million_dyads():
    assert bayes_factor_correlation(0.28, 1_000_000) == np.inf
    log = bayes_factor_correlation(0.28, 1_000_000, log=True)
    # Laplace: half n times -log(1 - r^2), less half the log of n and a constant of order one.
    assert log == pytest.approx(-5e5 * np.log1p(-(0.28**2)) - 0.5 * np.log(1e6), abs=1)
    # Where scipy has no value of the hypergeometric function; a sum of its series by hand.
    series = 1 + 1.5**2 / 501 * 0.99**2 * (1 + 2.5**2 / (502 * 2) * 0.99**2)
    assert bayes_factor_correlation(0.99, 1000, log=True) == pytest.approx(
        np.log(0.5)
        + np.log(np.pi) / 2
        + lgamma(500.5)
        - lgamma(501)
        - 498 * np.log1p(-(0.99**2))
        + np.log(series),
        abs=1e-6,
    )
    assert bayes_factor_correlation(1.0, 20) == np.inf
    assert bayes_factor_correlation(-0.3, 50) == bayes_factor_correlation(0.3, 50)


def test_the_bounds_of_the_design():
    # FACTS: with n = 201 nothing passes within .10, and within .20 it takes |r| below .086.
    assert not equivalence_correlation(0.0, 201, bound=0.10)["equivalent"].iloc[0]
    assert equivalence_correlation(0.0855, 201, bound=0.20)["equivalent"].iloc[0]
    assert not equivalence_correlation(0.0865, 201, bound=0.20)["equivalent"].iloc[0]


def test_equivalence_has_its_size_at_the_bound():
    rng = np.random.default_rng(6)
    z = rng.normal(0.2, 0.05, 4000)
    passed = [equivalence(e, 0.05, -0.2, 0.2)["equivalent"].iloc[0] for e in z]
    assert 0.039 <= np.mean(passed) <= 0.061  # .05 and three Monte Carlo standard errors


def test_a_block_at_its_bound_passes_in_five_percent():
    rng = np.random.default_rng(6)
    n, k, bound = 201, 6, 0.09
    X = rng.normal(size=(n, k))
    X = np.linalg.qr(X - X.mean(axis=0))[0] * np.sqrt(n)
    beta = np.sqrt(bound / (1 - bound) / k) * np.ones(k)
    passed = 0
    for _ in range(1500):
        y = X @ beta + rng.normal(size=n)
        y -= y.mean()
        explained = ((X.T @ y) ** 2).sum() / n
        f = explained / k / ((y @ y - explained) / (n - k - 1))
        passed += equivalence_block(f, k, n - k - 1, n, bound)["equivalent"].iloc[0]
    assert 0.033 <= passed / 1500 <= 0.067


@pytest.mark.parametrize(("method", "name"), [("holm", "holm"), ("bh", "BH")])
def test_adjusted_p_values_agree_with_r(method, name):
    p = dict(_known("p_value"))["attitude"]
    adjusted = adjust(p, method)
    pd.testing.assert_series_equal(
        adjusted, dict(_known(name))["attitude"].loc[p.index], check_names=False, rtol=1e-12
    )


def test_missing_p_values_stay_out_of_the_family():
    np.testing.assert_allclose(adjust([0.01, np.nan, 0.04]), [0.02, np.nan, 0.04])
    assert np.isnan(adjust([np.nan])).all()
    assert adjust([]).size == 0


BAD = [
    (equivalence, (0.1, 0.0, -1, 1), "std_error is 0.0"),
    (equivalence, (np.nan, 0.1, -1, 1), "estimate is nan"),
    (equivalence, (0.1, 0.1, 1, -1), "lower bound 1 must lie below"),
    (equivalence, (0.1, 0.1, -1, 1, -5), "df is -5"),
    (equivalence, (0.1, 0.1, -1, 1, np.nan), "df is nan"),
    (equivalence, ("a", 0.1, -1, 1), "estimate is 'a'; give a number"),
    (equivalence, (0.1, 0.1, -1, 1, 20, 5), "alpha is 5"),
    (equivalence_correlation, (1.5, 50, 0.2), "between -1 and 1"),
    (equivalence_correlation, (0.1, 3, 0.2), "more than 3 pairs"),
    (equivalence_correlation, (0.1, 50, 0), "bound is 0"),
    (equivalence_block, (-1, 2, 50, 60, 0.1), "never negative"),
    (equivalence_block, (1, 0, 50, 60, 0.1), "df1 is 0"),
    (equivalence_block, (1, 2, np.inf, 60, 0.1), "df2 must be finite"),
    (equivalence_block, (1, 2, 50, 60, 1.0), "r_squared_bound is 1.0"),
    (bayes_factor_correlation, (0.1, 2), "more than 2 pairs"),
    (bayes_factor_correlation, (np.nan, 20), "r is nan"),
    (bayes_factor_correlation, (0.1, 20, 0), "kappa is 0"),
    (adjust, ([0.1, 1.2],), "outside 0 to 1"),
    (adjust, ([0.1], "bonferroni"), "choose 'holm' or 'bh'"),
    (adjust, (["x"],), "not a number"),
]


@pytest.mark.parametrize(("function", "args", "message"), BAD)
def test_bad_input_is_named(function, args, message):
    with pytest.raises(ParameterError, match=message):
        function(*args)


def test_a_perfect_correlation_is_not_equivalent_to_none():
    row = equivalence_correlation(1.0, 20, 0.2).iloc[0]
    assert row.tolist() == [1.0, 1.0, 1.0, False]
