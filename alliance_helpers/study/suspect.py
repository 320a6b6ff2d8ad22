"""What is allowed and yet probably wrong: warned of before any result is printed.

A problem stops a run; what stands here does not. Each warning names the table, the column, what
looks wrong and the line of the codebook that settles it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from itertools import combinations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import Problem, listed
from .cells import IN, Change, as_text, firsts, place
from .check import WRITTEN, Examined, about, occasions
from .codebook import SUBSCALES, TWINS, WORDS, Codebook, Scale, Table, row_variables, say
from .raw_tables import ROW_ID
from .score import LOOKED_AT, against, signs

TURNED = re.compile(rf"(?i)((?<=\d)|_)({WORDS['pattern']['turned']})$")  # 4_rev, not 4_counselor
SPEAKS = WORDS["pattern"]["trial"]
TRIAL = re.compile(rf"(?i)(?<![^\W\d_])({SPEAKS})(?![^\W\d_])")
TELLING = re.compile(rf"(?i)(.*_)?({WORDS['pattern']['telling']})")
NUMBERED = re.compile(r"(.*?\D)0*(\d{1,3})\]?")
BLOCK = 6  # numbered columns side by side are a questionnaire, not a list
ENOUGH = 300  # answers, of which none is among the highest that the form offers
NO_CHANCE = 5  # answers beside steps that nobody takes: by chance in fewer than 5 % of samples
SEVERAL = range(2, 13)
MET = 0.5  # of a table's sessions, that the first table has
STRETCH, CHANCE = 0.1, 1e-6  # of the rows; that such a stretch is nothing but chance
ALIKE, MOST_IDS, LETTERS = 0.85, 300, 5
TITLES = re.compile(r"dr|dra|prof|dipl|psych|phd|msc|mag|lic|herr|frau|hr|fr|mr|mrs|ms|sr|sra")
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
HALF, GAPS = 0.5, 1.5


def suspicions(
    raw: dict[str, pd.DataFrame], examined: Examined, book: Codebook, order: tuple[dict, str]
) -> tuple[Problem, ...]:
    """Warnings about a study whose tables fit its codebook, one for each thing that looks wrong.

    Parameters
    ----------
    raw : dict of DataFrame
        The tables as they came.
    examined : Examined
        The same as the codebook reads them.
    book : Codebook
    order : tuple
        How sessions are numbered, from :func:`.check.session_order`.
    """
    found = [*_study(book), *_unscored(examined.tables, book)]
    for name, frame in examined.tables.items():
        table = book.tables[name]
        found += _rows(raw[name], table)
        found += _blocks(raw[name], table, book)
        found += _ids(frame, table, book)
        for scale in book.scales.values():
            found += _items(raw[name], frame, table, scale)
    found += [*_counted(examined.sessions, *order, book), *_changes(examined.sessions, book)]
    return (*found, *_unlike_sessions(examined, book), *_joined(examined.changes, book))


def _changes(sessions: dict[str, pd.DataFrame], book: Codebook) -> Iterator[Problem]:
    """Clients who are seen by another case manager later on."""
    for name, frame in sessions.items():
        told = _pairs(frame, book.client, book.case_manager)[book.client]
        if several := sorted(told[told.duplicated()].unique()):
            said = say("changes", n=len(several), who=listed(map(repr, several), 3))
            yield about(book.tables[name], book.case_manager, *said)


def _pairs(frame: pd.DataFrame, *names: str | None) -> pd.DataFrame:
    """What two columns hold side by side, each pair once; nothing if one is not there."""
    if not {*names} <= {*frame}:
        return pd.DataFrame(columns=names, dtype="str")
    pair = frame[[*names]]
    return pair.iloc[firsts(*(pair[n] for n in names))].dropna().drop_duplicates()


def _counted(sessions: dict, numbers: dict, how: str, book: Codebook) -> Iterator[Problem]:
    """How sessions are numbered, if not as they stand, and tables whose sessions do not meet."""
    first, *others = sessions or [None]
    if how:
        yield about(book.tables[first], book.tables[first].time, *say("counted", how=how))
    pair = {n: pd.MultiIndex.from_arrays([sessions[n][book.client], numbers[n]])
            for n in numbers if others}  # fmt: skip
    for name in others:
        met, n = pair[name].isin(pair[first]).sum() if name in pair else 0, len(sessions[name])
        if met < MET * n:
            said = say("not_met", met=met, n=n, file=book.tables[first].file, table=first)
            yield about(book.tables[name], book.tables[name].time, *said)


def _unlike_sessions(found: Examined, book: Codebook) -> Iterator[Problem]:
    """Ratings that are taken from different sessions, or lacking in the one that is taken."""
    when: dict[str, pd.Series] = {}
    for who, (name, rows) in found.ratings.items():
        table, frame, taken = book.tables[name], found.sessions[name], found.tables[name]
        rated = taken[np.isin(taken.index, frame.index[rows])]
        when[who] = rated.set_index(book.client)[table.time]
        seen = frame[book.client][rows]
        seen = seen.iloc[firsts(seen)]
        if lost := sorted({*seen[place(seen, when[who].index) < 0].dropna()}):
            seen = {"event": table.event, "n": len(lost), "lost": listed(map(repr, lost), 3)}
            said = say("lacking", who=who.replace("_", " "), **seen)
            yield about(table, table.time, *said)
    if len(when) < 2:
        return
    both = pd.concat(when, axis=1, join="inner")
    unlike = both[both.nunique(axis=1) > 1]
    if len(unlike):
        told = " and ".join(as_text(x).removesuffix(" 00:00:00") for x in unlike.iloc[0])
        seen = {"n": len(unlike), "of": len(both), "first": unlike.index[0], "told": told}
        yield about(table, table.time, *say("unlike_sessions", **seen))


def _joined(changes: list[Change], book: Codebook) -> Iterator[Problem]:
    """Ids that were read as another table writes them."""
    read = (c for c in changes if c.rule == WRITTEN)
    for c in sorted(read, key=lambda c: (c.table, c.column)):
        pairs = [*dict.fromkeys(map(" = ".join, zip(c.before, c.after, strict=True)))]
        said = say("read_as", n=len(pairs), pairs=listed(pairs, 3))
        yield about(book.tables[c.table], c.column, *said)


def lacking(typed: dict[str, pd.DataFrame], book: Codebook) -> list[Problem]:
    """What a run needs and the study does not have: one rating that somebody gave."""
    if not book.informants:
        return [Problem(book.file, *say("no_rating"))]
    none = [*_unscored(typed, book)]
    return none if len(none) == len(book.informants) else []


def _study(book: Codebook) -> Iterator[Problem]:
    lines = enumerate(book.text.splitlines(), 1)
    if asked := [row for row, line in lines if "# QUESTION: " in line]:
        yield Problem(book.file, *say("asked"), asked[0], rows=(*asked[:3],), count=len(asked))
    yield from () if book.informants else lacking({}, book)
    ratings = [entry["alliance"] for entry in book.informants.values()]
    for name in ratings if len(ratings) > 1 else ():
        v = row_variables(book).get(name)
        if v and name not in book.scales and np.isinf([v.low, v.high]).any():
            yield Problem(book.file, *say("no_range"), column=name)


def _unscored(typed: dict[str, pd.DataFrame], book: Codebook) -> Iterator[Problem]:
    """Ratings of which no row holds anything."""
    columns = row_variables(book)
    for informant, entry in book.informants.items():
        rating = entry["alliance"]
        items = book.scales[rating].items if rating in book.scales else (rating,)
        told = [columns[i] for i in items if i in columns]
        here = [typed[v.table][v.name] for v in told if v.name in typed.get(v.table, ())]
        if here and not any(values.notna().any() for values in here):
            said = say("no_answer", who=informant.replace("_", " "))
            yield Problem(book.tables[told[0].table].file, *said, column=rating)


def _rows(raw: pd.DataFrame, table: Table) -> Iterator[Problem]:
    """Rows that probably are not what the codebook says they are."""
    several = table.occasion or table.time or table.row == "episode"
    for column in dict.fromkeys(() if several else raw.columns):
        told = TELLING.fullmatch(str(column)) and column not in table.where
        if told and raw[column].nunique() in SEVERAL:
            values = listed(map(repr, map(as_text, raw[column].dropna().unique())), 4)
            said = say("tells_apart", values=values, row=table.row)
            yield Problem(table.file, *said, column=str(column))
    if any(v.column == ROW_ID for v in table.variables.values()):
        for column in raw.columns[:200]:
            times = raw[column].value_counts()
            if len(times) > 9 and times.max() > 1 and (times == times.max()).mean() > 0.8:
                said = say("rows_count", times=times.max())
                yield Problem(table.file, *said, column=str(column))


def _blocks(raw: pd.DataFrame, table: Table, book: Codebook) -> Iterator[Problem]:
    """Numbered columns that look like a questionnaire, and are in no scale and no block."""
    used = {item for scale in book.scales.values() for item in scale.items}
    used |= {name for names in book.blocks.values() for name in names}
    same = [t for t in book.tables.values() if (t.file, t.sheet) == (table.file, table.sheet)]
    columns = {v.column for t in same for v in t.variables.values()
               if used & {v.name + ending for ending in t.endings}}  # fmt: skip
    blocks: dict[str, list[str]] = {}
    for column in map(str, raw.columns):
        if found := NUMBERED.fullmatch(column):
            blocks.setdefault(found[1], []).append(column)
    spare = [c for c in blocks.values() if len(c) >= BLOCK and not columns & set(c)]
    if spare and table.row != "episode" and table is same[0]:
        names = listed((f"{c[0]} to {c[-1]} ({len(c)})" for c in spare), 4)
        yield Problem(table.file, *say("in_no_scale", names=names))


def _ids(frame: pd.DataFrame, table: Table, book: Codebook) -> Iterator[Problem]:
    """Ids of clients that speak of a trial of the form, or are words among numbers.

    And case managers who are probably one person, or several, or named in the first row alone.
    """
    client, who, site = book.client, book.case_manager, book.site
    if table.row != "client" or client not in frame:
        return
    ids = frame[client].dropna()
    if odd := trials(ids):
        yield about(table, client, *say("trials", ids=listed(map(repr, odd), 6)))
    if who in frame:
        told, named = _pairs(frame, who, site), frame[who].dropna()
        if len(told) and (several := begun_anew(told)):
            seen = {"n": len(several), "of": told[who].nunique(), "ids": listed(several, 6)}
            yield about(table, who, *say("anew", **seen, site=site, name=who))
        if pairs := spelled_alike(named.unique(), people=True):
            same = "; ".join(" = ".join(map(repr, pair)) for pair in pairs)
            yield about(table, who, *say("one_person", same=same))
        if 2 * len(named) < len(frame) and len(named) > 1 and named.is_unique:
            yield about(table, who, *say("merged", n=len(frame) - len(named), of=len(frame)))
    words = ids[~ids.str.contains(r"\d").to_numpy(bool)]
    if 0 < 10 * len(words) <= len(ids):
        said = say("odd_ids", ids=listed(map(repr, words), 6))
        rows, column = (*words.index[:3],), table.variables[client].column
        yield Problem(table.file, *said, rows[0], column, rows=rows, count=len(words))


def begun_anew(pairs: pd.DataFrame) -> list[str]:
    """Ids (first column) that stand in several groups (second) since each seems to count its own.

    Most ids do; or those of one group mostly do, and they are numbers of each group.
    """
    ids, group = (pairs[name] for name in pairs)
    shared = ids.duplicated(keep=False)
    several = [*ids[shared].unique()]
    own = shared.groupby(group).mean().max() if several[1:] and numbered(ids, group) else 0
    return several if own >= HALF or len(several) > HALF * ids.nunique() else []


def numbered(ids: pd.Series, group: pd.Series) -> bool:
    """Whether ids may be numbers that each group counts: none far above what a group holds."""
    highest = ids.str.extract(r"(\d+)\D*$")[0].astype(float).max()
    return bool(highest <= GAPS * group.value_counts().max())


def trials(ids: Iterable[str]) -> list[str]:
    """Ids that speak of a trial of the form, where most do not."""
    text = pa.array(ids, pa.large_string(), from_pandas=True)
    some = text.filter(pc.match_substring_regex(text, SPEAKS, ignore_case=True))  # nearly never any
    odd = [i for i in some.unique().to_pylist() if TRIAL.search(i)]
    return odd if 2 * len(odd) < len(ids) else []


def spelled_alike(ids, people: bool = False) -> list[list[str]]:
    """Names that are probably one spelled differently, each group with all of its members.

    Without case, signs, umlauts and zeros in front they are the same; or long, of nearly the same
    letters, and with the same numbers and initials. What counts within a site is alike there only.
    Of `people`, the family name alone, an initial or a title make no other name, if one has it.

    >>> spelled_alike(["T1", "T01", "t 1", "T10", "Jäger", "Jager", "JAEGER", "1-11", "11-1"])
    [['T1', 'T01', 't 1'], ['Jäger', 'JAEGER', 'Jager']]
    >>> spelled_alike(["Anna Schmidt", "Dr. Schmidt", "B. Weber", "A. Weber", "P 1", "P 10"], True)
    [['Anna Schmidt', 'Dr. Schmidt']]
    """
    groups, fixed, parts = {}, {}, {}
    for i in map(str, ids if len(ids) <= MOST_IDS else ()):
        site, _, name = unicodedata.normalize("NFC", i).rpartition(IN)
        name = re.sub(r"(?<=[a-z])(?=[A-Z]$)", " ", name)  # TherapistB
        name = unicodedata.normalize("NFKD", name.casefold().translate(UMLAUTS))
        name = re.sub(r"[\u0300-\u036f]", "", name)
        words = re.findall(r"[^\W\d_]+|\d+", re.sub(r"(?<!\d)0+(?=\d)", "", name))
        words = [w for w in words if not people or not TITLES.fullmatch(w)] or words
        words = words if re.search(r"\d", name) else sorted(words)
        key = site, re.sub(r"(?<!\d) | (?!\d)", "", " ".join(words))
        groups.setdefault(key, []).append(i)
        parts[key] = words
        fixed[key] = [site, *(word for word in words if word.isdigit() or len(word) == 1)]
    names = [(k, x) for k in groups if len(x := re.sub(r"[\d ]", "", k[1])) >= LETTERS]
    for (a, x), (b, y) in combinations(names, 2):
        one, two = groups[a], groups[b]
        if one is not two and fixed[a] == fixed[b] and get_close_matches(x, [y], 1, ALIKE):
            one += two
            groups |= {k: one for k, group in groups.items() if group is two}
    for a in sorted(groups, key=lambda key: -len(key[1])) if people else ():
        longer = [b for b in groups if groups[b] is not groups[a] and b[0] == a[0]]
        fits = {id(groups[b]): groups[b] for b in longer if _part_of(parts[a], parts[b])}
        for one in fits.values() if len(fits) == 1 else ():
            one += groups[a]
            groups |= {k: one for k, group in groups.items() if group is groups[a]}
    return [group for group in {id(g): g for g in groups.values()}.values() if len(group) > 1]


def _part_of(short: list[str], name: list[str]) -> bool:
    """Whether the words of a short name are the other's, one of them whole, or initials of them."""
    same = [word for word in short if word in name]
    first = {word[0] for word in name if word not in same and word.isalpha()}
    initials = all(len(word) == 1 and word in first for word in short if word not in same)
    shorter = sum(map(len, short)) < sum(map(len, name))
    return shorter and initials and max(map(len, same), default=0) > 1


