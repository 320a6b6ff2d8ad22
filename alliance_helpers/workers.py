"""Spread independent tasks over worker processes, and lose none when a worker is killed."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import BrokenProcessPool

from .errors import RunError
from .forkserver import die_with_parent
from .station import open_station

ATTEMPTS = 3  # of a task whose worker was killed under it


def run_tasks(
    function: Callable[[Any], Any], tasks: Sequence[Any], jobs: int
) -> Iterator[tuple[int, Any]]:
    """Call a function on every task in worker processes and yield results as they come.

    A worker that dies takes its neighbours' pool with it; the tasks that were running are
    started again, up to `ATTEMPTS` times each.

    Parameters
    ----------
    function : callable
        Importable by name; called with one task, and must not raise.
    tasks : sequence
        Picklable.
    jobs : int
        Number of worker processes.

    Yields
    ------
    (int, object)
        Position of the task and its result; the result is None for a task given up.

    Raises
    ------
    RunError
        Workers die before they take up any task.
    """
    marks = Path(tempfile.mkdtemp(prefix="tasks-", dir=open_station().folder))
    attempts = dict.fromkeys(range(len(tasks)), 0)
    barren = 0
    try:
        while attempts:
            pool = Parallel(
                n_jobs=jobs, backend="loky", batch_size=1, return_as="generator_unordered"
            )
            calls = (
                delayed(_in_worker)(function, i, tasks[i], str(marks), os.getpid())
                for i in list(attempts)
            )
            try:
                for index, result in pool(calls):
                    del attempts[index]
                    yield index, result
            except BrokenProcessPool as error:
                begun = [i for i in attempts if (marks / str(i)).exists()]
                barren = 0 if begun else barren + 1
                if barren == ATTEMPTS:
                    raise RunError(
                        f"The worker processes die as soon as they start: {error}"
                    ) from error
                for index in begun:
                    (marks / str(index)).unlink()
                    attempts[index] += 1
                    if attempts[index] == ATTEMPTS:
                        del attempts[index]
                        yield index, None
    except (KeyboardInterrupt, GeneratorExit):
        get_reusable_executor(max_workers=jobs).shutdown(wait=True, kill_workers=True)
        raise
    finally:
        shutil.rmtree(marks, ignore_errors=True)


def _in_worker(
    function: Callable[[Any], Any], index: int, task: Any, marks: str, owner: int
) -> tuple[int, Any]:
    """Run one task in a worker, which leaves Ctrl-C to its owner and dies with it."""
    if os.getpid() != owner:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        die_with_parent(owner)
    (Path(marks) / str(index)).touch()
    return index, function(task)
