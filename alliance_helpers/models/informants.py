"""Both informants' ratings of the same dyads, side by side.

Does a variable go with one informant's rating more than with the other's, and how much of each
rating is the case manager?
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import optimize, special

from ..errors import NotEstimableError, ParameterError
from .design import Sample, aligned, as_floats, complete_rows, standardise
from .nesting import anova
from .robust import cluster_robust

# Share of the total variance below which a component counts as estimated at zero.
ZERO = 1e-6


def stacked(ratings: pd.DataFrame, predictors: pd.DataFrame, cluster=None) -> pd.DataFrame:
    """Do the variables go with the second informant's rating otherwise than with the first's?

    Parameters
    ----------
    ratings : DataFrame (n, 2)
        One column per informant; a dyad with one rating counts for that informant.
    predictors : DataFrame (n, k)
        Dyads with a missing predictor are left out.
    cluster : array-like (n,), optional
        What makes dyads alike, such as the case manager; by default each dyad stands alone with
        its two ratings.

    Returns
    -------
    DataFrame
        `informant`, then the tidy columns; `informant` is one of the two, or `difference`: the
        second's slope less the first's. `n` counts ratings. Slopes are standardised: of each
        informant's ratings and each predictor.

    Raises
    ------
    ParameterError
        Not two ratings, lengths or indexes that differ, values that are not numbers.
    NotEstimableError
        As in `robust.cluster_robust`; a rating or predictor that does not vary.

    Notes
    -----
    Two rows per dyad, a slope for each informant, CR2 errors and Satterthwaite degrees of freedom
    over clusters. Where every dyad has both ratings the differences are those of
    regressing the difference of the ratings; what stacking adds are the dyads with one.

    Examples
    --------
    >>> rng = np.random.default_rng(1995)
    >>> x = pd.DataFrame({"symptoms": rng.normal(size=100)})
    >>> both = pd.DataFrame({"client": rng.normal(size=100), "case_manager": -x["symptoms"]})
    >>> found = stacked(both + rng.normal(size=(100, 2)), x)
    >>> found["informant"].tolist(), bool(found["p_value"].iloc[2] < 0.001)
    (['client', 'case_manager', 'difference'], True)
    """
    aligned(ratings=ratings, predictors=predictors, cluster=cluster)
    if ratings.shape[1] != 2:
        raise ParameterError(f"Two columns of ratings are needed; {ratings.shape[1]} were given.")
    X, both = as_floats(predictors, "the predictors"), as_floats(ratings, "the ratings")
    used = ~np.isnan(X).any(axis=1) & ~np.isnan(both).all(axis=1)
    X = standardise(X[used], predictors.columns)
    both = standardise(both[used], ratings.columns)
    n, k = X.shape
    groups = np.tile(np.arange(n) if cluster is None else np.asarray(cluster)[used], 2)
    y, long = both.T.ravel(), np.concatenate([X, X])
    second = np.repeat([0.0, 1.0], n)[:, None]
    own = np.column_stack([second, long * (1 - second), long * second])
    apart = np.column_stack([second - 0.5, long, long * (second - 0.5)])
    slopes, differences = (cluster_robust(y, design, groups) for design in (own, apart))
    table = pd.concat([slopes[2:], differences[2 + k :]], ignore_index=True)
    table["term"] = [str(c) for c in predictors.columns] * 3
    table.insert(0, "informant", np.repeat([*map(str, ratings.columns), "difference"], k))
    return table


def one_with_many(client_ratings, case_manager_ratings, groups) -> pd.DataFrame:
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
    Fisher's on the rows minus the groups; that across case managers holds the correlations whose
    restricted likelihood, the rest of the model fitted anew, is not significantly lower (F with 1
    and the groups less one degrees of freedom). It reaches to -1 or 1 where the data cannot tell.

    Examples
    --------
    >>> rng = np.random.default_rng(1995)
    >>> manager = np.repeat(np.arange(40), 5)
    >>> habit = rng.normal(size=40)[manager]
    >>> table = one_with_many(rng.normal(size=200), habit + rng.normal(size=200), manager)
    >>> table["informant"].unique().tolist()
    ['client', 'case_manager', 'both']
    """
    aligned(client=client_ratings, case_manager=case_manager_ratings, groups=groups)
    sample = complete_rows(client_ratings, case_manager_ratings, groups, ["case_manager"])
    ratings = {"client": sample.y, "case_manager": sample.X[:, 0]}
    shares = [_share_interval(replace(sample, y=values), name) for name, values in ratings.items()]
    (between, within), levels = _levels(ratings, sample)
    rows = []
    for at, (name, (low, high, p)) in enumerate(zip(ratings, shares, strict=True)):
        b, w = between[at, at], within[at, at]
        why = "no difference between case managers found" if b <= ZERO * (b + w) else ""
        b = 0.0 if why else b
        rows += [
            (name, "variance_case_manager", b, np.nan, np.nan, p, why or _SHARE),
            (name, "variance_rest", w, np.nan, np.nan, np.nan, _SHARE),
            (name, "share_case_manager", b / (b + w), low, high, p, why),
        ]
    rows.append(("both", "correlation_case_manager", *levels["between"]))
    rows.append(("both", "correlation_rest", *levels["within"]))
    columns = ["informant", "term", "estimate", "conf_low", "conf_high", "p_value", "reason"]
    table = pd.DataFrame(rows, columns=columns).assign(n=sample.n, n_groups=sample.n_groups)
    return table[[*columns[:-1], "n", "n_groups", "reason"]]


