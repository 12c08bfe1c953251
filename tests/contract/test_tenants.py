"""Tenants cannot touch (CONTRACT §2, §3, §5, §6): every kind of token, on every operation, with everybody's ids.

A new operation needs one entry in `ROWS`, which says what it answers; `test_every_operation_has_its_rows` fails until
it has one. Everything else follows from the list of operations in `tenants_rig.operations`.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import asyncpg
import pytest
from api_rig import copied
from tenants_rig import (
    FULL,
    MISSING,
    MISSING_ID,
    PLAN_OF,
    PLANS,
    READ,
    RIGHTS,
    SEND,
    TOKENS,
    Operation,
    OwnPlan,
    TenantRig,
    Token,
    ids_of,
    normalised,
    operations,
    send_body,
)

from trunkline.api import cancel, messages
from trunkline.api.exchange import Response
from trunkline.domain.provisioning import Plan, Provisioning
from trunkline.domain.provisioning import Token as StoredToken
from trunkline.store import records

Outcome = tuple[int, str]


@dataclass(frozen=True)
class Rows:
    """What an operation answers. `foreign_plan`: for plans that are another account's, or nobody's."""

    scope: str
    foreign_plan: Outcome
    done: int
    in_body: bool = False  # the plan is named in a JSON body, else in the query
    query: str = ""
    changes: bool = False  # what it does to a message cannot be done twice: each time it may be done, to a new one


ROWS: dict[str, Rows] = {
    "send": Rows(SEND, (404, "plan_not_provisioned"), 202, in_body=True),
    "get": Rows(READ, (403, "plan_not_allowed"), 200),
    "list": Rows(READ, (403, "plan_not_allowed"), 200, query="&status=QUEUED&limit=100"),
    "cancel": Rows(SEND, (403, "plan_not_allowed"), 200, changes=True),
}


def expected(rows: Rows, operation: Operation, token: Token, plan: str, owner_of_id: str | None) -> Outcome:
    """The table. The first line that applies is the answer."""
    if token.rights == "none":
        return 401, "unauthenticated"
    if token.rights in ("expired", "revoked"):
        return 401, f"token_{token.rights}"
    if rows.scope not in RIGHTS[token.rights][0]:
        return 403, "scope_missing"
    if plan == MISSING or PLAN_OF[plan].tenant != token.tenant:
        return rows.foreign_plan
    if not token.every_plan and PLAN_OF[plan].number in (2, 4):
        return 403, "plan_not_allowed"
    if "{msgId}" in operation.path and owner_of_id != plan:
        return 404, "message_not_found"
    return rows.done, ""


@dataclass(frozen=True)
class Cell:
    """One question and its answer. `owner_of_id`: the plan whose message was asked for; None: nobody's."""

    operation: Operation
    token: Token
    plan: str
    owner_of_id: str | None
    wanted: Outcome
    answer: Response

    @property
    def got(self) -> Outcome:
        problem = b"problem+json" in self.answer.headers
        return self.answer.status, json.loads(self.answer.body)["code"] if problem else ""

    def __str__(self) -> str:
        asked = f"{self.operation.method} {self.operation.path} as {self.token.name}"
        return f"{asked}, plan {self.plan[:2]}, message of {(self.owner_of_id or 'nobody')[:2]}"


async def ask(rig: TenantRig, operation: Operation, token: Token, plan: str, owner_of_id: str | None) -> Cell:
    rows = ROWS[operation.name]
    wanted = expected(rows, operation, token, plan, owner_of_id)
    msg_id = rig.messages[owner_of_id][0] if owner_of_id else MISSING_ID
    if rows.changes and wanted[0] == rows.done:
        msg_id = await rig.send_one(PLAN_OF[plan])
    target = operation.path.replace("{msgId}", msg_id)
    body = None
    if rows.in_body:
        # As its own sender would have it: only the plan is not the caller's.
        body = send_body(PLAN_OF.get(plan, PLANS[0]), servicePlanId=plan)
    else:
        target += f"?servicePlanId={plan}{rows.query}"
    answer = await rig.answer(operation.method, target, token, body=body)
    return Cell(operation, token, plan, owner_of_id, wanted, answer)


