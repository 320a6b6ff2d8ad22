"""Units 1 and 3, two people who rate: how well they agree, and what one rater's favour does."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import stats

from ..claims import verdicts
from ..claims.associations import contrast
from ..cohorts.simulate import simulate_dyads
from ..models.agreement import agreement
from ..models.inference import critical_correlation
from ..pages import plots
from ..pages.printing import coefficient, figure_number, word
from ..pages.style import INK, QUIET, STEPS, interval_rows
from ..study.codebook import Codebook
from .demos import Demo, demonstration, kept, said

# Unit 1: two views of one relationship.

MIDDLE, SPREAD = 180.0, 25.0
NAMES = {"pearson_r": "Pearson r", "icc_c1": "ICC(C,1)", "icc_a1": "ICC(A,1)", "ccc": "CCC"}
ASSOCIATION, AGREEMENT = STEPS[1].color, STEPS[3].color


def made_pairs(bias, scale, noise, n=201, seed=1995, exact=True) -> dict:
    """Pairs of ratings of the same bond, spoiled in three ways.

    Parameters
    ----------
    bias : float
        Points that the client's ratings lie above the case manager's.
    scale : float
        How far the case manager spreads ratings, relative to the client.
    noise : float
        SD of what each informant adds on their own, in points; the bond itself has SD 25.
    n, seed : int
    exact : bool
        Whether these pairs differ by just that bias, or are a sample whose truth it is.
    """
    drawn = np.random.default_rng(seed).standard_normal((3, n))
    if exact:
        drawn -= drawn.mean(axis=1, keepdims=True)
        drawn[0] /= drawn[0].std()
    bond, own, other = drawn
    client = MIDDLE + bias / 2 + SPREAD * bond + noise * own
    return _agreed(client, MIDDLE - bias / 2 + scale * (SPREAD * bond + noise * other))


def _agreed(client: np.ndarray, case_manager: np.ndarray) -> dict:
    table = agreement(client, case_manager)
    bias = table.loc["bias", "estimate"]
    how = "alike" if abs(bias) < 0.05 else "higher" if bias > 0 else "lower"
    seen = {"client": client, "case_manager": case_manager, "table": table, "e": table["estimate"]}
    return seen | {"direction": said("two_informants", how, points=abs(bias))}


def _scatter(s: SimpleNamespace, limits: tuple[float, float], ax: Axes, rows: bool = True) -> None:
    plots.paired_scatter(s.client, s.case_manager, s.table, "rating", rows, limits, ax)
    ax.get_legend().remove()
    ax.set_title("Dashed: equal ratings\nLines: means")


def _draw_pairs(s: SimpleNamespace, left: Axes, right: Axes) -> None:
    """Left: 201 pairs of ratings, client against case manager, with the line of equal ratings.
    Right: four coefficients as bars.
    """
    _scatter(s, (60, 300), left)
    values, at = s.e[list(NAMES)], np.arange(len(NAMES))[::-1]
    colors = [ASSOCIATION, ASSOCIATION, AGREEMENT, AGREEMENT]
    bars = right.barh(at, values, height=0.6, color=colors, edgecolor=INK, lw=0.6)
    right.bar_label(bars, values.map(coefficient), padding=3, weight="bold")
    right.set_yticks(at, NAMES.values())
    right.tick_params(axis="y", length=0)
    right.set(xlim=(min(0, values.min() - 0.05), 1.15), xticks=[0, 0.5, 1], xlabel="Estimate")
    right.axvline(0, color=INK, lw=0.8)
    right.set_title("Dark bars: agreement")


@demonstration("two_informants", _draw_pairs)
def two_informants(bias: float, scale: float, noise: float) -> dict:
    """Bias, scale and noise between two informants: which number notices which?"""
    return made_pairs(bias, scale, noise)


@kept
def study_pairs(dyads: pd.DataFrame, show_rows: bool = True) -> Demo:
    """The study's own ratings: what is left of disagreement once a difference is forgiven.

    Without `show_rows` no single dyad is drawn, but medians and middle halves of groups.
    """

    def draw(s: SimpleNamespace, left: Axes, right: Axes) -> None:
        _scatter(s, s.limits, left, show_rows)
        plots.bland_altman(s.client, s.case_manager, s.table, "rating", show_rows, right)
        right.set(xlim=s.limits, ylim=(-s.reach, s.reach), title="Bands: how sure\neach line is")

    @demonstration("study_pairs", draw)
    def shown(part: str, forgiven: int) -> dict:
        pair = dyads[[f"client_alliance{part}", f"case_manager_alliance{part}"]].dropna()
        client, case_manager = pair.to_numpy(float).T
        shift = forgiven / 100 * float(np.mean(client - case_manager))
        seen = {"limits": (pair.min(axis=None) - 3, pair.max(axis=None) + 3)}
        seen |= {"reach": 1.15 * np.abs(client - case_manager).max(), "shift": shift}
        return _agreed(client - shift, case_manager) | seen | {"scale": part[1:] or "total"}

    return shown()


def _draw_sure(s: SimpleNamespace, left: Axes, right: Axes) -> None:
    """Left: correlation and agreement with their 95 % intervals and the truth. Right: the same for
    the bias, in points.
    """
    interval_rows(s.rows.iloc[:-1], xlabel="Estimate", heading="Dashed: the truth", ax=left)
    left.set_xlim(-0.3, 1)
    heading, points = "Dashed: the true difference", "Client minus case manager (points)"
    interval_rows(s.rows.iloc[-1:], None, points, heading, lambda x: figure_number(x, 1), ax=right)
    right.set_xlim(-40, 40)


@demonstration("how_sure", _draw_sure)
def how_sure(n: int, r: float, bias: int, sample: int) -> dict:
    """How wide the intervals of the same numbers are in studies of different size."""
    noise = SPREAD * np.sqrt((1 - r) / r)
    table = made_pairs(bias, 1.0, noise, n, seed=sample, exact=False)["table"]
    variance = SPREAD**2 + noise**2
    agreed = 2 * r * variance / (2 * variance + bias**2)  # with equal spread, of both
    truth = {"pearson_r": r, "icc_c1": r, "icc_a1": agreed, "ccc": agreed, "bias": bias}
    about = {"term": [*NAMES.values(), "Bias"], "informant": "", "truth": pd.Series(truth)}
    rows = table.loc[list(truth)].assign(**about)
    ends = {name: (row["conf_low"], row["conf_high"]) for name, row in rows.iterrows()}
    return {"table": table, "truth": truth, "rows": rows, "e": table["estimate"], "ends": ends}


# Unit 3: halo, and what holding a view constant does.

OWN, OTHERS = "Case manager's view of outcome", "Symptoms, rated by somebody else"
REFUTED, NOT_REFUTED = "#1D4955", "#C3CED6"
STUDIES = 300
RELIABLE = 0.7
WORLDS = {"the published findings": "published", "nothing but halo": "halo"}
WORLDS["no association at all"] = "no_association"


def ratings(favour, link, leak, drawn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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


def correlations_expected(favour: float, link: float) -> tuple[float, float, float]:
    """True correlations of alliance in the world of :func:`ratings`.

    With the own view of outcome; with another rater's; and with that one, the own view partialled
    out.
    """
    seen = np.sqrt(RELIABLE)
    same = favour + (1 - favour) * link * seen
    cross = np.sqrt(1 - favour) * link * seen
    both = np.sqrt(1 - favour) * RELIABLE
    return same, cross, (cross - same * both) / np.sqrt((1 - same**2) * (1 - both**2))


def _draw_study(s: SimpleNamespace, ax: Axes) -> None:
    heading = "The case manager's alliance rating with …"
    plots.forest(s.rows, None, None, heading, "Correlation (better outcome to the right)", ax)
    ax.set_xlim(-0.6, 1)


@demonstration("favour_and_link", _draw_study)
def favour_and_link(favour: float, link: float, n: int) -> dict:
    """General favour and a true link: which association does each of them make?"""
    same, cross, _ = correlations_expected(favour, link)
    rows = pd.DataFrame([verdicts.correlation(r, n, bound=0.2) for r in (same, cross)])
    rows = rows[["estimate", "conf_low", "conf_high"]]
    ends = rows.to_numpy()[:, 1:]
    rows = rows.assign(term=(OWN, OTHERS), informant=("case_manager", "rater"))
    return {"same": same, "cross": cross, "ends": ends, "rows": rows}


@kept
def study_contrast(dyads, book: Codebook, scenario="published", seed=1995) -> Demo:
    """A study's contrast, and that of a study in which there is nothing but halo.

    The start is the given study, drawn with this scenario and seed; all others are simulated.
    """
    start = (scenario, seed)
    informants = {book.informant_label(i): i for i in book.informants}
    own = {} if scenario in WORLDS.values() else {scenario: scenario}

    def draw(s: SimpleNamespace, ax: Axes) -> None:
        heading = "Better outcome to the right"
        plots.halo_contrast(s.rows, book, "Association with alliance", heading, ax)
        ax.set_xlim(-0.5, 0.9)

    known = {
        "scenario": (WORLDS | own, scenario),
        "informant": (informants, [*book.informants][-1]),
    }
    known["seed"] = min(1990, seed), max(2020, seed), 1, seed

    @demonstration("study_contrast", draw, **known)
    def shown(scenario: str, informant: str, seed: int) -> dict:
        given = book.synthetic and (scenario, seed) == start
        drawn = dyads if given else simulate_dyads(scenario, 201, seed)
        rows = contrast(drawn, book, informant, "as_published")
        worse = rows["term"].isin(["symptoms", "hospital_days"])
        turned = -rows[["estimate", "conf_high", "conf_low"]].to_numpy()
        rows.loc[worse, ["estimate", "conf_low", "conf_high"]] = turned[worse]
        told = [f"{word(r.term, book)} {coefficient(r.estimate)}" for r in rows.itertuples()]
        same = rows["rater"] == informant
        views = (", ".join(pd.Series(told)[who]) or "–" for who in (same, ~same))
        return {"rows": rows, "views": [*views]}

    return shown()


def _draw_leaks(s: SimpleNamespace, ax: Axes) -> None:
    """Correlations of alliance with the other rater's symptoms in 300 studies; those that refute a
    halo by the abstract's argument are drawn dark.
    """
    edges = np.arange(-0.4, 0.81, 0.04)
    every, dark = (np.histogram(r, edges)[0] for r in (s.correlations, s.correlations[s.refutes]))
    look = {"fill": True, "ec": INK, "lw": 0.6}
    ax.stairs(every, edges, baseline=every - dark, fc=REFUTED, **look)
    ax.stairs(every - dark, edges, fc=NOT_REFUTED, **look)
    ax.axvline(s.limit, color=INK, lw=1.2, ls=(0, (4, 2)))
    ax.set(xlim=(-0.4, 0.8), ylim=(0, 160), ylabel="Studies")
    ax.set_xlabel("Correlation of alliance with the other rater's symptoms (better to the right)")
    ax.set_title(f'Dark: p < .05, halo "refuted": {100 * s.share:.0f} %')


@demonstration("leaks", _draw_leaks)
def leaks(leak: int, favour: float, link: float, n: int) -> dict:
    """Can the argument fail? The other rater knows what the case manager thinks."""
    drawn = np.random.default_rng(1920).standard_normal((5, STUDIES, n), np.float32)
    alliance, _, other = ratings(favour, link, leak / 100, drawn)
    r, limit = stats.pearsonr(alliance, other, axis=1).statistic, critical_correlation(n)
    share = float((r > limit).mean())
    found = {"correlations": r, "limit": limit, "refutes": r > limit, "share": share}
    return found | {"mean": r.mean(), "studies": STUDIES}


CLIENTS_HELD = 600
MOST = 6
# From the worst to the best own view; the ends also differ in their marks.
SHADES = ("#0B2A4A", "#33557B", "#5F7D9B", "#8FA3A5", "#C9A63C", "#F2C80F")


def _draw_groups(s: SimpleNamespace, ax: Axes) -> None:
    """One dot per client: alliance rated by the case manager to the right, outcome rated by
    somebody else upwards, shaded by the case manager's own view of the outcome; a dashed line
    through all clients, and a solid line through each group with a like own view.
    """
    for g in range(s.groups):
        color = SHADES[g * (MOST - 1) // (s.groups - 1)] if s.groups > 1 else SHADES[2]
        marker = "v" if g == 0 else "^" if g == s.groups - 1 else "o"
        x, y = s.alliance[s.group == g], s.other[s.group == g]
        ax.plot(x, y, marker, ms=4, color=color, mew=0)
        slope, level = np.polyfit(x, y, 1)
        ends = np.quantile(x, [0.02, 0.98])
        ax.plot(ends, level + slope * ends, color=INK, lw=4.5)
        ax.plot(ends, level + slope * ends, color=color, lw=2.5)
    ends = np.array([-3.2, 3.2])
    ax.plot(ends, s.all * ends, color=QUIET, lw=1.6, ls=(0, (5, 3)))
    ax.set(xlim=(-3.4, 3.4), ylim=(-3.4, 3.4), xticks=range(-3, 4), yticks=range(-3, 4))
    ax.set_xlabel("Alliance, rated by the case manager (SD)")
    ax.set_ylabel("Outcome, rated by another (SD)")
    ax.set_title("Dark to light: case manager's own view of outcome, worst to best")


@demonstration("own_view_held", _draw_groups)
def own_view_held(groups: int, favour: float, link: float) -> dict:
    """Clients in groups whose outcome the case manager sees alike: what do lines inside do?

    Clients of the little world are put into groups of equal size by the own view of outcome.
    Chance is taken out: over all clients correlations are :func:`correlations_expected`. Per
    client there are `alliance`, `other` and `group` (0 the worst own view); correlations are over
    `all` clients, `inside` the groups (each group's means taken off), and `held`, with the own
    view partialled out.
    """
    alliance, own, other = ratings(favour, link, 0.0, without_chance())
    group = np.empty(CLIENTS_HELD, int)
    group[own.argsort()] = np.arange(CLIENTS_HELD) * groups // CLIENTS_HELD
    means = [np.bincount(group, x)[group] / np.bincount(group)[group] for x in (alliance, other)]
    _, every, held = correlations_expected(favour, link)
    found = {"alliance": alliance, "other": other, "group": group, "all": every, "held": held}
    return found | {"inside": np.corrcoef(alliance - means[0], other - means[1])[0, 1]}


def without_chance() -> np.ndarray:
    """Five columns of normal scores with means of 0, SDs of 1 and no correlation at all."""
    drawn = np.random.default_rng(1978).standard_normal((5, CLIENTS_HELD))
    drawn -= drawn.mean(axis=1, keepdims=True)
    return np.linalg.solve(np.linalg.cholesky(np.cov(drawn, ddof=0)), drawn)
