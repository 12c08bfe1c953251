"""Receipts as they come in: stored in batches, answered OK after the commit, settled in the same one.

Unknown ids and garbage are stored and answered OK as well: a refusal would bring them back for ever. While the database
is away the answer is ESME_RX_T_APPN, so that the carrier keeps the receipt and sends it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import structs

from trunkline.carriers.dialect import PLAIN, Dialect
from trunkline.carriers.receipt import Receipt
from trunkline.dlr import match
from trunkline.dlr.oddities import Oddities
from trunkline.domain.parts import NOT_UNDERSTOOD
from trunkline.domain.provisioning import CarrierId
from trunkline.runtime import clock, log, metrics
from trunkline.runtime.gather import Gather
from trunkline.settle import apply as settle
from trunkline.smpp.codec import encode
from trunkline.smpp.errors import EncodeError
from trunkline.smpp.esme import EsmeSession
from trunkline.smpp.pdu import DataSm, DeliverSm
from trunkline.smpp.status import ESME_ROK, ESME_RX_T_APPN
from trunkline.smpp.tlv import MESSAGE_PAYLOAD
from trunkline.store import receipts
from trunkline.store.db import Connection, DatabaseError, Standing
from trunkline.store.receipts import UnparkedReceipt, UnreadReceipt
from trunkline.store.settling import MatchedReceipt

_log = log.get_logger()
_RECEIPTS = metrics.counter("trunkline_receipts", "Receipts by what became of them.", "outcome")


class Incoming(NamedTuple):
    """One receipt to store and answer; addresses as the platform writes them."""

    session: EsmeSession
    pdu: DeliverSm | DataSm
    link_id: int
    source: str
    destination: str
    receipt: Receipt


class Undecodable(NamedTuple):
    """A PDU that could not be read at all."""

    session: EsmeSession
    command_id: int
    sequence: int
    link_id: int
    octets: bytes
    reason: str


# Receipts without a message come in floods, and a statement holds a core until it is over: accepts wait for that. So
# they are stored few at a time, and with pauses as long as that takes.
_PARKED_AT_ONCE = 32


class Receiver:
    """Stores the receipts of one carrier."""

    def __init__(self, dsn: str, carrier_id: CarrierId, dialect: Dialect = PLAIN, name: str = "") -> None:
        self.carrier_id = carrier_id
        self._repeats_reference = dialect.user_message_reference
        self._oddities = Oddities(name or str(carrier_id))
        self._standing = Standing(dsn, name="receipts")
        self._garbage_on = Standing(dsn, name="quarantine")
        self.receipts: Gather[Incoming] = Gather(self._write, linger_s=0.005, most=512)
        self.garbage: Gather[Undecodable] = Gather(self._quarantine, linger_s=0.02, most=256)
        self._settled = _RECEIPTS.of("matched")
        self._parked = _RECEIPTS.of("parked")

    async def drained(self) -> None:
        """Returns once everything received so far is answered."""
        await self.receipts.drained()
        await self.garbage.drained()

    async def close(self) -> None:
        await self._standing.close()
        await self._garbage_on.close()

    async def _write(self, batch: list[Incoming]) -> None:
        unanswered: list[list[Incoming]] = [batch]
        try:
            await self._store(await self._standing.get(), batch, unanswered)
            self._oddities.count([incoming.receipt for incoming in batch])
        except DatabaseError as error:
            count = sum(map(len, unanswered))
            _log.warning("receipts.put_off", carrier_id=self.carrier_id, count=count, error=log.explained(error))
            self._standing.abandon()
            for part in unanswered:
                _answer(part, ESME_RX_T_APPN)

    async def _store(self, conn: Connection, batch: list[Incoming], unanswered: list[list[Incoming]]) -> None:
        """Stores and answers; `unanswered` is kept true at each step, for whoever has to answer after a failure."""
        ids = [i.receipt.canonical_id for i in batch if i.receipt.canonical_id]
        found = match.by_id(await receipts.candidates(conn, self.carrier_id, ids, match.RECENT))
        matched, known, unknown, unread = [], [], [], []
        for incoming in batch:
            receipt = incoming.receipt
            candidate = match.find(found, receipt.canonical_id, incoming.source, incoming.destination)
            if candidate is not None:
                matched.append(
                    MatchedReceipt(
                        incoming.link_id, receipt.canonical_id, candidate.plan_id, candidate.msg_id, candidate.part_no,
                        receipt.stat, receipt.err, receipt.status, _code(receipt), None,
                        settle.decides(receipt.status, candidate.parts), candidate.sent_at, candidate.resubmitted,
                        receipt.mccmnc,
                    )
                )  # fmt: skip
                known.append(incoming)
            elif receipt.canonical_id:
                unknown.append(incoming)
            else:
                unread.append(incoming)
        unanswered[:] = [known, unread, unknown]
        if matched:
            await settle.apply_receipts(conn, self.carrier_id, matched)
            self._settled.value += len(matched)
            _answer(known)
        del unanswered[0]
        if unread:
            await receipts.not_understood(conn, self.carrier_id, [_unread(i) for i in unread])
            _RECEIPTS.of("not_understood").value += len(unread)
            _answer(unread)
        del unanswered[0]
        while unknown:
            began = clock.monotonic_s()
            some, unknown = unknown[:_PARKED_AT_ONCE], unknown[_PARKED_AT_ONCE:]
            await receipts.park(conn, self.carrier_id, [_unparked(i, self._repeats_reference) for i in some])
            self._parked.value += len(some)
            _answer(some)
            unanswered[:] = [unknown]
            await match.look(conn, self.carrier_id, [i.receipt.canonical_id for i in some])
            if unknown:
                await clock.sleep(clock.monotonic_s() - began)

    async def _quarantine(self, batch: list[Undecodable]) -> None:
        try:
            rows = [(u.link_id, u.reason, u.octets) for u in batch]
            await receipts.quarantine(await self._garbage_on.get(), self.carrier_id, rows)
            status = ESME_ROK
        except DatabaseError as error:
            _log.warning("receipts.put_off", carrier_id=self.carrier_id, count=len(batch), error=log.explained(error))
            self._garbage_on.abandon()
            status = ESME_RX_T_APPN
        for undecodable in batch:
            undecodable.session.answer(undecodable.sequence, status, command_id=undecodable.command_id)


def _answer(received: Sequence[Incoming], status: int = ESME_ROK) -> None:
    for incoming in received:
        incoming.session.answer(incoming.pdu, status)


def _code(receipt: Receipt) -> int:
    """The code that is kept with a receipt: one that was not understood decides about the message if no other comes."""
    return int(receipt.code) if receipt.understood else NOT_UNDERSTOOD


def _unparked(incoming: Incoming, repeats_reference: bool) -> UnparkedReceipt:
    receipt = incoming.receipt
    return UnparkedReceipt(
        receipt.canonical_id, incoming.source, incoming.destination, incoming.link_id, receipt.stat, receipt.err,
        receipt.status, _code(receipt), receipt.message_id, receipt.in_tlv, receipt.mccmnc,
        receipt.user_message_reference if repeats_reference else None,
    )  # fmt: skip


def _unread(incoming: Incoming) -> UnreadReceipt:
    receipt = incoming.receipt
    return UnreadReceipt(
        incoming.link_id, None, incoming.destination, receipt.stat, receipt.err, receipt.status, _code(receipt),
        _octets(incoming.pdu),
    )  # fmt: skip


def _octets(pdu: DeliverSm | DataSm) -> bytes:
    """The PDU as it came. One with 255 octets of text, one more than SMPP has, is read and cannot be written: the
    text then stands in message_payload."""
    try:
        return encode(pdu)
    except EncodeError:
        assert isinstance(pdu, DeliverSm)
        tlvs = (*pdu.tlvs, (MESSAGE_PAYLOAD, pdu.short_message))
        return encode(structs.replace(pdu, short_message=b"", tlvs=tlvs))
