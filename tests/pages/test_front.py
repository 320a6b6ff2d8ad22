"""The first page of a report: its sentences and its figure say what the findings say."""

import json
import re
import shutil
from dataclasses import replace
from html import unescape

import pandas as pd
import pytest

from alliance_helpers.claims.assess import first_change
from alliance_helpers.claims.rules import KEY, read_rules
from alliance_helpers.pages.front import front_page, labels
from alliance_helpers.pages.report import write_report
from alliance_helpers.study.read_codebook import read_codebook

RULES = read_rules(book=read_codebook())
NAMES = labels(RULES.claims, RULES)


def row(finding, claim, informant, analysis, verdict, *numbers):
    names = ("estimate", "conf_low", "conf_high", "p_value", "p_equivalence")
    made = dict.fromkeys(names) | dict(zip(names, numbers, strict=False))
    head = {"finding": finding, "claim": claim, "informant": informant, "analysis": analysis}
    return head | {"verdict": verdict, "n": 190.0} | made


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


def test_a_sentence_says_then_now_and_what_turns_it(findings):
    page = words(front_page(findings, RULES))
    assert (
        "Finding 2: the case manager's rating. Then reported, but not case manager age. Now "
        "supported: symptom severity; inconclusive: case manager age. "
        "How sure: symptom severity turns with pretreatment not held constant."
    ) in page
    assert "How sure: what is supported holds whatever single thing is changed." in page


def test_a_study_too_small_for_any_claim_has_a_first_page(findings):
    page = words(front_page(findings.assign(n=float("nan"), verdict="inconclusive"), RULES))
    assert "What this design could have shown" not in page


def test_the_sentences_change_with_the_findings(findings):
    last = findings.index[findings["analysis"] == "nested"]
    turned = findings.drop(last).replace({"verdict": {"inconclusive": "not_supported"}})
    page = words(front_page(turned, RULES))
    assert "not supported: case manager age. How sure: what is supported holds" in page
    assert "turns with" not in page
    assert front_page(findings[findings["analysis"] == "as_1995"], RULES) == ""


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


def test_rates_of_the_shipped_claims_are_not_those_of_claims_of_ones_own(findings):
    assert "If true" in front_page(findings, RULES)
    page = front_page(findings, replace(RULES, own=True))
    assert "If true" not in page and "by chance" not in page


def test_no_two_claims_of_a_finding_have_the_same_words():
    assert len({(key[0], text) for key, text in NAMES.items()}) == len(RULES.claims)
    assert not [text for text in NAMES.values() if "_" in text or "…" in text]


def test_the_front_page_of_a_run_says_what_its_findings_say(shipped_run):
    findings = pd.read_csv(shipped_run.out / "findings.csv", dtype={"finding": str})
    page = (shipped_run.out / "report.html").read_text("utf-8")
    page = words(page.split('<ol class="told">')[1].split("</ol>")[0])
    for change in first_change(findings, RULES).to_dict("records"):
        name = NAMES[tuple(change[c] for c in KEY)]
        number = change["finding"]
        head = f"Finding {number}: " if number.isdigit() else "Halo: "
        sentence = page.split(head)[1].split("How sure:")[0]
        word = change["verdict"].replace("_", " ")
        assert re.search(rf"\b{word}: [^;]*{re.escape(name)}", sentence.split("Now ")[1]), name


def test_what_failed_is_said_at_the_top(shipped_run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(shipped_run.out, folder)
    about = json.loads((folder / "run.json").read_text("utf-8"))
    about["notebooks"][2] |= {"status": "failed", "error_name": "DataError"}
    about["notebooks"][2] |= {"error_message": "dyads.csv, row 7: <three> is no number."}
    (folder / "run.json").write_text(json.dumps(about), "utf-8")
    write_report(folder)
    page = (folder / "report.html").read_text("utf-8")
    banner = page[page.index('role="alert"') : page.index('class="answer"')]
    assert about["notebooks"][2]["notebook"] in banner
    assert "DataError: dyads.csv, row 7: <three> is no number." in words(banner)
    assert 'role="alert"' not in (shipped_run.out / "report.html").read_text("utf-8")
