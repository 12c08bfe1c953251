"""T35, T36: an event's whole way to the dead letter and back, receivers that are down, and order within a message."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import asyncpg
from hook_desk import Receiver, delivering, event, message, provisioned, receiver, set_up, when

from trunkline.domain.schedule import PATIENCE_S, STEPS_S
from trunkline.store import db, hooks, replay
from trunkline.store.replay import BEGINNING, Chosen
from trunkline.webhooks import rounds
from trunkline.webhooks.claim import BUCKETS, bucket_of

Main = Callable[[asyncpg.Connection, Receiver], Awaitable[None]]
OPEN = "NOT EXISTS (SELECT FROM hook_queue)"


def ran(database: str, main: Main) -> None:
    async def whole() -> None:
        conn = await asyncpg.connect(database)
        try:
            async with receiver() as there:
                await set_up(conn, f"{there.url}/dlr")
                await main(conn, there)
        finally:
            await conn.close()

    asyncio.run(asyncio.wait_for(whole(), 40))


class Clock:
    """What breakers go by."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


async def holding_all(conn: asyncpg.Connection) -> None:
    await when(
        conn,
        "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) = 64",
    )


def test_the_whole_schedule_a_dead_letter_and_its_replay(database: str) -> None:
    clock = Clock()

    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        there.status = b"500 Internal Server Error"
        msg_id = await message(conn)
        await event(conn, there.url, msg_id)
        async with delivering(database, lambda: provisioned(1), now=clock) as delivery:
            for tries in range(1, 10):
                await when(conn, f"(SELECT max(tries) FROM hook_attempt) = {tries}", delivery)
                wait_s = await conn.fetchval(
                    "SELECT extract(epoch FROM next_at - at)::float8 FROM hook_attempt ORDER BY tries DESC LIMIT 1"
                )
                assert 0.8 * STEPS_S[tries - 1] - 0.01 <= wait_s <= 1.2 * STEPS_S[tries - 1] + 0.01
                # No attempt before its time; then one.
                await conn.execute("UPDATE clock SET shift = shift + $1 * interval '1 second'", wait_s - 3)
                delivery.wake()
                assert await conn.fetchval("SELECT due_at > trunkline_now() FROM hook_queue")
                assert len(there.posts) == tries
                await conn.execute("UPDATE clock SET shift = shift + interval '3 seconds'")
                delivery.wake()
            await when(conn, OPEN, delivery)
            assert await conn.fetchval("SELECT reason FROM hook_dead") == "all attempts failed"
            assert len(there.posts) == 10

            # Ten failures in a row: the receiver is taken to be down, so the replayed event waits for the probe.
            there.status = b"200 OK"
            other = await db.connect(database, name="operator")
            judged, _ = await replay.replay(other, Chosen(), BEGINNING)
            await other.close()
            assert [one.verdict for one in judged] == ["replayed"]
            clock.s += 30
            delivery.wake()
            await when(conn, OPEN, delivery)
        assert there.events == [f"{msg_id}-2"] * 11
        assert all(body == there.posts[0][1] for _, body in there.posts)
        assert await conn.fetchval("SELECT tries FROM hook_attempt ORDER BY at DESC LIMIT 1") == 1
        assert await conn.fetchval("SELECT replayed_at IS NOT NULL FROM hook_dead")

    ran(database, main)


def test_events_of_a_receiver_that_is_down_wait_without_an_attempt(database: str) -> None:
    clock = Clock()

    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        there.status = b"503 Service Unavailable"
        async with delivering(database, lambda: provisioned(1), now=clock) as delivery:
            for _ in range(10):
                await event(conn, there.url, await message(conn))
            await when(conn, "(SELECT count(*) FROM hook_attempt) = 10", delivery)
            waiting = [await message(conn) for _ in range(20)]
            for n, msg_id in enumerate(waiting):
                await event(conn, there.url, msg_id, ago_s=1 - n / 100)
            # Another lane of the same process is read and posted meanwhile: so this one has been passed over.
            async with receiver() as healthy:
                await event(conn, healthy.url, await message(conn))
                delivery.wake()
                await healthy.count(1)
            assert len(there.posts) == 10
            assert (
                await conn.fetchval(f"SELECT count(*) FROM hook_queue WHERE tries = 0 AND origin = '{there.url}'") == 20
            )

            # The probe is one event; when it fails the others wait on, when it succeeds they go.
            clock.s += 30
            delivery.wake()
            await when(conn, "(SELECT count(*) FROM hook_attempt WHERE status = 503) = 11", delivery)
            assert len(there.posts) == 11
            there.status = b"200 OK"
            clock.s += 30
            delivery.wake()
            await when(conn, "NOT EXISTS (SELECT FROM hook_queue WHERE tries = 0)", delivery)
        assert {f"{msg_id}-2" for msg_id in waiting} <= set(there.events[10:])

    ran(database, main)


def test_a_receiver_that_stays_down_gets_dead_letters_all_the_same(database: str) -> None:
    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        hour = 3600
        ages = [(0, 99), (0, 100), (9, 23), (9, 25), (4, 96), (4, 98)]
        ids = {}
        for tries, hours in ages:
            ids[tries, hours] = await message(conn)
            await event(conn, there.url, ids[tries, hours], tries=tries, ago_s=hours * hour)
        found = await hooks.waited_out(conn, [(1, there.url)], PATIENCE_S)
        assert [tuple(row) for row in found] == [(1, there.url, 3)]
        dead = {row[0] for row in await conn.fetch("SELECT msg_id FROM hook_dead")}
        assert dead == {ids[0, 100], ids[9, 25], ids[4, 98]}
        assert await conn.fetchval("SELECT count(*) FROM hook_queue") == 3

    ran(database, main)


