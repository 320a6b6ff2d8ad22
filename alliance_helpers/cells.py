"""One column's raw cells against its codebook entry: typed, tidied, or noted as wrong.

Cells come as text, as numbers, as dates or mixed, whatever the file held; each function returns
the typed column and notes every change and every problem.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
from pandas.api import types

from .dictionary import Variable
from .notes import Notes

CORRECT = "Correct the value, or list it as a missing code."
DATES = pd.Timestamp("1850-01-01"), pd.Timestamp("2200-01-01")
MAX_ID = 200


def plain(value: str) -> str:
    """A spelling without case, punctuation and leading zeros: 'SITE-03' is 'site 3'."""
    words = re.sub(r"[\W_]+", " ", str(value).casefold()).strip()
    return re.sub(r"\b0+(?=\d)", "", words)


def _words(value: object) -> str:
    """A category or id as text: 3.0 is '3', text is stripped."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def _text(values: pd.Series) -> pd.Series:
    """Text cells stripped, blanks as NA; numbers and dates unchanged."""
    if types.is_numeric_dtype(values) or types.is_datetime64_any_dtype(values):
        return values
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.cat.categories.dtype)
    gone = values.isna()
    stripped = values.map(_words, na_action="ignore") if values.dtype == object else values
    stripped = stripped.astype("str").str.strip()
    return stripped.mask(gone | (stripped == ""))


def number(values: pd.Series, v: Variable, notes: Notes) -> pd.Series:
    """A number or whole number; missing codes and (if declared) values outside become NaN."""
    x, bad = _numbers(values, v, notes)
    infinite = np.isinf(x) if x.dtype.kind == "f" else bad
    raw = values.to_numpy() if bad.any() or infinite.any() else values
    notes.wrong(v.column, bad | infinite, raw, "a number was expected.", CORRECT)
    if _plainly_inside(x, v):
        return pd.Series(x, index=notes.rows)
    outside = (x < v.low) | (x > v.high)
    coded = _coded(x, outside, v)
    outside &= ~coded & ~infinite
    limits = f"{v.low:g} to {v.high:g}"
    if v.out_of_range == "error" and outside.any():
        notes.wrong(v.column, outside, values.to_numpy(), f"expected {limits}.", CORRECT)
    clear = coded | outside
    if v.type == "integer" and x.dtype.kind == "f":
        broken = (x % 1 > 0) & ~clear & ~infinite
        if broken.any():
            what = "a whole number was expected."
            notes.wrong(v.column, broken, values.to_numpy(), what, "Correct the value.")
    for mask, rule in ((coded, "missing code"), (outside, f"outside {limits}")):
        if mask.any():
            notes.changed(v.name, mask, values.to_numpy()[mask], "", rule)
    if clear.any():
        x = np.where(clear, np.nan, x.astype(np.float32 if x.dtype.itemsize < 3 else float))
    return pd.Series(x, index=notes.rows)


def _plainly_inside(x: np.ndarray, v: Variable) -> bool:
    """Whole numbers all inside a stated range, none of which can be a code: most columns."""
    if x.dtype.kind not in "iu" or not len(x) or v.missing or v.missing_ranges:
        return False
    return v.low > float("-inf") and v.low <= x.min() and x.max() <= v.high


def _numbers(values: pd.Series, v: Variable, notes: Notes) -> tuple[np.ndarray, np.ndarray]:
    """Cells as numbers, and which of them are neither number, blank nor code."""
    nothing = np.zeros(len(values), bool)
    if types.is_datetime64_any_dtype(values):
        return np.full(len(values), np.nan), values.notna().to_numpy()
    if types.is_bool_dtype(values):
        values = values.astype("Int8" if values.isna().any() else np.int8)
    if types.is_numeric_dtype(values) and not types.is_complex_dtype(values):
        if not types.is_extension_array_dtype(values.dtype):
            return values.to_numpy(), nothing
        if not values.isna().any():
            return values.to_numpy(dtype=values.dtype.numpy_dtype), nothing
        dtype = np.float32 if values.dtype.itemsize < 3 else float
        return values.to_numpy(dtype=dtype, na_value=np.nan), nothing
    cells = _text(values)
    x = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    named = cells.isin([str(c) for c in (*v.missing, *v.study_missing)]).to_numpy() & np.isnan(x)
    bad = np.isnan(x) & cells.notna().to_numpy() & ~named
    notes.changed(v.name, named, cells.to_numpy()[named], "", "missing code")
    return x, bad


