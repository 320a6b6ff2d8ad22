"""Tables for readers: verdicts, reliabilities, missing values, then and now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, zip_longest
from textwrap import wrap

import numpy as np
import pandas as pd

from ..claims.as_1995 import READINGS
from ..claims.assess import first_change
from ..claims.rules import ABSENCES, DETRENDED, KEY, ROW, Claim, Rules, read_rules, read_stress
from ..claims.verdicts import SUPPORTED
from ..cohorts.cohort import OPENED
from ..errors import NotEstimableError
from ..models.reliability import reliability
from ..study.clean import CleanStudy
from ..study.codebook import Codebook
from . import printing
from .printing import MARKS, WORDS, coefficient, figure_number, p_words, rendered, word

HEAD = ["finding", "text", "informant"]
RELIABILITY = "n_items n alpha alpha_low alpha_high omega_total lowest_item_rest_r"


def reliabilities(clean: CleanStudy) -> pd.DataFrame:
    """How consistently each scale, and each of its subscales, measures.

    Returns
    -------
    DataFrame
        `scale subscale informant`, the columns of `reliability.reliability`, and `reason` where
        nothing can be estimated. `subscale` is `total` for all items of a scale.

    Examples
    --------
    >>> bool(reliabilities(open_cohort())["alpha"].max() < 1)
    True
    """
    rows, cluster = [], clean.dyads.get(clean.codebook.case_manager)
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
                found = reliability(items, numbers, cluster).iloc[0]
                rows.append(row | dict(found) | {"reason": ""})
            except NotEstimableError as error:
                rows.append(row | {"reason": str(error)})
    return pd.DataFrame(rows, columns=f"scale subscale informant {RELIABILITY} reason".split())


def missingness(clean: CleanStudy, min_cell: int = 5) -> pd.DataFrame:
    """How much is missing: answers to the items of a scale, and values of a dyad's variables.

    Returns
    -------
    DataFrame
        `term kind n n_missing share_missing share_items_missing`, most missing first. `n_missing`
        counts dyads without a value, after prorating (NaN, as the shares, where it is below
        `min_cell` and not 0); `share_items_missing` is the share of single answers that are missing
        (NaN for a variable that is no scale).

    Examples
    --------
    >>> int(missingness(open_cohort())["n"].max())
    201
    """
    dyads, book = clean.dyads, clean.codebook
    scales = [s for s in book.scales if s in dyads]
    listed = [v for names in book.blocks.values() for v in names if v in dyads]
    names = list(dict.fromkeys([*scales, *listed]))
    table = pd.DataFrame({"term": names, "kind": "variable", "n": len(dyads)}).set_index("term")
    table.loc[scales, "kind"] = "scale"
    table["n_missing"] = dyads[names].isna().sum().astype("Int64")
    table["share_missing"] = dyads[names].isna().mean()
    items = {name: clean.items(name).isna().to_numpy().mean() for name in scales}
    table = table.assign(share_items_missing=pd.Series(items, dtype=float)).reset_index()
    shares = ["share_missing", "share_items_missing"]
    few = table["n_missing"].between(1, min_cell - 1)
    table.loc[few, ["n_missing", *shares]] = np.nan
    return table.sort_values(shares, ascending=False, kind="stable", ignore_index=True)


def scorecard(findings: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """One row per claim, one column per analysis, the verdict in each cell.

    Parameters
    ----------
    findings : DataFrame
        As `assess` returns it.
    rules : Rules
        Gives the order and the text of the claims.

    Returns
    -------
    DataFrame
        `finding text informant`, then the analyses in their order; NaN where an analysis does not
        speak to a claim.

    Examples
    --------
    >>> from alliance_helpers import assess, open_cohort, read_rules
    >>> dyads = open_cohort().dyads
    >>> rules = read_rules()
    >>> rows = assess(dyads, rules=rules, finding="1")
    >>> scorecard(rows, rules).shape[0] > 0
    True
    """
    analyses = list(dict.fromkeys(findings["analysis"]))
    verdicts = findings.pivot_table("verdict", KEY, "analysis", "last")
    claims = [claim for claim in rules.claims if claim.key in verdicts.index]
    head = [(claim.finding, claim.text, claim.informant) for claim in claims]
    card = verdicts.reindex(columns=analyses).loc[[claim.key for claim in claims]]
    return pd.DataFrame(head, columns=HEAD, dtype=object).join(card.reset_index(drop=True))


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

    def _repr_html_(self) -> str:
        return rendered(
            "scorecard.html.j2",
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
        The shipped claims by default.

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
    rules = rules or read_rules()
    wide = scorecard(findings, rules)
    analyses = tuple(wide.columns.drop(HEAD))
    known = set(findings.set_index(KEY).index)
    claims = [claim for claim in rules.claims if claim.key in known]
    changes = first_change(findings, rules).set_index(KEY).reindex([c.key for c in claims])
    rows = zip(claims, wide.to_dict("records"), changes.to_dict("records"), strict=True)
    wide["sentence"] = [
        f"{_sentence(row, analyses, how)} {c.note}".rstrip() for c, row, how in rows
    ]
    return Scorecard(wide, analyses, rules.primary_of(analyses), OPENED.changes)


def _sentence(row: dict, analyses: tuple[str, ...], change: dict) -> str:
    """What the verdicts say together: analyses of the same data are no votes, and not counted.

    Of a change of verdict the reason is told only where a single respect is it.
    """
    then = [row[a] for a in READINGS if isinstance(row.get(a), str)]
    today = {a: row[a] for a in analyses if a not in READINGS and isinstance(row[a], str)}
    if not today:
        return "Not assessed."
    start = ""
    if then:
        found = [word(a) for a in READINGS if row.get(a) == SUPPORTED]
        start = "The method of 1995 reports it" if len(found) == len(then) else (
            f"Reported {found[0][0].lower()}{found[0][1:]} only" if found
            else "The method of 1995 does not report it"
        )  # fmt: skip
    today_said = f"{start}; today" if start else "Today"
    main = change["primary"] if change["primary"] in today else next(iter(today))
    verdict = word(today[main])
    if len(set(today.values())) == 1:
        agree = set(then) == set(today.values())
        return f"{start}, and today all agree." if agree else f"{today_said} it is {verdict}."
    said = f"{today_said}, {word(main).lower()}, it is {verdict}."
    if not isinstance(change["change"], str):
        return said + " No single change that was tried turns that." * change["tried"]
    return f"{said} First to turn it: {change['change']} ({word(change['other_verdict'])})."
