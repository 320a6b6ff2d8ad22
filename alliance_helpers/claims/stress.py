"""How each claim stands up to methods that its study did not use: rows beside those of `assess`.

Each stress test is an analysis of its own name. It keeps the claims, bounds and verdict rules of
`data/findings.yml`; what it adds stands in `data/stress.yml`. A test that has nothing to say of a
kind of claim gives no row; one that cannot be worked out gives a row with the reason.

A stress test is a method of `Stressed` that takes a claim to its effect with verdict and criterion,
or to None; `STRESS` names them all, and the kinds of claims they speak to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain

import numpy as np
import pandas as pd

from ..cohorts.cohort import FEW, followed, rounded_n
from ..errors import NotEstimableError, ParameterError
from ..models.count_fits import unlike
from ..models.counts import log_mean_ratio
from ..models.design import standardise
from ..models.inference import adjust, bayes_factor_block, bayes_factor_correlation
from ..models.missing import impute, pool, pool_blocks
from ..models.partial import Estimate, Partial
from ..models.permutations import monte_carlo_interval
from ..models.robust import leave_one_out
from ..study.clean import CleanStudy
from ..study.codebook import Codebook
from ..study.read_codebook import book_of
from . import verdicts
from .as_1995 import inclusion
from .assess import COLUMNS, Found, assess, claims_of, rows_of
from .multiverse import Multiverse, multiverse
from .rules import ABSENCES, KEY, Claim, Rules, read_rules, read_stress
from .verdicts import BLOCKS, ClaimData, Effect, Judged, claim_data, complete_of, fitted
from .views import rank_normal, usable

ASSOCIATIONS = ("association", "modest", "block_difference")


@dataclass
class Stressed:
    """A study with its claims, under stress tests; `usual` has the rows of the primary analysis.

    `specifications` and `reselected` are what `multiverse` and `as_1995.inclusion` found.
    """

    dyads: pd.DataFrame
    book: Codebook
    rules: Rules
    claims: list[Claim]
    primary: str
    usual: dict[tuple[str, str, str], dict]
    settings: dict[str, dict]
    seed: int
    specifications: Multiverse | None
    reselected: pd.DataFrame | None
    rule: dict[str, float]

    def rows(self, analysis: str) -> list[dict]:
        """The rows of one stress test."""
        test, kinds = STRESS[analysis]

        def find(claim: Claim) -> Found | None:
            found = test(self, claim)
            return found and (*found, self.usual[claim.key]["n_effective"])

        claims = [c for c in self.claims if not kinds or c.kind in (*kinds, "all_of")]
        return rows_of(claims, self.rules, analysis, find)

    def worth(self, claim: Claim) -> float:
        """How many independent dyads the claim's dyads are worth."""
        row = self.usual[claim.key]
        if np.isnan(row["n_effective"]):
            raise NotEstimableError(row["criterion"])
        return float(row["n_effective"])

    def data(self, claim: Claim, dyads=None, transform=None) -> ClaimData:
        """The claim's complete dyads, with what the primary analysis holds constant."""
        dyads = self.dyads if dyads is None else dyads
        found = complete_of(claim, dyads, self.book, self.held(claim))
        return claim_data(claim, found, transform)

    def held(self, claim: Claim) -> list[str]:
        """What the primary analysis holds constant."""
        return self.rules.held_constant(claim, self.book, self.primary in verdicts.ADJUSTED)

    def judged(self, claim: Claim, found: Estimate, words: str) -> Judged:
        """An estimate under the claim's own rule."""
        effect = verdicts.effect_of(found, claim, self.rules)
        verdict, criterion = verdicts.verdict_of(effect, claim, self.rules)
        return effect, (verdict, criterion + words)

    def sites(self, claim: Claim) -> Judged | None:
        """Within sites: sites as fixed effects above the case managers."""
        site = self.book.site
        if not usable(self.dyads, [site]):
            return None
        labels = self.dyads[site].map(str, na_action="ignore").astype(object)
        # What else is a category of the site (its type) is fixed with it.
        numbers = self.dyads.select_dtypes(["number", "bool"])
        held = [c for c in self.held(claim) if c in numbers]
        sited = self.dyads.assign(**{site: labels})
        data = claim_data(claim, complete_of(claim, sited, self.book, [*held, site]))
        return self.judged(claim, fitted(data), " (within sites)")

    def rank(self, claim: Claim) -> Judged:
        """Rank-normal scores of ratings and variables, of hospital days too."""
        data = self.data(claim, transform=partial(np.apply_along_axis, rank_normal, 0))
        if claim.kind != "rate_absence":
            return self.judged(claim, fitted(data), " (rank-normal scores)")
        model = Partial(rank_normal(data.y), data.X, data.Z, data.groups)
        found = model.observed("ols" if data.groups is None else "mixed")
        related = replace(claim, kind="association", bound="correlation")
        bound = self.rules.bounds["correlation"]
        effect = verdicts.effect_of(found, related, self.rules)
        return effect, verdicts.absence(effect, f"±{bound:g} between rank-normal scores")

    @cached_property
    def _completed(self) -> tuple[list[pd.DataFrame], str]:
        """Completed dyad tables, and what is to be said of them; none, with the reason why."""
        book, manager, m = self.book, self.book.case_manager, self.settings["imputed"]["m"]
        dyads = self.dyads.dropna(subset=[manager]) if manager else self.dyads
        ratings = [i["alliance"] for i in book.informants.values()]
        listed = chain(*book.blocks.values(), ratings, *(c.variables(book) for c in self.claims))
        columns = [c for c in dict.fromkeys(listed) if c in dyads and dyads[c].notna().any()]
        values = dyads[columns].astype(float)
        without = "; case managers, too few for so many variables, left out of the imputation"
        tried = {"": dyads[manager].to_numpy(), without: None} if manager else {"": None}
        for said, groups in tried.items():
            try:
                parts = impute(values, m, self.seed, groups)
                return [dyads.assign(**{c: part[c] for c in columns}) for part in parts], said
            except NotEstimableError as error:
                failed = str(error)
        return [], failed

    def imputed(self, claim: Claim) -> Judged:
        """Multiple imputation by chained equations, pooled by Rubin's rules; blocks by D1."""
        tables, said = self._completed
        if not tables:
            raise NotEstimableError(said)
        parts = [self.data(claim, dyads=table) for table in tables]
        d1 = ", D1, approximate" * (claim.kind in BLOCKS)
        pooled = (_pooled_block if claim.kind in BLOCKS else _pooled)(parts)
        return self.judged(claim, pooled, f" ({len(parts)} imputations{said}{d1})")

    def holm(self, claim: Claim) -> Judged:
        """Holm's adjustment over the associations of each finding."""
        of_finding = [c for c in self.claims if c.finding == claim.finding]
        family = {c.key: self.usual[c.key] for c in of_finding if c.kind in ASSOCIATIONS}
        row, k = family[claim.key], len(family)
        adjusted = adjust(np.array([float(one["p_value"]) for one in family.values()]))
        p = dict(zip(family, adjusted, strict=True))[claim.key]
        if np.isnan(p):
            raise NotEstimableError(row["criterion"])
        alpha = self.settings["holm"]["alpha"]
        lost = row["verdict"] == verdicts.SUPPORTED and p >= alpha
        verdict = verdicts.INCONCLUSIVE if lost else row["verdict"]
        criterion = f"{row['criterion']}; Holm-adjusted over {k} associations p < {alpha:g}"
        kept = {name: row[name] for name in ("conf_low", "conf_high", "p_equivalence")}
        return Effect(row["estimate"], p, int(row["n"]), row["df"], **kept), (verdict, criterion)

    def capped(self, claim: Claim) -> Judged | None:
        """Days up to the end of their window taken as that many or more."""
        window = self.book.days.get(claim.term)
        most = window and int(365.25 * (window.to_years - window.from_years))
        if not most or not (self.dyads[claim.term] >= most).any():
            return None
        return self.jackknife(claim, "negbin", most)

    def jackknife(self, claim: Claim, family: str = "poisson", cap: float = np.inf) -> Judged:
        """Rate ratio of days per SD, errors by leaving out one case manager (or dyad) at a time.

        By a Poisson or negative binomial model, days capped or not; by a hurdle model the ratio of
        mean days, both parts together.
        """
        data = self.data(claim)
        X = np.column_stack([standardise(data.X), data.Z])

        def ratio(rows: np.ndarray) -> float:
            return log_mean_ratio(data.y[rows], X[rows], family, cap)

        whole = np.arange(len(data.y)) if data.groups is None else data.groups
        codes = np.unique(whole, return_inverse=True)[1]
        count, most = int(codes.max()) + 1, self.settings["jackknife"]["most"]
        if count > most:  # a random part of the case managers at a time
            codes = (np.random.default_rng(self.seed).permutation(count) % most)[codes]
        estimate, covariance, df = leave_one_out(ratio, codes)
        df = 1 / (1 / df + unlike(data.y, codes))
        b, error = float(estimate[0]), math.sqrt(covariance[0, 0])
        who = "dyads" if data.groups is None else "case managers"
        words = f"; errors by jackknife over {who}" * (family != "poisson")
        return self.judged(claim, Estimate(b, error, np.nan, 1, df, np.nan, len(data.y)), words)

    def selection(self, claim: Claim) -> Judged | None:
        """Inclusion of each associated variable in resamples of the regressions of 1995."""
        s, terms = self.settings["selection"], list(claim.composite) or [claim.term]
        if self.reselected is None:
            how = self.seed, s["n_boot"]
            self.reselected = inclusion(self.dyads, self.book, *how, **self.rule)
        rows = self.reselected[self.reselected["informant"] == claim.informant]
        failed = rows[rows["outcome"].isin([self.book.alliance_of(claim.informant), *terms])]
        rows = rows.dropna(subset=["term"]).set_index("term")
        if any(t not in rows.index for t in terms):
            if reasons := [r for r in failed["reason"] if r]:
                raise NotEstimableError(reasons[0])
            return None
        # Of a composite the component that is selected most often.
        term = rows.loc[terms, "inclusion"].idxmax()
        row = rows.loc[term]
        right = row["beta_all_in"] * claim.direction * claim.composite.get(term, 1) > 0
        said = _selected(row, right, s)
        while len(said) > 1 and row["n_boot"] < s["n_boot"] * 2 ** s["doublings"]:
            one = claim.informant, row["outcome"]
            how = {"n_boot": 2 * int(row["n_boot"]), "only": one, **self.rule}
            row = inclusion(self.dyads, self.book, self.seed, **how).set_index("term").loc[term]
            said = _selected(row, right, s)
        verdict = said.pop() if len(said) == 1 else verdicts.INCONCLUSIVE
        often, noise = float(row["inclusion"]), float(row["noise_inclusion"])
        criterion = (
            f"selected in {s['inclusion']:.0%} of {row['n_boot']:,} resamples and "
            f"{s['noise_ratio']:g} times as often as noise ({noise:.0%}), with the claimed sign"
        ) + ", as far as so many can tell" * bool(said)
        return Effect(often, np.nan, int(row["n"]), np.nan), (verdict, criterion)

    def bayes(self, claim: Claim) -> Judged:
        """Bayes factors for nothing, at the effective n."""
        s, data = self.settings["bayes"], self.data(claim)
        n, k = len(data.y), data.X.shape[1]
        worth = self.worth(claim)
        if claim.kind == "rate_absence":
            x, y = rank_normal(data.X[:, 0]), rank_normal(data.y)
            slope = Partial(y, x[:, None], data.Z, None).observed("ols")
            estimate = float(np.sign(slope.estimate) * np.sqrt(slope.f / (slope.f + slope.df2)))
            factor = bayes_factor_correlation(estimate, worth, s["kappa"])
            prior = f"correlation of rank-normal scores, stretched beta of width {s['kappa']:g}"
        else:
            if worth <= k + 1:
                raise NotEstimableError(f"{worth:.1f} effective dyads are too few for {k} terms")
            estimate = data.model.observed("ols").estimate
            factor = bayes_factor_block(estimate, worth, k, s["r_scale"])
            prior = f"Zellner-Siow of width {s['r_scale']:.3f}"
        evidence, need = 1 / factor, s["evidence"]
        verdict = verdicts.verdict(evidence > need, evidence < 1 / need)
        criterion = (
            f"Bayes factor for no association above {need:g}; it is {evidence:.3g} at an effective "
            f"n of {worth:.0f} ({prior})"
        )
        return Effect(estimate, np.nan, n, np.nan), (verdict, criterion)

    def attrition(self, claim: Claim) -> Judged | None:
        """The usual verdict if it stands whatever the association of dyads that lack a value.

        Its numbers are those of the case that decides: where it turns, or comes nearest to that.
        """
        found, s, rate = fitted(self.data(claim)), self.settings["attrition"], claim.kind in DAYS
        n, lost, squared = found.n, len(self.dyads) - found.n, claim.kind in BLOCKS
        if not lost:
            return None

        def at(theirs: float) -> Judged:
            both = (n * found.estimate + lost * theirs) / (n + lost)
            odds = [max(share, 1e-9) / max(1 - share, 1e-9) for share in (both, found.estimate)]
            f = found.f * odds[0] / odds[1] if squared else found.f
            return self.judged(claim, replace(found, estimate=both, f=f), "")

        reach = math.log(s["rate_ratio"]) if rate else s["correlation"]
        grid = np.linspace(0 if squared else -reach, reach, s["steps"])
        observed = _, (verdict, _) = self.judged(claim, found, "")
        moved = {theirs: at(theirs) for theirs in grid}
        turned = [theirs for theirs, (_, (said, _)) in moved.items() if said != verdict]
        what = "rate ratio" if rate else "R²" if squared else "association"
        scale = math.exp if rate else float
        if turned:
            theirs = min(turned, key=lambda x: abs(x - found.estimate))
            words = f"would be another if the {what} of the missing were {scale(theirs):.2f}"
        else:
            small = (verdict == verdicts.SUPPORTED) == (claim.kind in ABSENCES)
            of = "p_equivalence" if small else "p_value"
            theirs = max(moved, key=lambda x: getattr(moved[x][0], of))
            low, high = scale(grid[0]), scale(grid[-1])
            words = f"stands whatever the {what} of the missing, from {low:.3g} to {high:.3g}"
        case = observed if verdict == verdicts.INCONCLUSIVE else moved[theirs]
        effect, (said, criterion) = case
        told = len(self.dyads) - int(rounded_n(n, len(self.dyads), self.book))
        told = told or f"fewer than {FEW}"
        criterion += f"; dyads that lack a value: {told}; the verdict on the others {words}"
        return effect, (verdicts.INCONCLUSIVE if turned else said, criterion)

    def multiverse(self, claim: Claim) -> Judged:
        """Median over all defensible specifications, with the joint permutation test."""
        return self.specifications.verdict_of(claim, self.rules, self.settings["multiverse"])


