"""`benchmarks/coverage.md` from the rows of `benchmarks/coverage.csv`."""

from __future__ import annotations

import numpy as np
import pandas as pd

THREE = "| what is counted | dyads independent | CR2 | mixed model |\n|---|---|---|---|\n"
SLOPES, TESTS = ("OLS naive", "CR2", "mixed model"), ("OLS naive, F", "CR2, HTZ", "mixed model, F")
CLAIMS = ("as_published", "nested_cr2", "nested")
COMPARED = (
    SLOPES,
    TESTS,
    tuple(f"{c}, interval" for c in CLAIMS),
    tuple(f"{c}, equivalence" for c in CLAIMS),
)
PAGE = """# Size and coverage at this study's shape

    OMP_NUM_THREADS=1 python -m benchmarks.coverage --replicates 2000 --jobs 2

writes `coverage.csv` and this page; what is counted stands in `coverage_checks.py`. A replicate is
a fresh cohort of 201 dyads and 45 case managers from each of the kit's own scenarios. The truth of
an estimator is what it gives for 500,000 clients; the mixed model weighs dyads otherwise than least
squares, so it has a truth of its own. Every number is of at least **{replicates:,}** of
{most:,} replicates: where CR2 rests on fewer than four degrees of freedom it gives no interval,
and none is counted.

In % of the replicates. The Monte Carlo band of two errors of {most:,} replicates is
{size_low:.1f} to {size_high:.1f} for size and {cover_low:.1f} to {cover_high:.1f} for coverage.
What lies outside is bold; by chance alone about one row in twenty would.

## What ignoring case managers costs

Slopes of a rating in raw units, blocks, then the claims' standardised slopes and equivalence with
the bound where the truth lies (`as_published`, `nested_cr2`, `nested`).

{compared}
## The rest

{rest}
## Outside the band

{reasons}
## Counted elsewhere

- Hospital days with 3, 19 and 35 % zeros, Poisson with CR2 beside the errors of the model, which
  reject in 88 to 90 %: `count_size.csv`.
- Satterthwaite's and Kenward and Roger's tests of the mixed model side by side, also at ten case
  managers: `small_samples.csv`; correlations in all dyads, between and within case managers:
  `nested_correlation.csv`.
- The permutation test of the stepwise procedure, dyads shuffled freely and case managers respected:
  `permutation_size.csv`.
- The joint test over all specifications: `multiverse_size.csv`.

Not counted: bootstrap percentiles of relative importance (never below zero; read as stability),
Bayes factors (no error rate is claimed), inclusion frequencies (noise stands beside them), and
`leave_one_out` by itself (the clustered rows of `agreement` are that jackknife).
"""


def page(rows: pd.DataFrame) -> str:
    """The page for the rows of the table, notes included."""
    few = np.where(rows["clients"] == 60, ", 60 clients of ten case managers", "")
    rows, fewest = rows.assign(quantity=rows["quantity"] + few), rows["replicates"].min()
    most = rows["replicates"].max()
    wide = 200 * (0.05 * 0.95 / most) ** 0.5
    return PAGE.format(
        replicates=fewest, most=most, compared=_compared(rows), rest=_rest(rows),
        size_low=5 - wide, size_high=5 + wide, cover_low=95 - wide, cover_high=95 + wide,
        reasons=_reasons(rows),
    )  # fmt: skip


def _percent(row) -> str:
    text = f"{100 * row.observed:.1f}"
    return f"**{text}**" if row.note else text


def _compared(rows: pd.DataFrame) -> str:
    lines = []
    for methods in COMPARED:
        part = rows[rows["method"].isin(methods)]
        for (quantity, kind), same in part.groupby(["quantity", "kind"], sort=False):
            by = {row.method: _percent(row) for row in same.itertuples()}
            lines.append(f"| {quantity}, {kind} | {' | '.join(by[m] for m in methods)} |\n")
    return THREE + "".join(lines)


def _rest(rows: pd.DataFrame) -> str:
    head = "| method | quantity | kind | observed | replicates |\n|---|---|---|---|---|\n"
    part = rows[~rows["method"].isin([m for methods in COMPARED for m in methods])]
    return head + "".join(
        f"| {r.method} | {r.quantity} | {r.kind} | {_percent(r)} | {r.replicates:,} |\n"
        for r in part.itertuples()
    )


def _reasons(rows: pd.DataFrame) -> str:
    lines = []
    for (method, why), part in rows[rows["note"] != ""].groupby(["method", "note"], sort=False):
        found = "; ".join(f"{r.quantity}: {r.kind} {_percent(r)}" for r in part.itertuples())
        lines.append(f"- {method}: {why} ({found}).\n")
    return "".join(lines).replace("**", "") or "Nothing.\n"
