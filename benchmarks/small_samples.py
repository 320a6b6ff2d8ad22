"""How often tests of the mixed model reject when nothing is there, and correlations are covered.

    python -m benchmarks.small_samples --cohorts 2000 --jobs 2

writes, for 45 case managers with 201 clients and for 10 with 60, `small_samples.csv`: rejections
at 5 % by the case managers' share of the rating. Predictors are of case managers, of clients, or
mixed (the case manager's age at each intake, 0 or 1 year more), one or three together.
Satterthwaite's method, which the kit uses, and Kenward and Roger's stand side by side. And
`nested_correlation.csv`: a correlation of .50 in all dyads, as between case managers; `below` and
`above` count intervals that lie wholly below or above the truth, at best 2.5 % each.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy import special

from alliance_helpers.models.design import complete_rows
from alliance_helpers.models.informants import one_with_many
from alliance_helpers.models.nesting import Intercepts, fit_intercepts
from alliance_helpers.models.partial import Partial
from alliance_helpers.pages.outputs import write_csv
from benchmarks.ratio import ONE_THREAD

SHAPES, SHARES, PART = ((45, 201), (10, 60)), (0.08, 0.30), 25
R, LEVELLED = 0.5, 4  # true correlation; every so many-th cohort is also taken apart by level
LEVELS = {"correlation_case_manager": "between", "correlation_rest": "within"}


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


def kenward_roger(X, groups, fit: Intercepts, keep: Sequence[int]) -> dict[str, float]:
    """Standard error of the first of the terms `keep`, F, df2 and p (Kenward & Roger 1997)."""
    X, sizes, q = np.column_stack([np.ones(len(groups)), X]), np.bincount(groups), len(keep)
    w, rows = sizes / (1 + fit.ratio * sizes), fit.rows
    sums = np.array([np.bincount(groups, column) for column in X.T])
    means = sums / sizes
    squares, cubes = ((means * w**power) @ means.T for power in (2, 3))
    inverse = np.linalg.inv(X.T @ X - (means * (sizes - w)) @ means.T)
    moved = inverse @ squares
    pull = (w.sum() - np.trace(moved)) / rows
    information = (w**2).sum() + np.trace(moved @ moved - 2 * inverse @ cubes) - rows * pull**2
    extra = 4 / information * inverse @ (cubes - squares @ moved) @ inverse
    at = np.ix_(keep, keep)
    adjusted = fit.within * (inverse + extra)[at]
    apart = np.linalg.solve(inverse[at], (moved @ inverse)[at]) - pull * np.eye(q)
    a1 = 2 * np.trace(apart) ** 2 / information + 2 * q * q / rows
    a2 = 2 * np.trace(apart @ apart) / information + 2 * q / rows
    b, g = (a1 + 6 * a2) / (2 * q), ((q + 1) * a1 - (q + 4) * a2) / ((q + 2) * a2)
    c1, c2, c3 = np.array([g, q - g, q + 2 - g]) / (3 * q + 2 * (1 - g)) * b
    rho = ((1 - a2 / q) / (1 - c2)) ** 2 * (1 + c1) / (1 - c3) / q
    df2 = 4 + (q + 2) / (q * rho - 1)
    f = fit.estimate[keep] @ np.linalg.solve(adjusted, fit.estimate[keep]) / q
    if df2 > 2 and a2 < q:
        f *= df2 * (1 - a2 / q) / (df2 - 2)
    else:  # too few groups for the moments of F
        df2 = (1 / (1 / rows + np.diag(apart) ** 2 / information)).min()
    p_value = special.fdtrc(q, df2, f)
    return {"std_error": np.sqrt(adjusted[0, 0]), "f": f, "df2": df2, "p_value": p_value}


def cohort(managers: int, clients: int, share: float, seed) -> Iterator[tuple]:
    rng = np.random.default_rng(seed)
    groups = caseloads(managers, clients, rng)
    y = np.sqrt(share) * rng.normal(size=managers)[groups]
    y += np.sqrt(1 - share) * rng.normal(size=clients)
    for name, X in predictors(groups, rng).items():
        fit, q = fit_intercepts(complete_rows(y, X, groups)), X.shape[1]
        keep = list(range(1, q + 1))
        yield name, "Satterthwaite", fit.wald(keep)[3] < 0.05
        yield name, "Kenward-Roger", kenward_roger(X, groups, fit, keep)["p_value"] < 0.05


def correlated(managers: int, clients: int, seed, apart: bool) -> Iterator[tuple]:
    """A client form with a share of .08 and a case manager form with one of .30."""
    rng = np.random.default_rng(seed)
    groups, (a, b) = caseloads(managers, clients, rng), SHARES
    within = (R - R * np.sqrt(a * b)) / np.sqrt((1 - a) * (1 - b))
    x, y = 0.0, 0.0
    for r, shares, n in ((R, (a, b), managers), (within, (1 - a, 1 - b), clients)):
        z, other = rng.normal(size=(2, n))
        other, at = r * z + np.sqrt(1 - r * r) * other, groups if n == managers else slice(None)
        x, y = x + np.sqrt(shares[0]) * z[at], y + np.sqrt(shares[1]) * other[at]
    found = Partial(y, x[:, None], np.empty((clients, 0)), groups).observed("jackknife")
    reach = special.stdtrit(found.df2, 0.975) * found.std_error
    low, high = np.tanh([found.estimate - reach, found.estimate + reach])
    yield "total", R, np.tanh(found.estimate), high < R, low > R
    if not apart:
        return
    for row in one_with_many(x, y, groups).dropna(subset="estimate").itertuples():
        if row.term in LEVELS:
            true = within if row.term == "correlation_rest" else R
            wrong = row.conf_high < true, row.conf_low > true
            yield LEVELS[row.term], round(true, 4), row.estimate, *wrong


def part(shape, share, seeds) -> tuple[list[tuple], list[tuple]]:
    tests, intervals = [], []
    for number, seed in seeds:
        tests += [(*shape, share, *row) for row in cohort(*shape, share, seed)]
        if share == SHARES[0]:
            apart = not number % LEVELLED
            intervals += [(*shape, *row) for row in correlated(*shape, [*seed, 1], apart)]
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
