"""Claims over time: sessions of clients -> an estimate by each treatment of the trend -> a verdict.

Measures are in standard deviations within clients (of claims between clients, in those of their
means), so that the bounds of `data/findings.yml` hold for any scale.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from ..errors import NotEstimableError
from ..models.robust import MAX_BLOCKS, leave_one_out
from ..models.sessions import cross_lagged, lagged, lagged_rows, within_between
from ..study.occasions import Sessions
from . import verdicts
from .evidence import bounds_of, verdict_of
from .rules import DETRENDED, Claim, Rules
from .verdicts import Effect

TRENDS = {DETRENDED: "common", "naive": "none", "own_line": "own", "differences": "differences"}
"""The analyses of a claim over time, and what each does about the trend."""
MANY = 10
"""Clients for each occasion from which on a cross-lagged model is fitted."""


class Judge:
    """One analysis of claims over time, on the sessions of some dyads."""

    def __init__(self, dyads: pd.DataFrame, rules: Rules, analysis: str) -> None:
        self.rules, self.analysis, self.trend = rules, analysis, TRENDS[analysis]
        self.sessions: Sessions = dyads.attrs.get("sessions")
        self.rows = self.sessions.of(dyads[self.sessions.client]) if self.sessions else None

    def find(self, claim: Claim) -> tuple[Effect, tuple[str, str], float] | None:
        """Effect, verdict and criterion, and the number of clients; None if it has nothing to say.

        Raises
        ------
        NotEstimableError
        """
        rows = measures(self.rows, self.sessions, [claim.term, claim.source])
        clients, how = float(rows["person"].nunique()), ""
        if claim.kind in ("within", "between"):
            if claim.kind == "between" and self.trend in ("own", "differences"):
                return None
            y, x = (_unit(rows, name, claim.kind) for name in (claim.term, claim.source))
            found = within_between(y, x, rows["person"], rows["time"], self.trend)
            row = found.set_index("term").loc[claim.kind]
            found = row["estimate"], row["std_error"], row["df"], int(row["n"])
        elif claim.kind == "precedes":
            found, how = self._path(rows, claim)
        else:
            found, how = self._more(claim)
        if not found[1] > 1e-12:
            raise NotEstimableError("nothing varies within clients once the trend is taken out")
        low, high = bounds_of(claim, self.rules)
        effect = verdicts.slope(*found, low, high)
        verdict, criterion = verdict_of(effect, claim, self.rules)
        return effect, (verdict, criterion + how), clients

    def units(self, claim: Claim) -> float:
        """What makes of a path in standard deviations one in the measures' own units."""
        rows = measures(self.rows, self.sessions, [claim.term, claim.source])
        spread = [rows[n].std() / _unit(rows, n).std() for n in (claim.term, claim.source)]
        return spread[0] / spread[1]

    def _path(self, rows: pd.DataFrame, claim: Claim) -> tuple[tuple, str]:
        """The lagged effect of a claim."""
        y, x = (_unit(rows, name) for name in (claim.term, claim.source))
        if self.trend == "common" and claim.lag == 1 and many(rows):
            model = cross_lagged(y, x, rows["person"], rows["time"])
            row = model.paths.set_index("term").loc["y_on_x"]
            return (row["estimate"], row["std_error"], np.inf, len(rows)), RANDOM_INTERCEPTS
        found = lagged(y, x, rows["person"], rows["time"], claim.lag, self.trend)
        row = found.set_index("term").loc["before"]
        return (row["estimate"], row["std_error"], row["df"], int(row["n"])), ""

    def _more(self, claim: Claim) -> tuple[tuple, str]:
        """The difference of two lagged effects: its reverse's, or another measure's on the same."""
        pairs = [(claim.term, claim.source), (claim.source, claim.term)]
        if claim.than != "reverse":
            pairs[1] = claim.term, claim.than
        rows = measures(self.rows, self.sessions, dict.fromkeys(n for pair in pairs for n in pair))
        unit = {name: _unit(rows, name) for pair in pairs for name in pair}
        both = [(unit[y], unit[x]) for y, x in pairs]
        reverse = claim.than == "reverse"
        if self.trend == "common" and claim.lag == 1 and reverse and many(rows):
            model = cross_lagged(*both[0], rows["person"], rows["time"])
            paths = model.paths.set_index("term")["estimate"]
            c = model.covariance
            error = np.sqrt(c[1, 1] + c[2, 2] - 2 * c[1, 2])
            found = paths["y_on_x"] - paths["x_on_y"], error, np.inf, len(rows)
            return found, RANDOM_INTERCEPTS
        when = rows["person"], rows["time"], claim.lag, self.trend
        pairs = [lagged_rows(y, x, *when) for y, x in both]
        people = pairs[0][0]["person"]
        free = [_within_people(now[["y"]].join(X), people) for now, X in pairs]

        def difference(kept: np.ndarray) -> np.ndarray:
            first, second = (_before(one[kept]) for one in free)
            return first - second

        (estimate,), ((variance,),), df = leave_one_out(difference, people, MAX_BLOCKS)
        return (estimate, np.sqrt(variance), df, len(people)), JACKKNIFE


def _within_people(rows: pd.DataFrame, people: pd.Series) -> pd.DataFrame:
    return rows - rows.groupby(people).transform("mean")


def _before(rows: pd.DataFrame) -> np.ndarray:
    """The path of the earlier measure, by least squares."""
    X = rows.drop(columns="y")
    return np.linalg.lstsq(X.to_numpy(), rows["y"].to_numpy())[0][[list(X).index("before")]]


RANDOM_INTERCEPTS = " (random-intercept cross-lagged model)"
JACKKNIFE = " (jackknife over clients)"


def measures(rows: pd.DataFrame, sessions: Sessions, names: Iterable[str]) -> pd.DataFrame:
    """`person time` and some measures of sessions, as numbers, rows with all of them.

    Raises
    ------
    NotEstimableError
        A measure is not told at sessions, or does not vary within clients.
    """
    gone = [name for name in names if name not in rows]
    if gone:
        raise NotEstimableError(f"'{gone[0]}' is not measured at each session")
    kept = rows[[sessions.client, sessions.order, *names]].dropna()
    kept = kept.rename(columns={sessions.client: "person", sessions.order: "time"})
    if kept["person"].nunique() < 3:
        raise NotEstimableError("fewer than three clients have sessions with all measures")
    for name in names:
        spread = kept.groupby("person")[name].transform("std")
        if not (spread > 1e-12 * kept[name].abs().max()).any():
            raise NotEstimableError(f"'{name}' does not vary within clients")
    return kept.reset_index(drop=True)


def many(rows: pd.DataFrame) -> bool:
    """Whether a cross-lagged model is for these: three occasions or more, ten clients for each."""
    occasions = rows["time"].max() - rows["time"].min() + 1
    return occasions >= 3 and rows["person"].nunique() >= MANY * occasions


def _unit(rows: pd.DataFrame, name: str, kind: str = "within") -> pd.Series:
    """A measure in standard deviations within clients, or of clients' means."""
    means = rows.groupby("person")[name].transform("mean")
    if kind == "between":
        spread = rows.groupby("person")[name].mean().std()
    else:
        df = max(len(rows) - rows["person"].nunique(), 1)
        spread = np.sqrt(((rows[name] - means) ** 2).sum() / df)
    if not spread > 1e-12 * rows[name].abs().max():
        raise NotEstimableError(f"'{name}' is on average the same in every client")
    return rows[name] / spread
