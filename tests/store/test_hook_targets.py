"""Configured URLs that fail are disabled, with notice, and enabled again; a message's own callbackUrl never is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from hook_desk import Receiver, delivering, event, message, provisioned, receiver, set_up, when

from trunkline.admin import webhooks as desk
from trunkline.admin.tokens import Refused
from trunkline.store import db, hooks
from trunkline.webhooks import rounds
from trunkline.webhooks.rounds import log as rounds_log

Main = Callable[[asyncpg.Connection, Receiver], Awaitable[None]]
OPEN = "NOT EXISTS (SELECT FROM hook_queue)"
DISABLED = "EXISTS (SELECT FROM hook_target WHERE disabled_at IS NOT NULL)"


def ran(database: str, main: Main) -> None:
    async def whole() -> None:
        conn = await asyncpg.connect(database)
        try:
            async with receiver() as there:
                await set_up(conn, f"{there.url}/dlr", f"{there.url}/mo")
                await main(conn, there)
        finally:
            await conn.close()

    asyncio.run(asyncio.wait_for(whole(), 40))


async def targets(conn: asyncpg.Connection) -> list[tuple[str, bool, str | None]]:
    return [tuple(r) for r in await conn.fetch("SELECT kind, disabled_at IS NOT NULL, reason FROM hook_target")]


def test_410_disables_a_configured_url_with_notice(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "_EVERY_S", 0.0)
    alarms: list[tuple[str, str, bool]] = []
    monkeypatch.setattr(rounds_log, "alarm", lambda name, subject, on, **more: alarms.append((name, subject, on)))

    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        there.status = b"410 Gone"
        async with delivering(database, lambda: provisioned(1)) as delivery:
            await event(conn, there.url, await message(conn))
            await when(conn, DISABLED, delivery)
            assert await targets(conn) == [("dlr", True, "the receiver answered 410 Gone")]
            row = await conn.fetchrow("SELECT actor, action, subject, detail FROM audit")
            assert tuple(row)[:3] == ("trunkline", "webhook_url.disabled", "account " + "1" * 24)
            assert json.loads(row["detail"])["url"] == f"{there.url}/dlr"

            # From now on its events are dead letters without being sent; a message's own URL goes on.
            there.status = b"200 OK"
            dead, own = await message(conn), await message(conn)
            await event(conn, there.url, dead)
            await event(conn, there.url, own, configured=False)
            delivery.wake()
            await when(conn, OPEN, delivery)
            assert there.events[1:] == [f"{own}-2"]
            reason = await conn.fetchval("SELECT reason FROM hook_dead WHERE msg_id = $1", dead)
            assert reason == "the URL is disabled"
            assert await conn.fetchval("SELECT count(*) FROM hook_attempt WHERE msg_id = $1", dead) == 0

            # Enabled again, it gets what comes, and the alarm is off.
            operator = await db.connect(database, name="operator")
            enabled = await desk.enable(operator, "acme", None, None, actor="me@here")
            assert enabled == [("dlr", f"{there.url}/dlr")]
            with pytest.raises(Refused):
                await desk.enable(operator, "acme", None, None, actor="me@here")
            await operator.close()
            after = await message(conn)
            await event(conn, there.url, after)
            await when(conn, OPEN, delivery)
            assert there.events[2:] == [f"{after}-2"]
        name = f"dlr URL of account acme ({'1' * 24}): {there.url}/dlr"
        told = list(dict.fromkeys(alarms))
        assert told == [("webhook_url_disabled", name, True), ("webhook_url_disabled", name, False)]
        actions = [r[0] for r in await conn.fetch("SELECT action FROM audit ORDER BY audit_id")]
        assert actions == ["webhook_url.disabled", "webhook_url.enabled"]

    ran(database, main)


def test_410_never_disables_a_callback_url(database: str) -> None:
    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        there.status = b"410 Gone"
        async with delivering(database, lambda: provisioned(1)) as delivery:
            for _ in range(3):
                await event(conn, there.url, await message(conn), configured=False)
            await when(conn, "(SELECT count(*) FROM hook_dead) = 3", delivery)
        assert await targets(conn) == []
        assert len(there.posts) == 3

    ran(database, main)


@pytest.mark.parametrize(("hours", "is_disabled"), [(119, False), (121, True)])
def test_120_hours_of_failures_only_disable(database: str, hours: int, is_disabled: bool) -> None:
    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        there.status = b"500 Internal Server Error"
        async with delivering(database, lambda: provisioned(1)) as delivery:
            await event(conn, there.url, await message(conn), tries=9)
            await when(conn, OPEN, delivery)
            assert await targets(conn) == [("dlr", False, None)]
            await conn.execute("UPDATE clock SET shift = $1 * interval '1 hour'", float(hours))
            await event(conn, there.url, await message(conn), tries=9)
            await when(conn, "(SELECT count(*) FROM hook_dead) = 2", delivery)
        [(kind, disabled, reason)] = await targets(conn)
        assert (kind, disabled) == ("dlr", is_disabled)
        assert (reason or "").startswith("only failures since ") is is_disabled
        assert await conn.fetchval("SELECT count(*) FROM audit") == int(is_disabled)

    ran(database, main)


def test_a_success_begins_the_120_hours_anew(database: str) -> None:
    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        async with delivering(database, lambda: provisioned(1)) as delivery:
            for hours, status in ((0, b"500 No"), (100, b"200 OK"), (110, b"500 No"), (130, b"500 No")):
                there.status = status
                await conn.execute("UPDATE clock SET shift = $1 * interval '1 hour'", float(hours))
                await event(conn, there.url, await message(conn), tries=9)
                await when(conn, OPEN, delivery)
        assert await targets(conn) == [("dlr", False, None)]

    ran(database, main)


def test_receipts_and_inbound_messages_have_urls_of_their_own(database: str) -> None:
    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        await conn.execute(
            "INSERT INTO hook_target VALUES (1, 'mo', $1, now(), now(), 'x')",
            f"{there.url}/dlr",
        )
        async with delivering(database, lambda: provisioned(1)) as delivery:
            await event(conn, there.url, await message(conn))
            await when(conn, OPEN, delivery)
        assert len(there.posts) == 1

    ran(database, main)


def test_another_url_is_enabled_and_the_old_one_forgotten(database: str) -> None:
    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        await conn.execute("INSERT INTO hook_target VALUES (1, 'dlr', $1, now(), now(), 'x')", f"{there.url}/dlr")
        await hooks.forget_unused(conn)
        assert len(await targets(conn)) == 1
        await conn.execute("UPDATE plan SET dlr_url = 'https://new.example.com/dlr'")
        await hooks.forget_unused(conn)
        assert await targets(conn) == []

    ran(database, main)


def test_one_account_does_not_disable_the_url_of_another(database: str) -> None:
    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        await conn.execute(
            "INSERT INTO account (public_id, name) VALUES (repeat('2', 24), 'other');"
            "INSERT INTO plan (public_id, account_id, name) VALUES (lpad('2', 24, '0'), 2, 'p')"
        )
        await conn.execute("INSERT INTO hook_target VALUES (2, 'dlr', $1, now(), now(), 'x')", f"{there.url}/dlr")
        mine, theirs = await message(conn), await message(conn, plan=2)
        async with delivering(database, lambda: provisioned(1, 2)) as delivery:
            await event(conn, there.url, mine)
            await event(conn, there.url, theirs, plan=2)
            await when(conn, OPEN, delivery)
        assert there.events == [f"{mine}-2"]

    ran(database, main)
