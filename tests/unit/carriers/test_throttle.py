"""The rate of a carrier that says when it is too much, step by step."""

from __future__ import annotations

import pytest

from trunkline.carriers.throttle import Throttle


def cut(*refused_at: float) -> Throttle:
    """A hundred parts a second, accepted, and refused at these times."""
    throttle = Throttle()
    for n in range(100):
        throttle.sent(1, 10 + n / 100)
    for at in refused_at:
        throttle.accepted()
        throttle.refused(at)
    return throttle


def test_nothing_is_limited_before_the_first_refusal() -> None:
    throttle = Throttle()
    throttle.sent(10_000, 1.0)
    assert throttle.room(1.001) > 100_000
    assert not throttle.slowed


def test_the_first_refusal_halves_what_was_sent() -> None:
    throttle = cut(11.0)
    assert throttle.rate == pytest.approx(50, rel=0.02)
    assert throttle.slowed


def test_refusals_of_one_window_cut_once() -> None:
    throttle = cut(11.0)
    first = throttle.rate
    for _ in range(50):
        throttle.refused(11.01)
    assert throttle.rate == pytest.approx(first, rel=0.1)


def test_a_refusal_on_the_way_up_halves_again() -> None:
    assert cut(11.0, 11.5).rate == pytest.approx(50 * 1.05**5 / 2, rel=0.03)


def test_a_refusal_near_the_remembered_rate_takes_a_twentieth() -> None:
    throttle = cut(11.0)
    throttle.room(14.0)
    before = throttle.rate
    assert before is not None
    assert 95 <= before <= 101  # beyond 95 % it climbs slowly
    throttle.refused(14.0)
    assert throttle.rate == pytest.approx(0.95 * before)


def test_refusals_one_after_the_other_take_more_also_near_the_remembered_rate() -> None:
    throttle = cut(11.0)
    throttle.room(14.0)
    throttle.refused(14.0)
    before = throttle.rate
    assert before is not None
    for at in (14.3, 14.6, 14.9):
        throttle.accepted()
        throttle.refused(at)
    assert throttle.rate is not None
    assert throttle.rate <= 0.55 * before


def test_what_takes_nothing_at_all_is_remembered_as_it_was() -> None:
    throttle = cut(11.0)
    remembered = throttle.cut_rate
    for n in range(30):
        throttle.refused(12.0 + n)
    assert throttle.cut_rate == remembered
    assert throttle.rate is not None
    assert throttle.rate < 2


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


def test_a_limit_set_while_it_is_slowed() -> None:
    throttle = cut(11.0)
    throttle.limit_to(20)
    assert throttle.rate == 20
    assert throttle.slowed
    throttle.room(100.0)
    assert throttle.rate == 20
    throttle.limit_to(None)
    throttle.room(101.0)
    assert throttle.rate is not None
    assert 20 < throttle.rate < 40  # it climbs from there


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
    while now < 60:
        now += 0.005
        throttle.sent(throttle.room(now), now)
    assert throttle.rate is None or throttle.rate > 100


def test_a_pause_is_not_followed_by_a_burst() -> None:
    throttle = cut(11.0)
    throttle.room(11.1)
    assert throttle.room(30.0) <= 3


def test_waiting_as_long_as_told_is_enough() -> None:
    throttle = cut(11.0)
    while throttle.room(11.0) > 0:
        throttle.sent(1, 11.0)
    wait_s = throttle.wait_s(11.0)
    assert 0 < wait_s <= 0.021
    assert throttle.room(11.0 + wait_s + 1e-6) == 1


def test_what_is_due_soon_is_told_ahead() -> None:
    throttle = Throttle(limit=20)
    throttle.sent(1, 0.0)
    assert (throttle.room(0.0), throttle.room(0.0, 0.11)) == (0, 2)
    assert throttle.wait_s(0.0, 3, 0.1) == pytest.approx(0.05)


def test_it_never_falls_under_one_a_second() -> None:
    rate = cut(*(11 + n for n in range(50))).rate
    assert rate is not None
    assert rate >= 1
