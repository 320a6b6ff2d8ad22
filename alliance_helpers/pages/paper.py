"""A run as a manuscript: methods, results, tables and figures for Word and for LaTeX.

Nothing in it is typed by hand: each number of a result is one of the run's `findings.csv` or
`tables/`, its words are those of `paper.md.j2`. Pandoc makes both files of one text.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import jinja2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from .. import paths
from ..claims.as_1995 import READINGS
from ..claims.rules import Claim, Rules, claims_file, read_rules
from ..errors import OutputError, ParameterError
from ..study.codebook import Codebook, own_words
from ..study.load import codebook_of
from ..study.yaml_text import read_yaml
from . import claim_figures
from .printing import CLAIM, coefficient, decimals_for, figure_number, p_words, pretty, word

HERE = Path(__file__).parent
NUMBERED = {
    "table_1": ("Who took part", ""),
    "reliabilities": ("Reliability of the scores", "informant lowest_item_rest_r"),
    "correlations": ("Correlations of ratings and outcomes", ""),
    "agreement": ("Agreement of client and case manager", ""),
    "finding_2_blocks": ("Hierarchical regression, block by block", "adj_r_squared"),
    "finding_2_terms": ("The final model of that regression", "statistic df tolerance"),
    "count_models": ("Count models of hospital days", "theta_std_error identified"),
    "rate_ratios": ("Rate ratios of hospital days",
                    "estimate std_error statistic df conf_low conf_high n"),
}  # fmt: skip
"""Tables of a run in the order of the paper, after the one of the claims; columns left out."""
INTERVALS = {"95 % CI": "conf", "95 % CI of alpha": "alpha", "95 % CI of the ratio": "rate_ratio"}
WIDEST = 34  # letters that a column may ask for


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
        `run` is no run, or one that failed.
    OutputError
        The folder holds files of somebody else, or pandoc is not there.
    """
    run, to = Path(run), Path(to)
    about, findings = _whole(run)
    book = codebook_of(about["parameters"].get("data"), about["parameters"].get("codebook"))
    claims = about["parameters"].get("claims"), about["parameters"].get("data")
    rules = read_rules(*claims, book)
    with paths.told(to), paths.held(to):
        paths.empty_for_a_run(to)
        alt = _draw(findings, rules, book, to / "figures")
        bounds = read_yaml(claims_file(*claims))[0].get("bounds", {})
        text = _text(run, about, findings, rules, book, bounds, alt)
        paths.write_whole(to / "references.bib", (HERE / "references.bib").read_text("utf-8"))
        for ending in ("docx", "tex"):
            paths.write_whole(to / f"paper.{ending}", _converted(text, to, ending, template))
    return sorted(p for p in to.rglob("*") if p.is_file() and p.name != paths.LIST)


def _whole(run: Path) -> tuple[dict, pd.DataFrame]:
    """A run's record and findings, if all of it is there."""
    if not (run / paths.RUN_FILE).is_file():
        raise ParameterError(f"{run} is no run: it has no run.json. Name what alliance run wrote.")
    try:
        about = json.loads((run / paths.RUN_FILE).read_text("utf-8"))
        failed = [r["notebook"] for r in about["notebooks"] if r["status"] != "done"]
    except (ValueError, KeyError, TypeError):
        raise ParameterError(f"{run / paths.RUN_FILE} is damaged. Run it again.") from None
    if failed:
        raise ParameterError(f"The run in {run} failed in {', '.join(failed)}. Run it again first.")
    if not (run / "findings.csv").is_file():
        raise ParameterError(f"The run in {run} has no findings.csv: there is nothing to report.")
    return about, pd.read_csv(run / "findings.csv", dtype={"finding": str})


def _draw(findings: pd.DataFrame, rules: Rules, book: Codebook, folder: Path) -> str:
    """The figure of the primary estimates as PDF, SVG and PNG; what it shows in words."""
    main = primary(findings, rules)
    kinds = {c.key: c.kind for c in rules.claims}
    rows = main[[kinds.get(key) in ("association", "modest") for key in _keys(main)]]
    ax = claim_figures.forest(rows, rules.bounds["correlation"], book, "The primary estimates")
    figure = ax.figure
    for ending in ("pdf", "svg", "png"):
        stamp = {"Date": None} if ending == "svg" else {}
        stamp |= {"CreationDate": None} if ending == "pdf" else {}
        buffer = io.BytesIO()
        figure.savefig(buffer, format=ending, dpi=300, metadata=stamp)
        paths.write_whole(folder / f"primary.{ending}", buffer.getvalue())
    plt.close(figure)
    return own_words(figure.get_label(), book)


