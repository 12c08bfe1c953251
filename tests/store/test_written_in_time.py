"""What was read of a claim is written at once or given back, to be read again: an opt-out may have come meanwhile."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from uuid import UUID

import pytest
from consent_ground import ConsentGround, on_consent_ground

from trunkline.carriers.throttle import Throttle
from trunkline.domain.provisioning import Carrier
from trunkline.mt import dispatch
from trunkline.mt.outbox import Outbox
from trunkline.mt.submit import Ticket
from trunkline.smpp.pdu import SubmitSm
from trunkline.store.queue import Claimed

AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def test_a_claim_that_was_read_too_late_is_read_again(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "_WRITE_WITHIN_S", -1.0)
    monkeypatch.setattr(dispatch, "_LATE_PAUSE_S", 0.05)

    async def test(there: ConsentGround) -> None:
        await there.begin()
        msg_id = await there.sends()
        await there.ground.dispatcher()
        await there.until("SELECT count(*) > 1 FROM attempt WHERE outcome = 'not_sent'")
        assert there.ground.submitted == []
        monkeypatch.setattr(dispatch, "_WRITE_WITHIN_S", 0.5)
        assert await there.ended(msg_id) == (None, 0)
        assert len(there.ground.submitted) == 1

    on_consent_ground(database, test)


class Windows:
    """Links with room for so many parts."""

    def __init__(self) -> None:
        self.carrier = Carrier(1, "c", True, {}, ())
        self.up, self.room = True, 0
        self.written: list[Ticket] = []

    @property
    def outstanding(self) -> int:
        return len(self.written)

    def submit(self, pdu: SubmitSm, ticket: Ticket, other_than: object = None) -> object | None:
        if not self.room:
            return None
        self.room -= 1
        self.written.append(ticket)
        return self


class GivenBack:
    """What outcomes are told."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, int]] = []

    def not_sent(self, ticket: Ticket) -> None:
        self.parts.append((ticket.claimed.msg_id.int, ticket.part_no))


def waiting(pool: Windows, told: GivenBack, parts: dict[int, int], deadline: float) -> Outbox:
    """Messages (number → parts) that wait for room until the deadline."""
    at = AT - dt.timedelta(days=1)
    made = Outbox(pool, Throttle(), told, may_write=lambda: True, at=lambda now: at, emptier=lambda: None)
    for number, count in parts.items():
        claimed = Claimed(1, 0, UUID(int=number), (1 << count) - 1, 0, False, AT, AT)
        made.put([(SubmitSm(), Ticket(claimed, "+1", part_no, count)) for part_no in range(1, count + 1)], deadline)
    return made


def ran(test: Callable[[], None]) -> None:
    async def main() -> None:
        test()

    asyncio.run(main())


def test_what_found_no_room_in_time_goes_back_although_answers_are_awaited() -> None:
    def test() -> None:
        pool, told = Windows(), GivenBack()
        made = waiting(pool, told, {1: 1, 2: 1, 3: 1}, deadline=10.5)
        pool.room = 1
        made.write(10.0)
        made.write(10.4)
        assert told.parts == []
        pool.room = 5
        made.write(10.6)
        assert told.parts == [(2, 1), (3, 1)]
        assert len(pool.written) == 1

    ran(test)


def test_the_rest_of_a_message_that_was_begun_stays_while_the_window_moves() -> None:
    def test() -> None:
        pool, told = Windows(), GivenBack()
        made = waiting(pool, told, {1: 3, 2: 2}, deadline=10.5)
        pool.room = 1
        made.write(10.0)
        pool.room = 1
        made.write(11.0)
        assert told.parts == [(2, 1), (2, 2)]
        assert [ticket.part_no for ticket in pool.written] == [1, 2]
        pool.up = False
        made.write(12.0)
        assert told.parts[2:] == [(1, 3)]

    ran(test)
