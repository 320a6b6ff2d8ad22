"""A first draft of a codebook from a study's own files; every guess in it is marked.

The draft is text for a person to read and correct, and a codebook that can be tried at once. How
guessed columns fit together stands here: whose rows a table has, which items make a scale.
"""

from __future__ import annotations

import glob
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from math import nan
from pathlib import Path

from ..errors import listed
from ..study.cells import parted, plain
from ..study.codebook import ENDING, NUMERIC, expand
from ..study.raw_tables import READERS, ROW_ID
from ..study.suspect import spelled_alike, trials
from .answers import WORDS, is_just, say, says
from .exports import SENT, Source, join_by_values, read_sources
from .guesses import (
    RESERVED,
    ROLES,
    Guess,
    agree,
    find_roles,
    guess_columns,
    plain_name,
    role_of,
    scan,
    two_managers,
)
from .items import (
    WHO,
    Block,
    answered_apart,
    find_blocks,
    informant_of,
    is_measure,
    no_ids,
    reversed_beside,
    without_raw,
)
from .layout import (
    SHAPES,
    DraftTable,
    Layout,
    Shape,
    find_what_is_said_twice,
    leave_counters,
    leave_others,
    like_codes,
    numbered_anew,
    shape_of,
)
from .ratings import (
    find_days,
    is_alliance,
    is_whole,
    items_and_scale,
    join_parts,
    rater_of,
    whole_ratings,
    worded,
)

BLOCKS = "pretreatment", "treatment", "alliance", "outcome"
TEMPLATE = Path(__file__).parent / "codebook.yml.j2"


def describe(path: str | Path) -> str:
    """Draft the codebook of a study.

    Parameters
    ----------
    path : path
        A folder of tables, or one file.

    Returns
    -------
    str
        YAML text, with every guess marked by a comment. Free text and columns that look empty
        are put under `ignore`.

    Raises
    ------
    DataError
        If nothing there can be read.
    """
    import jinja2  # takes a while, and only a draft needs it

    environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True)
    environment.filters |= {"flow": flow, "line": _line, "literally": _literally}
    return environment.from_string(TEMPLATE.read_text("utf-8")).render(
        draft=lay_out(read_sources(Path(path))),
        title=re.sub(r"[_\W]+", " ", Path(path).resolve().stem).strip() or "My study",
    )


def flow(value: object) -> str:
    """A value as YAML writes it on one line; settings that say nothing are left out.

    >>> flow({"label": "", "range": [1, 7.5], "from": "x: y"})
    '{range: [1, 7.5], from: "x: y"}'
    """
    if isinstance(value, Mapping):
        said = {k: v for k, v in value.items() if v not in ("", None, (), [])}
        return f"{{{', '.join(f'{flow(k)}: {flow(v)}' for k, v in said.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(flow, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return quoted(value) if isinstance(value, str) else f"{value:.15g}"


def quoted(text: str) -> str:
    """A text as YAML writes it safely: plain if it is a word, else in double quotes."""
    word = re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*( [A-Za-z0-9_]+)*", text)
    if word and text.lower() not in RESERVED:
        return text
    unseen = r"[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
    written = json.dumps(text, ensure_ascii=False)
    return re.sub(unseen, lambda found: f"\\u{ord(found.group()):04x}", written)


def _literally(column: str) -> str:
    """A column's name as a pattern that fits it alone."""
    return glob.escape(column).replace("{", "[{]")


