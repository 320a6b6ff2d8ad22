"""Blocks of numbered columns: what belongs together, what its answers mean, whose form it is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, combinations, groupby

import numpy as np
import pandas as pd

from ..errors import listed
from ..study.cells import plain, word_of
from ..study.codebook import N_ITEMS, RESPONSES, ROLES, SUBSCALES
from ..study.raw_tables import RawTable
from ..study.score import against
from ..study.suspect import TURNED
from .answers import (
    CODES,
    HALF,
    NUMBERED,
    SHORTEST,
    TEN,
    TOP,
    Answers,
    both,
    by_item,
    far_codes,
    far_off,
    is_just,
    label_gaps,
    no_answer,
    pattern,
    read_codes,
    read_words,
    say,
    says,
    with_numbers,
)
from .guesses import FEW, MISTYPED, RARE, Column, Guess, as_number, as_number_guess

FEMALE = r"([/*:_(]-?in(nen)?\)?)?$"  # as in Klient/in
WHO = {w: re.compile(f"({pattern('who', w).pattern}){FEMALE}", re.IGNORECASE) for w in ROLES}
OF_OTHERS = pattern("column", "of_others")  # my therapist, in the client's form
ABOUT = re.compile(rf"(?i)(?<![^\W\d_])({pattern('column', 'about').pattern})[\W_]+[^\W\d_]+")
SUBSCALE = {part: pattern("subscale", part) for part in SUBSCALES["WAI-S"]}
ENOUGH = 200  # answers, among which each step of a scale occurs
MOST_WORDS = 25
ENDS = (  # of an id, as a word or set off: 1001K, 1001-2; or what it begins with: C1001, 2-1001
    r"^(?P<id>.*\d)(?:[\W_]?(?P<word>[A-Za-z]+)|(?P<number>[\W_]?\d))$",
    r"^(?:(?P<word>[A-Za-z]+)[\W_]?|(?P<number>\d[\W_]?))(?P<id>\d.*)$",
)
PAIRS = 0.25  # of the ids without their ends must stand there again


@dataclass(frozen=True)
class Block:
    """Columns whose names differ in one number only: one questionnaire, or part of one.

    `columns` may hold one that says by its name that it is reversed, where the plain one is
    missing; `answers` and `guess` are what all of them hold, `own` what other codes of one mean;
    `told`: whether names or words say which item each is.
    """

    before: str
    after: str
    width: int
    numbers: tuple[int, ...]
    columns: tuple[str, ...]
    labelled: bool = False
    guess: Guess = field(default_factory=lambda: Guess("", "integer"))
    answers: Answers = field(default_factory=Answers)
    own: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    told: bool = True

    @property
    def stem(self) -> str:
        """The name without its number."""
        return f"{self.before}{self.after}"

    @property
    def whole(self) -> bool:
        """Whether the numbers count without a gap, and from 0 or 1 unless the labels do."""
        first = self.numbers[0] if self.labelled or not self.numbers[0] else 1
        return self.numbers == tuple(range(first, first + len(self.numbers)))

    @property
    def gaps(self) -> bool:
        """Whether a number between the first and the last is missing."""
        return self.numbers[-1] - self.numbers[0] >= len(self.numbers)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What the columns are called by their numbers alone."""
        return tuple(f"{self.before}{i:0{self.width}d}{self.after}" for i in self.numbers)

    def part(self, at: list[int]) -> Block:
        """A stretch of its columns, whatever they count from."""
        span = slice(at[0], at[-1] + 1)
        numbers, columns = self.numbers[span], self.columns[span]
        return replace(self, numbers=numbers, columns=columns, labelled=True)

    def _plain(self, name: str, column: str) -> bool:
        return name == column and column not in self.own

    def runs(self) -> list[tuple[str, str]]:
        """Numbers (``{1..12}``) and column of each stretch that the codebook writes as one."""
        made, rows = [], enumerate(zip(self.numbers, self.names, self.columns, strict=True))
        for _, run in groupby(rows, lambda r: (self._plain(*r[1][1:]) or r[0], r[1][0] - r[0])):
            run = [row for _, row in run]
            span = self.span(run[0][0], run[-1][0])
            column = f"{self.before}{span}{self.after}" if len(run) > 1 else run[0][2]
            made.append((span, column))
        return made

    def span(self, first: int, last: int) -> str:
        """Numbers as the codebook writes them."""
        first, last = (f"{i:0{self.width}d}" for i in (first, last))
        return first if first == last else f"{{{first}..{last}}}"

    def pattern(self) -> str:
        """As the codebook writes it: ``wai_c_{01..36}``, gaps included."""
        return f"{self.before}{self.span(self.numbers[0], self.numbers[-1])}{self.after}"


