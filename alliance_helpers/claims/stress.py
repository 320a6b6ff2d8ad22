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
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ..errors import NotEstimableError, ParameterError
from ..models.counts import log_mean_ratio
from ..models.design import standardise
from ..models.inference import adjust, bayes_factor_block, bayes_factor_correlation
from ..models.missing import impute, pool, pool_blocks
from ..models.partial import Estimate, Partial
from ..models.robust import leave_one_out
from ..study.clean import CleanStudy
from ..study.codebook import Codebook
from ..study.read_codebook import book_of
from . import verdicts
from .assess import COLUMNS, Found, assess, claims_of, rows_of
from .evidence import BLOCKS, ClaimData, claim_data, effect_of, fitted, verdict_of
from .multiverse import Multiverse, multiverse
from .reselection import inclusion
from .rules import Claim, Rules, read_rules, read_stress
from .verdicts import Effect
from .views import rank_normal

ASSOCIATIONS = ("association", "modest", "block_difference")
Judged = tuple[Effect, tuple[str, str]]


@dataclass
class Stressed:
    """A study with its claims, under stress tests.

    `quick` holds the rows of `assess` if they are at hand; `specifications` and `reselected` what
    `multiverse` and `reselection.inclusion` found.
    """

    clean: CleanStudy | pd.DataFrame
    book: Codebook
    rules: Rules
    finding: str | None
    settings: dict[str, dict]
    seed: int
    specifications: Multiverse | None = None
    reselected: pd.DataFrame | None = None
    quick: pd.DataFrame | None = None

    @cached_property
    def dyads(self) -> pd.DataFrame:
        """One row per client."""
        return self.clean if isinstance(self.clean, pd.DataFrame) else self.clean.dyads

    @cached_property
    def claims(self) -> list[Claim]:
        """The claims that the study can speak to."""
        return claims_of(self.dyads, self.book, self.rules, self.finding)

    @cached_property
    def usual(self) -> dict[tuple[str, str, str], dict]:
        """The row of each claim's usual analysis, which respects case managers."""
        how, rows = self.book.usual_analysis, self.quick
        if rows is None:
            rows = assess(self.dyads, self.book, self.rules, [how], self.finding)
        rows = rows[rows["analysis"] == how].to_dict("records")
        return {(row["finding"], row["claim"], row["informant"]): row for row in rows}

    def rows(self, analysis: str) -> list[dict]:
        """The rows of one stress test."""
        test, kinds = STRESS[analysis]

        def find(claim: Claim) -> Found | None:
            found = test(self, claim)
            return found and (*found, self.usual[claim.key]["n_effective"])

        claims = [c for c in self.claims if not kinds or c.kind in (*kinds, "all_of")]
        return rows_of(claims, self.rules, analysis, find)

    def worth(self, claim: Claim, n: int) -> float:
        """How many independent dyads the claim's n dyads are worth."""
        if self.book.case_manager is None:
            return float(n)
        row = self.usual[claim.key]
        if np.isnan(row["n_effective"]):
            raise _not_estimable(row["criterion"])
        return float(row["n_effective"])

    def data(self, claim: Claim, more: Iterable[str] = (), dyads=None, transform=None) -> ClaimData:
        """The claim's complete dyads, with what its own analysis holds constant and more."""
        dyads = self.dyads if dyads is None else dyads
        held = [*self.rules.held_constant(claim), *more]
        return claim_data(claim, dyads, self.book, held, transform)

    def judged(self, claim: Claim, found: Estimate, words: str) -> Judged:
        """An estimate under the claim's own rule."""
        worth = self.worth(claim, found.n) if claim.kind in BLOCKS else None
        effect = effect_of(found, claim, self.rules, worth)
        verdict, criterion = verdict_of(effect, claim, self.rules)
        return effect, (verdict, criterion + words)

    def adjusted(self, claim: Claim) -> Judged | None:
        """Pretreatment variables held constant, case managers respected."""
        own = claim.variables(self.book)
        held = [c for c in self.book.blocks.get("pretreatment", ()) if c in self.dyads]
        held = [c for c in held if c not in own]
        if claim.block == "pretreatment" or not held:
            return None
        found = fitted(self.data(claim, held))
        return self.judged(claim, found, " (pretreatment held constant)")

    @cached_property
    def _sited(self) -> pd.DataFrame | None:
        """The dyads with sites as categories; None if there are fewer than two."""
        site = self.book.site
        if site is None or site not in self.dyads or self.dyads[site].nunique() < 2:
            return None
        labels = self.dyads[site].map(str, na_action="ignore").astype(object)
        return self.dyads.assign(**{site: labels})

    def sites(self, claim: Claim) -> Judged | None:
        """Within sites: sites as fixed effects above the case managers."""
        if self._sited is None:
            return None
        # What else is a category of the site (its type) is fixed with it.
        usual = [c for c in self.rules.held_constant(claim) if c in self.dyads]
        held = [c for c in usual if pd.api.types.is_numeric_dtype(self.dyads[c])]
        data = claim_data(claim, self._sited, self.book, [*held, self.book.site])
        return self.judged(claim, fitted(data), " (within sites)")

    def rank(self, claim: Claim) -> Judged:
        """Rank-normal scores of ratings and variables, of hospital days too."""
        data = self.data(claim, transform=_rank_normal)
        if claim.kind != "rate_absence":
            return self.judged(claim, fitted(data), " (rank-normal scores)")
        model = Partial(rank_normal(data.y), data.X, data.Z, data.groups)
        found = model.observed("ols" if data.groups is None else "mixed")
        bound = self.rules.bounds["correlation"]
        effect = verdicts.slope(found.estimate, found.std_error, found.df2, found.n, -bound, bound)
        return effect, verdicts.absence(effect, f"±{bound:g} between rank-normal scores")

    @cached_property
    def _completed(self) -> tuple[list[pd.DataFrame], str]:
        """Completed dyad tables, and what is to be said of them; none, with the reason why."""
        book, manager, m = self.book, self.book.case_manager, self.settings["imputed"]["m"]
        dyads = self.dyads.dropna(subset=[manager]) if manager else self.dyads
        listed = [v for names in book.blocks.values() for v in names]
        listed += [i["alliance"] for i in book.informants.values()]
        listed += [v for c in self.claims for v in c.variables(book)]
        columns = [c for c in dict.fromkeys(listed) if c in dyads and dyads[c].notna().any()]
        values = dyads[columns].astype(float)
        said = ""
        try:
            parts = impute(values, m, self.seed, dyads[manager].to_numpy() if manager else None)
        except NotEstimableError as first:
            try:
                parts = impute(values, m, self.seed)
            except NotEstimableError as second:
                return [], str(second)
            said = f"; case managers left out of the imputation, since {str(first).rstrip('.')}"
        return [dyads.assign(**{c: part[c] for c in columns}) for part in parts], said

    def imputed(self, claim: Claim) -> Judged:
        """Multiple imputation by chained equations, pooled by Rubin's rules; blocks by D1."""
        tables, said = self._completed
        if not tables:
            raise NotEstimableError(said)
        parts = [self.data(claim, dyads=table) for table in tables]
        d1 = ", D1, approximate" * (claim.kind in BLOCKS)
        pooled = (_pooled_block if claim.kind in BLOCKS else _pooled)(parts)
        return self.judged(claim, pooled, f" ({len(parts)} imputations{said}{d1})")

    @cached_property
    def _holm(self) -> dict[tuple[str, str, str], tuple[float, int]]:
        """Each association's adjusted p, and how many there are in its finding."""
        members = list(dict.fromkeys(c.key for c in self.claims if c.kind in ASSOCIATIONS))
        p = pd.Series({key: float(self.usual[key]["p_value"]) for key in members}, dtype=float)
        families = p.groupby([key[0] for key in members])
        k = families.transform("size")
        return dict(zip(members, zip(families.transform(adjust), k, strict=True), strict=True))

    def holm(self, claim: Claim) -> Judged:
        """Holm's adjustment over the associations of each finding."""
        row, (p, k) = self.usual[claim.key], self._holm[claim.key]
        if np.isnan(p):
            raise _not_estimable(row["criterion"])
        alpha = self.settings["holm"]["alpha"]
        lost = row["verdict"] == verdicts.SUPPORTED and p >= alpha
        verdict = verdicts.INCONCLUSIVE if lost else row["verdict"]
        criterion = f"{row['criterion']}; Holm-adjusted over {k} associations p < {alpha:g}"
        kept = {name: row[name] for name in ("conf_low", "conf_high", "p_equivalence")}
        return Effect(row["estimate"], p, int(row["n"]), row["df"], **kept), (verdict, criterion)

    def jackknife(self, claim: Claim, family: str = "poisson", words: str = "") -> Judged:
        """Rate ratio of days per SD, errors by leaving out one case manager at a time."""
        data = self.data(claim)
        X = np.column_stack([standardise(data.X), data.Z])

        def ratio(rows: np.ndarray) -> float:
            return log_mean_ratio(data.y[rows], X[rows], family)

        whole = np.arange(len(data.y)) if data.groups is None else data.groups
        codes = np.unique(whole, return_inverse=True)[1]
        count, most = int(codes.max()) + 1, self.settings["jackknife"]["most"]
        if count > most:  # a random part of the case managers at a time
            codes = (np.random.default_rng(self.seed).permutation(count) % most)[codes]
        estimate, covariance, df = leave_one_out(ratio, codes)
        b, error = float(estimate[0]), math.sqrt(covariance[0, 0])
        return self.judged(claim, Estimate(b, error, np.nan, 1, df, np.nan, len(data.y)), words)

    def negbin(self, claim: Claim) -> Judged:
        """Negative binomial model of days."""
        return self.jackknife(claim, "negbin", JACKKNIFED)

    def hurdle(self, claim: Claim) -> Judged:
        """Hurdle model of days: the ratio of mean days, both parts together."""
        return self.jackknife(claim, "hurdle", JACKKNIFED)

    @cached_property
    def _inclusion(self) -> pd.DataFrame:
        if self.reselected is not None:
            return self.reselected
        return inclusion(self.dyads, self.book, self.seed, self.settings["selection"]["n_boot"])

    def selection(self, claim: Claim) -> Judged | None:
        """Inclusion of each associated variable in resamples of the regressions of 1995."""
        s, terms = self.settings["selection"], list(claim.composite) or [claim.term]
        rows = self._inclusion[self._inclusion["informant"] == claim.informant]
        failed = rows[rows["outcome"].isin([self.book.alliance_of(claim.informant), *terms])]
        rows = rows.dropna(subset=["term"]).set_index("term")
        if any(t not in rows.index for t in terms):
            reasons = [r for r in failed["reason"] if r]
            if reasons:
                raise _not_estimable(reasons[0])
            return None
        # Of a composite the component that is selected most often.
        term = rows.loc[terms, "inclusion"].idxmax()
        row = rows.loc[term]
        wanted = (1 if claim.sign == "positive" else -1) * claim.composite.get(term, 1)
        right = row["beta_all_in"] * wanted > 0
        often, noise = float(row["inclusion"]), float(row["noise_inclusion"])
        enough = often >= max(s["inclusion"], s["noise_ratio"] * noise)
        # That a term is not selected says as little as p > .05.
        verdict = verdicts.NOT_SUPPORTED if enough and not right else verdicts.INCONCLUSIVE
        if enough and right and row["same_sign"] >= s["same_sign"]:
            verdict = verdicts.SUPPORTED
        criterion = (
            f"selected in {s['inclusion']:.0%} of the resamples and {s['noise_ratio']:g} times as "
            f"often as noise ({noise:.0%}), with the claimed sign"
        )
        return Effect(often, np.nan, int(row["n"]), np.nan), (verdict, criterion)

    def bayes(self, claim: Claim) -> Judged:
        """Bayes factors for nothing, at the effective n."""
        s, data = self.settings["bayes"], self.data(claim)
        n, k = len(data.y), data.X.shape[1]
        worth = self.worth(claim, n)
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
        verdict = verdicts.NOT_SUPPORTED if evidence < 1 / need else verdicts.INCONCLUSIVE
        verdict = verdicts.SUPPORTED if evidence > need else verdict
        criterion = (
            f"Bayes factor for no association above {need:g}; it is {evidence:.3g} at an effective "
            f"n of {worth:.0f} ({prior})"
        )
        return Effect(estimate, np.nan, n, np.nan), (verdict, criterion)

    @cached_property
    def _every(self) -> Multiverse:
        n_perm = self.settings["multiverse"]["n_perm"]
        return self.specifications or multiverse(
            self.clean, self.book, self.rules, self.finding, None, n_perm, self.seed
        )

    def multiverse(self, claim: Claim) -> Judged:
        """Median over all defensible specifications, with the joint permutation test."""
        return self._every.verdict_of(claim, self.rules, self.settings["multiverse"])


