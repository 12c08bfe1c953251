"""Which carriers refused a message before: what keeps it from returning to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias
from uuid import UUID

from trunkline.domain.provisioning import CarrierId, PlanId
from trunkline.store.db import Connection
from trunkline.store.queries import Queries

_SQL = Queries("routing")

# By carrier; True: for good.
Refusals: TypeAlias = Mapping[CarrierId, bool]
NO_REFUSALS: Refusals = MappingProxyType({})
# What an attempt is called whose carrier will not take the message, while another may.
FOR_GOOD = "refused_for_good"


async def of_messages(
    conn: Connection, messages: Sequence[tuple[PlanId, UUID]]
) -> dict[tuple[PlanId, UUID], dict[CarrierId, bool]]:
    """The refusals of those messages that had any. Bounded by their attempts."""
    found: dict[tuple[PlanId, UUID], dict[CarrierId, bool]] = {}
    first = min(msg_id for _, msg_id in messages)
    for plan_id, msg_id, carrier_id, for_good in await conn.fetch(_SQL.refusals, messages, first):
        found.setdefault((plan_id, msg_id), {})[carrier_id] = for_good
    return found
