"""What a batch found: its table of findings, its table of runs, and a page that shows both."""

from __future__ import annotations

import io
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from ..claims.rules import KEY, Rules, read_rules
from ..pages.outputs import write_csv
from ..pages.printing import TOLD, VERDICT_COLORS, WORDS, numbered, rendered, word
from ..paths import write_whole
from ..study.load import codebook_of
from .parameters import Declared, Grid
from .runner import versions

WIDTH, HEIGHT = 110, 14  # of a drawing, in pixels
MARKS = [0.05, 0.25, 0.5, 0.75, 0.95]
FEW = 12  # values of a parameter that are still shown side by side
SHOWN = 50  # failed runs
APART = ("data", "codebook", "claims", "scenario")
"""Parameters that say what is estimated: runs that differ in them are never taken together."""
TEXT = ("finding", "claim", "analysis", "informant", "term", "criterion", "verdict")
TABLES = ("findings.csv", "findings.parquet", "runs.csv", "batch.html")
FAILURE = ("error_notebook", "error_cell", "error_name", "error_message")


@dataclass(frozen=True)
class BatchSummary:
    """How a batch ended.

    Attributes
    ----------
    out : pathlib.Path
        Its folder, with `findings.parquet`, `findings.csv`, `runs.csv` and `batch.html`.
    runs, done, failed, missing : int
        Runs of the grid; those that came to their end; those that did not; those not started.
    resumed : int
        Runs of `done` that were there before.
    seconds : float
    damaged : tuple of str
        Files of the folder that were lost or damaged; what they stood for was done again.
    """

    out: Path
    runs: int
    done: int
    failed: int
    missing: int
    resumed: int
    seconds: float
    damaged: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 when every run is done, else 1."""
        return int(self.done < self.runs)


def parameter_table(grid: Grid, declared: Declared) -> tuple[pd.DataFrame, pd.Series]:
    """One row per run: the grid's parameters, defaults filled in; and the seed of each run."""
    taken = ChainMap(*declared.values())
    names = grid.names
    rows = [[run.get(name, taken[name].default) for name in names] for run in grid.runs]
    index = pd.RangeIndex(1, len(rows) + 1, name="run")
    table = pd.DataFrame(rows, index=index, columns=names)
    if "seed" in table:
        return table, table["seed"]
    return table, pd.Series(taken["seed"].default if "seed" in taken else None, index=index)


def write_tables(
    out: Path, records: Iterable[Mapping | None], parameters: pd.DataFrame, seeds: pd.Series
) -> pd.DataFrame:
    """Write findings.csv, findings.parquet and runs.csv from all runs' records.

    Parameters
    ----------
    out : pathlib.Path
        The batch's folder.
    records : iterable of (dict or None)
        What each run brought, see `RunResult.as_json`; None for one that was not run.
    parameters : pandas.DataFrame
        One row per run, index `run` from 1, one column per parameter of the grid.
    seeds : pandas.Series
        The seed of each run, with the same index.

    Returns
    -------
    pandas.DataFrame
        The table of runs.
    """
    rows, tables = [], {}
    for run, record in zip(parameters.index, records, strict=True):
        rows.append(_run_row(run, record))
        if record is not None and record["findings"] is not None:
            text = io.StringIO(record["findings"])
            tables[run] = pd.read_csv(text, dtype=dict.fromkeys(TEXT, str))
    runs = pd.DataFrame(rows).set_index("run")
    about = parameters.assign(seed=seeds)
    runs = about.join(runs[[c for c in runs if c not in FAILURE] + list(FAILURE)]).reset_index()
    write_csv(runs, out / "runs.csv")
    if tables:
        findings = pd.concat(tables, names=["run"]).reset_index("run")
        clash = {c: f"parameter_{c}" for c in parameters if c in findings}
        left = parameters.rename(columns=clash)
        findings = left.merge(findings, left_index=True, right_on="run", how="right")
        findings.insert(0, "run", findings.pop("run"))
        write_csv(findings, out / "findings.csv")
        write_whole(out / "findings.parquet", findings.to_parquet(index=False))
    return runs


def _run_row(run: int, record: Mapping | None) -> dict[str, object]:
    """One row of runs.csv."""
    if record is None:
        return {"run": run, "status": "missing"} | dict.fromkeys(FAILURE)
    ran = [r for r in record["records"] if r["status"] != "skipped"]
    seconds = {f"seconds_{r['notebook']}": r["seconds"] for r in ran}
    row = {"run": run, "status": record["status"]}
    row["seconds"] = sum(s for s in seconds.values() if s is not None)
    first = next((r for r in record["records"] if r["status"] == "failed"), {})
    failure = {name: first.get(name.replace("error_notebook", "notebook")) for name in FAILURE}
    return row | seconds | failure


def write_page(summary: BatchSummary, runs: pd.DataFrame, names: list[str]) -> None:
    """Write `batch.html` into a batch's folder, from its tables.

    Parameters
    ----------
    summary : BatchSummary
    runs : pandas.DataFrame
        As `runs.csv`.
    names : list of str
        The parameters of the grid.
    """
    path, parts = summary.out / "findings.parquet", []
    if path.exists():
        findings = pd.read_parquet(path)
        findings[KEY] = findings[KEY].astype(object).fillna("")
        apart = [name for name in APART if name in names]
        for values, rows in findings.groupby(apart, sort=False) if apart else [((), findings)]:
            parts.append(_part(dict(zip(apart, values, strict=True)), rows, names))
    failed = runs[runs["status"] == "failed"].head(SHOWN).astype(object)
    failures = failed.where(failed.notna(), "").to_dict("records")
    shown = {"summary": summary, "names": names, "parts": parts, "failures": failures}
    shown |= {"colors": VERDICT_COLORS, "words": WORDS, "versions": versions()}
    page = rendered("batch.html.j2", **shown, size=(WIDTH, HEIGHT))
    write_whole(summary.out / "batch.html", numbered(page))


