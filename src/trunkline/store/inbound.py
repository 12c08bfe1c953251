"""Inbound messages (MO): stored with the webhook row that tells them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from trunkline.domain.provisioning import AccountId, CarrierId, PlanId
from trunkline.store.db import Connection
from trunkline.store.queries import Queries
from trunkline.store.queue import columns

_SQL = Queries("mo")
NO_PLAN = PlanId(0)  # the destination belongs to nobody: kept for the operator


class InboundRow(NamedTuple):
    """One MO; `digest` is of what the carrier sent and tells a repeat."""

    plan_id: PlanId
    msg_id: UUID
    account_id: AccountId
    link_id: int
    sender: str
    recipient: str
    body: str
    binary_hex: str | None
    keyword: str
    digest: bytes


async def accept(conn: Connection, carrier_id: CarrierId, rows: Sequence[InboundRow], since: UUID) -> int:
    """Stores messages and their events in one commit; repeats (looked for from msg_id `since` on) are left out.

    Returns how many were stored.
    """
    found = await conn.fetchrow(_SQL.accept, carrier_id, *columns(rows, 10), since)
    return int(found[0])
