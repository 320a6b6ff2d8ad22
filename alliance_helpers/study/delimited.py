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

from ..errors import DataError, Problem
from .raw_tables import RawTable, numbered, refuse, within_limits

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
COMMA_NUMBER = r"\s*[-+]?\d*,\d+\s*"
SHOWN_ROWS = 20
BLOCK = 16 << 20
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
        Empty, not text, or rows of unequal length.
    """
    within_limits(path)
    encoding = _encoding(path)
    delimiter, header = _header(path, encoding, set(columns))
    frame, rows = _parse(path, encoding, delimiter, header)
    frame = numbered(frame, 2, path.name, rows)
    notes = [] if delimiter == "," else [f"cells separated by {DELIMITERS[delimiter]}"]
    notes += ["Windows-1252"] if encoding == "cp1252" else []
    if delimiter != "," and (changed := _decimal_commas(frame, numbers)):
        notes.append(f"decimal commas in {len(changed)} column{'s' * (len(changed) != 1)}")
        frame = frame.assign(**changed)
    return RawTable(frame, file=path.name, note=", ".join(notes))


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
    with path.open(encoding="utf-8-sig" if encoding == "utf8" else encoding, newline="") as file:
        text = file.read(HEAD)
    if not text.strip():
        raise refuse(path.name, "is empty.", "Put a header and the records in it.")
    if "\n" not in text and "\r" not in text and len(text) < HEAD:
        raise refuse(path.name, "has no rows.", "Put the records under the header.")
    best: tuple[int, int, str, list[str]] = (-1, -1, ",", [])
    for delimiter in DELIMITERS:
        try:
            first = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        except csv.Error:
            continue
        first = [name.strip() for name in first]
        found = (len(expected & set(first)), len(first), delimiter, first)
        best = max(best, found, key=lambda f: f[:2])
    if not any(best[3]):
        what = "has no header: its first row is blank."
        raise refuse(path.name, what, "Put the columns' names in the first row.", row=1)
    return best[2], best[3]


def _parse(path: Path, encoding: str, delimiter: str, header: list[str]):
    bad: list[tuple[int, int]] = []
    open_quote: list[int] = []
    blank: list[int] = []

    def uneven(row) -> str:
        if row.text.strip() == "":
            blank.append(row.number)
        elif row.text.count('"') % 2:
            open_quote.append(row.number)
        else:
            bad.append((row.number, row.actual_columns))
        return "skip"

    names = [f"c{i}" for i in range(len(header))]
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
        if "Empty CSV" in str(error):
            return pd.DataFrame({name: pd.Series(dtype="str") for name in header}), []
        what = "is not a regular table (is a quotation mark left open?)."
        raise refuse(path.name, what, "Export it again as CSV.") from None
    if open_quote:
        what = "opens a quotation mark that is never closed."
        remedy = "Close it, or leave it out."
        raise refuse(path.name, what, remedy, row=open_quote[0])
    if bad:
        _refuse_uneven(path.name, bad, len(header))
    frame = table.to_pandas(types_mapper={pa.string(): pd.StringDtype(na_value=np.nan)}.get)
    frame.columns = header
    every = np.arange(2, 2 + len(frame) + len(blank))
    return frame, every[~np.isin(every, blank)]


def _refuse_uneven(file: str, bad: list[tuple[int, int]], width: int) -> None:
    remedy = "Give each row as many cells as the header; put text that holds a separator in quotes."
    problems = [
        Problem(file, f"{_cells(found)} where the header has {width}.", remedy, row=row)
        for row, found in bad[:SHOWN_ROWS]
    ]
    if len(bad) > SHOWN_ROWS:
        rows = tuple(row for row, _ in bad[SHOWN_ROWS : SHOWN_ROWS + 3])
        what = f"have other than {width} cells."
        more = len(bad) - SHOWN_ROWS
        problems.append(Problem(file, what, remedy, row=rows[0], rows=rows, count=more))
    raise DataError(problems)


def _cells(n: int) -> str:
    return f"has {n} cell{'s' * (n != 1)}"


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
