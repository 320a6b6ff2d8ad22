"""A run's folder, read again, and what it becomes: one HTML file, and that printed.

The file holds the scorecard, then every notebook as it was executed, without code. It is whole in
itself: pictures are inside it, and it asks no other host for anything.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from html import escape
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import yaml

from .. import paths
from ..claims.over_time import headline
from ..claims.rules import Rules, read_rules
from ..errors import OutputError, ParameterError
from ..paths import NOTEBOOKS, ROOT, write_whole
from ..study.codebook import Codebook, own_words
from ..study.load import codebook_of
from ..study.yaml_text import read_yaml, without_iri_grammar
from .front import front_page
from .printing import WORDS, numbered, rendered
from .tables import Scorecard, then_and_now, verdict_sentences

with without_iri_grammar():
    import nbformat

NOTHING = "No findings: no claim fits the study (state some: findings.yml), or a notebook failed."
HIDDEN_TAGS = {"explorer", "own-hands", "scorecard", "papermill-error-cell-tag"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE = 180  # seconds


@dataclass(frozen=True)
class Run:
    """What a run left: its record `about`, its findings, its tables by name."""

    folder: Path
    about: dict
    findings: pd.DataFrame
    tables: dict[str, Path]

    @property
    def plan(self) -> dict:
        """What the run was to do."""
        return self.about["plan"]

    def words(self) -> tuple[Codebook, Rules]:
        """Codebook and rules; the rules are those of the run, whatever the file says now."""
        about = self.about["parameters"]
        book = codebook_of(about.get("data"), about.get("codebook"))
        with saved(self.plan) as files:
            rules = read_rules(files["claims"], book=book)
        shipped = read_yaml(paths.FINDINGS)[0]["claims"]
        return book, replace(rules, own=self.plan["claims"]["claims"] != shipped)


@contextmanager
def saved(plan: Mapping[str, object]) -> Iterator[dict[str, str]]:
    """The codebook and the claims of a plan as files, for as long as they are needed."""
    with TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{name}.yml" for name in ("codebook", "claims")}
        for name, file in files.items():
            text = yaml.safe_dump(plan[name], allow_unicode=True, sort_keys=False)
            file.write_text(text, "utf-8")
        yield {name: str(file) for name, file in files.items()}


def read_run(folder: str | Path) -> Run:
    """A run, if all of it is there.

    Raises
    ------
    ParameterError
        It is no run, or is damaged, or failed, or has no findings.
    """
    folder = Path(folder)
    record, found = folder / paths.RUN_FILE, folder / "findings.csv"
    if not record.is_file():
        raise ParameterError(f"{folder} is no run: it has no {record.name}. Name what a run wrote.")
    try:
        about = json.loads(record.read_text("utf-8"))
        about["plan"]["codebook"], about["plan"]["claims"]["bounds"], about["parameters"]
        about["inputs_sha256"], about["versions"]
        failed = [r["notebook"] for r in about["notebooks"] if r["status"] != "done"]
    except (ValueError, KeyError, TypeError):
        raise ParameterError(
            f"{record} is damaged, or of an earlier version of the kit. Run it again."
        ) from None
    if failed:
        raise ParameterError(f"The run in {folder} failed in {', '.join(failed)}. Run it again.")
    if not found.is_file():
        raise ParameterError(f"The run in {folder} has no {found.name}: there is nothing to tell.")
    try:
        findings = pd.read_csv(found, dtype={"finding": str})
    except ValueError:
        raise ParameterError(f"{found} is damaged. Run it again.") from None
    if findings.empty:
        raise ParameterError(f"The run in {folder} has no finding: no claim could be put to it.")
    tables = {p.stem: p for p in sorted((folder / "tables").glob("*.csv"))}
    return Run(folder, about, findings, tables)


def without_findings(folder: Path) -> str:
    """What to say of a run without findings; of sessions what comes before what."""
    paths = folder / "tables" / "paths.csv"
    return " ".join([NOTHING, *(headline(pd.read_csv(paths)) if paths.is_file() else [])])


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
    executed = [folder / "notebooks" / f"{r['notebook']}.ipynb" for r in about["notebooks"]]
    book = codebook_of(about["parameters"].get("data"), about["parameters"].get("codebook"))
    sections = [_section(p, failures.get(p.stem, ""), book) for p in executed]
    sections += [_left_out(n, why, book) for n, why in about["skipped"].items()]
    sections.sort(key=itemgetter("anchor"))
    banner = re.search(r'<p class="(?:synthetic|source)">.*?</p>', sections[0]["html"], re.S)
    front, card, texts, untold, found = "", None, {}, [], folder / "findings.csv"
    rows = pd.read_csv(found, dtype={"finding": str}) if found.is_file() else pd.DataFrame()
    if len(rows):
        told = about["parameters"]
        rules = read_rules(told.get("claims"), told.get("data"), book)
        front, card = front_page(rows, rules), replace(then_and_now(rows, rules), changes=())
        texts = {key: own_words(text, book) for key, text in rules.texts.items()}
        pages = "".join(s["html"] for s in sections)
        told = verdict_sentences(rows, rules)
        untold = [own_words(text, book) for text in told if f"<li>{escape(text)}" not in pages]
    summary = card._repr_html_() if card else f"<p>{escape(without_findings(folder))}</p>"
    html = rendered(
        "report.html.j2", sections=sections, about=about, words=WORDS, texts=texts, untold=untold,
        failures=failures, front=own_words(front, book, escape), provenance=_provenance(about),
        summary=own_words(summary, book, escape), banner=banner.group() if banner else "",
    )  # fmt: skip
    write_whole(folder / "report.html", numbered(html))
    return card


def _section(path: Path, failure: str, book: Codebook) -> dict[str, str]:
    """One notebook's part of the report."""
    about = {"anchor": path.stem, "title": path.stem, "html": "", "failure": failure}
    if not path.is_file():
        return about | {"failure": failure or "This notebook did not run."}
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [
        c for c in notebook.cells if not HIDDEN_TAGS & set(c.metadata.get("tags", []))
    ]
    html = _convert(notebook, path.stem, book)
    return about | {"title": own_words(_heading(notebook), book), "html": html}


