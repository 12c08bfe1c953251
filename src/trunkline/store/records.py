"""Reading records back: one message, and pages of a list that cost the same whatever the filters keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from trunkline.domain.filters import Filters
from trunkline.domain.inbound import Inbound
from trunkline.domain.message import Record
from trunkline.domain.provisioning import PlanId
from trunkline.domain.status import Status
from trunkline.store import charges
from trunkline.store.db import Connection
from trunkline.store.queries import Queries

_SQL = Queries("records")
SCAN_BOUND = 5000
_LAST_MS = (1 << 48) - 2
_STATUS = {int(status): status for status in Status}


@dataclass(frozen=True, slots=True)
class Page:
    """Newest first. `after`: the last message looked at, where the next page goes on; None where there is none.

    A page may hold fewer records than asked for, even none, and still have a next one.
    """

    records: list[Record] | list[Inbound]
    after: UUID | None

    @property
    def has_more(self) -> bool:
        return self.after is not None


async def get(conn: Connection, plan_id: PlanId, msg_id: UUID) -> Record | None:
    """The record of one MT message of the plan."""
    row = await conn.fetchrow(_SQL.get, plan_id, msg_id)
    return None if row is None else (await charges.shown(conn, [_record(row)]))[0]


async def page(
    conn: Connection,
    plan_id: PlanId,
    filters: Filters,
    after: UUID | None,
    limit: int,
    scan_bound: int = SCAN_BOUND,
) -> Page:
    """Up to `limit` messages that `filters` keep, older than `after`. Looks at `scan_bound` messages at most."""
    low = UUID(int=_clamped(filters.from_ms) << 80)
    high = after if after is not None else UUID(int=_clamped(filters.to_ms) + 1 << 80)
    # One more than asked for tells whether there are more.
    bounds = (plan_id, low, high, scan_bound, limit + 1)
    if filters.inbound:
        rows = await conn.fetch(_SQL.page_inbound, *bounds, filters.sender, filters.recipient)
        return _page(rows, limit, [_inbound(row) for row in rows if row["msg_id"] is not None])
    narrowed = (*bounds, filters.sender, filters.country, filters.mccmnc, filters.status)
    if filters.recipient is None:
        rows = await conn.fetch(_SQL.page, *narrowed)
    else:
        rows = await conn.fetch(_SQL.page_recipient, *narrowed, filters.recipient)
    found = await charges.shown(conn, [_record(row) for row in rows if row["msg_id"] is not None])
    return _page(rows, limit, found)


def _clamped(ms: int) -> int:
    return min(max(ms, 0), _LAST_MS)


def _page(rows: list[Any], limit: int, found: list[Any]) -> Page:
    if len(found) > limit:
        return Page(found[:limit], found[limit - 1].msg_id)
    return Page(found, rows[0]["scan_end"])


def _record(row: Any) -> Record:
    return Record(
        plan_id=row["plan_id"],
        msg_id=row["msg_id"],
        sender=row["sender"],
        recipient=row["recipient"],
        body=row["body"],
        status=_STATUS[row["status"]],
        error_code=row["error_code"],
        parts=row["parts"],
        country=row["country"],
        mccmnc=row["mccmnc"],
        price_micro=row["price_micro"],
        ptf_micro=row["ptf_micro"],
        currency=row["currency"],
        sent_at=row["sent_at"],
        final_at=row["final_at"],
        client_reference=row["client_reference"],
        resubmitted=row["resubmitted"],
        late=row["late"],
    )


def _inbound(row: Any) -> Inbound:
    return Inbound(
        plan_id=row["plan_id"],
        msg_id=row["msg_id"],
        sender=row["sender"],
        recipient=row["recipient"],
        body=row["body"],
        binary_hex=row["binary_hex"],
        keyword=row["keyword"],
        partial=row["partial"],
        received_at=row["received_at"],
    )
