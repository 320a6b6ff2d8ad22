"""Days in hospital inside a window, from stays that may overlap, adjoin, nest or still go on.

Days are counted as bed-days: a stay is half-open, its day of discharge is not counted, and a stay
that begins and ends on one day has none. The time of day is ignored. A stay without a discharge is
still going on.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from ..errors import SHOWN, DataError, ParameterError, listed
from .cells import Notes, to_days
from .codebook import Codebook, Table, say

DAYS = "hospital_days"
COLUMNS = ["client_id", "admission", "discharge"]
GOING_ON = np.iinfo(np.int32).max  # the discharge of a stay that has none yet


def hospital_days(episodes: pd.DataFrame, start, end) -> pd.Series:
    """Count each client's days in hospital from `start` up to, not including, `end`.

    Parameters
    ----------
    episodes : DataFrame, one row per stay
        Columns `client_id admission discharge`: dates, timestamps or ISO text. A stay without a
        discharge is still going on, and is counted to the window's end.
    start, end : date, or Series of dates indexed by client
        One window for all, or one per client. With a Series every client of its index is in the
        result, with 0 days where there is no stay, and stays of other clients are left out; with
        two dates the result has the clients of `episodes`.

    Returns
    -------
    Series of int
        `hospital_days` indexed by `client_id`. A day in two stays counts once.

    Raises
    ------
    DataError
        Every stay that has no client or no admission, a date that is none, or a discharge before
        its admission. Rows are the labels of the index; in a table numbered from 0 they are the
        rows of a spreadsheet, which has the header in row 1.
    ParameterError
        A column is missing; clients whose window has no date, or ends before it starts; a client
        with two windows.

    Examples
    --------
    >>> stays = pd.DataFrame({
    ...     "client_id": ["A", "A", "B"],
    ...     "admission": ["1990-01-01", "1990-01-05", "1991-12-30"],
    ...     "discharge": ["1990-01-10", "1990-01-12", None],
    ... })
    >>> hospital_days(stays, "1990-01-01", "1992-01-01").to_dict()
    {'A': 11, 'B': 2}
    """
    if not isinstance(episodes, pd.DataFrame):
        raise ParameterError("episodes must be a DataFrame, one row per stay.")
    absent = [c for c in COLUMNS if c not in episodes.columns]
    if absent:
        raise ParameterError(f"The episodes have no column {', '.join(absent)}.")
    admission, discharge = _checked(episodes)
    clients = _clients(start, end)
    if clients is None:
        code, clients = pd.factorize(episodes["client_id"])
    else:
        code = _find(episodes["client_id"], clients)
    first, last = _windows(start, end, pd.Index(clients))
    inside = code >= 0
    code = code[inside]
    begin = np.maximum(admission[inside], first[code])
    finish = np.minimum(discharge[inside], last[code])
    del admission, discharge, inside  # millions of stays: what is not needed any more makes room
    real = finish > begin
    code, begin, finish = code[real], begin[real], finish[real]
    order, heads, ends = _runs(code, begin, finish)
    length = ends - begin[order[heads]]
    days = np.bincount(code[order[heads]], weights=length, minlength=len(clients))
    return pd.Series(days.astype(np.int64), pd.Index(clients, name="client_id"), name=DAYS)


def _runs(code: np.ndarray, begin: np.ndarray, finish: np.ndarray):
    """Each client's stays in order, where among them one begins that no earlier one reaches.

    Returns
    -------
    order : array
        Positions of the stays, by client and admission.
    heads : array
        Positions in `order` at which a run of overlapping or adjoining stays begins.
    ends : array
        The last day of each run.
    """
    order = np.lexsort((finish, begin, code))
    if not len(order):
        return order, order, finish
    # One time axis on which every client has a stretch of its own, so that one sweep serves all.
    shift = code[order].astype(np.int64) * (int(finish.max()) - int(begin.min()) + 2)
    reached = np.maximum.accumulate(finish[order] + shift)
    heads = np.flatnonzero(np.r_[True, begin[order[1:]] + shift[1:] > reached[:-1]])
    tails = np.r_[heads[1:] - 1, len(order) - 1]
    return order, heads, reached[tails] - shift[tails]


def _dates(values: pd.Series) -> tuple[pd.Series, np.ndarray, np.ndarray]:
    """Dates without their time; the same as days since 1970, or 0; which cells are no dates."""
    dates, _, wrong = to_days(values)
    known = dates.fillna(pd.Timestamp(0)).to_numpy().astype("datetime64[D]")
    return dates, known.astype(np.int64).astype(np.int32), wrong


def _checked(episodes: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Admission and discharge as days; a discharge to come is the last day there is."""
    from_zero = isinstance(episodes.index, pd.RangeIndex) and episodes.index.start == 0
    labels = episodes.index + 2 if from_zero else episodes.index
    notes = Notes(Table("episodes", "episodes", (), {}), labels.to_numpy())
    begin, admission, bad_in = _dates(episodes["admission"])
    end, discharge, bad_out = _dates(episodes["discharge"])
    for column, bad in (("admission", bad_in), ("discharge", bad_out)):
        notes.wrong(column, bad, episodes[column], *say("no_day"))
    if (gone := np.flatnonzero(episodes["client_id"].isna())).size:
        notes.problem(*say("no_id", label="client"), "client_id", gone)
    impossible(begin, end, ("admission", "discharge"), notes, bad_in)
    if notes.problems:
        raise DataError(notes.problems)
    return admission, np.where(end.isna(), GOING_ON, discharge)


