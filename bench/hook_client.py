"""Webhook posts a second and CPU time a post of `HookClient`, against a minimal receiver in another process.

Run: python bench/hook_client.py [--posts 100000] [--origins 8] [--per-origin 8] [--unsigned]
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import time
from ipaddress import ip_network
from multiprocessing.connection import Connection as Pipe

import httptools
import uvloop

from trunkline.domain.callback import Callback, Policy, check
from trunkline.webhooks.client import HookAnswer, HookClient
from trunkline.webhooks.sign import Signer, new_secret

_ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: bench\r\nDate: Tue, 04 Mar 2025 10:00:00 GMT\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
)
_BODY = (
    b'{"msgId":"01956e3a-7c00-7000-8000-0123456789ab","servicePlanId":"0123456789abcdef01234567","accountId":"acc_1",'
    b'"channel":"SMS","direction":"MT","from":"31611111111","to":"+15550002222","body":"Your code is 123456","status":'
    b'"DELIVERED","segments":1,"encoding":"GSM7","createdAt":"2025-03-04T10:00:00.000Z","sentAt":'
    b'"2025-03-04T10:00:00.100Z","finalAt":"2025-03-04T10:00:02.000Z","price":"0.0075","currency":"EUR"}'
)


class _Receiver(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        self.transport.write(_ANSWER)


def _receive(ready: Pipe) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(_Receiver, "0.0.0.0", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await asyncio.get_running_loop().run_in_executor(None, ready.recv)

    uvloop.run(main())


async def _post_all(targets: list[Callback], posts: int, per_origin: int, signer: Signer | None) -> dict[str, float]:
    client = HookClient(Policy(True, (ip_network("127.0.0.0/8"),)), per_origin=per_origin)
    over = asyncio.Event()
    left = finished = failed = 0
    latencies: list[float] = []

    def start(target: Callback) -> None:
        nonlocal left
        left -= 1
        head = b""
        if signer is not None:
            head = signer.header_lines("01956e3a-7c00-7000-8000-0123456789ab-2", 1741082402, _BODY)
        client.post("plan", target, head, _BODY, lambda answer: done(target, answer))

    def done(target: Callback, answer: HookAnswer) -> None:
        nonlocal finished, failed
        finished += 1
        failed += answer.status != 200
        latencies.append(answer.latency_s)
        if left > 0:
            start(target)
        elif finished == total:
            over.set()

    async def run(count: int) -> None:
        nonlocal left, total, finished
        left = total = count
        finished = 0
        over.clear()
        latencies.clear()
        for target in targets:
            for _ in range(client.free("plan", target.origin)):
                start(target)
        await over.wait()

    total = 0
    await run(2000)  # connections are made, caches are warm
    at, cpu = time.perf_counter(), time.process_time()
    await run(posts)
    at, cpu = time.perf_counter() - at, time.process_time() - cpu
    await client.close()
    latencies.sort()
    return {
        "posts_per_s": posts / at,
        "cpu_us": cpu / posts * 1e6,
        "p50_ms": latencies[len(latencies) // 2] * 1e3,
        "p99_ms": latencies[len(latencies) * 99 // 100] * 1e3,
        "failed": failed,
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--posts", type=int, default=100_000)
    arguments.add_argument("--origins", type=int, default=8)
    arguments.add_argument("--per-origin", type=int, default=8)
    arguments.add_argument("--unsigned", action="store_true")
    options = arguments.parse_args()

    here, there = multiprocessing.Pipe()
    receiver = multiprocessing.get_context("spawn").Process(target=_receive, args=(there,), daemon=True)
    receiver.start()
    port = here.recv()
    policy = Policy(True, (ip_network("127.0.0.0/8"),))
    targets = []
    for n in range(options.origins):
        target = check(f"http://127.0.0.{n + 1}:{port}/hook?n={n}", policy=policy)
        assert target is not None
        targets.append(target)
    signer = None if options.unsigned else Signer([new_secret()])
    result = uvloop.run(_post_all(targets, options.posts, options.per_origin, signer))
    print("  ".join(f"{name} {value:,.1f}" for name, value in result.items()))
    here.send(None)
    receiver.join()


if __name__ == "__main__":
    main()
