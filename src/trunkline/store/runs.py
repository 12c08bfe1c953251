"""Batches cut where their messages lie far apart, for servers that would read all that lies between.

PostgreSQL before 17 finds `plan_id = ANY(…) AND msg_id = ANY(…)` in an index by reading the plans' entries from the
smallest msg_id to the largest: with one old message in a batch, those of days. From 17 on it goes from one to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import UUID

from trunkline.domain.ids import created_ms
from trunkline.store.db import Connection

T = TypeVar("T")

_SKIPS_SINCE = 17
_APART_MS = 1000


def skips(conn: Connection) -> bool:
    """Whether the server goes in an index from one key to the next."""
    return bool(conn.get_server_version().major >= _SKIPS_SINCE)


def runs(conn: Connection, rows: Sequence[T], msg_id_of: Callable[[T], UUID]) -> list[Sequence[T]]:
    """The batch whole or, at an older server, in pieces in which no message is a second younger than the one before."""
    if len(rows) < 2 or skips(conn):
        return [rows]
    ordered = sorted(rows, key=msg_id_of)
    times = [created_ms(msg_id_of(row)) for row in ordered]
    cuts = [n for n in range(1, len(times)) if times[n] - times[n - 1] >= _APART_MS]
    return [ordered[first:last] for first, last in zip([0, *cuts], [*cuts, len(ordered)], strict=True)]
