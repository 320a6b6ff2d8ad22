"""What each case manager does to an estimate: errors from leaving one out at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import NotEstimableError


def leave_one_out(
    statistic: Callable[[np.ndarray], np.ndarray], groups: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """An estimate, its jackknife covariance over groups, and the degrees of freedom.

    Parameters
    ----------
    statistic : callable
        From the rows to use, an array of bool (n,), to k estimates; on a scale close to normal
        (Fisher's z of a correlation, the log of a ratio).
    groups : ndarray (n,) of labels
        The case manager of each row.

    Returns
    -------
    estimate : ndarray (k,), with every row
    covariance : ndarray (k, k)
    df : int, groups minus 1

    Raises
    ------
    NotEstimableError
        Fewer than three groups; what `statistic` raises, with the group that was left out.

    Notes
    -----
    (J - 1) / J times the cross-products of the estimates without one group about their mean
    (Efron & Stein 1981, Ann Stat 9:586-596).

    Examples
    --------
    >>> x = np.array([1.0, 2.0, 3.0, 6.0])
    >>> estimate, covariance, df = leave_one_out(lambda rows: x[rows].mean(keepdims=True),
    ...                                          np.arange(4))
    >>> bool(np.isclose(covariance[0, 0], x.var(ddof=1) / 4)), df
    (True, 3)
    """
    codes, labels = _codes(groups)
    J = len(labels)
    if J < 3:
        raise NotEstimableError(
            f"{J} case manager{'s' * (J != 1)}: leaving one out at a time needs at least three"
        )
    estimate = np.atleast_1d(statistic(np.ones(len(codes), bool)))
    without = np.empty((J, len(estimate)))
    for j in range(J):
        try:
            without[j] = statistic(codes != j)
        except NotEstimableError as error:
            raise NotEstimableError(f"without case manager {labels[j]}: {error}") from None
    away = without - without.mean(axis=0)
    return estimate, (J - 1) / J * away.T @ away, J - 1


def _codes(groups) -> tuple[np.ndarray, np.ndarray]:
    labels, codes = np.unique(np.asarray(groups), return_inverse=True)
    return codes, labels
