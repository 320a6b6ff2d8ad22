"""What all stress tests share: the study, its claims, and how a claim becomes a row."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from ..claims import Claim, Rules
from ..cleaning import CleanStudy
from ..codebook import Codebook, load_yaml
from ..errors import CodebookError, NotEstimableError, Problem
from ..findings import assess, unavailable
from ..judging import verdicts
from ..judging.verdicts import Effect
from ..multiverse import Multiverse
from ..paths import FINDINGS
from ..views import usual_analysis

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
        rows = assess(self.dyads, self.book, self.rules, [usual_analysis(self.book)], self.finding)
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
