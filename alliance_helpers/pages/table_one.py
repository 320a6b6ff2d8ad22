"""Table 1, with small cells withheld."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.linalg import null_space

from ..claims.rules import OFFERED
from ..claims.views import QUARTILES, enough_beyond
from ..cohorts.cohort import FEW, rounded_count
from ..errors import NotEstimableError, ParameterError
from ..models.nesting import icc
from ..study.codebook import Codebook
from .printing import number


def suppressed(counts: np.ndarray, min_cell: int = 5, column_sums: bool = True) -> np.ndarray:
    """Which cells of a table of counts to withhold when the totals around them are known.

    Parameters
    ----------
    counts : ndarray of int, shape (levels, groups)
        Inner cells. The sum of each row is public unless it is small itself.
    min_cell : int
        Counts from 1 to below this are withheld; 0 or 1 withholds nothing.
    column_sums : bool
        Whether the sum of each column (the size of the group) is public too.

    Returns
    -------
    ndarray of bool, shape (levels, groups + 1)
        The last column is the row's total.

    Notes
    -----
    Primary suppression, then complementary: as long as a withheld cell follows from what is shown
    by adding and subtracting (its unit vector lies in the row space of the sums), the smallest
    shown cell in its row or column is withheld as well (Willenborg & de Waal 2001).

    Examples
    --------
    >>> suppressed(np.array([[3, 40], [57, 60]])).astype(int).tolist()
    [[1, 1, 0], [1, 1, 0]]
    >>> suppressed(np.array([[3, 90, 50]]), column_sums=False).astype(int).tolist()
    [[1, 0, 1, 0]]
    """
    full = np.column_stack([counts, counts.sum(axis=1)])
    small = (full > 0) & (full < min_cell)
    hidden = small.copy()
    while (small & _exposed(hidden, column_sums)).any() and not hidden.all():
        hidden[_next(full, hidden)] = True
    for at in sorted(zip(*np.nonzero(hidden & ~small), strict=True), key=lambda c: -full[c]):
        hidden[at] = False
        hidden[at] = (small & _exposed(hidden, column_sums)).any()
    return hidden


def _exposed(hidden: np.ndarray, column_sums: bool) -> np.ndarray:
    """Withheld cells that the public sums determine."""
    cells = np.argwhere(hidden)
    out = np.zeros_like(hidden)
    if not len(cells):
        return out
    row, column = cells.T
    sign = np.where(column == hidden.shape[1] - 1, -1, 1)  # the total is the sum of the others
    sums = [sign * (row == i) for i in set(row)]
    sums += [column == j for j in set(column)] * column_sums
    out[row, column] = (np.abs(null_space(np.array(sums, float))) < 1e-9).all(axis=1)
    return out


def _next(full: np.ndarray, hidden: np.ndarray) -> tuple[int, int]:
    """The smallest shown count beside a withheld one; inner cells before totals."""
    near = hidden.any(axis=1, keepdims=True) | hidden.any(axis=0, keepdims=True)
    shown = np.argwhere(~hidden & near) if (~hidden & near).any() else np.argwhere(~hidden)
    last = full.shape[1] - 1
    return min((tuple(c) for c in shown), key=lambda c: (c[1] == last, full[c], c))


WITHHELD = "withheld"
BETWEEN = "Between case managers"


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
        Column of groups; dyads without a value are a group `not known`. Empty: all together. Of
        real records, groups that are not the study's own, as those who lack a rating, are counted
        in whole fives: beside the numbers of missing values their sizes would tell of few.
    min_cell : int
        Counts from 1 to below this are shown as `<5`. What they would follow from is `withheld`:
        other counts, means of few people, quartiles beyond which few lie, and everything about a
        group whose size is withheld.
    columns : list of str, optional
        Variables to describe; by default those of the codebook's blocks that the dyads have.

    Returns
    -------
    DataFrame of text
        `variable`, `level`, `missing`, `Overall`, then one column per group; where the study says
        who the case managers are, `Between case managers`, the share of a number's variance that
        lies between them (:func:`nesting.icc`). A table for print: its cells are rounded.

    Notes
    -----
    Written with pandas: tableone 0.9.6 raises deprecation warnings under pandas 3 and does not
    suppress counts.

    Examples
    --------
    >>> cohort = open_cohort()
    >>> table_one(cohort.dyads, cohort.codebook)["variable"].iloc[0]
    'Dyads'
    """
    if not by:
        every = table_one(dyads.assign(every="every"), codebook, "every", min_cell, columns)
        return every.drop(columns="every")
    if by not in dyads:
        raise ParameterError(f"There is no column {by!r} to divide the dyads by.")
    if columns is None:
        listed = [v for names in codebook.blocks.values() for v in names if v in dyads]
        columns = list(dict.fromkeys(listed))
    groups, small = divided(dyads, codebook, by, min_cell)
    sizes = np.array([[mask.sum() for mask in groups.values()]])
    head = {"variable": "Dyads", "level": "n", "missing": ""}
    own = codebook.synthetic or by in (*OFFERED["by"](codebook), "every")
    count = rounded_count if own else lambda n: round(n / FEW) * FEW
    rows = [head | _counts(sizes[0], small[0], groups, min_cell, count)]
    for name in columns:
        values = dyads[name]
        label, unit = codebook.describe(name)
        gone = int(values.isna().sum())
        missing = f"<{min_cell}" if 0 < gone < min_cell else f"{rounded_count(gone):,}"
        head = {"variable": label, "missing": missing}
        if _is_category(values.dropna()):
            made = _category_rows(values, groups, min_cell, count)
        else:
            skewed = name in codebook.days
            how = "median (quartiles)" if skewed else "mean (SD)"
            level = f"{unit}, {how}" if unit else how
            made = [{"level": level} | _number_cells(values, groups, skewed, min_cell)]
        if pd.api.types.is_numeric_dtype(values) and made[0]["Overall"][:1] not in ("w", "<"):
            made[0][BETWEEN] = _between(values, dyads, codebook)
        for row in made:
            hidden = {g: WITHHELD for g, h in zip(groups, small[0], strict=False) if h}
            rows.append(head | row | hidden)
    columns = ["variable", "level", "missing", "Overall", *groups]
    columns += [BETWEEN] * (codebook.case_manager in dyads)
    return pd.DataFrame(rows, columns=columns).fillna("")


