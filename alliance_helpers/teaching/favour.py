"""Unit 3: halo, and what holding a view constant does."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..claims.associations import halo
from ..cohorts.simulate import simulate_dyads
from ..errors import NotEstimableError
from ..models.inference import critical_correlation
from ..pages.style import INFORMANTS, INK, QUIET, coefficient, word
from ..study.codebook import Codebook
from .demos import Choose, Demo, Slide, kept, panels

OWN, OTHERS = "Case manager's view of outcome", "Symptoms, rated by somebody else"
SAME, CROSS = INFORMANTS["case_manager"], "#1D4955"
NOT_REFUTED = "#C3CED6"
STUDIES = 300
RELIABLE = 0.7
WORLDS = {
    "the published findings": "published",
    "nothing but halo": "halo",
    "no association at all": "no_association",
}
CLIENTS = Slide("Clients", 50, 1000, 50, 200)


def favour_of(start: float) -> Slide:
    return Slide("General favour (share of variance)", 0.0, 0.8, 0.05, start)


def link_of(start: float) -> Slide:
    return Slide("True link of alliance and outcome (r)", 0.0, 0.5, 0.05, start)


@kept
def favour_and_link() -> Demo:
    """General favour and a true link: which association does each of them make?"""
    return Demo(
        {"favour": favour_of(0.4), "link": link_of(0.2), "n": CLIENTS},
        rated_study,
        _say_study,
        _draw_study,
        "Expected correlation of the case manager's alliance rating with two ratings of outcome, "
        "one by the same person and one by somebody else, with 95 % intervals around it.",
        2.4,
    )


@kept
def leaks() -> Demo:
    """Can the argument fail? The other rater knows what the case manager thinks."""
    return Demo(
        {
            "leak": Slide("Other rater follows case manager (%)", 0, 60, 5, 0),
            "favour": favour_of(0.4),
            "link": link_of(0.0),
            "n": CLIENTS,
        },
        refutations,
        _say_leaks,
        _draw_leaks,
        "Correlations of alliance with the other rater's symptoms in 300 studies; those that "
        "refute a halo by the abstract's argument are drawn dark.",
        3.0,
    )


@kept
def study_contrast(book: Codebook, scenario: str = "published", seed: int = 1995) -> Demo:
    """A study's contrast, and that of a study in which there is nothing but halo."""

    def compute(scenario: str, informant: str, seed: int) -> SimpleNamespace:
        dyads = simulate_dyads(scenario, 201, seed)
        rows = halo(dyads, book, informant, "as_published").contrast
        flip = np.where(rows["term"].isin(["symptoms", "hospital_days"]), -1, 1)
        low, high = rows["conf_low"] * flip, rows["conf_high"] * flip
        rows = rows.assign(
            estimate=rows["estimate"] * flip,
            conf_low=np.minimum(low, high),
            conf_high=np.maximum(low, high),
        )
        words = [word(t, book) for t in rows["term"]]
        return SimpleNamespace(rows=rows, words=words, scenario=scenario, seed=seed)

    informants = {book.informant_label(i): i for i in book.informants}
    own = {} if scenario in WORLDS.values() else {scenario: scenario}
    return Demo(
        {
            "scenario": Choose("What the study is drawn from", WORLDS | own, scenario),
            "informant": Choose("Alliance rated by", informants, list(book.informants)[-1]),
            "seed": Slide("Another study (number)", min(1990, seed), max(2020, seed), 1, seed),
        },
        compute,
        _say_contrast,
        _draw_contrast,
        "Associations of the alliance rating with each outcome, signs turned so that better is to "
        "the right, with 95 % intervals; ratings by the same person first.",
        3.2,
    )


def rated_study(favour: float, link: float, n: int) -> SimpleNamespace:
    """What to expect: alliance and outcome rated by one person, and outcome by somebody else.

    Parameters
    ----------
    favour : float
        Share of the variance of both ratings of the case manager that is favour.
    link : float
        Correlation of alliance and outcome apart from it.
    n : int
        Clients, for the intervals.

    Returns
    -------
    SimpleNamespace
        True correlations in the world of :func:`ratings`: `same`, `cross`, and `held`, which is
        `cross` with the own view partialled out.
    """
    seen = np.sqrt(RELIABLE)
    same = favour + (1 - favour) * link * seen
    cross = np.sqrt(1 - favour) * link * seen
    both = np.sqrt(1 - favour) * RELIABLE
    held = (cross - same * both) / np.sqrt((1 - same**2) * (1 - both**2))
    return SimpleNamespace(same=same, cross=cross, held=held, favour=favour, link=link, n=n)


