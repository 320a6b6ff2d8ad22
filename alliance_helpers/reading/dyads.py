"""Cleaned tables side by side: one row per client, scales scored where their items stand."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ..codebooks.dictionary import Codebook, Scale
from ..scoring import score_scale
from .links import place


class Dyads:
    """The rows of clients that several cleaned tables share; nothing is copied until asked for.

    Parameters
    ----------
    tables : dict of DataFrame
        Cleaned tables by codebook name.
    book : Codebook

    Attributes
    ----------
    clients : Series
        The clients: those of the first table of clients.
    """

    def __init__(self, tables: dict[str, pd.DataFrame], book: Codebook) -> None:
        self.tables, self.book = tables, book
        first = next(n for n, t in book.tables.items() if t.row == "client" and n in tables)
        ids = tables[first][book.client]
        self.clients = ids.drop_duplicates() if book.tables[first].occasion else ids
        self._parts: list[tuple[pd.DataFrame, str, np.ndarray]] | None = None

    def parts(self) -> list[tuple[pd.DataFrame, str, np.ndarray]]:
        """Every (table, ending of its names, its row for each client or -1), look-ups last."""
        if self._parts is None:
            self._parts = [*self._of_clients()]
            self._parts += self._looked_up()
        return self._parts

    def _of_clients(self) -> Iterator[tuple[pd.DataFrame, str, np.ndarray]]:
        for name, table in self.book.tables.items():
            if table.row != "client" or name not in self.tables:
                continue
            frame = self.tables[name]
            if not table.occasion:
                yield frame, "", self._rows(frame[self.book.client])
            for occasion, ending in table.suffix.items():
                at = np.flatnonzero(frame[table.occasion] == occasion)
                rows = self._rows(frame[self.book.client].iloc[at])
                rows = np.where(rows < 0, -1, at[rows]) if len(at) else rows
                yield frame, ending, rows

    def _rows(self, ids: pd.Series) -> np.ndarray:
        return place(self.clients, ids)

    def _looked_up(self) -> list[tuple[pd.DataFrame, str, np.ndarray]]:
        found = []
        for name, table in self.book.tables.items():
            if table.row not in ("case_manager", "site") or name not in self.tables:
                continue
            (key,), frame = table.key, self.tables[name]
            asked = self._take(key, self._parts)
            found.append((frame, "", place(pd.Series(asked), frame[key])))
        return found

    def _take(self, name: str, parts):
        """One variable's values, a row per client, from the first table that has it."""
        for frame, ending, rows in parts:
            column = name.removesuffix(ending) if ending else name
            if name.endswith(ending) and column in frame:
                return _at(frame[column], rows)
        raise KeyError(name)

    def variables(self) -> dict[str, object]:
        """Every variable but the client's id and plain items of scales, numbers as floats."""
        items = {item for scale in self.book.scales.values() for item in scale.items}
        items -= {name for names in self.book.blocks.values() for name in names}
        items -= {derived.source for derived in self.book.derived.values()}
        hidden = {self.book.client, *(t.occasion for t in self.book.tables.values())}
        columns: dict[str, object] = {}
        for frame, ending, rows in self.parts():
            for column in frame:
                name = f"{column}{ending}"
                taken = name in items or name in columns or column in hidden
                if not taken:
                    columns[name] = _at(frame[column], rows)
        return columns

    def items(self, scale: Scale) -> pd.DataFrame:
        """A scale's items as answered, one row per client."""
        columns = {item: self._take(item, self.parts()) for item in scale.items}
        return pd.DataFrame(columns, index=pd.Index(self.clients, name=self.book.client))

    def scores(self, scale: Scale) -> pd.DataFrame:
        """A scale's scores, one row per client; scored in its own table if one has all items."""
        for frame, ending, rows in self.parts():
            names = [item.removesuffix(ending) for item in scale.items if item.endswith(ending)]
            if len(names) == len(scale.items) and set(names) <= set(frame.columns):
                there = rows >= 0
                chosen = frame[names]
                if len(frame) != there.sum():
                    chosen, rows = chosen.iloc[rows[there]], np.cumsum(there) - 1
                    rows[~there] = -1
                scores = score_scale(chosen.set_axis(list(scale.items), axis=1), scale)
                return pd.DataFrame({part: _at(scores[part], rows) for part in scores})
        return score_scale(self.items(scale), scale)


def _at(values: pd.Series, rows: np.ndarray):
    """Values at these rows, missing where the row is -1; numbers as floats."""
    if not len(values):
        values = values.reindex([0])
    whole = len(rows) == len(values) and bool((rows == np.arange(len(rows))).all())
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        numbers = values.to_numpy(dtype=float, na_value=np.nan)
        return numbers if whole else np.where(rows < 0, np.nan, numbers[rows])
    return values.array if whole else values.array.take(rows, allow_fill=True)
