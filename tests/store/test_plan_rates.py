"""Plans that may send so many messages a second: one bucket, whoever leases from it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

import asyncpg

from trunkline.domain.provisioning import Plan
from trunkline.mt.plan_rates import PlanRates


def plan(plan_id: int, rate: int | None) -> Plan:
    return Plan(
        plan_id, f"{plan_id:024d}", 1, "1" * 24, "p", True, None, None, False, 600, 60, 0, True, None, (),
        messages_per_s=rate,
    )  # fmt: skip


def ran(database: str, main: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
    async def whole() -> None:
        conn = await asyncpg.connect(database)
        try:
            await main(conn)
        finally:
            await conn.close()

    asyncio.run(asyncio.wait_for(whole(), 40))


def test_two_carriers_share_what_a_plan_may(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        plans = {1: plan(1, 1), 2: plan(2, None)}
        one, other = PlanRates(), PlanRates()
        await one.lease(conn, plans, [1, 2], 0.0)
        await other.lease(conn, plans, [1, 2], 0.0)
        assert (one.most(1), other.most(1)) == (1, 0)
        assert one.most(2) == other.most(2) > 100_000
        one.claimed(1)
        assert one.most(1) == 0
        assert one.wait_s(0.0) == math.inf  # it has not asked since
        assert 0 < other.wait_s(0.0) <= 1

    ran(database, main)


def test_an_empty_bucket_is_not_asked_again_before_it_may_hold_something(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        rates, plans = PlanRates(), {1: plan(1, 2)}
        for now in (0.0, 0.01):
            await rates.lease(conn, plans, [1], now)
            if rates.most(1):
                rates.claimed(1)
        assert rates.most(1) == 0
        wait_s = rates.wait_s(0.01)
        assert 0 < wait_s <= 0.5
        await conn.execute("UPDATE rate_bucket SET tokens = 1")
        await rates.lease(conn, plans, [1], 0.01 + wait_s / 2)
        assert rates.most(1) == 0
        await rates.lease(conn, plans, [1], 0.02 + wait_s)
        assert rates.most(1) == 1

    ran(database, main)


def test_a_second_of_it_is_what_the_plan_may(database: str) -> None:
    """The bucket goes by the server's clock: moved on here by writing its time back."""

    async def main(conn: asyncpg.Connection) -> None:
        rates, plans, now, count = PlanRates(), {1: plan(1, 1000)}, 0.0, 0

        async def all_there_is() -> int:
            nonlocal now
            taken = 0
            while True:
                now += 1.0
                await rates.lease(conn, plans, [1], now)
                if not rates.most(1):
                    return taken
                for _ in range(rates.most(1)):
                    rates.claimed(1)
                    taken += 1
                await conn.execute("UPDATE rate_bucket SET refilled_at = now() + interval '900 milliseconds'")

        assert 250 <= await all_there_is() <= 300  # a quarter of a second, and what came in while it was asked
        for _ in range(10):
            await conn.execute("UPDATE rate_bucket SET refilled_at = now() - interval '100 milliseconds'")
            count += await all_there_is()
        assert 1000 <= count <= 1300

    ran(database, main)


def test_a_plan_without_a_limit_any_more(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        rates = PlanRates()
        await rates.lease(conn, {1: plan(1, 1)}, [1], 0.0)
        rates.claimed(1)
        assert rates.most(1) == 0
        await rates.lease(conn, {1: plan(1, None)}, [1], 0.0)
        assert rates.most(1) > 100_000

    ran(database, main)
