"""Each claim of the study with an estimate and a verdict, and what the verdicts say together.

The claims and their bounds are data (`data/findings.yml`), read by `rules`; the ways to estimate
and to judge are in `verdicts`. Analyses of the same data are no votes: of two the difference in
verdict is told only where they differ in one respect, which is then named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import pandas as pd

from ..cohorts.population import read_scenarios
from ..errors import NotEstimableError, ParameterError
from ..models.inference import adjust
from ..paths import VERDICT_RATES
from ..study.codebook import Codebook
from ..study.read_codebook import book_of
from . import verdicts
from .as_1995 import READINGS, Stepwise
from .rules import ABSENCES, KEY, ROW, SEVERAL, Claim, Rules, read_rules, read_stress
from .trends import TRENDS, Judge
from .verdicts import ADJUSTED, QUICK, ClaimData, Effect

COLUMNS = [
    "finding", "claim", "analysis", "informant", "term", "estimate", "conf_low", "conf_high",
    "p_value", "n", "criterion", "verdict", "p_equivalence", "df", "n_effective",
]  # fmt: skip
UNTOLD = "not estimable: "
"""How a criterion begins that gives the reason why there is no estimate."""
LARGE = 110  # clients: from here on a study is nearer to 201 than to 60, on a logarithmic scale
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
    named, book = book.case_manager, verdicts.told_apart(dyads, book)
    analyses = [a for a in analyses if a in (*READINGS, *verdicts.offered(dyads, book), *TRENDS)]
    data: dict[tuple, ClaimData] = {}
    rows: list[dict] = []

    def find(claim: Claim, analysis: str) -> Found | None:
        if analysis not in verdicts.ways(claim):
            return None
        held = rules.held_constant(claim, book, analysis in ADJUSTED)
        key = (claim.key, *held)
        if key not in data:
            found = verdicts.complete_of(claim, dyads, book, held)
            data[key] = verdicts.claim_data(claim, found)
        effect = verdicts.assessed(data[key], rules, analysis)
        verdict, criterion = verdicts.verdict_of(effect, claim, rules)
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
    return {*dyads.columns[dyads.notna().any()]} | several


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
            reason = UNTOLD + re.sub("^([Nn]ot estimable: )+", "", str(error))
            found = None, (verdicts.INCONCLUSIVE, reason), np.nan
        if found is None:
            continue
        effect, (row["verdict"], row["criterion"]), row["n_effective"] = found
        row |= vars(effect) if effect else {}
        made[claim.key] = row["verdict"]
        rows.append(row)
    return rows


def differences(analyses: Iterable[str], primary: str) -> dict[str, dict[str, str]]:
    """What analyses do otherwise than the primary one, by respect; only those that say it.

    Examples
    --------
    >>> differences(["nested", "as_1995"], "adjusted")
    {'nested': {'pretreatment': 'not held constant'}}
    """
    told, found = read_stress(), {}
    own = told[primary]["does"].items()
    for name in analyses:
        entry = told.get(name, {})
        if changed := dict((entry.get("differs") or entry.get("does", {})).items() - own):
            found[name] = changed
    return found


def estimable(findings: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """The rows that rest on estimates: not those with the reason why there is none, nor those made
    of such and left open by it.
    """
    rows = [*findings[[*ROW, "verdict", "criterion"]].itertuples(index=False, name=None)]
    gone = {row[:4] for row in rows if str(row[-1]).startswith(UNTOLD)}
    parts = {claim.key: [part.key for part in rules.parts(claim)] for claim in rules.claims}
    for *key, analysis, verdict, _ in rows:
        of = parts.get(tuple(key), ()) if verdict == verdicts.INCONCLUSIVE else ()
        if any((*part, analysis) in gone for part in of):
            gone.add((*key, analysis))
    return findings.loc[[row[:4] not in gone for row in rows]]


def first_change(findings: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """The first single respect in which each claim's primary verdict gives way.

    Analyses that differ from the primary one in a single respect come first. Then each other one is
    compared with one of the primary verdict from which it differs in a single respect.

    Parameters
    ----------
    findings : DataFrame
        As `assess` or `all_rows` returns it; its order decides what is first.
    rules : Rules

    Returns
    -------
    DataFrame
        `finding claim informant verdict primary tried analysis respects change other_verdict`, one
        row per claim with a primary verdict. `tried`: whether an analysis that can be so compared,
        and be estimated, speaks to it; from `analysis` on empty where none of them says otherwise.
        `respects`: in how many the analysis differs from the primary one. `change`: the respect and
        how, and on top of what else that by itself does not turn the verdict.
    """
    rows = rules.primary_rows(findings)[[*KEY, "verdict", "analysis"]]
    rows = rows.rename(columns={"analysis": "primary"})
    said = {key: dict(zip(of["analysis"], of["verdict"], strict=True))
            for key, of in estimable(findings, rules).groupby(KEY)}  # fmt: skip
    told = [_turning(said.get((f, c, i), {}), primary) for f, c, i, _, primary in rows.to_numpy()]
    columns = ["tried", "analysis", "respects", "change", "other_verdict"]
    return rows.join(pd.DataFrame(told, rows.index, columns, dtype=object))


def _turning(said: dict[str, str], primary: str) -> tuple:
    """Whether a claim was tried; the analysis that turns it first, in how many respects it differs,
    by which change, to what."""
    steps, tried = {primary: {}} | differences(said, primary), False
    if primary not in said:  # nothing that could be turned
        return tried, None, None, None, None
    for name in sorted(steps, key=lambda a: len(steps[a])):
        for respect, does in steps[name].items():
            rest = {r: what for r, what in steps[name].items() if r != respect}
            before = [a for a in steps if steps[a] == rest and said[a] == said[primary]]
            tried = tried or bool(before)
            if before and said[name] != said[primary]:
                more = " and ".join(f"{r} {what}" for r, what in rest.items())
                change = f"{respect} {does}" + f", on top of {more}" * bool(more)
                return tried, name, len(steps[name]), change, said[name]
    return tried, None, None, None, None


def verdict_rates(n_clients: int = 201) -> pd.DataFrame:
    """How often each shipped claim gets each verdict where its truth is known.

    Read from `data/verdict_rates.csv`, which `python -m benchmarks.verdict_rates` writes.

    Parameters
    ----------
    n_clients : int
        201 (45 case managers) or 60 (ten).

    Returns
    -------
    DataFrame
        `scenario analysis finding claim informant n_cohorts supported not_supported inconclusive`,
        `true` (whether the claim holds in the scenario, by `data/scenarios.yml`) and
        `monte_carlo_error` (of the share supported).

    Examples
    --------
    >>> rates = verdict_rates().query("scenario == 'no_association' and claim == 'modest'")
    >>> bool(rates["true"].any())
    False
    """
    rates = pd.read_csv(VERDICT_RATES, dtype={"finding": str})
    rates = rates[rates["n_clients"] == n_clients].drop(columns="n_clients")
    untrue = {s: e.get("untrue", {}) for s, e in read_scenarios()["scenarios"].items()}
    rows = zip(*(rates[c] for c in ("scenario", "finding", "claim")), strict=True)
    rates["true"] = [
        not untrue[s] if f == "all" else claim not in untrue[s].get(f, ()) for s, f, claim in rows
    ]
    share = rates["supported"]
    rates["monte_carlo_error"] = np.sqrt(share * (1 - share) / rates["n_cohorts"])
    return rates.reset_index(drop=True)


def nearest_design(findings: pd.DataFrame) -> int:
    """The simulated size, 201 or 60 clients, that is nearest to that of these findings."""
    return 201 if findings["n"].max() >= LARGE else 60


def multiplicity(findings: pd.DataFrame, rules: Rules) -> dict[str, object]:
    """How many claims and analyses were looked at, and what that means for those supported.

    Parameters
    ----------
    findings : DataFrame
        As `assess` or `all_rows` returns it.
    rules : Rules

    Returns
    -------
    dict
        `claims analyses rows`: single claims with a primary estimate, analyses, and the verdicts of
        these. `supported`: claims that the primary analysis supports. `untrue`: of the claims so
        many that are untrue where nothing is related (`no_association`); `found`: how many of them
        the primary analysis supports, `expected`: would support there by chance, in cohorts of the
        nearest size.
        `lost`: the keys of the supported claims that Holm's adjustment over all primary verdicts
        does not keep at .05: by p, and for an absence by its p of equivalence.
    """
    primary = rules.primary_of(set(findings["analysis"]))
    kinds = {c.key: c.kind for c in rules.claims}
    rows = estimable(rules.primary_rows(findings), rules).set_index(KEY)
    rows = rows.loc[[key for key in rows.index if kinds.get(key, "all_of") != "all_of"]]
    absent = [kinds[key] in ABSENCES for key in rows.index]
    p = rows["p_equivalence"].where(absent, rows["p_value"]).astype(float)
    supported = rows["verdict"] == "supported"
    lost = supported & ~(adjust(p.to_numpy()) < 0.05)
    nothing = verdict_rates(nearest_design(findings))
    nothing = nothing.query("scenario == 'no_association' and not true")
    nothing = nothing[nothing["analysis"] == primary].set_index(KEY)["supported"]
    expected = nothing[nothing.index.isin(rows.index)]
    verdicts = estimable(findings, rules).set_index(KEY).index.isin(rows.index)
    told = {"claims": len(rows), "analyses": findings["analysis"].nunique(), "rows": verdicts.sum()}
    told |= {"supported": int(supported.sum()), "lost": rows.index[lost].tolist()}
    found = int(supported[expected.index].sum())
    return told | {"untrue": len(expected), "found": found, "expected": float(expected.sum())}


def wrongly_supported(n_clients: int) -> pd.DataFrame:
    """The largest share of simulated cohorts in which each analysis supports an untrue claim.

    Of `verdict_rates`: a row per analysis, a column per scenario, named by its title.

    Examples
    --------
    >>> wrongly_supported(201).index.tolist()[:2]
    ['as_1995', 'as_1995_outcomes']
    """
    titles = {name: entry["title"] for name, entry in read_scenarios()["scenarios"].items()}
    rates = verdict_rates(n_clients)
    worst = rates[~rates["true"]].groupby(["analysis", "scenario"], sort=False)["supported"].max()
    return worst.unstack().rename(columns=titles)  # noqa: PD010


def recovery(rules: Rules, verdict: str = "supported") -> pd.DataFrame:
    """Percentage of simulated cohorts in which each shipped claim has a verdict, by scenario.

    Parameters
    ----------
    rules : Rules
        Claims that are not the shipped ones have no rates.
    verdict : str
        `supported`, or another one, which is told of claims that are true alone.

    Returns
    -------
    DataFrame
        `finding claim informant`, claims as their texts, then a column per scenario: percentages
        of the analyses `as_1995`, `as_published` and `adjusted`, divided by strokes, ± the largest
        of their Monte Carlo standard errors; in brackets where the claim is untrue.

    Examples
    --------
    >>> list(recovery(read_rules()))[:4]
    ['finding', 'claim', 'informant', 'published']
    """
    main, at = verdict == verdicts.SUPPORTED, [*KEY, "scenario"]
    rates = verdict_rates().set_index("analysis").loc[["as_1995", "as_published", "adjusted"]]
    share = 100 * rates[verdict]
    rates["percent"] = share.map("{:.0f}".format)
    rates["error"] = np.sqrt(share * (100 - share) / rates["n_cohorts"])
    cells = rates.groupby(at).agg({"percent": " / ".join, "error": "max", "true": "first"})
    told = cells["percent"] + cells["error"].map(" ± {:.1f}".format)
    told = told.where(cells["true"], "[" + told + "]" if main else "")
    table = told.unstack("scenario")[list(dict.fromkeys(rates["scenario"]))]  # noqa: PD010
    shipped = read_rules(book=rules.book)
    own = [c for c in shipped.claims if c in rules.claims]
    texts = {c.key: c.text for c in own}
    if main and len(own) == len(shipped.claims):
        texts["all", "every_claim", "both"] = "Every claim at once"
    table = table.reindex(list(texts)).reset_index()
    return table.assign(claim=list(texts.values())).rename_axis(columns=None)
