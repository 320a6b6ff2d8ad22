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
    say,
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


def _several(told: object) -> tuple:
    """What may be written as one, or as a list."""
    return tuple(told) if isinstance(told, (list, tuple)) else (told,)


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
            column: tuple(map(str, _several(kept)))
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
        within=_several(settings.get("within", ())),
        **_but(settings, "column", "range", "values", "missing", "within"),
    )


def _scale(name: str, entry: dict, tables: dict[str, Table]) -> Scale:
    items = tuple(item for pattern in _several(entry["items"]) for item in expand(pattern))
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
        return [Problem(book.file, *say("too_many", most=MAX_VARIABLES))]
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
                yield place, *say("span", most=MAX_SPAN)
            elif len(names) != len(here):
                yield place, *say("spans_unlike", names=len(names), columns=len(here))
            if wrong := [n for n in names if not NAME.fullmatch(n)]:
                yield place, *say("no_name", name=show(wrong[0]))
            for name, column in zip(names, here, strict=False):
                if name in seen or column in columns:
                    again = f"variable {name!r}" if name in seen else f"column {column!r}"
                    yield place, *say("twice", again=again)
                    break
                seen[name] = columns[column] = pattern
            told = {"type": "number", "range": (0, 1), "values": {}} | (settings or {})
            low, high = told["range"]
            if not low <= high:
                yield place, *say("range_empty", low=low, high=high)
            words = told["values"] if isinstance(told["values"], dict) else {"each word": ""}
            lacking = [str(word) for word, number in words.items() if not is_number(str(number))]
            if told["type"] in NUMERIC and lacking:
                yield place, *say("no_number_for", words=listed(lacking))
            listed_ids = told["type"] == "id" and isinstance(told["values"], list)
            if listed_ids or (told["type"] == "date" and told["values"]):
                yield place, *say("values_idle", type=told["type"])


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
                column = _quoted((settings or {}).get("column", pattern))
                entry = f"`{_quoted(f'{table.name}_{pattern}')}: {{column: {column}}}`"
                if there and (told := _told(book, v, *there[0], shared, entry)):
                    yield ("tables", table.name, "variables", str(pattern)), *told
                    break


def _quoted(name: str) -> str:
    return name if name.isidentifier() else json.dumps(name[:80])


def _told(book: Codebook, v: Variable, name: str, first: Variable, shared: set[str], entry: str):
    """What is wrong with a name that two variables have, and what to write instead; or None."""
    if name in shared:
        alike = KINDS[v.type] == KINDS[first.type]
        what = "two_types" if not alike else "two_within" if v.within != first.within else ""
        return say(what, name=name, v=v, first=first) if what else None
    if all(x.name == book.tables[x.table].occasion for x in (v, first)):
        return None
    columns = {"column": show(v.column), "other": show(first.column)}
    return say("two_columns", name=name, v=v, first=first, entry=entry, **columns)


def _references(book: Codebook, columns: Mapping[str, Variable]) -> Iterator:
    """Names that lead nowhere, or to a variable of another type than their part asks for."""
    known = dyad_variables(book)
    for place, names, types, what in _named(book):
        there = columns if "items" in place else known
        if absent := [name for name in names if name is not None and name not in there]:
            close = get_close_matches(absent[0], sorted(there), n=1)
            hint = f"Did you mean {close[0]!r}?" if close else "Check the spelling."
            yield place, f"there is no variable {listed(map(repr, absent), 3)}.", hint
        wrong = [name for name in names if name in columns and columns[name].type not in types]
        for name in wrong if "blocks" in place else wrong[:1]:
            yield place, *say(what, name=name, type=columns[name].type)


def _named(book: Codebook) -> Iterator[tuple]:
    """Where variables are named: place, names, types, and what is wrong with others."""
    for role in ("client", "case_manager"):
        yield ("study", role), [getattr(book, role)], ("id",), "id_type"
    yield ("study", "site"), [book.site], (*KINDS,), ""
    for block, names in book.blocks.items():
        yield ("blocks", block), names, NUMERIC, "block_type"
    for who, entry in book.informants.items():
        yield ("informants", who, "alliance"), [entry["alliance"]], NUMERIC, "rating_type"
    for days in book.days.values():
        yield ("days", days.name, "anchor"), [days.anchor], ("date",), "anchor_type"
    for derived in book.derived.values():
        yield ("derived", derived.name, "from"), [derived.source], (*KINDS,), ""
    for scale in book.scales.values():
        yield ("scales", scale.name, "items"), scale.items, NUMERIC, "item_type"


