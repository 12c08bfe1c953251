"""Receipts on their way to a message: candidates, parking, doubt, and what could not be read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from trunkline.domain.provisioning import CarrierId, PlanId
from trunkline.store.db import Connection
from trunkline.store.queries import Queries
from trunkline.store.queue import columns
from trunkline.store.runs import skips

_SQL = Queries("dlr")


class Candidate(NamedTuple):
    """An accepted part that has the id of a receipt."""

    canonical_id: str
    recipient: str
    plan_id: PlanId
    msg_id: UUID
    part_no: int
    parts: int
    resubmitted: bool
    sent_at: dt.datetime


class ParkedReceipt(NamedTuple):
    """A receipt whose message is not known yet."""

    park_id: int
    canonical_id: str
    source: str
    destination: str
    received_at: dt.datetime
    link_id: int
    stat: str | None
    err: str | None
    status: int
    error_code: int
    mccmnc: str | None


class UnparkedReceipt(NamedTuple):
    """The same before it is stored."""

    canonical_id: str
    source: str
    destination: str
    link_id: int
    stat: str | None
    err: str | None
    status: int
    error_code: int
    raw_id: str | None = None
    in_tlv: bool = False
    mccmnc: str | None = None
    user_reference: int | None = None


class UnreadReceipt(NamedTuple):
    """A receipt that says too little; kept with its PDU."""

    link_id: int
    canonical_id: str | None
    recipient: str | None
    stat: str | None
    err: str | None
    status: int
    error_code: int
    raw: bytes


async def candidates(conn: Connection, carrier_id: CarrierId, ids: Sequence[str], age: dt.timedelta) -> list[Candidate]:
    """Parts accepted under one of the canonical ids, no longer than `age` ago."""
    statement = _SQL.candidates if skips(conn) else _SQL.candidates_by_one
    return [Candidate._make(row) for row in await conn.fetch(statement, carrier_id, ids, age)]


async def park(conn: Connection, carrier_id: CarrierId, rows: Sequence[UnparkedReceipt]) -> list[int]:
    """Stores receipts without a message. Returns their park_ids in order."""
    return [row[0] for row in await conn.fetch(_SQL.park, carrier_id, *columns(rows, 12))]


async def parked(conn: Connection, carrier_id: CarrierId, ids: Sequence[str]) -> list[ParkedReceipt]:
    statement = _SQL.parked if skips(conn) else _SQL.parked_by_one
    return [ParkedReceipt(*row) for row in await conn.fetch(statement, carrier_id, ids)]


async def orphans(conn: Connection, since_s: int) -> list[tuple[CarrierId, str]]:
    """(carrier, canonical id) of receipts parked since then whose part is known: a crash came between a commit and the
    look."""
    return [(row[0], row[1]) for row in await conn.fetch(_SQL.orphans, since_s)]


async def resolve_doubts(conn: Connection) -> list[tuple[CarrierId, str]]:
    """Parked receipts that can only be about one part in doubt make it accepted. Returns (carrier, canonical id)."""
    return [(row[0], row[1]) for row in await conn.fetch(_SQL.resolve_doubts)]


async def not_understood(conn: Connection, carrier_id: CarrierId, rows: Sequence[UnreadReceipt]) -> None:
    await conn.fetch(_SQL.not_understood, carrier_id, *columns(rows, 8))


async def quarantine(conn: Connection, carrier_id: CarrierId, rows: Sequence[tuple[int, str, bytes]]) -> None:
    """(link_id, reason, octets) of what could not be decoded."""
    await conn.fetch(_SQL.quarantine, carrier_id, *columns(rows, 3))


async def retire_parked(conn: Connection, after_h: int, most: int) -> int:
    """Receipts that waited in vain for so many hours, and the oldest of more than `most`, are kept as unmatched.
    Returns how many; at most 5000 at a time."""
    return int(await conn.fetchval(_SQL.retire_parked, after_h, most))


async def note_response_ids(conn: Connection, carrier_id: CarrierId, seen: Sequence[tuple[str, int, str]]) -> None:
    """(form, count, example) of ids that the carrier gave out."""
    await conn.fetch(_SQL.note_response_ids, carrier_id, *columns(seen, 3))
