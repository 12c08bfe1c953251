"""A message does not wait behind another plan's queue, and a rate, a weight or a priority is kept, by real claims."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import asyncpg
import pytest

from trunkline.carriers.dialect import PLAIN
from trunkline.dlr import match
from trunkline.domain.provisioning import Carrier, CarrierId, Plan, PlanId, Provisioning
from trunkline.domain.routes import Route, Routes
from trunkline.mt.dispatch import Dispatch
from trunkline.mt.outcome import Outcomes
from trunkline.mt.submit import Ticket
from trunkline.runtime import clock
from trunkline.smpp.pdu import SubmitSm
from trunkline.store import leases

SET_UP = """
INSERT INTO account (public_id, name) VALUES (repeat('1', 24), 'a');
INSERT INTO plan (public_id, account_id, name)
    SELECT lpad(n::text, 24, '0'), 1, 'p' || n FROM generate_series(1, 3) AS n;
INSERT INTO carrier (name) VALUES ('carrier');
"""
# $1 plan, $2 how many, $3 priority, $4 parts; the ids of a plan follow each other.
FILL = """
WITH s AS (
    SELECT (substr(msg_id_floor(trunkline_now())::text, 1, 13) || '-7' || lpad($1::int::text, 3, '0') || '-8000-'
            || lpad(to_hex(n + (SELECT count(*) FROM msg)), 12, '0'))::uuid AS msg_id
    FROM generate_series(1, $2::int) AS n
), stored AS (
    INSERT INTO msg (plan_id, msg_id, account_id, sender, recipient, body, encoding, parts, expires_at)
    SELECT $1, msg_id, 1, '12345', '+15550001111', repeat('x', CASE WHEN $4::int = 1 THEN 100 ELSE 153 * $4 END), 0, $4,
           trunkline_now() + interval '1 day'
    FROM s
)
INSERT INTO mt_queue (carrier_id, plan_id, priority, msg_id, missing, parts, expires_at)
SELECT 1, $1, $3::int, msg_id, (1::bigint << $4) - 1, $4, trunkline_now() + interval '1 day' FROM s
"""


class PlayedLink:
    link_id = 1


class PlayedPool:
    """Links that answer a part when they are told to; `window` parts may be unanswered."""

    def __init__(self, window: int, rate_per_s: int | None = None) -> None:
        self.carrier = Carrier(1, "carrier", True, {}, (), rate_per_s)
        self.links: list[object] = []
        self.up = True
        self.window = window
        self.open: list[Ticket] = []
        self.submitted: list[Ticket] = []
        self._wanted = 0
        self._reached = asyncio.Event()
        self.dispatch: Dispatch

    @property
    def free(self) -> int:
        return self.window - len(self.open)

    @property
    def outstanding(self) -> int:
        return len(self.open)

    def submit(self, pdu: SubmitSm, token: Ticket, other_than: object = None) -> PlayedLink | None:
        if self.free <= 0:
            return None
        self.open.append(token)
        self.submitted.append(token)
        if len(self.submitted) >= self._wanted:
            self._reached.set()
        return PlayedLink()

    def answer(self, count: int = 1000) -> None:
        """So many of what is open, or all, are accepted."""
        now, self.open = self.open[:count], self.open[count:]
        for ticket in now:
            self.dispatch.submit_answered(
                PlayedLink(), ticket, 0, f"{ticket.claimed.msg_id}-{ticket.part_no}", late=False, nacked=False
            )

    async def reach(self, count: int) -> None:
        """Returns once so many parts were submitted in all."""
        self._wanted = count
        self._reached.clear()
        if len(self.submitted) < count:
            await asyncio.wait_for(self._reached.wait(), 10)

    async def until(self, count: int, unanswered: int = 0) -> None:
        """Answers whatever comes, but for some, until so many parts were submitted in all."""
        while len(self.submitted) < count:
            seen = len(self.submitted)
            self.answer(max(len(self.open) - unanswered, 0))
            await self.reach(seen + 1)

    def plans(self, first: int, last: int) -> Counter[int]:
        return Counter(ticket.claimed.plan_id for ticket in self.submitted[first:last])


def plan(plan_id: int, weight: int = 1, messages_per_s: int | None = None) -> Plan:
    return Plan(
        PlanId(plan_id), f"{plan_id:024d}", 1, "1" * 24, f"p{plan_id}", True, None, None, False, 600, 60, 0, True, None,
        (), weight=weight, messages_per_s=messages_per_s,
    )  # fmt: skip


Scenario = Callable[[asyncpg.Connection, PlayedPool], Awaitable[None]]


def dispatching(
    database: str,
    scenario: Scenario,
    *,
    window: int = 20,
    plans: Sequence[Plan] = (),
    rate_per_s: int | None = None,
) -> None:
    """Runs a dispatch over a played pool beside `scenario`, which fills the queue and wakes it."""

    async def main() -> None:
        conn = await asyncpg.connect(database)
        await conn.execute(SET_UP)
        epoch = await leases.register(conn, "n", 1, 3600)
        await leases.take(conn, epoch)
        pool = PlayedPool(window, rate_per_s)
        routes = Routes([Route(1, "r", CarrierId(1))])
        known = {one.plan_id: one for one in plans}
        picture = Provisioning(1, {}, known, {}, {}, {}, {}, {CarrierId(1): pool.carrier}, routes)
        outcomes = Outcomes(database, CarrierId(1), PLAIN, match.look, lambda: None)
        dispatch = pool.dispatch = Dispatch(
            database, epoch, pool, PLAIN, outcomes, provisioning=lambda: picture, live=lambda carrier: True,
            may_write=lambda: True,
        )  # fmt: skip
        writers = [asyncio.create_task(one.run()) for one in (outcomes.accepts, outcomes.endings)]
        running = asyncio.create_task(dispatch.run())
        try:
            await scenario(conn, pool)
            dispatch.drain()
            await asyncio.wait_for(running, 10)
            pool.answer()
            await outcomes.drained()
        finally:
            for task in (running, *writers):
                task.cancel()
            await asyncio.gather(running, *writers, return_exceptions=True)
            await outcomes.close()
            await conn.close()

    asyncio.run(asyncio.wait_for(main(), 60))


async def fill(conn: asyncpg.Connection, plan_id: int, count: int, *, priority: int = 0, parts: int = 1) -> None:
    await conn.execute(FILL, plan_id, count, priority, parts)


@pytest.mark.parametrize("depth", [200, 20_000])
def test_one_message_is_in_the_next_claim_however_much_another_plan_has_waiting(database: str, depth: int) -> None:
    async def scenario(conn: asyncpg.Connection, pool: PlayedPool) -> None:
        await fill(conn, 1, depth)
        pool.dispatch.wake()
        await pool.until(100)
        await fill(conn, 2, 1)
        before = len(pool.submitted)
        pool.dispatch.wake()
        await pool.until(before + 60)
        # Behind one claim that was under way at most.
        assert pool.plans(before, before + 40)[2] == 1

    dispatching(database, scenario)


def test_a_window_full_of_one_plans_parts_has_room_for_another(database: str) -> None:
    async def scenario(conn: asyncpg.Connection, pool: PlayedPool) -> None:
        await fill(conn, 1, 1000)
        await fill(conn, 2, 1)  # and it has had something before
        pool.dispatch.wake()
        await pool.until(60)
        pool.answer()
        await pool.reach(len(pool.submitted) + 18)
        await fill(conn, 2, 1)
        pool.dispatch.wake()
        while not any(ticket.claimed.plan_id == 2 for ticket in pool.open):
            await pool.reach(len(pool.submitted) + 1)  # nothing is answered meanwhile

    dispatching(database, scenario)


@pytest.mark.parametrize("silence_s", [0.0, 3600.0])
def test_news_after_a_silence_do_not_wait_for_company(
    database: str, monkeypatch: pytest.MonkeyPatch, silence_s: float
) -> None:
    """After a small claim the next one gathers; what comes alone is claimed at once, what comes with others waits."""
    monkeypatch.setattr("trunkline.mt.dispatch._GATHER_S", 3600)
    monkeypatch.setattr("trunkline.mt.dispatch._SILENCE_S", silence_s)

    async def scenario(conn: asyncpg.Connection, pool: PlayedPool) -> None:
        await fill(conn, 1, 1)
        pool.dispatch.wake()
        await pool.reach(1)
        await fill(conn, 2, 1)
        pool.dispatch.wake()
        if silence_s:
            assert not pool.dispatch._news.is_set()
        else:
            await pool.reach(2)

    dispatching(database, scenario)


def test_plans_share_by_weight(database: str) -> None:
    async def scenario(conn: asyncpg.Connection, pool: PlayedPool) -> None:
        await fill(conn, 1, 1000)
        await fill(conn, 2, 1000)
        pool.dispatch.wake()
        await pool.until(800)
        assert 570 <= pool.plans(0, 800)[2] <= 630

    dispatching(database, scenario, plans=[plan(1), plan(2, weight=3)])


def test_priority_goes_first_and_each_lane_in_its_order(database: str) -> None:
    async def scenario(conn: asyncpg.Connection, pool: PlayedPool) -> None:
        async with conn.transaction():
            await fill(conn, 1, 300)
            await fill(conn, 2, 300)
            await fill(conn, 3, 100, priority=5)
            # As rows stand where a vacuum left room: not in the order of the queue.
            await conn.execute("CREATE TEMPORARY TABLE gone AS SELECT * FROM mt_queue")
            await conn.execute("DELETE FROM mt_queue")
            await conn.execute("INSERT INTO mt_queue SELECT * FROM gone ORDER BY msg_id DESC")
        pool.dispatch.wake()
        await pool.until(700)
        assert pool.plans(0, 100) == {3: 100}
        for plan_id in (1, 2, 3):
            ids = [ticket.claimed.msg_id for ticket in pool.submitted if ticket.claimed.plan_id == plan_id]
            assert ids == sorted(ids)

    # A window of which no part is kept for plans with next to nothing under way: that may go to a lower priority.
    dispatching(database, scenario, window=19)


def test_a_plan_at_its_rate_leaves_the_carrier_to_the_others(database: str) -> None:
    async def scenario(conn: asyncpg.Connection, pool: PlayedPool) -> None:
        await fill(conn, 1, 1000, priority=5)
        await fill(conn, 2, 1000)
        pool.dispatch.wake()
        await pool.until(300)
        assert 1 <= pool.plans(0, 300)[1] <= 30  # one a second

    dispatching(database, scenario, plans=[plan(1, messages_per_s=1), plan(2)])


def test_long_messages_do_not_wait_for_an_empty_window(database: str) -> None:
    async def scenario(conn: asyncpg.Connection, pool: PlayedPool) -> None:
        await fill(conn, 1, 80, parts=3)
        pool.dispatch.wake()
        await pool.until(240, unanswered=6)
        parts = [(ticket.claimed.msg_id, ticket.part_no) for ticket in pool.submitted]
        assert parts == sorted(parts)

    dispatching(database, scenario, window=10)


def test_where_the_next_message_needs_more_room_any_answer_wakes(database: str) -> None:
    """Not only one of a full window: the next look by itself comes a second later."""

    async def scenario(conn: asyncpg.Connection, pool: PlayedPool) -> None:
        await fill(conn, 1, 4, parts=3)
        pool.dispatch.wake()
        await pool.reach(9)
        while not pool.dispatch._wants_room or pool.dispatch._wake.is_set():
            await clock.sleep(0.005)
        pool.answer(1)
        assert pool.dispatch._wake.is_set()

    dispatching(database, scenario, window=10)


def test_long_messages_of_a_carrier_with_a_rate(database: str) -> None:
    """Claimed ahead as a whole, written part by part, although something is always unanswered."""

    async def scenario(conn: asyncpg.Connection, pool: PlayedPool) -> None:
        await fill(conn, 1, 6, parts=5)
        pool.dispatch.wake()
        await pool.reach(1)
        await pool.until(30, unanswered=1)
        parts = [(ticket.claimed.msg_id, ticket.part_no) for ticket in pool.submitted]
        assert parts == sorted(parts)
        assert await conn.fetchval("SELECT count(*) FROM attempt") == 0  # nothing was given back

    dispatching(database, scenario, window=20, rate_per_s=40)


def test_what_waits_to_be_stored_takes_room(database: str) -> None:
    """A crash leaves in doubt what stands in inflight, answered or not: never more than twice the windows (I5)."""

    async def scenario(conn: asyncpg.Connection, pool: PlayedPool) -> None:
        await fill(conn, 1, 200)
        slow = conn.transaction()
        await slow.start()
        await conn.execute("LOCK TABLE ref IN EXCLUSIVE MODE")  # the answers of the carrier cannot be stored
        pool.dispatch.wake()
        looks = 0
        while looks < 20:
            looks += len(pool.submitted) == 40
            pool.answer()
            pool.dispatch.wake()
            await clock.sleep(0.005)
            assert len(pool.submitted) <= 40
        assert await conn.fetchval("SELECT count(*) FROM inflight") == 40
        await slow.rollback()
        await pool.until(200)

    dispatching(database, scenario, window=20)
