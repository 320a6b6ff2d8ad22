"""Seminar, unit 2: what stepwise selection finds where there is nothing."""

from __future__ import annotations

from textwrap import fill, shorten
from types import SimpleNamespace

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy import special

from ..claims.views import EVERY, regression_blocks
from ..models.inference import critical_correlation
from ..models.selection import bootstrap_selection
from ..models.stepwise import Rule, correlate, run
from ..pages.style import INK, QUIET, SHADE, coefficient, figure_number, word
from ..study.codebook import Codebook
from .demos import Choose, Demo, Slide, kept, panels

SAMPLES = 300
NEW_CLIENTS = 10_000
FOUND, MISSED = "#00594C", "#9AA5AD"
STUDY, SHUFFLED = "#4C8797", "#E07B00"
CONTROLS = {
    "candidates": Slide("Candidates, all of them noise", 5, 40, 5, 20),
    "n": Slide("Clients", 60, 600, 20, 200),
    "p_enter": Slide("p to enter", 0.01, 0.20, 0.01, 0.05),
}


@kept
def one_sample() -> Demo:
    """One study in which nothing is related to anything, and what stepwise makes of it."""
    return Demo(
        CONTROLS | {"sample": Slide("Another study (number)", 1, 50, 1, 10)},
        noise_sample,
        _say_sample,
        _draw_sample,
        "Correlation of each candidate with the outcome; the band holds those that p < .05 would "
        "not pick; selected ones are drawn dark and named, with a hollow mark for new clients.",
        3.2,
    )


@kept
def many_samples() -> Demo:
    """Hundreds of such studies: how often is something found?"""
    return Demo(
        CONTROLS, noise_samples, _say_samples, _draw_samples,
        "How many of the noise candidates stepwise selection enters, over 300 studies.", 3.2,
    )  # fmt: skip


@kept
def freedman() -> Demo:
    """Freedman's paradox: screen noise, regress again on what passed, and find a fine model."""
    return Demo(
        {
            "candidates": Slide("Candidates, all of them noise", 10, 80, 5, 50),
            "n": Slide("Clients", 100, 600, 20, 200),
            "screen": Slide("Kept if p is below", 0.05, 0.50, 0.05, 0.25),
            "sample": Slide("Another study (number)", 1, 50, 1, 1),
        },
        screened,
        _say_screened,
        _draw_screened,
        "p values of the second regression's terms against what chance alone would give.",
        3.0,
    )


@kept
def study_selection(dyads: pd.DataFrame, book: Codebook, n_boot: int = 200) -> Demo:
    """How often each of the study's variables would be selected in another sample of clients."""
    ratings = {book.informant_label(i): book.alliance_of(i) for i in book.informants}
    blocks = regression_blocks(dyads, book, blocks=EVERY)

    def compute(rating: str, p_enter: float) -> SimpleNamespace:
        table = bootstrap_selection(
            dyads, rating, blocks, n_boot=n_boot, p_enter=p_enter, p_remove=p_enter + 0.05
        )
        table = table.sort_values("inclusion", kind="stable")
        words = [word(t, book) for t in table["term"]]
        return SimpleNamespace(
            table=table, words=words, rating=word(rating, book), n=n_boot,
            edge=noise_edge(p_enter),
        )  # fmt: skip

    return Demo(
        {
            "rating": Choose("Alliance rated by", ratings, list(ratings.values())[-1]),
            "p_enter": Slide("p to enter", 0.01, 0.20, 0.01, 0.05),
        },
        compute,
        _say_inclusion,
        _draw_inclusion,
        "Share of bootstrap samples in which each variable is selected, and the same when the "
        "rating is shuffled, so that nothing is related to it; a band holds 19 of 20 noise "
        "variables.",
        4.4,
    )


def noise_edge(p_enter: float) -> float:
    """Inclusion frequency that one noise variable in twenty exceeds.

    In one study such a variable has |z| above 1.96; in bootstrap samples z scatters around that
    value with an SD of 1. Competing candidates and nesting are left out.
    """
    z, limit = special.ndtri(0.975), special.ndtri(1 - p_enter / 2)
    return float(special.ndtr(z - limit) + special.ndtr(-z - limit))


def noise_sample(candidates: int, n: int, p_enter: float, sample: int) -> SimpleNamespace:
    """Draw noise candidates and a noise outcome, and apply the stepwise rule."""
    z = np.random.default_rng([sample, candidates]).standard_normal((n, candidates + 1))
    z -= z.mean(axis=0)
    matrix = correlate((z.T @ z)[:, :, None])
    r = matrix[-1, :-1, 0].copy()
    path = run(
        matrix, np.array([n]), [np.arange(candidates)], Rule("stepwise", p_enter, p_enter + 0.05)
    )
    chosen = np.flatnonzero(path.selected[0, :, 0])
    r_squared = float(path.r_squared[0, 0])
    again, prediction = _new_clients(z[:, [*chosen, -1]], sample) if len(chosen) else ([], 0.0)
    return SimpleNamespace(
        r=r, sample=sample, chosen=chosen, r_squared=r_squared, n=n, p_enter=p_enter,
        p_value=_model_p(r_squared, len(chosen), n), limit=critical_correlation(n),
        again=again, prediction=prediction,
    )  # fmt: skip


