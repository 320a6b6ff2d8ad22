"""One column's raw cells against its codebook entry: typed, tidied, or noted as wrong.

Cells come as text, as numbers, as dates or mixed, whatever the file held; each function returns
the typed column, an array, and notes every change and every problem.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas.api import types

from ..errors import Problem, listed, show
from .codebook import ENDING, Table, Variable, is_number, say

# One large block, never touched, given back: from then on glibc keeps what columns give back and
# does not ask the system for their pages anew (mallopt(3): M_MMAP_THRESHOLD is dynamic).
np.empty(3_500_000)

LOG = ["table", "row", "column", "before", "after", "rule"]
LEFT_OUT = "record left out"
COMMA = r"[-+]?\d*,(\d{1,2}|\d{4,})"  # decimals: three digits may be thousands
NAMED = 3  # rows of a repeated problem that are named one by one


@dataclass(frozen=True)
class Change:
    """Values of one column that one rule changed; `before` and `after`: one for all, or each."""

    table: str
    column: str
    rule: str
    rows: np.ndarray
    before: object
    after: object


def as_log(changes: list[Change]) -> pd.DataFrame:
    """The cleaning log: one row per changed value, columns LOG."""
    ends = np.cumsum([0, *(len(c.rows) for c in changes)])
    made: dict[str, object] = {"row": np.zeros(ends[-1], np.int64)}
    for name in ("table", "column", "rule"):
        parts = [pa.repeat(getattr(c, name), len(c.rows)) for c in changes]
        made[name] = pd.array(pa.chunked_array(parts, pa.string()), dtype="str")
    for name in ("before", "after"):
        made[name] = pd.Series(np.empty(ends[-1], object), dtype=object)
    for c, first, end in zip(changes, ends, ends[1:], strict=False):
        made["row"][first:end] = c.rows
        made["before"].array[first:end], made["after"].array[first:end] = c.before, c.after
    return pd.DataFrame(made, columns=LOG, copy=False)


def firsts(*columns: pd.Series) -> np.ndarray:
    """Where a row's value is not that of the row before, in one of these columns."""
    new = np.zeros(len(columns[0]), bool)
    new[:1] = True
    for cells in (values.array for values in columns):
        new[1:] |= np.asarray(cells[1:] != cells[:-1])
    return np.flatnonzero(new)


def in_order(frame: pd.DataFrame, names: Sequence[str]) -> bool:
    """Whether each row comes after the one before, by these columns in turn: none are alike."""
    after = np.zeros(max(len(frame) - 1, 0), bool)
    for name in reversed(names):
        cells = frame[name].array
        after &= np.asarray(cells[1:] == cells[:-1])
        after |= np.asarray(cells[1:] > cells[:-1])
    return bool(after.all())


@dataclass
class Notes:
    """Changes and problems of one table; `rows` are numbered as in the file."""

    table: Table
    rows: np.ndarray
    changes: list[Change] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    in_order: bool = False  # by the table's key, no two rows alike

    def changed(self, name: str, mask: np.ndarray, before, after, rule: str) -> None:
        """Note values that were changed: `before` and `after` hold one entry per marked row."""
        if mask.any():
            rows = self.rows[mask]
            self.changes.append(Change(self.table.name, name, rule, rows, before, after))

    def left_out(self, frame, name: str, gone: np.ndarray, before, rule: str) -> pd.DataFrame:
        """The table without these records, which are noted; `rows` is without them from then on."""
        if not gone.any():
            return frame
        self.changed(name, gone, before, LEFT_OUT, rule)
        self.rows = self.rows[~gone]
        return frame[~gone]

    def wrong(self, column: str, mask: np.ndarray, values, what: str, remedy: str) -> None:
        """Note one problem that the marked rows of a column share; `what` follows the values."""
        where = np.flatnonzero(mask)
        if len(where):
            first = [*pd.Series(values).iloc[where[:NAMED]]]
            found = ", ".join(dict.fromkeys(show(value) for value in first))
            self.problem(f"found {found}; {what}", remedy, column, where, first[0])

    def problem(self, what: str, remedy: str, column=None, where=(), value=None) -> None:
        """Note one problem of the table, at these positions if any."""
        rows = tuple(self.rows[where[:NAMED]].tolist()) if len(where) else ()
        row, name = rows[0] if rows else None, None if column is None else str(column)[:64]
        many = (rows, len(where)) if len(where) > 1 else ()
        self.problems.append(Problem(self.table.file, what, remedy, row, name, value, *many))


