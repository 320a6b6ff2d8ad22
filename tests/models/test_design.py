import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alliance_helpers.errors import NotEstimableError, ParameterError
from alliance_helpers.models.design import complete_rows, orthonormal, tidy


def test_tidy_is_the_t_test():
    estimate, error, df = np.array([1.3, -0.2]), np.array([0.5, 0.4]), np.array([7.3, np.inf])
    table = tidy(["a", "b"], estimate, error, df, 60, conf_level=0.90)
    columns = "term estimate std_error statistic df p_value conf_low conf_high n"
    assert table.columns.tolist() == columns.split()
    for row, law in zip(table.itertuples(), (stats.t(7.3), stats.norm()), strict=True):
        assert row.p_value == pytest.approx(2 * law.sf(abs(row.statistic)), rel=1e-10)
        reach = law.ppf(0.95) * row.std_error
        assert (row.conf_low, row.conf_high) == pytest.approx(
            (row.estimate - reach, row.estimate + reach), rel=1e-10
        )
    with pytest.raises(ParameterError, match="conf_level"):
        tidy(["a", "b"], estimate, error, df, 60, conf_level=95)


def test_rows_come_group_by_group():
    groups = pd.Series(["b", "a", "b", None, "a", "b"])
    sample = complete_rows([1, 2, 3, 4, np.nan, 6], np.arange(6.0), groups, ["x"])
    assert sample.y.tolist() == [1, 3, 6, 2]
    assert sample.order.tolist() == [0, 2, 5, 1]
    assert sample.starts.tolist() == [0, 3]
    assert sample.sizes.tolist() == [3, 1]
    assert (sample.n, sample.n_groups) == (4, 2)


def test_the_basis_leads_back_to_the_coefficients():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(50, 3)) * [1, 1e5, 1e-4] + [0, 1e7, 3]
    y = rng.normal(size=50)
    sample = complete_rows(y, X, np.arange(50) % 9)
    Q, back = orthonormal(sample)
    np.testing.assert_allclose(Q.T @ Q, np.eye(4), atol=1e-12)
    design = np.column_stack([np.ones(50), sample.X])
    np.testing.assert_allclose(design @ (back @ (Q.T @ sample.y)), Q @ Q.T @ sample.y, atol=1e-7)


def test_names():
    frame = pd.DataFrame({"age": [1.0, 2, 4, 3], "days": [2.0, 1, 1, 5]})
    groups = list("aabb")
    assert complete_rows(np.arange(4), frame, groups).terms == ("age", "days")
    assert complete_rows(np.arange(4), frame.to_numpy(), groups).terms == ("x1", "x2")
    with pytest.raises(ParameterError, match="as many different names"):
        complete_rows(np.arange(4), frame, groups, ["age", "age"])
    with pytest.raises(ParameterError, match="as many different names"):
        complete_rows(np.arange(4), frame, groups, ["age"])


def test_the_first_of_the_superfluous_terms_is_named():
    X = pd.DataFrame({"a": [1.0, 2, 3, 5, 8, 9], "b": [0.0, 1, 0, 1, 1, 0]})
    X["sum"], X["again"] = X["a"] + X["b"], X["a"]
    sample = complete_rows(np.arange(6) ** 2, X[["a", "b", "sum"]], list("aabbcc"))
    with pytest.raises(NotEstimableError, match=r"'sum' is .* before it \(a, b\)"):
        orthonormal(sample)
