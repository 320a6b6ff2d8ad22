"""What a run on real records leaves behind: no id, no date, no single value of a person."""

import base64
import re
import shutil
import subprocess

import nbformat
import pandas as pd
import pytest

from alliance_helpers.cohorts.open import open_cohort
from alliance_helpers.pages.report import write_report
from alliance_helpers.pages.table_one import table_one
from alliance_helpers.paths import CODEBOOK, NOTEBOOKS, RAW, ROOT
from alliance_helpers.running.runner import run_notebook
from alliance_helpers.running.sequence import main_notebooks, run_sequence
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


def counts_of(results) -> pd.DataFrame:
    """Every `n` in a table of the run, beside its table."""
    found = [
        pd.read_csv(p)["n"].dropna().rename(p.stem)
        for p in (results / "tables").glob("*.csv")
        if "n" in pd.read_csv(p, nrows=1)
    ]
    return pd.concat([n.reset_index(drop=True).to_frame("n").assign(table=n.name) for n in found])


def test_no_count_of_fewer_than_five_by_subtraction(real, results):
    """Table 1's `<5` missing beside n elsewhere; n of tables that differ by a few people."""
    one = pd.read_csv(results / "tables" / "table_1.csv", dtype=str, keep_default_na=False)
    assert (one["missing"] == "<5").any()
    size = len(pd.read_csv(real / "client_interviews.csv"))
    given = counts_of(results)
    left = (size - given["n"]).astype(int)
    assert given[left.between(1, 4)].empty
    dyads = pd.read_csv(results / "tables" / "dyads.csv")
    missing = pd.read_csv(results / "tables" / "missingness.csv")
    assert len(dyads) > 20
    assert not missing["n_missing"].between(1, 4).any()


def test_sizes_of_small_sites_are_not_what_types_of_site_leave(real):
    """Tables by site and by type of site together; by adding and subtracting, no size of one."""
    cleaned = open_cohort(str(real))
    book, dyads = cleaned.codebook, cleaned.dyads
    first = dyads.loc[dyads["site_type"] == "general", "site"].iloc[0]
    here = (dyads["site"] == first).cumsum().where(dyads["site"] == first, 0)
    few = dyads[here <= 3]
    sites = table_one(few, book, "site").iloc[0]
    types = table_one(few, book, "site_type").iloc[0]
    kinds = few.groupby("site_type")["site"].unique()
    assert sites[first] == "<5"
    for kind, names in kinds.items():
        hidden = [n for n in names if not sites[n].replace(",", "").split(" ")[0].isdigit()]
        assert len(hidden) != 1, f"{kind}: {types[kind]} less the others is the size of {hidden}"


def test_no_home_and_no_file_that_is_not_used(tmp_path, monkeypatch):
    home = tmp_path / "home" / "zqneale"
    study = home / "clinic"
    shutil.copytree(RAW, study)
    (study / "truth.csv").unlink()
    (study / "notes on zqmiller.csv").write_text("a,b\n1,2\n", "utf-8")
    (study / "zqmiller.xlsx").write_bytes((study / "notes on zqmiller.csv").read_bytes())
    shutil.copy(CODEBOOK, study)
    monkeypatch.setenv("HOME", str(home))
    skip = {p.stem: "Not needed." for p in main_notebooks() if p.stem[:2] not in ("01", "09")}
    run = run_sequence({"data": str(study)}, home / "out", jobs=2, skip=skip)
    assert [r.error_message for r in run.failed] == []
    found = [name for name, text in texts(run.out) if re.search("zqneale|zqmiller", text)]
    assert found == []
    write_report(run.out)  # from what run.json says


def test_a_failure_quotes_no_cell(real, tmp_path):
    """What a notebook's error says of a record reaches no file; who asks to see rows is told."""
    cells = [
        nbformat.v4.new_code_cell('data: str = ""', metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(
            "import warnings, pandas as pd\n"
            "t = pd.read_csv(data + '/client_interviews.csv', dtype=str)\n"
            "warnings.warn(t['client_id'][0])\nfloat(t['client_id'][1])"
        ),
    ]
    path = tmp_path / "10_fails.ipynb"
    meta = {"kernelspec": {"name": "python3", "display_name": "p", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=meta), path)
    for more, told in ({}, False), ({"show_rows": True}, True):
        kept = tmp_path / f"kept{told}.ipynb"
        record = run_notebook(path, kept, {"data": str(real)} | more)
        assert record.error_name == "ValueError"
        assert record.error_cell == 3  # with that of the parameters given
        assert ("zqC" in record.error_message) == told
        assert ("zqC" in kept.read_text("utf-8")) == told


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
