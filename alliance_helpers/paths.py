"""Where the kit's files are, how one is written whole, and who may write.

Each output folder has a list of what the kit wrote into it (`.alliance`): a line for each file,
with its digest. Only files on that list, unchanged since, are ever replaced or removed. The list
grows while a process holds the folder (:func:`held`): also what a killed process left behind is
known, and a user's own file never taken for the kit's.
"""

from __future__ import annotations

import contextlib
import errno
import getpass
import hashlib
import json
import os
import platform
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from .errors import OutputError, ParameterError
from .errors import listed as named

PACKAGE = Path(__file__).resolve().parent
CARRIED = PACKAGE / "carried"  # data and notebooks, of a wheel only (see setup.py)
ROOT = CARRIED if CARRIED.is_dir() else PACKAGE.parent
DATA = ROOT / "data"
RAW = DATA / "raw"
TRUTH = "truth.csv"
CODEBOOK = DATA / "codebook.yml"
FINDINGS = DATA / "findings.yml"
ASSUMPTIONS = DATA / "assumptions_1995.yml"
SCENARIOS = DATA / "scenarios.yml"
COURSES = DATA / "over_time"
CALIBRATION = DATA / "calibration.json"
NOTEBOOKS = ROOT / "notebooks"
RESULTS = (Path.cwd() if ROOT == CARRIED else ROOT) / "results"
VERDICT_RATES = DATA / "verdict_rates.csv"
EVERY_RUN = (CODEBOOK, FINDINGS, DATA / "stress.yml", VERDICT_RATES)  # reads these
RUN_FILE = "run.json"
UNSEEN_VARIABLE = "ALLIANCE_UNSEEN"  # of the environment; not empty: nobody will see the figures
HELD_VARIABLE = "ALLIANCE_HELD"  # the folder that this process or one above it holds

LIST = ".alliance"
MANY = 1_000  # files of others, of which no more are looked for
LEVELS = 3  # batch/notebooks/000001/name.ipynb
LONGEST, LONGEST_PART = 4_000, 255  # bytes of a path, and of a name in it, that systems take
HOLDER = re.compile(r"^pid (\d+)(?: by (\w+))?$", re.MULTILINE)
ENTRY = re.compile(r'^([0-9a-f]{64}) (".*")$', re.MULTILINE)
PICTURE = re.compile("([A-Za-z0-9+/]{1000,})")  # as letters of base64; no path is so long
PART = re.compile(r"\..+\.(bib|csv|docx|html|ipynb|json|lock|parquet|pdf|png|svg|tex)\.\d+\.part")
Known = dict[str, set[str]]


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Errors of the file system as errors for the user."""
    try:
        yield
    except OSError as error:
        remedy = "Name another output folder, or make room in it."
        refused = OutputError(f"{path} cannot be written ({error.strerror or error}). {remedy}")
        if error.errno in (errno.ENOSPC, errno.EDQUOT):  # no bad input: it failed on the way
            refused.exit_code = 1
        raise refused from None


def unseen() -> bool:
    """Whether nobody will see the figures of this process, so that their texts are enough."""
    return bool(os.environ.get(UNSEEN_VARIABLE))


def write_whole(
    path: Path, content: str | bytes | Callable[[Path], object], lasting: bool = False
) -> None:
    """Write a file beside the target, then put it in place in one step.

    Parameters
    ----------
    path : path
    content : str, bytes or callable
        What it holds, or what fills the file that it is given.
    lasting : bool
        Have it on the disk, its name in the folder too, before this returns.

    Raises
    ------
    OutputError
        Naming the file, and what to do about it.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with told(path):
            if path.exists() and not path.is_file():  # a device, say, which would be replaced
                raise OutputError(f"{path} is no file. Name another.")
            path.parent.mkdir(parents=True, exist_ok=True)
            if callable(content):
                content(part)
            else:
                part.write_bytes(content.encode() if isinstance(content, str) else content)
            _enter_if_held(path.absolute(), part)
            if lasting:
                _flush(part)
            os.replace(part, path)
            if lasting and os.name == "posix":
                _flush(path.parent)
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def not_there(path: str | Path) -> Path:
    """A file's place, unless something stands there, which no command is asked to replace.

    Raises
    ------
    OutputError
    """
    if os.path.lexists(path):
        raise OutputError(f"{path} exists already. Name another file.")
    return Path(path)


