"""Writers that may be at work at the same moment have a connection each: on one, the driver would refuse the second."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple, cast

import asyncpg
import pytest
from trip_rows import IDS, SET_UP, accepted, inflight

from trunkline.carriers.dialect import Dialect
from trunkline.carriers.receipt import Receipt
from trunkline.dlr.receive import Incoming, Receiver, Undecodable
from trunkline.domain.provisioning import CarrierId, PlanId
from trunkline.domain.status import Status
from trunkline.mt.outcome import LINK_LOST, Outcomes
from trunkline.mt.submit import Ticket
from trunkline.runtime import clock
from trunkline.runtime.clock import wall_ms
from trunkline.store.hooks import Acknowledged, AttemptedHook, Hook
from trunkline.store.queue import Claimed
from trunkline.webhooks.deliver import Delivery

_WAITING = """
SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class _Started(NamedTuple):
    writers: list[Coroutine[Any, Any, None]]
    drained: Callable[[], Awaitable[None]]
    close: Callable[[], Awaitable[None]]


async def outcomes(conn: asyncpg.Connection, dsn: str) -> _Started:
    """A refused part, and one whose answer will not come."""

    async def look(*_: Any) -> None:
        return None

    subject = Outcomes(dsn, CarrierId(1), Dialect(), look, lambda: None)
    now = await conn.fetchval("SELECT trunkline_now()")
    tickets = []
    for _ in range(2):
        msg_id = await accepted(conn)
        await inflight(conn, msg_id, 1)
        claimed_at = await conn.fetchval("SELECT claimed_at FROM inflight WHERE msg_id = $1", msg_id)
        claimed = Claimed(PlanId(1), 0, msg_id, 1, 0, False, now + dt.timedelta(days=1), claimed_at)
        tickets.append(Ticket(claimed, "+15550001111", 1, 1))
    subject.failed(tickets[0], "over", 903)
    subject.in_doubt(tickets[1], LINK_LOST)
    return _Started([subject.endings.run(), subject.doubts.run()], subject.drained, subject.close)


async def receiver(conn: asyncpg.Connection, dsn: str) -> _Started:
    """A receipt, and a PDU that cannot be read."""

    class Session:
        def answer(self, *_: Any, **__: Any) -> None:
            return None

    subject = Receiver(dsn, CarrierId(1))
    receipt = Receipt(
        message_id="id", canonical_id="id", text_id="id", stat="DELIVRD", state=2, err=None, sub=None, dlvrd=None,
        submit_date=None, done_date=None, text=None, network_error=None, user_message_reference=None, mccmnc=None,
        status=Status.DELIVERED, code="000", understood=True, mismatch=False, err_unmapped=False,
    )  # fmt: skip
    session = cast(Any, Session())
    subject.receipts.add(Incoming(session, cast(Any, None), 1, "+15550001111", "12345", receipt))
    subject.garbage.add(Undecodable(session, 5, 1, 1, b"x", "too short"))
    return _Started([subject.receipts.run(), subject.garbage.run()], subject.drained, subject.close)


async def delivery(conn: asyncpg.Connection, dsn: str) -> _Started:
    """An event that was acknowledged, and one that was not."""
    subject = Delivery(dsn, cast(Any, None), provisioning=lambda: None, target_of=lambda url: None)
    at, origin = await conn.fetchval("SELECT trunkline_now()"), "https://a.example"
    for number in range(2):
        hook = Hook(PlanId(1), IDS.new(wall_ms()), 2, 0, origin, at, origin + "/", False)
        if number:
            subject._acknowledged.add((hook, Acknowledged(PlanId(1), origin, at, hook.msg_id, 2, 1, 200, 5)))
        else:
            row = AttemptedHook(PlanId(1), origin, at, hook.msg_id, 2, 1, hook.url, 500, None, 5, None, 5.0, None)
            subject._failed.add((hook, row))

    async def drained() -> None:
        await subject._acknowledged.drained()
        await subject._failed.drained()

    async def close() -> None:
        await subject._acknowledged_on.close()
        await subject._failed_on.close()

    return _Started([subject._acknowledged.run(), subject._failed.run()], drained, close)


@pytest.mark.parametrize("start", [outcomes, receiver, delivery])
def test_both_write_at_once(database: str, start: Callable[..., Awaitable[_Started]]) -> None:
    """What both write to is locked: each waits in the database, so neither was refused because of the other."""

    async def main() -> None:
        conn = await asyncpg.connect(database)
        await conn.execute(SET_UP)
        started = await start(conn, database)
        blocker = await asyncpg.connect(database)
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute("LOCK TABLE inflight, hook_queue, ref, quarantine IN ACCESS EXCLUSIVE MODE")
        writers = [asyncio.ensure_future(work) for work in started.writers]
        try:
            async with asyncio.timeout(20):
                while await conn.fetchval(_WAITING) < 2:
                    await clock.sleep(0.02)
        finally:
            await transaction.rollback()
            await started.drained()
            for writer in writers:
                writer.cancel()
            await asyncio.gather(*writers, return_exceptions=True)
            await started.close()
            await blocker.close()
            await conn.close()

    asyncio.run(asyncio.wait_for(main(), 60))
