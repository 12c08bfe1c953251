"""Connections to PostgreSQL: one way to open them, and the settings that each kind of work runs under."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeAlias
from uuid import UUID

import asyncpg
from asyncpg.pgproto import pgproto

from trunkline.runtime import clock

Connection: TypeAlias = asyncpg.Connection
Pool: TypeAlias = asyncpg.Pool

# A UUID of its octets: the driver's, a subclass of the standard library's that is made, spelled and sent in a fifth of
# the time.
uuid_of: Callable[[bytes], UUID] = pgproto.UUID

# What ends a connection, as against a statement: what was asked on it may or may not have happened.
ConnectionLost = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server said goodbye, and the driver has not seen the socket close yet
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)

# The statements of the hot path are bounded by the keys they are given, so the right plan is known: a join is either
# LATERAL … OFFSET 0 (one index probe a key) or a hash join of two sides that are both bounded by `= ANY($keys)`. Left
# to statistics, the plan would follow whatever the tables looked like when the statement was first planned (empty,
# often): a nested loop over two batches compares each row with each. And planned anew each time, over 80 partitions,
# planning would cost more than the statement.
HOT = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_nestloop": "off",
    "enable_mergejoin": "off",
    "enable_memoize": "off",
    "enable_bitmapscan": "off",
    "jit": "off",
}
COLD = {"jit": "off"}


async def connect(dsn: str, *, name: str, hot: bool = False) -> Connection:
    """One connection, shown in pg_stat_activity as `trunkline NAME`. Raises OSError or asyncpg.PostgresError."""
    return await asyncpg.connect(dsn, timeout=10, server_settings=session(name, hot=hot), statement_cache_size=200)


async def pool(dsn: str, *, name: str, size: int) -> Pool:
    """Connections for short transactions, which wait for each other only when all `size` are busy."""
    return await asyncpg.create_pool(
        dsn, min_size=1, max_size=size, timeout=10, command_timeout=30, server_settings=session(name)
    )


def session(name: str, *, hot: bool = False) -> dict[str, str]:
    """The settings of a connection that is shown as `trunkline NAME`."""
    return {
        "application_name": f"trunkline {name}",
        "client_min_messages": "warning",
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "15000",
        # A process that was frozen in a transaction must not keep its locks: the others' work waits for them.
        "idle_in_transaction_session_timeout": "5000",
        **(HOT if hot else COLD),
    }


# What a statement may be refused for because of its data (SQLSTATE classes 22 and 23): one row spoils its batch.
BadData = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
DatabaseError = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError)


class Standing:
    """One connection that is opened when it is needed and opened again when it was lost."""

    def __init__(self, dsn: str, *, name: str, hot: bool = True) -> None:
        self._dsn = dsn
        self._name = name
        self._hot = hot
        self._conn: Connection | None = None

    async def get(self) -> Connection:
        """The connection. Raises OSError, TimeoutError or asyncpg.PostgresError where it can't be opened."""
        if self._conn is None or self._conn.is_closed():
            self._conn = await connect(self._dsn, name=self._name, hot=self._hot)
        return self._conn

    def abandon(self) -> None:
        """Drops the socket at once: what was asked on it may still happen."""
        if self._conn is not None:
            self._conn.terminate()
            self._conn = None

    async def close(self) -> None:
        if self._conn is not None and not self._conn.is_closed():
            await self._conn.close(timeout=2)
        self._conn = None


class Listener:
    """LISTEN on some channels: calls `heard(channel, payload)`, and `heard(channel, "again")` after each reconnect,
    when notifications may have been missed. NOTIFY only wakes; a slow poll backs it up everywhere."""

    def __init__(self, dsn: str, channels: Sequence[str], heard: Callable[[str, str], None]) -> None:
        self._dsn = dsn
        self._channels = channels
        self._heard = heard

    async def run(self) -> None:
        """Listens until cancelled."""
        while True:
            try:
                conn = await connect(self._dsn, name="listen")
            except DatabaseError:
                await clock.sleep(0.5)
                continue
            ended = asyncio.Event()
            try:
                conn.add_termination_listener(lambda _, ended=ended: ended.set())
                for channel in self._channels:
                    await conn.add_listener(channel, self._notified)
                    self._heard(channel, "again")
                await ended.wait()
            except DatabaseError:
                await clock.sleep(0.5)
            finally:
                conn.terminate()

    def _notified(self, conn: Connection, pid: int, channel: str, payload: str) -> None:
        self._heard(channel, payload)
