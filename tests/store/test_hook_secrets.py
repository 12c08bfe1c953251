"""T38: a webhook secret is changed while webhooks go out: two right signatures for 24 h; shown once, kept sealed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hook_desk import Receiver, delivering, event, message, receiver, when
from operator_rig import Operator
from standardwebhooks import Webhook, WebhookVerificationError

from trunkline.runtime import clock
from trunkline.runtime.secret import secret_key
from trunkline.store import db, provisioning
from trunkline.upkeep.rounds import Rounds, Task
from trunkline.webhooks import deliver

OPEN = "NOT EXISTS (SELECT FROM hook_queue)"
Main = Callable[[asyncpg.Connection, Receiver], Awaitable[None]]


@pytest.fixture
def operator(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    monkeypatch.chdir(tmp_path)
    return Operator(database, tmp_path)


def applied(operator: Operator) -> str:
    """Applies the set-up; the secret that it shows."""
    code, out, err = operator.call("apply", str(operator.file))
    assert (code, err) == (0, "")
    (secret,) = [line.strip() for line in out.splitlines() if "whsec_" in line]
    return secret


def rotated(operator: Operator, *arguments: str) -> str:
    """Changes the secret; the new one, which is all of standard output."""
    code, out, err = operator.call("webhooks", "rotate", "otp", *arguments)
    assert code == 0, err
    assert "whsec_" not in err
    return out.removesuffix("\n")


def with_receiver(operator: Operator, main: Main) -> None:
    async def whole() -> None:
        conn = await db.connect(operator.dsn, name="test")
        try:
            async with receiver() as there:
                await main(conn, there)
        finally:
            await conn.close()

    asyncio.run(asyncio.wait_for(whole(), 40))


async def told(operator: Operator, conn: asyncpg.Connection, there: Receiver) -> tuple[dict[str, str], bytes]:
    """Headers and body of one more webhook, with the secrets of now."""
    picture = await provisioning.load(conn, secret_key(operator.settings))
    await event(conn, there.url, await message(conn))
    async with delivering(operator.dsn, lambda: picture):
        await when(conn, OPEN)
    return there.heads[-1], there.bodies[-1]


def upkeep(operator: Operator, name: str) -> Task:
    """One task of upkeep's rounds."""

    async def look(*_: Any) -> None: ...

    async def join(*_: Any) -> int:
        return 0

    rounds = Rounds(operator.dsn, lease_s=5, look=look, join=join, dead_letter_days=30)
    (task,) = (task for task in rounds.tasks() if task.name == name)
    return task


def verify(secret: str, head: dict[str, str], body: bytes) -> None:
    """As a receiver with one secret does it. Raises WebhookVerificationError."""
    Webhook(secret).verify(body, head)


def test_receivers_with_the_old_and_with_the_new_secret_verify_for_24_hours(operator: Operator) -> None:
    old = applied(operator)
    new = rotated(operator)
    assert new != old

    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        head, body = await told(operator, conn, there)
        assert len(head["webhook-signature"].split()) == 2
        for secret in (new, old):
            verify(secret, head, body)
            with pytest.raises(WebhookVerificationError):
                verify(secret, head, body + b" ")

        await conn.execute("UPDATE clock SET shift = '23 hours 59 minutes'")
        await upkeep(operator, "secrets").run(conn)
        assert await conn.fetchval("SELECT cardinality(hook_secrets) FROM plan") == 2
        await conn.execute("UPDATE clock SET shift = '24 hours 1 minute'")
        await upkeep(operator, "secrets").run(conn)
        head, body = await told(operator, conn, there)
        assert len(head["webhook-signature"].split()) == 1
        verify(new, head, body)
        with pytest.raises(WebhookVerificationError):
            verify(old, head, body)
        actions = [row[0] for row in await conn.fetch("SELECT action FROM audit WHERE action LIKE '%secret%'")]
        assert actions == ["webhook_secret.rotated", "webhook_secret.ended"]

    with_receiver(operator, main)


def test_a_secret_is_shown_once_and_stands_nowhere(operator: Operator) -> None:
    shown = [applied(operator), rotated(operator)]
    assert "whsec_" not in str(operator.call("apply", str(operator.file)))

    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        tables = await conn.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        dump = ""
        for (table,) in tables:
            dump += str([tuple(row) for row in await conn.fetch(f"SELECT t::text FROM {table} t")])
        assert "webhook_secret.rotated" in dump
        for secret in shown:
            assert secret.removeprefix("whsec_") not in dump
        picture = await provisioning.load(conn, secret_key(operator.settings))
        assert len(picture.plans[1].hook_secrets) == 2

    with_receiver(operator, main)


