"""Money paid beforehand: a hard stop exact to one message over processes, and what is not charged comes back."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from money_ground import (
    CARRIER,
    COST,
    FEE,
    PLAN,
    PRICE,
    Ground,
    ground,
    paying,
    submission,
)
from trip_rows import doubtful, passes

from trunkline.domain.message import Accepted
from trunkline.domain.status import Status
from trunkline.domain.terms import Cap, Terms
from trunkline.mt.recut import recut
from trunkline.settle import apply as settle
from trunkline.settle.withdraw import withdraw
from trunkline.store import admission, db, leases, partitions, queue, receipts
from trunkline.store.queue import FIRST, AcceptedPart, ChargedPart, Lane
from trunkline.store.settling import Move
from trunkline.upkeep import rescue, reserves

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
EMPTY = 601


def ran(database: str, main: Callable[[Ground], Awaitable[None]], *, processes: int = 1) -> None:
    async def whole() -> None:
        async with ground(database, processes=processes) as it:
            await main(it)

    asyncio.run(asyncio.wait_for(whole(), 60))


def test_the_balance_is_exact_to_one_message_over_processes(database: str) -> None:
    async def main(it: Ground) -> None:
        await it.fill(37 * COST + COST // 2)
        batch = [paying() for _ in range(200)]
        assert set(await it.accept(batch)) == {Accepted.STORED}  # 202 in any case: it ends FAILED
        codes = await it.codes(batch)
        assert (codes.count(None), codes.count(EMPTY)) == (37, 163)
        assert await it.left() == COST // 2
        queued = await it.conn.fetch("SELECT msg_id FROM mt_queue")
        assert {row[0] for row in queued} == {m.msg_id for m, code in zip(batch, codes, strict=True) if code is None}
        # Each is told, and the operator once.
        assert await it.conn.fetchval("SELECT count(*) FROM hook_queue WHERE n = 2") == 163
        notices = await it.conn.fetch("SELECT action, subject FROM audit")
        assert [tuple(row) for row in notices] == [("balance.empty", f"account {'1' * 24}")]
        await it.books_agree()

    ran(database, main, processes=3)


def test_the_cap_is_exact_to_one_message_over_processes_and_opens_with_the_next_day(database: str) -> None:
    terms = Terms(PRICE, FEE, "EUR", None, Cap(50 * COST, "day"))

    async def main(it: Ground) -> None:
        await it.conn.execute("UPDATE clock SET held_at = '2026-12-01 12:00:00+00'")
        batch = [submission(terms) for _ in range(50 + 50)]
        await it.accept(batch)
        assert (await it.codes(batch)).count(None) == 50
        notices = await it.conn.fetch("SELECT action, subject, detail->>'period' FROM audit")
        assert [tuple(row) for row in notices] == [("spend.reached", f"plan {'2' * 24}", "2026-12-01")]
        # What is not charged may be spent again.
        codes = await it.codes(batch)
        await withdraw(it.conn, PLAN, next(m.msg_id for m, code in zip(batch, codes, strict=True) if code is None))
        await reserves.ended(it.conn)
        again = [submission(terms) for _ in range(2)]
        await it.accept(again)
        assert sorted(map(bool, await it.codes(again))) == [False, True]
        await it.conn.execute("UPDATE clock SET held_at = '2026-12-02 00:00:00+00'")
        tomorrow = [submission(terms) for _ in range(60)]
        await it.accept(tomorrow)
        assert (await it.codes(tomorrow)).count(None) == 50

    ran(database, main, processes=2)


def test_a_cheaper_message_goes_where_a_dearer_one_did_not(database: str) -> None:
    async def main(it: Ground) -> None:
        await it.fill(5 * COST)
        batch = [paying(3), paying(3), paying(2), paying(1)]
        await it.accept(batch)
        assert await it.codes(batch) == [None, EMPTY, None, EMPTY]
        assert await it.left() == 0

    ran(database, main)


def test_who_pays_nothing_is_not_held_up(database: str) -> None:
    """Another process has the balance's row: messages without one are stored all the same."""

    async def main(it: Ground) -> None:
        await it.fill(COST)
        holder = await db.connect(database, name="holder")
        transaction = holder.transaction()
        await transaction.start()
        await holder.execute("SELECT FROM balance FOR UPDATE")
        waiting = paying()
        free = [submission(None), submission(Terms(PRICE, FEE, "EUR"))]
        held = asyncio.gather(it.accept([waiting, *free]))
        rows = "SELECT count(*) FROM msg"
        while await it.conn.fetchval(rows) < 2:
            await it.conn.execute("SELECT pg_sleep(0.01)")
        await transaction.rollback()
        await held
        await holder.close()
        assert await it.codes([waiting, *free]) == [None] * 3

    ran(database, main)