def _table_rules(book: Codebook, table: Table) -> Iterator:
    place, row = ("tables", table.name), table.row
    for name in dict.fromkeys((*table.key, table.latest, table.occasion)):
        if name is not None and name not in table.variables:
            yield place, *say("no_variable", name=show(name))
    owner = book.client if row == "episode" else getattr(book, row)
    key = [name for name in (owner, table.occasion, table.time) if name]
    if owner is None:
        yield place, *say("row_unnamed", row=row)
    elif owner not in table.variables:
        yield place, *say("row_unlisted", row=row, owner=owner)
    elif row != "episode" and set(table.key) != set(key):
        yield place, *say("key", row=row, by=" and ".join(map(repr, key)), key=", ".join(key))
    home = next((t for t in book.tables.values() if t.row == "client" and not t.occasion), table)
    whole = {*table.key} - ({book.client} if home is not table and row != "episode" else set())
    endings = len(ROLES if table.rated else table.suffix)
    ids = {name for name, v in table.variables.items() if KINDS[v.type] == "id"}
    counted = [v for v in table.variables.values() if v.within]
    wrong = {
        "no_within": any(v.type != "id" or not {*v.within} <= ids - {v.name} for v in counted),
        "key_optional": any(v.optional for name, v in table.variables.items() if name in whole),
        "header_backwards": table.header[0] > table.header[1],
        "told_alike": len({*table.suffix.values()}) < endings,
        "allow": table.duplicates == "allow" and row != "episode",
        "latest": table.duplicates == "keep_latest" and not _is_date(table, table.latest),
    }
    yield from ((place, *say(rule)) for rule, broken in wrong.items() if broken)


def _settled(raw: Mapping, book: Codebook) -> Iterator:
    """Items that are said to be reversed but are none of the scale's."""
    for name, entry in raw.get("scales", {}).items():
        done = entry.get("reversed")
        done = done if isinstance(done, list) else ()
        if lost := [i for i in done if i not in book.scales[name].items]:
            yield ("scales", name, "reversed"), *say("no_item", names=listed(map(repr, lost), 3))


def _is_date(table: Table, name: str | None) -> bool:
    return name in table.variables and table.variables[name].type == "date"


def _scale_rules(scale: Scale) -> Iterator:
    place = ("scales", scale.name)
    numbers = [i for part in scale.keys.values() for i in part]
    n = len(scale.items)
    form = scale.form
    if form and scale.scored and n not in (1, len(SUBSCALES[form])):
        yield place, *say("scores", form=form, parts=", ".join(SUBSCALES[form]))
    elif form and not scale.scored and n != N_ITEMS[form]:
        yield place, *say("other_length", form=form, has=N_ITEMS[form], n=n)
    elif not all(1 <= abs(i) <= n for i in numbers):
        yield place, *say("item_outside", n=n)
    elif any(len(set(map(abs, part))) < len(part) for part in scale.keys.values()):
        yield place, *say("key_twice")
    elif (scale.scored or min(numbers) < 0) and not all(map(math.isfinite, scale.limits)):
        yield place, *say("limits", why="a score" if scale.scored else "reversing an item")
    if len(set(scale.items)) < n:
        yield place, *say("item_twice")


def _days_rules(book: Codebook) -> Iterator:
    for days in book.days.values():
        place, table = ("days", days.name), book.tables.get(days.episodes)
        if table is None:
            yield place, *say("no_table", name=show(days.episodes))
        elif table.row != "episode":
            yield place, *say("no_episodes", name=table.name)
        else:
            for name in (days.admission, days.discharge):
                if not _is_date(table, name):
                    yield place, *say("no_date", name=show(name), table=table.name)
        if days.from_years >= days.to_years:
            yield place, *say("window_empty")


def _study_rules(book: Codebook) -> Iterator:
    clients = {v for t in book.tables.values() if t.row == "client" for v in t.variables}
    if not clients:
        yield ("tables",), *say("no_clients")
    for table in book.tables.values() if clients else ():
        name = getattr(book, table.row, None)
        if name in table.variables and name not in clients:
            yield ("tables", table.name), *say("nobodys", name=name)
    ratings = [entry["alliance"] for entry in book.informants.values()]
    for block in ("pretreatment", "treatment", "outcome"):
        if both := [name for name in book.blocks.get(block, ()) if name in ratings]:
            yield ("blocks", block), *say("rating_beside", names=listed(map(repr, both), 3))
    items = [set(book.scales[r].items if r in book.scales else (r,)) for r in ratings]
    if both := set.intersection(*items) if len(items) == 2 else set():
        yield ("informants",), *say("same_items", names=listed(sorted(both), 3))


def _derived_rules(book: Codebook, columns: Mapping[str, Variable]) -> Iterator:
    """Sources that are not there yet, and values that a source cannot have."""
    waiting = list(book.derived)
    for derived in book.derived.values():
        place, source, value = ("derived", derived.name), derived.source, derived.is_value
        v = columns.get(source)
        kind = v.type if v else "number"
        if source in waiting or kind in ("id", "date"):
            yield place, *say("not_derived", source=source)
        elif derived.log and kind not in NUMERIC:
            yield place, *say("no_logarithm", source=source, kind=kind)
        elif value is not None and kind in NUMERIC and not is_number(value):
            yield place, *say("never_number", source=source, value=show(value))
        elif value is not None and v and v.values and value not in v.values:
            yield place, *say("never", source=source, value=show(value), values=listed(v.values))
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
                    yield (kind, name), *say("taken", made=made, what=taken[made])
                taken.setdefault(made, f"the name {word}")
