"""How well carriers deliver, by country: measured from a sample of the last hour's messages, kept in a small table."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from trunkline.domain.provisioning import PlanId
from trunkline.domain.quality import Measured, Quality
from trunkline.domain.status import Status
from trunkline.store.db import Connection
from trunkline.store.queries import Queries

_SQL = Queries("routing")


async def is_asked_for(conn: Connection) -> bool:
    """Whether a route in use asks for it."""
    return bool(await conn.fetchval(_SQL.is_measured))


async def sending(conn: Connection, since: UUID, until: UUID) -> list[PlanId]:
    """Plans with messages between two ids."""
    return [row[0] for row in await conn.fetch(_SQL.sending, since, until)]


async def sampled(conn: Connection, plans: list[PlanId], edges: list[UUID], most: int) -> Measured:
    """What became of the plans' messages: of each plan at most so many of those between two edges. `edges` ascend."""
    submitted_since = dt.datetime.fromtimestamp((edges[0].int >> 80) / 1000, dt.UTC)
    rows = await conn.fetch(_SQL.sampled, plans, edges[:-1], edges[1:], most, submitted_since, Status.DELIVERED)
    return {(row[0], row[1]): Quality(row[2], row[3], row[4]) for row in rows}


async def keep(conn: Connection, measured: Measured) -> None:
    """Puts it in the place of what was measured before, in the caller's transaction."""
    rows = [(carrier_id, country or "", *quality) for (carrier_id, country), quality in measured.items()]
    await conn.execute(_SQL.forget_quality)
    if rows:
        await conn.execute(_SQL.keep_quality, *map(list, zip(*rows, strict=True)))


async def kept(conn: Connection) -> Measured:
    """What was measured last."""
    return {(row[0], row[1]): Quality(row[2], row[3], row[4]) for row in await conn.fetch(_SQL.quality)}