def test_the_rounds_find_what_has_waited_too_long(database: str) -> None:
    clock = Clock()

    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        there.status = b"503 Service Unavailable"
        async with delivering(database, lambda: provisioned(1), now=clock) as delivery:
            for _ in range(10):
                await event(conn, there.url, await message(conn), configured=False)
            await when(conn, "(SELECT count(*) FROM hook_attempt) = 10", delivery)
            old, young = await message(conn), await message(conn)
            await event(conn, there.url, old, ago_s=101 * 3600, configured=False)
            await event(conn, there.url, young, ago_s=3600, configured=False)
            clock.s += 61  # the rounds', and a probe goes as well
            for _ in range(8):
                clock.s += rounds._EVERY_S
                delivery.wake()
                await conn.execute("SELECT pg_sleep(0.02)")
            await when(conn, "EXISTS (SELECT FROM hook_dead)", delivery)
        rows = await conn.fetch("SELECT msg_id, reason FROM hook_dead")
        assert [tuple(row) for row in rows] == [(old, "the receiver was down until its time was over")]

    ran(database, main)


def test_a_tarpit_delays_nobody_else(database: str) -> None:
    """It never answers, and thousands wait for it; nine others get theirs, and it gets no more than its share."""

    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        there.let.clear()
        plans = range(1, 11)
        stuck = await message(conn, plan=1)
        await conn.execute(
            "INSERT INTO hook_queue (plan_id, origin, due_at, msg_id, n, configured, url)"
            " SELECT 1, $1, trunkline_now() - n * interval '1 ms', ($2::text || lpad(to_hex(n), 12, '0'))::uuid, 2,"
            " false, $1 || '/' || n FROM generate_series(1, 2000) AS n",
            there.url, str(stuck)[:24],
        )  # fmt: skip
        await conn.execute(
            "INSERT INTO msg (plan_id, msg_id, account_id, sender, recipient, body, encoding, parts, expires_at,"
            " status, final_at) SELECT 1, msg_id, 1, '1', '+15550001111', 'hi', 0, 1, now(), 2, now() FROM hook_queue"
        )
        async with receiver() as healthy, delivering(database, lambda: provisioned(*plans)) as delivery:
            await holding_all(conn)
            delivery.wake()
            await there.count(8)
            for n in range(200):
                plan = 2 + n % 9
                await event(conn, healthy.url, await message(conn, plan=plan), plan=plan)
            await when(conn, "NOT EXISTS (SELECT FROM hook_queue WHERE plan_id > 1)", delivery)
            assert len(healthy.posts) == 200
            # What is under way at the tarpit is the bound of (plan, origin), though each event has a URL of its own.
            assert len(there.posts) == 8
            there.let.set()

    ran(database, main)


def test_a_newer_status_waits_for_the_older_one_that_is_under_way(database: str) -> None:
    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        there.let.clear()
        msg_id = await message(conn, status=None)
        async with delivering(database, lambda: provisioned(1)) as delivery:
            await holding_all(conn)
            await event(conn, there.url, msg_id, n=1)
            delivery.wake()
            await there.count(1)
            await conn.execute("UPDATE msg SET status = 2, final_at = now()")
            await event(conn, there.url, msg_id, n=2)
            # Another's event comes after it in the lane, and goes: so the final one was read and held back.
            other = await message(conn)
            await event(conn, there.url, other)
            delivery.wake()
            await there.count(2)
            assert there.events == [f"{msg_id}-1", f"{other}-2"]
            there.let.set()
            await when(conn, OPEN, delivery)
        assert there.events == [f"{msg_id}-1", f"{other}-2", f"{msg_id}-2"]
        assert [body["status"] for _, body in there.posts] == ["SENT", "DELIVERED", "DELIVERED"]

    ran(database, main)


def test_an_older_status_that_failed_is_not_sent_after_the_newer_one(database: str) -> None:
    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        there.status = b"500 Internal Server Error"
        msg_id = await message(conn, status=None)
        async with delivering(database, lambda: provisioned(1)) as delivery:
            await event(conn, there.url, msg_id, n=1)
            await when(conn, "EXISTS (SELECT FROM hook_attempt)", delivery)
            there.status = b"200 OK"
            await conn.execute("UPDATE msg SET status = 2, final_at = now()")
            await event(conn, there.url, msg_id, n=2)
            await when(conn, "(SELECT count(*) FROM hook_queue) = 1", delivery)
            await conn.execute("UPDATE clock SET shift = '7 seconds'")
            delivery.wake()
            await when(conn, OPEN, delivery)
        assert there.events == [f"{msg_id}-1", f"{msg_id}-2"]
        assert await conn.fetchval("SELECT count(*) FROM hook_dead") == 0

    ran(database, main)


def test_lanes_change_hands_when_nothing_of_them_is_under_way(database: str) -> None:
    """Else what is under way would go out again, and a newer status before it."""
    # The first process is to give up the upper half of its buckets.
    fewest = (
        "(SELECT min(count) FROM (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) GROUP BY pid) AS held)"
    )

    async def main(conn: asyncpg.Connection, _: Receiver) -> None:
        async with AsyncExitStack() as receivers:
            there = await receivers.enter_async_context(receiver())
            while bucket_of(there.url) < BUCKETS // 2:
                there = await receivers.enter_async_context(receiver())
            there.let.clear()
            async with delivering(database, lambda: provisioned(1)) as delivery:
                await holding_all(conn)
                await event(conn, there.url, await message(conn))
                delivery.wake()
                await there.count(1)
                async with delivering(database, lambda: provisioned(1)):
                    await when(conn, f"{fewest} = 31")
                    there.let.set()
                    await when(conn, f"{fewest} = 32 AND {OPEN}")
            assert len(there.posts) == 1

    ran(database, main)
