"""Webhooks a second from the queue to a fast receiver: claim, body, signature, post, record. And CPU for each.

    just bench-hooks [EVENTS]        # or: python bench/hooks.py [--events 60000] [--lanes 8] [--per-origin 32]

The receiver does next to nothing, in a process of its own; PostgreSQL is durable. Beside it, in the same run, what a
client could do at best: a loop that writes one request, again and again, on as many connections.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import os
import time
from ipaddress import ip_network
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import asyncpg
import uvloop

from trunkline.domain.callback import Policy
from trunkline.domain.provisioning import Plan, PlanId, Provisioning
from trunkline.store.embedded import scratch
from trunkline.store.migrate import migrate
from trunkline.webhooks.client import HookClient
from trunkline.webhooks.deliver import Delivery
from trunkline.webhooks.sign import new_secret, secret_key
from trunkline.webhooks.target import target_of

_POLICY = Policy(True, (ip_network("127.0.0.0/8"),))
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_REQUEST = (
    b"POST /dlr HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: Trunkline/0\r\nContent-Type: application/json\r\n"
    b"webhook-id: 01956e3a-7c00-7000-8000-0123456789ab-2\r\nwebhook-timestamp: 1741082402\r\n"
    b"webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=\r\nContent-Length: 520\r\n\r\n{%b}"
) % (b'"x":1,' * 86 + b'""')
_FILL = """
INSERT INTO account (public_id, name) VALUES (repeat('1', 24), 'a');
INSERT INTO plan (public_id, account_id, name)
    SELECT lpad(n::text, 24, '0'), 1, 'p' || n FROM generate_series(1, {lanes}) AS n;
WITH m AS (
    SELECT n, 1 + n % {lanes} AS plan_id,
           (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || '7000'
            || '8' || lpad(to_hex(n), 15, '0'))::uuid AS msg_id
    FROM generate_series(1, {events}) AS n
), stored AS (
    INSERT INTO msg (plan_id, msg_id, account_id, sender, recipient, body, encoding, parts, expires_at, status, sent_at,
                     final_at)
    SELECT plan_id, msg_id, 1, '12345', '+4670' || lpad(n::text, 8, '0'), 'Your verification code is ' || n, 0, 1,
           now(), 2, now(), now()
    FROM m
)
INSERT INTO hook_queue (plan_id, origin, due_at, msg_id, n, configured, url)
SELECT plan_id, o.origin, now(), msg_id, 2, false, o.origin || '/dlr'
FROM m CROSS JOIN LATERAL (SELECT 'http://127.0.0.' || plan_id || ':{port}' AS origin) AS o;
"""


class _Sink(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"}"):  # the end of a body
            self.transport.write(_ANSWER)


def _receive(ready: Pipe) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(_Sink, "0.0.0.0", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await loop.run_in_executor(None, ready.recv)

    uvloop.run(main())


class _Loop(asyncio.Protocol):
    """One connection of a client that does nothing but write."""

    left = 0
    over: asyncio.Event

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.write(_REQUEST)

    def data_received(self, data: bytes) -> None:
        _Loop.left -= 1
        if _Loop.left > 0:
            self.transport.write(_REQUEST)
        else:
            _Loop.over.set()


async def _bare(port: int, count: int, connections: int) -> tuple[float, float]:
    """Requests a second of the bare loop, and its CPU seconds for all of them."""
    _Loop.left, _Loop.over = count, asyncio.Event()
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(connections):
        await asyncio.get_running_loop().create_connection(_Loop, "127.0.0.1", port)
    await _Loop.over.wait()
    return count / (time.perf_counter() - began), time.process_time() - cpu


def _cpu_s(pids: list[int]) -> float:
    """CPU of processes and of their children that have ended."""
    total = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    return total


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().partition("PPid:")[2].split()[0])


def _postgres(postmaster: int) -> list[int]:
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    return [postmaster, *map(int, children)]


async def _deliver(dsn: str, lanes: int, per_origin: int, events: int) -> tuple[float, float, float]:
    """Seconds, CPU seconds of this process and of PostgreSQL, until the queue is empty."""
    secret = (secret_key(new_secret()),)
    plans = {
        PlanId(n): Plan(n, f"{n:024d}", 1, "1" * 24, f"p{n}", True, None, None, False, 600, 3600, 0, True, None, secret)
        for n in range(1, lanes + 1)
    }
    picture = Provisioning(1, {}, plans, {}, {}, {}, {}, {}, ())
    conn = await asyncpg.connect(dsn)
    postmaster = _parent(conn.get_server_pid())
    client = HookClient(_POLICY, per_origin=per_origin)
    delivery = Delivery(dsn, client, provisioning=lambda: picture, target_of=target_of(_POLICY))
    database = _postgres(postmaster)
    before = _cpu_s(database)
    began, cpu = time.perf_counter(), time.process_time()
    running = asyncio.create_task(delivery.run())
    told = 0
    while told < events:
        await asyncio.wait([running], timeout=0.05)
        told = int(delivery._delivered.value)
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    delivery.drain()
    await running
    now = _postgres(postmaster)
    used = _cpu_s(now) - before
    assert await conn.fetchval("SELECT count(*) FROM hook_attempt WHERE status = 200") == events
    await client.close()
    await conn.close()
    return took, cpu, used


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--events", type=int, default=60_000)
    arguments.add_argument("--lanes", type=int, default=8)
    arguments.add_argument("--per-origin", type=int, default=32)
    options = arguments.parse_args()

    here, there = multiprocessing.Pipe()
    receiver = multiprocessing.get_context("spawn").Process(target=_receive, args=(there,), daemon=True)
    receiver.start()
    port = here.recv()
    bare, bare_cpu = uvloop.run(_bare(port, options.events, options.lanes * 8))
    with scratch({"fsync": "on", "full_page_writes": "on"}) as server:
        asyncio.run(migrate(server.dsn))

        async def fill() -> None:
            conn = await asyncpg.connect(server.dsn)
            await conn.execute(_FILL.format(lanes=options.lanes, events=options.events, port=port))
            await conn.execute("VACUUM ANALYZE")
            await conn.close()

        asyncio.run(fill())
        gc.collect()  # as in the processes (roles/process.py)
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        took, cpu, database = uvloop.run(_deliver(server.dsn, options.lanes, options.per_origin, options.events))
    here.send(None)
    receiver.join()
    rate, thousands = options.events / took, options.events / 1000
    print(f"bare loop    {bare:8,.0f} requests/s, CPU s/1000 {bare_cpu / thousands:.3f}")
    print(f"webhooks     {rate:8,.0f} a second, {rate / bare:.2f} of the bare loop")
    here_s, there_s = cpu / thousands, database / thousands
    print(f"CPU s/1000   {here_s + there_s:8.3f}: {here_s:.3f} here, {there_s:.3f} in PostgreSQL")


if __name__ == "__main__":
    main()
