"""Raw tables against their codebook: what is typed, what is tidied, what is wrong.

One pass gives all three: the typed tables, the log of changes and the list of problems. Then
records are held against one another: duplicates, stays, and tables that must agree. Rows are
numbered as a spreadsheet shows them (the header is row 1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches

import numpy as np
import pandas as pd

from ..errors import Problem, listed, show
from .cells import (
    CHECKS,
    MANY,
    NAMED,
    Change,
    Notes,
    as_text,
    as_written,
    codes_or,
    firsts,
    in_order,
    parted,
    place,
    plain,
    within,
    word_of,
)
from .codebook import ENDING, KINDS, NUMERIC, Codebook, Table, links, say
from .days import stays
from .raw_tables import ROW_ID, repeated_names


def about(table: Table, variable: str, what: str, remedy: str) -> Problem:
    """A problem of one column, found by the name of its variable."""
    return Problem(table.file, what, remedy, column=table.variables[variable].column)


def duplicates(frame: pd.DataFrame, notes: Notes) -> pd.DataFrame:
    """The table with each record once: an earlier duplicate is left out, or it is a problem."""
    table = notes.table
    key = [k for k in table.key if k in frame]
    if len(key) < len(table.key) or table.duplicates == "allow":
        return frame
    if in_order(frame, key):
        notes.in_order = True
        return frame
    several = frame[frame.duplicated(key, keep=False)].dropna(subset=key)
    if (idle := _idle(several, key)).any():
        gone = frame.index.isin(several.index[idle])
        ids, rule = frame[key[0]][gone].to_list(), "another of the same key says as much"
        frame, several = notes.left_out(frame, key[0], gone, ids, rule), several[~idle]
    later = frame.index.isin(several.index[several.duplicated(key)])
    if not later.any():
        return frame
    column = " and ".join(table.variables[k].column for k in key)
    if table.duplicates == "error" or table.latest not in frame:
        many = later.sum() > max(NAMED, MANY * len(later))
        ids = [v.name for v in table.variables.values() if KINDS[v.type] == "id"]
        by = (n for n in ids if n in frame and not frame.duplicated([*key, n]).any())
        own = next(by, None) if many else None
        what = "own_rows" if own else "many_rows" if many else "again"
        notes.wrong(column, later, _in_words(frame, key, later), *say(what, own=own, key=key[0]))
        return frame
    last = several.sort_values(table.latest, kind="stable", na_position="first")
    last = last.drop_duplicates(key, keep="last").index
    tied = several.index[several.duplicated([*key, table.latest])].intersection(last)
    tied = frame.index.isin(tied)
    said = say("tied", date=table.variables[table.latest].column)
    notes.wrong(column, tied, _in_words(frame, key, tied), *said)
    gone = frame.index.isin(several.index.difference(last))
    before = frame[table.latest][gone].dt.strftime("%Y-%m-%d").fillna("").to_list()
    return notes.left_out(frame, table.latest, gone, before, "an earlier duplicate")


def _in_words(frame: pd.DataFrame, key: list[str], rows: np.ndarray) -> np.ndarray:
    """The key of these rows in words, in the place of each; of the others nothing."""
    first, *more = (frame[k][rows].astype(object).fillna("").astype(str) for k in key)
    values = np.full(len(frame), "", object)
    values[rows] = first.str.cat(more, sep=", ") if more else first
    return values


def _idle(several: pd.DataFrame, key: list[str]) -> np.ndarray:
    """Which records of a key that others have, too, say nothing that another of them does not."""
    by_length = several.notna().sum(axis=1).sort_values(ascending=False, kind="stable").index
    full = several.loc[by_length].drop_duplicates(key)
    at = pd.MultiIndex.from_frame(full[key]).get_indexer(pd.MultiIndex.from_frame(several[key]))
    same = (several == full.iloc[at].set_axis(several.index)) | several.isna()
    return same.all(axis=1).to_numpy() & ~several.index.isin(full.index)


def kept(frame: pd.DataFrame, notes: Notes) -> pd.DataFrame:
    """The rows that the codebook's `where` keeps; the others are logged."""
    for column, wanted in notes.table.where.items():
        if list(frame.columns).count(column) != 1:
            notes.problem(*say("where_column"), column)
            continue
        cells = frame[column].map(as_text, na_action="ignore").fillna("")
        here = cells.map(word_of).isin(list(map(word_of, wanted))).to_numpy()
        if not here.any():
            told, found = (listed(map(repr, values)) for values in (wanted, cells.unique()))
            notes.problem(*say("where_value", told=told, found=found), column)
        frame = notes.left_out(frame, column, ~here, cells[~here].to_list(), f"where {column}")
    return frame


