"""An IPython kernel without any TCP port.

With the `ipc` transport ipykernel still opens one: children that a notebook forks send their
prints to it. Here they use a Unix socket beside the kernel's other ones.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import zmq
from ipykernel import kernelapp
from ipykernel.iostream import IOPubThread
from traitlets.config import Config
from zmq.eventloop.zmqstream import ZMQStream

from alliance_helpers.running.station import PIPE


class PrivateIOPubThread(IOPubThread):
    """Sends a kernel's outputs; takes those of forked children from a Unix socket."""

    address = ""

    def _setup_pipe_in(self) -> None:
        self._pipe_uuid = b""  # the folder is private, a password is not needed
        pipe = self.socket.context.socket(zmq.PULL)
        pipe.linger = 0
        pipe.bind(self.address)
        self._pipe_in = ZMQStream(pipe, self.io_loop)
        self._pipe_in.on_recv(self._handle_pipe_msg)

    def _setup_pipe_out(self) -> tuple[zmq.Context, zmq.Socket]:
        context = zmq.Context()  # a forked child cannot use its parent's
        pipe = context.socket(zmq.PUSH)
        pipe.linger = 3000
        pipe.connect(self.address)
        return context, pipe


class PrivateKernelApp(kernelapp.IPKernelApp):
    """Reads the command line that Jupyter gives a kernel without building a parser for 50 more."""

    def parse_command_line(self, argv: list[str] | None = None) -> None:
        if len(argv or ()) == 2 and argv[0] == "-f":
            self.update_config(Config(IPKernelApp={"connection_file": argv[1]}))
        else:
            super().parse_command_line(argv)


def launch(arguments: list[str], config: Config | None = None) -> None:
    """Run a kernel in this process until it is told to end.

    Parameters
    ----------
    arguments : list of str
        What ``python -m ipykernel_launcher`` takes, ``-f connection.json`` among it.
    config : Config, optional
        Settings that go with them.
    """
    connection = json.loads(Path(arguments[arguments.index("-f") + 1]).read_text())
    if connection["transport"] == "ipc":
        PrivateIOPubThread.address = f"ipc://{connection['ip']}-{PIPE}"
        kernelapp.IOPubThread = PrivateIOPubThread
    sys.argv = ["ipykernel_launcher", *arguments]
    config = config or Config()
    config.InteractiveShellApp.ignore_cwd = True  # IPython before 9.7 would import from there
    PrivateKernelApp.launch_instance(argv=arguments, config=config)


if __name__ == "__main__":
    launch(sys.argv[1:])
