"""How guessed columns fit together: whose rows a table has, which items make a scale."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pandas as pd

from ..study.codebook import RESPONSES, expand
from ..study.raw_tables import ROW_ID, RawTable
from .guesses import (
    BEFORE,
    FEW,
    ID,
    WAI,
    Block,
    Guess,
    agree,
    find_roles,
    form_of,
    guess_columns,
    informant_of,
    item_blocks,
    plain_name,
)

OUTCOME = re.compile(
    r"outcome|symptom|severity|bprs|phq|gad|bdi|ces.?d|gaf|gas|qol|satisf|improve|relapse|days|"
    r"follow|discharge|nachher|(^|[^a-z])(post|end|ende|nach|missed)([^a-z]|$)", re.IGNORECASE,
)  # fmt: skip
WORDS = {
    "client": ("Patient", "Participant", "Client"),
    "case_manager": ("Case manager", "Counsellor", "Counselor", "Clinician", "Nurse", "Coach",
                     "Doctor", "Physician", "Therapist"),
}  # fmt: skip
RARE = 0.05  # a client stands in two rows so seldom that the later form corrects the earlier


@dataclass
class DraftTable:
    """One table of the draft.

    Attributes
    ----------
    guesses : dict
        By the names that its columns would have if it stood alone.
    row, key, occasion, latest
        As in the codebook; of those names at first.
    variables : list of tuple
        (name, column, guess), patterns included.
    same : set of str
        Columns that an earlier table tells already.
    """

    name: str
    file: str
    sheet: str | None
    raw: RawTable
    guesses: dict[str, Guess]
    row: str
    key: tuple[str, ...]
    occasion: str | None
    latest: str | None
    suffix: dict[str, str] = field(default_factory=dict)
    variables: list[tuple[str, str, Guess]] = field(default_factory=list)
    ignore: list[str] = field(default_factory=list)
    same: set[str] = field(default_factory=set)

    def in_row(self, names: Iterable[str]) -> set[str]:
        """What variables are called in a client's row."""
        return {name + ending for name in names for ending in self.suffix.values() or ("",)}


@dataclass(frozen=True)
class Part:
    """A scale, or the days of stays, as the codebook has it."""

    name: str
    settings: dict[str, object]
    remark: str = ""


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
    taken: set[str] = field(default_factory=set)
    twice: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)

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
    for name, (file, sheet, raw) in found.items():
        place = _place(raw, guesses[name], layout)
        if place is None:
            layout.left_out.append(file)
        else:
            layout.tables.append(DraftTable(name, file, sheet, raw, guesses[name], *place))
    _find_what_is_said_twice(layout)
    rows = [t for t in layout.tables if t.row != "episode"]
    counts = Counter(n for t in rows for n, g in t.guesses.items() if g.column not in t.same)
    layout.twice = {name for name, count in counts.items() if count > 1} - layout.links
    for table in layout.tables:
        _draft(table, layout)
    if pairs and layout.client and all(table.row != "client" for table in layout.tables):
        return lay_out(found, pairs=False)
    layout.tables.sort(key=lambda t: (t.row != "client", bool(t.occasion), bool(t.latest)))
    if layout.client is None:
        _count_rows(layout)
    there = {n for t in layout.tables if t.row != "episode" for n, *_ in t.variables}
    for role in ("case_manager", "site"):
        if getattr(layout, role) not in there:
            setattr(layout, role, None)
    _days(layout)
    _sort(layout)
    return layout


def _place(raw: RawTable, guesses: dict[str, Guess], layout: Layout):
    """What one row of a table stands for: (row, key, occasion, latest); None if nothing tells."""
    if layout.client is None:
        return "client", ("client_id",), None, None
    client = guesses.get(layout.client)
    for row in ("client",) if client else ("case_manager", "site"):
        name = getattr(layout, row)
        if name in guesses and guesses[name].unique:
            return row, (name,), None, None
    if client is None:
        return None
    for variable, guess in guesses.items():
        pair = raw.frame[[client.column, guess.column]]
        few = guess.type == "category" and len(guess.values) <= 6
        if few and not pair.duplicated().any():
            return "client", (layout.client, variable), variable, None
    dates = [n for n, g in guesses.items() if g.type == "date"]
    if dates and raw.frame[client.column].duplicated().mean() < RARE:
        return "client", (layout.client,), None, dates[0]
    return "episode", (layout.client, *dates[:1]), None, None


