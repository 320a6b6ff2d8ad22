"""How large a study has to be: how often each verdict on a claim comes out, by design.

A power analysis says how often an effect that is there would be found. Here each verdict has its
rate, also the one that misleads, where the effect is as assumed and where it is not; by simulation
(:mod:`.designs`), since no formula knows the verdict rules.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import pandas as pd
from jinja2 import Environment, StrictUndefined
from joblib import Parallel, delayed
from scipy.special import ndtr, ndtri, stdtrit

from ..cohorts.cohort import check_names
from ..cohorts.courses import TREND_ONLY, courses
from ..cohorts.population import read_scenarios
from ..errors import ParameterError, meant
from ..paths import COURSES
from ..study.codebook import Codebook
from ..study.read_codebook import read_codebook
from .designs import Design, Engine
from .rules import ABSENCES, KEY, Claim, Rules, read_rules
from .verdicts import INCONCLUSIVE, NOT_SUPPORTED, SUPPORTED, bounds_of

HERE = Path(__file__)
SAID = tomllib.loads(HERE.with_suffix(".toml").read_text(encoding="utf-8"))
WORDED = Environment(undefined=StrictUndefined)
WORDED.filters["percent"] = lambda share: f"{100 * share:.3g} %"
TEMPLATE = WORDED.from_string(HERE.with_suffix(".j2").read_text(encoding="utf-8"))
VERDICTS = (SUPPORTED, NOT_SUPPORTED, INCONCLUSIVE)
SIZE = ["case_managers", "clients", "sessions"]
LARGEST = 20_000
"""Clients, or sessions of clients, of a design."""
CHUNK = 100
"""Cohorts of one stream of random numbers."""
Z2 = ndtri(0.975) ** 2
"""A rate's error is that of Wilson's interval (1927), no 0 where all cohorts agree."""


@dataclass(frozen=True)
class Plan:
    """How often each verdict comes out, by design.

    Attributes
    ----------
    rates : DataFrame
        Two rows a design, the effect `assumed` and `otherwise`: `case_managers clients sessions n
        truth effect supported not_supported inconclusive misleading monte_carlo_error`. Shares of
        cohorts; `misleading` of those with the verdict that is wrong where that effect is true,
        NaN where none is, since the effect is there and smaller than the bound.
    right : str
        The verdict that is right where the effect is as assumed.
    wanted : float
        How often it should come out.
    design : Design
        What all designs have in common.
    """

    claim: Claim
    rates: pd.DataFrame
    right: str
    wanted: float
    cohorts: int
    seed: int
    design: Design

    @property
    def smallest(self) -> pd.Series | None:
        """The design with the fewest clients, and of these the fewest sessions and case managers,
        in which the right verdict comes out as often as wanted; None if it does in none.
        """
        rows = self.rates[self.rates["truth"] == "assumed"]
        rows = rows[rows[self.right] >= self.wanted]
        rows = rows.sort_values(["n", "sessions", "case_managers"], kind="stable")
        return None if rows.empty else rows.iloc[0]

    @property
    def table(self) -> pd.DataFrame:
        """The rates in percent, as a grant application prints them; see `caption`."""
        shares = [*VERDICTS, "misleading"]
        table = self.rates.assign(**(100 * self.rates[shares]).round(1))
        once = [] if self.claim.over_time else ["sessions"]
        return table.drop(columns=["monte_carlo_error", *once])

    @property
    def caption(self) -> str:
        """What stands above the table."""
        claim = self.claim.text.rstrip(".")
        return SAID["caption"].format(cohorts=self.cohorts, claim=claim)

    @property
    def paragraph(self) -> str:
        """What a grant application says of the smallest design that is good enough, or of the
        largest if none is.
        """
        best = self.smallest
        row = self.rates.sort_values(["n", "sessions"]).iloc[-1] if best is None else best
        pair = self.rates[(self.rates[SIZE] == row[SIZE]).all(axis=1)].set_index("truth")
        text = TEMPLATE.render(
            plan=self, row=row, best=best, rates=pair.to_dict("index"), said=SAID,
            course=courses()[TREND_ONLY], error=self.rates["monte_carlo_error"].max(),
            clear=pair["misleading"].notna().all(),
        )  # fmt: skip
        return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))


def plan(
    claim: str,
    effect: float | None = None,
    case_managers: str | Sequence[int] = "45",
    clients: str | Sequence[int] = "5",
    sessions: str | Sequence[int] = "",
    reliability: float = 1.0,
    missing: float = 0.0,
    pretreatment: float = 0.0,
    level: str = "both",
    wanted: float = 0.8,
    cohorts: int = 1000,
    seed: int = 1995,
    rules: Rules | None = None,
    codebook: Codebook | str | None = None,
    jobs: int = 2,
) -> Plan:
    """How often each verdict on a claim would come out, in studies of each design.

    Parameters
    ----------
    claim : str
        One of the rules; `finding/claim` or `finding/claim/informant` where several have its name.
    effect : float, optional
        What is assumed to be true, in the claimed direction: of an association or `modest` a
        correlation, of a block a share of variance, of days a rate ratio, over time standard
        deviations within clients. By default the bound of the claim, or of an absence no effect.
    case_managers, clients, sessions : list of int, or text with commas
        Every combination is a design; `clients` of each case manager, on average.
    reliability : float
        Of the ratings; below 1 the effect is meant as it would be without error.
    missing : float
        Share of clients, or sessions, that are missing at random.
    pretreatment : float
        Share of the outcome's variance that the pretreatment variables explain.
    level : {"both", "within"}
        Whether the effect is as strong between case managers as within them, or only within.
    wanted : float
        How often the right verdict should come out.
    cohorts, seed : int
        Simulated cohorts for each design and truth.
    rules, codebook : optional
        The shipped ones by default; of the codebook the file's path will do.
    jobs : int
        Processes side by side.

    Raises
    ------
    ParameterError
        Every parameter that cannot be, at once.

    Examples
    --------
    >>> found = plan("symptoms", 0.25, "20", "4, 6", cohorts=20, jobs=1)
    >>> found.rates["truth"].tolist()
    ['assumed', 'otherwise', 'assumed', 'otherwise']
    """
    check_names()
    rules = rules or read_rules()
    book = codebook if isinstance(codebook, Codebook) else read_codebook(codebook or None)
    asked = find_claim(claim, rules)
    effect = _usual(asked, rules) if effect is None else effect
    read, problems = _sizes((case_managers, clients, sessions), asked)
    quality = {"reliability": reliability, "missing": missing, "pretreatment": pretreatment}
    limits = SAID["limits"] | {"effect": SAID["limits"].get(asked.kind, [-0.95, 0.95])}
    numbers = {"effect": effect, "wanted": wanted, "cohorts": cohorts, "seed": seed, **quality}
    for name, value in numbers.items():
        low, high = limits[name]
        if not low <= value <= high:
            problems.append(f"{name} is {value:g}; give a number from {low:g} to {high:g}.")
    if level not in ("both", "within"):
        problems.append(f"level is {level!r}; choose both or within.")
    engine, shares = _engine(asked, rules, book)
    problems += _misfits(engine, shares["other_share"], quality, level)
    if problems:
        raise ParameterError("\n".join(problems))
    truths = {"assumed": effect, "otherwise": contrary(asked, rules, effect)}
    designs = [Design(*size, e, **quality, **shares, level=level)
               for size in product(*read) for e in truths.values()]  # fmt: skip
    for design in designs:
        engine.prepared(design)
    parts = [(i, min(CHUNK, cohorts - i)) for i in range(0, cohorts, CHUNK)]
    found = Parallel(jobs, max_nbytes=None, temp_folder=gettempdir())(  # no folder in shared memory
        delayed(engine.verdicts)(d, many, (seed, d.case_managers, d.clients, d.sessions, k % 2, i))
        for (k, d), (i, many) in product(enumerate(designs), parts)
    )
    rows = []
    for k, d in enumerate(designs):
        said = sum(found[k * len(parts) : (k + 1) * len(parts)], Counter())
        rates = {verdict: said[verdict] / cohorts for verdict in VERDICTS}
        wrong = readings(asked, rules, engine.observed(d))[1]
        worst = max(p * (1 - p) for p in rates.values()) / cohorts
        error = np.sqrt(worst + Z2 / (2 * cohorts) ** 2) / (1 + Z2 / cohorts)
        row = {name: getattr(d, name) for name in (*SIZE, "n")}
        row |= {"truth": [*truths][k % 2], "effect": d.effect, **rates}
        rows.append(row | {"misleading": rates.get(wrong, np.nan), "monte_carlo_error": error})
    right = readings(asked, rules, engine.observed(designs[0]))[0]
    return Plan(asked, pd.DataFrame(rows), right, wanted, cohorts, seed, designs[0])


def find_claim(name: str, rules: Rules) -> Claim:
    """The claim of that name: `claim`, `finding/claim`, or `finding/claim/informant`.

    Where the rules have none over time, those of the scenarios over time are known too.

    Raises
    ------
    ParameterError
        There is none, or there are several, or it is made of others.
    """
    named: dict[str, list[Claim]] = {}
    claims = rules.claims
    if not any(claim.over_time for claim in claims):
        claims += read_rules(COURSES / "findings.yml").claims
    for claim in claims:
        for key in (claim.claim, "/".join(claim.key[:2]), "/".join(claim.key)):
            named.setdefault(key, []).append(claim)
    if name not in named:
        raise ParameterError(f"There is no claim {name!r}; {meant(name, named)}")
    if len(named[name]) > 1:
        several = ", ".join("/".join(c.key) for c in named[name])
        raise ParameterError(f"Several claims are named {name!r}; write one of {several}.")
    (claim,) = named[name]
    if claim.of:
        raise ParameterError(f"{name!r} is made of others; plan each of {', '.join(claim.of)}.")
    return claim


def _engine(claim: Claim, rules: Rules, book: Codebook) -> tuple[Engine, dict]:
    """What judges cohorts of a claim, and case managers' shares of what it is about, those
    of `data/scenarios.yml` (of what is no rating that of symptoms).
    """
    tested = tuple(claim.variables(book))
    raw = [book.derived[t].source if t in book.derived else t for t in tested]
    own = {name for t in book.tables.values() if t.row == "case_manager" for name in t.variables}
    scales = read_scenarios()["scales"].items()
    held_by = {name: entry["case_manager_share"]["value"] for name, entry in scales}
    other = held_by["symptoms"]
    shares = {"shares": tuple(held_by.get(f"{i}_alliance", other) for i in claim.informants),
              "other_share": 1.0 if raw and own.issuperset(raw) else other}  # fmt: skip
    none = claim.over_time or claim.kind == "rate_absence"
    held = 0 if none else len(rules.held_constant(claim, book, True))
    if claim.composite:
        claim, tested = replace(claim, composite={}, term="composite"), ("composite",)
    ratings = [book.alliance_of(i) for i in book.informants]
    rated = [name in ratings for name in (claim.source, claim.term)]
    rated = rated if claim.over_time else (True, claim.kind == "modest")
    return Engine(claim, rules, tested, held, tuple(rated)), shares


def _misfits(engine: Engine, other_share: float, quality: dict, level: str) -> list[str]:
    """What of a claim is not simulated, and what would change nothing for it."""
    claim, told = engine.claim, []
    if claim.block and not engine.tested:
        told += [f"needs the block {claim.block!r}, which the codebook has not."]
    if claim.lag > 1 or claim.than != "reverse":
        told += ["is not what is simulated, the path from one session to the next (lag: 1) and its "
                 "reverse (than: reverse); state such a claim, and plan that."]  # fmt: skip
    if (held := quality["pretreatment"]) and not engine.held:
        told += [f"holds no pretreatment constant; leave out pretreatment {held:g}."]
    if (told_of := quality["reliability"]) < 1 and not any(engine.rated):
        told += [f"relates no ratings; leave out reliability {told_of:g}."]
    about = {claim.over_time: "sessions of clients", other_share == 1: "case managers' own traits",
             claim.kind == "rate_absence": "days, drawn with one ratio"}.get(True)  # fmt: skip
    if level == "within" and about:
        told += [f"is of {about}: level within would change nothing; leave it out."]
    return [f"{claim.claim!r} {what}" for what in told]


def _usual(claim: Claim, rules: Rules) -> float:
    """The least that a claim says: an effect of the bound's size, or none."""
    none = {"block_absence": 0.0, "rate_absence": 1.0}
    return none.get(claim.kind, bounds_of(claim, rules)[1])