def _line(text: str) -> str:
    """A text that stays within its comment, whatever the file's names hold."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def lay_out(sources: dict[str, Source]) -> Layout:
    """Put the guesses about every table together."""
    seen = [part for source in sources.values() for part in _apart(_look(source))]
    tied = leave_counters(seen)
    layout = _lay_out(seen)
    layout.questions[:0] = [*tied, *(q for source in sources.values() for q in source.asked)]
    layout.shape = "; ".join(dict.fromkeys(map(_told, layout.tables)))
    return layout


def _apart(table: DraftTable) -> list[DraftTable]:
    """A table for each informant, where both answered the same columns in words of their own."""
    shape, source = table.shape, table.source
    if "endings" in shape.settings:
        frame = parted(table.frame, **shape.settings)
        other = _look(replace(source, raw=replace(source.raw, frame=frame)))
        if other.shape.row != "rating" or any(block.answers.words for block in other.blocks):
            return [table]
        ids, other.questions[:0] = shape.settings["column"], shape.questions
        shape = replace(other.shape, why=other.shape.why.replace(ENDING, f"the end of {ids}"))
        return [replace(other, ids=ids, shape=shape)]
    if shape.row not in ("rating", "apart"):
        return [table]
    column, who = (role := dict(shape.settings["informant"])).pop("column"), role
    words = shape.settings.get("words", {})
    parts = [
        _look(replace(source.rows(column, [w for w in words if words[w] == value] or [value],
                            f"{source.name}_{informant}", say("rows", column=column, value=value)),
                who=informant))
        for informant, value in who.items()
    ]  # fmt: skip
    told, *own = (
        {b.stem: (b.answers.numbers, not b.guess.low) for b in t.blocks} for t in (table, *parts)
    )
    unlike = any(one[stem] != told.get(stem) for one in own for stem in one)
    unlike |= any(block.answers.words for block in table.blocks)
    return parts if unlike or shape.row == "apart" else [table]


def _look(source: Source) -> DraftTable:
    """What each column of a source is by itself, and within its block."""
    raw = source.raw
    columns, beside = scan(raw), reversed_beside(raw)
    found = [both for both in find_blocks(columns, beside) if both[1] is not None]
    found += worded(columns, {*beside, *(c for block, _ in found for c in block.columns)})
    blocks = [told for _, told in found if isinstance(told, Block)]
    blocks = [without_raw(b, raw.frame, beside) for b in blocks] if beside else blocks
    odd = [(block, told) for block, told in found if isinstance(told, str)]
    questions = [say("unlike" if told else "waves", block=block.pattern(), odd=told)
                 for block, told in odd if told or not says("wai", block.stem)]  # fmt: skip
    unlike = {column for block, told in odd for column in block.columns if told}
    inside = {column: block.guess for block in blocks for column in block.columns}
    guesses = guess_columns(columns, inside, raw.file.lower().endswith(tuple(READERS)))
    guesses |= {name: replace(guess, role="codes") for name, guess in guesses.items()
                if guess.column in unlike and guess.type == "integer"
                and not is_measure(guess.label)}  # fmt: skip
    table = DraftTable(source, columns, guesses, blocks, beside, questions)
    table.shape = shape_of(table)
    for guess in guesses.values():
        ids = guess.role or ("client" if says("id", guess.column) else "")
        if ids == "client" and (told := no_ids(columns[guess.column])):
            table.questions.append(say("no_ids", file=raw.file, **told))
    apart = answered_apart(raw.frame, blocks if table.shape.row == "client" else [], raw.file)
    table.questions[:0] = [*table.shape.questions, *apart]
    return table


def _told(table: DraftTable) -> str:
    row = SHAPES.get(table.row, f"one row for each {table.row.replace('_', ' ')}")
    why = [*table.source.why, *table.why] or [say("once", column=table.key[0])]
    return f"{table.name}: {row} ({'; '.join(why)})"


def _lay_out(seen: list[DraftTable]) -> Layout:
    layout, tables = Layout(), [replace(table, guesses={**table.guesses}) for table in seen]
    layout.taken = {name for table in tables for name in table.guesses}
    agree([table.guesses for table in tables])
    roles = find_roles([table.guesses for table in tables])
    of_them = [table for table in tables if role_of(table.name) == "case_manager"]
    for role, some in (("case_manager", of_them), ("client", tables)):
        layout.questions += join_by_values(some, tables, roles.get(role), role)
    roles = find_roles([table.guesses for table in tables]) if layout.questions else roles
    for role, name in roles.items():
        setattr(layout, role, name)
    layout.questions += two_managers([table.guesses for table in tables], roles)
    if layout.client is None and len(seen) > 1:
        largest = max(seen, key=lambda table: len(table.frame))
        layout = _lay_out([largest])
        lost = [table.source.raw.file for table in seen if table is not largest]
        layout.questions += [say("lost", file=file) for file in lost]
        return layout
    numbered_anew(layout, tables)
    times = {t.shape.settings["time"] for t in tables if t.shape.row == "session"}
    for table in tables:  # a rating of one session says of which, as those of several do
        time = next((n for n in times if n in table.guesses), None)
        once = table.shape.row == "client" and layout.client in table.guesses
        if time and once and any(is_alliance(block, table) for block in table.blocks):
            why = say("sessions", column=table.guesses[layout.client].column, by=time)
            table.shape = Shape("session", layout.client, {"time": time, "event": "last"}, why)
    layout.tables = [table for table in tables if _place(table, layout)]
    lost = [table.source.raw.file for table in tables if table not in layout.tables]
    layout.questions += [say("lost", file=file) for file in lost]
    leave_others(layout)
    find_what_is_said_twice(layout)
    rows = [t for t in layout.tables if t.row != "episode"]
    counts = Counter(n for t in rows for n, g in t.guesses.items() if g.column not in t.same)
    layout.twice = {name for name, count in counts.items() if count > 1} - layout.links
    blocks = [(b, t) for t in layout.tables for b in t.blocks if is_alliance(b, t)]
    layout.raters = {rater_of(*block) for block in blocks} - {None}
    for table in layout.tables:
        _draft(table, layout)
    layout.tables.sort(key=lambda t: (not t.of_clients, bool(t.occasion), bool(t.latest)))
    if layout.client is None:
        _count_rows(layout)
    there = {n for t in rows for n, *_ in t.variables}
    for role in ("case_manager", "site"):
        if getattr(layout, role) not in there:
            setattr(layout, role, None)
    for table in (t for t in layout.tables if t.ids):
        table.settings["informant"] = {**table.settings["informant"], "column": table.ids}
    find_days(layout)
    join_parts(layout)
    _sort(layout)
    return layout


def _place(table: DraftTable, layout: Layout) -> bool:
    """Settle what one row of a table stands for; whether anything tells."""
    shape, guesses, client = table.shape, table.guesses, layout.client
    table.settings = dict(table.source.settings)
    if shape.client and shape.client == client:
        where = table.settings.get("where", {}) | shape.settings.get("where", {})
        table.settings |= {**shape.settings} | ({"where": where} if where else {})
        table.occasion = table.settings.pop("occasion", None)
        table.why.append(shape.why)
        table.row = "client" if table.occasion else shape.row
        table.key = (client, *filter(None, [table.occasion]))
    elif client is not None:
        by = (client,) if client in guesses else (layout.case_manager, layout.site)
        once = next((name for name in by if name in guesses and guesses[name].unique), None)
        if once:
            table.key = (once,)
            table.row = next(r for r in ROLES if getattr(layout, r) == once)
        elif client not in guesses:
            return False
        else:
            _several(table, client)
    if table.row == "rating":
        table.suffix = {who: f"_{who}" for who in WHO}
    return True


def _several(table: DraftTable, client: str) -> None:
    """A table with several rows of a client: by an occasion, by mistake, or stays."""
    guesses, column = table.guesses, table.guesses[client].column
    dates = [name for name, guess in guesses.items() if guess.type == "date"]
    for name, guess in guesses.items():
        few = guess.type == "category" and len(guess.values) <= 6
        if few and not table.frame.duplicated([column, guess.column]).any():
            table.key, table.occasion = (client, name), name
            return
    table.key = (client,)
    if guesses[client].rare:
        table.latest = next(iter(dates), None)
    else:
        table.row, table.key = "episode", (client, *dates[:1])


def _draft(table: DraftTable, layout: Layout) -> None:
    """Name a table's variables, sort out what is no variable, and find the scales in it."""
    guesses = table.guesses
    if table.key[0] in guesses:
        guesses[table.key[0]] = guesses[table.key[0]].as_id()
    if table.occasion:
        levels = enumerate(guesses[table.occasion].values, 1)
        table.suffix = {level: plain_name(f"x_{level}")[1:] or f"_{i}" for i, level in levels}
    blocks = {b.columns[0]: b for b in table.blocks if b.columns[0] not in table.same}
    inside = {c for block in blocks.values() for c in block.columns}
    roles = (table.settings.get("informant") or {}).get("column")
    called = {}
    for name, guess in guesses.items():
        column = guess.column
        held = table.columns[column].held
        free = column not in inside and column != roles and not layout.case_manager
        seen = guess.type == "category" and guess.role == "case_manager" and len(held) > 2
        if free and name not in layout.links and (seen or like_codes(table, guess)):
            kind = "numbers" if guess.type == "integer" else "names"
            table.questions.append(say("codes", column=column, n=len(held), kind=kind))
            guess = replace(guess, role="codes")
        if column in blocks:
            items_and_scale(blocks[column], layout, table)
        elif column in inside or column == roles:
            if words := column == roles and table.settings.get("words"):
                table.variables.append((name, column, Guess(column, "category", values=words)))
        elif why := _aside(name, table, layout):
            table.ignore[column] = why
            table.questions += [guess.asked] if guess.type == "text" and guess.asked else []
            if n := sum(n for text, n in held.items() if says("mark", text)):
                table.questions.append(say("marked", column=column, n=n))
        else:
            if _is_rating(guess):
                guess = replace(guess, low=nan, high=nan)  # the form's range is asked for
            guess = _of_kinds(table, guess, held)
            table.questions += [guess.asked] if guess.asked else []
            called[name] = layout.called(name, table)
            table.variables.append((called[name], column, guess))
            layout.codes |= dict.fromkeys(guess.codes if guess.type != "id" else ())
            people = name in (layout.client, layout.case_manager)
            if people and (odd := trials(table.columns[column].held)):
                table.questions.append(say("trials", column=column, ids=listed(map(repr, odd), 6)))
            held = held if name in (layout.case_manager, layout.site) else {}
            gone = {code if isinstance(code, str) else f"{code:g}" for code in guess.codes}
            same = spelled_alike([t for t in held if t not in gone], name == layout.case_manager)
            if guess.type == "category":  # which reads spellings alike that differ in signs only
                same = [group for group in same if len({*map(plain, group)}) > 1]
            if same:
                table.questions.append(_alike(column, same, held, guess))
    told = (*table.key, table.occasion, table.latest, table.settings.get("time"))
    *key, table.occasion, table.latest, time = (called.get(name, name) for name in told)
    table.key = tuple(key)
    if time:
        rated = any(is_alliance(block, table) for block in table.blocks)
        table.settings |= {"time": time} | ({"event": "last_rated"} if rated else {})


