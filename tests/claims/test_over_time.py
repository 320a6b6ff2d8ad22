"""Sessions, from a file to verdicts and a sentence: real patients, and a truth that is known."""

import re
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alliance_helpers.claims import over_time
from alliance_helpers.claims.assess import assess, first_change
from alliance_helpers.claims.rules import Claim, left_out, read_rules
from alliance_helpers.claims.views import whose_rating
from alliance_helpers.cohorts.cohort import open_cohort
from alliance_helpers.cohorts.courses import courses, draw_sessions, scenario_codebook
from alliance_helpers.cohorts.simulate import simulate_study, write_study
from alliance_helpers.drafting.draft import describe
from alliance_helpers.errors import DataError
from alliance_helpers.models.cross_lagged import cross_lagged
from alliance_helpers.models.nesting import nested_shares
from alliance_helpers.pages.outputs import discreet
from alliance_helpers.paths import ROOT
from alliance_helpers.study.clean import all_sessions, clean
from alliance_helpers.study.load import check, load_study

EXAMPLE = ROOT / "examples" / "gad_sessions"
SESSIONS = ROOT.parent / "shared" / "real" / "gad_sessions.csv"
CODEBOOK = """
study: {title: Sessions, client: id, case_manager: therapist}
tables:
  sessions:
    {file: sessions.csv, row: session, time: session, event: last, key: [id], variables:
      {id: {type: id}, therapist: {type: id}, session: {type: integer}, wai: {}, bdi: {}}}
informants: {client: {alliance: wai}}
blocks: {outcome: [bdi]}
"""
CLAIM = (
    "  - {{finding: '1', claim: {}, kind: {}, informant: client, "
    "from: wai, to: bdi, sign: negative{}}}"
)
CLAIMS = "\n".join(
    ["claims:"]
    + [
        CLAIM.format(*about)
        for about in (
            ("within", "within", ""),
            ("between", "between", ""),
            ("first", "precedes", ", text: Trust comes before fewer symptoms"),
            ("rather", "precedes_more", ""),
            ("late", "precedes", ", lag: 40"),
        )
    ]
)


@pytest.fixture(scope="module")
def gad(tmp_path_factory):
    """The worked example in a folder of its own."""
    if not SESSIONS.is_file():
        pytest.skip("gad_sessions.csv is not here")
    folder = tmp_path_factory.mktemp("gad")
    for file in (SESSIONS, EXAMPLE / "codebook.yml", EXAMPLE / "findings.yml"):
        shutil.copy(file, folder)
    return folder


