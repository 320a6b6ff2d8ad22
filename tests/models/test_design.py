import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alliance_helpers.errors import NotEstimableError, ParameterError
from alliance_helpers.models.agreement import agreement, response_surface, truth_and_bias
from alliance_helpers.models.counts import count_regression
from alliance_helpers.models.design import complete_rows, orthonormal, tidy
from alliance_helpers.models.informants import one_with_many, stacked
from alliance_helpers.models.missing import impute
from alliance_helpers.models.nesting import effective_n, icc
from alliance_helpers.models.regression import hierarchical_regression
from alliance_helpers.models.reliability import reliability
from alliance_helpers.models.robust import cluster_robust


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


def test_every_superfluous_term_is_named_with_what_it_is_made_of():
    X = pd.DataFrame({"a": [1.0, 2, 3, 5, 8, 9], "b": [0.0, 1, 0, 1, 1, 0]})
    X["sum"], X["again"] = X["a"] + X["b"], 2 * X["a"]
    sample = complete_rows(np.arange(6) ** 2, X, list("aabbcc"))
    with pytest.raises(NotEstimableError, match=r"'sum' is .* of 'a', 'b'; 'again' is .* of 'a'"):
        orthonormal(sample)


N = 60
AB = pd.DataFrame(np.random.default_rng(5).normal(size=(N, 2)), columns=["a", "b"])
A, B, WHO = AB["a"], AB["b"], pd.Series(np.arange(N) // 5)
TAKING = {
    "agreement": lambda b, who: agreement(A, b, who),
    "truth_and_bias": lambda b, who: truth_and_bias(A, b, A**2, who),
    "response_surface": lambda b, who: response_surface(A, b, A**2, 0, who),
    "reliability": lambda b, who: reliability(
        AB.assign(b=np.asarray(b)) + A.to_frame().to_numpy(), cluster=who
    ),
    "icc": lambda b, who: icc(b, who),
    "effective_n": lambda b, who: effective_n(A, b, who),
    "cluster_robust": lambda b, who: cluster_robust(A, b, who),
    "stacked": lambda b, who: stacked(AB, b.to_frame("c"), who),
    "one_with_many": lambda b, who: one_with_many(A, b, who),
    "impute": lambda b, who: impute(AB, m=1, cluster=who),
}


@pytest.mark.parametrize("name", TAKING)
def test_rows_in_another_order_are_refused(name):
    take = TAKING[name]
    take(B, WHO)
    for b, who in ((B, WHO[::-1]), *([(B[::-1], WHO)] * (name not in ("reliability", "impute")))):
        with pytest.raises(ParameterError, match=r"indexes of .* differ: align them"):
            take(b, who)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x.astype(str), "'.*'.*to_numeric"),
        (lambda x: x.round().astype("category"), "categories.*cat.codes"),
        (lambda x: pd.to_datetime(x), "dates"),
        (lambda x: x * 1e-160, "e-160: too far from 1"),
        (lambda x: x * 1e200, r"e\+200: too far from 1"),
        (lambda x: x.where(x.index != 3, -np.inf), "a value is infinite"),
    ],
)
def test_one_rule_for_what_is_a_number(change, message):
    odd = change(B)
    data = AB.assign(b=odd, n=1.0, who=WHO)
    calls = {
        k: lambda k=k: TAKING[k](odd, WHO) for k in TAKING if k not in ("reliability", "impute")
    }
    calls["reliability"] = lambda: reliability(data[["a", "b"]])
    calls["regression"] = lambda: hierarchical_regression(data, "a", {"x": ["b"]})
    calls["counts"] = lambda: count_regression(data, "n", ["b"])
    for name, call in calls.items():
        with pytest.raises(ParameterError, match=message):
            call()
            pytest.fail(name)
    for same in (B.astype(object), B.astype("Float64"), B.where(B.index != 3, None).astype(object)):
        assert effective_n(A, same, WHO)["icc_y"].notna().all()
