"""Slices of rate limits, leased from the buckets that all processes of the installation share."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from trunkline.store.db import Connection, Standing
from trunkline.store.queries import Queries

_SQL = Queries("limits")
_NAME = "limits"
_PATIENCE_S = 1.0  # for all of it, connecting included: requests may be waiting


class Ask(NamedTuple):
    """So many requests that an account (kind 0) or plan (kind 1) wants to make, at most what its bucket can hold."""

    kind: int
    subject_id: int
    rate_per_s: float
    capacity: float
    wanted: int


class Lease(NamedTuple):
    """What an ask got, and what the bucket holds after it (below 1 where it got less than it wanted)."""

    granted: int
    tokens: float


class Leases:
    """Leases over one standing session, which is also what shows other processes that this one is alive."""

    def __init__(self, dsn: str) -> None:
        self._standing = Standing(dsn, name=_NAME)

    async def take(self, asks: Sequence[Ask]) -> list[Lease]:
        """A lease for each ask; one subject is asked for once. Raises DatabaseError, within a second."""
        async with self._deadline():
            return await lease(await self._standing.get(), asks)

    async def processes(self) -> int:
        """How many processes share the limits, this one included. Raises DatabaseError, within a second."""
        async with self._deadline():
            conn = await self._standing.get()
            return max(1, int(await conn.fetchval(_SQL.processes, f"trunkline {_NAME}")))

    def _deadline(self) -> asyncio.Timeout:
        return asyncio.timeout(_PATIENCE_S)

    def abandon(self) -> None:
        """Drops the session: after an error nobody knows what state it is in."""
        self._standing.abandon()

    async def close(self) -> None:
        await self._standing.close()


async def lease(conn: Connection, asks: Sequence[Ask]) -> list[Lease]:
    """A lease for each ask, in their order, all in one statement."""
    columns = [list(column) for column in zip(*asks, strict=True)]
    rows = await conn.fetch(_SQL.lease, *columns)
    leases = {(kind, subject_id): Lease(granted, tokens) for kind, subject_id, granted, tokens in rows}
    return [leases[ask.kind, ask.subject_id] for ask in asks]
