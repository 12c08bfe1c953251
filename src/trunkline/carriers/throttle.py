"""How fast a carrier may be sent to: unlimited until it says it is too fast, then the rate that it takes.

On ESME_RTHROTTLED or ESME_RMSGQFUL the rate is halved, at most once in two round trips (answers to what was already
on its way say nothing new), and the rate at the cut is remembered: the climb back is fast up to 95 % of it, slow
beyond. A refusal there, a little over what the carrier takes, costs a twentieth only. While the carrier takes nothing
at all, nothing new is remembered. Counts parts. All times are seconds of one clock that only grows.
"""

from __future__ import annotations

_FAST_CLIMB = 0.5  # of the rate, per second
_SLOW_CLIMB, _SLOW_CLIMB_A_PART = 0.01, 0.001  # whichever is less: at low rates each part is a larger step
_NEAR = 0.95
_DOUBT_S, _DOUBTFUL_CLIMB = 16.0, 0.25
_CUT, _CUT_NEAR, _CUT_NEAR_AGAIN = 0.5, 0.95, 0.8  # what is left of the rate
_STEADY_S = 2.0  # refused near the remembered rate again within this time, it was not that near
_LEAST = 1.0  # parts per second
_FORGET_S = 120.0  # without a refusal for so long, while at or over the remembered rate: no limit any more
# What is not used is kept for so long only, and a part is always kept: a pause is not followed by a burst, which would
# be refused again. So at low rates each part is due by the one before it, as it went and not as it should have gone.
_KEPT_S = 0.02
_NO_LIMIT = 1_000_000
_ROUNDING = 1e-3  # of a part: a timer that is so much early need not be set again


class Throttle:
    """A token bucket whose rate follows the carrier's answers."""

    def __init__(self, limit: float | None = None) -> None:
        """`limit`: parts per second that are never exceeded (None: as fast as the window allows)."""
        self.limit = limit
        self.rate: float | None = limit
        self.cut_rate: float | None = None  # at the last cut that told something; None: not slowed down
        self._cut_at = 0.0
        self._took = True  # something, since the last cut
        self._tokens = 1.0
        self._at = 0.0
        self._round_trip_s = 0.1
        self._sent = 0
        self._sent_since = 0.0

    @property
    def slowed(self) -> bool:
        """Whether the carrier is being sent less than it could be."""
        return self.cut_rate is not None

    def limit_to(self, limit: float | None) -> None:
        """The limit is another one from now on."""
        self.limit = limit
        if self.cut_rate is None:
            self.rate = limit
        elif limit is not None and self.rate is not None:
            self.rate = min(self.rate, limit)

    def room(self, now: float, ahead_s: float = 0.0) -> int:
        """How many parts may go until `ahead_s` from now; a large number where there is no limit."""
        self._advance(now)
        return _NO_LIMIT if self.rate is None else int(self._tokens + self.rate * ahead_s + _ROUNDING)

    def wait_s(self, now: float, count: int = 1, ahead_s: float = 0.0) -> float:
        """Seconds until `room` is `count`."""
        self._advance(now)
        return 0.0 if self.rate is None else max((count - self._tokens) / self.rate - ahead_s, 0.0)

    def sent(self, count: int, now: float) -> None:
        """So many parts went."""
        if now - self._sent_since > 1.0:
            self._sent, self._sent_since = 0, now
        self._sent += count
        self._advance(now)
        if self.rate is not None:
            self._tokens -= count

    def accepted(self) -> None:
        """The carrier took a part."""
        self._took = True

    def answered(self, round_trip_s: float) -> None:
        """A submit_sm was answered, whatever was said, after so long."""
        self._round_trip_s += 0.1 * (round_trip_s - self._round_trip_s)

    def refused(self, now: float) -> None:
        """The carrier said that it is too much."""
        self._advance(now)
        if self.cut_rate is not None and now < self._cut_at + 2 * self._round_trip_s:
            return
        if self.rate is not None and self.cut_rate is not None:
            current, left = self.rate, _CUT
            if current >= _NEAR * self.cut_rate:
                left = _CUT_NEAR if now >= self._cut_at + _STEADY_S else _CUT_NEAR_AGAIN
        else:
            current, left = max(self._sent / max(now - self._sent_since, 0.1), _LEAST), _CUT
        if self.cut_rate is None or self._took:
            self.cut_rate = current
        self._took = False
        self._cut_at = now
        self.rate = max(current * left, _LEAST)
        if self.limit is not None:
            self.rate = min(self.rate, self.limit)
        self._tokens = min(self._tokens, 1.0)

    def _advance(self, now: float) -> None:
        passed = max(now - self._at, 0.0)
        self._at = now
        if self.rate is None:
            return
        if self.cut_rate is None:
            self._refill(passed)
            return
        # In small steps: climb and refill depend on each other.
        while passed > 0:
            step = min(passed, 0.1)
            passed -= step
            self.rate *= 1 + self._climb(now) * step
            self._refill(step)
            if self.limit is not None and self.rate > self.limit:
                self.rate = self.limit
            if now - self._cut_at > _FORGET_S and (self.rate > self.cut_rate or self.rate == self.limit):
                self.cut_rate, self.rate = None, self.limit
                return

    def _climb(self, now: float) -> float:
        """By how much of itself the rate grows in a second."""
        assert self.rate is not None
        assert self.cut_rate is not None
        if self.rate < _NEAR * self.cut_rate:
            return _FAST_CLIMB
        # Nothing refused for so long: what is remembered is less than the carrier takes (one refusal at a quiet moment
        # says nothing of it). A rate that nobody used up proves nothing.
        if now >= self._cut_at + _DOUBT_S and self._tokens < 1:
            return _DOUBTFUL_CLIMB
        return min(_SLOW_CLIMB, _SLOW_CLIMB_A_PART * self.rate)

    def _refill(self, passed: float) -> None:
        assert self.rate is not None
        self._tokens = min(self._tokens + self.rate * passed, max(1.0, self.rate * _KEPT_S))
