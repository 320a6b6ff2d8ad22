"""A study's raw tables: where they come from, and whether they fit their codebook."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from .checks import Examined, examine
from .codebook import Codebook, Table, read_codebook
from .errors import DataError, Problem
from .paths import RAW


@dataclass(frozen=True)
class Study:
    """Raw tables with their codebook; nothing in them has been changed.

    Attributes
    ----------
    tables : dict of DataFrame
        By codebook name, cells as the files hold them.
    codebook : Codebook
    source : str
        Where the tables come from, in words.
    truth : DataFrame, optional
        For a synthetic study, what it was drawn from.
    """

    tables: dict[str, pd.DataFrame]
    codebook: Codebook
    source: str
    truth: pd.DataFrame | None = None

    @cached_property
    def examined(self) -> Examined:
        """Typed tables, changes and problems (computed once)."""
        return examine(self.tables, self.codebook)


def load_study(
    source: str | Path | None = None, codebook: str | Path | Codebook | None = None
) -> Study:
    """Read a study's raw tables and check them against their codebook.

    Parameters
    ----------
    source : path, optional
        Folder that holds the tables; the shipped synthetic cohort by default.
    codebook : path or Codebook, optional
        By default `codebook.yml` inside the folder, else the shipped one.

    Raises
    ------
    DataError
        With every problem: file, row, column, value, and what to do about it.
    CodebookError

    Examples
    --------
    >>> sorted(load_study().tables)[:2]
    ['case_manager_forms', 'case_managers']
    """
    study = read_study(source, codebook)
    if study.examined.problems:
        raise DataError(study.examined.problems)
    return study


def read_study(
    source: str | Path | None = None, codebook: str | Path | Codebook | None = None
) -> Study:
    """Read the tables without checking the values in them."""
    folder = Path(source) if source else RAW
    if not isinstance(codebook, Codebook):
        own = folder / "codebook.yml"
        codebook = read_codebook(codebook or (own if own.is_file() else None))
    if not folder.is_dir():
        raise DataError(
            [Problem(str(folder), "is not a folder.", "Name the folder that holds the tables.")]
        )
    tables, problems = {}, []
    for name, table in codebook.tables.items():
        try:
            tables[name] = read_table(folder / table.file, table)
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    return Study(tables, codebook, str(source) if source else "the shipped synthetic cohort")


def read_table(path: Path, table: Table) -> pd.DataFrame:
    """One raw table, its cells as text; problems as :class:`DataError`."""
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except FileNotFoundError:
        present = (
            ", ".join(sorted(p.name for p in path.parent.iterdir() if p.is_file())) or "nothing"
        )
        what = f"is missing from {path.parent.name} (found: {present})."
        raise DataError(
            [Problem(path.name, what, "Add the table, or drop it from the codebook.")]
        ) from None
    except pd.errors.EmptyDataError:
        raise DataError(
            [Problem(path.name, "is empty.", "Put a header and the records in it.")]
        ) from None
    except UnicodeDecodeError as error:
        row = path.read_bytes()[: error.start].count(b"\n") + 1
        what = f"holds bytes that are not UTF-8 ({error.object[error.start : error.start + 1]!r})."
        raise DataError([Problem(path.name, what, "Save it as UTF-8.", row=row)]) from None
    except pd.errors.ParserError as error:
        what = f"is not a regular table ({error})."
        raise DataError(
            [Problem(path.name, what, "Give each row the same number of cells.")]
        ) from None
    frame.columns = frame.columns.str.strip()
    return frame
