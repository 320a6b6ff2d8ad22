"""Names that would stand for two things at once; of two columns only one would be used."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from .dictionary import Codebook, Table, Variable, expand
from .wording import show

KINDS = {"id": "id", "category": "id", "number": "number", "integer": "number", "date": "date"}
"""Types of a link that can be held against one another."""


def links(book: Codebook) -> set[str]:
    """The names that tables share because they are joined by them."""
    keys = {
        name for t in book.tables.values() if t.row in ("case_manager", "site") for name in t.key
    }
    return {book.client, book.case_manager, book.site, *keys} - {None}


def same_names(book: Codebook, raw: Mapping) -> Iterator:
    """Variables of a client's row that have the name of another; links that are of two types."""
    shared = links(book)
    seen: dict[str, Variable] = {}
    for table in book.tables.values():
        if table.row == "episode":
            continue
        for pattern, settings in raw["tables"][table.name]["variables"].items():
            place = ("tables", table.name, "variables", str(pattern))
            for name in (n for n in expand(pattern) if n in table.variables):
                v = table.variables[name]
                here = [name] if name in shared else _names(table, name)
                there = {n: seen[n] for n in here if n in seen and seen[n] is not v}
                seen |= {n: v for n in here if n not in seen}
                if there and (told := _told(book, v, *next(iter(there.items())), shared)):
                    column = (settings or {}).get("column", pattern)
                    told = told[0], told[1].format(_entry(f"{table.name}_{pattern}", column))
                    yield place, *told
                    break


def _names(table: Table, name: str) -> list[str]:
    """What one variable is called in a client's row; the occasion itself is not in it."""
    return [name] if name == table.occasion else [name + s for s in table.suffix.values() or ("",)]


def _told(book: Codebook, v: Variable, name: str, first: Variable, shared: set[str]):
    """What is wrong with a name that two variables have, and what to write instead; or None."""
    if name in shared:
        if KINDS[v.type] == KINDS[first.type]:
            return None
        what = f"{name!r} is of type {v.type}, but of type {first.type} in table {first.table!r}."
        return what, "Give it the same type in every table."
    if all(x.name == book.tables[x.table].occasion for x in (v, first)):
        return None
    what = f"{name!r} would stand for column {show(v.column)} of table {v.table!r} and for column "
    what += f"{show(first.column)} of table {first.table!r}; only one of them would be used."
    return what, (
        "Give one of the two another name and say which column it is, here for example {}; "
        "or put it under `ignore`, if both are the same."
    )


def _entry(name: str, column: str) -> str:
    """A variable of that name as the codebook writes it, with the column it stands for."""
    name, column = (t if t.isidentifier() else json.dumps(t[:80]) for t in (name, str(column)))
    return f"`{name}: {{column: {column}}}`"


def made_names(book: Codebook, kinds: Mapping[str, str]) -> Iterator:
    """Scales, their parts, days and derived variables that have the name of something else."""
    taken = dict.fromkeys(kinds, "a column")
    words = {"scales": "of a scale", "days": "of days", "derived": "of a derived variable"}
    for kind, word in words.items():
        for name in getattr(book, kind):
            keys = book.scales[name].keys if kind == "scales" else ()
            parts = [f"{name}_{part}" for part in keys if part != "total"]
            parts += [f"{name}_n_missing"] if keys else []
            for made in (name, *parts):
                if made in taken:
                    what = f"{made!r} is {taken[made]} already."
                    yield (kind, name), what, "Give one of the two another name."
                taken.setdefault(made, f"the name {word}")
