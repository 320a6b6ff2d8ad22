"""Many runs of the notebooks: planned, run one by one or by Dask, summed up."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from ..errors import OutputError, ParameterError, RunError, ScenarioError
from ..paths import NOTEBOOKS
from .batch_folder import BatchFolder, BatchSummary, fingerprint, versions
from .grid import Axis, Declared, Grid, check_grid, read_grid
from .one_run import KEEP, RunResult, Shared, lost_run, run_one
from .parameters import all_parameters
from .station import close_station, open_station, station_is_open
from .workers import connect_dask, run_on_dask, run_tasks

if TYPE_CHECKING:
    import pandas as pd

PLACES = ("data", "codebook", "claims")  # parameters that name files


def choose_notebooks(names: Sequence[str], folder: Path = NOTEBOOKS) -> list[Path]:
    """The notebooks that are meant by names (`03_alliance_agreement`) or numbers (`03`).

    Raises
    ------
    ParameterError
        A name that fits no notebook.
    """
    numbered = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    others = [p for p in sorted(folder.glob("*.ipynb")) if p not in numbered and p.stem != "START"]
    available = {p.stem: p for p in (*numbered, *others)}
    if not numbered:
        raise ParameterError(f"There are no notebooks in {folder}.")
    if not names:
        return numbered
    chosen, unknown = set(), []
    for name in names:
        stem = name.removesuffix(".ipynb")
        fits = [s for s in available if s == stem or s.split("_")[0] == stem]
        chosen.update(fits)
        unknown += [] if fits else [name]
    if unknown:
        known = ", ".join(available)
        raise ParameterError(f"There is no notebook {', '.join(unknown)}; there are {known}.")
    return [path for stem, path in available.items() if stem in chosen]


def with_places(grid: Grid) -> tuple[Grid, list[Path]]:
    """The grid with absolute paths, and the files it names, which must exist; scenarios too."""
    found: dict[str, Path] = {}
    missing = []

    def absolute(name: str, value: object) -> object:
        if name not in PLACES or not isinstance(value, str) or not value:
            return value
        place = Path(value).expanduser().absolute()
        found[str(place)] = place
        if not place.exists():
            missing.append(f"{name}: there is no {place}.")
        return str(place)

    axes = tuple(
        axis
        if isinstance(axis.values, range)
        else type(axis)(axis.name, tuple(absolute(axis.name, v) for v in axis.values))
        for axis in grid.axes
    )
    runs = tuple({n: absolute(n, v) for n, v in run.items()} for run in grid.runs)
    missing += _studies(axes, runs)
    if missing:
        raise ParameterError("\n".join(dict.fromkeys(missing)))
    return Grid(axes, runs, grid.notebooks), list(found.values())


def _studies(axes: Sequence[Axis], runs: Sequence[dict[str, object]]) -> list[str]:
    """What is wrong with the studies that the runs ask for: unknown scenarios, two sources."""
    together = {axis.name: axis.values for axis in axes}
    asked = [*([together] if axes else []), *({n: (v,) for n, v in run.items()} for run in runs)]
    found = []
    for values in asked:
        scenarios = [str(v) for v in values.get("scenario", ()) if v]
        if scenarios and any(values.get("data", ())):
            found.append("A run has both data and a scenario; leave one of them out.")
        if scenarios:
            from ..cohorts.population import population
        for name in scenarios:
            try:
                population(name)
            except ScenarioError as error:
                found.append(str(error))
    return found


def lacking(grid: Grid) -> dict[tuple[str, str], dict[str, str]]:
    """Which notebooks the user's own studies lack the parts for, by data and codebook.

    Raises
    ------
    DataError, CodebookError
        The first study that cannot be used, with every problem.
    """
    pairs = {(str(r.get("data") or ""), str(r.get("codebook") or "")) for r in grid.combinations()}
    own = sorted(pair for pair in pairs if pair[0])
    if not own:
        return {}
    from ..cohorts.open import open_study
    from .sequence import skipped

    return {pair: skipped(open_study(*pair)) for pair in own}


def parameter_table(grid: Grid, declared: Declared) -> tuple[pd.DataFrame, pd.Series]:
    """One row per run: the grid's parameters, defaults filled in; and the seed of each run."""
    import pandas as pd

    defaults: dict[str, object] = {}
    for parameters in declared.values():
        for name, parameter in parameters.items():
            defaults.setdefault(name, parameter.default)
    names = grid.names()
    rows = [[run.get(name, defaults[name]) for name in names] for run in grid.combinations()]
    index = pd.RangeIndex(1, len(rows) + 1, name="run")
    table = pd.DataFrame(rows, index=index, columns=names)
    for name in table:
        kinds = {type(value) for value in table[name]}
        if kinds & {list, dict}:
            table[name] = [json.dumps(value) for value in table[name]]
        elif len(kinds - {type(None), int, float}) > 0 and len(kinds - {type(None)}) > 1:
            table[name] = [None if value is None else str(value) for value in table[name]]
    seeds = table["seed"] if "seed" in table else pd.Series(defaults.get("seed"), index=index)
    return table, seeds


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
    from .batch_page import write_page

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
