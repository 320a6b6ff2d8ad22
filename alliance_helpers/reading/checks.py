"""Raw tables against their codebook: what is typed, what is tidied, what is wrong.

One pass gives all three: the typed tables, the log of changes and the list of problems.
Rows are numbered as a spreadsheet shows them (the header is row 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
import pandas as pd

from ..codebooks.dictionary import Codebook, Table
from ..codebooks.wording import listed
from ..errors import Problem
from .cells import CHECKS
from .links import across, duplicates, stays
from .notes import Notes, as_log
from .raw_files import NAMES_APART, ROW_ID, repeated_names

FIRST_ROW = 2


@dataclass(frozen=True)
class Examined:
    """Typed tables (index: row in the file), the changes made, and what cannot be used."""

    tables: dict[str, pd.DataFrame]
    log: pd.DataFrame
    problems: tuple[Problem, ...]


def examine(tables: dict[str, pd.DataFrame], codebook: Codebook) -> Examined:
    """Check and type every raw table, then check the tables against one another.

    Parameters
    ----------
    tables : dict of DataFrame
        Raw tables by codebook name; cells as text or already typed. They are not changed. An
        index named `row` holds the rows of the file; otherwise they count from 2.
    codebook : Codebook

    Returns
    -------
    Examined
    """
    notes, typed = {}, {}
    for name, table in codebook.tables.items():
        if name in tables:
            frame = tables[name]
            notes[name] = Notes(table, _rows(frame))
            typed[name] = duplicates(_typed(frame, notes[name]), notes[name])
            stays(typed[name], codebook, notes[name])
    across(typed, codebook, notes)
    changes = [change for note in notes.values() for change in note.changes]
    problems = tuple(problem for note in notes.values() for problem in note.problems)
    return Examined(typed, as_log(changes), problems)


def _rows(frame: pd.DataFrame) -> np.ndarray:
    if frame.index.name == "row":
        return frame.index.to_numpy()
    return np.arange(FIRST_ROW, FIRST_ROW + len(frame))


def _typed(frame: pd.DataFrame, notes: Notes) -> pd.DataFrame:
    """The columns the codebook knows, typed, under the codebook's names."""
    expected = {v.column: v for v in notes.table.variables.values()}
    columns = [str(c) for c in frame.columns]
    if twice := repeated_names(frame):
        notes.problem(f"the header has {twice} more than once.", NAMES_APART)
    _header(columns, expected, notes)
    if frame.empty:
        notes.problem("has no rows.", "Put the records under the header.")
    typed = {}
    for position, column in enumerate(columns):
        v = expected.get(column)
        if v and v.name not in typed:
            typed[v.name] = CHECKS[v.type](frame.iloc[:, position], v, notes)
    if ROW_ID in expected:
        typed[expected[ROW_ID].name] = pd.array(notes.rows.astype(str), dtype="str")
    return pd.DataFrame(typed, index=pd.Index(notes.rows, name="row"), copy=False)


def _header(present: list[str], expected: dict, notes: Notes) -> None:
    table: Table = notes.table
    missing = [c for c in expected if c not in {ROW_ID, *present}]
    unknown = [c for c in dict.fromkeys(present) if not (c in expected or table.ignores(c))]
    folded = {c.casefold(): c for c in unknown}
    for column in missing if len(missing) <= 3 else ():
        close = folded.get(column.casefold()) or next(
            iter(get_close_matches(column, unknown[:500], n=1, cutoff=0.8)), None
        )
        hint = f"The file has {close[:64]!r}: rename one. " if close else ""
        remedy = f"{hint}Add it, or drop it from the codebook."
        notes.problem("the column is missing.", remedy, column)
    if len(missing) > 3:
        what = f"{len(missing)} columns are missing: {listed(missing)}."
        notes.problem(what, "Add them, or drop them from the codebook.", missing[0])
    remedy = "List it in the codebook, put it under the table's `ignore`, or leave it out."
    if 0 < len(unknown) <= 3:
        for column in unknown:
            notes.problem("the codebook does not know this column.", remedy, column)
    elif unknown:
        what = f"the codebook does not know {len(unknown)} columns: {listed(unknown)}."
        notes.problem(
            what, remedy.replace("it ", "them ").replace("leave it", "leave them"), unknown[0]
        )
