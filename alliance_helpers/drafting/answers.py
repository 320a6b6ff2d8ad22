"""Answers that are words or odd codes, as numbers: by value labels, or by sets in a known order."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from itertools import combinations
from math import ceil
from pathlib import Path

import numpy as np

from ..errors import listed
from ..study.cells import COMMA, plain, word_of
from ..study.codebook import N_ITEMS, RESPONSES
from ..study.suspect import skipped

WORDS = tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))
NO_ANSWER = {plain(word) or word for word in WORDS["missing"]["words"]}
NEARLY = 0.8  # so alike are two spellings of a word
ENOUGH = 3  # words that tell which set they are of
MOSTLY = 0.95  # of the cells
MOST_STEPS = 9
SEVERAL = 50  # spellings, of more than any set's words
TEN = 10  # the highest number that stands for an answer where a word may stand for none
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
NUMBERED = re.compile(r"\D*(\d{1,2})\D*")  # A3, 3 = sometimes


@cache
def pattern(table: str, names: str) -> re.Pattern:
    """What one of the lists in `words.toml` matches, or several: `outcome|before`."""
    told = [(table, name) for name in names.split("|")]
    words = [word for table, name in told for word in WORDS[table][name]]
    when = [
        word for _, name in told for t in WORDS["also"].get(name, ()) for word in WORDS["time"][t]
    ]
    words += [rf"(?<![^\W\d_])({'|'.join(when)})(?![^\W\d_])"] if when else []
    return re.compile("|".join(words), re.IGNORECASE)


def says(what: str, *texts: str) -> bool:
    """Whether a name, a label or a cell says that it is an `outcome`, say, by `words.toml`."""
    return any(map(pattern("column", what).search, texts))


def is_just(what: str, text: str) -> bool:
    """Whether it says so, and no more."""
    return pattern("column", what).fullmatch(text) is not None


def say(what: str, /, **filled: object) -> str:
    """One of the sentences in `words.toml`."""
    return WORDS["say"][what].format(**filled)


NOBODY = pattern("missing", "nobody")
PHASES = {i: re.compile(rf"\b({pattern('time', name).pattern})\b")
          for i, name in ((3, "after"), (2, "end"), (0, "start"))}  # fmt: skip
UNITS = [(days, pattern("time", unit)) for unit, days in
         (("week", 7), ("month", 30.4), ("year", 365))]  # fmt: skip
ORDINALS = [re.compile(rf"\b({words})\b") for words in WORDS["time"]["ordinals"]]
SOME = 20
FEW = 5  # a category is named only if the column has at least this many rows per category
MOST_LEVELS = 12
INITIALS = re.compile(r"[^\W\d_a-zäöü]{1,3}\.?|[^\W\d_]{2}\d{1,3}")
HALF = 0.5
SHORTEST = 3
TOP = max(high for _, high in RESPONSES.values())
TOPS = {(low - i, high - i) for low, high in RESPONSES.values() for i in (0, 1)}
BELOW = (-9999, -999, -998, -888, -777, -99, -98, -97, -96, -95, -88, -77, -66, -9, -8, -7)
CODES = (*BELOW, 9, 97, 98, 99, 999, 9999)


@dataclass(frozen=True)
class Answers:
    """What the answers to a block of items mean.

    Attributes
    ----------
    numbers : dict
        What a cell holds, and the number it stands for, in order; empty if cells are numbers.
    form : str, optional
        The form whose anchors the words are.
    remark, question, stop : str
        Why the numbers are these; what only a person can tell, and what must be told first.
    words : dict
        Those of the cells, where not all have a number: it, or a question mark.
    """

    numbers: Mapping[str, float] = field(default_factory=dict)
    form: str | None = None
    remark: str = ""
    question: str = ""
    stop: str = ""
    words: Mapping[str, object] = field(default_factory=dict)


def both(*said: str) -> str:
    """What is asked, as far as there is anything, in one line."""
    return "; ".join(filter(None, said))


def shown(words: Iterable[str]) -> str:
    """Words as a message names them."""
    return listed(map(repr, words))


def no_answer(word: str) -> bool:
    """Whether a cell's word stands for no answer, in any of the languages known."""
    parts = [word, *re.split(r"[/,;()]", word)]
    said = [(plain(part) or part.strip().casefold()) in NO_ANSWER for part in parts]
    said[0] |= plain(word).startswith("user missing")  # as Castor writes them, with a code
    return said[0] or (len(said) > 2 and all(said[1:]))


