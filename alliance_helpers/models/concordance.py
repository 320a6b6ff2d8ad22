"""The statistics of agreement between two ratings, and their intervals."""

from __future__ import annotations

import numpy as np
from scipy import special
from scipy.stats import f as f_distribution

from ..errors import NotEstimableError

STATISTICS = (
    "pearson_r",
    "spearman_rho",
    "icc_a1",
    "icc_c1",
    "ccc",
    "bias",
    "loa_low",
    "loa_high",
)
CORRELATIONS = 5
"""The first of them lie between -1 and 1 and get their intervals on Fisher's z scale."""

LIMITS_Z = special.ndtri(0.975)
MAX_BLOCKS = 200


def statistics(
    x: np.ndarray, y: np.ndarray, codes: tuple[np.ndarray, np.ndarray] | None = None
) -> np.ndarray:
    """Estimates in the order of STATISTICS; bias and limits are those of x minus y.

    Parameters
    ----------
    x, y : ndarray (n,), complete
    codes : two ndarray of int (n,), optional
        x and y as small whole numbers of the same order, from which ranks come without sorting.

    Notes
    -----
    CCC of Lin (1989) with 1/n variances; limits of agreement with the n - 1 standard deviation
    of the differences.

    Examples
    --------
    >>> statistics(np.array([1.0, 2, 3, 4]), np.array([0.0, 2, 3, 5])).round(3).tolist()
    [0.992, 1.0, 0.914, 0.889, 0.889, 0.0, -1.6, 1.6]
    """
    n = len(x)
    icc = intraclass(np.column_stack([x, y]))
    difference = x - y
    bias = difference.mean()
    cross = _cross(x, y)
    ccc = 2 * cross / (_cross(x, x) + _cross(y, y) + n * bias**2)
    reach = LIMITS_Z * difference.std(ddof=1)
    cx, cy = codes or (_order_codes(x), _order_codes(y))
    rho = _pearson(_ranks(cx), _ranks(cy))
    return np.array(
        [_pearson(x, y), rho, icc["icc_a1"], icc["icc_c1"], ccc, bias, bias - reach, bias + reach]
    )


def intraclass(ratings: np.ndarray) -> dict[str, float]:
    """Six intraclass correlations of n targets rated by the same k raters.

    Parameters
    ----------
    ratings : ndarray (n, k), complete

    Returns
    -------
    dict
        ``icc_11 icc_a1 icc_c1`` for one rater, ``icc_1k icc_ak icc_ck`` for the mean of k: raters
        taken as interchangeable, as to agree absolutely, as to agree up to a constant each.

    Notes
    -----
    McGraw & Wong (1996); ICC(1,1), ICC(2,1), ICC(3,1) and their k forms in Shrout & Fleiss (1979).

    Examples
    --------
    >>> float(round(intraclass(np.array([[1, 2], [2, 3], [3, 4], [5, 6.0]]))["icc_c1"], 3))
    1.0
    """
    n, k = ratings.shape
    rows, columns, error = _mean_squares(ratings)
    within = ((n - 1) * error + columns) / n
    shift = (columns - error) / n
    with np.errstate(divide="ignore"):  # no differences between targets: the k forms are -inf
        return {
            "icc_11": (rows - within) / (rows + (k - 1) * within),
            "icc_a1": (rows - error) / (rows + (k - 1) * error + k * shift),
            "icc_c1": (rows - error) / (rows + (k - 1) * error),
            "icc_1k": (rows - within) / rows,
            "icc_ak": (rows - error) / (rows + shift),
            "icc_ck": (rows - error) / rows,
        }


