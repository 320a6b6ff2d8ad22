"""The data dictionary: which tables, variables, scales and blocks a study has.

A codebook is one YAML file; `data/codebook.schema.json` describes it formally and
`data/codebook.yml` is the shipped study's. Nothing in it is ever evaluated as code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

from .errors import CodebookError, Problem
from .paths import CODEBOOK, DATA

MAX_BYTES = 1_000_000
SUBSCALES = {
    "WAI-36": {
        "task": [2, 4, -7, -11, 13, -15, 16, 18, 24, -31, -33, 35],
        "bond": [-1, 5, 8, 17, 19, -20, 21, 23, 26, 28, -29, 36],
        "goal": [-3, 6, -9, -10, -12, 14, 22, 25, -27, 30, 32, -34],
    },
    "WAI-S": {"task": [1, 2, 8, 12], "bond": [3, 5, 7, 9], "goal": [-4, 6, -10, 11]},
    "WAI-SR": {"task": [1, 2, 10, 12], "bond": [3, 5, 7, 9], "goal": [4, 6, 8, 11]},
}
"""Signed item numbers (minus: reverse) after Horvath & Greenberg (1989), Tracey & Kokotovic
(1989), Hatcher & Gillaspy (2006)."""
RESPONSES = {"WAI-36": (1, 7), "WAI-S": (1, 7), "WAI-SR": (1, 5)}
N_ITEMS = {"WAI-36": 36, "WAI-S": 12, "WAI-SR": 12}


@dataclass(frozen=True)
class Variable:
    """One column of one table."""

    name: str
    table: str
    column: str
    type: str = "number"
    label: str = ""
    unit: str = ""
    low: float = float("-inf")
    high: float = float("inf")
    values: tuple[str, ...] = ()
    missing: tuple = ()
    out_of_range: str = "error"


@dataclass(frozen=True)
class Table:
    """One raw table: where it is and what one of its rows stands for."""

    name: str
    file: str
    row: str
    key: tuple[str, ...]
    variables: Mapping[str, Variable]
    sheet: str | None = None
    duplicates: str = "error"
    latest: str | None = None
    occasion: str | None = None
    suffix: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scale:
    """A score made from items; `keys` maps a subscale to signed item numbers."""

    name: str
    items: tuple[str, ...]
    keys: Mapping[str, tuple[int, ...]]
    limits: tuple[float, float]
    label: str = ""
    unit: str = ""
    form: str | None = None
    score: str = "sum"
    max_missing: float = 0.2
    informant: str = ""


@dataclass(frozen=True)
class Days:
    """Days of hospital stays inside a window counted from an anchor date."""

    name: str
    episodes: str
    admission: str
    discharge: str
    anchor: str
    from_years: float
    to_years: float
    label: str = ""
    unit: str = "days"


@dataclass(frozen=True)
class Derived:
    """A variable made from one other: an indicator of one value, or a logarithm."""

    name: str
    source: str
    is_value: str | None = None
    log: bool = False
    label: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Codebook:
    """A study's data dictionary, read by :func:`read_codebook`."""

    title: str
    synthetic: bool
    client: str
    case_manager: str | None
    site: str | None
    tables: Mapping[str, Table]
    scales: Mapping[str, Scale]
    days: Mapping[str, Days]
    derived: Mapping[str, Derived]
    informants: Mapping[str, Mapping[str, str]]
    blocks: Mapping[str, tuple[str, ...]]
    file: str = "codebook.yml"
    text: str = ""

    def describe(self, name: str) -> tuple[str, str]:
        """Label and unit of a dyad-level variable, for printing; the name itself if unknown."""
        for kind in (self.scales, self.days, self.derived):
            if name in kind:
                return kind[name].label or name, kind[name].unit
        for table in self.tables.values():
            if name in table.variables:
                v = table.variables[name]
                return v.label or name, v.unit
            for suffix in table.suffix.values():
                base = name.removesuffix(suffix)
                if suffix and base in table.variables:
                    v = table.variables[base]
                    return f"{v.label or base} ({suffix.strip('_')})", v.unit
        for scale in self.scales.values():
            part = name.removeprefix(f"{scale.name}_")
            if part in scale.keys:
                return f"{scale.label or scale.name}: {part}", scale.unit
        return name, ""

    def label(self, name: str) -> str:
        """Label of a dyad-level variable, for printing."""
        return self.describe(name)[0]

    def informant_label(self, name: str) -> str:
        """What to call an informant in words."""
        return str(self.informants.get(name, {}).get("label", name))