@pytest.fixture(scope="module")
def tenants(server: str, template: str) -> Iterator[TenantRig]:
    with copied(server, template) as dsn, TenantRig(dsn) as running:
        yield running


@pytest.fixture(scope="module")
def matrix(tenants: TenantRig) -> list[Cell]:
    """Every operation x every token x every plan x every plan's message."""

    async def main() -> list[Cell]:
        questions = [
            ask(tenants, operation, token, plan, owner)
            for operation in operations()
            for token in TOKENS
            for plan in (*PLAN_OF, MISSING)
            for owner in ((*PLAN_OF, None) if "{msgId}" in operation.path else (None,))
        ]
        return list(await asyncio.gather(*questions))

    return tenants.run(main())


def test_every_operation_has_its_rows() -> None:
    assert {operation.name for operation in operations()} == set(ROWS)
    assert len(operations()) >= 12


def test_every_cell_is_answered_as_the_table_says(matrix: list[Cell]) -> None:
    wrong = [f"{cell}: {cell.got}, not {cell.wanted}" for cell in matrix if cell.got != cell.wanted]
    assert wrong == []
    assert len(matrix) > 2000
    for operation in operations():
        outcomes = {cell.wanted for cell in matrix if cell.operation == operation}
        assert len(outcomes) == (6 if operation.name == "list" else 7), operation


def test_nothing_of_a_tenant_is_in_an_answer_to_another(tenants: TenantRig, matrix: list[Cell]) -> None:
    leaks = []
    for cell in matrix:
        # Without a token nobody is told anything of anybody.
        strangers = "ab" if cell.wanted[0] == 401 else {"a": "b", "b": "a"}[cell.token.tenant]
        whole = cell.answer.headers + cell.answer.body
        leaks += [f"{cell}: {mark!r}" for tenant in strangers for mark in tenants.canaries(tenant) if mark in whole]
    assert leaks == []


def test_what_is_foreign_cannot_be_told_from_what_is_not_there(matrix: list[Cell]) -> None:
    """Refusals of the same kind are the same, byte for byte, whichever ids they were about."""
    answers: dict[tuple[str, str, Outcome], set[tuple[int, bytes, bytes]]] = {}
    for cell in matrix:
        if cell.got[1]:
            key = (cell.operation.method, cell.operation.name, cell.got)
            answers.setdefault(key, set()).add(normalised(cell.answer))
    assert [(key, len(found)) for key, found in answers.items() if len(found) > 1] == []
    assert ("GET", "get", (404, "message_not_found")) in answers


def test_what_is_given_is_the_callers_own(matrix: list[Cell]) -> None:
    given = 0
    for cell in matrix:
        if cell.answer.status not in (200, 202) or cell.got[1]:
            continue
        document = json.loads(cell.answer.body)
        for record in document.get("data", [document]):
            assert record["servicePlanId"] == cell.plan, cell
            assert record["accountId"] == cell.token.tenant * 24, cell
            assert record["body"] == PLAN_OF[cell.plan].text, cell
            given += 1
    assert given > 500


OURS, OUR_OTHER, THEIRS, _ = PLANS


def page(plan: str, **filters: str) -> str:
    query = "".join(f"&{name.rstrip('_')}={quote(value)}" for name, value in filters.items())
    return f"/v1/messages/sms?servicePlanId={plan}{query}"


def cursor_of(tenants: TenantRig, plan: OwnPlan) -> str:
    answer = tenants.ask_as(plan.tenant, "GET", page(plan.public_id, status="QUEUED", limit="1"))
    return str(json.loads(answer.body)["pagination"]["nextCursor"])


def test_cursors_of_others(tenants: TenantRig) -> None:
    own, other, theirs = (cursor_of(tenants, plan) for plan in (OURS, OUR_OTHER, THEIRS))
    table = [
        # whose cursor, for which plan: the answer
        (own, OURS.public_id, (200, "")),
        (own, OUR_OTHER.public_id, (400, "bad_cursor")),
        (other, OURS.public_id, (400, "bad_cursor")),
        (theirs, OURS.public_id, (400, "bad_cursor")),
        (theirs, THEIRS.public_id, (403, "plan_not_allowed")),
        (own, THEIRS.public_id, (400, "bad_cursor")),
        (own, MISSING, (400, "bad_cursor")),
        (theirs, MISSING, (400, "bad_cursor")),
    ]
    for cursor, plan, wanted in table:
        answer = tenants.ask_as("a", "GET", page(plan, cursor=cursor))
        code = json.loads(answer.body).get("code", "")
        assert (answer.status, code) == wanted
        assert not [mark for mark in tenants.canaries("b") if mark in answer.headers + answer.body]


