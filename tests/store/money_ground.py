"""An account that pays, over a real database: messages accepted by real accepters, and where each of them ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from trunkline.domain.ids import MsgIds
from trunkline.domain.message import Accepted, RequestKey, Submission
from trunkline.domain.provisioning import AccountId, CarrierId, PlanId
from trunkline.domain.terms import Purse, Terms
from trunkline.mt.accept import Accepter
from trunkline.runtime.clock import wall_ms
from trunkline.store import db
from trunkline.store.db import Connection

IDS = MsgIds()
ACCOUNT, PLAN, OTHER_PLAN, CARRIER = AccountId(1), PlanId(1), PlanId(2), CarrierId(1)
PURSE = Purse(0, 1)
PRICE, FEE = 70, 30
COST = PRICE + FEE  # of a part

SET_UP = """
INSERT INTO account (public_id, name, dlr_url) VALUES (repeat('1', 24), 'a', 'https://a.example/dlr');
INSERT INTO plan (public_id, account_id, name) VALUES (repeat('2', 24), 1, 'p'), (repeat('3', 24), 1, 'q');
INSERT INTO carrier (name) VALUES ('c');
INSERT INTO balance (kind, subject_id, currency) VALUES (0, 1, 'EUR');
"""


def submission(
    terms: Terms | None, *, parts: int = 1, plan: PlanId = PLAN, to: str = "+46700000001", key: str | None = None
) -> Submission:
    return Submission(
        plan, IDS.new(wall_ms()), ACCOUNT, "12345", to, "hello", None, None, "SE", 0, parts, CARRIER, 0, 3600, None,
        None, None if key is None else RequestKey(key, b"same"), terms,
    )  # fmt: skip


def paying(parts: int = 1, *, key: str | None = None) -> Submission:
    """A message that is paid from the account's balance."""
    return submission(Terms(PRICE, FEE, "EUR", PURSE), parts=parts, key=key)


class Ground:
    """The database of a test, and some API processes' accepters on it."""

    def __init__(self, conn: Connection, accepters: Sequence[Accepter]) -> None:
        self.conn = conn
        self.accepters = accepters

    async def fill(self, micro: int) -> None:
        """Puts money into the account's balance."""
        await self.conn.execute("UPDATE balance SET left_micro = left_micro + $1, empty_since = NULL", micro)
        await self.conn.execute(
            "INSERT INTO balance_entry (kind, subject_id, micro, at, actor, note) VALUES (0, 1, $1, now(), 'test', '')",
            micro,
        )

    async def accept(self, batch: Sequence[Submission]) -> list[Accepted]:
        """Hands the messages to the accepters in turn, all at once."""
        return await asyncio.gather(
            *(self.accepters[n % len(self.accepters)].accept(one) for n, one in enumerate(batch))
        )

    async def codes(self, batch: Sequence[Submission]) -> list[int | None]:
        """Of each message the code that it ended with; None while it is open."""
        rows = await self.conn.fetch(
            "SELECT msg_id, status, error_code FROM msg WHERE msg_id = ANY($1)", [one.msg_id for one in batch]
        )
        found: dict[UUID, int | None] = {row[0]: row[2] if row[1] is not None else None for row in rows}
        return [found[one.msg_id] for one in batch]

    async def left(self) -> int:
        return int(await self.conn.fetchval("SELECT left_micro FROM balance WHERE (kind, subject_id) = (0, 1)"))

    async def books_agree(self) -> None:
        """I11: what was added is left, was charged, or is held."""
        row = await self.conn.fetchrow(
            "SELECT (SELECT sum(micro) FROM balance_entry) AS added, (SELECT sum(left_micro) FROM balance) AS rest,"
            " (SELECT coalesce(sum(price_micro + ptf_micro), 0) FROM charge) AS charged,"
            " (SELECT coalesce(sum(held_micro - (SELECT coalesce(sum(price_micro + ptf_micro), 0) FROM charge c"
            "  WHERE c.msg_id = r.msg_id)), 0) FROM reserve r) AS held"
        )
        assert row["added"] == row["rest"] + row["charged"] + row["held"], dict(row)
        assert row["rest"] >= 0


@asynccontextmanager
async def ground(dsn: str, *, processes: int = 1) -> AsyncIterator[Ground]:
    conn = await db.connect(dsn, name="test")
    if not await conn.fetchval("SELECT count(*) FROM account"):
        await conn.execute(SET_UP)
    accepters = [Accepter(dsn) for _ in range(processes)]
    working = [asyncio.create_task(accepter.run()) for accepter in accepters]
    try:
        yield Ground(conn, accepters)
        for accepter in accepters:
            await accepter.drained()
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        for accepter in accepters:
            await accepter.close()
        await conn.close()
