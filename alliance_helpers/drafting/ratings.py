"""From a block of items to the scale it seems to make: whose alliance, by which form, or a mean."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import takewhile

import numpy as np
import pandas as pd

from ..study.cells import as_text
from ..study.codebook import N_ITEMS, RESPONSES, SUBSCALES, expand
from ..study.score import against
from ..study.suspect import TURNED
from .answers import WORDS, Answers, pattern, say
from .guesses import Guess
from .items import WAI, WHO, Block, answered, form_of, informant_of
from .layout import DraftTable, Layout, Part

OF_OTHERS = pattern("column", "of_others")
FORMS = {"sr": "WAI-SR", "s": "WAI-S"}
# Items, lowest and highest answer of the forms, and counted from 0.
BARE = {(12, 1, 5), (12, 1, 7), (36, 1, 7), (12, 0, 4), (12, 0, 6), (36, 0, 6)}
PLAIN = pattern("column", "plain")
LIKE = "number of items and answers"
NAMED_FORM = re.compile(r"(?i)wai[-_ ]?(sr|s)(?![a-z])")


def _label(block: Block, table: DraftTable) -> str:
    return " ".join(table.columns[c].label for c in block.columns[:3])


def rater_of(block: Block, table: DraftTable) -> str | None:
    """Whose answers a block holds, by what the source, names or labels say."""
    of_file, own = informant_of(table.name[1:] and table.name), _named(block, table)
    letter = len(re.sub(r"[\W\d_]", "", block.stem)) == 1
    other = own and of_file and own != of_file
    if letter and other and {_named(b, table) for b in table.blocks} == {own}:
        own = of_file = None  # one letter for all, as w1 to w12, and the file's name: it is asked
    said = table.source.who or own or of_file
    return said or informant_of("", OF_OTHERS.sub("", _label(block, table)))


def _named(block: Block, table: DraftTable) -> str | None:
    """Whose a block is by its name, or a form's by where it differs from another of its length."""
    n, stem = len(block.numbers), block.stem
    like = [b.stem for b in table.blocks if b is not block and len(b.numbers) == n]
    like = like if n in N_ITEMS.values() else []
    pairs = ([*takewhile(lambda p: p[0] == p[1], zip(stem, other, strict=False))] for other in like)
    return informant_of(stem) or informant_of(stem[max(map(len, pairs), default=0) :])


def is_alliance(block: Block, table: DraftTable) -> bool:
    """Whether a block is an alliance by its name, label or words; or by its answers and rater."""
    if WAI.search(f"{block.stem} {_label(block, table)}") or block.answers.form:
        return True
    words = re.split(r"[\W\d_]+", block.stem)
    bare = all(PLAIN.fullmatch(word) or informant_of(word) for word in words)
    bare = bare and (rater_of(block, table) or table.row == "rating")
    bare = bare or (_named(block, table) and re.fullmatch(r"[a-z]+_?", block.stem, re.I))
    return bool(bare) and like_a_form(block)


def like_a_form(block: Block) -> bool:
    """Whether a block has as many items, and answers, as one of the forms."""
    return block.whole and (len(block.numbers), *block.guess.range) in BARE


def items_and_scale(
    block: Block, layout: Layout, table: DraftTable
) -> list[tuple[str, str, Guess]]:
    """A block of numbered items as entries of a table, and the scale it seems to make."""
    guess, answers = block.guess, block.answers
    layout.codes |= dict.fromkeys(guess.codes)
    rater, wai = rater_of(block, table), is_alliance(block, table)
    words = () if answers.numbers or guess.range else tuple(answers.words)
    form = form_of(block, len(words) or guess.high) if wai else None
    if form and not guess.low and guess.high < RESPONSES[form][1]:
        steps = answers.numbers or {str(i): i for i in range(int(guess.high) + 1)}
        steps = {told: number + 1.0 for told, number in steps.items()}
        answers = Answers(steps, form, "", say("from_zero", form=form))
        block = replace(block, answers=answers)
    if answers.stop:
        seen = {"file": table.source.raw.file, "block": block.pattern()}
        table.questions.append(say("stop", **seen, said=answers.stop))
    limits = RESPONSES.get(form) or guess.range
    before = re.sub(r"^[^a-z]+", "", re.sub(r"[^a-z0-9]+", "_", block.before.lower())) or "item_"
    after = re.sub(r"[^a-z0-9]+", "_", block.after.lower()).rstrip("_")
    span = block.span(block.numbers[0], block.numbers[-1])
    wish = f"{before}{span}{after}"
    members = {n for n, g in table.guesses.items() if g.column in block.columns}
    while (table.guesses.keys() - members) & {*expand(wish)}:
        wish = f"items_{wish}"
    pattern = layout.called(wish, table, members)
    kind = "category" if words and not form else guess.type
    values = answers.numbers or (dict.fromkeys(words, "?") if words and form else words)
    held = Guess(pattern, kind, codes=guess.codes, values=values)
    if not held.values:
        held = replace(held, low=limits[0], high=limits[1])
    entries = [(pattern.replace(span, run), column, replace(held, values=block.own[column])
                if column in block.own else held) for run, column in block.runs()]  # fmt: skip
    items = [name for name, *_ in entries]
    for value, ending in (table.suffix or {"": ""}).items() if table.of_clients else []:
        who = value if table.row == "rating" else None
        here = answered(_rows_of(table, value), block)
        if value and not words and here.isna().all(axis=None):
            continue
        named = [item + ending for item in ([pattern] if not block.gaps else items)]
        settings = {"items": named if named[1:] else named[0]}
        if words and form:
            _alliance(layout, table, block, {"form": form, **settings}, who or rater, ending)
        elif words:
            said = say("words_of", block=block.pattern(), said=answers.question)
            table.questions.append(said)
        elif wai:
            form = form_of(block, here.max().max()) if who and form else form
            names = [name + ending for name in expand(pattern)]
            settings = {"form": form, **settings, **_turned(block, form, here, table, names)}
            _alliance(layout, table, block, settings, who or rater, ending)
        else:
            name = layout.name(f"{pattern.replace(wish, block.stem)}_score{ending}")
            remark, said = answers.remark or say("not_reversed"), answers.question
            if like_a_form(block) and {*WHO} - layout.raters:
                said = said or say("like_form", like=LIKE, form=form_of(block, guess.high))
            layout.scales.append(Part(name, settings | {"score": "mean"}, remark, said))
    return entries


