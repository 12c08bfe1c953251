"""The paths: every operation under each of its names, and what is answered elsewhere."""

from __future__ import annotations

import json

import pytest
from api_rig import PLAN, RECIPIENT, Rig

VENDOR_EXAMPLE = """{
    "servicePlanId": "222222222222222222222222",
    "channel": "SMS",
    "from": "+15550001111",
    "to": "+15550002222",
    "body": "Your verification code is 123456",
    "callbackUrl": "https://client.example.com/sms/status"
}"""


@pytest.mark.parametrize("path", ["/v1/sendsms", "/sendsms", "/v1/messages/sms", "/messages/sms"])
def test_send_under_each_of_its_paths(rig: Rig, path: str) -> None:
    reply = rig.ask("POST", path, VENDOR_EXAMPLE)
    assert reply.status == 202
    # Whatever the path, Location is the one status resource, and can be followed as it is.
    location = reply.headers["location"]
    assert location == f"/v1/messages/sms/{reply.json['msgId']}?servicePlanId={PLAN}"
    assert rig.ask("GET", location).body == reply.body


def test_the_placeholder_token_of_the_examples_where_it_is_allowed(rig: Rig) -> None:
    assert rig.ask("POST", "/messages/sms", VENDOR_EXAMPLE, token="<token>").status == 202
    assert rig.ask("POST", "/messages/sms", VENDOR_EXAMPLE, token="<tokens>").status == 401


@pytest.mark.parametrize("path", ["/v1/messages/sms", "/messages/sms", "/v1/sms/messages"])
def test_list_under_each_of_its_paths(rig: Rig, path: str) -> None:
    msg_id = rig.send().json["msgId"]
    reply = rig.ask("GET", f"{path}?servicePlanId={PLAN}&to=%2B{RECIPIENT[1:]}")
    assert reply.status == 200
    assert reply.json["data"][0]["msgId"] == msg_id


@pytest.mark.parametrize("path", ["/v1/messages/sms", "/messages/sms", "/v1/sms/status"])
def test_get_under_each_of_its_paths(rig: Rig, path: str) -> None:
    sent = rig.send()
    assert rig.ask("GET", f"{path}/{sent.json['msgId']}?servicePlanId={PLAN}").body == sent.body


@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v2/sendsms", "/v1/sendsms/", "/v1/sendsms/x", "/V1/sendsms", "/v1//sendsms", "/v1/messages/sms/a/b",
     "/v1/messages%2Fsms", "//v1/sendsms", "/v1/sms/status", "/metrics"],
)  # fmt: skip
def test_nothing_elsewhere(rig: Rig, path: str) -> None:
    for method in ("GET", "POST"):
        reply = rig.ask(method, path, token=None)
        assert (reply.status, reply.code) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/sendsms", "POST, OPTIONS"),
        ("HEAD", "/v1/sendsms", "POST, OPTIONS"),
        ("DELETE", "/v1/messages/sms", "GET, POST, HEAD, OPTIONS"),
        ("PUT", "/v1/messages/sms/x", "GET, HEAD, OPTIONS"),
        ("POST", "/v1/sms/status/x", "GET, HEAD, OPTIONS"),
    ],
)
def test_other_methods_are_405_with_allow(rig: Rig, method: str, path: str, allow: str) -> None:
    reply = rig.ask(method, path)
    assert reply.status == 405
    assert reply.headers["allow"] == allow


def test_options_tells_the_methods(rig: Rig) -> None:
    reply = rig.ask("OPTIONS", "/v1/messages/sms", token=None)
    assert (reply.status, reply.body, reply.headers["allow"]) == (200, b"", "GET, POST, HEAD, OPTIONS")


def test_head_is_get_without_the_body(rig: Rig) -> None:
    location = rig.send().headers["location"]
    full, head = rig.ask("GET", location), rig.ask("HEAD", location)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(full.body))
    assert rig.ask("HEAD", location, token=None).status == 401


def test_health_and_readiness(rig: Rig) -> None:
    assert rig.ask("GET", "/healthz", token=None).json == {"status": "ok"}
    assert rig.ask("GET", "/readyz", token=None).json == {"status": "ok"}
    rig.trouble = "no database"
    try:
        reply = rig.ask("GET", "/readyz", token=None)
        assert (reply.status, reply.json) == (503, {"status": "unavailable", "detail": "no database"})
        assert rig.ask("GET", "/healthz", token=None).status == 200
    finally:
        rig.trouble = None


def test_each_answer_has_a_request_id_of_its_own(rig: Rig) -> None:
    seen = {rig.ask("GET", path, token=None).headers["x-request-id"] for path in ("/healthz", "/", "/v1/sendsms")}
    assert len(seen) == 3
    assert json.dumps(sorted(seen))
