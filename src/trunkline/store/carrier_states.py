"""How carriers are doing: told by the dispatcher that holds one, read by operators, who may ask to try one again."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import NamedTuple

from trunkline.domain.provisioning import CarrierId
from trunkline.store.db import Connection
from trunkline.store.queries import Queries

_SQL = Queries("carrier")


class State(NamedTuple):
    """What a dispatcher tells of a carrier that it holds."""

    links_up: int
    links: int
    under_way: int  # parts written and not answered
    rate_per_s: float | None  # None: no limit
    cut_rate: float | None  # what it was sent when it last said that it is too much; None: it has not, for a while
    pause_s: float | None  # to the end of its pause, below 0 while it is being tried again; None: not paused
    paused_status: int | None
    paused_field: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """One carrier as an operator sees it. What its dispatcher tells is None where it has none, or has told nothing."""

    carrier_id: CarrierId
    name: str
    active: bool
    rate_limit: int | None  # of the set-up file
    node: str | None
    pid: int | None
    links_up: int | None
    links: int | None
    under_way: int | None
    rate_per_s: float | None
    cut_rate: float | None
    paused_until: dt.datetime | None
    paused_status: int | None
    paused_field: str | None
    told_s_ago: float | None
    waits: bool | None  # for the end of its pause


async def report(conn: Connection, carrier_id: CarrierId, epoch: int, state: State) -> int | None:
    """Tells how the carrier is doing. Returns how often operators have asked to try it again; None where `epoch` does
    not hold it."""
    retries: int | None = await conn.fetchval(_SQL.report, carrier_id, epoch, *state)
    return retries


async def standings(conn: Connection) -> list[Standing]:
    """Every carrier, by name."""
    return [Standing(**row) for row in await conn.fetch(_SQL.standings)]


async def later_count(conn: Connection, carrier_id: CarrierId) -> int:
    """How many messages wait for a time of their own: `sendAt`, and those that are tried again."""
    return int(await conn.fetchval(_SQL.later_count, carrier_id))


async def retry(conn: Connection, carrier_id: CarrierId) -> bool:
    """Asks the carrier's dispatcher to try it again at once; False where it is not paused."""
    return await conn.fetchval(_SQL.retry, carrier_id) is not None
