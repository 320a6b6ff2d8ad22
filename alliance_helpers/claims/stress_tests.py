"""Stress tests of the two informants, of resamples, and of evidence."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from ..errors import NotEstimableError
from ..models.agreement import response_surface, truth_and_bias
from ..models.count_fits import Fit
from ..models.counts import log_mean_ratio
from ..models.design import standardise
from ..models.inference import adjust, bayes_factor_block, bayes_factor_correlation
from ..models.informants import correlation_difference, stacked
from ..models.jackknife import leave_one_out
from ..models.partial import Partial
from . import verdicts
from .evidence import BLOCKS, ClaimData, claim_data, complete_dyads, verdict_of
from .information import reporter_of
from .multiverse import Multiverse, multiverse
from .nulls import rank_normal
from .reselection import inclusion
from .rules import Claim, Rules
from .stressed import Found, Stressed
from .two_informants import about_their_middle
from .verdicts import Effect
from .views import ratings


def stacked_ratings(study: Stressed, analysis: str) -> list[dict]:
    """Both ratings in one model, also of dyads with one; errors by case manager, or by dyad."""

    def find(claim: Claim) -> Found:
        made = complete_dyads(claim, study.dyads, study.book).made()
        pair = study.dyads[[study.book.alliance_of(i) for i in claim.informants]].astype(float)
        X = study.dyads[claim.variables(study.book)].astype(float)
        manager = study.book.case_manager
        test = stacked(pair, X, study.dyads[manager] if manager else None).test.iloc[0]
        n = int((X.notna().all(axis=1) & pair.notna().any(axis=1)).sum())
        share = Partial(made.y, made.X, made.Z, None, block=True).observed("ols").estimate
        effect = verdicts.block(
            test["f"], test["df1"], test["df2"], n, share, study.rules.bounds[claim.bound],
            study.worth(claim, n),
        )  # fmt: skip
        verdict, criterion = verdict_of(effect, claim, study.rules)
        return effect, (verdict, f"{criterion}; ratings stacked, CR2")

    return study.rows(analysis, find, "block_difference")


def correlations(study: Stressed, analysis: str) -> list[dict]:
    """Each variable's correlation with the two ratings compared, at the effective n."""

    def find(claim: Claim) -> Found:
        data = complete_dyads(claim, study.dyads, study.book)
        client, case_manager = data.values[:, :2].T
        found = {
            name: _difference(x, case_manager, client, data.groups, study.rules.bounds)
            for name, x in zip(claim.variables(study.book), data.values[:, 2:].T, strict=True)
        }
        return _jointly(study, found, "a correlation with the two ratings")

    return study.rows(analysis, find, "block_difference")


def _difference(x, first, second, groups, bounds: Mapping[str, float]) -> Effect:
    row = correlation_difference(x, first, second, groups).iloc[0]
    n, bound = int(row["n"]), bounds["correlation"]
    e = verdicts.slope(row["estimate"], row["std_error"], row["df"], n, -bound, bound)
    limits = row["conf_low"], row["conf_high"]
    return Effect(e.estimate, e.p_value, n, e.df, *limits, p_equivalence=e.p_equivalence)


def pulls(study: Stressed, analysis: str) -> list[dict]:
    """Truth and bias, the other informant as the reference.

    An association is the pull of its variable beyond the reference; how the ratings go together
    is the pull of the reference beyond the case manager's own view of outcome.
    """
    book = study.book

    def find(claim: Claim) -> Found | None:
        judge = "case_manager" if claim.kind == "modest" else claim.informant
        reference = next((i for i in book.informants if i != judge), None)
        weights = _pulling(claim, judge, study)
        if reference is None or not weights:
            return None
        columns = [book.alliance_of(judge), book.alliance_of(reference), *weights]
        if lacking := [c for c in columns if c not in study.dyads]:
            raise NotEstimableError(f"the study has no {', '.join(lacking)}")
        part = study.dyads[columns].astype(float).dropna()
        values = standardise(part.to_numpy())
        pull = standardise(values[:, 2:] @ np.array(list(weights.values()), float))
        groups = study.dyads.loc[part.index, book.case_manager] if book.case_manager else None
        table = truth_and_bias(
            values[:, 0], values[:, 1], pull, None if groups is None else groups.to_numpy()
        ).set_index("term")
        row = table.loc["truth_force" if claim.kind == "modest" else "bias_force"]
        bound = study.rules.bounds["correlation" if claim.kind == "modest" else claim.bound]
        effect = verdicts.slope(
            row["estimate"], row["std_error"], row["df"], len(part), -bound, bound
        )
        verdict, criterion = verdict_of(effect, claim, study.rules)
        held = "own view of outcome" if claim.kind == "modest" else f"{reference}'s rating"
        return effect, (verdict, f"{criterion} (the {held} held constant)".replace("_", " "))

    return study.rows(analysis, find, "association", "modest")


