"""Figures of findings: associations by informant, bounds, contrasts, the scorecard."""

from __future__ import annotations

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from .codebook import Codebook
from .style import (
    INK,
    QUIET,
    SHADE,
    VERDICTS,
    Look,
    alt,
    canvas,
    coefficient,
    figure_number,
    key,
    look,
    styled,
    title,
    word,
)  # fmt: skip

ROW = 0.30  # inches for one interval
LABEL = 0.28  # inches for the label above a group of intervals


@styled
def forest(
    rows: pd.DataFrame,
    bound: float | None = None,
    codebook: Codebook | None = None,
    xlabel: str = "Association with the alliance rating (correlation)",
    heading: str = "What goes with each informant's alliance rating",
    ax: Axes | None = None,
) -> Axes:
    """Associations by informant with their intervals.

    Parameters
    ----------
    rows : DataFrame
        `term informant estimate conf_low conf_high`, optionally `low_90 high_90` (drawn thick) and
        `analysis` (several are drawn below each other, all but the first hollow). Rows without an
        estimate are left out.
    bound : float, optional
        Associations within -bound to bound are shaded as too small to matter.
    codebook : Codebook, optional
        Labels of terms.
    xlabel, heading : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax, said = _intervals(rows, codebook, ax, coefficient)
    if bound is not None:
        ax.axvspan(-bound, bound, color=SHADE, zorder=0)
    ax.axvline(0, color=QUIET, lw=0.9, zorder=1)
    ax.set_xlabel(xlabel)
    ax.xaxis.set_major_formatter(lambda x, _: coefficient(x, 1) if x else "0")
    key(ax, _informant_handles(rows, bound is not None), 3)
    title(ax, heading)
    shaded = f" Associations within ±{bound:g} are shaded." if bound is not None else ""
    alt(ax, f"{heading}, with 95 % intervals.{shaded} {said}")
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
        The bounds, shaded between.
    log : bool
        For rate ratios: a logarithmic axis, with 1 as no effect.
    codebook, xlabel, heading, ax
        As for :func:`forest`.
    """
    form = figure_number if log else coefficient
    if log:
        ax = canvas(ax, _height(rows))
        ax.set_xscale("log")
    ax, said = _intervals(rows, codebook, ax, form)
    ax.axvspan(low, high, color=SHADE, zorder=0)
    ax.axvline(1 if log else 0, color=QUIET, lw=0.9, zorder=1)
    if log:
        left, right = ax.get_xlim()
        left, right = min(left, low / 1.15), max(right, high * 1.15)
        ax.set_xlim(left, right)
        nice = np.array([0.1, 0.2, 0.33, 0.5, 0.67, low, 1, high, 1.5, 2, 3, 5, 10])
        ax.set_xticks([t for t in nice if left <= t <= right])
        ax.minorticks_off()
        ax.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    default = "Rate ratio per standard deviation of the alliance rating" if log else "Effect"
    ax.set_xlabel(xlabel or default)
    key(ax, _informant_handles(rows, True), 3)
    title(ax, heading)
    alt(ax, f"{heading} Bounds {low:g} to {high:g}. {said}")
    return ax