Found = Iterator[tuple[Block, Block | str | None]]  # what is looked at, and what it is


def find_blocks(columns: Mapping[str, Column], beside: Iterable[str]) -> Found:
    """Blocks of numbered columns, and what they are found to be, or which are unlike the others.

    Or nothing, where they hold one number at several times, as totals, and no items.
    """
    for block in item_blocks([column for column in columns if column not in beside]):
        tops = [max(columns[c].number.values(), default=0) for c in block.columns]
        if len(tops) - 1 in N_ITEMS.values() and tops[-1] > 2 * max(tops[:-1]):  # their total
            block = replace(block, numbers=block.numbers[:-1], columns=block.columns[:-1])
        elif len(tops) < min(N_ITEMS.values()) and min(tops) > TEN:
            yield block, ""
            continue
        told = guess_block(columns, block)
        parts = _parts(block, columns, isinstance(told, str))
        found = [(part, guess_block(columns, part)) for part in parts] or [(block, told)]
        yield from (both for both in found if isinstance(both[1], Block) or not parts)


def like_a_form(block: Block) -> bool:
    """Whether a block has as many items as one of the forms, and answers that fit it."""
    low, high = block.guess.range or (0, 0)
    tops = {most - (not low) for form, (_, most) in RESPONSES.items()
            if N_ITEMS[form] == len(block.numbers)}  # fmt: skip
    return block.whole and low >= 0 and (high in tops or (low > 0 and high == TOP - 1))


def item_blocks(columns: list[str]) -> list[Block]:
    """Blocks of at least three numbered columns, the longest first; each column in one at most.

    >>> [b.pattern() for b in item_blocks(["WAIC1", "WAIC2", "WAIC4", "age"])]
    ['WAIC{1..4}']
    """
    there = set(columns)
    turned = {c: own for c in columns if (own := TURNED.sub("", c)) != c and own not in there}
    called = turned | _without_subscales(columns)
    groups: dict[tuple[str, str, int], dict[int, str]] = {}
    for column in columns:
        name = called.get(column, column)
        for run in re.finditer(r"[0-9]{1,3}|(?<![^\W_])[a-zA-Z](?![^\W_])", name):
            before, number, after = name[: run.start()], run.group(), name[run.end() :]
            number = int(number) if number.isdigit() else ord(number.lower()) - ord("a") + 1
            for width in range(4):  # 10 may follow 9 as well as 09; 0: letters
                told = f"{number:0{width}d}" if width else chr(ord("a") + number - 1)
                if told == run.group().lower() and "{" not in before + after:
                    groups.setdefault((before, after, width), {})[number] = column
    blocks, taken = [], set()
    for (before, after, width), members in sorted(groups.items(), key=lambda g: -len(g[1])):
        left = {i: c for i, c in sorted(members.items()) if c not in taken}
        plain_ones = sum(c not in turned for c in left.values())
        boxes = before.endswith("___")  # REDCap's
        lettered = [*left] == [*range(1, len(left) + 1)] and len(left) in N_ITEMS.values()
        boxes |= not width and not lettered
        if (plain_ones or len(left)) >= SHORTEST and not boxes:
            blocks.append(Block(before, after, width, (*left,), (*left.values(),)))
            taken |= {*left.values()}
    place = {column: i for i, column in enumerate(columns)}
    return sorted(blocks, key=lambda b: place[b.columns[0]])


def _without_subscales(columns: list[str]) -> dict[str, str]:
    """Names without the word for task, goal or bond, where the items of all three count as one.

    >>> [b.pattern() for b in item_blocks([f"w_{'task goal bond'.split()[i % 3]}_{i}" for i in
    ...                                    range(1, 13)])]
    ['w_{1..12}']
    """
    forms: dict[str, list[tuple[int, str, str, str]]] = {}
    for column in columns:
        told = [(part, words.sub("", column)) for part, words in SUBSCALE.items()
                if words.search(column)]  # fmt: skip
        for part, name in told if len(told) == 1 else ():
            if len(number := re.findall(r"\d+", name)) == 1:
                stem = re.sub(r"\d+", "#", name)
                forms.setdefault(stem, []).append((int(number[0]), part, column, name))
    return {
        column: name
        for items in forms.values()
        if sorted(i for i, *_ in items) == [*range(1, len(items) + 1)]
        and len(items) in N_ITEMS.values()
        and len({part for _, part, *_ in items}) == 3
        for *_, column, name in items
    }