def drawn(n=60, T=10, path=0.0, trend=0.0, seed=1) -> pd.DataFrame:
    """Sessions in which wai comes before bdi with a path, and both change with time."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, n, T))
    for t in range(1, T):
        x[:, t] += 0.3 * x[:, t - 1]
        y[:, t] += 0.3 * y[:, t - 1] + path * x[:, t - 1]
    level = rng.normal(size=(2, n, 1))
    x, y = x + level[0] + trend * np.arange(T), y + level[1] - trend * np.arange(T)
    ids = {"id": np.repeat(np.arange(n), T), "therapist": np.repeat(np.arange(n) // 6, T)}
    return pd.DataFrame(
        ids | {"session": np.tile(np.arange(1, T + 1), n), "wai": x.ravel(), "bdi": y.ravel()}
    )


def study_of(frame: pd.DataFrame, folder):
    frame.to_csv(folder / "sessions.csv", index=False)
    (folder / "codebook.yml").write_text(CODEBOOK)
    (folder / "findings.yml").write_text(CLAIMS)
    return clean(load_study(folder)), read_rules(data=folder)


def test_real_sessions_from_the_file_to_the_expected_verdicts(gad):
    assert check(gad)[0] == []
    study, rules = clean(load_study(gad)), read_rules(data=gad)
    rows = assess(study.dyads, rules=rules)
    expected = pd.read_csv(EXAMPLE / "expected.csv", dtype={"finding": str})
    assert rows[list(expected)].round({"estimate": 6}).equals(expected)
    first = over_time.headline(over_time.paths(study, rules))[0]
    assert first == (
        "A better alliance comes before less anxiety: supported with the trend left in (slope "
        "−.087, p = .013), and less than half is left once the trend that all share is taken out "
        "(slope .021, p = .536, not supported)."
    )
    page = " ".join((EXAMPLE / "README.md").read_text("utf-8").split())
    by = over_time.paths(study, rules).drop_duplicates("analysis").set_index("analysis")
    for name in ("naive", "detrended", "one_line"):
        slope, p = by.loc[name, ["estimate", "p_value"]]
        assert f"{slope:.3f}, p = {p:.3f}".replace("0.", ".") in page, name
    # nlme, shared/real/README.md; the verdict turns in the one respect that is named
    tables = over_time.associations(study).set_index(["analysis", "level"])["estimate"]
    assert tables["naive", "within"] == pytest.approx(-0.227624452, abs=1e-8)
    assert tables["one_line", "within"] == pytest.approx(-0.053276060, abs=1e-8)
    turned = first_change(rows, rules).set_index("claim").loc["alliance_first"]
    assert (turned["primary"], turned["other_verdict"]) == ("detrended", "supported")
    assert turned["change"] == "trend left in"


def test_shares_of_the_variance_as_lme4(gad):
    frame = clean(load_study(gad)).sessions.frame
    for name, lmer in LME4.items():
        found = nested_shares(frame[name], frame["patient"], frame["therapist"])
        assert found["estimate"].tolist() == pytest.approx(np.divide(lmer, sum(lmer)), abs=8e-6)
        inside = found["conf_low"] <= found["estimate"], found["estimate"] <= found["conf_high"]
        assert all(map(all, inside))


# lme4 1.1: lmer(y ~ 1 + (1 | therapist) + (1 | patient)), therapist, patient, residual
LME4 = {
    "alliance": [0.003066369751, 0.262984281948, 0.140695618836],
    "anxiety": [0.0, 0.1502126681, 0.1096417121],
}


@pytest.mark.parametrize(
    ("how", "verdicts", "words"),
    [
        ({"trend": 0.3}, ("supported", None), "less than half is left once"),
        ({"path": -0.4}, ("supported", "supported"), "supported still once"),
        ({"path": 0.4}, ("not_supported", "not_supported"), "not supported still once"),
        ({"path": -0.4, "n": 28}, ("supported", "supported"), "supported still once"),
    ],
)
def test_the_sentence_follows_the_data(how, verdicts, words, tmp_path):
    study, rules = study_of(drawn(**how), tmp_path)
    rows = assess(study.dyads, rules=rules).set_index(["claim", "analysis"])
    for analysis, verdict in zip(("naive", "detrended"), verdicts, strict=True):
        here = rows.loc[("first", analysis)]
        assert here["verdict"] == verdict or (verdict is None and here["verdict"] != "supported")
    few = "random-intercept" not in rows.loc[("first", "detrended"), "criterion"]
    assert few == (how.get("n", 60) < 3 * 10)
    assert words in over_time.headline(over_time.paths(study, rules))[0]
    if how.get("path"):  # the reverse path is none: the difference is the path
        more = rows.loc[("rather", "detrended")]
        assert more["conf_low"] < how["path"] < more["conf_high"]
    late = rows.loc[("late", "detrended")]
    assert late["verdict"] == "inconclusive" and "the series are too short" in late["criterion"]


TREND = "the trend that all share is taken out"


def test_a_path_is_gone_only_if_the_estimate_is():
    said = [gone(-0.3, left) for left in (-0.1499, -0.16, 0.1, -0.31)]
    assert [("less than half is left" in s, "but no longer sure once" in s) for s in said] == [
        (True, False), (False, True), (True, False), (False, True),
    ]  # fmt: skip


def gone(naive: float, honest: float) -> str:
    """The sentence of a path that is supported, and inconclusive without the trend."""
    rows = {"text": "X", "analysis": ["naive", "detrended"], "estimate": [naive, honest],
            "verdict": ["supported", "inconclusive"], "p_value": [0.01, 0.2]}  # fmt: skip
    return over_time.headline(pd.DataFrame(rows | {"criterion": ""}))[0]


@pytest.mark.parametrize("n, T, how", [(40, 14, "jackknife"), (400, 6, "cross-lagged")])
def test_rather_than_the_reverse_asks_for_the_path_itself(tmp_path, n, T, how):
    frame = drawn(n, T, path=0.4)
    study, rules = study_of(frame, tmp_path)
    claim = next(c for c in rules.claims if c.claim == "rather")
    for sign, source, right in (
        ("positive", "wai", "supported"),  # wai comes before bdi
        ("negative", "wai", "not_supported"),
        ("negative", "bdi", "not_supported"),  # there is the reverse, but no path
        ("positive", "bdi", "not_supported"),
    ):
        term = {"wai": "bdi", "bdi": "wai"}[source]
        asked = replace(claim, sign=sign, source=source, term=term)
        judge = over_time.Judge(study.dyads, rules, "detrended")
        effect, (verdict, criterion), _ = judge.find(asked)
        assert (verdict, how in criterion) == (right, True), (sign, source, effect)


def test_sessions_with_one_of_two_measures_tell_what_they_can(tmp_path):
    frame = drawn(200, 4, path=-0.4)
    frame["wai"] = frame["wai"].mask(frame["bdi"] > 0.5)
    study, rules = study_of(frame, tmp_path)
    (model,) = cross_lagged([[frame[n] for n in ("bdi", "wai", "id", "session")]])
    claim = next(c for c in rules.claims if c.claim == "first")
    judge = over_time.Judge(study.dyads, rules, "detrended")
    effect, (_, criterion), clients = judge.find(claim)
    assert effect.estimate * judge.units(claim) == pytest.approx(model.estimate[1], rel=1e-4)
    assert (effect.n, clients) == (800, 200) and "left out" not in criterion
    lost = frame["wai"].isna().sum()
    criterion = over_time.Judge(study.dyads, rules, "naive").find(claim)[1][1]
    assert lost % 5 and f"({lost // 5 * 5} sessions left out, for want of a measure)" in criterion


def test_a_study_of_sessions_is_told_what_claims_over_time_can_be_put_to_it(tmp_path):
    study, rules = study_of(drawn(), tmp_path)
    said = " ".join(left_out(read_rules(), study.codebook))
    assert "Of the 5 claims over time in data/over_time/findings.yml, 0 can be put to its" in said
    said = left_out(read_rules(), scenario_codebook("sessions_none"))
    assert "findings.yml, 5 can be put to its sessions." in said[1]
    assert left_out(rules, study.codebook) == [] and not any(
        "over time" in line for line in left_out(read_rules(), replace(study.codebook, tables={}))
    )


def test_counts_of_real_records_are_of_their_own_kind(tmp_path):
    frame = drawn(62, 10)
    frame.loc[frame["id"].eq(0) & frame["session"].gt(5), "therapist"] = 5  # another case manager
    frame.loc[frame.index[:7], "wai"] = np.nan
    study_of(frame, tmp_path)
    study = open_cohort(str(tmp_path))
    found = discreet(over_time.levels(study)).set_index(["term", "level"])["n"]
    assert not study.codebook.synthetic
    assert [*found["bdi"]] == [11, 62, 620] and [*found["wai"]] == [11, 62, 615]
    rows = discreet(assess(study.dyads, rules=read_rules(data=tmp_path)))
    rows = rows.set_index(["claim", "analysis"]).loc[("within", "detrended")]
    assert (rows["n"], rows["n_effective"]) == (615, 62)


def test_two_claims_of_one_text_have_a_sentence_each(tmp_path):
    study, rules = study_of(drawn(), tmp_path)
    one = next(c for c in rules.claims if c.claim == "first")
    rules = replace(rules, claims=(one, replace(one, term="wai", source="bdi")))
    said = over_time.headline(over_time.paths(study, rules))
    assert [s.split(":")[0] for s in said] == [
        "Trust comes before fewer symptoms (wai before bdi)",
        "Trust comes before fewer symptoms (bdi before wai)",
    ]


def test_what_is_new_is_not_asked_of_two_sessions(tmp_path):
    study, _ = study_of(drawn(T=2), tmp_path)
    (reason,) = over_time.sources(study, 20, 5).query("level == 'within'")["reason"]
    assert "of two sessions" in reason


APART = """
study: {title: Sessions, client: id, case_manager: therapist}
tables:
  own:
    {file: own.csv, row: session, time: session, event: last, key: [id], variables:
      {id: {type: id}, therapist: {type: id}, session: {type: integer}, wai: {}}}
  other:
    {file: other.csv, row: session, time: day, event: last, key: [id], variables:
      {id: {type: id}, day: {type: integer, column: session}, bdi: {}}}
