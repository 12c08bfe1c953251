"""Messages from handsets (MO): stored with the webhook row that tells them; their parts, and the binds they came on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from trunkline.domain.provisioning import AccountId, CarrierId, PlanId
from trunkline.store.db import Connection
from trunkline.store.queries import Queries
from trunkline.store.queue import columns

_SQL = Queries("mo")
NO_PLAN = PlanId(0)  # the destination belongs to nobody: kept for the operator
_BOUND = 500  # sets, and parts, at a time


class InboundRow(NamedTuple):
    """One MO; `digest` is of what the carrier sent and tells a repeat."""

    plan_id: PlanId
    msg_id: UUID
    account_id: AccountId
    carrier_id: CarrierId
    link_id: int
    sender: str
    recipient: str
    body: str
    binary_hex: str | None
    keyword: str
    digest: bytes


class PartRow(NamedTuple):
    """One part of an MO. `set_key` is the same for all parts of one message; `digest` tells a repeat of the part."""

    set_key: bytes
    part_no: int
    digest: bytes
    carrier_id: CarrierId
    link_id: int
    source: str
    destination: str
    total: int
    codec: str
    locking: int
    single: int
    octets: bytes


class StoredPart(NamedTuple):
    """A part as it is kept: `msg_id` is the message that it became a part of, and then it has no octets any more;
    `overdue`: it came an hour ago."""

    set_key: bytes
    part_no: int
    digest: bytes
    carrier_id: CarrierId
    link_id: int
    source: str
    destination: str
    total: int
    codec: str
    locking: int
    single: int
    octets: bytes | None
    received_at: dt.datetime
    msg_id: UUID | None
    joined_at: dt.datetime | None
    overdue: bool


class Joined(NamedTuple):
    """A message made of parts; `partial`: some of them never came."""

    row: InboundRow
    partial: bool
    received_at: dt.datetime


class Unmatched(NamedTuple):
    """A message to a destination that no plan has."""

    msg_id: UUID
    received_at: dt.datetime
    carrier: str | None
    sender: str | None
    recipient: str | None
    body: str | None
    binary_hex: str | None
    partial: bool


async def accept(
    conn: Connection, rows: Sequence[tuple[InboundRow, int]], since: UUID, until: UUID
) -> dict[UUID, PlanId]:
    """Stores messages of one part, each with its bind_id, and their events in one commit. Repeats (looked for between
    the msg_ids `since` and `until`) are left out.

    Returns those that were stored, with their plans.
    """
    found = await conn.fetch(_SQL.accept, since, until, *columns([(*row, bind_id) for row, bind_id in rows], 12))
    return {row[0]: PlanId(row[1]) for row in found}


async def begin_binds(conn: Connection, carrier_id: CarrierId, epoch: int, count: int) -> list[int]:
    """New bind_ids of sessions that messages come on."""
    return [row[0] for row in await conn.fetch(_SQL.begin_binds, carrier_id, epoch, count)]


async def end_binds(conn: Connection, ended: Sequence[tuple[int, float]]) -> None:
    """Binds that are gone, each with how many seconds ago the carrier surely knew what had been taken."""
    await conn.execute(_SQL.end_binds, *columns(ended, 2))


async def keep_binds(conn: Connection, bind_ids: Collection[int]) -> None:
    """Notes that these binds are up."""
    await conn.execute(_SQL.keep_binds, list(bind_ids))


async def keep_parts(conn: Connection, rows: Sequence[PartRow]) -> list[bytes]:
    """Stores parts in one commit; those that are there already are left out. Returns the set_key of each stored one."""
    return [row[0] for row in await conn.fetch(_SQL.keep_parts, *columns(rows, 12))]


async def lock_sets(conn: Connection, set_keys: Collection[bytes]) -> None:
    """Keeps others from looking at these sets until the transaction ends. What they committed is seen from here on."""
    numbers = sorted({int.from_bytes(key[:8], "big", signed=True) for key in set_keys})
    await conn.execute(_SQL.lock_sets, numbers)


async def sets(conn: Connection, set_keys: Collection[bytes]) -> list[StoredPart]:
    """All parts of some sets, set by set, each in the order in which they came."""
    return [StoredPart._make(row) for row in await conn.fetch(_SQL.sets, list(set_keys))]


async def store_joined(conn: Connection, messages: Sequence[Joined]) -> None:
    """Messages made of parts, with their events."""
    await conn.fetch(_SQL.store_joined, *columns([(*m.row, m.partial, m.received_at) for m in messages], 13))


async def end_parts(conn: Connection, parts: Sequence[tuple[StoredPart, UUID, dt.datetime | None]]) -> None:
    """Parts that belong to a message, joined now or at the time given: emptied, and kept for as long as they may come
    again."""
    rows = [(part.set_key, part.part_no, part.digest, msg_id, joined_at) for part, msg_id, joined_at in parts]
    await conn.fetch(_SQL.end_parts, *columns(rows, 5))


async def sets_due(conn: Connection) -> list[bytes]:
    """Sets that somebody has to look at."""
    return [row[0] for row in await conn.fetch(_SQL.sets_due, _BOUND)]


async def forget(conn: Connection) -> bool:
    """Drops joined parts and binds that nothing is compared with any more. Returns whether there may be more."""
    await conn.execute(_SQL.forget_binds)
    status: str = await conn.execute(_SQL.forget_parts, 10 * _BOUND)
    return int(status.rsplit(" ", 1)[1]) == 10 * _BOUND


async def unmatched(conn: Connection, limit: int) -> list[Unmatched]:
    """The newest messages to destinations that no plan has."""
    return [Unmatched._make(row) for row in await conn.fetch(_SQL.unmatched, NO_PLAN, limit)]
