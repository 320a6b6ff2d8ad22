"""Figure of a correlation matrix."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from ..codebook import Codebook
from .style import INK, alt, canvas, coefficient, nothing, styled, title, word


@styled
def correlations(
    matrix: pd.DataFrame,
    codebook: Codebook | None = None,
    heading: str = "How the measures hang together",
    ax: Axes | None = None,
) -> Axes:
    """The lower triangle of a correlation matrix, each cell with its number.

    Parameters
    ----------
    matrix : DataFrame
        Square, as `views.correlation_matrix` returns it.
    codebook : Codebook, optional
        Labels of variables.
    heading : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    names = [word(name, codebook) for name in matrix]
    if len(names) < 2:
        return nothing(ax, heading, "There are no two measures to correlate.")
    values = matrix.to_numpy(float)
    hidden = np.triu(np.ones_like(values, dtype=bool))
    ax = canvas(ax, 2.2 + 0.32 * len(names))
    sns.heatmap(
        values, mask=hidden, cmap="vlag", vmin=-1.7, vmax=1.7, cbar=False, ax=ax, linewidths=0.6,
        linecolor="white", xticklabels=False, yticklabels=False,
    )  # fmt: skip
    # Its labels and numbers would be drawn twice: seaborn draws to see whether labels overlap.
    rows, columns = np.tril_indices(len(names), -1)
    for i, j in zip(rows, columns, strict=True):
        if np.isfinite(values[i, j]):
            ax.text(j + 0.5, i + 0.5, coefficient(values[i, j]), size=9, color=INK,
                    ha="center", va="center", in_layout=False)  # fmt: skip
    middles = np.arange(len(names)) + 0.5
    ax.set_xticks(middles, names, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(middles, names)
    ax.set_xlim(0, len(names) - 1)
    ax.set_ylim(len(names), 1)
    ax.tick_params(length=0)
    title(ax, heading)
    order = np.argsort(-np.abs(np.nan_to_num(values[rows, columns])), kind="stable")[:5]
    strongest = "; ".join(
        f"{names[rows[i]]} with {names[columns[i]]} {coefficient(values[rows[i], columns[i]])}"
        for i in order
    )
    alt(ax, f"{heading}: correlations of {len(names)} measures. Strongest: {strongest}.")
    return ax
