"""One carrier's outcomes and receipts on a real database, whatever its dialect; only the links are played."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from trunkline.carriers import receipt as receipts
from trunkline.carriers.dialect import Dialect, from_mapping
from trunkline.dlr import match
from trunkline.dlr.receive import Incoming, Receiver, Undecodable
from trunkline.domain.ids import MsgIds
from trunkline.mt.outcome import Outcomes
from trunkline.mt.submit import Ticket
from trunkline.runtime.clock import wall_ms
from trunkline.smpp.pdu import DeliverSm
from trunkline.store.db import Connection
from trunkline.store.queue import Claimed

SET_UP = """
INSERT INTO account (public_id, name) VALUES (repeat('1', 24), 'a');
INSERT INTO plan (public_id, account_id, name, dlr_url)
    VALUES (repeat('2', 24), 1, 'p', 'https://customer.example/dlr');
"""
PLAN, CARRIER, LINK = 1, 1, 1
NAMES = {0: "QUEUED", 1: "SENT", 2: "DELIVERED", 3: "FAILED", 4: "UNKNOWN"}


class Answered:
    """The link's place: keeps what was answered."""

    def __init__(self) -> None:
        self.statuses: list[int] = []

    def answer(self, pdu: object, status: int, *, command_id: int = 0) -> None:
        self.statuses.append(status)


class Ground:
    """A carrier (number 1) with this dialect."""

    def __init__(self, conn: Connection, dsn: str, settings: dict[str, Any]) -> None:
        self.conn = conn
        self.dialect: Dialect = from_mapping(settings)
        self.outcomes = Outcomes(dsn, CARRIER, self.dialect, match.look, lambda: None)
        self.receiver = Receiver(dsn, CARRIER, self.dialect, name="carrier")
        self.session = Answered()
        self.ids = MsgIds()
        self.number = 0
        self.last = "+15550009999"  # the recipient of the last message

    async def sent(self, *raw_ids: str, to: str | None = None) -> UUID:
        """A message that the carrier accepted, part by part, under these ids."""
        msg_id = await self.stored(len(raw_ids), to)
        for part_no, raw_id in enumerate(raw_ids, start=1):
            self.accept(msg_id, part_no, raw_id)
        await self.outcomes.drained()
        return msg_id

    async def stored(self, parts: int = 1, to: str | None = None) -> UUID:
        """A message that the carrier did not answer yet."""
        self.number += 1
        msg_id = self.ids.new(wall_ms())
        self.last = to or f"+1555000{self.number:04d}"
        await self.conn.execute(
            "INSERT INTO msg (plan_id, msg_id, account_id, sender, recipient, body, encoding, parts, expires_at,"
            " mccmnc) VALUES (1, $1, 1, '12345', $2, 'hi', 0, $3, trunkline_now() + interval '3 days', '00101')",
            msg_id, self.last, parts,
        )  # fmt: skip
        self.shape = (
            self.last,
            parts,
            await self.conn.fetchrow("SELECT now() AS at, now() + interval '3 days' AS end"),
        )
        return msg_id

    def ticket(self, msg_id: UUID, part_no: int = 1) -> Ticket:
        """Of the message that was stored last."""
        recipient, parts, times = self.shape
        claimed = Claimed(PLAN, 0, msg_id, (1 << parts) - 1, 0, False, times["end"], times["at"])
        return Ticket(claimed, recipient, part_no, parts)

    def accept(self, msg_id: UUID, part_no: int, raw_id: str) -> None:
        self.outcomes.accepted(self.ticket(msg_id, part_no), LINK, raw_id)

    async def receipt(
        self, text: str | bytes, *, source: str | None = None, tlvs: Sequence[tuple[int, bytes]] = (), wait: bool = True
    ) -> None:
        """A receipt from the recipient of the last message, or from `source`; it must be answered OK."""
        octets = text.encode("latin-1") if isinstance(text, str) else text
        source = self.last if source is None else source
        pdu = DeliverSm(
            source_addr=source[:20], destination_addr="12345", esm_class=4, short_message=octets, tlvs=tuple(tlvs)
        )
        parsed = receipts.parse(4, octets, tlvs, self.dialect)
        self.receiver.receipts.add(Incoming(self.session, pdu, LINK, source, "12345", parsed))  # type: ignore[arg-type]
        if wait:
            await self.receiver.drained()
            assert self.session.statuses.pop() == 0

    def garbage(self, octets: bytes) -> None:
        """A PDU that could not be decoded."""
        self.receiver.garbage.add(Undecodable(self.session, 5, 7, LINK, octets, "cut short"))  # type: ignore[arg-type]

    async def end(self, msg_id: UUID) -> tuple[str, int]:
        """Status and error code as the record has them now."""
        row = await self.conn.fetchrow(
            "SELECT coalesce(m.status, (EXISTS (SELECT FROM ref r WHERE r.msg_id = m.msg_id))::int) AS now,"
            " m.error_code FROM msg m WHERE m.msg_id = $1",
            msg_id,
        )
        return NAMES[row["now"]], row["error_code"]

    async def parked(self) -> int:
        return int(await self.conn.fetchval("SELECT count(*) FROM parked"))

    async def passes(self, seconds: float) -> None:
        """Time goes on."""
        await self.conn.execute("UPDATE clock SET shift = shift + $1 * interval '1 second'", float(seconds))


def on_ground(
    dsn: str, main: Callable[[Ground], Coroutine[Any, Any, None]], within_s: float = 60.0, **dialect: Any
) -> None:
    """Runs `main` with a carrier of this dialect."""

    async def whole() -> None:
        conn = await asyncpg.connect(dsn)
        await conn.execute(SET_UP)
        ground = Ground(conn, dsn, dialect)
        await conn.execute("INSERT INTO carrier (name, dialect) VALUES ('carrier', $1::jsonb)", json.dumps(dialect))
        outcomes, receiver = ground.outcomes, ground.receiver
        writers = (outcomes.accepts, outcomes.endings, outcomes.doubts, receiver.receipts, receiver.garbage)
        tasks = [asyncio.create_task(writer.run()) for writer in writers]
        try:
            await main(ground)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            await outcomes.close()
            await receiver.close()
            await conn.close()
        assert all(isinstance(end, asyncio.CancelledError) for end in ended), ended

    asyncio.run(asyncio.wait_for(whole(), within_s))
