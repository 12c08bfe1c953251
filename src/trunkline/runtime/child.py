"""A supervised process's side: the sockets it inherited, the line to its supervisor, and its end when that is gone."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable

from trunkline.runtime import metrics

# Set by the supervisor: `NAME=FD …`, the line to it under `CONTROL`, the others listening sockets.
INHERITED = "SUPERVISED_FDS"
CONTROL = "control"
CONFIGURATION = 78  # EX_CONFIG of sysexits.h: starting again would not help

_PR_SET_PDEATHSIG = 1
_DRAIN_S = 35.0


class Parent:
    """The line to the supervisor: lines of text, `ready`, `failed …` and `metrics …` up, `metrics` down."""

    def __init__(self, control: socket.socket, sockets: dict[str, socket.socket]) -> None:
        self.sockets = sockets  # by name; listening, inherited
        self._control = control
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    def inherited(cls) -> Parent | None:
        """The supervisor that started this process, if one did. From here on the process gets SIGTERM when the
        supervisor is gone, however it went, and 35 s later SIGKILL."""
        fds = dict(pair.split("=") for pair in os.environ.pop(INHERITED, "").split())
        if not fds:
            return None
        sockets = {name: socket.socket(fileno=int(fd)) for name, fd in fds.items()}
        control = sockets.pop(CONTROL)
        _die_with_parent(control)
        return cls(control, sockets)

    async def listen(self, snapshot: Callable[[], bytes] = metrics.REGISTRY.snapshot) -> None:
        """Answers the supervisor's questions from now on, on the running loop."""
        reader, self._writer = await asyncio.open_connection(sock=self._control)
        self._reading = asyncio.create_task(self._answer(reader, self._writer, snapshot))

    def ready(self) -> None:
        """Says that this process does its work now (after `listen`)."""
        assert self._writer is not None
        self._writer.write(b"ready\n")

    def failed(self, message: str) -> None:
        """Says in one line why this process cannot start; to be followed by `sys.exit(CONFIGURATION)`, if starting it
        again would not help. Works with and without a running loop."""
        with contextlib.suppress(OSError):
            os.write(self._control.fileno(), b"failed " + " ".join(message.split()).encode() + b"\n")

    async def close(self) -> None:
        """Gives the line up: the last thing before the process ends."""
        if self._reading is not None:
            self._reading.cancel()
        if self._writer is not None:
            self._writer.close()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, snapshot: Callable[[], bytes]
    ) -> None:
        with contextlib.suppress(OSError):  # the supervisor is gone: the watcher of `_die_with_parent` knows too
            while line := await reader.readline():
                if line == b"metrics\n":
                    writer.write(b"metrics " + snapshot() + b"\n")


def _die_with_parent(control: socket.socket) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    # A thread, so that a process whose loop hangs ends as well; it sleeps in the kernel until the line is cut. It also
    # covers a supervisor that died before prctl was called.
    threading.Thread(target=_watch, args=(os.dup(control.fileno()),), name="parent-watch", daemon=True).start()


def _watch(control: int) -> None:
    poll = select.poll()
    poll.register(control, getattr(select, "POLLRDHUP", 0))  # POLLHUP is always told
    poll.poll()
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(_DRAIN_S)
    os.kill(os.getpid(), signal.SIGKILL)