def primary(findings: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """The rows of the primary analysis."""
    return rules.primary_rows(findings)


def _keys(rows: pd.DataFrame) -> list[tuple]:
    return list(rows[CLAIM].itertuples(index=False, name=None))


def _text(
    run: Path, about: dict, findings: pd.DataFrame, rules: Rules, book: Codebook,
    bounds: dict, alt: str,
) -> str:  # fmt: skip
    """The manuscript in pandoc's Markdown."""
    main = primary(findings, rules)
    rows = dict(zip(_keys(main), main.to_dict("records"), strict=True))
    readings = findings[findings["analysis"].isin(READINGS)]
    then = readings.groupby(CLAIM)["verdict"].agg(tuple).to_dict()
    claims = [
        {
            "finding": c.finding,
            "text": c.text.rstrip("."),
            "then": " / ".join(map(word, dict.fromkeys(then.get(c.key, ())))),
            "statistics": statistics(c, rows[c.key]),
            "n": figure_number(rows[c.key]["n"], 0) if pd.notna(rows[c.key]["n"]) else "",
            "verdict": word(rows[c.key]["verdict"]),
            "analysis": word(rows[c.key]["analysis"]),
        }
        for c in rules.claims
        if c.key in rows
    ]
    numbers = count(1)
    tables = {}
    for name, (caption, less) in {"claims": ("Each claim, then and now", "finding analysis"),
                                  **NUMBERED}.items():  # fmt: skip
        if name == "claims":
            frame = pd.DataFrame(claims)
        elif (run / "tables" / f"{name}.csv").is_file():
            frame = pd.read_csv(run / "tables" / f"{name}.csv")
        else:
            continue
        if name == "correlations":
            frame = _triangle(frame, book)
        frame = _with_intervals(frame).drop(columns=["reason", *less.split()], errors="ignore")
        body = _pipe(pretty(frame, book).shown)
        tables[name] = {"number": next(numbers), "caption": caption, "body": body}
    scored = run / "tables" / "reliabilities.csv"
    total = pd.read_csv(scored).query("subscale == 'total'") if scored.is_file() else None
    total = {} if total is None else total.set_index("scale").to_dict("index")
    env = jinja2.Environment(
        autoescape=False, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    env.filters |= {"md": escaped, "coefficient": coefficient}
    return own_words(
        env.from_string((HERE / "paper.md.j2").read_text("utf-8")).render(
            about=about, book=book, claims=claims, tables=tables, bounds=bounds, alt=escaped(alt),
            total=total, analyses=set(findings["analysis"]),
        ),
        book,
    )  # fmt: skip


def statistics(claim: Claim, row: dict) -> str:
    """A claim's estimate as a journal prints it; the reason where there is none.

    `r(192) = .18, 95 % CI [.04, .32], p = .011`; blocks as R², days as a rate ratio.
    """
    estimate, p = row["estimate"], p_words(row["p_value"])
    if pd.isna(estimate):
        return "" if claim.kind == "all_of" else str(row["criterion"])
    if claim.kind.startswith("block"):
        bound = p_words(row["p_equivalence"], "p for equivalence ")
        return ", ".join(filter(None, [f"R² = {coefficient(estimate, 3)}", p, bound]))
    form, symbol = coefficient, "β"
    if claim.kind == "rate_absence":
        form, symbol = figure_number, "rate ratio"
    elif row["analysis"] == "as_published":
        symbol = f"r({row['df']:.0f})" if np.isfinite(row["df"]) else "r"
    elif claim.kind == "modest":
        symbol = "r"  # its degrees of freedom are the case managers'
    low, high = row["conf_low"], row["conf_high"]
    digits = max(2, decimals_for(high - low))
    interval = f"95 % CI [{form(low, digits)}, {form(high, digits)}]" if pd.notna(low) else ""
    return ", ".join(filter(None, [f"{symbol} = {form(estimate, digits)}", interval, p]))


def escaped(text: object) -> str:
    """Text in which pandoc finds no markup."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|$@~^\"'-])", r"\\\1", str(text))


def _triangle(frame: pd.DataFrame, book: Codebook) -> pd.DataFrame:
    """Correlations as journals print them: variables numbered, the lower half."""
    names = [f"{k}. {book.label(term)}" for k, term in enumerate(frame["term"], 1)]
    numbers = frame.drop(columns="term").to_numpy(float)
    cells = [
        [
            coefficient(r) if k < row and pd.notna(r) else "–" if k == row else ""
            for k, r in enumerate(line)
        ]
        for row, line in enumerate(numbers)
    ]
    table = pd.DataFrame(cells, columns=[str(k) for k in range(1, len(names) + 1)])
    table.insert(0, "Variable", names)
    return table.iloc[:, :-1]


def _with_intervals(frame: pd.DataFrame) -> pd.DataFrame:
    """Both limits of an interval in one column."""
    for name, stem in INTERVALS.items():
        low, high = f"{stem}_low", f"{stem}_high"
        if low in frame and high in frame:
            same_unit = stem == "conf"
            digits = [decimals_for(w) if same_unit else 2 for w in frame[high] - frame[low]]
            ends = zip(frame[low], frame[high], digits, strict=True)
            form = figure_number if stem == "rate_ratio" else coefficient
            text = [f"[{form(a, d)}, {form(b, d)}]" if pd.notna(a) else "" for a, b, d in ends]
            frame = frame.assign(**{low: text}).drop(columns=high).rename(columns={low: name})
    return frame


def _pipe(shown: pd.DataFrame) -> str:
    """A table in Markdown; pandoc shares the width by the dashes."""
    rows = [list(shown.columns), *shown.to_numpy().tolist()]
    cells = [[escaped(cell).replace("\n", " ") for cell in row] for row in rows]
    wide = [
        max(*(4 + len(part) for text in column for part in text.split()), min(most, WIDEST), 8)
        for column in zip(*rows, strict=True)
        for most in [4 + max(map(len, column))]
    ]
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * w for w in wide) + "|", *lines[1:]])


def _converted(text: str, to: Path, ending: str, template: str | Path | None) -> Callable:
    """What writes the text in one format into the file that it is given."""

    def write(part: Path) -> None:
        with TemporaryDirectory() as scratch:
            how = ["--to=latex"] if ending == "tex" else ["--to=docx"]
            if ending == "docx":
                how.append(f"--reference-doc={template or _reference(Path(scratch))}")
            source = text.replace("FIGURE.pdf", "FIGURE.pdf" if ending == "tex" else "FIGURE.png")
            source = source.replace("FIGURE", "figures/primary")
            pandoc("--from=markdown", "--standalone", "--citeproc", *how, f"--output={part}",
                   f"--resource-path={to}", given=source, at=to)  # fmt: skip

    return write


def pandoc(*options: str, given: str = "", at: Path | None = None) -> bytes:
    """Run pandoc, that of the pypandoc package or one on the PATH.

    Raises
    ------
    OutputError
        There is none, or it refuses.
    """
    import pypandoc

    try:
        program = pypandoc.get_pandoc_path()
    except OSError:
        program = shutil.which("pandoc")
    if not program:
        raise OutputError("Export needs pandoc: pip install pypandoc-binary.")
    done = subprocess.run([program, *options], input=given.encode(), capture_output=True, cwd=at)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise OutputError(f"pandoc could not write the paper: {said[-1] if said else 'no reason'}")
    return done.stdout


def _reference(folder: Path) -> Path:
    """Pandoc's own Word styles with the journal's: Times, tables with rules above and below."""
    rule = '<w:{} w:val="single" w:sz="8" w:space="0" w:color="auto"/>'
    rules = f"<w:tblBorders>{rule.format('top')}{rule.format('bottom')}</w:tblBorders>"
    swaps = [
        (r"(w:type=\"table\"[^>]*w:styleId=\"Table\".*?<w:tblPr>)", rf"\1{rules}"),
        (r'(w:styleId="Compact".*?)(</w:style>)', r'\1<w:rPr><w:sz w:val="18"/></w:rPr>\2'),
        (r"<w:rFonts [^>]*/>", '<w:rFonts w:ascii="Times New Roman" w:hAnsi="Times New Roman" '
                               'w:cs="Times New Roman"/>'),
        (r'<w:color w:val="[0-9A-F]{6}"[^>]*/>', '<w:color w:val="000000"/>'),
    ]  # fmt: skip
    target = folder / "reference.docx"
    made = pandoc("--print-default-data-file=reference.docx")
    with zipfile.ZipFile(io.BytesIO(made)) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "word/styles.xml":
                styles = content.decode()
                for find, put in swaps:
                    styles = re.sub(find, put, styles, flags=re.DOTALL)
                content = styles.encode()
            new.writestr(name, content)
    return target
