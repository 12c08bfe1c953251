"""The SMSC's end: listen, take binds and submits, deliver receipts and MO; made for simulators and fault tests too."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence

from trunkline.smpp import pdu as p
from trunkline.smpp import status as s
from trunkline.smpp.codec import HEADER, HEADER_OCTETS, LAYOUTS, PDU_OCTETS_MAX, decode_short_message, encode
from trunkline.smpp.errors import DecodeError, EncodeError
from trunkline.smpp.session import BOUND_AS, Session, State, bare_response
from trunkline.smpp.timers import Timers
from trunkline.smpp.tlv import SC_INTERFACE_VERSION
from trunkline.smpp.window import Waiter
from trunkline.smpp.wire import End

_DEFAULT_TIMERS = Timers()


class SmscHandler:
    """What a session tells its owner; override what is of use. Called from the event loop, must not block or raise.

    Of every token that deliver() took, exactly one of delivered_answered, delivered_unanswered, lost and not_sent is
    told; after delivered_unanswered, at most one late delivered_answered.
    """

    def bind(self, session: SmscSession, pdu: p.Bind) -> int | None:
        """The status to answer: other than ESME_ROK it ends the link; None: session.answer_bind() comes later."""
        return s.ESME_ROK

    def bound(self, session: SmscSession) -> None:
        """The bind is accepted; what is delivered here leaves in one write with bind_resp."""

    def submit(self, session: SmscSession, pdu: p.SubmitSm) -> None:
        """To be answered by session.answer_submit(), at any time and in any order."""
        session.answer_submit(pdu.sequence_number, s.ESME_RSUBMITFAIL)

    def submit_multi(self, session: SmscSession, pdu: p.SubmitMulti) -> None:
        """To be answered by session.respond(SubmitMultiResp(…)) or session.refuse()."""
        session.refuse(pdu, s.ESME_RSUBMITFAIL)

    def data(self, session: SmscSession, pdu: p.DataSm) -> None:
        """To be answered by session.respond(DataSmResp(…)) or session.refuse()."""
        session.refuse(pdu, s.ESME_RSUBMITFAIL)

    def query(self, session: SmscSession, pdu: p.QuerySm) -> None:
        """To be answered by session.respond(QuerySmResp(…)) or session.refuse()."""
        session.refuse(pdu, s.ESME_RQUERYFAIL)

    def cancel(self, session: SmscSession, pdu: p.CancelSm) -> None:
        """To be answered by session.respond(CancelSmResp(…)) or session.refuse()."""
        session.refuse(pdu, s.ESME_RCANCELFAIL)

    def replace(self, session: SmscSession, pdu: p.ReplaceSm) -> None:
        """To be answered by session.respond(ReplaceSmResp(…)) or session.refuse()."""
        session.refuse(pdu, s.ESME_RREPLACEFAIL)

    def delivered_answered(self, token: object, command_status: int) -> None:
        """The ESME's answer, or its generic_nack, with the raw status."""

    def delivered_unanswered(self, token: object) -> None:
        """The response timer ended and the link is alive."""

    def lost(self, tokens: Sequence[object]) -> None:
        """The link ended after these were written."""

    def not_sent(self, tokens: Sequence[object]) -> None:
        """The link ended and no octet of these was handed to the transport."""

    def window_opened(self) -> None:
        """session.free was 0 and is not any more."""

    def closed(self, reason: End) -> None:
        """The last call, also for a connection that never bound."""