def _items(raw, frame: pd.DataFrame, table: Table, scale: Scale) -> Iterator[Problem]:
    """A scale whose items are all in this table: how they are answered, and by whom."""
    for here, names in occasions(frame, table, scale.items):
        if len(names) < len(scale.items):
            continue
        rows = frame.iloc[(at := np.flatnonzero(here))[:: -(-len(at) // LOOKED_AT) or 1]]
        x = np.column_stack([rows[n].to_numpy(dtype=float, na_value=np.nan) for n in names])
        columns = [table.variables[n].column for n in names]

        def told(problem: str, **filled) -> Problem:
            what, remedy = say(problem, **filled)
            return Problem(table.file, f"scale {scale.name}: {what}", remedy)

        yield from _reversal(x, columns, [*map(str, raw.columns)], scale, told)
        yield from _range(x, scale, told)
        yield from _halves(x, told)
        if not table.suffix:
            yield from _groups(x, rows, scale, told)


def _reversal(x, columns: list[str], present: list[str], scale: Scale, told) -> Iterator[Problem]:
    """Items that run against the others, or whose names say that they are reversed already."""
    sign, twin = signs(scale.keys, len(columns)), TWINS.get(scale.form)
    if len(negative := against([*x.T], sign)):
        switched = np.flatnonzero(sign != signs(SUBSCALES[twin], len(sign))) if twin else ()
        what = "against_form" if min(sign) > 0 else "against_either"
        what = what if [*switched] == [*negative] else "against"
        names = listed(columns[i] for i in negative)
        yield told("against_settled" if scale.settled else what, names=names, other=twin)
    if scale.settled:
        return
    if named := [c for c, s in zip(columns, sign, strict=True) if s < 0 and TURNED.search(c)]:
        yield told("turned", names=listed(named))
    if beside := [c for c in present if TURNED.sub("", c) in columns and c not in columns]:
        yield told("beside", names=listed(beside))


def _range(x: np.ndarray, scale: Scale, told) -> Iterator[Problem]:
    """Answers that the form offers and nobody gave."""
    answers = x[~np.isnan(x)]
    low, high = scale.limits
    steps = np.arange(low, high + 1) if scale.form and not scale.scored and len(answers) else ()
    if not len(steps) or not np.isin(pd.unique(answers), steps).all():
        return
    beyond = np.arange(answers.max() + 1, high + 1) if len(answers) >= ENOUGH else ()
    if inside := [*skipped(answers), *beyond]:
        yield told("nobody", steps=listed(f"{v:g}" for v in inside), low=low, high=high)


def skipped(answers: np.ndarray) -> list[float]:
    """Steps that nobody answers, though enough answer the next above and below; else none.

    Where answers have one peak, a step between two others is taken as often as the rarer of them:
    it is left out by chance alone with the probability one half to the power of those answers.
    """
    given, times = np.unique(answers, return_counts=True)
    inside = np.setdiff1d(np.arange(given[0], given[-1]), given)
    above = np.searchsorted(given, inside)
    return [*inside] if np.minimum(times[above - 1], times[above]).sum() >= NO_CHANCE else []


def _halves(x: np.ndarray, told) -> Iterator[Problem]:
    """A stretch of rows, from the first or to the last, in which nobody gives the highest answer.

    Or the lowest; beyond what chance does where such answers stand in any row alike.
    """
    x = x[~np.isnan(x).all(axis=1)]
    ends = (np.nanmin(x), np.nanmax(x)) if len(x) else ()
    for answer in ends if len(ends) and ends[0] < ends[1] else ():
        at = np.flatnonzero((x == answer).any(axis=1))
        for word, rows in (("first", at[0]), ("last", len(x) - 1 - at[-1])):
            share = rows / len(x)
            if share > STRETCH and len(at) * np.log1p(-share) < np.log(CHANCE):
                yield told("stretch", word=word, share=share, answer=answer)


def _groups(x: np.ndarray, rows: pd.DataFrame, scale: Scale, told) -> Iterator[Problem]:
    """Categories by which the items are blank, or answered in another range."""
    blank = np.isnan(x).all(axis=1)
    for name in rows.select_dtypes("str"):
        kinds = rows[name].fillna("")
        if kinds.nunique() not in (2, 3) or kinds.value_counts().min() < 20:
            continue
        here = {k: (kinds == k).to_numpy() for k in kinds.unique()}
        none = {k: blank[r].mean() for k, r in here.items()}
        top = {k: x[r][~np.isnan(x[r])].max() for k, r in here.items() if none[k] < 1}
        if max(none.values()) == 1 and min(none.values()) < 0.5:
            lost = listed(repr(k) for k, share in none.items() if share == 1)
            yield told("blank_where", name=name, lost=lost)
        elif top and max(top.values()) - min(top.values()) > 1:
            spans = ", ".join(f"{t:g} where {name} is {k!r}" for k, t in top.items())
            yield told("tops_differ", spans=spans)