def _rows_of(table: DraftTable, value: str) -> pd.DataFrame:
    """The rows of one informant or occasion; all, if they cannot be told."""
    role, column = table.settings.get("informant", {}), table.guesses.get(table.occasion)
    column = role.get("column") or (column and column.column)
    if not column or not value:
        return table.frame
    meant = role.get(value, value)
    words = [w for w, said in table.settings.get("words", {}).items() if said == meant] or [meant]
    here = table.frame[column].map(as_text, na_action="ignore").isin(words)
    return table.frame[here] if here.any() else table.frame


def _turned(
    block: Block, form: str | None, answers: pd.DataFrame, table: DraftTable, names: list[str]
) -> dict[str, object]:
    """Which items the file holds reversed already: by their names, and by how they run."""
    named = {i for i, c in enumerate(block.columns) if c != block.names[i] and TURNED.search(c)}
    keys = [k for part in SUBSCALES.get(form, {}).values() for k in part]
    back = {abs(k) - 1 for k in keys if k < 0}
    sign = [-1 if i in back else 1 for i in range(len(block.columns))]
    columns = [answers[c].to_numpy() for c in answers]
    turned = named | (back & {int(i) for i in against(columns, np.array(sign))})
    if not turned:
        return {}
    listed, odd = [names[i] for i in sorted(turned)], named - back
    names = [block.columns[i] for i in sorted(odd)] or listed
    what = "reversed_by_name" if odd else "reversed_already"
    table.questions.append(say(what, names=", ".join(names)))
    return {"reversed": "done" if back and turned == back else listed}


def _alliance(
    layout: Layout,
    table: DraftTable,
    block: Block,
    settings: dict,
    informant: str | None,
    ending: str,
) -> None:
    """A scale that is one informant's rating of the alliance, or a question about it."""
    answers, form = block.answers, settings["form"]
    remark, said, high = answers.remark or say("a_wai"), [], block.guess.high
    unseen = informant is None
    if unseen:
        free = [who for who in WHO if who not in {*layout.raters, *layout.informants}]
        informant = (*free, "case_manager" if "client" in layout.informants else "client")[0]
    rater = informant.replace("_", " ")
    if form is None:
        said.append(say("no_form", n=len(block.columns)))
    if unseen:
        said.append(say("whose", who=rater))
    elif form and informant in layout.informants:
        said.append(say("second", who=rater))
    if form and not WAI.search(f"{block.stem} {_label(block, table)}"):
        said.append(say("like_form", like="words" if answers.form else LIKE, form=form))
    if form and (other := NAMED_FORM.search(block.stem)) and form != FORMS[other[1].lower()]:
        said.append(say("named_form", name=other[0], high=high))
    if answers.question:
        said.append(answers.question)
    if form and not answers.numbers and block.guess.range != RESPONSES[form]:
        remark += say("occur", low=block.guess.low, high=high)
    ending = "" if ending[1:] == informant else ending
    name, who = layout.name(f"{informant}_alliance{ending}"), word_for(informant, layout)
    settings = {"label": f"Alliance, {who.lower()}'s rating{ending.replace('_', ' ')}", **settings}
    settings |= {"informant": informant} if form else {"score": "mean"}
    layout.scales.append(Part(name, settings, remark, "; ".join(said)))
    if form and not (unseen and informant in layout.raters):
        layout.informants.setdefault(informant, (who, name))


def word_for(informant: str, layout: Layout) -> str:
    """What to call an informant: by the name of the id, if it says."""
    name = getattr(layout, informant) or ""
    for word in WORDS["called"][informant]:
        plain = word.lower().replace(" ", "_")
        if plain in name or plain.startswith(name or "-"):
            return word
    return WORDS["called"][informant][-1]


def join_subscales(layout: Layout) -> None:
    """Blocks of items named task, goal and bond: one rating of the alliance, by no known form."""
    names = {part: re.compile(rf"(?i)(.*_)?{part}_score") for part in SUBSCALES["WAI-36"]}
    parts = {part: scale for part, name in names.items() for scale in layout.scales
             if name.fullmatch(scale.name)}  # fmt: skip
    if len(parts) < len(names) or layout.informants:
        return
    patterns = [scale.settings["items"] for scale in parts.values()]
    if not all(isinstance(p, str) and "{" in p for p in patterns):
        return
    keys, first = {}, 1
    for part, items in zip(parts, map(expand, patterns), strict=True):
        keys[part] = list(range(first, first + len(items)))
        first += len(items)
    spans = [g.range for t in layout.tables for n, _, g in t.variables if n in patterns and g.range]
    layout.scales = [scale for scale in layout.scales if scale not in parts.values()]
    name, who = layout.name("client_alliance"), word_for("client", layout)
    settings = {"label": f"Alliance, {who.lower()}'s rating", "items": patterns, "keys": keys,
                "range": [min(low for low, _ in spans), max(high for _, high in spans)],
                "score": "mean", "informant": "client"}  # fmt: skip
    layout.scales.insert(0, Part(name, settings, "", say("subscales")))
    layout.informants["client"] = who, name
