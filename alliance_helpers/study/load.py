"""A study's raw tables: found, read from any format, and checked against their codebook."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from os.path import lexists
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import CodebookError, DataError, Problem, listed
from ..paths import CODEBOOK, LIST, RAW, TRUTH, at
from .cells import LEFT_OUT, no_answer
from .check import Examined, examine, session_order
from .codebook import NUMERIC, Codebook, Table, Variable, say
from .delimited import read_delimited
from .raw_tables import (
    READERS,
    RawTable,
    reachable,
    read_labelled,
    read_parquet,
    read_sheet,
    refuse,
    sheet_names,
)
from .read_codebook import draft_codebook, read_codebook
from .suspect import suspicions
from .yaml_text import read_text

TEXT = (".csv", ".tsv", ".txt", ".tab")
EXCEL = (".xlsx", ".xlsm")
ENDINGS = (*TEXT, *EXCEL, *READERS, ".parquet")


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
        Of each file that was read: how many records, and lines if it is text; delimiter, encoding
        and decimal comma, where those were not plain.
    unread : tuple of Problem
        Sheets that no table reads, though they have the header of one that is read.
    """

    tables: dict[str, pd.DataFrame]
    codebook: Codebook
    source: str
    truth: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()
    unread: tuple[Problem, ...] = ()

    def __repr__(self) -> str:
        shapes = ", ".join(f"{n} {len(t):,} x {t.shape[1]}" for n, t in self.tables.items())
        return f"{self.codebook!r}, from {self.source}: {shapes}"

    @cached_property
    def examined(self) -> Examined:
        """Typed tables, changes and problems (computed once)."""
        return examine(self.tables, self.codebook)

    @cached_property
    def order(self) -> tuple[dict[str, np.ndarray], str]:
        """How sessions are numbered (computed once)."""
        return session_order(self.examined.sessions, self.codebook)

    @cached_property
    def warnings(self) -> tuple[Problem, ...]:
        """What is allowed and yet probably wrong (computed once)."""
        return (*self.unread, *suspicions(self.tables, self.examined, self.codebook, self.order))


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
    place = at(source) if source else RAW
    book = at(codebook) if codebook else codebook_beside(place)
    return _vouched(read_codebook(book), place)


def codebook_beside(source: Path) -> Path | None:
    """`codebook.yml` in the folder, or `<name>.codebook.yml` or `codebook.yml` beside the file."""
    folder = source if source.is_dir() else source.parent
    own = [] if source.is_dir() else [folder / f"{source.stem}.codebook.yml"]
    return next((p for p in [*own, folder / "codebook.yml"] if lexists(p)), None)


def check(source=None, codebook=None) -> tuple[list[Problem], tuple[str, ...]]:
    """Every problem of the codebook and of the data, together; else warnings, and what was read.

    Parameters
    ----------
    source, codebook
        As in :func:`load_study`.

    Examples
    --------
    >>> check()[0]
    []
    """
    study, in_codebook, in_data = _everything(source, codebook)
    if study is None or in_codebook or in_data:
        return [*in_codebook, *in_data], ()
    gone: Counter = Counter()
    for c in (c for c in study.examined.changes if c.after is LEFT_OUT):
        gone[c.table, c.rule] += len(c.rows)
    out = (f"{table}: {n:,} left out ({rule})" for (table, rule), n in sorted(gone.items()))
    return [], (*(f"Warning: {told}" for told in study.warnings), *study.notes, *out)


def _everything(source, codebook) -> tuple[Study | None, list[Problem], list[Problem]]:
    """The study, if it can be laid out, and the problems of the codebook and of the data."""
    place, in_codebook = at(source) if source else RAW, []
    try:
        reachable(place)
        given = codebook or codebook_beside(place)
        if not isinstance(codebook, Codebook):
            path = at(given or CODEBOOK)
            codebook, in_codebook = draft_codebook(read_text(path), path.name)
        if codebook is None:
            return None, in_codebook, []
        named = str(source) if source else "the shipped synthetic cohort"
        study, unread = read_study(place, _vouched(codebook, place), named)
        if given is None and len(study.tables) < 2:  # nothing like the shipped study
            return None, [Problem("codebook.yml", *say("no_codebook", place=place.name))], []
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


