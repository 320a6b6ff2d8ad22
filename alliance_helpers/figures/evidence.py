"""Figures of evidence: Bayes factors over priors, and power over effects."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from .style import (
    INK,
    QUIET,
    SHADE,
    Look,
    alt,
    canvas,
    figure_number,
    key,
    look,
    styled,
    title,
    word,
)

LINES = ("-", (0, (5, 2)), (0, (1, 1)), (0, (3, 1, 1, 1)))
EVIDENCE = {
    1 / 100: "1/100", 1 / 30: "1/30", 1 / 10: "strong  1/10", 1 / 3: "moderate  1/3", 1: "1",
    3: "moderate  3", 10: "strong  10", 30: "30", 100: "100",
}  # fmt: skip
WIDTHS = {0.1: "0.1", 0.2: "0.2", 1 / 3: "1/3", 0.5: "1/2", 1: "1", 2: "2"}


@styled
def bayes_sensitivity(
    table: pd.DataFrame,
    heading: str = "How much the Bayes factor depends on the prior",
    ax: Axes | None = None,
) -> Axes:
    """Evidence for no association over the width of the prior.

    Parameters
    ----------
    table : DataFrame
        `kappa bf10`, and `informant` if there are two curves.
    heading : str
    ax : Axes, optional

    Returns
    -------
    Axes

    Notes
    -----
    3 and 10 times are called moderate and strong, after Jeffreys (1961).
    """
    ax = canvas(ax, 4.3)
    table = table.dropna(subset=["kappa", "bf10"])
    said, curves = [], _curves(table)
    for name, part in curves:
        part = part.sort_values("kappa")
        style, kappa = look(name), part["kappa"].to_numpy(float)
        bf01 = 1 / part["bf10"].to_numpy(float)
        ax.plot(kappa, bf01, color=style.color, marker=style.marker, ms=5.5, lw=1.8,
                label=word(name).capitalize())  # fmt: skip
        quoted = {int(np.abs(np.log(kappa / k)).argmin()) for k in (1 / 3, 1)} if len(kappa) else ()
        values = " and ".join(f"{bf01[i]:.3g} at kappa {kappa[i]:.2g}" for i in sorted(quoted))
        said.append(f"{word(name)}: {values}" if name else values)
    ax.set(xscale="log", yscale="log")
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    low, high = (min(low, 1 / 4), max(high, 13)) if len(table) else (1 / 4, 13)
    ax.axhspan(1 / 3, 3, color=SHADE, zorder=0)
    ax.axhline(1, color=QUIET, lw=0.9, zorder=1)
    for level in (10, 1 / 10):
        ax.axhline(level, color=QUIET, lw=0.7, ls=(0, (1, 2)), zorder=1)
    y = [t for t in EVIDENCE if low <= t <= high]
    x = [t for t in WIDTHS if left <= t <= right]
    ax.set_yticks(y, [EVIDENCE[t] for t in y])
    ax.set_xticks(x, [WIDTHS[t] for t in x])
    ax.minorticks_off()
    ax.set(ylim=(low, high), xlabel="Width of the prior on the correlation (kappa; 1 is uniform)",
           ylabel="Times likelier if there is\nno association (BF01)")  # fmt: skip
    if len(curves) > 1:
        key(ax)
    title(ax, heading)
    alt(ax, f"{heading}. Bayes factor for no association: {'; '.join(said) or 'unknown'}.")
    return ax


@styled
def power_curve(
    table: pd.DataFrame,
    target: float = 0.80,
    xlabel: str = "True correlation",
    heading: str = "What this study could have seen",
    ax: Axes | None = None,
) -> Axes:
    """Power over the size of the effect.

    Parameters
    ----------
    table : DataFrame
        `effect power`, and `informant` or `n` if there is more than one curve.
    target : float
        Power to mark.
    xlabel, heading : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = canvas(ax, 4.2)
    table = table.dropna(subset=["effect", "power"])
    said, marks, curves = [], [], _curves(table)
    ax.axhline(target, color=QUIET, lw=0.8, ls=(0, (1, 2)))
    for at, (name, part) in enumerate(curves):
        part = part.sort_values("effect")
        effect, power = part["effect"].to_numpy(float), part["power"].to_numpy(float)
        style = look(name) if name in ("client", "case_manager") else Look("#1D4955", "")
        label = name if name.startswith("n = ") else word(name).capitalize()
        ax.plot(effect, power, color=style.color, lw=2, ls=LINES[at % 4], label=label)
        prefix = f"{label}: " if label else ""
        reached = power >= target
        if reached.any() and not reached[0]:
            i = int(reached.argmax())
            found = np.interp(target, power[i - 1 : i + 1], effect[i - 1 : i + 1])
            ax.plot(found, target, style.marker, color=style.color, mec=INK, ms=8, zorder=4)
            marks.append(found)
            said.append(f"{prefix}power {target:.2f} at {figure_number(found)}")
        elif len(power):
            said.append(f"{prefix}power from {power.min():.2f} to {power.max():.2f}")
    for rank, found in enumerate(sorted(marks)):
        left = rank == 0 and len(marks) > 1  # so that close marks do not overlap
        ax.annotate(figure_number(found), (found, target), (-8, 6) if left else (8, -14),
                    textcoords="offset points", ha="right" if left else "left")  # fmt: skip
    ax.set_ylim(0, 1.02)
    ax.set(xlabel=xlabel, ylabel="Power (probability of p < .05)")
    if len(curves) > 1:
        key(ax)
    title(ax, heading)
    alt(ax, f"{heading}, by {xlabel.lower()}. {'; '.join(said) or 'Nothing'}.")
    return ax


def _curves(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    for column, name in (("informant", "{}"), ("n", "n = {}")):
        if column in table and table[column].nunique() > 1:
            return [(name.format(v), part) for v, part in table.groupby(column, sort=False)]
    return [("", table)]
