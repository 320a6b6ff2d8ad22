"""Hospital stays: merging those that overlap or adjoin; `hospital` counts the days.

A stay is half-open, as bed-days are counted: the day of discharge is not a day in hospital, and a
stay that begins and ends on one day has none. A stay without a discharge is still going on.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..errors import DataError, Problem

STAY = ["client_id", "admission", "discharge"]
OPEN = pd.Timestamp("2262-01-01")


def merge_stays(episodes: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Merge each client's overlapping and adjoining stays.

    Parameters
    ----------
    episodes : DataFrame
        Columns `client_id admission discharge` (dates; discharge may be missing: still there).

    Returns
    -------
    stays : DataFrame
        Stays that neither overlap nor adjoin; a merged stay keeps the index of its earliest.
    into : Series
        For every row of `episodes`, the index of the stay that now holds it.

    Raises
    ------
    DataError
        Naming every stay without an admission or with a discharge before it.
    """
    _check(episodes)
    client = pd.factorize(episodes["client_id"])[0]
    begin, end = _days(episodes["admission"]), _days(episodes["discharge"].fillna(OPEN))
    order = np.lexsort((end, begin, client))
    if not len(order):
        return episodes[STAY].copy(), pd.Series(episodes.index, index=episodes.index)
    # One time axis on which every client has a stretch of its own, so that one sweep serves all.
    starts = client[order].astype(np.int64) * (int(end.max()) - int(begin.min()) + 2)
    reached = starts + end[order]
    starts += begin[order]
    np.maximum.accumulate(reached, out=reached)
    first = np.r_[True, starts[1:] > reached[:-1]]
    last = np.r_[first[1:], True]
    heads = order[first]
    held = np.empty_like(order)
    held[order] = heads[np.cumsum(first) - 1]
    stays = episodes[STAY].iloc[heads]
    finish = reached[last] - (starts[last] - begin[order[last]])
    finish = pd.to_datetime(finish.astype("datetime64[D]")).astype(episodes["discharge"].dtype)
    stays["discharge"] = pd.Series(finish, stays.index).mask(finish == OPEN)
    return stays.sort_index(), pd.Series(episodes.index[held], index=episodes.index)


def _days(dates: pd.Series) -> np.ndarray:
    """Days since 1970; four bytes are enough."""
    return dates.to_numpy().astype("datetime64[D]").astype(np.int64).astype(np.int32)


def _check(episodes: pd.DataFrame) -> None:
    problems = [
        Problem("episodes", "a stay has no admission.", "Fill it in.", row=row, column="admission")
        for row in episodes.index[episodes["admission"].isna()]
    ]
    wrong = episodes[episodes["discharge"] < episodes["admission"]]
    for row, e in wrong.iterrows():
        what = f"found '{e['discharge'].date()}', before the admission on {e['admission'].date()}."
        problems.append(
            Problem("episodes", what, "Correct one of the dates.", row=row, column="discharge")
        )
    if problems:
        raise DataError(problems)
