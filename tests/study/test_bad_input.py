"""The study that bad inputs are made from, and what is told of them to machines.

Every command meets every bad input, and gives its message, in `tests/running/test_refused.py`.
"""

import json

from bad_input import good, write

from alliance_helpers.study.load import check


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
