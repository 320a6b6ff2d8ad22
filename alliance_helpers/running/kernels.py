"""Kernels that start warm (forked from a preloaded process) and talk over private channels.

Jupyter picks a provisioner by name: with ``JUPYTER_DEFAULT_PROVISIONER_NAME=alliance-warm`` in
the environment every notebook gets this one, and neither notebooks nor kernelspecs change. No
kernel has a TCP port: with the `ipc` transport ipykernel would still open one, for the prints of
children that a notebook forks; here they use a Unix socket beside the kernel's other ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Empty
from typing import Any

import zmq
from ipykernel import kernelapp
from ipykernel.iostream import IOPubThread
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from traitlets.config import Config
from zmq.eventloop.zmqstream import ZMQStream

from .station import PIPE, SAFE_PATH, ask, channel_folder, fork_problem


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


def launch(arguments: list[str], settings: Mapping[str, Any] | None = None) -> None:
    """Run a kernel in this process until it is told to end.

    Parameters
    ----------
    arguments : list of str
        What ``python -m ipykernel_launcher`` takes, ``-f connection.json`` among it.
    settings : mapping, optional
        Further configuration: class to its traits.
    """
    connection = json.loads(Path(arguments[arguments.index("-f") + 1]).read_text())
    if connection["transport"] == "ipc":
        PrivateIOPubThread.address = f"ipc://{connection['ip']}-{PIPE}"
        kernelapp.IOPubThread = PrivateIOPubThread
    sys.argv = ["ipykernel_launcher", *arguments]
    config = Config(settings or {})
    config.InteractiveShellApp.ignore_cwd = True  # IPython before 9.7 would import from there
    kernelapp.IPKernelApp.launch_instance(argv=arguments, config=config)


if __name__ == "__main__":
    launch(sys.argv[1:])


PROVISIONER_VARIABLE = "JUPYTER_DEFAULT_PROVISIONER_NAME"
PROVISIONER = "alliance-warm"


def warm_arguments(cmd: list[str]) -> list[str] | None:
    """The arguments of a kernel command that a fork can stand in for, else None."""
    same_python = Path(cmd[0]).parent.absolute() == Path(sys.executable).parent.absolute()
    rest = [part for part in cmd[1:] if part not in ("-P", "-Xfrozen_modules=off")]
    if same_python and rest[:2] == ["-m", "ipykernel_launcher"]:
        return rest[2:]
    return None


class WarmProvisioner(LocalProvisioner):
    """Forks kernels where it can, starts ordinary ones where not, and keeps both off TCP."""

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Move the channels from TCP to sockets in a folder only this user can read.

        The kernel imports nothing from its working folder, which may be a study's.
        """
        km = self.parent
        untouched = km.transport == "tcp" and not any(km.ports)
        if untouched and os.name == "posix" and zmq.has("ipc"):
            channel = str(channel_folder() / self.kernel_id.replace("-", "")[:12])
            km.transport = "ipc"
            km.ip = channel
            km.cache_ports = False
            if not km.connection_file:
                km.connection_file = f"{channel}.json"
        prepared = await super().pre_launch(**kwargs)
        prepared["env"] |= SAFE_PATH
        if not os.path.isabs(prepared["env"].get("PYTHONSTARTUP", "")):
            prepared["env"].pop("PYTHONSTARTUP", None)  # IPython would run what lies there
        return prepared

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> dict[str, Any]:
        """Fork the kernel; if that cannot be, say why and start it the ordinary way."""
        argv, problem = warm_arguments(cmd), fork_problem()
        odd = {key for key, value in kwargs.items() if value} - {"cwd", "env", "kernel_id"}
        if argv is None or odd:
            asked = " ".join([*cmd, *sorted(odd)])
            problem = problem or f"the kernel is not this Python's own, or asks for more: {asked}"
        if problem is None:
            cwd = str(kwargs.get("cwd") or os.getcwd())
            request = {"argv": argv, "cwd": cwd, "env": kwargs["env"]}
            try:
                self.process = await asyncio.to_thread(ask, request, [1, 2])
            except OSError as error:
                problem = str(error)
            else:
                self.pid = self.pgid = self.process.pid
                self.cwd = cwd
                await self._channels_open()
                return self.connection_info
        self.log.warning("alliance: an ordinary, slower kernel is started: %s", problem)
        if argv is not None and self.connection_info.get("transport") == "ipc":
            cmd = [cmd[0], "-m", "alliance_helpers.running.kernels", *argv]
        return await super().launch_kernel(cmd, **kwargs)

    async def _channels_open(self) -> None:
        """Wait for the kernel's sockets: a client that comes too early tries again 0.1 s later."""
        km = self.parent
        sockets = [Path(f"{km.ip}-{port}") for port in km.ports if km.transport == "ipc"]
        await self._until(lambda: all(s.exists() for s in sockets), 5)

    async def _until(self, so: Callable[[], bool], seconds: float) -> None:
        """Wait until something is so, the kernel has ended, or for so long."""
        deadline = time.monotonic() + seconds
        while not so() and await self.poll() is None and time.monotonic() < deadline:
            await asyncio.sleep(0.002)

    async def kill(self, restart: bool = False) -> None:
        """Kill the kernel and everything it started; its end comes a few milliseconds later."""
        await super().kill(restart=restart)
        await self._until(lambda: False, 0.4)

    async def cleanup(self, restart: bool = False) -> None:
        """Remove the one socket that Jupyter does not know of."""
        await super().cleanup(restart=restart)
        km = self.parent
        if km.transport == "ipc":
            Path(f"{km.ip}-{PIPE}").unlink(missing_ok=True)


class PromptClient(AsyncKernelClient):
    """A client that goes on once the kernel is ready (Jupyter's waits for 0.2 s of silence)."""

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until a reply and its `idle` status have come, so that both channels are open.

        Raises
        ------
        RuntimeError
            The kernel ended, or did not answer in time.
        """
        deadline = time.monotonic() + (timeout or float("inf"))
        while time.monotonic() < deadline:
            request = self.kernel_info()
            with contextlib.suppress(Empty):
                self._handle_kernel_info_reply(await self.get_shell_msg(timeout=1))
                told = None
                while told != (request, "idle"):
                    message = await self.get_iopub_msg(timeout=0.05)
                    state = message["content"].get("execution_state")
                    told = message["parent_header"].get("msg_id"), state
                return
            if not await self.is_alive():
                raise RuntimeError("Kernel died before replying to kernel_info")
        raise RuntimeError(f"Kernel didn't respond in {timeout} seconds")


class PromptKernelManager(AsyncKernelManager):
    """Jupyter's kernel manager with the prompt client; pass it to papermill."""

    client_class = "alliance_helpers.running.kernels.PromptClient"
    client_factory = PromptClient
