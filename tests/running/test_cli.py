"""The command line as a user meets it: exit codes, messages, nothing half-written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from click.testing import CliRunner
from make_notebook import make_notebook

from alliance_helpers import paths
from alliance_helpers.paths import RAW, RESULTS
from alliance_helpers.running import runner, station
from alliance_helpers.running.batch import choose_notebooks
from alliance_helpers.running.cli import main
from alliance_helpers.study.raw_tables import read_sheet


def alliance(*args):
    """The command in this process: exit code and what it said; a traceback fails the test."""
    result = CliRunner().invoke(main, [str(a) for a in args], prog_name="alliance")
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def study(tmp_path):
    """A copy of the shipped tables that a test may spoil."""
    folder = tmp_path / "study"
    shutil.copytree(RAW, folder)
    return folder


def spoil(folder: Path, file: str, change) -> None:
    path = folder / file
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    change(table).to_csv(path, index=False)


def cell(row: int, column: str, value: str):
    """A change of one cell; the header is row 1."""

    def change(table):
        table.loc[row - 2, column] = value
        return table

    return change


def test_all_problems_at_once(study):
    spoil(study, "client_interviews.csv", cell(5, "wai_c_03", "often"))
    spoil(study, "case_managers.csv", cell(3, "case_manager_age", "7"))
    said = alliance("check", "--data", study)
    for word in ("wai_c_03", "case_manager_age"):
        assert word in said.output


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["-p", "scenari", "published"], ["scenari", "scenario"]),
        (["-p", "n_clients", "many"], ["n_clients", "many"]),
        (["-p", "scenario", "nonsense"], ["nonsense", "published"]),
        (["--data", "/nowhere/at/all"], ["/nowhere/at/all"]),
        (["--codebook", "/nowhere.yml"], ["nowhere.yml"]),
        (["-p", "claims", "/nowhere.yml"], ["nowhere.yml"]),
        (["--data", str(RAW), "-p", "scenario", "halo"], ["scenario"]),
        (["--out", "/proc/results"], ["/proc/results"]),
    ],
)
def test_bad_usage(args, words, tmp_path):
    before = set(RESULTS.iterdir()) if RESULTS.is_dir() else set()
    if "--out" not in args:
        args = [*args, "--out", tmp_path / "out"]
    done = alliance("run", *args)
    assert done.exit_code == 2, done.output
    assert not [w for w in words if w not in done.stderr], done.stderr
    assert not (tmp_path / "out").exists()
    assert before == (set(RESULTS.iterdir()) if RESULTS.is_dir() else set())


def test_an_output_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.docx").write_text("precious")
    done = alliance("run", "--out", tmp_path)
    assert done.exit_code == 2
    assert "thesis.docx" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.docx"]


def test_a_plan_is_printed_and_written_whole_or_not_at_all(tmp_path):
    place = tmp_path / "plan"
    size = ("--case-managers", "8,12", "--clients", "4", "--cohorts", "20", "--jobs", "1")
    refused = alliance("plan", "symptoms", *size, "--reliability", "1.5", "--out", place)
    assert refused.exit_code == 2
    assert "reliability is 1.5" in refused.stderr
    assert not place.exists()
    place.mkdir()
    (place / "mine.txt").write_text("mine")
    assert alliance("plan", "symptoms", *size, "--out", place).exit_code == 2
    assert [p.name for p in place.iterdir()] == ["mine.txt"]
    (place / "mine.txt").unlink()
    done = alliance("plan", "symptoms", "--effect", "0.3", *size, "--out", place)
    assert done.exit_code == 0, done.stderr
    rates = pd.read_csv(place / "plan.csv")
    assert rates["case_managers"].tolist() == [8, 8, 12, 12]
    page = (place / "plan.html").read_text("utf-8")
    for part in (done.stdout.split("\n\n")[1], "<table", "data:image/png;base64"):
        assert part in page.replace("&#39;", "'")
    assert (place / "plan.png").read_bytes()[1:4] == b"PNG"


def test_simulate_writes_the_shipped_cohort(tmp_path):
    done = alliance("simulate", "--out", tmp_path / "again")
    assert done.exit_code == 0, done.stderr
    for path in RAW.glob("*.csv"):
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def test_simulate_refuses_what_it_does_not_know(tmp_path):
    done = alliance("simulate", "--scenario", "null", "--out", tmp_path / "x")
    assert done.exit_code == 2
    assert "no_association" in done.stderr
    assert not (tmp_path / "x").exists()


def modes(folder):
    """Who may read the files in a folder."""
    return {p.stat().st_mode & 0o777 for p in folder.rglob("*") if p.is_file()}


def test_files_are_for_whom_the_umask_says(tmp_path):
    before = os.umask(0o027)
    try:
        assert alliance("simulate", "--n-clients", 20, "--out", tmp_path / "x").exit_code == 0
    finally:
        os.umask(before)
    assert modes(tmp_path / "x") == {0o640}


def test_a_batch_names_only_findings_that_are_there_and_shows_rows_to_its_owner_only(tmp_path):
    grid = "parameters: {n_clients: [20], scenario: [halo], show_rows: [true]}"
    (tmp_path / "grid.yml").write_text(grid)
    command = ["batch", tmp_path / "grid.yml", "--notebooks", "01_data_cleaning"]
    done = alliance(*command, "--jobs", "1", "--out", tmp_path / "batch")
    assert done.exit_code == 0, done.stderr
    assert "1 of 1 runs done" in done.stdout
    assert "No findings: 09_summary writes them." in done.stdout
    assert not (tmp_path / "batch" / "findings.csv").exists()
    assert modes(tmp_path / "batch") == {0o600}


def test_a_run_that_shows_rows_is_for_its_owner_only(tmp_path):
    code = (  # in a process of its own; of one notebook
        "from alliance_helpers.running import cli, sequence\n"
        "every = sequence.main_notebooks()\n"
        "sequence.main_notebooks = lambda: [p for p in every if p.stem[:2] == '01']\n"
        "cli.main()"
    )
    words = ["run", "--show-rows", "--out", str(tmp_path / "out")]
    how = {"capture_output": True, "text": True, "umask": 0o022}
    how["env"] = os.environ | {station.COLD_VARIABLE: "1"}
    done = subprocess.run([sys.executable, "-c", code, *words], **how)
    assert done.returncode == 0, done.stderr
    written = {p.suffix for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert written > {".html", ".ipynb", ".json", ".csv", ".parquet"}
    assert modes(tmp_path / "out") == {0o600}


CLAIM = """
claims:
  - {finding: "1", claim: calm, kind: association, informant: client, term: %s, sign: negative}