MOST_STEPS = 10  # of answers: a longer range is no questionnaire's
MANY = 0.05  # of the cells: text that stands in more of them is no slip, and means something
DATES = pd.Timestamp("1850-01-01"), pd.Timestamp("2200-01-01")
MAX_ID = 200
IN = " / "  # between a site, say, and the id that counts within it
FEWEST = 10  # ids, to see what all of a table begin and end with
ISO = r"\d{4}-\d\d-\d\d([T ].*)?"


def plain(value: str) -> str:
    """A spelling without case, punctuation and leading zeros: 'SITE-03' is 'site 3'."""
    words = re.sub(r"[\W_]+", " ", str(value).casefold()).strip()
    return re.sub(r"\b0+(?=\d)", "", words)


def as_text(value: object) -> str:
    """A category or id as text: 3.0 is '3', text is stripped."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def parted(frame: pd.DataFrame, column: str, endings: list[str]) -> pd.DataFrame:
    """An id that ends (or begins) in who rated, 1001K or C1001, as the id alone; who, beside it."""
    if column not in frame:
        return frame
    cells = frame[column].map(as_text, na_action="ignore").astype("str")
    end = rf"(?P<end>{'|'.join(map(re.escape, endings))})"
    forms = rf"(?i)^(?P<id>.+?)[\W_]?{end}$", rf"(?i)^{end}[\W_]?(?P<id>.+)$"
    parts = max(map(cells.str.extract, forms), key=lambda told: told["end"].count())
    who = parts["end"].str.lower().map({ending.lower(): ending for ending in endings})
    return frame.assign(**{column: parts["id"].fillna(cells), ENDING: who})


def as_written(ids: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Ids that another table does not have, as it writes them: with other zeros in front.

    Or within what all ids of a table begin and end with, if that is all that tells the two apart.

    >>> as_written(["1", "2"], ["001", "002"]), as_written(["A", "1"], ["1", "01", "a"])
    ({'1': '001', '2': '002'}, {})
    """
    lost = set(ids).difference(known)
    apart = len(lost) == len(ids) >= max(FEWEST, len(known) / 2)
    bare, there = (_bare(names, apart) for names in (ids, known))
    alone = len(set(bare)) == len(bare) and len(set(there)) == len(there)
    meant = dict(zip(there, known, strict=True)) if alone else {}
    return {i: meant[b] for i, b in zip(ids, bare, strict=True) if i in lost and b in meant}


def _bare(names: Iterable[str], apart: bool) -> list[str]:
    """Ids without zeros in front of a number; `apart`: nor what all of them begin or end with."""
    for form in (r"^\D+", r"\D+\d*$") if apart else ():
        if len({"".join(re.findall(form, name)) for name in names}) == 1:
            names = [re.sub(form, "", name) for name in names]
    return [re.sub(r"(?<!\d)0+(?=\d)", "", name) for name in names]


def _text(values: pd.Series) -> pd.Series:
    """Text cells stripped, blanks as NA; numbers and dates unchanged."""
    if types.is_numeric_dtype(values) or types.is_datetime64_any_dtype(values):
        return values
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.cat.categories.dtype)
    gone = values.isna()
    stripped = values.map(as_text, na_action="ignore") if values.dtype == object else values
    stripped = stripped.astype("str").str.strip()
    gone |= stripped == ""
    if gone.any():
        return stripped.mask(gone)
    return values if stripped.equals(values) else stripped


