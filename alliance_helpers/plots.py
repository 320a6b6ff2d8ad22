"""Figures: a result goes in, an Axes comes out. Nothing here fits anything.

Every function sets the label of its figure to an alternative text with the numbers it draws;
`outputs.save_figure` keeps it. Associations, bounds and verdicts are drawn in `claim_plots`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from .claim_plots import equivalence, forest, halo_contrast, scorecard
from .codebook import Codebook
from .model_plots import bayes_sensitivity, days_distribution, power_curve, r_squared_blocks
from .style import (
    INFORMANTS,
    INK,
    QUIET,
    alt,
    canvas,
    coefficient,
    figure_number,
    key,
    styled,
    title,
    word,
)  # fmt: skip

__all__ = [
    "bayes_sensitivity",
    "bland_altman",
    "days_distribution",
    "equivalence",
    "forest",
    "halo_contrast",
    "informants",
    "missingness",
    "paired_scatter",
    "power_curve",
    "r_squared_blocks",
    "scorecard",
]

CLIENT, CASE_MANAGER = INFORMANTS["client"], INFORMANTS["case_manager"]


@styled
def informants(
    dyads: pd.DataFrame,
    columns: Sequence[str] = ("client_alliance", "case_manager_alliance"),
    labels: Sequence[str] = ("Client", "Case manager"),
    ylabel: str = "Alliance rating (sum of items)",
    heading: str = "The two informants side by side",
    bins: int = 18,
    ax: Axes | None = None,
) -> Axes:
    """Two informants' distributions back to back on one scale.

    Parameters
    ----------
    dyads : DataFrame
    columns : two column names
        The client's rating, then the case manager's; missing values are left out.
    labels : two str
    ylabel, heading : str
    bins : int
    ax : Axes, optional
    """
    ax = canvas(ax, 4.6)
    values = [dyads[c].dropna().to_numpy(float) for c in columns]
    everything = np.concatenate(values)
    edges = np.histogram_bin_edges(everything, bins) if len(everything) else np.array([0.0, 1.0])
    most, said = 1, []
    for side, numbers, look, label in zip(
        (-1, 1), values, (CLIENT, CASE_MANAGER), labels, strict=True
    ):
        counts = np.histogram(numbers, edges)[0]
        most = max(most, counts.max())
        ax.barh(
            edges[:-1], side * counts, height=np.diff(edges), align="edge", color=look.color,
            edgecolor="white", hatch=look.hatch, lw=0.6,
        )  # fmt: skip
        if not len(numbers):
            said.append(f"{label}: no ratings")
            continue
        mean, sd = numbers.mean(), numbers.std(ddof=1) if len(numbers) > 1 else np.nan
        ax.plot([0, side * 1.12], [mean, mean], color=INK, lw=2, transform=ax.transData)
        text = f"mean {figure_number(mean, 1)}, SD {figure_number(sd, 1)}, n {len(numbers):,}"
        said.append(f"{label}: {text}")
        ax.text(0.25 + 0.5 * (side > 0), 1.01, f"{label}\n{text}", transform=ax.transAxes,
                ha="center", va="bottom")  # fmt: skip
    for side, numbers in zip((-1, 1), values, strict=True):
        if len(numbers):
            ax.lines[0 if side < 0 else -1].set_xdata([0, side * most * 1.08])
    ax.axvline(0, color="white", lw=2)
    ax.set_xlim(-most * 1.1, most * 1.1)
    ax.xaxis.set_major_formatter(lambda x, _: f"{abs(x):g}")
    ax.set(xlabel="Number of dyads", ylabel=ylabel)
    title(ax, heading)
    alt(ax, f"{heading}: {ylabel}. {'; '.join(said)}.")
    return ax


@styled
def paired_scatter(
    client: pd.Series,
    case_manager: pd.Series,
    agreement_table: pd.DataFrame,
    unit: str = "alliance rating (sum of items)",
    show_rows: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Each dyad's two ratings, the line of equal ratings and both means.

    Parameters
    ----------
    client, case_manager : Series, paired
        Pairs with a missing rating are left out.
    agreement_table : DataFrame
        As `agreement.agreement` returns it.
    unit : str
        What the axes measure, after the informant's name.
    show_rows : bool
        False draws no single dyad: tiles of about equally many dyads instead, the darker the
        denser.
    ax : Axes, optional
    """
    ax = canvas(ax, 5.6)
    x, y = _pairs(client, case_manager)
    _cloud(ax, x, y, show_rows)
    if len(x):
        span = np.array([min(x.min(), y.min()), max(x.max(), y.max())])
        ax.plot(span, span, color=INK, lw=1.2, ls=(0, (6, 3)), label="equal ratings", zorder=4)
        ax.axvline(x.mean(), color=CLIENT.color, lw=1.8, label="client mean", zorder=3)
        ax.axhline(y.mean(), color=CASE_MANAGER.color, lw=1.8, ls=(0, (1, 1)),
                   label="case manager mean", zorder=3)  # fmt: skip
        ax.set_aspect("equal", adjustable="datalim")
    ax.set(xlabel=f"Client: {unit}", ylabel=f"Case manager: {unit}")
    key(ax)
    r, ccc = (_with_interval(agreement_table, s) for s in ("pearson_r", "ccc"))
    title(ax, f"r = {r}, CCC = {ccc}")
    means = (
        f"{figure_number(x.mean(), 1)} and {figure_number(y.mean(), 1)}" if len(x) else "unknown"
    )
    alt(ax, f"{len(x):,} dyads, client against case manager: r = {r}, CCC = {ccc}; means {means}.")
    return ax