def nobody(name: str) -> bool:
    """Whether what stands for a name names no person."""
    return no_answer(name) or not plain(name) or bool(NOBODY.fullmatch(name.strip()))


@cache
def _orders() -> tuple[tuple[dict, dict[str, int]], ...]:
    """Every set of answers, and the number of each of its spellings."""
    return tuple(
        (order, {plain(w): i for i, step in enumerate(order["steps"], order.get("first", 1))
                 for w in step})
        for order in WORDS["answers"]
    )  # fmt: skip


def sets_of(held: Mapping[str, int], number: Mapping[str, float]) -> set[str]:
    """The sets that nearly all of a column's cells are of: steps from 0 to 10, words, or a few."""
    held = {t: n for t, n in held.items() if number.get(t) not in CODES and not no_answer(t)}
    enough = MOSTLY * sum(held.values())
    if sum(n for text, n in held.items() if number.get(text) in range(TEN + 1)) >= enough > 0:
        return {"steps"}
    if len(held) > SEVERAL:  # free text
        return set()
    said = [(plain(t), n) for t, n in held.items()]
    found = {order["name"] for order, known in _orders()
             if sum(n for word, n in said if word in known) >= enough > 0}  # fmt: skip
    return found or ({"words"} if 1 < len(held) <= MOST_STEPS else set())


def _slips(seen: Iterable[str], known: Mapping[str, int]) -> dict[str, int]:
    """The numbers of words that a set spells nearly so, each with its first letter: `somtimes`."""

    def nearly(one: list[str], other: list[str]) -> bool:
        same = [word[0] for word in one] == [word[0] for word in other]
        pairs = zip(one, other, strict=True) if same else ()
        return same and all(get_close_matches(a, [b], 1, NEARLY) for a, b in pairs)

    return {key: known[told] for key in seen if key not in known for told in known
            if nearly(key.split(), told.split())}  # fmt: skip


def _partly(near: Iterable[tuple[dict, dict]], seen: Mapping[str, str]) -> Answers:
    """Words by the set that knows most of them; those that it does not know have no number yet."""
    order, known = max(near, key=lambda o: (len(seen.keys() & o[1]),
                                            -abs(len(o[0]["steps"]) - len(seen))))  # fmt: skip
    told = sorted((known[key], word) for key, word in seen.items() if key in known)
    unknown = sorted(word for key, word in seen.items() if key not in known)
    enough = len(told) >= max(ENOUGH, len(unknown) + 1)
    words = {word: float(number) if enough else "?" for number, word in told}
    words |= dict.fromkeys(unknown, "?")
    said = say("partly" if enough else "unknown", words=", ".join(unknown), name=order["name"])
    return Answers(form=order.get("form") if enough else None, question=said, words=words)


