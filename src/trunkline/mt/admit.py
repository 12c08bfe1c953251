"""Step 1 of the trip where what others send has a say: money that may run out, numbers that are written to too often.

The rows that decide are held from before the batch is judged until it is stored, in one transaction: of any number of
processes, together, not one message too many gets through. What may not be sent is stored and ends FAILED at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from trunkline.domain.admission import Admission
from trunkline.domain.message import Accepted, Submission
from trunkline.domain.status import Status
from trunkline.runtime import log, metrics
from trunkline.settle import apply as settle
from trunkline.store import admission as store
from trunkline.store import queue
from trunkline.store.db import Connection
from trunkline.store.settling import Move

_log = log.get_logger()
_STOPPED = metrics.counter("trunkline_stopped", "Messages stopped at acceptance, by the code they ended with.", "code")


class _NotNew(Exception):
    """Some were not stored because of their keys: what they were judged to take they do not take."""


async def store_judged(conn: Connection, batch: Sequence[Submission], *, wake: bool) -> dict[UUID, Accepted]:
    """As `queue.accept`, for messages whose terms have to be judged."""
    refused: dict[UUID, Accepted] = {}
    codes: dict[UUID, int] = {}
    while batch:
        try:
            async with conn.transaction():
                codes = await _store(conn, batch, refused, wake)
        except _NotNew:
            batch = [message for message in batch if message.msg_id not in refused]
        else:
            break
    for code in codes.values():
        _STOPPED.of(str(code)).value += 1
    return refused


async def _store(
    conn: Connection, batch: Sequence[Submission], refused: dict[UUID, Accepted], wake: bool
) -> dict[UUID, int]:
    """Stores a batch of which all are new. Returns the codes of those that are not to be sent. Raises _NotNew, with
    `refused` filled."""
    held = await store.Held.of(conn, batch)
    admission = Admission(held.now, held.balances, held.spends, held.windows)
    codes = {message.msg_id: code for message in batch if (code := admission.judge(message)) is not None}
    found = await queue.accept(conn, batch, wake=wake, codes=codes)
    if found:
        refused |= found
        raise _NotNew
    await store.reserve(conn, held, [message for message in batch if message.msg_id not in codes])
    stopped = [message for message in batch if message.msg_id in codes]
    await settle.apply(conn, [Move(m.plan_id, m.msg_id, Status.FAILED, codes[m.msg_id], None, False) for m in stopped])
    await held.put(conn, admission)
    if admission.news:  # the notices say of whom and what
        _log.warning("accept.stops", codes=sorted(set(codes.values())), notices=len(admission.news))
    return codes
