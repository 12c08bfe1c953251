"""The description against the running API, both ways: what is documented happens; `Rig.ask` checks the other way."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import asyncpg
import jsonschema_rs
import pytest
import yaml
from api_rig import DUTCH, INACTIVE, MISSING, PLAN, ROUTELESS, Reply, Rig
from described import DOCUMENT, OPERATIONS, conforms, operation_of, undocumented, validator
from openapi_spec_validator import validate

from trunkline.api import app
from trunkline.api.exchange import Limits
from trunkline.api.openapi.document import catalogue
from trunkline.api.openapi.operations import CANCEL, GET, LIST, SEND
from trunkline.domain.errors import DELIVERY_CODES, PROBLEMS
from trunkline.domain.message import Accepted
from trunkline.domain.terms import PlanTerms

LIMITS = Limits(body_s=0.3, sweep_s=0.05)

SEND_BODY = json.dumps({"servicePlanId": PLAN, "channel": "SMS", "from": "+15550001111", "to": "+15550002222",
                        "body": "Hello"})  # fmt: skip
SOME_ID = "019ee2da-e515-7322-805f-1ac6ce82f20f"
# A right request of each operation, and the scope that it needs not.
RIGHT: dict[str, tuple[str, str, str | None, str]] = {
    "sendSms": ("POST", "/v1/sendsms", SEND_BODY, "read"),
    "listMessages": ("GET", f"/v1/messages/sms?servicePlanId={PLAN}&status=SENT", None, "send"),
    "getMessage": ("GET", f"/v1/messages/sms/{SOME_ID}?servicePlanId={PLAN}", None, "send"),
    "cancelMessage": ("POST", f"/v1/messages/sms/{SOME_ID}/cancel?servicePlanId={PLAN}", None, "read"),
}  # fmt: skip
DOCUMENTED = [
    (operation["operationId"], int(status), code)
    for operation in OPERATIONS.values()
    for status, answer in operation["responses"].items()
    for code in (next(iter(answer["content"].values()))["examples"] if int(status) >= 400 else ("",))
]

Provoke = Callable[[Rig], Reply]


def ask(rig: Rig, name: str, **how: Any) -> Reply:
    """The operation's right request, with one thing changed."""
    method, path, body, _ = RIGHT[name]
    changed = {"body": how.pop("body", body), "path": path + how.pop("more", "")}
    return rig.ask(method, changed["path"], changed["body"], **how)


# -- ways to each answer that any operation has -------------------------------------------------------------------


def limited(rig: Rig, name: str) -> Reply:
    for _ in range(10):
        rig.ask("GET", "/v1/messages/sms", token=None, address="203.0.113.7")
    return ask(rig, name, token=None, address="203.0.113.7")


