"""Figures: a result goes in, an Axes comes out. Nothing here fits anything.

Every function takes `ax=` to draw into, and sets the label of its figure to a text that says what
the figure shows, numbers included; `outputs.save_figure` keeps it as the alt text. The same
informant has the same colour, marker and hatch everywhere (`style`).

Examples
--------
>>> from alliance_helpers import both_ratings, open_cohort, plots
>>> ax = plots.informants(*both_ratings(open_cohort().dyads))
>>> len(ax.figure.get_label()) > 40
True
"""

# ruff: noqa: F401
from .claim_figures import (
    design_grid,
    equivalence,
    forest,
    halo_contrast,
    specification_curve,
)  # fmt: skip
from .dyad_figures import bland_altman, informants, paired_scatter, trajectories
from .model_figures import (
    bayes_sensitivity,
    days_distribution,
    equivalence_power,
    inclusion,
    information_sources,
    power_curve,
    r_squared_blocks,
)  # fmt: skip

__all__ = [name for name in dir() if not name.startswith("_")]
