"""Which process takes up which events: shared lanes, nothing twice while it is under way, everything after a crash."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import asyncpg

from trunkline.domain.ids import MsgIds
from trunkline.runtime import clock
from trunkline.store import hooks
from trunkline.store.db import connect
from trunkline.webhooks.claim import BUCKETS, Claims, Holding

ORIGIN = "https://client.example.com"


async def queued(dsn: str, count: int) -> None:
    ids = MsgIds()
    conn = await asyncpg.connect(dsn)
    await conn.executemany(
        "INSERT INTO hook_queue (plan_id, origin, due_at, msg_id, n, configured, url)"
        " VALUES (1, $1, trunkline_now(), $2, 2, false, $1 || '/dlr')",
        [(ORIGIN, ids.new(time.time_ns() // 1_000_000)) for _ in range(count)],
    )
    await conn.close()


async def until(true: Callable[[], bool], *, within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline
        await clock.sleep(0.02)


async def stopped(task: asyncio.Task[None], holding: Holding) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await holding.close()


def test_an_event_under_way_is_not_given_again_and_is_after_a_crash(database: str) -> None:
    async def main() -> None:
        await queued(database, 10)
        holding = Holding(database)
        task = asyncio.create_task(holding.run())
        await until(lambda: len(holding.buckets) == BUCKETS)
        conn = await connect(database, name="test", hot=True)
        claims = Claims(holding, lambda plan, origin: 4)
        first = await claims.take(conn)
        second = await claims.take(conn)
        assert [len(first), len(second)] == [4, 4]
        assert not {h.msg_id for h in first} & {h.msg_id for h in second}

        done = [hooks.Acknowledged(h.plan_id, h.origin, h.due_at, h.msg_id, h.n, 1, 200, 1) for h in first]
        await hooks.acknowledged(conn, done)
        claims.ended(first)
        third = await claims.take(conn)
        assert len(third) == 2
        assert not {h.msg_id for h in third} & {h.msg_id for h in (*first, *second)}

        # Another life of the process knows of nothing under way: what was not acknowledged comes again.
        again = await Claims(holding, lambda plan, origin: 100).take(conn)
        assert {h.msg_id for h in again} == {h.msg_id for h in (*second, *third)}
        await stopped(task, holding)
        await conn.close()

    asyncio.run(main())


def test_an_event_that_shows_late_is_not_left_behind(database: str) -> None:
    """A lane with more behind is read on from the last event taken; a commit may put one before that place."""

    async def main() -> None:
        await queued(database, 1000)
        holding = Holding(database)
        task = asyncio.create_task(holding.run())
        await until(lambda: len(holding.buckets) == BUCKETS)
        conn = await connect(database, name="test", hot=True)
        claims = Claims(holding, lambda plan, origin: 1)
        taken = await claims.take(conn)
        late = await conn.fetchval(
            "INSERT INTO hook_queue SELECT plan_id, origin, due_at - interval '1 second', gen_random_uuid(), n, tries,"
            " configured, url FROM hook_queue LIMIT 1 RETURNING msg_id"
        )
        while more := await claims.take(conn):
            taken += more
        order = [hook.msg_id for hook in taken]
        assert len(order) == len(set(order)) == 1001
        assert order.index(late) < 1000
        assert [one for one in order if one != late] == sorted(one for one in order if one != late)
        await stopped(task, holding)
        await conn.close()

    asyncio.run(main())


def test_lanes_are_shared_and_inherited(database: str) -> None:
    async def main() -> None:
        one, other = Holding(database), Holding(database)
        tasks = [asyncio.create_task(one.run()), asyncio.create_task(other.run())]
        await until(lambda: len(one.buckets) == len(other.buckets) == BUCKETS // 2)
        assert not one.buckets & other.buckets
        await stopped(tasks[0], one)
        await until(lambda: len(other.buckets) == BUCKETS)
        await stopped(tasks[1], other)

    asyncio.run(main())


def test_a_failed_event_is_due_again_and_a_dead_one_is_kept(database: str) -> None:
    async def main() -> None:
        await queued(database, 2)
        holding = Holding(database)
        task = asyncio.create_task(holding.run())
        await until(lambda: len(holding.buckets) == BUCKETS)
        conn = await connect(database, name="test", hot=True)
        taken = await Claims(holding, lambda plan, origin: 10).take(conn)

        def result(hook: hooks.Hook, next_in_s: float | None, dead: str | None) -> hooks.AttemptedHook:
            return hooks.AttemptedHook(
                hook.plan_id, hook.origin, hook.due_at, hook.msg_id, hook.n, 1, hook.url, 503, None, 5, b"no",
                next_in_s, dead,
            )  # fmt: skip

        await hooks.attempted(conn, [result(taken[0], 300.0, None), result(taken[1], None, "gone")])
        left = await conn.fetch("SELECT msg_id, tries, due_at - trunkline_now() AS wait FROM hook_queue")
        assert [(row[0], row[1]) for row in left] == [(taken[0].msg_id, 1)]
        assert 290 < left[0]["wait"].total_seconds() <= 300
        assert [tuple(row) for row in await conn.fetch("SELECT msg_id, reason, tries FROM hook_dead")] == [
            (taken[1].msg_id, "gone", 1)
        ]
        assert await conn.fetchval("SELECT count(*) FROM hook_attempt") == 2
        await stopped(task, holding)
        await conn.close()

    asyncio.run(main())
