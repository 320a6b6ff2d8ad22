"""What a user can state: claims with their bounds and words, and what parameters ask for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from os.path import lexists
from pathlib import Path

import pandas as pd

from ..cohorts.cohort import FEW
from ..errors import CodebookError, ParameterError, Problem, meant
from ..models.design import require, require_whole
from ..models.stepwise import Rule
from ..paths import COURSES, FINDINGS, at
from ..study.codebook import Codebook, dyad_variables, own_words, row_variables
from ..study.read_codebook import book_of
from ..study.yaml_text import load_yaml, read_text, schema_problems

KEY = ["finding", "claim", "informant"]
"""The columns that name a claim, as `Claim.key` does."""
ROW = [*KEY, "analysis"]
"""What names a row of findings."""
OVER_TIME = ("within", "between", "precedes", "precedes_more")
"""Kinds of claims that need several sessions of a client."""
ABSENCES = ("block_absence", "rate_absence")
DETRENDED = "detrended"
"""Their primary analysis: the trend that all clients share is taken out."""
SEVERAL = "several sessions of a client"
NAMED = {"from": "source", "to": "term"}
USUAL = {"precedes": {"bound": "lagged"}, "precedes_more": {"bound": "lagged"}}
"""What settings of a claim are called here, and those of a kind where a claim states none."""


@dataclass(frozen=True)
class Claim:
    """One statement that data can support or not; see `data/findings.yml`."""

    finding: str
    claim: str
    kind: str
    informant: str
    text: str = ""
    term: str | None = None
    block: str | None = None
    terms: tuple[str, ...] = ()
    composite: dict[str, float] = field(default_factory=dict)
    name: str = ""
    sign: str = "positive"
    outcome: bool = False
    bound: str = "correlation"
    of: tuple[str, ...] = ()
    note: str = ""
    source: str | None = None
    lag: int = 1
    than: str = "reverse"

    @property
    def over_time(self) -> bool:
        """Whether it is about several sessions of a client."""
        return self.kind in OVER_TIME

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from the others: finding, claim, informant."""
        return self.finding, self.claim, self.informant

    @property
    def direction(self) -> int:
        """Of an association: 1 if it is claimed to be positive, else -1."""
        return 1 if self.sign == "positive" else -1

    @property
    def informants(self) -> list[str]:
        """Whose ratings the claim is about."""
        return ["client", "case_manager"] if self.informant == "both" else [self.informant]

    def variables(self, book: Codebook) -> list[str]:
        """The variables it relates to the alliance."""
        if self.kind == "modest":
            return []
        if self.block:
            return list(book.blocks.get(self.block, ()))
        than = self.than if self.kind == "precedes_more" and self.than != "reverse" else None
        named = (self.term, self.source, than)
        return [*self.terms, *self.composite, *filter(None, named)]


