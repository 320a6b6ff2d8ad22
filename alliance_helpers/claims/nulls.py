"""What a null result on hospital days says: Bayes factors, and what the study could have seen."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import rankdata

from ..models.inference import bayes_factor_correlation
from ..models.nesting import effective_n
from ..models.power import power_correlation
from ..study.codebook import Codebook
from ..study.read_codebook import book_of

KAPPAS = (0.1, 0.2, 1 / 3, 0.5, 0.75, 1.0, 1.5, 2.0)


def rank_normal(x) -> np.ndarray:
    """Scores with a normal distribution and the order of `x` (Blom 1958)."""
    x = np.asarray(x, float)
    return ndtri((rankdata(x) - 0.375) / (len(x) + 0.25))


def bayes_factors(
    dyads: pd.DataFrame,
    codebook: Codebook | None = None,
    days: str = "hospital_days",
    kappas=KAPPAS,
) -> pd.DataFrame:
    """Evidence for no correlation of each rating with hospital days, over the prior's width.

    Correlations of rank-normal scores, at the effective n (days are skewed, dyads share case
    managers). The prior on the correlation is a stretched beta of width kappa: 1 is uniform, 1/3
    the default of R's BayesFactor.

    Returns
    -------
    DataFrame
        `informant kappa r n n_effective bf10 bf01`.
    """
    book, rows = book_of(dyads, codebook), []
    for informant in book.informants:
        columns = [book.alliance_of(informant), days]
        pair = dyads[columns].astype(float).dropna()
        x, y = (rank_normal(pair[c]) for c in columns)
        keys = dyads.loc[pair.index, book.case_manager] if book.case_manager else pair.index
        worth = float(effective_n(x, y, pd.factorize(keys)[0])["n_effective"].iloc[0])
        r = float(np.corrcoef(x, y)[0, 1])
        for kappa in kappas:
            bf10 = float(bayes_factor_correlation(r, worth, kappa))
            rows.append(
                {
                    "informant": informant, "kappa": kappa, "r": r, "n": len(pair),
                    "n_effective": worth, "bf10": bf10, "bf01": 1 / bf10,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def power_table(
    dyads: pd.DataFrame, codebook: Codebook | None = None, days: str = "hospital_days"
) -> pd.DataFrame:
    """Power of a two-sided 5 % test over the size of a correlation, at the effective n.

    Returns
    -------
    DataFrame
        `informant effect power n n_effective`.
    """
    worth = bayes_factors(dyads, codebook, days, kappas=(1.0,))
    rows = [
        {
            "informant": row.informant,
            "effect": effect,
            "power": power_correlation(effect, row.n_effective),
            "n": row.n,
            "n_effective": row.n_effective,
        }
        for row in worth.itertuples(index=False)
        for effect in np.linspace(0.0, 0.5, 26)
    ]
    return pd.DataFrame(rows)
