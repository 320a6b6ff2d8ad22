"""Figures of models and of evidence: blocks, days, power, Bayes factors, information, inclusion."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..cohorts.cohort import rounded_n
from ..study.codebook import Codebook
from . import style
from .dyad_figures import joined
from .printing import coefficient, figure_number, p_words, word
from .style import INK, QUIET, SHADE, STEPS, canvas, finished, key, look, nothing, styled

PLATE = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none"}


@styled
def r_squared_blocks(
    fits: Mapping[str, pd.DataFrame], codebook: Codebook | None = None, ax: Axes | None = None
) -> Axes:
    """Explained variance block by block, one bar per outcome.

    Parameters
    ----------
    fits : mapping
        Outcome (or informant) to the `fit` table of `regression.hierarchical_regression`: `block n
        delta_r_squared`, optionally `p_change`. A block that added nothing may be missing or NaN.
    codebook : Codebook, optional
        Labels of outcomes.
    ax : Axes, optional
        New axes in a figure of their own by default.

    Returns
    -------
    Axes

    Examples
    --------
    >>> fit = pd.DataFrame({"block": ["alliance"], "n": [201], "delta_r_squared": [0.1]})
    >>> r_squared_blocks({"symptoms": fit}).figure.get_label()[-47:]
    'symptoms (n 201): alliance .100, together .100.'
    """
    blocks = list(dict.fromkeys(b for fit in fits.values() for b in fit["block"]))
    looks = {b: STEPS[i % len(STEPS)] for i, b in enumerate(blocks)}
    shares = {name: fit["delta_r_squared"].fillna(0).clip(lower=0) for name, fit in fits.items()}
    most = max([0.05, *(s.sum() for s in shares.values())])
    ax = canvas(ax, 1.6 + 0.68 * max(len(fits), 1))
    said = []
    for at, (name, fit) in enumerate(fits.items()):
        label, left, parts = word(name, codebook), 0.0, []
        ax.text(0, at - 0.37, label, transform=ax.get_yaxis_transform(), va="center")
        p_values = fit.get("p_change", pd.Series(np.nan, index=fit.index))
        for block, share, p in zip(fit["block"], shares[name], p_values, strict=True):
            face = looks[block]
            ax.barh(at, share, left=left, height=0.44, facecolor=face.color, hatch=face.hatch,
                    edgecolor=QUIET, lw=0.6)  # fmt: skip
            if share > 0.085 * most:
                ax.text(left + share / 2, at, coefficient(share), ha="center", fontsize=9,
                        va="center_baseline", bbox=PLATE)  # fmt: skip
            left += share
            parts.append(f"{word(block)} {coefficient(share, 3)}{p_words(p, ', p ')}")
        ax.text(left, at, f"  {coefficient(left)}", va="center_baseline", weight="bold")
        n = rounded_n(fit["n"].max())
        many = f" (n {int(n)})" if n == n else ""
        said.append(f"{label}{many}: {', '.join(parts)}, together {coefficient(left, 3)}")
    ax.set_xlim(0, min(1.12, most * 1.14))
    ax.set_ylim(max(len(fits), 1) - 0.6, -0.65)
    style.without_side(ax)
    style.shares_below(ax)
    ax.set_xlabel("Share of variance explained (R²)")
    handles = [
        Patch(facecolor=s.color, hatch=s.hatch, edgecolor=QUIET, label=word(b).capitalize())
        for b, s in looks.items()
    ]
    key(ax, handles, 4)
    heading = "What each block of variables adds"
    return finished(ax, heading, f"{heading}, R squared. {'; '.join(said)}.")


@styled
def days_distribution(
    expected: pd.DataFrame,
    xlabel: str = "Hospital days",
    min_cell: int = 5,
    ax: Axes | None = None,
) -> Axes:
    """Observed days against the fitted models.

    Parameters
    ----------
    expected : DataFrame
        As `counts.expected_counts` returns it: `low high observed`, one column per family; the
        first bin may be zero alone, the last may have no upper end.
    xlabel : str
    min_cell : int
        Bins of fewer clients than this are joined with their neighbours.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = canvas(ax, 4.8)
    begins, _ = joined(range(len(expected) + 1), expected["observed"], min_cell)
    into = np.searchsorted(begins, np.arange(len(expected)), side="right")
    sums = dict.fromkeys(expected.columns, "sum") | {"low": "first", "high": "last"}
    expected = expected.groupby(into).agg(sums)
    low, high = expected["low"].to_numpy(float), expected["high"].to_numpy(float)
    families = [c for c in expected.columns if c not in ("low", "high", "observed")]
    at = np.arange(len(expected), dtype=float)
    zero = len(at) > 1 and high[0] == 0
    at[1:] += 0.6 * zero
    ax.bar(at, expected["observed"], width=0.94, color="#C3CED6", edgecolor="#8597A3", lw=0.6,
           label="Observed")  # fmt: skip
    for name in families:
        face = style.FAMILIES[name]
        for part in (slice(0, 1), slice(1, None)) if zero else (slice(None),):
            ax.plot(at[part], expected[name].iloc[part], color=face.color, lw=1.6,
                    dashes=face.dashes, marker=face.marker, ms=5.5,
                    mew=1.6 if face.marker == "x" else 0.6,
                    label=face.label if part.start != 1 else None)  # fmt: skip
    names = [_bin(*ends) for ends in zip(low, high, strict=True)]
    ax.set_xticks(at, names, rotation=45, ha="right", rotation_mode="anchor")
    ax.set(xlabel=xlabel, ylabel="Number of clients")
    ax.set_ylim(bottom=0)
    lines, bars = ax.get_legend_handles_labels()[0], ax.containers[:1]
    key(ax, [*bars, *(h for h in lines if h not in bars)], 2)
    said = []
    for i in dict.fromkeys((0, len(at) - 1)):
        values = ", ".join(f"{word(f)} {figure_number(expected[f].iloc[i], 1)}" for f in families)
        observed = f"observed {expected['observed'].iloc[i]:,.0f}"
        said.append(f"{names[i]} days: {observed}, expected {values}")
    heading = "Hospital days, and what the models expect"
    about = f"{heading}; {rounded_n(expected['observed'].sum()):,.0f} clients. {'; '.join(said)}."
    return finished(ax, heading, about)