def test_an_overlap_of_nothing_ends_every_older_secret_at_once(operator: Operator) -> None:
    applied(operator)
    rotated(operator)
    code, out, err = operator.call("webhooks", "rotate", "otp")
    assert (code, out) == (65, "")
    assert "wait for that, or end both with --overlap 0" in err
    newest = rotated(operator, "--overlap", "0")

    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        head, body = await told(operator, conn, there)
        assert len(head["webhook-signature"].split()) == 1
        verify(newest, head, body)
        assert await conn.fetchval("SELECT old_secret_ends_at FROM plan") is None

    with_receiver(operator, main)
    assert rotated(operator, "--overlap", "2h") != newest
    assert operator.call("webhooks", "rotate", "no such plan")[0] == 65
    assert operator.call("webhooks", "rotate", "otp", "--overlap", "soon")[0] == 2


def test_a_key_that_is_not_the_installations_changes_nothing(operator: Operator) -> None:
    applied(operator)
    operator.environ["TRUNKLINE_SECRET_KEY"] = "00" * 32
    code, out, _ = operator.call("webhooks", "rotate", "otp")
    assert (code, out) == (78, "")
    del operator.environ["TRUNKLINE_SECRET_KEY"]
    assert rotated(operator).startswith("whsec_")


def test_applying_the_file_again_keeps_both_secrets(operator: Operator) -> None:
    applied(operator)
    rotated(operator)
    operator.file.write_text(operator.file.read_text().replace('name = "otp"', 'name = "otp"\npriority = 1'))
    operator.call("apply", str(operator.file))

    async def main(conn: asyncpg.Connection, _: Receiver) -> None:
        row = await conn.fetchrow("SELECT priority, cardinality(hook_secrets), old_secret_ends_at > now() FROM plan")
        assert tuple(row) == (1, 2, True)

    with_receiver(operator, main)


def test_each_attempt_is_signed_for_its_own_time_and_says_the_same(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = applied(operator)

    async def main(conn: asyncpg.Connection, there: Receiver) -> None:
        picture = await provisioning.load(conn, secret_key(operator.settings))
        msg_id = await message(conn)
        there.status = b"500 Internal Server Error"
        await event(conn, there.url, msg_id)
        async with delivering(operator.dsn, lambda: picture) as delivery:
            await when(conn, "EXISTS (SELECT FROM hook_attempt)")
            began = clock.wall_s()
            monkeypatch.setattr(deliver.clock, "wall_s", lambda: began + 100)
            there.status = b"200 OK"
            await conn.execute("UPDATE clock SET shift = '7 seconds'")
            await when(conn, OPEN, delivery)
        first, second = there.heads
        assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) in (100, 101)
        assert first["webhook-id"] == second["webhook-id"] == f"{msg_id}-2"
        assert "." not in first["webhook-id"]  # id, time and body are joined by dots: none of them may forge another
        assert UUID(first["webhook-id"][:-2]) == msg_id
        assert there.bodies[0] == there.bodies[1]
        for head, body in zip(there.heads, there.bodies, strict=True):
            verify(secret, head, body)
        assert first["webhook-signature"] != second["webhook-signature"]

    with_receiver(operator, main)


def test_dead_letters_have_an_age(operator: Operator) -> None:
    async def main(conn: asyncpg.Connection, _: Receiver) -> None:
        await conn.execute(
            "INSERT INTO hook_dead SELECT 1, gen_random_uuid(), 2, 'https://a', 'https://a/x', 10, 'x',"
            " now() - n * interval '1 day' FROM generate_series(1, 40) AS n"
        )
        await conn.execute("UPDATE hook_dead SET replayed_at = now() WHERE died_at < now() - interval '35 days'")
        task = upkeep(operator, "dead letters")
        assert [await task.run(conn), await task.run(conn)] == [True, False]
        assert await conn.fetchval("SELECT count(*) FROM hook_dead") == 29
        await conn.execute("UPDATE clock SET shift = '20 days'")
        await task.run(conn)
        assert await conn.fetchval("SELECT count(*) FROM hook_dead") == 9

    with_receiver(operator, main)
