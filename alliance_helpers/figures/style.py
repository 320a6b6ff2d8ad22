"""One look for every figure: who has which colour, how text is set, what is said in words.

Colours are safe for the three common forms of colour blindness and differ in lightness, so that
they stay apart in black and white; markers and hatches carry the same difference again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from textwrap import fill

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from ..codebook import Codebook
from ..printed.printing import WORDS, number, p_text

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
    """Draw inside the kit's settings, leaving matplotlib's own as they were."""

    @wraps(draw)
    def inside(*args, **kwargs) -> Axes:
        with plt.rc_context(RC):
            return draw(*args, **kwargs)

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
