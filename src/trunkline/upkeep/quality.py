"""How well carriers deliver: a sample of the last hour's messages, spread over plans and time, once a minute.

The last minutes do not count: a receipt that is not there yet says nothing. A sample costs no more on a busy
installation than on a quiet one, and all messages of a quiet one are in it.
"""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from trunkline.store import overdue, quality, queue
from trunkline.store.db import Connection

WINDOW_S = 3600
RIPE_S = 300
_SLICES = 60
_MOST_MESSAGES = 20_000


async def measure(conn: Connection) -> None:
    """One round; nothing where no route asks for it, or another process is at it."""
    async with conn.transaction():
        if not await overdue.try_task(conn, "quality"):
            return
        if not await quality.is_asked_for(conn):
            await quality.keep(conn, {})
            return
        now = await queue.database_now(conn)
        until, since = (now - dt.timedelta(seconds=ago) for ago in (RIPE_S, WINDOW_S + RIPE_S))
        edges = [_first_id(since + (until - since) * n / _SLICES) for n in range(_SLICES + 1)]
        plans = await quality.sending(conn, edges[0], edges[-1])
        most = max(_MOST_MESSAGES // (_SLICES * max(len(plans), 1)), 1)
        await quality.keep(conn, await quality.sampled(conn, plans, edges, most) if plans else {})


def _first_id(at: dt.datetime) -> UUID:
    return UUID(int=int(at.timestamp() * 1000) << 80)