def _aside(name: str, table: DraftTable, layout: Layout) -> str:
    """Why a column is left out of a table; nothing if it is not."""
    guess = table.guesses[name]
    column = guess.column
    asides = {
        "reversed": column in table.beside,
        "empty": guess.type == "text" and not table.columns[column].held,
        "same": column in table.same,
        "sent": column in SENT and table.source.left_out and name != table.latest,
        "free": guess.type == "text" or _is_remark(name, guess, layout),
    }
    told = (WORDS["aside"][why] for why, so in asides.items() if so)
    return next(told, "").format(other=table.beside.get(column))


def _of_kinds(table: DraftTable, guess: Guess, held: Mapping[str, int]) -> Guess:
    """The guess as no predictor, where it may mark rows or number kinds, which is asked."""
    for what, types in {"mark": ("integer", "category"), "kinds": ("integer",)}.items():
        cells = held if what == "mark" and guess.type == "category" else ()
        if guess.type in types and says(what, guess.column, *cells):
            table.questions.append(say(what, column=guess.column))
            guess = replace(guess, role="codes")
    return guess


def _alike(column: str, groups: list[list[str]], held: Mapping[str, int], guess: Guess) -> str:
    """The question whether names are one person's; the most frequent would stand."""
    names, meant = " and ".join(" = ".join(map(repr, group)) for group in groups), {}
    for group in groups:
        often = max(group, key=held.get)
        meant |= {name: often for name in group if name != often}
    known = guess.values if guess.type == "category" else ()
    values = json.dumps({name: name for name in known} | meant, ensure_ascii=False)
    return say("alike", column=column, names=names, values=values)


