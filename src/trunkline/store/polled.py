"""A table that processes hold in memory: its state is polled, and when that moved the table is loaded anew."""

from __future__ import annotations

import asyncio
from collections.abc import Sized
from typing import Any, Generic, TypeVar

from trunkline.runtime import clock
from trunkline.runtime.log import alarm, explained, get_logger
from trunkline.store.db import Connection, DatabaseError, Standing

_log = get_logger()

POLL_S = 2.0
_ANSWER_S = 2.0
_DEADLINE_S = 120.0  # to connect, ask and load

T = TypeVar("T", bound=Sized)


class Polled(Generic[T]):
    """`held` is what was loaded last; through an outage it stays as it was. `name` is that of the events and the
    connection; `load` gives the state that it found, as the statement `state` tells it, and the table."""

    name: str
    state: str

    def __init__(self, dsn: str, nothing: T, *, poll_s: float = POLL_S) -> None:
        self.held = nothing
        self._standing = Standing(dsn, name=self.name, hot=False)
        self._poll_s = poll_s
        self._state: tuple[Any, ...] | None = None

    async def load(self, conn: Connection) -> tuple[tuple[Any, ...], T]:
        """The table of one moment, a few rows at a time: other work of the loop goes on in between."""
        raise NotImplementedError

    async def refresh(self) -> None:
        """Looks now. Raises what the database raises, or TimeoutError."""
        try:
            async with asyncio.timeout(_DEADLINE_S):
                conn = await self._standing.get()
                if tuple(await conn.fetchrow(self.state, timeout=_ANSWER_S)) != self._state:
                    self._state, self.held = await self.load(conn)
                    _log.info(f"{self.name}.loaded", version=self._state[0], entries=len(self.held))
        except BaseException:
            self._standing.abandon()  # whatever state it is in
            raise

    async def run(self) -> None:
        """Keeps the table current until cancelled."""
        while True:
            await clock.sleep(self._poll_s)
            try:
                await self.refresh()
            except DatabaseError as error:
                alarm(f"{self.name}.stale", self.name, on=True, error=explained(error))
            else:
                alarm(f"{self.name}.stale", self.name, on=False)

    async def close(self) -> None:
        await self._standing.close()
