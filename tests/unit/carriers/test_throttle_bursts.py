"""The rate at a carrier that allows bursts or none, with a sender whose timers are late, as claims and a busy loop make
them."""

from __future__ import annotations

import pytest
from throttled_sender import Bucket, Delays, Sender, offered


@pytest.mark.parametrize("burst", [1, 2, 20])
@pytest.mark.parametrize("late_s", [(0.0, 0.0), (0.0, 0.001), (0.0, 0.005), (0.005, 0.01)])
@pytest.mark.parametrize("round_trip_s", [0.01, 0.05, 0.2])
def test_twenty_a_second(burst: int, late_s: tuple[float, float], round_trip_s: float) -> None:
    accepted, throttled = offered(Bucket(20, burst), Delays(round_trip_s, timer_s=late_s))
    assert accepted >= 0.9
    assert throttled <= 0.05


@pytest.mark.parametrize("rate", [5, 10, 100, 500])
def test_other_rates(rate: int) -> None:
    accepted, throttled = offered(Bucket(rate, max(rate / 10, 1)), Delays(timer_s=(0.0, 0.003)), window=200)
    assert accepted >= 0.9
    assert throttled <= 0.05


@pytest.mark.parametrize("claim_s", [(0.02, 0.06), (0.0, 0.0)])
def test_a_slow_claim_makes_nothing_late(claim_s: tuple[float, float]) -> None:
    accepted, throttled = offered(Bucket(20, 1), Delays(claim_s=claim_s))
    assert accepted >= 0.93
    assert throttled <= 0.05


@pytest.mark.parametrize("burst", [1, 20])
def test_after_half_a_minute_without_anything_taken_it_is_back_at_once(burst: int) -> None:
    """A carrier that takes nothing at all says nothing of its rate."""
    carrier = Bucket(20, burst)
    sender = Sender(carrier, Delays())
    sender.run(30)
    carrier.closed = True
    sender.run(60)
    carrier.closed = False
    closed = [at for at in sender.sent if 31 <= at < 60]
    assert len(closed) <= 60  # a part or two a second find out
    sender.run(80)
    assert sum(70 <= at < 80 for at in sender.accepted) >= 0.9 * 200


def test_a_carrier_that_takes_less_from_now_on() -> None:
    carrier = Bucket(100, 10)
    sender = Sender(carrier, Delays())
    sender.run(20)
    carrier.rate, carrier.burst = 10.0, 1.0
    sender.run(80)
    assert sum(40 <= at < 80 for at in sender.accepted) >= 0.9 * 400
    assert sum(40 <= at < 80 for at in sender.refused) <= 0.05 * 400


def test_a_carrier_that_takes_more_from_now_on() -> None:
    carrier = Bucket(10, 1)
    sender = Sender(carrier, Delays())
    sender.run(20)
    carrier.rate, carrier.burst = 100.0, 10.0
    sender.run(60)
    assert sum(50 <= at < 60 for at in sender.accepted) >= 0.9 * 1000


def test_a_limit_that_is_set_is_kept_and_used() -> None:
    sender = Sender(Bucket(1000, 1000), Delays(), limit=20)
    sender.run(60)
    assert sender.refused == []
    assert 0.95 * 20 * 60 <= len(sender.accepted) <= 20 * 60 + 1
    assert min(b - a for a, b in zip(sender.sent, sender.sent[1:], strict=False)) >= 0.0499
