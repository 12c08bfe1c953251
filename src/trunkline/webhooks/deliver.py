"""Step 7 of the trip: take due events, render and sign them, post them, keep what came of it.

A lane is (plan, origin): each gets only as many events as its origin has room for, so that a dead or slow receiver
delays nobody else. Events stay in the queue until they are acknowledged; taking one only moves its time ahead, so a
crash costs a delay and perhaps a repeat, never an event.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from uuid import UUID

from trunkline.contract.record import inbound_json, record_json
from trunkline.domain.inbound import Inbound
from trunkline.domain.message import Record
from trunkline.domain.provisioning import Plan, PlanId, Provisioning
from trunkline.domain.schedule import next_attempt_s
from trunkline.runtime import clock, log, metrics
from trunkline.runtime.gather import Gather
from trunkline.store import hooks
from trunkline.store.db import Connection, DatabaseError, Standing
from trunkline.store.hooks import Acknowledged, AttemptedHook, Hook
from trunkline.webhooks.client import HookAnswer, HookClient
from trunkline.webhooks.sign import Signer
from trunkline.webhooks.target import TargetOf

_log = log.get_logger()
_ATTEMPTS = metrics.counter("trunkline_hook_attempts", "Webhook attempts.", "outcome")
_LATENCY = metrics.histogram("trunkline_hook_seconds", "How long receivers took to answer.")

_INBOUND = 0
_POLL_S = 0.5
_TAKE_MOST = 512
# Taken events are due again after this: longer than an attempt and the write of its result can take.
_HOLD_S = 30
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
    ) -> None:
        self._client = client
        self._provisioning = provisioning
        self._target_of = target_of
        self._standing = Standing(dsn, name="hooks")
        self._results = Standing(dsn, name="hook results")
        self._acknowledged: Gather[Acknowledged] = Gather(self._write_acknowledged, linger_s=0.005, most=256)
        self._failed: Gather[AttemptedHook] = Gather(self._write_failed, linger_s=0.02, most=256)
        self._wake = asyncio.Event()
        self._draining = False
        self._open = 0
        self._signers: dict[PlanId, tuple[Plan, Signer | None]] = {}
        self._delivered = _ATTEMPTS.of("acknowledged")
        self._latency = _LATENCY.of()
        self._next_due_s = _POLL_S
        self._known: list[tuple[PlanId, str]] = []
        self._looked_at = float("-inf")

    def wake(self) -> None:
        """There are new events."""
        self._looked_at = float("-inf")
        self._wake.set()

    def drain(self) -> None:
        """Takes nothing more."""
        self._draining = True
        self._wake.set()

    async def run(self) -> None:
        """Delivers until drained; then returns once every open attempt has ended and is stored."""
        async with asyncio.TaskGroup() as group:
            writers = [group.create_task(self._acknowledged.run()), group.create_task(self._failed.run())]
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
                    handle = asyncio.get_running_loop().call_later(self._next_due_s, self._wake.set)
                    await self._wake.wait()
                    handle.cancel()
            while self._open:
                self._wake.clear()
                await self._wake.wait()
            await self._acknowledged.drained()
            await self._failed.drained()
            for writer in writers:
                writer.cancel()
        await self._standing.close()
        await self._results.close()

    async def _once(self) -> bool:
        """Takes one round of events and posts them. Returns whether there may be more at once."""
        provisioning = self._provisioning()
        if provisioning is None:
            return False
        conn = await self._standing.get()
        lanes = self._with_room(await self._lanes(conn))
        if not lanes:
            return False
        taken = await hooks.take(conn, lanes, hold_s=_HOLD_S)
        if not taken:
            self._known = []
            return False
        records = await hooks.finals(conn, finals) if (finals := [h for h in taken if h.n != _INBOUND]) else {}
        inbound = await hooks.inbound(conn, mos) if (mos := [h for h in taken if h.n == _INBOUND]) else {}
        now = int(clock.wall_s())
        for hook in taken:
            self._post(hook, provisioning, records, inbound, now)
        return True

    async def _lanes(self, conn: Connection) -> list[tuple[PlanId, str]]:
        """The lanes that have something due. While all are busy they are remembered for a moment."""
        now = asyncio.get_running_loop().time()
        if not self._known or now - self._looked_at > 0.1:
            self._looked_at = now
            found = await hooks.lanes(conn)
            waits = [lane.due_in_s for lane in found if lane.due_in_s > 0]
            self._next_due_s = min([_POLL_S, *(max(wait, 0.01) for wait in waits)])
            self._known = [(lane.plan_id, lane.origin) for lane in found if lane.due_in_s == 0]
        return self._known

    def _with_room(self, lanes: Sequence[tuple[PlanId, str]]) -> list[tuple[PlanId, str, int]]:
        left = _TAKE_MOST
        chosen = []
        # A different first each time: with many lanes no one is always last.
        start = random.randrange(len(lanes)) if lanes else 0
        for plan_id, origin in (*lanes[start:], *lanes[:start]):
            target = self._target_of(origin + "/")
            # Without a target the events die at once, which needs no room at a receiver.
            room = self._client.free(str(plan_id), target.origin) if target is not None else 64
            if room > 0 and left > 0:
                chosen.append((plan_id, origin, min(room, left)))
                left -= min(room, left)
        return chosen

    def _post(
        self,
        hook: Hook,
        provisioning: Provisioning,
        records: dict[UUID, Record],
        inbound: dict[UUID, Inbound],
        now: int,
    ) -> None:
        plan = provisioning.plans.get(hook.plan_id)
        content = inbound.get(hook.msg_id) if hook.n == _INBOUND else records.get(hook.msg_id)
        if plan is None or content is None:
            self._die(hook, "the message is gone")
            return
        target = self._target_of(hook.url)
        if target is None:
            self._die(hook, "the URL is not allowed")
            return
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
        self._open += 1
        self._client.post(str(hook.plan_id), target, head, body, lambda answer: self._answered(hook, answer))

    def _signer(self, plan: Plan) -> Signer | None:
        known = self._signers.get(plan.plan_id)
        if known is None or known[0] is not plan:
            signer = Signer([secret.decode() for secret in plan.hook_secrets]) if plan.hook_secrets else None
            known = self._signers[plan.plan_id] = (plan, signer)
        return known[1]

    # What comes back.

    def _answered(self, hook: Hook, answer: HookAnswer) -> None:
        self._open -= 1
        self._latency.observe(answer.latency_s)
        latency_ms = int(answer.latency_s * 1000)
        if answer.status is not None and 200 <= answer.status < 300:
            self._delivered.value += 1
            self._acknowledged.add(
                Acknowledged(hook.plan_id, hook.msg_id, hook.n, hook.tries + 1, answer.status, latency_ms)
            )
        else:
            _ATTEMPTS.of("failed").value += 1
            next_in_s = next_attempt_s(hook.tries + 1, answer.retry_after_s, random.random)
            dead = None
            if answer.status == _GONE:
                next_in_s, dead = None, "the receiver answered 410 Gone"
            elif next_in_s is None:
                dead = "all attempts failed"
            failure = str(answer.failure) if answer.failure is not None else None
            self._failed.add(
                AttemptedHook(hook.plan_id, hook.msg_id, hook.n, hook.tries + 1, answer.status, failure, latency_ms,
                              answer.excerpt, False, next_in_s, dead)
            )  # fmt: skip
            _log.info("hook.attempted", msg_id=str(hook.msg_id), n=hook.n, tries=hook.tries + 1, status=answer.status,
                      failure=failure, next_in_s=next_in_s, dead=dead)  # fmt: skip
        self._wake.set()

    def _die(self, hook: Hook, reason: str) -> None:
        _ATTEMPTS.of("dead").value += 1
        self._failed.add(
            AttemptedHook(hook.plan_id, hook.msg_id, hook.n, hook.tries + 1, None, "refused", 0, None, False, None,
                          reason)
        )  # fmt: skip

    async def _write_acknowledged(self, batch: list[Acknowledged]) -> None:
        while True:
            try:
                await hooks.acknowledged(await self._results.get(), batch)
                return
            except DatabaseError as error:
                await self._wait_for_database(error)

    async def _write_failed(self, batch: list[AttemptedHook]) -> None:
        while True:
            try:
                await hooks.attempted(await self._results.get(), batch)
                return
            except DatabaseError as error:
                await self._wait_for_database(error)

    async def _wait_for_database(self, error: Exception) -> None:
        _log.warning("hooks.result_waits", error=log.explained(error))
        self._results.abandon()
        await clock.sleep(0.2)
