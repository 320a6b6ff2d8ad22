"""Unit 1: two views of one relationship."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..errors import NotEstimableError
from ..models.agreement import agreement
from ..pages.style import INFORMANTS, INK, PAPER, QUIET, SHADE, coefficient, figure_number
from .demos import Choose, Demo, Slide, kept, panels

MIDDLE, SPREAD = 180.0, 25.0
CLIENT, CASE_MANAGER = INFORMANTS["client"], INFORMANTS["case_manager"]
NAMES = {"pearson_r": "Pearson r", "icc_c1": "ICC(C,1)", "icc_a1": "ICC(A,1)", "ccc": "CCC"}
MARGINS = {"left": 0.095, "bottom": 0.15, "right": 0.985, "top": 0.9}
DOTS = "#3C4A54"
ASSOCIATION, AGREEMENT = "#93BAC6", "#1D4955"


@dataclass(frozen=True)
class Pairs:
    """Two informants' ratings of the same dyads, and how they agree."""

    client: np.ndarray
    case_manager: np.ndarray
    table: pd.DataFrame
    before: str = ""
    show_rows: bool = True
    forgiven: float = 0.0


def made_pairs(
    bias: float, scale: float, noise: float, n: int = 201, seed: int = 1995, exact: bool = True
) -> Pairs:
    """Pairs of ratings of the same bond, spoiled in three ways.

    Parameters
    ----------
    bias : float
        Points that the client's ratings lie above the case manager's.
    scale : float
        How far the case manager spreads ratings, relative to the client.
    noise : float
        SD of what each informant adds on their own, in points; the bond itself has SD 25.
    n, seed : int
    exact : bool
        Whether these pairs differ by just that bias, or are a sample whose truth it is.
    """
    drawn = np.random.default_rng(seed).standard_normal((3, n))
    if exact:
        drawn -= drawn.mean(axis=1, keepdims=True)
        drawn[0] /= drawn[0].std()
    bond, own, other = drawn
    client = MIDDLE + bias / 2 + SPREAD * bond + noise * own
    case_manager = MIDDLE - bias / 2 + scale * (SPREAD * bond + noise * other)
    return Pairs(client, case_manager, agreement(client, case_manager))


@kept
def two_informants() -> Demo:
    """Bias, scale and noise between two informants: which number notices which?"""
    return Demo(
        {
            "bias": Slide("Client rates higher by (points)", -40, 40, 2, 0),
            "scale": Slide("Case manager's spread, relative", 0.4, 1.6, 0.1, 1.0),
            "noise": Slide("Noise of each informant (points)", 5, 50, 5, 20),
        },
        made_pairs,
        _say_pairs,
        _draw_pairs,
        "Left: 201 pairs of ratings, client against case manager, with the line of equal ratings. "
        "Right: four coefficients as bars.",
        3.7,
    )


@kept
def study_pairs(dyads: pd.DataFrame, show_rows: bool = True) -> Demo:
    """The study's own ratings: what is left of disagreement once a difference is forgiven.

    Without `show_rows` no single dyad is drawn: hexagons that hold five dyads or more instead.
    """
    parts = {"total": "", "task": "_task", "bond": "_bond", "goal": "_goal"}

    def compute(part: str, forgiven: int) -> Pairs:
        pair = dyads[[f"client_alliance{part}", f"case_manager_alliance{part}"]].dropna()
        client, case_manager = pair.to_numpy(float).T
        raw = float(np.mean(client - case_manager))
        shift = forgiven / 100 * raw
        word = {suffix: name for name, suffix in parts.items()}[part]
        before = f"WAI {word}, {figure_number(shift, 1)} points forgiven. "
        table = agreement(client - shift, case_manager)
        return Pairs(client - shift, case_manager, table, before, show_rows, shift)

    return Demo(
        {
            "part": Choose("Subscale", {k.capitalize(): v for k, v in parts.items()}, ""),
            "forgiven": Slide("Share of the difference forgiven (%)", 0, 100, 10, 0),
        },
        compute,
        _say_pairs,
        _draw_bland_altman,
        "Left: the study's pairs, client against case manager, with the line of equal ratings. "
        "Right: their differences against their means, with bias and limits of agreement.",
        3.7,
    )


