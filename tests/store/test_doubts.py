"""What becomes of a part that was written and never answered, once its time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from trip_rows import AT_LEAST_ONCE, ONCE, SET_UP, accepted, doubtful, end, passes, taken

from trunkline.upkeep import rescue

UNKNOWN = 4


def ran(database: str, main: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
    async def whole() -> None:
        conn = await asyncpg.connect(database)
        try:
            await conn.execute(SET_UP)
            await main(conn)
        finally:
            await conn.close()

    asyncio.run(asyncio.wait_for(whole(), 40))


@pytest.mark.parametrize("code", [901, 902])
def test_a_doubt_ends_unknown(database: str, code: int) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        msg_id = await accepted(conn)
        await doubtful(conn, msg_id, code=code)
        assert await rescue.ended_doubts(conn) == 1
        assert await end(conn, msg_id) == (UNKNOWN, code, False)
        assert await conn.fetchval("SELECT count(*) FROM doubt") == 0
        assert await conn.fetchval("SELECT count(*) FROM mt_queue") == 0

    ran(database, main)


def test_a_doubt_is_left_alone_until_its_time(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        msg_id = await accepted(conn)
        await doubtful(conn, msg_id)
        await conn.execute("UPDATE doubt SET resolve_at = trunkline_now() + interval '1 minute'")
        assert await rescue.ended_doubts(conn) == 0
        await passes(conn, 61)
        assert await rescue.ended_doubts(conn) == 1

    ran(database, main)


def test_at_least_once_is_sent_once_more_and_says_so(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        msg_id = await accepted(conn, plan=AT_LEAST_ONCE)
        await doubtful(conn, msg_id, plan=AT_LEAST_ONCE)
        heard = asyncio.Event()
        listener = await asyncpg.connect(conn_dsn[0])
        await listener.add_listener("mt", lambda *told: heard.set() if told[3] == "again" else None)
        assert await rescue.ended_doubts(conn) == 1
        assert await end(conn, msg_id) == (None, 0, True)
        row = await conn.fetchrow(
            "SELECT carrier_id, plan_id, priority, msg_id, missing, parts, resubmitted FROM mt_queue"
        )
        assert tuple(row) == (1, AT_LEAST_ONCE, 5, msg_id, 1, 1, True)
        await asyncio.wait_for(heard.wait(), 10)
        await listener.close()
        # Lost again: that was all.
        await conn.execute("DELETE FROM mt_queue")
        await doubtful(conn, msg_id, plan=AT_LEAST_ONCE, resubmitted=True)
        assert await rescue.ended_doubts(conn) == 1
        assert await end(conn, msg_id) == (UNKNOWN, 901, True)
        assert await conn.fetchval("SELECT count(*) FROM mt_queue") == 0

    conn_dsn = [database]
    ran(database, main)


def test_nothing_is_sent_again_past_its_validity(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        msg_id = await accepted(conn, plan=AT_LEAST_ONCE, validity_s=-1)
        await doubtful(conn, msg_id, plan=AT_LEAST_ONCE)
        await rescue.ended_doubts(conn)
        assert await end(conn, msg_id) == (UNKNOWN, 901, False)

    ran(database, main)


@pytest.mark.parametrize("plan", [ONCE, AT_LEAST_ONCE])
def test_what_was_told_meanwhile_is_left_alone(database: str, plan: int) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        sent, delivered = await accepted(conn, plan=plan), await accepted(conn, plan=plan)
        await taken(conn, sent, plan=plan)
        await conn.execute("UPDATE msg SET status = 2, final_at = now() WHERE msg_id = $1", delivered)
        for msg_id in (sent, delivered):
            await doubtful(conn, msg_id, plan=plan)
        assert await rescue.ended_doubts(conn) == 2
        assert await end(conn, sent) == (None, 0, False)
        assert await end(conn, delivered) == (2, 0, False)
        assert await conn.fetchval("SELECT count(*) FROM mt_queue") == 0

    ran(database, main)


def test_doubtful_parts_of_a_message(database: str) -> None:
    """One accepted, two not: sent again together, in one row; or, where none is sent twice, decided with the others."""

    async def main(conn: asyncpg.Connection) -> None:
        again, once = await accepted(conn, plan=AT_LEAST_ONCE, parts=3), await accepted(conn, parts=3)
        for plan, msg_id in ((AT_LEAST_ONCE, again), (ONCE, once)):
            await taken(conn, msg_id, plan=plan, part_no=1, parts=3)
            for part_no in (1, 2, 3):
                await doubtful(conn, msg_id, plan=plan, part_no=part_no)
        await rescue.ended_doubts(conn)
        rows = await conn.fetch("SELECT msg_id, missing, parts FROM mt_queue")
        assert [tuple(row) for row in rows] == [(again, 0b110, 2)]
        rows = await conn.fetch("SELECT msg_id, part_no, status, error_code FROM part_outcome ORDER BY part_no")
        assert [tuple(row) for row in rows] == [(once, 2, UNKNOWN, 901), (once, 3, UNKNOWN, 901)]
        assert await end(conn, once) == (None, 0, False)  # a receipt for part 1 may still come

    ran(database, main)


def test_a_message_all_of_whose_parts_are_unresolved(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        msg_id = await accepted(conn, parts=2)
        for part_no in (1, 2):
            await doubtful(conn, msg_id, part_no=part_no)
        await rescue.ended_doubts(conn)
        assert await end(conn, msg_id) == (UNKNOWN, 901, False)

    ran(database, main)
