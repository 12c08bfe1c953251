"""T37, and the trip to receivers of every kind, servers in another process: plain, TLS, slow, resetting, huge …"""

from __future__ import annotations

import asyncio
import json
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hook_receiver import Authority
from rig.installation import Installation, installation
from rig.recording import Recording
from rig.trial import trial, until

from trunkline.domain.ids import MsgIds
from trunkline.runtime import clock
from trunkline.store import db
from trunkline.store.timeline import timeline


def _server_file(folder: Path, authority: Authority, name: str, *hosts: str, expired: bool = False) -> str:
    """A PEM file of key and certificate for a server."""
    file = folder / f"{name}.pem"
    authority.server(*hosts, expired=expired, file=file)
    return str(file)


async def _receivers(folder: Path) -> Recording:
    authority = Authority(folder)
    (folder / "strangers").mkdir(exist_ok=True)
    stranger = Authority(folder / "strangers")
    return await Recording.started(
        "receivers",
        folder / "receivers.jsonl",
        tls={
            "tls": [_server_file(folder, authority, "tls", "localhost", "127.0.0.1")],
            "asking": [_server_file(folder, authority, "asking", "localhost"), str(authority.file)],
            "expired": [_server_file(folder, authority, "expired", "localhost", expired=True)],
            "another_host": [_server_file(folder, authority, "another_host", "example.com")],
            "self_signed": [_server_file(folder, stranger, "self_signed", "localhost")],
        },
    )


def _around(folder: Path) -> dict[str, str]:
    """What the processes under test are to know: who is to be trusted, and where `localhost` leads."""
    networks = "127.0.0.0/8,::1/128"
    return {"SSL_CERT_FILE": str(folder / "ca.pem"), "TRUNKLINE_CALLBACK_ALLOWED_NETWORKS": networks}


def _send(it: Installation, url: str) -> UUID:
    """Sends one message; blocking, for it is one."""
    connection = HTTPConnection("127.0.0.1", it.port, timeout=20)
    message = {
        "servicePlanId": it.serve.told["plan"], "channel": "SMS", "from": "12345", "to": "+15550002222",
        "body": "hi", "callbackUrl": url,
    }  # fmt: skip
    headers = {"Authorization": f"Bearer {it.serve.told['token']}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/sendsms", json.dumps(message), headers)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    assert answer.status == 202, body
    return UUID(body["msgId"])


OK = [("HTTP 200", b"thanks")]
# What the attempts of one event come to; the certificates of the last three are refused before a byte is told.
TRIP: dict[str, list[tuple[str, bytes | None]]] = {
    "plain": OK,
    "tls": OK,
    "slow": OK,
    "resetting": [("reset", None), *OK],
    "huge": [("HTTP 200", b"x" * 256)],
    "asking": [("reset", None)],
    "expired": [("tls", None)],
    "another_host": [("tls", None)],
    "self_signed": [("tls", None)],
}


def test_the_trip_to_each(folder: Path, database: str) -> None:
    async def main() -> None:
        receivers = await _receivers(folder)
        ports = receivers.told["ports"]
        try:
            async with installation(folder, database, processes={"webhooks": 1}, environment=_around(folder)) as it:
                ids = {}
                for kind in TRIP:
                    scheme = "http" if kind in ("plain", "slow", "resetting", "huge") else "https"
                    url = f"{scheme}://localhost:{ports[kind]}/hooks/{kind}"
                    ids[kind] = await asyncio.to_thread(_send, it, url)
                await until(it.database, "SELECT count(DISTINCT msg_id) FROM hook_attempt", len(TRIP))
                await until(it.database, "SELECT count(*) FROM hook_queue", 5)
                conn = await db.connect(it.database, name="test")
                again = ids["resetting"]
                await conn.execute("UPDATE hook_queue SET due_at = trunkline_now() WHERE msg_id = $1", again)
                await until(it.database, "SELECT count(*) FROM hook_queue", 4)
                for kind, expected in TRIP.items():
                    assert await _attempts(conn, ids[kind]) == expected, kind
                await conn.close()
                told = [line for line in receivers.lines() if line["k"] == "hook"]
                assert {line["server"] for line in told} == {"plain", "tls", "slow", "resetting", "huge"}
                assert all(line["path"] == f"/hooks/{line['server']}" for line in told)
        finally:
            await receivers.stop()

    trial(main())


