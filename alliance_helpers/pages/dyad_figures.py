"""Figures of dyads: scatter, Bland-Altman, distributions, sessions."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ..cohorts.cohort import rounded_n
from ..errors import ParameterError
from ..study.codebook import Codebook
from .printing import coefficient, figure_number, word
from .style import INFORMANTS, INK, QUIET, WIDTH, canvas, finished, key, nothing, styled

CLIENT, CASE_MANAGER = INFORMANTS["client"], INFORMANTS["case_manager"]
BAND, POINT = "#D3DBE1", "#3C4A54"
MOST = 18  # bars of an informant
PER_GROUP = 20  # dyads in each group where single dyads are not shown


@styled
def informants(
    dyads: pd.DataFrame,
    columns: Sequence[str] = ("client_alliance", "case_manager_alliance"),
    labels: Sequence[str] = ("Client", "Case manager"),
    ylabel: str = "Alliance rating (sum of items)",
    min_cell: int = 5,
    ax: Axes | None = None,
) -> Axes:
    """Two informants' distributions back to back on one scale; of one who did not rate nothing.

    Parameters
    ----------
    dyads : DataFrame
    columns : two column names
        The client's rating, then the case manager's; missing values are left out.
    labels : two str
    ylabel : str
        The measure with its unit.
    min_cell : int
        Bars of fewer dyads than this are joined with their neighbours, over the width of both; of
        fewer ratings nothing is told. Edges are round numbers, so that none is somebody's rating.
    ax : Axes, optional
        New axes in a figure of their own by default.

    Returns
    -------
    Axes

    Examples
    --------
    >>> ratings = pd.DataFrame({"a": [4.0, 5, 6, 4, 5, 6], "b": [3.0, 5, 4, 3, 5, 4]})
    >>> informants(ratings, ["a", "b"]).figure.get_label()[-36:]
    'Case manager: mean 4.0, SD 0.9, n 6.'
    """
    ax = canvas(ax, 4.6)
    values = [dyads[c].dropna().to_numpy(float) for c in columns]
    every = np.concatenate(values)
    ends = (every.min(), every.max()) if len(every) else (0.0, 1.0)
    edges = MaxNLocator(MOST, steps=[1, 2, 5, 10]).tick_values(*ends)  # round numbers
    step = edges[1] - edges[0]
    bars = [joined(edges, np.histogram(v, edges)[0], min_cell) for v in values]
    bars = [(at, counts * step / np.diff(at)) for at, counts in bars]
    most = max(1, *(c.max(initial=0) for _, c in bars))
    said, there = [], [at for at, numbers in enumerate(values) if len(numbers)] or [0, 1]
    for at in there:
        look, label, numbers = (CLIENT, CASE_MANAGER)[at], labels[at], values[at]
        side, middle = 2 * at - 1, 0.25 + 0.5 * at if there[1:] else 0.5
        ends, long = bars[at]
        ax.barh(
            ends[:-1], side * long, height=np.diff(ends), align="edge", color=look.color,
            edgecolor="white", hatch=look.hatch, lw=0.6,
        )  # fmt: skip
        text = f"fewer than {min_cell} ratings" if len(numbers) else "no ratings"
        if len(numbers) and len(numbers) >= min_cell:
            mean = numbers.mean()
            spread = figure_number(numbers.std(ddof=1), 1) if len(numbers) > 1 else "unknown"
            few = 0 < len(dyads) - len(numbers) < min_cell  # without a rating
            n = len(dyads) - min_cell + 1 if few else rounded_n(len(numbers))
            text = f"mean {figure_number(mean, 1)}, SD {spread}, n {'at least ' * few}{n:,}"
            ax.plot([0, side * most * 1.1], [mean, mean], color=INK, lw=2)
        ax.text(middle, 1.065, label, transform=ax.transAxes, ha="center", weight="bold")
        ax.text(middle, 1.01, text, transform=ax.transAxes, ha="center", fontsize=9.5)
        said.append(f"{label}: {text}")
    ax.axvline(0, color="white", lw=2)
    ax.set_xlim(-most * 1.12 * (0 in there), most * 1.12 * (1 in there))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.xaxis.set_major_formatter(lambda x, _: f"{abs(x):g}")
    ax.set_ylim(edges[0] - step / 2, edges[-1] + step / 2)
    ax.set(xlabel=f"Dyads per {step:g} points (black lines: means)", ylabel=ylabel)
    heading = "The two informants side by side" if there[1:] else "The ratings"
    return finished(ax, heading, f"{heading}: {ylabel}. {'; '.join(said)}.")


def joined(edges, counts, min_cell: int) -> tuple[np.ndarray, np.ndarray]:
    """Bins with fewer than so many people joined with their neighbours: edges and counts.

    >>> joined([0, 1, 2, 3, 4], [9, 2, 4, 7], 5)
    (array([0, 1, 3, 4]), array([9, 6, 7]))
    """
    ends, full = list(edges), list(counts)
    while (small := [k for k, n in enumerate(full) if 0 < n < min_cell]) and len(full) > 1:
        first = min(small[0], len(full) - 2)
        full[first : first + 2] = [sum(full[first : first + 2])]
        del ends[first + 1]
    few = len(full) == 1 and 0 < full[0] < min_cell  # nobody to join
    return np.array(ends), np.array([0] if few else full)


@styled
def paired_scatter(
    client: pd.Series,
    case_manager: pd.Series,
    agreement_table: pd.DataFrame,
    unit: str = "alliance rating (sum of items)",
    show_rows: bool = True,
    limits: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Each dyad's two ratings, the line of equal ratings and both means.

    Parameters
    ----------
    client, case_manager : Series, paired
        Pairs with a missing rating are left out.
    agreement_table : DataFrame
        As `agreement.agreement` returns it; r and CCC are read from it.
    unit : str
        What the axes measure, after the informant's name.
    show_rows : bool
        With False no single dyad is drawn: the median and the middle half of the case manager's
        ratings, for groups of at least 20 clients with similar ratings.
    limits : (float, float), optional
        Ends of both axes; by default what the ratings need.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = canvas(ax, 5.7)
    x, y = _pairs(client, case_manager)
    _cloud(ax, x, y, show_rows)
    r, ccc = (_with_interval(agreement_table, s) for s in ("pearson_r", "ccc"))
    n, grouped = rounded_n(len(x)), ", in groups" * (not show_rows)
    said = f"Case manager's against client's {unit}, {n:,} dyads{grouped}"
    means = "no complete pair"
    if len(x):
        low, high = min(x.min(), y.min()), max(x.max(), y.max())
        room = 0.04 * (high - low) or 1.0
        ax.axline((low, low), slope=1, color=INK, lw=1.3, ls=(0, (6, 3)), label="equal ratings",
                  zorder=4)  # fmt: skip
        ax.axvline(x.mean(), color=CLIENT.color, lw=2, label="client mean", zorder=3)
        ax.axhline(y.mean(), color=CASE_MANAGER.color, lw=2.4, ls=(0, (1, 1)),
                   label="case manager mean", zorder=3)  # fmt: skip
        ends = limits or (low - room, high + room)
        ax.set(xlim=ends, ylim=ends, aspect="equal")
        key(ax)
        means = f"means {figure_number(x.mean(), 1)} and {figure_number(y.mean(), 1)}"
    ax.set(xlabel=f"Client: {unit}", ylabel=f"Case manager: {unit}")
    said = f"{said}: r = {r}, concordance = {ccc}; {means}."
    return finished(ax, f"The two ratings of each dyad: r = {r}, CCC = {ccc}", said)


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

    Returns
    -------
    Axes

    References
    ----------
    Bland & Altman (1999).
    """
    ax = canvas(ax, 4.8)
    x, y = _pairs(client, case_manager)
    _cloud(ax, (x + y) / 2, x - y, show_rows)
    said = {}
    for name, text in (("loa_high", "upper limit"), ("bias", "bias"), ("loa_low", "lower limit")):
        row = agreement_table.loc[name]
        value, low, high = (float(row[c]) for c in ("estimate", "conf_low", "conf_high"))
        interval = f"{figure_number(low, 1)} to {figure_number(high, 1)}"
        ax.axhspan(low, high, color=BAND, zorder=0)
        ax.axhline(value, color=INK, lw=1.4, ls="-" if name == "bias" else (0, (6, 3)), zorder=3)
        ax.text(1.012, value, f"{text} {figure_number(value, 1)}\n({interval})", va="center",
                transform=ax.get_yaxis_transform(), fontsize=9.5)  # fmt: skip
        said[name] = f"{figure_number(value, 1)} ({interval})"
    ax.axhline(0, color=QUIET, lw=0.9, ls=(0, (1, 2)), zorder=2)
    ax.set(xlabel=f"Mean of the two: {unit}", ylabel="Client minus case manager")
    about = (
        f"Difference against mean of {rounded_n(len(x)):,} dyads, {unit}: bias {said['bias']}, "
        f"limits of agreement {said['loa_low']} and {said['loa_high']}."
    )
    return finished(ax, f"Client minus case manager: {said['bias']} points", about)


