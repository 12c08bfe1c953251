"""Every command_status that a carrier may answer (T18): what is done with the message, to its end, and the raw value.

Claims, outcomes, retries and upkeep are the real thing on a real database whose clock is moved; only the links are
played. Each message is answered with its own status whenever it comes.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from trunkline.carriers.dialect import PLAIN
from trunkline.dlr import match
from trunkline.domain.ids import MsgIds
from trunkline.domain.message import Submission
from trunkline.domain.provisioning import Carrier
from trunkline.mt.dispatch import Dispatch
from trunkline.mt.outcome import Outcomes
from trunkline.mt.submit import Ticket
from trunkline.runtime.clock import wall_ms
from trunkline.store import queue
from trunkline.store.queue import FIRST, Lane
from trunkline.upkeep import overdue

CORPUS = json.loads((Path(__file__).parents[1] / "corpus" / "submit_status.json").read_text())["rows"]
IN_CORPUS = {int(row["command_status"], 16): row for row in CORPUS}
STATUSES = [*range(0x100), *range(0x100, 0x400), *range(0x400, 0x500), 0x7777]
HELD = ("final_or_pause", "without_tlvs_once")
# How often the carrier is asked; the rest waits to the end of its validity.
ASKED = {
    "final": 1, "final_or_pause": 1, "other_bind_once": 2, "without_tlvs_once": 2, "retry_1": 2, "retry_3": 4,
}  # fmt: skip
WAITS_S = {"retry_3": [30, 120, 600], "retry_1": [60], "other_bind_once": [0], "without_tlvs_once": [0]}
ROUNDS = 6
VALIDITY_S = 72 * 3600


class Case(NamedTuple):
    status: int
    nacked: bool

    @property
    def expected(self) -> tuple[str, str]:
        """Action and final code, as the error catalogue has them."""
        if self.nacked:
            return "other_bind_once", "463"
        row = IN_CORPUS.get(self.status, {"action": "final", "final_code": "310"})
        return row["action"], row["final_code"]


CASES = [*(Case(status, False) for status in STATUSES), Case(0, True), Case(3, True), Case(0x58, True)]


class PlayedPool:
    def __init__(self) -> None:
        self.carrier = Carrier(1, "carrier", True, {}, ())


class PlayedLink:
    link_id = 1

    def __init__(self) -> None:
        self.recycled = 0

    def recycle(self) -> None:
        self.recycled += 1


class Run:
    def __init__(self, conn: asyncpg.Connection, dsn: str) -> None:
        self.conn = conn
        self.ids = MsgIds()
        self.link = PlayedLink()
        self.outcomes = Outcomes(dsn, 1, PLAIN, match.look, lambda: None)
        self.dispatch = Dispatch(
            dsn, 1, PlayedPool(), PLAIN, self.outcomes, provisioning=lambda: None, live=lambda carrier: True,
            may_write=lambda: True,
        )  # fmt: skip
        self.case_of: dict[UUID, Case] = {}
        self.asked: Counter[UUID] = Counter()
        self.claim_no = 0

    async def accept(self, count: int) -> list[UUID]:
        batch = [
            Submission(
                1, self.ids.new(wall_ms()), 1, "12345", f"+1555{n:07d}", "text", None, None, None, 0, 1, 1, 0,
                VALIDITY_S, None,
            )
            for n in range(count)
        ]  # fmt: skip
        await queue.accept(self.conn, batch, wake=False)
        return [one.msg_id for one in batch]

    async def claim(self) -> list[Ticket]:
        self.claim_no += 1
        lanes = [(Lane(0, 1), FIRST, 5000)]
        claimed = await queue.claim(self.conn, 1, 1, lanes, free_parts=5000, alone_parts=63, claim_no=self.claim_no)
        return [Ticket(one, "+1555", 1, 1) for one in claimed]

    def answer(self, ticket: Ticket, case: Case) -> None:
        self.dispatch.submit_answered(
            self.link, ticket, case.status, f"id{ticket.claimed.msg_id}", late=False, nacked=case.nacked
        )

    async def round(self) -> None:
        """Everything that is due is claimed and answered; what may be our fault with an accepted one behind it."""
        while await queue.move_due(self.conn):
            pass
        spare = await self.accept(sum(case.expected[0] in HELD for case in CASES))
        tickets = {ticket.claimed.msg_id: ticket for ticket in await self.claim()}
        for msg_id, case in self.case_of.items():
            if msg_id in tickets:
                self.asked[msg_id] += 1
                self.answer(tickets[msg_id], case)
                if case.expected[0] in HELD:
                    self.answer(tickets[spare.pop()], Case(0, False))
        for msg_id in spare:
            self.answer(tickets[msg_id], Case(0, False))
        await self.outcomes.drained()

    async def passes(self, seconds: float) -> None:
        await self.conn.execute("UPDATE clock SET shift = shift + $1 * interval '1 second'", float(seconds))


async def scenario(dsn: str) -> tuple[dict[Case, dict[str, Any]], Run]:
    conn = await asyncpg.connect(dsn)
    run = Run(conn, dsn)
    await conn.execute("""
        INSERT INTO account (public_id, name) VALUES (repeat('1', 24), 'a');
        INSERT INTO plan (public_id, account_id, name) VALUES (repeat('2', 24), 1, 'p');
        INSERT INTO carrier (name) VALUES ('carrier');
        INSERT INTO dispatcher (node, pid, lease_until) VALUES ('n', 1, now() + interval '1 hour');
        INSERT INTO carrier_lease (carrier_id, epoch, up_at) VALUES (1, 1, now() + interval '1 day');
    """)
    writers = [asyncio.create_task(one.run()) for one in (run.outcomes.accepts, run.outcomes.endings)]
    run.case_of = dict(zip(await run.accept(len(CASES)), CASES, strict=True))
    for _ in range(ROUNDS):
        await run.round()
        await run.passes(610)
    while await queue.move_due(conn):
        pass
    await run.passes(VALIDITY_S)
    while await overdue.queued(conn):
        pass
    for task in writers:
        assert not task.done(), task.exception()
        task.cancel()
    await asyncio.gather(*writers, return_exceptions=True)
    await run.outcomes.close()
    rows = await conn.fetch("""
        SELECT m.msg_id, m.status, m.error_code, EXISTS (SELECT FROM ref r WHERE r.msg_id = m.msg_id) AS taken,
               (SELECT array_agg(a.command_status ORDER BY a.ended_at) FROM attempt a WHERE a.msg_id = m.msg_id) AS raw,
               (SELECT array_agg(round(extract(epoch FROM a.next_at - a.ended_at)) ORDER BY a.ended_at)
                FROM attempt a WHERE a.msg_id = m.msg_id) AS waits
        FROM msg m
    """)
    left = await conn.fetchval(
        "SELECT (SELECT count(*) FROM mt_queue) + (SELECT count(*) FROM mt_later) + (SELECT count(*) FROM inflight)"
    )
    await conn.close()
    assert left == 0
    return {run.case_of[row["msg_id"]]: dict(row) for row in rows if row["msg_id"] in run.case_of}, run


def test_every_status(database: str) -> None:
    found, run = asyncio.run(asyncio.wait_for(scenario(database), 60))
    assert len(found) == len(CASES)
    wrong = []
    for case, row in found.items():
        action, code = case.expected
        asked = run.asked[row["msg_id"]]
        if action == "sent":
            fine = row["taken"] and row["status"] is None and asked == 1
        else:
            fine = (row["status"], f"{row['error_code']:03d}") == (3, code) and not row["taken"]
            fine = fine and row["raw"] == [case.status] * asked
            fine = fine and asked == ASKED.get(action, ROUNDS)
            waits = [None if one is None else int(one) for one in row["waits"]]
            if action in ASKED:
                fine = fine and waits == [*WAITS_S.get(action, []), None]
        if not fine:
            wrong.append((f"0x{case.status:X}", case.nacked, action, code, asked, row))
    assert wrong == []
    assert run.link.recycled == ROUNDS * sum(case.expected[0] == "link_state" for case in CASES)
    assert run.dispatch.throttle.slowed
    assert run.dispatch.objections.paused_until is None
