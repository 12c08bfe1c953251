"""Message ids: version 7, in order whatever the clock does, and with the time of acceptance in them."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import pytest

from trunkline.domain import ids as module
from trunkline.domain.ids import MsgIds, created_at, created_ms

AT_MS = 1_767_225_600_123  # 2026-01-01T00:00:00.123Z


def test_version_and_variant() -> None:
    """RFC 9562 §5.7: version 7 in bits 48-51, variant 0b10 in bits 64-65."""
    ids = MsgIds()
    for step in range(1000):
        msg_id = ids.new(AT_MS + step // 10)
        assert msg_id.version == 7
        assert msg_id.int >> 62 & 3 == 0b10


def test_time_of_acceptance_comes_back() -> None:
    msg_id = MsgIds().new(AT_MS)
    assert created_ms(msg_id) == AT_MS
    assert created_at(msg_id) == dt.datetime(2026, 1, 1, 0, 0, 0, 123_000, tzinfo=dt.UTC)


@pytest.mark.parametrize("drift_ms", [0, 1, -1, -3_600_000])
def test_order_is_strict_whatever_the_clock_does(drift_ms: int) -> None:
    ids = MsgIds()
    found = [ids.new(AT_MS + n * drift_ms) for n in range(5000)]
    assert found == sorted(set(found))
    assert len(set(found)) == 5000


def test_a_clock_set_back_does_not_change_the_time() -> None:
    ids = MsgIds()
    ids.new(AT_MS)
    assert created_ms(ids.new(AT_MS - 60_000)) == AT_MS


def test_a_full_millisecond_runs_into_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counter start and tail as large as can be drawn: 33 million ids later the counter is full."""
    monkeypatch.setattr(module.os, "urandom", lambda count: b"\xff" * count)
    ids = MsgIds()
    first = ids.new(AT_MS)
    ids._counter = 0x3FFFFFF - 1
    last, after = ids.new(AT_MS), ids.new(AT_MS)
    assert first < last < after
    assert [created_ms(msg_id) for msg_id in (first, last, after)] == [AT_MS, AT_MS, AT_MS + 1]
    assert after.version == 7


def test_the_drawn_counter_leaves_half_a_millisecond_of_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.os, "urandom", lambda count: b"\xff" * count)
    ids = MsgIds()
    ids.new(AT_MS)
    assert ids._counter == 0x1FFFFFF


def test_two_processes_do_not_meet() -> None:
    one, other = MsgIds(), MsgIds()
    assert not {one.new(AT_MS) for _ in range(2000)} & {other.new(AT_MS) for _ in range(2000)}


def test_ids_sort_as_their_times() -> None:
    ids = MsgIds()
    assert ids.new(AT_MS) < UUID(int=AT_MS + 1 << 80) < ids.new(AT_MS + 1)
