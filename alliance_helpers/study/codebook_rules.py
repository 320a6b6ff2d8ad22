"""The rules of a codebook that no schema can state: references, types, shapes, names."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from ..errors import Problem, listed, show
from .codebook import (
    KINDS,
    MAX_SPAN,
    N_ITEMS,
    NAME,
    NUMERIC,
    PICKED,
    SUBSCALES,
    Codebook,
    Scale,
    Table,
    Variable,
    columns_of,
    dyad_variables,
    expand,
    is_number,
    links,
    row_variables,
)
from .yaml_text import row_of

MAX_VARIABLES = 20_000


def rule_problems(book: Codebook, raw: dict) -> list[Problem]:
    """References that lead nowhere, and settings that contradict one another."""
    if sum(len(t.variables) for t in book.tables.values()) > MAX_VARIABLES:
        what = f"lists more than {MAX_VARIABLES:,} variables."
        return [Problem(book.file, what, "Leave out the columns that are not needed.")]
    columns = row_variables(book)
    found = [
        *_patterns(raw),
        *_same_names(book, raw),
        *_references(book, columns),
        *(entry for table in book.tables.values() for entry in _table_rules(book, table)),
        *_shapes(raw),
        *(entry for scale in book.scales.values() for entry in _scale_rules(scale, columns)),
        *_settled(raw, book),
        *_days_rules(book),
        *_study_rules(book),
        *_types(book, columns),
        *_derived_rules(book, columns),
        *_made_names(book, columns),
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
                what = f"it names {len(names)} variables, but its column {len(here)}."
                yield place, what, "Let both count over the same numbers."
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


def _same_names(book: Codebook, raw: Mapping) -> Iterator:
    """Variables of a client's row that have the name of another; links that are of two types."""
    shared = links(book)
    seen: dict[str, Variable] = {}
    for table in (t for t in book.tables.values() if t.row != "episode"):
        for pattern, settings in raw["tables"][table.name]["variables"].items():
            for v in filter(None, map(table.variables.get, expand(pattern))):
                here = [v.name]
                if v.name not in shared and v.name != table.occasion:
                    here = [v.name + ending for ending in table.endings]
                there = [(n, seen[n]) for n in here if seen.setdefault(n, v) is not v]
                if there and (told := _told(book, v, *there[0], shared)):
                    column = _quoted((settings or {}).get("column", pattern))
                    entry = f"`{_quoted(f'{table.name}_{pattern}')}: {{column: {column}}}`"
                    place = ("tables", table.name, "variables", str(pattern))
                    yield place, told[0], told[1].format(entry)
                    break


def _quoted(name: str) -> str:
    return name if name.isidentifier() else json.dumps(name[:80])


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


def _typed(book: Codebook) -> list[tuple]:
    """Where a variable of some type is named: place, name, types, what is wrong, the remedy."""
    what, numbers = "{!r} is of type {}.", "Take numbers; of a category, what `derived` makes."
    asked = [(("study", r), getattr(book, r), ("id",), what, "Give it `type: id`.")
             for r in ("client", "case_manager")]  # fmt: skip
    asked += [(("blocks", b), v, NUMERIC, what, numbers)
              for b, names in book.blocks.items() for v in names]  # fmt: skip
    asked += [(("informants", i, "alliance"), e["alliance"], NUMERIC, what,
               "Name a scale or a number.") for i, e in book.informants.items()]  # fmt: skip
    asked += [(("days", d.name, "anchor"), d.anchor, ("date",), "the anchor {!r} is not a date.",
               "Name a date of the client.") for d in book.days.values()]  # fmt: skip
    return asked


def _references(book: Codebook, columns: Mapping[str, Variable]) -> Iterator:
    known = dyad_variables(book)
    asked = [(place, name) for place, name, *_ in _typed(book)] + [(("study", "site"), book.site)]
    asked += [(("derived", d.name, "from"), d.source) for d in book.derived.values()]
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


