"""From a claim to the arrays that speak to it, to an estimate, and to its verdict.

There is one way, for the quick analyses, the stress tests and every specification: `complete_of`
finds the dyads; `claim_data` makes the arrays, whose `model` gives estimates; `effect_of` puts
intervals and the equivalence test to an estimate; `verdict_of` applies the rule of the claim's
kind. The rules, a few lines each, look at equivalence first, so that a million dyads do not make a
trifle an association; p > .05 alone never supports an absence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.special import betainc, fdtrc, gammaln, stdtr, stdtrit, xlogy

from ..errors import NotEstimableError
from ..models.count_fits import too_rare
from ..models.design import standardise, unusable
from ..models.inference import two_one_sided
from ..models.partial import Correlation, Estimate, Partial, PartialCounts
from ..study.codebook import Codebook
from .rules import Claim, Rules
from .views import complete, worth_of

SUPPORTED, NOT_SUPPORTED, INCONCLUSIVE = "supported", "not_supported", "inconclusive"
Complete = tuple[np.ndarray, np.ndarray | None, np.ndarray, tuple[str, ...]]
"""What `complete` returns, and the names of the variables that the claim is about."""
BLOCKS = ("block_absence", "block_difference")
ANALYSES = {"as_published": "ols", "nested": "mixed", "nested_cr2": "cr2"}
"""Ways to estimate: dyads taken as independent; nested in case managers, by a mixed model or by
errors that respect them (CR2)."""
ADJUSTED = {"adjusted": "mixed", "adjusted_independent": "ols"}
"""The same, adjusted for pretreatment."""
QUICK = ADJUSTED | ANALYSES
OF_KIND = {
    "rate_absence": {"ols": "poisson", "mixed": "poisson_cr2"},
    "modest": {"ols": "pearson", "mixed": "jackknife"},
}
"""Of hospital days, and of two ratings, the estimators that do the same."""
INDEPENDENT = ("as_published", "adjusted_independent")
LEAST_DESIGN_EFFECT = 1.05
"""Below it, whatever two clients of one case manager have in common, errors that take dyads as
independent are at most 2.5 % too small, and the design tells case managers from clients no more."""


def relate(y, x, groups, analysis: str = "as_published", bound: float = 0.20, Z=None) -> Effect:
    """The standardised association of two variables, with the columns of `Z` held constant.

    Parameters
    ----------
    y, x : ndarray (n,), complete
        The outcome and its predictor; which is which matters to the mixed model alone.
    groups : ndarray (n,) of case managers, or None where dyads are independent
    analysis : str
        `as_published` gives a correlation with Fisher's intervals, `jackknife` one whose errors
        respect case managers, `nested` and `nested_cr2` (and whatever is held constant) a slope
        with t intervals.
    bound : float
        Of equivalence.

    Raises
    ------
    NotEstimableError
        Too few dyads, a variable that does not vary, no groups of dyads.
    """
    y, x = standardise(y), standardise(x)
    Z = np.empty((len(y), 0)) if Z is None else Z
    if analysis == "as_published" and not Z.size:
        return correlation(float(x @ y) / (len(y) - 1), len(y), bound)
    how = ANALYSES.get(analysis, analysis)
    found = Partial(y, x[:, None], Z, groups).observed(how)
    made_of, bounds = (fisher, ()) if how == "jackknife" else (slope, (-bound,))
    return made_of(found.estimate, found.std_error, found.df2, found.n, *bounds, bound)


@dataclass(frozen=True)
class ClaimData:
    """Complete dyads for one claim.

    Attributes
    ----------
    claim : Claim
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
    terms : tuple of k names
    """

    claim: Claim
    y: np.ndarray
    X: np.ndarray
    Z: np.ndarray
    groups: np.ndarray | None
    rows: np.ndarray
    terms: tuple[str, ...]

    @cached_property
    def worth(self) -> float:
        """How many independent dyads these are worth; of several predictors the mean.

        Where the study names no case managers they are independent; of one case manager NaN.
        """
        try:
            return worth_of(self.X, self.y, self.groups)
        except NotEstimableError:
            return np.nan

    @cached_property
    def model(self) -> Partial | PartialCounts:
        """The model of these data, for all its estimators.

        Raises
        ------
        NotEstimableError
            Names the variable that does not vary, or that others determine.
        """
        if self.claim.kind == "rate_absence":
            if np.ptp(self.y) == 0:
                raise NotEstimableError(f"'{self.claim.term}' is {self.y[0]:g} in every row.")
            return PartialCounts(self.y, self.X[:, 0], self.Z, self.groups)
        try:
            return Partial(self.y, self.X, self.Z, self.groups, block=self.claim.kind in BLOCKS)
        except NotEstimableError:
            n, k = self.X.shape
            if len(self.terms) == k < n - 1 and (why := unusable(self.X, self.terms)):
                raise NotEstimableError(f"{'; '.join(why)}.") from None
            raise


def complete_of(claim: Claim, dyads: pd.DataFrame, book: Codebook, held: Sequence[str]) -> Complete:
    """The complete dyads of a claim: its ratings, its variables and the covariates as they are.

    Parameters
    ----------
    claim : Claim
        Of any kind but `all_of`.
    dyads : DataFrame
    book : Codebook
    held : sequence of str
        Covariates: columns of the dyad table, of which a category becomes indicators.

    Raises
    ------
    NotEstimableError
        A rating or variable is not in the table, or too few dyads are complete.
    """
    if claim.block and not book.blocks.get(claim.block):
        raise NotEstimableError(f"the study has no block {claim.block!r}")
    tested = tuple(claim.variables(book))
    columns = [*(book.alliance_of(i) for i in claim.informants), *tested]
    return *complete(dyads, book, columns, held), tested


def claim_data(claim: Claim, found: Complete, transform: Callable | None = None) -> ClaimData:
    """Outcome and predictors of a claim.

    Parameters
    ----------
    claim : Claim
    found : tuple
        From :func:`complete_of`.
    transform : callable, optional
        Columns (n, m) to columns, of the ratings and the claim's variables before anything is made
        of them, but not of days of a rate, which stay days. A row with a value that became NaN is
        left out.

    Raises
    ------
    NotEstimableError
        Days of a rate that too few clients have.
    """
    values, groups, rows, tested = found
    n_ratings = len(claim.informants)
    k = n_ratings + len(tested)
    values, Z = values[:, :k], values[:, k:]
    if transform is not None:
        which = slice(0, 1) if claim.kind == "rate_absence" else slice(0, k)
        values = np.column_stack([transform(values[:, which]), values[:, which.stop :]])
        kept = ~np.isnan(values).any(axis=1)
        values = values[kept]
        Z, rows, groups = Z[kept], rows[kept], None if groups is None else groups[kept]
    y, X = _regression(claim, values[:, :n_ratings], values[:, n_ratings:])
    if claim.kind == "rate_absence" and (rare := too_rare(y, tested[0])):
        raise NotEstimableError(rare)
    return ClaimData(claim, y, X, Z, groups, rows, tested)


def _regression(claim: Claim, ratings: np.ndarray, tested: np.ndarray) -> tuple[np.ndarray, ...]:
    """Outcome and predictors, in the direction in which the claim states the regression."""
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


def ways(claim: Claim) -> dict[str, str]:
    """The quick analyses that speak to a claim, each with the estimator of its model."""
    own = OF_KIND.get(claim.kind)
    return {a: own[way] for a, way in QUICK.items() if way in own} if own else QUICK


def offered(dyads: pd.DataFrame, book: Codebook) -> list[str]:
    """The quick analyses that a study has: pretreatment and case managers must be known."""
    known = book.blocks.get("pretreatment", ())
    there = any(c in dyads and dyads[c].notna().any() for c in known)
    names = QUICK if there else ANALYSES
    return [a for a in names if book.case_manager or a in INDEPENDENT]


def told_apart(dyads: pd.DataFrame, book: Codebook) -> Codebook:
    """The codebook; without case managers where each has, but for a few, a single client.

    The largest design effect there can be, if clients of one were all alike, is the mean caseload
    of a client's case manager (Kish 1965).
    """
    if book.case_manager not in dyads:
        return book
    loads = dyads[book.case_manager].value_counts()
    few = len(loads) > 1 and (loads**2).sum() < LEAST_DESIGN_EFFECT * loads.sum()
    return replace(book, case_manager=None) if few else book


def fitted(data: ClaimData) -> Estimate:
    """The estimate that respects case managers, if they are known.

    A mixed model; for days Poisson with CR2 errors; for two ratings their jackknifed correlation.
    """
    analysis = "as_published" if data.groups is None else "nested"
    return data.model.observed(ways(data.claim)[analysis])


def assessed(data: ClaimData, rules: Rules, analysis: str) -> Effect:
    """What a quick analysis estimates."""
    claim = data.claim
    if analysis == "as_published" and claim.kind not in (*BLOCKS, "rate_absence"):
        return relate(data.y, data.X[:, 0], None, analysis, bounds_of(claim, rules)[1])
    return effect_of(data.model.observed(ways(claim)[analysis]), claim, rules)


def bounds_of(claim: Claim, rules: Rules) -> tuple[float, float]:
    """Between which the claim's association, block or rate ratio is too small to matter."""
    if claim.kind == "rate_absence":
        return rules.bounds["rate_ratio_low"], rules.bounds["rate_ratio_high"]
    bound = rules.bounds["correlation" if claim.kind == "modest" else claim.bound]
    return -bound, bound


