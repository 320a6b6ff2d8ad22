"""Are the hospital days related to anything? Count models with over-dispersion and extra zeros.

Which family: `poisson` with a cluster asks about the mean and trusts nothing else about the
distribution; `negbin` lets the variance grow; `hurdle` asks first whether there were any days and
then how many; `zinb` adds clients who could not have had any. `count_ladder` fits all four.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pandas as pd
from scipy.linalg import block_diag
from scipy.special import expit, logit

from ..errors import NotEstimableError, ParameterError
from . import count_fits
from .count_fits import Design, Fit, Optimum, fit_cr2, from_arrays, make_design, maximise, poisson
from .design import t_tests, unusable

FIT = "family n llf aic bic theta zeros_observed zeros_expected identified reason"
RATIOS = {"rate_ratio": "estimate", "rate_ratio_low": "conf_low", "rate_ratio_high": "conf_high"}
ROUND = np.array([1, 2, 5, 10, 20, 25, 50])
BINS = 20
NEARLY_POISSON = 7.0  # log theta from which the Poisson limit is tried as well
LARGE_SE = 30.0  # per SD of a predictor: e^30 either way is no estimate
SMALLEST = -7.0  # log theta below which the negative binomial has no finite maximum
ORDINARY = -3.0  # log theta above which a maximum is taken for the highest
NO_THETA = -20.0  # log theta that stands for 0
NO_GAIN = 0.05  # log-likelihood a finite theta beyond that must add to be kept
SAME = 1e-4  # log-likelihoods closer than this are the same fit


@dataclass(frozen=True)
class CountModels:
    """One count model, or several on the same rows.

    Attributes
    ----------
    coefficients : DataFrame
        `part term estimate std_error statistic df p_value conf_low conf_high n` and the
        exponentials `rate_ratio rate_ratio_low rate_ratio_high`; of several models `family` before
        them. Parts: `count` (log mean); of a hurdle also `any` (log-odds of ANY days, so a positive
        sign means fewer zeros); of a ZINB also `excess_zero` (log-odds of an excess ZERO: the
        opposite direction). In these two the exponential is an odds ratio.
    fit : DataFrame
        A row a model: `family n llf aic bic theta zeros_observed zeros_expected
        identified reason`. `reason` says why a model, or which part of a hurdle, is not identified
        (its standard errors are NaN then; of a part that cannot be estimated all is), what it
        collapsed to, or why it cannot be estimated. `theta` is infinite where
        there is no over-dispersion.
    """

    coefficients: pd.DataFrame
    fit: pd.DataFrame
    _found: dict[str, Fit] = field(repr=False)

    def _repr_html_(self) -> str:
        return self.fit.to_html(index=False) + self.coefficients.to_html(index=False)


@np.errstate(over="ignore")
def count_regression(
    data, outcome: str, predictors: Sequence[str], family="poisson", exposure=None, cluster=None
) -> CountModels:
    """Regress a count on predictors by maximum likelihood.

    Parameters
    ----------
    data : DataFrame, shape (n, ...)
        Rows with a missing value in a named column are left out; `n` says how many remain.
    outcome : str
        Column of counts (days).
    predictors : sequence of str
        Numeric columns; in a hurdle or ZINB they enter both parts.
    family : {"poisson", "negbin", "hurdle", "zinb"}
    exposure : str, optional
        Column of times at risk; coefficients are then about rates. It enters the count part only.
    cluster : str, optional
        Column naming the group (case manager) of each row: CR2 errors and Satterthwaite degrees of
        freedom, for the Poisson. Without it errors rest on the model and df is infinite.

    Returns
    -------
    CountModels

    Raises
    ------
    ParameterError
        A column is missing, not numeric or infinite; an unknown family; a cluster with one
        that takes none.
    NotEstimableError
        Naming every reason: counts that are negative, broken, or all equal; constant or collinear
        predictors; more predictors than rows; one cluster; predictors that separate the zeros.

    Notes
    -----
    Poisson as R's glm with clubSandwich's vcovCR; `negbin` as MASS::glm.nb (variance mu + mu**2 /
    theta); `hurdle` and `zinb` as pscl's hurdle and zeroinfl, NB with a logit (Zeileis, Kleiber &
    Jackman 2008, J Stat Softw 27(8)). pscl's zero part has the sign described in `CountModels`.

    Examples
    --------
    >>> days = pd.DataFrame({"days": [0, 3, 1, 8, 0, 9], "x": [0, 1, 0, 1, 0, 1]})
    >>> model = count_regression(days, "days", ["x"])
    >>> model.coefficients["rate_ratio"].round(2).tolist()
    [0.33, 20.0]
    """
    if family not in FAMILIES:
        raise ParameterError(f"Unknown family '{family}': choose one of {', '.join(FAMILIES)}.")
    if cluster is not None and family != "poisson":
        only = f"Errors that respect '{cluster}' are given for family 'poisson' only"
        raise ParameterError(f"{only}; '{family}' does not take a cluster.")
    design = make_design(data, outcome, predictors, exposure, cluster)
    fit = FAMILIES[family](design)
    m, k = len(fit.parts), len(design.terms)
    if design.groups is None:
        blocks = [fit.vcov[i : i + k, i : i + k] for i in range(0, m * k, k)]
        vcov, df = [design.back @ block @ design.back.T for block in blocks], np.inf
    else:
        robust = fit_cr2(design, fit, design.groups)
        vcov, df = [robust.vcov], robust.df
    estimates = (fit.b.reshape(m, k) @ design.back.T).ravel()
    errors = np.sqrt(np.concatenate([np.diag(block) for block in vcov]))
    names = {"part": np.repeat(fit.parts, len(design.terms)).tolist(), "term": [*design.terms * m]}
    columns = t_tests(estimates, errors, df)
    columns["n"] = len(fit.y)
    columns |= {ratio: np.exp(columns[name]) for ratio, name in RATIOS.items()}
    found = {family: fit} if np.isfinite(fit.llf) else {}
    return CountModels(pd.DataFrame(names | columns), _summary(fit), found)


def _summary(fit: Fit) -> pd.DataFrame:
    n, k = len(fit.y), len(fit.b) + (fit.family != "poisson")
    likely = fit.llf, 2 * k - 2 * fit.llf, np.log(n) * k - 2 * fit.llf, fit.theta
    zeros = int((fit.y == 0).sum()), float(fit.up_to(0).sum())
    values = fit.family, n, *likely, *zeros, fit.identified, fit.reason
    return pd.DataFrame([values], columns=FIT.split())


def count_ladder(data, outcome: str, predictors, exposure=None, cluster=None) -> CountModels:
    """Fit all four families to the same rows; a family that fails says why instead of stopping.

    Parameters
    ----------
    data, outcome, predictors, exposure, cluster
        As in `count_regression`; the cluster serves the Poisson's errors.

    Examples
    --------
    >>> days = pd.DataFrame({"days": [4, 3, 1, 8, 2, 9], "x": [0, 1, 0, 1, 0, 1]})
    >>> count_ladder(days, "days", ["x"]).fit["reason"].iloc[2]
    'Not estimable: no count is zero, so there is no hurdle to model.'
    """
    found, fits, tables = {}, [], []
    for family in FAMILIES:
        group = cluster if family == "poisson" else None
        try:
            model = count_regression(data, outcome, predictors, family, exposure, group)
        except NotEstimableError as error:
            row = dict.fromkeys(FIT.split(), np.nan) | {"family": family, "identified": False}
            fits.append(pd.DataFrame([row | {"reason": str(error)}]))
        else:
            found |= model._found
            fits.append(model.fit)
            tables.append(model.coefficients)
            tables[-1].insert(0, "family", family)
    none = pd.DataFrame({"family": [], "term": []})
    coefficients = pd.concat(tables, ignore_index=True) if tables else none
    return CountModels(coefficients, pd.concat(fits, ignore_index=True), found)


def expected_counts(fitted: CountModels) -> pd.DataFrame:
    """Observed against expected numbers of rows per bin of the outcome, to draw or to check.

    Bins: 0 alone, then about twenty of a round width.

    Returns
    -------
    DataFrame
        `low high observed` and one column per family. `low` and `high` belong to the bin. The last
        row, with `high` infinite, is what a model expects beyond the bins.

    Examples
    --------
    >>> days = pd.DataFrame({"days": [0, 3, 1, 8, 0, 9], "x": [0, 1, 0, 1, 0, 1]})
    >>> expected_counts(count_regression(days, "days", ["x"]))["observed"].sum()
    np.int64(6)
    """
    if not fitted._found:
        raise NotEstimableError("No family could be fitted: there is nothing to expect.")
    observed = next(iter(fitted._found.values())).y
    largest = int(observed.max())
    ten = 10 ** max(0, int(np.log10(largest / BINS)))
    width = int(ten * ROUND[np.searchsorted(ROUND, largest / BINS / ten).clip(max=len(ROUND) - 1)])
    # where the last bin ends must not be what somebody has
    low = np.append(0, np.arange(1, largest + width + 1, width))
    table = pd.DataFrame({"low": low, "high": np.append(low[1:] - 1, np.inf)})
    table["observed"] = np.histogram(observed, np.append(low, np.inf))[0]
    for family, fit in fitted._found.items():
        below = [fit.up_to(v - 1).sum() for v in low[1:]]
        table[family] = np.diff([0, *below, len(observed)])
    return table


def log_mean_ratio(y, X, family: str, cap: float = np.inf) -> float:
    """Log ratio of mean counts half a unit above and half a unit below each row's first predictor.

    Parameters
    ----------
    y : ndarray (n,) of counts
    X : ndarray (n, k)
        The first column is the predictor of interest, in the units wanted (standard deviations).
    family : {"poisson", "negbin", "hurdle"}
    cap : float
        A negative binomial takes counts at this one or above as that many or more (a window's end).

    Returns
    -------
    float
        Of a log-linear family its coefficient. Of a hurdle both parts together: they may point
        in opposite directions, and a number of days is the product of the two.

    Raises
    ------
    NotEstimableError
        As `counts.count_regression`, or a family that is not identified, with the reason.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> X = rng.normal(size=(500, 1))
    >>> y = rng.poisson(np.exp(1 + 0.2 * X[:, 0]))
    >>> round(log_mean_ratio(y, X, "poisson"), 1)
    0.2
    """
    design = from_arrays(y, X, "days", [f"x{i}" for i in range(X.shape[1])])
    with np.errstate(over="ignore"):
        fit = capped(design, cap) if np.isfinite(cap) else FAMILIES[family](design)
    if not fit.identified:
        raise NotEstimableError(fit.reason)
    parts = (design.back @ fit.b.reshape(len(fit.parts), -1).T).T
    if family != "hurdle":
        return float(parts[0, 1])
    count, some = parts
    totals = []
    for shift in (0.5, -0.5):
        moved = np.column_stack([np.ones(len(y)), X[:, 0] + shift, X[:, 1:]])
        totals.append(replace(fit, mu=np.exp(moved @ count), share=expit(-moved @ some)).mean.sum())
    return float(np.log(totals[0] / totals[1]))


def negbin(design: Design) -> Fit:
    """Negative binomial, variance mu + mu**2 / theta.

    Standard errors are MASS::glm.nb's, from the expected information at theta.
    """
    start = poisson(design)
    y, mu, k = design.y, start.mu, len(design.terms)
    if np.sum((y - mu) ** 2 - y) <= 0:
        why = "no over-dispersion: this is the Poisson model, theta is infinite"
        return replace(start, family="negbin", reason=why)
    guess = np.append(start.b, np.log(np.sum(mu**2) / np.sum((y - mu) ** 2 - y)))

    def rows(eta, log_theta, **how):
        return count_fits.negbin_rows(y, eta + design.offset, log_theta, **how)

    best = maximise(rows, [design.Z, np.ones((len(y), 1))], guess)
    b, theta = best.x[:k], float(np.exp(best.x[k]))
    mu = np.exp(design.Z @ b + design.offset)
    vcov = np.linalg.inv((design.Z.T * (mu / (1 + mu / theta))) @ design.Z)
    return Fit("negbin", y, ("count",), b, vcov, best.llf, mu, np.zeros(len(y)), theta)


def capped(design: Design, cap: float) -> Fit:
    """Negative binomial that takes counts at the cap, or above it, as that many or more.

    The mean is that of the counts as they would be without a cap.
    """
    start, y = negbin(design), design.y
    at, k = y >= cap, len(design.terms)

    def rows(eta, log_theta, **how):
        return count_fits.capped_rows(y, eta + design.offset, log_theta, at, **how)

    guess = np.append(start.b, min(np.log(start.theta), NEARLY_POISSON))
    best = maximise(rows, [design.Z, np.ones((len(y), 1))], guess)
    reason = _not_identified(best, design.terms, best.x[k])
    mu, theta = np.exp(design.Z @ best.x[:k] + design.offset), float(np.exp(best.x[k]))
    found = best.x[:k], best.vcov[:k, :k], best.llf, mu, np.zeros(len(y)), theta
    return Fit("capped", y, ("count",), *found, not reason, reason)


def hurdle(design: Design) -> Fit:
    """Logit for any days, zero-truncated negative binomial for how many (pscl::hurdle).

    The two parts share no parameter, so each is fitted, and can fail, by itself.
    """
    if (design.y > 0).all():
        raise NotEstimableError("Not estimable: no count is zero, so there is no hurdle to model.")
    k, parts, reasons = len(design.terms), {"count": _truncated, "any": _any}, {}
    lost = Optimum(np.full(k + 1, np.nan), np.nan, np.full((k + 1,) * 2, np.nan))
    for name, fit_part in parts.items():
        try:
            parts[name] = part = fit_part(design)
            log_theta = part.x[k] if name == "count" else 0.0
            reasons[name] = _not_identified(part, design.terms, log_theta)
        except NotEstimableError as error:
            parts[name], reasons[name] = lost, str(error).removeprefix("Not estimable: ")
    if all(part is lost for part in parts.values()):
        raise NotEstimableError(f"Not estimable: {'; '.join(reasons.values())}")
    count, some = parts.values()
    errors = [(lost if reasons[n] else part).vcov[:k, :k] for n, part in parts.items()]
    reason = "; ".join(f"{name} part: {why}" for name, why in reasons.items() if why)
    b, share = np.append(count.x[:k], some.x[:k]), expit(-design.Z @ some.x[:k])
    found = b, block_diag(*errors), count.llf + some.llf, share
    told = reasons["count"], "among the counts above 0"
    fit = _two_parts("hurdle", "any", design, count, *found, *told)
    return replace(fit, identified=not reason, reason=reason or fit.reason)


def _any(design: Design) -> Optimum:
    """Logit for any days."""
    positive, start = design.y > 0, np.zeros(len(design.terms))
    best = maximise(partial(count_fits.logit_rows, positive), [design.Z], start)
    if not best.settled:  # with a maximum there is no separation
        count_fits.refuse_separation(design, ~positive, True, "rows with days from rows without")
    return best


def zinb(design: Design) -> Fit:
    """Negative binomial mixed with excess zeros (pscl::zeroinfl)."""
    y, Z, k = design.y, design.Z, len(design.terms)
    if (design.y > 0).all():
        raise NotEstimableError("Not estimable: no count is zero, so there are no excess zeros.")
    plain = negbin(design)
    blocks, starts = [Z, np.ones((len(y), 1)), Z], _zinb_starts(design, plain)
    best = _maximise_theta(count_fits.inflated_rows, y, design.offset, blocks, starts)
    share = expit(Z @ best.x[k + 1 :])
    if best.llf < plain.llf + SAME or share[y == 0].sum() < 0.01:
        reason = "collapses to the negative binomial: the share of excess zeros goes to 0"
    else:
        terms = (*design.terms, "theta", *design.terms)
        reason = _not_identified(best, terms, best.x[k], "excess zeros from other zeros")
    b, vcov = np.delete(best.x, k), np.delete(np.delete(best.vcov, k, 0), k, 1)
    vcov = np.full_like(vcov, np.nan) if reason else vcov
    limit = "beside the excess zeros"
    return _two_parts("zinb", "excess_zero", design, best, b, vcov, best.llf, share, reason, limit)


def _two_parts(family, part, design, best, b, vcov, llf, share, reason: str, limit: str) -> Fit:
    """A fit with zeros of their own; `best` holds the count part, its log theta behind it."""
    k = len(design.terms)
    mu, theta = np.exp(design.Z @ b[:k] + design.offset), float(np.exp(best.x[k]))
    told = reason or (f"no over-dispersion {limit}: theta is infinite" if np.isinf(theta) else "")
    parts = "count", part
    return Fit(family, design.y, parts, b, vcov, llf, mu, share, theta, not reason, told)


FAMILIES = {"poisson": poisson, "negbin": negbin, "hurdle": hurdle, "zinb": zinb}


def _truncated(design: Design) -> Optimum:
    """Zero-truncated negative binomial on the rows with any days."""
    at = design.y > 0
    y, Z, offset = design.y[at], design.Z[at], design.offset[at]
    where = "Not estimable: among the rows with a count above 0"
    if len(y) <= Z.shape[1] + 1:
        raise NotEstimableError(f"{where}, {len(y)} are too few for {Z.shape[1]} coefficients.")
    if (y == y[0]).all():
        raise NotEstimableError(f"{where}, every count is {y[0]:g}.")
    if reasons := unusable(Z[:, 1:], design.terms[1:]):
        raise NotEstimableError(f"{where}, {'; '.join(reasons)}.")
    blocks = [Z, np.ones((len(y), 1))]
    log_mean = np.linalg.lstsq(Z, np.log(y) - offset, rcond=None)[0]
    starts = [np.append(log_mean, t) for t in (0.0, 2.0, -3.0)]
    best = _maximise_theta(count_fits.truncated_rows, y, offset, blocks, starts)
    if best.settled and best.x[-1] > ORDINARY:
        return best
    what = "counts of 1 from the larger ones"
    count_fits.refuse_separation(design, design.y == 1, False, what, at)
    ratio = np.append(best.x[0] - best.x[-1], best.x[1:-1])
    limit = maximise(
        lambda eta, **how: count_fits.logseries_rows(y, eta + offset, **how), [Z], ratio
    )
    if limit.llf < best.llf:
        return best
    x = np.r_[limit.x[0] + NO_THETA, limit.x[1:], NO_THETA]
    return Optimum(x, limit.llf, np.full_like(best.vcov, np.nan))


def _zinb_starts(design: Design, plain: Fit) -> list[np.ndarray]:
    """The NB with a few excess zeros; the Poisson, and the hurdle where there is one, with many."""
    k, y = len(design.terms), design.y
    b, log_theta = plain.b, np.log(min(plain.theta, 1e3))
    zeros = np.mean(y == 0)
    few = np.r_[logit(0.1 * zeros), np.zeros(k - 1)]
    many = np.r_[logit(0.9 * zeros), np.zeros(k - 1)]
    starts = [np.r_[b, log_theta, few], np.r_[poisson(design).b, 0.0, many]]
    with suppress(NotEstimableError):
        split = hurdle(design)
        if np.isfinite(split.llf):
            log_theta = np.log(np.clip(split.theta, 1e-3, 1e3))
            starts.append(np.r_[split.b[:k], log_theta, -split.b[k:]])
    return starts


def _maximise_theta(rows, y, offset, blocks, starts) -> Optimum:
    """Best of several starts, theta free; the limit of no over-dispersion where that is as good."""

    def free(eta, log_theta, *rest, **how):
        return rows(y, eta + offset, log_theta, *rest, **how)

    def limit(eta, *rest, **how):
        ll, by = rows(y, eta + offset, np.full(len(y), count_fits.NO_SPREAD), *rest, **how)
        return ll, (by[0], *by[2:])

    k = blocks[0].shape[1]
    best = max((maximise(free, blocks, s) for s in starts), key=lambda o: o.llf)
    if best.x[k] < NEARLY_POISSON:
        return best
    held = maximise(limit, [blocks[0], *blocks[2:]], np.delete(best.x, k))
    if held.llf < best.llf - NO_GAIN:
        return best
    vcov = np.insert(np.insert(held.vcov, k, 0, axis=0), k, 0, axis=1)
    return Optimum(np.insert(held.x, k, np.inf), held.llf, vcov)


def _not_identified(fit: Optimum, terms, log_theta=0.0, tell="the terms apart") -> str:
    if log_theta < SMALLEST:
        return "theta goes to 0: the counts spread more than a negative binomial can"
    if not fit.settled:
        return f"the data do not tell {tell} (singular information matrix)"
    error = np.sqrt(np.diag(fit.vcov))[: len(terms)]
    wide = dict.fromkeys(f"'{t}'" for t, e in zip(terms, error, strict=False) if e > LARGE_SE)
    return f"the data do not determine {', '.join(wide)}" if wide else ""