def _part(values: dict[str, str], findings: pd.DataFrame, names: list[str]) -> dict:
    """The tables of runs of one study or scenario."""
    book = codebook_of(values.get("data"), values.get("codebook"))
    rules = read_rules(values.get("claims"), values.get("data"), book)
    said = ", ".join(f"{name} {value or '(empty)'}" for name, value in values.items())
    others = {
        n: n if n in findings else f"parameter_{n}" for n in names if n not in (*APART, "seed")
    }
    others = {n: column for n, column in others.items() if findings[column].nunique() > 1}
    error = ", ± its Monte Carlo standard error; n: runs."
    both = error + f" All values of {', '.join(others)} together." * bool(others)
    tables = [
        _table(findings, rules, "Verdicts", _bar, TOLD["batch"]["verdicts"] + both),
        _table(findings, rules, "Estimates", _strip, TOLD["batch"]["estimates"] + both),
    ]
    for name, column in others.items():
        if findings[column].nunique() <= FEW:
            title = f"Percentage of runs in which a claim is supported, by {name}"
            tables.append(_table(findings, rules, title, _share, "The percentage" + error, column))
    simulated = "a simulated study" if values.get("scenario") else book.title
    about = {
        "title": said.capitalize() or "All runs",
        "synthetic": book.synthetic,
        "source": simulated,
    }
    return about | {"tables": tables, "n": findings["run"].nunique()}


def _table(
    findings: pd.DataFrame, rules: Rules, title: str, draw: Callable, note: str, by: str = ""
) -> dict:
    """A row per claim; a cell per analysis (and value of a parameter), drawn from its runs."""
    texts, across = rules.texts, ["analysis", *([by] if by else [])]
    heads = [list(dict.fromkeys(findings[c].dropna())) for c in across]
    rows, before = [], None
    for claim, every in findings.groupby(KEY, sort=False):
        groups = dict(list(every.groupby(across)))
        cells = [
            (draw(groups[place], every) if place in groups else {})
            | {"group": not by or place[1] == heads[1][0]}
            for place in product(*heads)
        ]
        text = texts.get(claim, f"{claim[1]} ({claim[2]})".replace("_", " "))
        rows.append({"claim": f"{claim[0]}: {text}", "first": claim[0] != before, "cells": cells})
        before = claim[0]
    beneath = ["(empty)" if value == "" else value for value in heads[1]] if by else []
    about = {"title": title, "note": note, "key": draw is _bar, "rows": rows}
    return about | {"heads": [word(name) for name in heads[0]], "beneath": beneath}


def _is_ratio(rows: pd.DataFrame) -> pd.Series:
    """Which estimates are rate ratios, whose neutral value is 1: their criterion says so."""
    said = rows.get("criterion", pd.Series("", rows.index))
    return said.astype("str").str.contains("rate ratio", na=False)


def _bar(group: pd.DataFrame, _: pd.DataFrame) -> dict:
    """Shares of the verdicts, for a stacked bar."""
    shares = group["verdict"].value_counts(normalize=True)
    shares = shares.reindex(list(VERDICT_COLORS), fill_value=0.0)
    words = ", ".join(f"{WORDS[v]} {share:.0%}" for v, share in shares.items())
    left = WIDTH * (shares.cumsum() - shares)
    bar = list(zip(VERDICT_COLORS.values(), left, WIDTH * shares, strict=True))
    return {"bar": bar, "words": words} | _share(group, group, colored=False)


def _strip(group: pd.DataFrame, claim: pd.DataFrame) -> dict:
    """Places of five quantiles and of no association, on a scale of all the claim's estimates."""
    known = group["estimate"].dropna()
    if known.empty:
        return {"text": "no estimate"}
    marks = known.quantile(MARKS).tolist()
    ratio = bool(_is_ratio(group).iloc[0])
    low, high = claim["estimate"][_is_ratio(claim) == ratio].quantile([0.01, 0.99])
    low, high = min(low, ratio), max(high, ratio)
    x = np.interp([*marks, ratio], [low, high if high > low else low + 1], [4, WIDTH - 4])
    words = f"median {marks[2]:.3f}, 5 to 95 per cent {marks[0]:.3f} to {marks[4]:.3f}"
    error = np.sqrt(np.pi / 2 / len(known)) * known.std()  # of a median, if it is nearly normal
    about = f" ± {error:.2f}" if error == error else ""
    return {"strip": x.tolist(), "words": words, "text": f"{marks[2]:.2f}{about}, n {len(known)}"}


def _share(group: pd.DataFrame, _: pd.DataFrame, colored: bool = True) -> dict:
    """The percentage supported; its error, never 0 (Agresti & Coull 1998); the number of runs."""
    supported, n = group["verdict"].eq("supported"), len(group)
    share, near = supported.mean(), (supported.sum() + 2) / (n + 4)
    error = np.sqrt(near * (1 - near) / (n + 4))
    color = {"color": f"rgba(0, 89, 76, {0.3 * share:.2f})"} if colored else {}
    return {"text": f"{share:.0%} ± {100 * error:.0f}, n {n}"} | color