"""


def test_check_speaks_of_the_claims(study):
    done = alliance("check", "--data", study)
    assert done.stdout.startswith("No problems found.\nclient_interviews.csv: ")
    files = {p.name: p.read_bytes().count(b"\n") for p in study.glob("*.csv")}
    del files["truth.csv"]
    told = [f"{name}: {n - 1:,} records in {n:,} lines" for name, n in files.items()]
    told.append("case_manager_forms: 1 left out (an earlier duplicate)")
    assert sorted(done.stdout.splitlines()[1:]) == sorted(told)
    plain = done.stdout
    own = study / "findings.yml"
    own.write_text(CLAIM % "symptoms")
    assert alliance("check", "--data", study).stdout == plain
    own.write_text(CLAIM % "symptom")
    done = alliance("check", "--data", study)
    assert "Claim 'calm' will be left out: the study has no variable 'symptom'." in done.stdout
    part = '  - {finding: "1", claim: all, kind: all_of, informant: client, of: [calm]}\n'
    own.write_text(CLAIM % "symptom" + part)
    done = alliance("check", "--data", study)
    assert "'all' will be left out: the study has no variable 'symptom' (for calm)." in done.stdout
    own.write_text(CLAIM.replace("kind", "kindness") % "symptoms")
    done = alliance("check", "--data", study)
    assert done.exit_code == 2
    assert "findings.yml, row 3" in done.stderr


def test_check_says_how_many_shipped_claims_a_study_can_speak_to(tmp_path):
    (tmp_path / "t.csv").write_text("id,x,y\n" + "".join(f"p{i},{i},{i % 7}\n" for i in range(30)))
    (tmp_path / "codebook.yml").write_text(
        "study: {title: Small, client: id}\n"
        "tables: {t: {file: t.csv, key: [id], variables: {id: {type: id}, x: {}, y: {}}}}\n"
        "informants: {client: {alliance: x}}\nblocks: {pretreatment: [y]}\n"
    )
    done = alliance("check", "--data", tmp_path)
    assert "shipped claims, 1 can be put to this study" in done.stdout, done.output


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from alliance_helpers.running.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('numpy', 'pandas', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip().endswith("[]"), done.stdout + done.stderr


def test_a_tilde_that_the_shell_left_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert alliance("simulate", "--n-clients", 20, "--out=~/x").exit_code == 0
    assert (tmp_path / "x" / "truth.csv").is_file()
    assert alliance("check", "--data=~/x").exit_code == 0
    assert not (tmp_path / "~").exists()


def test_a_batch_runs_the_numbered_notebooks_and_plans_nothing_unless_asked():
    """Planning took half a minute of each cohort's."""
    usual = [path.stem for path in choose_notebooks(())]
    assert usual == [p.stem for p in runner.main_notebooks() if not p.stem.startswith("robustness")]
    assert [path.stem for path in choose_notebooks(["11"])] == ["11_planning"]


