"""From a block of items to the scale it seems to make: whose alliance, by which form, or a mean."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby, takewhile
from math import ceil

import pandas as pd

from ..errors import listed
from ..study.cells import as_text, plain
from ..study.codebook import N_ITEMS, NUMERIC, RESPONSES, SHORT_OF_36, SUBSCALES, expand
from ..study.suspect import TURNED
from .answers import (
    CODES,
    NO_ANSWER,
    PHASES,
    TOP,
    WORDS,
    Answers,
    both,
    is_just,
    pattern,
    say,
    says,
    sets_of,
)
from .guesses import Column, Guess, plain_name
from .items import (
    ABOUT,
    OF_OTHERS,
    SUBSCALE,
    WHO,
    Block,
    Found,
    answered,
    form_of,
    guess_block,
    informant_of,
    like_a_form,
    reversed_by,
    running_back,
)
from .layout import DraftTable, Layout, Part

FORMS = {"sr": "WAI-SR", "s": "WAI-S"}
LETTER = re.compile(r"(?<![^\W\d_])[^\W\d_](?![^\W\d_])")
UNUSUAL = 0.45  # of the way from the lowest to the highest answer: few alliances are rated so low
LIKE = "number of items and answers"
NAMED_FORM = re.compile(r"(?i)wai[-_ ]?(sr|s)(?![a-z])")

MINE = pattern("column", "mine")
BEGUN = re.compile(r"\W*(?:\d+\W+)?(.{3,}?)\s*(?:\[| - |: |\? )")  # as all items of a grid do
ITEMS = {int(i): re.compile(words, re.IGNORECASE) for i, words in WORDS["items"].items()}
PLACES = {form: {abs(i): abs(k) for part, of in parts.items()
                 for i, k in zip(of, SUBSCALES[form][part], strict=True)}
          for form, parts in SHORT_OF_36.items()}  # fmt: skip
ENDS = {"client": "_c_", "case_manager": "_t_", None: "_"}  # of a block's name, by who says it
FEWEST = 5  # neighbours that are a block by their answers alone
STATED = 3  # words of a name that say something


def worded(columns: Mapping[str, Column], taken: set[str]) -> Found:
    """Blocks of columns named by statements, and what they are found to be, or why they are none.

    The short forms, by words of their items, in order; failing that, neighbours that share one set
    of answers, as they stand in the file.
    """
    text = {c.name: c.label if len(c.label.split()) >= STATED else c.name
            for c in columns.values() if c.name not in taken}  # fmt: skip
    begun = {name: found[1] for name, said in text.items() if (found := BEGUN.match(said))}
    often = Counter(begun.values())
    begun = {name: beginning for name, beginning in begun.items() if often[beginning] >= STATED}
    sets = {name: sets_of(columns[name].held, columns[name].number) for name in text}
    stated = [(i, c) for i, c in enumerate(columns.values())
              if c.name in text and (_item(text[c.name]) or sets[c.name])
              and (c.name in begun or len(text[c.name].split()) >= STATED
                   or sets[c.name] - {"steps", "words"})]  # fmt: skip
    who = pd.Series([_speaker([text[c.name]]) for _, c in stated], dtype=object).ffill().bfill()
    told = {c.name: (begun.get(c.name, ""), w or "") for (_, c), w in zip(stated, who, strict=True)}
    for (beginning, _), part in groupby(stated, lambda both: told[both[1].name]):
        part = [*part]
        forms = [*_by_words([c.name for _, c in part], text)]
        known = {name for _, names in forms for name in names}
        runs = _alike([(i, c) for i, c in part if c.name not in known])
        for form, names in [*forms, *(("", run) for run in runs)]:
            stem = f"wai_{form[4:].lower()}" if form else plain_name(beginning or "item")[:20]
            stem += ENDS[_speaker(map(text.get, names))]
            own = [*map(int, re.findall(r"^\D*(\d+)", "\n".join(names), re.MULTILINE))]
            sure = bool(form) or [i - own[0] for i in own] == [*range(len(names))]
            block = Block(stem, "", 1, (*range(1, len(names) + 1),), (*names,), told=sure)
            yield block, guess_block(columns, block)


def _speaker(texts: Iterable[str]) -> str | None:
    """Who says all of these: the client, if they speak of my therapist."""
    about = {informant_of(word) for text in texts for word in MINE.findall(text)} - {None}
    return next((who for who in WHO if {who} == {*WHO} - about), None)


def _item(text: str) -> int | None:
    """The item whose words these are, by its number in the 36-item form."""
    return next((i for i, words in ITEMS.items() if words.search(text)), None)


def _by_words(names: list[str], text: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Short forms of which each item is there once, by words of it, and their columns in order."""
    found: list[dict[int, str]] = [{}]
    for name in names:
        if item := _item(text[name]):
            found += [{}] if item in found[-1] else []
            found[-1][item] = name
    for items in found:
        for form, place in PLACES.items():
            if place.keys() == items.keys():
                yield form, [items[i] for i in sorted(place, key=place.get)]


