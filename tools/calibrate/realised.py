"""Do the cohorts that are drawn have what their scenario states? The table of data/README.md."""

from __future__ import annotations

import numpy as np
import pandas as pd

from alliance_helpers.cohorts.draws import Draws, draw
from alliance_helpers.cohorts.population import DAYS, SITE_TYPES, population, truth_table
from alliance_helpers.cohorts.simulate import dyad_table
from alliance_helpers.models.counts import count_regression
from alliance_helpers.models.nesting import effective_n, icc

from .targets import ALLIANCES

KEYS = ["quantity", "informant", "term"]


def calibration_table(
    scenario: str = "published", n_seeds: int = 500, seed: int = 1995, n_clients: int = 201
) -> pd.DataFrame:
    """Target and realised value of every calibrated quantity, over cohorts.

    Quantities are those of score-level cohorts without gaps or dirt, by the formulas a researcher
    uses: Pearson's r over dyads, the ANOVA share of case managers, the ratio of mean days per SD
    of alliance adjusted for site type and days before intake.

    Parameters
    ----------
    scenario : str
    n_seeds : int
        Fresh cohorts to average over.
    seed : int
        The single cohort shown beside them; the fresh seeds are spawned from it.
    n_clients : int

    Returns
    -------
    DataFrame
        `quantity informant term target tag realised mean sd mc_error`: `realised` in the cohort
        of `seed`; `mean` and `sd` over the fresh cohorts; `mc_error` is sd / sqrt(n_seeds).

    Examples
    --------
    >>> table = calibration_table(n_seeds=3).set_index(["quantity", "term"])
    >>> float(table.loc[("d", "client_alliance:case_manager_alliance"), "target"])
    0.46
    """
    made = population(scenario)
    truth = truth_table(made, n_clients)
    fresh = np.random.SeedSequence(seed).generate_state(n_seeds)
    cohorts = [realised(draw(made, n_clients, int(s)), truth) for s in (seed, *fresh)]
    values = np.array(cohorts, dtype=float)
    sd = values[1:].std(axis=0, ddof=1)
    return truth.assign(
        realised=values[0], mean=values[1:].mean(axis=0), sd=sd, mc_error=sd / np.sqrt(n_seeds)
    )


def realised(drawn: Draws, truth: pd.DataFrame) -> list[float]:
    """Each quantity of a truth table as one cohort has it, in the table's order."""
    cohort = _Cohort(drawn)
    return [
        getattr(cohort, row.quantity)(row.informant, row.term)
        for row in truth[KEYS].itertuples(index=False)
    ]


class _Cohort:
    """One cohort's statistics, a method per quantity."""

    def __init__(self, drawn: Draws) -> None:
        self.drawn, self.dyads = drawn, dyad_table(drawn)
        self.numbers = self.dyads.select_dtypes("number")
        self.correlations = self.numbers.corr()

    def n_clients(self, informant: str, term: str) -> float:
        return len(self.dyads)

    def n_case_managers(self, informant: str, term: str) -> float:
        return len(self.drawn.site)

    def n_sites(self, informant: str, term: str) -> float:
        return len(np.unique(self.drawn.site))

    def caseload_spread(self, informant: str, term: str) -> float:
        return float(np.square(np.bincount(self.drawn.manager)).sum() / len(self.dyads))

    def alpha(self, informant: str, term: str) -> float:
        # Reversing an item leaves its variance; the sum of the keyed items is the score.
        items = self.drawn.items[term]
        k = items.shape[1]
        size = k if self.drawn.population.codebook.scales[term].score == "mean" else 1
        total = (self.dyads[term] * size).var(ddof=0)
        return k / (k - 1) * (1 - items.var(axis=0).sum() / total)

    def case_manager_share(self, informant: str, term: str) -> float:
        return icc(self.dyads[term], self.drawn.manager)

    def mean(self, informant: str, term: str) -> float:
        name, _, site_type = term.partition(":")
        rows = self.dyads["site_type"] == site_type if site_type else slice(None)
        return self.dyads.loc[rows, name].mean()

    def sd(self, informant: str, term: str) -> float:
        return self.dyads[term].std()

    def d(self, informant: str, term: str) -> float:
        a, b = (self.dyads[name] for name in term.split(":"))
        return (a.mean() - b.mean()) / np.sqrt((a.var() + b.var()) / 2)

    def r(self, informant: str, term: str) -> float:
        a, b = (ALLIANCES[informant], term) if informant else term.split(":")
        return self.correlations.loc[a, b]

    def rate_ratio(self, informant: str, term: str) -> float:
        alliance = self.dyads[ALLIANCES[informant]]
        data = pd.DataFrame(
            {
                "days": self.dyads[term],
                "alliance": (alliance - alliance.mean()) / alliance.std(),
                "site_type": (self.dyads["site_type"] == SITE_TYPES[0]).astype(float),
                "before": self.dyads[f"{term}_before"] / 365,
            }
        )
        fit = count_regression(data, "days", ["alliance", "site_type", "before"])
        found = fit.coefficients.set_index("term")["rate_ratio"]
        return found["alliance"]

    def zero_share(self, informant: str, term: str) -> float:
        return (self.dyads[term] == 0).mean()

    def cap_share(self, informant: str, term: str) -> float:
        length = dict(zip(DAYS, (self.drawn.window, self.drawn.window_before), strict=True))[term]
        return (self.dyads[term].to_numpy() == length).mean()

    def effective_n(self, informant: str, term: str) -> float:
        x, y = self.dyads[term], self.dyads[ALLIANCES[informant]]
        return effective_n(x, y, self.drawn.manager)["n_effective"].iloc[0]


def printed(scenario: str, n_seeds: int) -> str:
    """The table in Markdown."""
    lines = [
        f"| quantity | informant | term | target | tag | seed 1995 | mean of {n_seeds} | SD |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in calibration_table(scenario, n_seeds).itertuples(index=False):
        digits = 0 if row.quantity.startswith("n_") else 1 if abs(row.target) > 5 else 3
        target, *found = (f"{x:.{digits}f}" for x in (row.target, row.realised, row.mean, row.sd))
        cells = [row.quantity, row.informant, row.term, target, row.tag, *found]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