informants: {client: {alliance: wai}}
blocks: {outcome: [bdi]}
"""


def apart(frame: pd.DataFrame, folder, **moved):
    """The study of :func:`drawn` with the outcome in a file of its own."""
    (folder / "codebook.yml").write_text(APART)
    frame.drop(columns="bdi").to_csv(folder / "own.csv", index=False)
    other = frame[["id", "session", "bdi"]].sample(frac=1, random_state=1)
    other.assign(**moved).to_csv(folder / "other.csv", index=False)
    return load_study(folder)


def test_sessions_of_two_files_meet(tmp_path):
    frame = drawn()
    frame = frame[frame["session"] != 1 + frame["id"] % 10]  # one is left out by each
    study, _ = study_of(frame, tmp_path)
    whole = study.sessions.frame
    (tmp_path / "apart").mkdir()
    found = clean(apart(frame, tmp_path / "apart")).sessions.frame
    pd.testing.assert_frame_equal(found[list(whole)], whole)
    told = apart(frame, tmp_path / "apart", session=frame["session"] + 70).warnings
    assert [p.what for p in told if p.file == "other.csv"] == [
        "only 0 of 540 rows are of a client and session that own.csv (own) has, too."
    ]


@pytest.mark.parametrize(
    "day, told, gap",
    [
        (lambda s, _: s, None, True),
        (lambda s, _: 7 * s - 6, "in steps of 7", True),
        (lambda s, i: 7 * s + i % 3 + s % 2, "in each client's order", False),
    ],
)
def test_a_counter_of_days_counts_sessions(tmp_path, day, told, gap):
    frame = drawn()
    frame = frame[(frame["session"] != 5) | (frame["id"] > 0)]
    moved = frame.assign(session=day(frame["session"], frame["id"]))
    study, rules = study_of(moved, tmp_path)
    found = study.sessions.frame.query("id == '0'")["session_number"].tolist()
    assert found == [n for n in range(1, 11) if n != 5] if gap else found == [*range(1, 10)]
    said = [p.what for p in study.warnings if p.column == "session"]
    assert said == ([f"sessions are counted {told}: it does not go up by 1."] if told else [])
    assert assess(study.dyads, rules=rules, finding="1")["n"].max() > 500


@pytest.mark.parametrize(
    ("naive", "honest", "end"),
    [
        ("supported", "inconclusive",
         f"supported with the trend left in (slope −12.340, p < .001), and less than half is left "
         f"once {TREND} (slope .004, p = .900, inconclusive)."),
        ("supported", "not_supported", f"half is left once {TREND} (slope .004, p = .900, not"),
        ("supported", "supported", f"and supported still once {TREND} (slope .004, p = .900)."),
        ("not_supported", "not_supported", f"and not supported still once {TREND} (slope .004, p"),
        ("inconclusive", "supported", f"but supported once {TREND} (slope .004, p = .900)."),
        ("not_supported", "inconclusive", f"but inconclusive once {TREND} (slope .004, p = .900)."),
        ("supported", None, "X: cannot be told (not estimable: why)."),
        (None, "supported", "X: cannot be told (not estimable: why)."),
    ],
)  # fmt: skip
def test_each_part_of_the_headline_comes_and_goes_with_the_verdicts(naive, honest, end):
    rows = pd.DataFrame({
        "text": "X.", "analysis": ["naive", "detrended"], "verdict": [naive, honest],
        "estimate": [-12.34, 0.0042], "p_value": [0.00011, 0.9], "criterion": "not estimable: why.",
    })  # fmt: skip
    rows["estimate"] = rows["estimate"].where(rows["verdict"].notna())
    (said,) = over_time.headline(rows)
    assert (
        said.startswith("X: ") and (end in said) and (not end.endswith(".") or said.endswith(end))
    )
    assert over_time.headline(pd.DataFrame({"reason": ["Why."]})) == ["Why."]


def test_what_most_is_drawn_on_is_the_largest_share_within():
    book = SimpleNamespace(informant_label=str.capitalize, label=str.upper)
    rows = pd.DataFrame({
        "level": ["within", "within", "between", "within"],
        "informant": ["client", "client", "client", "case_manager"],
        "terms": ["a", "b, c", "d", "a"], "estimate": [0.1234, 0.2, 0.9, np.nan],
        "noise": -0.0126, "p_value": 1.0, "reason": ["", "", "", "not estimable: why."],
    })  # fmt: skip
    assert over_time.sources_said(rows, book) == [
        "Client: of what is new in the rating at a session most goes with what is new in B, C, a "
        "share of .200 of its variance (pure noise −.013, p = 1.000).",
        "Case_manager: not estimable: why.",
    ]
    lost = over_time.sources_said(rows.assign(noise=0.2), book)[0]
    assert "at a session nothing stands out from pure noise; most goes with what is new" in lost
    assert over_time.sources_said(pd.DataFrame({"reason": ["Why."]}), book) == ["Why."]


def test_who_stops_coming(tmp_path):
    frame = drawn(n=150, T=8, seed=3)
    gone = frame["bdi"].gt(0.8).groupby(frame["id"]).cumsum().groupby(frame["id"]).shift(1) > 0
    study, rules = study_of(frame[~gone.fillna(False)], tmp_path)
    found = over_time.stopping(study).set_index("term")
    assert found.loc["bdi", "conf_low"] > 0.1 and abs(found.loc["wai", "estimate"]) < 0.1
    bands = over_time.trajectories(study, min_cell=30)
    assert bands["n"].min() >= 60 and bands["session"].max() < 8
    assert over_time.lines(study, show_rows=False) is None
    assert set(over_time.stayers(study, rules)["clients"]) < set(range(151))


def test_no_quantile_is_a_value_of_few(tmp_path):
    """Five people's tenths, quartiles and median tell all of their values."""
    many = {1: 60, 2: 50, 3: 49, 4: 20, 5: 19, 6: 10, 7: 9, 8: 5}
    frame = drawn(n=60)
    study, _ = study_of(frame[frame["id"] < frame["session"].map(many)], tmp_path)
    bands = over_time.trajectories(study).query("term == 'bdi'").set_index("session")
    assert bands["n"].to_dict() == {s: n for s, n in many.items() if n >= 10}
    shown = bands.filter(like="q").notna()
    assert shown["q50"].all()
    assert [*shown.index[shown["q25"]]] == [*shown.index[shown["q75"]]] == [1, 2, 3, 4]
    assert [*shown.index[shown["q10"]]] == [*shown.index[shown["q90"]]] == [1, 2]
    every = over_time.trajectories(study, min_cell=0)  # single values may be seen
    assert every.notna().all(axis=None) and every["n"].min() == 5


