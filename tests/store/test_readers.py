"""The second net under customers' reads: with the application's check gone, another account's rows stay unseen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg
import pytest
from records_stock import DAY_MS, NOW_MS, STOCK

from trunkline.domain.filters import Filters
from trunkline.domain.provisioning import AccountId, PlanId
from trunkline.domain.status import Status
from trunkline.store import db, partitions, records
from trunkline.store.readers import Readers

OURS, THEIRS = AccountId(1), AccountId(2)
OUR_PLAN, THEIR_PLAN = PlanId(1), PlanId(2)
SET_UP = """
INSERT INTO account (public_id, name) VALUES (repeat('1', 24), 'ours'), (repeat('2', 24), 'theirs');
INSERT INTO plan (public_id, account_id, name) VALUES (repeat('3', 24), 1, 'ours'), (repeat('4', 24), 2, 'theirs');
"""
# Whose a message is follows from its plan here; the stock of the paging tests gives all to the first account.
SHARED = """
UPDATE msg SET account_id = plan_id;
INSERT INTO mo (plan_id, msg_id, account_id, carrier_id, link_id, sender, recipient, body, digest, received_at)
    SELECT plan_id, msg_id, plan_id, 1, 1, '+15550001111', '12345', 'hello', msg_id::text::bytea, now()
    FROM msg;
INSERT INTO idempotency (plan_id, key, request_hash, msg_id, parts, at)
    SELECT plan_id, msg_id::text, '', msg_id, 1, now() FROM msg;
INSERT INTO charge (plan_id, msg_id, part_no, price_micro, ptf_micro, currency, at)
    SELECT plan_id, msg_id, 1, 1, 0, 'EUR', now() FROM msg;
