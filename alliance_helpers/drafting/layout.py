"""How guessed columns fit together: whose rows a table has, which items make a scale."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from ..codebooks.dictionary import RESPONSES, expand
from ..reading.raw_files import ROW_ID, RawTable
from .apart import Apart, said_twice
from .guesses import BEFORE, ID, Guess, guess_columns, plain_name
from .places import place_of
from .roles import agree, find_roles
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
