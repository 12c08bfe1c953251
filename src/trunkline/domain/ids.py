"""msg_id: UUID version 7 (RFC 9562 §5.7), strictly increasing within a process, also when the clock stands still."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from typing import NewType
from uuid import UUID

MsgId = NewType("MsgId", UUID)

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class MsgIds:
    """Makes message ids: 48 bits of milliseconds, a 26-bit counter, 48 random bits. Counter start and random bits are
    drawn anew each millisecond, so ids of one process increase and those of two never meet."""

    def __init__(self, uuid_of: Callable[[bytes], UUID] = lambda octets: UUID(bytes=octets)) -> None:
        """`uuid_of` makes a UUID of its 16 octets."""
        self._uuid_of = uuid_of
        self._last_ms = -1
        self._counter = 0
        self._tail = 0

    def new(self, at_ms: int) -> MsgId:
        """An id for the moment `at_ms` (milliseconds since 1970), or for the last one given, whichever is later."""
        if at_ms > self._last_ms:
            self._draw(at_ms)
        else:
            self._counter += 1
            if self._counter > 0x3FFFFFF:
                self._draw(self._last_ms + 1)
        counter = self._counter
        high = (self._last_ms << 16) | 0x7000 | (counter >> 14)
        low = 0x8000000000000000 | ((counter & 0x3FFF) << 48) | self._tail
        return MsgId(self._uuid_of(((high << 64) | low).to_bytes(16, "big")))

    def _draw(self, at_ms: int) -> None:
        drawn = int.from_bytes(os.urandom(10), "big")
        self._last_ms = at_ms
        self._tail = drawn & 0xFFFFFFFFFFFF
        # The top bit of the counter stays clear: a millisecond has room for 33 million ids.
        self._counter = (drawn >> 48) & 0x1FFFFFF


def created_ms(msg_id: UUID) -> int:
    """The moment of acceptance, in milliseconds since 1970: it is part of the id."""
    return msg_id.int >> 80


def created_at(msg_id: UUID) -> dt.datetime:
    """The moment of acceptance, to the millisecond, in UTC."""
    return _EPOCH + dt.timedelta(milliseconds=msg_id.int >> 80)