@pytest.mark.parametrize("plan", [OURS, THEIRS], ids=lambda plan: plan.tenant)
def test_filters_find_nothing_of_others(tenants: TenantRig, plan: OwnPlan) -> None:
    """What one tenant finds by a filter, another tenant finds nothing by."""
    searches = [
        {"from_": plan.sender},
        {"to": plan.recipient},
        {"from_": plan.sender, "to": plan.recipient, "status": "QUEUED", "country": "US"},
        {"from_": plan.stranger, "direction": "MO"},
        {"to": plan.sender, "direction": "MO"},
    ]
    stranger = THEIRS if plan.tenant == "a" else OURS
    for filters in searches:
        assert ids_of(tenants.ask_as(plan.tenant, "GET", page(plan.public_id, **filters)))
        answer = tenants.ask_as(stranger.tenant, "GET", page(stranger.public_id, **filters))
        assert (answer.status, ids_of(answer)) == (200, [])
        assert not [mark for mark in tenants.canaries(plan.tenant) if mark in answer.headers + answer.body]


def test_inbound_messages_are_their_plans_own(tenants: TenantRig) -> None:
    for plan in PLANS:
        own = tenants.ask_as(plan.tenant, "GET", page(plan.public_id, direction="MO", to=plan.sender))
        assert [one["body"] for one in json.loads(own.body)["data"]] == [f"inbound {plan.text}"]
        since = "2000-01-01T00:00:00Z"
        assert ids_of(tenants.ask_as(plan.tenant, "GET", page(plan.public_id, direction="MO", fromDate=since))) == []


def test_another_tenants_sender_is_as_unknown_as_any(tenants: TenantRig) -> None:
    answers = [
        tenants.ask_as("a", "POST", "/v1/sendsms", body=send_body(OURS, **{"from": sender}))
        for sender in (THEIRS.sender, "+15550009999")
    ]
    assert normalised(answers[0]) == normalised(answers[1])
    assert (answers[0].status, json.loads(answers[0].body)["code"]) == (403, "sender_not_authorized")


def test_another_tenants_callback_url_tells_nothing(tenants: TenantRig) -> None:
    """It is a URL as any other: whose it is makes no difference, and no record gives it back."""
    answers = [
        tenants.ask_as("a", "POST", "/v1/sendsms", body=send_body(OURS, callbackUrl=url))
        for url in (THEIRS.callback_url, "https://elsewhere.example.com/sms/status")
    ]
    shapes = [{**json.loads(one.body), "msgId": "", "createdAt": ""} for one in answers]
    assert [one.status for one in answers] == [202, 202]
    assert shapes[0] == shapes[1]
    assert "example.com" not in answers[0].body.decode()