def _selected(row: pd.Series, right: bool, settings: dict) -> set[str]:
    """The verdicts that a term may get, as far as its resamples tell how often it is selected.

    That a term is not selected says as little as p > .05.
    """
    n, looks, found = row["n_boot"], settings["doublings"] + 1, set()
    times = n * row["inclusion"]
    often = monte_carlo_interval(times, n, looks)
    noise = monte_carlo_interval(n * row["noise_inclusion"], n, looks)
    same = monte_carlo_interval(times * row["same_sign"], times, looks)
    for end in (0, 1):
        enough = often[end] >= max(settings["inclusion"], settings["noise_ratio"] * noise[1 - end])
        holds = enough and right and same[end] >= settings["same_sign"]
        found.add(verdicts.verdict(holds, enough and not right))
    return found


def _pooled(parts: list[ClaimData]) -> Estimate:
    fits = [fitted(data) for data in parts]
    estimates, errors, df = zip(*((f.estimate, f.std_error, f.df2) for f in fits), strict=True)
    if not np.isfinite(errors).all():
        raise NotEstimableError("the estimate has no standard error in some completed data sets")
    row = pool(estimates, errors, n=fits[0].n, k=2, df_complete=float(np.mean(df))).iloc[0]
    kind = type(fits[0])
    return kind(row["estimate"], row["std_error"], np.nan, 1, row["df"], np.nan, fits[0].n)