def _of_ids(table: Table) -> str:
    return table.variables[table.key[0]].column


def nowhere(frame: pd.DataFrame, notes: Notes) -> None:
    """Rows that do not say which of a client's several they are."""
    name = notes.table.occasion or notes.table.time
    if name in frame and frame[name].isna().any():
        lost, column = np.flatnonzero(frame[name].isna()), notes.table.variables[name].column
        if column == ENDING:
            ends = listed(map(repr, notes.table.suffix))
            notes.problem(*say("no_ending", ends=ends), _of_ids(notes.table), lost)
        elif column not in {problem.column for problem in notes.problems}:
            notes.problem(*say("no_place"), column, lost)


def picked(frame: pd.DataFrame, book: Codebook, notes: Notes, rated: np.ndarray) -> pd.DataFrame:
    """Of a client's rows the one that `event` names; the others are left out, and logged.

    `rated`: which rows are of a session that everybody rated.
    """
    table, event = notes.table, notes.table.event
    if not table.time or not {book.client, table.time} <= set(frame):
        return frame
    client = frame[book.client]
    at, levels = pd.factorize(frame[table.time])
    words = [as_text(level).removesuffix(" 00:00:00") for level in levels]
    words = np.array([*words, ""], dtype=object)
    end, _, by = event.partition("_")
    said = event
    if end in ("first", "last") and by in ("", "rated"):
        order, as_it_is = _clock(frame, table), table.key == (book.client, table.time)
        if as_it_is and notes.in_order and order.dtype == frame[table.time].dtype:
            rows = firsts(client)
            rows = rows if end == "first" else np.append(rows[1:], len(frame)) - 1
        else:
            rows = _ends(client, order.array, rated | True, end)
        if by and not rated.all():
            rows, plainly = _ends(client, order.array, rated, end), rows
            if n := len(np.setdiff1d(rows, plainly)):
                said = f"{event}, not the very {end} of {n} client{'s' * (n > 1)}"
        taken = np.zeros(len(frame), bool)
        taken[rows] = True
    else:
        taken = (words == event)[at]
        if not taken.any():
            said = say("no_event", event=event, found=listed(dict.fromkeys(words[at])))
            notes.problem(*said, table.variables[table.time].column)
    rule = f"{table.time} {listed(dict.fromkeys(words[at[taken]]), 3)} is taken: {said}"
    return notes.left_out(frame, table.time, ~taken, words[at[~taken]], rule)


def _ends(client: pd.Series, order, rated: np.ndarray, end: str) -> np.ndarray:
    """The first or last row of each client; one that everybody rated, if there is any."""
    told = pd.DataFrame({"rated": rated if end == "last" else ~rated, "order": order}).dropna()
    told = told.sort_values(["rated", "order"], kind="stable").index
    return told[~client.iloc[told].duplicated(keep=end)]


def _ratings(sessions: dict[str, pd.DataFrame], book: Codebook) -> tuple[dict, dict]:
    """For each informant who rates sessions, the table of the ratings, and the rows they are in.

    And for each table, which of its rows are of a client's session that everybody rated.
    """
    by = {name: [book.client, book.tables[name].time] for name in sessions}
    found, by_all = {}, {}
    for who, entry in book.informants.items():
        scale = book.scales.get(entry["alliance"])
        items = [*scale.items] if scale else [entry["alliance"]]
        for name, frame in sessions.items():
            if {*items, *by[name]} <= {*frame}:
                rated = np.zeros(len(frame), bool)
                for item in items:  # the first few tell of nearly every row
                    rated = rated if rated.all() else rated | frame[item].notna().to_numpy()
                found[who] = name, rated
    for name, frame in sessions.items():
        by_all[name] = np.ones(len(frame), bool)
        for there, rows in found.values() if {*by[name]} <= {*frame} else ():
            if name != there:
                pairs = pd.MultiIndex.from_frame(sessions[there].loc[rows, by[there]])
                rows = pd.MultiIndex.from_frame(frame[by[name]]).isin(pairs)
            by_all[name] &= rows
    return found, by_all


