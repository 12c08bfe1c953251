"""Dispatchers and their lease: which carriers are whose, and what dead ones left behind."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from trunkline.domain.provisioning import CarrierId
from trunkline.store.db import Connection
from trunkline.store.queries import Queries

_SQL = Queries("leases")


class Ended(NamedTuple):
    """A dispatcher whose lease is over."""

    epoch: int
    node: str
    pid: int


async def register(conn: Connection, node: str, pid: int, lease_s: int) -> int:
    """A new dispatcher; returns its epoch, which no other ever has."""
    return int(await conn.fetchval(_SQL.register, node, pid, lease_s))


async def renew(conn: Connection, epoch: int, lease_s: int) -> bool:
    """False where somebody ended the lease: then the epoch is dead for good."""
    return await conn.fetchval(_SQL.renew, epoch, lease_s) is not None


async def resign(conn: Connection, epoch: int) -> None:
    """A dispatcher goes in order: its carriers are free at once."""
    await conn.execute(_SQL.resign, epoch)


async def end_dead(conn: Connection, node: str, pid: int) -> None:
    """Ends the lease of a process whose death was witnessed."""
    await conn.execute(_SQL.end_dead, node, pid)


async def retire(conn: Connection, lease_s: int) -> list[Ended]:
    """Ends leases that ran out. Only for callers that have been connected for a whole lease."""
    return [Ended(*row) for row in await conn.fetch(_SQL.retire, lease_s)]


async def take(conn: Connection, epoch: int) -> set[CarrierId]:
    """Takes carriers that have no living dispatcher. Returns all that `epoch` holds."""
    await conn.execute(_SQL.take, epoch)
    return {row[0] for row in await conn.fetch(_SQL.held, epoch)}


async def seen_up(conn: Connection, epoch: int, carriers: Sequence[CarrierId], ready: Sequence[CarrierId] = ()) -> None:
    """Notes that these carriers have a link up now; those that are `ready` take messages as well."""
    await conn.execute(_SQL.seen_up, epoch, carriers, ready)


async def unready(conn: Connection, silent_s: float) -> dict[CarrierId, dt.datetime | None]:
    """Carriers that have not been ready within the last seconds, with when they were last (by the server's clock)."""
    return {row[0]: row[1] for row in await conn.fetch(_SQL.unready, silent_s)}


async def rescue(conn: Connection) -> int:
    """Puts what dead dispatchers had claimed in doubt. Returns how many parts."""
    status: str = await conn.execute(_SQL.rescue)
    return int(status.rsplit(" ", 1)[1])
