"""Messages from handsets: whose they are, stored with their event, repeats left out, answered after the commit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from trunkline.carriers.inbound import parse
from trunkline.domain.ids import MsgIds
from trunkline.domain.provisioning import Plan, Provisioning
from trunkline.mo.accept import Inbox, IncomingMessage
from trunkline.runtime.clock import wall_ms
from trunkline.smpp.pdu import DeliverSm
from trunkline.smpp.status import ESME_ROK, ESME_RX_T_APPN

SET_UP = """
INSERT INTO account (public_id, name, mo_url) VALUES (repeat('1', 24), 'a', 'https://account.example:8443/mo?x=1');
INSERT INTO account (public_id, name) VALUES (repeat('2', 24), 'b');
INSERT INTO plan (public_id, account_id, name, mo_url) VALUES (repeat('3', 24), 1, 'own', 'https://Plan.example/mo');
INSERT INTO plan (public_id, account_id, name) VALUES (repeat('4', 24), 1, 'account''s');
INSERT INTO plan (public_id, account_id, name) VALUES (repeat('5', 24), 2, 'none');
"""
OWN, ACCOUNTS, NONE = 1, 2, 3


def _plan(plan_id: int, account_id: int) -> Plan:
    public = str(plan_id) * 24
    return Plan(plan_id, public, account_id, "1" * 24, "p", True, None, None, False, 600, 60, 0, True, None, ())


PICTURE = Provisioning(
    1, {}, {OWN: _plan(OWN, 1), ACCOUNTS: _plan(ACCOUNTS, 1), NONE: _plan(NONE, 2)}, {}, {}, {},
    {"12345": OWN, "+46700000001": ACCOUNTS, "54321": NONE}, {}, (),
)  # fmt: skip


class Session:
    """The carrier's end: keeps what it was answered."""

    def __init__(self) -> None:
        self.answers: list[int] = []

    def answer(self, pdu: object, status: int) -> None:
        self.answers.append(status)


class Desk:
    def __init__(self, conn: asyncpg.Connection, dsn: str) -> None:
        self.conn = conn
        self.session = Session()
        self.picture: Provisioning | None = PICTURE
        self.now_ms = wall_ms
        self.inbox = Inbox(dsn, 1, provisioning=lambda: self.picture, ids=MsgIds(), now_ms=lambda: self.now_ms())

    def comes(self, text: bytes = b"YES", *, to: str = "12345", source: str = "+46701111111", link: int = 1) -> None:
        pdu = DeliverSm(source_addr=source, destination_addr=to, short_message=text)
        message = parse(0, 0, text, source, 1, to, 0)
        self.inbox.messages.add(IncomingMessage(self.session, pdu, link, message))

    async def stored(self, **given: Any) -> list[tuple[Any, ...]]:
        """One message comes and is answered; everything that is stored so far."""
        self.comes(**given)
        await self.inbox.drained()
        return await self.all()

    async def all(self) -> list[tuple[Any, ...]]:
        rows = await self.conn.fetch("SELECT plan_id, account_id, link_id, body FROM mo ORDER BY msg_id")
        return [tuple(row) for row in rows]


def ran(database: str, main: Callable[[Desk], Awaitable[None]]) -> None:
    async def whole() -> None:
        conn = await asyncpg.connect(database)
        await conn.execute(SET_UP)
        desk = Desk(conn, database)
        writing = asyncio.create_task(desk.inbox.messages.run())
        try:
            await main(desk)
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            await desk.inbox.close()
            await conn.close()

    asyncio.run(asyncio.wait_for(whole(), 40))