def turned(frame: pd.DataFrame, book: Codebook, notes: Notes) -> None:
    """Rows of a client that become columns: what they must share, and values that must exist."""
    table = notes.table
    if not table.occasion or not {book.client, table.occasion} <= set(frame):
        return
    column = table.variables[table.occasion].column
    column = _of_ids(table) if column == ENDING else column
    for value in table.suffix:
        here = _is(frame[table.occasion], value)
        if not here.any() and len(frame):
            found = listed(map(repr, frame[table.occasion].dropna().unique())) or "nothing"
            notes.problem(*say("no_row", value=value, found=found), column)
        if table.rated:
            after = f"columns that end in {table.suffix[value]}"
            notes.changed(table.occasion, here, value, after, "a row for each informant")
    for name in sorted((links(book) & set(frame)) - {book.client}) if table.rated else ():
        known = frame[frame[name].notna()]
        first = known.groupby(book.client, sort=False)[name].transform("first")
        differ = frame.index.isin(known.index[(known[name] != first).to_numpy(dtype=bool)])
        column = table.variables[name].column
        notes.wrong(column, differ, frame[name].to_numpy(), *say("rows_differ"))


def backwards(frame: pd.DataFrame, book: Codebook, notes: Notes) -> None:
    """Dates that go back from one session of a client to the next."""
    table, client = notes.table, book.client
    if not table.time or not {client, table.time} <= set(frame):
        return
    own = {table.time, table.latest}
    names = [n for n in frame if table.variables[n].type == "date" and n not in own]
    if not names:
        return
    at = _clock(frame, table).reset_index(drop=True).sort_values(kind="stable").index
    people = pd.factorize(frame[client])[0][at]
    for name in names:
        dates, back = frame[name].iloc[at], np.zeros(len(frame), bool)
        back[at] = dates < dates.groupby(people).cummax().groupby(people).shift()
        told = frame[name].where(back).dt.strftime("%Y-%m-%d") if back.any() else ()
        notes.wrong(table.variables[name].column, back, told, *say("backwards", time=table.time))


def alike(sessions: Iterable[str], book: Codebook) -> list[str]:
    """The tables of sessions that tell time as the first of them does."""
    kinds = {n: KINDS[(t := book.tables[n]).variables[t.time].type] for n in sessions}
    return [name for name, kind in kinds.items() if kind == next(iter(kinds.values()))]


def _clock(frame: pd.DataFrame, table: Table) -> pd.Series:
    """What tells a row's time, so that it sorts: words as numbers, if the codebook lists them."""
    time, variable = frame[table.time], table.variables[table.time]
    listed = {v: i for i, v in enumerate(variable.values)} if KINDS[variable.type] == "id" else {}
    return time.map(listed).astype(float) if listed else time


def session_order(sessions: dict[str, pd.DataFrame], book: Codebook) -> tuple[dict, str]:
    """The number of the session in each row, of the tables that tell time as the first of them
    does; and how they are counted, if not as they stand.

    A counter whose usual step is not 1 counts those steps, a session left out being a gap. Other
    counters, dates, events and fractions become ranks among the client's own, of all tables.
    """
    if not sessions:
        return {}, ""
    parts = {}
    for name in alike(sessions, book):
        frame, table = sessions[name], book.tables[name]
        variable, time = table.variables[table.time], _clock(frame, table)
        time = time.astype(float) if variable.type in NUMERIC else time
        told = {"client": frame[book.client].array, "time": time.array}
        parts[name] = pd.DataFrame(told, copy=False)
    rows = pd.concat(parts.values(), keys=parts) if len(parts) > 1 else parts[name]
    number, how = rows["time"], ""
    if variable.type == "integer":
        heads = firsts(rows["client"])
        steps = np.delete(np.diff(rows["time"]), heads[1:] - 1)
        if not ((steps > 0).all() and rows["client"].iloc[heads].is_unique):
            once = rows.sort_values([*rows]).drop_duplicates()
            steps = np.delete(np.diff(once["time"]), firsts(once["client"])[1:] - 1)
        if (steps == 1).sum() < HALF * len(steps):
            usual = pd.Series(steps[steps > 0]).mode().min()
            how = "in each client's order"
            if usual > 1 and (steps % usual == 0).all():
                number, how = (number - number.min()) / usual + 1, f"in steps of {usual:g}"
    if variable.type != "integer" or how.endswith("order"):
        number = rows.groupby("client", sort=False)["time"].rank("dense")
    number = number.to_numpy(float)
    ends = np.cumsum([len(part) for part in parts.values()])
    return dict(zip(parts, np.split(number, ends[:-1]), strict=True)), how


