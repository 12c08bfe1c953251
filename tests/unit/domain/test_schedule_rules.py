"""When a webhook is tried again: the whole schedule, its spread, and what a receiver may ask for."""

from __future__ import annotations

import pytest

from trunkline.domain.schedule import next_attempt_s

HOUR = 3600
WAITS = [5, 300, 1800, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR]


def test_ten_attempts_and_no_more() -> None:
    waits = [next_attempt_s(tries, None, lambda: 0.5) for tries in range(1, 12)]
    assert waits == [*map(pytest.approx, WAITS), None, None]


@pytest.mark.parametrize("tries", range(1, 10))
def test_spread_is_a_fifth_each_way(tries: int) -> None:
    step = WAITS[tries - 1]
    assert next_attempt_s(tries, None, lambda: 0.0) == pytest.approx(0.8 * step)
    assert next_attempt_s(tries, None, lambda: 1.0) == pytest.approx(1.2 * step)


@pytest.mark.parametrize(
    ("retry_after_s", "expected"),
    [(0, 300), (120, 300), (299, 300), (301, 301), (400.5, 400.5), (600, 600), (601, 600), (1e9, 600)],
)
def test_retry_after_lengthens_up_to_twice_the_step(retry_after_s: float, expected: float) -> None:
    assert next_attempt_s(2, retry_after_s, lambda: 0.5) == pytest.approx(expected)


def test_retry_after_is_compared_with_the_drawn_wait() -> None:
    """A wait drawn short is lengthened to what was asked for; one drawn long stays."""
    assert next_attempt_s(2, 280, lambda: 0.0) == pytest.approx(280)
    assert next_attempt_s(2, 280, lambda: 1.0) == pytest.approx(360)


def test_no_retry_after_gives_an_eleventh_attempt() -> None:
    assert next_attempt_s(10, 60, lambda: 0.5) is None
