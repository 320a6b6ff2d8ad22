"""How guessed columns fit together: whose rows a table has, which items make a scale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from math import nan

import pandas as pd

from ..study.raw_tables import READERS, ROW_ID
from ..study.suspect import spelled_alike
from .answers import pattern
from .draft import DraftTable, Found, Layout, Part
from .exports import SENT, Source
from .guesses import (
    BEFORE,
    FEW,
    ID,
    Guess,
    Tables,
    agree,
    find_roles,
    guess_columns,
    plain_name,
    scan,
)
from .items import (
    WAI,
    Block,
    blocks_by_label,
    guess_block,
    informant_of,
    item_blocks,
    reversed_beside,
)
from .ratings import items_and_scale, join_subscales, word_for
from .shapes import SHAPES, join_by_values, shape_of, with_shape

TOTAL = pattern("column", "total")
OUTCOME = pattern("column", "outcome")


def lay_out(sources: dict[str, Source]) -> Layout:
    """Put the guesses about every table together."""
    found = {}
    for source in sources.values():
        seen = _look(source)
        parts = [*_apart(source, seen)] or [seen]
        found |= {part.source.name: part for part in parts}
    layout = _lay_out(found)
    layout.shape = "; ".join(dict.fromkeys(_told(table) for table in layout.tables))
    return layout


def _apart(source: Source, seen: Found) -> Iterator[Found]:
    """A table for each informant, where both answered the same columns in words of their own."""
    unlike = seen.shape.row == "rating" and any(block.answers.words for block in seen.blocks)
    if unlike or seen.shape.row == "apart":
        column, who = (role := dict(seen.shape.settings["informant"])).pop("column"), role
        for informant, value in who.items():
            name, why = f"{source.name}_{informant}", f"rows where {column!r} is {value!r}"
            yield _look(replace(source.rows(column, [value], name, why), who=informant))


def _look(source: Source) -> Found:
    """What each column of a source is by itself, and within its block."""
    raw, questions, blocks = source.raw, [], []
    columns, beside = scan(raw), reversed_beside(raw)
    seen = [column for column in raw.frame if column not in beside]
    inside: dict[str, Guess] = {}
    for block in item_blocks(seen):
        told = guess_block(columns, block)
        parts = blocks_by_label(block, raw.labels) if isinstance(told, str) else []
        for part in [told, *(guess_block(columns, part) for part in parts)]:
            if isinstance(part, Block):
                blocks.append(part)
                inside |= dict.fromkeys(part.columns, part.guess)
        if isinstance(told, str) and not parts:
            said = f"{block.pattern()} is numbered as one block, but {told} hold other answers: "
            questions.append(said + "which of them are the items of one scale? None is drafted")
    labelled = raw.file.lower().endswith(tuple(READERS))
    guesses = guess_columns(columns, inside, labelled)
    shape = shape_of(raw, guesses, blocks)
    with_shape(guesses, shape)
    return Found(source, guesses, blocks, shape, beside, questions)


def _told(table: DraftTable) -> str:
    row = SHAPES.get(table.row, f"one row for each {table.row.replace('_', ' ')}")
    why = [*table.source.why, *table.why] or [f"{table.key[0]!r} stands once for each"]
    return f"{table.name}: {row} ({'; '.join(why)})"


def _lay_out(found: dict[str, Found]) -> Layout:
    layout = Layout()
    guesses: Tables = {name: dict(f.guesses) for name, f in found.items()}
    layout.taken = {name for table in guesses.values() for name in table}
    agree(guesses)
    roles = find_roles(guesses)
    sources = {name: f.source for name, f in found.items()}
    layout.joined = join_by_values(guesses, sources, roles.get("client"))
    roles = find_roles(guesses) if layout.joined else roles
    for role, name in roles.items():
        setattr(layout, role, name)
    if layout.client is None and len(found) > 1:
        largest = max(found, key=lambda name: len(sources[name].raw.frame))
        layout = _lay_out({largest: found[largest]})
        layout.left_out += [s.file for name, s in sources.items() if name != largest]
        return layout
    for name, seen in found.items():
        place = _place(seen, guesses[name], layout)
        if place is None:
            layout.left_out.append(seen.source.file)
        else:
            layout.tables.append(_table(seen, guesses[name], place))
    _find_what_is_said_twice(layout)
    rows = [t for t in layout.tables if t.row != "episode"]
    counts = Counter(n for t in rows for n, g in t.guesses.items() if g.column not in t.same)
    layout.twice = {name for name, count in counts.items() if count > 1} - layout.links
    for table in layout.tables:
        _draft(table, found[table.name], layout)
    layout.tables.sort(key=lambda t: (not t.of_clients, bool(t.occasion), bool(t.latest)))
    if layout.client is None:
        _count_rows(layout)
    there = {n for t in layout.tables if t.row != "episode" for n, *_ in t.variables}
    for role in ("case_manager", "site"):
        if getattr(layout, role) not in there:
            setattr(layout, role, None)
    _days(layout)
    join_subscales(layout)
    _sort(layout)
    return layout


def _table(seen: Found, guesses: dict[str, Guess], place: tuple) -> DraftTable:
    shape, settings = seen.shape, dict(seen.source.settings)
    table = DraftTable(seen.source, guesses, *place)
    if shape.client and place[1][0] == shape.client:
        settings |= {name: v for name, v in shape.settings.items() if name != "occasion"}
        settings["where"] = settings.get("where") or seen.source.settings.get("where")
        table.why.append(shape.why)
    table.questions += [shape.question] if shape.question else []
    if table.row == "rating":
        table.suffix = {who: f"_{who}" for who in ("client", "case_manager")}
    table.settings = {name: value for name, value in settings.items() if value}
    table.questions += seen.questions
    return table


def _place(seen: Found, guesses: dict[str, Guess], layout: Layout):
    """What one row of a table stands for: (row, key, occasion, latest); None if nothing tells."""
    raw = seen.source.raw
    if seen.shape.client and seen.shape.client == layout.client:
        by = seen.shape.settings.get("occasion")
        row = "client" if by else seen.shape.row
        return row, (layout.client, *filter(None, [by])), by, None
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
    if client.rare:
        return "client", (layout.client,), None, next(iter(dates), None)
    return "episode", (layout.client, *dates[:1]), None, None


def _draft(table: DraftTable, seen: Found, layout: Layout) -> None:
    """Name a table's variables, sort out what is no variable, and find the scales in it."""
    guesses = table.guesses
    if table.key[0] in guesses:
        guesses[table.key[0]] = replace(guesses[table.key[0]], type="id")
    if table.occasion:
        levels = guesses[table.occasion].values
        table.suffix = {level: f"_{plain_name(level)}" for level in levels}
    blocks = {b.columns[0]: b for b in seen.blocks if b.columns[0] not in table.same}
    inside = {c for block in blocks.values() for c in block.columns}
    roles = (table.settings.get("informant") or {}).get("column")
    called = {}
    for name, guess in guesses.items():
        column = guess.column
        if column in blocks:
            table.variables += items_and_scale(blocks[column], layout, table)
        elif column in inside or column == roles:
            continue
        elif column in seen.beside:
            table.why.append(f"{column!r} is {seen.beside[column]!r} reversed, and is not needed")
            table.ignore.append(column)
        elif (
            guess.type == "text"
            or column in table.same
            or _is_remark(name, guess, layout)
            or (column in SENT and table.source.left_out and name != table.latest)
        ):
            table.ignore.append(column)
        else:
            if _is_rating(guess):
                guess = replace(guess, low=nan, high=nan)  # the form's range is asked for
            called[name] = layout.called(name, table)
            table.variables.append((called[name], column, guess))
            layout.codes |= dict.fromkeys(guess.codes)
            if name in (layout.case_manager, layout.site):
                for group in spelled_alike(table.raw.frame[column].dropna().unique()):
                    alike = ", ".join(map(repr, group))
                    table.questions.append(f"{column!r}: is {alike} one? Then write it alike")
    table.key = tuple(called.get(name, name) for name in table.key)
    table.occasion = called.get(table.occasion, table.occasion)
    table.latest = called.get(table.latest, table.latest)
    if "time" in table.settings:
        table.settings["time"] = called.get(table.settings["time"], table.settings["time"])


