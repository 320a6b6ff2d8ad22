"""Claims over time: sessions of clients -> an estimate by each treatment of the trend -> a verdict.

Measures are in standard deviations within clients (of claims between clients, in those of their
means), so that the bounds of `data/findings.yml` hold for any scale.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain

import numpy as np
import pandas as pd

from ..errors import NotEstimableError
from ..models.robust import MAX_BLOCKS, leave_one_out
from ..models.sessions import cross_lagged, lagged, lagged_rows, own_means, within_between
from ..study.clean import Sessions
from . import verdicts
from .evidence import bounds_of, verdict_of
from .rules import DETRENDED, Claim, Rules
from .verdicts import Effect

Estimated = tuple[float, float, float, int]
"""Estimate, standard error, degrees of freedom, sessions."""
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
        rows = measures(self.rows, self.sessions, dict.fromkeys(chain(*_pairs(claim))))
        if claim.kind == "between" and self.trend in ("own", "differences"):
            return None
        found, how = estimated(claim, rows, self.trend)
        if not found[1] > 1e-12:
            raise NotEstimableError("nothing varies within clients once the trend is taken out")
        effect = verdicts.slope(*found, *bounds_of(claim, self.rules))
        verdict, criterion = verdict_of(effect, claim, self.rules)
        return effect, (verdict, criterion + how), float(rows["person"].nunique())

    def units(self, claim: Claim) -> float:
        """What makes of a path in standard deviations one in the measures' own units."""
        rows = measures(self.rows, self.sessions, [claim.term, claim.source])
        y, x = (_spread(rows, name) for name in (claim.term, claim.source))
        return y / x


def _pairs(claim: Claim) -> list[tuple[str, str]]:
    """What a claim relates; of two paths the second is the reverse, or another measure's."""
    pair = claim.term, claim.source
    if claim.kind != "precedes_more":
        return [pair]
    return [pair, pair[::-1] if claim.than == "reverse" else (claim.term, claim.than)]


def estimated(
    claim: Claim, rows: Mapping[str, np.ndarray], trend: str = "common"
) -> tuple[Estimated, str]:
    """What a claim over time says of sessions, and how it was found, if that is to be told.

    Parameters
    ----------
    claim : Claim
    rows : mapping of str to array (n,), or DataFrame
        `person time` and the measures by name, without holes.
    trend : str
        See :data:`.models.sessions.TRENDS`.
    """
    when, pairs = (rows["person"], rows["time"]), _pairs(claim)
    unit = {n: rows[n] / _spread(rows, n, claim.kind) for n in dict.fromkeys(chain(*pairs))}
    both = [(unit[y], unit[x]) for y, x in pairs]
    if claim.kind in ("within", "between"):
        return _row(within_between(*both[0], *when, trend), claim.kind), ""
    more = len(pairs) > 1
    if trend == "common" and claim.lag == 1 and claim.than == "reverse" and many(*when):
        model = cross_lagged(*both[0], *when)
        contrast = np.array([0.0, 1.0, -1.0 * more, 0.0])
        estimate = contrast @ model.paths["estimate"].to_numpy()
        error = np.sqrt(contrast @ model.covariance @ contrast)
        return (estimate, error, np.inf, len(when[0])), RANDOM_INTERCEPTS
    if not more:
        return _row(lagged(*both[0], *when, claim.lag, trend), "before"), ""
    first, second = (lagged_rows(*pair, *when, claim.lag, trend) for pair in both)
    people = first[0].person
    free = [
        np.column_stack([v - own_means(v, people) for v in (now.y, *X.values())])
        for now, X in (first, second)
    ]

    def difference(kept: np.ndarray) -> np.ndarray:
        one, other = (np.linalg.lstsq(part[kept, 1:], part[kept, 0])[0][[1]] for part in free)
        return one - other

    (estimate,), ((variance,),), df = leave_one_out(difference, people, MAX_BLOCKS)
    return (estimate, np.sqrt(variance), df, len(people)), JACKKNIFE


def _row(found: pd.DataFrame, term: str) -> Estimated:
    at = [*found["term"]].index(term)
    return tuple(found[name].to_numpy()[at] for name in ("estimate", "std_error", "df", "n"))


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


def many(person, time) -> bool:
    """Whether a cross-lagged model is for these: three occasions or more, ten clients for each."""
    occasions = np.ptp(time) + 1
    return occasions >= 3 and len(np.unique(person)) >= MANY * occasions


def _spread(rows: Mapping[str, np.ndarray], name: str, kind: str = "within") -> float:
    """Standard deviation of a measure within clients, or of clients' means."""
    _, first, codes = np.unique(rows["person"], return_index=True, return_inverse=True)
    values = np.asarray(rows[name])
    means = own_means(values, codes)
    if kind == "between":
        spread = means[first].std(ddof=1)
    else:
        df = max(len(values) - len(first), 1)
        spread = np.sqrt(((values - means) ** 2).sum() / df)
    if not spread > 1e-12 * np.abs(values).max():
        raise NotEstimableError(f"'{name}' is on average the same in every client")
    return float(spread)
