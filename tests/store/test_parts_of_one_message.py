"""Messages of several parts in the database: their references, their outcomes one by one and at the same instant."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from trip_rows import CARRIER, ONCE, SET_UP, accepted, end, passes, taken

from trunkline.carriers import receipt as receipts
from trunkline.carriers.dialect import PLAIN, Dialect, ReceiptedParts
from trunkline.dlr import match
from trunkline.dlr.receive import Incoming, Receiver
from trunkline.domain.provisioning import PlanId
from trunkline.domain.status import Status
from trunkline.mt.outcome import Outcomes
from trunkline.mt.submit import Ticket
from trunkline.runtime import clock
from trunkline.settle import apply as settle
from trunkline.smpp.pdu import DeliverSm
from trunkline.store import overdue as store
from trunkline.store import queue
from trunkline.store.queue import Claimed
from trunkline.store.settling import Decides, MatchedReceipt, PartOutcome
from trunkline.upkeep import rescue

SENT, DELIVERED, FAILED, UNKNOWN = 1, 2, 3, 4
RECIPIENT = "+15550001111"


def ran(database: str, main: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
    async def whole() -> None:
        conn = await asyncpg.connect(database)
        try:
            await conn.execute(SET_UP)
            await main(conn)
        finally:
            await conn.close()

    asyncio.run(asyncio.wait_for(whole(), 60))


def claimed(msg_id: UUID, parts: int = 2) -> Claimed:
    at = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
    return Claimed(PlanId(ONCE), 0, msg_id, (1 << parts) - 1, 0, False, at, at)


async def references(conn: asyncpg.Connection, ids: list[UUID]) -> list[int]:
    found = await queue.contents(conn, [claimed(msg_id) for msg_id in ids])
    return [content.reference for content in found if content is not None]


# References.


def test_references_to_one_recipient_are_used_in_turn(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        ids = [await accepted(conn, parts=2) for _ in range(300)]
        given = await references(conn, ids[:100])
        given += (await references(conn, ids[:99:-1]))[::-1]
        assert [reference & 0xFF for reference in given] == [n % 256 for n in range(300)]
        # A message's own for good, whoever else has come since, and one that is single has none.
        assert await references(conn, [ids[7], ids[290]]) == [7, 290]
        single = await accepted(conn)
        other = await accepted(conn, parts=2)
        await conn.execute("UPDATE msg SET recipient = '+15550002222' WHERE msg_id = $1", other)
        assert await references(conn, [single, other, ids[0]]) == [0, 0, 0]
        assert await conn.fetchval("SELECT count(*) FROM concat") == 301

    ran(database, main)


def test_two_sessions_give_two_references(database: str) -> None:
    """The second waits for the first, sees that its turn is taken, and takes the next."""

    async def main(conn: asyncpg.Connection) -> None:
        one, two = await accepted(conn, parts=2), await accepted(conn, parts=2)
        other = await asyncpg.connect(database)
        transaction = conn.transaction()
        await transaction.start()
        assert await references(conn, [one]) == [0]
        asked = asyncio.ensure_future(references(other, [two]))
        watch = await asyncpg.connect(database)
        while not await watch.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await clock.sleep(0.01)
        await transaction.commit()
        assert await asked == [1]
        await other.close()
        await watch.close()

    ran(database, main)


# What parts come to.


def told(msg_id: UUID, part_no: int, status: int, code: int = 0) -> MatchedReceipt:
    at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    return MatchedReceipt(
        1, f"id{part_no}", PlanId(ONCE), msg_id, part_no, None, None, status, code, None, Decides.PART, at, False
    )


async def several(conn: asyncpg.Connection, parts: int = 2, *, but: tuple[int, ...] = ()) -> UUID:
    """A message whose parts the carrier has, but for some."""
    msg_id = await accepted(conn, parts=parts)
    for part_no in range(1, parts + 1):
        if part_no not in but:
            await taken(conn, msg_id, part_no=part_no, parts=parts)
    return msg_id


@pytest.mark.parametrize(
    ("order", "found"), [(((2, FAILED), (1, DELIVERED)), 306), (((1, DELIVERED), (2, FAILED)), 801)]
)
def test_of_one_batch_the_order_counts(database: str, order: tuple[tuple[int, int], ...], found: int) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        msg_id = await several(conn)
        batch = [told(msg_id, part_no, status, 306 if status == FAILED else 0) for part_no, status in order]
        await settle.apply_receipts(conn, CARRIER, batch)
        assert await end(conn, msg_id) == (FAILED, found, False)

    ran(database, main)


def test_a_corrected_part_counts_from_its_correction(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        msg_id = await several(conn)
        await settle.apply_receipts(conn, CARRIER, [told(msg_id, 1, UNKNOWN, 704)])
        await settle.apply_receipts(conn, CARRIER, [told(msg_id, 2, DELIVERED)])
        assert await end(conn, msg_id) == (UNKNOWN, 802, False)
        await settle.apply_receipts(conn, CARRIER, [told(msg_id, 1, FAILED, 306)])
        assert await end(conn, msg_id) == (FAILED, 801, False)

    ran(database, main)


def test_a_part_that_was_given_up_and_failed_was_not_refused(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        msg_id = await several(conn, but=(1,))
        await settle.store_parts(conn, [PartOutcome(PlanId(ONCE), msg_id, 1, Status.UNKNOWN, 901)])
        await settle.apply_receipts(conn, CARRIER, [told(msg_id, 1, FAILED, 306)])
        assert await end(conn, msg_id) == (FAILED, 306, False)

    ran(database, main)


@pytest.mark.parametrize("parts", [2, 4])
def test_parts_receipted_at_the_same_instant(database: str, parts: int) -> None:
    """Each by a session of its own: whoever commits last sees them all, and no message stays open."""

    class Session:
        def answer(self, pdu: Any, status: int) -> None:
            assert status == 0

    def receipt(part_no: int, round_no: int) -> Incoming:
        text = f"id:{round_no}-{part_no} stat:DELIVRD err:000".encode()
        pdu = DeliverSm(source_addr="15550001111", destination_addr="12345", esm_class=4, short_message=text)
        parsed = receipts.parse(pdu.esm_class, text, (), PLAIN)
        return Incoming(Session(), pdu, 1, RECIPIENT, "12345", parsed)  # type: ignore[arg-type]

    async def main(conn: asyncpg.Connection) -> None:
        receivers = [Receiver(database, CARRIER) for _ in range(parts)]
        running = [asyncio.ensure_future(receiver.receipts.run()) for receiver in receivers]
        for round_no in range(100):
            msg_id = await several(conn, parts)
            await conn.execute(
                "UPDATE ref SET canonical_id = $1 || '-' || part_no WHERE msg_id = $2", str(round_no), msg_id
            )
            for part_no, receiver in enumerate(receivers, start=1):
                receiver.receipts.add(receipt(part_no, round_no))
            await asyncio.gather(*(receiver.drained() for receiver in receivers))
        assert await conn.fetchval("SELECT count(*) FROM msg WHERE status IS NULL") == 0
        assert await conn.fetchval("SELECT count(*) FROM hook_queue") == 0
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await asyncio.gather(*(receiver.close() for receiver in receivers))

    ran(database, main)


# Carriers that send a receipt of one part only.


@pytest.mark.parametrize(("which", "part_no"), [(ReceiptedParts.FIRST, 1), (ReceiptedParts.LAST, 3)])
@pytest.mark.parametrize("early", [False, True], ids=["receipt last", "receipt before the others are accepted"])
@pytest.mark.parametrize(("status", "code"), [(DELIVERED, 0), (FAILED, 306), (UNKNOWN, 704)])
def test_one_part_tells_for_all(
    database: str, which: ReceiptedParts, part_no: int, early: bool, status: int, code: int
) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        outcomes = Outcomes(database, CARRIER, Dialect(receipted_parts=which), match.look, lambda: None)
        running = asyncio.ensure_future(outcomes.accepts.run())
        msg_id = await accepted(conn, parts=3)
        others = {1, 2, 3} - {part_no}

        async def accept(*numbers: int) -> None:
            for number in numbers:
                outcomes.accepted(Ticket(claimed(msg_id, 3), RECIPIENT, number, 3), 1, f"id{number}")
            await outcomes.accepts.drained()

        await accept(part_no, *(() if early else others))
        assert await end(conn, msg_id) == (None, 0, False)
        await settle.apply_receipts(conn, CARRIER, [told(msg_id, part_no, status, code)])
        if early:
            assert await end(conn, msg_id) == ((FAILED, 306, False) if status == FAILED else (None, 0, False))
            await accept(*others)
        assert await end(conn, msg_id) == (status, code, False)
        # A receipt that comes of another part all the same is taken for what it is.
        await settle.apply_receipts(conn, CARRIER, [told(msg_id, 2, FAILED, 305)])
        assert (await end(conn, msg_id))[:2] == ((FAILED, 305) if status == UNKNOWN else (status, code))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await outcomes.close()

    ran(database, main)


def test_a_part_that_was_given_up_and_then_accepted(database: str) -> None:
    """Its response came very late, and no receipt will come: the part that is receipted decides after all."""

    async def main(conn: asyncpg.Connection) -> None:
        outcomes = Outcomes(database, CARRIER, Dialect(receipted_parts=ReceiptedParts.LAST), match.look, lambda: None)
        running = asyncio.ensure_future(outcomes.accepts.run())
        msg_id = await accepted(conn, parts=2)
        await settle.store_parts(conn, [PartOutcome(PlanId(ONCE), msg_id, 1, Status.UNKNOWN, 902)])
        await settle.apply_receipts(conn, CARRIER, [told(msg_id, 2, DELIVERED)])
        assert await end(conn, msg_id) == (UNKNOWN, 802, False)
        outcomes.accepted(Ticket(claimed(msg_id), RECIPIENT, 1, 2), 1, "id1")
        await outcomes.accepts.drained()
        assert await end(conn, msg_id) == (DELIVERED, 0, False)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await outcomes.close()

    ran(database, main)


# What a crash leaves, and what time does.


def test_what_nobody_looked_at_is_found(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        whole, half, failed = await several(conn), await several(conn), await several(conn)
        for msg_id, part_no, status in ((whole, 1, 2), (whole, 2, 2), (half, 1, 2), (failed, 2, 3)):
            await conn.execute(
                "INSERT INTO part_outcome VALUES (1, $1, $2, $3, 0, false, trunkline_now())", msg_id, part_no, status
            )
        since = await queue.database_now(conn) - dt.timedelta(minutes=1)
        assert set(await store.open_parts(conn, since)) == {(ONCE, whole), (ONCE, failed)}
        looked_to = await rescue.look_again(conn, match.look)
        assert [(await end(conn, msg_id))[0] for msg_id in (whole, half, failed)] == [DELIVERED, None, FAILED]
        assert await store.open_parts(conn, since) == []
        # The next look begins where this one ended, or a little before; after an outage it still finds the old ones.
        await passes(conn, 300)
        await conn.execute("INSERT INTO part_outcome VALUES (1, $1, 2, 2, 0, false, trunkline_now())", half)
        await passes(conn, 120)
        await rescue.look_again(conn, match.look, looked_to)
        assert (await end(conn, half))[0] == DELIVERED

    ran(database, main)


def test_parts_are_forgotten_when_their_messages_are_past_changing(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        msg_id = await several(conn)
        await references(conn, [msg_id])
        await settle.apply_receipts(conn, CARRIER, [told(msg_id, 1, DELIVERED)])
        assert await store.forget_parts(conn) == 0
        await passes(conn, 41 * 86_400)
        assert await store.forget_parts(conn) == 1
        assert await conn.fetchval("SELECT count(*) FROM concat") == 0
        await passes(conn, 35 * 86_400)
        assert await store.forget_parts(conn) == 1
        assert await conn.fetchval("SELECT count(*) FROM part_outcome") == 0

    ran(database, main)
