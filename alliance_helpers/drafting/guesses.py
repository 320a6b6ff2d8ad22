"""What a column may be, guessed from its name and values; who plays which role; what is a WAI.

Everything here is a guess for a person to confirm; nothing depends on it once a codebook is there.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, count
from math import ceil, floor

import numpy as np
import pandas as pd
from pandas.api import types

from ..errors import listed
from ..study.cells import as_text, plain, word_of
from ..study.raw_tables import RawTable
from .answers import (
    BELOW,
    CODES,
    FEW,
    HALF,
    MOST_LEVELS,
    MOSTLY,
    SOME,
    WORDS,
    anchors,
    as_number,
    far_codes,
    far_off,
    in_order,
    is_just,
    label_gaps,
    no_answer,
    nobody,
    pattern,
    say,
    says,
    shown,
    zero_apart,
)

ROLES = {who: pattern("role", who) for who in ("client", "case_manager", "site")}
NAMED = {who: pattern("bare_role", who) for who in ROLES}
RATERS = re.compile(rf"(?=.{{3}})({pattern('who', 'case_manager').pattern})", re.IGNORECASE)
ID_WORDS = f"({pattern('column', 'id_words').pattern})"
ID_OF = pattern("column", "id_of")
RESERVED = {"yes", "no", "on", "off", "true", "false", "null", "y", "n"}
RARE = 0.05  # of the rows
MANY = 50  # rows enough for whole numbers that are all different to be no measurement
UMLAUTS = {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"}
DATE = re.compile(r"\d{4}-\d\d-\d\d([T ].*)?")
MOMENT = re.compile(r"\d{1,4}([-./])\d{1,2}\1\d{1,4}(\D.*)?|(19|20)\d{6}")  # a date in any order
NAMED_MONTH = re.compile(r"(?i)\d{1,2}([-. ]*)[a-z]{3,9}\1\d{2,4}(\D.*)?|[a-z]{3,9} \d.*")
NAMELESS = re.compile(r"unnamed \d+")
DAYS, CLOCKS = (WORDS["time"][name] for name in ("days", "clocks"))
MISTYPED = 0.02  # so few cells among numbers are slips of the pen
SIGNED = re.compile(r"\D{0,3}\d+([.,'’ ]\d+)*\D{0,20}")  # >20, 12 (mild), 1'200, 45%
THOUSANDS = re.compile(r"[-+]?\d{1,3}[.,]\d{3}")
REPEATED = re.compile(r"(\d)\1+(\.\1+)?")  # 77, 888, 99.9


@dataclass(frozen=True)
class Guess:
    """What one column seems to be."""

    column: str
    type: str
    label: str = ""
    low: float = np.nan
    high: float = np.nan
    beyond: str = ""  # what is made of numbers outside
    values: Sequence[str] | Mapping[str, object] = ()
    codes: tuple[float | str, ...] = ()
    format: str = ""
    asked: str = ""  # what only a person can tell
    role: str | None = None
    within: tuple[str, ...] = ()  # what an id begins anew in
    rare: bool = False  # whether so few rows repeat a value that a later form corrects an earlier
    unique: bool = False  # whether every value stands in one row

    @property
    def own_codes(self) -> list[float | str]:
        """Codes for no answer that may mean something in another column, as 9 among ids."""
        numbers = (c for c in self.codes if not isinstance(c, str) and c not in BELOW)
        return [*(self.codes if self.type == "id" else numbers)]

    @property
    def range(self) -> tuple[float, ...]:
        """Lowest and highest value, to two decimals; nothing if none was seen."""
        seen = not np.isnan(self.low)
        return (floor(self.low * 100) / 100, ceil(self.high * 100) / 100) if seen else ()

    def as_id(self, **also) -> Guess:
        """The same column as what tells rows apart, which has no range and no categories."""
        values = self.values if self.type == "id" else ()
        return replace(self, type="id", low=np.nan, high=np.nan, **{"values": values, **also})


Columns = dict[str, Guess]


@dataclass(frozen=True)
class Column:
    """What the cells of a column hold, without blanks and what its file declares missing.

    `held` counts how often each text stands there, numbers and days as text; `levels` are the value
    labels by code.
    """

    name: str
    label: str
    held: Mapping[str, int]
    levels: Mapping[str, str]
    days: bool

    @cached_property
    def number(self) -> dict[str, float]:
        """The texts that are numbers."""
        return {text: x for text in self.held if (x := as_number(text)) is not None}

    @cached_property
    def steps(self) -> dict[str, str]:
        """The value labels of answers; where there are none, what the name or the label tells."""
        steps = {code: label for code, label in self.levels.items() if not no_answer(label)}
        return steps if self.levels else anchors(f"{self.name} {self.label}")


def scan(raw: RawTable) -> dict[str, Column]:
    """Every column of a table, looked at once."""
    found = {}
    for name, values in raw.frame.items():
        gone = {as_text(code) for code in raw.missing.get(name, ())}
        spans = raw.missing_ranges.get(name, ())
        told = raw.levels.get(name, {})
        held = _held(values)
        if spans:
            number = {text: as_number(text) for text in (*held, *told)}
            gone |= {text for text, x in number.items() for low, high in spans
                     if x is not None and low <= x <= high}  # fmt: skip
        held = {text: n for text, n in held.items() if text not in gone}
        levels = {code: label for code, label in told.items() if code not in gone}
        days = types.is_datetime64_any_dtype(values)
        found[name] = Column(name, raw.labels.get(name, ""), held, levels, days)
    return found


def _held(values: pd.Series) -> Mapping[str, int]:
    number = types.is_numeric_dtype(values) and not types.is_bool_dtype(values)
    held: Counter[str] = Counter()
    for value, n in values.value_counts(sort=False).items():
        held[f"{value:.15g}" if number else as_text(value)] += n
    held.pop("", None)
    return held


def guess_columns(
    columns: Mapping[str, Column], items: Mapping[str, Guess], labelled: bool
) -> Columns:
    """A guess for every column, by the name that the codebook may give it; of `items` as given.

    `labelled`: whether the file itself tells what its codes stand for.
    """
    made: Columns = {}
    words = _words_among_numbers(columns.values())
    for name, column in columns.items():
        if name in items:
            made[plain_name(name, made)] = replace(items[name], column=name, label=column.label)
            continue
        guess = _guess(column, words, labelled)
        told = (name, guess.label)  # finding 4 asks for days that are not before the study
        days = guess.type == "integer" and says("hospital_days", *told)
        days = days and not says("before", *told)
        made[plain_name("hospital_days" if days else name, made)] = guess
    return made


def _words_among_numbers(columns: Iterable[Column]) -> set[str]:
    """Words for no answer: where most cells are numbers, in several rows, known, or a sign."""
    counts: Counter[str] = Counter()
    for column in columns:
        text = {word: n for word, n in column.held.items() if word not in column.number}
        if 0 < sum(text.values()) < sum(column.held.values()) / 2:
            named = role_of(column.name) is not None
            counts.update({w: n if named or n < 2 or not w.rstrip(".").isalpha() else FEW
                           for w, n in text.items()})  # fmt: skip
    return {w for w, n in counts.items() if n >= FEW or no_answer(w) or not plain(w)}


def named_for(name: str) -> str | None:
    """Whose id a column holds for sure by its name: nothing but the role and words for an id.

    >>> named_for("THER"), named_for("Therapist Code"), named_for("therapist_age")
    ('case_manager', 'case_manager', None)
    >>> named_for("TCODE"), named_for("T")
    ('case_manager', None)
    """
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", ID_OF.sub("", name.partition(". ")[0]))
    words = re.split(r"[^a-zäöüíé]+", split.lower())
    bare = "_".join(w for w in words if w and not re.fullmatch(ID_WORDS, w))
    several = dict.fromkeys([bare, re.sub(rf"^(cod|id|nr)|{ID_WORDS}$", "", bare)])
    if ("t" in several and name.lower() != "t") or any(map(RATERS.fullmatch, several)):  # t_id, TNR
        return "case_manager"
    return next((role for role, told in NAMED.items() if any(map(told.fullmatch, several))), None)


def role_of(name: str) -> str | None:
    """Whose id or name a column may hold, by its own name."""
    found = [role for role, words in ROLES.items() if words.search(name)]
    return "case_manager" if "case_manager" in found else found[0] if len(found) == 1 else None


def _guess(column: Column, words: set[str], labelled: bool) -> Guess:
    sure = named_for(column.name) or {"case_manager": "case_manager"}.get(named_for(column.label))
    role = sure or role_of(column.name) or role_of(column.label)
    words = words if sure != "client" else set()
    said = sorted(words & column.held.keys() | _unnamed(column, role))
    present = {text: n for text, n in column.held.items() if text not in said}
    total, levels = sum(present.values()), column.levels
    rare, unique = total > FEW and total - len(present) < RARE * total, total == len(present)
    codes = tuple(as_number(text) if text in column.number else text for text in said)
    guess = Guess(column.name, "text", column.label, codes=codes, rare=rare, unique=unique)
    if column.days or not present:
        return replace(guess, type="date") if present else guess
    number = _numbers(present, column.number)
    if role is None and number is None and not unique and (when := in_order(present, column.name)):
        return replace(guess, **when)
    no_id = number is None or not (unique or role or says("id", column.name))
    dates = _dates(present, column.name) if no_id else {}
    alone = unique and number is None and total > FEW and not (dates or _mostly(MOMENT, present))
    counted = unique and total > MANY and number is not None
    if counted and NAMELESS.fullmatch(column.name) and _runs_on(number):
        return guess  # rows counted by whoever wrote the file: no id, nothing measured
    named = says("id", column.name) or (role and says("id", column.label))
    sure = None if sure == "site" and (number is None or levels) else sure
    if role == "case_manager" and len(levels) > MOST_LEVELS:
        sure = role  # too many for a category: codes that stand for their names
    twice = max(present.values()) == 2 and total > 1.6 * len(present) > SOME
    if sure or ((counted or twice) and (number is None or _runs_on(number))):
        named, levels = True, {}
    if (alone or (named and not levels)) and _whole(number):
        guess = replace(guess, type="id", role=role)
        return guess if number is None or role != "case_manager" else _apart(guess, number)
    if dates:
        return replace(guess, **dates)
    if number is not None and not _names_every(levels, number):
        guess = _apart(guess, number)
        rest = np.setdiff1d(number, [c for c in guess.codes if not isinstance(c, str)])
        split = [text for text in present if not text.isdigit()]
        if split and len(split) < len(present) and all(map(THOUSANDS.fullmatch, split)):
            guess = replace(guess, asked=say("thousands", column=column.name))
        elif not guess.asked and (gaps := label_gaps(rest, levels, 2)):
            guess = replace(guess, asked=f"{column.name!r}: {gaps}")
        return _outward(as_number_guess(guess, number), number)
    names, few = _spellings(present)
    if levels:
        coded = labelled or not levels.keys() >= {*map(word_of, present)}
        names = [*levels.values()] if coded else levels
    known = 0 < len(names) <= MOST_LEVELS and few <= max(MISTYPED * total, 1)
    if levels or known:
        return replace(guess, type="category", values=names, role=role)
    if role:
        return replace(guess, type="id", role=role)
    numbers = sum(n for text, n in present.items() if text in column.number)
    signs = 2 * numbers > total or _mostly(SIGNED, present)
    signs = say("signs", column=column.name) if signs else ""
    return replace(guess, asked=signs)


def _unnamed(column: Column, role: str | None) -> set[str]:
    """Cells that are no answer by their value label; of case managers, by their own word, too."""
    gone = {code for code, label in column.levels.items() if no_answer(label)}
    gone |= {word for word in column.held if role == "case_manager" and nobody(word)}
    return gone & column.held.keys()


def _apart(guess: Guess, number: np.ndarray) -> Guess:
    """With the codes that lie apart from all else, which are asked about.

    A few negative numbers below all others; or what several rows hold beyond a gap wider than half
    of what the others span; 8 or 9 above the steps of a rating, 0 below them or far below all. Of
    ids, a 0 and a digit repeated.
    """
    ids, (held, rows) = guess.type == "id", np.unique(number, return_counts=True)
    below = held[held < ids]
    odd = [*below] if len(below) <= 3 and _whole(below) and len(held) > 2 * len(below) + 2 else []
    rest, steps = held[held >= ids], []
    time = is_just("time", guess.column)  # the ninth session is no code
    if len(rest) > 3 and not (time or says("hospital_days", guess.column)):
        at = len(rest) - 4 + int(np.diff(rest[-4:]).argmax()) + 1
        wide = rest[at] - rest[at - 1] > max(2, (rest[at - 1] - rest[0]) / 2)
        odd += [x for x in rest[at:] if wide and (REPEATED.fullmatch(f"{x:g}") or (
            not ids and rows[held == x][0] >= FEW))]  # fmt: skip
        steps = [] if ids else [x for x in far_off(number)["above"] if x in (8, 9) and x not in odd]
        kept = ~np.isin(held, [*odd, *steps])
        honest = says("symptoms", f"{guess.column} {guess.label}") and (number == 0).sum() == 1
        steps += [0] if not (ids or honest) and zero_apart(held[kept], rows[kept]) else []
    unsure = [x for x in odd if x not in (BELOW if ids else CODES)] + steps
    said = say("apart", column=guess.column, codes=listed(f"{x:g}" for x in unsure))
    left = number[~np.isin(number, [*odd, *steps])]
    known = () if ids else far_codes(left, np.inf if time else HALF)
    codes = *guess.codes, *map(float, [*odd, *steps, *known])
    return replace(guess, codes=codes, asked=said if unsure else guess.asked)


def _dates(present: Mapping[str, int], name: str) -> dict[str, object]:
    """How nearly all of these dates are written; asked, if they are other dates by another form."""
    if _mostly(DATE, present):
        return {"type": "date"}
    texts = {text: n for text, n in present.items() if not DATE.fullmatch(text)}
    if not (_mostly(MOMENT, texts) or _mostly(NAMED_MONTH, texts)):
        return {}
    cells, rows = pd.Series([*texts], dtype="str"), np.array([*texts.values()])
    read: dict[str, tuple[float, pd.Series]] = {}
    for form in (day + clock for clock in CLOCKS for day in DAYS):
        if pd.to_datetime(cells[:SOME], format=form, errors="coerce").notna().any():
            days = pd.to_datetime(cells, format=form, errors="coerce")
            read[form] = rows[days.notna()].sum() / rows.sum(), days
    most = max((share for share, _ in read.values()), default=0)
    fit = {form: days for form, (share, days) in read.items() if share == most > MOSTLY}
    if not fit:
        return {}
    form = next(iter(fit))
    other = next((o for o, days in fit.items() if not days.equals(fit[form])), "")
    what = "day_or_month" if other else "mixed_dates" if len(texts) < len(present) else ""
    asked = say(what, column=name, form=form, other=other) if what else ""
    return {"type": "date", "format": form, "asked": asked}


def _spellings(present: Mapping[str, int]) -> tuple[list[str], int]:
    """Categories of at least `FEW` rows, each in its most frequent spelling; rows of the others.

    What fewer hold is not named: `check` asks about it, or if it is much the column is left aside.
    """
    rows: Counter[str] = Counter()
    for text, n in present.items():
        rows[plain(text)] += n
    often = sorted(present, key=lambda text: present[text])
    names = {plain(text): text for text in often if rows[plain(text)] >= FEW}
    return sorted(names.values()), sum(n for n in rows.values() if n < FEW)


def _numbers(present: Mapping[str, int], number: Mapping[str, float]) -> np.ndarray | None:
    """Every cell as a number; None unless all are, but for very few that `check` will name."""
    known = [text for text in present if text in number]
    cells = np.repeat([number[text] for text in known], [present[text] for text in known])
    return cells if len(cells) >= (1 - MISTYPED) * sum(present.values()) else None


def _mostly(form: re.Pattern, present: Mapping[str, int]) -> bool:
    """Whether nearly all cells have the form."""
    return sum(n for t, n in present.items() if form.fullmatch(t)) > MOSTLY * sum(present.values())


def _whole(number: np.ndarray | None) -> bool:
    return number is None or bool((number % 1 == 0).all())


def _runs_on(number: np.ndarray) -> bool:
    """Whether so many measurements would not all differ, or they are far too long for that."""
    span = number.max() - number.min() + 1
    return span <= len(number) ** 2 / 10 or span > 100_000  # by chance e^-5, as with birthdays


def _names_every(levels: Mapping, number: np.ndarray) -> bool:
    """Whether value labels name every value that occurs, and there are few: a category."""
    found = {f"{x:g}" for x in np.unique(number)}
    anchors = all(re.fullmatch(r"-?\d+", str(v)) for v in levels.values())
    return found <= set(levels) and len(found) <= 4 and not anchors


def as_number_guess(guess: Guess, number: np.ndarray) -> Guess:
    """Type and range of what is no code; the guess as it is, if nothing is left."""
    number = number[~np.isin(number, [c for c in guess.codes if not isinstance(c, str)])]
    if not len(number):
        return guess
    kind = "integer" if _whole(number) else "number"
    return replace(guess, type=kind, low=float(number.min()), high=float(number.max()))


def _outward(guess: Guess, number: np.ndarray) -> Guess:
    """Without an exact end that fewer than `FEW` rows hold, and without few far above all."""
    held = np.unique(number[(number >= guess.low) & (number <= guess.high)])
    at = int(np.diff(held).argmax()) if len(held) > FEW else -1
    far = held[at + 1] - held[at] > 3 * (held[at] - held[0]) and np.isin(number, held[at + 1 :])
    if np.any(far) and far.sum() < FEW and not says("hospital_days", guess.column):
        said, number = guess.asked or say("above_all", column=guess.column), number[~far]
        guess = replace(guess, high=float(held[at]), beyond="missing", asked=said)
    step = 10.0 ** max(floor(np.log10(max(guess.high - guess.low, 1))), 0)
    few = [(number == end).sum() < FEW for end in (guess.low, guess.high)]
    low = floor(guess.low / step) * step if few[0] else guess.low
    return replace(guess, low=low, high=ceil(guess.high / step) * step if few[1] else guess.high)


def plain_name(name: str, taken=()) -> str:
    """A name the codebook allows, unlike those taken.

    >>> plain_name("2. Age at intake", {"age_at_intake"}), plain_name("BDI prä")
    ('age_at_intake_2', 'bdi_prae')
    """
    name = unicodedata.normalize("NFC", name).translate(str.maketrans(UMLAUTS))
    name = unicodedata.normalize("NFKD", name)
    name = "".join(sign for sign in name if not unicodedata.combining(sign))
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").lower()
    plain = re.sub(r"^[^a-z]+", "", plain)[:56] or "column"
    plain += "_" if plain in RESERVED else ""
    numbered = (f"{plain}_{i}" for i in count(2))
    return next(made for made in chain([plain], numbered) if made not in taken)


Tables = list[Columns]
IDS = {("id", "client"), ("id", "case_manager")}


def agree(guesses: Tables) -> None:
    """A column that is a category, or names somebody, in one table does so in the others."""
    known: dict[str, Guess] = {}
    for table in guesses:
        known |= {n: g for n, g in table.items() if g.type == "category" or (g.type, g.role) in IDS}
    for table in guesses:
        for name, guess in [*table.items()]:
            there = known.get(name, guess)
            same = {"column": guess.column, "unique": guess.unique}
            told = plain(guess.label), plain(there.label)
            if guess.type != "id" and all(told) and told[0] != told[1]:  # a number of a question
                table[plain_name(f"{name} {guess.label}"[:40], table)] = table.pop(name)
                continue
            if there.type == "category" and guess.type in ("id", "text") and not guess.unique:
                table[name] = replace(there, label=guess.label, **same)
            elif there.type == "id" and guess.type == "integer":
                table[name] = replace(there, **same)


def find_roles(guesses: Tables) -> dict[str, str]:
    """The columns that name the client, the case manager and the site, as far as they are there.

    By their names and labels; failing that, by what a table beside the clients' has a row for each.
    """
    roles: dict[str, str] = {}
    for role in ("client", "case_manager", "site"):
        if named := _named(guesses, role, roles.get("client")):
            roles[role] = named[0]
    if "client" in roles:
        _from_lookups(guesses, roles)
    for name in roles.values():
        types = {table[name].type for table in guesses if name in table}
        if len(types) > 1 and not types <= {"id", "category"}:
            _as_ids(guesses, name)
    return roles


def _named(guesses: Tables, role: str, client: str | None) -> list[str]:
    names = dict.fromkeys(column for table in guesses for column in table)
    columns = {c: [table[c] for table in guesses if c in table] for c in names}
    kinds = ("id", "category") if role == "site" else ("id",)
    fit = {c: g for c, g in columns.items() if any(x.type in kinds for x in g)}
    named = [c for c, g in fit.items() if any(x.role == role for x in g)]
    if role == "client" and not named:
        named = [c for c, g in fit.items() if (g[0].unique or g[0].rare) and g[0].role is None]
    if role == "client":
        once = [c for c in named if any(g.unique for g in columns[c])]
        named = once or [c for c in named if any(g.rare for g in columns[c])]
    elif client:
        named = [c for c in named if any({c, client} <= set(t) for t in guesses)]
    return sorted(named, key=lambda c: -len(columns[c]))


def two_managers(guesses: Tables, roles: Mapping[str, str]) -> list[str]:
    """The question which of several columns of one table names the case manager."""
    first, *others = _named(guesses, "case_manager", roles.get("client")) or [None]
    others = [c for c in others if any({c, first} <= set(t) for t in guesses)]
    many = len(others) > 2  # items, which are named for who answers
    return [say("two_managers", column=first, others=shown(others))] if others and not many else []


def _from_lookups(guesses: Tables, roles: dict[str, str]) -> None:
    client = roles["client"]
    people = [table for table in guesses if client in table]
    for table in guesses:
        for name, guess in table.items() if client not in table else ():
            there = next((t[name] for t in people if name in t), None)
            if guess.unique and there is not None and name not in roles.values():
                role = "site" if there.type == "category" else "case_manager"
                if role not in roles and there.type in ("id", "category", "integer"):
                    roles[role] = name
                    if role == "case_manager":  # even if it holds numbers everywhere
                        _as_ids(guesses, name)


def _as_ids(guesses: Tables, name: str) -> None:
    for table in guesses:
        if name in table:
            table[name] = table[name].as_id()
