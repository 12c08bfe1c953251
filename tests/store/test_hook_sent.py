"""SENT events: with the first accepted part, once, where the plan wants them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg
import pytest
from hook_desk import delivering, message, provisioned, receiver, set_up, when

from trunkline.store import db, queue, settling
from trunkline.store.queue import AcceptedPart
from trunkline.store.settling import Move

URL = "https://client.example.com/dlr"
Main = Callable[[db.Connection], Awaitable[None]]


def ran(database: str, main: Main, *, dlr_url: str | None = URL) -> None:
    async def whole() -> None:
        conn = await db.connect(database, name="test", hot=True)
        try:
            await set_up(conn, dlr_url)
            await conn.execute("UPDATE plan SET sent_events = true")
            await main(conn)
        finally:
            await conn.close()

    asyncio.run(asyncio.wait_for(whole(), 40))


async def accepted(conn: db.Connection, *parts: tuple[UUID, int], telling: bool = True) -> None:
    now = await queue.database_now(conn)
    rows = [AcceptedPart(f"{m}-{p}", "+15550001111", 1, m, p, 2, 1, 0, False, now) for m, p in parts]
    await queue.parts_accepted(conn, 1, rows, [1] if telling else [])


async def told(conn: asyncpg.Connection) -> list[tuple[UUID, int, str, bool]]:
    return [tuple(row) for row in await conn.fetch("SELECT msg_id, n, url, configured FROM hook_queue ORDER BY msg_id")]


def test_it_is_told_once_however_many_parts_and_repeats(database: str) -> None:
    async def main(conn: db.Connection) -> None:
        one, two = await message(conn, status=None), await message(conn, status=None)
        await conn.execute("UPDATE msg SET callback_url = 'https://own.example.com/x' WHERE msg_id = $1", two)
        await accepted(conn, (one, 1), (two, 1), (one, 2))
        await accepted(conn, (two, 2))
        await accepted(conn, (one, 1))  # the answer about the commit was lost
        assert await told(conn) == [(one, 1, URL, True), (two, 1, "https://own.example.com/x", False)]
        assert await conn.fetchval("SELECT count(*) FROM ref") == 5
        same = "SELECT bool_and(m.sent_at = (SELECT min(sent_at) FROM ref r WHERE r.msg_id = m.msg_id)) FROM msg m"
        assert await conn.fetchval(same)

    ran(database, main)


def test_of_two_parts_at_the_same_instant_one_tells(database: str) -> None:
    async def main(conn: db.Connection) -> None:
        msg_id = await message(conn, status=None)
        beside = await db.connect(database, name="beside", hot=True)
        first = beside.transaction()
        await first.start()
        await accepted(beside, (msg_id, 1))
        second = asyncio.create_task(accepted(conn, (msg_id, 2)))
        look = await asyncpg.connect(database)
        await when(look, "EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        await first.commit()
        await second
        assert await told(look) == [(msg_id, 1, URL, True)]
        assert await look.fetchval("SELECT count(*) FROM ref") == 2
        await look.close()
        await beside.close()

    ran(database, main)


def test_what_is_final_already_is_not_told_as_sent(database: str) -> None:
    async def main(conn: db.Connection) -> None:
        await accepted(conn, (await message(conn), 1))
        assert await told(conn) == []

    ran(database, main)


def test_the_plan_of_now_decides(database: str) -> None:
    async def main(conn: db.Connection) -> None:
        await conn.execute("UPDATE plan SET sent_events = false")
        await accepted(conn, (await message(conn, status=None), 1))
        assert await told(conn) == []
        assert await conn.fetchval("SELECT count(*) FROM msg WHERE sent_at IS NOT NULL") == 0

    ran(database, main)


@pytest.mark.parametrize("url", [URL, None], ids=["not asked for", "no URL"])
def test_no_event(database: str, url: str | None) -> None:
    async def main(conn: db.Connection) -> None:
        msg_id = await message(conn, status=None)
        await accepted(conn, (msg_id, 1), telling=url is None)
        assert await told(conn) == []
        assert await conn.fetchval("SELECT count(*) FROM ref") == 1

    ran(database, main, dlr_url=url)


def test_it_says_sent_and_the_final_state_follows(database: str) -> None:
    async def main(conn: db.Connection) -> None:
        async with receiver() as there, delivering(database, lambda: provisioned(1)) as delivery:
            await conn.execute("UPDATE plan SET dlr_url = $1", f"{there.url}/dlr")
            msg_id = await message(conn, status=None)
            await accepted(conn, (msg_id, 1))
            await when(conn, "NOT EXISTS (SELECT FROM hook_queue)", delivery)
            await settling.apply(conn, [Move(1, msg_id, 2, 0, None, False)], wake=True)
            await when(conn, "NOT EXISTS (SELECT FROM hook_queue)", delivery)
        assert there.events == [f"{msg_id}-1", f"{msg_id}-2"]
        sent, final = (body for _, body in there.posts)
        assert (sent["status"], sent["finalAt"], final["status"]) == ("SENT", None, "DELIVERED")
        assert sent["sentAt"] is not None
        assert sent["sentAt"] == final["sentAt"]

    ran(database, main)
