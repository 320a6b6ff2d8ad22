"""No column goes without a word: it is a variable with a use, or the draft says why it has none."""

import re

import pytest
import yaml
from exports_made import truth
from test_exports import MADE

from alliance_helpers.drafting.draft import describe
from alliance_helpers.drafting.exports import read_sources
from alliance_helpers.study.codebook import expand


def each(value):
    """Names, whether one, several, patterns or none."""
    some = [value] if isinstance(value, str) else value or ()
    return {name for item in some for name in expand(item)}


def untold(text, folder):
    """Columns and variables of which a draft says nothing."""
    book = yaml.safe_load(text)

    said = [line.split(": ", 1)[1] for line in text.splitlines() if "# In no block" in line]
    used = {name for line in said for item in line.split(", ") for name in each(item)}
    for names in (*book["blocks"].values(), book["study"].values()):
        used |= {*names} if not isinstance(names, list) else each(names)
    used |= {entry["from"] for entry in book.get("derived", {}).values()}
    used |= {name for scale in book.get("scales", {}).values() for name in each(scale["items"])}
    for stays in book.get("days", {}).values():
        used |= {*map(str, stays.values())}
    lost = []
    for name, source in read_sources(folder).items():
        own = {
            k: t for k, t in book["tables"].items() if t["file"] == source.raw.file.split(" [")[0]
        }
        assert own.keys() or source.raw.file in text
        own = {k: t for k, t in own.items() if k.startswith(name)} or own
        there = {c for t in own.values() for n, v in t["variables"].items()
                 for c in each(v.get("column", n))}  # fmt: skip
        there |= {t.get("informant", {}).get("column") for t in own.values()}
        there |= {*source.left_out, *(c for c in source.raw.frame if f"Left out: {c} (" in text)}
        there |= {re.sub(r"\[(.)\]", r"\1", c) for t in own.values() for c in t.get("ignore", ())}
        if own and not source.part:
            lost += [(name, c) for c in source.raw.frame if c not in there]
    for table in book["tables"].values():
        occasion = table.get("occasion", {})
        ends = [*occasion.get("suffix", {}).values()] or [""]
        ends = ["_client", "_case_manager"] if table["row"] == "rating" else ends
        own = {*table["key"], table.get("time"), occasion.get("column"), table.get("latest")}
        own |= {n for n, v in table["variables"].items()
                if v.get("column", n) == table.get("informant", {}).get("column")}  # fmt: skip
        for pattern in table["variables"].keys() - own:
            for name in each(pattern):
                lost += [name + end for end in ends if not {name, name + end} & used]
    return lost


@pytest.mark.parametrize("made", MADE, ids=lambda made: made.__name__)
def test_every_column_is_used_or_told(made, tmp_path):
    made(tmp_path, truth())
    assert untold(describe(tmp_path), tmp_path) == []
