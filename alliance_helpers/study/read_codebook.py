"""Reading a study's codebook: one YAML file, checked whole before anything else is read.

`data/codebook.schema.json` describes the file formally, `data/CODEBOOK.md` by example, and
`data/codebook.yml` is the shipped study's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ..errors import CodebookError, Problem
from ..paths import CODEBOOK
from .codebook import (
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
    expand,
    is_number,
)
from .codebook_rules import rule_problems
from .yaml_text import load_yaml, read_text, schema_problems

ANY = (float("-inf"), float("inf"))


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
    return book, rule_problems(book, raw)


def _but(entry: Mapping, *without: str) -> dict:
    """The settings that are taken as they are written."""
    return {name: value for name, value in entry.items() if name not in without}


def _table(name: str, entry: dict, missing: tuple) -> Table:
    occasion, variables = entry.get("occasion") or {}, {}
    for pattern, settings in entry["variables"].items():
        settings = settings or {}
        for variable, column in zip(expand(pattern), columns_of(pattern, settings), strict=False):
            variables[variable] = _variable(variable, name, column, settings, missing)
    if rated := entry.get("informant", {}):
        suffix = {str(rated[role]): f"_{role}" for role in ROLES}
        role = _role(name, rated["column"], variables, (*suffix,))
        variables[role.name], occasion = role, {"column": role.name, "suffix": suffix}
    header, place = entry.get("header", 1), (occasion.get("column"), entry.get("time"))
    if rated or entry.get("time"):
        entry = entry | {"key": [*dict.fromkeys([*entry["key"], *filter(None, place)])]}
    return Table(
        name=name,
        key=tuple(entry["key"]),
        variables=variables,
        row="client" if entry.get("row") in PICKED else entry.get("row", "client"),
        occasion=occasion.get("column"),
        suffix={str(k): v for k, v in occasion.get("suffix", {}).items()},
        ignore=tuple(name for pattern in entry.get("ignore", ()) for name in expand(pattern)),
        header=tuple(header) if isinstance(header, list) else (header, header),
        where={
            column: tuple(map(str, kept if isinstance(kept, list) else [kept]))
            for column, kept in entry.get("where", {}).items()
        },
        rated=bool(rated),
        event=str(entry["event"]) if "event" in entry else None,
        **{s: entry[s] for s in ("file", "sheet", "duplicates", "latest", "time") if s in entry},
    )


def _role(table: str, column: str, variables: dict, values: tuple) -> Variable:
    """The variable that says who rated: the one listed for its column, or one of that name."""
    name = column if NAME.fullmatch(column) else "rated_by"
    plain = Variable(name, table, column, "category", values=values)
    listed = next((v for v in variables.values() if v.column == column), plain)
    return listed if listed.values else replace(listed, type="category", values=values)


def _variable(name: str, table: str, column: str, settings: dict, missing: tuple) -> Variable:
    low, high = settings.get("range", ANY)
    values, codes = settings.get("values", ()), {}
    if isinstance(values, dict):
        codes = {str(code): str(value) for code, value in values.items()}
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
    low, high = entry.get("range") or RESPONSES.get(form) or _limits(items, tables)
    if entry.get("scored") and form:
        means = entry.get("range") or entry.get("score") == "mean"
        n = 1 if means else N_ITEMS[form] / len(items)
        keys = {p: [i] for i, p in enumerate(keys if len(items) == len(keys) else ["total"], 1)}
        low, high = low * n, high * n
    done = entry.get("reversed", "raw")
    done = items if done == "done" else done if isinstance(done, list) else ()
    turned = {i for i, item in enumerate(items, 1) if item in done}
    return Scale(
        name=name,
        items=items,
        keys={p: tuple(abs(i) if abs(i) in turned else i for i in key) for p, key in keys.items()},
        limits=(float(low), float(high)),
        settled="reversed" in entry,
        **_but(entry, "items", "keys", "range", "reversed"),
    )


def _limits(items: tuple[str, ...], tables: dict[str, Table]) -> tuple[float, float]:
    for table in tables.values() if items else ():
        for suffix in ("", *table.endings):
            if v := table.variables.get(items[0].removesuffix(suffix)):
                return v.low, v.high
    return ANY


def _derived(name: str, entry: dict) -> Derived:
    value = None if entry.get("is") is None else str(entry["is"])
    return Derived(name=name, source=entry["from"], is_value=value, **_but(entry, "from", "is"))