def _coded(x: np.ndarray, outside: np.ndarray, v: Variable) -> np.ndarray:
    """Which numbers are codes for 'no answer' (see :class:`Variable` on which codes hold when)."""
    own = [c for c in v.missing if isinstance(c, (int, float))]
    study = [c for c in v.study_missing if isinstance(c, (int, float))]
    coded = np.isin(x, own) if own else np.zeros(len(x), bool)
    for low, high in v.missing_ranges:
        coded |= (x >= low) & (x <= high)
    if study and np.isinf(v.low) and np.isinf(v.high):
        coded |= np.isin(x, study)
    elif study and outside.any():
        coded |= outside & np.isin(x, study)
    return coded


def category(values: pd.Series, v: Variable, notes: Notes) -> pd.Series:
    """One of the codebook's values, however it is spelled; or any text if it lists none."""
    codes, levels = pd.factorize(values)
    known = {plain(level): level for level in v.values}
    gone = {str(c) for c in (*v.missing, *v.study_missing)}
    meant, kind = [], []
    for level in levels:
        text = _words(level)
        if text == "" or (text in gone and text not in v.values):
            meant.append(None)
            kind.append("missing code" if text else "blank")
            continue
        decoded = v.codes.get(text, text)
        found = known.get(plain(decoded)) if known else decoded
        meant.append(found)
        same = "same" if found == text or text in v.codes else "spelling"
        kind.append("unknown" if found is None else same)
    kinds = np.array([*kind, "blank"], dtype=object)[codes]
    result = np.array([*meant, None], dtype=object)[codes]
    raw = values.astype(object).to_numpy() if set(kind) - {"same", "blank"} else values
    what = f"expected one of {', '.join(v.values[:20])}."
    remedy = "Correct the spelling, or add the value to the codebook."
    notes.wrong(v.column, kinds == "unknown", raw, what, remedy)
    for rule in ("spelling", "missing code"):
        mask = kinds == rule
        if mask.any():
            notes.changed(
                v.name, mask, raw[mask], ["" if r is None else r for r in result[mask]], rule
            )
    return pd.Series(result, index=notes.rows, dtype="str")


def date(values: pd.Series, v: Variable, notes: Notes) -> pd.Series:
    """A day, without a time of day."""
    if types.is_datetime64_any_dtype(values):
        naive = values.dt.tz_localize(None) if values.dt.tz is not None else values
        dates, bad = naive.dt.normalize(), np.zeros(len(values), bool)
    else:
        cells = _text(values)
        codes = cells.isin([str(c) for c in (*v.missing, *v.study_missing)]).to_numpy()
        if v.format:
            dates = pd.to_datetime(cells.mask(codes), format=v.format, errors="coerce")
        else:
            iso = cells.astype("str").str.fullmatch(r"\d{4}-\d\d-\d\d([T ].*)?").fillna(False)
            day = cells.astype("str").str[:10].where(iso.astype(bool) & ~codes)
            dates = pd.to_datetime(day, format="%Y-%m-%d", errors="coerce")
        bad = dates.isna().to_numpy() & cells.notna().to_numpy() & ~codes
        notes.changed(v.name, codes, cells.to_numpy()[codes], "", "missing code")
    remedy = "Write it as year-month-day, for example 1991-03-27."
    if v.format:
        remedy = f"Write it as the codebook says ({v.format})."
    if bad.any():
        notes.wrong(v.column, bad, values.to_numpy(), "a date was expected.", remedy)
    far = ((dates < DATES[0]) | (dates >= DATES[1])).to_numpy()
    if far.any():
        days = dates.dt.strftime("%Y-%m-%d").to_numpy()
        what = "a date from 1850 to 2199 was expected."
        notes.wrong(v.column, far, days, what, CORRECT)
        dates = dates.mask(far)
    return pd.Series(dates.to_numpy(), index=notes.rows)


def identifier(values: pd.Series, v: Variable, notes: Notes) -> pd.Series:
    """An id as text; every record must have one."""
    cells = values
    if types.is_numeric_dtype(values):
        cells = values.astype(object).where(values.notna(), None)
    cells = _text(cells)
    codes = [str(c) for c in (*v.missing, *v.study_missing)]
    gone = cells.isna() | cells.isin(codes) if codes else cells.isna()
    gone = gone.to_numpy()
    if gone.any():
        what = f"the {v.label.lower() or 'id'} is missing."
        notes.problem(what, "Fill it in.", v.column, np.flatnonzero(gone))
    if len(cells) and cells.str.len().max() > MAX_ID:
        long = (cells.str.len() > MAX_ID).to_numpy(dtype=bool, na_value=False)
        what = f"an id of at most {MAX_ID} characters was expected."
        notes.wrong(v.column, long, cells.to_numpy(), what, "Shorten it.")
    return pd.Series(cells.to_numpy(), index=notes.rows, dtype="str")


CHECKS: dict[str, Callable[[pd.Series, Variable, Notes], pd.Series]] = {
    "number": number,
    "integer": number,
    "category": category,
    "date": date,
    "id": identifier,
}
