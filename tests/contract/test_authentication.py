"""Who is asking: the bearer token, its scopes, plans and networks, and what failed checks lead to."""

from __future__ import annotations

import base64

import pytest
from api_rig import FOREIGN, INACTIVE, MISSING, OTHER, PLAN, Rig

from trunkline.domain.token import issue

OPERATIONS = [
    ("POST", "/v1/sendsms"),
    ("GET", f"/v1/messages/sms?servicePlanId={PLAN}&status=QUEUED"),
    ("GET", f"/v1/messages/sms/019ee2da-e515-7322-805f-1ac6ce82f20f?servicePlanId={PLAN}"),
]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Token x", "Bearer not-a-token", "Bearer a b", "{full}",
     "Bearer {full}x", "Bearer {full},Bearer {full}", "Bearer {unknown}"],
)  # fmt: skip
def test_missing_malformed_and_unknown_are_401(rig: Rig, method: str, path: str, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.replace("{full}", rig.tokens["full"])}
    headers = {name: value.replace("{unknown}", issue().token) for name, value in headers.items()}
    reply = rig.ask(method, path, "{}" if method == "POST" else None, token=None, headers=headers)
    assert (reply.status, reply.code) == (401, "unauthenticated")
    assert reply.headers["www-authenticate"] == "Bearer"


def test_the_scheme_is_case_insensitive(rig: Rig) -> None:
    reply = rig.ask("GET", OPERATIONS[1][1], token=None, headers={"Authorization": f"bEARER   {rig.tokens['full']} "})
    assert reply.status == 200


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@pytest.mark.parametrize(("token", "code"), [("expired", "token_expired"), ("revoked", "token_revoked")])
def test_revoked_and_expired_are_401_with_a_code_of_their_own(
    rig: Rig, method: str, path: str, token: str, code: str
) -> None:
    reply = rig.ask(method, path, "{}" if method == "POST" else None, token=token)
    assert (reply.status, reply.code) == (401, code)


@pytest.mark.parametrize("name", ["token", "access_token", "Authorization", "x"])
def test_a_token_in_the_query_string_is_not_read_and_the_detail_says_so(rig: Rig, name: str) -> None:
    reply = rig.ask("GET", f"{OPERATIONS[1][1]}&{name}={rig.tokens['full']}", token=None)
    assert reply.code == "unauthenticated"
    assert "query string" in reply.json["detail"]
    assert rig.tokens["full"] not in reply.body.decode()
    # Beside one in the header it is an unknown parameter.
    assert rig.ask("GET", f"{OPERATIONS[1][1]}&{name}=x").code == "unknown_field"


@pytest.mark.parametrize("token", ["read", "office"])
def test_send_needs_its_scope_and_network_before_anything_is_read(rig: Rig, token: str) -> None:
    reply = rig.ask("POST", "/v1/sendsms", b"\xff", token=token, headers={"Content-Type": "text/plain"})
    assert (reply.status, reply.code) == (403, {"read": "scope_missing", "office": "network_not_allowed"}[token])


@pytest.mark.parametrize("path", [path for method, path in OPERATIONS if method == "GET"])
def test_both_gets_need_the_scope_to_read(rig: Rig, path: str) -> None:
    reply = rig.ask("GET", path, token="send")
    assert (reply.status, reply.code) == (403, "scope_missing")


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        ("192.0.2.7", 200),
        ("203.0.113.9, 192.0.2.7", 200),  # the right-most one that is no proxy of ours
        ("192.0.2.7, 203.0.113.9", 403),
        ("192.0.2.7, 127.0.0.1", 200),  # a proxy of ours behind another
        ("192.0.2.7:51234", 200),
        ("[2001:db8::1]:443", 200),
        ("2001:db8::1", 200),
        ("::ffff:192.0.2.7", 200),
        ("2001:db9::1", 403),
        ("192.0.2.7, unknown", 403),
        ("", 403),  # none: it is the proxy itself
    ],
)
def test_networks_are_those_of_the_client_behind_trusted_proxies(rig: Rig, forwarded: str, status: int) -> None:
    reply = rig.ask("GET", OPERATIONS[1][1], token="office", headers={"X-Forwarded-For": forwarded})
    assert reply.status == status


