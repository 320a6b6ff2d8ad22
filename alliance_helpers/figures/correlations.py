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
    text = np.vectorize(lambda r: coefficient(r) if np.isfinite(r) else "")(values)
    sns.heatmap(
        values, mask=hidden, annot=text, fmt="", cmap="vlag", vmin=-1.7, vmax=1.7, cbar=False,
        ax=ax, linewidths=0.6, linecolor="white", annot_kws={"size": 9, "color": INK},
        xticklabels=names, yticklabels=names,
    )  # fmt: skip
    ax.set_xlim(0, len(names) - 1)
    ax.set_ylim(len(names), 1)
    ax.tick_params(length=0)
    for label in ax.get_xticklabels():
        label.set(rotation=45, ha="right", rotation_mode="anchor")
    title(ax, heading)
    rows, columns = np.tril_indices(len(names), -1)
    order = np.argsort(-np.abs(np.nan_to_num(values[rows, columns])), kind="stable")[:5]
    strongest = "; ".join(
        f"{names[rows[i]]} with {names[columns[i]]} {coefficient(values[rows[i], columns[i]])}"
        for i in order
    )
    alt(ax, f"{heading}: correlations of {len(names)} measures. Strongest: {strongest}.")
    return ax
