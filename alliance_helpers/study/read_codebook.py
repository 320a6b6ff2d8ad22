"""Reading a study's codebook: one YAML file, checked whole before anything else is read.

`data/codebook.schema.json` describes the file formally, `data/CODEBOOK.md` by example, and
`data/codebook.yml` is the shipped study's. Here are the rules that no schema can state.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

import pandas as pd

from ..errors import CodebookError, Problem, listed, show
from ..paths import CODEBOOK
from .codebook import (
    ENDING,
    KINDS,
    MAX_SPAN,
    N_ITEMS,
    NAME,
    NUMERIC,
    PICKED,
    RESPONSES,
    ROLES,
    SUBSCALES,
    Codebook,
    Days,
    Derived,
    Scale,
    Table,
    Variable,
    columns_of,
    dyad_variables,
    expand,
    is_number,
    limits_of,
    links,
    role_of,
    row_variables,
)
from .yaml_text import load_yaml, read_text, row_of, schema_problems

ANY = (float("-inf"), float("inf"))
MAX_VARIABLES = 20_000
STOP = re.compile(r"# STOP: (.*)")  # in a draft: what must be settled by a person
SETTLED = "Or delete this line, if the draft is right as it stands."


def read_codebook(path: str | Path | None = None) -> Codebook:
    """Read and check a codebook; every problem in it is reported at once.

    Parameters
    ----------
    path : path, optional
        A YAML file; the shipped study's codebook by default.

    Raises
    ------
    CodebookError
        Naming the file, the row, the entry, what is wrong with it and what to write instead.

    Examples
    --------
    >>> read_codebook().label("health_sickness")
    'Health-sickness'
    """
    path = Path(path) if path else CODEBOOK
    return parse_codebook(read_text(path), path.name)


def book_of(dyads: pd.DataFrame, codebook: Codebook | None = None) -> Codebook:
    """The codebook of a dyad table: the one given, the one cleaning left with it, the shipped."""
    return codebook or dyads.attrs.get("codebook") or read_codebook()


def parse_codebook(text: str, file: str = "codebook.yml") -> Codebook:
    """The same from the text itself."""
    book, problems = draft_codebook(text, file)
    if problems or book is None:
        raise CodebookError(problems)
    return book


def draft_codebook(text: str, file: str = "codebook.yml") -> tuple[Codebook | None, list[Problem]]:
    """A codebook and its problems; the codebook is None if it cannot even be laid out.

    Raises
    ------
    CodebookError
        If the text is not YAML that may be loaded.
    """
    raw = load_yaml(text, file)
    problems = schema_problems(raw, text, file)
    if problems:
        return None, problems
    missing = tuple(raw.get("missing", ()))
    tables = {name: _table(name, entry, missing) for name, entry in raw["tables"].items()}
    book = Codebook(
        **{"synthetic": False, "case_manager": None, "site": None} | raw["study"],
        tables=tables,
        scales={k: _scale(k, v, tables) for k, v in raw.get("scales", {}).items()},
        days={k: Days(name=k, **v) for k, v in raw.get("days", {}).items()},
        derived={k: _derived(k, v) for k, v in raw.get("derived", {}).items()},
        informants=raw.get("informants", {}),
        blocks={k: tuple(v) for k, v in raw.get("blocks", {}).items()},
        file=file,
        text=text,
    )
    return book, _rule_problems(book, raw)


def _but(entry: Mapping, *without: str) -> dict:
    """The settings that are taken as they are written."""
    return {name: value for name, value in entry.items() if name not in without}


def _table(name: str, entry: dict, missing: tuple) -> Table:
    occasion, variables = entry.get("occasion") or {}, {}
    header = entry.get("header", 1)
    for pattern, settings in entry["variables"].items():
        settings = settings or {}
        for variable, column in zip(expand(pattern), columns_of(pattern, settings), strict=False):
            variables[variable] = _variable(variable, name, column, settings, missing)
    if rated := entry.get("informant", {}):
        suffix = {str(rated[role]): f"_{role}" for role in ROLES}
        ids = [variables[k].column for k in entry["key"] if k in variables]
        column = ENDING if rated["column"] in ids else rated["column"]
        role = role_of(name, column, variables, (*suffix,))
        variables[role.name], occasion = role, {"column": role.name, "suffix": suffix}
    key = entry["key"]
    if rated or entry.get("time"):
        key = [*dict.fromkeys(filter(None, [*key, occasion.get("column"), entry.get("time")]))]
    return Table(
        name=name,
        key=tuple(key),
        variables=variables,
        row="client" if entry.get("row") in PICKED else entry.get("row", "client"),
        occasion=occasion.get("column"),
        suffix={str(k): v for k, v in occasion.get("suffix", {}).items()},
        ignore=tuple(name for pattern in entry.get("ignore", ()) for name in expand(pattern)),
        header=tuple(header if isinstance(header, list) else [header] * 2),
        where={
            column: tuple(map(str, kept if isinstance(kept, list) else [kept]))
            for column, kept in entry.get("where", {}).items()
        },
        rated=bool(rated),
        event=str(entry["event"]) if "event" in entry else None,
        **{s: entry[s] for s in ("file", "sheet", "duplicates", "latest", "time") if s in entry},
    )


def _variable(name: str, table: str, column: str, settings: dict, missing: tuple) -> Variable:
    low, high = settings.get("range", ANY)
    values, codes = settings.get("values", ()), {}
    if isinstance(values, dict):
        plain = {True: "yes", False: "no"}  # as YAML reads these words where they have no quotes
        told = [(plain[c] if isinstance(c, bool) else c, v) for c, v in values.items()]
        codes = {str(code): str(value) for code, value in told}
        values = dict.fromkeys(codes.values())
        numbers = [float(x) for x in values if is_number(x)]
        if settings.get("type", "number") in NUMERIC and "range" not in settings and numbers:
            low, high = min(numbers), max(numbers)
    return Variable(
        name=name,
        table=table,
        column=column,
        low=low,
        high=high,
        values=tuple(map(str, values)),
        codes=codes,
        missing=tuple(settings.get("missing", ())),
        study_missing=missing,
        **_but(settings, "column", "range", "values", "missing"),
    )


def _scale(name: str, entry: dict, tables: dict[str, Table]) -> Scale:
    listed_items = entry["items"] if isinstance(entry["items"], list) else [entry["items"]]
    items = tuple(item for pattern in listed_items for item in expand(pattern))
    form = entry.get("form")
    keys = entry.get("keys") or SUBSCALES.get(form) or {"total": list(range(1, len(items) + 1))}
    low, high = entry.get("range") or RESPONSES.get(form) or limits_of(items, tables)
    if entry.get("scored") and form:
        means = entry.get("range") or entry.get("score") == "mean"
        n = 1 if means else N_ITEMS[form] / len(items)
        keys = {p: [i] for i, p in enumerate(keys if len(items) == len(keys) else ["total"], 1)}
        low, high = low * n, high * n
    done = entry.get("reversed", "raw")
    done = done if isinstance(done, list) else {"raw": (), "done": items}[done]
    turned = {i for i, item in enumerate(items, 1) if item in done}
    return Scale(
        name=name,
        items=items,
        keys={p: tuple(abs(i) if abs(i) in turned else i for i in key) for p, key in keys.items()},
        limits=(float(low), float(high)),
        settled="reversed" in entry,
        **_but(entry, "items", "keys", "range", "reversed"),
    )


def _derived(name: str, entry: dict) -> Derived:
    value = None if entry.get("is") is None else str(entry["is"])
    return Derived(name=name, source=entry["from"], is_value=value, **_but(entry, "from", "is"))


def _rule_problems(book: Codebook, raw: dict) -> list[Problem]:
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
        *(entry for scale in book.scales.values() for entry in _scale_rules(scale)),
        *_settled(raw, book),
        *_days_rules(book),
        *_study_rules(book),
        *_derived_rules(book, columns),
        *_made_names(book, columns),
    ]
    stops = ((row, STOP.search(line)) for row, line in enumerate(book.text.splitlines(), 1))
    return [
        *(Problem(book.file, f"{told[1]}.", SETTLED, row=row) for row, told in stops if told),
        *(Problem(book.file, f"at {' > '.join(place)}: {what}", remedy, row_of(book.text, place))
          for place, what, remedy in found),
    ]  # fmt: skip


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
            told = {"type": "number", "range": (0, 1), "values": {}} | (settings or {})
            low, high = told["range"]
            if not low <= high:
                yield place, f"the range {low} to {high} is empty.", "Write [lowest, highest]."
            words = told["values"] if isinstance(told["values"], dict) else {"each word": ""}
            lacking = [str(word) for word, number in words.items() if not is_number(str(number))]
            if told["type"] in NUMERIC and lacking:
                what = f"`values` of a number say no number for {listed(lacking)}."
                yield place, what, "Write {word: number, ...}."
            listed_ids = told["type"] == "id" and isinstance(told["values"], list)
            if listed_ids or (told["type"] == "date" and told["values"]):
                what = f"`values` say nothing of type {told['type']} here."
                yield place, what, "Leave them out; of an id write {as written: as meant}."


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


def _references(book: Codebook, columns: Mapping[str, Variable]) -> Iterator:
    """Names that lead nowhere, or to a variable of another type than their part asks for."""
    known = dyad_variables(book)
    for place, names, types, what, remedy in _named(book):
        there = columns if "items" in place else known
        if absent := [name for name in names if name is not None and name not in there]:
            close = get_close_matches(absent[0], sorted(there), n=1)
            hint = f"Did you mean {close[0]!r}?" if close else "Check the spelling."
            yield place, f"there is no variable {listed(map(repr, absent), 3)}.", hint
        wrong = [name for name in names if name in columns and columns[name].type not in types]
        for name in wrong if "blocks" in place else wrong[:1]:
            yield place, what.format(name, columns[name].type), remedy


def _named(book: Codebook) -> Iterator[tuple]:
    """Where variables are named: place, names, types, what is wrong with others, the remedy."""
    what, every = "{!r} is of type {}.", tuple(KINDS)
    for role in ("client", "case_manager"):
        yield ("study", role), [getattr(book, role)], ("id",), what, "Give it `type: id`."
    yield ("study", "site"), [book.site], every, "", ""
    for block, names in book.blocks.items():
        remedy = "Take numbers; of a category, what `derived` makes."
        yield ("blocks", block), names, NUMERIC, what, remedy
    for who, entry in book.informants.items():
        place = ("informants", who, "alliance")
        yield place, [entry["alliance"]], NUMERIC, what, "Name a scale or a number."
    for days in book.days.values():
        place, other = ("days", days.name, "anchor"), "the anchor {!r} is not a date."
        yield place, [days.anchor], ("date",), other, "Name a date of the client."
    for derived in book.derived.values():
        yield ("derived", derived.name, "from"), [derived.source], every, "", ""
    for scale in book.scales.values():
        place, remedy = ("scales", scale.name, "items"), "Items are of type integer or number."
        yield place, scale.items, NUMERIC, f"item {what}", remedy


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
    if table.header[0] > table.header[1]:
        yield place, "the header ends before it begins.", "Write `header: [first, last]`."
    if len({*table.suffix.values()}) < len(ROLES if table.rated else table.suffix):
        what = "two informants, or two occasions, are told alike."
        yield place, what, "Give each a value and a suffix of its own."
    if table.duplicates == "allow" and row != "episode":
        yield place, "duplicates can be allowed for episodes only.", "Use error or keep_latest."
    if table.duplicates == "keep_latest" and not _is_date(table, table.latest):
        yield place, "keep_latest needs `latest`, a variable of type date.", "Name it."


def _settled(raw: Mapping, book: Codebook) -> Iterator:
    """Items that are said to be reversed but are none of the scale's."""
    for name, entry in raw.get("scales", {}).items():
        done = entry.get("reversed", "raw")
        if isinstance(done, list) and (
            lost := [i for i in done if i not in book.scales[name].items]
        ):
            what = f"{listed(map(repr, lost), 3)} is none of its items."
            yield ("scales", name, "reversed"), what, "Name items as `items` does."


def _is_date(table: Table, name: str | None) -> bool:
    return name in table.variables and table.variables[name].type == "date"


def _scale_rules(scale: Scale) -> Iterator:
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
    elif (scale.scored or min(numbers) < 0) and not all(map(math.isfinite, scale.limits)):
        why = "a score" if scale.scored else "reversing an item"
        what = f"{why} needs the lowest and the highest response."
        yield place, what, "Give the scale a range, for example [1, 7]."
    if len(set(scale.items)) < n:
        yield place, "an item is listed twice.", "List each item once."


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
