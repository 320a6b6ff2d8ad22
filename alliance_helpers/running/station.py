"""A private folder for kernels' channels, and the fork server that makes the kernels."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path

from ..errors import RunError
from ..paths import ROOT

SAFE_PATH = {"PYTHONSAFEPATH": "1"}  # of the environment; IPython's kernels heed it too
# Read when the libraries load: no helper threads (they do not survive a fork), and the backend
# that a kernel started the ordinary way has when matplotlib is imported in it.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
PRELOAD_ENV = ONE_THREAD | {
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}


@contextlib.contextmanager
def environment(**values: str) -> Iterator[None]:
    """Set environment variables for what is started inside."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            del os.environ[name]
        os.environ.update({name: value for name, value in before.items() if value is not None})


@contextlib.contextmanager
def installed_modules_only() -> Iterator[None]:
    """Start Python processes inside that import nothing from the working folder.

    That may be a study's data folder, and a file there called `socket.py` is data. Processes that
    copy this one's own path (joblib's do) find it without that folder as well.
    """
    path, here = list(sys.path), os.path.realpath(os.curdir)
    if here != os.path.realpath(ROOT):  # where the kit itself may come from
        sys.path[:] = [entry for entry in path if os.path.realpath(entry) != here]
    try:
        with environment(**SAFE_PATH):
            yield
    finally:
        sys.path[:] = path


STATION_VARIABLE = "ALLIANCE_STATION"  # the folder of a station that a parent process has opened
SOCKET = "fork"  # of the fork server, in the station's folder
PIPE = "pipe"  # ends the name of the socket for what a kernel's forked children print
COLD_VARIABLE = "ALLIANCE_COLD_KERNELS"  # any value but an empty one: never fork
LOCK = "alliance-kit.lock"  # a name that no folder of anybody else holds
MEMORY_VARIABLE = "ALLIANCE_KERNEL_MEMORY"  # MB of its own that a kernel forked here may have
FILES = 256  # that a process with kernels may have to open
NUMBER = 4  # bytes in which a fork server writes a process id or an exit code
HEARD = 2  # seconds within which a fork server hears that it is to end
LONGEST_FOLDER = 60  # a Unix socket's path holds about 100 characters
_lock = threading.Lock()
_station: Station | None = None
_nearest: ContextVar[str] = ContextVar("nearest", default=SOCKET)  # socket of a fork server


def fork_problem() -> str | None:
    """Why kernels cannot be forked here, or None where they can."""
    if os.environ.get(COLD_VARIABLE):
        return f"{COLD_VARIABLE} is set"
    if not sys.platform.startswith("linux"):
        return f"forking a process with scientific libraries loaded is not safe on {sys.platform}"
    return None


def private_folder() -> Path:
    """A new folder only this user can read, with a path short enough for Unix sockets.

    It is locked while this process lives. Folders left behind by killed processes are removed.
    """
    import fcntl  # not on Windows

    bases = [os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"]
    fits = [b for b in bases if b and len(b) <= LONGEST_FOLDER and os.access(b, os.W_OK | os.X_OK)]
    if not fits:
        raise OSError(f"no writable folder with a short path among {bases}; set TMPDIR to one")
    at_once = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW  # a named pipe would have one wait
    for old in Path(fits[0]).glob(f"alliance-*/{LOCK}"):
        with contextlib.suppress(OSError), open(os.open(old, at_once), "rb") as lock:
            about = os.fstat(lock.fileno())
            if about.st_uid != os.getuid() or not stat.S_ISREG(about.st_mode):
                continue
            if time.time() - about.st_mtime < 60:  # perhaps not locked by its maker yet
                continue
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(old.parent, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="alliance-", dir=fits[0]))
    lock = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)  # held until the process ends: the descriptor stays open
    return folder


