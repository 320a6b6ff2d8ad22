"""Run notebooks headless through papermill: whole outputs, failures as records, nothing silent."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import OutputError
from ..paths import write_whole
from ..study.yaml_text import without_iri_grammar
from .parameters import all_parameters, check_parameters, notebook_parameters
from .station import forking_from, open_station, shared_cohort
from .workers import run_tasks

# One kernel per core is the parallelism; sums must not depend on how kernels were started.
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class NotebookRun:
    """How one notebook went.

    Attributes
    ----------
    notebook : str
        Its name without the ending.
    status : str
        `done` or `failed`.
    seconds : float
        Wall time.
    error_cell : int or None
        Number of the code cell, as in ``In [n]`` of the executed notebook.
    error_name, error_message : str or None
        The exception as the notebook shows it.
    """

    notebook: str
    status: str
    seconds: float
    error_cell: int | None = None
    error_name: str | None = None
    error_message: str | None = None


class _Watch:
    """Keeps hold of the notebook while it runs, and of the cell it has come to."""

    def __init__(self, timeout: float) -> None:
        self.notebook: Any = None
        self.code_cell: int | None = None
        self.deadline = time.monotonic() + timeout

    def start(self, notebook: Any) -> None:
        self.notebook = notebook

    def cell(self, cell: Any, cell_index: int) -> None:
        if time.monotonic() > self.deadline:
            raise TimeoutError
        if cell.cell_type == "code":
            before = self.notebook.cells[: cell_index + 1]
            self.code_cell = sum(c.cell_type == "code" for c in before)

    def remaining(self, cell: Any) -> int:
        return max(1, math.ceil(self.deadline - time.monotonic()))


def run_notebook(
    path: Path,
    out_path: Path | None,
    parameters: Mapping[str, object],
    timeout: float = 600.0,
    cwd: Path | None = None,
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

    Returns
    -------
    NotebookRun
    """
    execute, expected = _papermill()
    started, watch = time.perf_counter(), _Watch(timeout)
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
            **expected,
        )
    except Exception as error:  # whatever a notebook does is a row in the table of runs
        notebook, failure = watch.notebook, _failure(error, watch, timeout)
    if out_path is not None and notebook is not None:
        try:
            _save(notebook, Path(out_path))
        except OutputError as error:
            failure = failure or {"error_name": "OutputError", "error_message": str(error)}
    seconds = time.perf_counter() - started
    return NotebookRun(Path(path).stem, "failed" if failure else "done", seconds, **failure)


def _papermill() -> tuple[Callable[..., Any], dict[str, Any]]:
    """papermill's executor with the kit's kernels behind it; only worker processes need it."""
    with without_iri_grammar():
        from papermill import execute_notebook

    from .kernels import PROVISIONER, PROVISIONER_VARIABLE, PromptKernelManager

    os.environ.setdefault(PROVISIONER_VARIABLE, PROVISIONER)
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")
    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # the record says it
    return execute_notebook, {"kernel_manager_class": PromptKernelManager}


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


def _save(notebook: Any, out_path: Path) -> None:
    import nbformat

    notebook.metadata.papermill["output_path"] = str(out_path)
    write_whole(out_path, nbformat.writes(notebook))


def _run_task(shared: tuple, notebook: Path) -> NotebookRun:
    server, out_dir, *rest = shared
    with forking_from(server):
        return run_notebook(notebook, out_dir / notebook.name, *rest)


def run_notebooks(
    notebooks: Sequence[Path],
    out_dir: Path,
    parameters: Mapping[str, object],
    jobs: int = 2,
    progress: Callable[[NotebookRun], None] | None = None,
    timeout: float = 600.0,
    cwd: Path | None = None,
) -> list[NotebookRun]:
    """Run independent notebooks side by side with one set of parameters.

    Parameters
    ----------
    notebooks : sequence of pathlib.Path
        None of them may need another's output.
    out_dir : pathlib.Path
        Where the executed notebooks go, under their own names.
    parameters : mapping
        Each notebook is given those that it takes.
    jobs : int
        Number of notebooks that run at the same time.
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

    Raises
    ------
    ParameterError
        A name that no notebook takes, or a value of the wrong type; nothing was started.
    """
    notebooks = [Path(notebook) for notebook in notebooks]
    check_parameters(parameters, all_parameters(notebooks))
    cwd, out_dir = Path(cwd or Path.cwd()), Path(out_dir).absolute()
    open_station()
    records: dict[int, NotebookRun] = {}
    texts = [notebook.read_text(encoding="utf-8") for notebook in notebooks]
    with shared_cohort(parameters, texts) as server:
        shared = (server, out_dir, dict(parameters), timeout, cwd)
        tasks = run_tasks(_run_task, shared, [n.absolute() for n in notebooks], jobs)
        for index, record in tasks:
            records[index] = record or lost(notebooks[index].stem)
            if progress is not None:
                progress(records[index])
    return [records[i] for i in range(len(notebooks))]


def lost(notebook: str) -> NotebookRun:
    """The record of a notebook whose worker process was killed under it again and again."""
    message = "the worker process that ran the notebook was killed, several times"
    return NotebookRun(notebook, "failed", math.nan, None, "WorkerKilled", message)