def divided(
    dyads: pd.DataFrame, book: Codebook, by: str, min_cell: int
) -> tuple[dict[str, pd.Series], np.ndarray]:
    """Who is in which group of a table, and the groups (then their sum) whose sizes to withhold.

    Other tables are known too: of sites of two types, the table by types has the types' sizes.
    """
    groups = {str(g): dyads[by] == g for g in sorted(dyads[by].dropna().unique(), key=str)}
    if dyads[by].isna().any():
        groups["not known"] = dyads[by].isna()
    sizes = np.array([[mask.sum() for mask in groups.values()]])
    small = suppressed(sizes, min_cell, column_sums=False)
    for other in (name for name in OFFERED["by"](book) if name in dyads):
        kinds = [dyads.loc[mask, other].unique() for mask in groups.values()]
        if not all(len(k) == 1 for k in kinds):
            continue
        for kind in {k[0] for k in kinds}:
            inside = np.flatnonzero([k[0] == kind for k in kinds])
            small[0, inside] |= suppressed(sizes[:, inside], min_cell, column_sums=False)[0, :-1]
    return groups, small


def _between(values: pd.Series, dyads: pd.DataFrame, codebook: Codebook) -> str:
    """Share of the variance between case managers, as text; nothing where it is not known."""
    try:
        return f"{100 * max(icc(values, dyads[codebook.case_manager]), 0):.0f} %"
    except (KeyError, NotEstimableError):
        return ""


def _is_category(values: pd.Series) -> bool:
    indicator = len(values) and values.isin([0, 1]).all()
    return bool(indicator or not pd.api.types.is_numeric_dtype(values))


def _category_rows(values: pd.Series, groups: dict, min_cell: int, count: Callable) -> list[dict]:
    """One row per level with counts and percentages; of an indicator the row of 1."""
    binary = pd.api.types.is_numeric_dtype(values)
    levels = [0, 1] if binary else sorted(values.dropna().unique(), key=str)
    counts = np.array([[(values[m] == level).sum() for m in groups.values()] for level in levels])
    if not len(levels):
        return [{"level": "n (%)"}]
    hidden = suppressed(counts, min_cell)
    return [
        {"level": "n (%)" if binary else f"{level}, n (%)"}
        | _counts(counts[at], hidden[at], groups, min_cell, count, counts.sum(axis=0))
        for at, level in enumerate(levels)
        if not (binary and level == 0)
    ]


def _counts(counts, hidden, groups: dict, min_cell: int, count: Callable, of=None) -> dict:
    """Counts of one row as text, the total first, with percentages `of` the group sizes."""
    full, hidden = np.append(counts.sum(), counts), np.roll(hidden, 1)
    shown, sizes = [count(n) for n in full], [0] * len(full)
    if of is None:  # the cohort's size is known; what rounding leaves goes to the largest group
        shown[0] = full[0]
        if count is not rounded_count:
            shown[full[1:].argmax() + 1] += full[0] - sum(shown[1:])
    else:
        sizes = [count(n) for n in (of.sum(), *of)]
    cells = []
    for n, told, hide, size in zip(full, shown, hidden, sizes, strict=True):
        share = f" ({100 * told / size:.0f} %)" if size else ""
        small = f"<{min_cell}" if 0 < n < min_cell else WITHHELD
        cells.append(small if hide else f"{told:,}{share}")
    return dict(zip(["Overall", *groups], cells, strict=True))


def _number_cells(values: pd.Series, groups: dict, skewed: bool, min_cell: int) -> dict[str, str]:
    """Centre and spread; withheld where few have a value, and where that would follow."""
    parts = {name: values[mask].dropna() for name, mask in groups.items()}
    known = np.array([[len(part) for part in parts.values()]])
    hidden = np.roll(suppressed(known, min_cell, column_sums=False)[0], 1)
    parts = {"Overall": values.dropna()} | parts
    return {
        name: WITHHELD if hide else _centre(part, skewed, min_cell)
        for (name, part), hide in zip(parts.items(), hidden, strict=True)
    }


def _centre(values: pd.Series, skewed: bool, min_cell: int) -> str:
    if not len(values):
        return ""
    if skewed:
        low, middle, high = (number(q, 0) for q in values.quantile(QUARTILES))
        quartiles, median, _ = enough_beyond(len(values), min_cell)
        spread = f"{low} to {high}" if quartiles else WITHHELD
        return f"{middle} ({spread})" if median else WITHHELD
    mean, sd = values.mean(), values.std()
    digits = 2 if abs(mean) < 10 and not sd >= 10 else 1
    return f"{mean:,.{digits}f} ({number(sd, digits)})"
