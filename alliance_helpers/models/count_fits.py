"""The arrays behind a count model, its likelihood and its maximum, and the Poisson.

Column names stay labels: a design is built from arrays, never from a formula. Each log-likelihood
returns one value per row and its exact derivatives by the row's linear predictors, so that one
optimiser serves all of them; a Hessian needs no values, and without `value` there are none.
statsmodels has truncated and zero-inflated negative binomials, but its own starting values stop
short of the maximum on standard data and fill the screen with warnings; these fits are checked
against MASS, pscl and statsmodels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linprog, minimize
from scipy.special import betainc, betaln, digamma, expit, gammaln, pdtr, xlogy

from ..errors import NotEstimableError
from .design import complete_columns, unusable
from .robust import ClusterCovariance, cr2_covariance

LP_MARGIN = 1e-7  # what the linear program may leave by rounding; columns have SD 1 in it
# Rows with a count above 0 that errors by group need: with so few a rate ratio of even 2 per SD is
# found in 5 to 19 % of samples (`benchmarks/count_size.csv`).
FEWEST = 8
FEWEST_GROUPS = 5  # with counts above 0, for errors that respect groups
STEP = 1e-5  # of a central difference of exact derivatives: error about 1e-9
STEPS = 12  # of Newton, before a trust region is called for
NO_SPREAD = 23.0  # log theta from which a negative binomial is a Poisson to ten digits


@dataclass(frozen=True)
class Design:
    """Counts, standardised predictors and what leads back to the predictors' own units.

    Attributes
    ----------
    y, offset : ndarray, shape (n,)
    Z : ndarray, shape (n, k + 1)
        A column of ones, then each predictor centred and divided by its SD.
    back : ndarray, shape (k + 1, k + 1)
        Coefficients in the predictors' own units are `back @ coefficients of Z`.
    terms : tuple of str
        `intercept`, then the predictors.
    groups : ndarray of int or None
        Cluster codes 0 .. n_groups - 1.
    """

    y: np.ndarray
    Z: np.ndarray
    offset: np.ndarray
    back: np.ndarray
    terms: tuple[str, ...]
    groups: np.ndarray | None


def make_design(data, outcome: str, predictors, exposure=None, cluster=None) -> Design:
    """Take the complete rows of the named columns and check that a count model has a chance.

    Raises
    ------
    ParameterError
        A column is missing, named twice, not numeric or infinite.
    NotEstimableError
        Every reason why no count model can be fitted, at once.
    """
    predictors = [predictors] if isinstance(predictors, str) else list(predictors)
    numeric = [outcome, *predictors, *([exposure] if exposure else [])]
    values, groups = complete_columns(data, numeric, cluster)
    y, X, reasons = values[:, 0], values[:, 1 : 1 + len(predictors)], []
    time = values[:, -1] if exposure else np.ones(len(y))
    if not (time > 0).all():
        reasons.append(f"exposure '{exposure}' must be above 0 in every row")
    offset = None if reasons else np.log(time)
    if groups is not None and len(y) and groups.max() == 0:
        reasons.append(f"all rows belong to one '{cluster}': errors between clusters are unknown")
    elif groups is not None and (rare := too_rare(y, outcome)):
        reasons.append(rare)
    return from_arrays(y, X, outcome, predictors, offset, groups, reasons)


def too_rare(y: np.ndarray, outcome: str) -> str:
    """Why counts are above 0 in too few rows for errors that can be trusted; empty if they are not.

    Examples
    --------
    >>> too_rare(np.array([5, 0, 0, 0]), "days")
    "'days' is above 0 in 1 of 4 rows, and at least 8 are needed"
    """
    some = int((y > 0).sum())
    told = f"'{outcome}' is above 0 in {some} of {len(y)} rows, and at least {FEWEST} are needed"
    return told if some < FEWEST else ""


def unlike(y: np.ndarray, groups: np.ndarray) -> float:
    """One over the degrees of freedom that groups leave for unlike totals, less that of equal ones.

    Totals leave as many as Kish's effective number of groups less one.

    Raises
    ------
    NotEstimableError
        Fewer than five groups with counts above 0, or an effective number below 2.

    Examples
    --------
    >>> unlike(np.array([4, 4, 1, 3, 4, 4, 0]), np.array([1, 2, 3, 3, 4, 5, 6])) == 1 / 4 - 1 / 5
    True
    """
    totals = np.bincount(np.unique(groups, return_inverse=True)[1], y)
    number = float(totals.sum() ** 2 / (totals @ totals))
    if (some := (totals > 0).sum()) < FEWEST_GROUPS:
        few = f"counts above 0 are of {some} groups only, and at least {FEWEST_GROUPS} are needed"
        raise NotEstimableError(f"Not estimable: {few}.")
    if number < 2:
        most = f"{totals.max() / totals.sum():.0%} of all counts are of one group"
        raise NotEstimableError(f"Not estimable: {most}: errors between groups are unknown.")
    return 1 / (number - 1) - 1 / (len(totals) - 1)


def from_arrays(y, X, outcome, predictors, offset=None, groups=None, reasons=()) -> Design:
    """The same from arrays without holes: counts (n,) and predictors (n, k).

    `reasons` are those already found why no count model can be fitted.
    """
    if not len(y):
        raise NotEstimableError("Not estimable: no row is complete in all the columns named.")
    reasons = list(reasons)
    wrong = y[(y < 0) | (y != np.floor(y))]
    if len(wrong):
        what = f"{len(wrong)} value(s) do not, {wrong[0]:g} the first"
        reasons.insert(0, f"'{outcome}' must hold counts 0, 1, 2, ...: {what}")
    elif (y == y[0]).all():
        reasons.insert(0, f"'{outcome}' is {y[0]:g} in every row")
    if len(y) <= len(predictors) + 1:
        reasons.append(f"{len(y)} complete rows cannot carry {len(predictors)} predictors")
    else:
        reasons += unusable(X, predictors)
    if reasons:
        raise NotEstimableError(f"Not estimable: {'; '.join(reasons)}.")
    mean, sd = X.mean(axis=0), X.std(axis=0)
    back = np.diag([1, *(1 / sd)])
    back[0, 1:] = -mean / sd
    Z = np.column_stack([np.ones(len(y)), (X - mean) / sd])
    offset = np.zeros(len(y)) if offset is None else offset
    return Design(y, Z, offset, back, ("intercept", *predictors), groups)


def separated(Z: np.ndarray, low: np.ndarray, both: bool) -> bool:
    """Whether the likelihood rises for ever along some direction of the coefficients.

    Parameters
    ----------
    Z : ndarray, shape (n, k + 1)
    low : ndarray of bool, shape (n,)
        Rows at the outcome's floor (no days; or the smallest count a truncated model allows).
    both : bool
        True for a logit: the other rows may move up. False for a count model with a log link: the
        other rows must stay where they are.

    Notes
    -----
    The linear program of Konis (2007); for count models Correia, Guimaraes & Zylkin (2020).
    """
    move = Z[low].sum(axis=0) - (Z[~low].sum(axis=0) if both else 0.0)
    rows = np.vstack([Z[low], -Z[~low]]) if both else Z[low]
    held = Z[:0] if both else Z[~low]
    found = linprog(move, rows, np.zeros(len(rows)), held, np.zeros(len(held)), (-1, 1))
    return found.status == 0 and -found.fun > LP_MARGIN * len(Z)


def refuse_separation(design, low, both: bool, what: str, rows=slice(None)) -> None:
    """Raise when predictors mark off rows at the floor, naming those it cannot do without."""
    Z, low = design.Z[rows], low[rows]
    if not separated(Z, low, both):
        return
    needed = list(range(Z.shape[1]))
    for column in range(Z.shape[1] - 1, 0, -1):
        fewer = [c for c in needed if c != column]
        if separated(Z[:, fewer], low, both):
            needed = fewer
    names = ", ".join(f"'{design.terms[c]}'" for c in needed[1:])
    verb = "separates" if len(needed) == 2 else "separate"
    raise NotEstimableError(f"Not estimable: {names} {verb} {what}: a coefficient is infinite.")


def logit_rows(event: np.ndarray, eta: np.ndarray, *, value: bool = True):
    """Bernoulli log-likelihood of `event` (0/1) with log-odds `eta`, and its derivative."""
    return (event * eta - np.logaddexp(0, eta) if value else None), (event - expit(eta),)


def negbin_rows(y, eta, log_theta, *, value: bool = True):
    """Negative binomial, mean exp(eta), variance mean + mean**2 / theta; by eta and log theta.

    Written so that nothing cancels as theta grows and the Poisson is approached.
    """
    mu, theta = _mu_theta(eta, log_theta)
    spread = np.log1p(mu / theta)
    by_eta = (y - mu) * theta / (theta + mu)
    by_theta = digamma(y + theta) - digamma(theta) - spread + (mu - y) / (theta + mu)
    ll = None
    if value:
        some = np.maximum(y, 1)
        rising = np.where(y > 0, gammaln(some) - betaln(theta, some) - y * np.log(theta), 0)
        ll = rising + y * np.log(mu) - (y + theta) * spread - gammaln(y + 1)
    return ll, (by_eta, theta * by_theta)


def truncated_rows(y, eta, log_theta, *, value: bool = True):
    """Negative binomial given that the count is not 0; `y` above 0."""
    ll, (by_eta, by_theta) = negbin_rows(y, eta, log_theta, value=value)
    log_p0, (eta0, theta0) = _log_zero(eta, log_theta)
    odds = 1 / np.expm1(-log_p0)
    ll = ll - np.log(-np.expm1(log_p0)) if value else None
    return ll, (by_eta + odds * eta0, by_theta + odds * theta0)


def logseries_rows(y, eta, *, value: bool = True):
    """What `truncated_rows` becomes as theta goes to 0: a log-series, mean / theta at exp(eta)."""
    p, none = expit(eta), np.logaddexp(0, eta)
    ll = -y * np.logaddexp(0, -eta) - np.log(y) - np.log(none) if value else None
    return ll, (y * (1 - p) - p / none,)


def inflated_rows(y, eta, log_theta, zeta, *, value: bool = True):
    """Negative binomial mixed with excess zeros, whose log-odds are `zeta`."""
    ll, (by_eta, by_theta) = negbin_rows(y, eta, log_theta, value=value)
    log_p0, (eta0, theta0) = _log_zero(eta, log_theta)
    log_share, log_rest = -np.logaddexp(0, -zeta), -np.logaddexp(0, zeta)
    log_any_zero = np.logaddexp(log_share, log_rest + log_p0)
    excess = np.exp(log_share - log_any_zero)
    zero = y == 0
    ll = np.where(zero, log_any_zero, log_rest + ll) if value else None
    by_eta = np.where(zero, (1 - excess) * eta0, by_eta)
    by_theta = np.where(zero, (1 - excess) * theta0, by_theta)
    return ll, (by_eta, by_theta, np.where(zero, excess, 0) - expit(zeta))


def capped_rows(y, eta, log_theta, capped, *, value: bool = True):
    """Negative binomial; of `capped` rows only that the count is `y` or more is known."""
    ll, (by_eta, by_theta) = negbin_rows(y, eta, log_theta, value=value)
    least, share = y[capped], expit(eta[capped] - log_theta[capped])  # mu / (mu + theta)

    def log_tail(log_theta):
        theta = np.exp(log_theta)
        return np.log(np.maximum(betainc(least, theta, expit(eta[capped] - log_theta)), 1e-300))

    at, theta = log_tail(log_theta[capped]), np.exp(log_theta[capped])
    log_density = xlogy(least, share) + theta * np.log1p(-share) - betaln(least, theta)
    by_eta[capped] = np.exp(log_density - at)
    up, down = (log_tail(log_theta[capped] + step) for step in (STEP, -STEP))
    by_theta[capped] = (up - down) / (2 * STEP)
    if value:
        ll[capped] = at
    return ll, (by_eta, by_theta)


def _mu_theta(eta, log_theta):
    return np.exp(np.clip(eta, -50, 50)), np.exp(np.clip(log_theta, -20, NO_SPREAD))


def _log_zero(eta, log_theta):
    mu, theta = _mu_theta(eta, log_theta)
    spread = np.log1p(mu / theta)
    share = mu / (theta + mu)
    return -theta * spread, (-theta * share, -theta * (spread - share))


@dataclass(frozen=True)
class Optimum:
    """Where the likelihood is highest: parameters, log-likelihood, observed information.

    `vcov` is NaN when the information is not positive definite or the gradient is not 0.
    """

    x: np.ndarray
    llf: float
    vcov: np.ndarray

    @property
    def settled(self) -> bool:
        return bool(np.isfinite(self.vcov).all())


def maximise(rows: Callable, blocks: Sequence[np.ndarray], start: np.ndarray) -> Optimum:
    """Maximise the sum of `rows` over the coefficients of all design blocks.

    Parameters
    ----------
    rows : callable
        Takes one linear predictor per block, and by name whether a `value` is wanted; returns
        log-likelihoods and their derivatives.
    blocks : sequence of ndarray, shape (n, k_j)
    start : ndarray, shape (sum of k_j,)
    """
    ends = np.cumsum([0, *(b.shape[1] for b in blocks)])

    def predictors(x):
        return [b @ x[i:j] for b, i, j in zip(blocks, ends, ends[1:], strict=False)]

    def loss(x):
        ll, by = rows(*predictors(x))
        return -ll.sum(), -np.concatenate([b.T @ d for b, d in zip(blocks, by, strict=True)])

    def hessian(x):
        at, out = predictors(x), np.empty((ends[-1], ends[-1]))
        for c, block in enumerate(blocks):
            up, down = list(at), list(at)
            up[c], down[c] = at[c] + STEP, at[c] - STEP
            by_up, by_down = (rows(*moved, value=False)[1] for moved in (up, down))
            for r, (u, d) in enumerate(zip(by_up, by_down, strict=True)):
                bend = (d - u) / (2 * STEP)
                out[ends[r] : ends[r + 1], ends[c] : ends[c + 1]] = (blocks[r].T * bend) @ block
        return (out + out.T) / 2

    near = _newton(loss, hessian, start)
    if near.settled:
        return near
    options = {"gtol": 1e-5, "maxiter": 300}
    found = minimize(loss, start, jac=True, hess=hessian, method="trust-exact", options=options)
    return _newton(loss, hessian, found.x)


def _newton(loss, hessian, x: np.ndarray) -> Optimum:
    """Newton steps to the last digit while they climb; without a maximum there, no covariance."""
    unknown = np.full((len(x), len(x)), np.nan)
    before = np.inf
    for _ in range(STEPS):
        value, gradient = loss(x)
        if value > before + 1e-9 * abs(value):
            break
        before = value
        information = hessian(x)
        if not np.isfinite(information).all() or np.linalg.eigvalsh(information)[0] <= 1e-9:
            break
        vcov = np.linalg.inv(information)
        step = vcov @ gradient
        if gradient @ step < 1e-16 * max(1.0, abs(value)):
            return Optimum(x - step, -float(value), vcov)
        x = x - step
    return Optimum(x, -float(value), unknown)


@dataclass(frozen=True)
class Fit:
    """What a family's fit hands back, on the standardised predictors.

    `y` holds the counts, `b` the coefficients of one part after the other, `vcov` their covariance.
    `mu` is the mean of the Poisson or NB before zeros are added or taken away. `share` is the
    probability of zero (hurdle), of an excess zero (ZINB), else 0. `reason` says why a fit is not
    identified, or what it collapsed to.
    """

    family: str
    y: np.ndarray
    parts: tuple[str, ...]
    b: np.ndarray
    vcov: np.ndarray
    llf: float
    mu: np.ndarray
    share: np.ndarray
    theta: float = np.inf
    identified: bool = True
    reason: str = ""

    @property
    def log_zero(self) -> np.ndarray:
        """Log probability of 0 under the Poisson or NB inside the model."""
        if np.isinf(self.theta):
            return -self.mu
        return -self.theta * np.log1p(self.mu / self.theta)

    def up_to(self, count: int) -> np.ndarray:
        """Probability of at most `count`."""
        mu, theta, share = self.mu, self.theta, self.share
        if np.isinf(theta):
            below = pdtr(count, mu)
        else:
            below = betainc(theta, count + 1, theta / (theta + mu))
        if self.family == "hurdle":
            none = np.exp(self.log_zero)
            below = (below - none) / (1 - none)
        return share + (1 - share) * below

    @property
    def mean(self) -> np.ndarray:
        given_any = -np.expm1(self.log_zero) if self.family == "hurdle" else 1.0
        return (1 - self.share) * self.mu / given_any


def poisson(design: Design) -> Fit:
    """Poisson regression with log link, by iteratively reweighted least squares."""
    y, Z, offset = design.y, design.Z, design.offset
    mu, deviance = (y + y.mean()) / 2, np.inf
    for _ in range(100):
        weight = np.sqrt(mu)
        q, r = np.linalg.qr(Z * weight[:, None])
        b = np.linalg.solve(r, q.T @ (weight * (np.log(mu) - offset + (y - mu) / mu)))
        mu = np.exp(np.clip(Z @ b + offset, -700, 700))
        before, deviance = deviance, np.sum(mu - xlogy(y, mu))
        if abs(before - deviance) <= 1e-13 * abs(deviance):
            break
    settled = abs(before - deviance) <= 1e-13 * abs(deviance)
    if not settled or mu.min() < 1e-5 * y.mean():
        refuse_separation(design, y == 0, False, "rows without any days")
    if not settled:
        raise NotEstimableError("Not estimable: the Poisson fit does not settle.")
    inverse = np.linalg.inv(np.linalg.qr(Z * np.sqrt(mu)[:, None], mode="r"))
    llf = float(-deviance - gammaln(y + 1).sum())
    return Fit("poisson", y, ("count",), b, inverse @ inverse.T, llf, mu, np.zeros(len(y)))


def fit_cr2(design: Design, fit: Fit, groups: np.ndarray) -> ClusterCovariance:
    """CR2 covariance of a Poisson's coefficients in the predictors' own units.

    Satterthwaite's degrees of freedom take each row's variance as known up to a factor. Days are
    far more unlike: what that adds to the relative variance of the errors is added here.
    """
    gradient = fit.mu[:, None] * design.Z @ np.linalg.inv(design.back)
    robust = cr2_covariance(gradient, design.y - fit.mu, groups, fit.mu, design.terms)
    return replace(robust, df=1 / (1 / robust.df + unlike(design.y, groups)))
