"""One look for every figure: colours, markers, words; rows of intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.transforms import offset_copy

from ..study.codebook import Codebook
from .printing import WORDS, number, p_text

WIDTH = 6.0
INK, QUIET, PAPER = "#1A1A1A", "#595959", "#FFFFFF"
SHADE = "#E9EDF0"
RC = {
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10.5,
    "axes.labelsize": 10.5,
    "axes.titlesize": 11.5,
    "axes.titlelocation": "left",
    "figure.titlesize": 12,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "text.parse_math": False,
    "hatch.linewidth": 0.8,
    "axes.axisbelow": True,
}


@dataclass(frozen=True)
class Look:
    """How one informant, verdict, block or model is drawn everywhere."""

    color: str
    label: str
    marker: str = "o"
    hatch: str = ""
    line: str | tuple = "-"


INFORMANTS = {
    "client": Look("#1F4E8C", "Client", "o", ""),
    "case_manager": Look("#D97600", "Case manager", "D", "////"),
}
OTHER = Look("#4D4D4D", "Both", "s", "")
VERDICTS = {
    "supported": Look("#00594C", "supported", "S"),
    "not_supported": Look("#E8906F", "not supported", "N"),
    "inconclusive": Look("#EBEBEB", "inconclusive", "I"),
}
FAMILIES = {
    "poisson": Look("#6B6B6B", "Poisson", "x", line=(0, (1, 1))),
    "negbin": Look("#7A2E8E", "Negative binomial", "s", line="-"),
    "hurdle": Look("#00796B", "Hurdle (negative binomial)", "^", line=(0, (5, 1.5))),
    "zinb": Look("#C2185B", "Zero-inflated negative binomial", "v", line=(0, (3, 1, 1, 1))),
}
STEPS = (
    Look("#D5E5EA", "", hatch=""),
    Look("#93BAC6", "", hatch="...."),
    Look("#4C8797", "", hatch=""),
    Look("#1D4955", "", hatch="////"),
)


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


def canvas(ax: Axes | None, height: float, width: float = WIDTH) -> Axes:
    """The axes given, or new ones in a figure of their own."""
    if ax is not None:
        return ax
    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def nothing(ax: Axes | None, heading: str, why: str) -> Axes:
    """A figure that says why there is nothing to draw."""
    ax = canvas(ax, 1.2)
    ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", va="center")
    ax.set_axis_off()
    title(ax, heading)
    alt(ax, f"{heading}. {why}")
    return ax


def title(ax: Axes, text: str) -> None:
    """A title from the left edge of the figure; above the axes if it shares its figure."""
    if len(ax.figure.axes) == 1:
        ax.figure.suptitle(fill(text, 60), x=0.012, ha="left", fontweight="bold")
    else:
        ax.set_title(fill(text, 45), pad=24)


def key(ax: Axes, handles: list | None = None, columns: int = 3) -> None:
    """A legend in a row above the axes."""
    more = {} if handles is None else {"handles": handles}
    ax.legend(
        loc="lower left", bbox_to_anchor=(0, 1.0), ncols=columns, borderaxespad=0.2,
        borderpad=0.2, handletextpad=0.5, columnspacing=1.4, **more,
    )  # fmt: skip


def alt(ax: Axes, text: str) -> None:
    """Say in words what the axes show; several axes of one figure are said one after another."""
    figure = ax.figure
    before = figure.get_label() if len(figure.axes) > 1 else ""
    figure.set_label(f"{before} {text}".strip())


def look(informant: str) -> Look:
    """How an informant is drawn; anyone else in grey."""
    return INFORMANTS.get(informant, OTHER)


def word(name: object, codebook: Codebook | None = None) -> str:
    """A term, informant or model in words."""
    text = str(name)
    if codebook is not None and text in codebook.informants:
        return codebook.informant_label(text)
    if codebook is not None and text not in WORDS:
        text = codebook.label(text)
    return WORDS.get(text, text.replace("_", " "))


def figure_number(x: float, decimals: int | None = 2) -> str:
    """A number for a figure or its text, with a proper minus sign."""
    return number(float(x), decimals).replace("-", "−")


def coefficient(x: float, decimals: int = 2) -> str:
    """A correlation or share: no zero before the point."""
    text = figure_number(x, decimals)
    return text.replace("0.", ".", 1) if text.lstrip("−").startswith("0.") else text


def p_words(p: float, before: str = "p ") -> str:
    """A p-value as `p = .031` or `p < .001`; nothing if it is unknown."""
    text = p_text(float(p))
    return f"{before}{'' if text.startswith('<') else '= '}{text}" if text else ""


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