def refutations(leak: int, favour: float, link: float, n: int) -> SimpleNamespace:
    """300 such studies in which the other rater follows the case manager a little."""
    drawn = np.random.default_rng(1920).standard_normal((5, STUDIES, n), np.float32)
    alliance, _, other = ratings(favour, link, leak / 100, drawn)
    r = _r(alliance, other)
    limit = critical_correlation(n)
    return SimpleNamespace(
        r=r, limit=limit, share=float((r > limit).mean()), leak=leak, favour=favour, link=link, n=n
    )


@cache
def smallest_leak(share: float = 0.5) -> int:
    """The first setting of the leak in :func:`leaks` at which more than a share refute halo."""
    demo = leaks()
    slide = demo.controls["leak"]
    for leak in range(slide.low, slide.high + 1, slide.step):
        if demo.compute(**demo.settings(leak=leak)).share > share:
            return leak
    raise NotEstimableError(f"No leak up to {slide.high} % does it.")


def ratings(
    favour: float, link: float, leak: float, drawn: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The little world: alliance, own view of outcome, another rater's view.

    `drawn` holds five arrays of independent normal scores, which become the true outcome, the
    bond, the favour, and the errors of either view.
    """
    outcome, bond, halo, own_error, other_error = drawn
    bond = link * outcome + np.sqrt(1 - link**2) * bond
    alliance = np.sqrt(1 - favour) * bond + np.sqrt(favour) * halo
    seen = np.sqrt(RELIABLE) * outcome + np.sqrt(1 - RELIABLE) * own_error
    own = np.sqrt(1 - favour) * seen + np.sqrt(favour) * halo
    other = np.sqrt(RELIABLE) * outcome + np.sqrt(1 - RELIABLE) * other_error
    return alliance, own, (1 - leak) * other + leak * own


def _r(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x = x - x.mean(axis=1, keepdims=True)
    y = y - y.mean(axis=1, keepdims=True)
    xy = np.einsum("ij,ij->i", x, y)
    return xy / np.sqrt(np.einsum("ij,ij->i", x, x) * np.einsum("ij,ij->i", y, y))


def _ends(r: float, n: float) -> tuple[float, float]:
    """Fisher's 95 % interval."""
    z, reach = np.arctanh(r), 1.959964 / np.sqrt(n - 3)
    return float(np.tanh(z - reach)), float(np.tanh(z + reach))


def _said(r: float, n: float) -> str:
    low, high = _ends(r, n)
    return f"{coefficient(r)} ({coefficient(low)} to {coefficient(high)})"


def _about(s: SimpleNamespace) -> str:
    return f"Favour {coefficient(s.favour)}, true link {coefficient(s.link)}, {s.n} clients. "


def _say_study(s: SimpleNamespace) -> str:
    return (
        f"{_about(s)}Alliance with the case manager's own view of outcome: r {_said(s.same, s.n)}; "
        f"with symptoms rated by somebody else: r {_said(s.cross, s.n)}."
    )


def _draw_study(figure: Figure, s: SimpleNamespace) -> None:
    ax = _two(figure, (OWN, OTHERS), ((s.same, s.n), (s.cross, s.n)), (SAME.color, CROSS))
    ax.set_title("The case manager's alliance rating with …", fontsize=10.5)


def _two(figure: Figure, names: tuple, values: tuple, colors: tuple) -> Axes:
    (ax,) = panels(figure, left=0.41, bottom=0.22, right=0.97, top=0.87)
    ax.axvline(0, color=QUIET, lw=0.9)
    for y, ((r, n), color) in enumerate(zip(values, colors, strict=True)):
        low, high = _ends(r, n)
        ax.plot([low, high], [-y, -y], color=INK, lw=2)
        ax.plot(r, -y, "D" if y == 0 else "o", ms=9, color=color, mec=INK)
        ax.text(r, -y + 0.2, coefficient(r), ha="center", va="bottom", weight="bold")
    ax.set(xlim=(-0.6, 1), ylim=(-1.5, 0.7), xlabel="Correlation (better outcome to the right)")
    ax.set_yticks([0, -1], names)
    ax.tick_params(axis="y", length=0)
    return ax


def _say_leaks(s: SimpleNamespace) -> str:
    return (
        f"The other rater follows the case manager by {s.leak} %. {_about(s)}"
        f"Halo counts as refuted in {100 * s.share:.0f} % of {STUDIES} studies (r above "
        f"{coefficient(s.limit)}); the mean correlation is {coefficient(s.r.mean(), 3)}."
    )


def _draw_leaks(figure: Figure, s: SimpleNamespace) -> None:
    (ax,) = panels(figure, left=0.1, bottom=0.18, right=0.98, top=0.88)
    edges = np.arange(-0.4, 0.81, 0.04)
    every, dark = (np.histogram(r, edges)[0] for r in (s.r, s.r[s.r > s.limit]))
    look = {"fill": True, "ec": INK, "lw": 0.6}
    ax.stairs(every, edges, baseline=every - dark, fc=CROSS, **look)
    ax.stairs(every - dark, edges, fc=NOT_REFUTED, **look)
    ax.axvline(s.limit, color=INK, lw=1.2, ls=(0, (4, 2)))
    ax.set(xlim=(-0.4, 0.8), ylim=(0, 160), ylabel="Studies")
    ax.set_xlabel("Correlation of alliance with the other rater's symptoms (better to the right)")
    ax.set_title(f'Dark: p < .05, halo "refuted": {100 * s.share:.0f} %', fontsize=10.5)


def _say_contrast(s: SimpleNamespace) -> str:
    said: dict[str, list[str]] = {"Same rater": [], "Somebody else": []}
    for name, row in zip(s.words, s.rows.itertuples(index=False), strict=True):
        key = "Same rater" if row.rater == row.informant else "Somebody else"
        said[key].append(f"{name} {coefficient(row.estimate)}")
    parts = ". ".join(f"{key}: {', '.join(values)}" for key, values in said.items())
    return f"Scenario {s.scenario}, study {s.seed}, better outcome positive. {parts}."


def _draw_contrast(figure: Figure, s: SimpleNamespace) -> None:
    (ax,) = panels(figure, left=0.36, bottom=0.17, right=0.97, top=0.9)
    ax.axvline(0, color=QUIET, lw=0.9)
    for y, row in enumerate(s.rows.itertuples(index=False)):
        same = row.rater == row.informant
        ax.plot([row.conf_low, row.conf_high], [-y, -y], color=INK, lw=2)
        ax.plot(row.estimate, -y, "D" if same else "o", ms=9, mec=INK,
                color=SAME.color if same else CROSS)  # fmt: skip
    ax.set(xlim=(-0.5, 0.9), ylim=(-len(s.rows) + 0.4, 0.6))
    ax.set_xlabel("Association with alliance (better outcome to the right)")
    ax.set_yticks(-np.arange(len(s.rows)), s.words)
    ax.tick_params(axis="y", length=0)
    ax.set_title("Diamonds: same rater; dots: somebody else", fontsize=10.5)


CLIENTS_HELD = 600
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
    group = np.empty(CLIENTS_HELD, int)
    group[own.argsort()] = np.arange(CLIENTS_HELD) * groups // CLIENTS_HELD
    means = [np.bincount(group, x)[group] / np.bincount(group)[group] for x in (alliance, other)]
    expected = rated_study(favour, link, CLIENTS_HELD)
    return SimpleNamespace(
        alliance=alliance, other=other, group=group, groups=groups, favour=favour, link=link,
        all=expected.cross, held=expected.held,
        inside=np.corrcoef(alliance - means[0], other - means[1])[0, 1],
    )  # fmt: skip


def _without_chance() -> np.ndarray:
    """Five columns of normal scores with means of 0, SDs of 1 and no correlation at all."""
    drawn = np.random.default_rng(1978).standard_normal((5, CLIENTS_HELD))
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
