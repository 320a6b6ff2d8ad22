"""Every figure with controls: those of the five seminar units, and the notebooks' explorers.

Each function returns a :class:`~alliance_helpers.teaching.demos.Demo`: `.picture()` shows it still,
`.explore()` with its controls, `.text(...)` says the sentence with its numbers.
"""

from .teaching.cohorts import open_dyads
from .teaching.collider import own_view_held
from .teaching.explorers import (
    explore_agreement,
    explore_associations,
    explore_hospital,
    explore_regression,
)
from .teaching.halo import favour_and_link, leaks, smallest_leak, study_contrast
from .teaching.nesting import false_alarms, worth
from .teaching.noise import freedman, many_samples, one_sample, study_selection
from .teaching.nulls import bayes_of, equivalent, hospital, power_of
from .teaching.views import how_sure, smallest_bias, study_pairs, two_informants
from .teaching.widening import mean_squares, study_nested

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
