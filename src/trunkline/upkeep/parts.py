"""Parts of inbound messages whose others do not come, or that nobody looked at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from trunkline.store import inbound
from trunkline.store.db import Connection

Join = Callable[[Connection, Collection[bytes]], Awaitable[int]]


async def waiting(conn: Connection, join: Join) -> int:
    """Has sets looked at that are complete, or have waited for an hour. Returns how many parts that settled."""
    set_keys = await inbound.sets_due(conn)
    return await join(conn, set_keys) if set_keys else 0
