from math import lgamma

import numpy as np
import pingouin
import pytest
from measurement_data import numbers

from alliance_helpers.errors import ParameterError
from alliance_helpers.models.inference import (
    adjust,
    bayes_factor_block,
    bayes_factor_correlation,
    critical_correlation,
    detectable_correlation,
    equivalence,
    equivalence_correlation,
    power_correlation,
    two_one_sided,
)

REFERENCE = numbers("inference")
BLOCKS = numbers("importance")
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
    p = two_one_sided(known["estimate"], known["std_error"], -bound, bound, known["df"])
    assert p == row["p_value"]
    assert row["equivalent"] == (-bound < known["conf_low"] and known["conf_high"] < bound)


@pytest.mark.parametrize(("name", "known"), _known("equivalence_r"))
def test_equivalence_of_correlations_agrees_with_r(name, known):
    row = equivalence_correlation(known["r"], known["n"], known["bound"]).iloc[0]
    for column in ROW[:3]:
        assert row[column] == pytest.approx(known[column], rel=1e-8), column


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


def test_adjusted_p_values_agree_with_r():
    p = dict(_known("p_value"))["attitude"]
    known = dict(_known("holm"))["attitude"].loc[p.index]
    np.testing.assert_allclose(adjust(p), known, rtol=1e-12)


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
    (equivalence, ("a", 0.1, -1, 1), "estimate is a; give a finite number"),
    (equivalence_correlation, (1.5, 50, 0.2), "between -1 and 1"),
    (equivalence_correlation, (0.1, 3, 0.2), "more than 3 pairs"),
    (equivalence_correlation, (0.1, 50, 0), "bound is 0"),
    (bayes_factor_correlation, (0.1, 2), "more than 2 pairs"),
    (bayes_factor_correlation, (np.nan, 20), "r is nan"),
    (bayes_factor_correlation, (0.1, 20, 0), "kappa is 0"),
    (power_correlation, (1.2, 50), "between -1 and 1"),
    (power_correlation, (0.2, 3), "more than 3 pairs"),
    (critical_correlation, (50, 0), "alpha is 0"),
    (detectable_correlation, (50, 1.0), "power is 1.0"),
    (detectable_correlation, (50, 0.04), "larger than alpha"),
    (adjust, ([0.1, 1.2],), "outside 0 to 1"),
    (adjust, (["x"],), "not a number"),
]


@pytest.mark.parametrize(("function", "args", "message"), BAD)
def test_bad_input_is_named(function, args, message):
    with pytest.raises(ParameterError, match=message):
        function(*args)


def test_a_perfect_correlation_is_not_equivalent_to_none():
    row = equivalence_correlation(1.0, 20, 0.2).iloc[0]
    assert row.tolist() == pytest.approx([1.0, 1.0, 1.0, False], rel=1e-12)


@pytest.mark.parametrize(
    "row", list(BLOCKS[BLOCKS["statistic"] == "log_bf10"].itertuples()), ids=lambda r: r.term
)
def test_bayes_factor_of_a_block_agrees_with_r(row):
    n, k, r_squared, scale = (float(v) for v in row.term.split())
    # R integrates to a relative error of about 1e-4 (its own `properror` says 2.5e-5); the widths
    # are written with six decimals, which moves the logarithm by less than 1e-5.
    found = np.log(bayes_factor_block(r_squared, n, int(k), scale))
    assert found == pytest.approx(row.value, abs=2e-4)


def test_bayes_factor_does_not_overflow_and_refuses_nonsense():
    assert bayes_factor_block(0.5, 1_000_000, 5) == np.inf
    assert 0 < bayes_factor_block(0.0, 1_000_000, 5) < np.exp(-20)
    with pytest.raises(ParameterError, match="more than 7 rows"):
        bayes_factor_block(0.1, 7, 6)
    with pytest.raises(ParameterError, match="r_squared is 1"):
        bayes_factor_block(1.0, 100, 6)


def _sizes(statistic):
    rows = REFERENCE[REFERENCE["statistic"] == statistic]
    return [(float(r.dataset), float(r.term), r.value) for r in rows.itertuples()]


@pytest.mark.parametrize(("n", "rho", "value"), _sizes("power"))
def test_power_agrees_with_pwr_and_pingouin(n, rho, value):
    assert power_correlation(rho, n) == pytest.approx(value, rel=1e-9)
    assert power_correlation(-rho, n) == pytest.approx(value, rel=1e-9)
    assert power_correlation(rho, n) == pytest.approx(pingouin.power_corr(rho, n), rel=1e-9)


@pytest.mark.parametrize(("n", "power", "value"), _sizes("detectable"))
def test_detectable_correlation_agrees_with_pwr(n, power, value):
    # pwr's uniroot stops within 1.2e-4 of the root by default.
    assert detectable_correlation(n, power) == pytest.approx(value, abs=1.3e-4)
    assert power_correlation(detectable_correlation(n, power), n) == pytest.approx(power, rel=1e-9)


def test_what_201_dyads_can_show():
    assert critical_correlation(201) == pytest.approx(0.138, abs=5e-4)
    # Fisher's z without its bias correction gives .57, .81 and .95.
    powers = [power_correlation(rho, 201) for rho in (0.15, 0.20, 0.25)]
    np.testing.assert_allclose(powers, [0.57, 0.81, 0.95], atol=0.0065)
    assert detectable_correlation(201) < 0.20


def test_power_is_what_simulation_finds():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(4000, 60))
    y = 0.35 * x + np.sqrt(1 - 0.35**2) * rng.normal(size=x.shape)
    x -= x.mean(axis=1, keepdims=True)
    y -= y.mean(axis=1, keepdims=True)
    r = (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    found = (np.abs(r) > critical_correlation(60)).mean()
    assert found == pytest.approx(power_correlation(0.35, 60), abs=0.02)  # 3 standard errors
