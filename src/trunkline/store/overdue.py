"""What upkeep looks for: doubts that are over, messages past their validity, messages without a receipt."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from trunkline.domain.provisioning import CarrierId, PlanId
from trunkline.domain.status import Status
from trunkline.store.db import Connection
from trunkline.store.queries import Queries
from trunkline.store.queue import columns

_SQL = Queries("upkeep")


class DueDoubt(NamedTuple):
    """A part in doubt whose time is over, with what decides about it."""

    plan_id: PlanId
    msg_id: UUID
    part_no: int
    carrier_id: CarrierId
    code: int
    tries: int
    resubmitted: bool
    parts: int
    expires_at: dt.datetime
    final: bool
    at_least_once: bool
    priority: int
    valid: bool
    accepted: bool


class Expired(NamedTuple):
    """A message that left its queue because its validity ended, and what kept it there."""

    plan_id: PlanId
    msg_id: UUID
    missing: int
    parts: int
    was_up: bool  # the carrier had a link up at some time since the message was accepted
    last_status: int | None  # command_status that the carrier answered last
    resubmitted: bool
    dialect: str | None  # the carrier's, as JSON


class Unreceipted(NamedTuple):
    """A submitted message that no final receipt came for."""

    plan_id: PlanId
    msg_id: UUID
    last_code: int | None  # of its last receipt, if one came


async def try_task(conn: Connection, task: str) -> bool:
    """Whether this transaction may do the task: only one at a time does, anywhere."""
    return bool(await conn.fetchval(_SQL.try_task, f"upkeep {task}"))


async def take_due_doubts(conn: Connection) -> list[DueDoubt]:
    """Takes doubts that are over. In the same transaction the caller decides about each."""
    rows = await conn.fetch(_SQL.doubts_due)
    if not rows:
        return []
    context = await conn.fetch(_SQL.doubt_context, *columns([tuple(row)[:3] for row in rows], 3))
    by_n = {c[0]: c for c in context}
    return [
        DueDoubt(*(*row, c[1], c[2], c[3] is not None, *tuple(c)[4:]))
        for n, row in enumerate(rows, start=1)
        if (c := by_n.get(n)) is not None
    ]


async def mark_resubmitted(conn: Connection, messages: Sequence[tuple[PlanId, UUID]]) -> None:
    """Messages that are sent once more, perhaps twice in all: from now on their record says so, whichever of the two a
    receipt is about."""
    await conn.execute(_SQL.mark_resubmitted, *columns(messages, 2))


async def take_expired(conn: Connection) -> tuple[int, list[Expired]]:
    """Takes what waits in the queues beyond its validity, at most 1000 of each. Returns how many rows there were, and
    those of messages that are not final."""
    rows = [*await conn.fetch(_SQL.expired_queued), *await conn.fetch(_SQL.expired_later)]
    return len(rows), await why_expired(conn, [tuple(row) for row in rows])


async def why_expired(conn: Connection, rows: Sequence[tuple[PlanId, UUID, CarrierId, int, bool]]) -> list[Expired]:
    """What kept messages (plan, id, carrier, missing parts, resubmitted) in the queue; none of those that are final."""
    if not rows:
        return []
    return [Expired(*row) for row in await conn.fetch(_SQL.expired_context, *columns(rows, 5))]


async def without_receipt(conn: Connection, first: UUID, last: UUID, grace_s: int) -> list[Unreceipted]:
    """Open messages between two msg_ids whose validity ended `grace_s` ago; at most 1000."""
    return [Unreceipted(*row) for row in await conn.fetch(_SQL.without_receipt, first, last, grace_s)]


async def open_parts(conn: Connection, since: dt.datetime) -> Sequence[tuple[PlanId, UUID]]:
    """Messages with several parts that nobody looked at when a part ended, since then; at most 1000."""
    return [(row[0], row[1]) for row in await conn.fetch(_SQL.open_parts, since, Status.FAILED)]


async def forget_parts(conn: Connection) -> int:
    """Removes what is kept of parts of messages of long ago, at most 1000 rows of each kind. Returns how many."""
    return int(await conn.fetchval(_SQL.forget_parts))
