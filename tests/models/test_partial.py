import numpy as np
import pandas as pd
import pytest
from nested_data import least_squares, nested

from alliance_helpers.errors import NotEstimableError
from alliance_helpers.models.agreement import agreement
from alliance_helpers.models.counts import count_regression
from alliance_helpers.models.design import complete_rows
from alliance_helpers.models.nesting import fit_intercepts
from alliance_helpers.models.partial import (
    CORRELATIONS,
    COUNT_ESTIMATORS,
    ESTIMATORS,
    Partial,
    PartialCounts,
)
from alliance_helpers.models.permutations import Permutations, joint_test


def _teachers(k):
    """Ratings, k predictors and the rest as covariates: 463 courses of 94 teachers."""
    y, X, groups, _ = nested("TeachingRatings")
    values = X.to_numpy(float)
    return y.to_numpy(float), values[:, :k], values[:, k:], pd.factorize(groups)[0]


@pytest.mark.parametrize("k", [1, 3])
def test_observed_are_the_fits_that_are_checked_against_r(k):
    y, X, Z, groups = _teachers(k)
    model = Partial(y, X, Z, groups)
    design = np.column_stack([X, Z])
    mixed = fit_intercepts(complete_rows(y, design, groups))
    _, slopes, cr2 = least_squares(y, design, groups)
    if k == 1:
        scale = X[:, 0].std(ddof=1) / y.std(ddof=1)
        for name, estimate, fit in (("cr2", slopes, cr2), ("mixed", mixed.estimate, mixed)):
            found = model.observed(name)
            assert found.estimate == pytest.approx(estimate[1] * scale, rel=1e-9)
            assert found.std_error == pytest.approx(fit.vcov[1, 1] ** 0.5 * scale, rel=1e-7)
            assert found.df2 == pytest.approx(fit.df[1], rel=1e-9)
    else:
        block = range(1, k + 1)
        mixed = fit_intercepts(complete_rows(y, design / design.std(axis=0), groups))
        for name, test in (("cr2", cr2.wald(slopes, block)), ("mixed", mixed.wald(block))):
            found = model.observed(name)
            assert found.f == pytest.approx(test[0], rel=1e-7)
            assert (found.df1, found.df2) == pytest.approx(test[1:3])


def _r_squared(y, X):
    design = np.column_stack([np.ones(len(y)), X])
    residual = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return 1 - residual @ residual / ((y - y.mean()) ** 2).sum()


@pytest.mark.parametrize("k", [1, 3])
def test_least_squares_is_the_partial_f_test(k):
    y, X, Z, groups = _teachers(k)
    full, null = _r_squared(y, np.column_stack([X, Z])), _r_squared(y, Z)
    df = len(y) - 6
    found = Partial(y, X, Z, groups).observed("ols")
    assert found.f == pytest.approx((full - null) / k / ((1 - full) / df), rel=1e-9)
    assert found.df2 == df
    if k > 1:
        assert found.estimate == pytest.approx((full - null) / (1 - null), rel=1e-9)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("estimator", ["ols", "cr2"])
def test_permuted_is_what_a_refit_to_the_permuted_outcome_gives(k, estimator):
    y, X, Z, groups = _teachers(k)
    model = Partial(y, X, Z, groups)
    order = np.random.default_rng(4).permuted(np.tile(np.arange(len(y)), (3, 1)), axis=1)
    estimates = model.estimates(estimator, model.shuffle(order))
    design = np.column_stack([np.ones(len(y)), Z])
    unit = (y - y.mean()) / y.std(ddof=1)
    hat = design @ np.linalg.lstsq(design, unit, rcond=None)[0]
    for rows, estimate in zip(order, estimates, strict=True):
        made = hat + (unit - hat)[rows]
        again = Partial(made, X, Z, groups).observed(estimator)
        spread = made.std(ddof=1) if k == 1 else 1.0
        assert estimate == pytest.approx(again.estimate * spread, rel=1e-8)


@pytest.mark.parametrize("k", [1, 3])
def test_one_step_of_the_mixed_model_is_close_to_its_fit(k):
    """The ratio of variances is taken from the residuals instead of REML: close, not equal."""
    y, X, Z, groups = _teachers(k)
    model = Partial(y, X, Z, groups)
    estimate = model.estimates("mixed", model.shuffle(np.arange(len(y))[None]))
    found = model.observed("mixed")
    assert estimate[0] == pytest.approx(found.estimate, rel=0.05)


@pytest.mark.parametrize("estimator", COUNT_ESTIMATORS)
def test_counts_are_the_count_models(estimator):
    rng = np.random.default_rng(6)
    groups = np.repeat(np.arange(40), 5)
    x, z = rng.normal(size=(2, 200))
    y = rng.negative_binomial(1, 1 / (1 + np.exp(3 + 0.2 * x + 0.3 * z))).astype(float)
    data = pd.DataFrame({"y": y, "x": (x - x.mean()) / x.std(ddof=1), "z": z, "group": groups})
    if estimator == "poisson":
        data["group"] = np.arange(200)
    family = "negbin" if estimator == "negbin" else "poisson"
    cluster = None if family == "negbin" else "group"
    row = count_regression(data, "y", ["x", "z"], family, cluster=cluster).coefficients.iloc[1]
    model = PartialCounts(y, x, z[:, None], groups)
    found = model.observed(estimator)
    assert found.estimate == pytest.approx(row["estimate"], rel=1e-6)
    assert found.std_error == pytest.approx(row["std_error"], rel=1e-6)
    assert found.p_value == pytest.approx(row["p_value"], rel=1e-5)
    one_step = model.estimates(estimator, model.shuffle(np.arange(200)[None]))
    assert one_step[0] == pytest.approx(found.estimate, abs=0.1)  # the same to first order


