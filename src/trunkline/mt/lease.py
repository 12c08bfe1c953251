"""The lease of a dispatcher: which carriers it may claim for and write to, and until when.

Times of the lease itself are the database's. The process only knows a deadline of its own, taken before the renewal was
sent and shortened by a margin, and writes nothing to a carrier past it: so whoever takes over finds it silent.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

from trunkline.domain.provisioning import CarrierId
from trunkline.runtime import clock, log
from trunkline.store import leases
from trunkline.store.db import DatabaseError, Standing

_log = log.get_logger()
_MARGIN_S = 2.0


class Lease:
    """Keeps one lease, and a new one where it was lost. `changed(epoch, carriers)` is told what is held from now on."""

    def __init__(
        self,
        dsn: str,
        *,
        node: str,
        lease_s: int,
        changed: Callable[[int, set[CarrierId]], Awaitable[None]],
        up: Callable[[], list[CarrierId]],
        ready: Callable[[], list[CarrierId]] | None = None,
    ) -> None:
        """`up`: the carriers that have a link up now; `ready`: those of them that take messages (None: all)."""
        self._standing = Standing(dsn, name="lease", hot=False)
        self._node = node
        self._lease_s = lease_s
        self._changed = changed
        self._up = up
        self._ready = ready or up
        self._deadline = float("-inf")
        self._held: set[CarrierId] = set()
        self.epoch = 0

    def holds(self, epoch: int) -> bool:
        """Whether a byte of what was claimed under `epoch` may go to a carrier now."""
        return epoch == self.epoch and clock.boot_s() < self._deadline

    async def run(self) -> None:
        """Holds the lease until cancelled; `resign` ends it."""
        renew_every_s = min(self._lease_s / 3, 5.0)
        renewed_at = float("-inf")
        while True:
            try:
                now = clock.boot_s()
                if now - renewed_at >= renew_every_s:
                    await self._renew(now)
                    renewed_at = now
                conn = await self._standing.get()
                held = await leases.take(conn, self.epoch)
                if held != self._held:
                    self._held = held
                    await self._changed(self.epoch, held)
                await leases.seen_up(conn, self.epoch, self._up(), self._ready())
            except DatabaseError as error:
                _log.warning("lease.waits", error=log.explained(error))
                self._standing.abandon()
            await clock.sleep(1.0)

    async def _renew(self, now: float) -> None:
        conn = await self._standing.get()
        if self.epoch and await leases.renew(conn, self.epoch, self._lease_s):
            self._deadline = now + self._lease_s - _MARGIN_S
            return
        if self.epoch:
            _log.warning("lease.lost", epoch=self.epoch)
            self._held = set()
            await self._changed(self.epoch, set())
        asked_at = clock.boot_s()
        self.epoch = await leases.register(conn, self._node, os.getpid(), self._lease_s)
        self._deadline = asked_at + self._lease_s - _MARGIN_S
        _log.info("lease.taken", epoch=self.epoch)

    async def resign(self) -> None:
        """Gives the lease up, so that others take the carriers at once."""
        self._deadline = float("-inf")
        try:
            async with asyncio.timeout(5):
                if self.epoch:
                    await leases.resign(await self._standing.get(), self.epoch)
                await self._standing.close()
        except DatabaseError as error:
            _log.warning("lease.not_resigned", error=log.explained(error))
