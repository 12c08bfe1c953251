"""The record of a message as customers read it: one serializer for answers, lists and webhooks.

The struct is the definition and the serializer at once (msgspec encodes it in a microsecond), so that what is
documented from it cannot differ from what is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, cast
from uuid import UUID

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field, structs

from trunkline.contract.describe import COUNTRY_PATTERN, ID_PATTERN, MCCMNC_PATTERN, said
from trunkline.contract.times import spell, spell_ms
from trunkline.domain.errors import DELIVERY_CODES
from trunkline.domain.inbound import Inbound
from trunkline.domain.message import Record, Submission
from trunkline.domain.price import spelled
from trunkline.domain.status import Status

_Id = Annotated[str, said("The account that the service plan belongs to.", pattern=ID_PATTERN)]
_PlanId = Annotated[str, said("The service plan.", pattern=ID_PATTERN)]
_MsgId = Annotated[UUID, said("The message's id, a UUID of version 7: ids of later messages are greater.")]
_Channel = Annotated[str, said("The channel.", enum=["SMS"])]


class DeliveryReceipt(Struct, frozen=True, rename="camel", gc=False):
    """The record of an MT message: one object in answers, lists and webhooks."""

    account_id: _Id
    service_plan_id: _PlanId
    msg_id: _MsgId
    channel: _Channel
    direction: Annotated[str, said("Mobile terminated: sent by the platform.", enum=["MT"])]
    sender: Annotated[str | None, said("The sender as given; null once erased.")] = field(name="from")
    recipient: Annotated[str | None, said("The recipient as given; null once erased.")] = field(name="to")
    body: Annotated[str | None, said("The text as given; null once erased.")]
    status: Annotated[
        str,
        said(
            "QUEUED: accepted, not yet taken by the carrier. SENT: taken by the carrier. DELIVERED and FAILED: final."
            " UNKNOWN: it cannot be told how the message ended; a receipt that comes late may correct it once.",
            enum=[status.name for status in Status],
        ),
    ]
    error_code: Annotated[str, said("`000`, or why the message failed: see delivery codes.", pattern="^[0-9]{3}$")]
    error_message: Annotated[str, said("The title of `errorCode`.")]
    segments: Annotated[int | None, said("SMS parts that the text takes.", minimum=0)]
    # A Raw, so that it is exact: see `money`.
    price: Annotated[float | None, said("What all parts cost; null until it is known.")]
    ptf: Annotated[float | None, said("The carrier's pass-through fee for all parts, on top of `price`.")]
    currency: Annotated[str | None, said("The currency of both, ISO 4217.", pattern="^[A-Z]{3}$")]
    country: Annotated[
        str | None, said("The country of `to`, ISO 3166-1, where its number tells.", pattern=COUNTRY_PATTERN)
    ]
    mccmnc: Annotated[
        str | None, said("The recipient's network where it is known: MCC and MNC.", pattern=MCCMNC_PATTERN)
    ]
    created_at: Annotated[str, said("When the message was accepted.", format="date-time")]
    sent_at: Annotated[str | None, said("When the carrier first took it.", format="date-time")]
    final_at: Annotated[str | None, said("When it became final.", format="date-time")]
    resubmitted: Annotated[
        bool | UnsetType, said("Only when true: sent again after an outcome that was unknown, as the plan wants it.")
    ] = UNSET
    late: Annotated[bool | UnsetType, said("Only when true: a late receipt corrected UNKNOWN.")] = UNSET
    client_reference: Annotated[str | UnsetType, said("Only when given: your reference.")] = UNSET


class InboundMessage(Struct, frozen=True, rename="camel", gc=False):
    """An MO message: sent by a phone, received by the platform."""

    account_id: _Id
    service_plan_id: _PlanId
    msg_id: _MsgId
    channel: _Channel
    direction: Annotated[str, said("Mobile originated: sent by a phone.", enum=["MO"])]
    sender: Annotated[str | None, said("The phone's number; null once erased.")] = field(name="from")
    recipient: Annotated[str | None, said("The number that was written to; null once erased.")] = field(name="to")
    keyword: Annotated[str | None, said("The first word of the text, its case kept.")]
    body: Annotated[str | None, said("The text; empty where the message is binary, null once erased.")]
    received_at: Annotated[str, said("When the platform received it.", format="date-time")]
    partial: Annotated[bool | UnsetType, said("Only when true: parts of the message never came.")] = UNSET
    binary: Annotated[
        str | UnsetType,
        said("Only when the message is not text: its bytes in hexadecimal.", pattern="^([0-9a-f]{2})*$"),
    ] = UNSET


class Pagination(Struct, frozen=True, rename="camel"):
    """How a list goes on."""

    limit: Annotated[int, said("The most records that a page holds.", minimum=1, maximum=100)]
    next_cursor: Annotated[str | None, said("The `cursor` of the next page; null at the end.")]
    has_more: Annotated[bool, said("Whether there is a next page. A page may be short, or empty, and not the last.")]


_encode = msgspec.json.Encoder().encode
_STATUS = {int(status): status.name for status in Status}
_CODES = {int(code): (code, entry.title) for code, entry in DELIVERY_CODES.items()}


@lru_cache(maxsize=4096)
def money(micro: int) -> float:
    """Micro-units as an exact JSON number: 7500 → 0.0075. Prices are few, so the spelling is kept.

    What is returned is the number's spelling for the encoder; it is a float only in the description of the record.
    """
    return cast(float, Raw(spelled(micro).encode()))


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
            submission.mccmnc,
            spell_ms(submission.msg_id.int >> 80),
            None,
            None,
            UNSET,
            UNSET,
            UNSET if reference is None else reference,
        )
    )


def first_json(record: Record, parts: int, mccmnc: str | None, account_public_id: str, plan_public_id: str) -> bytes:
    """The record's bytes as `queued_json` made them at acceptance, when the message had `parts` and was for the network
    `mccmnc`; texts and numbers that were erased since are null."""
    return record_json(
        structs.replace(
            record, status=Status.QUEUED, error_code=0, parts=parts, mccmnc=mccmnc, price_micro=None,
            ptf_micro=None, currency=None, sent_at=None, final_at=None, resubmitted=False, late=False,
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
    pagination = _encode(Pagination(limit, next_cursor, has_more))
    return b'{"data":[' + b",".join(records) + b'],"pagination":' + pagination + b"}"
