"""Step 8 of the trip: render and sign events, post them, keep what came of it.

A lane is (plan, origin): each gets only as many events as its origin has room for, so that a dead or slow receiver
delays nobody else. Events stay in the queue until they are acknowledged, so a crash costs perhaps a repeat, never an
event.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from trunkline.contract.record import inbound_json, record_json
from trunkline.domain.callback import Callback
from trunkline.domain.inbound import Inbound
from trunkline.domain.message import Record
from trunkline.domain.provisioning import Plan, PlanId, Provisioning
from trunkline.domain.schedule import next_attempt_s
from trunkline.domain.status import Status
from trunkline.runtime import clock, log, metrics
from trunkline.runtime.gather import Gather
from trunkline.store import hooks
from trunkline.store.db import Connection, DatabaseError, Standing
from trunkline.store.hooks import Acknowledged, AttemptedHook, Hook
from trunkline.webhooks.breaker import Breakers
from trunkline.webhooks.claim import Claims, Holding
from trunkline.webhooks.client import Failure, HookAnswer, HookClient
from trunkline.webhooks.rounds import Rounds
from trunkline.webhooks.sign import Signer, secret_text
from trunkline.webhooks.target import TargetOf

_log = log.get_logger()
_ATTEMPTS = metrics.counter("trunkline_hook_attempts", "Webhook attempts.", "outcome")
_LATENCY = metrics.histogram("trunkline_hook_seconds", "How long receivers took to answer.")

_INBOUND = 0
# After a round of few events the next one gathers a little: a round costs what ten events cost.
_FEW, _GATHER_S = 32, 0.005
_GONE = 410


class Delivery:
    """Delivers the events of all plans, as many processes as there are beside each other."""

    def __init__(
        self,
        dsn: str,
        client: HookClient,
        *,
        provisioning: Callable[[], Provisioning | None],
        target_of: TargetOf,
        now: Callable[[], float] = clock.monotonic_s,
    ) -> None:
        """`now`: what breakers go by."""
        self._client = client
        self._provisioning = provisioning
        self._target_of = target_of
        self._standing = Standing(dsn, name="hooks")
        # One connection a writer: both may be at work at the same time.
        self._acknowledged_on = Standing(dsn, name="hooks acknowledged")
        self._failed_on = Standing(dsn, name="hooks failed")
        self._acknowledged: Gather[tuple[Hook, Acknowledged]] = Gather(
            self._write_acknowledged, linger_s=0.005, most=256
        )
        self._failed: Gather[tuple[Hook, AttemptedHook]] = Gather(self._write_failed, linger_s=0.02, most=256)
        self._wake = asyncio.Event()
        self._draining = False
        self._open = 0
        self._signers: dict[PlanId, tuple[Plan, Signer | None]] = {}
        self._delivered = _ATTEMPTS.of("acknowledged")
        self._latency = _LATENCY.of()
        self._holding = Holding(dsn, lambda: self._claims.busy())
        self._breakers = Breakers(now)
        self._claims = Claims(self._holding, self._room, self._breakers)
        self._rounds = Rounds(self._claims, self._breakers, target_of, now)

    def wake(self) -> None:
        """There are new events."""
        self._claims.look()
        self._wake.set()

    def drain(self) -> None:
        """Takes nothing more."""
        self._draining = True
        self._wake.set()

    async def run(self) -> None:
        """Delivers until drained; then returns once every open attempt has ended and is stored."""
        async with asyncio.TaskGroup() as group:
            writers = [
                group.create_task(self._acknowledged.run()),
                group.create_task(self._failed.run()),
                group.create_task(self._holding.run()),
            ]
            while not self._draining:
                self._wake.clear()
                try:
                    busy = await self._once()
                except DatabaseError as error:
                    _log.warning("hooks.wait", error=log.explained(error))
                    self._standing.abandon()
                    await clock.sleep(0.3)
                    continue
                if not busy:
                    handle = asyncio.get_running_loop().call_later(self._claims.next_due_s, self._wake.set)
                    await self._wake.wait()
                    handle.cancel()
            while self._open:
                self._wake.clear()
                await self._wake.wait()
            await self._acknowledged.drained()
            await self._failed.drained()
            for writer in writers:
                writer.cancel()
        await self._holding.close()
        await self._standing.close()
        await self._acknowledged_on.close()
        await self._failed_on.close()

    async def _once(self) -> bool:
        """Takes one round of events and posts them. Returns whether there may be more at once."""
        provisioning = self._provisioning()
        if provisioning is None:
            return False
        conn = await self._standing.get()
        await self._rounds.look(conn)
        taken = await self._claims.take(conn)
        # A plan that is newer than our picture of the installation: it is known in a moment.
        self._claims.put_back([hook for hook in taken if hook.plan_id not in provisioning.plans])
        taken = [hook for hook in taken if hook.plan_id in provisioning.plans]
        if not taken:
            return False
        try:
            posts = await self._contents(conn, taken, provisioning)
        except DatabaseError:
            self._claims.put_back(taken)
            raise
        now = int(clock.wall_s())
        for hook, target, content in posts:
            self._post(hook, provisioning, target, content, now)
        if len(taken) < _FEW:
            await clock.sleep(_GATHER_S)
        return True

    async def _contents(
        self, conn: Connection, taken: Sequence[Hook], provisioning: Provisioning
    ) -> list[tuple[Hook, Callback, Record | Inbound]]:
        """What is to be posted where. The others leave the queue: those that a later event of their message overtook,
        and those that nobody can be told of."""
        records = await hooks.finals(conn, finals) if (finals := [h for h in taken if h.n != _INBOUND]) else {}
        inbound = await hooks.inbound(conn, mos) if (mos := [h for h in taken if h.n == _INBOUND]) else {}
        posts: list[tuple[Hook, Callback, Record | Inbound]] = []
        overtaken: list[Hook] = []
        dead: list[tuple[Hook, str]] = []
        for hook in taken:
            content = inbound.get(hook.msg_id) if hook.n == _INBOUND else records.get(hook.msg_id)
            if content is None:
                dead.append((hook, "the message is gone"))
            elif isinstance(content, Record) and hook.n < _event_of(content):
                overtaken.append(hook)
            elif hook.disabled:
                dead.append((hook, "the URL is disabled"))
            elif (target := self._target(hook, provisioning.plans[hook.plan_id])) is None:
                dead.append((hook, "the URL is not allowed"))
            else:
                posts.append((hook, target, content))
        if overtaken:
            await hooks.overtaken(conn, overtaken)
        if dead:
            await hooks.died(conn, dead)
        if dropped := [*overtaken, *(hook for hook, _ in dead)]:
            self._claims.ended(dropped)
            self._breakers.came_to_nothing({(hook.plan_id, hook.origin) for hook in dropped})
        for hook, reason in dead:
            _ATTEMPTS.of("dead").value += 1
            _log.info("hook.dead", msg_id=str(hook.msg_id), n=hook.n, tries=hook.tries, reason=reason)
        return posts

    def _target(self, hook: Hook, plan: Plan) -> Callback | None:
        """Where an event goes, if that is allowed now."""
        target = self._target_of(hook.url)
        if target is None or hook.configured or plan.callback_origins is None:
            return target
        return target if target.origin in plan.callback_origins else None

    def _room(self, plan_id: PlanId, origin: str) -> int:
        """How many events a lane may get now."""
        target = self._target_of(origin + "/")
        # Without a target the events die at once, which needs no room at a receiver.
        return self._client.room(str(plan_id), target.origin) if target is not None else 64

    def _post(
        self, hook: Hook, provisioning: Provisioning, target: Callback, content: Record | Inbound, now: int
    ) -> None:
        plan = provisioning.plans[hook.plan_id]
        if isinstance(content, Record):
            body = record_json(content, plan.account_public_id, plan.public_id)
        else:
            body = inbound_json(content, plan.account_public_id, plan.public_id)
        signer = self._signer(plan)
        hook_id = f"{hook.msg_id}-{hook.n}"
        head = (
            signer.header_lines(hook_id, now, body)
            if signer is not None
            else b"webhook-id: %b\r\nwebhook-timestamp: %d\r\n" % (hook_id.encode(), now)
        )
        certificate = None
        if (receiver := provisioning.receiver(plan, target.origin)) is not None:
            head += receiver.head
            certificate = receiver.certificate
        self._open += 1
        self._client.post(
            str(hook.plan_id), target, head, body, lambda answer: self._answered(hook, answer), certificate
        )

    def _signer(self, plan: Plan) -> Signer | None:
        known = self._signers.get(plan.plan_id)
        if known is None or known[0] is not plan:
            signer = Signer(map(secret_text, plan.hook_secrets)) if plan.hook_secrets else None
            known = self._signers[plan.plan_id] = (plan, signer)
        return known[1]

    # What comes back.

    def _answered(self, hook: Hook, answer: HookAnswer) -> None:
        self._open -= 1
        if answer.failure is Failure.CLOSED:
            return  # our own end: the event was not attempted, and is still in the queue
        lane = (hook.plan_id, hook.origin)
        self._latency.observe(answer.latency_s)
        latency_ms = int(answer.latency_s * 1000)
        tries = hook.tries + 1
        if answer.status is not None and 200 <= answer.status < 300:
            self._delivered.value += 1
            self._breakers.succeeded(lane)
            self._acknowledged.add(
                (hook, Acknowledged(hook.plan_id, hook.origin, hook.due_at, hook.msg_id, hook.n, tries, answer.status,
                                    latency_ms, answer.excerpt or None))
            )  # fmt: skip
        else:
            _ATTEMPTS.of("failed").value += 1
            self._breakers.failed(lane)
            next_in_s = next_attempt_s(tries, answer.retry_after_s, random.random)
            dead = None
            if answer.status == _GONE:
                next_in_s, dead = None, "the receiver answered 410 Gone"
            elif next_in_s is None:
                dead = "all attempts failed"
            failure = str(answer.failure) if answer.failure is not None else None
            _log.info("hook.attempted", msg_id=str(hook.msg_id), n=hook.n, tries=tries, status=answer.status,
                      failure=failure, next_in_s=next_in_s, dead=dead)  # fmt: skip
            self._failed.add(
                (hook, AttemptedHook(hook.plan_id, hook.origin, hook.due_at, hook.msg_id, hook.n, tries, hook.url,
                                     answer.status, failure, latency_ms, answer.excerpt or None, next_in_s, dead))
            )  # fmt: skip
        self._wake.set()

    async def _write_acknowledged(self, batch: list[tuple[Hook, Acknowledged]]) -> None:
        await _write(self._acknowledged_on, lambda conn: hooks.acknowledged(conn, [row for _, row in batch]))
        if self._claims.ended([hook for hook, _ in batch]):
            self.wake()

    async def _write_failed(self, batch: list[tuple[Hook, AttemptedHook]]) -> None:
        await _write(self._failed_on, lambda conn: hooks.attempted(conn, [row for _, row in batch]))
        self._claims.ended([hook for hook, _ in batch])
        self._wake.set()


async def _write(standing: Standing, store: Callable[[Connection], Awaitable[None]]) -> None:
    """Stores results, again and again until the database takes them."""
    while True:
        try:
            await store(await standing.get())
            return
        except DatabaseError as error:
            _log.warning("hooks.result_waits", error=log.explained(error))
            standing.abandon()
            await clock.sleep(0.2)


def _event_of(record: Record) -> int:
    """The number of the last event of a message: 1 SENT, 2 its final status, 3 the correction of an UNKNOWN."""
    return 1 if record.status is Status.SENT else 3 if record.late else 2