@styled
def halo_contrast(
    rows: pd.DataFrame,
    codebook: Codebook | None = None,
    xlabel: str = "Correlation of alliance and outcome (better outcome to the right)",
    heading: str = "Same rater against another rater",
    ax: Axes | None = None,
) -> Axes:
    """Associations when one person rates alliance and outcome, and when two people do.

    Parameters
    ----------
    rows : DataFrame
        `informant term estimate conf_low conf_high`, and `rater`: who rated the outcome. Without
        `rater` the codebook's scales say it.
    codebook : Codebook, optional
    xlabel, heading, ax
        As for :func:`forest`.

    Notes
    -----
    Halo alone would leave associations above the line only: where the same person rates both.
    """
    shown = rows.dropna(subset=["estimate"])
    if "rater" not in shown:
        scales = codebook.scales if codebook is not None else {}
        raters = [scales[t].informant if t in scales else "records" for t in shown["term"]]
        shown = shown.assign(rater=raters)
    same = (shown["rater"] == shown["informant"]).to_numpy()
    groups = [("The same person rates alliance and outcome", shown[same]),
              ("Somebody else rates the outcome", shown[~same])]  # fmt: skip
    ax = canvas(ax, 1.6 + LABEL * 2 + 0.34 * len(shown))
    y, ticks, labels, said = 0.0, [], [], []
    for name, part in groups:
        ax.text(0, y, name, transform=ax.get_yaxis_transform(), weight="bold", va="center")
        y += 0.9
        for row in part.itertuples(index=False):
            _interval(ax, row, y, look(row.informant), False)
            ticks.append(y)
            labels.append(word(row.term, codebook))
            y += 1
        if len(part):
            said.append(
                f"{name}: {_values(part, codebook)}; mean {coefficient(part['estimate'].mean())}."
            )
        y += 0.3
    ax.axvline(0, color=QUIET, lw=0.9, zorder=1)
    ax.set_ylim(y, -0.7)
    ax.set_yticks(ticks, labels)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel(xlabel)
    key(ax, _informant_handles(shown, False))
    title(ax, heading)
    alt(ax, f"{heading}. {' '.join(said)}")
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
        As `tables.scorecard` returns it: `finding text informant`, then the analyses.
    codebook : Codebook, optional
    heading : str
    ax : Axes, optional
    """
    analyses = [c for c in card.columns if c not in ("finding", "text", "informant")]
    texts = [fill(t, 52) for t in card["text"].astype(str)]
    heights = np.array([0.17 * (t.count("\n") + 1) + 0.14 for t in texts])
    first = (card["finding"] != card["finding"].shift()).to_numpy()
    top = np.cumsum(heights + 0.30 * first) - heights
    total = float((heights + 0.30 * first).sum())
    ax = canvas(ax, total + 1.35)
    ax.set_axis_off()
    wide, start = 0.58, 6.0 - 0.2 - 0.58 * len(analyses)
    for i, (text, verdicts) in enumerate(zip(texts, card[analyses].to_numpy(object), strict=True)):
        middle = top[i] + heights[i] / 2
        if first[i]:
            finding = str(card["finding"].iloc[i])
            name = f"Finding {finding}" if finding.isdigit() else finding.capitalize()
            ax.text(0, top[i] - 0.13, name, weight="bold", va="center")
        ax.text(0, middle, text, va="center", fontsize=9.5, linespacing=1.1)
        for j, verdict in enumerate(verdicts):
            _tile(ax, start + j * wide, top[i], wide, heights[i], verdict)
    for j, name in enumerate(analyses):
        ax.text(
            start + (j + 0.5) * wide, -0.06, _head(name), ha="center", va="bottom", fontsize=8.5
        )
    ax.set_xlim(0, 5.8)
    ax.set_ylim(total + 0.1, -0.6)
    handles = [Patch(facecolor=v.color, edgecolor=QUIET, label=f"{v.marker}  {v.label}")
               for v in VERDICTS.values()]  # fmt: skip
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, 0.0), ncols=3, borderaxespad=0)
    title(ax, heading)
    counts = [
        f"{word(a)}: " + ", ".join(f"{(card[a] == v).sum()} {k.label}" for v, k in VERDICTS.items())
        for a in analyses
    ]
    alt(ax, f"{heading}: {len(card)} claims. {'; '.join(counts)}.")
    return ax


def _tile(ax: Axes, x: float, y: float, width: float, height: float, verdict: object) -> None:
    style = VERDICTS.get(verdict) if isinstance(verdict, str) else None
    gap = 0.03
    box = {"xy": (x + gap, y + gap), "width": width - 2 * gap, "height": height - 2 * gap}
    if style is None:
        ax.text(x + width / 2, y + height / 2, "–", ha="center", va="center", color=QUIET)
        return
    ax.add_patch(Rectangle(**box, facecolor=style.color, edgecolor=QUIET, lw=0.6))
    ink = "white" if verdict == "supported" else INK
    ax.text(x + width / 2, y + height / 2, style.marker, ha="center", va="center", color=ink,
            weight="bold")  # fmt: skip


def _head(analysis: str) -> str:
    heads = {"as_1995": "as in\n1995", "as_published": "dyads\nindep.", "nested": "nested\n(mixed)",
             "nested_cr2": "nested\n(CR2)"}  # fmt: skip
    return heads.get(analysis, fill(analysis.replace("_", " "), 9))


def _height(rows: pd.DataFrame) -> float:
    shown = rows.dropna(subset=["estimate"])
    return 1.5 + ROW * len(shown) + LABEL * shown["term"].nunique()


def _intervals(rows: pd.DataFrame, codebook, ax: Axes | None, form) -> tuple[Axes, str]:
    """Each term's label with its intervals below it, and all of it in words."""
    shown = rows.dropna(subset=["estimate"])
    ax = canvas(ax, _height(rows))
    first = shown["analysis"].iloc[0] if "analysis" in shown and len(shown) else None
    y = 0.0
    for term in dict.fromkeys(shown["term"]):
        name = word(term, codebook)
        ax.text(0, y, name, transform=ax.get_yaxis_transform(), va="center", fontsize=10)
        y += LABEL
        for row in shown[shown["term"] == term].itertuples(index=False):
            hollow = first is not None and row.analysis != first
            _interval(ax, row, y, look(row.informant), hollow)
            text = f"{form(row.estimate)} [{form(row.conf_low)}, {form(row.conf_high)}]"
            ax.text(1.0, y, text, transform=ax.get_yaxis_transform(), va="center", fontsize=9.5)
            y += ROW
    ax.set_ylim(y - 0.1, -LABEL)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    return ax, _values(shown, codebook) + "."