DATED = CODEBOOK.replace("wai: {}", "held: {type: date}, wai: {}")
OUT = "Remove one of the records"


@pytest.mark.parametrize(
    ("spoil", "problem", "warning", "reason"),
    [
        (
            lambda d: pd.concat([d, d.iloc[[3]].assign(wai=9.0)]),
            f"row 302.*may stand once.*{OUT}",
            "",
            "",
        ),
        (
            lambda d: d.assign(held=d["held"].where(d.index != 25, "2023-12-30")),
            "row 27, column held: found '2023-12-30'; an earlier session of the same client",
            "",
            "",
        ),
        (lambda d: d[d["id"] == 0], "", "", "fewer than three clients"),
        (lambda d: d.drop(index=range(1, 10)), "", "", None),  # who came once tells levels only
        (lambda d: d.groupby("id").head(1), "", "", "does not vary within clients"),
        (
            lambda d: d.assign(therapist=d["therapist"].where(d.index != 7, 99)),
            "",
            "changes within 1 clients: '0'. Each session counts with whom it was held",
            None,
        ),
        (lambda d: d.assign(bdi=d["id"]), "", "", "'bdi' does not vary within clients"),
        (
            lambda d: d.assign(wai=d["session"] + d["id"], bdi=d["id"] - d["session"]),
            "",
            "",
            "a measure takes the same course in everybody, or both do",
        ),
        (lambda d: d[d["session"] < 3], "", "", "the series are too short"),
    ],
)
def test_bad_sessions_through_check_and_every_table(spoil, problem, warning, reason, tmp_path):
    """A named problem, a warning, or inconclusive rows with the reason; never a traceback."""
    frame = drawn(n=30)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(7 * frame["session"], unit="D")
    spoil(frame.assign(held=days.dt.strftime("%Y-%m-%d"))).to_csv(
        tmp_path / "sessions.csv", index=False
    )
    (tmp_path / "codebook.yml").write_text(DATED)
    (tmp_path / "findings.yml").write_text(CLAIMS)
    told = "\n".join(map(str, check(tmp_path)[0]))
    assert re.search(problem, told) if problem else not told
    if problem:
        with pytest.raises(DataError, match=problem):
            load_study(tmp_path)
        return
    study, rules = clean(load_study(tmp_path)), read_rules(data=tmp_path)
    assert warning in "".join(map(str, study.warnings))
    rows = assess(study.dyads, rules=rules, analyses=over_time.TRENDS)
    late = rows[rows["claim"] == "late"]  # a lag of 40 sessions
    assert late["criterion"].str.startswith("not estimable").all()
    paths = over_time.paths(study, rules)
    naive = rows.query("claim == 'first' and analysis == 'naive'").iloc[0]
    said = over_time.headline(paths)[0]
    if reason is None:
        assert "cannot be told" not in said and naive["estimate"] < 1
        assert late["criterion"].str.contains("the series are too short").all()
    else:
        first = rows.query("claim == 'first' and analysis == 'detrended'").iloc[0]
        assert first["verdict"] == "inconclusive" and reason in first["criterion"]
        assert said.startswith("Trust comes before fewer symptoms: cannot be told (not estimable")
    for view in (over_time.associations, over_time.levels, over_time.trajectories,
                 over_time.stopping, over_time.reliabilities):  # fmt: skip
        table = view(study)
        assert len(table) and ("estimate" in table or "n" in table or table["reason"].all())
    assert len(over_time.stayers(study, rules))


