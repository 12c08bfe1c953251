"""Both ends of an SMPP link for the tests: recording handlers, a peer made of octets, a loop with driven time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import uvloop

from trunkline.smpp import pdu as p
from trunkline.smpp.codec import decode, encode
from trunkline.smpp.esme import EsmeHandler, EsmeSession, connect
from trunkline.smpp.smsc import Server, SmscHandler, SmscSession, serve
from trunkline.smpp.timers import Timers

BIND = p.BindTransceiver(system_id="esme", password="secret")
MESSAGE = p.SubmitSm(source_addr="sender", source_addr_ton=5, destination_addr="15550001111", short_message=b"hello")
RECEIPT = p.DeliverSm(
    source_addr="15550001111", destination_addr="sender", esm_class=4, short_message=b"id:1 stat:DELIVRD"
)
# No timer of these ends within a test that does not drive the time.
CALM = Timers(sweep_s=0.02)


class _DrivenSelector(selectors.DefaultSelector):
    """Where nothing happens on any socket, the loop's time moves to the next timer instead of being waited for."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(0.0005)  # what the kernel has on its way between two local sockets comes first
        if not ready:
            self.now += timeout
        return ready


class DrivenLoop(asyncio.SelectorEventLoop):
    """Minutes of timers pass in milliseconds."""

    def __init__(self) -> None:
        self._driven = _DrivenSelector()
        super().__init__(self._driven)

    def time(self) -> float:
        return self._driven.now


def run(main: Callable[[], Coroutine[Any, Any, None]], *, driven: bool = False, uv: bool = False) -> None:
    """Run a test's coroutine; errors that reach the loop's handler fail it."""
    errors: list[dict[str, Any]] = []

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: errors.append(context))
        await main()

    factory = DrivenLoop if driven else uvloop.new_event_loop if uv else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(watched())
    assert not errors, errors


