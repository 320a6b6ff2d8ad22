"""How often each verdict on a claim comes out in studies to be, where the truth is assumed.

A design and a truth -> scores of simulated cohorts -> the estimate and the verdict that `assess`
would give -> how often each. Scores are normal; case managers hold a share of each variable; the
clients beyond one of each case manager come to them at random, so that caseloads differ. Hospital
days are drawn as those of the scenario `published`, sessions as those of the scenarios over time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from ..cohorts.courses import courses, draw_sessions, scenario_codebook
from ..cohorts.population import population, read_scenarios
from ..errors import NotEstimableError, ParameterError, meant
from ..study.codebook import Codebook
from ..study.occasions import all_sessions
from ..study.read_codebook import read_codebook
from .evidence import Complete, assessed, bounds_of, claim_data, verdict_of
from .rules import DETRENDED, OVER_TIME, Claim, Rules, read_rules
from .trends import Judge
from .verdicts import INCONCLUSIVE, NOT_SUPPORTED, SUPPORTED

VERDICTS = [SUPPORTED, NOT_SUPPORTED, INCONCLUSIVE]
PRECEDE = ("precedes", "precedes_more")
ABSENT = ("block_absence", "rate_absence")
RATINGS_AGREE = 0.28
"""Correlation of the two ratings where a claim is about their difference; see its bound."""
BOOK = scenario_codebook("sessions_none")
SHARES = {"client": 0.08, "case_manager": 0.30}
"""Case managers' share of each rating (data/scenarios.yml)."""
OTHER = 0.08
"""Their share of any other measure, unless it is a characteristic of their own."""
MOST_CLIENTS = 20_000
CHUNK = 100
"""Cohorts of one stream of random numbers."""


@dataclass(frozen=True)
class Design:
    """A study to be."""

    case_managers: int
    clients: int
    """Of each case manager, on average."""
    sessions: int = 1
    reliability: float = 1.0
    """Of the ratings; at 1 the effect is what would be observed."""
    missing: float = 0.0
    """Share of clients, or of sessions, with a value missing at random."""

    @property
    def n(self) -> int:
        return self.case_managers * self.clients


@dataclass(frozen=True)
class Truth:
    """What is assumed to be true."""

    effect: float
    """In the claimed direction: a correlation or path, a share of variance, a rate ratio."""
    shares: tuple[float, ...]
    """Case managers' share of each rating."""
    other_share: float
    """Their share of what the ratings are related to; 1 for characteristics of their own."""
    level: str = "both"
    """`within`: the association is one between clients of the same case manager alone."""
    pretreatment: float = 0.0
    """Share of the outcome's variance that is held constant."""


