"""The draft of a codebook before it is written down, and what one row of a file stands for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, combinations, product

import numpy as np
import pandas as pd

from ..errors import listed
from ..study.cells import as_text, as_written, plain, word_of
from ..study.codebook import NUMERIC, expand
from ..study.suspect import begun_anew, numbered
from .answers import BELOW, initials, is_just, place_in_time, say, says, shown
from .exports import ALIKE, Source
from .guesses import FEW, ROLES, Column, Guess, as_number, plain_name
from .items import WHO, Block, id_ends, informant_of, item_blocks

PEOPLE = 8  # numbers of so few may be the steps of a rating
PAIRED = 0.05  # so few rows may stand twice for a dyad and a role: they are named by `check`
DATA = (*NUMERIC, "date")
MOST_ITEMS = 200  # names that are looked at
SHAPES = {
    "rating": "two rows a dyad, one for each informant",
    "session": "one row a session or event, several for a client",
    "client": "one row a dyad",
}


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
    questions: tuple[str, ...] = ()


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
    ids : str, optional
        The column of ids whose endings tell who rated.
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
    ignore: dict[str, str] = field(default_factory=dict)
    same: set[str] = field(default_factory=set)
    ids: str | None = None
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
    totals: dict[str | None, list[tuple[DraftTable, str]]] = field(default_factory=dict)
    blocks: dict[str, list[str]] = field(default_factory=dict)
    unused: dict[str, list[str]] = field(default_factory=dict)
    shape: str = ""
    questions: list[str] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    twice: set[str] = field(default_factory=set)
    raters: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)

    @property
    def everywhere(self) -> list[float | str]:
        """Codes for no answer that can mean nothing else in any column."""
        return [code for code in self.codes if isinstance(code, str) or code in BELOW]

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


def shape_of(table: DraftTable) -> Shape:
    """The shape of a table, by a column of roles or of sessions and an id that it tells apart.

    The id that ties rows together counts as the client's from then on, once for each.
    """
    items = {column for block in table.blocks for column in block.columns}
    guesses = table.guesses
    free = {name: guess for name, guess in guesses.items() if guess.column not in items}
    shape = _shape(replace(table, guesses=free), bool(table.blocks))
    if shape.client:
        guess = guesses[shape.client].as_id(role="client", unique=True)
        guesses |= {name: replace(other, unique=False) for name, other in guesses.items()}
        guesses[shape.client] = guess
        _within(guesses, shape.client, *shape.settings.get("within", ()))
    return shape


def _within(guesses: dict[str, Guess], name: str, *by: str) -> None:
    guesses[name] = replace(guesses[name], within=by)
    guesses |= {n: guesses[n].as_id() for n in by if guesses[n].type in DATA}


def _shape(table: DraftTable, has_items: bool) -> Shape:
    free = table.guesses
    for guess in free.values():
        rows = is_just("item", guess.column) and _repeated(table)
        if rows or any(says("wai", block.stem) for block in _items_of(table, guess)):
            return Shape(questions=(_turn(table, guess),))
    texts = [g.column for g in free.values() if g.type in ("id", "text", "category")]
    for block in item_blocks(texts):  # a column of clients for each of their number
        held = [text for c in block.columns for text in table.columns[c].held]
        if len(held) == len({*held}) > len(table.frame):
            said = say("for_each", file=table.source.raw.file, block=block.pattern())
            return Shape(questions=(said,))
    few = [name for name, g in free.items()
           if g.type == "category" and len(g.values) <= 6 and g.role != "time"]  # fmt: skip
    dates = [name for name, guess in free.items() if guess.type == "date"]
    named = [n for n, g in free.items()
             if g.role == "time" or (g.type in NUMERIC and is_just("time", g.column))]  # fmt: skip
    for name, guess in free.items():
        told = _roles(table, guess)
        pairs = replace(table, guesses={n: g for n, g in free.items() if not g.unique})
        if told and (client := _tied(table, name) or ("asked" not in told and _tied(pairs, name))):
            return _rating(table, guess, told, client)
        if told and "asked" not in told and (ids := _repeated(table)):
            if any(_tied(table, name, by) for by in (*named, *dates, *few)):
                return replace(_rating(table, guess, told, None), row="apart")
            return _rating(table, guess, told, ids[0])  # `check` names the rows that are too many
    for name in (name for name in few if free[name].role != "site"):  # ids may begin anew there
        if client := _tied(table, name):
            why = say("occasion", column=free[client].column, by=free[name].column)
            return Shape("occasion", client, {"occasion": name}, why)
    for time in (*named, *(dates[:1] if has_items else ())):
        if client := _tied(table, time):
            why = say("sessions", column=free[client].column, by=free[time].column)
            settings = {"time": time, "event": "last"}
            return Shape("session", client, settings, why, (say("which_session"),))
    people = [n for n, g in free.items() if (g.type, g.role) == ("id", "case_manager")][:1]
    for by in (_places(free), people, _places(free) + people):
        client = by and _tied(table, *by)
        if client and numbered(*_texts(table, client, *by)):
            told = {"column": free[client].column, "by": " and ".join(free[n].column for n in by)}
            asked, why = (say(what, **told) for what in ("client_in", "occasion"))
            return Shape("client", client, {"within": (*by,)}, why, (asked,))
    for name, guess in free.items():
        if _items_of(table, guess) and _tied(table, name):
            return Shape(questions=(_turn(table, guess),))
    return _doubts(table) if has_items else Shape()


def _items_of(table: DraftTable, guess: Guess) -> list[Block]:
    """The blocks that the cells of a column name; none of numbers, or of whose ids they are."""
    known = guess.type in DATA or guess.role
    return [] if known else item_blocks([*table.columns[guess.column].held][:MOST_ITEMS])


def _turn(table: DraftTable, guess: Guess) -> str:
    return say("answers", file=table.source.raw.file, column=guess.column)


def _places(guesses: Mapping[str, Guess]) -> list[str]:
    """The column of sites, which may be numbered."""
    return [n for n, g in guesses.items()
            if g.role == "site" or ROLES["site"].fullmatch(g.column)][:1]  # fmt: skip


def _texts(table: DraftTable, name: str, *by: str) -> list[pd.Series]:
    """The ids of a column, and what others hold beside them, where both are there."""
    columns = [table.guesses[n].column for n in (name, *by)]
    cells = table.frame[columns].dropna().map(as_text)
    return [cells[columns[0]], cells[columns[1:]].agg(" ".join, axis=1)]


def numbered_anew(layout: Layout, tables: list[DraftTable]) -> None:
    """Read ids of case managers that seem to begin anew in each site as such, and ask."""
    who, client = layout.case_manager, layout.client
    here = [(t, *_places(t.guesses)) for t in tables if who in t.guesses]
    pairs = {t: pd.concat(_texts(t, who, *site), axis=1) for t, *site in here if site}
    told = {t: several for t, p in pairs.items() if (several := begun_anew(p.drop_duplicates()))}
    for table, *site in here if told else ():
        guess = table.guesses[who]
        if site:
            layout.site = site[0]
            once = guess.unique or not pairs[table].duplicated().any()
            table.guesses[who] = replace(guess, unique=once)
            _within(table.guesses, who, *site)
        elif client in table.guesses:
            table.same.add(guess.column)
    for table, several in [*told.items()][:1]:
        seen = {"column": table.guesses[who].column, "n": len(several), "site": layout.site}
        table.questions.append(say("therapist_in", **seen, ids=listed(several, 3)))


def leave_counters(tables: list[DraftTable]) -> list[str]:
    """Take for no id what tables count each for itself, where another id ties other rows.

    Or what ties few of them. Where both could tie them and neither counts, that is asked.
    """
    asked: dict[tuple[str, str], str] = {}
    for both in combinations(tables, 2):
        ids = [[n for n, g in t.guesses.items() if g.type == "id" and (g.unique or g.rare)
                and g.role in ("client", None)] for t in both]  # fmt: skip
        for name, *other in product(sorted({*ids[0]} & {*ids[1]}), *ids):
            tied = None if name in other else _ties_others(both, other, name)
            if tied is None:
                continue
            here, there = (min(map(_counts, both, names)) for names in ([name, name], other))
            for table in (t for t in tables if name in t.guesses and (not tied or here > there)):
                if not tied or _counts(table, name):
                    column = table.guesses[name].column
                    table.why.append(say("counts" if tied else "apart_ids", column=column))
                    table.guesses[name] = replace(table.guesses[name], type="text", role=None)
            if tied and here == there and {*other} - {name}:
                names = sorted({name, *other})
                told = {"one": names[0], "other": names[-1], "tables": listed(t.name for t in both)}
                asked[names[0], names[-1]] = say("two_ties", **told)
    return [*asked.values()]


def _ties_others(both: Iterable[DraftTable], other: Iterable[str], name: str) -> int | None:
    """How many rows a name ties, if columns of both tables hold the same and tie other rows."""
    cells = map(_by_key, both, [name, name], other)
    one, two = (held.astype("str").map(plain) for held in cells)
    tied, n = one.index.intersection(two.index), min(len(one), len(two))
    apart = 2 * (one[tied] != two[tied]).sum() > len(tied) >= FEW
    few = len(tied) < (1 - ALIKE) * n and n >= FEW
    same = len({*one} & {*two}) >= ALIKE * n
    return (0 if few else len(tied)) if same and (apart or few) else None


def _counts(table: DraftTable, name: str) -> int:
    """Whether the cells are numbers in order: 2 if they count from about 1, else 1."""
    column = table.columns[table.guesses[name].column]
    number = [*column.number.values()]
    in_order = len(number) == len(column.held) and number == sorted(number)
    return in_order + (in_order and number[-1] <= 2 * len(number))


def leave_others(layout: Layout) -> None:
    """Find further tables with the first one's columns: other clients, whose rows belong there."""
    tables = [t for t in layout.tables if t.row == "client" and layout.client in t.guesses]
    found: dict[str, list[DraftTable]] = {}
    for table in (t for t in tables[1:] if {*t.frame} == {*tables[0].frame}):
        found.setdefault(_others(tables[0], table, layout.client), []).append(table)
    for what in filter(None, found):
        other, *files = (t.source.raw.file for t in (tables[0], *found[what]))
        names = listed(repr(t.source.sheet or t.name) for t in (tables[0], *found[what]))
        layout.questions.append(say(what, files=listed(files), other=other, names=names))
    layout.tables = [table for table in layout.tables if table not in found.get("others", ())]


