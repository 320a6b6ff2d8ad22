"""Tables for reading: words and rounding, small counts, reliabilities, verdicts in sentences."""

import html
import html.parser
import re
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

from alliance_helpers.claims.assess import wrongly_supported
from alliance_helpers.claims.rules import read_rules
from alliance_helpers.claims.views import overview
from alliance_helpers.cohorts.cohort import OPENED
from alliance_helpers.errors import NotEstimableError, ParameterError
from alliance_helpers.models.reliability import reliability
from alliance_helpers.pages.printing import WORDS, pretty
from alliance_helpers.pages.table_one import suppressed, table_one
from alliance_helpers.pages.tables import (
    joint_tests,
    reliabilities,
    statistics,
    then_and_now,
    verdict_sentences,
)
from alliance_helpers.study.clean import CleanStudy
from alliance_helpers.study.read_codebook import read_codebook

BOOK = read_codebook()
RULES = read_rules()


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("p_value", 0.0312, ".031"),
        ("p_change", 0.00004, "< .001"),
        ("p_equivalence", 0.99999, "1.000"),
        ("n", 201.0, "201"),
        ("n_missing", 12345.0, "12,345"),
        ("df", 43.0, "43"),
        ("df", 13.27, "13.3"),
        ("rate_ratio", 1.0649, "1.06"),
        ("share_missing", 0.0448, "4.5 %"),
        ("statistic", -2.3456, "-2.35"),
        ("aic", 3120.94, "3,121"),
        ("estimate", -0.00001, "-0.000010"),
        ("estimate", float("nan"), ""),
        ("verdict", "not_supported", "not supported"),
        ("term", "symptoms", "Symptom severity"),
        ("informant", "case_manager", "Case manager"),
        ("term", "client_age:symptoms", "Client age:Symptom severity"),
    ],
)
def test_cells_are_rounded_by_what_they_are(column, value, text):
    assert pretty(pd.DataFrame({column: [value]}), BOOK).shown.iloc[0, 0] == text


@pytest.mark.parametrize(
    ("estimate", "low", "high", "texts"),
    [
        (-0.17123, -0.3049, -0.0412, ["-0.17", "-0.30", "-0.04"]),
        (143.27, 130.21, 156.4, ["143.3", "130.2", "156.4"]),
        (1432.7, 1302.1, 1564.0, ["1,433", "1,302", "1,564"]),
        (0.171234, 0.169266, 0.173199, ["0.1712", "0.1693", "0.1732"]),
    ],
)
def test_decimals_follow_the_interval(estimate, low, high, texts):
    frame = pd.DataFrame({"estimate": [estimate], "conf_low": [low], "conf_high": [high]})
    table = pretty(frame)
    assert table.shown.iloc[0].tolist() == texts
    assert table.frame["estimate"].iloc[0] == estimate  # nothing is lost behind it


def test_html_is_escaped_scoped_and_without_scripts():
    frame = pd.DataFrame({"term": ["<script>alert(1)</script>"], "estimate": [0.5]})
    shown = pretty(frame, caption='Mine & "yours" <b>')._repr_html_()
    seen = []

    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs):
            seen.append((tag, dict(attrs)))

    Reader().feed(shown)
    tags = [t for t, _ in seen]
    assert "script" not in tags and "b" not in tags
    assert "caption" in tags
    scopes = [a.get("scope") for t, a in seen if t == "th"]
    assert scopes == ["col", "col", "row"]
    cell = next(a for t, a in seen if t == "td")
    assert "text-align:right" in cell["style"]


def test_several_numbers_in_a_cell_are_text():
    shares = pd.DataFrame({"claim": ["age"], "published": ["98 / 92"], "halo": ["[3 / 2]"]})
    html = pretty(shares).html
    assert re.findall(r"<t[hd][^>]*text-align:(\w+)", html).count("left") == 6
    assert "text-align:right" not in html


