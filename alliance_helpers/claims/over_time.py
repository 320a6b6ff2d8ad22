"""Claims over time, and views of a study's sessions: trajectories, levels, what comes before what.

A claim: sessions of clients -> an estimate by each treatment of the trend -> a verdict, in standard
deviations within clients (between clients in those of their means), so that the bounds of
`data/findings.yml` hold for any scale. A view takes a cleaned study, and `outcome` and `informant`
where one pair of measures is meant; one that is not told at sessions gives way to the first that
is. What cannot be told is a table with the `reason`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial, wraps
from itertools import chain, product

import numpy as np
import pandas as pd

from ..errors import NotEstimableError
from ..models.cross_lagged import cross_lagged
from ..models.nesting import nested_shares
from ..models.regression import changes
from ..models.reliability import reliability
from ..models.robust import MAX_BLOCKS, cluster_robust, leave_one_out
from ..models.sessions import lagged, lagged_rows, own_means, within_between
from ..study.clean import CleanStudy, Sessions
from ..study.codebook import Codebook
from . import verdicts
from .associations import SOURCES, draws_on
from .rules import DETRENDED, Claim, Rules
from .verdicts import INCONCLUSIVE, SUPPORTED, Effect, bounds_of, verdict_of
from .views import one_below_the_other

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
Estimated = tuple[float, float, float, int, str]
"""Estimate, standard error, degrees of freedom, sessions, and how it was found if that is told."""
TRENDS = {DETRENDED: "common", "naive": "none", "one_line": "line", "own_line": "own",
          "differences": "differences"}  # fmt: skip
"""The analyses of a claim over time, and what each does about the trend."""
HALF = 0.5
"""Of a path with the trend left in: if less is left without it, the path is gone; if more is,
what has changed is how sure one can be of it."""
MANY = 10
"""Clients for each of three occasions or more from which on a cross-lagged model is fitted."""


class Judge:
    """One analysis of claims over time, on the sessions of some dyads."""

    def __init__(self, dyads: pd.DataFrame, rules: Rules, analysis: str) -> None:
        self.rules, self.trend = rules, TRENDS[analysis]
        self.sessions: Sessions = dyads.attrs.get("sessions")
        self.rows = self.sessions.of(dyads[self.sessions.client]) if self.sessions else None

    def find(self, claim: Claim) -> tuple[Effect, tuple[str, str], float] | None:
        """Effect, verdict and criterion, number of clients; None if it has nothing to say."""
        rows = measures(self.rows, self.sessions, dict.fromkeys(chain(*_pairs(claim))))
        if claim.kind == "between" and self.trend in ("own", "differences"):
            return None
        rows["group"] = _group(rows, self.sessions)
        (found,) = estimated(claim, [rows], self.trend)
        if isinstance(found, NotEstimableError):
            raise found
        *found, how = found
        if not found[1] > 1e-12:
            why = "nothing varies once the trend is taken out, or case managers are too few"
            raise NotEstimableError(why)
        effect = verdicts.slope(*found, *bounds_of(claim, self.rules))
        verdict, criterion = verdict_of(effect, claim, self.rules)
        return effect, (verdict, criterion + how), float(rows["person"].nunique())

    def units(self, claim: Claim) -> float:
        """What makes of a path in standard deviations one in the measures' own units."""
        rows = measures(self.rows, self.sessions, [claim.term, claim.source])
        return _spread(rows, claim.term) / _spread(rows, claim.source)


def _pairs(claim: Claim) -> list[tuple[str, str]]:
    """What a claim relates; of two paths the second is the reverse, or another measure's."""
    pair = claim.term, claim.source
    if claim.kind != "precedes_more":
        return [pair]
    return [pair, pair[::-1] if claim.than == "reverse" else (claim.term, claim.than)]


