"""Claims whose answer was lost: what the database committed of them never went to the carrier, and is given back."""

from __future__ import annotations

from trunkline.domain.provisioning import CarrierId
from trunkline.runtime import log
from trunkline.store import queue
from trunkline.store.db import Connection

_log = log.get_logger()
# Looked for so long: a server that was cut off from us may commit a claim late.
_FOR_S = 60.0
_EVERY_S = 5.0


class LostClaims:
    """Of one carrier under one epoch: the claims whose rows are not in our hands, with the time of each."""

    def __init__(self, carrier_id: CarrierId, epoch: int) -> None:
        self._carrier_id = carrier_id
        self._epoch = epoch
        self._number = 0
        self._begun: dict[int, float] = {}
        self._looked_at = float("-inf")
        self._every_s = 0.0  # at once after a loss, then now and then

    def __bool__(self) -> bool:
        return bool(self._begun)

    def begin(self, now: float) -> int:
        """The number of a new claim. Until it has landed it counts as lost: whatever raises on the way, it is not
        forgotten."""
        self._number += 1
        self._begun[self._number] = now
        return self._number

    def landed(self, number: int) -> None:
        """Its rows are in our hands, or there were none."""
        del self._begun[number]

    def broken(self) -> None:
        """The connection is gone: what is lost is looked for with the next one."""
        self._every_s = 0.0

    def due(self, now: float) -> bool:
        """Whether it is time to look."""
        return bool(self._begun) and now - self._looked_at > self._every_s

    async def take_back(self, conn: Connection, now: float) -> int:
        """Gives back what they left in inflight; returns how many messages."""
        self._looked_at = now
        count = await queue.unclaim(conn, self._carrier_id, self._epoch, list(self._begun))
        if count:
            _log.warning("dispatch.claim_taken_back", carrier_id=self._carrier_id, count=count)
        self._begun = {number: at for number, at in self._begun.items() if now - at < _FOR_S}
        self._every_s = _EVERY_S
        return count
