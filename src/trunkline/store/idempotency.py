"""The keys that send requests came with: kept for a day with the message that each of them stands for."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from trunkline.domain.provisioning import PlanId
from trunkline.store.db import Connection
from trunkline.store.queries import Queries

_SQL = Queries("idempotency")


class Kept(NamedTuple):
    """The request that a key was first used for: what it asked, its message, what its answer told."""

    request_hash: bytes
    msg_id: UUID
    parts: int
    mccmnc: str | None


async def kept(conn: Connection, plan_id: PlanId, key: str) -> Kept | None:
    """What stands under the key, if it is not older than 24 h."""
    row = await conn.fetchrow(_SQL.kept, plan_id, key)
    return None if row is None else Kept(*row)


async def forget(conn: Connection) -> int:
    """Removes keys older than 24 h, at most 1000. Returns how many."""
    return len(await conn.fetch(_SQL.forget))