def read_study(place: Path, book: Codebook, named: str = "") -> tuple[Study, list[Problem]]:
    """Every table of the codebook that can be read, unchecked, and why the others cannot.

    The codebook is completed by what the files declare: names, labels, value labels, missing codes.
    """
    reachable(place)
    raw, problems = {}, []
    for name, table in book.tables.items():
        try:
            raw[name] = read_file(_place(place, table, book), table, table.sheet)
        except DataError as error:
            problems += error.problems
    tables = dict(book.tables)
    for name, found in raw.items():
        variables = {k: _complete(v, found) for k, v in tables[name].variables.items()}
        tables[name] = replace(tables[name], file=found.file, variables=variables)
    frames = {name: found.frame for name, found in raw.items()}
    notes = tuple(f"{found.file}: {found.told}" for found in raw.values())
    left = {name: {*found.beside} - {f.file for f in raw.values()} for name, found in raw.items()}
    unread = tuple(Problem(raw[name].file, *say("unread", n=len(sheets)))
                   for name, sheets in left.items() if sheets)  # fmt: skip
    return Study(frames, replace(book, tables=tables), named, notes=notes, unread=unread), problems


def read_file(path: Path, table: Table | None = None, sheet: str | None = None) -> RawTable:
    """One table from its file.

    Parameters
    ----------
    path : path
        .csv .tsv .txt .xlsx .xlsm .sav .zsav .dta .parquet
    table : Table, optional
        What the codebook expects; tells the header's rows, delimiters apart, and which columns
        are numbers.
    sheet : str, optional
        Of a workbook.

    Raises
    ------
    DataError
        Missing, of another kind than its name says, damaged, or too large.
    """
    ending = path.suffix.lower()
    variables = table.variables.values() if table else ()
    header = table.header if table else (1, 1)
    if ending in EXCEL:
        return read_sheet(path, sheet, header, (table.name, Path(table.file).stem) if table else ())
    if ending in READERS:
        return read_labelled(path)
    if ending == ".parquet":
        return read_parquet(path, [v.column for v in variables if v.type == "category"])
    if ending in TEXT:
        numbers = [v.column for v in variables if v.type in NUMERIC]
        return read_delimited(path, [v.column for v in variables], numbers, header)
    known = ", ".join(ENDINGS)
    raise refuse(path.name, "ending" if ending else "endless", ending=ending, known=known)


def _place(source: Path, table: Table, book: Codebook) -> Path:
    """The file of one table; another ending than the codebook's is taken if it is there."""
    folder = source if source.is_dir() else source.parent
    path = folder / table.file
    if source.is_file() and table.file != source.name:
        lookup = path.is_file() and not (table.sheet and source.suffix.lower() in EXCEL)
        same = table.name == _main_table(source, book)
        if not lookup and (same or source.suffix.lower() in EXCEL):
            path = source
    return path if path.is_file() else _other_ending(folder, table)


def _main_table(source: Path, book: Codebook) -> str:
    """The table that a file given by itself holds: of its name, else the first of clients."""
    stems = {Path(t.file).stem: name for name, t in book.tables.items()}
    clients = (name for name, t in book.tables.items() if t.row == "client")
    return stems.get(source.stem) or next(clients, "")


def _other_ending(folder: Path, table: Table) -> Path:
    stem = Path(table.file).stem
    found = sorted(p for p in folder.iterdir() if p.is_file() and p.name != LIST)
    same = [p for p in found if p.stem == stem and p.suffix.lower() in ENDINGS]
    if len(same) == 1:
        return same[0]
    if len(same) > 1:
        raise refuse(table.file, "alike", place=folder.name, found=listed(p.name for p in same))
    books = [p for p in found if p.suffix.lower() in EXCEL]
    if len(books) == 1 and {table.name, stem, table.sheet} & set(sheet_names(books[0])):
        return books[0]
    there = listed(p.name for p in found) or "nothing"
    raise refuse(table.file, "absent", place=folder.name, found=there)


def _complete(v: Variable, raw: RawTable) -> Variable:
    """The variable with what its file declares: a category with labels has these and no others."""
    v = replace(
        v,
        label=v.label or raw.labels.get(v.column, "")[:300],
        missing=(*v.missing, *raw.missing.get(v.column, ())),
        missing_ranges=(*v.missing_ranges, *raw.missing_ranges.get(v.column, ())),
    )
    if v.type != "category" or v.codes or v.column not in raw.levels:
        return v
    levels = pd.Series(raw.levels[v.column], dtype="str")
    codes = levels[~levels.index.isin(v.values)].to_dict()
    told = levels[~no_answer(levels.index.to_series(), v)].unique()
    return replace(v, codes=codes, values=v.values or (*told,))
