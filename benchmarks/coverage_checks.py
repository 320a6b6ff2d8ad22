"""What `benchmarks.coverage` counts: each test and interval of the kit on one cohort.

Size is counted in cohorts of `no_association`, coverage in cohorts of `published`; the truth of an
estimator is what it gives for 500,000 clients. Hospital days have `hospital_effect` beside them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from operator import attrgetter

import numpy as np
import pandas as pd
from scipy.stats import linregress, t

from alliance_helpers.claims import verdicts
from alliance_helpers.claims.associations import halo
from alliance_helpers.claims.verdicts import ANALYSES, OF_KIND, QUICK, relate
from alliance_helpers.claims.views import as_numbers
from alliance_helpers.cohorts.draws import draw
from alliance_helpers.cohorts.population import population
from alliance_helpers.cohorts.simulate import dyad_table, simulate_dyads
from alliance_helpers.errors import NotEstimableError
from alliance_helpers.models.agreement import agreement, response_surface, truth_and_bias
from alliance_helpers.models.design import complete_rows, tidy
from alliance_helpers.models.informants import one_with_many
from alliance_helpers.models.missing import impute, pool, pool_blocks
from alliance_helpers.models.nesting import fit_intercepts
from alliance_helpers.models.partial import Estimate, Partial, PartialCounts
from alliance_helpers.models.regression import relative_importance
from alliance_helpers.models.reliability import reliability
from alliance_helpers.models.robust import cluster_robust
from alliance_helpers.study.read_codebook import read_codebook

BOOK = read_codebook()
LARGE, M = 500_000, 20
CM, CLIENT, KEYS = "case_manager_alliance", "client_alliance", "case_manager_id"
AGE, LIVING = "case_manager_age", "living_skills"
CLINICAL = ["symptoms", "health_sickness", LIVING]
SLOPES = ((CM, AGE), (CLIENT, AGE), (CM, "symptoms"))  # rating on predictor, raw units
PAIRS = ((CM, AGE), (LIVING, CM), (CM, CLIENT))  # as the claims have them, standardised
ADJUST = ["site_type", "hospital_days_before"]
LEVEL = {AGE: " (case manager's)"}
ESTIMANDS = {"OLS naive": "dyads", "CR2": "dyads", "mixed model": "mixed"}

Hits = Iterator[tuple[str, str, str, bool]]


def covers(truth: float, low: float, high: float) -> bool:
    return bool(low <= truth <= high)


def named(y: str, x: str) -> str:
    return f"{y} on {x}{LEVEL.get(x, '')}"


def slope(method: str, y, x, groups) -> tuple[float, float, float, float]:
    """Estimate, interval and p-value of one predictor."""
    if method == "OLS naive":
        found = linregress(x, y)
        reach = t.ppf(0.975, len(y) - 2) * found.stderr
        return found.slope, found.slope - reach, found.slope + reach, found.pvalue
    if method == "CR2":
        table = cluster_robust(y, x, groups)
    else:
        table = random_intercept(y, x, groups)
    row = next(table.iloc[1:].itertuples())
    return row.estimate, row.conf_low, row.conf_high, row.p_value


def random_intercept(y, X, groups) -> pd.DataFrame:
    sample = complete_rows(y, X, groups)
    fit, terms = fit_intercepts(sample), ("intercept", *sample.terms)
    return tidy(terms, fit.estimate, fit.std_error, fit.df, sample.n)


def slopes(null, published, truth) -> Hits:
    for kind, data in (("size", null), ("coverage", published)):
        for y, x in SLOPES:
            for method, estimand in ESTIMANDS.items():
                _, low, high, p = slope(method, data[y], data[x], data[KEYS].to_numpy())
                hit = p <= 0.05 if kind == "size" else covers(truth[estimand, y, x], low, high)
                yield method, named(y, x), kind, hit


def rejects(model: Partial, estimator: str, p_value: Callable[[Estimate], float]) -> bool:
    """Whether a test of the block does; where it gives no verdict it does not."""
    with suppress(NotEstimableError):
        return p_value(model.observed(estimator)) <= 0.05
    return False


def blocks(null) -> Hits:
    y, groups = null[CM], null[KEYS].to_numpy()
    for block in ("treatment", "outcome"):
        terms = list(BOOK.blocks[block])
        model = Partial(y.to_numpy(), null[terms].to_numpy(), np.empty((len(y), 0)), groups)
        quantity = f"{CM} on the {block} block ({len(terms)} terms)"
        names = {"OLS naive, F": "ols", "CR2, HTZ": "cr2", "mixed model, F": "mixed"}
        for name, estimator in names.items():
            hit = rejects(model, estimator, attrgetter("p_value"))
            yield name, quantity, "size", hit


def standardised(published, truth) -> Hits:
    """Intervals of the claims, and equivalence with the bound where the truth lies."""
    groups = pd.factorize(published[KEYS])[0]
    for y, x in PAIRS:
        values = published[[y, x]].to_numpy()
        for name in ("as_published", "nested", "nested_cr2"):
            true = truth[name, y, x]
            try:
                effect = relate(values[:, 0], values[:, 1], groups, name, abs(true))
            except NotEstimableError:  # on too few degrees of freedom: neither interval nor verdict
                continue
            hit = covers(true, effect.conf_low, effect.conf_high)
            quantity = f"{named(y, x)}, standardised"
            yield f"{name}, interval", quantity, "coverage", hit
            hit = effect.p_equivalence <= 0.05
            yield f"{name}, equivalence", f"{quantity}, bound at the truth", "size", hit


def block_equivalence(published, rng) -> Hits:
    """A block that explains exactly the bound, of case managers' or of clients' variables."""
    bound, groups = 0.0625, pd.factorize(published[KEYS])[0]

    def absent(found: Estimate) -> float:
        return verdicts.block(found, bound).p_equivalence

    for level, k, share in (("case manager", 3, 1), ("client", 4, 0.08)):
        between = rng.normal(size=(groups.max() + 1, k))[groups]
        X = np.sqrt(share) * between + np.sqrt(1 - share) * rng.normal(size=(len(groups), k))
        habit = rng.normal(size=groups.max() + 1)[groups]
        noise = np.sqrt(0.3) * habit + np.sqrt(0.7) * rng.normal(size=len(groups))
        y = X.sum(axis=1) * np.sqrt(bound / k) + np.sqrt(1 - bound) * noise
        model = Partial(y, X, np.empty((len(y), 0)), groups, block=True)
        for name, estimator in ANALYSES.items():
            hit = rejects(model, estimator, absent)
            quantity = f"block of {k} variables of the {level}, bound at the truth R2 = {bound}"
            yield f"{name}, equivalence", quantity, "size", hit


def two_informants(published, truth) -> Hits:
    for method, cluster in (("independent", None), ("clustered", published[KEYS])):
        for row in agreement(published[CLIENT], published[CM], cluster).itertuples():
            hit = covers(truth["agreement", row.Index], row.conf_low, row.conf_high)
            yield f"agreement, {method}", row.Index, "coverage", hit
    yield from judgments(published, truth)


def judged(data, cluster=None) -> tuple[pd.DataFrame, pd.DataFrame]:
    bias = truth_and_bias(data[CM], data[CLIENT], data["symptoms"], cluster)
    ratings = data[CLIENT] / 36, data[CM] / 36
    return bias, response_surface(data["health_sickness"], *ratings, 4, cluster)[6:]


def judgments(published, truth) -> Hits:
    for errors, cluster in (("independent", None), ("CR2", published[KEYS])):
        tables = judged(published, cluster)
        for name, table in zip(("truth_and_bias", "response_surface"), tables, strict=True):
            for row in table.itertuples():
                hit = covers(truth[row.term], row.conf_low, row.conf_high)
                yield f"{name}, {errors}", row.term, "coverage", hit
    table = one_with_many(published[CLIENT], published[CM], published[KEYS])
    for row in table[table["conf_low"].notna()].itertuples():
        hit = covers(truth[row.informant, row.term], row.conf_low, row.conf_high)
        yield "one_with_many", f"{row.term}, {row.informant}", "coverage", hit


def days(published, seed: int, truth) -> Hits:
    yield from rates("published", published, truth)
    effect = simulate_dyads("hospital_effect", len(published), seed)
    yield from rates("hospital_effect", effect, truth)


def rates(scenario: str, data, truth) -> Hits:
    for name in ("as_published", "nested"):
        method = "Poisson, dyads independent" if name == "as_published" else "Poisson, CR2"
        for rating in (CM, CLIENT):
            if name == "as_published" and (rating == CLIENT or scenario != "published"):
                continue
            true = truth[scenario, rating]
            bounds = sorted((true, 1 / true)) if scenario == "hospital_effect" else (0.8, 1.25)
            effect = rate(name, data, rating, *bounds)
            quantity = f"rate ratio of days, {rating}, {scenario}"
            yield method, quantity, "coverage", covers(true, effect.conf_low, effect.conf_high)
            if scenario == "hospital_effect":
                quantity += ", equivalence, bound at the truth"
                yield method, quantity, "size", effect.p_equivalence <= 0.05
            else:
                yield method, quantity, "size", effect.p_value <= 0.05


def rate(name: str, data, rating: str, low: float = 0.8, high: float = 1.25):
    Z, groups = as_numbers(data, ADJUST, BOOK).to_numpy(float), pd.factorize(data[KEYS])[0]
    model = PartialCounts(data["hospital_days"].to_numpy(), data[rating].to_numpy(float), Z, groups)
    e = model.observed(OF_KIND["rate_absence"][QUICK[name]])
    return verdicts.rate_ratio(e.estimate, e.std_error, e.df2, e.n, low, high)


def alphas(drawn, cluster=None) -> pd.DataFrame:
    found = []
    for name in (CLIENT, CM):
        keys = [i for part in BOOK.scales[name].keys.values() for i in part]
        table = reliability(drawn.items[name], keys, cluster)
        found.append(table.assign(scale=name))
    return pd.concat(found)


def alpha_hits(drawn, managers, truth) -> Hits:
    for method, cluster in (("Feldt", None), ("clustered", managers)):
        for row in alphas(drawn, cluster).itertuples():
            hit = covers(truth["alpha", row.scale], row.alpha_low, row.alpha_high)
            yield f"reliability, {method}", f"alpha, {row.scale}", "coverage", hit


def partial_hits(null) -> Hits:
    for row in halo(null).partialled.itertuples():
        if row.term in CLINICAL:
            yield "halo.partialled, nested", f"{row.term}, {CM}", "size", row.p_value <= 0.05


def slow(null, published, truth, rng) -> Hits:
    """Imputation with Rubin's rules, beside complete cases; permuted relative importance."""
    yield from partial_hits(null)
    runs = ("coverage", published, [AGE, "symptoms"]), ("size", null, CLINICAL)
    for kind, data, terms in runs:
        gaps = with_gaps(data, rng)
        groups = data[KEYS].to_numpy()
        tables = impute(gaps, M, int(rng.integers(2**31)), groups)
        fits = [fit_of(table, terms, groups) for table in tables]
        estimates, covariances, df = (np.stack(part) for part in zip(*fits, strict=True))
        k = len(terms) + 1
        if kind == "size":
            test = pool_blocks(estimates, covariances, len(data), k, df.min(axis=1).mean())
            quantity = f"{CM} on {', '.join(terms)}"
            yield "imputed, D1, mixed model", quantity, kind, test["p_value"].iloc[0] <= 0.05
            continue
        errors = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
        estimates, errors = (pd.DataFrame(found, columns=terms) for found in (estimates, errors))
        pooled = pool(estimates, errors, len(data), k, df.mean(axis=0))
        complete = random_intercept(gaps[CM], gaps[terms], groups)
        for method, table in (("imputed, pooled", pooled), ("complete cases", complete.iloc[1:])):
            for row in table.itertuples():
                hit = covers(truth["imputed", row.term], row.conf_low, row.conf_high)
                yield f"{method}, mixed model", f"{row.term}, with gaps", kind, hit
    sources = {"treatment": BOOK.blocks["treatment"], "clinical": CLINICAL}
    found = relative_importance(null, CM, sources, KEYS, 1, 199, int(rng.integers(2**31)))
    for row in found.itertuples():
        yield "relative_importance, permuted", f"{row.term}, {CM}", "size", row.p_value <= 0.05


