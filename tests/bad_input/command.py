"""The real command line, in a process forked from one that has the kit imported already."""

import multiprocessing
import os
import sys
import time
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from unittest import mock

HERE = Path(__file__).parent
FORKS = multiprocessing.get_context("forkserver")


def _start_server() -> None:
    """The process that commands are forked from; it finds this folder through PYTHONPATH."""
    FORKS.set_forkserver_preload(["bad_input.warm"])
    before = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join(filter(None, (str(HERE.parent), before)))
    with mock.patch.dict(os.environ, PYTHONPATH=path):
        forkserver.ensure_running()


@dataclass(frozen=True)
class Done:
    """How a command ended; `seconds` are of the processor, start-up left out."""

    code: int
    out: str
    err: str
    seconds: float


def alliance(folder: Path, *arguments: object) -> Done:
    """`alliance` with these arguments; what it prints goes through files in the folder."""
    texts = [folder / f"{name}.txt" for name in ("out", "err", "seconds")]
    _start_server()
    child = FORKS.Process(target=_command, args=([str(a) for a in arguments], *texts))
    child.start()
    child.join()
    out, err, seconds = (text.read_text("utf-8") for text in texts)
    return Done(child.exitcode, out, err, float(seconds))


def _command(arguments: list[str], out: Path, err: Path, seconds: Path) -> None:
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
    os.environ["ALLIANCE_COLD_KERNELS"] = "1"  # no kernels are loaded for input that is refused
    from alliance_helpers.running.cli import main

    start = time.process_time()
    try:
        main(arguments, prog_name="alliance")
    finally:
        seconds.write_text(f"{time.process_time() - start}")