def _pulling(claim: Claim, judge: str, study: Stressed) -> dict[str, float]:
    """What may pull the judge's rating, with its weight."""
    if claim.kind != "modest":
        return dict(claim.composite) or {claim.term: 1.0}
    outcomes = study.book.blocks.get("outcome", ())
    own = [t for t in outcomes if t in study.dyads and reporter_of(t, study.book) == judge]
    return dict.fromkeys(own, 1.0)


def surfaces(study: Stressed, analysis: str) -> list[dict]:
    """Each outcome on both ratings, their squares and product: is the slope along disagreement 0?

    Slopes are taken in the middle of the ratings given, per standard deviation of a rating.
    """
    book = study.book

    def find(claim: Claim) -> Found | None:
        names = claim.variables(book)
        if not set(names) <= set(book.blocks.get("outcome", ())) - set(book.days):
            return None
        bound, found = study.rules.bounds["correlation"], {}
        data = complete_dyads(claim, study.dyads, book)
        both = [r.to_numpy(float)[data.rows] for r in ratings(study.dyads, book)[:2]]
        client, case_manager = about_their_middle(*both)
        for name, outcome in zip(names, data.values[:, 2:].T, strict=True):
            table = response_surface(
                standardise(outcome), case_manager, client, 0.0, data.groups
            ).set_index("term")
            row = table.loc["a3"]
            found[name] = verdicts.slope(
                row["estimate"], row["std_error"], row["df"], int(row["n"]), -bound, bound
            )
        return _jointly(study, found, "the slope of an outcome along disagreement (a3)")

    return study.rows(analysis, find, "block_difference")


def _jointly(study: Stressed, found: dict[str, Effect], what: str) -> Found:
    """One verdict on several differences: Holm for a difference, all of them for a trifle."""
    bound = study.rules.bounds["correlation"]
    p = float(np.min(adjust([e.p_value for e in found.values()], "holm")))
    name, largest = max(found.items(), key=lambda item: abs(item[1].estimate))
    limits = largest.conf_low, largest.conf_high
    within = max(e.p_equivalence for e in found.values())
    effect = Effect(largest.estimate, p, largest.n, largest.df, *limits, p_equivalence=within)
    verdict, _ = verdicts.difference(effect, "")
    criterion = (
        f"{what} differs for at least one of {len(found)} variables, Holm-adjusted p < .05 "
        f"(trivial if all lie within ±{bound:g}); the largest is {study.book.label(name)}"
    )
    return effect, (verdict, criterion)


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
        found = inclusion(study.dyads, study.book, study.seed, s["n_boot"])

    def find(claim: Claim) -> Found | None:
        terms = list(claim.composite) or [claim.term]
        rows = found[found["informant"] == claim.informant]
        failed = rows[rows["outcome"].isin([study.book.alliance_of(claim.informant), *terms])]
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


ASSOCIATIONS = ("association", "modest", "block_difference")


def holm(study: Stressed, analysis: str) -> list[dict]:
    """Holm's adjustment over the associations of each finding."""
    return _several(study, analysis, "holm", "Holm")


def false_discoveries(study: Stressed, analysis: str) -> list[dict]:
    """Benjamini and Hochberg's adjustment over the associations of each finding."""
    return _several(study, analysis, "bh", "Benjamini-Hochberg")