class Forked:
    """A forked process as its client sees it; the part of ``subprocess.Popen`` Jupyter uses.

    Parameters
    ----------
    channel : socket.socket
        Connection to the fork server, which writes the process id and later the exit code.
    """

    stdin = stdout = stderr = None

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self.returncode: int | None = None
        channel.settimeout(120)  # the server may still be loading its libraries
        if not (number := channel.recv(NUMBER)):
            raise ConnectionError("the fork server ended before it forked")
        self.pid = int.from_bytes(number)
        channel.setblocking(False)

    def poll(self) -> int | None:
        """Exit code, or None while the process lives."""
        if self.returncode is None:
            try:
                number = self._channel.recv(NUMBER)
            except BlockingIOError:
                return None
            except ConnectionError:
                number = b""
            # a server that was killed kills its kernels
            self.returncode = int.from_bytes(number, signed=True) if number else -signal.SIGKILL
            self._channel.close()
        return self.returncode

    def wait(self) -> int:
        """Wait for the end of the process and return its exit code."""
        while self.poll() is None:
            time.sleep(0.001)
        return self.returncode

    def send_signal(self, signum: int) -> None:
        """Send a signal to the process if it still lives."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signum)


class Station:
    """A private folder for channels and, once a kernel is forked, the fork server in it.

    Attributes
    ----------
    folder : pathlib.Path
        Only this user can read it; it goes when the process that made it ends.
    """

    def __init__(self, rehearsal: str = "") -> None:
        self.owner = os.getpid()
        self.rehearsal = rehearsal
        self.folder = private_folder()
        self.server: subprocess.Popen | None = None
        atexit.register(self.close)

    def start(self) -> None:
        """Start the fork server, unless it runs."""
        if self.server is not None and self.server.poll() is None:
            return
        self._end_server()
        (self.folder / SOCKET).unlink(missing_ok=True)
        with _listening(self.folder / SOCKET) as listener:
            code = "from alliance_helpers.running.forkserver import main; main()"
            self.server = subprocess.Popen(
                [sys.executable, "-c", code, str(listener.fileno()), self.rehearsal],
                pass_fds=[listener.fileno()],
                stdin=subprocess.PIPE,
                start_new_session=True,
                env=os.environ | PRELOAD_ENV | SAFE_PATH,
            )

    def _end_server(self) -> None:
        if self.server is not None:
            self.server.stdin.close()  # its end tells the server to kill its kernels and go
            try:
                self.server.wait(HEARD)
            except subprocess.TimeoutExpired:
                self.server.kill()
                self.server.wait()

    def close(self) -> None:
        """End the server and every kernel it forked, and remove the folder."""
        if self.owner == os.getpid():
            self._end_server()
            shutil.rmtree(self.folder, ignore_errors=True)
            atexit.unregister(self.close)


def _enough_files() -> None:
    """See to it that kernels can have their sockets and files open.

    Raises
    ------
    RunError
    """
    import resource  # not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != hard < FILES:
        raise RunError(f"Only {hard} files may be open here; kernels need {FILES} (ulimit -n).")
    if resource.RLIM_INFINITY != soft < FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))


def open_station(rehearsal: str = "") -> Station:
    """This process's station, made when first asked for; child processes share it.

    Where forking is possible its fork server loads the libraries while the caller goes on.

    Parameters
    ----------
    rehearsal : str
        One of the helpers, whose function `rehearse` the server calls before its first fork.
    """
    global _station
    if os.name == "posix":
        _enough_files()
    with _lock:
        if _station is not None and not _station.folder.is_dir():  # cleared away by somebody
            _station.close()
            _station = None
        if _station is None or _station.owner != os.getpid():
            _station = Station(rehearsal)
            os.environ[STATION_VARIABLE] = str(_station.folder)
        if fork_problem() is None:
            _station.start()
        return _station


def close_station() -> None:
    """End this process's station, if it has one, with all its kernels."""
    global _station
    with _lock:
        if _station is not None:
            _station.close()
            _station = None
            os.environ.pop(STATION_VARIABLE, None)


def channel_folder() -> Path:
    """The private folder for this process's channels: the inherited one, or its own."""
    inherited = Path(os.environ.get(STATION_VARIABLE) or os.devnull)
    return inherited if inherited.is_dir() else open_station().folder


def fork_from(name: str) -> None:
    """Fork the kernels that this thread starts from the server at this socket of the station."""
    _nearest.set(name or SOCKET)


def ask(request: dict[str, object], descriptors: list[int]) -> Forked:
    """Send the nearest fork server a request, with open files for what it forks.

    That is a cohort's server, the station's, or that of a station of this process's own.

    Parameters
    ----------
    request : dict
        For a kernel ``argv`` (what follows ``-m ipykernel_launcher`` on its command line), ``cwd``
        and ``env``, its whole environment; for a server of its own ``cohort``.
    descriptors : list of int
        Of a kernel's stdout and stderr; of a server's listening socket.
    """
    channel = socket.socket(socket.AF_UNIX)
    for name in (_nearest.get(), SOCKET):
        with contextlib.suppress(OSError):  # none, or it was killed
            channel.connect(str(channel_folder() / name))
            break
    else:
        channel.connect(str(open_station().folder / SOCKET))
    socket.send_fds(channel, [b"k"], descriptors)
    channel.sendall(json.dumps(request).encode() + b"\n")
    return Forked(channel)


OPENS = "open_cohort("  # in the text of a notebook
COHORT = ("data", "codebook", "scenario", "n_clients", "seed")  # what open_cohort takes


@contextlib.contextmanager
def shared_cohort(parameters: Mapping[str, object], notebooks: Iterable[str]) -> Iterator[str]:
    """Have one cohort open for all notebooks of a run while the context lasts.

    The station's fork server forks a server that opens the cohort; kernels forked from that one
    find it open. Where that cannot be, each notebook opens the cohort itself, as in JupyterLab.

    Parameters
    ----------
    parameters : mapping
        Those of the notebooks.
    notebooks : iterable of str
        Their texts.

    Yields
    ------
    str
        What `fork_from` takes; empty where the notebooks share nothing.
    """
    cohort = {name: parameters[name] for name in COHORT if name in parameters}
    clear = all(os.path.isabs(str(cohort[name])) for name in COHORT[:2] if cohort.get(name))
    shared = clear and sum(OPENS in text for text in notebooks) > 1 and fork_problem() is None
    place = channel_folder() / f"cohort-{secrets.token_hex(6)}"
    try:
        listener = _listening(place) if shared else None  # kernels can already ask
    except OSError:
        listener = None
    if listener is None:
        yield ""
        return
    with ThreadPoolExecutor(1) as thread:  # the fork server may be loading; workers can start
        server = thread.submit(_server, cohort, listener)
        try:
            yield place.name
        finally:
            if found := server.result():
                found.send_signal(signal.SIGKILL)
                found.wait()
            place.unlink(missing_ok=True)


def _listening(place: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place))
    listener.listen(128)
    return listener


def _server(cohort: dict[str, object], listener: socket.socket) -> Forked | None:
    """The process that has the cohort open and forks kernels, or None."""
    with listener, contextlib.suppress(OSError):
        return ask({"cohort": cohort}, [listener.fileno()])
