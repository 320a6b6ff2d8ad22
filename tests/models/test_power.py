import numpy as np
import pingouin
import pytest
from measurement_data import numbers

from alliance_helpers.errors import ParameterError
from alliance_helpers.models.power import (
    critical_correlation,
    detectable_correlation,
    detectable_effect,
    detectable_rate_ratio,
    power_correlation,
)

REFERENCE = numbers("inference")


def _known(statistic):
    rows = REFERENCE[REFERENCE["statistic"] == statistic]
    return [(float(r.dataset), float(r.term), r.value) for r in rows.itertuples()]


@pytest.mark.parametrize(("n", "rho", "value"), _known("power"))
def test_power_agrees_with_pwr_and_pingouin(n, rho, value):
    assert power_correlation(rho, n) == pytest.approx(value, rel=1e-9)
    assert power_correlation(-rho, n) == pytest.approx(value, rel=1e-9)
    assert power_correlation(rho, n) == pytest.approx(pingouin.power_corr(rho, n), rel=1e-9)


@pytest.mark.parametrize(("n", "power", "value"), _known("detectable"))
def test_detectable_correlation_agrees_with_pwr(n, power, value):
    # pwr's uniroot stops within 1.2e-4 of the root by default.
    assert detectable_correlation(n, power) == pytest.approx(value, abs=1.3e-4)
    assert power_correlation(detectable_correlation(n, power), n) == pytest.approx(power, rel=1e-9)


@pytest.mark.parametrize(("df", "power", "value"), _known("effect"))
def test_detectable_effect_agrees_with_the_noncentral_t_of_r(df, power, value):
    assert detectable_effect(2.0, df, power) == pytest.approx(2 * value, rel=1e-9)


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


def test_a_detectable_rate_ratio_is_the_effect_on_the_log():
    ratio = detectable_rate_ratio(0.08)
    # 1.959964 + .841621 standard errors; the opposite tail adds less than 1e-6.
    assert np.log(ratio) == pytest.approx(0.08 * 2.801585, rel=1e-5)
    assert detectable_rate_ratio(0.08, df=43) > ratio


@pytest.mark.parametrize(
    ("function", "args", "message"),
    [
        (power_correlation, (1.2, 50), "between -1 and 1"),
        (power_correlation, (0.2, 3), "more than 3 pairs"),
        (critical_correlation, (50, 0), "alpha is 0"),
        (detectable_correlation, (50, 1.0), "power is 1.0"),
        (detectable_correlation, (50, 0.04), "larger than alpha"),
        (detectable_effect, (0.0,), "std_error is 0.0"),
        (detectable_effect, (0.1, 0), "df is 0"),
        (detectable_rate_ratio, (np.inf,), "std_error is inf"),
        (detectable_rate_ratio, ("a",), "give a number"),
    ],
)
def test_bad_input_is_named(function, args, message):
    with pytest.raises(ParameterError, match=message):
        function(*args)
