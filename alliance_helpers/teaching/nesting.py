"""Seminar, unit 5: clients share case managers. What are 201 dyads worth?"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from matplotlib.figure import Figure
from scipy import special

from ..figures.style import INK, coefficient, figure_number
from ..power import power_correlation
from .demos import Demo, Slide
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
