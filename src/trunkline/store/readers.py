"""Connections for what customers read: each shows one account's rows, whatever the statement asks for.

Row-level security is the second net; the first is the check in `api` that a plan belongs to the token's account.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from trunkline.domain.provisioning import AccountId
from trunkline.store.db import Connection, session
from trunkline.store.queries import Queries

_SQL = Queries("reader")
# Each statement is bounded by its keys, so one plan serves all; planning it anew over some eighty partitions costs more
# than the statement (0.8 ms for one record instead of 0.2).
_PLANNED_ONCE = {"plan_cache_mode": "force_generic_plan"}


async def provide(conn: Connection) -> None:
    """Makes the role and gives it what it needs, where that is missing. Raises asyncpg.InsufficientPrivilegeError."""
    await conn.execute(_SQL.provide)


class _Reader(asyncpg.Connection):  # type: ignore[misc]  # the driver has no types
    """A connection that remembers which account's rows it shows."""

    _shown: AccountId | None = None

    async def show(self, account_id: AccountId) -> None:
        if self._shown != account_id:
            self._shown = None  # unknown until the answer is here
            await self.fetchval(_SQL.show, str(account_id))
            self._shown = account_id


class Readers:
    """A few connections; who asks while all are busy waits."""

    def __init__(self, pool: Any, rls: bool) -> None:
        self._pool = pool
        self._rls = rls

    @classmethod
    async def open(cls, dsn: str, *, size: int, rls: bool = True) -> Readers:
        """Connects. `rls` off: the connections are the login's, and show every account.

        Raises OSError, asyncpg.PostgresError, asyncpg.InterfaceError.
        """
        pool = await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=size,
            timeout=10,
            command_timeout=30,
            server_settings={**session("read"), **_PLANNED_ONCE},
            connection_class=_Reader,
            init=_become_reader if rls else None,
            reset=_nothing,
        )
        return cls(pool, rls)

    @asynccontextmanager
    async def of(self, account_id: AccountId) -> AsyncIterator[Connection]:
        """A connection for single statements that read what belongs to the account (of the token, not of the plan that
        was asked for). Raises `db.ConnectionLost`."""
        async with self._pool.acquire() as conn:
            if self._rls:
                await conn.show(account_id)
            yield conn

    async def close(self) -> None:
        await self._pool.close()


async def _become_reader(conn: Connection) -> None:
    await conn.execute(_SQL.become)
    if not await conn.fetchval(_SQL.is_held):
        raise asyncpg.InterfaceError(
            "row-level security is off, or trunkline_reader has the rights of the tables' owner"
        )


async def _nothing(conn: Connection) -> None:
    """Instead of the driver's reset, a round trip at each release: single statements leave nothing to be put back."""