@dataclass(frozen=True)
class Rules:
    """Claims, bounds and words, read by :func:`read_rules`; `own` are not the shipped ones.

    `primary` is the analysis whose verdicts are the study's own; stress tests change it.
    """

    claims: tuple[Claim, ...]
    bounds: dict[str, float]
    days_adjusted_for: tuple[str, ...]
    book: Codebook | None = None
    own: bool = False
    primary: str = "adjusted"

    @property
    def texts(self) -> dict[tuple[str, str, str], str]:
        """The text of each claim by its `key`."""
        return {claim.key: claim.text for claim in self.claims}

    def parts(self, claim: Claim) -> list[Claim]:
        """The claims that a claim is made of, whoever's ratings they are about."""
        wanted = {(claim.finding, name) for name in claim.of}
        return [c for c in self.claims if (c.finding, c.claim) in wanted]

    def lacking(
        self, claim: Claim, book: Codebook, there: Collection[str], named: str = "{}"
    ) -> list[str]:
        """What a claim, or a claim that it is made of, asks for and is not there.

        Such a claim can be put to a study only if each of its parts can; what only a part lacks
        stands with the part that needs it. Variables are told as `named`.
        """
        need = [*claim.variables(book), *([book.case_manager] if book.case_manager else [])]
        raters = [i for i in claim.informants if i in book.informants]
        need += [book.alliance_of(i) for i in raters]
        gone = [named.format(name) for name in need if name not in there]
        if claim.block and claim.block not in book.blocks:
            gone.append(f"block {claim.block!r}")
        unrated = (i.replace("_", " ") for i in claim.informants if i not in raters)
        gone += map("rating by the {}".format, unrated)
        gone += [SEVERAL] if claim.over_time and SEVERAL not in there else []
        for part in self.parts(claim):
            more = [x for x in self.lacking(part, book, there, named) if x not in gone]
            gone += [f"{' and '.join(more)} (for {part.claim})"] if more else []
        return list(dict.fromkeys(gone))

    def held_constant(self, claim: Claim, book: Codebook, adjusted: bool) -> list[str]:
        """What an analysis of a claim holds constant: pretreatment if `adjusted`.

        Days are always adjusted for what the claims say; a claim about the pretreatment block, or
        about a variable in it, is not adjusted for what it is about.
        """
        held = list(self.days_adjusted_for) if claim.kind == "rate_absence" else []
        if adjusted and claim.block != "pretreatment":
            own = claim.variables(book)
            held += [c for c in book.blocks.get("pretreatment", ()) if c not in own]
        return list(dict.fromkeys(held))

    def primary_of(self, analyses: Collection[str]) -> str | None:
        """The primary analysis, or of those that a study has what comes nearest to it."""
        near = (self.primary, "nested", "adjusted_independent", "as_published", DETRENDED)
        return next((name for name in near if name in analyses), None)

    def primary_rows(self, findings: pd.DataFrame) -> pd.DataFrame:
        """The rows of each claim's primary analysis; a claim over time has one of its own."""
        names = {self.primary_of(set(findings["analysis"])), DETRENDED}
        return findings[findings["analysis"].isin(names)]

    def finding(self, name: object) -> str | None:
        """The finding of that name, a number too; None, for all of them, without a name.

        Raises
        ------
        ParameterError
            No claim is of that finding.
        """
        known = dict.fromkeys(claim.finding for claim in self.claims)
        if name in (None, ""):
            return None
        if str(name) not in known:
            raise ParameterError(f"finding is {str(name)!r}; choose one of {', '.join(known)}.")
        return str(name)

    def told(self, text: str) -> str:
        """A text of the kit in the study's own words, if the study is known."""
        return own_words(text, self.book)


def read_rules(
    path: str | Path | None = None, data: str | Path | None = None, book: Codebook | None = None
) -> Rules:
    """Read the claims and bounds.

    Parameters
    ----------
    path : path, optional
        A file like `data/findings.yml`.
    data : path, optional
        Without `path`: the study's folder, whose own `findings.yml` is used if it has one; else the
        shipped one.
    book : Codebook, optional
        The study's, so that its words for clients and case managers are those of the claims.

    Raises
    ------
    CodebookError
        Naming every claim that cannot be understood.

    Examples
    --------
    >>> rules = read_rules()
    >>> rules.bounds["correlation"], len(rules.claims)
    (0.2, 22)
    """
    path = claims_file(path, data)
    raw = _stated(read_text(path), path.name)
    told = {name: partial(own_words, book=book) for name in ("text", "name", "note")}
    made = told | {"terms": tuple, "of": tuple}
    named = [{NAMED.get(name, name): v for name, v in entry.items()} for entry in raw["claims"]]
    claims = tuple(
        Claim(**USUAL.get(entry["kind"], {})
              | entry | {name: make(entry[name]) for name, make in made.items() if name in entry})
        for entry in named
    )  # fmt: skip
    # Where a study's own claims state no bound of that name, the shipped one holds.
    shipped = _stated(read_text(FINDINGS), FINDINGS.name)
    stated = shipped["bounds"] | raw.get("bounds", {})
    bounds = {name: float(entry["value"]) for name, entry in stated.items()}
    remedy = "Name claims of the same finding that stand further up."
    problems = [Problem(path.name, what, remedy) for what in _lost_parts(claims)]
    offered = f"Use one of {', '.join(bounds)}."
    unknown = (c for c in claims if c.bound not in bounds)
    wrong = (f"claim {c.claim!r}: there is no bound {c.bound!r}." for c in unknown)
    problems += [Problem(path.name, what, offered) for what in wrong]
    if problems:
        raise CodebookError(problems)
    held, primary = tuple(raw.get("days_adjusted_for", ())), raw.get("primary", Rules.primary)
    return Rules(claims, bounds, held, book, path != FINDINGS, primary)


