"""Events on their way to a real server, and what the tables say of them afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from hook_desk import Receiver, delivering, event, message, provisioned, receiver, when

from trunkline.domain.provisioning import Provisioning
from trunkline.store import hooks
from trunkline.webhooks import claim

Main = Callable[[asyncpg.Connection, Receiver], Awaitable[None]]
OPEN = "NOT EXISTS (SELECT FROM hook_queue)"


def ran(database: str, main: Main, *, within_s: float = 40) -> None:
    async def whole() -> None:
        conn = await asyncpg.connect(database)
        try:
            async with receiver() as there:
                await main(conn, there)
        finally:
            await conn.close()

    asyncio.run(asyncio.wait_for(whole(), within_s))


def test_acknowledged_events_leave_the_queue(database: str) -> None:
    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        ids = [await message(conn) for _ in range(30)]
        for msg_id in ids:
            await event(conn, there.url, msg_id)
        async with delivering(database, lambda: provisioned(1)):
            await when(conn, OPEN)
        assert sorted(there.events) == sorted(f"{msg_id}-2" for msg_id in ids)
        body = there.posts[0][1]
        assert (body["status"], body["to"], body["servicePlanId"]) == ("DELIVERED", "+15550001111", f"{1:024d}")
        rows = await conn.fetch("SELECT tries, status, failure, next_at FROM hook_attempt")
        assert [tuple(row) for row in rows] == [(1, 200, None, None)] * 30

    ran(database, main)


@pytest.mark.parametrize(
    ("status", "headers", "low_s", "high_s"),
    [
        (b"503 Service Unavailable", b"", 4.0, 6.0),
        (b"503 Service Unavailable", b"Retry-After: 8\r\n", 8.0, 8.0),
        (b"503 Service Unavailable", b"Retry-After: 900\r\n", 10.0, 10.0),
        (b"302 Found", b"Location: /elsewhere\r\n", 4.0, 6.0),
        (b"404 Not Found", b"", 4.0, 6.0),
    ],
)
def test_a_failed_attempt_is_due_again(
    database: str, status: bytes, headers: bytes, low_s: float, high_s: float
) -> None:
    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        there.status, there.headers = status, headers
        await event(conn, there.url, await message(conn))
        async with delivering(database, lambda: provisioned(1)):
            await when(conn, "EXISTS (SELECT FROM hook_attempt)")
        wait_s = await conn.fetchval("SELECT extract(epoch FROM next_at - at)::float8 FROM hook_attempt")
        assert low_s - 0.01 <= wait_s <= high_s + 0.01
        row = await conn.fetchrow(
            "SELECT q.tries, abs(extract(epoch FROM q.due_at - a.next_at)) < 0.1 AS same, a.status, q.configured"
            " FROM hook_queue q, hook_attempt a"
        )
        assert tuple(row) == (1, True, int(status[:3]), True)
        assert len(there.posts) == 1

    ran(database, main)


def test_a_retry_goes_out_when_its_time_comes(database: str) -> None:
    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        there.status = b"500 Internal Server Error"
        msg_id = await message(conn)
        await event(conn, there.url, msg_id)
        async with delivering(database, lambda: provisioned(1)):
            await when(conn, "EXISTS (SELECT FROM hook_attempt)")
            there.status = b"204 No Content"
            await conn.execute("UPDATE clock SET shift = '7 seconds'")
            await when(conn, OPEN)
        assert there.events == [f"{msg_id}-2"] * 2
        assert there.posts[0][1] == there.posts[1][1]  # a repeat says the same
        rows = await conn.fetch("SELECT tries, status FROM hook_attempt ORDER BY tries")
        assert [tuple(row) for row in rows] == [(1, 500), (2, 204)]

    ran(database, main)


@pytest.mark.parametrize(
    ("status", "tries", "reason"),
    [
        (b"410 Gone", 0, "the receiver answered 410 Gone"),
        (b"500 Internal Server Error", 9, "all attempts failed"),
    ],
)
def test_dead_letters_say_why(database: str, status: bytes, tries: int, reason: str) -> None:
    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        there.status = status
        msg_id = await message(conn)
        await event(conn, there.url, msg_id, tries=tries)
        async with delivering(database, lambda: provisioned(1)):
            await when(conn, OPEN)
        rows = await conn.fetch("SELECT msg_id, n, tries, reason, url FROM hook_dead")
        assert [tuple(row) for row in rows] == [(msg_id, 2, tries + 1, reason, f"{there.url}/dlr")]
        assert await conn.fetchval("SELECT count(*) FROM hook_attempt WHERE next_at IS NULL") == 1

    ran(database, main)


def test_dead_without_a_post(database: str) -> None:
    """A URL that is not allowed (any more), a message that is gone: nobody is asked."""

    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        forbidden = await message(conn)
        await event(conn, "http://10.0.0.1", forbidden)
        gone = await message(conn)
        await conn.execute("DELETE FROM msg WHERE msg_id = $1", gone)
        await event(conn, there.url, gone)
        async with delivering(database, lambda: provisioned(1)):
            await when(conn, OPEN)
        rows = dict(await conn.fetch("SELECT msg_id, reason FROM hook_dead"))
        assert rows == {forbidden: "the URL is not allowed", gone: "the message is gone"}
        assert there.posts == []

    ran(database, main)


def test_overtaken_events_are_dropped(database: str) -> None:
    """SENT once the message is final, UNKNOWN once it is corrected: what is told last is told alone."""

    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        final, corrected = await message(conn), await message(conn, status=2, late=True)
        await event(conn, there.url, final, n=1)
        await event(conn, there.url, final, n=2)
        await event(conn, there.url, corrected, n=2)
        await event(conn, there.url, corrected, n=3)
        async with delivering(database, lambda: provisioned(1)):
            await when(conn, OPEN)
        assert sorted(there.events) == sorted([f"{final}-2", f"{corrected}-3"])
        assert await conn.fetchval("SELECT count(*) FROM hook_attempt") == 2
        assert await conn.fetchval("SELECT count(*) FROM hook_dead") == 0

    ran(database, main)


def test_events_of_a_new_plan_wait_until_it_is_known(database: str) -> None:
    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        known: list[Provisioning] = [provisioned(1)]
        new, old = await message(conn, plan=2), await message(conn, plan=1)
        await event(conn, there.url, new, plan=2)
        await event(conn, there.url, old, plan=1)
        async with delivering(database, lambda: known[0]):
            await there.count(1)
            await when(conn, "(SELECT count(*) FROM hook_queue) = 1")
            assert there.events == [f"{old}-2"]
            known[0] = provisioned(1, 2)
            await when(conn, OPEN)
        assert there.events == [f"{old}-2", f"{new}-2"]
        assert await conn.fetchval("SELECT count(*) FROM hook_dead") == 0

    ran(database, main)


def test_events_taken_when_the_connection_ends_are_taken_again(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The records are read after the events are taken: a connection that ends in between must not strand them."""
    ended: list[int] = []
    finals = hooks.finals

    async def cut(conn: asyncpg.Connection, taken: list[hooks.Hook]) -> object:
        if not ended:
            ended.append(conn.get_server_pid())
            conn.terminate()
        return await finals(conn, taken)

    monkeypatch.setattr(hooks, "finals", cut)

    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        msg_id = await message(conn)
        await event(conn, there.url, msg_id)
        async with delivering(database, lambda: provisioned(1)):
            await when(conn, OPEN)
        assert there.events == [f"{msg_id}-2"]
        assert len(ended) == 1

    ran(database, main)


