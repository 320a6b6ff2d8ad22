"""Figures of the claims: associations by informant, bounds, a change of rater, the scorecard."""

from __future__ import annotations

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from ..study.codebook import Codebook
from .style import (
    INK,
    QUIET,
    SHADE,
    VERDICTS,
    WIDTH,
    alt,
    canvas,
    coefficient,
    draw_rows,
    figure_number,
    finish,
    log_ticks,
    styled,
    title,
    values_in_words,
    word,
)

SAME, OTHER = (
    "The same person rates alliance and outcome",
    "Somebody else rates or records the outcome",
)
TILE_WIDTH, TILE_HEIGHT, LINE, FINDING = 0.58, 0.26, 0.165, 0.34  # inches
CHARACTERS = 13.5  # of running text in an inch
HEADS = {
    "as_1995": "as read\nin 1995",
    "as_published": "dyads\nindep.",
    "nested": "case\nmanagers",
    "nested_cr2": "the same,\nCR2",
}


@styled
def forest(
    rows: pd.DataFrame,
    bound: float | None = None,
    codebook: Codebook | None = None,
    xlabel: str = "Standardised association with the alliance rating",
    heading: str = "What goes with each informant's alliance rating",
    ax: Axes | None = None,
) -> Axes:
    """Associations by informant with their intervals.

    Parameters
    ----------
    rows : DataFrame
        `term informant estimate conf_low conf_high`, optionally `low_90 high_90` (drawn thick),
        `analysis` (of several, all but the first are hollow) and `block` (several get a heading
        each). Rows without an estimate are left out.
    bound : float, optional
        Associations from -bound to bound are shaded as too small to matter.
    codebook : Codebook, optional
        Labels of terms.
    xlabel, heading : str
    ax : Axes, optional
        New axes in a figure of their own by default.

    Returns
    -------
    Axes

    Examples
    --------
    >>> row = {"term": "age", "informant": "client", "estimate": 0.1}
    >>> row |= {"conf_low": 0.0, "conf_high": 0.2}
    >>> forest(pd.DataFrame([row])).figure.get_label()[-33:]
    'age (Client) 0.10 (0.00 to 0.20).'
    """
    shown = rows.dropna(subset=["estimate"])
    groups = {"": shown}
    if "block" in shown and shown["block"].nunique() > 1:
        groups = {word(b).capitalize(): part for b, part in shown.groupby("block", sort=False)}
    ax = draw_rows(ax, groups, codebook, coefficient)
    if bound is not None:
        ax.axvspan(-bound, bound, color=SHADE, zorder=0)
    finish(ax, shown, xlabel, heading, shaded=bound is not None)
    within = f" Associations within ±{bound:g} are shaded." if bound is not None else ""
    alt(
        ax, f"{heading}, {xlabel}, with 95 % intervals.{within} {values_in_words(shown, codebook)}."
    )
    return ax


@styled
def equivalence(
    rows: pd.DataFrame,
    low: float,
    high: float,
    log: bool = False,
    codebook: Codebook | None = None,
    xlabel: str | None = None,
    heading: str = "Is the effect smaller than the bounds?",
    ax: Axes | None = None,
) -> Axes:
    """Intervals against the bounds of what would matter.

    Parameters
    ----------
    rows : DataFrame
        As for :func:`forest`; equivalence is read from the 90 % interval where it is given.
    low, high : float
        The bounds; between them is shaded.
    log : bool
        For rate ratios: a logarithmic axis, with 1 as no effect.
    codebook, xlabel, heading, ax
        As for :func:`forest`.

    Returns
    -------
    Axes
    """
    shown = rows.dropna(subset=["estimate"])
    default = "Rate ratio per standard deviation of the alliance rating" if log else "Effect"
    xlabel = xlabel or default
    ax = draw_rows(ax, {"": shown}, codebook, figure_number if log else coefficient)
    ax.axvspan(low, high, color=SHADE, zorder=0)
    if log:
        ax.set_xscale("log")
        limits = [low / 1.12, high * 1.12]
        if len(shown):
            limits = [min(limits[0], shown["conf_low"].min() / 1.05),
                      max(limits[1], shown["conf_high"].max() * 1.05)]  # fmt: skip
        ax.set_xlim(limits)
        log_ticks(ax, [low, 1.0, high])
    finish(ax, shown, xlabel, heading, shaded=True, none=1.0 if log else 0.0)
    alt(ax, f"{heading} {xlabel}, bounds {low:g} to {high:g}. {values_in_words(shown, codebook)}.")
    return ax


@styled
def halo_contrast(
    rows: pd.DataFrame,
    codebook: Codebook | None = None,
    xlabel: str = "Standardised association of alliance rating and outcome",
    heading: str = "Does the association survive a change of rater?",
    ax: Axes | None = None,
) -> Axes:
    """Associations when one person rates alliance and outcome, and when two people do.

    Parameters
    ----------
    rows : DataFrame
        `informant term estimate conf_low conf_high`, optionally `low_90 high_90`, and `rater`: who
        rated the outcome. Without `rater` the codebook's scales say it, and what is no scale counts
        as rated by somebody else.
    codebook : Codebook, optional
    xlabel, heading, ax
        As for :func:`forest`.

    Returns
    -------
    Axes
    """
    shown = rows.dropna(subset=["estimate"])
    if "rater" not in shown:
        scales = codebook.scales if codebook is not None else {}
        raters = [scales[t].informant if t in scales else "records" for t in shown["term"]]
        shown = shown.assign(rater=raters)
    same = shown["rater"] == shown["informant"]
    groups = {SAME: shown[same], OTHER: shown[~same]}
    ax = draw_rows(ax, groups, codebook, coefficient)
    finish(ax, shown, xlabel, heading)
    said = [
        f"{name}: {values_in_words(part, codebook) or 'none'}." for name, part in groups.items()
    ]
    alt(ax, f"{heading} {xlabel}. {' '.join(said)}")
    return ax


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
        fill(str(t) or word(i, codebook), int(start * CHARACTERS))
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
        ax.text(0, middle, text, va="center", fontsize=9.5, linespacing=1.1, in_layout=False)
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
    how = {"ha": "center", "va": "center_baseline", "in_layout": False}
    if style is None:
        ax.text(x, y, "–", color=QUIET, **how)
        return
    wide = TILE_WIDTH - 0.06
    corner = (x - wide / 2, y - TILE_HEIGHT / 2)
    box = {"facecolor": style.color, "edgecolor": QUIET, "lw": 0.6, "in_layout": False}
    ax.add_patch(Rectangle(corner, wide, TILE_HEIGHT, **box))
    ink = "white" if verdict == "supported" else INK
    ax.text(x, y, style.marker, color=ink, weight="bold", **how)