def contrary(claim: Claim, rules: Rules, effect: float) -> float:
    """What else may be true: no effect, or where none is assumed one of the bound's size."""
    none, (low, high) = float(claim.kind == "rate_absence"), bounds_of(claim, rules)
    nothing = effect == none if claim.kind in ABSENCES else effect <= none
    return (low if none else high) if nothing else none


def readings(claim: Claim, rules: Rules, effect: float) -> tuple[str, str | None]:
    """The right verdict where an effect, as it is observed, is true; and the one that misleads.

    Between nothing and the bound none misleads: there is an effect, and it is small.
    """
    low, high = bounds_of(claim, rules)
    nothing, matters = effect <= 0, effect >= high
    if claim.kind == "rate_absence":
        nothing, matters = effect == 1, not low < effect < high
    if claim.kind == "modest" and effect >= rules.bounds["modest_high"]:
        nothing, matters = True, False
    if not (nothing or matters):
        return SUPPORTED, None
    there = matters != (claim.kind in ABSENCES)
    return (SUPPORTED, NOT_SUPPORTED) if there else (NOT_SUPPORTED, SUPPORTED)


def _sizes(given: Sequence[object], claim: Claim) -> tuple[list[list[int]], list[str]]:
    """Case managers, clients and sessions to be combined, and what is wrong with them."""
    least = (1, 1, 3) if claim.over_time else (3, 1, 1)
    usual = (45, 5, 10 if claim.over_time else 1)
    read, problems = [], []
    for name, value, low, default in zip(SIZE, given, least, usual, strict=True):
        parts = value.split(",") if isinstance(value, str) else np.atleast_1d(value).tolist()
        try:
            numbers = sorted({int(part) for part in parts}) if value else [default]
        except ValueError:
            problems.append(f"{name} is {value!r}; give whole numbers with commas between.")
            continue
        if numbers[0] < low:
            problems.append(
                f"{name} is {numbers[0]}; a verdict on {claim.claim!r} needs {low} or more."
            )
        read.append(numbers)
    if given[2] and not claim.over_time:
        problems.append(
            f"sessions is {given[2]!r}; {claim.claim!r} is of one occasion: leave it out."
        )
    most = 0 if problems else np.prod([numbers[-1] for numbers in read])
    if most > LARGEST:
        problems.append(f"The largest design has {most:,} rows of clients; {LARGEST:,} at most.")
    return read, problems