def _draft(table: DraftTable, layout: Layout) -> None:
    """Name a table's variables, sort out what is no variable, and find the scales in it."""
    guesses = table.guesses
    if table.key[0] in guesses:
        guesses[table.key[0]] = replace(guesses[table.key[0]], type="id")
    if table.occasion:
        levels = guesses[table.occasion].values
        table.suffix = {level: f"_{plain_name(level)}" for level in levels}
    numeric = [g.column for g in guesses.values() if g.type in ("integer", "number")]
    found = item_blocks([c for c in numeric if c not in table.same])
    blocks = {block.columns[0]: block for block in found}
    inside = {c for block in found for c in block.columns}
    called = {}
    for name, guess in guesses.items():
        column = guess.column
        if column in blocks:
            table.variables.append(_items(blocks[column], layout, table))
        elif column in inside:
            continue
        elif guess.type == "text" or column in table.same or _is_remark(name, guess, layout):
            table.ignore.append(column)
        else:
            called[name] = layout.called(name, table)
            table.variables.append((called[name], column, guess))
            layout.codes |= dict.fromkeys(guess.codes)
    table.key = tuple(called.get(name, name) for name in table.key)
    table.occasion = called.get(table.occasion, table.occasion)
    table.latest = called.get(table.latest, table.latest)


def _is_remark(name: str, guess: Guess, layout: Layout) -> bool:
    """Text that differs from row to row, and is nobody's id by its name or its place."""
    nobody = guess.role is None and not ID.search(guess.column)
    return guess.type == "id" and nobody and name not in {*layout.links, "client_id"}


def _items(block: Block, layout: Layout, table: DraftTable) -> tuple[str, str, Guess]:
    """A block of numbered items as one entry, and the scale it seems to make."""
    members = {n: g for n, g in table.guesses.items() if g.column in block.columns}
    layout.codes |= {code: None for guess in members.values() for code in guess.codes}
    low, high = min(g.low for g in members.values()), max(g.high for g in members.values())
    label = " ".join(table.raw.labels.get(c, "") for c in block.columns[:3])
    wai = WAI.search(f"{block.stem} {label}")
    form = form_of(block, high) if wai else None
    low, high = RESPONSES.get(form, (low, high))
    before = re.sub(r"^[^a-z]+", "", re.sub(r"[^a-z0-9]+", "_", block.before.lower())) or "item_"
    after = re.sub(r"[^a-z0-9]+", "_", block.after.lower())
    plain = f"{before}{block.pattern()[len(block.before) :].split('}')[0]}}}{after}"
    while (table.guesses.keys() - members) & {*expand(plain)}:
        plain = f"items_{plain}"
    pattern = layout.called(plain, table, members)
    stem = pattern.replace(plain, block.stem)
    kind = max(g.type for g in members.values())  # number, if one of them is
    for ending in table.suffix.values() or [""] if table.row == "client" else []:
        if wai:
            _alliance(layout, block, stem, pattern + ending, form, label, ending)
        else:
            name = layout.name(f"{stem}_score{ending}")
            settings = {"items": pattern + ending, "score": "mean"}
            layout.scales.append(Part(name, settings, "no item reversed"))
    return pattern, block.pattern(), Guess(pattern, kind, "", low, high)


def _alliance(
    layout: Layout, block: Block, stem: str, items: str, form: str | None, label: str, ending: str
) -> None:
    """A scale that is one informant's rating of the alliance."""
    informant = informant_of(block.stem, label) or informant_of(stem)
    remark = "a WAI by its name, length and highest response"
    if informant is None:
        remark = "whose rating this is was not to be seen"
        informant = "case_manager" if "client" in layout.informants else "client"
    if form is None:
        remark = f"{len(block.columns)} items: not a form that is known; give its keys"
    name = layout.name(f"{informant}_alliance{ending}")
    who = _word(informant, getattr(layout, informant) or "")
    settings = {
        "label": f"Alliance, {who.lower()}'s rating{ending.replace('_', ' ')}",
        "form": form,
        "items": items,
        "informant": informant if form else None,
        "score": None if form else "mean",
    }
    layout.scales.append(Part(name, settings, remark))
    layout.informants.setdefault(informant, (who, name))


