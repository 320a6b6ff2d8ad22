"""Names of columns that several tables have: a draft tells them apart by their tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import pandas as pd

from ..codebooks.dictionary import expand
from ..reading.raw_files import RawTable
from .guesses import FEW, Guess, plain_name

Guesses = Mapping[str, Mapping[str, Guess]]


class Apart:
    """Gives every variable of a client's row a name of its own.

    Parameters
    ----------
    guesses : mapping
        By table, those of its columns by name; only tables that a client's row is made of.
    links : set of str
        Names that tables are joined by, and may share.
    """

    def __init__(self, guesses: Guesses, links: set[str]) -> None:
        counts = Counter(name for columns in guesses.values() for name in columns)
        self.links = links
        self.twice = {name for name, count in counts.items() if count > 1} - links
        self.used: set[str] = set()

    def name(self, wish: str, table: str, endings: Iterable[str], taken: set[str], also=()) -> str:
        """The name or pattern wished for, with the table's in front if another has it too.

        `endings` tell occasions apart, `taken` are names not to make, `also` what the columns
        behind a pattern were called.
        """
        if wish in self.links:
            return wish
        made, names = wish, {*expand(wish)}
        if (names | {*also}) & self.twice or self._all(names, endings) & self.used:
            made = f"{table[:20]}_{wish}"
            if names == {wish}:
                made = plain_name(made, taken)
            while {*expand(made)} & taken or self._all(expand(made), endings) & self.used:
                made = f"{'items' if names != {wish} else 'column'}_{made}"
        self.used |= self._all(expand(made), endings)
        taken |= {*expand(made)}
        return made

    def _all(self, names: Iterable[str], endings: Iterable[str]) -> set[str]:
        return {name + ending for name in names for ending in endings}


def said_twice(found, guesses: Guesses, places, links: set) -> dict[str, set[str]]:
    """By table, its columns that hold what an earlier table of clients says already."""
    same: dict[str, set[str]] = {}
    earlier: list[tuple[RawTable, Mapping[str, Guess]]] = []
    for name, (row, key, occasion, latest) in places.items():
        raw, columns = found[name][2], guesses[name]
        same[name] = set()
        if occasion or latest or row == "episode":
            continue
        same[name] = {
            g.column for n, g in columns.items()
            if n not in links and _said_before(n, raw, columns, key[0], earlier)
        }  # fmt: skip
        earlier += [(raw, columns)] if row == "client" else []
    return same


def _said_before(
    name: str, raw: RawTable, guesses: Mapping[str, Guess], key: str,
    earlier: Iterable[tuple[RawTable, Mapping[str, Guess]]],
) -> bool:  # fmt: skip
    """Whether an earlier table of clients holds the same values under the same name.

    The tables are put side by side by `key`, which tells this table's rows apart.
    """
    for other, known in earlier:
        if name in known and key in known and name != key:
            ids = _text(raw.frame[guesses[key].column])
            here = _text(raw.frame[guesses[name].column]).set_axis(ids)
            here = here[ids.notna().to_numpy() & ~ids.duplicated().to_numpy()]
            asked = _text(other.frame[known[key].column])
            there = _text(other.frame[known[name].column])
            if _alike(pd.Series(asked.map(here).array), pd.Series(there.array)):
                return True
    return False


def _text(values: pd.Series) -> pd.Series:
    """Values as text, numbers alike however they were written, None where there is none."""
    text = values.astype("object").where(values.notna(), None)
    number = pd.to_numeric(text, errors="coerce")
    text = text.map(lambda v: None if v is None else str(v).strip() or None)
    return text.where(number.isna(), number.map("{:.15g}".format)).astype("object")


def _alike(here: pd.Series, there: pd.Series) -> bool:
    both = here.notna() & there.notna()
    return bool(both.sum() >= FEW and (here[both] == there[both]).all())