def _others(first: DraftTable, table: DraftTable, client: str) -> str:
    """What the ids of two tables with the same columns tell: of whom the second speaks."""
    one, two = (pd.Series(sorted(t.held(client))) for t in (first, table))
    told = [informant_of(t.name) for t in (first, table)]
    _, known, begun = id_ends(pd.concat([one, two]))
    unlike = len({*told} - {None}) == 2 or known or not begun
    if unlike and len(as_written(two, one)) >= ALIKE * len(two):
        return "two_ids"
    if not {*map(plain, one)} & {*map(plain, two)}:
        return "others"
    when = [place_in_time(t.name) for t in (first, table)]
    told += [place and (place[0] != 1 or is_just("time", place[2])) for place in when]
    return "" if any(told) or not all(numbered(x, x.notna()) for x in (one, two)) else "anew"


def _doubts(table: DraftTable) -> Shape:
    """What speaks against one row a dyad, though no column was found that tells the rows apart."""
    guesses = table.guesses.values()
    told = next((g.column for g in guesses if _roles(table, g)), None)
    if told:
        return Shape(questions=(say("no_role", column=told),))
    for guess in (g for g in guesses if g.type == "id" and g.unique):
        ends, known, first = id_ends(table.frame[guess.column])
        both = {*WHO} <= {informant_of(block.stem) for block in table.blocks}
        if known or (ends and not (first and both)):
            said = say("endings", column=guess.column, ends=" and ".join(ends))
            sure = known or not (ends[2:] or first or both)
            told = {"column": guess.column, "endings": ends} if sure else {}
            return Shape(settings=told, questions=(said,))
    return Shape()


