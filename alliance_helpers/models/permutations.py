"""Permutations of dyads that respect case managers, and tests of many models at once by them.

One set of permutations serves every specification of a claim, so that their dependence is kept
(Simonsohn, Simmons & Nelson 2020, Nat Hum Behav 4:1208-1214).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import betaincinv

from .design import require_whole, runs

# Groups whose sizes differ by less than this ratio may exchange places in a permutation.
ALIKE = 1.2


def permuted_rows(groups, n: int, size: int, rng: np.random.Generator) -> np.ndarray:
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
    order, starts, sizes = runs(pd.factorize(np.asarray(groups), use_na_sentinel=False)[0])
    out = np.empty((size, n), dtype=np.intp)
    for members in strata(sizes):
        width = sizes[members].max()
        place = np.arange(width) < sizes[members, None]
        at = np.where(place, starts[members, None] + np.arange(width), 0)
        table = np.where(place, order[at], -1)
        keys = rng.random((size, *table.shape))
        keys[:, ~place] = 2.0
        givers = np.take_along_axis(np.broadcast_to(table, keys.shape), keys.argsort(axis=2), 2)
        givers = givers[np.arange(size)[:, None], rng.random((size, len(members))).argsort(axis=1)]
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

    def step(i: int) -> float:
        """Ratio of the smallest size in stratum i to the largest in the one before."""
        return sizes[found[i][0]] / sizes[found[i - 1][-1]] if 0 < i < len(found) else np.inf

    while len(found) > 1 and (alone := [i for i, few in enumerate(found) if len(few) == 1]):
        low = alone[0] - (step(alone[0]) <= step(alone[0] + 1))
        found[low : low + 2] = [found[low] + found[low + 1]]
    return [np.array(stratum) for stratum in found]


class Permutations:
    """Permutations of a cohort's dyads, and what they become for a part of its rows.

    Parameters
    ----------
    groups : array-like (n,) of case managers, or None
        Given, rows change places inside a case manager and whole case managers of like size change
        places (:func:`permuted_rows`): valid for predictors of case managers as of dyads.
    n : int
        Dyads.
    n_perm : int
    seed : int

    Examples
    --------
    >>> permutations = Permutations(None, 5, n_perm=2, seed=1)
    >>> permutations.among(np.array([0, 2, 3])).shape
    (3, 3)
    """

    def __init__(self, groups, n: int, n_perm: int = 500, seed: int | list[int] = 1995) -> None:
        require_whole(1, n_perm=n_perm)
        order = permuted_rows(groups, n, n_perm, np.random.default_rng(seed))
        self.order = np.vstack([np.arange(n), order])
        self._known: dict[bytes, np.ndarray] = {}

    def among(self, rows: np.ndarray) -> np.ndarray:
        """The identity, then each permutation, among these rows alone: positions (1 + b, m).

        A row that would get the value of a row left out gets that of the next in the same cycle
        that is not; so specifications with nearly the same rows are permuted nearly alike, and a
        uniform permutation stays uniform.
        """
        key = rows.tobytes()
        if key not in self._known:
            place = np.full(self.order.shape[1], -1)
            place[rows] = np.arange(len(rows))
            giver = self.order[:, rows]
            out = place[giver]
            where = np.nonzero(out < 0)
            while len(where[0]):
                giver[where] = self.order[where[0], giver[where]]
                out[where] = place[giver[where]]
                still = out[where] < 0
                where = tuple(axis[still] for axis in where)
            self._known[key] = out
        return self._known[key]


def monte_carlo_interval(reached: float, draws: float, looks: int = 1) -> tuple[float, float]:
    """Where a probability lies of which `reached` of `draws` random draws are known.

    99 % by Clopper & Pearson (1934), shared among the `looks` at which sampling may stop.

    Examples
    --------
    >>> [round(limit, 4) for limit in monte_carlo_interval(8, 200)]
    [0.013, 0.0905]
    """
    tail = 0.005 / looks
    low = betaincinv(reached, draws - reached + 1, tail) if reached > 0 else 0.0
    high = betaincinv(reached + 1, draws - reached, 1 - tail) if reached < draws else 1.0
    return float(low), float(high)


def joint_test(values: np.ndarray, directed: bool = True, looks: int = 1) -> dict[str, float]:
    """How often permutations reach the median estimate of many models at once.

    Parameters
    ----------
    values : ndarray (1 + b,)
        Medians over the models; the observed first, then those of the permutations.
    directed : bool
        Estimates have a sign; False for shares of variance.
    looks : int
        How often permutations may be counted before enough are made.

    Returns
    -------
    dict : estimate expected p_value p_low p_high n_perm
        ``expected``: mean under permutation, of the size where estimates have a sign. ``p_value``:
        (1 + permutations at least as large) / (1 + b), two-sided where estimates have a sign; it
        would lie between ``p_low`` and ``p_high`` with all permutations
        (:func:`monte_carlo_interval`).

    Examples
    --------
    >>> joint_test(np.array([-0.3, 0.1, -0.1, 0.3]))["p_value"]
    0.5
    """
    size = np.abs(values) if directed else values
    reached, b = int((size[1:] >= size[0] - 1e-12).sum()), len(size) - 1
    p = (1 + reached) / (1 + b), *monte_carlo_interval(reached, b, looks)
    names = ["estimate", "expected", "p_value", "p_low", "p_high", "n_perm"]
    return dict(zip(names, (values[0], size[1:].mean(), *p, b), strict=True))
