"""A carrier's ground with plans that share a short code, whose recipients stop, start and sleep."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from inbound_ground import DESTINATION, PLAN, SOURCE, Ground, on_ground

from trunkline.domain.consent import Consent
from trunkline.domain.ids import MsgIds
from trunkline.domain.message import Submission
from trunkline.domain.provisioning import Keyword, Plan
from trunkline.smpp.pdu import DeliverSm
from trunkline.store import queue

RECIPIENT = "+" + SOURCE
SECOND = "Second"  # another sender of the first plan's
_PLANS = """
INSERT INTO plan (public_id, account_id, name, consent)
SELECT lpad(n::text, 24, '4'), 1, 'p' || n, '{}' FROM generate_series(2, 3) AS n;
"""


class ConsentGround:
    """Plans 1 and 2 send from the short code; 3 does not."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.conn = ground.conn
        self.ids = MsgIds()

    async def begin(self, *, keywords: dict[Any, Keyword] | None = None, **consents: Consent) -> None:
        """`p1`, `p2`, `p3`: what the plans choose."""
        await self.conn.execute(_PLANS)
        plans: dict[int, Plan] = {
            n: replace(PLAN, plan_id=n, public_id=str(n) * 24, consent=consents.get(f"p{n}", Consent()))
            for n in (1, 2, 3)
        }
        self.ground.picture = replace(
            self.ground.picture, plans=plans, plans_of_address={DESTINATION: (1, 2)}, keywords=keywords or {}
        )
        for n, plan in plans.items():
            if plan.consent.opt_out == "off":
                await self.conn.execute("""UPDATE plan SET consent = '{"opt_out": "off"}' WHERE plan_id = $1""", n)

    async def says(self, text: str, *, source: str = SOURCE, bind: int = 0) -> None:
        """A handset says it to the short code; returns once it is answered OK."""
        await self.ground.comes(
            bind,
            DeliverSm(
                source_addr=source, source_addr_ton=1, destination_addr=DESTINATION, data_coding=8,
                short_message=text.encode("utf-16-be"),
            ),
        )  # fmt: skip

    async def opted_out(self) -> list[tuple[int, str, str]]:
        rows = await self.conn.fetch("SELECT plan_id, recipient, sender FROM opt_out ORDER BY 1, 2, 3")
        return [tuple(row) for row in rows]

    async def replies(self) -> list[tuple[int, str, str, str, str]]:
        """Plan, sender, recipient, text and what it answers, in order."""
        rows = await self.conn.fetch(
            "SELECT m.plan_id, m.sender, m.recipient, m.body, r.does FROM keyword_reply r"
            " JOIN msg m ON m.plan_id = r.plan_id AND m.msg_id = r.msg_id ORDER BY r.msg_id"
        )
        return [tuple(row) for row in rows]

    async def sends(
        self, *, plan: int = 1, sender: str = DESTINATION, recipient: str = RECIPIENT, body: str = "hi",
        validity_s: int = 259_200, parts: int = 1,
    ) -> Any:  # fmt: skip
        """A customer's message, accepted."""
        msg_id = self.ids.new(self.ground.now_ms())
        submission = Submission(
            plan, msg_id, 1, sender, recipient, body, None, None, "US", 0, parts, 1, 0, validity_s, None
        )
        await queue.accept(self.conn, [submission], wake=True)
        return msg_id

    async def ended(self, msg_id: Any) -> tuple[int | None, int]:
        """Status and error code, once it is final or accepted by the carrier."""
        while True:
            row = await self.conn.fetchrow(
                "SELECT status, error_code, EXISTS (SELECT FROM ref WHERE ref.msg_id = msg.msg_id) AS is_sent"
                " FROM msg WHERE msg_id = $1",
                msg_id,
            )
            if row["status"] is not None or row["is_sent"]:
                return row["status"], row["error_code"]
            self.wake()
            await self.conn.execute("SELECT pg_sleep(0.01)")

    def wake(self) -> None:
        """There is no listener: what comes into the queue is told to the dispatchers here."""
        for work in self.ground.works.values():
            work.dispatch.wake(again=True)

    async def night(self, hour: int, minute: int, zone: str) -> dt.datetime:
        """Time goes on until clocks of the zone show this, as dispatchers know at once; that moment."""
        now = await queue.database_now(self.conn)
        there = now.astimezone(ZoneInfo(zone)).replace(hour=hour, minute=minute, second=0, microsecond=0)
        if there <= now:
            there = dt.datetime.combine(there.date() + dt.timedelta(days=1), there.time(), ZoneInfo(zone))
        await self.ground.shift((there - now).total_seconds())
        for work in self.ground.works.values():
            vars(work.dispatch).pop("_clock", None)  # as before it was ever read
        return there.astimezone(dt.UTC)

    async def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self.conn.fetch(query, *values)]

    async def until(self, query: str, *values: Any) -> None:
        """Returns once the query's value is true."""
        while not await self.conn.fetchval(query, *values):
            self.wake()
            await self.conn.execute("SELECT pg_sleep(0.01)")


def on_consent_ground(database: str, test: Callable[[ConsentGround], Awaitable[None]]) -> None:
    async def main(ground: Ground) -> None:
        await test(ConsentGround(ground))

    on_ground(database, main)
