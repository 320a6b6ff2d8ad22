"""How each claim stands up to methods that its study did not have: rows beside those of `assess`.

Each stress test is an analysis of its own name. It keeps the claims, bounds and verdict rules of
`data/findings.yml`; what it adds stands in `data/stress.yml`. A test that has nothing to say of a
kind of claim gives no row; one that cannot be worked out gives a row with the reason.

A stress test is a function from a study to a `find`, which takes a claim to its effect with verdict
and criterion, or to None; `STRESS` names them all, and the kinds of claims they speak to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ..errors import NotEstimableError, ParameterError
from ..models.count_fits import Fit
from ..models.counts import log_mean_ratio
from ..models.design import standardise
from ..models.inference import adjust, bayes_factor_block, bayes_factor_correlation
from ..models.jackknife import leave_one_out
from ..models.missing import impute, pool, pool_blocks
from ..models.partial import Estimate, Partial
from ..study.clean import CleanStudy
from ..study.codebook import Codebook
from ..study.read_codebook import book_of
from . import verdicts
from .assess import COLUMNS, assess, rows_of, unavailable
from .evidence import BLOCKS, ClaimData, claim_data, effect_of, fitted, model_of, verdict_of
from .multiverse import Multiverse, multiverse
from .reselection import inclusion
from .rules import Claim, Rules, read_rules, read_stress
from .verdicts import Effect
from .views import rank_normal

ASSOCIATIONS = ("association", "modest", "block_difference")
Judged = tuple[Effect, tuple[str, str]]
Find = Callable[[Claim], Judged | None]


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

    @property
    def dyads(self) -> pd.DataFrame:
        """One row per client."""
        return self.clean if isinstance(self.clean, pd.DataFrame) else self.clean.dyads

    @cached_property
    def claims(self) -> list[Claim]:
        """The claims that the study can speak to."""
        lacking = unavailable(self.dyads, self.book, self.rules)
        gone = set(lacking[["finding", "claim", "informant"]].itertuples(index=False, name=None))
        wanted = [c for c in self.rules.claims if self.finding in (None, c.finding)]
        return [c for c in wanted if c.key not in gone]

    @cached_property
    def usual(self) -> dict[tuple[str, str, str], dict]:
        """The row of each claim's usual analysis, which respects case managers."""
        how, rows = self.book.usual_analysis, self.quick
        if rows is None:
            rows = assess(self.dyads, self.book, self.rules, [how], self.finding)
        rows = rows[rows["analysis"] == how].to_dict("records")
        return {(row["finding"], row["claim"], row["informant"]): row for row in rows}

    def worth(self, claim: Claim, n: int) -> float:
        """How many independent dyads the claim's n dyads are worth."""
        if self.book.case_manager is None:
            return float(n)
        row = self.usual[claim.key]
        if np.isnan(row["n_effective"]):
            raise NotEstimableError(_reason(row))
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

    def rows(self, analysis: str) -> list[dict]:
        """The rows of one stress test."""
        make, kinds = STRESS[analysis]
        find = make(self)

        def found(claim: Claim):
            made = find(claim)
            return made and (*made, self.usual[claim.key]["n_effective"])

        claims = [c for c in self.claims if not kinds or c.kind in (*kinds, "all_of")]
        return rows_of(claims, self.rules, analysis, found) if find else []


def _reason(row: dict) -> str:
    return str(row["criterion"]).removeprefix("not estimable: ")


def adjusted(study: Stressed) -> Find:
    """Pretreatment variables held constant, case managers respected."""
    pretreatment = [c for c in study.book.blocks.get("pretreatment", ()) if c in study.dyads]

    def find(claim: Claim) -> Judged | None:
        held = [c for c in pretreatment if c not in claim.variables(study.book)]
        if claim.block == "pretreatment" or not held:
            return None
        found = fitted(claim, study.data(claim, held))
        return study.judged(claim, found, " (pretreatment held constant)")

    return find


def sites(study: Stressed) -> Find | None:
    """Within sites: sites as fixed effects above the case managers."""
    site = study.book.site
    if site is None or site not in study.dyads or study.dyads[site].nunique() < 2:
        return None
    labels = study.dyads[site].map(str, na_action="ignore").astype(object)
    dyads = study.dyads.assign(**{site: labels})

    def find(claim: Claim) -> Judged:
        # What else is a category of the site (its type) is fixed with it.
        usual = [c for c in study.rules.held_constant(claim) if c in dyads]
        held = [c for c in usual if pd.api.types.is_numeric_dtype(dyads[c])]
        data = claim_data(claim, dyads, study.book, [*held, site])
        return study.judged(claim, fitted(claim, data), " (within sites)")

    return find


