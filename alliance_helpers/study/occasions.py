"""Every session of every client: scores and variables, in the order of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .cells import Notes, in_order
from .codebook import Codebook, Table
from .score import score_scale


@dataclass(frozen=True, eq=False)
class Sessions:
    """A study's sessions.

    Attributes
    ----------
    frame : DataFrame
        One row per client and session: the client, who saw the client then, the session, `order`,
        and the scores and variables of that session. Numbers are floats with NaN.
    client, time, order : str
        Columns: who, when as the study counts it, and the number of the occasion: a whole number
        that counts sessions as it is (so that one left out is a gap), else the rank of the date.
    case_manager : str or None
    items : dict of DataFrame
        The items of each scale that is answered at sessions, in the rows of `frame`.
    """

    frame: pd.DataFrame
    client: str
    time: str
    order: str
    case_manager: str | None
    items: dict[str, pd.DataFrame]

    def __deepcopy__(self, memo: dict) -> Sessions:
        """Itself, since nothing changes it: pandas copies `attrs` deeply at every step."""
        return self

    def of(self, clients: pd.Series) -> pd.DataFrame:
        """The sessions of these clients."""
        return self.frame[self.frame[self.client].isin(clients)]


def all_sessions(tables: dict[str, pd.DataFrame], book: Codebook) -> Sessions | None:
    """The sessions of the first table that has them, scored; None without such a table."""
    name = next(iter(tables), None)
    if name is None:
        return None
    table, order = book.tables[name], "session_number"
    number = _order(tables[name], table, book.client)
    frame = tables[name].assign(**{order: number})
    if not in_order(frame, [book.client, order]):
        frame = frame.sort_values([book.client, order], kind="stable")
    scales = [s for s in book.scales.values() if set(s.items) <= set(frame)]
    columns, items = {}, {}
    for scale in scales:
        items[scale.name] = frame[list(scale.items)].reset_index(drop=True)
        scores = score_scale(items[scale.name], scale).drop(columns="n_missing")
        columns |= {scale.name if p == "total" else f"{scale.name}_{p}": scores[p] for p in scores}
    answered = {i for s in scales for i in s.items} - {n for b in book.blocks.values() for n in b}
    kept = frame.drop(columns=answered & set(frame)).reset_index(drop=True)
    for column in kept.select_dtypes("number", "float64"):
        kept[column] = kept[column].to_numpy(dtype=float, na_value=np.nan)
    manager = book.case_manager if book.case_manager in kept else None
    made = kept.assign(**columns)
    return Sessions(made, book.client, table.time, order, manager, items)


def backwards(frame: pd.DataFrame, book: Codebook, notes: Notes) -> None:
    """Dates that go back from one session of a client to the next."""
    table, client = notes.table, book.client
    if not table.time or not {client, table.time} <= set(frame):
        return
    own = {table.time, table.latest}
    names = [n for n in frame.select_dtypes("datetime") if n not in own]
    if not names:
        return
    at = np.argsort(_order(frame, table, client), kind="stable")
    people = pd.factorize(frame[client])[0][at]
    what = f"an earlier session of the same client (by {table.time}) has a later date."
    remedy = "Correct the date or the session; under the table's `ignore` a date is not looked at."
    for name in names:
        dates, back = frame[name].iloc[at], np.zeros(len(frame), bool)
        back[at] = dates < dates.groupby(people).cummax().groupby(people).shift()
        told = frame[name].where(back).dt.strftime("%Y-%m-%d") if back.any() else ()
        notes.wrong(table.variables[name].column, back, told, what, remedy)


def _order(frame: pd.DataFrame, table: Table, client: str) -> np.ndarray:
    """A counter as it is; of dates, events and fractions the rank among the client's own."""
    time, variable = frame[table.time], table.variables[table.time]
    if variable.type == "integer":
        return time.to_numpy(dtype=float, na_value=np.nan)
    if variable.values:
        time = time.map({v: i for i, v in enumerate(variable.values)})
    return time.groupby(frame[client], sort=False).rank("dense").to_numpy(float)