def with_gaps(data, rng) -> pd.DataFrame:
    """A quarter of the symptoms and living skills, more in the sick; ages of a tenth."""
    gaps = data[[CM, AGE, *CLINICAL]].astype(float)
    chance = 0.5 * (1 - gaps["health_sickness"].rank(pct=True))
    for name in ("symptoms", LIVING):
        gaps.loc[rng.random(len(data)) < chance, name] = np.nan
    managers = data[KEYS].unique()
    unknown = rng.choice(managers, len(managers) // 10, replace=False)
    gaps.loc[data[KEYS].isin(unknown), AGE] = np.nan
    return gaps


def fit_of(table, terms, groups) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    fit = fit_intercepts(complete_rows(table[CM], table[terms], groups))
    return fit.estimate[1:], fit.vcov[1:, 1:], fit.df[1:]


def truths(seed: int) -> dict:
    """What each estimator gives for very many clients."""
    drawn = draw(population("published"), LARGE, seed)
    data = dyad_table(drawn)
    groups = pd.factorize(data[KEYS])[0]
    truth = {("published", rating): 1.0 for rating in (CLIENT, CM)}
    for y, x in SLOPES:
        for method in ("OLS naive", "mixed model"):
            truth[ESTIMANDS[method], y, x] = slope(method, data[y], data[x], groups)[0]
    for y, x in PAIRS:
        for name in ("as_published", "nested"):
            found = relate(data[y].to_numpy(), data[x].to_numpy(), groups, name)
            truth[name, y, x] = found.estimate
        truth["nested_cr2", y, x] = truth["as_published", y, x]
    for row in agreement(data[CLIENT], data[CM]).itertuples():
        truth["agreement", row.Index] = row.estimate
    truth |= pd.concat(judged(data)).set_index("term")["estimate"].to_dict()
    for row in one_with_many(data[CLIENT], data[CM], groups).itertuples():
        truth[row.informant, row.term] = row.estimate
    fit = random_intercept(data[CM], data[[AGE, "symptoms"]], groups)
    truth |= {("imputed", row.term): row.estimate for row in fit.itertuples()}
    truth |= {("alpha", row.scale): row.alpha for row in alphas(drawn).itertuples()}
    effect = simulate_dyads("hospital_effect", LARGE, seed)
    for rating in (CLIENT, CM):
        truth["hospital_effect", rating] = rate("as_published", effect, rating).estimate
    return truth


PARTS = (
    "slopes", "blocks", "standardised", "block_equivalence", "two_informants", "days", "alphas",
    "slow",
)  # fmt: skip


def replicate(seed: np.random.SeedSequence, truth: dict, clients: int, only) -> Hits:
    rng = np.random.default_rng(seed)
    seeds = [int(s) for s in seed.generate_state(3)]
    null = simulate_dyads("no_association", clients, seeds[0])
    drawn = draw(population("published"), clients, seeds[1])
    published = dyad_table(drawn)
    parts = (
        slopes(null, published, truth),
        blocks(null),
        standardised(published, truth),
        block_equivalence(published, rng),
        two_informants(published, truth),
        days(published, seeds[2], truth),
        alpha_hits(drawn, published[KEYS], truth),
        slow(null, published, truth, rng),
    )
    for name, hits in zip(PARTS, parts, strict=True):
        if name in only:
            yield from ((clients, *hit) for hit in hits)


def counted(seeds, truth: dict, clients=201, only=PARTS) -> tuple[Counter, Counter]:
    hits, runs = Counter(), Counter()
    for seed in seeds:
        for *key, hit in replicate(seed, truth, clients, only):
            hits[tuple(key)] += bool(hit)
            runs[tuple(key)] += 1
    return hits, runs
