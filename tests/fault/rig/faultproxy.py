"""A TCP proxy that spoils the connection between two parties on command: the network's own faults.

`delay_s` and `jitter_s` on each chunk, `slice` (so many octets a write), `stall` (nothing passes, nothing ends),
`blackhole` (what comes is swallowed; `swallowed`: of some connections), `reset_after` octets to the server, `cut` (RST
on both sides now), `lose_answer` (the server has done what it was asked, and the answer never arrives). The server is a
port of loopback, or a unix socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trunkline.runtime import clock

_LINGER = struct.pack("ii", 1, 0)


class FaultProxy:
    """Made by `proxied`. Attributes are read at each chunk, so they may be changed at any time."""

    def __init__(self, server: int | str) -> None:
        self.server = server  # a port, or the path of a unix socket
        self.port = 0
        self.delay_s = 0.0
        self.jitter_s = 0.0
        self.slice = 0
        self.blackhole = False
        self.swallowed: set[int] = set()  # connections, by their number, of which nothing passes either way
        self.reset_after: int | None = None  # octets to the server, all connections together
        self.passed = 0  # octets to the server
        self.connection_count = 0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._losing: tuple[bytes, int, asyncio.Future[None]] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def stall(self) -> None:
        """Lets nothing pass any more; connections stay open, new ones too."""
        self._flowing.clear()

    def flow(self) -> None:
        """Lets everything pass again, what waits first."""
        self._flowing.set()

    def cut(self) -> int:
        """Resets every connection on both sides. Returns how many ends."""
        ends = list(self._open)
        for writer in ends:
            _reset(writer)
        return len(ends)

    def lose_answer(self, name: bytes, nth: int) -> asyncio.Future[None]:
        """Of the connections whose first octets hold `name`: the nth answer from now on is not passed on, and that
        connection is reset. The future tells when it has happened."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._losing = (name, nth, future)
        return future

    def _is_lost(self, first: bytes) -> bool:
        if self._losing is None or self._losing[0] not in first:
            return False
        name, left, future = self._losing
        self._losing = (name, left - 1, future) if left > 1 else None
        if left == 1 and not future.done():
            future.set_result(None)
        return left == 1

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connection_count += 1
        number = self.connection_count
        try:
            if isinstance(self.server, str):
                there = await asyncio.open_unix_connection(self.server)
            else:
                there = await asyncio.open_connection("127.0.0.1", self.server)
        except OSError:
            _reset(writer)
            return
        self._open |= {writer, there[1]}
        first = bytearray()  # what the client said first: who it is
        ways = [
            asyncio.create_task(self._pass(reader, there[1], first, number, to_server=True)),
            asyncio.create_task(self._pass(there[0], writer, first, number, to_server=False)),
        ]
        self._tasks.update(ways)
        await asyncio.wait(ways)
        self._tasks.difference_update(ways)
        for one in (writer, there[1]):
            self._open.discard(one)
            one.close()

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        first: bytearray,
        number: int,
        *,
        to_server: bool,
    ) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while chunk := await reader.read(65536):
                await self._flowing.wait()
                if to_server and len(first) < 1000:
                    first += chunk
                if not to_server and self._is_lost(first):
                    _reset(writer)
                    return
                if self.delay_s or self.jitter_s:
                    await clock.sleep(self.delay_s + random.random() * self.jitter_s)
                if self.blackhole or number in self.swallowed:
                    continue
                if to_server:
                    self.passed += len(chunk)
                    if self.reset_after is not None and self.passed >= self.reset_after:
                        self.reset_after = None
                        self.cut()
                        return
                await self._write(writer, chunk)
            if not (self.blackhole or number in self.swallowed):
                writer.write_eof()

    async def _write(self, writer: asyncio.StreamWriter, chunk: bytes) -> None:
        if not self.slice:
            writer.write(chunk)
            await writer.drain()
            return
        for start in range(0, len(chunk), self.slice):
            writer.write(chunk[start : start + self.slice])
            await writer.drain()
            await clock.sleep(0)


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX and not writer.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    writer.transport.abort()


@asynccontextmanager
async def proxied(server: int | str) -> AsyncIterator[FaultProxy]:
    """A proxy in front of `server`, listening on a free port of loopback."""
    proxy = FaultProxy(server)
    listening = await asyncio.start_server(proxy._accepted, "127.0.0.1", 0)
    proxy.port = listening.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listening.close()
        proxy.flow()
        proxy.cut()
        for task in list(proxy._tasks):
            task.cancel()
        if proxy._tasks:
            await asyncio.wait(proxy._tasks)
