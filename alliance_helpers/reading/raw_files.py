"""What every kind of table file yields, and the limits each must keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from ..codebooks.wording import listed
from ..errors import DataError, Problem

MAX_BYTES = 8_000_000_000
MAX_COLUMNS = 20_000
NAMES_APART = "Give each column a name of its own."
ROW_ID = "#row"
"""As a column in the codebook: the row's number stands for an id that the file lacks."""


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
    """

    frame: pd.DataFrame
    labels: Mapping[str, str] = field(default_factory=dict)
    levels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    missing: Mapping[str, tuple] = field(default_factory=dict)
    missing_ranges: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    file: str = ""
    note: str = ""


def refuse(file: str, what: str, remedy: str, row: int | None = None, column=None) -> DataError:
    """One problem of a file as an error to raise."""
    return DataError([Problem(file, what, remedy, row=row, column=column)])


def reachable(path: Path) -> None:
    """Refuse a folder or file that is not there, or that may not be read."""
    try:
        if path.is_dir():
            next(path.iterdir(), None)
        elif path.is_file() or not path.exists():
            path.open("rb").close()
    except FileNotFoundError:
        remedy = "Name the folder or the file that holds the tables."
        raise refuse(str(path), "does not exist.", remedy) from None
    except OSError as error:
        remedy = "Ask for the right to read it, or name another."
        raise refuse(path.name, f"cannot be read ({error.strerror}).", remedy) from None


def within_limits(path: Path) -> None:
    """Refuse what is not a file with something in it, or is larger than MAX_BYTES."""
    reachable(path)
    if not path.is_file():
        raise refuse(path.name, "is not a file.", "Name a file that holds a table.")
    size = path.stat().st_size
    if size == 0:
        raise refuse(path.name, "is empty.", "Put a header and the records in it.")
    if size > MAX_BYTES:
        what = f"has {size / 1e9:.1f} GB; at most {MAX_BYTES / 1e9:g} GB are read."
        raise refuse(path.name, what, "Leave out columns that the codebook does not need.")


def numbered(frame: pd.DataFrame, first: int, file: str, rows=None) -> pd.DataFrame:
    """The frame without its wholly blank records, rows numbered from `first` (or as given).

    A column without a name, or with the name of the row's number, is called after its position:
    'unnamed 3'.
    """
    if frame.shape[1] > MAX_COLUMNS:
        what = f"has {frame.shape[1]:,} columns; at most {MAX_COLUMNS:,} are read."
        raise refuse(file, what, "Leave out columns that the codebook does not need.")
    names = enumerate(map(str, frame.columns), 1)
    frame.columns = [f"unnamed {i}" if n.strip() in ("", ROW_ID) else n for i, n in names]
    rows = np.arange(first, first + len(frame)) if rows is None else np.asarray(rows)
    frame.index = pd.Index(rows, name="row")
    if frame.shape[1] and len(frame):
        maybe = _blank(frame.iloc[:, 0])
        for position in range(1, frame.shape[1]):
            if not maybe.any():
                return frame
            maybe[maybe] = _blank(frame.iloc[:, position][maybe])
        if maybe.any():
            return frame[~maybe]
    return frame


def repeated_names(frame: pd.DataFrame) -> str:
    """The columns' names that stand there more than once, as a message lists them."""
    return listed(map(repr, frame.columns[frame.columns.duplicated()].unique()))


def _blank(values: pd.Series) -> np.ndarray:
    gone = values.isna().to_numpy(dtype=bool)
    if pd.api.types.is_string_dtype(values.dtype):
        return gone | (values.astype("str").str.strip() == "").to_numpy(dtype=bool, na_value=True)
    return gone
