"""The watch: current while confirmed, silent when it cannot know, back after an outage; and what load makes of rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from trunkline.admin.tokens import issue_token, revoke_token, rotate_token
from trunkline.api.exchange import Request
from trunkline.api.token import Tokens
from trunkline.contract.problem import Refusal
from trunkline.domain.provisioning import PlanId, Provisioning
from trunkline.domain.token import hash_of, issue
from trunkline.runtime.clock import wall_ms
from trunkline.runtime.secret import SealBroken, seal
from trunkline.store import db, provisioning
from trunkline.store.db import Connection
from trunkline.store.watch import CONFIRMED_FOR_S, POLL_S, ProvisioningWatch

KEY = bytes(range(32))


async def seeded(conn: Connection) -> None:
    await conn.execute(
        """
        INSERT INTO account (public_id, name) VALUES (repeat('a', 24), 'acme');
        INSERT INTO plan (public_id, account_id, name, active) VALUES
            (repeat('1', 24), 1, 'one', false), (repeat('2', 24), 1, 'two', true), (repeat('3', 24), 1, 'three', true);
        INSERT INTO sender (plan_id, address, state) VALUES
            (1, '12345', 'approved'), (2, '12345', 'approved'), (3, '12345', 'approved'),
            (1, '777', 'approved'), (3, '888', 'pending');
        """
    )


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Seen:
    """The pictures that a watch told of."""

    def __init__(self) -> None:
        self.pictures: list[Provisioning] = []
        self._more = asyncio.Event()

    def __call__(self, picture: Provisioning) -> None:
        self.pictures.append(picture)
        self._more.set()

    async def until(self, condition: Callable[[Provisioning], bool]) -> Provisioning:
        async with asyncio.timeout(20):
            while not (self.pictures and condition(self.pictures[-1])):
                self._more.clear()
                await self._more.wait()
        return self.pictures[-1]


def test_a_change_is_seen_by_polling(database: str) -> None:
    async def main() -> None:
        seen = Seen()
        watch = ProvisioningWatch(database, KEY, seen, poll_s=0.02)
        conn = await db.connect(database, name="test")
        try:
            first = await watch.start()
            assert seen.pictures == [first]
            await seeded(conn)
            picture = await seen.until(lambda picture: len(picture.plans) == 3)
            assert watch.current() is watch.last() is picture
            # An active plan first, then the one that had the address first.
            assert picture.plan_of_destination == {"12345": 2, "777": 1}
            await conn.execute("UPDATE plan SET name = 'uno' WHERE plan_id = 1")
            await seen.until(lambda picture: picture.plans[PlanId(1)].name == "uno")
        finally:
            await watch.stop()
            await conn.close()

    asyncio.run(main())


def test_what_is_not_confirmed_is_not_current(database: str) -> None:
    async def main() -> None:
        clock = Clock()
        watch = ProvisioningWatch(database, KEY, poll_s=3600, now=clock)
        try:
            picture = await watch.start()
            clock.now += 5.0
            assert watch.current() is picture
            clock.now += 0.1
            assert watch.current() is None
            assert watch.last() is picture
            await watch.refresh()
            assert watch.current() is picture  # the same version is not loaded again
        finally:
            await watch.stop()

    asyncio.run(main())


def test_a_revoked_token_is_refused_by_who_polls(database: str) -> None:
    """And in time: what a picture tells is used for 5 s after its confirmation at most, polled or not."""
    assert POLL_S == 2.0
    assert CONFIRMED_FOR_S == 5.0

    async def main() -> None:
        seen = Seen()
        watch = ProvisioningWatch(database, KEY, seen, poll_s=0.02)
        conn = await db.connect(database, name="test")
        try:
            await seeded(conn)
            issued = await issue_token(conn, account="acme", actor="test")
            await watch.start()
            tokens = Tokens(now_ms=wall_ms)

            def check() -> str:
                picture = watch.current()
                assert picture is not None
                header = {b"authorization": b"Bearer " + issued.token.encode()}
                request = Request(b"GET", b"/", b"", header, b"", False, "192.0.2.1", "id")
                found = tokens.check(request, picture, "messages:read")
                return found.code if isinstance(found, Refusal) else "passed"

            assert check() == "passed"
            rotated = await rotate_token(conn, issued.token_id, overlap_s=3600, actor="test")
            await seen.until(lambda picture: len(picture.tokens) == 2)
            assert check() == "passed"  # in the overlap
            await revoke_token(conn, issued.token_id, actor="test")
            await seen.until(lambda picture: picture.tokens[hash_of(issued.token)].revoked_at is not None)
            assert check() == "token_revoked"
            issued = rotated.new
            assert check() == "passed"
        finally:
            await watch.stop()
            await conn.close()

    asyncio.run(main())


def test_an_outage_is_survived(database: str) -> None:
    async def main() -> None:
        seen = Seen()
        watch = ProvisioningWatch(database, KEY, seen, poll_s=0.02, confirmed_for_s=0.5)
        conn = await db.connect(database, name="test")
        outside = await asyncpg.connect(database, database="postgres")
        try:
            await watch.start()
            name = await conn.fetchval("SELECT current_database()")
            await outside.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            await conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
                name,
            )
            loop = asyncio.get_running_loop()
            stale = asyncio.Event()

            def look() -> None:
                stale.set() if watch.current() is None else loop.call_later(0.02, look)

            look()
            await asyncio.wait_for(stale.wait(), 20)
            await seeded(conn)
            await outside.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
            await seen.until(lambda picture: len(picture.plans) == 3)
            assert watch.current() is not None
        finally:
            await outside.close()
            await watch.stop()
            await conn.close()

    asyncio.run(main())


def test_a_start_without_a_database_is_an_error() -> None:
    async def main() -> None:
        watch = ProvisioningWatch("postgresql://x:y@127.0.0.1:1/z", KEY)
        with pytest.raises(OSError):
            await watch.start()
        assert watch.current() is None
        await watch.stop()

    asyncio.run(main())


def test_another_key_does_not_open_it(database: str) -> None:
    async def main() -> None:
        conn = await db.connect(database, name="test")
        try:
            await seeded(conn)
            sealed = seal(KEY, b"secret", provisioning.hook_secret_place("1" * 24))
            await conn.execute("UPDATE plan SET hook_secrets = ARRAY[$1::bytea] WHERE plan_id = 1", sealed)
            assert (await provisioning.load(conn, KEY)).plans[PlanId(1)].hook_secrets == (b"secret",)
            with pytest.raises(SealBroken, match="another secret_key"):
                await provisioning.load(conn, bytes(32))
            # Nor does a secret that was copied to another plan.
            await conn.execute("UPDATE plan SET hook_secrets = ARRAY[$1::bytea] WHERE plan_id = 2", sealed)
            with pytest.raises(SealBroken, match="plan 2222"):
                await provisioning.load(conn, KEY)
        finally:
            await conn.close()

    asyncio.run(main())


def test_tokens(database: str) -> None:
    async def main() -> None:
        conn = await db.connect(database, name="test")
        try:
            await seeded(conn)
            issued = issue()
            fields: dict[str, Any] = {
                "account_id": 1,
                "label": "backend",
                "hash": issued.hash,
                "scopes": frozenset({"messages:send"}),
                "plan_ids": frozenset({PlanId(2)}),
                "networks": ("10.0.0.0/8",),
                "expires_after_s": 60.0,
            }
            stored = await provisioning.insert_token(conn, **fields)
            token = (await provisioning.load(conn, KEY)).tokens[issued.hash]
            assert (token.scopes, token.plan_ids, token.networks) == ({"messages:send"}, {2}, ("10.0.0.0/8",))
            assert token.expires_at == stored["expires_at"]
            assert token.revoked_at is None
            assert await provisioning.revoke_token(conn, stored["token_id"])
            assert not await provisioning.revoke_token(conn, stored["token_id"])
            assert (await provisioning.load(conn, KEY)).tokens[issued.hash].revoked_at is not None
            with pytest.raises(asyncpg.UniqueViolationError):
                await provisioning.insert_token(conn, **fields)
            endless = {**fields, "hash": issue().hash, "plan_ids": None, "networks": None, "expires_after_s": None}
            await provisioning.insert_token(conn, **endless)
            token = (await provisioning.load(conn, KEY)).tokens[endless["hash"]]
            assert (token.plan_ids, token.networks, token.expires_at) == (None, None, None)
        finally:
            await conn.close()

    asyncio.run(main())


def test_the_cursor_key_is_made_once(database: str) -> None:
    async def main() -> None:
        connections = [await db.connect(database, name="test") for _ in range(3)]
        try:
            keys = await asyncio.gather(*(provisioning.cursor_key(conn, KEY) for conn in connections))
            assert len(set(keys)) == 1
            assert len(keys[0]) == 32
            assert await provisioning.cursor_key(connections[0], KEY) == keys[0]
        finally:
            for conn in connections:
                await conn.close()

    asyncio.run(main())


def test_every_statement_is_understood_and_columns_are_in_order(database: str) -> None:
    async def main() -> None:
        conn = await db.connect(database, name="test")
        try:
            for name, statement in provisioning._SQL.statements.items():
                await conn.prepare(statement)
                verb, _, table = name.partition("_")
                if verb in ("insert", "update") and table in provisioning.COLUMNS:
                    listed = statement[statement.index("(") + 1 : statement.index(")")].replace("\n", " ").split(",")
                    assert tuple(column.strip() for column in listed) == provisioning.COLUMNS[table], name
        finally:
            await conn.close()

    asyncio.run(main())
