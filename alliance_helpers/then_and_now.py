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

    def _repr_html_(self) -> str:
        head = "".join(_head(a) for a in self.analyses)
        rows = "".join(self._row(r) for _, r in self.frame.iterrows())
        first = "<th scope='col'>Finding</th><th scope='col'>Claim, and what the analyses say</th>"
        return (
            f"{STYLE}<div class='wide'><table class='scorecard'>"
            f"<caption>Every claim, then and now ({KEY})</caption>"
            f"<thead><tr>{first}{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        )

    def _row(self, row: pd.Series) -> str:
        cells = "".join(_cell(row[a], a in MAIN) for a in self.analyses)
        return (
            f"<tr><td>{escape(row['finding'])}</td><th scope='row'>{escape(row['text'])}"
            f"<small>{escape(row['sentence'])}</small></th>{cells}</tr>"
        )

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
    "<style>.scorecard td.v{white-space:nowrap;font-weight:600}"
    ".scorecard td.supported{background:#dcefe3;color:#0d4a26}"
    ".scorecard td.not_supported{background:#f8dcd5;color:#7a1f0b}"
    ".scorecard td.inconclusive{background:#eceff1;color:#3b464d}"
    ".scorecard th[scope=row]{font-weight:400;min-width:16rem}"
    ".scorecard small{display:block;color:#55616b;font-size:.86em}</style>"
    "<style>.scorecard th,.scorecard td{padding:.3rem}"
    ".scorecard .turned{vertical-align:bottom;min-width:1.7rem}"
    ".scorecard .turned span{writing-mode:vertical-rl;transform:rotate(180deg);font-weight:500;"
    "max-height:9rem}</style>"
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
        SUPPORTED: "1995 would have reported it",
        NOT_SUPPORTED: "1995 would not have reported it",
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


def _head(analysis: str) -> str:
    """A column's head; those of stress tests stand upright, to leave room."""
    turned = "" if analysis in MAIN else " class='turned'"
    return f"<th scope='col'{turned}><span>{escape(heading(analysis))}</span></th>"


def _cell(verdict, in_words: bool) -> str:
    if not isinstance(verdict, str):
        return "<td>–</td>"
    shown = _mark(verdict) if in_words else MARKS[verdict]
    return f"<td class='v {verdict}' title='{WORDS[verdict]}'>{shown}</td>"
