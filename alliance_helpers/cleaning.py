"""From raw tables to one row per dyad, every change to every value logged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .codebook import Codebook, Days, Derived
from .data import Study
from .errors import DataError
from .hospital import hospital_days
from .notes import LOG, entry
from .scoring import score_scale
from .stays import merge_stays


@dataclass(frozen=True)
class CleanStudy:
    """A study ready for analysis.

    Attributes
    ----------
    dyads : DataFrame
        One row per client: ids, variables, scores, hospital days. Numbers are floats with NaN.
    log : DataFrame
        `table row column before after rule`: one row per changed value; `row` counts as a
        spreadsheet does (the header is row 1).
    tables : dict of DataFrame
        The cleaned tables.
    codebook : Codebook
    source : str
    """

    dyads: pd.DataFrame
    log: pd.DataFrame
    tables: dict[str, pd.DataFrame]
    codebook: Codebook
    source: str

    def items(self, scale: str) -> pd.DataFrame:
        """The cleaned items of one scale, before reversing, one row per client."""
        return _wide(self.tables, self.codebook)[list(self.codebook.scales[scale].items)]


def clean(study: Study) -> CleanStudy:
    """Clean a study by the rules of its codebook; the study itself is not changed.

    Rules: missing codes and (where the codebook says so) out-of-range values become missing;
    categories get the codebook's spelling; of a duplicated form the latest is kept; overlapping
    and adjoining stays are merged.

    Raises
    ------
    DataError
        If the tables do not fit the codebook.
    """
    examined = study.examined
    if examined.problems:
        raise DataError(examined.problems)
    book, tables, logs = study.codebook, dict(examined.tables), [examined.log]
    for name in {d.episodes for d in book.days.values()} & set(tables):
        tables[name], merged = _merge(tables[name], name, book)
        logs.append(merged)
    dyads = _wide(tables, book)
    for scale in book.scales.values():
        scores = score_scale(dyads[list(scale.items)], scale)
        dyads = dyads.drop(columns=list(scale.items))
        parts = {p: f"{scale.name}_{p}" for p in scores if p != "total"} | {"total": scale.name}
        dyads = dyads.join(scores.rename(columns=parts))
    for days in book.days.values():
        dyads[days.name] = _days(tables[days.episodes], dyads, days, book)
    for derived in book.derived.values():
        dyads[derived.name] = _derive(dyads[derived.source], derived)
    numbers = dyads.select_dtypes("number").columns
    dyads = dyads.astype(dict.fromkeys(numbers, float)).reset_index()
    log = pd.concat([part for part in logs if len(part)] or [pd.DataFrame(columns=LOG)])
    return CleanStudy(dyads, log.reset_index(drop=True), tables, book, study.source)


def _wide(tables: dict[str, pd.DataFrame], book: Codebook) -> pd.DataFrame:
    """One row per client: client tables side by side, occasions as suffixes, then look-ups."""
    wide = None
    for name, table in book.tables.items():
        if table.row != "client" or name not in tables:
            continue
        frame = tables[name]
        if table.occasion:
            frame = _spread(frame, table.occasion, table.suffix, book.client)
        frame = frame.set_index(book.client)
        if wide is None:
            wide = frame
        else:
            wide = wide.join(frame[[c for c in frame if c not in wide]])
    for name, table in book.tables.items():
        if table.row in ("case_manager", "site") and name in tables:
            key = getattr(book, table.row)
            extra = [c for c in tables[name] if c == key or c not in wide]
            wide = wide.join(tables[name][extra].set_index(key), on=key)
    return wide


def _spread(frame: pd.DataFrame, occasion: str, suffix: dict, client: str) -> pd.DataFrame:
    parts = []
    for value, ending in suffix.items():
        part = frame[frame[occasion] == value].drop(columns=occasion).set_index(client)
        parts.append(part.add_suffix(ending))
    return pd.concat(parts, axis=1).reset_index(names=client)


def _merge(frame: pd.DataFrame, name: str, book: Codebook) -> tuple[pd.DataFrame, pd.DataFrame]:
    days = next(d for d in book.days.values() if d.episodes == name)
    columns = [book.client, days.admission, days.discharge]
    stays, into = merge_stays(
        frame[columns].set_axis(["client_id", "admission", "discharge"], axis=1)
    )
    gone = frame.index[~frame.index.isin(stays.index)]
    log = entry(
        name,
        gone,
        days.discharge,
        frame.loc[gone, days.discharge].dt.date.astype(str),
        [f"merged into row {row}" for row in into.loc[gone]],
        "overlapping or adjoining stays",
    )
    return stays.set_axis(columns, axis=1), log


def _days(episodes: pd.DataFrame, dyads: pd.DataFrame, days: Days, book: Codebook) -> pd.Series:
    anchor = dyads[days.anchor]
    known = anchor.dropna()
    start = known + pd.DateOffset(years=days.from_years)
    end = known + pd.DateOffset(years=days.to_years)
    stays = episodes[[book.client, days.admission, days.discharge]]
    stays = stays.set_axis(["client_id", "admission", "discharge"], axis=1)
    counted = hospital_days(stays[stays["client_id"].isin(known.index)], start, end)
    return counted.astype(float).reindex(dyads.index)


def _derive(source: pd.Series, derived: Derived) -> pd.Series:
    if derived.is_value is not None:
        return (source == derived.is_value).astype(float).where(source.notna())
    positive = source.astype(float).where(source > 0)
    return np.log(positive)
