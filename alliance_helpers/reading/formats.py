"""Any table file by its name's ending: delimited text, Excel, SPSS, Stata, Parquet."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..codebooks.dictionary import Table
from .delimited import read_delimited
from .labelled import READERS, read_labelled
from .raw_files import RawTable, numbered, refuse, within_limits
from .workbooks import read_sheet

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
