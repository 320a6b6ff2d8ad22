"""A study under stress tests: how a claim becomes a row, and its refits."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import CodebookError, NotEstimableError, Problem
from ..models.missing import impute, pool, pool_blocks
from ..models.partial import Estimate, Partial
from ..models.partial_counts import PartialCounts
from ..paths import FINDINGS
from ..study.clean import CleanStudy
from ..study.codebook import Codebook
from ..study.yaml_text import load_yaml
from . import verdicts
from .assess import assess, unavailable
from .evidence import BLOCKS, ClaimData, claim_data, effect_of, verdict_of
from .multiverse import Multiverse
from .nulls import rank_normal
from .rules import Claim, Rules
from .verdicts import Effect

SETTINGS = FINDINGS.with_name("stress.yml")
Found = tuple[Effect, tuple[str, str]]


def read_stress(path: str | Path | None = None) -> dict[str, dict]:
    """Settings of the stress tests; the shipped `data/stress.yml` by default.

    Raises
    ------
    CodebookError
        The file does not exist, or lacks an analysis.

    Examples
    --------
    >>> read_stress()["bayes"]["evidence"]
    3.0
    """
    path = Path(path) if path else SETTINGS
    if not path.is_file():
        what = "does not exist."
        raise CodebookError([Problem(str(path), what, "Name an existing file of settings.")])
    settings = load_yaml(path.read_text(encoding="utf-8"), path.name)
    if path != SETTINGS and (gone := set(read_stress()) - set(settings)):
        what = f"lacks {', '.join(sorted(gone))}."
        raise CodebookError([Problem(path.name, what, "Compare it with data/stress.yml.")])
    return settings


class Stressed:
    """A study with its claims, under stress tests.

    Parameters
    ----------
    clean : CleanStudy or DataFrame
    book : Codebook
    rules : Rules
    finding : str or None
    settings : dict, as :func:`read_stress` returns
    seed : int
    """

    def __init__(
        self,
        clean: CleanStudy | pd.DataFrame,
        book: Codebook,
        rules: Rules,
        finding: str | None,
        settings: dict[str, dict],
        seed: int,
    ) -> None:
        self.clean, self.book, self.rules = clean, book, rules
        self.finding, self.settings, self.seed = finding, settings, seed
        self.specifications: Multiverse | None = None
        self.reselected: pd.DataFrame | None = None
        self.dyads = clean if isinstance(clean, pd.DataFrame) else clean.dyads
        lacking = unavailable(self.dyads, book, rules)
        gone = set(lacking[["finding", "claim", "informant"]].itertuples(index=False, name=None))
        self.claims = [
            c for c in rules.claims if finding in (None, c.finding) and c.key not in gone
        ]

    @cached_property
    def nested(self) -> pd.DataFrame:
        """The rows that respect case managers, indexed by finding, claim and informant."""
        rows = assess(self.dyads, self.book, self.rules, [self.book.usual_analysis], self.finding)
        return rows.set_index(["finding", "claim", "informant"])

    def nested_row(self, claim: Claim) -> pd.Series:
        return self.nested.loc[(claim.finding, claim.claim, claim.informant)]

    def worth(self, claim: Claim, n: int) -> float:
        """How many independent dyads the claim's n dyads are worth."""
        if self.book.case_manager is None:
            return float(n)
        worth = self.nested_row(claim)["n_effective"]
        if np.isnan(worth):
            raise NotEstimableError(_reason(self.nested_row(claim)["criterion"]))
        return float(worth)

    def rows(self, analysis: str, find: Callable[[Claim], Found | None], *kinds: str) -> list[dict]:
        """A row for each claim of these kinds (all by default) that `find` can speak to.

        Claims made of others follow, if the analysis speaks to all their parts.
        """
        made: list[dict] = []
        for claim in self.claims:
            if claim.kind == "all_of":
                made += self._all_of(claim, analysis, made)
            elif not kinds or claim.kind in kinds:
                row = self._row(claim, analysis, find)
                made += [row] if row else []
        return made

    def _row(self, claim: Claim, analysis: str, find) -> dict | None:
        row = {
            "finding": claim.finding, "claim": claim.claim, "analysis": analysis,
            "informant": claim.informant, "term": claim.name or claim.block or claim.term or "",
        }  # fmt: skip
        try:
            found = find(claim)
        except NotEstimableError as error:
            return row | verdicts.not_estimable(error)
        if found is None:
            return None
        effect, (verdict, criterion) = found
        names = ("estimate", "conf_low", "conf_high", "p_value", "n", "p_equivalence", "df")
        values = {name: getattr(effect, name) for name in names}
        worth = self.nested_row(claim)["n_effective"]
        return row | values | {"criterion": criterion, "verdict": verdict, "n_effective": worth}

    def _all_of(self, claim: Claim, analysis: str, made: list[dict]) -> list[dict]:
        wanted = self.rules.parts(claim)
        parts = [
            row["verdict"]
            for row in made
            if row["finding"] == claim.finding and row["claim"] in claim.of
        ]
        if len(parts) < len(wanted):
            return []
        verdict, criterion = verdicts.all_of(parts)
        head = {"finding": claim.finding, "claim": claim.claim, "analysis": analysis}
        head |= {"informant": claim.informant, "term": ""}
        return [head | {"verdict": verdict, "criterion": criterion}]


