"""All that the database knows of one message, in the order in which it happened, and what it is waiting for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from trunkline.domain.ids import created_at
from trunkline.domain.status import FINAL, Status
from trunkline.store.db import Connection
from trunkline.store.queries import Queries

_SQL = Queries("timeline")
Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened; `fields` are the columns of the row that tells of it."""

    at: dt.datetime
    kind: str
    fields: Fields


@dataclass(frozen=True, slots=True)
class Waiting:
    """What happens next, by itself: `at` at the latest (None: as soon as it can)."""

    kind: str  # queue, later, window, doubt, receipt, hook
    at: dt.datetime | None
    fields: Fields


@dataclass(frozen=True, slots=True)
class Timeline:
    """One message. `message` is its row with the names of plan and account; `status` is None for an inbound one."""

    message: Fields
    created_at: dt.datetime
    status: Status | None
    events: tuple[Event, ...]
    waiting: tuple[Waiting, ...]


async def timeline(conn: Connection, msg_id: UUID) -> Timeline | None:
    """The timeline of a message of either direction, read from one snapshot; None if there is no such message."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        row = await conn.fetchrow(_SQL.message, msg_id) or await conn.fetchrow(_SQL.inbound, msg_id)
        if row is None:
            return None
        message = dict(row)
        names = ["hooks_queued", "hook_attempts", "hooks_dead"]
        if "status" in message:
            names += ["queued", "later", "inflight", "doubts", "accepted", "attempts", "receipts", "part_outcomes"]
            names += ["answers", "opted_out"]
        else:
            names += ["replied", "opted"]
        rows: dict[str, list[Fields]] = {}
        for name in names:
            found = await conn.fetch(_SQL.statements[name], message["plan_id"], msg_id)
            rows[name] = [dict(one) for one in found]
        if "status" in message:
            ids = [(one["carrier_id"], one["canonical_id"]) for one in rows["accepted"]]
            found = await conn.fetch(_SQL.parked, [carrier for carrier, _ in ids], [text for _, text in ids])
            rows["parked"] = [dict(one) for one in found]
            rows["receipts"] = [{**row, "conflict": _contradicts(message, row)} for row in rows["receipts"]]
    events = sorted(_events(message, rows), key=lambda event: event.at)
    status = _status(message, rows) if "status" in message else None
    return Timeline(message, created_at(msg_id), status, tuple(events), tuple(_waiting(message, status, rows)))


def _contradicts(message: Fields, receipt: Fields) -> bool:
    """Whether a receipt says after the message's end that it was another one: it is kept, and changes nothing."""
    return (
        message["status"] is not None
        and receipt["status"] in FINAL
        and receipt["status"] != message["status"]
        and receipt["received_at"] > message["final_at"]
    )


def _status(message: Fields, rows: Mapping[str, list[Fields]]) -> Status:
    if message["status"] is not None:
        return Status(message["status"])
    return Status.SENT if rows["accepted"] else Status.QUEUED


# Which rows tell of an event, which column says when, and what the event is called.
_TOLD = (
    ("accepted", "claimed_at", "claimed"),
    ("accepted", "sent_at", "submitted"),
    ("attempts", "claimed_at", "claimed"),
    ("attempts", "ended_at", "refused"),
    ("inflight", "claimed_at", "claimed"),
    ("doubts", "claimed_at", "claimed"),
    ("receipts", "received_at", "receipt"),
    ("parked", "received_at", "receipt_parked"),
    ("part_outcomes", "at", "part_ended"),
    ("hook_attempts", "at", "hook_attempted"),
    ("hooks_dead", "died_at", "hook_dead"),
    ("hooks_dead", "replayed_at", "hook_replayed"),
    ("opted", "at", "opted"),
    ("opted_out", "since", "opted_out"),
)


def _events(message: Fields, rows: Mapping[str, list[Fields]]) -> Iterator[Event]:
    if "status" in message:
        yield Event(created_at(message["msg_id"]), "accepted", message)
        for row in rows["answers"]:
            yield Event(created_at(message["msg_id"]), "answer", row)
        if message["final_at"] is not None:
            yield Event(message["final_at"], "final", message)
    else:
        yield Event(message["received_at"], "received", message)
        for row in rows["replied"]:
            yield Event(created_at(row["reply_id"]), "replied", row)
    for name, column, kind in _TOLD:
        for row in rows.get(name, ()):
            if row[column] is not None and not (kind == "claimed" and row.get("outcome") == "diverted"):
                yield Event(row[column], kind, row)


def _waiting(message: Fields, status: Status | None, rows: Mapping[str, list[Fields]]) -> Iterator[Waiting]:
    for row in rows.get("queued", ()):
        yield Waiting("queue", None, row)
    for row in rows.get("later", ()):
        yield Waiting("later", row["due_at"], row)
    for row in rows.get("inflight", ()):
        yield Waiting("window", row["lease_until"], row)
    for row in rows.get("doubts", ()):
        yield Waiting("doubt", row["resolve_at"], row)
    if status is Status.SENT:
        yield Waiting("receipt", None, message)
    for row in rows.get("hooks_queued", ()):
        yield Waiting("hook", row["due_at"], row)
