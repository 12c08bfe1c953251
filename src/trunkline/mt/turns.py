"""Whose turn it is at a carrier: lanes by priority, plans by weight, and of each lane what was claimed of it already.

Start-time fair queueing: each lane stands at a virtual time, which moves on by parts / weight of what it was served,
and the lane that stands first is served first. Lanes that had nothing stand where the others are when they come back,
so one message of a plan is in the next claim, however many another plan has waiting.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from trunkline.domain.provisioning import PlanId
from trunkline.store.queue import FIRST, Claimed, Lane

_SHARED_FOR_S = 60.0  # a plan is counted among those that share the carrier so long after it had something
# A commit may become visible after one with a later id, so the floor stays behind what was claimed last.
_FLOOR_LAG_S = 0.25


class Terms(NamedTuple):
    """On what terms a lane may be served now."""

    weight: int = 1  # of its plan
    most: int = 1_000_000  # messages
    small: int = 0  # up to so many parts it is one of those that some room is kept for


class Share(NamedTuple):
    """What a claim asks of a lane: so many messages behind `after`."""

    lane: Lane
    after: UUID
    take: int


class _Place:
    """Where a lane stands; and the largest msg_id below which nothing is left in it, as far as claims some time ago
    tell."""

    __slots__ = ("_claims", "after", "limited", "short", "start", "weight")

    def __init__(self, start: float) -> None:
        self.start = start
        self.weight = 1
        self.limited = False  # it could have been served more, but for its terms
        self.short = False  # it had less than was asked of it: not asked again until it is found again
        self.after = FIRST
        self._claims: deque[tuple[float, UUID]] = deque()

    def claimed(self, now: float, last: UUID) -> None:
        self._claims.append((now, last))

    def floor(self, now: float) -> UUID:
        while self._claims and self._claims[0][0] < now - _FLOOR_LAG_S:
            last = self._claims.popleft()[1]
            if last > self.after:
                self.after = last
        return self.after

    def forget_floor(self) -> None:
        self.after = FIRST
        self._claims.clear()


class Turns:
    """The lanes of a carrier that hold something, as far as is known."""

    def __init__(self) -> None:
        self._places: dict[Lane, _Place] = {}
        self._classes: list[list[Lane]] = []
        self._times: dict[int, float] = {}  # the virtual time of each priority: where the lane stands that is next
        self._seen: dict[PlanId, float] = {}  # when a plan last had something
        self._gone: dict[Lane, float] = {}  # lanes that hold nothing now, and were served beyond that time

    def __len__(self) -> int:
        return len(self._places)

    @property
    def shared(self) -> bool:
        """Whether more than one plan has had something within the last minute."""
        return len(self._seen) > 1

    def found(self, lanes: Sequence[Lane], now: float) -> None:
        """These lanes hold something, and no others; in order of their priority, highest first."""
        self._seen |= dict.fromkeys([lane.plan_id for lane in lanes], now)
        self._seen = {plan_id: at for plan_id, at in self._seen.items() if at > now - _SHARED_FOR_S}
        before, self._places = self._places, {}
        classes: dict[int, list[Lane]] = {}
        for lane in lanes:
            place = before.pop(lane, None)
            if place is None:
                place = _Place(max(self._gone.pop(lane, 0.0), self._times.get(lane.priority, 0.0)))
            place.short = False
            self._places[lane] = place
            classes.setdefault(lane.priority, []).append(lane)
        self._classes = list(classes.values())
        self._gone |= {lane: place.start for lane, place in before.items()}
        self._gone = {lane: at for lane, at in self._gone.items() if at > self._times.get(lane.priority, 0.0)}

    def classes(self) -> Iterator[list[Lane]]:
        """The lanes of each priority, highest first."""
        return iter(self._classes)

    def forget_floors(self) -> None:
        """Something may have come back below what was claimed before."""
        for place in self._places.values():
            place.forget_floor()

    def shares(self, lanes: Sequence[Lane], terms: Sequence[Terms], free: int, kept: int, now: float) -> list[Share]:
        """What to claim of lanes of one priority, in their turn, for `free` parts, of which `kept` are only for lanes
        that get no more than is `small`. Counts a message as one part: what it is, and where the lane stands then,
        `served` tells."""
        standing = self._standing(lanes, terms)
        takes: dict[int, int] = {}
        large: set[int] = set()
        for_large = free - kept
        while standing and free > 0:
            start, n = standing[0]
            weight, most, small = terms[n]
            taken = takes.get(n, 0)
            fits = for_large if n in large else max(small, for_large) - taken
            room = min(most - taken, free, fits)
            if room <= 0:
                heapq.heappop(standing)
                self._places[lanes[n]].limited = True
                continue
            count = room if len(standing) == 1 else 1
            takes[n] = taken + count
            free -= count
            if n in large:
                for_large -= count
            elif takes[n] > small:
                large.add(n)
                for_large -= takes[n]
            heapq.heapreplace(standing, (start + count / weight, n))
        return [Share(lanes[n], self._places[lanes[n]].floor(now), take) for n, take in takes.items()]

    def _standing(self, lanes: Sequence[Lane], terms: Sequence[Terms]) -> list[tuple[float, int]]:
        """A heap of where those lanes stand that may be served, by number. One that was limited before does not get now
        what it could not use then."""
        places = [self._places[lane] for lane in lanes]
        ready = [n for n, place in enumerate(places) if terms[n].most > 0 and not place.short]
        if not ready:
            return []
        priority = lanes[0].priority
        next_at = min(places[n].start for n in ([n for n in ready if not places[n].limited] or ready))
        time = self._times[priority] = max(self._times.get(priority, 0.0), next_at)
        for n, place in enumerate(places):
            place.weight = terms[n].weight
            if place.limited:
                place.start = max(place.start, time)
            place.limited = terms[n].most <= 0
        standing = [(places[n].start, n) for n in ready]
        heapq.heapify(standing)
        return standing

    def served(self, asked: Sequence[Share], claimed: Sequence[Claimed], now: float) -> bool:
        """What came of `shares`. Returns whether a lane had less than was asked of it: others may hold something."""
        counts = {share.lane: 0 for share in asked}
        last: dict[Lane, UUID] = {}
        for message in claimed:
            lane = Lane(message.priority, message.plan_id)
            counts[lane] += 1
            place = self._places[lane]
            place.start += message.missing.bit_count() / place.weight
            if lane not in last or message.msg_id > last[lane]:
                last[lane] = message.msg_id
        for lane, msg_id in last.items():
            self._places[lane].claimed(now, msg_id)
        for share in asked:
            self._places[share.lane].short = counts[share.lane] < share.take
        return any(self._places[share.lane].short for share in asked)


def in_turn(asked: Sequence[Share], claimed: list[Claimed]) -> list[Claimed]:
    """The claimed messages, lane by lane in their turn; within a lane as they are."""
    if len(asked) == 1:
        return claimed
    turn = {share.lane: n for n, share in enumerate(asked)}
    return sorted(claimed, key=lambda message: turn[Lane(message.priority, message.plan_id)])