def _pairs(client: pd.Series, case_manager: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(client, float), np.asarray(case_manager, float)
    if x.shape != y.shape or x.ndim != 1:
        raise ParameterError(f"Give pairs of ratings; the shapes are {x.shape} and {y.shape}.")
    keep = ~(np.isnan(x) | np.isnan(y))
    return x[keep], y[keep]


def _cloud(ax: Axes, x: np.ndarray, y: np.ndarray, show_rows: bool) -> None:
    """Dyads as points, or medians and middle halves of y in groups of similar x."""
    if show_rows:
        alpha = float(np.clip(8 / np.sqrt(max(len(x), 1)), 0.03, 0.6))
        many = len(x) > 20_000
        ax.scatter(x, y, s=24, color=POINT, alpha=alpha, lw=0, zorder=2, rasterized=many)
        return
    groups = int(np.clip(len(x) // PER_GROUP, 1, 8)) if len(x) >= PER_GROUP else 0
    for part in np.array_split(np.argsort(x, kind="stable"), groups) if groups else []:
        at = x[part].mean()
        low, middle, high = np.quantile(y[part], [0.25, 0.5, 0.75])
        ax.plot([at, at], [low, high], color=POINT, lw=7, alpha=0.45, zorder=2,
                solid_capstyle="butt")  # fmt: skip
        ax.plot(at, middle, "o", color=POINT, mec="white", ms=8, zorder=5)
    if groups:
        ax.plot([], [], "o-", color=POINT, lw=5, ms=7, label="median, middle half")


def _with_interval(table: pd.DataFrame, name: str) -> str:
    row = table.loc[name]
    low, high = coefficient(row["conf_low"]), coefficient(row["conf_high"])
    return f"{coefficient(row['estimate'])} [{low}, {high}]"


@styled
def trajectories(
    bands: pd.DataFrame, lines: pd.DataFrame | None = None, codebook: Codebook | None = None
) -> Axes:
    """Measures by session: median, quartiles and tenths, and how many are still there.

    Parameters
    ----------
    bands : DataFrame
        As `over_time.trajectories` returns it: `session term n q10 q25 q50 q75 q90`.
    lines : DataFrame, optional
        `person session` and the measures: a thin line for each person.
    codebook : Codebook, optional

    Returns
    -------
    Axes
        The first of one a measure.
    """
    terms = list(dict.fromkeys(bands.get("term", ())))
    if not terms:
        return nothing(None, "How it goes on", "No session has enough clients to be shown.")
    figure, axes = plt.subplots(
        1, len(terms), figsize=(WIDTH, 3.6), layout="constrained", squeeze=False
    )
    figure.suptitle("How it goes on, session by session", x=0.012, ha="left", fontweight="bold")
    said = []
    for ax, term in zip(axes[0], terms, strict=True):
        part = bands[bands["term"] == term].sort_values("session")
        at = part["session"].to_numpy(float)
        ax.fill_between(at, part["q10"], part["q90"], color=BAND, lw=0, alpha=0.6)
        ax.fill_between(at, part["q25"], part["q75"], color=BAND, lw=0)
        if lines is not None:
            for _, own in lines.groupby("person"):
                ax.plot(own["session"], own[term], color=POINT, lw=0.4, alpha=0.4)
        ax.plot(at, part["q50"], color=INK, lw=2)
        ax.set_title(word(term, codebook), fontsize=10)
        part = part.assign(n=rounded_n(part["n"]))
        shown = part.iloc[:: max(1, -(-len(part) // 6))]
        ax.set_xticks(shown["session"], [f"{s:g}\n{n:,}" for s, n in zip(
            shown["session"], shown["n"], strict=True)])  # fmt: skip
        ax.set_xlabel("Session, and how many are there")
        first, last = part.iloc[0], part.iloc[-1]
        said.append(
            f"{word(term, codebook)}: median {figure_number(first['q50'])} at session "
            f"{first['session']:g} (n {first['n']:,}), {figure_number(last['q50'])} at session "
            f"{last['session']:g} (n {last['n']:,})"
        )
    figure.set_label(f"Median, quartiles and tenths by session. {'. '.join(said)}.")
    return axes[0][0]
