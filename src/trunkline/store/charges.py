"""What messages were charged, and what that comes to by day; days are folded before the rows behind them go."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec import structs

from trunkline.domain.message import Record
from trunkline.domain.provisioning import PlanId
from trunkline.domain.status import FINAL
from trunkline.store.db import Connection
from trunkline.store.queries import Queries

_SQL = Queries("charges")


async def shown(conn: Connection, records: Sequence[Record]) -> list[Record]:
    """Records with what was charged, where they have what a part costs: null until something is, or they are final."""
    priced = [record for record in records if record.currency is not None]
    if not priced:
        return list(records)
    ids = [record.msg_id for record in priced]
    rows = await conn.fetch(_SQL.charged, [(record.plan_id, record.msg_id) for record in priced], min(ids), max(ids))
    charged: dict[UUID, tuple[int, int]] = {row[0]: (row[1], row[2]) for row in rows}
    return [record if record.currency is None else _with(record, charged.get(record.msg_id)) for record in records]


def _with(record: Record, charged: tuple[int, int] | None) -> Record:
    if charged is None and record.status in FINAL:
        charged = 0, 0
    if charged is None:
        return structs.replace(record, price_micro=None, ptf_micro=None, currency=None)
    return structs.replace(record, price_micro=charged[0], ptf_micro=charged[1])


async def fold(conn: Connection) -> int:
    """Folds the days that are over. Returns how many."""
    days = [row[0] for row in await conn.fetch(_SQL.open_days)]
    for day in days:
        begins = dt.datetime.combine(day, dt.time(), dt.UTC)
        async with conn.transaction():
            await conn.execute(_SQL.fold, day, begins, begins + dt.timedelta(days=1))
            await conn.execute(_SQL.folded, day)
    return len(days)


async def usage(conn: Connection, first: dt.date, last: dt.date, plan_id: PlanId | None = None) -> list[dict[str, Any]]:
    """What was charged from one day (UTC) to another: a row for each day, plan, currency and country."""
    return [dict(row) for row in await conn.fetch(_SQL.usage, first, last, plan_id)]