def expand(pattern: str) -> list[str]:
    """Names a pattern with one ``{first..last}`` stands for; zeros in front are kept.

    >>> expand("bprs_{08..10}_intake")
    ['bprs_08_intake', 'bprs_09_intake', 'bprs_10_intake']
    """
    found = re.search(r"\{(\d{1,4})\.\.(\d{1,4})\}", pattern)
    if not found:
        return [pattern]
    first, last = found.groups()
    width = len(first) if first.startswith("0") else 1
    before, after = pattern[: found.start()], pattern[found.end() :]
    return [f"{before}{i:0{width}d}{after}" for i in range(int(first), int(last) + 1)]


def read_codebook(path: str | Path | None = None) -> Codebook:
    """Read and check a codebook; every problem in it is reported at once.

    Parameters
    ----------
    path : path, optional
        A YAML file; the shipped study's codebook by default.

    Raises
    ------
    CodebookError
        Naming the file, the entry, what is wrong with it and what to write instead.
    """
    path = Path(path) if path else CODEBOOK
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CodebookError(
                [Problem(path.name, f"is larger than {MAX_BYTES:,} bytes.", "Split it or trim it.")]
            )
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CodebookError(
            [Problem(str(path), "does not exist.", "Name an existing codebook file.")]
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise CodebookError(
            [Problem(path.name, f"cannot be read ({error}).", "Save it as UTF-8 text.")]
        ) from None
    return parse_codebook(text, path.name)


def parse_codebook(text: str, file: str = "codebook.yml") -> Codebook:
    """The same from the text itself."""
    raw = load_yaml(text, file)
    _raise(_schema_problems(raw, file))
    book = _build(raw, file, text)
    _raise(_reference_problems(book))
    return book


def load_yaml(text: str, file: str) -> dict:
    """Safe YAML without aliases; anything else is a :class:`CodebookError`."""
    remedy = "Compare it with data/codebook.yml."
    try:
        if any(isinstance(e, yaml.AliasEvent) for e in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise CodebookError([Problem(file, "uses YAML aliases (*name).", "Write them out.")])
        raw = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        row = mark.line + 1 if mark else None
        what = f"is not valid YAML ({getattr(error, 'problem', None) or 'it cannot be parsed'})."
        raise CodebookError([Problem(file, what, remedy, row=row)]) from None
    if not isinstance(raw, dict):
        raise CodebookError([Problem(file, "is not a mapping of names to entries.", remedy)])
    return raw


@cache
def _schema() -> dict:
    return json.loads((DATA / "codebook.schema.json").read_text(encoding="utf-8"))


def _schema_problems(raw: dict, file: str) -> list[Problem]:
    from jsonschema import Draft202012Validator

    problems = []
    for error in Draft202012Validator(_schema()).iter_errors(raw):
        place = " > ".join(str(p) for p in error.absolute_path) or "the top level"
        problems.append(
            Problem(file, f"at {place}: {error.message[:200]}.", "See data/codebook.schema.json.")
        )
    return problems


def _raise(problems: list[Problem]) -> None:
    if problems:
        raise CodebookError(problems)


def _variables(table: str, entries: dict, missing: tuple) -> dict[str, Variable]:
    made = {}
    for pattern, entry in entries.items():
        entry = entry or {}
        low, high = entry.get("range", (float("-inf"), float("inf")))
        names, columns = expand(pattern), expand(entry.get("column", pattern))
        for name, column in zip(names, columns, strict=False):
            made[name] = Variable(
                name=name,
                table=table,
                column=column,
                type=entry.get("type", "number"),
                label=entry.get("label", ""),
                unit=entry.get("unit", ""),
                low=low,
                high=high,
                values=tuple(str(v) for v in entry.get("values", ())),
                missing=tuple(entry.get("missing", ())) + missing,
                out_of_range=entry.get("out_of_range", "error"),
            )
    return made


def _scale(name: str, entry: dict, tables: dict[str, Table]) -> Scale:
    listed = entry["items"] if isinstance(entry["items"], list) else [entry["items"]]
    items = tuple(item for pattern in listed for item in expand(pattern))
    form = entry.get("form")
    keys = entry.get("keys") or SUBSCALES.get(form) or {"total": list(range(1, len(items) + 1))}
    low, high = entry.get("range") or RESPONSES.get(form) or _limits(items[0], tables)
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


def _limits(item: str, tables: dict[str, Table]) -> tuple[float, float]:
    for table in tables.values():
        for suffix in ("", *table.suffix.values()):
            v = table.variables.get(item.removesuffix(suffix) if suffix else item)
            if v:
                return v.low, v.high
    return float("-inf"), float("inf")


def _build(raw: dict, file: str, text: str) -> Codebook:
    missing = tuple(raw.get("missing", ()))
    tables = {}
    for name, entry in raw["tables"].items():
        occasion = entry.get("occasion") or {}
        tables[name] = Table(
            name=name,
            file=entry["file"],
            sheet=entry.get("sheet"),
            row=entry.get("row", "client"),
            key=tuple(entry["key"]),
            variables=_variables(name, entry["variables"], missing),
            duplicates=entry.get("duplicates", "error"),
            latest=entry.get("latest"),
            occasion=occasion.get("column"),
            suffix={str(k): v for k, v in occasion.get("suffix", {}).items()},
        )
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


def dyad_variables(book: Codebook) -> set[str]:
    """Every name that the dyad table can have."""
    names = set(book.scales) | set(book.days) | set(book.derived)
    for scale in book.scales.values():
        names |= {f"{scale.name}_{part}" for part in scale.keys if part != "total"}
    for table in book.tables.values():
        if table.row != "episode":
            suffixes = table.suffix.values() or ("",)
            names |= {v + s for v in table.variables for s in suffixes}
    return names


def _reference_problems(book: Codebook) -> list[Problem]:
    known = dyad_variables(book)
    asked = [("study > client", book.client)]
    asked += [(f"study > {role}", getattr(book, role)) for role in ("case_manager", "site")]
    asked += [(f"scales > {s.name} > items", i) for s in book.scales.values() for i in s.items]
    asked += [(f"derived > {d.name} > from", d.source) for d in book.derived.values()]
    asked += [(f"blocks > {b}", v) for b, names in book.blocks.items() for v in names]
    asked += [(f"informants > {i} > alliance", e["alliance"]) for i, e in book.informants.items()]
    asked += [(f"days > {d.name} > anchor", d.anchor) for d in book.days.values()]
    problems = [
        Problem(book.file, f"at {place}: there is no variable {name!r}.", "Check its spelling.")
        for place, name in asked
        if name is not None and name not in known
    ]
    for table in book.tables.values():
        for name in (*table.key, table.latest, table.occasion):
            if name is not None and name not in table.variables:
                what = f"at tables > {table.name}: there is no variable {name!r} in this table."
                problems.append(Problem(book.file, what, "List it under variables."))
    for scale in book.scales.values():
        numbers = [abs(i) for part in scale.keys.values() for i in part]
        if scale.form and len(scale.items) != N_ITEMS[scale.form]:
            what = (
                f"at scales > {scale.name}: {scale.form} has {N_ITEMS[scale.form]} items, "
                f"{len(scale.items)} are listed."
            )
            problems.append(Problem(book.file, what, "List one column per item, in item order."))
        elif numbers and (max(numbers) > len(scale.items) or min(numbers) < 1):
            what = f"at scales > {scale.name}: an item number is outside 1 to {len(scale.items)}."
            problems.append(Problem(book.file, what, "Number the items from 1."))
    for days in book.days.values():
        if days.episodes not in book.tables:
            what = f"at days > {days.name}: there is no table {days.episodes!r}."
            problems.append(Problem(book.file, what, "Name one of the tables."))
    return problems
