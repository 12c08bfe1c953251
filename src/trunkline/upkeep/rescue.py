"""Leases that ran out, the doubts that dead dispatchers and broken links leave, and receipts that nobody looked at."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from trunkline.domain.provisioning import CarrierId, PlanId
from trunkline.domain.status import Status
from trunkline.runtime import log
from trunkline.settle import apply as settle
from trunkline.store import leases, overdue, queue, receipts
from trunkline.store.db import Connection
from trunkline.store.overdue import DueDoubt
from trunkline.store.queue import Requeued
from trunkline.store.settling import Move, PartOutcome

_log = log.get_logger()

_LOOK_BACK = dt.timedelta(minutes=10)
_UNCOMMITTED = dt.timedelta(seconds=30)  # what was stored with a time before a look may have been committed after it

Look = Callable[[Connection, CarrierId, Sequence[str]], Awaitable[None]]


async def ended_leases(conn: Connection, lease_s: int, *, may_retire: Callable[[], bool]) -> int:
    """Ends leases that ran out, and puts what their holders had claimed in doubt. Returns how many parts.

    `may_retire`: whether this process has been connected for a whole lease. It is asked once the transaction runs: from
    there on now() stands still, so a server that falls silent later ends no lease that it kept from being renewed.
    """
    async with conn.transaction():
        if not await overdue.try_task(conn, "leases"):
            return 0
        if may_retire():
            for ended in await leases.retire(conn, lease_s):
                _log.warning("lease.ended", epoch=ended.epoch, node=ended.node, pid=ended.pid)
        count = await leases.rescue(conn)
    if count:
        _log.warning("lease.in_doubt", parts=count)
    return count


async def look_again(
    conn: Connection, look: Look, since: dt.datetime | None = None, *, parked_s: int = 600
) -> dt.datetime:
    """Receipts that are parked (for at most `parked_s`) although their part is known, or can only be about one part in
    doubt; and messages with several parts of which one ended since then (None: in the last ten minutes), and a crash
    came before anybody looked. Returns since when to look the next time."""
    now = await queue.database_now(conn)
    since = max(min(since or now - _LOOK_BACK, now - _UNCOMMITTED), now - _LOOK_BACK)
    async with conn.transaction():
        if not await overdue.try_task(conn, "look"):
            return since
        found = await receipts.orphans(conn, parked_s) + await receipts.resolve_doubts(conn)
    by_carrier: dict[CarrierId, list[str]] = {}
    for carrier_id, canonical_id in found:
        by_carrier.setdefault(carrier_id, []).append(canonical_id)
    for carrier_id, ids in by_carrier.items():
        await look(conn, carrier_id, ids)
    open_parts = await overdue.open_parts(conn, since)
    if open_parts:
        await settle.settle_parts(conn, open_parts)
        return since
    return now


async def ended_doubts(conn: Connection) -> int:
    """Doubts whose time is over: resent once where the plan says at least once, else UNKNOWN. Returns how many."""
    async with conn.transaction():
        due = await overdue.take_due_doubts(conn)
        if not due:
            return 0
        again, moves, outcomes = [], [], []
        for doubt in due:
            if doubt.accepted or doubt.final:
                continue  # told meanwhile, by a late response or a receipt
            if doubt.at_least_once and not doubt.resubmitted and doubt.valid:
                again.append(_resend(doubt))
            elif doubt.parts == 1:
                moves.append(Move(doubt.plan_id, doubt.msg_id, Status.UNKNOWN, doubt.code, None, doubt.resubmitted))
            else:
                outcomes.append(PartOutcome(doubt.plan_id, doubt.msg_id, doubt.part_no, Status.UNKNOWN, doubt.code))
        if again:
            await queue.give_back(conn, _merged(again))
            await overdue.mark_resubmitted(conn, [(doubt.plan_id, doubt.msg_id) for doubt in again])
            await conn.execute("SELECT pg_notify('mt', 'again')")
        await settle.apply(conn, moves)
        if outcomes:
            await settle.store_parts(conn, outcomes)
    if outcomes:
        await settle.settle_parts(conn, {(o.plan_id, o.msg_id) for o in outcomes})
    _log.info("doubt.ended", resent=len(again), unknown=len(moves) + len(outcomes))
    return len(due)


def _resend(doubt: DueDoubt) -> Requeued:
    return Requeued(
        doubt.carrier_id, doubt.plan_id, doubt.priority, doubt.msg_id, 1 << (doubt.part_no - 1), 1, doubt.tries, True,
        doubt.expires_at,
    )  # fmt: skip


def _merged(rows: Sequence[Requeued]) -> list[Requeued]:
    """Parts of one message meet in one row."""
    merged: dict[tuple[PlanId, UUID, CarrierId], Requeued] = {}
    for row in rows:
        key = (row.plan_id, row.msg_id, row.carrier_id)
        known = merged.get(key)
        missing = row.missing | (known.missing if known else 0)
        merged[key] = row._replace(missing=missing, parts=missing.bit_count())
    return list(merged.values())
