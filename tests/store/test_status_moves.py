"""The life of a message, row by row of the corpus: what happens to it, in order, and what becomes of it.

Everything between the carrier's wire and the tables is the real thing (claim, outcomes, receipts, settling, upkeep) on
a real database whose clock is moved; only the links are played.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from trunkline.carriers import receipt as receipts
from trunkline.carriers.dialect import PLAIN
from trunkline.dlr import match
from trunkline.dlr.receive import Incoming, Receiver
from trunkline.domain.ids import MsgIds
from trunkline.domain.message import Submission
from trunkline.domain.provisioning import Carrier
from trunkline.mt.dispatch import Dispatch
from trunkline.mt.outcome import LINK_LOST, NO_RESPONSE, Outcomes
from trunkline.mt.submit import Ticket
from trunkline.runtime.clock import wall_ms
from trunkline.settle import apply as settle
from trunkline.smpp.pdu import DeliverSm
from trunkline.store import leases, queue
from trunkline.store.queue import FIRST, Lane
from trunkline.upkeep import overdue, rescue

CORPUS = json.loads((Path(__file__).parent.parent / "corpus" / "status_moves.json").read_text())
ROWS = {row["id"]: row for row in CORPUS["rows"]}
NAMES = {0: "QUEUED", 1: "SENT", 2: "DELIVERED", 3: "FAILED", 4: "UNKNOWN"}
# Of the API, not of the carrier's side: tested where the operation is.
ELSEWHERE = {"cancelled"}
PLAN = CARRIER = 1
HOUR_S = 3600.0


class Answered:
    """The links' place: keeps what receipts were answered."""

    def __init__(self) -> None:
        self.statuses: list[int] = []

    def answer(self, pdu: object, status: int) -> None:
        self.statuses.append(status)


class PlayedPool:
    """A carrier whose links are not there: answers are given by the test."""

    def __init__(self) -> None:
        self.carrier = Carrier(CARRIER, "carrier", True, {}, ())
        self.up = True
        self.outstanding = 0


class PlayedLink:
    link_id = 1

    def recycle(self) -> None:
        """A carrier that says we are not bound."""


