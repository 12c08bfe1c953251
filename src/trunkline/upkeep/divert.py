"""Messages in the queue of a carrier that is down go to the carriers that their routes name next.

A dispatcher claims only what it can send at once, so nobody looks at the queue of a carrier without links but this.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from uuid import UUID

from trunkline.domain.provisioning import CarrierId, PlanId
from trunkline.domain.routes import Choice
from trunkline.runtime import clock, log, metrics
from trunkline.store import diverting, overdue, queue, refusals
from trunkline.store.db import Connection
from trunkline.store.diverting import Stranded
from trunkline.store.queue import FIRST, Lane
from trunkline.store.refusals import NO_REFUSALS, Refusals

_log = log.get_logger()
_DIVERTED = metrics.counter("trunkline_diverted", "Messages moved from the queue of a carrier that is down.")

_BATCH = 500
# Later than others learn that a carrier is down: who did not know yet would send its messages back.
_TOLD_S = 2.0
_AGAIN_S = 15.0  # after some stayed that have nowhere to go

# Where a message of a plan goes now. None: no route, or provisioning is unknown at the moment.
Choose = Callable[[PlanId, Stranded, Refusals], Choice | None]


class Diverting:
    """Goes through the queues of carriers that are down, some messages at a time."""

    def __init__(self, down: Callable[[], Collection[CarrierId]], choose: Choose) -> None:
        self._down = down
        self._choose = choose
        self._left: dict[CarrierId, list[tuple[Lane, UUID]]] = {}  # lanes to look at, each after this id
        self._stayed_at: dict[CarrierId, float] = {}
        self._seen_at: dict[CarrierId, float] = {}

    async def run(self, conn: Connection) -> bool:
        """One batch of each queue; whether there is more to look at."""
        down, now = self._down(), clock.boot_s()
        self._seen_at = {carrier_id: self._seen_at.get(carrier_id, now) for carrier_id in down}
        for known in (self._left, self._stayed_at):
            for carrier_id in [one for one in known if one not in down]:
                del known[carrier_id]
        known_to_all = [carrier_id for carrier_id, seen_at in self._seen_at.items() if now - seen_at >= _TOLD_S]
        if not known_to_all:
            return False
        more = False
        for carrier_id in await diverting.stranded(conn, known_to_all):
            async with conn.transaction():
                if await overdue.try_task(conn, f"divert {carrier_id}"):
                    more |= await self._batch(conn, carrier_id)
        return more

    async def _batch(self, conn: Connection, carrier_id: CarrierId) -> bool:
        left = self._left.get(carrier_id)
        if left is None:
            if clock.boot_s() - self._stayed_at.get(carrier_id, float("-inf")) < _AGAIN_S:
                return False
            left = self._left[carrier_id] = [(lane, FIRST) for lane in await queue.lanes(conn, carrier_id)]
        if not left:
            del self._left[carrier_id]
            return False
        lane, after = left[0]
        found = await diverting.waiting(conn, carrier_id, lane, after, _BATCH)
        moves = await self._moves(conn, lane, found)
        if moves:
            count = await diverting.divert(conn, carrier_id, lane, moves)
            _DIVERTED.of().value += count
            _log.info("message.diverted", carrier_id=carrier_id, plan_id=lane.plan_id, count=count)
        if len(moves) < len(found):
            self._stayed_at[carrier_id] = clock.boot_s()
        if len(found) < _BATCH:
            left.pop(0)
        else:
            left[0] = (lane, found[-1].msg_id)
        return True

    async def _moves(self, conn: Connection, lane: Lane, found: Sequence[Stranded]) -> list[tuple[UUID, Choice]]:
        """Where those messages go that another carrier takes. Of a message that was begun, the parts stay together."""
        whole = [message for message in found if message.missing == (1 << message.parts) - 1]
        if not whole:
            return []
        told = await refusals.of_messages(conn, [(lane.plan_id, message.msg_id) for message in whole])
        moves = []
        for message in whole:
            choice = self._choose(lane.plan_id, message, told.get((lane.plan_id, message.msg_id), NO_REFUSALS))
            if choice is not None and choice.carrier_id not in self._down():
                moves.append((message.msg_id, choice))
        return moves