def _flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def homeless(text: str) -> str:
    """A text whose paths do not say who ran it, nor where; :func:`at` reads them.

    `~` stands for this user's home, `$USER` and `$HOST` for folders elsewhere with such a name.
    """
    if len(parts := PICTURE.split(text)) > 1:  # nothing in a picture's letters is a name
        return "".join(part if at % 2 else homeless(part) for at, part in enumerate(parts))
    home = os.path.expanduser("~")
    text = re.sub(rf"{re.escape(home)}(?![\w.-])", "~", text) if len(home) > 2 else text
    for mark, name in _own_names():  # not within a word, nor where a tag ends
        before = r"(/(?<![\w+=<]/)(?:[\w.@-]+/)*)"  # begins with what a search finds fast
        text = re.sub(rf"{before}{re.escape(name)}(?![\w.@-])", rf"\g<1>{mark}", text)
    return text


def refuse_odd(place: str) -> None:
    """Refuse the name of a place that is not UTF-8, holds a byte of zero, or is too long."""
    name = place.encode("utf-8", "replace")
    if "\0" in place or name.decode() != place:
        raise ParameterError(f"{place!r} is not a name in UTF-8. Give it another.")
    if len(name) > LONGEST or max(map(len, name.split(b"/"))) > LONGEST_PART:
        raise ParameterError(f"{place[:40]!r}... is too long for a name. Give it another.")


def at(place: str | Path) -> Path:
    """Where a path leads, as a person wrote it or as :func:`homeless` did."""
    for mark, name in _own_names():
        place = str(place).replace(mark, name)
    return Path(os.path.expanduser(place))


def _own_names() -> list[tuple[str, str]]:
    with contextlib.suppress(OSError, KeyError, ImportError):  # nobody of a name
        return [("$USER", getpass.getuser()), ("$HOST", platform.node())]
    return [("$HOST", platform.node())]


def altered(digests: Mapping[str, str]) -> list[str]:
    """Files that are no longer as these digests say, or gone."""
    found = list(digests)
    for name, digest in digests.items():
        with contextlib.suppress(OSError):
            if sha256(Path(name)) == digest:
                found.remove(name)
    return found


def sha256(file: Path) -> str:
    """The file's digest."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def is_part(path: Path) -> bool:
    """Whether it is what a killed process left of :func:`write_whole`."""
    return bool(PART.fullmatch(path.name)) and path.is_file() and not path.is_symlink()


def _enter_if_held(path: Path, part: Path) -> None:
    """Put a file on the list of the folder it is in, if a process holds that folder.

    What such a process started, and that lives on when it was killed, writes nothing any more.
    """
    folder = next((f for f in list(path.parents)[:LEVELS] if (f / LIST).is_file()), None)
    if folder is not None:
        with (folder / LIST).open("rb") as file:
            free = _lock(file, shared=True)
        if not free:
            enter(folder, {path.relative_to(folder).as_posix(): sha256(part)})
        elif os.environ.get(HELD_VARIABLE) == str(folder):
            raise OutputError(f"The process that wrote to {folder} has ended. Run it again.")


def enter(folder: Path, files: Mapping[str, str]) -> None:
    """Add files with their digests to a folder's list."""
    lines = [f"\n{digest} {json.dumps(name)}" for name, digest in files.items()]
    with (folder / LIST).open("a", encoding="ascii") as file:  # a torn line spoils no other
        file.write("".join(lines) + "\n")


def listed(folder: Path) -> Known:
    """Names on a folder's list, each with every digest that the kit has written it with."""
    known: Known = {}
    if (folder / LIST).is_file():
        text = (folder / LIST).read_text(encoding="ascii", errors="replace")
        for digest, name in ENTRY.findall(text):
            known.setdefault(json.loads(name), set()).add(digest)
    return known


def is_known(file: Path, name: str, known: Mapping[str, Iterable[str]]) -> bool:
    """Whether a file is as the kit wrote it."""
    plain = name in known and file.is_file() and not file.is_symlink()
    return plain and sha256(file) in known[name]