class Life:
    """One message, with the others that a row needs beside it."""

    def __init__(self, conn: asyncpg.Connection, dsn: str, parts: int) -> None:
        self.conn = conn
        self.parts = parts
        self.ids = MsgIds()
        self.outcomes = Outcomes(dsn, CARRIER, PLAIN, match.look, lambda: None)
        self.dispatch = Dispatch(
            dsn, 1, PlayedPool(), PLAIN, self.outcomes, provisioning=lambda: None, live=lambda carrier: True,
            may_write=lambda: True,
        )  # fmt: skip
        self.receiver = Receiver(dsn, CARRIER)
        self.session = Answered()
        self.tickets: dict[tuple[Any, int], Ticket] = {}
        self.event_count = 0
        self.claim_no = 0
        self.history = ["QUEUED"]
        self.terminal_count = 0
        self.number = 0

    async def begin(self) -> None:
        await self.conn.execute("""
            INSERT INTO account (public_id, name) VALUES (repeat('1', 24), 'a');
            INSERT INTO plan (public_id, account_id, name) VALUES (repeat('2', 24), 1, 'p');
            INSERT INTO carrier (name) VALUES ('carrier');
            INSERT INTO dispatcher (node, pid, lease_until) VALUES ('n', 1, now() + interval '1 hour');
            INSERT INTO carrier_lease (carrier_id, epoch) VALUES (1, 1);
        """)
        self.msg_id = await self.accept(self.parts)

    async def accept(self, parts: int = 1) -> Any:
        self.number += 1
        msg_id = self.ids.new(wall_ms())
        submission = Submission(
            PLAN, msg_id, 1, "12345", f"+1555000{self.number:04d}", "text", "https://example.com/dlr", None, None, 0,
            parts, CARRIER, 0, 72 * 3600, None,
        )  # fmt: skip
        await queue.accept(self.conn, [submission], wake=False)
        return msg_id

    # Time.

    async def passes(self, seconds: float) -> None:
        await self.conn.execute("UPDATE clock SET shift = shift + $1 * interval '1 second'", float(seconds))

    async def to_day(self, day: int) -> None:
        await self.conn.execute("UPDATE clock SET shift = $1 * interval '1 day'", float(day))

    async def rounds(self) -> None:
        """What upkeep does now and then."""
        await queue.move_due(self.conn)
        await rescue.look_again(self.conn, match.look)
        await rescue.ended_doubts(self.conn)
        await overdue.queued(self.conn)
        await overdue.WithoutReceipt().run(self.conn)

    # The carrier's side.

    async def claim(self, msg_id: Any) -> None:
        """Has the message claimed, whatever time has to pass until it is due."""
        later = await self.conn.fetchval("SELECT due_at - trunkline_now() FROM mt_later WHERE msg_id = $1", msg_id)
        if later is not None:
            await self.passes(max(later.total_seconds(), 0) + 0.01)
            await queue.move_due(self.conn)
        self.claim_no += 1
        lanes = [(Lane(0, PLAN), FIRST, 100)]
        for claimed in await queue.claim(
            self.conn, CARRIER, 1, lanes, free_parts=100, alone_parts=63, claim_no=self.claim_no
        ):
            parts, recipient = await self.conn.fetchrow(
                "SELECT parts, recipient FROM msg WHERE msg_id = $1", claimed.msg_id
            )
            for part_no in range(1, 64):
                if claimed.missing >> (part_no - 1) & 1:
                    self.tickets[claimed.msg_id, part_no] = Ticket(claimed, recipient, part_no, parts)

    async def ticket(self, msg_id: Any, part_no: int) -> Ticket:
        if (msg_id, part_no) not in self.tickets:
            await self.claim(msg_id)
        return self.tickets.pop((msg_id, part_no))

    async def answered(self, status: int, part_no: int = 1, msg_id: Any = None) -> None:
        mine = msg_id or self.msg_id
        ticket = await self.ticket(mine, part_no)
        smsc_id = f"10{part_no}" if mine == self.msg_id else f"9{self.number}"
        self.dispatch.submit_answered(PlayedLink(), ticket, status, smsc_id, late=False, nacked=False)
        await self.outcomes.drained()

    async def another_answered(self, status: int) -> None:
        await self.answered(status, 1, await self.accept())

    async def receipt(self, stat: str, part_no: int = 1, smsc_id: str | None = None) -> None:
        recipient = await self.conn.fetchval("SELECT recipient FROM msg WHERE msg_id = $1", self.msg_id)
        text = f"id:{smsc_id or f'10{part_no}'} submit date:2601010000 done date:2601010000 stat:{stat} err:000"
        pdu = DeliverSm(source_addr=recipient, destination_addr="12345", esm_class=4, short_message=text.encode())
        parsed = receipts.parse(pdu.esm_class, pdu.short_message, (), PLAIN)
        self.receiver.receipts.add(Incoming(self.session, pdu, 1, recipient, "12345", parsed))
        await self.receiver.drained()
        assert self.session.statuses.pop() == 0

    # One event.

    async def event(self, text: str) -> None:
        if text.startswith("submit"):
            await self._submit(text)
        elif found := re.fullmatch(r"(?:day (\d+): )?receipt (\w+)(?: (\d))?", text):
            if found[1]:
                await self.to_day(int(found[1]))
            await self.receipt(found[2], int(found[3] or 1))
        elif text == "receipt DELIVRD with user_message_reference":
            # Without the reference it is the recipient that tells: nothing else is in doubt for it.
            await self.receipt("DELIVRD", smsc_id="777")
            await self.passes(3)
        elif text in ("link lost", "no answer"):
            self.outcomes.in_doubt(self.written, LINK_LOST if text == "link lost" else NO_RESPONSE)
            await self.outcomes.drained()
            if text == "no answer":
                await self.passes(601)
        elif found := re.fullmatch(r"(\d+) (h|min) pass", text):
            await self.passes(float(found[1]) * (HOUR_S if found[2] == "h" else 60) + 60)
        elif text == "validity passes":
            await self.passes(72 * HOUR_S + 1)
        elif text.startswith("carrier up"):
            await leases.seen_up(self.conn, 1, [CARRIER])
        else:
            assert text.startswith("carrier down"), text
        await self.rounds()
        await self.look()

    async def _submit(self, text: str) -> None:
        if text == "submit written":
            self.written = await self.ticket(self.msg_id, 1)
            return
        found = re.fullmatch(r"submit (ok|0x[0-9A-F]+)(?: (\d))?(.*)", text)
        assert found, text
        status, part_no = 0 if found[1] == "ok" else int(found[1], 16), int(found[2] or 1)
        if "others accepted before" in found[3]:
            await self.another_answered(0)
        if "the fifth in a row" in found[3]:
            for _ in range(4):
                await self.another_answered(status)
        await self.answered(status, part_no)
        if "and after" in found[3]:
            await self.another_answered(0)
        if "until validity" in found[3]:
            await self.answered(status, part_no)
            await self.passes(72 * HOUR_S)

    async def look(self) -> None:
        """Takes down the status if it changed, and delivers what there is to tell."""
        row = await self.row()
        if (name := NAMES[row["now"]]) != self.history[-1]:
            self.history.append(name)
        told = await self.conn.fetch("DELETE FROM hook_queue WHERE msg_id = $1 RETURNING n", self.msg_id)
        self.terminal_count += sum(hook["n"] >= 2 for hook in told)

    async def row(self) -> asyncpg.Record:
        return await self.conn.fetchrow(
            """
            SELECT m.*, coalesce(m.status, (EXISTS (SELECT FROM ref r WHERE r.msg_id = m.msg_id))::int) AS now
            FROM msg m WHERE m.msg_id = $1
            """,
            self.msg_id,
        )


