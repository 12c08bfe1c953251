"""The mock: validates as the API does, answers what is documented, needs no database and changes nothing."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from api_rig import MISSING, PLAN, Reply, Rig
from described import DOCUMENT, OPERATIONS

from trunkline.api.context import Context
from trunkline.api.openapi import examples
from trunkline.api.openapi.operations import OPERATIONS as DESCRIBED

ONE = f"/mock/v1/messages/sms/{examples.MSG_ID}?servicePlanId={PLAN}"


def send(rig: Rig, path: str = "/mock/v1/sendsms", **fields: Any) -> Reply:
    return rig.send(token="placeholder", path=path, **fields)


def ask(rig: Rig, method: str, path: str, body: str | None = None, **headers: str) -> Reply:
    return rig.ask(
        method, path, body, token="placeholder", headers={n.replace("_", "-"): v for n, v in headers.items()}
    )


@pytest.fixture
def nothing_else(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """No provisioning and no database: less than an API process has while the database is down."""
    names = {field.name for field in dataclasses.fields(Context)} - {"now_ms", "callback_policy"}
    monkeypatch.setattr(rig.api, "_context", dataclasses.replace(rig.api._context, **dict.fromkeys(names)))


@pytest.mark.usefixtures("nothing_else")
def test_answers_are_the_documented_examples(rig: Rig) -> None:
    sent = send(rig)
    assert (sent.status, sent.json) == (202, examples.QUEUED)
    assert ask(rig, "GET", sent.headers["location"]).json == examples.DELIVERED
    assert ask(rig, "POST", ONE.replace("?", "/cancel?")).json == examples.CANCELLED
    listed = f"/mock/v1/messages/sms?servicePlanId={PLAN}"
    first = ask(rig, "GET", f"{listed}&status=DELIVERED")
    assert first.json == examples.PAGE
    # Whoever follows the cursor comes to an end.
    assert ask(rig, "GET", f"{listed}&cursor={first.json['pagination']['nextCursor']}").json == examples.LAST_PAGE
    assert ask(rig, "GET", f"{listed}&direction=MO&to=12345").json == examples.INBOUND_PAGE
    assert send(rig, "/mock/v1/sendsms?dryRun=true").json == examples.DRY_RUN
    for operation in OPERATIONS.values():
        for status, answer in operation["responses"].items():
            if int(status) < 400:
                assert next(iter(answer["content"].values()))["examples"]


@pytest.mark.usefixtures("nothing_else")
@pytest.mark.parametrize("path", ["/mock/v1/sendsms", "/mock/sendsms", "/mock/v1/messages/sms", "/mock/messages/sms"])
def test_every_path_has_its_mock(rig: Rig, path: str) -> None:
    assert send(rig, path).status == 202


@pytest.mark.parametrize("header", [None, "Basic eDp5", "Bearer", "placeholder"])
def test_a_missing_or_malformed_authorization_is_401(rig: Rig, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    for method, path in (("GET", ONE), ("POST", "/mock/v1/sendsms")):
        reply = rig.ask(method, path, "{}", token=None, headers=headers)
        assert (reply.status, reply.code, reply.headers["www-authenticate"]) == (401, "unauthenticated", "Bearer")


def test_any_token_any_plan_any_sender(rig: Rig) -> None:
    assert rig.send(token="x", path="/mock/v1/sendsms", servicePlanId=MISSING, from_="Anybody").status == 202
    for _ in range(30):  # nor is it counted as a failed check of a token
        assert rig.ask("GET", ONE, token="y", address="203.0.113.99").status == 200


REQUESTS: list[tuple[str, str, str | None]] = [
    ("POST", "/v1/sendsms", "{"),
    ("POST", "/v1/sendsms", "[]"),
    ("POST", "/v1/sendsms", '{"to":"x","channel":"sms"}'),
    ("POST", "/v1/sendsms", json.dumps({**examples.SEND, "callbackUrl": "https://10.0.0.1/"})),
    ("POST", "/v1/sendsms", json.dumps({**examples.SEND, "callbackURL": "https://client.example.com/"})),
    ("POST", "/v1/sendsms", json.dumps({**examples.SEND, "sendAt": "2999-01-01T00:00:00Z"})),
    ("POST", "/v1/sendsms", " " * 70_000),
    ("POST", "/v1/sendsms?x=1", json.dumps(examples.SEND)),
    ("POST", "/v1/sendsms?dryRun=1", json.dumps(examples.SEND)),
    ("POST", "/v1/sendsms?dryRun=true", json.dumps({**examples.SEND, "to": "x"})),
    ("GET", "/v1/messages/sms", None),
    ("GET", f"/v1/messages/sms?servicePlanId={PLAN}", None),
    ("GET", f"/v1/messages/sms?servicePlanId={PLAN}&limit=0&status=x", None),
    (
        "GET",
        f"/v1/messages/sms?servicePlanId={PLAN}&fromDate=2026-01-01T00:00:00Z&toDate=2026-03-01T00:00:00Z",
        None,
    ),
    ("GET", f"/v1/messages/sms/x?servicePlanId={PLAN}", None),
    ("GET", f"/v1/messages/sms/{examples.MSG_ID}", None),
    ("GET", f"/v1/messages/sms/{examples.MSG_ID}?servicePlanId={PLAN}", "x" * 70_000),
    ("POST", f"/v1/messages/sms/{examples.MSG_ID}/cancel", None),
    ("POST", f"/v1/messages/sms/{examples.MSG_ID}/cancel?servicePlanId={PLAN}", '{"why": 1}'),
    ("DELETE", "/v1/messages/sms", None),
    ("GET", "/v1/nothing", None),
]


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS, ids=range(len(REQUESTS)))
def test_what_the_api_refuses_the_mock_refuses_alike(rig: Rig, method: str, path: str, body: str | None) -> None:
    real, mocked = rig.ask(method, path, body), rig.ask(method, f"/mock{path}", body, token="x")
    assert mocked.status == real.status

    def told(reply: Reply) -> Any:
        document = reply.json
        for one in (document, document.get("problem") or {}):
            one.pop("instance", None)
        return document

    assert told(mocked) == told(real)


def test_a_body_of_another_kind_and_a_wrong_key(rig: Rig) -> None:
    body = json.dumps(examples.SEND)
    assert ask(rig, "POST", "/mock/v1/sendsms", body, Content_Type="text/plain").code == "unsupported_media_type"
    assert ask(rig, "POST", "/mock/v1/sendsms", body, Idempotency_Key="a b").fields == {
        ("Idempotency-Key", "wrong_form")
    }
    assert ask(rig, "POST", "/mock/v1/sendsms", body, Idempotency_Key="a").status == 202


PROBLEMS = [(one, code) for one in DESCRIBED for code in one.problems]


@pytest.mark.usefixtures("nothing_else")
@pytest.mark.parametrize(("described", "code"), PROBLEMS, ids=[f"{one.operation_id}-{code}" for one, code in PROBLEMS])
def test_every_documented_problem_can_be_asked_for(rig: Rig, described: Any, code: str) -> None:
    path = "/mock" + described.path.replace("{msgId}", examples.MSG_ID)
    operation = DOCUMENT["paths"][described.path][described.method]
    status = described.problems[code].status
    documented = operation["responses"][str(status)]["content"]["application/problem+json"]["examples"]
    reply = ask(rig, described.method.upper(), path, Prefer=f"code={code}")
    assert (reply.status, reply.code) == (status, code)
    assert {**reply.json, "instance": ""} == {**documented[code]["value"], "instance": ""}
    assert reply.headers["preference-applied"] == f"code={code}"
    # By status: the first of its problems.
    first = ask(rig, described.method.upper(), path, Prefer=f"code={status}")
    assert (first.status, first.code) == (status, next(iter(documented)))


def test_prefer_as_rfc_7240_spells_it(rig: Rig) -> None:
    for spelled in ("code=409", 'code="409"', "Code=409", "respond-async, code=409; x=y, wait=1", " code = 409"):
        assert ask(rig, "POST", "/mock/v1/sendsms", "{}", Prefer=spelled).status == 409
    assert ask(rig, "POST", "/mock/v1/sendsms", "{}", Prefer="code=202").status == 202
    for ignored in ("respond-async", "xcode=409", "code", ""):
        assert ask(rig, "GET", ONE, Prefer=ignored).status == 200


def test_an_unknown_code_is_told_which_there_are(rig: Rig) -> None:
    for code in ("418", "sender_pending_approval", "00409", "%"):
        reply = ask(rig, "GET", ONE, Prefer=f"code={code}")
        assert (reply.status, reply.code, reply.fields) == (400, "validation_failed", {("Prefer", "wrong_form")})
        for known in ("200", "404", "503", "message_not_found"):
            assert known in reply.json["errors"][0]["message"]


def test_the_real_api_has_no_such_preference(rig: Rig) -> None:
    assert (
        rig.ask("GET", f"/v1/messages/sms?servicePlanId={PLAN}&status=SENT", headers={"Prefer": "code=409"}).status
        == 200
    )


def test_nothing_is_stored(rig: Rig) -> None:
    before = rig.sql("SELECT count(*) FROM msg")[0][0]
    assert send(rig).status == 202
    assert rig.sql("SELECT count(*) FROM msg")[0][0] == before
