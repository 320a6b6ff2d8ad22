"""How consistently the items of one questionnaire measure one thing."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from scipy.special import stdtrit
from scipy.stats import f as f_distribution

from ..errors import NotEstimableError, ParameterError
from .design import aligned, as_floats
from .robust import MAX_BLOCKS, leave_one_out

LARGEST_COMMUNALITY = 0.995  # psych's bound: a uniqueness below .005 is a Heywood case
MIN_RESPONDENTS = 4


def reliability(items, keys=None, cluster=None) -> pd.DataFrame:
    """Cronbach's alpha with its 95 % interval, omega total and the weakest item of one scale.

    Use alpha to compare with published reports and omega when items differ in how closely they
    follow the common factor. Neither shows that a scale has one dimension, and a single wrongly
    reversed item hardly moves them: look at the weakest item for that.

    Parameters
    ----------
    items : DataFrame or ndarray, shape (n_respondents, n_columns)
        One row per respondent, raw responses; NaN where an answer is missing.
    keys : sequence of int, optional
        Item numbers of the scale, counted from 1 in the order of the columns; a minus sign marks
        a reversed item. Without keys every column is an item and none is reversed.
    cluster : array-like, shape (n_respondents,), optional
        What makes respondents alike, such as the case manager who filled in several forms. With it
        the interval of alpha comes from leaving out one cluster at a time; a respondent without
        a label stands alone.

    Returns
    -------
    DataFrame, one row
        ``n_items n alpha alpha_low alpha_high omega_total lowest_item_rest_r``. ``n`` counts
        respondents with at least one answer. Items that everybody answered alike are left out
        with a warning and are not counted in ``n_items``.

    Raises
    ------
    ParameterError
        Keys that name no column or name it twice, responses that are not numbers.
    NotEstimableError
        Fewer than two items that vary, fewer than four respondents, an item nobody answered, or
        a pair of items nobody answered together; fewer than three clusters.

    Notes
    -----
    All statistics come from the pairwise covariances, as in R's ``psych::alpha``. The interval
    of alpha is exact for normal items with equal covariances, and takes respondents as
    independent (Feldt, Woodruff & Salih 1987); with clusters it is a jackknife of log(1 - alpha)
    (Bonett 2002 for the scale) with t on the clusters less one, or on 199 where there are more than
    200, left out in blocks. Omega total is one minus the share of unique
    variance under one minimum-residual factor of the standardised items, the number of
    ``psych::omega(nfactors=1)``; with two items the loadings are held equal, which makes it the
    standardised alpha.

    Examples
    --------
    >>> import pandas as pd
    >>> items = pd.DataFrame({"a": [1, 2, 4, 5, 6], "b": [2, 2, 5, 4, 7], "c": [7, 5, 3, 4, 1]})
    >>> round(float(reliability(items, keys=[1, 2, -3])["alpha"].iloc[0]), 3)
    0.973
    """
    aligned(items=items, cluster=cluster)
    scale = _keyed(items, keys)
    cov = _covariances(scale)
    varies = np.diag(cov) > 0
    if not varies.all():
        named = ", ".join(str(c) for c in scale.columns[~varies])
        said = f"Everybody gave the same answer to {named}: left out of the reliability."
        warnings.warn(said, stacklevel=2)
    if varies.sum() < 2:
        raise NotEstimableError("Reliability needs at least two items whose answers vary.")
    cov = cov[np.ix_(varies, varies)]
    correlations = scale.loc[:, varies].corr().to_numpy()
    k, n = len(cov), int(scale.notna().any(axis=1).sum())
    if np.isnan(correlations).any():
        raise NotEstimableError("Too few respondents answered the same items: no correlation.")
    if cov.sum() <= 0 or correlations.sum() <= 0:
        remedy = "check the keys for items that should be reversed"
        raise NotEstimableError(f"The items cancel each other out: {remedy}.")
    alpha = _alpha(cov)
    spread = f_distribution.ppf([0.975, 0.025], n - 1, (n - 1) * (k - 1))
    if cluster is not None:
        spread = _spread_over(cluster, scale.loc[:, varies])
    low, high = 1 - (1 - alpha) * spread
    columns = "n_items n alpha alpha_low alpha_high omega_total lowest_item_rest_r"
    row = (k, n, alpha, low, high, _omega_total(correlations), np.nanmin(_item_rest(cov)))
    return pd.DataFrame([row], columns=columns.split())


def _alpha(cov: np.ndarray) -> float:
    return len(cov) / (len(cov) - 1) * (1 - np.trace(cov) / cov.sum())


def _spread_over(cluster, scale: pd.DataFrame) -> np.ndarray:
    """Factors of 1 - alpha at the low and the high end, from leaving out clusters."""
    codes = pd.factorize(np.asarray(cluster))[0]
    codes[codes < 0] = codes.max() + 1 + np.arange((codes < 0).sum())

    seen = scale.notna().to_numpy(float)
    values = (scale - scale.mean()).fillna(0.0).to_numpy(float)

    def log_rest(rows: np.ndarray) -> np.ndarray:
        cov = _pairwise(values[rows], seen[rows])
        # Also false where a covariance is unknown.
        if not (cov.sum() > 0 and _alpha(cov) < 1):
            raise NotEstimableError("the answers of the others give no alpha")
        return np.array([np.log(1 - _alpha(cov))])

    _, covariance, df = leave_one_out(log_rest, codes, MAX_BLOCKS)
    reach = stdtrit(df, 0.975) * np.sqrt(covariance[0, 0])
    return np.exp([reach, -reach])


def _pairwise(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Covariances of the respondents who answered both items; unanswered ones have the value 0."""
    n, sums = seen.T @ seen, values.T @ seen
    with np.errstate(divide="ignore", invalid="ignore"):  # unknown: nobody answered both
        return (values.T @ values - sums * sums.T / n) / (n - 1)


