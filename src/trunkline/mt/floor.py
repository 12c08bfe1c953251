"""From where on a lane is read: what was claimed before is not walked over again."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from uuid import UUID

from trunkline.store.queue import FIRST, Claimed, Lane

# A commit may become visible after one with a later id, so the floor stays behind what was claimed last.
_FLOOR_LAG_S = 0.25


class Floor:
    """The largest msg_id of a lane below which nothing is left, as far as claims some time ago tell."""

    __slots__ = ("_claims", "after")

    def __init__(self) -> None:
        self.after = FIRST
        self._claims: deque[tuple[float, UUID]] = deque()

    def claimed(self, now: float, last: UUID) -> None:
        self._claims.append((now, last))

    def at(self, now: float) -> UUID:
        while self._claims and self._claims[0][0] < now - _FLOOR_LAG_S:
            last = self._claims.popleft()[1]
            if last > self.after:
                self.after = last
        return self.after


def raise_floors(lanes: Mapping[Lane, Floor], claimed: Sequence[Claimed], now: float) -> None:
    """These were claimed, of lanes that may be known."""
    last: dict[Lane, UUID] = {}
    for message in claimed:
        lane = Lane(message.priority, message.plan_id)
        if lane not in last or message.msg_id > last[lane]:
            last[lane] = message.msg_id
    for lane, msg_id in last.items():
        if lane in lanes:
            lanes[lane].claimed(now, msg_id)
