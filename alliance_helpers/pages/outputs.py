"""What a notebook leaves behind, on disk whole or not at all, and on screen."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from ..cohorts.cohort import FEW, OPENED, rounded_n
from ..errors import ParameterError, listed
from ..paths import homeless, unseen, write_whole
from ..study.clean import CleanStudy
from ..study.codebook import Codebook, own_words
from .printing import CAPTIONS, PrettyTable, capital, pretty, word
from .style import RC

DPI = 150
COMPRESS = 1  # of 9: for files 4 % larger than by the default, 6, in a fifth of the time
DRAWN = {
    "font.sans-serif": RC["font.sans-serif"],  # matplotlib would look for ten others
    "text.hinting": "none",  # to whole pixels: takes time, and pages show pictures at other sizes
}
SHOWN_PER_INCH = 700 / 6  # a figure six inches wide is 700 pixels on the page
# Where a spreadsheet would begin a formula: at the front of a cell, and, as some take semicolons or
# tabs for the edges of cells, behind those.
FORMULA = re.compile(r"(^|[;\t\r\n])(\s*[=+@-])|^(?=[\t\r\n])")
SHOWN_ROWS = 60
NUMBER = re.compile(r"-\d+(\.\d+)?( \([\d., to-]+\))?")  # with its spread in brackets


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
    caption: str = ""

    def _repr_mimebundle_(self, include=None, exclude=None) -> tuple[dict, dict]:
        if not self.png:
            return {"text/plain": f"[not drawn] {self.alt}"}, {}
        image = base64.b64encode(self.png).decode("ascii")
        metadata = {"alt": self.alt, "width": self.width, "caption": self.caption}
        bundle = {"image/png": image, "text/plain": self.alt}
        if self.live:
            image = figure_html(self.png, self.alt, self.width)
            said = f"<figcaption>{escape(self.caption)}</figcaption>" * bool(OPENED.changes)
            bundle["text/html"] = f'<figure style="margin:0">{image}{said}</figure>'
        return bundle, {"image/png": metadata}


def figure_html(png: bytes, alt: str, width: int) -> str:
    """An image with its text, complete in itself."""
    image = base64.b64encode(png).decode("ascii")
    return (
        f'<img class="alliance-figure" alt="{escape(alt)}" width="{width}" '
        f'style="max-width:100%;height:auto" src="data:image/png;base64,{image}">'
    )


def save_table(
    frame: pd.DataFrame | PrettyTable,
    name: str,
    out: str | Path | None = None,
    coarse: bool = False,
    **how,
) -> None:
    """Write `out/tables/name.csv` in full precision and show the table, wherever in a cell.

    Parameters
    ----------
    frame : DataFrame or PrettyTable
        Of a pretty table the frame behind it is written. A named index becomes columns.
    name : str
        Letters, digits, `_` and `-`.
    out : path, optional
        The run's folder, by default that of the cohort opened, whose codebook gives the labels;
        with "" nothing is written.
    coarse : bool
        Its rows differ by few people: of real records give n in whole fives, and two digits.
    **how
        Handed to :func:`printing.pretty`: `caption`, by default that of `words.toml`.

    Raises
    ------
    OutputError
        The folder cannot be written.
    ParameterError
        The name cannot be a file name.

    Notes
    -----
    Text that a spreadsheet would run as a formula (= + - @ at the front of a cell, or behind a
    semicolon) gets an apostrophe in front. Numbers stay numbers, `-9` too. Of more than 60 rows the
    first are shown, and the caption says so. Where nobody will look (see :func:`save_figure`),
    nothing is shown.

    Examples
    --------
    >>> save_table(pd.DataFrame({"n": [201]}), "counts", out="", caption="How many")
    How many
      n
    201
    """
    out = OPENED.out if out is None else out
    whole = frame.frame if isinstance(frame, PrettyTable) else discreet(frame, coarse)
    if out:
        write_csv(whole, _target(out, "tables", name, ".csv"))
    if unseen():
        return
    if not isinstance(frame, PrettyTable):
        caption = how.pop("caption", None) or CAPTIONS.get(name) or word(name).capitalize()
        if len(whole) > SHOWN_ROWS:
            caption += f" (the first {SHOWN_ROWS} of {len(whole):,} rows)"
        caption = _with_changes(caption)
        frame = pretty(whole.head(SHOWN_ROWS), OPENED.codebook, caption=caption, **how)
    display(frame)


def save_figure(ax: Axes | Figure, name: str, out: str | Path | None = None) -> Picture:
    """Write `out/figures/name.png`, close the figure, and return the picture for display.

    Parameters
    ----------
    ax : Axes or Figure
        What a function of `plots` returned; the label of its figure is the alt text.
    name, out
        As in :func:`save_table`.

    Returns
    -------
    Picture
        Displayed by Jupyter as a PNG with its alt text; without a folder as HTML too.

    Notes
    -----
    Where the environment has ALLIANCE_UNSEEN, as in a batch that drops its notebooks, nothing is
    drawn or written, and the picture is its text.

    Examples
    --------
    >>> ax = pd.Series([1, 2]).plot()
    >>> ax.figure.set_label("Two points.")
    >>> save_figure(ax, "points", out="").alt
    'Two points.'
    """
    out, codebook = OPENED.out if out is None else out, OPENED.codebook
    figure = ax if isinstance(ax, Figure) else ax.figure
    target = _target(out, "figures", name, ".png") if out else None
    alt = own_words(figure.get_label(), codebook)
    title = figure.texts[0].get_text() if figure.texts else word(name).capitalize()
    caption = _with_changes(own_words(" ".join(title.split()), codebook))
    width = round(figure.get_figwidth() * SHOWN_PER_INCH)
    if unseen():
        plt.close(figure)
        return Picture(b"", alt, width, caption=caption)
    own_figure(figure, codebook)
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
    return Picture(png, alt, width, live=not out, caption=caption)


def own_figure(figure: Figure, codebook: Codebook | None) -> Figure:
    """A figure whose texts are in the study's own words."""
    if own_words(roles := "client, case manager", codebook) != roles:
        for text in figure.findobj(Text):
            text.set_text(own_words(text.get_text(), codebook))
    return figure


