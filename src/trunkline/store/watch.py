"""Keeps a process's picture of provisioning current: polls its version, and loads it anew when the version moved."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace

from trunkline.domain.provisioning import Provisioning
from trunkline.runtime.clock import boot_s
from trunkline.runtime.log import alarm, explained, get_logger
from trunkline.runtime.secret import SealBroken
from trunkline.store import db, provisioning, routes
from trunkline.store.db import Connection
from trunkline.store.queries import Queries

log = get_logger()

_SQL = Queries("provisioning")
POLL_S = 2.0
CONFIRMED_FOR_S = 5.0  # a token revoked elsewhere must not pass for longer
_ANSWER_S = 2.0
_DEADLINE_S = 15.0  # to connect, ask and load
_ROUTES_S = 120.0


class ProvisioningWatch:
    """`current()` is the picture, while the database has confirmed its version within the last 5 s.

    `on_change` is called with each new picture, the first one included. An outage is survived: the watch connects again
    until it is stopped. Routes may be many: they follow when they are read, and nothing else waits for them.
    """

    def __init__(
        self,
        dsn: str,
        secret_key: bytes,
        on_change: Callable[[Provisioning], None] | None = None,
        *,
        poll_s: float = POLL_S,
        confirmed_for_s: float = CONFIRMED_FOR_S,
        now: Callable[[], float] = boot_s,
    ) -> None:
        self._dsn = dsn
        self._secret_key = secret_key
        self._on_change = on_change
        self._poll_s = poll_s
        self._confirmed_for_s = confirmed_for_s
        self._now = now
        self._conn: Connection | None = None
        self._picture: Provisioning | None = None
        self._confirmed_at = float("-inf")
        self._polling: asyncio.Task[None] | None = None
        self._reading_routes: asyncio.Task[None] | None = None
        self._route_version = 0
        self._turn = asyncio.Lock()  # one look at a time: the connection is not shared
        self._stopping = asyncio.Event()

    async def start(self) -> Provisioning:
        """Loads the first picture and keeps it current from then on. Raises what the database raises, or SealBroken."""
        await self.refresh()
        assert self._picture is not None
        self._polling = asyncio.create_task(self._poll(), name="provisioning-watch")
        return self._picture

    async def stop(self) -> None:
        """Ends the polling and the connection."""
        self._stopping.set()
        if self._polling is not None:
            self._polling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._polling
        if self._reading_routes is not None:
            self._reading_routes.cancel()
            await asyncio.gather(self._reading_routes, return_exceptions=True)
        self._drop()

    def current(self) -> Provisioning | None:
        """The picture, or None if its version was last confirmed more than 5 s ago."""
        if self._now() - self._confirmed_at > self._confirmed_for_s:
            return None
        return self._picture

    def last(self) -> Provisioning | None:
        """The last picture seen, however old: for work that revocations have no say in."""
        return self._picture

    async def refresh(self) -> None:
        """Looks now, and reads changed routes. Raises what the database raises, TimeoutError, or SealBroken."""
        await self._confirm()
        if self._has_other_routes:
            await self._read_routes()

    @property
    def _has_other_routes(self) -> bool:
        """Whether the routes are not those that we have."""
        return self._picture is not None and self._picture.routes.version != self._route_version

    async def _confirm(self) -> None:
        async with self._turn:
            try:
                async with asyncio.timeout(_DEADLINE_S):
                    await self._look()
            except BaseException:
                self._drop()  # whatever state it is in
                raise

    async def _look(self) -> None:
        if self._conn is None or self._conn.is_closed():
            self._conn = await db.connect(self._dsn, name="provisioning")
        # The moment before the question: what the answer tells was true at some time after it.
        asked_at = self._now()
        version, self._route_version = await self._conn.fetchrow(_SQL.version, timeout=_ANSWER_S)
        if self._picture is not None and version == self._picture.version:
            self._confirmed_at = asked_at
            return
        picture = await provisioning.load(self._conn, self._secret_key, self._picture)
        self._picture, self._confirmed_at = picture, asked_at
        log.info("provisioning.loaded", version=picture.version)
        if self._on_change is not None:
            self._on_change(picture)

    async def _read_routes(self) -> None:
        """On a connection of its own, since it may take seconds."""
        async with asyncio.timeout(_ROUTES_S):
            conn = await db.connect(self._dsn, name="routes")
            try:
                found = await routes.load_alone(conn)
            finally:
                conn.terminate()
        assert self._picture is not None
        self._picture = replace(self._picture, routes=found)
        log.info("routes.loaded", version=found.version, count=len(found))
        if self._on_change is not None:
            self._on_change(self._picture)

    def _follow_routes(self) -> None:
        """Reads routes beside the polling: the rest is confirmed meanwhile. Raises what the last reading did."""
        task, self._reading_routes = self._reading_routes, None
        if task is not None and not task.done():
            self._reading_routes = task
        elif self._has_other_routes:
            self._reading_routes = asyncio.create_task(self._read_routes(), name="routes")
        if task is not None and task.done():
            task.result()

    async def _poll(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._poll_s)
                return
            try:
                await self._confirm()
                self._follow_routes()
            except (*db.DatabaseError, SealBroken) as error:
                # Sealed under another key: what we have stays, and is not confirmed.
                alarm("provisioning.stale", "provisioning", on=True, error=explained(error))
            else:
                alarm("provisioning.stale", "provisioning", on=False)

    def _drop(self) -> None:
        if self._conn is not None:
            self._conn.terminate()
            self._conn = None
