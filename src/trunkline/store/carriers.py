"""What a process knows of carriers that other processes work: which are down, and how well they deliver."""

from __future__ import annotations

from collections.abc import Collection

from trunkline.domain.provisioning import CarrierId
from trunkline.domain.quality import Measured
from trunkline.runtime import clock, log
from trunkline.store import leases, quality
from trunkline.store.db import DatabaseError, Standing

_log = log.get_logger()
_POLL_S = 1.0
_SILENT_S = 3.0  # a dispatcher says each second which carriers are ready
_QUALITY_EVERY_S = 15.0


class CarrierWatch:
    """Asked for each message, told by a poll. A carrier is down once this process has seen for `down_after_s` without a
    break that nobody could give it a message: neither a start nor an outage of the database makes one look so."""

    def __init__(self, dsn: str, *, down_after_s: float) -> None:
        self._standing = Standing(dsn, name="carriers", hot=False)
        self._down_after_s = down_after_s
        self._since: dict[CarrierId, float] = {}
        self._down: frozenset[CarrierId] = frozenset()
        self._quality: Measured = {}
        self._quality_at = float("-inf")

    def live(self, carrier_id: CarrierId) -> bool:
        """Whether messages may be given to the carrier."""
        return carrier_id not in self._down

    def down(self) -> Collection[CarrierId]:
        """The carriers that are not live."""
        return self._down

    def measured(self) -> Measured:
        """How well carriers deliver, as it was measured last."""
        return self._quality

    async def refresh(self) -> None:
        """Looks now. Raises what the database raises."""
        conn = await self._standing.get()
        unready = await leases.unready(conn, _SILENT_S)
        now = clock.boot_s()
        self._since = {carrier_id: self._since.get(carrier_id, now) for carrier_id in unready}
        down = frozenset(carrier for carrier, since in self._since.items() if now - since >= self._down_after_s)
        if down != self._down:
            _log.info("carriers.down", carriers=sorted(down))
            self._down = down
        if now - self._quality_at >= _QUALITY_EVERY_S:
            self._quality_at = now
            self._quality = await quality.kept(conn)

    async def run(self) -> None:
        """Keeps it current until cancelled."""
        while True:
            try:
                await self.refresh()
            except DatabaseError as error:
                _log.warning("carriers.unseen", error=log.explained(error))
                self._standing.abandon()
                # What is down stays so; for the others the time begins anew, since nobody could say that they are not.
                self._since = {
                    carrier_id: since for carrier_id, since in self._since.items() if carrier_id in self._down
                }
            await clock.sleep(_POLL_S)

    async def close(self) -> None:
        await self._standing.close()
