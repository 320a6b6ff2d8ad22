"""The claims as 1995 read them: what stepwise regression enters, and p < .05.

Each regression has a direction. What comes before the alliance predicts it: pretreatment, then
treatment. What comes after it is predicted: each outcome by pretreatment, treatment, and then one
informant's alliance.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..errors import NotEstimableError
from ..models.regression import hierarchical_regression
from ..study.codebook import Codebook
from ..study.read_codebook import book_of
from . import verdicts
from .evidence import relate
from .rules import Claim
from .verdicts import Effect
from .views import EVERY, regression_blocks

COLUMNS = [
    "informant", "block", "term", "direction", "entered", "estimate", "conf_low", "conf_high",
    "p_value", "semipartial_r2", "df", "n",
]  # fmt: skip
BEFORE, AFTER = "predicts the alliance", "predicted by the alliance"


class Stepwise:
    """Hierarchical stepwise regressions of one cohort, each fitted once."""

    def __init__(
        self, dyads: pd.DataFrame, book: Codebook, p_enter: float = 0.05, p_remove: float = 0.10
    ) -> None:
        self.dyads, self.book = dyads, book
        self.rule = {"p_enter": p_enter, "p_remove": p_remove}
        self.before = regression_blocks(dyads, book)
        self.models: dict[tuple[str, str], tuple[dict[str, dict], int]] = {}

    def link(self, informant: str, term: str) -> dict[str, object]:
        """How stepwise regression links a variable with an informant's alliance: one row."""
        alliance = self.book.alliance_of(informant)
        is_before = any(term in terms for terms in self.before.values())
        outcome = alliance if is_before else term
        terms, n = self._model(informant, outcome)
        wanted = term if is_before else alliance
        direction = BEFORE if is_before else AFTER
        row = {"informant": informant, "term": term, "direction": direction, "n": n}
        if wanted not in terms:
            return row | {"entered": False}
        found = terms[wanted]
        scale = found["beta"] / found["estimate"]
        low, high = sorted((found["conf_low"] * scale, found["conf_high"] * scale))
        limits = {"estimate": found["beta"], "conf_low": low, "conf_high": high}
        kept = {name: found[name] for name in ("p_value", "semipartial_r2", "df")}
        return row | {"entered": True} | limits | kept

    def _model(self, informant: str, outcome: str) -> tuple[dict[str, dict], int]:
        """Term to its row in the final model of an outcome, and the dyads behind it."""
        key = (informant, outcome)
        if key not in self.models:
            blocks = self.before
            if outcome != self.book.alliance_of(informant):
                blocks = regression_blocks(self.dyads, self.book, outcome, informant)
            model = hierarchical_regression(self.dyads, outcome, blocks, **self.rule)
            rows = model.final.to_dict("records")
            self.models[key] = {row["term"]: row for row in rows}, model.n
        return self.models[key]

    def read(self, claim: Claim):
        """A claim as 1995 would read it: effect, verdict and criterion, no effective n."""
        effect, verdict, criterion = getattr(self, f"_{claim.kind}")(claim)
        said = verdicts.SUPPORTED if verdict else verdicts.NOT_SUPPORTED
        return effect, (said, criterion), np.nan

    def _links(self, claim: Claim, informant: str) -> list[dict]:
        return [self.link(informant, term) for term in claim.variables(self.book)]

    def _association(self, claim: Claim):
        wanted = 1 if claim.sign == "positive" else -1
        links = self._links(claim, claim.informant)
        held = [
            row for row in links
            if row["entered"] and row["estimate"] * wanted * claim.composite.get(row["term"], 1) > 0
        ]  # fmt: skip
        effect = _effect(held[0]) if held and len(links) == 1 else _nothing(links)
        which = "it" if len(links) == 1 else "at least one of them"
        return effect, bool(held), f"stepwise regression enters {which} with this sign"

    def _modest(self, claim: Claim):
        pair = self.dyads[[self.book.alliance_of(i) for i in claim.informants]].dropna()
        effect = relate(*pair.to_numpy(float).T, None)
        return effect, effect.p_value < 0.05 and 0 < effect.estimate < 0.5, "p < .05 and r below .5"

    def _block_absence(self, claim: Claim):
        links = self._links(claim, claim.informant)
        entered = any(row["entered"] for row in links)
        effect = _effect(links[0]) if entered and len(links) == 1 else _nothing(links)
        return effect, not entered, "stepwise regression enters none of them"

    def _block_difference(self, claim: Claim):
        links = [self._links(claim, informant) for informant in claim.informants]
        entered = [{row["term"] for row in rows if row["entered"]} for rows in links]
        effect = _nothing([row for rows in links for row in rows])
        return effect, entered[0] != entered[1], "stepwise regression enters different ones"

    def _rate_absence(self, claim: Claim):
        effect, verdict, _ = self._block_absence(claim)
        return effect, verdict, "stepwise regression does not enter it"


def stepwise_links(
    dyads: pd.DataFrame,
    codebook: Codebook | None = None,
    informants: tuple[str, ...] | None = None,
    terms: tuple[str, ...] | None = None,
    p_enter: float = 0.05,
    p_remove: float = 0.10,
) -> pd.DataFrame:
    """What hierarchical stepwise regression, as in 1995, links with each informant's alliance.

    Parameters
    ----------
    dyads : DataFrame
        One row per client.
    codebook : Codebook, optional
        Says who rates and which variables the blocks hold; the shipped one by default.
    informants : tuple of str, optional
        Whose ratings; everybody's by default.
    terms : tuple of str, optional
        Which variables; those of all blocks by default.
    p_enter, p_remove : float
        Probability of F to enter and to remove.

    Returns
    -------
    DataFrame
        `informant block term direction entered estimate conf_low conf_high p_value semipartial_r2
        df n`, one row per informant and variable, estimates standardised. A pretreatment or
        treatment variable *predicts the alliance* (its row in the regression of the alliance); an
        outcome is *predicted by the alliance* (the alliance's row in that outcome's regression).
        What is not entered has no estimate.
    """
    book = book_of(dyads, codebook)
    cohort, rows = Stepwise(dyads, book, p_enter, p_remove), []
    for informant in informants or tuple(book.informants):
        for block, found in regression_blocks(dyads, book, blocks=EVERY).items():
            for term in found if terms is None else [t for t in found if t in terms]:
                try:
                    rows.append({"block": block} | cohort.link(informant, term))
                except NotEstimableError:
                    continue
    return pd.DataFrame(rows, columns=COLUMNS)


def _effect(row: dict) -> Effect:
    names = ("estimate", "p_value", "n", "df", "conf_low", "conf_high")
    return Effect(**{name: row[name] for name in names})


def _nothing(links: list[dict]) -> Effect:
    """No estimate, for want of one number that says it all."""
    return Effect(np.nan, np.nan, min((row["n"] for row in links), default=0), np.nan)