def _is_rating(guess: Guess) -> bool:
    """One number that tells an alliance, or part of it."""
    told = says("wai", f"{guess.column} {guess.label}")
    return told and guess.type in NUMERIC


def _is_remark(name: str, guess: Guess, layout: Layout) -> bool:
    """Text that differs from row to row, and is nobody's id by its name or its place."""
    nobody = guess.role is None and not says("id", guess.column)
    return guess.type == "id" and nobody and name not in {*layout.links, "client_id"}


def _count_rows(layout: Layout) -> None:
    """Without an id of clients, the rows of the only table are the clients."""
    (table,) = layout.tables
    ids = [g.column for n, g in table.guesses.items()
           if g.type == "id" and g.role != "site" and not _is_remark(n, g, layout)]  # fmt: skip
    if ids and not table.shape.questions:
        table.questions.append(say("several", column=ids[0]))
    layout.client = plain_name("client_id", [name for name, *_ in table.variables])
    guess = Guess(ROW_ID, "id", "Row of the file", role="row")
    table.key = (layout.client,)
    table.variables.insert(0, (layout.client, ROW_ID, guess))


def _sort(layout: Layout) -> None:
    """Variables into blocks, by their table and their names; indicators of categories."""
    blocks: dict[str, list[str]] = {block: [] for block in BLOCKS}
    for table in layout.tables:
        for name, _, guess in table.variables:
            for ending in table.suffix.values() or [""]:
                block, made = _block_of(layout, table, name, ending, guess)
                blocks.setdefault(block, []).append(made)
    whole_ratings(layout)
    ratings = {alliance for _, alliance in layout.informants.values()}
    blocks["alliance"] = sorted(ratings)
    for scale in [] if layout.informants else [*layout.scales]:
        if not (scale.question or says("outcome", scale.name) or says("before", scale.name)):
            layout.scales.remove(scale)
            layout.scales.append(replace(scale, question=say("unfound")))
    sure = [s.name for s in layout.scales if not s.question and "informant" not in s.settings]
    for name in sure:
        blocks["pretreatment" if says("before", name) else "outcome"].append(name)
    blocks["outcome"] += [layout.days.name] if layout.days else []
    times: dict[str, list[tuple[str, str]]] = {}
    for name in (*blocks["pretreatment"], *blocks["outcome"]):
        told = re.fullmatch(r"(.*?)_?(\d+|_[a-z])", name)
        if told and not informant_of(told[2]):
            times.setdefault(told[1], []).append((told[2].zfill(9), name))
    for first, *others in map(sorted, times.values()):
        if others and first[1] in blocks["outcome"]:  # phq1 of phq1 and phq2
            blocks["outcome"].remove(first[1])
            blocks["pretreatment"].append(first[1])
    items = [scale.settings["items"] for scale in layout.scales]
    items = [item for some in items for item in ([some] if isinstance(some, str) else some)]
    held = {name for item in items for name in expand(item)} | ratings
    held |= {*(layout.days.settings.values() if layout.days else ())}
    blocks["asked"] = [scale.name for scale in layout.scales if scale.question]
    for block, names in blocks.items():
        names = [n for n in names if block == "alliance" or not {*expand(n)} <= held]
        if names and block in BLOCKS:
            layout.blocks[block] = names
        elif names and block:
            layout.unused[WORDS["aside"][block]] = names


