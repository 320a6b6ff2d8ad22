"""One raw table from one file, every cell as it stands: Excel, SPSS, Stata, Parquet.

SPSS and Stata files come with their labels, value labels and user-missing codes; every kind of file
keeps limits, since a small one may unpack to far more.
"""

from __future__ import annotations

import contextlib
import itertools
import mmap
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DataError, Problem, listed, show
from .cells import as_text
from .codebook import WORDS, say

MAX_BYTES = 8_000_000_000
MAX_COLUMNS = 20_000
SHOWN_ROWS = 20
FOOT, NOTE = 30, 2  # rows at the end that are looked at; cells that a note fills
ODD = 0.1  # of a column's cells, that are not like the others
TOTAL = re.compile(WORDS["pattern"]["total"], re.IGNORECASE)
IMPORT_ID = re.compile(r'"ImportId":\s*"?([^",}]*)')
ROW_ID = "#row"  # as a column in the codebook: the row's number, for an id that the file lacks


@dataclass(frozen=True)
class RawTable:
    """One table as its file holds it, and what the file says about its columns.

    Attributes
    ----------
    frame : DataFrame
        Cells unchanged; the index, named `row`, numbers the records as the file's own program
        shows them (a spreadsheet counts the header, SPSS and Stata do not).
    labels : dict
        Column to its label.
    levels : dict
        Column to {code as text: label}.
    missing, missing_ranges : dict
        Column to the codes, or (low, high) pairs, that the file declares as missing.
    file : str
        The file's name as messages give it, with its sheet if it has several.
    note : str
        How the file was read, if that was not plain.
    lines : int
        How many lines the file has; rows of a sheet, records that another format declares.
    beside : tuple of str
        The other sheets that have the same header, as `file` gives them.
    """

    frame: pd.DataFrame
    labels: Mapping[str, str] = field(default_factory=dict)
    levels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    missing: Mapping[str, tuple] = field(default_factory=dict)
    missing_ranges: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    file: str = ""
    note: str = ""
    lines: int = 0
    unit: str = "line"
    beside: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """Records read, beside the lines they were read from, and how."""
        n = len(self.frame)
        lines = f"in {self.lines:,} {self.unit}{'s' * (self.lines != 1)}"
        return ", ".join(filter(None, (f"{n:,} record{'s' * (n != 1)} {lines}", self.note)))


def refuse(file: str, problem: str, row: int | None = None, column=None, **filled) -> DataError:
    """One problem of a file, as `words.toml` has it, as an error to raise."""
    return DataError([Problem(file, *say(problem, **filled), row=row, column=column)])


def refuse_rows(file: str, found: list[tuple[int, str]], rest: str, **filled) -> DataError:
    """What is wrong with each row, as one error; of the rows beyond SHOWN_ROWS, `rest` is said."""
    rest, remedy = say(rest, **filled)
    problems = [Problem(file, what, remedy, row=row) for row, what in found[:SHOWN_ROWS]]
    if len(found) > SHOWN_ROWS:
        rows = tuple(row for row, _ in found[SHOWN_ROWS : SHOWN_ROWS + 3])
        more = len(found) - SHOWN_ROWS
        problems.append(Problem(file, rest, remedy, row=rows[0], rows=rows, count=more))
    return DataError(problems)


def reachable(path: Path) -> None:
    """Refuse a folder or file that is not there, or that may not be read."""
    try:
        if path.is_dir():
            next(path.iterdir(), None)
        elif path.is_file() or not path.exists():
            path.open("rb").close()
    except FileNotFoundError:
        raise refuse(str(path), "no_such_place") from None
    except OSError as error:
        raise refuse(path.name, "closed", why=error.strerror) from None


def within_limits(path: Path) -> None:
    """Refuse what is not a file with something in it, or is larger than MAX_BYTES."""
    reachable(path)
    if not path.is_file():
        raise refuse(path.name, "no_file")
    size = path.stat().st_size
    if size == 0:
        raise refuse(path.name, "empty")
    if size > MAX_BYTES:
        raise refuse(path.name, "too_large", size=size / 1e9, most=MAX_BYTES / 1e9)


def not_too_wide(file: str, columns: int) -> None:
    """Refuse more than MAX_COLUMNS."""
    if columns > MAX_COLUMNS:
        raise refuse(file, "too_wide", columns=columns, most=MAX_COLUMNS)