def test_what_a_claim_lacks_is_said_in_the_words_of_the_study():
    book = read_codebook()
    names = {"case_manager": book.informants["case_manager"] | {"label": "Therapist"}}
    book = replace(book, informants=book.informants | names)
    lacking = pd.DataFrame({"lacking": ["rating by the case manager, case_manager_age"]})
    told = pretty(lacking, codebook=book).shown["Lacking"].tolist()
    assert told == ["rating by the therapist, case_manager_age"]


def test_a_column_with_nothing_in_it_is_left_out():
    frame = pd.DataFrame({"family": ["hurdle"], "reason": [""]})
    assert pretty(frame).shown.columns.tolist() == ["Model"]
    kept_back = frame.assign(n_missing=pd.array([None], "Int64"))  # where every count is small
    assert pretty(kept_back).shown.columns.tolist() == ["Model"]
    assert "Reason" in pretty(frame.assign(reason="no zero")).shown


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame([[1, 2.5, pd.Timestamp("1995-06-01")]], columns=["a", "a", "b"]),
        pd.DataFrame({"flag": [True, None], "when": pd.to_datetime(["1995-06-01", None])}),
    ],
    ids=["same name twice", "flags and dates"],
)
def test_odd_frames_are_shown(frame):
    table = pretty(frame)
    assert table.shown.shape == frame.shape
    assert table._repr_html_().count('<th scope="col"') == frame.shape[1]


def test_an_empty_table_is_said_in_words():
    empty = pretty(pd.DataFrame({"term": [], "estimate": []}), caption="Claims without data")
    assert empty._repr_html_() == "<p>Claims without data: none.</p>"


def _exposed_cells(counts, min_cell=5):
    """Small cells whose value the shown sums pin down, found by linear programming."""
    hidden = suppressed(counts, min_cell)
    full = np.column_stack([counts, counts.sum(axis=1)])
    cells = [tuple(c) for c in np.argwhere(hidden)]
    at = {c: k for k, c in enumerate(cells)}
    last = full.shape[1] - 1
    sums, known = [], []
    for i in range(len(full)):
        sums.append([(-1 if j == last else 1) if r == i else 0 for r, j in cells])
        shown = np.where(hidden[i], 0, full[i])
        known.append(shown[last] - shown[:last].sum())
    for j in range(last + 1):
        sums.append([int(c == j) for _, c in cells])
        known.append(full[hidden[:, j], j].sum())
    found = []
    for cell in cells:
        if 0 < full[cell] < min_cell:
            aim = np.eye(len(cells))[at[cell]]
            low = linprog(aim, A_eq=sums, b_eq=known).fun
            high = -linprog(-aim, A_eq=sums, b_eq=known).fun
            found.append(high - low < 0.5)
    return hidden, full, found


def test_the_words_of_a_claim_are_its_own():
    text = "Unrelated to the other outcomes: the case manager's view, symptoms"
    told = pretty(pd.DataFrame({"claim": [text, "symptoms, living_skills"]}), BOOK).shown
    assert told.iloc[:, 0].tolist() == [text, "Symptom severity, Living skills"]


def test_small_counts_cannot_be_worked_out():
    rng = np.random.default_rng(5)
    looked_at = 0
    for _ in range(60):
        shape = (rng.integers(2, 5), rng.integers(2, 6))
        counts = rng.poisson(rng.choice([2, 6, 20]), shape)
        counts = counts[counts.sum(axis=1) > 0]
        if len(counts) < 2:
            continue
        hidden, full, found = _exposed_cells(counts)
        assert hidden[(full > 0) & (full < 5)].all()
        assert not any(found)
        looked_at += len(found)
    assert looked_at > 100


def test_nothing_is_withheld_without_need():
    assert not suppressed(np.array([[5, 40], [60, 0]])).any()
    assert not suppressed(np.array([[1, 40], [60, 2]]), min_cell=1).any()


