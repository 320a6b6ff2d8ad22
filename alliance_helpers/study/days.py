"""Days in hospital inside a window, from stays that may overlap, adjoin, nest or still go on.

Days are counted as bed-days: a stay is half-open, its day of discharge is not counted, and a stay
that begins and ends on one day has none. The time of day is ignored. A stay without a discharge is
still going on.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype

from ..errors import SHOWN, DataError, ParameterError, Problem, listed

DAYS = "hospital_days"
COLUMNS = ["client_id", "admission", "discharge"]
GOING_ON = np.iinfo(np.int32).max  # the discharge of a stay that has none yet
ISO = r"\d{4}-\d{2}-\d{2}([T ]\d{2}:.*)?"


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


def _dates(values: pd.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Days since 1970; which values are missing; which are not dates."""
    missing = values.isna().to_numpy()
    if is_datetime64_any_dtype(values.dtype):
        parsed = values
    elif is_numeric_dtype(values.dtype):
        parsed = pd.Series(pd.NaT, values.index, dtype="datetime64[us]")
    else:
        text = values.astype(str).str.strip()
        missing = missing | (text == "").to_numpy(bool)
        day = text.str.slice(0, 10).where(text.str.fullmatch(ISO) & ~missing)
        parsed = pd.to_datetime(day, format="%Y-%m-%d", errors="coerce")
    wrong = parsed.isna().to_numpy() & ~missing
    days = parsed.dt.tz_localize(None).to_numpy().astype("datetime64[D]").astype(np.int64)
    return np.where(missing | wrong, 0, days).astype(np.int32), missing, wrong


def _checked(episodes: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Admission and discharge as days; a discharge to come is the last day there is."""
    admission, never, bad_in = _dates(episodes["admission"])
    discharge, going_on, bad_out = _dates(episodes["discharge"])
    early = (discharge < admission) & ~(never | going_on | bad_in | bad_out)
    date = "Write the date as YYYY-MM-DD."
    checks = [
        (episodes["client_id"].isna().to_numpy(), "client_id", "has no client.", "Fill it in."),
        (never, "admission", "has no date.", "Fill it in."),
        (bad_in, "admission", "found '{admission}', which is not a date.", date),
        (bad_out, "discharge", "found '{discharge}', which is not a date.", date),
        (
            early,
            "discharge",
            "found {discharge}, before the admission on {admission}.",
            "Correct one of the two.",
        ),
    ]
    if any(wrong.any() for wrong, *_ in checks):
        raise DataError(_problems(episodes, checks))
    return admission, np.where(going_on, GOING_ON, discharge)


def _problems(episodes: pd.DataFrame, checks: list[tuple]) -> list[Problem]:
    problems = []
    from_zero = isinstance(episodes.index, pd.RangeIndex) and episodes.index.start == 0
    labels = episodes.index + 2 if from_zero else episodes.index
    cells = {c: episodes[c].to_numpy(object) for c in COLUMNS}
    for wrong, column, what, remedy in checks:
        for i in np.flatnonzero(wrong):
            found = {c: str(cells[c][i]).removesuffix(" 00:00:00") for c in COLUMNS[1:]}
            text = what.format(**found)
            problems.append(
                Problem("episodes", text, remedy, labels[i], column, value=cells[column][i])
            )
    return problems


def _clients(start, end) -> pd.Index | None:
    given = [s.index for s in (start, end) if isinstance(s, pd.Series)]
    for index in given:
        if not index.is_unique:
            twice = index[index.duplicated()].unique()
            raise ParameterError(f"More than one window is given for {_listed(twice)}.")
    if len(given) == 2 and len(given[0].symmetric_difference(given[1])):
        lone = given[0].symmetric_difference(given[1])
        raise ParameterError(f"Start or end of the window is not given for {_listed(lone)}.")
    return given[0] if given else None


def _find(ids: pd.Series, clients: pd.Index) -> np.ndarray:
    if len(ids) and len(clients) and is_numeric_dtype(ids) != is_numeric_dtype(clients):
        raise ParameterError(
            "client_id holds numbers in one place and text in the other: the episodes have "
            f"'{ids.iloc[0]}', the windows '{clients[0]}'. Read both as text."
        )
    return clients.get_indexer(ids)


def _windows(start, end, clients: pd.Index) -> tuple[np.ndarray, np.ndarray]:
    found = []
    for name, given in (("start", start), ("end", end)):
        one = not isinstance(given, pd.Series)
        days, missing, wrong = _dates(pd.Series([given]) if one else given.reindex(clients))
        bad = missing | wrong
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
