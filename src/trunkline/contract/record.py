"""The record of a message as customers read it: one serializer for answers, lists and webhooks.

The struct is the definition and the serializer at once (msgspec encodes it in a microsecond), so that what is
documented from it cannot differ from what is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast
from uuid import UUID

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field, structs

from trunkline.contract.times import spell, spell_ms
from trunkline.domain.errors import DELIVERY_CODES
from trunkline.domain.inbound import Inbound
from trunkline.domain.message import Record, Submission
from trunkline.domain.status import Status


class DeliveryReceipt(Struct, frozen=True, rename="camel", gc=False):
    """The record of an MT message."""

    account_id: str
    service_plan_id: str
    msg_id: UUID
    channel: str
    direction: str
    sender: str | None = field(name="from")
    recipient: str | None = field(name="to")
    body: str | None
    status: str
    error_code: str
    error_message: str
    segments: int | None
    price: float | None  # a Raw, so that it is exact: see `money`
    ptf: float | None
    currency: str | None
    country: str | None
    mccmnc: str | None
    created_at: str
    sent_at: str | None
    final_at: str | None
    resubmitted: bool | UnsetType = UNSET
    late: bool | UnsetType = UNSET
    client_reference: str | UnsetType = UNSET


class InboundMessage(Struct, frozen=True, rename="camel", gc=False):
    """An MO message."""

    account_id: str
    service_plan_id: str
    msg_id: UUID
    channel: str
    direction: str
    sender: str | None = field(name="from")
    recipient: str | None = field(name="to")
    keyword: str | None
    body: str | None
    received_at: str
    partial: bool | UnsetType = UNSET
    binary: str | UnsetType = UNSET


_encode = msgspec.json.Encoder().encode
_STATUS = {int(status): status.name for status in Status}
_CODES = {int(code): (code, entry.title) for code, entry in DELIVERY_CODES.items()}


@lru_cache(maxsize=4096)
def money(micro: int) -> float:
    """Micro-units as an exact JSON number: 7500 → 0.0075. Prices are few, so the spelling is kept.

    What is returned is the number's spelling for the encoder; it is a float only in the description of the record.
    """
    whole, rest = divmod(abs(micro), 1_000_000)
    number = f"{'-' if micro < 0 else ''}{whole}" + (f".{rest:06d}".rstrip("0") if rest else "")
    return cast(float, Raw(number.encode()))


def record_json(record: Record, account_public_id: str, plan_public_id: str) -> bytes:
    """The record's bytes. Raises KeyError for an error code that the catalogue lacks."""
    error_code, error_message = _CODES[record.error_code]
    price, ptf, sent_at, final_at = record.price_micro, record.ptf_micro, record.sent_at, record.final_at
    reference = record.client_reference
    # By position: keywords would cost a third more, at each accept and each webhook.
    return _encode(
        DeliveryReceipt(
            account_public_id,
            plan_public_id,
            record.msg_id,
            "SMS",
            "MT",
            record.sender,
            record.recipient,
            record.body,
            _STATUS[record.status],
            error_code,
            error_message,
            record.parts,
            None if price is None else money(price),
            None if ptf is None else money(ptf),
            record.currency,
            record.country,
            record.mccmnc,
            spell_ms(record.msg_id.int >> 80),  # the time of acceptance is part of the id
            None if sent_at is None else spell(sent_at),
            None if final_at is None else spell(final_at),
            True if record.resubmitted else UNSET,
            True if record.late else UNSET,
            UNSET if reference is None else reference,
        )
    )


def queued_json(submission: Submission, account_public_id: str, plan_public_id: str) -> bytes:
    """The record's bytes as they are from acceptance until the message is sent: `record_json` without the record, since
    making one would cost each accept more than the rest of its answer."""
    reference = submission.client_reference
    error_code, error_message = _CODES[0]
    return _encode(
        DeliveryReceipt(
            account_public_id,
            plan_public_id,
            submission.msg_id,
            "SMS",
            "MT",
            submission.sender,
            submission.recipient,
            submission.body,
            "QUEUED",
            error_code,
            error_message,
            submission.parts,
            None,
            None,
            None,
            submission.country,
            None,
            spell_ms(submission.msg_id.int >> 80),
            None,
            None,
            UNSET,
            UNSET,
            UNSET if reference is None else reference,
        )
    )


def first_json(record: Record, parts: int, account_public_id: str, plan_public_id: str) -> bytes:
    """The record's bytes as `queued_json` made them at acceptance, when the message had `parts`; texts and numbers that
    were erased since are null."""
    return record_json(
        structs.replace(
            record, status=Status.QUEUED, error_code=0, parts=parts, mccmnc=None, price_micro=None, ptf_micro=None,
            currency=None, sent_at=None, final_at=None, resubmitted=False, late=False,
        ),
        account_public_id,
        plan_public_id,
    )  # fmt: skip


def inbound_json(inbound: Inbound, account_public_id: str, plan_public_id: str) -> bytes:
    """An MO message's bytes."""
    binary = inbound.binary_hex
    return _encode(
        InboundMessage(
            account_public_id,
            plan_public_id,
            inbound.msg_id,
            "SMS",
            "MO",
            inbound.sender,
            inbound.recipient,
            inbound.keyword if binary is None else "",
            inbound.body if binary is None else "",
            spell(inbound.received_at),
            True if inbound.partial else UNSET,
            UNSET if binary is None else binary,
        )
    )


def page_json(records: Sequence[bytes], limit: int, next_cursor: str | None, has_more: bool) -> bytes:
    """A page of a list: records already serialized, and how to go on."""
    pagination = _encode({"limit": limit, "nextCursor": next_cursor, "hasMore": has_more})
    return b'{"data":[' + b",".join(records) + b'],"pagination":' + pagination + b"}"