def _not_estimable(reason: str) -> NotEstimableError:
    return NotEstimableError(str(reason).removeprefix("not estimable: "))


def _rank_normal(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.apply_along_axis(rank_normal, 0, values), np.ones(len(values), bool)


def _pooled(parts: list[ClaimData]) -> Estimate:
    fits = [fitted(data) for data in parts]
    estimates, errors, df = zip(*((f.estimate, f.std_error, f.df2) for f in fits), strict=True)
    row = pool(estimates, errors, n=fits[0].n, k=2, df_complete=float(np.mean(df))).iloc[0]
    b, error, t, df, p = row[["estimate", "std_error", "statistic", "df", "p_value"]]
    return Estimate(b, error, t * t, 1, df, p, fits[0].n)


def _pooled_block(parts: list[ClaimData]) -> Estimate:
    if parts[0].groups is None:
        raise NotEstimableError("the study names no case managers")
    models = [data.model for data in parts]
    k, n = models[0].k, models[0].n
    fits, tested = [model.intercepts for model in models], slice(1, k + 1)
    estimates = [fit.estimate[tested] for fit in fits]
    covariances = [fit.vcov[tested, tested] for fit in fits]
    df = float(np.mean([fit.df[tested].min() for fit in fits]))
    test = pool_blocks(estimates, covariances, n, k + 1, df).iloc[0]
    share = float(np.mean([model.observed("ols").estimate for model in models]))
    return Estimate(share, np.nan, test["f"], k, test["df2"], test["p_value"], n)


DAYS = ("rate_absence",)
JACKKNIFED = "; errors by jackknife over case managers"
STRESS: dict[str, tuple[Callable[[Stressed, Claim], Judged | None], tuple[str, ...]]] = {
    "imputed": (Stressed.imputed, ()),
    "adjusted": (Stressed.adjusted, ()),
    "sites": (Stressed.sites, ()),
    "rank": (Stressed.rank, ()),
    "holm": (Stressed.holm, ASSOCIATIONS),
    "jackknife": (Stressed.jackknife, DAYS),
    "selection": (Stressed.selection, ("association",)),
    "bayes": (Stressed.bayes, ("block_absence", *DAYS)),
    "negbin": (Stressed.negbin, DAYS),
    "hurdle": (Stressed.hurdle, DAYS),
    "multiverse": (Stressed.multiverse, ()),
}
"""Each stress test, and the kinds of claims it speaks to; without kinds to all."""


def stress(
    clean: CleanStudy | pd.DataFrame,
    codebook: Codebook | None = None,
    rules: Rules | None = None,
    finding: str | None = None,
    analyses: Iterable[str] | None = None,
    seed: int = 1995,
    settings: dict | None = None,
    specifications: Multiverse | None = None,
    reselected: pd.DataFrame | None = None,
    quick: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Stress tests of every claim.

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
    analyses : iterable of str, optional
        Names among `STRESS`, in the order wanted; all by default.
    seed : int
        Of everything that draws.
    settings : dict, optional
        By default the shipped `data/stress.yml`, as `read_stress` returns it.
    specifications : Multiverse, optional
        Every specification of these claims, if it has been worked out already.
    reselected : DataFrame, optional
        What `reselection.inclusion` found, likewise.
    quick : DataFrame, optional
        The rows of `assess`, likewise.

    Returns
    -------
    DataFrame
        The columns of findings.csv. Estimates are those of `assess`, but for `selection` (share of
        resamples that select the term) and `multiverse` (median over specifications).

    Raises
    ------
    ParameterError
        An analysis or finding that is not known.

    Examples
    --------
    >>> from alliance_helpers.cohorts.simulate import simulate_dyads
    >>> rows = stress(simulate_dyads("published", 201, 7), finding="3", analyses=["rank"])
    >>> rows["claim"].tolist()
    ['own_outcome', 'alone']
    """
    rules = rules or read_rules()
    names = list(STRESS) if analyses is None else list(analyses)
    if unknown := [n for n in names if n not in STRESS]:
        raise ParameterError(
            f"Unknown stress tests: {', '.join(unknown)}. Choose from {', '.join(STRESS)}."
        )
    dyads = clean if isinstance(clean, pd.DataFrame) else clean.dyads
    study = Stressed(
        clean, book_of(dyads, codebook), rules, rules.finding(finding), settings or read_stress(),
        seed, specifications, reselected, quick,
    )  # fmt: skip
    rows = [row for name in names for row in study.rows(name)]
    return pd.DataFrame(rows, columns=COLUMNS)


def all_rows(
    clean: CleanStudy | pd.DataFrame,
    codebook: Codebook | None = None,
    rules: Rules | None = None,
    finding: str | None = None,
    seed: int = 1995,
    specifications: Multiverse | None = None,
    reselected: pd.DataFrame | None = None,
    analyses: Iterable[str] | None = None,
) -> pd.DataFrame:
    """Then and now: the rows of `assess`, followed by those of `stress`.

    Parameters
    ----------
    clean, codebook, rules, finding, seed, specifications, reselected
        As in `stress`.
    analyses : iterable of str, optional
        Stress tests; by default all, and the multiverse only with its `specifications`, since it
        takes as long as the others together.

    Returns
    -------
    DataFrame
        The columns of findings.csv, as `then_and_now` takes them.
    """
    dyads = clean if isinstance(clean, pd.DataFrame) else clean.dyads
    rules = rules or read_rules()
    if analyses is None:
        analyses = [n for n in STRESS if n != "multiverse" or specifications is not None]
    quick = assess(dyads, codebook, rules, finding=rules.finding(finding))
    made = {"specifications": specifications, "reselected": reselected, "quick": quick}
    slow = stress(clean, codebook, rules, finding, analyses, seed, **made)
    return pd.concat([quick, slow], ignore_index=True)
