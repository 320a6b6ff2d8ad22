"""How far two informants agree about the same alliance, and where they part."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special
from scipy.stats import f as f_distribution
from scipy.stats import rankdata

from ..errors import NotEstimableError, ParameterError
from .design import aligned, as_floats, complete, require
from .robust import MAX_BLOCKS, cluster_robust, leave_one_out

STATISTICS = "pearson_r", "spearman_rho", "icc_a1", "icc_c1", "ccc", "bias", "loa_low", "loa_high"
# The first of them lie between -1 and 1 and get their intervals on Fisher's z scale.
CORRELATIONS = 5

LIMITS_Z = special.ndtri(0.975)
MIN_PAIRS = 4


def agreement(client, case_manager, cluster=None, conf_level: float = 0.95) -> pd.DataFrame:
    """Association, agreement and bias of two informants rating the same thing.

    Which row answers which question: ``pearson_r`` and ``spearman_rho``, do they order the dyads
    alike; ``icc_c1``, do they agree once a constant difference is forgiven; ``icc_a1`` and
    ``ccc``, do they give the same scores; ``bias``, how much higher does the client rate;
    ``loa_low`` to ``loa_high``, where the difference of a single dyad lies in 95 of 100.

    Parameters
    ----------
    client, case_manager : array-like of float, shape (n,)
        Paired ratings in the same units; pairs with a missing rating are left out.
    cluster : array-like, shape (n,), optional
        What makes pairs alike, such as the case manager. With it every interval and p-value
        respects clusters: a jackknife over them with t on their number less one, for ``bias``
        CR2 errors with Satterthwaite degrees of freedom.
    conf_level : float
        Level of the intervals. The limits of agreement themselves stay the 95 % ones.

    Returns
    -------
    DataFrame indexed by ``statistic``
        ``estimate conf_low conf_high p_value n``. p-values test a value of zero and are two-sided,
        except for the ICCs without clusters (F test, one-sided); limits of agreement have no null
        hypothesis, hence NaN.

    Raises
    ------
    ParameterError
        Lengths or indexes differ, a rating is no number.
    NotEstimableError
        Fewer than four pairs, an informant who gives everyone the same rating, a difference that
        is the same in all pairs (the same column twice?), fewer than three clusters.

    Notes
    -----
    Intervals without clusters: Fisher's z; Bonett & Wright (2000) for Spearman's rho; McGraw &
    Wong (1996) for the ICCs, named as there; Lin (1989, corrected 2000) with 1/n variances on the
    z scale for the CCC; Bland & Altman (1999), s * sqrt(1/n + 1.96^2 / (2 (n - 1))), for the
    limits. With clusters the correlations are jackknifed on the z scale, and the limits put
    together the jackknifed mean and log spread of the difference (Zou 2013); above 200 clusters,
    200 blocks of clusters are left out in turn.

    Examples
    --------
    >>> ratings = agreement([5.0, 6.0, 4.0, 7.0, 5.5], [4.5, 5.0, 4.0, 6.5, 5.0])
    >>> float(ratings.loc["bias", "estimate"])
    0.5
    """
    require("share", conf_level=conf_level)
    pairs, groups = _complete({"client": client, "case_manager": case_manager}, cluster)
    x, y = pairs.T
    if np.ptp(x - y) <= 1e-12 * max(np.ptp(x), np.ptp(y)):
        same = f"client minus case_manager is {x[0] - y[0]:g} in all {len(x)} pairs"
        raise NotEstimableError(f"{same}: was the same column given twice?")
    estimate = _statistics(x, y)
    names = ["conf_low", "conf_high", "p_value"]
    if groups is None:
        ends = _intervals(x, y, estimate, conf_level)
    else:
        ends = _jackknife(x, y, groups, estimate, conf_level)
        bias = cluster_robust(x - y, None, groups, conf_level=conf_level).iloc[0]
        ends[:, STATISTICS.index("bias")] = bias[names]
    columns = {"estimate": estimate, **dict(zip(names, ends, strict=True)), "n": len(x)}
    return pd.DataFrame(columns, index=pd.Index(STATISTICS, name="statistic"))


def truth_and_bias(judgment, truth, bias, cluster=None) -> pd.DataFrame:
    """What pulls a judgment: a reference, a biasing variable, and a constant shift.

    The truth and bias model of West & Kenny (2011). Nobody holds the truth about an alliance:
    read ``truth`` as "the informant chosen as the reference", and turn the roles around as well.

    Parameters
    ----------
    judgment, truth, bias : array-like of float, shape (n,)
        Judgment and truth in the same units. Rows with a missing value are left out.
    cluster : array-like, shape (n,), optional
        Clusters for CR2 errors with Satterthwaite degrees of freedom.

    Returns
    -------
    DataFrame, tidy
        ``directional_bias``: how far judgments lie above the truth at its mean, in its units;
        ``truth_force`` and ``bias_force``: change of the judgment per unit of each.

    Raises
    ------
    ParameterError, NotEstimableError
        As in :func:`agreement`; also when truth and bias are collinear.

    Notes
    -----
    judgment - mean(truth) = d + t (truth - mean(truth)) + b (bias - mean(bias)) + e. The source
    takes the mean of the truth as known; here its sampling error counts: d is the mean of judgment
    minus truth, and so are its error and its degrees of freedom.

    Examples
    --------
    >>> judged, truth = [5.0, 6.0, 4.0, 7.0, 5.5], [4.5, 5.0, 4.0, 6.5, 5.0]
    >>> truth_and_bias(judged, truth, bias=[1, 2, 1, 3, 2])["term"].tolist()
    ['directional_bias', 'truth_force', 'bias_force']
    """
    names = ("judgment", "truth", "bias")
    data, groups = _complete(dict(zip(names, (judgment, truth, bias), strict=True)), cluster)
    judged, true, pull = data.T
    if np.ptp(judged - true) == 0:
        raise NotEstimableError("judgment and truth differ by the same amount in all rows.")
    forces = cluster_robust(judged, np.column_stack([true, pull]), groups, names[1:])
    shift = cluster_robust(judged - true, None, groups)
    terms = ["directional_bias", "truth_force", "bias_force"]
    return pd.concat([shift, forces[1:]], ignore_index=True).assign(term=terms)


def response_surface(outcome, x, y, midpoint: float, cluster=None) -> pd.DataFrame:
    """How an outcome depends on two ratings together, and on their agreement.

    Polynomial regression with response surface analysis (Edwards & Parry 1993; Shanock et al.
    2010): b0 + b1 X + b2 Y + b3 X^2 + b4 XY + b5 Y^2.

    Parameters
    ----------
    outcome, x, y : array-like of float, shape (n,)
        x and y on the same response scale. Rows with a missing value are left out.
    midpoint : float
        Subtracted from both: the middle of the response scale of x and y (4 for 1 to 7), or of
        the answers given, where the slopes a1 and a3 are then taken.
    cluster : array-like, shape (n,), optional
        Clusters for CR2 errors with Satterthwaite degrees of freedom.

    Returns
    -------
    DataFrame, tidy
        b0 to b5 and the surface: along agreement (X = Y) slope ``a1`` = b1 + b2 and curvature
        ``a2`` = b3 + b4 + b5; along disagreement (X = -Y) slope ``a3`` = b1 - b2 and curvature
        ``a4`` = b3 - b4 + b5. Without clusters all are tested with n - 6 degrees of freedom.

    Raises
    ------
    ParameterError, NotEstimableError
        As in :func:`agreement`; also with six rows or fewer, or ratings with too few different
        values for a curve.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> x, y = rng.normal(4, 1, (2, 50))
    >>> response_surface(x + y, x, y, midpoint=4)["estimate"].round(3).abs().tolist()[-4:]
    [2.0, 0.0, 0.0, 0.0]
    """
    require("finite", midpoint=midpoint)
    data, groups = _complete({"outcome": outcome, "x": x, "y": y}, cluster)
    out, first, second = data[:, 0], data[:, 1] - midpoint, data[:, 2] - midpoint
    curved = np.column_stack([first, second, first**2, first * second, second**2])
    table = cluster_robust(out, curved, groups, ("x", "y", "x squared", "x times y", "y squared"))
    # The same surface in coordinates whose coefficients are a1 to a4, and one that is not needed.
    along, across = (first + second) / 2, (first - second) / 2
    turned = np.column_stack([along, along**2, across, across**2, 2 * along * across])
    lines = cluster_robust(out, turned, groups, ("a1", "a2", "a3", "a4", "twist"))
    table = table.assign(term=[f"b{i}" for i in range(6)])
    return pd.concat([table, lines[1:5]], ignore_index=True)


def _complete(columns: dict, cluster) -> tuple[np.ndarray, np.ndarray | None]:
    """Rows without a hole as a matrix, and their clusters; every column must vary."""
    aligned(**columns, cluster=cluster)
    vectors = {name: as_floats(values, name) for name, values in columns.items()}
    for name, vector in vectors.items():
        if vector.ndim != 1:
            raise ParameterError(f"{name} has the shape {vector.shape}; give one column.")
    matrix = np.column_stack(list(vectors.values()))
    rows, codes = complete(matrix, cluster)
    if codes is not None and codes.max(initial=0) < 1:
        raise NotEstimableError("All complete rows belong to one cluster: leave cluster out.")
    matrix = matrix[rows]
    if len(matrix) < MIN_PAIRS:
        raise NotEstimableError(f"{len(matrix)} complete rows: at least {MIN_PAIRS} are needed.")
    for name, column in zip(columns, matrix.T, strict=True):
        if np.ptp(column) == 0:
            raise NotEstimableError(f"{name} is {column[0]:g} in all {len(matrix)} complete rows.")
    return matrix, codes


def _statistics(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Estimates in the order of STATISTICS; bias and limits are those of x minus y.

    CCC of Lin (1989) with 1/n variances; limits of agreement with the n - 1 standard deviation of
    the differences.
    """
    rows, columns, error = _mean_squares(x, y)
    icc_a1 = (rows - error) / (rows + error + 2 * (columns - error) / len(x))
    icc_c1 = (rows - error) / (rows + error)
    bias, reach = (x - y).mean(), LIMITS_Z * np.sqrt(2 * error)
    xx, xy, yy = of_ratings = _second_moments(x, y)
    ccc = 2 * xy / (xx + yy + bias**2)
    r, rho = (_pearson(*m) for m in (of_ratings, _second_moments(*rankdata([x, y], axis=1))))
    return np.array([r, rho, icc_a1, icc_c1, ccc, bias, bias - reach, bias + reach])