def _pooled_block(parts: list[ClaimData]) -> Estimate:
    if parts[0].groups is None:
        raise NotEstimableError("the study names no case managers")
    models = [data.model for data in parts]
    k, n = models[0].k, models[0].n
    fits, tested = [model.intercepts for model in models], slice(1, k + 1)
    estimates = [fit.estimate[tested] for fit in fits]
    covariances = [fit.vcov[tested, tested] for fit in fits]
    df = float(np.mean([fit.df[tested].min() for fit in fits]))
    test = pool_blocks(estimates, covariances, n, k + models[0].q + 1, df).iloc[0]
    seen = pd.DataFrame([vars(model.observed("mixed")) for model in models]).mean()
    test = test[["f", "df2", "p_value"]]
    return Estimate(**(seen.to_dict() | test.to_dict() | {"df1": k, "n": n}))


DAYS = ("rate_absence",)
STRESS: dict[str, tuple[Callable[[Stressed, Claim], Judged | None], tuple[str, ...]]] = {
    "imputed": (Stressed.imputed, ()),
    "attrition": (Stressed.attrition, ()),
    "sites": (Stressed.sites, ()),
    "rank": (Stressed.rank, ()),
    "holm": (Stressed.holm, ASSOCIATIONS),
    "jackknife": (Stressed.jackknife, DAYS),
    "selection": (Stressed.selection, ("association",)),
    "bayes": (Stressed.bayes, ("block_absence", *DAYS)),
    "negbin": (partial(Stressed.jackknife, family="negbin"), DAYS),
    "capped": (Stressed.capped, DAYS),
    "hurdle": (partial(Stressed.jackknife, family="hurdle"), DAYS),
    "multiverse": (Stressed.multiverse, ()),
}
"""Each stress test, and the kinds of claims it speaks to; without kinds to all."""