def _several(study: Stressed, analysis: str, method: str, name: str) -> list[dict]:
    alpha = study.settings[analysis]["alpha"]
    families: dict[str, list[Claim]] = {}
    for claim in study.claims:
        if claim.kind in ASSOCIATIONS:
            families.setdefault(claim.finding, []).append(claim)
    adjusted = {}
    for members in families.values():
        values = adjust([float(study.nested_row(c)["p_value"]) for c in members], method)
        adjusted |= {c.key: p for c, p in zip(members, values, strict=True)}

    def find(claim: Claim) -> Found:
        row, p = (
            study.nested_row(claim),
            float(adjusted[claim.key]),
        )
        if np.isnan(p):
            raise NotEstimableError(str(row["criterion"]).removeprefix("not estimable: "))
        verdict = row["verdict"]
        if verdict == verdicts.SUPPORTED and p >= alpha:
            verdict = verdicts.INCONCLUSIVE
        k = len(families[claim.finding])
        criterion = f"{row['criterion']}; {name}-adjusted over {k} associations p < {alpha:g}"
        limits = [float(row[c]) for c in ("conf_low", "conf_high")]
        effect = Effect(
            row["estimate"], p, int(row["n"]), row["df"], *limits,
            p_equivalence=row["p_equivalence"],
        )  # fmt: skip
        return effect, (verdict, criterion)

    return study.rows(analysis, find, *ASSOCIATIONS)


def bayes(study: Stressed, analysis: str) -> list[dict]:
    """Bayes factors for the absence claims, at the effective n."""
    s = study.settings[analysis]

    def find(claim: Claim) -> Found:
        usual = study.rules.days_adjusted_for if claim.kind == "rate_absence" else ()
        data = claim_data(claim, study.dyads, study.book, [c for c in usual if c in study.dyads])
        n = len(data.y)
        worth = study.worth(claim, n)
        if claim.kind == "rate_absence":
            model = Partial(rank_normal(data.y), rank_normal(data.X[:, 0])[:, None], data.Z, None)
            slope = model.observed("ols")
            estimate = float(np.sign(slope.estimate) * np.sqrt(slope.f / (slope.f + slope.df2)))
            factor = bayes_factor_correlation(estimate, worth, s["kappa"])
            prior = f"correlation of rank-normal scores, stretched beta of width {s['kappa']:g}"
        else:
            k = data.X.shape[1]
            if worth <= k + 1:
                raise NotEstimableError(f"{worth:.1f} effective dyads are too few for {k} terms")
            estimate = Partial(data.y, data.X, data.Z, None, block=True).observed("ols").estimate
            factor = bayes_factor_block(estimate, worth, k, s["r_scale"])
            prior = f"Zellner-Siow of width {s['r_scale']:.3f}"
        evidence, need = 1 / factor, s["evidence"]
        verdict = verdicts.INCONCLUSIVE
        if evidence > need or evidence < 1 / need:
            verdict = verdicts.SUPPORTED if evidence > need else verdicts.NOT_SUPPORTED
        criterion = (
            f"Bayes factor for no association above {need:g}; it is {evidence:.3g} at an effective "
            f"n of {worth:.0f} ({prior})"
        )
        return Effect(estimate, np.nan, n, np.nan), (verdict, criterion)

    return study.rows(analysis, find, "block_absence", "rate_absence")


def days_negbin(study: Stressed, analysis: str) -> list[dict]:
    """Negative binomial model of days."""
    return _days(study, analysis, "negbin")


def days_hurdle(study: Stressed, analysis: str) -> list[dict]:
    """Hurdle model of days: the ratio of mean days, both parts together."""
    return _days(study, analysis, "hurdle")


def _days(study: Stressed, analysis: str, family: str) -> list[dict]:
    def find(claim: Claim) -> Found:
        usual = [c for c in study.rules.days_adjusted_for if c in study.dyads]
        data = claim_data(claim, study.dyads, study.book, usual)
        effect, (verdict, criterion) = jackknifed_rate(study, claim, data, family)
        return effect, (verdict, f"{criterion}; errors by jackknife over case managers")

    return study.rows(analysis, find, "rate_absence")
