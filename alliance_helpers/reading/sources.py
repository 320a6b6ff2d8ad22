"""Where a study's tables are: in a folder, in one file, or in a file with look-ups beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..codebooks.dictionary import Codebook, Table, Variable
from ..codebooks.wording import listed
from ..errors import DataError, Problem
from ..writing import LIST
from .formats import ENDINGS, EXCEL, read_file
from .raw_files import RawTable, reachable, refuse
from .workbooks import sheet_names


def codebook_beside(source: Path) -> Path | None:
    """`codebook.yml` in the folder, or `<name>.codebook.yml` or `codebook.yml` beside the file."""
    folder = source if source.is_dir() else source.parent
    own = [] if source.is_dir() else [folder / f"{source.stem}.codebook.yml"]
    return next((p for p in [*own, folder / "codebook.yml"] if p.is_file()), None)


def read_tables(source: Path, book: Codebook) -> tuple[dict[str, RawTable], list[Problem]]:
    """Every table of the codebook that can be read, and why the others cannot."""
    reachable(source)
    tables, problems = {}, []
    for name, table in book.tables.items():
        try:
            path, sheet = _place(source, table, book)
            tables[name] = read_file(path, table, sheet)
        except DataError as error:
            problems += error.problems
    return tables, problems


def _place(source: Path, table: Table, book: Codebook) -> tuple[Path, str | None]:
    """File and sheet of one table; another ending than the codebook's is taken if it is there."""
    folder = source if source.is_dir() else source.parent
    path = folder / table.file
    if source.is_file() and table.file != source.name:
        lookup = path.is_file() and not (table.sheet and source.suffix.lower() in EXCEL)
        same = table.name == _main_table(source, book)
        if not lookup and (same or source.suffix.lower() in EXCEL):
            path = source
    if not path.is_file():
        path = _other_ending(folder, table)
    if path.suffix.lower() not in EXCEL:
        return path, None
    names = sheet_names(path)
    wanted = (table.sheet, table.name, Path(table.file).stem)
    return path, next((n for n in wanted if n in names), table.sheet)


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
        what = f"is missing from {folder.name}, but {listed(p.name for p in same)} are there."
        raise refuse(table.file, what, "Name one of them in the codebook.")
    books = [p for p in found if p.suffix.lower() in EXCEL]
    if len(books) == 1 and {table.name, stem, table.sheet} & set(sheet_names(books[0])):
        return books[0]
    what = f"is missing from {folder.name} (found: {listed(p.name for p in found) or 'nothing'})."
    raise refuse(table.file, what, "Add the table, or drop it from the codebook.")


def completed(book: Codebook, tables: dict[str, RawTable]) -> Codebook:
    """The codebook with what the files declare: names, labels, value labels, missing codes."""
    made = {
        name: replace(
            book.tables[name],
            file=raw.file,
            variables={k: _complete(v, raw) for k, v in book.tables[name].variables.items()},
        )
        for name, raw in tables.items()
    }
    return replace(book, tables={**book.tables, **made})


def _complete(v: Variable, raw: RawTable) -> Variable:
    levels = raw.levels.get(v.column, {})
    codes = dict(v.codes)
    if v.type == "category" and not codes:
        codes = {c: text for c, text in levels.items() if c not in v.values}
    return replace(
        v,
        label=v.label or raw.labels.get(v.column, "")[:300],
        codes=codes,
        missing=(*v.missing, *raw.missing.get(v.column, ())),
        missing_ranges=(*v.missing_ranges, *raw.missing_ranges.get(v.column, ())),
    )
