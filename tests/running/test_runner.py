"""Notebooks run headless: strict parameters, whole outputs, failures as records."""

import json
import os
import shutil
from hashlib import sha256
from threading import Event

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from make_notebook import STANDARD, make_notebook

from alliance_helpers.errors import OutputError, ParameterError
from alliance_helpers.paths import CODEBOOK, RAW, UNSEEN_VARIABLE, write_whole
from alliance_helpers.running import runner
from alliance_helpers.running.cli import main
from alliance_helpers.running.parameters import all_parameters
from alliance_helpers.running.plan import by_name, input_hashes
from alliance_helpers.running.runner import (
    NotebookRun,
    Shared,
    run_notebook,
    run_notebooks,
    run_one,
)
from alliance_helpers.running.sequence import run_sequence, skipped
from alliance_helpers.study.load import load_study
from alliance_helpers.study.read_codebook import parse_codebook


def printed(path) -> list[str]:
    """The text that each code cell of an executed notebook printed."""
    cells = json.loads(path.read_text())["cells"]
    return ["".join("".join(o.get("text", "")) for o in c["outputs"]) for c in cells]


def test_side_by_side_in_the_order_they_were_named(tmp_path):
    slow = make_notebook(tmp_path / "01_slow.ipynb", "import time; time.sleep(1); print(seed)")
    bad = make_notebook(tmp_path / "02_bad.ipynb", "1 / 0", "print('never')")
    quick = make_notebook(tmp_path / "03_quick.ipynb", "print(other)", parameters="other: str = ''")
    came, out = [], tmp_path / "results {0} {brace}"
    parameters = {"seed": 7, "other": 'a "quoted" \\ {word}'}
    records = run_notebooks([slow, bad, quick], out, parameters, progress=came.append)
    assert [r.notebook for r in records] == ["01_slow", "02_bad", "03_quick"]
    assert [r.status for r in records] == ["done", "failed", "done"]
    assert sorted(came, key=lambda r: r.notebook) == records
    failed = records[1]
    assert (failed.error_cell, failed.error_name) == (3, "ZeroDivisionError")
    assert failed.error_message == "division by zero"
    assert printed(out / "01_slow.ipynb")[-1] == "7\n"
    assert printed(out / "03_quick.ipynb")[-1] == 'a "quoted" \\ {word}\n'
    assert "ZeroDivisionError" in (out / "02_bad.ipynb").read_text()
    assert sorted(p.name for p in out.iterdir()) == [f"{r.notebook}.ipynb" for r in records]


WRITES = """
import pandas as pd
from pathlib import Path
rows = pd.DataFrame({"claim": "c", "analysis": ANALYSES, "estimate": "0.10"})
Path(out, "tables").mkdir(exist_ok=True)
rows.to_csv(Path(out, "NAME.csv"), index=False)
rows.assign(other=1).to_csv(Path(out, "tables", "robustness_other.csv"), index=False)
"""


def test_what_only_the_robustness_notebooks_found_stands_in_the_findings(tmp_path):
    tables = {"findings": ["a"], "tables/robustness": ["a", "b"], "tables/robustness_all": ["c"]}
    names = ["09_summary", "robustness", "robustness_all"]
    cells = [WRITES.replace("NAME", n).replace("ANALYSES", repr(a)) for n, a in tables.items()]
    paths = [
        make_notebook(tmp_path / f"{n}.ipynb", cell) for n, cell in zip(names, cells, strict=True)
    ]
    records = run_notebooks(paths, tmp_path / "executed", {"out": str(tmp_path)})
    assert [(r.notebook, r.status) for r in records] == [(n, "done") for n in names]
    text = (tmp_path / "findings.csv").read_text()
    assert text == "claim,analysis,estimate\nc,a,0.10\nc,b,0.10\nc,c,0.10\n"


