"""Every problem of a codebook's text: its schema, and the rules no schema can state."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache

from ..errors import Problem, listed, show
from ..paths import DATA
from .codebook import (
    MAX_SPAN,
    N_ITEMS,
    NAME,
    Codebook,
    Scale,
    Table,
    Variable,
    columns_of,
    dyad_variables,
    expand,
)
from .yaml_text import row_of

IRI_GRAMMAR = "rfc3987_syntax"


@contextlib.contextmanager
def without_iri_grammar() -> Iterator[None]:
    """Import jsonschema (or nbformat, papermill) inside this to skip its check of `iri` formats.

    jsonschema builds a grammar of internationalised addresses when it is imported, which takes
    about 1.2 s on the machine this was written on. No schema used here has such a format.

    Examples
    --------
    >>> with without_iri_grammar():
    ...     import jsonschema
    """
    absent = IRI_GRAMMAR not in sys.modules
    if absent:
        sys.modules[IRI_GRAMMAR] = None  # an import of it fails, as if it were not installed
    try:
        yield
    finally:
        if absent:
            del sys.modules[IRI_GRAMMAR]


SCHEMA_REMEDY = "See data/CODEBOOK.md."


@cache
def _validator(schema: str):
    with without_iri_grammar():
        from jsonschema import Draft202012Validator
    return Draft202012Validator(json.loads((DATA / schema).read_text("utf-8")))


def schema_problems(
    raw: dict,
    text: str,
    file: str,
    schema: str = "codebook.schema.json",
    remedy: str = SCHEMA_REMEDY,
) -> list[Problem]:
    """Entries that do not have the form a schema in `data/` asks for."""
    problems = []
    for error in _validator(schema).iter_errors(raw):
        place = [*error.absolute_path]
        for step, what in _in_words(error):
            here = place + ([step] if step is not None else [])
            where = " > ".join(str(p)[:60] for p in here) or "the top level"
            row = row_of(text, here)
            problems.append(Problem(file, f"at {where}: {what}", remedy, row=row))
    return sorted(problems, key=lambda p: p.row or 0)


def _in_words(error) -> Iterator[tuple[str | None, str]]:
    """One schema error as steps further down and sentences."""
    rule, wanted, found = error.validator, error.validator_value, error.instance
    name = str(found) if "propertyNames" in error.schema_path else None
    if rule == "additionalProperties" and wanted is False:
        known = sorted(error.schema.get("properties", {}))
        for name in found:
            if name not in known:
                yield str(name), f"there is no such setting here;{_perhaps(str(name), known)}"
    elif rule == "required":
        gone = [name for name in wanted if name not in found]
        yield None, f"{' and '.join(repr(n) for n in gone)} must be given."
    elif rule == "oneOf":
        names = [option["required"][0] for option in wanted]
        yield None, f"give exactly one of {' and '.join(map(repr, names))}."
    elif rule in ("anyOf", "type") and isinstance(found, bool):
        yield None, f"found {found}; write yes, no, true and false in quotes."
    elif rule == "enum":
        yield name, f"found {show(found)}; expected one of {', '.join(map(str, wanted))}."
    elif rule == "pattern":
        yield name, f"found {show(found)}; {_PATTERNS.get(wanted, 'this is not allowed here')}."
    elif rule == "type":
        kinds = [wanted] if isinstance(wanted, str) else wanted
        words = " or ".join(_KINDS.get(k, k) for k in kinds)
        yield None, f"found {show(found)}; expected {words}."
    else:
        yield None, f"found {show(found)}; {_LIMITS.get(rule, 'it does not fit here')}."


_KINDS = {
    "object": "a mapping (name: ...)",
    "array": "a list [ ... ]",
    "string": "text (put numbers and dates in quotes)",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "nothing",
}
_PATTERNS = {
    NAME.pattern: "a name has letters, digits and _ and begins with a letter",
    "^[A-Za-z][A-Za-z0-9_]*$": "a name has letters, digits and _ and begins with a letter",
    "^[A-Za-z0-9_]*$": "a suffix has letters, digits and _",
    "^[^/\\\\]+$": "a file is named without its folder",
    "^(%[dmYyBb]|[-/. ])+$": "write for example %d.%m.%Y",
}
_LIMITS = {
    "maxLength": "it is too long",
    "minLength": "it is empty",
    "minItems": "it has too few entries",
    "maxItems": "it has too many entries",
    "minProperties": "it is empty",
    "minimum": "it is too small",
    "maximum": "it is too large",
    "anyOf": "it has none of the forms that fit here",
}


def _perhaps(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f" did you mean {close[0]!r}?" if close else f" known are {', '.join(known[:12])}."


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


MAX_VARIABLES = 20_000
NUMERIC = ("number", "integer")


def rule_problems(book: Codebook, raw: dict) -> list[Problem]:
    """References that lead nowhere, and settings that contradict one another."""
    if sum(len(t.variables) for t in book.tables.values()) > MAX_VARIABLES:
        what = f"lists more than {MAX_VARIABLES:,} variables."
        return [Problem(book.file, what, "Leave out the columns that are not needed.")]
    found = [
        *_patterns(raw),
        *same_names(book, raw),
        *_references(book),
        *(entry for table in book.tables.values() for entry in _table(book, table)),
        *(entry for scale in book.scales.values() for entry in _scale(book, scale)),
        *_days(book),
        *_study(book),
    ]
    return [
        Problem(book.file, f"at {' > '.join(place)}: {what}", remedy, row=row_of(book.text, place))
        for place, what, remedy in found
    ]


def _patterns(raw: dict) -> Iterator:
    for table, entry in raw["tables"].items():
        seen: dict[str, str] = {}
        columns: dict[str, str] = {}
        for pattern, settings in entry["variables"].items():
            place = ("tables", table, "variables", str(pattern))
            names = expand(pattern)
            here = columns_of(pattern, settings)
            if not names or not here:
                what = f"the numbers in {{..}} do not count up, or span over {MAX_SPAN:,}."
                yield place, what, "Write {first..last}."
            elif len(names) != len(here):
                yield (
                    place,
                    f"it names {len(names)} variables, but its column {len(here)}.",
                    "Let both count over the same numbers.",
                )
            wrong = [n for n in names if not NAME.fullmatch(n)]
            if wrong:
                what = f"{show(wrong[0])} is not a name of letters, digits and _ (64 at most)."
                yield place, what, "Choose a plain name, and give the file's name as `column`."
            for name, column in zip(names, here, strict=False):
                if name in seen or column in columns:
                    again = f"variable {name!r}" if name in seen else f"column {column!r}"
                    yield place, f"{again} is listed twice.", "Remove one of the two."
                    break
                seen[name] = columns[column] = pattern
            low, high = (settings or {}).get("range", (0, 1))
            if not low <= high:
                yield place, f"the range {low} to {high} is empty.", "Write [lowest, highest]."


def _references(book: Codebook) -> Iterator:
    known, columns = dyad_variables(book), set(_kinds(book))
    asked = [(("study", "client"), book.client)]
    asked += [(("study", r), getattr(book, r)) for r in ("case_manager", "site")]
    asked += [(("derived", d.name, "from"), d.source) for d in book.derived.values()]
    asked += [(("blocks", b), v) for b, names in book.blocks.items() for v in names]
    asked += [(("informants", i, "alliance"), e["alliance"]) for i, e in book.informants.items()]
    asked += [(("days", d.name, "anchor"), d.anchor) for d in book.days.values()]
    items = [(("scales", s.name, "items"), i) for s in book.scales.values() for i in s.items]
    lost: dict[tuple, list[str]] = {}
    for there, wanted in ((columns, items), (known, asked)):
        for place, name in wanted:
            if name is not None and name not in there:
                lost.setdefault(place, []).append(name)
    for place, names in lost.items():
        close = get_close_matches(names[0], sorted(columns if "items" in place else known), n=1)
        hint = f"Did you mean {close[0]!r}?" if close else "Check the spelling."
        yield place, f"there is no variable {listed(map(repr, names), 3)}.", hint


def _table(book: Codebook, table: Table) -> Iterator:
    place = ("tables", table.name)
    for name in (*table.key, table.latest, table.occasion):
        if name is not None and name not in table.variables:
            what = f"there is no variable {show(name)} in this table."
            yield place, what, "List it under variables."
    owner = {"client": book.client, "episode": book.client}.get(table.row)
    owner = owner or getattr(book, table.row, None)
    if owner is None:
        what = f"its rows are {table.row}s, but study > {table.row} is not named."
        yield place, what, f"Name the variable that tells {table.row}s apart under study."
    elif owner not in table.variables:
        what = f"its rows are {table.row}s, but {owner!r} is not among its variables."
        yield place, what, "List it, or correct `row`."
    elif table.row != "episode" and set(table.key) != {owner, table.occasion} - {None}:
        what = f"rows of {table.row}s must be told apart by {owner!r}"
        what += f" and {table.occasion!r}." if table.occasion else "."
        yield place, what, f"Make the key [{', '.join(filter(None, (owner, table.occasion)))}]."
    if any(table.variables[name].optional for name in table.key if name in table.variables):
        yield place, "part of its key is optional.", "Leave `optional` out there."
    if table.duplicates == "allow" and table.row != "episode":
        yield place, "duplicates can be allowed for episodes only.", "Use error or keep_latest."
    if table.duplicates == "keep_latest" and _type(table, table.latest) != "date":
        yield place, "keep_latest needs `latest`, a variable of type date.", "Name it."


def _type(table: Table, name: str | None) -> str | None:
    return table.variables[name].type if name in table.variables else None


def _scale(book: Codebook, scale: Scale) -> Iterator:
    place = ("scales", scale.name)
    numbers = [abs(i) for part in scale.keys.values() for i in part]
    n = len(scale.items)
    if scale.form and n != N_ITEMS[scale.form]:
        what = f"{scale.form} has {N_ITEMS[scale.form]} items, {n} are listed."
        yield place, what, "List one column per item, in item order."
    elif not n or max(numbers) > n or min(numbers) < 1:
        yield place, f"an item number is outside 1 to {n}.", "Number the items from 1."
    elif any(len(set(map(abs, part))) < len(part) for part in scale.keys.values()):
        yield place, "a key lists an item twice.", "List each item once."
    elif any(i < 0 for part in scale.keys.values() for i in part) and not all(
        abs(limit) < float("inf") for limit in scale.limits
    ):
        what = "reversing an item needs the lowest and the highest response."
        yield place, what, "Give the scale a range, for example [1, 7]."
    if len(set(scale.items)) < n:
        yield place, "an item is listed twice.", "List each item once."
    types = {item: kind for item, kind in _kinds(book).items() if item in scale.items}
    wrong = [item for item, kind in types.items() if kind not in NUMERIC]
    if wrong:
        what = f"item {wrong[0]!r} is of type {types[wrong[0]]}."
        yield place, what, "Items are of type integer or number."


def _kinds(book: Codebook) -> dict[str, str]:
    """Type of every variable of the tables, with its occasion's suffix; clients have none."""
    tables = [table for table in book.tables.values() if table.row != "episode"]
    return {
        v.name + suffix: v.type
        for table in tables
        for v in table.variables.values()
        for suffix in (table.suffix.values() or ("",))
    } | {v.name: v.type for t in tables for v in t.variables.values() if v.name == book.client}


