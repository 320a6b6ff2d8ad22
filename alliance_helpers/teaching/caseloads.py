"""Unit 5: case managers, not clients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import fill, shorten
from types import SimpleNamespace

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import special

from ..claims import verdicts
from ..claims.evidence import relate
from ..claims.verdicts import Effect
from ..errors import NotEstimableError
from ..models.design import standardise
from ..models.inference import power_correlation
from ..models.nesting import effective_n
from ..pages.printing import PrettyTable, pretty
from ..pages.style import INK, QUIET, SHADE, coefficient, figure_number, word
from ..study.codebook import Codebook
from .demos import Choose, Demo, Slide, kept, panels

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


BOUND = 0.20
WAYS = {"a mixed model": "nested", "errors only (CR2)": "nested_cr2"}


@dataclass(frozen=True)
class Widened:
    """One association with dyads as independent, and with case managers respected in two ways.

    `size` is the row of :func:`alliance_helpers.nesting.effective_n`.
    """

    name: str
    independent: Effect
    respected: Mapping[str, Effect]
    size: pd.Series

    @property
    def share(self) -> float:
        """Part of the variable's variance that belongs to the case manager."""
        return float(self.size["icc_x"])

    @property
    def expected(self) -> float:
        """How many times as wide the two shares let one expect the interval."""
        return float(np.sqrt(self.size["design_effect"]))

    def wider(self, way: str) -> float:
        """How many times as wide the interval is."""
        return _width(self.respected[way]) / _width(self.independent)


@kept
def study_nested(dyads: pd.DataFrame, book: Codebook) -> Demo:
    """All associations of the study, ordered by what the case manager holds of the variable."""
    if not book.case_manager:
        raise NotEstimableError("the study does not say who the case managers are")
    blocks = [*book.blocks["treatment"], *book.blocks["outcome"]]
    terms = [t for t in blocks if t in dyads and dyads[t].nunique() > 2]
    found = {i: _all_widened(dyads, book, terms, i) for i in book.informants}
    start = list(book.informants)[-1]
    common = [t for t in found[start] if all(t in rows for rows in found.values())]
    if not common:
        raise NotEstimableError("no association can be estimated with case managers respected")

    def compute(term: str, informant: str, way: str) -> SimpleNamespace:
        rows = found[informant]
        return SimpleNamespace(
            chosen=list(rows).index(term), rows=list(rows.values()), way=way,
            rating=book.informant_label(informant),
        )  # fmt: skip

    informants = {book.informant_label(i): i for i in book.informants}
    return Demo(
        {
            "term": Choose("Alliance with", {word(t, book): t for t in common}, common[0]),
            "informant": Choose("Alliance rated by", informants, start),
            "way": Choose("Case managers respected by", WAYS, "nested"),
        },
        compute,
        _say,
        _draw,
        "A row for each variable, from the one that belongs to the case manager most to the one "
        "that does least. Left: the case manager's share of it; middle: its association with "
        "alliance, dyads taken as independent and case managers respected, with 95 % intervals; "
        "right: how many times as wide the second interval is, and a tick for what the shares let "
        "one expect. The chosen row is shaded.",
        1.35 + 0.33 * len(common),
    )


def widened(
    dyads: pd.DataFrame, book: Codebook, term: str, informant: str = "case_manager"
) -> Widened:
    """One association by the slope of standardised values, so that widths can be compared."""
    rating = book.alliance_of(informant)
    part = dyads[[rating, term, book.case_manager]].dropna()
    groups = pd.factorize(part[book.case_manager])[0]
    y, x = standardise(part[[rating, term]].to_numpy(float)).T
    n, r = len(y), float(y @ x) / (len(y) - 1)
    error = np.sqrt((1 - r**2) / (n - 2))
    return Widened(
        word(term, book),
        verdicts.slope(r, error, n - 2, n, -BOUND, BOUND),
        {way: relate(y, x, groups, way, BOUND) for way in WAYS.values()},
        effective_n(x, y, groups).iloc[0],
    )


def _all_widened(
    dyads: pd.DataFrame, book: Codebook, terms: list[str], informant: str
) -> dict[str, Widened]:
    """Every association that can be estimated, the largest share first."""
    rows = {}
    for term in terms:
        try:
            rows[term] = widened(dyads, book, term, informant)
        except NotEstimableError:  # of a user's study: the picture shows the others
            continue
    return dict(sorted(rows.items(), key=lambda item: -round(item[1].share, 9)))


def _width(effect: Effect) -> float:
    return effect.conf_high - effect.conf_low


def _said(effect: Effect) -> str:
    low, high = coefficient(effect.conf_low), coefficient(effect.conf_high)
    return f"{coefficient(effect.estimate)} ({low} to {high})"


