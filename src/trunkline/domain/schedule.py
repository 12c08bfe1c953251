"""When a webhook is tried again."""

from __future__ import annotations

from collections.abc import Callable

# After the end of attempt 1, 2, … 9: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h. Ten attempts in all.
STEPS_S = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
_SPREAD = 0.2


def next_attempt_s(tries: int, retry_after_s: float | None, random: Callable[[], float]) -> float | None:
    """Seconds from the end of attempt number `tries` to the next one, ± 20 %; None: there is no other.

    A `Retry-After` that is longer is honoured up to twice the step. `random` returns a number in [0, 1).
    """
    if tries > len(STEPS_S):
        return None
    step = STEPS_S[tries - 1]
    spread = step * (1 - _SPREAD + 2 * _SPREAD * random())
    if retry_after_s is not None and retry_after_s > spread:
        return min(retry_after_s, 2.0 * step)
    return spread


# How long after it became due an event may wait for a receiver that is down, by how many attempts it has had: to the
# end of its schedule, and a day more.
PATIENCE_S = tuple(float(sum(STEPS_S[tries:]) + 86_400) for tries in range(len(STEPS_S) + 1))