def _bin(low: float, high: float) -> str:
    """Days from `low` to `high` in words."""
    if np.isinf(high):
        return f"> {low - 1:.0f}"
    return f"{low:.0f}–{high:.0f}" if low < high else f"{high:.0f}"


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
    said, curves = [], _curves(table, "kappa", "bf10")
    for name, kappa, bf10 in curves:
        face, bf01 = look(name), 1 / bf10
        ax.plot(kappa, bf01, color=face.color, marker=face.marker, ms=5.5, lw=1.8,
                label=word(name).capitalize())  # fmt: skip
        quoted = {int(np.abs(np.log(kappa / k)).argmin()) for k in (1 / 3, 1)} if len(kappa) else ()
        values = " and ".join(f"{bf01[i]:.3g} at kappa {kappa[i]:.2g}" for i in sorted(quoted))
        said.append(f"{word(name)}: {values}" if name else values)
    ax.set(xscale="log", yscale="log")
    low, high = ax.get_ylim() if len(table.dropna()) else (1.0, 1.0)
    sides = ax.get_xlim()
    ax.axhspan(1 / 3, 3, color=SHADE, zorder=0)
    for level in (10, 1, 1 / 10):
        dots = {} if level == 1 else {"ls": (0, (1, 2))}
        ax.axhline(level, color=QUIET, lw=0.8, zorder=1, **dots)
    ax.set_yticks(list(EVIDENCE), EVIDENCE.values())
    ax.set_xticks(list(WIDTHS), WIDTHS.values())
    ax.minorticks_off()
    ax.set(xlim=sides, ylim=(min(low, 1 / 4), max(high, 13)),
           xlabel="Width of the prior on the correlation (kappa; 1 is uniform)",
           ylabel="Times likelier if there is\nno association (BF01)")  # fmt: skip
    if len(curves) > 1:
        key(ax)
    about = f"Bayes factor for no association: {'; '.join(said) or 'unknown'}."
    return finished(ax, heading, f"{heading}. {about}")