class Record:
    """What happened, in order, and a way to wait for it."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self._changed = asyncio.Event()

    def note(self, *event: Any) -> None:
        self.events.append(event)
        self._changed.set()

    def of(self, kind: str) -> list[tuple[Any, ...]]:
        return [event[1:] for event in self.events if event[0] == kind]

    async def until(self, kind: str, count: int = 1) -> list[tuple[Any, ...]]:
        async with asyncio.timeout(1000 if isinstance(asyncio.get_running_loop(), DrivenLoop) else 10):
            while len(self.of(kind)) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.of(kind)


class Esme(Record, EsmeHandler):
    """Notes what it is told, and answers what is delivered with `answer` (None: not at all)."""

    answer: int | None = 0

    def submit_answered(self, token, command_status, message_id, late):
        self.note("answered", token, command_status, message_id, late)

    def submit_unanswered(self, token):
        self.note("unanswered", token)

    def submit_lost(self, tokens):
        self.note("lost", list(tokens))

    def submit_not_sent(self, tokens):
        self.note("not_sent", list(tokens))

    def delivered(self, session, pdu):
        self.note("delivered", pdu)
        if self.answer is not None:
            session.answer(pdu, self.answer)

    def undecodable(self, session, command_id, sequence_number, octets, reason):
        self.note("undecodable", command_id, sequence_number, octets, reason)
        session.answer(sequence_number, 0, command_id=command_id)

    def other(self, session, pdu):
        self.note("other", pdu)

    def window_opened(self):
        self.note("window")

    def closed(self, reason):
        self.note("closed", reason)


class Smsc(Record, SmscHandler):
    """Notes what it is told; answers each submit with a running id unless `silent`."""

    session: SmscSession
    silent = False
    bind_status: int | None = 0
    deliver_at_bind: p.DeliverSm | None = None

    def bind(self, session, pdu):
        self.session = session
        self.note("bind", pdu)
        return self.bind_status

    def bound(self, session):
        self.note("bound")
        if self.deliver_at_bind is not None:
            session.deliver(self.deliver_at_bind, "glued")

    def submit(self, session, pdu):
        self.note("submit", pdu)
        if not self.silent:
            session.answer_submit(pdu.sequence_number, 0, f"id-{pdu.sequence_number}")

    def query(self, session, pdu):
        self.note("query", pdu)
        session.respond(p.QuerySmResp(sequence_number=pdu.sequence_number, message_id=pdu.message_id, message_state=2))

    def delivered_answered(self, token, command_status):
        self.note("delivered_answered", token, command_status)

    def delivered_unanswered(self, token):
        self.note("delivered_unanswered", token)

    def lost(self, tokens):
        self.note("lost", list(tokens))

    def not_sent(self, tokens):
        self.note("not_sent", list(tokens))

    def closed(self, reason):
        self.note("closed", reason)


class Link:
    """Our ESME bound to our SMSC."""

    def __init__(self, server: Server, smsc: Smsc, esme: Esme, session: EsmeSession) -> None:
        self.server, self.smsc, self.esme, self.session = server, smsc, esme, session


def linked(
    test: Callable[[Link], Awaitable[None]],
    *,
    driven: bool = False,
    uv: bool = False,
    timers: Timers = CALM,
    smsc_timers: Timers | None = None,
    window: int = 10,
    bind: p.Bind = BIND,
    smsc: type[Smsc] = Smsc,
    **smsc_attributes: Any,
) -> None:
    """Run `test` with a link; both ends are gone afterwards."""

    async def main() -> None:
        smsc_end, esme_end = smsc(), Esme()
        for name, value in smsc_attributes.items():
            setattr(smsc_end, name, value)
        server = await serve("127.0.0.1", 0, lambda: smsc_end, timers=smsc_timers or timers)
        try:
            session = await connect("127.0.0.1", server.port, bind, esme_end, timers=timers, window=window)
            try:
                await test(Link(server, smsc_end, esme_end, session))
            finally:
                session.abort()
                await session.wait_closed()
        finally:
            await server.close()

    run(main, driven=driven, uv=uv)


class RawPeer:
    """The other side as octets."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def write(self, *what: bytes | p.Pdu) -> None:
        self.writer.write(b"".join(part if isinstance(part, bytes) else encode(part) for part in what))

    async def octets(self) -> bytes:
        """The next PDU, whole."""
        async with asyncio.timeout(1000 if isinstance(asyncio.get_running_loop(), DrivenLoop) else 10):
            head = await self.reader.readexactly(4)
            return head + await self.reader.readexactly(int.from_bytes(head, "big") - 4)

    async def pdu(self) -> Any:
        return decode(await self.octets())

    async def at_end(self) -> bool:
        """Whether the other side closed without saying more."""
        async with asyncio.timeout(1000 if isinstance(asyncio.get_running_loop(), DrivenLoop) else 10):
            try:
                return await self.reader.read() == b""
            except ConnectionResetError:
                return True

    def close(self) -> None:
        self.writer.transport.abort()

    async def gone(self) -> None:
        self.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


def against_raw_smsc(
    test: Callable[[RawPeer, Esme, EsmeSession], Awaitable[None]],
    *,
    driven: bool = False,
    timers: Timers = CALM,
    window: int = 10,
    bind: p.Bind = BIND,
) -> None:
    """Run `test` with our ESME bound to an SMSC made of octets."""

    async def main() -> None:
        peers: asyncio.Queue[RawPeer] = asyncio.Queue()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = RawPeer(reader, writer)
            request = await peer.pdu()
            peer.write(encode(p.BindTransceiverResp(system_id="raw"), request.sequence_number))
            peers.put_nowait(peer)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        esme = Esme()
        session = await connect("127.0.0.1", port, bind, esme, timers=timers, window=window)
        peer = await peers.get()
        try:
            await test(peer, esme, session)
        finally:
            session.abort()
            await session.wait_closed()
            await peer.gone()
            server.close()
            await server.wait_closed()

    run(main, driven=driven)


def against_raw_esme(
    test: Callable[[RawPeer, Smsc], Awaitable[None]],
    *,
    driven: bool = False,
    timers: Timers = CALM,
    bind: bool = True,
    smsc: Smsc | None = None,
) -> None:
    """Run `test` with an ESME made of octets, bound if `bind`, at our SMSC."""

    async def main() -> None:
        handler = smsc if smsc is not None else Smsc()
        server = await serve("127.0.0.1", 0, lambda: handler, timers=timers)
        peer = RawPeer(*await asyncio.open_connection("127.0.0.1", server.port))
        try:
            if bind:
                peer.write(encode(BIND, 1))
                assert (await peer.pdu()).command_status == 0
            await test(peer, handler)
        finally:
            await peer.gone()
            await server.close()

    run(main, driven=driven)
