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

from inspect import signature

from ..cohorts.cohort import open_cohort
from . import caseloads, demos, explorers, nothing, raters, time_order

UNITS = (
    (raters, ("two_informants", "study_pairs", "how_sure")),
    (nothing, ("one_sample", "many_samples", "freedman", "study_selection")),
    (raters, ("favour_and_link", "study_contrast", "leaks")),
    (nothing, ("power_of", "equivalent", "bayes_of", "hospital")),
    (caseloads, ("worth", "false_alarms", "study_nested")),
    (raters, ("own_view_held",)),
    (time_order, ("which_first", "how_often_first")),
)
"""The demonstrations of each unit in their order."""

_FURTHER = (explorers, ("associations_of", "regression_of"))
_HERE = {name: getattr(file, name) for file, names in (*UNITS, _FURTHER) for name in names}
globals().update(_HERE)
__all__ = sorted(_HERE)


def every_demo() -> list[demos.Demo]:
    """The demonstrations of all units, on the synthetic cohort, in the units' order."""
    cohort = open_cohort(scenario="published")  # as the units open it
    data = {"dyads": cohort.dyads, "book": cohort.codebook}
    makers = [_HERE[name] for _, names in UNITS for name in names]
    asked = [data.keys() & signature(make).parameters for make in makers]
    return [make(**{a: data[a] for a in of}) for make, of in zip(makers, asked, strict=True)]


def rehearse() -> None:
    """Draw every unit's figures at their start."""
    for demo in every_demo():
        demo.picture()