@kept
def how_sure() -> Demo:
    """How wide the intervals of the same numbers are in studies of different size."""

    def compute(n: int, r: float, bias: int, sample: int) -> SimpleNamespace:
        noise = SPREAD * np.sqrt((1 - r) / r)
        pairs = made_pairs(bias, 1.0, noise, n, seed=sample, exact=False)
        variance = SPREAD**2 + noise**2
        agreed = 2 * r * variance / (2 * variance + bias**2)  # with equal spread, of both
        truth = {"pearson_r": r, "icc_c1": r, "icc_a1": agreed, "ccc": agreed}
        return SimpleNamespace(n=n, bias=bias, sample=sample, table=pairs.table, truth=truth)

    return Demo(
        {
            "n": Slide("Dyads in the study", 20, 1000, 20, 200),
            "r": Slide("True correlation", 0.1, 0.9, 0.05, 0.3),
            "bias": Slide("True difference (points)", -20, 20, 2, 12),
            "sample": Slide("Another study (number)", 1, 50, 1, 1),
        },
        compute,
        _say_sure,
        _draw_sure,
        "Left: correlation and agreement with their 95 % intervals and the truth. "
        "Right: the same for the bias, in points.",
        2.9,
    )


def _direction(bias: float) -> str:
    if abs(bias) < 0.05:
        return "On average both rate alike"
    side = "higher" if bias > 0 else "lower"
    return f"Clients rate {figure_number(abs(bias), 1)} points {side} on average"


def _say_pairs(pairs: Pairs) -> str:
    estimate = pairs.table["estimate"]
    numbers = ", ".join(f"{word} {coefficient(estimate[s])}" for s, word in NAMES.items())
    low, high = (figure_number(estimate[s], 1) for s in ("loa_low", "loa_high"))
    return (
        f"{pairs.before}{numbers}. {_direction(estimate['bias'])}; "
        f"for about 95 of 100 dyads the difference lies between {low} and {high} points."
    )


def _draw_pairs(figure: Figure, pairs: Pairs) -> None:
    left, right = panels(figure, (1.15, 1), **MARGINS, wspace=0.34)
    _scatter(left, pairs, (60, 300))
    values = pairs.table["estimate"][list(NAMES)]
    at = np.arange(len(NAMES))[::-1]
    colors = [ASSOCIATION, ASSOCIATION, AGREEMENT, AGREEMENT]
    right.barh(at, values, height=0.6, color=colors, edgecolor=INK, lw=0.6)
    for y, value in zip(at, values, strict=True):
        right.text(max(value, 0) + 0.02, y, coefficient(value), va="center", weight="bold")
    right.set_yticks(at, NAMES.values())
    right.tick_params(axis="y", length=0)
    right.set(xlim=(min(0, values.min() - 0.05), 1.15), xticks=[0, 0.5, 1], xlabel="Estimate")
    right.axvline(0, color=INK, lw=0.8)
    right.set_title("Dark bars: agreement", fontsize=10.5)


def _scatter(ax: Axes, pairs: Pairs, limits: tuple[float, float]) -> None:
    _cloud(ax, pairs.client, pairs.case_manager, pairs.show_rows)
    ax.plot(limits, limits, color=INK, lw=1.2, ls=(0, (6, 3)))
    ax.axvline(pairs.client.mean(), color=CLIENT.color, lw=1.8)
    ax.axhline(pairs.case_manager.mean(), color=CASE_MANAGER.color, lw=1.8, ls=(0, (1, 1)))
    ax.set(xlim=limits, ylim=limits, xlabel="Client's rating", ylabel="Case manager's rating")
    ax.set_title("Dashed: equal ratings; lines: means", fontsize=10.5)


def _cloud(ax: Axes, x: np.ndarray, y: np.ndarray, show_rows: bool) -> None:
    if show_rows:
        ax.plot(x, y, "o", ms=3.6, color=DOTS, alpha=0.5, mew=0)
    else:
        ax.hexbin(x, y, gridsize=9, mincnt=5, cmap="Greys", linewidths=0.2)