@pytest.fixture
def dyads():
    rng = np.random.default_rng(2)
    n = 60
    site = np.repeat(["general", "neuropsychiatric"], [40, 20])
    female = np.r_[np.ones(12), np.zeros(28), np.ones(3), np.zeros(17)]
    diagnosis = np.r_[
        ["other"] * 20, ["mood disorder"] * 20, ["other"] * 10, ["mood disorder"] * 10
    ]
    return pd.DataFrame(
        {
            "site_type": site, "client_female": female, "diagnosis": diagnosis,
            "client_age": rng.normal(45, 10, n), "hospital_days": rng.poisson(90, n).astype(float),
        }
    )  # fmt: skip


def test_table_one_counts_and_means(dyads):
    dyads.loc[[0, 1], "client_age"] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = table_one(dyads, BOOK, columns=["client_age", "diagnosis", "hospital_days"])
    cell = table.set_index(["variable", "level"])
    assert cell.loc[("Dyads", "n"), ["Overall", "general", "neuropsychiatric"]].tolist() == [
        "60", "40", "20",
    ]  # fmt: skip
    mean, sd = dyads["client_age"].mean(), dyads["client_age"].std()
    assert cell.loc[("Client age", "years, mean (SD)"), "Overall"] == f"{mean:.1f} ({sd:.1f})"
    assert cell.loc[("Client age", "years, mean (SD)"), "missing"] == "<5"
    assert cell.loc[("Diagnosis", "other, n (%)"), "general"] == "20 (50 %)"
    middle = dyads["hospital_days"].quantile([0.5, 0.25, 0.75]).tolist()
    row = ("Hospital days in two years", "days, median (quartiles)")
    assert cell.loc[row, "Overall"] == "{:.0f} ({:.0f} to {:.0f})".format(*middle)


def test_table_one_withholds_small_counts_and_what_gives_them_away(dyads):
    row = table_one(dyads, BOOK, columns=["client_female"]).iloc[1]
    assert row["neuropsychiatric"] == "<5"  # three women
    assert row["general"] == "withheld"  # 15 in all would tell
    assert row["Overall"] == "15 (25 %)"
    free = table_one(dyads, BOOK, columns=["client_female"], min_cell=1).iloc[1]
    assert (free["general"], free["neuropsychiatric"]) == ("12 (30 %)", "3 (15 %)")


def test_table_one_says_nothing_about_a_tiny_group(dyads):
    dyads.loc[[0, 59], "site_type"] = None
    table = table_one(dyads, BOOK, columns=["client_age", "client_female"])
    assert table["not known"].tolist() == ["<5", "withheld", "withheld"]
    assert table["neuropsychiatric"].tolist() == ["withheld"] * 3  # the sizes add up to 60
    assert table.loc[1, "general"] != "withheld"


def test_table_one_withholds_means_that_would_follow(dyads):
    dyads.loc[3:39, "client_age"] = np.nan  # three known ages in one group
    row = table_one(dyads, BOOK, columns=["client_age"]).iloc[1]
    assert (row["general"], row["neuropsychiatric"]) == ("withheld", "withheld")
    assert row["Overall"] != "withheld"


@pytest.mark.parametrize(
    ("known", "told"), [(9, ()), (10, ("50%",)), (19, ("50%",)), (20, ("25%", "50%", "75%"))]
)
def test_no_quartile_is_a_value_of_few(known, told, dyads):
    dyads.loc[known:, "hospital_days"] = np.nan
    cell = table_one(dyads, BOOK, "", columns=["hospital_days"]).loc[1, "Overall"]
    low, middle, high = dyads["hospital_days"].quantile([0.25, 0.5, 0.75])
    spread = f"{low:.0f} to {high:.0f}" if len(told) == 3 else "withheld"
    assert cell == (f"{middle:.0f} ({spread})" if told else "withheld")
    log = pd.DataFrame(columns=["table", "rule"])
    cleaned = CleanStudy(dyads, log, {}, BOOK, "")
    row = overview(cleaned).dyads.set_index("term").loc["hospital_days"]
    assert tuple(row[["25%", "50%", "75%"]].dropna().index) == told


def test_table_one_names_an_unknown_group_column(dyads):
    with pytest.raises(ParameterError, match="no column 'ward'"):
        table_one(dyads, BOOK, by="ward")


