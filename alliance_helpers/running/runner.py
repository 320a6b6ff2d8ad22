"""Notebooks run headless: one, or all of a run on one cohort; a failure is a record."""

from __future__ import annotations

import json
import logging
import math
import os
import platform
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import partial
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Event
from typing import Any

from ..errors import AllianceError, OutputError, listed
from ..paths import NOTEBOOKS, UNSEEN_VARIABLE, altered, homeless, write_whole
from ..study.yaml_text import without_iri_grammar
from . import station
from .parameters import notebook_parameters

PACKAGES = ("alliance-kit", "ipykernel", "matplotlib", "numpy", "pandas", "papermill", "pyarrow",
            "scipy", "seaborn", "statsmodels")  # fmt: skip
KEEP = {"all": ("done", "failed"), "failed": ("failed",), "none": ()}  # notebooks that ended so
# Errors whose texts are the kit's, and name variables and numbers of people only.
OUR_WORDS = ("CodebookError", "DeadKernelError", "NotEstimableError", "OutputError", "RunError",
             "ScenarioError", "TimeoutError")  # fmt: skip
HELD_BACK = "what it says may quote a record, and is not kept; run with --show-rows to see it"
KILLED = ("WorkerKilled", "the worker process that ran the notebooks was killed, several times, or "
          "did not answer")  # fmt: skip
PREFIX = "run-"  # of the folder that a run of a batch has while it lasts
PLANNING = "11_planning"  # is about studies yet to be made, which no run of a study needs
STRESS = "robustness"  # so begin the longest notebooks, and their tables of findings
ASSIGNED = re.compile(r"^([\w, ]+) = ", re.MULTILINE)  # names that lines of a cell begin with
SAVED = re.compile(r'^save_\w+\(.*, "(\w+)"(?:, \w+=.*)?\)$', re.MULTILINE)  # tables, figures


def versions() -> dict[str, str]:
    """The versions of what computes; the package that is not installed is `absent`."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def main_notebooks() -> list[Path]:
    """The notebooks of the sequence in reading order, then those on robustness; no planning."""
    patterns = ("[0-9][0-9]_*.ipynb", f"{STRESS}*.ipynb")
    found = (path for pattern in patterns for path in sorted(NOTEBOOKS.glob(pattern)))
    return [path for path in found if not is_copy(path) and path.stem != PLANNING]


def is_copy(notebook: Path) -> bool:
    """Whether it is what JupyterLab or a desktop makes of another one: `04_finding_1-Copy1`."""
    return not re.fullmatch(r"\w+", notebook.stem)


def notebook_cells(notebook: str) -> list[tuple]:
    """The cells of a notebook; outputs and editors' metadata do not count."""
    cells = json.loads(notebook)["cells"]
    return [(c["cell_type"], "".join(c["source"]), c["metadata"].get("tags", [])) for c in cells]


@dataclass(frozen=True)
class NotebookRun:
    """How one notebook went.

    Attributes
    ----------
    notebook : str
        Its name without the ending.
    status : str
        `done` or `failed`.
    seconds : float or None
        Wall time; None where nobody is left who measured it.
    error_cell : int or None
        Number of the code cell, as in ``In [n]`` of the executed notebook.
    error_name, error_message : str or None
        The exception as the notebook shows it.
    """

    notebook: str
    status: str
    seconds: float | None
    error_cell: int | None = None
    error_name: str | None = None
    error_message: str | None = None


def spoiled(records: Iterable[NotebookRun], changed: Sequence[str]) -> list[NotebookRun]:
    """The records of a run whose inputs changed under it: what came to its end has failed too."""
    told = f"{listed([Path(name).name for name in changed], 3)} changed or went while it ran"
    why = {"status": "failed", "error_name": "InputChanged", "error_message": told}
    return [replace(r, **why) if changed and r.status == "done" else r for r in records]


def not_estimable(source: str, name: str, message: str, lacking: dict[str, str]) -> str:
    """What stands in the place of a cell that could not be estimated; empty if it failed otherwise.

    Parameters
    ----------
    source, name, message : str
        The cell's text, and the error that ended it.
    lacking : dict
        Names that such cells would have assigned, with the reason; this cell's are added. What is
        worked out from them cannot be estimated either.
    """
    missed = re.search(r"'(\w+)'", message) if name == "NameError" else None
    why = lacking.get(missed[1], "") if missed else message * (name == "NotEstimableError")
    if why:
        why = re.sub("^not estimable: ", "", why, flags=re.IGNORECASE).rstrip(".")
        names = re.findall(r"\w+", " ".join(ASSIGNED.findall(source)))
        lacking |= {n: why for n in names if n not in lacking}
        what = ", ".join(dict.fromkeys(SAVED.findall(source))).replace("_", " ").capitalize()
        why = f"{what}: not estimable, since {why}." if what else f"Not estimable, since {why}."
    return why


