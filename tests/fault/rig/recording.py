"""What all recorders are made of: a process with a ledger and a control line.

A recorder appends one JSON line to its ledger, in one write, before it answers whoever it answers, and each is a
process of its own: whatever is killed beside it, its evidence stays. It is driven by lines of JSON, on a TCP port of
loopback; a question may be answered late ("once so many submits have come"), which is how tests wait. It ends when its
standard input is closed, so that nothing outlives a test that died.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import uvloop

T = TypeVar("T")
_encode = msgspec.json.Encoder().encode


class Recorder:
    """The base: subclasses note what they see, and have `do_NAME` coroutines for what they may be asked."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.counts: Counter[str] = Counter()
        self._waiting: list[tuple[str, int, asyncio.Future[None]]] = []

    def note(self, kind: str, **fields: Any) -> None:
        """Appends one line; returns once the kernel has it."""
        os.write(self._ledger, _encode({"k": kind, "t": time.monotonic(), **fields}) + b"\n")
        self.count(kind)

    def count(self, kind: str) -> None:
        """Counts something without a line of its own, and wakes who waits for it."""
        self.counts[kind] += 1
        if self._waiting:
            reached = [future for name, least, future in self._waiting if self.counts[name] >= least]
            for future in reached:
                if not future.done():
                    future.set_result(None)
            if reached:
                self._waiting = [entry for entry in self._waiting if not entry[2].done()]

    async def start(self) -> dict[str, Any]:
        """Starts whatever the recorder is for; returns what its starter has to know."""
        return {}

    async def stop(self) -> None:
        """The last call."""

    async def do_wait(self, kind: str, count: int) -> int:
        """Answers once `count` of `kind` were counted."""
        if self.counts[kind] < count:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((kind, count, future))
            await future
        return self.counts[kind]

    async def do_counts(self) -> dict[str, int]:
        return dict(self.counts)


async def _controlled(recorder: Recorder, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while line := await reader.readline():
            asked = json.loads(line)
            try:
                answer = {"ok": await getattr(recorder, "do_" + asked.pop("do"))(**asked)}
            except Exception as error:
                answer = {"error": repr(error)}
            writer.write(json.dumps(answer).encode() + b"\n")
    except (ConnectionError, asyncio.CancelledError):
        pass
    finally:
        writer.close()


async def _main(recorder: Recorder) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), lambda: ended.set() if not os.read(sys.stdin.fileno(), 4096) else None)
    told = await recorder.start()
    control = await asyncio.start_server(
        lambda reader, writer: _controlled(recorder, reader, writer), "127.0.0.1", 0, limit=1 << 20
    )
    print(json.dumps({"control": control.sockets[0].getsockname()[1], **told}), flush=True)
    await ended.wait()
    loop.remove_reader(sys.stdin.fileno())
    control.close()
    await recorder.stop()


def main(make: Callable[[Path, dict[str, Any]], Recorder]) -> None:
    """Runs one recorder: arguments are the ledger's path and the settings as JSON."""
    ledger, settings = Path(sys.argv[1]), json.loads(sys.argv[2])

    async def run() -> None:
        await _main(make(ledger, settings))

    uvloop.run(run())


class Recording:
    """A recorder as its starter has it. Made by `started`; ended by `stop`, or by our own end."""

    def __init__(self, process: asyncio.subprocess.Process, told: dict[str, Any], ledger: Path) -> None:
        self.process = process
        self.told = told
        self.ledger = ledger

    @classmethod
    async def started(cls, module: str, ledger: Path, **settings: Any) -> Recording:
        """Starts `python -m rig.MODULE` and waits until it listens."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"rig.{module}",
            str(ledger),
            json.dumps(settings),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent.parent), *sys.path])},
            start_new_session=True,
        )
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            raise AssertionError(f"recorder {module} did not start: exit {await process.wait()}")
        return cls(process, json.loads(line), ledger)

    async def ask(self, do: str, **arguments: Any) -> Any:
        """Asks over a line of its own, so that a question that waits holds no other up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.told["control"], limit=1 << 24)
        try:
            writer.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
            answer = json.loads(await reader.readline())
        finally:
            writer.close()
        if "error" in answer:
            raise AssertionError(f"{do}: {answer['error']}")
        return answer["ok"]

    async def wait(self, kind: str, count: int, within_s: float = 60.0) -> int:
        """Returns once the recorder counted so many. Raises AssertionError where that takes too long."""
        try:
            return int(await asyncio.wait_for(self.ask("wait", kind=kind, count=count), within_s))
        except TimeoutError:
            raise AssertionError(f"no {count} {kind} in {within_s} s: {await self.ask('counts')}") from None

    def lines(self) -> list[dict[str, Any]]:
        """The ledger as it is now."""
        return read(self.ledger)

    async def stop(self) -> None:
        if self.process.returncode is None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                await asyncio.wait_for(self.process.wait(), 5)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()


def read(ledger: Path) -> list[dict[str, Any]]:
    """The lines of a ledger."""
    if not ledger.exists():
        return []
    return [msgspec.json.decode(line) for line in ledger.read_bytes().splitlines()]