def effect_of(estimate: Estimate, claim: Claim, rules: Rules) -> Effect:
    """The estimate with the intervals and the equivalence test of its kind of claim."""
    e, bounds = estimate, bounds_of(claim, rules)
    if isinstance(e, Correlation):
        return fisher(e.estimate, e.std_error, e.df2, e.n, bounds[1])
    if claim.kind in BLOCKS:
        return block(e, bounds[1])
    made_of = rate_ratio if claim.kind == "rate_absence" else slope
    return made_of(e.estimate, e.std_error, e.df2, e.n, *bounds)


def verdict_of(effect: Effect, claim: Claim, rules: Rules) -> tuple[str, str]:
    """Verdict and criterion by the rule of the claim's kind."""
    low, high = bounds_of(claim, rules)
    if claim.kind == "association" or claim.over_time:
        return association(effect, claim.direction, high, " SD" * claim.over_time)
    if claim.kind == "modest":
        return modest(effect, high, rules.bounds["modest_high"])
    if claim.kind == "rate_absence":
        return absence(effect, f"a rate ratio of {low:g} to {high:g} per SD")
    rule = absence if claim.kind == "block_absence" else difference
    return rule(effect, f"R² = {high:g}")


@dataclass(frozen=True)
class Effect:
    """One estimate with its 95 % and 90 % intervals.

    `p_equivalence` is the larger p-value of the two one-sided tests against the bounds
    (Schuirmann 1987), or the probability of an F this small at the bound for a block.
    """

    estimate: float
    p_value: float
    n: int
    df: float = math.inf
    conf_low: float = math.nan
    conf_high: float = math.nan
    low_90: float = math.nan
    high_90: float = math.nan
    p_equivalence: float = math.nan

    @property
    def equivalent(self) -> bool:
        return self.p_equivalence < 0.05


