"""Idempotency-Key (§3): one message for one key, the first answer again, and what is refused for its sake."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from api_rig import DUTCH, OTHER, PLAN, RECIPIENT, SENDER, Reply, Rig

from trunkline.domain.message import Accepted
from trunkline.domain.routes import Routes

WHOLE: dict[str, Any] = {"servicePlanId": PLAN, "channel": "SMS", "from": SENDER, "to": RECIPIENT, "body": "Hello"}


def new_key() -> str:
    return uuid.uuid4().hex


def send(rig: Rig, key: str, text: str | None = None, **fields: Any) -> Reply:
    """A send request with a key: `text` as it stands, or the usual fields but for `fields` (`from_` is `from`)."""
    whole = WHOLE | {name.rstrip("_"): value for name, value in fields.items()}
    body = json.dumps({k: v for k, v in whole.items() if v is not ...}) if text is None else text
    return rig.ask("POST", "/v1/sendsms", body, headers={"Idempotency-Key": key})


def stored(rig: Rig) -> int:
    return int(rig.sql("SELECT count(*) FROM msg")[0][0])


def is_replay(reply: Reply, first: Reply) -> bool:
    assert first.status == 202
    assert "idempotent-replayed" not in first.headers
    return (
        (reply.status, reply.body) == (202, first.body)
        and reply.headers["idempotent-replayed"] == "true"
        and reply.headers["location"] == first.headers["location"]
        and reply.headers["content-type"] == first.headers["content-type"]
    )


@pytest.fixture
def slow(rig: Rig) -> Iterator[asyncpg.Connection]:
    """Holds messages up in the middle of their commit: a lock on the table that they go to."""
    conn = rig.run(asyncpg.connect(rig.dsn))
    transaction = conn.transaction()
    rig.run(transaction.start())
    rig.run(conn.execute("LOCK TABLE mt_queue IN EXCLUSIVE MODE"))
    yield conn
    rig.run(conn.close())


def waiting_for_lock(rig: Rig) -> None:
    """Returns once the accepting session waits for the table."""
    while not rig.sql("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"):
        rig.sql("SELECT pg_sleep(0.01)")


def test_the_same_key_and_body_give_the_first_answer_again(rig: Rig) -> None:
    key, before = new_key(), stored(rig)
    first = send(rig, key, body="x" * 200, clientReference="order 7")
    for _ in range(3):
        assert is_replay(send(rig, key, body="x" * 200, clientReference="order 7"), first)
    assert stored(rig) == before + 1
    assert rig.ask("GET", first.headers["location"]).body == first.body


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(dict(reversed(WHOLE.items())), indent=4),
        json.dumps(WHOLE).replace("Hello", "H\\u0065llo"),
    ],
    ids=["order and white space", "escapes"],
)
def test_the_same_fields_written_otherwise_are_the_same_body(rig: Rig, text: str) -> None:
    key = new_key()
    first = send(rig, key)
    assert is_replay(send(rig, key, text), first)


def test_letters_in_the_plan_s_id_in_either_case(rig: Rig) -> None:
    key, plan = new_key(), "abcdef" * 4
    rig.sql("UPDATE plan SET public_id = $1 WHERE public_id = $2", plan, OTHER)
    assert rig.picture is not None
    picture = rig.picture
    one = replace(picture.plans_by_public_id[OTHER], public_id=plan)
    rig.picture = replace(picture, plans_by_public_id={**picture.plans_by_public_id, plan: one})
    try:
        first = send(rig, key, servicePlanId=plan)
        assert is_replay(send(rig, key, servicePlanId=plan.upper()), first)
    finally:
        rig.picture = picture
        rig.sql("UPDATE plan SET public_id = $2 WHERE public_id = $1", plan, OTHER)


@pytest.mark.parametrize(
    "fields",
    [
        {"body": "hello"},
        {"to": "+15550002223"},
        {"from_": "12345"},
        {"validityPeriod": 259200},  # the plan's default, but given
        {"clientReference": ""},
        {"callbackUrl": "https://client.example.com/"},
        {"sendAt": "2020-01-01T00:00:00Z"},
    ],
    ids=str,
)
def test_another_body_is_422(rig: Rig, fields: dict[str, Any]) -> None:
    key, before = new_key(), stored(rig)
    first = send(rig, key)
    reply = send(rig, key, **fields)
    assert (reply.status, reply.code) == (422, "idempotency_key_reused")
    assert stored(rig) == before + 1
    assert is_replay(send(rig, key), first)


def test_a_number_spelled_otherwise_is_the_same(rig: Rig) -> None:
    key = new_key()
    first = send(rig, key, validityPeriod=60)
    assert is_replay(send(rig, key, validityPeriod=60.0), first)


def test_keys_are_kept_per_plan(rig: Rig) -> None:
    key = new_key()
    first, second = send(rig, key), send(rig, key, servicePlanId=OTHER)
    assert (first.status, second.status) == (202, 202)
    assert first.json["msgId"] != second.json["msgId"]


def test_without_a_key_each_request_is_a_message(rig: Rig) -> None:
    assert rig.send().json["msgId"] != rig.send().json["msgId"]


@pytest.mark.parametrize("key", ["x", "!~", '"quoted"', "k" * 255])
def test_right_keys(rig: Rig, key: str) -> None:
    first = send(rig, key)
    assert is_replay(send(rig, key), first)


@pytest.mark.parametrize("key", ["", "k" * 256, "a b", "a\tb", "schlüssel"])
def test_a_wrong_key_is_400_and_names_the_header(rig: Rig, key: str) -> None:
    reply = send(rig, key)
    assert (reply.status, reply.code) == (400, "validation_failed")
    assert reply.fields == {("Idempotency-Key", "wrong_form")}


def test_faults_of_key_and_body_are_told_at_once(rig: Rig) -> None:
    reply = send(rig, "a b", to="x", channel="y")
    assert reply.fields == {("Idempotency-Key", "wrong_form"), ("to", "wrong_form"), ("channel", "wrong_form")}
    assert send(rig, "a b", "{").code == "malformed_json"


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"from_": "PENDING"}, "sender_pending_approval"), ({"from_": "ODD"}, "sender_status_unrecognized"),
     ({"servicePlanId": DUTCH}, "destination_not_allowed"), ({"to": "x"}, "validation_failed"),
     ({"callbackUrl": "https://a.example/" + "x" * 17_000}, "record_too_large")],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_refusal_frees_the_key(rig: Rig, fields: dict[str, Any], code: str) -> None:
    key = new_key()
    assert send(rig, key, **fields).code == code
    assert send(rig, key, servicePlanId=fields.get("servicePlanId", PLAN), to="+31612345678").status == 202


def test_a_message_that_was_not_stored_frees_the_key(rig: Rig) -> None:
    async def accept(_: Any) -> Accepted:
        return Accepted.UNAVAILABLE

    key = new_key()
    rig.accept = accept
    try:
        assert send(rig, key).status == 503
    finally:
        rig.accept = None
    assert send(rig, key).status == 202


def test_the_key_comes_before_the_plan_s_configuration(rig: Rig) -> None:
    """A repeated request gets its answer although the plan could not send it any more; another one its 422."""
    key = new_key()
    first = send(rig, key)
    assert rig.picture is not None
    picture = rig.picture
    rig.picture = replace(picture, routes=Routes())
    try:
        assert rig.send().code == "plan_incomplete_route"
        assert is_replay(send(rig, key), first)
        assert send(rig, key, body="other").code == "idempotency_key_reused"
        assert send(rig, new_key()).code == "plan_incomplete_route"
    finally:
        rig.picture = picture


def test_the_key_comes_after_the_plan_s_own_checks(rig: Rig) -> None:
    key = new_key()
    assert send(rig, key).status == 202
    for token, code in (
        ("other_only", "plan_not_allowed"),
        ("theirs", "plan_not_provisioned"),
        ("read", "scope_missing"),
    ):
        reply = rig.ask("POST", "/v1/sendsms", json.dumps(WHOLE), token=token, headers={"Idempotency-Key": key})
        assert reply.code == code


@pytest.mark.parametrize("end", ["final", "sent as more parts", "erased"])
def test_the_first_answer_also_after_the_message_has_gone_on(rig: Rig, end: str) -> None:
    key = new_key()
    first = send(rig, key, clientReference="r")
    msg_id = uuid.UUID(first.json["msgId"])
    if end == "sent as more parts":
        rig.sql(
            "INSERT INTO ref VALUES (1, 'id', $1, 1, $2, 1, 3, 1, 0, true, trunkline_now(), trunkline_now())",
            RECIPIENT, msg_id,
        )  # fmt: skip
    else:
        rig.sql(
            "UPDATE msg SET status = 4, error_code = 703, sent_at = trunkline_now(), final_at = trunkline_now(),"
            " parts = 3, mccmnc = '310260', price_micro = 7500, currency = 'USD', late = true WHERE msg_id = $1",
            msg_id,
        )
    assert rig.get(first.json["msgId"]).body != first.body
    if end != "erased":
        assert is_replay(send(rig, key, clientReference="r"), first)
        return
    rig.sql("UPDATE msg SET body = NULL, sender = NULL, recipient = NULL WHERE msg_id = $1", msg_id)
    reply = send(rig, key, clientReference="r")
    assert reply.status == 202
    assert reply.json == first.json | {"body": None, "from": None, "to": None}


def test_while_the_first_is_in_work(rig: Rig, slow: asyncpg.Connection) -> None:
    key, before = new_key(), stored(rig)
    with ThreadPoolExecutor(1) as beside:
        pending = beside.submit(send, rig, key)
        waiting_for_lock(rig)
        in_use = send(rig, key)
        assert (in_use.status, in_use.code, in_use.headers["retry-after"]) == (409, "idempotency_key_in_use", "1")
        reused = send(rig, key, body="other")
        assert (reused.status, reused.code) == (422, "idempotency_key_reused")
        assert rig.picture is not None
        picture = rig.picture
        rig.picture = replace(picture, routes=Routes())
        try:  # also where the plan could not send it any more
            assert send(rig, key).code == "idempotency_key_in_use"
        finally:
            rig.picture = picture
        rig.run(slow.execute("ROLLBACK"))
        first = pending.result(10)
    assert is_replay(send(rig, key), first)
    assert stored(rig) == before + 1


def test_a_client_that_hung_up_keeps_its_key_in_work(rig: Rig, slow: asyncpg.Connection) -> None:
    """What was handed over is stored: the key is not free because nobody waits for the answer."""
    key, before = new_key(), stored(rig)
    with ThreadPoolExecutor(1) as beside:
        pending = beside.submit(rig.run, _hung_up(rig, key))
        waiting_for_lock(rig)
        pending.result(10)
        assert send(rig, key).code == "idempotency_key_in_use"
        rig.run(slow.execute("ROLLBACK"))
        while (reply := send(rig, key)).status == 409:
            rig.sql("SELECT pg_sleep(0.01)")
    assert reply.headers["idempotent-replayed"] == "true"
    assert stored(rig) == before + 1


async def _hung_up(rig: Rig, key: str) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    body = json.dumps(WHOLE).encode()
    writer.write(
        b"POST /v1/sendsms HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %b\r\nContent-Type: application/json\r\n"
        b"Idempotency-Key: %b\r\nContent-Length: %d\r\n\r\n%b"
        % (rig.tokens["full"].encode(), key.encode(), len(body), body)
    )
    await writer.drain()
    writer.transport.abort()


def test_the_request_of_a_session_that_died_does_not_hold_the_key(rig: Rig, slow: asyncpg.Connection) -> None:
    key = new_key()
    with ThreadPoolExecutor(1) as beside:
        pending = beside.submit(send, rig, key)
        waiting_for_lock(rig)
        rig.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'trunkline accept' AND datname = current_database()"
        )
        assert pending.result(10).code == "unavailable"
        rig.run(slow.execute("ROLLBACK"))
    assert send(rig, key).status == 202


def test_many_at_once_with_one_key_are_one_message(rig: Rig) -> None:
    key, before = new_key(), stored(rig)
    with ThreadPoolExecutor(12) as crowd:
        replies = list(crowd.map(lambda n: send(rig, key, body="even" if n % 2 else "odd"), range(48)))
    assert stored(rig) == before + 1
    winners = {reply.body for reply in replies if reply.status == 202}
    assert len(winners) == 1
    assert {reply.status for reply in replies} <= {202, 409, 422}
    assert [
        reply for reply in replies if reply.status == 202 and "idempotent-replayed" not in reply.headers
    ].__len__() == 1


def test_a_key_is_kept_for_24_hours_and_then_taken_anew(rig: Rig) -> None:
    key = new_key()
    first = send(rig, key)
    age = "UPDATE idempotency SET at = at - $1::interval WHERE key = $2"
    rig.sql(age, dt.timedelta(hours=24) - dt.timedelta(seconds=30), key)
    assert is_replay(send(rig, key), first)
    rig.sql(age, dt.timedelta(seconds=30), key)
    second = send(rig, key, body="another day")
    assert (second.status, second.headers["idempotent-replayed"]) == (202, None)
    assert is_replay(send(rig, key, body="another day"), second)
    assert send(rig, key).code == "idempotency_key_reused"
