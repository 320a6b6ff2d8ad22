"""YAML from people we do not know: safely loaded, bounded, and with line numbers for messages."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import yaml

from ..errors import CodebookError, Problem

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
MAX_NODES = 100_000
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


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(path: Path) -> tuple[dict, str]:
    """A YAML file's mapping and its text.

    Raises
    ------
    CodebookError
        If it cannot be read, is larger than MAX_BYTES, or :func:`load_yaml` refuses it.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            what = f"is larger than {MAX_BYTES:,} bytes."
            raise CodebookError([Problem(path.name, what, "Trim it, or split it.")])
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise CodebookError(
            [Problem(str(path), "does not exist.", "Name an existing file.")]
        ) from None
    except UnicodeDecodeError as error:
        row = path.read_bytes()[: error.start].count(b"\n") + 1
        what = "holds bytes that are not UTF-8."
        raise CodebookError([Problem(path.name, what, "Save it as UTF-8.", row=row)]) from None
    except OSError as error:
        what = f"cannot be read ({error.strerror})."
        raise CodebookError([Problem(path.name, what, "Name a file that can be read.")]) from None
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
        raise CodebookError([Problem(file, what, remedy, row=row)]) from None
    except (ValueError, RecursionError, OverflowError):
        what = "holds a number or date that cannot be read."
        raise CodebookError([Problem(file, what, "Put it in quotes, or correct it.")]) from None
    if not isinstance(raw, dict):
        raise CodebookError([Problem(file, "is not a mapping of names to entries.", remedy)])
    return raw


def _bound(text: str, file: str) -> None:
    depth = 0
    for n, event in enumerate(yaml.parse(text, Loader=_Base)):
        row = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise CodebookError(
                [Problem(file, "uses a YAML anchor or alias (&name, *name).", "Write it out.", row)]
            )
        if getattr(event, "tag", None) and str(event.tag).startswith(("!", "tag:yaml.org,2002:p")):
            what = f"uses the YAML tag {_short(event.tag)}."
            raise CodebookError([Problem(file, what, "Leave the tag out.", row)])
        depth += isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent))
        depth -= isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent))
        if depth > MAX_DEPTH or n > MAX_NODES:
            what = f"is nested deeper than {MAX_DEPTH} levels, or has over {MAX_NODES:,} entries."
            raise CodebookError([Problem(file, what, "Simplify it.", row)])


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
