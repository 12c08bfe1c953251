"""An SMPP session, whichever end: the window, answers and their timers, enquire_link, unbind (SMPP 3.4 §2.2, §7.2).

`esme` and `smsc` add what their end sends and takes. Everything runs in callbacks of the event loop: no task and no
future per message, and one sweeper for all deadlines.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import Enum

from trunkline.smpp import pdu as p
from trunkline.smpp.codec import (
    HEADER,
    HEADER_OCTETS,
    LAYOUTS,
    PDU_OCTETS_MAX,
    SEQUENCE_MAX,
    decode_body,
    encode,
    encode_short_message,
)
from trunkline.smpp.errors import DecodeError, Lost, NoResponse, NotSent
from trunkline.smpp.status import ESME_RINVBNDSTS, ESME_RINVCMDID, ESME_ROK
from trunkline.smpp.timers import Timers
from trunkline.smpp.window import Waiter, Window, without_waiters
from trunkline.smpp.wire import End, Wire

_WITH_EMPTY_ID = frozenset({p.DeliverSmResp.command_id, p.DataSmResp.command_id})


class State(Enum):
    """Where a session stands (SMPP 3.4 §2.2)."""

    OPEN = "not bound"
    BOUND_TX = "bound as transmitter"
    BOUND_RX = "bound as receiver"
    BOUND_TRX = "bound as transceiver"
    UNBINDING = "unbinding"
    CLOSED = "closed"


BOUND_AS: dict[int, State] = {
    p.BindTransmitter.command_id: State.BOUND_TX,
    p.BindReceiver.command_id: State.BOUND_RX,
    p.BindTransceiver.command_id: State.BOUND_TRX,
}


def bare_response(response_id: int, status: int, sequence: int) -> bytes:
    """A response without a body, but for the empty message_id that deliver_sm_resp and data_sm_resp have."""
    if response_id in _WITH_EMPTY_ID:
        return HEADER.pack(HEADER_OCTETS + 1, response_id, status, sequence) + b"\0"
    return HEADER.pack(HEADER_OCTETS, response_id, status, sequence)


class Session(Wire):
    """What both ends share. Not used by itself."""

    def __init__(self, timers: Timers, window: int, pdu_octets_max: int = PDU_OCTETS_MAX) -> None:
        """`window` is the most requests that may be unanswered at a time (enquire_link and unbind are not counted)."""
        super().__init__(timers, pdu_octets_max)
        self.window = window
        self.state = State.OPEN
        self._sends = self._receives = False  # may we, may the other side, send messages
        self._full = False  # somebody has to be told when the window opens
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._drained: asyncio.Future[None] | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._next_sequence = 1
        self._window = Window(self.counts)
        self._awaited = self._window.awaited
        self._active_at = self._heard_at
        self._quiet_count = 0  # enquire_link PDUs of this turn, which are no activity
        self._bind_by: float | None = None
        self._enquiry_sequence = 0
        self._enquiry_by: float | None = None
        self._enquired_at = 0.0
        self._unbind_sequence = 0
        self._unbind_by: float | None = None
        self._unbind_end = End.UNBOUND
        self._receivers = {
            command: self._on_response if command & p.RESPONSE else self._on_misplaced for command in LAYOUTS
        }
        self._receivers[p.EnquireLink.command_id] = self._on_enquire_link
        self._receivers[p.EnquireLinkResp.command_id] = self._on_enquire_link_resp
        self._receivers[p.Unbind.command_id] = self._on_unbind
        self._receivers[p.UnbindResp.command_id] = self._on_unbind_resp
        self._receivers[p.GenericNack.command_id] = self._on_generic_nack

    # What an end tells its handler.

    def _report_answered(self, token: object, pdu: p.Pdu, late: bool) -> None:
        raise NotImplementedError

    def _report_unanswered(self, token: object) -> None:
        raise NotImplementedError

    def _report_window_opened(self) -> None:
        raise NotImplementedError

    def _report_end(self, lost: Sequence[object], not_sent: Sequence[object], end: End) -> None:
        raise NotImplementedError

    def _on_bind_overdue(self) -> None:
        self._finish(End.NO_BIND)

    # Requests of ours.

    @property
    def free(self) -> int:
        """How many more requests the window takes now; 0 while the transport is full or the link is not up."""
        if not self._sends or self._paused:
            return 0
        return max(0, self.window - len(self._awaited) - len(self._queued))

    @property
    def outstanding(self) -> int:
        """Requests taken and neither answered nor given up."""
        return len(self._awaited) + len(self._queued)

    async def request(self, pdu: p.Pdu) -> p.Pdu:
        """Send one request and wait for its response, whose status is ESME_ROK.

        For the rare ones (query_sm, cancel_sm, replace_sm, enquire_link, …); messages have a way without futures.
        Raises EncodeError, NotSent, Refused, NoResponse, Lost, or DecodeError where the response makes no sense.
        """
        waiter = Waiter(self._loop.create_future())
        self._offer(pdu, waiter)
        return await waiter.future

    def respond(self, pdu: p.Pdu) -> None:
        """Send a response, with this turn's write, under the sequence_number that it holds. Raises EncodeError."""
        self._write_soon(encode(pdu))

    def refuse(self, pdu: p.Pdu, status: int) -> None:
        """Answer a request with a status and no body; to alert_notification and outbind there is no answer."""
        self._write_bare(pdu.command_id, pdu.sequence_number, status)

    def _offer(self, pdu: p.Pdu, token: object) -> int:
        """Queue a request for this turn's write; its sequence number. Raises NotSent, EncodeError."""
        if not self._sends:
            raise NotSent(f"the link is {self.state.value}")
        sequence = self._sequence()
        if isinstance(pdu, (p.SubmitSm, p.DeliverSm)):
            octets = encode_short_message(pdu, sequence)
        else:
            octets = encode(pdu, sequence)
        self._queued.append((sequence, token, pdu.command_id | p.RESPONSE, octets))
        if len(self._queued) + len(self._awaited) >= self.window:
            self._full = True
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)
        return sequence

    def _sequence(self) -> int:
        # It wraps after days, when the request that had the number is long forgotten: no look into the tables.
        sequence = self._next_sequence
        self._next_sequence = sequence + 1 if sequence < SEQUENCE_MAX else 1
        return sequence

    def _take_queued(self, out: list[bytes]) -> None:
        if self._unbind_by is not None:
            return
        self._active_at = self._loop.time()
        deadline = self._active_at + self.timers.response_s
        awaited = self._awaited
        for sequence, token, response_id, octets in self._queued:
            awaited[sequence] = (deadline, token, response_id)
            out.append(octets)
        self._queued.clear()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._full = True

    def resume_writing(self) -> None:
        super().resume_writing()
        self._look_at_window()

    def _look_at_window(self) -> None:
        if self._full and self.free:
            self._full = False
            self._report_window_opened()
        if self._drained is not None and not self._drained.done() and not self.outstanding:
            self._drained.set_result(None)

    def _on_received(self, count: int) -> None:
        if count > self._quiet_count:
            self._active_at = self._heard_at
        self._quiet_count = 0
        self._look_at_window()

    # Responses to ours.

    def _on_response(self, command_id: int, status: int, sequence: int, octets: bytes, start: int, end: int) -> None:
        claimed = self._window.claim(command_id, sequence)
        if claimed is None:
            return
        token, late = claimed
        try:
            pdu = decode_body(command_id, status, sequence, octets, start, end)
        except DecodeError as error:
            self.counts.undecodable_count += 1
            if isinstance(token, Waiter):
                token.fail(error)
                return
            pdu = LAYOUTS[command_id].pdu(sequence, status)
        self._give(token, pdu, late)

    def _give(self, token: object, pdu: p.Pdu, late: bool) -> None:
        if isinstance(token, Waiter):
            token.answer(pdu)
        else:
            self._report_answered(token, pdu, late)

    def _on_generic_nack(
        self, command_id: int, status: int, sequence: int, octets: bytes, start: int, end: int
    ) -> None:
        if sequence == self._unbind_sequence and self._unbind_by is not None:
            self._finish(self._unbind_end)
        elif sequence == self._enquiry_sequence and self._enquiry_by is not None:
            self._enquiry_by = None
        else:
            claimed = self._window.claim(None, sequence)
            if claimed is not None:
                self._give(claimed[0], p.GenericNack(sequence, status), claimed[1])

    # Requests of the other side that are the same at both ends.

    def _on_unknown(self, command_id: int, sequence: int) -> None:
        if command_id & p.RESPONSE:  # never answered: two sides that nack each other's nacks do so for ever
            self.counts.unknown_response_count += 1
        else:
            self._nack(sequence, ESME_RINVCMDID)

    def _on_misplaced(self, command_id: int, status: int, sequence: int, octets: bytes, start: int, end: int) -> None:
        """A request that this end does not take."""
        self._refuse(command_id, sequence, ESME_RINVBNDSTS)

    def _refuse(self, command_id: int, sequence: int, status: int) -> None:
        self.counts.refused_count += 1
        self._write_bare(command_id, sequence, status)

    def _write_bare(self, command_id: int, sequence: int, status: int) -> None:
        response_id = command_id | p.RESPONSE
        if response_id in LAYOUTS:
            self._write_soon(bare_response(response_id, status, sequence))

    def _decoded(
        self, command_id: int, status: int, sequence: int, octets: bytes, start: int, end: int
    ) -> p.Pdu | None:
        """A request's PDU, or None once it is refused for its body."""
        try:
            return decode_body(command_id, status, sequence, octets, start, end)
        except DecodeError as error:
            self.counts.undecodable_count += 1
            self._refuse(command_id, sequence, error.command_status)
            return None

    def _on_enquire_link(
        self, command_id: int, status: int, sequence: int, octets: bytes, start: int, end: int
    ) -> None:
        self._quiet_count += 1
        if self._decoded(command_id, status, sequence, octets, start, end) is not None:
            self._write_bare(command_id, sequence, ESME_ROK)

    def _on_enquire_link_resp(
        self, command_id: int, status: int, sequence: int, octets: bytes, start: int, end: int
    ) -> None:
        self._quiet_count += 1
        if sequence == self._enquiry_sequence:
            self._enquiry_by = None
        else:
            self._on_response(command_id, status, sequence, octets, start, end)

    def _on_unbind(self, command_id: int, status: int, sequence: int, octets: bytes, start: int, end: int) -> None:
        if self.state is State.OPEN:
            self._refuse(command_id, sequence, ESME_RINVBNDSTS)
        elif self._decoded(command_id, status, sequence, octets, start, end) is not None:
            self._write_bare(command_id, sequence, ESME_ROK)
            self._finish(End.PEER_UNBOUND)

    def _on_unbind_resp(self, command_id: int, status: int, sequence: int, octets: bytes, start: int, end: int) -> None:
        if sequence == self._unbind_sequence and self._unbind_by is not None:
            self._finish(self._unbind_end)
        else:
            self.counts.unknown_response_count += 1

    # Unbinding.

    async def unbind(self, drain_s: float = 0.0) -> None:
        """Take nothing more to send, wait for open answers up to `drain_s`, unbind, return once the link is closed."""
        if self.state is State.OPEN:
            self._finish(End.CLOSED)
        elif self.state is not State.CLOSED and self._unbind_by is None:
            self._sends = False
            self.state = State.UNBINDING
            if self.outstanding and drain_s > 0:
                self._drained = self._drained or self._loop.create_future()
                await asyncio.wait([self._drained], timeout=drain_s)
            self._send_unbind(End.UNBOUND)
        await self.wait_closed()

    async def wait_closed(self) -> None:
        """Return once the connection is gone and everything is reported."""
        await asyncio.shield(self._closed)

    def _send_unbind(self, end: End) -> None:
        if self.ended is None and self._unbind_by is None:
            self._flush()  # what was taken before goes first
            self._sends = False
            self.state = State.UNBINDING
            self._unbind_end = end
            self._unbind_sequence = self._sequence()
            self._unbind_by = self._loop.time() + self.timers.unbind_s
            self._write_soon(HEADER.pack(HEADER_OCTETS, p.Unbind.command_id, ESME_ROK, self._unbind_sequence))

    # Beginning and end.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        now = self._loop.time()
        self._heard_at = self._active_at = now
        self._bind_by = now + self.timers.bind_s
        self._sweeper = self._loop.call_later(self.timers.sweep_s, self._sweep)

    def _bind_as(self, state: State, *, sends: bool, receives: bool) -> None:
        self.state = state
        self._sends, self._receives = sends, receives
        self._bind_by = None

    def _on_ending(self) -> None:
        self.state = State.CLOSED
        self._sends = self._receives = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Everything unanswered is told here, once, as lost or as not sent."""
        if self.ended is None:
            self.ended = End.CONNECTION_LOST
            self.unread_since = self.unread_since or self._loop.time()
            self._on_ending()
        self.error = exc
        self._transport = None
        self._receivers = {}  # they refer back to the session
        if self._sweeper is not None:
            self._sweeper.cancel()
        lost = self._window.end(Lost(self.ended))
        not_sent = without_waiters([queued[1] for queued in self._queued], NotSent(self.ended))
        self._queued.clear()
        self._closed.set_result(None)
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._report_end(lost, not_sent, self.ended)

    # Timers.

    def _sweep(self) -> None:
        self._sweeper = self._loop.call_later(self.timers.sweep_s, self._sweep)
        now = self._loop.time()
        if self.ended is not None:
            if now >= self._close_by and self._transport is not None:
                self._transport.abort()  # it waits for a peer that does not read
        elif self._bind_by is not None:
            if now >= self._bind_by:
                self._on_bind_overdue()
        elif self._unbind_by is not None and now >= self._unbind_by:
            self._finish(End.NO_UNBIND_RESP, abort=True)
        else:
            self._expire(now)
            self._check_link(now)

    def _check_link(self, now: float) -> None:
        timers = self.timers
        if self._enquiry_by is not None and self._heard_at > self._enquired_at:
            self._enquiry_by = None  # any PDU since then says as much as the answer
        if self._enquiry_by is not None:
            if now >= self._enquiry_by:
                self._finish(End.NO_ENQUIRE_LINK_RESP, abort=True)
        elif timers.enquire_link_s and now >= self._heard_at + timers.enquire_link_s:
            self._enquired_at = now
            self._enquiry_sequence = self._sequence()
            self._enquiry_by = now + timers.enquire_link_resp_s
            self._write_soon(HEADER.pack(HEADER_OCTETS, p.EnquireLink.command_id, ESME_ROK, self._enquiry_sequence))
        if timers.inactivity_s and now >= self._active_at + timers.inactivity_s:
            self._send_unbind(End.INACTIVE)

    def _expire(self, now: float) -> None:
        """Give up the requests whose response timer ended; their place in the window is free again."""
        expired = self._window.expire(now, now + self.timers.overdue_s)
        error = NoResponse(f"no response in {self.timers.response_s} s")
        for token in without_waiters(expired, error):
            self._report_unanswered(token)
        if expired:
            self._look_at_window()
