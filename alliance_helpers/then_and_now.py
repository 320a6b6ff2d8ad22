"""The scorecard: each claim's verdict by every analysis, and one sentence in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import pandas as pd

from .claims import Rules, read_rules
from .judging.verdicts import INCONCLUSIVE, NOT_SUPPORTED, SUPPORTED
from .printed.printing import WORDS as PRINTED
from .tables import scorecard

WORDS = {SUPPORTED: "supported", NOT_SUPPORTED: "not supported", INCONCLUSIVE: "inconclusive"}
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
            parts = [f"{counts[v]} {WORDS[v]}" for v in WORDS if v in counts]
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
