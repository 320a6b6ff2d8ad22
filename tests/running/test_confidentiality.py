"""What a run on real records leaves behind: no id, no date, no single value of a person."""

import base64
import json
import re
import shutil
import subprocess
from html import unescape
from itertools import combinations

import nbformat
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from make_notebook import make_notebook

from alliance_helpers.cohorts.cohort import open_cohort
from alliance_helpers.errors import ParameterError
from alliance_helpers.pages.report import write_report
from alliance_helpers.pages.table_one import table_one
from alliance_helpers.paths import CODEBOOK, NOTEBOOKS, RAW, ROOT, at, homeless
from alliance_helpers.running.batch import run_batch
from alliance_helpers.running.cli import main
from alliance_helpers.running.plan import plan_of
from alliance_helpers.running.runner import main_notebooks, run_notebook
from alliance_helpers.running.sequence import checked_study, refuse_subtraction, run_sequence
from alliance_helpers.study.load import load_study

LONG = ("robustness_specifications", "robustness_stress")
USER, HOST, OLDEST = "zqneale", "zqhost", "97"
READ = {}  # each study, once


@pytest.fixture(scope="module")
def own_names(tmp_path_factory):
    """Who runs it, and where, for this process and those that it starts."""
    tmp_path_factory.getbasetemp()  # is called as who runs the tests
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOGNAME", USER)
        patch.setattr("platform.node", lambda: HOST)
        yield


@pytest.fixture(scope="module")
def real(tmp_path_factory, own_names):
    """What an intruder looks for: the shipped tables, declared to be real.

    Ids that stand nowhere else, a site of four, a diagnosis of two, one client far older than the
    others, few without a rating; in a folder elsewhere that is called as its user and machine.
    """
    study = tmp_path_factory.mktemp("real") / HOST / USER / "study"
    shutil.copytree(RAW, study)
    (study / "truth.csv").unlink()
    book = CODEBOOK.read_text("utf-8").replace("synthetic: true", "synthetic: false")
    (study / "codebook.yml").write_text(book, encoding="utf-8")
    read = {"dtype": str, "keep_default_na": False}
    tables = {path: pd.read_csv(path, **read) for path in study.glob("*.csv")}
    clients = tables[study / "client_interviews.csv"]
    gone = clients.loc[clients["site"] == "Site 01", "client_id"].iloc[
        3:
    ]  # another is spelled otherwise
    clients["diagnosis"] = clients["diagnosis"].replace("other", "mood disorder")
    clients.loc[[10, 20], "diagnosis"] = "other"
    clients.loc[50, "client_age"] = OLDEST
    clients.loc[60:63, clients.columns.str.startswith("wai_c")] = ""
    for path, table in tables.items():
        table = table[~table["client_id"].isin(gone)] if "client_id" in table else table
        ids = {c: "zq" + table[c] + "qz" for c in {"client_id", "case_manager_id"} & set(table)}
        table.assign(**ids).to_csv(path, index=False)
    return study


@pytest.fixture(scope="module")
def results(real):
    """Everything that a run on it writes."""
    out = real.parents[1] / "out"
    run = run_sequence({"data": str(real)}, out, jobs=2, skip=dict.fromkeys(LONG, "Too long here."))
    assert [r.error_message for r in run.failed] == []
    return out


@pytest.fixture(scope="module")
def shown(real):
    """What two notebooks write where single values may be seen."""
    values = {"data": str(real), "show_rows": True}
    skip = {p.stem: "Not needed." for p in main_notebooks() if p.stem[:2] not in ("01", "03")}
    return run_sequence(values, real.parents[1] / "shown", jobs=2, skip=skip).out


def asked(folder, real, name, **values):
    """A grid on the real study."""
    grid = {"data": [str(real)]} | values
    (folder / f"{name}.yml").write_text(json.dumps({"parameters": grid}))
    return folder / f"{name}.yml"


@pytest.fixture(scope="module")
def subgroups(real):
    """Everything that batches over its subgroups write; the findings are the same of each `by`."""
    parts, out = {"without": ["", "site=Site 03"]}, real.parents[1] / "batches"
    groups = {"by": ["site", "site_type", "diagnosis"]} | parts
    part = {"without": [parts["without"][1]]}
    for name, more, runs in (("02_descriptives", groups, 6), ("09_summary", part, 1)):
        grid = asked(real.parents[1], real, name, **more)
        done = run_batch(grid, out / name, 1, keep="all", notebooks=[name])
        assert (done.done, done.runs) == (runs, runs)
    return out