def intervals(
    x: np.ndarray, y: np.ndarray, estimate: np.ndarray, conf_level: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Low ends, high ends and p-values of the STATISTICS when pairs are independent."""
    n = len(x)
    r, rho, icc_a1, _, ccc, bias = estimate[:6]
    quantile = special.ndtri(0.5 + conf_level / 2)
    z_error = np.array([1, np.sqrt(1 + rho**2 / 2)]) / np.sqrt(n - 3)
    z_error = np.append(z_error, _ccc_error(x, y, r, ccc))
    on_z = estimate[[0, 1, 4]]
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.arctanh(on_z)
        reach = quantile * z_error
        low, high = np.tanh(z - reach), np.tanh(z + reach)
        t = on_z[:2] * np.sqrt((n - 2) / (1 - on_z[:2] ** 2))
        p = np.append(
            2 * special.stdtr(n - 2, -np.abs(t)), 2 * special.ndtr(-abs(z[2] / z_error[2]))
        )
    ends = np.empty((3, len(STATISTICS)))
    ends[:, [0, 1, 4]] = low, high, p
    ends[:, [2, 3]] = _icc_intervals(x, y, icc_a1, 1 - conf_level)
    error = (x - y).std(ddof=1) / np.sqrt(n)
    limit_error = error * np.sqrt(1 + LIMITS_Z**2 * n / (2 * (n - 1)))
    errors = np.array([error, limit_error, limit_error])
    reach = special.stdtrit(n - 1, 0.5 + conf_level / 2) * errors
    p = [2 * special.stdtr(n - 1, -abs(bias) / error), np.nan, np.nan]
    ends[:, 5:] = estimate[5:] - reach, estimate[5:] + reach, p
    return ends[0], ends[1], ends[2]


def jackknife(
    x: np.ndarray, y: np.ndarray, groups: np.ndarray, estimate: np.ndarray, conf_level: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Low ends, high ends and p-values of the STATISTICS by leaving out one cluster at a time.

    The limits of agreement put together the intervals of the mean difference and of its spread,
    the latter on the log scale (MOVER; Zou 2013, Stat Methods Med Res 22:630-642).

    Parameters
    ----------
    groups : ndarray of int (n,)
        Cluster of each pair; with more than MAX_BLOCKS clusters, blocks of them are left out.

    Raises
    ------
    NotEstimableError
        The pairs outside some cluster are too few, or all alike.
    """
    codes = np.unique(groups, return_inverse=True)[1] % MAX_BLOCKS
    blocks = codes.max() + 1
    without = np.empty((blocks, len(STATISTICS)))
    order_x, order_y = _order_codes(x), _order_codes(y)
    for block in range(blocks):
        rest = codes != block
        x_rest, y_rest = x[rest], y[rest]
        if len(x_rest) < 3 or min(np.ptp(v) for v in (x_rest, y_rest, x_rest - y_rest)) == 0:
            raise NotEstimableError(
                f"One cluster holds {len(x) - len(x_rest)} of the {len(x)} pairs, and the others "
                "do not vary: intervals that respect clusters cannot be computed."
            )
        without[block] = statistics(x_rest, y_rest, (order_x[rest], order_y[rest]))
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = _unbounded(estimate[None])[0]
        without = _unbounded(without)
        deviation = without - without.mean(axis=0)
        error = np.sqrt((blocks - 1) / blocks * (deviation**2).sum(axis=0))
        reach = special.stdtrit(blocks - 1, 0.5 + conf_level / 2) * error
        p = 2 * special.stdtr(blocks - 1, -np.abs(scale / error))
    if not np.isfinite(error).all():
        named = ", ".join(np.array(STATISTICS)[~np.isfinite(error)])
        raise NotEstimableError(
            f"{named}: exactly 1 or -1, with or without some cluster, so that no interval can be "
            "computed. Leave cluster out."
        )
    low, high = scale - reach, scale + reach
    for ends in (low, high):
        ends[:CORRELATIONS] = np.tanh(ends[:CORRELATIONS])
    shift, half = reach[CORRELATIONS], np.exp([low[-1], scale[-1], high[-1]]) / 2
    inward, outward = np.hypot(shift, half[1] - half[0]), np.hypot(shift, half[2] - half[1])
    low[-2:] = estimate[-2:] - np.array([outward, inward])
    high[-2:] = estimate[-2:] + np.array([inward, outward])
    p[-2:] = np.nan
    return low, high, p


def _unbounded(estimates: np.ndarray) -> np.ndarray:
    """Correlations on Fisher's z; in the last two places the log of the width between limits."""
    out = estimates.copy()
    out[:, :CORRELATIONS] = np.arctanh(out[:, :CORRELATIONS])
    out[:, -2:] = np.log(estimates[:, -1:] - estimates[:, -2:-1])
    return out


def _cross(x, y) -> float:
    return float(np.sum((x - x.mean()) * (y - y.mean())))


def _order_codes(x) -> np.ndarray:
    return np.unique(x, return_inverse=True)[1]


def _ranks(codes) -> np.ndarray:
    """Ranks, ties at their middle."""
    counts = np.bincount(codes)
    return (np.cumsum(counts) - (counts - 1) / 2)[codes]


def _pearson(x, y) -> float:
    r = _cross(x, y) / np.sqrt(_cross(x, x) * _cross(y, y))
    return float(np.clip(r, -1, 1))


def _mean_squares(ratings: np.ndarray) -> tuple[float, float, float]:
    """Between targets, between raters, and residual."""
    n, k = ratings.shape
    by_row, by_column = ratings.mean(axis=1), ratings.mean(axis=0)
    residual = ratings - by_row[:, None] - by_column + ratings.mean()
    error = (residual**2).sum() / ((n - 1) * (k - 1))
    return k * by_row.var(ddof=1), n * by_column.var(ddof=1), error


def _icc_intervals(x, y, icc_a1: float, alpha: float) -> np.ndarray:
    """Low, high and p of ICC(A,1) and ICC(C,1), as columns (McGraw & Wong 1996, tables 7, 8)."""
    n, k = len(x), 2
    rows, columns, error = _mean_squares(np.column_stack([x, y]))
    f, tail = rows / error, 1 - alpha / 2
    low = f / f_distribution.ppf(tail, n - 1, n - 1)
    high = f * f_distribution.ppf(tail, n - 1, n - 1)
    c1 = (low - 1) / (low + 1), (high - 1) / (high + 1)
    fj = columns / error
    spread = n * (1 + (k - 1) * icc_a1) - k * icc_a1
    df = (n - 1) * (k * icc_a1 * fj + spread) ** 2 / ((n - 1) * (k * icc_a1 * fj) ** 2 + spread**2)
    upper, lower = f_distribution.ppf(tail, n - 1, df), f_distribution.ppf(tail, df, n - 1)
    pooled = k * columns + (k * n - k - n) * error
    a1 = (
        n * (rows - upper * error) / (upper * pooled + n * rows),
        n * (lower * rows - error) / (pooled + n * lower * rows),
    )
    p = f_distribution.sf(f, n - 1, n - 1)
    return np.array([[a1[0], c1[0]], [a1[1], c1[1]], [p, p]])


def _ccc_error(x, y, r: float, ccc: float) -> float:
    """Standard error of Fisher's z of the CCC (Lin 1989, corrected 2000), free of 1/r."""
    n = len(x)
    sx, sy = x.std(), y.std()
    shift = (x.mean() - y.mean()) ** 2 / (sx * sy)
    accuracy = 2 / (sx / sy + sy / sx + shift)
    variance = (
        (1 - r**2) * accuracy**2 * (1 - ccc**2)
        + 2 * accuracy * ccc**2 * (1 - ccc) * shift
        - accuracy**2 * ccc**2 * shift**2 / 2
    ) / (n - 2)
    return np.sqrt(max(variance, 0)) / (1 - ccc**2)
