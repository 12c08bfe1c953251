"""Messages that wait for a carrier which is down: found lane by lane, and moved to the queues of others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from trunkline.domain.provisioning import CarrierId
from trunkline.domain.routes import Choice
from trunkline.store.db import Connection
from trunkline.store.queries import Queries
from trunkline.store.queue import Lane

_SQL = Queries("routing")


class Stranded(NamedTuple):
    """A message in a queue, with what it is routed by."""

    msg_id: UUID
    missing: int
    tries: int
    parts: int
    sender: str | None
    recipient: str | None
    country: str | None
    mccmnc: str | None


async def stranded(conn: Connection, carriers: Collection[CarrierId]) -> list[CarrierId]:
    """Those of the carriers that messages wait for."""
    return [row[0] for row in await conn.fetch(_SQL.stranded, list(carriers))]


async def waiting(conn: Connection, carrier_id: CarrierId, lane: Lane, after: UUID, most: int) -> list[Stranded]:
    """The next messages of a lane, in their order."""
    rows = await conn.fetch(_SQL.waiting, carrier_id, lane.priority, lane.plan_id, after, most)
    return [Stranded._make(row) for row in rows]


async def divert(conn: Connection, carrier_id: CarrierId, lane: Lane, moves: Sequence[tuple[UUID, Choice]]) -> int:
    """Moves messages to the carriers chosen for them; returns how many were still there to be moved."""
    return int(
        await conn.fetchval(
            _SQL.divert,
            carrier_id,
            lane.priority,
            lane.plan_id,
            [msg_id for msg_id, _ in moves],
            [choice.carrier_id for _, choice in moves],
            [choice.routed for _, choice in moves],
        )
    )
