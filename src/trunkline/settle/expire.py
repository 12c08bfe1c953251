"""Messages whose validity ended before all of their parts went out: FAILED, and why they had to wait."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache

from trunkline.carriers.dialect import from_mapping
from trunkline.carriers.refusal import Action, Refusal, meaning
from trunkline.domain.status import Status
from trunkline.settle import apply as settle
from trunkline.store.db import Connection
from trunkline.store.overdue import Expired
from trunkline.store.settling import Move, PartOutcome

# After these a message waits in the queue; if it does so to the end of its validity, that is why.
_WAITING = frozenset({Action.SLOW_DOWN, Action.LINK_STATE, Action.FINAL_OR_PAUSE, Action.WITHOUT_TLVS_ONCE})
_TURN_DID_NOT_COME, _LINK_DOWN = 702, 461


async def expire(conn: Connection, expired: Sequence[Expired]) -> set[settle.Message]:
    """Ends them, in the caller's transaction. Returns those with several parts: `settle_parts` of them is to be called
    after its commit."""
    whole = [e for e in expired if e.parts == 1]
    await settle.apply(conn, [Move(e.plan_id, e.msg_id, Status.FAILED, _code(e), None, e.resubmitted) for e in whole])
    outcomes = [
        PartOutcome(e.plan_id, e.msg_id, part_no, Status.FAILED, _code(e))
        for e in expired
        if e.parts > 1
        for part_no in range(1, e.parts + 1)
        if e.missing >> (part_no - 1) & 1
    ]
    if outcomes:
        await settle.store_parts(conn, outcomes)
    return {(o.plan_id, o.msg_id) for o in outcomes}


def _code(expired: Expired) -> int:
    """The carrier slowed us down, was paused or would not know us, or it had no link, or the turn did not come."""
    if expired.last_status is not None:
        refusal = meaning(expired.last_status, own=_own(expired.dialect))
        if refusal.action in _WAITING:
            return int(refusal.final_code)
    return _TURN_DID_NOT_COME if expired.was_up else _LINK_DOWN


@lru_cache(maxsize=64)
def _own(dialect: str | None) -> Mapping[int, Refusal]:
    """The carrier's own statuses."""
    return from_mapping(json.loads(dialect)).refusals if dialect else {}