def _size(own, n_groups=45, cohorts=300, n_perm=99, estimators=ESTIMATORS):
    """Share of cohorts with nothing there in which the joint test of all estimators rejects."""
    rng = np.random.default_rng(11)
    sizes = np.array([1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 5, 5, 6, 6, 6, 8] * 3)[:n_groups]
    groups = np.repeat(np.arange(n_groups), sizes)
    n = len(groups)
    found = []
    for seed in range(cohorts):
        y = 0.65 * rng.normal(size=n_groups)[groups] + rng.normal(size=n)
        x = rng.normal(size=n_groups)[groups] if own else rng.normal(size=n)
        z = 0.5 * x + rng.normal(size=n)
        model = Partial(y + z, x[:, None], z[:, None], groups)
        order = Permutations(groups, n, n_perm, seed).among(np.arange(n))
        shuffled = model.shuffle(order)
        drawn = [model.estimates(e, shuffled) for e in estimators]
        found.append(joint_test(np.median(drawn, axis=0))["p_value"] <= 0.05)
    return np.mean(found)


@pytest.mark.parametrize("own", [True, False], ids=["case managers' variable", "dyads' variable"])
def test_permutations_that_respect_case_managers_hold_their_size(own):
    """5 % in 300 cohorts: three Monte Carlo errors are .038."""
    assert _size(own) < 0.05 + 0.038


def test_permuted_correlations_hold_their_size_and_begin_with_the_observed():
    assert _size(False, estimators=CORRELATIONS) < 0.05 + 0.038
    rng = np.random.default_rng(1)
    groups = np.r_[np.arange(45), rng.integers(45, size=156)]
    x, y = rng.normal(size=(2, 45))[:, groups] + rng.normal(size=(2, 201))
    model = Partial(y, -x[:, None], np.empty((201, 0)), groups)
    for name in CORRELATIONS:
        found = model.observed(name)
        r = model.estimates(name, model.shuffle(np.arange(201)[None]))
        told = agreement(-x, y, groups if name == "jackknife" else None).loc["pearson_r"]
        assert r[0] == pytest.approx(np.tanh(found.estimate), rel=1e-12)
        assert r[0] == pytest.approx(told["estimate"], rel=1e-12)
        if name == "jackknife":
            assert found.p_value == pytest.approx(told["p_value"], rel=1e-9)


def test_permutations_among_some_rows_keep_to_them():
    groups = np.repeat(np.arange(20), 5)
    permutations = Permutations(groups, 100, n_perm=200, seed=3)
    rows = np.setdiff1d(np.arange(100), [3, 17, 18, 60])
    found = permutations.among(rows)
    assert (np.sort(found, axis=1) == np.arange(96)).all()
    assert (found[0] == np.arange(96)).all()
    full = permutations.among(np.arange(100))
    assert (full == permutations.order).all()
    # Nearly the same rows are permuted nearly alike.
    assert np.mean(rows[found] == permutations.order[:, rows]) > 0.9


def test_joint_test_counts_ties_and_keeps_the_sign():
    row = joint_test(np.array([-0.25, 0.2, 0.05, 0.25]))
    assert (row["estimate"], row["p_value"], row["n_perm"]) == (-0.25, 2 / 4, 3)
    assert row["expected"] == pytest.approx(0.5 / 3)
    assert joint_test(np.array([0.25, 0.2, 0.05, 0.3]), directed=False)["p_value"] == 2 / 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y, x, z: (y, np.ones_like(x), z), "does not vary"),
        (lambda y, x, z: (y, x, np.column_stack([z, x])), "determine a predictor"),
        (lambda y, x, z: (z[:, 0], x, z), "determine the outcome"),
        (lambda y, x, z: (y[:4], x[:4], z[:4]), "4 complete dyads are too few"),
    ],
    ids=["constant", "collinear", "outcome given", "few rows"],
)
def test_refuses_with_a_reason(change, message):
    rng = np.random.default_rng(0)
    y, x = rng.normal(size=(2, 60))
    y, x, z = change(y, x, rng.normal(size=(60, 2)))
    with pytest.raises(NotEstimableError, match=message):
        Partial(y, x[:, None], z, np.arange(len(y)) // 3)


def test_collinear_covariates_change_nothing():
    y, X, Z, groups = _teachers(1)
    twice = np.column_stack([Z, Z[:, 0] * 2 + 1, np.ones(len(y))])
    for estimator in ESTIMATORS:
        a, b = (Partial(y, X, z, groups).observed(estimator) for z in (Z, twice))
        assert a.estimate == pytest.approx(b.estimate) and a.df2 == pytest.approx(b.df2)


@pytest.mark.parametrize("estimator", ["ols", "cr2", "mixed"])
def test_a_block_of_one_is_told_by_its_share_of_variance(estimator):
    rng = np.random.default_rng(6)
    x, z, y = rng.normal(size=(3, 90))
    groups = np.arange(90) // 6
    model = Partial(y - x, x[:, None], z[:, None], groups, block=True)
    plain = Partial(y - x, x[:, None], z[:, None], groups)
    found, single = model.observed(estimator), plain.observed(estimator)
    free = [v - np.polyval(np.polyfit(z, v, 1), z) for v in (x, y - x)]
    assert found.estimate == pytest.approx(np.corrcoef(free)[0, 1] ** 2)
    assert single.estimate < 0 < found.estimate
    assert found.p_value == single.p_value
    order = np.arange(90)[None]
    assert model.estimates(estimator, model.shuffle(order)) == pytest.approx([found.estimate])
