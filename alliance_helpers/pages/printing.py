"""Tables for reading: the only place where numbers are rounded and names become words."""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from ..claims.rules import read_stress
from ..study.codebook import Codebook, own_words

TOLD = tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))
COLUMNS, KINDS = TOLD["columns"], TOLD["kinds"]
WORDS = {name: entry["text"] for name, entry in read_stress().items()} | TOLD["values"]
CAPTIONS = TOLD["captions"]
WIDE = 9  # columns; tables of more save what they can

MARKS = {"supported": "✔", "inconclusive": "?", "not_supported": "✘"}
"""Verdicts as marks, in the order in which they are counted."""

VERDICT_COLORS = dict(zip(MARKS, ("#00594C", "#EBEBEB", "#E8906F"), strict=True))


@dataclass(frozen=True)
class PrettyTable:
    """A frame with the HTML that shows it; `frame` keeps every digit."""

    frame: pd.DataFrame
    shown: pd.DataFrame
    caption: str
    html: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        text = self.shown.to_string(index=False)
        return f"{self.caption}\n{text}" if self.caption else text


def pretty(
    frame: pd.DataFrame, codebook: Codebook | None = None, caption: str | None = None
) -> PrettyTable:
    """Make a table for reading: names in words, numbers rounded by what they are.

    Parameters
    ----------
    frame : DataFrame
        A named index becomes columns in front.
    codebook : Codebook, optional
        Gives the labels of variables and informants.
    caption : str, optional

    Returns
    -------
    PrettyTable
        Displays as an accessible HTML table without scripts.

    Notes
    -----
    p-values have three decimals, counts none; an estimate with its interval gets the decimals that
    leave two digits of the interval's width, so a table of a million dyads shows more of them. A
    column with nothing in it is left out.

    Examples
    --------
    >>> pretty(pd.DataFrame({"term": ["symptoms"], "p_value": [0.00002]})).shown.iloc[0].tolist()
    ['symptoms', '< .001']
    """
    flat = frame.reset_index() if any(frame.index.names) else frame
    rows, shown = _row_decimals(flat), []
    for at, column in enumerate(flat.columns):
        cells = flat.iloc[:, at]
        named = column in KINDS["translated"] or column in WORDS
        if named and not pd.api.types.is_numeric_dtype(cells):
            text = [_word(v, codebook) for v in cells]
        else:
            decimals = (
                rows if rows and column in KINDS["same_unit"] else [_decimals(cells)] * len(flat)
            )
            text = [_cell(str(column), v, d) for v, d in zip(cells, decimals, strict=True)]
        if column in KINDS["sentences"]:
            text = [own_words(t, codebook) for t in text]
        shown.append(text)
    heads = [COLUMNS.get(c) or WORDS.get(c) or _plain(c) for c in flat.columns]
    heads = [own_words(head, codebook) for head in heads]
    kept = [k for k, text in enumerate(shown) if k == 0 or any(text) or not len(flat)]
    right = [_is_numeric(flat.iloc[:, k], shown[k]) for k in kept]
    rows = list(zip(*(shown[k] for k in kept), strict=True))
    table = pd.DataFrame(rows, columns=[heads[k] for k in kept], dtype=object)
    caption = own_words(caption or "", codebook)
    shortened = _said_once(flat.columns[kept], table, right)
    html = rendered("table.html.j2", caption=caption, **shortened)
    return PrettyTable(frame, table, caption, html)


