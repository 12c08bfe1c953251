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
        self.release(final=False)
        return True

    def end(self, at: dt.datetime) -> None:
        """Ends those whose validity is over: no other answer came to tell whose fault it is."""
        for held in [held for held in self._held if held[0].claimed.expires_at <= at]:
            self._held.remove(held)
            self._outcomes.refused(*held)

    def release(self, *, final: bool) -> None:
        """It was the messages' fault (`final`), or they go back."""
        for held in self._held:
            if final:
                self._outcomes.refused(*held)
            else:
                self._outcomes.held_back(*held)
        self._held.clear()