def _parts(block: Block, columns: Mapping[str, Column], unlike: bool) -> list[Block]:
    """The forms that are numbered as one block; of one with `unlike` columns, some may be none.

    Stretches that labels number from 1 (V4 to V15); halves, as 1 to 12 and 13 to 24; or, in an
    unlike block, what gaps tell apart: V31 to V42, V51 to V62.
    """
    by_label = {label: i for i, c in enumerate(block.columns) if (label := columns[c].label)}
    whole = [told for told in item_blocks([*by_label]) if told.whole]
    found = [[by_label[label] for label in told.columns] for told in whole]
    found = [at for at in found if at == [*range(at[0], at[-1] + 1)]]
    every, n = [*range(len(block.numbers))], len(block.numbers) // 2
    if not found and block.whole and len(every) in {2 * size for size in N_ITEMS.values()}:
        told = [guess_block(columns, block.part(at)) for at in (every[:n], every[n:])]
        answers = [(p.answers.form, p.guess.range) for p in told if isinstance(p, Block)]
        found = [every[:n], every[n:]] if says("wai", block.stem) or len({*answers}) == 2 else []
    if unlike:
        runs = [[*run] for _, run in groupby(every, lambda i: block.numbers[i] - i)]
        runs = [run for run in runs if len(run) in N_ITEMS.values() and len(runs) > 1]
        found += [run for run in runs if {*run}.isdisjoint(chain(*found))]
    all_told = len(found) > 1 and sum(map(len, found)) == len(every)
    return [block.part(at) for at in found] if all_told or unlike else []


def reversed_beside(raw: RawTable) -> dict[str, str]:
    """Columns that hold another one reversed, by its name and by every answer."""
    found = {}
    for column in raw.frame:
        own = TURNED.sub("", column)
        if own != column and own in raw.frame:
            one, other = (numbers(raw.frame[c]) for c in (column, own))
            if (one + other).nunique() == 1:
                found[column] = own
    return found


def without_raw(block: Block, frame: pd.DataFrame, beside: dict[str, str]) -> Block:
    """A block with the reversed columns beside it in place of those that run against the others.

    Not where its form's key reverses them; `beside` then says of the raw ones what they are.
    """
    back, odd = running_back(block, form_of(block, block.guess.high), answered(frame, block))
    against_others = {c for i, c in enumerate(block.columns) if i in odd - back}
    used = {own: column for column, own in beside.items() if own in against_others}
    for own, column in used.items():
        del beside[column]
        beside[own] = column
    return replace(block, columns=tuple(used.get(c, c) for c in block.columns))


def reversed_by(form: str | None) -> set[int]:
    """Positions that a form's key reverses."""
    return {-k - 1 for part in SUBSCALES.get(form, {}).values() for k in part if k < 0}


def running_back(block: Block, form: str | None, answers: pd.DataFrame) -> tuple[set, set]:
    """Positions that a form's key reverses; and of items that then run against the others."""
    back = reversed_by(form)
    sign = np.array([-1 if i in back else 1 for i in range(len(block.columns))])
    answers = answers.fillna(dict.fromkeys(answers.columns[answers.isna().all()], 0))
    return back, {int(i) for i in against([*answers.to_numpy().T], sign)}