def survey(folder: Path, known: Mapping[str, Iterable[str]]) -> tuple[list[str], list[str]]:
    """Names of the files in a folder that are as the kit wrote them, and of all (or MANY) others.

    Neither has the folder's list, nor the parts of files that a killed process left.
    """
    ours, others = [], []
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if name != LIST and (path.is_symlink() or not path.is_dir()) and not is_part(path):
            (ours if is_known(path, name, known) else others).append(name)
            if len(others) > MANY:  # somebody's home, or all of a disk
                break
    return sorted(ours), sorted(others)


def refuse_others(folder: Path, others: list[str]) -> None:
    """Name the files that stand in the way, if there are any.

    Raises
    ------
    OutputError
    """
    if others:
        raise OutputError(
            f"{folder} holds {len(others):,} file{'s' * (len(others) != 1)} that alliance-kit did "
            f"not write there, or that changed since: {named(others, 3)}. Nothing was removed. "
            "Move what you want to keep elsewhere, or name another folder."
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


def empty_for_a_run(folder: Path) -> None:
    """Remove from a folder that is held what an earlier run wrote, finished or not.

    Raises
    ------
    OutputError
        There is anything else in it, or what another command wrote; nothing was removed.
    """
    with told(folder):
        known = listed(folder)
        ours, others = survey(folder, known)
        refuse_others(folder, others)
        text = (folder / LIST).read_text(encoding="ascii", errors="replace")
        *before, command = [command for _, command in HOLDER.findall(text)]
        earlier = before[-1] if before else ""
        if ours and earlier not in ("", command):
            wrote = f"what another command (alliance {earlier}) wrote: {named(ours, 3)}"
            raise OutputError(f"{folder} holds {wrote}. Nothing was removed. Name another folder.")
        parts = [p.relative_to(folder).as_posix() for p in folder.rglob(".*.part") if is_part(p)]
        remove(folder, [*ours, *(parts if known else [])])


def written_files(folder: Path) -> dict[str, str]:
    """SHA-256 of what a run that holds the folder wrote, except for `run.json`."""
    ours, _ = survey(folder, listed(folder))
    return {name: sha256(folder / name) for name in ours if name != RUN_FILE}


@contextlib.contextmanager
def held(folder: Path, by: str, made: bool = False) -> Iterator[None]:
    """Keep every other process out of a folder; what a command writes goes on its list.

    The lock is the kernel's (flock) on the folder's list: it ends with the process, however that
    ends. A list that nothing was entered on is as it was before, and gone if it was new; so is a
    folder made for it (here, or by the caller: `made`).

    Raises
    ------
    OutputError
        Another process holds the folder, or it cannot be written.
    """
    with told(folder):
        new = made or not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        file = _locked_list(folder)
        before = file.seek(0, os.SEEK_END)
        begun = before + file.write(f"\npid {os.getpid()} by {by}\n".encode("ascii"))
        file.flush()
    os.environ[HELD_VARIABLE] = str(folder)
    try:
        yield
    finally:
        os.environ.pop(HELD_VARIABLE, None)
        with contextlib.suppress(OSError):
            if file.seek(0, os.SEEK_END) == begun:
                file.truncate(before)
                if not before:
                    (folder / LIST).unlink()
        file.close()
        if new:
            with contextlib.suppress(OSError):  # not empty
                folder.rmdir()


def _locked_list(folder: Path) -> BinaryIO:
    """The folder's list, opened, which no other process has locked."""
    while True:
        file = (folder / LIST).open("a+b")
        free = _lock(file)
        file.seek(0)
        text = file.read().decode("ascii", "replace")
        pid = [number for number, _ in HOLDER.findall(text)[-1:]]
        if text.strip() and not (pid or ENTRY.search(text)):
            file.close()
            refuse_others(folder, [LIST])
        if free is False:
            file.close()
            writes = f"{f'Process {pid[0]}' if pid else 'Another process'} is writing to {folder}"
            raise OutputError(f"{writes}. Wait until it has ended, or name another folder.")
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), os.stat(folder / LIST)):
                return file
        file.close()  # of a list that was taken away meanwhile


def _lock(file: BinaryIO, shared: bool = False) -> bool | None:
    """Lock a list without waiting: whether that could be done; None where there are no locks."""
    try:
        import fcntl

        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # Windows, or a file system without locks
        return None
    return True
