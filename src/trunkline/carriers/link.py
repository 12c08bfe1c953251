"""One bind at a carrier: kept up with growing pauses, its news told to the carrier's pool."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Protocol

from trunkline.domain.provisioning import Link as LinkSpec
from trunkline.runtime import clock, log, metrics
from trunkline.smpp import pdu as p
from trunkline.smpp.errors import BindRefused, SmppError
from trunkline.smpp.esme import EsmeHandler, EsmeSession, connect
from trunkline.smpp.status import ESME_RINVPASWD, ESME_RINVSYSID, ESME_RINVSYSTYP
from trunkline.smpp.timers import Timers, reconnect_delay_s
from trunkline.smpp.tls import client_context_of
from trunkline.smpp.wire import End

_log = log.get_logger()
_UP = metrics.gauge("trunkline_links_up", "Sessions bound at a carrier.", "link")
_BINDS: dict[str, type[p.BindTransceiver] | type[p.BindTransmitter] | type[p.BindReceiver]] = {
    "transceiver": p.BindTransceiver,
    "transmitter": p.BindTransmitter,
    "receiver": p.BindReceiver,
}
# Statuses of a bind that say: not with these credentials, whichever bind asks.
_CREDENTIALS = frozenset({ESME_RINVPASWD, ESME_RINVSYSID, ESME_RINVSYSTYP})
# So long bound before the pauses start anew: a carrier that drops every bind at once is not stormed.
_STEADY_S = 30.0
_LAST_ANSWERS_S = 10.0


def modes(spec: LinkSpec) -> tuple[str, ...]:
    """The sessions that each bind of a link is."""
    return ("transmitter", "receiver") if spec.bind_mode == "pair" else (spec.bind_mode,)


class LinkOwner(Protocol):
    """Whom a link tells its news; the tokens are those given to `submit`."""

    def submit_answered(
        self, link: Link, token: object, command_status: int, message_id: str, *, late: bool, nacked: bool
    ) -> None: ...
    def submit_unanswered(self, link: Link, token: object) -> None: ...
    def submit_lost(self, link: Link, tokens: Sequence[object]) -> None: ...
    def submit_not_sent(self, link: Link, tokens: Sequence[object]) -> None: ...
    def delivered(self, link: Link, session: EsmeSession, pdu: p.DeliverSm | p.DataSm) -> None: ...
    def undecodable(
        self, link: Link, session: EsmeSession, command_id: int, sequence: int, octets: bytes, reason: str
    ) -> None: ...
    def ended(self, session: EsmeSession) -> None: ...
    def room_changed(self) -> None: ...


class Credentials:
    """What the binds of one row share: while the carrier refuses the credentials one of them asks again, and the others
    wait. Several that ask in the same seconds are how accounts are locked."""

    def __init__(self) -> None:
        self._asker: Link | None = None
        self._taken = asyncio.Event()
        self._taken.set()

    async def turn(self, link: Link) -> None:
        """Returns once `link` may bind."""
        if self._asker is not link:
            await self._taken.wait()

    def told(self, link: Link, error: SmppError | None) -> None:
        """How a bind of `link` ended."""
        if isinstance(error, BindRefused) and error.command_status in _CREDENTIALS:
            self._asker = self._asker or link
            self._taken.clear()
        elif error is None or self._asker is link:
            self._asker = None
            self._taken.set()


class Link(EsmeHandler):
    """Keeps one session bound until it is drained. `link_id` is the row of credentials, `name` tells binds apart."""

    def __init__(
        self, spec: LinkSpec, number: int, owner: LinkOwner, bind_mode: str, credentials: Credentials | None = None
    ) -> None:
        self.spec = spec
        self.link_id = spec.link_id
        self.bind_mode = bind_mode
        self.name = f"{spec.name}/{number}" + (f" {bind_mode}" if spec.bind_mode == "pair" else "")
        self.session: EsmeSession | None = None
        self._owner = owner
        self._tls = client_context_of(spec.tls_ca, spec.tls_identity) if spec.tls else None
        self._hosts = [(spec.host, spec.port), *(_place(host, spec.port) for host in spec.other_hosts)]
        self._credentials = credentials or Credentials()
        self._ended = asyncio.Event()
        self._draining = False
        self._recycling: asyncio.Task[None] | None = None
        self._up = _UP.of(self.name)
        self._bound_at = 0.0

    async def run(self) -> None:
        """Binds, waits for the end, binds again, until `drain` or cancellation."""
        attempt = 0
        while not self._draining:
            self._ended.clear()
            await self._credentials.turn(self)
            try:
                self.session = await self._connect()
            except SmppError as error:
                self._credentials.told(self, error)
                reason = f"bind refused: {error}" if isinstance(error, BindRefused) else str(error)
                log.alarm("link_down", self.name, True, reason=reason)
                if not isinstance(error, BindRefused):
                    self._hosts.append(self._hosts.pop(0))
            else:
                await self._bound()
                if self._loop_time - self._bound_at > _STEADY_S:
                    attempt = 0
            if not self._draining:
                pause = reconnect_delay_s(attempt, random.random)
                attempt += 1
                await clock.sleep(pause)

    async def _bound(self) -> None:
        self._credentials.told(self, None)
        self._bound_at = self._loop_time
        self._up.value = 1
        log.alarm("link_down", self.name, False)
        _log.info("link.bound", link=self.name, bind=self.bind_mode, host=self._hosts[0][0])
        self._owner.room_changed()
        await self._ended.wait()
        self._up.value = 0
        session, self.session = self.session, None
        if session is not None:
            self._owner.ended(session)

    async def _connect(self) -> EsmeSession:
        spec = self.spec
        bind = _BINDS[self.bind_mode](
            system_id=spec.system_id, password=spec.password, system_type=spec.system_type, interface_version=0x34
        )
        host, port = self._hosts[0]
        return await connect(
            host,
            port,
            bind,
            self,
            timers=Timers(**spec.timers),
            window=spec.send_window,
            tls=self._tls,
            server_hostname=spec.tls_server_name,
        )

    async def drain(self, seconds: float) -> None:
        """Takes nothing more, waits for open answers, unbinds; for good."""
        self._draining = True
        if self.session is not None:
            await self.session.unbind(seconds)

    def recycle(self) -> None:
        """Ends the session because the carrier says that it is not bound; it is bound again after a pause. What else it
        was sent is answered first, most likely with the same: cut off, those parts would be in doubt."""
        if self.session is not None and (self._recycling is None or self._recycling.done()):
            self._recycling = asyncio.create_task(self.session.unbind(_LAST_ANSWERS_S), name=f"recycle {self.name}")

    @property
    def _loop_time(self) -> float:
        return asyncio.get_running_loop().time()

    # What the session tells.

    def submit_answered(self, token: object, command_status: int, message_id: str, late: bool) -> None:
        self._owner.submit_answered(self, token, command_status, message_id, late=late, nacked=False)

    def submit_nacked(self, token: object, command_status: int, late: bool) -> None:
        self._owner.submit_answered(self, token, command_status, "", late=late, nacked=True)

    def submit_unanswered(self, token: object) -> None:
        self._owner.submit_unanswered(self, token)

    def submit_lost(self, tokens: Sequence[object]) -> None:
        self._owner.submit_lost(self, tokens)

    def submit_not_sent(self, tokens: Sequence[object]) -> None:
        self._owner.submit_not_sent(self, tokens)

    def delivered(self, session: EsmeSession, pdu: p.DeliverSm | p.DataSm) -> None:
        self._owner.delivered(self, session, pdu)

    def undecodable(
        self, session: EsmeSession, command_id: int, sequence_number: int, octets: bytes, reason: str
    ) -> None:
        self._owner.undecodable(self, session, command_id, sequence_number, octets, reason)

    def window_opened(self) -> None:
        self._owner.room_changed()

    def closed(self, reason: End) -> None:
        _log.warning("link.closed", link=self.name, reason=str(reason))
        self._ended.set()


def _place(host: str, port: int) -> tuple[str, int]:
    """NAME or NAME:PORT; IPv6 addresses with a port in brackets."""
    name, colon, own = host.rpartition(":")
    if colon and own.isdecimal() and (":" not in name or name.startswith("[")):
        return name.strip("[]"), int(own)
    return host.strip("[]"), port
