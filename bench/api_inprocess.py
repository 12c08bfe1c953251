"""What one send request costs the API process without a database: parsing, checks, record, answer.

Two figures: in memory (the protocol fed with bytes, answers caught), and over loopback with keep-alive connections,
CPU time of the server's process only. The accepter stores nothing and says so at once, a batch per loop turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import resource
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any, cast

import uvicorn
import uvloop

from trunkline.api.app import Api
from trunkline.api.limits import RateLimits
from trunkline.api.listener import Listener
from trunkline.domain.message import Accepted, Submission
from trunkline.domain.provisioning import (
    Account,
    AccountId,
    CarrierId,
    Plan,
    PlanId,
    Provisioning,
    Token,
)
from trunkline.domain.routes import Routes
from trunkline.domain.token import issue
from trunkline.runtime.clock import wall_ms
from trunkline.store.limits import Ask, Lease

TURNS = 4  # of the loop, until a request with a key has its answer
PLAN = "2" * 24
BODY = (
    b'{"servicePlanId":"%s","channel":"SMS","from":"+15550001111","to":"+15550002222",'
    b'"body":"Your verification code is 123456","callbackUrl":"https://client.example.com/sms/status"}' % PLAN.encode()
)
ISSUED = issue()
HEAD = (
    b"POST /v1/sendsms HTTP/1.1\r\nHost: localhost:8080\r\nAuthorization: Bearer %s\r\n"
    b"Content-Type: application/json\r\nUser-Agent: bench/1\r\nAccept: */*\r\nContent-Length: %d\r\n"
    % (ISSUED.token.encode(), len(BODY))
)
REQUEST = HEAD + b"\r\n" + BODY
WITH_KEY = HEAD + b"Idempotency-Key: 0f8fad5b-d9cb-469f-a165-70867728950e\r\n\r\n" + BODY


class NullAccepter:
    """Says STORED to all that came in one turn of the loop, by futures, as the real one does for a batch."""

    def __init__(self) -> None:
        self.waiting: list[asyncio.Future[Accepted]] = []
        self.count = 0

    def accept(self, submission: Submission) -> asyncio.Future[Accepted]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Accepted] = loop.create_future()
        if not self.waiting:
            loop.call_soon(self._answer)
        self.waiting.append(future)
        self.count += 1
        return future

    def _answer(self) -> None:
        waiting, self.waiting = self.waiting, []
        for future in waiting:
            future.set_result(Accepted.STORED)


class Plenty:
    """Leases whatever is asked for, at once."""

    async def take(self, asks: Sequence[Ask]) -> list[Lease]:
        return [Lease(ask.wanted, ask.capacity) for ask in asks]

    async def processes(self) -> int:
        return 1

    def abandon(self) -> None:
        pass


def api(accepter: NullAccepter, rate_per_s: int) -> tuple[Api, RateLimits]:
    account_id, plan_id = AccountId(1), PlanId(1)
    account = Account(account_id, "1" * 24, "bench", True, None, None, rate_per_s)
    plan = Plan(
        plan_id,
        PLAN,
        account_id,
        "1" * 24,
        "bench",
        True,
        None,
        None,
        False,
        600,
        259200,
        0,
        True,
        None,
        (),
        rate_per_s,
    )
    token = Token(1, account_id, "bench", ISSUED.hash, frozenset({"messages:send"}), None, None, None, None)
    picture = Provisioning(
        version=1,
        accounts={account_id: account},
        plans={plan_id: plan},
        plans_by_public_id={PLAN: plan},
        tokens={ISSUED.hash: token},
        senders={(plan_id, "+15550001111"): "approved"},
        plan_of_destination={},
        carriers={},
        routes=Routes(),
    )
    limits = RateLimits(Plenty())
    whole = Api(
        provisioning=lambda: picture,
        accept=accepter.accept,
        in_work=lambda plan_id, key: None,
        first_choice=lambda *_: CarrierId(1),
        readers=cast(Any, None),
        writers=cast(Any, None),
        limits=limits,
        now_ms=wall_ms,
        cursor_key=bytes(32),
    )
    return whole, limits


class Sink(asyncio.Transport):
    """Catches what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.written = asyncio.Event()

    def write(self, data: Any) -> None:
        assert data.startswith(b"HTTP/1.1 202"), data[:300]
        self.count += 1
        self.written.set()

    def is_closing(self) -> bool:
        return False