def number(values: pd.Series, v: Variable, notes: Notes) -> np.ndarray:
    """A number or whole number; missing codes and (if declared) values outside become NaN."""
    x, bad = _numbers(_meant(values, v, notes) if v.codes else values, v, notes)
    codes = v.missing or v.missing_ranges or (np.isinf(v.low) and np.isinf(v.high))
    inside = not codes and len(x) and v.low <= np.fmin.reduce(x) and np.fmax.reduce(x) <= v.high
    if inside and not bad.any() and (v.type == "number" or x.dtype.kind in "iu" or _whole(x).all()):
        return x  # nearly always
    wrong = bad | np.isinf(x)
    outside = ((x < v.low) | (x > v.high)) & ~wrong
    coded = _coded(x, outside, v) & ~wrong
    outside &= ~coded
    broken = np.zeros(len(x), bool)
    if v.type == "integer" and x.dtype.kind == "f":
        broken = ~(_whole(x) | wrong | coded | outside)
    limits, many = f"{v.low:g} to {v.high:g}", max(NAMED, MANY * len(x))
    word = json.dumps(as_text([*values[wrong], ""][0])[:40], ensure_ascii=False)
    said = say("words_for_numbers" if wrong.sum() > many else "no_number", word=word)
    notes.wrong(v.column, wrong, values, *said)
    if v.out_of_range == "error":
        said = codes_or(x, outside, v.low, v.high, say("outside", limits=limits))
        notes.wrong(v.column, outside, values, *said)
    notes.wrong(v.column, broken, values, *say("broken"))
    for marked, rule in ((coded, "missing code"), (outside, f"outside {limits}")):
        notes.changed(v.name, marked, values[marked].to_list(), "", rule)
    clear = coded | outside
    if clear.any():
        x = x.astype(np.float32 if x.dtype.itemsize < 3 else np.result_type(x, np.float32))
        x[clear] = np.nan
    return x


def codes_or(x: np.ndarray, bad: np.ndarray, low: float, high: float, said: tuple) -> tuple:
    """What is wrong with answers beyond their range, and what each reading of so few codes asks.

    Answers may count from one less, if nobody gives the highest.
    """
    codes = np.unique(x[bad])
    if bad.sum() < 2 or len(codes) > NAMED or high - low > MOST_STEPS:
        return said
    lower = codes[-1] == low - 1 and not (x == high).any()
    words = ", ".join(f"{i:g}: {i + 1:g}" for i in np.arange(low - 1, high))
    told = {"what": said[0], "codes": listed(f"{code:g}" for code in codes), "words": words}
    return say("one_lower" if lower else "some_codes", **told)


def _whole(x: np.ndarray) -> np.ndarray:
    """Which numbers are whole, or missing."""
    return (np.rint(x) == x) | np.isnan(x)


def _meant(values: pd.Series, v: Variable, notes: Notes) -> pd.Series:
    """Words as the numbers that the codebook gives them; what it gives none is a problem.

    Numbers stay as they are where the codebook's table has words alone, and so do missing codes.
    """
    at, levels = pd.factorize(values)
    table = {word_of(w): float(x) for w, x in v.codes.items() if is_number(x)}
    left = {word_of(code) for code in (*v.missing, *v.study_missing)} | {""}
    recoded, meant, unknown = any(map(is_number, table)), [], {}
    for i, level in enumerate(levels):
        word = word_of(level)
        if word in table:
            meant.append(table[word])
        elif word in left or (is_number(word) and (not recoded or _declared(float(word), v))):
            meant.append(level)
        else:
            meant.append(None)
            unknown.setdefault(word, []).append(i)
    said = say("not_in_values", codes=listed(v.codes))
    for alike in unknown.values():
        notes.wrong(v.column, np.isin(at, alike), values.astype(object), *said)
    return pd.Series(np.array([*meant, None], dtype=object)[at], index=values.index)


def word_of(cell: object) -> str:
    """A cell as it is looked up: 'Very  often ' is 'very often', 3.0 and '3.00' are '3'."""
    return re.sub(r"(?<=\d)\.0+$", "", " ".join(as_text(cell).casefold().split()))


def _numbers(values: pd.Series, v: Variable, notes: Notes):
    """Cells as numbers, and which are neither number, blank nor code."""
    if types.is_datetime64_any_dtype(values):
        return np.full(len(values), np.nan), values.notna().to_numpy()
    if types.is_bool_dtype(values):
        values = values.astype("Int8" if values.isna().any() else np.int8)
    if types.is_numeric_dtype(values) and not types.is_complex_dtype(values):
        return _from_numbers(values), np.zeros(len(values), bool)
    cells = _text(values)
    x = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    bad = np.isnan(x) & cells.notna().to_numpy()
    if bad.any():
        comma = bad & cells.str.fullmatch(COMMA).to_numpy(bool, na_value=False)
        x, plain = x.copy(), cells[comma].str.replace(",", ".").to_list()
        x[comma] = [float(number) for number in plain]
        notes.changed(v.name, comma, cells[comma].to_list(), plain, "decimal comma")
        bad &= ~comma
        code = bad & cells.isin([str(c) for c in (*v.missing, *v.study_missing)]).to_numpy(bool)
        bad &= ~code
        notes.changed(v.name, code, cells[code].to_list(), "", "missing code")
    return x, bad


