"""How an attempt ends that was not accepted: again at once, later, or the end of the part."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from trunkline.domain.provisioning import CarrierId, PlanId
from trunkline.domain.status import Status
from trunkline.mt.submit import Ticket
from trunkline.settle import apply as settle
from trunkline.store.db import Connection
from trunkline.store.queue import Requeued
from trunkline.store.settling import Move, PartOutcome


class Ending(NamedTuple):
    """A part's attempt that was not accepted, and what follows: again at once (`again_in_s` 0), later, or the end, with
    `final_code`; without one the message had ended before, or (`expired`) what the carrier said last tells why."""

    ticket: Ticket
    link_id: int | None
    outcome: str
    command_status: int | None
    again_in_s: float | None
    final_code: int | None
    counts: bool  # uses up one of the message's tries
    carrier_id: CarrierId | None = None  # again at another carrier
    routed: int | None = None
    again_at: dt.datetime | None = None  # again then, if the validity reaches so far


async def end(conn: Connection, endings: Sequence[Ending]) -> set[settle.Message]:
    """Settles parts that were refused for good, or never will be sent. Returns the messages with several parts."""
    moves, outcomes = [], []
    for ending in endings:
        claimed, code = ending.ticket.claimed, ending.final_code
        if code is None:
            continue
        if ending.ticket.parts == 1:
            moves.append(Move(claimed.plan_id, claimed.msg_id, Status.FAILED, code, None, claimed.resubmitted))
        else:
            outcomes.append(PartOutcome(claimed.plan_id, claimed.msg_id, ending.ticket.part_no, Status.FAILED, code))
    if moves:
        await settle.apply(conn, moves)
    if outcomes:
        await settle.store_parts(conn, outcomes)
    return {(o.plan_id, o.msg_id) for o in outcomes}


def next_at(ending: Ending, now: dt.datetime) -> dt.datetime | None:
    """When the part is tried again; None: never. A retry that its validity does not reach is none, but a message that
    a carrier only slowed down, or whose link was down, waits in the queue to the end of it."""
    claimed = ending.ticket.claimed
    if ending.again_at is not None:
        return ending.again_at if ending.again_at < claimed.expires_at else None
    if ending.again_in_s is None:
        return None
    at = now + dt.timedelta(seconds=ending.again_in_s)
    return None if ending.counts and at >= claimed.expires_at else at


def one_row_each(rows: Sequence[tuple[Requeued, dt.datetime]], *, with_time: bool) -> list:  # type: ignore[type-arg]
    """Parts of one message meet in one row: an INSERT may not touch a row twice."""
    merged: dict[tuple[CarrierId, PlanId, object], tuple[Requeued, dt.datetime]] = {}
    for row, at in rows:
        key = (row.carrier_id, row.plan_id, row.msg_id)
        if key in merged:
            known, known_at = merged[key]
            missing = known.missing | row.missing
            row = known._replace(missing=missing, parts=missing.bit_count(), tries=max(known.tries, row.tries))
            at = max(known_at, at)
        merged[key] = (row, at)
    return list(merged.values()) if with_time else [row for row, _ in merged.values()]
