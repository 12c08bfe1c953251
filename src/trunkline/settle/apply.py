"""Step 6 of the trip: make messages final, whoever found out (mt, dlr, upkeep), under one guard and with their event.

Messages with several parts are decided in two steps: what a part told is stored and committed first, then everything
about the message is read in a new snapshot. Two sessions that each store one part at the same instant may both find
the message complete, and the guard lets one of them move it; neither can miss the other's part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from uuid import UUID

from trunkline.domain.parts import Outcome, verdict
from trunkline.domain.provisioning import CarrierId, PlanId
from trunkline.domain.status import FINAL, Status
from trunkline.runtime import metrics
from trunkline.store import settling
from trunkline.store.db import Connection
from trunkline.store.settling import Decides, MatchedReceipt, Move, PartOutcome

_SETTLED = metrics.counter("trunkline_settled", "Messages that became final.", "status")
_CONFLICTS = metrics.counter("trunkline_conflicts", "Final words about messages that were final already.")

Message = tuple[PlanId, UUID]


def first_of_each(moves: Sequence[Move]) -> list[Move]:
    """One move a message: the first final one wins, but a final word about an UNKNOWN goes before the UNKNOWN."""
    chosen: dict[Message, Move] = {}
    for move in moves:
        known = chosen.get((move.plan_id, move.msg_id))
        if known is None or _overrules(move.status, known.status):
            chosen[move.plan_id, move.msg_id] = move
    return list(chosen.values())


def _overrules(status: int, earlier: int) -> bool:
    return earlier == Status.UNKNOWN and status != Status.UNKNOWN


async def apply(conn: Connection, moves: Sequence[Move], *, of_parts: bool = False) -> set[Message]:
    """Applies moves; those that the guard refuses change nothing. Returns the messages that moved. `of_parts`: what
    their parts told counts as well, the recipient's network."""
    chosen = first_of_each(moves)
    if not chosen:
        return set()
    moved = await settling.apply(conn, chosen, wake=True, of_parts=of_parts)
    _count(chosen, moved)
    return moved


async def apply_receipts(
    conn: Connection,
    carrier_id: CarrierId,
    matched: Sequence[MatchedReceipt],
    unparked: Sequence[int] = (),
    *,
    wake: bool = True,
) -> None:
    """Stores receipts that found their part, with all they cause, in one commit; then looks at messages with several
    parts."""
    matched = _deciding_once(matched)
    moved = await settling.apply_receipts(conn, carrier_id, matched, unparked, wake=wake)
    _count([r for r in matched if r.decides == Decides.MESSAGE], moved)
    if several := {(r.plan_id, r.msg_id) for r in matched if r.decides == Decides.PART}:
        await settle_parts(conn, several)


def _deciding_once(matched: Sequence[MatchedReceipt]) -> Sequence[MatchedReceipt]:
    """Of receipts about the same part one decides: the first final one, but a final word goes before an UNKNOWN."""
    deciding = [r for r in matched if r.decides]
    chosen: dict[tuple[PlanId, UUID, int], MatchedReceipt] = {}
    for receipt in deciding:
        key = (receipt.plan_id, receipt.msg_id, receipt.part_no)
        known = chosen.get(key)
        if known is None or _overrules(receipt.status, known.status):
            chosen[key] = receipt
    if len(chosen) == len(deciding):
        return matched
    deciders = set(map(id, chosen.values()))
    return [r if not r.decides or id(r) in deciders else r._replace(decides=Decides.NOTHING) for r in matched]


async def store_parts(conn: Connection, outcomes: Sequence[PartOutcome]) -> None:
    """Parts (of messages with several) that were refused at submit or given up, or that no receipt will come of. Once
    this is committed, call `settle_parts` for their messages."""
    await settling.parts_ended(conn, outcomes)


async def settle_parts(conn: Connection, messages: Collection[Message]) -> set[Message]:
    """Decides about messages with several parts from what is committed now. Returns those that moved."""
    moves = []
    for state in await settling.part_states(conn, list(messages)):
        if state.status is not None and state.status != Status.UNKNOWN:
            continue
        found = verdict(state.parts, state.accepted, [Outcome(*o) for o in state.outcomes])
        if found is not None:
            moves.append(Move(state.plan_id, state.msg_id, found[0], found[1], state.sent_at, False))
    return await apply(conn, moves, of_parts=True)


def decides(status: Status, parts: int) -> Decides:
    """What a receipt with this status decides about, where its message has so many parts."""
    if status not in FINAL:
        return Decides.NOTHING
    return Decides.MESSAGE if parts == 1 else Decides.PART


def _count(moves: Sequence[Move | MatchedReceipt], moved: set[Message]) -> None:
    for status, count in Counter(m.status for m in moves if (m.plan_id, m.msg_id) in moved).items():
        _SETTLED.of(Status(status).name).value += count
    _CONFLICTS.of().value += len(moves) - len(moved)