def _alike(part: list[tuple[int, Column]]) -> Iterator[list[str]]:
    """Stretches of neighbours that share one set of answers."""
    run, shared, last = [], set(), -1
    for at, column in [*part, (-1, None)]:
        here = sets_of(column.held, column.number) if column else set()
        if at != last + 1 or not shared & here:
            held = Counter(answer for c in run for answer in {*map(plain, c.held)} - NO_ANSWER)
            tops = [max({*c.number.values()}.difference(CODES), default=0) for c in run]
            several = sum(n > 1 for n in held.values())
            if len(run) >= FEWEST and several >= STATED and 2 * min(tops) >= max(tops):
                yield [c.name for c in run]
            run, shared = [], here
        run += [column] if here else []
        shared, last = shared & here, at


def _label(block: Block, table: DraftTable) -> str:
    return " ".join(table.columns[c].label for c in block.columns[:3])


def _says_wai(block: Block, table: DraftTable) -> bool:
    return says("wai", f"{block.stem} {_label(block, table)}")


def rater_of(block: Block, table: DraftTable) -> str | None:
    """Whose answers a block holds, by what the source, names or labels say."""
    of_file, own = informant_of(table.name[1:] and table.name), _named(block, table)
    letter = not informant_of(LETTER.sub("_", pattern("column", "wai").sub("_", block.stem)))
    other = own and of_file and own != of_file
    if letter and other and {_named(b, table) for b in table.blocks} == {own}:
        own = of_file = None  # one letter for all, as w1 to w12, and the file's name: it is asked
    said = table.source.who or own or of_file
    return said or informant_of("", OF_OTHERS.sub("", _label(block, table)))


def _named(block: Block, table: DraftTable) -> str | None:
    """Whose a block is by its name, or a form's by where it differs from another of its length.

    Not if a letter each tells two such of one informant: C and P, of a counsellor or a client.
    """
    n, stem = len(block.numbers), ABOUT.sub("", block.stem)
    like = [ABOUT.sub("", b.stem) for b in table.blocks if b is not block and len(b.numbers) == n]
    like = like if n in N_ITEMS.values() else []
    same = [sum(1 for _ in takewhile(lambda p: p[0] == p[1], zip(stem, other, strict=False)))
            for other in like]  # fmt: skip
    told = informant_of(stem) or informant_of(stem[max(same, default=0) :])
    for at, other in zip(same, like, strict=True):
        if stem[at + 1 :] == other[at + 1 :] and told == informant_of(other[at : at + 1]):
            return None
    return told