def _new_clients(z: np.ndarray, sample: int) -> tuple[np.ndarray, float]:
    """Correlations with the outcome in new clients: those of the predictors, the prediction's."""
    slopes = np.linalg.lstsq(z[:, :-1], z[:, -1], rcond=None)[0]
    new = np.random.default_rng([1995, sample]).standard_normal((NEW_CLIENTS, z.shape[1]))
    predicted = np.column_stack([new[:, :-1], new[:, :-1] @ slopes, new[:, -1]])
    r = np.corrcoef(predicted, rowvar=False)[-1, :-1]
    return r[:-1], float(r[-1])


def noise_samples(candidates: int, n: int, p_enter: float) -> SimpleNamespace:
    """The same for 300 studies at once, drawn as cross-products (Bartlett 1933)."""
    rng, m = np.random.default_rng(1983), candidates + 1
    lower = np.tril(rng.standard_normal((SAMPLES, m, m)), -1)
    diagonal = np.arange(m)
    lower[:, diagonal, diagonal] = np.sqrt(rng.chisquare(n - 1 - diagonal, (SAMPLES, m)))
    products = np.ascontiguousarray((lower @ lower.transpose(0, 2, 1)).transpose(1, 2, 0))
    path = run(correlate(products), np.full(SAMPLES, n), [np.arange(candidates)],
               Rule("stepwise", p_enter, p_enter + 0.05))  # fmt: skip
    entered = path.selected[0].sum(axis=0)
    return SimpleNamespace(
        entered=entered, found=float((entered > 0).mean()), candidates=candidates, n=n,
        p_enter=p_enter, r_squared=float(path.r_squared[0].mean()),
    )  # fmt: skip


def screened(candidates: int, n: int, screen: float, sample: int) -> SimpleNamespace:
    """Regress noise on all candidates, keep those with small p, regress again (Freedman 1983)."""
    z = np.random.default_rng([sample, candidates]).standard_normal((n, candidates + 1))
    first, *_ = _regress(z[:, :-1], z[:, -1])
    kept = np.flatnonzero(first < screen)
    again, r_squared = _regress(z[:, kept], z[:, -1]) if len(kept) else (np.empty(0), 0.0)
    return SimpleNamespace(
        sample=sample, kept=len(kept), p=np.sort(again), r_squared=r_squared, n=n, screen=screen,
        candidates=candidates, p_value=_model_p(r_squared, len(kept), n),
    )  # fmt: skip


