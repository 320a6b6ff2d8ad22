"""The first page of a report: its sentences and its figure say what the findings say."""

import json
import re
import shutil
from dataclasses import replace
from html import unescape

import nbformat
import pandas as pd
import pytest

from alliance_helpers.claims.assess import first_change, verdict_rates
from alliance_helpers.claims.rules import KEY, read_rules
from alliance_helpers.pages.front import front_page, labels
from alliance_helpers.pages.report import write_report
from alliance_helpers.pages.tables import verdict_sentences
from alliance_helpers.paths import ROOT
from alliance_helpers.study.read_codebook import read_codebook

RULES = read_rules(book=read_codebook())
NAMES = labels(RULES.claims, RULES)


def row(finding, claim, informant, analysis, verdict, *numbers):
    names = ("estimate", "conf_low", "conf_high", "p_value", "p_equivalence")
    made = dict.fromkeys(names) | dict(zip(names, numbers, strict=False))
    head = {"finding": finding, "claim": claim, "informant": informant, "analysis": analysis}
    return head | {"verdict": verdict, "n": 190.0, "criterion": "a rule"} | made


@pytest.fixture
def findings():
    cm = "case_manager"
    return pd.DataFrame(
        [
            row("2", "age", cm, "as_1995", "not_supported"),
            row("2", "symptoms", cm, "as_1995", "supported"),
            row("2", "age", cm, "adjusted", "inconclusive", -0.1, -0.3, 0.1, 0.3, 0.2),
            row("2", "symptoms", cm, "adjusted", "supported", -0.3, -0.4, -0.2, 0.001, 0.9),
            row("4", "hospital_days", "client", "adjusted", "supported", 1.0, 0.8, 1.25, 0.9, 0.01),
            row("2", "symptoms", cm, "nested", "inconclusive", -0.1, -0.3, 0.1, 0.3, 0.2),
            row("2", "age", cm, "nested", "inconclusive", -0.1, -0.3, 0.1, 0.3, 0.2),
        ]
    ).astype({"estimate": float, "conf_low": float, "conf_high": float})


def words(html):
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_a_sentence_says_then_now_and_how_sure(findings):
    page = words(front_page(findings, RULES))
    assert (
        "Finding 2: links of the case manager's rating. Then 1 of 2 reported. Now 1 "
        "supported, 1 inconclusive. How sure: one change turns it. Finding 4: no relation to "
        "hospital days. "
        "Now supported. "
    ) in page  # nothing was changed about hospital days


def test_a_study_too_small_for_any_claim_has_a_first_page(findings):
    page = words(front_page(findings.assign(n=float("nan"), verdict="inconclusive"), RULES))
    assert "What such a design could have shown" not in page


def table(**verdicts):
    """Findings of two claims by each analysis; without a letter the analysis is silent, and by a
    dash it says why there is no estimate.
    """
    told = {"s": "supported", "n": "not_supported", "i": "inconclusive", "-": "inconclusive"}
    why = {"criterion": "not estimable: a variable does not vary"}
    made = [
        row("2", claim, "case_manager", analysis, told[letter], -0.3, -0.4, -0.2, 0.001, 0.9)
        | (why if letter == "-" else {})
        for analysis, letters in verdicts.items()
        for claim, letter in zip(("age", "symptoms"), letters, strict=True)
        if letter != " "
    ]
    return pd.DataFrame(made)


AGE, SYMPTOMS = "(−) case manager age", "(−) symptom severity"
HELD, FIRM = "How sure: one change turns", "none of those tried"
OTHER = "pretreatment not held constant"
ALONE = "case managers not respected"


