"""Claims over time: sessions of clients -> an estimate by each treatment of the trend -> a verdict.

In standard deviations within clients (between clients in those of their levels), so that the bounds
of `data/findings.yml` hold for any scale.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain

import numpy as np
import pandas as pd

from ..cohorts.cohort import rounded_n
from ..errors import NotEstimableError
from ..models.cross_lagged import PEOPLE, CrossLagged, cross_lagged, level_correlations
from ..models.robust import MAX_BLOCKS, leave_one_out
from ..models.sessions import ALONE, away, lagged, lagged_rows, own_means, within_between
from ..study.clean import Sessions
from ..study.codebook import Codebook
from . import verdicts
from .rules import DETRENDED, Claim, Rules
from .verdicts import Effect, bounds_of, verdict_of

Estimated = tuple[float, float, float, int, str]
"""Estimate, standard error, degrees of freedom, sessions, and how it was found if that is told."""
TRENDS = {DETRENDED: "common", "naive": "none", "one_line": "line", "own_line": "own",
          "differences": "differences"}  # fmt: skip
"""The analyses of a claim over time, and what each does about the trend."""
FEW, LONG = 3, 30
"""Clients for each of three occasions or more from which on a cross-lagged model is fitted, and the
most occasions: of more the mean is the level, and the earlier deviation from it unbiased, all but a
little."""


class Judge:
    """One analysis of claims over time, on the sessions of some dyads."""

    def __init__(self, dyads: pd.DataFrame, rules: Rules, analysis: str) -> None:
        self.rules, self.trend = rules, TRENDS[analysis]
        self.sessions: Sessions = dyads.attrs.get("sessions")
        self.rows = self.sessions.of(dyads[self.sessions.client]) if self.sessions else None
        self.book: Codebook | None = dyads.attrs.get("codebook")

    def find(self, claim: Claim) -> tuple[Effect, tuple[str, str], float] | None:
        """Effect, verdict and criterion, number of clients; None if it has nothing to say."""
        rows = measures(self.rows, self.sessions, dict.fromkeys(chain(*_pairs(claim))), "all")
        if claim.kind == "between" and self.trend in ("own", "differences"):
            return None
        rows["group"] = group_of(rows, self.sessions)
        (found,) = estimated(claim, [rows], self.trend, self.book)
        if isinstance(found, NotEstimableError):
            raise found
        *found, how = found
        if not found[1] > 1e-12:
            raise NotEstimableError("nothing varies within clients once the trend is taken out")
        effect = verdicts.slope(*found, *bounds_of(claim, self.rules))
        verdict, criterion = verdict_of(effect, claim, self.rules)
        return effect, (verdict, criterion + how), float(rows["person"].nunique())

    def units(self, claim: Claim) -> float:
        """What makes of a path in standard deviations one in the measures' own units."""
        rows = measures(self.rows, self.sessions, [claim.term, claim.source])
        return spread(rows, claim.term) / spread(rows, claim.source)


def _pairs(claim: Claim) -> list[tuple[str, str]]:
    """What a claim relates; of two paths the second is the reverse, or another measure's."""
    pair = claim.term, claim.source
    if claim.kind != "precedes_more":
        return [pair]
    return [pair, pair[::-1] if claim.than == "reverse" else (claim.term, claim.than)]


def estimated(
    claim: Claim,
    studies: Sequence[Mapping[str, np.ndarray]],
    trend: str = "common",
    book: Codebook | None = None,
) -> list[Estimated | NotEstimableError]:
    """What a claim over time says of the sessions of each of several studies, or why nothing.

    A study has `person time` and the measures by name, and may have the `group` of each person,
    arrays (n,); a cross-lagged model takes rows that lack a measure, all else leaves them out. Of
    `trend` see :data:`.models.sessions.TRENDS`.
    """
    pairs, found, many, between = _pairs(claim), [], {}, claim.kind == "between"
    for k, rows in enumerate(studies):
        told = {"group": rows["person"], **rows}
        told = {name: np.asarray(column) for name, column in told.items()}
        told |= {name: told[name].astype(float) for name in chain(*pairs)}
        whole = ~np.isnan([told[name] for name in chain(*pairs)]).any(axis=0)
        complete = {name: column[whole] for name, column in told.items()}
        try:
            unit = {name: spread(complete, name, claim.kind) for name in chain(*pairs)}
            there = _crossed(claim, told, trend)
            if there is None:
                both = [(complete[y] / unit[y], complete[x] / unit[x]) for y, x in pairs]
                *best, how = _slope(claim, both, complete, trend)
                how += _left_out(len(whole), whole.sum(), " ({}, for want of a measure)", book)
                found.append((*best, how))
            else:
                many[k] = [told[name][there] / unit[name] for name in pairs[0]]
                many[k] += [told[name][there] for name in ("person", "time", "group")]
                found.append(None)
        except NotEstimableError as error:
            found.append(error)
    fits = partial(level_correlations, trend=trend) if between else cross_lagged
    for k, model in zip(many, fits([*many.values()]), strict=True):
        found[k] = model
        if not isinstance(model, NotEstimableError):
            n, used = len(studies[k]["time"]), len(many[k][0])
            words = f"; {{}}, of a number that fewer than {FEW} clients have"
            how = "levels of clients, " * between + "random-intercept cross-lagged model"
            best = model if between else (*_path(claim, model), model.df)
            found[k] = *best, used, f" ({how}{_left_out(n, used, words, book)})"
    return found


def _left_out(n: int, used: int, words: str, book: Codebook | None) -> str:
    """How many sessions are left out, if some are; of real records in whole fives."""
    many = n - int(rounded_n(used, n, book) if book else used) or "a few"
    return words.format(f"{many} sessions left out") if used < n else ""


