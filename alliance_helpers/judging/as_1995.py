"""The claims as 1995 read them: what stepwise regression enters, and p < .05."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..claims import Claim
from ..codebook import Codebook
from ..regression import hierarchical_regression
from . import verdicts
from .analyses import ANALYSES
from .verdicts import Effect


class Stepwise:
    """Reads claims as 1995 would: what stepwise regression enters, and p < .05.

    One regression per informant, alliance as the outcome, blocks pretreatment, treatment, outcome.
    """

    def __init__(self, dyads: pd.DataFrame, book: Codebook) -> None:
        self.book, self.dyads, self.models, self.n = book, dyads, {}, {}
        present = {b: [v for v in names if v in dyads] for b, names in book.blocks.items()}
        self.blocks = {
            b: present[b] for b in ("pretreatment", "treatment", "outcome") if present.get(b)
        }

    def _model(self, informant: str) -> pd.DataFrame:
        """Terms in the final model, indexed by term."""
        if informant not in self.models:
            outcome = self.book.informants[informant]["alliance"]
            model = hierarchical_regression(self.dyads, outcome, self.blocks)
            last = model.coefficients["block"].iloc[-1]
            rows = model.coefficients[model.coefficients["block"] == last].set_index("term")
            self.models[informant] = rows.drop(index="intercept", errors="ignore")
            self.n[informant] = int(model.fit["n"].iloc[-1])
        return self.models[informant]

    def read(self, claim: Claim):
        return getattr(self, f"_{claim.kind}")(claim)

    def _association(self, claim: Claim):
        model, terms = self._model(claim.informant), list(claim.composite) or [claim.term]
        wanted = 1 if claim.sign == "positive" else -1
        signs = {t: np.sign(claim.composite.get(t, 1)) * wanted for t in terms}
        entered = [t for t in terms if t in model.index and model.loc[t, "beta"] * signs[t] > 0]
        verdict = verdicts.SUPPORTED if entered else verdicts.NOT_SUPPORTED
        effect = self._effect(claim.informant, entered[0] if entered else None)
        return effect, (verdict, "stepwise regression enters it with this sign"), np.nan

    def _effect(self, informant: str, term: str | None = None) -> Effect:
        """The standardised coefficient of a term that entered, else no estimate."""
        n = self.n[informant]
        if term is None:
            return Effect(np.nan, np.nan, n, np.nan)
        row = self.models[informant].loc[term]
        ratio = row["beta"] / row["estimate"]
        limits = sorted((row["conf_low"] * ratio, row["conf_high"] * ratio))
        return Effect(row["beta"], row["p_value"], n, row["df"], *limits)

    def _modest(self, claim: Claim):
        pair = self.dyads[[self.book.informants[i]["alliance"] for i in ("client", "case_manager")]]
        pair = pair.dropna().to_numpy(float)
        effect = ANALYSES["as_published"].pair(pair[:, 0], pair[:, 1], None, 0.2)
        ok = effect.p_value < 0.05 and 0 < effect.estimate < 0.5
        verdict = verdicts.SUPPORTED if ok else verdicts.NOT_SUPPORTED
        return effect, (verdict, "p < .05 and r below .5"), np.nan

    def _entered(self, claim: Claim, informant: str) -> set[str]:
        return set(self._model(informant).index) & set(claim.variables(self.book))

    def _block_absence(self, claim: Claim):
        entered = self._entered(claim, claim.informant)
        verdict = verdicts.NOT_SUPPORTED if entered else verdicts.SUPPORTED
        effect = self._effect(claim.informant)
        return effect, (verdict, "stepwise regression enters none of them"), np.nan

    def _block_difference(self, claim: Claim):
        differ = self._entered(claim, "client") != self._entered(claim, "case_manager")
        verdict = verdicts.SUPPORTED if differ else verdicts.NOT_SUPPORTED
        effect = self._effect("case_manager")
        return effect, (verdict, "stepwise regression enters different terms"), np.nan

    def _rate_absence(self, claim: Claim):
        return self._block_absence(claim)