def numbered(frame: pd.DataFrame, first: int, file: str, rows=None) -> pd.DataFrame:
    """The frame without its wholly blank records, rows numbered from `first` (or as given).

    A column without a name, or with the name of the row's number, is called after its position:
    'unnamed 3'; if it holds nothing either, it is left out.
    """
    not_too_wide(file, frame.shape[1])
    names = enumerate(map(str, frame.columns), 1)
    frame.columns = [f"unnamed {i}" if n.strip() in ("", ROW_ID) else n for i, n in names]
    unnamed = (i for i, n in enumerate(frame.columns) if n == f"unnamed {i + 1}")
    nothing = [f"unnamed {i + 1}" for i in unnamed if blank_cells(frame.iloc[:, i]).all()]
    frame = frame.drop(columns=nothing) if nothing else frame
    rows = np.arange(first, first + len(frame)) if rows is None else np.asarray(rows)
    frame.index = pd.Index(rows, name="row")
    blank = np.full(len(frame), frame.shape[1] > 0)
    texts = [pd.api.types.is_string_dtype(dtype) for dtype in frame.dtypes]
    for position in np.argsort(texts, kind="stable"):  # numbers are quicker to ask
        if not blank.any():
            return frame
        cells = frame.iloc[:, position]
        blank[blank] = blank_cells(cells if blank.all() else cells[blank])
    return frame[~blank] if blank.any() else frame