_SHARE = "the interval is given for the share"


def _share_interval(sample: Sample, what: str) -> tuple[float, float, float]:
    """Exact limits of the share of the groups, and the p value of no share at all."""
    _, means, msw = anova(sample, f"the {what.replace('_', ' ')} form")
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

    return limit(0.975), limit(0.025), float(special.fdtrc(df1, df2, f(0.0)))


def _levels(named: dict[str, np.ndarray], sample: Sample) -> tuple:
    """REML covariances between and within groups, and of each the correlation and what it is worth.

    A row is estimate, low end, high end, p value, and why something is missing.
    """
    ratings = np.column_stack(list(named.values()))
    (between, within), least = _bivariate_reml(ratings, sample)
    reach = special.stdtrit(sample.n_groups - 1, 0.975)

    def worse(r: float) -> float:
        """Root of the deviance that a fixed correlation between groups costs."""
        return np.sqrt(max(_bivariate_reml(ratings, sample, r)[1] - least, 0.0))

    rows = {"between": (np.nan,) * 4, "within": _within_correlation(within, sample)}
    share = np.diag(between) / np.diag(between + within)
    if share.min() <= ZERO:
        lacking = [*named][int(np.argmin(share))]
        rows["between"] += (f"{lacking}: no difference between case managers to correlate",)
        return (between, within), rows
    r = float(np.clip(between[0, 1] / np.sqrt(between[0, 0] * between[1, 1]), -1, 1))
    ends = [-1.0, 1.0]
    for k, limit in enumerate(ends):
        if worse(limit) > reach:
            ends[k] = optimize.brentq(lambda at: worse(at) - reach, limit, r, xtol=1e-4)
    p_value = 2 * special.stdtr(sample.n_groups - 1, -worse(0.0))
    at_limit = "at its limit: too little variance between case managers"
    rows["between"] = (r, *ends, p_value, at_limit if abs(r) > 1 - ZERO else "")
    return (between, within), rows


