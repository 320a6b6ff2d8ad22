"""The notebooks: how they are built, that they run, and what a run leaves behind."""

import ast
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient
from numpy.testing import assert_allclose

import alliance_helpers
from alliance_helpers.claims.assess import COLUMNS
from alliance_helpers.claims.rules import read_stress
from alliance_helpers.pages.printing import COLUMNS as COLUMN_WORDS
from alliance_helpers.pages.printing import WORDS as VALUE_WORDS
from alliance_helpers.pages.table_one import table_one
from alliance_helpers.pages.tables import then_and_now
from alliance_helpers.paths import LIST, NOTEBOOKS
from alliance_helpers.running.runner import PLANNING, main_notebooks, run_notebook
from alliance_helpers.running.sequence import run_sequence

STANDARD = ["data", "codebook", "out", "scenario", "n_clients", "seed"]
NAMES = [path.stem for path in main_notebooks()]
NUMBERED = [*(name for name in NAMES if name[0].isdigit()), PLANNING]
EVERY = [*NAMES, PLANNING]  # a run leaves planning out
OWN = "own-hands"  # the tag of what a reader would write without the kit
FEW_CALLS = 14  # code cells, with imports, parameters and loading


matplotlib.use("agg")  # before a cell draws


def read(name):
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def tags(cell):
    return cell.metadata.get("tags", [])


def code(notebook):
    return [c for c in notebook.cells if c.cell_type == "code"]


def test_the_sequence_is_numbered_without_gaps():
    numbers = [name[:2] for name in NUMBERED]
    assert numbers == [f"{i:02d}" for i in range(1, len(numbers) + 1)]
    assert NAMES[len(numbers) - 1 :] == ["robustness_specifications", "robustness_stress"]


@pytest.mark.parametrize("name", EVERY)
def test_structure(name):
    notebook = read(name)
    cells = notebook.cells
    assert notebook.metadata.kernelspec.name == "python3"
    assert cells[0].cell_type == "markdown"
    assert cells[0].source.startswith("# ")
    assert cells[0].source.rstrip().endswith("?"), "the first cell ends with the question"
    assert "## What this shows, and what it does not" in cells[-1].source
    assert len(code(notebook)) <= FEW_CALLS
    assert not any(c.outputs or c.execution_count for c in code(notebook)), "outputs in git"


@pytest.mark.parametrize("name", EVERY)
def test_parameters_are_annotated_literals_with_comments(name):
    tagged = [c for c in code(read(name)) if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1
    lines = tagged[0].source.replace("\n# ", " ").splitlines()  # goes on below
    assert all(re.fullmatch(r"\w+: (str|int|float|bool) = .+  # .+", line) for line in lines)
    assigned = [n.target.id for n in ast.parse(tagged[0].source).body]
    assert assigned[: len(STANDARD)] == STANDARD


@pytest.mark.parametrize("name", EVERY)
def test_a_notebook_tells_and_helpers_compute(name):
    notebook = read(name)
    cells = [c for c in code(notebook) if OWN not in tags(c)]
    tree = ast.parse("\n".join(c.source for c in cells))
    banned = (ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.With, ast.Try, ast.Lambda)
    assert not [n for n in ast.walk(tree) if isinstance(n, banned)]
    imported = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom | ast.Import)]
    assert all(getattr(n, "module", "").startswith("alliance_helpers") for n in imported)
    assert len(imported) == 1
    before = [c.cell_type for c in notebook.cells]
    first = before.index("code", 4)
    assert before[first - 1] == "markdown", "each call comes after a sentence"


@pytest.mark.parametrize("name", EVERY)
def test_a_text_of_250_to_600_words_cites_what_it_lists(name):
    text = "\n\n".join(c.source for c in read(name).cells if c.cell_type == "markdown")
    body, _, references = text.partition("## References")
    listed = re.findall(r"^- ([^,]+), .*?\((\d{4})\)", references, re.M)
    assert listed and len(listed) == len(references.strip().splitlines())
    cited = [re.search(rf"{who}[^.;:)]*?(al\.)?[ ,(]+{year}", body) for who, year in listed]
    assert all(cited), [entry for entry, found in zip(listed, cited, strict=True) if not found]
    assert len(body.split()) >= 250 and len(text.split()) <= 600


