"""Explorers for the main notebooks: the same analysis with other variables, informants, bounds."""

from __future__ import annotations

from textwrap import fill
from types import SimpleNamespace

import numpy as np
import pandas as pd
from ipywidgets import VBox
from matplotlib.figure import Figure

from ..claims.associations import association_of
from ..claims.evidence import ANALYSES
from ..claims.views import COVARIATES, EVERY, regression_blocks
from ..models.regression import hierarchical_regression
from ..pages.style import INK, QUIET, SHADE, STEPS, coefficient, look, word
from ..study.codebook import Codebook
from .demos import Choose, Demo, Slide, panels
from .no_effect import hospital
from .two_views import study_pairs

ANALYSIS = Choose("Analysis", {word(name): name for name in ANALYSES}, "as_published")


def explore_agreement(dyads: pd.DataFrame, book: Codebook, show_rows: bool = False) -> VBox:
    """Agreement on a subscale, with a part of the average difference forgiven.

    `show_rows` draws single dyads of a study that is not synthetic.
    """
    return study_pairs(dyads, show_rows=book.synthetic or show_rows).explore()


def explore_associations(dyads: pd.DataFrame, book: Codebook) -> VBox:
    """Both informants' alliance with the variables of a block, by a chosen analysis."""
    return associations_of(dyads, book).explore()


def explore_hospital(
    dyads: pd.DataFrame,
    book: Codebook,
    days: str = "hospital_days",
    adjust: tuple[str, ...] = COVARIATES,
) -> VBox:
    """The rate ratio of hospital days against a bound of your own, with and without covariates."""
    return hospital(dyads, book, days, adjust).explore()


def explore_regression(dyads: pd.DataFrame, book: Codebook) -> VBox:
    """The hierarchical regression with another informant, method, or p to enter."""
    return regression_of(dyads, book).explore()


def associations_of(dyads: pd.DataFrame, book: Codebook) -> Demo:
    """The demonstration behind :func:`explore_associations`."""
    blocks = {b.capitalize(): b for b in book.blocks if b != "alliance" and _terms(dyads, book, b)}

    def compute(block: str, analysis: str) -> SimpleNamespace:
        rows = [
            (term, informant, association_of(dyads, book, informant, term, analysis))
            for term in _terms(dyads, book, block)
            for informant in book.informants
        ]
        return SimpleNamespace(rows=rows, analysis=analysis, book=book)

    return Demo(
        {"block": Choose("Variables", blocks, next(iter(blocks.values()))), "analysis": ANALYSIS},
        compute,
        _say_associations,
        _draw_associations,
        "Standardised association of each variable with both informants' alliance, with 95 % "
        "intervals; the shaded ones are too small to matter.",
        4.0,
    )


def regression_of(dyads: pd.DataFrame, book: Codebook) -> Demo:
    """The demonstration behind :func:`explore_regression`."""
    blocks = regression_blocks(dyads, book, blocks=EVERY)
    ratings = {book.informant_label(i): book.alliance_of(i) for i in book.informants}
    methods = {"stepwise": "stepwise", "all terms at once": "enter"}

    def compute(rating: str, method: str, p_enter: float) -> SimpleNamespace:
        model = hierarchical_regression(
            dyads, rating, blocks, method=method, p_enter=p_enter, p_remove=p_enter + 0.05
        )
        final = model.coefficients[model.coefficients["block"] == model.fit["block"].iloc[-1]]
        words = [word(t, book) for t in final["term"] if t != "intercept"]
        rule = f"p to enter {coefficient(p_enter)}" if method == "stepwise" else "all terms"
        return SimpleNamespace(fit=model.fit, words=words, rule=rule, rating=word(rating, book))

    return Demo(
        {
            "rating": Choose("Alliance rated by", ratings, next(iter(ratings.values()))),
            "method": Choose("Terms enter", methods, "stepwise"),
            "p_enter": Slide("p to enter (stepwise)", 0.01, 0.20, 0.01, 0.05),
        },
        compute,
        _say_regression,
        _draw_regression,
        "Explained variance block by block.",
        1.9,
    )


def _terms(dyads: pd.DataFrame, book: Codebook, block: str) -> list[str]:
    return [t for t in book.blocks.get(block, ()) if t in dyads and dyads[t].nunique() > 1]


def _interval(low: float, high: float) -> str:
    return f"{coefficient(low)} to {coefficient(high)}"


def _say_associations(s: SimpleNamespace) -> str:
    said = "; ".join(
        f"{word(term, s.book)}, {s.book.informant_label(informant).lower()} "
        f"{coefficient(e.estimate)} ({_interval(e.conf_low, e.conf_high)})"
        for term, informant, e in s.rows
    )
    return f"{word(s.analysis)}. {said}."


def _draw_associations(figure: Figure, s: SimpleNamespace) -> None:
    (ax,) = panels(figure, left=0.36, bottom=0.14, right=0.97, top=0.92)
    ax.axvspan(-0.2, 0.2, color=SHADE)
    ax.axvline(0, color=QUIET, lw=0.9)
    terms = list(dict.fromkeys(term for term, *_ in s.rows))
    for term, informant, effect in s.rows:
        style, at = look(informant), -terms.index(term) - 0.3 * (informant != "client") + 0.15
        ax.plot([effect.conf_low, effect.conf_high], [at, at], color=style.color, lw=2)
        ax.plot(effect.estimate, at, style.marker, ms=8, color=style.color, mec=INK)
    ax.set(xlim=(-0.8, 0.8), ylim=(-len(terms) + 0.4, 0.6), xlabel="Standardised association")
    ax.set_yticks(-np.arange(len(terms)), [fill(word(t, s.book), 30) for t in terms])
    ax.tick_params(axis="y", length=0)
    ax.set_title("Circles: client; diamonds: case manager", fontsize=10.5)


def _say_regression(s: SimpleNamespace) -> str:
    parts = ", ".join(
        f"{row.block} {coefficient(row.delta_r_squared, 3)}"
        for row in s.fit.itertuples(index=False)
    )
    total, n = float(s.fit["r_squared"].iloc[-1]), int(s.fit["n"].iloc[-1])
    return (
        f"{s.rating}, {s.rule}, n {n:,}: R² {coefficient(total, 3)}, of which {parts}. "
        f"Terms in the final model: {', '.join(s.words) or 'none'}."
    )


def _draw_regression(figure: Figure, s: SimpleNamespace) -> None:
    (ax,) = panels(figure, left=0.04, bottom=0.3, right=0.98, top=0.8)
    left = 0.0
    for row, style in zip(s.fit.itertuples(index=False), STEPS, strict=False):
        share = max(row.delta_r_squared, 0.0)
        ax.barh(0, share, left=left, height=0.5, color=style.color, hatch=style.hatch,
                edgecolor=INK, lw=0.6, label=row.block.capitalize())  # fmt: skip
        left += share
    ax.text(left, 0, f"  {coefficient(left)}", va="center", weight="bold")
    ax.set(xlim=(0, 0.8), ylim=(-0.5, 0.5), yticks=[], xlabel="Share of variance explained (R²)")
    ax.spines["left"].set_visible(False)
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(s.fit), borderaxespad=0.1)