def answers(typed: dict[str, pd.DataFrame], book: Codebook, notes: dict[str, Notes]) -> None:
    """Answers that a scale's form does not have, though the variable's own range allows them."""
    asked = [(s, n, f) for s in book.scales.values() for n, f in typed.items()]
    for scale, name, frame in asked:
        low, high = scale.limits
        for rows, names in occasions(frame, notes[name].table, scale.items):
            for v in map(notes[name].table.variables.get, names):
                if (low <= v.low and v.high <= high) or v.type not in NUMERIC:
                    continue
                x = frame[v.name].to_numpy(dtype=float, na_value=np.nan)
                bad = ((x < low) | (x > high)) & rows
                said = say("beyond", form=scale.form or scale.name, low=low, high=high)
                notes[name].wrong(v.column, bad, x, *codes_or(x, bad, low, high, said))


def occasions(frame: pd.DataFrame, table: Table, items: Iterable[str]) -> Iterator:
    """For each occasion of a table: which rows are of it, and the names of these items there."""
    for value, ending in (table.suffix or {None: ""}).items():
        names = [item.removesuffix(ending) for item in items if item.endswith(ending)]
        if names := [name for name in names if name in frame]:
            every = value is None or table.occasion not in frame
            yield np.ones(len(frame), bool) if every else _is(frame[table.occasion], value), names


def _is(values: pd.Series, value: str) -> np.ndarray:
    return (values == value).to_numpy(dtype=bool, na_value=False)


def side_by_side(frame: pd.DataFrame, client: str, notes: Notes) -> None:
    """Another column of the same ids in another order: lists that stand beside one another."""
    known, once = notes.table.variables, notes.table.row == "client" and client in frame
    ids = [n for n in frame if known[n].type == "id" and n != client and once]
    people = frame[client].iloc[firsts(frame[client])] if ids else ()
    for name in (n for n in ids if people.isin(frame[n].head(99).dropna()).any()):
        pair = frame[[client, name]].dropna()
        one, two = ({*cells} for _, cells in pair.items())
        apart = (pair[client] != pair[name]) & pair.isin(one & two).all(axis=1)
        if apart.any() and len(one & two) >= SAME * max(len(one), len(two)):
            seen = {"other": known[name].column, "n": apart.sum(), "of": len(pair)}
            notes.problem(*say("side_by_side", **seen), known[client].column)


def across(typed: dict[str, pd.DataFrame], book: Codebook, notes: dict[str, Notes]) -> None:
    """Ids that lead nowhere, and values that two tables tell differently."""
    for role, kind in ((book.client, "client"), (book.case_manager, "case_manager")):
        homes = [t for t in book.tables.values() if t.row == kind and not t.occasion]
        home = next((t for t in homes if role in typed.get(t.name, ())), None)
        for name, frame in typed.items() if role and home else ():
            if name != home.name and role in frame:
                base, note = typed[home.name], notes[name]
                typed[name] = _against(frame, base, role, home, note, links(book))


def _against(
    frame, base: pd.DataFrame, role: str, home: Table, notes: Notes, joined: set[str]
) -> pd.DataFrame:
    """The table with ids as its home writes them; what home has not, or tells otherwise, noted."""
    table, ids = notes.table, frame[role]
    at = place(ids, base[role])
    lost = (at < 0) & ids.notna().to_numpy()
    if lost.any():
        meant = as_written(ids.dropna().unique(), base[role].dropna().unique())
        there = ids.map(lambda i: meant.get(i, i), na_action="ignore")
        new = ids.isin(meant).to_numpy()
        notes.changed(role, new, ids[new].to_list(), there[new].to_list(), WRITTEN)
        ids, lost = there, lost & ~new
        frame, at = frame.assign(**{role: ids}), place(ids, base[role])
    own = role in table.key and table.row != "episode"
    if own and table.variables[role].optional:
        rule = f"not in {home.file}"
        frame, at = notes.left_out(frame, role, at < 0, ids[at < 0].to_list(), rule), at[at >= 0]
    elif lost.any():
        spelled = {plain(i).replace(" ", ""): i for i in base[role].dropna()}
        close = spelled.get(plain(ids[lost].iloc[0]).replace(" ", ""))
        kind = "other_spelling" if close else "lost_rows" if own else "lost"
        said = say(kind, file=home.file, close=show(close))
        notes.wrong(table.variables[role].column, lost, ids.to_numpy(), *said)
    for shared in sorted((set(frame) & set(base.columns)) - {role}):
        kinds = {KINDS[t.variables[shared].type] for t in (table, home)}
        if len(kinds) > 1 or not (shared in joined or (table.row == "episode" and "id" in kinds)):
            continue
        there, here = base[shared].array.take(at, allow_fill=True), frame[shared].array
        differ = np.asarray(here != there, dtype=bool) & ~(pd.isna(here) | pd.isna(there))
        if differ.any():
            other = ", ".join(dict.fromkeys(show(o) for o in there[differ][:3]))
            said = say("tables_differ", file=home.file, other=other)
            notes.wrong(table.variables[shared].column, differ, here, *said)
    return frame


