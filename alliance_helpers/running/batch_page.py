"""The page of a batch: how estimates and verdicts spread over the grid, and which runs failed."""

from __future__ import annotations

from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup

from .batch_folder import BatchSummary
from .runner import write_whole

ROW = ["finding", "claim", "analysis", "informant", "term"]
VERDICTS = ("supported", "inconclusive", "not_supported")
COLOURS = {"supported": "#1b6e53", "inconclusive": "#c9c5bb", "not_supported": "#b5482f"}
WIDTH = 240  # of a strip, in pixels
FEW = 12  # values of a parameter that are still shown side by side

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Batch {{ name }}</title>
<style>
 body {font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem;
       color: #222; background: #fff}
 h1 {font-size: 1.5rem} h2 {font-size: 1.15rem; margin-top: 2rem}
 table {border-collapse: collapse; font-variant-numeric: tabular-nums}
 th, td {text-align: left; padding: .2rem .6rem; border-bottom: 1px solid #e5e2da;
         vertical-align: middle}
 th {font-weight: 600; background: #faf9f6} td.n, th.n {text-align: right}
 td.one {white-space: nowrap}
 .wide {overflow-x: auto} .key i {display: inline-block; width: .8em; height: .8em; margin: 0 .3em
 0 1em} svg {display: block} pre {white-space: pre-wrap; margin: 0; font-size: .85em}
</style></head><body>
<h1>Batch {{ name }}</h1>
<p>{{ summary.done }} of {{ summary.runs }} runs done
{%- if summary.failed %}, {{ summary.failed }} failed{% endif %}
{%- if summary.missing %}, {{ summary.missing }} not run (add <code>--resume</code>){% endif %}.
The grid varies {{ names or "nothing" }}. One row per claim and run: <code>findings.csv</code>,
<code>findings.parquet</code>; one row per run: <code>runs.csv</code>.</p>
{% if rows %}
<h2>Estimates and verdicts over the runs</h2>
<p>Line: 5 % to 95 % of the runs; box: the middle half; dot: median; dashes: zero.
Rows of one claim share a scale.</p>
<p class="key">{% for verdict in verdicts %}<i style="background: {{ colours[verdict] }}"></i>
{{- verdict.replace("_", " ") }}{% endfor %}</p>
<div class="wide"><table><tr><th>finding</th><th>claim</th><th>analysis</th><th>informant</th>
<th>term</th><th class="n">runs</th><th class="n">median</th><th>5 % to 95 %</th><th>estimates</th>
<th>verdicts</th></tr>
{% for row in rows %}<tr><td>{{ row.finding }}</td><td>{{ row.claim }}</td><td>{{ row.analysis }}
</td><td>{{ row.informant }}</td><td>{{ row.term }}</td><td class="n">{{ row.runs }}</td>
<td class="n">{{ row.median }}</td><td class="one">{{ row.spread }}</td><td>{{ row.strip }}</td>
<td>{{ row.bar }}</td></tr>
{% endfor %}</table></div>
{% endif %}
{% for table in shares %}
<h2>Share of runs in which a claim is supported, by {{ table.name }}</h2>
<div class="wide"><table><tr><th>finding</th><th>claim</th><th>analysis</th><th>informant</th>
<th>term</th>
{%- for value in table.columns %}<th class="n">{{ value }}</th>{% endfor %}</tr>
{% for row in table.rows %}<tr>{% for cell in row.labels %}<td>{{ cell }}</td>{% endfor %}
{% for cell in row.cells %}<td class="n" style="background: {{ cell.colour }}">{{ cell.text }}</td>
{% endfor %}</tr>
{% endfor %}</table></div>
{% endfor %}
{% if failures %}
<h2>Runs that failed</h2>
<div class="wide"><table><tr><th class="n">run</th><th>parameters</th><th>notebook</th>
<th class="n">cell</th><th>error</th></tr>
{% for run in failures %}<tr><td class="n">{{ run.run }}</td><td>{{ run.parameters }}</td>
<td>{{ run.error_notebook }}</td><td class="n">{{ run.cell }}</td>
<td><pre>{{ run.error_name }}: {{ run.error_message }}</pre></td></tr>
{% endfor %}</table></div>
{% endif %}
</body></html>
"""


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
    findings = pd.read_parquet(path) if path.exists() else pd.DataFrame(columns=ROW)
    findings[ROW] = findings[ROW].astype(object).fillna("")
    environment = jinja2.Environment(autoescape=True)
    page = environment.from_string(PAGE).render(
        name=folder.name,
        summary=summary,
        names=", ".join(names),
        rows=_rows(findings),
        shares=[
            t for name in names if name != "seed" and (t := _shares(findings, name)) is not None
        ],
        failures=_failures(runs, names),
        verdicts=VERDICTS,
        colours=COLOURS,
    )
    write_whole(folder / "batch.html", page)


def _rows(findings: pd.DataFrame) -> list[dict]:
    """One row per claim, analysis, informant and term."""
    rows = []
    for _, claim in findings.groupby(["finding", "claim"], sort=False):
        estimates = claim["estimate"].dropna()
        low, high = (0.0, 0.0) if estimates.empty else estimates.quantile([0.01, 0.99])
        scale = (min(low, 0.0), max(high, 0.0))
        for key, group in claim.groupby(ROW, sort=False):
            marks = group["estimate"].dropna().quantile([0.05, 0.25, 0.5, 0.75, 0.95]).tolist()
            known = bool(np.isfinite(marks).all())
            row = dict(zip(ROW, key, strict=True)) | {"runs": group["run"].nunique()}
            row["median"] = f"{marks[2]:.3f}" if known else ""
            row["spread"] = f"{marks[0]:.3f} to {marks[4]:.3f}" if known else ""
            row["strip"] = _strip(marks, scale) if known else ""
            row["bar"] = _bar(group["verdict"])
            rows.append(row)
    return rows


def _svg(content: str, words: str) -> Markup:
    """An inline drawing, with words for those who do not see it; numbers and colours only."""
    return Markup(
        f'<svg width="{WIDTH}" height="16" role="img" aria-label="{words}"><title>{words}</title>'
        f"{content}</svg>"
    )


def _strip(marks: list[float], scale: tuple[float, float]) -> str:
    """A lying box plot of five quantiles."""
    low, high = scale
    span = (high - low) or 1.0
    x = [5 + (WIDTH - 10) * (min(max(m, low), high) - low) / span for m in (*marks, 0.0)]
    return _svg(
        f'<line x1="{x[5]:.1f}" x2="{x[5]:.1f}" y1="0" y2="16" stroke="#888" '
        f'stroke-dasharray="2 2"/><line x1="{x[0]:.1f}" x2="{x[4]:.1f}" y1="8" y2="8" '
        f'stroke="#444"/><rect x="{x[1]:.1f}" width="{max(x[3] - x[1], 1):.1f}" y="4" height="8" '
        f'fill="#9db4c8"/><circle cx="{x[2]:.1f}" cy="8" r="3" fill="#1d3d5c"/>',
        f"median {marks[2]:.3f}, 5 to 95 per cent {marks[0]:.3f} to {marks[4]:.3f}",
    )


def _bar(verdicts: pd.Series) -> str:
    """Shares of the verdicts as one stacked bar."""
    shares = verdicts.value_counts(normalize=True)
    parts, x = [], 0.0
    for verdict in VERDICTS:
        width = WIDTH * float(shares.get(verdict, 0.0))
        colour = COLOURS[verdict]
        parts.append(f'<rect x="{x:.1f}" width="{width:.1f}" y="2" height="12" fill="{colour}"/>')
        x += width
    words = ", ".join(f"{v.replace('_', ' ')} {shares.get(v, 0.0):.0%}" for v in VERDICTS)
    return _svg("".join(parts), words)


def _shares(findings: pd.DataFrame, name: str) -> dict | None:
    """Shares of `supported` by the values of one parameter, if it has a few."""
    column = name if name in findings else f"parameter_{name}"
    if column not in findings or not 2 <= findings[column].nunique() <= FEW:
        return None
    wide = findings.assign(supported=findings["verdict"].eq("supported")).pivot_table(
        index=ROW, columns=column, values="supported", aggfunc="mean", sort=False
    )
    rows = [
        {"labels": key, "cells": [_cell(share) for share in shares]}
        for key, shares in zip(wide.index, wide.to_numpy(), strict=True)
    ]
    return {
        "name": name,
        "columns": ["(empty)" if v == "" else v for v in wide.columns],
        "rows": rows,
    }


def _cell(share: float) -> dict[str, str]:
    if np.isnan(share):
        return {"text": "", "colour": "none"}
    return {"text": f"{share:.0%}", "colour": f"rgba(27, 110, 83, {0.6 * share:.2f})"}


def _failures(runs: pd.DataFrame, names: list[str]) -> list[dict]:
    """The failed runs with their reasons, at most 200 of them."""
    failed = runs[runs["status"] == "failed"].head(200)
    rows = []
    for run in failed.to_dict("records"):
        cell = run["error_cell"]
        parameters = ", ".join(f"{name} {run[name]}" for name in names)
        rows.append(run | {"parameters": parameters, "cell": "" if pd.isna(cell) else int(cell)})
    return rows