def test_wrong_parameters_start_nothing(tmp_path, monkeypatch):
    make_notebook(tmp_path / "01_a.ipynb", f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.setattr(runner, "NOTEBOOKS", tmp_path)
    told = r"(?s)'sead'; did you mean 'seed'.*seed = 'x' is of type str"
    with pytest.raises(ParameterError, match=told):
        run_sequence({"sead": 1, "seed": "x"}, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "ran").exists()


LOST = {
    "no cell is tagged": {"tags": ()},
    "another tag": {"tags": ("hide",)},
    "the tag is on a cell without data": {"parameters": STANDARD.replace("data:", "place:")},
    "the tag is on an empty cell": {"parameters": ""},
}


@pytest.mark.parametrize("how", LOST.values(), ids=LOST.keys())
@pytest.mark.parametrize("lost", ["02_lost", "robustness"])
def test_a_notebook_that_would_show_another_study_starts_nothing(tmp_path, monkeypatch, lost, how):
    ran = tmp_path / "ran"
    for name in ("01_a", "02_lost", "robustness"):
        cell = f"open({str(ran)!r}, 'w')"
        make_notebook(tmp_path / f"{name}.ipynb", cell, **(how if name == lost else {}))
    monkeypatch.setattr(runner, "NOTEBOOKS", tmp_path)
    (tmp_path / "out").mkdir()
    earlier = tmp_path / "out" / "report.html"
    earlier.write_text("of an earlier run")
    done = CliRunner().invoke(main, ["run", "--data", str(RAW), "--out", str(earlier.parent)])
    assert done.exit_code == 2, done.output
    assert f"{lost}" in done.output
    assert "tagged `parameters`" in done.output
    assert "01_a" not in done.output.split("The notebooks take")[0]
    assert not ran.exists()
    assert earlier.read_text() == "of an earlier run"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"cells": [{"source": "1"}]}', "\x00"])
def test_what_is_no_notebook_is_named(tmp_path, content):
    path = tmp_path / "01_no.ipynb"
    path.write_text(content)
    with pytest.raises(ParameterError, match=r"01_no\.ipynb is not a notebook"):
        all_parameters([path])


def test_working_directory_and_environment_are_the_kernels_own(tmp_path, monkeypatch):
    cell = "import os; print(os.getcwd(), os.environ['MARK'], os.environ['OMP_NUM_THREADS'])"
    notebook = make_notebook(tmp_path / "01_a.ipynb", cell)
    for mark in ("one", "two"):
        place = tmp_path / mark
        place.mkdir()
        monkeypatch.setenv("MARK", mark)
        out = tmp_path / f"{mark}.ipynb"
        assert run_notebook(notebook, out, {}, cwd=place).status == "done"
        assert printed(out)[-1] == f"{place} {mark} 1\n"
    assert os.getcwd() != str(tmp_path / "two")


def test_a_time_limit_holds_for_the_notebook_as_a_whole(tmp_path):
    pause = "import time; time.sleep(0.8); print('here')"
    notebook = make_notebook(tmp_path / "01_a.ipynb", *[pause] * 20)
    out = tmp_path / "out.ipynb"
    record = run_notebook(notebook, out, {}, timeout=4)
    assert (record.status, record.error_name) == ("failed", "TimeoutError")
    assert 3 < record.seconds < 12
    assert 1 < "".join(printed(out)).count("here") < 8  # what was done is kept


def test_what_is_to_stop_leaves_no_file_that_nobody_knows(tmp_path):
    """Ctrl-C twice gives the folder back while a notebook still ends: it is not written then."""
    notebook, stop = make_notebook(tmp_path / "01_a.ipynb", "print(1)"), Event()
    stop.set()
    record = run_notebook(notebook, tmp_path / "out.ipynb", {}, stop=stop)
    assert (record.status, (tmp_path / "out.ipynb").exists()) == ("failed", False)


def test_an_output_that_cannot_be_written_is_the_notebooks_failure(tmp_path):
    (tmp_path / "file").touch()
    notebook = make_notebook(tmp_path / "01_a.ipynb", "1")
    record = run_notebook(notebook, tmp_path / "file" / "out.ipynb", {})
    assert (record.status, record.error_name) == ("failed", "OutputError")


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    target = tmp_path / "deep" / "file.txt"
    write_whole(target, "first")
    monkeypatch.setattr(os, "replace", lambda *a: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OutputError, match=r"file\.txt cannot be written \(full"):
        write_whole(target, "second")
    assert [p.read_text() for p in target.parent.iterdir()] == ["first"]


@pytest.mark.parametrize(("name", "left_out"), [("hospital_days", False), ("days", True)])
def test_hospital_days_may_be_a_plain_column_of_any_name(name, left_out):
    book = parse_codebook(f"""
study: {{title: T, client: id}}
tables:
  t:
    file: t.csv
    key: [id]
    variables: {{id: {{type: id}}, x: {{}}, {name}: {{column: nights in 2024}}}}
informants: {{client: {{label: Patient, alliance: x}}}}
""")
    reasons = skipped(book)
    assert ("07_finding_4" in reasons) is left_out
    assert reasons["08_halo"] == "The study has no rating by the case manager."
    if left_out:
        assert "a variable named hospital_days" in reasons["07_finding_4"]


