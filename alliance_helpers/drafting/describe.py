"""A first draft of a codebook from a study's own files; every guess in it is marked.

The draft is text for a person to read and correct, and a codebook that can be tried at once.
"""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Mapping
from pathlib import Path

from .exports import read_sources
from .guesses import RESERVED
from .layout import lay_out

TEMPLATE = Path(__file__).parent / "codebook.yml.j2"


def describe(path: str | Path) -> str:
    """Draft the codebook of a study.

    Parameters
    ----------
    path : path
        A folder of tables, or one file.

    Returns
    -------
    str
        YAML text, with every guess marked by a comment. Free text and columns that look empty
        are put under `ignore`.

    Raises
    ------
    DataError
        If nothing there can be read.
    """
    import jinja2  # takes a while, and only a draft needs it

    environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True)
    environment.filters |= {"flow": flow, "line": _line, "literally": _literally}
    return environment.from_string(TEMPLATE.read_text("utf-8")).render(
        draft=lay_out(read_sources(Path(path))),
        title=re.sub(r"[_\W]+", " ", Path(path).resolve().stem).strip() or "My study",
    )


def flow(value: object) -> str:
    """A value as YAML writes it on one line; settings that say nothing are left out.

    >>> flow({"label": "", "range": [1, 7.5], "from": "x: y"})
    '{range: [1, 7.5], from: "x: y"}'
    """
    if isinstance(value, Mapping):
        said = {k: v for k, v in value.items() if v not in ("", None, (), [])}
        return f"{{{', '.join(f'{flow(k)}: {flow(v)}' for k, v in said.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(flow, value))}]"
    return quoted(value) if isinstance(value, str) else f"{value:.15g}"


def quoted(text: str) -> str:
    """A text as YAML writes it safely: plain if it is a word, else in double quotes."""
    word = re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*( [A-Za-z0-9_]+)*", text)
    if word and text.lower() not in RESERVED:
        return text
    unseen = r"[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
    written = json.dumps(text, ensure_ascii=False)
    return re.sub(unseen, lambda found: f"\\u{ord(found.group()):04x}", written)


def _literally(column: str) -> str:
    """A column's name as a pattern that fits it alone."""
    return glob.escape(column).replace("{", "[{]")


def _line(text: str) -> str:
    """A text that stays within its comment, whatever the file's names hold."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
