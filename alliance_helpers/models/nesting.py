"""What it costs that one case manager rates, and is rated by, several clients.

The share of a rating that belongs to the case manager, the number of independent dyads that a
correlation is worth, and both informants' ratings split into the case manager and the rest.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import optimize, special

from ..errors import NotEstimableError
from .design import Sample, as_floats, complete_rows

ZERO = 1e-6
"""Share of the total variance below which a component counts as estimated at zero."""


def icc(y, groups) -> float:
    """Share of the variance that belongs to the group, by one-way analysis of variance.

    Parameters
    ----------
    y : array-like (n,)
        Ratings. Rows with a missing value are dropped.
    groups : array-like (n,)
        The case manager of each row.

    Returns
    -------
    float
        (MSB - MSW) / (MSB + (s0 - 1) MSW) with s0 = (n - sum s^2 / n) / (J - 1), s the group
        sizes; negative where groups are more alike than chance makes them (Donner 1986, Int
        Stat Rev 54:67-82).

    Raises
    ------
    NotEstimableError
        One group, only groups of one row, or a rating without variation.

    Examples
    --------
    >>> round(icc([1, 2, 5, 6, 9, 8], list("aabbcc")), 4)
    0.9603
    """
    return icc_of(complete_rows(y, None, groups))


def icc_of(sample: Sample) -> float:
    """The same of a sample's outcome."""
    return _anova(sample, "the rating")[0]


def effective_n(x, y, groups) -> pd.DataFrame:
    """Number of independent dyads that a correlation between two nested variables is worth.

    Parameters
    ----------
    x, y : array-like (n,)
        Two variables; rows with a missing value in either are dropped.
    groups : array-like (n,)
        The case manager of each row.

    Returns
    -------
    DataFrame, one row : n n_groups icc_x icc_y design_effect n_effective
        The design effect is 1 + (sum s^2 / n - 1) ICC_x ICC_y with group sizes s and negative
        ICCs set to 0 (Kish 1965; Scott & Holt 1982, JASA 77:848-854, for a regression slope).

    Raises
    ------
    NotEstimableError
        One group, or a variable without variation.

    Examples
    --------
    >>> age = [30, 30, 41, 41, 52, 52]
    >>> table = effective_n(age, [5, 6, 3, 4, 1, 2], list("aabbcc"))
    >>> float(table["icc_x"].iloc[0])
    1.0
    """
    sample = complete_rows(y, as_floats(x, "x"), groups, ["x"])
    shared = (
        sample.n > sample.n_groups
    )  # where nobody shares a case manager, each dyad counts whole
    icc_y = max(_anova(sample, "y")[0], 0.0) if shared else 0.0
    icc_x = max(_anova(_with_outcome(sample, sample.X[:, 0]), "x")[0], 0.0) if shared else 0.0
    weighted_size = (sample.sizes.astype(float) ** 2).sum() / sample.n
    design_effect = 1 + (weighted_size - 1) * icc_x * icc_y
    return pd.DataFrame(
        {
            "n": [sample.n],
            "n_groups": [sample.n_groups],
            "icc_x": [icc_x],
            "icc_y": [icc_y],
            "design_effect": [design_effect],
            "n_effective": [sample.n / design_effect],
        }
    )


