"""Which receivers are down: their events wait, but for one now and then that finds out whether they are back.

A breaker belongs to one lane (plan, origin) and lives in the process that holds the lane.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from trunkline.domain.provisioning import PlanId
from trunkline.runtime import log, metrics

_log = log.get_logger()
_OPEN = metrics.gauge("trunkline_hook_breakers_open", "Receivers (plan, origin) that are taken to be down.")

IN_A_ROW = 10
_SHARE, _AT_LEAST, _WITHIN_S = 0.7, 10, 300.0
PROBE_S = 30.0
_SLICE_S = 15.0

Lane = tuple[PlanId, str]


class Breaker:
    """Opens after 10 failures in a row, or 70 % of at least 10 attempts within 5 minutes; closes on a success.

    While it is open one event may go each 30 s. Attempts are counted in slices of time, so that a busy lane costs no
    more than a quiet one.
    """

    __slots__ = ("_failed_in_a_row", "_now", "_probe_at", "_slices", "used_at")

    def __init__(self, now: Callable[[], float]) -> None:
        """`now`: seconds that only ever grow."""
        self._now = now
        self._probe_at: float | None = None  # None: closed
        self._failed_in_a_row = 0
        self._slices: deque[list[float]] = deque()  # [its begin, attempts, failures of them]
        self.used_at = now()

    @property
    def is_open(self) -> bool:
        return self._probe_at is not None

    def room(self, wanted: int) -> int:
        """How many of `wanted` events may go now."""
        if self._probe_at is None:
            return wanted
        return min(wanted, 1) if self._now() >= self._probe_at else 0

    def went(self) -> None:
        """Events go; while it is open, this is the one."""
        if self._probe_at is not None:
            self.used_at = self._now()
            self._probe_at = self.used_at + PROBE_S

    def came_to_nothing(self) -> None:
        """What went did not reach the receiver after all: another may go."""
        if self._probe_at is not None:
            self._probe_at = self._now()

    def succeeded(self) -> bool:
        """An attempt did. Returns whether this closed it."""
        self._failed_in_a_row = 0
        if self._probe_at is not None:
            self._probe_at = None
            self._slices.clear()
            self.used_at = self._now()
            return True
        self._slice()[1] += 1
        return False

    def failed(self) -> bool:
        """An attempt did. Returns whether this opened it."""
        self._failed_in_a_row += 1
        latest = self._slice()
        latest[1] += 1
        latest[2] += 1
        if self._probe_at is not None or not self._is_too_much():
            return False
        self._probe_at = self.used_at + PROBE_S
        return True

    def _slice(self) -> list[float]:
        now = self.used_at = self._now()
        slices = self._slices
        while slices and slices[0][0] <= now - _WITHIN_S:
            slices.popleft()
        if not slices or slices[-1][0] <= now - _SLICE_S:
            slices.append([now, 0, 0])
        return slices[-1]

    def _is_too_much(self) -> bool:
        if self._failed_in_a_row >= IN_A_ROW:
            return True
        attempts = sum(one[1] for one in self._slices)
        return attempts >= _AT_LEAST and sum(one[2] for one in self._slices) >= _SHARE * attempts


class Breakers:
    """The breakers of the lanes that this process holds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._of: dict[Lane, Breaker] = {}

    def room(self, lane: Lane, wanted: int) -> int:
        """How many of `wanted` events of a lane may go now."""
        breaker = self._of.get(lane)
        return wanted if breaker is None else breaker.room(wanted)

    def went(self, lane: Lane) -> None:
        """Events of the lane go."""
        if (breaker := self._of.get(lane)) is not None:
            breaker.went()

    def came_to_nothing(self, lanes: Iterable[Lane]) -> None:
        """What went of them did not reach the receiver."""
        for lane in lanes:
            if (breaker := self._of.get(lane)) is not None:
                breaker.came_to_nothing()

    def succeeded(self, lane: Lane) -> None:
        breaker = self._of.get(lane) or self._new(lane)
        if breaker.succeeded():
            _OPEN.of().value -= 1
            _log.info("hook.breaker_closed", plan_id=lane[0], origin=lane[1])

    def failed(self, lane: Lane) -> None:
        breaker = self._of.get(lane) or self._new(lane)
        if breaker.failed():
            _OPEN.of().value += 1
            _log.warning("hook.breaker_opened", plan_id=lane[0], origin=lane[1], probe_s=PROBE_S)

    def open(self) -> list[Lane]:
        """The lanes whose events wait."""
        return [lane for lane, breaker in self._of.items() if breaker.is_open]

    def keep(self, held: Callable[[Lane], bool]) -> None:
        """Forgets the lanes that are held by others now, and those where nothing has happened for long."""
        long_ago = self._now() - _WITHIN_S
        for lane, breaker in list(self._of.items()):
            if not held(lane) or breaker.used_at <= long_ago:
                _OPEN.of().value -= breaker.is_open
                del self._of[lane]

    def _new(self, lane: Lane) -> Breaker:
        breaker = self._of[lane] = Breaker(self._now)
        return breaker
