"""Figures of the claims: associations, bounds, a change of rater, verdicts, specifications."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from ..claims.rules import KEY, Rules
from ..study.codebook import Codebook
from . import style
from .printing import TOLD, coefficient, figure_number, p_text, p_words, word
from .style import INK, QUIET, VERDICTS, canvas, finished, interval_rows, key, nothing, styled

SAME, OTHER = (
    "The same person rates alliance and outcome",
    "Somebody else rates or records the outcome",
)
ASSOCIATION = "Standardised association with the alliance rating"


def forest(
    rows: pd.DataFrame,
    bound: float | None = None,
    codebook: Codebook | None = None,
    heading: str = "What goes with the alliance rating",
    xlabel: str = ASSOCIATION,
    ax: Axes | None = None,
) -> Axes:
    """Associations by informant with their intervals.

    Parameters
    ----------
    rows : DataFrame
        As for :func:`.style.interval_rows`; several values of `block` get a heading each.
    bound : float, optional
        Associations from -bound to bound are shaded as too small to matter.
    codebook : Codebook, optional
        Labels of terms.
    heading, xlabel : str
    ax : Axes, optional
        New axes in a figure of their own by default.

    Returns
    -------
    Axes

    Examples
    --------
    >>> row = {"term": "age", "informant": "client", "estimate": 0.1}
    >>> row |= {"conf_low": 0.0, "conf_high": 0.2}
    >>> forest(pd.DataFrame([row])).figure.get_label()[-33:]
    'age (Client) 0.10 (0.00 to 0.20).'
    """
    several = "block" in rows and rows["block"].nunique() > 1
    if several:
        rows = rows.assign(block=[word(b).capitalize() for b in rows["block"]])
    band = None if bound is None else (-bound, bound)
    by = "block" if several else ""
    return interval_rows(rows, codebook, xlabel, heading, by=by, band=band, ax=ax)


@styled
def equivalence(
    rows: pd.DataFrame,
    low: float,
    high: float,
    log: bool = False,
    codebook: Codebook | None = None,
    xlabel: str = "",
    heading: str = "Is the effect smaller than the bounds?",
    limits: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Intervals against the bounds of what would matter.

    Parameters
    ----------
    rows : DataFrame
        As for :func:`forest`; equivalence is read from the 90 % interval where it is given.
    low, high : float
        The bounds; between them is shaded.
    log : bool
        For rate ratios: a logarithmic axis, with 1 as no effect.
    codebook, xlabel, heading, ax
        As for :func:`forest`.
    limits : (float, float), optional
        Ends of the axis; by default what the bounds and the intervals need.

    Returns
    -------
    Axes
    """
    default = "Rate ratio per standard deviation of the alliance rating" if log else "Effect"
    form, none = (figure_number, 1.0) if log else (coefficient, 0.0)
    ax = interval_rows(
        rows, codebook, xlabel or default, heading, form, band=(low, high), none=none, ax=ax
    )
    if log:
        ax.set_xscale("log")
        ends = rows["conf_low"].min() / 1.05, rows["conf_high"].max() * 1.05
        limits = limits or (np.fmin(low / 1.12, ends[0]), np.fmax(high * 1.12, ends[1]))
    if limits:
        ax.set_xlim(limits)
    if log:
        style.log_ticks(ax, [low, 1.0, high])
    return ax


def halo_contrast(
    rows: pd.DataFrame,
    codebook: Codebook | None = None,
    xlabel: str = ASSOCIATION,
    heading: str = "Does the association survive a change of rater?",
    ax: Axes | None = None,
) -> Axes:
    """Associations when one person rates alliance and outcome, and when two people do.

    Parameters
    ----------
    rows : DataFrame
        As for :func:`forest`, with `rater`: who rated the outcome, as in the contrast of
        `associations.halo`.
    codebook, xlabel, heading, ax
        As for :func:`forest`.

    Returns
    -------
    Axes
    """
    same = rows["rater"] == rows["informant"]
    rows = rows.assign(who=np.where(same, SAME, OTHER)).iloc[np.argsort(~same, kind="stable")]
    return interval_rows(rows, codebook, xlabel, heading, by="who", ax=ax)


