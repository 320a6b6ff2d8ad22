"""Grids: what they mean, and how the wrong ones are refused."""

import pytest
from make_notebook import make_notebook

from alliance_helpers.errors import ParameterError
from alliance_helpers.running.parameters import (
    all_parameters,
    check_grid,
    parse_parameters,
    read_grid,
)

PARAMETERS = """\
seed: int = 1995  # seed
share: float = 0.5  # a share
scenario: str = "published"  # name
strict: bool = True  # a switch"""


@pytest.fixture
def declared(tmp_path):
    first = make_notebook(tmp_path / "01_first.ipynb", parameters=PARAMETERS)
    second = make_notebook(
        tmp_path / "02_second.ipynb", parameters="seed: int = 1\nscenario: str = ''"
    )
    return all_parameters([first, second])


def grid_of(tmp_path, text, yes=False):
    path = tmp_path / "grid.yml"
    path.write_text(text)
    return read_grid(path, yes)


def test_every_combination_then_the_further_runs(tmp_path, declared):
    grid = grid_of(
        tmp_path,
        "parameters:\n  seed: {from: 1, to: 2}\n  scenario: [a, b]\n  strict: true\n"
        "runs:\n  - {share: 1}\n",
    )
    check_grid(grid, declared)
    assert grid.runs == [
        {"seed": 1, "scenario": "a", "strict": True},
        {"seed": 1, "scenario": "b", "strict": True},
        {"seed": 2, "scenario": "a", "strict": True},
        {"seed": 2, "scenario": "b", "strict": True},
        {"share": 1},
    ]
    assert grid.names == ["seed", "scenario", "strict", "share"]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("{from: 1, to: 3}", [1, 2, 3]),
        ("{from: -1, to: 0}", [-1, 0]),
        ("{from: 5, to: 5}", [5]),
    ],
)
def test_the_end_of_a_range_belongs_to_it(tmp_path, text, values):
    grid = grid_of(tmp_path, f"parameters:\n  share: {text}\n")
    assert [run["share"] for run in grid.runs] == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1\n- 2", "is not a mapping"),
        ("", "is not a mapping"),
        ("parameters: [", "is not valid YAML"),
        ("!!python/object/apply:os.system [ls]", "uses the YAML tag"),
        ("parameters: {seed: 1}\nparameters: {seed: 2}", "'parameters' stands there twice"),
        ("params: {seed: [1]}", "no part 'params'"),
        ("parameters: {}", "names no parameters and no runs"),
        ("parameters: [seed]", "must map names to values"),
        ("runs: {seed: 1}", "list of mappings"),
        ("parameters: {seed: []}", "seed: the list is empty"),
        ("parameters: {seed: {from: 9, to: 1}}", "from 9 to 1 is empty"),
        ("parameters: {seed: {from: 1, to: 9, step: 2}}", "has the form"),
        ("parameters: {seed: {from: 1, until: 9}}", "has the form"),
        ("parameters: {seed: {from: a, to: 9}}", "'a' in the range is no whole number"),
        ("parameters: {seed: {from: 1, to: .inf}}", "inf in the range is no whole number"),
        (f"parameters: {{seed: {{from: 1, to: {10**30}}}}}", "too long"),
        ("parameters: {sead: [1]}", "No notebook takes a parameter 'sead'"),
        (
            "parameters: {seed: [1, two]}",
            "seed = 'two' is of type str; 01_first, 02_second expects",
        ),
        ("parameters: {seed: [1.5]}", "seed = 1.5 is of type float"),
        ("parameters: {scenario: [no]}", "scenario = False is of type bool"),
        ("parameters: {scenario: [2024-01-01]}", "is of type date"),
        ("parameters: {seed: [true]}", "seed = True is of type bool"),
        ("parameters: {out: [x]}", "cannot set out"),
        ("parameters: {seed: [1, 1]}", "{'seed': 1} is there twice"),
        ("parameters: {seed: [1, 2]}\nruns: [{seed: 2}]", "is there twice"),
        ("parameters: {seed: {from: 1, to: 1000000}}", "1,000,000 runs .* add --yes"),
        ("parameters: {seed: {from: 1, to: 1000001}}", "from 1 to 1000001 is too long"),
        ("parameters: {seed: [1:00:00]}", "row 1: .*'1:00:00' is no number"),
        (f"parameters: {{seed: [0x{'f' * 9999}]}}", "is no number that can be used"),
        (f"parameters: {{seed: [1{':10' * 9999}]}}", "is no number that can be used"),
        ("a: &a [1, 1]\nparameters: {seed: [*a, *a]}", "row 1: uses a YAML anchor or alias"),
        ("parameters: {seed: {from: 0, to: 9.0e+7}}", "90000000.0 in the range is no whole number"),
        (f"parameters: {{{', '.join(f'a{i}: [1, 2, 3]' for i in range(99))}}}", r"than 10\*\*15"),
        ("x: &a [1]\n" * 100_001, "larger than 1,000,000"),
    ],
)
def test_what_cannot_be_run_is_refused_with_its_reason(tmp_path, declared, text, message):
    with pytest.raises(ParameterError, match=message):
        check_grid(grid_of(tmp_path, text), declared)


def test_all_problems_come_at_once_with_what_there_is(tmp_path, declared):
    grid = grid_of(tmp_path, "parameters: {sead: [1], share: [high], seed: [x]}")
    with pytest.raises(ParameterError) as error:
        check_grid(grid, declared)
    for part in ("'sead'", "'high'", "'x'", "--help-parameters"):
        assert part in str(error.value)


def test_many_runs_can_be_meant_but_not_any_number(tmp_path, declared):
    with pytest.raises(ParameterError, match="At most 1,000,000 can be"):
        grid_of(tmp_path, "parameters: {seed: {from: 1, to: 999999}, strict: [yes, no]}", True)
    check_grid(grid_of(tmp_path, "parameters: {seed: {from: 1, to: 20000}}", True), declared)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("seed", "007", 7),
        ("share", "1", 1.0),
        ("scenario", "007", "007"),  # papermill's own -p makes 7 of it
        ("strict", "no", False),
    ],
)
def test_text_becomes_what_the_notebook_declares(declared, name, text, value):
    parsed = parse_parameters([(name, text)], declared)[name]
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [("seed", "1.5"), ("strict", "maybe"), ("share", "__import__('os')"), ("sead", "1")],
)
def test_text_that_does_not_fit_is_refused(declared, name, text):
    with pytest.raises(ParameterError, match=f"(?s){name}.*--help-parameters` lists all"):
        parse_parameters([(name, text)], declared)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("seed: int = 1 + 1", "not a plain literal"),
        ("seed: Integer = 1", "unknown type"),
        ("labels = []", "unknown type list"),
        ("import os", "not of the form"),
        ("seed: int", "not of the form"),
        ("seed = (", "parameters cell"),
    ],
)
def test_a_parameters_cell_holds_literals_only(tmp_path, cell, message):
    with pytest.raises(ParameterError, match=message):
        all_parameters([make_notebook(tmp_path / "n.ipynb", parameters=cell)])
