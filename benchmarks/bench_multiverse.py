"""The joint test over 500 specifications with 500 permutations, beside a loop of statsmodels fits.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 .venv/bin/python -m benchmarks.bench_multiverse

The specifications are those of the shipped cohort's finding 2. The peer fits the same
specification to permuted outcomes with statsmodels (OLS, OLS with cluster-robust errors, MixedLM),
fewer times, and its time is scaled. Processor time is compared, so that other work on the machine
does not count; `wall` is what a watch shows.
"""

import time
import warnings

import numpy as np
import statsmodels.api as sm

from alliance_helpers.claims.multiverse import multiverse
from alliance_helpers.claims.rules import read_rules, read_stress
from alliance_helpers.claims.verdicts import claim_data, complete_of
from alliance_helpers.cohorts.cohort import open_cohort
from alliance_helpers.models.partial import ESTIMATORS
from alliance_helpers.models.permutations import Permutations

from .ratio import Ratio, table

SPECIFICATIONS, PERMUTATIONS, SHARED = 500, 500, 20
SECONDS = 120


def ours(study) -> tuple[float, float, int]:
    """Processor and wall seconds, and how many specifications they were for."""
    cpu, wall = time.process_time(), time.perf_counter()
    once = read_stress()["multiverse"] | {"doublings": 0}
    found = multiverse(study, finding="2", n_perm=PERMUTATIONS, settings=once)
    n = len(found.specifications)
    return time.process_time() - cpu, time.perf_counter() - wall, n


def peer(study) -> float:
    """Processor seconds that statsmodels takes for one specification and one permutation."""
    claim = next(c for c in read_rules().claims if c.claim == "symptoms")
    pretreatment = list(study.codebook.blocks["pretreatment"])
    data = claim_data(claim, complete_of(claim, study.dyads, study.codebook, pretreatment))
    design = sm.add_constant(np.column_stack([data.X, data.Z]))
    order = Permutations(data.groups, len(data.y), SHARED, 1).order[1:]
    null = sm.OLS(data.y, np.delete(design, 1, axis=1)).fit()
    cpu = time.process_time()
    with warnings.catch_warnings():
        # MixedLM warns whenever a variance is estimated at its limit.
        warnings.simplefilter("ignore")
        for rows in order:
            y = null.fittedvalues + null.resid[rows]
            fits = (
                sm.OLS(y, design).fit(),
                sm.OLS(y, design).fit(cov_type="cluster", cov_kwds={"groups": data.groups}),
                sm.MixedLM(y, design, data.groups).fit(),
            )
            _ = [fit.pvalues for fit in fits]
    return (time.process_time() - cpu) / SHARED / len(ESTIMATORS)


def run() -> list[Ratio]:
    """Both measurements."""
    study = open_cohort()
    multiverse(study, finding="halo", n_perm=10)
    cpu, wall, n = ours(study)
    each = cpu / n * SPECIFICATIONS
    theirs = peer(study) * SPECIFICATIONS * PERMUTATIONS
    what = f"joint test, {SPECIFICATIONS} specifications x {PERMUTATIONS} permutations"
    return [
        Ratio(
            f"{what}: seconds by the watch",
            f"{wall:.1f} s for {n} specifications",
            "-",
            wall / n * SPECIFICATIONS,
            f"<= {SECONDS}",
        ),
        Ratio(
            f"{what}: against statsmodels",
            f"{each:.1f} s of one core",
            f"{theirs:,.0f} s (scaled from {SHARED} permutations)",
            theirs / each,
            ">= 100",
        ),
    ]


if __name__ == "__main__":
    print(table(run()))
