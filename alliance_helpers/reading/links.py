"""Records against one another: duplicates, stays, and tables that must agree."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..codebooks.dictionary import Codebook, Table
from ..codebooks.same_names import KINDS, links
from ..codebooks.wording import show
from .cells import plain
from .notes import Change, Notes


def duplicates(frame: pd.DataFrame, notes: Notes) -> pd.DataFrame:
    """The table with each record once: an earlier duplicate is left out, or it is a problem."""
    table = notes.table
    key = [k for k in table.key if k in frame]
    if len(key) < len(table.key) or table.duplicates == "allow":
        return frame
    record = _numbered(frame, key)
    if record.is_unique:
        return frame
    repeated = record.duplicated(keep=False) & (record >= 0)
    if not repeated.any():
        return frame
    if table.duplicates == "error" or table.latest not in frame:
        later = (record.duplicated() & repeated).to_numpy()
        column = " and ".join(table.variables[k].column for k in key)
        cells = frame[key].astype(object).fillna("").astype(str)
        values = cells.agg(", ".join, axis=1).to_numpy()
        what = "it is there already, and may stand once."
        notes.wrong(column, later, values, what, "Remove one of the records, or correct the id.")
        return frame
    kept = frame.sort_values(table.latest, kind="stable", na_position="first")
    kept = kept.drop_duplicates(key, keep="last").index
    dropped = frame.index[repeated & ~frame.index.isin(kept)]
    before = frame.loc[dropped, table.latest].dt.strftime("%Y-%m-%d").fillna("").to_list()
    rule = "an earlier duplicate"
    notes.changes.append(
        Change(table.name, table.latest, rule, dropped.to_numpy(), before, "record left out")
    )
    return frame[~frame.index.isin(dropped)]


def _numbered(frame: pd.DataFrame, key: list[str]) -> pd.Series:
    """A number for each record that its key tells apart; below 0 where part of it is missing."""
    number, gone = np.zeros(len(frame), np.int64), np.zeros(len(frame), bool)
    for name in key:
        code, levels = pd.factorize(frame[name])
        gone |= code < 0
        number = number * len(levels) + code
    return pd.Series(np.where(gone, -1 - np.arange(len(frame)), number), index=frame.index)


def stays(frame: pd.DataFrame, codebook: Codebook, notes: Notes) -> None:
    """Stays without an admission, or that end before they begin."""
    for days in codebook.days.values():
        if days.episodes != notes.table.name or not {days.admission, days.discharge} <= set(frame):
            continue
        begin, end = frame[days.admission], frame[days.discharge]
        if not all(pd.api.types.is_datetime64_any_dtype(d) for d in (begin, end)):
            return
        variables = notes.table.variables
        column = variables[days.discharge].column
        remedy = "Correct one of the two dates."
        for day, found in end[end < begin].groupby(begin[end < begin]):
            where = np.isin(frame.index.to_numpy(), found.index.to_numpy())
            what = f"it lies before the admission on {day.date()}."
            text = end.dt.strftime("%Y-%m-%d").to_numpy()
            notes.wrong(column, where, text, what, remedy)
        gone = begin.isna().to_numpy()
        if gone.any():
            what = "the admission is missing."
            notes.problem(
                what, "Fill it in.", variables[days.admission].column, np.flatnonzero(gone)
            )
        return


def across(typed: dict[str, pd.DataFrame], book: Codebook, notes: dict[str, Notes]) -> None:
    """Ids that lead nowhere, and values that two tables tell differently."""
    for role, kind in ((book.client, "client"), (book.case_manager, "case_manager")):
        home = next(
            (
                t
                for t in book.tables.values()
                if t.row == kind and not t.occasion and role in typed.get(t.name, ())
            ),
            None,
        )
        if role is None or home is None:
            continue
        base = typed[home.name]
        for name, frame in typed.items():
            if name != home.name and role in frame:
                _against(frame, base, role, home, notes[name], links(book))


def _against(
    frame, base: pd.DataFrame, role: str, home: Table, notes: Notes, joined: set[str]
) -> None:
    table, ids = notes.table, frame[role]
    at = place(ids, base[role])
    lost = (at < 0) & ids.notna().to_numpy()
    if lost.any():
        spelled = {_squeezed(i): i for i in base[role].dropna()}
        close = spelled.get(_squeezed(ids[lost].iloc[0]))
        remedy = "Correct the id, or add the record there."
        if close:
            remedy = f"There it is written {show(close)}: write it alike."
        what = f"{home.file} does not have it."
        column = table.variables[role].column
        notes_on(frame, notes).wrong(column, lost, ids.to_numpy(), what, remedy)
    for shared in sorted((set(frame) & set(base.columns)) - {role}):
        kinds = {KINDS[t.variables[shared].type] for t in (table, home)}
        if len(kinds) > 1 or not (shared in joined or (table.row == "episode" and "id" in kinds)):
            continue
        there, here = base[shared].array.take(at, allow_fill=True), frame[shared].array
        differ = np.asarray(here != there, dtype=bool) & ~(pd.isna(here) | pd.isna(there))
        if differ.any():
            other = ", ".join(dict.fromkeys(show(o) for o in there[differ][:3]))
            column = table.variables[shared].column
            what = f"but {home.file} says {other}."
            notes_on(frame, notes).wrong(column, differ, here, what, "Correct one of the two.")


def place(ids: pd.Series, among: pd.Series) -> np.ndarray:
    """Position of each id among others, -1 where it is not; quick if both are in step."""
    asked, known = pa.array(ids.astype("str")), pa.array(among.astype("str"))
    if len(asked) == len(known) and pc.all(pc.equal(asked, known), skip_nulls=False).as_py():
        return np.arange(len(asked))
    found = pc.index_in(asked, value_set=known, skip_nulls=True)
    return found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.intp)


def _squeezed(name: str) -> str:
    return re.sub(r"(?<!\d)0+(?=\d)", "", plain(name).replace(" ", ""))


def notes_on(frame: pd.DataFrame, notes: Notes) -> Notes:
    """The same notes, numbered by the rows that are left."""
    return Notes(notes.table, frame.index.to_numpy(), notes.changes, notes.problems)
