"""A simulated SMSC: takes any bind, does with each submit_sm what its behaviour says, delivers receipts and MO.

What the ESME does not take (no bind, temporary error, no answer, link lost) is delivered again until it does, as an
SMSC that keeps its messages would.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias
from zlib import crc32

import msgspec

from trunkline.carriers import encode, inbound
from trunkline.runtime import clock
from trunkline.sandbox.behaviour import Behaviour, Cut, Reaction, Receipt, Submit
from trunkline.smpp import pdu as p
from trunkline.smpp import status as s
from trunkline.smpp.errors import NotSent
from trunkline.smpp.smsc import Server, SmscHandler, SmscSession
from trunkline.smpp.timers import Timers
from trunkline.smpp.tlv import MESSAGE_STATE, RECEIPTED_MESSAGE_ID
from trunkline.smpp.wire import End

Note: TypeAlias = Callable[[Mapping[str, Any]], None]

_TIMERS = Timers()
_RECEIPT = 0x04  # esm_class (SMPP 3.4 §5.2.12)
# message_state by the word of Appendix B (SMPP 3.4 §5.2.28)
_WORDS = ("ENROUTE", "DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD")
_STATES = {word: number for number, word in enumerate(_WORDS, start=1)}
_FOR_GOOD = frozenset({s.ESME_RX_P_APPN, s.ESME_RX_R_APPN})


class Journal:
    """Writes each event as one line of JSON, before the call returns: a crash of the other side loses no evidence."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def __call__(self, event: Mapping[str, Any]) -> None:
        os.write(self._fd, msgspec.json.encode(event) + b"\n")

    def close(self) -> None:
        """No further events."""
        os.close(self._fd)


def everyone(bind: p.Bind) -> int:
    """Any system_id and password may bind."""
    return s.ESME_ROK


class _Outgoing:
    """A deliver_sm on its way: told again until it is taken."""

    __slots__ = ("done", "elsewhere", "event", "home", "pdu")

    def __init__(self, pdu: p.DeliverSm, event: Mapping[str, Any], home: SmscSession | None, elsewhere: bool) -> None:
        self.pdu = pdu
        self.event = event  # what the journal says when it is taken
        self.home = home
        self.elsewhere = elsewhere
        self.done: asyncio.Future[bool] | None = None


