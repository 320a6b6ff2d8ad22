"""The axes of a figure that is drawn again with every move of a slider."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

LABEL_BELOW, LABEL_LEFT = 0.27, 0.44  # inches from the axes


def panels(figure: Figure, widths: tuple[float, ...] = (1,), **margins: float) -> list[Axes]:
    """Empty axes side by side: new ones at first, later the same ones wiped.

    Ticks and labels are most of the work of drawing axes; what is wiped keeps them.

    Parameters
    ----------
    figure : Figure
        The one that `Demo.draw` was given.
    widths : tuple of float
        One relative width per panel.
    **margins
        Handed to `subplots_adjust`: left, right, bottom, top, wspace.
    """
    if figure.axes:
        for ax in figure.axes:
            for bars in list(ax.containers):
                bars.remove()
            for artist in (*ax.lines, *ax.patches, *ax.collections, *ax.texts):
                artist.remove()
            if ax.get_legend():
                ax.get_legend().remove()
            ax.relim()
        return list(figure.axes)
    made = figure.subplots(1, len(widths), width_ratios=widths, squeeze=False)[0]
    figure.subplots_adjust(**margins)
    for ax in made:
        box = ax.get_window_extent()
        ax.xaxis.set_label_coords(0.5, -LABEL_BELOW * figure.dpi / box.height)
        ax.yaxis.set_label_coords(-LABEL_LEFT * figure.dpi / box.width, 0.5)
    return list(made)
