"""Step 2 of the trip: claim what the carrier's window has room for, in fair turns, and hand it on.

One dispatch a carrier, in the process that holds the carrier's lease. The claim is committed before a byte goes to the
carrier, so a crash leaves in doubt no more than what stood in the windows and the answers not yet stored.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence

from trunkline.carriers.dialect import Dialect
from trunkline.carriers.link import Link
from trunkline.carriers.pool import Pool
from trunkline.carriers.refusal import Action
from trunkline.carriers.throttle import Throttle
from trunkline.domain.provisioning import CarrierId, Plan, PlanId, Provisioning
from trunkline.domain.quality import Measured
from trunkline.domain.routes import Choice
from trunkline.mt import quiet
from trunkline.mt.bare import Bare
from trunkline.mt.lost_claims import LostClaims
from trunkline.mt.objections import Objections
from trunkline.mt.outbox import Outbox
from trunkline.mt.outcome import LINK_LOST, NO_RESPONSE, OPTED_OUT, QUARANTINED, Outcomes
from trunkline.mt.plan_rates import PlanRates
from trunkline.mt.route import Router, nothing_measured
from trunkline.mt.submit import POISON, Ticket, submits, tickets
from trunkline.mt.turns import Share, Terms, Turns, in_turn
from trunkline.runtime import clock, log, metrics
from trunkline.store import queue
from trunkline.store.db import Connection, DatabaseError, Standing
from trunkline.store.queue import ANY_PARTS, Claimed, Content

_log = log.get_logger()
_ROUND_TRIP = metrics.histogram("trunkline_submit_seconds", "From submit_sm to its response.", "carrier")
_LATE = metrics.counter("trunkline_submit_late", "Responses that came after their timer, by carrier.", "carrier")
_THROTTLED = metrics.counter("trunkline_carrier_throttled", "Answers that said it was too much.", "carrier")

_POLL_S = 1.0  # NOTIFY only wakes; this finds what it missed
_SCAN_EVERY_S = 0.5  # while busy: new lanes are looked for at least so often
_SCAN_PAUSE_S = 0.0001  # after a look, for each lane that it found: looking takes a tenth of the time at most
_RESET_FLOORS_S = 5.0
_CLAIM_MOST = 400
# At a carrier with a rate, what is due within this time is claimed ahead: a part goes when it is due, no claim later.
_AHEAD_S = 0.08
_KEPT_OF_WINDOW = 20  # one part in so many is kept for plans that have no more than that under way
# After a claim of few messages the next one gathers a little: nobody waits long, and a claim costs what ten cost. Not
# where news are rare: what comes after a silence stands behind no others, and saves nobody a claim.
_FEW, _GATHER_S, _SILENCE_S = 100, 0.004, 0.02
# What was read is written within this time or given back: the recipient may opt out meanwhile.
_WRITE_WITHIN_S = 0.5
_LATE_PAUSE_S = 1.0  # if the database alone took longer than that


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
        self.throttle = Throttle(pool.carrier.rate_per_s)
        self.objections = Objections(pool.carrier.name, outcomes)
        self.epoch = epoch
        self._dialect = dialect
        self._outcomes = outcomes
        self._provisioning = provisioning
        self._plans: Mapping[PlanId, Plan] = {}
        self._router = Router(live, measured)
        self._may_write = may_write
        self._standing = Standing(dsn, name="dispatch")
        self._wake = asyncio.Event()
        self._news = asyncio.Event()  # the first after a silence
        self._news_at = float("-inf")
        self._outbox = Outbox(pool, self.throttle, outcomes, may_write=may_write, at=self._at, emptier=self._wake.set)
        self._turns = Turns()
        self._bare = Bare()
        self._plan_rates = PlanRates()
        self._scanned_at = self._reset_at = float("-inf")
        self._scan_again = False
        self._full = False  # there was no room the last time
        self._wants_room = False  # there is something to claim once there is more
        self._draining = False
        self._late_until = float("-inf")  # until then nothing is claimed, because the database is slow
        self._lost = LostClaims(self.carrier_id, epoch)
        self._loop = asyncio.get_running_loop()
        self._throttled = _THROTTLED.of(pool.carrier.name)
        self._round_trip = _ROUND_TRIP.of(pool.carrier.name)
        self._late = _LATE.of(pool.carrier.name)

    @property
    def takes(self) -> bool:
        """Whether messages may be given to the carrier: it has a link up, and is not paused."""
        return self.pool.up and not self._paused(self._loop.time())

    def _paused(self, now: float) -> bool:
        until = self.objections.paused_until
        return now < self._late_until or (until is not None and now < until)

    def retry(self) -> None:
        """An operator wants a paused carrier tried again at once."""
        self.objections.retry()
        self._wake.set()

    # Waking.

    def wake(self, *, again: bool = False) -> None:
        """Something is in the queue; `again`: perhaps below the floors, with ids claimed before."""
        if again:
            self._reset_at = float("-inf")
        self._scan_again = True
        now = self._loop.time()
        if now > self._news_at + _SILENCE_S:
            self._news.set()
        self._news_at = now
        self._wake.set()

    def room_changed(self) -> None:
        """A link came up, or a full window opened."""
        self._wake.set()

    def drain(self) -> None:
        """Claims nothing more."""
        self._draining = True
        self._news.set()
        self._wake.set()

    # The loop.

    async def run(self) -> None:
        """Claims and submits until cancelled or drained."""
        while not self._draining:
            self._wake.clear()
            self._news.clear()
            try:
                busy = await self._once()
            except DatabaseError as error:
                _log.warning("dispatch.waits", carrier=self.pool.carrier.name, error=log.explained(error))
                self._standing.abandon()
                self._lost.broken()
                await clock.sleep(0.3)
                continue
            if not busy:
                await self._wait(self._wake, self._wait_s())
        self._outbox.close()
        if self._lost:
            try:
                await self._lost.take_back(await self._standing.get(), self._loop.time())
            except DatabaseError as error:  # they are the next owner's, in doubt
                _log.warning("dispatch.claim_not_taken_back", error=log.explained(error))
        await self._standing.close()

    async def _wait(self, event: asyncio.Event, most_s: float) -> None:
        handle = self._loop.call_later(most_s, event.set)
        await event.wait()
        handle.cancel()

    def _wait_s(self) -> float:
        now = self._loop.time()
        wait_s = 0.05 if self._outbox or self._outcomes.unstored else _POLL_S
        if self._paused(now):
            wait_s = min(wait_s, max(self.objections.paused_until or now, self._late_until) - now)
        elif self._full and self.throttle.rate is not None and self.pool.free > len(self._outbox):
            wait_s = min(wait_s, self.throttle.wait_s(clock.monotonic_s(), len(self._outbox) + 1, _AHEAD_S))
        if self._scan_again:
            wait_s = min(wait_s, self._scanned_at + len(self._turns) * _SCAN_PAUSE_S - now)
        return max(min(wait_s, self._plan_rates.wait_s(now)), 0.005)

    async def _once(self) -> bool:
        """One claim, or one step with what was claimed before. Returns whether there may be more to do at once."""
        now = self._loop.time()
        self._outbox.write(now)
        if len(self.objections):
            self._outbox.stop(self.objections.expire(self._at(now)))
        if self._lost.due(now) and await self._lost.take_back(await self._standing.get(), now):
            self._reset_at = float("-inf")  # it may lie below the floors
        free = self._room(now)
        self._full = self._wants_room = free <= 0
        if self._full or now < self._late_until or not self._may_write():
            return False
        conn = await self._standing.get()
        asked = await self._turn(conn, free, now)
        if not asked:
            self._wants_room = len(self._turns) > 0
            return False
        claim_no = self._lost.begin(now)
        claimed = await queue.claim(
            conn,
            self.carrier_id,
            self.epoch,
            asked,
            free_parts=free,
            alone_parts=self._alone_parts(),
            claim_no=claim_no,
        )
        if not claimed:
            self._lost.landed(claim_no)
            return self._nothing_claimed(now)
        claimed = in_turn(asked, claimed)
        at = await self._time(conn)
        read_at = self._loop.time()
        provisioning = self._provisioning()
        contents = await queue.contents(conn, claimed, quiet.plans(provisioning, claimed))
        choices = await self._router.choices(conn, provisioning, self.carrier_id, claimed, contents)
        self._lost.landed(claim_no)
        self._scan_again |= self._turns.served(asked, claimed, now)
        for message in claimed:
            self._plan_rates.claimed(message.plan_id)
        if self._loop.time() > read_at + _WRITE_WITHIN_S:
            _log.warning("dispatch.late", carrier=self.pool.carrier.name, count=len(claimed))
            self._late_until = self._loop.time() + _LATE_PAUSE_S
        self._submit_all(zip(claimed, contents, choices, strict=True), at, read_at + _WRITE_WITHIN_S)
        if len(claimed) < _FEW and not claimed[0].resubmitted:  # those come one by one
            await self._wait(self._news, _GATHER_S)
        return True

    def _room(self, now: float) -> int:
        """How many parts may be claimed: what the links take, and of what the carrier takes as much as is due soon."""
        waiting, free, outstanding = len(self._outbox), self.pool.free, self.pool.outstanding
        # A crash puts in doubt what is claimed and has no outcome in the database: at most twice what the windows hold.
        doubtful = waiting + outstanding + self._outcomes.unstored
        free = min(free - waiting, 2 * (free + outstanding) - doubtful, _CLAIM_MOST)
        if self.throttle.rate is not None:
            free = min(free, self.throttle.room(clock.monotonic_s(), _AHEAD_S) - waiting)
        return self.objections.room(free, waiting + outstanding, now)

    def _alone_parts(self) -> int:
        """How many parts a message may have that comes although it needs more room: any number where the windows are
        empty, and at a carrier with a rate as many as they take."""
        if self._outbox:
            return 0
        if not self.pool.outstanding:
            return ANY_PARTS
        return 0 if self.throttle.rate is None else self.pool.free

    def _nothing_claimed(self, now: float) -> bool:
        """The lanes that were asked hold nothing, or nothing behind their floors, or what needs more room."""
        known_from_before = self._scanned_at < now - 0.05
        self._turns.forget_floors()
        self._scanned_at = float("-inf")
        self._wants_room = True
        return known_from_before

    async def _turn(self, conn: Connection, free: int, now: float) -> list[Share]:
        """Whose turn it is: lanes of the highest priority that may be served, each with its fair share."""
        if now - self._reset_at > _RESET_FLOORS_S:
            self._reset_at = now
            self._turns.forget_floors()
        since, count = now - self._scanned_at, len(self._turns)
        if not count or since > _SCAN_EVERY_S or (self._scan_again and since >= count * _SCAN_PAUSE_S):
            self._scanned_at, self._scan_again = now, False
            self._turns.found(await queue.lanes(conn, self.carrier_id), now)
        known = self._provisioning()
        if known is not None:  # else as it was: an outage of the database changes no plan
            self._plans = known.plans
        kept = 0
        if self._turns.shared and self.throttle.rate is None:
            kept = (self.pool.free + self.pool.outstanding) // _KEPT_OF_WINDOW
        for lanes in self._turns.classes():
            await self._plan_rates.lease(conn, self._plans, {lane.plan_id for lane in lanes}, now)
            terms = [self._terms(lane.plan_id, kept) for lane in lanes]
            asked = self._turns.shares(lanes, terms, free, kept, now)
            if asked:
                return asked
        return []

    def _terms(self, plan_id: PlanId, kept: int) -> Terms:
        plan = self._plans.get(plan_id)
        most = self._plan_rates.most(plan_id)
        small = max(kept - self._outbox.unanswered(plan_id), 0)
        return Terms(plan.weight if plan is not None else 1, most, small)

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
                parts = submits(message, content, self._dialect, now, choice, bare=message.msg_id in self._bare)
            except POISON as error:
                log.alarm("message_quarantined", str(message.msg_id), True, error=log.explained(error))
                self._end(message, content, "quarantined", QUARANTINED)
                continue
            if parts[0][1].parts != content.parts:
                self._outcomes.cut_otherwise(message, parts[0][1].parts)
                continue
            self._outbox.put(parts, give_back_by)
        self._outbox.write(self._loop.time())

    def _end(self, message: Claimed, content: Content | None, reason: str, code: int) -> None:
        """Every missing part of the message ends here, unsent."""
        for ticket in tickets(message, content):
            self._outcomes.failed(ticket, reason, code)

    # What the links tell (carriers/link.LinkOwner).

    def submit_answered(
        self, link: Link, token: object, command_status: int, message_id: str, *, late: bool, nacked: bool
    ) -> None:
        assert isinstance(token, Ticket)
        now = self._loop.time()
        if late:
            self._late.value += 1
        else:
            self._round_trip.observe(now - token.submitted_at)
            self.throttle.answered(now - token.submitted_at)
            self._outbox.answered(token)
        if command_status == 0 and not nacked:
            self._outcomes.accepted(token, link.link_id, message_id)
            self.throttle.accepted()
            if self.objections.stand:
                self._outbox.stop(self.objections.accepted())
        else:
            self._refused(link, token, command_status, nacked, now)
        if self._outbox or self._wants_room:
            self._wake.set()

    def _refused(self, link: Link, token: Ticket, command_status: int, nacked: bool, now: float) -> None:
        action = self._outcomes.action_of(command_status, nacked)
        first = token.claimed.tries <= (token.choice.elsewhere if token.choice is not None else 0)
        # What is refused for its optional TLVs goes once more, without any; then it is held as the others are.
        if action is Action.WITHOUT_TLVS_ONCE and first:
            self._bare.add(token.claimed.msg_id)
        elif action in (Action.FINAL_OR_PAUSE, Action.WITHOUT_TLVS_ONCE):
            self.objections.refused(token, link, command_status, now)
            return
        if action is Action.OTHER_BIND_ONCE and first:
            self._outbox.over_another_link(token, link)
        if self._outcomes.refused(token, link.link_id, command_status, nacked=nacked):
            self._outbox.stop([token])
        if action is Action.SLOW_DOWN:
            self._throttled.value += 1
            self.throttle.refused(clock.monotonic_s())
        elif action is Action.LINK_STATE:
            link.recycle()

    def drained(self) -> None:
        """The last answer has come: what was held for the next one's sake goes back to the queue."""
        self.objections.give_back()
        self.objections.close()

    def submit_unanswered(self, link: Link, token: object) -> None:
        assert isinstance(token, Ticket)
        self._outbox.answered(token)
        self._outcomes.in_doubt(token, NO_RESPONSE)

    def submit_lost(self, link: Link, tokens: Sequence[object]) -> None:
        for token in tokens:
            assert isinstance(token, Ticket)
            self._outbox.answered(token)
            self._outcomes.in_doubt(token, LINK_LOST)

    def submit_not_sent(self, link: Link, tokens: Sequence[object]) -> None:
        for token in tokens:
            assert isinstance(token, Ticket)
            self._outbox.answered(token)
            self._outcomes.not_sent(token)
