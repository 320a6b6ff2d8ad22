"""Each claim of the study with an estimate and a verdict, by several analyses.

The claims and their bounds are data (`data/findings.yml`), read by `claims`; the ways to estimate
are in `analyses`, the rules in `verdicts`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from ..errors import NotEstimableError, ParameterError
from ..models.design import standardise
from ..models.nesting import effective_n
from ..study.codebook import Codebook
from ..study.read_codebook import book_of
from . import verdicts
from .analyses import ANALYSES
from .as_1995 import Stepwise
from .rules import Claim, Rules, lacking_parts, read_rules
from .views import as_numbers

COLUMNS = [
    "finding", "claim", "analysis", "informant", "term", "estimate", "conf_low", "conf_high",
    "p_value", "n", "criterion", "verdict", "p_equivalence", "df", "n_effective",
]  # fmt: skip
LIMITS_90 = ("low_90", "high_90")


def assess(
    dyads: pd.DataFrame,
    codebook: Codebook | None = None,
    rules: Rules | None = None,
    analyses: Iterable[str] = ("as_1995", "as_published", "nested", "nested_cr2"),
    finding: str | None = None,
    limits_90: bool = False,
) -> pd.DataFrame:
    """Every claim with an estimate and a verdict, by each analysis.

    Parameters
    ----------
    dyads : DataFrame
        One row per client, as `cleaning.clean` makes it.
    codebook : Codebook, optional
        The shipped one by default; says who rates, and what the blocks are.
    rules : Rules, optional
        The shipped `data/findings.yml` by default.
    analyses : iterable of str
        `as_1995` (what stepwise regression and p < .05 give), `as_published` (today's rules, dyads
        taken as independent), `nested` (mixed model; for days CR2), `nested_cr2`. Without case
        managers in the codebook the nested ones are left out.
    finding : str, optional
        Only this finding: "1", "2", "3", "4" or "halo".
    limits_90 : bool
        Add `low_90 high_90`, the interval that equivalence is read from.

    Returns
    -------
    DataFrame
        The columns of findings.csv. Associations are standardised slopes (correlations in
        `as_published`), blocks are R-squared, hospital days rate ratios per standard deviation.
        A claim that cannot be estimated has the reason in `criterion`.

    Raises
    ------
    ParameterError
        Unknown analyses, a variable that is not numeric.
    """
    book = book_of(dyads, codebook)
    rules = rules or read_rules()
    analyses = [analyses] if isinstance(analyses, str) else list(analyses)
    if unknown := [a for a in analyses if a not in ("as_1995", *ANALYSES)]:
        known = ", ".join(["as_1995", *ANALYSES])
        raise ParameterError(f"Unknown analysis {', '.join(map(repr, unknown))}; use {known}.")
    cohort, rows = _Cohort(dyads, book), []
    claims = [c for c in rules.claims if finding in (None, c.finding)]
    claims = [c for c in claims if not _lacking(c, dyads, book, rules)]
    if not book.case_manager:
        analyses = [a for a in analyses if not a.startswith("nested")]
    for name in analyses:
        made: dict[tuple[str, str, str], str] = {}
        reader = Stepwise(dyads, book) if name == "as_1995" else _Reader(cohort, rules, name)
        for claim in claims:
            row = _row(claim, name, reader, rules.parts(claim), made)
            if row:
                made[claim.key] = row["verdict"]
                rows.append(row)
    return pd.DataFrame(rows, columns=[*COLUMNS, *(LIMITS_90 if limits_90 else ())])


def unavailable(
    dyads: pd.DataFrame, codebook: Codebook | None = None, rules: Rules | None = None
) -> pd.DataFrame:
    """Claims that these data cannot speak to, and the variables that they or their parts lack."""
    book, rules = book_of(dyads, codebook), rules or read_rules()
    rows = [
        {
            "finding": c.finding,
            "claim": c.claim,
            "informant": c.informant,
            "lacking": ", ".join(gone),
        }
        for c in rules.claims
        if (gone := _lacking(c, dyads, book, rules))
    ]
    return pd.DataFrame(rows, columns=["finding", "claim", "informant", "lacking"])


def _lacking(claim: Claim, dyads: pd.DataFrame, book: Codebook, rules: Rules) -> list[str]:
    need = claim.variables(book) + ([book.case_manager] if book.case_manager else [])
    if claim.block and claim.block not in book.blocks:
        need.append(f"block {claim.block}")
    for informant in claim.informants:
        need.append(book.informants.get(informant, {}).get("alliance", f"alliance of {informant}"))
    gone = [name for name in need if name not in dyads or dyads[name].isna().all()]
    parts = rules.parts(claim)
    return gone + lacking_parts(parts, gone, lambda part: _lacking(part, dyads, book, rules))


def _row(claim: Claim, analysis: str, reader, parts: list[Claim], made: dict) -> dict | None:
    name = claim.name or claim.block or claim.term or ""
    row = {
        "finding": claim.finding, "claim": claim.claim, "analysis": analysis,
        "informant": claim.informant, "term": name,
    }  # fmt: skip
    if claim.kind == "all_of":
        found = [made[part.key] for part in parts if part.key in made]
        if len(found) < len(parts):  # the analysis does not speak to each of them
            return None
        row["verdict"], row["criterion"] = verdicts.all_of(found)
        return row
    try:
        found = reader.read(claim)
    except NotEstimableError as error:
        return row | verdicts.not_estimable(error)
    if found is None:
        return None
    effect, (verdict, criterion), n_effective = found
    return row | {
        "estimate": effect.estimate, "conf_low": effect.conf_low, "conf_high": effect.conf_high,
        "p_value": effect.p_value, "n": effect.n, "criterion": criterion, "verdict": verdict,
        "p_equivalence": effect.p_equivalence, "df": effect.df, "n_effective": n_effective,
        "low_90": effect.low_90, "high_90": effect.high_90,
    }  # fmt: skip


class _Cohort:
    """The dyads, with what several analyses ask of them computed once."""

    def __init__(self, dyads: pd.DataFrame, book: Codebook) -> None:
        self.dyads, self.book = dyads, book
        self._complete: dict[tuple, tuple] = {}
        self._worth: dict[tuple, float] = {}

    def complete(
        self, columns: list[str], extra: pd.DataFrame | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Listwise complete values, and their case managers as numbers."""
        key = tuple(columns)
        if key not in self._complete:
            self._complete[key] = self._listwise(columns, extra)
        return self._complete[key]

    def _listwise(self, columns, extra) -> tuple[np.ndarray, np.ndarray]:
        values = self.dyads[columns].to_numpy(float)
        if extra is not None:
            values = np.column_stack([values, extra.to_numpy(float)])
        manager = self.book.case_manager
        codes = pd.factorize(self.dyads[manager])[0] if manager else np.arange(len(values))
        keep = ~np.isnan(values).any(axis=1) & (codes >= 0)
        if keep.sum() < 4:
            raise NotEstimableError(f"only {keep.sum()} dyads have all of {', '.join(columns)}")
        return values[keep], codes[keep]

    def worth(self, x: np.ndarray, y: np.ndarray, groups: np.ndarray) -> float:
        """How many independent dyads an association of x and y is worth."""
        key = (x.tobytes(), y.tobytes())
        if key not in self._worth:
            try:
                self._worth[key] = float(effective_n(x, y, groups)["n_effective"].iloc[0])
            except NotEstimableError:  # one case manager; dyads can still be taken as independent
                self._worth[key] = np.nan
        return self._worth[key]


