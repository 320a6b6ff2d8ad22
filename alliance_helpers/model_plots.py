"""Figures of models: explained variance by block, hospital days, Bayes factors, power."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from .codebook import Codebook
from .style import (
    FAMILIES,
    INFORMANTS,
    INK,
    QUIET,
    SHADE,
    STEPS,
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


@styled
def r_squared_blocks(
    fits: Mapping[str, pd.DataFrame],
    codebook: Codebook | None = None,
    heading: str = "What each block of variables adds",
    ax: Axes | None = None,
) -> Axes:
    """Explained variance block by block, one bar per outcome.

    Parameters
    ----------
    fits : mapping
        Outcome or informant to the `fit` table of `regression.hierarchical_regression`
        (`block n r_squared delta_r_squared`, optionally `p_change`).
    codebook : Codebook, optional
        Labels of outcomes.
    heading : str
    ax : Axes, optional
    """
    blocks = list(dict.fromkeys(b for fit in fits.values() for b in fit["block"]))
    looks = dict(zip(blocks, (STEPS * (len(blocks) // len(STEPS) + 1)), strict=False))
    ax = canvas(ax, 1.5 + 0.68 * max(len(fits), 1))
    said, largest = [], 0.05
    for at, (name, fit) in enumerate(fits.items()):
        label, left = word(name, codebook), 0.0
        ax.text(0, at - 0.36, label, transform=ax.get_yaxis_transform(), va="center")
        parts = []
        for row in fit.dropna(subset=["delta_r_squared"]).itertuples(index=False):
            style, share = looks[row.block], max(row.delta_r_squared, 0)
            ax.barh(at, share, left=left, height=0.42, color=style.color, hatch=style.hatch,
                    edgecolor="white" if style.color < "#5" else QUIET, lw=0.6)  # fmt: skip
            left += share
            p = getattr(row, "p_change", np.nan)
            mark = f", p {'< .001' if p < 0.001 else '= ' + coefficient(p, 3)}" if p == p else ""
            parts.append(f"{word(row.block)} {coefficient(row.delta_r_squared, 3)}{mark}")
        n = fit["n"].dropna()
        ax.text(left, at, f"  {coefficient(left)}", va="center", weight="bold")
        largest = max(largest, left)
        said.append(
            f"{label} (n {int(n.iloc[-1]) if len(n) else 0}): {', '.join(parts)}, "
            f"together {coefficient(left, 3)}"
        )
    ax.set_xlim(0, min(1.0, largest * 1.15))
    ax.set_ylim(len(fits) - 0.6, -0.65)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_formatter(lambda x, _: coefficient(x, 2) if x else "0")
    ax.set_xlabel("Share of variance explained (R²)")
    handles = [Patch(facecolor=s.color, hatch=s.hatch, edgecolor=QUIET, label=word(b).capitalize())
               for b, s in looks.items()]  # fmt: skip
    key(ax, handles, 4)
    title(ax, heading)
    alt(ax, f"{heading}. {'; '.join(said)}.")
    return ax


@styled
def days_distribution(
    expected: pd.DataFrame,
    xlabel: str = "Hospital days in two years",
    heading: str = "Hospital days and what the models expect",
    ax: Axes | None = None,
) -> Axes:
    """Observed days against the fitted models.

    Parameters
    ----------
    expected : DataFrame
        As `counts.expected_counts` returns it: `low high observed`, and one column per family.
    xlabel, heading : str
    ax : Axes, optional
    """
    ax = canvas(ax, 4.6)
    at = np.arange(len(expected))
    families = [c for c in expected.columns if c not in ("low", "high", "observed")]
    ax.bar(at, expected["observed"], width=0.92, color="#C3CED6", edgecolor="#8597A3", lw=0.6,
           label="observed")  # fmt: skip
    for name in families:
        style = FAMILIES.get(name, Look(INK, word(name), "o"))
        ax.plot(at, expected[name], color=style.color, ls=style.line, marker=style.marker, ms=5,
                lw=1.6, label=style.label)  # fmt: skip
    names = [_bin(a, b) for a, b in expected[["low", "high"]].to_numpy(float)]
    step = max(1, round(len(at) / 7))
    ticks = [i for i in at if i % step == 0 and len(at) - 1 - i >= step] + [len(at) - 1]
    ax.set_xticks(ticks, [names[i] for i in ticks])
    ax.set(xlabel=xlabel, ylabel="Number of clients")
    key(ax, None, 2)
    title(ax, heading)
    zero = expected.iloc[0]
    said = ", ".join(f"{word(f)} {figure_number(zero[f], 1)}" for f in families)
    alt(
        ax,
        f"{heading}. {expected['observed'].sum():,.0f} clients; "
        f"{names[0]} days: observed {zero['observed']:,.0f}, expected {said}.",
    )
    return ax


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
        `kappa bf10`, and `informant` if there are two.
    heading : str
    ax : Axes, optional
    """
    ax = canvas(ax, 4.2)
    table = table.dropna(subset=["kappa", "bf10"])
    said = []
    for name, part in _by_informant(table):
        style, part = look(name), part.sort_values("kappa")
        bf01 = 1 / part["bf10"].to_numpy(float)
        ax.plot(part["kappa"], bf01, color=style.color, marker=style.marker, ms=5, lw=1.8,
                label=word(name).capitalize() if name else None)  # fmt: skip
        values = ", ".join(
            f"{figure_number(b, None)} at {k:.2g}" for k, b in zip(part["kappa"], bf01, strict=True)
        )
        said.append(f"{word(name) if name else 'BF01'}: {values}")
    ax.set(xscale="log", yscale="log")
    low, high = ax.get_ylim()
    low, high = min(low, 1 / 3.5), max(high, 12)
    ax.set_ylim(low, high)
    ax.axhspan(1 / 3, 3, color=SHADE, zorder=0)
    ax.axhline(1, color=QUIET, lw=0.9)
    for level, text in ((3, "moderate for no association"), (10, "strong for no association"),
                        (1 / 3, "moderate for an association"),
                        (1 / 10, "strong for an association")):  # fmt: skip
        if low <= level <= high:
            ax.axhline(level, color=QUIET, lw=0.7, ls=(0, (1, 2)))
            ax.text(0.01, level, text, transform=ax.get_yaxis_transform(), fontsize=9,
                    va="bottom" if level > 1 else "top")  # fmt: skip
    ticks = {1 / 100: "1/100", 1 / 30: "1/30", 1 / 10: "1/10", 1 / 3: "1/3", 1: "1", 3: "3",
             10: "10", 30: "30", 100: "100"}  # fmt: skip
    ax.set_yticks([t for t in ticks if low <= t <= high],
                  [s for t, s in ticks.items() if low <= t <= high])  # fmt: skip
    left, right = ax.get_xlim()
    widths = {0.1: "0.1", 0.2: "0.2", 1 / 3: "1/3", 0.5: "1/2", 1: "1", 2: "2"}
    ax.set_xticks([t for t in widths if left <= t <= right],
                  [s for t, s in widths.items() if left <= t <= right])  # fmt: skip
    ax.minorticks_off()
    ax.set(xlabel="Width of the prior on the correlation (kappa; 1 is uniform)",
           ylabel="Times likelier if there is\nno association (BF01)")  # fmt: skip
    if len(said) > 1:
        key(ax)
    title(ax, heading)
    alt(ax, f"{heading}. Bayes factor for no association by prior width. {'; '.join(said)}.")
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
    """
    ax = canvas(ax, 4.2)
    table = table.dropna(subset=["effect", "power"])
    said = []
    for at, (name, part) in enumerate(_by_informant(table)):
        style = look(name) if name in INFORMANTS else Look("#1D4955", "", "o")
        line = ("-", (0, (5, 2)), (0, (1, 1)), (0, (3, 1, 1, 1)))[at % 4]
        part = part.sort_values("effect")
        effect, power = part["effect"].to_numpy(float), part["power"].to_numpy(float)
        label = word(name).capitalize() if name else None
        ax.plot(effect, power, color=style.color, lw=2, ls=line, label=label)
        reached = power >= target
        if reached.any() and not reached.all():
            i = int(reached.argmax())
            found = np.interp(target, power[i - 1 : i + 1], effect[i - 1 : i + 1])
            ax.plot(found, target, style.marker, color=style.color, mec=INK, ms=8, zorder=4)
            ax.annotate(coefficient(found), (found, target), (6, -14), textcoords="offset points")
            said.append(f"{label or 'power'} {target:.2f} at {coefficient(found)}")
        else:
            said.append(f"{label or 'power'} from {power.min():.2f} to {power.max():.2f}")
    ax.axhline(target, color=QUIET, lw=0.8, ls=(0, (1, 2)))
    ax.set_ylim(0, 1.02)
    ax.set(xlabel=xlabel, ylabel="Power (probability of p < .05)")
    if len(said) > 1:
        key(ax)
    title(ax, heading)
    alt(ax, f"{heading}. {'; '.join(said)}.")
    return ax


def _by_informant(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    for column in ("informant", "n"):
        if column in table and table[column].nunique() > 1:
            name = "n = {}" if column == "n" else "{}"
            parts = table.groupby(column, sort=False)
            return [(name.format(value), part) for value, part in parts]
    return [("", table)]


def _bin(low: float, high: float) -> str:
    if np.isinf(high):
        return f"{low:.0f}+"
    return f"{low:.0f}" if low == high else f"{low:.0f}–{high:.0f}"
