"""The page of promises names tests that are there."""

import re

import pytest

from alliance_helpers.paths import ROOT

PAGE = (ROOT / "docs" / "PROMISES.md").read_text("utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)


def test_every_promise_has_a_test():
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "promise |" not in line]
    assert len(rows) > 25
    assert all("`tests/" in row for row in rows)


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_is_there(file, test):
    assert f"def {test}(" in (ROOT / file).read_text("utf-8") if test else (ROOT / file).is_file()