class _Watch:
    """Keeps hold of the notebook while it runs, and of the cell it has come to."""

    def __init__(self, timeout: float, stop: Event) -> None:
        self.stop = stop
        self.lacking: dict[str, str] = {}
        self.notebook: Any = None
        self.code_cell: int | None = None
        self.deadline = time.monotonic() + timeout

    def start(self, notebook: Any) -> None:
        self.notebook = notebook

    def cell(self, cell: Any, cell_index: int) -> None:
        if time.monotonic() > self.deadline or self.stop.is_set():
            raise TimeoutError
        if cell.cell_type == "code":
            before = self.notebook.cells[: cell_index + 1]
            self.code_cell = sum(c.cell_type == "code" for c in before)

    def error(self, cell: Any, cell_index: int, execute_reply: Mapping[str, Any]) -> None:
        """Let a page survive what cannot be estimated: its place says why, and the rest goes on."""
        from nbclient.exceptions import CellExecutionError
        from nbformat.v4 import new_output

        told = execute_reply["content"]
        why = not_estimable(cell.source, told["ename"], told["evalue"], self.lacking)
        if not why:
            raise CellExecutionError.from_cell_and_msg(cell, told)
        html = f'<p class="lacking">{escape(why)}</p>'
        shown = new_output("display_data", {"text/plain": why, "text/html": html})
        cell.outputs = [shown if o.output_type == "error" else o for o in cell.outputs]

    def remaining(self, cell: Any) -> int:
        return max(1, math.ceil(self.deadline - time.monotonic()))


def run_notebook(
    path: Path,
    out_path: Path | None,
    parameters: Mapping[str, object],
    timeout: float = 600.0,
    cwd: Path | None = None,
    stop: Event | None = None,
) -> NotebookRun:
    """Execute one notebook with papermill in a kernel of its own.

    Parameters
    ----------
    path : pathlib.Path
        The notebook.
    out_path : pathlib.Path or None
        Where the executed notebook goes, also when a cell failed; None to drop it.
    parameters : mapping
        Values for its parameters; names it does not take are left out (see `run_notebooks` for
        the strict check).
    timeout : float
        Seconds that the whole notebook may take.
    cwd : pathlib.Path, optional
        Working directory of the kernel; that of the caller if not given.
    stop : threading.Event, optional
        Once it is set, no further cell is run.

    Returns
    -------
    NotebookRun
    """
    execute = _papermill()
    import nbformat

    started, watch = time.perf_counter(), _Watch(timeout, stop or Event())
    known = notebook_parameters(path)
    failure: dict[str, Any] = {}
    try:
        notebook = execute(
            str(path).replace("{", "{{").replace("}", "}}"),  # papermill formats paths
            None,
            {name: value for name, value in parameters.items() if name in known},
            progress_bar=False,
            kernel_name="python3",
            language="python",
            execution_timeout=math.ceil(timeout),
            timeout_func=watch.remaining,
            iopub_timeout=60,  # nbclient's 4 s are too few on a machine with much to do
            shutdown_kernel="immediate",
            resources={"metadata": {"path": str(cwd or Path.cwd())}},
            on_notebook_start=watch.start,
            on_cell_start=watch.cell,
            on_cell_error=watch.error,
            allow_error_names=["NotEstimableError", "NameError"],  # `watch` raises all others
        )
    except Exception as error:  # whatever a notebook does is a row in the table of runs
        notebook, failure = watch.notebook, _failure(error, watch, timeout)
    if failure and _discreet(parameters):
        failure["error_message"] = _unquoted(failure["error_name"], failure["error_message"])
        _keep_unquoted(notebook)
    if failure:
        failure["error_message"] = homeless(failure["error_message"])
    # once it is to stop, the folder may be nobody's: a file would not be on its list
    if out_path is not None and notebook is not None and not watch.stop.is_set():
        notebook.metadata.papermill["output_path"] = str(out_path)
        try:
            write_whole(out_path, homeless(nbformat.writes(notebook)))
        except OutputError as error:
            failure = failure or {"error_name": "OutputError", "error_message": str(error)}
    seconds = time.perf_counter() - started
    return NotebookRun(Path(path).stem, "failed" if failure else "done", seconds, **failure)


