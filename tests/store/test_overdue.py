"""Messages past their time: why they ended, when, and what still stands in the way of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg
import pytest
from trip_rows import CARRIER, SET_UP, accepted, doubtful, end, inflight, passes, queued, taken

from trunkline.store import leases
from trunkline.upkeep import overdue

FAILED, UNKNOWN = 3, 4
VALIDITY_S, GRACE_S = 259_200, 12 * 3600


def ran(database: str, main: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
    async def whole() -> None:
        conn = await asyncpg.connect(database)
        try:
            await conn.execute(SET_UP)
            await main(conn)
        finally:
            await conn.close()

    asyncio.run(asyncio.wait_for(whole(), 40))


async def tried(conn: asyncpg.Connection, msg_id: UUID, *statuses: int) -> None:
    """Attempts that the carrier answered so, one after the other."""
    for status in statuses:
        await conn.execute(
            "INSERT INTO attempt VALUES (1, $1, 1, 1, 1, 0, trunkline_now(), trunkline_now(), 'refused', $2)",
            msg_id,
            status,
        )


@pytest.mark.parametrize("later_s", [None, 900_000.0], ids=["queued", "put off"])
@pytest.mark.parametrize(
    ("up", "statuses", "code"),
    [
        (False, (), 461),
        (True, (), 702),
        (True, (0x58,), 459),
        (True, (0x14,), 458),
        (True, (0x58, 0x14), 458),  # the last word counts
        (True, (0x14, 0x58), 459),
        (False, (0x58,), 459),
        (True, (0x07,), 455),  # held for what may be our configuration
        (True, (0x08,), 702),  # a temporary error is not why it waited
    ],
)
def test_why_it_did_not_go_out(
    database: str, up: bool, statuses: tuple[int, ...], code: int, later_s: float | None
) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        epoch = await leases.register(conn, "n", 1, 15)
        await leases.take(conn, epoch)
        await leases.seen_up(conn, epoch, [CARRIER])
        await passes(conn, 10)
        msg_id = await accepted(conn)
        await conn.execute(  # accepted by the clock that was moved
            "UPDATE carrier_lease SET up_at = to_timestamp(('x' || substr(replace($1::text, '-', ''), 1, 12))"
            "::bit(48)::bigint / 1000.0) + $2 * interval '1 second'",
            str(msg_id),
            5.0 if up else -5.0,
        )
        await queued(conn, msg_id, later_s=later_s)
        await tried(conn, msg_id, *statuses)
        await passes(conn, VALIDITY_S - 1)
        assert await overdue.queued(conn) == 0
        await passes(conn, 2)
        assert await overdue.queued(conn) == 1
        assert await end(conn, msg_id) == (FAILED, code, False)
        assert (
            await conn.fetchval("SELECT count(*) FROM mt_queue") + await conn.fetchval("SELECT count(*) FROM mt_later")
            == 0
        )
        assert await overdue.queued(conn) == 0

    ran(database, main)


def test_a_carriers_own_word_for_throttled(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        await conn.execute('UPDATE carrier SET dialect = \'{"throttle_statuses": ["0x401"]}\'')
        msg_id = await accepted(conn)
        await queued(conn, msg_id)
        await tried(conn, msg_id, 0x401)
        await passes(conn, VALIDITY_S + 1)
        assert await overdue.queued(conn) == 1
        assert await end(conn, msg_id) == (FAILED, 459, False)

    ran(database, main)


def test_parts_that_did_not_go_out(database: str) -> None:
    """None accepted: why they waited. One accepted: some parts refused. Delivered before: partly delivered."""

    async def main(conn: asyncpg.Connection) -> None:
        none, some, told = [await accepted(conn, parts=3) for _ in range(3)]
        await queued(conn, none, missing=0b111)
        for msg_id in (some, told):
            await taken(conn, msg_id, part_no=1, parts=3)
            await queued(conn, msg_id, missing=0b100)
            await queued(conn, msg_id, missing=0b010, later_s=900_000)
        await conn.execute("INSERT INTO part_outcome VALUES (1, $1, 1, 2, 0, false, trunkline_now())", told)
        await passes(conn, VALIDITY_S + 1)
        assert await overdue.queued(conn) == 5
        assert await end(conn, none) == (FAILED, 461, False)
        assert await end(conn, some) == (FAILED, 464, False)
        assert await end(conn, told) == (FAILED, 801, False)

    ran(database, main)


def test_one_at_a_time(database: str) -> None:
    """Another process that is at it leaves nothing for this one."""

    async def main(conn: asyncpg.Connection) -> None:
        await queued(conn, await accepted(conn, validity_s=-1))
        other = await asyncpg.connect(database)
        async with other.transaction():
            await other.execute("SELECT pg_advisory_xact_lock(hashtextextended('upkeep queued', 0))")
            assert await overdue.queued(conn) == 0
        await other.close()
        assert await overdue.queued(conn) == 1

    ran(database, main)


# Submitted, and no final receipt came.


async def not_understood(conn: asyncpg.Connection, msg_id: UUID, code: int) -> None:
    await conn.execute(
        "INSERT INTO receipt (carrier_id, link_id, received_at, plan_id, msg_id, part_no, status, error_code)"
        " VALUES (1, 1, trunkline_now(), 1, $1, 1, 1, $2)",
        msg_id,
        code,
    )


@pytest.mark.parametrize(
    ("parts", "told", "receipts", "code"),
    [
        (1, (), (), 703),
        (1, (), (0,), 703),
        (1, (), (905,), 905),
        (1, (), (905, 0), 703),  # the last one was understood
        (2, (), (), 703),
        (2, ((1, 2),), (), 802),
        (2, ((1, 4),), (), 802),
    ],
)
def test_without_a_receipt(
    database: str, parts: int, told: tuple[tuple[int, int], ...], receipts: tuple[int, ...], code: int
) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        msg_id = await accepted(conn, parts=parts)
        for part_no in range(1, parts + 1):
            await taken(conn, msg_id, part_no=part_no, parts=parts)
        for part_no, status in told:
            await conn.execute(
                "INSERT INTO part_outcome VALUES (1, $1, $2, $3, 0, false, trunkline_now())", msg_id, part_no, status
            )
        for given in receipts:
            await not_understood(conn, msg_id, given)
        rounds = overdue.WithoutReceipt()
        await passes(conn, VALIDITY_S + GRACE_S - 60)
        assert await rounds.run(conn) == 0
        await passes(conn, 120)
        assert await rounds.run(conn) == 1
        assert await end(conn, msg_id) == (UNKNOWN, code, False)
        assert await conn.fetchval("SELECT sent_at IS NOT NULL FROM msg")
        assert await rounds.run(conn) == 0

    ran(database, main)


def test_who_decides_elsewhere_is_not_overtaken(database: str) -> None:
    """What is in doubt or claimed ends by what is known of that, not by the lack of a receipt."""

    async def main(conn: asyncpg.Connection) -> None:
        doubt, claimed, plain = [await accepted(conn, validity_s=60) for _ in range(3)]
        await doubtful(conn, doubt)
        await inflight(conn, claimed, 1)
        await passes(conn, 60 + GRACE_S + 60)
        assert await overdue.WithoutReceipt().run(conn) == 1
        assert [(await end(conn, msg_id))[0] for msg_id in (doubt, claimed, plain)] == [None, None, UNKNOWN]

    ran(database, main)


def test_a_final_status_is_not_touched(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        msg_id = await accepted(conn, validity_s=60)
        await conn.execute("UPDATE msg SET status = 2, final_at = now()")
        await passes(conn, 60 + GRACE_S + 60)
        assert await overdue.WithoutReceipt().run(conn) == 0
        assert await end(conn, msg_id) == (2, 0, False)

    ran(database, main)
