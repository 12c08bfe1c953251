"""The database's clock, followed by a process: message ids and everything durable go by it, whatever our own says."""

from __future__ import annotations

import time

from trunkline.runtime import clock, log
from trunkline.store.db import DatabaseError, Standing

_log = log.get_logger()
_EVERY_S = 1.0


class DatabaseClock:
    """How far the database's clock (trunkline_now) is from ours, measured each second."""

    def __init__(self, dsn: str) -> None:
        self._standing = Standing(dsn, name="clock", hot=False)
        self._offset_ms = 0.0
        self._measured_at: float | None = None

    def now_ms(self) -> int:
        """Milliseconds since 1970 by the database's clock."""
        return int(time.time_ns() / 1e6 + self._offset_ms)

    @property
    def age_s(self) -> float:
        """Seconds since the last measurement; infinite before the first."""
        return float("inf") if self._measured_at is None else clock.boot_s() - self._measured_at

    async def measure(self) -> None:
        """Measures once. Raises OSError, TimeoutError or asyncpg.PostgresError."""
        conn = await self._standing.get()
        before = time.time_ns() / 1e6
        told: float = await conn.fetchval("SELECT extract(epoch FROM trunkline_now())::float8 * 1000")
        after = time.time_ns() / 1e6
        self._offset_ms = told - (before + after) / 2
        self._measured_at = clock.boot_s()

    async def run(self) -> None:
        """Measures until cancelled."""
        while True:
            try:
                await self.measure()
            except DatabaseError as error:
                _log.debug("clock.waits", error=log.explained(error))
                self._standing.abandon()
            await clock.sleep(_EVERY_S)