class Simulator:
    """One SMSC on the running loop.

    `note` gets an event for each bind, submit_sm (before it is answered), deliver_sm answered, and end of a link;
    `admit` gives the status that a bind is answered with; `window` is for what we deliver on one bind; `again_s` is
    the pause before something is delivered again that was refused for now.
    """

    def __init__(
        self,
        behave: Behaviour,
        *,
        note: Note = lambda event: None,
        admit: Callable[[p.Bind], int | None] = everyone,
        system_id: str = "SIMULATOR",
        timers: Timers = _TIMERS,
        window: int = 100,
        again_s: float = 1.0,
    ) -> None:
        self.behave = behave
        self.admit = admit
        self.submit_count = 0
        self.bound: list[SmscSession] = []  # in the order of their binds
        self._note = note
        self._system_id = system_id
        self._timers = timers
        self._window = window
        self._again_s = again_s
        self._server: Server | None = None
        self._waiting: deque[_Outgoing] = deque()  # no bind has room
        self._turn = self._reference = 0
        self._names: dict[SmscSession, int] = {}
        self._binds = 0
        # Ids differ from those of earlier lives: the platform remembers them for months.
        self._prefix = f"{int(clock.wall_s()):08X}"
        self._loop = asyncio.get_running_loop()

    async def start(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        sock: socket.socket | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Listens on `sock`, else on `host` and `port` (0: any free one). Raises OSError."""
        sessions: set[SmscSession] = set()

        def session() -> SmscSession:
            return SmscSession(_Handler(self), self._system_id, self._timers, self._window, sessions=sessions)

        where = {"sock": sock} if sock is not None else {"host": host, "port": port}
        self._server = Server(await self._loop.create_server(session, ssl=tls, **where), sessions)

    async def stop(self, *, unbind: bool = True) -> None:
        """Ends every link, in order or at once, and forgets what was not delivered."""
        server, self._server = self._server, None
        if server is not None:
            await server.close(unbind=unbind)
        for outgoing in self._waiting:
            _end(outgoing, False)
        self._waiting.clear()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        assert self._server is not None
        return self._server.port

    async def say(self, source: str, destination: str, body: str) -> bool:
        """A handset sends an MO; returns once the ESME answered to all its parts, or refused one for good (False).

        Raises ValueError for a body of more than 255 parts. Where nothing is bound it waits for a bind.
        """
        outgoing = self._mo(source, destination, body)
        for one in outgoing:
            one.done = self._loop.create_future()
        for one in outgoing:
            self._send(one)
        return all([await one.done for one in outgoing if one.done is not None])

    def cut(self, how: Cut, session: SmscSession | None = None) -> None:
        """Ends one link, or all."""
        for one in [session] if session is not None else list(self.bound):
            if how is Cut.RESET:
                one.abort(reset=True)
            else:
                one.close()

    # What the links tell.

    def _on_bound(self, session: SmscSession) -> None:
        self._binds += 1
        self._names[session] = self._binds
        self.bound.append(session)
        bind = session.bind
        assert bind is not None
        self._note({"event": "bind", "link": self._binds, "system_id": bind.system_id, "as": session.state.value})
        self._drain()

    def _on_closed(self, session: SmscSession | None, reason: End) -> None:
        if session in self._names:
            self.bound.remove(session)
            self._note({"event": "end", "link": self._names.pop(session), "reason": reason.value})

    def _on_submit(self, session: SmscSession, pdu: p.SubmitSm) -> None:
        self.submit_count += 1
        read = inbound.parse(
            pdu.esm_class,
            pdu.data_coding,
            pdu.short_message,
            pdu.source_addr,
            pdu.source_addr_ton,
            pdu.destination_addr,
            pdu.dest_addr_ton,
            pdu.tlvs,
        )
        submit = Submit(self.submit_count, session, pdu, read.source, read.destination, read.body, read.concat)
        reaction = self.behave(submit)
        message_id = reaction.message_id or f"{self._prefix}{submit.number:08X}"
        self._note(
            {
                "event": "submit",
                "number": submit.number,
                "link": self._names.get(session),
                "sequence": pdu.sequence_number,
                "from": submit.source,
                "to": submit.destination,
                "body": submit.body,
                "part": None if submit.concat is None else list(submit.concat[:3]),
                "id": message_id,
                "status": reaction.status,
                "answered": reaction.after_s is not None and reaction.cut is None,
            }
        )
        self._react(submit, reaction, message_id)

    def _react(self, submit: Submit, reaction: Reaction, message_id: str) -> None:
        if reaction.cut is not None:
            self._later(reaction.after_s or 0.0, partial(self.cut, reaction.cut, submit.session))
        elif reaction.after_s is not None:
            answer_id = message_id if reaction.status == s.ESME_ROK else ""
            sequence = submit.pdu.sequence_number
            self._later(reaction.after_s, partial(submit.session.answer_submit, sequence, reaction.status, answer_id))
        for receipt in reaction.receipts:
            if _wanted(submit.pdu.registered_delivery, receipt.stat):
                self._later(receipt.after_s, partial(self._confirm, submit, receipt, message_id))
        for reply in reaction.replies:
            self._later(reply.after_s, partial(self._reply, submit, reply.body))

    def _later(self, after_s: float, act: Callable[[], None]) -> None:
        if after_s <= 0:
            act()
        else:
            self._loop.call_later(after_s, lambda: act() if self._server is not None else None)

    # What we deliver.

    def _confirm(self, submit: Submit, receipt: Receipt, message_id: str) -> None:
        spelled = receipt.spell_id(message_id)
        event = {"event": "receipt", "number": submit.number, "id": spelled, "stat": receipt.stat}
        pdu = receipt_pdu(submit, receipt, spelled)
        for _ in range(receipt.copies):
            self._send(_Outgoing(pdu, event, submit.session, receipt.elsewhere))

    def _reply(self, submit: Submit, body: str) -> None:
        if submit.source[-1:].isdecimal():  # nobody can answer a name
            for outgoing in self._mo(submit.destination, submit.source, body):
                self._send(outgoing)

    def _mo(self, source: str, destination: str, body: str) -> list[_Outgoing]:
        handset, service = encode.source_address(source), encode.source_address(destination)
        self._reference += 1
        event = {"event": "mo", "from": source, "to": destination, "body": body}
        home = self._bind_of(source)
        return [
            _Outgoing(
                p.DeliverSm(
                    source_addr_ton=handset.ton,
                    source_addr_npi=handset.npi,
                    source_addr=handset.addr,
                    dest_addr_ton=service.ton,
                    dest_addr_npi=service.npi,
                    destination_addr=service.addr,
                    esm_class=part.esm_class,
                    data_coding=part.data_coding,
                    short_message=part.short_message,
                ),
                event,
                home,
                False,
            )
            for part in encode.encode_parts(body, reference=self._reference)
        ]

    def _send(self, outgoing: _Outgoing) -> None:
        session = self._session_for(outgoing)
        if session is None:
            self._waiting.append(outgoing)
            return
        try:
            session.deliver(outgoing.pdu, outgoing)
        except NotSent:  # it ends just now
            self._waiting.append(outgoing)

    def _session_for(self, outgoing: _Outgoing) -> SmscSession | None:
        """The bind to deliver on: the one it belongs to, or (`elsewhere`) any other, in turn; None: none has room."""
        free = [session for session in self.bound if session.free]
        home = outgoing.home
        others = [session for session in free if session is not home]
        if home in free and not (outgoing.elsewhere and others):
            return home
        self._turn += 1
        return others[self._turn % len(others)] if others else None

    def _bind_of(self, handset: str) -> SmscSession | None:
        """The bind that a handset's messages come on. What comes on two binds within seconds is taken for a repeat, and
        a person who says YES twice repeats nothing."""
        return self.bound[crc32(handset.encode()) % len(self.bound)] if self.bound else None

    def _drain(self) -> None:
        for _ in range(len(self._waiting)):
            if not any(session.free for session in self.bound):
                return
            self._send(self._waiting.popleft())

    def _on_delivered(self, outgoing: _Outgoing, status: int) -> None:
        self._note({**outgoing.event, "status": status})
        if status == s.ESME_ROK or status in _FOR_GOOD:
            _end(outgoing, status == s.ESME_ROK)
        else:
            self._later(self._again_s, lambda: self._send(outgoing))

    def _deliver_again(self, tokens: Sequence[object]) -> None:
        for token in tokens:
            assert isinstance(token, _Outgoing)
            if self._server is not None:
                self._send(token)
            else:
                _end(token, False)


class _Handler(SmscHandler):
    """One connection's news, for the simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._session: SmscSession | None = None

    def bind(self, session: SmscSession, pdu: p.Bind) -> int | None:
        self._session = session
        return self._simulator.admit(pdu)

    def bound(self, session: SmscSession) -> None:
        self._simulator._on_bound(session)

    def submit(self, session: SmscSession, pdu: p.SubmitSm) -> None:
        self._simulator._on_submit(session, pdu)

    def delivered_answered(self, token: object, command_status: int) -> None:
        assert isinstance(token, _Outgoing)
        self._simulator._on_delivered(token, command_status)

    def delivered_unanswered(self, token: object) -> None:
        self._simulator._deliver_again([token])

    def lost(self, tokens: Sequence[object]) -> None:
        self._simulator._deliver_again(tokens)

    def not_sent(self, tokens: Sequence[object]) -> None:
        self._simulator._deliver_again(tokens)

    def window_opened(self) -> None:
        self._simulator._drain()

    def closed(self, reason: End) -> None:
        self._simulator._on_closed(self._session, reason)


def receipt_pdu(submit: Submit, receipt: Receipt, message_id: str) -> p.DeliverSm:
    """The deliver_sm of a receipt: Appendix B's text, from the recipient to the sender (SMPP 3.4 §4.6.1, §5.3.2)."""
    request = submit.pdu
    now = time.strftime("%y%m%d%H%M", time.gmtime(clock.wall_s()))
    delivered = "001" if receipt.stat == "DELIVRD" else "000"
    text = (
        f"id:{message_id} sub:001 dlvrd:{delivered} submit date:{now} done date:{now}"
        f" stat:{receipt.stat} err:{receipt.err} text:{submit.body[:20]}"
    )
    tlvs = []
    if receipt.with_tlvs:
        tlvs.append((RECEIPTED_MESSAGE_ID, message_id.encode("latin-1", "replace") + b"\0"))
        if receipt.stat in _STATES:
            tlvs.append((MESSAGE_STATE, bytes([_STATES[receipt.stat]])))
    return p.DeliverSm(
        source_addr_ton=request.dest_addr_ton,
        source_addr_npi=request.dest_addr_npi,
        source_addr=request.destination_addr,
        dest_addr_ton=request.source_addr_ton,
        dest_addr_npi=request.source_addr_npi,
        destination_addr=request.source_addr,
        esm_class=_RECEIPT,
        short_message=text.encode("ascii", "replace"),
        tlvs=tuple(tlvs),
    )


def _wanted(registered_delivery: int, stat: str) -> bool:
    """Whether the submit_sm asked for such a receipt (SMPP 3.4 §5.2.17)."""
    match registered_delivery & 0x03:
        case 1:
            return True
        case 2:
            return stat != "DELIVRD"
        case _:
            return False


def _end(outgoing: _Outgoing, taken: bool) -> None:
    if outgoing.done is not None and not outgoing.done.done():
        outgoing.done.set_result(taken)
