"""POST /v1/messages/sms/{msgId}/cancel (§1): FAILED 610 while still QUEUED and not yet claimed, else 409."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import Any

import pytest
from api_rig import FOREIGN, INACTIVE, MISSING, OTHER, PLAN, Reply, Rig

from trunkline.runtime.clock import wall_ms


def cancel(rig: Rig, msg_id: str, plan: str | None = PLAN, body: str | None = None, **more: Any) -> Reply:
    query = f"?servicePlanId={plan}" if plan else ""
    return rig.ask("POST", f"/v1/messages/sms/{msg_id}/cancel{query}", body, **more)


def waiting(rig: Rig, msg_id: str) -> int:
    found = rig.sql(
        "SELECT (SELECT count(*) FROM mt_queue WHERE msg_id = $1) + (SELECT count(*) FROM mt_later WHERE msg_id = $1)",
        uuid.UUID(msg_id),
    )
    return int(found[0][0])


def claim(rig: Rig, msg_id: str) -> None:
    """As a dispatcher does."""
    rig.sql(
        "WITH gone AS (DELETE FROM mt_queue WHERE msg_id = $1 RETURNING *)"
        " INSERT INTO inflight SELECT plan_id, msg_id, 1, 1, 1, 1, trunkline_now(), 0, false FROM gone",
        uuid.UUID(msg_id),
    )


def test_a_queued_message_is_cancelled(rig: Rig) -> None:
    sent = rig.send(clientReference="order 7", callbackUrl="https://client.example.com/dlr").json
    reply = cancel(rig, sent["msgId"])
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    record = reply.json
    final_at = record.pop("finalAt")
    assert dt.datetime.fromisoformat(final_at).timestamp() * 1000 <= wall_ms() + 5
    wanted = sent | {"status": "FAILED", "errorCode": "610", "errorMessage": "Cancelled by the customer"}
    del wanted["finalAt"]
    assert record == wanted
    assert rig.get(sent["msgId"]).body == reply.body
    assert waiting(rig, sent["msgId"]) == 0
    (event,) = rig.sql("SELECT n, url FROM hook_queue WHERE msg_id = $1", uuid.UUID(sent["msgId"]))
    assert tuple(event) == (2, "https://client.example.com/dlr")


@pytest.mark.parametrize("parts", [1, 3])
def test_a_message_that_is_due_later(rig: Rig, parts: int) -> None:
    at = dt.datetime.fromtimestamp(wall_ms() / 1000 + 3600, dt.UTC).isoformat()
    sent = rig.send(sendAt=at, body="x" * 150 * parts).json
    assert sent["segments"] == parts
    assert rig.get(sent["msgId"]).json["status"] == "QUEUED"
    assert waiting(rig, sent["msgId"]) == 1
    reply = cancel(rig, sent["msgId"])
    assert (reply.status, reply.json["errorCode"]) == (200, "610")
    assert waiting(rig, sent["msgId"]) == 0


@pytest.mark.parametrize("place", ["/v1/messages/sms", "/messages/sms"])
def test_under_each_of_its_paths(rig: Rig, place: str) -> None:
    msg_id = rig.send().json["msgId"]
    reply = rig.ask("POST", f"{place}/{msg_id.upper()}/cancel?servicePlanId={PLAN}")
    assert (reply.status, reply.json["msgId"]) == (200, msg_id)


def test_a_cancelled_message_cannot_be_cancelled_again(rig: Rig) -> None:
    msg_id = rig.send().json["msgId"]
    assert cancel(rig, msg_id).status == 200
    again = cancel(rig, msg_id)
    assert (again.status, again.code) == (409, "not_cancellable")
    assert rig.get(msg_id).json["errorCode"] == "610"


def test_a_claimed_message_is_not_cancellable(rig: Rig) -> None:
    sent = rig.send()
    claim(rig, sent.json["msgId"])
    reply = cancel(rig, sent.json["msgId"])
    assert (reply.status, reply.code) == (409, "not_cancellable")
    assert rig.get(sent.json["msgId"]).body == sent.body


@pytest.mark.parametrize("body", [None, "", "{}", " { }\n"])
def test_a_body_that_says_nothing(rig: Rig, body: str | None) -> None:
    assert cancel(rig, rig.send().json["msgId"], body=body).status == 200


@pytest.mark.parametrize("body", ['{"servicePlanId":"x"}', "[]", "null", "{", "{}{}"])
def test_any_other_body_is_400(rig: Rig, body: str) -> None:
    msg_id = rig.send().json["msgId"]
    reply = cancel(rig, msg_id, body=body)
    assert (reply.status, reply.code) == (400, "validation_failed")
    assert waiting(rig, msg_id) == 1


def test_all_faults_are_told_at_once(rig: Rig) -> None:
    reply = rig.ask("POST", "/v1/messages/sms/x/cancel?x=1", "[]")
    assert (reply.status, reply.code) == (400, "validation_failed")
    assert reply.fields == {
        ("msgId", "wrong_form"), ("servicePlanId", "required"), ("x", "unknown_field"), ("", "wrong_form"),
    }  # fmt: skip


def test_the_first_reason_in_the_order_of_the_gets_is_the_answer(rig: Rig) -> None:
    """Each request has every fault that comes after its own."""
    known = rig.send().json["msgId"]
    claim(rig, known)
    nowhere = str(uuid.uuid4())
    steps: list[tuple[Reply, int, str]] = [
        (cancel(rig, "x", FOREIGN, token="none"), 401, "unauthenticated"),
        (cancel(rig, "x", FOREIGN, token="office"), 403, "network_not_allowed"),
        (cancel(rig, "x", FOREIGN, token="read"), 403, "scope_missing"),
        (cancel(rig, "x", FOREIGN, "x" * 70_000), 413, "payload_too_large"),
        (cancel(rig, "x", FOREIGN), 400, "validation_failed"),
        (cancel(rig, known, None), 400, "validation_failed"),
        (cancel(rig, nowhere, FOREIGN), 403, "plan_not_allowed"),
        (cancel(rig, nowhere, MISSING), 403, "plan_not_allowed"),
        (cancel(rig, known, token="other_only"), 403, "plan_not_allowed"),
        (cancel(rig, nowhere), 404, "message_not_found"),
        (cancel(rig, known, OTHER), 404, "message_not_found"),
        (cancel(rig, known), 409, "not_cancellable"),
    ]
    assert [(reply.status, reply.code) for reply, _, _ in steps] == [(status, code) for _, status, code in steps]


def test_a_message_of_an_inactive_plan_can_be_cancelled(rig: Rig) -> None:
    msg_id = rig.send().json["msgId"]
    rig.sql(
        "UPDATE msg SET plan_id = p.plan_id FROM plan p WHERE p.public_id = $1 AND msg_id = $2",
        INACTIVE,
        uuid.UUID(msg_id),
    )
    rig.sql(
        "UPDATE mt_queue SET plan_id = p.plan_id FROM plan p WHERE p.public_id = $1 AND msg_id = $2",
        INACTIVE, uuid.UUID(msg_id),
    )  # fmt: skip
    assert cancel(rig, msg_id, INACTIVE).status == 200


def test_an_inbound_message_is_not_found(rig: Rig) -> None:
    msg_id = rig.send().json["msgId"]
    inbound = uuid.UUID(msg_id[:-1] + ("0" if msg_id[-1] != "0" else "1"))
    rig.sql(
        "INSERT INTO mo (plan_id, msg_id, account_id, carrier_id, link_id, digest, received_at)"
        " VALUES (1, $1, 1, 1, 1, '', trunkline_now())", inbound,
    )  # fmt: skip
    assert cancel(rig, str(inbound)).code == "message_not_found"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/messages/sms/{}/cancel", 405), ("PUT", "/v1/messages/sms/{}/cancel", 405),
     ("POST", "/v1/sms/status/{}/cancel", 404), ("POST", "/v1/messages/sms/{}/cancel/", 404),
     ("POST", "/v1/messages/sms/{}/Cancel", 404), ("POST", "/v1/messages/sms/{}/x/cancel", 404)],
)  # fmt: skip
def test_other_methods_and_places(rig: Rig, method: str, path: str, status: int) -> None:
    sent = rig.send()
    reply = rig.ask(method, path.format(sent.json["msgId"]) + f"?servicePlanId={PLAN}")
    assert reply.status == status
    assert status != 405 or reply.headers["allow"] == "POST, OPTIONS"
    assert rig.get(sent.json["msgId"]).body == sent.body


def test_a_token_that_may_only_send_is_enough(rig: Rig) -> None:
    msg_id = rig.send(token="send").json["msgId"]
    assert cancel(rig, msg_id, token="send").status == 200


def test_the_key_of_a_cancelled_message_stays_used(rig: Rig) -> None:
    whole = {"servicePlanId": PLAN, "channel": "SMS", "from": "12345", "to": "+15550002222", "body": "x"}
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first = rig.ask("POST", "/v1/sendsms", json.dumps(whole), headers=key)
    assert cancel(rig, first.json["msgId"]).status == 200
    assert rig.ask("POST", "/v1/sendsms", json.dumps(whole), headers=key).body == first.body
