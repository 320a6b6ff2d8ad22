"""Hospital stays: merging those that overlap, counting the days inside a window.

A stay is half-open, as bed-days are counted: the day of discharge is not a day in hospital, and a
stay that begins and ends on one day has none. A stay without a discharge is still going on.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from .errors import DataError, ParameterError, Problem

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


def hospital_days(episodes: pd.DataFrame, start, end) -> pd.Series:
    """Days in hospital per client inside a window, overlapping stays counted once.

    Parameters
    ----------
    episodes : DataFrame
        Columns `client_id admission discharge`.
    start, end : date or Series of dates
        The window, its last day excluded. Series are indexed by client, and then every client of
        the index is in the result, with 0 days where there is no stay.

    Returns
    -------
    Series of int
        `hospital_days`, indexed by `client_id`.

    Raises
    ------
    DataError, ParameterError
        Dates in the wrong order.

    Examples
    --------
    >>> stays = pd.DataFrame({
    ...     "client_id": ["A", "A"],
    ...     "admission": pd.to_datetime(["1990-01-01", "1990-01-05"]),
    ...     "discharge": pd.to_datetime(["1990-01-10", "1990-01-12"]),
    ... })
    >>> hospital_days(stays, pd.Timestamp("1990-01-01"), pd.Timestamp("1992-01-01")).loc["A"]
    np.int64(11)
    """
    missing = [c for c in STAY if c not in episodes]
    if missing:
        raise ParameterError(f"The episodes lack the column(s) {', '.join(missing)}.")
    episodes = episodes[STAY].assign(
        admission=_dates(episodes["admission"]), discharge=_dates(episodes["discharge"])
    )
    if isinstance(start, pd.Series) or isinstance(end, pd.Series):
        clients = (start if isinstance(start, pd.Series) else end).index
    else:
        clients = pd.Index(episodes["client_id"].drop_duplicates())
    window = pd.DataFrame({"start": start, "end": end}, index=clients).apply(_dates)
    if (window["end"] < window["start"]).any():
        who = window.index[window["end"] < window["start"]][:5].tolist()
        raise ParameterError(f"The window ends before it starts for {who}.")
    stays, _ = merge_stays(episodes)
    inside = stays["client_id"].isin(clients)
    stays = stays[inside].join(window, on="client_id")
    begin = stays["admission"].clip(lower=stays["start"])
    finish = stays["discharge"].fillna(OPEN).clip(upper=stays["end"])
    days = (finish - begin).dt.days.clip(lower=0)
    total = days.groupby(stays["client_id"]).sum()
    return (
        total.reindex(clients, fill_value=0)
        .astype(np.int64)
        .rename("hospital_days")
        .rename_axis("client_id")
    )


def _dates(values) -> pd.Series:
    try:
        return pd.to_datetime(values).astype("datetime64[us]")
    except (ValueError, TypeError) as error:
        raise ParameterError(f"Dates were expected: {error}") from None


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