def is_alliance(block: Block, table: DraftTable) -> bool:
    """Whether a block is an alliance by its name, label or words; or by its answers and rater."""
    if _says_wai(block, table) or block.answers.form:
        return True
    like = [other for other in table.blocks if like_a_form(other)]
    if block not in like:
        return False
    words = re.split(r"[\W\d_]+", ABOUT.sub("", block.stem))
    bare = all(len(word) < 2 or is_just("plain", word) or informant_of(word) for word in words)
    alone = len(like) == (1 if table.row == "rating" else len(WHO))
    told = any(rater_of(other, table) for other in like)
    alike = len({re.sub(r"[\W\d_]", "", other.stem) for other in like}) == 1 or bare
    told = (alone and (told or alike)) or (bare and rater_of(block, table))
    return bool(told or (_named(block, table) and re.fullmatch(r"[a-z]+_?", block.stem, re.I)))


def items_and_scale(block: Block, layout: Layout, table: DraftTable) -> None:
    """A block of numbered items as entries of a table, and the scale it seems to make."""
    rater, wai = rater_of(block, table), is_alliance(block, table)
    form, doubt, block = _counted(block, table) if wai else (None, "", block)
    guess, answers = block.guess, block.answers
    layout.codes |= dict.fromkeys(guess.codes)
    words = {} if answers.numbers or guess.range else answers.words
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
    values = answers.numbers or (words if form and words else (*words,))
    held = Guess(pattern, kind, codes=guess.codes, values=values)
    if not held.values:
        held = replace(held, low=limits[0], high=limits[1])
    entries = [(pattern.replace(span, run), column, replace(held, values=block.own[column])
                if column in block.own else held) for run, column in block.runs()]  # fmt: skip
    table.variables += entries
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
            if who and form and not answers.numbers:
                form, doubt = _form(block, _rows_of(table, value), here.max().max())
                limits = RESPONSES.get(form) or guess.range
            names = [name + ending for name in expand(pattern)]
            settings = {"form": form, **settings, **_turned(block, form, here, table, names)}
            low = _mirrored(block, form, here, limits)
            asked = both(doubt, low, answers.question)
            told = replace(block, answers=replace(answers, question=asked))
            _alliance(layout, table, told, settings, who or rater, ending)
        else:
            name = layout.name(f"{pattern.replace(wish, block.stem)}_score{ending}")
            remark, said = answers.remark or say("not_reversed"), answers.question
            if like_a_form(block) and {*WHO} - layout.raters:
                said = said or say("like_form", like=LIKE, form=form_of(block, guess.high))
            layout.scales.append(Part(name, settings | {"score": "mean"}, remark, said))


def _counted(block: Block, table: DraftTable) -> tuple[str | None, str, Block]:
    """A block's form, what is asked about it, and the block with its answers counted from 1.

    The lowest and highest are those of the words' form or the labels; -2 and 2 if one is left.
    """
    answers, guess = block.answers, block.guess
    low, high = (1, len(answers.words)) if not guess.range else (int(guess.low), ceil(guess.high))
    if not guess.range and answers.form:
        high = RESPONSES[answers.form][1]
    elif low < 0 and abs(low + high) < 2:
        low, high = -max(-low, high), max(-low, high)
    elif low == 1 and not answers.numbers:
        labelled = {code for c in block.columns for code in table.columns[c].steps}
        high = max([high, *(i for i in range(TOP + 1) if str(i) in labelled)])
    form, doubt = _form(block, table.frame, high - min(low, 1) + 1)
    if not form or low > 0 or high - low >= RESPONSES[form][1]:
        return form, doubt, block
    steps = answers.numbers or {str(i): i for i in range(low, high + 1)}
    steps = {told: number + 1.0 - low for told, number in steps.items()}
    asked = say("from_zero", first=low, form=form)
    return form, asked, replace(block, answers=Answers(steps, form))


