"""A first draft of a codebook from a study's own files; every guess in it is marked.

The draft is text for a person to read and correct, and a codebook that can be tried at once.
"""

from __future__ import annotations

import glob
import json
import math
import re
from pathlib import Path

from ..paths import DATA
from ..study.load import ENDINGS, EXCEL, read_file
from ..study.raw_tables import NAMES_APART, reachable, refuse, repeated_names, sheet_names
from .guesses import RESERVED, Guess, plain_name
from .layout import DraftTable, Layout, lay_out

GUESS = "# GUESS"
HEAD = """\
# yaml-language-server: $schema={schema}
# A draft, made by `alliance describe` from names, labels, types and ranges. Read every line:
# what is marked GUESS was guessed. What each setting means: data/CODEBOOK.md.
"""


def describe(path: str | Path) -> str:
    """Draft the codebook of a study.

    Parameters
    ----------
    path : path
        A folder of tables, or one file.

    Returns
    -------
    str
        YAML text, with every guess marked by a comment. Free text and columns that look empty
        are put under `ignore`.

    Raises
    ------
    DataError
        If nothing there can be read.
    """
    layout = lay_out(_read(Path(path)))
    title = re.sub(r"[_\W]+", " ", Path(path).resolve().stem).strip() or "My study"
    schema = "https://json-schema.org/draft/2020-12/schema"
    own = DATA / "codebook.schema.json"
    lines = [HEAD.format(schema=own.as_uri() if own.is_file() else schema)]
    lines += _study(layout, title)
    lines += ["tables:"]
    for table in layout.tables:
        lines += _table(table)
    lines += [f"# Left out, for want of an id: {quoted(file)}" for file in layout.left_out]
    return "\n".join([*lines, *_scales(layout), *_rest(layout)]) + "\n"


def _read(path: Path) -> dict[str, tuple[str, str | None, object]]:
    """Tables by name: file, sheet, and what was read."""
    reachable(path)
    files = [path]
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix.lower() in ENDINGS and p.is_file())
        if not files:
            what = "holds no table that can be read."
            raise refuse(path.name, what, f"Put files there that end in {', '.join(ENDINGS)}.")
    found = {}
    for file in files:
        sheets = sheet_names(file) if file.suffix.lower() in EXCEL else [None]
        for sheet in sheets:
            name = plain_name(sheet if sheet and len(sheets) > 1 else file.stem, found)
            sheet = sheet if len(sheets) > 1 else None
            found[name] = (file.name, sheet, raw := read_file(file, sheet=sheet))
            if twice := repeated_names(raw.frame):
                raise refuse(raw.file, f"the header has {twice} more than once.", NAMES_APART)
    return found


def quoted(text: object) -> str:
    """A text as YAML writes it safely: plain if it is a word, else in double quotes."""
    text = str(text)
    word = re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*( [A-Za-z0-9_]+)*", text)
    if word and text.lower() not in RESERVED:
        return text
    unseen = r"[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
    written = json.dumps(text, ensure_ascii=False)
    return re.sub(unseen, lambda found: f"\\u{ord(found.group()):04x}", written)


def _study(layout: Layout, title: str) -> list[str]:
    lines = ["study:", f"  title: {quoted(title)}", "  synthetic: false"]
    for role in ("client", "case_manager", "site"):
        name = getattr(layout, role)
        if name:
            lines.append(f"  {role}: {name}   {GUESS}")
    if layout.codes:
        codes = ", ".join(quoted(c) if isinstance(c, str) else f"{c:g}" for c in layout.codes)
        lines += ["", f"missing: [{codes}]   {GUESS}: far outside, or words among numbers"]
    return [*lines, ""]


def _table(table: DraftTable) -> list[str]:
    lines = [f"  {table.name}:", f"    file: {quoted(table.file)}"]
    lines += [f"    sheet: {quoted(table.sheet)}"] if table.sheet else []
    lines += [f"    row: {table.row}   {GUESS}", f"    key: [{', '.join(table.key)}]   {GUESS}"]
    if table.row == "episode":
        lines.append("    duplicates: allow")
    if table.latest:
        lines.append(f"    duplicates: keep_latest   {GUESS}: some clients stand there twice")
        lines.append(f"    latest: {table.latest}")
    if table.occasion:
        pairs = ", ".join(f"{quoted(v)}: {json.dumps(s)}" for v, s in table.suffix.items())
        lines.append(f"    occasion: {{column: {table.occasion}, suffix: {{{pairs}}}}}   {GUESS}")
    if table.ignore:
        lines.append(f"    ignore:   {GUESS}: free text, empty, or told in another table")
        lines += [f"      - {quoted(glob.escape(c).replace('{', '[{]'))}" for c in table.ignore]
    lines.append("    variables:")
    for name, column, guess in table.variables:
        lines.append(f"      {quoted(name)}: {{{_settings(name, column, guess)}}}{_remark(guess)}")
    return [*lines, ""]


def _settings(name: str, column: str, guess: Guess) -> str:
    parts = [f"type: {guess.type}"]
    if column != name:
        parts.append(f"column: {quoted(column)}")
    if guess.label:
        parts.append(f"label: {quoted(guess.label)}")
    if guess.values:
        parts.append(f"values: [{', '.join(quoted(v) for v in guess.values)}]")
    if not math.isnan(guess.low):
        low, high = math.floor(guess.low * 100) / 100, math.ceil(guess.high * 100) / 100
        parts.append(f"range: [{low:.15g}, {high:.15g}]")
    return ", ".join(parts)


def _remark(guess: Guess) -> str:
    if not math.isnan(guess.low):
        return f"   {GUESS}: range as found"
    if guess.role == "row":
        return f"   {GUESS}: no id was found, so the rows are counted"
    return f"   {GUESS}" if guess.type in ("id", "category") else ""


def _scales(layout: Layout) -> list[str]:
    if not layout.scales:
        return [f"# scales:   {GUESS}: no block of numbered items was found", ""]
    lines = ["scales:"]
    for scale in layout.scales:
        parts = [f"label: {quoted(scale.label)}"] if scale.label else []
        parts.append(f"items: {json.dumps(scale.items)}")
        if scale.form:
            parts.insert(-1, f"form: {scale.form}")
            parts.append(f"informant: {scale.informant}")
        else:
            parts.append("score: mean")
        remark = scale.remark or "a WAI by its name, length and highest response"
        lines.append(f"  {scale.name}: {{{', '.join(parts)}}}   {GUESS}: {remark}")
    return [*lines, ""]


def _rest(layout: Layout) -> list[str]:
    lines = []
    if layout.days:
        name, table, admission, discharge, anchor = layout.days
        lines += [
            "days:",
            f"  {name}: {{episodes: {table}, admission: {admission}, "
            f"discharge: {discharge}, anchor: {anchor}, from_years: 0, to_years: 1}}   {GUESS}",
            "",
        ]
    if layout.derived:
        lines.append("derived:")
        for name, source, value in layout.derived:
            lines.append(f"  {name}: {{from: {source}, is: {quoted(value)}}}   {GUESS}")
        lines.append("")
    if layout.informants:
        lines.append("informants:")
        for role, (label, alliance) in layout.informants.items():
            settings = f"label: {quoted(label)}, alliance: {alliance}"
            lines.append(f"  {role}: {{{settings}}}   {GUESS}")
        lines.append("")
    if layout.blocks:
        lines.append(f"blocks:   {GUESS}: sort these, and delete what belongs to none")
    for block, names in layout.blocks.items():
        lines.append(f"  {block}: [{', '.join(names)}]")
    return lines
