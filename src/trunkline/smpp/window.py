"""Requests that were written and wait for their response, and those that waited too long (late responses are told)."""

from __future__ import annotations

import asyncio
from typing import TypeAlias

from trunkline.smpp.errors import Refused
from trunkline.smpp.pdu import RESPONSE, Pdu
from trunkline.smpp.status import ESME_ROK
from trunkline.smpp.wire import Counts

_OVERDUE_MAX = 10_000

# (when it is due, token, response's command id)
Entry: TypeAlias = tuple[float, object, int]


class Waiter:
    """The token of a request that somebody awaits."""

    __slots__ = ("future",)

    def __init__(self, future: asyncio.Future[Pdu]) -> None:
        self.future = future

    def answer(self, pdu: Pdu) -> None:
        """Give the response, or Refused for a status that is not ESME_ROK and for generic_nack."""
        if pdu.command_status != ESME_ROK or pdu.command_id == RESPONSE:
            self.fail(Refused(pdu.command_status))
        elif not self.future.done():
            self.future.set_result(pdu)

    def fail(self, error: Exception) -> None:
        """Give the error, unless nobody waits any more."""
        if not self.future.done():
            self.future.set_exception(error)


class Window:
    """Both tables, by sequence number; each in the order of its times, so the first is due first."""

    __slots__ = ("_counts", "awaited", "overdue")

    def __init__(self, counts: Counts) -> None:
        self.awaited: dict[int, Entry] = {}
        self.overdue: dict[int, Entry] = {}
        self._counts = counts

    def claim(self, response_id: int | None, sequence: int) -> tuple[object, bool] | None:
        """Take out the request that a response answers: its token, and whether it is late; None if there is none.

        The kinds must agree, or a stray response to something else would settle it; generic_nack (None) answers any.
        """
        for table, late in ((self.awaited, False), (self.overdue, True)):
            entry = table.get(sequence)
            if entry is not None and (response_id is None or entry[2] == response_id):
                del table[sequence]
                self._counts.late_count += late
                return entry[1], late
        self._counts.unknown_response_count += 1
        return None

    def expire(self, now: float, forget_at: float) -> list[object]:
        """Move the requests that are due to the overdue ones, forget the oldest of those; the tokens that moved."""
        awaited, overdue = self.awaited, self.overdue
        expired: list[object] = []
        while awaited:
            sequence = next(iter(awaited))
            due_at, token, response_id = awaited[sequence]
            if due_at > now:
                break
            del awaited[sequence]
            overdue[sequence] = (forget_at, token, response_id)
            expired.append(token)
        while overdue:
            sequence = next(iter(overdue))
            if overdue[sequence][0] > now and len(overdue) <= _OVERDUE_MAX:
                break
            del overdue[sequence]
        self._counts.unanswered_count += len(expired)
        return expired

    def end(self, error: Exception) -> list[object]:
        """Empty both; give the error to those that somebody awaits; the tokens of the others, in their order."""
        left = without_waiters([entry[1] for entry in self.awaited.values()], error)
        self.awaited.clear()
        self.overdue.clear()
        return left


def without_waiters(tokens: list[object], error: Exception) -> list[object]:
    """Give the error to those that somebody awaits; the others, in their order."""
    rest = []
    for token in tokens:
        if isinstance(token, Waiter):
            token.fail(error)
        else:
            rest.append(token)
    return rest
