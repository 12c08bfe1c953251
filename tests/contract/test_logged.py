"""I13: neither a token, nor the text of a message, nor a whole number is in any line that the API logs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import asyncpg
import pytest
from api_rig import FOREIGN, OTHER, PLAN, RECIPIENT, SENDER, Rig, copied

from trunkline.domain.token import issue
from trunkline.runtime import log

TEXT = "canary text that nobody may log %s {0} \u2028 \x1b[31m"
NUMBER = "+31612345678"
REFERENCE = "canary reference"


@pytest.fixture
def logging() -> Iterator[None]:
    """Everything is logged, as `serve` does it; afterwards as before."""
    log.configure(level="debug", format="json")
    yield
    log.configure(level="info", format="console")


@pytest.fixture
def own(server: str, template: str) -> Iterator[Rig]:
    """An API over a database that the test may break."""
    with copied(server, template) as dsn, Rig(dsn) as running:
        yield running


def send(rig: Rig, **fields: object) -> int:
    whole = {"body": TEXT, "to": NUMBER, "clientReference": REFERENCE, "callbackUrl": f"https://x.example/{NUMBER}"}
    return rig.send(**{**whole, **fields}).status


def in_order(rig: Rig, unknown: str) -> None:
    """Requests that are right, and those with every kind of mistake."""
    assert send(rig) == 202
    assert send(rig, body=TEXT * 100) == 400
    assert send(rig, from_=NUMBER) == 403
    assert send(rig, servicePlanId=FOREIGN) == 404
    assert rig.ask("POST", "/v1/sendsms", f'{{"body": "{TEXT}", "to": "{NUMBER}"').status == 400
    assert rig.ask("POST", "/v1/sendsms", b"\xff" + TEXT.encode()).status == 400
    for token in (unknown, "expired", "revoked", "office", f"{unknown} {NUMBER}"):
        assert send(rig, token=token) in (401, 403)
    assert rig.list(to=NUMBER).json["data"][0]["body"] == TEXT
    assert rig.list(to=f"{NUMBER}x").status == 400
    assert rig.list(cursor=NUMBER[1:]).status == 400
    assert rig.ask("GET", f"/v1/messages/sms?servicePlanId={PLAN}&token={unknown}", token=None).status == 401
    assert rig.ask("GET", f"/v1/messages/sms/{NUMBER}?servicePlanId={PLAN}").status == 400
    assert rig.ask("GET", f"/nothing/{NUMBER}/{unknown}").status == 404


def out_of_order(rig: Rig) -> None:
    """Faults of ours: the database refuses a row (and quotes it), a statement, and us."""
    msg_id = rig.send(body=TEXT, to=NUMBER).json["msgId"]
    rig.sql(f"ALTER TABLE msg ADD CONSTRAINT broken CHECK (client_reference <> '{REFERENCE}') NOT VALID")
    assert send(rig) == 503
    rig.sql("ALTER TABLE msg DROP COLUMN late")
    assert rig.get(msg_id).status == 503
    assert rig.list(to=NUMBER).status == 503

    def broken(*_: object) -> object:
        raise ValueError(f"a fault of ours\n{TEXT} {NUMBER}")

    rig.accept = broken
    assert send(rig) == 503
    rig.accept = None
    name = rig.sql("SELECT current_database()::text AS name")[0]["name"]

    async def cut_off() -> None:
        outside = await asyncpg.connect(rig.dsn, database="postgres")
        await outside.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        await outside.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        await outside.close()

    asyncio.run(cut_off())
    assert send(rig, servicePlanId=OTHER) == 503
    assert rig.get(msg_id).status == 503


def test_no_token_text_or_number_is_logged(own: Rig, logging: None, capfd: pytest.CaptureFixture[str]) -> None:
    unknown = issue().token
    in_order(own, unknown)
    out_of_order(own)
    written = capfd.readouterr()
    lines = [json.loads(line) for line in written.err.splitlines()]
    events = {line["event"] for line in lines}
    assert {"api.fault", "accept.bad_row"} <= events, events
    # Which of them depends on whether the end of the connection was seen before the batch was sent.
    assert events & {"accept.unavailable", "accept.lost"}, events
    whole = written.out + written.err + json.dumps(lines, ensure_ascii=False)
    marks = ["canary", "\x1b", NUMBER[1:], SENDER[1:], RECIPIENT[1:], unknown, *own.tokens.values()]
    assert [mark for mark in marks if mark in whole] == []
    # Numbers that a field held are there as they may be.
    assert not [line for line in lines if "31612345678" in json.dumps(line)]
