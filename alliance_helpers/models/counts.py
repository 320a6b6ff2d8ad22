"""Are the hospital days related to anything? Count models with over-dispersion and extra zeros.

Which family: `poisson` with a cluster asks about the mean and trusts nothing else about the
distribution; `negbin` lets the variance grow; `hurdle` asks first whether there were any days and
then how many; `zinb` adds clients who could not have had any. `count_ladder` fits all four.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy.special import expit

from ..errors import NotEstimableError, ParameterError
from .count_design import from_arrays, make_design
from .count_fits import FAMILIES, Fit, capped, fit_cr2
from .design import t_tests

FIT = [
    *("family", "n", "llf", "aic", "bic", "theta", "theta_std_error"),
    *("zeros_observed", "zeros_expected", "identified", "reason"),
]
RATIOS = {"rate_ratio": "estimate", "rate_ratio_low": "conf_low", "rate_ratio_high": "conf_high"}


ROUND = np.array([1, 2, 5, 10, 20, 25, 50])
BINS = 20


@dataclass(frozen=True)
class CountModels:
    """One count model, or several on the same rows.

    Attributes
    ----------
    coefficients : DataFrame
        `part term estimate std_error statistic df p_value conf_low conf_high n` and the
        exponentials `rate_ratio rate_ratio_low rate_ratio_high`; of several models `family` before
        them. Parts: `count` (log mean); of a hurdle also `any` (log-odds of ANY days, so a positive
        sign means fewer zeros); of a ZINB also `excess_zero` (log-odds of an excess ZERO: the
        opposite direction). In these two the exponential is an odds ratio.
    fit : DataFrame
        A row a model: `family n llf aic bic theta theta_std_error zeros_observed zeros_expected
        identified reason`. `reason` says why a model, or which part of a hurdle, is not identified
        (its standard errors are NaN then; of a part that cannot be estimated all is), what it
        collapsed to, or why it cannot be estimated. `theta` is infinite where
        there is no over-dispersion.
    """

    coefficients: pd.DataFrame
    fit: pd.DataFrame
    _found: dict[str, Fit] = field(repr=False)

    def _repr_html_(self) -> str:
        return self.fit.to_html(index=False) + self.coefficients.to_html(index=False)


@np.errstate(over="ignore")
def count_regression(
    data: pd.DataFrame,
    outcome: str,
    predictors: Sequence[str],
    family: str = "poisson",
    exposure: str | None = None,
    cluster: str | None = None,
    conf_level: float = 0.95,
) -> CountModels:
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
    CountModels

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
    Jackman 2008, J Stat Softw 27(8)). pscl's zero part has the sign described in `CountModels`.

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
    fit = FAMILIES[family](design)
    m, k = len(fit.parts), len(design.terms)
    if design.groups is None:
        blocks = [fit.vcov[i : i + k, i : i + k] for i in range(0, m * k, k)]
        vcov, df = [design.back @ block @ design.back.T for block in blocks], np.inf
    else:
        robust = fit_cr2(design, fit, design.groups)
        vcov, df = [robust.vcov], robust.df
    estimates = (fit.b.reshape(m, k) @ design.back.T).ravel()
    errors = np.sqrt(np.concatenate([np.diag(block) for block in vcov]))
    names = {"part": np.repeat(fit.parts, len(design.terms)).tolist(), "term": [*design.terms * m]}
    columns = t_tests(estimates, errors, df, conf_level)
    columns["n"] = len(fit.y)
    columns |= {ratio: np.exp(columns[name]) for ratio, name in RATIOS.items()}
    return CountModels(
        pd.DataFrame(names | columns), _summary(fit), {family: fit} if np.isfinite(fit.llf) else {}
    )


def _summary(fit: Fit) -> pd.DataFrame:
    n, k = len(fit.y), len(fit.b) + (fit.family != "poisson")
    values = (
        *(fit.family, n, fit.llf, 2 * k - 2 * fit.llf, np.log(n) * k - 2 * fit.llf),
        *(fit.theta, fit.theta_std_error, int((fit.y == 0).sum()), float(fit.up_to(0).sum())),
        *(fit.identified, fit.reason),
    )
    return pd.DataFrame([values], columns=FIT)


def count_ladder(
    data: pd.DataFrame, outcome: str, predictors: Sequence[str], exposure=None, cluster=None
) -> CountModels:
    """Fit all four families to the same rows; a family that fails says why instead of stopping.

    Parameters
    ----------
    data, outcome, predictors, exposure, cluster
        As in `count_regression`; the cluster serves the Poisson's errors.

    Examples
    --------
    >>> days = pd.DataFrame({"days": [4, 3, 1, 8, 2, 9], "x": [0, 1, 0, 1, 0, 1]})
    >>> count_ladder(days, "days", ["x"]).fit["reason"].iloc[2]
    'Not estimable: no count is zero, so there is no hurdle to model.'
    """
    found, fits, tables = {}, [], []
    for family in FAMILIES:
        group = cluster if family == "poisson" else None
        try:
            model = count_regression(data, outcome, predictors, family, exposure, group)
        except NotEstimableError as error:
            row = dict.fromkeys(FIT, np.nan) | {"family": family, "identified": False}
            fits.append(pd.DataFrame([row | {"reason": str(error)}]))
        else:
            found |= model._found
            fits.append(model.fit)
            tables.append(model.coefficients)
            tables[-1].insert(0, "family", family)
    none = pd.DataFrame({"family": [], "term": []})
    coefficients = pd.concat(tables, ignore_index=True) if tables else none
    return CountModels(coefficients, pd.concat(fits, ignore_index=True), found)


def expected_counts(fitted: CountModels, edges=None) -> pd.DataFrame:
    """Observed against expected numbers of rows per bin of the outcome, to draw or to check.

    Parameters
    ----------
    fitted : CountModels
    edges : sequence of int, optional
        First count of each bin, ascending from 0. By default 0 alone, then about twenty bins of a
        round width.

    Returns
    -------
    DataFrame
        `low high observed` and one column per family. `low` and `high` belong to the bin. The last
        row, with `high` infinite, is what a model expects beyond the bins.

    Examples
    --------
    >>> days = pd.DataFrame({"days": [0, 3, 1, 8, 0, 9], "x": [0, 1, 0, 1, 0, 1]})
    >>> expected_counts(count_regression(days, "days", ["x"]), [0, 1, 5])["observed"].tolist()
    [2, 2, 2, 0]
    """
    if not fitted._found:
        raise NotEstimableError("No family could be fitted: there is nothing to expect.")
    observed = next(iter(fitted._found.values())).y
    low = _edges(int(observed.max())) if edges is None else np.asarray(edges)
    if low[0] != 0 or (np.diff(low) <= 0).any() or low[-1] > observed.max():
        raise ParameterError("Bins must ascend from 0 and begin at or below the largest count.")
    # where it ends must not be what somebody has
    rounded = edges is None and len(low) > 1
    low = np.append(low, 2 * low[-1] - low[-2] if rounded else int(observed.max()) + 1)
    table = pd.DataFrame({"low": low, "high": np.append(low[1:] - 1, np.inf)})
    table["observed"] = np.histogram(observed, np.append(low, np.inf))[0]
    for family, fit in fitted._found.items():
        below = [fit.up_to(v - 1).sum() for v in low[1:]]
        table[family] = np.diff([0, *below, len(observed)])
    return table


def _edges(largest: int) -> np.ndarray:
    """0 by itself, then bins of a round width, about `BINS` of them."""
    ten = 10 ** max(0, int(np.log10(max(largest, 1) / BINS)))
    width = int(ten * ROUND[np.searchsorted(ROUND, largest / BINS / ten).clip(max=len(ROUND) - 1)])
    return np.concatenate([[0], np.arange(1, largest + 1, width)])


def log_mean_ratio(y, X, family: str, cap: float = np.inf) -> float:
    """Log ratio of mean counts half a unit above and half a unit below each row's first predictor.

    Parameters
    ----------
    y : ndarray (n,) of counts
    X : ndarray (n, k)
        The first column is the predictor of interest, in the units wanted (standard deviations).
    family : {"poisson", "negbin", "hurdle"}
    cap : float
        A negative binomial takes counts at this one or above as that many or more (a window's end).

    Returns
    -------
    float
        Of a log-linear family its coefficient. Of a hurdle both parts together: they may point
        in opposite directions, and a number of days is the product of the two.

    Raises
    ------
    NotEstimableError
        As `counts.count_regression`, or a family that is not identified, with the reason.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> X = rng.normal(size=(500, 1))
    >>> y = rng.poisson(np.exp(1 + 0.2 * X[:, 0]))
    >>> round(log_mean_ratio(y, X, "poisson"), 1)
    0.2
    """
    design = from_arrays(y, X, "days", [f"x{i}" for i in range(X.shape[1])])
    with np.errstate(over="ignore"):
        fit = capped(design, cap) if np.isfinite(cap) else FAMILIES[family](design)
    if not fit.identified:
        raise NotEstimableError(fit.reason)
    parts = (design.back @ fit.b.reshape(len(fit.parts), -1).T).T
    if family != "hurdle":
        return float(parts[0, 1])
    count, some = parts
    totals = []
    for shift in (0.5, -0.5):
        moved = np.column_stack([np.ones(len(y)), X[:, 0] + shift, X[:, 1:]])
        share = expit(-moved @ some)
        totals.append(replace(fit, mu=np.exp(moved @ count), share=share).mean.sum())
    return float(np.log(totals[0] / totals[1]))