HALF, SAME = 0.5, 0.9
FIRST_ROW = 2
WRITTEN = "the id as another table writes it"


@dataclass(frozen=True)
class Examined:
    """Typed tables (index: row in the file), every change made, and what cannot be used.

    `sessions` holds every row of the tables of which one row of each client is taken, `ratings` by
    informant the one that has the ratings, and the rows they are in.
    """

    tables: dict[str, pd.DataFrame]
    changes: list[Change]
    problems: tuple[Problem, ...]
    sessions: dict[str, pd.DataFrame] = field(default_factory=dict)
    ratings: dict[str, tuple[str, np.ndarray]] = field(default_factory=dict)


def examine(tables: dict[str, pd.DataFrame], codebook: Codebook) -> Examined:
    """Check and type every raw table, then check the tables against one another.

    Parameters
    ----------
    tables : dict of DataFrame
        Raw tables by codebook name; cells as text or already typed. They are not changed. An
        index named `row` holds the rows of the file; otherwise they count from 2.
    codebook : Codebook

    Returns
    -------
    Examined
    """
    notes, typed = {}, {}
    for name, table in codebook.tables.items():
        if name in tables:
            frame = tables[name]
            given = frame.index.name == "row"
            rows = frame.index if given else np.arange(FIRST_ROW, FIRST_ROW + len(frame))
            notes[name] = Notes(table, np.asarray(rows))
            frame = kept(frame, notes[name]) if table.where else frame
            if any(v.column == ENDING for v in table.variables.values()):
                frame = parted(frame, _of_ids(table), [*table.suffix])
            frame = duplicates(_typed(frame, notes[name]), notes[name])
            nowhere(frame, notes[name])
            typed[name] = frame
            side_by_side(frame, codebook.client, notes[name])
            turned(frame, codebook, notes[name])
            stays(frame, codebook, notes[name])
    answers(typed, codebook, notes)
    sessions = {name: typed[name] for name in typed if codebook.tables[name].time}
    ratings, rated = _ratings(sessions, codebook)
    for name in sessions:
        backwards(typed[name], codebook, notes[name])
        typed[name] = picked(typed[name], codebook, notes[name], rated[name])
    across(typed, codebook, notes)
    changes = [change for note in notes.values() for change in note.changes]
    problems = tuple(problem for note in notes.values() for problem in note.problems)
    return Examined(typed, changes, problems, sessions, ratings)


def _typed(frame: pd.DataFrame, notes: Notes) -> pd.DataFrame:
    """The columns the codebook knows, typed, under the codebook's names."""
    expected = {v.column: v for v in notes.table.variables.values()}
    columns = [str(c) for c in frame.columns]
    ours = [not notes.table.ignores(c) for c in columns]
    if twice := repeated_names(frame.iloc[:0].loc[:, ours]):
        notes.problem(*say("names_apart", twice=twice))
    _header(columns, expected, notes)
    if frame.empty:
        notes.problem(*say("no_rows"))
    typed = {}
    for position, column in enumerate(columns):
        v = expected.get(column)
        if v and v.name not in typed:
            typed[v.name] = CHECKS[v.type](frame.iloc[:, position], v, notes)
    if ROW_ID in expected:
        typed[expected[ROW_ID].name] = pd.array(notes.rows.astype(str), dtype="str")
    counted = [v for v in expected.values() if v.within and {v.name, *v.within} <= {*typed}]
    typed |= {v.name: within(typed, v, notes) for v in counted}
    return pd.DataFrame(typed, index=pd.Index(notes.rows, name="row"), copy=False)


def _header(present: list[str], expected: dict, notes: Notes) -> None:
    table: Table = notes.table
    missing = [c for c in expected if c not in {ROW_ID, *present}]
    known = {*expected, *table.where}
    unknown = [c for c in dict.fromkeys(present) if not (c in known or table.ignores(c))]
    folded = {c.casefold(): c for c in unknown}
    told = ("no_column", "no_columns", missing), ("unknown_column", "unknown_columns", unknown)
    for what, several, columns in told:
        if len(columns) > 3:
            notes.problem(*say(several, n=len(columns), names=listed(columns)), columns[0])
        for column in columns if len(columns) <= 3 else ():
            close = get_close_matches(column.casefold(), folded, 1, 0.8)
            hint = f"The file has {folded[close[0]][:64]!r}: rename one. " if close else ""
            notes.problem(*say(what, hint=hint), column)
