"""Figures that sum up: the verdict on every claim, and what is missing."""

from __future__ import annotations

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from .codebook import Codebook
from .style import INK, QUIET, VERDICTS, WIDTH, alt, canvas, key, styled, title, word

TILE_WIDTH, TILE_HEIGHT, LINE, FINDING = 0.58, 0.26, 0.165, 0.34  # inches
HEADS = {
    "as_1995": "as in\n1995",
    "as_published": "dyads\nindep.",
    "nested": "nested\n(mixed)",
    "nested_cr2": "nested\n(CR2)",
}
DYADS, ANSWERS = "#2F4B5C", "#A9C4D2"


@styled
def scorecard(
    card: pd.DataFrame,
    codebook: Codebook | None = None,
    heading: str = "What became of each claim",
    ax: Axes | None = None,
) -> Axes:
    """Tiles: one row per claim, one column per analysis, colour and letter for the verdict.

    Parameters
    ----------
    card : DataFrame
        As `tables.scorecard` returns it: `finding text informant`, then the analyses. A cell that
        is no verdict is drawn as a dash.
    codebook : Codebook, optional
        Labels of informants, for claims without a text.
    heading : str
    ax : Axes, optional
        New axes in a figure of their own by default.

    Returns
    -------
    Axes
    """
    analyses = [c for c in card.columns if c not in ("finding", "text", "informant")]
    start = max(2.0, WIDTH - 0.15 - TILE_WIDTH * len(analyses))
    texts = [
        fill(str(t) or word(i, codebook), int(start * 15.5))
        for t, i in zip(card["text"], card["informant"], strict=True)
    ]
    heights = np.array([max(LINE * (t.count("\n") + 1), TILE_HEIGHT) + 0.07 for t in texts])
    first = (card["finding"] != card["finding"].shift()).to_numpy()
    top = np.cumsum(heights + FINDING * first) - heights if len(card) else heights
    total = float((heights + FINDING * first).sum())
    ax = canvas(ax, total + 1.25)
    ax.set_axis_off()
    for i, text in enumerate(texts):
        if first[i]:
            finding = str(card["finding"].iloc[i])
            name = f"Finding {finding}" if finding.isdigit() else finding.capitalize()
            ax.text(0, top[i] - 0.12, name, weight="bold", va="center")
        middle = top[i] + heights[i] / 2
        ax.text(0, middle, text, va="center", fontsize=9.5, linespacing=1.1)
        for j, name in enumerate(analyses):
            _tile(ax, start + (j + 0.5) * TILE_WIDTH, middle, card[name].iloc[i])
    for j, name in enumerate(analyses):
        text = HEADS.get(name, fill(name.replace("_", " "), 9))
        ax.text(start + (j + 0.5) * TILE_WIDTH, 0.2, text, ha="center", va="bottom", fontsize=9)
    ax.set_xlim(0, start + TILE_WIDTH * len(analyses))
    ax.set_ylim(total + 0.08, -0.15)
    handles = [
        Patch(facecolor=v.color, edgecolor=QUIET, label=f"{v.marker}  {v.label}")
        for v in VERDICTS.values()
    ]
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, 0), ncols=3, borderaxespad=0.2)
    title(ax, heading)
    counts = [
        f"{word(a)}: " + ", ".join(f"{(card[a] == v).sum()} {k.label}" for v, k in VERDICTS.items())
        for a in analyses
    ]
    alt(ax, f"{heading}, {len(card)} claims. {'; '.join(counts)}.")
    return ax


def _tile(ax: Axes, x: float, y: float, verdict: object) -> None:
    style = VERDICTS.get(verdict) if isinstance(verdict, str) else None
    how = {"ha": "center", "va": "center_baseline"}
    if style is None:
        ax.text(x, y, "–", color=QUIET, **how)
        return
    wide = TILE_WIDTH - 0.06
    corner = (x - wide / 2, y - TILE_HEIGHT / 2)
    ax.add_patch(
        Rectangle(corner, wide, TILE_HEIGHT, facecolor=style.color, edgecolor=QUIET, lw=0.6)
    )
    ink = "white" if verdict == "supported" else INK
    ax.text(x, y, style.marker, color=ink, weight="bold", **how)


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
    complete = f"{rest} other variable{' is' if rest == 1 else 's are'} complete"
    ax.set_xlabel(f"Missing (%); {complete}" if rest else "Missing (%)")
    key(ax, [Patch(label="dyads without a value", **_bar("dyads")),
             Patch(label="single answers", **_bar("answers"))])  # fmt: skip
    title(ax, heading)
    alt(ax, f"{heading}. {'; '.join(said) or 'Nothing'}. {complete}.")
    return ax


def _bar(kind: str) -> dict:
    if kind == "dyads":
        return {"facecolor": DYADS, "edgecolor": DYADS, "lw": 0.6}
    return {"facecolor": ANSWERS, "edgecolor": DYADS, "hatch": "////", "lw": 0.6}
