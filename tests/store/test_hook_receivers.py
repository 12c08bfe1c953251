"""What a receiver asks for goes to its origin, on the wire, and to no other: declared in a file, sealed, posted."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import asyncpg
from hook_desk import POLICY, Receiver, delivering, event, message, receiver, when

from trunkline.admin import declared
from trunkline.admin.declared import Surroundings
from trunkline.cli.message import as_document, rendered
from trunkline.domain.provisioning import Provisioning
from trunkline.store import db, provisioning
from trunkline.store.timeline import timeline

KEY = bytes(range(32))
SECRETS = {"TOKEN": "t0ken-of-a", "KEY": "k3y-of-a", "PW": "pässword", "OTHER": "t0ken-of-b"}
TWO_PLANS = """
[[account]]
name = "acme"
dlr_url = "{a}/dlr"
[[plan]]
name = "one"
account = "acme"
[[plan]]
name = "two"
account = "acme"
"""


class Desk:
    """An installation as a file declares it, and its two receivers."""

    def __init__(self, dsn: str, conn: asyncpg.Connection, a: Receiver, b: Receiver) -> None:
        self.dsn, self.conn, self.a, self.b = dsn, conn, a, b

    async def apply(self, text: str) -> Provisioning:
        around = Surroundings(KEY, POLICY, SECRETS, Path(), "test")
        filled = text.replace("{a}", self.a.url).replace("{b}", self.b.url)
        await declared.apply(self.conn, declared.read(filled, "set-up.toml"), around)
        return await provisioning.load(self.conn, KEY)

    async def shown(self, msg_id: UUID) -> str:
        """What an operator sees of a message."""
        found = await timeline(self.conn, msg_id)
        assert found is not None
        assert json.loads(as_document(found, False))["events"]
        return rendered(found, False)

    async def post(self, picture: Provisioning, *events: tuple[Receiver, int, bool]) -> None:
        """Delivers events: (to whom, of which plan, whether to the configured URL)."""
        for there, plan, configured in events:
            msg_id = await message(self.conn, plan=plan)
            await event(self.conn, there.url, msg_id, plan=plan, configured=configured)
        async with delivering(self.dsn, lambda: picture):
            await when(self.conn, "NOT EXISTS (SELECT FROM hook_queue)")


def ran(database: str, main: Callable[[Desk], Awaitable[None]]) -> None:
    async def whole() -> None:
        conn = await db.connect(database, name="test")
        try:
            async with receiver() as a, receiver() as b:
                await main(Desk(database, conn, a, b))
        finally:
            await conn.close()

    asyncio.run(asyncio.wait_for(whole(), 40))


def carried(there: Receiver, *names: str) -> list[tuple[str | None, ...]]:
    return [tuple(head.get(name) for name in names) for head in there.heads]


def test_credentials_go_to_their_origin_alone(database: str) -> None:
    async def main(desk: Desk) -> None:
        picture = await desk.apply(
            TWO_PLANS
            + """
            [[receiver]]
            account = "acme"
            origin = "{a}"
            headers = { X-Tenant = "acme" }
            headers_env = { X-Api-Key = "KEY" }
            bearer_env = "TOKEN"
            """
        )
        # b differs from a in the port alone. The own URL of a message is of a's origin, too.
        await desk.post(picture, (desk.a, 1, True), (desk.a, 2, False), (desk.b, 1, False), (desk.b, 2, True))
        names = ("authorization", "x-api-key", "x-tenant")
        assert carried(desk.a, *names) == [("Bearer t0ken-of-a", "k3y-of-a", "acme")] * 2
        assert carried(desk.b, *names) == [(None, None, None)] * 2
        for there in (desk.a, desk.b):  # the signature goes to everybody
            assert all(head["webhook-signature"].startswith("v1,") for head in there.heads)
        stored = await desk.conn.fetchval("SELECT credentials FROM receiver")
        audited = str([tuple(row) for row in await desk.conn.fetch("SELECT * FROM audit")])
        for secret in ("t0ken-of-a", "k3y-of-a"):
            assert secret.encode() not in stored
            assert secret not in audited
            assert secret not in repr(picture)

    ran(database, main)


def test_a_plan_has_its_own_word(database: str) -> None:
    async def main(desk: Desk) -> None:
        picture = await desk.apply(
            TWO_PLANS
            + """
            [[receiver]]
            account = "acme"
            origin = "{a}"
            bearer_env = "TOKEN"
            [[receiver]]
            account = "acme"
            plan = "two"
            origin = "{a}"
            user = "Aladdin"
            password_env = "PW"
            [[receiver]]
            account = "acme"
            plan = "two"
            origin = "{b}"
            bearer_env = "OTHER"
            """
        )
        await desk.post(picture, (desk.a, 1, True))
        await desk.post(picture, (desk.a, 2, True))
        await desk.post(picture, (desk.b, 1, False))
        await desk.post(picture, (desk.b, 2, False))
        basic = "Basic " + base64.b64encode("Aladdin:pässword".encode()).decode()
        assert carried(desk.a, "authorization") == [("Bearer t0ken-of-a",), (basic,)]
        assert carried(desk.b, "authorization") == [(None,), ("Bearer t0ken-of-b",)]

    ran(database, main)


def test_another_account_never_carries_them(database: str) -> None:
    async def main(desk: Desk) -> None:
        picture = await desk.apply(
            TWO_PLANS
            + """
            [[account]]
            name = "other"
            [[plan]]
            name = "three"
            account = "other"
            [[receiver]]
            account = "acme"
            origin = "{a}"
            bearer_env = "TOKEN"
            """
        )
        await desk.post(picture, (desk.a, 3, False))
        assert carried(desk.a, "authorization") == [(None,)]

    ran(database, main)


def test_a_replaced_secret_is_sent_with_the_next_attempt_and_one_taken_away_is_not(database: str) -> None:
    async def main(desk: Desk) -> None:
        own = '[[receiver]]\naccount = "acme"\norigin = "{a}"\n'
        for line in ('bearer_env = "TOKEN"', 'bearer_env = "OTHER"', ""):
            picture = await desk.apply(TWO_PLANS + own + line)
            await desk.post(picture, (desk.a, 1, True))
        assert carried(desk.a, "authorization") == [("Bearer t0ken-of-a",), ("Bearer t0ken-of-b",), (None,)]

    ran(database, main)


def test_what_was_accepted_for_an_origin_that_is_not_allowed_any_more_is_not_sent(database: str) -> None:
    """The plan's own URL is the operator's word, and is not a callbackUrl."""

    async def main(desk: Desk) -> None:
        text = TWO_PLANS.replace('name = "one"', 'name = "one"\ncallback_origins = ["{b}"]')
        picture = await desk.apply(text)
        assert picture.plans[1].callback_origins == {desk.b.url}
        await desk.post(picture, (desk.a, 1, False), (desk.a, 1, True), (desk.b, 1, False), (desk.a, 2, False))
        assert (len(desk.a.posts), len(desk.b.posts)) == (2, 1)
        rows = await desk.conn.fetch("SELECT plan_id, reason FROM hook_dead")
        assert [tuple(row) for row in rows] == [(1, "the URL is not allowed")]

    ran(database, main)


def test_the_first_bytes_of_every_answer_are_kept_and_shown(database: str) -> None:
    async def main(desk: Desk) -> None:
        picture = await desk.apply(TWO_PLANS)
        await desk.post(picture, (desk.a, 1, True))
        desk.a.status, desk.a.answer = b"410 Gone", b"no +31612345678 here\r\n\x1b[2J" + b"x" * 1000
        await desk.post(picture, (desk.a, 1, False))
        rows = await desk.conn.fetch("SELECT status, excerpt, latency_ms >= 0 FROM hook_attempt ORDER BY status")
        assert [tuple(row) for row in rows] == [(200, b"ok", True), (410, desk.a.answer[:256], True)]
        shown = [await desk.shown(row[0]) for row in await desk.conn.fetch("SELECT msg_id FROM msg ORDER BY msg_id")]
        assert 'attempt 1: HTTP 200 "ok", ' in shown[0]
        assert 'attempt 1: HTTP 410 "no +3161•••••78 here\\u000d\\u000a\\u001b[2Jxxx' in shown[1]

    ran(database, main)


def test_a_picture_without_receivers_carries_nothing(database: str) -> None:
    async def main(desk: Desk) -> None:
        picture = await desk.apply(TWO_PLANS + '[[receiver]]\naccount = "acme"\norigin = "{a}"\nbearer_env = "TOKEN"\n')
        assert picture.receiver(picture.plans[1], desk.a.url) is not None
        assert picture.receiver(picture.plans[1], desk.a.url + "1") is None
        assert replace(picture, receivers={}).receiver(picture.plans[1], desk.a.url) is None

    ran(database, main)