def _form(block: Block, frame: pd.DataFrame, highest: float) -> tuple[str | None, str]:
    """Which form a block is; what is asked, where nobody takes answers that only one form has."""
    form, named = form_of(block, highest), NAMED_FORM.search(block.stem)
    named = named and FORMS[named[1].lower()]
    if form != "WAI-SR" or named == form or block.answers.form or block.answers.numbers:
        return form, ""
    answers, names = answered(frame, block), [block.columns[i] for i in (3, 9)]
    odd = running_back(block, form, answers)[1]
    back, unlike = running_back(block, "WAI-S", answers)
    if named or (odd and odd <= back):
        return "WAI-S", say("as_s", high=highest, names=listed(names))
    return form, "" if unlike & back else say("s_or_sr", high=highest, names=listed(names))


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
    back, odd = running_back(block, form, answers)
    turned = named | (back & odd)
    if not turned:
        return {}
    listed, odd = [names[i] for i in sorted(turned)], named - back
    asked = ", ".join([block.columns[i] for i in sorted(odd)] or listed)
    table.questions.append(say("reversed_by_name" if odd else "reversed_already", names=asked))
    return {"reversed": "done" if back and turned == back else listed}


def _mirrored(block: Block, form: str | None, answers: pd.DataFrame, limits: tuple) -> str:
    """What is asked of answers whose mean is below the middle, if no word tells their order."""
    plain = answers.iloc[:, [*{*range(answers.shape[1])} - reversed_by(form)]]
    mean, (low, high) = plain.melt()["value"].mean(), map(int, limits)
    told = block.answers.form or block.answers.numbers
    if told or not mean < low + UNUSUAL * (high - low):
        return ""
    values = {str(i): low + high - i for i in range(low, high + 1)}
    return say("low", mean=mean, low=low, high=high, values=json.dumps(values))


def _alliance(
    layout: Layout, table: DraftTable, block: Block, settings: dict, who: str | None, ending: str
) -> None:
    """A scale that is one informant's rating of the alliance, or a question about it."""
    answers, form, high = block.answers, settings.get("form"), block.guess.high
    known, remark, unseen = form or "keys" in settings, answers.remark or say("a_wai"), not who
    if unseen:
        free = [who for who in WHO if who not in {*layout.raters, *layout.informants}]
        who = (*free, "case_manager" if "client" in layout.informants else "client")[0]
    named = form and NAMED_FORM.search(block.stem)
    asked = {
        "no_form": not known,
        "as_they_stand": not block.told,
        "whose": unseen,
        "second": form and not unseen and who in layout.informants,
        "like_form": form and "scored" not in settings and not _says_wai(block, table),
        "named_form": named and form != FORMS[named[1].lower()],
    }
    like = "words" if answers.form else LIKE
    filled = {"n": len(block.columns), "who": who.replace("_", " "), "like": like, "form": form}
    filled |= {"name": named and named[0], "high": high}
    said = [say(what, **filled) for what, so in asked.items() if so]
    if form and block.guess.range not in ((), RESPONSES[form]) and not answers.numbers:
        remark += say("occur", low=block.guess.low, high=high)
    ending = "" if ending[1:] == who else ending
    name, word = layout.name(f"{who}_alliance{ending}"), word_for(who, layout)
    settings = {"label": f"Alliance, {word.lower()}'s rating{ending.replace('_', ' ')}", **settings}
    settings |= {"informant": who} if known else {"score": "mean"}
    layout.scales.append(Part(name, settings, remark, both(*said, answers.question)))
    if known and not (unseen and who in layout.raters):
        layout.informants.setdefault(who, (word, name))


def word_for(informant: str, layout: Layout) -> str:
    """What to call an informant: by the name of the id, if it says."""
    name = getattr(layout, informant) or ""
    for word in WORDS["called"][informant]:
        plain = word.lower().replace(" ", "_")
        if plain in name or plain.startswith(name or "-"):
            return word
    return WORDS["called"][informant][-1]


