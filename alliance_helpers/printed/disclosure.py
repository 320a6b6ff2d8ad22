"""Small counts kept from being read, or worked out from the totals around them."""

from __future__ import annotations

import numpy as np


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
    last = hidden.shape[1] - 1
    rows = [
        np.where(cells[:, 0] == i, np.where(cells[:, 1] == last, -1, 1), 0)
        for i in set(cells[:, 0])
    ]
    columns = [(cells[:, 1] == j).astype(int) for j in set(cells[:, 1])]
    sums = np.array(rows + columns * column_sums, dtype=float)
    _, values, vt = np.linalg.svd(sums)
    free = vt[(values > 1e-9).sum() :]
    out[tuple(cells.T)] = (np.abs(free) < 1e-9).all(axis=0)
    return out


def _next(full: np.ndarray, hidden: np.ndarray) -> tuple[int, int]:
    """The smallest shown count beside a withheld one; inner cells before totals."""
    near = hidden.any(axis=1, keepdims=True) | hidden.any(axis=0, keepdims=True)
    shown = np.argwhere(~hidden & near) if (~hidden & near).any() else np.argwhere(~hidden)
    last = full.shape[1] - 1
    return min((tuple(c) for c in shown), key=lambda c: (c[1] == last, full[c], c))
