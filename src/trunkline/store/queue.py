"""The trip's tables from acceptance to the carrier's answer: msg, mt_queue, mt_later, inflight, doubt, ref, attempt."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Container, Mapping, Sequence
from operator import attrgetter, itemgetter
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from trunkline.domain.message import Accepted, Submission
from trunkline.domain.provisioning import CarrierId, PlanId
from trunkline.store.db import BadData, Connection
from trunkline.store.queries import Queries
from trunkline.store.runs import runs

_SQL = Queries("mt")
FIRST = UUID(int=0)
_COLUMNS = Submission._fields.index("key")  # those of the schema's type submission come before
_FREE = (None, None, None)
ANY_PARTS = 63  # of one message: more have no place in the set of those that are missing


class KeysNotNew(Exception):
    """Nothing of a batch was stored: one of its keys was stored before, or is in work."""


class Lane(NamedTuple):
    """One queue of a carrier."""

    priority: int
    plan_id: PlanId


class Depth(NamedTuple):
    """What a lane holds: how many messages, and the first of them."""

    lane: Lane
    held: int
    first: UUID


class Claimed(NamedTuple):
    """A message taken from the queue; `missing` has bit n-1 set for each part n still to be submitted."""

    plan_id: PlanId
    priority: int
    msg_id: UUID
    missing: int
    tries: int
    resubmitted: bool
    expires_at: dt.datetime
    claimed_at: dt.datetime


class PartPrice(NamedTuple):
    """What a part costs, as of acceptance, and the country that it is counted for."""

    price_micro: int
    ptf_micro: int
    currency: str
    country: str | None


class Content(NamedTuple):
    """What to submit of a claimed message; `status` is set where it is final already."""

    sender: str | None
    recipient: str | None
    body: str | None
    country: str | None
    encoding: int
    parts: int
    status: int | None
    mccmnc: str | None = None
    opted_out: bool = False  # the recipient, and the message is no reply to him
    is_reply: bool = False
    reference: int = 0  # of the concatenation, where there are several parts: the message's own for good
    price: PartPrice | None = None  # None: its parts cost nothing


class AcceptedPart(NamedTuple):
    """A part whose submit_sm was answered ESME_ROK: the schema's type accepted_part, then by which route and why."""

    canonical_id: str
    recipient: str
    plan_id: PlanId
    msg_id: UUID
    part_no: int
    parts: int
    link_id: int
    tries: int
    resubmitted: bool
    claimed_at: dt.datetime
    routed: int | None = None


class AttemptedPart(NamedTuple):
    """A part whose attempt ended otherwise."""

    plan_id: PlanId
    msg_id: UUID
    part_no: int
    link_id: int | None
    tries: int
    claimed_at: dt.datetime
    outcome: str
    command_status: int | None
    next_at: dt.datetime | None
    routed: int | None = None


class Requeued(NamedTuple):
    """Parts of a message that go back to a queue."""

    carrier_id: CarrierId
    plan_id: PlanId
    priority: int
    msg_id: UUID
    missing: int
    parts: int
    tries: int
    resubmitted: bool
    expires_at: dt.datetime


class ChargedPart(NamedTuple):
    """An accepted part that costs something (the schema's type charged_part)."""

    plan_id: PlanId
    msg_id: UUID
    part_no: int
    price_micro: int
    ptf_micro: int
    currency: str
    country: str | None


class DoubtfulPart(NamedTuple):
    """A part written to the carrier whose answer is missing: 901 link lost, 902 no response."""

    plan_id: PlanId
    msg_id: UUID
    part_no: int
    recipient: str
    code: int
    claimed_at: dt.datetime


def columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[Sequence[Any]]:
    """Rows as columns, the form that unnest takes."""
    return list(zip(*rows, strict=True)) if rows else [()] * width


async def accept(
    conn: Connection,
    batch: Sequence[Submission],
    *,
    wake: bool,
    codes: Mapping[UUID, int] = MappingProxyType({}),
    keys_are_new: bool = False,
) -> dict[UUID, Accepted]:
    """Stores a batch in one commit, of each key at most one. Returns what was not stored because of its key, and why.

    What is in `codes` is stored and not queued: the caller has to end it. `keys_are_new`: they are not looked at one by
    one, at half the cost; raises KeysNotNew where one is not new. Raises what asyncpg raises.
    """
    rows: list[tuple[Any, ...]] = [s[:_COLUMNS] for s in batch]
    keys = [s.key for s in batch]
    terms = [s.terms for s in batch]
    if not any(terms) and not any(keys):
        await conn.fetch(_SQL.accept, rows, wake)
        return {}
    priced = any(terms)
    if priced:
        rows = [(*row, *(of[:3] if of else _FREE), codes.get(row[1])) for row, of in zip(rows, terms, strict=True)]
    if not any(keys):
        await conn.fetch(_SQL.accept_priced, rows, wake)
        return {}
    texts = [key and key.text for key in keys]
    hashes = [key and key.request_hash for key in keys]
    if keys_are_new:
        statement = _SQL.accept_priced_new_keys if priced else _SQL.accept_new_keys
        try:
            await conn.fetch(statement, rows, wake, texts, hashes)
        except BadData as error:
            if error.table_name == "idempotency":
                raise KeysNotNew from error
            raise
        return {}
    statement = _SQL.accept_priced_keyed if priced else _SQL.accept_keyed
    refused = await conn.fetch(statement, rows, wake, texts, hashes)
    return {row[0]: Accepted(row[1]) for row in refused if row[0] is not None}