def join_parts(layout: Layout) -> None:
    """Items, or scores, of task, bond and goal that stand apart, as one rating of the alliance."""
    found: dict[tuple, dict[str, tuple[str, str, Guess]]] = {}
    for table in (t for t in layout.tables if t.of_clients):
        for name, column, guess in table.variables:
            for part, words in SUBSCALE.items() if guess.type in NUMERIC else ():
                if words.search(name):
                    stem = re.sub(r"\{.*\}", "#", words.sub("", name))
                    found.setdefault((table, stem), {})[part] = name, column, guess
    for (table, stem), parts in found.items():
        whole = [parts.get(part) for part in SUBSCALE]
        for value, ending in (table.suffix or {"": ""}).items() if all(whole) else ():
            who = value if table.row == "rating" else informant_of(f"{stem}{ending}")
            who = who or table.source.who or informant_of(table.name)
            names, columns, guesses = zip(*whole, strict=True)
            items = [name + ending for name in names]
            if "#" in stem:
                settings, said = _by_part(items, guesses)
            else:
                top = max(max(table.columns[column].number.values()) for column in columns)
                settings, said = _scored(items, top)
            if said and who not in layout.informants:
                layout.scales = [s for s in layout.scales if s.settings["items"] not in names]
                columns = tuple(column for column in columns if column in table.columns)
                block = Block(stem, "", 1, (), columns, answers=Answers(question=said))
                _alliance(layout, table, block, settings, who, ending)


def _by_part(patterns: list[str], guesses: tuple[Guess, ...]) -> tuple[dict, str]:
    """Items of no known form, numbered in each subscale, as one scale."""
    n, keys = 0, {}
    for part, items in zip(SUBSCALE, map(expand, patterns), strict=True):
        keys[part] = [*range(n + 1, (n := n + len(items)) + 1)]
    low, high = zip(*(guess.range for guess in guesses), strict=True)
    limits = [min(low), max(high)]
    return {"items": patterns, "keys": keys, "range": limits, "score": "mean"}, say("subscales")


def _scored(names: list[str], highest: float) -> tuple[dict, str]:
    """The subscales of a form as sums or means, by how far they go."""
    tops = {(form, how): RESPONSES[form][1] * (len(key["task"]) if how == "sum" else 1)
            for how in ("mean", "sum") for form, key in reversed(SUBSCALES.items())}  # fmt: skip
    form, how = next((told for told, top in tops.items() if highest <= top), (None, None))
    said = say("scored", how=how, form=form, high=highest, top=tops[form, how]) if form else ""
    score = "mean" if how == "mean" else ""
    return {"form": form, "items": names, "scored": True, "score": score}, said


def is_whole(name: str, label: str) -> bool:
    """Whether a rating says that it is a whole one; or says but whose it is, and when."""
    told = f"{name} {label}"
    if any(words.search(told) for words in SUBSCALE.values()):
        return False
    words = re.split(r"[\W\d_]+", pattern("column", "wai").sub("_", name))
    known = (pattern("column", "total|time"), *PHASES.values())
    return bool(says("total", told)) or all(
        len(word) < 3 or informant_of(word) or any(p.fullmatch(word) for p in known)
        for word in words
    )


def whole_ratings(layout: Layout) -> None:
    """Ratings given as one number, where an informant has no items; the last of several times."""
    for told, found in layout.totals.items():
        free = [who for who in WHO if who not in {*layout.informants, *layout.totals}]
        who, (table, name) = told or (*free, None)[0], found[-1]
        if who and who not in layout.informants:
            layout.informants[who] = (word_for(who, layout), name)
            filled = {"name": name, "who": who.replace("_", " ")}
            asked = {"whole": True, "which_time": found[1:], "whose": not told}
            filled["names"] = listed(name for _, name in found)
            table.questions.append(both(*(say(what, **filled) for what in asked if asked[what])))


def find_days(layout: Layout) -> None:
    dates = {t.name: [n for n, _, g in t.variables if g.type == "date"] for t in layout.tables}
    anchors = [n for t in layout.tables if t.of_clients and not t.occasion
               for n in dates[t.name]]  # fmt: skip
    stays = [t for t in layout.tables if t.row == "episode" and len(dates[t.name]) >= 2]
    if stays and anchors:
        admission, discharge = dates[stays[-1].name][:2]
        settings = {"episodes": stays[-1].name, "admission": admission, "discharge": discharge}
        settings |= {"anchor": anchors[0], "from_years": 0, "to_years": 1}
        layout.days = Part(layout.name("hospital_days"), settings)
