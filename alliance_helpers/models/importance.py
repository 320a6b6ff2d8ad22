"""How much of an outcome each predictor, or each group of them, accounts for.

Predictors that go together share what they explain, so a part of R-squared belongs to none alone.
LMG gives each the average of what it adds over all orders of entry (Lindeman, Merenda & Gold 1980;
Gromping 2007, Am Stat 61:139-147; for groups the Shapley value of the groups).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import factorial

import numpy as np
import pandas as pd

from ..errors import NotEstimableError, ParameterError
from .design import COLLINEAR
from .permutations import monte_carlo_interval
from .selection import Resampler
from .sessions import without_trend

MOST_UNITS = 15
CELLS_AT_ONCE = 1 << 22


def relative_importance(
    data, outcome: str, predictors, cluster=None, n_boot: int = 1000, n_noise: int = 200, seed=1995
) -> pd.DataFrame:
    """Relative importance by LMG, exact over all subsets of predictors.

    Parameters
    ----------
    data : DataFrame
        Rows with a missing value in a named column are left out.
    outcome : str
    predictors : sequence of str, or mapping of str to sequence of str
        Columns; or groups of columns that enter together and get one importance. At most 15.
    cluster : str, optional
        Column of the case manager: whole case managers are resampled, and the noise reference
        respects them.
    n_boot : int
        Bootstrap resamples for the intervals; 0 for none.
    n_noise : int
        Permutations of the outcome for the noise reference; 0 for none.
    seed : int

    Returns
    -------
    DataFrame : term estimate conf_low conf_high share first last noise p_value p_low p_high
    r_squared n
        ``estimate`` adds up to ``r_squared``; ``share`` is its part of it. ``first``: R-squared
        with nothing else in the model; ``last``: what it adds to all the others. ``noise``: mean
        importance when nothing is related to the outcome (it is never below zero), and
        ``p_value`` the share of such permutations that reach the estimate (``p_low`` to ``p_high``
        with all permutations, `permutations.monte_carlo_interval`). Intervals are bootstrap
        percentiles: since importance cannot be negative they say how stable an importance is, not
        whether there is any; that is what ``p_value`` is for.

    Raises
    ------
    ParameterError
        Unknown, repeated or non-numeric columns, more than 15 predictors or groups.
    NotEstimableError
        A constant predictor or outcome, fewer rows than predictors, one case manager, or a
        predictor that is a linear combination of predictors of other groups.

    Notes
    -----
    The R-squared of all subsets follows from one correlation matrix by sweeping predictors in or
    leaving them out, a tree whose cost is about six operations per subset; so a thousand resamples
    of six predictors take about a tenth of a second. Equal to an average over all orderings in R.

    Examples
    --------
    >>> rng = np.random.default_rng(1995)
    >>> data = pd.DataFrame(rng.normal(size=(201, 3)), columns=["age", "symptoms", "alliance"])
    >>> data["alliance"] += data["age"]
    >>> table = relative_importance(data, "alliance", ["age", "symptoms"], n_boot=200)
    >>> table["share"].round(1).tolist()
    [1.0, 0.0]
    """
    groups = _groups(predictors)
    source = Resampler(data, outcome, groups, cluster)
    widths = [len(columns) for columns in groups.values()]
    _refuse_collinear(source.R[:-1, :-1], widths, list(groups))
    r_squared = subset_r_squared(source.R[None], widths)
    full = len(r_squared) - 1
    single = 1 << np.arange(len(widths))
    estimate = lmg(r_squared)[:, 0]
    table = pd.DataFrame({"term": list(groups), "estimate": estimate})
    limits = np.nan, np.nan
    if n_boot:
        found = [_by_resample(b.correlations, widths) for b in source.resampled(n_boot, seed)]
        limits = np.quantile(np.concatenate(found, axis=1), [0.025, 0.975], axis=1)
    table["conf_low"], table["conf_high"] = limits
    table["share"] = estimate / r_squared[full, 0]
    table["first"] = r_squared[single, 0]
    table["last"] = r_squared[full, 0] - r_squared[full - single, 0]
    table[["noise", "p_value", "p_low", "p_high"]] = np.nan
    if n_noise:
        shuffled = source.permuted(n_noise, np.random.default_rng([seed, 1]))
        by_chance = _by_resample(shuffled, widths)
        table["noise"] = by_chance.mean(axis=1)
        reached = (by_chance >= estimate[:, None] - 1e-12).sum(axis=1)
        table["p_value"] = (1 + reached) / (1 + n_noise)
        table[["p_low", "p_high"]] = [monte_carlo_interval(r, n_noise) for r in reached]
    return table.assign(r_squared=r_squared[full, 0], n=source.n)


def lmg(r_squared: np.ndarray) -> np.ndarray:
    """Average increment of each unit over all orders of entry.

    Parameters
    ----------
    r_squared : ndarray (2**p, b)
        R-squared of every subset; bit j of the position says whether unit j is in.

    Returns
    -------
    ndarray (p, b)

    Examples
    --------
    >>> lmg(np.array([[0.0], [0.2], [0.3], [0.4]])).round(3).ravel().tolist()
    [0.15, 0.25]
    """
    p = len(r_squared).bit_length() - 1
    subsets = np.arange(1 << p)
    size = np.bitwise_count(subsets)
    weight = np.array([factorial(s) * factorial(p - 1 - s) / factorial(p) for s in range(p)])
    out = np.empty((p, r_squared.shape[1]))
    for j in range(p):
        without = subsets[(subsets >> j) & 1 == 0]
        gain = r_squared[without | (1 << j)] - r_squared[without]
        out[j] = weight[size[without]] @ gain
    return out


def subset_r_squared(correlations: np.ndarray, widths: Sequence[int]) -> np.ndarray:
    """R-squared of every subset of units, for many correlation matrices at once.

    Parameters
    ----------
    correlations : ndarray (b, m + 1, m + 1)
        The outcome last, the columns of each unit side by side.
    widths : sequence of p int
        Columns of each unit; they add up to m.

    Returns
    -------
    ndarray (2**p, b)
        Position s holds the subset whose units are the bits of s. A column that those before it
        determine adds nothing.

    Examples
    --------
    >>> R = np.array([[[1, 0, 0.6], [0, 1, 0.3], [0.6, 0.3, 1]]])
    >>> subset_r_squared(R, [1, 1]).round(2).ravel().tolist()
    [0.0, 0.36, 0.09, 0.45]
    """
    state = np.asarray(correlations, float)[None]
    total = state[0, :, -1, -1].copy()
    for width in widths:
        swept = state
        for _ in range(width):
            swept = _sweep(swept)
        state = np.concatenate([state[..., width:, width:], swept])
    return 1 - state[..., 0, 0] / total


def _sweep(state: np.ndarray) -> np.ndarray:
    """Hold the first column constant."""
    pivot = state[..., :1, :1]
    row = state[..., :1, 1:]
    scaled = np.divide(row, pivot, out=np.zeros_like(row), where=pivot > COLLINEAR)
    return state[..., 1:, 1:] - np.swapaxes(row, -1, -2) * scaled


def _groups(predictors) -> dict[str, list[str]]:
    if isinstance(predictors, Mapping):
        groups = {str(name): list(columns) for name, columns in predictors.items()}
    else:
        groups = {str(name): [name] for name in predictors}
        if len(groups) != len(predictors):
            raise ParameterError("A predictor is named twice.")
    if not 1 <= len(groups) <= MOST_UNITS:
        raise ParameterError(
            f"{len(groups)} predictors or groups were given; importance over all orders is "
            f"worked out for 1 to {MOST_UNITS}. Put predictors together into groups."
        )
    return groups


def _refuse_collinear(correlations: np.ndarray, widths, names) -> None:
    """Collinear columns inside a group do no harm; across groups nobody can tell whose it is."""
    stop = 0
    for width, name in zip(widths, names, strict=True):
        start, stop = stop, stop + width
        own = slice(start, stop)
        if _rank(correlations[:stop, :stop]) < _rank(correlations[:start, :start]) + _rank(
            correlations[own, own]
        ):
            raise NotEstimableError(
                f"'{name}' is, wholly or in part, a linear combination of the predictors before it "
                f"({', '.join(names[: names.index(name)])}): leave one of them out, or put them "
                "into one group."
            )


def _rank(matrix: np.ndarray) -> int:
    return np.linalg.matrix_rank(matrix, COLLINEAR**0.5, hermitian=True) if matrix.size else 0


def _by_resample(correlations: np.ndarray, widths) -> np.ndarray:
    matrices = correlations.transpose(2, 0, 1)
    at_once = max(1, CELLS_AT_ONCE >> len(widths))
    parts = [
        lmg(subset_r_squared(matrices[start : start + at_once], widths))
        for start in range(0, len(matrices), at_once)
    ]
    return np.concatenate(parts, axis=1)


def changes(rows: pd.DataFrame, rating: str) -> pd.DataFrame:
    """What is new at an occasion: a rating that its past does not foretell, and other measures.

    Parameters
    ----------
    rows : DataFrame
        `person time`, the rating and the other measures; only complete rows.
    rating : str

    Returns
    -------
    DataFrame
        `person` and the measures, a row for each occasion with another just before it: deviations
        from the person's own means without the trend that all share, and without what the rating
        and the measure itself foretell of it at the occasion before.

    Raises
    ------
    NotEstimableError
        Fewer than ten such occasions.

    Examples
    --------
    >>> rows = pd.DataFrame({"person": np.repeat(np.arange(9), 3), "time": [1, 2, 3] * 9})
    >>> rows["rating"] = np.random.default_rng(1).normal(size=27)
    >>> changes(rows, "rating").shape
    (18, 2)
    """
    rows = rows.sort_values(["person", "time"], ignore_index=True)
    free = rows.drop(columns=["person", "time"])
    time = rows["time"] - rows.groupby("person")["time"].transform("mean")
    free = without_trend(free - free.groupby(rows["person"]).transform("mean"), time)
    there = rows.groupby("person")["time"].diff() == 1
    if there.sum() < 10:
        raise NotEstimableError(f"only {there.sum()} occasions have another just before them")
    before, new = free.shift()[there], free[there].copy()
    for name in free:
        design = np.column_stack([np.ones(len(new)), before[[rating, name]]])
        new[name] -= design @ np.linalg.lstsq(design, new[name].to_numpy())[0]
    return new.assign(person=rows["person"])