def _say(s: SimpleNamespace) -> str:
    row, size = s.rows[s.chosen], s.rows[s.chosen].size
    every = ", ".join(figure_number(r.wider(s.way)) for r in s.rows)
    return (
        f"{s.rating}: alliance with {row.name}. Case managers hold {coefficient(size['icc_y'])} "
        f"of the rating and {coefficient(row.share)} of the variable. {word('as_published')}: "
        f"{_said(row.independent)}. {word(s.way)}: {_said(row.respected[s.way])}, "
        f"{figure_number(row.wider(s.way))} times as wide (the shares let one expect "
        f"{figure_number(row.expected)}). All rows from the top: {every}. {size['n']:.0f} dyads of "
        f"{size['n_groups']:.0f} case managers, worth {size['n_effective']:.0f} independent ones."
    )


def _draw(figure: Figure, s: SimpleNamespace) -> None:
    inch = 1 / figure.get_figheight()
    shares, effects, times = panels(
        figure, (1, 2.1, 1.35), left=0.275, bottom=0.5 * inch, right=0.98, top=1 - 0.62 * inch,
        wspace=0.13,
    )  # fmt: skip
    at = -np.arange(len(s.rows))
    for ax in (shares, effects, times):
        ax.axhspan(-s.chosen - 0.5, -s.chosen + 0.5, color=SHADE)
        ax.set(ylim=(at[-1] - 0.55, 0.55), yticks=[])
    shares.barh(at, [r.share for r in s.rows], 0.55, color="#93BAC6", edgecolor=INK, lw=0.6)
    names = [fill(shorten(r.name, 44, placeholder=" …"), 24) for r in s.rows]
    shares.set_yticks(at, names, fontsize=9.5, linespacing=1.0)
    shares.tick_params(axis="y", length=0)
    shares.set(xlim=(0, 1.02), xlabel="Share")
    shares.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
    shares.set_title("Share of the\ncase manager", fontsize=10)
    _intervals(effects, at + 0.17, [r.independent for r in s.rows], NAIVE, "D", "Dyads independent")
    respected = [r.respected[s.way] for r in s.rows]
    _intervals(effects, at - 0.17, respected, RESPECTFUL, "o", "Case managers respected")
    effects.axvline(0, color=QUIET, lw=0.9)
    effects.set(xlim=(-0.75, 0.75), xlabel="Association")
    effects.set_xticks([-0.5, 0, 0.5], ["−.5", "0", ".5"])
    effects.legend(
        loc="lower left", bbox_to_anchor=(-0.02, 1), borderaxespad=0.1, handletextpad=0.4,
        labelspacing=0.2,
    )  # fmt: skip
    wider = np.array([r.wider(s.way) for r in s.rows])
    times.axvline(1, color=QUIET, lw=0.9)
    times.hlines(at, 1, wider, color=RESPECTFUL, lw=2.2)
    times.plot(wider, at, "o", ms=7, color=RESPECTFUL, mec=INK)
    times.plot([r.expected for r in s.rows], at, "|", ms=13, mew=2, color=INK)
    times.set(xlim=(0.5, max(2.3, 1.05 * wider.max())), xlabel="Times as wide")
    times.set_title("Interval (tick:\nby the shares)", fontsize=10)


def _intervals(ax, at, effects: list[Effect], color: str, marker: str, label: str) -> None:
    ax.hlines(at, [e.conf_low for e in effects], [e.conf_high for e in effects], color=color, lw=2)
    ax.plot([e.estimate for e in effects], at, marker, ms=5, color=color, mec=INK, mew=0.6,
            label=label)  # fmt: skip


def mean_squares(y: pd.Series, groups: pd.Series) -> PrettyTable:
    """One-way analysis of variance with what the intraclass correlation is made of.

    Returns
    -------
    PrettyTable
        A row between and a row within groups: `source df mean_square`. The caption gives the
        numbers of rows and groups, and s0, the mean group size as the formula needs it.
    """
    sizes, means = (y.groupby(groups).agg(how).to_numpy(float) for how in ("count", "mean"))
    n, J = int(sizes.sum()), len(sizes)
    between = float(sizes @ (means - y.mean()) ** 2)
    total = float(((y - y.mean()) ** 2).sum())
    s0 = (n - (sizes**2).sum() / n) / (J - 1)
    rows = [
        ("between case managers, MSb", J - 1, between / (J - 1)),
        ("within case managers, MSw", n - J, (total - between) / (n - J)),
    ]
    return pretty(
        pd.DataFrame(rows, columns=["source", "df", "mean_square"]),
        caption=f"{n} dyads of {J} case managers; s0 = {figure_number(s0, 2)}",
    )
