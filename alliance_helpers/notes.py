"""What is noted down while tables are examined: changes to values, and what cannot be used."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from .dictionary import Table
from .errors import Problem
from .wording import show

LOG = ["table", "row", "column", "before", "after", "rule"]
NAMED = 3
"""How many rows of a repeated problem are named one by one."""


def entry(table: str, rows, column: str, before, after, rule: str) -> pd.DataFrame:
    """Rows of the cleaning log: one per changed value."""
    frame = pd.DataFrame({"row": rows, "before": before, "after": after})
    frame = frame.assign(table=table, column=column, rule=rule)[LOG]
    return frame.astype({"before": object, "after": object})


@dataclass
class Notes:
    """Changes and problems of one table; `rows` are numbered as in the file."""

    table: Table
    rows: np.ndarray
    changes: list[pd.DataFrame] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def changed(self, name: str, mask: np.ndarray, before, after, rule: str) -> None:
        """Note values that were changed: `before` and `after` hold one entry per marked row."""
        if mask.any():
            rows = self.rows[mask]
            self.changes.append(entry(self.table.name, rows, name, before, after, rule))

    def wrong(self, column: str, mask: np.ndarray, values, what: str, remedy: str) -> None:
        """Note one problem that the marked rows of a column share; `what` follows the values."""
        where = np.flatnonzero(mask)
        if len(where):
            first = [values[i] for i in where[:NAMED]]
            found = ", ".join(dict.fromkeys(show(value) for value in first))
            self.problem(f"found {found}; {what}", remedy, column, where, first[0])

    def problem(self, what: str, remedy: str, column=None, where=(), value=None) -> None:
        """Note one problem of the table, at these positions if any."""
        rows = tuple(int(self.rows[i]) for i in where[:NAMED])
        self.problems.append(
            Problem(
                self.table.file,
                what,
                remedy,
                row=rows[0] if rows else None,
                column=None if column is None else str(column)[:64],
                value=value,
                rows=rows if len(where) > 1 else (),
                count=max(len(where), 1),
            )
        )