def test_with_the_applications_check_gone_nothing_leaks(tenants: TenantRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second net: the plan is taken as asked for, and the store is asked for it."""

    def any_plan(provisioning: Provisioning, token: StoredToken, public_id: str) -> Plan:
        return provisioning.plans_by_public_id[public_id]

    asked: list[int] = []
    get, page_of = records.get, records.page

    async def spied_get(conn: asyncpg.Connection, plan_id: int, *rest: object) -> object:
        asked.append(plan_id)
        return await get(conn, plan_id, *rest)  # type: ignore[arg-type]

    async def spied_page(conn: asyncpg.Connection, plan_id: int, *rest: object) -> object:
        asked.append(plan_id)
        return await page_of(conn, plan_id, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(messages, "readable_plan", any_plan)
    monkeypatch.setattr(cancel, "readable_plan", any_plan)
    monkeypatch.setattr(records, "get", spied_get)
    monkeypatch.setattr(records, "page", spied_page)
    msg_id = tenants.messages[THEIRS.public_id][0]
    one = f"/v1/messages/sms/{msg_id}?servicePlanId={THEIRS.public_id}"
    assert tenants.ask_as("b", "GET", one).status == 200
    answers = [
        tenants.ask_as("a", "GET", target)
        for target in (
            one,
            page(THEIRS.public_id, status="QUEUED"),
            page(THEIRS.public_id, status="SENT"),
            page(THEIRS.public_id, to=THEIRS.recipient),
            page(THEIRS.public_id, direction="MO", to=THEIRS.sender),
        )
    ]
    assert asked == [THEIRS.number] * 6
    assert [answer.status for answer in answers] == [404, 200, 200, 200, 200]
    assert [ids_of(answer) for answer in answers[1:]] == [[]] * 4
    refused = tenants.ask_as("a", "POST", one.replace("?", "/cancel?"))
    assert (refused.status, normalised(refused)[2]) == (404, normalised(answers[0])[2])
    assert json.loads(tenants.ask_as("b", "GET", one).body)["status"] == "QUEUED"
    answers.append(refused)
    marks = [mark for mark in tenants.canaries("b") if mark != THEIRS.public_id.encode()]
    assert not [mark for mark in marks for answer in answers if mark in answer.headers + answer.body]


def test_the_database_holds_no_usable_token(tenants: TenantRig) -> None:
    """Every table, as a dump has it."""
    names = tenants.sql("SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' AND NOT relispartition"
                        " AND relnamespace = 'public'::regnamespace UNION SELECT 'msg' UNION SELECT 'mo'")  # fmt: skip
    dump = "\n".join(
        row["line"] for name in names for row in tenants.sql(f"SELECT t::text AS line FROM {name['name']} t")
    )
    assert "canary of plan 1" in dump
    assert dump.count("\\\\x") >= len(RIGHTS) * 4
    assert not re.search(r"tl_[0-9A-Za-z]{10}", dump)
    for token in tenants.tokens.values():
        assert not any(token[start : start + 12] in dump for start in range(3, len(token) - 11))
    for digest in re.findall(r"\\\\x([0-9a-f]{64})", dump):
        for text in (digest, f"\\x{digest}", f"tl_{digest}"):
            reply = tenants.ask("GET", page(OURS.public_id, status="QUEUED"), token=text)
            assert reply.status == 401


def test_a_key_is_the_plans_own(tenants: TenantRig) -> None:
    """The same Idempotency-Key with another tenant, or another plan, is another key."""
    ids = set()
    for plan in PLANS:
        answer = tenants.ask_as(plan.tenant, "POST", "/v1/sendsms", body=send_body(plan), key="shared")
        assert (answer.status, b"replayed" in answer.headers) == (202, False)
        ids.add(json.loads(answer.body)["msgId"])
    assert len(ids) == len(PLANS)
    for plan in PLANS:
        again = tenants.ask_as(plan.tenant, "POST", "/v1/sendsms", body=send_body(plan), key="shared")
        assert (again.status, b"replayed" in again.headers) == (202, True)
        other = tenants.ask_as(
            "b" if plan.tenant == "a" else "a", "POST", "/v1/sendsms", body=send_body(plan), key="shared"
        )
        assert (other.status, json.loads(other.body)["code"]) == (404, "plan_not_provisioned")


@pytest.mark.fault
def test_a_foreign_message_takes_as_long_as_none(tenants: TenantRig) -> None:
    """Of the same moment: which day an id is of, its owner knows anyhow."""
    foreign = tenants.messages[THEIRS.public_id][0]
    missing = foreign[:-1] + ("0" if foreign[-1] != "0" else "1")

    async def main() -> list[float]:
        times: dict[str, list[int]] = {foreign: [], missing: []}
        for number in range(6_000):
            for msg_id in (foreign, missing) if number % 2 else (missing, foreign):
                target = f"/v1/messages/sms/{msg_id}?servicePlanId={OURS.public_id}"
                started = time.perf_counter_ns()
                answer = await tenants.answer("GET", target, FULL["a"])
                times[msg_id].append(time.perf_counter_ns() - started)
                assert answer.status == 404
        return [statistics.median(samples) for samples in times.values()]

    first, second = asyncio.run_coroutine_threadsafe(main(), tenants.loop).result(300)
    assert abs(first / second - 1) < 0.1
