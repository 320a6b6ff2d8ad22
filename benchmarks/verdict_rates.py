"""How often each claim gets each verdict in simulated cohorts whose truth is known.

    python -m benchmarks.verdict_rates --cohorts 2000

writes `data/verdict_rates.csv`: scenario, number of clients, analysis, claim, and the share of
cohorts in which it was supported, not supported, inconclusive; in cohorts as large as the shipped
one, and in cohorts of 60 clients with ten case managers. Fresh seeds, never the shipped cohort's.
"""

from __future__ import annotations

import argparse
import os
import warnings
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from alliance_helpers.claims.assess import assess
from alliance_helpers.claims.rules import read_rules
from alliance_helpers.cohorts.draws import draw
from alliance_helpers.cohorts.population import Population, population, read_scenarios
from alliance_helpers.cohorts.simulate import dyad_table
from alliance_helpers.pages.outputs import write_csv
from alliance_helpers.paths import VERDICT_RATES
from alliance_helpers.study.read_codebook import read_codebook
from benchmarks.ratio import ONE_THREAD

SIZES = {201: 45, 60: 10}
"""Clients, and their case managers."""
KEY = ["scenario", "n_clients", "analysis", "finding", "claim", "informant"]
ROOT_SEED = 20261128


def of_size(scenario: str, n_clients: int) -> Population:
    """A scenario's population with the case managers of that size, as unevenly loaded."""
    made = population(scenario)
    study = made.settings["study"]
    few = {"n_clients": n_clients, "n_case_managers": SIZES[n_clients]}
    mean, usual = (s["n_clients"] / s["n_case_managers"] for s in (few, study))
    few["caseload_spread"] = study["caseload_spread"] * mean / usual
    return replace(made, settings={**made.settings, "study": study | few})


def one(scenario: str, seed: int, n_clients: int, *shipped) -> pd.DataFrame:
    """Verdicts on one cohort, with a row for all claims together."""
    dyads = dyad_table(draw(of_size(scenario, n_clients), n_clients, seed))
    rows = assess(dyads, *shipped)
    rows = rows[["analysis", "finding", "claim", "informant", "verdict"]]
    joint = rows[rows["analysis"] != "nested_cr2"]  # it leaves hospital days to `nested`
    joint = (joint["verdict"] == "supported").groupby(joint["analysis"]).all()
    every = pd.DataFrame(
        {
            "analysis": joint.index,
            "finding": "all",
            "claim": "every_claim",
            "informant": "both",
            "verdict": np.where(joint, "supported", "inconclusive"),
        }
    )
    return pd.concat([rows, every]).assign(scenario=scenario, n_clients=n_clients)


def several(scenario: str, seeds: list[int], n_clients: int) -> pd.Series:
    """Counts of verdicts over several cohorts."""
    shipped = read_codebook(), read_rules()
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        rows = pd.concat([one(scenario, seed, n_clients, *shipped) for seed in seeds])
    return rows.groupby([*KEY, "verdict"], sort=False).size()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", type=int, default=2000)
    parser.add_argument("--scenario", action="append", help="only this one; may be repeated")
    parser.add_argument("--clients", type=int, action="append", choices=SIZES, help="likewise")
    parser.add_argument("--out", default=VERDICT_RATES)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    os.environ |= ONE_THREAD  # for the workers
    cells = list(product(read_scenarios()["scenarios"], SIZES))
    children, tasks = np.random.SeedSequence(ROOT_SEED).spawn(len(cells)), []
    for (scenario, n_clients), child in zip(cells, children, strict=True):
        if scenario in (args.scenario or [scenario]) and n_clients in (args.clients or SIZES):
            seeds = child.generate_state(args.cohorts).tolist()
            tasks += [(scenario, seeds[i : i + 50], n_clients) for i in range(0, len(seeds), 50)]
    counts = Parallel(args.jobs, verbose=5)(delayed(several)(*task) for task in tasks)
    order = list(dict.fromkeys(i[:-1] for c in counts for i in c.index))
    table = pd.concat(counts).groupby(level=[*KEY, "verdict"]).sum()
    table = table.unstack(fill_value=0)  # noqa: PD010
    table = table.reindex(pd.MultiIndex.from_tuples(order, names=KEY))
    rates = table.div(table.sum(axis=1), axis=0).reindex(
        columns=["supported", "not_supported", "inconclusive"], fill_value=0.0
    )
    rates.insert(0, "n_cohorts", table.sum(axis=1))
    write_csv(rates.reset_index(), args.out)


if __name__ == "__main__":
    main()
