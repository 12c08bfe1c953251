"""A message that its carrier takes in another number of parts than was counted: what it holds of a purse follows."""

from __future__ import annotations

from collections.abc import Sequence

from trunkline.domain.provisioning import CarrierId
from trunkline.store import admission, queue
from trunkline.store.db import Connection
from trunkline.store.queue import Claimed


class _Short(Exception):
    """The money for another part is not there: what was taken for it goes back."""


async def recut(conn: Connection, carrier_id: CarrierId, batch: Sequence[tuple[Claimed, int]]) -> list[Claimed]:
    """Sends claimed messages, of which nothing was submitted yet, back to be claimed in so many parts. Returns those
    whose money does not reach for that: they are left as they are."""
    holding = await admission.holding(conn, [claimed for claimed, _ in batch])
    if free := [one for one in batch if one[0].msg_id not in holding]:
        await queue.cut_otherwise(conn, carrier_id, free)
    short = []
    for claimed, parts in batch:
        if claimed.msg_id not in holding:
            continue
        try:
            async with conn.transaction():
                if not await admission.extend(conn, claimed, parts):
                    raise _Short
                await queue.cut_otherwise(conn, carrier_id, [(claimed, parts)])
        except _Short:
            short.append(claimed)
    return short