class _Reader:
    """Reads claims off one cohort by one analysis under today's rules."""

    def __init__(self, cohort: _Cohort, rules: Rules, analysis: str) -> None:
        self.cohort, self.book, self.rules = cohort, cohort.book, rules
        self.method = ANALYSES[analysis]

    def read(self, claim: Claim):
        return getattr(self, f"_{claim.kind}")(claim)

    def _alliance(self, informant: str) -> str:
        return self.book.informants[informant]["alliance"]

    def _association(self, claim: Claim):
        alliance = self._alliance(claim.informant)
        terms = list(claim.composite) or [claim.term]
        values, groups = self.cohort.complete([alliance, *terms])
        other = values[:, 1]
        if claim.composite:
            other = standardise(values[:, 1:]) @ np.array(list(claim.composite.values()), float)
        y, x = (other, values[:, 0]) if claim.outcome else (values[:, 0], other)
        bound = self.rules.bounds[claim.bound]
        effect = self.method.pair(y, x, groups, bound)
        return (
            effect,
            verdicts.association(effect, claim.sign, bound),
            self.cohort.worth(x, y, groups),
        )

    def _modest(self, claim: Claim):
        values, groups = self.cohort.complete(
            [self._alliance(i) for i in ("case_manager", "client")]
        )
        y, x = values.T
        low, high = self.rules.bounds["correlation"], self.rules.bounds["modest_high"]
        effect = self.method.pair(y, x, groups, low)
        return effect, verdicts.modest(effect, low, high), self.cohort.worth(x, y, groups)

    def _block(self, claim: Claim, difference: bool):
        raters = [self._alliance(i) for i in claim.informants]
        values, groups = self.cohort.complete([*raters, *claim.variables(self.book)])
        y, X = values[:, 0], values[:, len(raters) :]
        if difference:
            client, case_manager = standardise(values[:, :2]).T
            y = case_manager - client
        bound = self.rules.bounds[claim.bound]
        worth = float(np.mean([self.cohort.worth(x, y, groups) for x in X.T]))
        terms = claim.variables(self.book)
        effect = self.method.block(y, X, terms, groups, bound, worth)
        rule = verdicts.difference if difference else verdicts.absence
        return effect, rule(effect, f"R² = {bound:g}"), worth

    def _block_absence(self, claim: Claim):
        return self._block(claim, difference=False)

    def _block_difference(self, claim: Claim):
        return self._block(claim, difference=True)

    def _rate_absence(self, claim: Claim):
        if self.method.rate is None:
            return None
        alliance, days = self._alliance(claim.informant), claim.term
        adjust = [a for a in self.rules.days_adjusted_for if a in self.cohort.dyads]
        covariates = as_numbers(self.cohort.dyads, adjust)
        values, groups = self.cohort.complete([days, alliance], covariates)
        y, X = values[:, 0], standardise(values[:, 1:])
        bounds = self.rules.bounds["rate_ratio_low"], self.rules.bounds["rate_ratio_high"]
        effect = self.method.rate(y, X, ["alliance", *covariates], groups, *bounds)
        words = "a rate ratio of {:g} to {:g} per SD".format(*bounds)
        return effect, verdicts.absence(effect, words), self.cohort.worth(X[:, 0], y, groups)
