"""What a column may be, guessed from its name and values; who plays which role; what is a WAI.

Everything here is a guess for a person to confirm; nothing depends on it once a codebook is there.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import chain, count
from math import ceil, floor

import numpy as np
import pandas as pd
from pandas.api import types

from ..study.cells import as_text, plain, word_of
from ..study.raw_tables import RawTable
from .answers import WORDS, no_answer, pattern, say

ROLES = {who: pattern("role", who) for who in ("client", "case_manager", "site")}
NAMED = {who: pattern("bare_role", who) for who in ("client", "case_manager")}
ID_WORDS = f"({pattern('column', 'id_words').pattern})"
ID = pattern("column", "id")
HOSPITAL_DAYS = pattern("column", "hospital_days")
BEFORE = pattern("column", "before")
BELOW = (-9999, -999, -998, -888, -777, -99, -98, -97, -88, -77, -66, -9, -8, -7)
CODES = (*BELOW, 9, 97, 98, 99, 999, 9999)
MOST_LEVELS = 12
RESERVED = {"yes", "no", "on", "off", "true", "false", "null", "y", "n"}
RARE = 0.05  # of the rows
MANY = 50  # rows enough for whole numbers that are all different to be no measurement
FEW = 5  # a category is named only if the column has at least this many rows per category
UMLAUTS = {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"}
DATE = re.compile(r"\d{4}-\d\d-\d\d([T ].*)?")
MOMENT = re.compile(r"\d{1,4}([-./])\d{1,2}\1\d{1,4}(\D.*)?|(19|20)\d{6}")  # a date in any order
NAMED_MONTH = re.compile(r"(?i)\d{1,2}([-. ]*)[a-z]{3,9}\1\d{2,4}(\D.*)?|[a-z]{3,9} \d.*")
NAMELESS = re.compile(r"unnamed \d+")
DAYS, CLOCKS = (WORDS["time"][name] for name in ("days", "clocks"))
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
TIME = pattern("column", "time")
PHASES = {i: re.compile(rf"\b({pattern('time', name).pattern})\b")
          for i, name in ((3, "after"), (2, "end"), (0, "start"))}  # fmt: skip
UNITS = [(days, pattern("time", unit)) for unit, days in
         (("week", 7), ("month", 30.4), ("year", 365))]  # fmt: skip
ORDINALS = [re.compile(rf"\b({words})\b") for words in WORDS["time"]["ordinals"]]
MOSTLY = 0.95  # of the cells
SOME = 20
MISTYPED = 0.02  # so few cells among numbers are slips of the pen


@dataclass(frozen=True)
class Guess:
    """What one column seems to be."""

    column: str
    type: str
    label: str = ""
    low: float = np.nan
    high: float = np.nan
    values: Sequence[str] | Mapping[str, object] = ()
    codes: tuple[float | str, ...] = ()
    format: str = ""
    asked: str = ""  # what only a person can tell
    role: str | None = None
    within: tuple[str, ...] = ()  # what an id begins anew in
    rare: bool = False  # whether so few rows repeat a value that a later form corrects an earlier
    unique: bool = False  # whether every value stands in one row

    @property
    def own_codes(self) -> list[float]:
        """Codes for no answer that may mean something in another column, as 9 among ids."""
        return [code for code in self.codes if not isinstance(code, str) and code >= 0]

    @property
    def range(self) -> tuple[float, ...]:
        """Lowest and highest value, to two decimals; nothing if none was seen."""
        seen = not np.isnan(self.low)
        return (floor(self.low * 100) / 100, ceil(self.high * 100) / 100) if seen else ()

    def as_id(self, **also) -> Guess:
        """The same column as what tells rows apart, which has no range and no categories."""
        return replace(self, type="id", low=np.nan, high=np.nan, values=(), **also)


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
        """The value labels of answers."""
        return {code: label for code, label in self.levels.items() if not no_answer(label)}


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
        found[name] = Column(name, raw.labels.get(name, "")[:300], held, levels, days)
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
        days = guess.type == "integer" and any(map(HOSPITAL_DAYS.search, told))
        days = days and not any(map(BEFORE.search, told))
        made[plain_name("hospital_days" if days else name, made)] = guess
    return made


def _words_among_numbers(columns: Iterable[Column]) -> set[str]:
    """Words that stand for no answer: where most cells are numbers, in several rows."""
    counts: Counter[str] = Counter()
    for column in columns:
        text = {word: n for word, n in column.held.items() if word not in column.number}
        if 0 < sum(text.values()) < sum(column.held.values()) / 2:
            counts.update(text)
    return {word for word, count in counts.items() if count >= FEW}


@cache
def as_number(text: str) -> float | None:
    """A cell's number, with a point or a comma; None where it is none.

    >>> as_number("3,5"), as_number("12?")
    (3.5, None)
    """
    plainly = re.sub(r"^([-+]?\d*),(\d+)$", r"\1.\2", text)
    number = float(plainly) if re.fullmatch(NUMBER, plainly) else np.inf
    return number if np.isfinite(number) else None


def named_for(name: str) -> str | None:
    """Whose id a column holds for sure by its name: nothing but the role and words for an id.

    >>> named_for("THER"), named_for("Therapist Code"), named_for("therapist_age")
    ('case_manager', 'case_manager', None)
    >>> named_for("TCODE"), named_for("T")
    ('case_manager', None)
    """
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    words = re.split(r"[^a-zäöüíé]+", split.lower())
    bare = "_".join(w for w in words if w and not re.fullmatch(ID_WORDS, w))
    bare = re.sub(rf"{ID_WORDS}$", "", bare)
    if bare == "t" and name.lower() != "t":  # t_id, TNR
        return "case_manager"
    return next((role for role, told in NAMED.items() if told.fullmatch(bare)), None)


def role_of(name: str) -> str | None:
    """Whose id or name a column may hold, by its own name."""
    found = [role for role, words in ROLES.items() if words.search(name)]
    return "case_manager" if "case_manager" in found else found[0] if len(found) == 1 else None


def _guess(column: Column, words: set[str], labelled: bool) -> Guess:
    said = sorted(words & column.held.keys())
    present = {text: n for text, n in column.held.items() if text not in said}
    total, levels = sum(present.values()), column.levels
    rare, unique = total > FEW and total - len(present) < RARE * total, total == len(present)
    guess = Guess(column.name, "text", column.label, codes=(*said,), rare=rare, unique=unique)
    if not present:
        return guess
    if column.days:
        return replace(guess, type="date")
    number, sure = _numbers(present), named_for(column.name)
    role = sure or role_of(column.name) or role_of(column.label)
    if role is None and number is None and not unique and (when := in_order(present, column.name)):
        return replace(guess, **when)
    no_id = number is None or not (unique or role or ID.search(column.name))
    dates = _dates(present, column.name) if no_id else {}
    alone = unique and number is None and total > FEW and not (dates or _mostly(MOMENT, present))
    counted = unique and total > MANY and number is not None
    if counted and NAMELESS.fullmatch(column.name) and _runs_on(number):
        return guess  # rows counted by whoever wrote the file: no id, nothing measured
    named = ID.search(column.name) or (role and ID.search(column.label))
    if role == "case_manager" and len(levels) > MOST_LEVELS:
        sure = role  # too many for a category: codes that stand for their names
    if sure or (counted and _runs_on(number)):
        named, levels = True, {}
    if (alone or (named and not levels)) and _whole(number):
        return replace(guess, type="id", role=role)
    if dates:
        return replace(guess, **dates)
    if number is not None and not _names_every(levels, number):
        return _outward(as_number_guess(guess, number), number)
    names, few = _spellings(present)
    if levels:
        coded = labelled or not levels.keys() >= {*map(word_of, present)}
        names = [*levels.values()] if coded else levels
    known = 0 < len(names) <= MOST_LEVELS and few <= max(MISTYPED * total, 1)
    if levels or known:
        return replace(guess, type="category", values=names, role=role)
    return replace(guess, type="id", role=role) if role else guess


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


def place_in_time(text: str) -> tuple[int, float, str] | None:
    """Where a cell stands in order: its phase, its number, and of what; None if it does not say.

    >>> place_in_time("Session 10"), place_in_time("dritte Sitzung"), place_in_time("intake")
    ((1, 10.0, 'session'), (1, 3.0, 'sitzung'), (0, 0.0, ''))
    """
    words = plain(text)
    phase = next((i for i, told in PHASES.items() if told.search(words)), 1)
    for i, told in enumerate(ORDINALS, 1):
        words = told.sub(str(i), words)
    numbers = re.findall(r"\d+", words)
    if len(numbers) > 1 or (not numbers and phase == 1):
        return None
    of = re.sub(r"\d+", " ", PHASES[phase].sub(" ", words) if phase in PHASES else words)
    return phase, float((*numbers, 0)[0]), " ".join(of.split())


def in_order(present: Mapping[str, int], column: str) -> dict[str, object]:
    """Type and values of cells that name sessions or events; nothing if their order is not told."""
    if len(present) < 2 or not all(map(place_in_time, [*present][:SOME])):
        return {}  # without a look at every text that is free
    told = {text: place_in_time(text) for text in present}
    if None in told.values():
        return {}
    of = {what for _, _, what in told.values()}
    place = {text: (phase, number * next((days for days, unit in UNITS if unit.search(what)), 1))
             for text, (phase, number, what) in told.items()}  # fmt: skip
    counted = any(phase == 1 for phase, _ in place.values())
    named = TIME.fullmatch(column) or any(TIME.fullmatch(what) for what in of if what[1:])
    often = sorted(present, key=lambda text: (place[text], -present[text]))
    if not (named or not counted) or len({*place.values()}) < len({*told.values()}):
        return {}
    role = "time" if counted else None
    if len(of) == 1 and {phase for phase, _ in place.values()} == {1}:
        return {"type": "integer", "values": {t: told[t][1] for t in often}, "role": role}
    once = {place[text]: text for text in reversed(often)}
    return {"type": "category", "values": [*once.values()][::-1], "role": role}


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


def _numbers(present: Mapping[str, int]) -> np.ndarray | None:
    """Every cell as a number; None unless all are, but for very few that `check` will name."""
    number = {text: as_number(text) for text in present}
    odd = sum(n for text, n in present.items() if number[text] is None)
    if odd > MISTYPED * sum(present.values()):
        return None
    known = [text for text in present if number[text] is not None]
    return np.repeat([number[text] for text in known], [present[text] for text in known])


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


def as_number_guess(guess: Guess, number: np.ndarray, apart: float = 0.5) -> Guess:
    """Range without what looks like a missing code: a far value of -9, 99 and the like.

    Far is at least 2, and `apart` times what the others span.
    """
    codes, there = [], {*np.unique(number)}
    for code in (code for code in CODES if code in there):
        inside = number[~np.isin(number, [*codes, code, *BELOW])]
        if len(inside):
            spread = max(inside.max() - inside.min(), 1)
            far = max(inside.min() - code, code - inside.max())
            if far >= (1 if code < 0 and inside.min() >= 0 else max(2, apart * spread)):
                codes.append(code)
    number = number[~np.isin(number, codes)]
    if not len(number):
        return guess
    kind, codes = "integer" if _whole(number) else "number", [*guess.codes, *codes]
    low, high = float(number.min()), float(number.max())
    return replace(guess, type=kind, low=low, high=high, codes=tuple(codes))


def _outward(guess: Guess, number: np.ndarray) -> Guess:
    """Without the exact lowest or highest value, where fewer than `FEW` rows hold it."""
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
        for name, guess in table.items():
            there = known.get(name, guess)
            same = {"column": guess.column, "unique": guess.unique}
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