def one_with_many(
    client_ratings, case_manager_ratings, groups, conf_level: float = 0.95
) -> pd.DataFrame:
    """How much of each informant's rating is the case manager, and how much the rest.

    Each client has one case manager, so client, dyad and error cannot be told apart: together
    they are "the rest". For the case manager's form the case manager is the rater (a habit of
    rating, the actor effect); for the client's form the one who is rated (the partner effect).

    Parameters
    ----------
    client_ratings, case_manager_ratings : array-like (n,)
        Both informants' ratings of the same dyads; rows with a missing value are dropped.
    groups : array-like (n,)
        The case manager of each dyad.
    conf_level : float

    Returns
    -------
    DataFrame : informant term estimate conf_low conf_high p_value n n_groups reason
        For each informant ``variance_case_manager``, ``variance_rest`` (in squared units of the
        rating) and ``share_case_manager``; for ``both`` the correlations between the two forms
        across case managers (``correlation_case_manager``) and inside them
        (``correlation_rest``). ``reason`` says in words why a cell is empty.

    Raises
    ------
    NotEstimableError
        One group, only groups of one row, or a rating without variation within groups.

    Notes
    -----
    Variances and correlations are REML estimates of the model with two correlated random
    intercepts and two correlated residuals (Marcus, Kashy & Baldwin 2009, J Couns Psychol
    56:537-548), as ``nlme::lme`` gives. The interval of the share inverts the exact F test of
    each informant's one-way analysis of variance (Wald 1940, Ann Math Stat 11:96-100), and its
    p value tests the share against zero. The interval of the correlation inside case managers is
    Fisher's on the rows minus the groups; that across case managers has none.

    Examples
    --------
    >>> rng = np.random.default_rng(1995)
    >>> manager = np.repeat(np.arange(40), 5)
    >>> habit = rng.normal(size=40)[manager]
    >>> table = one_with_many(rng.normal(size=200), habit + rng.normal(size=200), manager)
    >>> table["informant"].unique().tolist()
    ['client', 'case_manager', 'both']
    """
    sample = complete_rows(
        client_ratings, as_floats(case_manager_ratings, "the ratings"), groups, ["case_manager"]
    )
    ratings = {"client": sample.y, "case_manager": sample.X[:, 0]}
    shares = {
        name: _share_interval(_with_outcome(sample, values), name, conf_level)
        for name, values in ratings.items()
    }
    between, within = _bivariate_reml(np.column_stack(list(ratings.values())), sample)
    rows = []
    for position, (name, (low, high, p_value)) in enumerate(shares.items()):
        b, w = between[position, position], within[position, position]
        at_zero = b <= ZERO * (b + w)
        b = 0.0 if at_zero else b
        between[position, position] = b
        why = "no difference between case managers found" if at_zero else ""
        rows += [
            (name, "variance_case_manager", b, np.nan, np.nan, p_value, why or _SHARE),
            (name, "variance_rest", w, np.nan, np.nan, np.nan, _SHARE),
            (name, "share_case_manager", b / (b + w), low, high, p_value, why),
        ]
    rows += [_between_correlation(between), _within_correlation(within, sample, conf_level)]
    table = pd.DataFrame(
        rows,
        columns=["informant", "term", "estimate", "conf_low", "conf_high", "p_value", "reason"],
    )
    table.insert(6, "n", sample.n)
    table.insert(7, "n_groups", sample.n_groups)
    return table


_SHARE = "the interval is given for the share"


def _with_outcome(sample: Sample, values: np.ndarray) -> Sample:
    return Sample(values, np.empty((len(values), 0)), (), sample.order, sample.starts, sample.sizes)


def _anova(sample: Sample, what: str) -> tuple[float, np.ndarray, float]:
    """Share of the groups, group means, and the mean square within groups."""
    J, n, sizes = sample.n_groups, sample.n, sample.sizes
    if n == J:
        raise NotEstimableError(f"Every one of the {J} groups holds one row: no share of {what}.")
    grand = sample.y.mean()
    means = np.add.reduceat(sample.y - grand, sample.starts) / sizes
    msb = (sizes * means**2).sum() / (J - 1)
    residuals = sample.y - grand - np.repeat(means, sizes)
    msw = residuals @ residuals / (n - J)
    if msb + msw <= (1e-12 * abs(grand)) ** 2:
        raise NotEstimableError(f"All {n} values of {what} are equal: it has no variance to share.")
    s0 = (n - (sizes.astype(float) ** 2).sum() / n) / (J - 1)
    return float((msb - msw) / (msb + (s0 - 1) * msw)), means, float(msw)


def _share_interval(sample: Sample, what: str, conf_level: float) -> tuple[float, float, float]:
    """Exact limits of the share of the groups, and the p value of no share at all."""
    _, means, msw = _anova(sample, f"the {what.replace('_', ' ')} form")
    if msw <= 1e-24 * sample.y.var():
        raise NotEstimableError(f"Within case managers the {what} form does not vary.")
    df1, df2 = sample.n_groups - 1, sample.n - sample.n_groups

    def f(share: float) -> float:
        weights = sample.sizes / (1 + share / (1 - share) * sample.sizes)
        centre = weights @ means / weights.sum()
        return float(weights @ (means - centre) ** 2 / df1 / msw)

    def limit(probability: float) -> float:
        quantile = special.fdtri(df1, df2, probability)
        if f(0.0) <= quantile:
            return 0.0
        return float(optimize.brentq(lambda share: f(share) - quantile, 0.0, 1 - 1e-9, xtol=1e-12))

    tail = (1 - conf_level) / 2
    return limit(1 - tail), limit(tail), float(special.fdtrc(df1, df2, f(0.0)))