def footless(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The records without names that stand among them again, totals, headings and notes."""
    if not frame.shape[1]:
        return frame, ""
    kept = np.ones(len(frame), bool)
    kept[[*_beside_records(frame)]] = False
    again = np.flatnonzero(frame.iloc[1:, 0] == frame.columns[0]) + 1
    for at in again:  # but for what a tool writes right below the names
        kept[at] &= not (frame.iloc[at] == frame.columns).all()
    rows = listed(frame.index[~kept], 3)
    return frame[kept] if rows else frame, f"no records, left aside: row {rows}" if rows else ""


def _beside_records(frame: pd.DataFrame) -> Iterator[int]:
    """Where notes stand, and what sums up the records.

    A note fills a cell or two, after a blank row or with a word where only numbers stand. What sums
    up is called so; or its id is a word or nothing, and one measure makes all of its numbers.
    """
    tail, ids, words = len(frame), frame.iloc[:, 0], ()
    if not pd.api.types.is_numeric_dtype(ids) and (_kinds(ids.head()) > 0).any():
        words = np.flatnonzero(~ids.astype("str").str.contains(r"\d", na=True))[:FOOT]
    first, rows = range(len(frame))[:5], sorted({*words, *range(len(frame))[-FOOT:]} - {0})[::-1]
    kinds = cache(lambda column: _kinds(frame.iloc[[*first, *rows], column]))
    for i, cells in enumerate(frame.iloc[rows].to_numpy(object)):
        at, cells = rows[i], [(j, text) for j, cell in enumerate(cells)
                              if not pd.isna(cell) and (text := as_text(cell))]  # fmt: skip
        column, word = cells[0]
        few = len(cells) <= NOTE < frame.shape[1] / 2
        of = column if few else 0
        unlike = kinds(of)[len(first) + i] < kinds(of)[: len(first)].max()
        records = _records(frame.iloc[:, of], at) if unlike else None
        beside = TOTAL.fullmatch(word) and not (frame.iloc[:at, column] == word).any()
        if not beside and records is not None:
            beside = few or _sums_up(frame.iloc[at], frame[records])
        above = frame.iloc[:at, column].map(as_text) if word == str(at) and not beside else ()
        if len(above) and word not in {*above} and above.iloc[-1] != str(at - 1):  # how many
            beside = len(cells) == 1 or _sums_up(frame.iloc[at], frame[:at])
        tail = at if at == tail - 1 and (few or beside) else tail
        if beside or (tail == at and frame.index[at] - frame.index[at - 1] > 1):
            yield from range(at, len(frame) if tail == at else at + 1)


def _kinds(cells: pd.Series) -> np.ndarray:
    """2 for a number, 1 for what holds one, 0 for a word, -1 for nothing."""
    number = pd.to_numeric(cells, errors="coerce").notna()
    digit = cells.astype("str").str.contains(r"\d", na=False)
    return np.select([blank_cells(cells), number, digit], [-1, 2, 1], 0)


def _records(cells: pd.Series, at: int) -> np.ndarray | None:
    """Which cells are as nearly all of a column are, if one is not: a word, or blank."""
    kinds = _kinds(cells)
    like = kinds > kinds[at]
    return like if (~like).sum() <= max(1, ODD * len(like)) else None


@np.errstate(invalid="ignore")  # of 1e400
def _sums_up(row: pd.Series, records: pd.DataFrame) -> bool:
    """Whether one measure of the records makes nearly all numbers of a row, as rounded there."""
    at = np.flatnonzero(pd.to_numeric(row, errors="coerce").notna())
    x = records.iloc[:, at].apply(pd.to_numeric, errors="coerce")
    at, x = at[x.notna().any()], x.loc[:, x.notna().any()]
    told = pd.to_numeric(row.iloc[at]).to_numpy(float)
    made = x.agg(["min", "max", "mean", "median", "std", "count", "sum"]).to_numpy()
    near = np.abs([*made, made[1] - made[0]] - told) <= np.where(told % 1 == 0, 0.5, 0.05)
    return len(at) > NOTE and near.mean(axis=1).max() >= 1 - ODD


def joined_names(names: list, below: Sequence = ()) -> list:
    """The names; where one stands above several columns, before what the next row calls each.

    It stands above those of the same kind, and those that have the name of another.

    >>> joined_names(["id", "Client", "", ""], ["", "1", "2", "age"])
    ['id', 'Client 1', 'Client 2', 'age']
    """
    cells = [["" if cell is None else as_text(cell) for cell in row] for row in (names, below)]
    pairs = [*itertools.zip_longest(*cells, fillvalue="")]
    if not any(own and not above for above, own in pairs):
        return names
    made, span, kind, own_names = [], "", "", [own for _, own in pairs]
    for above, own in pairs:
        like = re.sub(r"\d+", "#", own)
        span, kind = (above, like) if above else (span, kind)
        spans = above or (own and (like == kind or own_names.count(own) > 1))
        made.append(f"{span} {own}".strip() if spans else own)
    return made


def own_ids(file: str, names: Sequence, third: Sequence, row: int) -> None:
    """Refuse a third header of Qualtrics that has no ImportId for a column, or another's."""
    blank = [""] * len(names)
    cells = {str(n): str(cell or "") for n, cell in zip(names, [*third, *blank], strict=False)}
    told = {name: IMPORT_ID.search(cell) for name, cell in cells.items()}
    known = {name.casefold() for name in cells}
    odd = [n for n, id in told.items() if not id or id[1].casefold() in known - {n.casefold()}]
    said = [(n, say("import_ids", found=show(cells[n]))) for n in odd]
    if said and ("RecordedDate" in cells or any(told.values())):
        raise DataError([Problem(file, *words, row=row, column=n) for n, words in said])


def repeated_names(frame: pd.DataFrame) -> str:
    """The columns' names that stand there more than once, as a message lists them."""
    return listed(map(repr, frame.columns[frame.columns.duplicated()].unique()))


def blank_cells(values: pd.Series) -> np.ndarray:
    """Which cells hold nothing, or nothing but spaces."""
    gone = values.isna().to_numpy(dtype=bool)
    if pd.api.types.is_string_dtype(values.dtype):
        return gone | (values.astype("str").str.strip() == "").to_numpy(dtype=bool, na_value=True)
    return gone


READERS = {
    ".sav": ("an SPSS file", "read_sav"),
    ".zsav": ("an SPSS file", "read_sav"),
    ".dta": ("a Stata file", "read_dta"),
}


def read_labelled(path: Path) -> RawTable:
    """An SPSS or Stata file; codes stay codes, and what they mean comes beside them.

    Raises
    ------
    DataError
        If the file is not what its name says.
    """
    import pyreadstat  # takes a while, and most studies come as text

    within_limits(path)
    kind, reader = READERS[path.suffix.lower()]
    try:
        source, stated = (str(path), -1) if reader == "read_dta" else _every_case(path)
        frame, meta = getattr(pyreadstat, reader)(source, user_missing=True)
    except Exception as error:  # the parser raises bare exceptions of several kinds
        raise refuse(path.name, "not_labelled", kind=kind, why=str(error)[:80]) from None
    if stated >= 0 and stated != len(frame):
        raise refuse(path.name, "cases", stated=stated, held=len(frame))
    missing, ranges = {}, {}
    for column, declared in meta.missing_ranges.items():
        spans = [(d["lo"], d["hi"]) for d in declared]
        ranges[column] = tuple(s for s in spans if not isinstance(s[0], str))
        missing[column] = tuple(low for low, _ in spans if isinstance(low, str))
    for column, codes in meta.missing_user_values.items():
        missing[column] = (*missing.get(column, ()), *codes)
    labels = {column: text for column, text in meta.column_names_to_labels.items() if text}
    levels = {
        column: {as_text(code): str(label).strip() for code, label in levels.items()}
        for column, levels in meta.variable_value_labels.items()
    }
    has = numbered(frame, 1, path.name)
    return RawTable(has, labels, levels, missing, ranges, path.name, "", len(frame), "row")


def _every_case(path: Path) -> tuple[mmap.mmap, int]:
    """An SPSS file that says nothing of its number of cases, so that all are read; the number.

    Only the page that is written to is copied, and the file stays as it is.
    """
    with path.open("rb") as file:
        content, place = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY), slice(80, 84)
    order = "little" if content[64:65] > b"\0" else "big"  # of the layout, a 2 or 3
    stated = int.from_bytes(content[place], order, signed=True)
    content[place] = b"\xff" * len(content[place])
    return content, stated