TARGET = 0.80


@styled
def equivalence_power(
    table: pd.DataFrame,
    low: float,
    high: float,
    codebook: Codebook | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Chance that an equivalence test supports an absence, over the true rate ratio.

    Parameters
    ----------
    table : DataFrame
        As `planning.power_table` returns it: `informant effect power`.
    low, high : float
        The bounds; between them is shaded.
    codebook : Codebook, optional
        Labels of the informants.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    heading = "How often a test of this precision shows an absence"
    if table.empty:
        return nothing(ax, heading, "No rate ratio could be estimated.")
    ax, said = canvas(ax, 4.2), []
    ax.axvspan(low, high, color=SHADE, zorder=0)
    ax.axhline(0.05, color=QUIET, lw=0.8, ls=(0, (1, 2)))
    for at, (name, effect, power) in enumerate(_curves(table, "effect", "power")):
        label = word(name, codebook).capitalize()
        ax.plot(effect, power, color=look(name).color, ls=LINES[at % 4], lw=2, label=label)
        none, edge = np.interp([1.0, high], effect, power)
        said.append(f"{label}: {none:.2f} where the ratio is 1, {edge:.2f} where it is {high:g}")
    ax.set(xscale="log", ylim=(0, 1.02), ylabel="Chance that the absence is supported",
           xlabel="True rate ratio per standard deviation of the rating\n"
           "(shaded: inside the bounds; dotted: .05)")  # fmt: skip
    style.log_ticks(ax, [low, 1.0, high])
    key(ax)
    return finished(ax, heading, f"{heading}. {'; '.join(said)}.")


@styled
def power_curve(
    table: pd.DataFrame, heading: str = "What this study could have seen", ax: Axes | None = None
) -> Axes:
    """Power over the size of the effect, marked where it reaches .80.

    Parameters
    ----------
    table : DataFrame
        `effect power`, both rising.
    heading : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax, said = canvas(ax, 4.2), "Nothing"
    ((_, effect, power),) = _curves(table, "effect", "power")
    ax.axhline(TARGET, color=QUIET, lw=0.8, ls=(0, (1, 2)))
    ax.plot(effect, power, color=STEPS[-1].color, lw=2)
    if len(power):
        said = f"power from {power.min():.2f} to {power.max():.2f}"
    if len(power) and power[0] < TARGET <= power[-1]:
        found = np.interp(TARGET, power, effect)
        ax.plot(found, TARGET, "o", color=STEPS[-1].color, mec=INK, ms=8, zorder=4)
        ax.annotate(figure_number(found), (found, TARGET), (8, -14), textcoords="offset points")
        said = f"power {TARGET:.2f} at {figure_number(found)}"
    ax.set_ylim(0, 1.02)
    ax.set(xlabel="True correlation", ylabel="Power (probability of p < .05)")
    return finished(ax, heading, f"{heading}, by true correlation. {said}.")


def _curves(table: pd.DataFrame, x: str, y: str) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Each informant's curve, of one without a name, its points from left to right."""
    table = table.dropna(subset=[x, y]).sort_values(x)
    several = "informant" in table and table["informant"].nunique() > 1
    parts = table.groupby("informant", sort=False) if several else [("", table)]
    return [(name, part[x].to_numpy(), part[y].to_numpy()) for name, part in parts]


@styled
def information_sources(
    table: pd.DataFrame, codebook: Codebook | None = None, ax: Axes | None = None
) -> Axes:
    """Share of each rating's variance that each source of information accounts for.

    Parameters
    ----------
    table : DataFrame
        As `information.information_sources` returns it.
    codebook : Codebook, optional
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    heading = "What each rating draws on"
    shown = table.dropna(subset=["estimate"])
    if shown.empty:
        return nothing(ax, heading, "There are no other variables that a rating could draw on.")
    labels = shown["block"].map(word) + ", " + shown["source"].map(word).str.lower()
    shown = shown.assign(label=labels, filled=True)
    ax, handles = _bars(shown, codebook, ax)
    said = []
    for informant, mine in shown.groupby("informant", sort=False):
        values = "; ".join(
            f"{r.label} {coefficient(r.estimate)}{p_words(r.p_value, ', p ')}"
            for r in mine.itertuples(index=False)
        )
        total = coefficient(mine["r_squared"].iloc[0])
        said.append(f"{word(informant, codebook)} (together {total}): {values}")
    style.shares_below(ax)
    ax.set_xlabel("Share of the rating's variance (LMG)\nline: 95 % interval")
    key(ax, handles)
    about = f"{heading}: share of variance by source of information. {'. '.join(said)}."
    return finished(ax, heading, about)


LABEL, BAR, GAP = 0.2, 0.15, 0.07  # inches


def _bars(
    rows: pd.DataFrame, codebook: Codebook | None, ax: Axes | None
) -> tuple[Axes, list[Patch | Line2D]]:
    """Below each label the informants' bars, with their intervals and a mark for pure noise.

    `rows`: `label informant estimate noise filled`, optionally `conf_low conf_high`.
    """
    labels, informants = (list(dict.fromkeys(rows[c])) for c in ("label", "informant"))
    step = LABEL + BAR * len(informants) + GAP
    ax = canvas(ax, step * len(labels) + 1.3)
    for k, label in enumerate(labels):
        ax.text(0, k * step, label, transform=ax.get_yaxis_transform(), va="center")
    rank = rows["label"].map(labels.index) * step + rows["informant"].map(informants.index) * BAR
    at, colors = rank + LABEL, [look(i).color for i in rows["informant"]]
    faces = np.where(rows["filled"], colors, "white")
    ax.barh(at, rows["estimate"], height=BAR * 0.85, color=faces, edgecolor=colors, lw=1.0)
    if "conf_low" in rows:
        ax.hlines(at, rows["conf_low"], rows["conf_high"], color=INK, lw=1)
    ends = at - BAR * 0.5, at + BAR * 0.5
    ax.vlines(rows["noise"], *ends, color=INK, lw=2.2, capstyle="projecting")
    style.without_side(ax)
    ax.set_ylim(step * len(labels) - GAP, -LABEL)
    handles = [Patch(facecolor=look(i).color, label=word(i, codebook)) for i in informants]
    noise = Line2D([], [], color=INK, marker="|", ms=10, mew=2.2, ls="", label="pure noise")
    return ax, [*handles, noise]


@styled
def inclusion(
    table: pd.DataFrame,
    codebook: Codebook | None = None,
    band: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Inclusion in resamples by informant, the frequency on pure noise as a mark across.

    Parameters
    ----------
    table : DataFrame
        As `as_1995.inclusion` returns it: `informant term inclusion noise_inclusion beta`.
        Variables in the study's own final model (`beta` not NaN) have a filled bar; without the
        column all have.
    codebook : Codebook, optional
    band : float, optional
        Frequencies up to here are shaded: chance gives them.
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
    heading = "How often stepwise regression selects each variable again"
    rows = table.dropna(subset=["inclusion"])
    if rows.empty:
        return nothing(ax, heading, "There are no variables that could be selected.")
    rows = rows.rename(columns={"inclusion": "estimate", "noise_inclusion": "noise"}).assign(
        label=[word(term, codebook) for term in rows["term"]],
        filled=rows["beta"].notna() if "beta" in rows else True,
    )
    ax, handles = _bars(rows, codebook, ax)
    ax.set_xlim(0, 1)
    ax.xaxis.set_major_formatter(lambda x, _: f"{100 * x:.0f} %")
    ax.set_xlabel("Resamples whose final model holds the variable")
    if "beta" in rows:
        label = "not in the model of all dyads"
        handles.append(Patch(facecolor="white", edgecolor=QUIET, label=label))
    if band is not None:
        ax.axvspan(0, band, color=SHADE, zorder=0)
        handles.append(Patch(facecolor=SHADE, label="19 in 20 of noise"))
    key(ax, handles, 2)
    said = "; ".join(
        f"{r.label} ({word(r.informant, codebook)}) {100 * r.estimate:.0f} % "
        f"(noise {100 * r.noise:.0f} %)"
        for r in rows.itertuples(index=False)
    )
    return finished(ax, heading, f"{heading}, and on pure noise: {said}")