def _said_once(names: pd.Index, table: pd.DataFrame, right: list[bool]) -> dict[str, object]:
    """What the template shows: long texts as a letter with a note; of wide tables what is the same
    in each row as a note, and the analysis as a line above its rows."""
    alike, noted, lettered = {}, {}, table.copy()
    many = table.shape[1] > WIDE
    above = list(names).index("analysis") if many and "analysis" in names else None
    for at, head in enumerate(table.columns):
        texts = list(dict.fromkeys(table.iloc[:, at]))
        if names[at] in KINDS["noted"]:
            noted[head] = [text for text in texts if text]
            letters = {t: chr(ord("a") + k % 26) * (1 + k // 26) for k, t in enumerate(noted[head])}
            lettered.isetitem(at, [letters.get(text, "") for text in table.iloc[:, at]])
        elif len(texts) == 1 and len(table) > 1 and many:
            alike[head] = texts[0]
            above = None if at == above else above
    shown = [at for at, head in enumerate(table.columns) if head not in alike and at != above]
    rows = lettered.iloc[:, shown].itertuples(index=False, name=None)
    groups = [""] * len(table) if above is None else table.iloc[:, above]
    return {
        "heads": table.columns[shown], "right": [right[at] for at in shown], "alike": alike,
        "noted": noted, "rows": list(zip(groups, rows, strict=True)), "many": many,
        "above": "" if above is None else table.columns[above],
    }  # fmt: skip


def rendered(template: str, **values: object) -> str:
    """One of the templates beside this file, filled in; what is filled in is escaped."""
    return _template(template).render(**values)


def numbered(html: str) -> str:
    """A page whose captions of tables and figures have their numbers, which tell regions apart."""
    counts = {"Table": 0, "Figure": 0}

    def number(found: re.Match) -> str:
        kind = "Figure" if "figcaption" in found[0] else "Table"
        region = "aria-label" in found[0]
        counts[kind] += not region
        return f"{found[0]}{kind} {counts[kind] + region}. "

    starts = r'<(?:fig)?caption[^>]*>|<div[^>]* role="region" aria-label="(?!Table")'
    return re.sub(starts, number, html)


@cache
def _template(name: str):
    import jinja2

    beside = jinja2.FileSystemLoader(Path(__file__).parent)
    page = name.endswith(".html.j2")
    return jinja2.Environment(autoescape=page, loader=beside).get_template(name)


def p_text(p: float) -> str:
    """A p-value as text: three decimals, no zero in front.

    >>> p_text(0.0312), p_text(0.0004), p_text(1.0)
    ('.031', '< .001', '1.000')
    """
    if math.isnan(p):
        return ""
    if p < 0.001:
        return "< .001"
    return f"{p:.3f}".removeprefix("0")


def number(x: float, decimals: int | None = None) -> str:
    """A number as text: thousands separated, three digits unless decimals are given.

    >>> number(1234.5), number(12.345), number(0.12345), number(-0.00001, 2)
    ('1,234', '12.3', '0.12', '0.00')
    """
    if math.isnan(x):
        return ""
    if math.isinf(x):
        return "∞" if x > 0 else "-∞"
    if decimals is None:
        size = abs(x)
        decimals = 0 if size >= 100 else 1 if size >= 10 else 2
        if 5e-7 < size < 0.095:
            decimals = min(6, 1 - math.floor(math.log10(size)))
    text = f"{x:,.{decimals}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text


def figure_number(x: float, decimals: int | None = 2) -> str:
    """A number for a figure or a sentence, with a proper minus sign."""
    return number(float(x), decimals).replace("-", "−")


def coefficient(x: float, decimals: int = 2) -> str:
    """A correlation or share: no zero before the point.

    >>> coefficient(-0.171), coefficient(1.0)
    ('−.17', '1.00')
    """
    text = figure_number(x, decimals)
    return text.replace("0.", ".", 1) if text.lstrip("−").startswith("0.") else text


def p_words(p: float, before: str = "p ") -> str:
    """A p-value as `p = .031` or `p < .001`; nothing if it is unknown."""
    text = p_text(float(p))
    return f"{before}{'' if text.startswith('<') else '= '}{text}" if text else ""


def counted(verdicts: pd.Series) -> str:
    """How often each verdict is given.

    >>> counted(pd.Series(["supported", "not_supported", "supported"]))
    '2 supported, 1 not supported'
    """
    counts = verdicts.value_counts()
    return ", ".join(f"{counts[v]} {WORDS[v]}" for v in MARKS if v in counts)


def word(name: object, codebook: Codebook | None = None) -> str:
    """A term, informant or model in words; what has no words is at least without underscores."""
    text = str(name)
    if codebook is not None and text in codebook.informants:
        return codebook.informant_label(text)
    said = WORDS.get(text) or (text if codebook is None else codebook.label(text))
    return text.replace("_", " ") if said == text else said


def capital(text: str) -> str:
    """The text with a capital first; the other letters stay as they are."""
    return text[:1].upper() + text[1:]


def decimals_for(width: float) -> int:
    """Decimals that leave two digits of an interval's width, and one below a width of 100."""
    if not (width > 0 and math.isfinite(width)):
        return 2
    return min(6, max(int(width < 100), 1 - math.floor(math.log10(width))))


def _decimals(cells: pd.Series) -> int | None:
    """Two for all of a column whose largest number they suit."""
    largest = pd.to_numeric(cells, errors="coerce").astype(float).abs().max()  # NA has no truth
    return 2 if 0.1 <= largest < 10 else None


def _row_decimals(flat: pd.DataFrame) -> list[int | None]:
    """By each row's interval; none without."""
    if not {"conf_low", "conf_high"} <= set(flat.columns):
        return []
    widths = (flat["conf_high"] - flat["conf_low"]).abs().to_numpy(float, na_value=np.nan)
    return [decimals_for(w) if w > 0 else None for w in widths]


def _cell(column: str, value: object, decimals: int | None) -> str:
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    if not isinstance(value, (int, float, np.integer, np.floating)):
        return str(value)
    x = float(value)
    if column == "p_value" or column.startswith("p_") or column.endswith("_p"):
        return p_text(x)
    if column in KINDS["counts"] or column.startswith("n_") or isinstance(value, (int, np.integer)):
        return number(x, 0)
    if column.startswith("share") or column in KINDS["shares"]:
        return f"{100 * x:.1f} %"
    if column.startswith("df"):
        return "∞" if math.isinf(x) else number(x, 0 if x == round(x) else 1)
    if column in KINDS["two_decimals"]:
        return number(x, 2)
    if column in KINDS["three_decimals"] or column.startswith("r_squared"):
        return number(x, 3)
    return number(x, decimals)


def _is_numeric(cells: pd.Series, shown: list[str]) -> bool:
    """Numbers, or text that stands for numbers as in Table 1."""
    if pd.api.types.is_numeric_dtype(cells):
        return True
    filled = [text for text in shown if text and text != "withheld"]
    return bool(filled) and all(re.match(r"[-<.]?[\d ](?!.* / )", text) for text in filled)


def _plain(column: object) -> str:
    """A name of the kit's in words; what a study calls its groups stays as it is."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", str(column)):
        return str(column)
    return str(column).replace("_", " ").capitalize()


def _word(value: object, codebook: Codebook | None) -> str:
    if not isinstance(value, str):
        return ""
    parts = (
        [value] if " " in re.split(":|, ", value)[0] else re.split("(:|, )", value)
    )  # a sentence
    return own_words("".join(word(part, codebook) for part in parts), codebook)
