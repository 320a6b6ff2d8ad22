"""One HTML file from a run: the scorecard, then every notebook as it was executed, without code.

The file is whole in itself: pictures are inside it, and it asks no other host for anything.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd

from ..claims.rules import Rules, read_rules
from ..paths import NOTEBOOKS, ROOT, write_whole
from ..study.codebook import Codebook, own_words
from ..study.load import codebook_of
from ..study.yaml_text import without_iri_grammar
from .front import front_page
from .printing import WORDS, numbered, rendered
from .tables import Scorecard, then_and_now

with without_iri_grammar():
    import nbformat

NOTHING = "No findings were written: no claim can be put to this study, or a notebook failed."
HIDDEN_TAGS = {"explorer", "own-hands", "scorecard", "papermill-error-cell-tag"}


@dataclass(frozen=True)
class Section:
    """One notebook's page in the report."""

    anchor: str
    title: str
    html: str
    failure: str = ""


def write_report(folder: str | Path) -> Scorecard | None:
    """Write `report.html` into a run's folder.

    Parameters
    ----------
    folder : path
        What `alliance run` wrote: `run.json`, `findings.csv` and the executed `notebooks/`.

    Returns
    -------
    Scorecard or None
        What it says of each claim; None where the run has no findings.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    folder = Path(folder)
    about = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    failures = {
        r["notebook"]: f"{r['error_name']}: {r['error_message']}"
        for r in about["notebooks"]
        if r["status"] != "done"
    }
    paths = [folder / "notebooks" / f"{r['notebook']}.ipynb" for r in about["notebooks"]]
    book = codebook_of(about["parameters"].get("data"), about["parameters"].get("codebook"))
    sections = [_section(p, failures.get(p.stem, ""), book) for p in paths]
    sections += [_left_out(n, why, book) for n, why in about["skipped"].items()]
    sections.sort(key=lambda s: s.anchor)
    banner, found = _banner(sections), _findings(folder, about["parameters"], book)
    front, card = (front_page(*found), then_and_now(*found)) if found else ("", None)
    html = rendered(
        "report.html.j2",
        sections=sections,
        about=about,
        words=WORDS,
        texts={k: own_words(t, book) for k, t in found[1].texts.items()} if found else {},
        failures=failures,
        front=own_words(front, book, escape),
        summary=own_words(card._repr_html_(), book, escape) if card else f"<p>{NOTHING}</p>",
        banner=banner,
        provenance=_provenance(about),
    )
    write_whole(folder / "report.html", numbered(html))
    return card


def _section(path: Path, failure: str, book: Codebook) -> Section:
    if not path.is_file():
        return Section(path.stem, path.stem, "", failure or "This notebook did not run.")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [
        c for c in notebook.cells if not HIDDEN_TAGS & set(c.metadata.get("tags", []))
    ]
    heading = own_words(_heading(notebook), book)
    return Section(path.stem, heading, _convert(notebook, path.stem, book), failure)


def _left_out(name: str, why: str, book: Codebook) -> Section:
    """A notebook that the study lacks the parts for: its heading, and why it is not there."""
    path = NOTEBOOKS / f"{name}.ipynb"
    heading = own_words(_heading(nbformat.read(path, as_version=4)), book)
    why = re.sub("`(.+?)`", r"<code>\1</code>", escape(why))
    html = f"<h2>{escape(heading)}</h2><p>Left out. {why}</p>"
    return Section(name, heading, html)


def _heading(notebook) -> str:
    return notebook.cells[0].source.splitlines()[0].lstrip("# ").strip()


def _convert(notebook, name: str, book: Codebook) -> str:
    """The outputs and the text of a notebook as HTML; only picture, HTML and text outputs."""
    from nbconvert.filters import markdown2html_mistune

    parts, code = [], [c.source for c in notebook.cells if c.cell_type == "code"]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            html = _deeper(str(markdown2html_mistune(cell.source)))
            parts.append(own_words(html, book, escape))
            if len(parts) == 1:
                parts.append(rendered("from.html.j2", name=name, code="\n\n".join(code)))
        elif cell.cell_type == "code":
            parts += [_output(o) for o in cell.outputs]
    return "\n".join(p for p in parts if p)


def _deeper(html: str) -> str:
    """Headings one level down, so that the report has one of the first; without their ids."""
    html = re.sub(r"<a class=\"anchor-link\".*?</a>|(?<=<h\d) id=\"[^\"]*\"", "", html)
    return re.sub(r"(</?h)([1-5])", lambda m: m.group(1) + str(int(m.group(2)) + 1), html)


def _output(output) -> str:
    if output.output_type == "error":
        return f'<pre class="error">{escape(output.ename)}: {escape(output.evalue)}</pre>'
    data = output.get("data", {})
    if "image/png" in data:
        about = {"alt": "", "width": 700, "caption": ""} | output.metadata.get("image/png", {})
        return rendered("figure.html.j2", png=data["image/png"].replace("\n", ""), **about)
    if "text/html" in data:
        return f'<div class="output">{data["text/html"]}</div>'
    return ""


def _findings(folder: Path, parameters: dict, book: Codebook) -> tuple[pd.DataFrame, Rules] | None:
    path = folder / "findings.csv"
    if not path.is_file():
        return None
    rules = read_rules(parameters.get("claims"), parameters.get("data"), book)
    found = pd.read_csv(path, dtype={"finding": str})
    return None if found.empty else (found, rules)


def _banner(sections: list[Section]) -> str:
    """The notebooks' own note on where the data come from."""
    found = re.search(r'<p class="(?:synthetic|source)">.*?</p>', sections[0].html, re.S)
    return found.group(0) if found else ""


def _provenance(about: dict) -> list[tuple[str, str]]:
    rows = [("Finished", about["finished"]), ("Seconds", f"{about['seconds']:.1f}")]
    rows += [(f"Parameter {k}", str(v)) for k, v in about["parameters"].items()]
    rows += [(k, v) for k, v in about["versions"].items()]
    rows += [(f"SHA-256 of {k}", v) for k, v in about["inputs_sha256"].items()]
    return [(k, v.replace(str(ROOT), ".")) for k, v in rows]
