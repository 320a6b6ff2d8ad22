"""Which columns name the client, the case manager and the site, over all tables of a study."""

from __future__ import annotations

from dataclasses import replace

from .guesses import Guess

Tables = dict[str, dict[str, Guess]]
NONE = float("nan")
IDS = {("id", "client"), ("id", "case_manager")}


def agree(guesses: Tables) -> None:
    """A column that is a category, or names somebody, in one table does so in the others."""
    known: dict[str, Guess] = {}
    for table in guesses.values():
        known |= {n: g for n, g in table.items() if g.type == "category" or (g.type, g.role) in IDS}
    for table in guesses.values():
        for name, guess in table.items():
            there = known.get(name, guess)
            same = {"column": guess.column, "unique": guess.unique, "each": guess.each}
            if there.type == "category" and guess.type in ("id", "text") and not guess.unique:
                table[name] = replace(there, label=guess.label, **same)
            elif there.type == "id" and guess.type == "integer":
                table[name] = replace(there, **same)


def find_roles(guesses: Tables, pairs: bool = True) -> dict[str, str]:
    """The columns that name the client, the case manager and the site, as far as they are there.

    By their names and labels; failing that, by what a table beside the clients' has a row for each.
    With `pairs`, a client's id may stand in several rows everywhere, as often for all.
    """
    roles: dict[str, str] = {}
    for role in ("client", "case_manager", "site"):
        named = _named(guesses, role, roles.get("client"), pairs)
        if named:
            roles[role] = named[0]
    if "client" in roles:
        _from_lookups(guesses, roles)
    for name in roles.values():
        types = {table[name].type for table in guesses.values() if name in table}
        if len(types) > 1 and not types <= {"id", "category"}:
            _as_ids(guesses, name)
    return roles


def _named(guesses: Tables, role: str, client: str | None, pairs: bool) -> list[str]:
    columns: dict[str, list[Guess]] = {}
    for table in guesses.values():
        for column, guess in table.items():
            columns.setdefault(column, []).append(guess)
    kinds = ("id", "category") if role == "site" else ("id",)
    fit = {c: g for c, g in columns.items() if any(x.type in kinds for x in g)}
    named = [c for c, g in fit.items() if any(x.role == role for x in g)]
    if role == "client" and not named:
        named = [c for c, g in fit.items() if g[0].unique and g[0].role is None]
    if role == "client":
        once = [c for c in named if any(g.unique for g in columns[c])]
        named = once or [c for c in named if pairs and any(1 < g.each <= 6 for g in columns[c])]
    elif client:
        named = [c for c in named if any({c, client} <= set(t) for t in guesses.values())]
    return sorted(named, key=lambda c: -len(columns[c]))


def _from_lookups(guesses: Tables, roles: dict[str, str]) -> None:
    client = roles["client"]
    people = [table for table in guesses.values() if client in table]
    for table in guesses.values():
        for name, guess in table.items() if client not in table else ():
            there = next((t[name] for t in people if name in t), None)
            if guess.unique and there is not None and name not in roles.values():
                role = "site" if there.type == "category" else "case_manager"
                if role not in roles and there.type in ("id", "category", "integer"):
                    roles[role] = name
                    _as_ids(guesses, name) if role == "case_manager" else None


def _as_ids(guesses: Tables, name: str) -> None:
    for table in guesses.values():
        if name in table:
            table[name] = replace(table[name], type="id", low=NONE, high=NONE, values=())
