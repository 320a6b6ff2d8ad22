"""Every example on the codebook page is a codebook that the kit takes."""

import re

import pytest

from alliance_helpers.paths import DATA
from alliance_helpers.study.read_codebook import parse_codebook

PAGE = (DATA / "CODEBOOK.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_smallest_study():
    book = parse_codebook(BLOCKS[0])
    assert book.scales["client_alliance"].form == "WAI-SR"
    assert len(book.tables["patients"].variables) == 14


def test_the_larger_study():
    text = BLOCKS[1] + BLOCKS[2]
    names = [*(f"t_{i}" for i in range(1, 13)), *(f"emp_{c}" for c in "abcd")]
    items = "".join(f"      {name}: {{type: integer, range: [1, 7]}}\n" for name in names)
    text = text.replace(
        "      patient: {type: id, column", items + "      patient: {type: id, column"
    )
    book = parse_codebook(text + BLOCKS[3] + BLOCKS[4])
    assert book.tables["patients"].variables["therapist"].optional
    assert book.label("severity_before") == "severity (before)"
    assert book.scales["empathy"].keys["warmth"] == (1, -2)


@pytest.mark.parametrize("setting", ["row", "duplicates", "type", "ignore", "occasion", "format"])
def test_the_page_names_each_setting(setting):
    assert f"{setting}" in PAGE