@lru_cache(maxsize=2)
def _stated(text: str, name: str) -> dict:
    """What a file of claims says, and nobody changes."""
    raw, remedy = load_yaml(text, name), "Compare it with data/findings.yml."
    if problems := schema_problems(raw, text, name, "findings.schema.json", remedy):
        raise CodebookError(problems)
    return raw


def claims_file(path: str | Path | None = None, data: str | Path | None = None) -> Path:
    """The file of claims: the one named, the one beside the data, the shipped one."""
    place = at(data or "")
    own = (place.parent if place.is_file() else place) / "findings.yml"
    return at(path) if path else own if data and lexists(own) else FINDINGS


def unanswerable(rules: Rules, book: Codebook) -> list[tuple[Claim, list[str]]]:
    """Claims that ask for what the codebook does not have, and for what."""
    there, named = dyad_variables(book), "variable {!r}"
    there |= {SEVERAL} if any(table.time for table in book.tables.values()) else set()
    return [(c, gone) for c in rules.claims if (gone := rules.lacking(c, book, there, named))]


def left_out(rules: Rules, book: Codebook) -> list[str]:
    """What to tell of claims that ask for what the codebook does not have."""
    lacking = unanswerable(rules, book)
    if lacking and not rules.own:
        told = [_speaks(rules, book, "shipped claims", "this study")]
        if any(table.time for table in book.tables.values()):
            example, where = read_rules(COURSES / "findings.yml"), "data/over_time/findings.yml"
            told += [f"{_speaks(example, book, f'claims over time in {where}', 'its sessions')} "
                     "Where they tell a rating and an outcome, notebook 10_over_time asks which "
                     "comes first."]  # fmt: skip
        return [*told, "State your own in a findings.yml beside the data."]
    told = "Claim {!r} will be left out: the study has no {}."
    return [rules.told(told.format(claim.claim, ", no ".join(gone))) for claim, gone in lacking]


def _speaks(rules: Rules, book: Codebook, which: str, what: str) -> str:
    n = len(rules.claims) - len(unanswerable(rules, book))
    return f"Of the {len(rules.claims)} {which}, {n} can be put to {what}."


def _lost_parts(claims: tuple[Claim, ...]) -> list[str]:
    """Parts that no claim above is: they would be passed over in silence."""
    lost = []
    for n, claim in enumerate(claims):
        above = {c.claim for c in claims[:n] if c.finding == claim.finding}
        below = {c.claim for c in claims[n:] if c.finding == claim.finding}
        wrong = [name for name in claim.of if name not in above or name in below]
        lost += [f"claim {claim.claim!r}: there is no claim {name!r} above it." for name in wrong]
    return lost


def read_stress() -> dict[str, dict]:
    """Labels of all analyses, and the settings of the stress tests, from `data/stress.yml`.

    Examples
    --------
    >>> read_stress()["bayes"]["evidence"]
    3.0
    """
    return _settings(read_text(FINDINGS.with_name("stress.yml")))


@lru_cache(maxsize=1)
def _settings(text: str) -> dict[str, dict]:
    return load_yaml(text, "stress.yml")


# What notebooks ask for unless they are told otherwise; a study that lacks it has another instead.
STANDING = {
    "by": ("site_type", ""),
    "outcome": ("symptoms", "client_outcome", ""),
    "days": ("hospital_days", ""),
    "informant": ("case_manager", ""),
}
KINDS = {"by": "column of categories", "days": "count"}
STEPWISE = ("method", "p_enter", "p_remove")