@pytest.fixture(scope="module")
def clean():
    """Items of every scale of the shipped codebook; some missing."""
    rng = np.random.default_rng(7)
    n = 80
    columns = {"client_id": [f"C{i:03d}" for i in range(n)]}
    for scale in BOOK.scales.values():
        low, high = scale.limits
        person = rng.normal(0, 1, n)
        signs = {abs(i): np.sign(i) for part in scale.keys.values() for i in part}
        for k, item in enumerate(scale.items, start=1):
            noisy = signs.get(k, 1) * person + rng.normal(0, 1, n)
            columns[item] = np.clip(np.round((low + high) / 2 + noisy), low, high)
    wide = pd.DataFrame(columns)
    wide.loc[:7, "wai_c_01"] = np.nan
    scores = {s: wide[list(BOOK.scales[s].items)].sum(axis=1) for s in BOOK.scales}
    made = pd.DataFrame(scores).assign(client_id=wide["client_id"], client_age=45.0)
    made.loc[:3, "client_age"] = np.nan
    made.loc[:1, "client_alliance"] = np.nan

    class Study(CleanStudy):
        def items(self, scale):
            return wide[list(BOOK.scales[scale].items)]

    return Study(made, pd.DataFrame(), {}, BOOK, "made for a test")


def test_reliabilities_cover_scales_and_subscales(clean):
    table = reliabilities(clean)
    rows = table.set_index(["scale", "subscale"])
    assert {"task", "bond", "goal", "total"} == set(rows.loc["client_alliance"].index)
    assert set(rows.index.get_level_values("scale")) == set(BOOK.scales)
    assert rows.loc[("client_alliance", "total"), "n_items"] == 36
    scale = BOOK.scales["client_alliance"]
    alone = reliability(clean.items("client_alliance"), list(scale.keys["bond"]))
    assert rows.loc[("client_alliance", "bond"), "alpha"] == alone["alpha"].iloc[0]
    assert (table["reason"] == "").all()


def test_a_scale_that_cannot_be_estimated_says_why(clean, monkeypatch):
    gone = clean.items("living_skills").iloc[:2]
    whole = type(clean).items
    pick = lambda self, scale: gone if scale == "living_skills" else whole(self, scale)  # noqa: E731
    monkeypatch.setattr(type(clean), "items", pick)
    rows = reliabilities(clean).set_index("scale")
    assert np.isnan(rows.loc["living_skills", "alpha"])
    assert "at least 4" in rows.loc["living_skills", "reason"]


def test_unanswered_is_the_share_of_answers_left_out_unless_it_tells_of_few(clean, monkeypatch):
    """Eight people left one item of *bond* out; who left all out is no answerer."""
    whole = clean.items("client_alliance")

    def share(without: int, nobody: int, synthetic: bool = False) -> pd.Series:
        items = whole.copy()
        items.iloc[without:8, 0] = 3  # of eight so many are left
        items.iloc[80 - nobody :] = np.nan
        scales = {"client_alliance": BOOK.scales["client_alliance"]}
        study = replace(clean, codebook=replace(BOOK, synthetic=synthetic, scales=scales))
        monkeypatch.setattr(type(clean), "items", lambda self, scale: items)
        return reliabilities(study).set_index("subscale")["share_unanswered"]

    assert share(8, 0)["task"] == 0
    assert share(8, 10)["bond"] == pytest.approx(8 / (70 * 12))
    assert share(8, 10)["total"] == pytest.approx(8 / (70 * 36))
    assert share(4, 0)[["bond", "total"]].isna().all() and share(4, 0)["goal"] == 0
    assert share(4, 0, synthetic=True)["bond"] == pytest.approx(4 / (80 * 12))


def finding(number, claim, informant, analysis, verdict, *figures):
    names = ("estimate", "conf_low", "conf_high", "p_value", "p_equivalence")
    row = dict.fromkeys(names, np.nan) | dict(zip(names, figures, strict=False))
    head = {"finding": number, "claim": claim, "informant": informant, "analysis": analysis}
    return head | {"verdict": verdict, "criterion": "a rule", "n": 194.0, "df": 192.0} | row