@dataclass(frozen=True)
class Engine:
    """All that turns random numbers into a verdict on one claim."""

    claim: Claim
    rules: Rules
    held: int
    tested: tuple[str, ...]

    def rates(self, design: Design, truth: Truth, cohorts: int, seed: Sequence[int]) -> Counter:
        """How many cohorts get each verdict."""
        rng = np.random.default_rng(np.random.SeedSequence(seed))
        if self.claim.over_time:
            made, one = _course(self.claim, design, truth), self._over_time
        else:
            made, one = self.roots(design, truth), self._once
        said: Counter = Counter()
        for _ in range(cohorts):
            try:
                said[one(design, truth, made, rng)] += 1
            except NotEstimableError:
                said[INCONCLUSIVE] += 1
        return said

    def _once(self, design: Design, truth: Truth, roots, rng: np.random.Generator) -> str:
        analysis = "adjusted" if design.clients > 1 else "adjusted_independent"
        data = claim_data(self.claim, self._scores(design, truth, roots, rng))
        return verdict_of(assessed(data, self.rules, analysis), self.claim, self.rules)[0]

    def roots(self, design: Design, truth: Truth) -> list[np.ndarray]:
        """What makes normal draws of case managers, and of clients, into ratings and variables.

        Raises
        ------
        ParameterError
            No such variables can be.
        """
        wanted, shares = self._correlations(design, truth)
        apart, inside = (np.sqrt(np.outer(s, s)) for s in (shares, 1 - shares))
        if truth.level == "within":
            apart = np.where(inside > 0, 0, apart)
        both, roots = apart + inside, []
        rho = np.divide(wanted, both, where=both > 0, out=np.zeros_like(wanted))
        for level, own in ((apart, shares), (inside, 1 - shares)):
            covariance = rho * level
            np.fill_diagonal(covariance, own)
            values, vectors = np.linalg.eigh(covariance)
            if values[0] < -1e-9:
                raise ParameterError(
                    f"an effect of {truth.effect:g} cannot be where case managers hold "
                    f"{', '.join(f'{s:g}' for s in truth.shares)} of the rating and "
                    f"{truth.other_share:g} of what it is related to."
                )
            roots.append((vectors * np.sqrt(values.clip(0))).T)
        return roots

    def _correlations(self, design: Design, truth: Truth) -> tuple[np.ndarray, np.ndarray]:
        """Correlations of ratings, variables and covariates as observed, and case managers' shares
        of them.
        """
        claim, k, m = self.claim, len(self.claim.informants), len(self.tested)
        wanted, effect = np.eye(k + m + self.held), observed(claim, truth.effect, design)
        related = slice(k, k + m)
        if claim.kind == "modest":
            wanted[0, 1] = effect
        elif claim.kind == "block_difference":
            wanted[0, 1] = RATINGS_AGREE
            wanted[1, related] = np.sqrt(effect * 2 * (1 - RATINGS_AGREE) / m)
        elif claim.kind == "block_absence":
            wanted[0, related] = np.sqrt(effect / m)
        elif claim.kind == "association":
            wanted[0, related] = claim.direction * effect
        outcome = k if claim.outcome else k - 1
        if self.held:
            wanted[outcome, k + m] = np.sqrt(truth.pretreatment)
        shares = [*truth.shares, *[truth.other_share] * m, *[0.0] * self.held]
        return np.triu(wanted, 1) + np.triu(wanted).T, np.array(shares)

    def _scores(self, design: Design, truth: Truth, roots, rng: np.random.Generator) -> Complete:
        """One cohort's complete dyads, as `complete_of` finds them in a study."""
        J, n = design.case_managers, design.n
        groups = np.sort(np.concatenate([np.arange(J), rng.integers(J, size=n - J)]))
        values = rng.standard_normal((J, len(roots[0]))) @ roots[0]
        values = values[groups] + rng.standard_normal((n, len(roots[1]))) @ roots[1]
        if self.claim.kind == "rate_absence":
            ratio = observed(self.claim, truth.effect, design)
            values = np.column_stack([values[:, 0], *_days(values[:, 0], ratio, groups, rng)])
        kept = rng.random(n) >= design.missing
        groups = groups[kept] if design.clients > 1 else None
        return values[kept], groups, np.flatnonzero(kept), self.tested

    def _over_time(self, design: Design, _, course: dict, rng: np.random.Generator) -> str:
        frame = draw_sessions(course, design.n, int(rng.integers(2**63)), design.sessions)
        frame = frame[rng.random(len(frame)) >= design.missing]
        dyads = frame.drop_duplicates("client_id", keep="last")
        dyads.attrs["sessions"] = all_sessions({"sessions": frame}, BOOK)
        return Judge(dyads, self.rules, DETRENDED).find(self.claim)[1][0]


def _course(claim: Claim, design: Design, truth: Truth) -> dict:
    """The scenario over time whose trend is all there is, with the effect of the claim."""
    course, effect = courses()["sessions_published_view"], claim.direction * truth.effect
    course["clients_of_a_case_manager"] = design.clients
    if claim.kind in ("within", "between"):
        course[claim.kind] = course[claim.kind] | {"correlation": effect}
    else:
        course["paths"] = course["paths"] | {"alliance_before_symptoms": effect}
    return course