def _left_out(name: str, why: str, book: Codebook) -> dict[str, str]:
    """A notebook that the study lacks the parts for: its heading, and why it is not there."""
    heading = _heading(nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4))
    heading, why = own_words(heading, book), re.sub("`(.+?)`", r"<code>\1</code>", escape(why))
    html = f"<h2>{escape(heading)}</h2><p>Left out. {why}</p>"
    return {"anchor": name, "title": heading, "html": html}


def _heading(notebook) -> str:
    return notebook.cells[0].source.splitlines()[0].lstrip("# ").strip()


def _convert(notebook, name: str, book: Codebook) -> str:
    """The outputs of a notebook, pictures and HTML, and the text that leads to one."""
    from nbconvert.filters import markdown2html_mistune

    parts, code = [], [c.source for c in notebook.cells if c.cell_type == "code"]
    for is_code, cells in groupby(notebook.cells, lambda cell: cell.cell_type == "code"):
        if is_code:
            shown = [html for c in cells for o in c.outputs if (html := _output(o))]
            parts = parts + shown if shown else parts[:-1]  # what was said leads to nothing
            continue
        for cell in cells:
            html = _deeper(str(markdown2html_mistune(cell.source)))
            parts.append(own_words(html, book, escape))
            if len(parts) == 1:
                parts[0] += rendered("from.html.j2", name=name, code="\n\n".join(code))
    return "\n".join(parts)


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


def _provenance(about: dict) -> list[tuple[str, str]]:
    rows = [("Finished", about["finished"]), ("Seconds", f"{about['seconds']:.1f}")]
    rows += [(f"Parameter {k}", str(v)) for k, v in about["parameters"].items()]
    rows += [(k, v) for k, v in about["versions"].items()]
    rows += [(f"SHA-256 of {k}", v) for k, v in about["inputs_sha256"].items()]
    return [(k, v.replace(f"{ROOT}/", "./")) for k, v in rows]


def browser() -> str:
    """The first browser that can print.

    Raises
    ------
    ParameterError
        None is on the machine.
    """
    for found in filter(None, map(shutil.which, BROWSERS)):
        return found
    raise ParameterError(
        "No PDF can be printed: there is neither Chromium nor Chrome on the PATH. Install one "
        "(Debian: apt install chromium), or go without --pdf and print report.html from a browser."
    )


def print_report(folder: Path) -> Path:
    """Print `report.html` of a run to `report.pdf` beside it.

    Raises
    ------
    ParameterError
        There is no browser.
    OutputError
        It failed, with what it said last, or the folder cannot be written.
    """
    command, page = browser(), (folder / "report.html").absolute().as_uri()

    def fill(part: Path) -> None:
        with TemporaryDirectory() as profile:
            done = subprocess.run(
                [command, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
                 f"--user-data-dir={profile}", f"--print-to-pdf={part.absolute()}", page],
                capture_output=True, text=True, timeout=PATIENCE, check=False,
            )  # fmt: skip
        if done.returncode or not part.is_file():
            said = done.stderr.strip().splitlines()[-1:] or ["nothing"]
            raise OutputError(
                f"{command} printed no PDF; it said: {said[0]}. Print {page} by hand."
            )

    try:
        write_whole(folder / "report.pdf", fill)
    except subprocess.TimeoutExpired:
        raise OutputError(
            f"{command} did not end within {PATIENCE} s. Print {page} by hand."
        ) from None
    return folder / "report.pdf"
