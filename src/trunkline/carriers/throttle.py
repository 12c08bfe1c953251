"""How fast a carrier may be sent to: unlimited until it says it is too fast, then the rate that it takes.

On ESME_RTHROTTLED or ESME_RMSGQFUL the rate is halved, at most once in two round trips (answers to what was already
on its way say nothing new), and the rate at the cut is remembered: the climb back is fast up to 95 % of it, slow
beyond. A refusal there, a little over what the carrier takes, costs a quarter only. Counts parts. All times are the
event loop's seconds.
"""

from __future__ import annotations

_FAST_CLIMB = 0.5  # of the rate, per second
_SLOW_CLIMB = 0.01
_NEAR = 0.95
_DOUBT_S, _DOUBTFUL_CLIMB = 8.0, 0.25
_CUT, _CUT_NEAR = 0.5, 0.75  # what is left of the rate
_LEAST = 1.0  # parts per second
_FORGET_S = 120.0  # without a refusal for so long, while at or over the remembered rate: no limit any more


class Throttle:
    """A token bucket whose rate follows the carrier's answers."""

    def __init__(self, limit: float | None = None) -> None:
        """`limit`: parts per second that are never exceeded (None: as fast as the window allows)."""
        self.limit = limit
        self.rate: float | None = limit
        self._cut_rate: float | None = None
        self._cut_at = 0.0
        self._tokens = 1.0
        self._at = 0.0
        self._round_trip_s = 0.1
        self._sent = 0
        self._sent_since = 0.0

    @property
    def slowed(self) -> bool:
        """Whether the carrier is being sent less than it could be."""
        return self._cut_rate is not None

    def room(self, now: float) -> int:
        """How many parts may go now; a large number where there is no limit."""
        self._advance(now)
        return 1_000_000 if self.rate is None else int(self._tokens)

    def wait_s(self, now: float) -> float:
        """Seconds until one more part may go."""
        self._advance(now)
        return 0.0 if self.rate is None or self._tokens >= 1 else (1 - self._tokens) / self.rate

    def sent(self, count: int, now: float) -> None:
        """So many parts went."""
        if now - self._sent_since > 1.0:
            self._sent, self._sent_since = 0, now
        self._sent += count
        # The time that the claim took earns nothing: made up for, it would put two parts too close together.
        self._advance(now)
        if self.rate is not None:
            self._tokens -= count

    def answered(self, round_trip_s: float) -> None:
        """A submit_sm was answered after so long."""
        self._round_trip_s += 0.1 * (round_trip_s - self._round_trip_s)

    def refused(self, now: float) -> None:
        """The carrier said that it is too much."""
        self._advance(now)
        if self._cut_rate is not None and now < self._cut_at + 2 * self._round_trip_s:
            return
        if self.rate is not None and self._cut_rate is not None:
            current = self.rate
        else:
            current = max(self._sent / max(now - self._sent_since, 0.1), _LEAST)
        near = self._cut_rate is not None and current >= _NEAR * self._cut_rate
        self._cut_rate = current
        self._cut_at = now
        self.rate = max(current * (_CUT_NEAR if near else _CUT), _LEAST)
        self._tokens = min(self._tokens, 1.0)

    def _advance(self, now: float) -> None:
        passed = max(now - self._at, 0.0)
        self._at = now
        if self.rate is None:
            return
        if self._cut_rate is not None:
            # In small steps: climb and refill depend on each other.
            while passed > 0:
                step = min(passed, 0.1)
                passed -= step
                climb = self._climb(now)
                self.rate *= 1 + climb * step
                self._refill(step)
                if self.limit is not None and self.rate > self.limit:
                    self.rate = self.limit
                if now - self._cut_at > _FORGET_S and self.rate > self._cut_rate:
                    self._cut_rate, self.rate = None, self.limit
                    return
        else:
            self._refill(passed)

    def _climb(self, now: float) -> float:
        """By how much of itself the rate grows in a second."""
        assert self.rate is not None
        assert self._cut_rate is not None
        if self.rate < _NEAR * self._cut_rate:
            return _FAST_CLIMB
        # Nothing refused for so long: what is remembered is less than the carrier takes (several refusals in a row, or
        # one at a quiet moment, say nothing of it).
        # A rate that nobody used up proves nothing.
        in_doubt = now >= self._cut_at + _DOUBT_S and self._tokens < 1
        return _DOUBTFUL_CLIMB if in_doubt else _SLOW_CLIMB

    def _refill(self, passed: float) -> None:
        assert self.rate is not None
        # No more than 20 ms worth: a pause is not followed by a burst, which would be refused again.
        self._tokens = min(self._tokens + self.rate * passed, max(1.0, self.rate / 50))
