"""A customer's server on loopback and the events that are to reach it, for tests of what webhooks do to the tables."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import asyncpg

from trunkline.domain.callback import Policy
from trunkline.domain.ids import MsgIds
from trunkline.domain.provisioning import Plan, Provisioning
from trunkline.runtime.clock import monotonic_s, wall_ms
from trunkline.webhooks.client import HookClient, tls_context
from trunkline.webhooks.deliver import Delivery
from trunkline.webhooks.target import target_of

POLICY = Policy(allow_http=True, allowed_networks=(ip_network("127.0.0.0/8"),))
TLS = tls_context()
IDS = MsgIds()


def provisioned(*plan_ids: int) -> Provisioning:
    plans = {
        n: Plan(n, f"{n:024d}", 1, "1" * 24, f"p{n}", True, None, None, False, 600, 3600, 0, True, None, ())
        for n in plan_ids
    }
    return Provisioning(1, {}, plans, {}, {}, {}, {}, {}, ())


class Receiver:
    """Answers `status` to whatever is posted, and keeps it."""

    def __init__(self) -> None:
        self.status = b"200 OK"
        self.headers = b""
        self.answer = b"ok"
        self.posts: list[tuple[str, dict[str, Any]]] = []
        self.heads: list[dict[str, str]] = []  # of the posts: their headers, names in lower case
        self.bodies: list[bytes] = []
        self.came = asyncio.Event()
        self.let = asyncio.Event()
        self.let.set()
        self.url = ""
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def events(self) -> list[str]:
        """The webhook-ids, in the order they came."""
        return [event for event, _ in self.posts]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lines = [line.split(": ", 1) for line in head.split("\r\n")[1:-2]]
                fields = {name.lower(): value for name, value in lines}
                body = await reader.readexactly(int(fields["content-length"]))
                self.heads.append(fields)
                self.bodies.append(body)
                self.posts.append((fields["webhook-id"], json.loads(body)))
                self.came.set()
                await self.let.wait()
                writer.write(
                    b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n%b"
                    % (self.status, len(self.answer), self.headers, self.answer)
                )
                await writer.drain()
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def count(self, count: int) -> None:
        """Returns once so many posts have come."""
        while len(self.posts) < count:
            self.came.clear()
            await asyncio.wait_for(self.came.wait(), 20)


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        server.close()
        tasks = list(found._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def delivering(
    dsn: str, provisioning: Callable[[], Provisioning | None], *, now: Callable[[], float] = monotonic_s
) -> AsyncIterator[Delivery]:
    """A delivering process, drained at the end. `now`: what its breakers go by."""
    client = HookClient(POLICY, tls=TLS)
    delivery = Delivery(dsn, client, provisioning=provisioning, target_of=target_of(POLICY), now=now)
    task = asyncio.create_task(delivery.run())
    try:
        yield delivery
        delivery.drain()
        await asyncio.wait_for(task, 20)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.close()


async def set_up(conn: asyncpg.Connection, dlr_url: str | None = None, mo_url: str | None = None) -> None:
    """Account 1 with its plan 1, as the events' tables know them."""
    await conn.execute("INSERT INTO account (public_id, name) VALUES (repeat('1', 24), 'acme')")
    await conn.execute(
        "INSERT INTO plan (public_id, account_id, name, dlr_url, mo_url) VALUES (lpad('1', 24, '0'), 1, 'otp', $1, $2)",
        dlr_url, mo_url,
    )  # fmt: skip


async def message(conn: asyncpg.Connection, *, plan: int = 1, status: int | None = 2, late: bool = False) -> UUID:
    msg_id = IDS.new(wall_ms())
    await conn.execute(
        "INSERT INTO msg (plan_id, msg_id, account_id, sender, recipient, body, encoding, parts, expires_at, status,"
        " final_at, late)"
        " VALUES ($1, $2, 1, '12345', '+15550001111', 'hi', 0, 1, now() + interval '1 day', $3,"
        " CASE WHEN $3::smallint IS NOT NULL THEN now() END, $4)",
        plan, msg_id, status, late,
    )  # fmt: skip
    return msg_id


async def event(
    conn: asyncpg.Connection,
    url: str,
    msg_id: UUID,
    *,
    plan: int = 1,
    n: int = 2,
    ago_s: float = 0,
    tries: int = 0,
    configured: bool = True,
) -> None:
    await conn.execute(
        "INSERT INTO hook_queue (plan_id, origin, due_at, msg_id, n, tries, configured, url)"
        " VALUES ($1, $2, trunkline_now() - $3 * interval '1 second', $4, $5, $6, $7, $2 || '/dlr')",
        plan, url, float(ago_s), msg_id, n, tries, configured,
    )  # fmt: skip


async def when(conn: asyncpg.Connection, condition: str, delivery: Delivery | None = None) -> None:
    """Returns once the condition holds in the database. `delivery`: it is woken until then, for what came without a
    word to it."""
    async with asyncio.timeout(20):
        while not await conn.fetchval(f"SELECT {condition}"):
            if delivery is not None:
                delivery.wake()
            await conn.execute("SELECT pg_sleep(0.01)")