HIDDEN = re.compile(rb"<row\b(?=[^>]*\bhidden=.(?:1|true)\b)[^>]*?\br=.(\d+)")
MAX_UNPACKED = 500_000_000
MAX_RATIO = 40
MAX_PARTS = 2_000
SMALL = 10_000_000
MAX_ROWS = 1_048_576
MAX_TOP = 1_000  # rows, in which a sheet has a cell or none
ERRORS = ("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!")


def sheet_names(path: Path) -> list[str]:
    """The sheets of a workbook that hold something, in order; if none does, all."""
    with _workbook(path) as book:
        return _filled(book)


def _filled(book) -> list[str]:
    """The sheets but those without a cell, which Excel adds by itself."""
    found = []
    for name in book.sheetnames:
        rows = [name]
        if hasattr(page := book[name], "iter_rows"):
            page.reset_dimensions()
            rows = page.iter_rows(values_only=True, max_row=MAX_TOP)
        found += [name] if any(map(_trim, rows)) else []
    return found or book.sheetnames


def read_sheet(path: Path, sheet: str | None = None, header=(1, 1), named=()) -> RawTable:
    """One sheet; formulas count by their stored result.

    Parameters
    ----------
    path : path
        An .xlsx or .xlsm workbook; macros and links in it are never followed.
    sheet : str, optional
        By default the first that is called as in `named`, or the only sheet.
    header : (first, last), optional
        Rows of the header; the names stand in the first, labels in the second if there is one.

    Raises
    ------
    DataError
        Not a workbook, too large once unpacked, no such sheet, cells that hold an Excel error.
    """
    with _workbook(path) as book:
        names = _filled(book)
        sheet = next((n for n in (sheet, *named) if n in names), sheet)
        if sheet is None and len(names) == 1:
            sheet = names[0]
        if sheet not in book.sheetnames:
            what, found = "no_sheet" if sheet else "sheets", ", ".join(names[:10])
            raise refuse(path.name, what, sheet=sheet, found=found)
        place = f"{path.name} [{sheet}]" if len(names) > 1 else path.name
        page = book[sheet]
        if not hasattr(page, "iter_rows"):
            raise refuse(place, "chart")
        cells = page.iter_rows(values_only=True, max_row=MAX_ROWS)
        top = [_trim(row) for row in itertools.islice(cells, header[1])][header[0] - 1 :]
        if not top or not top[0]:
            raise refuse(place, "sheet_empty" if header[0] == 1 else "no_names", first=header[0])
        rows = [_trim(row) for row in cells]
        with page._get_source() as source:  # rows that a filter hides, or a hand
            hidden = [*map(int, HIDDEN.findall(source.read()))]
        pages = {n: book[n] for n in names if n != sheet and hasattr(book[n], "iter_rows")}
        tops = {
            n: [*map(_trim, p.iter_rows(1, header[1], values_only=True))] for n, p in pages.items()
        }
        beside = tuple(f"{path.name} [{n}]" for n, t in tops.items() if t[header[0] - 1 :] == top)
        while rows and not rows[-1]:  # a style, say, down to the last row that a sheet can have
            rows.pop()
    if len(top) > 2:
        own_ids(place, top[0], top[2], header[0] + 2)
    names, first = joined_names(*top[:2]), header[1] + 1
    width, has, notes = len(names), "has {} cells where the header has {}.", []
    wider = max(map(len, rows), default=0) > width
    if wider and all(r[width] is None for r in rows if len(r) > width):  # after a blank column
        rows, notes = [row[:width] for row in rows], ["left aside: what stands beside the table"]
    long = [(i, has.format(len(r), width)) for i, r in enumerate(rows, first) if len(r) > width]
    if long:
        raise refuse_rows(place, long, "long_rows", width=width)
    rows = [row + [None] * (width - len(row)) for row in rows]
    frame = pd.DataFrame(rows, columns=range(width), dtype=object).apply(_column)
    for row, column in np.argwhere(frame.isin(ERRORS))[:1]:
        raise refuse(place, "excel_error", row + first, found=frame.iloc[row, column])
    frame.columns = ["" if name is None else str(name).strip() for name in names]
    labels = dict(zip(frame.columns, map(as_text, top[1]), strict=False)) if top[1:] else {}
    frame, foot = footless(numbered(frame, first, place))
    notes += [foot] if foot else []
    if unseen := frame.index.intersection(hidden).tolist():
        notes.append(f"read though the sheet hides it: row {listed(unseen, 3)}")
    note = ", ".join(notes)
    n = first - 1 + len(rows)
    return RawTable(frame, labels, file=place, note=note, lines=n, unit="row", beside=beside)


