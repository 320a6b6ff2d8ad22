"""How guessed columns fit together: whose rows a table has, which items make a scale."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from ..study.codebook import RESPONSES, expand
from ..study.raw_tables import ROW_ID, RawTable
from .guesses import BEFORE, FEW, ID, Guess, agree, find_roles, guess_columns, plain_name
from .wai_names import Block, form_of, informant_of, is_wai, item_blocks

OUTCOME = re.compile(
    r"outcome|symptom|severity|bprs|phq|gad|bdi|ces.?d|gaf|gas|qol|satisf|improve|relapse|days|"
    r"follow|discharge|nachher|(^|[^a-z])(post|end|ende|nach|missed)([^a-z]|$)", re.IGNORECASE,
)  # fmt: skip
WORDS = {
    "client": ("Patient", "Participant", "Client"),
    "case_manager": ("Case manager", "Counsellor", "Counselor", "Clinician", "Nurse", "Coach",
                     "Doctor", "Physician", "Therapist"),
}  # fmt: skip


@dataclass(frozen=True)
class DraftTable:
    """One table of the draft; `variables` are (name, column, guess), patterns included."""

    name: str
    file: str
    sheet: str | None
    row: str
    key: tuple[str, ...]
    variables: list[tuple[str, str, Guess]]
    ignore: tuple[str, ...] = ()
    occasion: str | None = None
    suffix: dict[str, str] = field(default_factory=dict)
    latest: str | None = None


@dataclass(frozen=True)
class DraftScale:
    """One scale of the draft."""

    name: str
    items: str
    form: str | None
    informant: str | None
    remark: str = ""
    label: str = ""


@dataclass(frozen=True)
class _Told:
    """What is known of a table before its columns are named; `same` are told in an earlier one."""

    name: str
    row: str
    occasion: str | None
    endings: tuple[str, ...]
    same: set[str]


@dataclass
class Layout:
    """The whole draft, before it is written down."""

    tables: list[DraftTable] = field(default_factory=list)
    scales: list[DraftScale] = field(default_factory=list)
    client: str | None = None
    case_manager: str | None = None
    site: str | None = None
    codes: list[float | str] = field(default_factory=list)
    days: tuple[str, str, str, str, str] | None = None
    derived: list[tuple[str, str, str]] = field(default_factory=list)
    informants: dict[str, tuple[str, str]] = field(default_factory=dict)
    blocks: dict[str, list[str]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    apart: Apart | None = None

    def called(self, wish: str, table: _Told, also=()) -> str:
        """What a column or a block of items is called: in a client's row, like no other."""
        if table.row == "episode" or wish == table.occasion or self.apart is None:
            return wish
        return self.apart.name(wish, table.name, table.endings, self.taken, also)

    def name(self, wish: str) -> str:
        """A name like the one wished for, which nothing in the draft has yet."""
        made = plain_name(wish, self.taken)
        self.taken.add(made)
        return made


def lay_out(found: dict[str, tuple[str, str | None, RawTable]], pairs: bool = True) -> Layout:
    """Put the guesses about every table together.

    With `pairs`, clients may stand in several rows of every table, told apart by a category.
    """
    layout = Layout()
    guesses = {name: guess_columns(raw) for name, (_, _, raw) in found.items()}
    layout.taken = {name for table in guesses.values() for name in table}
    agree(guesses)
    for role, name in find_roles(guesses, pairs).items():
        setattr(layout, role, name)
    if layout.client is None and len(found) > 1:
        largest = max(found, key=lambda name: len(found[name][2].frame))
        layout = lay_out({largest: found[largest]}, pairs)
        layout.left_out += [file for name, (file, *_) in found.items() if name != largest]
        return layout
    roles = (layout.client, layout.case_manager, layout.site)
    places = {name: place_of(raw, guesses[name], roles) for name, (_, _, raw) in found.items()}
    layout.left_out += [found[name][0] for name, place in places.items() if place is None]
    places = {name: place for name, place in places.items() if place}
    same = said_twice(found, guesses, places, {*roles})
    of_clients = {
        name: {n: g for n, g in guesses[name].items() if g.column not in same[name]}
        for name, (row, *_) in places.items() if row != "episode"
    }  # fmt: skip
    layout.apart = Apart(of_clients, {*roles} - {None})
    for name, place in places.items():
        layout.tables.append(_draft(name, found[name], guesses[name], layout, place, same[name]))
    if pairs and layout.client and all(table.row != "client" for table in layout.tables):
        return lay_out(found, pairs=False)
    layout.tables.sort(key=lambda t: (t.row != "client", bool(t.occasion), bool(t.latest)))
    if layout.client is None:
        _count_rows(layout)
    kept = [table for table in layout.tables if table.row != "episode"]
    there = {name for table in kept for name, *_ in table.variables}
    for role in ("case_manager", "site"):
        if getattr(layout, role) not in there:
            setattr(layout, role, None)
    _days(layout)
    _sort(layout)
    return layout