def _dividing(book: Codebook) -> list[str]:
    kinds = [name for name, v in row_variables(book).items() if v.type == "category"]
    made = [name for name, derived in book.derived.items() if derived.is_value is not None]
    return [*([book.site] if book.site else []), *kinds, *made]


def _counted(book: Codebook) -> list[str]:
    return [*book.days, *(n for n, v in row_variables(book).items() if v.type == "integer")]


# Parameter -> the names in a study that it may take, that to take instead of a usual one first.
OFFERED: dict[str, Callable[[Codebook], list[str]]] = {
    "by": _dividing,
    "outcome": lambda book: list(book.blocks.get("outcome", ())),
    "days": _counted,
    "informant": lambda book: list(book.informants),
}
NUMBERS: dict[str, Callable[..., None]] = {
    "conf_level": partial(require, "share"),
    "n_perm": partial(require_whole, 0, 100_000),
    "min_cell": partial(require_whole, 0),
}


def choose(dyads: pd.DataFrame, codebook: Codebook | None = None, **asked: object) -> object:
    """What notebooks' parameters ask for, if the study has it.

    The names that notebooks ask for unless they are told otherwise (`symptoms`, `site_type`, ...)
    stand for what the study has instead: its first outcome, its sites, the other informant.

    Parameters
    ----------
    asked
        Parameters by name: `by` (a column of categories), `outcome`, `days` (a count), `informant`,
        `method`, `p_enter` and `p_remove`, `conf_level`, `n_perm`, `min_cell`.

    Returns
    -------
    The value, or the list of values if several are asked for.

    Raises
    ------
    ParameterError
        Names with no such thing in the study, with what may have been meant, and numbers out of
        their range, all of them at once.

    Examples
    --------
    >>> dyads = open_cohort(scenario="published", n_clients=40).dyads
    >>> choose(dyads, outcome=""), choose(dyads, outcome="health_sickness", min_cell=5)
    ('client_outcome', ['health_sickness', 5])
    """
    found = list(chosen_values(asked, book_of(dyads, codebook), dyads).values())
    return found if len(found) > 1 else found[0]


def chosen_values(
    asked: Mapping[str, object],
    book: Codebook,
    columns: Collection[str] | None = None,
    rules: Rules | None = None,
) -> dict[str, object]:
    """The same by name, for a codebook (see :func:`choose`).

    For a command, before there are `columns`, with `rules` to look up `finding` in: what is given
    there is meant, and a usual name is as good as any other.
    """
    values, problems = dict(asked), []
    rule = {name: asked[name] for name in STEPWISE if name in asked}
    for name, value in asked.items():
        try:
            if name in OFFERED:
                values[name] = _named(name, value, OFFERED[name](book), columns)
            elif name in NUMBERS:
                NUMBERS[name](**{name: value})
            elif name in STEPWISE:
                Rule(**rule)
            elif name == "finding" and rules is not None:
                rules.finding(value)
        except ParameterError as error:
            problems.append(str(error))
    seen = rules is None or book.synthetic or asked.get("show_rows")
    if not problems and not seen and asked.get("min_cell", FEW) < FEW:
        problems.append(
            f"min_cell is {asked['min_cell']}: of real people at least {FEW} are counted together, "
            "unless single values may be seen (show_rows)."
        )
    if problems:
        raise ParameterError("\n".join(dict.fromkeys(problems)))
    return values


def _named(name: str, value: object, known: list[str], columns: Collection[str] | None) -> object:
    """The name itself, or what stands for a usual one that the study lacks."""
    usual = ("",) if columns is None else STANDING[name]
    if columns is not None and name != "informant":
        known = [n for n in known if n in columns]
    if value in known:
        return value
    if value in usual:
        return known[0] if known else "" if name == "by" else value
    kind = KINDS.get(name, name)
    raise ParameterError(f"{name} is {value!r}, no {kind} of the study; {meant(value, known)}")
