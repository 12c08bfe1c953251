"""What upkeep looks for: doubts that are over, messages past their validity, messages without a receipt."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from trunkline.domain.provisioning import CarrierId, PlanId
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
    last_status: int | None  # command_status of its last attempt
    resubmitted: bool
    dialect: str | None  # of the carrier, as JSON


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


async def take_expired(conn: Connection) -> list[Expired]:
    """Takes what waits in the queues beyond its validity, at most 1000 of each."""
    rows = [*await conn.fetch(_SQL.expired_queued), *await conn.fetch(_SQL.expired_later)]
    if not rows:
        return []
    return await waits(conn, [tuple(row) for row in rows])


async def waits(conn: Connection, rows: Sequence[tuple[Any, ...]]) -> list[Expired]:
    """What kept messages from going out: (plan, message, carrier, parts still to be submitted, resubmitted) of each."""
    found = await conn.fetch(_SQL.expired_context, *columns(rows, 5))
    return [Expired(*row) for row in found]


async def without_receipt(conn: Connection, first: UUID, last: UUID, grace_s: int) -> list[Unreceipted]:
    """Open messages between two msg_ids whose validity ended `grace_s` ago; at most 1000."""
    return [Unreceipted(*row) for row in await conn.fetch(_SQL.without_receipt, first, last, grace_s)]


async def open_parts(conn: Connection) -> Sequence[tuple[PlanId, UUID]]:
    """Messages with several parts that got an outcome in the last ten minutes."""
    return [(row[0], row[1]) for row in await conn.fetch(_SQL.open_parts)]
