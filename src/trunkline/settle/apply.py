"""Step 6 of the trip: make messages final, whoever found out (mt, dlr, upkeep), under one guard and with their event.

Messages with several parts are decided in two steps: what a part told is stored and committed first, then everything
about the message is read in a new snapshot. Two sessions that each store one part at the same instant may both find
the message complete, and the guard lets one of them move it; neither can miss the other's part.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from trunkline.domain.parts import Outcome, verdict
from trunkline.domain.provisioning import CarrierId, PlanId
from trunkline.domain.status import FINAL, Status
from trunkline.runtime import metrics
from trunkline.store import settling
from trunkline.store.db import Connection
from trunkline.store.settling import MatchedReceipt, Move, PartOutcome

_SETTLED = metrics.counter("trunkline_settled", "Messages that became final.", "status")
_CONFLICTS = metrics.counter("trunkline_conflicts", "Final words about messages that were final already.")

Message = tuple[PlanId, UUID]


def first_of_each(moves: Sequence[Move]) -> list[Move]:
    """One move a message: the first final one wins, but a final word about an UNKNOWN goes before the UNKNOWN."""
    chosen: dict[Message, Move] = {}
    for move in moves:
        known = chosen.get((move.plan_id, move.msg_id))
        if known is None or (known.status == Status.UNKNOWN and move.status != Status.UNKNOWN):
            chosen[move.plan_id, move.msg_id] = move
    return list(chosen.values())


async def apply(conn: Connection, moves: Sequence[Move]) -> set[Message]:
    """Applies moves; those that the guard refuses change nothing. Returns the messages that moved."""
    chosen = first_of_each(moves)
    if not chosen:
        return set()
    moved = await settling.apply(conn, chosen, wake=True)
    _count(chosen, moved)
    return moved


async def apply_receipts(
    conn: Connection,
    carrier_id: CarrierId,
    matched: Sequence[tuple[MatchedReceipt, Move | None, int]],
    unparked: Sequence[int] = (),
    *,
    wake: bool = True,
) -> None:
    """Stores receipts that found their part, with all they cause, in one commit; then looks at messages with several
    parts. `matched`: receipt, the move of its message (None: it moves nothing), parts of the message.
    """
    moves = first_of_each([move for _, move, parts in matched if move is not None and parts == 1])
    outcomes = {
        (r.plan_id, r.msg_id, r.part_no): PartOutcome(r.plan_id, r.msg_id, r.part_no, r.status, r.error_code)
        for r, move, parts in reversed(matched)
        if move is not None and parts > 1
    }
    moved = await settling.apply_receipts(
        conn, carrier_id, moves, [r for r, _, _ in matched], list(outcomes.values()), unparked, wake=wake
    )
    _count(moves, moved)
    if outcomes:
        await settle_parts(conn, {(plan_id, msg_id) for plan_id, msg_id, _ in outcomes})


async def store_parts(conn: Connection, outcomes: Sequence[PartOutcome]) -> None:
    """Parts (of messages with several) that were refused at submit or given up. Once this is committed, call
    `settle_parts` for their messages."""
    await settling.parts_refused(conn, outcomes)


async def settle_parts(conn: Connection, messages: Collection[Message]) -> set[Message]:
    """Decides about messages with several parts from what is committed now. Returns those that moved."""
    moves = []
    for state in await settling.part_states(conn, list(messages)):
        if state.status is not None and state.status != Status.UNKNOWN:
            continue
        found = verdict(state.parts, state.accepted, [Outcome(*o) for o in state.outcomes])
        if found is not None:
            moves.append(Move(state.plan_id, state.msg_id, found[0], found[1], state.sent_at, False))
    return await apply(conn, moves)


def is_move(status: Status) -> bool:
    """Whether a receipt with this status changes a message at all."""
    return status in FINAL


def _count(moves: Sequence[Move], moved: set[Message]) -> None:
    for move in moves:
        if (move.plan_id, move.msg_id) in moved:
            _SETTLED.of(Status(move.status).name).value += 1
        else:
            _CONFLICTS.of().value += 1
