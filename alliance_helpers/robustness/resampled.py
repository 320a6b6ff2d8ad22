"""Stress tests that ask the same thing many times: jackknife, selection, every specification."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from ..claims import Claim, Rules
from ..errors import NotEstimableError
from ..estimation.count_effects import log_mean_ratio
from ..estimation.count_families import Fit
from ..estimation.leave_one_out import leave_one_out
from ..judging import verdicts
from ..judging.analyses import standardise
from ..judging.claim_data import BLOCKS, ClaimData, claim_data, verdict_of
from ..judging.verdicts import Effect
from ..multiverse import Multiverse, multiverse
from ..reselection import inclusion
from ..views import alliance_of
from .stressed import Found, Stressed


def jackknife(study: Stressed, analysis: str) -> list[dict]:
    """Dyads weighted alike, errors by leaving out one case manager at a time."""

    def find(claim: Claim) -> Found:
        usual = study.rules.days_adjusted_for if claim.kind == "rate_absence" else ()
        data = claim_data(claim, study.dyads, study.book, [c for c in usual if c in study.dyads])
        if claim.kind == "rate_absence":
            return jackknifed_rate(study, claim, data, "poisson")
        effect = _block(study, claim, data) if claim.kind in BLOCKS else _pair(study, claim, data)
        return effect, verdict_of(effect, claim, study.rules)

    return study.rows(analysis, find)


def jackknifed_rate(study: Stressed, claim: Claim, data: ClaimData, family: str) -> Found:
    """Rate ratio per SD with errors by leaving out case managers."""
    X = np.column_stack([standardise(data.X), data.Z])
    fits: list[Fit] = []  # the first, of all rows: the others start where it ends

    def ratio(rows: np.ndarray) -> np.ndarray:
        found, fit = log_mean_ratio(data.y[rows], X[rows], family, *fits[:1])
        fits.append(fit)
        return np.array([found])

    estimate, covariance, df = leave_one_out(ratio, units(study, data))
    limits = study.rules.bounds["rate_ratio_low"], study.rules.bounds["rate_ratio_high"]
    error = math.sqrt(covariance[0, 0])
    effect = verdicts.rate_ratio(float(estimate[0]), error, df, len(data.y), *limits)
    return effect, verdict_of(effect, claim, study.rules)


def units(study: Stressed, data: ClaimData) -> np.ndarray:
    """What is left out at a time: one case manager; of many, or without any, a random part."""
    most = study.settings["jackknife"]["most"]
    whole = np.arange(len(data.y)) if data.groups is None else data.groups
    codes = np.unique(whole, return_inverse=True)[1]
    count = int(codes.max()) + 1
    if count <= most:
        return codes
    return (np.random.default_rng(study.seed).permutation(count) % most)[codes]


def _pair(study: Stressed, claim: Claim, data: ClaimData) -> Effect:
    x, y = data.X[:, 0], data.y
    standardise(np.column_stack([x, y]))

    def fisher(rows: np.ndarray) -> np.ndarray:
        a, b = x[rows] - x[rows].mean(), y[rows] - y[rows].mean()
        size = math.sqrt((a @ a) * (b @ b))
        if size == 0:
            raise NotEstimableError("a variable does not vary")
        return np.array([math.atanh(np.clip(a @ b / size, -1 + 1e-15, 1 - 1e-15))])

    estimate, covariance, df = leave_one_out(fisher, units(study, data))
    bound = study.rules.bounds["correlation" if claim.kind == "modest" else claim.bound]
    z, error = float(estimate[0]), math.sqrt(covariance[0, 0])
    if error == 0:
        raise NotEstimableError("no case manager changes the estimate")
    e = verdicts.slope(z, error, df, len(y), -math.atanh(bound), math.atanh(bound))
    limits = [math.tanh(v) for v in (e.conf_low, e.conf_high, e.low_90, e.high_90)]
    return Effect(math.tanh(z), e.p_value, e.n, df, *limits, e.p_equivalence)


def _block(study: Stressed, claim: Claim, data: ClaimData) -> Effect:
    y, X = standardise(data.y), standardise(data.X)
    n, k = X.shape
    design = np.column_stack([np.ones(n), X])

    def slopes(rows: np.ndarray) -> np.ndarray:
        found, _, rank, _ = np.linalg.lstsq(design[rows], y[rows], rcond=1e-10)
        if rank <= k:
            raise NotEstimableError("a variable of the block is determined by the others")
        return found[1:]

    estimate, covariance, df = leave_one_out(slopes, units(study, data))
    if df < k + 1:
        raise NotEstimableError(f"{df + 1} case managers are too few for {k} variables")
    # Hotelling's T squared, scaled to an F.
    f = float(estimate @ np.linalg.solve(covariance, estimate)) * (df - k + 1) / (df * k)
    residual = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    share = 1 - float(residual @ residual) / float(y @ y)
    return verdicts.block(
        f, k, df - k + 1, n, share, study.rules.bounds[claim.bound], study.worth(claim, n)
    )


def selection(study: Stressed, analysis: str) -> list[dict]:
    """Inclusion of each associated variable in resamples of the stepwise regressions of 1995."""
    s = study.settings["selection"]
    found = study.reselected
    if found is None:
        found = inclusion(study.dyads, study.book, s["n_boot"], study.seed)

    def find(claim: Claim) -> Found | None:
        terms = list(claim.composite) or [claim.term]
        rows = found[found["informant"] == claim.informant]
        failed = rows[rows["outcome"].isin([alliance_of(study.book, claim.informant), *terms])]
        rows = rows.dropna(subset=["term"]).set_index("term")
        if any(t not in rows.index for t in terms):
            reasons = [r for r in failed["reason"] if r]
            if reasons:
                raise NotEstimableError(reasons[0].removeprefix("not estimable: "))
            return None
        # Of a composite the component that is selected most often.
        term = rows.loc[terms, "inclusion"].idxmax()
        row = rows.loc[term]
        wanted = (1 if claim.sign == "positive" else -1) * claim.composite.get(term, 1)
        right = row["beta_all_in"] * wanted > 0
        often, noise = float(row["inclusion"]), float(row["noise_inclusion"])
        enough = often >= max(s["inclusion"], s["noise_ratio"] * noise)
        if enough and right and row["same_sign"] >= s["same_sign"]:
            verdict = verdicts.SUPPORTED
        else:
            # That a term is not selected says as little as p > .05.
            against = enough and not right
            verdict = verdicts.NOT_SUPPORTED if against else verdicts.INCONCLUSIVE
        criterion = (
            f"selected in {s['inclusion']:.0%} of the resamples and {s['noise_ratio']:g} times as "
            f"often as noise ({noise:.0%}), with the claimed sign"
        )
        return Effect(often, np.nan, int(row["n"]), np.nan), (verdict, criterion)

    return study.rows(analysis, find, "association")


def every_specification(study: Stressed, analysis: str) -> list[dict]:
    """Median over all defensible specifications, with the joint permutation test."""
    s = study.settings["multiverse"]
    found = study.specifications or multiverse(
        study.clean, study.book, study.rules, study.finding, None, s["n_perm"], study.seed
    )

    def find(claim: Claim) -> Found:
        return _together(claim, found, s, study.rules)

    return study.rows(analysis, find)


def _together(claim: Claim, found: Multiverse, s: dict, rules: Rules) -> Found:
    key = (claim.finding, claim.claim, claim.informant)

    def of(table: pd.DataFrame) -> pd.DataFrame:
        mine = pd.Series(True, index=table.index)
        for column, value in zip(("finding", "claim", "informant"), key, strict=True):
            mine &= table[column] == value
        return table[mine]

    specs = of(found.specifications)
    if not len(specs):
        reasons = of(found.skipped)["reason"]
        why = reasons.mode().iloc[0] if len(reasons) else "no specification is possible"
        raise NotEstimableError(why)
    joint = of(found.joint).set_index("statistic").loc[s["statistic"]]
    p, median = float(joint["p_value"]), float(specs["estimate"].median())
    share = specs["verdict"].value_counts(normalize=True)
    against, most = share.get(verdicts.NOT_SUPPORTED, 0.0), s["majority"]
    clear = p < s["alpha"]
    if claim.kind in ("block_absence", "rate_absence"):
        holds, fails = share.get(verdicts.SUPPORTED, 0.0) > most, clear
        rule = f"more than {most:.0%} of {len(specs)} specifications inside the bound"
    else:
        right = claim.kind == "block_difference" or (median > 0) == (claim.sign == "positive")
        holds, fails = clear and right and against <= most, against > most
        if claim.kind == "modest":
            holds &= (specs["conf_high"] < rules.bounds["modest_high"]).mean() > most
        rule = (
            f"joint permutation test of the {s['statistic']} over {len(specs)} specifications, "
            f"p < {s['alpha']:g}"
        )
    verdict = verdicts.INCONCLUSIVE
    if holds or fails:
        verdict = verdicts.SUPPORTED if holds else verdicts.NOT_SUPPORTED
    low, high = specs["estimate"].min(), specs["estimate"].max()
    criterion = f"{rule} (estimates {low:.2f} to {high:.2f})"
    n = int(specs["n"].median())
    return Effect(median, p, n, np.nan), (verdict, criterion)
