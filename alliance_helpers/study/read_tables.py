"""All raw tables of a study, whatever format each file has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DataError, Problem, listed
from ..paths import LIST
from .codebook import Codebook, Table, Variable
from .delimited import read_delimited
from .raw_tables import (
    READERS,
    RawTable,
    numbered,
    reachable,
    read_labelled,
    read_sheet,
    refuse,
    sheet_names,
    within_limits,
)

TEXT = (".csv", ".tsv", ".txt", ".tab")
EXCEL = (".xlsx", ".xlsm")
ENDINGS = (*TEXT, *EXCEL, *READERS, ".parquet")
MAX_UNPACKED = 32_000_000_000
NARROW = {
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}


def read_file(path: Path, table: Table | None = None, sheet: str | None = None) -> RawTable:
    """One table from its file.

    Parameters
    ----------
    path : path
        .csv .tsv .txt .xlsx .xlsm .sav .zsav .dta .parquet
    table : Table, optional
        What the codebook expects; tells delimiters apart, and which columns are numbers.
    sheet : str, optional
        Of a workbook.

    Raises
    ------
    DataError
        Missing, of another kind than its name says, damaged, or too large.
    """
    ending = path.suffix.lower()
    variables = table.variables.values() if table else ()
    if ending in EXCEL:
        return read_sheet(path, sheet)
    if ending in READERS:
        return read_labelled(path)
    if ending == ".parquet":
        return _read_parquet(path, [v.column for v in variables if v.type == "category"])
    if ending in TEXT:
        numbers = [v.column for v in variables if v.type in ("number", "integer")]
        return read_delimited(path, [v.column for v in variables], numbers)
    what = f"ends in {ending!r}, which cannot be read." if ending else "has no ending."
    raise refuse(path.name, what, f"Give one of {', '.join(ENDINGS)}.")


def _read_parquet(path: Path, categories: list[str]) -> RawTable:
    """Whole numbers keep their width; categories stay codes and levels."""
    within_limits(path)
    try:
        meta = pq.read_metadata(path)
        size = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
        if size > MAX_UNPACKED:
            what = f"would unpack to {size / 1e9:.0f} GB."
            raise refuse(path.name, what, "Leave out columns that the codebook does not need.")
        schema = pq.read_schema(path)
        wanted = [c for c in categories if c in schema.names]
        nested = [f.name for f in schema if pa.types.is_nested(f.type)]
        if nested:
            what = "holds lists or records in its cells."
            raise refuse(path.name, what, "Give each value a column.", column=nested[0])
        data = pq.read_table(path, read_dictionary=wanted, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        what = f"cannot be read as Parquet ({type(error).__name__})."
        raise refuse(path.name, what, "Write it again, or export it as CSV.") from None
    frame = data.to_pandas(
        types_mapper=NARROW.get, ignore_metadata=True, split_blocks=True, self_destruct=True
    )
    return RawTable(numbered(frame, 1, path.name), file=path.name)


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