CURVE, ROW = 2.4, 0.185  # inches: of the curve, and of one option below it


@styled
def specification_curve(
    specifications: pd.DataFrame,
    joint: pd.DataFrame | None = None,
    codebook: Codebook | None = None,
    rules: Rules | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Estimates of one claim under every specification, sorted, over the choices that led there.

    Parameters
    ----------
    specifications : DataFrame
        As `multiverse.multiverse` returns them; of several claims the first is drawn.
    joint : DataFrame, optional
        Its joint tests: the p-value of the median is written into the figure.
    codebook : Codebook, optional
        Labels of terms.
    rules : Rules, optional
        The claim's own text becomes the heading.
    ax : Axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> from alliance_helpers.claims.multiverse import multiverse
    >>> from alliance_helpers.cohorts.simulate import simulate_dyads
    >>> found = multiverse(simulate_dyads("published", 201, 7), finding="halo", n_perm=0)
    >>> "specifications" in specification_curve(found.specifications).figure.get_label()
    True
    """
    if specifications.empty:
        return nothing(ax, "Every specification", "No specification could be estimated.")
    rows = next(iter(specifications.groupby(KEY, sort=False)))[1]
    estimators, options = TOLD["estimators"], []  # a choice of several options heads them
    for choice, name in TOLD["choices"].items():
        found = sorted(rows[choice].unique())
        if len(found) > 1:
            options += [(choice, None, name), *((choice, o, estimators.get(o, o)) for o in found)]
    rows = rows.sort_values("estimate", ignore_index=True)
    ax = canvas(ax, CURVE + ROW * (len(options) + 2) + 1.3)
    days = rows["estimator"].isin(["poisson", "negbin"]).any()
    _curve(ax, rows, 1.0 if days else 0.0)
    depth, beside = 0.22, {"transform": ax.get_yaxis_transform(), "ha": "right", "va": "center"}
    for choice, option, name in options:
        at = np.flatnonzero(rows[choice] == option)
        ax.plot(at, np.full(len(at), -depth), "|", color=INK, ms=6, mew=0.7)
        weight = "bold" if option is None else "normal"
        ax.text(-0.012, -depth, name, weight=weight, fontsize=9, **beside)
        depth += ROW
    ax.set(xlim=(-1, len(rows)), ylim=(-depth, CURVE + 0.1), xticks=[])
    ax.spines[["left", "bottom"]].set_visible(False)
    what = f"{word(rows['term'].iloc[0], codebook)} ({word(rows['informant'].iloc[0], codebook)})"
    ax.set_ylabel("Rate ratio" if days else "Estimate", y=1 - CURVE / 2 / (depth + CURVE))
    key(ax, [
        Line2D([], [], ls="", marker="o", ms=6, mfc=v.color, mec=QUIET, label=v.label)
        for v in VERDICTS.values()
    ])  # fmt: skip
    low, middle, high = map(figure_number, rows["estimate"].quantile([0, 0.5, 1]))
    many = f"{len(rows)} specification{'s' * (len(rows) != 1)}"
    said = (
        f"Specification curve of {what}, {many}: "
        f"{'rate ratios' if days else 'estimates'} {low} to {high}, median {middle}."
    )
    if joint is not None and len(joint):
        row = joint.iloc[0]
        p, *ends = row[["p_value", "p_low", "p_high"]]
        said += f" Verdicts are set apart by {row['set_apart_by']}." * bool(row["set_apart_by"])
        said += f" Joint permutation test of the median: {p_words(p)}"
        said += f" ({' to '.join(map(p_text, ends))} by so many permutations)."
    return finished(ax, _text(rows, rules) or f"{what}: every specification", said)


def _text(rows: pd.DataFrame, rules: Rules | None) -> str:
    """The claim that rows of specifications are about, in its own words."""
    name = tuple(rows[KEY].iloc[0])
    return rules.texts.get(name, name[1]) if rules is not None else ""


def _curve(ax: Axes, rows: pd.DataFrame, none: float) -> None:
    """Estimates in inches above the options, with an axis of their own."""
    values = rows[["estimate", "conf_low", "conf_high"]].to_numpy(float)
    low, high = (float(end) for end in (np.nanmin(values), np.nanmax(values)))
    unit = CURVE / max(high - low, 1e-9)  # inches of one unit of the estimate
    heights = (values - low) * unit
    if low <= none <= high:
        ax.axhline((none - low) * unit, color=QUIET, lw=0.9, zorder=1)
    at = np.arange(len(rows))
    ax.vlines(at, heights[:, 1], heights[:, 2], color="#B9C2C8", lw=0.6, zorder=2)
    for verdict, look in VERDICTS.items():
        mine = (rows["verdict"] == verdict).to_numpy()
        ax.plot(at[mine], heights[mine, 0], "o", ms=3.4, mfc=look.color, mec=QUIET, mew=0.4,
                zorder=3)  # fmt: skip
    ticks = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, high)
    ticks = ticks[(low <= ticks) & (ticks <= high)]
    ax.set_yticks((ticks - low) * unit, [figure_number(t) for t in ticks])


@styled
def design_grid(rates: pd.DataFrame, verdict: str, wanted: float, ax: Axes | None = None) -> Axes:
    """How often a verdict comes out where the effect is as assumed, over case managers and clients.

    Parameters
    ----------
    rates : DataFrame
        As `planning.Plan` has them.
    verdict : str
        The one that is wanted.
    wanted : float
        Designs that give it as often as this have a frame; that of the fewest clients a thick one.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    rows = rates[rates["truth"] == "assumed"].sort_values(["n", "sessions", "case_managers"])
    down = ["case_managers", *(["sessions"] if rows["sessions"].nunique() > 1 else [])]
    share, wrong = (
        100 * rows.pivot_table(v, down, "clients", dropna=False) for v in (verdict, "misleading")
    )
    told = share.map("{:.0f} %".format) + wrong.map("\n({:.1f})".format).where(wrong.notna(), "")
    names = [f"{i[0]}, {i[1]} sessions" if down[1:] else i for i in share.index]
    ax = canvas(ax, 2.0 + 0.55 * len(share))
    sns.heatmap(
        share, vmin=0, vmax=200, cmap="Blues", annot=told, fmt="", cbar=False, ax=ax,
        yticklabels=names, linewidths=4, linecolor="white", annot_kws={"size": 9.5, "color": INK},
    )  # fmt: skip
    ax.invert_yaxis()
    enough = rows[rows[verdict] >= wanted]
    for place, row in enumerate(enough[[*down, "clients"]].itertuples(index=False, name=None)):
        x, y = share.columns.get_loc(row[-1]), share.index.get_loc(row[:-1] if down[1:] else row[0])
        width = 1.2 if place else 3.5
        ax.add_patch(Rectangle((x + 0.03, y + 0.03), 0.94, 0.94, fc="none", ec=INK, lw=width))
    ax.set(ylabel="Case managers",
           xlabel="Clients of each case manager, on average\n(in brackets: misleading, in %; "
           f"framed: {100 * wanted:g} % or more;\nthick frame: the fewest clients)")  # fmt: skip
    ax.tick_params(length=0, rotation=0)
    each = [f"{name} by {m}: {share.loc[at, m]:.0f} %"
            for name, at in zip(names, share.index, strict=True)
            for m in share.columns]  # fmt: skip
    heading = f"How often the verdict is {word(verdict)}, by design"
    reached = f"{enough['n'].iloc[0]} clients are the fewest for" if len(enough) else "None reaches"
    about = f"{heading}. Case managers by clients of each: {'; '.join(each)}."
    return finished(ax, heading, f"{about} {reached} {100 * wanted:g} %.")
