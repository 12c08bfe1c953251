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
from trunkline.mo import binds
from trunkline.mo.accept import Inbox, IncomingMessage
from trunkline.runtime.clock import wall_ms
from trunkline.smpp.pdu import DeliverSm
from trunkline.smpp.status import ESME_ROK, ESME_RX_T_APPN
from trunkline.smpp.wire import End
from trunkline.store import inbound

SET_UP = """
INSERT INTO account (public_id, name, mo_url) VALUES (repeat('1', 24), 'a', 'https://account.example:8443/mo?x=1');
INSERT INTO account (public_id, name) VALUES (repeat('2', 24), 'b');
INSERT INTO plan (public_id, account_id, name, mo_url) VALUES (repeat('3', 24), 1, 'own', 'https://Plan.example/mo');
INSERT INTO plan (public_id, account_id, name) VALUES (repeat('4', 24), 1, 'account''s');
INSERT INTO plan (public_id, account_id, name) VALUES (repeat('5', 24), 2, 'none');
INSERT INTO dispatcher (node, pid, lease_until) VALUES ('n', 1, now() + interval '1 hour');
"""
OWN, ACCOUNTS, NONE = 1, 2, 3
LINK = EPOCH = 1


def _plan(plan_id: int, account_id: int) -> Plan:
    public = str(plan_id) * 24
    return Plan(plan_id, public, account_id, "1" * 24, "p", True, None, None, False, 600, 60, 0, True, None, ())


PICTURE = Provisioning(
    1, {}, {OWN: _plan(OWN, 1), ACCOUNTS: _plan(ACCOUNTS, 1), NONE: _plan(NONE, 2)}, {}, {}, {},
    {"12345": OWN, "+46700000001": ACCOUNTS, "54321": NONE}, {}, (),
)  # fmt: skip


class Session:
    """One bind, as the inbox sees it: keeps what was answered on it."""

    def __init__(self, answers: list[int]) -> None:
        self.answers = answers
        self.ended: End | None = None
        self.unread_since: float | None = None

    def answer(self, pdu: object, status: int) -> None:
        self.answers.append(status)

    def ends(self, end: End = End.CONNECTION_LOST) -> None:
        self.ended = end
        self.unread_since = self.unread_since or asyncio.get_running_loop().time()


class Desk:
    def __init__(self, conn: asyncpg.Connection, dsn: str) -> None:
        self.conn = conn
        self.dsn = dsn
        self.answers: list[int] = []
        self.binds: dict[int, Session] = {}
        self.picture: Provisioning | None = PICTURE
        self.shift_ms = 0
        self.inbox = self.new_inbox(EPOCH)

    def new_inbox(self, epoch: int) -> Inbox:
        return Inbox(
            self.dsn,
            1,
            epoch,
            provisioning=lambda: self.picture,
            ids=MsgIds(),
            now_ms=lambda: wall_ms() + self.shift_ms,
        )

    def bind(self, number: int) -> Session:
        return self.binds.setdefault(number, Session(self.answers))

    async def shift(self, seconds: float) -> None:
        """Time goes on."""
        self.shift_ms += round(seconds * 1000)
        await self.conn.execute("UPDATE clock SET shift = $1 * interval '1 millisecond'", float(self.shift_ms))
        for bind in self.binds.values():
            if bind.unread_since is not None:
                bind.unread_since -= seconds

    def comes(
        self, text: bytes = b"YES", *, to: str = "12345", source: str = "+46701111111", bind: int = 1, coding: int = 0,
        esm_class: int = 0,
    ) -> None:  # fmt: skip
        """On one of several binds of one link."""
        pdu = DeliverSm(
            source_addr=source, destination_addr=to, short_message=text, esm_class=esm_class, data_coding=coding
        )
        message = parse(esm_class, coding, text, source, 1, to, 0)
        self.inbox.messages.add(IncomingMessage(self.bind(bind), pdu, LINK, message))

    async def stored(self, **given: Any) -> list[tuple[Any, ...]]:
        """One message comes and is answered; everything that is stored so far."""
        self.comes(**given)
        await self.inbox.drained()
        return await self.all()

    async def all(self) -> list[tuple[Any, ...]]:
        rows = await self.conn.fetch("SELECT plan_id, account_id, body FROM mo ORDER BY msg_id")
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
        assert await desk.stored(to=to) == [(plan, account, "YES")]
        assert desk.answers == [ESME_ROK]
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


