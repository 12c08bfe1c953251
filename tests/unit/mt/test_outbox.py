"""What waits for its moment and may not be written any more: its message has ended, or its validity."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from uuid import UUID

from trunkline.carriers.throttle import Throttle
from trunkline.mt.outbox import Outbox
from trunkline.mt.submit import Ticket
from trunkline.smpp.errors import EncodeError
from trunkline.store.queue import Claimed

NOW = dt.datetime(2026, 6, 22, tzinfo=dt.UTC)
BROKEN = "a PDU that cannot be written"


class PlayedPool:
    """A carrier with room for so many parts."""

    class carrier:
        name = "north"

    up = True

    def __init__(self) -> None:
        self.room = 10
        self.written: list[Ticket] = []

    def submit(self, pdu: object, ticket: Ticket, other_than: object) -> object:
        if not self.room:
            return None
        if pdu is BROKEN:
            raise EncodeError("short_message too long")
        self.room -= 1
        self.written.append(ticket)
        return self


class Told:
    """The outcomes' place."""

    def __init__(self) -> None:
        self.ends: list[tuple[str, Ticket]] = []

    def over(self, ticket: Ticket) -> None:
        self.ends.append(("over", ticket))

    def expired(self, ticket: Ticket) -> None:
        self.ends.append(("expired", ticket))

    def failed(self, ticket: Ticket, reason: str, code: int) -> None:
        self.ends.append((reason, ticket))


class Sending:
    def __init__(self) -> None:
        self.pool, self.told, self.at = PlayedPool(), Told(), NOW
        self.outbox = Outbox(
            self.pool,  # type: ignore[arg-type]
            Throttle(),
            self.told,  # type: ignore[arg-type]
            may_write=lambda: True,
            at=lambda now: self.at,
            emptier=lambda: None,
        )

    def message(self, number: int, parts: int, valid_s: float = 60.0) -> list[Ticket]:
        expires_at = NOW + dt.timedelta(seconds=valid_s)
        claimed = Claimed(1, 0, UUID(int=number), (1 << parts) - 1, 0, False, expires_at, NOW)
        return [Ticket(claimed, "+1555", part_no, parts) for part_no in range(1, parts + 1)]

    def put(self, tickets: list[Ticket], pdu: object = None) -> None:
        self.outbox.put([(pdu, ticket) for ticket in tickets], float("inf"))  # type: ignore[misc]


def play(main: Callable[[Sending], None]) -> None:
    """On an event loop, whose timers the outbox takes."""

    async def whole() -> None:
        main(Sending())

    asyncio.run(whole())


def test_validity_ends_while_a_message_is_sent_in_steps() -> None:
    def main(sending: Sending) -> None:
        first, other = sending.message(1, 3, valid_s=5), sending.message(2, 1)
        sending.pool.room = 1
        sending.put([*first, *other])
        sending.outbox.write(0.0)
        sending.at, sending.pool.room = NOW + dt.timedelta(seconds=5), 10
        sending.outbox.write(5.0)
        assert sending.pool.written == [first[0], *other]
        assert sending.told.ends == [("expired", first[1]), ("expired", first[2])]
        assert not sending.outbox

    play(main)


def test_nothing_goes_behind_a_part_that_ended() -> None:
    def main(sending: Sending) -> None:
        first, other = sending.message(1, 3), sending.message(2, 2)
        sending.pool.room = 1
        sending.put([*first, *other])
        sending.outbox.write(0.0)
        sending.outbox.stop([first[0]])
        sending.pool.room = 10
        sending.outbox.write(0.1)
        assert sending.pool.written == [first[0], *other]
        assert sending.told.ends == [("over", first[1]), ("over", first[2])]

    play(main)


def test_nothing_goes_behind_a_part_that_cannot_be_written() -> None:
    def main(sending: Sending) -> None:
        first, other = sending.message(1, 3), sending.message(2, 1)
        sending.put(first[:1])
        sending.put(first[1:2], BROKEN)
        sending.put([first[2], *other])
        sending.outbox.write(0.0)
        assert sending.pool.written == [first[0], *other]
        assert sending.told.ends == [("quarantined", first[1]), ("over", first[2])]
        assert sending.outbox.unanswered(sending.message(1, 1)[0].claimed.plan_id) == 2

    play(main)