def _path(claim: Claim, model: CrossLagged) -> tuple[float, float]:
    """The path of a cross-lagged model, or by how much it exceeds the reverse; and its error."""
    sides = (-1.0, 1.0) if claim.kind == "precedes_more" else (0.0,)
    contrasts = np.array([[0.0, 1.0, side, 0.0] for side in sides])
    variances = contrasts @ model.covariance @ contrasts.T * model.n / model.df
    return _weakest(claim, contrasts @ model.estimate, variances)


def _crossed(claim: Claim, rows: Mapping, trend: str) -> np.ndarray | None:
    """Rows of a cross-lagged model: all but those of occasions that too few have; None if there are
    too few people, or occasions, for one, or another question is asked.

    Raises
    ------
    NotEstimableError
        Levels are asked for, and fewer than three occasions are known.
    """
    between = claim.kind == "between"
    if not between and (claim.kind == "within" or claim.lag > 1 or claim.than != "reverse"
                        or trend != "common"):  # fmt: skip
        return None
    _, at, counts = np.unique(rows["time"], return_inverse=True, return_counts=True)
    there = (counts >= FEW)[at]
    when, people = rows["time"][there], len(np.unique(rows["person"][there]))
    span = np.ptp(when) + 1 if there.mean() > 0.9 else 0
    if between and len(counts) < 3:
        raise NotEstimableError("levels cannot be told from fewer than three sessions of clients")
    return there if 3 <= span <= LONG and people >= max(FEW * span, PEOPLE) else None


def _slope(claim: Claim, both: list[tuple], rows: Mapping, trend: str) -> Estimated:
    """The slope that a claim is about, or by how much it exceeds another in size."""
    when, within = (rows["person"], rows["time"]), claim.kind in ("within", "between")
    how = _own(*when) if trend == "own" and not within else ""
    if len(both) == 1:
        term = claim.kind if within else "before"
        row = (within_between(*both[0], *when, trend, rows.get("group")) if within
               else lagged(*both[0], *when, claim.lag, trend))  # fmt: skip
        at = [*row["term"]].index(term)
        how = " (means of clients)" if term == "between" else how
        return *(row[n].to_numpy()[at] for n in ("estimate", "std_error", "df", "n")), how
    parts = [lagged_rows(*pair, *when, claim.lag, trend) for pair in both]
    people = parts[0][0].person
    free = [np.column_stack([now.y, *X.values()]) for now, X in parts]
    if trend not in ALONE:
        free = [away(part, people) for part in free]

    def difference(kept: np.ndarray) -> np.ndarray:
        one, other = (np.linalg.lstsq(part[kept, 1:], part[kept, 0])[0][[1]] for part in free)
        return np.concatenate([one - other, one + other])

    estimates, variances, df = leave_one_out(difference, people, MAX_BLOCKS)
    best = _weakest(claim, estimates, variances)
    return *best, df, len(people), f" (jackknife over clients){how}"


def _weakest(claim: Claim, estimates: np.ndarray, variances: np.ndarray) -> tuple[float, float]:
    """Of contrasts that must all be on the claimed side the one that is least so, and its error.

    That all are is supported if this one is (Berger 1982, Technometrics 24:295-300).
    """
    errors = np.sqrt(np.diag(variances))
    sign = -1 if claim.sign == "negative" else 1
    at = np.argmin(sign * estimates / errors)
    return estimates[at], errors[at]


def group_of(rows: pd.DataFrame, sessions: Sessions) -> pd.Series:
    """The first case manager of each row's client; the client where none is known."""
    if not sessions.case_manager:
        return rows["person"]
    told = sessions.frame.groupby(sessions.client)[sessions.case_manager].first()
    return rows["person"].map(told).fillna(rows["person"])


def _own(person, time) -> str:
    """What own lines do to a path; measured at 10 to 30 sessions (docs/METHODS.md)."""
    share = 5 / (len(time) / len(np.unique(person)))
    return f" (a path the other way shifts it by up to about {share:.0%} of that, against its sign)"


def measures(
    rows: pd.DataFrame, sessions: Sessions, names: Iterable[str], lack: str = "any"
) -> pd.DataFrame:
    """`person time` and some measures of sessions, as numbers, but rows that lack any, or all.

    Raises
    ------
    NotEstimableError
        A measure is not told at sessions.
    """
    if gone := [name for name in names if name not in rows]:
        raise NotEstimableError(f"'{gone[0]}' is not measured at each session")
    told = rows[[sessions.client, sessions.order, *names]]
    if told.dropna()[sessions.client].nunique() < 3:
        raise NotEstimableError("fewer than three clients have sessions with all measures")
    kept = told.dropna(subset=[*names], how=lack)
    columns = {sessions.client: "person", sessions.order: "time"}
    return kept.rename(columns=columns).reset_index(drop=True)


def spread(rows: Mapping[str, np.ndarray], name: str, kind: str = "within") -> float:
    """Standard deviation of a measure within clients, or of clients' means."""
    _, first, codes = np.unique(rows["person"], return_index=True, return_inverse=True)
    values = np.asarray(rows[name])
    means = own_means(values, codes)
    if kind == "between":
        spread, what = means[first].std(ddof=1), "is on average the same in every client"
    else:
        df, what = max(len(values) - len(first), 1), "does not vary within clients"
        spread = np.sqrt(((values - means) ** 2).sum() / df)
    if not spread > 1e-12 * np.abs(values).max(initial=0):
        raise NotEstimableError(f"'{name}' {what}")
    return float(spread)
