"""Delimited text: comma, semicolon or tab; UTF-8, UTF-16 or Windows-1252; point or comma.

A quotation mark may hold text of several lines; one that swallows records is refused.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import itertools
import re
import shutil
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv

from ..errors import DataError
from .raw_tables import (
    RawTable,
    footless,
    joined_names,
    not_too_wide,
    numbered,
    own_ids,
    refuse,
    refuse_rows,
    within_limits,
)

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
SEPARATOR = re.compile(r"(?i)[\"]?sep=([,;\t|])[\"]?\r?\n")
BLOCK = 16 << 20
HEAD = TAIL = 1 << 20
SAMPLE = 10_000
INSIDE = r'[^"]*+(?:""[^"]*+)*+'
CLOSES = re.compile(rf'{INSIDE}"')


def read_delimited(path: Path, columns=(), numbers=(), header=(1, 1)) -> RawTable:
    """A delimited text file, every cell as text.

    Parameters
    ----------
    path : path
    columns : names, optional
        Columns that are expected: they decide between possible delimiters.
    numbers : names, optional
        Columns that hold numbers: where a semicolon or tab separates cells and these are written
        with a decimal comma, the comma is read as one.
    header : (first, last), optional
        Rows of the header; the names stand in the first, labels in the second if there is one. A
        line `sep=;` above it names the delimiter.

    Raises
    ------
    DataError
        Empty, not text, rows of unequal length, or a quotation mark that takes in other rows.
    """
    within_limits(path)
    with path.open("rb") as file:
        wide = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    if wide:
        with tempfile.TemporaryDirectory() as folder:
            raw = read_delimited(_as_utf8(path, Path(folder)), columns, numbers, header)
        return replace(raw, note=", ".join(filter(None, (raw.note, "UTF-16"))))
    encoding = _encoding(path)
    delimiter, names, labels, header = _header(path, encoding, set(columns), header)
    lines = count_lines(path)
    frame, foot = footless(_parse(path, encoding, delimiter, names, lines, header))
    notes = [] if delimiter == "," else [f"cells separated by {DELIMITERS[delimiter]}"]
    notes += ["Windows-1252"] if encoding == "cp1252" else []
    if delimiter != "," and (changed := _decimal_commas(frame, numbers)):
        notes.append(f"decimal commas in {len(changed)} column{'s' * (len(changed) != 1)}")
        frame = frame.assign(**changed)
    labels = {n: label for n, label in zip(names, labels, strict=False) if label}
    notes += [foot] if foot else []
    return RawTable(frame, labels, file=path.name, note=", ".join(notes), lines=lines)


def _as_utf8(path: Path, folder: Path) -> Path:
    """A copy of what Qualtrics and Excel write as UTF-16, which the parser cannot read."""
    copy = folder / path.name
    try:
        with (
            path.open(encoding="utf-16", newline="") as text,
            copy.open("w", encoding="utf-8", newline="") as made,
        ):
            shutil.copyfileobj(text, made)
    except UnicodeError:
        raise refuse(path.name, "cut_off") from None
    return copy


def _encoding(path: Path) -> str:
    """UTF-8, or Windows-1252 if the first letter beyond ASCII is none of UTF-8."""
    for encoding in ("utf8", "cp1252"):
        decoder = codecs.getincrementaldecoder(encoding)()
        block, rows, plain = None, 1, True
        with path.open("rb") as file:
            while block != b"":  # the empty one at the end tells the decoder that no more will come
                block = file.read(BLOCK)
                if b"\0" in block:
                    raise refuse(path.name, "zeros")
                try:
                    text = decoder.decode(block, final=not block)
                except UnicodeDecodeError as error:
                    before = error.object[: error.start]
                    if encoding == "utf8" and plain and before.isascii():
                        break
                    raise _undecoded(path, encoding, error, rows + before.count(b"\n")) from None
                rows += block.count(b"\n")
                plain = plain and text.isascii()
            else:
                return encoding
    return encoding


def _undecoded(path: Path, encoding: str, error: UnicodeDecodeError, row: int) -> DataError:
    """Text that is UTF-8 at first, or a byte that Windows-1252 leaves undefined."""
    what = "half_a_letter" if error.reason == "unexpected end of data" else "two_encodings"
    what = "undefined_byte" if encoding == "cp1252" else what
    return refuse(path.name, what, row, byte=error.object[error.start])


def _header(path: Path, encoding: str, expected: set[str], rows: Sequence[int]):
    """The delimiter, the names, the second row of the header if it has one, and its rows."""
    with text_of(path, encoding) as file:
        text = file.read(HEAD)
    told = SEPARATOR.match(text)
    rows = [max(row, 2) for row in rows] if told else rows
    lines = io.StringIO(text, newline="").readlines()
    text = "".join(lines[rows[0] - 1 :])
    if 0 < len(lines) < rows[0]:
        raise refuse(path.name, "no_header", first=rows[0])
    if not text.strip():
        raise refuse(path.name, "empty")
    if "\n" not in text and "\r" not in text and len(text) < HEAD:
        raise refuse(path.name, "no_rows")
    best: tuple[int, int, str, list[str]] = (-1, -1, ",", [])
    for delimiter in told[1] if told else DELIMITERS:
        try:
            first = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        except csv.Error:  # a cell without end: the mark that opens it is looked for later
            first = Quotes(delimiter).cells(next(io.StringIO(text, newline="")))
        first = [name.strip() for name in first]
        found = (len(expected & set(first)), len(first), delimiter, first)
        best = max(best, found, key=lambda f: f[:2])
    not_too_wide(path.name, len(best[3]))
    if not any(best[3]):
        which = "its first row" if rows[0] == 1 else f"row {rows[0]}"
        raise refuse(path.name, "header_blank", rows[0], which=which)
    labels: list[str] = []
    if rows[1] > rows[0]:
        records = csv.reader(io.StringIO(text, newline=""), delimiter=best[2])
        labels = next(itertools.islice(records, 1, None), [])
        if len(labels) != len(best[3]):
            found = {"names": len(best[3]), "first": rows[0], "cells": len(labels)}
            raise refuse(path.name, "labels_uneven", rows[0] + 1, **found)
        if rows[1] > rows[0] + 1:
            own_ids(path.name, best[3], next(records, []), rows[0] + 2)
    return best[2], joined_names(best[3], labels), labels, rows


def _parse(
    path: Path, encoding: str, delimiter: str, header: list[str], lines: int, top: Sequence[int]
) -> pd.DataFrame:
    """The records below the header, which takes the rows from the first to the last of `top`."""
    first = top[1] + 1
    names, quotes = [f"c{i}" for i in range(len(header))], Quotes(delimiter)
    uneven: list[tuple[int, int, bool]] = []

    def skip(row) -> str:
        uneven.append((row.number, row.actual_columns, not row.text.strip()))
        return "skip"

    read = arrow_csv.ReadOptions(
        column_names=names,
        skip_rows=top[0] - 1,
        skip_rows_after_names=first - top[0],
        block_size=BLOCK,
        use_threads=False,
    )
    read.encoding = encoding
    parse = arrow_csv.ParseOptions(
        delimiter=delimiter,
        newlines_in_values=True,
        ignore_empty_lines=False,
        invalid_row_handler=skip,
    )
    convert = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
    )
    try:
        table = arrow_csv.read_csv(path, read, parse, convert)
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        none = pd.DataFrame({name: pd.Series(dtype="str") for name in names})
        empty = "Empty CSV" in str(error)
        quotes.refuse(path, encoding, none, lines, 0 if empty else None)
        if empty:
            return numbered(none.set_axis(header, axis=1), first, path.name)
        raise refuse(path.name, "irregular") from None
    frame = table.to_pandas(types_mapper={pa.string(): pd.StringDtype(na_value=np.nan)}.get)
    frame.columns = header
    blank = [row for row, _, nothing in uneven if nothing]
    has = f"has {{}} cell{{}} where the header has {len(header)}."
    bad = [(row, has.format(n, "s" * (n != 1))) for row, n, nothing in uneven if not nothing]
    if bad and frame.empty and {n for _, n, nothing in uneven if not nothing} == {len(header) + 1}:
        with contextlib.suppress(DataError):  # a delimiter at the end of each record
            more = _parse(path, encoding, delimiter, [*header, ""], lines, top)
            if more.shape[1] == len(header):
                return more
    every = np.arange(first, first + len(frame) + len(blank))
    spans = top[1] + len(every) + len(bad) != lines
    frame = numbered(frame, first, path.name, every[~np.isin(every, blank)])
    if spans or quotes.open_at_end(path, encoding):
        quotes.refuse(path, encoding, frame, lines, len(frame) + len(bad))
    if bad:
        raise refuse_rows(path.name, bad, "uneven_rows", n=len(header))
    return frame


def _decimal_commas(frame: pd.DataFrame, numbers) -> dict[str, pd.Series]:
    """Columns of numbers written with a decimal comma, with a point instead."""
    changed, once = {}, {*frame.columns[~frame.columns.duplicated(keep=False)]}
    for name in once.intersection(numbers):
        cells, both = frame[name], (rf"\s*[-+]?\d*{mark}\d+\s*" for mark in (",", r"\."))
        comma, point = map(cells.str.fullmatch, both)
        if comma.any() and not point.any():
            changed[name] = cells.mask(comma, cells.str.replace(",", "."))
    return changed


def text_of(path: Path, encoding: str):
    """The file opened as text whose line ends are kept."""
    return path.open(encoding="utf-8-sig" if encoding == "utf8" else encoding, newline="")


def count_lines(path: Path) -> int:
    """Lines of the file, whichever way they end; a last one needs no end."""
    lines, last = 0, b""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            lines += block.count(b"\n") - (last == b"\r" and block.startswith(b"\n"))
            if b"\r" in block:
                lines += block.count(b"\r") - block.count(b"\r\n")
            last = block[-1:]
    return lines + (last not in b"\r\n")


class Quotes:
    """How quotation marks stand in a file of this delimiter, and which cannot be believed.

    By the same rules as the parser's: a mark opens a cell only as its first sign, a doubled one is
    text, and what follows the closing one up to the delimiter is text too.
    """

    def __init__(self, delimiter: str) -> None:
        cell = rf'(?:"{INSIDE}"|(?!"))[^{delimiter}]*+'
        self.delimiter = delimiter
        self._ahead: deque[str] = deque()
        self._cell = re.compile(f"({cell}){delimiter}")
        self.opens = re.compile(f'((?:{cell}{delimiter})*+)"{INSIDE}').fullmatch

    def open_after(self, line: str, start: int = 0) -> int | None:
        """How many cells of the line stand before one that its line does not close."""
        found = '"' in line and self.opens(line, start)
        return len(self._cell.findall(found[1])) if found else None

    def cells(self, line: str) -> list[str]:
        """The cells of a line by itself; a mark that it does not close is text."""
        line = line.rstrip("\r\n")
        if '"' not in line:
            return line.split(self.delimiter)
        if found := self.opens(line):
            rest = line[found.end(1) :].split(self.delimiter)
            return self._cell.findall(found[1]) + rest
        return self.whole(line)

    def whole(self, record: str) -> list[str]:
        """The cells of a record that closes all its marks; it may span lines."""
        return self._cell.findall(record.rstrip("\r\n") + self.delimiter)

    def open_at_end(self, path: Path, encoding: str) -> bool:
        """Whether the last line may leave a mark open, where no cell before it spans lines."""
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL))
            ends = file.read().rstrip(b"\r\n").splitlines() or [b""]
        cut = len(ends) == 1 and size > TAIL
        return cut or self.open_after(ends[-1].decode(encoding)) is not None

    def refuse(self, path: Path, encoding: str, frame, lines: int, records: int | None) -> None:
        """Refuse the file if a mark in it takes in rows, or is never closed.

        After each the search goes on in the next line, as if the mark were text.

        Parameters
        ----------
        path, encoding
        frame : DataFrame
            The records as they were read: they show what the cells of each column look like.
        lines : int
            How many the file has.
        records : int or None
            How many there are; none if there was no reading them.
        """

        @cache
        def usual(column: int) -> set[str]:
            seen = frame.iloc[:SAMPLE, column].dropna().unique()
            return {_shape(value) for value in seen} - {""}

        so = f"{records:,} record{'s' * (records != 1)}" if records is not None else "no table"
        found, row = [], 0
        with text_of(path, encoding) as file:
            while line := self._next(file):
                row += 1
                if '"' in line and self.opens(line):
                    held, columns, closed, clean = self._follow(file, line)
                    width = frame.shape[1]
                    if closed and clean and not self._swallows(held, columns, width, usual):
                        continue
                    last = row + len(held) - 1
                    end = f"closes only in row {last}" if closed else "is never closed"
                    what = f"with it, the file's {lines:,} lines hold {so}."
                    found.append((row, f"opens a quotation mark that {end}; {what}"))
                    self._ahead.extendleft(reversed(held[1:]))
        if found:
            raise refuse_rows(path.name, found, "quotes")

    def _next(self, file: Iterator[str]) -> str:
        return self._ahead.popleft() if self._ahead else next(file, "")

    def _follow(self, file: Iterator[str], line: str) -> tuple[list[str], list[int], bool, bool]:
        """The record that begins with this line and takes in all that its marks hold.

        Returns
        -------
        lines : list of str
        columns : list of int
            For each line but the last, the column of the cell that it leaves open.
        closed : bool
            Whether the last mark closes (within BLOCK letters).
        clean : bool
            Whether each closing mark stands at the end of its cell.
        """
        lines, columns, size, clean, delimiter = [line], [], len(line), True, self.delimiter
        column = self.open_after(line)
        while size < BLOCK and (line := self._next(file)):
            lines.append(line)
            columns.append(column)
            size += len(line)
            if close := CLOSES.match(line):
                clean &= line[close.end() :][:1] in (delimiter, "\r", "\n", "")
                after = line.find(delimiter, close.end()) + 1
                more = self.open_after(line, after) if after else None
                if more is None:
                    return lines, columns, True, clean
                column += 1 + more
        return lines, columns, False, clean

    def _swallows(self, lines: list[str], columns: list[int], width: int, usual) -> bool:
        """Whether the record has another width than the header, or lines of it are records.

        They are if each of them fills the header's columns, or if one does, and what it would put
        outside the cell in question looks like what stands in those columns elsewhere.
        """
        if len(self.whole("".join(lines))) != width:
            return True
        alone = [self.cells(line) for line in lines]
        if all(len(cells) == width for cells in alone if any(cells)):
            return True
        for i, cells in enumerate(alone):
            if len(cells) >= width:
                before = columns[i - 1] if i else 0
                after = width - 1 - columns[i] if i < len(columns) else 0
                left = enumerate(cells[:before])
                right = enumerate(cells[len(cells) - after :], width - after)
                if any(_shape(cell) in usual(column) for column, cell in (*left, *right)):
                    return True
        return False


def _shape(cell: str) -> str:
    """What a cell looks like: 'C12' as 'a0', '-3.5' as '-0.0'."""
    return re.sub(r"\d+", "0", re.sub(r"[^\W\d_]+", "a", cell))