def _days(rating, ratio: float, groups, rng: np.random.Generator) -> list[np.ndarray]:
    """Days, site type and days before of clients with these ratings, as `published` has them."""
    made = population("published")
    names, root = made.levels["within"]
    normal = rng.standard_normal((len(rating), len(root))) @ root.T
    where = rng.random(groups[-1] + 1) < 0.4
    found = []
    for name in ("hospital_days", "hospital_days_before"):
        by_type = [steps.draw(normal[:, names.index(name)]) for steps in made.days[name]]
        found.append(np.where(where[groups], *by_type))
    days = np.round(found[0] * ratio**rating)
    return [days, where[groups].astype(float), np.log1p(found[1])]


def observed(claim: Claim, effect: float, design: Design) -> float:
    """An effect as it is observed with ratings of that reliability."""
    if claim.kind == "rate_absence":
        return effect ** np.sqrt(design.reliability)
    once = claim.kind in ("association", *OVER_TIME)
    return effect * (np.sqrt(design.reliability) if once else design.reliability)


def readings(claim: Claim, rules: Rules, effect: float) -> tuple[str, str | None]:
    """The right verdict where an effect, as observed, is true, and the one that misleads.

    Between nothing and the bound no verdict misleads: there is an effect, and it is small.
    """
    low, high = bounds_of(claim, rules)
    nothing, matters = effect <= 0, effect >= high
    if claim.kind == "rate_absence":
        nothing, matters = effect == 1, not low < effect < high
    if claim.kind == "modest" and effect >= rules.bounds["modest_high"]:
        nothing, matters = True, False
    yes, no = (NOT_SUPPORTED, SUPPORTED) if claim.kind in ABSENT else (SUPPORTED, NOT_SUPPORTED)
    if matters or nothing:
        return (yes, no) if matters else (no, yes)
    return SUPPORTED, None


def contrary(claim: Claim, rules: Rules, effect: float) -> float:
    """What else may be true: nothing, or where that is assumed an effect of the bound's size."""
    low, high = bounds_of(claim, rules)
    none = 1.0 if claim.kind == "rate_absence" else 0.0
    bound = low if claim.kind == "rate_absence" else high
    nothing = effect == none if claim.kind in ABSENT else effect <= none
    return bound if nothing else none


@dataclass(frozen=True)
class Plan:
    """How often each verdict comes out, by design.

    Attributes
    ----------
    claim : Claim
    rates : DataFrame
        `case_managers clients sessions n truth effect supported not_supported inconclusive
        misleading monte_carlo_error`: two rows a design, with the effect `assumed` and
        `otherwise`; shares of cohorts, `misleading` those with the verdict that is wrong where
        that effect is true, and the largest Monte Carlo standard error.
    right : str
        The verdict that is wanted.
    wanted : float
        How often.
    """

    claim: Claim
    rates: pd.DataFrame
    right: str
    wanted: float
    cohorts: int
    design: Design
    truth: Truth
    seed: int

    @property
    def smallest(self) -> pd.Series | None:
        """The design of the fewest clients, and of these the fewest case managers, that reaches
        the wanted rate; None if none does.
        """
        rows = self.rates[(self.rates["truth"] == "assumed")]
        rows = rows[rows[self.right] >= self.wanted]
        rows = rows.sort_values(["n", "case_managers", "sessions"])
        return None if rows.empty else rows.iloc[0]