def _draft(name: str, found, guesses: dict[str, Guess], layout: Layout, place, same: set[str]):
    """One table's draft."""
    (file, sheet, raw), (row, key, occasion, latest) = found, place
    fixed = {n: replace(g, type="id") if n == key[0] else g for n, g in guesses.items()}
    suffix = {}
    if occasion:
        suffix = {level: f"_{plain_name(level)}" for level in guesses[occasion].values}
    told = _Told(name, row, occasion, tuple(suffix.values()) or ("",), same)
    variables, ignore = _variables(raw, fixed, layout, told)
    called = {guess.column: n for n, _, guess in variables}
    key = tuple(called.get(guesses[k].column, k) if k in guesses else k for k in key)
    occasion, latest = (n and called.get(guesses[n].column, n) for n in (occasion, latest))
    return DraftTable(name, file, sheet, row, key, variables, ignore, occasion, suffix, latest)


def _variables(raw: RawTable, guesses: dict[str, Guess], layout: Layout, table: _Told):
    numeric = {g.column: g for g in guesses.values() if g.type in ("integer", "number")}
    blocks = {b.columns[0]: b for b in item_blocks([c for c in numeric if c not in table.same])}
    inside = {c for b in blocks.values() for c in b.columns}
    variables, ignore = [], []
    for name, guess in guesses.items():
        column = guess.column
        if column in blocks:
            variables.append(_items(blocks[column], guesses, raw, layout, table))
        elif column not in inside and (
            guess.type == "text" or column in table.same or _remark(name, guess, layout)
        ):
            ignore.append(column)
        elif column not in inside:
            variables.append((layout.called(name, table), column, guess))
            if guess.codes:
                layout.codes += [c for c in guess.codes if c not in layout.codes]
    return variables, tuple(ignore)


def _remark(name: str, guess: Guess, layout: Layout) -> bool:
    """Text that differs from row to row, and is nobody's id by its name or its place."""
    keys = (layout.client, layout.case_manager, layout.site, "client_id")
    nobody = guess.role is None and not ID.search(guess.column) and name not in keys
    return guess.type == "id" and nobody


def _items(block: Block, guesses, raw: RawTable, layout: Layout, table: _Told):
    """A block of numbered items as one entry, and the scale it seems to make."""
    members = [g for g in guesses.values() if g.column in block.columns]
    layout.codes += [c for c in {c for g in members for c in g.codes} if c not in layout.codes]
    low, high = min(g.low for g in members), max(g.high for g in members)
    label = " ".join(raw.labels.get(c, "") for c in block.columns[:3])
    wai = is_wai(block, label)
    form = form_of(block, high) if wai else None
    if form:
        low, high = RESPONSES[form]
    whole = all(g.type == "integer" for g in members)
    before = re.sub(r"^[^a-z]+", "", re.sub(r"[^a-z0-9]+", "_", block.before.lower())) or "item_"
    after = re.sub(r"[^a-z0-9]+", "_", block.after.lower())
    pattern = f"{before}{block.pattern()[len(block.before) :].split('}')[0]}}}{after}"
    others = {n for n, g in guesses.items() if g.column not in block.columns}
    while others & {*expand(pattern)}:
        pattern = f"items_{pattern}"
    plain = pattern
    pattern = layout.called(plain, table, {*guesses} - others)
    stem = pattern.replace(plain, block.stem) if pattern != plain else block.stem
    guess = Guess(pattern, "integer" if whole else "number", "", low, high)
    for ending in table.endings if table.row == "client" else ():
        _scale(layout, block, stem, pattern + ending, form, wai, label, ending)
    return pattern, block.pattern(), guess


def _scale(
    layout: Layout, block: Block, stem: str, items: str, form, wai: bool, label, ending: str
) -> None:
    if not wai:
        name = layout.name(f"{stem}_score{ending}")
        layout.scales.append(DraftScale(name, items, None, None, "no item reversed"))
        return
    informant = informant_of(block.stem, label) or informant_of(stem)
    remark = "" if informant else "whose rating this is was not to be seen"
    if informant is None:
        informant = "case_manager" if "client" in layout.informants else "client"
    if form is None:
        remark = f"{len(block.columns)} items: not a form that is known; give its keys"
    name = layout.name(f"{informant}_alliance{ending}")
    who = _word(informant, getattr(layout, informant) or "")
    label = f"Alliance, {who.lower()}'s rating{ending.replace('_', ' ')}"
    layout.scales.append(DraftScale(name, items, form, informant, remark, label))
    layout.informants.setdefault(informant, (who, name))


