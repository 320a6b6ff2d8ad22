"""One look for every figure: colours, markers, titles, keys, alt texts; rows of intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib import rc_params_from_file
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.transforms import offset_copy

from ..paths import unseen
from ..study.codebook import Codebook
from .printing import MARKS, TOLD, VERDICT_COLORS, WORDS, capital, coefficient, figure_number, word

WIDTH = 6.0
RC = rc_params_from_file(Path(__file__).with_name("alliance.mplstyle"), use_default_template=False)
INK, QUIET, PAPER = RC["text.color"], RC["axes.edgecolor"], RC["figure.facecolor"]
SHADE = "#E9EDF0"


@dataclass(frozen=True)
class Look:
    """How one informant, verdict, block or model is drawn everywhere."""

    color: str
    label: str = ""
    marker: str = "o"
    hatch: str = ""
    dashes: Sequence[float] = ()


def _looks(kind: str) -> dict[str, Look]:
    return {name: Look(**how) for name, how in TOLD["looks"][kind].items()}


INFORMANTS, FAMILIES = _looks("informants"), _looks("families")
STEPS = tuple(_looks("steps").values())
OTHER = Look("#4D4D4D", "", "s")
VERDICTS = {v: Look(color, WORDS[v], MARKS[v]) for v, color in VERDICT_COLORS.items()}


def styled(draw: Callable[..., Axes]) -> Callable[..., Axes]:
    """Draw inside the kit's settings, leaving matplotlib's own as they were.

    But for `interactive`, which a notebook's backend sets as it loads, with the first figure: were
    it taken back, the notebook would show none of the reader's own figures.
    """

    @wraps(draw)
    def inside(*args, **kwargs) -> Axes:
        with plt.rc_context(RC):
            ax = draw(*args, **kwargs)
            live = plt.isinteractive()
        plt.rcParams["interactive"] = live
        return ax

    return inside


def canvas(ax: Axes | None, height: float) -> Axes:
    """The axes given, or new ones in a figure of their own."""
    if ax is not None:
        return ax
    return plt.subplots(figsize=(WIDTH, height), layout="constrained")[1]


def nothing(ax: Axes | None, heading: str, why: str) -> Axes:
    """A figure that says why there is nothing to draw."""
    ax = canvas(ax, 1.2)
    ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", va="center")
    ax.set_axis_off()
    return finished(ax, heading, f"{heading}. {why}")


def finished(ax: Axes, heading: str, said: str) -> Axes:
    """A title from the left edge, and in words what the axes show.

    Above the axes if they share their figure, whose axes are said one after another.
    """
    figure = ax.figure
    if len(figure.axes) == 1:
        if not figure.texts:  # one that is drawn again keeps its title's place
            figure.suptitle("", x=0.012, ha="left", fontweight="bold")
        figure.texts[0].set_text(fill(heading, 60))
        figure.set_label(said)
    else:
        ax.set_title(fill(heading, int(10 * figure.get_figwidth() / len(figure.axes))), pad=24)
        figure.set_label(f"{figure.get_label()} {said}".strip())
    return ax


def without_side(ax: Axes) -> None:
    """No axis at the left, for rows that are named inside."""
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)


def shares_below(ax: Axes) -> None:
    """Shares of variance along the axis, without a zero before the point."""
    ax.xaxis.set_major_formatter(lambda x, _: coefficient(x) if x else "0")


def key(ax: Axes, handles: list | None = None, columns: int = 3) -> None:
    """A legend in a row above the axes."""
    more = {} if handles is None else {"handles": handles}
    ax.legend(
        loc="lower left", bbox_to_anchor=(0, 1.0), ncols=columns, borderaxespad=0.2,
        borderpad=0.2, handletextpad=0.5, columnspacing=1.4, **more,
    )  # fmt: skip


def look(informant: str) -> Look:
    """How an informant is drawn; anyone else in grey."""
    return INFORMANTS.get(informant, OTHER)


ROW, LABEL, GAP, HEADING = 0.25, 0.23, 0.10, 0.34  # inches


@styled
def interval_rows(
    rows: pd.DataFrame,
    codebook: Codebook | None = None,
    xlabel: str = "",
    heading: str = "",
    form: Callable[[float], str] = coefficient,
    by: str = "",
    band: tuple[float, float] | None = None,
    none: float = 0.0,
    ax: Axes | None = None,
) -> Axes:
    """Group headings; each term's label, its intervals below it, their numbers to the right.

    Parameters
    ----------
    rows : DataFrame
        `term informant estimate conf_low conf_high`, optionally `low_90 high_90` (drawn thick),
        `analysis` (of several, all but the first are hollow) and `truth` (a line across). Rows
        without an estimate are left out.
    codebook : Codebook, optional
        Labels of terms and informants.
    xlabel, heading : str
    form : callable
        What makes text of an estimate.
    by : str
        Column whose values head groups of rows.
    band : (float, float), optional
        Shaded as too small to matter.
    none : float
        Where there is no effect.
    ax : Axes, optional
        New axes in a figure of their own by default.
    """
    rows = rows.dropna(subset=["estimate"])
    groups = dict(list(rows.groupby(by, sort=False))) if by else {"": rows}
    named = sum(part["term"].nunique() for part in groups.values())
    depth = ROW * len(rows) + (LABEL + GAP) * named + HEADING * len(groups) * bool(by)
    ax = canvas(ax, depth + 1.55)
    said = [f"{n}: " * bool(n) + values_in_words(part, codebook) for n, part in groups.items()]
    shaded = f" Shaded: {band[0]:g} to {band[1]:g}." if band is not None else ""
    about = f"{heading} ({xlabel}, with 95 % intervals).{shaded} {'. '.join(said)}."
    if unseen():
        return finished(ax, heading, about)
    analyses = list(dict.fromkeys(rows["analysis"])) if "analysis" in rows else []
    across, y = ax.get_yaxis_transform(), 0.0
    beside = offset_copy(across, ax.figure, x=108, units="points")
    halo = [withStroke(linewidth=3, foreground="white")]
    how = {"transform": across, "va": "center", "path_effects": halo, "in_layout": False}
    drawn = []
    for name, part in groups.items():
        if name:
            ax.text(0, y + 0.05, name, weight="bold", **how)
            y += HEADING
        terms = {}
        for row in part.itertuples(index=False):
            terms.setdefault(row.term, []).append(row)
        for term, mine in terms.items():
            ax.text(0, y, capital(word(term, codebook)), **how)
            y += LABEL
            for row in mine:
                drawn.append((row, y, bool(analyses) and row.analysis != analyses[0]))
                text = f"{form(row.estimate)} [{form(row.conf_low)}, {form(row.conf_high)}]"
                ax.text(1, y, text, transform=beside, ha="right", va="center_baseline",
                        fontsize=9.5, in_layout=len(drawn) == 1)  # fmt: skip
                y += ROW
            y += GAP
    _intervals(ax, drawn)
    ax.set_ylim(max(depth - 0.1, 0.5), -0.25)
    without_side(ax)
    if form is coefficient:
        digits = 1 if np.ptp(ax.get_xlim()) > 0.5 else 2
        ax.xaxis.set_major_formatter(lambda x, _: coefficient(x, digits) if round(x, 9) else "0")
        ax.xaxis.get_major_locator().set_params(steps=[1, 2, 5, 10])
    ax.axvline(none, color=QUIET, lw=0.9, zorder=1)
    if band is not None:
        ax.axvspan(*band, color=SHADE, zorder=0)
    thick = "low_90" in rows and rows["low_90"].notna().any()
    ax.set_xlabel(f"{xlabel}\n(thin: 95 % interval, thick: 90 %)" if thick else xlabel)
    handles = _who_is_who(rows, codebook, analyses, band is not None)
    key(ax, handles, 3 if len(handles) < 4 else 2)
    return finished(ax, heading, about)


THIN, THICK = (1.5, "projecting"), (4.2, "butt")


def _intervals(ax: Axes, drawn: list[tuple]) -> None:
    """Rows at their heights, hollow or not; what looks alike is one line, for speed."""
    lines, points, none = {}, {}, (np.nan, np.nan)
    for row, y, hollow in drawn:
        style = look(row.informant)
        narrow = getattr(row, "low_90", np.nan), getattr(row, "high_90", np.nan)
        for how, (low, high) in ((THIN, (row.conf_low, row.conf_high)), (THICK, narrow)):
            lines.setdefault((*how, style.color), []).extend([(low, y), (high, y), none])
        points.setdefault((style, hollow), []).append((row.estimate, y))
        if np.isfinite(truth := getattr(row, "truth", np.nan)):
            ends = [y - 0.7 * ROW, y + 0.7 * ROW]
            ax.plot([truth, truth], ends, color=INK, lw=1.6, ls=(0, (3, 1.5)), zorder=2)
    for (lw, cap, color), at in lines.items():
        ax.plot(*zip(*at, strict=True), color=color, lw=lw, solid_capstyle=cap, zorder=3)
    for (style, hollow), at in points.items():
        face = _face(style.color, hollow)
        ax.plot(*zip(*at, strict=True), style.marker, ms=7.5, zorder=4, **face)


def _face(color: str, hollow: bool) -> dict:
    if hollow:
        return {"mfc": "white", "mec": color, "mew": 1.8}
    return {"mfc": color, "mec": INK, "mew": 0.8}


def _who_is_who(rows: pd.DataFrame, codebook: Codebook | None, analyses: list, band: bool) -> list:
    """Handles of a key: informants, the client first, then analyses if there are several."""
    handles, known = [], list(INFORMANTS)
    seen = sorted(dict.fromkeys(rows["informant"]), key=lambda i: [*known, i].index(i))
    for informant in filter(None, seen):
        style, name = look(informant), word(informant, codebook)
        face = {"color": style.color, "marker": style.marker, **_face(style.color, False)}
        handles.append(Line2D([], [], ms=7.5, label=capital(name), **face))
    if band:
        handles.append(Patch(facecolor=SHADE, label="smaller than the bound"))
    for hollow, names in ((False, analyses[:1]), (True, analyses[1:])):
        if len(analyses) > 1:
            label = fill(", ".join(map(word, names)), 32)
            face = _face(QUIET, hollow)
            handles.append(Line2D([], [], ls="", marker="o", ms=7.5, label=label, **face))
    return handles


def values_in_words(rows: pd.DataFrame, codebook: Codebook | None = None) -> str:
    """Each row's term, informant, estimate and interval."""
    several = "analysis" in rows and rows["analysis"].nunique() > 1
    parts = []
    for row in rows.itertuples(index=False):
        who = [word(row.informant, codebook), *([word(row.analysis)] if several else [])]
        interval = f"{figure_number(row.conf_low)} to {figure_number(row.conf_high)}"
        about = f" ({', '.join(filter(None, who))})" * any(who)
        parts.append(
            f"{word(row.term, codebook)}{about} {figure_number(row.estimate)} ({interval})"
        )
    return "; ".join(parts)


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
