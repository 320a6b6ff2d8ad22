"""Studies to be, drawn and judged: a design with an assumed truth -> verdicts of its cohorts.

Scores are normal. Case managers hold a share of each variable; the clients beyond one of each come
to them at random, so that caseloads differ. Estimates and verdicts are those of `assess`, by its
own functions; of sessions with the common trend taken out. Hospital days are drawn as those of the
scenario `published`, sessions as those of the scenarios over time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..cohorts.courses import TREND_ONLY, courses, draw_courses
from ..cohorts.population import DAYS, population
from ..errors import NotEstimableError, ParameterError
from .rules import Claim, Rules
from .trends import estimated
from .verdicts import (
    INCONCLUSIVE,
    Complete,
    Effect,
    assessed,
    bounds_of,
    claim_data,
    slope,
    verdict_of,
)

RATINGS_AGREE = 0.28
"""Correlation of the two ratings where a claim is about their difference; see its bound."""


@dataclass(frozen=True)
class Design:
    """A study to be, and what is assumed to be true of those it studies.

    Attributes
    ----------
    case_managers, clients, sessions : int
        `clients` of each case manager on average.
    effect : float
        In the claimed direction, the ratings free of error: a correlation or path, a share of
        variance, a rate ratio.
    reliability : float
        Of the ratings; at 1 the effect is what is observed.
    missing : float
        Share of clients, or of sessions, with a value missing at random.
    shares, other_share : tuple of float, float
        Case managers' share of each rating, and of what the ratings are related to (1 for
        characteristics of their own).
    level : {"both", "within"}
        `within`: the effect is one between clients of the same case manager alone.
    pretreatment : float
        Share of the outcome's variance that the covariates hold constant.
    """

    case_managers: int
    clients: int
    sessions: int
    effect: float
    reliability: float = 1.0
    missing: float = 0.0
    shares: tuple[float, ...] = (0.1,)
    other_share: float = 0.1
    level: str = "both"
    pretreatment: float = 0.0

    @property
    def n(self) -> int:
        return self.case_managers * self.clients


@dataclass(frozen=True)
class Engine:
    """All that turns random numbers into a verdict on one claim: it, how many variables and
    covariates it has, and which of the two measures that it relates are ratings (over time of
    what comes earlier, and later).
    """

    claim: Claim
    rules: Rules
    tested: tuple[str, ...]
    held: int
    rated: tuple[bool, bool]

    def verdicts(self, design: Design, cohorts: int, seed: Sequence[int]) -> Counter:
        """How many cohorts get each verdict.

        Raises
        ------
        ParameterError
            No such effect can be.
        """
        rng, made = np.random.default_rng(np.random.SeedSequence(seed)), self.prepared(design)
        one = self._over_time if self.claim.over_time else self._once
        return Counter(
            verdict_of(effect, self.claim, self.rules)[0] if effect else INCONCLUSIVE
            for effect in one(design, made, rng, cohorts)
        )

    def prepared(self, design: Design):
        """What all cohorts of a design are drawn from: a course, or the roots of covariances."""
        try:
            return (self._course if self.claim.over_time else self._roots)(self.claim, design)
        except np.linalg.LinAlgError:
            why = (
                "beside what a measure keeps of its own earlier value it would explain more than "
                "varies within clients" if self.claim.over_time else
                f"with case managers' share of {' and '.join(f'{s:g}' for s in design.shares)} in "
                f"the rating and of {design.other_share:g} in what it is related to"
            )  # fmt: skip
            raise ParameterError(
                f"an effect of {design.effect:g} cannot be, {why}; choose a smaller effect."
            ) from None

    def observed(self, design: Design) -> float:
        """The effect as it is observed with ratings of that reliability; levels are without it."""
        kind = self.claim.kind
        if kind == "rate_absence":
            return design.effect ** np.sqrt(design.reliability)
        once = 1 if kind.startswith("block") else sum(self.rated) / 2
        return design.effect * design.reliability ** (0 if kind == "between" else once)

    def _roots(self, claim: Claim, design: Design) -> list[np.ndarray]:
        """What makes normal draws of case managers, and of clients, into ratings and variables."""
        k, m, effect = len(design.shares), len(self.tested), self.observed(design)
        related = slice(k, k + m)
        wanted = np.zeros((k + m + self.held,) * 2)
        if claim.kind == "modest":
            wanted[0, 1] = effect
        elif claim.kind == "block_difference":
            wanted[0, 1] = RATINGS_AGREE
            wanted[1, related] = np.sqrt(effect * 2 * (1 - RATINGS_AGREE) / m)
        elif claim.kind == "block_absence":
            wanted[0, related] = np.sqrt(effect / m)
        elif claim.kind == "association":
            wanted[0, related] = claim.direction * effect
        if self.held:
            wanted[k if claim.outcome else k - 1, k + m] = np.sqrt(design.pretreatment)
        share = np.array([*design.shares, *[design.other_share] * m, *[0.0] * self.held])
        apart, inside = (np.sqrt(np.outer(s, s)) for s in (share, 1 - share))
        if design.level == "within":
            apart = np.where(inside > 0, 0, apart)
        both = apart + inside
        rho = np.divide(wanted, both, where=both > 0, out=np.zeros_like(wanted))
        # a little more variance, so that a share of 0 has a root too
        return [
            np.linalg.cholesky((rho + rho.T) * level + np.diag(own + 1e-9)).T
            for level, own in ((apart, share), (inside, 1 - share))
        ]

    def _course(self, claim: Claim, design: Design) -> dict:
        """The scenario over time of a trend and nothing else, with the effect of the claim; its
        alliance is a rating, if there is one.
        """
        course, effect = courses()[TREND_ONLY], claim.direction * design.effect
        free = [
            design.reliability if rating else 1 for rating in (any(self.rated), all(self.rated))
        ]
        course |= {"clients_of_a_case_manager": design.clients, "reliability": free}
        if claim.kind in ("within", "between"):
            course[claim.kind] = course[claim.kind] | {"correlation": effect}
        else:
            sides = ("symptoms", "alliance")[:: 1 if self.rated == (False, True) else -1]
            course["paths"] = course["paths"] | {"_before_".join(sides): effect}
        draw_courses(course, design.clients, np.random.default_rng(0), 2)  # one that cannot be
        return course

    def _once(self, design: Design, roots, rng, cohorts: int) -> Iterator[Effect | None]:
        analysis = "adjusted" if design.clients > 1 else "adjusted_independent"
        for _ in range(cohorts):
            scores = self._scores(design, roots, rng)
            try:
                yield assessed(claim_data(self.claim, scores), self.rules, analysis)
            except NotEstimableError:
                yield None

    def _scores(self, design: Design, roots, rng: np.random.Generator) -> Complete:
        """One cohort's complete dyads, as `complete_of` finds them in a study."""
        J, n = design.case_managers, design.n
        groups = np.sort(np.concatenate([np.arange(J), rng.integers(J, size=n - J)]))
        values = (rng.standard_normal((J, len(roots[0]))) @ roots[0])[groups]
        values += rng.standard_normal((n, len(roots[1]))) @ roots[1]
        if self.claim.kind == "rate_absence":
            days = _days(groups, rng)
            days[:, 0] = np.round(days[:, 0] * self.observed(design) ** values[:, 0])
            values = np.column_stack([values[:, :1], days])
        kept = rng.random(n) >= design.missing
        groups = groups[kept] if design.clients > 1 else None
        return values[kept], groups, np.flatnonzero(kept), self.tested

    def _over_time(self, design: Design, course, rng, cohorts: int) -> Iterator[Effect | None]:
        studies, rating_last = [], self.rated == (False, True)
        for _ in range(cohorts):
            values, there = draw_courses(course, design.n, rng, design.sessions)
            there &= rng.random(there.shape) >= design.missing
            person, time = np.nonzero(there.T)
            earlier, later = values[time, person].T[:: -1 if rating_last else 1]
            studies.append({"person": person, "time": time, "earlier": earlier, "later": later,
                            "group": person // design.clients})  # fmt: skip
        asked = replace(self.claim, source="earlier", term="later")
        for found in estimated(asked, studies):
            there = not isinstance(found, NotEstimableError)
            yield slope(*found[:4], *bounds_of(self.claim, self.rules)) if there else None


def _days(groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Days, log of the days before, and site type of clients, as `published` has them."""
    made = population("published")
    names, root = made.levels["within"]
    latent = rng.standard_normal((len(groups), len(root))) @ root.T
    study = made.settings["study"]
    site_type = (rng.random(groups[-1] + 1) < study["n_neuropsychiatric"] / study["n_sites"])[
        groups
    ]
    days, before = (
        np.where(
            site_type, *(steps.draw(latent[:, names.index(name)]) for steps in made.days[name])
        )
        for name in DAYS
    )
    return np.column_stack([days, np.log1p(before), site_type])