def _interval(ax: Axes, row, y: float, style: Look, hollow: bool) -> None:
    ax.plot([row.conf_low, row.conf_high], [y, y], color=style.color, lw=1.5, zorder=3)
    low, high = getattr(row, "low_90", np.nan), getattr(row, "high_90", np.nan)
    if np.isfinite(low) and np.isfinite(high):
        ax.plot([low, high], [y, y], color=style.color, lw=4.2, zorder=3, solid_capstyle="butt")
    inside = "white" if hollow else style.color
    ax.plot(row.estimate, y, style.marker, ms=7.5, mfc=inside, mec=INK if not hollow else style.color,
            mew=0.8 if not hollow else 1.6, zorder=4)  # fmt: skip


def _informant_handles(rows: pd.DataFrame, shaded: bool) -> list:
    present = [i for i in ("client", "case_manager") if i in set(rows["informant"])]
    present += [i for i in dict.fromkeys(rows["informant"]) if i not in present]
    handles = [
        Line2D([], [], color=look(i).color, marker=look(i).marker, mec=INK, mew=0.8, ms=7.5,
               label=look(i).label if i in ("client", "case_manager", "both") else word(i))
        for i in present
    ]  # fmt: skip
    return handles + ([Patch(facecolor=SHADE, label="too small to matter")] if shaded else [])


def _values(rows: pd.DataFrame, codebook) -> str:
    parts = []
    for row in rows.itertuples(index=False):
        which = f", {word(row.analysis)}" if hasattr(row, "analysis") else ""
        interval = f"{figure_number(row.conf_low)} to {figure_number(row.conf_high)}"
        parts.append(
            f"{word(row.term, codebook)} ({word(row.informant, codebook)}{which}) "
            f"{figure_number(row.estimate)} ({interval})"
        )
    return "; ".join(parts)
