"""A message is cancelled: out of its queue and FAILED 610, in one commit, if it is still there as a whole."""

from __future__ import annotations

from uuid import UUID

from trunkline.domain.provisioning import PlanId
from trunkline.domain.status import Status
from trunkline.settle import apply as settle
from trunkline.store import queue
from trunkline.store.db import Connection
from trunkline.store.settling import Move

CANCELLED = 610


class _Gone(Exception):
    """Part of it, or all, is not in a queue any more: what was taken goes back."""


async def withdraw(conn: Connection, plan_id: PlanId, msg_id: UUID) -> bool:
    """Cancels a message that waits in a queue. Returns whether it did; the customer is told as of any final state.

    Every part has to be in the queues: a part with a dispatcher, in doubt, accepted or refused is in none of them. A
    message that went back to a queue because its carrier would not have it yet may be cancelled; one that waits to be
    sent again after an unknown outcome may not: it may have reached its recipient. A claim at the same moment takes the
    rows, or finds none: removing them decides. Raises what asyncpg raises.
    """
    try:
        async with conn.transaction():
            parts, waiting, resubmitted = await queue.withdraw(conn, plan_id, msg_id)
            if not parts or waiting != (1 << parts) - 1 or resubmitted:
                raise _Gone
            if not await settle.apply(conn, [Move(plan_id, msg_id, Status.FAILED, CANCELLED, None, False)]):
                raise _Gone
    except _Gone:
        return False
    return True