def test_a_repeat_on_another_bind_is_the_same_message(database: str) -> None:
    """Also where both are binds of one link."""

    async def main(desk: Desk) -> None:
        await desk.stored(bind=1)
        assert len(await desk.stored(bind=2)) == 1
        assert desk.answers == [ESME_ROK] * 2  # else it would come for ever
        assert await desk.conn.fetchval("SELECT count(*) FROM hook_queue") == 1

    ran(database, main)


def test_a_repeat_that_comes_with_the_first(database: str) -> None:
    """Both wait for the database, and are stored in one go."""

    async def main(desk: Desk) -> None:
        for bind in (1, 2, 3):
            desk.comes(bind=bind)
        desk.comes(b"NO", bind=2)
        await desk.inbox.drained()
        assert [row[2] for row in await desk.all()] == ["YES", "NO"]
        assert desk.answers == [ESME_ROK] * 4

    ran(database, main)


@pytest.mark.parametrize(
    "again",
    [
        {"bind": 1}, {"text": b"NO"}, {"source": "+46702222222"}, {"to": "54321"}, {"coding": 1},
        {"esm_class": 0x80},
    ],
    ids=["the same bind", "another text", "another sender", "another destination", "another coding", "another class"],
)  # fmt: skip
def test_what_is_no_repeat(database: str, again: dict[str, Any]) -> None:
    """A person may well say YES twice."""

    async def main(desk: Desk) -> None:
        await desk.stored(bind=1)
        assert len(await desk.stored(**{"bind": 2, **again})) == 2

    ran(database, main)


@pytest.mark.parametrize(("after_s", "count"), [(9, 1), (11, 2), (3 * 3600, 2)])
def test_a_repeat_on_another_bind_comes_within_ten_seconds(database: str, after_s: int, count: int) -> None:
    async def main(desk: Desk) -> None:
        await desk.stored(bind=1)
        await desk.shift(after_s)
        assert len(await desk.stored(bind=2)) == count

    ran(database, main)


@pytest.mark.parametrize(
    ("lost_after_s", "again_after_s", "count"),
    [(0, 11, 1), (29, 3600, 1), (31, 11, 2), (0, 23 * 3600, 1), (0, 25 * 3600, 2)],
)
def test_a_message_whose_link_was_lost_comes_again(
    database: str, lost_after_s: int, again_after_s: int, count: int
) -> None:
    """The answer was not written, or the carrier may not have read it: within 24 h it is the same message."""

    async def main(desk: Desk) -> None:
        await desk.stored(bind=1)
        await desk.shift(lost_after_s)
        desk.bind(1).ends()
        await desk.shift(again_after_s)
        assert len(await desk.stored(bind=2)) == count
        assert desk.answers == [ESME_ROK] * 2

    ran(database, main)


def test_an_answer_that_the_carrier_did_not_read_for_long(database: str) -> None:
    """It was given to a transport that the carrier had stopped reading from, long before the link was lost."""

    async def main(desk: Desk) -> None:
        desk.bind(1).unread_since = asyncio.get_running_loop().time()
        await desk.stored(bind=1)
        await desk.shift(3600)
        desk.bind(1).ends()
        await desk.shift(60)
        assert len(await desk.stored(bind=2)) == 1

    ran(database, main)


def test_a_link_that_was_unbound_leaves_no_doubt(database: str) -> None:
    """It answered our unbind, so it had read all answers before."""

    async def main(desk: Desk) -> None:
        await desk.stored(bind=1)
        await desk.shift(12)
        desk.bind(1).ends(End.UNBOUND)
        assert len(await desk.stored(bind=2)) == 2

    ran(database, main)


def test_once_repeated_the_bind_of_the_repeat_counts(database: str) -> None:
    """The carrier got its answer the second time; three hours later it is the person who says YES again."""

    async def main(desk: Desk) -> None:
        await desk.stored(bind=1)
        desk.bind(1).ends()
        await desk.shift(60)
        assert len(await desk.stored(bind=2)) == 1
        await desk.shift(3 * 3600)
        assert len(await desk.stored(bind=2)) == 2

    ran(database, main)