def live(dsn: str, parts: int, main: Callable[[Life], Coroutine[Any, Any, None]]) -> None:
    """Runs `main` with a message that has just been accepted."""

    async def whole() -> None:
        conn = await asyncpg.connect(dsn)
        life = Life(conn, dsn, parts)
        await life.begin()
        writers = (life.outcomes.accepts, life.outcomes.endings, life.outcomes.doubts, life.receiver.receipts)
        tasks = [asyncio.create_task(writer.run()) for writer in writers]
        try:
            await main(life)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await life.outcomes.close()
            await life.receiver.close()
            await conn.close()

    asyncio.run(asyncio.wait_for(whole(), 60))


@pytest.mark.parametrize("row_id", [row_id for row_id in ROWS if row_id not in ELSEWHERE])
def test_row(row_id: str, database: str) -> None:
    row = ROWS[row_id]
    conflicts_before = settle._CONFLICTS.of().value

    async def main(life: Life) -> None:
        for event in row["events"]:
            await life.event(event)
        _check(row, await life.row(), life)

    live(database, row["parts"], main)
    if "conflicts" in row:
        assert settle._CONFLICTS.of().value - conflicts_before == row["conflicts"], row["why"]


@pytest.mark.parametrize("word", ["refused", "not_sent", "in_doubt"])
def test_a_late_word_of_an_earlier_claim_decides_nothing(word: str, database: str) -> None:
    """A part in doubt was sent once more by somebody else; then the first one, long out of its lease, reports."""

    async def main(life: Life) -> None:
        await life.conn.execute("UPDATE plan SET at_least_once = true")
        first = await life.ticket(life.msg_id, 1)
        life.outcomes.in_doubt(first, LINK_LOST)
        await life.outcomes.drained()
        await life.passes(601)
        await life.rounds()
        assert (await life.row())["resubmitted"]
        await life.claim(life.msg_id)
        if word == "refused":
            life.outcomes.refused(first, 1, 0x58)
        elif word == "not_sent":
            life.outcomes.not_sent(first)
        else:
            life.outcomes.in_doubt(first, NO_RESPONSE)
        await life.outcomes.drained()
        await life.passes(5)
        await life.rounds()
        assert await life.conn.fetchval("SELECT count(*) FROM inflight") == 1
        assert await life.conn.fetchval("SELECT count(*) FROM mt_queue") == 0
        assert await life.conn.fetchval("SELECT count(*) FROM doubt") == 0

    live(database, 1, main)


def test_a_refusal_that_is_held_ends_with_the_validity(database: str) -> None:
    """Refused for what may be our configuration, and nothing else is ever sent that could tell."""

    async def main(life: Life) -> None:
        await life.answered(0x06)
        assert await life.conn.fetchval("SELECT count(*) FROM inflight") == 1
        await life.passes(72 * HOUR_S + 1)
        life.dispatch.objections.expire(await queue.database_now(life.conn))
        await life.outcomes.drained()
        row = await life.row()
        assert (row["status"], row["error_code"]) == (3, 455)

    live(database, 1, main)


def _check(row: dict[str, Any], found: asyncpg.Record, life: Life) -> None:
    assert (NAMES[found["now"]], f"{found['error_code']:03d}") == (row["status"], row["errorCode"]), row["why"]
    assert life.terminal_count == row["terminal_webhooks"], row["why"]
    assert found["late"] or not row.get("late"), row["why"]
    if "history" in row:
        assert life.history == row["history"], row["why"]
