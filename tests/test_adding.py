"""docs/ARCHITECTURE.md: the journey of one answer, and how to add a scale, a claim, and more."""

import json
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from alliance_helpers import all_rows, assess, load_study, open_cohort, read_rules, then_and_now
from alliance_helpers.claims.as_1995 import READINGS
from alliance_helpers.claims.stress import STRESS
from alliance_helpers.claims.verdicts import QUICK, fitted
from alliance_helpers.paths import CODEBOOK, FINDINGS, NOTEBOOKS, RAW, ROOT
from alliance_helpers.running import runner

PAGE = (ROOT / "docs" / "ARCHITECTURE.md").read_text("utf-8")
JOURNEY = PAGE.split("## The journey")[1].split("## Adding")[0]
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.S)


def test_the_files_and_functions_that_the_page_names_are_there():
    rooms = ROOT / "alliance_helpers"
    for name in re.findall(r"^\| `(\w+)/`", PAGE, re.M):
        assert (rooms / name).is_dir(), name
    for file, function in re.findall(r"`(\w+/\w+\.py)`, `(\w+)`", JOURNEY):
        assert f"def {function}(" in (rooms / file).read_text("utf-8"), (file, function)
    for file in re.findall(r"`(\w+/\w+\.py)`", PAGE):
        assert (rooms / file).is_file() or (ROOT / file).is_file(), file


def test_the_journey_of_one_answer():
    lines = (RAW / "client_interviews.csv").read_text("utf-8").splitlines()
    header, typed = lines[0].split(","), lines[120].split(",")
    answers = dict(zip(header, typed, strict=True))
    assert answers["client_id"] == "C120" and answers["wai_c_04"] == "-9"
    assert answers["wai_c_01"] == "1"
    study = load_study()
    raw = study.tables["client_interviews"]
    assert str(raw.loc[raw["client_id"] == "C120", "wai_c_04"].item()) == "-9"
    cohort = open_cohort()
    (change,) = cohort.log.query("row == 121 and column == 'wai_c_04'").itertuples(index=False)
    assert tuple(change) == ("client_interviews", 121, "wai_c_04", "-9", "", "missing code")

    dyad = cohort.dyads.set_index("client_id").loc["C120"]
    keys = cohort.codebook.scales["client_alliance"].keys
    given = {i: int(answers[f"wai_c_{abs(i):02d}"]) for i in keys["task"]}
    used = [x if i > 0 else 8 - x for i, x in given.items() if x != -9]
    mean = sum(used) / len(used)
    assert len(used) == 11 and 4 in keys["task"] and -1 in keys["bond"]
    assert dyad["client_alliance_task"] == pytest.approx(12 * mean)
    parts = [dyad[f"client_alliance_{part}"] for part in ("task", "bond", "goal")]
    assert dyad["client_alliance"] == pytest.approx(sum(parts))
    told = f"{parts[0]:.2f} + {parts[1]:.0f} + {parts[2]:.0f}"
    assert f"`client_alliance` {dyad['client_alliance']:.2f} = {told}" in JOURNEY
    assert f"the mean {mean:.3f}" in JOURNEY
    assert f"rating of the same relationship is {dyad['case_manager_alliance']:.0f}" in JOURNEY

    rows = assess(cohort.dyads, finding="1").query("claim == 'modest'").set_index("analysis")
    row, others = rows.loc["as_published"], cohort.dyads.query("client_id != 'C120'")
    without = assess(others, finding="1", analyses=["as_published"]).iloc[0]["estimate"]
    for value in (row["estimate"], row["conf_low"], row["conf_high"], without):
        assert f"{value:.3f}"[1:] in JOURNEY
    assert f"one of {row['n']:.0f} dyads" in JOURNEY
    assert f"*p* of equivalence {row['p_equivalence']:.2f}".replace("0.", ".") in JOURNEY
    assert (row["verdict"], rows.loc["adjusted", "verdict"]) == ("supported", "inconclusive")
    assert "dyads independent" in then_and_now(rows.reset_index())._repr_html_()


@pytest.fixture
def folder(tmp_path):
    """A study of one's own: the shipped tables, with a scale and a claim added as the page says."""
    for table in RAW.glob("*.csv"):
        shutil.copy(table, tmp_path)
    scale, claim = [text for kind, text in BLOCKS if kind == "yaml"]
    for source, name, text in (
        (CODEBOOK, "codebook.yml", scale),
        (FINDINGS, "findings.yml", claim),
    ):
        key, entry = text.split("\n", 1)
        written = source.read_text("utf-8").replace(f"\n{key}\n", f"\n{key}\n{entry}", 1)
        (tmp_path / name).write_text(written, "utf-8")
    return tmp_path


def test_a_scale_is_an_entry_in_the_codebook(folder):
    dyads = open_cohort(str(folder)).dyads
    raw = pd.read_csv(folder / "client_interviews.csv").set_index("client_id").loc["C120"]
    mean = raw[[f"living_{i}" for i in range(1, 5)]].astype(float).mean()
    assert dyads.set_index("client_id").loc["C120", "self_care"] == mean


def test_a_claim_is_an_entry_in_findings(folder):
    cohort = open_cohort(str(folder))
    rules = read_rules("", str(folder), cohort.codebook)
    rows = assess(cohort.dyads, rules=rules, finding="5")
    assert set(rows["analysis"]) == {*READINGS, *QUICK}
    assert rows["verdict"].notna().all()
    assert "goes with better self-care" in then_and_now(rows, rules)._repr_html_()


def test_a_stress_test_is_a_function_with_a_name(monkeypatch):
    (source,) = [text for kind, text in BLOCKS if kind == "python"]
    monkeypatch.setitem(STRESS, "first_half", None)  # gone again afterwards
    exec(source, {"fitted": fitted, "STRESS": STRESS})
    cohort = open_cohort()
    half = assess(cohort.dyads.iloc[:100], finding="3").set_index(["claim", "analysis"])
    rows = all_rows(cohort, finding="3", analyses=["first_half"])
    (row,) = rows.query("analysis == 'first_half'").to_dict("records")
    assert row["claim"] == "own_outcome" and row["verdict"] == "supported"
    told = half.loc["own_outcome", "adjusted"]
    assert row["estimate"] == pytest.approx(told["estimate"], abs=1e-9)
    assert "first half" in then_and_now(rows)._repr_html_(), "a column of the report"


def test_a_notebook_is_a_file(tmp_path, monkeypatch):
    book = json.loads((NOTEBOOKS / "08_halo.ipynb").read_text("utf-8"))
    kept = [c for c in book["cells"] if c["id"] in ("08-00", "08-01", "08-02", "08-03")]
    cell = dict(kept[-1], id="mine", source=['save_table(halo(dyads).contrast, "mine")'])
    mine = tmp_path / "notebooks" / "10_mine.ipynb"
    shutil.copytree(NOTEBOOKS, mine.parent)
    mine.write_text(json.dumps(book | {"cells": [*kept, cell]}), "utf-8")
    monkeypatch.setattr(runner, "NOTEBOOKS", mine.parent)
    assert mine in runner.main_notebooks()
    command = [sys.executable, "-m", "papermill", str(mine), str(tmp_path / "out.ipynb")]
    command += ["-p", "out", str(tmp_path / "run"), "--no-progress-bar"]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    assert (tmp_path / "run" / "tables" / "mine.csv").is_file()


def test_the_page_is_one_page():
    assert len(PAGE.split()) < 1_000
