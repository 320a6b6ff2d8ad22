"""Tables for reading: the only place where numbers are rounded and names become words."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd

from ..study.codebook import Codebook, own_words

COLUMNS = {
    "term": "Term", "estimate": "Estimate", "std_error": "SE", "statistic": "Statistic",
    "df": "df", "df1": "df 1", "df2": "df 2", "p_value": "p", "conf_low": "CI low",
    "conf_high": "CI high", "low_90": "90 % CI low", "high_90": "90 % CI high",
    "n": "n", "beta": "Beta", "semipartial_r2": "Semipartial R²", "tolerance": "Tolerance",
    "block": "Block", "step": "Step", "action": "Action", "f": "F", "f_change": "F of change",
    "r_squared": "R²", "adj_r_squared": "Adjusted R²", "delta_r_squared": "R² change",
    "p_change": "p of change", "family": "Model", "llf": "Log-likelihood", "aic": "AIC",
    "bic": "BIC", "theta": "Theta", "theta_std_error": "SE of theta", "rater": "Rated by",
    "zeros_observed": "Zeros observed",
    "zeros_expected": "Zeros expected", "rate_ratio": "Rate ratio",
    "rate_ratio_low": "Rate ratio, low", "rate_ratio_high": "Rate ratio, high",
    "finding": "Finding", "claim": "Claim", "analysis": "Analysis", "informant": "Informant",
    "criterion": "Criterion", "verdict": "Verdict", "p_equivalence": "p of equivalence",
    "n_effective": "Effective n", "n_items": "Items", "alpha": "Alpha", "alpha_low": "Alpha, low",
    "alpha_high": "Alpha, high", "omega_total": "Omega",
    "lowest_item_rest_r": "Weakest item (item-rest r)", "bf10": "Bayes factor 10", "kappa": "Kappa",
    "inclusion": "Selected", "noise_inclusion": "Selected in noise", "same_sign": "Same sign",
    "beta_all_in": "Beta, all in", "p_all_in": "p, all in", "n_terms": "Terms",
    "r_squared_corrected": "R² in new clients", "r_squared_noise": "R² in noise",
    "r_squared_all_in": "R², all in", "r_squared_all_in_corrected": "All in, new clients",
    "any_selected_noise": "Anything selected in noise", "as_full_sample": "As the full sample",
    "r_client": "Client: r", "r_case_manager": "Case manager: r",
    "std": "SD", "n_groups": "Case managers", "n_specifications": "Specifications",
    "n_perm": "Permutations", "p_median": "p of median",
    "p_share": "p of share", "p_stouffer": "p of Stouffer's z", "share_significant": "p < .05",
    "expected": "Expected from nothing", "entered": "Entered", "direction": "Direction",
    "no_association": "No association", "hospital_effect": "Hospital effect",
}  # fmt: skip
"""Column names in words."""

WORDS = {
    "as_1995": "As 1995 read it", "as_published": "Dyads independent",
    "nested": "Case managers respected", "nested_cr2": "Case managers respected (CR2)",
    "imputed": "Missing values imputed", "adjusted": "Pretreatment held constant",
    "sites": "Within sites", "rank": "Rank-normal scores",
    "holm": "Holm within the finding",
    "jackknife": "Jackknife", "selection": "Selected in resamples",
    "bayes": "Evidence for nothing", "multiverse": "Every specification",
    "supported": "supported", "not_supported": "not supported", "inconclusive": "inconclusive",
    "client": "Client", "case_manager": "Case manager", "both": "Both", "intercept": "Intercept",
    "rater": "Independent rater", "records": "Records",
    "pearson_r": "Pearson r", "spearman_rho": "Spearman rho", "icc_a1": "ICC(A,1), agreement",
    "icc_c1": "ICC(C,1), consistency",
    "ccc": "Lin's CCC", "bias": "Bias (client minus case manager)",
    "a1": "a1, slope along agreement", "a2": "a2, curve along agreement",
    "a3": "a3, slope along disagreement", "a4": "a4, curve along disagreement",
    "loa_low": "Limit of agreement, low", "loa_high": "Limit of agreement, high",
    "variance_case_manager": "Variance of the case managers",
    "variance_rest": "Variance of client and dyad",
    "share_case_manager": "Share of the case managers",
    "correlation_case_manager": "Correlation of the case managers' means",
    "correlation_rest": "Correlation within case managers",
    "any": "any days", "excess_zero": "more zeros", "count": "how many days",
    "poisson": "Poisson", "negbin": "Negative binomial", "hurdle": "Hurdle", "zinb": "ZINB",
}  # fmt: skip
"""Values in words, where the codebook has no label of its own."""

TRANSLATED = ("term", "informant", "analysis", "verdict", "statistic", "family", "scale", "block",
              "outcome", "variable", "rater", "part")  # fmt: skip
SENTENCES = ("criterion", "reason")
SAME_UNIT = ("estimate", "expected", "std_error", "conf_low", "conf_high", "low_90", "high_90")
RATIOS = ("rate_ratio", "rate_ratio_low", "rate_ratio_high")
VARIANCES = ("adj_r_squared", "delta_r_squared", "semipartial_r2")
CORRELATIONS = ("r", "r_client", "r_case_manager", "truth_force")
SHARES = ("frequency", "inclusion", "same_sign", "noise_inclusion", "any_selected_noise")
SHORT = 18  # characters of a cell that is not broken over lines
LONG = 40  # characters of a cell that gets room, so that it is not broken over many
COUNTS = ("n", "observed", "df1", "row", "step")


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
    frame: pd.DataFrame,
    codebook: Codebook | None = None,
    caption: str | None = None,
    names: Mapping[str, str] | None = None,
) -> PrettyTable:
    """Make a table for reading: names in words, numbers rounded by what they are.

    Parameters
    ----------
    frame : DataFrame
        A named index becomes columns in front.
    codebook : Codebook, optional
        Gives the labels of variables and informants.
    caption : str, optional
    names : mapping, optional
        Further column names in words.

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
    words = COLUMNS | dict(names or {})
    decimals = _row_decimals(flat)
    shown = []
    for at, column in enumerate(flat.columns):
        cells = flat.iloc[:, at]
        if (column in TRANSLATED or column in WORDS) and not pd.api.types.is_numeric_dtype(cells):
            text = [_word(v, codebook) for v in cells]
        else:
            text = [_cell(str(column), v, d) for v, d in zip(cells, decimals, strict=True)]
        if column in SENTENCES:
            text = [own_words(t, codebook) for t in text]
        shown.append(text)
    heads = [words.get(c) or WORDS.get(c) or _plain(c) for c in flat.columns]
    heads = [own_words(head, codebook) for head in heads]
    kept = [k for k, text in enumerate(shown) if k == 0 or any(text) or not len(flat)]
    right = [_is_numeric(flat.iloc[:, k], shown[k]) for k in kept]
    rows = list(zip(*(shown[k] for k in kept), strict=True))
    table = pd.DataFrame(rows, columns=[heads[k] for k in kept], dtype=object)
    caption = own_words(caption or "", codebook)
    return PrettyTable(frame, table, caption, to_html(table, right, caption))


