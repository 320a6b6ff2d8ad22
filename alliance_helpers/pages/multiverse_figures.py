"""The specifications of a claim: their verdicts, and their curve."""

from __future__ import annotations

from textwrap import shorten

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..claims.rules import Rules
from ..study.codebook import Codebook
from .style import (
    INK,
    QUIET,
    SHADE,
    VERDICTS,
    alt,
    canvas,
    figure_number,
    key,
    p_words,
    styled,
    title,
    word,
)

CHOICES = {
    "scoring": "Scoring", "items": "Unanswered items", "covariates": "Held constant",
    "outliers": "Extreme values", "estimator": "Estimator",
}  # fmt: skip
WORDS = {
    "ols": "least squares", "cr2": "with CR2 errors", "mixed": "mixed model",
    "poisson": "Poisson", "poisson_cr2": "with CR2 errors", "negbin": "negative binomial",
}  # fmt: skip
ORDER = ("supported", "inconclusive", "not_supported")
CURVE, ROW = 2.4, 0.185  # inches: of the curve, and of one option below it


@styled
def specification_curve(
    specifications: pd.DataFrame,
    joint: pd.DataFrame | None = None,
    bound: float | None = None,
    codebook: Codebook | None = None,
    rules: Rules | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Estimates of one claim under every specification, sorted, over the choices that led there.

    Parameters
    ----------
    specifications : DataFrame
        As `multiverse.multiverse` returns them; of several claims the first is drawn.
    joint : DataFrame, optional
        Its joint tests: the p-value of the median is written into the figure.
    bound : float, optional
        Estimates from -bound to bound are shaded as too small to matter (for days 1 / bound to
        bound).
    codebook : Codebook, optional
        Labels of terms.
    rules : Rules, optional
        The claim's own text becomes the heading.
    ax : Axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> from alliance_helpers.claims.multiverse import multiverse
    >>> from alliance_helpers.cohorts.simulate import simulate_dyads
    >>> found = multiverse(simulate_dyads("published", 201, 7), finding="halo", n_perm=0)
    >>> "specifications" in specification_curve(found.specifications).figure.get_label()
    True
    """
    rows = _first_claim(specifications).sort_values("estimate", ignore_index=True)
    options = _options(rows)
    ax = canvas(ax, CURVE + ROW * (len(options) + 2) + 1.3)
    days = len(rows) and rows["estimator"].isin(["poisson", "negbin"]).any()
    low, high = _limits(rows)
    unit = CURVE / max(high - low, 1e-9)  # inches of one unit of the estimate
    _curve(ax, rows, low, unit, 1.0 if days else 0.0, _shade(bound, days))
    depth = 0.22
    for choice, option in options:
        if option is None:
            ax.text(-0.012, -depth, CHOICES[choice], transform=_row(ax), ha="right", weight="bold",
                    va="center", fontsize=9)  # fmt: skip
        else:
            at = np.flatnonzero(rows[choice] == option)
            ax.plot(at, np.full(len(at), -depth), "|", color=INK, ms=6, mew=0.7)
            ax.text(-0.012, -depth, WORDS.get(option, option), transform=_row(ax), ha="right",
                    va="center", fontsize=9)  # fmt: skip
        depth += ROW
    ax.set_ylim(-depth, CURVE + 0.1)
    ax.set_xlim(-1, max(len(rows), 1))
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.set_xticks([])
    term = word(rows["term"].iloc[0], codebook) if len(rows) else ""
    informant = word(rows["informant"].iloc[0], codebook) if len(rows) else ""
    title(ax, _text(rows, rules) or f"{term} ({informant}): every specification")
    ax.set_ylabel("Rate ratio" if days else "Estimate", y=1 - CURVE / 2 / (depth + CURVE))
    handles = [
        Line2D([], [], ls="", marker="o", ms=6, mfc=v.color, mec=QUIET, label=v.label)
        for v in VERDICTS.values()
    ]
    key(ax, handles)
    alt(ax, _said(rows, joint, term, informant, days))
    return ax


def _first_claim(specifications: pd.DataFrame) -> pd.DataFrame:
    names = ["finding", "claim", "informant"]
    if not len(specifications):
        return specifications
    first = specifications.iloc[0][names]
    return specifications[(specifications[names] == first).all(axis=1)]


def _text(rows: pd.DataFrame, rules: Rules | None) -> str:
    """The claim that rows of specifications are about, in its own words."""
    if rules is None or not len(rows):
        return ""
    name = tuple(rows[["finding", "claim", "informant"]].iloc[0])
    return rules.texts.get(name, name[1])


def _options(rows: pd.DataFrame) -> list[tuple[str, str | None]]:
    """Choices with more than one option; each heads its options."""
    found: list[tuple[str, str | None]] = []
    for choice in CHOICES:
        options = list(dict.fromkeys(rows[choice].sort_index())) if len(rows) else []
        if len(options) > 1:
            found += [(choice, None), *((choice, o) for o in sorted(options))]
    return found


def _limits(rows: pd.DataFrame) -> tuple[float, float]:
    values = rows[["estimate", "conf_low", "conf_high"]].to_numpy(float)
    values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)


def _shade(bound: float | None, days: bool) -> tuple[float, float] | None:
    if bound is None:
        return None
    return (1 / bound, bound) if days else (-bound, bound)


def _curve(ax: Axes, rows: pd.DataFrame, low: float, unit: float, none: float, shade) -> None:
    """Estimates in inches above the options, with an axis of their own."""

    def height(value):
        return (np.asarray(value, float) - low) * unit

    top = height(_limits(rows)[1])
    if shade is not None:
        band = np.clip(height(shade), 0, top)
        ax.axhspan(*band, color=SHADE, zorder=0)
    if 0 <= height(none) <= top:
        ax.axhline(height(none), color=QUIET, lw=0.9, zorder=1)
    at = np.arange(len(rows))
    ax.vlines(at, height(rows["conf_low"]), height(rows["conf_high"]), color="#B9C2C8", lw=0.6,
              zorder=2)  # fmt: skip
    for verdict, style in VERDICTS.items():
        mine = (rows["verdict"] == verdict).to_numpy()
        ax.plot(at[mine], height(rows["estimate"])[mine], "o", ms=3.4, mfc=style.color, mec=QUIET,
                mew=0.4, zorder=3)  # fmt: skip
    steps = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5])
    step = steps[min(np.searchsorted(steps, top / unit / 4), len(steps) - 1)]
    ticks = np.arange(np.ceil(low / step), np.floor(low / step + top / unit / step) + 1) * step
    ax.set_yticks(height(ticks), [figure_number(t) for t in ticks])


def _row(ax: Axes):
    return ax.get_yaxis_transform()


def _said(rows: pd.DataFrame, joint, term: str, informant: str, days: bool) -> str:
    if not len(rows):
        return "No specification could be estimated."
    what = "rate ratios" if days else "estimates"
    median = figure_number(rows["estimate"].median())
    counts = rows["verdict"].value_counts()
    parts = ", ".join(f"{counts.get(v, 0)} {k.label}" for v, k in VERDICTS.items())
    low, high = figure_number(rows["estimate"].min()), figure_number(rows["estimate"].max())
    text = (
        f"Specification curve of {term} ({informant}), {len(rows)} specifications: {what} "
        f"{low} to {high}, median {median}; {parts}."
    )
    if joint is not None and len(joint):
        p = joint.loc[joint["statistic"] == "median", "p_value"].iloc[0]
        text += f" Joint permutation test of the median: {p_words(p)}."
    return text


@styled
def specification_verdicts(
    specifications: pd.DataFrame,
    rules: Rules,
    heading: str = "What every specification says of each claim",
    ax: Axes | None = None,
) -> Axes:
    """In which share of all specifications each claim gets each verdict.

    Parameters
    ----------
    specifications : DataFrame
        As `multiverse.multiverse` returns them.
    rules : Rules
        Gives the text of the claims.
    heading : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    claims = list(specifications.groupby(["finding", "claim", "informant"], sort=False)["verdict"])
    ax = canvas(ax, 1.3 + 0.5 * max(len(claims), 1))
    said = []
    for at, ((name, _, _), verdicts) in enumerate(claims):
        left, parts = 0.0, []
        for verdict in ORDER:
            style, share = VERDICTS[verdict], 100 * (verdicts == verdict).mean()
            ax.barh(at + 0.17, share, 0.4, left, color=style.color, edgecolor=QUIET, lw=0.6)
            left += share
            parts += [f"{share:.0f} % {style.label}"] if share else []
        text = _text(specifications.loc[verdicts.index], rules)
        ax.text(0, at - 0.1, f"{name}: {shorten(text, 72)}", va="bottom", fontsize=9)
        ax.text(101, at + 0.17, f"{len(verdicts)}", va="center", fontsize=9)
        said.append(f"{text}: {', '.join(parts)} of {len(verdicts)}")
    ax.text(101, -0.5, "of", va="center", fontsize=9)
    ax.set(xlim=(0, 100), ylim=(len(claims) - 0.4, -0.7), yticks=[])
    ax.set_xlabel("Share of the specifications (%)")
    ax.spines["left"].set_visible(False)
    key(ax, [Patch(fc=VERDICTS[v].color, ec=QUIET, label=VERDICTS[v].label) for v in ORDER])
    title(ax, heading)
    alt(ax, f"{heading}. {'. '.join(said)}.")
    return ax