def _keyed(items, keys) -> pd.DataFrame:
    """The items of the scale as floats, reversed ones with their sign turned around."""
    frame = items if isinstance(items, pd.DataFrame) else pd.DataFrame(np.asarray(items))
    numbers = np.arange(1, frame.shape[1] + 1) if keys is None else _checked_keys(keys, frame)
    frame = frame.iloc[:, np.abs(numbers) - 1]
    scale = pd.DataFrame(as_floats(frame, "the items"), frame.index, frame.columns)
    if (n := int(scale.notna().any(axis=1).sum())) < MIN_RESPONDENTS:
        raise NotEstimableError(f"{n} respondents: reliability needs at least {MIN_RESPONDENTS}.")
    return scale * np.sign(numbers)


def _checked_keys(keys, frame) -> np.ndarray:
    numbers, most = np.asarray(keys), frame.shape[1]
    whole = numbers.ndim == 1 and numbers.dtype.kind in "iu"
    items = {abs(n) for n in numbers.tolist()} if whole else set()
    if not items or len(items) < len(numbers) or min(items) < 1 or max(items) > most:
        once = f"give each item of the scale once, by its number from 1 to {most}"
        raise ParameterError(f"keys are {keys!r}; {once}, with a minus sign if it is reversed.")
    return numbers


def _covariances(scale: pd.DataFrame) -> np.ndarray:
    if (empty := scale.columns[scale.notna().sum() < 2]).size:
        few = f"Fewer than two answers to {', '.join(map(str, empty))}"
        raise NotEstimableError(f"{few}: leave it out of the keys.")
    cov = scale.cov().to_numpy()
    if np.isnan(cov).any():
        first, second = np.argwhere(np.isnan(cov))[0]
        both = f"{scale.columns[first]} and {scale.columns[second]}"
        raise NotEstimableError(f"Nobody answered both {both}: their covariance is unknown.")
    return cov


def _item_rest(cov: np.ndarray) -> np.ndarray:
    """Correlation of each item with the sum of the others, NaN where one of the two is constant.

    cov(i, T - i) / sqrt(var(i) var(T - i)), the ``r.drop`` of R's ``psych::alpha``.
    """
    with_total, own = cov.sum(axis=1), np.diag(cov)
    rest = cov.sum() - 2 * with_total + own
    rest = np.where(rest > 1e-12 * np.trace(cov), rest, np.nan)
    return (with_total - own) / np.sqrt(own * rest)


def _omega_total(r: np.ndarray) -> float:
    """One minimum-residual factor, one loading at a time (Harman & Fukuda 1966)."""
    if len(r) == 2:
        return 2 * r[0, 1] / (1 + r[0, 1])
    off = r - np.eye(len(r))
    values, vectors = np.linalg.eigh(r)
    loading = vectors[:, -1] * np.sqrt(values[-1])
    bound = np.sqrt(LARGEST_COMMUNALITY)
    for _ in range(500):
        before = loading.copy()
        for i, row in enumerate(off):
            others = loading @ loading - loading[i] ** 2
            best = row @ loading / others if others > 1e-12 else 0.0
            loading[i] = min(max(best, -bound), bound)
        if np.abs(loading - before).max() < 1e-10:
            break
    return 1 - (len(r) - loading @ loading) / r.sum()
