"""The page of a batch: which runs failed, and how verdicts and estimates spread over the grid."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from pathlib import Path

import jinja2
import pandas as pd
from markupsafe import Markup

from ..claims.rules import read_rules
from ..paths import write_whole
from .batch_folder import BatchSummary

TEMPLATE = Path(__file__).with_name("batch.html.j2")
CLAIM = ["finding", "claim", "informant"]
COLOURS = {"supported": "#1b6e53", "inconclusive": "#c9c5bb", "not_supported": "#b5482f"}
WIDTH, HEIGHT = 110, 14  # of a drawing, in pixels
MARKS = [0.05, 0.25, 0.5, 0.75, 0.95]
FEW = 12  # values of a parameter that are still shown side by side
SHOWN = 50  # failed runs


def write_page(folder: Path, summary: BatchSummary, runs: pd.DataFrame, names: list[str]) -> None:
    """Write `batch.html` into a batch's folder, from its tables.

    Parameters
    ----------
    folder : pathlib.Path
        With `findings.parquet`, unless no run came to its end.
    summary : BatchSummary
    runs : pandas.DataFrame
        As `runs.csv`.
    names : list of str
        The parameters of the grid.
    """
    path = folder / "findings.parquet"
    tables = []
    if path.exists():
        findings = pd.read_parquet(path)
        findings[CLAIM] = findings[CLAIM].astype(object).fillna("")
        by_value = [_shares(findings, name) for name in names if name != "seed"]
        tables = [_verdicts(findings), _estimates(findings), *filter(None, by_value)]
    environment = jinja2.Environment(autoescape=True)
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        name=folder.name,
        summary=summary,
        names=", ".join(names),
        tables=tables,
        failures=_failures(runs, names),
        colours=COLOURS,
    )
    write_whole(folder / "batch.html", page)


def _verdicts(findings: pd.DataFrame) -> dict:
    note = "Share of the runs with each verdict, and the percentage supported."
    rows = _rows(findings, ["analysis"], lambda group, _: _bar(group["verdict"]))
    return {"title": "Verdicts", "note": note, "key": True, "rows": rows} | _heads(findings)


def _estimates(findings: pd.DataFrame) -> dict:
    note = (
        "Line: 5 % to 95 % of the runs; box: the middle half; dot and number: median; dashes: no "
        "association (0; of rate ratios 1). Drawings of one claim share a scale."
    )
    rows = _rows(findings, ["analysis"], _strip)
    return {"title": "Estimates", "note": note, "rows": rows} | _heads(findings)


def _shares(findings: pd.DataFrame, name: str) -> dict | None:
    """Shares of `supported` by the values of one parameter, if it has a few."""
    column = name if name in findings else f"parameter_{name}"
    if column not in findings or not 2 <= findings[column].nunique() <= FEW:
        return None
    values = list(dict.fromkeys(findings[column].dropna()))
    rows = _rows(findings, ["analysis", column], lambda group, _: _share(group["verdict"]))
    return {
        "title": f"Percentage of runs in which a claim is supported, by {name}",
        "note": "",
        "rows": rows,
        "heads": list(dict.fromkeys(findings["analysis"])),
        "beneath": ["(empty)" if v == "" else v for v in values],
    }


def _heads(findings: pd.DataFrame) -> dict:
    return {"heads": list(dict.fromkeys(findings["analysis"])), "beneath": []}


def _rows(findings: pd.DataFrame, across: list[str], draw: Callable) -> list[dict]:
    """A row per claim; a cell per analysis (and value), drawn from its runs and all the claim's."""
    texts = read_rules().texts
    heads = [list(dict.fromkeys(findings[c].dropna())) for c in across]
    columns, every = list(product(*heads)), math.prod(map(len, heads[1:]))
    rows, before = [], None
    for key, claim in findings.groupby(CLAIM, sort=False):
        groups = dict(list(claim.groupby(across)))
        cells = [
            (draw(groups[c], claim) if c in groups else {}) | {"group": place % every == 0}
            for place, c in enumerate(columns)
        ]
        text = texts.get(key, f"{key[1]} ({key[2]})".replace("_", " "))
        rows.append({"claim": f"{key[0]}: {text}", "first": key[0] != before, "cells": cells})
        before = key[0]
    return rows