def read_words(
    words: list[str], levels: Mapping[str, str], beside: Iterable[float] = ()
) -> Answers:
    """Words as numbers; `levels` are value labels of the items, by code.

    `beside`: the numbers that other cells hold, where the words may be the ends of what is printed.
    """
    whole = _whole(levels)
    if levels and {*map(plain, words)} <= {*whole.values()}:
        found = {levels[code]: float(code) for code in sorted(whole, key=float)}
        return Answers(found, remark=say("labelled"))
    numbered = {word: NUMBERED.fullmatch(word) for word in words}
    top = 1 + max(beside, default=99)
    numbered = {word: m for word, m in numbered.items() if not m or float(m[1]) <= top}
    if numbered and all(numbered.values()):
        found = {word: float(match[1]) for word, match in numbered.items()}
        if len(set(found.values())) == len(found):
            found = dict(sorted(found.items(), key=lambda item: item[1]))
            return _backwards(found, levels) or Answers(found, remark=say("numbered"))
    seen = {plain(word): word for word in reversed(words)}
    fit = [(o, known) for o, known in _orders() if seen.keys() <= known.keys()]
    free = {*range(1, ceil(max(beside, default=0)) + 2)}.difference(beside)
    fit = [f for f in fit if beside and free == {f[1][key] for key in seen}] or fit
    if not fit and (mixed := _two_languages(seen)):
        return mixed
    near = [] if fit else [(o, known | _slips(seen, known)) for o, known in _orders()]
    fit = fit or [(o, known) for o, known in near if seen.keys() <= known.keys()]
    if not fit:
        return _partly(near, seen)
    fit.sort(key=lambda f: (len(f[0]["steps"]) - len({f[1][key] for key in seen}), len(f[1])))
    order, known = fit[0]
    steps = enumerate(order["steps"], order.get("first", 1))
    found = {}
    for number, step in steps:
        here = {word_of(word): word for word in words if known[plain(word)] == number}.values()
        found |= dict.fromkeys(here or step[:1], float(number))
    others = "; ".join(o["name"] for o, k in fit[1:] if any(k[key] != known[key] for key in seen))
    told = shown(word for word in found if word in words)
    said = say("two_sets", name=order["name"], others=others, words=told) if others else ""
    exact = next(known for one, known in _orders() if one is order)
    slips = [word for key, word in seen.items() if key not in exact]
    used, stop = len({known[key] for key in seen}), ""
    if used < len(seen) - len(slips):
        stop = say("one_step", name=order["name"], words=shown(seen.values()))
    elif used < len(order["steps"]):
        stop, said = said, ""
    asked = both(said, slips and say("slips", words=shown(slips), name=order["name"]))
    return Answers(found, order.get("form"), say("in_order", name=order["name"]), asked, stop)


def with_numbers(answers: Answers, beside: Iterable[float]) -> Answers:
    """With the numbers that cells hold beside words, where the words do not span them."""
    told, beside = {*answers.numbers.values()}, {x for x in beside if x in range(TEN + 1)}
    if not told or not any(x < min(told) or x > max(told) for x in beside):
        return answers
    every = {**{f"{x:g}": x for x in beside}, **answers.numbers}
    return replace(answers, numbers=dict(sorted(every.items(), key=lambda pair: pair[1])))


def _backwards(found: Mapping[str, float], levels: Mapping[str, str]) -> Answers | None:
    """Answers whose own numbers run against what they say: `Always (1)`, or A1 labelled so."""
    told = {f"{x:g}": re.sub(r"[\d()=:.-]", " ", levels.get(w, w)) for w, x in found.items()}
    read = read_codes(np.array([]), told)
    meant = {word: read.numbers.get(code) for word, code in zip(found, told, strict=True)}
    back = len(meant) > 2 and [*meant.values()] == sorted(read.numbers.values())[::-1]
    return replace(read, numbers=dict(reversed(meant.items()))) if back else None


def _two_languages(seen: Mapping[str, str]) -> Answers | None:
    """Words of two sets that are one form's anchors in two languages."""
    for (one, first), (two, second) in combinations(_orders(), 2):
        known = {**second, **first}
        if one.get("form") and one["form"] == two.get("form") and seen.keys() <= known.keys():
            found = sorted(((seen[key], float(known[key])) for key in seen), key=lambda f: f[1])
            told = (f"{shown(seen[key] for key in k if key in seen)} ({order['name']})"
                    for order, k in ((one, first), (two, second)))  # fmt: skip
            said = say("two_languages", told=" and ".join(told))
            return Answers(dict(found), one["form"], stop=said)
    return None