def discreet(frame: pd.DataFrame, coarse: bool = False) -> pd.DataFrame:
    """A table of real records without numbers that tell of fewer than five people.

    See :func:`.cohort.rounded_n`; numbers of values that cleaning changed are `<5`, and a table
    that lacks rows of so few has as many as the cohort. With `coarse` see :func:`save_table`.
    """
    if OPENED.codebook is None or OPENED.codebook.synthetic:
        return frame
    shown, n, told = {}, frame.get("n"), OPENED.sessions
    half = (OPENED.n if n is None else n) / 2
    if n is None and "df" in frame:
        n = frame["df"] + len(frame)  # of one model, whose terms these are
    if n is not None:
        rows = (n > OPENED.n) & (told is not None)  # more than there are clients: sessions
        whole = n.mask(rows, len(told.frame)).where(rows, OPENED.n) if told else OPENED.n
        if told and told.case_manager and "level" in frame:
            managers = told.frame[told.case_manager].nunique()
            whole = whole.mask(frame["level"] == "case_manager", managers)
        shown = {"n": rounded_n(n, whole)} if "n" in frame else {}
        people = frame.get("n_effective", n).where(rows, n)
        for c in {"df", "df2", "n_effective"} & set(frame):
            less = (frame[c] % 1 == 0) & (frame[c] > half)  # people less some terms, not groups
            shown[c] = frame[c].mask(less, frame[c] + rounded_n(people) - people)
    for c in {"mean", "std"} & set(frame):  # of whole numbers their sum would give n away
        shown[c] = frame[c].map("{:.3g}".format).astype(float)
    if "zeros_observed" in frame:
        shown["zeros_observed"] = frame["zeros_observed"].mask(lambda n: n.between(1, FEW - 1))
    for c in {"rows_raw", "rows_cleaned"} & set(frame):
        shown[c] = frame[c].mask((OPENED.n - frame[c]).between(1, FEW - 1), OPENED.n)
    if "values_changed" in frame:
        few = frame["values_changed"].between(1, FEW - 1)
        shown["values_changed"] = frame["values_changed"].astype(object).mask(few, f"<{FEW}")
    if coarse:
        shown |= {c: frame[c].map("{:.2g}".format).astype(float)
                  for c in frame.select_dtypes("float") if c != "n"}  # fmt: skip
    return frame.assign(**shown)


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