def power_table(findings: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """Chance that the equivalence test of hospital days supports an absence, over the true ratio.

    Two one-sided 5 % tests at the standard error that the study found, taken as known (Julious
    2004, Stat Med 23:1921-1986, section 5).

    Parameters
    ----------
    findings : DataFrame
        As `assess` returns it; the rows of the primary analysis are read.
    rules : Rules
        Says which claims are absences of a rate ratio, and their bounds.

    Returns
    -------
    DataFrame
        `informant effect power n`, the effect being a rate ratio.

    Examples
    --------
    >>> from alliance_helpers import assess, open_cohort
    >>> dyads = open_cohort().dyads
    >>> rows = assess(dyads, finding="4", limits_90=True)
    >>> power_table(rows, read_rules()).empty
    False
    """
    absences = {claim.key for claim in rules.claims if claim.kind == "rate_absence"}
    low, high = np.log([rules.bounds["rate_ratio_low"], rules.bounds["rate_ratio_high"]])
    effects, tables = np.geomspace(0.6, 1 / 0.6, 61), []
    primary = rules.primary_of(set(findings["analysis"]))
    rows = findings[findings["analysis"] == primary].dropna(subset="conf_low")
    for _, row in rows.drop_duplicates(KEY, keep="last").iterrows():
        if tuple(row[KEY]) in absences:
            df = row["df"] if row["df"] > 0 else np.inf
            error = np.log(row["conf_high"] / row["conf_low"]) / 2 / stdtrit(df, 0.975)
            room = stdtrit(df, 0.95) * error
            inside = [(edge - np.log(effects)) / error for edge in (low + room, high - room)]
            power = np.clip(ndtr(inside[1]) - ndtr(inside[0]), 0, 1)
            told = {"informant": row["informant"], "effect": effects, "power": power, "n": row["n"]}
            tables.append(pd.DataFrame(told))
    columns = ["informant", "effect", "power", "n"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
