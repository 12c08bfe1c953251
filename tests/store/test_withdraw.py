"""Cancelling: what still waits as a whole ends FAILED 610 and is gone from its queue; all else stays as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
from trip_rows import SET_UP, accepted, doubtful, end, inflight, queued, taken

from trunkline.domain.provisioning import CarrierId
from trunkline.settle.withdraw import withdraw
from trunkline.store import db, leases, queue
from trunkline.store.db import Connection
from trunkline.store.queue import FIRST, Lane

PLAN, CARRIER, FAILED = 1, CarrierId(1), 3
CANCELLED, OPEN = (FAILED, 610, False), (None, 0, False)


class Sessions:
    """The API's session, a dispatcher's, and one that looks."""

    def __init__(self, api: Connection, dispatcher: Connection, look: Connection) -> None:
        self.api, self.dispatcher, self.look = api, dispatcher, look

    async def begin(self) -> None:
        await self.look.execute(SET_UP)
        self.epoch = await leases.register(self.look, "test", 1, 3600)
        await leases.take(self.look, self.epoch)

    async def claim(self, at_most: int = 10) -> list[UUID]:
        found = await queue.claim(
            self.dispatcher, CARRIER, self.epoch, [(Lane(0, PLAN), FIRST, at_most)], free_parts=1000,
            alone_parts=63, claim_no=1,
        )  # fmt: skip
        return [one.msg_id for one in found]

    async def waiting(self, msg_id: UUID) -> int:
        """How many rows of it the queues hold."""
        return int(
            await self.look.fetchval(
                "SELECT (SELECT count(*) FROM mt_queue WHERE msg_id = $1)"
                " + (SELECT count(*) FROM mt_later WHERE msg_id = $1)",
                msg_id,
            )
        )

    async def blocked(self) -> None:
        """Returns once a session waits for a lock."""
        while not await self.look.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ):
            await self.look.execute("SELECT pg_sleep(0.01)")


def ran(dsn: str, main: Callable[[Sessions], Awaitable[None]]) -> None:
    async def whole() -> None:
        conns = [await db.connect(dsn, name=name, hot=name == "dispatch") for name in ("api", "dispatch", "look")]
        try:
            there = Sessions(*conns)
            await there.begin()
            await main(there)
        finally:
            for conn in conns:
                await conn.close()

    asyncio.run(asyncio.wait_for(whole(), 60))


Place = Callable[[Connection], Awaitable[UUID]]


async def now(conn: Connection) -> UUID:
    await queued(conn, msg_id := await accepted(conn))
    return msg_id


async def later(conn: Connection) -> UUID:
    await queued(conn, msg_id := await accepted(conn), later_s=3600)
    return msg_id


async def three_parts(conn: Connection) -> UUID:
    await queued(conn, msg_id := await accepted(conn, parts=3), missing=0b111)
    return msg_id


async def tried_before(conn: Connection) -> UUID:
    msg_id = await later(conn)
    await conn.execute("UPDATE mt_later SET tries = 2 WHERE msg_id = $1", msg_id)
    return msg_id


async def in_two_queues(conn: Connection) -> UUID:
    """Its parts came back one by one: to two carriers, and one put off."""
    msg_id = await accepted(conn, parts=3)
    await queued(conn, msg_id, missing=0b001)
    await conn.execute("UPDATE mt_queue SET carrier_id = 2, priority = 7 WHERE msg_id = $1", msg_id)
    await queued(conn, msg_id, missing=0b010)
    await queued(conn, msg_id, missing=0b100, later_s=60)
    return msg_id


@pytest.mark.parametrize("place", [now, later, three_parts, tried_before, in_two_queues])
def test_what_waits_as_a_whole_is_cancelled(database: str, place: Place) -> None:
    async def main(there: Sessions) -> None:
        others = [await place(there.look) for _ in range(3)]
        msg_id = await place(there.look)
        before = await there.waiting(others[0])
        assert await withdraw(there.api, PLAN, msg_id)
        assert await end(there.look, msg_id) == CANCELLED
        assert await there.waiting(msg_id) == 0
        for other in others:
            assert (await end(there.look, other), await there.waiting(other)) == (OPEN, before)
        assert not await withdraw(there.api, PLAN, msg_id)

    ran(database, main)


async def partly_claimed(conn: Connection) -> UUID:
    await queued(conn, msg_id := await accepted(conn, parts=2), missing=0b10)
    await inflight(conn, msg_id, 1)
    return msg_id


async def partly_accepted(conn: Connection) -> UUID:
    await queued(conn, msg_id := await accepted(conn, parts=2), missing=0b10, later_s=60)
    await taken(conn, msg_id, parts=2)
    return msg_id


async def partly_in_doubt(conn: Connection) -> UUID:
    await queued(conn, msg_id := await accepted(conn, parts=2), missing=0b10)
    await doubtful(conn, msg_id)
    return msg_id


async def resent_after_a_doubt(conn: Connection) -> UUID:
    await queued(conn, msg_id := await accepted(conn))
    await conn.execute("UPDATE mt_queue SET resubmitted = true WHERE msg_id = $1", msg_id)
    return msg_id


async def claimed(conn: Connection) -> UUID:
    await inflight(conn, msg_id := await accepted(conn), 1)
    return msg_id


async def in_doubt(conn: Connection) -> UUID:
    await doubtful(conn, msg_id := await accepted(conn))
    return msg_id


async def sent(conn: Connection) -> UUID:
    await taken(conn, msg_id := await accepted(conn))
    return msg_id


@pytest.mark.parametrize(
    "place",
    [partly_claimed, partly_accepted, partly_in_doubt, resent_after_a_doubt, claimed, in_doubt, sent],
)
def test_what_may_have_gone_out_is_left_as_it_is(database: str, place: Place) -> None:
    async def main(there: Sessions) -> None:
        msg_id = await place(there.look)
        before = await there.waiting(msg_id)
        assert not await withdraw(there.api, PLAN, msg_id)
        assert await end(there.look, msg_id) == OPEN
        assert await there.waiting(msg_id) == before

    ran(database, main)


def test_a_final_message_stays_what_it_is(database: str) -> None:
    """Even where a row was left in the queue."""

    async def main(there: Sessions) -> None:
        msg_id = await now(there.look)
        await there.look.execute("UPDATE msg SET status = 2, final_at = trunkline_now() WHERE msg_id = $1", msg_id)
        assert not await withdraw(there.api, PLAN, msg_id)
        assert await end(there.look, msg_id) == (2, 0, False)

    ran(database, main)


def test_another_plan_s_message_is_left_alone(database: str) -> None:
    async def main(there: Sessions) -> None:
        msg_id = await now(there.look)
        assert not await withdraw(there.api, 2, msg_id)
        assert (await end(there.look, msg_id), await there.waiting(msg_id)) == (OPEN, 1)

    ran(database, main)


@pytest.mark.parametrize("ends", ["COMMIT", "ROLLBACK"])
def test_a_claim_under_way_decides(database: str, ends: str) -> None:
    async def main(there: Sessions) -> None:
        msg_id = await now(there.look)
        await there.dispatcher.execute("BEGIN")
        assert await there.claim() == [msg_id]
        cancelling = asyncio.create_task(withdraw(there.api, PLAN, msg_id))
        await there.blocked()
        await there.dispatcher.execute(ends)
        assert await cancelling == (ends == "ROLLBACK")
        assert await end(there.look, msg_id) == (OPEN if ends == "COMMIT" else CANCELLED)
        assert await there.look.fetchval("SELECT count(*) FROM inflight") == (ends == "COMMIT")

    ran(database, main)


def test_a_claim_does_not_wait_for_a_cancel(database: str) -> None:
    async def main(there: Sessions) -> None:
        msg_id, other = await now(there.look), await now(there.look)
        async with there.api.transaction():
            assert await withdraw(there.api, PLAN, msg_id)
            assert await asyncio.wait_for(there.claim(), 5) == [other]
        assert await there.claim() == []
        assert await end(there.look, msg_id) == CANCELLED

    ran(database, main)


def test_a_message_that_becomes_due_at_that_moment_is_found(database: str) -> None:
    async def main(there: Sessions) -> None:
        await queued(there.look, msg_id := await accepted(there.look), later_s=-1)
        await there.dispatcher.execute("BEGIN")
        assert await queue.move_due(there.dispatcher) == 1
        cancelling = asyncio.create_task(withdraw(there.api, PLAN, msg_id))
        await there.blocked()
        await there.dispatcher.execute("COMMIT")
        assert await cancelling
        assert (await end(there.look, msg_id), await there.waiting(msg_id)) == (CANCELLED, 0)

    ran(database, main)


def test_of_a_claim_and_a_cancel_exactly_one_wins(database: str) -> None:
    async def main(there: Sessions) -> None:
        ids = [await now(there.look) for _ in range(300)]

        async def claiming() -> list[UUID]:
            taken: list[UUID] = []
            while found := await there.claim(3):
                taken += found
            return taken

        async def cancelling() -> list[UUID]:
            return [msg_id for msg_id in reversed(ids) if await withdraw(there.api, PLAN, msg_id)]

        claimed, cancelled = await asyncio.gather(claiming(), cancelling())
        assert sorted(claimed + cancelled) == sorted(ids)
        rows = await there.look.fetch("SELECT msg_id FROM msg WHERE status = 3 AND error_code = 610")
        assert sorted(row[0] for row in rows) == sorted(cancelled)
        rows = await there.look.fetch("SELECT msg_id FROM inflight")
        assert sorted(row[0] for row in rows) == sorted(claimed)
        assert min(len(claimed), len(cancelled)) > 0

    ran(database, main)