def read_codes(numbers: np.ndarray, levels: Mapping[str, str]) -> Answers:
    """Numbers that are not the steps themselves: told by value labels in a known order, or gaps."""
    words = {c: w for c, w in _whole(levels).items() if not re.fullmatch(r"\d*", w)}
    fit = [(o, {c: float(n) for c, w in words.items() if (n := _number_of(w, k)) is not None})
           for o, k in _orders()]  # fmt: skip
    fit = [(o, found) for o, found in fit if words and len({*found.values()}) == len(words)]
    fit.sort(key=lambda f: _apart(f[1].items()))
    for order, found in fit[:1]:
        form, remark = order.get("form"), say("labels_in_order", name=order["name"])
        found = dict(sorted(found.items(), key=lambda item: item[1]))
        if all(float(code) == number for code, number in found.items()):
            return Answers(form=form if len(words) > 2 else None, remark=remark)
        if len(words) > 2 or [*map(float, found)] != sorted(map(float, found)):
            found = _mirrored(found)
            said = say("other_codes", first=order.get("first", 1), n=len(order["steps"]))
            return Answers(found, form, remark, said)
    steps = np.unique(numbers)
    codes = ", ".join(f"{x:g}" for x in steps)
    far = len(steps) and steps[0] > 10 and np.ptp(steps) < 10  # 21 to 25: choices that came later
    if len(steps) > 7 or not (far or (len(steps) and steps[-1] <= 10 and skipped(numbers))):
        return Answers()
    if len(steps) < 4 or not (far or (steps[0] < 2 and max(np.diff(steps)) < 3)):
        return Answers(question=say("gaps_only", codes=codes))
    said = say("gaps", codes=codes, n=len(steps))
    return Answers({f"{x:g}": i + 1.0 for i, x in enumerate(steps)}, question=said)


def _apart(found: Iterable[tuple[str, float]]) -> tuple[bool, int]:
    """How far numbers are from their codes: not at all, or at least mirrored."""
    pairs = [(float(code), x) for code, x in found]
    return any(code != x for code, x in pairs), len({code + x for code, x in pairs})


def by_item(labels: Mapping[str, Mapping[str, str]]) -> tuple[dict[str, Mapping], list[str]]:
    """Items whose value labels give other numbers to codes than those of most items; questions."""
    told = {name: _whole(levels) for name, levels in labels.items()}
    usual = Counter(frozenset(here.items()) for here in told.values() if here)
    usual = dict(usual.most_common(1)[0][0]) if usual else {}
    most, own, other = read_codes(np.array([]), usual).numbers, {}, []
    codes = {word: most.get(code, float(code)) for code, word in usual.items()}
    for name, here in told.items():
        found = read_codes(np.array([]), here) if here else Answers()
        if found.remark:
            meant = found.numbers or {code: float(code) for code in here}
        elif {*here.values()} == codes.keys():
            meant = _mirrored({code: codes[word] for code, word in here.items()})
        else:
            other += [name] if here and usual else []
            continue
        if any(most.get(code, float(code)) != x for code, x in meant.items()):
            own[name] = meant
    names = {"other_way": own, "other_words": other}
    return own, [say(what, names=", ".join(said)) for what, said in names.items() if said]


def _mirrored(found: Mapping[str, float]) -> dict[str, float]:
    """Codes and their numbers; those between, too, where one counts down as the other counts up.

    >>> _mirrored({"3": 1.0, "1": 3.0})
    {'3': 1.0, '2': 2.0, '1': 3.0}
    """
    ends = sorted(map(int, found))
    if len({int(code) + x for code, x in found.items()}) != 1 or len(found) < 2:
        return {**found}
    return {str(c): float(ends[0] + ends[-1] - c) for c in range(ends[-1], ends[0] - 1, -1)}


def _number_of(word: str, known: Mapping[str, int]) -> int | None:
    """The number of a word, or of the longest that it begins with: seldom true for me."""
    begun = [told for told in known if f"{word} ".startswith(f"{told} ")]
    return known[max(begun, key=len)] if begun else None


