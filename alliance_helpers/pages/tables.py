"""Tables for readers: verdicts, reliabilities, missing values, then and now."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import pandas as pd

from ..claims.rules import Claim, Rules, read_rules
from ..claims.verdicts import INCONCLUSIVE, NOT_SUPPORTED, SUPPORTED
from ..errors import NotEstimableError
from ..models.reliability import reliability
from ..study.clean import CleanStudy
from .printing import WORDS, PrettyTable, decimals_for, number, p_text, pretty
from .printing import WORDS as PRINTED
from .table_one import table_one

__all__ = [
    "PrettyTable",
    "joint_tests",
    "missingness",
    "pretty",
    "reliabilities",
    "scorecard",
    "table_one",
    "verdict_sentences",
]

RELIABILITY = [
    "n_items", "n", "alpha", "alpha_low", "alpha_high", "omega_total", "lowest_item_rest_r",
]  # fmt: skip


def reliabilities(clean: CleanStudy) -> pd.DataFrame:
    """How consistently each scale, and each of its subscales, measures.

    Returns
    -------
    DataFrame
        `scale subscale informant`, the columns of `reliability.reliability`, and `reason` where
        nothing can be estimated. `subscale` is `total` for all items of a scale.
    """
    rows, cluster = [], clean.dyads.get(clean.codebook.case_manager)
    if cluster is not None and cluster.nunique() < 3:
        cluster = None
    for scale in clean.codebook.scales.values():
        try:
            items = clean.items(scale.name)
        except KeyError:
            continue
        keys = {part: list(numbers) for part, numbers in scale.keys.items()}
        if "total" not in keys:
            keys["total"] = sorted((i for part in keys.values() for i in part), key=abs)
        for part, numbers in keys.items():
            row = {"scale": scale.name, "subscale": part, "informant": scale.informant}
            try:
                table = reliability(items, numbers, scale.limits, cluster=cluster)
                found = table.iloc[0].to_dict()
                found["reason"] = ""
            except NotEstimableError as error:
                found = {"reason": str(error)}
            rows.append(row | found)
    columns = ["scale", "subscale", "informant", *RELIABILITY, "reason"]
    return pd.DataFrame(rows, columns=columns)


def missingness(clean: CleanStudy) -> pd.DataFrame:
    """How much is missing: answers to the items of a scale, and values of a dyad's variables.

    Returns
    -------
    DataFrame
        `term kind n n_missing share_missing share_items_missing`, most missing first. `n_missing`
        counts dyads without a value, after prorating; `share_items_missing` is the share of single
        answers that are missing (NaN for a variable that is no scale).
    """
    dyads, book = clean.dyads, clean.codebook
    scales = [s for s in book.scales if s in dyads]
    listed = [v for names in book.blocks.values() for v in names if v in dyads]
    rows = []
    for name in dict.fromkeys([*scales, *listed]):
        gone = int(dyads[name].isna().sum())
        items = clean.items(name).isna().to_numpy().mean() if name in scales else math.nan
        rows.append(
            {
                "term": name,
                "kind": "scale" if name in scales else "variable",
                "n": len(dyads),
                "n_missing": gone,
                "share_missing": gone / len(dyads) if len(dyads) else math.nan,
                "share_items_missing": items,
            }
        )
    columns = ["term", "kind", "n", "n_missing", "share_missing", "share_items_missing"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(
        ["share_missing", "share_items_missing"], ascending=False, kind="stable", ignore_index=True
    )


def scorecard(findings: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """One row per claim, one column per analysis, the verdict in each cell.

    Parameters
    ----------
    findings : DataFrame
        As `findings.assess` returns it.
    rules : Rules
        Gives the order and the text of the claims.

    Returns
    -------
    DataFrame
        `finding text informant`, then the analyses in their order; NaN where an analysis does not
        speak to a claim.
    """
    analyses = list(dict.fromkeys(findings["analysis"]))
    verdicts = {
        (r.finding, r.claim, r.informant, r.analysis): r.verdict
        for r in findings.itertuples(index=False)
    }
    rows = []
    for claim in rules.claims:
        key = (claim.finding, claim.claim, claim.informant)
        found = {a: verdicts.get((*key, a)) for a in analyses}
        if any(v is not None for v in found.values()):
            head = {"finding": claim.finding, "text": claim.text, "informant": claim.informant}
            rows.append(head | found)
    return pd.DataFrame(rows, columns=["finding", "text", "informant", *analyses])


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
        `finding claim n_specifications estimate expected share_significant p_median p_share
        p_stouffer`: the median estimate and what it is with nothing there, and the
        permutation p-values of the median, of the share of significant specifications, and of
        Stouffer's z.
    """
    key = ["finding", "claim", "informant"]
    rows, texts = [], rules.texts
    for name, tests in joint.groupby(key, sort=False):
        test = tests.set_index("statistic")
        median = test.loc["median"]
        rows.append(
            {
                "finding": name[0],
                "claim": texts.get(name, name[1]),
                "n_specifications": median["n_specifications"],
                "estimate": median["estimate"],
                "expected": median["expected"],
                "share_significant": test.loc["share_significant", "estimate"],
                "p_median": median["p_value"],
                "p_share": test.loc["share_significant", "p_value"],
                "p_stouffer": test.loc["stouffer", "p_value"],
            }
        )
    return pd.DataFrame(rows)