@pytest.mark.parametrize(
    ("lacking", "left_out"),
    [
        (["case_manager"], "03_alliance_agreement 04_finding_1 05_finding_2 08_halo"),
        (["client"], "03_alliance_agreement 04_finding_1 06_finding_3"),
        (["blocks", "days"], "04_finding_1 05_finding_2 06_finding_3 07_finding_4"),
    ],
    ids=["the client alone", "the case manager alone", "two ratings and nothing else"],
)
def test_a_study_that_lacks_parts_runs_to_the_end(tmp_path, monkeypatch, lacking, left_out):
    folder, out = tmp_path / "study", tmp_path / "out"
    shutil.copytree(RAW, folder)
    (folder / "truth.csv").unlink()
    book = yaml.safe_load(CODEBOOK.read_text(encoding="utf-8"))
    for part in lacking:
        gone = (book if part in book else book["informants"]).pop(part)
        for block in book.get("blocks", {}).values():
            block[:] = [term for term in block if term != gone.get("alliance")]
    (folder / "codebook.yml").write_text(yaml.safe_dump(book, sort_keys=False), encoding="utf-8")
    skip = skipped(load_study(folder).codebook)
    assert set(skip) == {*left_out.split(), "10_over_time"}
    if lacking == ["client"]:  # its run is like that of the client alone
        return
    if lacking != ["case_manager"]:  # whose other notebooks and figures are like these
        monkeypatch.setenv(UNSEEN_VARIABLE, "1")
        skip |= dict.fromkeys(["01_data_cleaning", "02_descriptives"], "Not needed.")
    run = run_sequence({"data": str(folder), "n_perm": 20}, out, skip=skip)
    assert run.failed == []
    findings = pd.read_csv(out / "findings.csv")
    assert not set(lacking) & set(findings["informant"])
    assert {"imputed", "multiverse"} <= set(findings["analysis"])


def test_a_run_states_the_files_it_read_and_no_others(tmp_path):
    table = "{file: t.csv, key: [id], variables: {id: {type: id}}}"
    book = f"study: {{title: A, client: id}}\ntables: {{t: {table}}}"
    texts = dict.fromkeys(("t.csv", "letter.docx", "other.csv", "private/t.csv"), "x")
    texts |= {"codebook.yml": book, "findings.yml": "y", "../other/findings.yml": "z"}
    for name, text in texts.items():
        (tmp_path / "study" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "study" / name).write_text(text)
    own = {"data": str(tmp_path / "study")}
    assert by_name(input_hashes(own)) == {
        name: sha256(texts[name].encode()).hexdigest()
        for name in ("t.csv", "codebook.yml", "findings.yml")
    }
    elsewhere = str(tmp_path / "other" / "findings.yml")
    named = input_hashes(own | {"claims": elsewhere})
    assert named[elsewhere] == sha256(b"z").hexdigest()
    assert {*by_name(named)} == {"t.csv", "codebook.yml", "findings.yml"}
    assert {*by_name(input_hashes({"scenario": "halo"}))} == {
        "scenarios.yml",
        "calibration.json",
        "codebook.yml",
        "findings.yml",
    }
    shipped = {p.name for p in RAW.glob("*.csv")} | {"codebook.yml", "findings.yml"}
    assert {*by_name(input_hashes({}))} == shipped


@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_run_whose_input_changed_under_it_fails_and_says_so(how, tmp_path, monkeypatch):
    """Whether it changed before the run, or while the notebooks ran."""
    source, text = tmp_path / "t.csv", "id\n1\n"
    change = {"changed": lambda: source.write_text("id\n2\n"), "gone": source.unlink}[how]
    notebook = make_notebook(tmp_path / "01_a.ipynb").read_text()
    shared, inputs = Shared({"01_a": notebook}, "none", 60, None), {}

    def ran(*_):
        change()
        return [NotebookRun("01_a", "done", 0.1)]

    for before in (change, lambda: monkeypatch.setattr(runner, "run_notebooks", ran)):
        source.write_text(text)
        inputs[str(source)] = sha256(text.encode()).hexdigest()
        before()
        result = run_one(shared, (1, {}, {}, inputs))
        assert not result.done
        assert result.findings is None
        (record,) = result.records
        assert record.error_name == "InputChanged"
        assert record.error_message == "t.csv changed or went while it ran"
