"""Log injection (T42, I13): whatever stands in any field, header, path or query, one event is one line of valid JSON,
numbers in it are masked, and the text of a message is in none."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from api_rig import PLAN, Rig

from trunkline.api.protocol import ApiProtocol
from trunkline.runtime import log

TEXT = "canary text"
NUMBER, MASKED = "+31612345642", "+3161•••••42"
NASTY = {
    "line ends": '\r\n{"at": "2026-01-01T00:00:00Z", "level": "error", "event": "forged"}\r\n',
    "escape sequence": "\x1b[2J\x1b]0;forged\x07\x9b31m",
    "line separators": "\u2028\u2029\x85\x0b\x0c",
    "escaped line ends": "%0a%0d%250a",
    "JSON": '"}\n{"event":"forged',
    "backslashes": "\\\\\\u000a\\",
    "format strings": "%s %n %(x)s {0} {x.__class__} ${jndi:ldap://forged}",
    "right to left": "\u202e\ufeff\ufffe",
    "long": "x" * 1500,
}


@pytest.fixture
def logging() -> Iterator[None]:
    log.configure(level="debug", format="json")
    yield
    log.configure(level="info", format="console")


def written(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The events. Each has to be a line of ASCII, by every reader's notion of a line."""
    text = capfd.readouterr().err
    assert text.isascii()
    assert text.splitlines() == text.split("\n")[:-1]
    events = [json.loads(line) for line in text.splitlines()]
    assert all(list(event)[:3] == ["at", "level", "event"] for event in events)
    assert "forged" not in {event["event"] for event in events}
    whole = text + json.dumps(events, ensure_ascii=False)
    assert [mark for mark in (TEXT, NUMBER[1:]) if mark in whole] == []
    return events


@pytest.mark.parametrize("nasty", NASTY.values(), ids=NASTY)
def test_in_every_field_header_path_and_query(
    rig: Rig, nasty: str, logging: None, capfd: pytest.CaptureFixture[str]
) -> None:
    for field in ("servicePlanId", "channel", "from_", "to", "callbackUrl", "sendAt", "validityPeriod", "other"):
        assert rig.send(**{field: nasty, "body": TEXT}).status == 400
    assert rig.send(body=TEXT + nasty, clientReference=nasty[:255], to=NUMBER).status == 202
    assert rig.list(**{"from_": nasty, "cursor": nasty, quote(nasty[:60]): nasty}).status == 400
    assert rig.ask("GET", f"/v1/messages/sms/{quote(nasty, safe='')}?servicePlanId={quote(nasty)}").status == 400
    raw = nasty.encode().replace(b"\r", b"").replace(b"\n", b"")  # with line ends it would be other headers
    for header in ("Authorization", "Idempotency-Key", "Content-Type", "User-Agent", "X-Forwarded-For", "X-Request-Id",
                   "Prefer"):  # fmt: skip
        connection = http.client.HTTPConnection("127.0.0.1", rig.port, timeout=10)
        connection.putrequest("POST", "/v1/sendsms")
        connection.putheader(header, raw)
        if header != "Authorization":
            connection.putheader("Authorization", f"Bearer {rig.tokens['full']}")
        connection.putheader("Content-Length", "2")
        connection.endheaders(b"{}")
        assert connection.getresponse().status in (400, 401, 415)
        connection.close()
    written(capfd)


@pytest.mark.parametrize("nasty", NASTY.values(), ids=NASTY)
def test_in_a_fault_of_ours(rig: Rig, nasty: str, logging: None, capfd: pytest.CaptureFixture[str]) -> None:
    def broken(*_: object) -> object:
        raise ValueError(f"{nasty.lstrip()[:200]} {NUMBER} {nasty}\n{TEXT}")

    rig.accept = broken
    try:
        assert rig.send(body=TEXT, to=NUMBER).status == 503
    finally:
        rig.accept = None
    assert [event["event"] for event in written(capfd)] == ["api.fault"]


def test_a_number_in_a_path_is_masked(
    rig: Rig, logging: None, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> object:
        raise ValueError(f"cannot do it for {NUMBER}")

    monkeypatch.setattr("trunkline.api.token.Tokens.check", broken)
    assert rig.ask("GET", f"/v1/messages/sms/{NUMBER}?servicePlanId={PLAN}&to={NUMBER}").status == 503
    (event,) = written(capfd)
    assert (event["path"], event["error"]) == (f"/v1/messages/sms/{MASKED}", f"ValueError: cannot do it for {MASKED}")


def test_a_fault_in_a_callback_does_not_show_what_it_held(
    rig: Rig, logging: None, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event loop tells of a callback by its spelling, arguments included; ours hold the message."""

    def broken(*_: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(ApiProtocol, "_respond", broken)
    body = json.dumps({"servicePlanId": PLAN, "channel": "SMS", "from": "12345", "to": NUMBER, "body": TEXT})
    with socket.create_connection(("127.0.0.1", rig.port), timeout=10) as conn:
        conn.sendall(
            f"POST /v1/sendsms HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {rig.tokens['full']}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        seen = ""
        while "library.said" not in seen:
            seen += capfd.readouterr().err
    (event,) = [json.loads(line) for line in seen.splitlines()]
    assert (event["logger"], event["error"]) == ("asyncio", "ValueError: broken")
    assert TEXT not in seen
    assert NUMBER[1:] not in seen