def _roles(table: DraftTable, guess: Guess) -> dict[str, list]:
    """Cells that speak of each informant; in a column named for it, any two."""
    column, named = table.columns[guess.column], is_just("role", guess.column)
    cells = sorted(column.held, key=lambda cell: -column.held[cell])
    kinds = ("category", "integer", "id", "text") if named else ("category",)
    if guess.type not in kinds or not 2 <= len({*map(plain, cells)}) <= 6:
        return {}
    said = {c: column.levels.get(c, c) for c in cells}
    told = {who: [c for c in cells if words.fullmatch(said[c]) or informant_of(said[c]) == who]
            for who, words in WHO.items()}  # fmt: skip
    if all(told.values()):
        return {**told, "rest": [c for c in cells if c not in chain(*told.values())]}
    if named and len(cells) == 2:
        unlike = {c: (c in told["case_manager"], c not in told["client"], c) for c in cells}
        first, second = sorted(cells, key=unlike.get)
        return {"client": [first], "case_manager": [second], "rest": [], "asked": [True]}
    return {}


def _repeated(table: DraftTable) -> list[str]:
    """Ids of clients that stand in several rows, where no other id stands once for a client."""
    ids = {n: g for n, g in table.guesses.items() if g.type == "id" and g.role in ("client", None)}
    once = {g.role for g in ids.values() if g.unique}
    found = [n for n, g in ids.items() if not g.unique and not {"client", g.role} & once]
    held = {n: table.columns[ids[n].column].held for n in found}
    found = [n for n, texts in held.items() if len(texts) < 0.7 * sum(texts.values())]
    return sorted(found, key=lambda n: ids[n].role != "client")


