"""The record's bytes: golden texts, and what is written only when it is so."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from uuid import UUID

import msgspec
import pytest
from msgspec import structs

from trunkline.contract.record import (
    DeliveryReceipt,
    InboundMessage,
    inbound_json,
    money,
    page_json,
    queued_json,
    record_json,
)
from trunkline.domain.inbound import Inbound
from trunkline.domain.message import Record, Submission
from trunkline.domain.provisioning import AccountId, CarrierId, PlanId
from trunkline.domain.status import Status

ACCOUNT, PLAN = "1" * 24, "2" * 24
AT = dt.datetime(2026, 6, 22, 5, 10, 3, 120_999, dt.UTC)

QUEUED = Record(
    plan_id=PlanId(7),
    msg_id=UUID("019eedd4-eb50-7322-805f-1ac6ce82f20f"),
    sender="+15550001111",
    recipient="+15550002222",
    body="Your verification code is 123456",
    status=Status.QUEUED,
    error_code=0,
    parts=1,
    country="US",
    mccmnc=None,
    price_micro=None,
    ptf_micro=None,
    currency=None,
    sent_at=None,
    final_at=None,
    client_reference=None,
    resubmitted=False,
    late=False,
)


def test_golden_queued() -> None:
    assert record_json(QUEUED, ACCOUNT, PLAN).decode() == (
        '{"accountId":"111111111111111111111111","servicePlanId":"222222222222222222222222",'
        '"msgId":"019eedd4-eb50-7322-805f-1ac6ce82f20f","channel":"SMS","direction":"MT","from":"+15550001111",'
        '"to":"+15550002222","body":"Your verification code is 123456","status":"QUEUED","errorCode":"000",'
        '"errorMessage":"No error","segments":1,"price":null,"ptf":null,"currency":null,"country":"US","mccmnc":null,'
        '"createdAt":"2026-06-22T05:36:54.608Z","sentAt":null,"finalAt":null}'
    )


def test_golden_final_with_everything() -> None:
    record = structs.replace(
        QUEUED, status=Status.FAILED, error_code=103, parts=3, price_micro=22_500, ptf_micro=9_000_000, currency="USD",
        mccmnc="310260", sent_at=AT, final_at=AT + dt.timedelta(seconds=1), client_reference='a "b"\n',
        resubmitted=True, late=True, body="Grüße 👩‍👩‍👧‍👦\u2028\x01",
    )  # fmt: skip
    assert record_json(record, ACCOUNT, PLAN).decode() == (
        '{"accountId":"111111111111111111111111","servicePlanId":"222222222222222222222222",'
        '"msgId":"019eedd4-eb50-7322-805f-1ac6ce82f20f","channel":"SMS","direction":"MT","from":"+15550001111",'
        '"to":"+15550002222","body":"Grüße 👩‍👩‍👧‍👦\u2028\\u0001","status":"FAILED","errorCode":"103",'
        '"errorMessage":"Unknown subscriber","segments":3,"price":0.0225,"ptf":9,"currency":"USD","country":"US",'
        '"mccmnc":"310260","createdAt":"2026-06-22T05:36:54.608Z","sentAt":"2026-06-22T05:10:03.120Z",'
        '"finalAt":"2026-06-22T05:10:04.120Z","resubmitted":true,"late":true,"clientReference":"a \\"b\\"\\n"}'
    )


def test_golden_redacted() -> None:
    record = structs.replace(QUEUED, sender=None, recipient=None, body=None)
    document = json.loads(record_json(record, ACCOUNT, PLAN))
    assert (document["from"], document["to"], document["body"]) == (None, None, None)


@pytest.mark.parametrize("reference", [None, "", "order 7"])
def test_the_answer_to_a_send_is_the_record_that_will_be_read(reference: str | None) -> None:
    record = structs.replace(QUEUED, client_reference=reference, parts=2, country=None)
    submission = Submission(
        plan_id=record.plan_id, msg_id=record.msg_id, account_id=AccountId(1), sender="+15550001111",
        recipient="+15550002222", body="Your verification code is 123456", callback_url="https://a.example/",
        client_reference=reference, country=None, encoding=0, parts=2, carrier_id=CarrierId(1), priority=3,
        validity_s=60, due_at=None,
    )  # fmt: skip
    assert queued_json(submission, ACCOUNT, PLAN) == record_json(record, ACCOUNT, PLAN)


@pytest.mark.parametrize("status", list(Status))
def test_every_status_is_one_of_the_five_words(status: Status) -> None:
    document = json.loads(record_json(structs.replace(QUEUED, status=status), ACCOUNT, PLAN))
    assert document["status"] == status.name
    assert document["status"] in {"QUEUED", "SENT", "DELIVERED", "FAILED", "UNKNOWN"}


def test_an_empty_reference_was_given_all_the_same() -> None:
    assert b'"clientReference":""' in record_json(structs.replace(QUEUED, client_reference=""), ACCOUNT, PLAN)


INBOUND = Inbound(
    plan_id=PlanId(7),
    msg_id=UUID("019f0000-aaaa-7bbb-8ccc-000000000001"),
    sender="+15550002222",
    recipient="+15550001111",
    body="Need status update for order 12345",
    binary_hex=None,
    keyword="Need",
    partial=False,
    received_at=AT,
)


def test_golden_inbound() -> None:
    assert inbound_json(INBOUND, ACCOUNT, PLAN).decode() == (
        '{"accountId":"111111111111111111111111","servicePlanId":"222222222222222222222222",'
        '"msgId":"019f0000-aaaa-7bbb-8ccc-000000000001","channel":"SMS","direction":"MO","from":"+15550002222",'
        '"to":"+15550001111","keyword":"Need","body":"Need status update for order 12345",'
        '"receivedAt":"2026-06-22T05:10:03.120Z"}'
    )


def test_binary_inbound_has_no_text_and_no_keyword() -> None:
    document = json.loads(inbound_json(dataclasses.replace(INBOUND, binary_hex="00ff", partial=True), ACCOUNT, PLAN))
    assert (document["binary"], document["body"], document["keyword"]) == ("00ff", "", "")
    assert document["partial"] is True


@pytest.mark.parametrize(
    ("micro", "text"),
    [(0, "0"), (1, "0.000001"), (7_500, "0.0075"), (100_000, "0.1"), (1_000_000, "1"), (10_000_000, "10"),
     (1_500_000, "1.5"), (123_456_789_012_345, "123456789.012345"), (-7_500, "-0.0075"),
     (9_007_199_254_740_993, "9007199254.740993")],
)  # fmt: skip
def test_money_is_exact(micro: int, text: str) -> None:
    assert msgspec.json.encode(money(micro)).decode() == text
    assert round(json.loads(text) * 1_000_000) == micro or abs(micro) > 2**53


def test_pages_hold_records_as_they_are() -> None:
    one = record_json(QUEUED, ACCOUNT, PLAN)
    page = json.loads(page_json([one, one], 2, "abc", True))
    assert page == {"data": [json.loads(one)] * 2, "pagination": {"limit": 2, "nextCursor": "abc", "hasMore": True}}
    assert json.loads(page_json([], 20, None, False))["data"] == []


def test_positions_and_names_of_the_structs_agree() -> None:
    """The serializers fill the structs by position; read back by name, each value has to be in its place."""
    record = structs.replace(QUEUED, mccmnc="m", currency="c", country="k", price_micro=1, ptf_micro=2, sent_at=AT)
    back = msgspec.json.decode(record_json(record, "a", "p"), type=DeliveryReceipt)
    assert (back.account_id, back.service_plan_id, back.sender, back.recipient) == (
        "a",
        "p",
        QUEUED.sender,
        QUEUED.recipient,
    )
    assert (back.mccmnc, back.currency, back.country) == ("m", "c", "k")
    assert (back.price, back.ptf) == (0.000001, 0.000002)
    inbound = msgspec.json.decode(inbound_json(INBOUND, "a", "p"), type=InboundMessage)
    assert (inbound.keyword, inbound.body) == (INBOUND.keyword, INBOUND.body)
