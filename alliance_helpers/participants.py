"""Who took part: Table 1, with small counts withheld."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .codebook import Codebook
from .disclosure import suppressed
from .errors import ParameterError
from .printing import number


def table_one(
    dyads: pd.DataFrame,
    codebook: Codebook,
    by: str = "site_type",
    min_cell: int = 5,
    columns: list[str] | None = None,
) -> pd.DataFrame:
    """Describe the dyads, all together and by group, without giving small counts away.

    Parameters
    ----------
    dyads : DataFrame
        One row per client.
    codebook : Codebook
        Gives labels and units; variables of its `days` are shown by median and quartiles.
    by : str
        Column of groups; dyads without one are left out of the groups, not of `Overall`.
    min_cell : int
        Counts from 1 to below this are withheld (shown as `<5`), and so are those from which they
        would follow (shown as `withheld`).
    columns : list of str, optional
        Variables to describe; by default those of the codebook's blocks that the dyads have.

    Returns
    -------
    DataFrame of text
        `variable`, `level`, `missing`, `Overall`, then one column per group. A table for print:
        its cells are rounded.

    Notes
    -----
    Written with pandas: tableone 0.9.6 raises deprecation warnings under pandas 3 and does not
    suppress counts.
    """
    if by not in dyads:
        raise ParameterError(f"There is no column {by!r} to divide the dyads by.")
    if columns is None:
        listed = [v for names in codebook.blocks.values() for v in names if v in dyads]
        columns = list(dict.fromkeys(listed))
    groups = {str(g): dyads[by] == g for g in sorted(dyads[by].dropna().unique(), key=str)}
    parts = {"Overall": pd.Series(True, index=dyads.index)} | groups
    counts = np.array([[mask.sum() for mask in groups.values()]])
    rows = [
        {"variable": "Dyads", "level": "n", "missing": ""}
        | _counts_row(counts, 0, suppressed(counts, min_cell), parts, min_cell, None)
    ]
    for name in columns:
        gone = int(dyads[name].isna().sum())
        missing = f"<{min_cell}" if 0 < gone < min_cell else f"{gone:,}"
        label, unit = codebook.describe(name)
        head = {"variable": label, "missing": missing}
        values = dyads[name].dropna()
        if _is_category(values):
            rows += _category_rows(dyads[name], head, parts, min_cell)
            continue
        skewed = name in codebook.days or name.removesuffix("_before") in codebook.days
        how = "median (quartiles)" if skewed else "mean (SD)"
        cells = {
            group: _numbers(dyads.loc[mask, name].dropna(), skewed, min_cell)
            for group, mask in parts.items()
        }
        level = f"{unit}, {how}" if unit else how
        rows.append(head | {"level": level} | cells)
    return pd.DataFrame(rows, columns=["variable", "level", "missing", *parts])


def _is_category(values: pd.Series) -> bool:
    if not pd.api.types.is_numeric_dtype(values):
        return True
    return bool(values.isin([0, 1]).all())


def _category_rows(values: pd.Series, head: dict, parts: dict, min_cell: int) -> list[dict]:
    binary = pd.api.types.is_numeric_dtype(values)
    levels = [0, 1] if binary else sorted(values.dropna().unique(), key=str)
    groups = [mask for name, mask in parts.items() if name != "Overall"]
    counts = np.array([[(values[m] == level).sum() for m in groups] for level in levels])
    hidden = suppressed(counts.reshape(len(levels), len(groups)), min_cell)
    known = [int(values[m].notna().sum()) for m in parts.values()]
    rows = []
    for at, level in enumerate(levels):
        if binary and level == 0:
            continue
        cells = _counts_row(counts, at, hidden, parts, min_cell, known)
        rows.append(head | {"level": "n (%)" if binary else f"{level}, n (%)"} | cells)
    return rows


def _counts_row(counts, at, hidden, parts, min_cell, known) -> dict[str, str]:
    row = [counts[at].sum(), *counts[at]]
    withheld = [hidden[at, -1], *hidden[at, :-1]]
    cells = {}
    for k, (name, count, hide) in enumerate(zip(parts, row, withheld, strict=True)):
        if hide:
            cells[name] = f"<{min_cell}" if 0 < count < min_cell else "withheld"
        elif known is None:
            cells[name] = f"{count:,}"
        else:
            share = f" ({100 * count / known[k]:.0f} %)" if known[k] else ""
            cells[name] = f"{count:,}{share}"
    return cells


def _numbers(values: pd.Series, skewed: bool, min_cell: int) -> str:
    if len(values) < max(min_cell, 2):
        return f"fewer than {max(min_cell, 2)}" if len(values) else ""
    if skewed:
        low, middle, high = (number(q, 0) for q in values.quantile([0.25, 0.5, 0.75]))
        return f"{middle} ({low} to {high})"
    mean, sd = values.mean(), values.std()
    digits = 2 if sd < 10 and abs(mean) < 10 else 1
    return f"{mean:,.{digits}f} ({sd:,.{digits}f})"
