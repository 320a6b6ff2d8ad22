"""A run as a manuscript: every number is the run's, and a bad run is refused in one line."""

import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import stats

from alliance_helpers.claims.rules import read_rules
from alliance_helpers.pages.front import front_page
from alliance_helpers.pages.paper import export, pandoc, statistics
from alliance_helpers.pages.report import write_report
from alliance_helpers.running.cli import main

NUMBER = re.compile(r"(?<![\w.])[−-]?(?:\d[\d,]*)?\.?\d+(?![\w])")


@pytest.fixture(scope="module")
def paper(shipped_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "paper"
    export(shipped_run.out, folder)
    return folder


def plain(folder) -> str:
    text = pandoc(
        "--from=docx", "--to=plain", "--wrap=none", "--columns=2000", str(folder / "paper.docx")
    )
    return text.decode()


def values(run) -> np.ndarray:
    """Every number of a run's results; in Table 1 and its like several stand in one cell."""
    found = []
    for file in [run / "findings.csv", *sorted((run / "tables").glob("*.csv"))]:
        frame = pd.read_csv(file)
        found.append(frame.select_dtypes("number").to_numpy(float).ravel())
        cells = frame.select_dtypes(exclude="number").fillna("").astype(str).to_numpy().ravel()
        found.append([number(t) for text in cells for t in NUMBER.findall(text)])
    return np.concatenate([np.asarray(part, float) for part in found])


def number(text: str) -> float:
    return float(text.replace("−", "-").replace(",", ""))


def test_every_number_of_the_results_is_one_of_the_run(paper, shipped_run):
    text = plain(paper).split("\nResults\n")[1].split("\nData and code\n")[0]
    text = re.sub(r"\b(Table|Figure|Finding) \d+|\b(9[05]) % CI|in 1995|\(\d\)", "", text)
    known = values(shipped_run.out)
    told = NUMBER.findall(text)
    assert len(told) > 300
    lost = []
    for one in told:
        decimals = len(one.partition(".")[2])
        unit = 0.5 * 10.0**-decimals + 1e-9
        near = np.abs(known - number(one)) <= unit
        if not (near.any() or (np.abs(100 * known - number(one)) <= unit).any()):
            lost.append(one)
    assert not lost


@pytest.mark.parametrize(("r", "n"), [(0.18268, 194), (-0.4, 60), (0.011, 201), (0.62, 33)])
def test_statistics_agree_with_one_another(r, n):
    """What statcheck asks of `r(df) = , p = `: the p of some r that rounds to the one printed."""
    p = 2 * stats.t.sf(abs(r) * np.sqrt((n - 2) / (1 - r * r)), n - 2)
    claim = next(c for c in read_rules().claims if c.kind == "association")
    row = {"estimate": r, "p_value": p, "df": n - 2.0, "analysis": "as_published"}
    text = statistics(claim, row | {"conf_low": r - 0.1, "conf_high": r + 0.1})
    df, shown = re.match(r"r\((\d+)\) = ([−.\d]+)", text).groups()
    ends = abs(number(shown)) + np.array([-0.005, 0.005])
    allowed = 2 * stats.t.sf(ends * np.sqrt(int(df) / (1 - ends**2)), int(df))
    printed = re.search(r"p ([=<]) (\.\d+)$", text)
    limit = float(printed.group(2))
    if printed.group(1) == "<":
        assert allowed.min() < limit
    else:
        assert allowed.min() - 0.0005 <= limit <= allowed.max() + 0.0005


def test_another_finding_gives_another_sentence(shipped_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(shipped_run.out, run)
    rows = pd.read_csv(run / "findings.csv", dtype={"finding": str})
    at = (rows["claim"] == "own_outcome") & (rows["informant"] == "client")
    rows.loc[at, ["estimate", "verdict"]] = [-0.4567, "not_supported"]
    rows.to_csv(run / "findings.csv", index=False)
    export(run, tmp_path / "paper")
    text = plain(tmp_path / "paper")
    assert re.search(r"outcome in the same eyes: not supported, β = −\.46", text)


def test_the_files_open_elsewhere(paper, tmp_path):
    tex = (paper / "paper.tex").read_text("utf-8")
    assert r"\includegraphics" in tex and "alt={" in tex and "Synthetic data" in tex
    assert {p.name for p in (paper / "figures").iterdir()} == {
        "primary.pdf", "primary.png", "primary.svg",
    }  # fmt: skip
    shutil.copytree(paper, tmp_path / "copy")
    for program, *how in (
        ("pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"),
        ("soffice", "--headless", "--convert-to", "pdf", "paper.docx"),
    ):
        (tmp_path / "copy" / "paper.pdf").unlink(missing_ok=True)
        if shutil.which(program):
            done = subprocess.run([program, *how], cwd=tmp_path / "copy", capture_output=True)
            assert done.returncode == 0, done.stdout[-2000:]
            assert (tmp_path / "copy" / "paper.pdf").read_bytes().startswith(b"%PDF")


def test_what_is_no_finished_run_is_refused(shipped_run, tmp_path):
    def said(change) -> str:
        run, to = tmp_path / "run", tmp_path / "to"
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(shipped_run.out, run)
        change(run)
        done = CliRunner().invoke(main, ["export", str(run), "--to", str(to)])
        assert done.exit_code == 2 and not to.exists()
        return done.stderr

    def fail(run):
        about = json.loads((run / "run.json").read_text())
        about["notebooks"][2]["status"] = "failed"
        (run / "run.json").write_text(json.dumps(about))

    assert "failed in 03_alliance_agreement" in said(fail)
    assert "no run.json" in said(lambda run: (run / "run.json").unlink())
    assert "is damaged" in said(lambda run: (run / "run.json").write_text("{"))
    assert "no findings.csv" in said(lambda run: (run / "findings.csv").unlink())


def test_files_of_others_stay(shipped_run, tmp_path):
    (tmp_path / "paper.docx").write_text("mine")
    done = CliRunner().invoke(main, ["export", str(shipped_run.out), "--to", str(tmp_path)])
    assert done.exit_code == 2 and "paper.docx" in done.stderr
    assert (tmp_path / "paper.docx").read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["paper.docx"]


def test_the_report_says_what_was_planned_otherwise(shipped_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(shipped_run.out, run)

    def page(lock) -> str:
        about = json.loads((run / "run.json").read_text()) | {"lock": lock}
        (run / "run.json").write_text(json.dumps(about))
        text = re.sub(r"<[^>]+>", " ", write_report(run).read_text("utf-8"))
        return " ".join(text.split())

    assert "Planned, and done" not in page(None)
    lock = {"made": "2026-01-02T", "after_data": False, "deviations": [], "verdicts": []}
    assert "locked on 2026-01-02 . This run is as planned." in page(lock).replace("02.", "02 .")
    other = {"place": "seed", "planned": "1", "done": "2", "reason": ""}
    row = {"finding": "1", "claim": "modest", "informant": "both", "analysis": "nested"}
    row |= {"planned": "supported", "done": "inconclusive"}
    told = page(lock | {"after_data": True, "deviations": [other], "verdicts": [row]})
    assert "when the data were already there" in told and "deviates from it in 1 place" in told
    assert "seed 1 2 none given" in told and "supported inconclusive" in told


def test_what_then_hangs_on_is_read_from_both_readings(shipped_run):
    rows = pd.read_csv(shipped_run.out / "findings.csv", dtype={"finding": str})
    rules = read_rules()
    readings = rows["analysis"].str.startswith("as_1995")
    assert "What <em>then</em> hangs on" in front_page(rows, rules)
    same = rows.assign(verdict=rows["verdict"].where(~readings, "supported"))
    assert "reports the same on these data" in front_page(same, rules)
    changed = (same["analysis"] == "as_1995") & (same["claim"] == "symptoms")
    other = same.assign(verdict=same["verdict"].where(~changed, "not_supported"))
    assert "it would also have reported: symptoms." in front_page(other, rules)
    assert "hangs on" not in front_page(rows[rows["analysis"] != "as_1995_outcomes"], rules)
