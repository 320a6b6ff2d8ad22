"""Means and cross-products of the columns of a regression, gathered in one pass over the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from ..errors import NotEstimableError, ParameterError
from . import arguments

CHUNK = 65_536


@dataclass(frozen=True)
class Moments:
    """What a regression needs to know of its complete rows.

    Attributes
    ----------
    terms : tuple of p candidate names, block after block
    blocks : tuple of integer arrays, positions of each block's candidates in `terms`
    n : int, complete rows
    means : ndarray (p + 1,), the outcome last
    products : ndarray (p + 1, p + 1), sums of products about the means
    """

    terms: tuple[str, ...]
    blocks: tuple[np.ndarray, ...]
    n: int
    means: np.ndarray
    products: np.ndarray


def moments(
    data: pd.DataFrame,
    outcome: str,
    blocks: Mapping[str, Sequence[str]],
    cluster: str | None = None,
) -> Moments:
    """Check the columns and gather their means and cross-products over complete rows.

    Parameters
    ----------
    data : DataFrame
    outcome : str
    blocks : mapping of block name to column names
    cluster : str, optional
        Rows without a label here are left out too.

    Returns
    -------
    Moments

    Raises
    ------
    ParameterError
        Unknown, repeated, non-numeric or infinite columns, an empty block.
    NotEstimableError
        No more complete rows than terms plus one, or a constant column; the message names it.

    Notes
    -----
    Sums are taken about the means of the first rows, then moved to the means of all: rounding
    does not depend on where a variable's zero lies (Chan, Golub & LeVeque 1983, Am Stat 37:242).

    Examples
    --------
    >>> data = pd.DataFrame({"x": [1.0, 2, 3, 4], "y": [2.0, 4, 6, 9]})
    >>> moments(data, "y", {"block": ["x"]}).products.tolist()
    [[5.0, 11.5], [11.5, 26.75]]
    """
    terms = check_columns(data, outcome, blocks, cluster)
    columns = [*terms, outcome]
    m = len(columns)
    n, shift, total, products = 0, None, np.zeros(m), np.zeros((m, m))
    for start in range(0, len(data), CHUNK):
        rows = _complete(data.iloc[start : start + CHUNK], columns, cluster)[0]
        if not len(rows):
            continue
        shift = rows.mean(axis=0) if shift is None else shift
        rows -= shift
        n += len(rows)
        total += rows.sum(axis=0)
        products += rows.T @ rows
    if n <= len(terms) + 1:
        raise NotEstimableError(
            f"{n} complete rows of {len(data)} are too few for {len(terms)} candidates: "
            f"at least {len(terms) + 2} are needed."
        )
    moved = total / n
    products -= n * np.outer(moved, moved)
    means = shift + moved
    flat = np.diag(products) <= n * (1e-12 * np.maximum(np.abs(means), 1e-300)) ** 2
    if flat.any():
        raise NotEstimableError(
            f"The column '{columns[int(np.argmax(flat))]}' has the same value in all {n} complete "
            f"rows: leave it out."
        )
    sizes = np.cumsum([0, *(len(columns) for columns in blocks.values())])
    positions = tuple(np.arange(a, b) for a, b in pairwise(sizes))
    return Moments(terms, positions, n, means, products)


def numeric_rows(data, outcome: str, terms: Sequence[str], cluster: str | None):
    """Complete rows as arrays: outcome (n,), predictors (n, p), labels (n,) or None."""
    values, labels = _complete(data, [*terms, outcome], cluster)
    return values[:, -1], values[:, :-1], labels


def check_columns(data, outcome, blocks, cluster=None) -> tuple[str, ...]:
    """Names of all candidates, block after block; ParameterError with every problem found."""
    if blocks is not None and not isinstance(blocks, Mapping):
        raise ParameterError("blocks maps each block's name to a list of columns.")
    if not blocks or any(len(columns) == 0 for columns in blocks.values()):
        raise ParameterError("Each block needs at least one column, and there must be a block.")
    if any(isinstance(columns, str) for columns in blocks.values()):
        raise ParameterError("Each block is a list of columns, not a single name.")
    terms = tuple(column for columns in blocks.values() for column in columns)
    wanted = [*terms, outcome]
    used = dict.fromkeys([*wanted, *([] if cluster is None else [cluster])])
    arguments.table(data, *used)
    problems, kinds = [], data.dtypes.to_dict()
    for column in used:
        if column not in kinds:
            problems.append(f"there is no column '{column}'")
        elif wanted.count(column) > 1:
            problems.append(f"'{column}' is named more than once")
        elif column in wanted and not _is_number(kinds[column]):
            problems.append(f"'{column}' holds {kinds[column]}, not numbers")
    if problems:
        raise ParameterError(f"The blocks cannot be used: {'; '.join(problems)}.")
    return terms


def _is_number(dtype) -> bool:
    return pd.api.types.is_numeric_dtype(dtype) and dtype.kind != "c"


def _complete(data, columns, cluster) -> tuple[np.ndarray, np.ndarray | None]:
    values = data[columns].to_numpy(dtype=float, na_value=np.nan, copy=True)
    keep = ~np.isnan(values).any(axis=1)
    if cluster is not None:
        keep &= data[cluster].notna().to_numpy()
    if np.isinf(values).any():
        name = columns[int(np.argmax(np.isinf(values).any(axis=0)))]
        raise ParameterError(f"The column '{name}' holds an infinite value.")
    labels = None if cluster is None else data[cluster].to_numpy()[keep]
    return (values if keep.all() else values[keep]), labels