def _table_rules(book: Codebook, table: Table) -> Iterator:
    place, row = ("tables", table.name), table.row
    for name in dict.fromkeys((*table.key, table.latest, table.occasion)):
        if name is not None and name not in table.variables:
            what = f"there is no variable {show(name)} in this table."
            yield place, what, "List it under variables."
    owner = book.client if row == "episode" else getattr(book, row)
    key = [name for name in (owner, table.occasion, table.time) if name]
    if owner is None:
        what = f"its rows are {row}s, but study > {row} is not named."
        yield place, what, f"Name the variable that tells {row}s apart under study."
    elif owner not in table.variables:
        what = f"its rows are {row}s, but {owner!r} is not among its variables."
        yield place, what, "List it, or correct `row`."
    elif row != "episode" and set(table.key) != set(key):
        what = f"rows of {row}s must be told apart by {' and '.join(map(repr, key))}."
        yield place, what, f"Make the key [{', '.join(key)}]."
    if any(table.variables[name].optional for name in table.key if name in table.variables):
        yield place, "part of its key is optional.", "Leave `optional` out there."
    if table.duplicates == "allow" and row != "episode":
        yield place, "duplicates can be allowed for episodes only.", "Use error or keep_latest."
    if table.duplicates == "keep_latest" and not _is_date(table, table.latest):
        yield place, "keep_latest needs `latest`, a variable of type date.", "Name it."


def _shapes(raw: Mapping) -> Iterator:
    """Settings of a table's shape, and of words for numbers, that say half of what they must."""
    needs = {"rating": {"informant"}, "session": {"time", "event"}}
    for name, entry in raw["tables"].items():
        row, place = entry.get("row", "client"), ("tables", name)
        for setting in sorted(needs.get(row, set()) - set(entry)):
            yield place, f"`row: {row}` needs `{setting}`.", "Add it, as CODEBOOK.md shows."
        for shape, settings in needs.items():
            if row != shape and (given := sorted(settings & set(entry))):
                what = f"`{given[0]}` is for `row: {shape}`."
                yield (*place, given[0]), what, "Set `row`, or leave it out."
        if row in PICKED and "occasion" in entry:
            yield (*place, "occasion"), f"`row: {row}` has no `occasion`.", "Leave one of them out."
        header = entry.get("header", 1)
        if isinstance(header, list) and header[0] > header[1]:
            yield (*place, "header"), "it ends before it begins.", "Write [first, last]."
        rated = entry.get("informant", {})
        if rated and str(rated["client"]) == str(rated["case_manager"]):
            yield (*place, "informant"), "both informants are told alike.", "Give each its value."
        for pattern, settings in entry["variables"].items():
            values = (settings or {}).get("values", {})
            if (settings or {}).get("type", "number") in NUMERIC and not (
                isinstance(values, dict)
                and all(isinstance(x, (int, float)) for x in values.values())
            ):
                what = "`values` of a number say which word is which number."
                yield (*place, "variables", str(pattern)), what, "Write {word: number, ...}."


def _settled(raw: Mapping, book: Codebook) -> Iterator:
    """Items that are said to be reversed but are none of the scale's; scores without a range."""
    for name, entry in raw.get("scales", {}).items():
        scale, done = book.scales[name], entry.get("reversed", "raw")
        if isinstance(done, list) and (lost := [i for i in done if i not in scale.items]):
            what = f"{listed(map(repr, lost), 3)} is none of its items."
            yield ("scales", name, "reversed"), what, "Name items as `items` does."
        if scale.scored and not all(map(math.isfinite, scale.limits)):
            what = "a score needs the lowest and the highest that it can be."
            yield ("scales", name), what, "Give `form`, or a range, for example [12, 60]."


def _is_date(table: Table, name: str | None) -> bool:
    return name in table.variables and table.variables[name].type == "date"


def _scale_rules(scale: Scale, columns: Mapping[str, Variable]) -> Iterator:
    place = ("scales", scale.name)
    numbers = [i for part in scale.keys.values() for i in part]
    n = len(scale.items)
    if scale.form and scale.scored and n not in (1, len(SUBSCALES[scale.form])):
        what = f"scores of the {scale.form} are its total, or {', '.join(SUBSCALES[scale.form])}."
        yield place, what, "List one item, or these in this order."
    elif scale.form and not scale.scored and n != N_ITEMS[scale.form]:
        what = f"{scale.form} has {N_ITEMS[scale.form]} items, {n} are listed."
        yield place, what, "List one column per item, in item order."
    elif not all(1 <= abs(i) <= n for i in numbers):
        yield place, f"an item number is outside 1 to {n}.", "Number the items from 1."
    elif any(len(set(map(abs, part))) < len(part) for part in scale.keys.values()):
        yield place, "a key lists an item twice.", "List each item once."
    elif min(numbers) < 0 and not all(map(math.isfinite, scale.limits)):
        what = "reversing an item needs the lowest and the highest response."
        yield place, what, "Give the scale a range, for example [1, 7]."
    if len(set(scale.items)) < n:
        yield place, "an item is listed twice.", "List each item once."
    for item in scale.items:
        if item in columns and columns[item].type not in NUMERIC:
            what = f"item {item!r} is of type {columns[item].type}."
            yield place, what, "Items are of type integer or number."
            break


