"""One writer for an output folder, and an output folder that holds nothing of anybody else's."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import OutputError
from ..writing import (
    HEAD,
    LIST,
    enter,
    head_of,
    holder,
    is_part,
    listed,
    refuse_others,
    remove,
    sha256,
    survey,
)

RUN_FILE = "run.json"
DIGEST = re.compile("[0-9a-f]{64}")


@contextlib.contextmanager
def held(folder: Path, made: bool = False) -> Iterator[None]:
    """Keep every other process out of a folder; what the kit writes meanwhile goes on its list.

    The lock is the kernel's (flock) on the folder's list: it ends with the process, however that
    ends. A list that nothing was entered on is gone afterwards, and so is a folder made for it
    (here, or by the caller: `made`).

    Raises
    ------
    OutputError
        Another process holds the folder, or it cannot be written.
    """
    new = made or not folder.exists()
    with told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = _locked(folder)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if os.fstat(handle).st_size > HEAD:
                _write_head(handle, 0)
            elif _is_list(handle, folder):
                (folder / LIST).unlink()
        os.close(handle)
        if new:
            with contextlib.suppress(OSError):  # not empty
                folder.rmdir()


@contextlib.contextmanager
def told(folder: Path) -> Iterator[None]:
    """Errors of the file system as errors for the user."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written ({error.strerror}). Name another output folder."
        ) from None


def empty_for_a_run(folder: Path) -> None:
    """Remove from a folder that is held what an earlier run wrote, finished or not.

    Raises
    ------
    OutputError
        There is anything else in it; nothing was removed.
    """
    with told(folder):
        known = listed(folder)
        interrupted = bool(known)
        for name, digest in _of_a_finished_run(folder).items():
            known.setdefault(name, set()).add(digest)
        ours, others = survey(folder, known)
        refuse_others(folder, others)
        if known:
            enter(folder, known)  # before anything goes: a run killed here is known as well
        parts = [p.relative_to(folder).as_posix() for p in folder.rglob(".*.part") if is_part(p)]
        remove(folder, [*ours, *(parts if interrupted else [])])


def written_files(folder: Path) -> dict[str, str]:
    """SHA-256 of what a run that holds the folder wrote, except for `run.json`."""
    ours, _ = survey(folder, listed(folder))
    return {name: sha256(folder / name) for name in ours if name != RUN_FILE}


def drop_list(folder: Path) -> None:
    """Take the list out of a folder that is held: `run.json` names the files from now on."""
    with contextlib.suppress(OSError):
        (folder / LIST).unlink()


def _of_a_finished_run(folder: Path) -> dict[str, str]:
    file = folder / RUN_FILE
    try:
        files = json.loads(file.read_text(encoding="utf-8"))["files"]
        digests = {n: d for n, d in files.items() if DIGEST.fullmatch(d)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return digests | {RUN_FILE: sha256(file)}


def _locked(folder: Path) -> int:
    """A handle of the folder's list that no other process has locked."""
    while True:
        handle = os.open(folder / LIST, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(handle, folder)
            if _is_list(handle, folder):  # not one that was taken away meanwhile
                _write_head(handle, os.getpid())
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = holder(_head(handle))
        raise OutputError(
            f"{'Process ' + str(pid) if pid else 'Another process'} is writing to {folder}. "
            "Wait until it has ended, or name another folder."
        ) from None
    except OSError:  # a file system without locks
        return


def _is_list(handle: int, folder: Path) -> bool:
    """Whether the handle's file is the one in the folder."""
    head = _head(handle)
    if head and holder(head) is None and os.fstat(handle).st_size > 0:
        refuse_others(folder, [LIST])
    try:
        return os.path.samestat(os.fstat(handle), os.lstat(folder / LIST))
    except FileNotFoundError:
        return False


def _head(handle: int) -> bytes:
    os.lseek(handle, 0, os.SEEK_SET)
    return os.read(handle, HEAD)


def _write_head(handle: int, pid: int) -> None:
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, head_of(pid))