"""


async def everything(conn: db.Connection, plan_id: PlanId) -> int:
    """How many records of the plan can be read in all the ways there are."""
    found = 0
    filters = [
        *(Filters(False, None, None, status, None, None, 0, NOW_MS + DAY_MS) for status in (None, *Status)),
        Filters(False, None, "+15550000007", None, None, None, 0, NOW_MS + DAY_MS),
        Filters(True, None, None, None, None, None, 0, NOW_MS + DAY_MS),
    ]
    for one in filters:
        found += len((await records.page(conn, plan_id, one, None, 100)).records)
    for msg_id in await first_ids(conn, plan_id):
        found += await records.get(conn, plan_id, msg_id) is not None
    return found


async def first_ids(conn: db.Connection, plan_id: PlanId) -> list[UUID]:
    return [row["msg_id"] for row in await conn.fetch("SELECT msg_id FROM msg WHERE plan_id = $1 LIMIT 10", plan_id)]


def run(database: str, work: Callable[[db.Connection, Readers], Awaitable[None]], *, rls: bool = True) -> None:
    """`work` with the login's connection and readers, over a stock of two accounts."""

    async def main() -> None:
        login = await db.connect(database, name="test")
        await login.execute(SET_UP)
        for plan_id, count in ((OUR_PLAN, 60), (THEIR_PLAN, 70)):
            await login.execute(STOCK, plan_id, count, NOW_MS, DAY_MS // 24)
        await login.execute(SHARED)
        readers = await Readers.open(database, size=2, rls=rls)
        try:
            await work(login, readers)
        finally:
            await readers.close()
            await login.close()

    asyncio.run(main())


def test_a_foreign_plan_has_no_rows_whatever_the_application_asks(database: str) -> None:
    async def work(login: db.Connection, readers: Readers) -> None:
        theirs = await first_ids(login, THEIR_PLAN)
        for account_id, own, foreign in ((OURS, OUR_PLAN, THEIR_PLAN), (THEIRS, THEIR_PLAN, OUR_PLAN)):
            async with readers.of(account_id) as conn:
                assert await everything(conn, own) > 100
                assert await everything(conn, foreign) == 0
                for table in ("msg", "mo", "ref", "idempotency", "charge"):
                    plans = await conn.fetch(f"SELECT DISTINCT plan_id FROM {table}")
                    assert [row["plan_id"] for row in plans] == [own], table
        async with readers.of(OURS) as conn:
            assert [await records.get(conn, THEIR_PLAN, msg_id) for msg_id in theirs] == [None] * 10
            assert [await records.get(conn, OUR_PLAN, msg_id) for msg_id in theirs] == [None] * 10

    run(database, work)


def test_no_account_no_rows(database: str) -> None:
    async def work(login: db.Connection, readers: Readers) -> None:
        conn = await db.connect(database, name="test")
        await conn.execute("SET ROLE trunkline_reader")
        for setting in ("RESET", "SET trunkline.account = ''", "SET trunkline.account = 0"):
            if setting != "RESET":
                await conn.execute(setting)
            for table in ("msg", "mo", "ref", "idempotency", "charge"):
                assert await conn.fetchval(f"SELECT count(*) FROM {table}") == 0, (setting, table)
            assert await everything(conn, OUR_PLAN) == 0
        await conn.close()

    run(database, work)


def test_the_role_reads_parents_and_nothing_else(database: str) -> None:
    async def work(login: db.Connection, readers: Readers) -> None:
        names = [
            row[0]
            for row in await login.fetch(
                "SELECT oid::regclass::text FROM pg_class"
                " WHERE relkind IN ('r', 'p', 'S') AND relnamespace = 'public'::regnamespace"
            )
        ]
        assert len(names) > 50
        assert any(name.startswith("msg_2") for name in names)
        allowed = set()
        async with readers.of(OURS) as conn:
            for name in names:
                try:
                    await conn.fetch(f"SELECT * FROM {name} LIMIT 0")
                    allowed.add(name)
                except asyncpg.InsufficientPrivilegeError:
                    pass
            for statement in ("DELETE FROM msg", "UPDATE msg SET body = ''", "INSERT INTO mo DEFAULT VALUES"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await conn.execute(statement)
        assert allowed == {"msg", "mo", "ref", "idempotency", "charge", "clock"}

    run(database, work)


def test_partitions_made_later_are_closed_as_well(database: str) -> None:
    async def work(login: db.Connection, readers: Readers) -> None:
        await login.execute("UPDATE clock SET shift = interval '20 days'")
        assert await partitions.attach_ahead(login) > 20
        name = await login.fetchval(
            "SELECT max(relname)::text FROM pg_class WHERE relname LIKE 'msg_2%' AND relkind = 'r'"
        )
        async with readers.of(OURS) as conn:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.fetch(f"SELECT * FROM {name}")

    run(database, work)


def test_a_connection_shows_whom_it_was_taken_for_last(database: str) -> None:
    """Taken for one account after another, and after a question that was given up."""

    async def work(login: db.Connection, readers: Readers) -> None:
        single = await Readers.open(database, size=1)
        try:
            for account_id, plan_id in ((OURS, OUR_PLAN), (THEIRS, THEIR_PLAN), (THEIRS, THEIR_PLAN), (OURS, OUR_PLAN)):
                async with single.of(account_id) as conn:
                    assert await conn.fetchval("SELECT min(plan_id) + max(plan_id) FROM msg") == 2 * plan_id
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05), single.of(THEIRS) as conn:
                    await conn.fetch("SELECT pg_sleep(60)")
            async with single.of(OURS) as conn:
                assert await conn.fetchval("SELECT max(plan_id) FROM msg") == OUR_PLAN
        finally:
            await single.close()

    run(database, work)


def test_nothing_is_read_where_the_net_has_a_hole(database: str) -> None:
    async def work(login: db.Connection, readers: Readers) -> None:
        await login.execute("ALTER TABLE mo DISABLE ROW LEVEL SECURITY")
        with pytest.raises(asyncpg.InterfaceError, match="row-level security is off"):
            await Readers.open(database, size=1)

    run(database, work)


def test_without_row_level_security_the_login_reads(database: str) -> None:
    async def work(login: db.Connection, readers: Readers) -> None:
        async with readers.of(OURS) as conn:
            assert await conn.fetchval("SELECT current_user = session_user")
            assert await everything(conn, THEIR_PLAN) > 100

    run(database, work, rls=False)
