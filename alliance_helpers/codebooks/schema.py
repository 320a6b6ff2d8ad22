"""What form a codebook (or a file of claims) must have: its JSON Schema, told in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache

from ..errors import Problem
from ..paths import DATA
from .dictionary import NAME
from .quick_imports import without_iri_grammar
from .wording import show
from .yaml_text import row_of

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
