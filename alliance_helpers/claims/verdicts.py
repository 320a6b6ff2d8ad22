"""From an estimate to a verdict: the rules, each a few lines, none of them fitting anything.

Equivalence is looked at first, so that a million dyads do not make a trifle an association, and
p > .05 alone never supports an absence.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import betainc, fdtrc, gammaln, stdtr, stdtrit, xlogy

from ..models.inference import two_one_sided
from ..models.partial import Estimate

SUPPORTED, NOT_SUPPORTED, INCONCLUSIVE = "supported", "not_supported", "inconclusive"


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


def block(e: Estimate, bound: float, worth: float | None = None) -> Effect:
    """A block of predictors by its F; equivalence against the distribution of F at the bound.

    The predictors were sampled with the people, so at a share R2 of the variance the
    non-centrality is itself random: R2 / (1 - R2) times a chi-square of N - 1 degrees of freedom
    less one for each covariate, where N is what the dyads are worth: n if independent. So mixed,
    the non-central F's Poisson weights are negative binomial (Gurland 1968). With the
    non-centrality taken as fixed (Murphy & Myors 1999) 5 % would be 6.
    """
    f = max(e.f, 0.0)  # rounding takes an F of 0 below it
    half = max((e.n if worth is None else worth) - 1 - e.n_held, 1.0) / 2
    mean = half * bound / (1 - bound)
    j = np.arange(int(mean + 12 * math.sqrt(mean / (1 - bound))) + 60)  # beyond, nothing is left
    chosen = gammaln(j + half) - gammaln(j + 1) - gammaln(half)
    weights = np.exp(chosen + xlogy(j, bound) + half * math.log1p(-bound))
    below = betainc(e.df1 / 2 + j, e.df2 / 2, e.df1 * f / (e.df1 * f + e.df2))
    within = min(float(weights @ below), 1.0)
    return Effect(e.estimate, fdtrc(e.df1, e.df2, f), e.n, e.df2, p_equivalence=within)


def verdict(holds: bool, fails: bool) -> str:
    """What holds is supported, what fails is not, and anything else open."""
    return SUPPORTED if holds else NOT_SUPPORTED if fails else INCONCLUSIVE


def association(effect: Effect, sign: int, bound: float) -> tuple[str, str]:
    """An association with a sign (1 or -1): verdict and criterion."""
    side = "above" if sign > 0 else "below"
    criterion = f"95 % CI {side} 0, and not inside ±{bound:g} with 90 % confidence"
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