def _is_ratio(rows: pd.DataFrame) -> pd.Series:
    """Which estimates are rate ratios, whose neutral value is 1: their criterion says so."""
    said = rows.get("criterion", pd.Series("", rows.index))
    return said.astype("str").str.contains("rate ratio", na=False)


def _svg(content: str, words: str) -> Markup:
    """An inline drawing, with words for those who do not see it; numbers and colours only."""
    return Markup(
        f'<svg width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{words}">'
        f"<title>{words}</title>{content}</svg>"
    )


def _bar(verdicts: pd.Series) -> dict:
    """Shares of the verdicts as one stacked bar."""
    shares = verdicts.value_counts(normalize=True)
    parts, x = [], 0.0
    for verdict, colour in COLOURS.items():
        width = WIDTH * float(shares.get(verdict, 0.0))
        parts.append(f'<rect x="{x:.1f}" width="{width:.1f}" height="{HEIGHT}" fill="{colour}"/>')
        x += width
    words = ", ".join(f"{v.replace('_', ' ')} {shares.get(v, 0.0):.0%}" for v in COLOURS)
    return {"drawing": _svg("".join(parts), words), "text": f"{shares.get('supported', 0.0):.0%}"}


def _strip(group: pd.DataFrame, claim: pd.DataFrame) -> dict:
    """A lying box plot of five quantiles, on the scale of the claim's estimates of this kind."""
    known = group["estimate"].dropna()
    if known.empty:
        return {"text": "no estimate"}
    marks = known.quantile(MARKS).tolist()
    ratio = bool(_is_ratio(group).iloc[0])
    low, high = claim["estimate"][_is_ratio(claim) == ratio].quantile([0.01, 0.99])
    low, high = min(low, float(ratio)), max(high, float(ratio))
    span = (high - low) or 1.0
    x = [4 + (WIDTH - 8) * (min(max(m, low), high) - low) / span for m in (*marks, float(ratio))]
    middle = HEIGHT / 2
    drawing = (
        f'<line x1="{x[5]:.1f}" x2="{x[5]:.1f}" y1="0" y2="{HEIGHT}" stroke="#888" '
        f'stroke-dasharray="2 2"/><line x1="{x[0]:.1f}" x2="{x[4]:.1f}" y1="{middle}" '
        f'y2="{middle}" stroke="#444"/><rect x="{x[1]:.1f}" width="{max(x[3] - x[1], 1):.1f}" '
        f'y="{middle - 4}" height="8" fill="#9db4c8"/><circle cx="{x[2]:.1f}" cy="{middle}" r="3" '
        f'fill="#1d3d5c"/>'
    )
    words = f"median {marks[2]:.3f}, 5 to 95 per cent {marks[0]:.3f} to {marks[4]:.3f}"
    return {"drawing": _svg(drawing, words), "text": f"{marks[2]:.2f}"}


def _share(verdicts: pd.Series) -> dict:
    share = float(verdicts.eq("supported").mean())
    return {"text": f"{share:.0%}", "colour": f"rgba(27, 110, 83, {0.6 * share:.2f})"}


def _failures(runs: pd.DataFrame, names: list[str]) -> list[dict]:
    """The failed runs with their reasons, the first of them if they are many."""
    rows = []
    for run in runs[runs["status"] == "failed"].head(SHOWN).to_dict("records"):
        cell = run["error_cell"]
        given = [f"{n} {run[n]}" for n in names if not (pd.isna(run[n]) or run[n] == "")]
        cell = "" if pd.isna(cell) else int(cell)
        rows.append(run | {"parameters": ", ".join(given), "cell": cell})
    return rows
