"""What a notebook leaves behind, on disk whole or not at all, and on screen."""

from __future__ import annotations

import base64
import io
import os
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from ..errors import ParameterError
from ..paths import UNSEEN_VARIABLE, write_whole
from ..study.clean import CleanStudy
from ..study.codebook import Codebook, has_own_words, own_words
from .printing import PrettyTable, pretty
from .style import RC

# isort: split


DPI = 150
COMPRESS = 1  # of 9: for files 4 % larger than by the default, 6, in a fifth of the time
DRAWN = {
    "font.sans-serif": RC["font.sans-serif"],  # matplotlib would look for ten others
    "text.hinting": "none",  # to whole pixels: takes time, and pages show pictures at other sizes
}
SHOWN_PER_INCH = 700 / 6  # a figure six inches wide is 700 pixels on the page
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
NUMBER = re.compile(r"-\d+(\.\d+)?")


@dataclass(frozen=True)
class Picture:
    """A drawn figure: PNG bytes, the text that says the same in words, the width on a page.

    Without bytes it is one that was not drawn, and shown as its text. `live` figures are shown in
    JupyterLab, which drops the alt text of a plain image, so they come as HTML too; a run's stay
    half as large.
    """

    png: bytes
    alt: str
    width: int
    live: bool = False

    def _repr_mimebundle_(self, include=None, exclude=None) -> tuple[dict, dict]:
        if not self.png:
            return {"text/plain": f"[not drawn] {self.alt}"}, {}
        image = base64.b64encode(self.png).decode("ascii")
        metadata = {"alt": self.alt, "width": self.width}
        bundle = {"image/png": image, "text/plain": self.alt}
        if self.live:
            bundle["text/html"] = figure_html(self.png, self.alt, self.width)
        return bundle, {"image/png": metadata}


def figure_html(png: bytes, alt: str, width: int) -> str:
    """An image with its text, complete in itself."""
    image = base64.b64encode(png).decode("ascii")
    return (
        f'<img class="alliance-figure" alt="{escape(alt)}" width="{width}" '
        f'style="max-width:100%;height:auto" src="data:image/png;base64,{image}">'
    )


def save_table(
    frame: pd.DataFrame | PrettyTable, out: str | Path | None, name: str, **how
) -> PrettyTable:
    """Write `out/tables/name.csv` in full precision and return the table for display.

    Parameters
    ----------
    frame : DataFrame or PrettyTable
        Of a pretty table the frame behind it is written. A named index becomes columns.
    out : path or None
        The run's folder; with None or "" nothing is written.
    name : str
        Letters, digits, `_` and `-`.
    **how
        Handed to :func:`printing.pretty`: `codebook`, `caption`, `names`.

    Raises
    ------
    OutputError
        The folder cannot be written.
    ParameterError
        The name cannot be a file name.

    Notes
    -----
    Text cells that a spreadsheet would run as a formula (they begin with = + - @) get an
    apostrophe in front. Numbers stay numbers, `-9` too.
    """
    shown = frame if isinstance(frame, PrettyTable) else pretty(frame, **how)
    if out:
        write_csv(shown.frame, _target(out, "tables", name, ".csv"))
    return shown


