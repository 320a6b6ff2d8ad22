"""What is noted down while tables are examined: changes to values, and what cannot be used."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ..codebooks.dictionary import Table
from ..codebooks.wording import show
from ..errors import Problem

LOG = ["table", "row", "column", "before", "after", "rule"]
NAMED = 3
"""How many rows of a repeated problem are named one by one."""


@dataclass(frozen=True)
class Change:
    """Values of one column that one rule changed; `before` and `after`: one for all, or each."""

    table: str
    column: str
    rule: str
    rows: np.ndarray
    before: object
    after: object


def as_log(changes: list[Change]) -> pd.DataFrame:
    """The cleaning log: one row per changed value, columns LOG."""
    columns: dict[str, list] = {name: [] for name in LOG}
    for c in changes:
        n = len(c.rows)
        columns["row"].append(np.asarray(c.rows))
        for name, value in (("before", c.before), ("after", c.after)):
            each = np.empty(n, dtype=object)
            each[:] = value if isinstance(value, str) else list(value)
            columns[name].append(each)
        for name in ("table", "column", "rule"):
            columns[name].append(np.repeat(np.array([getattr(c, name)], dtype=object), n))
    made = {name: np.concatenate(parts) if parts else [] for name, parts in columns.items()}
    log = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in made.items()})
    return log.astype({"row": "int64", "table": "str", "column": "str", "rule": "str"})


@dataclass
class Notes:
    """Changes and problems of one table; `rows` are numbered as in the file."""

    table: Table
    rows: np.ndarray
    changes: list[Change] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def changed(self, name: str, mask: np.ndarray, before, after, rule: str) -> None:
        """Note values that were changed: `before` and `after` hold one entry per marked row."""
        if mask.any():
            rows = self.rows[mask]
            self.changes.append(Change(self.table.name, name, rule, rows, before, after))

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
