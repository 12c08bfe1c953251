"""Step 4 of the trip: a claimed message as the submit_sm PDUs of its carrier."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

from trunkline.carriers.dialect import Dialect
from trunkline.carriers.encode import destination_address, encode_parts, source_address
from trunkline.domain.routes import Choice
from trunkline.smpp.pdu import SubmitSm
from trunkline.smpp.times import write_relative
from trunkline.store.queue import Claimed, Content
from trunkline.text.segment import Encoding
from trunkline.text.transliterate import gsm7_form

# What `submits` may raise, by mistake: a message that cannot be encoded does not end the others' trip.
POISON = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
_WITH_RECEIPT = 1  # registered_delivery (SMPP 3.4 §5.2.17): a receipt for either final outcome


class Ticket:
    """One part on its way to the carrier: what is needed when its answer comes."""

    __slots__ = ("choice", "claimed", "part_no", "parts", "recipient", "submitted_at")

    def __init__(
        self, claimed: Claimed, recipient: str, part_no: int, parts: int, choice: Choice | None = None
    ) -> None:
        self.claimed = claimed
        self.choice = choice  # of the route; None: none was asked for
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
    claimed: Claimed, content: Content, dialect: Dialect, now: dt.datetime, choice: Choice | None = None
) -> list[tuple[SubmitSm, Ticket]]:
    """The parts that are missing, in order. Raises ValueError where the message cannot be encoded.

    A message of which nothing was submitted yet may come in another number of parts than `content.parts`: then all.
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
    destination = destination_address(content.recipient)
    rest_s = int((claimed.expires_at - now).total_seconds())
    validity = _validity(max(rest_s, 1))
    return [
        (
            SubmitSm(
                source_addr_ton=source.ton,
                source_addr_npi=source.npi,
                source_addr=source.addr,
                dest_addr_ton=destination.ton,
                dest_addr_npi=destination.npi,
                destination_addr=destination.addr,
                esm_class=part.esm_class,
                registered_delivery=_WITH_RECEIPT,
                validity_period=validity,
                data_coding=part.data_coding,
                short_message=part.short_message,
            ),
            Ticket(claimed, content.recipient, part_no, total, choice),
        )
        for part_no, part in enumerate(parts, start=1)
        if missing >> (part_no - 1) & 1
    ]


@lru_cache(maxsize=4096)
def _validity(rest_s: int) -> str:
    """What is left of the validity, as the carrier gets it (relative, SMPP 3.4 §7.1.1.2)."""
    return write_relative(rest_s)
