"""Keeps the processes of an installation's node alive: starts them, starts dead ones again, and ends them in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from trunkline.runtime import metrics
from trunkline.runtime.child import CONFIGURATION, CONTROL, INHERITED
from trunkline.runtime.log import get_logger
from trunkline.runtime.metrics import Family

log = get_logger()

_UP = metrics.gauge("trunkline_process_up", "1 while the process does its work.", "process")
_DEATHS = metrics.counter("trunkline_process_deaths", "Ends of processes that nobody asked for.", "process")
_LINE_LIMIT = 16 * 1024 * 1024  # a metrics snapshot is one line


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One process to keep: what to run, and the listening sockets that it inherits (by name, `Parent.sockets`)."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)  # added to ours
    sockets: Mapping[str, socket.socket] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient a supervisor is, in seconds."""

    first_s: float = 1.0  # before the first restart; doubled with each further failure
    limit_s: float = 30.0
    reset_s: float = 60.0  # alive for so long: earlier failures are forgotten
    # A child that was ready for so long was killed, it did not fail to start: back after first_s, however often.
    sturdy_s: float = 2.0
    configuration_s: float = 60.0  # five times in a row within this: the configuration is wrong, and stays wrong
    drain_s: float = 35.0
    scrape_s: float = 0.5
    sample_s: float = 5.0


_CONFIGURATION_COUNT = 5
_TWICE_S = 0.5  # one Ctrl-C may arrive twice, from the terminal and from a wrapper such as `uv run`


class _Child:
    """One life of a process."""

    def __init__(self, spec: ChildSpec, process: asyncio.subprocess.Process, writer: asyncio.StreamWriter) -> None:
        self.spec = spec
        self.process = process
        self.writer = writer
        self.ready_at: float | None = None  # loop time
        self.message = ""  # why it says it cannot start
        self.numbers: list[Family] = []  # as of its last answer
        self.answered = asyncio.Event()

    def signal(self, signum: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signum)


