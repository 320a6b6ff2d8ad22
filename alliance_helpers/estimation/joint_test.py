"""Could all these specifications together have shown as much with nothing there to find?

One set of permutations serves every specification, so that their dependence is kept (Simonsohn,
Simmons & Nelson 2020, Nat Hum Behav 4:1208-1214).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtri

from ..errors import ParameterError
from .resamples import permuted_rows

SIGNIFICANT = 0.05


class Permutations:
    """Permutations of a cohort's dyads, and what they become for a part of its rows.

    Parameters
    ----------
    groups : array-like (n,) of case managers, or None
        Given, rows change places inside a case manager and whole case managers of like size change
        places (`resamples.permuted_rows`): valid for predictors of case managers as of dyads.
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

    def __init__(self, groups, n: int, n_perm: int = 500, seed: int = 1995) -> None:
        if n_perm < 1:
            raise ParameterError(f"n_perm is {n_perm}; give at least 1 permutation.")
        rng = np.random.default_rng(seed)
        order = permuted_rows(groups, n, n_perm, rng)
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


def joint_test(estimates: np.ndarray, p_values: np.ndarray, directed: bool = True) -> pd.DataFrame:
    """Three tests of all specifications of a claim at once.

    Parameters
    ----------
    estimates, p_values : ndarray (s, 1 + b)
        One row per specification; the observed first, then the permutations.
    directed : bool
        Estimates have a sign; False for shares of variance.

    Returns
    -------
    DataFrame : statistic estimate expected p_value n_specifications n_perm
        ``median``: median estimate. ``share_significant``: share of specifications with p < .05,
        of the more frequent sign. ``stouffer``: mean z. ``expected``: mean under permutation, of
        the size where estimates have a sign. ``p_value``: (1 + permutations at least as large) /
        (1 + b), two-sided where estimates have a sign.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> z = rng.normal(size=(1, 200)) + rng.normal(size=(20, 200)) / 4
    >>> from scipy.special import ndtr
    >>> joint_test(z, 2 * ndtr(-abs(z)))["statistic"].tolist()
    ['median', 'share_significant', 'stouffer']
    """
    few = p_values < SIGNIFICANT
    safe = np.clip(p_values, 1e-300, 1 - 1e-16)
    median = np.median(estimates, axis=0)
    if directed:
        up = estimates > 0
        share = np.maximum((few & up).mean(axis=0), (few & ~up).mean(axis=0))
        z = (np.sign(estimates) * -ndtri(safe / 2)).mean(axis=0)
    else:
        share = few.mean(axis=0)
        z = -ndtri(safe).mean(axis=0)
    rows = []
    for name, values in (("median", median), ("share_significant", share), ("stouffer", z)):
        size = np.abs(values) if directed else values
        reached = int((size[1:] >= size[0] - 1e-12).sum())
        b = len(size) - 1
        rows.append((name, values[0], size[1:].mean(), (1 + reached) / (1 + b), len(estimates), b))
    columns = "statistic estimate expected p_value n_specifications n_perm"
    return pd.DataFrame(rows, columns=columns.split())
