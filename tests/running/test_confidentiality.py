"""What a run on real records leaves behind: no id, no date, no single value of a person."""

import base64
import re
import shutil
import subprocess

import nbformat
import pandas as pd
import pytest

from alliance_helpers.paths import CODEBOOK, NOTEBOOKS, RAW, ROOT
from alliance_helpers.running.sequence import run_sequence
from alliance_helpers.study.load import load_study

LONG = ("robustness_specifications", "robustness_stress")


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The shipped tables, declared to be real, with ids that stand nowhere else."""
    folder = tmp_path_factory.mktemp("real")
    shutil.copytree(RAW, folder / "study")
    study = folder / "study"
    (study / "truth.csv").unlink()
    book = CODEBOOK.read_text("utf-8").replace("synthetic: true", "synthetic: false")
    (study / "codebook.yml").write_text(book, encoding="utf-8")
    for path in study.glob("*.csv"):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        for column in {"client_id", "case_manager_id"} & set(table):
            table[column] = "zq" + table[column] + "qz"
        table.to_csv(path, index=False)
    return study


@pytest.fixture(scope="module")
def results(real):
    """Everything that a run on it writes."""
    out = real.parent / "out"
    run = run_sequence({"data": str(real)}, out, jobs=2, skip=dict.fromkeys(LONG, "Too long here."))
    assert [r.error_message for r in run.failed] == []
    return out


def test_real_tables_of_the_same_shape_are_not_called_synthetic(tmp_path):
    shutil.copytree(RAW, tmp_path / "clinic")
    assert load_study(tmp_path / "clinic").codebook.synthetic
    (tmp_path / "clinic" / "truth.csv").unlink()
    for codebook in (None, CODEBOOK):
        book = load_study(tmp_path / "clinic", codebook).codebook
        assert (book.title, book.synthetic) == ("clinic", False)
    shutil.copy(CODEBOOK, tmp_path / "clinic")
    assert not load_study(tmp_path / "clinic").codebook.synthetic


def texts(folder):
    """Every file as text; pictures inside pages left out."""
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix not in (".png", ".parquet"):
            text = path.read_text("utf-8")
            yield path.name, re.sub(r"[A-Za-z0-9+/=\\n]{400,}", "", text)


def test_no_id_of_a_person(results):
    assert [name for name, text in texts(results) if re.search(r"zq[CM]\d+qz", text)] == []


def test_no_date_of_a_person(real, results):
    episodes = pd.read_csv(real / "hospital_episodes.csv", dtype=str)
    dates = set(episodes["admission"]) | set(episodes["discharge"].dropna())
    found = {n: dates & set(re.findall(r"\d{4}-\d{2}-\d{2}", t)) for n, t in texts(results)}
    assert {name: some for name, some in found.items() if some} == {}


def test_the_log_hides_values(results):
    log = pd.read_csv(results / "cleaning_log.csv", dtype=str, keep_default_na=False)
    assert len(log) > 50
    assert set(log["before"]) | set(log["after"]) <= {"hidden", ""}


def test_no_table_of_dyads(results):
    assert not (results / "dyads.parquet").exists()
    rows = {p.name: len(pd.read_csv(p)) for p in (results / "tables").glob("*.csv")}
    assert not [name for name, n in rows.items() if n > 150], rows


def test_clouds_of_single_dyads_are_not_drawn(results, shipped_run):
    shown, hidden = (
        (folder / "figures" / "agreement_scatter.png").read_bytes()
        for folder in (shipped_run.out, results)
    )
    assert base64.b64encode(shown) != base64.b64encode(hidden)


def test_shown_only_when_asked(real, tmp_path):
    values = {"data": str(real), "show_rows": True}
    skip = {p: "Not needed." for p in (*LONG, "02_descriptives", "07_finding_4")}
    run = run_sequence(values, tmp_path / "out", jobs=2, skip=skip)
    assert (run.out / "dyads.parquet").exists()
    log = pd.read_csv(run.out / "cleaning_log.csv", dtype=str, keep_default_na=False)
    assert "-9" in set(log["before"])


def git(folder, *arguments) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def executed(repository) -> list[str]:
    """Notebooks that git knows, with what running them left in them."""
    known = git(repository, "ls-files", "-z", "--", "*.ipynb").split("\0")[:-1]
    cells = {p: nbformat.read(repository / p, as_version=4).cells for p in known}
    return [
        p for p, c in cells.items() if any(x.get("outputs") or x.get("execution_count") for x in c)
    ]


@pytest.fixture
def repository():
    """This one, if it is one."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    return ROOT


def test_no_notebook_in_git_was_executed(repository):
    assert executed(repository) == []


def test_a_committed_notebook_with_outputs_is_found(results, tmp_path):
    git(tmp_path, "init", "-q")
    shutil.copy(next((results / "notebooks").glob("01_*.ipynb")), tmp_path / "ran.ipynb")
    shutil.copy(next(NOTEBOOKS.glob("01_*.ipynb")), tmp_path / "clean.ipynb")
    git(tmp_path, "add", ".")
    assert executed(tmp_path) == ["ran.ipynb"]


@pytest.mark.parametrize("place", ["results/mine/report.html", "data/private/clinic/codebook.yml"])
def test_git_ignores_results_and_private_data(place, repository):
    assert git(repository, "check-ignore", place).strip() == place