def rank(study: Stressed) -> Find:
    """Rank-normal scores of ratings and variables, of hospital days too."""

    def scores(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.apply_along_axis(rank_normal, 0, values), np.ones(len(values), bool)

    def find(claim: Claim) -> Judged:
        data = study.data(claim, transform=scores)
        if claim.kind != "rate_absence":
            return study.judged(claim, fitted(claim, data), " (rank-normal scores)")
        model = Partial(rank_normal(data.y), data.X, data.Z, data.groups)
        found = model.observed("ols" if data.groups is None else "mixed")
        bound = study.rules.bounds["correlation"]
        effect = verdicts.slope(found.estimate, found.std_error, found.df2, found.n, -bound, bound)
        return effect, verdicts.absence(effect, f"±{bound:g} between rank-normal scores")

    return find


def imputed(study: Stressed) -> Find:
    """Multiple imputation by chained equations, pooled by Rubin's rules; blocks by D1."""
    m = study.settings["imputed"]["m"]
    tables, reason = _completed(study, m)

    def find(claim: Claim) -> Judged:
        if not tables:
            raise NotEstimableError(reason)
        parts = [study.data(claim, dyads=table) for table in tables]
        words = f" ({m} imputations{reason}{', D1, approximate' * (claim.kind in BLOCKS)})"
        if claim.kind in BLOCKS:
            return study.judged(claim, _pooled_block(study, claim, parts), words)
        fits = [fitted(claim, data) for data in parts]
        row = pool(
            [f.estimate for f in fits],
            [f.std_error for f in fits],
            n=fits[0].n,
            k=2,
            df_complete=float(np.mean([f.df2 for f in fits])),
        ).iloc[0]
        names = ("estimate", "std_error", "statistic", "df", "p_value")
        b, error, t, df, p = (row[name] for name in names)
        return study.judged(claim, Estimate(b, error, t * t, 1, df, p, fits[0].n), words)

    return find


def _completed(study: Stressed, m: int) -> tuple[list[pd.DataFrame], str]:
    """Completed dyad tables, and what is to be said of them; none, with the reason why."""
    book, manager = study.book, study.book.case_manager
    dyads = study.dyads.dropna(subset=[manager]) if manager else study.dyads
    listed = [v for names in book.blocks.values() for v in names]
    listed += [i["alliance"] for i in book.informants.values()]
    listed += [v for c in study.claims for v in c.variables(book)]
    columns = [c for c in dict.fromkeys(listed) if c in dyads and dyads[c].notna().any()]
    values = dyads[columns].astype(float)
    said = ""
    try:
        parts = impute(values, m, study.seed, dyads[manager].to_numpy() if manager else None)
    except NotEstimableError as first:
        try:
            parts = impute(values, m, study.seed)
        except NotEstimableError as second:
            return [], str(second)
        said = f"; case managers left out of the imputation, since {str(first).rstrip('.')}"
    return [dyads.assign(**{c: part[c] for c in columns}) for part in parts], said


def _pooled_block(study: Stressed, claim: Claim, parts: list[ClaimData]) -> Estimate:
    if study.book.case_manager is None:
        raise NotEstimableError("the study names no case managers")
    models = [model_of(claim, data) for data in parts]
    k, n = models[0].k, models[0].n
    shares = [model.observed("ols").estimate for model in models]
    fits, tested = [model.intercepts for model in models], slice(1, k + 1)
    test = pool_blocks(
        [fit.estimate[tested] for fit in fits],
        [fit.vcov[tested, tested] for fit in fits],
        n,
        k + 1,
        float(np.mean([fit.df[tested].min() for fit in fits])),
    ).iloc[0]
    return Estimate(float(np.mean(shares)), np.nan, test["f"], k, test["df2"], test["p_value"], n)


def holm(study: Stressed) -> Find:
    """Holm's adjustment over the associations of each finding."""
    alpha = study.settings["holm"]["alpha"]
    families: dict[str, list[Claim]] = {}
    for claim in study.claims:
        if claim.kind in ASSOCIATIONS:
            families.setdefault(claim.finding, []).append(claim)
    adjusted = {}
    for members in families.values():
        values = adjust([float(study.usual[c.key]["p_value"]) for c in members], "holm")
        adjusted |= {c.key: float(p) for c, p in zip(members, values, strict=True)}

    def find(claim: Claim) -> Judged:
        row, p = study.usual[claim.key], adjusted[claim.key]
        if np.isnan(p):
            raise NotEstimableError(_reason(row))
        lost = row["verdict"] == verdicts.SUPPORTED and p >= alpha
        verdict = verdicts.INCONCLUSIVE if lost else row["verdict"]
        k = len(families[claim.finding])
        criterion = f"{row['criterion']}; Holm-adjusted over {k} associations p < {alpha:g}"
        kept = {name: row[name] for name in ("conf_low", "conf_high", "p_equivalence")}
        effect = Effect(row["estimate"], p, int(row["n"]), row["df"], **kept)
        return effect, (verdict, criterion)

    return find


def jackknifed(family: str, words: str = "") -> Callable[[Stressed], Find]:
    """Rate ratio of days per SD, errors by leaving out one case manager at a time."""

    def make(study: Stressed) -> Find:
        def find(claim: Claim) -> Judged:
            data = study.data(claim)
            X = np.column_stack([standardise(data.X), data.Z])
            fits: list[Fit] = []  # the first, of all rows: the others start where it ends

            def ratio(rows: np.ndarray) -> np.ndarray:
                found, fit = log_mean_ratio(data.y[rows], X[rows], family, *fits[:1])
                fits.append(fit)
                return np.array([found])

            estimate, covariance, df = leave_one_out(ratio, _left_out(study, data))
            b, error = float(estimate[0]), math.sqrt(covariance[0, 0])
            t, n = (b / error if error else math.nan), len(data.y)
            return study.judged(claim, Estimate(b, error, t * t, 1, df, math.nan, n), words)

        return find

    return make


def _left_out(study: Stressed, data: ClaimData) -> np.ndarray:
    """What is left out at a time: one case manager; of many, or without any, a random part."""
    most = study.settings["jackknife"]["most"]
    whole = np.arange(len(data.y)) if data.groups is None else data.groups
    codes = np.unique(whole, return_inverse=True)[1]
    count = int(codes.max()) + 1
    if count <= most:
        return codes
    return (np.random.default_rng(study.seed).permutation(count) % most)[codes]


def selection(study: Stressed) -> Find:
    """Inclusion of each associated variable in resamples of the stepwise regressions of 1995."""
    s, table = study.settings["selection"], study.reselected
    if table is None:
        table = inclusion(study.dyads, study.book, study.seed, s["n_boot"])

    def find(claim: Claim) -> Judged | None:
        terms = list(claim.composite) or [claim.term]
        rows = table[table["informant"] == claim.informant]
        failed = rows[rows["outcome"].isin([study.book.alliance_of(claim.informant), *terms])]
        rows = rows.dropna(subset=["term"]).set_index("term")
        if any(t not in rows.index for t in terms):
            reasons = [r for r in failed["reason"] if r]
            if reasons:
                raise NotEstimableError(reasons[0].removeprefix("not estimable: "))
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

    return find


def bayes(study: Stressed) -> Find:
    """Bayes factors for nothing, at the effective n."""
    s = study.settings["bayes"]

    def find(claim: Claim) -> Judged:
        data = study.data(claim)
        n, k = len(data.y), data.X.shape[1]
        worth = study.worth(claim, n)
        if claim.kind == "rate_absence":
            model = Partial(rank_normal(data.y), rank_normal(data.X[:, 0])[:, None], data.Z, None)
            slope = model.observed("ols")
            estimate = float(np.sign(slope.estimate) * np.sqrt(slope.f / (slope.f + slope.df2)))
            factor = bayes_factor_correlation(estimate, worth, s["kappa"])
            prior = f"correlation of rank-normal scores, stretched beta of width {s['kappa']:g}"
        else:
            if worth <= k + 1:
                raise NotEstimableError(f"{worth:.1f} effective dyads are too few for {k} terms")
            estimate = model_of(claim, data).observed("ols").estimate
            factor = bayes_factor_block(estimate, worth, k, s["r_scale"])
            prior = f"Zellner-Siow of width {s['r_scale']:.3f}"
        evidence, need = 1 / factor, s["evidence"]
        verdict = verdicts.INCONCLUSIVE
        if evidence > need or evidence < 1 / need:
            verdict = verdicts.SUPPORTED if evidence > need else verdicts.NOT_SUPPORTED
        criterion = (
            f"Bayes factor for no association above {need:g}; it is {evidence:.3g} at an effective "
            f"n of {worth:.0f} ({prior})"
        )
        return Effect(estimate, np.nan, n, np.nan), (verdict, criterion)

    return find


def every_specification(study: Stressed) -> Find:
    """Median over all defensible specifications, with the joint permutation test."""
    s = study.settings["multiverse"]
    every = study.specifications or multiverse(
        study.clean, study.book, study.rules, study.finding, None, s["n_perm"], study.seed
    )
    return lambda claim: every.verdict_of(claim, study.rules, s)


DAYS = ("rate_absence",)
SAID = "; errors by jackknife over case managers"
STRESS: dict[str, tuple[Callable[[Stressed], Find | None], tuple[str, ...]]] = {
    "imputed": (imputed, ()),
    "adjusted": (adjusted, ()),
    "sites": (sites, ()),
    "rank": (rank, ()),
    "holm": (holm, ASSOCIATIONS),
    "jackknife": (jackknifed("poisson"), DAYS),
    "selection": (selection, ("association",)),
    "bayes": (bayes, ("block_absence", "rate_absence")),
    "negbin": (jackknifed("negbin", SAID), DAYS),
    "hurdle": (jackknifed("hurdle", SAID), DAYS),
    "multiverse": (every_specification, ()),
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
    >>> from alliance_helpers import simulate_dyads
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
) -> pd.DataFrame:
    """Then and now: the rows of `assess`, followed by those of `stress`.

    Parameters
    ----------
    clean, codebook, rules, finding, seed, specifications, reselected
        As in `stress`.

    Returns
    -------
    DataFrame
        The columns of findings.csv, as `then_and_now` takes them.
    """
    dyads = clean if isinstance(clean, pd.DataFrame) else clean.dyads
    rules = rules or read_rules()
    quick = assess(dyads, codebook, rules, finding=rules.finding(finding))
    made = {"specifications": specifications, "reselected": reselected, "quick": quick}
    slow = stress(clean, codebook, rules, finding, seed=seed, **made)
    return pd.concat([quick, slow], ignore_index=True)
