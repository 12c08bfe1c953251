"""Customers' servers of every kind in a process of their own, each kind on a port of its own.

Ledger: `hook` with server (its kind), path and what came of a client certificate; `open` for each connection. The first
line tells the ports by kind.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from rig.recording import Recorder, main

from trunkline.runtime import clock

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nthanks"
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_GIGABYTE = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
_GZIP = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1000000000\r\n\r\n\x1f\x8b\x08\0\0\0\0\0\0\x03"
SLOW_S = 0.5


class Peer:
    """One connection of one kind of server."""

    def __init__(self, owner: Receivers, kind: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.owner, self.kind, self.reader, self.writer = owner, kind, reader, writer

    async def request(self) -> str:
        """The next request's webhook-id; it is in the ledger."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        lines = [line.split(": ", 1) for line in head.split("\r\n")[1:-2]]
        fields = {name.lower(): value for name, value in lines}
        await self.reader.readexactly(int(fields["content-length"]))
        self.owner.note(
            "hook", server=self.kind, path=head.split(" ")[1], id=fields["webhook-id"],
            authorization=fields.get("authorization"), peer=_name(self.writer),
        )  # fmt: skip
        self.owner.count(self.kind)
        return fields["webhook-id"]

    async def send(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    async def for_ever(self, raw: bytes, pause_s: float = 0.0) -> None:
        while True:
            await self.send(raw)
            if pause_s:
                await clock.sleep(pause_s)


def _name(writer: asyncio.StreamWriter) -> str | None:
    shown = writer.get_extra_info("peercert")
    return dict(part[0] for part in shown["subject"])["commonName"] if shown else None


async def _plain(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.send(_OK)


async def _slow(peer: Peer) -> None:
    while True:
        await peer.request()
        await clock.sleep(SLOW_S)
        await peer.send(_OK)


async def _resetting(peer: Peer) -> None:
    """The first attempt of each event ends in a reset."""
    while True:
        hook_id = await peer.request()
        if hook_id not in peer.owner.reset:
            peer.owner.reset.add(hook_id)
            return
        await peer.send(_OK)


async def _huge(peer: Peer) -> None:
    await peer.request()
    await peer.send(_GIGABYTE)
    await peer.for_ever(b"x" * 65536)


async def _chunks(peer: Peer) -> None:
    await peer.request()
    await peer.send(_CHUNKED)
    await peer.for_ever(b"1000\r\n" + b"x" * 4096 + b"\r\n")


async def _gzip_bomb(peer: Peer) -> None:
    await peer.request()
    await peer.send(_GZIP)
    await peer.for_ever(b"\0" * 65536)


async def _dripping(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nX: ")
    await peer.for_ever(b"y", pause_s=1.0)


async def _headers(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(10_000)) + b"\r\n")
    await peer.reader.read()


async def _continues(peer: Peer) -> None:
    await peer.request()
    await peer.for_ever(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


async def _silent(peer: Peer) -> None:
    """Takes the connection and says nothing: for TLS a handshake that never ends."""
    await peer.reader.read()


async def _reset_at_once(peer: Peer) -> None:
    await peer.request()


KINDS: dict[str, Callable[[Peer], Awaitable[None]]] = {
    "plain": _plain,
    "slow": _slow,
    "resetting": _resetting,
    "huge": _huge,
    "chunks": _chunks,
    "gzip_bomb": _gzip_bomb,
    "dripping": _dripping,
    "headers": _headers,
    "continues": _continues,
    "silent": _silent,
    "reset": _reset_at_once,
}


class Receivers(Recorder):
    """`tls`: kinds beside those above, by name: the server's PEM file and, where it asks for one, the authority of
    client certificates."""

    def __init__(self, ledger: Path, settings: dict[str, Any]) -> None:
        super().__init__(ledger)
        self.reset: set[str] = set()
        self._tls: dict[str, list[str]] = settings.get("tls", {})

    async def start(self) -> dict[str, Any]:
        ports = {kind: await self._listen(kind, script) for kind, script in KINDS.items()}
        for kind, (file, *asks) in self._tls.items():
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(file)
            if asks:
                context.load_verify_locations(cafile=asks[0])
                context.verify_mode = ssl.CERT_REQUIRED
            ports[kind] = await self._listen(kind, _plain, context)
        return {"ports": ports}

    async def _listen(
        self, kind: str, script: Callable[[Peer], Awaitable[None]], tls: ssl.SSLContext | None = None
    ) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.note("open", server=kind)
            with suppress(EOFError, OSError, asyncio.CancelledError):
                await script(Peer(self, kind, reader, writer))
            writer.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        port: int = server.sockets[0].getsockname()[1]
        return port


if __name__ == "__main__":
    main(Receivers)