def _discreet(parameters: Mapping[str, object]) -> bool:
    """Whether nothing of a run may quote a cell: the records are real, and not to be shown."""
    if not parameters.get("data") or parameters.get("show_rows"):
        return False
    from ..study.load import codebook_of  # here, so that workers start without it

    try:
        return not codebook_of(parameters["data"], parameters.get("codebook")).synthetic
    except AllianceError:
        return True


def _unquoted(name: str, message: str) -> str:
    """The message, if it is one that quotes no cell."""
    return message if name in OUR_WORDS else HELD_BACK


def _keep_unquoted(notebook: Any) -> None:
    """Clear a notebook's outputs of what may quote a cell: other errors' texts, and stderr."""
    for cell in notebook.cells if notebook is not None else ():
        for output in cell.get("outputs", ()):
            if output.output_type == "error":
                output.evalue = _unquoted(output.ename, output.evalue)
                output.traceback = [f"{output.ename}: {output.evalue}"]
            elif output.output_type == "stream" and output.name == "stderr":
                output.text = HELD_BACK


def _papermill() -> Callable[..., Any]:
    """papermill's executor with the kit's kernels behind it; only worker processes need it."""
    with without_iri_grammar():
        from papermill import execute_notebook

    from .kernels import PROVISIONER, PROVISIONER_VARIABLE, PromptKernelManager

    os.environ.setdefault(PROVISIONER_VARIABLE, PROVISIONER)
    # one kernel per core is the parallelism; sums must not depend on how kernels were started
    for name in station.ONE_THREAD:
        os.environ.setdefault(name, "1")
    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # the record says it
    return partial(execute_notebook, kernel_manager_class=PromptKernelManager)


def _failure(error: Exception, watch: _Watch, timeout: float) -> dict[str, Any]:
    """Name, message and place of what went wrong."""
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    name, message, cell = type(error).__name__, str(error), watch.code_cell
    if isinstance(error, PapermillExecutionError):
        name, message = error.ename, error.evalue
    elif isinstance(error, TimeoutError):  # nbclient's for a cell is one too
        name, message = "TimeoutError", f"not done after {timeout:g} s, the limit for a notebook"
    elif isinstance(error, DeadKernelError):
        message = "the kernel ended under the cell: killed, or out of memory"
    return {"error_cell": cell, "error_name": name, "error_message": message}


def run_notebooks(
    notebooks: Sequence[Path],
    out_dir: Path,
    parameters: Mapping[str, object],
    jobs: int = 2,
    progress: Callable[[NotebookRun], None] | None = None,
    timeout: float = 600.0,
    cwd: Path | None = None,
) -> list[NotebookRun]:
    """Run notebooks on one cohort, which is opened once, and gather their findings.

    Parameters
    ----------
    notebooks : sequence of pathlib.Path
        None of them may need another's output. The longest are started first.
    out_dir : pathlib.Path
        Where the executed notebooks go, under their own names.
    parameters : mapping
        Each notebook is given those that it takes; what `check_parameters` says of them is the
        caller's to ask.
    jobs : int
        Number of notebooks that run at the same time, each in a kernel of its own.
    progress : callable, optional
        Called with each `NotebookRun` as it comes.
    timeout : float
        Seconds for each notebook.
    cwd : pathlib.Path, optional
        Working directory of the kernels; that of the caller if not given.

    Returns
    -------
    list of NotebookRun
        In the order of `notebooks`.
    """
    paths = sorted(map(Path, notebooks), key=lambda path: not path.stem.startswith(STRESS))
    texts = [path.read_text(encoding="utf-8") for path in paths]
    cwd, out_dir, stop = cwd or Path.cwd(), Path(out_dir).absolute(), Event()
    records = {}

    def run(path: Path) -> NotebookRun:
        return run_notebook(path, out_dir / path.name, parameters, timeout, cwd, stop)

    with (
        station.installed_modules_only(),
        station.shared_cohort(parameters, texts) as server,
        ThreadPoolExecutor(jobs, initializer=station.fork_from, initargs=[server]) as pool,
    ):
        _papermill()  # imported in one thread
        try:
            for done in as_completed([pool.submit(run, path) for path in paths]):
                records[done.result().notebook] = done.result()
                if progress is not None:
                    progress(done.result())
        except BaseException:  # Ctrl-C, as a rule
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            station.close_station()  # with every kernel forked from it
            raise
    if parameters.get("out"):
        _add_stress_rows(Path(str(parameters["out"])))
    return [records[Path(path).stem] for path in notebooks]