@pytest.fixture(scope="module")
def failed(real):
    """Everything that a batch leaves whose notebook fails, and quotes what it came across."""
    folder = real.parents[1] / "notebooks"
    folder.mkdir()
    code = (
        "import pandas as pd\nt = pd.read_csv(data + '/client_interviews.csv', dtype=str)\n"
        "print(t['client_id'][0], file=__import__('sys').stderr)\nfloat(t['client_id'][1])"
    )
    parameters = 'data: str = ""\nout: str = ""'
    make_notebook(folder / "10_fails.ipynb", code, parameters=parameters)
    grid = real.parents[1] / "fails.yml"
    grid.write_text(json.dumps({"runs": [{"data": str(real)}]}))
    done = run_batch(grid, real.parents[1] / "failed", 1, folder=folder)
    assert done.failed == 1
    return done.out


@pytest.fixture(scope="module")
def said(real, tmp_path_factory):
    """What commands print of the study, and its draft codebook."""
    folder, printed = tmp_path_factory.mktemp("said"), CliRunner()
    (folder / "bare").mkdir()
    for path in real.glob("*.csv"):
        shutil.copy(path, folder / "bare")
    where = ["--data", str(real)]
    draft = ["describe", str(folder / "bare")]
    for number, command in enumerate((["check", *where], ["check", "--json", *where], draft)):
        (folder / f"{number}.txt").write_text(printed.invoke(main, command).output, "utf-8")
    shutil.rmtree(folder / "bare")
    return folder


@pytest.fixture(params=["results", "subgroups", "failed", "said"])
def left(request):
    """Each of these folders in turn."""
    return request.getfixturevalue(request.param)


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


def test_no_id_of_a_person(left):
    assert [name for name, text in texts(left) if re.search(r"zq[CM]\d+qz", text)] == []


def test_no_date_of_a_person(real, left):
    episodes = pd.read_csv(real / "hospital_episodes.csv", dtype=str)
    dates = set(episodes["admission"]) | set(episodes["discharge"].dropna())
    found = {n: dates & set(re.findall(r"\d{4}-\d{2}-\d{2}", t)) for n, t in texts(left)}
    assert {name: some for name, some in found.items() if some} == {}


def test_no_name_of_who_ran_it_or_where(left):
    assert [n for n, t in texts(left) if re.search(rf"{USER}|{HOST}", t, re.IGNORECASE)] == []


def test_no_letters_of_a_picture_are_a_name(monkeypatch):
    """Base64 holds each short name now and then, also between strokes."""
    monkeypatch.setattr("platform.node", lambda: "vm")
    said = '"/mnt/{0}/study", "image/png": "{1}", "/srv/{0}"'
    picture = "iVBOR77//vm/wL7bY" * 100
    assert homeless(said.format("vm", picture)) == said.format("$HOST", picture)


def test_what_a_run_says_of_its_study_leads_there_again(real, results):
    about = json.loads((results / "run.json").read_text("utf-8"))["parameters"]["data"]
    assert "$USER" in about
    assert at(about) == real
    write_report(results)


def test_nobody_stands_out_in_a_number(results):
    """The one far older than the others, as an extreme of a table or in a figure's text."""
    tables = [pd.read_csv(p, dtype=str) for p in (results / "tables").glob("*.csv")]
    rows = [row for t in tables if "term" in t for row in t[t["term"] == "client_age"].to_numpy()]
    assert len(rows) > 2
    assert not [row for row in rows if {OLDEST, f"{OLDEST}.0"} & set(map(str, row))]
    told = re.findall(r'alt="([^"]*)"', (results / "report.html").read_text("utf-8"))
    assert len(told) > 10
    assert not [text for text in told if re.search(rf"\b{OLDEST}\b(?! %)", text)]


def test_what_is_printed_does_not_tell_how_old_the_oldest_is(said):
    told = [path.read_text("utf-8") for path in said.glob("*.txt")]
    assert any("client_age: {type: integer, range: [" in text for text in told)
    assert not [text for text in told if re.search(rf"\b{OLDEST}\b", text)]


def test_the_log_hides_values(results):
    log = pd.read_csv(results / "cleaning_log.csv", dtype=str, keep_default_na=False)
    assert len(log) > 50
    assert set(log["before"]) | set(log["after"]) <= {"hidden", ""}


def test_no_table_of_dyads(results):
    assert not (results / "dyads.parquet").exists()
    rows = {p.name: len(pd.read_csv(p)) for p in (results / "tables").glob("*.csv")}
    assert not [name for name, n in rows.items() if n > 150], rows


def test_clouds_of_single_dyads_are_not_drawn(results, shown):
    cloud, hidden = (
        (folder / "figures" / "agreement_scatter.png").read_bytes() for folder in (shown, results)
    )
    assert base64.b64encode(cloud) != base64.b64encode(hidden)


