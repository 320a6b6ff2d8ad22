"""Figures of models: explained variance block by block, and hospital days by family."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from ..study.codebook import Codebook
from .style import (
    FAMILIES,
    INK,
    QUIET,
    STEPS,
    Look,
    alt,
    canvas,
    coefficient,
    figure_number,
    key,
    p_words,
    styled,
    title,
    word,
)

PLATE = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none"}


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
        Outcome (or informant) to the `fit` table of `regression.hierarchical_regression`: `block n
        delta_r_squared`, optionally `p_change`. A block that added nothing may be missing or NaN.
    codebook : Codebook, optional
        Labels of outcomes.
    heading : str
    ax : Axes, optional
        New axes in a figure of their own by default.

    Returns
    -------
    Axes

    Examples
    --------
    >>> fit = pd.DataFrame({"block": ["alliance"], "n": [201], "delta_r_squared": [0.1]})
    >>> r_squared_blocks({"symptoms": fit}).figure.get_label()[-47:]
    'symptoms (n 201): alliance .100, together .100.'
    """
    blocks = list(dict.fromkeys(b for fit in fits.values() for b in fit["block"]))
    looks = {b: STEPS[i % len(STEPS)] for i, b in enumerate(blocks)}
    shares = {name: fit["delta_r_squared"].fillna(0).clip(lower=0) for name, fit in fits.items()}
    most = max([0.05, *(s.sum() for s in shares.values())])
    ax = canvas(ax, 1.6 + 0.68 * max(len(fits), 1))
    said = []
    for at, (name, fit) in enumerate(fits.items()):
        label, left, parts = word(name, codebook), 0.0, []
        ax.text(0, at - 0.37, label, transform=ax.get_yaxis_transform(), va="center")
        p_values = fit.get("p_change", pd.Series(np.nan, index=fit.index))
        for block, share, p in zip(fit["block"], shares[name], p_values, strict=True):
            style = looks[block]
            ax.barh(at, share, left=left, height=0.44, facecolor=style.color, hatch=style.hatch,
                    edgecolor=QUIET, lw=0.6)  # fmt: skip
            if share > 0.085 * most:
                ax.text(left + share / 2, at, coefficient(share), ha="center", fontsize=9,
                        va="center_baseline",
                        bbox=PLATE)  # fmt: skip
            left += share
            parts.append(f"{word(block)} {coefficient(share, 3)}{p_words(p, ', p ')}")
        ax.text(left, at, f"  {coefficient(left)}", va="center_baseline", weight="bold")
        n = fit["n"].max()
        many = f" (n {int(n)})" if n == n else ""
        said.append(f"{label}{many}: {', '.join(parts)}, together {coefficient(left, 3)}")
    ax.set_xlim(0, min(1.12, most * 1.14))
    ax.set_ylim(max(len(fits), 1) - 0.6, -0.65)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_formatter(lambda x, _: coefficient(x) if x else "0")
    ax.set_xlabel("Share of variance explained (R²)")
    handles = [
        Patch(facecolor=s.color, hatch=s.hatch, edgecolor=QUIET, label=word(b).capitalize())
        for b, s in looks.items()
    ]
    key(ax, handles, 4)
    title(ax, heading)
    alt(ax, f"{heading}, R squared. {'; '.join(said)}.")
    return ax


@styled
def days_distribution(
    expected: pd.DataFrame,
    xlabel: str = "Hospital days",
    heading: str = "Hospital days, and what the models expect",
    ax: Axes | None = None,
) -> Axes:
    """Observed days against the fitted models.

    Parameters
    ----------
    expected : DataFrame
        As `counts.expected_counts` returns it: `low high observed`, one column per family; the
        first bin may be zero alone, the last may have no upper end.
    xlabel, heading : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = canvas(ax, 4.8)
    low, high = expected["low"].to_numpy(float), expected["high"].to_numpy(float)
    families = [c for c in expected.columns if c not in ("low", "high", "observed")]
    at = np.arange(len(expected), dtype=float)
    zero = len(at) > 1 and high[0] == 0
    at[1:] += 0.6 * zero
    ax.bar(at, expected["observed"], width=0.94, color="#C3CED6", edgecolor="#8597A3", lw=0.6,
           label="Observed")  # fmt: skip
    for name in families:
        style = FAMILIES.get(name, Look(INK, word(name), "o"))
        for part in (slice(0, 1), slice(1, None)) if zero else (slice(None),):
            ax.plot(at[part], expected[name].iloc[part], color=style.color, ls=style.line, lw=1.6,
                    marker=style.marker, ms=5.5, mew=1.6 if style.marker == "x" else 0.6,
                    label=style.label if part.start != 1 else None)  # fmt: skip
    _day_ticks(ax, at, low, high, zero)
    ax.set(xlabel=xlabel, ylabel="Number of clients")
    ax.set_ylim(bottom=0)
    lines, bars = ax.get_legend_handles_labels()[0], ax.containers[:1]
    key(ax, [*bars, *(h for h in lines if h not in bars)], 2)
    title(ax, heading)
    said = []
    for i in (0, len(at) - 1) if len(at) > 1 else (0,):
        values = ", ".join(f"{word(f)} {figure_number(expected[f].iloc[i], 1)}" for f in families)
        bin_name = f"over {low[i] - 1:.0f} days" if np.isinf(high[i]) else f"{high[i]:.0f} days"
        if low[i] < high[i] < np.inf:
            bin_name = f"{low[i]:.0f} to {bin_name}"
        said.append(f"{bin_name}: observed {expected['observed'].iloc[i]:,.0f}, expected {values}")
    alt(ax, f"{heading}; {expected['observed'].sum():,.0f} clients. {'; '.join(said)}.")
    return ax


def _day_ticks(ax: Axes, at: np.ndarray, low: np.ndarray, high: np.ndarray, zero: bool) -> None:
    """Ticks between bins, with no days and beyond the last day in words."""
    ticks = {at[0]: "none"} if zero else {}
    inner = [i for i in range(len(at)) if i >= zero and np.isfinite(high[i])]
    step = max(1, round(len(inner) / 7))
    for i in inner[::step]:
        if at[-1] - at[i] > 1.2:
            ticks[at[i] - 0.5] = f"{low[i]:.0f}" if low[i] <= 1 else f"{low[i] - 1:.0f}"
    if np.isinf(high[-1]):
        ticks[at[-1]] = f"> {low[-1] - 1:.0f}"
    ax.set_xticks(list(ticks), list(ticks.values()))
