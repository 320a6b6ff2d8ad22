"""Every bad input gives its message: file, place, value, remedy; and nothing else happens."""

import json
import time

import pytest
from bad_input import CASES, good, write
from click.testing import CliRunner

from alliance_helpers.cli import main
from alliance_helpers.data import check, load_study
from alliance_helpers.errors import CodebookError, DataError

SECONDS = 2.0


@pytest.mark.parametrize("name", CASES)
def test_message(name, tmp_path):
    source = write(tmp_path, name)
    start = time.perf_counter()
    found = "\n".join(map(str, check(source)))
    assert time.perf_counter() - start < SECONDS
    assert found.replace(f"{tmp_path}/", "") == CASES[name][1]


@pytest.mark.parametrize("name", CASES)
def test_refused_by_the_loader(name, tmp_path):
    source = write(tmp_path, name)
    with pytest.raises((CodebookError, DataError)) as refused:
        load_study(source)
    told = {line.removeprefix(f"{tmp_path}/") for line in map(str, refused.value.problems)}
    assert {line.replace(f"{tmp_path}/", "") for line in told} <= set(CASES[name][1].split("\n"))


def test_the_unspoilt_study_has_no_problem(tmp_path):
    for file, text in good().items():
        (tmp_path / file).write_text(text)
    assert check(tmp_path) == []


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize(
    "name",
    ["text_for_number", "table_missing", "codebook_aliases", "workbook_bomb", "pickle_given"],
)
def test_command_line_exits_with_2(name, command, tmp_path):
    source, out = write(tmp_path, name), tmp_path / "out"
    arguments = [command, "--data", str(source)]
    arguments += ["--out", str(out)] if command == "run" else []
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert "Traceback" not in done.output
    for line in CASES[name][1].split("\n"):
        assert line in done.output
    assert not out.exists()


def test_records_are_json(tmp_path):
    problems = check(write(tmp_path, "same_problem_in_many_rows"))
    record = json.loads(json.dumps([p.record() for p in problems]))[0]
    assert record["file"] == "clients.csv"
    assert record["column"] == "age"
    assert record["rows"] == [2, 3, 4]
    assert record["count"] == 6
    assert record["value"] == "531"