def test_shown_only_when_asked(shown):
    assert (shown / "dyads.parquet").exists()
    log = pd.read_csv(shown / "cleaning_log.csv", dtype=str, keep_default_na=False)
    assert "-9" in set(log["before"])


def numbers_of_people(folder) -> set[int]:
    """Every n in a table, or told in words."""
    found = set()
    for path in folder.rglob("*.csv"):
        table = pd.read_csv(path)
        for told in {"n", "n_effective"} & set(table) if "n" in table else ():
            whole = table[told][table[told] % 1 == 0]
            found |= {*whole.astype(int)}
    for name, text in texts(folder):
        if name == "batch.html":  # whose n are runs
            continue
        told = re.findall(r"\bn (?:= )?(\d+)|(\d+) (?:dyads|clients)\b", text)
        found |= {int(one or other) for one, other in told}
    return found


def test_no_count_of_fewer_than_five_by_subtraction(real, results, subgroups):
    """Two results of a run that are of nearly the same people; Table 1's `<5` beside them."""
    one = pd.read_csv(results / "tables" / "table_1.csv", dtype=str, keep_default_na=False)
    assert (one["missing"] == "<5").any()
    numbers = numbers_of_people(results) | numbers_of_people(subgroups)
    assert len(numbers) > 6
    assert [(a, b) for a, b in combinations(sorted(numbers), 2) if b - a < 5] == []
    for table in ("tables", "cleaning", "attrition"):
        known = pd.read_csv(results / "tables" / f"{table}.csv").select_dtypes("number")
        counts = known[[c for c in known if "n_" in c or c.startswith(("rows", "values"))]]
        assert not counts.isin([1, 2, 3, 4]).any().any(), table
        assert (
            not (len(pd.read_csv(real / "client_interviews.csv")) - counts)
            .isin([1, 2, 3, 4])
            .any()
            .any()
        )


