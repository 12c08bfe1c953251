"""The keys that send requests came with: kept for a day with the message that each of them stands for."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

from trunkline.domain.message import RequestKey
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


def lock_numbers(plan_id: PlanId, key: RequestKey) -> tuple[int, int]:
    """The advisory locks that a batch holds while it stores this key: of key and request, and of the key."""
    digest = blake2b(b"%d\0%b" % (plan_id, key.text.encode()), digest_size=8).digest()
    of_key = int.from_bytes(digest, signed=True)
    # The request's hash has nothing to do with the key's: either of two that differ gives another number.
    return of_key ^ int.from_bytes(key.request_hash[:8], signed=True), of_key
