"""Seminar, unit 5: clients share case managers. What are 201 dyads worth?"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import special

from ..codebook import Codebook
from ..figures.style import INK, QUIET, SHADE, coefficient, figure_number, word
from ..judging.analyses import ANALYSES, standardise
from ..nesting import effective_n
from ..power import power_correlation
from ..views import alliance_of
from .demos import Choose, Demo, Slide
from .keeping import kept
from .panels import panels

COHORTS = 300
NAIVE, RESPECTFUL = "#E07B00", "#1F4E8C"
MANAGERS = Slide("Case managers", 10, 100, 5, 45)
CASELOAD = Slide("Clients of each", 2, 12, 1, 5)


@kept
def worth() -> Demo:
    """How many independent dyads nested ones are worth."""

    def compute(managers: int, caseload: int, share: float, predictor: float) -> SimpleNamespace:
        n = managers * caseload
        effect = 1 + (caseload - 1) * share * predictor
        rng = np.random.default_rng(45)
        level = rng.standard_normal(managers)
        y = np.sqrt(share) * level + np.sqrt(1 - share) * rng.standard_normal((caseload, managers))
        return SimpleNamespace(
            n=n, managers=managers, share=share, predictor=predictor, effect=effect,
            worth=n / effect, y=y, level=level, power=power_correlation(0.2, n / effect),
        )  # fmt: skip

    return Demo(
        {
            "managers": MANAGERS,
            "caseload": CASELOAD,
            "share": Slide("Case manager's share: rating", 0.0, 0.9, 0.05, 0.3),
            "predictor": Slide("Case manager's share: predictor", 0.0, 1.0, 0.1, 1.0),
        },
        compute,
        _say_worth,
        _draw_worth,
        "Ratings of each case manager's clients in a column, columns sorted by their mean; the "
        "more a column keeps together, the less a further client adds.",
        3.2,
    )


@kept
def false_alarms() -> Demo:
    """How often two tests find an association that is not there."""
    return Demo(
        {
            "managers": MANAGERS,
            "caseload": CASELOAD,
            "share": Slide("Case manager's share: rating", 0.0, 0.9, 0.05, 0.3),
        },
        unrelated_cohorts,
        _say_alarms,
        _draw_alarms,
        "p values of 300 cohorts in which the case managers' age and the rating are unrelated: "
        "counting clients, and counting case managers.",
        3.0,
    )


@kept
def study_nested(dyads: pd.DataFrame, book: Codebook) -> Demo:
    """The study's associations, with dyads as independent and with case managers respected."""
    rating = alliance_of(book, "case_manager")
    blocks = [*book.blocks["treatment"], *book.blocks["outcome"]]
    terms = {word(t, book): t for t in blocks if t in dyads and dyads[t].nunique() > 2}

    def compute(term: str, informant: str) -> SimpleNamespace:
        return nested_rows(dyads, book, term, informant)

    informants = {book.informant_label(i): i for i in book.informants}
    first = next(iter(terms.values()))
    return Demo(
        {
            "term": Choose("Alliance with", terms, first),
            "informant": Choose("Alliance rated by", informants, list(book.informants)[-1]),
        },
        compute,
        _say_nested,
        _draw_nested,
        f"Association with {word(rating, book)} by three analyses, each with its 95 % interval; "
        "associations within ±.20 are shaded.",
        2.5,
    )


def nested_rows(
    dyads: pd.DataFrame, book: Codebook, term: str, informant: str = "case_manager"
) -> SimpleNamespace:
    """One association by every analysis, and the number of independent dyads behind it."""
    rating = alliance_of(book, informant)
    part = dyads[[rating, term, book.case_manager]].dropna()
    groups = pd.factorize(part[book.case_manager])[0]
    y, x = standardise(part[[rating, term]].to_numpy(float)).T
    rows = {name: analysis.pair(y, x, groups, 0.20) for name, analysis in ANALYSES.items()}
    size = effective_n(x, y, groups).iloc[0]
    label = f"{book.informant_label(informant)}: alliance with {word(term, book)}"
    return SimpleNamespace(rows=rows, size=size, label=label)


def unrelated_cohorts(managers: int, caseload: int, share: float) -> SimpleNamespace:
    """300 cohorts in which a case manager's age has nothing to do with the rating."""
    rng = np.random.default_rng(201)
    age = rng.standard_normal((COHORTS, managers), np.float32)
    level = np.sqrt(share) * rng.standard_normal((COHORTS, managers), np.float32)
    spread = np.sqrt(1 - share)
    rest = spread * rng.standard_normal((COHORTS, caseload, managers), np.float32)
    y = (level[:, None, :] + rest).reshape(COHORTS, -1)
    naive = _p_of_r(np.tile(age, caseload), y)
    means = y.reshape(COHORTS, caseload, managers).mean(axis=1)
    return SimpleNamespace(
        naive=naive,
        means=_p_of_r(age, means),
        managers=managers,
        n=managers * caseload,
        share=share,
    )


