"""From a claim to the arrays that speak to it, and from an estimate to its verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import NotEstimableError
from ..models.design import standardise
from ..models.partial import Estimate
from ..study.codebook import Codebook
from . import verdicts
from .rules import Claim, Rules
from .verdicts import Effect
from .views import as_numbers

Transform = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Columns (n, m) to columns and the rows kept (n,) of bool."""
SINGLE = ("association", "modest", "rate_absence")
BLOCKS = ("block_absence", "block_difference")


@dataclass(frozen=True)
class ClaimData:
    """Complete dyads for one claim.

    Attributes
    ----------
    y : ndarray (n,)
        The outcome: hospital days for a rate, a difference of standardised ratings where
        informants are compared.
    X : ndarray (n, k)
        What the claim relates to it.
    Z : ndarray (n, q)
        Covariates.
    groups : ndarray (n,) of case managers, or None where the study names none
    rows : ndarray (n,)
        Their positions in the dyad table.
    """

    y: np.ndarray
    X: np.ndarray
    Z: np.ndarray
    groups: np.ndarray | None
    rows: np.ndarray


def claim_data(
    claim: Claim,
    dyads: pd.DataFrame,
    book: Codebook,
    covariates: Sequence[str] = (),
    transform: Transform | None = None,
) -> ClaimData:
    """The complete dyads of a claim.

    Parameters
    ----------
    claim : Claim
        Of any kind but `all_of`.
    dyads : DataFrame
    book : Codebook
    covariates : sequence of str
        Columns of the dyad table; a category becomes indicators.
    transform : callable, optional
        Applied to the ratings and the claim's variables before anything is made of them; not to
        days of a rate, which stay days.

    Raises
    ------
    NotEstimableError
        A rating or variable is not in the table, or too few dyads are complete.
    """
    return complete_dyads(claim, dyads, book, covariates).made(transform)


def covariate_columns(dyads: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Covariates as numbers (n, q), with holes; a category becomes indicators."""
    return as_numbers(dyads, [c for c in names if c in dyads]).to_numpy(float)


def case_managers(dyads: pd.DataFrame, book: Codebook) -> np.ndarray | None:
    """Codes (n,) of the case managers, or None where the study names none."""
    return pd.factorize(dyads[book.case_manager])[0] if book.case_manager else None


@dataclass(frozen=True)
class CompleteDyads:
    """A claim's columns before anything is made of them."""

    claim: Claim
    n_ratings: int
    values: np.ndarray
    Z: np.ndarray
    groups: np.ndarray | None
    rows: np.ndarray

    def made(self, transform: Transform | None = None) -> ClaimData:
        """Outcome and predictors, by an optional rule for extreme values."""
        values, Z, rows, groups = self.values, self.Z, self.rows, self.groups
        if transform is not None:
            days = self.claim.kind == "rate_absence"
            made, kept = transform(values[:, :1] if days else values)
            values = np.column_stack([made, values[:, 1:]]) if days else made
            values, Z, rows = values[kept], Z[kept], rows[kept]
            groups = None if groups is None else groups[kept]
        y, X = _outcome(self.claim, values, self.n_ratings)
        return ClaimData(y, X, Z, groups, rows)


def complete_dyads(
    claim: Claim, dyads: pd.DataFrame, book: Codebook, covariates: Sequence[str] = ()
) -> CompleteDyads:
    """Rows that have the ratings, the claim's variables, the covariates and a case manager."""
    Z = covariate_columns(dyads, covariates)
    return complete_beside(claim, dyads, book, Z, case_managers(dyads, book))


def complete_beside(
    claim: Claim,
    dyads: pd.DataFrame,
    book: Codebook,
    covariates: np.ndarray,
    managers: np.ndarray | None,
) -> CompleteDyads:
    """The same with the covariates and the case managers at hand."""
    ratings = [book.alliance_of(i) for i in claim.informants]
    columns = [*ratings, *([] if claim.kind == "modest" else claim.variables(book))]
    if claim.block and not book.blocks.get(claim.block):
        raise NotEstimableError(f"the study has no block {claim.block!r}")
    if lacking := [c for c in columns if c not in dyads]:
        raise NotEstimableError(f"the study has no {', '.join(lacking)}")
    values = np.column_stack([*(dyads[c].to_numpy(float) for c in columns), covariates])
    known = True if managers is None else managers >= 0
    rows = np.flatnonzero(~np.isnan(values).any(axis=1) & known)
    if len(rows) < 4:
        raise NotEstimableError(f"only {len(rows)} dyads have all of {', '.join(columns)}")
    Z = values[rows, len(columns) :]
    values = values[rows, : len(columns)]
    groups = None if managers is None else managers[rows]
    return CompleteDyads(claim, len(ratings), values, Z, groups, rows)


def _outcome(claim: Claim, values: np.ndarray, n_ratings: int) -> tuple[np.ndarray, np.ndarray]:
    """Outcome and predictors, in the direction in which `findings` writes each regression."""
    ratings, tested = values[:, :n_ratings], values[:, n_ratings:]
    if claim.kind == "modest":
        return ratings[:, 1], ratings[:, :1]
    if claim.kind == "block_difference":
        client, case_manager = standardise(ratings).T
        return case_manager - client, tested
    if claim.composite:
        tested = standardise(tested) @ np.array(list(claim.composite.values()), float)[:, None]
    if claim.kind == "rate_absence" or claim.outcome:
        return tested[:, 0], ratings[:, :1]
    return ratings[:, 0], tested


def effect_of(estimate: Estimate, claim: Claim, rules: Rules, worth: float | None = None) -> Effect:
    """The estimate with the intervals and the equivalence test of its kind of claim.

    `worth` is what the dyads are worth to a block's bound: their number if independent.
    """
    bounds = rules.bounds
    e = estimate
    if claim.kind == "rate_absence":
        limits = bounds["rate_ratio_low"], bounds["rate_ratio_high"]
        return verdicts.rate_ratio(e.estimate, e.std_error, e.df2, e.n, *limits)
    if claim.kind in BLOCKS:
        return verdicts.block(e.f, e.df1, e.df2, e.n, e.estimate, bounds[claim.bound], worth)
    bound = bounds["correlation" if claim.kind == "modest" else claim.bound]
    return verdicts.slope(e.estimate, e.std_error, e.df2, e.n, -bound, bound)


def verdict_of(effect: Effect, claim: Claim, rules: Rules) -> tuple[str, str]:
    """Verdict and criterion by the rule of the claim's kind."""
    bounds = rules.bounds
    if claim.kind == "association":
        return verdicts.association(effect, claim.sign, bounds[claim.bound])
    if claim.kind == "modest":
        return verdicts.modest(effect, bounds["correlation"], bounds["modest_high"])
    if claim.kind == "rate_absence":
        limits = bounds["rate_ratio_low"], bounds["rate_ratio_high"]
        return verdicts.absence(effect, "a rate ratio of {:g} to {:g} per SD".format(*limits))
    rule = verdicts.absence if claim.kind == "block_absence" else verdicts.difference
    return rule(effect, f"R² = {bounds[claim.bound]:g}")