@pytest.fixture
def findings():
    rows = [
        finding("2", "age", "case_manager", "as_published", "supported", -0.171, -0.302, -0.0391),
        finding("1", "modest", "both", "as_published", "supported", 0.28, 0.15, 0.4),
        finding("1", "unrelated_pretreatment", "client", "as_published", "inconclusive",
                0.0601, np.nan, np.nan, 0.0588, 0.0612),
        finding("4", "hospital_days", "client", "as_published", "supported", 1.012, 0.861, 1.19),
        finding("4", "neither", "both", "as_published", "not_supported"),
        finding("2", "age", "case_manager", "nested", "inconclusive", -0.15, -0.39, 0.09),
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_sentences_carry_estimate_interval_and_verdict(findings):
    assert verdict_sentences(findings, RULES, ["as_published"]) == [
        "The two alliance ratings are modestly associated. Unadjusted, dyads independent: "
        "r(192) = .28, 95 % CI [.15, .40], supported.",
        "The client's rating is unrelated to pretreatment variables. Unadjusted, dyads "
        "independent: R² = .060, p = .059, smaller than the bound: p = .061, inconclusive.",
        "Older case managers rate the alliance lower. Unadjusted, dyads independent: "
        "r(192) = −.17, 95 % CI [−.30, −.04], supported.",
        "The client's rating is unrelated to hospital days. Unadjusted, dyads independent: "
        "rate ratio per SD = 1.01, 95 % CI [0.86, 1.19], supported.",
        "Neither rating is related to hospital days. Unadjusted, dyads independent: not supported.",
    ]
    assert verdict_sentences(findings, RULES)[2].startswith(
        "Older case managers rate the alliance lower. Unadjusted, case managers respected: "
        "β = −.15, 95 % CI [−.39, .09], inconclusive. Unadjusted, dyads independent: r"
    )
    assert verdict_sentences(findings, RULES, ["nested_cr2"]) == []


@pytest.mark.parametrize(
    ("claim", "row", "said"),
    [
        ("age", {"df": np.inf}, "r = −.17, 95 % CI [−.30, −.04], p = .011"),
        ("age", {"df": 12.3}, "r(12) = −.17, 95 % CI [−.30, −.04], p = .011"),
        ("age", {"analysis": "nested"}, "β = −.17, 95 % CI [−.30, −.04], p = .011"),
        ("modest", {"analysis": "nested"}, "r = −.17, 95 % CI [−.30, −.04], p = .011"),
        ("age", {"conf_low": np.nan}, "r(192) = −.17, p = .011"),
        ("age", {"p_value": np.nan}, "r(192) = −.17, 95 % CI [−.30, −.04]"),
        ("age", {"conf_low": -0.1712, "conf_high": -0.1708},
         "r(192) = −.17100, 95 % CI [−.17120, −.17080], p = .011"),
        ("differs_treatment", {"estimate": 0.061}, "R² = .061, p = .011"),
        ("other_outcomes", {"estimate": 0.061, "p_value": 0.00002},
         "R² = .061, p < .001, smaller than the bound: p = .200"),
        ("other_outcomes", {"estimate": 0.061, "p_equivalence": np.nan}, "R² = .061, p = .011"),
        ("age", {"estimate": np.nan, "criterion": "not estimable: why"}, "not estimable: why"),
        ("age", {"estimate": np.nan, "criterion": "all must hold"}, ""),
    ],
)  # fmt: skip
def test_an_estimate_is_told_by_its_kind_and_with_what_is_known(claim, row, said):
    claim = next(c for c in RULES.claims if c.claim == claim)
    usual = finding(*claim.key, "as_published", "supported", -0.171, -0.302, -0.0391, 0.011, 0.2)
    assert statistics(claim, usual | row) == said


def test_what_moved_the_estimate_furthest_from_its_correlation():
    links = pd.DataFrame({
        "term": ["symptoms", "living_skills", "client_age"], "estimate": [-0.24, 0.2, 0.1],
        "alone": [-0.11, 0.15, 0.1], "moved_by": ["health_sickness", "symptoms", None],
        "without_it": [-0.12, 0.16, np.nan],
    })  # fmt: skip
    assert verdict_sentences(links, RULES, codebook=BOOK) == [
        "Furthest from its correlation: Symptom severity, -0.24 beside the others of its model and "
        "-0.11 alone. Health-sickness moves it most: without that variable it is -0.12."
    ]
    assert verdict_sentences(links.iloc[2:], RULES, codebook=BOOK) == []


def test_a_claim_that_cannot_be_estimated_says_why(findings):
    findings.loc[0, ["estimate", "criterion", "verdict"]] = [
        np.nan, "not estimable: a variable does not vary", "inconclusive",
    ]  # fmt: skip
    said = " ".join(verdict_sentences(findings, RULES))
    assert "not estimable: a variable does not vary, inconclusive." in said


def test_scorecard_is_in_the_order_of_the_claims(findings):
    made = then_and_now(findings, RULES)
    card = made.frame
    assert card.columns.tolist()[:-1] == ["finding", "text", *made.analyses]
    assert made.analyses == ("as_published", "nested")
    assert card["finding"].tolist() == ["1", "1", "2", "4", "4"]
    age = card[card["text"].str.startswith("Older")].iloc[0]
    assert (age["as_published"], age["nested"]) == ("supported", "inconclusive")
    assert pd.isna(card.loc[0, "nested"])
    with pytest.raises(NotEstimableError, match="no claim can be put to this study"):
        then_and_now(findings[:0], RULES)


@pytest.mark.parametrize(("clients", "size"), [(200, 201), (70, 60)])
def test_the_scorecard_says_how_often_a_tick_is_wrong(findings, clients, size):
    """Of each analysis, in cohorts of the nearest size; of claims of one's own nothing."""
    page = then_and_now(findings.assign(n=float(clients)), RULES)._repr_html_()
    rates, rows = wrongly_supported(size), page.split('<tr class="wrong">')[1:]
    for row, (truth, shares) in zip(rows, rates.items(), strict=True):
        cells = re.findall(r'<td class="v \w*">([\d.]*)</td>', row)
        assert cells == [f"{100 * shares[a]:.1f}" for a in ("nested", "as_published")]
        assert truth in html.unescape(row)
    assert f"in % of simulated cohorts of {size} clients" in page and len(rows) == 5
    cr2 = findings.replace({"analysis": {"nested": "nested_cr2"}}).assign(n=float(clients))
    days = then_and_now(cr2, RULES)._repr_html_().split("lowers hospital days</th>")[1]
    assert "" in re.findall(r">([^<>]*)</td>", days)[:2]  # no such analysis of days, no number
    page = then_and_now(findings, replace(RULES, own=True))._repr_html_()
    assert 'class="wrong"' not in page and "How often" not in page


def test_the_scorecard_of_a_changed_cohort_says_what_was_changed(findings, monkeypatch):
    assert "[" not in then_and_now(findings, RULES)._repr_html_().partition("<caption>")[2][:60]
    monkeypatch.setattr(OPENED, "changes", ("without site <3>", "bond as the rating"))
    said = "Every claim [without site &lt;3&gt;; bond as the rating] ("
    assert said in then_and_now(findings, RULES)._repr_html_()


FIRST, SECOND = "as_1995", "as_1995_outcomes"
MAIN = "adjusted for pretreatment, case managers respected"


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ({FIRST: "s", "nested": "s"}, "The method of 1995 reports it, and today all agree."),
        ({FIRST: "n", "nested": "n"}, "of 1995 does not report it, and today all agree."),
        ({FIRST: "s", "nested": "i"}, "of 1995 reports it; today it is inconclusive."),
        ({FIRST: "n", "nested": "i"}, "of 1995 does not report it; today it is inconclusive."),
        ({FIRST: "-", "nested": "i"}, "Today it is inconclusive."),
        (
            {FIRST: "-", SECOND: "s", "nested": "s"},
            "reports it by the one reading that can be estimated; today it is supported.",
        ),
        (
            {FIRST: "n", "adjusted": "-", "nested": "s"},
            f"does not report it; today, {MAIN}, it cannot be estimated.",
        ),
        ({"adjusted": "-"}, f"Today, {MAIN}, it cannot be estimated."),
        (  # what cannot be estimated turns nothing
            {FIRST: "s", "adjusted": "s", "nested": "-", "rank": "s"},
            "The method of 1995 reports it, and today all agree.",
        ),
        ({FIRST: "s", SECOND: "s", "nested": "s"}, "of 1995 reports it, and today all agree."),
        (
            {FIRST: "s", SECOND: "n", "nested": "s"},
            "Reported as 1995 read it (alliance explained) only; today it is supported.",
        ),
        (
            {FIRST: "n", SECOND: "s", "nested": "i"},
            "Reported as 1995 read it (outcomes explained) only; today it is inconclusive.",
        ),
        ({"nested": "s", "nested_cr2": "s"}, "Today it is supported."),
        ({FIRST: "s"}, "Not assessed."),
        (
            {FIRST: "n", "as_published": "s", "nested": "i", "rank": "s"},
            "of 1995 does not report it; today, unadjusted, case managers respected, it is "
            "inconclusive. First to turn it: case managers not respected (supported).",
        ),
        (
            {FIRST: "s", "nested": "s", "rank": "n"},
            "of 1995 reports it; today, unadjusted, case managers respected, it is supported. "
            "First to turn it: scores made rank-normal (not supported).",
        ),
        (
            {"adjusted": "s", "nested": "i", "rank": "n"},
            f"Today, {MAIN}, it is supported. "
            "First to turn it: pretreatment not held constant (inconclusive).",
        ),
        (
            {"adjusted": "s", "nested": "s", "as_published": "n"},
            f"Today, {MAIN}, it is supported. First to turn it: case managers not respected, "
            "on top of pretreatment not held constant (not supported).",
        ),
        (
            {"adjusted": "s", "nested": "s", "multiverse": "n"},
            f"Today, {MAIN}, it is supported. No single change that was tried turns that.",
        ),
        (  # the only other analysis differs in two respects: none was changed alone
            {"adjusted": "s", "as_published": "n"},
            f"Today, {MAIN}, it is supported.",
        ),
    ],
)
def test_the_sentence_of_a_claim_follows_its_verdicts_and_counts_no_votes(verdicts, said):
    words = {"s": "supported", "n": "not_supported", "i": "inconclusive", "-": "inconclusive"}
    rows = pd.DataFrame({"finding": "1", "claim": "modest", "informant": "both", "n": 201,
                         "analysis": [*verdicts], "verdict": [*verdicts.values()]})  # fmt: skip
    rows["criterion"] = rows["verdict"].map({"-": "not estimable: too few"}).fillna("a rule")
    rows = rows.replace({"verdict": words}).reset_index(drop=True)
    verdicts = {a: v for a, v in verdicts.items() if v != "-"}
    card = then_and_now(rows, RULES)
    sentence = card.frame["sentence"][0]
    assert sentence.endswith(said) and ("turn" in sentence) is ("turn" in said)
    marks = {"s": "✔ supported", "n": "✘ not supported", "i": "? inconclusive"}
    line = card.text().splitlines()[-1]
    page = card._repr_html_()
    assert f'<th scope="row">{RULES.claims[0].text}<small>{sentence}</small></th>' in page
    order = [name for names in card.groups().values() for name in names]
    cells = re.findall(
        r'<td class="v \w* (\w*)"><span aria-hidden="true">(.)</span>.*?>(.*?)<', page
    )
    order = [a for a in order if a in verdicts]
    then = {"s": ("", "✔", "reported"), "n": ("", "✘", "not reported")}  # no colour of a verdict
    assert cells == [
        then[verdicts[a]] if a.startswith("as_1995")
        else (words[verdicts[a]], *marks[verdicts[a]].split(" ", 1))
        for a in order
    ]  # fmt: skip
    for letter, mark in marks.items():
        assert f"{mark}, " in page.split("<thead>")[0]
        assert line.count(mark) == [
            v for a, v in verdicts.items() if a not in ("rank", "nested_cr2", "multiverse")
        ].count(letter)