async def in_memory(count: int, connections: int, rate_per_s: int, request: bytes = REQUEST) -> float:
    whole, limits = api(NullAccepter(), rate_per_s)
    leasing = asyncio.create_task(limits.run())
    listener = Listener(whole)
    config = listener.config()
    config.load()
    server = uvicorn.Server(config)
    protocols = [config.http_protocol_class(config, server.server_state, {}) for _ in range(connections)]  # type: ignore[call-arg]
    sinks = [Sink() for _ in protocols]
    for protocol, sink in zip(protocols, sinks, strict=True):
        protocol.connection_made(sink)
    for protocol, sink in zip(protocols, sinks, strict=True):  # the first requests wait for a lease
        protocol.data_received(REQUEST)  # type: ignore[attr-defined]
        await sink.written.wait()
    started = time.process_time()
    for _ in range(count // connections):
        for protocol in protocols:
            protocol.data_received(request)  # type: ignore[attr-defined]
        for _ in range(TURNS):
            turn = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(turn.set_result, None)
            await turn
    spent = time.process_time() - started
    assert sum(sink.count for sink in sinks) == count // connections * connections + connections
    for protocol in protocols:
        protocol.connection_lost(None)
    leasing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await leasing
    return spent / count * 1e6


def serve(listening: socket.socket, reply: Any) -> None:
    async def main() -> None:
        accepter = NullAccepter()
        server = uvicorn.Server(Listener(api(accepter, 0)[0]).config())
        task = asyncio.create_task(server.serve([listening]))
        loop = asyncio.get_running_loop()
        before = resource.getrusage(resource.RUSAGE_SELF)
        await loop.run_in_executor(None, reply.recv)
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        reply.send((cpu, after.ru_utime - before.ru_utime, accepter.count))
        server.should_exit = True
        await task

    uvloop.run(main())


class Client(asyncio.Protocol):
    def __init__(self, left: list[int], done: asyncio.Future[None]) -> None:
        self.left, self.done = left, done

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        assert data.startswith(b"HTTP/1.1 202"), data[:300]
        self.left[0] -= 1
        if self.left[0] > 0:
            self.transport.write(REQUEST)
        elif not self.done.done():
            self.done.set_result(None)


async def load(port: int, count: int, connections: int) -> float:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    left = [count]
    started = time.perf_counter()
    for _ in range(connections):
        await loop.create_connection(lambda: Client(left, done), "127.0.0.1", port)
    await done
    return time.perf_counter() - started


def over_loopback(count: int, connections: int) -> None:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(256)
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=serve, args=(listening, theirs))
    child.start()
    spent = uvloop.run(load(listening.getsockname()[1], count, connections))
    ours.send(None)
    cpu, user, done = ours.recv()
    child.join()
    print(
        f"over loopback, {connections} connections: {cpu / done * 1e6:.1f} CPU-us a request"
        f" ({user / done * 1e6:.1f} user),"
        f" {done / spent:.0f} requests/s"
    )


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 40_000
    for rate_per_s, title in ((0, "no limits"), (1_000_000, "account and plan limited, never reached")) * 2:
        best = min(uvloop.run(in_memory(wanted, 32, rate_per_s)) for _ in range(3))
        print(f"in memory, {title}: {best:.1f} us a send request (parse, check, record, answer; best of 3)")
    best = min(uvloop.run(in_memory(wanted, 32, 0, WITH_KEY)) for _ in range(3))
    print(f"in memory, with an Idempotency-Key: {best:.1f} us")
    over_loopback(wanted, 32)