def _draw_bland_altman(figure: Figure, pairs: Pairs) -> None:
    left, right = panels(figure, (1, 1), **MARGINS, wspace=0.3)
    given = pairs.client + pairs.forgiven  # as rated: the axes stay while the slider moves
    limits = min(*given, *pairs.case_manager) - 3, max(*given, *pairs.case_manager) + 3
    _scatter(left, pairs, limits)
    difference = pairs.client - pairs.case_manager
    reach = 1.15 * np.abs(given - pairs.case_manager).max()
    _cloud(right, (pairs.client + pairs.case_manager) / 2, difference, pairs.show_rows)
    for name, text in (("loa_high", "upper limit"), ("bias", "bias"), ("loa_low", "lower limit")):
        value, low, high = pairs.table.loc[name, ["estimate", "conf_low", "conf_high"]]
        right.axhspan(low, high, color=SHADE, zorder=0)
        right.axhline(value, color=INK, lw=1.4, ls="-" if name == "bias" else (0, (6, 3)))
        right.text(0.99, value, f"{text} {figure_number(value, 1)}", ha="right", va="bottom",
                   fontsize=9, bbox={"facecolor": PAPER, "alpha": 0.8, "lw": 0, "pad": 1},
                   transform=right.get_yaxis_transform())  # fmt: skip
    right.axhline(0, color=QUIET, lw=0.8, ls=(0, (1, 2)))
    right.set(xlim=limits, ylim=(-reach, reach), xlabel="Mean of the two ratings")
    right.set_ylabel("Client minus case manager")
    right.set_title("Difference against mean", fontsize=10.5)


def _say_sure(shown: SimpleNamespace) -> str:
    rows = shown.table.loc[["pearson_r", "ccc", "bias"]]
    form = {"bias": lambda x: figure_number(x, 1)}
    said = "; ".join(
        f"{NAMES.get(name, name)} {form.get(name, coefficient)(row['estimate'])} "
        f"({form.get(name, coefficient)(row['conf_low'])} to "
        f"{form.get(name, coefficient)(row['conf_high'])})"
        for name, row in rows.iterrows()
    )
    r, ccc = (coefficient(shown.truth[name]) for name in ("pearson_r", "ccc"))
    return (
        f"Study {shown.sample} of {shown.n} dyads; in truth Pearson r {r}, CCC {ccc}, bias "
        f"{shown.bias} points. Estimates with 95 % intervals: {said}."
    )


def _draw_sure(figure: Figure, shown: SimpleNamespace) -> None:
    left, right = panels(figure, (1.6, 1), left=0.12, bottom=0.18, right=0.98, top=0.88, wspace=0.2)
    true = {"color": CASE_MANAGER.color, "lw": 1.6, "ls": (0, (4, 2))}
    for y, name in zip(range(len(NAMES))[::-1], NAMES, strict=True):
        left.plot([shown.truth[name]] * 2, [y - 0.45, y + 0.45], **true)
        _interval(left, y, shown.table.loc[name])
    left.set_yticks(range(len(NAMES))[::-1], NAMES.values())
    left.set(xlim=(-0.3, 1), ylim=(-0.5, len(NAMES) - 0.5), xlabel="Estimate")
    left.set_title("Dashed: the truth", fontsize=10.5)
    _interval(right, 0, shown.table.loc["bias"])
    right.axvline(shown.bias, **true)
    right.set(xlim=(-40, 40), ylim=(-1, 1), yticks=[], xlabel="Client minus case manager")
    right.set_title("Dashed: the true difference", fontsize=10.5)
    for ax in (left, right):
        ax.axvline(0, color=QUIET, lw=0.8)
        ax.tick_params(axis="y", length=0)


def _interval(ax: Axes, at: float, row: pd.Series) -> None:
    ax.plot([row["conf_low"], row["conf_high"]], [at, at], color=INK, lw=2)
    ax.plot(row["estimate"], at, "o", ms=8, color=CLIENT.color, mec=INK)


@cache
def smallest_bias(ccc_below: float) -> int:
    """The first setting of the bias in :func:`two_informants` that brings the CCC below a value."""
    demo = two_informants()
    slide = demo.controls["bias"]
    for bias in range(0, slide.high + 1, slide.step):
        pairs = demo.compute(**demo.settings(bias=bias))
        if pairs.table.loc["ccc", "estimate"] < ccc_below:
            return bias
    raise NotEstimableError(f"No bias up to {slide.high} brings the CCC below {ccc_below}.")