def guess_block(columns: Mapping[str, Column], block: Block) -> Block | str | None:
    """A block with what its answers are; why it is none; or None if it holds free text."""
    here = [columns[c] for c in block.columns]
    union: Counter[str] = Counter()
    for column in here:
        union.update(column.held)
    number = {text: x for column in here for text, x in column.number.items()}
    none = {code for column in here for code, label in column.levels.items() if no_answer(label)}
    gone = sorted(number.pop(text) for text in none & number.keys())
    own, said = by_item({column.name: column.steps for column in here})
    levels = {k: label for c in here if c.name not in own for k, label in c.steps.items()}
    words = [t for t, _ in union.most_common() if t not in number and t not in none]
    gone += [word for word in words if no_answer(word)]
    words = [word for word in words if word not in gone]
    n_numbers, n_words = (sum(union[t] for t in texts) for texts in (number, words))
    if not n_numbers + n_words or (len(words) > MOST_WORDS and n_words > n_numbers):
        return None
    often = [w for w in words if union[w] >= FEW or all(map(NUMBERED.fullmatch, words))]
    if by_words := n_words > n_numbers:
        rare = n_words - sum(union[word] for word in often)
        answers, other = _mostly_known(words, levels, union, MISTYPED * n_words)
        known = answers.numbers or answers.form
        if not known and (len(often) > 11 or rare > MISTYPED * n_words):
            return None
        if odd := [c.name for c in here if not known and not {*often} & {*c.held}]:
            return ", ".join(odd[:5])
    else:
        beside = [x for x in number.values() if 0 < x <= TOP]
        answers = read_words(often, levels, beside) if often else Answers()
        read = {*map(word_of, answers.numbers)}
        other = [word for word in often if word_of(word) not in read]
        answers = answers if read else Answers()
    left = [word for word in other if word in often]
    gone += left
    what = "gone" if left else "rare"
    said += [say(what, words=", ".join(left), n=len(other))] if other else []
    guess = Guess(block.stem, "integer", codes=(*gone,))
    if not by_words:
        cells = np.repeat([*number.values()], [union[t] for t in number])
        for where, far in far_off(cells, len(here)).items():
            if far:
                said.append(say("far", where=where, codes=", ".join(f"{x:g}" for x in far)))
                gone, cells = [*gone, *far], cells[~np.isin(cells, far)]
        gone += (known := far_codes(cells, 0 if len(cells) > ENOUGH else HALF))
        cells = cells[~np.isin(cells, known)]
        guess = as_number_guess(Guess(block.stem, "text", codes=(*gone,)), cells)
        if guess.type == "text":
            return None
        if unlike := _unlike(here, guess.codes):
            return unlike
        if (cells % 1 != 0).mean() < RARE:  # a row of means below the table: `check` names it
            guess = replace(guess, type="integer")
        if guess.type == "integer" and not often:
            gaps = label_gaps(cells, levels)
            answers = replace(read_codes(cells, levels), stop=gaps)
    if often:
        answers = with_numbers(answers, {*number.values()}.difference(guess.codes, CODES))
    if told := answers.numbers.values():
        guess = replace(guess, low=min(told), high=max(told))
    answers = replace(answers, question=both(answers.question, *said))
    return replace(block, guess=guess, answers=answers, own=own)


def _mostly_known(
    words: list[str], levels: Mapping, union: Counter, few: float
) -> tuple[Answers, list[str]]:
    """Words as numbers; if a few fit nothing, the others, and which they are."""
    answers = read_words(words, levels)
    common = [word for word in words if union[word] >= max(few, FEW)]
    if answers.numbers:
        return answers, []

    def asked(more: list[str]) -> int:
        return [*read_words([*common, *more], levels).words.values()].count("?")

    fit = [word for word in words if word in common or asked([word]) == asked([])]
    other = [word for word in words if word not in fit]
    named = [word for word in other if union[word] >= FEW]  # a rarer one may tell of somebody
    told = read_words(fit, levels)
    if named and not (told.numbers and told.numbers.keys() <= {*words}):  # it may be a step
        return read_words([*fit, *named], levels), [*{*other} - {*named}]
    return told, other


def _unlike(columns: list[Column], codes: tuple) -> str:
    """Columns of the block that cannot be items beside the others: far higher, or other labels."""
    highs = [max({*c.number.values()}.difference(codes), default=np.nan) for c in columns]
    labels = [{plain(label) for label in c.steps.values()} for c in columns]
    usual = Counter(word for words in labels for word in words)
    shared, most = max(usual.values(), default=0) > 1, max(2 * np.nanmedian(highs), 10)
    odd = [c.name for c, high in zip(columns, highs, strict=True) if high > most]
    codes = Counter(frozenset(c.steps) for c in columns).most_common(1)[0][0]
    odd += [c.name for c, told in zip(columns, labels, strict=True) if shared and told
            and max(map(usual.get, told)) == 1 and {*c.steps} != codes]  # fmt: skip
    return ", ".join(odd[:5])


