"""Messages past their time: queued beyond their validity, submitted and never receipted."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from trunkline.domain.parts import NOT_UNDERSTOOD, Outcome, overdue
from trunkline.domain.status import Status
from trunkline.runtime import log
from trunkline.settle import apply as settle
from trunkline.settle.expire import expire
from trunkline.store import overdue as store
from trunkline.store import queue, settling
from trunkline.store.db import Connection
from trunkline.store.settling import Move

_log = log.get_logger()

# A carrier's own EXPIRED comes first: the wait for a receipt ends so long after the validity.
RECEIPT_GRACE_S = 12 * 3600
_OLDEST_DAYS = 40


async def queued(conn: Connection) -> int:
    """Messages whose validity ended in the queue become FAILED. Returns how many left it."""
    async with conn.transaction():
        if not await store.try_task(conn, "queued"):
            return 0
        count, expired = await store.take_expired(conn)
        several = await expire(conn, expired)
    if several:
        await settle.settle_parts(conn, several)
    if count:
        _log.info("message.expired", count=count)
    return count


class WithoutReceipt:
    """Finds submitted messages that no receipt came for. Days without an open message are not looked at again."""

    def __init__(self, grace_s: int = RECEIPT_GRACE_S) -> None:
        self._grace_s = grace_s
        self._closed: set[dt.date] = set()

    async def run(self, conn: Connection) -> int:
        """One pass over the days that may hold such messages. Returns how many became UNKNOWN."""
        now = await queue.database_now(conn)
        count = 0
        for age in range(_OLDEST_DAYS + 1):
            day = (now - dt.timedelta(days=age)).astimezone(dt.UTC).date()
            if day not in self._closed:
                count += await self._day(conn, day)
        return count

    async def _day(self, conn: Connection, day: dt.date) -> int:
        first, last = _floor(day), _floor(day + dt.timedelta(days=1))
        async with conn.transaction():
            if not await store.try_task(conn, "receipts"):
                return 0
            found = await store.without_receipt(conn, first, last, self._grace_s)
            moves = []
            if found:
                last_code = {(row.plan_id, row.msg_id): row.last_code for row in found}
                for state in await settling.part_states(conn, list(last_code)):
                    not_understood = last_code[state.plan_id, state.msg_id] == NOT_UNDERSTOOD
                    code = overdue(state.parts, [Outcome(*o) for o in state.outcomes], not_understood=not_understood)
                    moves.append(Move(state.plan_id, state.msg_id, Status.UNKNOWN, code, state.sent_at, False))
                await settle.apply(conn, moves, of_parts=True)
        if moves:
            _log.info("message.without_receipt", count=len(moves))
        return len(moves)


def _floor(day: dt.date) -> UUID:
    midnight = dt.datetime.combine(day, dt.time(), dt.UTC)
    return UUID(int=int(midnight.timestamp() * 1000) << 80)