def _bivariate_reml(ratings: np.ndarray, sample: Sample, r: float | None = None) -> tuple:
    """REML covariances between and within groups of two variables (2 x 2), and the deviance.

    `r` fixes the correlation between groups.
    """
    turn = np.eye(3) if r is None else np.array([[1.0, 0.0], [0.0, r], [0.0, np.sqrt(1 - r * r)]])
    free = turn.shape[1]
    n, J = sample.n, sample.n_groups
    scale = ratings.std(axis=0)
    ratings = (ratings - ratings.mean(axis=0)) / scale
    means = np.add.reduceat(ratings, sample.starts) / sample.sizes[:, None]
    deviations = ratings - np.repeat(means, sample.sizes, axis=0)
    sscp = deviations.T @ deviations
    # Groups of one size have one covariance of their mean: their sums are all that is needed.
    different, at = np.unique(sample.sizes, return_inverse=True)
    sizes, many = different[:, None, None], np.bincount(at)[:, None, None]
    sums, squares = np.zeros((len(different), 2)), np.zeros((len(different), 2, 2))
    np.add.at(sums, at, means)
    np.add.at(squares, at, means[:, :, None] * means[:, None, :])
    if abs(np.corrcoef(deviations.T)[0, 1]) > 1 - 1e-10:
        raise NotEstimableError("Within case managers the two forms are copies of each other.")
    lower = np.tril_indices(2)

    def parts(parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        roots = np.zeros((2, 2, 2))
        roots[0][lower], roots[1][lower] = turn @ parameters[:free], parameters[free:]
        return roots, roots @ np.swapaxes(roots, 1, 2)

    def criterion(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        roots, (between, within) = parts(parameters)
        of_means = np.linalg.inv(between + within / sizes)
        total = (many * of_means).sum(axis=0)
        centre = np.linalg.solve(total, np.einsum("jab,jb->a", of_means, sums))
        cross = sums[:, :, None] * centre
        away = squares - cross - np.swapaxes(cross, 1, 2) + many * np.outer(centre, centre)
        inverse = np.linalg.inv(within)
        value = np.sum(inverse * sscp) - (n - J) * np.linalg.slogdet(inverse)[1]
        value += np.sum(of_means * away) - many[:, 0, 0] @ np.linalg.slogdet(of_means)[1]
        value += np.linalg.slogdet(total)[1]
        by_mean = many * of_means - of_means @ (away + many * np.linalg.inv(total)) @ of_means
        by_within = (n - J) * inverse - inverse @ sscp @ inverse + (by_mean / sizes).sum(axis=0)
        slopes = 2 * np.stack([by_mean.sum(axis=0), by_within]) @ roots
        return float(value), np.concatenate([turn.T @ slopes[0][lower], slopes[1][lower]])

    start_within = np.linalg.cholesky(sscp / (n - J))
    start = np.concatenate([0.5 * start_within[lower], start_within[lower]])
    if r is None:
        how = {"method": "BFGS", "options": {"gtol": 1e-9 * n, "maxiter": 500}}
    else:  # not below zero, where the correlation would change its sign
        start = np.concatenate([start[:1], [np.hypot(*start[1:3])], start[3:]])
        how = {"method": "L-BFGS-B", "bounds": [(0, None)] * 2 + [(None, None)] * 3}
    found = optimize.minimize(criterion, start, jac=True, **how)
    return parts(found.x)[1] * np.outer(scale, scale), found.fun


def _within_correlation(within: np.ndarray, sample: Sample) -> tuple:
    df = sample.n - sample.n_groups
    r = within[0, 1] / np.sqrt(within[0, 0] * within[1, 1])
    if df < 4:
        reason = f"no interval: {sample.n} dyads of {sample.n_groups} case managers are too few"
        return r, np.nan, np.nan, np.nan, reason
    reach = special.ndtri(0.975) / np.sqrt(df - 2)
    low, high = np.tanh(np.arctanh(r) + np.array([-reach, reach]))
    t = r * np.sqrt((df - 1) / (1 - r**2))
    p_value = 2 * special.stdtr(df - 1, -abs(t))
    return r, low, high, p_value, ""
