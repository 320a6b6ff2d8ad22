"""Resamples and permutations of people or of case managers, many regressions at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from ..errors import NotEstimableError
from . import arguments
from .stepwise import Rule, correlate, moments, numeric_rows, run

BATCH = 512
"""Resamples worked on side by side; fixed, so that results do not depend on memory."""
ROWS = 8192
"""Rows whose products are held at a time."""
ALIKE = 1.2
"""Groups whose sizes differ by less than this ratio may exchange places in a permutation."""


@dataclass(frozen=True)
class Batch:
    """Resamples ready for `stepwise.run`; the last axis counts them.

    Attributes
    ----------
    correlations : ndarray (p + 1, p + 1, b)
    n : ndarray (b,), rows in each resample
    means, spreads : ndarray (p + 1, b), in standard units of the full sample
    """

    correlations: np.ndarray
    n: np.ndarray
    means: np.ndarray
    spreads: np.ndarray


class Resampler:
    """The complete rows of a hierarchical regression, ready to be weighted over and over.

    Parameters
    ----------
    data, outcome, blocks, cluster
        As in `regression.hierarchical_regression`, with its errors.

    Attributes
    ----------
    terms, blocks : names, and positions of each block's candidates
    Z : ndarray (n, p + 1), complete rows in standard units, the outcome last
    codes : ndarray (n,) of group numbers, or None
    """

    def __init__(
        self,
        data: pd.DataFrame,
        outcome: str,
        blocks: Mapping[str, Sequence[str]],
        cluster: str | None = None,
    ) -> None:
        sums = moments(data, outcome, blocks, cluster)
        y, X, labels = numeric_rows(data, outcome, sums.terms, cluster)
        spread = np.sqrt(np.diag(sums.products) / sums.n)
        self.Z = (np.column_stack([X, y]) - sums.means) / spread
        self.terms, self.blocks, self.names = sums.terms, sums.blocks, list(blocks)
        self.n, self.m = self.Z.shape
        self.codes, self.n_units = None, self.n
        if cluster is not None:
            self.codes, found = pd.factorize(labels)
            self.n_units = len(found)
            if self.n_units < 2:
                raise NotEstimableError(f"All complete rows have the same '{cluster}'.")
        self.pairs = np.triu_indices(self.m)
        self._sums = self._unit_sums() if self.codes is not None or self.n <= ROWS else None

    def draw(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Rows, or whole groups, drawn with replacement: indices (size, n_units)."""
        return rng.integers(0, self.n_units, (size, self.n_units))

    def weights(self, drawn: np.ndarray) -> np.ndarray:
        """How often each unit was drawn: floats (n_units, size)."""
        size, units = drawn.shape
        flat = (drawn + units * np.arange(size)[:, None]).ravel()
        counts = np.bincount(flat, minlength=size * units).reshape(size, units)
        return counts.astype(float).T

    def batch(self, weights: np.ndarray, outcomes: np.ndarray | None = None) -> Batch:
        """Correlations of all resamples by one matrix product.

        Parameters
        ----------
        weights : ndarray (n_units, b)
        outcomes : ndarray (n, b), optional
            Another outcome for each resample, in standard units.
        """
        count = len(self.pairs[0])
        sums = self._sums @ weights if self._sums is not None else self._blockwise(weights)
        products = np.empty((self.m, self.m, weights.shape[1]))
        products[self.pairs] = sums[:count]
        products[self.pairs[::-1]] = sums[:count]
        totals = sums[count:-1]
        n = np.rint(sums[-1]).astype(np.intp)
        if outcomes is not None:
            rows = weights if self.codes is None else weights[self.codes]
            weighted = rows * outcomes
            products[:-1, -1] = products[-1, :-1] = self.Z[:, :-1].T @ weighted
            products[-1, -1] = np.einsum("nb,nb->b", weighted, outcomes)
            totals[-1] = weighted.sum(axis=0)
        means = totals / n
        products -= totals[:, None] * means[None]
        spreads = np.sqrt(np.maximum(np.einsum("iib->ib", products), 0) / n)
        flat = spreads <= 1e-7
        products[flat[:, None] | flat[None]] = 0.0
        return Batch(correlate(products), n, means, spreads)

    def _blockwise(self, weights: np.ndarray) -> np.ndarray:
        edges = [*range(0, self.n, ROWS), self.n]
        return sum(self._row_sums(slice(a, b)) @ weights[a:b] for a, b in pairwise(edges))

    def _row_sums(self, rows: slice) -> np.ndarray:
        Z = np.ascontiguousarray(self.Z[rows].T)
        first, second = self.pairs
        return np.concatenate([Z[first] * Z[second], Z, np.ones((1, Z.shape[1]))])

    def _unit_sums(self) -> np.ndarray:
        if self.codes is None:
            return self._row_sums(slice(None))
        total = np.zeros((len(self.pairs[0]) + self.m + 1, self.n_units))
        for a, b in pairwise([*range(0, self.n, ROWS), self.n]):
            member = np.zeros((b - a, self.n_units))
            member[np.arange(b - a), self.codes[a:b]] = 1.0
            total += self._row_sums(slice(a, b)) @ member
        return total