def all_rows(
    clean: CleanStudy | pd.DataFrame,
    codebook: Codebook | None = None,
    rules: Rules | None = None,
    finding: str | None = None,
    seed: int = 1995,
    specifications: Multiverse | None = None,
    reselected: pd.DataFrame | None = None,
    analyses: Iterable[str] | None = None,
    settings: dict | None = None,
    **rule: float,
) -> pd.DataFrame:
    """Then and now: the rows of `assess`, followed by the stress tests of every claim.

    A stress test changes the primary analysis in what it is named after.

    Parameters
    ----------
    clean : CleanStudy or DataFrame
        A cleaned study; or a dyad table, which has no items to score in other ways.
    codebook : Codebook, optional
        By default the study's own, or the shipped one.
    rules : Rules, optional
        The shipped `data/findings.yml` by default.
    finding : str, optional
        Only this finding: "1", "2", "3", "4" or "halo".
    seed : int
        Of everything that draws.
    specifications : Multiverse, optional
        Every specification of these claims, if it has been worked out already.
    reselected : DataFrame, optional
        What `as_1995.inclusion` found, likewise.
    analyses : iterable of str, optional
        Names among `STRESS`, in the order wanted; by default all, and the multiverse only with its
        `specifications`, since it takes as long as the others together.
    settings : dict, optional
        By default the shipped `data/stress.yml`, as `read_stress` returns it.
    **rule : float
        `p_enter` and `p_remove` of stepwise regression, as `assess` takes them.

    Returns
    -------
    DataFrame
        The columns of findings.csv, as `then_and_now` takes them. Estimates are those of `assess`,
        but for `selection` (share of resamples that select the term) and `multiverse` (median over
        specifications).

    Raises
    ------
    ParameterError
        An analysis or finding that is not known.

    Examples
    --------
    >>> from alliance_helpers.cohorts.simulate import simulate_dyads
    >>> rows = all_rows(simulate_dyads("published", 201, 7), finding="3", analyses=["rank"])
    >>> rows.query("analysis == 'rank'")["claim"].tolist()
    ['own_outcome', 'other_outcomes', 'treatment', 'alone']
    """
    dyads = clean if isinstance(clean, pd.DataFrame) else clean.dyads
    book, rules = book_of(dyads, codebook), rules or read_rules()
    settings = settings or read_stress()
    finding, names = rules.finding(finding), list(STRESS if analyses is None else analyses)
    if analyses is None and specifications is None:
        names.remove("multiverse")
    if unknown := [n for n in names if n not in STRESS]:
        raise ParameterError(
            f"Unknown stress tests: {', '.join(unknown)}. Choose from {', '.join(STRESS)}."
        )
    quick = assess(dyads, book, rules, finding=finding, **rule)
    book = verdicts.told_apart(dyads, book)
    if specifications is None and "multiverse" in names:
        how = {"seed": seed, "settings": settings["multiverse"]}
        specifications = multiverse(clean, book, rules, finding, **how)
    primary = rules.primary_of(verdicts.offered(dyads, book))
    usual = quick[quick["analysis"] == primary].drop_duplicates(KEY, keep="last")
    usual = usual.set_index(KEY).to_dict("index")
    claims = [c for c in claims_of(dyads, book, rules, finding) if not c.over_time]
    study = Stressed(
        dyads, book, rules, claims, primary, usual, settings, seed, specifications,
        reselected, rule,
    )  # fmt: skip
    slow = [row for name in followed(names, "Stress tests") for row in study.rows(name)]
    slow = pd.DataFrame(slow, columns=COLUMNS)
    return pd.concat([quick, slow], ignore_index=True)
