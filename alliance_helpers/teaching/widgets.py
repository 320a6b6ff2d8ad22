"""Every figure with controls: those of the seminar units, and the notebooks' explorers.

Each function returns a :class:`~alliance_helpers.teaching.demos.Demo`: `.picture()` shows it still,
`.explore()` with its controls, `.text(...)` says the sentence with its numbers.

Examples
--------
>>> from alliance_helpers import widgets
>>> type(widgets.one_sample()).__name__
'Demo'
"""

from __future__ import annotations

from dataclasses import replace
from inspect import signature
from types import SimpleNamespace

import pandas as pd
from matplotlib.axes import Axes

from ..claims.associations import associations
from ..claims.verdicts import ANALYSES
from ..claims.views import EVERY, regression_blocks, usable
from ..cohorts.cohort import keep_cohort, open_cohort
from ..errors import NotEstimableError
from ..models.regression import hierarchical_regression
from ..pages import plots
from ..pages.printing import coefficient, word
from ..pages.style import values_in_words
from ..study.codebook import Codebook
from . import caseloads, demos, nothing, raters

# The demonstrations of each unit in their order.
UNITS = (
    (raters, ("two_informants", "study_pairs", "how_sure")),
    (nothing, ("one_sample", "many_samples", "freedman", "study_selection")),
    (raters, ("favour_and_link", "study_contrast", "leaks")),
    (nothing, ("power_of", "equivalent", "bayes_of", "hospital")),
    (caseloads, ("worth", "false_alarms", "study_nested")),
    (raters, ("own_view_held",)),
    (caseloads, ("which_first", "how_often_first")),
)

_HERE = {name: getattr(file, name) for file, names in UNITS for name in names}
globals().update(_HERE)
__all__ = sorted([*_HERE, "associations_of", "regression_of"])


def every_demo() -> list[demos.Demo]:
    """The demonstrations of all units, on the synthetic cohort, in the units' order."""
    cohort = open_cohort(scenario="published")  # as the units open it
    data = {"dyads": cohort.dyads, "book": cohort.codebook}
    makers = [_HERE[name] for _, names in UNITS for name in names]
    asked = [data.keys() & signature(make).parameters for make in makers]
    return [make(**{a: data[a] for a in of}) for make, of in zip(makers, asked, strict=True)]


def rehearse() -> None:
    """Draw every unit's figures at their start, and have their cohort open."""
    for demo in every_demo():
        demo.picture()
    keep_cohort(scenario="published")


# Explorers for the main notebooks: the same analysis with other variables, informants, bounds.


def associations_of(dyads: pd.DataFrame, book: Codebook) -> demos.Demo:
    """Both informants' alliance with the variables of a block, by a chosen analysis."""
    others = [b for b in book.blocks if b != "alliance" and usable(dyads, book.blocks[b])]
    blocks = {b.capitalize(): b for b in others}

    def draw(s: SimpleNamespace, ax: Axes) -> None:
        plots.forest(s.rows, caseloads.BOUND, book, word(s.analysis), ax=ax)
        ax.set_xlim(-0.8, 0.8)

    known = {"analysis": ({word(name): name for name in ANALYSES}, book.usual_analysis)}
    known["block"] = blocks, next(iter(blocks.values()))

    @demos.demonstration("associations_of", draw, **known)
    def shown(block: str, analysis: str) -> dict:
        one = replace(book, blocks={block: usable(dyads, book.blocks[block])})
        rows = associations(dyads, one, analysis).drop(columns=["block", "low_90", "high_90"])
        if rows.empty:
            raise NotEstimableError("no association of this block can be estimated")
        rows = rows.sort_values("term", kind="stable", key=lambda t: t.map(one.blocks[block].index))
        return {"rows": rows, "name": word(analysis), "said": values_in_words(rows, book)}

    return shown()


def regression_of(dyads, book: Codebook, informant="", outcome="") -> demos.Demo:
    """The hierarchical regression of another outcome or of the rating, by another method.

    It starts on the informant and on the outcome given; without an outcome, on the rating.
    """
    informants = {book.informant_label(i): i for i in book.informants}
    outcomes = {book.label(o): o for o in usable(dyads, book.blocks.get("outcome", ()))}

    def draw(s: SimpleNamespace, ax: Axes) -> None:
        plots.r_squared_blocks({s.explained: s.fit}, book, ax)
        ax.set_xlim(0, 1)

    known = {"outcome": ({"the alliance": "", **outcomes}, outcome)}
    known["informant"] = informants, informant or next(iter(book.informants))

    @demos.demonstration("regression_of", draw, **known)
    def shown(outcome: str, informant: str, method: str, p_enter: float) -> dict:
        explained = outcome or book.alliance_of(informant)
        how = {"outcome": outcome, "informant": informant} if outcome else {"blocks": EVERY}
        blocks = regression_blocks(dyads, book, **how)
        rule = {"p_enter": p_enter, "p_remove": p_enter + 0.05}
        model = hierarchical_regression(dyads, explained, blocks, method, **rule)
        shares = zip(model.fit["block"], model.fit["delta_r_squared"], strict=True)
        terms = [word(t, book) for t in model.final["term"] if t != "intercept"]
        found = {"fit": model.fit, "total": float(model.fit["r_squared"].iloc[-1]), "n": model.n}
        found |= {"parts": ", ".join(f"{block} {coefficient(r2, 3)}" for block, r2 in shares)}
        found |= {"terms": ", ".join(terms) or "–", "case": method}
        return found | {"name": word(explained, book), "explained": explained}

    return shown()
