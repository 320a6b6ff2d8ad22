"""Figure of what is missing: dyads without a value, and single answers."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from ..codebook import Codebook
from .style import alt, canvas, key, styled, title, word

DYADS, ANSWERS = "#2F4B5C", "#A9C4D2"


@styled
def missingness(
    table: pd.DataFrame,
    codebook: Codebook | None = None,
    heading: str = "What is missing",
    ax: Axes | None = None,
) -> Axes:
    """Share of dyads without a value, and of single answers that are missing.

    Parameters
    ----------
    table : DataFrame
        As `tables.missingness` returns it; complete variables are only counted.
    codebook : Codebook, optional
        Labels of variables.
    heading : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    table = table.fillna({"share_missing": 0.0, "share_items_missing": 0.0})
    shown = table[(table["share_missing"] > 0) | (table["share_items_missing"] > 0)]
    ax = canvas(ax, 1.6 + 0.56 * max(len(shown), 1))
    said, most = [], 1.0
    for at, row in enumerate(shown.itertuples(index=False)):
        name = word(row.term, codebook)
        ax.text(0, at - 0.2, name, transform=ax.get_yaxis_transform(), va="center")
        values = {"dyads": 100 * row.share_missing, "answers": 100 * row.share_items_missing}
        drawn = [(kind, v) for kind, v in values.items() if v > 0]
        for k, (kind, value) in enumerate(drawn):
            y = at + 0.12 + 0.25 * k
            ax.barh(y, value, height=0.22, **_bar(kind))
            ax.text(value, y, f" {value:.1f} %", va="center_baseline", fontsize=9)
            most = max(most, value)
        said.append(f"{name}: " + ", ".join(f"{v:.1f} % of {kind}" for kind, v in drawn))
    ax.set_ylim(max(len(shown), 1) - 0.35, -0.5)
    ax.set_xlim(0, most * 1.15)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    rest = len(table) - len(shown)
    other = "other " if said else ""
    complete = f"{rest} {other}variable{' is' if rest == 1 else 's are'} complete"
    ax.set_xlabel(f"Missing (%); {complete}" if rest else "Missing (%)")
    if not said:
        ax.text(0.5, 0.5, "Nothing is missing.", transform=ax.transAxes, ha="center", va="center")
    key(ax, [Patch(label="dyads without a value", **_bar("dyads")),
             Patch(label="single answers", **_bar("answers"))])  # fmt: skip
    title(ax, heading)
    alt(ax, f"{heading}. {'; '.join(said) or 'Nothing'}. {complete}.")
    return ax


def _bar(kind: str) -> dict:
    if kind == "dyads":
        return {"facecolor": DYADS, "edgecolor": DYADS, "lw": 0.6}
    return {"facecolor": ANSWERS, "edgecolor": DYADS, "hatch": "////", "lw": 0.6}