def estimated(
    claim: Claim, studies: Sequence[Mapping[str, np.ndarray]], trend: str = "common"
) -> list[Estimated | NotEstimableError]:
    """What a claim over time says of the sessions of each of several studies, or why nothing.

    A study has `person time` and the measures by name, and may have the `group` of each person,
    arrays (n,) without holes; of `trend` see :data:`.models.sessions.TRENDS`.
    """
    pairs, found, many = _pairs(claim), [], {}
    crossed = claim.kind.startswith("precedes") and claim.lag == 1 and claim.than == "reverse"
    for k, rows in enumerate(studies):
        when = rows["person"], rows["time"]
        try:
            names = dict.fromkeys(chain(*pairs))
            unit = {name: rows[name] / _spread(rows, name, claim.kind) for name in names}
            both = [(unit[y], unit[x]) for y, x in pairs]
            there = _many(*when) if crossed and trend == "common" else None
            if there is not None:
                many[k] = [np.asarray(v)[there] for v in (*both[0], *when)]
            found.append(None if k in many else _slope(claim, both, rows, trend))
        except NotEstimableError as error:
            found.append(error)
    sides = (-1.0, 1.0) if len(pairs) > 1 else (0.0,)
    contrasts = np.array([[0.0, 1.0, side, 0.0] for side in sides])
    for k, model in zip(many, cross_lagged([*many.values()]), strict=True):
        found[k] = model
        if not isinstance(model, NotEstimableError):
            variances = contrasts @ model.covariance @ contrasts.T * model.n / model.df
            best, used = _weakest(claim, contrasts @ model.estimate, variances), len(many[k][0])
            rare = len(studies[k]["time"]) - used
            left = f"; {rare} sessions left out, of a number that fewer than {MANY} clients have"
            how = f" (random-intercept cross-lagged model{left * bool(rare)})"
            found[k] = *best, model.df, used, how
    return found


def _many(person, time) -> np.ndarray | None:
    """Rows of a cross-lagged model: all but those of occasions that too few have; None if there are
    too few people, or occasions, for one."""
    _, at, counts = np.unique(time, return_inverse=True, return_counts=True)
    there = (counts >= MANY)[at]
    when, people = np.asarray(time)[there], np.asarray(person)[there]
    span = np.ptp(when) + 1 if there.mean() > 0.9 else 0
    return there if span >= 3 and len(np.unique(people)) >= MANY * span else None


def _slope(claim: Claim, both: list[tuple], rows: Mapping, trend: str) -> Estimated:
    """The slope that a claim is about, or by how much it exceeds another in size."""
    when = rows["person"], rows["time"]
    if len(both) == 1:
        within = claim.kind in ("within", "between")
        term = claim.kind if within else "before"
        row = (within_between(*both[0], *when, trend, rows.get("group")) if within
               else lagged(*both[0], *when, claim.lag, trend))  # fmt: skip
        at = [*row["term"]].index(term)
        how = _own(*when) if trend == "own" and not within else ""
        return *(row[n].to_numpy()[at] for n in ("estimate", "std_error", "df", "n")), how
    parts = [lagged_rows(*pair, *when, claim.lag, trend) for pair in both]
    people = parts[0][0].person
    free = [np.column_stack([v - own_means(v, people) for v in (now.y, *X.values())])
            for now, X in parts]  # fmt: skip

    def difference(kept: np.ndarray) -> np.ndarray:
        one, other = (np.linalg.lstsq(part[kept, 1:], part[kept, 0])[0][[1]] for part in free)
        return np.concatenate([one - other, one + other])

    estimates, variances, df = leave_one_out(difference, people, MAX_BLOCKS)
    best = _weakest(claim, estimates, variances)
    return *best, df, len(people), " (jackknife over clients)"


def _weakest(claim: Claim, estimates: np.ndarray, variances: np.ndarray) -> tuple[float, float]:
    """Of contrasts that must all be on the claimed side the one that is least so, and its error.

    That all are is supported if this one is (Berger 1982, Technometrics 24:295-300).
    """
    errors = np.sqrt(np.diag(variances))
    sign = -1 if claim.sign == "negative" else 1
    at = np.argmin(sign * estimates / errors)
    return estimates[at], errors[at]


def _group(rows: pd.DataFrame, sessions: Sessions) -> pd.Series:
    """The first case manager of each row's client; the client where none is known."""
    if not sessions.case_manager:
        return rows["person"]
    told = sessions.frame.groupby(sessions.client)[sessions.case_manager].first()
    return rows["person"].map(told).fillna(rows["person"])