async def begin_session(conn: Connection, lock: int) -> None:
    """Marks the connection's session, for as long as the server keeps it, with the advisory lock `lock`."""
    await conn.fetch(_SQL.begin_session, lock)


async def session_is_over(conn: Connection, lock: int) -> bool:
    """Whether the session of this lock is gone: what was asked in it is committed, or never will be."""
    return bool(await conn.fetchval(_SQL.session_is_over, lock))


async def which_stored(conn: Connection, batch: Sequence[Submission]) -> set[UUID]:
    ids = [s.msg_id for s in batch]
    rows = await conn.fetch(_SQL.which_stored, [s.plan_id for s in batch], ids, min(ids), max(ids))
    return {row[0] for row in rows}


async def wake(conn: Connection) -> None:
    """Tells dispatchers that there is something in the queue."""
    await conn.execute("NOTIFY mt")


async def withdraw(conn: Connection, plan_id: PlanId, msg_id: UUID) -> tuple[int, int, bool]:
    """Takes a message out of the queues, for good once the caller's transaction commits.

    Returns its number of parts (0: no such message), the set of those that waited (bit n-1 for part n), and whether one
    of them waited to be sent again after an unknown outcome.
    """
    # In this order: between the two statements a message may become due, and then stands in the queue.
    rows = await conn.fetch(_SQL.withdraw_later, plan_id, msg_id)
    rows += await conn.fetch(_SQL.withdraw_queued, plan_id, msg_id)
    missing = 0
    for row in rows:
        missing |= row[0]
    return await conn.fetchval(_SQL.parts, plan_id, msg_id) or 0, missing, any(row[1] for row in rows)


async def lanes(conn: Connection, carrier_id: CarrierId) -> list[Lane]:
    """The carrier's lanes that hold something, highest priority first."""
    return [Lane(row[0], row[1]) for row in await conn.fetch(_SQL.lanes, carrier_id)]


async def depths(conn: Connection, carrier_id: CarrierId, most: int) -> list[Depth]:
    """What the carrier's first 200 lanes hold, highest priority first, each counted up to `most`."""
    rows = await conn.fetch(_SQL.depths, carrier_id, most)
    return [Depth(Lane(row[0], row[1]), row[2], row[3]) for row in rows]


async def claim(
    conn: Connection,
    carrier_id: CarrierId,
    epoch: int,
    lanes: Sequence[tuple[Lane, UUID, int]],
    *,
    free_parts: int,
    alone_parts: int,
    claim_no: int,
) -> list[Claimed]:
    """Takes messages of the lanes (lane, last msg_id already taken, at most so many), up to `free_parts` parts; of each
    lane in its order.

    Nothing where the lease of `epoch` is over. A message of more parts may come alone if it has at most `alone_parts`.
    `claim_no`: a number that no other claim of `epoch` for this carrier has, for `unclaim`.
    """
    rows = await conn.fetch(
        _SQL.claim,
        carrier_id,
        epoch,
        [lane.priority for lane, _, _ in lanes],
        [lane.plan_id for lane, _, _ in lanes],
        [after for _, after, _ in lanes],
        [take for _, _, take in lanes],
        free_parts,
        alone_parts,
        claim_no,
    )
    return [Claimed._make(row) for row in rows]


async def unclaim(conn: Connection, carrier_id: CarrierId, epoch: int, claims: Sequence[int]) -> int:
    """Gives back what stands in inflight by these claims, none of which was handed to a link. Returns how many
    messages."""
    return len(await conn.fetch(_SQL.unclaim, carrier_id, epoch, claims))