def test_a_note_of_a_claim_follows_its_sentence_and_columns_stand_by_what_they_change():
    (claim,) = [c for c in RULES.claims if c.claim == "independent_raters"]
    analyses = [FIRST, "adjusted", "nested", "rank", "bayes", "multiverse", "own"]
    rows = pd.DataFrame(
        [finding(*claim.key[:2], claim.informant, a, "supported") for a in analyses]
    )
    card = then_and_now(rows, own := replace(RULES, own=True))
    page = card._repr_html_()
    heads = re.findall(r'class="turned[^>]*><span>(.*?)</span>', page)
    assert heads == [WORDS.get(a, a) for a in analyses]
    assert re.findall(r'colspan="(\d)".*?>(.*?)</th>', page) == [
        ("1", "Then"), ("1", "Now"), ("1", "Model"), ("2", "One thing changed"), ("2", "Others"),
        ("8", "Halo"),
    ]  # fmt: skip
    assert re.findall(r'class="turned \w* (\w*)">', page) == [*["main"] * 3, *[""] * 4]
    assert re.findall(r'<td class="v (\w*) \w*">', page) == [*["first"] * 4, "", "first", ""]
    silent = rows[rows["analysis"] != "rank"]
    two = pd.concat([silent, pd.DataFrame([finding("1", "modest", "both", "rank", "supported")])])
    page = then_and_now(two, own)._repr_html_()
    assert re.findall(r'class="finding".*?>([^<>]+)</th>', page) == ["Finding 1", "Halo"]
    assert page.count(">–</td>") == 7
    assert card.frame["sentence"][0].endswith(f"today all agree. {claim.note}")
    assert card.groups() == {
        "Then": [FIRST], "Now": ["adjusted"], "Model": ["nested"],
        "One thing changed": ["rank", "bayes"], "Others": ["multiverse", "own"],
    }  # fmt: skip