def save_figure(
    ax: Axes | Figure, out: str | Path | None, name: str, codebook: Codebook | None = None
) -> Picture:
    """Write `out/figures/name.png`, close the figure, and return the picture for display.

    Parameters
    ----------
    ax : Axes or Figure
        What a function of `plots` returned; the label of its figure is the alt text.
    out, name
        As in :func:`save_table`.
    codebook : Codebook, optional
        The study's, for its words for clients and case managers.

    Returns
    -------
    Picture
        Displayed by Jupyter as a PNG with its alt text; without a folder as HTML too.

    Notes
    -----
    Where the environment has ALLIANCE_UNSEEN, as in a batch that drops its notebooks, nothing is
    drawn or written, and the picture is its text.
    """
    figure = ax if isinstance(ax, Figure) else ax.figure
    target = _target(out, "figures", name, ".png") if out else None
    alt = own_words(figure.get_label(), codebook)
    width = round(figure.get_figwidth() * SHOWN_PER_INCH)
    if os.environ.get(UNSEEN_VARIABLE):
        plt.close(figure)
        return Picture(b"", alt, width)
    if has_own_words(codebook):
        for text in figure.findobj(Text):
            text.set_text(own_words(text.get_text(), codebook))
    buffer = io.BytesIO()
    figure.set_dpi(DPI)
    with plt.rc_context(DRAWN):  # savefig would draw all of it twice to lay it out
        FigureCanvasAgg(figure).print_png(
            buffer,
            metadata={"Software": None, "Description": alt},
            pil_kwargs={"compress_level": COMPRESS},
        )
    plt.close(figure)
    png = buffer.getvalue()
    if target:
        write_whole(target, png)
    return Picture(png, alt, width, live=not out)


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame as CSV, whole or not at all, harmless to spreadsheets."""
    flat = frame.reset_index() if any(frame.index.names) else frame
    safe = flat.rename(columns=_harmless)
    text = [
        c for c in range(safe.shape[1]) if not pd.api.types.is_numeric_dtype(safe.dtypes.iloc[c])
    ]
    for c in text:
        safe.isetitem(c, safe.iloc[:, c].astype(object).map(_harmless))
    write_whole(path, lambda part: safe.to_csv(part, index=False, lineterminator="\n"))


def _target(out: str | Path, kind: str, name: str, ending: str) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", name):
        raise ParameterError(
            f"{name!r} cannot be a file name here: use letters, digits, _ and - (at most 100)."
        )
    return Path(out) / kind / f"{name}{ending}"


def _harmless(cell: object) -> object:
    risky = isinstance(cell, str) and cell.startswith(FORMULA) and not NUMBER.fullmatch(cell)
    return f"'{cell}" if risky else cell


HIDDEN = "hidden"


@dataclass(frozen=True)
class Markup:
    """A few words for a notebook's page."""

    html: str

    def _repr_html_(self) -> str:
        return self.html


def note(book: Codebook, source: str) -> Markup:
    """Where the data come from; synthetic data are called so."""
    what = "Synthetic data. No person stands behind these rows. " if book.synthetic else ""
    css = "synthetic" if book.synthetic else "source"
    return Markup(
        f'<p class="{css}"><strong>{what}</strong>{escape(book.title)}, from {escape(source)}.</p>'
    )


def bullets(sentences: list[str]) -> Markup:
    """Sentences about claims as a list; without any, the sentence that there are none."""
    if not sentences:
        return Markup("<p>The study can speak to no claim of this finding.</p>")
    items = "".join(f"<li>{escape(s)}</li>" for s in sentences)
    return Markup(f'<ul class="sentences">{items}</ul>')


def public_log(cleaned: CleanStudy, show_rows: bool = False) -> pd.DataFrame:
    """The cleaning log fit to be passed on: single values of real records are hidden."""
    log = cleaned.log.copy()
    if not (cleaned.codebook.synthetic or show_rows):
        log[["before", "after"]] = log[["before", "after"]].mask(
            log[["before", "after"]] != "", HIDDEN
        )
    return log


def save_log(cleaned: CleanStudy, out: str, show_rows: bool = False) -> None:
    """Write `out/cleaning_log.csv`; nothing with `out` empty."""
    if out:
        write_csv(public_log(cleaned, show_rows), Path(out) / "cleaning_log.csv")


def save_dyads(cleaned: CleanStudy, out: str, show_rows: bool = False) -> None:
    """Write `out/dyads.parquet`, unless its rows are real people's and were not asked for."""
    if out and (cleaned.codebook.synthetic or show_rows):
        plain = cleaned.dyads.copy(deep=False)
        plain.attrs = {}  # a codebook is no metadata of Parquet
        write_whole(Path(out) / "dyads.parquet", plain.to_parquet)


def save_findings(rows: pd.DataFrame, out: str) -> None:
    """Write `out/findings.csv`; nothing with `out` empty."""
    if out:
        write_csv(rows, Path(out) / "findings.csv")
