"""Parts that are claimed and wait for their moment: each goes to a link as soon as one has room and the carrier's rate
lets it."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from trunkline.carriers.link import Link
from trunkline.carriers.pool import Pool
from trunkline.carriers.throttle import Throttle
from trunkline.domain.provisioning import PlanId
from trunkline.mt.outcome import QUARANTINED, Outcomes
from trunkline.mt.submit import Ticket
from trunkline.runtime import clock, log, metrics
from trunkline.smpp.errors import EncodeError, NotSent
from trunkline.smpp.pdu import SubmitSm
from trunkline.store.queue import Claimed

_SUBMITTED = metrics.counter("trunkline_submitted", "submit_sm written, by carrier.", "carrier")

_Waiting = tuple[SubmitSm, Ticket, float]


class Outbox:
    """Those of one carrier. A timer writes, not the next claim: a carrier that allows no burst takes little of what
    comes a little late."""

    def __init__(
        self,
        pool: Pool,
        throttle: Throttle,
        outcomes: Outcomes,
        *,
        may_write: Callable[[], bool],
        at: Callable[[float], dt.datetime],
        emptier: Callable[[], None],
    ) -> None:
        """`may_write`: whether our lease still holds for a socket write; `at`: the database's time at one of the event
        loop's; `emptier` is told when the timer wrote."""
        self._pool = pool
        self._throttle = throttle
        self._outcomes = outcomes
        self._may_write = may_write
        self._at = at
        self._emptier = emptier
        self._waiting: deque[_Waiting] = deque()
        self._unanswered: Counter[PlanId] = Counter()
        self._begun: Claimed | None = None  # the message that was written last
        self._refused_on: dict[tuple[UUID, int], Link] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._submitted = _SUBMITTED.of(pool.carrier.name)

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, parts: Sequence[tuple[SubmitSm, Ticket]], give_back_by: float) -> None:
        """Parts of a message, in order. What is not begun by then (a time of the event loop) goes back to the queue."""
        self._waiting.extend((pdu, ticket, give_back_by) for pdu, ticket in parts)

    def over_another_link(self, ticket: Ticket, link: Link) -> None:
        """When the part comes again, it goes over another link than this one, if another is up."""
        self._refused_on[_key(ticket)] = link

    def unanswered(self, plan_id: PlanId) -> int:
        """How many parts of the plan are written and not answered."""
        return self._unanswered[plan_id]

    def answered(self, ticket: Ticket) -> None:
        """The part is not under way any more: it was answered, or its answer is not waited for."""
        self._unanswered[ticket.claimed.plan_id] -= 1

    def stop(self, ended: Iterable[Ticket]) -> None:
        """Parts ended for good: those behind them that are not written yet never are."""
        ids = {ticket.claimed.msg_id for ticket in ended if ticket.parts > 1}
        for one in [one for one in self._waiting if one[1].claimed.msg_id in ids] if ids else ():
            self._take(one)
            self._outcomes.over(one[1])

    def write(self, now: float) -> None:
        """Hands parts to the links, as many as have room and the carrier takes now; what waited too long goes back to
        the queue. `now` is the event loop's."""
        if not self._waiting:
            return
        if not self._pool.up:
            self._begun = None
        if self._waiting[0][2] < now:
            self._give_back(now)
        waiting, at = self._waiting, clock.monotonic_s()
        count = self._hand_over(self._throttle.room(at), now) if self._may_write() else 0
        self._submitted.value += count
        self._throttle.sent(count, at)
        wait_s = self._throttle.wait_s(at) if waiting and self._timer is None else 0.0
        if wait_s > 0:  # else it is the links that have no room
            # The loop's timers are of whole milliseconds.
            self._timer = self._loop.call_later(math.ceil(wait_s * 1000) / 1000, self._due)

    def _hand_over(self, room: int, now: float) -> int:
        waiting, count, at = self._waiting, 0, self._at(now)
        while waiting and count < room:
            pdu, ticket, _ = waiting[0]
            if ticket.claimed.expires_at <= at:  # while it waited for its moment
                self._take(waiting[0])
                self._outcomes.expired(ticket)
                continue
            ticket.submitted_at = now
            try:
                if (
                    self._pool.submit(pdu, ticket, self._refused_on.get(_key(ticket)) if self._refused_on else None)
                    is None
                ):
                    break
            except NotSent:
                continue  # that link has just ended: the pool offers another, or none
            except EncodeError as error:
                log.alarm("message_quarantined", str(ticket.claimed.msg_id), True, error=log.explained(error))
                self._take(waiting[0])
                self._outcomes.failed(ticket, "quarantined", QUARANTINED)
                self.stop([ticket])
                continue
            self._take(waiting[0])
            self._begun = ticket.claimed
            self._unanswered[ticket.claimed.plan_id] += 1
            count += 1
        return count

    def _take(self, one: _Waiting) -> None:
        """It waits no more."""
        self._waiting.remove(one)
        if self._refused_on:
            self._refused_on.pop(_key(one[1]), None)

    def _give_back(self, now: float) -> None:
        """What waited too long goes back to the queue, but for the rest of a message that was begun."""
        waiting, self._waiting = self._waiting, deque()
        for one in waiting:
            if one[2] >= now or one[1].claimed is self._begun:
                self._waiting.append(one)
            else:
                self._outcomes.not_sent(one[1])

    def _due(self) -> None:
        self._timer = None
        self.write(self._loop.time())
        self._emptier()

    def close(self) -> None:
        """Gives back what waits; nothing more is written."""
        if self._timer is not None:
            self._timer.cancel()
        for _, ticket, _ in self._waiting:
            self._outcomes.not_sent(ticket)
        self._waiting.clear()


def _key(ticket: Ticket) -> tuple[UUID, int]:
    return (ticket.claimed.msg_id, ticket.part_no)