Judged = tuple[Effect, tuple[str, str]]
"""An estimate, and its verdict and criterion."""


def correlation(r: float, n: int, bound: float) -> Effect:
    """A correlation with Fisher's intervals; equivalence within -bound to bound."""
    z = math.atanh(max(min(r, 1 - 1e-15), -1 + 1e-15))
    t = r * math.sqrt((n - 2) / max(1 - r * r, 1e-300))
    effect = fisher(z, 1 / math.sqrt(n - 3), math.inf, n, bound)
    return replace(effect, estimate=r, p_value=2 * stdtr(n - 2, -abs(t)), df=n - 2)


def fisher(z: float, se: float, df: float, n: int, bound: float) -> Effect:
    """A correlation by its Fisher's z, with t intervals; equivalence within -bound to bound."""
    effect = slope(z, se, df, n, -math.atanh(bound), math.atanh(bound))
    return _on_the_scale_of(math.tanh, effect)


def slope(b: float, se: float, df: float, n: int, low: float, high: float) -> Effect:
    """A coefficient with t intervals; equivalence within low to high."""
    p = 2 * stdtr(df, -abs(b / se))
    limits = [b + stdtrit(df, q) * se for q in (0.025, 0.975, 0.05, 0.95)]
    return Effect(b, p, n, df, *limits, two_one_sided(b, se, low, high, df))


