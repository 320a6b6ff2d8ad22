"""Least squares whose errors respect groups: rows that share a case manager are not independent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..errors import NotEstimableError
from .cr2 import ClusterCovariance, assemble, inside_groups, unweighted
from .design import Sample, complete_rows, orthonormal, positions, tidy


def cluster_robust(
    y, X, groups, terms: Sequence[str] | None = None, conf_level: float = 0.95
) -> pd.DataFrame:
    """Least squares with CR2 errors and Satterthwaite degrees of freedom.

    Parameters
    ----------
    y : array-like (n,)
        Outcome in its own units.
    X : array-like (n, k) or (n,), DataFrame or None
        Predictors; the intercept is added.
    groups : array-like (n,)
        The case manager of each row. Groups of one row are allowed.
    terms : sequence of k names, optional
    conf_level : float

    Returns
    -------
    DataFrame : term estimate std_error statistic df p_value conf_low conf_high n
        One row per term, the intercept first. Rows with a missing value are dropped.

    Raises
    ------
    NotEstimableError
        One group, a constant or collinear term, fewer rows than terms, a term that varies in
        too few groups, an outcome that the terms fit perfectly.

    Notes
    -----
    Agrees with ``clubSandwich::coef_test(lm(...), vcov = "CR2", test = "Satterthwaite")``.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1995)
    >>> groups = np.repeat(np.arange(20), 5)
    >>> x = rng.normal(size=100)
    >>> y = 0.5 * x + rng.normal(size=20)[groups] + rng.normal(size=100)
    >>> cluster_robust(y, x, groups, ["x"])["term"].tolist()
    ['intercept', 'x']
    """
    sample, estimate, covariance = least_squares(y, X, groups, terms)
    names = ("intercept", *sample.terms)
    return tidy(
        names, estimate, np.sqrt(np.diag(covariance.vcov)), covariance.df, sample.n, conf_level
    )


def cluster_block_test(
    y, X, groups, block: Sequence[str], terms: Sequence[str] | None = None
) -> pd.DataFrame:
    """Test that a block of terms adds nothing: CR2 and the approximate Hotelling test (HTZ).

    Parameters
    ----------
    y, X, groups, terms
        As in `cluster_robust`.
    block : sequence of str
        Terms tested together.

    Returns
    -------
    DataFrame, one row : f df1 df2 p_value n n_groups

    Notes
    -----
    Agrees with ``clubSandwich::Wald_test(..., test = "HTZ")`` (Pustejovsky & Tipton 2018, eq. 12).

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1995)
    >>> X = pd.DataFrame(rng.normal(size=(100, 3)), columns=["a", "b", "c"])
    >>> test = cluster_block_test(X["a"], X[["b", "c"]], np.arange(100) % 20, ["b", "c"])
    >>> int(test["df1"].iloc[0])
    2
    """
    sample, estimate, covariance = least_squares(y, X, groups, terms)
    keep = [1 + position for position in positions(block, sample.terms)]
    f, df1, df2, p_value = covariance.wald(estimate, keep)
    return pd.DataFrame(
        {
            "f": [f],
            "df1": [df1],
            "df2": [df2],
            "p_value": [p_value],
            "n": [sample.n],
            "n_groups": [sample.n_groups],
        }
    )


def least_squares(
    y, X, groups, terms: Sequence[str] | None = None
) -> tuple[Sample, np.ndarray, ClusterCovariance]:
    """Complete rows, coefficients (the intercept first) and their CR2 covariance, as arrays.

    Arguments and errors as in `cluster_robust`, which puts the result into a table.
    """
    sample = complete_rows(y, X, groups, terms)
    return sample, *fit_robust(sample, orthonormal(sample))


def fit_robust(
    sample: Sample,
    basis: tuple[np.ndarray, np.ndarray],
    shares: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, ClusterCovariance]:
    """Coefficients and their CR2 covariance.

    `basis` is what `orthonormal` makes of the sample, `shares` what `inside_groups` makes of that.
    """
    Q, back = basis
    shares = shares or inside_groups(Q, sample.starts)
    gamma = Q.T @ sample.y
    residuals = sample.y - Q @ gamma
    spread = np.linalg.norm(sample.y - sample.y.mean())
    if np.linalg.norm(residuals) <= 1e-12 * max(spread, np.linalg.norm(sample.y) * 1e-3):
        raise NotEstimableError(
            "The outcome does not vary, or the terms fit it perfectly: no error can be estimated."
        )
    pieces = unweighted(Q, residuals, sample.starts, shares)
    names = ("intercept", *sample.terms)
    return back @ gamma, assemble(*pieces, back, names)