def _from_numbers(values: pd.Series) -> np.ndarray:
    if not types.is_extension_array_dtype(values.dtype):
        return values.to_numpy()
    if not values.isna().any():
        return values.to_numpy(dtype=values.dtype.numpy_dtype)
    enough = np.float32 if values.dtype.itemsize < 3 else float
    return values.to_numpy(dtype=enough, na_value=np.nan)


def _coded(x: np.ndarray, outside: np.ndarray, v: Variable) -> np.ndarray:
    """Which numbers are codes for 'no answer' (see :class:`Variable` on which codes hold when)."""
    own, study = (
        np.isin(x, [float(c) for c in codes if is_number(str(c))])
        for codes in (v.missing, v.study_missing)
    )
    free = np.isinf(v.low) and np.isinf(v.high)
    return own | _declared(x, v) | (study & (outside | free))


def _declared(x, v: Variable):
    """Whether numbers lie in a range that the file declares as missing."""
    return np.any([(x >= low) & (x <= high) for low, high in v.missing_ranges], axis=0)


def no_answer(cells: pd.Series, v: Variable) -> np.ndarray:
    """Which categories or ids are codes for 'no answer', listed or in a declared range."""
    codes = [str(code) for code in (*v.missing, *v.study_missing)]
    coded = cells.isin(codes).to_numpy(dtype=bool)
    if v.missing_ranges:
        x = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        coded = coded | _declared(x, v)
    return coded


def category(values: pd.Series, v: Variable, notes: Notes) -> pd.api.extensions.ExtensionArray:
    """One of the codebook's values, however it is spelled; or any text if it lists none."""
    codes, levels = pd.factorize(values)
    known = {plain(level): level for level in v.values}
    meant, kind = [], []
    texts = pd.Series([as_text(level) for level in levels], dtype="str")
    for text, coded in zip(texts, no_answer(texts, v), strict=True):
        if text == "" or (coded and text not in v.values):
            meant.append(None)
            kind.append("missing code" if text else "blank")
            continue
        code = text if text in v.codes else re.sub(r"\.0+$", "", text)
        decoded = v.codes.get(code, text)
        found = known.get(plain(decoded)) if known else decoded
        meant.append(found)
        same = "same" if found == text or code in v.codes else "spelling"
        kind.append("unknown" if found is None else same)
    kinds = np.array([*kind, "blank"])[codes]
    said = say("none_of", values=", ".join(v.values[:20]))
    notes.wrong(v.column, kinds == "unknown", values.astype(object), *said)
    for rule in ("spelling", "missing code"):
        if rule in kind:
            mask = kinds == rule
            after = [meant[code] or "" for code in codes[mask]]
            notes.changed(v.name, mask, values[mask].to_list(), after, rule)
    return pd.array([*meant, None], dtype="str").take(codes)


def to_days(values: pd.Series, form: str | None = None, codes=(), moment: bool = False):
    """Days, or moments; which cells are codes; which neither day, code nor blank."""
    if types.is_datetime64_any_dtype(values):
        days = pd.Series(values.dt.tz_localize(None).to_numpy().astype("datetime64[us]"))
        none = np.zeros(len(values), bool)
        return days if moment else days.dt.floor("D"), none, none
    cells = _text(values).reset_index(drop=True)
    coded = cells.isin(codes).to_numpy()
    told = cells.mask(coded)
    text = told.astype("str")
    iso = text.where(text.str.fullmatch(ISO).fillna(False).astype(bool))
    dates = pd.to_datetime(iso.str[:10], format="%Y-%m-%d", errors="coerce")
    if moment:
        exact = pd.to_datetime(iso, format="ISO8601", errors="coerce", utc=True)
        dates = exact.dt.tz_localize(None).fillna(dates)
    if form:
        written = pd.to_datetime(told, format=form, errors="coerce")
        dates = (written if moment else written.dt.normalize()).fillna(dates)
    return dates, coded, (dates.isna() & cells.notna()).to_numpy() & ~coded


