"""A random-intercept model as tables: each case manager has a level of their own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import pandas as pd

from .design import complete_rows, positions, tidy
from .intercepts import Intercepts, fit_intercepts


@dataclass(frozen=True)
class MixedFit:
    """A random-intercept model fitted by REML.

    Attributes
    ----------
    coefficients : DataFrame
        term estimate std_error statistic df p_value conf_low conf_high n
    variance : DataFrame, one row
        sigma2_between sigma2_within icc
    vcov : DataFrame (k + 1, k + 1)
        Covariance of the coefficients.
    reml_criterion : float
        Minus twice the restricted log-likelihood, with all constants, as lme4 prints it.
    n, n_groups : int
    singular : bool
        True where the variance between groups is estimated as zero.
    fit : Intercepts
        The same as arrays.
    """

    coefficients: pd.DataFrame
    variance: pd.DataFrame
    vcov: pd.DataFrame
    reml_criterion: float
    n: int
    n_groups: int
    singular: bool
    fit: Intercepts = field(repr=False)

    def _repr_html_(self) -> str:
        return self.coefficients.to_html(index=False) + self.variance.to_html(index=False)


def random_intercept(
    y,
    X,
    groups,
    terms: Sequence[str] | None = None,
    between: Collection[str] | None = None,
    conf_level: float = 0.95,
) -> MixedFit:
    """Linear model with a random intercept for each group, by REML.

    Parameters
    ----------
    y : array-like (n,)
        Outcome in its own units.
    X : array-like (n, k) or (n,), DataFrame or None
        Predictors; the intercept is added. None gives the model of the mean alone.
    groups : array-like (n,)
        The case manager of each row. Groups of one row are allowed.
    terms : sequence of k names, optional
    between : collection of str, optional
        Terms that belong to the group (a case manager's age). By default those found constant
        inside every group.
    conf_level : float

    Returns
    -------
    MixedFit

    Raises
    ------
    NotEstimableError
        One group, only groups of one row, a constant or collinear term, fewer rows than terms,
        no variation left within groups, more group-level terms than groups.

    Notes
    -----
    Degrees of freedom, as in ``nlme::lme``: a term between groups has the groups minus the terms
    between minus 1, a term within groups the rows minus the groups minus the terms within. The
    intercept, a mean over groups, is given those of the terms between (nlme: within). Estimates,
    standard errors, variances and the criterion agree with ``lme4::lmer``.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1995)
    >>> groups = np.repeat(np.arange(20), 5)
    >>> y = rng.normal(size=20)[groups] + rng.normal(size=100)
    >>> fit = random_intercept(y, None, groups)
    >>> fit.variance.columns.tolist()
    ['sigma2_between', 'sigma2_within', 'icc']
    """
    sample = complete_rows(y, X, groups, terms)
    fit = fit_intercepts(sample, between=between)
    names = ["intercept", *sample.terms]
    table = tidy(names, fit.estimate, fit.std_error, fit.df, sample.n, conf_level)
    variance = pd.DataFrame(
        {
            "sigma2_between": [fit.ratio * fit.within],
            "sigma2_within": [fit.within],
            "icc": [fit.ratio / (1 + fit.ratio)],
        }
    )
    return MixedFit(
        coefficients=table,
        variance=variance,
        vcov=pd.DataFrame(fit.vcov, index=names, columns=names),
        reml_criterion=fit.criterion,
        n=sample.n,
        n_groups=sample.n_groups,
        singular=bool(fit.ratio == 0),
        fit=fit,
    )


def block_test(fit: MixedFit, block: Sequence[str]) -> pd.DataFrame:
    """Wald F test that a block of terms of a mixed model adds nothing.

    Parameters
    ----------
    fit : MixedFit
    block : sequence of str
        Terms tested together.

    Returns
    -------
    DataFrame, one row : f df1 df2 p_value n n_groups
        ``df2`` is the smallest of the terms' degrees of freedom.

    Raises
    ------
    ParameterError
        A term that is not in the model.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1995)
    >>> X = pd.DataFrame(rng.normal(size=(100, 3)), columns=["a", "b", "c"])
    >>> fit = random_intercept(X["a"], X[["b", "c"]], np.arange(100) % 20)
    >>> int(block_test(fit, ["b", "c"])["df1"].iloc[0])
    2
    """
    keep = [1 + p for p in positions(block, list(fit.coefficients["term"])[1:])]
    f, df1, df2, p_value = fit.fit.wald(keep)
    return pd.DataFrame(
        {
            "f": [f],
            "df1": [df1],
            "df2": [df2],
            "p_value": [p_value],
            "n": [fit.n],
            "n_groups": [fit.n_groups],
        }
    )
