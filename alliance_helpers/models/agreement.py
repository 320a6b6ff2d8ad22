"""How far two informants agree about the same alliance, and where they part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..errors import NotEstimableError, ParameterError
from . import arguments
from .concordance import STATISTICS, intervals, jackknife, statistics
from .design import Sample, as_floats, orthonormal, tidy
from .robust import cluster_robust

MIN_PAIRS = 4


def agreement(
    client: pd.Series | np.ndarray,
    case_manager: pd.Series | np.ndarray,
    cluster: Sequence | None = None,
    conf_level: float = 0.95,
) -> pd.DataFrame:
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
        is the same in all pairs (the same column twice?), fewer than two clusters.

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
    if not 0 < conf_level < 1:
        raise ParameterError(f"conf_level is {conf_level}; give a number between 0 and 1.")
    pairs, groups = _complete({"client": client, "case_manager": case_manager}, cluster)
    x, y = pairs.T
    if np.ptp(x - y) <= 1e-12 * max(np.ptp(x), np.ptp(y)):
        raise NotEstimableError(
            f"client minus case_manager is {x[0] - y[0]:g} in all {len(x)} pairs: was the same "
            "column given twice?"
        )
    estimate = statistics(x, y)
    if groups is None:
        low, high, p = intervals(x, y, estimate, conf_level)
    else:
        low, high, p = jackknife(x, y, groups, estimate, conf_level)
        bias = cluster_robust(x - y, None, groups, conf_level=conf_level).iloc[0]
        at = STATISTICS.index("bias")
        low[at], high[at], p[at] = bias[["conf_low", "conf_high", "p_value"]]
    columns = {"estimate": estimate, "conf_low": low, "conf_high": high, "p_value": p}
    return pd.DataFrame(columns, index=pd.Index(STATISTICS, name="statistic")).assign(n=len(x))


def truth_and_bias(
    judgment: pd.Series | np.ndarray,
    truth: pd.Series | np.ndarray,
    bias: pd.Series | np.ndarray,
    cluster: Sequence | None = None,
    conf_level: float = 0.95,
) -> pd.DataFrame:
    """What pulls a judgment: a reference, a biasing variable, and a constant shift.

    The truth and bias model of West & Kenny (2011). Nobody holds the truth about an alliance:
    read ``truth`` as "the informant chosen as the reference", and turn the roles around as well.

    Parameters
    ----------
    judgment, truth, bias : array-like of float, shape (n,)
        Judgment and truth in the same units. Rows with a missing value are left out.
    cluster : array-like, shape (n,), optional
        Clusters for CR2 errors with Satterthwaite degrees of freedom.
    conf_level : float
        Level of the intervals.

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
    forces = _fitted(judged, np.column_stack([true, pull]), names[1:], groups, conf_level)
    shift = _fitted(judged - true, None, (), groups, conf_level)
    terms = ["directional_bias", "truth_force", "bias_force"]
    return pd.concat([shift, forces[1:]], ignore_index=True).assign(term=terms)


def response_surface(
    outcome: pd.Series | np.ndarray,
    x: pd.Series | np.ndarray,
    y: pd.Series | np.ndarray,
    midpoint: float,
    cluster: Sequence | None = None,
    conf_level: float = 0.95,
) -> pd.DataFrame:
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
    conf_level : float
        Level of the intervals.

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
    arguments.finite(midpoint=midpoint)
    data, groups = _complete({"outcome": outcome, "x": x, "y": y}, cluster)
    out, first, second = data[:, 0], data[:, 1] - midpoint, data[:, 2] - midpoint
    curved = np.column_stack([first, second, first**2, first * second, second**2])
    names = ("x", "y", "x squared", "x times y", "y squared")
    table = _fitted(out, curved, names, groups, conf_level)
    # The same surface in coordinates whose coefficients are a1 to a4, and one that is not needed.
    along, across = (first + second) / 2, (first - second) / 2
    turned = np.column_stack([along, along**2, across, across**2, 2 * along * across])
    lines = _fitted(out, turned, ("a1", "a2", "a3", "a4", "twist"), groups, conf_level)
    table = table.assign(term=[f"b{i}" for i in range(6)])
    return pd.concat([table, lines[1:5]], ignore_index=True)


def _complete(columns: dict, cluster) -> tuple[np.ndarray, np.ndarray | None]:
    """Rows without a hole as a matrix, and their clusters; every column must vary."""
    given = columns | ({} if cluster is None else {"cluster": cluster})
    series = {name: c for name, c in given.items() if isinstance(c, pd.Series)}
    if len({len(c) for c in series.values()}) == 1:
        first = next(iter(series.values())).index
        if any(not c.index.equals(first) for c in series.values()):
            raise ParameterError(f"The indexes of {', '.join(series)} differ: align them first.")
    vectors = {name: as_floats(values, name) for name, values in columns.items()}
    sizes = {name: v.shape for name, v in vectors.items()}
    if cluster is not None:
        sizes["cluster"] = np.shape(cluster)
    if len(set(sizes.values())) > 1 or any(len(s) != 1 for s in sizes.values()):
        listed = ", ".join(f"{name} {shape}" for name, shape in sizes.items())
        raise ParameterError(f"Give columns of equal length; their shapes are: {listed}.")
    matrix = np.column_stack(list(vectors.values()))
    keep = ~np.isnan(matrix).any(axis=1)
    codes = None
    if cluster is not None:
        codes = pd.factorize(np.asarray(cluster))[0]
        keep &= codes >= 0
        codes = codes[keep]
        if len(np.unique(codes)) < 2:
            raise NotEstimableError("All complete rows belong to one cluster: leave cluster out.")
    matrix = matrix[keep]
    if len(matrix) < MIN_PAIRS:
        raise NotEstimableError(f"{len(matrix)} complete rows: at least {MIN_PAIRS} are needed.")
    for name, column in zip(columns, matrix.T, strict=True):
        if np.ptp(column) == 0:
            raise NotEstimableError(f"{name} is {column[0]:g} in all {len(matrix)} complete rows.")
    return matrix, codes


def _fitted(y, X, names: tuple[str, ...], groups, conf_level: float) -> pd.DataFrame:
    """Least squares as a tidy table, the intercept first; errors by cluster if there are any."""
    n, k = len(y), len(names) + 1
    if n <= k:
        raise NotEstimableError(f"{n} complete rows cannot carry a model with {k} terms.")
    if groups is not None:
        return cluster_robust(y, X, groups, names, conf_level)
    rows = np.arange(n)
    X = np.empty((n, 0)) if X is None else X
    q, back = orthonormal(Sample(y, X, names, rows, rows, np.ones(n, int)))
    projected = q.T @ y
    residual = y - q @ projected
    errors = np.sqrt((back**2).sum(axis=1) * (residual @ residual) / (n - k))
    terms = ("intercept", *names)
    return tidy(terms, back @ projected, errors, n - k, n, conf_level)