def test_a_copy_of_a_notebook_is_run_only_if_it_is_named(tmp_path, monkeypatch):
    for name in ("04_finding", "04_finding-Copy1", "04_finding (copy)"):
        make_notebook(tmp_path / f"{name}.ipynb")
    monkeypatch.setattr(runner, "NOTEBOOKS", tmp_path)
    assert [p.stem for p in runner.main_notebooks()] == ["04_finding"]
    for asked in ([], ["04"], ["04_finding"]):
        assert [p.stem for p in choose_notebooks(asked, tmp_path)] == ["04_finding"]
    (named,) = choose_notebooks(["04_finding-Copy1"], tmp_path)
    assert named.stem == "04_finding-Copy1"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["check", "--data", ""], "it is empty. Name a place"),
        (["describe", ""], "it is empty. Name a place"),
        (["check", "--data", "Klinik-\udcfc"], "is not a name in UTF-8"),
        (["run", "--out", "Klinik-\udcfc"], "is not a name in UTF-8"),
        (["check", "--data", "RUN", "--codebook", "PIPE"], "is not a file"),
        (["run", "-p", "claims", "PIPE"], "is not a file"),
        (["batch", "PIPE", "--out", "o"], "is not a file"),
        (["plan", "symptoms", "--claims", "PIPE"], "is not a file"),
        (["lock", "-p", "outcome", "symptom", "--out", "o"], "did you mean 'symptoms'?"),
        (["lock", "-p", "subscale", "bonds", "--out", "o"], "did you mean 'bond'?"),
        (["run", "-p", "blocks", "pretreatmnt=client_age"], "did you mean 'pretreatment'?"),
        (["run", "-p", "blocks", "pretreatment=site"], "'site' has no numbers"),
    ],
)
def test_a_place_that_is_none_and_a_name_that_is_none_are_told(tmp_path, monkeypatch, asked, said):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    there = {"PIPE": str(tmp_path / "pipe"), "RUN": str(tmp_path)}
    told = alliance(*(there.get(word, word) for word in asked))
    assert (told.exit_code, said in told.output) == (2, True), told.output
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


@pytest.mark.parametrize("text", ["scenario: [[halo]]", 'data: ["na\\0mes"]'])
def test_a_grid_of_what_no_parameter_can_be_is_told(tmp_path, text):
    (tmp_path / "grid.yml").write_text(f"parameters: {{{text}}}")
    told = alliance("batch", tmp_path / "grid.yml", "--out", tmp_path / "out")
    assert (told.exit_code, "unforeseen" in told.output) == (2, False), told.output


def test_a_folder_of_thousands_is_refused_before_all_of_it_is_seen(tmp_path, monkeypatch):
    for n in range(30):
        (tmp_path / f"{n}.txt").touch()
    monkeypatch.setattr(paths, "MANY", 10)
    assert len(paths.survey(tmp_path, {})[1]) == 11


def test_a_style_down_to_the_last_row_of_a_sheet_is_no_record(tmp_path):
    book = openpyxl.Workbook()
    for row in (["id", "x"], ["a", 1], ["b", None]):
        book.active.append(row)
    book.active.cell(1_048_576, 1).font = openpyxl.styles.Font(bold=True)
    book.save(tmp_path / "t.xlsx")
    raw = read_sheet(tmp_path / "t.xlsx")
    assert (raw.lines, len(raw.frame)) == (3, 2)
