"""Excel workbooks, read sheet by sheet, with limits against files that unpack to far more."""

from __future__ import annotations

import zipfile
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ..errors import DataError
from .raw_files import RawTable, numbered, refuse, within_limits

if TYPE_CHECKING:
    import openpyxl

MAX_UNPACKED = 500_000_000
MAX_RATIO = 200
MAX_PARTS = 2_000
SMALL = 10_000_000
MAX_ROWS = 1_048_576
ERRORS = ("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!")


def sheet_names(path: Path) -> list[str]:
    """The sheets of a workbook, in order."""
    with _Book(path) as book:
        return list(book.sheetnames)


def read_sheet(path: Path, sheet: str | None = None) -> RawTable:
    """One sheet: the first row holds the columns' names, formulas count by their stored result.

    Parameters
    ----------
    path : path
        An .xlsx or .xlsm workbook; macros and links in it are never followed.
    sheet : str, optional
        By default the only sheet.

    Raises
    ------
    DataError
        Not a workbook, too large once unpacked, no such sheet, cells that hold an Excel error.
    """
    with _Book(path) as book:
        names = book.sheetnames
        if sheet is None and len(names) == 1:
            sheet = names[0]
        if sheet not in names:
            what = f"has no sheet {sheet!r}" if sheet else "has several sheets"
            what += f" (found: {', '.join(names[:10])})."
            raise refuse(path.name, what, "Name one as the table's `sheet` in the codebook.")
        place = f"{path.name} [{sheet}]" if len(names) > 1 else path.name
        page = book[sheet]
        if not hasattr(page, "iter_rows"):
            raise refuse(place, "is a chart, not a table.", "Name a sheet that holds a table.")
        page.reset_dimensions()
        cells = page.iter_rows(values_only=True, max_row=MAX_ROWS)
        header = _trim(next(cells, ()))
        if not header:
            raise refuse(place, "is empty.", "Put a header in the first row, the records below.")
        width = len(header)
        rows = [_fit(row, width, place, i) for i, row in enumerate(cells, start=2)]
    names = ["" if name is None else str(name).strip() for name in header]
    columns = list(zip(*rows, strict=True)) if rows else [[] for _ in names]
    frame = pd.concat([_column(cells) for cells in columns], axis=1)
    frame.columns = names
    return RawTable(numbered(frame, 2, place), file=place)


def _column(cells) -> pd.Series:
    """Numbers as numbers; text, dates and mixtures as the objects they are."""
    kinds = {type(cell) for cell in cells} - {type(None)}
    if kinds and kinds <= {int, float}:
        return pd.Series(cells, dtype=float)
    return pd.Series(list(cells), dtype=object)


def _trim(row: tuple) -> list:
    row = list(row)
    while row and (row[-1] is None or str(row[-1]).strip() == ""):
        row.pop()
    return row


def _fit(row: tuple, width: int, place: str, number: int) -> list:
    """The row at the header's width; more cells than that are a problem."""
    if len(row) > width:
        extra = _trim(row)
        if len(extra) > width:
            what = f"has {len(extra)} cells where the header has {width}."
            raise refuse(place, what, "Give every column a name in the first row.", row=number)
    kept = [*islice(row, width)]
    for cell in kept:
        if isinstance(cell, str) and cell in ERRORS:
            what = f"found {cell!r}, an Excel error."
            raise refuse(place, what, "Correct the formula, or leave the cell blank.", row=number)
    return kept + [None] * (width - len(kept))


class _Book:
    """A workbook opened for reading only, and closed again."""

    def __init__(self, path: Path) -> None:
        within_limits(path)
        self.path = path

    def __enter__(self) -> openpyxl.Workbook:
        import openpyxl  # takes a while, and most studies come as text

        _unpacks_within_limits(self.path)
        try:
            self.book = openpyxl.load_workbook(
                self.path, read_only=True, data_only=True, keep_links=False
            )
        except Exception as error:  # openpyxl raises many kinds on a broken file
            raise _broken(self.path, error) from None
        return self.book

    def __exit__(self, kind, error, trace) -> None:
        self.book.close()
        if error is not None and not isinstance(error, DataError) and isinstance(error, Exception):
            raise _broken(self.path, error) from None


def _broken(path: Path, error: Exception) -> DataError:
    what = f"cannot be read as an Excel workbook ({type(error).__name__})."
    return refuse(path.name, what, "Save it again as .xlsx, or export it as CSV.")


def _unpacks_within_limits(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as packed:
            parts = packed.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        what = "is not an .xlsx workbook."
        raise refuse(path.name, what, "Save it as .xlsx (not .xls), or as CSV.") from None
    size = sum(part.file_size for part in parts)
    packed_size = max(path.stat().st_size, 1)
    if (
        size > MAX_UNPACKED
        or len(parts) > MAX_PARTS
        or (size > SMALL and size / packed_size > MAX_RATIO)
    ):
        what = (
            f"would unpack to {size / 1e6:,.0f} MB from {packed_size / 1e6:,.1f} MB "
            f"({len(parts):,} parts); that is refused."
        )
        raise refuse(path.name, what, "Export the sheet as CSV or Parquet.")
