"""Step 7 of the trip: which due events this process takes up.

Lanes (origin, plan) fall into buckets, and each delivering process holds its share of the buckets by advisory locks of
one session: they end with the process, however it ends. So events need no mark while they are under way: the holder of
the lane remembers them, and a crash brings them back at once.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import random
from collections.abc import Callable, Collection, Sequence
from zlib import crc32

from trunkline.domain.provisioning import PlanId
from trunkline.runtime import clock, log
from trunkline.store import hooks
from trunkline.store.db import Connection, DatabaseError, Standing
from trunkline.store.hooks import Hook, Place
from trunkline.webhooks.breaker import Breakers

_log = log.get_logger()

BUCKETS = 64
_BEGINNING = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
# Transactions become visible later than the time they wrote down, so the floor stays this far behind.
_FLOOR_LAG = dt.timedelta(seconds=2)
_RESET_FLOORS_S = 5.0
_LANES_KNOWN_S = 0.1
_WHOLE_EVERY_S = 0.1
_MOST = 512


def bucket_of(origin: str) -> int:
    """The bucket that an origin's lanes fall into; the same in every process."""
    return crc32(origin.encode()) % BUCKETS


class Holding:
    """The buckets that this process holds."""

    def __init__(self, dsn: str, busy: Callable[[], Collection[int]] = frozenset) -> None:
        """`busy`: the buckets of which something is under way; another process gets them only after that."""
        self._standing = Standing(dsn, name="hook lanes", hot=False)
        self._session: Connection | None = None
        self._busy = busy
        self._leaving: set[int] = set()
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
            self._leaving.clear()
            await hooks.be_present(conn)
        share = -(-BUCKETS // max(await hooks.holders(conn), 1))
        if len(self.buckets) > share:
            surplus = sorted(self.buckets)[share:]
            self.buckets -= set(surplus)
            self._leaving.update(surplus)
        elif len(self.buckets) < share:
            back = sorted(self._leaving)[: share - len(self.buckets)]
            self._leaving.difference_update(back)
            self.buckets |= set(back)
            missing = [b for b in range(BUCKETS) if b not in self.buckets and b not in self._leaving]
            random.shuffle(missing)
            self.buckets |= await hooks.hold(conn, missing, share - len(self.buckets))
        # Nothing more is taken of these; what is under way ends first, or another process would send it again.
        if idle := self._leaving.difference(self._busy()):
            await hooks.let_go(conn, sorted(idle))
            self._leaving -= idle

    async def close(self) -> None:
        """Lets everything go."""
        self.buckets = frozenset()
        await self._standing.close()


class _Lane:
    """One lane: what is under way of it, what waits for that, and from where on its index is read."""

    __slots__ = ("behind_count", "behind_from", "floor", "open", "reached", "whole_at")

    def __init__(self) -> None:
        self.floor = _BEGINNING
        # The last event taken, if there were more behind it. Now and then all is read: commits become visible late.
        self.reached: Place | None = None
        self.whole_at = float("-inf")
        self.open: set[tuple[object, int]] = set()
        # Events that an earlier one of their message is before, and the first time among theirs.
        self.behind_count = 0
        self.behind_from: dt.datetime | None = None

    def read(self, most: int, now: float) -> tuple[Place, int]:
        """Behind which place to read for `most` events that are not under way, and how many rows."""
        if self.reached is not None and self.behind_from is None and now - self.whole_at < _WHOLE_EVERY_S:
            return self.reached, most
        self.whole_at = now
        # What is under way, or waits for that, is still in the queue and is read over.
        count = most + len(self.open) + self.behind_count
        self.behind_count, self.behind_from = 0, None
        return Place.before(self.floor), count

    def took(self, hook: Hook) -> None:
        """An event that was read is under way."""
        self.open.add((hook.msg_id, hook.n))
        place = Place(hook.due_at, hook.msg_id, hook.n)
        if self.reached is None or place > self.reached:
            self.reached = place
        else:  # it showed late, and others may have
            self.whole_at = float("-inf")

    def must_wait(self, hook: Hook) -> bool:
        """Whether an earlier event of the message is under way: the receiver must not get the two at once."""
        if hook.n < 2:
            return False
        is_behind = (hook.msg_id, 1) in self.open or (hook.n > 2 and (hook.msg_id, 2) in self.open)
        if is_behind:
            self.behind_count += 1
            self.behind_from = hook.due_at if self.behind_from is None else min(self.behind_from, hook.due_at)
            self.floor = min(self.floor, hook.due_at)  # which may have moved while it was read
        return is_behind

    def read_from(self, floor: dt.datetime) -> None:
        """Nothing that can be taken is left below; but what waits is read again."""
        self.floor = max(self.floor, floor if self.behind_from is None else min(floor, self.behind_from))


class Claims:
    """Takes up due events, each lane at most as many as its origin has room for and its breaker lets through."""

    def __init__(self, holding: Holding, room: Callable[[PlanId, str], int], breakers: Breakers | None = None) -> None:
        """`room(plan, origin)`: how many posts would start at once."""
        self._holding = holding
        self._room = room
        self._breakers = breakers if breakers is not None else Breakers(clock.monotonic_s)
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
        room = dict(chosen)
        now = asyncio.get_running_loop().time()
        reads = [(*key, *self._lanes.setdefault(key, _Lane()).read(most, now)) for key, most in chosen]
        unread = {(plan_id, origin): count for plan_id, origin, _, count in reads}
        taken = []
        for hook in await hooks.due(conn, reads):
            key = (hook.plan_id, hook.origin)
            unread[key] -= 1
            lane = self._lanes[key]
            event = (hook.msg_id, hook.n)
            if event in lane.open or event in self._just_ended or lane.must_wait(hook):
                continue
            if room[key] > 0:
                room[key] -= 1
                lane.took(hook)
                taken.append(hook)
        for key, count in unread.items():
            if count:
                self._lanes[key].reached = None
        for key in {(hook.plan_id, hook.origin) for hook in taken}:
            self._breakers.went(key)
        if not taken:
            self._due = []
        return taken

    def ended(self, taken: Sequence[Hook]) -> bool:
        """The result of these is stored: they have left the queue, or are due another time. Returns whether events may
        have waited for that."""
        waited = False
        for hook in taken:
            self._just_ended.add((hook.msg_id, hook.n))
            lane = self._lanes.get((hook.plan_id, hook.origin))
            if lane is not None:
                lane.open.discard((hook.msg_id, hook.n))
                waited = waited or lane.behind_count > 0
                # What is older than a stored result and not under way is done; the lag covers late commits.
                lane.read_from(hook.due_at - _FLOOR_LAG)
        return waited

    def put_back(self, taken: Sequence[Hook]) -> None:
        """Nothing was done about these: they are taken again."""
        for hook in taken:
            lane = self._lanes.get((hook.plan_id, hook.origin))
            if lane is not None:
                lane.open.discard((hook.msg_id, hook.n))
                lane.reached = None
        self._breakers.came_to_nothing({(hook.plan_id, hook.origin) for hook in taken})

    def busy(self) -> set[int]:
        """The buckets of which something is under way."""
        return {bucket_of(origin) for (_, origin), lane in self._lanes.items() if lane.open}

    def is_idle(self, lane: tuple[PlanId, str]) -> bool:
        """Whether nothing of a lane is under way."""
        return lane not in self._lanes or not self._lanes[lane].open

    @property
    def held(self) -> frozenset[int]:
        """The buckets of this process."""
        return self._holding.buckets

    def is_held(self, lane: tuple[PlanId, str]) -> bool:
        """Whether the lane is this process's."""
        return bucket_of(lane[1]) in self._holding.buckets

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
        mine = [lane for lane in await hooks.lanes(conn) if self.is_held((lane.plan_id, lane.origin))]
        waits = [lane.due_in_s for lane in mine if lane.due_in_s > 0]
        self.next_due_s = min([1.0, *(max(wait, 0.01) for wait in waits)])
        self._due = [(lane.plan_id, lane.origin) for lane in mine if lane.due_in_s == 0]

    def _chosen(self) -> list[tuple[tuple[PlanId, str], int]]:
        left = _MOST
        chosen = []
        # A different first each time: with many lanes no one is always last.
        start = random.randrange(len(self._due)) if self._due else 0
        for lane in (*self._due[start:], *self._due[:start]):
            room = self._breakers.room(lane, min(self._room(*lane), left))
            if room > 0:
                chosen.append((lane, room))
                left -= room
        return chosen