def _tied(table: DraftTable, *by: str) -> str | None:
    """The id of clients that stands in several rows, and at most once for what `by` holds."""
    for name in _repeated(table):
        pair = table.frame[[table.guesses[n].column for n in (name, *by)]].dropna()
        if name not in by and pair.duplicated().mean() < PAIRED:
            return name
    return None


def _rating(table: DraftTable, guess: Guess, told: dict, client: str | None) -> Shape:
    column, file = guess.column, table.source.raw.file
    who = {role: told[role][0] for role in ("client", "case_manager")}
    said = [say("which_role", **who)] if told.get("asked") else []
    settings = {"informant": {"column": column, **who}}
    cells = table.frame[[table.guesses[client].column, column]].dropna() if client else None
    meant = {word: who[role] for role in who for word in told[role]}
    if client and len(meant) > 2:
        one = cells.assign(**{column: cells[column].map(as_text).map(meant)}).dropna()
        if one.duplicated().mean() < PAIRED:  # Patient and Patientin: words of one role
            settings["words"], cells = meant, one
    more = [*told["rest"], *(word for word in meant if "words" not in settings)]
    more = [value for value in more if plain(value) not in {*map(plain, who.values())}]
    if more:
        said.append(say("more_roles", file=file, column=column, more=shown(more), **who))
        settings["where"] = {column: [*settings.get("words", who.values())]}
    if client:
        twice = cells[cells.duplicated() & cells[column].map(plain).ne("")]
        for value in twice.iloc[:1, 0]:
            seen = {"rows": listed(twice.index, 3), "column": cells.columns[0], "value": value}
            said.append(say("two_of_a_dyad", file=file, **seen))
    return Shape("rating", client, settings, say("roles", column=column, **who), (*said,))


def find_what_is_said_twice(layout: Layout) -> None:
    """Find the columns of each table that hold what an earlier table of clients says already."""
    earlier: list[DraftTable] = []
    for table in layout.tables:
        if table.occasion or table.latest or table.row == "episode":
            continue
        key = table.key[0]
        for other in (t for t in earlier if key in t.guesses and key in table.guesses):
            for name in table.guesses.keys() & other.guesses.keys() - {*layout.links, key}:
                pair = pd.concat([_by_key(t, key, name) for t in (other, table)], axis=1).dropna()
                if len(pair) >= FEW and (pair.iloc[:, 0] == pair.iloc[:, 1]).all():
                    table.same.add(table.guesses[name].column)
        earlier += [table] if table.row == "client" else []


def _by_key(table: DraftTable, key: str, name: str) -> pd.Series:
    """A column's cells by their row's id, numbers alike however they were written."""

    def told(cell: object) -> object:
        word = word_of(cell)
        number = as_number(word)
        return (word or None) if number is None else number

    cells = table.frame[[table.guesses[n].column for n in (key, name)]].map(told, "ignore")
    cells = cells.astype(object).set_axis([key, name], axis=1).dropna().drop_duplicates(key)
    return cells.set_index(key)[name]


def like_codes(table: DraftTable, guess: Guess) -> bool:
    """Whether whole numbers seem to stand for people: several rows each, as a measure's are not.

    In rows side by side; or they count from 1 without a gap; or they lie far apart.
    """
    cells, number = table.frame[guess.column], table.columns[guess.column].number
    if guess.type in ("category", "text"):
        return table.of_clients and initials(table.columns[guess.column].held)
    if guess.type != "integer" or not table.of_clients or not FEW <= len(number) <= len(cells) / 2:
        return False
    if table.row != "client":  # each client once
        cells = cells[~table.frame[table.guesses[table.key[0]].column].duplicated()]
    cells = cells.dropna().astype("str").to_numpy(object)
    codes, n = np.sort([*number.values()]), len(number)
    if 1 + (cells[1:] != cells[:-1]).sum() <= 1.1 * n:
        return True
    said = f"{guess.column} {guess.label}"
    if n < PEOPLE or says("outcome|before|measure", said):
        return False
    odd = np.gcd.reduce(np.diff(codes).astype(int)) == 1  # what is rounded has steps
    apart = odd and np.ptp(codes) > PEOPLE * n and min(Counter(cells).values()) > 1
    return bool(apart or (codes[0] == 1 and codes[-1] == n))