def _add_stress_rows(out: Path) -> None:
    """Append to findings.csv the analyses that only tables of a robustness notebook have."""
    findings, tables = out / "findings.csv", sorted((out / "tables").glob(f"{STRESS}*.csv"))
    if not (findings.is_file() and tables):
        return
    import pandas as pd  # here, so that workers start without it

    from ..pages.outputs import write_csv

    rows, *more = (pd.read_csv(p, dtype=str, keep_default_na=False) for p in (findings, *tables))
    for table in more:
        if list(table) == list(rows):
            rows = pd.concat([rows, table[~table["analysis"].isin(rows["analysis"])]])
    write_csv(rows, findings)


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
    """What a run of a batch brings back.

    Attributes
    ----------
    run : int
        Its number in the grid, from 1.
    records : sequence of NotebookRun
        One per notebook.
    findings : str or None
        The text of its findings.csv; None if a notebook failed or none wrote it.
    notebooks : dict
        Name to text of the executed notebooks that are kept.
    """

    run: int
    records: Sequence[NotebookRun]
    findings: str | None
    notebooks: dict[str, str]

    @property
    def done(self) -> bool:
        """Whether every notebook came to its end."""
        return all(record.status != "failed" for record in self.records)

    def as_json(self) -> dict:
        """What is written to the batch's folder."""
        status, records = "done" if self.done else "failed", [asdict(r) for r in self.records]
        return {"run": self.run, "status": status, "records": records, "findings": self.findings}


Task = tuple[int, dict[str, object], dict[str, str], dict[str, str]]


def run_one(shared: Shared, task: Task) -> RunResult:
    """Run all notebooks with one set of parameters, in a folder that is gone afterwards.

    Parameters
    ----------
    shared : Shared
    task : (int, dict, dict, dict)
        Number of the run, its parameters, the notebooks to leave out with the reason, and the files
        that it reads with their digests: before it and after it they must be as these say.
    """
    number, parameters, gaps, inputs = task
    if changed := altered(inputs):
        first = NotebookRun(next(iter(shared.notebooks)), "done", None)
        return RunResult(number, spoiled([first], changed), None, {})
    unseen = {} if shared.keep == "all" else {UNSEEN_VARIABLE: "1"}
    records = [NotebookRun(n, "skipped", 0.0, None, None, gaps[n])
               for n in shared.notebooks if n in gaps]  # fmt: skip
    place = {"prefix": PREFIX, "dir": shared.scratch, "ignore_cleanup_errors": True}
    try:
        with tempfile.TemporaryDirectory(**place) as name, station.environment(**unseen):
            folder = Path(name)
            out, executed = folder / "out", folder / "executed"
            out.mkdir()
            sources = [folder / f"{name}.ipynb" for name in shared.notebooks if name not in gaps]
            for source in sources:
                source.write_text(shared.notebooks[source.stem], encoding="utf-8")
            values = {**parameters, "out": str(out)}
            records += run_notebooks(sources, executed, values, 1, None, shared.timeout, folder)
            records = spoiled(records, altered(inputs))
            asked = [r.notebook for r in records if r.status in KEEP[shared.keep]]
            paths = [executed / f"{name}.ipynb" for name in asked]
            kept = {p.stem: p.read_text(encoding="utf-8") for p in paths if p.exists()}
            found = out / "findings.csv"
            findings = found.read_text(encoding="utf-8") if found.exists() else None
    except (OSError, OutputError) as error:  # no room, or no right, to make the folder
        return lost_run(shared, number, type(error).__name__, str(error))
    result = RunResult(number, records, findings, kept)
    return result if result.done else replace(result, findings=None)


def lost_run(shared: Shared, number: int, name: str, message: str) -> RunResult:
    """The result of a run that no notebook can tell of; name and message are the reason."""
    record = NotebookRun(next(iter(shared.notebooks)), "failed", None, None, name, message)
    return RunResult(number, [record], None, {})