def rate_ratio(b: float, se: float, df: float, n: int, low: float, high: float) -> Effect:
    """A log rate turned into a rate ratio; equivalence within low to high."""
    effect = slope(b, se, df, n, math.log(low), math.log(high))
    return _on_the_scale_of(lambda x: math.exp(min(x, 700.0)), effect)


def _on_the_scale_of(back: Callable[[float], float], effect: Effect) -> Effect:
    names = ("estimate", "conf_low", "conf_high", "low_90", "high_90")
    return replace(effect, **{name: back(getattr(effect, name)) for name in names})


def block(e: Estimate, bound: float) -> Effect:
    """A block of predictors by its F; equivalence against the distribution of F at the bound.

    The predictors were sampled with the people, those of case managers with the case managers, so
    at a share R2 of the variance the non-centrality is itself random: R2 / (1 - R2) times what each
    draw is worth, times a chi-square of the number of draws less one. So mixed, the non-central F's
    Poisson weights are negative binomial (Gurland 1968). With the non-centrality taken as fixed
    (Murphy & Myors 1999) 5 % would be 6.
    """
    f = max(e.f, 0.0)  # rounding takes an F of 0 below it
    half, odds = max(e.drawn - 1, 1.0) / 2, bound / (1 - bound) * e.worth / e.drawn
    mean = half * odds
    j = np.arange(int(mean + 12 * math.sqrt(mean * (1 + odds))) + 60)  # beyond, nothing is left
    chosen = gammaln(j + half) - gammaln(j + 1) - gammaln(half)
    weights = np.exp(chosen + xlogy(j, odds) - (j + half) * math.log1p(odds))
    below = betainc(e.df1 / 2 + j, e.df2 / 2, e.df1 * f / (e.df1 * f + e.df2))
    within = min(float(weights @ below), 1.0)
    return Effect(e.estimate, fdtrc(e.df1, e.df2, f), e.n, e.df2, p_equivalence=within)


def verdict(holds: bool, fails: bool) -> str:
    """What holds is supported, what fails is not, and anything else open."""
    return SUPPORTED if holds else NOT_SUPPORTED if fails else INCONCLUSIVE


def association(effect: Effect, sign: int, bound: float, unit: str = "") -> tuple[str, str]:
    """An association with a sign (1 or -1): verdict and criterion."""
    side, other = ("above", "below")[::sign]
    criterion = f"95 % CI {side} 0, and not inside ±{bound:g}{unit} with 90 % confidence"
    criterion += f"; not supported if the 90 % CI is {other} {sign * bound:g}{unit}"
    holds = min(sign * effect.conf_low, sign * effect.conf_high) > 0 and not effect.equivalent
    fails = max(sign * effect.low_90, sign * effect.high_90) < bound
    return verdict(holds, fails), criterion


def modest(effect: Effect, low: float, high: float) -> tuple[str, str]:
    """A modest association: above zero, clearly below large, and no trifle."""
    criterion = f"95 % CI above 0 and below {high:g}, and not below {low:g} with 90 % confidence"
    fails = effect.high_90 < low or effect.low_90 > high
    return verdict(effect.conf_low > 0 and effect.conf_high < high and not fails, fails), criterion


def absence(effect: Effect, words: str) -> tuple[str, str]:
    """An absence: the effect is smaller than the bound, which `words` describe."""
    criterion = f"smaller than {words} with 95 % confidence (one-sided)"
    return verdict(effect.equivalent, effect.p_value < 0.05), criterion


def difference(effect: Effect, words: str) -> tuple[str, str]:
    """The informants differ on a block: p < .05, and the difference is not within the bound."""
    criterion = f"F test of the difference between informants, p < .05, and not within {words}"
    return verdict(effect.p_value < 0.05 and not effect.equivalent, effect.equivalent), criterion


def all_of(verdicts: list[str]) -> tuple[str, str]:
    """Several claims together: all must hold, and one failing is enough to fail."""
    said = verdict(set(verdicts) <= {SUPPORTED}, NOT_SUPPORTED in verdicts)
    return said, f"all {len(verdicts)} must be supported"