def form_of(block: Block, highest: float) -> str | None:
    """Which form a WAI block is: by its number of items, and for 12 by the highest response.

    >>> form_of(item_blocks([f"wai{i}" for i in range(1, 13)])[0], highest=5)
    'WAI-SR'
    """
    fits = [f for f, n in N_ITEMS.items() if n == len(block.numbers) and block.whole]
    twelve = "WAI-SR" if highest <= 5 else "WAI-S"
    return None if not fits or highest > TOP else twelve if twelve in fits else fits[0]


def informant_of(name: str, label: str = "") -> str | None:
    """Whose rating a name speaks of: client, case_manager, or not said.

    >>> informant_of("WAIC"), informant_of("wai_sr_t_"), informant_of("wai")
    ('client', 'case_manager', None)
    """
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", re.sub(r"(?i)(^|[_.])t\d+", "", name))
    split, label = (ABOUT.sub("", said) for said in (split, label))
    words = {*re.split(r"[\W\d_]+", split.lower())}
    words |= {re.sub(r"^wai(sr|s)?|wai(sr|s)?$", "", word) for word in words}
    words |= {word for word in re.split(r"[\W\d_]+", label.lower()) if len(word) > 3}
    found = [who for who, told in WHO.items() if any(map(told.fullmatch, words - {""}))]
    return found[0] if len(found) == 1 else None


def id_ends(cells: pd.Series) -> tuple[list[str], bool, bool]:
    """What ids end in, or begin with, where what is left mostly stands there twice.

    Whether it says who answered; whether they begin with it, as they may with a site.
    """
    for form in ENDS:
        parts = cells.astype("str").str.extract(form)
        ends = parts["word"].fillna(parts["number"])[parts["id"].notna()]
        kinds = sorted(dict(zip(ends.str.lower(), ends, strict=True)).values())
        if 1 < len(kinds) < 5 and parts["id"].dropna().duplicated().mean() > PAIRS:
            known = all(any(map(words.fullmatch, kinds)) for words in WHO.values())
            return kinds, known and len(kinds) == 2, form is ENDS[1]
    return [], False, True


def answered(frame: pd.DataFrame, block: Block) -> pd.DataFrame:
    """The answers to a block as numbers; what is outside of its range is none."""
    told = dict.fromkeys(block.columns, block.answers.numbers) | block.own
    known = {c: {word_of(w): x for w, x in words.items()} for c, words in told.items()}
    found = pd.DataFrame({c: numbers(frame[c], known[c]) for c in block.columns})
    low, high = block.guess.range or (-np.inf, np.inf)
    return found.where(found.ge(low) & found.le(high))


def numbers(cells: pd.Series, known: Mapping[str, float] | None = None) -> pd.Series:
    """Cells as numbers, or as the numbers known for their words; NaN where there is none."""
    known, recoded = known or {}, known and any(as_number(word) is not None for word in known)

    def number(cell: object) -> float | None:
        word = word_of(cell)
        return known[word] if word in known else None if recoded else as_number(word)

    at, levels = pd.factorize(cells)
    return pd.Series(np.array([*map(number, levels), np.nan], dtype=float)[at], cells.index)


def answered_apart(frame: pd.DataFrame, blocks: list[Block], file: str) -> Iterator[str]:
    """Blocks alike of which each row answers one: a form in two languages, or two versions."""
    forms = [block for block in blocks if like_a_form(block)]
    rows = [(b, answered(frame, b).notna().any(axis=1)) for b in forms]
    for (one, first), (other, second) in combinations(rows, 2):
        alike = len(one.numbers) == len(other.numbers) and one.guess.high == other.guess.high
        if alike and min(first.sum(), second.sum()) >= FEW and not (first & second).any():
            seen = {"one": one.pattern(), "other": other.pattern()}
            yield say("either", file=file, **seen)


def no_ids(column: Column) -> dict[str, str]:
    """Words among the numbers of clients, of which some stand in several rows, or for a sum."""
    words = {text: n for text, n in column.held.items() if text not in column.number}
    few = 0 < sum(words.values()) < sum(column.held.values()) / 2
    told = few and any(n > 1 or is_just("total", plain(text)) for text, n in words.items())
    return {"column": column.name, "words": listed(map(repr, words), 3)} if told else {}


def is_measure(label: str) -> bool:
    """Whether a label, in a few words, says that a column is a measure, and no item."""
    return says("outcome|before|measure", label) and len(label.split()) < 8
