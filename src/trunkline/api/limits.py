"""Rate limits of accounts and plans (step 1 of a send): counted in memory, in slices leased from shared buckets.

A bucket in the database fills by the limit and holds a quarter of a second of it. This process takes a slice at a time
(50 ms of the limit, shared by the live processes) and counts requests down from it; the next slice is fetched in the
background before the last one is used up. Only a request that finds nothing, where the database is not known to have
nothing, waits for a lease: the first one, those of a burst, and those under limits too low to be sliced.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Protocol

from trunkline.api.exchange import Request
from trunkline.contract.problem import Refusal
from trunkline.domain.provisioning import ACCOUNT_RATE_PER_S, PLAN_RATE_PER_S, AccountId, Plan, PlanId, Provisioning
from trunkline.runtime import clock, log, metrics
from trunkline.store.db import DatabaseError
from trunkline.store.limits import Ask, Lease

_log = log.get_logger()
_refused = metrics.counter(
    "trunkline_api_rate_limited", "Requests answered 429 because of a rate limit: account or plan", "kind"
)

KINDS = ("account", "plan")
SLICE_S = 0.05
# A full bucket is what comes on top of 10 s of the limit: a quarter of a second is 2.5 % of that.
HELD_S = 0.25
# At 1.5 times the limit the next request comes 2/3 of a token later: a bucket of 5/3 loses none of it.
HELD_LEAST = 5 / 3
_ROUND_S = 0.005
_COUNT_S = 1.0
_ALONE_S = 1.0


class Waits(Exception):
    """The request has to be done again once `awaited` is over; True: what it waited for is paid.

    An exception, so that operations need not know that a limit may have to be waited for.
    """

    def __init__(self, awaited: asyncio.Future[bool], kind: int) -> None:
        self.awaited = awaited
        self.kind = kind


class Leaser(Protocol):
    """What leases are taken from; see `store.limits.Leases`."""

    async def take(self, asks: Sequence[Ask]) -> list[Lease]: ...
    async def processes(self) -> int: ...
    def abandon(self) -> None: ...


class Bucket:
    """This process's part of one limit. `now` is the caller's, in seconds."""

    __slots__ = (
        "asked", "capacity", "dry_until", "held", "held_at", "kind", "left", "low", "missed", "rate", "refusal",
        "slice", "subject_id", "waiting",
    )  # fmt: skip

    def __init__(self, kind: int, subject_id: int, rate: int, processes: int) -> None:
        self.kind = kind
        self.subject_id = subject_id
        self.left = 0  # requests that may pass before the next lease
        self.held = 0.0  # what the shared bucket held after our last lease
        self.held_at = -math.inf
        self.dry_until = -math.inf  # until then it is known to have nothing more
        self.missed = 0  # requests since the last lease that it had nothing for
        self.asked = False  # the next lease is on its way
        self.waiting: list[asyncio.Future[bool]] = []
        self.share(rate, processes)

    def share(self, rate: int, processes: int) -> None:
        """From now on the limit is `rate` a second, and so many processes share it."""
        self.rate = rate
        self.capacity = max(rate * HELD_S, HELD_LEAST)
        # Rounded: 1 instead of a half, nothing instead of less. Then each request is leased for.
        self.slice = int(rate * SLICE_S / processes + 0.5)
        self.low = self.slice // 2
        detail = f"The {KINDS[self.kind]}'s limit of {rate} requests a second is reached: send more slowly."
        self.refusal = Refusal("rate_limited", detail, retry_after_s=1)

    def wanted(self) -> int:
        """What the next lease should be for: a slice, or as much as came since the last one if that is more."""
        wanted = max(self.slice + len(self.waiting), self.missed) - self.left
        return min(max(1, wanted), int(self.capacity))

    def credit(self, wanted: int, lease: Lease, now: float) -> None:
        """A lease is here. Those who wait have it first; where it is all there is, the others are told so."""
        self.asked = False
        self.left += lease.granted
        self.held, self.held_at = lease.tokens, now
        self.missed = 0
        if lease.granted < wanted:
            self.dry_until = now + max(SLICE_S, (1 - lease.tokens) / self.rate)
        waiting, self.waiting = self.waiting, []
        for future in waiting:
            if future.done():  # its client hung up
                continue
            if self.left:
                self.left -= 1
                future.set_result(True)
            elif now < self.dry_until:
                future.set_result(False)
            else:
                self.waiting.append(future)

    def alone(self, wanted: int, processes: int, now: float) -> Lease:
        """A lease without the database: from this process's share, since nothing is known of the others."""
        most = max(1.0, self.capacity / processes)
        held = min(most, self.held + (now - self.held_at) * self.rate / processes)
        granted = min(wanted, int(held))
        return Lease(granted, held - granted)

    def remaining(self, now: float) -> int:
        """What is left of a second's quota: all of it while the bucket is full, nothing once it is empty."""
        held = self.held + (now - self.held_at) * self.rate + self.left
        return self.rate if held >= self.capacity else int(held / self.capacity * self.rate)


