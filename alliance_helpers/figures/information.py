"""Figure of what each source of information is worth to a rating."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..codebook import Codebook
from .style import (
    INK,
    QUIET,
    alt,
    canvas,
    coefficient,
    key,
    look,
    nothing,
    p_words,
    styled,
    title,
    word,
)


@styled
def information_sources(
    table: pd.DataFrame,
    codebook: Codebook | None = None,
    heading: str = "What each rating draws on",
    ax: Axes | None = None,
) -> Axes:
    """Share of each rating's variance that each source of information accounts for.

    Parameters
    ----------
    table : DataFrame
        As `information.information_sources` returns it.
    codebook : Codebook, optional
    heading : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    shown = table.dropna(subset=["estimate"])
    if shown.empty:
        return nothing(ax, heading, "There are no other variables that a rating could draw on.")
    labels = [f"{word(b)}, {word(s).lower()}" for b, s in zip(shown["block"], shown["source"],
                                                             strict=True)]  # fmt: skip
    shown = shown.assign(label=labels)
    names, informants = list(dict.fromkeys(labels)), list(dict.fromkeys(shown["informant"]))
    ax = canvas(ax, 1.5 + 0.46 * len(names))
    wide = 0.8 / len(informants)
    said = []
    for i, informant in enumerate(informants):
        style, mine = look(informant), shown[shown["informant"] == informant]
        offset = (i - (len(informants) - 1) / 2) * wide
        y = np.array([names.index(label) for label in mine["label"]]) + offset
        ax.barh(y, mine["estimate"], height=wide * 0.9, color=style.color, hatch=style.hatch,
                edgecolor=QUIET, lw=0.6, label=word(informant, codebook))  # fmt: skip
        ax.hlines(y, mine["conf_low"], mine["conf_high"], color=INK, lw=1)
        ax.plot(mine["noise"], y, "|", color=INK, ms=9, mew=1.6)
        values = "; ".join(
            f"{r.label} {coefficient(r.estimate)}{p_words(r.p_value, ', p ')}"
            for r in mine.itertuples(index=False)
        )
        total = coefficient(mine["r_squared"].iloc[0])
        said.append(f"{word(informant, codebook)} (together {total}): {values}")
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.7)
    ax.xaxis.set_major_formatter(lambda x, _: coefficient(x) if x else "0")
    ax.set_xlabel("Share of the rating's variance (LMG)\nline: 95 % interval; mark: pure noise")
    key(ax)
    title(ax, heading)
    alt(ax, f"{heading}: share of variance by source of information. {'. '.join(said)}.")
    return ax
