"""Golden bytes: records, webhook bodies and problems as customers get them, octet for octet.

What is in golden/ is a promise to programs that were written against it: a change of one octet is a change of the
contract. Each is made twice: by the serializer of fixed values, and by the API or the webhooks of rows with them.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from api_rig import ACCOUNT, MISSING, PLAN, RECIPIENT, SENDER, Reply, Rig
from msgspec import structs

from trunkline.contract.problem import Fault, Refusal, problem_json, refuse
from trunkline.contract.record import inbound_json, record_json
from trunkline.domain.callback import Policy
from trunkline.domain.inbound import Inbound
from trunkline.domain.message import Accepted, Record
from trunkline.domain.provisioning import PlanId
from trunkline.domain.status import Status
from trunkline.webhooks.client import HookClient, tls_context
from trunkline.webhooks.deliver import Delivery
from trunkline.webhooks.target import target_of

GOLDEN = Path(__file__).parent / "golden"
AT = dt.datetime(2024, 6, 22, 5, 10, 3, 120_999, dt.UTC)  # before anything that has partitions
AT_MS = 1_719_033_003_120
REQUEST_ID = "1f-0123456789ab-1"

QUEUED = Record(
    PlanId(1), UUID(int=AT_MS << 80 | 7 << 76 | 2 << 62), SENDER, RECIPIENT, "Your code is 123456", Status.QUEUED, 0, 1,
    "US", None, None, None, None, None, None, None, False, False,
)  # fmt: skip
_SENT = {"sent_at": AT + dt.timedelta(seconds=1)}
_FINAL = {**_SENT, "final_at": AT + dt.timedelta(seconds=2), "mccmnc": "310260", "price_micro": 7_500,
          "ptf_micro": 3_000, "currency": "USD"}  # fmt: skip

# What differs from QUEUED; also what the row in the database has.
RECORDS: dict[str, dict[str, Any]] = {
    "queued": {},
    "queued-with-reference": {"client_reference": 'order "7"\n', "body": "Grüße 👩‍👩‍👧‍👦\u2028\x01/\\", "parts": 1},
    "sent": {**_SENT, "status": Status.SENT},
    "delivered": {**_FINAL, "status": Status.DELIVERED},
    "failed": {**_FINAL, "status": Status.FAILED, "error_code": 103},
    "failed-before-submission": {"status": Status.FAILED, "error_code": 461, "final_at": AT + dt.timedelta(hours=72)},
    "unknown": {**_FINAL, "status": Status.UNKNOWN, "error_code": 703},
    "late": {**_FINAL, "status": Status.DELIVERED, "late": True},
    "resubmitted": {**_FINAL, "status": Status.DELIVERED, "resubmitted": True, "parts": 3, "price_micro": 22_500,
                    "ptf_micro": 9_000_000},
    "redacted": {**_FINAL, "status": Status.DELIVERED, "sender": None, "recipient": None, "body": None},
    "of-no-country": {"recipient": "+882161234567", "country": None},
}  # fmt: skip

INBOUND = Inbound(PlanId(1), QUEUED.msg_id, RECIPIENT, SENDER, "Stop, please", None, "Stop", False, AT)
INBOUNDS: dict[str, dict[str, Any]] = {
    "mo": {},
    "mo-partial": {"body": "second half", "keyword": "second", "partial": True},
    "mo-binary": {"body": "", "keyword": "", "binary_hex": "00ff1a"},
}

PROBLEMS: dict[str, Refusal] = {
    "problem": Refusal("plan_not_provisioned", "This account has no service plan with this id."),
    "problem-of-one-fault": refuse(
        [Fault("callbackURL", "unknown_field", "there is no such field; callbackUrl is spelled so")]
    ),
    "problem-of-faults": refuse(
        [
            Fault("channel", "required", "is required"),
            Fault("to", "single_message_only", "one recipient per request: send one request for each"),
        ]
    ),
    "problem-with-id": Refusal(
        "outcome_unknown",
        "It is not known whether the message was stored: look msgId up before you send again.",
        msg_id=str(QUEUED.msg_id),
    ),
}


def golden(name: str) -> bytes:
    """The file's bytes without the line end that files end with."""
    return (GOLDEN / f"{name}.json").read_bytes().removesuffix(b"\n")


