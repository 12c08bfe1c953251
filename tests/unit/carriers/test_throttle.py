"""The rate of a carrier that says when it is too much, against a simulated one."""

from __future__ import annotations

from collections import deque

import pytest

from trunkline.carriers.throttle import Throttle


def offered_plenty(allowed: float, burst: float, seconds: float, warm_up_s: float) -> tuple[float, float]:
    """A carrier that is a token bucket, a round trip of 50 ms, more to send than it takes: (accepted per second,
    share of throttled answers) after the warm-up."""
    throttle = Throttle()
    tokens, now, step = burst, 0.0, 0.005
    answers: deque[tuple[float, bool]] = deque()
    accepted = throttled = 0
    while now < seconds:
        now += step
        tokens = min(tokens + allowed * step, burst)
        while answers and answers[0][0] <= now:
            fine = answers.popleft()[1]
            throttle.answered(0.05)
            if not fine:
                throttle.refused(now)
            if now > warm_up_s:
                accepted += fine
                throttled += not fine
        count = min(throttle.room(now), 10 - len(answers))
        for _ in range(count):
            fine = tokens >= 1
            tokens -= fine
            answers.append((now + 0.05, fine))
        throttle.sent(count, now)
    return accepted / (seconds - warm_up_s), throttled / max(accepted + throttled, 1)


def test_a_slow_carrier_gets_what_it_takes() -> None:
    rate, refused = offered_plenty(20, 20, 60, 10)
    assert rate >= 0.9 * 20
    assert refused <= 0.05


def test_nothing_is_limited_before_the_first_refusal() -> None:
    throttle = Throttle()
    throttle.sent(10_000, 1.0)
    assert throttle.room(1.001) > 100_000
    assert not throttle.slowed


def test_refusals_of_one_window_cut_once() -> None:
    throttle = Throttle()
    throttle.sent(100, 1.0)
    throttle.sent(100, 1.9)
    throttle.refused(2.0)
    first = throttle.rate
    for _ in range(50):
        throttle.refused(2.01)
    assert throttle.rate == pytest.approx(first, rel=0.1)


def test_a_limit_is_never_exceeded() -> None:
    throttle = Throttle(limit=10)
    sent, now = 0, 0.0
    while now < 10:
        now += 0.01
        room = throttle.room(now)
        throttle.sent(room, now)
        sent += room
    assert sent <= 10 * 10 + 2


def test_one_refusal_at_a_quiet_moment_does_not_hold_a_carrier_down() -> None:
    throttle = Throttle()
    throttle.sent(1, 1.0)
    throttle.sent(1, 1.5)
    throttle.refused(1.6)  # two parts in a second were there to send: that says nothing of what the carrier takes
    now = 1.6
    while now < 40:
        now += 0.005
        throttle.sent(throttle.room(now), now)
    assert throttle.rate is None or throttle.rate > 100
