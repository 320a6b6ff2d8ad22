"""Each raw value against its codebook entry: what is typed, what is tidied, what is wrong.

One pass gives all three: the typed table, the log of changes and the list of problems.
Rows are numbered as a spreadsheet shows them (the header is row 1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .codebook import Codebook, Table, Variable
from .errors import Problem

LOG = ["table", "row", "column", "before", "after", "rule"]
FIRST_ROW = 2


@dataclass(frozen=True)
class Examined:
    """Typed tables (index: row in the file), the changes made, and what cannot be used."""

    tables: dict[str, pd.DataFrame]
    log: pd.DataFrame
    problems: tuple[Problem, ...]


def examine(tables: dict[str, pd.DataFrame], codebook: Codebook) -> Examined:
    """Check and type every raw table, then check the tables against one another.

    Parameters
    ----------
    tables : dict of DataFrame
        Raw tables by codebook name; cells as text or already typed. They are not changed.
    codebook : Codebook

    Returns
    -------
    Examined
    """
    typed, logs, problems = {}, [], []
    for name, table in codebook.tables.items():
        if name in tables:
            typed[name] = _examine_table(tables[name], table, logs, problems)
    for name, frame in typed.items():
        table = codebook.tables[name]
        typed[name] = _duplicates(frame, table, logs, problems)
        _stays(frame, table, codebook, problems)
    _across(typed, codebook, problems)
    log = pd.concat(logs, ignore_index=True) if logs else pd.DataFrame(columns=LOG)
    return Examined(typed, log[LOG], tuple(problems))


def entry(table: str, rows, column: str, before, after, rule: str) -> pd.DataFrame:
    """Rows of the cleaning log: one per changed value."""
    frame = pd.DataFrame({"row": rows, "before": before, "after": after})
    frame = frame.assign(table=table, column=column, rule=rule)[LOG]
    return frame.astype({"before": object, "after": object})


def _examine_table(frame: pd.DataFrame, table: Table, logs: list, problems: list) -> pd.DataFrame:
    expected = {v.column: v for v in table.variables.values()}
    for column in expected.keys() - set(frame.columns):
        what = "the column is missing."
        problems.append(
            Problem(table.file, what, "Add it, or drop it from the codebook.", column=column)
        )
    for column in [c for c in frame.columns if c not in expected]:
        what = "the codebook does not know this column."
        problems.append(
            Problem(
                table.file, what, "List it in the codebook, or leave it out.", column=str(column)
            )
        )
    if frame.empty:
        problems.append(Problem(table.file, "has no rows.", "Put the records under the header."))
    rows = np.arange(FIRST_ROW, FIRST_ROW + len(frame))
    columns = {}
    for column in frame.columns:
        if column in expected:
            v = expected[column]
            values = frame[column]
            columns[v.name] = _CHECKS[v.type](values, v, table, rows, logs, problems)
    return pd.DataFrame(columns, index=rows)


def _complain(problems, table, v, rows, values, bad, what, remedy) -> None:
    for row, value in zip(rows[bad], values[bad], strict=True):
        problems.append(
            Problem(table.file, f"found {_show(value)}; {what}", remedy, int(row), v.column, value)
        )


def _show(value) -> str:
    text = str(value)
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _text(values: pd.Series) -> pd.Series:
    """Text cells stripped, blanks as NA; anything else unchanged."""
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values):
        return values
    stripped = values.astype("str").str.strip().mask(values.isna())
    return stripped.mask(stripped == "")


def _number(values, v: Variable, table, rows, logs, problems) -> pd.Series:
    cells = _text(values)
    numbers = pd.to_numeric(cells, errors="coerce").to_numpy()
    if numbers.dtype.kind not in "iuf":
        numbers = numbers.astype(float)
    codes = [c for c in v.missing if isinstance(c, (int, float))]
    bad = np.zeros(len(numbers), bool)
    if not pd.api.types.is_numeric_dtype(values):
        texts = {str(c) for c in v.missing if isinstance(c, str)}
        named = cells.isin(texts).to_numpy() if texts else bad
        bad = np.isnan(numbers) & cells.notna().to_numpy() & ~named
        if named.any():
            logs.append(entry(table.name, rows[named], v.name, cells[named], "", "missing code"))
    infinite = np.isinf(numbers) if numbers.dtype.kind == "f" else bad
    _complain(
        problems,
        table,
        v,
        rows,
        values.to_numpy(),
        bad | infinite,
        "a number was expected.",
        "Correct the value, or list it as a missing code.",
    )
    outside = (numbers < v.low) | (numbers > v.high)
    coded = outside & np.isin(numbers, codes) if codes and outside.any() else np.zeros_like(outside)
    outside &= ~coded & ~infinite
    limits = f"{v.low:g} to {v.high:g}"
    if v.out_of_range == "error":
        _complain(
            problems,
            table,
            v,
            rows,
            values.to_numpy(),
            outside,
            f"expected {limits}.",
            "Correct the value, or list it as a missing code.",
        )
    clear = coded | outside
    if v.type == "integer" and numbers.dtype.kind == "f":
        broken = (numbers % 1 > 0) & ~clear & ~infinite
        _complain(
            problems,
            table,
            v,
            rows,
            values.to_numpy(),
            broken,
            "a whole number was expected.",
            "Correct the value.",
        )
    for mask, rule in ((coded, "missing code"), (outside, f"outside {limits}")):
        if mask.any():
            logs.append(entry(table.name, rows[mask], v.name, values.to_numpy()[mask], "", rule))
    if clear.any():
        numbers = np.where(clear, np.nan, numbers)
    return pd.Series(numbers, index=rows)


def plain(value: str) -> str:
    """A spelling without case, punctuation and leading zeros: 'SITE-03' is 'site 3'."""
    words = re.sub(r"[^0-9a-z]+", " ", str(value).casefold()).strip()
    return re.sub(r"\b0+(?=\d)", "", words)


def _category(values, v: Variable, table, rows, logs, problems) -> pd.Series:
    cells = _text(values)
    known = {plain(level): level for level in v.values}
    codes = {str(c) for c in v.missing}
    result = {}
    for level in cells.dropna().unique():
        text = str(level)
        if text in codes and text not in v.values:
            result[level] = np.nan
        else:
            result[level] = known.get(plain(text), None if known else text)
    mapped = cells.map({k: n for k, n in result.items() if n is not None})
    unknown = cells.isin([k for k, n in result.items() if n is None]).to_numpy()
    _complain(
        problems,
        table,
        v,
        rows,
        values.to_numpy(),
        unknown,
        f"expected one of {', '.join(v.values)}.",
        "Correct the spelling, or add the value to the codebook.",
    )
    raw = values.astype(object).to_numpy()
    changed = np.array(
        [m is not np.nan and m == m and str(r) != str(m) for r, m in zip(raw, mapped, strict=True)],
        bool,
    )
    coded = cells.isin([k for k, n in result.items() if n is np.nan]).to_numpy()
    for mask, after, rule in (
        (changed & ~unknown, mapped, "spelling"),
        (coded, None, "missing code"),
    ):
        if mask.any():
            to = "" if after is None else after.to_numpy()[mask]
            logs.append(entry(table.name, rows[mask], v.name, raw[mask], to, rule))
    return pd.Series(mapped.to_numpy(), index=rows, dtype="str")


def _date(values, v: Variable, table, rows, logs, problems) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(values):
        return pd.Series(values.to_numpy(), index=rows)
    cells = _text(values)
    codes = cells.isin([str(c) for c in v.missing]).to_numpy()
    dates = pd.to_datetime(cells.mask(codes), format="ISO8601", errors="coerce")
    bad = dates.isna().to_numpy() & cells.notna().to_numpy() & ~codes
    _complain(
        problems,
        table,
        v,
        rows,
        values.to_numpy(),
        bad,
        "a date was expected.",
        "Write it as year-month-day, for example 1991-03-27.",
    )
    if codes.any():
        logs.append(entry(table.name, rows[codes], v.name, cells[codes], "", "missing code"))
    return pd.Series(dates.to_numpy(), index=rows)


def _id(values, v: Variable, table, rows, logs, problems) -> pd.Series:
    cells = _text(values)
    if pd.api.types.is_float_dtype(cells):
        cells = cells.astype("Int64")
    missing = cells.isna().to_numpy() | cells.isin(list(v.missing)).to_numpy()
    for row in rows[missing]:
        problems.append(
            Problem(
                table.file,
                f"the {v.label.lower() or 'id'} is missing.",
                "Fill it in.",
                int(row),
                v.column,
            )
        )
    return pd.Series(cells.astype("str").to_numpy(), index=rows, dtype="str")


_CHECKS = {"number": _number, "integer": _number, "category": _category, "date": _date, "id": _id}


def _duplicates(frame, table: Table, logs, problems) -> pd.DataFrame:
    key = [k for k in table.key if k in frame]
    if len(key) < len(table.key) or table.duplicates == "allow":
        return frame
    repeated = frame.duplicated(key, keep=False)
    if not repeated.any():
        return frame
    if table.duplicates == "error" or table.latest not in frame:
        column = " and ".join(table.variables[k].column for k in key)
        later = frame[frame.duplicated(key)]
        for row, values in zip(
            later.index, later[key].astype(str).agg(", ".join, axis=1), strict=True
        ):
            problems.append(
                Problem(
                    table.file,
                    f"found {values!r} again; each may stand once.",
                    "Remove one of the records, or correct the id.",
                    int(row),
                    column,
                    values,
                )
            )
        return frame
    kept = frame.sort_values(table.latest, kind="stable").drop_duplicates(key, keep="last").index
    dropped = frame.index.difference(kept)
    before = frame.loc[dropped, table.latest].astype(str)
    logs.append(
        entry(table.name, dropped, table.latest, before, "record left out", "an earlier duplicate")
    )
    return frame.loc[frame.index.isin(kept)]


def _stays(frame, table: Table, codebook: Codebook, problems) -> None:
    for days in codebook.days.values():
        if days.episodes != table.name or not {days.admission, days.discharge} <= set(frame):
            continue
        wrong = frame[frame[days.discharge] < frame[days.admission]]
        for row, value, admitted in zip(
            wrong.index, wrong[days.discharge].dt.date, wrong[days.admission].dt.date, strict=True
        ):
            problems.append(
                Problem(
                    table.file,
                    f"found '{value}'; it lies before the admission on {admitted}.",
                    "Correct one of the two dates.",
                    int(row),
                    table.variables[days.discharge].column,
                    str(value),
                )
            )
        return


def _across(typed: dict[str, pd.DataFrame], book: Codebook, problems: list) -> None:
    """Ids that lead nowhere, and values that two tables tell differently."""
    for role, row_kind in ((book.client, "client"), (book.case_manager, "case_manager")):
        home = next(
            (
                t
                for t in book.tables.values()
                if t.row == row_kind and not t.occasion and role in typed.get(t.name, ())
            ),
            None,
        )
        if role is None or home is None:
            continue
        base = typed[home.name].drop_duplicates(role).set_index(role)
        for name, frame in typed.items():
            if name == home.name or role not in frame:
                continue
            table = book.tables[name]
            lost = ~frame[role].isin(base.index)
            for row, value in frame.loc[lost, role].items():
                what = f"found {_show(value)}, which {home.file} does not have."
                remedy = "Correct the id, or add the record there."
                problems.append(
                    Problem(table.file, what, remedy, int(row), table.variables[role].column, value)
                )
            for shared in (set(frame) & set(base.columns)) - {role}:
                _disagreements(frame[~lost], base[shared], role, shared, table, home, problems)


def _disagreements(
    frame, base: pd.Series, role, shared, table: Table, home: Table, problems
) -> None:
    if table.variables[shared].type not in ("id", "category"):
        return
    there = base.reindex(frame[role]).to_numpy()
    here = frame[shared].to_numpy()
    differ = (pd.Series(here) != pd.Series(there)).to_numpy() & pd.notna(here) & pd.notna(there)
    for row, value, other in zip(frame.index[differ], here[differ], there[differ], strict=True):
        problems.append(
            Problem(
                table.file,
                f"found {_show(value)}, but {home.file} says {_show(other)}.",
                "Correct one of the two.",
                int(row),
                table.variables[shared].column,
                value,
            )
        )
