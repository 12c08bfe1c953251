"""The ESME's end: connect and bind, submit without a future per message, take receipts and MO (SMPP 3.4 §2.2)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence

from trunkline.smpp import pdu as p
from trunkline.smpp.codec import PDU_OCTETS_MAX, decode_body, decode_short_message, encode
from trunkline.smpp.errors import BindRefused, ConnectFailed, DecodeError, NoResponse
from trunkline.smpp.session import BOUND_AS, Session, State, bare_response
from trunkline.smpp.status import ESME_RINVBNDSTS, ESME_RINVCMDLEN, ESME_ROK, ESME_RUNKNOWNERR, ESME_RX_T_APPN
from trunkline.smpp.timers import Timers
from trunkline.smpp.window import Waiter
from trunkline.smpp.wire import End

_DEFAULT_TIMERS = Timers()


class EsmeHandler:
    """What a session tells its owner; override what is of use. Called from the event loop, must not block or raise.

    Of every token that submit() took, exactly one of submit_answered, submit_unanswered, submit_lost and
    submit_not_sent is told; after submit_unanswered, at most one late submit_answered.
    """

    def submit_answered(self, token: object, command_status: int, message_id: str, late: bool) -> None:
        """The response, with its raw status; message_id is `""` where it had none."""

    def submit_answered_in_full(self, token: object, response: p.Pdu, late: bool) -> None:
        """As submit_answered, for a response that holds more than an id: TLVs, or unsuccess_smes of submit_multi."""
        message_id = response.message_id if isinstance(response, (p.MessageIdResp, p.SubmitMultiResp)) else ""
        self.submit_answered(token, response.command_status, message_id, late)

    def submit_nacked(self, token: object, command_status: int, late: bool) -> None:
        """generic_nack instead of a response. Here it is told as one; status 0, which is no error, as unknown error."""
        self.submit_answered(token, command_status or ESME_RUNKNOWNERR, "", late)

    def submit_unanswered(self, token: object) -> None:
        """The response timer ended and the link is alive; the SMSC may have the message."""

    def submit_lost(self, tokens: Sequence[object]) -> None:
        """The link ended after these were written; the SMSC may have them."""

    def submit_not_sent(self, tokens: Sequence[object]) -> None:
        """The link ended and no octet of these was handed to the transport; the SMSC does not have them."""

    def delivered(self, session: EsmeSession, pdu: p.DeliverSm | p.DataSm) -> None:
        """A receipt or MO, to be answered by session.answer() once it is kept; here it is put off."""
        session.answer(pdu, ESME_RX_T_APPN)

    def undecodable(
        self, session: EsmeSession, command_id: int, sequence_number: int, octets: bytes, reason: str
    ) -> None:
        """A deliver_sm or data_sm, whole, that does not hold what it should; to be answered by session.answer()."""
        session.answer(sequence_number, ESME_RINVCMDLEN, command_id=command_id)

    def other(self, session: EsmeSession, pdu: p.AlertNotification | p.Outbind) -> None:
        """An alert_notification or outbind; there is no answer to them."""

    def window_opened(self) -> None:
        """session.free was 0 and is not any more."""

    def closed(self, reason: End) -> None:
        """The last call: the link is gone, and all tokens were told. Not called for a bind that came to nothing."""


class EsmeSession(Session):
    """A link to an SMSC; made by connect()."""

    def __init__(
        self, bind: p.Bind, handler: EsmeHandler, timers: Timers, window: int, pdu_octets_max: int = PDU_OCTETS_MAX
    ) -> None:
        super().__init__(timers, window, pdu_octets_max)
        self.bind = bind
        self.bind_response: p.BindResp | None = None
        self.bound: asyncio.Future[None] = self._loop.create_future()
        self._handler = handler
        self._receivers[p.SubmitSmResp.command_id] = self._on_submit_sm_resp
        self._receivers[p.DeliverSm.command_id] = self._on_deliver_sm
        self._receivers[p.DataSm.command_id] = self._on_data_sm
        self._receivers[p.AlertNotification.command_id] = self._on_other
        self._receivers[p.Outbind.command_id] = self._on_other
        for command_id in BOUND_AS:
            self._receivers[command_id | p.RESPONSE] = self._on_bind_resp

    # Messages out.

    def submit(self, pdu: p.SubmitSm | p.DataSm | p.SubmitMulti, token: object) -> int:
        """Send a message with this turn's write; its sequence number. Does not block, and does not look at `free`.

        Raises NotSent where the link may not send, EncodeError for a field that cannot be written; the token is then
        not kept.
        """
        return self._offer(pdu, token)

    def _on_submit_sm_resp(
        self, command_id: int, status: int, sequence: int, octets: bytes, start: int, end: int
    ) -> None:
        # The hot one: an id and its NUL, or nothing, for a request that is waiting. All else goes the long way.
        stop = octets.find(0, start, end)
        if stop == end - 1 or start == end:
            entry = self._awaited.get(sequence)
            if entry is not None and entry[2] == command_id and type(entry[1]) is not Waiter:
                del self._awaited[sequence]
                message_id = octets[start:stop].decode("latin-1") if stop > start else ""
                self._handler.submit_answered(entry[1], status, message_id, False)
                return
        self._on_response(command_id, status, sequence, octets, start, end)

    def _report_answered(self, token: object, pdu: p.Pdu, late: bool) -> None:
        if pdu.command_id == p.RESPONSE:
            self._handler.submit_nacked(token, pdu.command_status, late)
        elif isinstance(pdu, p.MessageIdResp) and not pdu.tlvs:
            self._handler.submit_answered(token, pdu.command_status, pdu.message_id, late)
        else:
            self._handler.submit_answered_in_full(token, pdu, late)

    def _report_unanswered(self, token: object) -> None:
        self._handler.submit_unanswered(token)

    def _report_window_opened(self) -> None:
        self._handler.window_opened()

    def _report_end(self, lost: Sequence[object], not_sent: Sequence[object], end: End) -> None:
        if lost:
            self._handler.submit_lost(lost)
        if not_sent:
            self._handler.submit_not_sent(not_sent)
        if self.bound.done() and not self.bound.cancelled() and self.bound.exception() is None:
            self._handler.closed(end)
        elif not self.bound.done():
            detail = f"{end}: {self.error}" if self.error else str(end)
            self.bound.set_exception(ConnectFailed(f"before bind_resp: {detail}"))

    # Messages in.

    def answer(self, message: p.Pdu | int, command_status: int, *, command_id: int = p.DeliverSm.command_id) -> None:
        """Answer a deliver_sm or data_sm, given as the PDU or as its sequence number and `command_id`.

        Goes out with this turn's write; does nothing once the link is ending.
        """
        if isinstance(message, int):
            octets = bare_response(command_id | p.RESPONSE, command_status, message)
        else:
            octets = bare_response(message.command_id | p.RESPONSE, command_status, message.sequence_number)
        self._write_soon(octets)

    def _on_deliver_sm(self, command_id: int, status: int, sequence: int, octets: bytes, start: int, end: int) -> None:
        if not self._receives:
            self._refuse(command_id, sequence, ESME_RINVBNDSTS)
            return
        try:
            pdu = decode_short_message(p.DeliverSm, status, sequence, octets, start, end)
        except DecodeError as error:
            self._tell_undecodable(command_id, sequence, octets[start - 16 : end], error)
            return
        self._handler.delivered(self, pdu)

    def _on_data_sm(self, command_id: int, status: int, sequence: int, octets: bytes, start: int, end: int) -> None:
        if not self._receives:
            self._refuse(command_id, sequence, ESME_RINVBNDSTS)
            return
        try:
            pdu = decode_body(command_id, status, sequence, octets, start, end)
        except DecodeError as error:
            self._tell_undecodable(command_id, sequence, octets[start - 16 : end], error)
            return
        assert isinstance(pdu, p.DataSm)
        self._handler.delivered(self, pdu)

    def _tell_undecodable(self, command_id: int, sequence: int, octets: bytes, error: DecodeError) -> None:
        # It may be the only copy of a receipt: whoever keeps receipts decides, and answers.
        self.counts.undecodable_count += 1
        self._handler.undecodable(self, command_id, sequence, octets, error.reason)

    def _on_other(self, command_id: int, status: int, sequence: int, octets: bytes, start: int, end: int) -> None:
        pdu = self._decoded(command_id, status, sequence, octets, start, end)
        if isinstance(pdu, (p.AlertNotification, p.Outbind)):
            self._handler.other(self, pdu)

    # The bind.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._write_soon(encode(self.bind, self._sequence()))
        self._flush()

    def _on_bind_resp(self, command_id: int, status: int, sequence: int, octets: bytes, start: int, end: int) -> None:
        # One bind is on its way, so its answer is known by being one, whatever its number.
        if self.state is not State.OPEN:
            self.counts.unknown_response_count += 1
            return
        pdu = decode_body(command_id, status, sequence, octets, start, end)  # tolerant throughout: it does not raise
        assert isinstance(pdu, p.BindResp)
        self.bind_response = pdu
        self._on_bind_answer(status)

    def _on_bind_answer(self, status: int) -> None:
        if status == ESME_ROK:
            state = BOUND_AS[self.bind.command_id]
            self._bind_as(state, sends=state is not State.BOUND_RX, receives=state is not State.BOUND_TX)
            if not self.bound.done():
                self.bound.set_result(None)
        else:
            if not self.bound.done():
                self.bound.set_exception(BindRefused(status))
            self._finish(End.BIND_REFUSED)

    def _on_generic_nack(
        self, command_id: int, status: int, sequence: int, octets: bytes, start: int, end: int
    ) -> None:
        if self.state is State.OPEN:
            self._on_bind_answer(status or ESME_RUNKNOWNERR)
        else:
            super()._on_generic_nack(command_id, status, sequence, octets, start, end)

    def _on_bind_overdue(self) -> None:
        if not self.bound.done():
            self.bound.set_exception(NoResponse(f"no bind_resp in {self.timers.bind_s} s"))
        self._finish(End.NO_BIND, abort=True)


async def connect(
    host: str,
    port: int,
    bind: p.Bind,
    handler: EsmeHandler,
    *,
    timers: Timers = _DEFAULT_TIMERS,
    window: int = 10,
    tls: ssl.SSLContext | None = None,
    server_hostname: str | None = None,
    source_address: str | None = None,
    pdu_octets_max: int = PDU_OCTETS_MAX,
) -> EsmeSession:
    """A bound session. `bind` is a BindTransceiver, BindTransmitter or BindReceiver.

    The handler is called from before the bind is sent: an SMSC may push what it kept right behind bind_resp.
    `source_address` is the local address to connect from. With `tls` the server's certificate must be for
    `server_hostname` (default: `host`), as the context says.

    Raises ConnectFailed, BindRefused, NoResponse (the bind timer) and EncodeError (a field of the bind).
    """
    encode(bind)  # a bind that cannot be written is told before a connection is made
    loop = asyncio.get_running_loop()
    session = EsmeSession(bind, handler, timers, window, pdu_octets_max)
    try:
        async with asyncio.timeout(timers.bind_s):
            await loop.create_connection(
                lambda: session,
                host,
                port,
                ssl=tls,
                server_hostname=(server_hostname or host) if tls is not None else None,
                ssl_handshake_timeout=timers.bind_s if tls is not None else None,
                local_addr=(source_address, 0) if source_address is not None else None,
            )
        await session.bound
    except TimeoutError:
        raise ConnectFailed(f"no connection to {host}:{port} in {timers.bind_s} s") from None
    except (OSError, UnicodeError) as error:
        raise ConnectFailed(f"{host}:{port}: {error}") from error
    finally:
        if session.state is State.OPEN:  # given up on the way, by a timer or by whoever cancelled us
            session.bound.cancel()
            session.abort()
    return session
