"""From raw tables to one row per dyad, every change to every value logged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from ..errors import DataError, Problem
from .cells import Change, as_log, in_order, place
from .codebook import Codebook, Days, Derived, Scale, links, own_words
from .days import hospital_days, merge_stays
from .load import Study
from .score import score_scale


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
    parts : list of tuple
        Every (table, ending of its names, its row for each client or -1), look-ups last.
    """

    def __init__(self, tables: dict[str, pd.DataFrame], book: Codebook) -> None:
        self.tables, self.book = tables, book
        first = next(n for n, t in book.tables.items() if t.row == "client" and n in tables)
        ids = tables[first][book.client]
        self.clients = ids.drop_duplicates() if book.tables[first].occasion else ids
        self.parts = [*self._of_clients()]
        self.parts += self._looked_up()

    def _of_clients(self) -> Iterator[tuple[pd.DataFrame, str, np.ndarray]]:
        for name, table in self.book.tables.items():
            if table.row != "client" or name not in self.tables:
                continue
            frame, client = self.tables[name], self.book.client
            if not table.occasion:
                yield frame, "", place(self.clients, frame[client])
            elif shared := sorted((links(self.book) & set(frame)) - {client}):
                main = next((o for o, ending in table.suffix.items() if not ending), None)
                here = frame[shared].where(frame[table.occasion] == main)
                known = frame.assign(**here.loc[:, here.notna().any()])
                once = known.groupby(client, sort=False)[shared].first().reset_index()
                yield once, "", place(self.clients, once[client])
                frame = frame.drop(columns=shared)
            for occasion, ending in table.suffix.items():
                at = np.flatnonzero(frame[table.occasion] == occasion)
                rows = place(self.clients, frame[client].iloc[at])
                rows = np.where(rows < 0, -1, at[rows]) if len(at) else rows
                yield frame, ending, rows

    def _looked_up(self) -> list[tuple[pd.DataFrame, str, np.ndarray]]:
        found = []
        for name, table in self.book.tables.items():
            if table.row in ("case_manager", "site") and name in self.tables:
                (key,), frame = table.key, self.tables[name]
                found.append((frame, "", place(pd.Series(self._take(key)), frame[key])))
        return found

    def _take(self, name: str):
        """One variable's values, a row per client, from the first table that has it."""
        for frame, ending, rows in self.parts:
            column = name.removesuffix(ending) if ending else name
            if name.endswith(ending) and column in frame:
                return _at(frame[column], rows)
        raise KeyError(name)

    def variables(self) -> dict[str, object]:
        """Every variable but the client's id and plain items of scales, numbers as floats."""
        items = {item for scale in self.book.scales.values() for item in scale.items}
        wanted = {name for names in self.book.blocks.values() for name in names}
        wanted |= {derived.source for derived in self.book.derived.values()}
        wanted |= {entry["alliance"] for entry in self.book.informants.values()}
        hidden = {self.book.client, *(t.occasion for t in self.book.tables.values())}
        columns: dict[str, object] = {}
        for frame, ending, rows in self.parts:
            for column in frame:
                name = f"{column}{ending}"
                item = items & {name, column} and name not in wanted
                if not (item or name in columns or column in hidden):
                    columns[name] = _at(frame[column], rows)
        return columns

    def items(self, scale: Scale) -> pd.DataFrame:
        """A scale's items as answered, one row per client."""
        columns = {item: self._take(item) for item in scale.items}
        return pd.DataFrame(columns, index=pd.Index(self.clients, name=self.book.client))

    def scores(self, scale: Scale) -> pd.DataFrame:
        """A scale's scores, one row per client; scored in its own table if one has all items."""
        for frame, ending, rows in self.parts:
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


def all_sessions(
    tables: dict[str, tuple[pd.DataFrame, np.ndarray]], book: Codebook
) -> Sessions | None:
    """The sessions of tables, with the number of each, side by side and scored; None without any.

    Tables that count sessions otherwise than the first stay out; `check` names them.
    """
    if not tables:
        return None
    order, time = "session_number", book.tables[next(iter(tables))].time
    frame, *others = (
        frame.rename(columns={book.tables[name].time: time}).assign(**{order: number})
        for name, (frame, number) in tables.items()
    )
    for other in others:
        frame = _beside(frame, other, [book.client, order])
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
    return Sessions(kept.assign(**columns), book.client, time, order, manager, items)