class Supervisor:
    """Runs until it is told to stop or until a child's configuration is wrong.

    `on_child_dead(spec, pid)` is called when a child ended without being asked to, before it is started again. Once all
    children are ready for the first time `ready` is set. `message` says why `run` ended with a code other than 0.
    """

    def __init__(
        self,
        children: Sequence[ChildSpec],
        *,
        on_child_dead: Callable[[ChildSpec, int], None] | None = None,
        pace: Pace = Pace(),
    ) -> None:
        self._specs = children
        self._on_child_dead = on_child_dead
        self._pace = pace
        self._living: dict[str, _Child] = {}
        self._departed: list[Family] = []  # what dead children had counted
        self._been_ready: set[str] = set()
        self._stopping = asyncio.Event()
        self._stop_asked_at: float | None = None
        self._code = 0
        self.ready = asyncio.Event()
        self.message = ""

    async def run(self, *, signals: bool = True) -> int:
        """Starts and keeps the children until SIGTERM, SIGINT, SIGHUP (with `signals`) or `stop`; returns the exit
        code: 0, 1 if a child had to be killed at the end, or 78 if one cannot start with its configuration. These
        signals are ignored from then on."""
        loop = asyncio.get_running_loop()
        caught = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP) if signals else ()
        for signum in caught:
            loop.add_signal_handler(signum, self._on_signal)
        sampling = asyncio.create_task(self._sample())
        try:
            async with asyncio.TaskGroup() as keeping:
                for spec in self._specs:
                    keeping.create_task(self._keep(spec))
        finally:
            sampling.cancel()
            for signum in caught:
                loop.remove_signal_handler(signum)
                # What follows (a database is stopped) is short and not to be cut off by one Ctrl-C more.
                signal.signal(signum, signal.SIG_IGN)
        return self._code

    def stop(self) -> None:
        """Asks all children to drain (SIGTERM); those still there after `drain_s` are killed."""
        if self._stopping.is_set():
            return
        loop = asyncio.get_running_loop()
        self._stopping.set()
        self._stop_asked_at = loop.time()
        log.info("supervisor.stopping", children=list(self._living))
        for child in self._living.values():
            child.signal(signal.SIGTERM)
        loop.call_later(self._pace.drain_s, self.hurry)

    def hurry(self) -> None:
        """Kills what is still there."""
        for child in self._living.values():
            log.warning("supervisor.killed", child=child.spec.name, pid=child.process.pid)
            child.signal(signal.SIGKILL)
            self._code = self._code or 1

    def pids(self) -> dict[str, int]:
        """The process id of each living child, by name."""
        return {name: child.process.pid for name, child in self._living.items()}

    async def numbers(self) -> list[Family]:
        """The metrics of all processes, this one's and dead ones' included, added up. A child that does not answer
        within `scrape_s` counts with its last answer."""
        asked = list(self._living.values())
        for child in asked:
            child.answered.clear()
            child.writer.write(b"metrics\n")
        if asked:
            waits = [asyncio.ensure_future(child.answered.wait()) for child in asked]
            _, late = await asyncio.wait(waits, timeout=self._pace.scrape_s)
            for wait in late:
                wait.cancel()
        own = metrics.read(metrics.REGISTRY.snapshot())
        return metrics.merged([own, self._departed, *(child.numbers for child in self._living.values())])

    def _on_signal(self) -> None:
        if self._stop_asked_at is None:
            self.stop()
        elif asyncio.get_running_loop().time() - self._stop_asked_at > _TWICE_S:
            self.hurry()

    async def _sample(self) -> None:
        """Asks for everyone's numbers now and then, so that a child that dies takes few of them along."""
        while not await self._stopped_within(self._pace.sample_s):
            await self.numbers()

    async def _stopped_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()

    async def _keep(self, spec: ChildSpec) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        refusals: list[float] = []  # when it said, in a row, that its configuration is wrong
        while not self._stopping.is_set():
            started_at = loop.time()
            child, code = await self._live(spec)
            if self._stopping.is_set():
                return
            _DEATHS.of(spec.name).value += 1
            log.error("child.died", child=spec.name, pid=child.process.pid, code=code, message=child.message)
            if self._on_child_dead is not None:
                self._on_child_dead(spec, child.process.pid)
            refusals = [*refusals, loop.time()] if code == CONFIGURATION and child.ready_at is None else []
            if len(refusals) >= _CONFIGURATION_COUNT and refusals[-1] - refusals[-5] <= self._pace.configuration_s:
                self._give_up(child)
                return
            if loop.time() - started_at >= self._pace.reset_s:
                failures = 0
            if child.ready_at is not None and loop.time() - child.ready_at >= self._pace.sturdy_s:
                await self._stopped_within(self._pace.first_s)
            else:
                await self._stopped_within(min(self._pace.limit_s, self._pace.first_s * 2.0**failures))
                failures = min(failures + 1, 16)

    def _give_up(self, child: _Child) -> None:
        self.message = child.message or f"{child.spec.name} cannot start with this configuration"
        self._code = CONFIGURATION
        self.stop()

    async def _live(self, spec: ChildSpec) -> tuple[_Child, int]:
        """One life of a child, from its start to its end."""
        ours, theirs = socket.socketpair()
        fds = {CONTROL: theirs.fileno(), **{name: sock.fileno() for name, sock in spec.sockets.items()}}
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *spec.argv,
                env={**os.environ, **spec.env, INHERITED: " ".join(f"{name}={fd}" for name, fd in fds.items())},
                pass_fds=tuple(fds.values()),
                stdin=asyncio.subprocess.DEVNULL,
                # Ctrl-C reaches the whole group of a terminal; children are told by us, in our order.
                start_new_session=True,
            )
        reader, writer = await asyncio.open_connection(sock=ours, limit=_LINE_LIMIT)
        child = self._living[spec.name] = _Child(spec, process, writer)
        log.info("child.started", child=spec.name, pid=process.pid)
        if self._stopping.is_set():  # asked to while it was being started
            child.signal(signal.SIGTERM)
        listening = asyncio.create_task(self._listen(child, reader))
        try:
            code = await process.wait()
            # What it wrote before its end is still to be read; but a grandchild may hold the line open.
            await asyncio.wait([listening], timeout=self._pace.scrape_s)
        finally:
            if process.returncode is None:  # an error of our own, or cancelled
                child.signal(signal.SIGKILL)
            listening.cancel()
            writer.close()
            del self._living[spec.name]
            child.answered.set()
        _UP.of(spec.name).value = 0
        self._departed = metrics.merged([self._departed, metrics.lasting(child.numbers)])
        return child, code

    async def _listen(self, child: _Child, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError, ValueError):  # ValueError: a line beyond the limit
            while line := await reader.readline():
                word, _, rest = line.rstrip(b"\n").partition(b" ")
                if word == b"ready":
                    self._on_ready(child)
                elif word == b"failed":
                    child.message = rest.decode(errors="replace")
                elif word == b"metrics":
                    with contextlib.suppress(msgspec.DecodeError):
                        child.numbers = metrics.read(rest)
                    child.answered.set()

    def _on_ready(self, child: _Child) -> None:
        child.ready_at = asyncio.get_running_loop().time()
        _UP.of(child.spec.name).value = 1
        log.info("child.ready", child=child.spec.name, pid=child.process.pid)
        self._been_ready.add(child.spec.name)
        if len(self._been_ready) == len(self._specs):
            self.ready.set()
