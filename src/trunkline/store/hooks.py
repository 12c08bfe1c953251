"""The webhook queue: lanes of (plan, origin), taking, and what became of each attempt."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from trunkline.domain.inbound import Inbound
from trunkline.domain.message import Record
from trunkline.domain.provisioning import AccountId, PlanId
from trunkline.domain.status import Status
from trunkline.store import charges
from trunkline.store.db import Connection
from trunkline.store.queries import Queries
from trunkline.store.queue import FIRST, columns

_SQL = Queries("hooks")


class HookLane(NamedTuple):
    """The events of one plan for one origin; `due_in_s` is 0 where the first is due."""

    plan_id: PlanId
    origin: str
    due_in_s: float


class Hook(NamedTuple):
    """One event to deliver. n: 0 MO, 1 SENT, 2 final, 3 correction."""

    plan_id: PlanId
    msg_id: UUID
    n: int
    tries: int
    origin: str
    due_at: dt.datetime
    url: str
    configured: bool
    disabled: bool = False  # its configured URL is


class Place(NamedTuple):
    """A place in the order of a lane: that of an event, or of none."""

    due_at: dt.datetime
    msg_id: UUID
    n: int

    @classmethod
    def before(cls, due_at: dt.datetime) -> Place:
        """The place before all that becomes due at a time."""
        return cls(due_at, FIRST, -1)


class Acknowledged(NamedTuple):
    """An attempt that was answered 2xx (the schema's type answered_hook)."""

    plan_id: PlanId
    origin: str
    due_at: dt.datetime
    msg_id: UUID
    n: int
    tries: int
    status: int
    latency_ms: int
    excerpt: bytes | None = None  # first bytes of the answer's body, where it has one


@dataclass(frozen=True, slots=True)
class DisabledUrl:
    """A configured URL whose events are dead letters, since when and why."""

    account_id: AccountId
    account: str
    account_name: str
    kind: str  # dlr, mo
    url: str
    failing_since: dt.datetime
    disabled_at: dt.datetime
    reason: str


class AttemptedHook(NamedTuple):
    """An attempt that was not; either the event is due again in `next_in_s`, or it is dead for the reason given."""

    plan_id: PlanId
    origin: str
    due_at: dt.datetime
    msg_id: UUID
    n: int
    tries: int
    url: str
    status: int | None
    failure: str | None
    latency_ms: int
    excerpt: bytes | None
    next_in_s: float | None
    dead: str | None


async def lanes(conn: Connection) -> list[HookLane]:
    return [HookLane(*row) for row in await conn.fetch(_SQL.lanes)]


async def due(conn: Connection, lanes: Sequence[tuple[PlanId, str, Place, int]]) -> list[Hook]:
    """Due events of lanes: (plan, origin, behind which place, at most so many)."""
    reads = [(plan_id, origin, *place, most) for plan_id, origin, place, most in lanes]
    return [Hook._make(row) for row in await conn.fetch(_SQL.due, *columns(reads, 6))]


async def finals(conn: Connection, hooks: Sequence[Hook]) -> dict[UUID, Record]:
    """The records that DLR events are rendered from."""
    ids = [hook.msg_id for hook in hooks]
    rows = await conn.fetch(_SQL.finals, [(hook.plan_id, hook.msg_id) for hook in hooks], min(ids), max(ids))
    records = [
        Record(
            r[1], r[2], r[3], r[4], r[5], Status.SENT if r[6] is None else Status(r[6]), r[7], r[8], r[9], r[10], r[11],
            r[12], r[13], r[14], r[15], r[16], r[17], r[18],
        )
        for r in rows
    ]  # fmt: skip
    return {record.msg_id: record for record in await charges.shown(conn, records)}


async def inbound(conn: Connection, hooks: Sequence[Hook]) -> dict[UUID, Inbound]:
    """The messages that MO events are rendered from."""
    ids = [hook.msg_id for hook in hooks]
    rows = await conn.fetch(_SQL.inbound, [(hook.plan_id, hook.msg_id) for hook in hooks], min(ids), max(ids))
    return {row[2]: Inbound(*tuple(row)[1:]) for row in rows}


async def acknowledged(conn: Connection, rows: Sequence[Acknowledged]) -> None:
    await conn.fetch(_SQL.acknowledged, rows)


async def attempted(conn: Connection, rows: Sequence[AttemptedHook]) -> None:
    await conn.fetch(_SQL.attempted, *columns(rows, 13))


async def overtaken(conn: Connection, hooks: Sequence[Hook]) -> None:
    """Takes events out that a later one of the same message overtook."""
    await conn.fetch(_SQL.overtaken, *columns([(h.plan_id, h.origin, h.due_at, h.msg_id, h.n) for h in hooks], 5))


async def died(conn: Connection, hooks: Sequence[tuple[Hook, str]]) -> None:
    """Makes events dead letters that nobody was asked about, each for a reason."""
    rows = [(h.plan_id, h.origin, h.due_at, h.msg_id, h.n, reason) for h, reason in hooks]
    await conn.fetch(_SQL.died, *columns(rows, 6))


async def waited_out(
    conn: Connection, lanes: Sequence[tuple[PlanId, str]], patience_s: Sequence[float]
) -> list[tuple[PlanId, str, int]]:
    """Makes events dead letters whose receiver was down until their time was over, some of each lane; returns how many
    of which lane. `patience_s`: how long after it was due that is, for an event with 0, 1, 2, … attempts."""
    return [tuple(row) for row in await conn.fetch(_SQL.waited_out, *columns(lanes, 2), patience_s)]


# Configured URLs that are disabled.


async def disabled(conn: Connection, account_id: AccountId | None = None) -> list[DisabledUrl]:
    """Those of an account, or all."""
    return [DisabledUrl(**row) for row in await conn.fetch(_SQL.disabled, account_id)]


async def enable(conn: Connection, account_id: AccountId, kind: str | None, url: str | None) -> list[tuple[str, str]]:
    """Enables an account's URLs again, or those of one kind, or one; returns which: (kind, URL)."""
    return [(row[0], row[1]) for row in await conn.fetch(_SQL.enable, account_id, kind, url)]


async def forget_dead(conn: Connection, days: int) -> int:
    """Forgets dead letters older than `days`, at most 2000. Returns how many."""
    return len(await conn.fetch(_SQL.forget_dead, days))


async def forget_unused(conn: Connection) -> None:
    """Forgets what was known of URLs that no account or plan has any more."""
    await conn.execute(_SQL.forget_unused)


# Lanes fall into buckets; a session holds buckets by advisory locks, which end with it whatever happens.
_BUCKETS_HELD = 0x686F6F6B
_PRESENT = 0x686F6F6C


async def be_present(conn: Connection) -> None:
    """Counts this session among those that deliver."""
    await conn.execute(_SQL.be_present, _PRESENT)


async def holders(conn: Connection) -> int:
    """How many sessions deliver."""
    return int(await conn.fetchval(_SQL.holders, _PRESENT))


async def hold(conn: Connection, buckets: Sequence[int], most: int) -> set[int]:
    """Tries to get `most` of these buckets; returns those got."""
    return {row[0] for row in await conn.fetch(_SQL.hold, _BUCKETS_HELD, buckets, most)}


async def let_go(conn: Connection, buckets: Sequence[int]) -> None:
    await conn.fetch(_SQL.let_go, _BUCKETS_HELD, buckets)
