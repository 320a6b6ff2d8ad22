"""Units as single HTML files without a server: every figure drawn beforehand, at every setting.

Where all settings together are too many, one control moves at a time and the others stand at their
start. As slides, a heading with its text fills a screen, and so does a figure; Page Down
goes on.
"""

from __future__ import annotations

import argparse
import ast
import base64
import io
import json
import re
import sys
from html import escape
from itertools import product
from math import prod
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
from jinja2 import Environment, FileSystemLoader
from nbconvert.filters.markdown_mistune import markdown2html_mistune
from PIL import Image

from alliance_helpers.paths import write_whole
from alliance_helpers.teaching.demos import Choose, Demo
from alliance_helpers.teaching.exercises import is_share, replies

from . import command
from .editions import SOURCE, units, web

MOST = 60  # settings of a demonstration; beyond, one control moves at a time
COLORS = 48  # of a picture: a quarter of its size
HERE, LOOK = Path(__file__).parent, SOURCE / "voila" / "templates" / "alliance"
NEXT = "</article><article>"  # a slide ends, another begins


def ask(name: str, expected: object, **how: object) -> SimpleNamespace:
    """An exercise, as the page's script checks it."""
    choices = how.pop("choices", ())
    told = {"choices": choices, "share": is_share(expected), "replies": replies(expected, **how)}
    html = f'<div class="ask" data-name="{name}">{embedded(told)}</div>'
    return SimpleNamespace(_repr_html_=lambda: html)


def page(path: Path, slides: bool = False) -> str:
    """A unit as one HTML file."""
    names: dict = {}
    cells = web(nbformat.read(path, as_version=4)).cells
    parts = [part for cell in cells for part in shown(cell, names)]
    template = Environment(loader=FileSystemLoader([HERE, LOOK])).get_template("lite.html.j2")
    title = path.stem.replace("_", " ").capitalize()
    return template.render(title=title, parts=parts, slides=slides)


def shown(cell: nbformat.NotebookNode, names: dict) -> list[str]:
    """What a cell leaves on the page."""
    if cell.cell_type == "markdown":
        return [written(text) for text in re.split(r"^(?=#)", cell.source, flags=re.M) if text]
    *body, last = ast.parse(cell.source).body or [ast.Pass()]
    asked = isinstance(last, ast.Expr)
    explored = re.fullmatch(r"(\w+)\.explore\(\)", cell.source.strip())
    if explored:
        return [NEXT + moving(names[explored[1]])]
    exec(ast.unparse(ast.Module([*body, *([] if asked else [last])], [])), names)
    if "exercises" in names:
        names["exercises"] = SimpleNamespace(ask=ask)
    value = eval(ast.unparse(last.value), names) if asked else None
    table = getattr(value, "_repr_html_", None)
    return [f'<div class="output">{table()}</div>'] if table else []


def written(markdown: str) -> str:
    """A text, on a slide of its own if a heading begins it."""
    html = markdown2html_mistune(markdown)
    return f'{NEXT * markdown.startswith("#")}<section class="text">{html}</section>'


def embedded(data: object) -> str:
    """Data for the page's script; nothing in it can end the element."""
    plain = json.dumps(data, default=np.generic.item, ensure_ascii=False).replace("<", r"\u003c")
    return f'<script type="application/json">{plain}</script>'


def values(control) -> list:
    """Every value that a control can take."""
    if isinstance(control, Choose):
        return list(control.options.values())
    steps = round((control.high - control.low) / control.step)
    kind = type(control.value)
    return [kind(round(control.low + i * control.step, 10)) for i in range(steps + 1)]


def settings(demo: Demo) -> list[tuple[int, ...]]:
    """The places of the controls that are drawn: all of them together, or one by one."""
    every = [values(c) for c in demo.controls.values()]
    start = [v.index(c.value) for v, c in zip(every, demo.controls.values(), strict=True)]
    if prod(map(len, every)) <= MOST:
        return list(product(*(range(len(v)) for v in every)))
    alone = {
        tuple(at if i == moved else place for i, place in enumerate(start))
        for moved, found in enumerate(every) for at in range(len(found))
    }  # fmt: skip
    return sorted(alone)


def moving(demo: Demo) -> str:
    """A demonstration with all that can be seen of it."""
    every = {name: values(c) for name, c in demo.controls.items()}
    states = {}
    for places in settings(demo):
        chosen = {n: v[at] for (n, v), at in zip(every.items(), places, strict=True)}
        still = demo.picture(**chosen)
        states[",".join(map(str, places))] = {"png": small(still.png), "text": still.text,
                                              "alt": still.alt}  # fmt: skip
    controls = [
        {"label": c.label, "start": every[n].index(c.value),
         "words": [str(w) for w in (c.options if isinstance(c, Choose) else every[n])]}
        for n, c in demo.controls.items()
    ]  # fmt: skip
    alone = len(states) < prod(map(len, every.values()))
    data = {"controls": controls, "states": states, "alone": alone}
    label = escape(next(iter(demo.controls.values())).label)
    return f'<div class="alliance-demo" role="group" aria-label="{label}">{embedded(data)}</div>'


def small(png: bytes) -> str:
    """A picture in few colours, as text."""
    image, out = Image.open(io.BytesIO(png)).convert("RGB"), io.BytesIO()
    image.quantize(COLORS, dither=Image.Dither.NONE).save(out, "png", optimize=True)
    return base64.b64encode(out.getvalue()).decode("ascii")


@command
def main() -> None:
    parser = argparse.ArgumentParser("python -m tools.seminar.lite", description=__doc__)
    parser.add_argument("--units", type=int, nargs="+", default=[1, 2], metavar="N")
    parser.add_argument("--out", type=Path, default=Path("results/seminar/lite"))
    parser.add_argument("--slides", action="store_true", help="a heading a screen, to be shown")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for path in units(given.units):
        text = page(path, given.slides)
        write_whole(given.out / f"{path.stem}.html", text)
        print(f"{given.out / path.stem}.html, {len(text) / 1e6:.1f} MB")


if __name__ == "__main__":
    sys.exit(main())
