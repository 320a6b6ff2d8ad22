"""Reading a study's codebook: one YAML file, checked whole before anything else is read.

`data/codebook.schema.json` describes the file formally, `data/CODEBOOK.md` by example, and
`data/codebook.yml` is the shipped study's. `dictionary` holds what a codebook says.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..errors import CodebookError, Problem
from ..paths import CODEBOOK
from .check_codebook import rule_problems, schema_problems
from .codebook import (
    N_ITEMS,
    RESPONSES,
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
)
from .yaml_text import load_yaml, read_yaml

__all__ = [
    "N_ITEMS", "RESPONSES", "SUBSCALES", "Codebook", "Days", "Derived", "Scale", "Table",
    "Variable", "book_of", "draft_codebook", "dyad_variables", "expand", "load_yaml",
    "parse_codebook", "read_codebook",
]  # fmt: skip
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
    raw, text = read_yaml(path)
    return _usable(*_draft(raw, text, path.name))


def book_of(dyads: pd.DataFrame, codebook: Codebook | None = None) -> Codebook:
    """The codebook of a dyad table: the one given, the one cleaning left with it, the shipped."""
    return codebook or dyads.attrs.get("codebook") or read_codebook()


def parse_codebook(text: str, file: str = "codebook.yml") -> Codebook:
    """The same from the text itself."""
    return _usable(*draft_codebook(text, file))


def draft_codebook(text: str, file: str = "codebook.yml") -> tuple[Codebook | None, list[Problem]]:
    """A codebook and its problems; the codebook is None if it cannot even be laid out.

    Raises
    ------
    CodebookError
        If the text is not YAML that may be loaded.
    """
    return _draft(load_yaml(text, file), text, file)


def _draft(raw: dict, text: str, file: str) -> tuple[Codebook | None, list[Problem]]:
    problems = schema_problems(raw, text, file)
    if problems:
        return None, problems
    problems = rule_problems(book := _build(raw, file, text), raw)
    return book, problems


def _usable(book: Codebook | None, problems: list[Problem]) -> Codebook:
    if problems or book is None:
        raise CodebookError(problems)
    return book


def _build(raw: dict, file: str, text: str) -> Codebook:
    missing = tuple(raw.get("missing", ()))
    tables = {name: _table(name, entry, missing) for name, entry in raw["tables"].items()}
    study = raw["study"]
    return Codebook(
        title=study["title"],
        synthetic=bool(study.get("synthetic", False)),
        client=study["client"],
        case_manager=study.get("case_manager"),
        site=study.get("site"),
        tables=tables,
        scales={k: _scale(k, v, tables) for k, v in raw.get("scales", {}).items()},
        days={k: Days(name=k, **v) for k, v in raw.get("days", {}).items()},
        derived={k: _derived(k, v) for k, v in raw.get("derived", {}).items()},
        informants=raw.get("informants", {}),
        blocks={k: tuple(v) for k, v in raw.get("blocks", {}).items()},
        file=file,
        text=text,
    )


def _table(name: str, entry: dict, missing: tuple) -> Table:
    occasion = entry.get("occasion") or {}
    variables = {}
    for pattern, settings in entry["variables"].items():
        settings = settings or {}
        for variable, column in zip(expand(pattern), columns_of(pattern, settings), strict=False):
            variables[variable] = _variable(variable, name, column, settings, missing)
    return Table(
        name=name,
        file=entry["file"],
        sheet=entry.get("sheet"),
        row=entry.get("row", "client"),
        key=tuple(entry["key"]),
        variables=variables,
        duplicates=entry.get("duplicates", "error"),
        latest=entry.get("latest"),
        occasion=occasion.get("column"),
        suffix={str(k): v for k, v in occasion.get("suffix", {}).items()},
        ignore=tuple(name for pattern in entry.get("ignore", ()) for name in expand(pattern)),
    )


def _variable(name: str, table: str, column: str, settings: dict, missing: tuple) -> Variable:
    low, high = settings.get("range", ANY)
    values = settings.get("values", ())
    codes = {}
    if isinstance(values, dict):
        codes = {str(code): str(value) for code, value in values.items()}
        values = dict.fromkeys(codes.values())
    return Variable(
        name=name,
        table=table,
        column=column,
        type=settings.get("type", "number"),
        label=settings.get("label", ""),
        unit=settings.get("unit", ""),
        low=low,
        high=high,
        values=tuple(str(v) for v in values),
        codes=codes,
        missing=tuple(settings.get("missing", ())),
        study_missing=missing,
        out_of_range=settings.get("out_of_range", "error"),
        format=settings.get("format"),
        optional=settings.get("optional", False),
    )


def _scale(name: str, entry: dict, tables: dict[str, Table]) -> Scale:
    listed = entry["items"] if isinstance(entry["items"], list) else [entry["items"]]
    items = tuple(item for pattern in listed for item in expand(pattern))
    form = entry.get("form")
    keys = entry.get("keys") or SUBSCALES.get(form) or {"total": list(range(1, len(items) + 1))}
    low, high = entry.get("range") or RESPONSES.get(form) or _limits(items, tables)
    return Scale(
        name=name,
        items=items,
        keys={part: tuple(numbers) for part, numbers in keys.items()},
        limits=(float(low), float(high)),
        label=entry.get("label", ""),
        unit=entry.get("unit", ""),
        form=form,
        score=entry.get("score", "sum"),
        max_missing=entry.get("max_missing", 0.2),
        informant=entry.get("informant", ""),
    )


def _limits(items: tuple[str, ...], tables: dict[str, Table]) -> tuple[float, float]:
    for table in tables.values():
        for suffix in ("", *table.suffix.values()):
            v = table.variables.get(items[0].removesuffix(suffix)) if items else None
            if v:
                return v.low, v.high
    return ANY


def _derived(name: str, entry: dict) -> Derived:
    value = entry.get("is")
    return Derived(
        name=name,
        source=entry["from"],
        is_value=None if value is None else str(value),
        log=bool(entry.get("log", False)),
        label=entry.get("label", ""),
        unit=entry.get("unit", ""),
    )