def verdict_sentences(
    findings: pd.DataFrame,
    rules: Rules,
    analyses: Sequence[str] = ("as_published", "nested"),
) -> list[str]:
    """Each claim as a sentence: what each analysis estimates, and its verdict.

    Parameters
    ----------
    findings : DataFrame
        As `findings.assess` returns it.
    rules : Rules
    analyses : sequence of str
        Which rows to read.

    Returns
    -------
    list of str
        In the order of the claims; those without a row are left out.
    """
    rows = {
        (r["finding"], r["claim"], r["informant"], r["analysis"]): r for _, r in findings.iterrows()
    }
    sentences = []
    for claim in rules.claims:
        key = (claim.finding, claim.claim, claim.informant)
        found = [(a, rows[(*key, a)]) for a in analyses if (*key, a) in rows]
        if found:
            parts = [f"{rules.told(WORDS.get(a, a))}: {_reading(claim, row)}." for a, row in found]
            sentences.append(" ".join([f"{claim.text.rstrip('.')}.", *parts]))
    return sentences


def _reading(claim: Claim, row: pd.Series) -> str:
    """Estimate, interval and verdict of one row in words."""
    verdict = str(row["verdict"]).replace("_", " ")
    estimate = row["estimate"]
    if pd.isna(estimate):
        why = str(row["criterion"])
        return f"{why}, {verdict}" if "not estimable" in why else verdict
    if claim.kind.startswith("block"):
        figures = f"R² = {_correlation(estimate, 3)}, p {_p(row['p_value'])}"
        if claim.kind == "block_absence" and pd.notna(row["p_equivalence"]):
            figures += f" (being smaller than the bound: p {_p(row['p_equivalence'])})"
        return f"{figures}, {verdict}"
    low, high = row["conf_low"], row["conf_high"]
    digits = max(2, decimals_for(high - low))
    if claim.kind == "rate_absence":
        values = [number(v, digits) for v in (estimate, low, high)]
        symbol = "rate ratio per SD"
    else:
        values = [_correlation(v, digits) for v in (estimate, low, high)]
        symbol = "beta" if str(row["analysis"]).startswith("nested") else "r"
    interval = f" (95 % CI {values[1]} to {values[2]})" if pd.notna(low) else ""
    return f"{symbol} = {values[0]}{interval}, {verdict}"


def _correlation(value: float, digits: int) -> str:
    text = number(value, digits)
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def _p(p: float) -> str:
    text = p_text(p)
    return text if text.startswith("<") else f"= {text}"


SAID = {SUPPORTED: "supported", NOT_SUPPORTED: "not supported", INCONCLUSIVE: "inconclusive"}
KEY = "✔ supported, ✘ not supported, ? inconclusive, – does not apply"
MARKS = {SUPPORTED: "✔", NOT_SUPPORTED: "✘", INCONCLUSIVE: "?"}
MAIN = ("as_1995", "as_published", "nested")


