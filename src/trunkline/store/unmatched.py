"""Receipts that wait for a message, and what the ids of their carrier's messages look like: for who asks why."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from trunkline.domain.provisioning import CarrierId
from trunkline.store.db import Connection
from trunkline.store.queries import Queries

_SQL = Queries("dlr")


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A carrier that has such receipts: how many, since when."""

    carrier_id: CarrierId
    name: str
    dialect: Mapping[str, Any]
    count: int
    first_at: dt.datetime
    last_at: dt.datetime


class LoneReceipt(NamedTuple):
    """One of them; `raw_id` as it came, in receipted_message_id (`in_tlv`) or in the text."""

    raw_id: str
    in_tlv: bool
    source: str
    destination: str


@dataclass(frozen=True, slots=True)
class ResponseForm:
    """How some of the carrier's ids in submit_sm_resp are written."""

    form: str
    count: int
    example: str


class GivenId(NamedTuple):
    """An id (canonical by the dialect of that time) under which a message to `recipient` was accepted."""

    recipient: str
    canonical_id: str


async def carriers(conn: Connection, name: str | None) -> list[Unmatched]:
    """The carrier of this name, or all, if receipts wait there."""
    return [
        Unmatched(row[0], row[1], json.loads(row[2]), *tuple(row)[3:])
        for row in await conn.fetch(_SQL.unmatched_carriers, name)
    ]


async def response_forms(conn: Connection, carrier_id: CarrierId) -> list[ResponseForm]:
    return [ResponseForm(*row) for row in await conn.fetch(_SQL.response_ids, carrier_id)]


async def receipts(conn: Connection, carrier_id: CarrierId, limit: int) -> list[LoneReceipt]:
    """The newest ones."""
    return [LoneReceipt._make(row) for row in await conn.fetch(_SQL.unmatched, carrier_id, limit)]


async def given_ids(conn: Connection, carrier_id: CarrierId, recipients: Sequence[str]) -> list[GivenId]:
    """What this carrier accepted to these numbers in the time that receipts are taken."""
    return [GivenId._make(row) for row in await conn.fetch(_SQL.ids_of_recipients, carrier_id, recipients)]
