"""Seminar, unit 4: what a null result says, and what it does not."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import special

from ..claims.views import COVARIATES, KAPPAS, days_data
from ..errors import ParameterError
from ..models.counts import count_regression
from ..models.inference import (
    bayes_factor_correlation,
    critical_correlation,
    detectable_correlation,
    equivalence,
    equivalence_correlation,
    power_correlation,
)
from ..pages.style import INFORMANTS, INK, QUIET, SHADE, coefficient, figure_number, p_words, word
from ..study.codebook import Codebook
from .demos import Choose, Demo, Slide, kept, panels

LINE, MARK = "#1D4955", "#E07B00"
CLIENTS = Slide("Dyads that count as independent", 20, 600, 5, 200)


@kept
def power_of() -> Demo:
    """What a study of this size could have seen."""

    def compute(rho: float, n: int, alpha: float) -> SimpleNamespace:
        grid = np.linspace(0, 0.5, 51)
        return SimpleNamespace(
            rho=rho, n=n, alpha=alpha, grid=grid,
            curve=[power_correlation(r, n, alpha) for r in grid],
            power=power_correlation(rho, n, alpha), critical=critical_correlation(n, alpha),
            detectable=detectable_correlation(n, 0.80, alpha),
        )  # fmt: skip

    return Demo(
        {
            "rho": Slide("True correlation", 0.0, 0.5, 0.05, 0.2),
            "n": CLIENTS,
            "alpha": Slide("Level of the test", 0.01, 0.20, 0.01, 0.05),
        },
        compute,
        _say_power,
        _draw_power,
        "Power of the test over the size of the true correlation.",
        3.0,
    )


@kept
def equivalent() -> Demo:
    """Not different, equivalent, or undecided: the interval against the bounds."""

    def compute(r: float, n: int, bound: float) -> SimpleNamespace:
        test = equivalence_correlation(r, n, bound).iloc[0]
        reach = special.ndtri(0.975) / np.sqrt(n - 3)
        wide = np.tanh(np.arctanh(r) - reach), np.tanh(np.arctanh(r) + reach)
        return SimpleNamespace(
            r=r, n=n, bound=bound, wide=wide, narrow=(test["conf_low"], test["conf_high"]),
            p=test["p_value"], verdict=verdict(wide, test["equivalent"]),
        )  # fmt: skip

    return Demo(
        {
            "r": Slide("Observed correlation", -0.40, 0.40, 0.02, 0.06),
            "n": CLIENTS,
            "bound": Slide("Smallest that would matter (bound)", 0.05, 0.40, 0.05, 0.20),
        },
        compute,
        _say_equivalent,
        _draw_equivalent,
        "An estimate with its 95 % interval (thin) and 90 % interval (thick) against the bounds, "
        "which are shaded between.",
        2.2,
    )


@kept
def bayes_of() -> Demo:
    """How the evidence for nothing depends on what one expected."""

    def compute(r: float, n: int, kappa: float) -> SimpleNamespace:
        widths = np.geomspace(KAPPAS[0], KAPPAS[-1], 40)
        curve = [np.exp(-bayes_factor_correlation(r, n, k, log=True)) for k in widths]
        at = np.exp(-bayes_factor_correlation(r, n, kappa, log=True))
        return SimpleNamespace(r=r, n=n, kappa=kappa, widths=widths, curve=curve, bf01=at)

    return Demo(
        {
            "r": Slide("Observed correlation", -0.40, 0.40, 0.02, 0.00),
            "n": CLIENTS,
            "kappa": Slide("Width of the prior (kappa)", 0.1, 2.0, 0.1, 1.0),
        },
        compute,
        _say_bayes,
        _draw_bayes,
        "Left: what the prior expects of the correlation. Right: Bayes factor for no association "
        "over the width of the prior.",
        2.9,
    )


@kept
def hospital(
    dyads: pd.DataFrame,
    book: Codebook,
    days: str = "hospital_days",
    adjust: tuple[str, ...] = COVARIATES,
) -> Demo:
    """The study's own null result: hospital days per SD of an alliance rating.

    `adjust` names the covariates, as claims do under `days_adjusted_for`; a study that has none of
    them gets no switch for them.

    Raises
    ------
    ParameterError
        The dyads have no column `days`.
    """
    if days not in dyads:
        raise ParameterError(f"The data have no column {days!r}; name your count in `days`.")
    covariates = ", ".join(word(a, book) for a in adjust if a in dyads)

    def compute(bound: float, adjusted: bool = True) -> SimpleNamespace:
        return SimpleNamespace(
            rows=[fitted(informant, bound, adjusted) for informant in book.informants],
            bound=bound, count=word(days, book),
            given=covariates if adjusted and covariates else "nothing",
        )  # fmt: skip

    def fitted(informant: str, bound: float, adjusted: bool) -> SimpleNamespace:
        data, predictors, cluster = days_data(dyads, book, informant, days, adjust)
        terms = predictors if adjusted else predictors[:1]
        model = count_regression(data, days, terms, cluster=cluster)
        row = model.coefficients.set_index("term").loc["alliance"]
        limit = np.log(bound)
        test = equivalence(row["estimate"], row["std_error"], -limit, limit, row["df"]).iloc[0]
        wide = np.exp([row["conf_low"], row["conf_high"]])
        return SimpleNamespace(
            rr=np.exp(row["estimate"]), wide=wide, p=row["p_value"], informant=informant,
            narrow=np.exp([test["conf_low"], test["conf_high"]]),
            verdict=verdict(np.log(wide), test["equivalent"], "one (no effect)"),
            label=book.informant_label(informant),
        )  # fmt: skip

    controls = {"bound": Slide("Rate ratio that would matter", 1.05, 2.00, 0.05, 1.25)}
    if covariates:
        both = {"the covariates": True, "nothing": False}
        controls["adjusted"] = Choose("Adjusted for", both, True)
    return Demo(
        controls,
        compute,
        _say_hospital,
        _draw_hospital,
        f"{word(days, book)}: rate ratio per SD of each alliance rating with its 95 % interval "
        "(thin) and 90 % interval (thick), on a logarithmic axis; the bounds are shaded between.",
        2.6,
    )


def verdict(wide, equivalent: bool, nothing: str = "zero") -> str:
    """In words: what the 95 % interval and the equivalence test say together.

    Equivalence is looked at first: an effect can differ from zero and be too small to matter.
    """
    differs = wide[0] > 0 or wide[1] < 0
    if equivalent:
        small = f"different from {nothing}, but too small to matter"
        return small if differs else f"equivalent to {nothing}"
    return f"different from {nothing}" if differs else "inconclusive"


def _say_power(s: SimpleNamespace) -> str:
    return (
        f"{s.n} independent dyads, level {coefficient(s.alpha)}: a true correlation of "
        f"{coefficient(s.rho)} is found with probability {coefficient(s.power, 3)}. "
        f"Significant are observed ones beyond ±{coefficient(s.critical, 3)}; power .80 is reached "
        f"at a true one of {coefficient(s.detectable, 3)}."
    )


def _draw_power(figure: Figure, s: SimpleNamespace) -> None:
    (ax,) = panels(figure, left=0.1, bottom=0.18, right=0.98, top=0.9)
    ax.plot(s.grid, s.curve, color=LINE, lw=2.2)
    ax.axhline(0.8, color=QUIET, lw=0.8, ls=(0, (1, 2)))
    ax.plot([s.rho, s.rho, 0], [0, s.power, s.power], color=MARK, lw=1.4, ls=(0, (4, 2)))
    ax.plot(s.rho, s.power, "D", ms=9, color=MARK, mec=INK)
    ax.set(xlim=(0, 0.5), ylim=(0, 1.03), xlabel="True correlation", ylabel="Power")
    ax.set_title("Diamond: the correlation chosen; dotted: power .80", fontsize=10.5)


def _interval(low: float, high: float, form=coefficient) -> str:
    return f"{form(low)} to {form(high)}"


def _say_equivalent(s: SimpleNamespace) -> str:
    p = "p < .001" if s.p < 0.001 else f"p = {coefficient(s.p, 3)}"
    return (
        f"r = {coefficient(s.r)} with {s.n} dyads: 95 % interval {_interval(*s.wide)}, 90 % "
        f"interval {_interval(*s.narrow)}. Equivalence within ±{coefficient(s.bound)}: {p}. "
        f"Verdict: {s.verdict}."
    )


def _draw_equivalent(figure: Figure, s: SimpleNamespace) -> None:
    (ax,) = panels(figure, left=0.04, bottom=0.25, right=0.98, top=0.84)
    _band(ax, -s.bound, s.bound, 0)
    _bar(ax, s.r, s.wide, s.narrow)
    ax.set_title(f"Verdict: {s.verdict}", fontsize=10.5)
    ax.set(xlim=(-0.7, 0.7), xlabel="Correlation")


def _say_bayes(s: SimpleNamespace) -> str:
    towards = "no association" if s.bf01 >= 1 else "an association"
    odds = max(s.bf01, 1 / s.bf01)
    return (
        f"r = {coefficient(s.r)} with {s.n} dyads, kappa {figure_number(s.kappa, 1)}: the data are "
        f"{figure_number(odds, 1)} times likelier under {towards} "
        f"(BF01 = {figure_number(s.bf01, 2)})."
    )


def _draw_bayes(figure: Figure, s: SimpleNamespace) -> None:
    left, right = panels(
        figure, (1, 1.25), left=0.08, bottom=0.19, right=0.97, top=0.89, wspace=0.3
    )
    rho, a = np.linspace(-0.995, 0.995, 200), 1 / s.kappa
    density = (1 - rho**2) ** (a - 1) / (np.exp(special.betaln(a, a)) * 2 ** (2 * a - 1))
    left.fill_between(rho, density, color="#D5E5EA")
    left.plot(rho, density, color=LINE, lw=2)
    left.axvline(s.r, color=MARK, lw=2, ls=(0, (4, 2)))
    left.set(xlim=(-1, 1), ylim=(0, 2.2), yticks=[], xlabel="Correlation")
    left.set_title("Prior; dashed: observed", fontsize=10.5)
    right.plot(s.widths, s.curve, color=LINE, lw=2.2)
    right.plot(s.kappa, s.bf01, "D", ms=9, color=MARK, mec=INK)
    right.axhline(1, color=QUIET, lw=0.9)
    if right.get_xscale() != "log":
        right.set(xscale="log", yscale="log")
        right.minorticks_off()
    marks = {0.01: "1/100", 0.1: "1/10", 1 / 3: "1/3", 1: "1", 3: "3", 10: "10", 30: "30"}
    right.set(xlim=(0.09, 2.2), ylim=(0.008, 40), xlabel="Width of the prior (kappa)")
    right.set_yticks(list(marks), list(marks.values()))
    right.set_xticks([0.1, 1 / 3, 1, 2], ["0.1", "1/3", "1", "2"])
    right.set_title("BF01: above 1 for no association", fontsize=10.5)


def _say_hospital(s: SimpleNamespace) -> str:
    form = figure_number
    said = [
        f"{row.label}: rate ratio {form(row.rr)} per SD of alliance, 95 % interval "
        f"{_interval(*row.wide, form)}, 90 % interval {_interval(*row.narrow, form)}, "
        f"{p_words(row.p)}; verdict: {row.verdict}."
        for row in s.rows
    ]
    bounds = f"Bounds {form(1 / s.bound)} to {form(s.bound)}."
    return " ".join([*said, f"Adjusted for: {s.given}.", bounds])


def _draw_hospital(figure: Figure, s: SimpleNamespace) -> None:
    (ax,) = panels(figure, left=0.04, bottom=0.21, right=0.98, top=0.97)
    _band(ax, -np.log(s.bound), np.log(s.bound), 0)
    for y, row in enumerate(s.rows):
        _bar(ax, np.log(row.rr), np.log(row.wide), np.log(row.narrow), row.informant, y)
        ax.text(-0.76, y - 0.3, f"{row.label}: {row.verdict}", fontsize=10.5)
    marks = np.array([0.5, 0.67, 0.8, 1, 1.25, 1.5, 2])
    ax.set(xlim=(-0.78, 0.78), xlabel=f"{s.count}: rate ratio per SD of alliance")
    ax.set_ylim(len(s.rows) - 0.6, -0.65)
    ax.set_xticks(np.log(marks), [f"{m:g}" for m in marks])


def _band(ax, low: float, high: float, nothing: float) -> None:
    ax.axvspan(low, high, color=SHADE)
    ax.axvline(nothing, color=QUIET, lw=0.9)
    ax.set(ylim=(-1, 1), yticks=[])
    ax.spines["left"].set_visible(False)


def _bar(ax, at: float, wide, narrow, informant: str = "client", y: float = 0) -> None:
    look = INFORMANTS[informant]
    ax.plot(wide, [y, y], color=look.color, lw=1.6)
    ax.plot(narrow, [y, y], color=look.color, lw=5, solid_capstyle="butt")
    ax.plot(at, y, look.marker, ms=11, color=look.color, mec=INK)