def test_an_event_that_becomes_visible_late_is_found(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its transaction wrote down a time and committed long after younger events were done with."""
    monkeypatch.setattr(claim, "_RESET_FLOORS_S", 0.5)

    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        slow = await asyncpg.connect(database)
        transaction = slow.transaction()
        await transaction.start()
        late = await message(slow)
        await event(slow, there.url, late, ago_s=10)
        younger = await message(conn)
        await event(conn, there.url, younger)
        async with delivering(database, lambda: provisioned(1)):
            await when(conn, OPEN)
            await transaction.commit()
            await slow.close()
            await there.count(2)
            await when(conn, OPEN)
        assert there.events == [f"{younger}-2", f"{late}-2"]

    ran(database, main)


def test_a_little_late_is_found_without_a_reset(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "_RESET_FLOORS_S", 3600.0)

    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        first = await message(conn)
        await event(conn, there.url, first)
        async with delivering(database, lambda: provisioned(1)):
            await when(conn, OPEN)
            late = await message(conn)
            await event(conn, there.url, late, ago_s=1.5)
            await there.count(2)
            await when(conn, OPEN)
        assert there.events == [f"{first}-2", f"{late}-2"]

    ran(database, main)


def test_drained_only_when_open_attempts_are_stored(database: str) -> None:
    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        there.let.clear()
        await event(conn, there.url, await message(conn))
        async with delivering(database, lambda: provisioned(1)) as delivery:
            await there.count(1)
            delivery.drain()
            await event(conn, there.url, await message(conn))  # too late for this process
            there.let.set()
        assert await conn.fetchval("SELECT count(*) FROM hook_attempt") == 1
        assert await conn.fetchval("SELECT count(*) FROM hook_queue") == 1
        assert len(there.posts) == 1

    ran(database, main)


def test_two_processes_deliver_each_event_once(database: str) -> None:
    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        ids = [await message(conn, plan=1 + n % 7) for n in range(140)]
        picture = provisioned(*range(1, 8))
        async with delivering(database, lambda: picture), delivering(database, lambda: picture):
            # Both are there before there is anything to do: lanes are shared by origin, and none changes hands.
            await when(
                conn,
                "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock'"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) = 64",
            )
            for n, msg_id in enumerate(ids):
                await event(conn, there.url, msg_id, plan=1 + n % 7)
            await when(conn, OPEN)
        assert sorted(there.events) == sorted(f"{msg_id}-2" for msg_id in ids)

    ran(database, main)
