"""The rate at a carrier that allows bursts or none, with a sender that is as late as a claim makes it."""

from __future__ import annotations

import heapq
import random

import pytest

from trunkline.carriers.throttle import Throttle

WARM_UP_S, END_S = 10.0, 70.0
PAUSE_LEAST_S, GATHER_S = 0.005, 0.004  # as mt/dispatch waits


class Bucket:
    """A carrier of so many parts a second: a token bucket."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self.tokens, self.at = burst, 0.0

    def takes(self, at: float) -> bool:
        self.tokens = min(self.burst, self.tokens + (at - self.at) * self.rate)
        self.at = at
        if self.tokens < 1 - 1e-9:
            return False
        self.tokens -= 1
        return True


def offered(carrier: Bucket, *, round_trip_s: float, late_s: float, window: int = 40) -> tuple[float, float]:
    """There is always more to send: (accepted per second, share of throttled answers) once it has settled."""
    throttle, chance = Throttle(), random.Random(1)
    now, answers = 0.0, []
    counts = {True: 0, False: 0}

    def answered(until: float) -> None:
        while answers and answers[0][0] <= until:
            at, fine = heapq.heappop(answers)
            if not fine:
                throttle.refused(at)
            throttle.answered(round_trip_s)
            if at >= WARM_UP_S:
                counts[fine] += 1

    while now < END_S:
        count = min(window - len(answers), throttle.room(now))
        if count > 0:
            now += chance.uniform(0.3, 1) * late_s  # the claim
            answered(now)
            for _ in range(count):
                heapq.heappush(answers, (now + round_trip_s, carrier.takes(now + round_trip_s / 2)))
            throttle.sent(count, now)
            now += GATHER_S
        elif len(answers) >= window:
            now = max(now, answers[0][0])
        else:
            now += max(throttle.wait_s(now), PAUSE_LEAST_S)
        answered(now)
    return counts[True] / (END_S - WARM_UP_S), counts[False] / sum(counts.values())


@pytest.mark.parametrize("burst", [1, 2, 20])
@pytest.mark.parametrize("late_s", [0.0, 0.003])
@pytest.mark.parametrize("round_trip_s", [0.01, 0.05, 0.2])
def test_twenty_a_second(burst: int, late_s: float, round_trip_s: float) -> None:
    accepted, throttled = offered(Bucket(20, burst), round_trip_s=round_trip_s, late_s=late_s)
    assert accepted >= 0.9 * 20
    assert throttled <= 0.05


@pytest.mark.parametrize("rate", [10, 100, 500])
def test_other_rates(rate: int) -> None:
    accepted, throttled = offered(Bucket(rate, max(rate / 10, 1)), round_trip_s=0.05, late_s=0.003, window=200)
    assert accepted >= 0.9 * rate
    assert throttled <= 0.05


def cut(*refused_at: float) -> Throttle:
    """A hundred parts a second, refused at these times."""
    throttle = Throttle()
    for n in range(100):
        throttle.sent(1, 10 + n / 100)
    for at in refused_at:
        throttle.refused(at)
    return throttle


def test_the_first_refusal_halves_what_was_sent() -> None:
    throttle = cut(11.0)
    assert throttle.rate == pytest.approx(50, rel=0.02)
    assert throttle.slowed


def test_a_refusal_on_the_way_up_halves_again() -> None:
    assert cut(11.0, 11.5).rate == pytest.approx(50 * 1.05**5 / 2, rel=0.03)


def test_a_refusal_beyond_the_remembered_rate_takes_a_quarter() -> None:
    throttle = cut(11.0)
    throttle.room(13.0)
    before = throttle.rate
    assert 95 <= before <= 101  # beyond 95 % it climbs slowly
    throttle.refused(13.0)
    assert throttle.rate == pytest.approx(0.75 * before)


def test_what_went_before_the_first_refusal_is_not_owed() -> None:
    """A million parts sent without a limit: the next may go as soon as the new rate lets it."""
    throttle = Throttle()
    for n in range(1000):
        throttle.sent(1000, n)
    throttle.refused(1000.0)
    assert throttle.wait_s(1000.0) <= 1
    assert throttle.room(1001.0) >= 1


def test_no_refusal_for_long_ends_it() -> None:
    throttle = cut(11.0)
    throttle.room(11.0 + 130)
    assert throttle.rate is None
    assert not throttle.slowed
    assert throttle.room(200.0) > 100_000


def test_a_limit_outlives_a_refusal() -> None:
    throttle = Throttle(limit=30)
    for n in range(30):
        throttle.sent(1, 10 + n / 30)
    throttle.refused(11.0)
    assert throttle.rate == pytest.approx(15, rel=0.1)
    throttle.room(11.0 + 200)
    assert throttle.rate == 30


def test_a_pause_is_not_followed_by_a_burst() -> None:
    throttle = cut(11.0)
    throttle.room(11.1)
    assert throttle.room(30.0) <= 3


def test_waiting_as_long_as_told_is_enough() -> None:
    throttle = cut(11.0)
    while throttle.room(11.0) > 0:
        throttle.sent(1, 11.0)
    wait_s = throttle.wait_s(11.0)
    assert 0 < wait_s <= 0.02
    assert throttle.room(11.0 + wait_s + 1e-6) == 1


def test_it_never_falls_under_one_a_second() -> None:
    assert cut(*(11 + n for n in range(50))).rate >= 1
