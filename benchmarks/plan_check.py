"""Verdicts of a plan against verdicts of `assess` on whole cohorts drawn from a scenario.

    python -m benchmarks.plan_check [COHORTS]     writes benchmarks/plan_check.csv

A plan draws the scores that a claim is about, normal ones. Here the cohorts are those of
`data/scenarios.yml`, drawn answer by answer with all their measures, or session by session, and
`assess` finds the claim in the table. Designs and effects are those of the scenario, by its truth.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from alliance_helpers.claims.assess import assess
from alliance_helpers.claims.planning import VERDICTS, find_claim, plan
from alliance_helpers.claims.rules import Rules, read_rules
from alliance_helpers.cohorts.courses import courses, draw_sessions, scenario_codebook
from alliance_helpers.cohorts.draws import draw
from alliance_helpers.cohorts.population import population
from alliance_helpers.cohorts.simulate import dyad_table
from alliance_helpers.paths import COURSES, ROOT
from alliance_helpers.study.clean import all_sessions
from alliance_helpers.study.read_codebook import read_codebook

WITHIN = {"level": "within"}
EXPLAINED = {"pretreatment": 0.2}  # of symptoms by those at intake: r = .45, less for functioning
CASES = (
    ("published", "symptoms", 0.25, 20, 4, WITHIN | EXPLAINED),
    ("published", "age", 0.20, 45, 5, {}),
    ("published", "modest", 0.28, 30, 5, WITHIN),
    ("no_association", "3/treatment", 0.0, 45, 5, {}),
    ("published", "4/hospital_days/client", 1.0, 45, 5, {}),
    ("sessions_effect", "alliance_first", 0.20, 8, 4, {"sessions": "10"}),
)  # fmt: skip


def whole(scenario: str, rules: Rules, managers: int, clients: int, seed: int) -> str:
    """The verdict of `assess` on a whole cohort."""
    n, book = managers * clients, scenario_codebook(scenario)
    if scenario in courses():
        truth = courses()[scenario] | {"clients_of_a_case_manager": clients}
        frame = draw_sessions(truth, n, seed, 10)
        dyads = frame.drop_duplicates("client_id", keep="last")
        tables = {"sessions": (frame, frame["session"].to_numpy(float))}
        dyads.attrs["sessions"] = all_sessions(tables, book)
        return assess(dyads, book, rules, ["detrended"])["verdict"].item()
    made = population(scenario)
    study = made.settings["study"] | {"n_clients": n, "n_case_managers": managers}
    study["caseload_spread"] = 0  # whoever is not the first client of a case manager is any one's
    made = replace(made, settings={**made.settings, "study": study})
    return assess(dyad_table(draw(made, n, seed)), book, rules, ["adjusted"])["verdict"].item()


def several(
    scenario: str, rules: Rules, managers: int, clients: int, seeds: list[int]
) -> list[str]:
    return [whole(scenario, rules, managers, clients, seed) for seed in seeds]


def main(cohorts: int) -> None:
    rows = []
    for k, (scenario, name, effect, managers, clients, how) in enumerate(CASES):
        over_time = scenario in courses()
        rules = read_rules(COURSES / "findings.yml") if over_time else read_rules()
        book = scenario_codebook(scenario) if over_time else read_codebook()
        only = replace(rules, claims=(find_claim(name, rules),))
        seeds = np.random.SeedSequence([20261129, k]).generate_state(cohorts).tolist()
        found = Parallel(2)(
            delayed(several)(scenario, only, managers, clients, seeds[i : i + 50])
            for i in range(0, cohorts, 50)
        )
        said = pd.Series([verdict for part in found for verdict in part])
        planned = plan(name, effect, str(managers), str(clients), cohorts=cohorts, rules=rules,
                       codebook=book, **how).rates.iloc[0]  # fmt: skip
        row = {"scenario": scenario, "claim": name, "effect": effect, "case_managers": managers,
               "clients": clients, "cohorts": cohorts}  # fmt: skip
        for verdict in VERDICTS:
            row[f"{verdict}_assess"] = (said == verdict).mean()
            row[f"{verdict}_plan"] = planned[verdict]
        rows.append(row)
        table = pd.DataFrame(rows)
        table.to_csv(ROOT / "benchmarks" / "plan_check.csv", index=False, float_format="%.4f")
        sys.stdout.write(f"{table.iloc[-1].to_string()}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 4000)