@pytest.mark.parametrize("name", NUMBERED)
def test_readers_find_their_own_idiom(name):
    notebook = read(name)
    kinds = [(c.cell_type, OWN in tags(c)) for c in notebook.cells]
    assert kinds[-3:] == [("markdown", True), ("code", True), ("markdown", False)]
    text, cell = notebook.cells[-3].source, notebook.cells[-2].source
    assert text.startswith("## In your own hands\n\n")
    assert "he helper" in text, "what the helper adds"
    (guard, *lines) = cell.splitlines()
    assert guard.startswith("if not (data or codebook or out")
    assert 3 <= len([x for x in lines if x and not x.strip().startswith("import ")]) <= 8
    used = {n.id for n in ast.walk(ast.parse(cell)) if isinstance(n, ast.Name)}
    assert not used & set(alliance_helpers.__all__), "no helper in it"


def played(name, **values):
    """The names that a notebook ends with, its explorers left out, some parameters changed."""
    names = {"display": lambda *shown: None}
    for cell in code(read(name)):
        if "skip-execution" not in tags(cell):
            exec(cell.source, names)
        if "parameters" in tags(cell):
            names.update(values)
    return names


def claim(rows, claim, analysis, informant=None):
    """The one row of findings that a sentence speaks of."""
    found = rows[(rows["claim"] == claim) & (rows["analysis"] == analysis)]
    found = found[found["informant"] == informant] if informant else found
    return found.squeeze()


def test_own_hands_01():
    names = played("01_data_cleaning")
    told = names["seen"].dyads.set_index("term").loc[names["described"].index]
    assert_allclose(names["described"][["count", "mean", "std"]], told[["n", "mean", "std"]])


def test_own_hands_02():
    names = played("02_descriptives")
    table = table_one(names["dyads"], names["book"], "site_type")
    told = table[table["variable"] == "Alliance, client's rating"].iloc[0]
    for site, (mean, sd) in names["by_site"].iterrows():
        assert told[site] == f"{mean:.1f} ({sd:.1f})"


def test_own_hands_03():
    names = played("03_alliance_agreement")
    r = names["both"].corr().iloc[0, 1]
    assert_allclose(r, names["agreed"].loc["pearson_r", "estimate"], rtol=1e-12)


def test_own_hands_04():
    names = played("04_finding_1")
    told = claim(names["rows"], "unrelated_pretreatment", "as_published", "client")
    fit = names["fit"]
    assert_allclose([fit.rsquared, fit.f_pvalue], [told["estimate"], told["p_value"]], rtol=1e-9)
    assert fit.nobs == told["n"]


def test_own_hands_05():
    names = played("05_finding_2")
    told = claim(names["rows"], "caseload_difficulty", "nested")
    # each stops climbing the restricted likelihood where it finds it flat enough
    assert_allclose(names["fit"].params["caseload_difficulty"], told["estimate"], atol=1e-3)


def test_own_hands_06():
    names = played("06_finding_3")
    told = claim(names["rows"], "other_outcomes", "as_published")
    fit = names["fit"]
    assert_allclose([fit.rsquared, fit.f_pvalue], [told["estimate"], told["p_value"]], rtol=1e-9)


def test_own_hands_07():
    names = played("07_finding_4")
    told = names["ladder"].coefficients.query("family == 'poisson' and term == 'alliance'").iloc[0]
    fit = names["fit"]
    assert_allclose(np.exp(fit.params["alliance"]), told["rate_ratio"], rtol=1e-6)
    assert 0.9 < fit.bse["alliance"] / told["std_error"] < 1, "what CR2 corrects"


