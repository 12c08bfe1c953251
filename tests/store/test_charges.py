"""What is charged: the parts that a carrier accepted, once each, whoever finds out, in any order and however late."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from importlib.resources import files
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trip_rows import SET_UP, accepted, doubtful, passes

from trunkline.domain.provisioning import CarrierId, PlanId
from trunkline.domain.status import Status
from trunkline.settle import apply as settle
from trunkline.store import charges, db, partitions, queue, receipts, records
from trunkline.store.db import Connection
from trunkline.store.queue import AcceptedPart, AttemptedPart, ChargedPart
from trunkline.store.settling import Move
from trunkline.upkeep import rescue

CARRIER, PLAN = CarrierId(1), PlanId(1)
PRICE, FEE = 7_500, 1_250
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def ran(database: str, main: Callable[[Connection], Awaitable[None]]) -> None:
    async def whole() -> None:
        conn = await db.connect(database, name="test")
        try:
            if not await conn.fetchval("SELECT count(*) FROM account"):  # an example before this one made them
                await conn.execute(SET_UP)
            await main(conn)
        finally:
            await conn.close()

    asyncio.run(asyncio.wait_for(whole(), 60))


async def priced(conn: Connection, parts: int = 1) -> UUID:
    msg_id = await accepted(conn, parts=parts)
    await conn.execute(
        "UPDATE msg SET price_micro = $2, ptf_micro = $3, currency = 'EUR', country = 'SE' WHERE msg_id = $1",
        msg_id, PRICE, FEE,
    )  # fmt: skip
    return msg_id


async def part_accepted(conn: Connection, msg_id: UUID, part_no: int, parts: int, name: str) -> None:
    """The carrier's answer, as a dispatcher stores it."""
    part = AcceptedPart(name, "+15550001111", PLAN, msg_id, part_no, parts, 1, 0, False, NOW)
    charged = ChargedPart(PLAN, msg_id, part_no, PRICE, FEE, "EUR", "SE")
    await queue.parts_accepted(conn, CARRIER, [part], [], [charged])


async def proven_late(conn: Connection, msg_id: UUID, part_no: int, name: str) -> None:
    """The part is in doubt, and a receipt comes that can only be about it."""
    await doubtful(conn, msg_id, part_no=part_no)
    await conn.execute(
        "INSERT INTO parked (carrier_id, canonical_id, source, destination, received_at, link_id, status, error_code)"
        " VALUES (1, $1, '+15550001111', '12345', trunkline_now() - interval '3 seconds', 1, 2, 0)",
        name,
    )
    assert await receipts.resolve_doubts(conn) == [(CARRIER, name)]
    await conn.execute("DELETE FROM parked")


async def charged_parts(conn: Connection, msg_id: UUID) -> list[tuple[int, int, int, str, str]]:
    rows = await conn.fetch(
        "SELECT part_no, price_micro, ptf_micro, currency, country FROM charge WHERE msg_id = $1 ORDER BY part_no",
        msg_id,
    )
    return [tuple(row) for row in rows]


Step = tuple[str, int]
steps = st.lists(
    st.tuples(st.sampled_from(["accepted", "stored twice", "proven late", "refused", "settled"]), st.integers(1, 3)),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.integers(1, 3), steps=steps)
def test_the_price_of_each_accepted_part_is_charged_once(database: str, parts: int, steps: list[Step]) -> None:
    async def main(conn: Connection) -> None:
        msg_id = await priced(conn, parts)
        taken: set[int] = set()
        for number, (what, n) in enumerate(steps):
            part_no, name = 1 + n % parts, f"{msg_id} {number}"
            if what == "settled":  # finality stops no charge, and makes none
                code = [0, 306, 901][n - 1]
                status = [Status.DELIVERED, Status.FAILED, Status.UNKNOWN][n - 1]
                await settle.apply(conn, [Move(PLAN, msg_id, status, code, None, False)])
                continue
            if what == "refused":
                await queue.parts_attempted(
                    conn, CARRIER, [AttemptedPart(PLAN, msg_id, part_no, 1, 0, NOW, "refused", 8, None)]
                )
                continue
            taken.add(part_no)
            if what == "proven late":
                await proven_late(conn, msg_id, part_no, name)
            else:
                for _ in range(1 + (what == "stored twice")):  # the answer to the first commit was lost
                    await part_accepted(conn, msg_id, part_no, parts, name)
        assert await charged_parts(conn, msg_id) == [(n, PRICE, FEE, "EUR", "SE") for n in sorted(taken)]
        record = await records.get(conn, PLAN, msg_id)
        assert record is not None
        if taken:
            assert (record.price_micro, record.ptf_micro) == (len(taken) * PRICE, len(taken) * FEE)
        else:  # null until it is known, and nothing once it is final
            assert record.price_micro == (0 if any(what == "settled" for what, _ in steps) else None)
        assert (record.currency == "EUR") is (record.price_micro is not None)

    ran(database, main)