async def _attempts(conn: asyncpg.Connection, msg_id: UUID) -> list[tuple[str, bytes | None]]:
    found = await timeline(conn, msg_id)
    assert found is not None
    rows: list[Any] = [event.fields for event in found.events if event.kind == "hook_attempted"]
    return [
        (f"HTTP {row['status']}" if row["status"] else row["failure"], row["excerpt"])
        for row in sorted(rows, key=lambda row: row["tries"])
    ]


EACH = 100
_HOSTILE = {
    "huge", "chunks", "gzip_bomb", "dripping", "headers", "continues", "silent", "reset", "expired", "self_signed",
    "another_host",
}  # fmt: skip


@pytest.mark.fault
@pytest.mark.timeout(240)
def test_hostile_receivers_take_neither_memory_nor_time(folder: Path, database: str) -> None:
    async def main() -> None:
        receivers = await _receivers(folder)
        try:
            async with installation(folder, database, processes={"webhooks": 1}, environment=_around(folder)) as it:
                conn = await asyncpg.connect(it.database)
                ports = receivers.told["ports"]
                await _queue(conn, f"http://localhost:{ports['plain']}", 200)  # warm
                await until(it.database, "SELECT count(*) FROM hook_queue", 0)
                pid = it.serve.pid("webhooks-1")
                before = _peak_kb(pid, anew=True)
                began = clock.monotonic_s()
                for kind in sorted(_HOSTILE):
                    scheme = "https" if kind in ("silent", "expired", "self_signed", "another_host") else "http"
                    await _queue(conn, f"{scheme}://localhost:{ports[kind]}", EACH)
                tried = "SELECT count(*) FROM (SELECT 1 FROM hook_attempt JOIN msg USING (plan_id, msg_id)"
                tried += " GROUP BY callback_url HAVING count(*) >= 20) AS receivers"
                await until(it.database, tried, len(_HOSTILE) + 1, within_s=90)
                took_s = clock.monotonic_s() - began
                grown_mb = (_peak_kb(pid) - before) / 1024
                slowest_ms = await conn.fetchval("SELECT max(latency_ms) FROM hook_attempt")
                print(f"peak memory +{grown_mb:.1f} MB, slowest attempt {slowest_ms} ms, {took_s:.0f} s")
                assert grown_mb <= 30
                assert slowest_ms <= 16_500
                # And others are served as ever.
                await _queue(conn, f"http://localhost:{ports['plain']}", 200)
                await receivers.wait("plain", 400)
                await conn.close()
        finally:
            await receivers.stop()

    trial(main(), 200)


def _peak_kb(pid: int, *, anew: bool = False) -> int:
    """The most memory that a process has had, or from now on (`anew`) has."""
    if anew:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


IDS = MsgIds()


async def _queue(conn: asyncpg.Connection, url: str, count: int) -> None:
    """Final messages of the rig's plan with an event each for a receiver."""
    for _ in range(count):
        msg_id = IDS.new(clock.wall_ms())
        await conn.execute(
            "INSERT INTO msg (plan_id, msg_id, account_id, sender, recipient, body, callback_url, encoding, parts,"
            " expires_at, status, final_at)"
            " VALUES (1, $1, 1, '12345', '+15550001111', 'hi', $2, 0, 1, now(), 2, now())",
            msg_id, f"{url}/x",
        )  # fmt: skip
        await conn.execute(
            "INSERT INTO hook_queue (plan_id, origin, due_at, msg_id, n, configured, url)"
            " VALUES (1, $1, trunkline_now(), $2, 2, false, $1 || '/x')",
            url, msg_id,
        )  # fmt: skip
    await conn.execute("SELECT pg_notify('hooks', '')")