@cache
def _pairs() -> tuple[re.Pattern, re.Pattern]:
    """A number and a word of any set, in either order, with what stands between them."""
    words = {w for order in WORDS["answers"] for step in order["steps"] for w in step}
    words = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    number, word, between = r"(?P<n>\d{1,2})", f"(?P<w>{words})", r"(?P<b>[^\w,;/]{1,4})"
    both = f"{number}{between}{word}", f"{word}{between}{number}"
    return tuple(re.compile(rf"(?i)(?<!\w){told}(?!\w)") for told in both)


def anchors(text: str) -> dict[str, str]:
    """Numbers of answers and their words, as a label or a heading tells them.

    >>> anchors("Item 3 (1 = always ... 7 = never)"), anchors("3. selten (5) bis immer (1)")
    ({'1': 'always', '7': 'never'}, {'5': 'selten', '1': 'immer'})
    """
    if len(re.findall(r"\d+", text)) < 2:
        return {}
    read = [[*told.finditer(text)] for told in _pairs()]
    read = [found for found in read if len(found) > 1]
    found = min(read, key=lambda f: sum(len(match["b"]) for match in f) / len(f), default=())
    return {match["n"]: match["w"] for match in found}


def label_gaps(numbers: np.ndarray, levels: Mapping[str, str], fewest: int = 3) -> str:
    """Answers that no value label names, though labels name neighbours, not some anchors."""
    labelled = sorted(map(float, _whole(levels)))
    unsaid = np.setdiff1d(numbers, labelled)
    if len(unsaid) == 0 or len(labelled) < fewest or min(np.diff(labelled)) > 1:
        return ""
    found, told = (listed(f"{x:g}" for x in codes) for codes in (unsaid, labelled))
    return say("label_gaps", found=found, told=told)


def _whole(levels: Mapping[str, str]) -> dict[str, str]:
    """The value labels of whole numbers, each as spellings are compared."""
    return {code: plain(label) for code, label in levels.items() if re.fullmatch(r"-?\d+", code)}


def zero_apart(held: np.ndarray, rows: np.ndarray) -> bool:
    """Whether a 0 is rare below steps from 1 to 5 or 7, or far below numbers that lie close."""
    if len(held) < FEW or held[0] != 0:
        return False
    low, top = held[1], held[-1]
    steps = len(held) == top + 1 and rows[0] * {5: 2, 7: 1}.get(top, np.inf) < max(rows)
    return bool(steps or low > max(3 * np.diff(held[1:5]).max(), (top - low) / 4))


def far_off(cells: np.ndarray, n: int = 0) -> dict[str, list[float]]:
    """Few numbers that lie above, and below, all other answers to `n` items.

    Above: beyond a gap of two over steps that count from 0 or 1, as 8 over 1 to 4; or of one, if
    those are all that a form has, as 7 over 1 to 5. Below: negative steps; or a 0, where a form's
    items count from 1.
    """
    steps, top, form = np.unique(cells), cells.max(initial=0), n in N_ITEMS.values()
    above = _far_up(steps, cells) or [x for x in steps if form and x == top == TOP + 1]
    low = 1 if form and (1, top) in RESPONSES.values() else 0
    below = [x for x in steps if x < low and x not in BELOW]
    few = below and -below[0] <= top / 2 and np.isin(cells, below).mean() < HALF
    return {"above": above, "below": below if few else []}


def _far_up(steps: np.ndarray, cells: np.ndarray) -> list[float]:
    size = 1 + np.argmax([*(np.diff(steps) != 1), True])
    near, far = steps[:size], steps[size:]
    if near[0] not in (0, 1) or size < SHORTEST or not len(far) or far[-1] > 99:
        return []
    form = (near[0], near[-1]) in TOPS and ({*far} <= {*CODES} or skipped(cells))
    apart = far[0] - near[-1] > 2 or form
    return [*far] if apart and far[0] > 6 and np.isin(cells, far).mean() < HALF else []