def _second_moments(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Variance of x, covariance, variance of y, by 1/n."""
    x, y = x - x.mean(), y - y.mean()
    return x @ x / len(x), x @ y / len(x), y @ y / len(x)


def _pearson(xx: float, xy: float, yy: float) -> float:
    return np.clip(xy / np.sqrt(xx * yy), -1, 1)


def _intervals(x, y, estimate: np.ndarray, conf_level: float) -> np.ndarray:
    """Low ends, high ends and p-values (rows) of the STATISTICS when pairs are independent."""
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
        p = 2 * np.append(special.stdtr(n - 2, -np.abs(t)), special.ndtr(-abs(z[2] / z_error[2])))
    ends = np.empty((3, len(STATISTICS)))
    ends[:, [0, 1, 4]] = low, high, p
    ends[:, [2, 3]] = _icc_intervals(x, y, icc_a1, 1 - conf_level)
    error = (x - y).std(ddof=1) / np.sqrt(n)
    limit_error = error * np.sqrt(1 + LIMITS_Z**2 * n / (2 * (n - 1)))
    errors = np.array([error, limit_error, limit_error])
    reach = special.stdtrit(n - 1, 0.5 + conf_level / 2) * errors
    p = [2 * special.stdtr(n - 1, -abs(bias) / error), np.nan, np.nan]
    ends[:, 5:] = estimate[5:] - reach, estimate[5:] + reach, p
    return ends


def _jackknife(x, y, groups, estimate: np.ndarray, conf_level: float) -> np.ndarray:
    """The same by leaving out one cluster at a time.

    The limits of agreement put together the intervals of the mean difference and of its spread,
    the latter on the log scale (MOVER; Zou 2013, Stat Methods Med Res 22:630-642).
    """

    def unbounded(rows: np.ndarray) -> np.ndarray:
        """Correlations on Fisher's z; in the last two places the log of the limits' width."""
        a, b = x[rows], y[rows]
        if len(a) < 3 or min(np.ptp(v) for v in (a, b, a - b)) == 0:
            raise NotEstimableError(f"the other {len(a)} of the {len(x)} pairs do not vary")
        out = _statistics(a, b)
        out[:CORRELATIONS] = np.arctanh(out[:CORRELATIONS])
        out[-2:] = np.log(out[-1] - out[-2])
        return out

    with np.errstate(divide="ignore", invalid="ignore"):
        scale, covariance, df = leave_one_out(unbounded, groups, MAX_BLOCKS)
        error = np.sqrt(np.diag(covariance))
        reach = special.stdtrit(df, 0.5 + conf_level / 2) * error
        p = 2 * special.stdtr(df, -np.abs(scale / error))
    if not np.isfinite(error).all():
        named = ", ".join(np.array(STATISTICS)[~np.isfinite(error)])
        why = "exactly 1 or -1, with or without some cluster, so that there is no interval"
        raise NotEstimableError(f"{named}: {why}. Leave cluster out.")
    low, high, _ = ends = np.array([scale - reach, scale + reach, p])
    ends[:2, :CORRELATIONS] = np.tanh(ends[:2, :CORRELATIONS])
    shift, half = reach[CORRELATIONS], np.exp([low[-1], scale[-1], high[-1]]) / 2
    inward, outward = np.hypot(shift, half[1] - half[0]), np.hypot(shift, half[2] - half[1])
    low[-2:] = estimate[-2:] - np.array([outward, inward])
    high[-2:] = estimate[-2:] + np.array([inward, outward])
    ends[2, -2:] = np.nan
    return ends


def _mean_squares(x, y) -> tuple[float, float, float]:
    """Between targets, between the two raters, and residual."""
    n, difference = len(x), x - y
    return 2 * ((x + y) / 2).var(ddof=1), n * difference.mean() ** 2 / 2, difference.var(ddof=1) / 2


def _icc_intervals(x, y, icc_a1: float, alpha: float) -> np.ndarray:
    """Low, high and p of ICC(A,1) and ICC(C,1), as columns (McGraw & Wong 1996, tables 7, 8)."""
    n, k = len(x), 2
    rows, columns, error = _mean_squares(x, y)
    f, tail = rows / error, 1 - alpha / 2
    low = f / f_distribution.ppf(tail, n - 1, n - 1)
    high = f * f_distribution.ppf(tail, n - 1, n - 1)
    c1 = (low - 1) / (low + 1), (high - 1) / (high + 1)
    fj = columns / error
    spread = n * (1 + (k - 1) * icc_a1) - k * icc_a1
    df = (n - 1) * (k * icc_a1 * fj + spread) ** 2 / ((n - 1) * (k * icc_a1 * fj) ** 2 + spread**2)
    upper, lower = f_distribution.ppf(tail, n - 1, df), f_distribution.ppf(tail, df, n - 1)
    pooled = k * columns + (k * n - k - n) * error
    a1_low = n * (rows - upper * error) / (upper * pooled + n * rows)
    a1_high = n * (lower * rows - error) / (pooled + n * lower * rows)
    p = f_distribution.sf(f, n - 1, n - 1)
    return np.array([[a1_low, c1[0]], [a1_high, c1[1]], [p, p]])


def _ccc_error(x, y, r: float, ccc: float) -> float:
    """Standard error of Fisher's z of the CCC (Lin 1989, corrected 2000), free of 1/r."""
    n = len(x)
    sx, sy = x.std(), y.std()
    shift = (x.mean() - y.mean()) ** 2 / (sx * sy)
    accuracy = 2 / (sx / sy + sy / sx + shift)
    variance = (1 - r**2) * accuracy**2 * (1 - ccc**2) - accuracy**2 * ccc**2 * shift**2 / 2
    variance += 2 * accuracy * ccc**2 * (1 - ccc) * shift
    return np.sqrt(max(variance / (n - 2), 0)) / (1 - ccc**2)
