"""How often claims of what comes before what are supported where the truth is known.

python -m benchmarks.over_time_rates [COHORTS COHORTS]   writes benchmarks/over_time_rates.csv

Cohorts of 50 clients with up to 10 sessions (few clients, many sessions: a multilevel lagged model)
and of 200 with up to 4 (a random-intercept cross-lagged model), by the scenarios of
data/over_time/scenarios.yml, each cohort with a seed of its own. `coverage` is the share of 95 %
intervals that hold the true path, in standard deviations within clients as drawn; `bias` is the
mean distance from it.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from alliance_helpers.claims.rules import Claim, read_rules
from alliance_helpers.claims.trends import Judge
from alliance_helpers.cohorts.courses import courses, draw_sessions, scenario_codebook
from alliance_helpers.errors import NotEstimableError
from alliance_helpers.paths import ROOT
from alliance_helpers.study.clean import all_sessions

SHAPES = ((50, 10), (200, 4))
CLAIM = Claim("1", "alliance_first", "precedes", "client", term="symptoms", sign="negative",
              source="client_alliance", bound="lagged")  # fmt: skip
ABOUT = ["scenario", "n_clients", "sessions", "analysis"]
RULES = read_rules()
VERDICTS = ("supported", "not_supported", "inconclusive", "not_estimable")


def one(scenario: str, n: int, T: int, seed: int) -> list[tuple]:
    """The path of one cohort by the primary analysis, and by the one with the trend left in."""
    truth, book = courses()[scenario], scenario_codebook(scenario)
    frame = draw_sessions(truth, n, seed, T)
    dyads, rows = frame.drop_duplicates("client_id", keep="last"), []
    dyads.attrs["sessions"] = all_sessions({"sessions": frame}, book)
    for analysis in ("detrended", "naive"):
        judge, about = Judge(dyads, RULES, analysis), (scenario, n, T, analysis)
        try:
            effect, (verdict, _), _ = judge.find(CLAIM)
        except NotEstimableError:
            rows.append((*about, "not_estimable", np.nan, np.nan))
            continue
        scale = judge.units(CLAIM) * truth["alliance"]["sd"] / truth["symptoms"]["sd"]
        true = truth["paths"]["alliance_before_symptoms"]
        held = effect.conf_low * scale <= true <= effect.conf_high * scale
        rows.append((*about, verdict, held, effect.estimate * scale - true))
    return rows


def main(cohorts: list[int]) -> None:
    """Simulate so many cohorts of each shape; what is done is written after each."""
    done = []
    for (n, T), many in zip(SHAPES, cohorts, strict=True):
        jobs = [(scenario, n, T, 14_000 + 100_000 * k + seed)
                for k, scenario in enumerate(courses()) for seed in range(many)]  # fmt: skip
        found = Parallel(n_jobs=2, batch_size=10)(delayed(one)(*job) for job in jobs)
        columns = [*ABOUT, "verdict", "held", "bias"]
        rows = pd.DataFrame([row for part in found for row in part], columns=columns)
        for verdict in VERDICTS:
            rows[verdict] = rows["verdict"] == verdict
        by = rows.groupby(ABOUT, sort=False)
        table = by[[*VERDICTS, "held", "bias"]].mean().rename(columns={"held": "coverage"})
        table.insert(0, "n_cohorts", by.size())
        done.append(table.reset_index())
        out = ROOT / "benchmarks" / "over_time_rates.csv"
        pd.concat(done).to_csv(out, index=False, float_format="%.4g")
        sys.stdout.write(f"{table.to_string()}\n")


if __name__ == "__main__":
    given = [int(n) for n in sys.argv[1:]]
    main(given or [2000, 2000])
