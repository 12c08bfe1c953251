"""Framing: what is written to the socket, octet for octet, and which answers come back."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from api_rig import Rig

CORPUS = json.loads((Path(__file__).parents[1] / "corpus" / "http_framing.json").read_text())
BODY = '{"servicePlanId":"222222222222222222222222","channel":"SMS","from":"12345","to":"+15550002222","body":"x"}'


def spell(rig: Rig, text: str) -> bytes:
    text = re.sub(r"\{big:(\d+)\}", lambda match: "a" * int(match[1]), text)
    for name, value in {
        "token": rig.tokens["full"],
        "body": BODY,
        "length": str(len(BODY)),
        "hex": f"{len(BODY):x}",
    }.items():
        text = text.replace(f"{{{name}}}", value)
    return text.encode("latin-1")


def answers(octets: bytes) -> list[int]:
    """The statuses in a stream of answers, each of which has to be whole: a head, and a body as long as it says."""
    found = []
    while octets:
        head, end, rest = octets.partition(b"\r\n\r\n")
        assert end, octets
        lines = head.split(b"\r\n")
        match = re.fullmatch(rb"HTTP/1\.1 (\d{3}) [A-Za-z -]+", lines[0])
        assert match, lines
        status = int(match[1])
        found.append(status)
        if status == 100:
            assert len(lines) == 1
            octets = rest
            continue
        fields = dict(line.lower().split(b": ", 1) for line in lines[1:])
        assert {b"date", b"x-request-id", b"content-length"} <= fields.keys()
        assert len(fields) == len(lines) - 1
        length = int(fields[b"content-length"])
        if status >= 400:
            assert fields[b"content-type"] == b"application/problem+json"
            assert json.loads(rest[:length])["status"] == status
        octets = rest[length:]
        assert fields.get(b"connection") != b"close" or not octets, "more after the last answer"
    return found


def closes(octets: bytes) -> bool:
    return b"\r\nconnection: close\r\n" in octets


def exchange(rig: Rig, written: bytes, wanted: int) -> tuple[bytes, bool]:
    """What came back, and whether the server ended the connection. Waits for `wanted` answers, or the end."""
    with socket.create_connection(("127.0.0.1", rig.port), timeout=5) as conn:
        conn.sendall(written)
        got = b""
        while True:
            # With all answers here, an end that is to come comes at once; else the silence is the proof.
            conn.settimeout(5 if not whole(got, wanted) or closes(got) else 0.1)
            try:
                piece = conn.recv(65536)
            except TimeoutError:
                return got, False
            if not piece:
                return got, True
            got += piece


def whole(octets: bytes, wanted: int) -> bool:
    try:
        return len(answers(octets)) >= wanted
    except (AssertionError, ValueError):
        return False


@pytest.mark.parametrize("row", CORPUS["rows"], ids=[row["id"] for row in CORPUS["rows"]])
def test_framing_corpus(rig: Rig, row: dict[str, Any]) -> None:
    wanted = row.get("answers") or row["answers_any_of"][0]
    got, ended = exchange(rig, spell(rig, row["send"]), len(wanted))
    assert answers(got) in row.get("answers_any_of", [row.get("answers")]), (row["why"], got[:600])
    if "closed" in row:
        assert ended is row["closed"], row["why"]
        assert closes(got) is row["closed"]


@pytest.mark.parametrize("row", [row for row in CORPUS["rows"] if len(row["send"]) < 700 and "big" not in row["send"]],
                         ids=lambda row: row["id"])  # fmt: skip
def test_framing_does_not_depend_on_where_the_stream_is_cut(rig: Rig, row: dict[str, Any]) -> None:
    """The same octets one by one, fed to the protocol through the socket of a connection without delay."""
    written = spell(rig, row["send"])
    wanted = row.get("answers") or row["answers_any_of"][0]
    with socket.create_connection(("127.0.0.1", rig.port), timeout=5) as conn:
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for position in range(len(written)):
            try:
                conn.sendall(written[position : position + 1])
            except (BrokenPipeError, ConnectionResetError):
                break
        got = b""
        while not whole(got, len(wanted)):
            piece = conn.recv(65536)
            if not piece:
                break
            got += piece
    assert answers(got) in row.get("answers_any_of", [row.get("answers")]), row["why"]


def test_a_half_closed_client_still_gets_its_answer(rig: Rig) -> None:
    request = CORPUS["rows"][1]
    with socket.create_connection(("127.0.0.1", rig.port), timeout=5) as conn:
        conn.sendall(spell(rig, request["send"]))
        conn.shutdown(socket.SHUT_WR)
        got = b""
        while piece := conn.recv(65536):
            got += piece
    assert answers(got) == [202]


def test_a_client_that_goes_on_sending_can_still_read_its_refusal(rig: Rig) -> None:
    head = spell(
        rig,
        "POST /v1/sendsms HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        "Content-Length: 5000000\r\n\r\n",
    )
    with socket.create_connection(("127.0.0.1", rig.port), timeout=5) as conn:
        conn.sendall(head + b"x" * 5_000_000)
        got = b""
        while piece := conn.recv(65536):
            got += piece
    assert answers(got) == [413]


def test_a_thousand_pipelined_requests_in_order(rig: Rig) -> None:
    one = spell(rig, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\n")
    got, _ = exchange(rig, one * 500, 1000)
    assert answers(got) == [200, 404] * 500