def batches(total: int) -> Iterator[int]:
    """Sizes of the batches in which `total` resamples are worked on."""
    arguments.whole(1, resamples=total)
    for start in range(0, total, BATCH):
        yield min(BATCH, total - start)


def permuted_rows(
    groups: np.ndarray | None, n: int, size: int, rng: np.random.Generator
) -> np.ndarray:
    """Permutations of rows that keep rows of a group together.

    Parameters
    ----------
    groups : ndarray (n,) of labels, or None
        None permutes rows freely, which is valid only for independent rows.
    n : int
        Rows.
    size : int
        Permutations wanted.
    rng : numpy Generator

    Returns
    -------
    ndarray of int (size, n)
        Row i of a permuted outcome is ``y[permuted[k, i]]``.

    Notes
    -----
    Rows are shuffled inside their group, and whole groups change places with groups of the same
    size: both leave the distribution of an outcome with a random level per group as it was, so
    the test is exact for any such outcome (Winkler et al. 2015, NeuroImage 123:253-268). Sizes
    that differ by less than a fifth count as the same, and a group without a partner joins the
    stratum nearest in size; the few surplus rows of the larger group fill the larger place, which
    makes the test nearly exact instead (benchmarks/permutation_size.csv).

    Examples
    --------
    >>> rng = np.random.default_rng(1995)
    >>> sorted(permuted_rows(np.array(list("aabb")), 4, 1, rng)[0].tolist())
    [0, 1, 2, 3]
    """
    if groups is None:
        return rng.permuted(np.tile(np.arange(n), (size, 1)), axis=1)
    codes = pd.factorize(np.asarray(groups), use_na_sentinel=False)[0]
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    starts = np.cumsum(sizes) - sizes
    out = np.empty((size, n), dtype=np.intp)
    for members in strata(sizes):
        width = sizes[members].max()
        place = np.arange(width) < sizes[members, None]
        table = np.where(
            place, order[np.where(place, starts[members, None] + np.arange(width), 0)], -1
        )
        keys = rng.random((size, *table.shape))
        keys[:, ~place] = 2.0
        givers = np.take_along_axis(
            np.broadcast_to(table, keys.shape), keys.argsort(axis=2), axis=2
        )
        swap = rng.random((size, len(members))).argsort(axis=1)
        givers = givers[np.arange(size)[:, None], swap]
        givers[place & (givers < 0)] = givers[~place & (givers >= 0)]
        out[:, table[place]] = givers[:, place]
    return out


