"""POST /v1/sendsms: its fields one by one, all faults at once, the order of refusals, and what is stored."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
import uuid
from typing import Any

import pytest
from api_rig import ACCOUNT, DUTCH, INACTIVE, MISSING, OTHER, PLAN, RECIPIENT, ROUTELESS, SENDER, Reply, Rig

from trunkline.domain.message import Accepted
from trunkline.runtime.clock import wall_ms

UTC = dt.UTC


def at(seconds: float) -> str:
    moment = dt.datetime.fromtimestamp(wall_ms() / 1000 + seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_the_answer_is_the_record_as_it_is_stored(rig: Rig) -> None:
    before = wall_ms()
    reply = rig.send(clientReference="order 7")
    assert reply.status == 202
    assert reply.headers["content-type"] == "application/json"
    record = reply.json
    msg_id, created_at = record.pop("msgId"), record.pop("createdAt")
    assert record == {
        "accountId": ACCOUNT, "servicePlanId": PLAN, "channel": "SMS", "direction": "MT", "from": SENDER,
        "to": RECIPIENT, "body": "Hello", "status": "QUEUED", "errorCode": "000", "errorMessage": "No error",
        "segments": 1, "price": None, "ptf": None, "currency": None, "country": "US", "mccmnc": None, "sentAt": None,
        "finalAt": None, "clientReference": "order 7",
    }  # fmt: skip
    assert uuid.UUID(msg_id).version == 7
    assert str(uuid.UUID(msg_id)) == msg_id
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", created_at)
    assert before <= dt.datetime.fromisoformat(created_at).timestamp() * 1000 + 1 <= wall_ms() + 2
    assert rig.get(msg_id).body == reply.body
    (row,) = rig.sql("SELECT * FROM msg WHERE plan_id = 1 AND msg_id = $1", uuid.UUID(msg_id))
    assert (row["client_reference"], row["callback_url"], row["recipient"]) == ("order 7", None, RECIPIENT)


RIGHT: list[dict[str, Any]] = [
    {"servicePlanId": PLAN.upper()},
    {"from_": "12345"},
    {"from_": "Trunkline"},
    {"to": "+1234567"},
    {"to": "+123456789012345"},
    {"body": "x"},
    {"body": "x" * 1600},
    {"body": "😀" * 1600},
    {"body": " \n\r\t\x7f\u2028‏"},
    {"callbackUrl": "https://client.example.com/sms/status?x=1"},
    {"callbackUrl": "https://client.example.com:8443"},
    {"sendAt": at(60)},
    {"sendAt": at(-1e9)},
    {"sendAt": "2026-01-01t00:00:00.123456789+14:00"},
    {"validityPeriod": 60},
    {"validityPeriod": 259200},
    {"validityPeriod": 61.0},
    {"clientReference": ""},
    {"clientReference": 'é"\\' * 85},
]

WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"servicePlanId": ...}, "servicePlanId", "required"),
    ({"channel": ...}, "channel", "required"),
    ({"from_": ...}, "from", "required"),
    ({"to": ...}, "to", "required"),
    ({"body": ...}, "body", "required"),
    ({"servicePlanId": "2" * 23}, "servicePlanId", "wrong_form"),
    ({"servicePlanId": "2" * 25}, "servicePlanId", "wrong_form"),
    ({"servicePlanId": "2" * 24 + "\n"}, "servicePlanId", "wrong_form"),
    ({"servicePlanId": "g" * 24}, "servicePlanId", "wrong_form"),
    ({"servicePlanId": 2**80}, "servicePlanId", "wrong_type"),
    ({"channel": "sms"}, "channel", "wrong_form"),
    ({"channel": "WHATSAPP"}, "channel", "wrong_form"),
    ({"channel": None}, "channel", "wrong_type"),
    ({"from_": "12"}, "from", "wrong_form"),
    ({"from_": "123456789"}, "from", "wrong_form"),
    ({"from_": ""}, "from", "wrong_form"),
    ({"from_": "TwelveLetter"}, "from", "wrong_form"),
    ({"from_": "+0123456789"}, "from", "wrong_form"),
    ({"from_": "Café"}, "from", "wrong_form"),
    ({"from_": "12345\n"}, "from", "wrong_form"),
    ({"from_": "١٢٣٤٥"}, "from", "wrong_form"),
    ({"from_": 12345}, "from", "wrong_type"),
    ({"to": "15550002222"}, "to", "wrong_form"),
    ({"to": "+05550002222"}, "to", "wrong_form"),
    ({"to": "+123456"}, "to", "wrong_form"),
    ({"to": "+1234567890123456"}, "to", "wrong_form"),
    ({"to": "+1 555 000 2222"}, "to", "wrong_form"),
    ({"to": "+15550002222\n"}, "to", "wrong_form"),
    ({"to": "+١٥٥٥٠٠٠٢٢٢٢"}, "to", "wrong_form"),
    ({"to": 15550002222}, "to", "wrong_type"),
    ({"body": ""}, "body", "too_short"),
    ({"body": "x" * 1601}, "body", "too_long"),
    ({"body": ["x"]}, "body", "wrong_type"),
    ({"body": None}, "body", "wrong_type"),
    ({"sendAt": "tomorrow"}, "sendAt", "wrong_form"),
    ({"sendAt": "2026-06-22T05:10:03"}, "sendAt", "wrong_form"),
    ({"sendAt": "2026-06-22 05:10:03Z"}, "sendAt", "wrong_form"),
    ({"sendAt": "2026-02-30T05:10:03Z"}, "sendAt", "wrong_form"),
    ({"sendAt": "2026-06-22T05:10:03Z\n"}, "sendAt", "wrong_form"),
    ({"sendAt": 1750569003}, "sendAt", "wrong_type"),
    ({"validityPeriod": 59}, "validityPeriod", "out_of_range"),
    ({"validityPeriod": 259201}, "validityPeriod", "out_of_range"),
    ({"validityPeriod": 10**30}, "validityPeriod", "out_of_range"),
    ({"validityPeriod": 60.5}, "validityPeriod", "wrong_type"),
    ({"validityPeriod": "60"}, "validityPeriod", "wrong_type"),
    ({"validityPeriod": True}, "validityPeriod", "wrong_type"),
    ({"clientReference": "x" * 256}, "clientReference", "too_long"),
    ({"clientReference": 7}, "clientReference", "wrong_type"),
    ({"clientReference": None}, "clientReference", "wrong_type"),
]

SPECIFIC: list[tuple[dict[str, Any], str, str]] = [
    ({"callbackUrl": "http://client.example.com/"}, "callbackUrl", "callback_url_refused"),
    ({"callbackUrl": "https://127.0.0.1/"}, "callbackUrl", "callback_url_refused"),
    ({"callbackUrl": "https://2130706433/"}, "callbackUrl", "callback_url_refused"),
    ({"callbackUrl": "https://localhost/"}, "callbackUrl", "callback_url_refused"),
    ({"callbackUrl": "https://my_host.example.com/"}, "callbackUrl", "callback_url_refused"),
    ({"callbackUrl": "https://client.example.com/\n"}, "callbackUrl", "callback_url_refused"),
    ({"callbackUrl": ""}, "callbackUrl", "callback_url_refused"),
    ({"callbackURL": "https://client.example.com/"}, "callbackURL", "unknown_field"),
    ({"x": None}, "x", "unknown_field"),
    ({"to": [RECIPIENT]}, "to", "single_message_only"),
]


@pytest.mark.parametrize("fields", RIGHT, ids=range(len(RIGHT)))
def test_right_fields_are_taken(rig: Rig, fields: dict[str, Any]) -> None:
    reply = rig.send(**fields)
    assert reply.status == 202, reply
    for name, value in fields.items():
        if name in ("from_", "to", "body", "clientReference"):
            assert reply.json[name.rstrip("_")] == value
    assert reply.json["servicePlanId"] == PLAN
    assert rig.get(reply.json["msgId"]).body == reply.body


def test_send_at_is_at_most_35_days_ahead(rig: Rig) -> None:
    # Times of now, so not of the tables above: those are made when the tests are collected.
    assert rig.send(sendAt=at(35 * 86400 - 60)).status == 202
    beyond = rig.send(sendAt=at(35 * 86400 + 60))
    assert (beyond.status, beyond.code) == (400, "validation_failed")
    assert [(error["field"], error["code"]) for error in beyond.json["errors"]] == [("sendAt", "out_of_range")]


@pytest.mark.parametrize(("fields", "field", "code"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_field_is_400_and_named(rig: Rig, fields: dict[str, Any], field: str, code: str) -> None:
    reply = rig.send(**fields)
    assert (reply.status, reply.code) == (400, "validation_failed")
    assert reply.fields == {(field, code)}


@pytest.mark.parametrize(("fields", "field", "code"), SPECIFIC, ids=range(len(SPECIFIC)))
def test_one_fault_that_has_a_code_of_its_own_gives_it_to_the_problem(
    rig: Rig, fields: dict[str, Any], field: str, code: str
) -> None:
    reply = rig.send(**fields)
    assert (reply.status, reply.code) == (400, code)
    assert reply.fields == {(field, code)}


def test_all_faults_are_told_at_once(rig: Rig) -> None:
    reply = rig.send(
        channel="x", from_="!", to=["+1"], body="", callbackUrl="ftp://x", sendAt="x", validityPeriod=1, servicePlanID=1
    )
    assert reply.code == "validation_failed"
    assert reply.fields == {
        ("channel", "wrong_form"), ("from", "wrong_form"), ("to", "single_message_only"), ("body", "too_short"),
        ("callbackUrl", "callback_url_refused"), ("sendAt", "wrong_form"), ("validityPeriod", "out_of_range"),
        ("servicePlanID", "unknown_field"),
    }  # fmt: skip
    assert "servicePlanId" in next(f["message"] for f in reply.json["errors"] if f["field"] == "servicePlanID")


@pytest.mark.parametrize(
    ("body", "code"),
    [("[]", "single_message_only"), ('[{"to":"+15550002222"}]', "single_message_only"), ('"x"', "validation_failed"),
     ("1", "validation_failed"), ("null", "validation_failed"), ("", "malformed_json"), ("{", "malformed_json")],
)  # fmt: skip
def test_what_is_no_object(rig: Rig, body: str, code: str) -> None:
    reply = rig.ask("POST", "/v1/sendsms", body)
    assert (reply.status, reply.code) == (400, code)


@pytest.mark.parametrize(
    ("media_type", "status"),
    [("application/json", 400), ("Application/JSON ; Charset=UTF-8", 400), ('application/json;charset="utf-8"', 400),
     ("text/json", 415), ("application/json; charset=latin-1", 415), ("application/problem+json", 415), ("", 415),
     ("multipart/form-data; boundary=x", 415), ("application/x-www-form-urlencoded", 415)],
)  # fmt: skip
def test_the_media_type(rig: Rig, media_type: str, status: int) -> None:
    reply = rig.ask("POST", "/v1/sendsms", "{}", headers={"Content-Type": media_type})
    assert reply.status == status
    assert reply.code == {400: "validation_failed", 415: "unsupported_media_type"}[status]


def test_a_compressed_body_is_415(rig: Rig) -> None:
    reply = rig.ask("POST", "/v1/sendsms", b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    assert reply.status == 415


def test_64_kib_and_no_more(rig: Rig) -> None:
    for size, status in ((65_536, 202), (65_537, 413), (200_000, 413)):
        text = json.dumps({"servicePlanId": PLAN, "channel": "SMS", "from": SENDER, "to": RECIPIENT, "body": "x"})
        reply = rig.ask("POST", "/v1/sendsms", text + " " * (size - len(text)))
        assert reply.status == status
        assert status == 202 or reply.code == "payload_too_large"


@pytest.mark.parametrize("query", ["x=1", "servicePlanId=" + PLAN, "dryrun=true"])
def test_an_unknown_query_parameter_is_400_and_named(rig: Rig, query: str) -> None:
    reply = rig.send(path=f"/v1/sendsms?{query}")
    assert (reply.status, reply.code) == (400, "unknown_field")
    assert reply.fields == {(query.partition("=")[0], "unknown_field")}


@pytest.mark.parametrize("prefix", ["/v1", "/mock/v1"])
def test_an_unknown_query_parameter_is_told_with_the_faults_of_the_body(rig: Rig, prefix: str) -> None:
    reply = rig.send(path=f"{prefix}/sendsms?x=1", to="x")
    assert reply.fields == {("x", "unknown_field"), ("to", "wrong_form")}
    reply = rig.ask("POST", f"{prefix}/sendsms?x=1", "{")
    assert (reply.status, reply.code) == (400, "malformed_json")


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"servicePlanId": ROUTELESS}, 400, "plan_incomplete_route"),
        ({"from_": "+15550009999"}, 403, "sender_not_authorized"),
        ({"from_": "DENIED"}, 403, "sender_not_authorized"),
        ({"from_": "TRUNKLINE"}, 403, "sender_not_authorized"),
        ({"from_": "PENDING"}, 409, "sender_pending_approval"),
        ({"from_": "ODD"}, 422, "sender_status_unrecognized"),
        ({"servicePlanId": DUTCH, "to": "+4915123456789"}, 403, "destination_not_allowed"),
        ({"servicePlanId": DUTCH, "to": "+8835100000000"}, 403, "destination_not_allowed"),  # of no country
        ({"servicePlanId": DUTCH, "to": "+31612345678"}, 202, None),
    ],
)
def test_what_the_plan_may_not(rig: Rig, fields: dict[str, Any], status: int, code: str | None) -> None:
    reply = rig.send(**fields)
    assert reply.status == status
    assert code is None or reply.code == code


def test_the_first_reason_in_the_contract_s_order_is_the_answer(rig: Rig) -> None:
    """Each request has every fault that comes after its own."""
    bad_route = {"servicePlanId": ROUTELESS, "from_": "ODD"}
    raw: dict[str, Any] = {"path": "/v1/sendsms?x=1", "method": "POST", "headers": {"Content-Type": "x"}}
    long = {"callbackUrl": "https://a.example/" + "x" * 17_000}
    steps: list[tuple[Reply, int, str]] = [
        (rig.ask(**raw, body=b"\xff", token="none"), 401, "unauthenticated"),
        (rig.ask(**raw, body=b"\xff", token="office"), 403, "network_not_allowed"),
        (rig.ask(**raw, body=b"\xff", token="read"), 403, "scope_missing"),
        (rig.ask(**raw, body=b"\xff" * 70_000), 415, "unsupported_media_type"),
        (rig.ask("POST", "/v1/sendsms?x=1", b"\xff" * 70_000), 413, "payload_too_large"),
        (rig.send(servicePlanId=MISSING, to="x"), 400, "validation_failed"),
        (rig.send(servicePlanId=MISSING, from_="ODD", token="other_only"), 404, "plan_not_provisioned"),
        (rig.send(servicePlanId=INACTIVE, from_="ODD", token="other_only"), 401, "plan_inactive"),
        (rig.send(**bad_route, token="other_only"), 403, "plan_not_allowed"),
        (rig.send(**bad_route), 400, "plan_incomplete_route"),
        (rig.send(servicePlanId=DUTCH, from_="ODD"), 422, "sender_status_unrecognized"),
        (rig.send(servicePlanId=DUTCH, **long), 403, "destination_not_allowed"),
        (rig.send(servicePlanId=OTHER, **long), 413, "record_too_large"),
    ]  # fmt: skip
    assert [(reply.status, reply.code) for reply, _, _ in steps] == [(status, code) for _, status, code in steps]


def test_nothing_is_stored_of_a_refused_request(rig: Rig) -> None:
    before = rig.sql("SELECT count(*) FROM msg")[0][0]
    for reply in (rig.send(to="x"), rig.send(from_="ODD"), rig.send(servicePlanId=ROUTELESS), rig.send(token="read")):
        assert reply.status >= 400
    assert rig.sql("SELECT count(*) FROM msg")[0][0] == before


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(Accepted.UNAVAILABLE, "unavailable"), (Accepted.OUTCOME_UNKNOWN, "outcome_unknown"), (OSError(), "unavailable"),
     (ValueError("secret text"), "unavailable"), (asyncio.CancelledError(), "unavailable")],
)  # fmt: skip
def test_when_the_commit_is_not_possible_or_its_outcome_unknown(rig: Rig, outcome: Any, code: str) -> None:
    async def accept(submission: Any) -> Any:
        seen.append(submission)
        if isinstance(outcome, Accepted):
            return outcome
        raise outcome

    seen: list[Any] = []
    rig.accept = accept
    try:
        reply = rig.send()
    finally:
        rig.accept = None
    assert (reply.status, reply.code) == (503, code)
    assert "secret text" not in reply.body.decode()
    if code == "outcome_unknown":
        assert reply.json["msgId"] == str(seen[0].msg_id)
    else:
        assert reply.headers["retry-after"]
        assert "msgId" not in reply.json


def test_send_at_and_validity_reach_the_queue(rig: Rig) -> None:
    later = rig.send(sendAt=at(3600), validityPeriod=120).json
    now = rig.send(sendAt=at(-3600), validityPeriod=120).json
    assert later["status"] == now["status"] == "QUEUED"
    (row,) = rig.sql("SELECT due_at, expires_at FROM mt_later WHERE msg_id = $1", uuid.UUID(later["msgId"]))
    assert (row["expires_at"] - row["due_at"]).total_seconds() == 120
    assert 3590 < row["due_at"].timestamp() - wall_ms() / 1000 <= 3600
    assert rig.sql("SELECT 1 FROM mt_queue WHERE msg_id = $1", uuid.UUID(now["msgId"]))


@pytest.mark.parametrize(
    ("body", "segments"),
    [("x" * 160, 1), ("x" * 161, 2), ("€" * 80, 1), ("€" * 81, 2), ("й" * 70, 1), ("й" * 71, 2), ("😀" * 35, 1)],
)
def test_segments(rig: Rig, body: str, segments: int) -> None:
    assert rig.send(body=body).json["segments"] == segments


@pytest.mark.parametrize(
    ("to", "country"),
    [("+17875551234", "PR"), ("+15550002222", "US"), ("+8835100000000", None), ("+31612345678", "NL")],
)
def test_country(rig: Rig, to: str, country: str | None) -> None:
    assert rig.send(to=to).json["country"] == country
