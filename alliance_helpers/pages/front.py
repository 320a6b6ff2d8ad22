"""The first page of a report: five sentences, one figure, and how sure one can be."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

import numpy as np
import pandas as pd

from ..claims.as_1995 import READINGS
from ..claims.assess import (
    differences,
    estimable,
    first_change,
    multiplicity,
    nearest_design,
    verdict_rates,
)
from ..claims.rules import ABSENCES, KEY, Claim, Rules
from ..claims.verdicts import NOT_SUPPORTED, SUPPORTED
from .printing import MARKS, TOLD, WORDS, rendered, word
from .tables import statistics

ENDS = -2.0, 4.0  # of the figure's axis, in bounds
WIDTH, HEIGHT = 150, 14  # of a drawing, in pixels
UNTOLD, DECIDED = "not_estimable", (SUPPORTED, NOT_SUPPORTED)
FIRM, RELATED = "none of those tried", "related"


def front_page(findings: pd.DataFrame, rules: Rules) -> str:
    """HTML of the first page.

    Parameters
    ----------
    findings : DataFrame
        As findings.csv: the rows of every analysis.
    rules : Rules

    Returns
    -------
    str
        Empty where no claim was assessed by the primary analysis.
    """
    primary = rules.primary_of(set(findings["analysis"]))
    if primary is None:
        return ""
    estimated, main = estimable(findings, rules), rules.primary_rows(findings)
    by_claim = {a: rows.set_index(KEY) for a, rows in estimated.groupby("analysis")}
    known, main = estimable(main, rules).set_index(KEY)["verdict"], main.set_index(KEY)
    main["verdict"] = known.reindex(main.index).fillna(UNTOLD)
    changes = first_change(findings, rules).set_index(KEY).assign(verdict=main["verdict"])
    firm = changes["tried"].astype(bool) & changes["verdict"].isin(DECIDED)
    changes["turns"] = changes["change"].fillna(FIRM).where(firm)
    claims = [c for c in rules.claims if c.key in changes.index]
    names = labels(claims, rules)
    clients = int(main["n"].fillna(0).max())  # 0: too few for any claim
    then = by_claim[READINGS[0]]["verdict"].to_dict() if READINGS[0] in by_claim else {}
    rates, n = ({}, 0) if rules.own or not clients else _rates(findings, primary)
    told = [
        {"name": f"Finding {finding}" if finding.isdigit() else finding.capitalize(),
         "title": "" if rules.own else TOLD["findings"].get(finding, "")}
        | _sentence(list(mine), then, changes)
        for finding, mine in groupby(claims, lambda c: c.finding)
    ]  # fmt: skip
    rows = [
        {"name": names[c.key], "finding": c.finding, "then": then.get(c.key)}
        | {"now": main.loc[c.key, "verdict"], "turns": changes.loc[c.key, "turns"]}
        | {"rate": rates.get(c.key)} | _drawing(c, main.loc[c.key], rules)
        for c in claims
    ]  # fmt: skip
    several, asked = multiplicity(findings, rules), dict.fromkeys(findings["analysis"])
    apart = [a for a in asked if a not in {primary, *READINGS, *differences(asked, primary)}]
    lost = [names[tuple(key)] for key in several["lost"]]
    return rendered(
        "front.html.j2", readings=_readings(by_claim, claims, names), told=told, rows=rows,
        primary=word(primary), marks=MARKS, words=WORDS, size=(WIDTH, HEIGHT), n=n, own=rules.own,
        inner=_places([-1, 0, 1]), several=several, lost=lost, clients=clients,
        apart=[word(a).lower() for a in apart], absent=any(c.kind in ABSENCES for c in claims),
        negative=any(_sign(c) < 0 for c in claims),
        lacking=sum(c.kind != "all_of" for c in rules.claims) - several["claims"],
    )  # fmt: skip


def labels(claims: Iterable[Claim], rules: Rules) -> dict[tuple[str, str, str], str]:
    """A few words for each claim, no two of one finding the same."""
    book, said = rules.book, {}
    for claim in claims:
        about = word(claim.name or claim.term or claim.block or claim.claim, book)
        about = about if about[1:2].isupper() else about[0].lower() + about[1:]
        if parts := rules.parts(claim):
            about = "both" if len(parts) == 2 else f"all {len(parts)}"
        if ", " in about:  # a list has commas of its own
            about = " (".join(about.split(", ", 1)) + ")"
        text = TOLD["claims"].get(claim.kind, "{}").format(about)
        said[claim.key] = f"(−) {text}" if _sign(claim) < 0 else text
    twice = [(key[0], text) for key, text in said.items()]
    return {
        key: f"{text} ({word(key[2], book).lower()})" if twice.count((key[0], text)) > 1 else text
        for key, text in said.items()
    }


def _sentence(claims: list[Claim], then: dict[tuple, str], now: pd.DataFrame) -> dict[str, object]:
    """Then, now, how sure: of one finding, its single claims counted."""
    single = [c for c in claims if c.kind != "all_of"] or claims
    keys = [c.key for c in single]
    read, rows = [then[k] == SUPPORTED for k in keys if k in then], now.loc[keys]
    verdicts = [
        RELATED if v == NOT_SUPPORTED and c.kind in ABSENCES else v
        for c, v in zip(single, rows["verdict"], strict=True)
    ]
    whole, told = _of(len(keys), len(keys)), [v for v in (*MARKS, RELATED, UNTOLD) if v in verdicts]
    now = [f"{verdicts.count(v) if told[1:] else whole} {WORDS[v]}".strip() for v in told]
    respects = rows["respects"].fillna(0)[rows["turns"].notna()]
    kept, one, more = len(respects), int((respects == 1).sum()), int((respects > 1).sum())
    sure = f"one change turns {_turned(one, kept)}"
    if more:
        sure += f", two turn {_turned(one + more, kept)}"
    then = read and f"{_of(sum(read), len(read))} reported".strip()
    said = {"then": then, "now": ", ".join(now), "sure": kept and sure}
    return said | {"verdict": "mixed" if told[1:] else told[0]}


def _of(some: int, of: int) -> str:
    """How many of several, in words where it is all or none.

    >>> _of(2, 5), _of(5, 5), _of(2, 2), _of(0, 5), _of(1, 1), _of(0, 1)
    ('2 of 5', 'all 5', 'both', 'none', '', 'not')
    """
    if some == of:
        return {1: "", 2: "both"}.get(of, f"all {of}")
    return f"{some} of {of}" if some else "none" if of > 1 else "not"


def _turned(some: int, of: int) -> str:
    """How many a change turns.

    >>> _turned(0, 1), _turned(0, 2), _turned(0, 3), _turned(1, 1), _turned(1, 2)
    ('nothing', 'neither', 'none', 'it', '1 of 2')
    """
    return (_of(some, of) or "it") if some else ("nothing", "neither", "none")[min(of, 3) - 1]


def _readings(by_claim: dict, claims: list[Claim], names: dict) -> dict[str, list] | list | None:
    """What the other reading of 1995 reports too, and no longer; nothing without both readings."""
    if not {*READINGS} <= set(by_claim):
        return None
    first, other = (by_claim[a]["verdict"] == SUPPORTED for a in READINGS)
    keys = [
        c.key
        for c in claims
        if c.kind != "all_of" and c.key in first.index and c.key in other.index
    ]
    return keys and {
        "more": [names[k] for k in keys if other[k] and not first[k]],
        "less": [names[k] for k in keys if first[k] and not other[k]],
    }


def _places(values: Iterable[float]) -> list[float]:
    return np.interp(list(values), ENDS, [3, WIDTH - 3]).round(1).tolist()


def _sign(claim: Claim) -> int:
    """The direction that is claimed, -1 or 1."""
    return claim.direction if claim.kind == "association" or claim.over_time else 1


def _drawing(claim: Claim, row: pd.Series, rules: Rules) -> dict:
    """An estimate and its interval in multiples of the bound, as claimed to the right."""
    values = row[["estimate", "conf_low", "conf_high"]].astype(float)
    if claim.kind == "all_of" or np.isnan(values["estimate"]):
        return {}
    if claim.kind == "rate_absence":
        scaled = np.log(values) / np.log(rules.bounds["rate_ratio_high"])
    elif claim.kind.startswith("block"):
        scaled = np.sqrt(values.clip(lower=0) / rules.bounds[claim.bound])
    else:
        scaled = _sign(claim) * values / rules.bounds[claim.bound]
    ends = sorted(scaled[1:]) if np.isfinite(scaled[1:]).all() else []
    return {"dot": _places(scaled[:1])[0], "line": _places(ends), "text": statistics(claim, row)}


def _rates(findings: pd.DataFrame, primary: str) -> tuple[dict, int]:
    """How often each claim is supported in simulated cohorts where all are true; their size."""
    n = nearest_design(findings)
    rates = verdict_rates(n).query("scenario == 'published' and analysis == @primary")
    return rates.set_index(KEY).to_dict("index"), n