def test_a_key_that_was_used_takes_no_money_from_others(database: str) -> None:
    async def main(it: Ground) -> None:
        await it.fill(3 * COST)
        assert await it.accept([paying(key="k")]) == [Accepted.STORED]
        await it.accepters[0].drained()
        batch = [paying(key="k"), paying(), paying(), paying()]
        assert await it.accept(batch) == [Accepted.KEY_TAKEN] + [Accepted.STORED] * 3
        assert await it.codes(batch[1:]) == [None, None, EMPTY]
        assert await it.left() == 0
        assert await it.accept([paying(key="k")]) == [Accepted.KEY_TAKEN]
        await it.books_agree()

    ran(database, main)


async def accepted(it: Ground, msg_id: UUID, part_no: int = 1, parts: int = 1) -> None:
    part = AcceptedPart(f"{msg_id}{part_no}", "+46700000001", PLAN, msg_id, part_no, parts, 1, 0, False, NOW)
    charged = ChargedPart(PLAN, msg_id, part_no, PRICE, FEE, "EUR", "SE")
    await queue.parts_accepted(it.conn, CARRIER, [part], [], [charged])


def test_what_is_accepted_is_settled_and_the_rest_released(database: str) -> None:
    async def main(it: Ground) -> None:
        await it.fill(10 * COST)
        delivered, cancelled, partly = batch = [paying(), paying(2), paying(3)]
        await it.accept(batch)
        assert await it.left() == 4 * COST
        await accepted(it, delivered.msg_id)
        await accepted(it, partly.msg_id, 1, 3)
        assert await reserves.ended(it.conn) == 0  # nothing is final yet
        await withdraw(it.conn, PLAN, cancelled.msg_id)
        await settle.apply(
            it.conn,
            [
                Move(PLAN, delivered.msg_id, Status.DELIVERED, 0, None, False),
                Move(PLAN, partly.msg_id, Status.FAILED, 464, None, False),
            ],
        )
        assert await reserves.ended(it.conn) == 3
        assert await it.left() == 8 * COST
        assert await it.conn.fetchval("SELECT count(*) FROM reserve") == 0
        await it.books_agree()

    ran(database, main)


def test_what_is_in_doubt_is_held_until_it_is_proven_or_cannot_be_any_more(database: str) -> None:
    async def main(it: Ground) -> None:
        await it.fill(2 * COST)
        batch = [paying(), paying()]
        await it.accept(batch)
        await it.conn.execute("DELETE FROM mt_queue")
        for one in batch:
            await doubtful(it.conn, one.msg_id)
        await rescue.ended_doubts(it.conn)
        assert await it.codes(batch) == [901, 901]
        await reserves.ended(it.conn)
        assert await it.left() == 0  # UNKNOWN: not charged, and not free either
        late = paying()
        await it.accept([late])
        assert await it.codes([late]) == [EMPTY]
        await passes(it.conn, 20 * 86400)
        await partitions.attach_ahead(it.conn)
        await accepted(it, batch[0].msg_id)  # the answer came after all
        assert await reserves.ended(it.conn) == 2
        await it.books_agree()
        await passes(it.conn, 11 * 86400)
        await reserves.ended(it.conn)
        assert await it.conn.fetchval("SELECT count(*) FROM reserve") == 0
        assert await it.left() == COST
        await it.books_agree()

    ran(database, main)


def test_a_part_on_its_way_is_not_released_because_another_failed(database: str) -> None:
    async def main(it: Ground) -> None:
        await it.fill(2 * COST)
        message = paying(2)
        await it.accept([message])
        await it.conn.execute("INSERT INTO inflight SELECT 1, $1, 2, 1, 1, 1, now(), 0, false", message.msg_id)
        await settle.apply(it.conn, [Move(PLAN, message.msg_id, Status.FAILED, 451, None, False)])
        await reserves.ended(it.conn)
        assert await it.left() == 0
        await it.conn.execute("DELETE FROM inflight")
        await accepted(it, message.msg_id, 2, 2)
        await passes(it.conn, 11)
        await reserves.ended(it.conn)
        assert await it.left() == COST
        await it.books_agree()

    ran(database, main)


@pytest.mark.parametrize(("cut", "left"), [(1, 4), (3, 2), (5, 0), (6, 3)])
def test_a_carrier_that_cuts_otherwise_is_paid_for_what_it_gets(database: str, cut: int, left: int) -> None:
    """Of five parts' money a message of two holds two; as many as it is cut into, or it cannot be sent."""

    async def main(it: Ground) -> None:
        await it.fill(5 * COST)
        message = paying(2)
        await it.accept([message])
        epoch = await leases.register(it.conn, "test", 1, 3600)
        await leases.take(it.conn, epoch)
        claimed = await queue.claim(
            it.conn, CARRIER, epoch, [(Lane(0, PLAN), FIRST, 9)], free_parts=9, whole_window=True, claim_no=1
        )
        for _ in range(2):  # the answer to the first was lost
            assert [one.msg_id for one in await recut(it.conn, CARRIER, [(claimed[0], cut)])] == (
                [message.msg_id] if cut == 6 else []
            )
        assert await it.left() == left * COST
        await it.books_agree()
        assert await it.conn.fetchval("SELECT parts FROM mt_queue") == (None if cut == 6 else cut)

    ran(database, main)


