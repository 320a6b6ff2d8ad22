"""What the verdicts say together: why one gives way, and how many to expect by chance.

Analyses of the same data are no votes. Of two analyses the difference in verdict is told only where
they differ in one respect, which is then named.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from ..cohorts.population import read_scenarios
from ..models.inference import adjust
from ..paths import VERDICT_RATES
from .rules import ABSENCES, KEY, Rules, read_rules, read_stress


def differences(analyses: Iterable[str], primary: str) -> dict[str, tuple[str, str]]:
    """The analyses that differ from the primary one in a single respect: it, and what they do.

    Examples
    --------
    >>> differences(["nested", "as_published"], "adjusted")
    {'nested': ('pretreatment', 'not held constant')}
    """
    told, found = read_stress(), {}
    for name in dict.fromkeys(analyses):
        entry, own = told.get(name, {}), told[primary]["does"]
        does = entry.get("differs") or entry.get("does", {})
        changed = [(respect, what) for respect, what in does.items() if own.get(respect) != what]
        if len(changed) == 1:
            found[name] = changed[0]
    return found


def first_change(findings: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """The first single respect in which each claim's primary verdict gives way.

    Parameters
    ----------
    findings : DataFrame
        As `assess` or `all_rows` returns it; its order decides what is first.
    rules : Rules

    Returns
    -------
    DataFrame
        `finding claim informant primary verdict n analysis respect does other_verdict other_n`, one
        row per claim with a primary verdict; from `analysis` on empty where no analysis that
        differs in one respect says otherwise.
    """
    main = rules.primary_rows(findings)
    columns = [*KEY, "verdict", "n"]
    rows = main[columns].assign(primary=main["analysis"])
    single = {}
    for primary in dict.fromkeys(main["analysis"]):
        single |= differences(findings["analysis"], primary)
    others = findings.loc[findings["analysis"].isin(single), [*columns, "analysis"]]
    others = others.rename(columns={"verdict": "other_verdict", "n": "other_n"})
    joined = others.merge(rows, on=KEY)
    joined = joined[joined["verdict"] != joined["other_verdict"]].drop_duplicates(KEY)
    why = joined["analysis"].map(single).astype(object)
    joined = joined.assign(respect=why.str[0], does=why.str[1])
    kept = [*KEY, "analysis", "respect", "does", "other_verdict", "other_n"]
    return rows.merge(joined[kept], how="left", on=KEY)


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
        `claims analyses rows`: single claims with a primary verdict, analyses, and verdicts
        altogether. `supported`: claims that the primary analysis supports. `untrue`: of the claims
        so many that are untrue where nothing is related (`no_association`); `expected`: how many of
        them the primary analysis would support there by chance. `lost`: the keys of the supported
        claims that Holm's adjustment over all primary verdicts does not keep at .05: by p, and for
        an absence by its p of equivalence.
    """
    primary = rules.primary_of(set(findings["analysis"]))
    kinds = {c.key: c.kind for c in rules.claims}
    rows = rules.primary_rows(findings).set_index(KEY)
    rows = rows[[kinds.get(key, "all_of") != "all_of" for key in rows.index]]
    absent = [kinds[key] in ABSENCES for key in rows.index]
    p = rows["p_equivalence"].where(absent, rows["p_value"]).astype(float)
    supported = rows["verdict"] == "supported"
    lost = supported & ~(adjust(p.to_numpy()) < 0.05)
    nothing = verdict_rates().query("scenario == 'no_association' and not true")
    nothing = nothing[nothing["analysis"] == primary].set_index(KEY)["supported"]
    expected = nothing[nothing.index.isin(rows.index)]
    told = {"claims": len(rows), "analyses": findings["analysis"].nunique(), "rows": len(findings)}
    told |= {"supported": int(supported.sum()), "lost": rows.index[lost].tolist()}
    return told | {"untrue": len(expected), "expected": float(expected.sum())}


def recovery(rules: Rules) -> pd.DataFrame:
    """Percentage of simulated cohorts in which each shipped claim is supported, by scenario.

    Parameters
    ----------
    rules : Rules
        Claims that are not the shipped ones have no rates.

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
    rates = verdict_rates()
    percent = 100 * rates.set_index([*KEY, "scenario", "analysis"])["supported"]
    percent = percent.map("{:.0f}".format)
    wide = percent.unstack("analysis")[["as_1995", "as_published", "adjusted"]]  # noqa: PD010
    at = [*KEY, "scenario"]
    rates = rates[rates["analysis"].isin(wide)]
    error = 100 * rates.groupby(at)["monte_carlo_error"].max()
    joined = wide.fillna("–").agg(" / ".join, axis=1) + error.map(" ± {:.1f}".format)
    joined = joined.where(rates.groupby(at)["true"].first(), "[" + joined + "]")
    table = joined.unstack("scenario")[list(dict.fromkeys(rates["scenario"]))]  # noqa: PD010
    shipped = read_rules(book=rules.book)
    own = [c for c in shipped.claims if c in rules.claims]
    texts = {c.key: c.text for c in own}
    if len(own) == len(shipped.claims):
        texts["all", "every_claim", "both"] = "Every claim at once"
    table = table.reindex(list(texts)).reset_index()
    return table.assign(claim=list(texts.values())).rename_axis(columns=None)
