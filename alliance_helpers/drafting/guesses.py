"""What a column of an unknown file may be: id, date, number, category or free text.

Guesses for a person to confirm. Values are looked at, but only ranges and the names of categories
that several people share are ever told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from pandas.api import types

from ..reading.cells import plain
from ..reading.raw_files import RawTable

ROLES = {
    "client": r"client|patient|participant|subject|person|proband|respondent|couple|dyad|"
    r"case(?!.?(man|load))",
    "case_manager": r"therap|counsel|clinician|case.?man|(^|_)cm(_|id|$)|worker|provider|coach|"
    r"nurse|(^|_)pcp|doctor|physician",
    "site": r"site|cent(er|re)|clinic(?!al|ian)|hospital(?!.*(day|night))|ward|agency|school",
}
ID = re.compile(r"(^|[^a-z])(id|nr|no|num|number|code|pid|key)([^a-z]|$)|id$", re.IGNORECASE)
CODES = (-99, -98, -97, -9, -8, -7, 9, 97, 98, 99, 999, 9999)
MOST_LEVELS = 12
RESERVED = {"yes", "no", "on", "off", "true", "false", "null", "y", "n"}
FEW = 5
"""A category is named only if the column has at least this many rows per category."""
DATE = r"\d{4}-\d\d-\d\d([T ].*)?"


@dataclass(frozen=True)
class Guess:
    """What one column seems to be."""

    column: str
    type: str
    label: str = ""
    low: float = np.nan
    high: float = np.nan
    values: tuple[str, ...] = ()
    codes: tuple[float, ...] = ()
    role: str | None = None
    unique: bool = False
    binary: bool = False


def guess_columns(raw: RawTable) -> dict[str, Guess]:
    """A guess for every column, by the name that the codebook may give it."""
    made: dict[str, Guess] = {}
    for column in raw.frame:
        made[plain_name(column, made)] = _guess(raw, column, raw.frame[column])
    return made


def role_of(name: str) -> str | None:
    """Whose id or name a column may hold, by its own name."""
    found = [role for role, words in ROLES.items() if re.search(words, name, re.IGNORECASE)]
    return found[0] if len(found) == 1 else ("case_manager" if "case_manager" in found else None)


def _guess(raw: RawTable, column: str, values: pd.Series) -> Guess:
    label = raw.labels.get(column, "")[:300]
    values = values.astype("str").str.strip() if values.dtype.kind in "OT" else values
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype("str")
    if types.is_string_dtype(values.dtype):
        values = values.mask(values == "")
    present = values.dropna()
    levels = dict(raw.levels.get(column, {}))
    gone = {str(code) for code in raw.missing.get(column, ())}
    number = _as_numbers(present)
    guess = Guess(column, "text", label, unique=bool(len(present)) and present.is_unique)
    if not len(present):
        return guess
    if types.is_datetime64_any_dtype(values):
        return replace(guess, type="date")
    role = role_of(column) or role_of(label)
    alone = guess.unique and number is None and len(present) > FEW
    named = ID.search(column) or (role and ID.search(label))
    if (alone or (named and not levels)) and _whole(number):
        return replace(guess, type="id", role=role)
    if number is not None and not _names_every(levels, number, gone):
        return _number(guess, number[~_declared(raw, column, number)])
    if number is None and present.astype("str").str.fullmatch(DATE).mean() > 0.95:
        return replace(guess, type="date")
    names = list(levels.values()) if levels else _spellings(present)
    if levels or (len(names) <= MOST_LEVELS and len(present) >= FEW * len(names)):
        kept = tuple(str(n) for n in names)
        return replace(guess, type="category", values=kept, role=role, binary=len(kept) == 2)
    return replace(guess, type="id", role=role) if role else guess


def _spellings(present: pd.Series) -> list[str]:
    """Categories, each in its most frequent spelling; more than may be named if there are more."""
    best: dict[str, str] = {}
    for spelling in present.astype("str").value_counts().index[: MOST_LEVELS * 20]:
        best.setdefault(plain(spelling), spelling)
        if len(best) > MOST_LEVELS:
            break
    return sorted(best.values())


def _whole(number: np.ndarray | None) -> bool:
    return number is None or bool((number % 1 == 0).all())


def _as_numbers(present: pd.Series) -> np.ndarray | None:
    if types.is_bool_dtype(present):
        return None
    if not types.is_numeric_dtype(present):
        comma = present.astype("str").str.replace(r"^([-+]?\d*),(\d+)$", r"\1.\2", regex=True)
        present = pd.to_numeric(comma, errors="coerce")
    number = present.to_numpy(dtype=float, na_value=np.nan)
    return number if len(number) and np.isfinite(number).all() else None


def _names_every(levels: dict, number: np.ndarray, gone: set[str]) -> bool:
    """Whether value labels name every value that occurs, and there are few: a category."""
    found = {f"{x:g}" for x in np.unique(number)} - gone
    anchors = len(levels) and all(re.fullmatch(r"-?\d+", str(v)) for v in levels.values())
    return bool(levels) and found <= set(levels) and len(found) <= 4 and not anchors


def _declared(raw: RawTable, column: str, number: np.ndarray) -> np.ndarray:
    gone = np.zeros(len(number), bool)
    for low, high in raw.missing_ranges.get(column, ()):
        gone |= (number >= low) & (number <= high)
    return gone


def _number(guess: Guess, number: np.ndarray) -> Guess:
    """Range without what looks like a missing code: a far value of -9, 99 and the like."""
    codes = []
    for code in CODES:
        inside = number[~np.isin(number, [*codes, code])]
        if code in number and len(inside):
            spread = max(inside.max() - inside.min(), 1)
            far = max(inside.min() - code, code - inside.max())
            if far >= (1 if code < 0 and inside.min() >= 0 else max(2, 0.5 * spread)):
                codes.append(code)
    number = number[~np.isin(number, codes)]
    if not len(number):
        return guess
    whole = (number % 1 == 0).all()
    return replace(
        guess,
        type="integer" if whole else "number",
        low=float(number.min()),
        high=float(number.max()),
        codes=tuple(codes),
        binary=bool(whole and set(number) == {0, 1}),
    )


def plain_name(name: str, taken=()) -> str:
    """A name the codebook allows, unlike those taken.

    >>> plain_name("2. Age at intake", {"age_at_intake"})
    'age_at_intake_2'
    """
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").lower()
    plain = re.sub(r"^[^a-z]+", "", plain)[:56] or "column"
    plain += "_" if plain in RESERVED else ""
    count, made = 1, plain
    while made in taken:
        count += 1
        made = f"{plain}_{count}"
    return made