Step = tuple[str, int, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(["accepted", "stored twice", "proven late", "doubt over", "cancelled", "final", "released"]),
        st.integers(0, 3),
        st.integers(1, 2),
    ),
    max_size=14,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=st.lists(st.integers(1, 2), min_size=1, max_size=4), steps=steps)
def test_the_books_agree_under_any_interleaving(database: str, counts: list[int], steps: list[Step]) -> None:
    async def main(it: Ground) -> None:
        await it.fill(4 * COST)
        batch = [paying(parts) for parts in counts]
        await it.accept(batch)
        sent = [m for m, code in zip(batch, await it.codes(batch), strict=True) if code is None]
        for number, (what, n, part_no) in enumerate(steps):
            message = sent[n % len(sent)] if sent else None
            if what == "released" or message is None:
                await reserves.ended(it.conn)
            elif part_no > message.parts:
                continue
            else:
                await step(it, what, message.msg_id, part_no, message.parts, f"{message.msg_id} {number}")
            await it.books_agree()
        # All is over at last: whatever was not charged is there again.
        for message in sent:
            await settle.apply(it.conn, [Move(PLAN, message.msg_id, Status.FAILED, 306, None, False)])
        await it.conn.execute("DELETE FROM doubt; UPDATE reserve SET due_at = trunkline_now()")
        await passes(it.conn, 32 * 86400)
        await reserves.ended(it.conn)
        assert await it.conn.fetchval("SELECT count(*) FROM reserve") == 0
        await it.books_agree()

    async def whole() -> None:
        conn = await db.connect(database, name="clean")
        await conn.execute(
            "DELETE FROM mt_queue; DELETE FROM charge; DELETE FROM reserve; DELETE FROM balance_entry;"
            " UPDATE balance SET left_micro = 0, empty_since = NULL; UPDATE clock SET shift = '0'"
        )
        await conn.close()
        async with ground(database) as it:
            await main(it)

    asyncio.run(asyncio.wait_for(whole(), 60))


async def step(it: Ground, what: str, msg_id: UUID, part_no: int, parts: int, name: str) -> None:
    status = await it.conn.fetchval("SELECT status FROM msg WHERE msg_id = $1", msg_id)
    if status in (Status.DELIVERED, Status.FAILED):
        return  # nothing of it is on its way
    if what in ("accepted", "stored twice"):
        await it.conn.execute("DELETE FROM mt_queue WHERE msg_id = $1", msg_id)
        for _ in range(1 + (what == "stored twice")):
            await accepted(it, msg_id, part_no, parts)
    elif what == "proven late":
        await it.conn.execute("DELETE FROM mt_queue WHERE msg_id = $1", msg_id)
        await it.conn.execute("DELETE FROM doubt")
        await doubtful(it.conn, msg_id, part_no=part_no)
        await it.conn.execute(
            "INSERT INTO parked (carrier_id, canonical_id, source, destination, received_at, link_id, status,"
            " error_code) VALUES (1, $1, '+15550001111', '1', trunkline_now() - interval '3 seconds', 1, 2, 0)",
            name,
        )
        await receipts.resolve_doubts(it.conn)
        await it.conn.execute("DELETE FROM parked")
    elif what == "doubt over":
        await it.conn.execute("DELETE FROM mt_queue WHERE msg_id = $1", msg_id)
        await doubtful(it.conn, msg_id, part_no=part_no)
        await rescue.ended_doubts(it.conn)
    elif what == "cancelled":
        await withdraw(it.conn, PLAN, msg_id)
    elif await it.conn.fetchval("SELECT count(DISTINCT part_no) FROM ref WHERE msg_id = $1", msg_id) == parts:
        await settle.apply(it.conn, [Move(PLAN, msg_id, Status.DELIVERED, 0, None, False)])


def test_a_reserve_is_looked_at_again_while_something_is_open(database: str) -> None:
    async def main(it: Ground) -> None:
        await it.fill(COST)
        message = paying()
        await it.accept([message])
        await settle.apply(it.conn, [Move(PLAN, message.msg_id, Status.UNKNOWN, 902, None, False)])
        assert [(one.is_open, one.is_unknown) for one in await admission.reserves_due(it.conn)] == [(False, True)]
        assert await reserves.ended(it.conn) == 1
        assert await reserves.ended(it.conn) == 0  # not before an hour
        await settle.apply(it.conn, [Move(PLAN, message.msg_id, Status.FAILED, 306, None, False)])
        assert await reserves.ended(it.conn) == 1  # a correction is looked at at once
        assert await it.left() == COST

    ran(database, main)
