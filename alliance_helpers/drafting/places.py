"""Whose rows a table of an unknown study has, and what tells them apart."""

from __future__ import annotations

from ..reading.raw_files import RawTable
from .guesses import Guess

RARE = 0.05
"""A client stands in two rows so seldom that the later form corrects the earlier."""


def place_of(raw: RawTable, guesses: dict[str, Guess], roles: tuple[str | None, ...]):
    """What one row of a table stands for: (row, key, occasion, latest); None if nothing tells."""
    client, manager, site = map(guesses.get, roles)
    if client is not None and client.unique:
        return "client", (roles[0],), None, None
    if client is not None:
        row, key, occasion = _repeated(raw, guesses, client, roles[0])
        dates = (n for n, g in guesses.items() if g.type == "date")
        return row, key, occasion, next(dates) if row == "client" and not occasion else None
    if roles[0] and manager is not None and manager.unique:
        return "case_manager", (roles[1],), None, None
    if roles[0] and site is not None and site.unique:
        return "site", (roles[2],), None, None
    return None if roles[0] else ("client", ("client_id",), None, None)


def _repeated(raw: RawTable, guesses: dict[str, Guess], client: Guess, name: str):
    """A client in several rows: occasions, a few forms filled in again, or episodes."""
    for variable, guess in guesses.items():
        if guess.type == "category" and len(guess.values) <= 6:
            pair = raw.frame[[client.column, guess.column]]
            if not pair.duplicated().any():
                return "client", (name, variable), variable
    dates = [n for n, g in guesses.items() if g.type == "date"]
    if dates and raw.frame[client.column].duplicated().mean() < RARE:
        return "client", (name,), None
    return "episode", (name, *dates[:1]), None