@dataclass(frozen=True)
class Scorecard:
    """The scorecard as a table for a page and as text for a terminal."""

    frame: pd.DataFrame
    analyses: tuple[str, ...]

    def summary(self) -> str:
        """How many claims each main analysis supports, and how many do not hang on the method."""
        said = []
        for analysis in (a for a in self.analyses if a in MAIN):
            counts = self.frame[analysis].value_counts()
            parts = [f"{counts[v]} {WORDS[v]}" for v in SAID if v in counts]
            said.append(f"{heading(analysis)}: {', '.join(parts)}.")
        verdicts = self.frame[list(self.analyses)]
        same = int((verdicts.nunique(axis=1) == 1).sum())
        counted = f"Of {len(verdicts)} claims, {same} get the same verdict from every analysis."
        return " ".join([counted, *said])

    def _repr_html_(self) -> str:
        head = "".join(self._head(a) for a in self.analyses)
        rows = "".join(self._row(r) for _, r in self.frame.iterrows())
        first = "<th scope='col'>Finding</th><th scope='col'>Claim, and what the analyses say</th>"
        return (
            f"{STYLE}<p>{escape(self.summary())}</p><div class='wide'><table class='scorecard'>"
            f"<caption>Every claim, then and now ({KEY})</caption>"
            f"<thead><tr>{first}{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        )

    def _row(self, row: pd.Series) -> str:
        cells = "".join(_cell(row[a], self._kind(a)) for a in self.analyses)
        return (
            f"<tr><td>{escape(row['finding'])}</td><th scope='row'>{escape(row['text'])}"
            f"<small>{escape(row['sentence'])}</small></th>{cells}</tr>"
        )

    def _kind(self, analysis: str) -> str:
        """Main analyses stand first; a rule parts them from the stress tests."""
        tests = [a for a in self.analyses if a not in MAIN]
        return "main" if analysis in MAIN else "first" if analysis == tests[0] else "more"

    def _head(self, analysis: str) -> str:
        words = f"<span>{escape(heading(analysis))}</span>"
        return f"<th scope='col' class='turned {self._kind(analysis)}'>{words}</th>"

    def text(self) -> str:
        """The scorecard for a terminal."""
        shown = [a for a in self.analyses if a in MAIN]
        wide = max(len(t) for t in self.frame["text"]) + 2
        lines = [f"{'':8}{'':{wide}}" + "".join(f"{a:16}" for a in shown)]
        for _, row in self.frame.iterrows():
            marks = "".join(f"{_mark(row[a]):16}" for a in shown)
            lines.append(f"{row['finding']:8}{row['text']:{wide}}{marks}".rstrip())
        return "\n".join(lines)


STYLE = (
    "<style>.scorecard th,.scorecard td{padding:.3rem .4rem}"
    ".scorecard td.v{text-align:center;font-weight:600}"
    ".scorecard td.supported{background:#dcefe3;color:#0d4a26}"
    ".scorecard td.not_supported{background:#f8dcd5;color:#7a1f0b}"
    ".scorecard td.inconclusive{background:#eceff1;color:#3b464d}"
    ".scorecard th[scope=row]{font-weight:400;min-width:14rem}"
    ".scorecard small{display:block;color:#55616b;font-size:.86em}"
    ".scorecard .turned{vertical-align:bottom;text-align:center;padding:.3rem .1rem}"
    ".scorecard .turned span{writing-mode:vertical-rl;transform:rotate(180deg);font-weight:500;"
    "max-height:12rem}.scorecard .main span{font-weight:700}"
    ".scorecard .first{border-left:2px solid #55616b}</style>"
)


def heading(analysis: str) -> str:
    """What to call an analysis at the head of a column."""
    return PRINTED.get(analysis, analysis.replace("_", " "))


def then_and_now(findings: pd.DataFrame, rules: Rules | None = None) -> Scorecard:
    """One row per claim: the verdict of each analysis, and what they say together.

    Parameters
    ----------
    findings : DataFrame
        As `findings.assess` returns it, or findings.csv.
    rules : Rules, optional
        The shipped claims by default.
    """
    wide = scorecard(findings, rules or read_rules())
    analyses = tuple(c for c in wide.columns if c not in ("finding", "text", "informant"))
    wide["sentence"] = [_sentence(row, analyses) for _, row in wide.iterrows()]
    return Scorecard(wide, analyses)


def _sentence(row: pd.Series, analyses: tuple[str, ...]) -> str:
    """What the verdicts say together; computed from them alone."""
    then = row.get("as_1995")
    now = [row[a] for a in analyses if a != "as_1995" and isinstance(row[a], str)]
    if not now:
        return "Not assessed."
    start = {
        SUPPORTED: "The method of 1995 reports it",
        NOT_SUPPORTED: "The method of 1995 does not report it",
    }.get(then, "Read today")
    if len(set(now)) == 1:
        joint = "and today's rules agree" if then == now[0] else f"today it is {WORDS[now[0]]}"
        return f"{start}; {joint}." if not joint.startswith("and") else f"{start}, {joint}."
    holds = sum(v == SUPPORTED for v in now)
    fails = sum(v == NOT_SUPPORTED for v in now)
    parts = f"{holds} of {len(now)} analyses support it"
    if fails:
        parts += f", {fails} speak{'s' * (fails == 1)} against it"
    return f"{start}; today {parts}: the verdict depends on the method."


def _mark(verdict) -> str:
    return f"{MARKS[verdict]} {WORDS[verdict]}" if isinstance(verdict, str) else "-"


def _cell(verdict, kind: str) -> str:
    if not isinstance(verdict, str):
        return f"<td class='v {kind}' title='does not apply'>–</td>"
    said = f"title='{WORDS[verdict]}' aria-label='{WORDS[verdict]}'"
    return f"<td class='v {kind} {verdict}' {said}>{MARKS[verdict]}</td>"
