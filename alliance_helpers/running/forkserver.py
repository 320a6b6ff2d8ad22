"""A process that has the kit's libraries loaded and forks Jupyter kernels from itself.

``station`` starts it as ``python -c`` with a listening Unix socket, and with a pipe as its stdin
that ends when its owner dies. A client connects, sends two file descriptors (stdout, stderr) and
one line of JSON, and reads back the kernel's process id and, when the kernel has ended, its exit
code, each in four bytes. Closing the connection kills the kernel.

Asked for a cohort instead (with a listening socket), it forks a server like itself that opens the
cohort first. The notebooks of one run are forked from that one.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import selectors
import signal
import socket
import sys
import time
from pathlib import Path

import alliance_helpers

from ..study.yaml_text import without_iri_grammar
from .station import MEMORY_VARIABLE, NUMBER

PR_SET_PDEATHSIG = 1
# What no helper imports, and the rehearsal does not come to: of what notebooks compute with, and of
# what a kernel imports while it starts.
PRELOAD = (
    "encodings.cp1252", "pandas.io.formats.csvs", "pandas.io.formats.html",
    "pandas.io.formats.string", "pyarrow.parquet", "matplotlib.pyplot", "seaborn", "ipywidgets",
    "alliance_helpers.running.kernels", "IPython.core.debugger", "IPython.core.completerlib",
    "IPython.core.logger", "IPython.core.oinspect", "IPython.core.pylabtools",
    "IPython.extensions.storemagic", "IPython.utils.wildcard", "ipykernel.debugger",
    "tornado.platform.asyncio",
)  # fmt: skip


def die_with_parent(parent: int) -> None:
    """Have the system kill this process as soon as its parent is gone (Linux only).

    Parameters
    ----------
    parent : int
        Process id of the parent, to notice a parent that died before the call.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def die_with_stdin(no_more: bool = False) -> None:
    """Have the system end this process as soon as its stdin, a pipe, has no writer left.

    Unlike `die_with_parent` this does not mind which thread of the parent started it.
    """
    import fcntl  # not on Windows

    if no_more:
        fcntl.fcntl(sys.stdin, fcntl.F_SETFL, 0)
        return
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(sys.stdin, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(sys.stdin, fcntl.F_SETFL, os.O_ASYNC)
    if select.select([sys.stdin], [], [], 0)[0]:
        os._exit(0)


class Server:
    """Accepts requests, forks, and reports how each kernel ended.

    Parameters
    ----------
    listener : socket.socket
        Bound and listening Unix socket.
    """

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.clients: dict[int, socket.socket] = {}
        self.selector = selectors.DefaultSelector()
        self.ended = socket.socketpair()  # something is to be read when a kernel has ended

    def serve(self) -> dict:
        """Fork on every request; only a forked child returns, with the request it is to fulfil."""
        die_with_stdin(no_more=True)  # from now on its end is one of the events
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # it only ends the wait
        for end in self.ended:
            end.setblocking(False)
        signal.set_wakeup_fd(self.ended[1].fileno())
        for source in (self.listener, sys.stdin, self.ended[0]):
            self.selector.register(source, selectors.EVENT_READ)
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is sys.stdin:
                    self.kill(*self.clients)
                    os._exit(0)
                elif key.fileobj is self.ended[0]:
                    self.ended[0].recv(4096)
                    self.reap()
                elif key.fileobj is self.listener:
                    if request := self.accept():
                        return request
                elif key.data in self.clients:  # closed, and until its kernel is reaped
                    self.kill(key.data)

    def accept(self) -> dict | None:
        """Read one request and fork; in the child return the request, in the server None."""
        client, _ = self.listener.accept()
        client.settimeout(10)
        try:
            _, streams, _, _ = socket.recv_fds(client, 1, 2)
            with client.makefile("rb") as lines:
                request = json.loads(lines.readline())
        except (OSError, ValueError):
            client.close()
            return None
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            os.setsid()
            die_with_parent(server)
            self.leave(client)
            return request | {"streams": streams}
        for stream in streams:
            os.close(stream)
        self.clients[pid] = client
        self.selector.register(client, selectors.EVENT_READ, pid)
        self.tell(pid, pid)
        return None

    def tell(self, pid: int, number: int) -> None:
        with contextlib.suppress(OSError):  # the client is gone: its end of file comes next
            self.clients[pid].sendall(number.to_bytes(NUMBER, signed=True))

    def reap(self) -> None:
        """Report the exit code of every kernel that has ended."""
        for pid in list(self.clients):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self.tell(pid, os.waitstatus_to_exitcode(status))
                client = self.clients.pop(pid)
                self.selector.unregister(client)
                client.close()

    def kill(self, *pids: int) -> None:
        for pid in pids:  # not reaped yet, so the number still belongs to the kernel
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:  # forked an instant ago, no session of its own yet
                os.kill(pid, signal.SIGKILL)

    def leave(self, client: socket.socket) -> None:
        """In a forked child: give up everything that belongs to the server."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.selector.close()
        for sock in (client, self.listener, *self.ended, *self.clients.values()):
            sock.close()


def become_kernel(request: dict, set_by_imports: dict[str, str]) -> None:
    """Turn this freshly forked process into the kernel that was asked for.

    Parameters
    ----------
    request : dict
        ``argv`` of the kernel after the interpreter's own, ``cwd``, ``env`` and ``streams``.
    set_by_imports : dict
        Environment variables that the preloaded libraries set when they were imported.
    """
    import resource  # not on Windows

    import numpy as np

    from .kernels import launch

    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in enumerate((nothing, *request["streams"])):
        os.dup2(source, target)
        os.close(source)
    if most := request["env"].get(MEMORY_VARIABLE):
        # what the libraries reserved, a gigabyte hardly ever touched, is none of its own
        with contextlib.suppress(OSError), open("/proc/self/statm", encoding="ascii") as sizes:
            most = int(most) + int(sizes.read().split()[5]) * resource.getpagesize() // 2**20
        resource.setrlimit(resource.RLIMIT_DATA, (int(most) * 2**20,) * 2)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(set_by_imports | request["env"])
    time.tzset()
    np.random.seed()  # noqa: NPY002  every fork would start from the same global state
    if "MPLBACKEND" in os.environ:
        sys.modules["matplotlib"].rcParams["backend"] = os.environ["MPLBACKEND"]
    # parent_handle 1: no polling for the parent's end, the system tells us
    alone = {"HistoryManager": {"enabled": False}, "IPKernelApp": {"parent_handle": 1}}
    launch(request["argv"], alone)


def main() -> None:
    """Entry point of the server process; ``sys.argv`` names the listener's descriptor."""
    die_with_stdin()
    listener = socket.socket(fileno=int(sys.argv[1]))
    os.chdir(os.path.dirname(os.path.abspath(__file__)))  # matplotlib reads a file where it is
    before, stamps = dict(os.environ), helper_stamps()
    gc.disable()  # what libraries make as they load, stays
    preload()
    rehearse(sys.argv[2])
    set_by_imports = {k: v for k, v in os.environ.items() if before.get(k) != v}
    gc.freeze()
    gc.enable()
    request = Server(listener).serve()
    while True:
        if helper_stamps() != stamps:
            forget_helpers()
        if "cohort" not in request:
            break
        request = serve_cohort(request)
    become_kernel(request, set_by_imports)


def serve_cohort(request: dict) -> dict:
    """Open a cohort and fork on every request; only a forked child returns, as from `serve`.

    Parameters
    ----------
    request : dict
        ``cohort``, parameters of `study.open_cohort`, and ``streams``, a listening socket.
    """
    from ..cohorts.cohort import keep_cohort

    with contextlib.suppress(Exception):  # the notebooks will say it
        keep_cohort(**request["cohort"])
    gc.freeze()
    gc.set_threshold(50_000)  # a run's kernel ends before it has made as many objects
    (listener,) = request["streams"]
    return Server(socket.socket(fileno=listener)).serve()


def preload() -> None:
    """Import what the notebooks import; what cannot be imported is left to fail in the kernel."""
    helpers = [f"alliance_helpers.{name.removesuffix('.__init__')}" for name in helper_files()]
    with without_iri_grammar():
        for name in (*PRELOAD, *helpers):
            try:
                importlib.import_module(name)
            except Exception as error:  # a broken helper breaks its notebook, not every kernel
                print(f"alliance: {name} could not be preloaded: {error}", file=sys.stderr)
    if "ipywidgets" in sys.modules:  # outside a kernel its import leaves this out
        sys.modules["ipywidgets"].register_comm_target()


def helper_files() -> dict[str, Path]:
    """Name and file of each module that a notebook can import; the room that runs it left out."""
    package = Path(alliance_helpers.__file__).parent
    files = {p.relative_to(package).with_suffix(""): p for p in sorted(package.rglob("*.py"))}
    return {
        ".".join(n.parts): p for n, p in files.items() if n.parts[0] not in ("running", "__init__")
    }


def helper_stamps() -> dict[str, int]:
    """When each helper was last changed."""
    return {name: path.stat().st_mtime_ns for name, path in helper_files().items()}


def forget_helpers() -> None:
    """Let the notebook import the helpers anew: one was edited after the libraries were loaded."""
    for name in [n for n in sys.modules if n.split(".")[0] == alliance_helpers.__name__]:
        del sys.modules[name]


def rehearse(further: str = "") -> None:
    """Simulate, clean, assess and draw one cohort: every kernel starts with code that has run.

    What stays is what Python and the libraries keep for speed (specialised bytecode, compiled
    patterns, fonts); it takes a fifth off the processor time of a whole run.

    Parameters
    ----------
    further : str
        One of the helpers, whose own function `rehearse` is called too.
    """
    try:
        from matplotlib.figure import Figure

        from ..claims.assess import assess
        from ..claims.rules import read_rules
        from ..cohorts.cohort import open_cohort
        from ..pages import plots
        from ..pages.outputs import save_figure
        from ..pages.printing import pretty

        study, rules = open_cohort(scenario="published"), read_rules("", "")
        rows = assess(study.dyads, study.codebook, rules, limits_90=True)
        pretty(rows, study.codebook)._repr_html_()
        figure = Figure(layout="constrained")  # pyplot would settle on a backend for all
        save_figure(plots.forest(rows[:9], ax=figure.subplots()), "rehearsal")
        if further in helper_files():
            importlib.import_module(f"alliance_helpers.{further}").rehearse()
    except Exception as error:  # as above: the notebooks will say it where it matters
        print(f"alliance: no rehearsal: {error}", file=sys.stderr)