def to_html(table: pd.DataFrame, right: list[bool], caption: str | None = None) -> str:
    """A plain HTML table of text cells: caption, scoped headers, numbers to the right.

    On a narrow screen it scrolls by itself, with the keyboard too.
    """
    if table.empty:
        return f"<p>{escape(caption or 'Table')}: none.</p>"
    sides = ["right" if r else "left" for r in right]
    name = escape(caption or "Table", quote=True)
    out = [
        f'<div role="region" aria-label="{name}" tabindex="0" style="overflow-x:auto">'
        '<table class="alliance-table">'
    ]
    if caption:
        out.append(f'<caption style="text-align:left;caption-side:top">{escape(caption)}</caption>')
    out.append("<thead><tr>")
    for head, side in zip(table.columns, sides, strict=True):
        out.append(f'<th scope="col" style="text-align:{side}">{escape(str(head))}</th>')
    out.append("</tr></thead><tbody>")
    for row in table.itertuples(index=False, name=None):
        out.append("<tr>")
        for at, (cell, side) in enumerate(zip(row, sides, strict=True)):
            tag, scope = ("th", ' scope="row"') if at == 0 else ("td", "")
            short = side == "right" or len(str(cell)) <= SHORT
            wide = ";min-width:16rem" if len(str(cell)) > LONG else ""
            style = f"text-align:{side}" + (";white-space:nowrap" if short else wide)
            out.append(f'<{tag}{scope} style="{style}">{escape(str(cell))}</{tag}>')
        out.append("</tr>")
    out.append("</tbody></table></div>")
    return "".join(out)


def p_text(p: float) -> str:
    """A p-value as text: three decimals, no zero in front.

    >>> p_text(0.0312), p_text(0.0004), p_text(1.0)
    ('.031', '< .001', '1.000')
    """
    if math.isnan(p):
        return ""
    if p < 0.001:
        return "< .001"
    return f"{p:.3f}" if p >= 0.9995 else f"{p:.3f}"[1:]


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


def decimals_for(width: float) -> int:
    """Decimals that leave two digits of an interval's width, and one below a width of 100."""
    if not (width > 0 and math.isfinite(width)):
        return 2
    return min(6, max(int(width < 100), 1 - math.floor(math.log10(width))))


def _row_decimals(flat: pd.DataFrame) -> list[int | None]:
    if not {"conf_low", "conf_high"} <= set(flat.columns):
        largest = flat["estimate"].abs().max() if "estimate" in flat else math.nan
        return [2 if 0.1 <= largest < 10 else None] * len(flat)
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
    if column in COUNTS or column.startswith("n_") or isinstance(value, (int, np.integer)):
        return number(x, 0)
    if column.startswith("share") or column in SHARES:
        return f"{100 * x:.1f} %"
    if column.startswith("df"):
        return "∞" if math.isinf(x) else number(x, 0 if x == round(x) else 1)
    if column in RATIOS or column in CORRELATIONS:
        return number(x, 2)
    if column in VARIANCES or column.startswith("r_squared"):
        return number(x, 3)
    return number(x, decimals if column in SAME_UNIT else None)


def _is_numeric(cells: pd.Series, shown: list[str]) -> bool:
    """Numbers, or text that stands for numbers as in Table 1."""
    if pd.api.types.is_numeric_dtype(cells):
        return True
    filled = [text for text in shown if text and text != "withheld"]
    return bool(filled) and all(re.match(r"[-<.]?[\d ]", text) for text in filled)


def _plain(column: object) -> str:
    """A name of the kit's in words; what a study calls its groups stays as it is."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", str(column)):
        return str(column)
    return str(column).replace("_", " ").capitalize()


def _word(value: object, codebook: Codebook | None) -> str:
    if not isinstance(value, str):
        return ""
    if codebook is not None:
        if value in codebook.informants:
            return codebook.informant_label(value)
        if value not in WORDS:
            return ":".join(codebook.label(part) for part in value.split(":"))
    return own_words(WORDS.get(value, value), codebook)