def test_one_answer_to_two_sessions_is_one_charge(database: str) -> None:
    async def main(conn: Connection) -> None:
        other = await db.connect(database, name="other", hot=True)
        msg_ids = [await priced(conn) for _ in range(50)]

        async def store(session: Connection, ids: list[UUID]) -> None:
            rows = [AcceptedPart(f"{i}", "+15550001111", PLAN, i, 1, 1, 1, 0, False, NOW) for i in ids]
            charged = [ChargedPart(PLAN, i, 1, PRICE, FEE, "EUR", "SE") for i in ids]
            await queue.parts_accepted(session, CARRIER, rows, [], charged)

        await asyncio.gather(store(conn, msg_ids), store(other, msg_ids[::-1]))
        assert await conn.fetchval("SELECT count(*) FROM charge") == 50
        await other.close()

    ran(database, main)


def test_a_message_without_a_price_is_not_charged(database: str) -> None:
    async def main(conn: Connection) -> None:
        msg_id = await accepted(conn)
        await proven_late(conn, msg_id, 1, "x")
        assert await charged_parts(conn, msg_id) == []
        record = await records.get(conn, PLAN, msg_id)
        assert record is not None
        assert (record.price_micro, record.ptf_micro, record.currency) == (None, None, None)

    ran(database, main)


def test_unknown_is_not_charged_and_what_is_proven_later_is_on_the_day_that_it_is(database: str) -> None:
    async def main(conn: Connection) -> None:
        msg_id = await priced(conn)
        await doubtful(conn, msg_id)
        await rescue.ended_doubts(conn)
        record = await records.get(conn, PLAN, msg_id)
        assert record is not None
        assert (record.status, record.error_code, record.price_micro) == (Status.UNKNOWN, 901, 0)
        today = (await queue.database_now(conn)).date()
        await passes(conn, 3 * 86400)
        await part_accepted(conn, msg_id, 1, 1, "late response")
        found = await charges.usage(conn, today, today + dt.timedelta(days=3))
        assert [(row["day"] - today, row["parts"], row["price_micro"]) for row in found] == [
            (dt.timedelta(days=3), 1, PRICE)
        ]

    ran(database, main)


def test_days_are_folded_before_the_rows_go_and_then_stay_as_they_are(database: str) -> None:
    async def main(conn: Connection) -> None:
        today = (await queue.database_now(conn)).date()
        # Two hours after midnight, so that the day before is over.
        await conn.execute(
            "UPDATE clock SET held_at = date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + '2 hours'"
        )
        for n in range(5):
            await part_accepted(conn, await priced(conn), 1, 1, f"{n}")

        async def total() -> list[tuple[dt.date, int, int, int]]:
            rows = await charges.usage(conn, today, today + dt.timedelta(days=99))
            return [(r["day"], r["parts"], r["price_micro"], r["ptf_micro"]) for r in rows]

        first_day = (today, 5, 5 * PRICE, 5 * FEE)
        assert await total() == [first_day]
        await conn.execute("UPDATE clock SET held_at = held_at + interval '22 hours 59 minutes'")
        assert await charges.fold(conn) == 0  # what was stored at midnight may not be seen yet
        await conn.execute("UPDATE clock SET held_at = held_at + interval '1 minute'")
        assert await charges.fold(conn) == 1
        assert await charges.fold(conn) == 0
        await part_accepted(conn, await priced(conn), 1, 1, "next day")
        assert await total() == [first_day, (today + dt.timedelta(days=1), 1, PRICE, FEE)]
        await conn.execute("UPDATE clock SET held_at = held_at + interval '90 days'")
        await charges.fold(conn)
        assert any(name.startswith("charge_") for name in await partitions.retire(conn))
        assert await conn.fetchval("SELECT count(*) FROM charge") == 0
        assert await total() == [first_day, (today + dt.timedelta(days=1), 1, PRICE, FEE)]

    ran(database, main)


def test_charges_are_only_ever_inserted() -> None:
    for path in files("trunkline.store").joinpath("sql").iterdir():
        text = path.read_text("utf-8")
        assert "UPDATE charge" not in text
        assert "DELETE FROM charge" not in text
