"""How often each claim gets each verdict in simulated cohorts whose truth is known.

    python -m benchmarks.verdict_rates --cohorts 2000

writes `data/verdict_rates.csv`: scenario, analysis, claim, and the share of cohorts in which it was
supported, not supported, inconclusive. Fresh seeds, never the shipped cohort's.
"""

from __future__ import annotations

import argparse
import os
import warnings

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from alliance_helpers.claims.assess import assess
from alliance_helpers.claims.rules import read_rules
from alliance_helpers.cohorts.simulate import simulate_dyads
from alliance_helpers.pages.outputs import write_csv
from alliance_helpers.paths import VERDICT_RATES
from alliance_helpers.study.read_codebook import read_codebook
from benchmarks.ratio import ONE_THREAD

SCENARIOS = ("published", "no_association", "halo", "hospital_effect")
KEY = ["scenario", "analysis", "finding", "claim", "informant"]
ROOT_SEED = 20261123


def one(scenario: str, seed: int, n_clients: int) -> pd.DataFrame:
    """Verdicts on one cohort, with a row for all claims together."""
    dyads = simulate_dyads(scenario, n_clients, seed)
    rows = assess(dyads, read_codebook(), read_rules())
    rows = rows[["analysis", "finding", "claim", "informant", "verdict"]]
    single = rows[~rows["claim"].isin(["all_seven", "neither"])]
    joint = single[single["analysis"] != "nested_cr2"]  # it leaves hospital days to `nested`
    joint = joint.groupby("analysis")["verdict"].agg(lambda v: (v == "supported").all())
    every = pd.DataFrame(
        {
            "analysis": joint.index,
            "finding": "all",
            "claim": "every_claim",
            "informant": "both",
            "verdict": np.where(joint, "supported", "inconclusive"),
        }
    )
    return pd.concat([rows, every]).assign(scenario=scenario)


def several(scenario: str, seeds: list[int], n_clients: int) -> pd.Series:
    """Counts of verdicts over several cohorts."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        rows = pd.concat([one(scenario, seed, n_clients) for seed in seeds])
    return rows.groupby([*KEY, "verdict"], sort=False).size()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=201)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    os.environ |= ONE_THREAD  # for the workers
    sequence = np.random.SeedSequence(ROOT_SEED).spawn(len(SCENARIOS))
    tasks = []
    for scenario, child in zip(SCENARIOS, sequence, strict=True):
        seeds = child.generate_state(args.cohorts).tolist()
        tasks += [(scenario, seeds[i : i + 50], args.clients) for i in range(0, len(seeds), 50)]
    counts = Parallel(args.jobs, verbose=5)(delayed(several)(*task) for task in tasks)
    order = list(dict.fromkeys(i[:-1] for c in counts for i in c.index))
    table = pd.concat(counts).groupby(level=[*KEY, "verdict"]).sum()
    table = table.unstack(fill_value=0)  # noqa: PD010
    table = table.reindex(pd.MultiIndex.from_tuples(order, names=KEY))
    rates = table.div(table.sum(axis=1), axis=0).reindex(
        columns=["supported", "not_supported", "inconclusive"], fill_value=0.0
    )
    rates.insert(0, "n_cohorts", table.sum(axis=1))
    write_csv(rates.reset_index(), VERDICT_RATES)


if __name__ == "__main__":
    main()