def test_joint_tests_have_one_row_per_claim():
    claim = RULES.claims[0]
    joint = pd.DataFrame(
        {
            "finding": claim.finding,
            "claim": claim.claim,
            "informant": claim.informant,
            "estimate": [0.2],
            "lowest": -0.1,
            "highest": 0.3,
            "set_apart_by": "items: median p .010 with a, .300 with b",
            "expected": 0.05,
            "p_value": 0.01,
            "p_low": 0.005,
            "p_high": 0.02,
            "n_specifications": 90,
            "n_perm": 200,
        }
    )
    row = joint_tests(joint, RULES).iloc[0]
    assert row["claim"] == claim.text
    assert row[["estimate", "lowest", "highest", "expected"]].tolist() == [0.2, -0.1, 0.3, 0.05]
    assert row["set_apart_by"].startswith("items: median p .010")
    assert row[["p_value", "p_low", "p_high"]].tolist() == [0.01, 0.005, 0.02]
    with pytest.raises(NotEstimableError, match="no claim has a specification"):
        joint_tests(joint[:0], RULES)


def test_sentences_on_real_records_say_of_how_many_as_their_tables_do(findings, monkeypatch):
    """A correlation's degrees of freedom would give n away, which tables round to whole fives."""
    of = re.compile(r"r\((\d+)\)")
    assert "192" in of.findall(" ".join(verdict_sentences(findings, RULES)))
    monkeypatch.setattr(OPENED, "codebook", replace(BOOK, synthetic=False))
    monkeypatch.setattr(OPENED, "n", 201)
    told = of.findall(" ".join(verdict_sentences(findings, RULES)))
    assert told and all((201 - 2 - int(df)) % 5 == 0 for df in told)
