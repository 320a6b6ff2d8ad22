"""How often tests on hospital days reject when nothing is related to them.

    .venv/bin/python -m benchmarks.count_size 2000 > benchmarks/count_size.csv

201 clients of 45 case managers; days are negative binomial in two kinds of site, differ between
case managers, are zero for a further share of clients, and stop at 731. The predictor, of one
client or of one case manager, has nothing to do with them. Beside the rate of p < .05 stand the
mean degrees of freedom. Two Monte Carlo errors of a 5 % rate over 2,000 cohorts are 1.0 %.

Then rare days: 1 to 60 of 120 clients (24 case managers) have any, log-normal and up to 366; alike
everywhere, or more and longer with some case managers. Counted are samples where the kit gives an
answer (`estimable`), with Satterthwaite's degrees of freedom alone beside, as the kit had them; and
how often a rate ratio of 2 per SD is found. Half as many samples; a quarter of them for that.
"""

import sys
from itertools import product

import numpy as np
import pandas as pd

from alliance_helpers.errors import NotEstimableError
from alliance_helpers.models.count_fits import make_design, poisson
from alliance_helpers.models.counts import count_regression
from alliance_helpers.models.design import t_tests
from alliance_helpers.models.robust import cr2_covariance

CLIENTS, MANAGERS, PSYCHIATRIC, WINDOW = 201, 45, 18, 731
MEANS = np.log([115.0, 365.0])  # general sites, neuropsychiatric sites; before the cap
OWN, THETA = 0.3, 1.1  # SD of case managers' log means; spread within a kind of site
FURTHER_ZEROS = {"3 %": 0.015, "19 %": 0.18, "35 %": 0.34}
METHODS = {
    "poisson, CR2": {"family": "poisson", "cluster": "manager"},
    "poisson, model": {"family": "poisson"},
    "negative binomial, model": {"family": "negbin"},
}

SMALL, SMALL_MANAGERS = 120, 24
WITH_DAYS = (1, 2, 3, 5, 8, 12, 20, 30, 60)
RARE = {  # unlike case managers or not, and whether the analysis knows them
    "alike, no case managers": (False, "row"),
    "alike": (False, "manager"),
    "unlike case managers": (True, "manager"),
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
                    rows.append((f"{zeros} zeros", level, method, test["p_value"], test["df"]))
    return _counted(rows)


def rare_cohort(rng: np.random.Generator, with_days: int, unlike: bool, log_ratio=0.0):
    """Days that few clients have, drawn among those likelier by `log_ratio` per SD of `client`."""
    manager = np.repeat(np.arange(SMALL_MANAGERS), SMALL // SMALL_MANAGERS)
    own, longer, rating = rng.normal(size=(3, SMALL_MANAGERS))[:, manager]
    x = np.sqrt(0.2) * rating + np.sqrt(0.8) * rng.normal(size=SMALL)
    x = (x - x.mean()) / x.std(ddof=1)
    order = np.argsort(rng.gumbel(size=SMALL) + 1.5 * unlike * own + log_ratio * x)
    size = np.exp(rng.normal(2.7, 1.1, size=SMALL) + 0.7 * unlike * longer)
    days = np.where(
        np.isin(np.arange(SMALL), order[-with_days:]), np.clip(np.ceil(size), 1, 366), 0
    )
    return pd.DataFrame({"days": days, "client": x, "manager": manager, "row": range(SMALL)})


def rare_rates(n_cohorts: int, seed: int = 1995) -> pd.DataFrame:
    """The same for rare days, without any relation and with a rate ratio of 2 per SD."""
    rows = []
    for ratio, some, (said, (unlike, cluster)) in product((1, 2), WITH_DAYS, RARE.items()):
        rng, found = np.random.default_rng([seed, ratio, some, unlike]), f", rate ratio {ratio}"
        for _ in range(n_cohorts if ratio == 1 else n_cohorts // 4):
            data = rare_cohort(rng, some, unlike, np.log(ratio))
            key = f"{some} of {SMALL} have days, {said}{found * (ratio > 1)}", "client"
            try:
                table = count_regression(data, "days", ["client"], cluster=cluster).coefficients
                rows.append((*key, "poisson, CR2", *table.loc[1, ["p_value", "df"]]))
            except NotEstimableError:
                rows.append((*key, "poisson, CR2", np.nan, np.nan))
            rows.append((*key, "poisson, CR2, Satterthwaite alone", *_alone(data, cluster)))
    return _counted(rows)


def _alone(data: pd.DataFrame, cluster: str) -> tuple[float, float]:
    """p-value and degrees of freedom as clubSandwich has them."""
    design = make_design(data, "days", ["client"])
    try:
        fit = poisson(design)
        gradient = fit.mu[:, None] * design.Z
        robust = cr2_covariance(gradient, fit.y - fit.mu, data[cluster], fit.mu, design.terms)
    except NotEstimableError:
        return np.nan, np.nan
    tests = t_tests(fit.b, np.sqrt(np.diag(robust.vcov)), robust.df, 0.95)
    return tests["p_value"][1], robust.df[1]


def _counted(rows: list[tuple]) -> pd.DataFrame:
    """Rates of p < .05 among samples that could be estimated, and their share."""
    keys = ["days", "predictor_of", "method"]
    table = pd.DataFrame(rows, columns=[*keys, "p_value", "df"])
    table["estimable"] = table["p_value"].notna()
    table["rejected"] = (table["p_value"] < 0.05).astype(float).where(table["estimable"])
    return table.groupby(keys, sort=False).agg(
        cohorts=("rejected", "size"), estimable=("estimable", "mean"),
        rejected=("rejected", "mean"), mean_df=("df", "mean"),
    )  # fmt: skip


if __name__ == "__main__":
    n_cohorts = int(sys.argv[1])
    found = pd.concat([rates(n_cohorts), rare_rates(n_cohorts // 2)]).round(
        {"estimable": 4, "rejected": 4, "mean_df": 1}
    )
    sys.stdout.write(found.reset_index().to_csv(index=False))
