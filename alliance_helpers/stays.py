"""Hospital stays: merging those that overlap or adjoin; `hospital` counts the days.

A stay is half-open, as bed-days are counted: the day of discharge is not a day in hospital, and a
stay that begins and ends on one day has none. A stay without a discharge is still going on.
"""

from __future__ import annotations

import pandas as pd

from .errors import DataError, Problem

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
    e = episodes[STAY].assign(discharge=episodes["discharge"].fillna(OPEN))
    e = e.sort_values(["client_id", "admission", "discharge"], kind="stable")
    first = e["client_id"].ne(e["client_id"].shift())
    latest = e.groupby("client_id", sort=False)["discharge"].cummax().shift()
    stay = (first | (e["admission"] > latest)).cumsum()
    grouped = e.assign(row=e.index).groupby(stay.to_numpy(), sort=False)
    stays = grouped.agg(
        client_id=("client_id", "first"),
        admission=("admission", "first"),
        discharge=("discharge", "max"),
        row=("row", "first"),
    ).set_index("row")
    into = pd.Series(grouped["row"].transform("first"), index=e.index).reindex(episodes.index)
    stays["discharge"] = stays["discharge"].mask(stays["discharge"] == OPEN)
    return stays.rename_axis(episodes.index.name).sort_index(), into


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
