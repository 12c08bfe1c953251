"""One TCP or TLS connection that carries PDUs: framing on the way in, one write per turn of the loop on the way out.

`session` adds what the PDUs mean. A request of ours waits in a list of its own until the turn's write, so at the end of
a connection it is exact which requests were handed to the transport and which were not.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias, cast

from trunkline.smpp.codec import HEADER, HEADER_OCTETS
from trunkline.smpp.pdu import RESPONSE
from trunkline.smpp.status import ESME_RINVCMDLEN
from trunkline.smpp.timers import Timers

_OUT_MAX = 50_000  # answers kept for a peer that does not read; then the connection ends

# (command_id, command_status, sequence_number, octets, start and end of the body)
Receiver: TypeAlias = Callable[[int, int, int, bytes, int, int], None]


class End(StrEnum):
    """Why a session ended."""

    UNBOUND = "unbound"
    PEER_UNBOUND = "the other side unbound"
    PEER_CLOSED = "the other side closed the connection"
    CONNECTION_LOST = "connection lost"
    NO_ENQUIRE_LINK_RESP = "no answer to enquire_link"
    NO_BIND = "no bind in time"
    BIND_REFUSED = "bind refused"
    NO_UNBIND_RESP = "no answer to unbind"
    INACTIVE = "no activity"
    FRAMING = "framing lost"
    NOT_READING = "the other side does not read"
    CLOSED = "closed without unbind"
    ABORTED = "aborted"


@dataclass(slots=True)
class Counts:
    """What a session has seen; for metrics."""

    received_count: int = 0  # PDUs
    unanswered_count: int = 0  # requests whose response timer ended
    late_count: int = 0  # responses after their timer
    unknown_response_count: int = 0  # responses to nothing that was asked
    undecodable_count: int = 0
    refused_count: int = 0  # requests that the session itself refused
    nack_sent_count: int = 0


class Wire(asyncio.Protocol):
    """The connection under a session. Not used by itself."""

    def __init__(self, timers: Timers, pdu_octets_max: int) -> None:
        self.timers = timers
        self.counts = Counts()
        self.ended: End | None = None  # set where the end begins; reported once the connection is gone
        self.error: Exception | None = None  # what the transport said when it lost the connection
        self._pdu_octets_max = pdu_octets_max
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._paused = False  # by the transport, whose buffer is full
        self.unread_since: float | None = None  # from when on (loop time) it is not sure that what we wrote was sent
        self._held = False  # by hold()
        self._flush_due = False
        self._out: list[bytes] = []  # answers, and the session's own requests
        self._queued: list[tuple[int, object, int, bytes]] = []  # sequence, token, response's command id, octets
        self._rest = bytearray()  # the start of a PDU, which is whole (or has its length) at _need octets
        self._need = 0
        self._receivers: dict[int, Receiver] = {}
        self._heard_at = self._loop.time()
        self._close_by = 0.0

    # What the session adds.

    def _on_unknown(self, command_id: int, sequence: int) -> None:
        raise NotImplementedError

    def _on_received(self, count: int) -> None:
        """After the last of `count` PDUs that came together."""
        raise NotImplementedError

    def _take_queued(self, out: list[bytes]) -> None:
        """Move the requests that may go now from _queued to `out`, which is written at once."""
        raise NotImplementedError

    def _on_ending(self) -> None:
        """Nothing more is sent or taken from here on."""
        raise NotImplementedError

    # Out.

    def _write_soon(self, octets: bytes) -> None:
        self._out.append(octets)
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        transport, out = self._transport, self._out
        # A transport that is closing drops what it gets: what waits here is then surely not sent.
        if transport is None or self.ended is not None or self._held or transport.is_closing():
            return
        if self._paused:
            if len(out) > _OUT_MAX:
                self._finish(End.NOT_READING, abort=True)
            return
        if self._queued:
            self._take_queued(out)
        if out:
            octets = b"".join(out)
            out.clear()
            transport.write(octets)

    def _nack(self, sequence: int, status: int) -> None:
        self.counts.nack_sent_count += 1
        self._write_soon(HEADER.pack(HEADER_OCTETS, RESPONSE, status, sequence))

    def pause_writing(self) -> None:
        self._paused = True
        self.unread_since = self._loop.time()

    def resume_writing(self) -> None:
        self._paused = False
        if self.ended is None:
            self.unread_since = None
        self._flush()

    # In.

    def data_received(self, data: bytes) -> None:
        """All whole PDUs in one loop; what is left waits for more."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._need:
                return
            data = bytes(self._rest)
            self._rest.clear()
        start, size, count = 0, len(data), 0
        receivers, unpack, longest = self._receivers, HEADER.unpack_from, self._pdu_octets_max
        # It goes on behind an unbind: a response that is here already is still worth knowing.
        while size - start >= HEADER_OCTETS:
            length, command_id, status, sequence = unpack(data, start)
            end = start + length
            if end > size or length < HEADER_OCTETS or length > longest:
                break
            receiver = receivers.get(command_id)
            if receiver is None:
                self._on_unknown(command_id, sequence)
            else:
                receiver(command_id, status, sequence, data, start + HEADER_OCTETS, end)
            start = end
            count += 1
        if count:
            self.counts.received_count += count
            self._heard_at = self._loop.time()
            self._on_received(count)
        if start < size and self.ended is None:
            self._keep(data, start)

    def _keep(self, data: bytes, start: int) -> None:
        """Keep the start of a PDU, unless its length says already that the framing is lost (SMPP 3.4 §4.3)."""
        left = len(data) - start
        self._need = 4
        if left >= 4:
            self._need = length = int.from_bytes(data[start : start + 4], "big")
            if not HEADER_OCTETS <= length <= self._pdu_octets_max:
                # Only a header that is all there, of a PDU that is merely too long, tells whom to answer.
                told = left >= HEADER_OCTETS and length > HEADER_OCTETS
                self._nack(HEADER.unpack_from(data, start)[3] if told else 0, ESME_RINVCMDLEN)
                self._finish(End.FRAMING)
                return
        self._rest += data[start:]

    # Beginning and end.

    @property
    def peer(self) -> str:
        """Address and port of the other side, `""` before the connection."""
        name = self._transport.get_extra_info("peername") if self._transport is not None else None
        return f"{name[0]}:{name[1]}" if name else ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by behaviour, not by class
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def eof_received(self) -> None:
        self._finish(End.PEER_CLOSED)

    def close(self) -> None:
        """End the connection without unbind, answers first."""
        self._finish(End.CLOSED)

    def abort(self, *, reset: bool = False) -> None:
        """End the connection at once; with `reset` the other side sees RST instead of FIN."""
        if reset and self._transport is not None:
            linger = struct.pack("ii", 1, 0)
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._finish(End.ABORTED, abort=True)

    def _finish(self, end: End, *, abort: bool = False) -> None:
        transport = self._transport
        if self.ended is None:
            self.ended = end
            now = self._loop.time()
            self.unread_since = self.unread_since or now
            self._close_by = now + self.timers.unbind_s
            self._on_ending()
            if self._out and transport is not None and not (abort or self._held or transport.is_closing()):
                transport.write(b"".join(self._out))
            self._out.clear()
        if transport is not None:
            if abort:
                transport.abort()
            else:
                transport.close()

    # For simulators and tests of faults.

    def hold(self) -> None:
        """Write nothing more, neither requests nor answers, until release()."""
        self._held = True

    def release(self) -> None:
        """Write what was held, and go on."""
        self._held = False
        self._flush()

    def write_raw(self, octets: bytes) -> None:
        """Write these octets as they are, after what waits (which hold() keeps back)."""
        self._flush()
        if self._transport is not None:
            self._transport.write(octets)

    def pause_reading(self) -> None:
        """Leave what the other side sends in the kernel, until resume_reading()."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self._transport is not None:
            self._transport.resume_reading()
