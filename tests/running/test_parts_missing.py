"""Studies that lack parts, or hold what cannot be estimated: each run comes to its end."""

import re
from copy import deepcopy
from html import escape

import matplotlib
import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml

from alliance_helpers.cohorts.courses import courses, draw_sessions
from alliance_helpers.cohorts.simulate import simulate_study
from alliance_helpers.drafting.draft import describe
from alliance_helpers.errors import DataError
from alliance_helpers.pages.report import without_findings
from alliance_helpers.paths import CODEBOOK
from alliance_helpers.paths import DATA as DATA_FOLDER
from alliance_helpers.running.runner import main_notebooks, not_estimable, run_notebook
from alliance_helpers.running.sequence import (
    checked_study,
    refuse_without_claims,
    run_sequence,
    skipped,
)

BOOK = yaml.safe_load(CODEBOOK.read_text("utf-8"))
LEFT = {"skip-execution", "explorer"}
matplotlib.use("agg")


def without(book, *names):
    """A codebook without these scales, days, derived variables and what is made of them."""
    for part in ("scales", "days", "derived", "informants"):
        for name, entry in list(book.get(part, {}).items()):
            if name in names or entry.get("alliance") in names or entry.get("from") in names:
                del book[part][name]
    for block, terms in book["blocks"].items():
        book["blocks"][block] = [t for t in terms if t not in names]
    book["blocks"] = {block: terms for block, terms in book["blocks"].items() if terms}


def ignored(book, column):
    """No table says who or where any more."""
    for table in book["tables"].values():
        if table["variables"].pop(column, None):
            table.setdefault("ignore", []).append(column)


def no_case_managers(book):
    del book["study"]["case_manager"], book["tables"]["case_managers"]
    without(book, *BOOK["blocks"]["treatment"], "case_manager_experience")
    ignored(book, "case_manager_id")


def no_sites(book):
    del book["study"]["site"]
    ignored(book, "site")


def no_episodes(book):
    del book["tables"]["hospital_episodes"]
    without(book, "hospital_days", "hospital_days_before")


PARTS = {
    "client": lambda b: without(b, "client_alliance"),
    "case manager": lambda b: without(b, "case_manager_alliance"),
    "case managers": no_case_managers,
    "sites": no_sites,
    "days": lambda b: without(b, "hospital_days"),
    "episodes": no_episodes,
    **{block: lambda b, block=block: b["blocks"].pop(block) for block in BOOK["blocks"]},
    **{
        term: lambda b, term=term: without(b, term)
        for block in ("pretreatment", "outcome")
        for term in BOOK["blocks"][block]
    },
    "items": lambda b: b["scales"].get("living_skills", {}).update(items="living_{1..3}"),
}


def constant(tables):
    tables["client_interviews"][[f"outcome_c_{i}" for i in range(1, 5)]] = 3


def identical(tables):
    forms = tables["case_manager_forms"].set_index("client_id")
    for i in range(1, 37):
        own = tables["client_interviews"].set_index("client_id")[f"wai_c_{i:02d}"]
        forms[f"wai_cm_{i:02d}"] = own.reindex(forms.index)
    tables["case_manager_forms"] = forms.reset_index()


def one_stay(tables):
    tables["hospital_episodes"] = tables["hospital_episodes"].iloc[:1]


DATA = {"constant": constant, "identical": identical, "one stay": one_stay}


def made(seed, folder):
    """A study with parts left out, at random."""
    rng = np.random.default_rng(seed)
    book = deepcopy(BOOK)
    parts = rng.choice(list(PARTS), rng.integers(1, 6), replace=False).tolist()
    for part in parts:
        try:
            PARTS[part](book)
        except KeyError:
            continue  # gone with another part
    study = simulate_study(n_clients=int(rng.choice([8, 30, 60])), seed=seed)
    for name in rng.choice(list(DATA), rng.integers(0, 2), replace=False):
        DATA[name](study.tables)
        parts.append(str(name))
    for name, table in study.tables.items():
        if name in book["tables"]:
            table.to_csv(folder / f"{name}.csv", index=False)
    (folder / "codebook.yml").write_text(yaml.safe_dump(book, sort_keys=False), "utf-8")
    return parts


def executed(path, values):
    """A notebook's code run here, as a kernel would run it; what could not be estimated."""
    names, lacking, told = {}, {}, []
    for cell in nbformat.read(path, as_version=4).cells:
        tags = set(cell.metadata.get("tags", []))
        if cell.cell_type != "code" or tags & LEFT:
            continue
        try:
            exec(compile(cell.source, path.stem, "exec"), names)
        except Exception as error:
            told.append(not_estimable(cell.source, type(error).__name__, str(error), lacking))
            if not told[-1]:
                raise
        if "parameters" in tags:
            names |= {k: v for k, v in values.items() if k in names}
    return told


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.filterwarnings("ignore")
def test_comes_to_its_end(seed, tmp_path, monkeypatch, read_once):
    monkeypatch.setenv("ALLIANCE_UNSEEN", "1")
    parts = made(seed, tmp_path)
    values = {"data": str(tmp_path), "out": str(tmp_path / "out"), "n_perm": 19}
    if {"client", "case manager"} <= set(parts):
        with pytest.raises(DataError, match="rating"):
            checked_study({"data": str(tmp_path)})
        return
    gone = skipped(checked_study({"data": str(tmp_path)}).codebook)
    assert all(reason.startswith("The study has no") for reason in gone.values())
    notebooks = [path for path in main_notebooks() if path.stem not in gone]
    quick = [path for path in notebooks if not path.stem.startswith("robustness")]
    path = quick[seed % len(quick)]  # each in turn
    executed(path, values)
    assert list((tmp_path / "out").rglob("*.csv"))