def record(number: int, name: str) -> Record:
    """The record of that name; the number is in its id, so that all can be stored beside each other."""
    msg_id = UUID(int=QUEUED.msg_id.int + number)
    return structs.replace(QUEUED, msg_id=msg_id, **RECORDS[name])


def inbound(number: int, name: str) -> Inbound:
    values = {field: getattr(INBOUND, field) for field in INBOUND.__slots__}
    return Inbound(**{**values, "msg_id": UUID(int=INBOUND.msg_id.int + number), **INBOUNDS[name]})


@pytest.mark.parametrize(("number", "name"), [*enumerate(RECORDS)])
def test_record(number: int, name: str) -> None:
    assert record_json(record(number, name), ACCOUNT, PLAN) == golden(name)


@pytest.mark.parametrize(("number", "name"), [*enumerate(INBOUNDS)])
def test_inbound_message(number: int, name: str) -> None:
    assert inbound_json(inbound(number, name), ACCOUNT, PLAN) == golden(name)


@pytest.mark.parametrize("name", PROBLEMS)
def test_problem(name: str) -> None:
    assert problem_json(PROBLEMS[name], REQUEST_ID) == golden(name)


def test_every_file_is_of_a_case() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == {*RECORDS, *INBOUNDS, *PROBLEMS}


@pytest.fixture(scope="module")
def stored(rig: Rig) -> Rig:
    """All records and inbound messages as rows."""
    for table in ("msg", "mo", "charge"):
        rig.sql(
            f"CREATE TABLE {table}_golden PARTITION OF {table} FOR VALUES FROM (msg_id_floor('2024-06-22 00:00+00'))"
            " TO (msg_id_floor('2024-06-23 00:00+00'))"
        )
    rig.sql(
        "CREATE TABLE ref_golden PARTITION OF ref FOR VALUES FROM ('2024-06-22 00:00+00') TO ('2024-06-23 00:00+00')"
    )
    for number, name in enumerate(RECORDS):
        one = record(number, name)
        status = one.status if one.status >= Status.DELIVERED else None
        rig.sql(
            "INSERT INTO msg (plan_id, msg_id, account_id, sender, recipient, body, client_reference, country, mccmnc,"
            " encoding, parts, expires_at, price_micro, ptf_micro, currency, status, error_code, sent_at, final_at,"
            " resubmitted, late) VALUES (1, $1, 1, $2, $3, $4, $5, $6, $7, 0, $8, now(), $9, $10, $11, $12, $13, $14,"
            " $15, $16, $17)",
            one.msg_id, one.sender, one.recipient, one.body, one.client_reference, one.country, one.mccmnc, one.parts,
            one.price_micro and one.price_micro // one.parts, one.ptf_micro and one.ptf_micro // one.parts,
            one.currency, status, one.error_code, one.sent_at if status else None, one.final_at,
            one.resubmitted, one.late,
        )  # fmt: skip
        if one.currency is not None:  # each part was charged
            rig.sql(
                "INSERT INTO charge SELECT plan_id, msg_id, n, price_micro, ptf_micro, currency, country, sent_at"
                " FROM msg, generate_series(1, parts) AS n WHERE msg_id = $1",
                one.msg_id,
            )
        if one.sent_at and not status:  # what makes it SENT is the carrier's id for its part
            rig.sql(
                "INSERT INTO ref VALUES (1, 'golden', $1, 1, $2, 1, 1, 1, 0, false, $3, $3)",
                one.recipient, one.msg_id, one.sent_at,
            )  # fmt: skip
    for number, name in enumerate(INBOUNDS):
        mo = inbound(number, name)
        rig.sql(
            "INSERT INTO mo VALUES (1, $1, 1, 1, 1, $2, $3, $4, $5, $6, $7, '', $8)",
            mo.msg_id, mo.sender, mo.recipient, mo.body, mo.binary_hex, mo.keyword, mo.partial, mo.received_at,
        )  # fmt: skip
    return rig


