"""Seminar, unit 3: comparing like with like, where the likeness is an effect of both things."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from matplotlib.figure import Figure

from ..figures.style import INK, QUIET, coefficient
from .demos import Demo, Slide
from .halo import favour_of, link_of, rated_study, ratings
from .keeping import kept
from .panels import panels

CLIENTS = 600
MOST = 6
# From the worst to the best own view; the ends also differ in their marks.
SHADES = ("#0B2A4A", "#33557B", "#5F7D9B", "#8FA3A5", "#C9A63C", "#F2C80F")


@kept
def own_view_held() -> Demo:
    """Clients in groups whose outcome the case manager sees alike: what do lines inside do?"""
    return Demo(
        {
            "groups": Slide("Groups with a like own view", 1, MOST, 1, 3),
            "favour": favour_of(0.6),
            "link": link_of(0.0),
        },
        grouped,
        _say,
        _draw,
        "One dot per client: alliance rated by the case manager to the right, outcome rated by "
        "somebody else upwards, shaded by the case manager's own view of the outcome; a dashed "
        "line through all clients, and a solid line through each group with a like own view.",
        4.2,
    )


def grouped(groups: int, favour: float, link: float) -> SimpleNamespace:
    """Clients of the little world, put into groups of equal size by the own view of outcome.

    Chance is taken out: over all clients the correlations are those of :func:`rated_study`.

    Returns
    -------
    SimpleNamespace
        Per client `alliance`, `other` and `group` (0 the worst own view); the correlation over
        `all` clients, `inside` the groups (each group's means taken off), and `held`, with the own
        view partialled out.
    """
    alliance, own, other = ratings(favour, link, 0.0, _without_chance())
    group = np.empty(CLIENTS, int)
    group[own.argsort()] = np.arange(CLIENTS) * groups // CLIENTS
    means = [np.bincount(group, x)[group] / np.bincount(group)[group] for x in (alliance, other)]
    expected = rated_study(favour, link, CLIENTS)
    return SimpleNamespace(
        alliance=alliance, other=other, group=group, groups=groups, favour=favour, link=link,
        all=expected.cross, held=expected.held,
        inside=np.corrcoef(alliance - means[0], other - means[1])[0, 1],
    )  # fmt: skip


def _without_chance() -> np.ndarray:
    """Five columns of normal scores with means of 0, SDs of 1 and no correlation at all."""
    drawn = np.random.default_rng(1978).standard_normal((5, CLIENTS))
    drawn -= drawn.mean(axis=1, keepdims=True)
    return np.linalg.solve(np.linalg.cholesky(np.cov(drawn, ddof=0)), drawn)


def _say(s: SimpleNamespace) -> str:
    inside = "the one group" if s.groups == 1 else f"the {s.groups} groups with a like own view"
    return (
        f"Favour {coefficient(s.favour)}, true link {coefficient(s.link)}. Correlation of alliance "
        f"with the outcome rated by somebody else: all clients together {coefficient(s.all)}; "
        f"inside {inside} {coefficient(s.inside)}; with the own view held constant "
        f"{coefficient(s.held)}."
    )


def _draw(figure: Figure, s: SimpleNamespace) -> None:
    (ax,) = panels(figure, left=0.09, bottom=0.14, right=0.98, top=0.92)
    for g in range(s.groups):
        color = SHADES[g * (MOST - 1) // (s.groups - 1)] if s.groups > 1 else SHADES[2]
        x, y = s.alliance[s.group == g], s.other[s.group == g]
        ax.plot(
            x, y, "v" if g == 0 else "^" if g == s.groups - 1 else "o", ms=4, color=color, mew=0
        )
        slope, level = np.polyfit(x, y, 1)
        ends = np.quantile(x, [0.02, 0.98])
        ax.plot(ends, level + slope * ends, color=INK, lw=4.5)
        ax.plot(ends, level + slope * ends, color=color, lw=2.5)
    ends = np.array([-3.2, 3.2])
    ax.plot(ends, s.all * ends, color=QUIET, lw=1.6, ls=(0, (5, 3)))
    ax.set(xlim=(-3.4, 3.4), ylim=(-3.4, 3.4), xticks=range(-3, 4), yticks=range(-3, 4))
    ax.set_xlabel("Alliance, rated by the case manager (SD)")
    ax.set_ylabel("Outcome, rated by another (SD)")
    ax.set_title("Dark to light: case manager's own view of outcome, worst to best", fontsize=10.5)
