"""One run of a batch, as a worker process does it: its notebooks in order, its findings."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ..paths import UNSEEN_VARIABLE
from .runner import NotebookRun, lost, run_notebook
from .station import forking_from, shared_cohort

KEEP = ("all", "failed", "none")
FINDINGS = "findings.csv"
PREFIX = "run-"  # of the folder that a run has while it lasts


@dataclass(frozen=True)
class Shared:
    """What all runs of a batch have in common.

    Attributes
    ----------
    notebooks : dict
        Name to text: notebooks travel with the work, so that a worker on another machine, or an
        edit while the batch runs, changes nothing.
    keep : str
        Which executed notebooks to bring back: `all`, `failed` or `none`. Figures are drawn only
        if all are.
    timeout : float
        Seconds for each notebook.
    scratch : str or None
        Where runs get a folder while they last; None for the worker's own temporary folder.
    """

    notebooks: dict[str, str]
    keep: str
    timeout: float
    scratch: str | None


@dataclass(frozen=True)
class RunResult:
    """What a run brings back.

    Attributes
    ----------
    run : int
        Its number in the grid, from 1.
    records : tuple of NotebookRun
        One per notebook.
    findings : str or None
        The text of its findings.csv; None if a notebook failed or none wrote it.
    notebooks : dict
        Name to text of the executed notebooks that are kept.
    """

    run: int
    records: tuple[NotebookRun, ...]
    findings: str | None
    notebooks: dict[str, str]

    @property
    def done(self) -> bool:
        """Whether every notebook came to its end."""
        return all(record.status != "failed" for record in self.records)

    def as_json(self) -> dict:
        """What is written to the batch's folder."""
        records = [asdict(record) for record in self.records]
        for record in records:
            if not math.isfinite(record["seconds"]):
                record["seconds"] = None
        return {
            "run": self.run,
            "status": "done" if self.done else "failed",
            "records": records,
            "findings": self.findings,
        }


Task = tuple[int, dict[str, object], dict[str, str]]


def run_one(shared: Shared, task: Task) -> RunResult:
    """Run all notebooks with one set of parameters, in a folder that is gone afterwards.

    Parameters
    ----------
    shared : Shared
    task : (int, dict, dict)
        Number of the run, its parameters, and the notebooks to leave out with the reason.
    """
    number, parameters, gaps = task
    try:
        with tempfile.TemporaryDirectory(
            prefix=PREFIX, dir=shared.scratch, ignore_cleanup_errors=True
        ) as folder:
            return _run_in(Path(folder), shared, number, parameters, gaps)
    except OSError as error:  # no room, or no right, to make the folder
        record = NotebookRun(next(iter(shared.notebooks)), "failed", 0.0, None,
                             type(error).__name__, str(error))  # fmt: skip
        return RunResult(number, (record,), None, {})


def _run_in(
    folder: Path, shared: Shared, number: int, parameters: dict, gaps: dict[str, str]
) -> RunResult:
    out = folder / "out"
    out.mkdir()
    values = {**parameters, "out": str(out)}
    records = [NotebookRun(n, "skipped", 0.0, None, None, gaps[n])
               for n in shared.notebooks if n in gaps]  # fmt: skip
    texts, kept = {n: t for n, t in shared.notebooks.items() if n not in gaps}, {}
    with (
        shared_cohort(parameters, texts.values()) as server,
        forking_from(server),
        _figures(drawn=shared.keep == "all"),
    ):
        for name, text in texts.items():
            source, executed = folder / f"{name}.ipynb", folder / "executed" / f"{name}.ipynb"
            source.write_text(text, encoding="utf-8")
            record = run_notebook(source, executed, values, shared.timeout, cwd=folder)
            records.append(record)
            failed = record.status == "failed"
            wanted = shared.keep == "all" or (shared.keep == "failed" and failed)
            if wanted and executed.exists():
                kept[name] = executed.read_text(encoding="utf-8")
    if any(record.status == "failed" for record in records):
        return RunResult(number, tuple(records), None, kept)
    from .sequence import add_stress_rows

    add_stress_rows(out)
    findings = out / FINDINGS
    text = findings.read_text(encoding="utf-8") if findings.exists() else None
    return RunResult(number, tuple(records), text, kept)


@contextlib.contextmanager
def _figures(drawn: bool) -> Iterator[None]:
    """Have kernels that start inside draw their figures, or leave out what nobody will see."""
    if drawn:
        yield
        return
    os.environ[UNSEEN_VARIABLE] = "1"
    try:
        yield
    finally:
        os.environ.pop(UNSEEN_VARIABLE, None)


def lost_run(shared: Shared, number: int) -> RunResult:
    """The result of a run whose worker was killed under it again and again."""
    return RunResult(number, (lost(next(iter(shared.notebooks))),), None, {})