def _days_rules(book: Codebook) -> Iterator:
    for days in book.days.values():
        place, table = ("days", days.name), book.tables.get(days.episodes)
        if table is None:
            yield place, f"there is no table {show(days.episodes)}.", "Name one of the tables."
        elif table.row != "episode":
            yield place, f"the rows of {table.name} are not episodes.", "Set its `row: episode`."
        else:
            for name in (days.admission, days.discharge):
                if not _is_date(table, name):
                    what = f"{show(name)} is not a date of table {table.name}."
                    yield place, what, "Name a variable of type date there."
        if days.from_years >= days.to_years:
            yield place, "the window is empty.", "Let from_years lie before to_years."


def _study_rules(book: Codebook) -> Iterator:
    clients = {v for t in book.tables.values() if t.row == "client" for v in t.variables}
    if not clients:
        what = "there is no table whose rows are clients."
        yield ("tables",), what, "Give one table `row: client`."
    for table in book.tables.values() if clients else ():
        name = getattr(book, table.row, None)
        if name in table.variables and name not in clients:
            what = f"no table of clients has {name!r}, so its rows belong to nobody."
            yield ("tables", table.name), what, "List it in a table of clients, or drop this table."
    ratings = [entry["alliance"] for entry in book.informants.values()]
    items = [set(book.scales[r].items if r in book.scales else (r,)) for r in ratings]
    if both := set.intersection(*items) if len(items) == 2 else set():
        what = f"both ratings are made of {listed(sorted(both), 3)}."
        yield ("informants",), what, "Give each informant items of their own."


def _types(book: Codebook, columns: Mapping[str, Variable]) -> Iterator:
    """Variables that are of another type than their part asks for."""
    for place, name, types, what, remedy in _typed(book):
        if name in columns and columns[name].type not in types:
            yield place, what.format(name, columns[name].type), remedy


def _derived_rules(book: Codebook, columns: Mapping[str, Variable]) -> Iterator:
    """Sources that are not there yet, and values that a source cannot have."""
    waiting = list(book.derived)
    for derived in book.derived.values():
        place, source, value = ("derived", derived.name), derived.source, derived.is_value
        v = columns.get(source)
        kind = v.type if v else "number"
        if source in waiting or kind in ("id", "date"):
            what = f"nothing can be made from {source!r}."
            yield place, what, "Take a number, a category, or what is derived further up."
        elif derived.log and kind not in NUMERIC:
            what = f"{source!r} has no logarithm: it is of type {kind}."
            yield place, what, "Take a number."
        elif value is not None and kind in NUMERIC and not is_number(value):
            yield place, f"{source!r} is a number, and never {show(value)}.", "Give a number."
        elif value is not None and v and v.values and value not in v.values:
            what = f"{source!r} is never {show(value)}."
            yield place, what, f"Give one of {listed(v.values)}."
        waiting.remove(derived.name)


def _made_names(book: Codebook, columns: Mapping[str, Variable]) -> Iterator:
    """Scales, their parts, days and derived variables that have the name of something else."""
    taken = dict.fromkeys(columns, "a column")
    words = {"scales": "of a scale", "days": "of days", "derived": "of a derived variable"}
    for kind, word in words.items():
        for name in getattr(book, kind):
            keys = book.scales[name].keys if kind == "scales" else ()
            parts = [f"{name}_{part}" for part in keys if part != "total"]
            for made in (name, *parts, *([f"{name}_n_missing"] if keys else [])):
                if made in taken:
                    what = f"{made!r} is {taken[made]} already."
                    yield (kind, name), what, "Give one of the two another name."
                taken.setdefault(made, f"the name {word}")