@pytest.mark.parametrize(
    ("to", "plan", "account", "origin", "url"),
    [
        ("12345", OWN, 1, "https://plan.example", "https://Plan.example/mo"),
        ("+46700000001", ACCOUNTS, 1, "https://account.example:8443", "https://account.example:8443/mo?x=1"),
        ("46700000001", ACCOUNTS, 1, "https://account.example:8443", "https://account.example:8443/mo?x=1"),
        ("54321", NONE, 2, None, None),
        ("99999", 0, 0, None, None),
    ],
    ids=["plan's URL", "account's URL", "without its +", "no URL", "nobody's"],
)
def test_whose_it_is(database: str, to: str, plan: int, account: int, origin: str | None, url: str | None) -> None:
    async def main(desk: Desk) -> None:
        assert await desk.stored(to=to) == [(plan, account, 1, "YES")]
        assert desk.session.answers == [ESME_ROK]
        events = await desk.conn.fetch(
            "SELECT h.plan_id, h.origin, h.url, h.n, h.configured FROM hook_queue h JOIN mo USING (plan_id, msg_id)"
        )
        assert [tuple(row) for row in events] == ([] if url is None else [(plan, origin, url, 0, True)])

    ran(database, main)


def test_an_event_wakes_who_delivers(database: str) -> None:
    async def main(desk: Desk) -> None:
        heard = asyncio.Event()
        await desk.conn.add_listener("hooks", lambda *told: heard.set())
        await desk.stored()
        await asyncio.wait_for(heard.wait(), 10)

    ran(database, main)


def test_a_repeat_on_another_link_is_the_same_message(database: str) -> None:
    async def main(desk: Desk) -> None:
        await desk.stored(link=1)
        assert len(await desk.stored(link=2)) == 1
        assert desk.session.answers == [ESME_ROK] * 2  # else it would come for ever
        assert await desk.conn.fetchval("SELECT count(*) FROM hook_queue") == 1

    ran(database, main)


def test_a_repeat_that_comes_with_the_first(database: str) -> None:
    """Both wait for the database, and are stored in one go."""

    async def main(desk: Desk) -> None:
        for link in (1, 2, 3):
            desk.comes(link=link)
        desk.comes(b"NO", link=2)
        await desk.inbox.drained()
        assert [(row[2], row[3]) for row in await desk.all()] == [(1, "YES"), (2, "NO")]
        assert desk.session.answers == [ESME_ROK] * 4

    ran(database, main)


@pytest.mark.parametrize(
    "again",
    [{"link": 1}, {"text": b"NO"}, {"source": "+46702222222"}, {"to": "54321"}],
    ids=["the same link", "another text", "another sender", "another destination"],
)
def test_what_is_no_repeat(database: str, again: dict[str, Any]) -> None:
    """A person may well say YES twice."""

    async def main(desk: Desk) -> None:
        await desk.stored(link=1)
        assert len(await desk.stored(**{"link": 2, **again})) == 2

    ran(database, main)


@pytest.mark.parametrize(("after_s", "count"), [(9, 1), (11, 2)])
def test_a_repeat_comes_within_ten_seconds(database: str, after_s: int, count: int) -> None:
    async def main(desk: Desk) -> None:
        await desk.stored(link=1)
        await desk.conn.execute("UPDATE clock SET shift = $1 * interval '1 second'", float(after_s))
        desk.now_ms = lambda: wall_ms() + after_s * 1000
        assert len(await desk.stored(link=2)) == count

    ran(database, main)


def test_another_carriers_message_is_no_repeat(database: str) -> None:
    async def main(desk: Desk) -> None:
        await desk.stored(link=1)
        await desk.conn.execute("UPDATE mo SET carrier_id = 2")
        assert len(await desk.stored(link=2)) == 2

    ran(database, main)


def test_not_ok_before_it_is_stored(database: str) -> None:
    """Without provisioning it is nobody's yet; without the table it cannot be stored: the carrier keeps it."""

    async def main(desk: Desk) -> None:
        desk.picture = None
        assert await desk.stored() == []
        desk.picture = PICTURE
        await desk.conn.execute("ALTER TABLE mo RENAME TO away")
        desk.comes()
        await desk.inbox.drained()
        await desk.conn.execute("ALTER TABLE away RENAME TO mo")
        assert desk.session.answers == [ESME_RX_T_APPN] * 2
        assert len(await desk.stored()) == 1
        assert desk.session.answers == [ESME_RX_T_APPN] * 2 + [ESME_ROK]

    ran(database, main)
