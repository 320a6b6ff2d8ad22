"""Delimited text: comma, semicolon or tab; UTF-8 or Windows-1252; decimal point or comma."""

from __future__ import annotations

import codecs
import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv

from .quotes import BLOCK, Marks, count_lines, refuse_quotes, text_of
from .raw_tables import RawTable, numbered, refuse, refuse_rows, within_limits

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
COMMA_NUMBER = r"\s*[-+]?\d*,\d+\s*"
UNEVEN = "Give each row as many cells as the header; put text that holds a separator in quotes."
HEAD = 1 << 20


def read_delimited(path: Path, columns=(), numbers=()) -> RawTable:
    """A delimited text file, every cell as text.

    Parameters
    ----------
    path : path
    columns : names, optional
        Columns that are expected: they decide between possible delimiters.
    numbers : names, optional
        Columns that hold numbers: where a semicolon or tab separates cells and these are written
        with a decimal comma, the comma is read as one.

    Raises
    ------
    DataError
        Empty, not text, rows of unequal length, or a quotation mark that takes in other rows.
    """
    within_limits(path)
    encoding = _encoding(path)
    delimiter, header = _header(path, encoding, set(columns))
    lines = count_lines(path)
    frame = _parse(path, encoding, delimiter, header, lines)
    notes = [] if delimiter == "," else [f"cells separated by {DELIMITERS[delimiter]}"]
    notes += ["Windows-1252"] if encoding == "cp1252" else []
    if delimiter != "," and (changed := _decimal_commas(frame, numbers)):
        notes.append(f"decimal commas in {len(changed)} column{'s' * (len(changed) != 1)}")
        frame = frame.assign(**changed)
    return RawTable(frame, file=path.name, note=", ".join(notes), lines=lines)


def _encoding(path: Path) -> str:
    decoder = codecs.getincrementaldecoder("utf-8")()
    western = codecs.getincrementaldecoder("cp1252")()
    name, done = "utf8", 0
    with path.open("rb") as file:
        block = None
        while block != b"":  # the empty one at the end tells the decoder that no more will come
            block = file.read(BLOCK)
            if block.startswith((b"\xff\xfe", b"\xfe\xff")) and not done:
                what = "is UTF-16 text."
                raise refuse(path.name, what, "Save it as CSV in UTF-8.")
            if b"\0" in block:
                what = "holds bytes of zero, so it is not text."
                raise refuse(path.name, what, "Export it as CSV, or name it by its real format.")
            try:
                (decoder if name == "utf8" else western).decode(block, final=not block)
            except UnicodeDecodeError:
                name = "cp1252"
                _western(path, done + len(block))
            done += len(block)
    return name


def _western(path: Path, until: int) -> None:
    """Refuse text that is UTF-8 at first, and bytes that Windows-1252 leaves undefined."""
    with path.open("rb") as file:
        head = file.read(until)
    for encoding in ("utf8", "cp1252"):
        try:
            head.decode(encoding)
        except UnicodeDecodeError as error:
            before, byte = head[: error.start], head[error.start]
            what = f"holds a byte that is neither UTF-8 nor Windows-1252 (0x{byte:02x})."
            if encoding == "utf8" and before.isascii():
                continue
            remedy = "Save it as UTF-8."
            if encoding == "utf8":
                what = "is UTF-8 up to here, and goes on in another encoding."
            if encoding == "utf8" and error.reason == "unexpected end of data":
                what, remedy = "ends inside a letter: part of it is lost.", "Export it again."
            row = before.count(b"\n") + 1
            raise refuse(path.name, what, remedy, row=row) from None


def _header(path: Path, encoding: str, expected: set[str]) -> tuple[str, list[str]]:
    with text_of(path, encoding) as file:
        text = file.read(HEAD)
    if not text.strip():
        raise refuse(path.name, "is empty.", "Put a header and the records in it.")
    if "\n" not in text and "\r" not in text and len(text) < HEAD:
        raise refuse(path.name, "has no rows.", "Put the records under the header.")
    best: tuple[int, int, str, list[str]] = (-1, -1, ",", [])
    for delimiter in DELIMITERS:
        try:
            first = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        except csv.Error:  # a cell without end: the mark that opens it is looked for later
            first = Marks(delimiter).cells(next(io.StringIO(text, newline="")))
        first = [name.strip() for name in first]
        found = (len(expected & set(first)), len(first), delimiter, first)
        best = max(best, found, key=lambda f: f[:2])
    if not any(best[3]):
        what = "has no header: its first row is blank."
        raise refuse(path.name, what, "Put the columns' names in the first row.", row=1)
    return best[2], best[3]


def _parse(path: Path, encoding: str, delimiter: str, header: list[str], lines: int):
    bad: list[tuple[int, str]] = []
    blank: list[int] = []

    def uneven(row) -> str:
        if row.text.strip() == "":
            blank.append(row.number)
        else:
            cells = f"{row.actual_columns} cell{'s' * (row.actual_columns != 1)}"
            bad.append((row.number, f"has {cells} where the header has {len(header)}."))
        return "skip"

    names, marks = [f"c{i}" for i in range(len(header))], Marks(delimiter)
    try:
        table = arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(
                use_threads=False,
                encoding=encoding,
                column_names=names,
                skip_rows_after_names=1,
                block_size=BLOCK,
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=uneven,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        none = pd.DataFrame({name: pd.Series(dtype="str") for name in names})
        empty = "Empty CSV" in str(error)
        refuse_quotes(path, encoding, marks, len(header), none, 0 if empty else None)
        if empty:
            return numbered(none.set_axis(header, axis=1), 2, path.name)
        what = "is not a regular table (is a quotation mark left open?)."
        raise refuse(path.name, what, "Export it again as CSV.") from None
    frame = table.to_pandas(types_mapper={pa.string(): pd.StringDtype(na_value=np.nan)}.get)
    frame.columns = header
    every = np.arange(2, 2 + len(frame) + len(blank))
    spans = 1 + len(every) + len(bad) != lines
    frame = numbered(frame, 2, path.name, every[~np.isin(every, blank)])
    if spans or marks.open_at_end(path, encoding):
        refuse_quotes(path, encoding, marks, len(header), frame, len(frame) + len(bad))
    if bad:
        raise refuse_rows(path.name, bad, f"have other than {len(header)} cells.", UNEVEN)
    return frame


def _decimal_commas(frame: pd.DataFrame, numbers) -> dict[str, pd.Series]:
    """Columns of numbers written with a decimal comma, with a point instead."""
    changed = {}
    for name in numbers:
        if list(frame.columns).count(name) == 1:
            comma = frame[name].str.fullmatch(COMMA_NUMBER)
            point = frame[name].str.contains(".", regex=False)
            if comma.any() and not point.any():
                swapped = frame[name].str.replace(",", ".", regex=False)
                changed[name] = frame[name].where(~comma, swapped)
    return changed