@pytest.mark.parametrize(("number", "name"), [*enumerate(RECORDS)])
def test_record_of_a_row(stored: Rig, number: int, name: str) -> None:
    assert stored.get(str(record(number, name).msg_id)).body == golden(name)


def test_a_page_is_records_as_they_are(stored: Rig) -> None:
    for direction, names in ("MT", RECORDS), ("MO", INBOUNDS):
        reply = stored.list(direction=direction, fromDate="2024-06-22T00:00:00Z", toDate="2024-06-23T00:00:00Z")
        assert reply.body == (
            b'{"data":[' + b",".join(map(golden, reversed(names))) + b'],"pagination":{"limit":20,"nextCursor":null,'
            b'"hasMore":false}}'
        )


def test_webhook_bodies(stored: Rig) -> None:
    """One event of each kind, posted by the real delivery to a receiver on loopback."""
    final = [(number, name) for number, name in enumerate(RECORDS) if "final_at" in RECORDS[name]]
    events = [(record(number, name).msg_id, 3 if name == "late" else 2, name) for number, name in final]
    events += [(inbound(n, name).msg_id, 0, name) for n, name in enumerate(INBOUNDS)]
    policy = Policy(allow_http=True, allowed_networks=(ip_network("127.0.0.0/8"),))
    got: dict[str, bytes] = {}
    types = set()

    async def main() -> None:
        everything = asyncio.Event()

        async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while head := (await reader.readuntil(b"\r\n\r\n")).decode().lower():
                    fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:-2])
                    got[fields["webhook-id"]] = await reader.readexactly(int(fields["content-length"]))
                    types.add(fields["content-type"])
                    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                    if len(got) == len(events):
                        everything.set()
            except (OSError, EOFError):
                writer.close()

        server = await asyncio.start_server(receive, "127.0.0.1", 0)
        origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await stored.pool.executemany(
            "INSERT INTO hook_queue (plan_id, origin, due_at, msg_id, n, configured, url)"
            " VALUES (1, $1, now() - interval '1 second', $2, $3, false, $1 || '/x')",
            [(origin, msg_id, n) for msg_id, n, _ in events],
        )
        client = HookClient(policy, tls=tls_context())
        delivery = Delivery(stored.dsn, client, provisioning=lambda: stored.picture, target_of=target_of(policy))
        running = asyncio.create_task(delivery.run())
        try:
            await asyncio.wait_for(everything.wait(), 20)
            delivery.drain()
            await asyncio.wait_for(running, 20)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await client.close()
            server.close()

    stored.run(main())
    assert got == {f"{msg_id}-{n}": golden(name) for msg_id, n, name in events}
    assert types == {"application/json"}


def test_problems_of_the_api(rig: Rig) -> None:
    def shown(reply: Reply) -> bytes:
        assert reply.headers["content-type"] == "application/problem+json"
        return reply.body.replace(reply.headers["x-request-id"].encode(), REQUEST_ID.encode())

    assert shown(rig.send(servicePlanId=MISSING)) == golden("problem")
    assert shown(rig.send(callbackURL="x")) == golden("problem-of-one-fault")
    assert shown(rig.send(to=[RECIPIENT], channel=...)) == golden("problem-of-faults")

    async def unknown(submission: Any) -> Accepted:
        ids.append(str(submission.msg_id))
        return Accepted.OUTCOME_UNKNOWN

    ids: list[str] = []
    rig.accept = unknown
    try:
        reply = rig.send()
    finally:
        rig.accept = None
    assert shown(reply).replace(ids[0].encode(), str(QUEUED.msg_id).encode()) == golden("problem-with-id")
