"""One cohort, opened once for all the notebooks of a run.

The station's fork server forks a server that opens the cohort; kernels forked from that one find
it open. Where that cannot be, each notebook opens the cohort itself, as it does in JupyterLab.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .station import Forked, ask, channel_folder, fork_problem

OPENS = "open_cohort("  # in the text of a notebook
PARAMETERS = ("data", "codebook", "scenario", "n_clients", "seed")  # of study.open_cohort
PATHS = PARAMETERS[:2]
_numbers = itertools.count(1)


@contextlib.contextmanager
def shared_cohort(parameters: Mapping[str, object], notebooks: Iterable[str]) -> Iterator[str]:
    """Have a cohort open while the context lasts.

    Parameters
    ----------
    parameters : mapping
        Those of the notebooks.
    notebooks : iterable of str
        Their texts.

    Yields
    ------
    str
        What `station.forking_from` takes; empty where the notebooks share nothing.
    """
    cohort = {name: parameters[name] for name in PARAMETERS if name in parameters}
    clear = all(os.path.isabs(str(cohort[name])) for name in PATHS if cohort.get(name))
    shared = clear and sum(OPENS in text for text in notebooks) > 1 and fork_problem() is None
    name = f"cohort-{os.getpid()}-{next(_numbers)}"
    listener = _listening(channel_folder() / name) if shared else None
    if listener is None:
        yield ""
        return
    place = listener.getsockname()
    with ThreadPoolExecutor(1) as thread:  # the fork server may be loading; workers can start
        server = thread.submit(_server, cohort, listener)
        try:
            yield name
        finally:
            if found := server.result():
                found.kill()
                found.wait()
            Path(place).unlink(missing_ok=True)


def _listening(place: Path) -> socket.socket | None:
    """A socket that kernels can already ask, or None where none can be made."""
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(str(place))
        listener.listen(128)
    except OSError:
        listener.close()
        return None
    return listener


def _server(cohort: dict[str, object], listener: socket.socket) -> Forked | None:
    """The process that has the cohort open and forks kernels, or None."""
    with listener, contextlib.suppress(OSError):
        return ask({"cohort": cohort}, [listener.fileno()])