def _days(book: Codebook) -> Iterator:
    kinds = _kinds(book)
    for days in book.days.values():
        place = ("days", days.name)
        table = book.tables.get(days.episodes)
        if table is None:
            yield place, f"there is no table {show(days.episodes)}.", "Name one of the tables."
        elif table.row != "episode":
            yield place, f"the rows of {table.name} are not episodes.", "Set its `row: episode`."
        else:
            for name in (days.admission, days.discharge):
                if _type(table, name) != "date":
                    what = f"{show(name)} is not a date of table {table.name}."
                    yield place, what, "Name a variable of type date there."
        if kinds.get(days.anchor, "date") != "date":
            yield place, f"the anchor {days.anchor!r} is not a date.", "Name a date of the client."
        if days.from_years >= days.to_years:
            yield place, "the window is empty.", "Let from_years lie before to_years."


def _study(book: Codebook) -> Iterator:
    clients = {v for t in book.tables.values() if t.row == "client" for v in t.variables}
    if not clients:
        what = "there is no table whose rows are clients."
        yield ("tables",), what, "Give one table `row: client`."
    for table in book.tables.values() if clients else ():
        name = getattr(book, table.row, None)
        if name in table.variables and name not in clients:
            what = f"no table of clients has {name!r}, so its rows belong to nobody."
            yield ("tables", table.name), what, "List it in a table of clients, or drop this table."
    kinds = _kinds(book)
    for role in ("client", "case_manager"):
        name = getattr(book, role)
        if name in kinds and kinds[name] != "id":
            yield ("study", role), f"{name!r} is of type {kinds[name]}.", "Give it `type: id`."
    yield from _derived(book, kinds)
    for block, names in book.blocks.items():
        for name in names:
            if kinds.get(name, "number") not in NUMERIC:
                what = f"{name!r} is of type {kinds[name]}."
                yield ("blocks", block), what, "Take numbers; of a category, what `derived` makes."
    for informant, entry in book.informants.items():
        if kinds.get(entry["alliance"], "number") not in NUMERIC:
            what = f"{entry['alliance']!r} is of type {kinds[entry['alliance']]}."
            yield ("informants", informant), what, "Name a scale or a number."
    yield from made_names(book, kinds)
    ratings = [entry["alliance"] for entry in book.informants.values()]
    items = [set(book.scales[r].items if r in book.scales else (r,)) for r in ratings]
    if both := set.intersection(*items) if len(items) == 2 else set():
        what = f"both ratings are made of {listed(sorted(both), 3)}."
        yield ("informants",), what, "Give each informant items of their own."


def _derived(book: Codebook, kinds: dict[str, str]) -> Iterator:
    """Sources that are not there yet, and values that a source cannot have."""
    variables = {v.name + s: v for t in book.tables.values()
                 for v in t.variables.values() for s in (t.suffix.values() or ("",))}  # fmt: skip
    waiting = list(book.derived)
    for derived in book.derived.values():
        place, source, value = ("derived", derived.name), derived.source, derived.is_value
        kind, v = kinds.get(source, "number"), variables.get(source)
        if source in waiting or kind in ("id", "date"):
            what = f"nothing can be made from {source!r}."
            yield place, what, "Take a number, a category, or what is derived further up."
        elif derived.log and kind not in NUMERIC:
            what = f"{source!r} has no logarithm: it is of type {kind}."
            yield place, what, "Take a number."
        elif value is not None and kind in NUMERIC and not _is_number(value):
            yield place, f"{source!r} is a number, and never {show(value)}.", "Give a number."
        elif value is not None and v and v.values and value not in v.values:
            what = f"{source!r} is never {show(value)}."
            yield place, what, f"Give one of {listed(v.values)}."
        waiting.remove(derived.name)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
