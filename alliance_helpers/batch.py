"""Many runs of the notebooks over a grid of parameters: one table of findings, nothing lost."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from .errors import OutputError, ParameterError, RunError
from .paths import NOTEBOOKS
from .running.batch_folder import BatchFolder, BatchSummary
from .running.batch_plan import choose_notebooks, lacking, parameter_table, with_places
from .running.batch_run import KEEP, RunResult, Shared, lost_run, run_one
from .running.fingerprint import fingerprint, versions
from .running.grid import Declared, Grid, check_grid, read_grid
from .running.parameters import all_parameters
from .running.station import close_station, open_station, station_is_open
from .running.workers import connect_dask, run_on_dask, run_tasks


@contextlib.contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Let a termination signal (a cluster's time limit) end the batch as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run_batch(
    grid_path: Path,
    out: Path,
    jobs: int = 2,
    dask: str | None = None,
    resume: bool = False,
    yes: bool = False,
    notebooks: Sequence[str] | None = None,
    keep: str = "failed",
    timeout: float = 600.0,
    folder: Path = NOTEBOOKS,
    progress: bool | None = None,
) -> BatchSummary:
    """Run the notebooks for every combination of a grid and gather the findings.

    Parameters
    ----------
    grid_path : pathlib.Path
        See `grid.read_grid`.
    out : pathlib.Path
        The batch's folder: a new one, or with `resume` one that holds this batch.
    jobs : int
        Worker processes on this machine.
    dask : str, optional
        Address of a Dask scheduler whose workers do the runs instead.
    resume : bool
        Run only what is missing or failed.
    yes : bool
        More than 10,000 runs are meant.
    notebooks : sequence of str, optional
        Names or numbers; those of the grid, or all, if not given.
    keep : str
        Executed notebooks to keep: `all`, `failed` or `none`. Only with `all` are figures drawn;
        elsewhere their texts stand in their places.
    timeout : float
        Seconds that each notebook may take.
    folder : pathlib.Path
        Where the notebooks are.
    progress : bool, optional
        Show a progress bar; by default when a person is watching.

    Returns
    -------
    BatchSummary

    Raises
    ------
    ParameterError, DataError, CodebookError
        Before anything starts: the grid, a study, a notebook, `out` or the scheduler cannot be
        used.
    OutputError
        Before anything starts: `out` cannot be written.
    RunError
        Runs could not go on, for example because the disk is full; what is done is kept.
    """
    started = time.perf_counter()
    if keep not in KEEP or jobs < 1 or not timeout > 0:
        raise ParameterError(
            f"keep must be one of {', '.join(KEEP)}, jobs at least 1 and timeout above 0."
        )
    grid = read_grid(Path(grid_path))
    chosen = choose_notebooks(notebooks or grid.notebooks, Path(folder))
    declared = all_parameters(chosen)
    check_grid(grid, declared, yes)
    grid, places = with_places(grid)
    gaps = lacking(grid)
    texts = {path.stem: path.read_text(encoding="utf-8") for path in chosen}
    plan = fingerprint((grid.axes, grid.runs), texts, places)
    with contextlib.ExitStack() as held:
        client = held.enter_context(connect_dask(dask, versions)) if dask else None
        store = held.enter_context(BatchFolder(Path(out)).claimed(plan, resume))
        if client is None and not station_is_open():
            open_station()
            held.callback(close_station)
        shared = Shared(texts, keep, timeout, None if client else str(store.scratch))
        before = store.done(len(grid))
        tasks = [
            (n, run, gaps.get((run.get("data") or "", run.get("codebook") or ""), {}))
            for n, run in enumerate(grid.combinations(), 1)
            if n not in before
        ]
        bar = tqdm(
            desc="Runs", total=len(grid), initial=len(before), unit="run", dynamic_ncols=True,
            disable=None if progress is None else not progress,
        )  # fmt: skip
        interrupted = False
        try:
            with bar, _terminated_like_interrupted():
                _run_all(store, shared, tasks, jobs, client, bar)
        except KeyboardInterrupt:
            interrupted = True
        seconds = time.perf_counter() - started
        return _conclude(store, grid, declared, len(before), seconds, interrupted)


def _run_all(
    store: BatchFolder, shared: Shared, tasks: list, jobs: int, client: object, bar: tqdm
) -> None:
    """Do the runs and save each as it comes."""
    failed = 0
    results = (
        run_tasks(run_one, shared, tasks, jobs)
        if client is None
        else run_on_dask(client, run_one, shared, tasks)
    )
    with contextlib.closing(results):
        for index, result in results:
            result: RunResult = result or lost_run(shared, tasks[index][0])
            try:
                store.save(result)
            except OutputError as error:
                raise RunError(
                    f"{error} What is done is kept; --resume goes on from it."
                ) from error
            failed += not result.done
            bar.set_postfix(failed=failed, refresh=False)
            bar.update()


def _conclude(
    store: BatchFolder,
    grid: Grid,
    declared: Declared,
    resumed: int,
    seconds: float,
    interrupted: bool,
) -> BatchSummary:
    """Write the tables and the page, and count."""
    from .running.batch_page import write_page

    table, seeds = parameter_table(grid, declared)
    try:
        runs = store.write_tables(table, seeds)
        counts = runs["status"].value_counts()
        summary = BatchSummary(
            store.path,
            len(runs),
            *(int(counts.get(status, 0)) for status in ("done", "failed", "missing")),
            resumed,
            seconds,
            interrupted,
        )
        write_page(store.path, summary, runs, list(table))
    except OutputError as error:
        raise RunError(f"{error} The runs are kept; --resume writes the tables.") from error
    return summary