def test_a_link_lost_while_nothing_comes_is_told_at_once(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process may get the repeat."""
    monkeypatch.setattr(binds, "_EVERY_S", 3600.0)

    async def main(desk: Desk) -> None:
        await desk.stored(bind=1)
        telling = asyncio.create_task(desk.inbox.binds.run())
        desk.bind(1).ends()
        desk.inbox.binds.end()
        while await desk.conn.fetchval("SELECT unsure_from FROM mo_bind") is None:
            await desk.conn.execute("SELECT pg_sleep(0.01)")
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)

    ran(database, main)


@pytest.mark.parametrize(("alive_s", "count"), [(29, 1), (31, 2)])
def test_a_killed_process_answered_what_it_did_long_before(database: str, alive_s: int, count: int) -> None:
    """Nobody says when its links were lost; but it said when they were up last."""

    async def main(desk: Desk) -> None:
        await desk.stored(bind=1)
        await desk.shift(alive_s)
        bind_ids = [row[0] for row in await desk.conn.fetch("SELECT bind_id FROM mo_bind")]
        await inbound.keep_binds(desk.conn, bind_ids)
        await desk.shift(3600)
        await desk.conn.execute("DELETE FROM dispatcher")
        epoch = await desk.conn.fetchval(
            "INSERT INTO dispatcher (node, pid, lease_until) VALUES ('n', 2, now() + interval '1 h') RETURNING epoch"
        )
        old, desk.inbox = desk.inbox, desk.new_inbox(epoch)
        writing = asyncio.create_task(desk.inbox.messages.run())
        try:
            assert len(await desk.stored(bind=2)) == count
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            await desk.inbox.close()
            desk.inbox = old

    ran(database, main)


def test_a_living_process_is_sure_of_its_answers(database: str) -> None:
    async def main(desk: Desk) -> None:
        await desk.stored(bind=1)
        await desk.shift(11)
        assert len(await desk.stored(bind=2)) == 2

    ran(database, main)


def test_stored_although_the_connection_was_lost(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit's answer did not come, so the carrier was told to send again, and does so over the same bind."""
    real = inbound.accept
    lost: list[bool] = []

    async def accept(conn: asyncpg.Connection, *args: Any) -> Any:
        stored = await real(conn, *args)
        if lost and lost.pop():
            raise ConnectionResetError
        return stored

    monkeypatch.setattr(inbound, "accept", accept)

    async def main(desk: Desk) -> None:
        await desk.stored(text=b"before")
        lost.append(True)
        assert len(await desk.stored()) == 2
        await desk.inbox.binds.close()  # says what there is to say
        await desk.shift(60)
        assert len(await desk.stored()) == 2
        assert desk.answers == [ESME_ROK, ESME_RX_T_APPN, ESME_ROK]
        await desk.shift(60)
        assert len(await desk.stored()) == 3  # the person, over a healthy link

    ran(database, main)


def test_binds_are_forgotten_once_nothing_is_compared_with_them(database: str) -> None:
    async def main(desk: Desk) -> None:
        await desk.stored(bind=1)
        await desk.stored(text=b"NO", bind=2)
        desk.bind(1).ends()
        await desk.stored(text=b"MAYBE", bind=2)
        await desk.shift(26 * 3600)
        await inbound.forget(desk.conn)
        assert await desk.conn.fetchval("SELECT array_agg(bind_id) FROM mo_bind") == [2]

    ran(database, main)


def test_another_carriers_message_is_no_repeat(database: str) -> None:
    async def main(desk: Desk) -> None:
        await desk.stored(bind=1)
        await desk.conn.execute("UPDATE mo SET carrier_id = 2")
        assert len(await desk.stored(bind=2)) == 2

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
        assert desk.answers == [ESME_RX_T_APPN] * 2
        assert len(await desk.stored()) == 1
        assert desk.answers == [ESME_RX_T_APPN] * 2 + [ESME_ROK]

    ran(database, main)