def _is_rating(guess: Guess) -> bool:
    """One number that tells an alliance, or part of it."""
    told = WAI.search(f"{guess.column} {guess.label}")
    return told is not None and guess.type in ("integer", "number")


def _is_remark(name: str, guess: Guess, layout: Layout) -> bool:
    """Text that differs from row to row, and is nobody's id by its name or its place."""
    nobody = guess.role is None and not ID.search(guess.column)
    return guess.type == "id" and nobody and name not in {*layout.links, "client_id"}


def _count_rows(layout: Layout) -> None:
    """Without an id of clients, the rows of the only table are the clients."""
    (table,) = layout.tables
    layout.client = plain_name("client_id", [name for name, *_ in table.variables])
    guess = Guess(ROW_ID, "id", "Row of the file", role="row")
    table.key = (layout.client,)
    table.variables.insert(0, (layout.client, ROW_ID, guess))


def _days(layout: Layout) -> None:
    dates = {t.name: [n for n, _, g in t.variables if g.type == "date"] for t in layout.tables}
    anchors = [n for t in layout.tables if t.of_clients and not t.occasion
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
        out = table.row in ("episode", "site") or table.occasion
        for name, _, guess in [] if out else table.variables:
            for ending in table.suffix.values() or [""] if "{" not in name else []:
                _into_block(layout, blocks, table, name, ending, guess)
    ratings = {alliance for _, alliance in layout.informants.values()}
    blocks["alliance"] = sorted(ratings)
    sure = [s.name for s in layout.scales if not s.question and "informant" not in s.settings]
    blocks["outcome"] += sure
    blocks["outcome"] += [layout.days.name] if layout.days else []
    layout.blocks = {block: names for block, names in blocks.items() if names}


def _into_block(
    layout: Layout, blocks: dict, table: DraftTable, name: str, ending: str, guess: Guess
) -> None:
    who = informant_of(name + ending) or informant_of("", guess.label)
    if _is_rating(guess):
        if who not in (None, *layout.informants) and TOTAL.search(f"{name} {guess.label}"):
            layout.informants[who] = (word_for(who, layout), name + ending)
            said = "is this the whole rating? Then give as `range` what its form allows"
            table.questions.append(f"{name + ending}: {said}")
        return  # an alliance is no predictor of itself
    about = table.row == "case_manager" or ending == "_case_manager"
    kind, told = "treatment" if about else "pretreatment", f"{name} {guess.label}"
    if OUTCOME.search(told) and not BEFORE.search(told) and table.row != "case_manager":
        kind = "outcome"
    if guess.type in ("integer", "number") and guess.low != guess.high:
        blocks[kind] += [name + ending] if name != table.settings.get("time") else []
    elif guess.type == "category" and len(guess.values) == 2 and name not in layout.links:
        values = [*(guess.values.values() if isinstance(guess.values, dict) else guess.values)]
        value = next((v for v in values if v.lower() == "female"), values[-1])
        made = layout.name(f"{name}{ending}_{value}")
        layout.derived.append((made, name + ending, value))
        blocks[kind].append(made)


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
