"""What a process does before the kernels of the seminar are forked from it."""

from __future__ import annotations

from .cohorts import open_dyads
from .collider import own_view_held
from .demos import Demo
from .halo import favour_and_link, leaks, smallest_leak, study_contrast
from .nesting import false_alarms, worth
from .noise import freedman, many_samples, one_sample, study_selection
from .nulls import bayes_of, equivalent, hospital, power_of
from .views import how_sure, smallest_bias, study_pairs, two_informants
from .widening import study_nested


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
