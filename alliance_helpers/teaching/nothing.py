"""Units 2 and 4: what is found where there is nothing, and what it says that nothing was found."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from scipy import special, stats

from ..claims import verdicts
from ..claims.verdicts import Effect
from ..claims.views import COVARIATES, EVERY, KAPPAS, days_data, regression_blocks
from ..errors import ParameterError
from ..models import inference
from ..models.counts import count_regression
from ..models.regression import hierarchical_regression
from ..models.selection import bootstrap_selection
from ..models.stepwise import Rule, correlate, run
from ..pages import plots
from ..pages.printing import word
from ..pages.style import INK, QUIET, SHADE, STEPS
from ..study.codebook import Codebook
from .demos import SAID, Demo, demonstration, kept, said

# Unit 2: what stepwise selection finds in noise.

SAMPLES = 300
NEW_CLIENTS = 10_000
FOUND, MISSED, CHANCE = "#00594C", "#9AA5AD", "#E07B00"


def noise(candidates: int, n: int, sample: int) -> pd.DataFrame:
    """A study of nothing but noise; its last column is the outcome."""
    drawn = np.random.default_rng([sample, candidates]).standard_normal((n, candidates + 1))
    return pd.DataFrame(drawn, columns=[*(f"x{i + 1}" for i in range(candidates)), "outcome"])


def _regressed(data: pd.DataFrame, terms, **how) -> tuple[pd.DataFrame, float, float]:
    """The final terms of a regression of the outcome; its R-squared and p as they are printed."""
    model = hierarchical_regression(data, "outcome", {"noise": list(terms)}, **how)
    final, fit = model.final.set_index("term").drop("intercept"), model.fit.iloc[0]
    return final, float(fit["r_squared"]), float(fit["p_change"])


def _draw_sample(s: SimpleNamespace, ax: Axes) -> None:
    """Correlation of each candidate with the outcome; the band holds those that p < .05 would not
    pick; selected ones are drawn dark and named, with a hollow mark for new clients.
    """
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
    title = "Dark: entered by stepwise; hollow: the same in 10,000 new clients"
    ax.set(xlabel="Candidate", title=title)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


@demonstration("one_sample", _draw_sample)
def one_sample(candidates: int, n: int, p_enter: float, sample: int) -> dict:
    """One study in which nothing is related to anything, and what stepwise makes of it."""
    data = noise(candidates, n, sample)
    rule = {"p_enter": p_enter, "p_remove": p_enter + 0.05}
    final, r_squared, p_value = _regressed(data, data.columns[:-1], **rule)
    new = np.random.default_rng([1995, sample]).standard_normal((NEW_CLIENTS, len(final) + 1))
    predicted = np.column_stack([new[:, :-1], new[:, :-1] @ final["estimate"], new[:, -1]])
    *again, prediction, _ = np.corrcoef(predicted, rowvar=False)[-1] if len(final) else (0.0, 1.0)
    r = np.corrcoef(data, rowvar=False)[-1, :-1]
    found = {"r": r, "largest": np.abs(r).max(), "chosen": data.columns.get_indexer(final.index)}
    found |= {"to_enter": special.stdtrit(n - 2, 1 - p_enter / 2) ** 2, "r_squared": r_squared}
    found |= {"p_value": p_value, "limit": inference.critical_correlation(n), "again": again}
    case = "some" if len(final) else "nothing"
    return found | {"new": NEW_CLIENTS, "prediction": prediction, "case": case}


def _draw_samples(s: SimpleNamespace, ax: Axes) -> None:
    """How many of the noise candidates stepwise selection enters, over 300 studies."""
    most = 8
    share = np.bincount(np.minimum(s.entered, most), minlength=most + 1) / SAMPLES * 100
    bars = ax.bar(range(most + 1), share, color=[MISSED] + [FOUND] * most, edgecolor=INK, lw=0.6)
    ax.bar_label(bars, [f"{y:.0f} %" for y in share], padding=2)
    ax.set(ylim=(0, 100), xlabel="Noise variables in the final model", ylabel="Studies (%)")
    ax.set_xticks(range(most + 1), [*map(str, range(most)), f"{most}+"])
    ax.set_title(f"Studies that find something: {100 * s.found:.0f} %")


@demonstration("many_samples", _draw_samples)
def many_samples(candidates: int, n: int, p_enter: float) -> dict:
    """Hundreds of such studies, drawn as cross-products (Bartlett 1933): how often is something
    found?
    """
    rng, m = np.random.default_rng(1983), candidates + 1
    lower = np.tril(rng.standard_normal((SAMPLES, m, m)), -1)
    diagonal = np.arange(m)
    lower[:, diagonal, diagonal] = np.sqrt(rng.chisquare(n - 1 - diagonal, (SAMPLES, m)))
    products = np.ascontiguousarray((lower @ lower.transpose(0, 2, 1)).transpose(1, 2, 0))
    rule = Rule("stepwise", p_enter, p_enter + 0.05)
    path = run(correlate(products), np.full(SAMPLES, n), [np.arange(candidates)], rule)
    entered, r_squared = path.selected[0].sum(axis=0), float(path.r_squared[0].mean())
    found = {"entered": entered, "found": float((entered > 0).mean()), "mean": entered.mean()}
    return found | {"r_squared": r_squared, "studies": SAMPLES}


def _draw_screened(s: SimpleNamespace, ax: Axes) -> None:
    """p values of the second regression's terms against what chance alone would give."""
    at = np.arange(1, s.kept + 1)
    ax.axhline(0.05, color=INK, lw=1, ls=(0, (4, 2)))
    ax.bar(at, s.p, color=np.where(s.p < 0.05, FOUND, MISSED), edgecolor=INK, lw=0.6)
    ax.plot(at, at / (s.kept + 1), color=CHANCE, lw=2)
    ax.set(xlim=(0.3, max(s.kept, 1) + 0.7), ylim=(0, 1), ylabel="p value")
    ax.set_title("Bars: printed p (dark: below .05). Line: what noise should give")
    ax.set_xlabel("Terms of the second regression, sorted")


