"""What a count regression hands back: estimates in their own units, fit, and distribution."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.special import betainc, pdtr

from .count_design import Design
from .count_families import Fit
from .cr2 import cr2_covariance
from .design import tidy

FIT = [
    *("family", "n", "llf", "aic", "bic", "theta", "theta_std_error"),
    *("zeros_observed", "zeros_expected", "identified", "reason"),
]
RATIOS = {"rate_ratio": "estimate", "rate_ratio_low": "conf_low", "rate_ratio_high": "conf_high"}


@dataclass(frozen=True)
class CountModel:
    """A fitted count model.

    Attributes
    ----------
    coefficients : DataFrame
        `part term estimate std_error statistic df p_value conf_low conf_high n` and the
        exponentials `rate_ratio rate_ratio_low rate_ratio_high`. Parts: `count` (log mean); of a
        hurdle also `any` (log-odds of ANY days, so a positive sign means fewer zeros); of a ZINB
        also `excess_zero` (log-odds of an excess ZERO: the opposite direction). In these two the
        exponential is an odds ratio.
    fit : DataFrame
        One row: `family n llf aic bic theta theta_std_error zeros_observed zeros_expected
        identified reason`. `reason` says why a model is not identified (its standard errors are
        NaN then), or what it collapsed to. `theta` is infinite where there is no over-dispersion.
    vcov : DataFrame
        Covariance of the estimates, rows and columns by (part, term).
    rows : DataFrame
        Per row used: `observed`, `mean` (fitted mean of the outcome), `mu` (mean of the Poisson
        or NB inside the model) and `share` (probability of a zero in a hurdle, of an excess zero
        in a ZINB, else 0).
    """

    coefficients: pd.DataFrame
    _design: Design = field(repr=False)
    _found: Fit = field(repr=False)
    _vcov: np.ndarray = field(repr=False)

    @cached_property
    def fit(self) -> pd.DataFrame:
        return _fit_row(self._design, self._found)

    @cached_property
    def vcov(self) -> pd.DataFrame:
        labels = pd.MultiIndex.from_frame(self.coefficients[["part", "term"]])
        return pd.DataFrame(self._vcov, index=labels, columns=labels)

    @cached_property
    def rows(self) -> pd.DataFrame:
        found = self._found
        values = {"observed": self._design.y, "mean": _mean(found), "mu": found.mu}
        return pd.DataFrame(values | {"share": found.share}, index=self._design.index)

    def _repr_html_(self) -> str:
        return self.coefficients.to_html(index=False) + self.fit.to_html(index=False)


def as_model(design: Design, fit: Fit, conf_level: float) -> CountModel:
    """Bring a fit back to the predictors' own units, with errors by model or by cluster."""
    n, m = len(design.y), len(fit.parts)
    back = np.kron(np.eye(m), design.back)
    if design.groups is None:
        vcov, df = back @ fit.vcov @ back.T, np.inf
    else:
        gradient = fit.mu[:, None] * design.Z @ np.linalg.inv(design.back)
        robust = cr2_covariance(gradient, design.y - fit.mu, design.groups, fit.mu, design.terms)
        vcov, df = robust.vcov, robust.df
    table = tidy(design.terms * m, back @ fit.b, np.sqrt(np.diag(vcov)), df, n, conf_level)
    part = pd.DataFrame({"part": np.repeat(fit.parts, len(design.terms)).tolist()})
    ratios = np.exp(np.column_stack([table[c].to_numpy() for c in RATIOS.values()]))
    # Put together at once: inserting column by column takes a third of the time of a whole fit.
    table = pd.concat([part, table, pd.DataFrame(ratios, columns=[*RATIOS])], axis=1)
    return CountModel(table, design, fit, vcov)


def share_up_to(count: int, model: CountModel) -> np.ndarray:
    """Per row, the fitted probability of at most `count`."""
    found = model._found
    mu, theta, share = found.mu, found.theta, found.share
    below = pdtr(count, mu) if np.isinf(theta) else betainc(theta, count + 1, theta / (theta + mu))
    if found.family == "hurdle":
        none = np.exp(_log_zero(mu, theta))
        below = (below - none) / (1 - none)
    return share + (1 - share) * below


def _fit_row(design: Design, fit: Fit) -> pd.DataFrame:
    n = len(design.y)
    zeros = (
        fit.share
        if fit.family == "hurdle"
        else (fit.share + (1 - fit.share) * np.exp(_log_zero(fit.mu, fit.theta)))
    )
    values = (
        *(fit.family, n, fit.llf, 2 * fit.n_parameters - 2 * fit.llf),
        *(np.log(n) * fit.n_parameters - 2 * fit.llf, fit.theta, fit.theta_std_error),
        *(int((design.y == 0).sum()), float(zeros.sum()), fit.identified, fit.reason),
    )
    return pd.DataFrame({c: [v] for c, v in zip(FIT, values, strict=True)})


def _mean(fit: Fit) -> np.ndarray:
    if fit.family == "hurdle":
        return (1 - fit.share) * fit.mu / -np.expm1(_log_zero(fit.mu, fit.theta))
    return (1 - fit.share) * fit.mu


def _log_zero(mu: np.ndarray, theta: float) -> np.ndarray:
    """Log probability of 0 under the Poisson or NB inside the model."""
    return -mu if np.isinf(theta) else -theta * np.log1p(mu / theta)