def _own(person, time) -> str:
    """What own lines do to a path; measured at 10 to 30 sessions (docs/METHODS.md)."""
    share = 5 / (len(time) / len(np.unique(person)))
    return f" (a path the other way shifts it by up to about {share:.0%} of that, against its sign)"


def measures(rows: pd.DataFrame, sessions: Sessions, names: Iterable[str]) -> pd.DataFrame:
    """`person time` and some measures of sessions, as numbers, rows with all of them.

    Raises
    ------
    NotEstimableError
        A measure is not told at sessions.
    """
    if gone := [name for name in names if name not in rows]:
        raise NotEstimableError(f"'{gone[0]}' is not measured at each session")
    kept = rows[[sessions.client, sessions.order, *names]].dropna()
    if kept[sessions.client].nunique() < 3:
        raise NotEstimableError("fewer than three clients have sessions with all measures")
    columns = {sessions.client: "person", sessions.order: "time"}
    return kept.rename(columns=columns).reset_index(drop=True)


def _spread(rows: Mapping[str, np.ndarray], name: str, kind: str = "within") -> float:
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


NONE = pd.DataFrame({"reason": ["The study has no sessions: one row of each client is known."]})


def _or_reason(view: Callable[..., pd.DataFrame]) -> Callable[..., pd.DataFrame]:
    """A view that says why there is nothing to see."""

    @wraps(view)
    def inside(study: CleanStudy, *args, **chosen) -> pd.DataFrame:
        if study.sessions is None:
            return NONE.copy()
        try:
            return view(study, *args, **chosen)
        except NotEstimableError as error:
            return pd.DataFrame({"reason": [f"Not estimable: {str(error).rstrip('.')}."]})

    return inside


def pair(study: CleanStudy, outcome: str = "", informant: str = "client") -> tuple[str, str, str]:
    """An outcome and a rating that are told at sessions, and whose rating it is.

    Raises
    ------
    NotEstimableError
        No rating, or no outcome, is told at each session.
    """
    book, there = study.codebook, study.sessions.frame
    ratings = {i: book.alliance_of(i) for i in (informant, *book.informants)
               if i in book.informants and book.alliance_of(i) in there}  # fmt: skip
    outcomes = [n for n in (outcome, *book.blocks.get("outcome", ())) if n in there]
    if not ratings or not outcomes:
        lost = "no outcome" if ratings else "no alliance rating"
        raise NotEstimableError(f"{lost} is told at each session")
    return outcomes[0], *next((rating, i) for i, rating in ratings.items())


@_or_reason
def trajectories(study: CleanStudy, min_cell: int = 5, **chosen: str) -> pd.DataFrame:
    """How rating and outcome go on: `term session n q10 q25 q50 q75 q90`, a row per session.

    Sessions that fewer than `min_cell` clients have are left out; `n` are those with the measure.
    """
    frame, order, parts = study.sessions.frame, study.sessions.order, []
    for name in pair(study, **chosen)[1::-1]:
        by = frame.groupby(order)[name]
        part = by.quantile(QUANTILES).unstack()  # noqa: PD010
        part.columns = [f"q{100 * q:.0f}" for q in QUANTILES]
        part.insert(0, "n", by.count())
        part.insert(0, "term", name)
        parts.append(part[part["n"] >= max(min_cell, 1)])
    made = pd.concat(parts).rename_axis("session").reset_index()
    if made.empty:
        raise NotEstimableError(f"no session has {min_cell} clients, the fewest that are shown")
    return made


def lines(study: CleanStudy, show_rows: bool, **chosen: str) -> pd.DataFrame | None:
    """Each client's own values, `person session` and the two measures, if they may be shown."""
    if study.sessions is None or not (show_rows or study.codebook.synthetic):
        return None
    names = {study.sessions.client: "person", study.sessions.order: "session"}
    return study.sessions.frame[[*names, *pair(study, **chosen)[:2]]].rename(columns=names)


