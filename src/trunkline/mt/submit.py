"""Step 4 of the trip: a claimed message as the submit_sm PDUs of its carrier."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from uuid import UUID

from trunkline.carriers.dialect import Dialect, ValidityForm
from trunkline.carriers.encode import Part, destination_address, encode_parts, source_address
from trunkline.domain.routes import Choice
from trunkline.smpp.pdu import SubmitSm
from trunkline.smpp.times import write_absolute, write_relative
from trunkline.smpp.tlv import USER_MESSAGE_REFERENCE, Tlvs
from trunkline.store.queue import Claimed, Content, PartPrice
from trunkline.text.segment import Encoding
from trunkline.text.transliterate import gsm7_form

# What `submits` may raise, by mistake: a message that cannot be encoded does not end the others' trip.
POISON = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
# registered_delivery (SMPP 3.4 §5.2.17): a receipt for either final outcome
_WITHOUT_RECEIPT, _WITH_RECEIPT = 0, 1


class Ticket:
    """One part on its way to the carrier: what is needed when its answer comes."""

    __slots__ = ("choice", "claimed", "part_no", "parts", "price", "recipient", "submitted_at")

    def __init__(
        self,
        claimed: Claimed,
        recipient: str,
        part_no: int,
        parts: int,
        choice: Choice | None = None,
        price: PartPrice | None = None,
    ) -> None:
        self.claimed = claimed
        self.choice = choice  # of the route; None: none was asked for
        self.price = price
        self.recipient = recipient
        self.part_no = part_no
        self.parts = parts
        self.submitted_at = 0.0  # the event loop's time


def tickets(claimed: Claimed, content: Content | None, choice: Choice | None = None) -> list[Ticket]:
    """The parts that are missing, of a message that is not submitted here."""
    recipient = content.recipient or "" if content is not None else ""
    parts = content.parts if content is not None else 1
    missing = claimed.missing
    return [
        Ticket(claimed, recipient, part_no, parts, choice) for part_no in range(1, 64) if missing >> (part_no - 1) & 1
    ]


def submits(
    claimed: Claimed,
    content: Content,
    dialect: Dialect,
    now: dt.datetime,
    choice: Choice | None = None,
    *,
    bare: bool = False,
) -> list[tuple[SubmitSm, Ticket]]:
    """The parts that are missing, in order. Raises ValueError where the message cannot be encoded.

    A message of which nothing was submitted yet may come in another number of parts than `content.parts`: then all.
    `bare`: without the optional parameters that the text can do without.
    """
    if content.sender is None or content.recipient is None or content.body is None:
        raise ValueError("the message's content is erased")
    text = content.body
    if content.encoding == Encoding.TRANSLITERATED:
        text = gsm7_form(text) or text
    parts = encode_parts(text, dialect, content.reference)
    total, missing = len(parts), claimed.missing
    if total != content.parts:
        if missing != (1 << content.parts) - 1:
            raise ValueError(f"{total} parts here, and some of {content.parts} were submitted before")
        missing = (1 << total) - 1
    source = source_address(content.sender, dialect)
    destination = destination_address(content.recipient, dialect)
    validity = _validity(claimed.expires_at, now, dialect)
    return [
        (
            SubmitSm(
                service_type=dialect.service_type,
                source_addr_ton=source.ton,
                source_addr_npi=source.npi,
                source_addr=source.addr,
                dest_addr_ton=destination.ton,
                dest_addr_npi=destination.npi,
                destination_addr=destination.addr,
                esm_class=part.esm_class,
                protocol_id=dialect.protocol_id,
                priority_flag=dialect.priority_flag,
                registered_delivery=_WITH_RECEIPT if dialect.is_receipted(part_no, total) else _WITHOUT_RECEIPT,
                validity_period=validity,
                data_coding=part.data_coding,
                short_message=part.short_message,
                tlvs=part.tlvs if bare else _tlvs(part, claimed.msg_id, part_no, dialect),
            ),
            Ticket(claimed, content.recipient, part_no, total, choice, content.price),
        )
        for part_no, part in enumerate(parts, start=1)
        if missing >> (part_no - 1) & 1
    ]


def _tlvs(part: Part, msg_id: UUID, part_no: int, dialect: Dialect) -> Tlvs:
    if not dialect.user_message_reference:
        return part.tlvs + dialect.submit_tlvs
    reference = user_message_reference(msg_id, part_no).to_bytes(2, "big")
    return (*part.tlvs, (USER_MESSAGE_REFERENCE, reference), *dialect.submit_tlvs)


def user_message_reference(msg_id: UUID, part_no: int) -> int:
    """What tells a part by its receipt alone, together with the recipient (store/sql/dlr.sql has the same rule)."""
    return (msg_id.int + part_no - 1) & 0xFFFF


def _validity(expires_at: dt.datetime, now: dt.datetime, dialect: Dialect) -> str:
    """What is left of the validity, as the carrier gets it (SMPP 3.4 §7.1.1)."""
    form = dialect.validity
    if form is ValidityForm.NONE:
        return ""
    if form is ValidityForm.ABSOLUTE:
        return write_absolute(expires_at)
    return _relative(max(int((expires_at - now).total_seconds()), 1))


_relative = lru_cache(maxsize=4096)(write_relative)
