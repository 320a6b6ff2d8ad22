"""Files written whole, and the list each output folder keeps of what the kit wrote into it.

Only files on such a list, unchanged since, are ever replaced or removed. The list is in the folder
itself (`.alliance`) and grows while a process holds the folder (:mod:`running.claim`): also what
a killed process left behind is known, and a user's own file never taken for the kit's.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from .errors import OutputError

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
