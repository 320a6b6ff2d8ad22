"""The draft of a codebook, before it is written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from ..study.codebook import expand
from .exports import Source
from .guesses import Column, Guess, plain_name
from .items import Block


@dataclass(frozen=True)
class Shape:
    """How a table is laid out.

    Attributes
    ----------
    row : str
        client, rating or session; occasion, if a category tells several rows of a client apart;
        apart, if each informant is to have a table.
    client : str, optional
        The variable that ties rows together, where several stand for one client.
    settings : dict
        `informant`, or `time` and `event`, as in the codebook; or the `occasion`.
    """

    row: str = "client"
    client: str | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    why: str = ""
    question: str = ""


@dataclass(eq=False)
class DraftTable:
    """One table of the draft.

    Attributes
    ----------
    columns, guesses, blocks, shape, beside
        What is in its source; guesses by the names that columns would have if it stood alone.
    row, key, occasion, latest
        As in the codebook; of those names at first.
    variables : list of tuple
        (name, column, guess), patterns included.
    same : set of str
        Columns that an earlier table tells already.
    """

    source: Source
    columns: Mapping[str, Column]
    guesses: dict[str, Guess]
    blocks: list[Block]
    beside: dict[str, str]
    questions: list[str]
    shape: Shape = field(default_factory=Shape)
    row: str = "client"
    key: tuple[str, ...] = ("client_id",)
    occasion: str | None = None
    latest: str | None = None
    settings: dict[str, object] = field(default_factory=dict)
    suffix: dict[str, str] = field(default_factory=dict)
    variables: list[tuple[str, str, Guess]] = field(default_factory=list)
    ignore: list[str] = field(default_factory=list)
    same: set[str] = field(default_factory=set)
    why: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What the draft calls the table."""
        return self.source.name

    @property
    def frame(self) -> pd.DataFrame:
        """The table as its file holds it."""
        return self.source.raw.frame

    def held(self, name: str) -> set[str]:
        """What the cells of a column hold."""
        return {*self.columns[self.guesses[name].column].held}

    @property
    def of_clients(self) -> bool:
        """Whether it becomes one row per client."""
        return self.row in ("client", "rating", "session")

    def in_row(self, names: Iterable[str]) -> set[str]:
        """What variables are called in a client's row."""
        return {name + ending for name in names for ending in self.suffix.values() or ("",)}


@dataclass(frozen=True)
class Part:
    """A scale, or the days of stays, as the codebook has it."""

    name: str
    settings: dict[str, object]
    remark: str = ""
    question: str = ""


@dataclass
class Layout:
    """The whole draft, before it is written down."""

    tables: list[DraftTable] = field(default_factory=list)
    scales: list[Part] = field(default_factory=list)
    client: str | None = None
    case_manager: str | None = None
    site: str | None = None
    codes: dict[float | str, None] = field(default_factory=dict)
    days: Part | None = None
    derived: list[tuple[str, str, str]] = field(default_factory=list)
    informants: dict[str, tuple[str, str]] = field(default_factory=dict)
    blocks: dict[str, list[str]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    shape: str = ""
    joined: list[str] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    twice: set[str] = field(default_factory=set)
    raters: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)

    @property
    def everywhere(self) -> list[float | str]:
        """Codes for no answer that can mean nothing else in any column."""
        return [code for code in self.codes if isinstance(code, str) or code < 0]

    @property
    def links(self) -> set[str | None]:
        """Names that tables are joined by, and may share."""
        return {self.client, self.case_manager, self.site}

    def name(self, wish: str) -> str:
        """A name like the one wished for, which nothing in the draft has yet."""
        made = plain_name(wish, self.taken)
        self.taken.add(made)
        return made

    def called(self, wish: str, table: DraftTable, also: Iterable[str] = ()) -> str:
        """What a column or a block of items is called: in a client's row, like no other.

        The table's name is put in front if another table has it too, or one of `also`, which the
        columns behind a pattern were called.
        """
        if table.row == "episode" or wish == table.occasion or wish in self.links:
            return wish
        made, names = wish, {*expand(wish)}
        if (names | {*also}) & self.twice or table.in_row(names) & self.used:
            made, word = f"{table.name[:20]}_{wish}", "items"
            if names == {wish}:
                made, word = plain_name(made, self.taken), "column"
            while {*expand(made)} & self.taken or table.in_row(expand(made)) & self.used:
                made = f"{word}_{made}"
        self.used |= table.in_row(expand(made))
        self.taken |= {*expand(made)}
        return made