def test_more_than_ten_failed_checks_a_minute_make_the_failing_ones_429(rig: Rig) -> None:
    def ask(token: str | None) -> int:
        return rig.ask("GET", OPERATIONS[1][1], token=token, address="203.0.113.77").status

    assert [ask(token) for token in [None, "nonsense", "expired", "revoked", issue().token] * 2] == [401] * 10
    reply = rig.ask("GET", OPERATIONS[1][1], token="nonsense", address="203.0.113.77")
    assert (reply.status, reply.code) == (429, "rate_limited")
    assert 1 <= int(reply.headers["retry-after"]) <= 60
    assert ask("full") == 200  # a right token is never refused for it
    assert rig.ask("GET", OPERATIONS[1][1], token="nonsense", address="203.0.113.78").status == 401


def test_nobody_passes_while_revocations_may_be_missed(rig: Rig) -> None:
    picture, rig.picture = rig.picture, None
    try:
        for method, path in OPERATIONS:
            reply = rig.ask(method, path, "{}" if method == "POST" else None)
            assert (reply.status, reply.code) == (503, "unavailable")
            assert reply.headers["retry-after"]
    finally:
        rig.picture = picture


SENDS = {
    "full": {PLAN: 202, OTHER: 202, INACTIVE: "plan_inactive", FOREIGN: "plan_not_provisioned",
             MISSING: "plan_not_provisioned"},
    "main_only": {PLAN: 202, OTHER: "plan_not_allowed", FOREIGN: "plan_not_provisioned"},
    "theirs": {PLAN: "plan_not_provisioned", FOREIGN: 202},
}  # fmt: skip
READS = {
    "full": {PLAN: 200, OTHER: 200, INACTIVE: 200, FOREIGN: 403, MISSING: 403},
    "read": {PLAN: 200, OTHER: 200},
    "main_only": {PLAN: 200, OTHER: 403, INACTIVE: 403, FOREIGN: 403, MISSING: 403},
    "theirs": {PLAN: 403, FOREIGN: 200},
}


@pytest.mark.parametrize(("token", "plan"), [(token, plan) for token, plans in SENDS.items() for plan in plans])
def test_which_token_sends_over_which_plan(rig: Rig, token: str, plan: str) -> None:
    reply = rig.send(token=token, servicePlanId=plan)
    wanted = SENDS[token][plan]
    assert (reply.status if reply.status == 202 else reply.code) == wanted
    status = {"plan_inactive": 401, "plan_not_provisioned": 404, "plan_not_allowed": 403}
    assert reply.status == status.get(str(wanted), wanted)
    if wanted == "plan_inactive":
        assert reply.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("token", "plan"), [(token, plan) for token, plans in READS.items() for plan in plans])
def test_which_token_reads_which_plan(rig: Rig, token: str, plan: str) -> None:
    assert rig.list(token=token, plan=plan, status="FAILED").status == READS[token][plan]
    one = rig.get("019ee2da-e515-7322-805f-1ac6ce82f20f", plan, token=token)
    assert one.status == (404 if READS[token][plan] == 200 else 403)


def test_foreign_and_unknown_plans_cannot_be_told_apart(rig: Rig) -> None:
    def stripped(reply: object) -> object:
        document = reply.json  # type: ignore[attr-defined]
        document.pop("instance")
        return document

    for ask in (
        lambda plan: rig.send(servicePlanId=plan),
        lambda plan: rig.list(plan=plan, status="SENT"),
        lambda plan: rig.get("019ee2da-e515-7322-805f-1ac6ce82f20f", plan),
    ):
        assert stripped(ask(FOREIGN)) == stripped(ask(MISSING))


def test_foreign_and_unknown_messages_cannot_be_told_apart(rig: Rig) -> None:
    theirs = rig.send(token="theirs", servicePlanId=FOREIGN).json["msgId"]
    unknown = "019ee2da-e515-7322-805f-1ac6ce82f20f"
    ours_elsewhere = rig.send(servicePlanId=OTHER).json["msgId"]
    answers = []
    for msg_id in (theirs, unknown, ours_elsewhere):
        reply = rig.get(msg_id)
        assert (reply.status, reply.code) == (404, "message_not_found")
        answers.append({**reply.json, "instance": ""})
    assert answers[0] == answers[1] == answers[2]


def test_tokens_are_not_in_the_database(rig: Rig) -> None:
    assert rig.ask("GET", OPERATIONS[1][1]).status == 200
    stored = rig.sql("SELECT token::text AS row FROM token")
    whole = "".join(row["row"] for row in stored)
    for token in rig.tokens.values():
        assert token not in whole
        assert base64.b64encode(token.encode()).decode() not in whole
