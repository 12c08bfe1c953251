"""Webhook secrets of plans while they are being changed: for a time the old one signs beside the new one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from trunkline.domain.provisioning import PlanId
from trunkline.store import audit, provisioning
from trunkline.store.db import Connection
from trunkline.store.queries import Queries

_SQL = Queries("hook_secrets")


async def rotate(conn: Connection, plan_id: PlanId, sealed: Sequence[bytes], overlap_s: float) -> dt.datetime | None:
    """Sets a plan's secrets, the newest first; returns when the older one ends, None where there is none."""
    until: dt.datetime | None = await conn.fetchval(_SQL.rotate, plan_id, sealed, overlap_s)
    return until


async def rotating_until(conn: Connection, plan_id: PlanId) -> dt.datetime | None:
    """When the older secret of a plan ends; None where it has one alone."""
    until: dt.datetime | None = await conn.fetchval(_SQL.rotating_until, plan_id)
    return until


async def end_old(conn: Connection) -> list[str]:
    """Forgets secrets whose overlap is over; returns the public ids of their plans."""
    if not await conn.fetchval(_SQL.has_old):
        return []  # the usual case takes no lock
    async with conn.transaction():
        await provisioning.lock(conn)
        ended = await conn.fetch(_SQL.end_old)
        for name, public_id in ended:
            await audit.record(conn, "trunkline", "webhook_secret.ended", f"plan {name} ({public_id})", {})
    return [row[1] for row in ended]
