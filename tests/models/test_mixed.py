import numpy as np
import pandas as pd
import pytest
from nested_data import FIVE, nested, numbers

from alliance_helpers.errors import NotEstimableError, ParameterError
from alliance_helpers.models.design import complete_rows
from alliance_helpers.models.nesting import block_test, fit_intercepts, random_intercept

REFERENCE = numbers("nesting")


@pytest.mark.parametrize("name", [*FIVE, "TeachingRatings_mean"])
def test_agrees_with_lme4_and_nlme(name):
    y, X, groups, block = nested(name.removesuffix("_mean"))
    X = None if name.endswith("_mean") else X
    fit = fit_intercepts(complete_rows(y, X, groups))
    variance = {"sigma2_between": fit.ratio * fit.within, "sigma2_within": fit.within}
    table = random_intercept(y, X, groups).set_index("term")
    expected = REFERENCE[REFERENCE["dataset"] == name]
    checked = 0
    for _, row in expected.iterrows():
        column = {"mixed_estimate": "estimate", "mixed_std_error": "std_error", "mixed_df": "df"}
        if row["statistic"] in column:
            ours = table.loc[row["term"], column[row["statistic"]]]
        elif row["statistic"].startswith("sigma2"):
            ours = variance[row["statistic"]]
        elif row["statistic"] == "reml_criterion":
            ours = fit.criterion
        elif row["statistic"] == "mixed_block_f":
            ours = block_test(y, X, groups, block)["f"].iloc[0]
        else:
            continue
        # lme4 searches the same criterion numerically: flat at its minimum, so the variance
        # is known to the root of its tolerance, the rest better.
        assert ours == pytest.approx(row["value"], rel=1e-6, abs=1e-9), tuple(row)
        checked += 1
    assert checked >= 5


def test_published_share_of_the_teacher():
    y, _, groups, _ = nested("TeachingRatings")
    fit = fit_intercepts(complete_rows(y, None, groups))
    assert round(fit.ratio / (1 + fit.ratio), 5) == 0.46345
    assert round(fit.criterion, 4) == 644.0382


def test_degrees_of_freedom_by_level():
    rng = np.random.default_rng(3)
    groups = np.sort(rng.integers(0, 45, 201))
    J = len(np.unique(groups))
    X = pd.DataFrame({"age": rng.normal(size=45)[groups], "symptoms": rng.normal(size=201)})
    y = rng.normal(size=201)
    found = random_intercept(y, X, groups)["df"].tolist()
    assert found == [J - 2, J - 2, 201 - J - 1]
    with pytest.raises(ParameterError, match="'rapport'"):
        block_test(y, X, groups, ["rapport"])


def test_the_criterion_is_at_its_minimum_and_zero_is_zero():
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(30), 4)
    # Rows of a group that push each other away leave no variance between groups.
    y = rng.normal(size=120)
    y -= np.repeat(y.reshape(30, 4).mean(axis=1), 4)
    assert fit_intercepts(complete_rows(y, rng.normal(size=120), groups)).ratio == 0.0
    strong = complete_rows(y + 50 * rng.normal(size=30)[groups], None, groups)
    assert fit_intercepts(strong).ratio > 99


def test_balanced_groups_give_the_anova_estimate():
    """With equal groups and no predictor REML is the analysis of variance, in closed form."""
    rng = np.random.default_rng(6)
    table = rng.normal(size=(25, 6)) + rng.normal(size=(25, 1)) + 100
    fit = fit_intercepts(complete_rows(table.ravel(), None, np.repeat(np.arange(25), 6)))
    within = table.var(axis=1, ddof=1).mean()
    between = table.mean(axis=1).var(ddof=1) - within / 6
    assert fit.within == pytest.approx(within, rel=1e-9)
    assert fit.ratio * fit.within == pytest.approx(between, rel=1e-8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y, X, g: (y, X, np.arange(len(y))), "holds a single row"),
        (lambda y, X, g: (g * 2.0, X, g), "Within groups the outcome does not vary"),
        (lambda y, X, g: (y * 0 + 5, X, g), "same value in all 40 rows"),
        (lambda y, X, g: (y, X.assign(a=1.0), g), "'a' has the same value"),
        (lambda y, X, g: (y, X.assign(b=X["a"]), g), "'b' is a linear combination"),
        (lambda y, X, g: (y, X, g * 0), "one group"),
        (lambda y, X, g: (y, X, g // 5), "too many"),
    ],
)
def test_what_cannot_be_estimated_says_why(change, message):
    rng = np.random.default_rng(8)
    groups = np.repeat(np.arange(10), 4)
    X = pd.DataFrame({"a": np.repeat(rng.normal(size=2), 20), "b": rng.normal(size=40)})
    with pytest.raises(NotEstimableError, match=message):
        random_intercept(*change(rng.normal(size=40), X, groups))