def tables_one(folder) -> list[pd.DataFrame]:
    """Table 1 of each run of a batch, as its notebook shows it."""
    found = []
    for path in sorted(folder.glob("*/notebooks/*/02_*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        pages = [
            o.data.get("text/html", "") for c in cells for o in c.get("outputs", ()) if "data" in o
        ]
        page = next(p for p in pages if "Who took part" in p)
        rows = [
            [unescape(re.sub("<.*?>", "", cell)) for cell in re.findall("<t[hd].*?</t[hd]>", row)]
            for row in re.findall("<tr>.*?</tr>", page)
        ]
        found.append(pd.DataFrame(rows[1:], columns=rows[0]).set_index("Variable"))
    return found


def test_no_small_group_from_the_tables_of_a_batch(real, subgroups):
    """Sizes of groups as unknowns, every number that is shown as an equation: none is solved."""
    dyads = open_cohort(str(real)).dyads
    every = dyads.groupby(["site", "site_type", "diagnosis"]).size().reset_index(name="size")
    equations, small, shares = [], [], 0
    for run, table in enumerate(tables_one(subgroups)):
        by = ("site", "site_type", "diagnosis")[run // 2]
        part = every["site"] != ("Site 03" if run % 2 else "")
        for group, cell in table.loc["Dyads"].drop(["Level", "Missing"]).items():
            inside = part & ((every[by].str.lower() == group.lower()) | (group == "Overall"))
            exact = run % 2 == 0 or group == "Overall"  # those of a part of the study are rounded
            if cell.isdigit() and exact:
                assert int(cell) == every.loc[inside, "size"].sum()
                equations.append(inside)
            elif cell.isdigit():
                assert int(cell) % 5 == 0
                told = table[group].str.extract(r"^(\d+) \((\d+) %\)$").dropna().astype(int)
                assert told[1].tolist() == [round(100 * n / int(cell)) for n in told[0]]
                shares += len(told)
            if 0 < every.loc[inside, "size"].sum() < 5:
                assert not cell.isdigit()
                small.append(inside)
    known = np.array(equations, float)
    rank = np.linalg.matrix_rank(known)
    assert len(small) >= 2
    assert shares >= 2
    for group in small:
        assert np.linalg.matrix_rank(np.vstack([known, group])) > rank


def test_degrees_of_freedom_fit_the_number_that_is_told(results):
    """With the number of terms they would tell how many have no value; those of groups stay."""
    of_blocks, of_groups = 0, set()
    for path in (results / "tables").glob("*.csv"):
        table = pd.read_csv(path)
        if "df2" in table:
            models = table.groupby(table.get("outcome", table["block"] != ""))
            terms = models["df1"].cumsum() + 1
            assert (table["n"] - terms == table["df2"]).all(), path.name
            of_blocks += len(table)
        elif "df" in table and "n" not in table:
            assert ((193 - (table["df"] + len(table))) % 5 == 0).all(), path.name
        elif "df" in table:
            whole = table["df"][(table["df"] % 1 == 0) & (table["df"] < table["n"] / 2)]
            of_groups |= {*whole} if path.stem == "finding_1" else set()
    assert of_blocks > 5
    managers = pd.read_csv(results / "tables" / "one_with_many.csv")["n_groups"]
    assert of_groups == {managers[0] - 1}


def test_those_who_lack_a_rating_are_not_counted_beside_those_who_lack_one(results):
    """Who lacks either rating, less who lacks the one, would be how few lack the other."""
    read = {"dtype": str, "keep_default_na": False, "index_col": "variable"}
    one, attrition = (pd.read_csv(results / "tables" / f"{n}.csv", **read)
                      for n in ("table_1", "attrition"))  # fmt: skip
    every, lack, rest = attrition.loc["Dyads", ["Overall", "a rating missing", "every rating"]]
    assert int(every) == int(lack) + int(rest)
    ratings = one.loc[one.index.str.startswith("Alliance"), "missing"]
    assert sorted(ratings) == ["7", "<5"]
    rounded = 2 * (int(lack) % 5 == 0)
    sizes = range(int(lack) - rounded, int(lack) + rounded + 1)
    assert len([n for n in range(1, 5) if any(7 <= size <= 7 + n for size in sizes)]) > 1


@pytest.mark.parametrize("left_out", ["site=Site 01", "site=Site 02", "diagnosis=other"])
def test_cohorts_that_would_tell_of_few_by_subtraction_are_refused(
    left_out, real, tmp_path, read_once
):
    """A small site, the one whose size hides it, or two cohorts of a batch that differ by few."""
    with pytest.raises(ParameterError, match="fewer than 5 people by subtraction"):
        run_sequence({"data": str(real), "without": left_out}, tmp_path / "out")
    site = "site=Site 03"
    grid = asked(tmp_path, real, "grid", without=[site, f"{site}; {left_out}"])
    with pytest.raises(ParameterError, match="fewer than 5 people by subtraction"):
        run_batch(grid, tmp_path / "out", 1)
    assert not (tmp_path / "out").exists()
    refuse_subtraction([{"data": str(real), "without": left_out, "show_rows": True}])


def test_a_cohort_that_leaves_few_between_it_and_tables_is_refused(tmp_path, read_once):
    shutil.copytree(RAW, tmp_path / "study")
    book = CODEBOOK.read_text("utf-8").replace("synthetic: true", "synthetic: false")
    (tmp_path / "study" / "codebook.yml").write_text(book, encoding="utf-8")
    runs = [{"data": str(tmp_path / "study"), "without": left_out} for left_out in
            ("", "site=Site 02", "sex=female", "site=Site 02; sex=female")]  # fmt: skip
    refuse_subtraction(runs[:3])
    with pytest.raises(ParameterError, match="fewer than 5 people by subtraction"):
        refuse_subtraction(runs[3:])  # all, less the site, less its women, and those of both


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"without": "client_id=C001"}, "without names client_id, which would tell"),
        ({"without": "intake_date=1988"}, "without names intake_date, which would tell"),
        ({"min_cell": 1}, "min_cell is 1: of real people at least 5 are counted together"),
    ],
)
def test_parameters_single_out_nobody(real, tmp_path, asked, said, read_once):
    with pytest.raises(ParameterError, match=said) as refused:
        checked_study({"data": str(real), **asked})
    assert not re.search(r"C\d{3}|19\d\d", str(refused.value).replace("C001", ""))
    if "min_cell" in asked:
        grid = tmp_path / "grid.yml"
        grid.write_text(f"parameters: {{data: ['{real}'], min_cell: [1]}}\nnotebooks: ['02']")
        with pytest.raises(ParameterError, match=said):
            run_batch(grid, tmp_path / "out", 1)
        checked_study({"data": str(real), **asked, "show_rows": True})


def test_spellings_of_names_do_not_stand_in_the_plan(tmp_path):
    shutil.copytree(RAW, tmp_path / "study")
    text = CODEBOOK.read_text("utf-8")
    one = "case_manager_id: {type: id"
    assert one in text
    spelled = f"{one}, values: {{'SCHMIDT, Anna': Anna Schmidt}}"
    (tmp_path / "study" / "codebook.yml").write_text(text.replace(one, spelled), "utf-8")
    assert "Schmidt" not in json.dumps(plan_of({"data": str(tmp_path / "study")}))


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
