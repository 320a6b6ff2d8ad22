"""YAML from people we do not know: safely loaded, bounded, held against a schema, with rows."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path

import yaml

from ..errors import CodebookError, Problem, meant, show
from ..paths import DATA
from .codebook import WORDS

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
MAX_NODES = 100_000
MAX_DIGITS = 40
IRI_GRAMMAR = "rfc3987_syntax"
_Base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):
    """Safe loader that refuses a name written twice, instead of keeping the last."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict:
    seen = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            what = "a list or mapping stands where a name belongs"
            raise yaml.MarkedYAMLError(problem=what, problem_mark=key.start_mark)
        if key.value in seen:
            what = f"{_short(key.value)} stands there twice"
            raise yaml.MarkedYAMLError(problem=what, problem_mark=key.start_mark)
        seen.add(key.value)
    return loader.construct_mapping(node, deep=True)


def _number(loader: _Loader, node: yaml.ScalarNode) -> float:
    """A number in digits; YAML 1.1 would read a time of day in base 60, and 1 MB of digits too."""
    if ":" in node.value or len(node.value) > MAX_DIGITS:
        what = f"{_short(node.value)} is no number that can be used; put text in quotes"
        raise yaml.MarkedYAMLError(problem=what, problem_mark=node.start_mark)
    whole = node.tag.endswith(":int")
    return loader.construct_yaml_int(node) if whole else loader.construct_yaml_float(node)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
for _kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _number)


def _refuse(file: str, what: str, remedy: str, row: int | None = None) -> CodebookError:
    return CodebookError([Problem(file, what, remedy, row=row)])


def read_text(path: Path) -> str:
    """The text of a YAML file.

    Raises
    ------
    CodebookError
        If it cannot be read, is larger than MAX_BYTES, or not UTF-8.
    """
    try:
        if path.exists() and not path.is_file():
            raise _refuse(path.name, "is not a file.", "Put a file of text there, or nothing.")
        if path.stat().st_size > MAX_BYTES:
            what = f"is larger than {MAX_BYTES:,} bytes."
            raise _refuse(path.name, what, "Trim it, or split it.")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise _refuse(str(path), "does not exist.", "Name an existing file.") from None
    except UnicodeDecodeError as error:
        row = path.read_bytes()[: error.start].count(b"\n") + 1
        what = "holds bytes that are not UTF-8."
        raise _refuse(path.name, what, "Save it as UTF-8.", row) from None
    except OSError as error:
        what = f"cannot be read ({error.strerror})."
        raise _refuse(path.name, what, "Name a file that can be read.") from None


def read_yaml(path: Path) -> tuple[dict, str]:
    """A YAML file's mapping and its text (see :func:`read_text` and :func:`load_yaml`)."""
    text = read_text(path)
    return load_yaml(text, path.name), text


def load_yaml(text: str, file: str) -> dict:
    """Safe YAML: a mapping, without aliases, tags, repeated names or deep nesting.

    Raises
    ------
    CodebookError
        Naming the file, the row and what to change.
    """
    remedy = "Compare it with the shipped file of that name under data/."
    try:
        _bound(text, file)
        raw = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = f"is not valid YAML ({getattr(error, 'problem', None) or 'it cannot be parsed'})."
        row = mark.line + 1 if mark else None
        raise _refuse(file, what, remedy, row) from None
    except (ValueError, RecursionError, OverflowError):
        what = "holds a number or date that cannot be read."
        raise _refuse(file, what, "Put it in quotes, or correct it.") from None
    if not isinstance(raw, dict):
        raise _refuse(file, "is not a mapping of names to entries.", remedy)
    return raw


def _bound(text: str, file: str) -> None:
    depth = 0
    for n, event in enumerate(yaml.parse(text, Loader=_Base)):
        row = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            what = "uses a YAML anchor or alias (&name, *name)."
            raise _refuse(file, what, "Write it out.", row)
        if getattr(event, "tag", None) and str(event.tag).startswith(("!", "tag:yaml.org,2002:p")):
            what = f"uses the YAML tag {_short(event.tag)}."
            raise _refuse(file, what, "Leave the tag out.", row)
        depth += isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent))
        depth -= isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent))
        if depth > MAX_DEPTH or n > MAX_NODES:
            what = f"is nested deeper than {MAX_DEPTH} levels, or has over {MAX_NODES:,} entries."
            raise _refuse(file, what, "Simplify it.", row)


def row_of(text: str, place: Iterable) -> int | None:
    """Line of the text at which the entry of that path of names and numbers stands."""
    node, row = _compose(text), None
    for step in place:
        found = None
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(step)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            found = (node.value[step], node.value[step]) if step < len(node.value) else None
        if found is None:
            return row
        row, node = found[0].start_mark.line + 1, found[1]
    return row


@lru_cache(maxsize=2)
def _compose(text: str) -> yaml.Node:
    return yaml.compose(text, Loader=_Base)


def _short(text: object) -> str:
    return repr(str(text)[:40])


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
    remedy: str = "See data/CODEBOOK.md.",
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
    return sorted(dict.fromkeys(problems), key=lambda p: p.row or 0)


def _in_words(error) -> Iterator[tuple[str | None, str]]:
    """One schema error as steps further down and sentences."""
    rule, wanted, found = error.validator, error.validator_value, error.instance
    name = str(found) if "propertyNames" in error.schema_path else None
    why = error.schema.get("$comment")
    if rule == "additionalProperties" and wanted is False:
        known = sorted(error.schema.get("properties", {}))
        for name in found:
            if name not in known:
                yield str(name), f"there is no such setting here; {meant(name, known)}"
    elif rule == "required":
        gone = [name for name in wanted if name not in found]
        yield None, f"{' and '.join(map(repr, gone))} must be given{f': {why}' if why else ''}."
    elif rule == "oneOf":
        names = [option["required"][0] for option in wanted]
        yield None, f"give exactly one of {' and '.join(map(repr, names))}."
    elif rule in ("anyOf", "type") and isinstance(found, bool):
        yield None, f"found {found}; write yes, no, true and false in quotes."
    elif rule == "enum":
        yield name, f"found {show(found)}; expected one of {', '.join(map(str, wanted))}."
    elif why and rule in ("pattern", "const", "not"):
        yield name, f"found {show(found)}; {why}."
    elif rule == "type":
        kinds = [wanted] if isinstance(wanted, str) else wanted
        words = " or ".join(WORDS["kinds"].get(k, k) for k in kinds)
        yield None, f"found {show(found)}; expected {words}."
    else:
        yield None, f"found {show(found)}; {WORDS['limits'].get(rule, 'it does not fit here')}."
