"""The statements that make messages final, with the receipts that cause it, the webhook rows that tell it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from enum import IntEnum
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

from trunkline.domain.provisioning import CarrierId, PlanId
from trunkline.domain.status import FINAL, LATE_DAYS, MOVES, Status
from trunkline.store.db import Connection
from trunkline.store.queries import Queries
from trunkline.store.queue import columns
from trunkline.store.runs import runs


def _guard() -> str:
    """Which final status may be replaced by which, from the table of moves."""
    pairs = sorted((int(old), int(new)) for old in FINAL for new in MOVES[old])
    return "(m.status, t.status) IN (" + ", ".join(f"({old}, {new})" for old, new in pairs) + ")"


_SQL = Queries(
    "settle",
    {
        "guard": _guard(),
        "late window": f"interval '{LATE_DAYS} days'",
        "SENT": str(int(Status.SENT)),
        "UNKNOWN": str(int(Status.UNKNOWN)),
    },
)


class Move(NamedTuple):
    """A message is to become final (the schema's type final_move)."""

    plan_id: PlanId
    msg_id: UUID
    status: int
    error_code: int
    sent_at: dt.datetime | None  # first acceptance by the carrier, where there was one
    resubmitted: bool


class Decides(IntEnum):
    """What a receipt decides about."""

    NOTHING = 0
    MESSAGE = 1
    PART = 2  # of a message with several


class MatchedReceipt(NamedTuple):
    """A receipt and the part that it is about (the schema's type told_receipt)."""

    link_id: int
    canonical_id: str
    plan_id: PlanId
    msg_id: UUID
    part_no: int
    stat: str | None
    err: str | None
    status: int
    error_code: int
    received_at: dt.datetime | None  # None: now
    decides: int
    sent_at: dt.datetime  # when the carrier accepted the part
    resubmitted: bool
    mccmnc: str | None = None  # the recipient's network, where the receipt tells it


class PartOutcome(NamedTuple):
    """How one part of a message with several parts ended."""

    plan_id: PlanId
    msg_id: UUID
    part_no: int
    status: int
    error_code: int


class PartStates(NamedTuple):
    """Everything that decides about a message with several parts, in one snapshot."""

    plan_id: PlanId
    msg_id: UUID
    parts: int
    status: int | None
    accepted: list[int]
    sent_at: dt.datetime | None
    outcomes: list[tuple[int, int, int, bool]]  # (part_no, status, error_code, at_submit) in the order they came


_msg_id: Callable[[Move | MatchedReceipt], UUID] = attrgetter("msg_id")


def _bounds(ids: Sequence[UUID]) -> tuple[UUID, UUID]:
    return (min(ids), max(ids)) if ids else (UUID(int=0), UUID(int=0))


async def apply(
    conn: Connection, moves: Sequence[Move], *, wake: bool, of_parts: bool = False
) -> set[tuple[PlanId, UUID]]:
    """Applies moves (at most one a message) under the guard. Returns the messages that moved. `of_parts`: parts of them
    may have been told, and with them the recipient's network."""
    moved: set[tuple[PlanId, UUID]] = set()
    for some in runs(conn, moves, _msg_id):
        low, high = _bounds([move.msg_id for move in some])
        moved |= {(row[0], row[1]) for row in await conn.fetch(_SQL.apply, low, high, wake, some, of_parts)}
    return moved


async def apply_receipts(
    conn: Connection,
    carrier_id: CarrierId,
    receipts: Sequence[MatchedReceipt],
    unparked: Sequence[int],
    *,
    wake: bool,
) -> set[tuple[PlanId, UUID]]:
    """Stores receipts and applies the moves they cause, in one commit, or some (store/runs.py). Returns the messages
    that moved.

    At most one receipt decides about a message, or about a part of one.
    """
    deciding = [r for r in receipts if r.decides == Decides.MESSAGE]
    *early, last = runs(conn, deciding, _msg_id)
    moved: set[tuple[PlanId, UUID]] = set()
    for some in early:
        moved |= await _apply_receipts(conn, carrier_id, some, some, (), wake=wake)
    # Last what no message is moved by: a parked receipt leaves only once all is stored.
    rest = [*last, *(r for r in receipts if r.decides != Decides.MESSAGE)] if early else receipts
    return moved | await _apply_receipts(conn, carrier_id, rest, last, unparked, wake=wake)


async def _apply_receipts(
    conn: Connection,
    carrier_id: CarrierId,
    receipts: Sequence[MatchedReceipt],
    deciding: Sequence[MatchedReceipt],
    unparked: Sequence[int],
    *,
    wake: bool,
) -> set[tuple[PlanId, UUID]]:
    low, high = _bounds([r.msg_id for r in deciding])
    rows = await conn.fetch(_SQL.apply_receipts, low, high, wake, carrier_id, receipts, unparked)
    return {(row[0], row[1]) for row in rows}


async def parts_ended(conn: Connection, outcomes: Sequence[PartOutcome]) -> None:
    """Parts of messages with several parts that were refused at submit, or given up, or are with the carrier for good.
    At most one outcome a part."""
    await conn.fetch(_SQL.parts_ended, *columns(outcomes, 5))


async def part_states(conn: Connection, messages: Sequence[tuple[PlanId, UUID]]) -> list[PartStates]:
    """Reads in a snapshot of its own: call it after the commit of what may have completed the messages."""
    ids = [msg_id for _, msg_id in messages]
    # A part is submitted after its message's acceptance, so older partitions of ref hold nothing of it.
    since = dt.datetime.fromtimestamp((min(ids).int >> 80) / 1000, dt.UTC) - dt.timedelta(minutes=1)
    rows = await conn.fetch(_SQL.part_states, [plan for plan, _ in messages], ids, since, min(ids), max(ids))
    return [
        PartStates(r[0], r[1], r[2], r[3], r[4] or [], r[5], [tuple(outcome) for outcome in r[6] or ()]) for r in rows
    ]