@demonstration("freedman", _draw_screened)
def freedman(candidates: int, n: int, screen: float, sample: int) -> dict:
    """Freedman's paradox (1983): regress noise on noise, keep what has small p, regress again on
    these alone, and find a fine model.
    """
    data = noise(candidates, n, sample)
    first, *_ = _regressed(data, data.columns[:-1], method="enter")
    kept = first.index[first["p_value"] < screen]
    again, r_squared, p_value = first[:0], 0.0, 1.0
    if len(kept):
        again, r_squared, p_value = _regressed(data, kept, method="enter")
    p = np.sort(again["p_value"])
    small = int((p < 0.05).sum())
    return {"kept": len(kept), "p": p, "small": small, "r_squared": r_squared, "p_value": p_value}


@kept
def study_selection(dyads: pd.DataFrame, book: Codebook, n_boot: int = 200) -> Demo:
    """How often each of the study's variables would be selected in another sample of clients."""
    raters = {book.informant_label(i): i for i in book.informants}
    blocks = regression_blocks(dyads, book, blocks=EVERY)

    def draw(s: SimpleNamespace, ax: Axes) -> None:
        plots.inclusion(s.table, book, s.edge, ax)
        ax.axvline(s.noise, color=INK, lw=1.2, ls=(0, (4, 2)))

    @demonstration("study_selection", draw, rating=(raters, list(raters.values())[-1]))
    def shown(rating: str, p_enter: float) -> dict:
        column, rule = book.alliance_of(rating), {"p_enter": p_enter, "p_remove": p_enter + 0.05}
        table = bootstrap_selection(dyads, column, blocks, n_boot=n_boot, **rule)
        table = table.sort_values("inclusion", kind="stable")[::-1]
        rows = table.head(3).itertuples()
        most = [said("study_selection", "each", name=word(row.term, book), row=row) for row in rows]
        found = {"table": table.assign(informant=rating), "most": ", ".join(most)}
        noise = {"noise": table["noise_inclusion"].mean(), "edge": noise_edge(p_enter)}
        return found | noise | {"name": word(column, book), "n_boot": n_boot}

    return shown()


def noise_edge(p_enter: float) -> float:
    """Inclusion frequency that one noise variable in twenty exceeds.

    In one study such a variable has |z| above 1.96; in bootstrap samples z scatters around that
    value with an SD of 1. Competing candidates and nesting are left out.
    """
    z, limit = special.ndtri(0.975), special.ndtri(1 - p_enter / 2)
    return float(special.ndtr(z - limit) + special.ndtr(-z - limit))


# Unit 4: what a null result says, and what it does not.

MARK = {"marker": "D", "ms": 9, "color": "#E07B00", "mec": INK, "zorder": 5}
DASHED = {"color": MARK["color"], "lw": 1.6, "ls": (0, (4, 2))}


def _draw_power(s: SimpleNamespace, ax: Axes) -> None:
    """Power of the test over the size of the true correlation."""
    plots.power_curve(s.curve, "Diamond: the correlation chosen; dotted: power .80", ax)
    ax.plot([s.rho, s.rho, 0], [0, s.power, s.power], **DASHED)
    ax.plot(s.rho, s.power, **MARK)
    ax.set_xlim(0, 0.5)


