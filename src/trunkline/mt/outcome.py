"""Step 5 of the trip: what the carrier answered, stored in batches and acted upon.

What the carrier told is a fact: it is stored whoever reports it and however late, again and again until the database
takes it. What to do next (again, later, give up) is decided only by whoever removes the part's intent.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence

from trunkline.carriers.dialect import Dialect
from trunkline.carriers.refusal import Action, meaning
from trunkline.carriers.smsc_ids import SeenIds
from trunkline.domain.admission import NO_BALANCE
from trunkline.domain.ids import created_at
from trunkline.domain.provisioning import CarrierId, PlanId
from trunkline.domain.routes import Choice
from trunkline.domain.status import Status
from trunkline.mt.ending import Ending, end, next_at, one_row_each
from trunkline.mt.recut import recut
from trunkline.mt.submit import Ticket, tickets
from trunkline.runtime import clock, log, metrics
from trunkline.runtime.gather import Gather
from trunkline.settle import apply as settle
from trunkline.settle.expire import expire
from trunkline.store import overdue, queue, receipts
from trunkline.store.db import Connection, DatabaseError, Standing
from trunkline.store.queue import AcceptedPart, AttemptedPart, ChargedPart, Claimed, DoubtfulPart, PartPrice, Requeued
from trunkline.store.refusals import FOR_GOOD
from trunkline.store.settling import PartOutcome

_log = log.get_logger()
_ANSWERS = metrics.counter("trunkline_submit_answers", "submit_sm_resp by what they meant.", "action")

LINK_LOST, NO_RESPONSE, QUARANTINED, NO_ROUTE = 901, 902, 904, 304
OPTED_OUT, QUIET_HOURS = 605, 606
_AGAIN_S = 0.2
_THROTTLED_PAUSE_S = 1.0
_HELD_BACK_S = 30.0
_IDS_EVERY_S = 10.0
_ROUTE_AGAIN_S = 5.0
_ROUTES_KNOWN_AFTER = dt.timedelta(seconds=60)
# A message of several parts may go to another carrier as a whole only: so long its other answers are waited for.
_TOGETHER_S = 5.0


# Refusals after which another carrier is tried, where there is one.
_ELSEWHERE = frozenset({Action.RETRY_3, Action.RETRY_1, Action.OTHER_CARRIER})
_OUTCOMES = {Action.SLOW_DOWN: "throttled", Action.OTHER_CARRIER: FOR_GOOD}


_Accepted = tuple[AcceptedPart, PartPrice | None]


class Outcomes:
    """Writes the outcomes of one carrier. `look(carrier_id, ids)` takes up parked receipts of just stored ids;
    `tells_sent`: whether a plan may want webhooks to tell SENT."""

    def __init__(
        self,
        dsn: str,
        carrier_id: CarrierId,
        dialect: Dialect,
        look: Callable[[Connection, CarrierId, Sequence[str]], Awaitable[None]],
        requeued: Callable[[], None],
        tells_sent: Callable[[PlanId], bool] = lambda plan_id: False,
        live: Callable[[CarrierId], bool] = lambda carrier_id: True,
    ) -> None:
        """`live`: whether another carrier may be given what this one refused."""
        self.carrier_id = carrier_id
        self.dialect = dialect
        self._look = look
        self._requeued = requeued
        self._tells_sent = tells_sent
        self._live = live
        self._accepted_on = Standing(dsn, name="outcome")
        self._ended_on = Standing(dsn, name="attempt")
        self._doubted_on = Standing(dsn, name="doubt")
        self._cut_on = Standing(dsn, name="cut")
        self.accepts: Gather[_Accepted] = Gather(self._write_accepted, linger_s=0.005, most=512)
        self.endings: Gather[Ending] = Gather(self._write_endings, linger_s=0.005, most=256)
        self.doubts: Gather[DoubtfulPart] = Gather(self._write_doubts, linger_s=0.005, most=512)
        self.cuts: Gather[tuple[Claimed, int]] = Gather(self._write_cuts, linger_s=0.005, most=256)
        self._sent = _ANSWERS.of(Action.SENT)
        self._ids = SeenIds()
        self._ids_told_at = 0.0

    @property
    def unstored(self) -> int:
        """How many parts are reported, and still stand in inflight."""
        return sum(gather.unwritten for gather in (self.accepts, self.endings, self.doubts, self.cuts))

    async def drained(self) -> None:
        """Returns once everything reported so far is stored."""
        await self.accepts.drained()
        await self.endings.drained()
        await self.doubts.drained()
        await self.cuts.drained()

    async def close(self) -> None:
        await self._accepted_on.close()
        await self._ended_on.close()
        await self._doubted_on.close()
        await self._cut_on.close()

    # What is reported; all of these return at once.

    def accepted(self, ticket: Ticket, link_id: int, message_id: str) -> None:
        """ESME_ROK: the carrier has the part, under this id."""
        claimed = ticket.claimed
        self._sent.value += 1
        self._ids.note(message_id)
        part = AcceptedPart(
            self.dialect.response_id(message_id),
            ticket.recipient,
            claimed.plan_id,
            claimed.msg_id,
            ticket.part_no,
            ticket.parts,
            link_id,
            claimed.tries,
            claimed.resubmitted,
            claimed.claimed_at,
            ticket.choice and ticket.choice.routed,
        )
        self.accepts.add((part, ticket.price))

    def refused(self, ticket: Ticket, link_id: int, command_status: int, *, nacked: bool = False) -> bool:
        """Any other status. What it means is the table's. Returns whether it is the end of the part."""
        refusal = meaning(command_status, nacked, self.dialect.refusals)
        _ANSWERS.of(refusal.action).value += 1
        code, action = int(refusal.final_code), refusal.action
        choice = ticket.choice or Choice(self.carrier_id)
        # What other carriers refused does not shorten the schedule of retries at this one.
        tries = max(ticket.claimed.tries - choice.elsewhere, 0)
        if refusal.alarm:
            log.alarm("submit_refused", f"carrier {self.carrier_id}: {refusal.name or hex(command_status)}", True)
        again: float | None = None
        counts = True
        next_carrier = self._next_carrier(action, choice)
        if next_carrier is not None:
            again = 0.0
            if ticket.parts > 1:
                again, next_carrier = _TOGETHER_S, None
        elif action is Action.SLOW_DOWN:
            again, counts = _THROTTLED_PAUSE_S, False
        elif action is Action.LINK_STATE:
            again, counts = 0.0, False
        elif action in (Action.OTHER_BIND_ONCE, Action.WITHOUT_TLVS_ONCE):
            again = 0.0 if tries == 0 else None
        elif refusal.retry_after_s and tries < len(refusal.retry_after_s):
            again = float(refusal.retry_after_s[tries])
        outcome = _OUTCOMES.get(action, "refused")
        self.endings.add(
            Ending(ticket, link_id, outcome, command_status, again, code, counts, next_carrier, choice.routed)
        )
        return again is None

    def _next_carrier(self, action: Action, choice: Choice) -> CarrierId | None:
        """Who may be tried at once instead: the next of the routes that is up and has not refused it."""
        if action not in _ELSEWHERE:
            return None
        return next((carrier_id for carrier_id in choice.others if self._live(carrier_id)), None)

    def action_of(self, command_status: int, nacked: bool) -> Action:
        """What a status means here."""
        return meaning(command_status, nacked, self.dialect.refusals).action

    def held_back(self, ticket: Ticket, link_id: int, command_status: int) -> None:
        """Refused for what seems to be our configuration: back to the queue, the carrier pauses."""
        routed = ticket.choice and ticket.choice.routed
        self.endings.add(Ending(ticket, link_id, "refused", command_status, _HELD_BACK_S, 0, False, None, routed))

    def not_sent(self, ticket: Ticket) -> None:
        """No byte of the part was written: it goes back, freely, perhaps to the queue of another carrier."""
        carrier_id, routed, _, _ = ticket.choice or Choice(self.carrier_id)
        self.endings.add(Ending(ticket, None, "not_sent", None, 0.0, 0, False, carrier_id, routed))

    def without_route(self, ticket: Ticket, now: dt.datetime) -> None:
        """No route leads to the recipient. A message that was just accepted had one then, which we may not have read
        yet: it is asked for again."""
        again = _ROUTE_AGAIN_S if created_at(ticket.claimed.msg_id) > now - _ROUTES_KNOWN_AFTER else None
        self.endings.add(Ending(ticket, None, "no_route", None, again, NO_ROUTE, False))

    def cut_otherwise(self, claimed: Claimed, parts: int) -> None:
        """This carrier takes the message, of which nothing was submitted yet, in so many parts, not in those that were
        counted: it goes back, to be claimed by the right number."""
        self.cuts.add((claimed, parts))

    def failed(self, ticket: Ticket, reason: str, code: int) -> None:
        """The message ends before anything was written: it cannot be encoded, has no route."""
        self.endings.add(Ending(ticket, None, reason, None, None, code, False))

    def over(self, ticket: Ticket) -> None:
        """The message has ended otherwise: this part is not sent any more, and decides nothing."""
        self.endings.add(Ending(ticket, None, "over", None, None, None, False))

    def expired(self, ticket: Ticket) -> None:
        """The message's validity ended before the part was written."""
        self.endings.add(Ending(ticket, None, "expired", None, None, None, False))

    def held(self, ticket: Ticket, until: dt.datetime) -> None:
        """It is quiet where the recipient is: the part waits, or ends where its validity ends before."""
        self.endings.add(Ending(ticket, None, "quiet_hours", None, None, QUIET_HOURS, False, again_at=until))

    def in_doubt(self, ticket: Ticket, code: int) -> None:
        """Written, and its answer will perhaps never come: 901 link lost, 902 response timer over."""
        claimed = ticket.claimed
        self.doubts.add(
            DoubtfulPart(claimed.plan_id, claimed.msg_id, ticket.part_no, ticket.recipient, code, claimed.claimed_at)
        )

    # The writers.

    async def _write_accepted(self, batch: list[_Accepted]) -> None:
        rows = [part for part, _ in batch]
        telling = [plan_id for plan_id in {row.plan_id for row in rows} if self._tells_sent(plan_id)]
        charged = [ChargedPart(p.plan_id, p.msg_id, p.part_no, *price) for p, price in batch if price is not None]
        silent = [
            PartOutcome(row.plan_id, row.msg_id, row.part_no, Status.SENT, 0)
            for row in rows
            if row.parts > 1 and not self.dialect.is_receipted(row.part_no, row.parts)
        ]
        while True:
            try:
                conn = await self._accepted_on.get()
                if silent:
                    async with conn.transaction():
                        await queue.parts_accepted(conn, self.carrier_id, rows, telling, charged)
                        await settle.store_parts(conn, silent)
                else:
                    await queue.parts_accepted(conn, self.carrier_id, rows, telling, charged)
                break
            except DatabaseError as error:
                await self._wait_for_database(self._accepted_on, error)
        try:
            await self._look(conn, self.carrier_id, [row.canonical_id for row in rows])
            if silent:
                await settle.settle_parts(conn, {(o.plan_id, o.msg_id) for o in silent})
            await self._tell_ids(conn)
        except DatabaseError as error:
            # Upkeep looks again at receipts that are parked although their part is known, and at parts.
            _log.warning("outcome.look_failed", error=log.explained(error))
            self._accepted_on.abandon()

    async def _tell_ids(self, conn: Connection) -> None:
        """Now and then: what the carrier's ids look like."""
        now = clock.boot_s()
        if now - self._ids_told_at > _IDS_EVERY_S:
            self._ids_told_at = now
            await receipts.note_response_ids(conn, self.carrier_id, self._ids.taken())

    async def _write_doubts(self, batch: list[DoubtfulPart]) -> None:
        while True:
            try:
                await queue.put_in_doubt(await self._doubted_on.get(), self.carrier_id, batch)
                return
            except DatabaseError as error:
                await self._wait_for_database(self._doubted_on, error)

    async def _write_cuts(self, batch: list[tuple[Claimed, int]]) -> None:
        while True:
            try:
                short = await recut(await self._cut_on.get(), self.carrier_id, batch)
                break
            except DatabaseError as error:
                await self._wait_for_database(self._cut_on, error)
        for claimed in short:
            for ticket in tickets(claimed, None):
                self.failed(ticket, "balance", NO_BALANCE)
        self._requeued()

    async def _write_endings(self, batch: list[Ending]) -> None:
        while True:
            try:
                conn = await self._ended_on.get()
                async with conn.transaction():
                    several = await self._store_endings(conn, batch)
                if several:
                    # After the commit, in a new snapshot: another part may have been told at the same instant. And what
                    # was accepted before is seen: it decides about the code.
                    await self.accepts.written()
                    await settle.settle_parts(conn, several)
                break
            except DatabaseError as error:
                await self._wait_for_database(self._ended_on, error)
        if any(ending.again_in_s == 0 for ending in batch):
            self._requeued()

    async def _wait_for_database(self, standing: Standing, error: Exception) -> None:
        _log.warning("outcome.waits", carrier_id=self.carrier_id, error=log.explained(error))
        standing.abandon()
        await clock.sleep(_AGAIN_S)

    async def _store_endings(self, conn: Connection, batch: Sequence[Ending]) -> set[settle.Message]:
        now = await queue.database_now(conn)
        times = {id(e): next_at(e, now) for e in batch}
        standing = await queue.parts_attempted(
            conn,
            self.carrier_id,
            [
                AttemptedPart(
                    e.ticket.claimed.plan_id,
                    e.ticket.claimed.msg_id,
                    e.ticket.part_no,
                    e.link_id,
                    e.ticket.claimed.tries,
                    e.ticket.claimed.claimed_at,
                    e.outcome,
                    e.command_status,
                    times[id(e)],
                    e.routed,
                )
                for e in batch
            ],
        )
        mine = [e for e in batch if (e.ticket.claimed.plan_id, e.ticket.claimed.msg_id, e.ticket.part_no) in standing]
        back, later = [], []
        for ending in mine:
            at = times[id(ending)]
            if at is not None and at <= now:
                back.append(self._requeue(ending))
            elif at is not None:
                later.append((self._requeue(ending), at))
        if back:
            elsewhere = any(row.carrier_id != self.carrier_id for row in back)
            await queue.give_back(conn, one_row_each([(row, now) for row in back], with_time=False), wake=elsewhere)
        if later:
            await queue.put_off(conn, one_row_each(later, with_time=True))
        several = await end(conn, [ending for ending in mine if times[id(ending)] is None])
        if expired := [self._requeue(ending) for ending in mine if ending.outcome == "expired"]:
            rows = [
                (row.plan_id, row.msg_id, row.carrier_id, row.missing, row.resubmitted)
                for row in one_row_each([(row, now) for row in expired], with_time=False)
            ]
            several |= await expire(conn, await overdue.why_expired(conn, rows))
        return several

    def _requeue(self, ending: Ending) -> Requeued:
        claimed = ending.ticket.claimed
        return Requeued(
            ending.carrier_id or self.carrier_id,
            claimed.plan_id,
            claimed.priority,
            claimed.msg_id,
            1 << (ending.ticket.part_no - 1),
            1,
            claimed.tries + ending.counts,
            claimed.resubmitted,
            claimed.expires_at,
        )
