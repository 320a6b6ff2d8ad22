"""How often tests on hospital days reject when nothing is related to them.

    .venv/bin/python -m benchmarks.count_size 2000 > benchmarks/count_size.csv

201 clients of 45 case managers; days are negative binomial in two kinds of site, differ between
case managers, are zero for a further share of clients, and stop at 731. The predictor, of one
client or of one case manager, has nothing to do with them. Beside the rate of p < .05 stand the
mean degrees of freedom. Two Monte Carlo errors of a 5 % rate over 2,000 cohorts are 1.0 %.
"""

import sys

import numpy as np
import pandas as pd

from alliance_helpers.models.counts import count_regression

CLIENTS, MANAGERS, PSYCHIATRIC, WINDOW = 201, 45, 18, 731
MEANS = np.log([115.0, 365.0])  # general sites, neuropsychiatric sites; before the cap
OWN, THETA = 0.3, 1.1  # SD of case managers' log means; spread within a kind of site
FURTHER_ZEROS = {"3 %": 0.015, "19 %": 0.18, "35 %": 0.34}
METHODS = {
    "poisson, CR2": {"family": "poisson", "cluster": "manager"},
    "poisson, model": {"family": "poisson"},
    "negative binomial, model": {"family": "negbin"},
}


def cohort(rng: np.random.Generator, further_zeros: float = 0.18) -> pd.DataFrame:
    """Days of one cohort, and predictors that have nothing to do with them."""
    manager = np.concatenate([np.arange(MANAGERS), rng.integers(0, MANAGERS, CLIENTS - MANAGERS)])
    psychiatric = (manager < PSYCHIATRIC).astype(int)
    mean = np.exp(MEANS[psychiatric] + OWN * rng.normal(size=MANAGERS)[manager])
    days = np.minimum(WINDOW, rng.negative_binomial(THETA, THETA / (THETA + mean)))
    days[rng.random(CLIENTS) < further_zeros] = 0
    of_manager = rng.normal(size=MANAGERS)[manager]
    of_client = np.sqrt(0.3) * rng.normal(size=MANAGERS)[manager]
    of_client += np.sqrt(0.7) * rng.normal(size=CLIENTS)
    return pd.DataFrame(
        {
            "days": days,
            "client": of_client,
            "case_manager": of_manager,
            "psychiatric": psychiatric,
            "manager": manager,
        }
    )


def rates(n_cohorts: int, seed: int = 1995) -> pd.DataFrame:
    """Rejections by share of zeros, level of the predictor, and method."""
    rows = []
    for zeros, further in FURTHER_ZEROS.items():
        rng = np.random.default_rng([seed, int(1000 * further)])
        for _ in range(n_cohorts):
            data = cohort(rng, further)
            for level in ("client", "case_manager"):
                for method, options in METHODS.items():
                    model = count_regression(data, "days", [level, "psychiatric"], **options)
                    test = model.coefficients.iloc[1]
                    rows.append((zeros, level, method, test["p_value"] < 0.05, test["df"]))
    table = pd.DataFrame(rows, columns=["zeros", "predictor_of", "method", "rejected", "df"])
    keys = ["zeros", "predictor_of", "method"]
    return table.groupby(keys, sort=False).agg(
        cohorts=("rejected", "size"), rejected=("rejected", "mean"), mean_df=("df", "mean")
    )


if __name__ == "__main__":
    found = rates(int(sys.argv[1])).round({"rejected": 4, "mean_df": 1})
    sys.stdout.write(found.reset_index().to_csv(index=False))
