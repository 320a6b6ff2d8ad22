"""Parameters mean what they say: a mistyped one is refused at once, wherever it is given."""

import json

import pytest
from click.testing import CliRunner

import alliance_helpers
from alliance_helpers.errors import AllianceError
from alliance_helpers.paths import NOTEBOOKS, ROOT
from alliance_helpers.running.cli import main
from alliance_helpers.running.parameters import notebook_parameters
from alliance_helpers.running.runner import main_notebooks
from alliance_helpers.running.station import COLD_VARIABLE

WRONG = [
    ("05_finding_2", "outcome", "symptom", "did you mean 'symptoms'?"),
    ("06_finding_3", "outcome", "client_outcom", "did you mean 'client_outcome'?"),
    ("06_finding_3", "method", "stepwize", "method is 'stepwise' or 'enter'"),
    ("02_descriptives", "by", "sitetype", "did you mean 'site_type'?"),
    ("02_descriptives", "by", "client_id", "no column of categories"),
    ("02_descriptives", "min_cell", -1, "whole number of at least 0"),
    ("07_finding_4", "days", "nope", "known are hospital_days"),
    ("07_finding_4", "informant", "cliant", "did you mean 'client'?"),
    ("08_halo", "informant", "manager", "did you mean 'case_manager'?"),
    ("04_finding_1", "p_enter", 7.0, "both between 0 and 1"),
    ("04_finding_1", "claims", "nope.yml", "nope.yml"),
    ("03_alliance_agreement", "conf_level", 95.0, "between 0 and 1"),
    ("robustness_stress", "finding", "9", "choose one of 1, 2, 3, 4, halo"),
    ("robustness_specifications", "n_perm", -4, "whole number from 0"),
    ("02_descriptives", "without", "site=Site 99", "did you mean 'Site 09'?"),
    ("02_descriptives", "without", "sit=Site 09", "did you mean 'site'?"),
    ("02_descriptives", "without", "Site 09", "write it as column=value"),
    ("04_finding_1", "subscale", "bonds", "did you mean 'bond'?"),
    ("robustness_stress", "blocks", "pretreatment=client_agee", "did you mean 'client_age'?"),
    ("01_data_cleaning", "n_clients", 300, "Name a scenario too"),
    ("01_data_cleaning", "seed", 7, "Name a scenario too"),
]


READ = {}  # the shipped study, once


@pytest.fixture(autouse=True)
def no_kernels(monkeypatch, read_once):
    monkeypatch.setenv(COLD_VARIABLE, "1")


def alliance(*args):
    return CliRunner().invoke(main, [str(a) for a in args])


def refused(done, said):
    assert done.exit_code == 2, done.output
    assert said in done.stderr


@pytest.mark.parametrize(("notebook", "name", "value", "said"), WRONG)
def test_refused_by_run_and_by_batch_before_anything_is_written(
    notebook, name, value, said, tmp_path
):
    out = tmp_path / "out"
    of = () if name in ("n_clients", "seed") else ("-p", "scenario", "published")  # read sooner
    refused(alliance("run", "--out", out, *of, "-p", name, value), said)
    grid = tmp_path / "grid.yml"
    # a value that fits is no excuse for the one that does not
    good = {"seed": 1995, "n_clients": 201, "p_enter": 0.01}.get(name)
    values = [good, value] if good else [value]
    grid.write_text(json.dumps({"parameters": {name: values}}))
    refused(alliance("batch", grid, "--out", out, "--notebooks", notebook), said)
    assert not out.exists()


@pytest.mark.parametrize(("notebook", "name", "value", "said"), WRONG)
def test_refused_in_the_notebook_where_the_cohort_is_opened(notebook, name, value, said):
    """As in JupyterLab and under papermill: the cells up to the one that opens the cohort."""
    cells = json.loads((NOTEBOOKS / f"{notebook}.ipynb").read_text("utf-8"))["cells"]
    scope = {}
    with pytest.raises(AllianceError, match=said.replace("?", r"\?")):
        for cell in (c for c in cells if c["cell_type"] == "code"):
            source = "".join(cell["source"])
            exec(source, scope)
            if "parameters" in cell["metadata"].get("tags", ()):
                scope[name] = value
            if "open_cohort(" in source and "import" not in source:
                break


def test_what_is_usual_in_the_shipped_study_has_a_stand_in_elsewhere_unless_it_is_asked_for(
    tmp_path,
):
    rows = "".join(f"p{i},{i % 5},{i % 3},{i % 2}\n" for i in range(30))
    (tmp_path / "t.csv").write_text("id,x,mood,ward\n" + rows)
    (tmp_path / "codebook.yml").write_text(
        "study: {title: Small, client: id, site: ward}\n"
        "tables: {t: {file: t.csv, key: [id], variables: {id: {type: id}, x: {}, mood: {},\n"
        "  ward: {type: category}}}}\n"
        "informants: {client: {alliance: x}}\nblocks: {outcome: [mood]}\n"
    )
    dyads = alliance_helpers.open_cohort(str(tmp_path)).dyads
    asked = {"outcome": "symptoms", "by": "site_type", "informant": "case_manager"}
    assert alliance_helpers.choose(dyads, **asked) == ["mood", "ward", "client"]
    for name, value in asked.items():
        done = alliance("run", "--data", tmp_path, "--out", tmp_path / "o", "-p", name, value)
        refused(done, f"{name} is {value!r}")


@pytest.mark.parametrize("seed", [-5, 2**64])
def test_a_seed_that_no_table_can_hold_is_refused(seed, tmp_path):
    out = tmp_path / "out"
    refused(alliance("run", "--out", out, "-p", "scenario", "halo", "-p", "seed", seed), "seed is")
    (tmp_path / "grid.yml").write_text(f"parameters: {{scenario: [halo], seed: [1, {seed}]}}")
    refused(alliance("batch", tmp_path / "grid.yml", "--out", out), "seed is")
    assert not out.exists()


def test_every_parameter_is_listed_with_its_meaning_and_the_page_in_docs_is_the_list():
    listed = alliance("run", "--help-parameters").stdout
    page = (ROOT / "docs" / "PARAMETERS.md").read_text("utf-8")
    cells = [
        line
        for path in NOTEBOOKS.glob("[0-9r]*.ipynb")
        for c in json.loads(path.read_text("utf-8"))["cells"]
        if "parameters" in c["metadata"].get("tags", ())
        for line in "".join(c["source"]).replace("\n# ", " ").splitlines()
    ]
    assert len(cells) > 50
    for line in cells:
        declared, meaning = line.split("  # ")
        assert declared.split(" = ")[0] + " = " in page
        assert f"    {meaning}\n" in page
    assert listed in page


def test_papermill_alone_knows_the_same_parameters(caplog):
    """It warns of a line with two `=`, and does not know what stands there."""
    from papermill import inspect_notebook

    for path in main_notebooks():
        assert {*inspect_notebook(str(path))} == {*notebook_parameters(path)}
    assert caplog.messages == []
