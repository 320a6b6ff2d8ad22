"""Ways to estimate a claim: dyads taken as independent, or nested in case managers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import NotEstimableError
from ..models.counts import count_regression
from ..models.design import COLLINEAR, standardise
from ..models.nesting import block_test, random_intercept
from ..models.robust import cluster_block_test, cluster_robust
from . import verdicts
from .verdicts import Effect


@dataclass(frozen=True)
class Analysis:
    """A way to estimate: one association, one block of terms, one rate ratio.

    Each function takes standardised arrays and the case managers, and returns an Effect.
    """

    name: str
    pair: Callable[..., Effect]
    block: Callable[..., Effect]
    rate: Callable[..., Effect] | None


def _pair_dyads(y, x, groups, bound) -> Effect:
    r = float(standardise(x) @ standardise(y)) / (len(y) - 1)
    return verdicts.correlation(r, len(y), bound)


def _r_squared(y: np.ndarray, X: np.ndarray) -> float:
    """Share of the variance of y that the terms explain, dyads counted alike."""
    n, k = X.shape
    if n <= k + 1:
        raise NotEstimableError(f"{n} complete dyads are too few for {k} terms")
    y, design = standardise(y), np.column_stack([np.ones(n), standardise(X)])
    slopes, _, rank, _ = np.linalg.lstsq(design, y, rcond=COLLINEAR**0.5)
    if rank <= k:
        raise NotEstimableError("the terms of the block are collinear")
    residual = y - design @ slopes
    return 1 - float(residual @ residual) / (n - 1)


def _block_dyads(y, X, terms, groups, bound, worth) -> Effect:
    (n, k), share = X.shape, _r_squared(y, X)
    f = share / k / ((1 - share) / (n - k - 1))
    return verdicts.block(f, k, n - k - 1, n, share, bound)


def _pair_mixed(y, x, groups, bound) -> Effect:
    return _slope(random_intercept(standardise(y), standardise(x), groups, ["x"]), bound)


def _pair_cr2(y, x, groups, bound) -> Effect:
    return _slope(cluster_robust(standardise(y), standardise(x), groups, ["x"]), bound)


def _block_mixed(y, X, terms, groups, bound, worth) -> Effect:
    test = block_test(y, standardise(X), groups, terms, terms)
    return _wald(test, _r_squared(y, X), bound, worth)


def _block_cr2(y, X, terms, groups, bound, worth) -> Effect:
    test = cluster_block_test(y, standardise(X), groups, terms, terms)
    return _wald(test, _r_squared(y, X), bound, worth)


def _wald(test: pd.DataFrame, share: float, bound: float, worth: float) -> Effect:
    row = test.iloc[0]
    return verdicts.block(row["f"], row["df1"], row["df2"], int(row["n"]), share, bound, worth)


def _slope(coefficients: pd.DataFrame, bound: float) -> Effect:
    row = coefficients.set_index("term").loc["x"]
    return verdicts.slope(
        row["estimate"], row["std_error"], row["df"], int(row["n"]), -bound, bound
    )


def _rate(y, X, terms, groups, low, high) -> Effect:
    data = pd.DataFrame(X, columns=terms).assign(**{"the days": y, "case manager": groups})
    model = count_regression(data, "the days", terms, family="poisson", cluster="case manager")
    row = model.coefficients.set_index("term").loc[terms[0]]
    return verdicts.rate_ratio(
        row["estimate"], row["std_error"], row["df"], int(row["n"]), low, high
    )


def _rate_dyads(y, X, terms, groups, low, high) -> Effect:
    return _rate(y, X, terms, np.arange(len(y)), low, high)


ANALYSES = {
    a.name: a
    for a in (
        Analysis("as_published", _pair_dyads, _block_dyads, _rate_dyads),
        Analysis("nested", _pair_mixed, _block_mixed, _rate),
        Analysis("nested_cr2", _pair_cr2, _block_cr2, None),
    )
}
