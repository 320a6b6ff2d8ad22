"""Where the kit's files are, how one is written whole, and who may write.

Each output folder keeps a list of what the kit wrote into it (`.alliance`). Only files on such a
list, unchanged since, are ever replaced or removed. The list grows while a process holds the folder
(:mod:`paths.held`): also what a killed process left behind is known, and a user's own
file never taken for the kit's.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from .errors import OutputError

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data"
RAW = DATA / "raw"
TRUTH = "truth.csv"
CODEBOOK = DATA / "codebook.yml"
FINDINGS = DATA / "findings.yml"
SCENARIOS = DATA / "scenarios.yml"
CALIBRATION = DATA / "calibration.json"
NOTEBOOKS = ROOT / "notebooks"
RESULTS = ROOT / "results"
VERDICT_RATES = DATA / "verdict_rates.csv"
UNSEEN_VARIABLE = "ALLIANCE_UNSEEN"  # of the environment; not empty: nobody will see the figures


LIST = ".alliance"
HEAD = 16  # bytes at the top of a list: the process that holds the folder, 0 for none
LEVELS = 3  # batch/notebooks/000001/name.ipynb
ENTRY = re.compile(r'([0-9a-f]{64}) (".*")')
PART = re.compile(r"\..+\.(csv|html|ipynb|json|parquet|png)\.\d+\.part")
SHOWN = 3
Known = dict[str, set[str]]


def write_whole(path: Path, content: str | bytes | Callable[[Path], object]) -> None:
    """Write a file beside the target, then put it in place in one step.

    Parameters
    ----------
    path : path
    content : str, bytes or callable
        What it holds, or what fills the file that it is given.

    Raises
    ------
    OutputError
        Naming the file, and what to do about it.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(part)
        else:
            part.write_bytes(content.encode() if isinstance(content, str) else content)
        _enter(path, part)
        os.replace(part, path)
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(
            f"{path} cannot be written ({reason}). Name another output folder, or make room in it."
        ) from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def sha256(file: Path) -> str:
    """The file's digest."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def is_part(path: Path) -> bool:
    """Whether it is what a killed process left of :func:`write_whole`."""
    return bool(PART.fullmatch(path.name)) and path.is_file() and not path.is_symlink()


def _enter(path: Path, part: Path) -> None:
    """Put a file on the list of the folder it is in, if a living process holds that folder."""
    for folder in list(path.absolute().parents)[:LEVELS]:
        try:
            with (folder / LIST).open("rb") as file:
                head = file.read(HEAD)
        except OSError:  # as a rule there is none
            continue
        if lives(holder(head) or 0):
            enter(folder, {path.absolute().relative_to(folder).as_posix(): {sha256(part)}})
        return


def enter(folder: Path, files: Mapping[str, Iterable[str]]) -> None:
    """Add files, each with the digests it may have, to a folder's list."""
    lines = [f"\n{digest} {json.dumps(name)}" for name in files for digest in files[name]]
    with (folder / LIST).open("a", encoding="ascii") as file:  # a torn line spoils no other
        file.write("".join(lines) + "\n")


def start_list(folder: Path, files: Mapping[str, Iterable[str]]) -> None:
    """Give a new folder, which nobody holds, its list."""
    (folder / LIST).write_bytes(head_of(0))
    enter(folder, files)


def listed(folder: Path) -> Known:
    """Names on a folder's list, each with every digest that the kit has written it with."""
    known: Known = {}
    try:
        text = (folder / LIST).read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return known
    for line in text.splitlines():
        if found := ENTRY.fullmatch(line):
            known.setdefault(json.loads(found[2]), set()).add(found[1])
    return known


def head_of(pid: int) -> bytes:
    """The top of a list."""
    return f"pid {pid:>{HEAD - 5}}\n".encode("ascii")


def holder(head: bytes) -> int | None:
    """The process that a list's top names; 0 for none, None if it is no top of a list."""
    found = re.fullmatch(rb"pid +(\d+)\n", head)
    return int(found[1]) if found else None


def lives(pid: int) -> bool:
    """Whether a process is there."""
    if os.name != "posix" or pid <= 0:  # elsewhere asking would end it
        return pid > 0
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def is_known(file: Path, name: str, known: Mapping[str, Iterable[str]]) -> bool:
    """Whether a file is as the kit wrote it."""
    return (
        name in known and file.is_file() and not file.is_symlink() and sha256(file) in known[name]
    )


def survey(folder: Path, known: Mapping[str, Iterable[str]]) -> tuple[list[str], list[str]]:
    """Names of the files in a folder that are as the kit wrote them, and of all others.

    Neither has the folder's list, nor the parts of files that a killed process left.

    Raises
    ------
    OSError
        Something in it cannot be read.
    """
    ours, others = [], []

    def refuse(error: OSError) -> None:
        raise error

    for top, folders, files in os.walk(folder, onerror=refuse):
        links = [name for name in folders if os.path.islink(os.path.join(top, name))]
        for file in (Path(top, name) for name in [*files, *links]):
            name = file.relative_to(folder).as_posix()
            if name != LIST and not is_part(file):
                (ours if is_known(file, name, known) else others).append(name)
    return sorted(ours), sorted(others)


def refuse_others(folder: Path, others: list[str]) -> None:
    """Name the files that stand in the way, if there are any.

    Raises
    ------
    OutputError
    """
    if not others:
        return
    shown = ", ".join(others[:SHOWN]) + ("" if len(others) <= SHOWN else ", ...")
    count = "1 file" if len(others) == 1 else f"{len(others):,} files"
    raise OutputError(
        f"{folder} holds {count} that alliance-kit did not write there, or that changed since: "
        f"{shown}. Nothing was removed. Move what you want to keep elsewhere, or name another "
        "folder."
    )


def remove(folder: Path, names: Iterable[str]) -> None:
    """Remove files of a folder, and the folders in it that are empty then."""
    above = set()
    for name in names:
        (folder / name).unlink(missing_ok=True)
        above |= {folder / parent for parent in Path(name).parents} - {folder}
    for parent in sorted(above, reverse=True):
        with contextlib.suppress(OSError):  # not empty
            parent.rmdir()


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
