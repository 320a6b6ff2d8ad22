"""How often claims of what comes before what are supported where the truth is known.

python -m benchmarks.over_time_rates [COHORTS]   writes benchmarks/over_time_rates.csv

Cohorts of 50 clients with up to 10 sessions and of 200 with up to 4 (a cross-lagged model with
random intercepts), and of 20 with up to 10 (few clients, many sessions: a multilevel lagged model),
by the scenarios of data/over_time/scenarios.yml, in streams of 50 cohorts. `coverage` is the share
of 95 % intervals that hold the true path, in standard deviations within clients as drawn; `bias` is
the mean distance from it.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from alliance_helpers.claims.rules import Claim, read_rules
from alliance_helpers.claims.trends import TRENDS, estimated, spread
from alliance_helpers.claims.verdicts import bounds_of, slope, verdict_of
from alliance_helpers.cohorts.courses import courses, draw_courses
from alliance_helpers.errors import NotEstimableError
from alliance_helpers.paths import ROOT

SHAPES = ((50, 10), (200, 4), (20, 10))
AT_ONCE = 50
CLAIM = Claim("1", "alliance_first", "precedes", "client", term="symptoms", sign="negative",
              source="client_alliance", bound="lagged")  # fmt: skip
ABOUT = ["scenario", "n_clients", "sessions", "analysis"]
RULES = read_rules()
VERDICTS = ("supported", "not_supported", "inconclusive", "not_estimable")


def some(scenario: str, n: int, T: int, stream: int) -> list[tuple]:
    """The paths of some cohorts by the primary analysis, and by the one with the trend left in."""
    truth, studies, rows = courses()[scenario], [], []
    true = truth["paths"]["alliance_before_symptoms"]
    rng = np.random.default_rng([1995, [*courses()].index(scenario), n, T, stream])
    for _ in range(AT_ONCE):
        values, there = draw_courses(truth, n, rng, T)
        person, time = np.nonzero(there.T)
        told = dict(zip((CLAIM.source, CLAIM.term), values[time, person].T, strict=True))
        studies.append({"person": person, "time": time, **told})
    for analysis in ("detrended", "naive"):
        about = (scenario, n, T, analysis)
        for study, found in zip(studies, estimated(CLAIM, studies, TRENDS[analysis]), strict=True):
            if isinstance(found, NotEstimableError):
                rows.append((*about, "not_estimable", np.nan, np.nan))
                continue
            effect = slope(*found[:4], *bounds_of(CLAIM, RULES))
            scale = spread(study, CLAIM.term) / spread(study, CLAIM.source)
            held = effect.conf_low * scale <= true <= effect.conf_high * scale
            verdict = verdict_of(effect, CLAIM, RULES)[0]
            rows.append((*about, verdict, held, effect.estimate * scale - true))
    return rows


def main(cohorts: int) -> None:
    """Simulate so many cohorts of each scenario and shape; what is done is written after each."""
    done = []
    for n, T in SHAPES:
        jobs = [(name, n, T, k) for name in courses() for k in range(cohorts // AT_ONCE)]
        found = Parallel(n_jobs=2)(delayed(some)(*job) for job in jobs)
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
    main(*[int(n) for n in sys.argv[1:]] or [2000])