def strata(sizes: np.ndarray) -> list[np.ndarray]:
    """Groups of like size, each stratum as positions into `sizes`, small groups first.

    Examples
    --------
    >>> [stratum.tolist() for stratum in strata(np.array([2, 2, 3, 3, 9, 10, 30]))]
    [[0, 1], [2, 3], [4, 5, 6]]
    """
    order = np.argsort(sizes, kind="stable")
    found: list[list[int]] = []
    for group in order:
        if not found or sizes[group] >= ALIKE * sizes[found[-1][0]]:
            found.append([])
        found[-1].append(int(group))
    position = 0
    while position < len(found):
        if len(found[position]) > 1 or len(found) == 1:
            position += 1
            continue
        below = sizes[found[position][0]] / sizes[found[position - 1][-1]] if position else np.inf
        last = position == len(found) - 1
        above = np.inf if last else sizes[found[position + 1][0]] / sizes[found[position][0]]
        partner = position - 1 if below <= above else position + 1
        low, high = sorted((position, partner))
        found[low : high + 1] = [found[low] + found[high]]
        position = low
    return [np.array(stratum) for stratum in found]


def permutation_test(
    data: pd.DataFrame,
    outcome: str,
    blocks: Mapping[str, Sequence[str]],
    cluster: str | None = None,
    n_perm: int = 999,
    seed: int = 1995,
    p_enter: float = 0.05,
    p_remove: float = 0.10,
) -> pd.DataFrame:
    """Test the whole stepwise procedure by the R-squared of its final model.

    Parameters
    ----------
    data, outcome, blocks, p_enter, p_remove
        As in `regression.hierarchical_regression`.
    cluster : str, optional
        Column of the case manager. Given, the outcome is shuffled among the clients of a case
        manager, and whole case managers of like size change places; predictors stay where they
        are. Left out, dyads are permuted freely, which is right only if dyads are independent:
        with clients nested in case managers it rejects far too often.
    n_perm : int
        Permutations.
    seed : int

    Returns
    -------
    DataFrame, one row : r_squared p_value r_squared_noise any_selected_noise n_perm n n_groups
        ``r_squared_noise``: mean R2 of the final model under permutation;
        ``any_selected_noise``: share of the permutations in which anything is selected.
        ``p_value`` is (1 + permutations with at least this R2) / (1 + n_perm).

    Raises
    ------
    ParameterError, NotEstimableError
        As `regression.hierarchical_regression`.

    Notes
    -----
    Phipson & Smyth (2010), Stat Appl Genet Mol Biol 9:39, for the p value;
    `resamples.permuted_rows` for the permutation. Its size at this study's shape is in
    benchmarks/permutation_size.csv.

    Examples
    --------
    >>> rng = np.random.default_rng(1995)
    >>> data = pd.DataFrame(rng.normal(size=(201, 3)), columns=["age", "symptoms", "alliance"])
    >>> data["alliance"] += data["age"]
    >>> test = permutation_test(data, "alliance", {"client": ["age", "symptoms"]}, n_perm=99)
    >>> float(test["p_value"].iloc[0])
    0.01
    """
    rule = Rule("stepwise", p_enter, p_remove)
    source = Resampler(data, outcome, blocks, cluster)
    arguments.whole(0, seed=seed)
    rng = np.random.default_rng(seed)
    whole = source.batch(np.ones((source.n_units, 1)))
    observed = float(run(whole.correlations.copy(), whole.n, source.blocks, rule).r_squared[-1, 0])
    found = []
    for size in batches(n_perm):
        order = permuted_rows(source.codes, source.n, size, rng)
        correlations = np.repeat(whole.correlations, size, axis=2)
        with_outcome = source.Z[:, :-1].T @ source.Z[order.T, -1] / source.n
        correlations[:-1, -1] = correlations[-1, :-1] = with_outcome
        path = run(correlations, np.full(size, source.n), source.blocks, rule)
        found.append(path.r_squared[-1])
    r_squared = np.concatenate(found)
    # Rounding must not decide whether a permutation that changes nothing reaches the observed.
    reached = int((r_squared >= observed - 1e-10).sum())
    return pd.DataFrame(
        {
            "r_squared": [observed],
            "p_value": [(1 + reached) / (1 + n_perm)],
            "r_squared_noise": [r_squared.mean()],
            "any_selected_noise": [(r_squared > 1e-10).mean()],
            "n_perm": [n_perm],
            "n": [source.n],
            "n_groups": [source.n_units if cluster is not None else np.nan],
        }
    )
