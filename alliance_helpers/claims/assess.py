"""Each claim of the study with an estimate and a verdict, by several analyses.

The claims and their bounds are data (`data/findings.yml`), read by `rules`; the ways to estimate
are in `evidence`, the rules in `verdicts`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import pandas as pd

from ..errors import NotEstimableError, ParameterError
from ..study.codebook import Codebook
from ..study.read_codebook import book_of
from . import evidence, verdicts
from .as_1995 import READINGS, Stepwise
from .evidence import ADJUSTED, QUICK, ClaimData
from .over_time import TRENDS, Judge
from .rules import SEVERAL, Claim, Rules, read_rules
from .verdicts import Effect

COLUMNS = [
    "finding", "claim", "analysis", "informant", "term", "estimate", "conf_low", "conf_high",
    "p_value", "n", "criterion", "verdict", "p_equivalence", "df", "n_effective",
]  # fmt: skip
Found = tuple[Effect, tuple[str, str], float]
"""An estimate, its verdict and criterion, and how many independent dyads it rests on."""


def assess(
    dyads: pd.DataFrame,
    codebook: Codebook | None = None,
    rules: Rules | None = None,
    analyses: Iterable[str] = (*READINGS, *QUICK, *TRENDS),
    finding: str | None = None,
    limits_90: bool = False,
    p_enter: float = 0.05,
    p_remove: float = 0.10,
) -> pd.DataFrame:
    """Every claim with an estimate and a verdict, by each analysis.

    Parameters
    ----------
    dyads : DataFrame
        One row per client, as `clean` makes it.
    codebook : Codebook, optional
        The shipped one by default; says who rates, and what the blocks are.
    rules : Rules, optional
        The shipped `data/findings.yml` by default.
    analyses : iterable of str
        `as_1995` (what stepwise regression and p < .05 give, the alliance explained),
        `as_1995_outcomes` (the same, outcomes explained by the alliance), and by today's rules:
        `adjusted` (for pretreatment, case managers respected by a mixed model; for days CR2),
        `adjusted_independent` (for pretreatment, dyads taken as independent), `nested`
        (unadjusted, case managers respected), `nested_cr2`, `as_published` (unadjusted, dyads
        independent). Those that respect case managers are left out where the codebook names none,
        or nearly each has a single client; the adjusted ones without a pretreatment block. Claims
        over time have analyses of their own: `detrended`, `naive`, `own_line`, `differences`.
    finding : str, optional
        Only this finding: "1", "2", "3", "4" or "halo".
    limits_90 : bool
        Add `low_90 high_90`, the interval that equivalence is read from.
    p_enter, p_remove : float
        Probability of F to enter and to remove, of the readings of 1995.

    Returns
    -------
    DataFrame
        The columns of findings.csv. Associations are standardised slopes (correlations in
        `as_published`), blocks are R-squared, hospital days rate ratios per standard deviation.
        A claim that cannot be estimated has the reason in `criterion`.

    Raises
    ------
    ParameterError
        Unknown analyses, a variable that is not numeric.

    Examples
    --------
    >>> dyads = open_cohort().dyads
    >>> rows = assess(dyads, finding="2", analyses=["adjusted"])
    >>> set(rows["verdict"]) <= {"supported", "not_supported", "inconclusive"}
    True
    """
    book = book_of(dyads, codebook)
    rules = rules or read_rules()
    analyses = [analyses] if isinstance(analyses, str) else list(analyses)
    known = (*READINGS, *QUICK, *TRENDS)
    if unknown := ", ".join(repr(a) for a in analyses if a not in known):
        raise ParameterError(f"Unknown analysis {unknown}; use {', '.join(known)}.")
    claims = claims_of(dyads, book, rules, finding)
    named, book = book.case_manager, evidence.told_apart(dyads, book)
    analyses = [a for a in analyses if a in (*READINGS, *evidence.offered(dyads, book), *TRENDS)]
    data: dict[tuple, ClaimData] = {}
    rows: list[dict] = []

    def find(claim: Claim, analysis: str) -> Found | None:
        if analysis not in evidence.ways(claim):
            return None
        held = rules.held_constant(claim, book, analysis in ADJUSTED)
        key = (claim.key, *held)
        if key not in data:
            found = evidence.complete_of(claim, dyads, book, held)
            data[key] = evidence.claim_data(claim, found)
        effect = evidence.assessed(data[key], rules, analysis)
        verdict, criterion = evidence.verdict_of(effect, claim, rules)
        if analysis in ADJUSTED and claim.block == "pretreatment":
            criterion += " (not adjusted for pretreatment, which it is about)"
        if named and not book.case_manager:
            criterion += " (dyads independent: nearly one client per case manager)"
        return effect, (verdict, criterion), data[key].worth

    for name in analyses:
        if name in READINGS:
            one = Stepwise(dyads, book, name, p_enter=p_enter, p_remove=p_remove).read
        else:
            one = Judge(dyads, rules, name).find if name in TRENDS else partial(find, analysis=name)
        asked = [c for c in claims if c.over_time == (name in TRENDS)]
        rows += rows_of(asked, rules, name, one)
    return pd.DataFrame(rows, columns=[*COLUMNS, *(["low_90", "high_90"] if limits_90 else [])])


def claims_of(
    dyads: pd.DataFrame, book: Codebook, rules: Rules, finding: str | None = None
) -> list[Claim]:
    """The claims, of one finding or of all, that these data can speak to."""
    asked, there = [c for c in rules.claims if finding in (None, c.finding)], _there(dyads)
    return [c for c in asked if not rules.lacking(c, book, there)]


def unavailable(
    dyads: pd.DataFrame, codebook: Codebook | None = None, rules: Rules | None = None
) -> pd.DataFrame:
    """Claims that these data cannot speak to, and the variables that they or their parts lack.

    Examples
    --------
    >>> dyads = open_cohort().dyads
    >>> len(unavailable(dyads))
    0
    """
    book, rules, there = book_of(dyads, codebook), rules or read_rules(), _there(dyads)
    found = [(*c.key, ", ".join(rules.lacking(c, book, there))) for c in rules.claims]
    columns = ["finding", "claim", "informant", "lacking"]
    return pd.DataFrame([row for row in found if row[-1]], columns=columns)


def _there(dyads: pd.DataFrame) -> set[str]:
    several = {SEVERAL} if "sessions" in dyads.attrs else set()
    return {name for name in dyads if dyads[name].notna().any()} | several


def rows_of(
    claims: list[Claim], rules: Rules, analysis: str, find: Callable[[Claim], Found | None]
) -> list[dict]:
    """A row for each claim that `find` can speak to.

    A claim made of others has one if there are rows of all its parts.
    """
    rows, made = [], {}
    for claim in claims:
        row = {
            "finding": claim.finding, "claim": claim.claim, "analysis": analysis,
            "informant": claim.informant, "term": claim.name or claim.block or claim.term or "",
        }  # fmt: skip
        try:
            if claim.kind == "all_of":
                parts = [made.get(part.key) for part in rules.parts(claim)]
                found = None if None in parts else (None, verdicts.all_of(parts), np.nan)
            else:
                found = find(claim)
        except NotEstimableError as error:
            reason = "not estimable: " + re.sub("^([Nn]ot estimable: )+", "", str(error))
            found = None, (verdicts.INCONCLUSIVE, reason), np.nan
        if found is None:
            continue
        effect, (row["verdict"], row["criterion"]), row["n_effective"] = found
        row |= vars(effect) if effect else {}
        made[claim.key] = row["verdict"]
        rows.append(row)
    return rows