def test_what_a_change_of_rating_draws_on(tmp_path):
    """Within, the rating follows `near`; its mean goes with that of `far`; both have a trend."""
    frame, rng = drawn(n=80, T=8, trend=0.3, seed=4), np.random.default_rng(5)
    client = frame["id"].to_numpy()
    near = frame["wai"] - frame.groupby("id")["wai"].transform("mean")
    frame["near"] = near + rng.normal(size=640) + rng.normal(size=80)[client]
    frame["far"] = frame.groupby("id")["wai"].transform("mean") + rng.normal(size=640)
    frame["far"] += 0.3 * frame["session"]
    frame.to_csv(tmp_path / "sessions.csv", index=False)
    text = CODEBOOK.replace("bdi: {}", "bdi: {}, near: {}, far: {}")
    text = text.replace("{outcome: [bdi]}", "{outcome: [bdi], contact: [near], rest: [far]}")
    (tmp_path / "codebook.yml").write_text(text)
    study = clean(load_study(tmp_path))
    found = over_time.sources(study, n_boot=100, n_noise=99).set_index(["level", "terms"])
    assert found["share"].groupby("level").sum().tolist() == pytest.approx([1, 1])
    drawn_on = found["share"].groupby("level").idxmax()
    assert [*drawn_on] == [("between", "far"), ("within", "near")]
    assert found.loc[drawn_on, "p_value"].max() == 0.01
    assert found.loc[("within", "far"), "p_value"] > 0.05  # a trend is no source
    # the new of `wai` has variance 1, that of `near` 1 + 1
    assert found.loc["within", "r_squared"].iloc[0] == pytest.approx(0.5, abs=0.08)
    (said,) = over_time.sources_said(found.reset_index(), study.codebook)
    assert "what is new in near" in said and said.endswith("p = .010).")