def _beside(frame: pd.DataFrame, other: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """Two tables by client and session; of what both hold the first, if it has it."""
    frame, other = frame.set_index(key), other.set_index(key)
    same = [name for name in other if name in frame]
    both = frame.join(other.drop(columns=same), how="outer")
    filled = {name: both[name].fillna(other[name].reindex(both.index)) for name in same}
    return both.assign(**filled).reset_index()


@dataclass(frozen=True)
class CleanStudy:
    """A study ready for analysis.

    Attributes
    ----------
    dyads : DataFrame
        One row per client: ids, variables, scores, hospital days. Numbers are floats with NaN.
        Its `attrs` hold the codebook and, if there are several sessions of a client, `sessions`.
    log : DataFrame
        `table row column before after rule`: one row per changed value; `row` counts as a
        spreadsheet does (the header is row 1).
    tables : dict of DataFrame
        The cleaned tables.
    codebook : Codebook
    source : str
    raw : dict
        Rows and columns of each table as it came.
    warnings : tuple of Problem
        What is allowed and yet probably wrong; each prints as one line.
    session_tables : dict of (DataFrame, ndarray)
        Those of the cleaned tables that have several rows of a client, with every row; and the
        number of the session in each.
    """

    dyads: pd.DataFrame
    log: pd.DataFrame
    tables: dict[str, pd.DataFrame]
    codebook: Codebook
    source: str
    raw: dict[str, tuple[int, int]] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()
    session_tables: dict[str, tuple[pd.DataFrame, np.ndarray]] = field(default_factory=dict)

    @property
    def sessions(self) -> Sessions | None:
        """One row per client and session, where the study has them (see :class:`Sessions`)."""
        return self.dyads.attrs.get("sessions")

    def __repr__(self) -> str:
        return f"{self.codebook!r}: {len(self.dyads):,} dyads, from {self.source}"

    def items(self, scale: str) -> pd.DataFrame:
        """The cleaned items of one scale, before reversing, one row per client."""
        return self._rows.items(self.codebook.scales[scale])

    @cached_property
    def _rows(self) -> Dyads:
        return Dyads(self.tables, self.codebook)


def clean(study: Study) -> CleanStudy:
    """Clean a study by the rules of its codebook; the study itself is not changed.

    Rules: missing codes and (where the codebook says so) out-of-range values become missing;
    categories get the codebook's spelling; of a duplicated form the latest is kept; overlapping
    and adjoining stays are merged.

    Raises
    ------
    DataError
        If the tables do not fit the codebook.

    Examples
    --------
    >>> cleaned = clean(load_study(None))
    >>> cleaned.dyads.shape[0], list(cleaned.log)
    (201, ['table', 'row', 'column', 'before', 'after', 'rule'])
    """
    examined = study.examined
    if examined.problems:
        raise DataError(examined.problems)
    book, tables, changes = study.codebook, dict(examined.tables), [*examined.changes]
    for name in {d.episodes for d in book.days.values()} & set(tables):
        tables[name], merged = _merge(tables[name], name, book)
        changes.append(merged)
    raw, log = {name: table.shape for name, table in study.tables.items()}, as_log(changes)
    blank = CleanStudy(pd.DataFrame(), log, tables, book, study.source, raw, study.warnings)
    sessions = {name: (examined.sessions[name], number) for name, number in study.order[0].items()}
    return assembled(replace(blank, session_tables=sessions))


def assembled(study: CleanStudy) -> CleanStudy:
    """The dyads of cleaned tables, by what the codebook says of scores, days and blocks."""
    tables, book = study.tables, study.codebook
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
    book, source = _groups(dyads, book, study.source)
    dyads.attrs["codebook"] = book
    if sessions := all_sessions(study.session_tables, book):
        dyads.attrs["sessions"] = sessions
    return replace(study, dyads=dyads, codebook=book, source=source)


def _groups(dyads: pd.DataFrame, book: Codebook, source: str) -> tuple[Codebook, str]:
    """Without case managers in the codebook, and so said, where they make no groups of dyads."""
    if book.case_manager is None:
        return book, source
    clients = dyads[book.case_manager].value_counts()
    if len(clients) > 1 and clients.max() > 1:
        return book, source
    why = "every case manager has one client" if len(clients) > 1 else "there is one case manager"
    blank = len(dyads) - clients.sum()
    why += f", but for {blank} of {len(dyads)} clients none is named" if blank else ""
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
