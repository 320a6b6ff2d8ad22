"""The page *My file looks like this*: its codebooks fit its data."""

import re
from pathlib import Path

import pytest

from alliance_helpers.study.clean import clean
from alliance_helpers.study.load import check, load_study
from alliance_helpers.study.read_codebook import parse_codebook

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "MY_FILE.md").read_text(encoding="utf-8")
PAIRS = re.findall(r"^## (.+?)$.*?```csv\n(.+?)```\n```yaml\n(.+?)```", PAGE, re.DOTALL | re.M)


DYADS = (5, 5, 3, 3, 3, 2, 2, 5, 5)  # of each pair, counted by hand


@pytest.mark.parametrize(
    ("data", "book", "dyads"),
    [(*pair[1:], n) for pair, n in zip(PAIRS, DYADS, strict=True)],
    ids=[pair[0] for pair in PAIRS],
)
def test_five_lines_and_their_codebook(data, book, dyads, tmp_path):
    (tmp_path / "data.csv").write_text(data, encoding="utf-8")
    assert len(data.splitlines()) > 5
    assert check(tmp_path, parse_codebook(book))[0] == []
    assert len(clean(load_study(tmp_path, parse_codebook(book))).dyads) == dyads