def far_codes(number: np.ndarray, apart: float) -> list[float]:
    """Known codes for no answer that lie far from all else: by 2, or `apart` times its span."""
    codes: list[float] = []
    for code in (code for code in CODES if code in number):
        inside = number[~np.isin(number, [*codes, code, *BELOW])]
        if len(inside):
            far = max(inside.min() - code, code - inside.max())
            wide = max(2, apart * max(np.ptp(inside), 1))
            codes += [code] if far >= (1 if code < 0 <= inside.min() else wide) else []
    return codes


def initials(held: Mapping[str, int]) -> bool:
    """Whether texts may be people's initials or names: of several rows each; not of men and women.

    >>> initials({"A": 20, "B": 16}), initials({"F": 20, "M": 16}), initials({"yes": 9, "no": 9})
    (True, False, False)
    """
    again, letters = sum(n for n in held.values() if n > 1), all(map(INITIALS.fullmatch, held))
    few = len(held) > 2 or {*held} == {"A", "B"}
    return 2 * len(held) < again > 0.8 * sum(held.values()) and (
        len(held) > MOST_LEVELS or (letters and few and not {*held} <= {*"MFWDXHV"})
    )


@cache
def as_number(text: str) -> float | None:
    """A cell's number, with a point or a comma; None where it is none.

    >>> as_number("3,5"), as_number("12?")
    (3.5, None)
    """
    plainly = text.replace(",", ".") if re.fullmatch(COMMA, text) else text
    number = float(plainly) if re.fullmatch(NUMBER, plainly) else np.inf
    return number if np.isfinite(number) else None


def typed(name: str) -> str:
    """An id whatever signs, case and zeros it was typed with: K-07 is k7."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", plain(name).replace(" ", ""))


def as_typed(here: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Ids as others write them, where they differ in signs or case; if each can be but one."""
    there = {typed(name): name for name in known}
    if len(there) < len({*known}) or len({*map(typed, here)}) < len({*here}):
        return {}
    alike = {name: there.get(typed(name), name) for name in here}
    return {name: meant for name, meant in alike.items() if name not in {*known, meant}}


def place_in_time(text: str) -> tuple[int, float, str] | None:
    """Where a cell stands in order: its phase, its number, and of what; None if it does not say.

    >>> place_in_time("Session 10"), place_in_time("dritte Sitzung"), place_in_time("intake")
    ((1, 10.0, 'session'), (1, 3.0, 'sitzung'), (0, 0.0, ''))
    """
    words = plain(text)
    phase = next((i for i, told in PHASES.items() if told.search(words)), 1)
    for i, told in enumerate(ORDINALS, 1):
        words = told.sub(str(i), words)
    numbers = re.findall(r"\d+", words)
    if len(numbers) > 1 or (not numbers and phase == 1):
        return None
    of = re.sub(r"\d+", " ", PHASES[phase].sub(" ", words) if phase in PHASES else words)
    return phase, float((*numbers, 0)[0]), " ".join(of.split())


def in_order(present: Mapping[str, int], column: str) -> dict[str, object]:
    """Type and values of cells that name sessions or events; nothing if their order is not told."""
    if len(present) < 2 or not all(map(place_in_time, [*present][:SOME])):
        return {}  # without a look at every text that is free
    told = {text: place_in_time(text) for text in present}
    if None in told.values():
        return {}
    of = {what for _, _, what in told.values()}
    place = {text: (phase, number * next((days for days, unit in UNITS if unit.search(what)), 1))
             for text, (phase, number, what) in told.items()}  # fmt: skip
    counted = any(phase == 1 for phase, _ in place.values())
    named = is_just("time", column) or any(is_just("time", what) for what in of if what[1:])
    often = sorted(present, key=lambda text: (place[text], -present[text]))
    if not (named or not counted) or len({*place.values()}) < len({*told.values()}):
        return {}
    role = "time" if counted else None
    if len(of) == 1 and {phase for phase, _ in place.values()} == {1}:
        return {"type": "integer", "values": {t: told[t][1] for t in often}, "role": role}
    once = {place[text]: text for text in reversed(often)}
    return {"type": "category", "values": [*once.values()][::-1], "role": role}
