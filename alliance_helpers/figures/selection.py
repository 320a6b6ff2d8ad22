"""How often each candidate of a stepwise regression is selected again, beside pure noise."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..codebook import Codebook
from .style import INK, QUIET, alt, canvas, key, look, nothing, styled, title, word

LABEL, BAR, GAP = 0.2, 0.15, 0.07  # inches


@styled
def inclusion(
    table: pd.DataFrame,
    codebook: Codebook | None = None,
    heading: str = "How often stepwise regression selects each variable again",
    ax: Axes | None = None,
) -> Axes:
    """Inclusion in resamples by informant, the frequency on pure noise as a mark across.

    Parameters
    ----------
    table : DataFrame
        As `reselection.inclusion` returns it: `informant term inclusion noise_inclusion beta`.
        Variables in the study's own final model (`beta` not NaN) have a filled bar.
    codebook : Codebook, optional
    heading : str
    ax : Axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> row = {"informant": "client", "term": "age", "inclusion": 0.5, "noise_inclusion": 0.17}
    >>> inclusion(pd.DataFrame([row | {"beta": 0.2}])).figure.get_label()[-30:]
    'age (Client) 50 % (noise 17 %)'
    """
    rows = table.dropna(subset=["inclusion"])
    if rows.empty:
        return nothing(ax, heading, "There are no variables that could be selected.")
    terms = list(dict.fromkeys(rows["term"]))
    informants = list(dict.fromkeys(rows["informant"]))
    step = LABEL + BAR * len(informants) + GAP
    ax = canvas(ax, step * len(terms) + 1.3)
    for k, term in enumerate(terms):
        ax.text(0, k * step, word(term, codebook), transform=ax.get_yaxis_transform(), va="center")
    for row in rows.itertuples(index=False):
        at = terms.index(row.term) * step + LABEL + informants.index(row.informant) * BAR
        style, kept = look(row.informant), row.beta == row.beta
        ax.barh(at, row.inclusion, height=BAR * 0.85, edgecolor=style.color, lw=1.0,
                facecolor=style.color if kept else "white")  # fmt: skip
        ax.plot([row.noise_inclusion] * 2, [at - BAR * 0.5, at + BAR * 0.5], color=INK, lw=2.2)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_ylim(step * len(terms) - GAP, -LABEL)
    ax.set_xlim(0, 1)
    ax.xaxis.set_major_formatter(lambda x, _: f"{100 * x:.0f} %")
    ax.set_xlabel("Resamples whose final model holds the variable")
    handles = [Patch(facecolor=look(i).color, label=word(i, codebook)) for i in informants]
    handles.append(Patch(facecolor="white", edgecolor=QUIET, label="not in the study's own model"))
    handles.append(Line2D([], [], color=INK, marker="|", ms=10, mew=2.2, ls="", label="pure noise"))
    key(ax, handles, 2)
    title(ax, heading)
    said = [
        f"{word(r.term, codebook)} ({word(r.informant, codebook)}) {100 * r.inclusion:.0f} % "
        f"(noise {100 * r.noise_inclusion:.0f} %)"
        for r in rows.itertuples(index=False)
    ]
    alt(ax, f"{heading}, and on pure noise: {'; '.join(said)}")
    return ax
