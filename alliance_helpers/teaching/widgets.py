"""Every figure with controls: those of the five seminar units, and the notebooks' explorers.

Each function returns a :class:`~alliance_helpers.teaching.demos.Demo`: `.picture()` shows it still,
`.explore()` with its controls, `.text(...)` says the sentence with its numbers.
"""

from __future__ import annotations

from .caseloads import false_alarms, mean_squares, study_nested, worth
from .demos import Demo, open_dyads
from .explorers import explore_agreement, explore_associations, explore_hospital, explore_regression
from .favour import favour_and_link, leaks, own_view_held, smallest_leak, study_contrast
from .no_effect import bayes_of, equivalent, hospital, power_of
from .noise import freedman, many_samples, one_sample, study_selection
from .two_views import how_sure, smallest_bias, study_pairs, two_informants

__all__ = [
    "bayes_of",
    "equivalent",
    "explore_agreement",
    "explore_associations",
    "explore_hospital",
    "explore_regression",
    "false_alarms",
    "favour_and_link",
    "freedman",
    "hospital",
    "how_sure",
    "leaks",
    "many_samples",
    "mean_squares",
    "one_sample",
    "open_dyads",
    "own_view_held",
    "power_of",
    "smallest_bias",
    "smallest_leak",
    "study_contrast",
    "study_nested",
    "study_pairs",
    "study_selection",
    "two_informants",
    "worth",
]


def every_demo() -> list[Demo]:
    """The demonstrations of all units, on the synthetic cohort, in the units' order."""
    dyads, book = open_dyads()
    return [
        two_informants(), study_pairs(dyads, show_rows=book.synthetic), how_sure(),
        one_sample(), many_samples(), freedman(), study_selection(dyads, book),
        favour_and_link(), study_contrast(book, "published", 1995), own_view_held(), leaks(),
        power_of(), equivalent(), bayes_of(), hospital(dyads, book),
        worth(), false_alarms(), study_nested(dyads, book),
    ]  # fmt: skip


def rehearse() -> None:
    """Draw every unit's figures at their start, and compute what its exercises expect."""
    for demo in every_demo():
        demo.picture()
    smallest_bias(ccc_below=0.50)
    smallest_leak()
