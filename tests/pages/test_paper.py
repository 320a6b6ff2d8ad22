"""A run as a manuscript: every number is the run's, and a bad run is refused in one line."""

import errno
import json
import re
import shutil
import subprocess
import zipfile
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import stats

from alliance_helpers import paths
from alliance_helpers.claims.rules import read_rules
from alliance_helpers.pages.front import front_page
from alliance_helpers.pages.paper import export, pandoc
from alliance_helpers.pages.report import write_report
from alliance_helpers.pages.tables import statistics
from alliance_helpers.running.cli import main
from alliance_helpers.running.runner import main_notebooks
from alliance_helpers.running.sequence import run_sequence

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
    assert len(told) > 400
    lost = []
    for one in told:
        decimals = len(one.partition(".")[2])
        unit = 0.5 * 10.0**-decimals + 1e-9
        near = np.abs(known - number(one)) <= unit
        if not (near.any() or (np.abs(100 * known - number(one)) <= unit).any()):
            lost.append(one)
    assert not lost


def test_the_paper_has_each_part(paper, shipped_run):
    text = plain(paper)
    for part in ("Table 1", "Correlations of", "Agreement of", "Each claim, then and now",
                 "Count models", "Regression of symptom severity on the case manager's rating",
                 "Regression of outcome, client's view on the client's rating",
                 "Regression of the client's rating", "Missing data",
                 "36 items of the WAI-36", "of them reversed",
                 "unanswered, the mean", "random intercept", "The bounds are", "statsmodels",
                 "seed 1995", "Data and code", "SHA-256", "References"):  # fmt: skip
        assert part in text, part
    assert "lagged" not in text  # a bound that no claim of this run is judged by
    rows = pd.read_csv(shipped_run.out / "tables" / "finding_2_blocks.csv").dropna()
    assert text.count("ΔR² = ") >= len(rows) >= 1


def test_the_text_names_every_table_and_figure(paper):
    told = Counter(re.findall(r"(?:Table|Figure) \d+", plain(paper)))
    assert len(told) == 15  # the headings of figures are not in this text, those of tables are
    assert all(n > name.startswith("Table") for name, n in told.items())


def rounded(printed: str) -> np.ndarray:
    """The ends of what rounds to a number as printed."""
    half = 0.5 * 10.0 ** -len(printed.partition(".")[2])
    return abs(number(printed)) + np.array([-half, half])


def inconsistent(text: str) -> list[str]:
    """What statcheck asks (Nuijten et al. 2016): some value that rounds to the statistic has p."""
    tests = {
        r"r\((?P<a>[\d.]+)\) = (?P<x>[−.\d]+)": lambda x, a, _: 2 * stats.t.sf(
            x * np.sqrt(a / (1 - x**2)), a),
        r"t\((?P<a>[\d.]+)\) = (?P<x>[−.\d]+)": lambda x, a, _: 2 * stats.t.sf(x, a),
        r"F\((?P<a>[\d.]+), (?P<b>[\d.]+)\) = (?P<x>[.\d]+)": lambda x, a, b: stats.f.sf(x, a, b),
        r"z = (?P<x>[−.\d]+)": lambda x, *_: 2 * stats.norm.sf(x),
        r"χ²\((?P<a>\d+)\) = (?P<x>[.\d]+)": lambda x, a, _: stats.chi2.sf(x, a),
    }  # fmt: skip
    wrong, seen = [], 0
    for pattern, p_of in tests.items():
        interval = r"(?:, 95 % CI \[[^\]]*\])?"
        for found in re.finditer(
            rf"(?<![\w.]){pattern}{interval}, p (?P<sign>[=<]) (?P<p>[01]?\.\d+)", text
        ):
            told = found.groupdict()
            df = [float(told[k]) if told.get(k) else np.nan for k in "ab"]
            ends = p_of(rounded(told["x"]), *df)
            limit, seen = float(told["p"]), seen + 1
            half = 0.0005 if told["sign"] == "=" else 0
            ok = ends.min() < limit if not half else ends.min() - half <= limit <= ends.max() + half
            wrong += [] if ok else [found[0]]
    assert seen
    return wrong


