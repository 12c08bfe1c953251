"""Inbound messages as they come in: stored with their event, or as parts of one, and answered OK after the commit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from typing import NamedTuple

from trunkline.carriers.inbound import Inbound
from trunkline.domain.ids import MsgIds
from trunkline.domain.provisioning import CarrierId, Provisioning
from trunkline.mo import parts, route
from trunkline.mo.answers import Act, Answers, Compose, act_of
from trunkline.mo.binds import Binds
from trunkline.runtime import log, metrics
from trunkline.runtime.gather import Gather
from trunkline.smpp.esme import EsmeSession
from trunkline.smpp.pdu import DataSm, DeliverSm
from trunkline.smpp.status import ESME_ROK, ESME_RX_T_APPN
from trunkline.store import inbound
from trunkline.store.db import Connection, DatabaseError, Standing
from trunkline.store.inbound import NO_PLAN, InboundRow

_log = log.get_logger()
_MESSAGES = metrics.counter("trunkline_inbound", "Messages from handsets, and parts of them.", "outcome")
_REPEAT_WINDOW_MS = 24 * 3600_000
_AHEAD_MS = 3600_000  # ids of other processes may be ahead of ours; partitions beyond are not looked at


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
        epoch: int,
        *,
        provisioning: Callable[[], Provisioning | None],
        ids: MsgIds,
        now_ms: Callable[[], int],
        compose: Compose | None = None,
    ) -> None:
        """`compose` makes the messages that answer keywords; without it nothing is answered."""
        self.carrier_id = carrier_id
        self._standing = Standing(dsn, name="inbound")
        self._provisioning = provisioning
        self._ids = ids
        self._now_ms = now_ms
        self._answers = Answers(provisioning, ids, now_ms, compose)
        self._joiner = parts.Joiner(provisioning=provisioning, ids=ids, now_ms=now_ms, compose=compose)
        self.binds = Binds(dsn, carrier_id, epoch)
        self.messages: Gather[IncomingMessage] = Gather(self._write, linger_s=0.005, most=256)

    async def drained(self) -> None:
        """Returns once everything received so far is answered."""
        await self.messages.drained()

    async def close(self) -> None:
        await self.binds.close()
        await self._standing.close()

    async def _write(self, batch: list[IncomingMessage]) -> None:
        whole = [incoming for incoming in batch if not _is_part(incoming.message)]
        partly = [incoming for incoming in batch if _is_part(incoming.message)]
        if whole:
            await self._answered(whole, self._accept)
        if partly:
            await self._answered(partly, self._keep)

    async def _answered(
        self,
        batch: Sequence[IncomingMessage],
        store: Callable[[Connection, Sequence[IncomingMessage], Provisioning], Awaitable[Sequence[bytes]]],
    ) -> None:
        """Stores and answers; then looks at the sets that got a part."""
        status = ESME_RX_T_APPN
        set_keys: Sequence[bytes] = ()
        provisioning = self._provisioning()
        if provisioning is not None:
            asked_at = asyncio.get_running_loop().time()
            try:
                set_keys = await store(await self._standing.get(), batch, provisioning)
                status = ESME_ROK
            except DatabaseError as error:
                _log.warning(
                    "inbound.put_off", carrier_id=self.carrier_id, count=len(batch), error=log.explained(error)
                )
                self._standing.abandon()
                # It may be stored all the same.
                self.binds.doubt([incoming.session for incoming in batch], asked_at)
        for incoming in batch:
            incoming.session.answer(incoming.pdu, status)
        if set_keys:
            try:
                await self._joiner.look(await self._standing.get(), set(set_keys))
            except DatabaseError as error:  # upkeep looks again
                _log.warning("inbound.not_looked", carrier_id=self.carrier_id, error=log.explained(error))
                self._standing.abandon()

    async def _accept(
        self, conn: Connection, batch: Sequence[IncomingMessage], provisioning: Provisioning
    ) -> Sequence[bytes]:
        bind_ids = await self.binds.ids(conn, [incoming.session for incoming in batch])
        now_ms = self._now_ms()
        first: dict[bytes, EsmeSession] = {}
        rows, acts = [], []
        for incoming in batch:
            row, act = self._row(incoming, provisioning, now_ms)
            # What comes on two binds at once is one message: the first.
            if first.setdefault(row.digest, incoming.session) is incoming.session:
                rows.append((row, bind_ids[incoming.session]))
                if act is not None:
                    acts.append(act)
        since, until = MsgIds().new(now_ms - _REPEAT_WINDOW_MS), MsgIds().new(now_ms + _AHEAD_MS)
        if acts:
            async with conn.transaction():
                stored = await inbound.accept(conn, rows, since, until)
                await self._answers.carry_out(conn, [act for act in acts if act.mo_id in stored])
        else:
            stored = await inbound.accept(conn, rows, since, until)
        unmatched = sum(plan_id == NO_PLAN for plan_id in stored.values())
        _MESSAGES.of("stored").value += len(stored) - unmatched
        _MESSAGES.of("unmatched").value += unmatched
        _MESSAGES.of("repeated").value += len(batch) - len(stored)
        return ()

    async def _keep(self, conn: Connection, batch: Sequence[IncomingMessage], _: Provisioning) -> Sequence[bytes]:
        rows = [
            parts.row(self.carrier_id, incoming.link_id, incoming.message, incoming.message.concat)
            for incoming in batch
            if incoming.message.concat is not None
        ]
        set_keys = await inbound.keep_parts(conn, rows)
        _MESSAGES.of("part").value += len(set_keys)
        _MESSAGES.of("part_repeated").value += len(batch) - len(set_keys)
        return set_keys

    def _row(self, incoming: IncomingMessage, provisioning: Provisioning, now_ms: int) -> tuple[InboundRow, Act | None]:
        """A message as it is stored, and what it asks for."""
        message, pdu = incoming.message, incoming.pdu
        owner = route.owner(provisioning, message.destination, message.body)
        digest = sha256(
            b"\0".join(
                (
                    message.source.encode(),
                    message.destination.encode(),
                    b"%d %d" % (pdu.esm_class, pdu.data_coding),
                    message.octets,
                )
            )
        ).digest()
        row = InboundRow(
            owner.plan_id, self._ids.new(now_ms), owner.account_id, self.carrier_id, incoming.link_id, message.source,
            message.destination, message.body, message.binary, message.keyword, digest,
        )  # fmt: skip
        return row, act_of(provisioning, owner, message.source, row.msg_id)


def _is_part(message: Inbound) -> bool:
    return message.concat is not None and message.concat.total > 1
