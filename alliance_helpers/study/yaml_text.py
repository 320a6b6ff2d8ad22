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
from .codebook import WORDS, say

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
            raise yaml.MarkedYAMLError(problem=WORDS["yaml"]["name"], problem_mark=key.start_mark)
        if key.value in seen:
            what = WORDS["yaml"]["twice"].format(_short(key.value))
            raise yaml.MarkedYAMLError(problem=what, problem_mark=key.start_mark)
        seen.add(key.value)
    return loader.construct_mapping(node, deep=True)


def _number(loader: _Loader, node: yaml.ScalarNode) -> float:
    """A number in digits; YAML 1.1 would read a time of day in base 60, and 1 MB of digits too."""
    if ":" in node.value or len(node.value) > MAX_DIGITS:
        what = WORDS["yaml"]["number"].format(_short(node.value))
        raise yaml.MarkedYAMLError(problem=what, problem_mark=node.start_mark)
    whole = node.tag.endswith(":int")
    return loader.construct_yaml_int(node) if whole else loader.construct_yaml_float(node)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
for _kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _number)


def _refuse(file: str, problem: str, row: int | None = None, **filled: object) -> CodebookError:
    return CodebookError([Problem(file, *say(problem, **filled), row=row)])


def read_text(path: Path) -> str:
    """The text of a YAML file.

    Raises
    ------
    CodebookError
        If it cannot be read, is larger than MAX_BYTES, or not UTF-8.
    """
    try:
        if path.exists() and not path.is_file():
            raise _refuse(path.name, "no_text")
        if path.stat().st_size > MAX_BYTES:
            raise _refuse(path.name, "large_text", most=MAX_BYTES)
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise _refuse(str(path), "no_such_text") from None
    except UnicodeDecodeError as error:
        row = path.read_bytes()[: error.start].count(b"\n") + 1
        raise _refuse(path.name, "not_utf8", row) from None
    except OSError as error:
        raise _refuse(path.name, "closed_text", why=error.strerror) from None


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
    try:
        _bound(text, file)
        raw = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        why = getattr(error, "problem", None) or "it cannot be parsed"
        raise _refuse(file, "no_yaml", mark.line + 1 if mark else None, why=why) from None
    except (ValueError, RecursionError, OverflowError):
        raise _refuse(file, "odd_number") from None
    if not isinstance(raw, dict):
        raise _refuse(file, "no_mapping")
    return raw


def _bound(text: str, file: str) -> None:
    depth = 0
    for n, event in enumerate(yaml.parse(text, Loader=_Base)):
        row = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _refuse(file, "alias", row)
        if getattr(event, "tag", None) and str(event.tag).startswith(("!", "tag:yaml.org,2002:p")):
            raise _refuse(file, "tag", row, tag=_short(event.tag))
        depth += isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent))
        depth -= isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent))
        if depth > MAX_DEPTH or n > MAX_NODES:
            raise _refuse(file, "deep", row, depth=MAX_DEPTH, entries=MAX_NODES)


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
