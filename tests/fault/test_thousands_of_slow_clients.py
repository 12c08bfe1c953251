"""Two thousand clients each that send their headers, their body, or read their answer too slowly (T44): every one is
cut off by its deadline, and good clients do not notice them."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from rig.installation import installation
from rig.recording import Recording
from rig.trial import trial

from trunkline.runtime import clock

COUNT = 2000
PER_S = 100
OPENED_PER_S = 500
IDLE_S = 75
# Sweeps come four times a second; the rest is for two thousand ends at one moment, on both sides of the wire.
SLACK_S = 2.0


@dataclass(frozen=True)
class Kind:
    """What such a client writes at first and then every few seconds; when it has to be cut off."""

    first: bytes
    then: bytes
    every_s: float
    deadline_s: float
    answer: bytes  # how what it gets begins


KINDS = {
    "header": Kind(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: ", b"x", 2, 5, b"HTTP/1.1 408 "),
    "body": Kind(
        b"POST /v1/sendsms HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n", b"x", 4, 10, b"HTTP/1.1 408 "
    ),
}


async def slow(port: int, kind: Kind, number: int) -> tuple[float, bytes]:
    """One such client; how long it was let be, and what it was told."""
    loop = asyncio.get_running_loop()
    await clock.sleep(number / OPENED_PER_S)
    conn = socket.socket()
    conn.setblocking(False)
    try:
        await loop.sock_connect(conn, ("127.0.0.1", port))
        began = time.monotonic()
        await loop.sock_sendall(conn, kind.first)
        while True:
            try:
                got = await asyncio.wait_for(loop.sock_recv(conn, 65536), kind.every_s)
                return time.monotonic() - began, got
            except TimeoutError:
                await loop.sock_sendall(conn, kind.then)
    finally:
        conn.close()


async def unread(port: int, number: int) -> socket.socket:
    """A client that asks for more than it will ever read."""
    loop = asyncio.get_running_loop()
    await clock.sleep(number / OPENED_PER_S)
    conn = socket.socket()
    conn.setblocking(False)
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await loop.sock_connect(conn, ("127.0.0.1", port))
    await loop.sock_sendall(conn, b"GET /docs/api/error-codes/ HTTP/1.1\r\nHost: a\r\n\r\n")
    return conn


def p99(client: Recording, since: float) -> float:
    took = sorted(line["s"] for line in client.lines() if line["t"] >= since and line["answer"] == 202)
    assert len(took) > 300
    return float(took[len(took) * 99 // 100])


async def _p99_of_ten_seconds(client: Recording) -> float:
    since = time.monotonic()
    await client.wait("accepted", (await client.ask("counts"))["accepted"] + 10 * PER_S)
    return p99(client, since)


@pytest.mark.fault
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", KINDS)
def test_each_is_cut_off_and_good_clients_do_not_notice(name: str, folder: Path, database: str) -> None:
    kind = KINDS[name]

    async def main() -> None:
        async with installation(folder, database) as it:
            client = await it.client(senders=4)
            await client.ask("begin", per_s=PER_S)
            await client.wait("accepted", 2 * PER_S)  # warm
            alone = await _p99_of_ten_seconds(client)
            since = time.monotonic()
            ends = await asyncio.gather(*(slow(it.port, kind, n) for n in range(COUNT)))
            beside = p99(client, since)
            alone = max(alone, await _p99_of_ten_seconds(client))  # the machine may be another's, too
            await client.ask("end")
            took = sorted(took for took, _ in ends)
            print(f"{name}: {took[0]:.2f} to {took[-1]:.2f} s; p99 {alone * 1000:.1f} and {beside * 1000:.1f} ms")
            assert kind.deadline_s - 0.5 <= took[0]
            assert took[-1] <= kind.deadline_s + SLACK_S
            assert all(got.startswith(kind.answer) for _, got in ends)
            assert {line["answer"] for line in client.lines()} == {202}
            assert beside <= 2 * alone

    trial(main(), 240)


@pytest.mark.fault
@pytest.mark.timeout(300)
def test_who_does_not_read_is_let_go_and_good_clients_do_not_notice(folder: Path, database: str) -> None:
    async def main() -> None:
        async with installation(folder, database) as it:
            client = await it.client(senders=4)
            await client.ask("begin", per_s=PER_S)
            await client.wait("accepted", 2 * PER_S)
            alone = await _p99_of_ten_seconds(client)
            # Who does not read is not told that it was cut off, so the API's own files are counted.
            files = Path(f"/proc/{it.serve.pid('api-1')}/fd")
            before = len(list(files.iterdir()))
            since = time.monotonic()
            conns = await asyncio.gather(*(unread(it.port, n) for n in range(COUNT)))
            opened = time.monotonic()
            assert len(list(files.iterdir())) >= before + COUNT - 20  # of the database's some may have gone
            first = None
            while (count := len(list(files.iterdir()))) > before + 10:
                if first is None and count < before + COUNT - 20:
                    first = time.monotonic() - since
                assert time.monotonic() - opened < IDLE_S + SLACK_S, f"{count - before} of {COUNT} are still there"
                await clock.sleep(0.25)
            took = time.monotonic() - opened
            beside = p99(client, since)
            alone = max(alone, await _p99_of_ten_seconds(client))  # the machine may be another's, too
            await client.ask("end")
            for conn in conns:
                conn.close()
            print(f"read: {first:.2f} s and {took:.2f} s; p99 {alone * 1000:.1f} and {beside * 1000:.1f} ms")
            assert first is not None
            assert first >= IDLE_S - 0.5
            assert {line["answer"] for line in client.lines()} == {202}
            assert beside <= 2 * alone

    trial(main(), 240)