def _p_of_r(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Two-sided p of the correlation of each row."""
    x = x - x.mean(axis=1, keepdims=True)
    y = y - y.mean(axis=1, keepdims=True)
    r = (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    df = x.shape[1] - 2
    return 2 * special.stdtr(df, -np.abs(r * np.sqrt(df / (1 - r**2))))


def _say_worth(s: SimpleNamespace) -> str:
    return (
        f"{s.n} clients of {s.managers} case managers, shares {coefficient(s.share)} of the rating "
        f"and {coefficient(s.predictor)} of the predictor: design effect "
        f"{figure_number(s.effect, 2)}, worth {figure_number(s.worth, 0)} independent dyads. "
        f"Power for r = .20: {coefficient(s.power)} instead of "
        f"{coefficient(power_correlation(0.2, s.n))}."
    )


def _draw_worth(figure: Figure, s: SimpleNamespace) -> None:
    (ax,) = panels(figure, left=0.09, bottom=0.17, right=0.98, top=0.9)
    means = s.y.mean(axis=0)
    order = np.argsort(means)
    at = np.tile(np.arange(1, s.managers + 1), (len(s.y), 1))
    ax.plot(at.ravel(), s.y[:, order].ravel(), "o", ms=3.6, color="#3C4A54", alpha=0.5, mew=0)
    ax.plot(at[0], means[order], "_", ms=9, mew=2.2, color=NAIVE)
    ax.set(xlim=(0, s.managers + 1), ylim=(-4, 4), ylabel="Rating (SD units)")
    ax.set_xlabel("Case managers, sorted by their mean (bars)")
    ax.set_title(f"{s.n} clients are worth {s.worth:.0f}", fontsize=10.5)


def _say_alarms(s: SimpleNamespace) -> str:
    naive, means = (100 * float((p < 0.05).mean()) for p in (s.naive, s.means))
    return (
        f"{s.n} clients of {s.managers} case managers, who hold {coefficient(s.share)} of the "
        f"rating; nothing is related. Counting clients, p < .05 in {naive:.1f} % of {COHORTS} "
        f"cohorts; counting case managers, in {means:.1f} %."
    )


def _draw_alarms(figure: Figure, s: SimpleNamespace) -> None:
    left, right = panels(figure, (1, 1), left=0.09, bottom=0.18, right=0.98, top=0.89, wspace=0.16)
    edges = np.arange(0, 1.01, 0.05)
    for ax, p, color, name in (
        (left, s.naive, NAIVE, "Counting clients"),
        (right, s.means, RESPECTFUL, "Counting case managers"),
    ):
        heights = np.histogram(p, edges)[0] / COHORTS * 100
        ax.stairs(heights, edges, fill=True, fc=color, ec=INK, lw=0.6)
        ax.stairs(heights[:1], edges[:2], fill=True, fc=color, ec=INK, lw=0.6, hatch="////")
        ax.axhline(5, color=INK, lw=1, ls=(0, (4, 2)))
        ax.set(xlim=(0, 1), ylim=(0, 70), xlabel="p value")
        ax.set_title(f"{name}: {heights[0]:.0f} % below .05", fontsize=10.5)
    left.set_ylabel("Cohorts (%)")


def _say_nested(s: SimpleNamespace) -> str:
    said = "; ".join(
        f"{word(name)} {coefficient(e.estimate)} ({coefficient(e.conf_low)} to "
        f"{coefficient(e.conf_high)})"
        for name, e in s.rows.items()
    )
    return (
        f"{s.label}. {said}. {s.size['n']:.0f} dyads of {s.size['n_groups']:.0f} case managers, "
        f"worth {s.size['n_effective']:.0f} independent ones."
    )


def _draw_nested(figure: Figure, s: SimpleNamespace) -> None:
    (ax,) = panels(figure, left=0.36, bottom=0.22, right=0.97, top=0.88)
    ax.axvspan(-0.2, 0.2, color=SHADE)
    ax.axvline(0, color=QUIET, lw=0.9)
    for at, (name, effect) in enumerate(s.rows.items()):
        color = NAIVE if name == "as_published" else RESPECTFUL
        ax.plot([effect.conf_low, effect.conf_high], [-at, -at], color=color, lw=2.2)
        ax.plot(effect.estimate, -at, "D" if at == 0 else "o", ms=9, color=color, mec=INK)
    ax.set(xlim=(-0.75, 0.75), ylim=(-len(s.rows) + 0.4, 0.6), xlabel="Standardised association")
    ax.set_yticks(-np.arange(len(s.rows)), [word(name) for name in s.rows])
    ax.tick_params(axis="y", length=0)
    ax.set_title("Shaded: too small to matter", fontsize=10.5)


def mean_squares(y: pd.Series, groups: pd.Series) -> pd.DataFrame:
    """One-way analysis of variance with what the intraclass correlation is made of.

    Returns
    -------
    DataFrame, one row
        `n n_groups ms_between ms_within s0`, s0 the mean group size as the formula needs it.
    """
    sizes, means = (y.groupby(groups).agg(how).to_numpy(float) for how in ("count", "mean"))
    n, J = sizes.sum(), len(sizes)
    between = float(sizes @ (means - y.mean()) ** 2)
    total = float(((y - y.mean()) ** 2).sum())
    return pd.DataFrame(
        {
            "n": [int(n)],
            "n_groups": [J],
            "ms_between": [between / (J - 1)],
            "ms_within": [(total - between) / (n - J)],
            "s0": [(n - (sizes**2).sum() / n) / (J - 1)],
        }
    )
