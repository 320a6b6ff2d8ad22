"""SPSS and Stata files, with their labels, value labels and user-missing codes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..errors import DataError
from .raw_files import RawTable, numbered, refuse, within_limits

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
        frame, meta = getattr(pyreadstat, reader)(str(path), user_missing=True)
    except DataError:
        raise
    except Exception as error:  # the parser raises bare exceptions of several kinds
        what = f"cannot be read as {kind} ({str(error)[:80]})."
        raise refuse(path.name, what, "Save it again, or export it as CSV.") from None
    missing, ranges = {}, {}
    for column, declared in meta.missing_ranges.items():
        spans = [(d["lo"], d["hi"]) for d in declared]
        ranges[column] = tuple(s for s in spans if not isinstance(s[0], str))
        missing[column] = tuple(low for low, _ in spans if isinstance(low, str))
    for column, codes in meta.missing_user_values.items():
        missing[column] = (*missing.get(column, ()), *codes)
    return RawTable(
        numbered(frame, 1, path.name),
        file=path.name,
        labels={c: text for c, text in meta.column_names_to_labels.items() if text},
        levels={c: _levels(levels) for c, levels in meta.variable_value_labels.items()},
        missing=missing,
        missing_ranges=ranges,
    )


def _levels(levels: dict) -> dict[str, str]:
    """Value labels by code as text; a whole number without its decimals."""
    whole = {
        str(int(code)) if isinstance(code, float) and code.is_integer() else str(code): str(label)
        for code, label in levels.items()
    }
    return {code: label.strip() for code, label in whole.items() if not pd.isna(label)}
