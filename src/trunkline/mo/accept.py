"""Inbound messages as they come in: plan by destination, stored with their event, answered OK after the commit."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from trunkline.carriers.inbound import Inbound
from trunkline.domain.ids import MsgIds
from trunkline.domain.provisioning import AccountId, CarrierId, Provisioning
from trunkline.runtime import log, metrics
from trunkline.runtime.gather import Gather
from trunkline.smpp.esme import EsmeSession
from trunkline.smpp.pdu import DataSm, DeliverSm
from trunkline.smpp.status import ESME_ROK, ESME_RX_T_APPN
from trunkline.store import inbound
from trunkline.store.db import DatabaseError, Standing
from trunkline.store.inbound import NO_PLAN, InboundRow

_log = log.get_logger()
_MESSAGES = metrics.counter("trunkline_inbound", "Messages from handsets.", "outcome")
_REPEAT_WINDOW_MS = 11_000


class IncomingMessage(NamedTuple):
    """One MO to store and answer."""

    session: EsmeSession
    pdu: DeliverSm | DataSm
    link_id: int
    message: Inbound


class Inbox:
    """Stores the inbound messages of one carrier."""

    def __init__(
        self,
        dsn: str,
        carrier_id: CarrierId,
        *,
        provisioning: Callable[[], Provisioning | None],
        ids: MsgIds,
        now_ms: Callable[[], int],
    ) -> None:
        self.carrier_id = carrier_id
        self._standing = Standing(dsn, name="inbound")
        self._provisioning = provisioning
        self._ids = ids
        self._now_ms = now_ms
        self.messages: Gather[IncomingMessage] = Gather(self._write, linger_s=0.005, most=256)

    async def drained(self) -> None:
        """Returns once everything received so far is answered."""
        await self.messages.drained()

    async def close(self) -> None:
        await self._standing.close()

    async def _write(self, batch: list[IncomingMessage]) -> None:
        status = ESME_RX_T_APPN
        provisioning = self._provisioning()
        if provisioning is not None:
            now = self._now_ms()
            rows = [self._row(incoming, provisioning, now) for incoming in batch]
            try:
                stored = await inbound.accept(
                    await self._standing.get(), self.carrier_id, rows, MsgIds().new(now - _REPEAT_WINDOW_MS)
                )
                status = ESME_ROK
                _MESSAGES.of("stored").value += stored
                _MESSAGES.of("repeated").value += len(rows) - stored
            except DatabaseError as error:
                _log.warning(
                    "inbound.put_off", carrier_id=self.carrier_id, count=len(batch), error=log.explained(error)
                )
                self._standing.abandon()
        for incoming in batch:
            incoming.session.answer(incoming.pdu, status)

    def _row(self, incoming: IncomingMessage, provisioning: Provisioning, now_ms: int) -> InboundRow:
        message, pdu = incoming.message, incoming.pdu
        plan_id = provisioning.plan_of_destination.get(message.destination)
        if plan_id is None:
            # Carriers write a long code with or without its +.
            plan_id = provisioning.plan_of_destination.get("+" + message.destination)
        account_id = provisioning.plans[plan_id].account_id if plan_id is not None else AccountId(0)
        digest = sha256(
            b"\0".join(
                (
                    message.source.encode(),
                    message.destination.encode(),
                    b"%d %d" % (pdu.esm_class, pdu.data_coding),
                    message.octets,
                    repr(message.concat).encode(),
                )
            )
        ).digest()
        return InboundRow(
            plan_id if plan_id is not None else NO_PLAN,
            self._ids.new(now_ms),
            account_id,
            incoming.link_id,
            message.source,
            message.destination,
            message.body,
            message.binary,
            message.keyword,
            digest,
        )