async def contents(conn: Connection, claimed: Sequence[Claimed], quiet: Container[PlanId] = ()) -> list[Content | None]:
    """What to submit of each, in order; None where the message is gone (retired meanwhile).

    Of messages of the plans `quiet` it tells whether they are replies.
    """
    ids = [c.msg_id for c in claimed]
    keys = [(c.plan_id, c.msg_id) for c in claimed]
    plans = {c.plan_id for c in claimed}
    rows = await conn.fetch(_SQL.claimed, keys, min(ids), max(ids), list(plans), [one for one in plans if one in quiet])
    found: list[Content | None] = [None] * len(claimed)
    several: dict[tuple[PlanId, UUID], tuple[int, Content]] = {}
    for row in rows:
        n, *known, price_micro, ptf_micro, currency = row
        content = Content(*known)
        if currency is not None:
            content = content._replace(price=PartPrice(price_micro, ptf_micro, currency, content.country))
        found[n - 1] = content
        if content.parts > 1 and content.recipient is not None:
            several[keys[n - 1]] = (n - 1, content)
    if several:
        wanted = [(*key, content.recipient) for key, (_, content) in several.items()]
        for key, reference in (await _references(conn, sorted(wanted, key=itemgetter(1)))).items():
            place, content = several[key]
            found[place] = content._replace(reference=reference)
    return found


async def _references(
    conn: Connection, messages: Sequence[tuple[PlanId, UUID, str | None]]
) -> dict[tuple[PlanId, UUID], int]:
    """The concatenation references of messages (plan, id, recipient); new ones are each recipient's in turn."""
    found: dict[tuple[PlanId, UUID], int] = {}
    while left := [message for message in messages if message[:2] not in found]:
        # Where another session was faster its turn is seen the next time.
        found |= {(row[0], row[1]): row[2] for row in await conn.fetch(_SQL.references, *columns(left, 3))}
    return found


async def parts_accepted(
    conn: Connection,
    carrier_id: CarrierId,
    rows: Sequence[AcceptedPart],
    telling: Collection[PlanId] = (),
    charged: Sequence[ChargedPart] = (),
) -> None:
    """Facts: stored whoever reports them, and however late.

    Messages of the plans `telling` get their SENT event with the first of their parts, in the same commit, if the plan
    wants it. `charged`: what some of the parts cost; a part that was charged before is not charged again.
    """
    if not telling and not charged:
        await conn.fetch(_SQL.accepted, carrier_id, [row[:-1] for row in rows], [row[-1] for row in rows])
        return
    for some in runs(conn, rows, attrgetter("msg_id")):
        parts, routed, ids = [row[:-1] for row in some], [row[-1] for row in some], {row.msg_id for row in some}
        costing = [one for one in charged if one.msg_id in ids]
        await conn.fetch(_SQL.accepted_and_told, carrier_id, parts, min(ids), max(ids), list(telling), routed, costing)


async def parts_attempted(
    conn: Connection, carrier_id: CarrierId, rows: Sequence[AttemptedPart]
) -> set[tuple[PlanId, UUID, int]]:
    """Records attempts that were not accepted. Returns the parts whose intent (or doubt) was still standing: only
    about those may the caller decide what comes next."""
    found = await conn.fetch(_SQL.attempted, carrier_id, *columns(rows, 10))
    return {(row[0], row[1], row[2]) for row in found}


async def give_back(conn: Connection, rows: Sequence[Requeued], *, wake: bool = False) -> None:
    """Back to the queue, due now. `wake`: to a queue of others, who have to look for it."""
    await conn.fetch(_SQL.give_back, *columns(rows, 9))
    if wake:
        await conn.execute("SELECT pg_notify('mt', 'again')")


async def put_off(conn: Connection, rows: Sequence[tuple[Requeued, dt.datetime]]) -> None:
    """Back to a queue, due at the given time."""
    await conn.fetch(_SQL.put_off, *columns([(*row, due_at) for row, due_at in rows], 10))


async def cut_otherwise(conn: Connection, carrier_id: CarrierId, rows: Sequence[tuple[Claimed, int]]) -> None:
    """Claimed messages of which nothing was submitted yet go back, each as so many parts."""
    for some in runs(conn, rows, lambda row: row[0].msg_id):
        ids = [claimed.msg_id for claimed, _ in some]
        cuts = [(c.plan_id, c.priority, c.msg_id, c.claimed_at, parts) for c, parts in some]
        await conn.fetch(_SQL.cut_otherwise, carrier_id, *columns(cuts, 5), min(ids), max(ids))


async def put_in_doubt(conn: Connection, carrier_id: CarrierId, rows: Sequence[DoubtfulPart]) -> None:
    await conn.fetch(_SQL.put_in_doubt, carrier_id, *columns(rows, 6))


async def move_due(conn: Connection) -> int:
    """Moves what was put off and is due now to the queue. Returns how many messages."""
    return int(await conn.fetchval(_SQL.move_due))


async def database_now(conn: Connection) -> dt.datetime:
    """The time that everything but leases goes by."""
    now: dt.datetime = await conn.fetchval("SELECT trunkline_now()")
    return now
