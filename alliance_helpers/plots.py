"""Figures: a result goes in, an Axes comes out. Nothing here fits anything.

Every function takes `ax=` to draw into, and sets the label of its figure to a text that says what
the figure shows, numbers included; `outputs.save_figure` keeps it as the alt text. The same
informant has the same colour, marker and hatch everywhere (`style`).
"""

from .claim_plots import equivalence, forest, halo_contrast, scorecard
from .dyad_plots import bland_altman, informants, paired_scatter
from .evidence_plots import bayes_sensitivity, power_curve
from .matrix_plots import correlations
from .missing_plots import missingness
from .model_plots import days_distribution, r_squared_blocks

__all__ = [
    "bayes_sensitivity",
    "bland_altman",
    "correlations",
    "days_distribution",
    "equivalence",
    "forest",
    "halo_contrast",
    "informants",
    "missingness",
    "paired_scatter",
    "power_curve",
    "r_squared_blocks",
    "scorecard",
]