@_or_reason
def levels(study: CleanStudy, **chosen: str) -> pd.DataFrame:
    """How much of rating and outcome lies between case managers, between clients, within clients.

    Returns
    -------
    DataFrame : term level estimate conf_low conf_high n reason
        Shares of the variance by REML with profile likelihood intervals; n counts case managers,
        clients, sessions.
    """
    frame, told = study.sessions.frame, study.sessions
    nested = frame[told.client], frame[told.case_manager] if told.case_manager else None
    calls = [({"term": name}, partial(nested_shares, frame[name], *nested))
             for name in pair(study, **chosen)[1::-1]]  # fmt: skip
    return one_below_the_other(calls, "term level estimate conf_low conf_high n reason")


@_or_reason
def reliabilities(study: CleanStudy) -> pd.DataFrame:
    """How consistently each scale measures between clients (their means) and within (deviations).

    `scale level n_items n alpha omega_total`; `n` counts clients, and sessions.
    """
    told, rows, kept = study.sessions, [], ["n_items", "n", "alpha", "omega_total"]
    people = told.frame[told.client]
    for name, items in told.items.items():
        scale = study.codebook.scales[name]
        numbers = items.astype(float)
        means = numbers.groupby(people).mean()
        away = numbers - numbers.groupby(people).transform("mean")
        keys = [n for part, key in scale.keys.items() if part != "total" for n in key]
        for level, values in (("between", means), ("within", away)):
            try:
                found = reliability(values, keys or scale.keys["total"]).iloc[0][kept]
                rows.append({"scale": name, "level": level, **found})
            except NotEstimableError:
                continue
    if not rows:
        raise NotEstimableError("no scale has items that are answered at sessions")
    return pd.DataFrame(rows)


@_or_reason
def associations(study: CleanStudy, **chosen: str) -> pd.DataFrame:
    """Outcome and rating between clients and within them, by each treatment of the trend.

    `level analysis estimate std_error df p_value conf_low conf_high n reason`, in the measures' own
    units.
    """
    outcome, rating, _ = pair(study, **chosen)
    rows = measures(study.sessions.frame, study.sessions, [outcome, rating])
    told = rows[outcome], rows[rating], rows["person"], rows["time"]
    group = _group(rows, study.sessions)

    def find(trend: str) -> pd.DataFrame:
        found = within_between(*told, trend, group).query("term != 'time'")
        return found.rename(columns={"term": "level"})

    calls = [({"analysis": name}, partial(find, trend)) for name, trend in TRENDS.items()]
    columns = "level analysis estimate std_error df p_value conf_low conf_high n reason"
    return one_below_the_other(calls, columns)


def asked(study: CleanStudy, rules: Rules, **chosen: str) -> list[Claim]:
    """The study's claims of what comes before what; without any, both ways for the pair.

    Without a claim the sign is the one that the analysis with the trend left in finds.
    """
    there = study.sessions.frame
    claims = [c for c in rules.claims if c.kind == "precedes" and {c.term, c.source} <= set(there)]
    if claims:
        texts, label = Counter(c.text for c in claims), study.codebook.label
        return [replace(c, text=f"{c.text.rstrip('.')} ({label(c.source)} before {label(c.term)})")
                if texts[c.text] > 1 else c for c in claims]  # fmt: skip
    outcome, rating, informant = pair(study, **chosen)
    naive, book = Judge(study.dyads, rules, "naive"), study.codebook
    for term, source in ((outcome, rating), (rating, outcome)):
        claim = Claim("sessions", source, "precedes", informant, term=term, source=source,
                      bound="lagged")  # fmt: skip
        rising = naive.find(claim)[0].estimate > 0
        sign, more = ("positive", "higher") if rising else ("negative", "lower")
        text = f"{book.label(source)}, if higher, comes before {more} {book.label(term)}"
        claims.append(replace(claim, text=text, sign=sign))
    return claims