def date(values: pd.Series, v: Variable, notes: Notes) -> np.ndarray:
    """A day; the moment, if it tells rows apart."""
    codes = [str(c) for c in (*v.missing, *v.study_missing)]
    apart = v.name in (notes.table.time, notes.table.latest)
    dates, coded, bad = to_days(values, v.format, codes, apart)
    notes.changed(v.name, coded, values[coded].map(as_text).to_numpy(), "", "missing code")
    said = say("no_such_date" if v.format else "no_iso_date", form=v.format)
    notes.wrong(v.column, bad, values, *said)
    far = ((dates < DATES[0]) | (dates >= DATES[1])).to_numpy()
    if far.any():
        notes.wrong(v.column, far, dates.dt.strftime("%Y-%m-%d"), *say("far_date"))
        dates = dates.mask(far)
    return dates.to_numpy()


def identifier(values: pd.Series, v: Variable, notes: Notes) -> pd.api.extensions.ExtensionArray:
    """An id as text; every record must have one."""
    cells = values
    if types.is_numeric_dtype(values) or types.is_datetime64_any_dtype(values):
        cells = values.astype(object).where(values.notna(), None)
    if cells.dtype == "str" and not v.codes and _plain_ids(cells.iloc[firsts(cells)], v):
        return cells.array
    cells = _text(cells)
    some = (cells.head(1), cells) if len(cells) else ()  # the first nearly always tells
    if some and all(part.str.fullmatch(r"[0-9]+\.0").fillna(True).all() for part in some):
        cells = cells.str.removesuffix(".0")
    if v.codes:
        said = {" ".join(name.split()): meant for name, meant in v.codes.items()}
        meant = cells.map(lambda cell: said.get(" ".join(cell.split()), cell), na_action="ignore")
        other = (meant != cells).to_numpy(bool) & cells.notna().to_numpy(bool)
        notes.changed(v.name, other, cells[other].to_list(), meant[other].to_list(), "spelling")
        cells = meant.astype("str")
    gone = cells.isna().to_numpy(dtype=bool) | no_answer(cells, v)
    if gone.any() and not v.optional:
        known = "no_id" if v.name in notes.table.key else "no_id_here"
        said = say(known, label=v.label.lower() or "id")
        notes.problem(*said, v.column, np.flatnonzero(gone))
    if len(cells) and cells.str.len().max() > MAX_ID:
        long = (cells.str.len() > MAX_ID).to_numpy(dtype=bool, na_value=False)
        notes.wrong(v.column, long, cells.to_numpy(), *say("long_id", most=MAX_ID))
    return cells.mask(gone).array if gone.any() else cells.array


def within(typed: Mapping[str, object], v: Variable, notes: Notes) -> object:
    """Ids that begin anew in each site, say, behind what says in which: North / 3."""
    own = whole = pd.Series(typed[v.name], dtype="str")
    for name in reversed(v.within):
        whole = pd.Series(typed[name], dtype="str") + IN + whole
    whole = whole.map(lambda i: v.codes.get(i, i), na_action="ignore").astype("str")
    told, by = whole.notna().to_numpy(), listed(v.within)
    notes.wrong(v.column, own.notna().to_numpy() & ~told, own, *say("within_nothing", by=by))
    before, after = (x[told].to_list() for x in (own, whole))
    notes.changed(v.name, told, before, after, f"counts within {by}")
    return whole.array


def _plain_ids(cells: pd.Series, v: Variable) -> bool:
    """Whether these are ids as they should be: none blank, with a space, long, a code, a float."""
    text = pa.array(cells)
    plain = pc.and_(
        pc.equal(pc.utf8_trim_whitespace(text), text), pc.less_equal(pc.utf8_length(text), MAX_ID)
    )
    odd = pc.match_substring_regex(text, r"^([0-9]+\.0)?$")
    right = pc.all(pc.and_not(plain, odd), skip_nulls=False).as_py()
    return bool(right) and not no_answer(cells, v).any()


CHECKS: dict[str, Callable[[pd.Series, Variable, Notes], object]] = {
    "number": number,
    "integer": number,
    "category": category,
    "date": date,
    "id": identifier,
}


def place(ids: pd.Series, among: pd.Series) -> np.ndarray:
    """Position of each id among others, -1 where it is not; quick if in step, or if ids repeat."""
    ids, known = ids.astype("str"), pa.array(among.astype("str"))
    heads = firsts(ids)
    asked = pa.array(ids.iloc[heads])
    if len(asked) == len(known) and pc.all(pc.equal(asked, known), skip_nulls=False).as_py():
        found = np.arange(len(asked))
    else:
        found = pc.index_in(asked, value_set=known, skip_nulls=True).fill_null(-1).to_numpy()
    return np.repeat(found.astype(np.intp), np.diff(heads, append=len(ids)))