def _reason(criterion: str) -> str:
    return str(criterion).removeprefix("not estimable: ")


def adjusted(study: Stressed, analysis: str) -> list[dict]:
    """Pretreatment variables held constant, case managers respected."""
    pretreatment = [c for c in study.book.blocks.get("pretreatment", ()) if c in study.dyads]

    def find(claim: Claim) -> Found | None:
        held = [c for c in pretreatment if c not in claim.variables(study.book)]
        if claim.block == "pretreatment" or not held:
            return None
        data = claim_data(claim, study.dyads, study.book, [*_usual(study, claim), *held])
        return _judged(study, claim, fitted(claim, data), " (pretreatment held constant)")

    return study.rows(analysis, find)


def sites(study: Stressed, analysis: str) -> list[dict]:
    """Within sites: sites as fixed effects above the case managers."""
    site = study.book.site
    if site is None or site not in study.dyads or study.dyads[site].nunique() < 2:
        return []
    labels = study.dyads[site].map(str, na_action="ignore").astype(object)
    dyads = study.dyads.assign(**{site: labels})

    def find(claim: Claim) -> Found:
        # What else is a category of the site (its type) is fixed with it.
        held = [c for c in _usual(study, claim) if pd.api.types.is_numeric_dtype(dyads[c])]
        data = claim_data(claim, dyads, study.book, [*held, site])
        return _judged(study, claim, fitted(claim, data), " (within sites)")

    return study.rows(analysis, find)


