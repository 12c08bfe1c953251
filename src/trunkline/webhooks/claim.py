"""Step 7 of the trip: which due events this process takes up.

Lanes (origin, plan) fall into buckets, and each delivering process holds its share of the buckets by advisory locks of
one session: they end with the process, however it ends. So events need no mark while they are under way: the holder of
the lane remembers them, and a crash brings them back at once.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import random
from collections.abc import Callable, Sequence
from zlib import crc32

from trunkline.domain.provisioning import PlanId
from trunkline.runtime import clock, log
from trunkline.store import hooks
from trunkline.store.db import Connection, DatabaseError, Standing
from trunkline.store.hooks import Hook

_log = log.get_logger()

BUCKETS = 64
_BEGINNING = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
# Transactions become visible later than the time they wrote down, so the floor stays this far behind.
_FLOOR_LAG = dt.timedelta(seconds=2)
_RESET_FLOORS_S = 5.0
_LANES_KNOWN_S = 0.1
_MOST = 512


def bucket_of(origin: str) -> int:
    """The bucket that an origin's lanes fall into; the same in every process."""
    return crc32(origin.encode()) % BUCKETS


class Holding:
    """The buckets that this process holds."""

    def __init__(self, dsn: str) -> None:
        self._standing = Standing(dsn, name="hook lanes", hot=False)
        self._session: Connection | None = None
        self.buckets: frozenset[int] = frozenset()

    async def run(self) -> None:
        """Keeps an even share of the buckets until cancelled."""
        while True:
            try:
                await self._balance()
            except DatabaseError as error:
                _log.warning("hooks.lanes_lost", error=log.explained(error))
                self._standing.abandon()
                self.buckets = frozenset()
            await clock.sleep(1.0 if self.buckets else 0.1)

    async def _balance(self) -> None:
        conn = await self._standing.get()
        if conn is not self._session:
            self.buckets, self._session = frozenset(), conn
            await hooks.be_present(conn)
        share = -(-BUCKETS // max(await hooks.holders(conn), 1))
        if len(self.buckets) > share:
            surplus = sorted(self.buckets)[share:]
            # Let go first: whatever is under way of them may then go out twice, but none can be forgotten.
            self.buckets -= set(surplus)
            await hooks.let_go(conn, surplus)
        elif len(self.buckets) < share:
            missing = [bucket for bucket in range(BUCKETS) if bucket not in self.buckets]
            random.shuffle(missing)
            self.buckets |= await hooks.hold(conn, missing, share - len(self.buckets))

    async def close(self) -> None:
        """Lets everything go."""
        self.buckets = frozenset()
        await self._standing.close()


class _Lane:
    """One lane: what is under way of it, and from where on its index is read."""

    __slots__ = ("floor", "open")

    def __init__(self) -> None:
        self.floor = _BEGINNING
        self.open: set[tuple[object, int]] = set()


class Claims:
    """Takes up due events, each lane at most as many as its origin has room for."""

    def __init__(self, holding: Holding, room: Callable[[PlanId, str], int]) -> None:
        """`room(plan, origin)`: how many posts would start at once."""
        self._holding = holding
        self._room = room
        self._lanes: dict[tuple[PlanId, str], _Lane] = {}
        # Ended while a read was on its way: that read may still show them, the next one does not.
        self._just_ended: set[tuple[object, int]] = set()
        self._due: list[tuple[PlanId, str]] = []
        self._looked_at = self._reset_at = float("-inf")
        self.next_due_s = 1.0

    def look(self) -> None:
        """There may be new lanes."""
        self._looked_at = float("-inf")

    async def take(self, conn: Connection) -> list[Hook]:
        """Events to post now; each is under way until `ended`."""
        await self._look(conn)
        chosen = self._chosen()
        if not chosen:
            return []
        self._just_ended.clear()
        found = await hooks.due(conn, chosen)
        taken = []
        for hook in found:
            lane = self._lanes.setdefault((hook.plan_id, hook.origin), _Lane())
            key = (hook.msg_id, hook.n)
            if key not in lane.open and key not in self._just_ended:
                lane.open.add(key)
                taken.append(hook)
        if not taken:
            self._due = []
        return taken

    def ended(self, taken: Sequence[Hook]) -> None:
        """The result of these is stored: they have left the queue, or are due another time."""
        for hook in taken:
            self._just_ended.add((hook.msg_id, hook.n))
            lane = self._lanes.get((hook.plan_id, hook.origin))
            if lane is not None:
                lane.open.discard((hook.msg_id, hook.n))
                # What is older than a stored result and not under way is done; the lag covers late commits.
                if not lane.open or hook.due_at - _FLOOR_LAG > lane.floor:
                    lane.floor = max(lane.floor, hook.due_at - _FLOOR_LAG)

    def put_back(self, taken: Sequence[Hook]) -> None:
        """Nothing was done about these: they are taken again."""
        for hook in taken:
            lane = self._lanes.get((hook.plan_id, hook.origin))
            if lane is not None:
                lane.open.discard((hook.msg_id, hook.n))

    async def _look(self, conn: Connection) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._reset_at > _RESET_FLOORS_S:
            self._reset_at = now
            for key, lane in list(self._lanes.items()):
                lane.floor = _BEGINNING
                if not lane.open:
                    del self._lanes[key]
        if self._due and now - self._looked_at < _LANES_KNOWN_S:
            return
        self._looked_at = now
        mine = [lane for lane in await hooks.lanes(conn) if bucket_of(lane.origin) in self._holding.buckets]
        waits = [lane.due_in_s for lane in mine if lane.due_in_s > 0]
        self.next_due_s = min([1.0, *(max(wait, 0.01) for wait in waits)])
        self._due = [(lane.plan_id, lane.origin) for lane in mine if lane.due_in_s == 0]

    def _chosen(self) -> list[tuple[PlanId, str, dt.datetime, int]]:
        left = _MOST
        chosen = []
        # A different first each time: with many lanes no one is always last.
        start = random.randrange(len(self._due)) if self._due else 0
        for plan_id, origin in (*self._due[start:], *self._due[:start]):
            room = min(self._room(plan_id, origin), left)
            if room > 0:
                lane = self._lanes.setdefault((plan_id, origin), _Lane())
                # What is under way is still in the queue and is read over.
                chosen.append((plan_id, origin, lane.floor, room + len(lane.open)))
                left -= room
        return chosen