def _with_changes(caption: str) -> str:
    """A caption that says what was changed about the cohort."""
    return f"{caption} [{'; '.join(OPENED.changes)}]" if OPENED.changes else caption


def _target(out: str | Path, kind: str, name: str, ending: str) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", name):
        raise ParameterError(
            f"{name!r} cannot be a file name here: use letters, digits, _ and - (at most 100)."
        )
    return Path(out) / kind / f"{name}{ending}"


def _harmless(cell: object) -> object:
    if not isinstance(cell, str) or NUMBER.fullmatch(cell):
        return cell
    return FORMULA.sub(r"\1'\2", cell)


HIDDEN = "hidden"


def note(study: CleanStudy) -> HTML:
    """Where the data come from; synthetic data are called so.

    Examples
    --------
    >>> "Synthetic" in note(open_cohort()).data
    True
    """
    book = study.codebook
    what = "Synthetic data. No person stands behind these rows. " if book.synthetic else ""
    css = "synthetic" if book.synthetic else "source"
    changes = getattr(study, "changes", ())
    where = f"{escape('; '.join([f'{book.title}, from {homeless(study.source)}', *changes]))}."
    if n := len(study.warnings):  # those of a scale name its items; others may name people
        files = escape(listed(dict.fromkeys(w.file for w in study.warnings)))
        where += f" <code>alliance check</code> warns of {n} thing{'s' * (n != 1)} in {files}."
        scored = (w.what for w in study.warnings if w.what.startswith("scale "))
        where += escape("".join(f" {capital(what)}" for what in scored))
    return HTML(f'<p class="{css}"><strong>{what}</strong>{where}</p>')


def bullets(sentences: list[str]) -> HTML:
    """Sentences about claims as a list; without any, the sentence that there are none.

    Examples
    --------
    >>> bullets(["One.", "Two."]).data
    '<ul class="sentences"><li>One.</li><li>Two.</li></ul>'
    """
    if not sentences:
        return HTML("<p>The study can speak to no claim of this finding.</p>")
    items = "".join(f"<li>{escape(s)}</li>" for s in sentences)
    return HTML(f'<ul class="sentences">{items}</ul>')


def save_record(
    result: CleanStudy | pd.DataFrame, show_rows: bool = False, out: str | Path | None = None
) -> None:
    """Write what machines read: a cleaned study's log and dyads, or a table of findings.

    Parameters
    ----------
    result : CleanStudy or DataFrame
        Of a study `cleaning_log.csv` and `dyads.parquet`; of rows of `assess` `findings.csv`.
    show_rows : bool
        Also write single values of real people: without it their dyads are not written, and their
        log says where a value was changed, but not which.
    out : path, optional
        As in :func:`save_table`.

    Examples
    --------
    >>> save_record(open_cohort())  # nothing is written without a folder
    """
    out = OPENED.out if out is None else out
    if not out:
        return
    if isinstance(result, pd.DataFrame):
        write_csv(discreet(result), Path(out) / "findings.csv")
        return
    log, open_rows = result.log, result.codebook.synthetic or show_rows
    if not open_rows:
        values = log[["before", "after"]]
        log = log.assign(**values.mask(values != "", HIDDEN))
    write_csv(log, Path(out) / "cleaning_log.csv")
    if open_rows:
        rows = result.dyads.copy(deep=False)
        rows.attrs = {}  # what hangs on the table is no part of it
        write_whole(Path(out) / "dyads.parquet", rows.to_parquet)
