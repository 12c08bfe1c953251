"""POST /v1/sendsms?dryRun=true (§3): what a message would come to, and the very problem of a real send."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from api_rig import DUTCH, INACTIVE, MISSING, OTHER, PLAN, RECIPIENT, ROUTELESS, SENDER, Reply, Rig

from trunkline.domain.message import Accepted
from trunkline.domain.routes import Routes

WHOLE: dict[str, Any] = {"servicePlanId": PLAN, "channel": "SMS", "from": SENDER, "to": RECIPIENT, "body": "Hello"}
DRY = "/v1/sendsms?dryRun=true"
FIELDS = [
    *("segments", "encoding", "outsideGsm7", "transliterated", "country", "mccmnc", "price", "ptf", "currency"),
    "problem",
]


@pytest.fixture(autouse=True)
def _nothing_is_stored(rig: Rig) -> Iterator[None]:
    yield
    assert rig.sql("SELECT body FROM msg WHERE body <> 'for real'") == []


def problem(reply: Reply) -> Any:
    """The problem that a dry run tells."""
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert list(reply.json) == FIELDS
    return reply.json["problem"]


def test_a_message_that_would_be_accepted(rig: Rig) -> None:
    reply = rig.send(path=DRY)
    assert reply.status == 200
    assert "location" not in reply.headers
    assert reply.json == {
        "segments": 1, "encoding": "GSM-7", "outsideGsm7": [], "transliterated": None, "country": "US",
        "mccmnc": None, "price": None, "ptf": None, "currency": None, "problem": None,
    }  # fmt: skip


@pytest.mark.parametrize("path", ["/v1/sendsms", "/sendsms", "/v1/messages/sms", "/messages/sms"])
def test_under_each_path_of_send(rig: Rig, path: str) -> None:
    assert problem(rig.send(path=f"{path}?dryRun=true")) is None


@pytest.mark.parametrize(
    ("body", "segments", "encoding", "outside"),
    [
        ("x" * 161, 2, "GSM-7", []),
        ("€" * 81, 2, "GSM-7", []),
        ("naïve “quote” ï 😀", 1, "UCS-2", ["ï", "“", "”", "😀"]),
        ("й" * 71, 2, "UCS-2", ["й"]),
    ],
    ids=["septets", "extension", "mixed", "cyrillic"],
)
def test_size_and_alphabet(rig: Rig, body: str, segments: int, encoding: str, outside: list[str]) -> None:
    told = rig.send(path=DRY, body=body).json
    assert (told["segments"], told["encoding"], told["outsideGsm7"]) == (segments, encoding, outside)


REFUSED: list[dict[str, Any]] = [
    {"to": "x", "from_": "!", "x": 1},
    {"channel": ...},
    {"to": [RECIPIENT]},
    {"body": ""},
    {"body": "x" * 1601},
    {"callbackUrl": "https://127.0.0.1/"},
    {"servicePlanId": MISSING},
    {"servicePlanId": ROUTELESS},
    {"from_": "+15550009999"},
    {"from_": "PENDING"},
    {"from_": "ODD"},
    {"servicePlanId": DUTCH},
    {"callbackUrl": "https://a.example/" + "x" * 17_000},
]


@pytest.mark.parametrize("fields", REFUSED, ids=range(len(REFUSED)))
def test_the_exact_problem_of_a_real_send(rig: Rig, fields: dict[str, Any]) -> None:
    dry, real = rig.send(path=DRY, **fields), rig.send(**fields)
    assert real.status >= 400
    assert problem(dry) == real.json | {"instance": dry.headers["x-request-id"]}


def test_a_plan_that_the_token_may_not_use(rig: Rig) -> None:
    told = problem(rig.send(path=DRY, token="other_only"))
    assert (told["status"], told["code"]) == (403, "plan_not_allowed")


@pytest.mark.parametrize("body", ["[]", "1", '"x"', "null"])
def test_what_is_no_object(rig: Rig, body: str) -> None:
    reply = rig.ask("POST", DRY, body)
    assert problem(reply)["status"] == 400
    assert {reply.json[name] for name in FIELDS[:-1]} == {None}


def test_what_can_be_known_of_a_request_with_faults(rig: Rig) -> None:
    told = rig.send(path=DRY, from_="!", to=..., body="й").json
    assert (told["segments"], told["encoding"], told["outsideGsm7"], told["country"]) == (1, "UCS-2", ["й"], None)
    told = rig.send(path=DRY, body=7, to="+31612345678").json
    assert (told["segments"], told["encoding"], told["outsideGsm7"], told["country"]) == (None, None, None, "NL")


def test_what_a_dry_run_itself_is_refused_for(rig: Rig) -> None:
    body = json.dumps(WHOLE)
    replies = {
        (401, "unauthenticated"): rig.ask("POST", DRY, body, token="none"),
        (401, "plan_inactive"): rig.send(path=DRY, servicePlanId=INACTIVE),
        (403, "network_not_allowed"): rig.ask("POST", DRY, body, token="office"),
        (403, "scope_missing"): rig.ask("POST", DRY, body, token="read"),
        (415, "unsupported_media_type"): rig.ask("POST", DRY, body, headers={"Content-Type": "text/plain"}),
        (413, "payload_too_large"): rig.ask("POST", DRY, body + " " * 66_000),
        (400, "malformed_json"): rig.ask("POST", DRY, "{"),
    }
    assert [(reply.status, reply.code) for reply in replies.values()] == list(replies)


def test_without_fresh_provisioning_it_is_503(rig: Rig) -> None:
    picture, rig.picture = rig.picture, None
    try:
        reply = rig.send(path=DRY)
    finally:
        rig.picture = picture
    assert (reply.status, reply.code) == (503, "unavailable")


@pytest.mark.parametrize(
    ("query", "faults"),
    [
        ("dryRun=1", {("dryRun", "wrong_form")}),
        ("dryRun=True", {("dryRun", "wrong_form")}),
        ("dryRun=", {("dryRun", "wrong_form")}),
        ("dryRun", {("dryRun", "wrong_form")}),
        ("dryRun=true&dryRun=true", {("dryRun", "wrong_form")}),
        ("dryRun=true&x=1", {("x", "unknown_field")}),
        ("dryrun=true", {("dryrun", "unknown_field")}),
        ("dryRun=no&x=1", {("dryRun", "wrong_form"), ("x", "unknown_field")}),
    ],
)
def test_any_other_query_is_400(rig: Rig, query: str, faults: set[tuple[str, str]]) -> None:
    reply = rig.send(path=f"/v1/sendsms?{query}")
    assert reply.status == 400
    assert reply.fields == faults


def test_dry_run_false_is_a_real_send(rig: Rig) -> None:
    reply = rig.send(path="/v1/sendsms?dryRun=false", body="for real")
    assert reply.status == 202
    assert rig.get(reply.json["msgId"]).body == reply.body


def dry(rig: Rig, key: str, **fields: Any) -> Reply:
    return rig.ask("POST", DRY, json.dumps(WHOLE | {"body": "for real"} | fields), headers={"Idempotency-Key": key})


def real(rig: Rig, key: str, **fields: Any) -> Reply:
    body = json.dumps(WHOLE | {"body": "for real"} | fields)
    return rig.ask("POST", "/v1/sendsms", body, headers={"Idempotency-Key": key})


def test_a_key_is_not_used_up(rig: Rig) -> None:
    key = uuid.uuid4().hex
    assert problem(dry(rig, key)) is None
    assert problem(dry(rig, key, body="other")) is None
    assert real(rig, key).status == 202


def test_a_key_that_was_used(rig: Rig) -> None:
    key = uuid.uuid4().hex
    assert real(rig, key).status == 202
    told = problem(dry(rig, key, body="other"))
    assert (told["status"], told["code"]) == (422, "idempotency_key_reused")
    assert problem(dry(rig, key)) is None
    assert rig.picture is not None
    picture = rig.picture
    rig.picture = replace(picture, routes=Routes())
    try:  # it would get its first answer again
        assert problem(dry(rig, key)) is None
        assert problem(dry(rig, uuid.uuid4().hex))["code"] == "plan_incomplete_route"
    finally:
        rig.picture = picture


def test_a_wrong_key_is_told_with_the_other_faults(rig: Rig) -> None:
    told = problem(dry(rig, "a b", to="x"))
    assert [fault["field"] for fault in told["errors"]] == ["Idempotency-Key", "to"]


def test_with_a_key_too_a_plan_of_others_stays_others(rig: Rig) -> None:
    key = uuid.uuid4().hex
    assert real(rig, key, servicePlanId=OTHER).status == 202
    reply = rig.ask(
        "POST", DRY, json.dumps(WHOLE | {"servicePlanId": OTHER}), token="theirs", headers={"Idempotency-Key": key}
    )
    assert problem(reply)["code"] == "plan_not_provisioned"


def test_nothing_is_handed_over(rig: Rig) -> None:
    def accept(_: Any) -> Accepted:
        raise AssertionError("a dry run is not stored")

    rig.accept = accept
    try:
        assert problem(rig.send(path=DRY)) is None
        assert problem(dry(rig, "never")) is None
    finally:
        rig.accept = None
