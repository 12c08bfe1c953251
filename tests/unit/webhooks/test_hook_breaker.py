"""When a receiver is taken to be down, and how it is found out that it is back. The clock is ours."""

from __future__ import annotations

from trunkline.webhooks.breaker import PROBE_S, Breaker, Breakers

LANE = (1, "https://client.example.com")


class Clock:
    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


def opened(clock: Clock) -> Breaker:
    breaker = Breaker(clock)
    assert [breaker.failed() for _ in range(10)] == [False] * 9 + [True]
    return breaker


def test_ten_failures_in_a_row_open_it_and_nine_do_not() -> None:
    breaker = Breaker(Clock())
    for _ in range(100):
        breaker.succeeded()
    for _ in range(9):
        assert not breaker.failed()
    assert (breaker.is_open, breaker.room(32)) == (False, 32)
    assert breaker.failed()
    assert (breaker.is_open, breaker.room(32)) == (True, 0)


def test_ten_in_a_row_open_it_however_long_they_take() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(9):
        assert not breaker.failed()
        clock.s += 3600
    assert breaker.failed()


def test_seventy_percent_open_it_and_less_does_not() -> None:
    for outcomes, is_open in (("0001" * 3, True), ("0010010010", True), ("01" * 50, False), ("100" * 30, False)):
        breaker = Breaker(Clock())
        for outcome in outcomes:
            if outcome == "1":
                breaker.succeeded()
            else:
                breaker.failed()
            if breaker.is_open:
                break
        assert breaker.is_open is is_open, outcomes


def test_few_attempts_are_no_share() -> None:
    breaker = Breaker(Clock())
    breaker.succeeded()
    for _ in range(8):
        assert not breaker.failed()  # 8 of 9
    assert breaker.failed()  # 9 of 10


def test_what_is_five_minutes_old_does_not_count() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(1000):
        breaker.succeeded()
    clock.s += 301
    for outcome in (False, False, False, True, False, False, False, True, False):
        if outcome:
            breaker.succeeded()
        else:
            assert not breaker.failed()
    assert breaker.failed()  # 8 of 10 of the last five minutes; of all, none to speak of


def test_one_event_goes_each_thirty_seconds() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.s += PROBE_S - 0.1
    assert breaker.room(32) == 0
    clock.s += 0.1
    assert breaker.room(32) == 1
    assert breaker.room(0) == 0
    breaker.went()
    assert breaker.room(32) == 0
    assert not breaker.failed()  # it is open already
    clock.s += PROBE_S - 0.1
    assert breaker.room(32) == 0
    clock.s += 0.1
    assert breaker.room(32) == 1


def test_a_success_closes_it_and_it_begins_anew() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.s += PROBE_S
    breaker.went()
    assert breaker.succeeded()
    assert breaker.room(32) == 32
    assert [breaker.failed() for _ in range(10)] == [False] * 9 + [True]


def test_a_probe_that_did_not_reach_the_receiver_is_no_probe() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.s += PROBE_S
    breaker.went()
    breaker.came_to_nothing()
    assert breaker.room(32) == 1
    assert breaker.is_open


def test_lanes_have_their_own_and_those_of_others_are_forgotten() -> None:
    clock = Clock()
    breakers = Breakers(clock)
    for _ in range(10):
        breakers.failed(LANE)
    other = (2, LANE[1])
    breakers.succeeded(other)
    assert [breakers.room(lane, 8) for lane in (LANE, other, (3, "https://new.example.com"))] == [0, 8, 8]
    assert breakers.open() == [LANE]
    breakers.keep(lambda lane: lane == LANE)
    assert breakers.open() == [LANE]
    breakers.keep(lambda lane: lane == other)
    assert breakers.open() == []
    assert breakers.room(LANE, 8) == 8


def test_a_lane_where_nothing_happens_is_forgotten() -> None:
    clock = Clock()
    breakers = Breakers(clock)
    for _ in range(10):
        breakers.failed(LANE)
    clock.s += 299
    breakers.went(LANE)
    clock.s += 299
    breakers.keep(lambda lane: True)
    assert breakers.open() == [LANE]
    clock.s += 1
    breakers.keep(lambda lane: True)
    assert breakers.open() == []
