"""Messages from handsets that come in parts: sorted into messages, joined by whoever sees the last part.

A part is stored and committed before it is answered. Then its set is looked at, in a transaction that keeps others from
looking: of sessions that each stored one part at the same instant the last sees all of them, and only one joins them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Sequence
from hashlib import sha256
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from trunkline.carriers.inbound import Coding, Inbound, join, keyword_of
from trunkline.domain.ids import MsgIds
from trunkline.domain.provisioning import CarrierId, Provisioning
from trunkline.mo import route
from trunkline.mo.answers import Act, Answers, Compose, act_of
from trunkline.runtime import log, metrics
from trunkline.store import inbound, receipts
from trunkline.store.db import Connection
from trunkline.store.inbound import InboundRow, Joined, PartRow, StoredPart
from trunkline.text.udh import Concat

_log = log.get_logger()
_JOINED = metrics.counter("trunkline_inbound_joined", "Messages from handsets made of parts.", "outcome")
_LATE = metrics.counter("trunkline_inbound_late_parts", "Parts that came after their message was delivered.")


def row(carrier_id: CarrierId, link_id: int, message: Inbound, concat: Concat) -> PartRow:
    """A part as it is stored. What makes two parts belong together, and two the same, is said here."""
    belongs = (carrier_id, message.source, message.destination, concat.ref, concat.bits, concat.total)
    coding = message.coding
    holds = (coding.codec, coding.locking, coding.single, message.octets)
    return PartRow(
        _hash(belongs), concat.seq, _hash(holds), carrier_id, link_id, message.source, message.destination,
        concat.total, coding.codec, coding.locking, coding.single, message.octets,
    )  # fmt: skip


def _hash(values: tuple[object, ...]) -> bytes:
    return sha256(repr(values).encode()).digest()[:16]


class Late(NamedTuple):
    """A part of a message that was delivered without it."""

    part: StoredPart
    msg_id: UUID
    joined_at: dt.datetime | None


class Sorted(NamedTuple):
    """The parts of one set: messages that may still grow, and parts that are too late."""

    messages: list[list[StoredPart]]
    late: list[Late]


def sort(parts: Iterable[StoredPart]) -> Sorted:
    """Sorts the parts of one set, given in the order in which they came.

    A handset may use a reference again while an older message waits: a part whose place is taken begins a new message,
    and goes to the newest that lacks it. What only a message lacks that was delivered as it was is late.
    """
    messages: list[dict[int, StoredPart]] = []
    delivered: dict[UUID, dict[int, StoredPart]] = {}
    late = []
    for part in parts:
        if part.msg_id is not None:
            delivered.setdefault(part.msg_id, {})[part.part_no] = part
            continue
        lacking = [message for message in messages if part.part_no not in message]
        too_late = [msg_id for msg_id, message in delivered.items() if part.part_no not in message]
        if lacking:
            lacking[-1][part.part_no] = part
        elif too_late:
            message = delivered[too_late[-1]]
            # It is kept for as long as the rest of its message, so that the rest is always all there is of it.
            late.append(Late(part, too_late[-1], next(iter(message.values())).joined_at))
            message[part.part_no] = part
        else:
            messages.append({part.part_no: part})
    return Sorted([list(message.values()) for message in messages], late)


class _Piece(NamedTuple):
    octets: bytes
    coding: Coding


def text_of(parts: Sequence[StoredPart]) -> tuple[str, str | None]:
    """Body and binary of a message of which these parts came, in whatever order."""
    pieces: list[_Piece | None] = [None] * parts[0].total
    for part in parts:
        pieces[part.part_no - 1] = _Piece(part.octets or b"", Coding(part.codec, part.locking, part.single))
    return join(pieces)


class Joiner:
    """Makes messages of parts."""

    def __init__(
        self,
        *,
        provisioning: Callable[[], Provisioning | None],
        ids: MsgIds,
        now_ms: Callable[[], int],
        compose: Compose | None = None,
    ) -> None:
        """`compose` makes the messages that answer keywords; without it nothing is answered."""
        self._answers = Answers(provisioning, ids, now_ms, compose)
        self._provisioning = provisioning
        self._ids = ids
        self._now_ms = now_ms

    async def look(self, conn: Connection, set_keys: Collection[bytes]) -> int:
        """Delivers what is complete of these sets, and what has waited for an hour. Returns of how many parts."""
        provisioning = self._provisioning()
        if provisioning is None:
            return 0
        async with conn.transaction():
            await inbound.lock_sets(conn, set_keys)
            found = await inbound.sets(conn, set_keys)
            sets = [sort(parts) for _, parts in groupby(found, key=lambda part: part.set_key)]
            ready = [m for one in sets for m in one.messages if len(m) == m[0].total or m[0].overdue]
            made = [self._message(parts, provisioning) for parts in ready]
            messages = [message for message, _ in made]
            late = [part for one in sets for part in one.late]
            ended = [(p, m.row.msg_id, None) for parts, m in zip(ready, messages, strict=True) for p in parts]
            if messages:
                await inbound.store_joined(conn, messages)
                await self._answers.carry_out(conn, [act for _, act in made if act is not None])
            for part, msg_id, _ in late:
                reason = f"part {part.part_no} of {part.total} came after its message {msg_id} was delivered without it"
                await receipts.quarantine(conn, part.carrier_id, [(part.link_id, reason, part.octets or b"")])
            if ended or late:
                await inbound.end_parts(conn, [*ended, *late])
        partial = sum(message.partial for message in messages)
        _JOINED.of("partial").value += partial
        _JOINED.of("whole").value += len(messages) - partial
        _LATE.of().value += len(late)
        if partial or late:
            _log.info("inbound.parts_missing", partial=partial, late=len(late))
        return len(ended) + len(late)

    def _message(self, parts: Sequence[StoredPart], provisioning: Provisioning) -> tuple[Joined, Act | None]:
        """A message as it is stored, and what it asks for, if it is whole."""
        first = parts[0]
        body, binary = text_of(parts)
        partial = len(parts) < first.total
        # How it begins is not known where the first part may be missing.
        owner = route.owner(provisioning, first.destination, "" if partial else body)
        digest = sha256(first.set_key + b"".join(sorted(part.digest for part in parts))).digest()
        row = InboundRow(
            owner.plan_id, self._ids.new(self._now_ms()), owner.account_id, first.carrier_id, first.link_id,
            first.source, first.destination, body, binary, keyword_of(body), digest,
        )  # fmt: skip
        joined = Joined(row, partial, max(part.received_at for part in parts))
        return joined, act_of(provisioning, owner, first.source, row.msg_id)