def _word(informant: str, name: str) -> str:
    """What to call an informant: by the name of the id, if it says."""
    for word in WORDS[informant]:
        plain = word.lower().replace(" ", "_")
        if plain in name or plain.startswith(name or "-"):
            return word
    return WORDS[informant][-1]


def _count_rows(layout: Layout) -> None:
    """Without an id of clients, the rows of the only table are the clients."""
    (table,) = layout.tables
    layout.client = plain_name("client_id", [name for name, *_ in table.variables])
    guess = Guess(ROW_ID, "id", "Row of the file", role="row")
    table.key = (layout.client,)
    table.variables.insert(0, (layout.client, ROW_ID, guess))


def _days(layout: Layout) -> None:
    dates = {t.name: [n for n, _, g in t.variables if g.type == "date"] for t in layout.tables}
    anchors = [n for t in layout.tables if t.row == "client" and not t.occasion
               for n in dates[t.name]]  # fmt: skip
    stays = [t for t in layout.tables if t.row == "episode" and len(dates[t.name]) >= 2]
    if stays and anchors:
        admission, discharge = dates[stays[-1].name][:2]
        settings = {"episodes": stays[-1].name, "admission": admission, "discharge": discharge}
        settings |= {"anchor": anchors[0], "from_years": 0, "to_years": 1}
        layout.days = Part(layout.name("hospital_days"), settings)


def _sort(layout: Layout) -> None:
    """Variables into blocks, by their table and their names; indicators of categories."""
    blocks = {block: [] for block in ("pretreatment", "treatment", "alliance", "outcome")}
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
            elif guess.type == "category" and len(guess.values) == 2 and name not in layout.links:
                value = next((v for v in guess.values if v.lower() == "female"), guess.values[-1])
                made = layout.name(f"{name}_{value}")
                layout.derived.append((made, name, value))
                blocks[kind].append(made)
    ratings = {alliance for _, alliance in layout.informants.values()}
    blocks["alliance"] = sorted(ratings)
    blocks["outcome"] += [s.name for s in layout.scales if s.name not in ratings]
    blocks["outcome"] += [layout.days.name] if layout.days else []
    layout.blocks = {block: names for block, names in blocks.items() if names}


def _find_what_is_said_twice(layout: Layout) -> None:
    """Find the columns of each table that hold what an earlier table of clients says already."""
    earlier: list[DraftTable] = []
    for table in layout.tables:
        if table.occasion or table.latest or table.row == "episode":
            continue
        key = table.key[0]
        for other in (t for t in earlier if key in t.guesses and key in table.guesses):
            both = [n for n in table.guesses if n in other.guesses and n not in layout.links]
            if both:
                here = _texts(table, [key, *both]).dropna(subset=key).drop_duplicates(key)
                side = _texts(other, [key, *both]).merge(here, on=key, suffixes=("", " here"))
                for n in both:
                    pair = side[[n, f"{n} here"]].dropna()
                    if len(pair) >= FEW and (pair[n] == pair[f"{n} here"]).all():
                        table.same.add(table.guesses[n].column)
        earlier += [table] if table.row == "client" else []


def _texts(table: DraftTable, names: list[str]) -> pd.DataFrame:
    """Values as text, numbers alike however they were written, missing where there is none."""
    made = {}
    for name in names:
        values = table.raw.frame[table.guesses[name].column].astype("object")
        number = pd.to_numeric(values, errors="coerce")
        text = values.where(values.notna(), None).map(lambda v: str(v).strip() or None, "ignore")
        made[name] = text.where(number.isna(), number.map("{:.15g}".format)).astype("object")
    return pd.DataFrame(made)