def test_statcheck_finds_nothing(paper):
    text = " ".join(plain(paper).replace("*", "").split())
    for kind in ("F(", "t(", "z = "):
        assert kind in text
    assert inconsistent(text) == []


@pytest.mark.parametrize("text", ["r(192) = .18, 95 % CI [.04, .32], p = .111",
                                  "t(40) = 2.50, p = .100", "F(2, 180) = 9.10, p = .030",
                                  "z = −1.96, p = .010", "χ²(2) = 5.99, p < .001"])  # fmt: skip
def test_statcheck_would_find(text):
    assert inconsistent(text) == [text]


@pytest.mark.parametrize(("r", "n"), [(0.18268, 194), (-0.4, 60), (0.011, 201), (0.62, 33)])
def test_a_correlation_agrees_with_its_p(r, n):
    p = 2 * stats.t.sf(abs(r) * np.sqrt((n - 2) / (1 - r * r)), n - 2)
    claim = next(c for c in read_rules().claims if c.kind == "association")
    row = {"estimate": r, "p_value": p, "df": n - 2.0, "analysis": "as_published"}
    assert inconsistent(statistics(claim, row | {"conf_low": r - 0.1, "conf_high": r + 0.1})) == []


def test_another_finding_gives_another_sentence_and_the_rules_are_those_of_the_run(
    shipped_run, tmp_path
):
    """Whatever the file of claims says by now."""
    run = tmp_path / "run"
    shutil.copytree(shipped_run.out, run)
    rows = pd.read_csv(run / "findings.csv", dtype={"finding": str})
    at = (rows["claim"] == "own_outcome") & (rows["informant"] == "client")
    rows.loc[at, ["estimate", "verdict"]] = [-0.4567, "not_supported"]
    rows.to_csv(run / "findings.csv", index=False)
    about = json.loads((run / "run.json").read_text())
    about["plan"]["claims"]["bounds"]["correlation"]["value"] = 0.123
    (run / "run.json").write_text(json.dumps(about))
    export(run, tmp_path / "paper")
    text = plain(tmp_path / "paper")
    assert re.search(r"outcome in the same eyes: not supported, β = −\.46", text)
    assert "coefficient: 0.123 (" in text


def test_a_study_of_sessions_has_a_paper_without_readings_of_1995(tmp_path):
    skip = {p.stem: "Not needed." for p in main_notebooks() if p.stem[:2] not in ("09", "10")}
    asked = {"scenario": "sessions_none", "n_clients": 40}
    run = run_sequence(asked, tmp_path / "run", skip=skip)
    export(run.out, tmp_path / "paper")
    text = plain(tmp_path / "paper")
    assert "the sessions of one client are not taken as independent" in text
    assert (
        "A path from one session to the next, in standard deviations within clients: 0.07" in text
    )
    assert "(by the method of 1995" not in text and "least squares" not in text


def test_the_files_open_elsewhere(paper, tmp_path):
    tex = (paper / "paper.tex").read_text("utf-8")
    assert r"\includegraphics" in tex and "alt={" in tex and "Synthetic data" in tex
    assert {p.name for p in (paper / "figures").iterdir()} == {
        f"{name}.{ending}"
        for name in ("primary", "days")
        for ending in ("pdf", "png", "svg")
    }  # fmt: skip
    assert tex.count("alt={") == 2 == len(re.findall(r"textbf\{Figure \d\}", tex))
    assert tex.count("Note.") == 15 and "Cohen, J. (1988)" in tex  # each table and figure
    with zipfile.ZipFile(paper / "paper.docx") as docx:
        drawn = sorted(docx.read(n) for n in docx.namelist() if n.endswith(".svg"))
        body = docx.read("word/document.xml").decode()
    assert drawn == sorted(p.read_bytes() for p in (paper / "figures").glob("*.svg"))
    assert body.count("asvg:svgBlip ") == 2 == len(re.findall(r'<wp:docPr descr="[^"]{80,}"', body))
    assert body.count("<w:tr>") == body.count("<w:cantSplit/>") > 100
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


