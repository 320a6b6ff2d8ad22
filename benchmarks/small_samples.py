"""How often tests of the mixed model reject when nothing is there, and correlations are covered.

    python -m benchmarks.small_samples --cohorts 2000 --jobs 2

writes, for 45 case managers with 201 clients and for 10 with 60, `small_samples.csv`: rejections
at 5 % by the case managers' share of the rating. Predictors are of case managers, of clients, or
mixed (the case manager's age at each intake, 0 or 1 year more), one or three together.
Satterthwaite's and Kenward and Roger's methods stand side by side; the kit uses the first for one
predictor and the second for several. And `nested_correlation.csv`: a correlation of .50 in all
dyads, as between case managers; `below` and `above` count intervals that lie wholly below or above
the truth, at best 2.5 % each.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy import special

from alliance_helpers.models.design import complete_rows
from alliance_helpers.models.informants import LEVELS, nested_correlation
from alliance_helpers.models.nesting import Intercepts, fit_intercepts
from alliance_helpers.pages.outputs import write_csv
from benchmarks.ratio import ONE_THREAD

SHAPES, SHARES, PART = ((45, 201), (10, 60)), (0.08, 0.30), 25
R, LEVELLED = 0.5, 4  # true correlation; every so many-th cohort is also taken apart by level


def caseloads(managers: int, clients: int, rng: np.random.Generator) -> np.ndarray:
    """Unequal caseloads, nobody without a client."""
    weight = rng.dirichlet(np.full(managers, 2.0))
    further = rng.choice(managers, clients - managers, p=weight)
    return np.concatenate([np.arange(managers), further])


def predictors(groups: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    own, n = rng.normal(50, 9, (groups.max() + 1, 3))[groups], len(groups)
    client, year = rng.normal(size=(n, 3)), rng.integers(0, 2, n)
    mixed = np.column_stack([own[:, 0] + year, own[:, 1], client[:, 0]])
    three = {"case manager's": own, "client's": client, "mixed": mixed}
    return {name: X[:, :1] for name, X in three.items()} | {
        f"three {k}": v for k, v in three.items()
    }


def satterthwaite(fit: Intercepts, q: int) -> float:
    """p value of a joint test with lmerTest's degrees of freedom (Fai & Cornelius 1996)."""
    at = slice(1, q + 1)
    values, vectors = np.linalg.eigh(fit.vcov[at, at])
    change = np.einsum("ij,ik,kj->j", vectors, fit.change[at, at], vectors)
    df = 1 / (1 / fit.rows + (change / values - fit.pull) ** 2 / fit.observed)
    statistics = (fit.estimate[at] @ vectors) ** 2 / values
    if q == 1:
        return float(2 * special.stdtr(df[0], -np.sqrt(statistics[0])))
    expected = (df / (df - 2)).sum() if df.min() > 2 else np.inf
    df2 = 2 * expected / (expected - q) if np.isfinite(expected) else 2.0
    return float(special.fdtrc(q, df2, statistics.mean()))


def cohort(managers: int, clients: int, share: float, seed) -> Iterator[tuple]:
    rng = np.random.default_rng(seed)
    groups = caseloads(managers, clients, rng)
    y = np.sqrt(share) * rng.normal(size=managers)[groups]
    y += np.sqrt(1 - share) * rng.normal(size=clients)
    for name, X in predictors(groups, rng).items():
        fit, q = fit_intercepts(complete_rows(y, X, groups)), X.shape[1]
        yield name, "Satterthwaite", satterthwaite(fit, q) < 0.05
        yield name, "Kenward-Roger", fit.wald(range(1, q + 1))[3] < 0.05


def correlated(managers: int, clients: int, seed, levels) -> Iterator[tuple]:
    """A client form with a share of .08 and a case manager form with one of .30."""
    rng = np.random.default_rng(seed)
    groups, (a, b) = caseloads(managers, clients, rng), SHARES
    within = (R - R * np.sqrt(a * b)) / np.sqrt((1 - a) * (1 - b))
    x, y = 0.0, 0.0
    for r, shares, n in ((R, (a, b), managers), (within, (1 - a, 1 - b), clients)):
        z, other = rng.normal(size=(2, n))
        other, at = r * z + np.sqrt(1 - r * r) * other, groups if n == managers else slice(None)
        x, y = x + np.sqrt(shares[0]) * z[at], y + np.sqrt(shares[1]) * other[at]
    truth = {"total": R, "between": R, "within": within}
    for row in nested_correlation(x, y, groups, levels).itertuples():
        if np.isfinite(row.estimate):
            true = truth[row.term]
            yield row.term, round(true, 4), row.estimate, row.conf_high < true, row.conf_low > true


def part(shape, share, seeds) -> tuple[list[tuple], list[tuple]]:
    tests, intervals = [], []
    for number, seed in seeds:
        tests += [(*shape, share, *row) for row in cohort(*shape, share, seed)]
        if share == SHARES[0]:
            levels = LEVELS[: 1 if number % LEVELLED else 3]
            intervals += [(*shape, *row) for row in correlated(*shape, [*seed, 1], levels)]
    return tests, intervals


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    os.environ |= ONE_THREAD  # for the workers
    work = [
        delayed(part)(shape, share, [(i, [1995, at, i]) for i in range(first, first + PART)])
        for at, shape in enumerate(SHAPES)
        for share in SHARES
        for first in range(0, args.cohorts, PART)
    ]
    tests, intervals = (
        list(chain.from_iterable(rows)) for rows in zip(*Parallel(args.jobs)(work), strict=True)
    )
    shape, folder = ["case_managers", "clients"], Path(__file__).parent
    keys = [*shape, "share", "predictors", "method"]
    rows = pd.DataFrame(tests, columns=[*keys, "rejected"]).groupby(keys, sort=False)["rejected"]
    write_csv(
        rows.agg(["size", "mean"])
        .round(4)
        .reset_index()
        .set_axis([*keys, "cohorts", "rejected"], axis=1),
        folder / "small_samples.csv",
    )
    rows = pd.DataFrame(
        intervals, columns=[*shape, "correlation", "truth", "mean", "below", "above"]
    )
    keys = [*shape, "correlation", "truth"]
    found = rows.groupby(keys, sort=False).mean()
    found.insert(0, "cohorts", rows.groupby(keys, sort=False).size())
    write_csv(found.round(4).reset_index(), folder / "nested_correlation.csv")


if __name__ == "__main__":
    main()
