"""Who wants no messages, what was answered to whom: opt-outs, and the replies that pass them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import Any, BinaryIO, NamedTuple
from uuid import UUID

from trunkline.domain.provisioning import PlanId
from trunkline.store.db import Connection
from trunkline.store.partitions import KEEP_DAYS
from trunkline.store.queries import Queries
from trunkline.store.queue import columns

_SQL = Queries("optouts")
_AT_A_TIME = 10_000  # lines of an import


class OptOut(NamedTuple):
    """Who wants no messages from whom; `sender` is ALL_SENDERS for the whole plan."""

    plan_id: PlanId
    recipient: str
    sender: str


class Change(NamedTuple):
    """An opt-out that comes or goes. `sender` None: all there are of plan and recipient (only to remove)."""

    plan_id: PlanId
    recipient: str
    sender: str | None
    mo_id: UUID | None  # the message that says so
    why: str


class Reply(NamedTuple):
    """A message of ours (`msg_id`) that answers one from a handset."""

    msg_id: UUID
    plan_id: PlanId
    mo_id: UUID
    does: str


class IncomingOptOut(NamedTuple):
    """A line of an operator's file. `since` None: now."""

    line: int
    plan_id: PlanId
    recipient: str
    sender: str
    since: dt.datetime | None
    why: str


async def add(conn: Connection, changes: Sequence[Change], *, actor: str, source: str) -> set[OptOut]:
    """Opts out, with the audit's rows. Returns what is new."""
    plans, recipients, senders, messages, whys = columns(changes, 5)
    rows = await conn.fetch(_SQL.add, plans, recipients, senders, messages, actor, source, whys)
    return {OptOut(*row) for row in rows}


async def remove(conn: Connection, changes: Sequence[Change], *, actor: str) -> set[OptOut]:
    """Takes opt-outs back, with the audit's rows. Returns those that were there."""
    plans, recipients, senders, messages, whys = columns(changes, 5)
    rows = await conn.fetch(_SQL.remove, plans, recipients, senders, messages, actor, whys)
    return {OptOut(*row) for row in rows}


async def note_replies(conn: Connection, replies: Sequence[Reply]) -> None:
    """In the transaction that stores the messages."""
    await conn.execute(_SQL.note_replies, *columns(replies, 4))


async def forget_replies(conn: Connection) -> bool:
    """Drops what messages were replies that are not kept any more. Returns whether there may be more."""
    status: str = await conn.execute(_SQL.forget_replies, KEEP_DAYS)
    return status == "DELETE 5000"


async def listed(
    conn: Connection, plans: Sequence[PlanId], recipient: str | None, sender: str | None, limit: int
) -> list[dict[str, Any]]:
    """Opt-outs of some plans by plan, recipient and sender."""
    return [dict(row) for row in await conn.fetch(_SQL.listed, plans, recipient, sender, limit)]


async def export(conn: Connection, plans: Sequence[PlanId], file: BinaryIO) -> None:
    """Writes the opt-outs of some plans as CSV."""
    await conn.copy_from_query(_SQL.export, plans, output=file, format="csv", header=True)


async def receive(conn: Connection, lines: Iterable[IncomingOptOut]) -> bool:
    """Begins an import: copies the lines to where `take` finds them. False where another import is at work."""
    if not await conn.fetchval(_SQL.lock_import):
        return False
    await conn.execute(_SQL.clear_incoming)
    await conn.copy_records_to_table("opt_out_incoming", records=lines)
    return True


async def take(conn: Connection, last_line: int, taken: Callable[[int], None]) -> int:
    """Adds what was received, some lines a commit, and tells up to which line; returns how many opt-outs are new."""
    count = 0
    for first in range(0, last_line + 1, _AT_A_TIME):
        status: str = await conn.execute(_SQL.take_lines, first, first + _AT_A_TIME)
        count += int(status.rsplit(" ", 1)[1])
        taken(min(first + _AT_A_TIME, last_line))
    await conn.execute(_SQL.clear_incoming)
    return count