def test_dates_are_ranked_and_gaps_of_a_counter_stay_gaps(tmp_path):
    frame = drawn(n=12).query("session != 4")
    study, _ = study_of(frame, tmp_path)
    assert study.sessions.frame["session_number"].tolist()[:4] == [1, 2, 3, 5]
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(9 * frame["session"], unit="D")
    frame.assign(session=days.dt.strftime("%Y-%m-%d")).to_csv(
        tmp_path / "sessions.csv", index=False
    )
    text = CODEBOOK.replace("session: {type: integer}", "session: {type: date}")
    (tmp_path / "codebook.yml").write_text(text)
    made = clean(load_study(tmp_path)).sessions
    assert made.frame[made.order].tolist()[:4] == [1, 2, 3, 4]


def test_a_draft_of_real_sessions_is_used_as_it_is(gad, tmp_path):
    shutil.copy(SESSIONS, tmp_path)
    (tmp_path / "codebook.yml").write_text(describe(tmp_path / SESSIONS.name), "utf-8")
    assert check(tmp_path)[0] == []
    study, rules = clean(load_study(tmp_path)), read_rules(data=tmp_path)
    assert study.codebook.alliance_of("client") == "client_alliance"
    found = over_time.paths(study, rules)  # no claim is stated: both ways are asked for
    assert found["analysis"].eq("naive").sum() == 2
    assert "less than half is left once the trend" in over_time.headline(found)[0]


