"""What one row of a file stands for: a dyad, one of its two ratings, or a session; and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from ..study.cells import as_text
from ..study.raw_tables import RawTable
from .answers import pattern
from .exports import Source
from .guesses import Guess, Tables
from .items import WHO, Block

ROLE = pattern("column", "role")
TIME = pattern("column", "time")
PAIRED = 0.05  # so few rows may stand twice for a dyad and a role: they are named by `check`
ALIKE = 0.8  # so many ids of one column must be among another's to join the two
SHAPES = {
    "rating": "two rows a dyad, one for each informant",
    "session": "one row a session or event, several for a client",
    "client": "one row a dyad",
}


@dataclass(frozen=True)
class Shape:
    """How a table is laid out.

    Attributes
    ----------
    row : str
        client, rating or session; occasion, if a category tells several rows of a client apart;
        apart, if each informant is to have a table.
    client : str, optional
        The variable that ties rows together, where several stand for one client.
    settings : dict
        `informant`, or `time` and `event`, as in the codebook; or the `occasion`.
    """

    row: str = "client"
    client: str | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    why: str = ""
    question: str = ""


def shape_of(raw: RawTable, guesses: dict[str, Guess], blocks: list[Block]) -> Shape:
    """The shape of a table, by a column of roles or of sessions and an id that it tells apart."""
    items = {column for block in blocks for column in block.columns}
    free = {name: guess for name, guess in guesses.items() if guess.column not in items}
    for name, guess in free.items():
        told = _roles(raw, guess)
        if told and (client := _tied(raw, free, name)):
            return _rating(raw, guess, told, client)
        if told and "asked" not in told and _repeated(raw, free):
            return replace(_rating(raw, guess, told, None), row="apart")
    few = [name for name, g in free.items() if g.type == "category" and len(g.values) <= 6]
    for name in (name for name in few if free[name].role != "site"):  # ids may begin anew there
        if client := _tied(raw, free, name):
            why = f"{free[client].column!r} stands once for each {free[name].column!r}"
            return Shape("occasion", client, {"occasion": name}, why)
    dates = [name for name, guess in free.items() if guess.type == "date"]
    named = [n for n, g in free.items() if g.type == "integer" and TIME.fullmatch(g.column)]
    for time in [*named, *dates[:1]] if blocks else ():
        if client := _tied(raw, free, time):
            why = f"{free[client].column!r} stands in several rows, told apart by "
            why += f"{free[time].column!r}"
            said = "all sessions are kept for what is asked over time; what is asked of one row of "
            said += "each client takes the last: is that the one you mean?"
            settings = {"time": time, "event": "last"}
            return Shape("session", client, settings, why, said)
    return Shape(question=_doubts(raw, free) if blocks else "")


def _doubts(raw: RawTable, guesses: dict[str, Guess]) -> str:
    """What speaks against one row a dyad, though no column was found that tells the rows apart."""
    told = next((g.column for g in guesses.values() if _roles(raw, g)), None)
    if told:
        return f"{told!r} says whose each row is, but no id ties two rows: what is a dyad here?"
    for name in _repeated(raw, guesses):
        if guesses[name].role == "client":
            column = guesses[name].column
            return f"{column!r} stands in several rows: what tells them apart? Rows are counted"
    for guess in guesses.values():
        if guess.type == "id" and guess.unique:
            parts = raw.frame[guess.column].astype("str").str.extract(r"^(.*\d)[-_ .]?([A-Za-z]+)$")
            if parts[1].nunique() == 2 and parts[0].duplicated().sum() > 0.4 * len(parts):
                ends = " and ".join(sorted(parts[1].dropna().unique()))
                return (
                    f"{guess.column!r} ends in {ends}: are these two rows a dyad? Then put the "
                    "ending into a column of its own"
                )
    return ""


def _roles(raw: RawTable, guess: Guess) -> dict[str, list]:
    """Cells that speak of each informant; in a column named for it, any two."""
    named = ROLE.fullmatch(guess.column) is not None
    if guess.type != "category" and not (named and guess.type in ("integer", "id", "text")):
        return {}
    cells = raw.frame[guess.column].dropna().map(as_text)
    counts = cells[cells != ""].value_counts()
    if not 2 <= len(counts) <= 6:
        return {}
    levels = raw.levels.get(guess.column, {})
    told = {who: [c for c in counts.index if words.fullmatch(levels.get(c, c).strip())]
            for who, words in WHO.items()}  # fmt: skip
    if all(told.values()):
        known = {cell for cells in told.values() for cell in cells}
        return {**told, "rest": [c for c in counts.index if c not in known]}
    if named and len(counts) == 2:
        first, second = sorted(counts.index)
        return {"client": [first], "case_manager": [second], "rest": [], "asked": [True]}
    return {}


def _repeated(raw: RawTable, guesses: dict[str, Guess]) -> list[str]:
    """Ids of clients that stand in several rows, where no other id stands once for a client."""
    ids = {n: g for n, g in guesses.items() if g.type == "id" and g.role in ("client", None)}
    once = {g.role for g in ids.values() if g.unique}
    found = [n for n, g in ids.items() if not g.unique and not {"client", g.role} & once]
    found = [n for n in found if raw.frame[ids[n].column].dropna().duplicated().mean() > 0.3]
    return sorted(found, key=lambda n: ids[n].role != "client")


def _tied(raw: RawTable, guesses: dict[str, Guess], by: str) -> str | None:
    """The id of clients that stands in several rows, and at most once for each value of `by`."""
    other = raw.frame[guesses[by].column]
    for name in _repeated(raw, guesses):
        pair = pd.DataFrame({"id": raw.frame[guesses[name].column], "by": other}).dropna()
        if name != by and pair.duplicated().mean() < PAIRED:
            return name
    return None


def _rating(raw: RawTable, guess: Guess, told: dict[str, list], client: str | None) -> Shape:
    column = guess.column
    who = {role: told[role][0] for role in ("client", "case_manager")}
    why = f"{column!r} holds {who['client']!r} and {who['case_manager']!r} for each id"
    said = []
    if told.get("asked"):
        said.append(f"which of {who['client']!r} and {who['case_manager']!r} is the client?")
    more = [*told["rest"], *told["client"][1:], *told["case_manager"][1:]]
    if more:
        said.append(f"{column!r} also holds {', '.join(map(repr, more))}: left out; right?")
    settings = {"informant": {"column": column, **who}}
    if more:
        settings["where"] = {column: [*who.values()]}
    return Shape("rating", client, settings, why, " ".join(said))


def with_shape(guesses: dict[str, Guess], shape: Shape) -> None:
    """Let the id that ties rows together count as the client's, once for each."""
    if shape.client:
        guess = guesses[shape.client]
        guesses[shape.client] = replace(guess, type="id", role="client", unique=True, values=())
        for name, guess in guesses.items():
            if name != shape.client and guess.unique:
                guesses[name] = replace(guess, unique=False)


def join_by_values(guesses: Tables, sources: Mapping[str, Source], name: str | None) -> list[str]:
    """Give a table the id that others join it by, where it has the same values by another name."""
    homes = [t for t, columns in guesses.items() if name in columns]
    if not homes:
        return []
    known = {v for t in homes for v in _ids(sources[t].raw, guesses[t][name])}
    joined = []
    for table, columns in guesses.items():
        if name in columns:
            continue
        shares = {
            n: len(known & here) / len(here)
            for n, g in columns.items()
            if g.type == "id" and g.role != "case_manager" and (here := _ids(sources[table].raw, g))
        }
        best = max(shares, key=shares.get, default=None)
        if best and shares[best] >= ALIKE:
            found = replace(columns[best], type="id", role="client")
            guesses[table] = {name if n == best else n: found if n == best else g
                              for n, g in columns.items()}  # fmt: skip
            joined.append(f"{table}: {found.column!r} was taken for {name!r}, since "
                          f"{shares[best]:.0%} of its values stand there; right?")  # fmt: skip
    return joined


def _ids(raw: RawTable, guess: Guess) -> set[str]:
    cells = raw.frame[guess.column].dropna().map(as_text).str.removesuffix(".0")
    return {*cells} - {""}