def test_own_hands_08():
    names = played("08_halo")
    told = claim(names["rows"], "independent_raters", "as_published")
    assert_allclose(names["r"], told["estimate"], rtol=1e-9)


def test_own_hands_09():
    names = played("09_summary")
    card = then_and_now(names["rows"], names["rules"]).frame
    for analysis, counted in names["counts"].iterrows():
        assert card[analysis].value_counts().to_dict() == counted[counted > 0].to_dict()


def test_planning_runs_by_itself_and_own_hands_11(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    few = {"case_managers": "20, 40", "clients": "1, 8"}  # five designs of twenty
    few |= {"later_case_managers": "8", "later_clients": "6", "sessions": "6"}
    names = played("11_planning", **few)
    told = names["once"].rates.query("case_managers == 40 and clients == 1 and truth == 'assumed'")
    # a tenth of the clients is missing, and six variables are held constant
    assert names["power"] - 0.15 < told["supported"].item() < names["power"] + 0.05
    assert not list(tmp_path.iterdir()), "with `out` empty nothing is written"


def test_every_notebook_runs(shipped_run):
    assert [(r.notebook, r.error_message) for r in shipped_run.failed] == []
    assert [r.notebook for r in shipped_run.records] == NAMES


def test_what_a_run_writes(shipped_run):
    for name in ("report.html", "findings.csv", "cleaning_log.csv", "dyads.parquet", "run.json"):
        assert (shipped_run.out / name).stat().st_size > 0
    assert {p.stem for p in (shipped_run.out / "notebooks").glob("*.ipynb")} == set(NAMES)
    assert len(list((shipped_run.out / "figures").glob("*.png"))) >= 10
    assert not list(shipped_run.out.rglob(".*.part")), "a part of a file was left behind"
    findings = pd.read_csv(shipped_run.out / "findings.csv", dtype={"finding": str})
    assert list(findings.columns) == COLUMNS
    log = pd.read_csv(shipped_run.out / "cleaning_log.csv")
    assert list(log.columns) == ["table", "row", "column", "before", "after", "rule"]
    about = json.loads((shipped_run.out / "run.json").read_text())
    assert {"parameters", "seed", "versions", "inputs_sha256", "notebooks"} <= set(about)
    known = ("run.json", LIST)
    files = [p for p in shipped_run.out.rglob("*") if p.is_file() and p.name not in known]
    assert about["files"] == {
        p.relative_to(shipped_run.out).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in files
    }


def test_executed_notebooks_warn_of_nothing(shipped_run):
    for path in (shipped_run.out / "notebooks").glob("*.ipynb"):
        streams = [
            o.text
            for c in code(nbformat.read(path, as_version=4))
            for o in c.outputs
            if o.output_type == "stream"
        ]
        assert not streams, (path.stem, streams)


def test_the_figure_of_rate_ratios_draws_no_slopes(tmp_path):
    given = {"scenario": "hospital_effect", "seed": 1, "out": str(tmp_path)}
    done = run_notebook(NOTEBOOKS / "07_finding_4.ipynb", tmp_path / "out.ipynb", given)
    assert done.status == "done"
    rows = pd.read_csv(tmp_path / "tables" / "finding_4.csv")
    assert rows.loc[rows["analysis"] == "as_1995", "estimate"].notna().any(), "days are entered"
    outputs = [o for c in code(nbformat.read(tmp_path / "out.ipynb", 4)) for o in c.outputs]
    assert not [o.text for o in outputs if o.output_type == "stream"]
    alts = [o.metadata["image/png"]["alt"] for o in outputs if "image/png" in o.get("data", {})]
    (shown,) = [alt for alt in alts if "Shaded: 0.8 to 1.25" in alt]
    assert "dyads independent" in shown and "1995" not in shown


NAMED = {*COLUMN_WORDS.values(), *VALUE_WORDS.values()}
CODE_NAMES = {*COLUMN_WORDS, *VALUE_WORDS, *read_stress()} - {"any", "count", "client"}


@pytest.mark.parametrize("name", NAMES)
def test_what_the_text_names_is_on_the_page(name, shipped_run):
    """Each table that is saved is shown; columns and analyses have the names that are printed."""
    cells = nbformat.read(shipped_run.out / "notebooks" / f"{name}.ipynb", as_version=4).cells
    page = ""
    for cell in (c for c in cells if c.cell_type == "code"):
        outputs = [o.get("data", {}) for o in cell.outputs]
        html = [data.get("text/html", "") for data in outputs]
        page += " ".join([*html, *(data.get("text/plain", "") for data in outputs)])
        if "parameters" not in tags(cell):
            tables = [h for h in html if "alliance-table" in h or h.endswith(": none.</p>")]
            assert len(tables) == cell.source.count("save_table("), cell.source
    text = "\n".join(c.source for c in cells if c.cell_type == "markdown")
    named = [n for n in re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", text) if n in NAMED]
    assert [n for n in named if n not in page] == []
    assert not CODE_NAMES & set(re.findall(r"`(\w+)`", text)), "names that no table prints"


def test_every_figure_has_alt_text(shipped_run):
    for path in (shipped_run.out / "notebooks").glob("*.ipynb"):
        for cell in code(nbformat.read(path, as_version=4)):
            for output in cell.outputs:
                if "image/png" in output.get("data", {}):
                    assert len(output.metadata["image/png"]["alt"]) > 40, path.stem


def test_synthetic_is_said_everywhere(shipped_run):
    for path in (shipped_run.out / "notebooks").glob("*.ipynb"):
        assert "Synthetic data" in path.read_text("utf-8"), path.stem
    assert "Synthetic data" in (shipped_run.out / "report.html").read_text("utf-8")


def test_the_report_asks_no_other_host(shipped_run):
    html = (shipped_run.out / "report.html").read_text("utf-8")
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?:https?:)?//""", html)
    assert "@import" not in html
    assert html.count("<h1") == 1


def test_one_worker_gives_the_same_bytes(shipped_run, tmp_path):
    tellers = ("09_summary", "robustness_specifications", "robustness_stress")  # of the findings
    others = {name: "Tells no finding." for name in NAMES if name not in tellers}
    alone = run_sequence({}, tmp_path / "alone", jobs=1, skip=others)

    def digest(folder: Path) -> str:
        return hashlib.sha256((folder / "findings.csv").read_bytes()).hexdigest()

    assert digest(alone.out) == digest(shipped_run.out)


def test_plain_papermill_from_another_directory(tmp_path):
    notebook = NOTEBOOKS / "03_alliance_agreement.ipynb"
    command = [sys.executable, "-m", "papermill", str(notebook), str(tmp_path / "out.ipynb")]
    command += ["-p", "scenario", "halo", "-p", "seed", "3", "--no-progress-bar"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["out.ipynb"], "with `out` empty nothing else"
    (own,) = [c for c in code(nbformat.read(tmp_path / "out.ipynb", 4)) if OWN in tags(c)]
    shown = [set(o.get("data", {})) for o in own.outputs]
    assert {"image/png", "text/plain"} in shown, "the reader's own figure, after the kit's"


def test_an_error_meant_for_the_reader_is_one_message_in_a_kernel():
    """Another keeps its traceback; name and value stay what runs read."""
    sources = (
        "from alliance_helpers import agreement\nagreement([1.0, 2], [1.0, 3])",
        "[][0]",
    )
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, kernel_name="python3", allow_errors=True).execute()
    ours, other = (cell.outputs[-1] for cell in cells)
    message = "2 complete rows: at least 4 are needed."
    assert (ours.ename, ours.evalue) == ("NotEstimableError", message)
    assert ours.traceback == [f"NotEstimableError: {message}"]
    assert "Traceback" in "".join(other.traceback)
