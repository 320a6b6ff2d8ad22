"""What one row of a file stands for: a dyad, one of its two ratings, or a session; and why."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

from .answers import pattern, say
from .draft import DraftTable, Shape
from .guesses import Guess
from .items import WHO

ROLE = pattern("column", "role")
TIME = pattern("column", "time")
PAIRED = 0.05  # so few rows may stand twice for a dyad and a role: they are named by `check`
SHAPES = {
    "rating": "two rows a dyad, one for each informant",
    "session": "one row a session or event, several for a client",
    "client": "one row a dyad",
}


def shape_of(table: DraftTable) -> Shape:
    """The shape of a table, by a column of roles or of sessions and an id that it tells apart.

    The id that ties rows together counts as the client's from then on, once for each.
    """
    items = {column for block in table.blocks for column in block.columns}
    guesses = table.guesses
    free = {name: guess for name, guess in guesses.items() if guess.column not in items}
    shape = _shape(replace(table, guesses=free), bool(table.blocks))
    if shape.client:
        guess = replace(guesses[shape.client], type="id", role="client", unique=True, values=())
        guesses |= {name: replace(other, unique=False) for name, other in guesses.items()}
        guesses[shape.client] = guess
    return shape


def _shape(table: DraftTable, has_items: bool) -> Shape:
    free = table.guesses
    for name, guess in free.items():
        told = _roles(table, guess)
        if told and (client := _tied(table, name)):
            return _rating(guess, told, client)
        if told and "asked" not in told and _repeated(table):
            return replace(_rating(guess, told, None), row="apart")
    few = [name for name, g in free.items() if g.type == "category" and len(g.values) <= 6]
    for name in (name for name in few if free[name].role != "site"):  # ids may begin anew there
        if client := _tied(table, name):
            why = say("occasion", column=free[client].column, by=free[name].column)
            return Shape("occasion", client, {"occasion": name}, why)
    dates = [name for name, guess in free.items() if guess.type == "date"]
    named = [n for n, g in free.items() if g.type == "integer" and TIME.fullmatch(g.column)]
    for time in [*named, *dates[:1]] if has_items else ():
        if client := _tied(table, time):
            why = say("sessions", column=free[client].column, by=free[time].column)
            settings = {"time": time, "event": "last"}
            return Shape("session", client, settings, why, say("which_session"))
    return Shape(question=_doubts(table) if has_items else "")


def _doubts(table: DraftTable) -> str:
    """What speaks against one row a dyad, though no column was found that tells the rows apart."""
    guesses = table.guesses.values()
    told = next((g.column for g in guesses if _roles(table, g)), None)
    if told:
        return say("no_role", column=told)
    repeated = [table.guesses[name] for name in _repeated(table)]
    column = next((g.column for g in repeated if g.role == "client"), None)
    if column:
        return say("several", column=column)
    for guess in (g for g in guesses if g.type == "id" and g.unique):
        cells = table.frame[guess.column].astype("str")
        parts = cells.str.extract(r"^(.*\d)[-_ .]?([A-Za-z]+)$")
        if parts[1].nunique() == 2 and parts[0].duplicated().sum() > 0.4 * len(parts):
            ends = " and ".join(sorted(parts[1].dropna().unique()))
            return say("endings", column=guess.column, ends=ends)
    return ""


def _roles(table: DraftTable, guess: Guess) -> dict[str, list]:
    """Cells that speak of each informant; in a column named for it, any two."""
    column, named = table.columns[guess.column], ROLE.fullmatch(guess.column) is not None
    cells = sorted(column.held, key=lambda cell: -column.held[cell])
    kinds = ("category", "integer", "id", "text") if named else ("category",)
    if guess.type not in kinds or not 2 <= len(cells) <= 6:
        return {}
    told = {who: [c for c in cells if words.fullmatch(column.levels.get(c, c))]
            for who, words in WHO.items()}  # fmt: skip
    if all(told.values()):
        return {**told, "rest": [c for c in cells if c not in chain(*told.values())]}
    if named and len(cells) == 2:
        first, second = sorted(cells)
        return {"client": [first], "case_manager": [second], "rest": [], "asked": [True]}
    return {}


def _repeated(table: DraftTable) -> list[str]:
    """Ids of clients that stand in several rows, where no other id stands once for a client."""
    ids = {n: g for n, g in table.guesses.items() if g.type == "id" and g.role in ("client", None)}
    once = {g.role for g in ids.values() if g.unique}
    found = [n for n, g in ids.items() if not g.unique and not {"client", g.role} & once]
    held = {n: table.columns[ids[n].column].held for n in found}
    found = [n for n, texts in held.items() if len(texts) < 0.7 * sum(texts.values())]
    return sorted(found, key=lambda n: ids[n].role != "client")


def _tied(table: DraftTable, by: str) -> str | None:
    """The id of clients that stands in several rows, and at most once for each value of `by`."""
    for name in _repeated(table):
        pair = table.frame[[table.guesses[n].column for n in (name, by)]].dropna()
        if name != by and pair.duplicated().mean() < PAIRED:
            return name
    return None


def _rating(guess: Guess, told: dict[str, list], client: str | None) -> Shape:
    column = guess.column
    who = {role: told[role][0] for role in ("client", "case_manager")}
    said = [say("which_role", **who)] if told.get("asked") else []
    more = [*told["rest"], *told["client"][1:], *told["case_manager"][1:]]
    settings = {"informant": {"column": column, **who}}
    if more:
        said.append(say("more_roles", column=column, more=", ".join(map(repr, more))))
        settings["where"] = {column: [*who.values()]}
    return Shape("rating", client, settings, say("roles", column=column, **who), " ".join(said))
