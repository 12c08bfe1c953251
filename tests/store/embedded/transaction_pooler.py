"""A transaction pooler on a real socket: it lends a server connection to a client for one transaction at a time.

Clients log in through to the server; once they are in, their connection goes into the pool (last in, first out).
Parameters such as a listening client are forgotten, as such poolers do.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(eq=False)
class Upstream:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


async def message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """One message of PostgreSQL's protocol: its type, and all its bytes."""
    head = await reader.readexactly(5)
    return head[:1], head + await reader.readexactly(int.from_bytes(head[1:], "big") - 4)


@dataclass
class Pooler:
    """`server` is the path of PostgreSQL's socket; `session` lends for a whole session instead."""

    server: str
    session: bool = False
    idle: list[Upstream] = field(default_factory=list)
    every: list[asyncio.StreamWriter] = field(default_factory=list)
    tasks: list[asyncio.Task[None] | None] = field(default_factory=list)
    freed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.every.append(writer)
        self.tasks.append(asyncio.current_task())
        try:
            upstream = await self._log_in(reader, writer)
            if self.session:
                await self._relay_session(upstream, reader, writer)
            await self._give_back(upstream)
            while True:
                kind, first = await message(reader)
                if kind == b"X":
                    return
                upstream = await self._borrow()
                await self._transaction(upstream, first, reader, writer)
                await self._give_back(upstream)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _log_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Upstream:
        upstream = Upstream(*await asyncio.open_unix_connection(self.server))
        self.every.append(upstream.writer)
        size = await reader.readexactly(4)
        startup = size + await reader.readexactly(int.from_bytes(size, "big") - 4)
        upstream.writer.write(startup)
        while True:
            kind, content = await message(upstream.reader)
            writer.write(content)
            if kind == b"Z":
                return upstream
            if kind == b"R" and content[5:9] in (b"\0\0\0\x0a", b"\0\0\0\x0b"):  # SASL: the client is to answer
                upstream.writer.write((await message(reader))[1])

    async def _borrow(self) -> Upstream:
        async with self.freed:
            await self.freed.wait_for(lambda: bool(self.idle))
            return self.idle.pop()

    async def _give_back(self, upstream: Upstream) -> None:
        async with self.freed:
            self.idle.append(upstream)
            self.freed.notify()

    async def _transaction(
        self, upstream: Upstream, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        content, kind = first, first[:1]
        while True:
            upstream.writer.write(content)
            if kind in (b"Q", b"S"):  # answered up to ReadyForQuery, which says whether the transaction is over
                if (await self._relay(upstream, writer, until=b"Z"))[5:6] == b"I":
                    return
            elif kind == b"H":  # asyncpg flushes after Describe: a row description, none, or an error
                await self._relay(upstream, writer, until=b"TnE")
            kind, content = await message(reader)

    async def _relay(self, upstream: Upstream, writer: asyncio.StreamWriter, *, until: bytes) -> bytes:
        while True:
            kind, content = await message(upstream.reader)
            if kind != b"A":  # nobody known to be listening
                writer.write(content)
            if kind in until:
                return content

    async def _relay_session(
        self, upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        async def back() -> None:
            while chunk := await upstream.reader.read(65536):
                writer.write(chunk)
            writer.close()

        task = asyncio.ensure_future(back())
        while chunk := await reader.read(65536):
            upstream.writer.write(chunk)
        upstream.writer.close()
        await task
