"""Stress tests of how much may be concluded: several tests at once, evidence for nothing, days."""

from __future__ import annotations

import numpy as np

from ..claims import Claim
from ..errors import NotEstimableError
from ..estimation.bayes_blocks import bayes_factor_block
from ..estimation.partial import Partial
from ..inference import adjust, bayes_factor_correlation
from ..judging import verdicts
from ..judging.claim_data import claim_data
from ..judging.verdicts import Effect
from ..null_results import rank_normal
from .resampled import jackknifed_rate
from .stressed import Found, Stressed

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