def _bivariate_reml(ratings: np.ndarray, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """REML covariance between and within groups of two variables; both 2 x 2."""
    n, J, sizes = sample.n, sample.n_groups, sample.sizes[:, None, None]
    scale = ratings.std(axis=0)
    ratings = (ratings - ratings.mean(axis=0)) / scale
    means = np.add.reduceat(ratings, sample.starts) / sample.sizes[:, None]
    deviations = ratings - np.repeat(means, sample.sizes, axis=0)
    sscp = deviations.T @ deviations
    if abs(np.corrcoef(deviations.T)[0, 1]) > 1 - 1e-10:
        raise NotEstimableError("Within case managers the two forms are copies of each other.")
    lower = np.tril_indices(2)

    def criterion(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        roots = np.zeros((2, 2, 2))
        roots[0][lower], roots[1][lower] = parameters[:3], parameters[3:]
        between, within = roots @ np.swapaxes(roots, 1, 2)
        of_means = np.linalg.inv(between + within / sizes)
        total = of_means.sum(axis=0)
        centre = np.linalg.solve(total, np.einsum("jab,jb->a", of_means, means))
        weighted = np.einsum("jab,jb->ja", of_means, means - centre)
        inverse = np.linalg.inv(within)
        value = (
            -(n - J) * np.linalg.slogdet(inverse)[1]
            + np.sum(inverse * sscp)
            - np.linalg.slogdet(of_means)[1].sum()
            + np.sum(weighted * (means - centre))
            + np.linalg.slogdet(total)[1]
        )
        by_mean = of_means - weighted[:, :, None] * weighted[:, None, :]
        by_mean -= of_means @ np.linalg.inv(total) @ of_means
        by_within = (n - J) * inverse - inverse @ sscp @ inverse + (by_mean / sizes).sum(axis=0)
        slopes = 2 * np.stack([by_mean.sum(axis=0), by_within]) @ roots
        return float(value), np.concatenate([slopes[0][lower], slopes[1][lower]])

    start_within = np.linalg.cholesky(sscp / (n - J))
    start = np.concatenate([0.5 * start_within[lower], start_within[lower]])
    found = optimize.minimize(
        criterion, start, jac=True, method="BFGS", options={"gtol": 1e-9 * n, "maxiter": 500}
    )
    roots = np.zeros((2, 2, 2))
    roots[0][lower], roots[1][lower] = found.x[:3], found.x[3:]
    between, within = roots @ np.swapaxes(roots, 1, 2) * np.outer(scale, scale)
    return between, within


def _between_correlation(between: np.ndarray) -> tuple:
    head = ("both", "correlation_case_manager")
    if np.diag(between).min() == 0:
        lacking = "client" if between[0, 0] == 0 else "case manager"
        reason = f"the {lacking} form shows no difference between case managers to correlate"
        return (*head, np.nan, np.nan, np.nan, np.nan, reason)
    r = between[0, 1] / np.sqrt(between[0, 0] * between[1, 1])
    reason = "no interval: too few case managers for one that can be relied on"
    if abs(r) > 1 - ZERO:
        r, reason = float(np.sign(r)), "at its limit: too little variance between case managers"
    return (*head, r, np.nan, np.nan, np.nan, reason)


def _within_correlation(within: np.ndarray, sample: Sample, conf_level: float) -> tuple:
    df = sample.n - sample.n_groups
    r = within[0, 1] / np.sqrt(within[0, 0] * within[1, 1])
    if df < 4:
        reason = f"no interval: {sample.n} dyads of {sample.n_groups} case managers are too few"
        return ("both", "correlation_rest", r, np.nan, np.nan, np.nan, reason)
    reach = special.ndtri(0.5 + conf_level / 2) / np.sqrt(df - 2)
    low, high = np.tanh(np.arctanh(r) + np.array([-reach, reach]))
    t = r * np.sqrt((df - 1) / (1 - r**2))
    p_value = 2 * special.stdtr(df - 1, -abs(t))
    return ("both", "correlation_rest", r, low, high, p_value, "")
