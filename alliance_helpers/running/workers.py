"""Spread independent tasks over worker processes, and lose none when a worker is killed."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import BrokenProcessPool

from ..errors import ParameterError, RunError
from .forkserver import die_with_parent
from .runner import versions
from .station import STATION_VARIABLE, environment, installed_modules_only, open_station

ATTEMPTS = 3  # of a task whose worker was killed under it
BARREN = 10  # pools in a row that died before any of their workers took up a task
ANSWER = 10  # seconds that a scheduler may take to answer


def run_tasks(
    function: Callable[[Any, Any], Any],
    shared: Any,
    tasks: Sequence[Any],
    jobs: int,
    limit: float | None = None,
) -> Iterator[tuple[int, Any]]:
    """Call a function on every task in worker processes and yield results as they come.

    A worker that dies, or is silent for too long, takes its neighbours' pool with it; the tasks
    that were running are started again, up to `ATTEMPTS` times each.

    Parameters
    ----------
    function : callable
        Importable by name; called as ``function(shared, task)``, and must not raise.
    shared : object
        The same for every task.
    tasks : sequence
        Picklable.
    jobs : int
        Number of worker processes; 1 stands for this process.
    limit : float, optional
        Seconds that a task may take and wait; a worker that was stopped says nothing for ever.

    Yields
    ------
    (int, object)
        Position of the task and its result; the result is None for a task given up.

    Raises
    ------
    RunError
        Workers die before they take up any task.
    """
    if jobs == 1:
        yield from ((i, function(shared, task)) for i, task in enumerate(tasks))
        return
    attempts = dict.fromkeys(range(len(tasks)), 0)
    barren = 0
    warnings.filterwarnings("ignore", message=".*tasks which were still being processed")
    place = {"prefix": "tasks-", "dir": open_station().folder, "ignore_cleanup_errors": True}
    with (
        tempfile.TemporaryDirectory(**place) as folder,
        installed_modules_only(),
        environment(JOBLIB_TEMP_FOLDER=folder),  # not in the shared memory, where folders stay
    ):
        marks = Path(folder)
        call = partial(delayed(_in_worker), function, shared, marks, os.getpid())
        while attempts:
            how = {"batch_size": 1, "return_as": "generator_unordered", "timeout": limit}
            pool = Parallel(jobs, backend="loky", **how)
            calls = [call(i, tasks[i]) for i in attempts]
            try:
                with _interrupts_held_back():
                    started = pool(calls)
                # closed early (Ctrl-C, a full disk) it kills the workers with what they do
                with contextlib.closing(started) as results:
                    for index, result in results:
                        del attempts[index]
                        yield index, result
            except (BrokenProcessPool, multiprocessing.TimeoutError) as error:
                begun = [i for i in attempts if (marks / str(i)).exists()]
                barren = 0 if begun else barren + 1
                if barren == BARREN:
                    raise RunError(f"The worker processes die as they start: {error}") from error
                for index in begun:
                    (marks / str(index)).unlink()
                    attempts[index] += 1
                    if attempts[index] == ATTEMPTS:
                        del attempts[index]
                        yield index, None


@contextlib.contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Processes started inside are deaf to Ctrl-C from their first instant; this one is not."""
    resource_tracker.ensure_running()  # would lift the block, if it were started inside
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _in_worker(
    function: Callable[[Any, Any], Any], shared: Any, marks: Path, owner: int, index: int, task: Any
) -> tuple[int, Any]:
    """Run one task in a worker, which leaves Ctrl-C to its owner and dies with it."""
    if os.getpid() != owner:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        die_with_parent(owner)
        os.environ[STATION_VARIABLE] = str(marks.parent)
    with contextlib.suppress(OSError):  # cleared away by somebody: only who began is not known
        (marks / str(index)).touch()
    return index, function(shared, task)


def connect_dask(address: str) -> Any:
    """Connect to a running Dask scheduler and compare its workers with this process.

    Parameters
    ----------
    address : str
        For example ``tcp://scheduler:8786``.

    Raises
    ------
    ParameterError
        Dask is not installed, no scheduler answers, or a worker has other versions.
    """
    try:
        from distributed import Client
        from distributed.comm.addressing import get_address_host_port
    except ImportError:
        raise ParameterError("--dask needs Dask: pip install 'alliance-kit[dask]'.") from None
    try:
        get_address_host_port(address, strict=True)  # a client without one would wait at its end
        client = Client(address, timeout=ANSWER, set_as_default=False)
        there = client.run(versions)
    except (OSError, ValueError, ImportError) as error:
        raise ParameterError(
            f"No Dask scheduler that can be used answers at {address} within {ANSWER} s: {error}."
        ) from None
    here = versions()
    for worker, found in there.items():
        other = [f"{n} {found.get(n)} (here {here[n]})" for n in here if found.get(n) != here[n]]
        if other:
            client.close()
            raise ParameterError(f"The Dask worker {worker} has {', '.join(other)}.")
    return client


def run_on_dask(
    function: Callable[[Any, Any], Any], shared: Any, tasks: Sequence[Any], client: Any
) -> Iterator[tuple[int, Any]]:
    """Like `run_tasks`, on a Dask cluster, which itself runs a dead worker's tasks again.

    Parameters
    ----------
    function, shared, tasks
        As for `run_tasks`.
    client : distributed.Client

    Raises
    ------
    RunError
        The scheduler went away, or the workers cannot run the function.
    """
    from distributed import KilledWorker, as_completed

    one = client.submit(lambda: shared, pure=False)  # a task itself, so it can be had again
    futures = {client.submit(function, one, task, pure=False): i for i, task in enumerate(tasks)}
    try:
        for future in as_completed(list(futures), loop=client.loop):
            index = futures.pop(future)
            try:
                result = future.result()
            except KilledWorker:
                result = None
            yield index, result
    except (OSError, RuntimeError, ImportError, AttributeError, CancelledError) as error:
        raise RunError(
            f"The Dask cluster stopped working: {error!r}. What is done is kept; --resume goes on "
            "from it."
        ) from error
    finally:
        with contextlib.suppress(Exception):  # the scheduler may be what went away
            client.cancel(list(futures))