class RateLimits:
    """The limits that this process was asked about. Nothing is done for those who ask for nothing."""

    def __init__(self, leaser: Leaser, now: Callable[[], float] = clock.monotonic_s) -> None:
        self._leaser = leaser
        self._now = now
        self._processes = 1
        self._counted_at = self._alone_until = -math.inf
        self._alone = False
        self._buckets: dict[tuple[int, int], Bucket] = {}
        # As the picture of provisioning has it: None has no limit. Header lines lack the numbers of what remains.
        self._version = -1
        self._accounts: dict[AccountId, tuple[Bucket, bytes] | None] = {}
        self._plans: dict[PlanId, tuple[Bucket, bytes] | None] = {}
        self._asking: list[Bucket] = []
        self._some = asyncio.Event()
        self._counts = [_refused.of(kind) for kind in KINDS]

    def charge_account(self, request: Request, provisioning: Provisioning, account_id: AccountId) -> Refusal | None:
        """Counts the request for its account. Raises Waits."""
        if provisioning.version != self._version:
            self._accounts.clear()
            self._plans.clear()
            self._version = provisioning.version
        try:
            limit = self._accounts[account_id]
        except KeyError:
            rate = provisioning.accounts[account_id].rate_per_s
            rate = ACCOUNT_RATE_PER_S if rate is None else rate
            limit = self._accounts[account_id] = self._limit(0, account_id, rate)
        if limit is None:
            return None
        bucket, lines = limit
        over = self._charge(bucket, request)
        request.rate_lines = lines % (0 if over else bucket.remaining(self._now()))
        return over

    def charge_plan(self, request: Request, plan: Plan) -> Refusal | None:
        """Counts the request for a plan of the account that it was counted for before. Raises Waits."""
        try:
            limit = self._plans[plan.plan_id]
        except KeyError:
            rate = PLAN_RATE_PER_S if plan.rate_per_s is None else plan.rate_per_s
            limit = self._plans[plan.plan_id] = self._limit(1, plan.plan_id, rate, self._accounts[plan.account_id])
        if limit is None:
            return None
        bucket, lines = limit
        over = self._charge(bucket, request)
        now = self._now()
        remaining = 0 if over else bucket.remaining(now)
        account = self._accounts[plan.account_id]
        request.rate_lines = lines % (remaining if account is None else (account[0].remaining(now), remaining))
        return over

    def _limit(
        self, kind: int, subject_id: int, rate: int, before: tuple[Bucket, bytes] | None = None
    ) -> tuple[Bucket, bytes] | None:
        if not rate:
            return None
        bucket = self._buckets.get((kind, subject_id))
        if bucket is None:
            bucket = self._buckets[kind, subject_id] = Bucket(kind, subject_id, rate, self._processes)
        elif bucket.rate != rate:
            bucket.share(rate, self._processes)
        limits = [bucket] if before is None else [before[0], bucket]
        # draft-ietf-httpapi-ratelimit-headers-11 §3, §4
        policies = ", ".join(f'"{KINDS[one.kind]}";q={one.rate};w=1' for one in limits)
        remaining = ", ".join(f'"{KINDS[one.kind]}";r=%d;t=1' for one in limits)
        return bucket, f"ratelimit-policy: {policies}\r\nratelimit: {remaining}\r\n".encode()

    def _charge(self, bucket: Bucket, request: Request) -> Refusal | None:
        kind = bucket.kind
        if request.charged > kind:  # it was here before, and had to wait
            return None
        left = bucket.left
        if left <= bucket.low:
            is_dry = self._now() < bucket.dry_until
            if not is_dry:
                self._ask(bucket)
            if not left:
                if is_dry:
                    bucket.missed += 1
                    self._counts[kind].value += 1
                    return bucket.refusal
                awaited: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
                bucket.waiting.append(awaited)
                raise Waits(awaited, kind)
        bucket.left = left - 1
        request.charged = kind + 1
        return None

    def _ask(self, bucket: Bucket) -> None:
        if not bucket.asked:
            bucket.asked = True
            self._asking.append(bucket)
            self._some.set()

    async def run(self) -> None:
        """Fetches leases until cancelled. What is asked for meanwhile goes into the next round."""
        while True:
            await self._some.wait()
            await self.round()
            await clock.sleep(_ROUND_S)

    async def round(self) -> None:
        """One lease for each bucket that asked for one."""
        self._some.clear()
        asking, self._asking = self._asking, []
        asks = [Ask(one.kind, one.subject_id, one.rate, one.capacity, one.wanted()) for one in asking]
        leases = await self._leases(asks)
        now = self._now()
        for number, (bucket, ask) in enumerate(zip(asking, asks, strict=True)):
            lease = leases[number] if leases else bucket.alone(ask.wanted, self._processes, now)
            bucket.credit(ask.wanted, lease, now)
            if bucket.waiting:
                self._ask(bucket)

    async def _leases(self, asks: Sequence[Ask]) -> list[Lease] | None:
        """What the database gives; None while it gives nothing."""
        now = self._now()
        if not asks or now < self._alone_until:
            return None
        try:
            if now - self._counted_at >= _COUNT_S:
                self._share(await self._leaser.processes())
                self._counted_at = now
            leases = await self._leaser.take(asks)
        except DatabaseError as error:
            self._leaser.abandon()
            self._alone_until = self._now() + _ALONE_S
            if not self._alone:
                self._alone = True
                _log.warning("limits.alone", error=log.explained(error), processes=self._processes)
            return None
        if self._alone:
            self._alone = False
            _log.info("limits.shared")
        return leases

    def _share(self, processes: int) -> None:
        if processes != self._processes:
            self._processes = processes
            for bucket in self._buckets.values():
                bucket.share(bucket.rate, processes)