@pytest.mark.parametrize(
    ("verdicts", "said", "turns"),
    [
        ({"as_1995": "nn"}, "Then none reported. Now both supported.", ("", "")),
        ({"as_1995": "ss"}, "Then both reported. Now both supported.", ("", "")),
        ({"as_1995": "ns"}, "Then 1 of 2 reported. Now both supported.", ("", "")),
        ({"as_1995": " s"}, "Then reported. Now both supported.", ("", "")),
        ({"as_1995": " n"}, "Then not reported. Now both supported.", ("", "")),
        ({"as_1995": "-s"}, "Then reported. Now both supported.", ("", "")),  # too few dyads
        ({"adjusted": "s-", "nested": "is"},
         "Now 1 supported, 1 not estimable. How sure: one change turns it.", (OTHER, "")),
        ({"nested": "-s"}, f"Now both supported. {HELD} nothing.", ("", FIRM)),
        ({"nested": "--"}, "Now both supported.", ("", "")),
        ({"adjusted": "--", "nested": "ss"}, "Now both not estimable.", ("", "")),
        ({}, "rating. Now both supported.", ("", "")),
        ({"adjusted": "s "}, "rating. Now supported.", ("",)),
        ({"nested": "ss"}, f"Now both supported. {HELD} neither.", (FIRM,) * 2),
        ({"nested": "  "}, "Now both supported.", ("", "")),  # nothing was changed, nothing holds
        ({"nested_cr2": "ss"}, "Now both supported.", ("", "")),  # two respects at once
        ({"nested": "ii"}, "Now both supported. How sure: one change turns both.", (OTHER, OTHER)),
        ({"nested": "is"}, "How sure: one change turns 1 of 2.", (OTHER, FIRM)),
        ({"nested": "i "}, "How sure: one change turns it.", (OTHER, "")),
        ({"nested": "si", "adjusted_independent": "is"}, "one change turns both.", (ALONE, OTHER)),
        ({"adjusted": "ni", "nested": "ss"},
         "Now 1 inconclusive, 1 not supported. How sure: one change turns it.", (OTHER, "")),
        ({"adjusted": "in", "nested": "nn"}, f"{HELD} nothing.", ("", FIRM)),
        ({"adjusted": "nn", "nested": "in"},
         "Now both not supported. How sure: one change turns 1 of 2.", (OTHER, FIRM)),
        ({"nested": "ss", "nested_cr2": "si"}, f"{HELD} neither, two turn 1 of 2.",
         (FIRM, f"case managers respected by CR2 errors alone, on top of {OTHER}")),
        ({"nested": "is", "nested_cr2": "is"}, "turns 1 of 2.", (OTHER, FIRM)),
        ({"nested": "is", "nested_cr2": "ii"}, f"{HELD} 1 of 2, two turn both.",
         (OTHER, f"case managers respected by CR2 errors alone, on top of {OTHER}")),
        ({"adjusted": "s ", "nested": "s ", "nested_cr2": "n "}, f"{HELD} nothing, two turn it.",
         (f"case managers respected by CR2 errors alone, on top of {OTHER}",)),
    ],
)  # fmt: skip
def test_each_part_of_a_sentence_comes_and_goes_with_the_findings(verdicts, said, turns):
    html = front_page(table(**{"adjusted": "ss"} | verdicts), RULES)
    page = words(html)
    assert said in page
    sentence = re.split("Claim (?:Reported then )?Now", page.split("Finding 2")[1])[0]
    assert sentence.rstrip().endswith(said)
    assert ("Then" in sentence) is ("as_1995" in verdicts)
    assert sentence.startswith(": links of the case manager's rating. ")
    cells = re.findall('<td class="turns">(.*?)</td>', html)
    assert tuple(cells) == turns if any(turns) else cells == []


def test_of_a_finding_single_claims_are_counted(findings):
    """Not those made of others, which have a row of their own in the figure."""
    whole = row("2", "all_seven", "case_manager", "adjusted", "not_supported")
    page = words(front_page(pd.concat([findings, pd.DataFrame([whole])]), RULES))
    assert "Now 1 supported, 1 inconclusive. How sure" in page and "all 7 together ✘" in page
    only = findings.assign(claim="all_seven", verdict="not_supported").iloc[2:3]
    page = words(front_page(only, RULES))
    assert "Finding 2: links of the case manager's rating. Now not supported." in page


@pytest.mark.parametrize(
    ("claims", "verdicts", "said", "kind"),
    [
        (["hospital_days"] * 2, "nn", "days. Now both found related.", "related"),
        (["hospital_days"] * 2, "ni", "days. Now 1 inconclusive, 1 found related.", "mixed"),
        (["hospital_days", "neither"], "nn", "days. Now found related.", "related"),
        (["hospital_days"] * 2, "ss", "days. Now both supported.", "supported"),
    ],
)
def test_an_absence_not_supported_is_a_relation_found(claims, verdicts, said, kind):
    informants = ("client", "both" if "neither" in claims else "case_manager")
    told = {"s": "supported", "n": "not_supported", "i": "inconclusive"}
    made = [
        row("4", claim, informant, "adjusted", told[letter], 0.7, 0.6, 0.8, 0.001, 0.9)
        for claim, informant, letter in zip(claims, informants, verdicts, strict=True)
    ]
    html = front_page(pd.DataFrame(made), RULES)
    assert said in words(html) and re.findall(r'<li class="(\w+)">', html) == [kind]


