"""A carrier that is a token bucket, and a sender that always has more: as mt/dispatch and mt/outbox do it, in simulated
time. What is claimed ahead waits for a timer; timers are late, and claims take their time."""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass

from trunkline.carriers.throttle import Throttle
from trunkline.mt.dispatch import _AHEAD_S, _GATHER_S

NEVER = math.inf


class Bucket:
    """A carrier of so many parts a second."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self.tokens, self.at = burst, 0.0
        self.closed = False  # it refuses everything

    def takes(self, at: float) -> bool:
        self.tokens = min(self.burst, self.tokens + (at - self.at) * self.rate)
        self.at = at
        if self.closed or self.tokens < 1 - 1e-9:
            return False
        self.tokens -= 1
        return True


@dataclass(frozen=True)
class Delays:
    """Seconds; each time anything between the two ends."""

    round_trip_s: float = 0.05
    claim_s: tuple[float, float] = (0.003, 0.01)
    timer_s: tuple[float, float] = (0.0, 0.001)


class Sender:
    def __init__(self, carrier: Bucket, delays: Delays, window: int = 40, limit: float | None = None) -> None:
        self.carrier, self.delays, self.window = carrier, delays, window
        self.throttle = Throttle(limit)
        self.chance = random.Random(1)
        self.now = 0.0
        self.waiting = 0
        self.answers: deque[tuple[float, bool]] = deque()
        self.accepted: list[float] = []
        self.refused: list[float] = []
        self.sent: list[float] = []
        self._timer_at = NEVER
        self._claims_at, self._claimed_at, self._claiming = 0.0, NEVER, 0

    def run(self, until: float) -> None:
        while True:
            answer_at = self.answers[0][0] if self.answers else NEVER
            self.now = min(self._timer_at, self._claims_at, self._claimed_at, answer_at)
            if self.now >= until:
                return
            if self.now == answer_at:
                self._answer(self.answers.popleft()[1])
            elif self.now == self._timer_at:
                self._timer_at = NEVER
                self._write()
            elif self.now == self._claimed_at:
                self._claimed_at = NEVER
                self.waiting += self._claiming
                self._write()
                self._claims_at = self.now + _GATHER_S
            else:
                self._claim()

    def _answer(self, fine: bool) -> None:
        (self.accepted if fine else self.refused).append(self.now)
        self.throttle.answered(self.delays.round_trip_s)
        if fine:
            self.throttle.accepted()
        else:
            self.throttle.refused(self.now)
        self._write()
        if self._claimed_at == NEVER:
            self._claims_at = min(self._claims_at, self.now)

    def _claim(self) -> None:
        under_way = self.waiting + len(self.answers)
        room = min(self.throttle.room(self.now, _AHEAD_S) - self.waiting, self.window - under_way, 400)
        if room > 0:
            self._claims_at, self._claiming = NEVER, room
            self._claimed_at = self.now + self.chance.uniform(*self.delays.claim_s)
        elif under_way < self.window:
            wait_s = self.throttle.wait_s(self.now, self.waiting + 1, _AHEAD_S)
            self._claims_at = self.now + max(wait_s, 0.005)
        else:
            self._claims_at = NEVER

    def _write(self) -> None:
        room = min(self.throttle.room(self.now), self.waiting)
        for _ in range(room):
            at = self.now + self.delays.round_trip_s / 2
            self.answers.append((self.now + self.delays.round_trip_s, self.carrier.takes(at)))
            self.sent.append(self.now)
        self.waiting -= room
        self.throttle.sent(room, self.now)
        wait_s = self.throttle.wait_s(self.now)
        if self.waiting and wait_s > 0 and self._timer_at == NEVER:
            self._timer_at = self.now + math.ceil(wait_s * 1000) / 1000 + self.chance.uniform(*self.delays.timer_s)


def offered(
    carrier: Bucket, delays: Delays, *, window: int = 40, warm_up_s: float = 10.0, seconds: float = 60.0
) -> tuple[float, float]:
    """(accepted of the carrier's rate, share of throttled answers) once it has settled."""
    sender = Sender(carrier, delays, window)
    sender.run(warm_up_s + seconds)
    accepted = sum(at >= warm_up_s for at in sender.accepted)
    refused = sum(at >= warm_up_s for at in sender.refused)
    return accepted / seconds / carrier.rate, refused / (accepted + refused)