@styled
def bland_altman(
    client: pd.Series,
    case_manager: pd.Series,
    agreement_table: pd.DataFrame,
    unit: str = "alliance rating (sum of items)",
    show_rows: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Differences against means, with the bias and the limits of agreement and their intervals.

    Parameters
    ----------
    client, case_manager, agreement_table, unit, show_rows, ax
        As for :func:`paired_scatter`.
    """
    ax = canvas(ax, 4.8)
    x, y = _pairs(client, case_manager)
    _cloud(ax, (x + y) / 2, x - y, show_rows)
    said = []
    for name, text in (("loa_high", "upper limit"), ("bias", "bias"), ("loa_low", "lower limit")):
        row = agreement_table.loc[name]
        value, low, high = row[["estimate", "conf_low", "conf_high"]].astype(float)
        ax.axhspan(low, high, color="#C9D3DA", alpha=0.75, zorder=1)
        ax.axhline(value, color=INK, lw=1.4, ls="-" if name == "bias" else (0, (6, 3)), zorder=3)
        ax.text(1.01, value, f"{text}\n{figure_number(value, 1)}", va="center",
                transform=ax.get_yaxis_transform(), fontsize=9.5)  # fmt: skip
        interval = f"{figure_number(low, 1)} to {figure_number(high, 1)}"
        said.append(f"{text} {figure_number(value, 1)} ({interval})")
    ax.axhline(0, color=QUIET, lw=0.8, ls=(0, (1, 2)), zorder=2)
    ax.set(xlabel=f"Mean of the two: {unit}", ylabel="Client minus case manager")
    bias = said[1].removeprefix("bias ")
    title(ax, f"Clients rate {bias} points higher" if "−" not in bias.split(" ")[0]
          else f"Client minus case manager: {bias} points")  # fmt: skip
    alt(ax, f"Difference against mean of {len(x):,} dyads: {'; '.join(said)}.")
    return ax


@styled
def missingness(
    table: pd.DataFrame,
    codebook: Codebook | None = None,
    heading: str = "What is missing",
    ax: Axes | None = None,
) -> Axes:
    """Share of dyads without a value, and of single answers that are missing.

    Parameters
    ----------
    table : DataFrame
        As `tables.missingness` returns it.
    codebook : Codebook, optional
    heading : str
    ax : Axes, optional
    """
    answers = table["share_items_missing"].fillna(0)
    shown = table[(table["share_missing"] > 0) | (answers > 0)]
    ax = canvas(ax, 1.5 + 0.52 * max(len(shown), 1))
    y = np.arange(len(shown))
    dyads, items = 100 * shown["share_missing"], 100 * shown["share_items_missing"].fillna(0)
    ax.barh(y - 0.02, dyads, height=0.22, align="edge", color="#2F4B5C")
    ax.barh(y + 0.22, items, height=0.22, align="edge", color="#A9C4D2", hatch="////",
            edgecolor="#2F4B5C", lw=0.6)  # fmt: skip
    names = [word(t, codebook) for t in shown["term"]]
    for at, (name, d, i) in enumerate(zip(names, dyads, items, strict=True)):
        ax.text(0, at - 0.18, name, transform=ax.get_yaxis_transform(), va="center")
        ax.text(d, at + 0.09, f" {d:.1f} %", va="center", fontsize=9)
        if i > 0:
            ax.text(i, at + 0.33, f" {i:.1f} %", va="center", fontsize=9)
    ax.set_ylim(max(len(shown), 1) - 0.3, -0.5)
    ax.set_xlim(0, max(1.0, float(max(dyads.max(), items.max())) * 1.15) if len(shown) else 1.0)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("Missing (%)")
    handles = [Patch(color="#2F4B5C", label="dyads without a value"),
               Patch(facecolor="#A9C4D2", edgecolor="#2F4B5C", hatch="////",
                     label="single answers")]  # fmt: skip
    key(ax, handles)
    rest = len(table) - len(shown)
    title(ax, heading)
    said = "; ".join(
        f"{name} {d:.1f} %" + (f" (answers {i:.1f} %)" if i > 0 else "")
        for name, d, i in zip(names, dyads, items, strict=True)
    )
    alt(ax, f"{heading}, share of dyads: {said or 'nothing'}. {rest} others are complete.")
    return ax


def _pairs(client: pd.Series, case_manager: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    pairs = np.column_stack([np.asarray(client, float), np.asarray(case_manager, float)])
    return tuple(pairs[~np.isnan(pairs).any(axis=1)].T)


def _cloud(ax: Axes, x: np.ndarray, y: np.ndarray, show_rows: bool) -> None:
    """Dyads as points, or as tiles that each hold about equally many."""
    if show_rows:
        alpha = float(np.clip(60 / max(len(x), 1) ** 0.9, 0.02, 0.6))
        ax.scatter(x, y, s=22, color="#3C4A54", alpha=max(alpha, 0.05), lw=0, zorder=2)
        return
    side = int(np.clip(np.sqrt(len(x) / 8), 1, 12))
    tiles = []
    for part in np.array_split(np.argsort(x, kind="stable"), side):
        for cell in np.array_split(part[np.argsort(y[part], kind="stable")], side):
            if len(cell) >= 5:
                tiles.append(
                    (x[cell].min(), y[cell].min(), np.ptp(x[cell]), np.ptp(y[cell]), len(cell))
                )
    density = np.array([n / max(w * h, 1e-9) for *_, w, h, n in tiles])
    shade = density.argsort().argsort() / max(len(tiles) - 1, 1)
    for (left, low, width, height, _), s in zip(tiles, shade, strict=True):
        ax.add_patch(plt_rectangle(left, low, width, height, s))
    ax.autoscale_view()


def plt_rectangle(left: float, low: float, width: float, height: float, shade: float):
    from matplotlib.patches import Rectangle

    grey = 0.9 - 0.6 * shade
    return Rectangle((left, low), width, height, facecolor=(grey, grey + 0.02, grey + 0.04),
                     edgecolor="white", lw=0.5, zorder=2)  # fmt: skip


def _with_interval(table: pd.DataFrame, name: str) -> str:
    row = table.loc[name]
    return (
        f"{coefficient(row['estimate'])} "
        f"[{coefficient(row['conf_low'])}, {coefficient(row['conf_high'])}]"
    )
