"""Stress tests of what two informants see: does a variable go with one rating more than the other?

A difference is claimed by a test of the difference. Where each variable is tested by itself, the
block's claim is Holm's: the informants differ if they do on at least one variable.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..agreement import response_surface, truth_and_bias
from ..claims import Claim
from ..errors import NotEstimableError
from ..estimation.partial import Partial
from ..inference import adjust
from ..informants import correlation_difference, stacked
from ..information import reporter_of
from ..judging import verdicts
from ..judging.analyses import standardise
from ..judging.claim_data import complete_dyads, verdict_of
from ..judging.verdicts import Effect
from ..two_informants import about_their_middle
from ..views import alliance_of, ratings
from .stressed import Found, Stressed


def stacked_ratings(study: Stressed, analysis: str) -> list[dict]:
    """Both ratings in one model, also of dyads with one; errors by case manager, or by dyad."""

    def find(claim: Claim) -> Found:
        made = complete_dyads(claim, study.dyads, study.book).made()
        pair = study.dyads[[alliance_of(study.book, i) for i in claim.informants]].astype(float)
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
        columns = [alliance_of(book, judge), alliance_of(book, reference), *weights]
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
