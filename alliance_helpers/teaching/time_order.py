"""Unit 7: which came first, and what a trend that all share makes of it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import special

from ..models.sessions import lagged
from ..pages.style import INFORMANTS, OTHER, interval_rows
from .caseloads import p_histograms
from .demos import demonstration

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
    return {
        "rows": rows, "e": rows["estimate"], "p": rows["p_value"], "same": same,
        "ends": rows[["conf_low", "conf_high"]].to_numpy(),
        "means": (alliance.mean(axis=0), symptoms.mean(axis=0)),
    }  # fmt: skip


def _draw_many(s: SimpleNamespace, *panels: Axes) -> None:
    """p values of 200 such studies: with the trend left in, and with the trend taken out."""
    p_histograms(panels, dict(zip(ANALYSES, s.p, strict=True)), 100)


@demonstration("how_often_first", _draw_many)
def how_often_first(trend: float, path: float, clients: int) -> dict:
    """How often an effect on the next session is found, by both analyses."""
    alliance, symptoms = drawn(trend, path, clients, STUDIES, seed=1981)
    b, p = zip(*(_paths(symptoms, alliance, out) for out in (False, True)), strict=True)
    found = [100 * float((one < 0.05).mean()) for one in p]
    means = [float(one.mean()) for one in b]
    return {"p": p, "found": found, "mean": means, "studies": STUDIES}


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
    t = b[:, 1] / np.sqrt(variance * inverse[:, 1, 1])
    return b[:, 1], 2 * special.stdtr(df, -np.abs(t))