def test_simulated_sessions_know_their_truth(tmp_path):
    truth = courses()["sessions_effect"]
    frame = draw_sessions(truth, 4000, seed=5)
    y = (frame["symptoms"] - truth["symptoms"]["mean"]) / truth["symptoms"]["sd"]
    x = (frame["client_alliance"] - truth["alliance"]["mean"]) / truth["alliance"]["sd"]
    kept = frame["session"] <= 4
    who, when = frame["client_id"][kept], frame["session"][kept]
    (found,) = cross_lagged([(y[kept], x[kept], who, when)])
    errors = np.sqrt(np.diag(found.covariance))
    assert (np.abs(found.estimate[:3] - (0.3, -0.2, 0.0)) < 1.96 * errors[:3]).all()
    assert frame["session"].value_counts().iloc[-1] < 4000  # drop-out
    write_study(simulate_study("sessions_effect", 60, 3), tmp_path / "made")
    study, rules = clean(load_study(tmp_path / "made")), read_rules(data=tmp_path / "made")
    rows = assess(study.dyads, rules=rules, finding="2").set_index(["claim", "analysis"])
    assert rows.loc[("alliance_first", "detrended"), "verdict"] == "supported"


def test_errors_of_a_cross_lagged_claim_are_of_three_clients_fewer():
    frame = draw_sessions(courses()["sessions_effect"], 200, 3, 4)
    y, x = frame["symptoms"], frame["client_alliance"]
    (model,) = cross_lagged([(y, x, frame["client_id"], frame["session"])])
    relative = np.sqrt(model.covariance[1, 1]) / abs(model.estimate[1])  # as of a large sample
    dyads = frame.drop_duplicates("client_id", keep="last")
    tables = {"sessions": (frame, frame["session"].to_numpy(float))}
    dyads.attrs["sessions"] = all_sessions(tables, scenario_codebook("sessions_effect"))
    claim = Claim("1", "any", "precedes", "client", term="symptoms", sign="negative",
                  source="client_alliance", bound="lagged")  # fmt: skip
    effect, _, clients = over_time.Judge(dyads, read_rules(), "detrended").find(claim)
    assert (effect.df, clients) == (197, 200)
    ratio = (effect.conf_high - effect.conf_low) / 2 / abs(effect.estimate) / relative
    assert ratio == pytest.approx(stats.t.ppf(0.975, 197) * np.sqrt(200 / 197), rel=1e-6)


def test_both_rating_in_families_as_spss(tmp_path):
    if not (file := SESSIONS.with_name("one_with_many_family.csv")).is_file():
        pytest.skip("one_with_many_family.csv is not here")
    shutil.copy(file, tmp_path)
    shutil.copy(ROOT / "examples" / "family_pairs" / "codebook.yml", tmp_path)
    assert check(tmp_path)[0] == []
    found = whose_rating(clean(load_study(tmp_path)).dyads).set_index(["informant", "term"])
    spss = {
        ("case_manager", "variance_case_manager"): 0.060898,
        ("client", "variance_case_manager"): 0.208409,
        ("both", "correlation_case_manager"): 0.698818,
        ("both", "correlation_rest"): 0.239029,
    }
    for at, value in spss.items():
        assert found.loc[at, "estimate"] == pytest.approx(value, abs=6e-7)
    low, high = found.loc[("both", "correlation_case_manager"), ["conf_low", "conf_high"]]
    assert 0 < low < 0.698818 < high <= 1


def test_error_rates_as_they_were_simulated():
    """benchmarks/over_time_rates.py: 2,000 cohorts of each scenario and shape."""
    rates = pd.read_csv(ROOT / "benchmarks" / "over_time_rates.csv")
    assert (rates["n_cohorts"] >= 2000).all()
    for _, here in rates.groupby("n_clients"):
        here = here.set_index(["scenario", "analysis"])
        for scenario in ("sessions_none", "sessions_published_view"):
            assert here.loc[(scenario, "detrended"), "supported"] <= 0.05
            assert 0.94 <= here.loc[(scenario, "detrended"), "coverage"] <= 0.96  # band of chance
    few = rates[rates["n_clients"] == 50].set_index(["scenario", "analysis"])["supported"]
    assert few["sessions_published_view", "naive"] > 0.3
    assert few["sessions_effect", "detrended"] > 0.9
