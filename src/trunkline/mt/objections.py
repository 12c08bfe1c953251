"""Parts that a carrier refused for what may be our configuration, and the pause of a carrier that refuses all of them.

One such refusal is the message's fault where the next part is accepted. Five in a row are ours: the carrier is paused,
the parts go back, and after a while one message at a time is tried until one is accepted.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

from trunkline.carriers.link import Link
from trunkline.carriers.refusal import PAUSE_AFTER_COUNT, meaning
from trunkline.mt.outcome import Outcomes
from trunkline.mt.submit import Ticket
from trunkline.runtime import log, metrics

_PAUSED = metrics.gauge("trunkline_carrier_paused", "1 while a carrier that refuses our configuration is paused.",
                        "carrier", highest=True)  # fmt: skip
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 60.0, 900.0


class Held(NamedTuple):
    """A part refused so, until it is known whose fault it is."""

    ticket: Ticket
    link: Link
    command_status: int


class Notice(NamedTuple):
    """What an operator finds in the audit: an action such as `carrier.paused`, and what belongs to it."""

    action: str
    detail: dict[str, Any]


class Objections:
    """Those of one carrier. Times are the event loop's."""

    def __init__(self, carrier: str, outcomes: Outcomes) -> None:
        self._carrier = carrier
        self._outcomes = outcomes
        self._held: list[Held] = []
        self._pause_s = 0.0  # how long the last one was; 0: the carrier takes what we send
        self._gauge = _PAUSED.of(carrier)
        self.paused_until: float | None = None  # in the past: it is being tried again
        self.command_status = 0  # what it was paused for
        self.notices: list[Notice] = []

    @property
    def stand(self) -> bool:
        """Whether there is something that the next accepted part decides about."""
        return bool(self._held) or self.paused_until is not None

    @property
    def field(self) -> str:
        """The field of submit_sm that the carrier objects to."""
        return meaning(self.command_status, False, self._outcomes.dialect.refusals).field or "unknown"

    def room(self, free: int, under_way: int, now: float) -> int:
        """How many of `free` parts may be claimed, with so many under way."""
        if self.paused_until is None:
            return free
        return 0 if now < self.paused_until else min(free, 1 - under_way)

    def refused(self, ticket: Ticket, link: Link, command_status: int, now: float) -> None:
        """The carrier objects to this part."""
        if self.paused_until is not None and now < self.paused_until:  # it was under way already
            self._outcomes.held_back(ticket, link.link_id, command_status)
            return
        self._held.append(Held(ticket, link, command_status))
        if len(self._held) >= (PAUSE_AFTER_COUNT if self.paused_until is None else 1):
            self.command_status = command_status
            self._pause(now)

    def accepted(self) -> list[Ticket]:
        """The carrier took a part: what it refused before was the messages' fault. Returns the parts that ended so."""
        if self.paused_until is not None:
            self._end_pause("carrier.resumed", {"by": "a message that it accepted"})
        return self._ended(self._taken())

    def retry(self) -> None:
        """An operator says that it is mended: one message is tried at once."""
        if self.paused_until is not None:
            self.paused_until = float("-inf")

    def expire(self, at: dt.datetime) -> list[Ticket]:
        """Ends the parts whose validity is over: no other answer came to tell whose fault it is. Returns them."""
        over = [held for held in self._held if held.ticket.claimed.expires_at <= at]
        self._held = [held for held in self._held if held not in over]
        return self._ended(over)

    def give_back(self) -> None:
        """The last answer has come: what is held for the next one's sake goes back to the queue."""
        for ticket, link, command_status in self._taken():
            self._outcomes.held_back(ticket, link.link_id, command_status)

    def close(self) -> None:
        """This process does not work the carrier any more; whoever does finds out anew."""
        _PAUSED.forget(self._carrier)
        log.alarm("carrier_paused", self._carrier, False)

    def __len__(self) -> int:
        return len(self._held)

    def _ended(self, parts: list[Held]) -> list[Ticket]:
        return [
            held.ticket for held in parts if self._outcomes.refused(held.ticket, held.link.link_id, held.command_status)
        ]

    def _taken(self) -> list[Held]:
        held, self._held = self._held, []
        return held

    def _pause(self, now: float) -> None:
        self.give_back()
        self._pause_s = min(self._pause_s * 2 or _FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        first = self.paused_until is None
        self.paused_until = now + self._pause_s
        self._gauge.value = 1
        detail = {"command_status": f"0x{self.command_status:08X}", "field": self.field}
        log.alarm("carrier_paused", self._carrier, True, **detail)
        if first:
            self.notices.append(Notice("carrier.paused", detail))

    def _end_pause(self, action: str, detail: dict[str, Any]) -> None:
        self.paused_until, self._pause_s, self._gauge.value = None, 0.0, 0
        self.notices.append(Notice(action, detail))
        log.alarm("carrier_paused", self._carrier, False)
