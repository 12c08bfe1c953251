"""Who changed what, and when: one row each, in the transaction of the change itself."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trunkline.store.db import Connection
from trunkline.store.queries import Queries

_SQL = Queries("provisioning")


@dataclass(frozen=True, slots=True)
class Entry:
    """One change, as it was recorded."""

    at: dt.datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]


async def record(conn: Connection, actor: str, action: str, subject: str, detail: Mapping[str, Any]) -> None:
    """Records that `actor` did `action` (for instance `plan.created`) to `subject` (for instance `plan 0123…`).

    `detail` becomes JSON; secrets have no place in it.
    """
    await conn.execute(_SQL.record, actor, action, subject, json.dumps(detail))


async def entries(conn: Connection, subject: str, *, limit: int = 100) -> list[Entry]:
    """What happened to `subject`, the newest first."""
    rows = await conn.fetch(_SQL.notices, subject, limit)
    return [Entry(at, actor, action, subject, json.loads(detail)) for at, actor, action, subject, detail in rows]
