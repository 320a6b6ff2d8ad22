"""Does a variable go with one informant's rating more than with the other's?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from ..errors import NotEstimableError, ParameterError
from . import arguments
from .design import as_floats
from .nesting import effective_n
from .robust import cluster_block_test, cluster_robust


@dataclass(frozen=True)
class Stacked:
    """Both informants' slopes on the same variables, from one model.

    Attributes
    ----------
    slopes : DataFrame
        `informant`, then the tidy columns; `informant` is one of the two, or `difference`: the
        second's slope less the first's. `n` counts ratings.
    test : DataFrame, one row
        `f df1 df2 p_value n n_groups`: that no variable's slope differs.
    """

    slopes: pd.DataFrame
    test: pd.DataFrame

    def _repr_html_(self) -> str:
        return self.slopes.to_html(index=False) + self.test.to_html(index=False)


def stacked(
    ratings: pd.DataFrame,
    predictors: pd.DataFrame,
    cluster: Sequence | None = None,
    conf_level: float = 0.95,
) -> Stacked:
    """Do the variables go with the second informant's rating otherwise than with the first's?

    Parameters
    ----------
    ratings : DataFrame (n, 2)
        One column per informant; a dyad with one rating counts for that informant.
    predictors : DataFrame (n, k)
        Dyads with a missing predictor are left out.
    cluster : array-like (n,), optional
        What makes dyads alike, such as the case manager; by default each dyad stands alone with
        its two ratings.
    conf_level : float

    Returns
    -------
    Stacked
        Slopes are standardised: of each informant's ratings and each predictor.

    Raises
    ------
    ParameterError
        Not two ratings, or tables of different length.
    NotEstimableError
        As in `sandwich.cluster_robust`; a rating or predictor that does not vary.

    Notes
    -----
    Two rows per dyad, a slope for each informant, CR2 errors and Satterthwaite degrees of freedom
    over clusters, HTZ for the test. Where every dyad has both ratings the differences are those of
    regressing the difference of the ratings; what stacking adds are the dyads with one.

    Examples
    --------
    >>> rng = np.random.default_rng(1995)
    >>> x = pd.DataFrame({"symptoms": rng.normal(size=100)})
    >>> both = pd.DataFrame({"client": rng.normal(size=100), "case_manager": -x["symptoms"]})
    >>> found = stacked(both + rng.normal(size=(100, 2)), x)
    >>> found.slopes["informant"].tolist(), bool(found.test["p_value"].iloc[0] < 0.001)
    (['client', 'case_manager', 'difference'], True)
    """
    if ratings.shape[1] != 2 or len(ratings) != len(predictors):
        raise ParameterError(
            f"Ratings of {ratings.shape} and predictors of {predictors.shape} were given: two "
            "columns of ratings and as many rows of predictors are needed."
        )
    X, both = as_floats(predictors, "the predictors"), as_floats(ratings, "the ratings")
    used = ~np.isnan(X).any(axis=1) & ~np.isnan(both).all(axis=1)
    X, both = _standard(X[used], predictors.columns), _standard(both[used], ratings.columns)
    n, k = X.shape
    groups = np.arange(n) if cluster is None else np.asarray(cluster)[used]
    y, long = both.T.ravel(), np.concatenate([X, X])
    second = np.repeat([0.0, 1.0], n)[:, None]
    own = np.column_stack([second, long * (1 - second), long * second])
    apart = np.column_stack([second - 0.5, long, long * (second - 0.5)])
    terms, differ = [f"x{i}" for i in range(2 * k + 1)], [f"x{i + k + 1}" for i in range(k)]
    groups = np.tile(groups, 2)
    slopes = cluster_robust(y, own, groups, terms, conf_level)[2:]
    differences = cluster_robust(y, apart, groups, terms, conf_level)[2 + k :]
    table = pd.concat([slopes, differences], ignore_index=True)
    table["term"] = [str(c) for c in predictors.columns] * 3
    table.insert(0, "informant", np.repeat([*map(str, ratings.columns), "difference"], k))
    return Stacked(table, cluster_block_test(y, apart, groups, differ, terms))


def correlation_difference(x, first, second, cluster=None) -> pd.DataFrame:
    """Does x go with the first informant's rating more than with the second's?

    Parameters
    ----------
    x, first, second : array-like (n,)
        A variable and two ratings; rows with a missing value are left out.
    cluster : array-like (n,), optional
        The case manager of each row: the effective n of x with the difference of the standardised
        ratings then takes the place of n.

    Returns
    -------
    DataFrame, one row
        As `dependent_correlations`, with `r_first r_second n n_effective`.

    Raises
    ------
    NotEstimableError
        A variable that does not vary, a copy of another, too few rows.

    Examples
    --------
    >>> rng = np.random.default_rng(1995)
    >>> x, noise = rng.normal(size=(2, 200))
    >>> row = correlation_difference(x, x + noise, noise, np.arange(200) // 5)
    >>> row[["n", "r_first"]].round(2).values.tolist()
    [[200.0, 0.72]]
    """
    values = np.column_stack([as_floats(v, "x and the ratings") for v in (x, first, second)])
    keep = ~np.isnan(values).any(axis=1)
    z = _standard(values[keep], ("x", "the first rating", "the second rating"))
    n = worth = len(z)
    if cluster is not None:
        table = effective_n(z[:, 0], z[:, 1] - z[:, 2], np.asarray(cluster)[keep])
        worth = float(table["n_effective"].iloc[0])
    r = np.corrcoef(z.T)
    try:
        row = dependent_correlations(r[0, 1], r[0, 2], r[1, 2], worth)
    except ParameterError as error:
        raise NotEstimableError(str(error)) from None
    return row.assign(r_first=r[0, 1], r_second=r[0, 2], n=n, n_effective=worth)


def _standard(values: np.ndarray, names) -> np.ndarray:
    """Mean 0 and standard deviation 1 over the values given, column by column."""
    if len(values) < 4 or (np.isfinite(values).sum(axis=0) < 2).any():
        raise NotEstimableError(f"{len(values)} dyads with ratings and all variables are too few")
    spread = np.nanstd(values, axis=0, ddof=1)
    if (flat := spread <= 1e-12 * np.abs(np.nanmean(values, axis=0))).any():
        raise NotEstimableError(f"{names[int(np.argmax(flat))]} does not vary")
    return (values - np.nanmean(values, axis=0)) / spread


def dependent_correlations(
    r_xy: float, r_xz: float, r_yz: float, n: float, conf_level: float = 0.95
) -> pd.DataFrame:
    """Difference between two correlations that share a variable, measured on the same dyads.

    Parameters
    ----------
    r_xy, r_xz : float
        The correlations to compare: of x (an outcome, say) with one informant's rating y and
        with the other's z.
    r_yz : float
        Correlation of the two ratings.
    n : float
        Number of independent dyads, or the effective n.
    conf_level : float
        Level of the interval.

    Returns
    -------
    DataFrame, one tidy row
        Estimate r_xy - r_xz; ``statistic`` is Williams' t with n - 3 degrees of freedom,
        ``std_error`` the estimate divided by it; the interval is Zou's.

    Raises
    ------
    ParameterError
        A correlation outside -1 to 1, three that cannot hold together, n not above 3.

    Notes
    -----
    Williams (1959), recommended by Steiger (1980), as in R's ``psych::r.test``; Zou (2007) for
    the interval, which is asymmetric and may rarely disagree with the test.

    Examples
    --------
    >>> row = dependent_correlations(0.45, 0.10, 0.28, n=201)
    >>> row[["estimate", "p_value"]].round(4).values.tolist()
    [[0.35, 0.0]]
    """
    for r in (r_xy, r_xz, r_yz):
        arguments.correlation(r, n, above=3)
    arguments.share(conf_level=conf_level)
    determinant = 1 - r_xy**2 - r_xz**2 - r_yz**2 + 2 * r_xy * r_xz * r_yz
    if determinant <= 0 or max(abs(r_xy), abs(r_xz), abs(r_yz)) == 1:
        raise ParameterError(
            f"Correlations of {r_xy}, {r_xz} and {r_yz} cannot hold together among three "
            "variables that differ."
        )
    difference = r_xy - r_xz
    spread = 2 * (n - 1) / (n - 3) * determinant + ((r_xy + r_xz) / 2) ** 2 * (1 - r_yz) ** 3
    std_error = np.sqrt(spread / ((n - 1) * (1 + r_yz)))
    t = difference / std_error
    low, high = _zou(r_xy, r_xz, r_yz, n, special.ndtri(0.5 + conf_level / 2))
    row = {
        "term": "r_xy - r_xz",
        "estimate": difference,
        "std_error": std_error,
        "statistic": t,
        "df": n - 3,
        "p_value": 2 * special.stdtr(n - 3, -abs(t)),
        "conf_low": low,
        "conf_high": high,
        "n": n,
    }
    return pd.DataFrame([row])


def _zou(r_xy, r_xz, r_yz, n, quantile) -> tuple[float, float]:
    reach = quantile / np.sqrt(n - 3)
    (low1, high1), (low2, high2) = (
        np.tanh(np.arctanh(r) + reach * np.array([-1, 1])) for r in (r_xy, r_xz)
    )
    together = (r_yz - r_xy * r_xz / 2) * (1 - r_xy**2 - r_xz**2 - r_yz**2) + r_yz**3
    c = together / ((1 - r_xy**2) * (1 - r_xz**2))

    def combine(first: float, second: float) -> float:
        return np.sqrt(max(first**2 + second**2 - 2 * c * first * second, 0))

    difference = r_xy - r_xz
    low = difference - combine(r_xy - low1, high2 - r_xz)
    return float(low), float(difference + combine(high1 - r_xy, r_xz - low2))
