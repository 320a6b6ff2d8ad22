"""Are the hospital days related to anything? Count models with over-dispersion and extra zeros.

Which family: `poisson` with a cluster asks about the mean and trusts nothing else about the
distribution; `negbin` lets the variance grow; `hurdle` asks first whether there were any days and
then how many; `zinb` adds clients who could not have had any. `count_ladder` fits all four.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .errors import NotEstimableError, ParameterError
from .estimation.count_design import make_design
from .estimation.count_families import FAMILIES
from .estimation.count_model import FIT, CountModel, as_model, share_up_to
from .reading.hospital import hospital_days

__all__ = [
    "CountLadder",
    "CountModel",
    "count_ladder",
    "count_regression",
    "expected_counts",
    "hospital_days",
]

ROUND = np.array([1, 2, 5, 10, 20, 25, 50])
BINS = 20


@dataclass(frozen=True)
class CountLadder:
    """The four families on the same rows.

    Attributes
    ----------
    fit : DataFrame
        Four rows, the columns of `CountModel.fit`; a family that cannot be estimated says why.
    coefficients : DataFrame
        `family`, then the columns of `CountModel.coefficients`.
    models : dict of CountModel
        By family, those that could be fitted.
    """

    fit: pd.DataFrame
    coefficients: pd.DataFrame
    models: dict[str, CountModel]

    def _repr_html_(self) -> str:
        return self.fit.to_html(index=False) + self.coefficients.to_html(index=False)


def count_regression(
    data: pd.DataFrame,
    outcome: str,
    predictors: Sequence[str],
    family: str = "poisson",
    exposure: str | None = None,
    cluster: str | None = None,
    conf_level: float = 0.95,
) -> CountModel:
    """Regress a count on predictors by maximum likelihood.

    Parameters
    ----------
    data : DataFrame, shape (n, ...)
        Rows with a missing value in a named column are left out; `n` says how many remain.
    outcome : str
        Column of counts (days).
    predictors : sequence of str
        Numeric columns; in a hurdle or ZINB they enter both parts.
    family : {"poisson", "negbin", "hurdle", "zinb"}
    exposure : str, optional
        Column of times at risk; coefficients are then about rates. It enters the count part only.
    cluster : str, optional
        Column naming the group (case manager) of each row: CR2 errors and Satterthwaite degrees of
        freedom, for the Poisson. Without it errors rest on the model and df is infinite.
    conf_level : float

    Returns
    -------
    CountModel

    Raises
    ------
    ParameterError
        A column is missing or not numeric, the family is unknown, a cluster with another family.
    NotEstimableError
        Naming every reason: counts that are negative, broken, or all equal; constant or collinear
        predictors; more predictors than rows; one cluster; predictors that separate the zeros.

    Notes
    -----
    Poisson as R's glm with clubSandwich's vcovCR; `negbin` as MASS::glm.nb (variance mu + mu**2 /
    theta); `hurdle` and `zinb` as pscl's hurdle and zeroinfl, NB with a logit (Zeileis, Kleiber &
    Jackman 2008, J Stat Softw 27(8)). pscl's zero part has the sign described in `CountModel`.

    Examples
    --------
    >>> days = pd.DataFrame({"days": [0, 3, 1, 8, 0, 9], "x": [0, 1, 0, 1, 0, 1]})
    >>> model = count_regression(days, "days", ["x"])
    >>> model.coefficients["rate_ratio"].round(2).tolist()
    [0.33, 20.0]
    """
    if family not in FAMILIES:
        raise ParameterError(f"Unknown family '{family}': choose one of {', '.join(FAMILIES)}.")
    if cluster is not None and family != "poisson":
        raise ParameterError(
            f"Errors that respect '{cluster}' are given for family 'poisson' only, whose estimates "
            f"do not depend on the rest of the distribution; '{family}' does not take a cluster."
        )
    design = make_design(data, outcome, predictors, exposure, cluster)
    with np.errstate(over="ignore"):
        return as_model(design, FAMILIES[family](design), conf_level)


def count_ladder(
    data: pd.DataFrame,
    outcome: str,
    predictors: Sequence[str],
    exposure: str | None = None,
    cluster: str | None = None,
    conf_level: float = 0.95,
) -> CountLadder:
    """Fit all four families to the same rows; a family that fails says why instead of stopping.

    Parameters
    ----------
    data, outcome, predictors, exposure, cluster, conf_level
        As in `count_regression`; the cluster serves the Poisson's errors.

    Examples
    --------
    >>> days = pd.DataFrame({"days": [4, 3, 1, 8, 2, 9], "x": [0, 1, 0, 1, 0, 1]})
    >>> count_ladder(days, "days", ["x"]).fit["reason"].iloc[2]
    'Not estimable: no count is zero, so there is no hurdle to model.'
    """
    models, fits = {}, []
    for family in FAMILIES:
        group = cluster if family == "poisson" else None
        try:
            model = count_regression(data, outcome, predictors, family, exposure, group, conf_level)
        except NotEstimableError as error:
            row = dict.fromkeys(FIT, np.nan) | {"family": family, "identified": False}
            fits.append(pd.DataFrame([row | {"reason": str(error)}]))
        else:
            models[family] = model
            fits.append(model.fit)
    tables = [m.coefficients.assign(family=f) for f, m in models.items()]
    coefficients = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    if tables:
        coefficients.insert(0, "family", coefficients.pop("family"))
    return CountLadder(pd.concat(fits, ignore_index=True), coefficients, models)


def expected_counts(
    fitted: CountModel | CountLadder, edges: Sequence[int] | None = None
) -> pd.DataFrame:
    """Observed against expected numbers of rows per bin of the outcome, to draw or to check.

    Parameters
    ----------
    fitted : CountModel or CountLadder
    edges : sequence of int, optional
        First count of each bin, ascending from 0. By default 0 alone, then about twenty bins of a
        round width.

    Returns
    -------
    DataFrame
        `low high observed` and one column per family. `low` and `high` belong to the bin. The last
        row, with `high` infinite, is what a model expects beyond the largest count observed.

    Examples
    --------
    >>> days = pd.DataFrame({"days": [0, 3, 1, 8, 0, 9], "x": [0, 1, 0, 1, 0, 1]})
    >>> expected_counts(count_regression(days, "days", ["x"]), [0, 1, 5])["observed"].tolist()
    [2, 2, 2, 0]
    """
    models = fitted.models if isinstance(fitted, CountLadder) else {None: fitted}
    if not models:
        raise NotEstimableError("No family could be fitted: there is nothing to expect.")
    observed = next(iter(models.values())).rows["observed"].to_numpy()
    low = _edges(int(observed.max())) if edges is None else np.asarray(edges)
    if low[0] != 0 or (np.diff(low) <= 0).any() or low[-1] > observed.max():
        raise ParameterError("Bins must ascend from 0 and begin at or below the largest count.")
    low = np.append(low, int(observed.max()) + 1)
    table = pd.DataFrame({"low": low, "high": np.append(low[1:] - 1, np.inf)})
    table["observed"] = np.histogram(observed, np.append(low, np.inf))[0]
    for model in models.values():
        below = np.array([share_up_to(v - 1, model).sum() for v in low[1:]])
        table[model.fit["family"].iloc[0]] = np.diff([0, *below, len(observed)])
    return table


def _edges(largest: int) -> np.ndarray:
    """0 by itself, then bins of a round width, about `BINS` of them."""
    ten = 10 ** max(0, int(np.log10(max(largest, 1) / BINS)))
    width = int(ten * ROUND[np.searchsorted(ROUND, largest / BINS / ten).clip(max=len(ROUND) - 1)])
    return np.concatenate([[0], np.arange(1, largest + 1, width)])
