"""A run as a manuscript: methods, results, tables and figures for Word and for LaTeX.

Nothing in it is typed by hand: each number of a result is one of the run's `findings.csv` or
`tables/`, its words are those of `paper.md.j2`. Pandoc makes both files of one text.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tomllib
import unicodedata
import zipfile
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import jinja2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from .. import paths
from ..claims.as_1995 import READINGS
from ..claims.assess import estimable
from ..claims.rules import KEY, Claim, Rules, read_stress
from ..errors import OutputError, ParameterError
from ..study.codebook import Codebook, own_words
from . import plots
from .outputs import own_figure
from .printing import TOLD, capital, coefficient, figure_number, p_words, pretty, word
from .report import Run, read_run
from .tables import statistics

HERE = Path(__file__).parent
NUMBERED = TOLD["paper"]
REGRESSIONS = [name for name in NUMBERED if "blocks" in name]
NOTES, SYMBOLS = TOLD["paper_notes"], TOLD["symbols"]
REFERENCE = "reference.docx"
WORD = tomllib.loads((HERE / "word.toml").read_text("utf-8"))
LONG = 20  # rows; a table of fewer stays on one page
NO_ZERO = ["alpha", "alpha_low", "alpha_high", "omega_total", "beta"]  # and what has R² in its name
POINTS = ["bias", "loa_low", "loa_high"]  # of agreement; the others cannot be above 1
WIDEST = 28  # letters that a column may ask for
TALLEST, TEXT = 7.0, 6.5  # inches: of a figure, and how wide the text of a page is


def export(run: str | Path, to: str | Path, template: str | Path | None = None) -> list[Path]:
    """Write a run as `paper.docx` and `paper.tex`, with figures as vector and the references.

    Parameters
    ----------
    run : path
        What `alliance run` wrote.
    to : path
        A folder that is empty, new, or an earlier export.
    template : path, optional
        A Word file whose styles are taken, as a journal gives them out.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    ParameterError
        `run` is no run, or one that failed, or has no findings; there is no such template.
    OutputError
        The folder holds files of somebody else, or pandoc is not there.
    """
    run, to = read_run(run), Path(to).absolute()
    if template and not _is_word(Path(template)):
        raise ParameterError(f"The template {template} is not there, or is no Word file (.docx).")
    book, rules = run.words()
    figures = _figures(run, rules, book)
    text = _text(run, rules, book, figures)
    with TemporaryDirectory() as made, paths.told(to), paths.held(to, "export"):
        scratch = Path(made)
        _draw(figures, book, scratch)
        _convert(text, scratch, Path(template).absolute() if template else _reference(scratch))
        files = [p for p in sorted(scratch.rglob("*")) if p.is_file() and p.name != REFERENCE]
        paths.empty_for_a_run(to)
        try:
            for file in files:
                paths.write_whole(to / file.relative_to(scratch), file.read_bytes())
        except OutputError:
            paths.empty_for_a_run(to)  # a part of it would look like all
            raise
    return sorted(to / file.relative_to(scratch) for file in files)


def _is_word(file: Path) -> bool:
    return file.is_file() and zipfile.is_zipfile(file) and "word/styles.xml" in _unzipped(file)


def _convert(text: str, folder: Path, styles: Path) -> None:
    """Write both formats of a text, and its references, beside its figures."""
    shutil.copy(HERE / "references.bib", folder)
    formats = {"docx": ["--to=docx", f"--reference-doc={styles}"], "tex": ["--to=latex"]}
    read = ["--from=markdown-implicit_figures", "--standalone", "--citeproc"]
    read.append(f"--csl={HERE / 'apa.csl'}")
    for ending, how in formats.items():
        source = text.replace(".FIGURE", ".png" if ending == "docx" else ".pdf")
        pandoc(*read, *how, f"--output=paper.{ending}", given=source, at=folder)
    _with_vectors(folder / "paper.docx", sorted((folder / "figures").glob("*.png")))


def _with_vectors(paper: Path, pictures: list[Path]) -> None:
    """Put the SVG of each picture beside it, as Word does: what draws no SVG shows the picture.

    Rows of tables are kept whole, and short tables on one page.
    """
    parts = _unzipped(paper)
    body = parts["word/document.xml"].decode()
    for table in re.findall("<w:tbl>.*?</w:tbl>", body, flags=re.DOTALL):
        if table.count("<w:tr>") > LONG:
            body = body.replace(table, table.replace('w:val="Compact"', 'w:val="LongTable"'))
    parts["word/document.xml"] = _swapped(body.encode(), WORD["rows"]["swaps"])
    for name in [n for n in parts if n.startswith("word/media/")]:
        source = next(p for p in pictures if p.read_bytes() == parts[name])
        parts[f"{name.removesuffix('.png')}.svg"] = source.with_suffix(".svg").read_bytes()
        for part, swap in WORD["vectors"].items():
            parts[part] = _swapped(parts[part], [[s.replace("ID", Path(name).stem) for s in swap]])
    _zip(paper, parts)


def _swapped(content: bytes, swaps: list[list[str]]) -> bytes:
    text = content.decode()
    for find, put in swaps:
        text = re.sub(find, put, text, flags=re.DOTALL)
    return text.encode()


def _unzipped(file: Path | io.BytesIO) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as parts:
        return {name: parts.read(name) for name in parts.namelist()}


def _zip(target: Path, parts: dict[str, bytes]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in parts.items():
            new.writestr(name, content)


def _figures(run: Run, rules: Rules, book: Codebook) -> dict[str, tuple[str, Axes]]:
    """Caption and drawing of each figure that the run has numbers for."""
    main = rules.primary_rows(run.findings).dropna(subset=["estimate"])
    kind = main.set_index(KEY).index.map({c.key: c.kind for c in rules.claims}).to_numpy()
    slopes, days = main[np.isin(kind, ["association", "modest"])], main[kind == "rate_absence"]
    drawn = {}
    if len(slopes):
        caption = "The primary estimates with their 95 % intervals"
        drawn["primary"] = caption, plots.forest(slopes, rules.bounds["correlation"], book)
    if len(days):
        ends = rules.bounds["rate_ratio_low"], rules.bounds["rate_ratio_high"]
        caption = "Hospital days against the bounds of what would matter"
        drawn["days"] = caption, plots.equivalence(days, *ends, log=True, codebook=book)
    return drawn


def _draw(figures: dict[str, tuple[str, Axes]], book: Codebook, folder: Path) -> None:
    """Each figure as PDF, SVG and PNG, without the title, which is the caption's."""
    (folder / "figures").mkdir()
    stamps = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
    for name, (_, ax) in figures.items():
        own_figure(ax.figure, book).suptitle("")
        for ending, stamp in stamps.items():
            ax.figure.savefig(folder / "figures" / f"{name}.{ending}", dpi=300, metadata=stamp)
        plt.close(ax.figure)