def test_without_a_primary_analysis_there_is_no_first_page():
    assert front_page(table(as_1995="ss"), RULES) == ""
    page = words(front_page(table(adjusted="ss"), replace(RULES, own=True)))
    assert "Finding 2. Now" in page and page.startswith("The claims of each finding. Now :")
    assert "Then" not in page and "Claim Now In multiples" in page
    assert "Of blocks" not in page
    page = words(front_page(table(as_1995="ss", adjusted="ss"), RULES))
    assert "finding. Then : by the method of 1995 on these data. Now : adjusted for" in page


@pytest.mark.parametrize(
    ("clients", "size", "but"),
    [
        (190, 201, ""),
        (111, 201, ": of fewer the shares are smaller, as a rule"),
        (109, 60, ": of more they are larger, as a rule"),
        (70, 60, ""),
        (12, 60, ": of fewer the shares are smaller, as a rule"),
    ],
)
def test_what_the_design_could_show_is_that_of_the_nearest_size(clients, size, but):
    findings = table(adjusted="si", nested="si").assign(n=float(clients))
    page = words(front_page(findings, RULES))
    rates = verdict_rates(size).query("analysis == 'adjusted' and finding == '2'")
    rates = rates[rates["claim"].isin(["age", "symptoms"])]
    true = rates[rates["scenario"] == "published"]
    error, managers = 100 * true["monte_carlo_error"].max(), {201: 45, 60: "ten"}[size]
    assert (
        f"simulated cohorts of {size} clients of {managers} case managers (here at most {clients} "
        f"have what a claim asks for{but}) in which the primary analysis supports a claim that is "
        "true there, its effect as large as data/scenarios.yml assumes (Monte Carlo error at most "
        f"{error:.1f} points)."
    ) in page
    shares = true.set_index("claim").loc[["age", "symptoms"], "supported"]
    shown = re.findall(
        r"(\d+) %(?! CI)", page.split("Found if true")[1].split("The primary est")[0]
    )
    assert shown == ["99" if 0.995 <= share < 1 else f"{100 * share:.0f}" for share in shares]
    assert ("> 99 %" in page) == bool(shares.between(0.995, 1, inclusive="left").any())
    chance = rates.query("scenario == 'no_association'")["supported"].sum()
    said = f"{chance:.1f}" if chance >= 0.05 else "fewer than 0.1"
    assert (
        "2 claims (those made of others not counted) by 2 analyses, 4 verdicts of the same data. "
        "The primary analysis supports 1 of the claims: 1 of the 2 that would be untrue if nothing "
        f"were related, of which it would then support {said} by chance in cohorts of {size}. "
        "Holm's adjustment over all claims keeps each of those supported. 17 further claims cannot "
        "be put to these data, or not be estimated."
    ) in page


@pytest.mark.parametrize(
    ("p", "said"),
    [
        ((0.001, 0.04), "keeps each of those supported."),
        ((0.03, 0.04), "keeps none of those supported."),
        ((0.001, 0.06), f"keeps 1 of the 2 supported, not {SYMPTOMS}."),
    ],
)
def test_what_holm_takes_is_named(p, said):
    page = words(front_page(table(adjusted="ss").assign(p_value=p), RULES))
    assert f"Holm's adjustment over all claims {said}" in page
    assert "Holm's" not in words(front_page(table(adjusted="ii"), RULES))


@pytest.mark.parametrize(
    ("first", "other", "said"),
    [
        ("ns", "ss", f"each outcome, it would also have reported: {AGE}."),
        ("ss", "ns", f"each outcome, it would no longer have reported: {AGE}."),
        ("sn", "ns", f"reported: {SYMPTOMS}; it would no longer have reported: {AGE}."),
        ("s-", "nn", f"each outcome, it would no longer have reported: {AGE}."),
        ("n ", "ns", "The other, in which the alliance explains each outcome, reports the same on"),
    ],
)  # fmt: skip
def test_what_then_hangs_on_follows_both_readings(first, other, said):
    page = words(front_page(table(as_1995=first, as_1995_outcomes=other, adjusted="ii"), RULES))
    assert said in page
    assert "hangs on" not in words(front_page(table(as_1995=first, adjusted="ii"), RULES))
    untold = table(as_1995="n-", as_1995_outcomes="-n", adjusted="ii")
    assert "hangs on" not in words(front_page(untold, RULES))  # no claim has both