def too_slow(rig: Rig, name: str) -> Reply:
    """A request whose body never comes."""
    method, path, _, _ = RIGHT[name]
    with socket.create_connection(("127.0.0.1", rig.port), timeout=10) as client:
        head = f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{{"
        client.sendall(head.encode())
        response = http.client.HTTPResponse(client)
        response.begin()
        reply = Reply(response.status, response.headers, response.read())
    assert undocumented(method, path, reply.status, reply.headers, reply.body) is None
    return reply


def without_provisioning(rig: Rig, name: str) -> Reply:
    picture, rig.picture = rig.picture, None
    try:
        return ask(rig, name)
    finally:
        rig.picture = picture


def unknown_parameter(rig: Rig, name: str) -> Reply:
    return ask(rig, name, more="?x=1" if name == "sendSms" else "&x=1")


def wrong(rig: Rig, name: str) -> Reply:
    if name == "sendSms":
        return rig.send(to="x")
    return ask(rig, name, more="&servicePlanId=x")


ANY: dict[str, Callable[[Rig, str], Reply]] = {
    "validation_failed": wrong,
    "unknown_field": unknown_parameter,
    "unauthenticated": lambda rig, name: ask(rig, name, token=None),
    "token_revoked": lambda rig, name: ask(rig, name, token="revoked"),
    "token_expired": lambda rig, name: ask(rig, name, token="expired"),
    "scope_missing": lambda rig, name: ask(rig, name, token=RIGHT[name][3]),
    "network_not_allowed": lambda rig, name: ask(rig, name, token="office"),
    "plan_not_allowed": lambda rig, name: ask(rig, name, token="other_only"),
    "rate_limited": limited,
    "request_timeout": too_slow,
    "payload_too_large": lambda rig, name: ask(rig, name, body="x" * 70_000),
    "uri_too_long": lambda rig, name: ask(rig, name, more="?" + "x" * 9_000),
    "headers_too_large": lambda rig, name: ask(rig, name, headers={"X-Large": "x" * 33_000}),
    "unavailable": without_provisioning,
    "message_not_found": ask,
}


# -- ways to the answers of one operation -------------------------------------------------------------------------


def accepted_as(outcome: Accepted) -> Provoke:
    def provoke(rig: Rig) -> Reply:
        async def accept(submission: object) -> Accepted:
            return outcome

        rig.accept = accept
        try:
            return ask(rig, "sendSms", headers={"Idempotency-Key": uuid.uuid4().hex})
        finally:
            rig.accept = None

    return provoke


def without_a_price(rig: Rig) -> Reply:
    picture = rig.picture
    plan = replace(picture.plans_by_public_id[PLAN], terms=PlanTerms(price_list_id=1))
    rig.picture = replace(picture, plans_by_public_id={**picture.plans_by_public_id, PLAN: plan})
    try:
        return rig.send()
    finally:
        rig.picture = picture


def key_reused(rig: Rig) -> Reply:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    assert ask(rig, "sendSms", headers=key).status == 202
    return ask(rig, "sendSms", body=SEND_BODY.replace("Hello", "Goodbye"), headers=key)


def too_large(rig: Rig) -> Reply:
    return rig.send(callbackUrl="https://client.example.com/" + "x" * 17_000)


def cancelled(rig: Rig, *, times: int = 1) -> Reply:
    msg_id = rig.send().json["msgId"]
    for _ in range(times):
        reply = rig.ask("POST", f"/v1/messages/sms/{msg_id}/cancel?servicePlanId={PLAN}")
    return reply


def cancel_cut_off(rig: Rig) -> Reply:
    """The connection is lost while the cancel waits for the message's row."""
    msg_id = rig.send().json["msgId"]
    replies: list[Reply] = []
    asking = threading.Thread(
        target=lambda: replies.append(rig.ask("POST", f"/v1/messages/sms/{msg_id}/cancel?servicePlanId={PLAN}"))
    )

    async def cut_off() -> None:
        holder, killer = await asyncpg.connect(rig.dsn), await asyncpg.connect(rig.dsn)
        try:
            async with holder.transaction():
                await holder.execute("SELECT FROM mt_queue WHERE msg_id = $1 FOR UPDATE", uuid.UUID(msg_id))
                asking.start()
                pid = await holder.fetchval("SELECT pg_backend_pid()")
                waiting = "SELECT pid FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))"
                while not (victims := await killer.fetch(waiting, pid)):
                    await killer.execute("SELECT pg_sleep(0.01)")
                for victim in victims:
                    await killer.execute("SELECT pg_terminate_backend($1)", victim["pid"])
        finally:
            await holder.close()
            await killer.close()

    asyncio.run(cut_off())
    asking.join(20)
    return replies[0]


def got(rig: Rig) -> Reply:
    return rig.get(rig.send().json["msgId"])


ONE: dict[tuple[str, int, str], Provoke] = {
    ("sendSms", 202, ""): lambda rig: ask(rig, "sendSms"),
    ("sendSms", 200, ""): lambda rig: ask(rig, "sendSms", more="?dryRun=true"),
    ("listMessages", 200, ""): lambda rig: ask(rig, "listMessages"),
    ("getMessage", 200, ""): got,
    ("cancelMessage", 200, ""): cancelled,
    ("sendSms", 400, "malformed_json"): lambda rig: ask(rig, "sendSms", body="{"),
    ("sendSms", 400, "single_message_only"): lambda rig: ask(rig, "sendSms", body="[]"),
    ("sendSms", 400, "callback_url_refused"): lambda rig: rig.send(callbackUrl="https://10.0.0.1/"),
    ("sendSms", 400, "plan_incomplete_route"): lambda rig: rig.send(servicePlanId=ROUTELESS),
    ("sendSms", 400, "plan_incomplete_price"): without_a_price,
    ("sendSms", 401, "plan_inactive"): lambda rig: rig.send(servicePlanId=INACTIVE),
    ("sendSms", 403, "sender_not_authorized"): lambda rig: rig.send(from_="DENIED"),
    ("sendSms", 403, "destination_not_allowed"): lambda rig: rig.send(servicePlanId=DUTCH),
    ("sendSms", 404, "plan_not_provisioned"): lambda rig: rig.send(servicePlanId=MISSING),
    ("sendSms", 409, "sender_pending_approval"): lambda rig: rig.send(from_="PENDING"),
    ("sendSms", 409, "idempotency_key_in_use"): accepted_as(Accepted.KEY_IN_USE),
    ("sendSms", 413, "record_too_large"): too_large,
    ("sendSms", 415, "unsupported_media_type"): lambda rig: ask(rig, "sendSms", headers={"Content-Type": "text/csv"}),
    ("sendSms", 422, "sender_status_unrecognized"): lambda rig: rig.send(from_="ODD"),
    ("sendSms", 422, "idempotency_key_reused"): key_reused,
    ("sendSms", 503, "outcome_unknown"): accepted_as(Accepted.OUTCOME_UNKNOWN),
    ("listMessages", 400, "filter_required"): lambda rig: rig.list(),
    ("listMessages", 400, "window_too_large"): lambda rig: rig.list(
        fromDate="2026-01-01T00:00:00Z", toDate="2026-03-01T00:00:00Z"
    ),
    ("listMessages", 400, "bad_cursor"): lambda rig: rig.list(cursor="x"),
    ("cancelMessage", 409, "not_cancellable"): lambda rig: cancelled(rig, times=2),
    ("cancelMessage", 503, "outcome_unknown"): cancel_cut_off,
}


@pytest.mark.parametrize(("name", "status", "code"), DOCUMENTED)
def test_what_is_documented_happens(rig: Rig, name: str, status: int, code: str) -> None:
    provoke = ONE.get((name, status, code))
    reply = ANY[code](rig, name) if provoke is None else provoke(rig)
    assert (reply.status, reply.code if status >= 400 else "") == (status, code)


def test_the_check_of_answers_sees_what_is_not_documented(rig: Rig) -> None:
    """`Rig.ask` is only as good as this."""
    reply = rig.send()
    target, headers = "/v1/sendsms", reply.headers
    assert undocumented("POST", target, 202, headers, reply.body) is None
    assert undocumented("POST", target, 201, headers, reply.body) == "status 201"
    body = reply.json
    for changed in ({**body, "status": "LOST"}, {**body, "price": "0.01"}, {**body, "createdAt": "yesterday"},
                    {name: value for name, value in body.items() if name != "mccmnc"}):  # fmt: skip
        assert str(undocumented("POST", target, 202, headers, json.dumps(changed).encode())).startswith("body: ")
    refused = rig.send(from_="x y")
    problem = {**refused.json, "code": "bad_cursor"}
    assert undocumented("POST", target, 400, refused.headers, json.dumps(problem).encode()) == "code bad_cursor"
    headers["x-new"] = "1"
    assert undocumented("POST", target, 202, headers, reply.body) == "headers {'x-new'}"
    del headers["x-new"], headers["location"]
    assert undocumented("POST", target, 202, headers, reply.body) == "202 without ['Location']"


# -- the document itself ------------------------------------------------------------------------------------------


def test_it_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    validate(DOCUMENT)


def test_json_and_yaml_say_the_same(rig: Rig) -> None:
    as_json, as_yaml = (rig.ask("GET", f"/openapi/sms.{form}", token=None) for form in ("json", "yaml"))
    assert as_json.headers["content-type"] == "application/json"
    assert as_yaml.headers["content-type"] == "application/yaml"
    assert as_json.json == yaml.safe_load(as_yaml.body) == DOCUMENT
    assert "description: |-" in as_yaml.body.decode()
    tag = {"If-None-Match": as_json.headers["etag"]}
    again = rig.ask("GET", "/openapi/sms.json", token=None, headers=tag)
    assert (again.status, again.body, again.headers["content-length"]) == (304, b"", None)


def bodies(node: Any) -> Iterator[tuple[dict[str, Any], Any]]:
    """Every schema with an example of it, wherever in the document."""
    if isinstance(node, dict):
        if "schema" in node:
            if "example" in node:
                yield node["schema"], node["example"]
            for example in node.get("examples", {}).values():
                yield node["schema"], example["value"]
        for held in node.values():
            yield from bodies(held)
    elif isinstance(node, list):
        for held in node:
            yield from bodies(held)


def test_examples_are_what_their_schemas_say() -> None:
    pairs = list(bodies(DOCUMENT))
    assert len(pairs) > 80
    for schema, example in pairs:
        conforms(schema, example)


def test_the_request_s_schema_says_what_the_reader_takes(rig: Rig) -> None:
    schema = validator({"$ref": "#/components/schemas/SendRequest"})
    right = json.loads(SEND_BODY)
    for field, value in (("servicePlanId", "2" * 23), ("from", "12"), ("from", "TwelveLetter"), ("from", "123456789"),
                         ("to", "15550002222"), ("to", "+123456"), ("body", ""), ("body", "x" * 1601), ("x", 1),
                         ("validityPeriod", 59), ("validityPeriod", 259_201), ("clientReference", "x" * 256),
                         ("channel", "sms"), ("to", ["+15550002222"])):  # fmt: skip
        assert not schema.is_valid({**right, field: value}), (field, value)
        assert rig.send(**{"from_" if field == "from" else field: value}).status == 400
    for field, value in (("servicePlanId", "aB" * 12), ("from", "123"), ("from", "Trunkline"), ("to", "+1234567"),
                         ("body", "😀" * 1600), ("validityPeriod", 60), ("clientReference", "")):  # fmt: skip
        assert schema.is_valid({**right, field: value}), (field, value)


def test_every_operation_of_the_api_is_described() -> None:
    """By the route table: a new path is described, or another name of one that is."""
    of_paths = {(method, path) for path, operations in app.PATHS.items() for method in operations}
    of_one = {(method, path + b"/x") for path, operations in app.PATHS_OF_ONE.items() for method in operations}
    cancels = {(m, path + b"/x/cancel") for path, operations in app.PATHS_OF_CANCEL.items() for m in operations}
    for method, path in of_paths | of_one | cancels:
        assert operation_of(method.decode(), path.decode()) is not None, (method, path)
    for described in (SEND, LIST, GET, CANCEL):
        place = described.path.encode()
        method = described.method.upper().encode()
        assert (method, place.replace(b"{msgId}", b"x")) in of_paths | of_one | cancels


def test_every_problem_belongs_somewhere() -> None:
    described = {code for _, _, code in DOCUMENTED if code}
    outside = {"not_found", "method_not_allowed"}  # of no operation
    assert described | outside == set(PROBLEMS)
    assert not described & outside
    text = DOCUMENT["info"]["description"]
    for code in (*PROBLEMS, *DELIVERY_CODES):
        assert f"\n- `{code}` " in text


def test_the_catalogue_as_data(rig: Rig) -> None:
    reply = rig.ask("GET", "/docs/api/error-codes.json", token=None)
    assert reply.json == json.loads(json.dumps(catalogue()))
    assert {entry["code"]: entry["status"] for entry in reply.json["problems"]} == {
        code: problem.status for code, problem in PROBLEMS.items()
    }
    codes = {entry["code"]: entry for entry in reply.json["deliveryCodes"]}
    assert codes.keys() == DELIVERY_CODES.keys()
    assert codes["000"]["statuses"] == ["QUEUED", "SENT", "DELIVERED"]
    assert codes["703"] == {
        "code": "703", "title": "No final receipt in time", "statuses": ["UNKNOWN"], "permanent": None,
        "advice": "unsafe", "charged": "accepted", "meaning": DELIVERY_CODES["703"].meaning,
    }  # fmt: skip


def test_webhooks_carry_what_is_sent() -> None:
    for name, schema in (("deliveryReceipt", "DeliveryReceipt"), ("inboundMessage", "InboundMessage")):
        hook = DOCUMENT["webhooks"][name]["post"]
        assert {p["name"] for p in hook["parameters"]} == {"webhook-id", "webhook-timestamp", "webhook-signature"}
        content = hook["requestBody"]["content"]["application/json"]
        assert content["schema"] == {"$ref": f"#/components/schemas/{schema}"}
    vendor_receipt = {
        "accountId": "1" * 24, "servicePlanId": PLAN, "msgId": SOME_ID, "channel": "SMS", "direction": "MT",
        "from": "+15550001111", "to": "+15550002222", "body": "Your verification code is 123456",
        "status": "DELIVERED", "errorCode": "000", "errorMessage": "No error",
    }  # fmt: skip
    example = DOCUMENT["webhooks"]["deliveryReceipt"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert vendor_receipt.items() <= example["delivered"]["value"].items()


def test_a_schema_refuses_what_it_should() -> None:
    with pytest.raises(jsonschema_rs.ValidationError):
        conforms({"$ref": "#/components/schemas/Problem"}, {"code": "x"})
