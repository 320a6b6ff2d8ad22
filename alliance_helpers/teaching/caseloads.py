"""Units 5 and 7, rows that are no independent ones: clients of one case manager, sessions of one
client.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from textwrap import fill, shorten
from types import SimpleNamespace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import special, stats

from ..claims import verdicts
from ..claims.verdicts import Effect, relate
from ..claims.views import complete, each_variable
from ..errors import NotEstimableError
from ..models.design import standardise
from ..models.inference import power_correlation
from ..models.nesting import effective_n
from ..models.sessions import lagged
from ..pages.printing import coefficient, figure_number, word
from ..pages.style import INFORMANTS, INK, OTHER, QUIET, SHADE, interval_rows, key
from ..study.codebook import Codebook
from .demos import Demo, demonstration, kept

# Unit 5: case managers, not clients.

COHORTS = 300
NAIVE, RESPECTFUL = "#E07B00", "#1F4E8C"


def _draw_worth(s: SimpleNamespace, ax: Axes) -> None:
    """Ratings of each case manager's clients in a column, columns sorted by their mean; the more a
    column keeps together, the less a further client adds.
    """
    means = s.y.mean(axis=0)
    order = np.argsort(means)
    at = np.tile(np.arange(1, s.managers + 1), (len(s.y), 1))
    ax.plot(at.ravel(), s.y[:, order].ravel(), "o", ms=3.6, color="#3C4A54", alpha=0.5, mew=0)
    ax.plot(at[0], means[order], "_", ms=9, mew=2.2, color=NAIVE)
    ax.set(xlim=(0, s.managers + 1), ylim=(-4, 4), title=f"{s.n} clients are worth {s.worth:.0f}")
    ax.set(xlabel="Case managers, sorted by their mean (bars)", ylabel="Rating (SD units)")


@demonstration("worth", _draw_worth)
def worth(managers: int, caseload: int, share: float, predictor: float) -> dict:
    """How many independent dyads nested ones are worth."""
    n, effect = managers * caseload, 1 + (caseload - 1) * share * predictor
    rng = np.random.default_rng(45)
    level = rng.standard_normal(managers)
    y = np.sqrt(share) * level + np.sqrt(1 - share) * rng.standard_normal((caseload, managers))
    power = [power_correlation(0.2, size) for size in (n / effect, n)]
    return {"n": n, "effect": effect, "worth": n / effect, "y": y, "power": power}


def _draw_alarms(s: SimpleNamespace, *panels: Axes) -> None:
    """p values of 300 cohorts in which the case managers' age and the rating are unrelated:
    counting clients, and counting case managers.
    """
    p_histograms(panels, {"Counting clients": s.naive, "Counting case managers": s.means}, 70)


def p_histograms(panels: Iterable[Axes], found: Mapping[str, np.ndarray], most: int) -> None:
    """p values of many studies by two analyses, the first one wrong; those below .05 hatched."""
    edges, colors = np.arange(0, 1.01, 0.05), (NAIVE, RESPECTFUL)
    for ax, (name, p), color in zip(panels, found.items(), colors, strict=True):
        heights = np.histogram(p, edges)[0] / len(p) * 100
        ax.stairs(heights, edges, fill=True, fc=color, ec=INK, lw=0.6)
        ax.stairs(heights[:1], edges[:2], fill=True, fc=color, ec=INK, lw=0.6, hatch="////")
        ax.axhline(5, color=INK, lw=1, ls=(0, (4, 2)))
        title = f"{name}: {heights[0]:.0f} % below .05"
        ax.set(xlim=(0, 1), ylim=(0, most), xlabel="p value", ylabel="Studies (%)", title=title)


@demonstration("false_alarms", _draw_alarms)
def false_alarms(managers: int, caseload: int, share: float) -> dict:
    """How often two tests find an association that is not there: of a case manager's age with the
    rating, in 300 cohorts.
    """
    rng = np.random.default_rng(201)
    age = rng.standard_normal((COHORTS, managers), np.float32)
    level = np.sqrt(share) * rng.standard_normal((COHORTS, managers), np.float32)
    rest = np.sqrt(1 - share) * rng.standard_normal((COHORTS, caseload, managers), np.float32)
    y = level[:, None, :] + rest
    counted = (np.tile(age, caseload), y.reshape(COHORTS, -1)), (age, y.mean(axis=1))
    naive, means = (stats.pearsonr(*pair, axis=1).pvalue for pair in counted)
    alarms = [100 * float((p < 0.05).mean()) for p in (naive, means)]
    found = {"n": managers * caseload, "naive": naive, "means": means, "alarms": alarms}
    return found | {"cohorts": COHORTS}


BOUND = 0.20
HOW = {"independent": "Dyads independent", "respected": "Case managers respected"}


@kept
def study_nested(dyads: pd.DataFrame, book: Codebook) -> Demo:
    """All associations of the study, ordered by what the case manager holds of the variable."""
    if not book.case_manager:
        raise NotEstimableError("the study does not say who the case managers are")
    terms = [t for b in ("treatment", "outcome") for t in book.blocks[b] if t in dyads]
    terms = [t for t in terms if dyads[t].nunique() > 2]
    rows = each_variable(book.informants, {"": terms}, partial(widened, dyads, book))
    times = Counter(row["term"] for row in rows)  # those that can be estimated for everybody
    rows = [row for row in rows if times[row["term"]] == len(book.informants)]
    if not rows:
        raise NotEstimableError("no association can be estimated with case managers respected")
    table = pd.DataFrame(rows).set_index("term", drop=False)
    table = table.sort_values("icc_x", ascending=False, kind="stable", key=lambda x: x.round(9))
    found = {informant: part for informant, part in table.groupby("informant")}
    informants = {book.informant_label(i): i for i in book.informants}
    start = [*book.informants][-1]
    names = {word(t, book): t for t in found[start].index}

    known = {"term": (names, next(iter(names.values()))), "informant": (informants, start)}

    @demonstration("study_nested", _draw, 1.35 + 0.33 * len(names), **known)
    def shown(term: str, informant: str) -> dict:
        rows = found[informant]
        told = dict(rows.loc[term]) | {"rows": rows, "chosen": rows.index.get_loc(term)}
        told |= {"who": book.informant_label(informant), "first": word("as_published")}
        return told | {"how": word("nested"), "every": ", ".join(rows["wider"].map(figure_number))}

    return shown()


def widened(dyads: pd.DataFrame, book: Codebook, informant: str, term: str) -> dict:
    """One association with dyads as independent, and with case managers respected.

    By the slope of standardised values, so that widths of intervals can be compared; with the row
    of :func:`alliance_helpers.effective_n`, and `expected`: how many times as wide the two shares
    let one expect the interval.
    """
    values, groups, _ = complete(dyads, book, [book.alliance_of(informant), term])
    y, x = standardise(values).T
    n, r = len(y), float(y @ x) / (len(y) - 1)
    independent = verdicts.slope(r, np.sqrt((1 - r**2) / (n - 2)), n - 2, n, -BOUND, BOUND)
    size = effective_n(x, y, groups).iloc[0]
    respected = relate(y, x, groups, "nested", BOUND)
    row = {"name": word(term, book), "independent": independent, "respected": respected, **size}
    wider = _width(respected) / _width(independent)
    return row | {"wider": wider, "expected": np.sqrt(size["design_effect"])}


def _width(effect: Effect) -> float:
    return effect.conf_high - effect.conf_low


def _draw(s: SimpleNamespace, effects: Axes, times: Axes) -> None:
    """A row for each variable, from the one that belongs to the case manager most to the one that
    does least, the share behind its name. Left: its association with alliance, dyads taken as
    independent and case managers respected, with 95 % intervals; right: how many times as
    wide the second interval is, and a tick for what the shares let one expect. The chosen row is
    shaded.
    """
    at = -np.arange(len(s.rows))
    for ax in (effects, times):
        ax.axhspan(-s.chosen - 0.5, -s.chosen + 0.5, color=SHADE)
        ax.set(ylim=(at[-1] - 0.55, 0.55), yticks=[])
    names = s.rows["name"].map(lambda name: shorten(name, 44, placeholder=" …"))
    named = [f"{n}, {coefficient(x)}" for n, x in zip(names, s.rows["icc_x"], strict=True)]
    effects.set_yticks(at, [fill(name, 26) for name in named], fontsize=9.5, linespacing=1.0)
    effects.tick_params(axis="y", length=0)
    looks = ("independent", 0.17, NAIVE, "D"), ("respected", -0.17, RESPECTFUL, "o")
    for which, up, color, marker in looks:
        rows = pd.DataFrame([*s.rows[which]])
        effects.hlines(at + up, rows["conf_low"], rows["conf_high"], color=color, lw=2)
        dots = {"ms": 5, "color": color, "mec": INK, "mew": 0.6, "label": HOW[which]}
        effects.plot(rows["estimate"], at + up, marker, **dots)
    effects.axvline(0, color=QUIET, lw=0.9)
    effects.set(xlim=(-0.75, 0.75), xlabel="Association")
    effects.set_xticks([-0.5, 0, 0.5], ["−.5", "0", ".5"])
    key(effects, columns=1)
    times.axvline(1, color=QUIET, lw=0.9)
    times.hlines(at, 1, s.rows["wider"], color=RESPECTFUL, lw=2.2)
    times.plot(s.rows["wider"], at, "o", ms=7, color=RESPECTFUL, mec=INK)
    times.plot(s.rows["expected"], at, "|", ms=13, mew=2, color=INK)
    times.set(xlim=(0.5, max(2.3, 1.05 * s.rows["wider"].max())), xlabel="Times as wide")
    times.set_title("Interval (tick:\nby the shares)")


# Unit 7: which came first, and what a trend that all share makes of it.

SESSIONS, STUDIES, KEEPS = 10, 200, 0.3
ANALYSES = {"Trend left in": "none", "Trend taken out": "common"}


def drawn(trend: float, path: float, clients: int, studies: int, seed: int) -> np.ndarray:
    """Alliance and symptoms in standard deviations: (2, studies, clients, sessions).

    Each keeps a part of its last deviation; symptoms also take `path` from the last alliance.
    """
    rng = np.random.default_rng(seed)
    alliance, symptoms = rng.standard_normal((2, SESSIONS, studies, clients))
    for t in range(1, SESSIONS):
        alliance[t] = KEEPS * alliance[t - 1] + np.sqrt(1 - KEEPS**2) * alliance[t]
        symptoms[t] = KEEPS * symptoms[t - 1] + path * alliance[t - 1] + symptoms[t]
    level, rise = rng.standard_normal((2, 1, studies, clients)), trend * np.arange(SESSIONS)
    both = np.stack([alliance, symptoms]) + level
    return np.moveaxis(both, 1, -1) + np.stack([rise, -rise])[:, None, None]


def _within(values: np.ndarray) -> np.ndarray:
    return values - values.mean(axis=-1, keepdims=True)


def _draw_one(s: SimpleNamespace, courses: Axes, paths: Axes) -> None:
    """Left: the mean of alliance and of symptoms at each session. Right: the path from alliance to
    the symptoms of the next session with its 95 % interval, trend left in and trend taken out.
    """
    looks = (INFORMANTS["client"].color, "o", "Alliance"), (OTHER.color, "s", "Symptoms")
    for mean, (color, marker, name) in zip(s.means, looks, strict=True):
        courses.plot(np.arange(1, SESSIONS + 1), mean, marker=marker, color=color, label=name)
    courses.set(ylim=(-3, 3), xlabel="Session", ylabel="Mean of all clients (SD)")
    courses.legend(loc="lower left", frameon=False)
    interval_rows(s.rows, xlabel="Path to the next session", heading="Dashed: the truth", ax=paths)
    paths.set_xlim(-0.7, 0.4)


@demonstration("which_first", _draw_one)
def which_first(trend: float, path: float, clients: int, sample: int) -> dict:
    """One study in which two things change with time: does the one come before the other?"""
    alliance, symptoms = drawn(trend, path, clients, 1, sample)[:, 0]
    person, time = np.indices(alliance.shape).reshape(2, -1)
    told = symptoms.ravel(), alliance.ravel(), person, time
    parts = [lagged(*told, trend=how).query("term == 'before'") for how in ANALYSES.values()]
    rows = pd.concat(parts, ignore_index=True)
    rows = rows.assign(term=[*ANALYSES], informant="", truth=path)
    same = np.corrcoef(_within(alliance).ravel(), _within(symptoms).ravel())[0, 1]
    found = {"rows": rows, "e": rows["estimate"], "p": rows["p_value"], "same": same}
    found["means"] = alliance.mean(axis=0), symptoms.mean(axis=0)
    return found | {"ends": rows[["conf_low", "conf_high"]].to_numpy()}


def _draw_many(s: SimpleNamespace, *panels: Axes) -> None:
    """p values of 200 such studies: with the trend left in, and with the trend taken out."""
    p_histograms(panels, dict(zip(ANALYSES, s.p, strict=True)), 100)


@demonstration("how_often_first", _draw_many)
def how_often_first(trend: float, path: float, clients: int) -> dict:
    """How often an effect on the next session is found, by both analyses."""
    alliance, symptoms = drawn(trend, path, clients, STUDIES, seed=1981)
    b, p = zip(*(_paths(symptoms, alliance, out) for out in (False, True)), strict=True)
    found = [100 * float((one < 0.05).mean()) for one in p]
    return {"p": p, "found": found, "mean": [float(one.mean()) for one in b], "studies": STUDIES}


def _paths(y: np.ndarray, x: np.ndarray, without_trend: bool) -> tuple[np.ndarray, np.ndarray]:
    """The path and its p in each study, by least squares within clients."""
    y, x = _within(y), _within(x)
    now = np.stack([_within(part) for part in (y[..., 1:], y[..., :-1], x[..., :-1])])
    if without_trend:
        time = _within(np.arange(SESSIONS - 1.0))
        now -= time * (now @ time).mean(axis=-1)[..., None, None] / (time @ time)
    S = np.einsum("isnt,jsnt->sij", now, now)
    inverse = np.linalg.inv(S[:, 1:, 1:])
    b = (inverse @ S[:, 1:, :1])[..., 0]
    df = y.shape[1] * (SESSIONS - 2) - 2 - without_trend
    variance = (S[:, 0, 0] - np.vecdot(b, S[:, 1:, 0])) / df
    return b[:, 1], 2 * special.stdtr(df, -np.abs(b[:, 1] / np.sqrt(variance * inverse[:, 1, 1])))