def _word(informant: str, name: str) -> str:
    """What to call an informant: by the name of the id, if it says."""
    usual = {"client": "Client", "case_manager": "Therapist"}[informant]
    words = {w: w.lower().replace(" ", "_") for w in WORDS[informant]}
    return next((w for w, plain in words.items() if plain in name or plain.startswith(name or "-")),
                usual)  # fmt: skip


def _count_rows(layout: Layout) -> None:
    """Without an id of clients, the rows of the only table are the clients."""
    (table,) = layout.tables
    layout.client = plain_name("client_id", [name for name, *_ in table.variables])
    guess = Guess(ROW_ID, "id", "Row of the file", role="row")
    variables = [(layout.client, ROW_ID, guess), *table.variables]
    layout.tables = [replace(table, row="client", key=(layout.client,), variables=variables)]


def _days(layout: Layout) -> None:
    anchors = [n for t in layout.tables if t.row == "client" and not t.occasion
               for n, _, g in t.variables if g.type == "date"]  # fmt: skip
    for table in layout.tables:
        dates = [n for n, _, g in table.variables if g.type == "date"]
        if table.row == "episode" and len(dates) >= 2 and anchors:
            name = layout.days[0] if layout.days else layout.name("hospital_days")
            layout.days = (name, table.name, dates[0], dates[1], anchors[0])


def _sort(layout: Layout) -> None:
    """Variables into blocks, by their table and their names; indicators of categories."""
    blocks: dict[str, list[str]] = {"pretreatment": [], "treatment": [], "alliance": []}
    blocks["outcome"] = []
    links = (layout.client, layout.case_manager, layout.site)
    for table in layout.tables:
        for name, _, guess in table.variables:
            if "{" in name or table.row in ("episode", "site") or table.occasion:
                continue
            kind = "treatment" if table.row == "case_manager" else "pretreatment"
            told = f"{name} {guess.label}"
            if OUTCOME.search(told) and not BEFORE.search(told) and kind == "pretreatment":
                kind = "outcome"
            if guess.type in ("integer", "number"):
                blocks[kind].append(name)
            elif guess.type == "category" and guess.binary and name not in links:
                value = next((v for v in guess.values if v.lower() == "female"), guess.values[-1])
                made = layout.name(f"{name}_{value}")
                layout.derived.append((made, name, value))
                blocks[kind].append(made)
    ratings = {alliance for _, alliance in layout.informants.values()}
    blocks["alliance"] = sorted(ratings)
    blocks["outcome"] += [s.name for s in layout.scales if s.name not in ratings]
    blocks["outcome"] += layout.days[:1] if layout.days else ()
    layout.blocks = {block: names for block, names in blocks.items() if names}


RARE = 0.05
"""A client stands in two rows so seldom that the later form corrects the earlier."""


def place_of(raw: RawTable, guesses: dict[str, Guess], roles: tuple[str | None, ...]):
    """What one row of a table stands for: (row, key, occasion, latest); None if nothing tells."""
    client, manager, site = map(guesses.get, roles)
    if client is not None and client.unique:
        return "client", (roles[0],), None, None
    if client is not None:
        row, key, occasion = _repeated(raw, guesses, client, roles[0])
        dates = (n for n, g in guesses.items() if g.type == "date")
        return row, key, occasion, next(dates) if row == "client" and not occasion else None
    if roles[0] and manager is not None and manager.unique:
        return "case_manager", (roles[1],), None, None
    if roles[0] and site is not None and site.unique:
        return "site", (roles[2],), None, None
    return None if roles[0] else ("client", ("client_id",), None, None)


def _repeated(raw: RawTable, guesses: dict[str, Guess], client: Guess, name: str):
    """A client in several rows: occasions, a few forms filled in again, or episodes."""
    for variable, guess in guesses.items():
        if guess.type == "category" and len(guess.values) <= 6:
            pair = raw.frame[[client.column, guess.column]]
            if not pair.duplicated().any():
                return "client", (name, variable), variable
    dates = [n for n, g in guesses.items() if g.type == "date"]
    if dates and raw.frame[client.column].duplicated().mean() < RARE:
        return "client", (name,), None
    return "episode", (name, *dates[:1]), None


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
