"""Figures: a result goes in, an Axes comes out. Nothing here fits anything.

Every function takes `ax=` to draw into, and sets the label of its figure to a text that says what
the figure shows, numbers included; `outputs.save_figure` keeps it as the alt text. The same
informant has the same colour, marker and hatch everywhere (`style`).
"""

from .figures.claims import equivalence, forest, halo_contrast, scorecard
from .figures.correlations import correlations
from .figures.dyads import bland_altman, informants, paired_scatter
from .figures.evidence import bayes_sensitivity, power_curve
from .figures.information import information_sources
from .figures.missing import missingness
from .figures.models import days_distribution, r_squared_blocks
from .figures.multiverse import (
    specification_curve,
    specification_verdicts,
)
from .figures.selection import inclusion

__all__ = [
    "bayes_sensitivity",
    "bland_altman",
    "correlations",
    "days_distribution",
    "equivalence",
    "forest",
    "halo_contrast",
    "inclusion",
    "informants",
    "information_sources",
    "missingness",
    "paired_scatter",
    "power_curve",
    "r_squared_blocks",
    "scorecard",
    "specification_curve",
    "specification_verdicts",
]
