"""What operators see of carriers and ask of their dispatchers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trunkline.admin.document import near
from trunkline.admin.tokens import Refused
from trunkline.domain.provisioning import CarrierId
from trunkline.store import audit, carrier_states, provisioning, queue
from trunkline.store.audit import Entry
from trunkline.store.carrier_states import Standing
from trunkline.store.db import Connection

_COUNT_TO = 10_000_000  # messages of a lane
_NOTICES = 5


@dataclass(frozen=True, slots=True)
class Lane:
    """What a plan has waiting at a carrier; ages are of the first message."""

    priority: int
    plan: str | None  # name and public id; None: the plan is gone
    weight: int
    messages_per_s: int | None
    count: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class Whole:
    """A carrier with its lanes, highest priority first, and the latest that the audit says of it."""

    standing: Standing
    lanes: Sequence[Lane]
    later_count: int
    notices: Sequence[Entry]


async def whole(conn: Connection, name: str) -> Whole:
    """The carrier of this name. Raises Refused."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        standing = await _standing(conn, name)
        plans = await provisioning.rows(conn, "plan")
        now_s = (await queue.database_now(conn)).timestamp()
        lanes = []
        for lane, count, first in await queue.depths(conn, standing.carrier_id, _COUNT_TO):
            plan = plans.get(lane.plan_id)
            lanes.append(
                Lane(
                    lane.priority,
                    None if plan is None else f"{plan['name']} ({plan['public_id']})",
                    1 if plan is None else plan["weight"],
                    None if plan is None else plan["messages_per_s"],
                    count,
                    max(now_s - (first.int >> 80) / 1000, 0.0),
                )
            )
        later_count = await carrier_states.later_count(conn, standing.carrier_id)
        notices = await audit.entries(conn, f"carrier {name}", limit=_NOTICES)
    return Whole(standing, lanes, later_count, notices)


async def retry(conn: Connection, name: str, *, actor: str) -> None:
    """Has a paused carrier tried again at once. Raises Refused."""
    async with conn.transaction():
        standing = await _standing(conn, name)
        if standing.paused_until is None or not await carrier_states.retry(conn, CarrierId(standing.carrier_id)):
            raise Refused(f"carrier {name} is not paused")
        await audit.record(conn, actor, "carrier.retried", f"carrier {name}", {})


async def _standing(conn: Connection, name: str) -> Standing:
    found = await carrier_states.standings(conn)
    for standing in found:
        if standing.name == name:
            return standing
    raise Refused(f"there is no carrier {name}{near(name, [standing.name for standing in found])}")
