"""Dead letters: listed, and sent again in bounded batches."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from trunkline.domain.provisioning import PlanId
from trunkline.store.db import Connection
from trunkline.store.queries import Queries

_SQL = Queries("replay")
BATCH = 500
FIRST, LAST = UUID(int=0), UUID(int=(1 << 128) - 1)


def first_id(at: dt.datetime) -> UUID:
    """The first id of a moment."""
    return UUID(int=max(int(at.timestamp() * 1000), 0) << 80)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that is not sent any more, and why."""

    plan: str | None
    plan_name: str | None
    msg_id: UUID
    n: int
    url: str
    tries: int
    reason: str
    died_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which events: of a plan, of messages with ids from `low` to below `high`, one kind of event; None: all."""

    plan_id: PlanId | None = None
    low: UUID = FIRST
    high: UUID = LAST
    n: int | None = None


class Place(NamedTuple):
    """Where a batch ended, in the order of dead letters."""

    msg_id: UUID
    plan_id: int
    n: int
    died_at: dt.datetime


BEGINNING = Place(FIRST, 0, 0, dt.datetime(1970, 1, 1, tzinfo=dt.UTC))


class Judged(NamedTuple):
    """What became of a dead letter: replayed, overtaken (dropped); gone, erased, without URL, disabled (it stays)."""

    msg_id: UUID
    n: int
    verdict: str


async def dead(conn: Connection, plan_id: PlanId | None, since: dt.datetime | None, most: int) -> list[DeadLetter]:
    """Dead letters of a plan, or all; the newest first."""
    return [DeadLetter(**row) for row in await conn.fetch(_SQL.dead, plan_id, since, most)]


async def replay(conn: Connection, chosen: Chosen, after: Place) -> tuple[list[Judged], Place | None]:
    """One batch of dead letters becomes events again, as far as that can be. Returns what became of each, and where the
    next batch begins; None: there is none."""
    rows = await conn.fetch(_SQL.replay, chosen.plan_id, chosen.low, chosen.high, chosen.n, *after, BATCH)
    end = Place(*tuple(rows[-1])[:4]) if len(rows) == BATCH else None
    return [Judged(row[0], row[2], row[4]) for row in rows], end


async def again(conn: Connection, chosen: Chosen) -> int:
    """One batch of events that failed, and wait for another attempt, starts anew. Returns how many."""
    return int(await conn.fetchval(_SQL.again, chosen.plan_id, chosen.low, chosen.high, BATCH))