def plan(
    claim: str,
    effect: float | None = None,
    case_managers: str | int | Sequence[int] = 45,
    clients: str | int | Sequence[int] = 5,
    sessions: str | int | Sequence[int] = "",
    reliability: float = 1.0,
    missing: float = 0.0,
    pretreatment: float = 0.0,
    other_share: float | None = None,
    level: str = "both",
    wanted: float = 0.8,
    cohorts: int = 1000,
    seed: int = 1995,
    rules: Rules | None = None,
    codebook: Codebook | None = None,
    jobs: int = 2,
) -> Plan:
    """How often each verdict on a claim would come out, in studies of each design.

    Examples
    --------
    >>> found = plan("symptoms", 0.25, 20, 5, cohorts=20, jobs=1)
    >>> found.rates["truth"].tolist()
    ['assumed', 'otherwise']
    """
    rules, book = rules or read_rules(), codebook or read_codebook()
    asked = find_claim(claim, rules)
    tested = tuple(asked.composite and ["composite"] or asked.variables(book))
    if asked.over_time:
        asked = replace(asked, source="client_alliance", term="symptoms", than="reverse")
    if asked.composite:
        asked = replace(asked, composite={}, term="composite")
    if effect is None:
        effect = 0.0 if asked.kind == "block_absence" else 1.0
        if asked.kind not in ABSENT:
            effect = bounds_of(asked, rules)[1]
    held = len(rules.held_constant(asked, book, True)) if asked.kind != "rate_absence" else 0
    engine = Engine(asked, rules, held, tested)
    if other_share is None:
        other_share = 1.0 if all(_own(t, book) for t in tested) and tested else OTHER
    shares = tuple(SHARES.get(i, OTHER) for i in asked.informants)
    truth = Truth(effect, shares, other_share, level, pretreatment)
    truths = {"assumed": truth, "otherwise": replace(truth, effect=contrary(asked, rules, effect))}
    sizes = product(_whole(case_managers), _whole(clients), _whole(sessions or 1 + 9 * asked.over_time))
    designs = [Design(*size, reliability, missing) for size in sizes]
    parts = [min(CHUNK, cohorts - i) for i in range(0, cohorts, CHUNK)]
    tasks = [(d, k, i, n) for d in designs for k in truths for i, n in enumerate(parts)]
    found = Parallel(jobs)(
        delayed(engine.rates)(
            d, truths[k], n, (seed, d.case_managers, d.clients, d.sessions, k == "assumed", i)
        )
        for d, k, i, n in tasks
    )
    counts: dict[tuple, Counter] = {}
    for (d, k, _, _), said in zip(tasks, found, strict=True):
        counts.setdefault((d, k), Counter()).update(said)
    rows = []
    for (d, k), said in counts.items():
        shown = {v: said[v] / cohorts for v in VERDICTS}
        wrong = readings(asked, rules, observed(asked, truths[k].effect, d))[1]
        error = max(np.sqrt(p * (1 - p) / cohorts) for p in shown.values())
        rows.append(
            {"case_managers": d.case_managers, "clients": d.clients, "sessions": d.sessions,
             "n": d.n, "truth": k, "effect": truths[k].effect, **shown,
             "misleading": shown.get(wrong, np.nan), "monte_carlo_error": error}
        )  # fmt: skip
    right = readings(asked, rules, observed(asked, effect, designs[0]))[0]
    return Plan(asked, pd.DataFrame(rows), right, wanted, cohorts, designs[0], truth, seed)


def find_claim(name: str, rules: Rules) -> Claim:
    """The claim of that name, as `claim`, `finding/claim` or `finding/claim/informant`."""
    named: dict[str, list[Claim]] = {}
    for claim in rules.claims:
        for n in (2, 1, 0):
            short = [claim.claim, "/".join(claim.key[:2]), "/".join(claim.key)][n]
            named.setdefault(short, []).append(claim)
    if name not in named:
        raise ParameterError(f"There is no claim {name!r}; {meant(name, named)}")
    if len(several := named[name]) > 1:
        raise ParameterError(f"{name!r} is several: {', '.join('/'.join(c.key) for c in several)}.")
    return several[0]


def _own(term: str, book: Codebook) -> bool:
    """Whether a variable is a characteristic of the case manager."""
    name = book.derived[term].source if term in book.derived else term
    return any(name in t.variables for t in book.tables.values() if t.row == "case_manager")


def _whole(given) -> list[int]:
    parts = given.split(",") if isinstance(given, str) else np.atleast_1d(given).tolist()
    return [int(x) for x in parts]
