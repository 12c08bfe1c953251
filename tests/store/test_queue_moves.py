"""Rows between the queues: given back, put off, due again; parts of one message meet in one row."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from trip_rows import CARRIER, ONCE, SET_UP, accepted, passes, queued

from trunkline.store import leases, queue
from trunkline.store.queue import FIRST, AttemptedPart, DoubtfulPart, Lane, Requeued

LATER = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)


def ran(database: str, main: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
    async def whole() -> None:
        conn = await asyncpg.connect(database)
        try:
            await conn.execute(SET_UP)
            await main(conn)
        finally:
            await conn.close()

    asyncio.run(asyncio.wait_for(whole(), 40))


def back(msg_id: UUID, missing: int, *, tries: int = 0, resubmitted: bool = False) -> Requeued:
    return Requeued(CARRIER, ONCE, 0, msg_id, missing, missing.bit_count(), tries, resubmitted, LATER)


async def rows(conn: asyncpg.Connection, table: str = "mt_queue") -> list[tuple[Any, ...]]:
    found = await conn.fetch(f"SELECT msg_id, missing, parts, tries, resubmitted FROM {table} ORDER BY msg_id")
    return [tuple(row) for row in found]


async def claim(conn: asyncpg.Connection, epoch: int, free: int, **given: Any) -> list[queue.Claimed]:
    wanted = {"alone_parts": 0, "claim_no": 1, **given}
    return await queue.claim(conn, CARRIER, epoch, [(Lane(0, ONCE), FIRST, 100)], free_parts=free, **wanted)


async def holder(conn: asyncpg.Connection) -> int:
    epoch = await leases.register(conn, "n", 1, 15)
    await leases.take(conn, epoch)
    return epoch


def test_parts_given_back_meet_in_one_row(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        msg_id, other = await accepted(conn, parts=3), await accepted(conn)
        await queue.give_back(conn, [back(msg_id, 0b001, tries=2), back(other, 1)])
        await queue.give_back(conn, [back(msg_id, 0b100, tries=1, resubmitted=True)])
        await queue.give_back(conn, [back(msg_id, 0b101)])
        assert await rows(conn) == [(msg_id, 0b101, 2, 2, True), (other, 1, 1, 0, False)]

    ran(database, main)


def test_parts_put_off_meet_at_the_later_time(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        msg_id = await accepted(conn, parts=63)
        soon, late = LATER, LATER + dt.timedelta(hours=1)
        await queue.put_off(conn, [(back(msg_id, 1, tries=1), late)])
        await queue.put_off(conn, [(back(msg_id, 1 << 62, resubmitted=True), soon)])
        assert await rows(conn, "mt_later") == [(msg_id, 1 << 62 | 1, 2, 1, True)]
        assert await conn.fetchval("SELECT due_at FROM mt_later") == late

    ran(database, main)


def test_what_is_due_is_moved_and_wakes(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        heard = asyncio.Event()
        listener = await asyncpg.connect(database)
        await listener.add_listener("mt", lambda *told: heard.set() if told[3] == "again" else None)
        due, later = await accepted(conn), await accepted(conn)
        await queued(conn, due, later_s=60)
        await queued(conn, later, later_s=600)
        assert await queue.move_due(conn) == 0
        await passes(conn, 61)
        assert await queue.move_due(conn) == 1
        await asyncio.wait_for(heard.wait(), 10)
        await listener.close()
        assert await rows(conn) == [(due, 1, 1, 0, False)]
        assert [row[0] for row in await rows(conn, "mt_later")] == [later]

    ran(database, main)


def test_what_is_due_meets_what_waits(database: str) -> None:
    """One part was put off, another given back: they are one row, which forgets no try and no flag."""

    async def main(conn: asyncpg.Connection) -> None:
        msg_id = await accepted(conn, parts=2)
        await queue.put_off(conn, [(back(msg_id, 0b10, tries=3, resubmitted=True), await queue.database_now(conn))])
        await queue.give_back(conn, [back(msg_id, 0b01, tries=1)])
        await passes(conn, 1)
        assert await queue.move_due(conn) == 1
        assert await rows(conn) == [(msg_id, 0b11, 2, 3, True)]

    ran(database, main)


def test_an_unknown_claim_is_taken_back_whole(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        epoch = await holder(conn)
        one, other = await accepted(conn, parts=3), await accepted(conn)
        await queue.give_back(conn, [back(one, 0b101, tries=2, resubmitted=True)])
        assert len(await claim(conn, epoch, 10, claim_no=7)) == 1
        await queued(conn, other)
        assert len(await claim(conn, epoch, 10, claim_no=8)) == 1
        await queue.give_back(conn, [back(one, 0b010, tries=1)])
        assert await queue.unclaim(conn, CARRIER, epoch, [7]) == 1
        assert await rows(conn) == [(one, 0b111, 3, 2, True)]
        assert [row[0] for row in await conn.fetch("SELECT msg_id FROM inflight")] == [other]
        assert await queue.unclaim(conn, CARRIER, epoch, [7]) == 0

    ran(database, main)


def test_a_claim_counts_parts(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        epoch = await holder(conn)
        ids = []
        for missing in (0b1, 0b11, 0b111, 0b1):
            ids.append(await accepted(conn, parts=missing.bit_count()))
            await queued(conn, ids[-1], missing=missing)
        claimed = await claim(conn, epoch, 4)
        assert [(c.msg_id, c.missing) for c in claimed] == [(ids[0], 0b1), (ids[1], 0b11)]
        parts = await conn.fetch("SELECT msg_id, part_no FROM inflight ORDER BY msg_id, part_no")
        assert [tuple(row) for row in parts] == [(ids[0], 1), (ids[1], 1), (ids[1], 2)]
        # Larger than the room: not part by part, but alone where so many parts may come.
        assert await claim(conn, epoch, 2) == []
        assert await claim(conn, epoch, 2, alone_parts=2) == []
        assert [c.msg_id for c in await claim(conn, epoch, 2, alone_parts=3)] == [ids[2]]
        assert [c.msg_id for c in await claim(conn, epoch, 2)] == [ids[3]]

    ran(database, main)


@pytest.mark.parametrize("ended", ["run out", "gone", "another's"])
def test_nothing_is_claimed_without_the_lease(database: str, ended: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        epoch = await holder(conn)
        await queued(conn, await accepted(conn))
        if ended == "run out":
            await conn.execute("UPDATE dispatcher SET lease_until = now() - interval '1 millisecond'")
        elif ended == "gone":
            await leases.resign(conn, epoch)
        else:
            other = await leases.register(conn, "n", 2, 15)
            await conn.execute("UPDATE carrier_lease SET epoch = $1", other)
        assert await claim(conn, epoch, 10) == []
        assert len(await rows(conn)) == 1

    ran(database, main)


def test_two_claims_never_get_the_same(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        epoch = await holder(conn)
        for _ in range(10):
            await queued(conn, await accepted(conn))
        other = await asyncpg.connect(database)
        async with conn.transaction():
            first = await claim(conn, epoch, 4)
            assert await claim(other, epoch, 10) == []  # it passes over rows that are looked at
        second = await claim(other, epoch, 10)
        await other.close()
        assert (len(first), len(second)) == (4, 6)
        assert not {c.msg_id for c in first} & {c.msg_id for c in second}

    ran(database, main)


def test_an_old_attempt_decides_nothing(database: str) -> None:
    """Reported late, when the part was claimed again: kept as a fact, and the new intent stands."""

    async def main(conn: asyncpg.Connection) -> None:
        epoch = await holder(conn)
        msg_id = await accepted(conn)
        await queued(conn, msg_id)
        (old,) = await claim(conn, epoch, 1)
        await conn.execute("DELETE FROM inflight")
        await queued(conn, msg_id)
        (new,) = await claim(conn, epoch, 1, claim_no=2)

        def attempt(claimed: queue.Claimed) -> AttemptedPart:
            return AttemptedPart(ONCE, msg_id, 1, 1, 0, claimed.claimed_at, "refused", 8, None)

        assert await queue.parts_attempted(conn, CARRIER, [attempt(old)]) == set()
        doubt = DoubtfulPart(ONCE, msg_id, 1, "+15550001111", 901, old.claimed_at)
        await queue.put_in_doubt(conn, CARRIER, [doubt])
        assert await conn.fetchval("SELECT count(*) FROM inflight") == 1
        assert await conn.fetchval("SELECT count(*) FROM doubt") == 0
        assert await queue.parts_attempted(conn, CARRIER, [attempt(new)]) == {(ONCE, msg_id, 1)}
        assert await conn.fetchval("SELECT count(*) FROM attempt") == 2

    ran(database, main)


def test_lanes_are_found_highest_priority_first(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        for priority, plan in ((0, 1), (5, 2), (0, 2), (5, 1), (-1, 1)):
            for _ in range(3):
                await conn.execute(
                    "INSERT INTO mt_queue (carrier_id, plan_id, priority, msg_id, missing, parts, expires_at)"
                    " VALUES (1, $1, $2, gen_random_uuid(), 1, 1, now())",
                    plan,
                    priority,
                )
        assert await queue.lanes(conn, CARRIER) == [(5, 2), (5, 1), (0, 2), (0, 1), (-1, 1)]
        assert await queue.lanes(conn, 2) == []

    ran(database, main)


@pytest.mark.parametrize("cut", [1, 3, 62])
def test_a_message_cut_otherwise_goes_back_in_its_new_parts(database: str, cut: int) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        epoch = await holder(conn)
        msg_id, other = await accepted(conn, parts=2), await accepted(conn, parts=2)
        await queue.give_back(conn, [back(msg_id, 0b11, tries=2, resubmitted=True), back(other, 0b11)])
        (mine,) = await claim(conn, epoch, 10)  # alone: it is sent once more
        (theirs,) = await claim(conn, epoch, 10, claim_no=2)
        stale = theirs._replace(claimed_at=theirs.claimed_at - dt.timedelta(seconds=1))
        await queue.cut_otherwise(conn, CARRIER, [(mine, cut), (stale, cut)])
        assert await rows(conn) == [(msg_id, (1 << cut) - 1, cut, 2, True)]
        expires_at = await conn.fetchval("SELECT expires_at FROM msg WHERE msg_id = $1", msg_id)
        assert await conn.fetchval("SELECT expires_at FROM mt_queue") == expires_at
        assert await conn.fetch("SELECT part_no FROM inflight WHERE msg_id = $1", msg_id) == []
        # Of whom the intent is not standing any more, nothing is changed.
        assert await conn.fetchval("SELECT count(*) FROM inflight WHERE msg_id = $1", other) == 2
        assert [row[0] for row in await conn.fetch("SELECT parts FROM msg ORDER BY msg_id")] == [cut, 2]
        await queue.cut_otherwise(conn, CARRIER, [(mine, 9)])  # asked twice: the commit's answer was lost
        assert await rows(conn) == [(msg_id, (1 << cut) - 1, cut, 2, True)]

    ran(database, main)
