"""Clients that send or read too slowly: each deadline, and that good clients do not notice them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from api_rig import PLAN, RECIPIENT, Rig

from trunkline.api.exchange import Limits

LIMITS = Limits(header_s=0.5, body_s=0.9, idle_s=1.6, linger_s=0.3, sweep_s=0.05)
SLACK_S = 1.0


@pytest.fixture(scope="module")
def quick(server: str, template: str) -> Iterator[Rig]:
    """The API with deadlines that a test can wait for."""
    name = f"test_{uuid.uuid4().hex}"

    async def execute(statement: str) -> None:
        conn = await asyncpg.connect(server)
        await conn.execute(statement)
        await conn.close()

    asyncio.run(execute(f"CREATE DATABASE {name} TEMPLATE {template}"))
    with Rig(urlunsplit(urlsplit(server)._replace(path=f"/{name}")), LIMITS) as running:
        yield running
    asyncio.run(execute(f"DROP DATABASE {name} WITH (FORCE)"))


def until_end(conn: socket.socket) -> tuple[bytes, float]:
    """What the server says until it ends the connection, and the seconds that took."""
    started, got = time.monotonic(), b""
    with contextlib.suppress(ConnectionResetError):
        while piece := conn.recv(65536):
            got += piece
    return got, time.monotonic() - started


@pytest.mark.parametrize(
    ("written", "status", "deadline_s"),
    [
        (b"", b"", LIMITS.idle_s),
        (b"G", b"408", LIMITS.header_s),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\n", b"408", LIMITS.header_s),
        (b"POST /v1/sendsms HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc", b"408", LIMITS.body_s),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"408", LIMITS.body_s),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", b"200", LIMITS.idle_s),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /healthz HTTP/1.1\r\n", b"200", LIMITS.header_s),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"200", 0.0),
    ],
    ids=["silent", "one octet", "half a head", "half a body", "half a chunked body", "kept alive", "a half after one",
         "close"],
)  # fmt: skip
def test_deadlines(quick: Rig, written: bytes, status: bytes, deadline_s: float) -> None:
    with socket.create_connection(("127.0.0.1", quick.port), timeout=10) as conn:
        conn.sendall(written)
        got, took_s = until_end(conn)
    assert got[9:12] == status
    assert deadline_s - 0.2 <= took_s <= deadline_s + SLACK_S
    if status == b"408":
        problem = json.loads(got.partition(b"\r\n\r\n")[2])
        assert problem["code"] == "request_timeout"
    if written.count(b"GET") == 2:
        assert got.count(b"HTTP/1.1 408") == 1


@pytest.mark.parametrize(
    ("written", "deadline_s"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: ", LIMITS.header_s),
        (b"POST /v1/sendsms HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n", LIMITS.body_s),
    ],
    ids=["head", "body"],
)
def test_an_octet_now_and_then_does_not_move_the_deadline(quick: Rig, written: bytes, deadline_s: float) -> None:
    with socket.create_connection(("127.0.0.1", quick.port)) as conn:
        conn.settimeout(0.05)
        conn.sendall(written)
        started = time.monotonic()
        got = b""
        while not got and time.monotonic() - started < deadline_s + SLACK_S:
            try:
                got = conn.recv(65536)
            except TimeoutError:
                conn.sendall(b"x")
        assert got.startswith(b"HTTP/1.1 408")
        assert time.monotonic() - started >= deadline_s - 0.2


def test_who_does_not_read_is_cut_off(quick: Rig) -> None:
    """Answers of megabytes, asked for again and again on one connection and never read."""
    quick.sql(
        "INSERT INTO msg (plan_id, msg_id, account_id, recipient, body, encoding, parts, expires_at)"
        " SELECT 1, (substr(msg_id_floor(now())::text, 1, 15) || '000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 1,"
        " $1, repeat('x', 1600), 0, 1, now() FROM generate_series(1, 100) AS n",
        RECIPIENT,
    )
    request = (
        f"GET /v1/messages/sms?servicePlanId={PLAN}&to=%2B{RECIPIENT[1:]}&limit=100 HTTP/1.1\r\nHost: a\r\n"
        f"Authorization: Bearer {quick.tokens['full']}\r\n\r\n"
    ).encode()
    with socket.socket() as conn:
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        conn.connect(("127.0.0.1", quick.port))
        conn.settimeout(LIMITS.idle_s + 6)
        conn.sendall(request * 200)
        # Reading is paused as long as nothing is read; then the connection is reset.
        started = time.monotonic()
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            while time.monotonic() - started < LIMITS.idle_s + 6:
                conn.sendall(request * 100)
        assert time.monotonic() - started < LIMITS.idle_s + SLACK_S + 2


def test_good_clients_do_not_notice_five_hundred_slow_ones(quick: Rig) -> None:
    slow = []
    try:
        for n in range(500):
            conn = socket.create_connection(("127.0.0.1", quick.port), timeout=10)
            conn.sendall([b"GET /", b"POST /v1/sendsms HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx"][n % 2])
            slow.append(conn)
        assert quick.send().status == 202
        for conn in slow:
            got, _ = until_end(conn)
            assert got.startswith(b"HTTP/1.1 408")
    finally:
        for conn in slow:
            conn.close()
    assert quick.send().status == 202


def test_the_server_stops_while_connections_are_open(server: str, template: str) -> None:
    """Idle ones are closed at once, the one in work gets its answer first, with the word that it is the last."""
    name = f"test_{uuid.uuid4().hex}"

    async def execute(statement: str) -> None:
        conn = await asyncpg.connect(server)
        await conn.execute(statement)
        await conn.close()

    asyncio.run(execute(f"CREATE DATABASE {name} TEMPLATE {template}"))
    with Rig(urlunsplit(urlsplit(server)._replace(path=f"/{name}"))) as rig:
        arrived, go_on = asyncio.Event(), asyncio.Event()

        async def accept(submission: object) -> object:
            arrived.set()
            await go_on.wait()
            return await rig.real_accept(submission)

        rig.accept = accept
        body = json.dumps(
            {"servicePlanId": PLAN, "channel": "SMS", "from": "12345", "to": RECIPIENT, "body": "x"}
        ).encode()
        with (
            socket.create_connection(("127.0.0.1", rig.port), timeout=10) as idle,
            socket.create_connection(("127.0.0.1", rig.port), timeout=10) as busy,
        ):
            busy.sendall(
                b"POST /v1/sendsms HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %b\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (rig.tokens["full"].encode(), len(body), body)
            )
            rig.run(asyncio.wait_for(arrived.wait(), 5))
            rig.stop()
            assert until_end(idle)[0] == b""
            rig.loop.call_soon_threadsafe(go_on.set)
            got, _ = until_end(busy)
            assert got.startswith(b"HTTP/1.1 202")
            assert b"\r\nconnection: close\r\n" in got
    asyncio.run(execute(f"DROP DATABASE {name} WITH (FORCE)"))
