"""A study whose names, labels, ids and codebook are all attacks runs, and stays text everywhere."""

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_helpers.claims.rules import read_rules
from alliance_helpers.cohorts.cohort import open_study
from alliance_helpers.running.cli import main
from alliance_helpers.running.sequence import run_sequence, skipped
from alliance_helpers.study.load import check

SCRIPT, OWNED = "<script>alert(1)</script>", "__import__('os').system('touch owned')"
LABELS = {"x": f"{SCRIPT} $\\frac{{1}}{{0}}$", "y": OWNED, "z": "../../x", "h": "{{7*7}}${x}%s $x_"}
COLUMNS = {"x": SCRIPT, "y": OWNED, "z": "../../z", "h": "=cmd|' /C calc'!A0"}


def hostile_table() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = 60
    alliance = rng.normal(size=n)
    table = pd.DataFrame({"=id": [f'=HYPERLINK("http://evil/{i}")' for i in range(n)]})
    table["@th"] = [f"<b onmouseover=alert({t})>" for t in rng.integers(0, 9, n)]
    for i in range(1, 13):
        for name in (f"<img src=x onerror=alert({i})>", f'Q("{i}")'):
            answers = 4 + 0.8 * alliance + rng.normal(size=n)
            table[name] = np.clip(np.round(answers), 1, 7).astype(int)
    for name in COLUMNS.values():
        table[name] = (0.4 * alliance + rng.normal(size=n)).round(2)
    table["__builtins__"] = rng.choice(["../c", "<svg onload=alert(3)>"], n)
    table["`rm -rf ~`"] = rng.poisson(4, n)
    return table


def hostile_codebook() -> dict:
    variables = {
        "pid": {"type": "id", "column": "=id", "label": f"{SCRIPT} id"},
        "th": {"type": "id", "column": "@th", "label": "=Therapist"},
        "c{1..12}": {"type": "integer", "column": "<img src=x onerror=alert({1..12})>"},
        "t{1..12}": {"type": "integer", "column": 'Q("{1..12}")'},
        "site": {
            "type": "category",
            "column": "__builtins__",
            "values": ["../c", "<svg onload=alert(3)>"],
        },
        "hospital_days": {
            "type": "integer",
            "column": "`rm -rf ~`",
            "label": "@SUM(A1)",
            "unit": "<u>",
        },
    } | {k: {"type": "number", "column": COLUMNS[k], "label": LABELS[k]} for k in COLUMNS}
    for items in ("c{1..12}", "t{1..12}"):
        variables[items]["range"] = [1, 7]
    forms = {"c": ("client", "<b>CA</b> $"), "t": ("case_manager", "=TA")}
    return {
        "study": {
            "title": f"{SCRIPT} ../../etc",
            "client": "pid",
            "case_manager": "th",
            "site": "site",
        },
        "tables": {"t": {"file": "study.csv", "key": ["pid"], "variables": variables}},
        "scales": {
            f"{k}a": {"form": "WAI-S", "items": f"{k}{{1..12}}", "informant": who, "label": label}
            for k, (who, label) in forms.items()
        },
        "informants": {
            "client": {"label": f"{SCRIPT}", "alliance": "ca"},
            "case_manager": {"label": "=T<b>", "alliance": "ta"},
        },
        "blocks": {
            "pretreatment": ["x"],
            "treatment": ["y"],
            "outcome": ["z", "h", "hospital_days"],
        },
    }


def claim(finding, kind, informant, text, **more) -> dict:
    shared = {"finding": finding, "claim": f"c{finding}", "kind": kind, "informant": informant}
    return shared | {"text": text} | more


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """The study's folder and the results of a run on it."""
    study = tmp_path_factory.mktemp("hostile") / "study"
    study.mkdir()
    hostile_table().to_csv(study / "study.csv", index=False)
    (study / "codebook.yml").write_text(json.dumps(hostile_codebook()))
    claims = [
        claim("1", "modest", "both", f"{SCRIPT} =1 $x$"),
        claim("2", "association", "case_manager", "{{7*7}} <i>z</i>", term="z", sign="positive"),
        claim("3", "association", "client", "=cmd()", term="h", sign="positive"),
        claim("4", "rate_absence", "client", "@x", term="hospital_days"),
    ]
    (study / "findings.yml").write_text(json.dumps({"claims": claims}))
    assert check(study)[0] == []
    assert list(skipped(open_study(str(study)).codebook)) == ["10_over_time"]
    run = run_sequence({"data": str(study)}, study.parent / "out", jobs=2)
    assert [r.error_message for r in run.failed] == []
    return study, run.out


class Tags(HTMLParser):
    """Which tags a page has, which attributes would run something, which addresses it asks."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.count, self.risky = {}, []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.count[tag] = self.count.get(tag, 0) + 1
        for name, value in attrs:
            ours = ("#", "data:image/", "notebooks/")
            address = name in ("src", "href") and not str(value).startswith(ours)
            if name.startswith("on") or (address and tag != "link"):
                self.risky.append((tag, name, value))


def test_the_report_has_no_tag_of_theirs(hostile):
    page = (hostile[1] / "report.html").read_text("utf-8")
    tags = Tags(page)
    assert tags.risky == []
    assert not {"i", "b", "u", "iframe"} & set(tags.count)
    assert tags.count["script"] == 1  # its own, as are the drawings
    assert tags.count["svg"] == page.count('<svg width="')
    assert "&lt;script&gt;alert(1)" in page  # their words are there, as words
    assert "{{7*7}}" in page


def test_the_notebooks_have_none(hostile):
    pages = []
    for path in sorted((hostile[1] / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            outputs = [o.get("data", {}) for o in cell.get("outputs", ())]
            assert not [k for o in outputs for k in o if "javascript" in k or "svg" in k]
            pages += ["".join(o["text/html"]) for o in outputs if "text/html" in o]
    assert len(pages) > 20
    for page in pages:
        tags = Tags(page)
        assert tags.risky == []
        assert not {"script", "svg", "img", "i", "b", "u"} & set(tags.count)


def test_no_cell_starts_a_formula(hostile):
    cells = [
        cell
        for path in hostile[1].rglob("*.csv")
        for row in csv.reader(path.open(encoding="utf-8", newline=""))
        for cell in row
    ]
    assert len(cells) > 500
    assert [c for c in cells if re.match(r"[=+@\t\r]|-(?![\d.]+)", c)] == []


def test_nothing_was_run_or_written_elsewhere(hostile):
    study, out = hostile
    assert {p.name for p in study.parent.iterdir()} == {"study", "out"}
    assert {p.name for p in study.iterdir()} == {"study.csv", "codebook.yml", "findings.yml"}
    assert not list(study.parent.rglob("owned")) + list(Path.cwd().glob("owned"))
    assert not (out.parent.parent / "x").exists()


def test_claims_stay_as_they_were_written(hostile):
    from click.testing import CliRunner

    done = CliRunner().invoke(main, ["check", "--data", str(hostile[0])])
    told = done.output.splitlines()
    # answers are made up unreversed, and case managers without regard to sites
    assert told[0] == "No problems found, but 3 things to look at."
    assert told[4:] == ["study.csv: 60 records in 61 lines"]
    assert read_rules(data=hostile[0]).claims[2].text == "=cmd()"
