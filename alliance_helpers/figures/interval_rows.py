"""Estimates as rows of a figure: a label, its intervals below it, their numbers to the right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.transforms import offset_copy

from .style import INK, QUIET, SHADE, canvas, coefficient, figure_number, key, look, title, word

ROW, LABEL, GAP, HEADING = 0.25, 0.23, 0.10, 0.34  # inches


def draw_rows(
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
    beside = offset_copy(across, ax.figure, x=108, units="points")
    for y_at, what, content in lines:
        if what == "row":
            _interval(ax, content, y_at, first is not None and content.analysis != first)
            text = f"{form(content.estimate)} [{form(content.conf_low)}, {form(content.conf_high)}]"
            ax.text(1, y_at, text, transform=beside, ha="right", va="center_baseline", fontsize=9.5)
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


def finish(
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
        handles.append(Patch(facecolor=SHADE, label="smaller than the bound"))
    analyses = list(dict.fromkeys(rows["analysis"])) if "analysis" in rows else []
    if len(analyses) > 1:
        for hollow, names in ((False, analyses[:1]), (True, analyses[1:])):
            label = ", ".join(word(a) for a in names)
            handles.append(Line2D([], [], ls="", marker="o", ms=7.5, label=label,
                                  **_face(QUIET, hollow)))  # fmt: skip
    key(ax, handles, 3 if len(handles) < 4 else 2)
    title(ax, heading)


def log_ticks(ax: Axes, needed: list[float]) -> None:
    """The bounds and 1, and what fits between and beside them."""
    left, right = ax.get_xlim()
    ticks = list(needed)
    for tick in (0.1, 0.2, 0.33, 0.5, 0.67, 1.5, 2, 3, 5, 10, 0.9, 1.1):
        clear = min(abs(np.log(tick / t)) for t in ticks) > np.log(right / left) / 12
        if left <= tick <= right and clear:
            ticks.append(tick)
    ax.set_xticks(sorted(ticks), [f"{t:g}" for t in sorted(ticks)])
    ax.minorticks_off()


def values_in_words(rows: pd.DataFrame, codebook) -> str:
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