def rank(study: Stressed, analysis: str) -> list[dict]:
    """Rank-normal scores of ratings and variables, of hospital days too."""

    def scores(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.apply_along_axis(rank_normal, 0, values), np.ones(len(values), bool)

    def find(claim: Claim) -> Found:
        data = claim_data(claim, study.dyads, study.book, _usual(study, claim), scores)
        if claim.kind != "rate_absence":
            return _judged(study, claim, fitted(claim, data), " (rank-normal scores)")
        model = Partial(rank_normal(data.y), data.X, data.Z, data.groups)
        found = model.observed("ols" if data.groups is None else "mixed")
        bound = study.rules.bounds["correlation"]
        effect = verdicts.slope(found.estimate, found.std_error, found.df2, found.n, -bound, bound)
        return effect, verdicts.absence(effect, f"±{bound:g} between rank-normal scores")

    return study.rows(analysis, find)


def imputed(study: Stressed, analysis: str) -> list[dict]:
    """Multiple imputation by chained equations, pooled by Rubin's rules; blocks by D1."""
    book, m = study.book, study.settings["imputed"]["m"]
    listed = [v for names in book.blocks.values() for v in names]
    listed += [i["alliance"] for i in book.informants.values()]
    listed += [v for c in study.claims for v in c.variables(book)]
    columns = [c for c in dict.fromkeys(listed) if c in study.dyads]
    columns = [c for c in columns if study.dyads[c].notna().any()]
    tables, reason = _completed(study, columns, m)

    def find(claim: Claim) -> Found:
        if not tables:
            raise NotEstimableError(reason)
        parts = [claim_data(claim, t, book, _usual(study, claim)) for t in tables]
        words = f" ({m} imputations{reason}{', D1, approximate' * (claim.kind in BLOCKS)})"
        if claim.kind in BLOCKS:
            return _pooled_block(study, claim, parts, words)
        fits = [fitted(claim, data) for data in parts]
        row = pool(
            [f.estimate for f in fits],
            [f.std_error for f in fits],
            n=fits[0].n,
            k=2,
            df_complete=float(np.mean([f.df2 for f in fits])),
        ).iloc[0]
        t = row["statistic"]
        pooled = Estimate(
            row["estimate"], row["std_error"], t * t, 1, row["df"], row["p_value"], fits[0].n
        )
        return _judged(study, claim, pooled, words)

    return study.rows(analysis, find)


def fitted(claim: Claim, data: ClaimData) -> Estimate:
    """The estimate that respects case managers: mixed model; for days Poisson with CR2 errors."""
    if claim.kind == "rate_absence":
        model = PartialCounts(data.y, data.X[:, 0], data.Z, data.groups)
        return model.observed("poisson" if data.groups is None else "poisson_cr2")
    model = Partial(data.y, data.X, data.Z, data.groups, block=claim.kind in BLOCKS)
    return model.observed("ols" if data.groups is None else "mixed")


def _usual(study: Stressed, claim: Claim) -> list[str]:
    """What the claim's own analysis holds constant."""
    usual = study.rules.days_adjusted_for if claim.kind == "rate_absence" else ()
    return [c for c in usual if c in study.dyads]


def _judged(study: Stressed, claim: Claim, found: Estimate, words: str) -> Found:
    worth = study.worth(claim, found.n) if claim.kind in BLOCKS else None
    effect = effect_of(found, claim, study.rules, worth)
    verdict, criterion = verdict_of(effect, claim, study.rules)
    return effect, (verdict, criterion + words)


def _completed(study: Stressed, columns: list[str], m: int) -> tuple[list[pd.DataFrame], str]:
    """Completed dyad tables, and what is to be said of them; none, with the reason why."""
    values = study.dyads[columns].astype(float)
    manager = study.book.case_manager
    groups = study.dyads[manager].to_numpy() if manager else None
    said = ""
    try:
        parts = impute(values, m, study.seed, groups)
    except NotEstimableError as first:
        try:
            parts = impute(values, m, study.seed)
        except NotEstimableError as second:
            return [], str(second)
        said = f"; case managers left out of the imputation, since {str(first).rstrip('.')}"
    return [study.dyads.assign(**{c: part[c] for c in columns}) for part in parts], said


def _pooled_block(study: Stressed, claim: Claim, parts: list[ClaimData], words: str) -> Found:
    if study.book.case_manager is None:
        raise NotEstimableError("the study names no case managers")
    estimates, covariances, shares, df = [], [], [], []
    for data in parts:
        model = Partial(data.y, data.X, data.Z, data.groups, block=True)
        shares.append(model.observed("ols").estimate)
        k, fit = model.k, model.intercepts
        estimates.append(fit.estimate[1 : k + 1])
        covariances.append(fit.vcov[1 : k + 1, 1 : k + 1])
        df.append(fit.df[1 : k + 1].min())
    n = len(parts[0].y)
    test = pool_blocks(estimates, covariances, n, k + 1, float(np.mean(df))).iloc[0]
    found = Estimate(float(np.mean(shares)), np.nan, test["f"], k, test["df2"], test["p_value"], n)
    return _judged(study, claim, found, words)
