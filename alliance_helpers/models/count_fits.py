"""Count models and their maxima: Poisson, negative binomial, hurdle, zero-inflated.

Each log-likelihood returns one value per row and its exact derivatives by the row's linear
predictors, so that one optimiser serves all of them; a Hessian needs no values, and without
`value` there are none. statsmodels has truncated and zero-inflated negative binomials, but its own
starting values stop short of the maximum on standard data and fill the screen with warnings; these
fits are checked against MASS, pscl and statsmodels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import block_diag
from scipy.optimize import minimize
from scipy.special import betainc, betaln, digamma, expit, gammaln, logit, pdtr, polygamma, xlogy

from ..errors import NotEstimableError
from .count_design import Design, refuse_separation, unlike, unusable
from .robust import ClusterCovariance, cr2_covariance

STEP = 1e-5  # of a central difference of exact derivatives: error about 1e-9
STEPS = 12  # of Newton, before a trust region is called for
NO_SPREAD = 23.0  # log theta from which a negative binomial is a Poisson to ten digits


def logit_rows(event: np.ndarray, eta: np.ndarray, *, value: bool = True):
    """Bernoulli log-likelihood of `event` (0/1) with log-odds `eta`, and its derivative."""
    ll = event * eta - np.logaddexp(0, eta) if value else None
    return ll, (event - expit(eta),)


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
    return (
        np.where(zero, log_any_zero, log_rest + ll) if value else None,
        (
            np.where(zero, (1 - excess) * eta0, by_eta),
            np.where(zero, (1 - excess) * theta0, by_theta),
            np.where(zero, excess, 0) - expit(zeta),
        ),
    )


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


NEARLY_POISSON = 7.0  # log theta from which the Poisson limit is tried as well
LARGE_SE = 30.0  # per SD of a predictor: e^30 either way is no estimate
SMALLEST = -7.0  # log theta below which the negative binomial has no finite maximum
ORDINARY = -3.0  # log theta above which a maximum is taken for the highest
NO_THETA = -20.0  # log theta that stands for 0
NO_GAIN = 0.05  # log-likelihood a finite theta beyond that must add to be kept
SAME = 1e-4  # log-likelihoods closer than this are the same fit


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
    theta_std_error: float = np.nan
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


def negbin(design: Design) -> Fit:
    """Negative binomial, variance mu + mu**2 / theta.

    Standard errors as MASS::glm.nb gives them: of the coefficients from the expected information at
    theta, of theta from the observed information at the coefficients.
    """
    start = poisson(design)
    y, mu, k = design.y, start.mu, len(design.terms)
    if np.sum((y - mu) ** 2 - y) <= 0:
        why = "no over-dispersion: this is the Poisson model, theta is infinite"
        return replace(start, family="negbin", reason=why)
    guess = np.append(start.b, np.log(np.sum(mu**2) / np.sum((y - mu) ** 2 - y)))

    def rows(eta, log_theta, **how):
        return negbin_rows(y, eta + design.offset, log_theta, **how)

    best = maximise(rows, [design.Z, np.ones((len(y), 1))], guess)
    b, theta = best.x[:k], float(np.exp(best.x[k]))
    mu = np.exp(design.Z @ b + design.offset)
    vcov = np.linalg.inv((design.Z.T * (mu / (1 + mu / theta))) @ design.Z)
    curvature = polygamma(1, theta) - polygamma(1, y + theta) - 1 / theta
    information = np.sum(curvature + 2 / (mu + theta) - (y + theta) / (mu + theta) ** 2)
    error = float(information**-0.5)
    return Fit("negbin", y, ("count",), b, vcov, best.llf, mu, np.zeros(len(y)), theta, error)


def capped(design: Design, cap: float) -> Fit:
    """Negative binomial that takes counts at the cap, or above it, as that many or more.

    The mean is that of the counts as they would be without a cap.
    """
    start, y = negbin(design), design.y
    at, k = y >= cap, len(design.terms)

    def rows(eta, log_theta, **how):
        return capped_rows(y, eta + design.offset, log_theta, at, **how)

    guess = np.append(start.b, min(np.log(start.theta), NEARLY_POISSON))
    best = maximise(rows, [design.Z, np.ones((len(y), 1))], guess)
    reason = _not_identified(best, design.terms, best.x[k])
    mu, theta = np.exp(design.Z @ best.x[:k] + design.offset), float(np.exp(best.x[k]))
    error = theta * float(np.sqrt(best.vcov[k, k]))
    return Fit(
        "capped", y, ("count",), best.x[:k], best.vcov[:k, :k], best.llf, mu, np.zeros(len(y)),
        theta, error, not reason, reason,
    )  # fmt: skip


def hurdle(design: Design) -> Fit:
    """Logit for any days, zero-truncated negative binomial for how many (pscl::hurdle).

    The two parts share no parameter, so each is fitted, and can fail, by itself.
    """
    if (design.y > 0).all():
        raise NotEstimableError("Not estimable: no count is zero, so there is no hurdle to model.")
    k, unknown = len(design.terms), np.full((len(design.terms),) * 2, np.nan)
    parts, reasons, failed = {"count": _truncated, "any": _any}, {}, 0
    for name, fit_part in parts.items():
        try:
            parts[name] = part = fit_part(design)
            log_theta = part.x[k] if name == "count" else 0.0
            reasons[name] = _not_identified(part, design.terms, log_theta)
        except NotEstimableError as error:
            reasons[name] = str(error).removeprefix("Not estimable: ")
            failed += 1
            parts[name] = Optimum(np.full(k + 1, np.nan), np.nan, np.full((k + 1,) * 2, np.nan))
    if failed == len(parts):
        raise NotEstimableError(f"Not estimable: {'; '.join(reasons.values())}")
    count, some = parts.values()
    errors = [unknown if reasons[n] else part.vcov[:k, :k] for n, part in parts.items()]
    reason = "; ".join(f"{name} part: {why}" for name, why in reasons.items() if why)
    b, share = np.append(count.x[:k], some.x[:k]), expit(-design.Z @ some.x[:k])
    fit = _two_parts(
        "hurdle", "any", design, count, b, block_diag(*errors), count.llf + some.llf, share,
        reasons["count"], "among the counts above 0",
    )  # fmt: skip
    return replace(fit, identified=not reason, reason=reason or fit.reason)


def _any(design: Design) -> Optimum:
    """Logit for any days."""
    positive = design.y > 0
    refuse_separation(design, ~positive, True, "rows with days from rows without")
    start = np.zeros(len(design.terms))
    return maximise(lambda eta, **how: logit_rows(positive, eta, **how), [design.Z], start)


def zinb(design: Design) -> Fit:
    """Negative binomial mixed with excess zeros (pscl::zeroinfl)."""
    y, Z, k = design.y, design.Z, len(design.terms)
    if (design.y > 0).all():
        raise NotEstimableError("Not estimable: no count is zero, so there are no excess zeros.")
    plain = negbin(design)
    best = _maximise_theta(
        inflated_rows, y, design.offset, [Z, np.ones((len(y), 1)), Z], _zinb_starts(design, plain)
    )
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
    log_theta, error = best.x[k], np.sqrt(best.vcov[k, k])
    bounded = np.isfinite(log_theta)
    return Fit(
        family, design.y, ("count", part), b, vcov, llf,
        mu=np.exp(design.Z @ b[:k] + design.offset),
        share=share,
        theta=float(np.exp(log_theta)),
        theta_std_error=np.nan if reason or not bounded else float(np.exp(log_theta) * error),
        identified=not reason,
        reason=reason or ("" if bounded else f"no over-dispersion {limit}: theta is infinite"),
    )  # fmt: skip


def fit_cr2(design: Design, fit: Fit, groups: np.ndarray) -> ClusterCovariance:
    """CR2 covariance of a Poisson's coefficients in the predictors' own units.

    Satterthwaite's degrees of freedom take each row's variance as known up to a factor. Days are
    far more unlike: what that adds to the relative variance of the errors is added here.
    """
    gradient = fit.mu[:, None] * design.Z @ np.linalg.inv(design.back)
    robust = cr2_covariance(gradient, design.y - fit.mu, groups, fit.mu, design.terms)
    return replace(robust, df=1 / (1 / robust.df + unlike(design.y, groups)))


FAMILIES = {"poisson": poisson, "negbin": negbin, "hurdle": hurdle, "zinb": zinb}


def _truncated(design: Design) -> Optimum:
    """Zero-truncated negative binomial on the rows with any days."""
    at = design.y > 0
    y, Z, offset = design.y[at], design.Z[at], design.offset[at]
    where = "Not estimable: among the rows with a count above 0"
    if len(y) <= Z.shape[1] + 1:
        raise NotEstimableError(
            f"{where}, which are {len(y)}, there are too few for {Z.shape[1]} coefficients."
        )
    if (y == y[0]).all():
        raise NotEstimableError(f"{where}, every count is {y[0]:g}.")
    if reasons := unusable(Z[:, 1:], design.terms[1:]):
        raise NotEstimableError(f"{where}, {'; '.join(reasons)}.")
    refuse_separation(design, design.y == 1, False, "counts of 1 from the larger ones", at)
    blocks = [Z, np.ones((len(y), 1))]
    log_mean = np.linalg.lstsq(Z, np.log(y) - offset, rcond=None)[0]
    starts = [np.append(log_mean, t) for t in (0.0, 2.0, -3.0)]
    best = _maximise_theta(truncated_rows, y, offset, blocks, starts)
    if best.settled and best.x[-1] > ORDINARY:
        return best
    ratio = np.append(best.x[0] - best.x[-1], best.x[1:-1])
    limit = maximise(lambda eta, **how: logseries_rows(y, eta + offset, **how), [Z], ratio)
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
    try:
        split = hurdle(design)
    except NotEstimableError:
        return starts
    if not np.isfinite(split.llf):
        return starts
    more = min(max(split.theta, 1e-3), 1e3)
    return [*starts, np.r_[split.b[:k], np.log(more), -split.b[k:]]]


def _maximise_theta(rows, y, offset, blocks, starts) -> Optimum:
    """Best of several starts, theta free; the limit of no over-dispersion where that is as good."""

    def free(eta, log_theta, *rest, **how):
        return rows(y, eta + offset, log_theta, *rest, **how)

    def limit(eta, *rest, **how):
        ll, by = rows(y, eta + offset, np.full(len(y), NO_SPREAD), *rest, **how)
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


def _not_identified(
    fit: Optimum, terms: Sequence[str], log_theta: float = 0.0, tell: str = "the terms apart"
) -> str:
    if log_theta < SMALLEST:
        return "theta goes to 0: the counts spread more than a negative binomial can"
    if not fit.settled:
        return f"the data do not tell {tell} (singular information matrix)"
    error = np.sqrt(np.diag(fit.vcov))[: len(terms)]
    wide = dict.fromkeys(f"'{t}'" for t, e in zip(terms, error, strict=False) if e > LARGE_SE)
    return f"the data do not determine {', '.join(wide)}" if wide else ""