def _text(run: Run, rules: Rules, book: Codebook, figures: dict[str, tuple[str, Axes]]) -> str:
    """The manuscript in pandoc's Markdown."""
    findings, analyses = run.findings, set(run.findings["analysis"])
    rows = rules.primary_rows(findings).set_index(KEY, drop=False).to_dict("index")
    told = [c for c in rules.claims if c.key in rows]
    readings = estimable(findings[findings["analysis"].isin(READINGS)], rules)
    then = readings.groupby(KEY)["verdict"].agg(tuple).to_dict()
    claims = [
        {
            "finding": c.finding,
            "claim": c.text.rstrip("."),
            "then": " / ".join(map(word, dict.fromkeys(then.get(c.key, ())))),
            "now": word(rows[c.key]["verdict"]),
            "statistics": statistics(c, rows[c.key]),
            "n": figure_number(rows[c.key]["n"], 0) if pd.notna(rows[c.key]["n"]) else "",
        }
        for c in told
    ]
    frames = {name: pd.read_csv(file) for name, file in run.tables.items()}
    tables, number = {}, count(1)
    shown = {"claims": pd.DataFrame(claims)} | frames
    for name in [n for n in NUMBERED if n in shown]:
        frame = _triangle(frames[name], book) if name == "correlations" else shown[name]
        less = frame.drop(columns=["reason", *NUMBERED[name][1:]], errors="ignore")
        tables[name] = {
            "number": next(number),
            "lines": 8 + len(frame) * (len(frame) < LONG),  # of a page, asked for
            "caption": _caption(name, frame, book),
            "body": _pipe(_with_intervals(_without_zeros(less, book)), name != "correlations"),
            "note": NOTES.get(name) or NOTES.get(name.rpartition("_")[2]) or NOTES["blocks"],
        }
    env = jinja2.Environment(
        autoescape=False, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    env.filters |= {"md": escaped, "coefficient": coefficient, "number": figure_number}
    env.filters |= {"p": p_words, "cited": _cited, "symbols": _symbols, "capital": capital}
    records = {name: frame.to_dict("records") for name, frame in frames.items()}
    words = {
        "word": lambda name: escaped(word(name, book)),
        "told": read_stress(),
        "named": TOLD["bounds"],
        "notes": NOTES,
    }
    return own_words(
        env.from_string((HERE / "paper.md.j2").read_text("utf-8")).render(
            about=run.about, book=book, claims=claims, tables=tables, frames=records, **words,
            bounds=_bounds(run, told), analyses=sorted(analyses), own=rules.own,
            primary=rules.primary_of(analyses), regressions=REGRESSIONS, figures={
                name: {"number": at, "caption": caption, "alt": ax.figure.get_label(),
                       "width": min(100, round(100 * TALLEST * ax.figure.get_figwidth()
                                               / ax.figure.get_figheight() / TEXT))}
                for at, (name, (caption, ax)) in enumerate(figures.items(), 1)
            },
        ),
        book,
    )  # fmt: skip


def escaped(text: object) -> str:
    """Text in which pandoc finds no markup."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|$@~^\"'-])", r"\\\1", str(text))


def _symbols(text: object) -> str:
    """Text with statistics in italics, r, p, R, F, t, z, n, on one line with their value."""
    slanted = re.sub(r"\b([rptzFRn])(?=²|\\\(| =| \\<)", r"*\1*", escaped(text))
    return re.sub(r"(?<=\*) (=|\\<) ", r"\\ \1\\ ", slanted)


def _cited(text: object) -> str:
    """Text in which the works of references.bib, as in Cohen (1988), are pandoc's citations."""
    known = re.findall(r"@\w+\{(\w+),", (HERE / "references.bib").read_text("utf-8"))

    def cite(found: re.Match) -> str:
        first = unicodedata.normalize("NFKD", found[1]).encode("ascii", "ignore").decode()
        key = first.lower() + found[2]
        return f"@{key}" if key in known else found[0]

    work = r"(\w+)(?:(?:, | & )[A-Z]\w+| et al\.)* \\\((\d{4})\\\)(?:, [\w ]+ \d+:\d+\\-\d+)?"
    return re.sub(work, cite, escaped(text))


def _triangle(frame: pd.DataFrame, book: Codebook) -> pd.DataFrame:
    """Correlations as journals print them: variables numbered, the lower half."""
    names = [f"{k}. {book.label(term)}" for k, term in enumerate(frame["term"], 1)]
    cells = np.tril(frame[frame["term"]].map(coefficient).to_numpy(object), -1)
    np.fill_diagonal(cells, "–")
    heads = [str(k) for k in range(1, len(names))]
    table = pd.DataFrame(cells[:, :-1], columns=heads).replace({0: ""})
    return pd.DataFrame({"Variable": names, "n": frame["n"]}).join(table)


def _caption(name: str, frame: pd.DataFrame, book: Codebook) -> str:
    outcome = book.label(frame["outcome"].iloc[0]) if "outcome" in frame else ""
    return NUMBERED[name][0].format(outcome[:1].lower() + outcome[1:])


def _bounds(run: Run, claims: list[Claim]) -> dict[str, dict]:
    """The bounds that claims of this run are judged by, with value, reason and source."""
    more = {"modest": ["modest_high"], "rate_absence": ["rate_ratio_low", "rate_ratio_high"]}
    used = {c.bound for c in claims if c.kind != "rate_absence"}.union(
        *(more.get(c.kind, []) for c in claims)
    )
    return {name: bound for name, bound in run.plan["claims"]["bounds"].items() if name in used}


def _without_zeros(frame: pd.DataFrame, book: Codebook) -> pd.DataFrame:
    """A table as text, without the zero before the point of what cannot be above 1."""
    shown = pretty(frame, book).shown
    for at, name in enumerate(c for c in frame if frame[c].notna().any() or c == frame.columns[0]):
        rows = slice(None)
        if name in ("estimate", "conf_low", "conf_high") and "statistic" in frame:
            rows = ~frame["statistic"].isin(POINTS).to_numpy()
        elif name not in NO_ZERO and "r_squared" not in name and name != "semipartial_r2":
            continue
        shorter = shown.iloc[rows, at].str.replace(r"(?<![\d.])0(?=\.\d)", "", regex=True)
        shown.iloc[rows, at] = shorter
    return shown


def _with_intervals(shown: pd.DataFrame) -> pd.DataFrame:
    """Both limits of an interval in one column."""
    for stem, name in TOLD["intervals"].items():
        low, high = f"{stem} low", f"{stem} high"
        if {low, high} <= set(shown):
            text = ("[" + shown[low] + ", " + shown[high] + "]").where(shown[low] != "", "")
            shown = shown.assign(**{low: text}).drop(columns=high).rename(columns={low: name})
    return shown


def _pipe(shown: pd.DataFrame, dashes: bool) -> str:
    """A table in Markdown, numbers to the right; pandoc shares the width by the dashes."""
    cells = shown.map(lambda cell: re.sub(r"(?<![\w.])-(?=[\d.])", "−", str(cell)))
    cells = cells.replace("", "–") if dashes else cells
    cells.isetitem(0, cells.iloc[:, 0].str.lstrip(". …").map(capital))
    lines, ends = [[SYMBOLS.get(head, escaped(head)) for head in shown.columns]], []
    for at, head in enumerate(shown.columns):
        column = [head, *cells.iloc[:, at]]
        most = max(map(len, column))
        wide = max(*(5 + round(1.5 * len(part)) for text in column for part in text.split()),
                   min(4 + most, WIDEST + max(most - WIDEST, 0) // 4))  # fmt: skip
        right = at and all(re.match(r"[−<–.[\d∞]|$", text) for text in column[1:])
        ends.append("-" * (wide - 1) + ("-:"[bool(right)]))
    lines += [ends, *([_symbols(cell) for cell in row] for row in cells.to_numpy().tolist())]
    return "\n".join(f"| {' | '.join(line)} |".replace("\n", " ") for line in lines)


def pandoc(*options: str, given: str = "", at: Path | None = None) -> bytes:
    """Run pandoc, that of the pypandoc package or one on the PATH.

    Raises
    ------
    OutputError
        There is none, or it refuses.
    """
    import pypandoc

    try:
        program = pypandoc.get_pandoc_path()  # its own, or one on the PATH
    except OSError:
        raise OutputError("Export needs pandoc: pip install pypandoc-binary.") from None
    done = subprocess.run([program, *options], input=given.encode(), capture_output=True, cwd=at)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise OutputError(f"pandoc could not write the paper: {said[-1] if said else 'no reason'}")
    return done.stdout


def _reference(folder: Path) -> Path:
    """Pandoc's own Word styles with the journal's: Times, tables with rules above and below."""
    parts = _unzipped(io.BytesIO(pandoc("--print-default-data-file=reference.docx")))
    parts["word/styles.xml"] = _swapped(parts["word/styles.xml"], WORD["styles"]["swaps"])
    _zip(folder / REFERENCE, parts)
    return folder / REFERENCE