def fail(run):
    about = json.loads((run / "run.json").read_text())
    about["notebooks"][2]["status"] = "failed"
    (run / "run.json").write_text(json.dumps(about))


REFUSED = {
    "a failed run": (fail, "failed in 03_alliance_agreement"),
    "no record": (lambda run: (run / "run.json").unlink(), "no run.json"),
    "a damaged record": (lambda run: (run / "run.json").write_text("{"), "is damaged"),
    "another file of that name": (lambda run: (run / "run.json").write_text("[]"), "is damaged"),
    "no findings": (lambda run: (run / "findings.csv").unlink(), "no findings.csv"),
    "an empty file": (lambda run: (run / "findings.csv").write_text(""), "is damaged"),
    "not one row": (lambda run: (run / "findings.csv").write_text("finding\n"), "no finding"),
    "no folder": (shutil.rmtree, "no run.json"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "told"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("command", ["export", "compare"])
def test_what_is_no_finished_run_is_refused(shipped_run, tmp_path, change, told, command):
    run, to = tmp_path / "run", tmp_path / "to"
    shutil.copytree(shipped_run.out, run)
    change(run)
    how = ["--to", str(to)] if command == "export" else [str(shipped_run.out)]
    done = CliRunner().invoke(main, [command, str(run), *how])
    assert done.exit_code == 2 and not to.exists()
    assert told in done.stderr and done.stderr.count("\n") == 1


def test_a_full_disk_leaves_nothing_half_written(shipped_run, tmp_path, monkeypatch):
    whole = paths.write_whole

    def full(path, content, *more):
        if path.name == "paper.tex":
            with paths.told(path):
                raise OSError(errno.ENOSPC, "No space left on device")
        whole(path, content, *more)

    monkeypatch.setattr(paths, "write_whole", full)
    done = CliRunner().invoke(main, ["export", str(shipped_run.out), "--to", str(tmp_path / "to")])
    assert done.exit_code == 1 and "No space left" in done.stderr
    assert done.stderr.count("\n") == 1
    assert [p for p in tmp_path.rglob("*") if p.is_file() and p.name != paths.LIST] == []


def test_files_of_others_stay(shipped_run, tmp_path):
    (tmp_path / "paper.docx").write_text("mine")
    done = CliRunner().invoke(main, ["export", str(shipped_run.out), "--to", str(tmp_path)])
    assert done.exit_code == 2 and "paper.docx" in done.stderr
    assert (tmp_path / "paper.docx").read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["paper.docx"]


def test_a_run_is_no_place_for_a_paper_nor_a_text_a_template(shipped_run, tmp_path):
    run, text = tmp_path / "run", tmp_path / "text.docx"
    shutil.copytree(shipped_run.out, run)
    text.write_text("no Word file")
    before = sorted(run.rglob("*"))
    for how, told in ((["--to", run], "what another command (alliance run) wrote"),
                      (["--to", tmp_path / "to", "--template", text], "no Word file")):  # fmt: skip
        done = CliRunner().invoke(main, ["export", str(run), *map(str, how)])
        assert done.exit_code == 2 and told in done.stderr and done.stderr.count("\n") == 1
    assert sorted(run.rglob("*")) == before and not (tmp_path / "to").exists()


def test_the_report_says_what_was_planned_otherwise(shipped_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(shipped_run.out, run)

    def page(lock) -> str:
        about = json.loads((run / "run.json").read_text()) | {"lock": lock}
        (run / "run.json").write_text(json.dumps(about))
        write_report(run)
        text = re.sub(r"<[^>]+>", " ", (run / "report.html").read_text("utf-8"))
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
    assert "it would also have reported: (−) symptoms." in front_page(other, rules)
    assert "hangs on" not in front_page(rows[rows["analysis"] != "as_1995_outcomes"], rules)
