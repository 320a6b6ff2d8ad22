"""The page *My file looks like this*: its codebooks fit its data."""

import re
from pathlib import Path

import pytest

from alliance_helpers.study.clean import clean
from alliance_helpers.study.load import check, load_study
from alliance_helpers.study.read_codebook import parse_codebook

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "MY_FILE.md").read_text(encoding="utf-8")
PAIRS = re.findall(r"^## (.+?)$.*?```csv\n(.+?)```\n```yaml\n(.+?)```", PAGE, re.DOTALL | re.M)


READ = (  # dyads of each pair, and what its first row holds, read by hand
    (5, {"age": 37, "wai_c2": 3, "wai_t1": 7}),
    (5, {"waip_001": 3, "waip_002": 4}),
    (3, {"doctor": "T01", "wai1_client": 3, "wai1_case_manager": 5}),
    (3, {"doctor": "T01", "wai1_client": 3, "wai1_case_manager": 5}),
    (3, {"session": 2, "wai1": 5, "wai2": 4}),
    (3, {"severity_pre": 31, "severity_post": 20}),
    (2, {"q5_1": 1}),
    (4, {"code": "1001", "wa01_01": 3}),
    (2, {"therapist_id": "1", "phq_intake": 14, "phq": 16, "wai_1": 3}),
    (5, {"bdi": 21}),
    (4, {"c_1": 3, "t_2": 6}),
    (5, {"therapist": "Anna Schmidt", "gaf": 61}),
    (5, {"therapist": "North / 1", "patient": "North / 1", "gaf": 61}),
    (5, {"therapist_alliance_goal": 20}),
)


@pytest.mark.parametrize(
    ("data", "book", "dyads", "first"),
    [(*pair[1:], *read) for pair, read in zip(PAIRS, READ, strict=True)],
    ids=[pair[0] for pair in PAIRS],
)
def test_five_lines_and_their_codebook(data, book, dyads, first, tmp_path):
    (tmp_path / "data.csv").write_text(data, encoding="utf-8")
    assert len(data.splitlines()) > 5
    assert check(tmp_path, parse_codebook(book))[0] == []
    made = clean(load_study(tmp_path, parse_codebook(book))).dyads
    assert len(made) == dyads
    assert {name: made[name].iloc[0] for name in first} == first