def test_marks_and_titles_of_the_figure_are_those_of_the_rows():
    page = front_page(table(as_1995="n ", adjusted="si"), RULES)
    told = "β = −.30, 95 % CI [−.40, −.20], p = .001"
    rows = re.findall(r"<tr.*?</tr>", page, flags=re.DOTALL)[1:]
    for name, marks, row in zip(
        (AGE, SYMPTOMS),
        ("no ✔ supported", "? inconclusive"),
        rows,
        strict=True,
    ):
        assert re.fullmatch(re.escape(f"{name} {marks} {told}") + r" (> )?\d+ %", words(row))
        assert f'aria-label="{name}: {told}"' in unescape(row)
    assert ['class="first"' in row for row in rows] == [True, False]
    assert "Now : adjusted for pretreatment, case managers respected." in words(page)
    for verdicts, kind in (("ss", "supported"), ("si", "mixed"), ("nn", "not_supported")):
        page = front_page(table(adjusted=verdicts), RULES)
        assert re.findall(r'<li class="(\w+)">', page) == [kind]


def test_estimates_are_drawn_against_their_bounds_as_claimed_to_the_right(findings):
    page = front_page(findings, RULES)
    left, inside = (
        float(x) for x in re.search(r'rect x="([\d.]+)" width="([\d.]+)"', page).groups()
    )
    unit = inside / 2
    dots = [float(x) for x in re.findall(r'circle cx="([\d.]+)"', page)]
    bound = RULES.bounds["correlation"]
    expected = [left + unit * (1 + r / bound) for r in (0.1, 0.3, 0.0)]
    assert dots == pytest.approx(expected, abs=0.15)
    ends = re.findall(r'line x1="([\d.]+)" x2="([\d.]+)" y1', page)[-1]
    assert [float(x) for x in ends] == pytest.approx([left, left + inside], abs=0.15)


def test_the_caption_tells_of_what_the_figure_has():
    page = words(front_page(table(adjusted="ss", nested="is"), RULES))
    assert "(−) being claimed negative" in page and "unrelated" not in page
    assert "first change of method that says otherwise." in page and "not tried" not in page
    page = words(front_page(table(adjusted="ss", nested="is", selection="ss"), RULES))
    assert "not tried, since they ask something else: selected in resamples." in page
    days = row("4", "hospital_days", "client", "adjusted", "supported", 1.0, 0.9, 1.1, 0.9, 0.01)
    page = words(front_page(pd.DataFrame([days]), RULES))
    assert "of what is unrelated: shown to be in the shade" in page
    assert "(−)" not in page and "Turns with" not in page


def test_rates_of_the_shipped_claims_are_not_those_of_claims_of_ones_own(findings):
    assert "Found if true" in front_page(findings, RULES)
    page = front_page(findings, replace(RULES, own=True))
    assert "Found if true" not in page and "by chance" not in page


def test_no_two_claims_of_a_finding_have_the_same_words():
    assert len({(key[0], text) for key, text in NAMES.items()}) == len(RULES.claims)
    assert not [text for text in NAMES.values() if "_" in text or "…" in text]