@demonstration("power_of", _draw_power)
def power_of(rho: float, n: int, alpha: float) -> dict:
    """What a study of this size could have seen."""
    grid = np.linspace(0, 0.5, 51)
    power = [inference.power_correlation(r, n, alpha) for r in grid]
    seen = {"critical": inference.critical_correlation(n, alpha)}
    seen["detectable"] = inference.detectable_correlation(n, 0.80, alpha)
    seen["power"] = inference.power_correlation(rho, n, alpha)
    return seen | {"curve": pd.DataFrame({"effect": grid, "power": power})}


def verdict(effect: Effect, none: int = 0) -> str:
    """In words: what the 95 % interval and the equivalence test say together of a correlation, or
    of a rate ratio, for which `none` is 1.
    """
    found = ("inconclusive", "different"), ("equivalent", "small")
    differs = not effect.conf_low <= none <= effect.conf_high
    return SAID["verdict"][found[effect.equivalent][differs]][none]


def _draw_equivalent(s: SimpleNamespace, ax: Axes) -> None:
    about = {"xlabel": "Correlation", "heading": f"Verdict: {s.verdict}", "limits": (-0.7, 0.7)}
    plots.equivalence(s.rows, -s.bound, s.bound, **about, ax=ax)


@demonstration("equivalent", _draw_equivalent)
def equivalent(r: float, n: int, bound: float) -> dict:
    """Not different, equivalent, or undecided: the interval against the bounds."""
    effect = verdicts.correlation(r, n, bound)
    rows = pd.DataFrame([effect]).assign(term="Observed correlation", informant="")
    return {"e": effect, "verdict": verdict(effect), "rows": rows}


def _draw_bayes(s: SimpleNamespace, left: Axes, right: Axes) -> None:
    """Left: what the prior expects of the correlation. Right: Bayes factor for no association over
    the width of the prior.
    """
    rho, a = np.linspace(-0.995, 0.995, 200), 1 / s.kappa
    density = stats.beta(a, a, loc=-1, scale=2).pdf(rho)
    left.fill_between(rho, density, color=STEPS[0].color)
    left.plot(rho, density, color=STEPS[-1].color, lw=2)
    left.axvline(s.r, **DASHED)
    left.set(xlim=(-1, 1), ylim=(0, 2.2), yticks=[], xlabel="Correlation")
    left.set_title("Prior; dashed: observed")
    plots.bayes_sensitivity(s.curve, "Evidence over the prior's width", right)
    right.plot(s.kappa, s.bf01, **MARK)
    right.set(xlim=(0.09, 2.2), ylim=(0.008, 40), xlabel="Width of the prior (kappa)")


@demonstration("bayes_of", _draw_bayes)
def bayes_of(r: float, n: int, kappa: float) -> dict:
    """How the evidence for nothing depends on what one expected."""
    bf10 = [inference.bayes_factor_correlation(r, n, k) for k in KAPPAS]
    bf01 = np.exp(-inference.bayes_factor_correlation(r, n, kappa, log=True))
    curve = pd.DataFrame({"kappa": KAPPAS, "bf10": bf10})
    found = {"bf01": bf01, "odds": max(bf01, 1 / bf01), "case": "none" if bf01 >= 1 else "some"}
    return found | {"curve": curve}


@kept
def hospital(dyads, book: Codebook, days="hospital_days", adjust=COVARIATES) -> Demo:
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

    def fitted(informant: str, bound: float, adjusted: bool) -> dict:
        data, predictors, cluster = days_data(dyads, book, informant, days, adjust)
        terms = predictors if adjusted else predictors[:1]
        model = count_regression(data, days, terms, cluster=cluster)
        row = model.coefficients.set_index("term").loc["alliance"]
        about = row["estimate"], row["std_error"], row["df"], row["n"]
        effect = verdicts.rate_ratio(*about, 1 / bound, bound)
        label, found = book.informant_label(informant), verdict(effect, 1)
        each = said("hospital", "each", label=label, found=found, e=effect)
        return {"term": f"{label}: {found}", "informant": informant, "said": each, **vars(effect)}

    def draw(s: SimpleNamespace, ax: Axes) -> None:
        xlabel = f"{word(days, book)}: rate ratio per SD of alliance"
        heading, limits = "The interval against the bounds", (0.46, 2.18)
        plots.equivalence(s.rows, 1 / s.bound, s.bound, True, book, xlabel, heading, limits, ax)

    both = ({"the covariates": True, "nothing": False}, True) if covariates else ()

    @demonstration("hospital", draw, adjusted=both)
    def shown(bound: float, adjusted: bool = True) -> dict:
        rows = pd.DataFrame([fitted(i, bound, adjusted) for i in book.informants])
        given = covariates if adjusted and covariates else "nothing"
        found = {"rows": rows, "said": " ".join(rows["said"])}
        return found | {"given": given, "bounds": (1 / bound, bound)}

    return shown()
