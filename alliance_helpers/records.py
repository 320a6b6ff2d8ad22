"""Files of a run that hold the study itself: dyads, the cleaning log, findings; and what to say
about where the data come from. Rows of real people stay out of them unless asked for."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd

from .cleaning import CleanStudy
from .codebook import Codebook
from .outputs import write_csv
from .writing import write_whole

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
        write_whole(Path(out) / "dyads.parquet", cleaned.dyads.to_parquet)


def save_findings(rows: pd.DataFrame, out: str) -> None:
    """Write `out/findings.csv`; nothing with `out` empty."""
    if out:
        write_csv(rows, Path(out) / "findings.csv")