def test_the_front_page_of_a_run_says_what_its_findings_say(shipped_run):
    findings = pd.read_csv(shipped_run.out / "findings.csv", dtype={"finding": str})
    page = (shipped_run.out / "report.html").read_text("utf-8")
    told = words(page.split('<ol class="told">')[1].split("</ol>")[0])
    drawn = page.split('class="drawn"')[1].split("</table>")[0]
    rows = [words(r) for r in re.findall(r"<tr.*?</tr>", drawn, re.DOTALL)]
    changes = first_change(findings, RULES)
    for change in changes.to_dict("records"):
        name = NAMES[tuple(change[c] for c in KEY)]
        word = change["verdict"].replace("_", " ")
        turned = change["change"] if word != "inconclusive" and change["change"] else ""
        assert any(r.startswith(name) and word in r and turned in r for r in rows), name
    single = changes[~changes["claim"].isin([c.claim for c in RULES.claims if c.of])]
    for finding, mine in single.groupby("finding"):
        said = told.split(f"Finding {finding}" if finding.isdigit() else "Halo")[1]
        now, sure = said.split("Now ")[1].split("Finding")[0].split(". How sure: ")
        counts = mine["verdict"].str.replace("_", " ").value_counts()
        if len(counts) > 1:
            assert set(now.split(", ")) == {f"{n} {word}" for word, n in counts.items()}
        decided = mine[mine["verdict"] != "inconclusive"]
        turned, of = decided["change"].notna().sum(), len(decided)
        assert (f" {turned} of {of}" in sure) == (0 < turned < of)


def test_what_failed_is_said_at_the_top(shipped_run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(shipped_run.out, folder)
    about = json.loads((folder / "run.json").read_text("utf-8"))
    about["notebooks"][2] |= {"status": "failed", "error_name": "DataError"}
    about["notebooks"][2] |= {"error_message": "dyads.csv, row 7: <three> is no number."}
    beside = about["parameters"]["out"] = f"{ROOT}_of_mine/out"
    (folder / "run.json").write_text(json.dumps(about), "utf-8")
    write_report(folder)
    page = (folder / "report.html").read_text("utf-8")
    assert f"Parameter out {beside} " in words(page)  # no folder of the kit
    banner = page[page.index('role="alert"') : page.index('class="answer"')]
    assert about["notebooks"][2]["notebook"] in banner
    assert "DataError: dyads.csv, row 7: <three> is no number." in words(banner)
    assert 'role="alert"' not in (shipped_run.out / "report.html").read_text("utf-8")


def test_what_no_notebook_tells_stands_in_numbers_below_the_table(shipped_run, tmp_path):
    """A study with one informant has claims of finding 1 and no notebook of it."""
    folder = tmp_path / "run"
    shutil.copytree(shipped_run.out, folder)
    whole = (folder / "report.html").read_text("utf-8")
    assert "claims that no list below has" not in whole
    about = json.loads((folder / "run.json").read_text("utf-8"))
    about["notebooks"] = [r for r in about["notebooks"] if r["notebook"] != "04_finding_1"]
    about["skipped"]["04_finding_1"] = "The study has no rating by the case manager."
    (folder / "run.json").write_text(json.dumps(about), "utf-8")
    write_report(folder)
    page = (folder / "report.html").read_text("utf-8")
    below = page.split('<section id="claims">')[1].split("</section>")[0]
    told = re.findall("<li>(.*?)</li>", below.split("claims that no list below has")[1])
    findings = pd.read_csv(folder / "findings.csv", dtype={"finding": str})
    wanted = verdict_sentences(findings.query("finding == '1'"), RULES)
    assert [unescape(text) for text in told] == wanted and len(wanted) == 5


def test_a_report_on_people_says_that_small_numbers_are_not_told(shipped_run, tmp_path):
    folder, said = tmp_path / "run", "is given as that of all"
    shutil.copytree(shipped_run.out, folder)
    assert said not in words((folder / "report.html").read_text("utf-8"))
    path = folder / "notebooks" / "01_data_cleaning.ipynb"
    path.write_text(
        path.read_text("utf-8").replace('class=\\"synthetic', 'class=\\"source'), "utf-8"
    )
    write_report(folder)
    page = words((folder / "report.html").read_text("utf-8"))
    assert said in page.split("Every claim by every analysis")[1]


def test_text_that_leads_to_nothing_is_left_out_of_the_report(shipped_run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(shipped_run.out, folder)
    path = folder / "notebooks" / "09_summary.ipynb"
    notebook = nbformat.read(path, as_version=4)
    (cell,) = (c for c in notebook.cells if "save_table(assumed" in c.source)
    cell.outputs = []
    nbformat.write(notebook, path)
    text = "is what the procedure of Neale (1995) would report"
    pages = [words((folder / "report.html").read_text("utf-8"))]
    write_report(folder)
    pages.append(words((folder / "report.html").read_text("utf-8")))
    assert [text in page for page in pages] == [True, False]
    assert all("Which claims hold in these data" in page for page in pages)