def test_a_draft_of_sessions_goes_to_the_report_without_a_claim(tmp_path):
    """Three ids, twelve items and an outcome a session: the report asks both ways."""
    frame, rng = draw_sessions(courses()["sessions_effect"], 60, seed=3), np.random.default_rng(3)
    ids = frame.iloc[:, :3].set_axis(["patient", "therapist", "session"], axis=1)
    level = 1 + (frame.pop("client_alliance").to_numpy()[:, None] - 1) * 2 / 3
    items = np.clip(np.round(level + rng.normal(size=(len(frame), 12))), 1, 5).astype(int)
    table = ids.assign(**{f"wai_{k + 1}": items[:, k] for k in range(12)})
    data = tmp_path / "data"
    data.mkdir()
    table.assign(phq=frame["symptoms"].round()).to_csv(data / "sessions.csv", index=False)
    (data / "codebook.yml").write_text(describe(data / "sessions.csv"), "utf-8")
    asked = {"data": str(data)}
    refuse_without_claims(checked_study(asked), asked)
    skip = {p.stem: "Not needed." for p in main_notebooks() if p.stem[:2] not in ("01", "09", "10")}
    run = run_sequence(asked, tmp_path / "out", skip=skip)
    assert run.failed == [] and run.card is None
    said = without_findings(run.out)
    assert "Alliance, patient's rating, if higher, comes before lower phq (as found): " in said
    page = (run.out / "report.html").read_text("utf-8")
    assert escape(said) in page and "<h1>The working alliance: every claim</h1>" in page
    assert not (run.out / "tables" / "recovery.csv").exists()  # of claims that it cannot be put to
    # claims of one's own that cannot be put to it are no reason to ask something else
    claim = "{finding: '1', claim: other, kind: within, informant: client, from: mood, to: phq}"
    (data / "findings.yml").write_text(f"claims: [{claim}]")
    with pytest.raises(DataError, match="none of the 1 claims; they ask for variable 'mood'"):
        refuse_without_claims(checked_study(asked), asked)
    (data / "findings.yml").unlink()
    text = (data / "codebook.yml").read_text("utf-8")
    (data / "codebook.yml").write_text(text.replace("  outcome: [phq]\n", ""), "utf-8")
    with pytest.raises(DataError, match="none of the 22 claims"):
        refuse_without_claims(checked_study(asked), asked)


PAGE = (DATA_FOLDER / "CODEBOOK.md").read_text("utf-8")
SMALLEST = re.search(r"```yaml\n(.*?)```", PAGE, re.S)[1]


@pytest.mark.filterwarnings("ignore")
def test_the_smallest_study_and_a_constant_outcome(tmp_path):
    """No claim can be put to it, and each of its pages says so."""
    answers = np.random.default_rng(1).integers(1, 6, (8, 12))
    table = pd.DataFrame(answers, columns=[f"wai_{i}" for i in range(1, 13)])
    table.assign(patient=[f"P{i}" for i in range(8)], depression=20).to_csv(
        tmp_path / "patients.csv", index=False
    )
    (tmp_path / "codebook.yml").write_text(SMALLEST, "utf-8")
    gone = skipped(checked_study({"data": str(tmp_path)}).codebook)
    said = []
    for path in (path for path in main_notebooks() if path.stem not in gone):
        said += executed(path, {"data": str(tmp_path)})
    said = "\n".join(said)
    assert "'depression' has the same value" in said
    assert "Finding 3 terms: not estimable, since" in said
    assert "no claim has a specification that can be" in said
    assert "no claim can be put to this study" in said


def notebook_of(folder, *sources):
    cells = [nbformat.v4.new_code_cell('out: str = ""', metadata={"tags": ["parameters"]})]
    cells += [nbformat.v4.new_code_cell(source) for source in sources]
    meta = {"kernelspec": {"name": "python3", "display_name": "p", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=meta), folder / "01_n.ipynb")
    return folder / "01_n.ipynb"


def test_a_page_survives_what_cannot_be_estimated_and_nothing_else(tmp_path):
    first = (
        "from alliance_helpers.errors import NotEstimableError as E\n"
        "def fail(error): raise error('x has one value.')"
    )
    fails = 'a, b = fail(E)\nsave_table(a, "some_table")'
    lives = notebook_of(tmp_path, first, fails, "c = a.fit", "print(c)", "print('on')")
    record = run_notebook(lives, tmp_path / "ran.ipynb", {})
    assert record.status == "done"
    cells = nbformat.read(tmp_path / "ran.ipynb", as_version=4).cells[-4:]
    told = "ot estimable, since x has one value."
    shown = [cell.outputs[0].get("text") or cell.outputs[0].data["text/plain"] for cell in cells]
    assert shown == [f"Some table: n{told}", f"N{told}", f"N{told}", "on\n"]
    for wrong, name in (("fail(KeyError)", "KeyError"), ("unheard_of", "NameError")):
        record = run_notebook(notebook_of(tmp_path, first, fails, wrong, "a"), None, {})
        assert (record.status, record.error_name, record.error_cell) == ("failed", name, 4)
