"""Figures of estimates with their intervals: associations, bounds, same rater and other rater."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from .codebook import Codebook
from .style import (
    INK,
    QUIET,
    SHADE,
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

ROW, LABEL, GAP, HEADING = 0.27, 0.25, 0.13, 0.34  # inches
SAME, OTHER = "The same person rates alliance and outcome", "Somebody else rates the outcome"


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
        `analysis` (of several, all but the first are hollow). Rows without an estimate are left
        out.
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
    ax = _intervals(ax, {"": shown}, codebook, coefficient)
    if bound is not None:
        ax.axvspan(-bound, bound, color=SHADE, zorder=0)
    _finish(ax, shown, xlabel, heading, shaded=bound is not None)
    within = f" Associations within ±{bound:g} are shaded." if bound is not None else ""
    alt(ax, f"{heading}, {xlabel}, with 95 % intervals.{within} {_values(shown, codebook)}.")
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
    ax = _intervals(ax, {"": shown}, codebook, figure_number if log else coefficient)
    ax.axvspan(low, high, color=SHADE, zorder=0)
    if log:
        ax.set_xscale("log")
        limits = [low / 1.12, high * 1.12]
        if len(shown):
            limits = [min(limits[0], shown["conf_low"].min() / 1.05),
                      max(limits[1], shown["conf_high"].max() * 1.05)]  # fmt: skip
        ax.set_xlim(limits)
        _log_ticks(ax, [low, 1.0, high])
    _finish(ax, shown, xlabel, heading, shaded=True, none=1.0 if log else 0.0)
    alt(ax, f"{heading} {xlabel}, bounds {low:g} to {high:g}. {_values(shown, codebook)}.")
    return ax


@styled
def halo_contrast(
    rows: pd.DataFrame,
    codebook: Codebook | None = None,
    xlabel: str = "Correlation of the alliance rating with the outcome",
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
    ax = _intervals(ax, groups, codebook, coefficient)
    _finish(ax, shown, xlabel, heading)
    said = [f"{name}: {_values(part, codebook) or 'none'}." for name, part in groups.items()]
    alt(ax, f"{heading} {xlabel}. {' '.join(said)}")
    return ax


def _intervals(
    ax: Axes | None, groups: dict[str, pd.DataFrame], codebook, form: Callable[[float], str]
) -> Axes:
    """Group headings; each term's label, its intervals below it, their numbers to the right."""
    lines = []  # (inches below the top, what, row or text)
    y = 0.0
    for name, rows in groups.items():
        if name:
            lines.append((y + 0.05, "heading", name))
            y += HEADING
        for term in dict.fromkeys(rows["term"]):
            lines.append((y, "label", word(term, codebook)))
            y += LABEL
            for row in rows[rows["term"] == term].itertuples(index=False):
                lines.append((y, "row", row))
                y += ROW
            y += GAP
    ax = canvas(ax, y + 1.55)
    everything = pd.concat(groups.values())
    first = everything["analysis"].iloc[0] if "analysis" in everything and len(everything) else None
    across = ax.get_yaxis_transform()
    for y_at, what, content in lines:
        if what == "row":
            _interval(ax, content, y_at, first is not None and content.analysis != first)
            text = f"{form(content.estimate)} [{form(content.conf_low)}, {form(content.conf_high)}]"
            ax.annotate(text, (1, y_at), (108, 0), xycoords=across, textcoords="offset points",
                        ha="right", va="center_baseline", fontsize=9.5)  # fmt: skip
        else:
            weight = "bold" if what == "heading" else "normal"
            label = ax.text(0, y_at, content, transform=across, va="center", weight=weight)
            label.set_path_effects([withStroke(linewidth=3, foreground="white")])
    ax.set_ylim(max(y - 0.1, 0.5), -0.25)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    return ax


def _interval(ax: Axes, row, y: float, hollow: bool) -> None:
    style = look(row.informant)
    ax.plot([row.conf_low, row.conf_high], [y, y], color=style.color, lw=1.5, zorder=3)
    low, high = getattr(row, "low_90", np.nan), getattr(row, "high_90", np.nan)
    if np.isfinite(low) and np.isfinite(high):
        ax.plot([low, high], [y, y], color=style.color, lw=4.2, zorder=3, solid_capstyle="butt")
    ax.plot(row.estimate, y, style.marker, ms=7.5, zorder=4, **_face(style.color, hollow))


def _face(color: str, hollow: bool) -> dict:
    if hollow:
        return {"mfc": "white", "mec": color, "mew": 1.8}
    return {"mfc": color, "mec": INK, "mew": 0.8}


def _finish(
    ax: Axes, rows: pd.DataFrame, xlabel: str, heading: str, shaded: bool = False, none: float = 0.0
) -> None:
    """The line of no effect, labels, and who is who."""
    ax.axvline(none, color=QUIET, lw=0.9, zorder=1)
    if none == 0:
        ax.xaxis.set_major_formatter(lambda x, _: coefficient(x, 1) if round(x, 9) else "0")
        ax.xaxis.get_major_locator().set_params(steps=[1, 2, 5, 10])
    thick = "low_90" in rows and rows["low_90"].notna().any()
    ax.set_xlabel(f"{xlabel}\n(thin: 95 % interval, thick: 90 %)" if thick else xlabel)
    seen = set(rows["informant"])
    order = [i for i in ("client", "case_manager") if i in seen]
    order += [i for i in dict.fromkeys(rows["informant"]) if i not in order]
    handles = []
    for informant in order:
        style = look(informant)
        face = _face(style.color, False)
        name = word(informant).capitalize()
        handles.append(
            Line2D([], [], color=style.color, marker=style.marker, ms=7.5, label=name, **face)
        )
    if shaded:
        handles.append(Patch(facecolor=SHADE, label="too small to matter"))
    analyses = list(dict.fromkeys(rows["analysis"])) if "analysis" in rows else []
    if len(analyses) > 1:
        for hollow, names in ((False, analyses[:1]), (True, analyses[1:])):
            label = ", ".join(word(a) for a in names)
            handles.append(Line2D([], [], ls="", marker="o", ms=7.5, label=label,
                                  **_face(QUIET, hollow)))  # fmt: skip
    key(ax, handles, 3 if len(handles) < 4 else 2)
    title(ax, heading)


def _log_ticks(ax: Axes, needed: list[float]) -> None:
    """The bounds and 1, and what fits between and beside them."""
    left, right = ax.get_xlim()
    ticks = list(needed)
    for tick in (0.1, 0.2, 0.33, 0.5, 0.67, 1.5, 2, 3, 5, 10, 0.9, 1.1):
        clear = min(abs(np.log(tick / t)) for t in ticks) > np.log(right / left) / 12
        if left <= tick <= right and clear:
            ticks.append(tick)
    ax.set_xticks(sorted(ticks), [f"{t:g}" for t in sorted(ticks)])
    ax.minorticks_off()


def _values(rows: pd.DataFrame, codebook) -> str:
    parts = []
    several = "analysis" in rows and rows["analysis"].nunique() > 1
    for row in rows.itertuples(index=False):
        which = f", {word(row.analysis)}" if several else ""
        interval = f"{figure_number(row.conf_low)} to {figure_number(row.conf_high)}"
        parts.append(
            f"{word(row.term, codebook)} ({word(row.informant, codebook)}{which}) "
            f"{figure_number(row.estimate)} ({interval})"
        )
    return "; ".join(parts)