def _block_of(
    layout: Layout, table: DraftTable, name: str, ending: str, guess: Guess
) -> tuple[str, str]:
    """The block that a variable goes to, and its name there; or why it goes to none."""
    made, who = name + ending, informant_of(name + ending) or informant_of("", guess.label)
    told = (table.occasion, table.latest, table.settings.get("time"))
    if name in (*layout.links, *table.key, *told):
        return "", made
    if "{" in name:
        return "items", made
    if _is_rating(guess):
        if is_whole(made, guess.label) and table.of_clients:
            layout.totals.setdefault(who, []).append((table, made))
        return "rating", made  # an alliance is no predictor of itself
    if table.row in ("episode", "site"):
        return "elsewhere", made
    about = table.row == "case_manager" or ending == "_case_manager"
    block, told = "treatment" if about else "pretreatment", f"{made} {guess.label}"
    if says("outcome", told) and not says("before", told) and table.row != "case_manager":
        block = "outcome"
    elif (
        table.occasion and not says("before", told) and ending != next(iter(table.suffix.values()))
    ):
        return "later", made
    if guess.type in NUMERIC and guess.role != "codes":
        return block if guess.low != guess.high else "constant", made
    values = [*(guess.values.values() if isinstance(guess.values, dict) else guess.values)]
    if guess.type == "category" and guess.role != "codes" and len(values) == 2:
        value = next((v for v in values if is_just("indicated", v)), values[-1])
        layout.derived.append((layout.name(f"{made}_{value}"), made, value))
        return block, layout.derived[-1][0]
    if guess.role == "codes" or len(values) == 1:
        return "codes" if guess.role else "constant", made
    return guess.type, made
