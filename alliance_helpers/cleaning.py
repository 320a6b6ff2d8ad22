"""From raw tables to one row per dyad, every change to every value logged."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from .codebook import Codebook, Days, Derived
from .codebooks.own_words import own_words
from .data import Study
from .errors import DataError
from .reading.dyads import Dyads
from .reading.hospital import hospital_days
from .reading.links import place
from .reading.notes import Change, as_log
from .reading.stays import merge_stays


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
        return Dyads(self.tables, self.codebook).items(self.codebook.scales[scale])


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
    book, tables, changes = study.codebook, dict(examined.tables), []
    for name in {d.episodes for d in book.days.values()} & set(tables):
        tables[name], merged = _merge(tables[name], name, book)
        changes.append(merged)
    wide = Dyads(tables, book)
    columns = wide.variables()
    counted = {  # before there are scores, since it takes the most room
        d.name: _days(tables[d.episodes], columns[d.anchor], wide.clients, d)
        for d in book.days.values()
    }
    for scale in book.scales.values():
        scores = wide.scores(scale)
        parts = {p: f"{scale.name}_{p}" for p in scores if p != "total"} | {"total": scale.name}
        columns |= {parts[p]: scores[p].to_numpy() for p in scores}
    columns |= counted
    for derived in book.derived.values():
        columns[derived.name] = _derive(pd.Series(columns[derived.source]), derived)
    dyads = pd.DataFrame({book.client: wide.clients.array, **columns}, copy=False)
    log = pd.concat([examined.log, as_log(changes)], ignore_index=True) if changes else examined.log
    book, source = _groups(dyads, book, study.source)
    return CleanStudy(dyads, log, tables, book, source)


def _groups(dyads: pd.DataFrame, book: Codebook, source: str) -> tuple[Codebook, str]:
    """Without case managers in the codebook, and so said, where they make no groups of dyads."""
    if book.case_manager is None:
        return book, source
    clients = dyads[book.case_manager].value_counts()
    if len(clients) > 1 and clients.max() > 1:
        return book, source
    why = "every case manager has one client" if len(clients) > 1 else "there is one case manager"
    why = own_words(f"{why}: dyads taken as independent", book)
    return replace(book, case_manager=None), f"{source} ({why})"


def _merge(frame: pd.DataFrame, name: str, book: Codebook) -> tuple[pd.DataFrame, Change]:
    days = next(d for d in book.days.values() if d.episodes == name)
    columns = [book.client, days.admission, days.discharge]
    stays, into = merge_stays(
        frame[columns].set_axis(["client_id", "admission", "discharge"], axis=1)
    )
    gone = into.to_numpy() != frame.index.to_numpy()
    before = frame[days.discharge][gone].dt.strftime("%Y-%m-%d").fillna("").to_list()
    after = [f"merged into row {row}" for row in into[gone]]
    rule = "overlapping or adjoining stays"
    change = Change(name, days.discharge, rule, frame.index.to_numpy()[gone], before, after)
    return stays.set_axis(columns, axis=1), change


def _days(episodes: pd.DataFrame, anchor, clients: pd.Series, days: Days) -> np.ndarray:
    """Days in the window of each client with a known anchor; clients are numbered for speed."""
    known = pd.Series(anchor).dropna()
    start = known + pd.DateOffset(years=days.from_years)
    end = known + pd.DateOffset(years=days.to_years)
    stays = pd.DataFrame(
        {
            "client_id": place(episodes[clients.name], clients),
            "admission": episodes[days.admission].to_numpy(),
            "discharge": episodes[days.discharge].to_numpy(),
        }
    )
    counted = hospital_days(stays, start, end)
    return counted.astype(float).reindex(range(len(clients))).to_numpy()


def _derive(source: pd.Series, derived: Derived) -> np.ndarray:
    if derived.log:
        return np.log(source.astype(float).where(source > 0)).to_numpy()
    value: object = derived.is_value
    if pd.api.types.is_numeric_dtype(source):
        value = float(value)
    return (source == value).astype(float).where(source.notna()).to_numpy()
