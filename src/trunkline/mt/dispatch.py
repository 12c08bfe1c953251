"""Step 2 of the trip: claim what the carrier's window has room for, in fair turns, and hand it on.

One dispatch a carrier, in the process that holds the carrier's lease. The claim is committed before a byte goes to the
carrier, so a crash leaves in doubt no more than what stood in the windows and the answers not yet stored.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from trunkline.carriers.dialect import Dialect
from trunkline.carriers.link import Link
from trunkline.carriers.pool import Pool
from trunkline.carriers.refusal import Action
from trunkline.carriers.throttle import Throttle
from trunkline.domain.provisioning import CarrierId, Provisioning
from trunkline.domain.quality import Measured
from trunkline.domain.routes import Choice
from trunkline.mt import quiet
from trunkline.mt.floor import Floor, raise_floors
from trunkline.mt.outcome import LINK_LOST, NO_RESPONSE, OPTED_OUT, QUARANTINED, Outcomes
from trunkline.mt.route import Router, nothing_measured
from trunkline.mt.submit import POISON, Ticket, submits, tickets
from trunkline.mt.suspects import Suspects
from trunkline.runtime import clock, log, metrics
from trunkline.smpp.errors import EncodeError, NotSent
from trunkline.smpp.pdu import SubmitSm
from trunkline.store import queue
from trunkline.store.db import Connection, DatabaseError, Standing
from trunkline.store.queue import Claimed, Content, Lane

_log = log.get_logger()
_SUBMITTED = metrics.counter("trunkline_submitted", "submit_sm written, by carrier.", "carrier")
_LATE = metrics.counter("trunkline_submit_late", "Responses that came after their timer, by carrier.", "carrier")
_ROUND_TRIP = metrics.histogram("trunkline_submit_seconds", "From submit_sm to its response.", "carrier")

_POLL_S = 1.0  # NOTIFY only wakes; this finds what it missed
_SCAN_EVERY_S = 0.5  # while busy: new lanes are looked for at least so often
_RESET_FLOORS_S = 5.0
_CLAIM_MOST = 400
# After a claim of few messages the next one gathers a little: nobody waits long, and a claim costs what ten cost.
_FEW, _GATHER_S = 100, 0.004
_CONFIGURATION_PAUSE_S = 60.0
# What was read is written within this time or given back: the recipient may opt out meanwhile.
_WRITE_WITHIN_S = 0.5
_LATE_PAUSE_S = 1.0  # if the database alone took longer than that
# A claim whose answer was lost is looked for so long: a server that was cut off from us may commit it late.
_LOST_FOR_S = 60.0


class Dispatch:
    """Moves the messages of one carrier from its queue to its links."""

    def __init__(
        self,
        dsn: str,
        epoch: int,
        pool: Pool,
        dialect: Dialect,
        outcomes: Outcomes,
        *,
        provisioning: Callable[[], Provisioning | None],
        live: Callable[[CarrierId], bool],
        may_write: Callable[[], bool],
        measured: Callable[[], Measured] = nothing_measured,
    ) -> None:
        """`live`: whether a carrier takes messages; `may_write`: whether our lease still holds for a socket write;
        `measured`: how well carriers deliver."""
        self.pool = pool
        self.carrier_id = pool.carrier.carrier_id
        self.throttle = Throttle()
        self._epoch = epoch
        self._dialect = dialect
        self._outcomes = outcomes
        self._provisioning = provisioning
        self._router = Router(live, measured)
        self._may_write = may_write
        self._standing = Standing(dsn, name="dispatch")
        self._wake = asyncio.Event()
        self._waiting: deque[tuple[SubmitSm, Ticket, float]] = deque()
        self._lanes: dict[Lane, Floor] = {}
        self._scanned_at = self._reset_at = float("-inf")
        self._draining = False
        self._held = Suspects(outcomes)
        self._paused_until = 0.0
        self._claim_no = 0
        self._lost: dict[int, float] = {}  # claims whose rows are not in our hands, with the time of each
        self._loop = asyncio.get_running_loop()
        self._submitted = _SUBMITTED.of(pool.carrier.name)
        self._round_trip = _ROUND_TRIP.of(pool.carrier.name)
        self._late = _LATE.of(pool.carrier.name)

    @property
    def takes(self) -> bool:
        """Whether messages may be given to the carrier: it has a link up, and is not paused."""
        return self.pool.up and self._loop.time() >= self._paused_until

    # Waking.

    def wake(self, *, again: bool = False) -> None:
        """Something is in the queue; `again`: perhaps below the floors, with ids claimed before."""
        if again:
            self._reset_at = float("-inf")
        self._scanned_at = float("-inf")
        self._wake.set()

    def room_changed(self) -> None:
        """A link came up, or a full window opened."""
        self._wake.set()

    def drain(self) -> None:
        """Claims nothing more."""
        self._draining = True
        self._wake.set()

    # The loop.

    async def run(self) -> None:
        """Claims and submits until cancelled or drained."""
        while not self._draining:
            self._wake.clear()
            try:
                busy = await self._once()
            except DatabaseError as error:
                _log.warning("dispatch.waits", carrier=self.pool.carrier.name, error=log.explained(error))
                self._standing.abandon()
                self._look_every_s = 0.0
                await clock.sleep(0.3)
                continue
            if not busy:
                await self._pause()
        for _, ticket, _ in self._waiting:
            self._outcomes.not_sent(ticket)
        self._waiting.clear()
        if self._lost:
            try:
                await self._take_back(await self._standing.get(), self._loop.time())
            except DatabaseError as error:  # they are the next owner's, in doubt
                _log.warning("dispatch.claim_not_taken_back", error=log.explained(error))
        await self._standing.close()

    async def _pause(self) -> None:
        wait_s = _POLL_S
        if self._waiting:
            wait_s = 0.05
        elif self.throttle.rate is not None:
            wait_s = min(max(self.throttle.wait_s(self._loop.time()), 0.005), _POLL_S)
        handle = self._loop.call_later(wait_s, self._wake.set)
        await self._wake.wait()
        handle.cancel()

    async def _once(self) -> bool:
        """One claim, or one step with what was claimed before. Returns whether there may be more to do at once."""
        now = self._loop.time()
        self._write_waiting(now)
        if self._held:
            self._stop(self._held.end(self._at(now)))
        if self._lost and now - self._looked_at > self._look_every_s:
            await self._take_back(await self._standing.get(), now)
        free = min(self.pool.free - len(self._waiting), self.throttle.room(now), _CLAIM_MOST)
        if free <= 0 or now < self._paused_until or not self._may_write():
            return False
        conn = await self._standing.get()
        lanes = await self._turn(conn, now)
        if not lanes:
            return False
        # Until its rows are in our hands a claim counts as lost: whatever raises on the way, they are not forgotten.
        self._claim_no += 1
        self._lost[self._claim_no] = now
        claimed = await queue.claim(
            conn,
            self.carrier_id,
            self._epoch,
            lanes,
            free_parts=free,
            whole_window=not self.pool.outstanding and not self._waiting,
            claim_no=self._claim_no,
        )
        if not claimed:
            del self._lost[self._claim_no]
            for lane, _, _ in lanes:
                del self._lanes[lane]
            return self._scanned_at < now - 0.05  # the lanes were known from before: look for others
        at = await self._time(conn)
        read_at = self._loop.time()
        provisioning = self._provisioning()
        contents = await queue.contents(conn, claimed, quiet.plans(provisioning, claimed))
        choices = await self._router.choices(conn, provisioning, self.carrier_id, claimed, contents)
        del self._lost[self._claim_no]
        raise_floors(self._lanes, claimed, now)
        if self._loop.time() > read_at + _WRITE_WITHIN_S:
            _log.warning("dispatch.late", carrier=self.pool.carrier.name, count=len(claimed))
            self._paused_until = max(self._paused_until, self._loop.time() + _LATE_PAUSE_S)
        self._submit_all(zip(claimed, contents, choices, strict=True), at, read_at + _WRITE_WITHIN_S)
        if len(claimed) < _FEW and not claimed[0].resubmitted:  # those come one by one
            await clock.sleep(_GATHER_S)
        return True

    async def _take_back(self, conn: Connection, now: float) -> None:
        """Gives back what lost claims left in inflight: no byte of it was written."""
        self._looked_at = now
        count = await queue.unclaim(conn, self.carrier_id, self._epoch, list(self._lost))
        if count:
            _log.warning("dispatch.claim_taken_back", carrier=self.pool.carrier.name, count=count)
            self._reset_at = float("-inf")  # it may lie below the floors
        self._lost = {claim_no: at for claim_no, at in self._lost.items() if now - at < _LOST_FOR_S}
        self._look_every_s = _RESET_FLOORS_S

    _looked_at = float("-inf")
    _look_every_s = 0.0  # at once after a loss, then now and then

    async def _turn(self, conn: Connection, now: float) -> list[tuple[Lane, UUID, int]]:
        """Whose turn it is: every lane of the highest priority that holds something, each with its fair share."""
        if now - self._reset_at > _RESET_FLOORS_S:
            self._reset_at = now
            self._lanes = {}
        if not self._lanes or now - self._scanned_at > _SCAN_EVERY_S:
            self._scanned_at = now
            found = await queue.lanes(conn, self.carrier_id)
            self._lanes = {lane: self._lanes.get(lane) or Floor() for lane in found}
        if not self._lanes:
            return []
        highest = max(lane.priority for lane in self._lanes)
        ready = [lane for lane in self._lanes if lane.priority == highest]
        share = max(1, -(-_CLAIM_MOST // len(ready)))
        # The lane that was served first goes last the next time.
        first = ready[0]
        self._lanes[first] = self._lanes.pop(first)
        return [(lane, self._lanes[lane].at(now), share) for lane in ready]

    async def _time(self, conn: Connection) -> dt.datetime:
        """The database's clock, read once a second and carried on by our own in between."""
        now = self._loop.time()
        if now - self._clock[0] > 1.0:
            self._clock = (now, await queue.database_now(conn))
        return self._at(now)

    _clock = (float("-inf"), dt.datetime.min.replace(tzinfo=dt.UTC))

    def _at(self, now: float) -> dt.datetime:
        """The same without asking; long ago, before it was ever asked."""
        read_at, at = self._clock
        return at if read_at == float("-inf") else at + dt.timedelta(seconds=now - read_at)

    # Submitting.

    def _submit_all(
        self, batch: Iterable[tuple[Claimed, Content | None, Choice | None]], now: dt.datetime, give_back_by: float
    ) -> None:
        provisioning = self._provisioning()
        for message, content, choice in batch:
            is_over = content is None or content.status is not None
            if content is None or is_over or message.expires_at <= now:
                for ticket in tickets(message, content):
                    (self._outcomes.over if is_over else self._outcomes.expired)(ticket)
                continue
            if content.opted_out:
                self._end(message, content, "opted_out", OPTED_OUT)
                continue
            if (until := quiet.until(provisioning, message, content, now)) is not None:
                for ticket in tickets(message, content):
                    self._outcomes.held(ticket, until)
                continue
            if choice is None:
                for ticket in tickets(message, content):
                    self._outcomes.without_route(ticket, now)
                continue
            if choice.carrier_id != self.carrier_id:
                for ticket in tickets(message, content, choice):
                    self._outcomes.not_sent(ticket)
                continue
            try:
                parts = submits(message, content, self._dialect, now, choice)
            except POISON as error:
                log.alarm("message_quarantined", str(message.msg_id), True, error=log.explained(error))
                self._end(message, content, "quarantined", QUARANTINED)
                continue
            if parts[0][1].parts != content.parts:
                self._outcomes.cut_otherwise(message, parts[0][1].parts)
                continue
            for pdu, ticket in parts:
                self._waiting.append((pdu, ticket, give_back_by))
        self._write_waiting(self._loop.time())

    def _end(self, message: Claimed, content: Content | None, reason: str, code: int) -> None:
        """Every missing part of the message ends here, unsent."""
        for ticket in tickets(message, content):
            self._outcomes.failed(ticket, reason, code)

    def _write_waiting(self, now: float) -> None:
        """Hands waiting parts to the links, as many as have room; what waited too long goes back to the queue."""
        if self._waiting and self._waiting[0][2] < now:
            self._give_back_late(now)
        waiting, pool = self._waiting, self.pool
        if not waiting:
            return
        count = 0
        at = self._at(now)
        if self._may_write():
            while waiting:
                pdu, ticket, _ = waiting[0]
                if ticket.claimed.expires_at <= at:  # of a message that is sent in steps
                    self._outcomes.expired(waiting.popleft()[1])
                    continue
                ticket.submitted_at = now
                try:
                    if pool.submit(pdu, ticket) is None:
                        break
                except NotSent:
                    continue  # that link has just ended: the pool offers another, or none
                except EncodeError as error:
                    waiting.popleft()
                    log.alarm("message_quarantined", str(ticket.claimed.msg_id), True, error=log.explained(error))
                    self._outcomes.failed(ticket, "quarantined", QUARANTINED)
                    self._stop([ticket])
                    continue
                waiting.popleft()
                self._begun = ticket.claimed
                count += 1
        self._submitted.value += count
        self.throttle.sent(count, now)
        # A message of more parts than the window is sent in steps: its clock starts when the window last moved.
        if (not count and not pool.outstanding) or not pool.up:
            while waiting and waiting[0][2] < now:
                self._outcomes.not_sent(waiting.popleft()[1])

    def _give_back_late(self, now: float) -> None:
        """What waited too long goes back to the queue, but for the rest of a message that was begun."""
        waiting, self._waiting = self._waiting, deque()
        for one in waiting:
            if one[2] < now and one[1].claimed is not self._begun:
                self._outcomes.not_sent(one[1])
            else:
                self._waiting.append(one)

    _begun: Claimed | None = None  # the message that was written last

    # What the links tell (carriers/link.LinkOwner).

    def submit_answered(
        self, link: Link, token: object, command_status: int, message_id: str, *, late: bool, nacked: bool
    ) -> None:
        assert isinstance(token, Ticket)
        now = self._loop.time()
        if command_status == 0:
            self._outcomes.accepted(token, link.link_id, message_id)
            self._stop(self._held.accepted())
        else:
            self._refused(link, token, command_status, nacked, now)
        if late:
            self._late.value += 1
        else:
            self._round_trip.observe(now - token.submitted_at)
            self.throttle.answered(now - token.submitted_at)
        if self._waiting:
            self._wake.set()

    def _refused(self, link: Link, token: Ticket, command_status: int, nacked: bool, now: float) -> None:
        action = self._outcomes.action_of(command_status, nacked)
        # What is refused for its optional TLVs goes once more, without any; then it is held as the others are.
        if action is Action.FINAL_OR_PAUSE or (action is Action.WITHOUT_TLVS_ONCE and token.claimed.tries):
            if self._held.add(token, link.link_id, command_status):
                self._paused_until = now + _CONFIGURATION_PAUSE_S
                log.alarm("carrier_paused", self.pool.carrier.name, True, command_status=hex(command_status))
            return
        if self._outcomes.refused(token, link.link_id, command_status, nacked=nacked):
            self._stop([token])
        if action is Action.SLOW_DOWN:
            self.throttle.refused(now)
        elif action is Action.LINK_STATE:
            link.recycle()

    def _stop(self, ended: Iterable[Ticket]) -> None:
        """Parts ended for good: those behind them that are not written yet never are."""
        ids = {ticket.claimed.msg_id for ticket in ended if ticket.parts > 1}
        for waiting in [entry for entry in self._waiting if entry[1].claimed.msg_id in ids] if ids else ():
            self._waiting.remove(waiting)
            self._outcomes.over(waiting[1])

    def drained(self) -> None:
        """The last answer has come: what was held for the next one's sake goes back to the queue."""
        self._held.give_back()

    def submit_unanswered(self, link: Link, token: object) -> None:
        assert isinstance(token, Ticket)
        self._outcomes.in_doubt(token, NO_RESPONSE)

    def submit_lost(self, link: Link, tokens: Sequence[object]) -> None:
        for token in tokens:
            assert isinstance(token, Ticket)
            self._outcomes.in_doubt(token, LINK_LOST)

    def submit_not_sent(self, link: Link, tokens: Sequence[object]) -> None:
        for token in tokens:
            assert isinstance(token, Ticket)
            self._outcomes.not_sent(token)
