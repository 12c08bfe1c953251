"""Parts that were refused for what may be our configuration: held until the carrier accepts another one."""

from __future__ import annotations

import datetime as dt

from trunkline.carriers.refusal import PAUSE_AFTER_COUNT
from trunkline.mt.outcome import Outcomes
from trunkline.mt.submit import Ticket


class Suspects:
    """The message's fault if the next part is accepted, ours if five in a row are not."""

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes
        self._held: list[tuple[Ticket, int, int]] = []

    def __bool__(self) -> bool:
        return bool(self._held)

    def add(self, ticket: Ticket, link_id: int, command_status: int) -> bool:
        """Holds a part; True where it was one too many and all went back to the queue."""
        self._held.append((ticket, link_id, command_status))
        if len(self._held) < PAUSE_AFTER_COUNT:
            return False
        self.give_back()
        return True

    def end(self, at: dt.datetime) -> list[Ticket]:
        """Ends those whose validity is over: no other answer came to tell whose fault it is. Returns them."""
        ended = [held for held in self._held if held[0].claimed.expires_at <= at]
        self._held = [held for held in self._held if held not in ended]
        return self._refused(ended)

    def accepted(self) -> list[Ticket]:
        """Another one was: it was the messages' fault. Returns those that ended so."""
        held, self._held = self._held, []
        return self._refused(held)

    def give_back(self) -> None:
        """Whose fault it was nobody knows."""
        for held in self._held:
            self._outcomes.held_back(*held)
        self._held.clear()

    def _refused(self, parts: list[tuple[Ticket, int, int]]) -> list[Ticket]:
        return [part[0] for part in parts if self._outcomes.refused(*part)]
