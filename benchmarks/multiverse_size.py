"""How often the joint test of all specifications rejects when nothing is there.

    python -m benchmarks.multiverse_size --cohorts 400

writes `benchmarks/multiverse_size.csv`: for claims about case managers' and about dyads' variables,
blocks and days, the share of `no_association` cohorts in which the joint test has p < .05. Dyads
permuted freely stand beside it, to show what that costs.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from alliance_helpers.claims.multiverse import Collector, scored_tables
from alliance_helpers.claims.rules import read_rules, read_stress
from alliance_helpers.cohorts.simulate import simulate_dyads
from alliance_helpers.models.permutations import Permutations
from alliance_helpers.pages.outputs import write_csv
from alliance_helpers.study.read_codebook import read_codebook
from benchmarks.ratio import ONE_THREAD

CLAIMS = (
    ("2", "age", "case_manager"),
    ("2", "symptoms", "case_manager"),
    ("1", "unrelated_pretreatment", "case_manager"),
    ("1", "differs_treatment", "both"),
    ("4", "hospital_days", "case_manager"),
)
KEY = ["finding", "claim", "informant", "permutation"]
ROOT_SEED = 20261124
N_PERM = 199


def one(seed: int, free: bool) -> pd.DataFrame:
    """Joint p-values in one cohort with nothing there."""
    book, rules = read_codebook(), read_rules()
    dyads = simulate_dyads("no_association", 201, seed)
    settings = read_stress()["multiverse"] | {"doublings": 0}
    found = Collector(scored_tables(dyads, book), book, rules, settings, N_PERM, seed)
    if free:
        found.first = Permutations(None, len(dyads), N_PERM, seed)
    for claim in rules.claims:
        if claim.key in CLAIMS:
            found.collect(claim)
    return pd.DataFrame(found.joint).assign(permutation="dyads free" if free else "case managers")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", type=int, default=400)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    os.environ |= ONE_THREAD
    seeds = np.random.SeedSequence(ROOT_SEED).generate_state(args.cohorts)
    work = [(int(s), free) for free in (False, True) for s in seeds[: args.cohorts]]
    work = work[: args.cohorts + args.cohorts // 4]
    tables = Parallel(n_jobs=args.jobs)(delayed(one)(*w) for w in work)
    rows = pd.concat(tables)
    rejected = rows.assign(size=rows["p_value"] <= 0.05).groupby(KEY, sort=False)["size"]
    table = rejected.agg(["mean", "count"]).reset_index()
    table.columns = [*KEY, "size", "cohorts"]
    table["std_error"] = np.sqrt(table["size"] * (1 - table["size"]) / table["cohorts"])
    write_csv(table, Path(__file__).with_name("multiverse_size.csv"))
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
