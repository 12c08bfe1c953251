"""Leases of rate limits on a real database: never more than the limit, whoever asks, whatever the clock does."""

from __future__ import annotations

import asyncio
import random

import asyncpg
import pytest
from rate_clock import set_clock, stop_clock

from trunkline.store import db
from trunkline.store.limits import Ask, Leases, lease


class Desk:
    """A session of one process, and the clock of all."""

    def __init__(self, conn: asyncpg.Connection) -> None:
        self.conn = conn
        self.at = 0.0

    async def pass_(self, seconds: float) -> None:
        self.at += seconds
        await set_clock(self.conn, self.at)

    async def take(self, wanted: int, *, rate: float = 100, capacity: float = 25) -> tuple[int, float]:
        granted, tokens = (await lease(self.conn, [Ask(1, 1, rate, capacity, wanted)]))[0]
        return granted, round(tokens, 6)


async def desk(database: str) -> Desk:
    conn = await asyncpg.connect(database)
    await stop_clock(conn)
    await conn.close()
    return Desk(await db.connect(database, name="test", hot=True))


def test_a_bucket_begins_full_gives_what_it_has_and_fills_by_the_limit(database: str) -> None:
    async def main() -> None:
        it = await desk(database)
        assert await it.take(10) == (10, 15)
        assert await it.take(25) == (15, 0)
        assert await it.take(1) == (0, 0)
        await it.pass_(0.055)
        assert await it.take(10) == (5, 0.5)
        await it.pass_(0.005)
        assert await it.take(10) == (1, 0)
        await it.pass_(3600)
        assert await it.take(25) == (25, 0)
        await it.conn.close()

    asyncio.run(main())


def test_a_clock_set_back_is_not_waited_for_and_gives_nothing(database: str) -> None:
    async def main() -> None:
        it = await desk(database)
        assert await it.take(25) == (25, 0)
        await it.pass_(-3600)
        assert await it.take(10) == (0, 0)
        await it.pass_(0.1)
        assert await it.take(10) == (10, 0)
        await it.pass_(-0.05)  # less than a second: another's lease, a moment ago
        assert await it.take(10) == (0, 0)
        await it.pass_(0.05)
        assert await it.take(10) == (0, 0)
        await it.conn.close()

    asyncio.run(main())


def test_a_changed_limit_counts_from_the_next_lease(database: str) -> None:
    async def main() -> None:
        it = await desk(database)
        await it.take(25)
        await it.pass_(0.1)
        assert await it.take(40, rate=400, capacity=100) == (40, 0)
        await it.pass_(60)
        assert await it.take(2, rate=4, capacity=5 / 3) == (1, round(2 / 3, 6))
        await it.conn.close()

    asyncio.run(main())


def test_accounts_and_plans_of_the_same_number_are_told_apart_and_answers_keep_the_order(database: str) -> None:
    async def main() -> None:
        leases = Leases(database)
        asks = [Ask(1, 5, 100, 25, 3), Ask(0, 5, 200, 50, 7), Ask(0, 2, 200, 50, 1)]
        assert [(one.granted, one.tokens) for one in await leases.take(asks)] == [(3, 22), (7, 43), (1, 49)]
        await leases.close()

    asyncio.run(main())


@pytest.mark.parametrize("processes", [2, 5])
def test_the_sum_of_all_slices_stays_within_the_limit(database: str, processes: int) -> None:
    """Sessions that ask at once, each for more than its share, in whatever order the server takes them."""

    async def main() -> None:
        it = await desk(database)
        chance = random.Random(1)
        sessions = [await db.connect(database, name="limits", hot=True) for _ in range(processes)]
        granted = {0: 0, 1: 0}
        rate, capacity, ticks = 200.0, 50.0, 250
        for _ in range(ticks):  # 10 s
            await it.pass_(0.04)
            kinds = [chance.sample([0, 1], 2) for _ in sessions]
            rounds = [
                lease(conn, [Ask(kind, 9, rate, capacity, chance.randint(1, 12)) for kind in order])
                for conn, order in zip(sessions, kinds, strict=True)
            ]
            for order, leases in zip(kinds, await asyncio.gather(*rounds), strict=True):
                for kind, one in zip(order, leases, strict=True):
                    granted[kind] += one.granted
        for total in granted.values():
            assert rate * 10 * 0.95 <= total <= rate * 10 * 1.05
            assert total <= rate * 10 + capacity
        for conn in [*sessions, it.conn]:
            await conn.close()

    asyncio.run(main())


def test_live_processes_are_counted_by_their_sessions(database: str) -> None:
    async def main() -> None:
        one, two = Leases(database), Leases(database)
        assert await one.processes() == 1
        assert await two.processes() == 2
        assert await one.processes() == 2
        two.abandon()
        async with asyncio.timeout(10):
            while await one.processes() != 1:  # until the server has seen the socket close
                pass
        await one.close()

    asyncio.run(main())


def test_a_lease_costs_no_wait_for_the_disk(database: str) -> None:
    async def main() -> None:
        conn = await asyncpg.connect(database)
        assert await conn.fetchval("SELECT relpersistence FROM pg_class WHERE relname = 'rate_bucket'") == b"u"
        await conn.close()

    asyncio.run(main())
