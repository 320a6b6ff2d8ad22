"""Views of a study's sessions: trajectories, levels, what comes before what.

A view takes a cleaned study, and `outcome` and `informant` where one pair of measures is meant; one
that is not told at sessions gives way to the first that is. What cannot be told is a table with the
`reason`.

>>> from alliance_helpers import open_cohort, over_time
>>> cohort = open_cohort(scenario="sessions_none", n_clients=50)
>>> over_time.levels(cohort)["level"].unique().tolist()
['case_manager', 'client', 'within']
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial, wraps
from itertools import product

import pandas as pd

from ..errors import NotEstimableError
from ..models.nesting import nested_shares
from ..models.regression import changes
from ..models.reliability import reliability
from ..models.robust import cluster_robust
from ..models.sessions import within_between
from ..study.clean import CleanStudy
from ..study.codebook import Codebook
from .associations import SOURCES, draws_on
from .rules import DETRENDED, Claim, Rules
from .trends import TRENDS, Judge, group_of, measures
from .verdicts import INCONCLUSIVE, SUPPORTED
from .views import enough_beyond, one_below_the_other

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
HALF = 0.5
"""Of a path with the trend left in: if less is left without it, the path is gone; if more is,
what has changed is how sure one can be of it."""
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

    A quantile is shown where `min_cell` clients or more lie on either side of it, a session where
    its median is; `n` are those with the measure.
    """
    frame, order, parts = study.sessions.frame, study.sessions.order, []
    for name in pair(study, **chosen)[1::-1]:
        by = frame.groupby(order)[name]
        part = by.quantile(QUANTILES).unstack()  # noqa: PD010
        part = part.where(enough_beyond(by.count(), min_cell, QUANTILES))
        part.columns = [f"q{100 * q:.0f}" for q in QUANTILES]
        part.insert(0, "n", by.count())
        part.insert(0, "term", name)
        parts.append(part.dropna(subset="q50"))
    made = pd.concat(parts).rename_axis("session").reset_index()
    if made.empty:
        raise NotEstimableError(f"no session has {2 * min_cell} clients, the fewest with a median")
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
    group = group_of(rows, study.sessions)

    def find(trend: str) -> pd.DataFrame:
        found = within_between(*told, trend, group).query("term != 'time'")
        return found.rename(columns={"term": "level"})

    calls = [({"analysis": name}, partial(find, trend)) for name, trend in TRENDS.items()]
    columns = "level analysis estimate std_error df p_value conf_low conf_high n reason"
    return one_below_the_other(calls, columns)


def asked(study: CleanStudy, rules: Rules, **chosen: str) -> list[Claim]:
    """The study's claims of what comes before what; without any, both ways for the pair.

    Without a claim the sign is that which the analysis with the trend left in finds, and told so.
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
        text = f"{book.label(source)}, if higher, comes before {more} {book.label(term)} (as found)"
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
    """Of each of the :func:`paths` a sentence: with the trend left in, and what is left."""
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
        usual = f"{text.rstrip('.')}: {then} with the trend left in"
        taken = "the trend that all share is taken out"
        left = honest["estimate"] / naive["estimate"]
        if then == SUPPORTED != now:
            turn = "and less than half is left once" if left < HALF else "but no longer sure once"
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