def _column(cells: pd.Series) -> pd.Series:
    """Numbers as numbers; text, dates and mixtures as the objects they are."""
    kinds = {type(cell) for cell in cells} - {type(None)}
    return cells.astype(float) if kinds and kinds <= {int, float} else cells


def _trim(row: tuple) -> list:
    row = list(row)
    while row and (row[-1] is None or str(row[-1]).strip() == ""):
        row.pop()
    return row


@contextlib.contextmanager
def _workbook(path: Path) -> Iterator:
    """A workbook opened for reading only, and closed again."""
    import openpyxl  # takes a while, and most studies come as text

    within_limits(path)
    _unpacks_within_limits(path)
    book = None
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
        yield book
    except DataError:
        raise
    except Exception as error:  # openpyxl raises many kinds on a broken file
        raise refuse(path.name, "no_workbook", why=type(error).__name__) from None
    finally:
        if book is not None:
            book.close()


def _unpacks_within_limits(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as packed:
            parts = packed.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise refuse(path.name, "not_xlsx") from None
    size = sum(part.file_size for part in parts)
    packed_size = max(path.stat().st_size, 1)
    dense = size > SMALL and size / packed_size > MAX_RATIO
    if dense or size > MAX_UNPACKED or len(parts) > MAX_PARTS:
        sizes = {"size": size / 1e6, "packed": packed_size / 1e6, "parts": len(parts)}
        raise refuse(path.name, "unpacks", **sizes)


MAX_PARQUET = 32_000_000_000
NARROW = {pa.bool_(): pd.BooleanDtype()} | {
    pa.type_for_alias(name.lower()): pd.api.types.pandas_dtype(name)
    for name in ("Int8", "Int16", "Int32", "Int64", "UInt8")
}


def read_parquet(path: Path, categories: list[str]) -> RawTable:
    """Whole numbers keep their width; categories stay codes and levels."""
    within_limits(path)
    try:
        packed = path.stat().st_size
        file = pq.ParquetFile(path)
        meta, schema = file.metadata, file.schema_arrow
        size = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
        cells = 8 * meta.num_rows * meta.num_columns  # runs of one value take no room in the file
        if size > MAX_PARQUET or (cells > MAX_UNPACKED and cells > MAX_RATIO * packed):
            sizes = {"size": max(size, cells) / 1e9, "packed": packed / 1e6}
            raise refuse(path.name, "parquet_unpacks", **sizes)
        for field in schema:
            if "binary" in str(field.type):
                raise refuse(path.name, "bytes", column=field.name)
            if pa.types.is_nested(field.type):
                raise refuse(path.name, "nested", column=field.name)
        if wanted := [c for c in categories if c in schema.names]:
            file = pq.ParquetFile(path, read_dictionary=wanted)
        data = file.read()
    except (pa.ArrowException, OSError) as error:
        raise refuse(path.name, "no_parquet", why=type(error).__name__) from None
    frame = data.to_pandas(
        types_mapper=NARROW.get, ignore_metadata=True, split_blocks=True, self_destruct=True
    )
    has = numbered(frame, 1, path.name)
    return RawTable(has, file=path.name, lines=meta.num_rows, unit="row")
