"""A study's raw tables: read from any format, and checked against their codebook."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from ..errors import CodebookError, DataError, Problem
from ..paths import CODEBOOK, RAW, TRUTH
from .check import Examined, examine
from .codebook import Codebook
from .raw_tables import reachable
from .read_codebook import draft_codebook, read_codebook
from .read_tables import codebook_beside, completed, read_tables
from .yaml_text import read_text


@dataclass(frozen=True)
class Study:
    """Raw tables with their codebook; nothing in them has been changed.

    Attributes
    ----------
    tables : dict of DataFrame
        By codebook name, cells as the files hold them.
    codebook : Codebook
        Completed by labels, value labels and missing codes that the files declare.
    source : str
        Where the tables come from, in words.
    truth : DataFrame, optional
        For a synthetic study, what it was drawn from.
    notes : tuple of str
        How files were read, where that was not plain (delimiter, encoding, decimal comma).
    sizes : tuple of str
        Of each file that was read, how many records, and lines if it is text.
    """

    tables: dict[str, pd.DataFrame]
    codebook: Codebook
    source: str
    truth: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()

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
        A folder of tables, one file, or a file with look-up tables beside it; CSV, Excel, SPSS,
        Stata or Parquet. The shipped synthetic cohort by default.
    codebook : path or Codebook, optional
        By default the one beside the data (`codebook.yml`, or `<file>.codebook.yml`), else the
        shipped one, which calls data synthetic only where their `truth.csv` lies beside them.

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
    study, in_codebook, in_data = _everything(source, codebook)
    if in_codebook:
        raise CodebookError([*in_codebook, *in_data])
    if in_data or study is None:
        raise DataError(in_data)
    return study


def codebook_of(source: str | Path | None = None, codebook: str | Path | None = None) -> Codebook:
    """The codebook that goes with the data: the one named, the one beside them, the shipped one."""
    place = Path(source) if source else RAW
    return _vouched(read_codebook(codebook or codebook_beside(place)), place)


def read_study(
    source: str | Path | None = None, codebook: str | Path | Codebook | None = None
) -> Study:
    """Read the tables without checking the values in them."""
    place = Path(source) if source else RAW
    if not isinstance(codebook, Codebook):
        codebook = codebook_of(source, codebook)
    study, problems = _read(place, codebook, source)
    if problems:
        raise DataError(problems)
    return study


def check(
    source: str | Path | None = None, codebook: str | Path | Codebook | None = None
) -> list[Problem]:
    """Every problem of the data and of the codebook, together; an empty list if there is none.

    Parameters
    ----------
    source, codebook
        As in :func:`load_study`.

    Examples
    --------
    >>> check()
    []
    """
    return check_and_size(source, codebook)[0]


def check_and_size(source, codebook) -> tuple[list[Problem], tuple[str, ...]]:
    """Every problem, and how many records each file gave."""
    study, in_codebook, in_data = _everything(source, codebook)
    return [*in_codebook, *in_data], study.sizes if study else ()


def _everything(source, codebook) -> tuple[Study | None, list[Problem], list[Problem]]:
    """The study, if it can be laid out, and the problems of the codebook and of the data."""
    place, in_codebook = Path(source) if source else RAW, []
    try:
        reachable(place)
        given = codebook or codebook_beside(place)
        if not isinstance(codebook, Codebook):
            path = Path(given or CODEBOOK)
            codebook, in_codebook = draft_codebook(read_text(path), path.name)
        if codebook is None:
            return None, in_codebook, []
        study, unread = _read(place, _vouched(codebook, place), source)
        if given is None and len(study.tables) < 2:  # nothing like the shipped study
            what, remedy = f"is missing from {place.name}.", "Draft it with `alliance describe`."
            return None, [Problem("codebook.yml", what, remedy)], []
    except CodebookError as error:
        return None, [*error.problems], []
    except DataError as error:
        return None, in_codebook, [*error.problems]
    return study, in_codebook, [*unread, *study.examined.problems]


def _vouched(book: Codebook, place: Path) -> Codebook:
    """The shipped codebook calls its cohort synthetic; for tables without a truth it does not."""
    shipped = book.text == CODEBOOK.read_text(encoding="utf-8")
    if shipped and not (place / TRUTH).is_file():
        return replace(book, title=place.name, synthetic=False)
    return book


def _read(place: Path, book: Codebook, source) -> tuple[Study, list[Problem]]:
    raw, problems = read_tables(place, book)
    tables = {name: table.frame for name, table in raw.items()}
    notes = tuple(f"{book.tables[n].file}: {t.note}" for n, t in raw.items() if t.note)
    sizes = tuple(f"{t.file}: {t.size}" for t in raw.values())
    named = str(source) if source else "the shipped synthetic cohort"
    return Study(tables, completed(book, raw), named, notes=notes, sizes=sizes), problems