@_or_reason
def paths(study: CleanStudy, rules: Rules, **chosen: str) -> pd.DataFrame:
    """What comes before what, by each treatment of the trend.

    Returns
    -------
    DataFrame : text term informant analysis estimate conf_low conf_high p_value n verdict criterion
    unit
        The path from the earlier value in the measures' own units, its own earlier value held
        constant; the trend left in comes first. Divided by `unit` it is in standard deviations
        within clients, as the bound is. A path that cannot be estimated has a reason in
        `criterion`.
    """
    order = ["naive", *[name for name in TRENDS if name != "naive"]]
    rows = [
        {"text": claim.text, "term": claim.term, "informant": claim.informant, "analysis": name}
        | _path(Judge(study.dyads, rules, name), claim)
        for claim, name in product(asked(study, rules, **chosen), order)
    ]
    columns = "text term informant analysis estimate conf_low conf_high p_value n verdict criterion"
    return pd.DataFrame(rows, columns=[*columns.split(), "unit"])


def _path(judge: Judge, claim: Claim) -> dict[str, object]:
    """A path in the measures' own units and its verdict; or why there is none."""
    try:
        effect, (verdict, criterion), clients = judge.find(claim)
    except NotEstimableError as error:
        return {"verdict": INCONCLUSIVE, "criterion": f"not estimable: {error}"}
    unit = judge.units(claim)
    ends = {n: getattr(effect, n) * unit for n in ("estimate", "conf_low", "conf_high")}
    told = {"p_value": effect.p_value, "n": effect.n, "clients": int(clients), "unit": unit}
    return ends | told | {"verdict": verdict, "criterion": criterion}


def headline(found: pd.DataFrame) -> list[str]:
    """Of each of the :func:`paths` a sentence: what most papers would print, and what is left."""
    if "text" not in found:
        return list(found["reason"])
    said = []
    for _, rows in found.groupby(found.groupby("analysis").cumcount()):
        by, text = rows.set_index("analysis"), rows["text"].iloc[0]
        naive, honest = by.loc["naive"], by.loc[DETRENDED]
        if lost := [row["criterion"] for row in (naive, honest) if pd.isna(row["estimate"])]:
            said.append(f"{text.rstrip('.')}: cannot be told ({lost[0].rstrip('.')}).")
            continue
        then, now = (row["verdict"].replace("_", " ") for row in (naive, honest))
        usual = f"{text.rstrip('.')}: {then} by the analysis that most papers print"
        taken = "the trend that all share is taken out"
        left = honest["estimate"] / naive["estimate"]
        if then == SUPPORTED != now:
            turn = "and gone as soon as" if left < HALF else "but no longer sure once"
            end = f"{turn} {taken}{_numbers(honest, now)}"
        else:
            again = f"and {now} still" if then == now else f"but {now}"
            end = f"{again} once {taken}{_numbers(honest)}"
        said.append(f"{usual}{_numbers(naive)}, {end}.")
    return said


def _numbers(row: pd.Series, *more: str) -> str:
    p = row["p_value"]
    said = f"slope {_three(row['estimate'])}", "p < .001" if p < 0.001 else f"p = {_three(p)}"
    return f" ({', '.join([*said, *more])})"


def _three(x: float) -> str:
    """Three decimals, without the zero of a number below 1."""
    return re.sub(r"^(-?)0\.", r"\1.", f"{x:.3f}").replace("-", "−")


@_or_reason
def stopping(study: CleanStudy, **chosen: str) -> pd.DataFrame:
    """Who stops coming: is a session the last one, by what was told there.

    Returns
    -------
    DataFrame
        `term` and the columns of estimates: the probability that a session is a client's last,
        per standard deviation of the outcome and the rating at it, and per session, each with the
        others held constant; errors respect clients (CR2). The study's last session is left out:
        whoever reached it did not stop.
    """
    told = study.sessions
    outcome, rating, _ = pair(study, **chosen)
    rows = measures(told.frame, told, [outcome, rating])
    end = told.frame.groupby(told.client)[told.order].max()
    last = (rows["time"] == rows["person"].map(end)).astype(float)
    kept = rows["time"] < told.frame[told.order].max()
    if not last[kept].any():
        raise NotEstimableError("every client came to the last session")
    X = rows.loc[kept, [outcome, rating]]
    X = ((X - X.mean()) / X.std()).assign(time=rows["time"])
    found = cluster_robust(last[kept], X, rows.loc[kept, "person"])
    return found[found["term"] != "intercept"].reset_index(drop=True)


