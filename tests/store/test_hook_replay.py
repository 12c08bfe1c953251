"""Dead letters: listed, replayed as they were, and left alone where that cannot be."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hook_desk import delivering, event, message, provisioned, receiver, set_up, when

from trunkline.admin import webhooks as desk
from trunkline.admin.tokens import Refused
from trunkline.admin.webhooks import Wanted
from trunkline.store import db, replay
from trunkline.store.timeline import timeline

URL = "https://client.example.com"
Main = Callable[[db.Connection], Awaitable[None]]


def ran(database: str, main: Main) -> None:
    async def whole() -> None:
        conn = await db.connect(database, name="operator")
        try:
            await set_up(conn, f"{URL}/dlr", f"{URL}/mo")
            await main(conn)
        finally:
            await conn.close()

    asyncio.run(asyncio.wait_for(whole(), 40))


async def died(conn: asyncpg.Connection, msg_id: UUID, *, n: int = 2, plan: int = 1, ago_h: float = 0) -> UUID:
    await conn.execute(
        "INSERT INTO hook_dead (plan_id, msg_id, n, origin, url, tries, reason, died_at)"
        " VALUES ($1, $2, $3, $4, $4 || '/old', 10, 'all attempts failed', trunkline_now() - $5 * interval '1 hour')",
        plan, msg_id, n, URL, float(ago_h),
    )  # fmt: skip
    return msg_id


async def replayed(conn: db.Connection, **wanted: Any) -> dict[UUID, str]:
    found = {}
    async for batch in desk.replay_dead(conn, Wanted(**wanted), actor="me@here"):
        found.update({one.msg_id: one.verdict for one in batch})
    return found


async def queue(conn: db.Connection) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await conn.fetch("SELECT msg_id, n, tries, configured, url FROM hook_queue")]


def test_a_replay_starts_a_new_schedule_and_is_audited(database: str) -> None:
    async def main(conn: db.Connection) -> None:
        msg_id, other = await died(conn, await message(conn)), await died(conn, await message(conn))
        assert await replayed(conn, msg_id=msg_id) == {msg_id: "replayed"}
        # To the URL that is configured now, due now, with all attempts.
        assert await queue(conn) == [(msg_id, 2, 0, True, f"{URL}/dlr")]
        assert await conn.fetchval("SELECT due_at <= trunkline_now() FROM hook_queue")
        left = await desk.dead_letters(conn, None, None, 10)
        assert [one.msg_id for one in left] == [other]
        row = await conn.fetchrow("SELECT actor, action, subject, detail FROM audit")
        assert tuple(row)[:3] == ("me@here", "webhooks.replayed", f"message {msg_id}")
        assert json.loads(row["detail"]) == {"message": str(msg_id), "events": {"replayed": 1}}
        # It is no dead letter any more, so a second replay does nothing.
        assert await replayed(conn, msg_id=msg_id) == {}
        assert len(await queue(conn)) == 1

    ran(database, main)


def test_a_message_with_a_url_of_its_own_keeps_it(database: str) -> None:
    async def main(conn: db.Connection) -> None:
        msg_id = await died(conn, await message(conn))
        await conn.execute("UPDATE msg SET callback_url = 'https://own.example.com/x?y'")
        await replayed(conn, msg_id=msg_id)
        row = await conn.fetchrow("SELECT origin, url, configured FROM hook_queue")
        assert tuple(row) == ("https://own.example.com", "https://own.example.com/x?y", False)

    ran(database, main)


def test_what_cannot_be_replayed_is_said(database: str) -> None:
    async def main(conn: db.Connection) -> None:
        corrected = await died(conn, await message(conn, late=True), n=2)
        final = await died(conn, await message(conn), n=1)
        gone = await died(conn, await message(conn))
        await conn.execute("DELETE FROM msg WHERE msg_id = $1", gone)
        erased = await died(conn, await message(conn))
        await conn.execute("UPDATE msg SET body = NULL, recipient = NULL WHERE msg_id = $1", erased)
        well, open_ = await died(conn, await message(conn)), await died(conn, await message(conn, status=None), n=1)
        assert await replayed(conn) == {
            corrected: "overtaken", final: "overtaken", gone: "gone", erased: "erased", well: "replayed",
            open_: "replayed",
        }  # fmt: skip
        assert {row[0] for row in await queue(conn)} == {well, open_}
        # Overtaken ones are dropped, the others stay.
        assert {one.msg_id for one in await desk.dead_letters(conn, None, None, 10)} == {gone, erased}

    ran(database, main)


def test_a_disabled_url_gets_no_replay_and_none_is_no_url(database: str) -> None:
    async def main(conn: db.Connection) -> None:
        msg_id = await died(conn, await message(conn))
        await conn.execute("INSERT INTO hook_target VALUES (1, 'dlr', $1, now(), now(), '410')", f"{URL}/dlr")
        assert await replayed(conn) == {msg_id: "disabled"}
        await conn.execute("UPDATE plan SET dlr_url = NULL")
        assert await replayed(conn) == {msg_id: "without URL"}
        await conn.execute("UPDATE plan SET dlr_url = 'https://new.example.com/dlr'")
        assert await replayed(conn) == {msg_id: "replayed"}
        assert (await queue(conn))[0][4] == "https://new.example.com/dlr"

    ran(database, main)


def test_a_filter_and_a_window_choose(database: str) -> None:
    async def main(conn: db.Connection) -> None:
        await conn.execute("INSERT INTO plan (public_id, account_id, name) VALUES (repeat('2', 24), 1, 'bulk')")
        await conn.execute("UPDATE account SET dlr_url = $1", f"{URL}/account")
        otp = await died(conn, await message(conn), ago_h=5)
        bulk = await died(conn, await message(conn, plan=2), plan=2)
        now = dt.datetime.now(dt.UTC)  # noqa: TID251
        hour = dt.timedelta(hours=1)
        assert [one.msg_id for one in await desk.dead_letters(conn, None, now - hour, 10)] == [bulk]
        assert [one.msg_id for one in await desk.dead_letters(conn, "otp", None, 10)] == [otp]
        assert await replayed(conn, plan="otp", accepted_from=now + hour) == {}
        assert await replayed(conn, plan="otp", accepted_to=now - hour) == {}
        assert await replayed(conn, plan="bulk", accepted_from=now - hour, accepted_to=now + hour) == {bulk: "replayed"}
        assert (await queue(conn))[0][4] == f"{URL}/account"
        with pytest.raises(Refused, match="no plan"):
            await replayed(conn, plan="none")

    ran(database, main)


def test_batches_go_on_where_the_one_before_ended(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "BATCH", 3)

    async def main(conn: db.Connection) -> None:
        ids = [await died(conn, await message(conn)) for _ in range(10)]
        for msg_id in ids[:5]:  # that stay would come first again and again
            await conn.execute("DELETE FROM msg WHERE msg_id = $1", msg_id)
        found = await replayed(conn)
        assert found == {**dict.fromkeys(ids[:5], "gone"), **dict.fromkeys(ids[5:], "replayed")}
        assert await conn.fetchval("SELECT count(*) FROM audit") == 4

    ran(database, main)


def test_failed_events_that_wait_start_anew(database: str) -> None:
    async def main(conn: db.Connection) -> None:
        waiting, fresh, near = [await message(conn) for _ in range(3)]
        await event(conn, URL, waiting, tries=4, ago_s=-3600)
        await event(conn, URL, fresh)
        await event(conn, URL, near, tries=4, ago_s=-0.5)  # perhaps under way in a moment
        started = [count async for count in desk.replay_failed(conn, Wanted(plan="otp"), actor="me@here")]
        assert started == [1]
        rows = dict(await conn.fetch("SELECT msg_id, tries FROM hook_queue WHERE due_at <= trunkline_now()"))
        assert rows[waiting] == rows[fresh] == 0
        assert await conn.fetchval("SELECT action FROM audit") == "webhooks.restarted"

    ran(database, main)


def test_it_may_die_again_and_the_timeline_tells_it_all(database: str) -> None:
    async def main(conn: db.Connection) -> None:
        async with receiver() as there:
            await conn.execute("UPDATE plan SET dlr_url = $1", f"{there.url}/dlr")
            msg_id = await message(conn)
            there.status = b"410 Gone"
            await event(conn, there.url, msg_id, configured=False)
            async with delivering(database, lambda: provisioned(1)) as delivery:
                await when(conn, "EXISTS (SELECT FROM hook_dead)", delivery)
                assert await replayed(conn, msg_id=msg_id, n=2) == {msg_id: "replayed"}
                await when(conn, "(SELECT count(*) FROM hook_dead) = 2", delivery)
            assert there.events == [f"{msg_id}-2"] * 2
            assert there.posts[0][1] == there.posts[1][1]
            found = await timeline(conn, msg_id)
            assert found is not None
            kinds = [one.kind for one in found.events if one.kind.startswith("hook")]
            assert kinds == ["hook_attempted", "hook_dead", "hook_replayed", "hook_attempted", "hook_dead"]

    ran(database, main)
