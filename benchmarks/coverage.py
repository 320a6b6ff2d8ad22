"""Size at 5 % and coverage at 95 % of the kit's tests and intervals at this study's own shape.

    python -m benchmarks.coverage --replicates 2000 --jobs 2

writes `benchmarks/coverage.csv` and `benchmarks/coverage.md`. A replicate is a fresh
cohort of 201 dyads and 45 case managers of each of three scenarios: `no_association` (size),
`published` (coverage), `hospital_effect` (days); with `--clients 60` of 60 dyads and ten case
managers. The files hold what is done so far; `--only slopes blocks` counts some parts anew and
keeps the other rows; `--replicates 0` only writes notes and page anew.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from alliance_helpers.pages.outputs import write_csv
from benchmarks.coverage_checks import PARTS, counted, truths
from benchmarks.coverage_page import page
from benchmarks.ratio import ONE_THREAD

ROOT_SEED, PART = 20261125, 24
EDGE = "at the edge of the band, outside which one row in twenty falls by chance"
HEAD = ["clients", "method", "quantity", "kind"]
LIBERAL = (
    ("OLS naive", "", "takes dyads as independent: what ignoring case managers costs"),
    ("as_published", "", "takes dyads as independent, as in 1995"),
    ("agreement, independent", "", "takes dyads as independent: give `cluster`"),
    ("agreement, clustered", "", EDGE),
    ("truth_and_bias, independent", "", "takes dyads as independent: give `cluster`"),
    ("response_surface, independent", "", "takes dyads as independent: give `cluster`"),
    ("reliability, clustered", "", "a jackknife over 45 case managers; at the edge of the band"),
    ("reliability", "case_manager", "several forms by one case manager (94.1 with one form each)"),
    ("reliability", "client", "Feldt takes items as normal and alike (93.4 with one form each)"),
    ("one_with_many", "share", "exact for normal ratings only; at the edge of the band"),
    ("imputed, pooled", "symptoms", EDGE),
    ("mixed model, F", "", EDGE),
    ("imputed, D1", "", "D1 takes one share of missing information for the whole block"),
)
"""Explanations by the beginning of a method and a part of a quantity, the first that fits."""
CAUTIOUS = (
    ("nested_cr2, equivalence", "block", "no verdict on fewer than 4 degrees of freedom"),
    ("CR2, HTZ", "", "no verdict on fewer than 4 degrees of freedom"),
    ("CR2", "", "Satterthwaite's degrees of freedom are cautious with few case managers"),
    ("nested", "standardised", "a standardised slope has a larger error the smaller it comes out"),
    ("agreement, clustered", "", "a jackknife overstates the error a little (Efron & Stein 1981)"),
    ("as_published, equivalence", "standardised", "60 dyads cannot show so small a bound"),
    ("Poisson, CR2", "equivalence", EDGE),
    ("response_surface, CR2", "", "few case managers carry a curve: CR2 is cautious there"),
)


def tally(replicates: int, jobs: int, *how) -> Iterator[tuple[Counter, Counter]]:
    """Hits and runs so far, after every part of the replicates."""
    large, *seeds = np.random.SeedSequence(ROOT_SEED).spawn(1 + replicates)
    truth = truths(int(large.generate_state(1)[0]))
    parts = [delayed(counted)(seeds[i : i + PART], truth, *how) for i in range(0, replicates, PART)]
    hits, runs = Counter(), Counter()
    for more_hits, more_runs in Parallel(jobs, return_as="generator")(parts):
        hits.update(more_hits)
        runs.update(more_runs)
        yield hits, runs


def table(hits: Counter, runs: Counter) -> pd.DataFrame:
    """One row per method, quantity and kind, in the order they are computed."""
    rows = pd.DataFrame(list(runs), columns=HEAD)
    rows["nominal"] = np.where(rows["kind"] == "size", 0.05, 0.95)
    rows["observed"] = [hits[key] / runs[key] for key in runs]
    reach = 2 * np.sqrt(0.05 * 0.95 / np.array(list(runs.values())))
    rows["mc_low"], rows["mc_high"] = rows["nominal"] - reach, rows["nominal"] + reach
    return rows.assign(replicates=list(runs.values())).round(4)


def note(row) -> str:
    """Why a row lies outside the Monte Carlo band; empty inside it."""
    if row.mc_low <= row.observed <= row.mc_high:
        return ""
    liberal = (row.observed > row.mc_high) == (row.kind == "size")
    for method, quantity, text in LIBERAL if liberal else CAUTIOUS:
        if row.method.startswith(method) and quantity in row.quantity:
            return text
    return "too liberal: not explained" if liberal else "cautious: not explained"


def write(rows: pd.DataFrame, path: Path) -> None:
    rows = rows.assign(note=[note(row) for row in rows.itertuples()])
    write_csv(rows, path)
    path.with_suffix(".md").write_text(page(rows), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", choices=PARTS, nargs="*", default=PARTS)
    parser.add_argument("--clients", type=int, choices=(201, 60), default=201)
    path = Path(__file__).with_name("coverage.csv")
    args = parser.parse_args()
    os.environ |= ONE_THREAD  # for the workers
    before = pd.read_csv(path)
    if not args.replicates:
        return write(before, path)
    for hits, runs in tally(args.replicates, args.jobs, args.clients, args.only):
        rows = pd.concat([before, table(hits, runs)])
        kept = rows.drop_duplicates(HEAD, keep="first")[HEAD]
        write(kept.merge(rows.drop_duplicates(HEAD, keep="last"), on=HEAD), path)


if __name__ == "__main__":
    main()
