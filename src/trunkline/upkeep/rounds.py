"""The rounds: which task runs how often."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from trunkline.runtime import clock, log
from trunkline.store import (
    admission,
    charges,
    hook_secrets,
    hooks,
    idempotency,
    inbound,
    optouts,
    partitions,
    queue,
    receipts,
)
from trunkline.store import overdue as store
from trunkline.store.db import Connection, DatabaseError, Standing
from trunkline.upkeep import overdue, parts, quality, rescue, reserves
from trunkline.upkeep.divert import Diverting

_log = log.get_logger()
_PARKED_H, _PARKED_MOST = 72, 200_000
# Nearly all that a crash left is found at once: each receipt that waits is looked at twice. After that only now and
# then, since in a flood of unknown ids a hundred thousand may wait.
_LOOK_SINCE_S, _LOOK_AGAIN_SINCE_S, _LOOKS = 6, 600, 15
_AHEAD_ALARM_DAYS = 3


class Task(NamedTuple):
    """One thing to do every so many seconds; told whether there is more to do at once."""

    name: str
    every_s: float
    run: Callable[[Connection], Awaitable[bool]]


class Rounds:
    """Runs the tasks of upkeep, each in its own time, on connections of their own."""

    def __init__(
        self,
        dsn: str,
        *,
        lease_s: int,
        look: rescue.Look,
        join: parts.Join,
        receipt_grace_s: int = overdue.RECEIPT_GRACE_S,
        diverting: Diverting | None = None,
        dead_letter_days: int = 30,
    ) -> None:
        """`look` takes up parked receipts of ids that are known now, `join` what is ready of sets of inbound parts;
        `receipt_grace_s`: how long after its validity a message waits for a receipt; `diverting` moves what waits for
        carriers that are down."""
        self._dsn = dsn
        self._lease_s = lease_s
        self._dead_letter_days = dead_letter_days
        self._look = look
        self._join = join
        self._diverting = diverting
        self._without_receipt = overdue.WithoutReceipt(receipt_grace_s)
        self._look_count = 0
        self._standing: dict[str, Standing] = {}
        self._lease_round_at = self._connected_at = float("-inf")
        self._looked_to: dt.datetime | None = None

    def tasks(self) -> list[Task]:
        return [
            Task("due", 0.25, self._due),
            Task("leases", 1.0, self._leases),
            Task("doubts", 0.5, self._doubts),
            Task("look", 2.0, self._look_again),
            Task("parts", 2.0, self._parts),
            Task("queued", 3.0, self._queued),  # reads the whole queue
            Task("divert", 1.0, self._divert),
            Task("quality", 60.0, self._quality),
            Task("keys", 60.0, self._keys),
            Task("reserves", 1.0, self._reserves),
            Task("windows", 60.0, self._windows),
            Task("repeats", 60.0, inbound.forget),
            Task("parked", 60.0, self._parked),
            Task("old parts", 60.0, self._old_parts),
            Task("replies", 600.0, optouts.forget_replies),
            Task("dead letters", 60.0, self._dead_letters),
            Task("secrets", 60.0, self._secrets),
            Task("receipts", 300.0, self._receipts),
            Task("partitions", 600.0, self._partitions),
        ]

    async def run(self) -> None:
        """Runs until cancelled."""
        async with asyncio.TaskGroup() as group:
            for task in self.tasks():
                group.create_task(self._repeat(task), name=f"upkeep {task.name}")

    async def _repeat(self, task: Task) -> None:
        standing = self._standing[task.name] = Standing(self._dsn, name=f"upkeep {task.name}", hot=False)
        while True:
            more = False
            try:
                more = await task.run(await standing.get())
            except DatabaseError as error:
                _log.warning("upkeep.waits", task=task.name, error=log.explained(error))
                standing.abandon()
                await clock.sleep(0.5)
            if not more:
                await clock.sleep(task.every_s)

    async def _due(self, conn: Connection) -> bool:
        return await queue.move_due(conn) > 0

    async def _leases(self, conn: Connection) -> bool:
        await rescue.ended_leases(conn, self._lease_s, may_retire=self._connected_for_a_lease)
        self._lease_round_at = clock.boot_s()
        return False

    def _connected_for_a_lease(self) -> bool:
        """Whether the server has answered us for a whole lease. While it was silent nobody else may have reached it
        either, and this process may have been asleep: then the time counts anew."""
        now = clock.boot_s()
        if now - self._lease_round_at > self._lease_s / 2:
            self._connected_at = now
        return now - self._connected_at >= self._lease_s

    async def _doubts(self, conn: Connection) -> bool:
        return await rescue.ended_doubts(conn) > 0

    async def _look_again(self, conn: Connection) -> bool:
        parked_s = _LOOK_SINCE_S if self._look_count % _LOOKS else _LOOK_AGAIN_SINCE_S
        self._look_count += 1
        self._looked_to = await rescue.look_again(conn, self._look, self._looked_to, parked_s=parked_s)
        return False

    async def _parts(self, conn: Connection) -> bool:
        return await parts.waiting(conn, self._join) > 0

    async def _queued(self, conn: Connection) -> bool:
        return await overdue.queued(conn) > 0

    async def _old_parts(self, conn: Connection) -> bool:
        return await store.forget_parts(conn) > 0

    async def _divert(self, conn: Connection) -> bool:
        return self._diverting is not None and await self._diverting.run(conn)

    async def _quality(self, conn: Connection) -> bool:
        await quality.measure(conn)
        return False

    async def _keys(self, conn: Connection) -> bool:
        return await idempotency.forget(conn) > 0

    async def _dead_letters(self, conn: Connection) -> bool:
        return await hooks.forget_dead(conn, self._dead_letter_days) > 0

    async def _secrets(self, conn: Connection) -> bool:
        for plan in await hook_secrets.end_old(conn):
            _log.info("hook.secret_ended", plan=plan)
        return False

    async def _reserves(self, conn: Connection) -> bool:
        return await reserves.ended(conn) > 0

    async def _windows(self, conn: Connection) -> bool:
        return await admission.forget_windows(conn) > 0

    async def _parked(self, conn: Connection) -> bool:
        return await receipts.retire_parked(conn, _PARKED_H, _PARKED_MOST) > 0

    async def _receipts(self, conn: Connection) -> bool:
        await self._without_receipt.run(conn)
        return False

    async def _partitions(self, conn: Connection) -> bool:
        made = await partitions.attach_ahead(conn)
        await charges.fold(conn)  # before the rows of the days go
        dropped = await partitions.retire(conn)
        if made or dropped:
            _log.info("partitions.changed", made=made, dropped=dropped)
        log.alarm("partitions_short", "msg", await partitions.days_ahead(conn) < _AHEAD_ALARM_DAYS)
        return False