def _regress(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    """p values of the terms (without the intercept's) and R-squared."""
    X, y = X - X.mean(axis=0), y - y.mean()
    inverse = np.linalg.inv(X.T @ X)
    slopes = inverse @ (X.T @ y)
    left = float(y @ y - slopes @ (X.T @ y))
    df = len(y) - X.shape[1] - 1
    t = slopes / np.sqrt(left / df * np.diag(inverse))
    return 2 * special.stdtr(df, -np.abs(t)), 1 - left / float(y @ y)


def _model_p(r_squared: float, k: int, n: int) -> float:
    """p value of the overall F test, as printed under a model that was chosen beforehand."""
    if k == 0:
        return 1.0
    f = r_squared / k / ((1 - r_squared) / (n - k - 1))
    return float(special.fdtrc(k, n - k - 1, f))


def _p(p: float) -> str:
    return "p < .001" if p < 0.001 else f"p = {coefficient(p, 3)}"


def _f_to_enter(p_enter: float, n: int) -> str:
    return figure_number(special.stdtrit(n - 2, 1 - p_enter / 2) ** 2, 1)


def _say_sample(s: SimpleNamespace) -> str:
    rule = f"p to enter {coefficient(s.p_enter)} (F {_f_to_enter(s.p_enter, s.n)})"
    about = f"Study {s.sample}, {len(s.r)} noise candidates, {s.n} clients, {rule}"
    largest = f"The largest correlation is {coefficient(np.abs(s.r).max())}."
    if not len(s.chosen):
        return f"{about}: stepwise enters nothing. {largest}"
    return (
        f"{about}: stepwise enters {len(s.chosen)}, R² {coefficient(s.r_squared, 3)}, and the "
        f"printed test of the model says {_p(s.p_value)}. In {NEW_CLIENTS:,} new clients its "
        f"prediction correlates {coefficient(s.prediction)} with the outcome. {largest}"
    )


def _draw_sample(figure: Figure, s: SimpleNamespace) -> None:
    (ax,) = panels(figure, left=0.1, bottom=0.17, right=0.98, top=0.9)
    at = np.arange(1, len(s.r) + 1)
    chosen = np.isin(at - 1, s.chosen)
    ax.axhspan(-s.limit, s.limit, color=SHADE)
    ax.axhline(0, color=QUIET, lw=0.8)
    ax.vlines(at, 0, s.r, color=np.where(chosen, FOUND, MISSED), lw=2)
    ax.plot(at[~chosen], s.r[~chosen], "o", ms=5, color=MISSED)
    ax.plot(at[chosen], s.r[chosen], "D", ms=8, color=FOUND, mec=INK)
    ax.plot(at[chosen], s.again, "D", ms=7, mfc="white", mec=FOUND, mew=1.6)
    for x, r in zip(at[chosen], s.r[chosen], strict=True):
        ax.annotate(f"x{x}", (x, r), (0, 7 if r > 0 else -15), textcoords="offset points",
                    ha="center", weight="bold")  # fmt: skip
    ax.set(xlim=(0.3, len(s.r) + 0.7), ylim=(-0.45, 0.45), ylabel="Correlation with outcome")
    ax.set_xlabel("Candidate")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_title("Dark: entered by stepwise; hollow: the same in 10,000 new clients", fontsize=10.5)


def _say_samples(s: SimpleNamespace) -> str:
    return (
        f"{s.candidates} noise candidates, {s.n} clients, p to enter {coefficient(s.p_enter)}: "
        f"something is found in {100 * s.found:.0f} % of {SAMPLES} studies, on average "
        f"{figure_number(s.entered.mean(), 2)} variables with R² {coefficient(s.r_squared, 3)}."
    )


def _draw_samples(figure: Figure, s: SimpleNamespace) -> None:
    (ax,) = panels(figure, left=0.1, bottom=0.17, right=0.98, top=0.9)
    most = 8
    share = np.bincount(np.minimum(s.entered, most), minlength=most + 1) / SAMPLES * 100
    ax.bar(range(most + 1), share, color=[MISSED] + [FOUND] * most, edgecolor=INK, lw=0.6)
    for x, y in enumerate(share):
        ax.text(x, y + 1, f"{y:.0f} %", ha="center")
    ax.set(ylim=(0, 100), xlabel="Noise variables in the final model", ylabel="Studies (%)")
    ax.set_xticks(range(most + 1), [*map(str, range(most)), f"{most}+"])
    ax.set_title(f"Studies that find something: {100 * s.found:.0f} %", fontsize=10.5)


def _say_screened(s: SimpleNamespace) -> str:
    small = int((s.p < 0.05).sum())
    return (
        f"Study {s.sample}: {s.kept} of {s.candidates} noise candidates pass p < "
        f"{coefficient(s.screen)} in {s.n} clients. The second regression, on these "
        f"alone: R² {coefficient(s.r_squared, 3)}, {_p(s.p_value)}; {small} terms have p < .05."
    )


def _draw_screened(figure: Figure, s: SimpleNamespace) -> None:
    (ax,) = panels(figure, left=0.1, bottom=0.18, right=0.98, top=0.89)
    at = np.arange(1, s.kept + 1)
    colors = np.where(s.p < 0.05, FOUND, MISSED)
    ax.axhline(0.05, color=INK, lw=1, ls=(0, (4, 2)))
    ax.bar(at, s.p, color=colors, edgecolor=INK, lw=0.6)
    ax.plot(at, at / (s.kept + 1), color=SHUFFLED, lw=2)
    ax.set(xlim=(0.3, max(s.kept, 1) + 0.7), ylim=(0, 1), ylabel="p value")
    ax.set_xlabel("Terms of the second regression, sorted")
    ax.set_title("Bars: printed p (dark: below .05). Line: what noise should give", fontsize=10.5)


def _say_inclusion(s: SimpleNamespace) -> str:
    top = s.table.iloc[::-1].head(3)
    said = ", ".join(
        f"{name} {100 * row.inclusion:.0f} % (shuffled {100 * row.noise_inclusion:.0f} %)"
        for name, row in zip(s.words[::-1], top.itertuples(index=False), strict=False)
    )
    noise = s.table["noise_inclusion"].mean()
    return (
        f"{s.rating}, {s.n} bootstrap samples. Most often selected: {said}. "
        f"With the rating shuffled a variable is selected in {100 * noise:.0f} % on average; one "
        f"noise variable in twenty is selected in more than {100 * s.edge:.0f} %."
    )


def _draw_inclusion(figure: Figure, s: SimpleNamespace) -> None:
    (ax,) = panels(figure, left=0.38, bottom=0.12, right=0.97, top=0.92)
    at = np.arange(len(s.table))
    ax.axvspan(0, 100 * s.edge, color=SHADE)
    ax.hlines(at, 0, 100 * s.table["inclusion"], color=STUDY, lw=11)
    ax.plot(100 * s.table["noise_inclusion"], at, "D", ms=6, color=SHUFFLED, mec=INK)
    ax.axvline(100 * s.table["noise_inclusion"].mean(), color=INK, lw=1.2, ls=(0, (4, 2)))
    ax.set(xlim=(0, 100), ylim=(-0.6, len(at) - 0.4), xlabel="Selected in bootstrap samples (%)")
    names = [fill(shorten(w, 60, placeholder=" …"), 26) for w in s.words]
    ax.set_yticks(at, names, fontsize=9.5, linespacing=1.0)
    ax.tick_params(axis="y", length=0)
    ax.set_title("Diamonds: shuffled; shaded: 19 in 20 of noise", fontsize=10.5)