@_or_reason
def stayers(study: CleanStudy, rules: Rules, **chosen: str) -> pd.DataFrame:
    """The paths, trend taken out, of all clients and of those who came at least half as long.

    `text who estimate conf_low conf_high p_value n`: what drop-out may do to each result.
    """
    told = study.sessions
    counts = told.frame.groupby(told.client)[told.order].nunique()
    long = study.dyads[told.client].isin(counts.index[counts >= counts.median()])
    kept = {"every client": study.dyads,
            "who came the median number of sessions or more": study.dyads[long]}  # fmt: skip
    rows = [
        {"text": claim.text, "who": who} | _path(Judge(dyads, rules, DETRENDED), claim)
        for who, dyads in kept.items()
        for claim in asked(study, rules, **chosen)
    ]
    if not (rows := [row for row in rows if "estimate" in row]):
        raise NotEstimableError("no path can be told with the trend taken out")
    return pd.DataFrame(rows).drop(columns=["criterion", "unit"])


@_or_reason
def sources(
    study: CleanStudy, n_boot: int = 1000, n_noise: int = 200, seed: int = 1995
) -> pd.DataFrame:
    """What each informant's rating draws on: its change from session to session, and its mean.

    Returns
    -------
    DataFrame
        `level`, then the columns of :func:`.associations.information_sources`. `within`: what is
        new in the rating at a session (:func:`.models.regression.changes`) by what is new in the
        other measures of that session; whole clients are resampled. `between`: clients' means;
        whole case managers are resampled.
    """
    told, book = study.sessions, study.codebook
    frame, client, manager = told.frame, told.client, told.case_manager
    how, calls = {"n_boot": n_boot, "n_noise": n_noise, "seed": seed}, []
    others = {n for block, names in book.blocks.items() if block != "alliance" for n in names}

    def find(level: str, rating: str) -> pd.DataFrame:
        names = [rating, *(n for n in frame.select_dtypes("number") if n in others)]
        if level == "between":
            means = frame.groupby(client)[names].mean()
            if manager:
                means[manager] = frame.groupby(client)[manager].first()
            return draws_on(means, book, rating, cluster=manager, **how)
        if frame.groupby(client).size().max() < 3:
            raise NotEstimableError("of two sessions what is new in one is what was in the other")
        varies = [n for n in names if (frame.groupby(client)[n].nunique() > 1).any()]
        new = changes(measures(frame, told, varies), rating)
        return draws_on(new, book, rating, cluster="person", **how)

    for level, informant in product(("within", "between"), book.informants):
        if (rating := book.alliance_of(informant)) in frame:
            calls.append(({"level": level, "informant": informant}, partial(find, level, rating)))
    if not calls:
        raise NotEstimableError("no alliance rating is told at each session")
    return one_below_the_other(calls, f"level {SOURCES}")


def sources_said(found: pd.DataFrame, book: Codebook) -> list[str]:
    """Of each informant one sentence: what the change of the rating draws on most."""
    if "level" not in found:
        return list(found["reason"])
    said = []
    for informant, rows in found.query("level == 'within'").groupby("informant", sort=False):
        who = book.informant_label(informant)
        if rows["estimate"].isna().all():
            said.append(f"{who}: {rows['reason'].iloc[0].rstrip('.')}.")
            continue
        most = rows.loc[rows["estimate"].idxmax()]
        terms = ", ".join(map(book.label, most["terms"].split(", ")))
        share, noise, p = map(_three, most[["estimate", "noise", "p_value"]])
        alike = "nothing stands out from pure noise; " * bool(most["estimate"] <= most["noise"])
        said.append(
            f"{who}: of what is new in the rating at a session {alike}most goes with what is new "
            f"in {terms}, a share of {share} of its variance (pure noise {noise}, p = {p})."
        )
    return said


def for_forest(found: pd.DataFrame) -> pd.DataFrame:
    """The :func:`paths` as `plots.forest` takes them, in standard deviations within clients."""
    ends = ["estimate", "conf_low", "conf_high"]
    if "text" not in found:
        return found.reindex(columns=["term", "informant", *ends])
    scaled = found.assign(block=found["text"], term=found["analysis"])
    scaled[ends] = scaled[ends].div(scaled["unit"], axis=0)
    return scaled.drop(columns="analysis")