def stays(frame: pd.DataFrame, book: Codebook, notes: Notes) -> None:
    """Stays without an admission, or that end before they begin."""
    dates = [name for name in frame if notes.table.variables[name].type == "date"]
    for days in book.days.values():
        names = [days.admission, days.discharge]
        if days.episodes == notes.table.name and {*names} <= {*dates}:
            columns = [notes.table.variables[name].column for name in names]
            return impossible(*(frame[name] for name in names), columns, notes)


def impossible(begin: pd.Series, end: pd.Series, columns, notes: Notes, told=False) -> None:
    """Note stays without an admission (unless that is `told`), or that end before they begin."""
    early = (end < begin).to_numpy()
    for day in begin[early].drop_duplicates().sort_values():
        where = early & (begin == day).to_numpy()
        text = end.where(where).dt.strftime("%Y-%m-%d")
        notes.wrong(columns[1], where, text, *say("before_admission", day=day.date()))
    if (gone := np.flatnonzero(begin.isna() & ~np.asarray(told))).size:
        notes.problem(*say("no_id", label="admission"), columns[0], gone)


def _clients(start, end) -> pd.Index | None:
    given = [s.index for s in (start, end) if isinstance(s, pd.Series)]
    for index in given:
        if not index.is_unique:
            twice = index[index.duplicated()].unique()
            raise ParameterError(f"More than one window is given for {_listed(twice)}.")
    if given and len(lone := given[0].symmetric_difference(given[-1])):
        raise ParameterError(f"Start or end of the window is not given for {_listed(lone)}.")
    return given[0] if given else None


def _find(ids: pd.Series, clients: pd.Index) -> np.ndarray:
    if len(ids) and len(clients) and is_numeric_dtype(ids) != is_numeric_dtype(clients):
        raise ParameterError(" ".join(say("two_kinds", here=ids.iloc[0], there=clients[0])))
    return clients.get_indexer(ids)


def _windows(start, end, clients: pd.Index) -> tuple[np.ndarray, np.ndarray]:
    found = []
    for name, given in (("start", start), ("end", end)):
        one = not isinstance(given, pd.Series)
        dates, days, _ = _dates(pd.Series([given]) if one else given.reindex(clients))
        bad = dates.isna().to_numpy()
        if bad.any():
            where = f"'{given}'" if one else f"that of {_listed(clients[bad])}"
            raise ParameterError(f"The window's {name} must be a date; {where} is not.")
        found.append(days)
    back = found[1] < found[0]
    if back.any():
        who = f" for {_listed(clients[back])}" if len(back) == len(clients) else ""
        raise ParameterError(f"The window ends before it starts{who}.")
    return np.broadcast_to(found[0], len(clients)), np.broadcast_to(found[1], len(clients))


def _listed(clients: pd.Index) -> str:
    return listed((f"'{c}'" for c in clients), SHOWN)


def merge_stays(episodes: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Merge each client's overlapping and adjoining stays.

    Parameters
    ----------
    episodes : DataFrame
        As in :func:`hospital_days`, with dates as timestamps.

    Returns
    -------
    stays : DataFrame
        Stays that neither overlap nor adjoin; a merged stay keeps the index of its earliest.
    into : Series
        For every row of `episodes`, the index of the stay that now holds it.

    Raises
    ------
    DataError
        As in :func:`hospital_days`.
    """
    admission, discharge = _checked(episodes)
    order, heads, ends = _runs(pd.factorize(episodes["client_id"])[0], admission, discharge)
    held = np.empty_like(order)
    held[order] = np.repeat(order[heads], np.diff(np.r_[heads, len(order)]))
    stays = episodes[COLUMNS].iloc[order[heads]]
    known = np.where(ends == GOING_ON, np.datetime64("NaT"), ends.astype("datetime64[D]"))
    stays["discharge"] = pd.Series(known, stays.index).astype(episodes["discharge"].dtype)
    return stays.sort_index(), pd.Series(episodes.index[held], index=episodes.index)