class SmscSession(Session):
    """One ESME's link; made by serve()."""

    def __init__(
        self,
        handler: SmscHandler,
        system_id: str,
        timers: Timers,
        window: int,
        pdu_octets_max: int = PDU_OCTETS_MAX,
        sessions: set[SmscSession] | None = None,
    ) -> None:
        super().__init__(timers, window, pdu_octets_max)
        self.handler = handler
        self.system_id = system_id
        self.bind: p.Bind | None = None  # from when it is decoded
        self._sessions = sessions if sessions is not None else set()
        for command_id in BOUND_AS:
            self._receivers[command_id] = self._on_bind
        self._receivers[p.SubmitSm.command_id] = self._on_submit_sm
        self._receivers[p.DeliverSmResp.command_id] = self._on_deliver_sm_resp
        for cls in (p.SubmitMulti, p.DataSm, p.QuerySm, p.CancelSm, p.ReplaceSm):
            self._receivers[cls.command_id] = self._on_request

    # The bind.

    def _on_bind(self, command_id: int, status: int, sequence: int, octets: bytes, start: int, end: int) -> None:
        if self.state is not State.OPEN or self.bind is not None:
            self._refuse(command_id, sequence, s.ESME_RALYBND)
            return
        pdu = self._decoded(command_id, status, sequence, octets, start, end)
        if isinstance(pdu, p.Bind):
            self.bind = pdu
            answer = self.handler.bind(self, pdu)
            if answer is not None:
                self.answer_bind(answer)

    def answer_bind(self, command_status: int) -> None:
        """Answer the bind that the handler put off; ESME_ROK makes the session a bound one, all else ends it."""
        if self.bind is None or self.state is not State.OPEN:
            return
        if command_status != s.ESME_ROK:
            self.refuse(self.bind, command_status)
            self._finish(End.BIND_REFUSED)
            return
        # An ESME older than 3.4 knows no TLVs (SMPP 3.4 §1.6.1).
        modern = self.bind.interface_version >= p.INTERFACE_VERSION
        tlvs = ((SC_INTERFACE_VERSION, bytes((p.INTERFACE_VERSION,))),) if modern else ()
        response = LAYOUTS[self.bind.command_id | p.RESPONSE].pdu
        assert issubclass(response, p.BindResp)
        self.respond(response(self.bind.sequence_number, s.ESME_ROK, self.system_id, tlvs))
        state = BOUND_AS[self.bind.command_id]
        self._bind_as(state, sends=state is not State.BOUND_TX, receives=state is not State.BOUND_RX)
        self.handler.bound(self)

    # Messages from the ESME.

    def answer_submit(self, sequence_number: int, command_status: int, message_id: str = "") -> None:
        """Answer a submit_sm with this turn's write; a status other than ESME_ROK has no body. Raises EncodeError."""
        if command_status != s.ESME_ROK:
            self._write_soon(bare_response(p.SubmitSmResp.command_id, command_status, sequence_number))
            return
        octets = message_id.encode("latin-1", "replace") + b"\0"
        if octets.find(0) != len(octets) - 1:
            raise EncodeError("message_id has a NUL inside")
        head = HEADER.pack(HEADER_OCTETS + len(octets), p.SubmitSmResp.command_id, command_status, sequence_number)
        self._write_soon(head + octets)

    def _on_submit_sm(self, command_id: int, status: int, sequence: int, octets: bytes, start: int, end: int) -> None:
        if not self._receives:
            self._refuse(command_id, sequence, s.ESME_RINVBNDSTS)
            return
        try:
            pdu = decode_short_message(p.SubmitSm, status, sequence, octets, start, end)
        except DecodeError as error:
            self.counts.undecodable_count += 1
            self._refuse(command_id, sequence, error.command_status)
            return
        self.handler.submit(self, pdu)

    def _on_request(self, command_id: int, status: int, sequence: int, octets: bytes, start: int, end: int) -> None:
        if not self._receives:
            self._refuse(command_id, sequence, s.ESME_RINVBNDSTS)
            return
        match self._decoded(command_id, status, sequence, octets, start, end):
            case p.SubmitMulti() as pdu:
                self.handler.submit_multi(self, pdu)
            case p.DataSm() as pdu:
                self.handler.data(self, pdu)
            case p.QuerySm() as pdu:
                self.handler.query(self, pdu)
            case p.CancelSm() as pdu:
                self.handler.cancel(self, pdu)
            case p.ReplaceSm() as pdu:
                self.handler.replace(self, pdu)

    # Messages to the ESME.

    def deliver(self, pdu: p.DeliverSm | p.DataSm, token: object) -> int:
        """Send a receipt or MO with this turn's write; its sequence number. Does not block, does not look at `free`.

        Raises NotSent where the link may not deliver, EncodeError for a field that cannot be written.
        """
        return self._offer(pdu, token)

    def alert(self, pdu: p.AlertNotification) -> None:
        """Send an alert_notification, which has no answer. Raises EncodeError."""
        self._write_soon(encode(pdu, self._sequence()))

    def _on_deliver_sm_resp(
        self, command_id: int, status: int, sequence: int, octets: bytes, start: int, end: int
    ) -> None:
        # The hot one: its body says nothing.
        entry = self._awaited.get(sequence)
        if entry is not None and entry[2] == command_id and type(entry[1]) is not Waiter:
            del self._awaited[sequence]
            self.handler.delivered_answered(entry[1], status)
        else:
            self._on_response(command_id, status, sequence, octets, start, end)

    def _report_answered(self, token: object, pdu: p.Pdu, late: bool) -> None:
        status = pdu.command_status
        if pdu.command_id == p.RESPONSE:
            status = status or s.ESME_RUNKNOWNERR
        self.handler.delivered_answered(token, status)

    def _report_unanswered(self, token: object) -> None:
        self.handler.delivered_unanswered(token)

    def _report_window_opened(self) -> None:
        self.handler.window_opened()

    # Beginning and end.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._sessions.add(self)

    def _report_end(self, lost: Sequence[object], not_sent: Sequence[object], end: End) -> None:
        self._sessions.discard(self)
        if lost:
            self.handler.lost(lost)
        if not_sent:
            self.handler.not_sent(not_sent)
        self.handler.closed(end)


class Server:
    """A listening SMSC and its sessions."""

    def __init__(self, server: asyncio.Server, sessions: set[SmscSession]) -> None:
        self._server = server
        self.sessions = sessions

    @property
    def port(self) -> int:
        """The port that is listened on; of use where 0 was asked for."""
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self, *, unbind: bool = False) -> None:
        """Stop listening, end all sessions (with unbind, or at once) and return when they are gone."""
        self._server.close()
        sessions = list(self.sessions)
        if unbind:
            await asyncio.gather(*(session.unbind() for session in sessions))
        for session in sessions:
            session.abort()
            await session.wait_closed()
        await self._server.wait_closed()


async def serve(
    host: str,
    port: int,
    handler_factory: Callable[[], SmscHandler],
    *,
    system_id: str = "SMSC",
    timers: Timers = _DEFAULT_TIMERS,
    window: int = 100,
    tls: ssl.SSLContext | None = None,
    pdu_octets_max: int = PDU_OCTETS_MAX,
) -> Server:
    """Listen; each connection gets a handler of its own. `window` is for what we deliver. Raises OSError."""
    sessions: set[SmscSession] = set()

    def session() -> SmscSession:
        return SmscSession(handler_factory(), system_id, timers, window, pdu_octets_max, sessions)

    server = await asyncio.get_running_loop().create_server(
        session, host, port, ssl=tls, ssl_handshake_timeout=timers.bind_s if tls is not None else None
    )
    return Server(server, sessions)
