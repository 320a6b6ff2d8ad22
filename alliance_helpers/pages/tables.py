"""Tables for readers: verdicts, reliabilities, then and now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, zip_longest
from textwrap import wrap

import numpy as np
import pandas as pd

from ..claims.as_1995 import READINGS
from ..claims.assess import estimable, first_change, nearest_design, wrongly_supported
from ..claims.rules import ABSENCES, DETRENDED, KEY, ROW, Claim, Rules, read_rules, read_stress
from ..claims.verdicts import SUPPORTED
from ..cohorts.cohort import FEW, OPENED
from ..errors import NotEstimableError
from ..models.reliability import reliability
from ..study.clean import CleanStudy
from ..study.codebook import Codebook
from . import printing
from .printing import MARKS, WORDS, coefficient, figure_number, p_words, rendered, word

RELIABILITY = "n_items n alpha alpha_low alpha_high omega_total lowest_item_rest_r share_unanswered"


def reliabilities(clean: CleanStudy) -> pd.DataFrame:
    """How consistently each scale, and each of its subscales, measures.

    Returns
    -------
    DataFrame
        `scale subscale informant`, the columns of `reliability.reliability`, `share_unanswered`,
        and `reason` where nothing can be estimated. `subscale` is `total` for all items of a scale.

    Examples
    --------
    >>> bool(reliabilities(open_cohort())["alpha"].max() < 1)
    True
    """
    rows, cluster = [], clean.dyads.get(clean.codebook.case_manager)
    few = 1 if clean.codebook.synthetic else FEW
    if cluster is not None:
        cluster = cluster.to_numpy() if cluster.nunique() > 2 else None
    for scale in clean.codebook.scales.values():
        try:
            items = clean.items(scale.name)
        except KeyError:
            continue
        keys = dict(scale.keys)
        keys.setdefault("total", sorted(chain.from_iterable(keys.values()), key=abs))
        for part, numbers in keys.items():
            row = {"scale": scale.name, "subscale": part, "informant": scale.informant}
            try:
                row |= dict(reliability(items, numbers, cluster).iloc[0])
                rows.append(
                    row | {"share_unanswered": _unanswered(items, numbers, few), "reason": ""}
                )
            except NotEstimableError as error:
                rows.append(row | {"reason": str(error)})
    return pd.DataFrame(rows, columns=f"scale subscale informant {RELIABILITY} reason".split())


def _unanswered(items: pd.DataFrame, numbers: Sequence[int], few: int) -> float:
    """The share of answers left out by those who gave any; NaN where fewer than `few` did so."""
    gaps = items.iloc[:, [abs(k) - 1 for k in numbers]].isna()
    gaps = gaps[~gaps.all(axis=1)]
    told = not 0 < gaps.any(axis=1).sum() < few
    return float(gaps.to_numpy().mean()) if told else np.nan


def joint_tests(joint: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """The joint tests over all specifications, one row per claim.

    Parameters
    ----------
    joint : DataFrame
        `multiverse.Multiverse.joint`.
    rules : Rules
        Gives the text of the claims.

    Returns
    -------
    DataFrame
        `finding claim n_specifications estimate lowest highest expected p_value p_low p_high
        set_apart_by n_perm`: the median estimate, the range, the median's mean size under
        permutations, its permutation p-value and where that lies for all so many permutations can
        tell, and the choice that separates verdicts.

    Raises
    ------
    NotEstimableError
        No claim has a specification that can be estimated.

    Examples
    --------
    >>> found = multiverse(open_cohort().dyads, finding="3", claim="own_outcome", n_perm=99)
    >>> joint_tests(found.joint, read_rules())["n_specifications"].tolist()
    [45]
    """
    if joint.empty:
        raise NotEstimableError("no claim has a specification that can be")
    texts = [rules.texts.get(key, key[1]) for key in joint.set_index(KEY).index]
    return joint.assign(claim=texts).drop(columns="informant")


def verdict_sentences(
    findings: pd.DataFrame,
    rules: Rules,
    analyses: Sequence[str] = ("adjusted", "nested", "as_published", DETRENDED, "naive"),
    codebook: Codebook | None = None,
) -> list[str]:
    """Each claim as a sentence: what each analysis estimates, and its verdict.

    Parameters
    ----------
    findings : DataFrame
        As `assess` returns it; or, with a codebook, as `stepwise_links` does.
    rules : Rules
    analyses : sequence of str
        Which rows to read.
    codebook : Codebook, optional
        Given with links, whose sentence says which estimate lies furthest from its correlation, and
        which other variable of its model moves it most.

    Returns
    -------
    list of str
        In the order of the claims; those without a row are left out.

    Examples
    --------
    >>> dyads = open_cohort().dyads
    >>> rules = read_rules()
    >>> rows = assess(dyads, rules=rules, finding="1")
    >>> len(verdict_sentences(rows, rules)) > 0
    True
    """
    from .outputs import discreet  # what draws takes long to load

    if codebook is not None:
        return _moved(findings.dropna(subset="moved_by"), codebook)
    rows = {tuple(row[c] for c in ROW): row for row in discreet(findings).to_dict("records")}
    sentences = []
    for claim in rules.claims:
        found = {a: rows[(*claim.key, a)] for a in analyses if (*claim.key, a) in rows}
        if found:
            told = {a: [statistics(claim, r), word(r["verdict"])] for a, r in found.items()}
            parts = [
                f"{rules.told(word(a))}: {', '.join(filter(None, x))}." for a, x in told.items()
            ]
            sentences.append(" ".join([f"{claim.text.rstrip('.')}.", *parts]))
    return sentences


def _moved(links: pd.DataFrame, codebook: Codebook) -> list[str]:
    gap = (links["estimate"] - links["alone"]).abs()
    rows = links[gap == gap.max()]
    names = rows[["term", "moved_by"]].map(codebook.label)
    told = printing.TOLD["links"]["moved"]
    return [told.format(**row) for row in rows.assign(**names).to_dict("records")]


def statistics(claim: Claim, row: Mapping[str, object]) -> str:
    """An estimate as a journal prints it; the reason where there is none.

    `r(192) = .18, 95 % CI [.04, .32], p = .011`; blocks as R², days as a rate ratio.
    """
    estimate, p = row["estimate"], p_words(row["p_value"])
    if pd.isna(estimate):
        return str(row["criterion"]) * ("not estimable" in str(row["criterion"]))
    bound = claim.kind in ABSENCES and p_words(row["p_equivalence"], "smaller than the bound: p ")
    if claim.kind.startswith("block"):
        return ", ".join(filter(None, [f"R² = {coefficient(estimate, 3)}", p, bound]))
    form, symbol = coefficient, "β"
    if claim.kind == "rate_absence":
        form, symbol = figure_number, "rate ratio per SD"
    elif row["analysis"] == "as_published":
        symbol = f"r({row['df']:.0f})" if np.isfinite(row["df"]) else "r"
    elif claim.kind == "modest":
        symbol = "r"  # its degrees of freedom are the case managers'
    low, high = row["conf_low"], row["conf_high"]
    digits = max(2, printing.decimals_for(high - low))
    interval = f"95 % CI [{form(low, digits)}, {form(high, digits)}]" if pd.notna(low) else ""
    return ", ".join(filter(None, [f"{symbol} = {form(estimate, digits)}", interval, p, bound]))


MAIN = ("as_1995", "as_1995_outcomes", "adjusted", "nested", "as_published", DETRENDED, "naive")
GROUPS = ("Then", "Now", "Model", "One thing changed", "Others")


@dataclass(frozen=True)
class Scorecard:
    """The scorecard as a table for a page and as text for a terminal."""

    frame: pd.DataFrame
    analyses: tuple[str, ...]
    primary: str | None = None
    changes: tuple[str, ...] = ()
    size: int = 0  # of the simulated cohorts that tell how often each analysis errs

    def _repr_html_(self) -> str:
        return rendered(
            "scorecard.html.j2",
            wrong=wrongly_supported(self.size).to_dict() if self.size else {},
            size=self.size,
            changes=self.changes,
            groups=self.groups(),
            wide=len(self.analyses) + 1,
            rows=self.frame.to_dict("records"),
            words=WORDS,
            marks=MARKS,
        )

    def groups(self) -> dict[str, list[str]]:
        """The analyses by what they change in the primary one."""
        settings = read_stress()

        def group(name: str) -> str:
            about = settings.get(name, {})
            if name in (self.primary, DETRENDED) or name.startswith("as_1995"):
                return "Then" if name.startswith("as_1995") else "Now"
            kind = "Model" if "does" in about else "Others"
            return "One thing changed" if len(about.get("differs", ())) == 1 else kind

        order = sorted(self.analyses, key=lambda a: GROUPS.index(group(a)))
        return {title: list(names) for title, names in groupby(order, group)}

    def text(self) -> str:
        """The scorecard for a terminal."""
        shown = [a for a in self.analyses if a in MAIN]
        wide = max((len(t) for t in self.frame["text"]), default=0) + 2
        heads = [wrap(word(a), 17) for a in shown]
        rows = zip_longest(*heads, fillvalue="")
        lines = [f"{'':8}{'':{wide}}{''.join(f'{h:18}' for h in row)}".rstrip() for row in rows]
        said = {verdict: f"{mark} {WORDS[verdict]}" for verdict, mark in MARKS.items()}
        for _, row in self.frame.iterrows():
            marks = "".join(f"{said.get(row[a], '-'):18}" for a in shown)
            lines.append(f"{row['finding']:8}{row['text']:{wide}}{marks}".rstrip())
        return "\n".join(lines)


def then_and_now(findings: pd.DataFrame, rules: Rules | None = None) -> Scorecard:
    """One row per claim: the verdict of each analysis, and what they say together.

    Parameters
    ----------
    findings : DataFrame
        As `assess` returns it, or findings.csv.
    rules : Rules, optional
        The shipped claims by default; they give the order and the texts.

    Raises
    ------
    NotEstimableError
        There is no finding.

    Examples
    --------
    >>> dyads = open_cohort().dyads
    >>> rules = read_rules()
    >>> rows = assess(dyads, rules=rules, finding="1")
    >>> "supported" in then_and_now(rows, rules).text()
    True
    """
    if findings.empty:
        raise NotEstimableError("no claim can be put to this study")
    rules, analyses = rules or read_rules(), tuple(dict.fromkeys(findings["analysis"]))
    told, known = estimable(findings, rules), set(findings.set_index(KEY).index)
    said = dict(zip(told[ROW].itertuples(False, None), told["verdict"], strict=True))
    claims = [claim for claim in rules.claims if claim.key in known]
    changes = first_change(findings, rules).set_index(KEY).reindex([c.key for c in claims])
    rows = []
    for claim, how in zip(claims, changes.to_dict("records"), strict=True):
        row = {"finding": claim.finding, "text": claim.text}
        row |= {a: said.get((*claim.key, a), np.nan) for a in analyses}
        rows.append(row | {"sentence": f"{_sentence(row, analyses, how)} {claim.note}".rstrip()})
    frame = pd.DataFrame(rows, columns=["finding", "text", *analyses, "sentence"])
    size = 0 if rules.own else nearest_design(findings)
    return Scorecard(frame, analyses, rules.primary_of(analyses), OPENED.changes, size)


def _sentence(row: dict, analyses: tuple[str, ...], change: dict) -> str:
    """What the verdicts say together: analyses of the same data are no votes, and not counted.

    Of a change of verdict the reason is told only where a single respect is it.
    """
    then = [row[a] for a in READINGS if isinstance(row.get(a), str)]
    today = {a: row[a] for a in analyses if a not in READINGS and isinstance(row[a], str)}
    main, start = change["primary"], ""
    one = 0 < len(then) < sum(a in analyses for a in READINGS)
    if not (today or isinstance(main, str)):
        return "Not assessed."
    if then:
        found = [word(a) for a in READINGS if row.get(a) == SUPPORTED]
        start = "The method of 1995 reports it" if len(found) == len(then) else (
            f"Reported {found[0][0].lower()}{found[0][1:]} only" if found
            else "The method of 1995 does not report it"
        )  # fmt: skip
        start += " by the one reading that can be estimated" * one
    today_said = f"{start}; today" if start else "Today"
    if isinstance(main, str) and main not in today:
        return f"{today_said}, {word(main).lower()}, it cannot be estimated."
    main = main if main in today else next(iter(today))
    verdict = word(today[main])
    if len(set(today.values())) == 1:
        agree = set(then) == set(today.values()) and not one
        return f"{start}, and today all agree." if agree else f"{today_said} it is {verdict}."
    said = f"{today_said}, {word(main).lower()}, it is {verdict}."
    if not isinstance(change["change"], str):
        return said + " No single change that was tried turns that." * change["tried"]
    return f"{said} First to turn it: {change['change']} ({word(change['other_verdict'])})."
