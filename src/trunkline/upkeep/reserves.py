"""Money that messages held which are final now: what was not charged goes back."""

from __future__ import annotations

from trunkline.store import admission
from trunkline.store.db import Connection

_OPEN_S = 10.0  # a part is on its way, or in doubt
_UNKNOWN_S = 3600.0  # it may be proven, for as long as an UNKNOWN may be corrected


async def ended(conn: Connection) -> int:
    """Ends the reserves of messages of which no part can be charged any more. Returns how many were looked at."""
    async with conn.transaction():
        due = await admission.reserves_due(conn)
        waiting = [one for one in due if one.charged_micro < one.held_micro and (one.is_open or one.is_unknown)]
        if waiting:
            await admission.look_later(conn, waiting, [_OPEN_S if one.is_open else _UNKNOWN_S for one in waiting])
        over = [one for one in due if one not in waiting]
        if over:
            await admission.release(conn, over)
    return len(due)
