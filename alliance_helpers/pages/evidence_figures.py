"""Figures of evidence: power, Bayes factors, sources of information, inclusion."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..study.codebook import Codebook
from .style import (
    INK,
    QUIET,
    SHADE,
    Look,
    alt,
    canvas,
    coefficient,
    figure_number,
    key,
    look,
    nothing,
    p_words,
    styled,
    title,
    word,
)

LINES = ("-", (0, (5, 2)), (0, (1, 1)), (0, (3, 1, 1, 1)))
EVIDENCE = {
    1 / 100: "1/100", 1 / 30: "1/30", 1 / 10: "strong  1/10", 1 / 3: "moderate  1/3", 1: "1",
    3: "moderate  3", 10: "strong  10", 30: "30", 100: "100",
}  # fmt: skip
WIDTHS = {0.1: "0.1", 0.2: "0.2", 1 / 3: "1/3", 0.5: "1/2", 1: "1", 2: "2"}


@styled
def bayes_sensitivity(
    table: pd.DataFrame,
    heading: str = "How much the Bayes factor depends on the prior",
    ax: Axes | None = None,
) -> Axes:
    """Evidence for no association over the width of the prior.

    Parameters
    ----------
    table : DataFrame
        `kappa bf10`, and `informant` if there are two curves.
    heading : str
    ax : Axes, optional

    Returns
    -------
    Axes

    Notes
    -----
    3 and 10 times are called moderate and strong, after Jeffreys (1961).
    """
    ax = canvas(ax, 4.3)
    table = table.dropna(subset=["kappa", "bf10"])
    said, curves = [], _curves(table)
    for name, part in curves:
        part = part.sort_values("kappa")
        style, kappa = look(name), part["kappa"].to_numpy(float)
        bf01 = 1 / part["bf10"].to_numpy(float)
        ax.plot(kappa, bf01, color=style.color, marker=style.marker, ms=5.5, lw=1.8,
                label=word(name).capitalize())  # fmt: skip
        quoted = {int(np.abs(np.log(kappa / k)).argmin()) for k in (1 / 3, 1)} if len(kappa) else ()
        values = " and ".join(f"{bf01[i]:.3g} at kappa {kappa[i]:.2g}" for i in sorted(quoted))
        said.append(f"{word(name)}: {values}" if name else values)
    ax.set(xscale="log", yscale="log")
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    low, high = (min(low, 1 / 4), max(high, 13)) if len(table) else (1 / 4, 13)
    ax.axhspan(1 / 3, 3, color=SHADE, zorder=0)
    ax.axhline(1, color=QUIET, lw=0.9, zorder=1)
    for level in (10, 1 / 10):
        ax.axhline(level, color=QUIET, lw=0.7, ls=(0, (1, 2)), zorder=1)
    y = [t for t in EVIDENCE if low <= t <= high]
    x = [t for t in WIDTHS if left <= t <= right]
    ax.set_yticks(y, [EVIDENCE[t] for t in y])
    ax.set_xticks(x, [WIDTHS[t] for t in x])
    ax.minorticks_off()
    ax.set(ylim=(low, high), xlabel="Width of the prior on the correlation (kappa; 1 is uniform)",
           ylabel="Times likelier if there is\nno association (BF01)")  # fmt: skip
    if len(curves) > 1:
        key(ax)
    title(ax, heading)
    alt(ax, f"{heading}. Bayes factor for no association: {'; '.join(said) or 'unknown'}.")
    return ax


@styled
def power_curve(
    table: pd.DataFrame,
    target: float = 0.80,
    xlabel: str = "True correlation",
    heading: str = "What this study could have seen",
    ax: Axes | None = None,
) -> Axes:
    """Power over the size of the effect.

    Parameters
    ----------
    table : DataFrame
        `effect power`, and `informant` or `n` if there is more than one curve.
    target : float
        Power to mark.
    xlabel, heading : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = canvas(ax, 4.2)
    table = table.dropna(subset=["effect", "power"])
    said, marks, curves = [], [], _curves(table)
    ax.axhline(target, color=QUIET, lw=0.8, ls=(0, (1, 2)))
    for at, (name, part) in enumerate(curves):
        part = part.sort_values("effect")
        effect, power = part["effect"].to_numpy(float), part["power"].to_numpy(float)
        style = look(name) if name in ("client", "case_manager") else Look("#1D4955", "")
        label = name if name.startswith("n = ") else word(name).capitalize()
        ax.plot(effect, power, color=style.color, lw=2, ls=LINES[at % 4], label=label)
        prefix = f"{label}: " if label else ""
        reached = power >= target
        if reached.any() and not reached[0]:
            i = int(reached.argmax())
            found = np.interp(target, power[i - 1 : i + 1], effect[i - 1 : i + 1])
            ax.plot(found, target, style.marker, color=style.color, mec=INK, ms=8, zorder=4)
            marks.append(found)
            said.append(f"{prefix}power {target:.2f} at {figure_number(found)}")
        elif len(power):
            said.append(f"{prefix}power from {power.min():.2f} to {power.max():.2f}")
    for rank, found in enumerate(sorted(marks)):
        left = rank == 0 and len(marks) > 1  # so that close marks do not overlap
        ax.annotate(figure_number(found), (found, target), (-8, 6) if left else (8, -14),
                    textcoords="offset points", ha="right" if left else "left")  # fmt: skip
    ax.set_ylim(0, 1.02)
    ax.set(xlabel=xlabel, ylabel="Power (probability of p < .05)")
    if len(curves) > 1:
        key(ax)
    title(ax, heading)
    alt(ax, f"{heading}, by {xlabel.lower()}. {'; '.join(said) or 'Nothing'}.")
    return ax


def _curves(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    for column, name in (("informant", "{}"), ("n", "n = {}")):
        if column in table and table[column].nunique() > 1:
            return [(name.format(v), part) for v, part in table.groupby(column, sort=False)]
    return [("", table)]


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
