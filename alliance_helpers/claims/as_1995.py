"""The claims as 1995 read them: what stepwise regression enters, and p < .05.

Each regression has a direction. What comes before the alliance predicts it: pretreatment, then
treatment. What comes after it is predicted: each outcome by pretreatment, treatment, and then one
informant's alliance.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from ..models.regression import hierarchical_regression
from ..study.codebook import Codebook
from ..study.read_codebook import book_of
from . import verdicts
from .evidence import relate
from .rules import Claim
from .verdicts import Effect
from .views import EVERY, each_variable, regression_blocks

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
        self._model = cache(self._model)

    def link(self, informant: str, term: str) -> dict[str, object]:
        """How stepwise regression links a variable with an informant's alliance: one row."""
        alliance = self.book.alliance_of(informant)
        is_before = any(term in terms for terms in self.before.values())
        outcome = alliance if is_before else term
        terms, n = self._model(informant, outcome)
        wanted = term if is_before else alliance
        direction = BEFORE if is_before else AFTER
        row = {"term": term, "direction": direction, "n": n}
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
        blocks = self.before
        if outcome != self.book.alliance_of(informant):
            blocks = regression_blocks(self.dyads, self.book, outcome, informant)
        model = hierarchical_regression(self.dyads, outcome, blocks, **self.rule)
        return {row["term"]: row for row in model.final.to_dict("records")}, model.n

    def read(self, claim: Claim) -> tuple[Effect, tuple[str, str], float]:
        """A claim as 1995 would read it: effect, verdict and criterion, no effective n."""
        terms = claim.variables(self.book)
        links = [[self.link(i, term) for term in terms] for i in claim.informants]
        entered = [[row for row in rows if row["entered"]] for rows in links]
        shown = entered[0]
        if claim.kind == "modest":
            pair = self.dyads[[self.book.alliance_of(i) for i in claim.informants]].dropna()
            effect = relate(*pair.to_numpy(float).T, None)
            holds = effect.p_value < 0.05 and 0 < effect.estimate < 0.5
            rule = "p < .05 and r below .5"
        elif claim.kind == "association":
            signs = dict.fromkeys(terms, claim.direction)
            signs |= {term: claim.direction * w for term, w in claim.composite.items()}
            shown = [row for row in shown if row["estimate"] * signs[row["term"]] > 0]
            which = "it" if len(terms) == 1 else "at least one of them"
            holds, rule = bool(shown), f"stepwise regression enters {which} with this sign"
        elif claim.kind == "block_difference":
            first, second = ({row["term"] for row in rows} for rows in entered)
            holds, rule = first != second, "stepwise regression enters different ones"
        else:
            rule = "enters none of them" if claim.kind == "block_absence" else "does not enter it"
            holds, rule = not shown, f"stepwise regression {rule}"
        if claim.kind != "modest":
            rows = [row for found in links for row in found]
            n = min((row["n"] for row in rows), default=0)
            # Without one number that says it all there is no estimate.
            effect = Effect(np.nan, np.nan, n, np.nan)
            if shown and len(rows) == 1:
                names = ("estimate", "p_value", "n", "df", "conf_low", "conf_high")
                effect = Effect(**{name: shown[0][name] for name in names})
        return effect, (verdicts.verdict(holds, not holds), rule), np.nan


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
    blocks = regression_blocks(dyads, book, blocks=EVERY)
    if terms is not None:
        blocks = {b: [t for t in found if t in terms] for b, found in blocks.items()}
    link = Stepwise(dyads, book, p_enter, p_remove).link
    rows = each_variable(informants or book.informants, blocks, link)
    return pd.DataFrame(rows, columns=COLUMNS)
