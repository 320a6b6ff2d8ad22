"""Every bad input gives its message: file, place, value, remedy; and nothing else happens.

Through the real command line, one of three commands by turns; every command in turn meets every
bad input in `tests/running/test_refused.py`.
"""

import json

import pytest
from bad_input import CASES, good, write
from bad_input.command import alliance

from alliance_helpers.study.load import check


def command(number, source, folder):
    """One of the commands that read a study."""
    grid = folder / "grid.yml"
    grid.write_text(json.dumps({"runs": [{"data": str(source)}]}))
    every = [["check", "--data", source], ["run", "--data", source, "--out", folder / "out"]]
    if source.exists():
        every.append(["batch", grid, "--out", folder / "out"])
    return every[number % len(every)]


@pytest.mark.parametrize(("number", "name"), enumerate(CASES), ids=[*CASES])
def test_refused_by_the_command_line(number, name, tmp_path):
    source = write(tmp_path / "in", name)
    done = alliance(tmp_path, *command(number, source, tmp_path))
    heading, *lines = done.err.replace(f"{tmp_path}/in/", "").splitlines()
    assert "\n".join(line.strip() for line in lines) == CASES[name][1]
    assert heading.startswith(("alliance: The data do", "alliance: The codebook cannot"))
    assert (done.code, done.out) == (2, "")
    assert done.seconds < 5
    assert not (tmp_path / "out").exists()


def test_the_unspoilt_study_has_no_problem(tmp_path):
    for file, text in good().items():
        (tmp_path / file).write_text(text)
    assert check(tmp_path)[0] == []


def test_records_are_json(tmp_path):
    problems, _ = check(write(tmp_path, "same_problem_in_many_rows"))
    record = json.loads(json.dumps([p.record() for p in problems]))[0]
    assert record["file"] == "clients.csv"
    assert record["column"] == "age"
    assert record["rows"] == [2, 3, 4]
    assert record["count"] == 6
    assert record["value"] == "531"
